"""fabric_graph.py: pictures of fabrics that are no trees, for draw.

Switches are put into cells, one each while they can be told apart, else as many neighbours as it takes; cables between two
cells are one line, coloured by their mean, framed by the busiest, as wide as there are many. Those within a cell, and those of
its NICs, are the colour of the cell.
    torus, mesh   a grid, the first dimension upwards, the second to the right; planes of the third side by side. What closes a
                  ring ends in the open, as do cables to a plane that stands elsewhere
    dragonfly     groups in a ring; in each its switches, or of many groups several together
    graph         a row for each level
"""

import math

import numpy as np
from matplotlib.collections import LineCollection, PatchCollection
from matplotlib.patches import Circle, FancyBboxPatch, Rectangle

from trace_file import plt

GREY, SWITCH, SWITCH_EDGE, NIC, NIC_EDGE = "#9A9A9A", "#CFE2F0", "#2F6690", "#F4EBDD", "#9C7A3C"
GRID_MOST = {1: 32, 2: 64, 3: 24}  # cells along a dimension, by the number of dimensions
PLANES_MOST = 12
GROUPS_APART, MEMBERS_MOST, RING_MOST = 24, 12, 32
ROW_MOST = 24
WIDTH, HEIGHT = 9.0, 6.2           # of the drawing, in inches


def whole(number):
    return f"{int(number):,}"


def several(number, word):
    return f"{whole(number)} {word}{'' if number == 1 else 's'}"


class Cells:
    """Where switches are drawn: a cell each, or several in one."""

    def __init__(self, fabric):
        self.of = [np.zeros(tier.switches, dtype=int) for tier in fabric.tiers]  # [level][number]
        self.at = np.zeros((0, 2))
        self.n = 0

    def place(self, level, cell_of, positions):
        """Switches of a level into cells with these positions."""
        self.of[level] = np.asarray(cell_of) + self.n
        self.at = np.concatenate([self.at, positions])
        self.n += len(positions)


class Bundles:
    """Cables between two cells, by tier; and what stays within one."""

    def __init__(self, fabric, cells, loads):
        rows = fabric.list
        self.inside = np.zeros((cells.n, 3))  # number, sum, most
        self.held = [0] * len(fabric.tiers)   # cables inside cells, by tier
        self.nics = np.zeros(cells.n, dtype=int)
        self.between = []                     # (tier, a, b, number, mean, most), the busiest last
        for t in range(len(fabric.tiers)):
            mine = rows.tier == t
            if not mine.any():
                continue
            count, level, number = rows.count[mine], rows.level[mine], rows.number[mine]
            used = np.zeros(count.sum()) if loads is None else loads.of_cables(fabric.tiers[t])
            total, most = np.add.reduceat(used, rows.first[mine]), np.maximum.reduceat(used, rows.first[mine])
            ends = np.empty((2, len(count)), dtype=int)
            for end in (0, 1):
                for other in range(len(fabric.tiers)):
                    own = level[:, end] == other
                    ends[end, own] = cells.of[other][number[own, end]]
            nic = level[:, 0] < 0
            np.add.at(self.nics, ends[1, nic], count[nic])
            ends[0, nic] = ends[1, nic]
            self.add(t, np.sort(ends, axis=0), count, total, most)
        self.between.sort(key=lambda bundle: bundle[5])

    def add(self, tier, ends, count, total, most):
        pairs, which = np.unique(ends, axis=1, return_inverse=True)
        which = which.reshape(-1)
        sums = np.zeros((3, pairs.shape[1]))
        np.add.at(sums[0], which, count)
        np.add.at(sums[1], which, total)
        np.maximum.at(sums[2], which, most)
        for (a, b), (n, own, top) in zip(pairs.T, sums.T):
            if a == b:
                self.held[tier] += int(n)
                self.inside[a] += n, own, 0
                self.inside[a, 2] = max(self.inside[a, 2], top)
            else:
                self.between.append((tier, a, b, int(n), own / n, top))


    def drawn(self, ntiers):
        """Cables of each tier: those of lines, and those in cells."""
        lines = [sum(bundle[3] for bundle in self.between if bundle[0] == tier) for tier in range(ntiers)]
        return [own + held for own, held in zip(lines, self.held)]


