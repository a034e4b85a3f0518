#!/usr/bin/python3
"""readme.py MPIEXEC COLOSSIM README: tests that tests/README.md names exist.

Law: every CTest name in the README, between back quotes and beginning with a kind of test, is one that CTest lists. The
build folder is the one this test runs in, found from the program.
"""

import pathlib
import re
import subprocess
import sys

from emulator import claim


def main():
    _, colossim, readme = sys.argv[1:]
    listed = subprocess.run(["ctest", "--show-only", "--test-dir", pathlib.Path(colossim).resolve().parent],
                            capture_output=True, text=True, check=True).stdout
    names = set(re.findall(r"#\d+: (\S+)", listed))
    claim(len(names) > 20, f"CTest lists the tests: {listed[-500:]}")
    text = pathlib.Path(readme).read_text()
    named = set(re.findall(r"`((?:unit|mpi|system|check)\.[\w.-]+)`", text))
    claim(named, "the README names tests")
    missing = [name for name in sorted(named) if not any(real == name or real.startswith(name + ".") for real in names)]
    claim(not missing, f"tests that the README names and that do not exist: {missing}")
    print(f"{len(named)} tests are named, all exist")


main()
