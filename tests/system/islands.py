#!/usr/bin/python3
"""islands.py MPIEXEC COLOSSIM CASE [RANKS]: replicas played apart, against the same job event by event.

Law: a job that falls into islands (player/island.h) gives the trace that it gives event by event, on any number
of ranks; and those jobs do fall into islands, so that the law is not empty. `strips`: seven units of four nodes, a
replica in each, whose collectives cross an oversubscribed spine and meet its messages in NICs and leaves. `superpod`:
seven replicas of the 405B model, also on nodes at random, where they meet in bundles that hold nobody. `shipped TOPOLOGY/JOB`: one step of a shipped pair. RANKS: joined by commas.
"""

import sys
import tempfile

import random_inputs
from emulator import AS_ISLANDS, EVENT_BY_EVENT, JOBS, RANKS, ROOT, TOPOLOGIES, Emulator, claim, column, counted, same_on_any_ranks

UNITS, UNIT_NODES, NODE_GPUS = 7, 4, 2
STRIPS = f"""schema_version: 1
kind: topology
nodes: {UNITS * UNIT_NODES}
node:
  gpu: h100-sxm
  gpus: {NODE_GPUS}
  nic: connectx-7-ndr400
  scale_up: domain-{NODE_GPUS}
fabric:
  wiring: rail
  routing: ecmp
  tiers:
    - name: leaf
      switch: wide
      children: {UNIT_NODES}
      rate: 400 Gb/s
      cable: 3 m
    - name: spine
      switch: wide
      children: {UNITS * NODE_GPUS}
      parents: 2
      rate: 200 Gb/s
      cable: 50 m
  faults:
    - tier: 2
      lower: 3
      port: 1
      remaining: 50 %
"""
STRIPS_JOB = f"""schema_version: 1
kind: training
model: tiny
parallel:
  tp: {NODE_GPUS}
  pp: {UNIT_NODES}
  dp: {UNITS}
  order: tp-cp-pp-dp
  schedule: 1f1b
  microbatches: 8
  zero: 1
training:
  sequence: 4096
  bucket_parameters: 5000000
network:
  queue_pairs: 4
trace:
  intervals: 40
  hot_links: 16
  full_links: on
  timeline: [0-7, 10-55/3]
  links: [all]
steps: 2
"""
# What decides when messages and collectives meet, and who gives way: several of these at once in each job.
STRIPS_SETTINGS = {
    "overlap": {"noise": "on"},
    "no_delay": {"noise": "on", "engine__control_delay": "0 us", "parallel__zero": 2},
    "long_delay": {"noise": "on", "engine__control_delay": "5 us", "network__message_latency": "5 us",
                   "network__dp_algorithm": "direct", "parallel__microbatches": 9},
    "end_of_step": {"noise": "on", "training__grad_overlap": "off", "training__param_overlap": "off",
                    "parallel__schedule": "gpipe"},
    "interleaved": {"noise": "on", "parallel__schedule": "interleaved", "parallel__chunks": 2, "fabric__routing": "spray",
                    "training__pp_overlap": "off"},
    "alike": {"noise": "off", "fabric__routing": "adaptive", "parallel__schedule": "gpipe"},
    "alike_interleaved": {"noise": "off", "parallel__schedule": "interleaved", "parallel__chunks": 4, "parallel__zero": 0,
                          "engine__control_delay": "0 us", "network__queue_pairs": 1},
    "alike_hot": {"noise": "off", "fabric__routing": "spray", "parallel__chunks": 1, "parallel__schedule": "1f1b",
                  "trace__full_links": "off", "trace__hot_links": 40, "trace__links": "[]"},
    "alike_hybrid": {"noise": "off", "parallel__zero": 3, "parallel__microbatches": 2, "parallel__dp": UNITS - 1,
                     "parallel__shard_group": (UNITS - 1) // 2, "trace__full_links": "off"},
    # The members of a tree do not send alike: replicas alike in all else meet other collectives.
    "alike_tree": {"noise": "off", "network__dp_algorithm": "tree", "parallel__zero": 0},
    "hybrid": {"noise": "on", "parallel__zero": 3, "parallel__microbatches": 2, "parallel__prefetch": 2, "parallel__dp": UNITS - 1,
               "parallel__shard_group": (UNITS - 1) // 2},
    "zero_bubble": {"noise": "on", "parallel__schedule": "zero_bubble", "parallel__zero": 3},
    "dualpipe": {"noise": "on", "parallel__schedule": "dualpipe", "parallel__microbatches": 2 * UNIT_NODES},
    "short_replicas": {"noise": "on", "parallel__pp": 2, "parallel__dp": 2 * UNITS, "network__dp_algorithm": "hierarchical",
                       "fabric__routing": "dmodk"},
}
SUPERPOD_JOB = {"parallel__dp": 7, "parallel__microbatches": 16, "noise": "on"}
SUPERPOD_SETTINGS = {
    "adaptive": {},
    "scattered": {"placement": "random", "trace__full_links": "on"},
    "ecmp": {"fabric__routing": "ecmp", "engine__control_delay": "0 us"},
    "end_of_step": {"training__grad_overlap": "off", "parallel__schedule": "1f1b", "parallel__chunks": 1, "noise": "off"},
}


def claim_alike(emulator, topology, job, ranks, apart_on, replicas, *options, **settings):
    """One outcome on all `ranks` and event by event; on those of apart_on every replica is an island."""
    code = same_on_any_ranks(emulator, topology, job, ranks, AS_ISLANDS, *options, once_more=[(1, EVENT_BY_EVENT)],
                             **settings)
    claim(code == 0, f"{job} {settings} runs, got {code}")
    leaves = column(emulator.folder / "n1" / "run.h5", "links/congested_ps")[:, 1]
    claim(leaves.sum() > 0, f"{job} {settings}: messages and collectives meet in leaves")
    for n in ranks:
        found, expected = counted(emulator, n, "islands"), replicas if n in apart_on else 0
        claim(found == expected, f"{job} {settings} on {n} ranks: {expected} islands, got {found}")


def strips(emulator, ranks):
    random_inputs.write_parts(emulator.folder)
    random_inputs.write_scale_up(emulator.folder, NODE_GPUS)
    topology, job = emulator.folder / "strips.yaml", emulator.folder / "strips-job.yaml"
    topology.write_text(STRIPS)
    job.write_text(STRIPS_JOB)
    for settings in STRIPS_SETTINGS.values():
        replicas = settings.get("parallel__dp", UNITS)
        claim_alike(emulator, topology, job, ranks, ranks, replicas, **settings)
    # A rank without a replica has nothing to play.
    claim_alike(emulator, topology, job, (1, UNITS + 1), (1, UNITS + 1), UNITS, **STRIPS_SETTINGS["overlap"])


def unlisted(emulator, ranks):
    """Replicas that do the same are kept once also where no link is to be listed among the hottest."""
    settings = {"noise": "off", "fabric__routing": "ecmp", "placement": "spread", "parallel__zero": 1, "trace__hot_links": 0}
    code = same_on_any_ranks(emulator, ROOT / "tests/crosscheck/boxes-128.yaml", JOBS / "ddp-small.yaml", ranks, AS_ISLANDS,
                             "--steps", 1, once_more=[(1, EVENT_BY_EVENT)], **settings)
    claim(code == 0 and counted(emulator, 1, "islands") == 128, "it runs, every replica an island")


def superpod(emulator, ranks):
    for settings in SUPERPOD_SETTINGS.values():
        claim_alike(emulator, TOPOLOGIES / "superpod-h100-4su.yaml", JOBS / "llama3.1-405b-8k.yaml", ranks,
                    ranks, SUPERPOD_JOB["parallel__dp"], "--steps", 2,
                    **{**SUPERPOD_JOB, **settings})


def shipped(emulator, ranks, pair):
    topology, job = pair.split("/")
    topology, job = TOPOLOGIES / f"{topology}.yaml", JOBS / f"{job}.yaml"
    code = same_on_any_ranks(emulator, topology, job, ranks, AS_ISLANDS, "--steps", 1, once_more=[(1, EVENT_BY_EVENT)])
    claim(code == 0, f"{pair} runs")
    claim(counted(emulator, 1, "islands") > 0, f"{pair} falls into islands")


def main():
    mpiexec, colossim, case, *rest = sys.argv[1:]
    with tempfile.TemporaryDirectory() as folder:
        emulator = Emulator(mpiexec, colossim, folder)
        ranks = [int(n) for n in rest.pop(0).split(",")] if rest else RANKS
        {"strips": strips, "superpod": superpod, "shipped": shipped, "unlisted": unlisted}[case](emulator, ranks, *rest)


if __name__ == "__main__":
    main()
