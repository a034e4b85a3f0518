#!/usr/bin/python3
"""draw.py MPIEXEC COLOSSIM {counts|pictures}: scripts/draw draws the fabric that the program has."""

import re
import subprocess

from emulator import JOBS, ROOT, TOPOLOGIES, claim, run_case


def draw(emulator, *arguments):
    return subprocess.run([ROOT / "scripts/draw", *map(str, arguments), "--program", emulator.colossim], capture_output=True, text=True,
                          env=emulator.environment)


def counts(emulator):
    """Law: each tier of each shipped machine has as many switches and cables in the picture as `show` says."""
    for path in sorted(TOPOLOGIES.glob("*.yaml")):
        done = draw(emulator, path, "--counts")
        if "kind: mesh" in path.read_text():
            claim(done.returncode == 1 and "trees are drawn" in done.stderr, f"{path.name}: {done.stderr}")
            continue
        claim(done.returncode == 0, f"{path.name}: {done.stderr}")
        shown = emulator.call("show", path).stdout.replace(",", "")
        for line in done.stdout.splitlines():
            name, switches, cables = line.split()
            claim(re.search(rf"^  {name} +{switches} +{cables} ", shown, re.M), f"{path.name}: {line}, but\n{shown}")


def pictures(emulator):
    """A picture of a machine, and of a run by its trace alone; what is neither is refused."""
    trace = emulator.trace(TOPOLOGIES / "laptop-16.yaml", JOBS / "ddp-small.yaml", "--steps", "2")
    for source, options in ((TOPOLOGIES / "colossus2-550k.yaml", ()), (trace, ()), (trace, ("--step", "0"))):
        picture = emulator.folder / "fabric.png"
        done = draw(emulator, source, "-o", picture, *options)
        claim(done.returncode == 0 and done.stdout.strip() == str(picture), f"{source}: {done.stdout}{done.stderr}")
        claim(picture.read_bytes()[:4] == b"\x89PNG" and picture.stat().st_size > 20000, f"{source}: a picture")
        picture.unlink()
    for source, options, words in ((trace, ("--step", "2"), "step 2 of 2"), (emulator.folder / "none.h5", (), "cannot be opened"),
                                   (JOBS / "ddp-small.yaml", (), "")):
        done = draw(emulator, source, "-o", emulator.folder / "no.png", *options)
        claim(done.returncode != 0 and words in done.stderr and "Traceback" not in done.stderr, f"{source}: {done.stderr}")
        claim(not (emulator.folder / "no.png").exists(), f"{source} is not drawn")


run_case(counts, pictures)
