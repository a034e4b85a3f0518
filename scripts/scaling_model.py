#!/usr/bin/python3
"""scaling_model.py [--write | --check]: the tables of README about cost and ranks, computed from tests/bench/*.csv: of the
main job as it is shipped, and of one step against GPUs and ranks.

Prints them; --write puts them between the marks of README.md, --check fails if what stands there is something else.

Model of the play time of one step on R ranks, from the rows of 1 and 2 ranks in step_cost.csv:

    T(R) = D * share(R) + C + A * l * log2 R + I * spread(R)

    D, C   what divides by ranks, and what each rank does again: T(1) = D + C; a rank of two that does not wait works
           D / 2 + C.
    share  of the busiest rank: replicas are dealt by whole leaves of 64 nodes. More ranks than leaves split replicas
           between ranks, which can then not be played as islands: no figure.
    A, l   agreements of the run on 2 ranks; l = 2 us a stage of recursive doubling.
    I      waiting of 2 ranks beyond A agreements of par.comm.n2.csv (shared memory): one has more to play between
           two agreements than the other. Replicas are independent, so the work of a rank between agreements is taken
           as normal, its standard deviation as sqrt(1 / R), and the slowest of R ranks is e(R) of them above the mean:
           spread(R) = e(R) / e(2) * sqrt(2 / R), e(R) the mean of the largest of R standard normals.

Not in it: messages that grow with R, other traffic on the network, memory shared by ranks of a node, writing the trace
in parallel.

Source of l: MPI over InfiniBand takes about 1 us from process to process; an 8-byte MPI_Allreduce of 128 hosts without
help of the switches 6.0 us, 0.86 us a stage (Graham et al., SHArP, COMHPC 2016). 2 us a stage leaves room for messages
of some hundred bytes and for ranks that share a NIC.
"""

import argparse
import csv
import math
import pathlib
import statistics
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
BENCH = ROOT / "tests/bench"
STAGE_S = 2e-6
LEAF_GPUS = 64 * 8  # topologies/colossus-100k.yaml
RANKS = (1, 2, 16, 32, 64, 128, 256)
MODELLED = (99840, 1048576)
WORTH = 0.5  # efficiency below which cores are better spent on other runs
BASE = {"noise": "on", "routing": "ecmp", "placement": "contiguous", "mode": "islands"}
BUDGET_S, BUDGET_GIB = 60, 1  # of the main job with contiguous placement, all ranks


def table_of(name):
    with open(BENCH / name) as file:
        return list(csv.DictReader(file))


def find(rows, **wanted):
    """The row with these values, or None (also where the run came to its limit)."""
    wanted = BASE | wanted
    found = [row for row in rows if all(row[key] == str(value) for key, value in wanted.items())]
    return found[0] if found and found[0]["state"] == "ok" else None


def largest_normal(n):
    """Mean of the largest of n standard normals, by the midpoint rule over n x^(n-1) in x = Phi(z)."""
    cells, normal = 20000, statistics.NormalDist()
    return sum(n * x ** (n - 1) * normal.inv_cdf(x) for x in ((i + 0.5) / cells for i in range(cells))) / cells


class Model:
    def __init__(self, gpus, one, two, agreement_s):
        self.leaves = math.ceil(gpus / LEAF_GPUS)
        self.measured = {1: float(one["play_s"]), 2: float(two["play_s"])}
        self.agreements = int(two["agreements"])
        waited_s = float(two["wait_share"]) * self.measured[2]
        works_s = self.measured[2] - waited_s
        # Two ranks have two caches: together they may need less than one.
        self.divided_s = min(self.measured[1], 2 * (self.measured[1] - works_s))
        self.again_s = self.measured[1] - self.divided_s
        self.uneven_s = max(0.0, waited_s - self.agreements * agreement_s)

    def parts(self, ranks):
        """Seconds of work, again, agreements, uneven; None where replicas would be split."""
        if ranks > self.leaves:
            return None
        if ranks == 1:
            return self.divided_s, self.again_s, 0.0, 0.0
        share = math.ceil(self.leaves / ranks) / self.leaves
        spread = largest_normal(ranks) / largest_normal(2) * math.sqrt(2 / ranks)
        return (self.divided_s * share, self.again_s, self.agreements * STAGE_S * math.log2(ranks),
                self.uneven_s * spread)

    def step_s(self, ranks):
        """Measured where it was."""
        parts = self.parts(ranks)
        return self.measured.get(ranks, parts and sum(parts))

    def efficiency(self, ranks):
        step_s = self.step_s(ranks)
        return step_s and self.measured[1] / ranks / step_s

    def most_worth(self):
        """Most ranks at which cores are well spent, and the fastest."""
        powers = [2 ** k for k in range(9) if self.step_s(2 ** k)]
        return (max(n for n in powers if self.efficiency(n) >= WORTH), min(powers, key=self.step_s))


