#!/usr/bin/python3
"""links.py MPIEXEC COLOSSIM CASE: chosen links in time (trace.links).

Laws. `sums`: over a step a chosen link carries what the full row of links says of it; its sampling intervals sum to that, and
its delay and congested time to those of the step; over all links of a tier and direction they are what /intervals and /links
have of it, interval by interval; a link that is among the hottest has there what it has here. So with links shared by hashes,
in bundles, by packets, without time (closed), as islands on two ranks, with replicas that are played for others, and in
steps that repeat others. `named`: a link by its name, a tier, one direction, all; the run is the run without.
`refused`: what names no link, and too many, are said at their key, with what could have been meant. `users`: who uses links is told
from a trace that was asked for none, and sums to what each of them carried.
"""

import re

import h5py
import numpy as np

import islands
from emulator import AS_ISLANDS, EVENT_BY_EVENT, JOBS, TOPOLOGIES, claim, run_case
from timeline import write_strips

LAPTOP = TOPOLOGIES / "laptop-16.yaml", JOBS / "ddp-small.yaml"
ROUNDING = 1e-6  # of delay, which is rounded to picoseconds where it is told


def near(a, b):
    return np.all(np.abs(np.asarray(a, float) - b) <= ROUNDING * np.abs(b) + 1000)


def tier_sums(file, values):
    """Values of all links, summed by tier and direction: [..., tier, direction]."""
    first, links = file["links/first_link"][()], file["links/links"][()]
    sums = [[values[..., begin:begin + n].sum(axis=-1) for begin in row] for row, n in zip(first, links)]
    return np.moveaxis(np.array(sums), (0, 1), (-2, -1))


def claim_users(file, s, carried, where):
    """Laws: all that a chosen link carries is for something, whatever engine plays it; its largest users come first,
    and carry no more than that; a hot link has the users that it has as a chosen one."""
    users = {name: file[f"links/chosen_user_{name}"][s] for name in ("traffic", "source", "destination", "bytes")}
    purpose = np.where(file["links/chosen_traffic_bytes"][s] < 0, 0, file["links/chosen_traffic_bytes"][s])
    # Each flow is cut to whole bytes on each of its links, and so is its part of a bundle.
    claim((np.abs(purpose.sum(axis=-1) - carried) <= 1e-6 * carried + 4096).all(), f"{where}: bytes of purposes")
    shown = np.where(users["bytes"] < 0, 0, users["bytes"])
    claim((np.diff(shown, axis=-1) <= 0).all() and (shown.sum(axis=-1) <= purpose.sum(axis=-1)).all(), f"{where}: the largest first")
    claim(((users["source"] >= 0) == (users["traffic"] >= 0)).all() and (users["source"][shown.sum(axis=-1) > 0, 0] >= 0).all(),
          f"{where}: who uses a link is named")
    hot = file["links/hot_link"][s]
    one = (hot >= 0) & (hot < len(carried))
    for name, values in users.items():
        claim((file[f"links/user_{name}"][s][one] == values[hot[one]]).all(), f"{where}: {name} of users of the hottest")


def claim_sums(path, where, in_time=True):
    """All links are chosen, and full rows of links were kept."""
    with h5py.File(path) as file:
        step = {name: file[f"links/chosen_{name}"][()] for name in ("bytes", "delay_ps", "congested_ps")}
        interval = {name: file[f"intervals/chosen_{name}"][()] for name in step}
        claim((file["links/chosen_link"][()] == np.arange(step["bytes"].shape[1])).all(), f"{where}: all links, by id")
        end, standing = np.concatenate([[0], file["steps/intervals_end"][()]]), file["steps/links_step"][()]
        hot = {name: file[f"links/hot_{name}"][()] for name in ("link", "bytes", "delay_ps", "width")}
        for s in range(len(standing)):
            if standing[s] != s:
                claim((step["bytes"][s] == -1).all() and end[s] == end[s + 1], f"{where}: step {s} stands once")
                continue
            claim((step["bytes"][s] == file["links/link_bytes"][s]).all() and step["bytes"][s].sum() > 0, f"{where}: bytes of links")
            rows = slice(end[s], end[s + 1])
            if in_time:
                claim((interval["bytes"][rows].sum(axis=0) == step["bytes"][s]).all(), f"{where}: bytes of its intervals")
                for name in "delay_ps", "congested_ps":
                    claim(near(interval[name][rows].sum(axis=0), step[name][s]), f"{where}: {name} of its intervals")
            for name in step:
                if name != "congested_ps":  # bundles count as all of their links there
                    claim(near(tier_sums(file, step[name][s]), file[f"links/{name}"][s]), f"{where}: {name} by tier")
                    claim(near(tier_sums(file, interval[name][rows]), file[f"intervals/{name}"][rows]), f"{where}: {name} in time")
            claim_users(file, s, step["bytes"][s], where)
            one = (hot["link"][s] >= 0) & (hot["link"][s] < step["bytes"].shape[1])  # bundles follow links
            for name in "bytes", "delay_ps":
                claim((step[name][s][hot["link"][s][one]] == hot[name][s][one]).all(), f"{where}: {name} of the hottest")
        return float(step["delay_ps"].sum())


