"""wiring_read.py: what scripts/import reads: output of ibnetdiscover, and lists of cables.

Limits.  ibnetdiscover: the plain listing (with or without -f and -g), not -l, -p or a cache. Lists: one cable, or several in
         parallel, a row.
Source.  ibnetdiscover(8) and its source (rdma-core, infiniband-diags); columns of NetBox's import and export of cables.
"""

import csv
import re
from dataclasses import dataclass, field

from wiring import Cable, Nic, Refusal, Switch, Wiring, gigabits, lines_of, matches, natural, plural, some
from wiring_slurm import YAML, read_slurm

# Gb/s of data in one lane: SDR, DDR and QDR carry 8 bits in 10, FDR and EDR 64 in 66, as do the names of the later ones.
LANE_GBPS = {"SDR": 2, "DDR": 4, "QDR": 8, "FDR10": 10, "FDR": 13.64, "EDR": 25, "HDR": 50, "NDR": 100, "XDR": 200, "GDR": 400}
UNNAMED = re.compile(r"Technologies|InfiniHost|Infiniscale|^Voltaire|^NVIDIA ")  # what a node is called that nobody named
AGGREGATION = "Aggregation Node"                                                  # of SHARP, inside a switch


def read(path, said):
    """The wiring of a text; what it is is seen from its lines."""
    lines = lines_of(path)
    for line in lines:
        if re.match(r'\s*(Switch|Ca|Rt)\s+\d+\s+"', line):
            return read_ibnetdiscover(path, lines, said)
        if YAML.match(line) or re.match(r"\s*(SwitchName|BlockName)\s*=", line, re.IGNORECASE):
            return read_slurm(path, lines, said)
    if any("," in line for line in lines):
        return read_list(path, lines, said)
    raise Refusal(f"{path}: neither output of ibnetdiscover nor SLURM's topology.conf or topology.yaml nor a list of cables")


# ---------------------------------------------------------------------------------------------- ibnetdiscover

HEAD = re.compile(r'(Switch|Ca|Rt)\s+(\d+)\s+"([^"]+)"\s*(?:#\s*"(.*)")?')
LINK = re.compile(r'\[(\d+)\](?:\[ext [^]]*\])?(?:\([^)]*\))?\s+"([^"]+)"\[(\d+)\](?:\[ext [^]]*\])?(?:\([^)]*\))?\s*(?:#\s*(.*))?$')
SPEED = re.compile(r"\b(\d+)x\s?([A-Z]+\d*)\b")
NOISE = re.compile(r"\s*$|#|\w+=|Chassis|Non-Chassis|Spine|Line|ibwarn|src/|ibpanic")


@dataclass
class Link:
    peer: str
    peer_port: str
    gbps: float
    line: int


@dataclass
class Node:
    kind: str
    ports: int
    descriptor: str
    line: int
    links: dict = field(default_factory=dict)


def guid(text):
    """Of a node, as its other end writes it."""
    letter, _, number = text.partition("-")
    return f"{letter}-{number.lower().removeprefix('0x').zfill(16)}"


def speed_of(path, number, comment):
    found = SPEED.search(comment[comment.rfind('"') + 1:])
    if not found:
        return 0
    if found[2] not in LANE_GBPS:
        raise Refusal(f"{path}:{number}: a speed '{found[0]}' that is not known; known are {' '.join(LANE_GBPS)}")
    return int(found[1]) * LANE_GBPS[found[2]]


