#!/usr/bin/python3
"""speaks.py MPIEXEC COLOSSIM CASE: what the program says about itself and about the files it is shipped with.

Laws: --help names every command and every option that the program takes; check and show accept every shipped file, every
job on its machine too, and say the published counts; under mpiexec one process speaks; the same input gives the same words.
"""

import re

from emulator import JOBS, TOPOLOGIES, claim, run_case

SHIPPED = sorted([path for folder in (TOPOLOGIES, TOPOLOGIES / "hardware", JOBS, JOBS / "models", JOBS / "events", JOBS / "shared")
                  for path in folder.glob("*.yaml")])
# Machines that shipped jobs are for, where it is not any.
MACHINES = {"ddp-small": "laptop-16", "llama3.1-405b-8k": "meta-24k-roce", "llama3.1-405b-1m": "colossus-1m", "moe-small": "superpod-h100-1su",
            "spine-outage": "superpod-h100-4su", "megatron-core-r0.8": "published/dgx-h100-ndr400",
            "mlperf-gpt3": "published/dgx-h100-ndr400", "megatron-lm-2021": "published/dgx-a100-hdr200",
            "megatron-lm-2022": "published/dgx-a100-hdr200"}
# DGX SuperPOD reference architecture (RA-11333-001): switches by tier; Colossus: 100,000 GPUs.
COUNTS = {"superpod-h100-1su": (256, {"leaf": 8, "spine": 4}), "superpod-h100-4su": (1024, {"leaf": 32, "spine": 16}),
          "colossus-100k": (100000, {"leaf": 1600}),
          "colossus-1m": (1048576, {"leaf": 16384, "spine": 16384, "core": 4096}), "meta-24k-roce": (24576, {"rack": 1536}),
          "laptop-16": (16, {"leaf": 8, "spine": 2})}


def says(emulator, *arguments, **options):
    done = emulator.call(*arguments, **options)
    claim(done.returncode == 0, f"{arguments} ends with 0: {done.returncode} {done.stderr}")
    claim(done.stderr == "", f"{arguments} is quiet on stderr: {done.stderr}")
    return done.stdout


def help(emulator):
    text = says(emulator, "--help")
    claim(text == says(emulator, "help") == says(emulator, "run", "--help"), "help is help wherever it is asked for")
    for word in ("colossim run", "colossim check", "colossim show", "exit codes"):
        claim(word in text, f"help says '{word}'")
    options = set(re.findall(r"--([a-z]+)", text))
    for option in sorted(options - {"help", "version"}):
        tried = emulator.call("run", f"--{option}", "x=1", *SHIPPED[:1])
        claim("unknown option" not in tried.stderr, f"--{option} of the help is known: {tried.stderr}")
    version = says(emulator, "--version")
    claim(re.fullmatch(r"colossim \S+ \(.+\)\n", version), f"one line with version, commit and build: {version}")
    claim(says(emulator, "--version", ranks=3) == version, "one of three processes speaks")


def shipped(emulator):
    for path in SHIPPED:
        for command in ("check", "show"):
            text = says(emulator, command, path)
            claim(len(text.splitlines()) >= 3, f"{command} {path.name} says something: {text}")
            claim(text == says(emulator, command, path), f"{command} {path.name} says it twice alike")
            claim("nan" not in text.lower().split() and "inf" not in text.lower().split() and "-1 " not in text,
                  f"{command} {path.name} shows figures: {text}")
    for path in JOBS.rglob("*.yaml"):
        if path.parent.name != "models":
            says(emulator, "check", TOPOLOGIES / f"{MACHINES.get(path.stem, 'colossus-100k')}.yaml", path)
    claim(says(emulator, "check", SHIPPED[-1], ranks=3) == says(emulator, "check", SHIPPED[-1]), "one process speaks")


def counts(emulator):
    for name, (gpus, switches) in COUNTS.items():
        text = says(emulator, "show", TOPOLOGIES / f"{name}.yaml")
        plain = text.replace(",", "")
        claim(re.search(rf"\b{gpus}\b", plain), f"{name} has {gpus} GPUs: {text}")
        for tier, number in switches.items():
            claim(re.search(rf"{tier}.*\b{number}\b|\b{number}\b.*{tier}", plain), f"{name} has {number} {tier} switches: {text}")
        # Ports of one rate: what comes from below over what goes up.
        ratios = re.findall(r"(\d+)\+(\d+)/\d+ +([\d.]+):1", text)
        claim(ratios and all(abs(float(ratio) * int(up) / int(down) - 1) < 0.01 for down, up, ratio in ratios),
              f"{name}: oversubscription is ports down over ports up: {text}")


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


run_case(help, shipped, counts, tables)
