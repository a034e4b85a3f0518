"""sweep_table.py: what the cases of a sweep came to: read from their traces, joined as CSV, printed.

A case is whatever the folder says of it: CASE.h5, whose root attribute `status` must read `complete` and whose settings
must be those of the case, and CASE.log, whose last line is the exit code. A log that is locked belongs to a run that is
still going. So a sweep of another day, another machine or a SLURM array is joined like one that has just ended.
"""

import csv
import fcntl
import re

import h5py
import numpy as np

import output_file

PS_PER_S = 10**12
SETTINGS_PATH = "--set"  # what the program calls the settings among its input files
LOG_END = "sweep: exit code "


def locked(log):
    """Whether a run still writes this log; where files cannot be locked, none does."""
    try:
        with open(log, "rb") as file:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:
        pass
    return False


def log_lines(log):
    return log.read_text(errors="replace").splitlines() if log.exists() else []


def exit_code(log):
    """What the run ended with according to its log; None if the log does not say."""
    last = (log_lines(log) or [""])[-1]
    return int(last[len(LOG_END):]) if re.fullmatch(re.escape(LOG_END) + r"-?\d+", last) else None


def failure(log):
    """Why a run failed: the first error in its log."""
    errors = [line.strip() for line in log_lines(log) if "error: " in line]
    return errors[0] if errors else f"exit code {exit_code(log)}"


def texts(file):
    """{path: text} of everything that the run has read, settings included."""
    said = file.attrs
    paths = [said[f"config_path_{i}"] for i in range(int(said["config_files"]))]
    return {path: str(said.get(f"config_text_{i}", "")) for i, path in enumerate(paths)}


def settings_text(case):
    """A case's settings as the program records them."""
    return "".join(f"{key}={value}\n" for key, value in case["settings"])


def state(folder, case):
    """(complete | impossible | failed | running | interrupted | missing, why it is not complete) of a case."""
    if "impossible" in case:
        return "impossible", case["impossible"]
    path, log = folder / f"{case['name']}.h5", folder / f"{case['name']}.log"
    if locked(log):
        return "running", "its run has not ended"
    if exit_code(log) not in (None, 0):
        return "failed", f"{failure(log)} (see {log})"
    if not path.exists():
        return ("interrupted", "no trace yet") if log.exists() else ("missing", "not run yet")
    try:
        with h5py.File(path, "r") as file:
            if file.attrs["status"] != "complete":
                return "interrupted", f"{int(file['committed_steps'][()])} steps are there"
            if texts(file).get(SETTINGS_PATH, "") != settings_text(case):
                return "missing", f"{path} holds other settings"
    except (OSError, KeyError) as error:
        return "interrupted", f"{path} cannot be read: {error}"
    return "complete", ""


def part_columns(file):
    """Columns of the parts of a step, in the order of the file; none for traffic."""
    names, group = [], file["gpus"]
    group.id.links.iterate(lambda name, *_: names.append(name.decode()), idx_type=h5py.h5.INDEX_CRT_ORDER)
    return [name for name in names if name.endswith("_ps") and name != "duration_ps" and group[name].ndim == 2]


def busiest(file, step):
    """Utilisation of the busiest scale-up port and of the busiest link of the fabric, and where that one is."""
    tiers, links = [name.decode() for name in file["links/tier"][()]], file["links/utilisation_max"][step]
    links = np.nan_to_num(links)
    tier, direction = np.unravel_index(np.argmax(links[1:]), links[1:].shape) if len(tiers) > 1 else (-1, 0)
    row = {"scale_up_utilisation": float(links[0].max())}
    if tier >= 0:
        row["fabric_utilisation"] = float(links[1 + tier, direction])
        row["fabric_busiest"] = f"{tiers[1 + tier]} {('up', 'down')[direction]}"
    return row


def goodput(file, step):
    """Bytes per second of the step's flows, mean and least. A collective is one flow: its size over its time."""
    flows = file["flows"]
    ends = file["steps/flows_end"]
    rows = slice(int(ends[step - 1]) if step else 0, int(ends[step]))
    seconds = (flows["end_ps"][rows] - flows["start_ps"][rows]) / PS_PER_S
    rates = flows["bytes"][rows][seconds > 0] / seconds[seconds > 0]
    return {"goodput_Bps": float(rates.mean()), "goodput_least_Bps": float(rates.min())} if len(rates) else {}


def step_row(file, step):
    """One step in SI units; columns that the kind of job does not have are left out."""
    steps = file["steps"]
    row = {"step": step, "step_s": int(steps["duration_ps"][step]) / PS_PER_S}
    if "gpu_duration_ps" in steps:
        row["gpu_step_s"] = float(steps["gpu_duration_ps"][step]) / PS_PER_S
        row.update((name[:-len("_ps")] + "_s", float(steps[name][step]) / PS_PER_S) for name in part_columns(file))
        row.update((name, float(steps[name][step])) for name in ("tokens_per_s_gpu", "mfu_full", "mfu_causal"))
        row.update((f"likely_{end}_s", float(steps[f"likely_{end}_ps"][step]) / PS_PER_S) for end in ("least", "most"))
    row.update(busiest(file, step))
    row["link_delay_s"] = int(file["links/delay_ps"][step].sum()) / PS_PER_S
    if "flows" in file:
        row.update(goodput(file, step))
    row["fingerprint"] = int(steps["fingerprint"][step])
    return row


