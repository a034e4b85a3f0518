#!/usr/bin/python3
"""import.py MPIEXEC COLOSSIM {readers|tree|order|real|graph|refused}: scripts/import writes the machine that a text describes."""

import importlib.machinery
import importlib.util
import random
import re
import subprocess
import sys
import unittest.mock

import yaml

from emulator import JOBS, ROOT, TOPOLOGIES, claim, column, run_case, same_on_any_ranks

sys.path.insert(0, str(ROOT / "scripts"))
import wiring  # noqa: E402
import wiring_slurm  # noqa: E402

loader = importlib.machinery.SourceFileLoader("bringing", str(ROOT / "scripts/import"))
bringing = importlib.util.module_from_spec(importlib.util.spec_from_loader("bringing", loader))
loader.exec_module(bringing)

TEXTS = ROOT / "tests/system/import"
SPEEDS = {100: "4xEDR", 200: "4xHDR", 400: "4xNDR", 800: "4xXDR"}


def bring(emulator, text, *options, name="machine"):
    """The topology that comes of a text, and what was said."""
    path = emulator.folder / f"{name}.yaml"
    done = subprocess.run([ROOT / "scripts/import", text, "-o", path, *map(str, options)], capture_output=True, text=True)
    claim(done.returncode == 0 and not done.stderr, f"{text} {options}: {done.returncode} {done.stderr}")
    return yaml.safe_load(path.read_text()), done.stdout


def at_once(text):
    """The same without a process of its own."""
    with unittest.mock.patch.object(sys, "argv", ["import", str(text)]):
        files, told = bringing.made(bringing.parse(), "machine")
    return files["machine.yaml"], "\n".join(told)


def written(emulator, text, name="machine.txt"):
    path = emulator.folder / name
    path.write_text(text)
    return path


# ---------------------------------------------------------------------------------------------- a listing of a tree

class Listing:
    """Text as of ibnetdiscover, in any order: nodes with kind, ports and descriptor, and cables between their ports."""

    def __init__(self, rng):
        self.rng, self.nodes, self.links, self.used = rng, {}, {}, set()

    def guid(self):
        number = self.rng.randrange(1, 16**16)
        while number in self.used:
            number = self.rng.randrange(1, 16**16)
        self.used.add(number)
        return f"{number:016x}"

    def node(self, key, kind, descriptor):
        self.nodes[key] = (kind, f"{'S' if kind == 'Switch' else 'H'}-{self.guid()}", descriptor)
        self.links[key] = {}

    def cable(self, one, other, speed):
        ports = [len(self.links[end]) + 1 for end in (one, other)]
        self.links[one][ports[0]] = (other, ports[1], speed)
        self.links[other][ports[1]] = (one, ports[0], speed)

    def text(self):
        blocks = []
        for key, (kind, name, descriptor) in self.nodes.items():
            lines = []
            for port, (peer, peer_port, speed) in self.links[key].items():
                far = self.nodes[peer]
                own = f"({name[2:]})" if kind == "Ca" else ""
                tail = f"({far[1][2:].lstrip('0')}) " if far[0] == "Ca" else ""
                told = f'lid 1 lmc 0 "{far[2]}" lid 2' if kind == "Ca" else f'"{far[2]}" lid 3'
                lines.append(f'[{port}]{own}\t"{far[1]}"[{peer_port}]{tail}\t\t# {told} {speed}')
            self.rng.shuffle(lines)
            head = f'{kind}\t{len(lines)} "{name}"\t\t# "{descriptor}" base port 0 lid 3 lmc 0'
            blocks.append("\n".join(["vendid=0x2c9", head, *lines]))
        self.rng.shuffle(blocks)
        return "#\n# Topology file: generated on Mon Nov 30 00:00:00 2026\n#\n\n" + "\n\n".join(blocks) + "\n"


