"""What the scripts of this folder share: starting the writer, and comparing what it left."""

import os
import signal
import subprocess
import sys
import time

import h5py
import numpy as np
import xarray

TABLES = {"collectives": "collectives_end", "flows": "flows_end", "intervals": "intervals_end"}  # rows up to a step
GROUPS = ("steps", "gpus", "collectives", "flows", "links", "intervals")
ENGINES = ("h5netcdf", "netcdf4")


def start(mpiexec, ranks, writer, path, *options):
    """Start the writer; its ranks get a process group of their own."""
    return subprocess.Popen([mpiexec, "-n", str(ranks), writer, path, *map(str, options)],
                            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, start_new_session=True)


def run(mpiexec, ranks, writer, path, *options):
    process = start(mpiexec, ranks, writer, path, *options)
    output, _ = process.communicate(timeout=120)
    claim(process.returncode == 0, f"the writer on {ranks} ranks ends with 0, got {process.returncode}: {output}")


def kill(process):
    """SIGKILL to mpiexec and to the ranks in the session it leads; returns what had been printed."""
    running = process.poll() is None
    members = [int(pid) for pid in os.listdir("/proc") if pid.isdigit() and session_of(pid) == process.pid]
    claim(not running or len(members) >= 3, f"mpiexec and its ranks are found, got {members}")
    for pid in members:
        try:
            os.kill(pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
    return process.communicate(timeout=30)[0]


def session_of(pid):
    try:
        with open(f"/proc/{pid}/stat") as stat:
            return int(stat.read().rpartition(")")[2].split()[3])
    except (OSError, IndexError):
        return -1


def claim(truth, text):
    if not truth:
        sys.exit(f"FAILED: {text}")


def patiently(read):
    """A reader beside a running writer may meet a half-written flush: the advice is to try again."""
    for attempt in range(20):
        try:
            return read()
        except (OSError, KeyError, RuntimeError, ValueError):
            if attempt == 19:
                raise
            time.sleep(0.05)


def is_scale(dataset):
    return dataset.attrs.get("CLASS") == b"DIMENSION_SCALE"


def dimension(dataset):
    """Name of the first axis: that of its scale, or its own if it is one."""
    scale = dataset if is_scale(dataset) else dataset.dims[0][0]
    return scale.name.rpartition("/")[2]


def load_committed(path):
    """Everything that is committed: {dataset: values}, and the number of steps."""
    with h5py.File(path) as file:
        steps = int(file["committed_steps"][()])
        ends = {table: int(file["steps"][end][steps - 1]) if steps else 0
                for table, end in TABLES.items() if end in file["steps"]}
        ends["steps"] = steps
        values = {}
        for group in filter(file.__contains__, GROUPS):
            for name, item in file[group].items():
                grown = ends.get(dimension(item) + "s")
                values[f"{group}/{name}"] = item[()] if grown is None else item[:grown]
        return steps, values


def claim_prefix(part, whole, where):
    """Committed values of `part` are those of the complete run `whole`."""
    steps, values = part
    for name, value in values.items():
        full = whole[1][name]
        expected = full[:len(value)]
        same = value.shape[1:] == full.shape[1:] and len(value) <= len(full)
        if same and value.dtype.kind == "f":
            same = np.array_equal(value, expected, equal_nan=True)
        elif same:
            same = bool((value == expected).all())
        claim(same, f"{where}: committed values of {name} ({steps} steps) are those of the complete run")


def open_everywhere(path, steps):
    """Open every group with every xarray engine; the committed part has its labels."""
    for engine in ENGINES:
        for group in GROUPS:
            with xarray.open_dataset(path, group=group, engine=engine) as data:
                if "step" in data.dims:
                    labels = data["step"].values[:steps].tolist()
                    claim(labels == list(range(steps)), f"{engine}: {group} has step labels, got {labels}")