def summary(rows):
    """The steps of a case in one row: means, but for what is named otherwise."""
    first = rows[0]
    row = {"committed_steps": len(rows)}
    for name in first:
        values = [r[name] for r in rows if name in r]
        if name in ("step", "fabric_busiest"):
            continue
        if name == "fingerprint":  # of one step: the step's own
            row[name] = sum(values) % 2**64
        elif name == "link_delay_s":
            row[name] = sum(values)
        elif name.endswith("_utilisation"):
            row[name] = max(values)
        elif name == "goodput_least_Bps":
            row[name] = min(values)
        else:
            row[name] = sum(values) / len(values)
        if name == "step_s":
            row["step_least_s"], row["step_most_s"] = min(values), max(values)
        if name == "fabric_utilisation":
            row["fabric_busiest"] = rows[values.index(max(values))]["fabric_busiest"]
    return row


def run_row(file):
    """What the run itself cost, and what it was run with."""
    run = file["run"].attrs
    return {"wall_s": float(run["wall_s"]), "cpu_s_rank0": float(run["cpu_s_rank0"]), "ranks": int(run["mpi_ranks"]),
            "program": f"{file.attrs['source']} {file.attrs['git_commit']}"}


class Outcome:
    """A case, what became of it, and its rows."""

    def __init__(self, folder, number, case):
        self.number, self.case = number, case
        self.state, self.reason = state(folder, case)
        self.steps, self.summary = [], {}
        if self.state == "complete":
            with h5py.File(folder / f"{case['name']}.h5", "r") as file:
                self.steps = [step_row(file, step) for step in range(int(file["committed_steps"][()]))]
                self.summary = {**summary(self.steps), **run_row(file)}

    def identity(self):
        """The columns that say which case it is."""
        return {"number": self.number, "case": self.case["name"], "state": self.state,
                "topology": self.case["topology"], "job": self.case["job"], **dict(self.case["settings"])}


def columns(rows):
    """Names that occur, each after its predecessor in the row that brings it."""
    names = []
    for row in rows:
        at = 0
        for name in row:
            if name not in names:
                names.insert(at, name)
            at = names.index(name) + 1
    return names


