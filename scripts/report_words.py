"""report_words.py: a run in sentences, for people who do not know the names of columns; a part of scripts/report.

Each sentence is of the last step, says a figure and where it comes from, and claims nothing that the trace does not hold.
"""

import numpy as np

import trace_file
from trace_file import PS

MEANT = {
    "compute": "compute", "own_slow": "slowness of their own (noise, stragglers, faults)",
    "sharing": "work slowed by communication on the same GPU", "bubble": "the pipeline's bubble: waiting for the first and last microbatches",
    "tp_exposed": "tensor-parallel communication", "cp_exposed": "context-parallel communication",
    "ep_exposed": "exchanges of experts", "pp_exposed": "hand-over between pipeline stages",
    "dp_exposed": "gradients and parameters exchanged between replicas", "contention": "transfers that shared links with others",
    "straggler": "waiting for slower GPUs",
}
STEADY = 0.001  # steps that differ by less are called equally long


def time_text(seconds):
    for unit, size in (("s", 1), ("ms", 1e-3), ("µs", 1e-6)):
        if seconds >= size:
            return f"{seconds / size:,.4g} {unit}"
    return f"{seconds / 1e-9:,.4g} ns"


def power_text(watts):
    return f"{watts / 1e6:.4g} MW" if watts >= 1e6 else f"{watts / 1e3:.4g} kW"


def of_steps(trace):
    durations = trace["steps/duration_ps"] * PS
    many = len(durations)
    if many == 1:
        return f"One step, of {time_text(durations[0])}."
    least, most = durations.min(), durations.max()
    if most - least <= STEADY * most:
        return f"{many} steps of {time_text(durations[-1])} each."
    worst = int(durations.argmax())
    return f"{many} steps of {time_text(durations.mean())} in the mean, {time_text(least)} to {time_text(most)}; the longest is step {worst}."


def of_parts(trace):
    step = trace.nsteps - 1
    parts = {part: float(trace[f"steps/{part}_ps"][step]) for part in trace.parts()}
    whole = sum(parts.values())
    losses = sorted(((value, part) for part, value in parts.items() if part != "compute"), reverse=True)
    text = [f"GPUs compute {parts['compute'] / whole:.1%} of a step."]
    large = [f"{value / whole:.1%} is {MEANT.get(part, part)}" for value, part in losses[:3] if value > 0.005 * whole]
    if large:
        text.append("Of the rest, " + "; ".join(large) + ".")
    mfu, tokens = trace["steps/mfu_full"][step], trace["steps/tokens_per_s_gpu"][step]
    text.append(f"That is {tokens:,.0f} tokens a second and GPU, {mfu:.1%} of the GPUs' peak (MFU).")
    return " ".join(text)


def of_certainty(trace):
    step = trace.nsteps - 1
    gpus, largest = int(trace["steps/gpus_in_job"][step]), int(trace["steps/largest_run_gpus"][step])
    least, most, runs = (trace[f"steps/{name}"][step] for name in ("likely_least_ps", "likely_most_ps", "likely_runs"))
    if runs <= 0 or not np.isfinite(least):
        return f"No published run of this kind and size is known to hold it against (the largest has {largest:,} GPUs)."
    text = f"8 in 10 of {int(runs)} published runs like it say that the real step takes {time_text(least * PS)} to {time_text(most * PS)}."
    return text + (f" The largest of its kind has {largest:,} GPUs, this one {gpus:,}." if gpus > largest else "")


def of_flows(trace):
    rate = trace["flows/bytes"] / np.maximum((trace["flows/end_ps"] - trace["flows/start_ps"]) * PS, PS) / 1e9
    slow = trace["flows/slowdown"]
    return (f"{len(rate):,} flows at {rate.mean():.4g} GB/s in the mean, {rate.min():.4g} the slowest; they take "
            f"{slow.mean():.3g} times as long as alone, {slow.max():.3g} the worst.")


def of_links(trace):
    step = trace.nsteps - 1
    most, delay = trace["links/utilisation_max"][step], trace["links/delay_ps"][step]
    tier, direction = np.unravel_index(most.argmax(), most.shape)
    text = [f"The busiest link is in tier {trace.tiers[tier]} ({trace_file.DIRECTIONS[direction]}), used {most[tier, direction]:.1%} of the step."]
    if delay.sum() > 0:
        worst = int(delay.sum(axis=1).argmax())
        share = delay.sum(axis=1)[worst] / delay.sum()
        text.append(f"Transfers lost {time_text(delay.sum() * PS)} together by sharing links, {share:.0%} of it in tier {trace.tiers[worst]}."
                    + of_contention(trace, step))
        if trace["links/hot_link"][step, 0] >= 0:
            text.append(f"The link that cost most is {trace.texts('links/hot_name')[step, 0]}.")
    else:
        text.append("No transfer was slowed by another.")
    return " ".join(text)


def of_contention(trace, step):
    """What of the delay of transfers a step felt; the rest was hidden behind work."""
    if not trace.training or not np.isfinite(trace["steps/contention_ps"][step]):
        return ""
    cost = float(trace["steps/contention_ps"][step])
    if cost <= 0:
        return " All of it was hidden behind work."
    return f" A GPU waited {time_text(cost * PS)} for it in the mean; what of it work hid is not in that."


def of_power(trace):
    step = trace.nsteps - 1
    mean, peak, least = (float(trace[f"power/{name}_W"][step]) for name in ("mean", "peak", "least"))
    text = f"The site draws {power_text(mean)}"
    if peak - least > STEADY * peak:
        text += f" in the mean, {power_text(least)} to {power_text(peak)} within a step"
    token = trace["power/energy_per_token_J"][step] if "power/energy_per_token_J" in trace.file else np.nan
    return text + (f"; {token:.4g} J a token." if np.isfinite(token) else ".")


def of_jobs(trace):
    of_step, delay = trace["steps/job"], trace["jobs/delay_ps"].sum(axis=(2, 3)) * PS
    names, said = trace.texts("jobs/name").tolist(), []
    for victim, name in enumerate(names):
        cost = delay[of_step == victim].sum(axis=0)
        others = cost.sum() - cost[victim]
        if others > 0:
            said.append(f"transfers of {name} lost {time_text(others)} to those of other jobs ({others / cost.sum():.0%} of all they lost)")
    return ("; ".join(said) + ".").capitalize() if said else "No job cost another anything."


def sentences(trace):
    """Paragraphs about a run."""
    gpus = int(trace.working().sum())
    text = [f"{trace.attributes.get('job')} on {trace.attributes.get('cluster')}: {gpus:,} GPUs. {of_steps(trace)}"]
    if trace.training and np.isfinite(trace["steps/gpu_duration_ps"][-1]):
        text += [of_parts(trace), of_certainty(trace)]
    if trace.traffic:
        text.append(of_flows(trace))
    text += [of_links(trace), of_power(trace)]
    if "jobs" in trace:
        text.append(of_jobs(trace))
    status = trace.attributes.get("status")
    if status != "complete":
        text.append(f"The run is not complete ({status}): {trace.nsteps} steps are committed.")
    return text
