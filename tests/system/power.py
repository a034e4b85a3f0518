#!/usr/bin/python3
"""power.py MPIEXEC COLOSSIM CASE: what a run draws.

`sums`: in traces of training with noise, of two jobs and of traffic, the parts sum to the energy exactly, the power in time
integrates to it, GPUs draw between idle and their limit, and the measures of the wave are those of the wave. `bubble`: fewer
microbatches draw less and cost more a token. `wave`: a step that anyone can add up. `same`: the same on any number of ranks, with both players, and told instead of
played. `published`: GPT-3 on 512 H100 in immersion, against nodes measured at the wall. `site`: Colossus as README adds it up.
`optics`: optics of every machine. `tiers`: power of nodes, racks and the site in time. `closed`: the closed engine draws what
the flow engine does but for contention. `cap`: what a lower and lower cap does to a step; that a rack's, a site's and a warm
inlet's are caps of GPUs; the same on any ranks, with both players.
"""

import re
import subprocess

import h5py
import numpy as np

from emulator import AS_ISLANDS, EVENT_BY_EVENT, EVERY_STEP, JOBS, ROOT, TOPOLOGIES, claim, differences, run_case

LAPTOP, POD = TOPOLOGIES / "laptop-16.yaml", TOPOLOGIES / "superpod-h100-1su.yaml"
PARTS = [name + "_J" for name in (
    "gpu_compute gpu_communication gpu_bubble gpu_waiting gpu_idle hosts fans nics switches optics services loss "
    "cooling").split()]
IDLE_W, STILL_W, LIMIT_W = 85, 208, 700
# Mean of nodes over three runs, SMC, GPT-3 on 512 H100 in immersion: mlcommons/training_results_v4.0, power logs.
NODE_W = 6849
PIPELINE = """schema_version: 1
kind: training
model: gpt-1.7b
parallel:
  tp: 8
  pp: 4
  dp: 4
  schedule: 1f1b
  microbatches: {microbatches}
  zero: 1
training:
  sequence: 2048
  attention: flash2
noise: {noise}
steps: {steps}
"""


def pipeline(emulator, microbatches=8, noise="on", steps=3):
    path = emulator.folder / f"pipeline-{microbatches}-{noise}-{steps}.yaml"
    path.write_text(PIPELINE.format(microbatches=microbatches, noise=noise, steps=steps))
    return path


def power(path):
    with h5py.File(path) as file:
        found = {name: data[()] for name, data in file["power"].items()}
        found["duration_s"] = file["steps/duration_ps"][()] * 1e-12
        if "gpu_J" in found:
            own = file["gpus/duration_ps"][()]
            found["own_s"] = np.where(own < 0, 0, own * 1e-12)
            works = file["gpus/job"][()] >= 0
            found["job_gpus"] = works.sum()
            found["work_s"] = sum(file[f"gpus/{name}_ps"][()][:, works].sum(axis=1) * 1e-12
                                  for name in ("compute", "own_slow", "sharing"))
        found["gpu_s"] = file["gpus/gpu"].shape[0] * found["duration_s"]
        found["tokens"] = file["steps/tokens"][()] if "steps/tokens" in file else None
    for name in "site_W", "gpus_W":
        claim((found["wave_step"] <= np.arange(len(found["wave_step"]))).all(), "waves stand in the rows of earlier steps")
        found[name] = found[name][found["wave_step"]]
    return found


def near(found, wanted, text, rtol=1e-9):
    claim(np.allclose(found, wanted, rtol=rtol, atol=0), f"{text}: {found}, not {wanted}")


def battery(wave_W, phase_s, band):
    """The largest sum of phases beyond the band, over all runs of phases that may go round once."""
    mean, most = wave_W.mean(), 0.0
    for sign, edge in ((1, mean * (1 + band)), (-1, -mean * (1 - band))):
        sums = np.concatenate([[0], np.cumsum(np.tile(sign * wave_W - edge, 2))])
        most = max(most, (sums - np.minimum.accumulate(sums)).max())
    return most * phase_s


