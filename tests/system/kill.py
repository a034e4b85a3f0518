#!/usr/bin/python3
"""kill.py MPIEXEC COLOSSIM KILLS: a training run killed at any moment leaves a readable file with every committed step.

Laws: after SIGKILL of mpiexec and both ranks at a random moment the file opens in h5py and in xarray with both engines;
it counts at least the steps that had been reported as done; every committed value is that of the undisturbed run. The
same holds for a reader beside the running program. Every dataset has its unit and its axes their labels. A kill before
the structure is complete may leave no file worth reading; then no step had been reported.
"""

import random
import re
import sys
import tempfile
import time

import h5py
import numpy as np
import xarray

from emulator import JOBS, TOPOLOGIES, Emulator, claim, first_line, kill_all

STEPS = 150
ENGINES = ("h5netcdf", "netcdf4")
TABLES = {"collective": "collectives_end", "flow": "flows_end", "interval": "intervals_end"}
TOPOLOGY, JOB = TOPOLOGIES / "superpod-h100-1su.yaml", JOBS / "ddp-small.yaml"
OPTIONS = ("--steps", STEPS, "--set", "trace.full_links=on", "--set", "noise=on")


def patiently(read):
    """A reader may meet a half-written flush: the advice of output/README.md is to try again after 50 ms."""
    for attempt in range(20):
        try:
            return read()
        except (OSError, KeyError, RuntimeError, ValueError):
            if attempt == 19:
                raise
            time.sleep(0.05)


def first_axis(data):
    scale = data if data.attrs.get("CLASS") == b"DIMENSION_SCALE" else data.dims[0][0] if data.ndim else data
    return scale.name.rpartition("/")[2]


def committed(path):
    """Number of committed steps, and every committed value by dataset."""
    with h5py.File(path) as file:
        steps = int(file["committed_steps"][()])
        length = {axis: int(file["steps"][end][steps - 1]) if steps else 0
                  for axis, end in TABLES.items() if end in file["steps"]}
        length["step"] = steps
        values = {}
        for group in file.values():
            for name, data in group.items() if isinstance(group, h5py.Group) and group.name != "/run" else ():
                grown = length.get(first_axis(data))
                values[f"{group.name}/{name}"] = data[()] if grown is None else data[:grown]
        return steps, values


def claim_prefix(part, whole, where):
    for name, value in part[1].items():
        expected = whole[1][name][:len(value)] if value.ndim else whole[1][name]
        same = np.array_equal(value, expected, equal_nan=value.dtype.kind == "f")
        claim(same, f"{where}: {name} of {part[0]} steps is that of the undisturbed run")


def claim_labels(path, steps):
    """xarray finds dimension names, coordinates in every group, units and labels."""
    with h5py.File(path) as file:
        groups = [name for name, item in file.items() if isinstance(item, h5py.Group) and name != "run"]
    for engine in ENGINES:
        for group in groups:
            with xarray.open_dataset(path, group=group, engine=engine) as data:
                claim(len(data.coords) > 0 and len(data.data_vars) > 0, f"{engine}: /{group} has coordinates and data")
                if "step" in data.dims:
                    claim(data["step"].values[:steps].tolist() == list(range(steps)), f"{engine}: /{group} labels its steps")
                for name, variable in data.data_vars.items():
                    # xarray moves the units of decoded times elsewhere; here nothing is a date.
                    labelled = variable.dtype.kind in "OSU" or "units" in variable.attrs
                    claim(labelled and "long_name" in variable.attrs, f"{engine}: /{group}/{name} has unit and long name")
                    claim(all(not axis.startswith("phony_dim") for axis in variable.dims), f"{engine}: axes of {name}")
        with xarray.open_dataset(path, group="links", engine=engine) as links:
            tier = links.bytes.sel(tier="leaf", direction="up")
            claim(tier.units == "B", f"{engine}: a tier by name")


def reported(output):
    """What the last progress line promises: the steps it calls committed."""
    lines = [line for line in output.splitlines() if line.startswith("step ")]
    return int(re.search(r"committed (\d+)", lines[-1])[1]) if lines else 0


def read_beside(emulator, whole):
    """Open the file again and again while two ranks write it."""
    path, seen = emulator.folder / "beside.h5", set()
    process = start(emulator, path)
    while process.poll() is None:
        try:
            part = patiently(lambda: committed(path))
        except (OSError, KeyError):
            claim(not seen, "once readable, the file stays so")
            continue
        claim_prefix(part, whole, "while running")
        if part[0] > 0 and len(seen) < 3:
            patiently(lambda: claim_labels(path, part[0]))
        seen.add(part[0])
    _, stderr = process.communicate()
    claim(process.returncode == 0, f"a reader does not disturb the run: {stderr[-1000:]}")
    claim(any(0 < steps < STEPS for steps in seen), f"steps were read while the run was going: {sorted(seen)}")


def start(emulator, path):
    return emulator.start("run", TOPOLOGY, JOB, *OPTIONS, "--output", path, ranks=2)


def kill_one(emulator, path, moments, early_s, length_s):
    """Every fifth kill comes before the first step, the others after it; returns the steps that had been reported."""
    process, line = start(emulator, path), ""
    if moments.random() < 0.2:
        time.sleep(moments.uniform(0, early_s))
    else:
        line = first_line(process)
        time.sleep(moments.uniform(0, length_s))
    return reported(line + kill_all(process)[1])


def main():
    mpiexec, colossim, kills = sys.argv[1:]
    moments = random.Random(20261122)
    with tempfile.TemporaryDirectory() as folder:
        emulator = Emulator(mpiexec, colossim, folder)
        path, begin = emulator.folder / "whole.h5", time.monotonic()
        process = start(emulator, path)
        first_line(process)
        first = time.monotonic()
        _, stderr = process.communicate(timeout=300)
        early_s, length_s = first - begin, time.monotonic() - first
        claim(process.returncode == 0, f"the undisturbed run ends with 0: {stderr[-1000:]}")
        whole = committed(path)
        claim(whole[0] == STEPS, f"the undisturbed run is complete: {whole[0]} steps")
        counts = []
        for number in range(int(kills)):
            path = emulator.folder / f"killed{number}.h5"
            claimed = kill_one(emulator, path, moments, early_s, length_s)
            try:
                part = committed(path)
            except (OSError, KeyError) as why:
                claim(claimed == 0, f"kill {number}: {claimed} steps were reported, but the file does not open: {why}")
                counts.append(0)
                continue
            claim(part[0] >= claimed, f"kill {number}: {claimed} steps were reported, {part[0]} are there")
            claim_prefix(part, whole, f"kill {number}")
            claim_labels(path, part[0])
            counts.append(part[0])
            path.unlink()
        print(f"{kills} kills, committed steps: {counts}")
        claim(sum(0 < n < STEPS for n in counts) >= int(kills) // 2, "most kills hit the run in the middle")
        read_beside(emulator, whole)


main()
