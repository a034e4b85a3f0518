"""goodput_figure.py DIR: the table and the figure of scripts/goodput, from its traces DIR/goodput-*.h5.

All flows are equal and start together, so that a flow's bytes over its duration is what its NIC got. The closed
engine's trace is the bound. The traces of the packet engine, DIR/goodput-packet-*.h5, may be missing; they have a bound of
their own. A cable's demand is the bytes it carried in units of one flow's bytes: two flows on it make 2, and so do eight
queue pairs of four each; above 1 it holds flows back.

What one queue pair must give: a leaf throws 64 flows at 64 uplinks. A flow meets Binomial(63, 1/64) others on its uplink
and gets one part of 1 + that many; the mean is the share of uplinks that are hit at all, 1 - (63/64)^64 = 63.5 %.
"""

import math
import pathlib
import sys
import textwrap

import trace_file
from trace_file import PS, plt

import matplotlib.ticker
import numpy as np

# Name of the trace, label, colour.
VARIANTS = (("ecmp-1", "ECMP, 1 queue pair", "#D55E00"), ("ecmp-4", "ECMP, 4 queue pairs", "#E69F00"),
            ("ecmp-16", "ECMP, 16 queue pairs", "#CC79A7"), ("dmodk", "d-mod-k", "#56B4E9"),
            ("spray", "packet spraying", "#009E73"), ("adaptive", "adaptive", "#0072B2"))
PUBLISHED = ((60, "ECMP\n(NVIDIA)"), (95, "Spectrum-X\n(NVIDIA)"))  # press release of 2024-10-28
UPLINKS = 64
WORST = 8
CAPTION = (
    "{engines}, colossus-100k, one pod: GPU i sends {size} to GPU i + 2,048 on the same rail, so that 4,096 flows go leaf, "
    "spine, leaf. The bound (closed engine) is a NIC alone: {bound:.1f} GB/s of payload, of 50 GB/s on the wire. "
    "Published: NVIDIA names 95 % data throughput for Spectrum-X on Colossus and about 60 % for Ethernet with ECMP (press "
    "release of 2024-10-28; workload not described). Meta (SIGCOMM 2024): in simulated placements ECMP with 4 queue pairs "
    "is on average 40 % slower than the roofline, and more queue pairs speed all-reduce up by as much as 40 %. Here they "
    "help the slowest NIC, which a collective waits for, far more than the mean.")


class Goodput:
    """Goodput of one trace."""

    def __init__(self, folder, name, label, colour):
        trace = self.trace = trace_file.TraceFile(folder / f"goodput-{name}.h5")
        self.name, self.label, self.colour = name, label, colour
        self.seconds = (trace["flows/end_ps"] - trace["flows/start_ps"]) * PS
        self.bytes = trace["flows/bytes"]
        self.goodput = self.bytes / self.seconds / 1e9
        self.last = self.bytes.mean() / ((trace["flows/end_ps"].max() - trace["flows/start_ps"].min()) * PS) / 1e9

    def shares(self, bound):
        """Percent of the bound: mean over NICs, and the slowest."""
        return 100 * self.goodput.mean() / bound, 100 * self.goodput.min() / bound


class Variant(Goodput):
    """And the load of the cables between leaves and spines."""

    def __init__(self, folder, name, label, colour):
        super().__init__(folder, name, label, colour)
        trace = self.trace
        self.queue_pairs = int(name.partition("-")[2] or 1)
        tier = trace.tiers.index("spine")
        first, count = trace["links/first_link"][tier], trace["links/links"][tier]
        size, carried = float(self.bytes[0]), trace["links/link_bytes"][0]
        # The pod is the first: its leaves' uplinks come first; other pods are idle.
        self.demand = [carried[at:at + count][:len(self.bytes)] / size for at in first]
        delay, total = trace["links/hot_delay_ps"][0], trace["links/delay_ps"][0].sum()
        self.nslow, self.slow_is_all = int((delay > 0).sum()), bool(delay[delay > 0].sum() == total)
        self.delay_s = total * PS
        self.worst = [(str(trace.texts("links/hot_name")[0][i]), trace["links/hot_bytes"][0][i] / size,
                       self.users(trace, i)) for i in range(WORST) if delay[i] > 0]

    @staticmethod
    def users(trace, place):
        """The senders over a hot link, as far as the trace names them."""
        senders = trace["links/user_source"][0, place]
        return sorted(int(sender) for sender in senders[senders >= 0])


class Packets:
    """What the packet engine makes of some of the variants, by name, and its bound; empty where it was not there."""

    def __init__(self, folder):
        self.of, self.free, self.bound = {}, {}, None
        if (folder / "goodput-packet-bound.h5").exists():
            self.bound = Goodput(folder, "packet-bound", "closed bound", "black").goodput.mean()
            self.of = {name: Goodput(folder, f"packet-{name}", label, colour) for name, label, colour in VARIANTS
                       if (folder / f"goodput-packet-{name}.h5").exists()}
            self.free = {name: Goodput(folder, f"packet-free-{name}", label, colour) for name, label, colour in VARIANTS
                         if (folder / f"goodput-packet-free-{name}.h5").exists()}


