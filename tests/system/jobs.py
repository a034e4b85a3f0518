#!/usr/bin/python3
"""jobs.py MPIEXEC COLOSSIM CASE: several jobs on one fabric.

Laws. `apart`: jobs on nodes of their own under leaves of their own take what each takes alone, to the picosecond, also
when one begins later. `shared`: on an oversubscribed fabric, interleaved by node, neither is faster than alone, and the
GPUs of the trace are divided between them; which is named first changes no duration. `paths`: nor does it change the paths of any flow under ECMP; a job that begins when the
others have gone takes what it takes alone. `long`: many steps on two ranks end. `ranks`: one trace on any ranks.
`costs`: what jobs cost each other (/jobs/delay_ps) is, for each step, tier and direction, all that transfers lost there;
jobs that share no link cost each other nothing, equal ones as much as they are cost, and the order of jobs only names
them; what another job costs flows is what they take less where it is not there, in sign and roughly in size; the table
says the same, and `plot` draws it. `refused`: a GPU of two jobs, a range of nodes that is none, and one outside the cluster are said at their key.
"""

import random
import re
import subprocess
import sys
import tempfile

import h5py
import numpy as np
import xarray

import random_inputs
from emulator import JOBS, RANKS, ROOT, TOPOLOGIES, Emulator, claim, column, differences, same_on_any_ranks

NODE_GPUS = 2
TOPOLOGY = f"""schema_version: 1
kind: topology
nodes: 16
node: {{gpu: h100-sxm, gpus: {NODE_GPUS}, nic: connectx-7-ndr400, scale_up: domain-{NODE_GPUS}}}
fabric:
  routing: ecmp
  tiers:
    - {{name: leaf, switch: wide, children: 4, rate: 400 Gb/s, cable: 3 m}}
    - {{name: spine, switch: wide, children: 8, parents: 1, rate: 400 Gb/s, cable: 50 m}}
"""
TRAINING = """schema_version: 1
kind: training
name: {name}
model: tiny
parallel: {{tp: 2, pp: 2, dp: 4, schedule: 1f1b, microbatches: 4, zero: 1, order: tp-cp-ep-dp-pp}}
training: {{sequence: 4096, bucket_parameters: 5000000}}
trace: {{intervals: 20, hot_links: 8}}
placement: {{nodes: {nodes}}}
start: {start}
steps: 3
"""
TRAFFIC = """schema_version: 1
kind: traffic
name: {name}
traffic: {{pattern: shift, shift: 4, bytes: 300 MB, ranks: 16}}
placement: {{nodes: {nodes}}}
trace: {{intervals: 20, hot_links: 8}}
start: {start}
steps: 5
"""


FLOWS = """schema_version: 1
kind: traffic
name: {name}
traffic: {{pattern: PATTERN, bytes: SIZE MB, ranks: 16}}
placement: {{nodes: {nodes}}}
trace: {{intervals: 20, hot_links: 8}}
start: {start}
steps: 1
"""
OUTAGE = """network: {{reroute_delay: 1 ms}}
events:
  - {{at: 10 ms, what: leaf 0 port 0, remaining: 0 %}}
  - {{at: 20 ms, what: leaf 0 port 0, remaining: 50 %}}
  - {{at: 40 ms, what: leaf 0 port 0, remaining: 100 %}}
"""


def write(emulator, name, text, nodes="all", start="0 s"):
    path = emulator.folder / f"{name}.yaml"
    path.write_text(text.format(name=name, nodes=nodes, start=start))
    return path


def play(emulator, *jobs, path="run.h5"):
    emulator.folder.joinpath(path).unlink(missing_ok=True)
    done = emulator.call("run", emulator.folder / "fabric.yaml", *jobs, "--output", emulator.folder / path)
    claim(done.returncode == 0, f"{jobs} run: {done.stderr}")
    return emulator.folder / path


def durations(path, job=None):
    took = column(path, "steps/duration_ps")
    return took if job is None else took[column(path, "steps/job") == job]


def apart(emulator):
    first, second = write(emulator, "first", TRAINING, "0-7"), write(emulator, "second", TRAINING, "8-15", "1.5 ms")
    third = write(emulator, "third", TRAFFIC, "8-15", "0 s")
    alone = durations(play(emulator, first))
    both = play(emulator, first, second)
    for job in 0, 1:
        claim(np.array_equal(durations(both, job), alone), f"job {job} as alone: {durations(both, job)}, {alone}")
    start = column(both, "steps/start_ps")[column(both, "steps/job") == 1]
    claim(start[0] == 1.5e9, f"the second begins late: {start}")
    mixed = play(emulator, first, third)
    claim(np.array_equal(durations(mixed, 0), alone), "training beside traffic as alone")
    claim(np.array_equal(durations(mixed, 1), durations(play(emulator, third))), "traffic beside training as alone")


