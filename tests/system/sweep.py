#!/usr/bin/python3
"""sweep.py MPIEXEC COLOSSIM CASE: scripts/sweep plays a grid of settings and joins what came out.

Laws: a case is the single run with the same settings, to the bit; the tables say what the traces say; a case runs again
if and only if its trace is not what a run would make now; nothing runs before the whole grid is right; one case that
fails, or a sweep that is stopped or killed, takes nothing from the others; task N of the SLURM script is case N.
"""

import csv
import os
import pathlib
import shutil
import signal
import subprocess
import time

import h5py
import numpy as np

from emulator import JOBS, PS_PER_S, ROOT, TOPOLOGIES, Emulator, attribute, claim, column, differences, run_case, tiers

LAPTOP, DDP, SHIFT = (str(path) for path in (TOPOLOGIES / "laptop-16.yaml", JOBS / "ddp-small.yaml",
                                             JOBS / "traffic-shift.yaml"))
SUPERPOD = str(TOPOLOGIES / "superpod-h100-1su.yaml")
SETTINGS = ("--set", "network.queue_pairs=1,4", "--set", "noise=on")  # noise: two seeds are two results
NAME = "laptop-16--ddp-small--noise=on--queue_pairs={}--seed={}--steps=1"


class Sweep:
    """The script, with the program and the launcher under test."""

    def __init__(self, emulator, name="sweep"):
        self.emulator, self.folder = emulator, emulator.folder / name
        self.fixed = ["--program", emulator.colossim, "--launch", f"{emulator.mpiexec} -n 1", "--output", self.folder]

    def start(self, *words, **environment):
        return subprocess.Popen([str(ROOT / "scripts/sweep"), *map(str, words)], stdout=subprocess.PIPE,
                                stderr=subprocess.PIPE, text=True, cwd=self.emulator.folder,
                                env={**self.emulator.environment, **environment})

    def end(self, process, code):
        stdout, stderr = process.communicate(timeout=120)
        claim(process.returncode == code and "Traceback" not in stderr,
              f"exit code {code}, got {process.returncode}: {process.args}\n{stdout}{stderr}")
        return stdout, stderr

    def play(self, *words, code=0, **environment):
        return self.end(self.start(*words, *self.fixed, **environment), code)

    def join(self, code):
        return self.end(self.start("--join", self.folder), code)[0]

    def rows(self, table="sweep.csv"):
        with open(self.folder / table, newline="", encoding="utf-8") as file:
            return list(csv.DictReader(file))

    def traces(self):
        """{name of the case: what tells one file from a later one}."""
        return {path.stem: path.stat().st_mtime_ns for path in self.folder.glob("*.h5")}

    def again(self, expected, *words, code=0):
        """Sweep once more: the cases `expected`, and no others, get a new trace."""
        before = self.traces()
        _, stderr = self.play(*words, code=code)
        changed = {name for name, made in self.traces().items() if before.get(name) != made}
        claim(changed == set(expected), f"{sorted(expected)} run, not {sorted(changed)}: {stderr}")
        return stderr


def same(row, name, value):
    claim(row[name] != "" and float(row[name]) == value, f"{row['case']}: {name} is {value}, not '{row[name]}'")


def check_step(row, path):
    """A row of sweep-steps.csv against the trace."""
    s = int(row["step"])
    same(row, "step_s", column(path, "steps/duration_ps")[s] / PS_PER_S)
    highest = np.nan_to_num(column(path, "links/utilisation_max")[s])
    same(row, "scale_up_utilisation", highest[0].max())
    same(row, "fabric_utilisation", highest[1:].max())
    tier, direction = row["fabric_busiest"].split()
    claim(highest[tiers(path).index(tier), ("up", "down").index(direction)] == highest[1:].max(), f"where it is: {row}")
    same(row, "link_delay_s", column(path, "links/delay_ps")[s].sum() / PS_PER_S)
    claim(int(row["fingerprint"], 16) == column(path, "steps/fingerprint")[s], f"fingerprint: {row}")
    if "ddp-small" in row["job"]:
        likely = ("likely_least_s", "likely_most_s")
        parts = [name for name in row if name.endswith("_s") and name not in ("step_s", "gpu_step_s", "link_delay_s", *likely)]
        claim(len(parts) == 11 and row["goodput_Bps"] == "", f"all parts: {parts}")
        for name in [*parts, *likely]:
            same(row, name, column(path, f"steps/{name[:-2]}_ps")[s] / PS_PER_S)
        whole = sum(float(row[name]) for name in parts)
        claim(abs(whole - float(row["gpu_step_s"])) < 1e-9, f"parts sum to the step: {row}")
        for name in ("mfu_full", "mfu_causal", "tokens_per_s_gpu"):
            same(row, name, column(path, f"steps/{name}")[s])
    else:
        mine = column(path, "flows/step") == s
        seconds = (column(path, "flows/end_ps") - column(path, "flows/start_ps"))[mine] / PS_PER_S
        rates = column(path, "flows/bytes")[mine] / seconds
        same(row, "goodput_Bps", rates.mean())
        same(row, "goodput_least_Bps", rates.min())
        claim(row["mfu_full"] == "", f"traffic has no MFU: {row}")


