#!/usr/bin/python3
"""wirings.py MPIEXEC COLOSSIM CASE: fabrics that are no trees, through the whole program against closed forms.

GPUs are alone in their domains, one at a switch, without latency (inputs.py): a torus or mesh of n by m has switch x + n y.
"""

import numpy as np

from emulator import PS_PER_S, claim, close, column, same_on_any_ranks, run_case
from inputs import NIC_Bps, ideal_cluster, traffic_job

EXACT = 1e-9
SIZE = 10**8
QUIET = {"engine__control_delay": "0 us", "traffic__latency": "none", "network__queue_pairs": "1"}
ROUTINGS = ("ecmp", "dor", "spray", "adaptive")


def fabric(emulator, kind, sizes, routing="dor", name="ideal", cables=None, rates=None, each=1):
    """A fabric of `each` GPUs a switch; `sizes` of the tiers behind the first, of a dragonfly (size, groups, global)."""
    nodes = each * int(np.prod(sizes[:2] if kind == "dragonfly" else sizes))
    path = ideal_cluster(emulator.folder, nodes, 1, [(each, 1, 1)], routing=routing)
    tiers = [f"    - {{name: {tier}, children: {size}, rate: {(rates or {}).get(tier, '400 Gb/s')}, cable: 0 m}}"
             for tier, size in zip(("x", "y", "z"), sizes)]
    if kind == "dragonfly":
        tiers = [tiers[0], tiers[1].replace("rate", f"parents: {sizes[2]}, rate")]
    text = path.read_text().replace("fabric:", f"fabric:\n  kind: {kind}").rstrip() + "\n" + "\n".join(tiers) + "\n"
    path = emulator.folder / f"{name}.yaml"
    path.write_text(text)
    return path


def last_s(path):
    return column(path, "steps/end_ps")[0] / PS_PER_S


def carried(path, tier):
    return int(column(path, "links/bytes")[0][tier].sum())


def shifts(emulator):
    """All on a ring send k switches further: each link of the shorter way round carries k of them, so that it takes k times as
    long as one; the other way round it takes as long; a mesh of a line has the messages that cannot close go all the way back."""
    for n, k in ((5, 2), (8, 1), (8, 3)):
        for routing in ROUTINGS:
            ring = fabric(emulator, "torus", [n], routing)
            for shift in (k, n - k):
                path = emulator.trace(ring, traffic_job(emulator.folder, "shift", bytes=f"{SIZE} B", shift=shift), **QUIET)
                claim(close(last_s(path), k * SIZE / NIC_Bps, EXACT), f"{n} by {shift}, {routing}: {last_s(path)}")
                claim(carried(path, 2) == n * k * SIZE, f"{n} by {shift}, {routing}: {carried(path, 2)}")
        line = fabric(emulator, "mesh", [n])
        path = emulator.trace(line, traffic_job(emulator.folder, "shift", bytes=f"{SIZE} B", shift=k), **QUIET)
        claim(carried(path, 2) == SIZE * ((n - k) * k + k * (n - k)), f"line of {n} by {k}: {carried(path, 2)}")


