"""search_report.py: what scripts/search tells: tables for a terminal, a CSV of all plans, a picture, the job of the winner."""

import csv
import re
import textwrap

import yaml

from search_run import pareto, ranked
from search_space import KEYS, Plan

WIDTH = 100
SHOWN = 12  # rows of the table
REASONS_SHOWN = 10
JOB_WORDS = ("parallel", "training", "network", "placement", "noise", "model_changes", "seed", "job")
MEMORY = "does not fit the memory of a GPU"
PARTS = {"compute": "computing", "sharing": "computing slowed by collectives", "bubble": "pipeline bubble",
         "tp_exposed": "tensor-parallel exchange", "cp_exposed": "context-parallel exchange", "ep_exposed": "exchange of experts",
         "pp_exposed": "hand-overs between stages", "dp_exposed": "gradients and parameters", "contention": "contention",
         "own_slow": "slow GPUs", "straggler": "waiting for others"}


def plural(n, word):
    return f"{n:,} {word}{'s' * (n != 1)}"


def words(plan, common=()):
    """A plan in a few words; axes of `common` are left out."""
    c = plan.choices
    if not c:
        return "the job's own plan"
    said = {"tp": f"tp{c['tp']}", "pp": f"pp{c['pp']}" + (f"x{c['vp']}" if c["vp"] > 1 else ""), "dp": f"dp{plan.dp}",
            "cp": f"cp{c['cp']}" * (c["cp"] > 1), "ep": f"ep{c['ep']}" * (c["ep"] > 1), "zero": f"zero{c['zero']}",
            "microbatch": f"mb{c['microbatch']}", "recompute": c["recompute"], "schedule": c["schedule"] * (c["schedule"] != "auto"),
            "ends": "ends" * (c["ends"] == "on"), "placement": c["placement"] * (c["pp"] > 1), "routing": c["routing"]}
    said.update({key: f"{key.rpartition('.')[2]}={c[key]}" for key in c if key not in KEYS})
    return " ".join(text for axis, text in said.items() if text and axis not in common)


def shared(plans):
    """Axes in which the plans do not differ, of those with words of their own."""
    with_choices = [plan.choices for plan in plans if plan.choices]
    return [axis for axis in ("zero", "microbatch", "recompute", "placement", "routing")
            if len({choices[axis] for choices in with_choices}) == 1]


def reason_of(text):
    """An error of the program as a reason to count by: its numbers are of one plan."""
    if "of the sum" in text or re.search(r"stage \d+ needs [\d.]+ GB", text):
        return MEMORY
    text = re.sub(r" \([^()]*:\d+:\d+\)|, but [#\d].*", "", text)
    return re.sub(r"\d+(\.\d+)?", "#", text)


def tokens_s(plan):
    return plan.bound["tokens"] / (plan.step_ps / 1e12)


def table(rows, best, goodput):
    """Lines of the table of plans; rows [(mark, plan)], goodput {number: tokens/s}."""
    common = shared([plan for _, plan in rows])
    lines = [f"  {'step s':>8} {'':>7} {'tokens/s':>11} {'MFU':>6} {'GB':>6} {'MW':>8} {'goodput':>11}  plan"]
    for mark, plan in rows:
        play, step_s = plan.play, plan.step_ps / 1e12
        over = "best" if plan is best else f"{cost_of(best, plan):+.1f} %"
        good = f"{goodput[plan.number]:11,.0f}" if plan.number in goodput else f"{'-':>11}"
        lines.append(f"{mark:1} {step_s:8.4g} {over:>7} {tokens_s(plan):11,.0f} {100 * play['mfu_full']:5.1f}% {plan.memory / 1e9:6.1f} "
                     f"{play['mean_W'] / 1e6:8.4g} {good}  {words(plan, common)}")
    return lines


def paragraph(text, indent=""):
    return textwrap.fill(text, WIDTH, subsequent_indent=indent)


