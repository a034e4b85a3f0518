#!/usr/bin/python3
"""crosscheck.py MPIEXEC COLOSSIM CASE: scripts/crosscheck says of the engines what is so.

Its verdicts are tried on a stand-in for a packet engine: the flow engine, whose messages start later by a known time."""

import csv
import os
import subprocess
import sys

from emulator import ROOT, claim, close, run_case

GOODPUT_Bps = 49_230_769_231  # tests/crosscheck/hardware/plain-nic-400.yaml
# One that is asked for packets plays flows, told PACKET besides ("never": it has no packets); closed is told CLOSED.
STAND_IN = """#!/usr/bin/python3
import os, sys
words = [word.replace("engine.kind=packet", "engine.kind=flow") for word in sys.argv[1:] if not word.startswith("--set=packet.")]
told = os.environ["PACKET"] if words != sys.argv[1:] else os.environ["CLOSED"] if "--set=engine.kind=closed" in words else ""
if told == "never":
    sys.exit(2)
os.execv({program!r}, [{program!r}, *words, *(["--set=" + told] if told else [])])
"""


def crosscheck(emulator, *arguments, program=None, packet="", closed=""):
    """Exit code, what it said, and the rows of its table."""
    table = emulator.folder / "table.csv"
    table.unlink(missing_ok=True)
    done = subprocess.run([ROOT / "scripts/crosscheck", *arguments, f"--csv={table}", "--jobs=1",
                           f"--program={program or emulator.colossim}"], capture_output=True, text=True,
                          env={**os.environ, "PACKET": packet, "CLOSED": closed})
    rows = list(csv.DictReader(table.open())) if table.exists() else []
    return done.returncode, done.stdout + done.stderr, rows


def stand_in(emulator):
    path = emulator.folder / "stand-in"
    path.write_text(STAND_IN.format(program=emulator.colossim))
    path.chmod(0o755)
    return path


def listed(emulator):
    """Every scenario is accepted by the program, and the list holds every pattern, algorithm, routing and control."""
    code, said, _ = crosscheck(emulator, "--check")
    claim(code == 0, said)


def bounds(emulator):
    """No scenario ends sooner in the flow engine than in the closed one; alone both take bytes over goodput behind the path, and
    below a share of 1 / n of the spines a permutation takes n times as long."""
    names = ("ring", "shift-short", "oversubscribed-7", "permutation-ecmp-window", "two-rings", "expert-dispatch", "dead-spine-ecmp",
             "incast-leaf-pfc", "step-pipeline")
    code, said, rows = crosscheck(emulator, *names, "--engine=closed,flow", "--picture=none")
    claim(code == 0 and {row["scenario"] for row in rows} == set(names), said)
    last = {(row["scenario"], engine): float(row[f"{engine}_last_s"] or "nan") for row in rows for engine in ("closed", "flow")}
    path_s = 1e-6 + 6 * 25e-9 + 5 * 300e-9  # NICs, cables, switches
    claim(close(last["ring", "flow"], path_s + 4e6 / GOODPUT_Bps, 1e-6), f"ring: {last}")
    claim(last["ring", "closed"] == last["ring", "flow"], f"a ring has its links for itself: {last}")
    claim(close(last["incast-leaf-pfc", "flow"], 15 * 16e6 / GOODPUT_Bps, 1e-3), f"15 flows to one: {last}")
    claim(close(last["oversubscribed-7", "flow"], 7 * last["oversubscribed-7", "closed"], 0.01), f"7:1: {last}")
    claim(last["permutation-ecmp-window", "flow"] > 1.9 * last["permutation-ecmp-window", "closed"], f"collisions: {last}")


def judged(emulator):
    """A packet engine that is as late as a class allows is within it, one that is later is not, and ends it with 1; what is
    only told is never judged, and the time it is late is in the ratio. Each class by its own measure."""
    program, picture = stand_in(emulator), emulator.folder / "crosscheck.png"
    for name, late_us, verdict in (("ring", 0.8, "within"), ("ring", 0.9, "EXCEEDED"), ("shift-adaptive", 4.1, "within"),
                                   ("shift-adaptive", 4.3, "EXCEEDED"), ("shift-short", 50, "told")):
        drawn = picture if verdict == "told" else "none"
        code, said, rows = crosscheck(emulator, name, f"--picture={drawn}", program=program, packet=f"traffic.latency={late_us} us")
        claim(rows[0]["verdict"] == verdict and code == (verdict == "EXCEEDED"), f"{name}, {late_us} us late: {code}, {said}")
        for what in ("mean", "last"):
            claim(close(float(rows[0][f"{what}_ratio"]) - 1, late_us * 1e-6 / float(rows[0][f"flow_{what}_s"]), 1e-6), f"{name}: {rows}")
    claim(picture.stat().st_size > 10_000, "there is a picture")
    code, said, rows = crosscheck(emulator, "ring", "--picture=none", program=program, packet="job.slow=[{what: gpu 3, nic: 1.2}]")
    claim(code == 1 and 1 < float(rows[0]["mean_ratio"]) < 1.01 and close(float(rows[0]["worst_ratio"]), 1.2, 0.02),
          f"one late flow makes a late job, whatever the mean: {said}")
    code, said, rows = crosscheck(emulator, "ring-and-scattered-ecmp", "--picture=none", program=program, packet="network.round_latency=5 us")
    claim(code == 1 and float(rows[0]["last_ratio"]) > 1.05 and abs(float(rows[1]["mean_ratio"]) - 1) < 0.05,
          f"of two jobs the one that is judged decides: {said}")


def refused(emulator):
    """A closed engine that is later than the flow engine fails the run, and so does one that does not end; a program without
    packets leaves their column out with a reason; what is no scenario and no engine is refused."""
    program = stand_in(emulator)
    code, said, rows = crosscheck(emulator, "ring", "--engine=closed,flow", program=program, closed="traffic.latency=1 ns")
    claim(code == 1 and rows[0]["verdict"] == "failed" and "1.000 ns later" in said, said)
    code, said, rows = crosscheck(emulator, "ring", "--engine=closed,flow", "--set=traffic.fan_in=8")
    claim(code == 1 and "fan_in" in said and rows[0]["verdict"] == "failed", said)
    code, said, rows = crosscheck(emulator, "ring", program=program, packet="never")
    claim(code == 0 and rows[0]["verdict"] == "not played" and "has no packet" in rows[0]["reason"], said)
    for wrong in (["no-such"], ["--engine=flow,fluid"], ["--class=odd"], ["ring", "--write"]):
        claim(crosscheck(emulator, *wrong)[0] == 2, f"{wrong} is refused")


def agreed(emulator):
    """Every scenario through every engine: none is out of its class, and none fails."""
    code, said, rows = crosscheck(emulator, "--picture=none")
    claim(code == 0 and len(rows) >= 80, said)
    claim(sum(row["verdict"] == "within" for row in rows) >= 40, f"most are judged: {said}")


run_case(listed, bounds, judged, refused, agreed)