def main_job_table():
    rows = {row["placement"]: row for row in table_of("main_job.csv")}
    steps, ranks = (rows["contiguous"][key] for key in ("steps", "ranks"))
    lines = {
        "simulated step": lambda row: f"{float(row['sim_s']) / int(row['steps']):.2f} s",
        f"CPU time of all ranks (budget of the contiguous run: {BUDGET_S} s)": lambda row: f"{float(row['cpu_s']):.0f} s",
        "wall time": lambda row: f"{float(row['wall_s']):.1f} s",
        f"memory of all ranks (budget {BUDGET_GIB} GiB)": lambda row: f"{int(row['peak_rss_bytes']) / 2**30:.2f} GiB",
    }
    yield f"| {steps} steps, {ranks} ranks | " + " | ".join(f"`placement: {name}`" for name in rows) + " |"
    yield "|---" * (1 + len(rows)) + "|"
    for name, value in lines.items():
        yield f"| {name} | " + " | ".join(value(row) for row in rows.values()) + " |"


def cost_table(rows):
    yield "| GPUs | CPU time of a step, 2 ranks | wall time | simulated s per wall s | memory of both ranks | agreements | waiting |"
    yield "|---|---|---|---|---|---|---|"
    for gpus in sorted({int(row["gpus"]) for row in rows}):
        row = find(rows, gpus=gpus, ranks=2)
        if not row:
            yield f"| {gpus:,} | over the limit | | | | | |"
            continue
        yield (f"| {gpus:,} | {float(row['cpu_s']):.1f} s | {float(row['wall_s']):.1f} s | "
               f"{float(row['sim_s_per_wall_s']):.2f} | {int(row['peak_rss_bytes']) / 2**30:.2f} GiB | "
               f"{int(row['agreements']):,} | {100 * float(row['wait_share']):.0f} % |")


def model_table(models):
    first, *others = models
    yield ("| ranks | work | done by all | agreements | uneven | " +
           " | ".join(f"step of {gpus:,} GPUs | efficiency" for gpus in models) + " |")
    yield "|---" * (5 + 2 * len(models)) + "|"
    for ranks in RANKS:
        parts = models[first].parts(ranks)
        cells = [f"{part:.2f} s" for part in parts] if parts else ["-"] * 4
        for model in models.values():
            step_s = model.step_s(ranks)
            cells += [f"{step_s:.2f} s", f"{100 * model.efficiency(ranks):.0f} %"] if step_s else ["replicas split", "-"]
        yield f"| {ranks}{' (measured)' if ranks <= 2 else ''} | " + " | ".join(cells) + " |"


def ranks_of(n):
    return f"{n} rank{'s' if n > 1 else ''}"


def words(models):
    for gpus, model in models.items():
        worth, fastest = model.most_worth()
        yield (f"One step of {gpus:,} GPUs: of {model.measured[1]:.1f} s on one rank {model.divided_s:.1f} s divide; "
               f"{model.agreements:,} agreements. Fastest on {ranks_of(fastest)}: {model.step_s(fastest):.2f} s. Efficiency "
               f"is {100 * WORTH:.0f} % or more up to {ranks_of(worth)}; beyond that, independent runs (`scripts/sweep`) "
               "give more than twice the results from the same cores.")


def scaling_tables():
    rows = table_of("step_cost.csv")
    allreduce = next(row for row in table_of("par.comm.n2.csv") if row["what"] == "allreduce")
    models = {}
    for gpus in MODELLED:
        pair = find(rows, gpus=gpus, ranks=1), find(rows, gpus=gpus, ranks=2)
        if all(pair):
            models[gpus] = Model(gpus, *pair, float(allreduce["median_us"]) * 1e-6)
    lines = list(cost_table(rows))
    if models:
        lines += ["", *model_table(models), "", *words(models)]
    return lines


BLOCKS = {"main job": main_job_table, "scaling": scaling_tables}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    what = parser.add_mutually_exclusive_group()
    what.add_argument("--write", action="store_true", help="into README.md")
    what.add_argument("--check", action="store_true", help="against README.md")
    options = parser.parse_args()
    readme = ROOT / "README.md"
    for name, block in BLOCKS.items():
        text = "\n".join(block()) + "\n"
        if not options.write and not options.check:
            print(text)
            continue
        begin, end = f"<!-- {name}: scripts/scaling_model.py --write -->\n", f"<!-- /{name} -->"
        before, mark, rest = readme.read_text().partition(begin)
        shown, mark_end, after = rest.partition(end)
        if not mark or not mark_end:
            sys.exit(f"README.md lacks the marks {begin}{end}")
        if options.write:
            readme.write_text(before + begin + "\n" + text + "\n" + end + after)
        elif shown.strip() != text.strip():
            sys.exit(f"README.md shows\n{shown}\nbut tests/bench says\n{text}\n"
                     "scripts/scaling_model.py --write puts it right")


main()
