"""plot_packets.py: the pictures of scripts/plot that only traces of the packet engine have: queues and pauses."""

import matplotlib.colors
import matplotlib.ticker
import numpy as np

import trace_file
from trace_file import DIRECTIONS, PS, plt

PORTS = 8  # with the longest queues, drawn one by one


def named_links(trace):
    """{link: name} of all links that the steps name."""
    names = {}
    for links, texts in (("links/hot_link", "links/hot_name"), ("links/paused_link", "links/paused_name"),
                         ("links/paused_cause", "links/paused_cause_name")):
        for link, text in zip(trace[links].ravel(), trace.texts(texts).ravel()):
            if link >= 0:
                names[int(link)] = text.replace("->", "\N{RIGHTWARDS ARROW}")
    return names


def over_cells(trace, links, amounts, wanted):
    """[cell, wanted link] of a column of links per interval; 0 where the interval does not tell of the link."""
    cell = trace.timeline()[1]
    ids, values = trace[f"intervals/{links}"], trace.amounts(f"intervals/{amounts}")
    table = np.zeros((len(ids) + 1, len(wanted)))
    for place, link in enumerate(wanted):
        row, column = np.nonzero(ids == link)
        table[row, place] = values[row, column]
    return table[cell]


def longest_queues(trace):
    """The ports with the longest queues of any interval, longest first."""
    ids, most = trace["intervals/hot_link"], np.nan_to_num(trace.amounts("intervals/hot_queue_most"))
    links = np.unique(ids[(ids >= 0) & (most > 0)])
    length = {int(link): most[ids == link].max() for link in links}
    return sorted(length, key=lambda link: (-length[link], link))[:PORTS]


def draw_ports(axes, trace, edges_s):
    """Queues of the fullest ports over time: a line for the most of an interval, filled up to the mean."""
    names, ports = named_links(trace), longest_queues(trace)
    most = over_cells(trace, "hot_link", "hot_queue_most", ports) / 1e6
    mean = over_cells(trace, "hot_link", "hot_queue_mean", ports) / 1e6
    for place, link in enumerate(ports):
        colour = trace_file.TIER_COLOUR[(place + 1) % len(trace_file.TIER_COLOUR)]
        axes.stairs(most[:, place], edges_s * 1e3, baseline=None, color=colour, linewidth=1.0,
                    label=names.get(link, f"link {link}"))
        axes.stairs(mean[:, place], edges_s * 1e3, fill=True, color=colour, alpha=0.15)
    axes.set(xlabel="simulated time (ms)", ylabel="bytes that wait (MB)", ylim=(0, None), xlim=edges_s[[0, -1]] * 1e3,
             title="the fullest ports: most (line) and mean (filled) of each interval")
    axes.grid(axis="y")
    axes.legend(loc="upper left", bbox_to_anchor=(1.0, 1.0), fontsize=7)


def draw_spread(axes, trace):
    """How many ports had a longer queue at any time of a step."""
    bins = trace["links/queue_bin"][:-1]
    for tier in range(len(trace.tiers)):
        for direction, line in ((0, "-"), (1, "--")):
            counts = trace["links/queue_histogram"][:, tier, direction].sum(axis=0).astype(float)
            share = np.cumsum(counts[::-1])[::-1] / max(counts.sum(), 1) * 100
            if share[1] > 0:
                axes.step(np.maximum(bins, 256) / 1e3, share[1:], where="post", linestyle=line,
                          color=trace_file.TIER_COLOUR[tier], label=f"{trace.tiers[tier]}, {DIRECTIONS[direction]}")
    axes.set(xscale="log", xlabel="longer than (kB)", ylabel="ports (%)", ylim=(0, 101),
             title="the longest queue of each port in a step")
    axes.xaxis.set_major_formatter(matplotlib.ticker.FuncFormatter(lambda value, _: f"{value:g}"))
    axes.grid()
    axes.legend(loc="upper left", bbox_to_anchor=(1.0, 1.0), fontsize=7)


def draw_marks(axes, trace, edges_s):
    """Packets that were marked, lost or came out of order, a millisecond."""
    for name, colour in (("marks", "#E69F00"), ("drops", "#D55E00"), ("reordered", "#0072B2")):
        events = trace.over_time(name).sum(axis=(1, 2))
        if events.any():
            axes.stairs(events / np.diff(edges_s) / 1e3, edges_s * 1e3, baseline=None, color=colour, label=name)
    axes.set(xlabel="simulated time (ms)", ylabel="packets a ms", ylim=(0, None), xlim=edges_s[[0, -1]] * 1e3,
             title="marks, drops and reordered packets")
    axes.grid(axis="y")
    if axes.get_legend_handles_labels()[0]:
        axes.legend(loc="upper left", bbox_to_anchor=(1.0, 1.0), fontsize=7)


