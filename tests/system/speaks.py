#!/usr/bin/python3
"""speaks.py MPIEXEC COLOSSIM CASE: what the program says about itself and about the files it is shipped with.

Laws: --help names every command and every option that the program takes; check and show accept every shipped file, every
job on its machine too, and say the published counts; under mpiexec one process speaks; the same input gives the same words.
"""

import csv
import json
import os
import re
import subprocess

import h5py
import jsonschema
import yaml

from emulator import JOBS, PS_PER_S, ROOT, TOPOLOGIES, claim, run_case

SHIPPED = sorted([path for folder in (TOPOLOGIES, TOPOLOGIES / "hardware", JOBS, JOBS / "models", JOBS / "events", JOBS / "shared")
                  for path in folder.glob("*.yaml")])
# Machines that shipped jobs are for, where it is not any.
MACHINES = {"ddp-small": "laptop-16", "llama3.1-405b-8k": "meta-24k-roce", "llama3.1-405b-1m": "hopper-1m", "moe-small": "superpod-h100-1su",
            "llama3.1-405b-nvl72": "nvl72-rack", "llama3.1-405b-racks": "openai-100m", "llama3.1-405b-50m": "h100-50m", "deepseek-v3": "deepseek-2k", "mpt-3b-dojo": "dojo-exapod",
            "spine-outage": "superpod-h100-4su", "megatron-core-r0.8": "published/dgx-h100-ndr400",
            "mlperf-gpt3": "published/dgx-h100-ndr400", "megatron-lm-2021": "published/dgx-a100-hdr200",
            "megatron-lm-2022": "published/dgx-a100-hdr200"}
# Which job suits which machine; scripts/gallery plays them.
with open(TOPOLOGIES / "systems.csv") as file:
    SYSTEMS = [(row["topology"], row["job"]) for row in csv.DictReader(file)]
# GPUs, and (tier, switches, cables below) where published: DGX SuperPOD reference architecture (RA-11333-001); Colossus:
# 100,000 GPUs; Llama 3 (arXiv:2407.21783): 1,536 racks, 8 pods; HPN (SIGCOMM 2024): 15 segments of 16 leaves, 60 switches in each of
# two planes, two ports a GPU; DeepSeek-V3 (arXiv:2505.09343): 8 planes of 64-port switches; Fairwater: spines and leaves of the
# 131,072 places that 512-port switches have in two tiers (those of 128 units of 252 trays).
COUNTS = {"superpod-h100-1su": (256, (("leaf", 8, 256), ("spine", 4, 256))),
          "superpod-h100-4su": (1024, (("leaf", 32, 1024), ("spine", 16, 1024))),
          "superpod-h100-16su": (4096, (("leaf", 128, 4096), ("spine", 128, 4096), ("core", 64, 4096))),
          "superpod-h100-64su": (16384, (("leaf", 512, 16384), ("spine", 512, 16384), ("core", 256, 16384))),
          "colossus-100k": (100000, (("leaf", 1600, 100000),)),
          "colossus-200k": (200000, (("leaf", 3136, 200000), ("core", 2048, 200704))),
          "colossus-230k": (230024, (("leaf", 57 * 64, 230024), ("core", 2048, 57 * 4096))), "colossus2-550k": (550080, ()), "colossus-1m": (1000064, ()),
          "hopper-1m": (1048576, (("leaf", 16384, 1048576), ("spine", 16384, 1048576), ("core", 4096, 1048576))),
          "meta-24k-roce": (24576, (("rack", 192 * 8, 24576),)),
          "hpn-15k": (15360, (("leaf", 240, 2 * 15360), ("aggregation", 120, 240 * 60))),
          "deepseek-2k": (2048, (("leaf", 64, 2048), ("spine", 32, 2048))),
          "fairwater-131k": (129024, (("leaf", 8 * 512, 8 * 129024), ("spine", 8 * 256, 8 * 131072))),
          "oci-131k": (131072, (("leaf", 2048, 131072), ("spine", 2048, 131072), ("core", 1024, 131072))),
          "openai-100m": (100122624, (("leaf", 776 * 8 * 512, 8 * 100122624), ("spine", 776 * 8 * 256, 776 * 8 * 512 * 256))),
          "h100-50m": (50000000, (("leaf", 382 * 2048, 50000000), ("spine", 382 * 2048, 382 * 131072), ("core", 382 * 1024, 382 * 131072),
                                  ("wan", 2048, 382 * 4096))),
          "laptop-16": (16, (("leaf", 8, 16), ("spine", 2, 16)))}
# Most of a path over one, two and three tiers, us (OCI: blocks of 256, of 2,048, and all); bytes per second of all NICs.
OCI_PATHS_US, OCI_PBPS = (2, 5, 8), 52


