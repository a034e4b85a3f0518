"""wiring_slurm.py: what scripts/import makes of a topology.conf or topology.yaml.

Idea.    They say which nodes are below which switch; the rest follows from counts (Multiplied), and is told.
Limits.  topology/tree and topology/block; not topology/3d_torus.
Source.  topology.conf(5), topology.yaml(5).
"""

import re
from dataclasses import dataclass

import yaml

from wiring import Cable, Nic, Refusal, Switch, Wiring, at_tier, joined, levels_from, natural, numbers, plural, some

HOSTLIST_MOST = 1 << 20
YAML = re.compile(r"\s*-\s+topology\s*:")


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
    """A switch or a block."""
    line: int
    switches: list
    nodes: list


def add_entries(entries, path, number, names, switches, nodes):
    place = f"{path}:{number}"
    for name in hostlist(names, place):
        if name in entries:
            raise Refusal(f"{place}: {name} again, which stands in line {entries[name].line}")
        entries[name] = Entry(number, *([] if text is None else hostlist(text, place) for text in (switches, nodes)))


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
        add_entries(entries, path, number, keys[kind], keys.get("switches"), keys.get("nodes"))
    if len(kinds) > 1:
        raise Refusal(f"{kinds['blockname']}: a block among switches: one plugin a file is understood")
    return entries, "blockname" in kinds, unused


def parts_of(path, node, kind, known=()):
    """Items of a list; or of a mapping by key, which are of those that are known; or a text."""
    words = {yaml.SequenceNode: "a list", yaml.MappingNode: "a mapping", yaml.ScalarNode: "a text"}
    place = f"{path}:{node.start_mark.line + 1}"
    if not isinstance(node, kind):
        raise Refusal(f"{place}: wants {words[kind]}")
    if kind is not yaml.MappingNode:
        return node.value
    for key, _ in node.value:
        if parts_of(path, key, yaml.ScalarNode) not in known:
            raise Refusal(f"{path}:{key.start_mark.line + 1}: '{key.value}' is no key here")
    keys = {key.value: value for key, value in node.value}
    if known[0] not in keys:
        raise Refusal(f"{place}: wants a key {known[0]}")
    return keys


def entries_of_yaml(path, lines, told):
    """The same of a topology.yaml: of several topologies the default, if it is a tree or of blocks, else the first that is."""
    try:
        root = yaml.compose("\n".join(lines), yaml.SafeLoader)
    except yaml.MarkedYAMLError as error:
        raise Refusal(f"{path}:{error.problem_mark.line + 1}: no YAML: {error.problem}") from error
    except yaml.YAMLError as error:
        raise Refusal(f"{path}: no YAML: {' '.join(str(error).split())}") from error
    found = [parts_of(path, node, yaml.MappingNode, ("topology", "cluster_default", "tree", "block", "flat"))
             for node in parts_of(path, root, yaml.SequenceNode)]
    found = [keys for keys in found if "tree" in keys or "block" in keys]
    if not found:
        raise Refusal(f"{path}: neither a tree nor blocks in it")
    chosen = next((keys for keys in found if "cluster_default" in keys and keys["cluster_default"].value in ("true", "yes")), found[0])
    if len(found) > 1:
        told.append(f"of {len(found)} topologies that say who is where, that of line {chosen['topology'].start_mark.line + 1} was taken")
    blocks = "block" in chosen
    kind, items, switches = ("block", "blocks", "block_sizes") if blocks else ("switch", "switches", "children")
    body = parts_of(path, chosen["block" if blocks else "tree"], yaml.MappingNode, (items, *(["block_sizes"] if blocks else [])))
    entries = {}
    for node in parts_of(path, body[items], yaml.SequenceNode):
        keys = parts_of(path, node, yaml.MappingNode, (kind, "nodes", *([] if blocks else [switches])))
        texts = [parts_of(path, keys[key], yaml.ScalarNode) if key in keys else None for key in (kind, switches, "nodes")]
        add_entries(entries, path, node.start_mark.line + 1, *texts)
    return entries, blocks, {"block_sizes"} & body.keys()


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
        raise Refusal(f"{path}: no nodes anywhere")


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
        self.rails = self.gpus if (said.wiring or ("plain" if self.real or max(level.values()) == 1 else "rail")) == "rail" else 1
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
    newer = any(YAML.match(line) for line in lines)
    wiring = Wiring("topology.yaml" if newer else "topology.conf")
    entries, blocks, unused = entries_of_yaml(path, lines, wiring.told) if newer else entries_of(path, lines)
    check_entries(path, entries)
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
