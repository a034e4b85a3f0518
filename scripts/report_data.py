"""report_data.py: what the page of scripts/report draws, from a trace, as plain lists; a part of scripts/report.

A page must stay small enough to be mailed and quick enough to be clicked, so that of very much only some is taken, which the page
then says: steps in time, GPUs of the timeline, points of collectives.
"""

import math

import numpy as np

import export_tables
import trace_file
from trace_file import PS

MOST_STEPS = 24        # drawn in time: intervals, power
MOST_TIMELINE = 36000  # operations drawn
MOST_POINTS = 4000     # collectives or flows
MOST_HOT = 16          # links in time
MOST_CHOSEN = 40       # chosen links in time
STAGES = 64            # bars of parts by pipeline stage


def plain(value):
    """For JSON: no NaN, no NumPy, few digits."""
    if isinstance(value, dict):
        return {key: plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(item) for item in value]
    if isinstance(value, np.ndarray):
        return plain(value.tolist())
    if isinstance(value, (float, np.floating)):
        return float(f"{value:.6g}") if math.isfinite(value) else None
    return int(value) if isinstance(value, np.integer) else value


def evenly(items, most):
    """At most so many, the last among them."""
    items = list(items)
    if len(items) <= most:
        return items
    return [items[i] for i in np.unique(np.linspace(0, len(items) - 1, most).astype(int))]


def step_table(trace):
    """Columns along steps."""
    names = {"start_s": ("start_ps", PS), "step_ms": ("duration_ps", PS * 1e3), "tokens_per_s_gpu": ("tokens_per_s_gpu", 1),
             "mfu": ("mfu_full", 1), "mfu_causal": ("mfu_causal", 1)}
    table = {key: trace[f"steps/{name}"] * factor for key, (name, factor) in names.items() if f"steps/{name}" in trace.file}
    table["fingerprint"] = [f"{value:016x}" for value in trace["steps/fingerprint"].tolist()]
    if "steps/job" in trace:
        table["job"] = trace["steps/job"]
    table["delay_ms"] = trace["links/delay_ps"].sum(axis=(1, 2)) * PS * 1e3
    table["busiest"] = trace["links/utilisation_max"].max(axis=2)
    table["site_kW"] = trace["power/mean_W"] / 1e3
    return table


def part_table(trace):
    """Mean over GPUs, in ms, step by step; and by pipeline stage in the last step of each."""
    if not trace.training:
        return None
    parts = trace.parts()
    table = {"names": [trace_file.part_label(part) for part in parts], "colours": [trace_file.part_colour(part) for part in parts],
             "steps": [trace[f"steps/{part}_ps"] * PS * 1e3 for part in parts]}
    stage, step = trace["gpus/pp"], trace.nsteps - 1
    working = ~np.isnan(trace.amounts("gpus/duration_ps")[step])
    stages = evenly(sorted(set(stage[working].tolist())), STAGES)
    columns = {part: trace.amounts(f"gpus/{part}_ps")[step] for part in parts}
    table["stages"] = stages
    table["by_stage"] = [[columns[part][working & (stage == s)].mean() * PS * 1e3 for s in stages] for part in parts]
    table["slowest"] = slowest_gpus(trace, columns, working)
    return table


def slowest_gpus(trace, columns, working):
    """GPUs that lost most by themselves in the last step."""
    own = columns.get("own_slow")
    if own is None:
        return []
    order = np.argsort(np.where(working, -own, np.inf), kind="stable")[:10]
    place = {name: trace[f"gpus/{name}"] for name in ("node", "slot", "pp", "dp")}
    return [{"gpu": int(gpu), "ms": own[gpu] * PS * 1e3, **{name: int(values[gpu]) for name, values in place.items()}}
            for gpu in order if working[gpu] and own[gpu] > 0]