def difference(best, other):
    """What of its step another plan has more and less of, in words."""
    parts = {name: other.play["parts_ps"][name] - best.play["parts_ps"][name] for name in PARTS}
    most = sorted(parts, key=lambda name: -abs(parts[name]))[:2]
    said = [f"{PARTS[name]} {parts[name] / 1e12:+.3g} s" for name in most if abs(parts[name]) > 0.0005 * best.step_ps]
    gigabytes = (other.memory - best.memory) / 1e9
    return ", ".join(said + [f"memory {gigabytes:+.1f} GB"] * (abs(gigabytes) >= 0.1)) or "nothing else changes"


def cost_of(best, other):
    return 100 * (other.step_ps / best.step_ps - 1)


def choice_lines(best, neighbours):
    """What each choice costs: one line an axis, and a sentence on the cheapest other choice. neighbours {axis: [(value, plan, the best
    plan with the value, or its bound in ps, or None)]}."""
    lines, sentences = [], []
    for axis, others in neighbours.items():
        said, played = [], []
        for value, plan, anew in others:
            said.append(f"{value}: {f'{cost_of(best, plan):+.1f} %' if plan.played else short_reason(plan)}{anew_words(best, plan, anew)}")
            played += [(one.step_ps, value, one) for one in (plan, anew) if isinstance(one, Plan) and one.played]
        chosen = best.choices[axis]
        lines.append(textwrap.fill("   ".join(said), WIDTH, initial_indent=f"  {axis:11} {str(chosen):9} ", subsequent_indent=" " * 24,
                                   break_long_words=False))
        if played:
            _, value, plan = min(played, key=lambda row: row[0])
            sentences.append(paragraph(f"  {axis} {value} instead of {chosen} costs {cost_of(best, plan):.1f} % ({words(plan)}): "
                                       f"{difference(best, plan)}.", "    "))
    return lines, sentences


def anew_words(best, plan, anew):
    """What the best with a value costs, if that is another one; far ones have only a bound."""
    if anew is None or anew is plan:
        return ""
    if isinstance(anew, int):
        return f" (>{100 * (anew / best.step_ps - 1):.0f} %)"
    return f" ({cost_of(best, anew):+.1f} %)"


def short_reason(plan):
    if not plan.dp:
        return "no dp"
    answer = plan.play if plan.play else plan.bound
    if not answer:
        return "impossible"
    needs = re.search(r"needs ([\d.]+) GB, but GPU \S+ has ([\d.]+) GB", answer["reason"])
    return f"{float(needs[1]):.0f} of {float(needs[2]):.0f} GB" if needs else "impossible"


def prune_words(plans, within):
    """Why plans that can run were not played."""
    late, beaten, network = (sum(plan.pruned == why for plan in plans) for why in ("time", "time and memory", "network"))
    said = [f"Of {late:,} the bound alone is more than {within:g} % above the best step"] * (late > 0)
    said += [f"{beaten:,} are beaten by one that was played: its step is below their bound, and it takes no more memory"] * (beaten > 0)
    said += [f"{network:,} are other placements and routings of plans that cannot be the best"] * (network > 0)
    return "; ".join(said) + "." * bool(said)


def count_lines(impossible):
    rows = sorted(impossible.items(), key=lambda row: -row[1])
    lines = [textwrap.fill(f"{n:9,}  {reason}", WIDTH, subsequent_indent=" " * 11) for reason, n in rows[:REASONS_SHOWN]]
    if len(rows) > REASONS_SHOWN:
        rest = rows[REASONS_SHOWN:]
        lines.append(f"{sum(n for _, n in rest):9,}  for {plural(len(rest), 'other reason')} (plans.csv has them all)")
    return lines


def nested(settings):
    """{section: {key: value}} of KEY=VALUE."""
    job = {}
    for setting in settings:
        key, _, value = setting.partition("=")
        at = job
        *path, last = key.removeprefix("job.").split(".")
        for word in path:
            at = at.setdefault(word, {})
        at[last] = yaml.safe_load(value)
    return job


def merge(below, above):
    for key, value in above.items():
        if isinstance(value, dict) and isinstance(below.get(key), dict):
            merge(below[key], value)
        else:
            below[key] = value
    return below


