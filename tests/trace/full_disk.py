#!/usr/bin/python3
"""full_disk.py MPIEXEC WRITER: when the file cannot grow, all ranks stop with exit code 3 and say why.

Law: a write that the system refuses (here: a limit on the size of files) is an output failure, not a crash and not a
hang, whether it strikes while the structure is made or in the middle of the run; what was committed before
stays readable.
"""

import subprocess
import sys
import tempfile

import trial


def main():
    mpiexec, writer = sys.argv[1:]
    with tempfile.TemporaryDirectory() as folder:
        for number, size in enumerate((20_000, 6_000_000)):
            path = f"{folder}/{number}.h5"
            command = [mpiexec, "-n", "2", writer, path, "--nodes", "129", "--steps", "200", "--intervals", "4",
                       "--limit", str(size)]
            done = subprocess.run(command, capture_output=True, text=True, timeout=100)
            said = [line for line in done.stderr.splitlines() if line.startswith("writer:")]
            trial.claim(done.returncode == 3, f"exit code 3 at {size} bytes, got {done.returncode}: {done.stderr[-2000:]}")
            trial.claim(len(said) == 1 and path in said[0], f"one message that names the file: {said}")
            reported = [int(line) for line in done.stdout.split() if line.isdigit()]
            if number == 1:
                trial.claim(reported and trial.load_committed(path)[0] >= reported[-1], f"committed steps stay: {reported}")
            print(said[0])


main()
