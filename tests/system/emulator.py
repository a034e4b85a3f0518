"""What the scripts of this folder share: running the program under mpiexec, and judging what it left.

Every script is started as SCRIPT MPIEXEC COLOSSIM ...; a claim that does not hold ends it with exit code 1.
"""

import os
import pathlib
import re
import signal
import subprocess
import sys
import tempfile

import h5py
import numpy as np

ROOT = pathlib.Path(__file__).resolve().parents[2]
TOPOLOGIES, JOBS = ROOT / "topologies", ROOT / "jobs"
RANKS = (1, 2, 3, 4, 7)
PS_PER_S = 10**12


def claim(truth, text):
    if not truth:
        sys.exit(f"FAILED: {text}")


class Emulator:
    """The program, and the folder its traces go to."""

    def __init__(self, mpiexec, colossim, folder):
        self.mpiexec, self.colossim, self.folder = mpiexec, colossim, pathlib.Path(folder)
        # Inputs in temporary folders find the shipped catalogues.
        self.environment = {**os.environ, "COLOSSIM_SHARE": str(ROOT)}

    def call(self, *arguments, ranks=0, timeout=900, folder=None, launch=(), stdin=None):
        """Any command line; ranks 0: without mpiexec, as on first contact. A run that hangs is a failure."""
        process = self.start(*arguments, ranks=ranks, folder=folder, launch=launch, stdin=stdin)
        try:
            stdout, stderr = process.communicate(timeout=timeout)
        except subprocess.TimeoutExpired:
            stdout, stderr = kill_all(process)
            sys.exit(f"FAILED: still not done after {timeout} s: {' '.join(map(str, arguments))} on {ranks} ranks\n"
                     f"{stdout[-1500:]}{stderr[-1500:]}")
        return subprocess.CompletedProcess(process.args, process.returncode, stdout, stderr)

    def run(self, topology, job, *options, ranks=1, path="none", folder=None, **settings):
        """`colossim run`; settings in Python spelling: engine__kind="closed" is --set engine.kind=closed."""
        command = ["run", topology, job, "--progress", "none", "--output", path, *options]
        for key, value in settings.items():
            command += ["--set", f"{key.replace('__', '.')}={value}"]
        return self.call(*command, ranks=ranks, folder=folder)

    def trace(self, topology, job, *options, ranks=1, name="run", **settings):
        """Run that must end well; returns the path of its trace."""
        path = self.folder / f"{name}.h5"
        done = self.run(topology, job, *options, ranks=ranks, path=path, **settings)
        claim(done.returncode == 0, f"{job} on {topology} with {ranks} ranks ends with 0, got {done.returncode}:"
                                    f"\n{done.stdout}{done.stderr}")
        return path

    def start(self, *arguments, ranks=2, folder=None, launch=(), stdin=None):
        """Start in a session of its own, so that its ranks can be found; `stdin` is a file that it reads."""
        mpiexec = [self.mpiexec, "-n", str(ranks)] if ranks else []
        if arguments[:1] == ("run",) and "--progress" not in arguments:
            arguments = ("run", "--progress", "lines", *arguments[1:])  # here nothing is a terminal
        return subprocess.Popen([*mpiexec, *launch, self.colossim, *map(str, arguments)], stdout=subprocess.PIPE,
                                stderr=subprocess.PIPE, text=True, start_new_session=True,
                                cwd=folder or self.folder, env=self.environment, stdin=open(stdin) if stdin else None)


def run_case(*cases):
    """SCRIPT MPIEXEC COLOSSIM CASE [FOLDER]: the function of that name, with an emulator whose traces go to FOLDER, or to
    one that is removed."""
    mpiexec, colossim, name, *given = sys.argv[1:]
    with tempfile.TemporaryDirectory() as folder:
        {case.__name__: case for case in cases}[name](Emulator(mpiexec, colossim, given[0] if given else folder))
    print(f"{name}: holds")


def said(text):
    """Table of a run without what may differ: the path of the trace."""
    return "\n".join(line for line in text.splitlines() if not line.strip().startswith("trace:"))


def own_words(done):
    """Lines of stderr that the program wrote: without those of mpiexec and MPI_Abort, and without progress."""
    lines = done.stderr.splitlines()
    noise = re.compile(r"^-{10,}|^Primary job|^mpiexec|^mpirun|^Per user-direction|^a non-zero|^with non-zero|^\s*$|"
                       r"^\s+(Process name|Exit code):|^One or more|process that caused|^to be terminated|"
                       r"^job to be|^MPI_ABORT was|^with errorcode|^NOTE: invoking|^You may or may not|^exactly when|"
                       r"^the job to be terminated|^\[warn\] Epoll|ORTE_ERROR_LOG|^step \d+/\d+|^  \.\.\.  ")
    return [line for line in lines if not noise.search(line)]