def nodes_of(path, lines):
    """Blocks of the listing; a node that is only seen as a peer has none of its own."""
    nodes, seen, now = {}, {}, None
    for number, line in enumerate(lines, 1):
        line = line.strip()
        if head := HEAD.match(line):
            name = guid(head[3])
            if name in nodes:
                raise Refusal(f"{path}:{number}: {head[3]} again, which begins in line {nodes[name].line}")
            now = nodes[name] = Node(head[1], int(head[2]), head[4] or "", number)
        elif link := LINK.match(line):
            if now is None:
                raise Refusal(f"{path}:{number}: a port before any Switch or Ca")
            port, peer, comment = link[1], guid(link[2]), link[4] or ""
            if port in now.links:
                raise Refusal(f"{path}:{number}: port {port} again, which stands in line {now.links[port].line}")
            now.links[port] = Link(peer, link[3], speed_of(path, number, comment), number)
            quoted = re.search(r'"(.*)"', comment)
            kind = {"S": "Switch", "H": "Ca", "R": "Rt"}.get(peer[0])
            if kind is None:
                raise Refusal(f"{path}:{number}: '{link[2]}' is neither S- (a switch) nor H- (an adapter)")
            seen.setdefault(peer, Node(kind, 0, quoted[1] if quoted else "", number))
        elif not NOISE.match(line):
            raise Refusal(f"{path}:{number}: no line of ibnetdiscover: '{line[:60]}'")
    return nodes, {name: node for name, node in seen.items() if name not in nodes}


def name_map(path):
    """GUID to name: lines `0x0002c903000e0b72 "name"` (ibnetdiscover --node-name-map) or `H-0002c903000e0b72 name`."""
    names = {}
    for number, line in enumerate(lines_of(path), 1):
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        found = re.match(r'\s*(?:0x|[HSR]-)?([0-9a-fA-F]+)\s+"?([^"#]+?)"?\s*(?:#.*)?$', line)
        if not found:
            raise Refusal(f"{path}:{number}: wants a GUID and a name")
        names[found[1].lower().zfill(16)] = found[2]
    return names


def adapter(identity, descriptor):
    """Host and NIC of a descriptor: `host mlx5_0`, `host HCA-1`, `host`. One without a name is a host of its own."""
    words = descriptor.replace("'", "").split()
    if not words or UNNAMED.search(descriptor) or len(words) > 2:
        return Nic(identity, "")
    return Nic(words[0], words[1] if len(words) == 2 else "")


def switch_of(descriptor, ports):
    """`MF0;name:MQM9700/U1` says name and model. An odd port is that of the aggregation node."""
    found = re.match(r"[^;:]*;([^;:]+):([^/]+)", descriptor)
    return Switch(found[1] if found else descriptor, found[2] if found else "", ports - ports % 2)


def cables_of(path, nodes, gone, told):
    """Each cable is listed at both of its ends: do they agree?"""
    cables, one_sided, slower = {}, [], []
    for name, node in nodes.items():
        for port, link in node.links.items():
            if gone & {name, link.peer}:
                continue
            back = nodes[link.peer].links.get(link.peer_port) if link.peer in nodes else None
            if back and (back.peer, back.peer_port) != (name, port):
                raise Refusal(f"{path}:{link.line}: port {port} goes to port {link.peer_port} of {link.peer}, which goes to "
                              f"port {back.peer_port} of {back.peer} in line {back.line}")
            ends = sorted([(name, port), (link.peer, link.peer_port)])
            if ends[0] == ends[1]:
                raise Refusal(f"{path}:{link.line}: a cable from port {port} to itself")
            if back is None:
                one_sided.append(f"{name}[{port}]")
            elif back.gbps != link.gbps and back.line < link.line:
                slower.append(f"{name}[{port}]")
            speeds = [gbps for gbps in (link.gbps, back.gbps if back else 0) if gbps]
            cables[tuple(ends)] = Cable((ends[0][0], ends[1][0]), (ends[0][1], ends[1][1]), min(speeds, default=0))
    if one_sided:
        told.append(f"{plural(len(one_sided), 'cable')} listed at one end only, taken as they are: {some(one_sided)}")
    if slower:
        told.append(f"{plural(len(slower), 'cable')} with two speeds, of which the lower was taken: {some(slower)}")
    return [cables[ends] for ends in sorted(cables)]