def check_case(row, steps, path):
    """A row of sweep.csv against its steps and the trace."""
    claim(row["state"] == "complete", f"it is there: {row}")
    claim(int(row["committed_steps"]) == len(steps) == column(path, "committed_steps"), f"its steps: {row}")
    for name in ("step_s", "mfu_full", "compute_s", "goodput_Bps"):
        values = [float(step[name]) for step in steps if step[name]]
        if values:
            same(row, name, sum(values) / len(values))
    for name, together in (("fabric_utilisation", max), ("goodput_least_Bps", min), ("link_delay_s", sum)):
        values = [float(step[name]) for step in steps if step[name]]
        if values:
            same(row, name, together(values))
    fingerprint = sum(int(step["fingerprint"], 16) for step in steps) % 2**64
    claim(int(row["fingerprint"], 16) == fingerprint, f"fingerprint: {row}")
    with h5py.File(path) as file:
        same(row, "wall_s", file["run"].attrs["wall_s"])
        same(row, "cpu_s_rank0", file["run"].attrs["cpu_s_rank0"])


def tables(emulator):
    """Two jobs, two settings, two seeds: every row is its trace, every trace is that of a single run."""
    sweep = Sweep(emulator)
    stdout, _ = sweep.play(LAPTOP, DDP, "--set", "network.queue_pairs=1", "--job", SHIFT, "--set",
                           "network.queue_pairs=4", "--set", "steps=2", "--seeds", "1-2", "--at-once", 2)
    rows, steps = sweep.rows(), sweep.rows("sweep-steps.csv")
    claim(len(rows) == 8 and len(steps) == 16, f"a row a case, a row a step: {len(rows)}, {len(steps)}")
    claim("8 of 8 cases are complete" in stdout and stdout.count("2 of 2") == 4, f"seeds share a line: {stdout}")
    for number, row in enumerate(rows):
        path = sweep.folder / f"{row['case']}.h5"
        mine = [step for step in steps if step["case"] == row["case"]]
        for step in mine:
            check_step(step, path)
        check_case(row, mine, path)
        claim(int(row["number"]) == number, f"cases in order: {row}")
        settings = [f"{key}={row[key]}" for key in ("network.queue_pairs", "steps", "seed")]
        options = [f"--set={setting}" for setting in settings]
        single = emulator.trace(row["topology"], row["job"], *options, name="single")
        found = differences(single, path)
        claim(not found, f"{row['case']} is the single run: {found[:10]}")
    expected = [(job, pairs, seed) for job in (DDP, SHIFT) for pairs in "14" for seed in "12"]
    grid = [(row["job"], row["network.queue_pairs"], row["seed"]) for row in rows]
    claim(grid == expected, f"the whole grid: {grid}")


def resume(emulator):
    """What is finished stays; what is not what a run would make, and nothing else, runs again."""
    built, job = emulator.folder / "colossim", emulator.folder / "ddp-small.yaml"
    shutil.copy(DDP, job)
    shutil.copy2(emulator.colossim, built)
    sweep = Sweep(Emulator(emulator.mpiexec, str(built), emulator.folder))
    grid = (LAPTOP, job, *SETTINGS, "--steps", 1, "--seeds")
    four = [NAME.format(pairs, seed) for pairs in (1, 4) for seed in (1, 2)]
    sweep.again(four, *grid, "1-2")
    fingerprints = {row["fingerprint"] for row in sweep.rows()}
    claim(len(fingerprints) == 2, f"each seed has a result of its own: {fingerprints}")
    sweep.again([], *grid, "1-2")
    sweep.again([NAME.format(1, 3), NAME.format(4, 3)], *grid, "1-3")
    first, second, third, fourth = (sweep.folder / f"{case}.h5" for case in four)
    first.unlink()
    with h5py.File(second, "r+") as file:
        file.attrs["status"] = "running"
    with h5py.File(third, "r+") as file:
        file.attrs["git_commit"] = "another"
    os.truncate(fourth, 5000)
    sweep.again(four, *grid, "1-2")
    shutil.copy(first, second)  # the trace of other settings under this name
    stdout = sweep.join(1)
    claim("3 of 4" in stdout and f"{second} holds other settings" in stdout, f"it is not taken for the case: {stdout}")
    sweep.again([four[1]], *grid, "1-2")
    sweep.again(four, *grid, "1-2", "--again")
    job.write_text(job.read_text() + "# a word more\n")
    sweep.again([], *grid, "1-2", "--dry-run")
    sweep.again(four, *grid, "1-2")
    sweep.again([], *grid, "1-2")
    os.utime(built, (time.time() + 60, time.time() + 60))
    sweep.again(four, *grid, "1-2")