def expected_share():
    """Mean share of a flow with one queue pair: see the top of this file."""
    return 1 - (1 - 1 / UPLINKS) ** UPLINKS


def binomial(queue_pairs, n):
    """Probability that n of a leaf's 64 * queue_pairs queue pairs take a given uplink."""
    throws = UPLINKS * queue_pairs
    return math.comb(throws, n) * (1 / UPLINKS) ** n * (1 - 1 / UPLINKS) ** (throws - n)


def print_table(variants, bound):
    head = ("", "mean", "least", "bytes/last", "share", "demand > 1", "delaying", "delay", "busiest")
    units = ("", "GB/s", "GB/s", "GB/s", "of bound", "up + down", "links", "s", "flows")
    lines = [head, units]
    for v in variants:
        crowded = [int((demand > 1 + 1e-9).sum()) for demand in v.demand]
        lines.append((v.label, f"{v.goodput.mean():.2f}", f"{v.goodput.min():.2f}", f"{v.last:.2f}",
                      f"{100 * v.goodput.mean() / bound:.1f} %", f"{crowded[0]} + {crowded[1]}",
                      f"{v.nslow}{'' if v.slow_is_all else '+'}", f"{v.delay_s:.1f}",
                      f"{max(demand.max() for demand in v.demand):.2f}"))
    width = [max(len(line[i]) for line in lines) for i in range(len(head))]
    print(f"\n4,096 NICs cross the spines; bound {bound:.2f} GB/s a NIC\n")
    for i, line in enumerate(lines):
        print("  ".join(text.ljust(w) if j == 0 else text.rjust(w) for j, (text, w) in enumerate(zip(line, width))))
        if i == 1:
            print("-" * (sum(width) + 2 * len(width) - 2))
    print("\nThe same flows crowd an uplink and the downlink behind it; the delay is counted at the first of them."
          "\n+: more, the trace keeps the 1,024 hottest."
          f"\nECMP with one queue pair: {100 * expected_share():.1f} % expected from 64 flows thrown at 64 uplinks.")


def print_packets(variants, bound, packets):
    if not packets.of:
        print("\nThe program has no packet engine: flows alone.")
        return
    print(f"\nshare of the bound, packet engine (of {packets.bound:.2f} GB/s) against flow engine: mean, slowest NIC\n")
    for v in variants:
        if v.name in packets.of:
            mean, least = packets.of[v.name].shares(packets.bound)
            print(f"{v.label:<22}  {mean:5.1f} % against {v.shares(bound)[0]:5.1f} %, {least:5.1f} % against {v.shares(bound)[1]:5.1f} %")
        if v.name in packets.free:
            mean, least = packets.free[v.name].shares(packets.bound)
            print(f"{'  without control':<22}  {mean:5.1f} %, {least:5.1f} %")


def print_worst(variants):
    for v in variants:
        if not v.worst:
            continue
        print(f"\nworst links, {v.label}")
        for name, demand, users in v.worst:
            n = round(demand * v.queue_pairs)
            crossed = f"{n} flows" if v.queue_pairs == 1 else f"{n} queue pairs of {v.queue_pairs} a flow"
            print(f"  {name:<32} {crossed}, from GPUs {', '.join(map(str, users))}{' ...' if n > len(users) else ''}")


def draw_bar(axes, at, width, shares, colour, hatch=None):
    mean, least = shares
    look = {"color": colour, "hatch": hatch, "edgecolor": "white", "linewidth": 0}
    axes.bar(at, mean, width, alpha=0.45, **look)
    axes.bar(at, least, width, **look)
    axes.annotate(f"{mean:.1f} %" if width > 0.5 else f"{mean:.0f}", (at, mean), xytext=(0, 2), textcoords="offset points",
                  ha="center", fontsize=8)
    if least < mean - 1:
        axes.annotate(f"{least:.0f} %" if width > 0.5 else f"{least:.0f}", (at, least), xytext=(0, -10),
                      textcoords="offset points", ha="center", fontsize=8, color="white")


def draw_goodput(axes, variants, bound, packets):
    """Mean and slowest NIC; hatched beside them what the packet engine says."""
    at = np.arange(len(variants))
    for i, v in enumerate(variants):
        if v.name in packets.of:
            draw_bar(axes, i - 0.2, 0.38, v.shares(bound), v.colour)
            draw_bar(axes, i + 0.2, 0.38, packets.of[v.name].shares(packets.bound), v.colour, "////")
        else:
            draw_bar(axes, i, 0.7, v.shares(bound), v.colour)
    for level, what in PUBLISHED:
        axes.axhline(level, color="black", linewidth=0.8, linestyle=(0, (4, 3)), zorder=0.5)
        axes.annotate(f"{level} %\n{what}", (5.55, level), va="center", fontsize=7.5, annotation_clip=False)
    labels = (v.label.replace(", ", "\n").replace("packet ", "packet\n") for v in variants)
    axes.set_xticks(at, [label.replace("queue pair", "QP") for label in labels])
    axes.set(ylabel="goodput, share of bound (%)", ylim=(0, 110), xlim=(-0.5, 5.5),
             title="(a) mean over NICs (light) and slowest (dark)" + ("; hatched: packets" if packets.of else ""))