def grids(emulator):
    """Rows of a torus are rings of their own: a shift by a row takes what it takes on a ring of as many rows. All to all, each
    dimension carries the sum of ways in it, and no step is shorter than its fullest tier needs."""
    for n, m in ((4, 5), (3, 7)):
        for routing in ROUTINGS:
            torus = fabric(emulator, "torus", [n, m], routing)
            for rows in (1, 2):
                path = emulator.trace(torus, traffic_job(emulator.folder, "shift", bytes=f"{SIZE} B", shift=rows * n), **QUIET)
                claim(close(last_s(path), rows * SIZE / NIC_Bps, EXACT), f"{n} x {m}, {rows} rows, {routing}: {last_s(path)}")
            size = 10**6
            path = emulator.trace(torus, traffic_job(emulator.folder, "all_to_all", bytes=f"{size} B"), **QUIET)
            for tier, length in ((2, n), (3, m)):
                ways = sum(min(d, length - d) for d in range(length)) * n * m * (n * m // length)
                gap = carried(path, tier) - ways * size
                claim(0 <= gap <= (n * m)**2 * length, f"{n} x {m}, {routing}, tier {tier}: {gap} B too many")
                links = 2 * n * m
                claim(last_s(path) >= ways * size / links / NIC_Bps * (1 - EXACT), f"{n} x {m}, {routing}: shorter than its links need")


def dragonflies(emulator):
    """A group whose GPUs all send to the next group shares the one cable between them, on minimal paths: as long as that takes.
    As much goes over global cables as between groups, whatever the routing."""
    size, groups = 4, 5
    for routing in ROUTINGS:
        topology = fabric(emulator, "dragonfly", [size, groups, 1], routing)
        path = emulator.trace(topology, traffic_job(emulator.folder, "shift", bytes=f"{SIZE} B", shift=size), **QUIET)
        claim(close(last_s(path), size * SIZE / NIC_Bps, EXACT), f"to the next group, {routing}: {last_s(path)}")
        claim(carried(path, 3) == size * groups * SIZE, f"{routing}: {carried(path, 3)} B over global cables")


def outages(emulator):
    """Of a ring a cable dies under way: what was on it waits until routing knows, then goes the other way round with the bytes
    that are left; all is alike on any number of ranks."""
    ring = fabric(emulator, "torus", [6], name="ring")
    dead_s, delay_s = 1e-3, 0.5e-3
    ring.write_text(ring.read_text() + "events: [{at: 1 ms, what: tier1 0 port 0, remaining: 0 %}]\n")
    job = traffic_job(emulator.folder, "pair", flows=[(0, 1, SIZE, 0), (3, 4, SIZE, 0)])
    quiet = {**QUIET, "network__reroute_delay": "500 us"}
    path = emulator.trace(ring, job, **quiet)
    ends = column(path, "flows/end_ps") / PS_PER_S
    # From 1.5 ms on the first goes by 0-5-4-3-2-1, against the other flow, on links of their own but for none.
    claim(close(ends[1], SIZE / NIC_Bps, EXACT), f"the other flow is let alone: {ends[1]}")
    claim(close(ends[0], SIZE / NIC_Bps + delay_s, 1e-6), f"lost {ends[0] - SIZE / NIC_Bps} s, waited {delay_s} from {dead_s}")
    claim(same_on_any_ranks(emulator, ring, job, (1, 2, 3)) == 0, "alike on any ranks")


def trains(emulator):
    """A training job on one switch, and on the same drawn as a torus of one and as a list: the same step, to the bit."""
    job = emulator.folder / "train.yaml"
    job.write_text("schema_version: 1\nkind: training\nmodel: gpt-1.7b\nparallel: {tp: 1, pp: 2, dp: auto, microbatches: 4}\n"
                   "training: {sequence: 1024, precision: bf16}\nsteps: 2\nnoise: on\n")
    tree = ideal_cluster(emulator.folder, 8, 1, [(8, 1, 1)], routing="ecmp")
    one = emulator.folder / "one.yaml"
    one.write_text(tree.read_text())
    alike = [one, fabric(emulator, "torus", [1], "ecmp", name="torus", each=8)]
    listed = emulator.folder / "listed.yaml"
    text = one.read_text().replace("fabric:", "fabric:\n  kind: graph\n  cables: listed.csv")
    listed.write_text("\n".join(line for line in text.splitlines() if "children" not in line and "parents" not in line) + "\n")
    (emulator.folder / "listed.csv").write_text("from,to\n" + "".join(f"gpu {gpu},tier1 0\n" for gpu in range(8)))
    alike.append(listed)
    prints = [column(emulator.trace(path, job), "steps/fingerprint").tolist() for path in alike]
    claim(prints[0] == prints[1] == prints[2], f"one switch, however it is said: {prints}")
    torus = fabric(emulator, "torus", [2, 4], "spray", name="grid")
    claim(same_on_any_ranks(emulator, torus, job, (1, 2, 3)) == 0, "a torus trains alike on any ranks")


run_case(shifts, grids, dragonflies, outages, trains)
