#!/usr/bin/python3
"""resume.py MPIEXEC COLOSSIM killed N | changed | refused: `run --resume FILE` ends a run that did not end.

Laws: whenever a run is killed or stopped, resuming its trace on any number of ranks gives the trace that it would have left,
bit by bit; a resumed run that is killed too has lost no committed step; the files of the run need not be there any more, or
may have changed; a trace that is complete, of another program, or that the run does not come to again stays as it is.
"""

import random
import shutil
import signal
import sys
import tempfile
import time

import h5py

from emulator import JOBS, TOPOLOGIES, Emulator, claim, differences, kill_all

STEPS = 24


def inputs(folder):
    """A job of each kind on a machine, as files of their own; the third are two jobs at once, one of them by a table."""
    for name in ("laptop-16", "superpod-h100-1su"):
        (folder / f"{name}.yaml").write_text((TOPOLOGIES / f"{name}.yaml").read_text())
    for name in ("ddp-small", "traffic-permutation", "traffic-all-to-all", "traffic-flows"):
        (folder / f"{name}.yaml").write_text((JOBS / f"{name}.yaml").read_text())
    shutil.copy(JOBS / "traffic-flows.csv", folder)
    file = {path.stem: path for path in folder.glob("*.yaml")}
    return [(file["laptop-16"], file["ddp-small"], "--steps", STEPS, "--seed", 7, "--set", "noise=on", "--set", "trace.full_links=on"),
            (file["laptop-16"], file["traffic-permutation"], "--steps", 3 * STEPS),
            (file["superpod-h100-1su"], file["traffic-all-to-all"], file["traffic-flows"], "--steps", STEPS, "--set",
             "network.queue_pairs=2")]


def committed(path):
    try:
        with h5py.File(path, locking=False) as file:
            return int(file["committed_steps"][()])
    except (OSError, KeyError):
        return -1


def cut(emulator, words, after_s, sent, ranks):
    """Start a run, and end it; whether it was still going."""
    process = emulator.start(*words, ranks=ranks)
    time.sleep(after_s)
    going = process.poll() is None
    if sent == signal.SIGKILL:
        kill_all(process)
    else:
        process.send_signal(sent)
        process.communicate(timeout=60)
    return going


def same(emulator, a, b, what):
    found = differences(a, b)
    claim(not found, f"{what}: {found[:5]}")


def killed(emulator, n):
    draw = random.Random(20261130)
    whole, resumed, again = {}, 0, 0
    runs = inputs(emulator.folder)
    for trial in range(int(n)):
        kind = trial % len(runs)
        words = ("run", *runs[kind], "--progress", "none", "--output")
        if kind not in whole:
            path = emulator.folder / f"whole-{kind}.h5"
            begin = time.monotonic()
            done = emulator.call(*words, path)
            claim(done.returncode == 0, f"the run itself: {done.stderr}")
            whole[kind] = path, time.monotonic() - begin
        path = emulator.folder / "cut.h5"
        path.unlink(missing_ok=True)
        first, second = draw.sample((1, 2, 3), 2)
        sent = draw.choice((signal.SIGKILL, signal.SIGKILL, signal.SIGTERM))
        cut(emulator, (*words, path), draw.uniform(0.3, 1) * whole[kind][1] + 0.1 * (first - 1), sent, first)
        had = committed(path)
        if trial % 3 == 2 and had > 0:
            cut(emulator, ("run", "--resume", path), draw.uniform(0.1, 1) * whole[kind][1], signal.SIGKILL, second)
            claim(committed(path) >= had, f"a resumed run that is killed keeps {had} steps: {committed(path)}")
            again += 1
        done = emulator.call("run", "--resume", path, "--progress", "none", ranks=second)
        if had < 0:
            claim(done.returncode == 2 and "cannot open" in done.stderr, f"without a trace: {done.returncode} {done.stderr}")
            continue
        if "is complete" in done.stderr:
            claim(done.returncode == 2, f"complete: {done.returncode}")
        else:
            claim(done.returncode == 0, f"kind {kind}, {had} steps, on {first} and {second} ranks: {done.returncode} {done.stderr}")
            resumed += 1
        same(emulator, whole[kind][0], path, f"kind {kind}, {had} steps were there, {first} and {second} ranks")
    claim(resumed >= int(n) // 3, f"{resumed} of {n} were resumed")
    print(f"{resumed} of {n} resumed, {again} of them killed twice, all as if nothing had been")


def broken(emulator, name):
    """A run that was stopped after some of its steps, and the whole one."""
    words = ("run", *inputs(emulator.folder)[0], "--progress", "none", "--output")
    whole, path = emulator.folder / "whole.h5", emulator.folder / f"{name}.h5"
    begin = time.monotonic()
    emulator.call(*words, whole)
    took = time.monotonic() - begin
    for _ in range(20):
        cut(emulator, (*words, path), took / 2, signal.SIGTERM, 0)
        if 0 < committed(path) < STEPS:
            return whole, path
    sys.exit("FAILED: the run could not be stopped in its middle")


def changed(emulator, folder):
    whole, path = broken(emulator, "changed")
    for name in ("laptop-16.yaml", "ddp-small.yaml"):
        (folder / name).write_text("nothing: of it\n")
    done = emulator.call("run", "--resume", path, "--progress", "none", folder="/")
    claim(done.returncode == 0, f"files that have changed do not matter: {done.stderr}")
    same(emulator, whole, path, "after files have changed")


def refused(emulator, folder):
    whole, path = broken(emulator, "refused")
    copy = folder / "copy.h5"

    def refuses(code, words, *arguments):
        before = arguments[0].read_bytes() if arguments[0].exists() else None
        for ranks in (0, 2):
            done = emulator.call("run", "--resume", *arguments, "--progress", "none", ranks=ranks)
            claim(done.returncode == code and words in done.stderr, f"{words}: {done.returncode} {done.stderr}")
        claim(before is None or arguments[0].read_bytes() == before, f"{words}: the file stays as it is")

    refuses(2, "complete", whole)
    refuses(2, "cannot open", folder / "none.h5")
    refuses(2, "cannot open", folder / "laptop-16.yaml")
    refuses(2, "one too many", path, TOPOLOGIES / "laptop-16.yaml")
    refuses(2, "no other settings", path, "--steps", 3)
    for what, words, code in (("commit", "commit", 2), ("arguments", "what its run was asked for", 2), ("fingerprint", "stays as it is", 1)):
        shutil.copy(path, copy)
        with h5py.File(copy, "r+") as file:
            if what == "commit":
                file.attrs["git_commit"] = "another"
            elif what == "arguments":
                del file["run"].attrs["arguments"]
            else:
                file["steps/fingerprint"][0] += 1
        refuses(code, words, copy)


def main():
    mpiexec, colossim, case, *more = sys.argv[1:]
    with tempfile.TemporaryDirectory() as folder:
        emulator = Emulator(mpiexec, colossim, folder)
        {"killed": killed, "changed": changed, "refused": refused}[case](emulator, *(more or [emulator.folder]))


main()
