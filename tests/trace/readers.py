#!/usr/bin/python3
"""readers.py MPIEXEC WRITER: h5py and xarray read the file with labels, units and coordinates, also while it grows.

Laws: every dataset has a unit and a long name, and every axis a scale in its own group; the parts of a GPU's
step sum to it exactly; tables are as long as /steps says; histograms count every link; a reader beside
the writer sees committed steps as they are in the end.
"""

import sys
import tempfile
import time

import h5py
import numpy as np
import xarray

import trial

PARTS = ("compute", "own_slow", "sharing", "bubble", "tp_exposed", "cp_exposed", "ep_exposed", "pp_exposed",
         "dp_exposed", "contention", "straggler")


def check_labels(path):
    with h5py.File(path) as file:
        for group in trial.GROUPS:
            for name, data in file[group].items():
                trial.claim("long_name" in data.attrs or name == "name_char", f"/{group}/{name} has a long name")
                if data.dtype.kind in "iuf" and name != "name_char":
                    trial.claim("units" in data.attrs, f"/{group}/{name} has a unit")
                for axis in () if trial.is_scale(data) else data.dims:
                    scale = axis[0].name.rpartition("/")[2]
                    trial.claim(scale in file[group], f"/{group} holds the scale {scale} of {name}")
        for name in ("Conventions", "title", "source", "schema_version", "seed", "status", "config_hash",
                     "config_resolved", "config_text_0"):
            trial.claim(name in file.attrs, f"the root has attribute {name}")
        run = file["run"].attrs
        trial.claim((run["rank"], list(run["ranks"])) == (0, [0, 0]),
                    f"attributes of /run are those of rank 0: {dict(run)}")
        trial.claim(file.attrs["status"] == "complete", "a complete run says so")
        trial.claim("µs" in file.attrs["config_text_0"], "the configuration is kept letter by letter")
        trial.claim(file["run"].attrs["mpi_ranks"] == 3, "/run knows the ranks")


def check_values(path):
    with h5py.File(path) as file:
        gpus, steps, links = file["gpus"], file["steps"], file["links"]
        working = gpus["job"][:] >= 0
        total = sum(gpus[part + "_ps"][:, working] for part in PARTS)
        trial.claim((total == gpus["duration_ps"][:, working]).all(), "parts sum to the step exactly")
        trial.claim((gpus["duration_ps"][:, ~working] == gpus["duration_ps"].fillvalue).all() and (~working).any(),
                    "a spare GPU has no step")
        trial.claim((gpus["node"][:] * 8 + gpus["slot"][:] == gpus["gpu"][:]).all(), "node and slot make the GPU's id")
        for part in PARTS:
            mean = gpus[part + "_ps"][:, working].mean(axis=1)
            trial.claim(np.allclose(steps[part + "_ps"], mean, rtol=1e-12), f"/steps/{part}_ps is the mean over GPUs")
        for table, end in trial.TABLES.items():
            trial.claim(len(file[table][table[:-1]]) == steps[end][-1], f"/{table} is as long as its last step says")
        trial.claim((file["flows/bytes"][:] == 1000 + file["flows/source"][:]).all(), "rows of a table stay together")
        trial.claim((np.diff(file["flows/source"][:72]) == 1).all(), "rows of several ranks are in order")
        for group in ("links", "intervals"):
            counted = file[group]["histogram"][:].sum(axis=-1)
            trial.claim((counted == links["links"][:][None, :, None]).all(), f"/{group}/histogram counts every link")
        step_s = steps["duration_ps"][:] / 1e12
        mfu = steps["model_flop_full"][:] / (step_s * steps["gpus_in_job"][:] * steps["peak_flop_per_s"][:])
        trial.claim(np.allclose(mfu, steps["mfu_full"]), "MFU follows from its terms")


def check_xarray(path):
    trial.open_everywhere(path, 3)
    for engine in trial.ENGINES:
        with xarray.open_dataset(path, group="links", engine=engine) as links:
            trial.claim(list(links.tier.values) == ["scale-up", "leaf", "spine", "core"], f"{engine}: tiers by name")
            spine = links.bytes.sel(tier="spine", direction="up", step=1)
            trial.claim(spine.item() > 0 and spine.units == "B", f"{engine}: bytes of a tier by label, with unit")
            name = str(links.hot_name.values[0, 0])
            trial.claim(" port " in name and "\0" not in name, f"{engine}: a hot link has a name, got {name!r}")
        with xarray.open_dataset(path, group="gpus", engine=engine) as gpus:
            trial.claim({"pp", "dp", "node"} <= set(gpus.compute_ps.coords), f"{engine}: a GPU's place is a coordinate")
            by_stage = gpus.bubble_ps.groupby("pp").mean(...)
            trial.claim(by_stage.sizes["pp"] == 5, f"{engine}: group by stage works (-1: spares)")
        with xarray.open_dataset(path, group="intervals", engine=engine) as intervals:
            trial.claim("start_ps" in intervals.delay_ps.coords, f"{engine}: an interval has its time")
        with xarray.open_dataset(path, group="collectives", engine=engine) as rows:
            trial.claim("reduce_scatter" in rows.kind.flag_meanings.split(), f"{engine}: kinds have names")


def check_while_running(mpiexec, writer, folder):
    """Read a file that two ranks are writing; afterwards compare with what it became."""
    path, seen = f"{folder}/running.h5", []
    process = trial.start(mpiexec, 2, writer, path, "--steps", 8, "--pause", 150, "--traffic")
    while process.poll() is None:
        try:
            part = trial.patiently(lambda: trial.load_committed(path))
            if part[0] > 0 and (not seen or part[0] > seen[-1][0]):
                trial.patiently(lambda: trial.open_everywhere(path, part[0]))
                seen.append(part)
        except (OSError, KeyError):
            trial.claim(not seen, "the file stays readable")  # rank 0 may still be making it
        time.sleep(0.05)
    trial.claim(process.returncode == 0, f"a reader does not disturb the writer: {process.communicate()[0]}")
    trial.claim(any(0 < part[0] < 8 for part in seen), f"steps were read while the run was going: {[p[0] for p in seen]}")
    whole = trial.load_committed(path)
    for part in seen:
        trial.claim_prefix(part, whole, "while running")


def main():
    mpiexec, writer = sys.argv[1:]
    with tempfile.TemporaryDirectory() as folder:
        path = f"{folder}/trace.h5"
        trial.run(mpiexec, 3, writer, path, "--traffic", "--full-links")
        check_labels(path)
        check_values(path)
        check_xarray(path)
        check_while_running(mpiexec, writer, folder)
    print("h5py and xarray read everything")


main()
