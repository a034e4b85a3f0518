"""wiring_write.py: the files that scripts/import writes: a topology, the cables of a graph, hardware that the catalogue lacks.

What a text does not say is assumed by the rules below, and told: as a comment at its key and in words.
"""

import re
import textwrap
from collections import Counter
from dataclasses import dataclass

from program import ROOT
from wiring import Refusal, at_tier, gigabits, natural, plural
from wiring_shape import TIERS_MOST
from wiring_tree import FAULTS_MOST

HARDWARE = ROOT / "topologies/hardware"
TIER_NAMES = ("leaf", "spine", "core", "top")
CABLES_M = (10, 50, 100, 100)
MODELS = ((r"MQM97\d\d", "quantum-2-qm9700"), (r"MQM8[78]\d\d", "quantum-qm8700"), (r"M?Q3[24]\d\d", "quantum-x800-q3400"))
# By the rate of a NIC up to: NIC, switch, and GPU of nodes of any size, and of 4 in racks of 18.
USUAL = ((200, "connectx-6-hdr200", "quantum-qm8700", "a100-80g-sxm", "a100-80g-sxm"),
         (400, "connectx-7-ndr400", "quantum-2-qm9700", "h100-sxm", "gb200"),
         (1e9, "connectx-8-xdr800", "quantum-x800-q3400", "b300-sxm", "gb300"))
DOMAINS = (("a100", "nvlink3-8"), ("h800", "nvlink4-8-h800"), ("h", "nvlink4-8"), ("b", "nvlink5-8"), ("gb", "nvlink5-72"),
           ("vr", "nvlink6-72"), ("mi300x", "xgmi3-8"), ("mi325x", "xgmi3-8"), ("mi455x", "ualink-72"), ("mi", "xgmi4-8"), ("", "nvlink4-8"))
RACK = 18  # nodes of 4 GPUs in a domain of 72


def entry(name):
    """Text of an entry of the catalogue."""
    path = HARDWARE / f"{name}.yaml"
    if not re.fullmatch(r"[\w.-]+", name) or not path.is_file():
        raise Refusal(f"no {name} in {HARDWARE}")
    return path.read_text(encoding="utf-8")


def value(text, key):
    found = re.search(rf"^{key}: (.*?)(?:\s+#.*)?$", text, re.M)
    return found[1] if found else ""


def rate(gbps):
    return f"{gbps:g} Gb/s"


def runs(names):
    """(first, last, words) of names that count upwards, side by side."""
    found = []
    for place, name in enumerate(names):
        match = re.fullmatch(r"(.*?)(\d+)(\D*)", name)
        if found and match:
            start, _, head, tail, low, high = found[-1]
            if (head, tail) == (match[1], match[3]) and match[2] == str(int(high or 0) + 1).zfill(len(high)):
                found[-1] = (start, place, head, tail, low, match[2])
                continue
        found.append((place, place, *((match[1], match[3], match[2], match[2]) if match else (name, None, "", ""))))
    for first, last, head, tail, low, high in found:
        yield first, last, head if tail is None else f"{head}{low if low == high else f'[{low}-{high}]'}{tail}"


@dataclass
class Key:
    """A value of the topology and, where the text did not say it, what is said of that."""
    text: str
    guess: str = ""

    def line(self, name):
        words = f"{name}: {self.text}"
        return f"{words:<30} # {self.guess}" if self.guess else words