def check_sums(path, jobs=1):
    p = power(path)
    total = np.zeros_like(p["energy_J"])
    for part in PARTS:
        claim((p[part] >= 0).all(), f"{part} is not negative: {p[part]}")
        total = total + p[part]
    claim((total == p["energy_J"]).all(), f"parts sum to the energy to the bit: {total - p['energy_J']}")
    gpus_J = sum(p[part] for part in PARTS[:5])
    near(p["mean_W"] * p["duration_s"], p["energy_J"], "mean power times duration")
    near(p["site_W"].mean(axis=1) * p["duration_s"], p["energy_J"], "power of the site over time")
    near(p["gpus_W"].mean(axis=1) * p["duration_s"], gpus_J, "power of GPUs over time")
    near(p["peak_W"], p["site_W"].max(axis=1), "peak")
    near(p["least_W"], p["site_W"].min(axis=1), "least")
    phase_s = p["duration_s"] / p["site_W"].shape[1]
    ramp = np.abs(np.diff(np.concatenate([p["site_W"], p["site_W"][:, :1]], axis=1))).max(axis=1) / phase_s
    claim(np.allclose(p["ramp_W_per_s"], ramp, rtol=1e-9, atol=1e-6 * p["mean_W"].max()), f"ramp: {p['ramp_W_per_s']}, not {ramp}")
    swing = 4 * np.abs(np.fft.fft(p["site_W"], axis=1)[:, 1]) / p["site_W"].shape[1]
    claim(np.allclose(p["swing_W"], swing, rtol=1e-9, atol=1e-9 * p["mean_W"].max()), f"swing: {p['swing_W']}, not {swing}")
    held = [battery(wave, width, 0.05) for wave, width in zip(p["site_W"], phase_s)]
    claim(np.allclose(p["battery_J"], held, rtol=1e-9, atol=1e-9 * p["energy_J"].max()), f"battery: {p['battery_J']}, not {held}")
    if jobs == 1:
        # A step of each GPU and that of the job differ by what some begin earlier.
        each_W = gpus_J / p["gpu_s"]
        claim((each_W >= IDLE_W).all() and (each_W <= 1.01 * LIMIT_W).all(), f"GPUs draw {each_W} W")
    if jobs == 1 and "gpu_J" in p:
        # At no time do they draw more than at work, or less than standing still.
        idle = p["gpu_s"][0] / p["duration_s"][0] - p["job_gpus"]
        each_W = (p["gpus_W"] - idle * IDLE_W) / p["job_gpus"]
        work_W = (p["gpu_compute_J"] / p["work_s"])[:, None]
        claim((each_W <= 1.003 * work_W).all() and (each_W >= 0.997 * STILL_W).all(),
              f"GPUs draw {each_W.min()} to {each_W.max()} W at some time, {work_W} at work")
    if "gpu_J" in p:
        near(np.nansum(p["gpu_J"], axis=1)[p["tokens"] > 0], (gpus_J - p["gpu_idle_J"])[p["tokens"] > 0], "GPUs one by one")
        own_W = p["gpu_J"] / p["own_s"]
        claim((own_W[p["own_s"] > 0] > IDLE_W).all() and (own_W[p["own_s"] > 0] < LIMIT_W).all(), "each GPU draws between idle and its limit")
    if p["tokens"] is not None:
        training = p["tokens"] > 0
        near(p["energy_per_token_J"][training], (p["energy_J"] / np.maximum(p["tokens"], 1))[training], "energy a token")
    return p


def sums(emulator):
    check_sums(emulator.trace(POD, pipeline(emulator)))
    check_sums(emulator.trace(POD, pipeline(emulator, noise="off", steps=1), name="gpipe", parallel__tp=1, parallel__dp=64,
                              parallel__schedule="gpipe"))
    check_sums(emulator.trace(LAPTOP, JOBS / "ddp-small.yaml", "--steps", "2", name="ddp"))
    traffic = check_sums(emulator.trace(LAPTOP, JOBS / "traffic-permutation.yaml", name="traffic"))
    claim(not traffic["gpu_compute_J"].any() and traffic["gpu_communication_J"].all(), "traffic computes nothing")
    # Beside each other, two jobs of eight GPUs have half of what is not a GPU's own each.
    for name, first in ("one", 0), ("two", 1):
        (emulator.folder / f"{name}.yaml").write_text(
            (JOBS / "ddp-small.yaml").read_text().replace("dp: auto", "dp: 8") + f"placement: {{nodes: {first}}}\n")
    path = emulator.folder / "both.h5"
    done = emulator.call("run", LAPTOP, emulator.folder / "one.yaml", emulator.folder / "two.yaml", "--steps", "1",
                         "--output", path, "--progress", "none")
    claim(done.returncode == 0, done.stderr)
    both = check_sums(path, jobs=2)
    alone = check_sums(emulator.trace(LAPTOP, emulator.folder / "one.yaml", "--steps", "1", name="alone"))
    near(both["nics_J"] / both["duration_s"], alone["nics_J"] / alone["duration_s"] / 2, "half of the NICs each")
    claim((both["gpu_idle_J"] == 0).all() and (alone["gpu_idle_J"] > 0).all(), "a GPU is idle where no job has it")
    near(alone["gpu_idle_J"], 8 * IDLE_W * alone["duration_s"], "idle GPUs")


