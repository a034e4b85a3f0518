#!/usr/bin/python3
"""files.py MPIEXEC COLOSSIM CASE: what a run does to files, its own and others.

Laws: an existing file is replaced only by a trace whose first step is committed; a file that is no trace, is an input or
is being written stays byte for byte, with exit code 3 and the reason; what a file names stays below output/; nothing is
left beside the trace; two ranks that were told different things end, and say so.
"""

import os
import pathlib
import re
import signal
import subprocess
import time

import h5py

from emulator import JOBS, TOPOLOGIES, attribute, claim, first_line, kill_all, own_words, run_case

LAPTOP, DDP, RING = TOPOLOGIES / "laptop-16.yaml", JOBS / "ddp-small.yaml", JOBS / "traffic-ring.yaml"
ENDLESS = ("--steps", 1000000, "--set", "trace.intervals=2", "--set", "trace.hot_links=1")
LONG_STEP = ("--set", "noise=on", "--set", "parallel.pp=8", "--set", "parallel.microbatches=64")


def left(folder):
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if not path.is_dir())


def refuses(done, words, what, code=3):
    claim(done.returncode == code, f"{what}: exit code {code}, got {done.returncode}: {done.stdout}{done.stderr}")
    said = [line for line in own_words(done) if words in line]
    claim(len(said) == 1, f"{what}: '{words}' is said once: {own_words(done)}")
    claim(done.stdout == "", f"{what}: nothing on stdout: {done.stdout}")


def start_endless(emulator, path, ranks=0):
    process = emulator.start("run", LAPTOP, DDP, *ENDLESS, "--output", path, ranks=ranks)
    line = first_line(process)
    claim("step 1/" in line, f"a first step ends: {line}")
    return process


def refused(emulator):
    """What is no trace, or somebody's, stays as it is; nothing appears beside it."""
    here = emulator.folder / "refused"
    here.mkdir()
    topology, job = here / "t.yaml", here / "j.yaml"
    topology.write_bytes(LAPTOP.read_bytes())
    job.write_bytes(RING.read_bytes())
    (here / "text").write_text("my notes\n")
    (here / "empty").write_bytes(b"")
    (here / "hard").hardlink_to(topology)
    (here / "soft").symlink_to(job)
    (here / "nowhere").symlink_to("missing/file")
    with h5py.File(here / "other.h5", "w") as file:
        file["mine"] = [1, 2, 3]
    (here / "torn.h5").write_bytes((here / "other.h5").read_bytes()[:500])
    before = {name: (here / name).read_bytes() for name in left(here) if name != "nowhere"}
    for n in (0, 3):
        for name, words in (("t.yaml", "an input"), ("j.yaml", "an input"), ("hard", "an input"), ("soft", "an input"),
                            ("text", "no trace"), ("empty", "no trace"), ("other.h5", "no trace"), ("torn.h5", "cannot replace what is there"),
                            ("nowhere", "a link to nowhere"), (".", "a folder"), ("text/a.h5", "Not a directory"),
                            ("none/a.h5", "No such file or directory"), ("a" * 300, "File name too long")):
            if n == 0 or name in ("t.yaml", "text", "none/a.h5"):
                refuses(emulator.run(topology, job, ranks=n, path=here / name), words, f"{name} on {n} ranks")
        refuses(emulator.run(topology, job, ranks=n, path=""), "--output wants", "an empty --output", 2)
        done = emulator.run(topology, job, "--set", 'trace.path=""', ranks=n, path="none")
        refuses(done, "wants a file", "an empty trace.path", 2)
    with h5py.File(here / "other.h5", "r+"):
        refuses(emulator.run(topology, job, path=here / "other.h5"), "other.h5: ", "a file that another program writes")
    claim({name: (here / name).read_bytes() for name in left(here) if name != "nowhere"} == before,
          f"all is as it was: {left(here)}")