class Writer:
    def __init__(self, wiring, machine, said, name):
        self.wiring, self.machine, self.said, self.name = wiring, machine, said, name
        self.hardware = {}  # name to text
        self.told = wiring.told
        self.rates()

    # ------------------------------------------------------------------ rates

    def tier_of(self, cable):
        """Of a cable: the higher of its ends', and between two of one tier the next."""
        low, high = sorted(self.machine.level[end] for end in cable.ends)
        return min(high + (low == high), TIERS_MOST)

    def rates(self):
        """Rate of each tier: the highest of its cables. One that is slower is a fault."""
        given = [gigabits(word, "--rate") for word in self.said.rate.split(",")] if self.said.rate else []
        self.cables = {}
        for one, others in self.machine.near.items():
            for other, cables in others.items():
                if natural(one) < natural(other):
                    for cable in cables:
                        self.cables.setdefault(self.tier_of(cable), []).append(cable)
        self.tiers = max(self.cables)
        self.gbps, self.rate_key = {}, {}
        for tier in range(1, self.tiers + 1):
            cables = [cable for cable in self.cables.get(tier, ()) if not cable.missing]
            known = Counter(cable.gbps for cable in cables if cable.gbps)
            unknown = len(cables) - sum(known.values())
            assumed = at_tier(given, tier, max(known, default=self.gbps.get(tier - 1, 400)))
            self.gbps[tier] = max([*known, *([assumed] if unknown else [])], default=assumed)
            guess = "" if given or not unknown else "not in the text: assumed; --rate"
            if known and unknown:
                self.told.append(f"{plural(unknown, 'cable')} of tier {tier} without a speed, taken as {rate(assumed)}")
                guess = ""
            self.rate_key[tier] = Key(rate(self.gbps[tier]), guess)
            for cable in cables:
                cable.gbps = cable.gbps or assumed
            slow = sum(cable.gbps < self.gbps[tier] for cable in cables)
            if slow:
                self.told.append(f"{plural(slow, 'cable')} of tier {tier} slower than {rate(self.gbps[tier])}, written as faults")

    def cable_key(self, tier):
        given = self.said.cable.split(",") if self.said.cable else []
        lengths = sorted(cable.metres for cable in self.cables.get(tier, ()) if cable.metres)
        if given:
            return Key(at_tier(given, tier, ""))
        if lengths:
            return Key(f"{lengths[len(lengths) // 2]:g} m", "median of those in the text")
        return Key(f"{CABLES_M[tier - 1]} m", "not in the text: assumed; --cable")

    # ------------------------------------------------------------------ hardware

    def ports_used(self, level):
        return max(sum(map(len, self.machine.near[name].values())) for name in self.machine.of_level(level))

    def switch_key(self, tier, own):
        """Model of most switches of the tier; one that the catalogue lacks gets an entry beside the topology."""
        given = self.said.switch.split(",") if self.said.switch else []
        if given:
            entry(at_tier(given, tier, ""))
            return Key(at_tier(given, tier, ""))
        level = min(tier, self.machine.tiers)
        switches = [self.wiring.switches[name] for name in self.machine.of_level(level)]
        models = Counter(switch.model for switch in switches)
        model = max(models, key=lambda word: (models[word], word))
        if len(models) > 1:
            self.told.append(f"switches of tier {tier} are of {len(models)} models ({', '.join(sorted(filter(None, models)))}), "
                             f"taken as {model}")
        name = next((name for pattern, name in MODELS if re.fullmatch(pattern, model)), None)
        guess = "" if name else "not in the text: assumed; --switch"
        fastest = max(self.gbps.get(tier, 0), self.gbps.get(tier + 1, 0))
        like = name or next(row[2] for row in USUAL if fastest <= row[0])
        ports = max(2, self.ports_used(level), max((switch.ports for switch in switches), default=0))
        text = entry(like)
        fits = int(value(text, "ports")) >= self.ports_used(level) and gigabits(value(text, "port_rate"), like) >= fastest
        same = not any(switch.ports for switch in switches) or int(value(text, "ports")) == ports
        if fits and (name or same and gigabits(value(text, "port_rate"), like) == fastest):
            return Key(like, guess)
        own_name = f"{self.name}-{own}"
        self.hardware[own_name] = entry_like(text, f"{model or 'switches'} of {self.name}",
                                             f"ports, port_rate: {self.wiring.kind}; latency, typical_power: as {like}, assumed",
                                             ports=str(ports), port_rate=rate(fastest))
        return Key(own_name, f"{model or 'model not in the text'}: beside this file, with what {like} takes")

    def nic_gbps(self):
        """Of all cables of a NIC."""
        return self.gbps[1] * sum(map(len, self.machine.near[self.machine.hosts[0][1][0]].values()))

    def nic_key(self):
        if self.said.nic:
            entry(self.said.nic)
            return Key(self.said.nic)
        line = self.nic_gbps()
        like = next(row[1] for row in USUAL if line <= row[0])
        text = entry(like)
        if gigabits(value(text, "line_rate"), like) == line:
            return Key(like, "by its rate; --nic")
        share = float(value(text, "goodput").split()[0]) / gigabits(value(text, "line_rate"), like)
        own = f"{self.name}-nic"
        self.hardware[own] = entry_like(text, f"NICs of {self.name}", f"line_rate: {self.wiring.kind}; goodput (its share of line rate), "
                                        f"latency: as {like}, assumed", line_rate=rate(line), goodput=f"{share * line:.4g} GB/s")
        return Key(own, f"beside this file, with what {like} takes; --nic")

    def node_keys(self):
        """GPU and scale-up domain."""
        gpus, said = self.machine.gpus, self.said
        row = next(row for row in USUAL if self.nic_gbps() <= row[0])
        racks = gpus == 4 and all(unit % RACK == 0 for unit in self.machine.units)
        gpu_key = Key(said.gpu, "") if said.gpu else Key(row[4] if racks else row[3], "not in the text: assumed; --gpu")
        entry(gpu_key.text)
        if said.scale_up:
            nodes = int(value(entry(said.scale_up), "gpus") or 1) // gpus
            if nodes > 1 and any(unit % nodes for unit in self.machine.units):
                self.told.append(f"scale-up domains of {nodes} nodes by number: they are not those below the same leaves, which are of "
                                 f"{', '.join(map(str, sorted(set(self.machine.units))))} nodes")
            return gpu_key, Key(said.scale_up)
        domain = next(name for prefix, name in DOMAINS if gpu_key.text.startswith(prefix))
        text = entry(domain)
        if int(value(text, "gpus")) in (gpus, RACK * gpus if racks else gpus):
            return gpu_key, Key(domain, "not in the text: assumed; --scale-up")
        own = f"{self.name}-scale-up"
        self.hardware[own] = entry_like(text, f"{gpus} GPUs of a node of {self.name}", f"all but gpus: as {domain}, assumed",
                                        gpus=str(gpus))
        return gpu_key, Key(own, f"not in the text: beside this file, as {domain} with {gpus}; --scale-up")

    # ------------------------------------------------------------------ the topology

    def text(self, tree, reason, cables):
        said, machine = self.said, self.machine
        gpu, domain = self.node_keys()
        nic = self.nic_key()
        tiers = [self.tier_lines(tier, tree) for tier in range(1, self.tiers + 1)]
        faults = self.kept(self.tree_faults(tree) if tree else cables.faults)
        rails = any(len({tuple(machine.near[nic]) for nic in nics}) > 1 for _, nics in machine.hosts)
        lines = [f"# {self.name}: made by scripts/import of {self.wiring.kind}.", *self.notes(reason),
                 "schema_version: 1", "kind: topology", f"name: {self.name}", f"nodes: {len(machine.hosts)}", "node:",
                 "  " + gpu.line("gpu"), f"  gpus: {machine.gpus}", "  " + nic.line("nic"), "  " + domain.line("scale_up"), "fabric:"]
        if not tree:
            lines += ["  kind: graph"]
        lines += [f"  wiring: {tree.wiring if tree else 'rail' if rails else 'plain'}",
                  "  " + Key(said.routing or "ecmp", "" if said.routing else "not in the text: assumed; --routing").line("routing")]
        if not tree:
            lines += [f"  cables: {self.name}.csv"]
        lines += ["  tiers:", *(line for tier in tiers for line in tier)]
        if faults:
            lines += ["  faults:", *(f"    - {{what: {self.cable_name(level, number, port)}, remaining: {left:.4g} %}}"
                                     for level, number, port, left in faults)]
        return "\n".join([*lines, *self.names(tree.switches if tree else cables.switches)]) + "\n"

    def notes(self, reason):
        notes = [f"no regular fat tree: {reason}"] if reason else []
        return [line for note in [*notes, *self.told]
                for line in textwrap.wrap(note, 120, initial_indent="# - ", subsequent_indent="#   ", break_on_hyphens=False)]

    def tier_lines(self, tier, tree):
        keys = [self.switch_key(tier, f"{TIER_NAMES[tier - 1]}-switch").line("switch")]
        if tree:
            keys += [f"children: {tree.children[tier - 1]}", f"parents: {tree.parents[tier - 1]}", f"lanes: {tree.lanes[tier - 1]}"]
        elif tier == 1:
            first = self.machine.near[self.machine.hosts[0][1][0]]
            keys += [f"lanes: {sum(map(len, first.values()))}"]
        keys += [self.rate_key[tier].line("rate"), self.cable_key(tier).line("cable")]
        return [f"    - name: {TIER_NAMES[tier - 1]}", *("      " + line for line in keys)]

    def names(self, switches):
        """What nodes and switches are called where the text comes from."""
        lines = ["# Names:"]
        for first, last, words in runs([host for host, _ in self.machine.hosts]):
            lines.append(f"#   node {first if first == last else f'{first}-{last}'}: {words}")
        for tier, ids in zip(TIER_NAMES, switches):
            called = Counter(self.wiring.switches[name].name for name in ids)
            words = [self.wiring.switches[name].name for name in ids]
            words = [word if called[word] == 1 else f"{word} {name}" for word, name in zip(words, ids)]
            for first, last, run in runs(words):
                lines.append(f"#   {tier} {first if first == last else f'{first}-{last}'}: {run}")
        return lines

    def kept(self, faults):
        """As many as a topology may have, in order."""
        if len(faults) > FAULTS_MOST:
            self.told.append(f"of {len(faults)} slower and missing cables the slowest {FAULTS_MOST} are written, the others taken as whole")
        return sorted(sorted(faults, key=lambda fault: (fault[3], fault))[:FAULTS_MOST])

    def cable_name(self, level, number, port):
        """Of a cable upwards from a switch of this level; 0: from the NIC of a GPU."""
        if level:
            return f"{TIER_NAMES[level - 1]} {number} port {port}"
        ports = sum(map(len, self.machine.near[self.machine.hosts[0][1][0]].values()))
        return f"gpu {number} nic{f' port {port}' if ports > 1 else ''}"

    def tree_faults(self, tree):
        """Level and number of the lower end, port (parent + parents * lane) and rest of slower cables, as src/cluster/fattree.h counts."""
        number = [tree.gpu] + [{name: place for place, name in enumerate(ids)} for ids in tree.switches]
        faults, roots = [], 1
        for tier in range(1, self.tiers + 1):
            for lower in self.machine.of_level(tier - 1):
                for upper, cables in self.machine.near[lower].items():
                    if self.machine.level[upper] != tier:
                        continue
                    parent = number[tier][upper] % (roots * tree.parents[tier - 1]) // roots
                    faults += [(tier - 1, number[tier - 1][lower], parent + tree.parents[tier - 1] * lane,
                                100 * cable.gbps / self.gbps[tier]) for lane, cable in enumerate(cables) if cable.gbps < self.gbps[tier]]
            roots *= tree.parents[tier - 1]
        return faults


