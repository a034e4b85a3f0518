#!/usr/bin/python3
"""causes.py MPIEXEC COLOSSIM CASE: is what was planted in a job what scripts/explain names first?

PLANTED lists jobs that are in order, and one thing each that is then not: `explain` is to name it first, and something else, which costs
less, where it is not there.

few        seven of them
every      all: at least nine in ten
others     OTHERS, which are of other machines, models, plans and mishaps: at least nine in ten
"""

import json
import subprocess

from emulator import JOBS, ROOT, TOPOLOGIES, claim, run_case

LAPTOP, UNIT, UNITS = (TOPOLOGIES / f"{name}.yaml" for name in ("laptop-16", "superpod-h100-1su", "superpod-h100-4su"))
SMALL, EXPERTS, LARGE, TRAFFIC = (JOBS / f"{name}.yaml" for name in ("ddp-small", "moe-small", "llama3.1-405b", "traffic-all-to-all"))
# One step each. Large enough microbatches, all overlap, no noise: what is left to be named is small.
STEPS = {"steps": "2"}
CALM = {**STEPS, "noise": "off"}
DDP = (LAPTOP, SMALL, {**CALM, "parallel.microbatch": "4", "parallel.microbatches": "4"})
MOE = (LAPTOP, EXPERTS, {**CALM, "training.routing": "balanced", "parallel.microbatches": "4"})
PIPELINE = (UNITS, LARGE, {**CALM, "training.tp_overlap": "on", "training.sequence": "4096", "parallel.microbatches": "64"})
# Data parallelism over two units of 32 nodes, which meet in the spines.
TWO_UNITS = (UNITS, SMALL, {**CALM, "nodes": "64", "parallel.microbatch": "4", "parallel.microbatches": "2"})
ONE_SPINE = {"fabric.tiers.spine.parents": "1", "fabric.tiers.spine.lanes": "1"}
# Replicas lie side by side, and stages far apart: messages of the pipeline cross the spines, whose links are as many as flows.
FAR = {**PIPELINE[2], "parallel.order": "tp-cp-ep-dp-pp", "fabric.routing": "adaptive"}
FAR_STAGES = (UNITS, LARGE, FAR)
FAR_THIN = (UNITS, LARGE, {**FAR, "parallel.microbatches": "32", "fabric.tiers.spine.parents": "1", "fabric.tiers.spine.lanes": "8",
                           "fabric.tiers.leaf.rate": "100 Gb/s", "fabric.tiers.spine.rate": "100 Gb/s"})

