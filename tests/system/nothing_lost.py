#!/usr/bin/python3
"""nothing_lost.py MPIEXEC COLOSSIM KILLS DISKS RACES: kills, full disks and races of two runs for one file.

Laws: whatever ends a run, the trace that stood at its path is there, byte for byte, until the new one has a committed
step; what is there opens, counts at least the steps that were reported as committed, and holds the values of the
undisturbed run; a stranger's file beside it is untouched. A run on a full disk ends with exit code 3, one message, no
table, and `failed` in what it leaves. Of two runs for one file one is refused, or they come one after the other; the
file is whole and one of theirs. After any of this a run for the same path succeeds and leaves nothing beside it.
"""

import os
import pathlib
import random
import re
import shlex
import subprocess
import sys
import tempfile
import time

import h5py
import numpy as np

from emulator import JOBS, TOPOLOGIES, Emulator, claim, first_line, kill_all

TOPOLOGY, JOB, RING = TOPOLOGIES / "laptop-16.yaml", JOBS / "ddp-small.yaml", JOBS / "traffic-ring.yaml"
STEPS = 90
OPTIONS = ("--steps", STEPS, "--set", "noise=on", "--set", "trace.full_links=on")
MOUNTED = pathlib.Path("/mnt")


def values(path):
    """Committed steps, status, and some columns of every kind: in place, compressed, table."""
    with h5py.File(path) as file:
        n = int(file["committed_steps"][()])
        rows = int(file["steps/intervals_end"][n - 1]) if n else 0
        return (n, file.attrs["status"], int(file.attrs["seed"]), file["steps/fingerprint"][:n],
                file["gpus/duration_ps"][:n], file["links/link_bytes"][:n], file["intervals/bytes"][:rows],
                file["intervals/histogram"][:rows], file["intervals/hot_link"][:rows])


def is_part_of(part, whole):
    return part[0] <= whole[0] and part[2] == whole[2] and all(
        np.array_equal(some, all_[:len(some)]) for some, all_ in zip(part[3:], whole[3:]))


class Trial:
    """A folder with a stranger's file and, in most trials, an old trace; judged after what happened."""

    def __init__(self, world, folder, moments):
        self.world, self.folder = world, folder
        self.path, self.stranger = folder / "run.h5", folder / "stranger.h5"
        self.stranger.write_bytes(b"a stranger's\n" * 100)
        self.has_old = moments.random() < 0.7
        if self.has_old:
            self.path.write_bytes(world.old)

    def judge(self, reported, what):
        """Returns the steps of the new trace that are there, or 0."""
        claim(self.stranger.read_bytes() == b"a stranger's\n" * 100, f"{what}: a stranger's file stays")
        if not self.path.exists():
            claim(not self.has_old and reported == 0, f"{what}: no file, though {reported} steps were reported")
            return 0
        if self.has_old and self.path.read_bytes() == self.world.old:
            claim(reported == 0, f"{what}: the old file, though {reported} steps were reported")
            return 0
        part = values(self.path)
        claim(part[0] >= max(1, reported), f"{what}: {reported} steps were reported, {part[0]} are there")
        claim(is_part_of(part, self.world.whole[part[2]]), f"{what}: what is there is right")
        return part[0]

    def tidy(self, what):
        """The next run for the path has its way, given the room."""
        if self.folder == MOUNTED:
            subprocess.run(["mount", "-o", "remount,size=50m", str(MOUNTED)], check=True)
        done = self.world.emulator.run(TOPOLOGY, RING, path=self.path)
        claim(done.returncode == 0, f"{what}: the next run: {done.stderr}")
        claim(sorted(os.listdir(self.folder)) == ["run.h5", "stranger.h5"], f"{what}: {os.listdir(self.folder)}")


class World:
    """What all trials compare with."""

    def __init__(self, mpiexec, colossim, folder):
        self.folder = pathlib.Path(folder)
        self.emulator = Emulator(mpiexec, colossim, folder)
        self.whole = {}
        for seed in (1, 2):
            path = self.folder / f"whole{seed}.h5"
            begin = time.monotonic()
            process = self.start(path, seed)
            first_line(process)
            self.early_s = time.monotonic() - begin
            _, stderr = process.communicate(timeout=300)
            self.length_s = time.monotonic() - begin - self.early_s
            claim(process.returncode == 0, f"the undisturbed run ends with 0: {stderr[-1500:]}")
            self.whole[seed] = values(path)
            claim(self.whole[seed][:2] == (STEPS, "complete"), f"and is complete: {self.whole[seed][:2]}")
            self.bytes = path.stat().st_size
        claim(self.bytes > 6e6, f"room for limits: {self.bytes} B")
        claim(not np.array_equal(self.whole[1][3], self.whole[2][3]), "two seeds, two results")
        old = self.folder / "old.h5"
        done = self.emulator.run(TOPOLOGY, RING, path=old)
        claim(done.returncode == 0, f"the old trace: {done.stderr}")
        self.old = old.read_bytes()

    def start(self, path, seed=1, ranks=2, launch=()):
        return self.emulator.start("run", TOPOLOGY, JOB, *OPTIONS, "--seed", seed, "--output", path, ranks=ranks,
                                   launch=launch)


def reported(text):
    found = re.findall(r"committed (\d+)", text)
    return int(found[-1]) if found else 0