def replaced(emulator):
    """A trace is replaced once the new one has a step; who has it open goes on reading the old one."""
    here = emulator.folder / "replaced"
    here.mkdir()
    path, link = here / "a.h5", here / "link.h5"
    emulator.trace(LAPTOP, DDP, name="replaced/a", seed=1)
    link.symlink_to("a.h5")
    path.chmod(0o640)
    whole = path.read_bytes()
    cut = emulator.folder / "cut.yaml"
    cut.write_text(LAPTOP.read_text() + "  faults:\n" + "".join(f"    - {{tier: 2, lower: 0, port: {p}}}\n" for p in range(8)))
    for n in (0, 2):
        with h5py.File(path) as old:
            fingerprints = old["steps/fingerprint"][()]
            done = emulator.run(LAPTOP, DDP, ranks=n, path=link, seed=n + 2, noise="on")
            claim(done.returncode == 0, f"a reader does not keep a run from it: {done.stderr}")
            claim((old["steps/fingerprint"][()] == fingerprints).all() and old.attrs["status"] == "complete",
                  "the reader's file stays whole")
        claim(link.is_symlink() and attribute(path, "seed") == n + 2, "the file behind the link is the new one")
        claim(path.stat().st_mode & 0o777 == 0o640, "with the old one's mode")
        whole = path.read_bytes()
        done = emulator.run(cut, RING, ranks=n, path=path)
        claim(done.returncode in (1, 2), f"a run that fails before its first step: {done.returncode} {done.stderr}")
        claim(path.read_bytes() == whole, "leaves the old file")
    claim(left(here) == ["a.h5", "link.h5"], f"nothing else is left: {left(here)}")
    # In the middle of a long first step.
    process = emulator.start("run", TOPOLOGIES / "meta-24k-roce.yaml", JOBS / "traffic-permutation.yaml", "--output", path,
                             ranks=0)
    while not (here / ".a.h5.part").exists() and path.read_bytes() == whole and process.poll() is None:
        time.sleep(0.02)
    time.sleep(0.5)
    claim(process.poll() is None, "the step is long")
    claim(path.read_bytes() == whole, "a run that has no step yet leaves the old file")
    kill_all(process)
    claim(path.read_bytes() == whole, "also when it is killed")


def locked(emulator):
    """A file that is being written is refused, also by another of its names; the lock goes with its run."""
    here = emulator.folder / "locked"
    (here / "sub").mkdir(parents=True)
    (here / "link.h5").symlink_to("a.h5")
    for n in (0, 2):
        process = start_endless(emulator, here / "a.h5", n)
        for name in ("a.h5", "link.h5", "sub/../a.h5"):
            for m in (0, 2):
                refuses(emulator.run(LAPTOP, RING, ranks=m, path=here / name), "another run is writing it", name)
        with h5py.File(here / "a.h5") as file:
            claim(file.attrs["status"] == "running", "readers are let in")
        process.send_signal(signal.SIGUSR1)
        _, stderr = process.communicate(timeout=60)
        claim(process.returncode == 4, f"the run goes on and is stopped: {process.returncode}, {n} ranks: {stderr[-1500:]}")
        found = attribute(here / "a.h5", "status")
        claim(found == "stopped", f"and says so: {found}, {n} ranks: {stderr[-1500:]}")
    claim(emulator.run(LAPTOP, RING, path=here / "a.h5").returncode == 0, "then the place is free")
    claim(left(here) == ["a.h5", "link.h5"], f"nothing else is left: {left(here)}")


def removed(emulator):
    """A file that is gone or another one under way is an error; what took its place is left alone."""
    for n in (0, 2):
        for after in (lambda path: path.unlink(), lambda path: os.replace(emulator.folder / "mine", path)):
            (emulator.folder / "mine").write_text("mine")
            path = emulator.folder / "removed.h5"
            process = start_endless(emulator, path, n)
            after(path)
            _, stderr = process.communicate(timeout=60)
            claim(process.returncode == 3 and f"{path}: " in stderr and "while it was written" in stderr,
                  f"{n} ranks: {process.returncode}: {stderr[-1500:]}")
            claim(not path.exists() or path.read_text() == "mine", "what is there is not ours")
            path.unlink(missing_ok=True)