def congestion(trace):
    """Load and delay of tiers in time, for steps whose intervals stand in the file."""
    standing = evenly(sorted(set(trace.standing.tolist())), MOST_STEPS)
    used = [tier for tier in range(len(trace.tiers)) if trace["links/bytes"][:, tier].any()]
    steps = []
    for step in standing:
        rows = np.flatnonzero(trace.interval_step == step)
        if len(rows) == 0:
            continue
        start, end = trace["intervals/start_ps"][rows], trace["intervals/end_ps"][rows]
        load = trace.load_in_time(rows)
        histogram = trace["intervals/histogram"][rows]
        fullest = (histogram[..., ::-1] > 0).argmax(axis=-1)
        fullest = (histogram.shape[-1] - 1 - fullest) / (histogram.shape[-1] - 1) * 100
        steps.append({"step": step, "again": np.flatnonzero(trace.standing == step),
                      "ms": (start - trace["steps/start_ps"][step]) * PS * 1e3,
                      "end_ms": (end[-1] - trace["steps/start_ps"][step]) * PS * 1e3,
                      "load": load[:, used].transpose(1, 2, 0), "fullest": fullest[:, used].transpose(1, 2, 0),
                      "delay_ms": trace["intervals/delay_ps"][rows][:, used].sum(axis=2).T * PS * 1e3,
                      "bins": histogram[:, used].transpose(1, 2, 0, 3), "hot": hot_in_time(trace, rows),
                      "chosen": chosen_in_time(trace, rows, (end - start) * PS)})
    return {"tiers": [trace.tiers[tier] for tier in used], "steps": steps,
            "left_out": len(set(trace.standing.tolist())) - len(standing)}


def names_of_links(trace, links):
    """Names as the hottest links of a step have them; of others the tier, direction and number there."""
    known = dict(zip(trace["links/hot_link"].ravel().tolist(), trace.texts("links/hot_name").ravel().tolist()))
    first = trace["links/first_link"]
    places = sorted((int(first[t, d]), f"{name} {way}") for t, name in enumerate(trace.tiers)
                    for d, way in enumerate(trace_file.DIRECTIONS))
    nlinks = 2 * int(trace["links/links"].sum())
    for link in links:
        if link not in known:
            begin, place = max(one for one in places if one[0] <= link)
            known[link] = f"{place} {link - begin}" if link < nlinks else f"bundle {link - nlinks}"
    return [known[link] for link in links]


def hot_in_time(trace, rows):
    """The links that were among the hottest most heavily, and their utilisation interval by interval."""
    link = trace["intervals/hot_link"][rows]
    load = trace["intervals/hot_utilisation"][rows]
    delay = trace["intervals/hot_delay_ps"][rows].astype(float)
    there = link >= 0
    found = {}
    for one in np.unique(link[there]).tolist():
        here = link == one
        found[one] = (delay[here].sum(), load[here].sum())
    best = sorted(found, key=lambda one: (-found[one][0], -found[one][1], one))[:MOST_HOT]
    cells = [[int(i), row, float(load[i, j] * 100), float(delay[i, j] * PS * 1e3)]
             for row, one in enumerate(best) for i, j in zip(*np.nonzero(link == one)) if load[i, j] > 0]
    return {"names": names_of_links(trace, best), "cells": cells}


def chosen_in_time(trace, rows, seconds):
    """Chosen links (trace.links) that carried most, as hot_in_time has the hottest."""
    if "links/chosen_link" not in trace:
        return None
    link, first = trace["links/chosen_link"], trace["links/first_link"]
    order = np.argsort(first[:, 0])
    tier = order[np.searchsorted(first[order, 0], link, side="right") - 1]
    moved = trace["intervals/chosen_bytes"][rows]
    best = [i for i in np.argsort(-moved.sum(axis=0), kind="stable")[:MOST_CHOSEN] if moved[:, i].any()]
    load = moved[:, best] / (trace["links/capacity_Bps"][tier[best]][None, :] * seconds[:, None]) * 100
    delay = trace["intervals/chosen_delay_ps"][rows][:, best] * PS * 1e3
    names = trace.texts("links/chosen_name")[best].tolist()
    return {"names": names, "cells": [[int(i), int(row), float(load[i, row]), float(delay[i, row])] for i, row in
                                      zip(*np.nonzero(load > 0))]}


def hottest(trace):
    """The hottest links of the last step by name, with their users."""
    step, traffic = trace.nsteps - 1, trace.words("links/user_traffic")
    names = trace.texts("links/hot_name")[step]
    column = {name: trace[f"links/{name}"][step] for name in
              ("hot_link", "hot_tier", "hot_direction", "hot_utilisation", "hot_delay_ps", "hot_bytes", "hot_width", "user_traffic",
               "user_source", "user_destination", "user_bytes")}
    rows = []
    for i in np.flatnonzero(column["hot_link"] >= 0)[:20]:
        users = [f"{traffic[column['user_traffic'][i, u]]} {column['user_source'][i, u]} → {column['user_destination'][i, u]}: "
                 f"{trace_file.human_bytes(column['user_bytes'][i, u])}" for u in range(column["user_traffic"].shape[1])
                 if column["user_traffic"][i, u] >= 0]
        rows.append({"name": str(names[i]), "tier": trace.tiers[column["hot_tier"][i]], "width": column["hot_width"][i],
                     "load": column["hot_utilisation"][i] * 100, "delay_ms": column["hot_delay_ps"][i] * PS * 1e3,
                     "bytes": trace_file.human_bytes(int(column["hot_bytes"][i])), "users": users})
    return rows


