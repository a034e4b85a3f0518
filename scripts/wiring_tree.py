"""wiring_tree.py: whether what scripts/import is given is a fat tree.

Idea.    A PGFT (src/cluster/fattree.h) is recognised exactly. A subtree of level l is what hangs together below tier l + 1. All
         of a level must have as many switches, children, parents and lanes; and each child of a level must divide the switches
         above it alike, which gives every switch its index. What is not one is a graph, and why is said.
         Rails that only hosts join are one tree each, of the same shape above the same hosts. Where that fails, it is tried once
         more with the cables that any tree must have (tree_of): if at most 5 % of a tier are missing, they are dead.
Limits.  One unit of nodes may be filled in part. No switch may be missing, nor a cable of a NIC.
"""

from collections import Counter
from dataclasses import dataclass

from wiring import Cable, joined, natural, plural, some
from wiring_shape import Machine, below_level, sorter

MISSING_MOST = 0.05  # of the cables of a tier
FAULTS_MOST = 256    # of a topology


class NoTree(Exception):
    """Why it is none."""


@dataclass
class Tree:
    wiring: str
    children: list       # of tier 1, 2, ...
    parents: list
    lanes: list
    switches: list       # ids of tier 1, 2, ... by number
    gpu: dict            # NIC id to number
    machine: Machine     # with the cables that are missing


def one_value(values, what):
    """What all have; else two that differ."""
    values = {value: name for name, value in values.items()}
    if len(values) > 1:
        (low, one), *_, (high, other) = sorted(values.items())
        raise NoTree(f"{one} has {low:,} {what}, {other} has {high:,}")
    return next(iter(values))


