"""residuals.py: what emulated steps of published runs say together: errors by group, families of runs, intervals.

Idea.    The error of a run is the distance of its emulated step to the published one (to the nearer end, where an interval is
         published), in percent. Groups are summed up by the size of errors (median, nine in ten, worst) and by their mean with
         sign, which is what is common to them. A family is runs of one plan that differ in size or batch: published and
         emulated steps over the microbatches of a replica are each a line, whose slope is what a microbatch costs and whose
         fixed part is all that a step costs once.
"""

import collections
import re
import statistics

# What may differ between the runs of a family.
FREE = {"id", "source", "fabric", "n_gpu", "gbs_seq", "dp", "step_s", "step_lo_s", "step_hi_s", "step_err_rel", "given", "sourced",
        "assumed", "gate", "note", "domain_used", "shard_group", "moe_routing", "order"}
Line = collections.namedtuple("Line", "fixed slope")
Summary = collections.namedtuple("Summary", "n median nine_in_ten worst mean")


def error_percent(row, step_s):
    low, high = float(row["step_lo_s"] or row["step_s"]), float(row["step_hi_s"] or row["step_s"])
    return (step_s / min(max(step_s, low), high) - 1) * 100


def quantile(values, share):
    """The least value that at least `share` of the values do not exceed."""
    ordered = sorted(values)
    need = -(-share * len(ordered) // 1)
    return ordered[max(int(need) - 1, 0)]


def summary(errors):
    sizes = [abs(error) for error in errors]
    return Summary(len(errors), statistics.median(sizes), quantile(sizes, 0.9), max(sizes), statistics.fmean(errors))


def groups(rows, errors, key):
    """{name: Summary} over rows that have an error, the largest group first."""
    members = collections.defaultdict(list)
    for row, error in zip(rows, errors):
        if error is not None:
            members[key(row)].append(error)
    return {name: summary(members[name]) for name in sorted(members, key=lambda name: (-len(members[name]), name))}


def microbatches(row):
    return int(row["gbs_seq"]) / (int(row["dp"]) * int(row["mbs"]))


def line(points):
    """Least squares through (x, y); None where x does not differ."""
    xs, ys = zip(*points)
    x, y = statistics.fmean(xs), statistics.fmean(ys)
    spread = sum((value - x) ** 2 for value in xs)
    if spread == 0:
        return None
    slope = sum((a - x) * (b - y) for a, b in points) / spread
    return Line(y - slope * x, slope)


def families(rows):
    """Lists of rows of one plan, three or more each, by the number of GPUs and the batch."""
    members = collections.defaultdict(list)
    for row in rows:
        if row["dp"] and row["mbs"] and row["gbs_seq"]:
            note = re.sub(r"\b(measured peak|.*_mbc\d+|SimuMax predicts).*?(;|$)", "", row["note"])
            kv = re.search(r"\d+ KV groups|dense_layers \d+|ep_a2a_overlap on", note)
            plan = [row[key] for key in row if key not in FREE]
            members[(*plan, kv and kv[0], per_replica(row))].append(row)
    found = [sorted(family, key=lambda row: (int(row["n_gpu"]), int(row["gbs_seq"]))) for family in members.values()]
    return sorted((family for family in found if len(family) >= 3), key=lambda family: family[0]["id"])


def per_replica(row):
    """Runs on one machine differ in batch alone; others in size too, and then a plan is what all replicas do alike."""
    return row["dp"] if row["fabric"] == "one-node" else None


def tokens_per_gpu(row, step_s):
    return int(row["gbs_seq"]) * int(row["seq_tok"]) / int(row["n_gpu"]) / step_s


def compare_family(family, steps):
    """What is published and what is emulated of a family: lines, and the change of tokens/s/GPU from its smallest run to its
    largest, in percent of the first."""
    published = [float(row["step_s"]) for row in family]
    xs = [microbatches(row) for row in family]
    change = []
    for side in (published, steps):
        rates = [tokens_per_gpu(row, step) for row, step in zip(family, side)]
        change.append((rates[-1] / rates[0] - 1) * 100)
    return line(list(zip(xs, published))), line(list(zip(xs, steps))), *change


# What is wanted of gates: dense and MoE (median, nine in ten, worst), means with sign, families, memory.
WANTED = {False: (4, 10, 20), True: (8, 20, None)}
WANTED_MEAN, WANTED_SOURCE, WANTED_GROUP, SOURCE_ROWS = 2, 3, 4, 8
WANTED_SLOPE, WANTED_FIXED, WANTED_POINTS = 4, 20, 3


def family_errors(families_and_steps):
    """What families are off: (slope %, fixed %, points of tokens/s/GPU), None where a figure means nothing; by first and last id.
    A fixed part below a percent of the step is within the errors of the steps."""
    for family, steps in families_and_steps:
        said, ours, change, our_change = compare_family(family, steps)
        slope = (ours.slope / said.slope - 1) * 100 if said else None
        small = not said or said.fixed < 0.01 * float(family[-1]["step_s"])
        fixed = None if small else (ours.fixed / said.fixed - 1) * 100
        yield f"{family[0]['id']}..{family[-1]['id']}", said, ours, slope, fixed, change, our_change


def verdicts(rows, errors, families_off, moe):
    """[(what, wanted, found, whether it holds)] of gates; errors None: no gate or not played."""
    found = []

    def say(what, limit, value):
        found.append((what, f"{limit} %", f"{value:+.1f} %", abs(value) <= limit))

    for is_moe, said in groups(rows, errors, moe).items():
        for name, limit, value in zip(("median", "nine in ten", "worst"), WANTED[is_moe], said[1:4]):
            if limit is not None:
                say(f"{'MoE' if is_moe else 'dense'} {name}", limit, value)
    for limit, least, key in ((WANTED_MEAN, 1, lambda row: "all"), (WANTED_SOURCE, SOURCE_ROWS, lambda row: row["source"]),
                              (WANTED_GROUP, 1, lambda row: family_of(row["gpu"]) or row["gpu"]),
                              (WANTED_GROUP, 1, lambda row: row["precision"])):
        for name, said in groups(rows, errors, key).items():
            if said.n >= least:
                say(f"mean of {name} ({said.n})", limit, said.mean)
    for name, _, _, slope, fixed, change, our_change in families_off:
        for what, limit, value in (("slope", WANTED_SLOPE, slope), ("fixed part", WANTED_FIXED, fixed),
                                   ("tokens/s/GPU", WANTED_POINTS, our_change - change)):
            if value is not None:
                say(f"{what} of {name}", limit, value)
    return found


def duplicates(rows):
    """Ids of runs that another row of the table stands for: of each pair that notes call one configuration, the second."""
    ids, second = {row["id"] for row in rows}, set()
    for row in rows:
        for first, other in re.findall(r"(\w+) and (\w+) are one configuration", row["note"]):
            if first in ids and other in ids:
                second.add(other)
    return second


def scatter(rows):
    """Runs of one configuration by several operators or on several fabrics: [(ids, spread in percent)]."""
    members = collections.defaultdict(list)
    for row in rows:
        free = FREE - {"n_gpu", "gbs_seq", "dp", "domain_used"} | {"stack", "sp", "zero"}
        members[tuple(row[key] for key in row if key not in free)].append(row)
    found = []
    for same in members.values():
        steps = [float(row["step_s"]) for row in same]
        if len(same) > 1:
            found.append(([row["id"] for row in same], (max(steps) / min(steps) - 1) * 100))
    for row in rows:
        match = re.search(r"vendors?[^;]*?([\d.]+)-([\d.]+) s\b", row["note"])
        if match:
            steps = [float(match[1]), float(match[2]), float(row["step_s"])]
            found.append(([row["id"], "other vendors"], (max(steps) / min(steps) - 1) * 100))
    return found


# ---------------------------------------------------------------------------------------------- how sure a step is

FAMILIES = {"Ampere": ("A100",), "Hopper": ("H100", "H200", "H800"), "Blackwell": ("B200", "B300", "GB200", "GB300"),
            "CDNA": ("MI300X", "MI325X", "MI350X", "MI355X")}
SIZES = (64, 1024)  # GPUs: a rack or less, a pod or less, more
COVERAGE = 0.8
LEAST_RUNS = 9  # fewer cannot bound 8 in 10: the least and the most of n leave out 2 of n + 1
LARGEST_PUBLISHED = {False: 16384, True: 8192}  # GPUs: Llama 3.1 405B (P2); DeepSeek-V3 on GB300, MLPerf v6.0

Bounds = collections.namedtuple("Bounds", "least most")


def bounds(ratios):
    """Between what the ratio of one more run of the class lies in 8 of 10 cases, if runs are exchangeable: the ordered
    ratios number 0.1 (n + 1) and 0.9 (n + 1)."""
    ordered, n = sorted(ratios), len(ratios)
    tail = (1 - COVERAGE) / 2
    low = int(tail * (n + 1) + 1e-9)
    return Bounds(ordered[max(low, 1) - 1], ordered[min(n + 1 - low, n) - 1])


def family_of(gpu):
    return next((name for name, gpus in FAMILIES.items() if gpu in gpus), None)


Class = collections.namedtuple("Class", "name experts gpus least_gpus most_gpus ratios")


def classes(runs):
    """Classes of runs (experts, gpu, GPUs of the job, ratio), from the narrowest with enough runs to those that take all."""
    found = []
    for experts in (False, True):
        for family, gpus in (*FAMILIES.items(), (None, ())):
            mine = [run for run in runs if run[0] == experts and (family is None or run[1] in gpus)]
            name = f"{'mixtures' if experts else 'dense'}, {family or 'any GPU'}"
            for least, most in zip((0, *SIZES), (*SIZES, 0)):
                size = f"{least + 1:,} to {most:,} GPUs" if most else f"more than {least:,} GPUs"
                ratios = [run[3] for run in mine if run[2] > least and (most == 0 or run[2] <= most)]
                if len(ratios) >= LEAST_RUNS:
                    found.append(Class(f"{name}, {size}", experts, gpus, least + 1, most, ratios))
            if len(mine) >= (LEAST_RUNS if family else 1):
                found.append(Class(name, experts, gpus, 0, 0, [run[3] for run in mine]))
    return found


def certainty_text(runs, catalogue):
    """topologies/residuals/published.yaml. catalogue: the entry of a GPU as rows call it."""
    lines = ["# Published steps over emulated ones, by class; written by scripts/validate --record.", "schema_version: 1",
             "kind: residuals", "sources: \"gates of jobs/published/runs.csv\"",
             f"largest_dense: {LARGEST_PUBLISHED[False]}", f"largest_experts: {LARGEST_PUBLISHED[True]}", "classes:"]
    for found in classes(runs):
        low, high = bounds(found.ratios)
        lines += [f'  - name: "{found.name}"', f"    experts: {'on' if found.experts else 'off'}"]
        if found.gpus:
            lines.append(f"    gpu: [{', '.join(catalogue[gpu][0] for gpu in found.gpus)}]")
        if found.least_gpus > 1:
            lines.append(f"    least_gpus: {found.least_gpus}")
        if found.most_gpus:
            lines.append(f"    most_gpus: {found.most_gpus}")
        lines += [f"    runs: {len(found.ratios)}", f"    least: {100 * low:.1f} %", f"    most: {100 * high:.1f} %"]
    return "\n".join(lines) + "\n"
