#!/usr/bin/python3
"""repeat.py MPIEXEC COLOSSIM CASE: steps that cannot differ from the one before are told, not played (player/repeat.h).

Law: the trace is that of --every-step to the bit, as islands and event by event, on any number of ranks. `steady`:
without noise, and with GPUs that are slow for good, all steps but the first two are repeated, and so are repetitions of
traffic once one is as that before it. `changing`: with jitter or stragglers, with too few steps, or where something is
still felt when the norm is over, none is; nor with --every-step. `intervals`: those of a step begin where the network of
the one before is done; such steps refer to those of the first of them.
"""

import sys
import tempfile

from emulator import (AS_ISLANDS, EVENT_BY_EVENT, EVERY_STEP, JOBS, TOPOLOGIES, Emulator, claim, column, counted,
                      same_on_any_ranks)
from inputs import traffic_job

STEPS = 5
LAPTOP = TOPOLOGIES / "laptop-16.yaml", JOBS / "ddp-small.yaml"
SUPERPOD = TOPOLOGIES / "superpod-h100-4su.yaml", JOBS / "llama3.1-405b-8k.yaml"
SMALL = {"parallel__dp": 7, "parallel__microbatches": 16, "trace__full_links": "on"}
OFF = {"noise": "off"}
SLOW_FOR_GOOD = {"noise__step_sigma": "0 %", "noise__straggler_probability": "0 %"}
JITTER = {"noise__step_sigma": "0.1 %", "noise__straggler_probability": "0 %"}
STRAGGLERS = {"noise__step_sigma": "0 %", "noise__straggler_probability": "1 %"}


def claim_repeated(emulator, pair, ranks, expected, *options, once_more=(), **settings):
    code = same_on_any_ranks(emulator, *pair, ranks, AS_ISLANDS, *options, once_more=once_more, **settings)
    claim(code == 0, f"{pair} {settings} runs, got {code}")
    for n in ranks:
        found = counted(emulator, n, "steps_repeated")
        claim(found == expected, f"{pair[1].stem} {options} {settings} on {n} ranks: {expected} repeated, got {found}")


def steady(emulator):
    played = [(1, EVERY_STEP), (2, EVERY_STEP, EVENT_BY_EVENT), (3, EVENT_BY_EVENT)]
    for noise in OFF, SLOW_FOR_GOOD:
        claim_repeated(emulator, LAPTOP, (1, 2, 7), STEPS - 2, "--steps", STEPS, once_more=played, **noise)
    claim_repeated(emulator, SUPERPOD, (1, 2), STEPS - 2, "--steps", STEPS, once_more=played[:2], **SMALL, **OFF)
    claim_repeated(emulator, LAPTOP, (1, 2), STEPS - 2, "--steps", STEPS, once_more=[(1, EVERY_STEP)],
                   engine__kind="closed", **OFF)
    # Repetitions of traffic that are not felt in the next: its flows take over what theirs left.
    for delay in "0 us", "50 us":
        claim_repeated(emulator, (LAPTOP[0], JOBS / "traffic-permutation.yaml"), (1, 2), STEPS - 2, "--steps", STEPS,
                       once_more=[(1, EVERY_STEP)], engine__control_delay=delay, traffic__latency="none")
    # And that are: what another flow left on the NIC of the first.
    felt = traffic_job(emulator.folder, "felt", flows=[(0, 8, 47 * 10**6, 0), (1, 8, 47 * 10**6, 15 * 10**8)])
    claim_repeated(emulator, (LAPTOP[0], felt), (1, 2), STEPS - 3, "--steps", STEPS, once_more=[(1, EVERY_STEP)],
                   engine__control_delay="50 us", traffic__latency="none")


def changing(emulator):
    for noise in JITTER, STRAGGLERS:
        claim_repeated(emulator, LAPTOP, (1, 2), 0, "--steps", STEPS, **noise)
    # Rare ones: the first steps are often alike, and a later one is not.
    for seed in range(1, 6):
        claim_repeated(emulator, LAPTOP, (1,), 0, "--steps", STEPS, seed=seed, **STRAGGLERS)
    for steps in 1, 2:
        claim_repeated(emulator, LAPTOP, (1, 2), 0, "--steps", steps, **OFF)
    claim_repeated(emulator, LAPTOP, (1, 2), 0, "--steps", STEPS, EVERY_STEP, **OFF)
    # A norm that loads links, which feel it for a while after its end.
    claim_repeated(emulator, LAPTOP, (1, 2), 0, "--steps", STEPS, network__eager="1 B", **OFF)


def intervals(emulator):
    for noise in OFF, {"noise": "on"}:
        path = emulator.trace(*SUPERPOD, "--steps", STEPS, **SMALL, **noise)
        kind, last = column(path, "collectives/bytes"), column(path, "collectives/end_ps")
        norms = last[kind == kind.min()]
        begin = column(path, "steps/intervals_start_ps")
        claim(len(norms) == STEPS and (begin == [0, *norms[:-1]]).all(), f"{noise}: with each norm others begin: {norms}")
        standing = column(path, "steps/links_step")
        claim((standing == ([0] + [1] * (STEPS - 1) if noise == OFF else range(STEPS))).all(),
              f"{noise}: steps that repeat refer to the one before: {standing}")
        ends = column(path, "steps/intervals_end")
        claim(column(path, "intervals/end_ps")[-1] == norms[standing[-1]] and len(column(path, "intervals/end_ps")) == ends[-1],
              f"{noise}: the last ends with the norm of its step")


def main():
    mpiexec, colossim, case = sys.argv[1:]
    with tempfile.TemporaryDirectory() as folder:
        {"steady": steady, "changing": changing, "intervals": intervals}[case](Emulator(mpiexec, colossim, folder))


main()
