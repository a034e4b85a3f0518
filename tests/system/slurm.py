#!/usr/bin/python3
"""slurm.py MPIEXEC COLOSSIM {srun|batch|array}: under a SLURM of one node that the test starts for itself, as the user it runs as.

Needs slurm-wlm, which scripts/test --all installs; nothing of a SLURM that is there already is touched.
"""

import getpass
import json
import os
import signal
import socket
import subprocess
import time

from emulator import JOBS, ROOT, TOPOLOGIES, attribute, claim, differences, run_case

LAPTOP, DDP = TOPOLOGIES / "laptop-16.yaml", JOBS / "ddp-small.yaml"
BATCH = ROOT / "scripts/cluster/slurm.sbatch"
CONFIGURATION = """
ClusterName=test
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort={ports[0]}
SlurmdPort={ports[1]}
FirstJobId={first}
AuthType=auth/none
CredType=cred/none
MpiDefault=pmix
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
SlurmUser={user}
SlurmdUser={user}
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd.pid
SlurmctldLogFile={folder}/slurmctld.log
SlurmdLogFile={folder}/slurmd.log
ReturnToService=2
AccountingStorageType=accounting_storage/none
NodeName={host} NodeAddr=127.0.0.1 CPUs={cores} State=UNKNOWN
PartitionName=all Nodes=ALL Default=YES MaxTime=INFINITE State=UP
"""


class Slurm:
    """A controller and a node, ended with the test."""

    def __init__(self, emulator):
        self.folder = emulator.folder / "slurm"
        for name in ("state", "spool"):
            (self.folder / name).mkdir(parents=True)
        sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(2)]
        ports = [each.getsockname()[1] for each in sockets]
        for each in sockets:
            each.close()
        path = self.folder / "slurm.conf"
        path.write_text(CONFIGURATION.format(host=socket.gethostname().partition(".")[0], ports=ports, folder=self.folder,
                                             user=getpass.getuser(), cores=os.cpu_count(), first=os.getpid() % 50000 + 1))
        # Folders of PMIx are named by jobs and stay behind those that were killed: each test has numbers of its own.
        # What the tests say to Open MPI is not what a cluster says.
        self.environment = {key: value for key, value in emulator.environment.items() if not key.startswith("OMPI_MCA")}
        self.environment |= {"SLURM_CONF": str(path), "COLOSSIM_PROGRAM": str(emulator.colossim)}
        self.daemons = []

    def __enter__(self):
        for daemon in ("slurmctld", "slurmd"):
            with open(self.folder / f"{daemon}.out", "w") as out:
                self.daemons.append(subprocess.Popen([daemon, "-D"], env=self.environment, stdout=out, stderr=out,
                                                     start_new_session=True))
            time.sleep(1)
        self.wait(lambda: "idle" in self.call("sinfo", "-h", code=None).stdout, "a node is idle")
        return self

    def __exit__(self, *_):
        self.call("scancel", "--full", "--signal=KILL", "-u", getpass.getuser(), code=None)
        for daemon in reversed(self.daemons):
            os.killpg(daemon.pid, signal.SIGTERM)
            try:
                daemon.wait(20)
            except subprocess.TimeoutExpired:
                os.killpg(daemon.pid, signal.SIGKILL)

    def call(self, *words, code=0):
        done = subprocess.run(list(map(str, words)), env=self.environment, cwd=self.folder.parent, capture_output=True, text=True,
                              timeout=300)
        claim(code is None or done.returncode == code, f"{words} ends with {code}: {done.returncode} {done.stdout}{done.stderr}")
        return done

    def wait(self, holds, what, seconds=120):
        for _ in range(seconds * 5):
            if holds():
                return
            time.sleep(0.2)
        logs = "".join(f"{path.name}: {path.read_text()[-800:]}\n" for path in (*self.folder.glob("*.log"), *self.folder.parent.glob("*.out")))
        claim(False, f"after {seconds} s: {what}\n{self.call('squeue', code=None).stdout}{logs}")

    def submit(self, *words):
        return self.call("sbatch", "--parsable", *words).stdout.strip()

    def ended(self, number):
        """The state and exit code of a job, once it has ended."""
        def state():
            said = self.call("scontrol", "show", "job", number).stdout
            return dict(word.split("=", 1) for word in said.split() if "=" in word)
        self.wait(lambda: state()["JobState"] not in ("PENDING", "CONFIGURING", "RUNNING", "COMPLETING"), f"job {number} has ended")
        return state()["JobState"], state()["ExitCode"]