def read_ibnetdiscover(path, lines, said):
    nodes, strangers = nodes_of(path, lines)
    wiring = Wiring("ibnetdiscover")
    told = wiring.told
    unlisted = [name for name, node in strangers.items() if node.kind == "Switch"]
    if unlisted:
        told.append(f"{plural(len(unlisted), 'switch')} without a block of their own (is the text whole?): {some(unlisted)}")
    names = name_map(said.name_map) if said.name_map else {}
    left_out = {}
    unnamed = []
    for name, node in {**nodes, **strangers}.items():
        descriptor = names.get(name[2:], node.descriptor)
        if node.kind == "Switch":
            wiring.switches[name] = switch_of(descriptor, node.ports)
        elif node.kind == "Rt" or AGGREGATION in descriptor:
            left_out.setdefault("router" if node.kind == "Rt" else "aggregation node", []).append(name)
        else:
            wiring.nics[name] = adapter(name, descriptor)
            if wiring.nics[name].host == name:
                unnamed.append(name)
    for what, which in sorted(left_out.items()):
        told.append(f"left out: {plural(len(which), what)}{'' if what == 'router' else ' of SHARP, inside a switch'}")
    if unnamed:
        told.append(f"{plural(len(unnamed), 'adapter')} that nobody named, each taken as a host of its own (--name-map says whose they "
                    f"are): {some(unnamed)}")
    gone = {name for which in left_out.values() for name in which}
    wiring.cables = cables_of(path, nodes, gone, told)
    return wiring


# ---------------------------------------------------------------------------------------------- lists of cables

COLUMNS = {
    "device": r"side_{}_device|device_{}|{}_device|termination_{}_device|{}",
    "port": r"side_{}_name|name_{}|termination_{}(?:_name)?|interface_{}|port_{}|{}_(?:port|interface|name)",
}
SIDES = ("a|from|source|local", "b|to|target|destination|remote")
OTHERS = {"count": "count|cables|quantity", "rate": "rate|speed|bandwidth", "length": "length", "unit": "length_unit|unit",
          "status": "status"}
SWITCHES = re.compile(r"leaf|spine|core|tor\b|switch|\bsw\d|agg|super", re.IGNORECASE)
METRES = {"m": 1, "cm": 0.01, "km": 1000, "ft": 0.3048, "in": 0.0254, "mi": 1609.344, "meters": 1, "centimeters": 0.01, "feet": 0.3048}


def columns_of(path, number, header):
    """Which column is what."""
    plain = [re.sub(r"\W+", "_", word.strip().lower()).strip("_") for word in header]
    found = {}
    for what, pattern in COLUMNS.items():
        for side, words in zip("ab", SIDES):
            regex = pattern.replace("{}", f"(?:{words})")
            found[what, side] = next((i for i, word in enumerate(plain) if re.fullmatch(regex, word)), None)
    for what, pattern in OTHERS.items():
        found[what] = next((i for i, word in enumerate(plain) if re.fullmatch(pattern, word)), None)
    if found["device", "a"] is None or found["device", "b"] is None:
        raise Refusal(f"{path}:{number}: wants columns for both ends, as side_a_device and side_b_device or from and to, got "
                      f"{','.join(plain)}")
    return found


def length_of(text, unit, place):
    found = re.fullmatch(r"([\d.]+)\s*([a-z]*)", text.strip().lower())
    unit = (found[2] if found else "") or unit.strip().lower() or "m"
    if not found or unit not in METRES:
        raise Refusal(f"{place}: no length: '{text} {unit}'")
    return float(found[1]) * METRES[unit]


@dataclass
class Row:
    place: str
    devices: list
    ports: list
    count: int
    gbps: float
    metres: float


def rows_of(path, lines, told):
    columns, rows, planned = None, [], 0
    for number, words in ((number, row) for number, line in enumerate(lines, 1) for row in csv.reader([line])):
        place = f"{path}:{number}"
        if not words or not "".join(words).strip() or words[0].lstrip().startswith("#"):
            continue
        if columns is None:
            columns = columns_of(path, number, [word.lstrip("\ufeff") for word in words])
            width = len(words)
            continue
        if len(words) > width:
            raise Refusal(f"{place}: {len(words)} columns, but the first row has {width}")
        def cell(key):
            return words[columns[key]].strip() if columns[key] is not None and columns[key] < len(words) else ""
        if cell("status").lower() not in ("", "connected", "active"):
            planned += 1
            continue
        devices = [cell(("device", side)) for side in "ab"]
        if not all(devices) or devices[0] == devices[1]:
            raise Refusal(f"{place}: wants two devices, got '{devices[0]}' and '{devices[1]}'")
        count = cell("count") or "1"
        if not count.isdigit() or not 1 <= int(count) <= 4096:
            raise Refusal(f"{place}: no count of cables: '{count}'")
        rows.append(Row(place, devices, [cell(("port", side)) for side in "ab"], int(count),
                        gigabits(cell("rate"), place) if cell("rate") else 0,
                        length_of(cell("length"), cell("unit"), place) if cell("length") else 0))
    if planned:
        told.append(f"left out by their status: {plural(planned, 'cable')}")
    if not rows:
        raise Refusal(f"{path}: no cables")
    return rows