def says(emulator, *arguments, **options):
    done = emulator.call(*arguments, **options)
    claim(done.returncode == 0, f"{arguments} ends with 0: {done.returncode} {done.stderr}")
    claim(done.stderr == "", f"{arguments} is quiet on stderr: {done.stderr}")
    return done.stdout


def program_path(emulator):
    """PATH on which a shell finds the program."""
    return f"{os.path.dirname(emulator.colossim)}:{os.environ['PATH']}"


def help(emulator):
    text = says(emulator, "--help")
    claim(text == says(emulator, "help") == says(emulator, "run", "--help"), "help is help wherever it is asked for")
    for word in ("colossim run", "colossim check", "colossim show", "exit codes"):
        claim(word in text, f"help says '{word}'")
    options = set(re.findall(r"^  --([a-z-]+)", text, re.MULTILINE))
    for option in sorted(options - {"help", "version"}):
        tried = emulator.call("run", f"--{option}", "x=1", *SHIPPED[:1])
        claim("unknown option" not in tried.stderr, f"--{option} of the help is known: {tried.stderr}")
    version = says(emulator, "--version")
    claim(re.fullmatch(r"colossim \S+ \(.+\)\n", version), f"one line with version, commit and build: {version}")
    claim(says(emulator, "--version", ranks=3) == version, "one of three processes speaks")


def names(emulator):
    """What `list` shows is a name that run, check and show take wherever they are called; what is none is refused, and what
    may have been meant is said; an entry of a catalogue may be a path, from the file that names it."""
    listed = {}
    for what in ("topologies", "jobs", "models", "hardware"):
        lines = says(emulator, "list", what, folder="/").splitlines()
        listed[what] = [line.split()[0] for line in lines[1:]]
    claim(says(emulator, "list").count("\n") == sum(map(len, listed.values())) + len(listed), "list shows the four")
    folders = {"topologies": TOPOLOGIES, "jobs": JOBS, "models": JOBS / "models", "hardware": TOPOLOGIES / "hardware"}
    for what, folder in folders.items():
        claim(listed[what] == sorted(path.stem for path in folder.glob("*.yaml")), f"{what}: {listed[what]}")
    claim(says(emulator, "check", "laptop-16", "ddp-small", folder="/") ==
          says(emulator, "check", TOPOLOGIES / "laptop-16.yaml", JOBS / "ddp-small.yaml"), "a name is its file")
    for wrong, meant in ((("laptop-61", "ddp-small"), "'laptop-16'"), (("laptop-16", "ddp-smal"), "'ddp-small'"),
                         (("laptop-16", "ddp-small", "--set", "node.gpu=h100"), "'h100-sxm'"),
                         (("laptop-16", "ddp-small", "--set", "model=lama3-8b"), "'llama3-8b'")):
        for ranks in (0, 2):
            done = emulator.call("run", *wrong, "--output", "none", folder="/", ranks=ranks)
            claim(done.returncode == 2 and f"did you mean {meant}?" in done.stderr, f"{wrong} on {ranks}: {done.stderr}")
    done = emulator.call("check", "superpod-h100-1u", "traffic-ringg", folder="/")
    claim("mean 'superpod-h100-1su'?" in done.stderr and "mean 'traffic-ring'?" in done.stderr, f"each is told: {done.stderr}")
    wrong = emulator.call("check", "no", "no", folder="/").stderr.splitlines()
    claim(len(wrong) == 2 and wrong[0] == wrong[1], f"what is named twice is missing twice: {wrong}")
    models = [name for name in listed["models"] if name not in listed["jobs"]]  # a name is a job's before it is a model's
    names = [listed["topologies"][0], *models[:2], *listed["hardware"][:2]]
    for name in names:
        claim(says(emulator, "check", name, folder="/").startswith(f"{TOPOLOGIES.parent}/"), f"{name} is found")
    for text in (says(emulator, "check", *names, folder="/"), says(emulator, "check", "laptop-16", "ddp-small")):
        claim(text.count(": good\n") == text.count(".yaml: ") and text.count("\n") < 20, f"check is short: {text}")
    swapped = emulator.call("run", "ddp-small", "laptop-16", folder="/").stderr
    claim(swapped.count("error: kind wants 'topology'") == 1 and swapped.count(" error: ") == 3, f"swapped: {swapped}")
    gpu = emulator.folder / "mine.yaml"
    gpu.write_text((TOPOLOGIES / "hardware/h100-sxm.yaml").read_text())
    machine = emulator.folder / "machine.yaml"
    machine.write_text((TOPOLOGIES / "laptop-16.yaml").read_text().replace("h100-sxm", "./mine.yaml"))
    claim("gpu: mine\n" in says(emulator, "check", "--defaults", machine, folder="/"), "an entry is a path")


