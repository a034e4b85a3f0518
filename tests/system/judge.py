#!/usr/bin/python3
"""judge.py MPIEXEC COLOSSIM: the comparison that all system.ranks tests rest on notices what it should, and only that.

Laws: a run equals itself, also when its trace goes to a file of another name, for what was asked is the same; another
seed of the noise, one step more, a dataset less and one bit of a value are noticed.
"""

import shutil
import sys
import tempfile

import h5py

from emulator import JOBS, TOPOLOGIES, Emulator, claim, column, differences


def main():
    mpiexec, colossim = sys.argv[1:]
    with tempfile.TemporaryDirectory() as folder:
        emulator = Emulator(mpiexec, colossim, folder)
        run = lambda name, *options: emulator.trace(TOPOLOGIES / "laptop-16.yaml", JOBS / "ddp-small.yaml", "--set", "noise=on",
                                                    *options, name=name)
        first = run("first")
        seed, longer = run("seed", "--seed", 2), run("longer", "--steps", 5)
        claim((column(first, "steps/fingerprint") != column(seed, "steps/fingerprint")).all(), "a seed shows in the fingerprints")
        claim(differences(first, seed), "another seed is noticed")
        claim(differences(first, longer), "one step more is noticed")
        bit, less = emulator.folder / "bit.h5", emulator.folder / "less.h5"
        shutil.copy(first, bit)
        shutil.copy(first, less)
        with h5py.File(bit, "r+") as file:
            file["gpus/compute_ps"][1, 3] += 1
        with h5py.File(less, "r+") as file:
            del file["links/hot_bytes"]
        claim(differences(first, bit), "one picosecond is noticed")
        claim(differences(first, less), "a missing dataset is noticed")
        with h5py.File(bit, "r+") as file:
            file["gpus/compute_ps"][1, 3] -= 1
            file["run"].attrs["hostname"] = "elsewhere"
        claim(not differences(first, bit), f"/run may differ: {differences(first, bit)}")
        again = run("again")
        claim(not differences(first, again), f"another file name changes nothing: {differences(first, again)}")
    print("the judge is strict and fair")


main()