def claim_tiers(path, tiers, where):
    """Chosen tiers, without full rows."""
    with h5py.File(path) as file:
        link, end = file["links/chosen_link"][()], file["steps/intervals_end"][0]
        for tier in tiers:
            for d in range(2):
                begin = file["links/first_link"][tier, d]
                here = (link >= begin) & (link < begin + file["links/links"][tier])
                expected = file["links/bytes"][0, tier, d]
                claim(file["links/chosen_bytes"][0][here].sum() == expected > 0, f"{where}: bytes of tier {tier}")
                claim(file["intervals/chosen_bytes"][:end][:, here].sum() == expected, f"{where}: tier {tier} in time")


def sums(emulator):
    # Replicas that others are played for, and bundles that hold nobody, which both ranks load.
    path = emulator.trace(TOPOLOGIES / "superpod-h100-4su.yaml", JOBS / "llama3.1-405b-8k.yaml", AS_ISLANDS, "--steps", 1, ranks=2,
                          name="alike", noise="off", trace__links="[leaf, spine]", trace__hot_links=1, parallel__dp=7, parallel__microbatches=16)
    claim_tiers(path, (1, 2), "bundles of several ranks")
    strips, delay = write_strips(emulator), 0.0
    for name, player, ranks in (("overlap", AS_ISLANDS, 2), ("interleaved", EVENT_BY_EVENT, 1), ("alike", AS_ISLANDS, 2),
                                ("alike_tree", AS_ISLANDS, 1)):
        path = emulator.trace(*strips, player, ranks=ranks, name=name, **islands.STRIPS_SETTINGS[name])
        delay += claim_sums(path, name)
    claim(delay > 0, "links hold transfers up")
    every = {"trace__links": "[all]", "trace__full_links": "on"}
    claim_sums(emulator.trace(*LAPTOP, "--steps", 4, noise="off", **every), "repeated steps")
    claim_sums(emulator.trace(*LAPTOP, "--steps", 1, engine="packet", packet__mtu="1 MiB", **every), "packets")
    traffic = LAPTOP[0], JOBS / "traffic-permutation.yaml"
    claim_sums(emulator.trace(*traffic, engine="closed", **every), "closed", in_time=False)
    claim_sums(emulator.trace(*traffic, fabric__routing="spray", fabric__tiers__leaf__lanes=3, **every), "bundles", in_time=False)


def named(emulator):
    traffic = JOBS / "traffic-permutation.yaml"
    def chosen(links):
        with h5py.File(emulator.trace(LAPTOP[0], traffic, name="chosen", trace__links=links)) as file:
            names = [bytes(row.tobytes()).rstrip(b"\0").decode() for row in file["links/chosen_name"][()]]
            return dict(zip(names, file["links/chosen_bytes"][0].tolist())), file["links/bytes"][0], file["steps/fingerprint"][0]
    every, tiers, print_all = chosen("[all]")
    claim(len(every) == 96 and sum(every.values()) == tiers.sum(), f"all links, each under a name of its own: {len(every)}")
    leaf, tiers, _ = chosen("[leaf]")
    claim(len(leaf) == 32 and sum(leaf.values()) == tiers[1].sum() > 0, f"a tier, both ways: {len(leaf)}")
    claim(list(chosen("[leaf up, leaf]")[0]) == list(leaf), "each link once")
    up, tiers, _ = chosen("[leaf up]")
    claim(len(up) == 16 and sum(up.values()) == tiers[1, 0], "one direction")
    name = max(leaf, key=leaf.get)
    one, _, print_one = chosen(f"['{name}']")
    claim(one == {name: leaf[name]}, f"a link by its name: {one}")
    claim(print_one == print_all, "what is kept changes no result")


