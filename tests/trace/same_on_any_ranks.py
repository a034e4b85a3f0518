#!/usr/bin/python3
"""same_on_any_ranks.py MPIEXEC WRITER: the file does not depend on the number of ranks.

Law: equal input gives equal datasets and attributes on 1, 2, 3, 4 and 7 ranks, also where some ranks have
nothing; only attributes of /run may differ. `h5diff --exclude-path /run` is the judge, so it is itself tried on
a file that does differ.
"""

import subprocess
import sys
import tempfile

import trial


def differences(a, b):
    """h5diff's report; objects that only one file has are listed by -v alone."""
    done = subprocess.run(["h5diff", "-v", "-c", "--exclude-path", "/run", a, b], capture_output=True, text=True)
    trial.claim(done.returncode in (0, 1), f"h5diff can compare {a} and {b}: {done.stdout}{done.stderr}")
    bad = [line for line in done.stdout.splitlines()
           if "differences found" in line and not line.startswith("0 ") or "Not comparable" in line]
    lonely = [line for line in done.stdout.splitlines()
              if line.startswith("    ") and len(line.split()) == 2 and line.split()[0] in "x"]
    return bad + lonely if done.returncode == 0 else bad + lonely + ["exit code 1"]


def main():
    mpiexec, writer = sys.argv[1:]
    options = ("--nodes", 13, "--traffic", "--full-links", "--steps", 3)
    with tempfile.TemporaryDirectory() as folder:
        reference = f"{folder}/n1.h5"
        trial.run(mpiexec, 1, writer, reference, *options)
        for ranks in (2, 3, 4, 7):
            other = f"{folder}/n{ranks}.h5"
            trial.run(mpiexec, ranks, writer, other, *options)
            trial.claim(not differences(reference, other), f"{ranks} ranks write what one does: {differences(reference, other)}")
        trial.run(mpiexec, 4, writer, f"{folder}/empty.h5", *options, "--empty-ranks")
        trial.claim(not differences(reference, f"{folder}/empty.h5"), "ranks without GPUs and rows change nothing")
        trial.run(mpiexec, 2, writer, f"{folder}/plain.h5", *options, "--compress", 0)
        trial.claim(not differences(reference, f"{folder}/plain.h5"), "compression changes nothing")
        trial.run(mpiexec, 2, writer, f"{folder}/seed.h5", *options, "--seed", 2)
        trial.claim(differences(reference, f"{folder}/seed.h5"), "h5diff notices another seed")
        trial.run(mpiexec, 2, writer, f"{folder}/less.h5", "--nodes", 13, "--full-links", "--steps", 3)
        trial.claim(differences(reference, f"{folder}/less.h5"), "h5diff notices a missing group")
    print("the same file on 1, 2, 3, 4 and 7 ranks")


main()
