"""wiring_slurm.py: what scripts/import makes of a topology.conf.

Idea.    It says which nodes are below which switch; the rest follows from counts (Multiplied), and is told.
Limits.  topology/tree and topology/block; not topology.yaml nor topology/3d_torus.
Source.  topology.conf(5).
"""

import re
from dataclasses import dataclass

from wiring import Cable, Nic, Refusal, Switch, Wiring, at_tier, joined, levels_from, natural, numbers, plural, some

HOSTLIST_MOST = 1 << 20


def hostlist(text, place):
    """Names of node[001-003,7],gpu[1-2]a[0-1],login."""
    names = []
    for part in re.findall(r"(?:\[[^\]]*\]?|[^,\[])+", text):
        grown = [""]
        for word in re.findall(r"\[[^\]]*\]?|[^\[]+", part.strip()):
            ends = ranges_of(word, place) if word.startswith("[") else [word]
            if len(grown) * len(ends) + len(names) > HOSTLIST_MOST:
                raise Refusal(f"{place}: more than {HOSTLIST_MOST:,} names in '{text[:40]}'")
            grown = [name + end for name in grown for end in ends]
        names += grown
    if not names or "" in names or re.search(r"[\]\s]", "".join(names)):
        raise Refusal(f"{place}: no list of hosts: '{text[:60]}'")
    return names


def ranges_of(word, place):
    found = re.fullmatch(r"\[(\d+(?:-\d+)?(?:,\d+(?:-\d+)?)*)\]", word)
    if not found:
        raise Refusal(f"{place}: no range of numbers: '{word[:60]}'")
    numbers = []
    for part in found[1].split(","):
        first, _, last = part.partition("-")
        if last and not int(first) <= int(last) < int(first) + HOSTLIST_MOST:
            raise Refusal(f"{place}: no range of numbers: '{part}'")
        numbers += [str(number).zfill(len(first)) for number in range(int(first), int(last or first) + 1)]
    return numbers


@dataclass
class Entry:
    """A switch or a block of topology.conf."""
    line: int
    switches: list
    nodes: list


def entries_of(path, lines):
    """Names to entries, whether they are blocks, and what was not used of them."""
    entries, kinds, unused = {}, {}, set()
    for number, line in enumerate(lines, 1):
        line, place = line.partition("#")[0].strip(), f"{path}:{number}"
        if not line:
            continue
        words = re.findall(r"(\w+)\s*=\s*(\S+)", line)
        rest = re.sub(r"(\w+)\s*=\s*(\S+)", "", line).strip()
        if not words or rest:
            raise Refusal(f"{place}: wants KEY=VALUE: '{(rest or line)[:60]}'")
        keys = {key.lower(): value for key, value in words}
        kind = next((key for key in ("switchname", "blockname") if key in keys), None)
        strange = keys.keys() - {"switchname", "blockname", "switches", "nodes", "linkspeed", "blocksizes"}
        if strange:
            raise Refusal(f"{place}: '{sorted(strange)[0]}' is no key of topology.conf")
        unused |= keys.keys() & {"linkspeed", "blocksizes"}
        if kind is None:
            continue
        kinds.setdefault(kind, place)
        for name in hostlist(keys[kind], place):
            if name in entries:
                raise Refusal(f"{place}: {name} again, which stands in line {entries[name].line}")
            entries[name] = Entry(number, *(hostlist(keys[key], place) if key in keys else [] for key in ("switches", "nodes")))
    if len(kinds) > 1:
        raise Refusal(f"{kinds['blockname']}: a block among switches: one plugin a file is understood")
    return entries, "blockname" in kinds, unused


def check_entries(path, entries):
    under = {}
    for name, entry in entries.items():
        for node in entry.nodes:
            if node in under:
                raise Refusal(f"{path}:{entry.line}: node {node} is below {name} and, in line {entries[under[node]].line}, below "
                              f"{under[node]}")
            under[node] = name
        for switch in entry.switches:
            if switch not in entries:
                raise Refusal(f"{path}:{entry.line}: there is no switch {switch}")
            if switch == name:
                raise Refusal(f"{path}:{entry.line}: switch {switch} is below itself")
    if not under:
        raise Refusal(f"{path}: no Nodes= anywhere")


def join(neighbours, level, told, blocks):
    """A switch above what no switch of the file joins."""
    parts = joined(neighbours)
    if len(parts) == 1:
        return
    tops = [name for part in parts for name in part if level[name] == max(level[other] for other in part)]
    top = "top"
    while top in neighbours:
        top += "+"
    neighbours[top] = set(tops)
    for name in tops:
        neighbours[name].add(top)
    level[top] = max(level[name] for name in tops) + 1
    what = "blocks say nothing of the network: a switch was put above all" if blocks else \
        f"no switch of the file joins its {len(parts)} trees ({some([min(part, key=natural) for part in parts])}): one was put above them"
    told.append(f"assumed: {what}")