PLANTED = [
    # name, job in order, what is changed, other jobs beside it
    ("slow GPU", DDP, {"topology.slow": "[{what: gpu 11, compute: 1.1}]"}),
    ("slow GPU", DDP, {"topology.slow": "[{what: gpu 3, compute: 1.3}]"}),
    ("slow GPU", DDP, {"topology.slow": "[{what: node 1, compute: 1.15}]"}),
    ("slow GPU", DDP, {"topology.events": "[{at: 0 s, what: gpu 9, remaining: 80 %}]"}),
    ("slow GPU", MOE, {"topology.slow": "[{what: gpu 5, compute: 1.4}]"}),
    ("slow GPU", PIPELINE, {"topology.slow": "[{what: gpu 300, compute: 1.2}]"}),
    ("slow GPU", PIPELINE, {"topology.slow": "[{what: node 17, compute: 1.25}]"}),
    ("noise", DDP, {"noise": "on", "noise.gpu_sigma": "4 %", "noise.step_sigma": "2 %"}),
    ("noise", PIPELINE, {"noise": "on", "noise.gpu_sigma": "4 %", "noise.step_sigma": "3 %"}),
    ("noise", MOE, {"noise": "on", "noise.gpu_sigma": "8 %", "noise.step_sigma": "4 %"}),
    ("uneven experts", MOE, {"training.routing": "drawn", "training.routing_scatter": "40 %"}),
    ("uneven experts", (UNIT, *MOE[1:]), {"training.routing": "drawn", "training.routing_scatter": "40 %"}),
    ("power cap", DDP, {"topology.power.gpu_cap": "400 W"}),
    ("power cap", PIPELINE, {"topology.power.gpu_cap": "450 W"}),
    ("power cap", MOE, {"topology.power.gpu_cap": "350 W"}),
    ("small microbatch", DDP, {"parallel.microbatch": "1", "parallel.microbatches": "16"}),
    ("small microbatch", (UNIT, *DDP[1:]), {"parallel.microbatch": "1", "parallel.microbatches": "16"}),
    ("small microbatch", TWO_UNITS, {"parallel.microbatch": "1", "parallel.microbatches": "8"}),
    ("pipeline bubble", PIPELINE, {"parallel.microbatches": "16", "parallel.chunks": "4"}),
    ("pipeline bubble", PIPELINE, {"parallel.schedule": "1f1b", "parallel.chunks": "1", "parallel.microbatches": "32"}),
    ("pipeline bubble", FAR_STAGES, {"parallel.microbatches": "16", "parallel.chunks": "2"}),
    ("no overlap", DDP, {"training.grad_overlap": "off", "parallel.microbatches": "2"}),
    ("no overlap", TWO_UNITS, {"training.grad_overlap": "off"}),
    ("no overlap", DDP, {"training.grad_overlap": "off", "parallel.zero": "1", "training.param_overlap": "off", "parallel.microbatches": "2"}),
    ("no overlap", DDP, {"parallel.zero": "3", "training.param_overlap": "off", "training.grad_overlap": "off"}),
    ("no overlap", PIPELINE, {"training.tp_overlap": "off"}),
    ("no overlap", PIPELINE, {"training.pp_overlap": "off"}),
    ("no overlap", FAR_STAGES, {"training.pp_overlap": "off"}),
    ("degraded link", DDP, {"topology.slow": "[{what: node 1, nic: 10}]"}),
    ("degraded link", DDP, {"topology.slow": "[{what: gpu 4, nic: 8}]"}),
    ("degraded link", MOE, {"topology.slow": "[{what: gpu 12, nic: 10}]"}),
    ("degraded link", TWO_UNITS, {"topology.slow": "[{what: node 40, nic: 8}]"}),
    ("degraded link", FAR_STAGES, {"topology.slow": "[{what: node 9, nic: 20}]"}),
    ("thin uplinks", TWO_UNITS, {**ONE_SPINE, "fabric.tiers.spine.rate": "50 Gb/s"}),
    ("thin uplinks", TWO_UNITS, {**ONE_SPINE, "fabric.tiers.spine.rate": "25 Gb/s", "fabric.routing": "spray"}),
    ("thin uplinks", FAR_STAGES, {**ONE_SPINE, "fabric.tiers.spine.rate": "100 Gb/s"}),
    ("hash collisions", FAR_THIN, {"fabric.routing": "ecmp", "network.queue_pairs": "1"}),
    ("hash collisions", FAR_THIN, {"fabric.routing": "ecmp", "network.queue_pairs": "1", "fabric.shared_seed": "on"}),
    ("hash collisions", FAR_THIN, {"fabric.routing": "ecmp", "network.queue_pairs": "1", "fabric.hash_seed": "7"}),
    ("other job", TWO_UNITS, ONE_SPINE, "permutation"),
    ("other job", TWO_UNITS, {**ONE_SPINE, "fabric.routing": "ecmp"}, "permutation"),
    ("bad placement", TWO_UNITS, {"placement": "random", "fabric.tiers.spine.rate": "100 Gb/s"}),
    ("bad placement", PIPELINE, {"placement": "random", "fabric.routing": "ecmp", "network.queue_pairs": "1"}),
    ("bad placement", FAR_STAGES, {"placement": "random", "fabric.tiers.spine.rate": "50 Gb/s"}),
    ("slow NICs", DDP, {"fabric.tiers.leaf.rate": "25 Gb/s"}),
    ("slow NICs", TWO_UNITS, {"fabric.tiers.leaf.rate": "50 Gb/s"}),
    ("latency", DDP, {"network.collective_base": "2 ms", "training.bucket_parameters": "1000000"}),
    ("latency", TWO_UNITS, {"network.collective_base": "5 ms"}),
    ("recomputation", DDP, {"training.recompute": "[full:1]"}),
    ("uneven stages", PIPELINE, {"parallel.schedule": "1f1b", "parallel.chunks": "1", "parallel.embedding_as_layer": "off",
                                 "parallel.layers": "[11, 8, 8, 8, 8, 8, 8, 8, 8, 8, 8, 8, 8, 8, 7, 4]"}),
]
# Other machines, models, plans and mishaps.
RACK = (TOPOLOGIES / "nvl72-rack.yaml", JOBS / "llama3.1-405b-nvl72.yaml", {**CALM, "parallel.microbatches": "72", "training.tp_overlap": "on"})
PLANES = (TOPOLOGIES / "hpn-15k.yaml", SMALL, {**CALM, "nodes": "256", "parallel.microbatch": "4", "parallel.microbatches": "4"})
SHARDED = (*PLANES[:2], {**PLANES[2], "nodes": "16", "parallel.zero": "3"})
DEEPSEEK = (TOPOLOGIES / "deepseek-2k.yaml", JOBS / "deepseek-v3.yaml", {**CALM, "training.routing": "balanced"})
STAGES = (LAPTOP, SMALL, {**CALM, "parallel.pp": "4", "parallel.schedule": "1f1b", "parallel.microbatches": "32", "parallel.microbatch": "4",
                          "parallel.layers": "[6, 7, 7, 4]"})