def refused(emulator):
    for links, words in (("[spin]", "links names no link or tier 'spin'; wanted all, a tier such as 'spine' or 'spine up', or a link "
                                    "such as 'leaf 0 port"), ("[leaf down, spine left]", "links names no link or tier 'spine left'")):
        done = emulator.run(*LAPTOP, ranks=0, trace__links=links)
        claim(done.returncode == 2 and words in done.stderr and "--set" in done.stderr, f"{links}: {done.stderr}")
    done = emulator.run(TOPOLOGIES / "meta-24k-roce.yaml", LAPTOP[1], ranks=0, trace__links="[all]")
    claim(done.returncode == 2 and "at most 8192 are kept in time" in done.stderr, done.stderr)


UNITS = {unit: 1000**k for k, unit in enumerate(("B", "kB", "MB", "GB", "TB"))}


def claim_told(emulator, path, where):
    """What `users` says of all links, against the full rows of links; returns what is said of who for what."""
    done = emulator.call("users", path, "all")
    claim(done.returncode == 0 and not done.stderr, f"{where}: {done.stderr}")
    said = re.findall(r"^\S.*: ([\d.e+]+) (\wB|B) a step$", done.stdout, re.M)
    purposes = re.findall(r"^    (\S+), (\w+): ([\d.e+]+) (\wB|B)", done.stdout, re.M)
    with h5py.File(path) as file:
        carried = file["links/link_bytes"][:].max(axis=0) if len(file["links/link_bytes"]) == 1 else file["links/link_bytes"][:].sum(axis=0)
    told = np.array([float(amount) * UNITS[unit] for amount, unit in said])
    claim(len(told) == len(carried) and (np.abs(told - carried) <= 1e-3 * carried + 4096).all(), f"{where}: all that each link carries")
    parts = sum(float(amount) * UNITS[unit] for _, _, amount, unit in purposes)
    claim(abs(parts - carried.sum()) <= 1e-3 * carried.sum(), f"{where}: and what for: {parts} of {carried.sum()}")
    return {(job, what) for job, what, *_ in purposes}


def two_jobs(emulator):
    """One that trains and one of traffic, on two nodes each."""
    texts = {"trains": "kind: training\nname: trains\nmodel: gpt-1.7b\nparallel: {dp: auto, microbatches: 2}\ntraining: {sequence: 2048}\nsteps: 1\nplacement: {nodes: 0-1}\n",
             "beside": "kind: traffic\nname: beside\ntraffic: {pattern: permutation, bytes: 1 GB}\nplacement: {nodes: 2-3}\n"}
    for name, text in texts.items():
        (emulator.folder / f"{name}.yaml").write_text("schema_version: 1\n" + text)
        yield emulator.folder / f"{name}.yaml"


def users(emulator):
    path = emulator.trace(LAPTOP[0], JOBS / "moe-small.yaml", ranks=2, steps=1, parallel__ep=16, trace__full_links="on", fabric__routing="ecmp")
    claim(claim_told(emulator, path, "experts") == {("moe-small", "ep"), ("moe-small", "dp")}, "experts and gradients")
    one = emulator.call("users", path, "gpu 3 nic -> leaf 3")
    claim(one.stdout.startswith("gpu 3 nic -> leaf 3: ") and "most GPU 3 -> GPU " in one.stdout, f"one link: {one.stdout}")
    several = emulator.folder / "several.h5"
    done = emulator.call("run", TOPOLOGIES / "superpod-h100-1su.yaml", *two_jobs(emulator), "--progress", "none", "--output", several, "--set", "trace.full_links=on")
    claim(done.returncode == 0, done.stderr)
    claim(claim_told(emulator, several, "two jobs") == {("trains", "dp"), ("beside", "flow")}, "who is of which job")
    words = ("gpu 3 nic -> leaf 33", "no link or tier"), ("leaf", "takes no setting", "--set", "steps=3")
    for link, text, *more in words:
        done = emulator.call("users", several, link, *more)
        claim(done.returncode == 2 and text in done.stderr and not done.stdout, f"{link}: {done.stderr}")
    done = emulator.call("users", JOBS / "ddp-small.yaml", "leaf")
    claim(done.returncode == 2 and "ddp-small.yaml" in done.stderr, f"no trace: {done.stderr}")


if __name__ == "__main__":
    run_case(sums, named, refused, users)
