"""Chakra execution traces as operations.

A trace is a file a rank, NAME.RANK.et: protobuf messages (MLCommons Chakra, schema/protobuf/et_def.proto), each behind its length: one of
metadata, then nodes, of which this takes id, name, type, ctrl_deps, data_deps, duration_micros and attributes. A computation takes its duration, or what
its num_ops and tensor_size take on a GPU that is described; a collective has comm_type, comm_size and the name of its group (pg_name), whose ranks are in a file beside
the trace (ASTRA-sim's communicator groups) or in the trace itself (PyTorch's process_group:init). Sizes are as ASTRA-sim takes them: comm_size is what each
rank brings to an all-gather.
"""

import json
import re
import struct

from operations_file import Operations
from wiring import Refusal, plural

METADATA, LOAD, STORE, COMPUTE, SEND, RECEIVE, COLLECTIVE = range(1, 8)
TYPES = {METADATA: "metadata", LOAD: "load", STORE: "store", COMPUTE: "computation", SEND: "send", RECEIVE: "receive",
         COLLECTIVE: "collective", 8: "storage", 9: "batch", 10: "checkpoint"}
# comm_type: what plays it, whether its size is told by what each rank brings, and what that is if it is not the same.
KINDS = {0: ("all_reduce", False, ""), 1: ("reduce_scatter", False, "reduce as a reduce-scatter of its bytes"),
         2: ("all_gather", True, ""), 3: ("all_gather", True, "gather as an all-gather"),
         4: ("all_to_all", False, "scatter as an all-to-all"), 5: ("all_gather", False, "broadcast as an all-gather of its bytes"),
         6: ("all_to_all", False, ""), 7: ("reduce_scatter", False, ""), 8: ("reduce_scatter", False, ""),
         9: ("all_reduce", False, "barrier as an all-reduce of 4 B")}
BARRIER = 9
GPU, CPU = 0, 1  # resources of a rank


class Damaged(Exception):
    """Bytes that are no such message."""


def varint(data, at):
    """A number, and where the next thing begins."""
    value = shift = 0
    while True:
        if at >= len(data) or shift > 63:
            raise Damaged
        byte = data[at]
        at += 1
        value |= (byte & 127) << shift
        if byte < 128:
            return value, at
        shift += 7


def fields(data, at, end):
    """Number and value of the fields of a message: counts, and bytes of what has a length."""
    while at < end:
        key, at = varint(data, at)
        wire = key & 7
        if wire == 0:
            value, at = varint(data, at)
        elif wire == 2:
            size, at = varint(data, at)
            value, at = data[at:at + size], at + size
        elif wire in (1, 5):
            size = 8 if wire == 1 else 4
            value, at = data[at:at + size], at + size
        else:
            raise Damaged
        if at > end:
            raise Damaged
        yield key >> 3, value


def counts(value):
    """A repeated number, packed or one of it."""
    if isinstance(value, int):
        return [value]
    found, at = [], 0
    while at < len(value):
        number, at = varint(value, at)
        found.append(number)
    return found


def signed(value):
    return value - 2**64 if value >= 2**63 else value


ZIGZAG = (15, 17)  # sint32, sint64
FIXED = {19: "<I", 21: "<Q", 23: "<i", 25: "<q", 3: "<d", 5: "<f"}


def attribute(data):
    """Name and value; lists are left out."""
    name, value = "", None
    for number, what in fields(data, 0, len(data)):
        if number == 1:
            name = what.decode()
        elif number in (7, 9, 11, 13, 27):
            value = signed(what)
        elif number in ZIGZAG:
            value = what >> 1 ^ -(what & 1)
        elif number in FIXED:
            value = struct.unpack(FIXED[number], what)[0]
        elif number == 29:
            value = what.decode()
    return name, value