FAR_TWO = (*PLANES[:2], {**CALM, "nodes": "4", "parallel.pp": "2", "parallel.order": "tp-cp-ep-dp-pp", "parallel.schedule": "1f1b",
                         "parallel.microbatches": "16", "parallel.microbatch": "4", "parallel.layers": "[13, 11]", "fabric.tiers.leaf.rate": "50 Gb/s"})
TENSORS = (LAPTOP, SMALL, {**CALM, "model": "llama3-8b", "parallel.tp": "8", "parallel.dp": "2", "training.tp_overlap": "on"})
WIDE = (UNITS, EXPERTS, {**CALM, "nodes": "64", "training.routing": "balanced", "parallel.ep": "32", "parallel.microbatches": "4",
                         "fabric.routing": "adaptive"})
ETHERNET = (TOPOLOGIES / "meta-24k-roce.yaml", EXPERTS, {**WIDE[2], "training.ep_overlap": "on"})
INSIDE = (UNIT, EXPERTS, {**CALM, "nodes": "8", "training.routing": "balanced", "parallel.microbatches": "4"})
TORUS = """schema_version: 1
kind: topology
nodes: 16
node: {gpu: h200-sxm, gpus: 4, nic: connectx-7-ndr400, scale_up: nvlink4-8}
fabric:
  kind: torus
  wiring: plain
  routing: dor
  tiers:
    - {name: switch, switch: quantum-2-qm9700, children: 4, rate: 400 Gb/s, cable: 5 m}
    - {name: x, children: 4, lanes: 4, rate: 400 Gb/s, cable: 5 m}
    - {name: y, children: 4, lanes: 4, rate: 400 Gb/s, cable: 5 m}
"""
GRID = (TORUS, SMALL, {**CALM, "parallel.microbatch": "4", "parallel.microbatches": "4"})

OTHERS = [
    ("slow GPU", SHARDED, {"topology.slow": "[{what: gpu 77, compute: 1.3}]"}),
    ("slow GPU", RACK, {"topology.slow": "[{what: gpu 30, compute: 1.2}]"}),
    ("slow GPU", DEEPSEEK, {"topology.slow": "[{what: gpu 100, compute: 1.3}, {what: gpu 1500, compute: 1.3}]"}),
    ("slow GPU", GRID, {"topology.events": "[{at: 1 ms, what: gpu 20, remaining: 70 %}]"}),
    ("mixed GPUs", PLANES, {"topology.node.others": "[{from: 200, gpu: h20-sxm}]"}),
    ("degraded link", SHARDED, {"topology.events": "[{at: 0 s, what: gpu 17 nic, remaining: 15 %}]"}),
    ("degraded link", WIDE, {"fabric.faults": "[{what: gpu 99 nic, remaining: 30 %}, {what: gpu 300 nic, remaining: 30 %}]"}),
    ("degraded link", GRID, {"topology.slow": "[{what: gpu 33, nic: 12}]"}),
    ("pipeline bubble", DEEPSEEK, {"parallel.microbatches": "32", "parallel.global_batch": "auto"}),
    ("pipeline bubble", STAGES, {"parallel.schedule": "gpipe", "parallel.microbatches": "4"}),
    ("uneven stages", STAGES, {"parallel.layers": "[9, 6, 5, 4]"}),
    ("small microbatch", INSIDE, {"training.sequence": "512", "parallel.microbatch": "1", "parallel.microbatches": "16"}),
    ("no overlap", SHARDED, {"training.param_overlap": "off", "training.grad_overlap": "off"}),
    ("no overlap", FAR_TWO, {"training.pp_overlap": "off"}),
    ("no overlap", ETHERNET, {"training.ep_overlap": "off"}),
    ("hash collisions", ETHERNET, {"fabric.routing": "ecmp", "network.queue_pairs": "1"}),
    ("hash collisions", (*WIDE[:2], {**WIDE[2], "training.ep_overlap": "on", "parallel.ep": "64"}),
     {"fabric.routing": "ecmp", "network.queue_pairs": "1", "fabric.wiring": "plain"}),
    ("bad placement", (*WIDE[:2], {**WIDE[2], **ONE_SPINE}), {"placement": "{kind: strided, stride: 32}"}),
    ("thin uplinks", WIDE, {**ONE_SPINE, "fabric.tiers.spine.rate": "50 Gb/s"}),
    ("other job", WIDE, ONE_SPINE, "permutation"),
    ("slow NICs", WIDE, {"fabric.tiers.leaf.rate": "50 Gb/s"}),
    ("latency", SHARDED, {"network.round_latency": "1 ms", "network.collective_base": "2 ms"}),
    ("recomputation", RACK, {"training.recompute": "[full:1]"}),
    ("power cap", PLANES, {"topology.power.gpu_cap": "350 W"}),
    ("power cap", RACK, {"topology.power.rack_cap": "90 kW"}),
    ("tensor parallelism across domains", TENSORS, {"parallel.tp": "16", "parallel.dp": "1"}),
]
FEW = (0, 12, 15, 21, 28)