def bubble(emulator):
    few, many = (power(emulator.trace(POD, pipeline(emulator, n, "off", 1), name=f"m{n}")) for n in (4, 32))
    claim(few["gpu_bubble_J"][0] / few["energy_J"][0] > many["gpu_bubble_J"][0] / many["energy_J"][0], "fewer microbatches, more bubble")
    claim(few["mean_W"][0] < many["mean_W"][0], "more bubble draws less")
    # While the pipeline fills, one of four stages works.
    wave = few["gpus_W"][0]
    claim(wave[2] < 0.66 * wave.max(), f"the pipeline is empty at first: {wave[:8]} of {wave.max()}")
    claim(few["energy_per_token_J"][0] > many["energy_per_token_J"][0], "and costs more a token")


def wave(emulator):
    """A step that anyone can add up: 16 GPUs work, then wait for their gradients, and that is all. In communication an H100
    draws 85 + 35 % of 615 W; the first harmonic of a pulse that lasts d of the time is 4 / pi sin(pi d) of its height."""
    path = emulator.trace(LAPTOP, JOBS / "ddp-small.yaml", "--steps", "1", name="pulse", noise="off")
    p = check_sums(path)
    with h5py.File(path) as file:
        exposed = file["steps/dp_exposed_ps"][0] / file["steps/duration_ps"][0]
    site_W, gpus_W = p["site_W"][0], p["gpus_W"][0]
    high, low = site_W.max(), site_W.min()
    near(gpus_W.min(), 16 * (85 + 0.35 * 615), "GPUs in communication", 1e-3)
    near(gpus_W.max(), 16 * p["gpu_compute_J"][0] / p["work_s"][0], "GPUs at work", 1e-3)
    near(gpus_W.mean(), gpus_W.max() - exposed * (gpus_W.max() - gpus_W.min()), "their mean", 1e-3)
    duty = (site_W.mean() - low) / (high - low)
    near(1 - duty, exposed, "communication lasts as long as it is exposed", 0.02)
    near(p["swing_W"][0], 4 / np.pi * np.sin(np.pi * duty) * (high - low), "swing of a pulse", 0.01)
    outside = 0.95 * site_W.mean() - site_W
    near(p["battery_J"][0], outside[outside > 0].sum() * p["duration_s"][0] / 200, "the battery takes over while GPUs wait", 1e-6)


def same(emulator):
    for noise in "on", "off":
        job = pipeline(emulator, noise=noise)
        whole = {"model": "llama3-8b"}  # whose stages do not share an embedding: replicas can be played apart
        first = emulator.trace(POD, job, EVENT_BY_EVENT, EVERY_STEP, name="first", **whole)
        for ranks, options in ((1, [AS_ISLANDS]), (2, [AS_ISLANDS]), (3, []), (2, [EVENT_BY_EVENT])):
            other = emulator.trace(POD, job, EVERY_STEP, *options, ranks=ranks, name="other", **whole)
            with h5py.File(other) as file:
                claim(AS_ISLANDS not in options or file["run"].attrs["islands"] > 0, "replicas are played apart")
            found = differences(first, other)
            claim(not found, f"noise {noise}, {ranks} ranks, {options}: {found}")
    # Told from the step before, its wave stands there.
    told, played = power(emulator.trace(POD, job, name="told", **whole)), power(first)
    for name in *PARTS, "energy_J", "site_W", "battery_J":
        near(told[name], played[name], f"told: {name}")


def published(emulator):
    path = emulator.trace(ROOT / "topologies/published/dgx-h100-ndr400.yaml", ROOT / "jobs/published/mlperf-gpt3.yaml",
                          "--steps", "2", nodes=64, fabric__installed=1, parallel__dp=16, power__cooling="immersion")
    node_W = check_sums(path)["node_W"][-1]
    claim(abs(node_W / NODE_W - 1) < 0.1, f"a node draws {node_W:.0f} W at the wall, measured {NODE_W}")
    print(f"a node draws {node_W:.0f} W at the wall, measured {NODE_W}")


def site(emulator):
    shown = emulator.call("show", TOPOLOGIES / "colossus-100k.yaml").stdout
    rows = {name: float(MW) for name, MW in re.findall(r"^    (\w+) +([\d.]+) MW", shown, re.M)}
    whole = float(re.search(r"power +([\d.]+) MW at most", shown).group(1))
    claim(rows["gpus"] == 70, f"GPUs: {rows}")
    claim(142 <= whole <= 171 and abs(sum(rows.values()) - whole) < 0.1, f"site: {whole} of {rows}")
    readme = (TOPOLOGIES / "README.md").read_text()
    claim(f"| site | | {whole:.1f} |" in readme, f"README adds up to {whole:.1f}")


