#!/usr/bin/python3
"""shipped_pair.py MPIEXEC COLOSSIM TOPOLOGY JOB RANKS [OPTION...]: one shipped pair on several rank counts.

Law: if `colossim check TOPOLOGY JOB` accepts a pair, then `h5diff --exclude-path /run` is empty between its traces on
all RANKS (joined by commas), and the tables are equal letter by letter; if not, `run` refuses it as `check` does, with
exit code 2 on any number of ranks.
"""

import sys
import tempfile

from emulator import JOBS, TOPOLOGIES, Emulator, claim, own_words, same_on_any_ranks


def main():
    mpiexec, colossim, topology, job, ranks, *options = sys.argv[1:]
    topology, job = TOPOLOGIES / f"{topology}.yaml", JOBS / f"{job}.yaml"
    ranks = [int(n) for n in ranks.split(",")]
    with tempfile.TemporaryDirectory() as folder:
        emulator = Emulator(mpiexec, colossim, folder)
        checked = emulator.call("check", topology, job)
        claim(checked.returncode in (0, 2), f"check accepts or refuses: {checked.returncode} {checked.stderr}")
        if checked.returncode == 2:
            ranks = [ranks[0], ranks[-1]]
        code = same_on_any_ranks(emulator, topology, job, ranks, *options)
        claim(code == checked.returncode, f"run ends with {checked.returncode} as check does, got {code}")
        if code == 2:
            refused = emulator.run(topology, job, ranks=ranks[-1])
            claim(own_words(refused)[0] == checked.stderr.splitlines()[0], f"run says what check says: {refused.stderr}")
    print("refused alike" if code else f"one trace on {ranks} ranks")


main()