PERMUTATION = """schema_version: 1
kind: traffic
name: permutation
traffic: {pattern: permutation, bytes: 60 GB}
placement: {nodes: 1-63/2}
"""


def first_cause(emulator, base, changes, other, name):
    """What is named first, and by how much."""
    topology, job, settings = base
    if not hasattr(topology, "stem"):
        text, topology = topology, emulator.folder / "topology.yaml"
        topology.write_text(text)
    words = [f"--set={key}={value}" for key, value in {**settings, **changes}.items()]
    path = emulator.folder / f"{name}.h5"
    beside = []
    if other:  # each on every second node
        text = job.read_text()
        job, *beside = (emulator.folder / f"{name}.yaml" for name in (job.stem, "permutation"))
        job.write_text(text + "placement: {nodes: 0-63/2}\n")
        beside[0].write_text(PERMUTATION)
    done = emulator.call("run", topology, job, *beside, "--progress", "none", "--output", path, "--set", "trace.explain=on", *words)
    if done.returncode:
        print(done.stderr)
        return []
    told = json.loads(subprocess.run([ROOT / "scripts/explain", "--json", path], capture_output=True, text=True, check=True).stdout)
    path.unlink()
    causes = told[0]["causes"]
    return [(cause["name"], round(100 * cause["saves"], 2)) for cause in causes[:3]]


def try_them(emulator, planted):
    """How many are named first, and were not before, or cost less than half as much."""
    right, before = 0, {}
    for name, base, changes, *other in planted:
        if str(base) not in before:
            before[str(base)] = first_cause(emulator, base, {}, [], "in-order")
            print(f"       in order: {before[str(base)]}  {base[1].stem} on {getattr(base[0], 'stem', 'a torus')}", flush=True)
        found = first_cause(emulator, base, changes, other, "planted")
        anyway = before[str(base)] and before[str(base)][0][0] == name and found and 2 * before[str(base)][0][1] > found[0][1]
        good = bool(found) and found[0][0] == name and not anyway
        right += good
        print(f"{'right' if good else 'WRONG'}  {name}: {found}  {base[1].stem} on {getattr(base[0], 'stem', 'a torus')} {changes}", flush=True)
    print(f"{right} of {len(planted)} are named first")
    return right


def few(emulator):
    planted = [PLANTED[i] for i in FEW] + [plant for plant in OTHERS if plant[1] == ETHERNET]
    claim(try_them(emulator, planted) == len(planted), "what was planted is named first")


def every(emulator):
    claim(10 * try_them(emulator, PLANTED) >= 9 * len(PLANTED), "nine in ten of what was planted are named first")


def others(emulator):
    claim(10 * try_them(emulator, OTHERS) >= 9 * len(OTHERS), "nine in ten of what was planted elsewhere are named first")


run_case(few, every, others)
