#!/usr/bin/python3
"""agreements.py MPIEXEC COLOSSIM: ranks agree on time only when there is something to agree on.

Law: computation that concerns nobody else costs no agreement: with four times the microbatches a data-parallel step
computes four times as long between the same collectives, and ranks exchange as often as before; every rank sends one
message a neighbour and round. (The mistake: an agreement for every window of the lookahead.) Event by event: islands
(driver/island.h) agree once a window.
"""

import sys
import tempfile

import h5py

from emulator import JOBS, TOPOLOGIES, Emulator, claim, column


def rounds_of(path):
    with h5py.File(path) as file:
        return int(file["run"].attrs["exchange_rounds"]), int(file["run"].attrs["exchange_messages"])


def main():
    mpiexec, colossim = sys.argv[1:]
    with tempfile.TemporaryDirectory() as folder:
        emulator = Emulator(mpiexec, colossim, folder)
        seen = {}
        for microbatches in (4, 16):
            path = emulator.trace(TOPOLOGIES / "laptop-16.yaml", JOBS / "ddp-small.yaml", "--event-by-event",
                                  ranks=2, parallel__microbatches=microbatches)
            rounds, messages = rounds_of(path)
            seen[microbatches] = rounds, len(column(path, "collectives/bytes")), column(path, "steps/end_ps")[-1]
            claim(0 < messages <= 2 * rounds, f"at most one message a neighbour and round: {messages} in {rounds}")
        (few, rows, short), (many, same_rows, long) = seen[4], seen[16]
        claim(rows == same_rows and long > 3 * short, f"the same collectives, further apart: {seen}")
        claim(many <= 1.2 * few, f"no more rounds for more computation: {few} and {many}")
        claim(few <= 20 * rows, f"a few rounds a collective: {few} for {rows}")
    print(f"{few} rounds for {rows} collectives, {many} with four times the computation")


main()
