#!/usr/bin/python3
"""compare.py MPIEXEC COLOSSIM runs: scripts/compare holds any number of runs against the first."""

import re
import subprocess

from emulator import JOBS, ROOT, TOPOLOGIES, claim, column, run_case

LAPTOP, DDP = TOPOLOGIES / "laptop-16.yaml", JOBS / "ddp-small.yaml"


def compare(emulator, *traces):
    """{row: its cells}, and what is in the first line."""
    picture = emulator.folder / "compared.png"
    done = subprocess.run([ROOT / "scripts/compare", *traces, "-o", picture], capture_output=True, text=True, env=emulator.environment)
    claim(done.returncode == 0 and not done.stderr, f"compare {traces}: {done.stdout}{done.stderr}")
    claim(picture.read_bytes()[:4] == b"\x89PNG" and picture.stat().st_size > 10_000, "a picture")
    picture.unlink()
    head, rule, *lines = done.stdout.split("\n\n")[0].splitlines()
    cells = [re.split(r"\s{2,}", line) for line in lines]
    return {row[0]: row[1:] for row in cells}, re.split(r"\s{2,}", head)[1:]


def runs(emulator):
    """Laws: a run does not differ from itself; a run's figures are the same in any company and place, and are those of its trace;
    what is gained from one to another is lost the other way round."""
    slow, fast, other = (emulator.trace(LAPTOP, job, "--steps", 2, name=name, **settings)
                         for name, job, settings in (("slow", DDP, {"fabric__tiers__leaf__rate": "100 Gb/s"}), ("fast", DDP, {}),
                                                     ("other", JOBS / "traffic-permutation.yaml", {})))
    rows, head = compare(emulator, slow, slow)
    claim(len(rows) > 8 and all(row[-1] == "=" for row in rows.values()), f"the same is the same: {rows}")
    rows, head = compare(emulator, slow, fast, other)
    claim(head == ["slow", "fast", "change", "other", "change"], f"each is named: {head}")
    step = [float(f"{column(path, 'steps/duration_ps').mean() / 1e12:.4g}") for path in (slow, fast, other)]
    claim([float(rows["step"][i]) for i in (1, 2, 4)] == step, f"steps are those of the traces: {rows['step']}, {step}")
    claim(rows["compute"][-2:] == ["-"] or rows["compute"][-1] == "-", f"traffic computes nothing: {rows['compute']}")
    pair, back = compare(emulator, slow, fast)[0], compare(emulator, fast, slow)[0]
    for what, cells in pair.items():
        claim(rows[what][:len(cells)] == cells, f"{what} in company: {rows[what]}, alone {cells}")
        if "-" in cells:  # one of them has no such thing
            continue
        claim(back[what][-3:-1] == cells[-3:-1][::-1], f"{what} the other way round: {back[what]}, {cells}")
        claim((cells[-1][0], back[what][-1][0]) in (("+", "-"), ("-", "+"), ("=", "="), ("x", "-"), ("~", "~"), ("-", "x")),
              f"{what} is gained and lost: {cells}, {back[what]}")
    claim(any(cells[-1] != "=" for cells in pair.values()), "they differ")
    timeless = emulator.trace(LAPTOP, DDP, name="timeless", engine__kind="closed")  # it has no sampling intervals
    head = compare(emulator, fast, timeless)[1]
    claim(len(head) == 3, f"a run of an engine that knows no time within a step: {head}")


run_case(runs)
