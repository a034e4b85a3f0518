#!/usr/bin/python3
"""exits.py MPIEXEC COLOSSIM CASE [FOLDER]: how a run ends, alone and on 1, 3 or 4 ranks.

Laws: exit code 0 done, 1 the run failed, 2 wrong usage or input, 3 output failed, 4 stopped on request. Each end but
the first says why in one block on stderr that no rank repeats; stdout holds the table or nothing.
"""

import pathlib
import re
import shlex
import signal
import subprocess
import sys
import time

import h5py

from emulator import JOBS, TOPOLOGIES, attribute, claim, first_line, own_words, run_case

LAPTOP, DDP, SHIFT = TOPOLOGIES / "laptop-16.yaml", JOBS / "ddp-small.yaml", JOBS / "traffic-shift.yaml"
COUNTS = (0, 1, 3)  # 0: without mpiexec

# Two leaves of 8 NICs, each with two uplinks: a flow between nodes crosses the spines.
PLAIN = """schema_version: 1
kind: topology
nodes: 2
node:
  gpu: h100-sxm
  gpus: 8
  nic: connectx-7-ndr400
  scale_up: nvlink4-8
fabric:
  wiring: plain
  routing: {routing}
  tiers:
    - name: leaf
      switch: quantum-2-qm9700
      children: 8
      rate: 400 Gb/s
      cable: 5 m
    - name: spine
      switch: quantum-2-qm9700
      children: 2
      parents: 2
      rate: 400 Gb/s
      cable: 5 m
  faults:
    - tier: 2
      lower: 0
      port: 0
    - tier: 2
      lower: {leaf}
      port: 1
"""


def ends(done, code, words, what):
    claim(done.returncode == code, f"{what}: exit code {code}, got {done.returncode}: {done.stdout}{done.stderr}")
    mine = own_words(done)
    first = [line for line in mine if words in line]
    claim(len(first) == 1, f"{what}: '{words}' is said once: {mine}")
    claim(done.stdout.strip() == "", f"{what}: nothing on stdout: {done.stdout}")
    claim("CHECK" not in done.stderr, f"{what}: no crash: {done.stderr}")


def usage(emulator):
    for n in (0, 3):
        for words, *arguments in (("which command?",), ("unknown command 'rum' (did you mean 'run'?)", "rum"), ("unknown command 'xyz';", "xyz"),
                                  ("unknown option '--stepz' (did you mean '--steps'?)", "run", "--stepz", 3),
                                  ("keys wants KIND: one of topology training", "keys"),
                                  ("--json is of run, not of check", "check", LAPTOP, "--json"),
                                  ("--defaults is of check, not of run", "run", LAPTOP, DDP, "--defaults"),
                                  ("run wants TOPOLOGY JOB...", "run", LAPTOP), ("check wants FILE...", "check"),
                                  ("option '--set' wants a value", "run", LAPTOP, DDP, "--set"),
                                  ("not 'loud'", "run", LAPTOP, DDP, "--progress", "loud")):
            done = emulator.call(*arguments, ranks=n)
            ends(done, 2, words, f"{arguments} on {n} ranks")
            claim("try 'colossim --help'" in done.stderr, f"usage points to the help: {done.stderr}")
    for rank, code in ((0, 2), (1, 0)):  # a launcher kills rank 0 before it speaks if another fails first
        done = emulator.call("rum", launch=("env", f"OMPI_COMM_WORLD_RANK={rank}"))
        claim(done.returncode == code, f"rank {rank} alone leaves with {code}: {done.returncode}")
        claim(bool(done.stderr) == (rank == 0), f"only rank 0 speaks: {done.stderr}")


def bad_input(emulator):
    wrong = emulator.folder / "wrong.yaml"
    wrong.write_text(SHIFT.read_text().replace("shift: half", "shfit: half"))
    for n in COUNTS:
        done = emulator.run(LAPTOP, wrong, ranks=n)
        ends(done, 2, f"{wrong}:7:3: error: unknown key 'shfit'", "a misspelt key")
        claim("did you mean 'shift'?" in done.stderr, f"with a suggestion: {done.stderr}")
        done = emulator.run(LAPTOP, JOBS / "llama3.1-405b-8k.yaml", ranks=n)
        ends(done, 2, "llama3.1-405b-8k.yaml:", "a job that does not fit")
        ends(emulator.run(LAPTOP, DDP, ranks=n, steps="many"), 2, "steps wants a number", "a wrong setting")
        ends(emulator.run(LAPTOP, emulator.folder / "missing.yaml", ranks=n), 2, "missing.yaml", "a missing file")