def entry_like(text, description, source, **values):
    """An entry of the catalogue with other values."""
    text = re.sub(r"^description: .*$", lambda _: f"description: {description}", text, count=1, flags=re.M)
    text = re.sub(r"^sources:\n", lambda _: f'sources:\n  - "{source}"\n', text, count=1, flags=re.M)
    for key, words in values.items():
        text = re.sub(rf"^{key}: .*$", lambda _: f"{key}: {words}", text, count=1, flags=re.M)
    return text


# ---------------------------------------------------------------------------------------------- graphs

class Graph:
    """Rows from,to,count,tier, and slower cables by their port: the place among all of a switch to others, by tier, then as listed."""

    def __init__(self, writer, switches):
        self.writer, self.machine, self.switches = writer, writer.machine, switches
        self.faults, self.place = [], {nic: (0, i) for i, nic in enumerate(nic for _, nics in self.machine.hosts for nic in nics)}
        for tier, ids in enumerate(switches, 1):
            self.place.update({name: (tier, number) for number, name in enumerate(ids)})

    def called(self, name):
        level, number = self.place[name]
        return f"{TIER_NAMES[level - 1] if level else 'gpu'} {number}"

    def text(self):
        pairs = sorted((self.place[one], self.place[other], one, other) for one, others in self.machine.near.items() for other in others
                       if self.place[one] < self.place[other])
        rows, before, slow = ["from,to,count,tier"], Counter(), []
        for low, high, one, other in pairs:
            cables = sorted(self.machine.near[one][other], key=lambda cable: -cable.gbps)
            tier = self.writer.tier_of(cables[0])
            slow += [(tier, low, before[low, tier] + i, 100 * cable.gbps / self.writer.gbps[tier])
                     for i, cable in enumerate(cables) if cable.gbps < self.writer.gbps[tier]]
            before.update({(low, tier): len(cables), (high, tier): len(cables)})
            named = TIER_NAMES[tier - 1] if low[0] == high[0] == tier else ""
            rows.append(f"{self.called(one)},{self.called(other)},{len(cables)},{named}")
        self.faults = [(*low, port + sum(before[low, lower] for lower in range(2, tier)), left) for tier, low, port, left in slow]
        return "\n".join(rows) + "\n"