class Multiplied:
    """A topology.conf in which no switch is below two others names switches that the network does not have: one for all spines, one
    for the eight leaves of a rail-optimised unit. Each of level l then stands for `each` W_l, wired as a fat tree: index i of a
    level to all i + W_l d above it. Where a switch is below several they are taken as they are."""

    def __init__(self, neighbours, level, nodes, said, told):
        self.neighbours, self.level = neighbours, level
        self.real = any(sum(level[other] > level[name] for other in neighbours[name]) > 1 for name in neighbours)
        self.gpus = said.gpus_per_node or 8
        self.rails = self.gpus if (said.wiring or ("plain" if self.real else "rail")) == "rail" else 1
        self.lanes, self.each = [0], [1, 1]  # of level 0, 1, ...; of level 1 one a rail
        self.count(nodes, numbers(said.lanes, "--lanes"), numbers(said.parents, "--parents"))
        self.tell(told, said)

    def count(self, nodes, lanes, parents):
        """As many cables up as down where nothing else is said."""
        self.lanes.append(at_tier(lanes, 1, 1))
        down = max(nodes.values()) * self.gpus // self.rails * self.lanes[1]
        for tier in range(2, max(self.level.values()) + 1):
            above = max(self.number(name, tier) for name in self.level if self.level[name] == tier - 1)
            wanted = -(-down // max(above, 1))
            self.lanes.append(at_tier(lanes, tier, max(wanted, 1) if self.real else 1))
            self.each.append(self.each[-1] * at_tier(parents, tier - 1, 1 if self.real else max(-(-wanted // self.lanes[tier]), 1)))
            below = max(self.number(name, tier - 1) for name in self.level if self.level[name] == tier)
            down = below * self.lanes[tier] * (self.rails if tier == 2 else 1)

    def number(self, name, tier):
        """Of the switches of a tier that the file has beside one."""
        return sum(self.level[other] == tier for other in self.neighbours[name])

    def tell(self, told, said):
        if not said.gpus_per_node:
            told.append("assumed: 8 GPUs a node, each with a NIC (--gpus-per-node)")
        if self.rails > 1 and not said.wiring:
            told.append(f"assumed: each lowest switch stands for {self.rails} leaves, one a rail (--wiring plain: it is one switch)")
        for tier in range(2, len(self.lanes)):
            if self.each[tier] > 1 and not said.parents:
                told.append(f"assumed: each switch of tier {tier} stands for {self.each[tier]}, so that as much goes up as comes from "
                            f"below (--parents says how many are above one of tier {tier - 1})")
            if not said.lanes:
                told.append(f"assumed: {plural(self.lanes[tier], 'cable')} from each switch of tier {tier - 1} to each above it"
                            f"{', as many up as down' if self.real else ''} (--lanes)")

    def names(self, name):
        if self.level[name] == 1:
            return [name] if self.rails == 1 else [f"{name} rail {rail}" for rail in range(self.rails)]
        return [name] if self.each[self.level[name]] == 1 else [f"{name} / {index}" for index in range(self.each[self.level[name]])]

    def pairs(self, one, other):
        """Switches that are cabled where the file has `one` beside `other`."""
        lower, upper = sorted((one, other), key=lambda name: (self.level[name], natural(name)))
        below, above = self.names(lower), self.names(upper)
        fold = max(self.each[self.level[lower]], 1)
        if self.level[upper] != self.level[lower] + 1:
            return [(below[i % len(below)], above[i % len(above)]) for i in range(max(len(below), len(above)))]
        if self.level[lower] == 1:
            return [(leaf, spine) for leaf in below for spine in above]
        return [(below[index % fold], name) for index, name in enumerate(above)]


def read_slurm(path, lines, said):
    entries, blocks, unused = entries_of(path, lines)
    check_entries(path, entries)
    wiring = Wiring("topology.conf")
    for key in sorted(unused):
        wiring.told.append(f"not used: {key}, which says nothing of cables")
    neighbours = {name: set() for name in entries}
    for name, entry in entries.items():
        for switch in entry.switches:
            neighbours[name].add(switch)
            neighbours[switch].add(name)
    level = levels_from([name for name in sorted(entries, key=natural) if entries[name].nodes], neighbours)
    bare = [name for name in entries if name not in level]
    if bare:
        wiring.told.append(f"left out: {plural(len(bare), 'switch')} without nodes below: {some(bare)}")
        neighbours = {name: near for name, near in neighbours.items() if name in level}
    join(neighbours, level, wiring.told, blocks)
    many = Multiplied(neighbours, level, {name: len(entry.nodes) for name, entry in entries.items() if entry.nodes}, said, wiring.told)
    for name in neighbours:
        wiring.switches.update({part: Switch(part) for part in many.names(name)})
        for other in neighbours[name]:
            if natural(other) > natural(name):
                tier = max(level[name], level[other], 2)
                wiring.cables += [Cable(pair) for pair in many.pairs(name, other) for _ in range(at_tier(many.lanes[1:], tier, 1))]
        leaves = many.names(name)
        for node in entries[name].nodes if name in entries else ():
            for slot in range(many.gpus):
                nic = f"{node} {slot}"
                wiring.nics[nic] = Nic(node, str(slot))
                wiring.cables += [Cable((nic, leaves[slot % len(leaves)]))] * many.lanes[1]
    return wiring