def named(emulator):
    """The default name tells settings and seeds apart; names and paths of files stay below output/."""
    here = emulator.folder / "named"
    here.mkdir()
    seen = set()
    long = "fabric.routing=" + " " * 150 + "spray"
    for options in ((), ("--seed", 1), ("--seed", 2), ("--steps", 2), ("--set", "fabric.routing=spray"),
                    ("--set", "traffic.bytes=1 MB"), ("--set", "traffic.bytes=1MB"), ("--set", long),
                    ("--set", long + " "), ("--set", "trace={path: auto}")):
        done = emulator.call("run", LAPTOP, RING, "--progress", "none", *options, folder=here)
        claim(done.returncode == 0, f"{options}: {done.stderr}")
        path = done.stdout.strip().splitlines()[-1].removeprefix("  trace: ").strip()
        claim(path.startswith("output/laptop-16-traffic-ring") and path not in seen, f"{options}: a name of its own: {path}")
        seen.add(path)
        claim((here / path).exists() and len(pathlib.Path(path).name) < 200, f"{options}: {path}")
    a, b = (JOBS / f"traffic-{name}.yaml" for name in ("permutation", "shift"))
    for jobs in ((RING, a), (RING, b), (RING, a, b), (RING, *(a, b) * 7), (RING, *(a, b) * 6, b, a)):
        done = emulator.call("run", TOPOLOGIES / "superpod-h100-1su.yaml", *jobs, "--progress", "none", 
                             "--set", "traffic.ranks=8", folder=here)
        claim(done.returncode == 0, f"{len(jobs)} jobs: {done.stderr}")
        path = done.stdout.strip().splitlines()[-1].removeprefix("  trace: ").strip()
        claim(path not in seen and len(path) < 255, f"{len(jobs)} jobs: a name of their own: {path}")
        seen.add(path)
    topology, job = here / "t.yaml", here / "j.yaml"
    topology.write_text(LAPTOP.read_text().replace("kind: topology", "kind: topology\nname: ../../../evil/t"))
    job.write_text(RING.read_text())
    done = emulator.call("run", topology, job, "--progress", "none", folder=here)
    claim(done.returncode in (0, 2), f"a name with slashes: {done.stderr}")
    for written, place in (("mine.h5", "output/mine.h5"), ("output/deep/er.h5", "output/deep/er.h5"),
                           ("../evil.h5", None), ("a/../../evil.h5", None), ("output/../evil.h5", None), ("..", None),
                           (str(here / "evil.h5"), None)):
        job.write_text(RING.read_text() + f"trace:\n  path: {written}\n")
        done = emulator.call("run", LAPTOP, job, "--progress", "none", folder=here)
        if place:
            claim(done.returncode == 0 and (here / place).exists(), f"{written}: {done.returncode} {done.stderr}")
        else:
            refuses(done, "leads out of output/", written, 2)
    done = emulator.call("run", LAPTOP, RING, "--progress", "none", "--set", "trace.path=../said.h5", folder=here)
    claim(done.returncode == 0 and (emulator.folder / "said.h5").exists(), "the command line may name any place")
    strays = [path for path in left(emulator.folder) if not path.startswith("named/output/")]
    claim(strays == ["named/j.yaml", "named/t.yaml", "said.h5"], f"all else is below output/: {strays}")


def table(emulator):
    """A table that cannot be written is an output failure; the trace is there all the same."""
    path = emulator.folder / "table.h5"
    for words in (("run", LAPTOP, RING, "--output", path), ("check", LAPTOP), ("show", LAPTOP), ("--help",), ("--version",)):
        with open("/dev/full", "w") as full:
            done = subprocess.run([emulator.colossim, *map(str, words)], stdout=full, stderr=subprocess.PIPE, text=True)
        claim(done.returncode == 3 and "No space left" in done.stderr, f"{words}: {done.returncode} {done.stderr}")
    claim(attribute(path, "status") == "complete", "the trace is whole")


def deep(emulator):
    """The path of a trace may be as long as the system allows a name to be, below a folder as deep as one likes."""
    for words, ranks in ((("n" * 240 + ".h5",), 0), (("d" * 200,) * 2 + ("a.h5",), 0), (("d" * 200,) * 2 + ("b.h5",), 2)):
        path = emulator.folder.joinpath(*words)
        path.parent.mkdir(parents=True, exist_ok=True)
        done = emulator.run(LAPTOP, RING, ranks=ranks, path=path)
        claim(done.returncode == 0 and own_words(done) == [], f"{len(str(path))} bytes, {ranks} ranks: {done.returncode} {done.stderr}")
        done = emulator.run(LAPTOP, RING, ranks=ranks, path=words[-1], folder=path.parent)
        claim(done.returncode == 0 and own_words(done) == [], f"in a deep folder, {ranks} ranks: {done.returncode} {done.stderr}")


def closed(emulator):
    """Streams that the caller has closed are nobody else's: a table that cannot be written is told, a trace is whole."""
    for closing, code in (("<&-", 0), (">&-", 3), ("2>&-", 0), ("<&- >&-", 3), ("<&- >&- 2>&-", 3)):
        path = emulator.folder / "closed.h5"
        command = ["sh", "-c", f'exec "$@" {closing}', "sh", emulator.colossim, "run", LAPTOP, RING, "--output", path]
        done = subprocess.run(list(map(str, command)), capture_output=True, timeout=60, cwd=emulator.folder)
        claim(done.returncode == code, f"{closing}: exit code {code}, got {done.returncode} {done.stderr}")
        claim(attribute(path, "status") == "complete", f"{closing}: the trace is whole")