def kill_one(world, trial, moments, what):
    """Half of the kills come before the first step has ended, when the file is made and takes its name."""
    process, line = world.start(trial.path), ""
    if moments.random() < 0.5:
        time.sleep(moments.uniform(0.3, 1.05) * world.early_s)
    else:
        line = first_line(process)
        time.sleep(moments.uniform(0, world.length_s))
    said = reported(line + kill_all(process)[1])
    steps = trial.judge(said, what)
    trial.tidy(what)
    return steps


def fill(folder):
    """Take what is left of the disk, as somebody else would."""
    with open(folder / "filler", "wb", buffering=0) as filler:
        try:
            while True:
                filler.write(b"\0" * 65536)
        except OSError:
            pass


def disk_one(world, trial, moments, what, limit):
    """The disk is full after a while, or somebody else fills it; or a file may not grow (limit)."""
    ranks, launch = moments.choice((0, 2)), ()
    if limit:  # the memory that processes of MPI share is files, too
        ranks, launch = 0, ("prlimit", f"--fsize={int(moments.uniform(5e6, 0.95 * world.bytes))}")
    process = world.start(trial.path, ranks=ranks, launch=launch)
    line = ""
    if not limit and moments.random() < 0.5:
        if moments.random() < 0.7:
            line = first_line(process)
        time.sleep(moments.uniform(0, 0.3) * world.length_s)
        fill(trial.folder)
    try:
        stdout, stderr = process.communicate(timeout=120)
    except subprocess.TimeoutExpired:
        kill_all(process)
        claim(False, f"{what}: the run hangs on {ranks} ranks")
    (trial.folder / "filler").unlink(missing_ok=True)
    said = [text for text in (line + stderr).splitlines() if text.startswith("colossim: error:")]
    steps = trial.judge(reported(line + stderr), what)
    if process.returncode == 0:
        claim(steps == STEPS, f"{what}: there was room")
    else:
        claim(process.returncode == 3, f"{what}: exit code 3, got {process.returncode}: {stderr[-1500:]}")
        claim(len(said) == 1 and str(trial.path) in said[0] and "no cause given" not in said[0],
              f"{what}: one message with file and cause: {said}, {ranks} ranks: {(line + stderr)[-1500:]}")
        claim(stdout.strip() == "", f"{what}: no table: {stdout}")
        claim(steps == 0 or values(trial.path)[1] == "failed", f"{what}: the file says that its run failed")
        claim([name for name in os.listdir(trial.folder) if name.startswith(".")] == [], f"{what}: nothing is left")
    trial.tidy(what)
    return steps


def race_one(world, trial, moments, what):
    """Two runs of two seeds for one file, almost at once."""
    runs = {1: world.start(trial.path, 1, moments.choice((0, 2)))}
    time.sleep(moments.choice((0, 0, moments.uniform(0, 1.5) * world.early_s)))
    runs[2] = world.start(trial.path, 2, moments.choice((0, 2)))
    codes = {}
    for seed, run in runs.items():
        _, stderr = run.communicate(timeout=300)
        codes[seed] = run.returncode
        claim(run.returncode == 0 or run.returncode == 3 and "another run is writing it" in stderr,
              f"{what}: {run.returncode}: {stderr[-1500:]}")
    claim(0 in codes.values(), f"{what}: one has its way: {codes}")
    steps = trial.judge(STEPS, what)
    seed = values(trial.path)[2]
    claim(codes[seed] == 0 and values(trial.path)[1] == "complete", f"{what}: the file is whole and the winner's")
    trial.tidy(what)
    return sum(code == 0 for code in codes.values())


def play(world, kind, n, one, moments, mounted=False):
    found = []
    for number in range(n):
        folder = MOUNTED if mounted else world.folder / f"{kind}{number}"
        if mounted:
            room = max(400_000, int(moments.uniform(0.02, 1.1) * world.bytes)) + len(world.old)
            subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={room}", "none", str(folder)], check=True)
        else:
            folder.mkdir()
        found.append(one(world, Trial(world, folder, moments), moments, f"{kind} {number}"))
        if mounted:
            subprocess.run(["umount", str(folder)], check=True)
    print(f"{n} {kind}: {found}", flush=True)
    return found


def in_name_space():
    """Start again where a file system may be mounted; as this process may, if not."""
    words = shlex.join([sys.executable, "-B", *sys.argv, "mounted"])
    space = ["unshare", "--user", "--map-root-user", "--mount"]
    if subprocess.run([*space, "true"], capture_output=True).returncode == 0:
        sys.exit(subprocess.run([*space, "sh", "-c", f"exec {words}"]).returncode)


def main():
    if "mounted" not in sys.argv:
        in_name_space()
    mpiexec, colossim, kills, disks, races = sys.argv[1:6]
    with tempfile.TemporaryDirectory() as folder:
        world, moments = World(mpiexec, colossim, folder), random.Random(20261129)
        play(world, "kill", int(kills), kill_one, moments)
        limited = int(disks) // 3 if "mounted" in sys.argv else int(disks)
        play(world, "limit", limited, lambda *trial: disk_one(*trial, True), moments)
        play(world, "disk", int(disks) - limited, lambda *trial: disk_one(*trial, False), moments, True)
        play(world, "race", int(races), race_one, moments)


main()
