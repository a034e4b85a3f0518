"""wiring_shape.py: what scripts/import makes of a wiring: which GPU is where, tiers of switches, and whether it is a fat tree.

Idea.    Hosts become nodes, their NICs by name GPUs. A switch with hosts is of tier 1, any other one tier above the lowest it is
         cabled to (distance from hosts). Hosts are ordered by what hangs together below the top, then below the tier under it, and
         so on, last by name: neighbours in numbers are neighbours in cables.
         A PGFT (src/cluster/fattree.h) is recognised exactly. A subtree of level l is what hangs together below tier l + 1. All
         of a level must have as many switches, children, parents and lanes; and each child of a level must divide the switches
         above it alike, which gives every switch its index. What is not one is a graph, and why is said.
Limits.  One unit of nodes may be filled in part; else a tree with a missing cable or switch is a graph.
"""

from collections import Counter
from dataclasses import dataclass, field

from wiring import Refusal, joined, levels_from, matches, natural, plural, some

TIERS_MOST = 4


@dataclass
class Machine:
    """Hosts in the order of their nodes; levels of what is cabled: 0 for NICs."""
    hosts: list                                   # [(name, [NIC id])]
    level: dict
    near: dict                                    # id to {id: [Cable]}
    units: list = field(default_factory=list)     # nodes that hang together below tier 2, one after the other

    @property
    def gpus(self):
        return len(self.hosts[0][1])

    @property
    def tiers(self):
        return max(self.level.values())

    def of_level(self, level):
        return [name for name in self.near if self.level[name] == level]


# ---------------------------------------------------------------------------------------------- hosts

def chosen_nics(wiring, said):
    """Hosts to NICs by name, without those left out by an option."""
    def wanted(name, only, without):
        return (not only or matches(name, only.split(","))) and not (without and matches(name, without.split(",")))
    hosts, out = {}, Counter()
    for identity, nic in wiring.nics.items():
        if not wanted(nic.host, said.hosts, said.not_hosts):
            out["by --hosts or --not-hosts"] += 1
        elif not wanted(nic.name, said.hcas, said.not_hcas):
            out["by --hcas or --not-hcas"] += 1
        else:
            hosts.setdefault(nic.host, []).append(identity)
    for why, count in sorted(out.items()):
        wiring.told.append(f"left out {why}: {plural(count, 'NIC')}")
    if not hosts:
        raise Refusal("no host is left")
    for host, nics in hosts.items():
        nics.sort(key=lambda identity: (natural(wiring.nics[identity].name), identity))
        names = [wiring.nics[identity].name for identity in nics]
        if len(set(names)) < len(names):
            wiring.told.append(f"{host} has {plural(len(names), 'NIC')}, several of one name: are they two hosts?")
    return hosts


def alike(hosts, count, wanted, what, told):
    """Hosts of which `count` is what most NICs have, or what is wanted; the others are told."""
    numbers = Counter(count(host) for host in hosts)
    most = wanted or max(numbers, key=lambda number: (numbers[number] * number, number))
    for number in sorted(numbers):
        if number != most:
            others = [host for host in hosts if count(host) == number]
            told.append(f"left out: {plural(len(others), 'host')} with {plural(number, what)} where the others have {most}: "
                        f"{some(others)}")
    kept = {host: nics for host, nics in hosts.items() if count(host) == most}
    if not kept:
        raise Refusal(f"no host has {plural(most, what)}")
    return kept


def cabled(wiring, ids):
    """id to {id: cables} among them."""
    near = {name: {} for name in ids}
    for cable in wiring.cables:
        one, other = cable.ends
        if one in near and other in near:
            near[one].setdefault(other, []).append(cable)
            near[other].setdefault(one, []).append(cable)
    for name, others in near.items():
        for other, cables in others.items():
            cables.sort(key=lambda cable: [natural(port) for _, port in sorted(zip(cable.ends, cable.ports))])
    return near


def without_foreign(wiring, near, level):
    """A switch that is there for hosts which were left out: a leaf of theirs, which looks like one above the spines. One with few of
    them may be a core."""
    foreign = set()
    for name, tier in level.items():
        if tier >= 3 and all(level[other] < tier for other in near[name]):
            strange = [cable for cable in wiring.cables if name in cable.ends and set(cable.ends) & wiring.nics.keys()]
            if 3 * len(strange) > sum(map(len, near[name].values())):
                foreign.add(name)
    if foreign:
        wiring.told.append(f"left out: {plural(len(foreign), 'switch')} of hosts that were left out: {some(names_of(wiring, foreign))}")
    return foreign


def names_of(wiring, ids):
    return [wiring.switches[name].name if name in wiring.switches else name for name in ids]


def sorter(wiring):
    """Key of a switch: its name, then its id."""
    return lambda name: (natural(wiring.switches[name].name) if name in wiring.switches else [], natural(name))


