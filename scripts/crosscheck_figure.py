"""crosscheck_figure.py: the picture of scripts/crosscheck: packet against flow, a row a job, by class.

Grey is what the class allows to mean and last; a class that is only told has no grey. What is beyond the scale is an arrow
with its figure.
"""

import trace_file
from crosscheck_scenarios import CLASSES
from trace_file import plt

MARKS = (("mean", "o", "#0072B2"), ("last", "D", "#D55E00"), ("worst flow", "|", "#8C8C8C"))
REACH = 20.0  # percent of the scale, each way


def rows(results):
    """(class, label, ratios) in the order of the classes."""
    for name in CLASSES:
        for result in results:
            for job in result.jobs() if result.scenario.asked == name else ():
                if ratios := result.ratios(job):
                    several = len(result.jobs()) > 1
                    yield name, result.scenario.name + (f": {result.scenario.jobs[job]}" if several else ""), ratios


def draw_row(axes, at, ratios, first):
    beyond = {-REACH: [], REACH: []}
    for (label, marker, colour), ratio in zip(MARKS, ratios):
        off = 100 * (ratio - 1)
        shown = min(max(off, -REACH), REACH)
        axes.plot(shown, at, marker, color=colour, markersize=9 if marker == "|" else 4.5, label=label if first else None, zorder=3)
        if shown != off and label != "worst flow":
            beyond[shown].append(f"{off:+.0f} %")
    for edge, texts in beyond.items():
        axes.annotate(", ".join(texts), (edge, at), xytext=(-6 if edge > 0 else 6, 0), textcoords="offset points", va="center",
                      ha="right" if edge > 0 else "left", fontsize=6.5)


def draw(results, path):
    told = list(rows(results))
    trace_file.use_style()
    figure, axes = plt.subplots(figsize=(7.4, 1.2 + 0.165 * len(told)))
    for at, (name, _, ratios) in enumerate(told):
        allowed = CLASSES[name]
        if allowed is not None:
            axes.fill_betweenx((at - 0.5, at + 0.5), -100 * allowed, 100 * allowed, color="#E3E3E3", linewidth=0)
        draw_row(axes, at, ratios, at == 0)
    for at in range(1, len(told)):
        if told[at][0] != told[at - 1][0]:
            axes.axhline(at - 0.5, color="black", linewidth=0.5)
    for name in dict.fromkeys(row[0] for row in told):
        first = next(at for at, row in enumerate(told) if row[0] == name)
        axes.annotate(name, (REACH, first - 0.4), ha="right", va="top", fontsize=8, color="#606060")
    axes.axvline(0, color="black", linewidth=0.7)
    axes.set_yticks(range(len(told)), [label for _, label, _ in told], fontsize=7)
    axes.set(xlim=(-REACH - 1, REACH + 1), ylim=(len(told) - 0.5, -0.5), xlabel="packet engine against flow engine,\ndisturbed collectives against rounds engine (%)")
    axes.grid(axis="x")
    axes.legend(loc="lower center", bbox_to_anchor=(0.5, 1), ncol=3)
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path)
    plt.close(figure)