class Recogniser:
    def __init__(self, machine, wiring):
        self.machine, self.tiers, self.order = machine, machine.tiers, sorter(wiring)
        self.name = lambda one: wiring.switches[one].name if one in wiring.switches else " ".join(filter(None, (
            wiring.nics[one].host, wiring.nics[one].name)))
        self.part = [{name: name for name in machine.of_level(0)}] + [below_level(machine, level) for level in range(1, self.tiers + 1)]

    def up(self, name):
        return [other for other in self.machine.near[name] if self.machine.level[other] == self.machine.level[name] + 1]

    def down(self, name):
        return [other for other in self.machine.near[name] if self.machine.level[other] == self.machine.level[name] - 1]

    def counts(self):
        """Parents and lanes of each tier; children are found with the subtrees."""
        level, near, parents, lanes = self.machine.level, self.machine.near, [], []
        for name in near:
            for other in near[name]:
                if abs(level[other] - level[name]) != 1:
                    raise NoTree(f"a cable from {self.name(name)} to {self.name(other)}, of tiers {level[name]} and {level[other]}")
        for tier in range(1, self.tiers + 1):
            below = sorted(self.machine.of_level(tier - 1), key=natural)
            parents.append(one_value({self.name(name): len(self.up(name)) for name in below}, f"switches of tier {tier} above it"))
            lanes.append(one_value({f"{self.name(name)} to {self.name(other)}": len(near[name][other]) for name in below for other in
                                    self.up(name)}, "cables"))
        return parents, lanes

    def subtrees(self, tier):
        """Part of this level to {part below: [ids below]}; each switch has one in each."""
        found = {}
        for name in self.machine.of_level(tier):
            below = [self.part[tier - 1][other] for other in self.down(name)]
            if len(set(below)) < len(below):
                raise NoTree(f"{self.name(name)} is above two switches of one subtree")
            held = found.setdefault(self.part[tier][name], {"switches": [], "children": set(below)})
            held["switches"].append(name)
            if held["children"] != set(below):
                raise NoTree(f"{self.name(held['switches'][0])} and {self.name(name)} are above the same nodes, but not above the same "
                             f"{'NICs' if tier == 1 else 'switches'}")
        return found

    def labels(self, trees, each):
        """Index of each switch: alike where what is below divides the switches above alike. `each`: roots of a subtree, by level."""
        label = {name: rank for rank, name in enumerate(sorted(self.machine.of_level(self.tiers), key=self.order))}
        classes = []
        for tier in range(self.tiers, 0, -1):
            agreed, mine = None, {}
            for tree in trees[tier].values():
                by_child = {}
                for name in tree["switches"]:
                    for other in self.down(name):
                        by_child.setdefault(self.part[tier - 1][other], {}).setdefault(other, []).append(label[name])
                for child in by_child.values():
                    groups = sorted((sorted(above), other) for other, above in child.items())
                    agreed = agreed or [above for above, _ in groups]
                    if [above for above, _ in groups] != agreed:
                        raise NoTree(f"{self.name(groups[0][1])} does not share its switches of tier {tier} with the same one of "
                                     "each subtree")
                    mine.update({other: rank for rank, (_, other) in enumerate(groups)})
            classes.insert(0, agreed)
            label.update(mine)
        number = {0: 0}
        indices = []
        for tier in range(1, self.tiers + 1):
            number = {one: number[rank] + each[tier - 1] * digit for rank, above in enumerate(classes[tier - 1])
                      for digit, one in enumerate(above)}
            indices.append({name: number[label[name]] for name in self.machine.of_level(tier)})
        return indices

    def leaves(self):
        """How nodes hang below parts of level 1: rail or plain, and for each part its unit and rail."""
        units, seat = {}, {}
        for host, nics in self.machine.hosts:
            below = tuple(self.part[1][nic] for nic in nics)
            units.setdefault(below, []).append(host)
        rail = all(len(set(below)) == len(below) > 1 for below in units)
        if not rail and not all(len(set(below)) == 1 for below in units):
            raise NoTree("the NICs of a node go neither to one leaf nor each to a leaf of its own")
        for below, hosts in units.items():
            for slot, one in enumerate(below if rail else below[:1]):
                if one in seat:
                    other = units[seat[one][0]][0]
                    raise NoTree(f"{hosts[0]} and {other} share a leaf, but their NICs are not cabled alike")
                seat[one] = (below, slot)
        return rail, units, seat

    def numbered(self, trees, seat, units, most):
        """Parts of each level by number: a unit that is filled in part comes last. Of siblings the first host decides."""
        rank = {host: i for i, (host, _) in enumerate(self.machine.hosts)}
        key = {one: (len(units[below]) < most, min(rank[host] for host in units[below]), slot) for one, (below, slot) in seat.items()}
        if sum(len(hosts) < most for hosts in units.values()) > 1:
            sizes = Counter(map(len, units.values()))
            words = ", ".join(f"{count} with {size}" for size, count in sorted(sizes.items()))
            raise NoTree(f"leaves with different numbers of nodes: {words}")
        sequence = [[*trees[self.tiers]]]
        for tier in range(2, self.tiers + 1):
            for one, tree in trees[tier].items():
                partly = [child for child in tree["children"] if key[child][0]]
                key[one] = (bool(partly), *min(key[child] for child in tree["children"])[1:])
        for tier in range(self.tiers, 1, -1):
            sequence.insert(0, [child for one in sequence[0] for child in sorted(trees[tier][one]["children"], key=key.get)])
        return sequence

    def tree(self):
        parents, lanes = self.counts()
        trees = [None] + [self.subtrees(tier) for tier in range(1, self.tiers + 1)]
        each = [1]
        for tier in range(1, self.tiers + 1):
            each.append(each[-1] * parents[tier - 1])
            for tree in trees[tier].values():
                if len(tree["switches"]) != each[tier]:
                    raise NoTree(f"{self.name(tree['switches'][0])} is one of {len(tree['switches'])} switches above its nodes; "
                                 f"a fat tree has {each[tier]}")
        rail, units, seat = self.leaves()
        most = max(map(len, units.values()))
        children = [most * (1 if rail else self.machine.gpus)]
        for tier in range(2, self.tiers + 1):
            children.append(one_value({self.name(tree["switches"][0]): len(tree["children"]) for tree in trees[tier].values()},
                                      f"switches of tier {tier - 1} below it"))
        indices = self.labels(trees, each)
        sequence = self.numbered(trees, seat, units, most)
        rails = self.machine.gpus if rail else 1
        ordered = list(dict.fromkeys(seat[one][0] for one in sequence[0]))
        if [(ordered.index(seat[one][0]), seat[one][1]) for one in sequence[0]] != [divmod(i, rails) for i in range(len(sequence[0]))]:
            raise NoTree("the leaves of a unit are not below the same switches of tier 2")
        unit_of = {host: rank for rank, below in enumerate(ordered) for host in units[below]}
        self.machine.hosts.sort(key=lambda host: (unit_of[host[0]], natural(host[0])))
        switches = []
        for tier in range(1, self.tiers + 1):
            at = {one: place for place, one in enumerate(sequence[tier - 1])}
            switches.append(sorted(indices[tier - 1], key=lambda name: (at[self.part[tier][name]], indices[tier - 1][name])))
        gpu = {nic: node * self.machine.gpus + slot for node, (_, nics) in enumerate(self.machine.hosts) for slot, nic in enumerate(nics)}
        return Tree("rail" if rail else "plain", children, parents, lanes, switches, gpu, self.machine)