def output(emulator):
    """The file cannot be made: /proc takes no files from anybody, /dev/full no bytes, a file is no folder."""
    (emulator.folder / "file").write_text("")
    for n in COUNTS:
        for path in ("/proc/run.h5", emulator.folder / "none/run.h5", emulator.folder / "file/run.h5", "/dev/full"):
            job = SHIFT if n == 1 else DDP
            ends(emulator.run(LAPTOP, job, ranks=n, path=path), 3, f"{path}", f"output to {path}")


def full_disk(emulator):
    """The file system is full in the middle of the run: exit code 3, one message, nothing hangs, and the steps that were
    committed stay. A small memory file system is mounted in a namespace of its own, where that is allowed."""
    if emulator.folder != pathlib.Path("/mnt"):
        inside = f"mount -t tmpfs -o size=20m none /mnt && exec {shlex.join([sys.executable, '-B', *sys.argv])} /mnt"
        tried = subprocess.run(["unshare", "--user", "--map-root-user", "--mount", "true"], capture_output=True)
        if tried.returncode != 0:
            print("no name spaces here: skipped")
            sys.exit(77)
        sys.exit(subprocess.run(["unshare", "--user", "--map-root-user", "--mount", "sh", "-c", inside]).returncode)
    for n in (1, 2):
        path = emulator.folder / f"full{n}.h5"
        done = emulator.call("run", LAPTOP, DDP, "--steps", 400, "--set", "trace.intervals=2000", "--set",
                             "noise=on", "--output", path, ranks=n, timeout=60)
        claim(done.returncode == 3, f"{n} ranks: exit code 3, got {done.returncode}: {done.stderr[-2000:]}")
        said = [line for line in done.stderr.splitlines() if line.startswith("colossim: error:")]
        claim(len(said) == 1 and str(path) in said[0], f"one message that names the file: {said}")
        claim("step 1/" in done.stderr, f"the run had begun: {done.stderr[-2000:]}")
        with h5py.File(path) as file:
            claim(file["committed_steps"][()] >= 1, "the first step stays committed")
        path.unlink()


def stop_one(emulator, n, number):
    path = emulator.folder / f"stopped{n}-{number}.h5"
    process = emulator.start("run", LAPTOP, DDP, "--steps", 100000, "--set", "trace.intervals=2", "--output", path,
                             ranks=n)
    line = first_line(process)
    claim("step 1/" in line, f"a first step ends: {line}")
    time.sleep(0.2 * number)
    process.send_signal(number and signal.SIGUSR1 or signal.SIGUSR2)
    _, stderr = process.communicate(timeout=60)
    what = f"stopped on {n} ranks"
    claim(process.returncode == 4, f"{what}: exit code 4, got {process.returncode}: {stderr[-1500:]}")
    claim(stderr.count("stopped on request after step") == 1, f"{what}: one message: {stderr[-1500:]}")
    steps = 1 + int(re.search(r"stopped on request after step (\d+)", stderr)[1])
    with h5py.File(path) as file:
        claim(file.attrs["status"] == "stopped", f"{what}: status, got {file.attrs['status']}")
        claim(file["committed_steps"][()] == steps == len(file["steps/step"]),
              f"{what}: {file['committed_steps'][()]} steps committed, {steps} said, {len(file['steps/step'])} rows")
        return steps, file["steps/fingerprint"][()], file["gpus/duration_ps"][()]


def stop(emulator):
    """SIGUSR2 and SIGUSR1 end the run after the step, which is committed; what is there is that of any other run."""
    results = [stop_one(emulator, n, number) for n in (0, 1, 3, 4) for number in (0, 1)]
    longest = max(results, key=lambda result: result[0])
    for steps, fingerprint, duration_ps in results:
        claim((fingerprint == longest[1][:steps]).all(), "fingerprints of the steps that were played")
        claim((duration_ps == longest[2][:steps]).all(), "durations of the steps that were played")