def optics(emulator):
    """Of every machine: optics tier by tier draw what the site's optics do, stand at both ends of cables, no more ports are in
    use than there are, and planes are alike."""
    for path in sorted(TOPOLOGIES.glob("*.yaml")):
        text = emulator.call("show", path).stdout.replace(",", "")
        found = re.findall(r"^  ([\w-]+) +(\d+) +(\d+) +[\d.]+ +[\d.]+ +\d+\+", text, re.M)
        counts, cables = ({row[0]: int(row[column]) for row in found} for column in (1, 2))
        rows = re.findall(r"^  ([\w-]+) +([\d.]+)% +(\d+) +([\d.]+) +([\d.e-]+) +[\d.e+]+(?:   (\d+) (\d+) (\d+))?$", text, re.M)
        claim([row[0] for row in rows] == list(cables), f"{path.name}: tiers {rows}, not {cables}")
        planes = int(re.search(r"planes +(\d+)|$", text).group(1) or 1)
        for name, used, n, each_W, MW, switches, below, of_plane in rows:
            claim((float(used) > 0) == (counts[name] > 0) and float(used) <= 100, f"{path.name}: {used} % of the ports of {name} are in use")
            claim(int(n) in (0, 2 * cables[name]), f"{path.name}: {n} optics at {cables[name]} cables of {name}")
            near(float(MW), int(n) * float(each_W) / 1e6, f"{path.name}: {name}", 0.01)
            claim((planes > 1) == bool(switches), f"{path.name}: {planes} planes, {name} {switches}")
            if planes > 1:
                claim(int(below) * planes == cables[name] and int(of_plane) * planes == int(n), f"{path.name}: planes of {name}")
        drawn = float(re.search(r"^    optics +([\d.]+) MW", text, re.M).group(1))
        claim(abs(sum(float(row[4]) for row in rows) - drawn) < 0.001 + 0.001 * drawn, f"{path.name}: {drawn} MW, {rows}")


def node_J(path, step):
    """What each node takes at the wall in a step, from its GPUs' own columns: hosts, NICs, fans, one end of the NICs' cables."""
    with h5py.File(path) as file:
        seconds = file["steps/duration_ps"][step] * 1e-12
        gpus, gpu_J = file["gpus/node"][()], file["power/gpu_J"][step]
        work_s = sum(file[f"gpus/{name}_ps"][step] for name in ("compute", "own_slow", "sharing")) * 1e-12
        inside = np.where(np.isnan(gpu_J), IDLE_W * seconds, gpu_J + 50 * work_s) + (150 + 25) * seconds
        return np.bincount(gpus, 1.15 * inside + 8 * seconds) / 0.96, seconds, ~np.isnan(gpu_J)