def without_repeats(rows, told):
    """A cable may stand twice, once from each end. A port holds one cable."""
    held, kept, repeated, pairs, parallel = {}, [], [], set(), 0
    for row in rows:
        ends = sorted(zip(row.devices, row.ports))
        before = [held[end] for end in ends if end[1] and end in held]
        if before and all(other == ends for other, _ in before) and all(port for _, port in ends):
            repeated.append(row.place)
            continue
        if before:
            raise Refusal(f"{row.place}: a port that holds another cable: {before[0][1]}")
        held.update({end: (ends, row.place) for end in ends if end[1]})
        parallel += not any(row.ports) and tuple(sorted(row.devices)) in pairs
        pairs.add(tuple(sorted(row.devices)))
        kept.append(row)
    if repeated:
        told.append(f"{plural(len(repeated), 'cable')} listed twice, taken once: {some(repeated)}")
    if parallel:
        told.append(f"{plural(parallel, 'row')} without ports between devices that an earlier row joins: taken as parallel cables")
    return kept


def read_list(path, lines, said):
    wiring = Wiring("list of cables")
    rows = without_repeats(rows_of(path, lines, wiring.told), wiring.told)
    devices = sorted({device for row in rows for device in row.devices}, key=natural)
    patterns = said.switches.split(",") if said.switches else None
    switches = {device for device in devices if (matches(device, patterns) if patterns else SWITCHES.search(device))}
    if not patterns:
        wiring.told.append(f"switches are those whose name says so (leaf, spine, core, ...): {some(switches)}; all others are hosts "
                           "(--switches)")
    wiring.switches = {device: Switch(device) for device in sorted(switches)}
    loose = {}
    for row in sorted(rows, key=lambda row: sorted((natural(device), natural(port)) for device, port in zip(row.devices, row.ports))):
        hosts = [side for side in (0, 1) if row.devices[side] not in switches]
        if len(hosts) == 2:
            raise Refusal(f"{row.place}: a cable between two hosts, {row.devices[0]} and {row.devices[1]} (--switches says what is "
                          "a switch)")
        for _ in range(row.count):
            ends, ports = list(row.devices), tuple(row.ports)
            for side in hosts:
                host, port = row.devices[side], row.ports[side]
                if not port:
                    loose[host] = loose.get(host, 0) + 1
                    port = f"cable {loose[host]}"
                ends[side] = f"{host} {port}"
                wiring.nics[ends[side]] = Nic(host, port)
            wiring.cables.append(Cable(tuple(ends), ports, row.gbps, row.metres))
    if loose:
        wiring.told.append(f"NICs of {plural(len(loose), 'host')} have no names: they are ordered by the switches they go to")
    group_ports(wiring, said.nic_ports)
    return wiring


def group_ports(wiring, each):
    """Interfaces that are ports of one NIC: `each` of them, side by side by name."""
    if each == 1:
        return
    by_host = {}
    for identity in wiring.nics:
        by_host.setdefault(wiring.nics[identity].host, []).append(identity)
    first = {}
    for identities in by_host.values():
        identities.sort(key=lambda identity: natural(wiring.nics[identity].name))
        first.update({identity: identities[i - i % each] for i, identity in enumerate(identities)})
    wiring.nics = {identity: nic for identity, nic in wiring.nics.items() if first[identity] == identity}
    for cable in wiring.cables:
        cable.ends = tuple(first.get(end, end) for end in cable.ends)