def srun(emulator):
    """Laws: the trace of srun's tasks is that of the program alone; one task speaks where no MPI is needed; wrong input ends
    with 2, said once."""
    ours = emulator.trace(LAPTOP, DDP, "--steps", 2, name="ours")
    with Slurm(emulator) as slurm:
        for n in range(1, min(os.cpu_count(), 3) + 1):
            theirs = emulator.folder / f"srun-{n}.h5"
            slurm.call("srun", "-n", n, "--mpi=pmix", emulator.colossim, "run", LAPTOP, DDP, "--steps", 2, "--output", theirs, "--quiet")
            claim(not differences(ours, theirs), f"{n} tasks: {differences(ours, theirs)}")
            claim(attribute(theirs, "mpi_ranks", "run") == n, f"{n} tasks are as many ranks")
            checked = slurm.call("srun", "-n", n, "--mpi=pmix", emulator.colossim, "check", LAPTOP).stdout
            claim(checked.count(": good") == 1, f"one of {n} tasks speaks: {checked}")
            wrong = slurm.call("srun", "-n", n, "--mpi=pmix", emulator.colossim, "run", LAPTOP, "nothing", code=2).stderr
            claim(wrong.count("nothing: error: cannot be read") == 1, f"one of {n} tasks says what is wrong: {wrong}")


def batch(emulator):
    """Laws: a job near the end of its time keeps its steps and ends with 4; going on, in a job as well, gives the whole trace."""
    job = ("superpod-h100-1su", "ddp-small", "--steps", 96, "--every-step", "--set", "noise=on")
    whole = emulator.trace(TOPOLOGIES / f"{job[0]}.yaml", JOBS / f"{job[1]}.yaml", *job[2:], name="whole")
    cut = emulator.folder / "cut.h5"
    with Slurm(emulator) as slurm:
        number = slurm.submit("-n", 1, BATCH, *job, "--output", cut)
        log = emulator.folder / f"slurm-{number}.out"
        slurm.wait(lambda: log.exists() and "step " in log.read_text(), "a step is played")
        slurm.call("scancel", "--batch", "--signal=USR1", number)
        claim(slurm.ended(number) == ("FAILED", "4:0"), f"stopped: {slurm.ended(number)} {log.read_text()[-800:]}")
        claim(attribute(cut, "status") == "stopped", "the file says stopped")
        number = slurm.submit("-n", min(2, os.cpu_count()), BATCH, "--resume", cut)
        claim(slurm.ended(number) == ("COMPLETED", "0:0"), f"gone on: {(emulator.folder / f'slurm-{number}.out').read_text()[-800:]}")
        log = emulator.folder / f"slurm-{number}.out"
        claim(attribute(cut, "status") == "complete", f"the file says {attribute(cut, 'status')}: {log.read_text()[-800:]}")
        claim(not differences(whole, cut), f"the whole run: {differences(whole, cut)[:20]}")


def array(emulator):
    """Law: tasks of a sweep's array make the tables that the sweep makes here."""
    grid = ("laptop-16", "ddp-small", "--set", "seed=1,2", "--set", "parallel.dp=16,8", "--steps", 1, "--program", emulator.colossim)
    sweep = ROOT / "scripts/sweep"
    with Slurm(emulator) as slurm:
        slurm.call(sweep, *grid, "--output", emulator.folder / "here")
        slurm.call(sweep, *grid, "--output", emulator.folder / "there", "--submit", "--launch", "srun --mpi=pmix")
        slurm.wait(lambda: not slurm.call("squeue", "-h").stdout, "all tasks have ended")
        tables = [(emulator.folder / name / "sweep.csv").read_text() for name in ("here", "there")]
        kept = [len(json.loads((emulator.folder / name / "sweep.json").read_text())["cases"]) for name in ("here", "there")]
        claim(kept == [4, 4], f"four cases: {kept}")
        plain = [[line.split(",")[:6] for line in table.splitlines()] for table in tables]
        claim(len(plain[0]) == 5 and plain[0] == plain[1], f"the same tables:\n{tables[0]}\n{tables[1]}")


run_case(srun, batch, array)