def machine_of(wiring, said):
    told = wiring.told
    hosts = chosen_nics(wiring, said)
    counts = Counter(end for cable in wiring.cables for end in cable.ends)
    bare = [host for host in hosts if not all(counts[nic] for nic in hosts[host])]
    if bare:
        told.append(f"left out: NICs that are cabled to nothing, of {plural(len(bare), 'host')}: {some(bare)}")
        hosts = {host: kept for host, nics in hosts.items() if (kept := [nic for nic in nics if counts[nic]])}
    hosts = alike(hosts, lambda host: len(hosts[host]), said.gpus_per_node, "NIC", told)
    usual = Counter(counts[nic] for nics in hosts.values() for nic in nics)
    each = max(usual, key=lambda number: (usual[number], number))
    hosts = alike(hosts, lambda host: next((counts[nic] for nic in hosts[host] if counts[nic] != each), each), each, "NIC cable", told)
    nics = [nic for host in sorted(hosts, key=natural) for nic in hosts[host]]
    near = cabled(wiring, [*nics, *sorted(wiring.switches, key=sorter(wiring))])
    level = leveled(wiring, near, nics, hosts)
    foreign = without_foreign(wiring, near, level)
    if foreign:
        near = cabled(wiring, [name for name in near if name not in foreign])
        level = leveled(wiring, near, nics, hosts)
    idle = [name for name in near if name not in level]
    if idle:
        told.append(f"left out: {plural(len(idle), 'switch')} that no cable joins to a host: {some(names_of(wiring, idle))}")
    if max(level.values()) > TIERS_MOST:
        raise Refusal(f"{max(level.values())} tiers of switches; at most {TIERS_MOST} are supported")
    machine = Machine([], level, {name: others for name, others in near.items() if name in level})
    order_hosts(machine, hosts)
    return machine


def with_hosts(near, hosts):
    """NICs of one host hang together by it."""
    together = {name: list(others) for name, others in near.items()}
    for nics in hosts.values():
        for one, other in zip(nics, nics[1:]):
            together[one].append(other)
            together[other].append(one)
    return together


def leveled(wiring, near, nics, hosts):
    parts = [part for part in joined(with_hosts(near, hosts)) if not part.isdisjoint(nics)]
    if len(parts) > 1:
        firsts = [some({wiring.nics[name].host for name in part if name in wiring.nics}, 2) for part in parts]
        raise Refusal(f"hosts in {len(parts)} parts that no cable joins: {'; '.join(firsts[:4])}")
    for name in nics:
        straight = [other for other in near[name] if other in wiring.nics]
        if straight:
            raise Refusal(f"{name} is cabled to {straight[0]}: a network without a switch is none")
    switches = {name: [other for other in others if other in wiring.switches] for name, others in near.items() if name in wiring.switches}
    if not any(all(not part.isdisjoint(near[name]) for name in nics) for part in joined(switches)):
        raise Refusal("no part of the network reaches all NICs: rails that only hosts join are not supported")
    lowest = dict.fromkeys(other for name in nics for other in near[name])
    level = levels_from(lowest, {name: [other for other in others if other in wiring.switches] for name, others in near.items()})
    level.update(dict.fromkeys(nics, 0))
    return level


def below_level(machine, level):
    """What hangs together by switches of this level and lower ones: id to number of its part."""
    ids = [name for name in machine.near if machine.level[name] <= level]
    parts = joined({name: [other for other in machine.near[name] if machine.level[other] <= level] for name in ids})
    return {name: (level, number) for number, part in enumerate(parts) for name in part}


def order_hosts(machine, hosts):
    keys = {host: [] for host in hosts}
    names = sorted(hosts, key=natural)
    for level in range(machine.tiers, 0, -1):
        near = {name: others for name, others in machine.near.items() if machine.level[name] <= level}
        near = {name: [other for other in others if other in near] for name, others in near.items()}
        part = {name: number for number, whole in enumerate(joined(with_hosts(near, hosts))) for name in whole}
        first = {}
        for rank, host in enumerate(names):
            keys[host].append(first.setdefault(part[hosts[host][0]], rank))
    ranked = sorted(names, key=lambda host: (keys[host], natural(host)))
    machine.hosts = [(host, hosts[host]) for host in ranked]
    machine.units = list(Counter(keys[host][-1] for host in ranked).values())


# ---------------------------------------------------------------------------------------------- fat trees

class NoTree(Exception):
    """Why it is none."""


@dataclass
class Tree:
    rail: bool
    children: list       # of tier 1, 2, ...
    parents: list
    lanes: list
    switches: list       # ids of tier 1, 2, ... by number
    gpu: dict            # NIC id to number


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
        return Tree(rail, children, parents, lanes, switches, gpu)


def tree_of(machine, wiring):
    return Recogniser(machine, wiring).tree()


def numbered_switches(machine, wiring):
    """Ids of tier 1, 2, ... of a graph by number: by the first GPU below, then by name."""
    first = {nic: i for i, nic in enumerate(nic for _, nics in machine.hosts for nic in nics)}
    order, tiers = sorter(wiring), []
    for level in range(1, machine.tiers + 1):
        for name in machine.of_level(level):
            first[name] = min(first[other] for other in machine.near[name] if machine.level[other] == level - 1)
        tiers.append(sorted(machine.of_level(level), key=lambda name: (first[name], order(name))))
    return tiers