def shared(emulator):
    jobs = [write(emulator, "even", TRAINING, "0-14/2"), write(emulator, "odd", TRAFFIC, "1-15/2")]
    alone = [durations(play(emulator, job)) for job in jobs]
    both = play(emulator, *jobs)
    swapped = play(emulator, *reversed(jobs), path="swapped.h5")
    for job in 0, 1:
        here, there = durations(both, job), durations(swapped, 1 - job)
        claim(np.array_equal(here, there), f"the order of jobs changes nothing: {here}, {there}")
        claim(here.sum() >= alone[job].sum(), f"sharing is never faster: {here}, alone {alone[job]}")
    claim(durations(both, 0).sum() > alone[0].sum(), "and here it costs something")
    with h5py.File(both) as file:
        owner, node = file["gpus/job"][()], file["gpus/node"][()]
        claim(np.array_equal(owner, node % 2), f"even nodes are one job's, odd ones the other's: {owner}")
        steps = file["steps/job_step"][()]
        for job in 0, 1:
            own = steps[file["steps/job"][()] == job]
            claim(np.array_equal(own, np.arange(len(own))), f"its steps in order: {own}")
        ends = file["steps/end_ps"][()]
        claim(np.all(np.diff(ends) >= 0), f"rows in the order of ends: {ends}")


def paths(emulator):
    """Where each flow has four spines to choose from. (The mistake: the number of a job chose among the paths of its flows.)"""
    emulator.folder.joinpath("fabric.yaml").write_text(TOPOLOGY.replace("parents: 1", "parents: 4"))
    first = [write(emulator, "even", TRAINING, "0-14/2"), write(emulator, "odd", TRAFFIC, "1-15/2")]
    here, there = play(emulator, *first), play(emulator, *reversed(first), path="swapped.h5")
    for job in 0, 1:
        took = durations(here, job), durations(there, 1 - job)
        claim(np.array_equal(*took), f"the order of jobs changes no path: {took}")
    first = write(emulator, "short", TRAFFIC, "0-14/2")
    for name, text in ("training", TRAINING), ("traffic", TRAFFIC):
        late = write(emulator, name, text, "1-15/2", "1 s")
        alone, behind = durations(play(emulator, late)), durations(play(emulator, first, late), 1)
        claim(np.array_equal(alone, behind), f"{name} when the other has gone: {behind}, alone {alone}")


def ranks(emulator):
    jobs = [write(emulator, "even", TRAINING, "0-14/2"), write(emulator, "odd", TRAFFIC, "1-15/2", "3 ms")]
    code = same_on_any_ranks(emulator, emulator.folder / "fabric.yaml", jobs[0], RANKS, jobs[1])
    claim(code == 0, f"they run: {code}")


def costs_of(path):
    """Who cost whom in a trace, over all steps, [victim, culprit]; held against what links say first."""
    with h5py.File(path) as file:
        owner, delay, lost = (file[name][()] for name in ("steps/job", "jobs/delay_ps", "links/delay_ps"))
        claim(np.array_equal(delay.sum(axis=1), lost), f"jobs cost what transfers lost:\n{delay.sum(axis=1)}\n{lost}")
        claim((delay >= 0).all(), "nobody gains")
        return np.array([delay[owner == job].sum(axis=(0, 2, 3)) for job in file["jobs/job"]])


def table_of(done):
    """The same in ms, as the table has it."""
    lines = re.findall(r"^  job (\d+) \(.*?\) +([\d.]+) (m?s) .* to (itself|job (\d+))", done.stdout, re.M)
    return {(int(victim), int(other or victim)): float(time) * (1 if unit == "ms" else 1000)
            for victim, time, unit, _, other in lines}


def flow_times(path):
    """Time that flows take, all together."""
    return int((column(path, "flows/end_ps") - column(path, "flows/start_ps")).sum())


def long(emulator):
    """Many steps on 2 ranks, each with rows of its own: the trace of one rank. (The mistake: HDF5's caches of ranks, driven apart,
    began to write at different moments, and waited for each other for ever.)"""
    settings = ["--set", "noise=on", "--set", "trace.intervals=2", "--steps", 200, "--progress", "none"]
    for n in 0, 2:
        done = emulator.call("run", TOPOLOGIES / "superpod-h100-1su.yaml", JOBS / "traffic-all-to-all.yaml", JOBS / "ddp-small.yaml", *settings,
                             "--output", emulator.folder / f"long{n}.h5", ranks=n, timeout=150)
        claim(done.returncode == 0, f"{n} ranks: {done.stderr}")
    found = differences(emulator.folder / "long0.h5", emulator.folder / "long2.h5")
    claim(not found, f"one trace: {found}")


def random_flows(emulator, draw, name, nodes):
    pattern = draw.choice(("permutation", "shift, shift: 4", "shift, shift: 2", "all_to_all"))
    text = FLOWS.replace("PATTERN", pattern).replace("SIZE", str(draw.randint(1, 40)))
    return write(emulator, name, text, nodes)