def refused(emulator):
    """A wrong grid is refused as a whole, in the program's words, before anything is written."""
    sweep = Sweep(emulator)
    for words, message in ((("--set", "fabric.routing=ecmp,spray,sprayx"), "did you mean 'spray'?"),
                           (("--set", "network.queue_pairs=4,400"), "queue_pairs must be at most 64, got '400'"),
                           (("--set", "fabric.ruoting=ecmp"), "unknown key 'ruoting'"),
                           (("--set", "seed=1", "--seeds", "1-2"), "seed has the value 1 twice"),
                           (("--set", "steps"), "--set wants KEY=VALUE"),
                           (("--set", "steps=1,,2"), "steps has an empty value"),
                           (("--seeds", "3-1"), "--seeds wants"), (("--ranks", "0"), "wants a number from 1"),
                           (("--set", "training.recompute=[core_attn],[core attn]"), "recompute"),
                           (("--job", emulator.folder / "none.yaml"), "none.yaml: error: cannot be read"),
                           (("--pbs", "--submit"), "--pbs writes a script for qsub"),
                           (("--case", "x"), "sweep.json is not there"),
                           (("--join", emulator.folder), "sweep.json is not there")):
        stdout, stderr = sweep.play(LAPTOP, DDP, *words, code=2)
        claim(message in stderr and stdout == "", f"{words}: '{message}' is said: {stdout}{stderr}")
    _, stderr = sweep.play(DDP, LAPTOP, code=2)
    claim("kind wants 'topology' here, got 'training'" in stderr, f"files in the wrong order: {stderr}")
    _, stderr = sweep.play(LAPTOP, DDP, "--set", "parallel.tp=3,16", code=2)
    claim("tp = 3 does not divide" in stderr and "tp = 16" in stderr, f"none can run: {stderr}")
    claim(not sweep.folder.exists(), "nothing is written")


def skipped(emulator):
    """What cannot run is left out and listed with its reason; a mistake beside it still refuses all."""
    sweep = Sweep(emulator)
    grid = (LAPTOP, DDP, "--set", "parallel.tp=1,3", "--set", "parallel.layers=[24],[12,11]", "--set", "steps=1", "--at-once", 1)
    stdout, stderr = sweep.play(*grid)
    rows = sweep.rows()
    claim([row["state"] for row in rows] == ["complete"] + ["impossible"] * 3, f"one can: {rows}")
    claim("tp = 3 does not divide" in rows[2]["reason"] and "layers" in rows[1]["reason"], f"each says why: {rows}")
    claim("1 of 1 cases are complete" in stdout and "4 cases: 3 cannot run, 0 are finished, 1 to run" in stderr
          and "2 cannot run: tp = 3 does not divide" in stdout and rows[3]["case"] in stdout, f"so does the table: {stdout}{stderr}")
    claim(len(sweep.traces()) == 1 and sweep.join(0) == stdout, "the same from the folder alone")
    sweep.again([], *grid)
    _, stderr = sweep.play(*grid, "--set", "parallel.pq=2", code=2)
    claim("unknown key 'pq' in parallel; did you mean 'pp'?" in stderr and "tp = 3" not in stderr, f"a mistake: {stderr}")


