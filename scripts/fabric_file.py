"""fabric_file.py: what `draw` draws: a machine as the program describes it, and what its cables carried in a run.

Nothing of how cables run is known here: the program counts (colossim check, show) and lists them (show --cables). A trace holds the
resolved configuration of its run, which is laid into a folder as files and shown the same way.
"""

import pathlib
import re
import subprocess
import sys
import tempfile
from dataclasses import dataclass

import numpy as np
import yaml

import trace_file
from program import build, environment, gpus_of, groups_of
from trace_file import PS, TraceError

COUNTS = re.compile(r"^  tier \d+: (?:(\d+) )?.*, (\d+) cables (?:below them|between switches)$", re.M)
RATIO = re.compile(r" \d+\+\d+/\d+ +(\S+) +[\d.]+ +[\d.]+$", re.M)  # in the table of tiers


@dataclass
class Tier:
    """Of the fabric, the lowest first."""
    name: str
    switch: str
    children: int
    rate: str
    switches: int
    cables: int
    oversubscription: str  # "2:1", of a switch to those above; "-": there is nothing above, or it is no tree
    groups: int = 1        # trees: switches of a level with the same GPUs below them are one


@dataclass
class Cables:
    """Rows of the list: `count` parallel cables of a tier, the number of the first of them in it, and their ends."""
    tier: np.ndarray    # index in Fabric.tiers
    first: np.ndarray
    count: np.ndarray
    level: np.ndarray   # [row, end]; -1: a GPU, else index in Fabric.tiers
    number: np.ndarray  # [row, end]


class Refused(TraceError):
    """By the program; in its words."""


class Fabric:
    def __init__(self, path, program, settings=()):
        self.call = [program or build(), "%s", path, *(word for setting in settings for word in ("--set", setting))]
        self.topology = yaml.safe_load(self.ask("check", "--defaults"))
        if self.topology.get("kind") != "topology":
            sys.exit(f"draw: {path}: a topology is wanted here")
        fabric = self.topology["fabric"]
        self.kind, self.name, self.node = fabric["kind"], self.topology["name"], self.topology["node"]
        self.gpus = gpus_of(self.topology)
        groups = groups_of(self.topology)
        listed = lambda words: " and ".join(dict.fromkeys(map(str, words)))
        self.nodes_of = f"of {listed(gpus for _, gpus, _ in groups)}"
        self.domains = listed(domain for _, _, domain in groups)
        self.trees = self.node["gpus"] if fabric["wiring"] == "rail-only" else 1
        ratios = RATIO.findall(self.ask("show")) if self.kind == "tree" else ["-"] * len(fabric["tiers"])
        self.tiers = [Tier(spec["name"], spec["switch"], spec["children"], spec["rate"], int(switches or 0), int(cables), ratio)
                      for spec, (switches, cables), ratio in zip(fabric["tiers"], COUNTS.findall(self.ask("check")), ratios, strict=True)]
        if self.kind == "tree":
            if fabric["installed"] != "all":
                self.tiers[-1].children = fabric["installed"]
            groups = self.trees
            for tier in reversed(self.tiers):
                tier.groups = groups
                groups *= tier.children
        self.list = self.cables() if self.kind != "tree" else None

    def ask(self, command, *options):
        line = [self.call[0], command, *self.call[2:], *options]
        done = subprocess.run(line, capture_output=True, text=True, env=environment())
        if done.returncode != 0:
            raise Refused(done.stderr.rstrip())
        return done.stdout

    def cables(self):
        names = {tier.name: i for i, tier in enumerate(self.tiers)}
        rows = [line.split(",") for line in self.ask("show", "--cables", "-").splitlines()[1:]]
        ends = [[end.rpartition(" ") for end in row[:2]] for row in rows]
        count = np.array([int(row[2]) for row in rows])
        tier = np.array([names[row[3]] for row in rows])
        before = np.cumsum(count) - count
        first = before - before[np.searchsorted(tier, tier)]  # tiers stand in order
        return Cables(tier, first, count, np.array([[-1 if end[0] == "gpu" else names[end[0]] for end in row] for row in ends]),
                      np.array([[int(end[2]) for end in row] for row in ends]))


def blocks(text):
    """Keys of a mapping in YAML's block style, and what stands below each."""
    parts = re.split(r"^(\S.*):\n", text, flags=re.M)
    outdent = lambda block: re.sub(r"^  ", "", block, flags=re.M)
    return {key: outdent(block) for key, block in zip(parts[1::2], parts[2::2])}


def of_trace(trace, program):
    """The machine of a run."""
    trace.asked()
    resolved = blocks(trace.word("config_resolved"))
    with tempfile.TemporaryDirectory() as folder:
        folder = pathlib.Path(folder)
        (folder / "hardware").mkdir()
        for name, entry in blocks(resolved["catalogue"]).items():
            (folder / "hardware" / f"{name}.yaml").write_text(entry)
        listed = re.search(r"^  cables: \"?([^\"\n]*[^\"\n ])\"?(?:  # .*)?$", resolved["topology"], re.M)
        topology = resolved["topology"]
        if listed:
            paths = {trace.word(name): name.replace("path", "text") for name in trace.attributes if name.startswith("config_path_")}
            (folder / "cables.csv").write_text(trace.word(paths.get(listed[1], "config_text_")))
            topology = topology.replace(listed[0], "  cables: cables.csv")
        path = folder / "topology.yaml"
        path.write_text(topology)
        try:
            return Fabric(path, program)
        except Refused as error:
            raise trace_file.damaged(trace.path, str(error).splitlines()[0].replace(f"{folder}/", "")) from error


class Loads:
    """Utilisation of cables in a step of a trace."""

    def __init__(self, trace, step):
        if not 0 <= step < trace.nsteps:
            raise TraceError(f"{trace.path}: step {step} of {trace.nsteps}")
        self.trace, self.step, self.tiers = trace, step, trace.tiers
        self.mean = trace["links/utilisation_mean"][step]
        self.most = trace["links/utilisation_max"][step]
        self.full = "links/link_bytes" in trace
        names, delay = trace["links/hot_name"][step], trace["links/hot_delay_ps"][step]
        used = trace["links/hot_utilisation"][step]
        self.hottest = [(b"".join(name).decode().rstrip("\0 "), used[i], delay[i] * PS)
                        for i, name in enumerate(names) if trace["links/hot_link"][step][i] >= 0][:3]

    def of(self, tier):
        """Mean and most of a tier of the fabric, whichever way is more."""
        row = self.tiers.index(tier.name)
        return float(self.mean[row].max()), float(self.most[row].max())

    def of_cables(self, tier):
        """Of each cable of a tier, whichever way is more; where the trace has not all links, the mean of those without one."""
        row = self.tiers.index(tier.name)
        n = int(self.trace["links/links"][row])
        used = np.empty((2, n))
        for direction, first in enumerate(self.trace["links/first_link"][row]):
            if self.full:
                seconds = self.trace["steps/duration_ps"][self.step] * PS
                each = self.trace["links/capacity_Bps"][row] * seconds
                used[direction] = self.trace.file["links/link_bytes"][self.step, first:first + n] / each
                continue
            used[direction] = self.mean[row][direction]
            hot = self.trace["links/hot_link"][self.step]
            mine = (hot >= first) & (hot < first + n)
            used[direction, hot[mine] - first] = self.trace["links/hot_utilisation"][self.step][mine]
        return used.max(axis=0)