def rail_of(machine, place):
    """The machine of one place of the hosts' NICs."""
    hosts = [(host, [nics[place]]) for host, nics in machine.hosts]
    ids = machine.rails[place].union(*(nics for _, nics in hosts))
    return Machine(hosts, {name: machine.level[name] for name in machine.near if name in ids},
                   {name: others for name, others in machine.near.items() if name in ids})


def trees_alike(machine, wiring):
    """A tree; or rails that only hosts join, as one whose tiers are those of each of them."""
    if not machine.rails:
        return Recogniser(machine, wiring).tree()
    rails = [Recogniser(rail_of(machine, place), wiring).tree() for place in range(machine.gpus)]
    first, order = rails[0], [host for host, _ in rails[0].machine.hosts]
    for place, other in enumerate(rails):
        shapes = [(tree.children, tree.parents, tree.lanes) for tree in (first, other)]
        if shapes[0] != shapes[1]:
            raise NoTree(f"rails 0 and {place} are not alike: children, parents and lanes are {shapes[0]} and {shapes[1]}")
        if [host for host, _ in other.machine.hosts] != order:
            raise NoTree(f"rails 0 and {place} are not alike: other hosts hang together")
    rank = {host: node for node, host in enumerate(order)}
    machine.hosts.sort(key=lambda host: rank[host[0]])
    gpu = {nic: node * machine.gpus + slot for node, (_, nics) in enumerate(machine.hosts) for slot, nic in enumerate(nics)}
    return Tree("rail-only", first.children, first.parents, first.lanes,
                [[name for tree in rails for name in tree.switches[level]] for level in range(machine.tiers)], gpu, machine)


# ---------------------------------------------------------------------------------------------- missing cables

def tier_gaps(machine, tier):
    """(lower, upper, cables that are missing) of a tier: of what hangs together by its cables, each switch below is joined to each
    above by as many as any two are."""
    below, above = machine.of_level(tier - 1), set(machine.of_level(tier))
    pairs = {one: [other for other in machine.near[one] if other in above] for one in below}
    back = {other: [one for one in machine.near[other] if one in pairs] for other in above}
    lanes = max(len(machine.near[one][other]) for one in below for other in pairs[one])
    blocks = [([one for one in below if one in block], sorted(block & above, key=natural))
              for block in map(frozenset, joined({**pairs, **back}))]
    whole = sum(len(lower) * len(upper) for lower, upper in blocks) * lanes
    if whole - sum(len(machine.near[one][other]) for one in below for other in pairs[one]) > MISSING_MOST * whole:
        raise NoTree("too many cables are missing")
    return [(one, other, lanes - len(machine.near[one].get(other, ()))) for lower, upper in blocks for one in lower for other in upper
            if len(machine.near[one].get(other, ())) < lanes]


def completed(machine):
    """The machine with its missing cables, and (lower, upper, number) of these."""
    gaps = [gap for tier in range(2, machine.tiers + 1) for gap in tier_gaps(machine, tier)]
    if not 0 < sum(number for *_, number in gaps) <= FAULTS_MOST:
        raise NoTree("no cables are missing, or too many")
    near = {name: dict(others) for name, others in machine.near.items()}
    for one, other, number in gaps:
        near[one][other] = near[other][one] = [*near[one].get(other, ()), *(Cable((one, other), missing=True) for _ in range(number))]
    return Machine([*machine.hosts], machine.level, near, machine.units, machine.rails), gaps


def tree_of(machine, wiring):
    """The tree; else, if there is one, that of which cables are missing. It is the smallest that has all cables: any tree does join
    each to each of what hangs together by cables of a tier."""
    try:
        return trees_alike(machine, wiring)
    except NoTree as why:
        reason = why
    try:
        whole, gaps = completed(machine)
        tree = trees_alike(whole, wiring)
    except NoTree:
        raise reason from None
    names = [" to ".join(wiring.switches[end].name for end in gap[:2]) for gap in gaps]
    wiring.told.append(f"{plural(sum(number for *_, number in gaps), 'cable')} missing of a fat tree ({reason}), written as dead: "
                       f"{some(names)}")
    return tree
