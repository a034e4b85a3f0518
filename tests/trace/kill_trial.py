#!/usr/bin/python3
"""kill_trial.py MPIEXEC WRITER [KILLS]: a run killed at any moment leaves a readable file with every committed step.

Law: after SIGKILL of all ranks at a random moment the file opens in h5py and in xarray, it counts at least as
many steps as the writer had reported, and every committed value is that of the complete run. A kill before the
structure is complete may leave no file worth reading, and one before the first commit half of it; then nothing had been reported
either.
"""

import random
import sys
import tempfile
import time

import trial

STEPS = 120
OPTIONS = ("--nodes", 65, "--steps", STEPS, "--traffic", "--full-links", "--intervals", 4)


def last_number(output):
    """What the writer said last: steps committed."""
    lines = [line for line in output.split() if line.isdigit()]
    return int(lines[-1]) if lines else 0


def main():
    mpiexec, writer = sys.argv[1:3]
    kills = int(sys.argv[3]) if len(sys.argv) > 3 else 20
    moments = random.Random(20261121)
    with tempfile.TemporaryDirectory() as folder:
        begin = time.monotonic()
        trial.run(mpiexec, 2, writer, f"{folder}/whole.h5", *OPTIONS)
        length = time.monotonic() - begin
        whole = trial.load_committed(f"{folder}/whole.h5")
        counts = []
        for number in range(kills):
            path = f"{folder}/killed{number}.h5"
            process = trial.start(mpiexec, 2, writer, path, *OPTIONS)
            time.sleep(moments.uniform(0.1, 0.98) * length)
            reported = last_number(trial.kill(process))
            try:
                part = trial.load_committed(path)
            except (OSError, KeyError):
                trial.claim(reported == 0, f"kill {number}: {reported} steps were reported, the file does not open")
                counts.append(0)
                continue
            trial.claim(part[0] >= reported, f"kill {number}: {reported} steps were reported, {part[0]} are there")
            if part[0] > 0:  # labels of GPUs and links are in the file for good with the first step
                trial.claim_prefix(part, whole, f"kill {number}")
                trial.open_everywhere(path, part[0])
            counts.append(part[0])
    print(f"{kills} kills, committed steps: {counts}")
    trial.claim(sum(0 < n < STEPS for n in counts) >= kills // 2, "most kills hit the run in the middle")


main()