def distinct(variants):
    """Variants to draw as curves: those without collisions are one curve."""
    free = [v for v in variants if not v.worst]
    yield from ((v, v.label, v.colour) for v in variants if v.worst)
    if free:
        yield free[-1], ", ".join(v.label for v in free), free[-1].colour


def draw_distribution(axes, variants, bound):
    for v, label, colour in distinct(variants):
        x = np.concatenate([[0], np.sort(v.goodput), [bound * 1.02]])
        y = np.concatenate([[0], (np.arange(len(v.goodput)) + 1) / len(v.goodput) * 100, [100]])
        axes.step(x, y, where="post", color=colour, label=label)
    axes.set(xlabel="goodput of a NIC (GB/s)", ylabel="NICs with at most that (%)", xlim=(0, bound * 1.04),
             ylim=(0, 102), title="(b) distribution over the 4,096 NICs")
    axes.grid()
    axes.legend(loc="upper left")


def draw_demand(axes, variants):
    """How many flows' worth of queue pairs share an uplink; dots: the binomial law."""
    for v, label, colour in distinct(variants):
        n, count = np.unique(np.rint(v.demand[0] * v.queue_pairs).astype(int), return_counts=True)
        share = count / count.sum() * 100
        axes.plot(n / v.queue_pairs, share, "o" if v.worst else "D", color=colour, markersize=4.5, label=label)
        if v.name.startswith("ecmp"):
            law = np.arange(0, 6 * v.queue_pairs + 1)
            axes.plot(law / v.queue_pairs, [100 * binomial(v.queue_pairs, int(k)) for k in law], color=colour,
                      linewidth=0.9, alpha=0.8)
    axes.axvspan(1.0, 7, color="#F4F4F4", zorder=0)
    axes.annotate("more than the cable carries", (6.25, 120), ha="right", va="center", fontsize=8, color="#606060")
    axes.set(xlabel="demand on an uplink of a leaf (flows)", ylabel="share of uplinks (%)", yscale="log",
             ylim=(0.02, 200), xlim=(-0.2, 6.4), title="(c) collisions; lines: 64 flows thrown at 64 uplinks at random")
    axes.yaxis.set_major_formatter(matplotlib.ticker.FuncFormatter(lambda value, _: f"{value:g}"))
    axes.grid()


def draw_worst(axes, variants):
    """The worst cables by name, four of each variant that has any."""
    rows = [(v, *worst) for v in variants for worst in v.worst[:4]]
    for i, (v, name, demand, _) in enumerate(rows):
        axes.barh(i, demand, 0.7, color=v.colour)
        n = round(demand * v.queue_pairs)
        axes.annotate(f"{n} flows" if v.queue_pairs == 1 else f"{n} queue pairs, {v.queue_pairs} a flow", (demand, i),
                      xytext=(4, 0), textcoords="offset points", va="center", fontsize=7.5)
    axes.axvline(1, color="black", linewidth=0.8, linestyle=(0, (4, 3)))
    axes.set_yticks(range(len(rows)), [name.replace("->", "\N{RIGHTWARDS ARROW}") for _, name, _, _ in rows])
    axes.invert_yaxis()
    axes.set(xlabel="demand (flows; the cable carries one)", xlim=(0, 7.4),
             title="(d) cables with most delay; colours as in (a)")
    axes.grid(axis="x")


def words(packets):
    return ({"engines": "Flow engine and packet engine (hatched)", "size": "1 GB (16 MB in packets)"} if packets.of else
            {"engines": "Flow engine", "size": "1 GB"})


def draw(variants, bound, packets):
    figure, ((a, b), (c, d)) = plt.subplots(2, 2, figsize=(9.8, 7.4))
    draw_goodput(a, variants, bound, packets)
    draw_distribution(b, variants, bound)
    draw_demand(c, variants)
    draw_worst(d, variants)
    figure.suptitle("All 4,096 NICs of one Colossus pod cross the spines")
    figure.supxlabel(textwrap.fill(CAPTION.format(bound=bound, **words(packets)), 165), fontsize=7.5, ha="left", x=0.01)
    return figure


def main():
    folder = pathlib.Path(sys.argv[1])
    bound = Variant(folder, "bound", "closed bound", "black").goodput.mean()
    variants = [Variant(folder, *variant) for variant in VARIANTS]
    print_table(variants, bound)
    print_worst(variants)
    packets = Packets(folder)
    print_packets(variants, bound, packets)
    trace_file.use_style()
    path = folder / "figures" / "pod-goodput.png"
    draw(variants, bound, packets).savefig(path, bbox_inches="tight")
    print(f"\n{path}")


trace_file.run(main)