class Node:
    """What is taken of a node."""

    def __init__(self, data):
        self.id = self.type = self.micros = 0
        self.name, self.waits, self.attributes, self.inputs = "", [], {}, b""
        for number, value in fields(data, 0, len(data)):
            if number == 1:
                self.id = value
            elif number == 2:
                self.name = value.decode()
            elif number == 3:
                self.type = value
            elif number in (4, 5):
                self.waits += counts(value)
            elif number == 7:
                self.micros = value
            elif number == 8:
                self.inputs = value
            elif number == 10:
                name, what = attribute(value)
                self.attributes[name] = what

    def get(self, *names):
        return next((self.attributes[name] for name in names if self.attributes.get(name) is not None), None)


def nodes_of(path):
    """All nodes of a file, by their numbers."""
    data = path.read_bytes()
    at, found = 0, []
    try:
        while at < len(data):
            size, at = varint(data, at)
            if at + size > len(data):
                raise Damaged
            found.append((at, size))
            at += size
        nodes = [Node(data[at:at + size]) for at, size in found[1:]]
    except (Damaged, UnicodeDecodeError, struct.error, TypeError, AttributeError) as error:
        raise Refusal(f"{path}: byte {at} of {len(data)} is no Chakra trace that can be read") from error
    return sorted(nodes, key=lambda node: node.id)


def is_chakra(path):
    return path.suffix == ".et" or path.is_dir() and any(path.glob("*.et"))


def files_of(path):
    """The trace of each rank, of all that belong to the one that is named."""
    folder, stem = (path, None) if path.is_dir() else (path.parent, re.sub(r"\.?\d+\.et$", "", path.name))
    found = {}
    for file in folder.glob("*.et"):
        part = re.fullmatch(r"(.*?)\.?(\d+)\.et", file.name)
        if part and stem in (None, part[1]):
            if int(part[2]) in found:
                raise Refusal(f"{folder} has traces of several runs: name one file of the one that is meant")
            found[int(part[2])] = file
    if len(found) < 2:
        raise Refusal(f"{path}: wanted a trace a rank, NAME.0.et, NAME.1.et, ..., of two ranks or more")
    for rank in range(len(found)):
        if rank not in found:
            raise Refusal(f"{folder} has no trace of rank {rank}, but of {max(found)}")
    return [found[rank] for rank in range(len(found))]


def named_groups(said):
    if not said.groups:
        return {}
    try:
        groups = json.loads(said.groups.read_text())
        return {str(name): [int(rank) for rank in ranks] for name, ranks in groups.items()}
    except (OSError, ValueError, TypeError, AttributeError) as error:
        raise Refusal(f"{said.groups}: wanted ranks of groups, as {{\"1\": [0, 1]}}: {error}") from error


def groups_of_trace(nodes):
    """What PyTorch writes of its process groups; no ranks: all."""
    for node in nodes:
        if "process_group:init" in node.name:
            values = next((value.decode() for number, value in fields(node.inputs, 0, len(node.inputs)) if number == 1), "[]")
            try:
                said = json.loads(values)
                said = json.loads(said[0]) if said and isinstance(said[0], str) else said
                return {str(group["pg_name"]): group.get("ranks") or [] for group in said}
            except (ValueError, KeyError, TypeError):
                return {}
    return {}