def costs(emulator):
    apart = [write(emulator, "first", TRAINING, "0-7"), write(emulator, "second", TRAFFIC, "8-15")]
    cost = costs_of(play(emulator, *apart))
    claim(cost[0, 1] == cost[1, 0] == 0 < cost[1, 1], f"apart they cost each other nothing: {cost}")
    equal = [write(emulator, "even", TRAFFIC, "0-14/2"), write(emulator, "odd", TRAFFIC, "1-15/2")]
    cost = costs_of(play(emulator, *equal))
    claim(np.allclose(cost, cost.T, rtol=1e-9) and np.allclose(cost[0, 0], cost[1, 1], rtol=1e-9) and cost[0, 1] > 0,
          f"equal jobs cost each other alike: {cost}")
    mixed = [write(emulator, "even", TRAINING + OUTAGE, "0-14/2"), write(emulator, "odd", TRAFFIC, "1-15/2", "3 ms")]
    cost, swapped = costs_of(play(emulator, *mixed)), costs_of(play(emulator, *reversed(mixed), path="swapped.h5"))
    claim(np.allclose(cost, swapped[::-1, ::-1], rtol=1e-9) and (cost > 0).all(), f"their order only names them: {cost}")
    with xarray.open_dataset(emulator.folder / "swapped.h5", group="jobs") as jobs:
        claim([str(name) for name in jobs.name.values] == ["odd", "even"], f"jobs have names: {jobs.name.values}")
        with xarray.open_dataset(emulator.folder / "swapped.h5", group="steps") as steps:
            matrix = jobs.delay_ps.sum(["tier", "direction"]).groupby(steps.job).sum()
        claim(np.array_equal(matrix.transpose("job", "culprit"), swapped), f"xarray has the same matrix: {matrix}")
        claim({"spine", "up"} <= {*jobs.tier.values, *jobs.direction.values}, "tiers and directions have labels")
    drawn = subprocess.run([ROOT / "scripts/plot", emulator.folder / "swapped.h5"], capture_output=True, text=True)
    claim(drawn.returncode == 0 and "swapped-jobs.png" in drawn.stdout, f"plot draws them: {drawn.stderr}")
    draw = random.Random(9)
    for _ in range(5):
        jobs = [random_flows(emulator, draw, "even", "0-14/2"), random_flows(emulator, draw, "odd", "1-15/2")]
        alone = [flow_times(play(emulator, job)) for job in jobs]
        done = emulator.call("run", emulator.folder / "fabric.yaml", *jobs, "--output", emulator.folder / "both.h5")
        claim(done.returncode == 0, f"both run: {done.stderr}")
        cost, told = costs_of(emulator.folder / "both.h5"), table_of(done)
        claim(told == {(a, b): round(cost[a, b] / 1e9, 3) for a in (0, 1) for b in (0, 1)}, f"the table: {told}, {cost}")
        with h5py.File(emulator.folder / "both.h5") as file:
            step, owner = file["flows/step"][()], file["steps/job"][()]
            took = file["flows/end_ps"][()] - file["flows/start_ps"][()]
        for job in 0, 1:
            less = took[owner[step] == job].sum() - alone[job]
            claim(0.85 * less < cost[job, 1 - job] < 1.15 * less, f"the other's cost: {cost[job]}, it is gone: {less} less")


def refused(emulator):
    free, taken = write(emulator, "free", TRAINING, "0-8"), write(emulator, "taken", TRAINING, "7-15")
    both = ("check", "run")
    # Checked, files are several runs, and as one run they are only spoken of; played, they are one.
    apart = write(emulator, "left", TRAINING, "0-7"), write(emulator, "right", TRAINING, "8-15")
    for files, words in (((free, taken), "run refuses them"), (apart, "run plays them"), ((free,) * 17, "17 job files; wanted 1 to 16")):
        done = emulator.call("check", emulator.folder / "fabric.yaml", *files)
        claim(done.returncode == 0 and words in done.stdout, f"check {files}: {done.stdout[-500:]} {done.stderr}")
    cases = [(("run",), (free, taken), "taken.yaml", "also the job's of"),
             (("run",), (write(emulator, "most", TRAINING), write(emulator, "rest", TRAFFIC.replace("16}}", "18}}"))),
              "rest.yaml", "what the jobs before leave of"),
             (both, (write(emulator, "odd", TRAINING, "5-2"),), "odd.yaml", "wanted all, a range"),
             (both, (write(emulator, "far", TRAINING, "8-16"),), "far.yaml", "but the cluster has 16"),
             (both, (write(emulator, "few", TRAINING, "0-6"),), "few.yaml", "14")]
    for commands, files, where, words in cases:
        for command in commands:
            done = emulator.call(command, emulator.folder / "fabric.yaml", *files)
            claim(done.returncode == 2 and where + ":" in done.stderr and words in done.stderr,
                  f"{command} {files}: {done.returncode} {done.stderr}")


def main():
    mpiexec, colossim, case = sys.argv[1:]
    with tempfile.TemporaryDirectory() as folder:
        emulator = Emulator(mpiexec, colossim, folder)
        random_inputs.write_parts(emulator.folder)
        random_inputs.write_scale_up(emulator.folder, NODE_GPUS)
        emulator.folder.joinpath("fabric.yaml").write_text(TOPOLOGY)
        {"apart": apart, "shared": shared, "paths": paths, "long": long, "ranks": ranks, "costs": costs, "refused": refused}[case](emulator)


if __name__ == "__main__":
    main()