def fabric(trace):
    """Tiers of the last step: what they have, what they carried, how it spreads over links."""
    step = trace.nsteps - 1
    rows = []
    for tier, name in enumerate(trace.tiers):
        for d, direction in enumerate(trace_file.DIRECTIONS):
            rows.append({"tier": name, "direction": direction, "links": int(trace["links/links"][tier]),
                         "rate": trace_file.human_rate(float(trace["links/capacity_Bps"][tier])),
                         "bytes": trace_file.human_bytes(float(trace["links/bytes"][step, tier, d])),
                         "mean": trace["links/utilisation_mean"][step, tier, d] * 100,
                         "most": trace["links/utilisation_max"][step, tier, d] * 100,
                         "delay_ms": trace["links/delay_ps"][step, tier, d] * PS * 1e3,
                         "bins": trace["links/histogram"][step, tier, d]})
    return rows


def collectives(trace):
    """Points, and a line for each kind, size and group."""
    if "collectives" not in trace:
        return None
    kinds, traffics = trace.words("collectives/kind"), trace.words("collectives/traffic")
    column = {name: trace[f"collectives/{name}"] for name in
              ("step", "kind", "traffic", "group_size", "bytes", "start_ps", "end_ps", "bus_Bps", "slowdown")}
    took_ms = (column["end_ps"] - column["start_ps"]) * PS * 1e3
    names = [f"{traffics[t]} {kinds[k].replace('_', '-')}" for t, k in zip(column["traffic"], column["kind"])]
    points = evenly(range(len(names)), MOST_POINTS)
    about = np.array([float(f"{value:.3g}") for value in column["bytes"].tolist()])  # buckets differ by a byte
    keys = sorted(set(zip(names, column["group_size"].tolist(), about.tolist())))
    names = np.array(names, dtype=object)
    table = []
    for name, size, amount in keys[:200]:
        here = (names == name) & (column["group_size"] == size) & (about == amount)
        table.append({"name": name, "members": size, "bytes": trace_file.human_bytes(column["bytes"][here].mean()), "count": int(here.sum()), "ms": took_ms[here].mean(),
                      "most_ms": took_ms[here].max(), "bus_GBps": column["bus_Bps"][here].mean() / 1e9,
                      "slowdown": column["slowdown"][here].mean()})
    return {"points": [[names[i], int(column["bytes"][i]), float(column["bus_Bps"][i]) / 1e9, float(took_ms[i]),
                        float(column["slowdown"][i]), int(column["group_size"][i])] for i in points],
            "left_out": len(names) - len(points), "table": table}


def flows(trace):
    if "flows" not in trace:
        return None
    bytes_moved, took = trace["flows/bytes"], (trace["flows/end_ps"] - trace["flows/start_ps"]) * PS
    rate = np.sort(bytes_moved / np.maximum(took, PS)) / 1e9
    slow = np.sort(trace["flows/slowdown"])
    at = np.array(evenly(range(len(rate)), 500))
    worst = np.argsort(-trace["flows/slowdown"], kind="stable")[:10]
    return {"share": (at + 1) / len(rate) * 100, "GBps": rate[at], "slowdown": slow[at], "count": len(rate),
            "worst": [{"source": int(trace["flows/source"][i]), "destination": int(trace["flows/destination"][i]),
                       "bytes": trace_file.human_bytes(int(bytes_moved[i])), "ms": took[i] * 1e3,
                       "slowdown": trace["flows/slowdown"][i]} for i in worst]}