def blocks_of(n, most):
    """Of n things as many in each of at most `most` cells, the same in all if it takes no more than twice as many."""
    least = -(-n // most)
    each = next((each for each in range(least, 2 * least) if n % each == 0), least)
    return each, -(-n // each)


class GraphPicture:
    def __init__(self, fabric, loads, colours, norm):
        self.fabric, self.loads, self.colours, self.norm = fabric, loads, colours, norm
        self.cells = Cells(fabric)
        self.figure, self.axes = plt.subplots(figsize=(WIDTH + 3.2, HEIGHT + 1.0))
        self.axes.set_axis_off()
        self.axes.set_aspect("equal")
        self.said = []      # what a cell is, and where things are
        self.size = 0.3     # of a cell
        self.open = set()   # pairs of cells whose cables end in the open
        self.curved = None  # where lines bend to
        {"torus": self.grid, "mesh": self.grid, "dragonfly": self.ring}.get(fabric.kind, self.rows)()
        self.bundles = Bundles(fabric, self.cells, loads)

    # where cells are

    def grid(self):
        tiers = self.fabric.tiers[1:]
        n = [tier.children for tier in tiers]
        square = -(-max(n[:2]) // GRID_MOST[len(n)])  # alike both ways
        blocks = [(square, -(-k // square)) for k in n[:2]] + [blocks_of(k, PLANES_MOST) for k in n[2:]]
        ids = np.arange(self.fabric.tiers[0].switches)
        where, shape = [], []
        for (each, cells), k in zip(blocks, n):
            where.append(ids % k // each)
            shape.append(cells)
            ids = ids // k
        if len(n) < 2:  # a line lies
            where, shape = [0 * ids, *where], [1, *shape]
        flat = np.zeros(len(ids), dtype=int)
        for position, cells in zip(reversed(where), reversed(shape)):
            flat = flat * cells + position
        rows, columns, planes = (*shape, 1)[:3]
        gap = 1.7
        across = min(range(1, planes + 1), key=lambda a: max(a * (columns + gap) / WIDTH, -(-planes // a) * (rows + gap) / HEIGHT))
        pitch = min(WIDTH / (across * (columns + gap)), HEIGHT / (-(-planes // across) * (rows + gap)), 0.85)
        cell = np.arange(rows * columns * planes)
        row, column, plane = cell % rows, cell // rows % columns, cell // (rows * columns)
        x = (plane % across * (columns + gap) + column) * pitch
        y = (row - plane // across * (rows + gap)) * pitch
        self.cells.place(0, flat, np.stack([x, y], axis=1))
        self.size, self.pitch, self.shape = 0.52 * pitch, pitch, (rows, columns, planes)
        each = [size for size, _ in blocks]
        if max(each) > 1:
            self.said.append(f"a square is {' x '.join(map(str, each))} switches")
        ways = ("to the right",) if len(n) == 1 else ("upwards", "to the right", "from plane to plane")
        self.ways = dict(zip((tier.name for tier in tiers), ways))

    def ring(self):
        _, group, every = self.fabric.tiers
        size, groups = group.children, every.children
        ids = np.arange(self.fabric.tiers[0].switches)
        apart = groups <= GROUPS_APART
        each, cells = blocks_of(size, MEMBERS_MOST) if apart else (size, 1)
        together, clusters = blocks_of(groups, RING_MOST)
        if apart:
            together, clusters = 1, groups
        radius = HEIGHT / 2 / (1 + math.sin(math.pi / max(clusters, 3)) * 0.8)
        self.radius = 0.72 * radius * math.sin(math.pi / max(clusters, 3))
        angle = math.pi / 2 - 2 * math.pi * np.arange(clusters) / clusters
        hub = radius * np.stack([np.cos(angle), np.sin(angle)], axis=1) * (clusters > 1)
        turn = 2 * math.pi * (np.arange(cells) + 0.5) / cells
        places = [middle + self.radius * 0.72 * (cells > 1) * np.array([math.cos(a + t), math.sin(a + t)])
                  for middle, a in zip(hub, angle) for t in turn]
        self.cells.place(0, ids // size // together * cells + (ids % size // each if apart else 0), np.array(places))
        self.size = self.radius if cells == 1 and not apart else min(0.5 * self.radius * math.sin(math.pi / max(cells, 2)), 0.4)
        self.hubs, self.curved = hub, (np.zeros(2) if clusters > 2 else None)
        if each > 1 and apart:
            self.said.append(f"a square is {each} switches of a group")
        if together > 1 or not apart:
            self.said.append(f"a square is {several(together, 'group')} of {size} switches" + (", one fewer" if groups % together else ""))
        self.ways = {group.name: "within groups", every.name: "between groups"}

    def rows(self):
        self.level_y = {}
        tiers = [(level, tier) for level, tier in enumerate(self.fabric.tiers) if tier.switches > 0]
        pitch = 1.6
        for place, (level, tier) in enumerate(tiers, 1):
            each, cells = blocks_of(tier.switches, ROW_MOST)
            x = WIDTH * (np.arange(cells) + 0.5) / cells
            self.level_y[level] = place * pitch
            self.cells.place(level, np.arange(tier.switches) // each, np.stack([x, np.full(cells, place * pitch)], axis=1))
            if each > 1:
                self.said.append(f"{tier.name}: a square is {each} switches")
        self.size, self.ways = min(0.3, 0.6 * WIDTH / ROW_MOST), {}

    # what is drawn

    def colour(self, used):
        return self.colours(self.norm(used)) if self.loads else GREY

    def paths(self, a, b, tier):
        """Points of the lines between two cells."""
        (one, other), grid = self.cells.at[[a, b]], self.fabric.kind in ("torus", "mesh")
        if grid:
            return self.grid_paths(a, b, one, other)
        if self.curved is not None and tier == 2:
            s = np.linspace(0, 1, 24)[:, None]
            bend = 0.3 * (one + other) / 2
            return [(1 - s) ** 2 * one + 2 * s * (1 - s) * bend + s ** 2 * other]
        if self.fabric.kind == "graph" and one[1] == other[1] and abs(a - b) > 1:
            s = np.linspace(0, 1, 24)[:, None]
            lift = np.array([0, min(0.25 + 0.12 * abs(one[0] - other[0]), 0.9)])
            return [(1 - s) ** 2 * one + 2 * s * (1 - s) * ((one + other) / 2 + 2 * lift * [0, 0.6]) + s ** 2 * other]
        return [np.array([one, other])]

    def grid_paths(self, a, b, one, other):
        rows, columns, _ = self.shape
        place = lambda cell: np.array([cell // rows % columns, cell % rows, cell // (rows * columns)])
        step = place(b) - place(a)
        axis = int(np.flatnonzero(step)[0])
        if axis == 2:
            return []  # between planes: once for all
        if abs(step).max() == 1:
            return [np.array([one, other])]
        out = np.zeros(2)
        out[axis] = 0.62 * self.pitch * np.sign(step[axis])
        return [np.array([one, one - out]), np.array([other, other + out])]

    def lines(self):
        points, frames, fills, widths = [], [], [], []
        grid, between = self.fabric.kind in ("torus", "mesh"), self.bundles.between
        base = min(72 * self.size * (0.16 if grid else 0.06), 3.2) * (1 if grid else min(1, math.sqrt(120 / max(len(between), 1))))
        usual = np.median([bundle[3] for bundle in between]) if between else 1
        for tier, a, b, n, mean, most in between:
            for path in self.paths(a, b, tier):
                points.append(path)
                frames.append(self.colour(most))
                fills.append(self.colour(mean))
                widths.append(max(base * min(max(1 + 0.3 * math.log2(n / usual), 0.5), 2), 0.3))
        widths = np.array(widths)
        if self.loads:
            self.axes.add_collection(LineCollection(points, colors=frames, linewidths=1.7 * widths, zorder=2))
        self.axes.add_collection(LineCollection(points, colors=fills, linewidths=widths, zorder=2.1))

    def squares(self):
        """The cells; of a run in the colour of their NICs' and inner cables."""
        inside = self.bundles.inside
        fill, frame = [], []
        for n, total, most in inside:
            fill.append(self.colour(total / n) if self.loads and n else SWITCH)
            frame.append(self.colour(most) if self.loads and n else SWITCH_EDGE)
        half = self.size / 2
        patches = [Rectangle(at - half, self.size, self.size) for at in self.cells.at]
        # A thin dark edge keeps pale cells apart from paper.
        self.axes.add_collection(PatchCollection(patches, facecolor=frame, edgecolor=SWITCH_EDGE, linewidth=min(0.8, 6 * self.size),
                                                 zorder=5))
        if self.loads:
            inner = [Rectangle(at - 0.7 * half, 0.7 * self.size, 0.7 * self.size) for at in self.cells.at]
            self.axes.add_collection(PatchCollection(inner, facecolor=fill, linewidth=0, zorder=6))
        else:
            self.axes.add_collection(PatchCollection(patches, facecolor=fill, edgecolor=SWITCH_EDGE,
                                                     linewidth=min(0.8, 6 * self.size), zorder=6))

    def planes(self):
        """Frames of planes, and all cables from each to the next as one."""
        rows, columns, planes = self.shape
        if planes < 2:
            return
        corner = self.cells.at[::rows * columns][:planes]
        pad, span = 0.55 * self.pitch, self.pitch * np.array([columns - 1, rows - 1])
        for number, (x, y) in enumerate(corner):
            self.axes.text(x - pad, y + span[1] + 1.12 * pad, f"{self.fabric.tiers[3].name} {number}", fontsize=7, color="#555555",
                           ha="left", va="bottom")
            self.axes.add_patch(FancyBboxPatch((x - pad, y - pad), span[0] + 2 * pad, span[1] + 2 * pad, boxstyle="round,pad=0.02",
                                               facecolor="#FAFAFA", edgecolor="#BBBBBB", linewidth=0.7, zorder=0))
        sums = {}
        for _, a, b, n, mean, most in self.bundles.between:
            pair = a // (rows * columns), b // (rows * columns)
            if pair[0] != pair[1]:
                old = sums.get(pair, (0, 0, 0))
                sums[pair] = old[0] + n, old[1] + n * mean, max(old[2], most)
        for (a, b), (n, total, most) in sums.items():
            right = corner[a] + [span[0] + pad, span[1] / 2]
            left = corner[b] + [-pad, span[1] / 2]
            near = b == a + 1 and corner[a][1] == corner[b][1]
            if b > a + 1:  # closes the ring: out of the first to the left
                right, left = corner[a] + [-pad, span[1] / 2], corner[b] + [span[0] + pad, span[1] / 2]
            side = 0.55 * self.pitch * (1 if b == a + 1 else -1)
            for path in ([right, left],) if near else ([right, right + [side, 0]], [left, left - [side, 0]]):
                xs, ys = zip(*path)
                self.axes.plot(xs, ys, color=self.colour(most), linewidth=6.5, solid_capstyle="butt", zorder=1)
                self.axes.plot(xs, ys, color=self.colour(total / n), linewidth=4, solid_capstyle="butt", zorder=1.1)
            if near:
                self.axes.text(*((right + left) / 2 + [0, 0.12]), whole(n), ha="center", va="bottom", fontsize=6.5, color="#333333",
                               zorder=3)

    def groups(self):
        for number, middle in enumerate(self.hubs):
            if self.size >= self.radius:
                continue
            self.axes.add_patch(Circle(middle, self.radius, facecolor="#F6F6F6", edgecolor="#BBBBBB", linewidth=0.7, zorder=1))
            # Cables run over the paper's edge of a group, not over its name.
            away = middle / max(np.hypot(*middle), 1e-9)
            self.axes.text(*(middle + away * (self.radius + 0.14)), whole(number), ha="center", va="center", fontsize=7,
                           color="#555555")

    def level_words(self):
        """Beside rows: what they are; below: NICs."""
        low = min(self.level_y.values()) - 1.1
        for level, y in self.level_y.items():
            tier = self.fabric.tiers[level]
            self.axes.text(-0.25, y, f"{whole(tier.switches)} {tier.name}\n{tier.switch}", ha="right", va="center", fontsize=8)
        for cell in np.flatnonzero(self.bundles.nics):
            x, y = self.cells.at[cell]
            n, total, most = self.bundles.inside[cell]
            self.axes.plot([x, x], [low + 0.15, y], color=self.colour(most), linewidth=4.2, zorder=1.5)
            self.axes.plot([x, x], [low + 0.15, y], color=self.colour(total / n), linewidth=2.6, zorder=1.6)
            width = min(0.32, 0.8 * WIDTH / ROW_MOST)
            self.axes.add_patch(FancyBboxPatch((x - width / 2, low - 0.15), width, 0.3, boxstyle="round,pad=0.01", facecolor=NIC,
                                               edgecolor=NIC_EDGE, linewidth=0.8, zorder=5))
            self.axes.text(x, low, whole(self.bundles.nics[cell]), ha="center", va="center", fontsize=6, color="#6E5526", zorder=7)
        self.axes.text(-0.25, low, f"{whole(self.fabric.gpus)} GPUs\n{self.fabric.node['gpu']}", ha="right", va="center", fontsize=8)
        return low

    def words(self):
        """The column on the right."""
        fabric, node = self.fabric, self.fabric.node
        first = fabric.tiers[0]
        lines = [f"{whole(fabric.gpus)} GPUs ({node['gpu']})", f"{several(fabric.topology['nodes'], 'node')} {fabric.nodes_of}, "
                 f"{fabric.domains}"]
        if fabric.kind != "graph":
            lines.append(f"{several(first.switches, 'switch').replace('switchs', 'switches')} ({first.switch})")
            lines.append(f"{fabric.kind} of " + " x ".join(str(tier.children) for tier in fabric.tiers[1:])
                         + ", " + several(first.children, "NIC") + " at each")
        lines += self.said
        for number, tier in enumerate(fabric.tiers):
            way = self.ways.get(tier.name, "of NICs" + (": the squares" if self.loads and fabric.kind != "graph" else "") if number == 0 else "")
            lines += ["", f"{tier.name}{', ' + way if way else ''}", f"{several(tier.cables, 'cable')} of {tier.rate}"]
            if self.loads:
                mean, most = self.loads.of(tier)
                lines.append(f"{mean:.1%} used, {most:.1%} at most")
        return "\n".join(lines)

    def draw(self):
        if self.fabric.kind in ("torus", "mesh"):
            self.planes()
        elif self.fabric.kind == "dragonfly":
            self.groups()
        self.lines()
        self.squares()
        low = self.level_words() - 0.3 if self.fabric.kind == "graph" else self.cells.at[:, 1].min() - 0.7
        at = self.cells.at
        left = -2.4 if self.fabric.kind == "graph" else at[:, 0].min() - 0.7
        right, high = at[:, 0].max() + 0.7, at[:, 1].max() + 0.7
        if self.fabric.kind == "dragonfly":
            left, right, low, high = left - self.radius, right + self.radius, low - self.radius, high + self.radius
        self.axes.text(right + 0.15, (low + high) / 2, self.words(), ha="left", va="center", fontsize=8, linespacing=1.35)
        self.axes.set(xlim=(left, right + 3.0), ylim=(low, high))
        self.figure.set_size_inches(right + 3.0 - left, high - low + (1.3 if self.loads else 0.5))
        self.below = ((left + right + 3.0) / 2, low)
        return self.figure
