#!/usr/bin/python3
"""cables.py MPIEXEC COLOSSIM {trees|graphs|files}: `show --cables` lists what fabric.cables reads."""

import random
import re
import subprocess

from emulator import JOBS, TOPOLOGIES, claim, column, run_case
from inputs import ideal_cluster, traffic_job
from random_inputs import graph

COUNTS = re.compile(r"^  tier .*$", re.M)


def listed(emulator, topology, *options):
    done = emulator.call("show", topology, "--cables", "-", *options)
    claim(done.returncode == 0 and not done.stderr, f"{topology.name}: {done.stderr}")
    return done.stdout


def as_graph(emulator, topology, *options):
    """The topology as a user would write it from its list."""
    (emulator.folder / "list.csv").write_text(listed(emulator, topology, *options))
    text = emulator.call("check", "--defaults", topology, *options).stdout
    lanes, parents = (int(re.search(rf"^      {key}: (\d+)", text, re.M)[1]) for key in ("lanes", "parents"))
    text = re.sub(r"^      (children|parents|lanes): .*\n|^  (kind|cables|installed): .*\n", "", text, flags=re.M)
    text = text.replace("fabric:\n", "fabric:\n  kind: graph\n  cables: list.csv\n")
    path = emulator.folder / "as-graph.yaml"
    path.write_text(text.replace("      rate:", f"      lanes: {lanes * parents}\n      rate:", 1))
    return path


def counts(emulator, topology, *options):
    return COUNTS.findall(emulator.call("check", topology, *options).stdout)


def same(emulator, topology, job, what, *options):
    """Law: a tree and the graph of its list have the same switches, cables and list, and spray in the same time."""
    options += ("--set", "fabric.routing=spray", "--set", "fabric.pxn=off")
    drawn = as_graph(emulator, topology, *options)
    claim(len(counts(emulator, drawn)) >= 1 and counts(emulator, drawn) == counts(emulator, topology, *options),
          f"{what}: {counts(emulator, drawn)}")
    claim(listed(emulator, drawn) == (emulator.folder / "list.csv").read_text(), f"{what}: another list")
    tree_ps, graph_ps = (column(emulator.trace(path, job, *more, ranks=0), "steps/duration_ps")[0]
                         for path, more in ((topology, options), (drawn, ())))
    claim(abs(int(tree_ps) - int(graph_ps)) <= 1e-9 * tree_ps, f"{what}: {tree_ps} ps as a tree, {graph_ps} as a graph")


def trees(emulator):
    for name in ("laptop-16", "nvl72-rack", "superpod-h100-1su"):
        for job in ("traffic-permutation", "traffic-shift"):
            same(emulator, TOPOLOGIES / f"{name}.yaml", JOBS / f"{job}.yaml", f"{job} on {name}")
    for case in range(8):
        draw = random.Random(case)
        tiers = [(draw.choice((1, 2, 3)), draw.choice((1, 2)), 1)]
        for _ in range(draw.randint(1, 3)):
            tiers.append((draw.choice((2, 3, 4)), draw.choice((1, 2, 4)), draw.choice((1, 2))))
        room = 1
        for children, _, _ in tiers:
            room *= children
        path = ideal_cluster(emulator.folder, max(2, room - draw.randint(0, 1)), 1, tiers, routing="spray")
        same(emulator, path, traffic_job(emulator.folder, "permutation", bytes="100 MB"), f"tree {case} of {tiers}")


def graphs(emulator):
    """Law: what is listed of a fabric that is no tree reads back to the same list; and what check says of it, to the same."""
    for case in range(12):
        path = ideal_cluster(emulator.folder, 12, 2, [(1, 1, 1)])
        text = path.read_text()
        wide = re.search(r"switch: (.*)", text)[1]
        lines = "\n".join(graph(emulator.folder, f"drawn-{case}", 12, 2)).replace("switch: wide", f"switch: {wide}")
        path = emulator.folder / f"drawn-{case}.yaml"
        path.write_text(text[:text.index("fabric:")] + "fabric:\n" + lines + "\n")
        first, drawn = listed(emulator, path), as_graph(emulator, path)
        claim(first.count("\n") > 20 and listed(emulator, drawn) == first, f"{path.read_text()}: another list")
        said = emulator.call("check", path, "--defaults")
        (emulator.folder / "said.yaml").write_text(said.stdout)
        again = emulator.call("check", emulator.folder / "said.yaml", "--defaults")
        plain = lambda text: re.sub(r"^# /.*\n|^  name: .*\n|^name: .*\n|(, |  # )default", "", text, flags=re.M)
        claim(again.returncode == 0 and plain(again.stdout) == plain(said.stdout),
              f"case {case}: {said.stdout}{said.stderr}\n{again.stdout}{again.stderr}")


def files(emulator):
    """A list comes into a new file, whole or not at all."""
    laptop, path = TOPOLOGIES / "laptop-16.yaml", emulator.folder / "new.csv"
    done = emulator.call("show", laptop, "--cables", path)
    claim((done.returncode, done.stdout, done.stderr) == (0, "", ""), f"{done}")
    claim(path.read_text() == listed(emulator, laptop), "the file is what is printed")
    path.write_text("mine")
    for code, words, *line in ((3, "is there already", "show", laptop, "--cables", path),
                               (3, "No such file", "show", laptop, "--cables", emulator.folder / "none" / "x.csv"),
                               (2, "a list holds at most", "show", TOPOLOGIES / "colossus-1m.yaml", "--cables", "-"),
                               (2, "a topology is wanted", "show", JOBS / "ddp-small.yaml", "--cables", "-"),
                               (2, "of show", "check", laptop, "--cables", "-"), (2, "wants a file", "show", laptop, "--cables", ""),
                               (2, "of one topology", "show", laptop, laptop, "--cables", "-")):
        done = emulator.call(*line)
        claim(done.returncode == code and words in done.stderr and not done.stdout, f"{line}: {done}")
    claim(path.read_text() == "mine", "what was there stays")
    with open("/dev/full", "w") as full:
        done = subprocess.run([emulator.colossim, "show", laptop, "--cables", "-"], stdout=full, stderr=subprocess.PIPE, text=True)
    claim(done.returncode == 3, f"a full disk: {done}")


run_case(trees, graphs, files)