def listing_of(topology, rng, slow=(), missing=(), renamed=False, names=()):
    """Cables of a tree by the arithmetic of src/cluster/fattree.h. slow, missing: (tier, lower, port) with a quarter of the speed, and
    those left out. Names count as numbers do, or not, or are given: of hosts and of the switches of each tier."""
    def called(count, level, what):
        if names:
            return names[level]
        return [f"{what}{number:05d}" for number in (rng.sample(range(count), count) if renamed else range(count))]
    fabric, tiers = topology["fabric"], topology["fabric"]["tiers"]
    each, nodes = topology["node"]["gpus"], topology["nodes"]
    top = len(tiers)
    parents, lanes = [tier.get("parents", 1) for tier in tiers], [tier.get("lanes", 1) for tier in tiers]
    children = [tier["children"] for tier in tiers]
    roots, subtrees = [1], [1] * (top + 1)
    for tier in range(top):
        roots.append(roots[-1] * parents[tier])
    for level in range(top, 0, -1):
        subtrees[level - 1] = subtrees[level] * (fabric.get("installed", children[top - 1]) if level == top else children[level - 1])
    found = Listing(rng)
    wiring, trees = fabric.get("wiring", "rail"), 1
    if wiring == "rail-only":
        trees = each
        subtrees = [number * trees for number in subtrees]
    hosts = called(nodes, 0, "host")
    for gpu in range(nodes * each):
        found.node((0, gpu), "Ca", f"{hosts[gpu // each]} mlx5_{gpu % each}")
    for level in range(1, top + 1):
        for number, name in enumerate(called(subtrees[level] * roots[level], level, tiers[level - 1]["name"])):
            found.node((level, number), "Switch", f"MF0;{name}:MQM9700/U1")
    for tier in range(1, top + 1):
        speed = int(tiers[tier - 1]["rate"].split()[0])
        for lower in range(nodes * each if tier == 1 else subtrees[tier - 1] * roots[tier - 1]):
            place, number = lower, lower
            if tier == 1 and wiring != "plain":
                node, slot = divmod(lower, each)
                unit = subtrees[0] // trees if wiring == "rail-only" else children[0]
                place = (node // unit * each + slot) * unit + node % unit
            subtree, index = divmod(place, roots[tier - 1])
            for port in range(parents[tier - 1] * lanes[tier - 1]):
                upper = subtree // children[tier - 1] * roots[tier] + index + roots[tier - 1] * (port % parents[tier - 1])
                slower = speed // 4 if (tier, number, port) in slow else speed
                if (tier, number, port) not in missing:
                    found.cable((tier - 1, number), (tier, upper), SPEEDS[slower])
    return found


def names_in(text, tiers):
    """Names of nodes and of the switches of each tier that a topology tells in its comments."""
    return [[name for words in re.findall(rf"^#   {what} [\d-]+: (.*)$", text, re.M) for name in wiring_slurm.hostlist(words, what)]
            for what in ["node", *(tier["name"] for tier in tiers)]]


def same_cables(listing, text, what):
    """The arithmetic of the topology, under the names it tells, gives the cables of the listing."""
    found = yaml.safe_load(text)
    again = listing_of(found, listing.rng, names=names_in(text, found["fabric"]["tiers"]))
    def cables(one):
        return sorted(sorted((one.nodes[key][2], one.nodes[other][2])) for key in one.nodes for other, _, _ in one.links[key].values())
    claim(cables(again) == cables(listing), f"{what}: other cables than those of the listing:\n{text}")


def faults_of(found):
    """((tier, lower, port), what is left) of each."""
    levels = ["gpu", *(tier["name"] for tier in found["fabric"]["tiers"])]
    words = [(re.fullmatch(r"(\w+) (\d+)(?: nic)?(?: port (\d+))?", fault["what"]), fault["remaining"])
             for fault in found["fabric"].get("faults", ())]
    return [((levels.index(word[1]) + 1, int(word[2]), int(word[3] or 0)), left) for word, left in words]


def same_tree(topology, found, what):
    fabric, brought = topology["fabric"], found["fabric"]
    claim(found["nodes"] == topology["nodes"] and found["node"]["gpus"] == topology["node"]["gpus"], f"{what}: {found['nodes']} nodes")
    claim("kind" not in brought, f"{what}: a tree")
    wanted = [{"name": tier["name"], "children": tier["children"], "parents": tier.get("parents", 1), "lanes": tier.get("lanes", 1),
               "rate": tier["rate"]} for tier in fabric["tiers"]]
    wanted[-1]["children"] = fabric.get("installed", wanted[-1]["children"])
    got = [{key: tier[key] for key in ("name", "children", "parents", "lanes", "rate")} for tier in brought["tiers"]]
    for one, other in zip(wanted, got):
        other["name"] = one["name"]
    claim(got == wanted, f"{what}: {got}, but it was {wanted}")
    claim(topology["node"]["gpus"] == 1 or brought["wiring"] == fabric.get("wiring", "rail"), f"{what}: wiring {brought['wiring']}")


def random_tree(rng):
    """At least two of everything below each switch, so that no tier is another one's."""
    while True:
        each, count = rng.choice((1, 2, 4)), rng.choice((1, 2, 3, 3))
        wiring = rng.choice(("plain", "rail", "rail-only")) if each > 1 else "plain"
        wiring = "rail-only" if count == 1 and wiring == "rail" else wiring
        rail = wiring == "rail"
        units, tiers = rng.randrange(2, 4), []
        for tier in range(1, count + 1):
            children = rng.choice((2, 2, 3)) * (each if tier == 2 and rail else 1)
            children = units * (each if wiring == "plain" else 1) if tier == 1 else children
            tiers.append({"name": ("leaf", "spine", "core")[tier - 1], "children": children, "rate": "400 Gb/s",
                          "parents": rng.randrange(1, 4) if tier > 1 else rng.choice((1, 1, 2)), "lanes": rng.randrange(1, 3)})
        room = units
        for tier in tiers[1:]:
            room *= tier["children"]
        room //= each if rail else 1  # nodes
        missing = rng.randrange(units) if count > 1 and rng.random() < 0.5 else 0
        if room * each <= 200:
            return {"nodes": room - missing, "node": {"gpus": each}, "fabric": {"wiring": wiring, "tiers": tiers}}


def tree(emulator):
    """Law: a tree written as a listing, in any order, with any GUIDs, comes back as the same PGFT, with its slower cables where they
    were: and the emulator gives it the fingerprint that the topology has from which the listing was made."""
    rng = random.Random(1)
    for case in range(120):
        topology = random_tree(rng)
        tiers = topology["fabric"]["tiers"]
        tier = rng.randrange(1, len(tiers) + 1)
        port = rng.randrange(tiers[tier - 1]["parents"] * tiers[tier - 1]["lanes"])
        listing = listing_of(topology, rng)
        lower = rng.choice([number for level, number in listing.nodes if level == tier - 1])
        listing = listing_of(topology, rng, [(tier, lower, port)], renamed=True)
        text = at_once(written(emulator, listing.text()))[0]
        found = yaml.safe_load(text)
        same_tree(topology, found, f"tree {case}, renamed: {topology}")
        same_cables(listing, text, f"tree {case}, renamed: {topology}")
        claim([(place[0], left) for place, left in faults_of(found)] == [(tier, "25 %")], f"tree {case}: {found}")
        found = yaml.safe_load(at_once(written(emulator, listing_of(topology, rng, [(tier, lower, port)]).text()))[0])
        same_tree(topology, found, f"tree {case}: {topology}")
        # Names count as the arithmetic does, so that numbers are the same ones.
        claim(faults_of(found) == [((tier, lower, port), "25 %")],
              f"tree {case}: {topology}: {found['fabric']['faults']}, it was {(tier, lower, port)}")
    for name, job in (("laptop-16", "traffic-permutation"), ("superpod-h100-4su", "traffic-shift"), ("superpod-h100-1su", "moe-small"),
                      ("deepseek-2k", "traffic-shift")):
        topology = yaml.safe_load((TOPOLOGIES / f"{name}.yaml").read_text())
        tiers, node = topology["fabric"]["tiers"], topology["node"]
        text = written(emulator, listing_of(topology, rng).text(), f"{name}.txt")
        found, _ = bring(emulator, text, "--gpu", node["gpu"], "--nic", node["nic"], "--scale-up", node["scale_up"], "--routing",
                         topology["fabric"]["routing"], "--cable", ",".join(tier["cable"] for tier in tiers), name=name)
        same_tree(topology, found, name)
        marks = [column(emulator.trace(path, JOBS / f"{job}.yaml", "--steps", "1"), "steps/fingerprint").tolist()
                 for path in (TOPOLOGIES / f"{name}.yaml", emulator.folder / f"{name}.yaml")]
        claim(marks[0] == marks[1], f"{name} plays {job} as the topology it was made of: {marks}")


def gaps_of(topology, rng):
    """Some cables of a tier, as (tier, lower, port), at most one of what is cabled each to each, and at most 5 % of the tier."""
    tiers = topology["fabric"]["tiers"]
    tier = rng.randrange(2, len(tiers) + 1)
    own, roots = tiers[tier - 1], 1
    for below in tiers[:tier - 1]:
        roots *= below["parents"]
    lowers = [number for level, number in listing_of(topology, rng).nodes if level == tier - 1]
    ports = own["parents"] * own["lanes"]
    if ports == 1:
        return []
    held = {}
    for lower in rng.sample(lowers, len(lowers)):
        subtree, index = divmod(lower, roots)
        # Of parallel cables the last is called the missing one.
        held.setdefault((subtree // own["children"], index), (tier, lower, ports - 1 - rng.randrange(own["parents"])))
    most = len(lowers) * ports // 20
    return rng.sample(sorted(held.values()), min(most, len(held), rng.randrange(1, 4)))


def gaps(emulator):
    """Law: a tree of which cables are missing, at most 5 % of a tier, comes back as it was, with those dead. With more it is a graph."""
    rng, tried = random.Random(5), 0
    while tried < 60:
        topology = random_tree(rng)
        missing = gaps_of(topology, rng) if len(topology["fabric"]["tiers"]) > 1 else ()
        if not missing:
            continue
        tried += 1
        text, said = at_once(written(emulator, listing_of(topology, rng, missing=missing).text()))
        found = yaml.safe_load(text)
        same_tree(topology, found, f"{missing} of {topology}")
        claim(faults_of(found) == [(place, "0 %") for place in sorted(missing)], f"{missing} of {topology}: {found['fabric']['faults']}")
        claim("missing of a fat tree" in said and "missing of a fat tree" in text, said)
    # 40 cables above four leaves of two pods; a pair of them too many, of one leaf or of all, or crossed.
    cables = [(f"n{leaf}{node}", f"leaf{leaf}") for leaf in range(4) for node in range(2)]
    above = [(f"leaf{leaf}", f"spine{leaf // 2}{spine}") for leaf in range(4) for spine in range(10)]
    top = [(f"spine{pod}{spine}", f"core{spine}") for pod in range(2) for spine in range(10)]
    for other, dead in ((above, 0), (above[2:], 2), (above[:-2], 2), (above[3:], None), (above[1:11] + above[12:30] + above[31:], None),
                        ([*above, above[0]], None), ([("leaf0", "spine10"), ("leaf2", "spine00"), *above[1:20], *above[21:]], None)):
        text, said = at_once(written(emulator, "from,to\n" + "".join(f"{one},{end}\n" for one, end in cables + other + top)))
        found = yaml.safe_load(text)["fabric"]
        claim(found.get("kind", "tree") == ("graph" if dead is None else "tree") and len(found.get("faults", ())) == (dead or 0),
              f"{len(other)} cables: {said}")
    name = "superpod-h100-4su"
    topology = yaml.safe_load((TOPOLOGIES / f"{name}.yaml").read_text())
    own = topology["fabric"]["tiers"][1]
    last = own["parents"] * own["lanes"] - 1
    text = written(emulator, listing_of(topology, rng, missing=[(2, 3, last), (2, 17, last - 1)]).text())
    node = topology["node"]
    bring(emulator, text, "--gpu", node["gpu"], "--nic", node["nic"], "--scale-up", node["scale_up"], "--routing",
          topology["fabric"]["routing"], "--cable", ",".join(tier["cable"] for tier in topology["fabric"]["tiers"]), name=name)
    dead = ",".join(f"{{tier: 2, lower: {lower}, port: {port}}}" for lower, port in ((3, last), (17, last - 1)))
    marks = [column(emulator.trace(path, JOBS / "traffic-shift.yaml", "--steps", "1", *options), "steps/fingerprint").tolist()
             for path, options in ((TOPOLOGIES / f"{name}.yaml", ("--set", f"fabric.faults=[{dead}]")),
                                   (emulator.folder / f"{name}.yaml", ()), (TOPOLOGIES / f"{name}.yaml", ()))]
    claim(marks[0] == marks[1] != marks[2], f"a missing cable is a dead one: {marks}")


# ---------------------------------------------------------------------------------------------- readers

NETBOX = """side_a_device,side_a_type,side_a_name,side_b_device,side_b_type,side_b_name,type,status,length,length_unit
leaf-1,dcim.interface,1/1,dgx-1,dcim.interface,ib0,mmf-om4,connected,5,m
dgx-1,dcim.interface,ib1,leaf-2,dcim.interface,1/1,mmf-om4,connected,5,m
dgx-2,dcim.interface,ib0,leaf-1,dcim.interface,1/2,mmf-om4,connected,700,cm
dgx-2,dcim.interface,ib1,leaf-2,dcim.interface,1/2,mmf-om4,connected,5,m
# a comment

dgx-2,dcim.interface,bmc,oob-switch,dcim.interface,7,cat6,connected,,
leaf-1,dcim.interface,1/33,spine-1,dcim.interface,1/1,smf,connected,40,m
leaf-1,dcim.interface,1/34,spine-2,dcim.interface,1/1,smf,connected,40,m
leaf-2,dcim.interface,1/33,spine-1,dcim.interface,1/2,smf,connected,60,m
spine-2,dcim.interface,1/2,leaf-2,dcim.interface,1/34,smf,connected,60,m
leaf-2,dcim.interface,1/34,spine-2,dcim.interface,1/2,smf,connected,60,m
leaf-2,dcim.interface,1/35,spine-3,dcim.interface,1/2,smf,planned,60,m
"""


def readers(emulator):
    """Small texts of each kind, number by number."""
    place = "x:1"
    for text, names in (("node[001-003,007]", "node001 node002 node003 node007"), ("a,b[1-2]c[8-9],d", "a b1c8 b1c9 b2c8 b2c9 d"),
                        ("n9", "n9"), ("n[08-11]", "n08 n09 n10 n11")):
        claim(wiring_slurm.hostlist(text, place) == names.split(), f"{text}: {wiring_slurm.hostlist(text, place)}")
    for text in ("n[1-", "n[3-1]", "n[a-b]", "n[]", ",,", "n[1-2]]", "n[0-99999999]", ""):
        try:
            claim(False, f"{text} is no list of hosts, but {wiring_slurm.hostlist(text, place)[:5]}")
        except wiring.Refusal as refusal:
            claim(str(refusal).startswith("x:1: "), f"{text}: {refusal}")
    for text, gbps in (("400G", 400), ("400 Gb/s", 400), ("1.6Tbps", 1600), ("100GbE", 100)):
        claim(wiring.gigabits(text, place) == gbps, text)
    # NetBox: rails by the names of interfaces; a cable twice, a planned one, and the management interface.
    found, said = bring(emulator, written(emulator, NETBOX), "--not-hcas", "bmc*", "--rate", "400G")
    fabric = found["fabric"]
    claim(found["nodes"] == 2 and found["node"]["gpus"] == 2 and fabric["wiring"] == "rail", f"{found}")
    claim([(t["children"], t["parents"], t["lanes"], t["rate"], t["cable"]) for t in fabric["tiers"]] ==
          [(2, 1, 1, "400 Gb/s", "5 m"), (2, 2, 1, "400 Gb/s", "60 m")], f"{fabric['tiers']}")
    for words in ("1 cable listed twice", "left out by their status", "left out by --hcas", "--switches"):
        claim(words in said, f"'{words}' is told: {said}")
    # Columns from,to alone, with counts: NICs are ordered by their switches.
    found, said = bring(emulator, written(emulator, "from,to,count,rate\n" + "".join(
        f"gpu-node{n},leaf{r},1,200G\n" for n in range(4) for r in range(2)) + "leaf0,spine0,4,400G\nleaf1,spine0,4,400G\n"))
    claim([(t["children"], t["lanes"], t["rate"]) for t in found["fabric"]["tiers"]] == [(4, 1, "200 Gb/s"), (2, 4, "400 Gb/s")],
          f"{found}")
    claim("have no names" in said, said)
    # Two interfaces of a NIC in two planes.
    found, _ = bring(emulator, written(emulator, "from,from_port,to\n" + "".join(
        f"h{n},nic{i}p{p},leaf-{p}\n" for n in range(4) for i in range(2) for p in range(2))), "--nic-ports", "2", "--rate", "200G")
    claim([(t["children"], t["parents"]) for t in found["fabric"]["tiers"]] == [(8, 2)], f"{found}")
    claim(found["node"]["nic"] == "connectx-7-ndr400" and found["node"]["gpu"] == "h100-sxm", "by the rate of both ports")
    # topology.conf: three tiers, counts by options; blocks.
    conf = "SwitchName=core Switches=pod[0-1]\nswitchname=pod0 switches=s[0-1] LinkSpeed=100\nSwitchName=pod1 Switches=s[2-3]\n" + "".join(
        f"SwitchName=s{i} Nodes=n[{4 * i}-{4 * i + 3}]  # rack {i}\n" for i in range(4))
    found, said = bring(emulator, written(emulator, conf), "--gpus-per-node", "2", "--parents", "4,2", "--lanes", "1,1,2", "--rate",
                        "200G,400G")
    claim([(t["children"], t["parents"], t["lanes"], t["rate"]) for t in found["fabric"]["tiers"]] ==
          [(4, 1, 1, "200 Gb/s"), (4, 4, 1, "400 Gb/s"), (2, 2, 2, "400 Gb/s")] and found["nodes"] == 16, f"{found}")
    claim("not used: linkspeed" in said and "one a rail" in said, said)
    found, said = bring(emulator, written(emulator, "BlockName=b0 Nodes=t[01-18]\nBlockName=b1 Nodes=t[19-36]\nBlockSizes=18\n"),
                        "--gpus-per-node", "4")
    claim(found["node"]["scale_up"] == "nvlink5-72" and [t["children"] for t in found["fabric"]["tiers"]] == [18, 8], f"{found}")
    claim("blocks say nothing of the network" in said and "not used: blocksizes" in said, said)
    found, said = bring(emulator, written(emulator, conf), "--gpus-per-node", "2")
    claim([t["parents"] for t in found["fabric"]["tiers"]] == [1, 4, 4], f"as many up as down: {found}")
    plain, _ = bring(emulator, written(emulator, conf), "--gpus-per-node", "2", "--wiring", "plain")
    claim([t["children"] for t in plain["fabric"]["tiers"]] == [8, 2, 2] and plain["fabric"]["wiring"] == "plain", f"{plain}")
    found, _ = bring(emulator, written(emulator, "SwitchName=s0 Nodes=n[0-3]\n"))
    claim([t["children"] for t in found["fabric"]["tiers"]] == [32] and found["fabric"]["wiring"] == "plain", f"one switch: {found}")
    slurm_yaml(emulator)
    tells(emulator)


LISTED = '''Switch	37 "S-0000000000000001"		# "MF0;one:MQM8700/U1" enhanced port 0 lid 1 lmc 0
[1][ext 1]	"H-0000000000000011"[1](11) 		# "a mlx5_0" lid 2 4xHDR
[2]	"H-0000000000000012"[1](12) 		# "a mlx5_1" lid 2 4xHDR
[3]	"H-0000000000000021"[1](21) 		# "b mlx5_0" lid 2 4xHDR
[4]	"H-0000000000000022"[1](22) 		# "b mlx5_1" lid 2 2xHDR
[5]	"H-0000000000000031"[1](31) 		# "MT4123 ConnectX6   Mellanox Technologies" lid 2 4xHDR
[6]	"H-0000000000000041"[1](41) 		# "d HCA-1" lid 2 4xHDR
[7]	"H-0000000000000042"[1](42) 		# "d HCA-2" lid 2 
[37]	"H-0000000000000001"[1](1) 		# "Mellanox Technologies Aggregation Node" lid 2 4xHDR

Ca	1 "H-0000000000000011"		# "a mlx5_0"
[1](11) 	"S-0000000000000001"[1]		# lid 2 lmc 0 "MF0;one:MQM8700/U1" lid 1 4xHDR
Ca	1 "H-0000000000000041"		# "d HCA-1"
[1](41) 	"S-0000000000000001"[6]		# lid 2 lmc 0 "MF0;one:MQM8700/U1" lid 1 4xQDR
'''


YAML_HEAD = "- topology: fabric\n  tree:\n    switches:\n"


def slurm_yaml(emulator):
    """topology.yaml says what topology.conf does."""
    tree = "SwitchName=top Switches=s[0-3]\n" + "".join(f"SwitchName=s{i} Nodes=n[{4 * i}-{4 * i + 3}]\n" for i in range(4))
    blocks = "".join(f"BlockName=b{i} Nodes=t[{18 * i + 1:02}-{18 * i + 18}]\n" for i in range(2))
    newer = {
        "tree": "- topology: fabric\n  cluster_default: true\n  tree:\n    switches:\n      - switch: top\n        children: s[0-3]\n" +
                "".join(f"      - switch: s{i}\n        nodes: n[{4 * i}-{4 * i + 3}] # rack\n" for i in range(4)),
        "block": "- topology: racks\n  cluster_default: false\n  block:\n    block_sizes:\n      - 18\n    blocks:\n" +
                 "".join(f"      - block: b{i}\n        nodes: t[{18 * i + 1:02}-{18 * i + 18}]\n" for i in range(2)),
        "flat": "- topology: all\n  flat: true\n"}
    for old, texts, options, words in ((tree, (newer["flat"], newer["tree"]), ("--gpus-per-node", "2"), ""),
                                       (tree, (newer["block"], newer["tree"]), (), "of 2 topologies that say who is where, that of line 12 was"),
                                       (blocks, (newer["block"], newer["flat"]), ("--gpus-per-node", "4"), "not used: block_sizes")):
        wanted, _ = bring(emulator, written(emulator, old), *options)
        found, said = bring(emulator, written(emulator, "---\n" + "".join(texts)), *options)
        claim(found == wanted and words in said, f"{texts}: {found}, as topology.conf {wanted}; {said}")


def tells(emulator):
    """What is odd in a listing is told and does not stop it; names of GUIDs can be given."""
    text = written(emulator, LISTED)
    found, said = bring(emulator, text)
    claim(found["nodes"] == 3 and found["node"] == {"gpu": "a100-80g-sxm", "gpus": 2, "nic": "connectx-6-hdr200", "scale_up":
                                                    "machine-scale-up"}, f"{found}")
    claim(found["fabric"]["faults"] == [{"what": "gpu 3 nic", "remaining": "50 %"}, {"what": "gpu 4 nic", "remaining": "16 %"}],
          f"{found['fabric']}")
    for words in ("5 cables listed at one end only", "1 aggregation node", "that nobody named", "1 host with 1 NIC where the others "
                  "have 2", "1 cable with two speeds", "without a speed"):
        claim(words in said, f"'{words}' is told: {said}")
    bring(emulator, written(emulator, LISTED.replace("MQM8700", "MSB7800")))
    claim("\nports: 36\n" in (emulator.folder / "hardware/machine-leaf-switch.yaml").read_text(), "the 37th port is inside")
    names = written(emulator, '0x31 "c mlx5_0"  # by hand\nH-0000000000000041 d mlx5_7\n', "names")
    found, said = bring(emulator, text, "--name-map", names, "--gpus-per-node", "1", "--not-hcas", "mlx5_1,HCA-2")
    claim(found["nodes"] == 4 and "nobody" not in said and "#   node 0: a\n" in (emulator.folder / "machine.yaml").read_text(), said)


def order(emulator):
    """Law: the order of lines decides nothing."""
    rng = random.Random(2)

    def all_files():
        return {path.name: re.sub(r"\S*machine.txt:\d+", "", path.read_text()) for path in emulator.folder.glob("**/*")
                if path.suffix in (".yaml", ".csv")}
    for case in range(6):
        topology = random_tree(rng)
        listing = listing_of(topology, rng)
        if case % 2:  # one cable less
            one = rng.choice([key for key in listing.links if key[0] > 1 or len(topology["fabric"]["tiers"]) == 1])
            port, (other, far, _) = rng.choice(list(listing.links[one].items()))
            del listing.links[one][port], listing.links[other][far]
        results = []
        for _ in range(3):
            results.append(bring(emulator, written(emulator, listing.text())) + (all_files(),))
        claim(results[0] == results[1] == results[2], f"{topology}: the order of a listing")
    for text, first, options in ((NETBOX, 1, ("--not-hcas", "bmc*")), ((TEXTS / "hpc-6leaves.topology.conf").read_text(), 0, ()),
                                 ((TEXTS / "superpod.topology.conf").read_text(), 0, ())):
        head, lines = text.splitlines()[:first], text.splitlines()[first:]
        results = []
        for _ in range(3):
            said = re.sub(r"\S*machine.txt:\d+", "", bring(emulator, written(emulator, "\n".join(head + lines)), *options)[1])
            results.append((said, all_files()))
            rng.shuffle(lines)
        claim(results[0] == results[1] == results[2], f"the order of {text[:40]}")


# ---------------------------------------------------------------------------------------------- real texts

def real(emulator):
    """Listings of clusters that exist: counts of their sources, and trees run."""
    found, said = bring(emulator, TEXTS / "edr-96.ibnetdiscover", name="edr")
    fabric = found["fabric"]
    claim(found["nodes"] == 96 and [(t["children"], t["parents"], t["lanes"], t["rate"]) for t in fabric["tiers"]] ==
          [(24, 1, 1, "100 Gb/s"), (4, 2, 6, "100 Gb/s")], f"{found}")
    claim([(place[0], left) for place, left in faults_of(found)] == [(2, "16 %")], f"4xDDR of 4xEDR: {fabric['faults']}")
    emulator.trace(emulator.folder / "edr.yaml", JOBS / "ddp-small.yaml", "--steps", "1")
    found, said = bring(emulator, TEXTS / "superpod.topology.conf", name="superpod")
    claim(found["nodes"] == 80 and [(t["children"], t["parents"]) for t in found["fabric"]["tiers"]] == [(18, 1), (40, 18)], f"{found}")
    claim("no switch of the file joins its 5 trees" in said, said)
    emulator.trace(emulator.folder / "superpod.yaml", JOBS / "moe-small.yaml", "--steps", "1")
    # Accelerator nodes alone: leaves of 2, 3, ... hosts are no regular tree.
    found, said = bring(emulator, TEXTS / "edr-96.ibnetdiscover", "--hosts", "acc*", name="accelerators")
    claim(found["nodes"] == 45 and found["fabric"]["kind"] == "graph" and "leaves with different numbers of nodes" in said, said)
    leaves = re.findall(r"^gpu \d+,leaf (\d+)", (emulator.folder / "accelerators.csv").read_text(), re.M)
    claim(leaves == sorted(leaves), f"nodes of a leaf have numbers side by side: {leaves}")


def graph(emulator):
    """What is no regular tree: its cables, by numbers that the topology gives names."""
    found, said = bring(emulator, TEXTS / "gb200-2racks.ibnetdiscover", "--gpu", "gb200", name="gb200")
    claim(found["nodes"] == 25 and found["node"]["gpus"] == 4 and found["fabric"]["kind"] == "graph", f"{found}")
    rows = (emulator.folder / "gb200.csv").read_text().splitlines()
    claim(rows[0] == "from,to,count,tier" and sum(row.startswith("gpu") for row in rows) == 100, rows[:3])
    spines = sum(int(row.split(",")[2]) for row in rows if row.startswith("leaf"))
    claim(spines == 2 * (4 * 8 - 1 + 4 * 9), f"{spines} cables above the leaves")
    claim("gpus: 4\n" in (emulator.folder / "hardware/gb200-scale-up.yaml").read_text() and "as nvlink5-72 with 4" in said, said)
    _, told = bring(emulator, TEXTS / "gb200-2racks.ibnetdiscover", "--gpu", "gb200", "--scale-up", "nvlink5-72")
    claim("scale-up domains of 18 nodes by number" in told and "of 11, 14 nodes" in told, told)
    for words in ("32 hosts with 1 NIC", "ufm-02", "17 aggregation nodes", "no regular fat tree"):
        claim(words in said, f"'{words}' is told: {said}")
    found, said = bring(emulator, TEXTS / "hpc-6leaves.topology.conf", "--gpus-per-node", "1", "--lanes", "1,3", name="hpc")
    rows = (emulator.folder / "hpc.csv").read_text().splitlines()
    claim(found["nodes"] == 89 and sum(",3," in row for row in rows) == 24, f"{found} {rows[-30:]}")
    # A slower cable of a graph is a fault at its place among those of the tier at its switch.
    text = ("from,to,count,rate\nnode0,leaf0,1,400G\nnode1,leaf1,1,400G\nnode2,leaf1,1,400G\nleaf0,spine0,2,400G\nleaf0,spine1,1,400G\n"
            "leaf0,spine1,1,100G\nleaf1,spine1,1,200G\nleaf1,leaf0,1,400G\nspine0,spine1,1,400G\nspine0,spine1,1,100G\n")
    found, said = bring(emulator, written(emulator, text), name="small")
    rows = (emulator.folder / "small.csv").read_text()
    claim(rows == "from,to,count,tier\ngpu 0,leaf 0,1,\ngpu 1,leaf 1,1,\ngpu 2,leaf 1,1,\nleaf 0,leaf 1,1,\nleaf 0,spine 0,2,\n"
          "leaf 0,spine 1,2,\nleaf 1,spine 1,1,\nspine 0,spine 1,2,\n", rows)
    shown = emulator.call("show", emulator.folder / "small.yaml").stdout
    claim([line.strip() for line in shown.splitlines() if "its capacity" in line] ==
          ["leaf 0 port 4 -> spine 1: 0.25 of its capacity", "leaf 1 port 1 -> spine 1: 0.5 of its capacity",
           "spine 0 port 3 -> spine 1: 0.25 of its capacity"], f"slower cables are where the text has them: {shown}")
    claim(len(found["fabric"]["tiers"]) == 3, "cables between spines are of a tier of their own")


def plays(emulator):
    """Law: a fat tree brought in as a graph plays to the fingerprint of the tree, where each switch divides messages evenly. Graphs that
    are none play alike on any ranks, and a slower cable is where the text has it."""
    rng = random.Random(3)
    for name, job in (("laptop-16", "ddp-small"), ("superpod-h100-1su", "moe-small"), ("superpod-h100-4su", "traffic-permutation")):
        text = written(emulator, listing_of(yaml.safe_load((TOPOLOGIES / f"{name}.yaml").read_text()), rng).text())
        marks = []
        for options in ((), ("--graph",)):
            found, _ = bring(emulator, text, "--routing", "spray", *options)
            claim(("kind" in found["fabric"]) == bool(options), f"{name} {options}: {found['fabric']}")
            marks.append(column(emulator.trace(emulator.folder / "machine.yaml", JOBS / f"{job}.yaml", "--steps", "1"),
                                "steps/fingerprint").tolist())
        claim(marks[0] == marks[1], f"{job} on {name} as a tree and as a graph: {marks}")
    for text, job, options in (("gb200-2racks.ibnetdiscover", "traffic-permutation", ("--gpu", "gb200", "--routing", "adaptive")),
                               ("edr-96.ibnetdiscover", "traffic-shift", ("--hosts", "acc*")),
                               ("hpc-6leaves.topology.conf", "traffic-permutation", ("--gpus-per-node", "1", "--lanes", "1,3"))):
        bring(emulator, TEXTS / text, *options)
        claim(same_on_any_ranks(emulator, emulator.folder / "machine.yaml", JOBS / f"{job}.yaml", (1, 2, 3), "--steps", "1") == 0, text)
    # Three leaves, a host each; one has a slower cable.
    lines = ["from,to,count,rate", *(f"n{i},leaf{i},1,400G" for i in range(3)), *(f"leaf{i},spine0,1,400G" for i in range(3))]
    for slow in range(3):
        text = "\n".join(lines).replace(f"leaf{slow},spine0,1,400G", f"leaf{slow},spine0,1,100G")
        found, _ = bring(emulator, written(emulator, text), "--graph")
        done = emulator.run(emulator.folder / "machine.yaml", JOBS / "traffic-shift.yaml")
        claim(done.returncode == 0 and re.search(rf"hottest: .*\bleaf {slow}\b", done.stdout), f"leaf {slow}: {done.stdout}{done.stderr}")


def twisted(emulator):
    """Counts of a fat tree do not make one: cores that two pods share otherwise."""
    cables = [(f"n{pod}{leaf}{node}", f"leaf{pod}{leaf}") for pod in range(2) for leaf in range(2) for node in range(2)]
    cables += [(f"leaf{pod}{leaf}", f"spine{pod}{spine}") for pod in range(2) for leaf in range(2) for spine in range(2)]
    for cores, kind in (({0: ((0, 1), (2, 3)), 1: ((2, 3), (0, 1))}, "tree"), ({0: ((0, 1), (2, 3)), 1: ((0, 2), (1, 3))}, "graph")):
        above = [(f"spine{pod}{spine}", f"core{core}") for pod in cores for spine in range(2) for core in cores[pod][spine]]
        text, said = at_once(written(emulator, "from,to\n" + "".join(f"{one},{other}\n" for one, other in cables + above)))
        claim(yaml.safe_load(text)["fabric"].get("kind", "tree") == kind, f"{above}: {text}")
    claim("does not share its switches of tier 3" in said, said)


def refused(emulator):
    """What is not understood: exit code 2, a line that names the place, and nothing written."""
    block = LISTED.splitlines()
    head = 'Switch\t4 "S-0000000000000001"\t\t# "x"\n'
    path = emulator.folder / "text"
    for words, text, *options in (
            ("neither output of ibnetdiscover", "hello\n"), ("No such file", None),
            ("text:2: no line of ibnetdiscover", head + "[1]\tS-1[1]\n"),
            ("text:3: port 1 again, which stands in line 2", head + 2 * '[1]\t"H-0011"[1](11)\t\t# "a mlx5_0" lid 2 4xHDR\n'),
            ("text:2: a speed '4xWDR'", head + '[1]\t"H-0011"[1](11)\t\t# "a mlx5_0" lid 2 4xWDR\n'),
            ("text:2: S-0000000000000001 again", head + head), ("is neither S-", head + '[1]\t"X-0011"[1]\t\t# "a" lid 2 4xHDR\n'),
            ("which goes to port 9", head + '[1]\t"S-02"[1]\t\t# "y" lid 2 4xHDR\nSwitch\t4 "S-02"\t\t# "y"\n'
             '[1]\t"S-01"[9]\t\t# "x" lid 1 4xHDR\n'),
            ("text:1: a port before any Switch", "\n".join([block[1], block[0]])), ("no host is left", LISTED, "--hosts", "z*"),
            ("no host has 3 NICs", LISTED, "--gpus-per-node", "3"), ("no nosuch in", LISTED, "--gpu", "nosuch"),
            ("hosts in 2 parts", head + '[1]\t"H-0011"[1]\t# "a mlx5_0" lid 2 4xHDR\nSwitch\t4 "S-02"\t# "y"\n'
             '[1]\t"H-0012"[1]\t# "b mlx5_0" lid 2 4xHDR\n'),
            ("no part of the network", "from,from_port,to\n" + "".join(f"n{n},p{(r + n // 3) % 2},leaf{r}\n" for n in range(4) for r in
                                                                       range(2))),
            ("but: rails 0 and 1 are not alike: children", "from,to\n" + "".join(
                f"n{n},leaf{r}{n // 2 * (1 - r)}\n" for n in range(4) for r in range(2)) + "leaf00,spine\nleaf01,spine\n"),
            ("but: rails 0 and 1 are not alike: other hosts", "from,to\n" + "".join(
                f"n{n},leaf{r}{n // 2 if r else n % 2}\n" for n in range(4) for r in range(2)) + "".join(
                f"leaf{r}{i},spine{r}\n" for i in range(2) for r in range(2))),
            ("alike, but no graph", "from,to\n" + "".join(f"n{n},leaf{r}\n" for n in range(4) for r in range(2)), "--graph"),
            ("dmodk is of trees, and this is none: leaves", "from,to\na,leaf0\nb,leaf1\nc,leaf2\nd,leaf2\n" + "".join(
                f"leaf{leaf},spine\n" for leaf in range(3)), "--routing", "dmodk"),
            ("text:2: there is no switch s9", "SwitchName=s0 Nodes=n[0-1]\nSwitchName=s1 Switches=s9\n"),
            ("text:2: node n1 is below s1 and, in line 1, below s0", "SwitchName=s0 Nodes=n[0-1]\nSwitchName=s1 Nodes=n[1-2]\n"),
            ("text:2: s0 again", "SwitchName=s0 Nodes=n0\nSwitchName=s0 Nodes=n1\n"), ("text:1: no range", "SwitchName=s0 Nodes=n[0-\n"),
            ("text:1: wants KEY=VALUE", "SwitchName=s0 Nodes n0\n"), ("text:1: 'colour' is no key", "SwitchName=s0 Nodes=n0 Colour=red\n"),
            ("text:2: a block among switches", "SwitchName=s0 Nodes=n0\nBlockName=b Nodes=n1\n"),
            ("no nodes anywhere", "SwitchName=s0 Switches=s1\nSwitchName=s1\n"),
            ("text:4: wants a key switch", YAML_HEAD + "    - nodes: a\n"),
            ("text:4: 'colour' is no key here", YAML_HEAD + "    - {switch: s, colour: red}\n"),
            ("text:5: s again, which stands in line 4", YAML_HEAD + "    - {switch: s, nodes: a}\n    - {switch: s, nodes: b}\n"),
            ("text:5: there is no switch t", YAML_HEAD + "    - {switch: s, nodes: a}\n    - {switch: r, children: t}\n"),
            ("text:4: wants a list", YAML_HEAD + "      s: {nodes: a}\n"),
            ("text:4: 'blocks' is no key here", YAML_HEAD + "    blocks: []\n"), ("text:4: no YAML", YAML_HEAD + "    - {switch: s\n"),
            ("text:4: wants a text", YAML_HEAD + "    - {switch: s, nodes: [a, b]}\n"),
            ("text: neither a tree nor blocks", "- topology: t\n  flat: true\n"),
            ("text:1: wants columns for both ends", "a_side,to,x\n1,2,3\n"), ("text:2: no count", "from,to,count\na,leaf,many\n"),
            ("text:2: no rate", "from,to,rate\na,leaf,fast\n"), ("text:2: no length", "from,to,length\na,leaf,3 parsec\n"),
            ("text:3: a port that holds another cable", "from,from_port,to,to_port\na,1,leaf,1\nb,1,leaf,1\n"),
            ("text:2: a cable between two hosts", "from,to\na,b\n"), ("text:2: wants two devices", "from,to\na,\n"),
            ("no cables", "from,to\n"),
            ("wants counts", "SwitchName=s0 Nodes=n0\n", "--lanes", "many"), ("text:2: wants a GUID", LISTED, "--name-map", "MAP")):
        path.unlink(missing_ok=True)
        if text is not None:
            path.write_text(text)
        options = [written(emulator, "0x11 a\n?\n", "map-text") if option == "MAP" else option for option in options]
        done = subprocess.run([ROOT / "scripts/import", path, "-o", emulator.folder / "no/no.yaml", *options], capture_output=True,
                              text=True)
        claim(done.returncode == 2 and words in done.stderr and len(done.stderr.splitlines()) == 1,
              f"'{words}': {done.returncode} {done.stderr}")
        claim(not (emulator.folder / "no").exists(), f"{words}: nothing is written")


run_case(readers, tree, gaps, twisted, order, real, graph, plays, refused)
