#!/usr/bin/python3
"""agreements.py MPIEXEC COLOSSIM: ranks agree on time only when there is something to agree on, and say how often.

Law: computation that concerns nobody else costs no agreement: with four times the microbatches a data-parallel step
computes four times as long between the same collectives, and ranks meet as often as before, as islands or event by
event. (The mistake: an agreement for every window of the lookahead.) What /run says of it fits the mode: islands have
windows; event by event one rank plays and the others meet it a few times a step; a rank waits a part of its time; one
rank meets nobody.
"""

import sys
import tempfile

import h5py

from emulator import JOBS, TOPOLOGIES, Emulator, claim, column


def counters(path):
    with h5py.File(path) as file:
        return dict(file["run"].attrs)


def play(emulator, ranks, *options, **settings):
    path = emulator.trace(TOPOLOGIES / "laptop-16.yaml", JOBS / "ddp-small.yaml", *options, ranks=ranks, **settings)
    run, collectives = counters(path), len(column(path, "collectives/bytes"))
    claim(len(run["wait_share"]) == max(ranks, 1) and all(0 <= share <= 1 for share in run["wait_share"]),
          f"each rank waits a part of its time: {run['wait_share']}")
    claim(run["play_s"] > 0, f"it takes time: {run['play_s']}")
    return run, collectives, column(path, "steps/end_ps")[-1]


def meetings(emulator, name, *options):
    """How often two ranks meet for a collective, with little and with much between two."""
    seen = {}
    for microbatches in (4, 16):
        run, collectives, end_ps = play(emulator, 2, *options, parallel__microbatches=microbatches)
        claim((run["windows"] > 0) == (run["islands"] > 0), f"{name}: windows or none: {run['windows']}")
        seen[microbatches] = run["agreements"], collectives, end_ps
    (few, rows, short), (many, same_rows, long) = seen[4], seen[16]
    claim(rows == same_rows and long > 3 * short, f"{name}: the same collectives, further apart: {seen}")
    claim(many <= 1.2 * few, f"{name}: no more meetings for more computation: {few} and {many}")
    return few, many, rows


def main():
    mpiexec, colossim = sys.argv[1:]
    with tempfile.TemporaryDirectory() as folder:
        emulator = Emulator(mpiexec, colossim, folder)
        few, many, rows = meetings(emulator, "event by event", "--player=event")
        claim(few <= 20 * rows, f"a few agreements a collective: {few} for {rows}")
        print(f"{few} agreements for {rows} collectives, {many} with four times the computation")
        few, many, rows = meetings(emulator, "islands", "--player=island")
        print(f"as islands {few} agreements for {rows} collectives, {many} with four times the computation")
        alone, _, _ = play(emulator, 1)
        claim(alone["agreements"] == 0 and not any(alone["wait_share"]), f"one rank meets nobody: {alone}")



main()
