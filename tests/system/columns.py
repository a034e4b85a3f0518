#!/usr/bin/python3
"""columns.py MPIEXEC COLOSSIM CASE: every column means what its description says, recomputed from the others.

`training`, `traffic`: on a small job with noise and full rows of links, each derived column of /steps, /gpus, /collectives,
/flows, /links and /intervals follows from those it is made of. `ecmp`: the slowest and mean goodput of a pod whose NICs all
cross its spines, as README's table has them. `table`: what is printed of steps is what /steps holds.
"""

import re
import sys
import tempfile

import h5py
import numpy as np

from emulator import JOBS, ROOT, TOPOLOGIES, Emulator, claim

LAPTOP = TOPOLOGIES / "laptop-16.yaml"
PS = 1e-12


def close(found, wanted, text):
    claim(np.allclose(found, wanted, rtol=1e-12, atol=0, equal_nan=True), f"{text}: {found}, from the others {wanted}")


def same(found, wanted, text):
    claim(np.array_equal(found, wanted), f"{text}: {found}, from the others {wanted}")


def parts_of(steps):
    """Names of the parts: columns of /gpus by step that are no duration."""
    return [name for name in steps if name.endswith("_ps") and name not in
            ("start_ps", "end_ps", "duration_ps", "gpu_duration_ps", "intervals_start_ps", "likely_least_ps", "likely_most_ps")]


def steps(file):
    s = {name: data[()] for name, data in file["steps"].items()}
    same(s["duration_ps"], s["end_ps"] - s["start_ps"], "duration_ps")
    same(s["start_ps"], [0, *s["end_ps"][:-1]], "start_ps")
    for name in "collectives", "flows":
        if name in file:
            owner = file[f"{name}/step"][()]
            same(s[f"{name}_end"], [np.count_nonzero(owner <= step) for step in s["step"]], f"{name}_end")
    return s


