#!/usr/bin/python3
"""repeat.py MPIEXEC COLOSSIM CASE: steps that cannot differ from the one before are told, not played (driver/repeat.h).

Law: the trace is that of --every-step to the bit, as islands and event by event, on any number of ranks. `steady`:
without noise, and with GPUs that are slow for good, all steps but the first two are repeated, and so are repetitions of
traffic once one is as that before it; the last has its last interval. `changing`: with jitter or stragglers, with too few steps, or where something is still felt when the norm is
over, none is; nor with --every-step. `intervals`: of such
steps each has the intervals of the one before, later by the same time; they follow each other without gap or overlap,
and one begins where the network of a step is done.
"""

import sys
import tempfile

import numpy as np

from emulator import EVENT_BY_EVENT, EVERY_STEP, JOBS, TOPOLOGIES, Emulator, claim, column, counted, same_on_any_ranks
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
    code = same_on_any_ranks(emulator, *pair, ranks, *options, once_more=once_more, **settings)
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
    for steps in 1, 2:
        claim_repeated(emulator, LAPTOP, (1, 2), 0, "--steps", steps, **OFF)
    claim_repeated(emulator, LAPTOP, (1, 2), 0, "--steps", STEPS, EVERY_STEP, **OFF)
    # A norm that loads links, which feel it for a while after its end.
    claim_repeated(emulator, LAPTOP, (1, 2), 0, "--steps", STEPS, network__eager="1 B", **OFF)


def intervals(emulator):
    for noise in OFF, {"noise": "on"}:
        path = emulator.trace(*SUPERPOD, "--steps", STEPS, **SMALL, **noise)
        start, end = column(path, "intervals/start_ps"), column(path, "intervals/end_ps")
        claim(start[0] == 0 and (start[1:] == end[:-1]).all(), f"{noise}: intervals follow each other")
        width = end[0] - start[0]
        claim(((end > start) & (end - start <= width)).all(), f"{noise}: none is longer than the first")
        kind, last = column(path, "collectives/bytes"), column(path, "collectives/end_ps")
        norms = last[kind == kind.min()]
        claim(len(norms) == STEPS and np.isin(norms, end).all(), f"{noise}: an interval ends with each norm: {norms}")
        rows = np.concatenate(([0], column(path, "steps/intervals_end")))
        load = column(path, "intervals/bytes")
        claim((load[rows[-2]:].sum(axis=0) == column(path, "links/bytes")[-1]).all(),
              f"{noise}: the intervals of the last step carry what it carries")
    path = emulator.trace(*SUPERPOD, "--steps", STEPS, **SMALL, **OFF)
    start, load = column(path, "intervals/start_ps"), column(path, "intervals/bytes")
    rows = np.concatenate(([0], column(path, "steps/intervals_end")))
    for step in range(2, STEPS - 1):
        before, here = slice(*rows[step - 1:step + 1]), slice(*rows[step:step + 2])
        later = start[here] - start[before]
        claim((later == later[0]).all() and later[0] > 0, f"step {step}: its intervals are those before, later")
        claim((load[here] == load[before]).all(), f"step {step}: with the same load")


def main():
    mpiexec, colossim, case = sys.argv[1:]
    with tempfile.TemporaryDirectory() as folder:
        {"steady": steady, "changing": changing, "intervals": intervals}[case](Emulator(mpiexec, colossim, folder))


main()
