#!/usr/bin/python3
"""groups.py MPIEXEC COLOSSIM CASE: nodes of different counts of GPUs in scale-up domains of their own (`node.others`).

16 nodes of 8 H100 beside two racks of GB200, 36 trays of 4 in domains of 72.
`alone`: a job on nodes of one group is, to the picosecond, that of a machine without the others; a machine of two groups with equal
counts is that of one. `both`: a job on both is one on any ranks, by islands and event by event, and no quicker than on the
slower alone; GPUs, nodes and slots are numbered as a walk through the nodes does; what is slow is where its node is; units of
the site add up to it. `traffic`: bytes of a permutation are conserved on each tier, and packets take as long as flows.
"""

import h5py
import numpy as np

from emulator import AS_ISLANDS, EVENT_BY_EVENT, claim, close, column, run_case, same_on_any_ranks

GROUP = "{{from: {first}, gpu: {gpu}, gpus: {gpus}, scale_up: {domain}}}"
MACHINE = """schema_version: 1
kind: topology
nodes: {nodes}
node: {{gpu: {gpu}, gpus: {gpus}, nic: bluefield-3-400gbe, scale_up: {domain}, others: [{others}]}}
fabric:
  wiring: rail
  routing: adaptive
  tiers:
    - {{name: leaf, switch: spectrum-4-sn5600, children: 18, rate: 400 Gb/s, cable: 30 m}}
    - {{name: spine, switch: spectrum-4-sn5600, children: 32, parents: 18, rate: 400 Gb/s, cable: 50 m}}
"""
JOB = """schema_version: 1
kind: training
model: gpt-1.7b
parallel: {tp: 4, pp: 2, dp: auto, microbatch: 1, microbatches: 4, zero: 1}
training: {sequence: 2048, precision: bf16, attention: cudnn}
steps: 2
"""
TRAFFIC = "schema_version: 1\nkind: traffic\ntraffic: {pattern: permutation, bytes: 10 MB}\nsteps: 1\n"
HOPPER, RACKS = {"gpu": "h100-sxm", "gpus": 8, "domain": "nvlink4-8"}, {"gpu": "gb200", "gpus": 4, "domain": "nvlink5-72"}
TRAYS, ALL = 36, 52


def machine(emulator, name, nodes, first, *others):
    path = emulator.folder / f"{name}.yaml"
    path.write_text(MACHINE.format(nodes=nodes, others=", ".join(GROUP.format(first=at, **group) for at, group in others), **first))
    return path


def pair(emulator):
    return machine(emulator, "both", ALL, HOPPER, (16, RACKS))


def written(emulator, name, text):
    path = emulator.folder / f"{name}.yaml"
    path.write_text(text)
    return path


def same_steps(a, b, what, first, ngpus):
    """Steps, and all that is said of GPUs in them: of `a` from the first one on, of `b` from 0."""
    with h5py.File(a) as one, h5py.File(b) as other:
        for name in (name for name in other["steps"] if name.endswith("_ps")):
            claim(np.array_equal(one["steps"][name], other["steps"][name]), f"{what}: steps/{name}")
        for name in other["gpus"]:
            if name in ("gpu", "node", "step"):
                continue
            found, wanted = one["gpus"][name][()][..., first:first + ngpus], other["gpus"][name][()][..., :ngpus]
            claim(np.array_equal(found, wanted), f"{what}: gpus/{name}")


def alone(emulator):
    job = written(emulator, "job", JOB)
    apart = {"hopper": (machine(emulator, "hopper", 16, HOPPER), "0-15", 0, 128, "on"),
             "racks": (machine(emulator, "racks", TRAYS, RACKS), "16-51", 128, 144, "off")}  # noise is drawn by GPU
    for name, (path, nodes, first, ngpus, noise) in apart.items():
        for more in {}, {"placement__kind": "random", "parallel__tp": 8}, {"fabric__wiring": "plain", "parallel__pp": 1}:
            if name == "racks" and more.get("placement__kind"):
                more = {**more, "fabric__routing": "spray"}
            mine = emulator.trace(pair(emulator), job, name="mine", noise=noise, placement__nodes=nodes, **more)
            same_steps(mine, emulator.trace(path, job, name="own", noise=noise, **more), f"{name}, {more}", first, ngpus)
    equal = machine(emulator, "equal", 16, HOPPER, (4, HOPPER))
    same_steps(emulator.trace(equal, job, name="two", noise="on"), emulator.trace(apart["hopper"][0], job, name="one", noise="on"),
               "two groups with equal counts", 0, 128)
    for dataset, share in (("links/bytes", 0), ("power/energy_J", 1e-5)):  # what products draw is told by group
        claim(close(column(emulator.folder / "two.h5", dataset), column(emulator.folder / "one.h5", dataset), share), f"equal groups: {dataset}")