def draw_queues(trace):
    """Queues over time of the fullest ports, marks over time, and how long queues get."""
    if not trace["links/queue_most"].any():
        return None
    edges_s = trace.timeline()[0]
    figure, (top, middle, bottom) = plt.subplots(3, 1, figsize=(9.6, 7.6), gridspec_kw={"height_ratios": [1.5, 1, 1]})
    draw_ports(top, trace, edges_s)
    draw_marks(middle, trace, edges_s)
    draw_spread(bottom, trace)
    figure.suptitle(f"Queues: {trace.caption()}")
    return figure


def pause_tree(trace):
    """[(link, depth, cause)] of the links that were paused longest, below the port each was paused for: roots by what hangs
    on them, then deeper."""
    links, causes = trace["links/paused_link"].ravel(), trace["links/paused_cause"].ravel()
    times = np.nan_to_num(trace.amounts("links/paused_link_ps").ravel())
    total, cause_of = {}, {}
    for link, cause, time in zip(links, causes, times):
        if link >= 0:
            total[int(link)] = total.get(int(link), 0) + time
            cause_of.setdefault(int(link), int(cause))
    below = {}
    for link in sorted(total, key=lambda k: (-total[k], k)):
        below.setdefault(cause_of[link], []).append(link)
    roots = [cause for cause in below if cause not in total]
    rows, seen = [], set()

    def descend(cause, depth):
        for link in below.get(cause, []):
            if link not in seen:
                seen.add(link)
                rows.append((link, depth, cause))
                descend(link, depth + 1)

    for root in sorted(roots, key=lambda cause: -sum(total[link] for link in below[cause])):
        descend(root, 0)
    for link in sorted(total):  # of circles: who pauses whom without a root
        if link not in seen:
            seen.add(link)
            rows.append((link, 0, cause_of[link]))
            descend(link, 1)
    return rows


def draw_paused_tiers(axes, trace, edges_s):
    """How many ports of each tier stand still."""
    paused = trace.over_time("pause_ps") * PS / np.diff(edges_s)[:, None, None]
    for tier in range(len(trace.tiers)):
        for direction, line in ((0, "-"), (1, "--")):
            if paused[:, tier, direction].any():
                axes.stairs(paused[:, tier, direction], edges_s * 1e3, baseline=None, linestyle=line,
                            color=trace_file.TIER_COLOUR[tier], label=f"{trace.tiers[tier]}, {DIRECTIONS[direction]}")
    axes.set(ylabel="ports paused", ylim=(0, None), title="ports that may not send, mean over an interval")
    axes.tick_params(labelbottom=False)
    axes.grid(axis="y")
    axes.legend(loc="upper left", bbox_to_anchor=(1.0, 1.0), fontsize=7)


def draw_pauses(trace):
    """How many ports are paused over time, and the longest paused one by one, below those that they are paused for."""
    rows, names, edges_s = pause_tree(trace), named_links(trace), trace.timeline()[0]
    if not rows:
        return None
    share = over_cells(trace, "paused_link", "paused_link_ps", [link for link, _, _ in rows]) * PS / np.diff(edges_s)[:, None]
    figure, (top, bottom) = plt.subplots(2, 1, figsize=(9.6, 3.2 + 0.2 * len(rows)), sharex=True,
                                         gridspec_kw={"height_ratios": [8, max(4, len(rows))]})
    draw_paused_tiers(top, trace, edges_s)
    image = bottom.pcolormesh(edges_s * 1e3, np.arange(len(rows) + 1), np.ma.masked_less_equal(share.T * 100, 0),
                              cmap="inferno_r", norm=matplotlib.colors.Normalize(0, 100), rasterized=True)
    bottom.set_yticks(np.arange(len(rows)) + 0.5, ["\N{NO-BREAK SPACE}" * 4 * depth + names.get(link, f"link {link}")
                                                   for link, depth, _ in rows], fontsize=6.5, ha="left")
    bottom.tick_params(axis="y", pad=150)
    for row, (_, depth, cause) in enumerate(rows):
        if row == 0 or cause != rows[row - 1][2]:
            bottom.axhline(row, color="#B0B0B0", linewidth=0.6)
            bottom.annotate(f"for {names.get(cause, '?')}", (1.01, row + 0.5), xycoords=("axes fraction", "data"),
                            fontsize=6.5, va="center", color="#606060")
    bottom.set(ylim=(len(rows), 0), xlim=edges_s[[0, -1]] * 1e3, xlabel="simulated time (ms)",
               title="links paused longest, by the switch behind the arrow; indented: for one that is paused itself")
    figure.colorbar(image, ax=[top, bottom], label="paused (% of the interval)", pad=0.2, aspect=35)
    figure.suptitle(f"Pauses: {trace.caption()}")
    return figure