def tiers(emulator):
    """A job that fills the site, and one beside spares: tiers are sums of nodes, nodes are sums of their GPUs."""
    for dp, spares in (8, 0), (5, 96):
        path = emulator.trace(POD, pipeline(emulator), name="tiers", parallel__dp=dp)
        with h5py.File(path) as file:
            p = {name: data[()] for name, data in file["power"].items()}
        for step, wave in enumerate(p["wave_step"]):
            took_J, seconds, works = node_J(path, wave)
            total = None
            for t, gpus in enumerate(p["tier_gpus"]):
                units = np.arange(256) // gpus
                own = np.unique(units[works])
                unit_J = np.bincount(units[::8], took_J)[own]
                mean, least, most, hot = (p[f"tier_{name}_W"][wave, t] for name in ("mean", "least", "most", "hottest"))
                claim(p["tier_units"][wave, t] == len(own), f"step {step}, tier {t}: units with the job's GPUs")
                near(mean.mean() * seconds, unit_J.mean(), f"step {step}, tier {t}: mean over units")
                near(hot.mean() * seconds, unit_J.max(), f"step {step}, tier {t}: the hottest unit")
                near(unit_J[own == p["tier_hottest"][wave, t] // gpus], unit_J.max(), "which one that is")
                claim(((least <= mean * (1 + 1e-12)) & (mean <= most * (1 + 1e-12)) & (least <= hot) & (hot <= most)).all(),
                      f"step {step}, tier {t}: least, mean, most")
                claim(least.mean() * seconds <= unit_J.min() * (1 + 1e-9), f"step {step}, tier {t}: the least is at most the least unit")
                if spares == 0:
                    total = mean * len(own) if total is None else total
                    near(mean * len(own), total, f"step {step}, tier {t}: the same in all")
                    near(mean.mean() * len(own), p["node_W"][wave] * 32, f"step {step}, tier {t}: all nodes")


def closed(emulator):
    job = pipeline(emulator, noise="off", steps=1)
    flow, plain = (check_sums(emulator.trace(POD, job, name=kind, engine__kind=kind)) for kind in ("flow", "closed"))
    near(plain["gpu_compute_J"], flow["gpu_compute_J"], "work costs the same", 0.02)
    near(plain["energy_J"], flow["energy_J"], "and so does all, nearly", 0.1)


def words(done):
    """Of GPUs that are capped: at how many watts, and what part of their rate they keep."""
    claim(done.returncode == 0, done.stderr)
    found = re.findall(r"capped at ([\d.]+) of 700 W: what computes keeps ([\d.]+) % of its rate", done.stdout)
    return [(float(W), float(percent) / 100) for W, percent in found]


def products_s(path, left):
    """Time in products, of all time at work, told from the power that it took, where a cap leaves that of a GPU's range."""
    with h5py.File(path) as file:
        work_s = file["steps/compute_ps"][0] * 1e-12 * (file["gpus/job"][()] >= 0).sum()
        share = (file["power/gpu_compute_J"][0] / work_s - IDLE_W) / (LIMIT_W - IDLE_W)
    return work_s * (share - 0.75) / (0.975 * left - 0.75)


def cap(emulator):
    job = pipeline(emulator, noise="off", steps=1)
    free = emulator.trace(POD, job, name="free")
    with h5py.File(free) as file:
        free_s, work_s, fingerprint = (file[f"steps/{name}"][0] for name in ("duration_ps", "compute_ps", "fingerprint"))
    before_s, worked_J = 0, []
    for W in (900, 700, 640, 560, 480, 400, 350, 310):
        done = emulator.run(POD, job, path=emulator.folder / "cap.h5", power__gpu_cap=f"{W} W")
        said = words(done)
        with h5py.File(emulator.folder / "cap.h5") as file:
            now_s, now_work_s, now = (file[f"steps/{name}"][0] for name in ("duration_ps", "compute_ps", "fingerprint"))
        if W >= 700:
            claim(now == fingerprint and not said, f"a cap of {W} W is none")
            continue
        claim([at for at, _ in said] == [W], f"{W} W: {said}")
        claim(max(before_s, free_s) <= now_s <= free_s / (said[0][1] - 0.001), f"{W} W: {now_s} ps, {free_s} without, {said}")
        claim(work_s < now_work_s < work_s / (said[0][1] - 0.001), f"{W} W: work of {now_work_s} ps, {work_s} without")
        p = check_sums(emulator.folder / "cap.h5")
        if W == 640:
            near(products_s(emulator.folder / "cap.h5", 555 / 615) * said[0][1], products_s(free, 1),
                 "the same products at a lower clock", 0.003)
        claim((p["gpu_J"] <= W * p["own_s"])[p["own_s"] > 0].all() and p["gpus_W"].max() <= 256 * W,
              f"no GPU draws more than {W} W")
        before_s = now_s
        worked_J.append(p["gpu_compute_J"][0])
    claim(worked_J[:5] == sorted(worked_J[:5], reverse=True) and worked_J[5] > worked_J[4],
          f"GPUs take less for the work, until their voltage is least: {worked_J}")

    # What a rack and the site are built for, below a cap, is the cap: by GPUs at 600 W, as caps of their own.
    at = words(emulator.call("show", POD, "--set", "power.site_cap=330 kW"))[0][0]
    shown = emulator.call("show", POD, "--set", f"power.gpu_cap={at} W").stdout
    claim(abs(float(re.search(r"power +([\d.]+) MW at most", shown).group(1)) - 0.330) < 0.001, shown)
    claim(words(emulator.call("show", POD, "--set", "power.inlet=38.14 C"))[0][0] == 600, "57 K above 30 C of air, 48.86 above 38.14")
    for ranks, options in ((1, [EVENT_BY_EVENT]), (1, [AS_ISLANDS]), (2, [AS_ISLANDS]), (3, []), (2, [EVENT_BY_EVENT])):
        path = emulator.trace(POD, pipeline(emulator), EVERY_STEP, *options, ranks=ranks, model="llama3-8b",
                              name="first" if options == [EVENT_BY_EVENT] and ranks == 1 else "other", power__gpu_cap="500 W")
        found = differences(emulator.folder / "first.h5", path)
        claim(not found, f"capped, {ranks} ranks, {options}: {found}")


run_case(sums, bubble, wave, same, published, site, optics, tiers, closed, cap)