def of_job(setting):
    return setting.split("=")[0].split(".")[0] in JOB_WORDS


def write_job(path, template, settings, head):
    """The template with settings of the job laid over it."""
    job = merge(yaml.safe_load(template), nested([setting for setting in settings if of_job(setting)]))
    text = yaml.safe_dump(job, sort_keys=False, default_flow_style=None, width=120)
    path.write_text("".join(f"# {line}\n" for line in textwrap.wrap(head, 118)) + text, encoding="utf-8")


def write_csv(path, plans, axes):
    """A row a plan that the program was asked about."""
    with open(path, "w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["number", *axes, "dp", "state", "reason", "least_s", "step_s", "mfu_full", "memory_GB", "mean_MW", "J_per_token"])
        for plan in plans:
            row = [plan.number, *(plan.choices.get(axis, "") for axis in axes), plan.dp]
            if plan.played:
                row += ["played", "", plan.bound["least_ps"] / 1e12, plan.step_ps / 1e12, plan.play["mfu_full"], plan.memory / 1e9,
                        plan.play["mean_W"] / 1e6, plan.play["energy_per_token_J"]]
            elif plan.fits:
                failed = plan.play and plan.play["verdict"] != "fits"
                row += ["failed" if failed else "not played", plan.play["reason"] if failed else plan.pruned, plan.bound["least_ps"] / 1e12,
                        "", "", plan.memory / 1e9, "", ""]
            else:
                row += ["impossible", plan.bound["reason"] if plan.bound else "", "", "", "", "", "", ""]
            writer.writerow(row)


def draw(path, plans, best, own, within, title):
    """Time against memory: what was played, by power, the front within the margin, and the bounds of what was not."""
    import matplotlib
    matplotlib.use("Agg")
    import matplotlib.pyplot as plt
    rows = ranked(plans)
    figure, axes = plt.subplots(figsize=(9, 5.5), constrained_layout=True)
    rest = [plan for plan in plans if plan.fits and not plan.played]
    axes.scatter([plan.memory / 1e9 for plan in rest], [plan.bound["tokens"] / (plan.least_ps / 1e12) for plan in rest], s=5, color="0.75",
                 label=f"{len(rest):,} not played: at most so fast (bound)", zorder=1, linewidths=0)
    dots = axes.scatter([plan.memory / 1e9 for plan in rows], [tokens_s(plan) for plan in rows], s=22,
                        c=[plan.play["mean_W"] / 1e6 for plan in rows], cmap="viridis", label=f"{len(rows):,} played", zorder=3)
    figure.colorbar(dots, label="site, MW")
    front = pareto([plan for plan in rows if plan.step_ps <= rows[0].step_ps * (1 + within / 100)])
    axes.plot([plan.memory / 1e9 for plan in front], [tokens_s(plan) for plan in front], color="C3", lw=1, drawstyle="steps-post", zorder=2,
              label=f"best for their memory, within {within:g} %")
    axes.scatter([best.memory / 1e9], [tokens_s(best)], marker="*", s=230, color="C3", edgecolors="k", zorder=5, label=f"best: {words(best)}")
    if own is not None and own.played and own is not best:
        axes.scatter([own.memory / 1e9], [tokens_s(own)], marker="D", s=60, color="C1", edgecolors="k", zorder=4, label="the job's own plan")
    axes.axvline(best.bound["gpu_memory_bytes"] / 1e9, color="0.4", lw=0.8, ls=":")
    axes.set(xlabel="memory of the fullest GPU, GB (dotted: what it has)", ylabel="tokens/s", title=title)
    fastest = tokens_s(rows[0])
    axes.set_ylim(bottom=max(0.5 * fastest, 0.95 * min(tokens_s(plan) for plan in rows)), top=1.08 * fastest)
    axes.legend(loc="lower right", fontsize=8)
    axes.yaxis.set_major_formatter(matplotlib.ticker.StrMethodFormatter("{x:,.0f}"))
    figure.savefig(path, dpi=130)
    plt.close(figure)