def cut(emulator):
    """All uplinks of a leaf are dead: the run says which pair is cut and where; with one left it goes on."""
    topology = emulator.folder / "cut.yaml"
    for routing in ("ecmp", "dmodk", "spray", "adaptive"):
        for n in (0, 3) if routing == "ecmp" else (3,):
            topology.write_text(PLAIN.format(routing=routing, leaf=0))
            for job, settings in ((SHIFT, {}), (SHIFT, {"engine__kind": "closed"}), (DDP, {}),
                                  (JOBS / "traffic-all-reduce.yaml", {})):
                done = emulator.run(topology, job, ranks=n, **settings)
                ends(done, 1, "no live path from GPU", f"{job.stem} {settings} with {routing} on {n} ranks")
                claim("tier 2 (spine)" in done.stderr, f"it says which tier is cut: {done.stderr}")
            # Leaf 0 reaches spine 1 alone and leaf 1 spine 0 alone: no spine sees both.
            topology.write_text(PLAIN.format(routing=routing, leaf=1))
            ends(emulator.run(topology, SHIFT, ranks=n), 1, "no live path from GPU", "each leaf has one uplink, but no common spine")
        topology.write_text(PLAIN.format(routing=routing, leaf=1).replace("      port: 1", "      port: 0"))
        done = emulator.run(topology, SHIFT, ranks=3)
        claim(done.returncode == 0, f"{routing}: over the spine that is left: {done.stderr}")


def time_ends(emulator):
    """A run has 53 days of simulated time; where it comes to their end it fails on all ranks alike. And a run that has them
    takes no longer for that: what lies between two events costs nothing."""
    far = {"fabric__tiers__0__cable": "200000000 km"}
    for n in (0, 3):
        for options in (("--player", "event"), ("--player", "island", "--every-step")):
            ends(emulator.run(LAPTOP, DDP, *options, ranks=n, steps=200, **far), 1, "53 days of simulated time",
                 f"{options} on {n} ranks")
        ends(emulator.run(LAPTOP, JOBS / "traffic-all-reduce.yaml", ranks=n, steps=2000, **far), 1,
             "53 days of simulated time", f"an all-reduce on {n} ranks")
        path = emulator.folder / "far.h5"
        done = emulator.call("run", LAPTOP, DDP, "--output", path, "--steps", 8, "--every-step", "--set", "trace.intervals=2000",
                             "--set", "fabric.tiers.0.cable=200000000 km", ranks=n, timeout=300)
        claim(done.returncode == 0 and path.stat().st_size < 26e6, f"8 long steps on {n} ranks: {done.stderr[-1500:]}")
        done = emulator.call("run", LAPTOP, SHIFT, "--output", path, "--set", "fabric.tiers.0.rate=24 b/s",
                             "--set", "traffic.bytes=1 MB", "--set", "trace.intervals=2000", ranks=n, timeout=300)
        claim(done.returncode == 0, f"a link of 3 bytes a second on {n} ranks: {done.stderr[-1500:]}")


def done(emulator):
    for n in COUNTS:
        for job in (DDP, SHIFT):
            path = emulator.folder / "done.h5"
            ended = emulator.run(LAPTOP, job, ranks=n, path=path)
            claim(ended.returncode == 0 and own_words(ended) == [], f"0 and quiet: {ended.returncode} {ended.stderr}")
            claim(attribute(path, "status") == "complete", "the file says complete")
            lines = ended.stdout.strip().splitlines()
            claim(lines[0] == f"{job.stem} on laptop-16 (16 GPUs)" and lines[-1].strip() == f"trace: {path}",
                  f"one table, from title to trace: {ended.stdout}")
            claim(all(line.isprintable() for line in lines), f"plain text: {ended.stdout!r}")
            progress = emulator.call("run", LAPTOP, job, "--output", "none", "--progress", "lines", ranks=n).stderr
            claim(not (emulator.folder / "none").exists(), "without a trace no file is written")
            words = set(re.findall(r"[a-z]+", (progress + ended.stdout).lower()))
            claim(not words & {"inf", "nan"}, f"speeds and shares are numbers: {progress}")


run_case(usage, bad_input, output, full_disk, stop, cut, time_ends, done)