def objects(path):
    """Names and shapes of everything outside /run, and the attributes each has."""
    found = {}
    with h5py.File(path) as file:
        def note(name, item):
            if name != "run" and not name.startswith("run/"):
                found[name] = (getattr(item, "shape", None), tuple(sorted(item.attrs)))
        file.visititems(note)
        found["/"] = (None, tuple(sorted(file.attrs)))
    return found


def differences(a, b):
    """What h5diff finds outside /run; h5diff itself passes over objects that only one file has."""
    done = subprocess.run(["h5diff", "-c", "--exclude-path", "/run", str(a), str(b)], capture_output=True, text=True)
    # Two empty tables (no intervals in the closed engine) are called "not comparable"; their shapes are compared below.
    lines = (done.stdout + done.stderr).strip().splitlines()
    # What points to a dataset of another length (DIMENSION_LIST, REFERENCE_LIST) is no news.
    report = [line for line in lines if not line.endswith("is an empty dataset") and "_LIST of <" not in line]
    if done.returncode != 0 and not report:
        report = [f"h5diff: exit code {done.returncode}", *lines[:3]]
    left, right = objects(a), objects(b)
    return report + [f"{name}: {left.get(name)} against {right.get(name)}"
                     for name in sorted(left.keys() | right.keys()) if left.get(name) != right.get(name)]


EVENT_BY_EVENT, AS_ISLANDS, EVERY_STEP = "--player=event", "--player=island", "--every-step"


def same_on_any_ranks(emulator, topology, job, ranks, *options, once_more=(), **settings):
    """Claim one outcome (trace, table, exit code and words) on all rank counts; returns the exit code.

    once_more: (ranks, option...), on which the job is played again, with options that change no result.
    The traces are left in EMULATOR.FOLDER/nRANKS[-OPTION...]/run.h5."""
    first = reference = None
    for n, *more in [(n,) for n in ranks] + list(once_more):
        folder = emulator.folder / "-".join([f"n{n}", *(word.strip("-") for word in more)])
        folder.mkdir(exist_ok=True)
        path = folder / "run.h5"
        path.unlink(missing_ok=True)
        done = emulator.run(topology, job, *options, *more, ranks=n, path="run.h5", folder=folder, **settings)
        where = (f"{job} on {topology} {' '.join(map(str, options))} {settings or ''}, "
                 f"{ranks[0]} and {n} ranks {' '.join(more)}")
        first, reference = first or done, reference or path
        claim(done.returncode in (0, 1, 2) and "CHECK" not in done.stderr,
              f"{where}: it ends, or says why it cannot: {done.returncode}\n{done.stderr[-3000:]}")
        claim(done.returncode == first.returncode, f"{where}: exit codes {first.returncode} and {done.returncode}:\n"
                                                   f"{done.stdout[-1500:]}{done.stderr[-1500:]}")
        if done.returncode != 0:
            claim(own_words(done) == own_words(first) != [],
                  f"{where}: messages differ:\n{own_words(first)}\n{own_words(done)}")
        elif path != reference:
            claim(said(done.stdout) == said(first.stdout), f"{where}: tables differ:\n{first.stdout}\n{done.stdout}")
            found = differences(reference, path)
            claim(not found, f"{where}: traces differ:\n" + "\n".join(found[:30]))
    return first.returncode


def column(path, name):
    with h5py.File(path) as file:
        return file[name][()]


def attribute(path, name, group="/"):
    with h5py.File(path) as file:
        return file[group].attrs[name]


def counted(emulator, ranks, name):
    """What /run counts of a run of same_on_any_ranks: `islands` played apart, `steps_repeated`."""
    return int(attribute(emulator.folder / f"n{ranks}" / "run.h5", name, "run"))


def tiers(path):
    """Names of the tiers, scale-up first."""
    with h5py.File(path) as file:
        return [name.decode() if isinstance(name, bytes) else str(name) for name in file["links/tier"][()]]


def close(value, expected, relative):
    return bool(np.all(np.abs(np.asarray(value, float) - expected) <= relative * np.abs(expected)))


def ranks_of(process):
    """Processes of the session that mpiexec leads, mpiexec itself left out."""
    members = []
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        except (OSError, IndexError):
            continue
        if int(fields[3]) == process.pid and int(pid) != process.pid and fields[0] != "Z":
            members.append(int(pid))
    return members


def first_line(process):
    """The first line of its standard error, and no byte more: what a reader holds ready is lost to communicate()."""
    line = b""
    while not line.endswith(b"\n") and (byte := os.read(process.stderr.fileno(), 1)):
        line += byte
    return line.decode()


def kill_all(process):
    """SIGKILL to mpiexec and all ranks at once; what they had printed."""
    for pid in [*ranks_of(process), process.pid] if process.poll() is None else []:
        try:
            os.kill(pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
    return process.communicate(timeout=30)