def gpus(file, s):
    g = {name: data[()] for name, data in file["gpus"].items()}
    per_node = int(file.attrs["gpus_per_node"])
    same(g["node"], g["gpu"] // per_node, "node")
    same(g["slot"], g["gpu"] % per_node, "slot")
    busy = g["job"] >= 0
    same(np.sort(g["job_rank"][busy]), np.arange(busy.sum()), "job_rank: each once")
    if "tp" not in g:
        return
    same(s["gpus_in_job"], [busy.sum()] * len(s["step"]), "gpus_in_job")
    for name in "likely_least_ps", "likely_most_ps":
        close(s[name] / s["duration_ps"], [s[name][0] / s["duration_ps"][0]] * len(s["step"]), f"{name}: a share of the step")
    claim((s["likely_least_ps"] <= s["likely_most_ps"]).all() and (s["likely_runs"] > 0).all(), "bounds from published runs")
    names = parts_of(s)
    same(sum(g[name][:, busy] for name in names), g["duration_ps"][:, busy], "parts of a GPU's step")
    for name in [*names, "duration_ps"]:
        close(s["gpu_duration_ps" if name == "duration_ps" else name], g[name][:, busy].mean(axis=1), f"mean {name}")
    same(s["end_ps"], g["duration_ps"][:, busy].cumsum(axis=0).max(axis=1), "end_ps: the last GPU's")
    tp, cp, dp = (g[name].max() + 1 for name in ("tp", "cp", "dp"))
    same(g["job_rank"][busy], (g["tp"] + tp * (g["cp"] + cp * (g["dp"] + dp * g["pp"])))[busy], "tp, cp, dp, pp of a job rank")
    gpu_s = s["duration_ps"] * PS * s["gpus_in_job"]
    for kind in "full", "causal":
        close(s[f"mfu_{kind}"], s[f"model_flop_{kind}"] / (gpu_s * s["peak_flop_per_s"]), f"mfu_{kind}")
    close(s["tokens_per_s_gpu"], s["tokens"] / gpu_s, "tokens_per_s_gpu")


def collectives(file):
    c = {name: data[()] for name, data in file["collectives"].items()}
    n, kinds = c["group_size"].astype(float), file["collectives/kind"].attrs["flag_meanings"].split()
    factor = (n - 1) / n * np.where(c["kind"] == kinds.index("all_reduce"), 2, 1)
    close(c["bus_Bps"], c["bytes"] * factor / ((c["end_ps"] - c["start_ps"]) * PS), "bus_Bps")
    claim((np.lexsort((c["start_ps"], c["step"])) == np.arange(len(n))).all(), "collectives are ordered by step, then start")
    claim((c["slowdown"] >= 1 - 1e-12).all(), "no collective is faster than alone")


def links(file, s):
    x = {name: data[()] for name, data in file["links"].items()}
    first, count, seconds = x["first_link"], x["links"], s["duration_ps"] * PS
    for tier, n in enumerate(count):
        for direction in 0, 1:
            where = f"tier {tier}, direction {direction}"
            each = x["link_bytes"][:, first[tier, direction]:first[tier, direction] + n]
            room = x["capacity_Bps"][tier] * seconds[:, None]
            same(x["bytes"][:, tier, direction], each.sum(axis=1), f"bytes of {where}")
            close(x["utilisation_mean"][:, tier, direction], each.sum(axis=1) / (n * room[:, 0]), f"mean of {where}")
            close(x["utilisation_max"][:, tier, direction], (each / room).max(axis=1), f"most of {where}")
            bins = np.minimum(np.ceil(20 * (each / np.floor(room))), 20).astype(int)
            same(x["histogram"][:, tier, direction], [np.bincount(row, minlength=21) for row in bins], f"bins of {where}")
    for step, owner in enumerate(s["links_step"]):
        there = x["hot_link"][step] >= 0
        claim(there.any() == (owner == step), f"step {step} has hot links of its own, or refers to others")
        hot, tier, direction = (x[f"hot_{name}"][step][there] for name in ("link", "tier", "direction"))
        claim(((hot >= first[tier, direction]) & (hot < first[tier, direction] + count[tier])).all(), "tier of hot links")
        same(x["hot_bytes"][step][there], x["link_bytes"][step][hot], "hot_bytes")
        close(x["hot_utilisation"][step][there], x["hot_bytes"][step][there] / (x["capacity_Bps"][tier] * seconds[step]),
              "hot_utilisation")
        order = np.lexsort((hot, -x["hot_utilisation"][step][there], -x["hot_delay_ps"][step][there]))
        same(order, np.arange(len(hot)), "hot links: most delay, then highest utilisation, then least id")
        users = x["user_bytes"][step][there]
        claim((np.diff(np.maximum(users, 0), axis=1) <= 0).all(), "users of a hot link: most bytes first")
        carried, named = x["hot_bytes"][step][there], np.maximum(users, 0).sum(axis=1)
        rounding = carried * 1e-6 + 64
        claim((named <= carried + rounding).all(), "users' bytes")
        missing = (carried - x["hot_traffic_bytes"][step][there].sum(axis=1))
        claim((abs(missing) <= rounding).all(), f"what a hot link carries is for something: {missing} of {carried} B are not")
        all_named = (users < 0).any(axis=1)
        claim((abs(carried - named) <= rounding)[all_named].all(), "where all users of a link are named, their bytes are its bytes")


def intervals(file, s):
    v, x = {name: data[()] for name, data in file["intervals"].items()}, file["links"]
    claim((v["histogram"].sum(axis=3) == x["links"][()][:, None]).all(), "each link is in one bin of an interval")
    begin = np.concatenate([[0], s["intervals_end"]])
    for step, owner in enumerate(s["links_step"]):
        rows = slice(begin[owner], begin[owner + 1])
        same(v["bytes"][rows].sum(axis=0), x["bytes"][step], f"intervals of step {step}")
        gap = x["delay_ps"][step] - v["delay_ps"][rows].sum(axis=0)
        claim((abs(gap) <= (rows.stop - rows.start) * x["links"][()][:, None]).all(), f"delays of step {step}: {gap}")
        same(v["congested_ps"][rows].sum(axis=0), x["congested_ps"][step], f"congested time of step {step}")


def training(emulator):
    for settings in {"noise": "on"}, {"noise": "off"}, {"parallel__pp": 4, "parallel__zero": 1, "parallel__dp": 4}, \
                    {"parallel__tp": 2, "parallel__cp": 2, "parallel__pp": 2}:
        path = emulator.trace(LAPTOP, JOBS / "ddp-small.yaml", "--steps", 3, trace__full_links="on", fabric__routing="ecmp",
                              **settings)
        with h5py.File(path) as file:
            s = steps(file)
            gpus(file, s)
            collectives(file)
            links(file, s)
            intervals(file, s)


def traffic(emulator):
    settings = {"trace__full_links": "on", "fabric__routing": "ecmp", "traffic__bytes": "7654321 B"}
    job = JOBS / "traffic-permutation.yaml"
    path = emulator.trace(LAPTOP, job, "--steps", 3, **settings)
    bound = emulator.trace(LAPTOP, job, "--steps", 3, name="bound", engine__kind="closed", **settings)
    with h5py.File(path) as file, h5py.File(bound) as alone:
        s = steps(file)
        gpus(file, s)
        links(file, s)
        intervals(file, s)
        took = [other["flows/end_ps"][()] - other["flows/start_ps"][()] for other in (file, alone)]
        close(file["flows/slowdown"][()], took[0] / took[1], "slowdown")


def ecmp(emulator):
    row = re.search(r"^\| ECMP, 1 queue pair[^|]*\| ([\d.]+)[^|]*\| ([\d.]+)", (ROOT / "README.md").read_text(), re.M | re.I)
    claim(row, "README has the row of ECMP with one queue pair")
    path = emulator.trace(TOPOLOGIES / "colossus-100k.yaml", JOBS / "traffic-shift.yaml", traffic__ranks=4096,
                          fabric__routing="ecmp", traffic__queue_pairs=1)
    with h5py.File(path) as file:
        f = {name: data[()] for name, data in file["flows"].items()}
    rate = f["bytes"] / ((f["end_ps"] - f["start_ps"]) * PS) / 1e9
    found = rate.mean(), rate.min()
    for value, text in zip(found, row.groups()):
        digits = len(text.partition(".")[2])
        claim(f"{value:.{digits}f}" == text, f"README's pod: {text} GB/s, found {value}")


def table(emulator):
    """What is printed of a step is what its columns hold, as far as it is printed."""
    path = emulator.folder / "table.h5"
    done = emulator.run(LAPTOP, JOBS / "ddp-small.yaml", "--steps", 4, path=path, noise="on")
    rows = re.findall(r"^ +(\d+) +([\d.]+) +([\d.]+) +([\d.]+)% +([\d.]+)% +([0-9a-f]{16})$", done.stdout, re.M)
    claim(len(rows) == 4, f"a row for each step: {done.stdout}")
    with h5py.File(path) as file:
        s = {name: data[()] for name, data in file["steps"].items()}
    for step, *said, fingerprint in rows:
        k = int(step)
        for text, value in zip(said, (s["duration_ps"][k] / 1e9, s["tokens_per_s_gpu"][k], 100 * s["mfu_full"][k],
                                      100 * s["mfu_causal"][k])):
            claim(abs(float(text) - value) <= 0.51 * 10.0 ** -len(text.partition(".")[2]), f"step {k}: {text} for {value}")
        claim(int(fingerprint, 16) == s["fingerprint"][k], f"step {k}: {fingerprint}")
    mean, deviation, slowest, more = map(float, re.search(
        r"all 4: mean ([\d.]+) ms, standard deviation ([\d.]+) ms, slowest step (\d+) \(\+([\d.]+)%\)", done.stdout).groups())
    took = s["duration_ps"] / 1e9
    claim(np.allclose((mean, deviation, slowest), (took.mean(), took.std(), took.argmax()), atol=6e-4) and
          abs(more - 100 * (took.max() / took.mean() - 1)) < 0.06, f"all steps: {mean} {deviation} {slowest} {more} of {took}")
    claim(" all 4" not in emulator.run(LAPTOP, JOBS / "ddp-small.yaml", "--steps", 4).stdout, "equal steps have no spread")
    for job in ("traffic-permutation", "traffic-flows"):
        done = emulator.run(LAPTOP, JOBS / f"{job}.yaml", "--steps", 1, path=path)
        with h5py.File(path) as file:
            took = np.sort(file["flows/end_ps"][:] - file["flows/start_ps"][:])
            rate = file["flows/bytes"][:] / (file["flows/end_ps"][:] - file["flows/start_ps"][:]) * 1e3
        wanted = (len(took), rate.mean(), rate.min(), took[(len(took) - 1) // 2] / 1e9, took[int(np.ceil(0.99 * len(took))) - 1] / 1e9,
                  took[-1] / 1e9)
        said = re.search(r"(\d+) flows, goodput (\S+) GB/s on average, (\S+) of the slowest\n"
                         r" +completion (\S+) ms median, (\S+) ms 99th percentile, (\S+) ms longest", done.stdout)
        claim(said and np.allclose(list(map(float, said.groups())), wanted, rtol=1e-3), f"{job}: {said and said.groups()} for {wanted}")
    # What is priced alone is said where it is missing, of whatever dimension it is.
    for job, keys in (("ddp-small", {}), ("ddp-small", {"parallel__tp": 8}), ("ddp-small", {"parallel__tp": 2, "parallel__cp": 8}),
                      ("moe-small", {})):
        done = emulator.run(LAPTOP, JOBS / f"{job}.yaml", "--steps", 1, path=path, **keys)
        said = [float((re.findall(rf"^  {tier} .* ms(?:  without ([\d.]+) GB a GPU of tp, cp and ep)?$", done.stdout, re.M) or [-1])[0] or 0)
                for tier in ("scale-up", "leaf", "spine")]
        with h5py.File(path) as file:
            wanted = [file[f"steps/priced_{where}_bytes"][0] / 16e9 for where in ("scale_up", "nic")]
        claim(np.allclose(said, [*wanted, 0], rtol=1e-3) and (wanted[0] > 0) == (job != "ddp-small" or keys != {}), f"{job} {keys}: {said} for {wanted}")


def main():
    mpiexec, colossim, case = sys.argv[1:]
    with tempfile.TemporaryDirectory() as folder:
        {"training": training, "traffic": traffic, "ecmp": ecmp, "table": table}[case](Emulator(mpiexec, colossim, folder))


main()
