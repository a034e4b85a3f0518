"""A GOAL schedule as operations.

A GOAL text is `num_ranks N`, and for each rank `rank R { ... }` with one operation or dependency a line: `calc T`, `send Sb to R tag T`,
`recv Sb from R tag T`, with `cpu C` and `nic N`, a label before any, and `A requires B` (A begins when B has ended) or `A irequires B` (when B has
begun); // and /* */ are comments (Hoefler, Siebert, Lumsdaine, ICPP 2009; LogGOPSim's txt2bin). LogGOPSim's o becomes a computation on the cpu before
each send and behind each receive.
"""

import re

from operations_file import Operations
from wiring import Refusal

OPERATION = re.compile(r"(?:([A-Za-z]\w*)\s*:\s*)?(calc|send|recv)\s+(\d+)(?:(b)\s+(to|from)\s+(-?\d+))?\s*"
                       r"(?:tag\s+(-?\d+))?\s*(?:cpu\s+(\d+))?\s*(?:nic\s+(\d+))?$")
WAIT = re.compile(r"([A-Za-z]\w*)\s+(i?requires)\s+([A-Za-z]\w*)$")
BLOCK = re.compile(r"rank\s+(\d+)\s*\{$")


def is_goal(text):
    """Does a text begin as a schedule does?"""
    return re.match(r"\s*num_ranks\b", re.sub(r"/\*.*?\*/|//[^\n]*", " ", text[:100_000], flags=re.S)) is not None


def lines_of(text):
    """Number and content of lines without comments, brackets on lines of their own as far as they end a block."""
    text = re.sub(r"/\*.*?\*/", lambda found: "\n" * found[0].count("\n"), text, flags=re.S)
    for number, line in enumerate(text.split("\n"), 1):
        line = line.split("//")[0].strip()
        while line.startswith("}"):
            yield number, "}"
            line = line[1:].strip()
        if line.endswith("}"):
            yield number, line[:-1].strip()
            line = "}"
        if line:
            yield number, line


class Rank:
    """One block: what stands for an operation is one row, or two with an overhead; waits go to the first, and from the last."""

    def __init__(self, operations, number, said, place):
        self.operations, self.number, self.said, self.place = operations, number, said, place
        self.labels, self.waits = {}, []

    def refuse(self, line, text):
        raise Refusal(f"{self.place}:{line}: {text}")

    def add(self, line, found):
        label, what, size, byte, word, other, tag, cpu, _ = found.groups()
        operations, rank, overhead = self.operations, self.number, self.said.overhead_ps
        cpu = int(cpu or 0)
        if (what == "calc") != (byte is None) or word not in (None, "to" if what == "send" else "from"):
            self.refuse(line, f"{what} wants {'a time' if what == 'calc' else 'bytes and the other rank'}, as '{EXAMPLES[what]}'")
        if what == "calc":
            first = last = operations.compute(rank, int(size) * self.said.calc_ps, cpu)
        else:
            self.check_ends(line, int(other), int(tag or 0))
            if what == "send":
                first = last = operations.compute(rank, overhead, cpu) if overhead else None
                last = operations.send(rank, int(other), int(tag or 0), int(size))
                first = last if first is None else first
            else:
                first = last = operations.receive(rank, int(other), int(tag or 0), int(size))
                last = operations.compute(rank, overhead, cpu) if overhead else last
            if first != last:
                operations.after(rank, last, first)
        if label in self.labels:
            self.refuse(line, f"label {label} is there twice")
        if label:
            self.labels[label] = first, last

    def check_ends(self, line, other, tag):
        if other < 0 or tag < 0:
            self.refuse(line, "receives from anybody or with any tag (-1) cannot be matched before they are played: name them")
        if other >= self.operations.nranks or other == self.number:
            self.refuse(line, f"rank {other} is {'itself' if other == self.number else f'none of {self.operations.nranks}'}")

    def close(self):
        for line, of, word, on in self.waits:
            for label in (of, on):
                if label not in self.labels:
                    self.refuse(line, f"label {label} is not there")
            begun = word == "irequires"
            self.operations.after(self.number, self.labels[of][0], self.labels[on][0 if begun else 1], begun)


EXAMPLES = {"calc": "calc 1000", "send": "send 8b to 1 tag 0", "recv": "recv 8b from 0 tag 0"}


def read_goal(path, text, said):
    """The operations of a schedule, and what was assumed."""
    operations, rank, seen = None, None, set()
    for line, content in lines_of(text):
        if operations is None:
            found = re.fullmatch(r"num_ranks\s+(\d+)", content)
            if not found or int(found[1]) < 2:
                raise Refusal(f"{path}:{line}: a schedule begins with num_ranks and two or more")
            operations = Operations(int(found[1]))
        elif rank is None:
            found = BLOCK.match(content)
            if not found or int(found[1]) >= operations.nranks or int(found[1]) in seen:
                raise Refusal(f"{path}:{line}: wanted 'rank R {{', each of {operations.nranks} once, got '{content[:40]}'")
            rank = Rank(operations, int(found[1]), said, path)
            seen.add(int(found[1]))
        elif content == "}":
            rank.close()
            rank = None
        elif found := OPERATION.match(content):
            rank.add(line, found)
        elif found := WAIT.match(content):
            rank.waits.append((line, *found.groups()))
        else:
            raise Refusal(f"{path}:{line}: wanted an operation, as '{EXAMPLES['send']}', or 'A requires B', got '{content[:40]}'")
    if operations is None or rank is not None:
        raise Refusal(f"{path}: the text ends {'before it begins' if operations is None else f'within rank {rank.number}'}")
    told = [f"a schedule of {operations.nranks} ranks: {operations.count('compute')} computations, {operations.count('send')} messages",
            f"calc counts {said.calc} each", f"a send or receive takes {said.overhead} of its cpu (LogGOPSim's o)",
            f"larger messages than {said.eager} wait for their receives (S)",
            f"a message starts {said.latency} and the latency of its path after its send (L); links carry it by their rate (G), shared with others; g and O are not modelled"]
    return operations, told
