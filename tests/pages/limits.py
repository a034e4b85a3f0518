#!/usr/bin/python3
"""limits.py MPIEXEC COLOSSIM CASE: limits on topologies/limits.md are those of the program.

Laws. `named`: each row of the page has a trial here and each trial a row; what is at the limit is taken, what is one above (or the
least above that can be made) is refused with exit code 2 and words that name the limit. `keys`: no key of a file takes what
`colossim keys` calls outside of its range, and each takes both ends of it, as far as that goes with all else. `slow`: those that read large files.
"""

import os
import pathlib
import re
import subprocess
import sys
import tempfile

import yaml

from key_tables import KINDS, keys
from markdown import ROOT

PAGE = "topologies/limits.md"
LAPTOP, UNIT, PODS = "laptop-16", "superpod-h100-4su", "superpod-h100-16su"


def sets(*settings):
    return [word for setting in settings for word in ("--set", setting)]


def check(*words):
    return ["check", *words]


def on_laptop(*settings):
    return check(LAPTOP, "ddp-small", *sets(*settings))


def items(n, text):
    return "[" + ",".join(text.format(i=i, even=2 * i, node=i // 8) for i in range(n)) + "]"


def file_of(name, text):
    """A file beside the trial; its name."""
    pathlib.Path(name).write_text(text)
    return name


def padded(n):
    text = (ROOT / "topologies/laptop-16.yaml").read_text()
    return check("./" + file_of("padded.yaml", text + "#" * (n - len(text) - 1) + "\n"))


def mapping(n):
    """A mapping of n keys: the topology's own, and unknown ones."""
    text = (ROOT / "topologies/laptop-16.yaml").read_text()
    own = len(re.findall(r"^\w+:", text, re.M))
    return check("./" + file_of("keys.yaml", text + "".join(f"k{i}: 1\n" for i in range(n - own))))


def deep(n):
    """A text of n mappings and lists within each other; the outermost is the file."""
    text = (ROOT / "topologies/laptop-16.yaml").read_text()
    return check("./" + file_of("deep.yaml", text + "more: " + "[" * (n - 1) + "]" * (n - 1) + "\n"))


def cables(ncables):
    """A graph of 1,448 switches, each joined to each, and a few cables more."""
    switches, more = 1448, ncables - 1448 * 1447 // 2
    lines = ["from,to,count", "gpu 0,leaf 0,1", "gpu 1,leaf 1,1"]
    lines += [f"leaf {a},leaf {b},{2 if a == 0 and b <= more else 1}" for a in range(switches) for b in range(a + 1, switches)]
    return graph("\n".join(lines) + "\n", 2)


def graph(text, nodes, lanes=1):
    file_of("list.csv", text)
    return check("./" + file_of("graph.yaml", f"""schema_version: 1
kind: topology
nodes: {nodes}
node: {{gpu: h100-sxm, gpus: 1, nic: connectx-7-ndr400, scale_up: ./alone.yaml}}
fabric:
  kind: graph
  wiring: plain
  cables: list.csv
  tiers:
    - {{name: leaf, switch: ./wide.yaml, lanes: {lanes}, rate: 400 Gb/s, cable: 5 m}}
    - {{name: upper, rate: 400 Gb/s, cable: 5 m}}
"""))


def hardware():
    """Parts as no catalogue has them."""
    file_of("alone.yaml", "schema_version: 1\nkind: scale_up\ngpus: 1\nline_rate: 450 GB/s\ngoodput: 400 GB/s\nlatency: 1 us\ncollective_base: 5 us\n")
    file_of("wide.yaml", "schema_version: 1\nkind: switch\nports: 100000\nport_rate: 400 Gb/s\nlatency: 300 ns\ntypical_power: 1 kW\n")


def parallel_cables(n):
    return graph(f"from,to,count\ngpu 0,leaf 0,1\ngpu 1,leaf 1,1\nleaf 0,leaf 1,{n}\n", 2)


def ports(n):
    return graph(f"from,to,count\ngpu 0,leaf 0,{n}\ngpu 1,leaf 0,{n}\n", 2, lanes=n)


def one_switch(n):
    """All NICs at one switch, by packets."""
    return check("./" + file_of("switch.yaml", f"""schema_version: 1
kind: topology
nodes: {n}
node: {{gpu: h100-sxm, gpus: 1, nic: connectx-7-ndr400, scale_up: ./alone.yaml}}
fabric:
  wiring: plain
  tiers: [{{name: leaf, switch: ./wide.yaml, children: {n}, rate: 400 Gb/s, cable: 5 m}}]
"""), "traffic-ring", *sets("engine=packet"))


def degree(n):
    """A switch with n cables, to two others."""
    return graph(f"from,to,count\ngpu 0,leaf 0,1\ngpu 1,leaf 1,1\nleaf 0,leaf 1,2000\nleaf 0,leaf 2,{n - 2000}\n", 2)


def flows_file(nbytes):
    with open("flows.csv", "w") as file:
        file.write("source,destination,bytes,start\n0,8,256 MB,0 us\n")
        file.truncate(nbytes)
    return check(LAPTOP, "./" + file_of("flows.yaml", "schema_version: 1\nkind: traffic\ntraffic: {pattern: flows, file: flows.csv}\n"))


# name of the row: (words of the command for n, what a refusal says)
TRIALS = {
    "bytes of a file of YAML": (padded, "at most {n} are"),
    "keys of a mapping": (mapping, "more than {n} keys"),
    "levels of a file": (deep, "nested more than {n} deep"),
    "digits of a number": (lambda n: on_laptop("seed=" + "1" * n), "more than {n} digits"),
    "bytes of a name": (lambda n: on_laptop("job.name=" + "x" * n), "wants at most {n} bytes"),
    "files of a command": (lambda n: check(*[LAPTOP] * n), "too many files: at most {n}"),
    "settings of a command": (lambda n: on_laptop(*["steps=1"] * n), "too many settings: at most {n}"),
    "jobs of a run": (lambda n: ["run", PODS, *["traffic-ring"] * n, *sets("traffic.ranks=8", "traffic.bytes=1 kB"), "--output", "none", "--quiet"],
                      "wanted 1 to {n}"),
    "GPUs of a timeline": (lambda n: check(UNIT, "ddp-small", *sets(f"trace.timeline=[0-{n - 1}]")), "more than {n} GPUs"),
    "links kept in time": (lambda n: check(PODS, "ddp-small", *sets("trace.links=[leaf" + ", 'leaf 0 port 0 -> spine 0'" * (n - 8192) + "]")),
                           "at most {n} are kept"),
    "cables hit by slow NICs, faults and events": (lambda n: check(PODS, *sets(f"slow=[{{what: gpu 0-{n - 1}, nic: 2}}]")), "more than {n} cables"),
    "parallel cables in a line": (parallel_cables, "count wants a number from 1 to {n}"),
    "cables from a switch to others": (degree, "at most {n} are"),
    "cables between switches of a graph": (cables, "at most {n} are"),
    "virtual stages": (lambda n: check(PODS, "ddp-small", *sets(f"parallel.pp={n}")), "at most {n} virtual stages"),
    "passes of a step": (lambda n: on_laptop(f"parallel.microbatches={n}"), "at most {n} passes"),
    "ports of a NIC": (ports, "at most {n} and 1 are"),
    "links of a switch": (one_switch, "links at most, one has"),
    # 1,647,512,064 parameters on a stage: the least buckets of which there are no more than n
    "buckets of a virtual stage": (lambda n: on_laptop(f"training.bucket_parameters={-(-1647512064 // n)}"), "more than {n} buckets"),
    "bytes of a traffic job": (lambda n: check("hopper-1m", "traffic-ring", *sets(f"traffic.bytes={n // 2**20} B")), "bytes in all; at most"),
    "ranks of a traffic job": (lambda n: check("openai-100m", "traffic-ring", *sets(f"traffic.ranks={n}", "traffic.bytes=1 kB")), "at most {n} are"),
    "bytes of a table of flows": (flows_file, "at most {n} are"),
}
SLOW = ("cables between switches of a graph", "bytes of a table of flows", "ranks of a traffic job")


def rows():
    """{name: limit} of the page."""
    found = re.findall(r"^\| ([^|]+?) \| ([\d,]+) \|", (ROOT / PAGE).read_text(), re.M)
    return {name: int(limit.replace(",", "")) for name, limit in found}


def call(colossim, words):
    done = subprocess.run([colossim, *words], capture_output=True, text=True, env={**os.environ, "COLOSSIM_SHARE": str(ROOT)})
    return done.returncode, done.stdout + done.stderr


def tried(colossim, names):
    wrong, limits = [], rows()
    hardware()
    for name in names:
        make, phrase = TRIALS[name]
        phrase = phrase.format(n=limits[name])
        for n, refused in ((limits[name], False), (limits[name] + 1, True)):
            code, said = call(colossim, make(n))
            if (phrase in said) != refused or refused and code != 2:
                wrong.append(f"{name}, {n}: {'not refused' if refused else 'refused'}: exit code {code} {said[-600:]}")
    return len(names), wrong


def case_named(colossim):
    wrong = [f"{PAGE} and the trials differ: {set(rows()) ^ set(TRIALS)}"] if set(rows()) != set(TRIALS) else []
    number, more = tried(colossim, [name for name in TRIALS if name not in SLOW and name in rows()])
    return number, wrong + more


UNITS = re.compile(r", (-?[\d.]+)( [^ ,]+)? to (-?[\d.]+)( [^ ,]+)?(, or|$)")
BATCH = 15  # of a text the first 20 errors are shown


def ranges(colossim, kind):
    """(key, least, most), both (number, unit), of keys outside of lists that have a range."""
    for key, (takes, _) in keys(colossim, kind).items():
        found = UNITS.search(takes)
        if found and "[]" not in key and "list" not in takes:
            least, unit, most, other = found.groups()[:4]
            yield key, (least, unit or ""), (most, other or "")


def beyond(number, unit, sign):
    """Counts, and what is small, by one; other quantities by half or twice."""
    if re.fullmatch(r"-?\d+", number) and (sign < 0 or not unit):
        return f"{int(number) + sign}{unit}"
    return f"{float(number) * (2 if sign > 0 else 0.5):.12f}".rstrip("0").rstrip(".") + unit


def wrong_ranges(colossim, kind, trials):
    """trials: [(key, value, words that must come, or None: none about its range)]."""
    wrong = []
    for i in range(0, len(trials), BATCH):
        batch = trials[i:i + BATCH]
        if kind in ("topology", "training", "traffic"):
            job = {"topology": [], "training": ["ddp-small"], "traffic": ["traffic-permutation"]}[kind]
            words = check(LAPTOP, *job, *sets(*(f"{key}={value}" for key, value, _ in batch)))
        else:
            words = check("./" + catalogue_entry(kind, batch))
        _, said = call(colossim, words)
        for key, value, wanted in batch:
            name = re.escape(key.split(".")[-1])
            found = re.findall(rf"error: {name} must be (at (?:most|least) .*), got '{re.escape(value)}'", said)
            found += re.findall(rf"error: {name} is too large: '{re.escape(value)}' is more (than \d+)", said)
            if wanted and found == [wanted.replace("at most", "than")]:
                continue  # as many as a word holds
            if (wanted is None) == bool(found) or wanted and wanted not in found:
                wrong.append(f"{kind}: {key}={value}: wanted {wanted}, found {found}: {said[-300:] if not found else ''}")
    return wrong


def catalogue_entry(kind, batch):
    """A file of a kind with other values."""
    shipped = {"model": "jobs/models/deepseek-v3.yaml", "gpu": "topologies/hardware/h100-sxm.yaml", "nic": "topologies/hardware/connectx-7-ndr400.yaml",
               "switch": "topologies/hardware/quantum-2-qm9700.yaml", "scale_up": "topologies/hardware/nvlink4-8.yaml"}[kind]
    entry = yaml.safe_load((ROOT / shipped).read_text())
    for key, value, _ in batch:
        at = entry
        for word in key.split(".")[:-1]:
            at = at.setdefault(word, {})
        at[key.split(".")[-1]] = value
    # As text: YAML would write a number such as 1e5 for itself.
    return file_of(f"{kind}.yaml", re.sub(r"'(-?[\d.e+-]+)'", r"\1", yaml.safe_dump(entry, sort_keys=False)))


def case_keys(colossim):
    wrong, number = [], 0
    for kind in KINDS:
        above, below, at = [], [], []
        for key, least, most in ranges(colossim, kind):
            above.append((key, beyond(*most, 1), f"at most {''.join(most)}"))
            at.append((key, "".join(most), None))
            if float(least[0]) > 0:
                below.append((key, beyond(*least, -1), f"at least {''.join(least)}"))
                at.append((key, "".join(least), None))
        number += len(above) + len(below)
        firsts = [trial for i, trial in enumerate(at) if trial[0] not in [other[0] for other in at[:i]]]
        for trials in (above, below, firsts, [trial for trial in at if trial not in firsts]):
            wrong += wrong_ranges(colossim, kind, trials)
    return number, wrong


def case_slow(colossim):
    return tried(colossim, SLOW)


def main():
    colossim, case = sys.argv[2:4]
    colossim = str(pathlib.Path(colossim).resolve())
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        number, wrong = globals()[f"case_{case}"](colossim)
    if wrong or not number:
        sys.exit("FAILED:\n" + "\n".join(wrong))
    print(f"{case}: {number} limits hold")


main()