def forms(emulator):
    """Help, manual page and completion name every command and option; a key that any file uses is in `keys` and in `schema`,
    and every shipped file is right by the schema of its kind."""
    text, manual = says(emulator, "help"), says(emulator, "man").replace("\\-", "-")
    commands = re.findall(r"^  colossim ([a-z]+)", text, re.MULTILINE)
    options = re.findall(r"^  (--[a-z-]+)", text, re.MULTILINE)
    claim(len(commands) >= 10 and len(options) >= 10, f"{commands} {options}")
    for shell in ("bash", "zsh"):
        script = says(emulator, "completion", shell)
        for word in commands + options:
            claim(word in script and word in manual, f"{word} is in completion of {shell} and in the manual page")
    say = "source /dev/stdin; COMP_WORDS=(%s); COMP_CWORD=%d; _colossim; echo ${COMPREPLY[@]}"
    for words, wanted in (("colossim ru", "run"), ("./build/colossim ru", "run"), ("colossim expl", "explain"), ("colossim repo", "report"),
                          ("colossim list mo", "models"), ("colossim run --player is", "island"),
                          ("colossim run --rout", ""), ("colossim run lapt", "laptop-16"), ("colossim schema gp", "gpu")):
        done = subprocess.run(["bash", "-c", say % (words, len(words.split()) - 1)], input=says(emulator, "completion", "bash"),
                              capture_output=True, text=True, env={**emulator.environment, "PATH": program_path(emulator)})
        claim(done.stdout.strip() == wanted, f"'{words}' is completed to '{wanted}': {done.stdout} {done.stderr}")
    for kind in ("topology", "training", "traffic", "model", "gpu", "nic", "switch", "scale_up"):
        right = json.loads(says(emulator, "schema", kind))
        known = set(re.findall(r"^\| `([^`]+)`", says(emulator, "keys", kind), re.MULTILINE))
        claim(set(right["properties"]) - {"schema_version", "kind", "description", "sources"} == {key for key in known if "." not in key},
              f"keys and schema of {kind} name the same")
        files = [path for path in SHIPPED if yaml.safe_load(path.read_text())["kind"] == kind]
        claim(len(files) > 0, f"a {kind} is shipped")
        for path in files:
            for error in jsonschema.Draft7Validator(right).iter_errors(yaml.safe_load(path.read_text())):
                claim(False, f"{path} by the schema of {kind}: {'.'.join(map(str, error.path))}: {error.message[:300]}")
    wrong = yaml.safe_load((TOPOLOGIES / "laptop-16.yaml").read_text())
    wrong["node"]["gpsu"] = 8
    claim(list(jsonschema.Draft7Validator(json.loads(says(emulator, "schema", "topology"))).iter_errors(wrong)), "a wrong key is refused")


def objects(emulator):
    """--json says of each step what the trace says, of one job or several, on any ranks; --quiet says nothing, and both say
    errors as ever."""
    for jobs in (("ddp-small",), ("traffic-all-to-all", "traffic-flows")):
        words = ("run", "superpod-h100-1su", *jobs, "--steps", 2, "--output", emulator.folder / "said.h5")
        texts = {says(emulator, *words, "--json", "--progress", "none", ranks=ranks) for ranks in (0, 2)}
        claim(len(texts) == 1, f"one object on any ranks: {texts}")
        said = json.loads(texts.pop())
        claim(said["jobs"] == list(jobs) and said["cluster"] == "superpod-h100-1su", f"{said}")
        with h5py.File(emulator.folder / "said.h5") as file:
            steps = file["steps"]
            told = [(step["job"], step["step"], step["start_ps"], step["end_ps"], int(step["fingerprint"], 16)) for step in said["steps"]]
            kept = list(zip(steps["job"][:] if "job" in steps else [0] * len(told), steps["job_step"][:] if "job_step" in steps else range(9),
                            steps["start_ps"][:], steps["end_ps"][:], steps["fingerprint"][:]))
            claim(told == [tuple(map(int, row)) for row in kept] and len(told) == 2 * len(jobs), f"{told} is {kept}")
            claim(all(("flows" in step) == ("flows" in file and step["step"] == 0) for step in said["steps"]),
                  "flows are told of the first repetition of each job of traffic")
            for row, step in enumerate(said["steps"]):
                if "flows" in step:
                    of = file["flows/step"][()] == row
                    took_ps = (file["flows/end_ps"][()] - file["flows/start_ps"][()])[of]
                    rate = file["flows/bytes"][()][of] / took_ps * PS_PER_S
                    right = [of.sum(), rate.mean(), rate.min(), took_ps.max()]
                    found = [step["flows"][name] for name in ("n", "goodput_mean_Bps", "goodput_least_Bps", "completion_most_ps")]
                    claim(all(abs(a / b - 1) < 1e-9 for a, b in zip(found, right)), f"{found} is {right}")
        claim(says(emulator, *words, "--quiet") == "", "--quiet says nothing")
        for option in ("--quiet", "--json"):
            done = emulator.call("run", "superpod-h100-1su", jobs[0], "--set", "nodes=none", option)
            claim(done.returncode == 2 and "nodes wants" in done.stderr and done.stdout == "", f"{option}: {done.stdout}{done.stderr}")