class Trace:
    """Traces of all ranks on their way to operations."""

    def __init__(self, files, said):
        self.said, self.files = said, files
        self.operations = Operations(len(files))
        self.groups, self.tags, self.counted, self.odd = named_groups(said), {}, {}, set()

    def ranks_of(self, path, node, own):
        """Members of a collective's group, and the tag that tells it from others of the same ranks."""
        name = node.get("pg_name", "comm_group", "process_group")
        name = "" if name is None else str(name)
        if name not in self.tags:
            self.tags[name] = len(self.tags)
        ranks = self.groups.get(name, own.get(name))
        if ranks is None and name in ("", "0", "default_pg"):
            ranks = []
        if ranks is None:
            raise Refusal(f"{path}: node {node.id} ({node.name[:40]}) is of group '{name}': say its ranks with --groups")
        return list(ranks) or list(range(self.operations.nranks)), self.tags[name]

    def time_ps(self, path, node):
        """Of a computation: its duration, or what its operations and bytes take."""
        work, size = node.get("num_ops") or 0, node.get("tensor_size") or 0
        if node.micros or node.type != COMPUTE or not work:
            return node.micros * 10**6
        if not self.said.flops:
            raise Refusal(f"{path}: node {node.id} ({node.name[:40]}) has num_ops {work} and no duration: say with --flops what a GPU does a second")
        seconds = work / self.said.flops
        if self.said.memory:
            seconds = max(seconds, size / self.said.memory)
        return round(seconds * 1e12)

    def need(self, path, node, name):
        value = node.get(name)
        if value is None:
            raise Refusal(f"{path}: node {node.id} ({TYPES[node.type]} {node.name[:40]}) has no attribute {name}")
        return int(value)

    def add(self, path, rank, node, own):
        operations = self.operations
        if node.type in (SEND, RECEIVE):
            other = self.need(path, node, "comm_dst" if node.type == SEND else "comm_src")
            if not 0 <= other < operations.nranks or other == rank:
                raise Refusal(f"{path}: node {node.id} is a message between rank {rank} and rank {other}, of {operations.nranks}")
            size, tag = self.need(path, node, "comm_size"), int(node.get("comm_tag") or 0)
            return (operations.send if node.type == SEND else operations.receive)(rank, other, tag, size)
        if node.type == COLLECTIVE:
            code = self.need(path, node, "comm_type")
            if code not in KINDS:
                raise Refusal(f"{path}: node {node.id} has comm_type {code}, which is none of 0 to {max(KINDS)}")
            kind, each, odd = KINDS[code]
            ranks, tag = self.ranks_of(path, node, own)
            size = 4 if code == BARRIER else self.need(path, node, "comm_size")
            if odd:
                self.odd.add(odd)
            return operations.collective(rank, kind, ranks, tag, size * (len(ranks) if each else 1))
        if node.type not in TYPES:
            raise Refusal(f"{path}: node {node.id} is of type {node.type}, which is unknown")
        cpu = node.get("is_cpu_op") and node.type == COMPUTE
        return operations.compute(rank, self.time_ps(path, node), (CPU if cpu else GPU) if node.type == COMPUTE else None)

    def read(self, rank, path):
        nodes = nodes_of(path)
        own, number, before = groups_of_trace(nodes), {}, {}
        for node in nodes:
            if node.id in number:
                raise Refusal(f"{path}: node {node.id} is there twice")
            number[node.id] = self.add(path, rank, node, own)
            self.counted[node.type] = self.counted.get(node.type, 0) + 1
            if node.type == COLLECTIVE:  # those of a communicator follow each other
                tag = self.ranks_of(path, node, own)[1]
                if tag in before:
                    self.operations.after(rank, number[node.id], before[tag])
                before[tag] = number[node.id]
        for node in nodes:
            for on in node.waits:
                if on not in number:
                    raise Refusal(f"{path}: node {node.id} ({node.name[:40]}) depends on {on}, which is not there")
                self.operations.after(rank, number[node.id], number[on])


def read_chakra(path, said):
    """The operations of a trace, and what was assumed."""
    trace = Trace(files_of(path), said)
    for rank, file in enumerate(trace.files):
        trace.read(rank, file)
    counted = ", ".join(plural(n, TYPES[kind]) for kind, n in sorted(trace.counted.items()))
    told = [f"traces of {len(trace.files)} ranks: {counted}",
            "computations of a rank on its GPU are done one at a time, and so are those of its CPU; collectives of a communicator in the order of their nodes "
            "(ASTRA-sim has one message or collective of a rank at a time)",
            f"messages above {said.eager} wait for their receives; all start {said.latency} and the latency of their path later"]
    if said.flops:
        told.append(f"computations without a duration: num_ops at {said.flops:.4g} a second" + (f", tensor_size at {said.memory:.4g} B/s" if said.memory else ""))
    if idle := [TYPES[kind] for kind in (LOAD, STORE, 8, 9, 10) if kind in trace.counted]:
        told.append(f"{', '.join(idle)}: their durations alone, beside all else")
    return trace.operations, [*told, *sorted(trace.odd)]
