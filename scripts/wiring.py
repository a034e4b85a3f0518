"""wiring.py: who is cabled to whom, as the readers of scripts/import (wiring_read.py, wiring_slurm.py) find it in a text, and what
they share.

Idea.    Each reader makes a Wiring: switches, NICs of hosts, cables between them. Nothing is decided there that the text does not
         say, but for what a kind of text never says; that is told (Wiring.told). Orders of lines decide nothing.
"""

import re
from dataclasses import dataclass, field
from fnmatch import fnmatchcase


class Refusal(Exception):
    """A text that is not understood, with its place; or one that cannot be a machine."""


@dataclass
class Switch:
    name: str
    model: str = ""
    ports: int = 0  # 0: not known


@dataclass
class Nic:
    host: str
    name: str


@dataclass
class Cable:
    ends: tuple            # two ids, of Wiring.switches or Wiring.nics
    ports: tuple = ("", "")
    gbps: float = 0        # 0: not known
    metres: float = 0      # 0: not known
    missing: bool = False  # of a tree that has it no more


@dataclass
class Wiring:
    kind: str
    switches: dict = field(default_factory=dict)
    nics: dict = field(default_factory=dict)
    cables: list = field(default_factory=list)
    told: list = field(default_factory=list)


def natural(text):
    """Key that puts node9 before node10."""
    return [(0, int(word), word) if word.isdigit() else (1, 0, word) for word in re.findall(r"\d+|\D+", text)]


def some(names, most=4):
    """A few of them in words."""
    names = sorted(names, key=natural)
    return ", ".join(names[:most]) + (f" and {len(names) - most} more" if len(names) > most else "")


def plural(count, word):
    return f"{count:,} {word}{'' if count == 1 else 'es' if word.endswith('ch') else 's'}"


def matches(name, patterns):
    return any(fnmatchcase(name, pattern) for pattern in patterns)


def lines_of(path):
    try:
        return path.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError as error:
        raise Refusal(f"{path}: {error.strerror}") from error


def levels_from(lowest, neighbours):
    """Distance of each to the nearest of the lowest, which have 1."""
    level, edge = dict.fromkeys(lowest, 1), list(lowest)
    while edge:
        edge = [other for one in edge for other in sorted(neighbours[one], key=natural)
                if other not in level and not level.update({other: level[one] + 1})]
    return level


def joined(neighbours):
    """Sets of what hangs together, in the order of the first of each."""
    seen, parts = set(), []
    for first in neighbours:
        if first in seen:
            continue
        part, edge = {first}, [first]
        while edge:
            edge = [other for one in edge for other in neighbours[one] if other not in part and not part.add(other)]
        seen |= part
        parts.append(part)
    return parts


def numbers(text, option):
    found = [word for word in (text or "").split(",") if word]
    if any(not word.isdigit() or int(word) < 1 for word in found):
        raise Refusal(f"{option} wants counts, as 1,2: '{text}'")
    return [int(word) for word in found]


def at_tier(values, tier, default):
    """The last one holds for the tiers above it."""
    return values[min(tier, len(values)) - 1] if values else default


def gigabits(text, place):
    """400G, 400 Gb/s, 1.6Tbps."""
    found = re.fullmatch(r"([\d.]+)\s*([GT])(?:b/s|bps|bit/s|b|bE|igE)?", text.strip())
    if not found or float(found[1]) <= 0:
        raise Refusal(f"{place}: no rate: '{text}' (as 400G or 400 Gb/s)")
    return float(found[1]) * (1000 if found[2] == "T" else 1)