def failing(emulator):
    """All uplinks of a leaf are dead in one case: the run fails, the table says so, the others are complete. Commas within
    brackets separate no values, and a value can be given with a --set of its own."""
    sweep = Sweep(emulator)
    grid = (LAPTOP, SHIFT, "--set", "fabric.wiring=plain",
            "--set", "fabric.faults=[],[{tier: 2, lower: 0, port: 0}, {tier: 2, lower: 0, port: 1}]",
            "--set", "fabric.faults=[{tier: 2, lower: 0, port: 1}]", "--at-once", 1)
    stdout, stderr = sweep.play(*grid, code=1)
    rows = sweep.rows()
    claim([row["state"] for row in rows] == ["complete", "failed", "complete"], f"states: {rows}")
    claim("no live path from GPU" in rows[1]["reason"] and rows[1]["reason"] in stdout, f"it says why: {rows[1]}")
    claim("2 of 3 cases are complete" in stdout and "FAILED, exit code 1" in stderr, f"it says so: {stdout}{stderr}")
    claim(rows[1]["step_s"] == "", f"no results: {rows[1]}")
    claim(sweep.join(1) == stdout, "the same table from the folder alone")
    logs = [(sweep.folder / f"{row['case']}.log").read_text() for row in rows]
    claim(logs[1].count("no live path from GPU") == 1, f"the log has the program's words: {logs[1]}")
    # A run that fails before its first step leaves no trace.
    claim("1 to run" in sweep.again([], *grid, code=1), "what failed is tried again")


def processes(folder):
    """Processes whose command line names the folder, sweeps left out."""
    found = []
    for path in pathlib.Path("/proc").glob("[0-9]*/cmdline"):
        try:
            words = path.read_bytes()
        except OSError:
            continue
        if str(folder).encode() in words and b"scripts/sweep" not in words and int(path.parent.name) != os.getpid():
            found.append(int(path.parent.name))
    return found


def wait_until(truth, text):
    deadline = time.monotonic() + 60
    while not truth():
        claim(time.monotonic() < deadline, f"not within a minute: {text}")
        time.sleep(0.05)