def stopped_by(emulator, number, ranks):
    path = emulator.folder / f"stopped{number}-{ranks}.h5"
    process = start_endless(emulator, path, ranks)
    process.send_signal(number)
    stdout, stderr = process.communicate(timeout=60)
    what = f"{signal.Signals(number).name} on {ranks} ranks"
    # mpiexec has an exit code of its own for what it was sent.
    claim(process.returncode == 4 or (ranks and process.returncode != 0), f"{what}: exit code {process.returncode}")
    claim(len(re.findall(r"stopped on request (after|in) step", stderr)) == 1, f"{what}: {stderr[-1500:]}")
    claim("ddp-small on laptop-16" in stdout, f"{what}: the table: {stdout[-500:]}")
    with h5py.File(path) as file:
        claim(file.attrs["status"] == "stopped" and file["committed_steps"][()] == len(file["steps/step"]) > 0,
              f"{what}: every step is there")


def signals(emulator):
    for number in (signal.SIGINT, signal.SIGTERM):
        for ranks in (0, 2):
            stopped_by(emulator, number, ranks)
    # The second one does not wait: not even for a step that never ends.
    for first, second in ((signal.SIGTERM, signal.SIGTERM), (signal.SIGINT, signal.SIGTERM)):
        process = start_endless(emulator, emulator.folder / "twice.h5")
        os.kill(process.pid, signal.SIGSTOP)
        process.send_signal(first)
        process.send_signal(second)
        os.kill(process.pid, signal.SIGCONT)
        stdout, _ = process.communicate(timeout=10)
        claim(process.returncode in (4, -second), f"{first}, {second}: {process.returncode}")
    # A step under way is left, before mpiexec kills its ranks: who has no name yet leaves nothing behind.
    here = emulator.folder / "slow"
    here.mkdir()
    for ranks, job, *options in ((0, JOBS / "traffic-permutation.yaml"), (2, DDP, *LONG_STEP)):
        slow = emulator.start("run", TOPOLOGIES / "meta-24k-roce.yaml", job, "--output", here / "slow.h5", *options,
                              ranks=ranks)
        while not left(here) and slow.poll() is None:
            time.sleep(0.02)
        time.sleep(0.3)
        slow.send_signal(signal.SIGTERM)
        stdout, stderr = slow.communicate(timeout=10)
        what = f"in the middle of a step of {job.stem} on {ranks} ranks"
        claim(slow.returncode == 4 or ranks, f"{what}: {slow.returncode}")
        claim(stderr.count("stopped on request in step 0") == 1 and not stdout, f"{what}: {stdout} {stderr[-1500:]}")
        claim(left(here) == [], f"{what}: {left(here)}")
    # A stop that comes before the first step has ended leaves no file, or one with that step.
    process = emulator.start("run", LAPTOP, DDP, *ENDLESS, "--output", emulator.folder / "early.h5", ranks=0)
    time.sleep(0.05)
    process.send_signal(signal.SIGTERM)
    process.communicate(timeout=60)
    early = emulator.folder / "early.h5"
    claim(not early.exists() or attribute(early, "status") == "stopped", "an early stop")


def agreed(emulator):
    """One rank that was told something else: all end, at once, with the reason."""
    path = emulator.folder / "agreed.h5"
    other = emulator.folder / "colossim"  # another build: the same program with a byte more
    other.write_bytes(pathlib.Path(emulator.colossim).read_bytes() + b"\0")
    other.chmod(0o755)
    same = (emulator.colossim, "run", LAPTOP, DDP, "--progress", "none", "--output", path)
    for words, *different in (
            ("command line", *same, "--seed", 2), ("command line", *same[:-1], "none"),
            ("command line", *same[:-1], emulator.folder / "other.h5"), ("command line", *same, "--every-step"),
            ("command line", *same[:-2]), ("command line", *same, "--unknown"),
            ("command line", emulator.colossim, "run", LAPTOP, RING, *same[4:]),
            ("command line", emulator.colossim, "check", LAPTOP, DDP), ("command line", emulator.colossim, "--version"), ("program", other, *same[1:])):
        for first, second in ((same, different), (different, same)):
            command = [emulator.mpiexec, "-n", 1, *first, ":", "-n", 2, *second]
            done = subprocess.run(list(map(str, command)), capture_output=True, text=True, timeout=60,
                                  env=emulator.environment, cwd=emulator.folder)
            said = [line for line in own_words(done) if f"has another {words} than rank 0" in line]
            claim(done.returncode == 2 and len(said) == 1, f"{different}: {done.returncode}: {done.stderr}")
            claim(left(emulator.folder) == ["colossim"], f"{different}: nothing is written: {left(emulator.folder)}")


run_case(refused, replaced, locked, removed, named, table, deep, closed, signals, agreed)
