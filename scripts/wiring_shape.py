"""wiring_shape.py: what scripts/import makes of a wiring: which GPU is where, and tiers of switches. Whether they are a fat tree:
wiring_tree.py.

Idea.    Hosts become nodes, their NICs by name GPUs. A switch with hosts is of tier 1, any other one tier above the lowest it is
         cabled to (distance from hosts). Hosts are ordered by what hangs together below the top, then below the tier under it, and
         so on, last by name: neighbours in numbers are neighbours in cables. One part of the network reaches all NICs; or each
         place of a host's NICs has parts of its own (rails that only hosts join).
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
    rails: list = field(default_factory=list)     # switches of each place of a host's NICs, where only hosts join those

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
    strange = Counter(end for cable in wiring.cables if not wiring.nics.keys().isdisjoint(cable.ends) for end in cable.ends)
    foreign = {name for name, tier in level.items() if tier >= 3 and all(level[other] < tier for other in near[name])
               and 3 * strange[name] > sum(map(len, near[name].values()))}
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
    machine.rails = rails_of(wiring, machine.near, hosts)
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
    lowest = dict.fromkeys(other for name in nics for other in near[name])
    level = levels_from(lowest, {name: [other for other in others if other in wiring.switches] for name, others in near.items()})
    level.update(dict.fromkeys(nics, 0))
    return level


def rails_of(wiring, near, hosts):
    """Switches of each place of a host's NICs, if no part of the network reaches all of them, but each place has parts of its own."""
    switches = {name: [other for other in others if other in wiring.switches] for name, others in near.items() if name in wiring.switches}
    parts = joined(switches)
    if any(all(not part.isdisjoint(near[nic]) for nics in hosts.values() for nic in nics) for part in parts):
        return []
    number = {name: i for i, part in enumerate(parts) for name in part}
    seats = {tuple(frozenset(number[other] for other in near[nic]) for nic in nics) for nics in hosts.values()}
    seat = seats.pop()
    if seats or sum(map(len, seat)) > len(frozenset().union(*seat)):
        raise Refusal("no part of the network reaches all NICs, nor has each NIC of a host, by name, a part of its own")
    return [set().union(*(parts[i] for i in place)) for place in seat]


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


def numbered_switches(machine, wiring):
    """Ids of tier 1, 2, ... of a graph by number: by the first GPU below, then by name."""
    first = {nic: i for i, nic in enumerate(nic for _, nics in machine.hosts for nic in nics)}
    order, tiers = sorter(wiring), []
    for level in range(1, machine.tiers + 1):
        for name in machine.of_level(level):
            first[name] = min(first[other] for other in machine.near[name] if machine.level[other] == level - 1)
        tiers.append(sorted(machine.of_level(level), key=lambda name: (first[name], order(name))))
    return tiers