def claim_numbers(path):
    node = np.repeat(np.arange(ALL), [8] * 16 + [4] * TRAYS)
    claim(np.array_equal(column(path, "gpus/node"), node), "GPUs are counted node by node")
    slot = np.concatenate([np.tile(np.arange(8), 16), np.tile(np.arange(4), TRAYS)])
    claim(np.array_equal(column(path, "gpus/slot"), slot), "slots are counted in nodes")
    units, mean_W = column(path, "power/tier_units"), column(path, "power/tier_mean_W")[-1]
    claim(list(units[-1] if units.ndim > 1 else units) == [ALL, 3, 1], f"52 nodes, a rack of 16 and two of 18 trays, not {units}")
    claim(close(mean_W[0] * ALL, mean_W[2], 1e-9) and close(mean_W[1] * 3, mean_W[2], 1e-9), "nodes and racks draw what all of them do")


def slower_alone(emulator, job):
    return max(column(emulator.trace(pair(emulator), job, name="part", placement__nodes=nodes), "steps/duration_ps")[-1]
               for nodes in ("0-15", "16-51"))


def both(emulator):
    job = written(emulator, "job", JOB + "noise: off\n")
    code = same_on_any_ranks(emulator, pair(emulator), job, (1, 2, 3), once_more=[(1, EVENT_BY_EVENT), (2, AS_ISLANDS)])
    claim(code == 0, f"a job on both runs, got {code}")
    trace = emulator.folder / "n1" / "run.h5"
    claim_numbers(trace)
    claim(column(trace, "steps/duration_ps")[-1] >= slower_alone(emulator, job), "a job on both is no quicker than on the slower alone")
    own, others = (column(trace, f"gpus/{part}_ps")[-1] for part in ("own_slow", "straggler"))
    claim((own[:128] == 0).all() and (own[128:] > 0).all(), "GB200, slower at this job, are so themselves")
    claim(others[:128].mean() > 2 * others[128:].mean(), f"and Hoppers wait for them: {others[:128].mean()}, {others[128:].mean()}")
    slow = emulator.trace(pair(emulator), written(emulator, "slow", JOB + "noise: off\nslow: [{what: node 20, compute: 2}, {what: rack 2, compute: 1.5}]\n"))
    more = column(slow, "gpus/own_slow_ps")[-1] - column(trace, "gpus/own_slow_ps")[-1]
    gpu = np.arange(272)
    claim(np.array_equal(more > 0, ((gpu >= 144) & (gpu < 148)) | (gpu >= 200)), f"node 20 and rack 2 are slow: GPUs {np.flatnonzero(more > 0)}")


def traffic(emulator):
    job = written(emulator, "permutation", TRAFFIC)
    claim(same_on_any_ranks(emulator, pair(emulator), job, (1, 3)) == 0, "traffic runs")
    trace = emulator.folder / "n1" / "run.h5"
    domain = np.concatenate([np.arange(128) // 8, 16 + np.arange(144) // 72])
    size, source, destination = (column(trace, f"flows/{name}") for name in ("bytes", "source", "destination"))
    across = size[domain[source] != domain[destination]].sum()
    sent = column(trace, "links/bytes")[-1]
    claim(list(sent[1]) == [across, across], f"the NICs carry {sent[1]} of {across} bytes between domains")
    claim(sent[0][0] == sent[0][1] >= size.sum() - across, f"domains carry {sent[0]}, and with relays more than {size.sum() - across}")
    claim((sent[2] <= across).all() and sent[2][0] == sent[2][1] > 0, f"spines carry what leaves units: {sent[2]}")
    packets = emulator.trace(pair(emulator), job, name="packets", engine__kind="packet")
    claim(close(column(packets, "steps/duration_ps")[-1], column(trace, "steps/duration_ps")[-1], 0.02), "packets take as long as flows")


if __name__ == "__main__":
    run_case(alone, both, traffic)
