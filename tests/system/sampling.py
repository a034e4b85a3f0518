#!/usr/bin/python3
"""sampling.py MPIEXEC COLOSSIM CASE: /intervals is as long as the settings ask for, and holds what the steps move.

`bounded`: however much longer a step takes than was estimated (a link that is nearly dead, a collective of almost no bytes),
it has at most twice the wanted intervals, all of one width but the last, and neither memory nor the file grow.
`merged`: intervals that were merged are what wider ones would have been: every column, hot links and histogram too.
`sums`: intervals of a step follow each other from its intervals_start_ps on and sum to its bytes in /links, tier by tier,
to the byte; whether steps are played or told, as islands or event by event, on any number of ranks.
`once`: a thousand steps that repeat take little more than a few; each has its rows in /steps and /gpus.
"""

import os
import sys
import tempfile

import h5py
import numpy as np

from emulator import EVENT_BY_EVENT, EVERY_STEP, JOBS, TOPOLOGIES, Emulator, attribute, claim, column, same_on_any_ranks

LAPTOP = TOPOLOGIES / "laptop-16.yaml"
SMALL_JOB = LAPTOP, JOBS / "ddp-small.yaml"
WANTED, MERGED = 200, 4


def weak_link(folder, remaining):
    """Two nodes, of whose NIC links one has little left."""
    path = folder / f"weak-{remaining[:-2]}.yaml"
    path.write_text(f"""schema_version: 1
kind: topology
nodes: 2
node: {{gpu: h100-sxm, gpus: 8, nic: connectx-7-ndr400, scale_up: nvlink4-8}}
fabric:
  tiers:
    - {{name: leaf, switch: quantum-2-qm9700, children: 2, rate: 400 Gb/s, cable: 5 m}}
    - {{name: spine, switch: quantum-2-qm9700, children: 8, parents: 2, rate: 400 Gb/s, cable: 5 m}}
  faults:
    - {{tier: 1, lower: 0, port: 0, remaining: {remaining}}}
""")
    return path


def rows_of(path, step):
    """Of /intervals, those that a step has or refers to, and by how much later they are."""
    owner = column(path, "steps/links_step")[step]
    ends = np.concatenate([[0], column(path, "steps/intervals_end")])
    begin = column(path, "steps/intervals_start_ps")
    return slice(ends[owner], ends[owner + 1]), begin[step] - begin[owner]


def claim_rows(path, wanted, where):
    """The shape of /intervals, and that they hold what the steps moved."""
    start, end = column(path, "intervals/start_ps"), column(path, "intervals/end_ps")
    load, carried = column(path, "intervals/bytes"), column(path, "links/bytes")
    begin, shortest = column(path, "steps/intervals_start_ps"), attribute(path, "interval_ps")
    for step in range(len(begin)):
        rows, later = rows_of(path, step)
        n, width = rows.stop - rows.start, end[rows] - start[rows]
        claim(1 <= n <= max(2 * wanted, MERGED), f"{where}: step {step} has {n} intervals, {wanted} wanted")
        claim((width[:-1] == width[0]).all() and width[-1] <= width[0], f"{where}: step {step}: equally wide: {width}")
        if n > 1:
            claim(np.isin(width[0], shortest * MERGED**np.arange(20)), f"{where}: merged from {shortest}: {width[0]}")
        claim(start[rows][0] + later == begin[step], f"{where}: the first of step {step} begins where the step says")
        claim((start[rows][1:] == end[rows][:-1]).all(), f"{where}: those of step {step} follow each other")
        if step + 1 < len(begin):
            claim(end[rows][-1] + later == begin[step + 1], f"{where}: those of step {step} reach the next")
        claim((load[rows].sum(axis=0) == carried[step]).all(),
              f"{where}: intervals of step {step} carry {load[rows].sum(axis=0)}, the step {carried[step]}")


def used_bytes(emulator, *arguments):
    """Most memory of a run, from the system."""
    process = emulator.start("run", *arguments, "--progress", "none", ranks=0)
    process.stdout.read(), process.stderr.read()
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    claim(process.returncode == 0, f"{arguments} ends with 0")
    return usage.ru_maxrss * 1024


def bounded(emulator):
    shift = JOBS / "traffic-shift.yaml"
    cases = [(weak_link(emulator.folder, remaining), shift, {}) for remaining in ("1 %", "0.1 %", "0.01 %")]
    cases.append((LAPTOP, JOBS / "traffic-all-reduce.yaml", {"traffic__bytes": "8 B"}))
    # Nothing moves for long before the first step.
    cases += [(LAPTOP, shift, {"traffic__bytes": "64 KiB", "steps": 2, "start": start}) for start in ("1 ms", "50 ms", "1000 s")]
    usual = used_bytes(emulator, LAPTOP, shift, "--output", "usual.h5")
    size = (emulator.folder / "usual.h5").stat().st_size
    for topology, job, settings in cases:
        where = f"{job.stem} on {topology.stem}"
        options = [f"--set={key.replace('__', '.')}={value}" for key, value in settings.items()]
        used = used_bytes(emulator, topology, job, *options, "--output", "long.h5")
        path = emulator.folder / "long.h5"
        claim_rows(path, WANTED, where)
        claim(len(column(path, "intervals/end_ps")) >= WANTED / 2, f"{where}: no fewer than half")
        claim(path.stat().st_size < 2 * size, f"{where}: {path.stat().st_size} bytes, {size} usual")
        claim(used < usual + 20e6, f"{where}: {used} bytes of memory, {usual} usual")
    for topology, job, settings in (cases[0], cases[3], cases[-1]):
        code = same_on_any_ranks(emulator, topology, job, (1, 3), **settings)
        claim(code == 0, f"{job} runs")
    for wanted in 1, 2, 3, 7:
        claim_rows(emulator.trace(cases[0][0], shift, trace__intervals=wanted), wanted, f"{wanted} wanted")