def write_csv(path, identities, rows):
    """One line a row; numbers with all digits that a double has, fingerprints as the program prints them."""
    left, right = columns(identities), columns(rows)
    with output_file.whole(path) as part, open(part, "w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(left + right)
        for identity, row in zip(identities, rows):
            row = {name: f"{value:016x}" if name == "fingerprint" else value for name, value in row.items()}
            writer.writerow([*(identity.get(name, "") for name in left), *(row.get(name, "") for name in right)])


def write_tables(folder, outcomes):
    """sweep.csv, one row a case, and sweep-steps.csv, one row a case and step; returns their paths."""
    cases, steps = folder / "sweep.csv", folder / "sweep-steps.csv"
    write_csv(cases, [o.identity() for o in outcomes], [{**o.summary, "reason": o.reason} for o in outcomes])
    pairs = [(o.identity(), row) for o in outcomes for row in o.steps]
    write_csv(steps, [identity for identity, _ in pairs], [row for _, row in pairs])
    return cases, steps


def mean(values):
    return sum(values) / len(values)


# Head, unit, column of the summary, factor, format, and how several seeds become one. Parts of a step come after MFU.
BEFORE_PARTS = (("step", "s", "step_s", 1, ".6g", mean), ("MFU", "%", "mfu_full", 100, ".1f", mean))
AFTER_PARTS = (("goodput", "GB/s", "goodput_Bps", 1e-9, ".2f", mean),
               ("least", "GB/s", "goodput_least_Bps", 1e-9, ".2f", min),
               ("fabric", "max %", "fabric_utilisation", 100, ".1f", max),
               ("scale-up", "max %", "scale_up_utilisation", 100, ".1f", max),
               ("delay", "s", "link_delay_s", 1, ".3f", mean), ("wall", "s", "wall_s", 1, ".1f", mean),
               ("CPU", "s/rank", "cpu_s_rank0", 1, ".1f", mean))
SHOWN_PERCENT = 0.05  # a part that is less in every case is not printed


def printable(summary_row):
    """A summary with parts as percent of the GPUs' own step."""
    row = dict(summary_row)
    if "gpu_step_s" in row:
        names = list(row)
        for name in names[names.index("gpu_step_s") + 1:names.index("tokens_per_s_gpu")]:
            row[f"part {name[:-len('_s')]}"] = 100 * row[name] / row["gpu_step_s"]
    return row


def grouped(outcomes):
    """Outcomes that differ in the seed alone, together."""
    groups = {}
    for outcome in outcomes:
        identity = outcome.identity()
        key = tuple((k, v) for k, v in identity.items() if k not in ("number", "case", "state", "seed"))
        groups.setdefault(key, []).append(outcome)
    return list(groups.values())


def short_names(keys):
    """{key: the last words of it that no other key ends in}."""
    def ends(key, n):
        return ".".join(key.split(".")[-n:])
    return {key: next(ends(key, n) for n in range(1, len(key.split(".")) + 1)
                      if n == len(key.split(".")) or sum(ends(other, n) == ends(key, n) for other in keys) == 1)
            for key in keys}


def labels(outcomes):
    """What varies over the cases, seeds left out: (heads, one list of words for each outcome, all that is the same)."""
    identities = [outcome.identity() for outcome in outcomes]
    keys = [key for key in columns(identities) if key not in ("number", "case", "state", "seed")]
    varying = [key for key in keys if len({identity[key] for identity in identities}) > 1]
    same = [f"{key}={identities[0][key]}" for key in keys if key not in varying]
    short = short_names(varying)
    return [short[key] for key in varying], [[identity[key] for key in varying] for identity in identities], same


def seed_columns(group):
    """Of several seeds: how many are there, and how far the longest step is above the shortest, in percent."""
    steps = [o.summary["step_s"] for o in group if o.summary]
    spread = f"{100 * (max(steps) / min(steps) - 1):.2f}" if len(steps) > 1 and min(steps) > 0 else "-"
    return [f"{len(steps)} of {len(group)}", spread]


def result_columns(rows):
    """The columns of the printed table that have a value somewhere."""
    parts = [name for name in columns(rows) if name.startswith("part ")
             and any(abs(row.get(name, 0)) >= SHOWN_PERCENT for row in rows)]
    heads = [(name[len("part "):].removesuffix("_exposed"), "%", name, 1, ".1f", mean) for name in parts]
    return [column for column in (*BEFORE_PARTS, *heads, *AFTER_PARTS) if any(column[2] in row for row in rows)]


def table_line(group, shown, nseeds):
    """The results of one line: those that are complete, together; the state if there is none."""
    rows = [printable(outcome.summary) for outcome in group if outcome.summary]
    words = seed_columns(group) if nseeds > 1 else []
    for _, _, name, factor, form, together in shown:
        values = [row[name] for row in rows if name in row]
        words.append(format(factor * together(values), form) if values else "-")
    states = sorted({outcome.state for outcome in group if outcome.state != "complete"})
    return words + [", ".join(states) or "complete"]


def print_lines(lines, nleft):
    """Columns of words under two lines of heads; the first `nleft` and the last stand to the left."""
    width = [max(len(line[i]) for line in lines) for i in range(len(lines[0]))]
    for i, line in enumerate(lines):
        print("  ".join(text.ljust(w) if j < nleft or j == len(line) - 1 else text.rjust(w)
                        for j, (text, w) in enumerate(zip(line, width))).rstrip())
        if i == 1:
            print("-" * (sum(width) + 2 * len(width) - 2))


def possible(cases):
    """Numbers of the cases that can run."""
    return [n for n, case in enumerate(cases) if "impossible" not in case]


def print_impossible(cases):
    """Those that cannot, by reason; numbers in it are the first one's."""
    found = {}
    for case in cases:
        if "impossible" in case:
            found.setdefault(re.sub(r"\d+(\.\d+)?", "#", case["impossible"]), []).append(case)
    for alike in sorted(found.values(), key=len, reverse=True):
        print(f"{len(alike)} cannot run: {alike[0]['impossible']}")
        for case in alike:
            print(f"    {case['name']}")


def print_table(outcomes):
    """A line a case, seeds taken together; then what is not complete, and why."""
    heads, words, same = labels(outcomes)
    print(f"{len(outcomes)} cases of {', '.join(same)}\n")
    word_of = {outcome.number: w for outcome, w in zip(outcomes, words)}
    groups = grouped(outcomes)
    nseeds = max(len(group) for group in groups)
    shown = result_columns([printable(outcome.summary) for outcome in outcomes if outcome.summary])
    seed_heads = (["seeds", "spread"], ["", "%"]) if nseeds > 1 else ([], [])
    lines = [[*heads, *seed_heads[0], *(column[0] for column in shown), "state"],
             [*("" for _ in heads), *seed_heads[1], *(column[1] for column in shown), ""]]
    print_lines(lines + [word_of[group[0].number] + table_line(group, shown, nseeds) for group in groups
                         if any(outcome.state != "impossible" for outcome in group)], len(heads))
    for outcome in outcomes:
        if outcome.state not in ("complete", "impossible"):
            print(f"{outcome.state}: {outcome.case['name']}: {outcome.reason}")
    programs = sorted({outcome.summary["program"] for outcome in outcomes if outcome.summary})
    if len(programs) > 1:
        print(f"cases of several programs: {', '.join(programs)}")
