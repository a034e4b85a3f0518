#!/usr/bin/python3
"""cost_figure.py FOLDER PICTURE.png: how cost grows, from step_cost.csv and engine.solve.csv of the benchmarks.

FOLDER holds them as tests/bench/NAME.csv or, as the build folder does, as bench.NAME.csv. Grey lines grow as the size
does. Rows that came to their time limit are left out.
"""

import csv
import pathlib
import sys

from trace_file import plt

# Label, colour, mark, what differs from the base (tests/bench/step_cost).
BASE = {"ranks": "2", "noise": "on", "routing": "ecmp", "placement": "contiguous", "mode": "islands"}
LINES = (("2 ranks, noise, ECMP, contiguous", "#0072B2", "o", {}), ("1 rank", "#56B4E9", "s", {"ranks": "1"}),
         ("no noise", "#009E73", "^", {"noise": "off"}), ("adaptive routing", "#E69F00", "v", {"routing": "adaptive"}),
         ("random placement", "#D55E00", "D", {"placement": "random"}),
         ("event by event", "#CC79A7", "x", {"mode": "event-by-event"}))
GUIDE = "#BBBBBB"


def table_of(folder, name):
    paths = [path for path in (folder / f"{name}.csv", folder / f"bench.{name}.csv") if path.exists()]
    if not paths:
        sys.exit(f"cost_figure.py: no {name}.csv in {folder}")
    with open(paths[0]) as file:
        return list(csv.DictReader(file))


def guide(axes, xs, ys):
    """A line of proportional growth through the last point of a curve, over a decade and a half."""
    axes.plot([xs[-1] / 30, xs[-1]], [ys[-1] / 30, ys[-1]], color=GUIDE, lw=1, zorder=0)


def draw_steps(axes, rows, column, scale, title, unit):
    for label, colour, mark, change in LINES:
        wanted = BASE | change
        mine = [row for row in rows if row["state"] == "ok" and all(row[key] == value for key, value in wanted.items())]
        if not mine:
            continue
        xs, ys = [int(row["gpus"]) for row in mine], [float(row[column]) * scale for row in mine]
        axes.plot(xs, ys, color=colour, marker=mark, ms=5, lw=1.5, label=label)
        if not change:
            guide(axes, xs, ys)
    axes.set(xscale="log", yscale="log", xlabel="GPUs", ylabel=unit, title=title)


def draw_flows(axes, rows):
    xs = [int(row["flows"]) for row in rows]
    for label, column, scale, colour, mark in (("all start at once, solved once", "start_cpu_s", 1, "#0072B2", "o"),
                                               ("one more among them", "change_cpu_us", 1e-6, "#D55E00", "D")):
        ys = [float(row[column]) * scale for row in rows]
        axes.plot(xs, ys, color=colour, marker=mark, ms=5, lw=1.5, label=label)
        if column == "start_cpu_s":
            guide(axes, xs, ys)
    axes.set(xscale="log", yscale="log", xlabel="active flows, 65,536 hosts", ylabel="CPU seconds",
             title="solving the flows")


def main():
    if len(sys.argv) != 3:
        asked = sys.argv[1:] in (["--help"], ["-h"])
        print(__doc__, file=sys.stdout if asked else sys.stderr)
        sys.exit(0 if asked else 2)
    folder = pathlib.Path(sys.argv[1])
    steps, flows = table_of(folder, "step_cost"), table_of(folder, "engine.solve")
    figure, (left, middle, right) = plt.subplots(1, 3, figsize=(13.5, 4.4), constrained_layout=True)
    draw_steps(left, steps, "cpu_s", 1, "one step of Llama-3.1-405B", "CPU seconds, all ranks, start to end")
    draw_steps(middle, steps, "peak_rss_bytes", 2**-20, "memory", "MiB, all ranks")
    draw_flows(right, flows)
    for axes in (left, right):
        axes.legend(fontsize=8, frameon=False)
    for axes in (left, middle, right):
        axes.grid(True, which="major", color="#EEEEEE")
    figure.savefig(sys.argv[2], dpi=130, metadata={"Software": None})


main()