def shipped(emulator):
    for path in SHIPPED:
        for command in (("check", "--defaults"), ("show",)):
            text = says(emulator, *command, path)
            claim(len(text.splitlines()) >= 3, f"{command} {path.name} says something: {text}")
            claim(text == says(emulator, *command, path), f"{command} {path.name} says it twice alike")
            claim("nan" not in text.lower().split() and "inf" not in text.lower().split() and "-1 " not in text,
                  f"{command} {path.name} shows figures: {text}")
    for path in JOBS.rglob("*.yaml"):
        if path.parent.name != "models":
            says(emulator, "check", TOPOLOGIES / f"{MACHINES.get(path.stem, 'colossus-100k')}.yaml", path)
    claim(says(emulator, "check", SHIPPED[-1], ranks=3) == says(emulator, "check", SHIPPED[-1]), "one process speaks")


def systems(emulator):
    """Each machine of the folder has a job that suits it, takes it, and is in the folder's README."""
    listed = (TOPOLOGIES / "README.md").read_text()
    for topology, job in SYSTEMS:
        says(emulator, "check", TOPOLOGIES / f"{topology}.yaml", JOBS / f"{job}.yaml")
    for path in TOPOLOGIES.glob("*.yaml"):
        claim(f"`{path.stem}`" in listed, f"topologies/README.md has {path.stem}")
        claim(path.stem in dict(SYSTEMS), f"topologies/systems.csv has {path.stem}")


def counts(emulator):
    for name, (gpus, tiers) in COUNTS.items():
        text = says(emulator, "show", TOPOLOGIES / f"{name}.yaml")
        derived = says(emulator, "check", TOPOLOGIES / f"{name}.yaml")
        claim(re.search(rf": {gpus:,} GPUs", text), f"{name} has {gpus} GPUs: {text}")
        for tier, switches, cables in tiers:
            claim(f": {switches} {tier} switches, {cables} cables below" in derived,
                  f"{name} has {switches} {tier} switches and {cables} cables below: {derived}")
        # Ports of one rate: what comes from below over what goes up.
        ratios = re.findall(r"(\d+)\+(\d+)/\d+ +([\d.]+):1", text)
        claim(ratios and all(abs(float(ratio) * int(up) / int(down) - 1) < 0.01 for down, up, ratio in ratios),
              f"{name}: oversubscription is ports down over ports up: {text}")
    text = says(emulator, "show", TOPOLOGIES / "fairwater-131k.yaml")
    claim("planes     8, in each 1 port of 12.5 GB/s" in text, f"show says planes: {text}")
    claim(max(map(int, re.findall(r"through one \w+ +(\d+)", text))) == 3, f"three switches are the longest path of MRC: {text}")
    text = says(emulator, "show", TOPOLOGIES / "oci-131k.yaml")
    paths_us = [float(us) for us in re.findall(r"through one \w+ +\d+ +\d+ +([\d.]+)", text)]
    claim(len(paths_us) == 3 and all(own <= most for own, most in zip(paths_us, OCI_PATHS_US)),
          f"OCI's paths take at most {OCI_PATHS_US} us: {paths_us}")
    line_GBps = float(re.search(r"NIC .* ([\d.]+) GB/s line", text)[1])
    claim(int(131072 * line_GBps * 8 / 1e6) == OCI_PBPS, f"OCI's NICs have {OCI_PBPS} Pb/s together: {line_GBps} GB/s each")


def tables(emulator):
    """The table of a run is the same every time, on any number of ranks; only the path of the trace is its own."""
    for job in ("ddp-small", "traffic-incast"):
        first = says(emulator, "run", TOPOLOGIES / "laptop-16.yaml", JOBS / f"{job}.yaml", "--output", "none",
                     "--progress", "none")
        claim(first.strip().startswith(f"{job} on laptop-16 (16 GPUs)"), f"a title: {first}")
        claim("fingerprint" in first and "hottest:" in first, f"fingerprint and hottest link: {first}")
        for ranks in (1, 3):
            again = says(emulator, "run", TOPOLOGIES / "laptop-16.yaml", JOBS / f"{job}.yaml", "--output", "none",
                         "--progress", "none", ranks=ranks)
            claim(again == first, f"{job} on {ranks} ranks:\n{first}\n{again}")


run_case(help, names, forms, objects, shipped, systems, counts, tables)