def power(trace):
    """The site over each wave that stands, and what the energy goes into, in the last step."""
    standing = evenly(sorted(set(trace["power/wave_step"].tolist())), MOST_STEPS)
    watts, gpus, step = trace["power/site_W"], trace["power/gpus_W"], trace.nsteps - 1
    energy = {name: float(trace[f"power/{name}_J"][step]) for name in trace.energy_parts()}
    return {"waves": [{"step": s, "ms": float(trace["steps/duration_ps"][s]) * PS * 1e3, "site_kW": watts[s] / 1e3,
                       "gpus_kW": gpus[s] / 1e3} for s in standing],
            "energy": [[trace_file.part_label(name), value / 1e3, trace_file.part_colour(name)] for name, value in
                       energy.items() if value > 0]}


def jobs(trace):
    """What jobs cost each other over the run, in ms of transfers."""
    if "jobs" not in trace:
        return None
    of_step, delay = trace["steps/job"], trace["jobs/delay_ps"].sum(axis=(2, 3)) * PS * 1e3
    names = trace.texts("jobs/name").tolist()
    return {"names": names, "cost_ms": [delay[of_step == victim].sum(axis=0) for victim in range(len(names))]}


def timeline(trace):
    """Operations of the last step that is kept, of as many GPUs as can be drawn."""
    if "timeline" not in trace:
        return None
    kept = [step for step in range(trace.nsteps) if trace["steps/timeline_step"][step] >= 0]
    if not kept:
        return None
    several = "steps/job" in trace
    wanted = sorted({int(job): step for step, job in zip(kept, trace["steps/job"][kept])}.values()) if several else kept[-1:]
    columns = export_tables.table_of_operations(trace, wanted)
    column = {name: values for name, (values, _) in columns.items()}
    if len(column["gpu"]) == 0:
        return None
    gpus = np.unique(column["gpu"])
    each = len(column["gpu"]) / len(gpus)
    place = {name: trace[f"gpus/{name}"] for name in ("job", "dp", "pp", "cp", "tp")}
    shown = sorted(gpus.tolist(), key=lambda gpu: tuple(int(place[name][gpu]) for name in ("job", "dp", "pp", "cp", "tp")))
    shown = shown[:max(1, int(MOST_TIMELINE / each))]  # replica by replica
    row = {gpu: i for i, gpu in enumerate(shown)}
    kinds, streams = trace.words("timeline/kind"), trace.words("timeline/stream")
    begin = int(column["start_ps"].min())
    of_row = {int(number): i for i, number in enumerate(column["operation"].tolist())}
    parts = [name for name in columns if name.endswith("_ps") and name not in ("start_ps", "begun_ps", "end_ps", "alone_ps")]
    cells = []
    for i in np.flatnonzero(np.isin(column["gpu"], shown) & (column["end_ps"] > column["begun_ps"])):
        cause = of_row.get(int(column["awaited"][i]), -1)
        is_wait = column["kind"][i] == "wait"
        most = max(parts, key=lambda part: int(column[part][i])) if is_wait else ""
        cells.append([row[int(column["gpu"][i])], streams.index(column["stream"][i]), kinds.index(column["kind"][i]),
                      (int(column["begun_ps"][i]) - begin) / 1e9, (int(column["end_ps"][i]) - begin) / 1e9,
                      int(column["microbatch"][i]), int(column["chunk"][i]), int(column["part"][i]),
                      kinds.index(column["kind"][cause]) if is_wait and cause >= 0 else -1,
                      trace_file.part_label(most[:-3]) if most else "", int(column["peer"][i]), int(column["bytes"][i])])
    labels = [f"GPU {gpu}  " + " ".join(f"{name}{int(place[name][gpu])}" for name in ("dp", "pp", "tp")) for gpu in shown]
    return {"step": wanted, "gpus": labels, "kinds": kinds, "streams": streams, "cells": cells, "left_out": len(gpus) - len(shown)}


def collect(trace):
    """All of it."""
    said = trace.attributes
    return plain({"title": trace.caption(), "file": trace.path.rpartition("/")[2], "job": said.get("job"), "cluster": said.get("cluster"),
                  "routing": said.get("routing"), "placement": said.get("placement"), "engine": said.get("engine"),
                  "nsteps": trace.nsteps, "gpus": int(trace.working().sum()), "training": bool(trace.training),
                  "steps": step_table(trace), "tiers": trace.tiers, "parts": part_table(trace), "timeline": timeline(trace),
                  "congestion": congestion(trace), "hottest": hottest(trace), "fabric": fabric(trace),
                  "collectives": collectives(trace), "flows": flows(trace), "power": power(trace), "jobs": jobs(trace)})