def merged(emulator):
    """2.3 GB take 49 ms at a NIC's rate and 109 ms over the weak link: 100 wanted begin with 0.5 ms, and end with 2 ms; 48
    begin with that."""
    topology, job = weak_link(emulator.folder, "45 %"), JOBS / "traffic-permutation.yaml"
    settings = {"trace__hot_links": 3, "fabric__routing": "ecmp", "traffic__queue_pairs": 3, "traffic__bytes": "2.3 GB"}
    short = emulator.trace(topology, job, name="short", trace__intervals=100, **settings)
    wide = emulator.trace(topology, job, name="wide", trace__intervals=48, **settings)
    widths = [(attribute(path, "interval_ps"), np.diff(column(path, "intervals/start_ps"))[0]) for path in (short, wide)]
    claim(widths == [(5 * 10**8, 2 * 10**9), (2 * 10**9, 2 * 10**9)], f"only the first were merged: {widths}")
    claim(column(short, "intervals/delay_ps").any(), "links are shared")
    with h5py.File(short) as a, h5py.File(wide) as b:
        for name in a["intervals"]:
            left, right = a["intervals"][name][()], b["intervals"][name][()]
            claim(np.array_equal(left, right, equal_nan=left.dtype.kind == "f"),
                  f"intervals/{name} are as if they had not been merged")


def sums(emulator):
    split = {"parallel__pp": 4, "parallel__dp": 4, "parallel__zero": 1, "parallel__microbatches": 2,
             "training__bucket_parameters": 20000000}
    late = {"parallel__pp": 2, "parallel__microbatches": 4, "network__message_latency": "9 us",
            "network__queue_pairs": 3, "trace__intervals": 13}
    for noise in "off", "on":
        for settings in split, late:
            # The last of them: whatever the mode, steps that repeat stand once.
            code = same_on_any_ranks(emulator, *SMALL_JOB, (1, 2), "--steps", 4, noise=noise, **settings,
                                     once_more=[(1, EVERY_STEP), (3, EVENT_BY_EVENT), (2, EVERY_STEP, EVENT_BY_EVENT)])
            claim(code == 0, f"{settings} runs")
            path = emulator.folder / "n1" / "run.h5"
            claim_rows(path, settings.get("trace__intervals", WANTED), f"{settings}, noise {noise}")
            claim((column(path, "steps/links_step") == ([0, 1, 1, 1] if noise == "off" else [0, 1, 2, 3])).all(),
                  f"noise {noise}: what stands once is {column(path, 'steps/links_step')}")
    path = emulator.trace(LAPTOP, JOBS / "traffic-permutation.yaml", "--steps", 3, fabric__routing="spray",
                          traffic__bytes="1234567 B", traffic__queue_pairs=3)
    claim_rows(path, WANTED, "repetitions of traffic")
    # One group of GPUs has no network and no norm; the closed engine knows no time within a step.
    claim_rows(emulator.trace(*SMALL_JOB, "--steps", 2, parallel__dp=1, parallel__tp=8), WANTED, "one unit")
    path = emulator.trace(*SMALL_JOB, "--steps", 3, engine__kind="closed", noise="off")
    claim(len(column(path, "intervals/end_ps")) == 0, "the closed engine has no intervals")


def once(emulator):
    few, many = (emulator.trace(*SMALL_JOB, "--steps", n, noise="off", name=f"steps-{n}") for n in (10, 1000))
    claim(len(column(few, "intervals/end_ps")) == len(column(many, "intervals/end_ps")), "intervals stand once")
    claim(many.stat().st_size < few.stat().st_size + 990 * 9000, f"a step is small: {many.stat().st_size} bytes")
    duration = column(many, "gpus/duration_ps")
    claim(duration.shape[0] == 1000 and (duration[2:] == duration[1]).all(), "every step stands in /gpus")
    end = column(many, "steps/end_ps")
    claim((np.diff(end, n=2)[1:] == 0).all() and (np.diff(end) > 0).all(), "and in /steps")
    hot = column(many, "links/hot_link")
    claim((hot[2:] == -1).all() and (hot[1] >= 0).any(), "hot links stand once")
    claim_rows(many, WANTED, "a thousand steps")


def main():
    mpiexec, colossim, case = sys.argv[1:]
    with tempfile.TemporaryDirectory() as folder:
        {"bounded": bounded, "merged": merged, "sums": sums, "once": once}[case](Emulator(mpiexec, colossim, folder))


main()