def stopped(emulator):
    """Signals end the running cases, leave no process behind, and what is complete is joined; a killed sweep's run goes
    on, and no other sweep writes its files meanwhile."""
    sweep = Sweep(emulator)
    grid = (LAPTOP, DDP, "--set", "steps=1,100000,2", "--set", "trace.intervals=2", "--at-once", 1)
    names = [f"laptop-16--ddp-small--intervals=2--steps={steps}" for steps in (1, 100000, 2)]
    log = sweep.folder / f"{names[1]}.log"

    def busy():
        return log.exists() and "step 1/" in log.read_text()

    for number in (signal.SIGINT, signal.SIGTERM):
        process = sweep.start(*grid, *sweep.fixed)
        wait_until(busy, "the long case runs")
        process.send_signal(number)
        stdout, _ = sweep.end(process, 128 + number)
        claim(processes(sweep.folder) == [], "no process is left")
        claim([row["state"] for row in sweep.rows()] == ["complete", "interrupted", "missing"], f"states: {stdout}")
        claim(log.read_text().endswith("sweep: interrupted\n"), f"the log says so: {log.read_text()[-500:]}")
        log.unlink()
    process = sweep.start(*grid, *sweep.fixed)
    wait_until(busy, "the long case runs again")
    process.kill()
    process.communicate(timeout=60)
    claim(len(processes(sweep.folder)) > 0, "its run goes on")
    stdout, stderr = sweep.play(*grid, code=1)
    claim("another sweep runs it" in stderr and f"running: {names[1]}" in stdout, f"left alone: {stdout}{stderr}")
    claim([row["state"] for row in sweep.rows()] == ["complete", "running", "complete"], f"the others end: {stdout}")
    for pid in processes(sweep.folder):
        try:
            os.kill(pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
    wait_until(lambda: not processes(sweep.folder), "the run is killed")
    claim(f"interrupted: {names[1]}" in sweep.join(1), "and free again")


def run_task(emulator, script, task, index="SLURM_ARRAY_TASK_ID"):
    done = subprocess.run([script], capture_output=True, text=True, env={**emulator.environment, index: str(task)})
    claim(done.returncode == 0, f"task {task}: {done.stdout}{done.stderr}")


def slurm(emulator):
    """The script is bash, task N is case N, finished cases get no task; submitting hands sbatch the array and a join
    that waits for it."""
    sweep = Sweep(emulator, "with space")
    grid = (LAPTOP, DDP, *SETTINGS, "--steps", 1, "--seeds", "1-2", "--slurm", "--at-once", 3, "--sbatch=--time=10")
    script = sweep.folder / "sweep.sbatch"
    names = [NAME.format(pairs, seed) for pairs in (1, 4) for seed in (1, 2)]
    sweep.play(*grid)
    claim(not sweep.traces() and subprocess.run(["bash", "-n", script]).returncode == 0, "bash reads it, nothing runs")
    options = [line for line in script.read_text().splitlines() if line.startswith("#SBATCH")]
    claim("#SBATCH --array=0-3%3" in options and "#SBATCH --time=10" in options, f"options: {options}")
    for task in (2, 0):
        before = set(sweep.traces())
        run_task(emulator, script, task)
        claim(set(sweep.traces()) - before == {names[task]}, f"task {task} is case {task}: {sorted(sweep.traces())}")
    sweep.join(1)
    claim([row["state"] for row in sweep.rows()] == ["complete", "missing"] * 2, f"half of it: {sweep.rows()}")
    made = sweep.traces()
    run_task(emulator, script, 2)
    claim(sweep.traces() == made, "a finished task is left as it is")
    fake = emulator.folder / "bin"
    fake.mkdir()
    (fake / "sbatch").write_text(f'#!/bin/sh\nprintf "%s\\n" "$*" >>"{fake}/said"\necho 4711\n')
    (fake / "sbatch").chmod(0o755)
    sweep.play(*grid, "--submit", PATH=f"{fake}:{os.environ['PATH']}")
    said = (fake / "said").read_text().splitlines()
    claim("#SBATCH --array=1,3%3" in script.read_text(), "only what is left")
    claim(len(said) == 2 and str(script) in said[0] and "--dependency=afterany:4711" in said[1] and "--join" in said[1],
          f"what sbatch got: {said}")
    for task in (1, 3):
        run_task(emulator, script, task)
    claim("4 of 4 cases are complete" in sweep.join(0), "joined")
    claim([row["case"] for row in sweep.rows()] == names, f"in order: {sweep.rows()}")


def pbs(emulator):
    """The same for PBS, whose arrays count what is left from 0, and have no single task. PBS itself is in no package of Debian."""
    sweep = Sweep(emulator)
    grid = (LAPTOP, DDP, *SETTINGS, "--steps", 1, "--seeds", "1-2", "--pbs", "--at-once", 3, "--qsub=-q short")
    script, index = sweep.folder / "sweep.pbs", "PBS_ARRAY_INDEX"
    names = [NAME.format(pairs, seed) for pairs in (1, 4) for seed in (1, 2)]
    directives = lambda: [line for line in script.read_text().splitlines() if line.startswith("#PBS")]
    sweep.play(*grid)
    claim("#PBS -J 0-3%3" in directives() and "#PBS -q short" in directives(), f"options: {directives()}")
    for task in (0, 2):
        run_task(emulator, script, task, index)
    claim(set(sweep.traces()) == {names[0], names[2]}, f"tasks 0 and 2: {sweep.traces()}")
    sweep.play(*grid)
    run_task(emulator, script, 0, index)
    claim("#PBS -J 0-1%3" in directives() and names[1] in sweep.traces(), f"of what is left: {directives()} {sweep.traces()}")
    sweep.play(*grid)
    done = subprocess.run([script], capture_output=True, text=True, env=emulator.environment)
    claim(done.returncode == 0 and not any("-J" in line for line in directives()), f"one is no array: {directives()} {done.stderr}")
    claim("4 of 4 cases are complete" in sweep.join(0), "joined")


def pbs_job(emulator):
    """Law: what scripts/cluster/pbs.sh plays, stopped as PBS ends a job, and goes on with, is what a run plays."""
    options = ("--steps", "48", "--every-step", "--set", "noise=on")  # long enough to be under way when it is stopped
    whole, cut = emulator.trace(SUPERPOD, DDP, *options, name="whole"), emulator.folder / "cut.h5"
    def submit(arguments):
        environment = {**emulator.environment, "PBS_O_WORKDIR": str(emulator.folder), "ARGUMENTS": arguments,
                       "COLOSSIM_PROGRAM": str(emulator.colossim)}
        return subprocess.Popen([ROOT / "scripts/cluster/pbs.sh"], env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                                text=True, start_new_session=True)
    job = submit(f"{SUPERPOD} {DDP} {' '.join(options)} --output cut.h5")
    while "step " not in (line := job.stdout.readline()):
        claim(line, "a step is played")
    os.killpg(job.pid, signal.SIGTERM)
    said, code = job.stdout.read(), job.wait(60)
    claim(code != 0 and attribute(cut, "status") == "stopped", f"stopped: {code} {attribute(cut, 'status')} {said}")
    job = submit("--resume cut.h5")
    said, code = job.stdout.read(), job.wait(60)
    claim(code == 0 and not differences(whole, cut), f"gone on: {code} {differences(whole, cut)[:10]} {said}")


run_case(tables, resume, refused, skipped, failing, stopped, slurm, pbs, pbs_job)
