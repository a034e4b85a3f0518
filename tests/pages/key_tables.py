#!/usr/bin/python3
"""key_tables.py MPIEXEC COLOSSIM [--write]: tables of keys on pages are what the program takes.

Law: below each mark `<!-- keys: KIND... [PREFIX] -->` a table has the columns key, takes, default and meaning. A row may name several keys
that take the same, and `*` stands for any of a place; all kinds of the mark have its keys. What a key takes, and its default, is what
`colossim keys KIND` says, and every key that holds a value has one row for each kind. --write fills in what the program says.
"""

import functools
import re
import subprocess
import sys

from markdown import ROOT, all_pages

KINDS = ("topology", "training", "traffic", "model", "gpu", "nic", "switch", "scale_up")


@functools.lru_cache(None)
def keys(colossim, kind):
    """{key: (takes, default)} as `colossim keys KIND` says."""
    said = subprocess.run([colossim, "keys", kind], capture_output=True, text=True, check=True).stdout
    return {key: (takes, default) for key, takes, default in re.findall(r"^\| `([^`]+)` \| (.*?) \| (.*?) \| ", said, re.M)}


def every_key(colossim):
    return sorted({key for kind in KINDS for key in keys(colossim, kind)})


def holds_value(takes):
    return not takes.startswith("keys of ")


def meant(colossim, kind, name):
    """Keys that a name of a table stands for."""
    pattern = re.escape(name).replace(r"\*", r"[^.\[]+")
    return [key for key in keys(colossim, kind) if re.fullmatch(pattern, key)]


def shared(values):
    """What all have, or each in its place."""
    return values[0] if len(set(values)) == 1 else ", ".join(values)


class Table:
    """One table of a page: kinds, and where its rows stand."""

    def __init__(self, page, first, words):
        self.page, self.first = page, first
        self.kinds = [word for word in words if word in KINDS]
        self.prefix = next((word for word in words if word not in KINDS), "")

    def row(self, colossim, line, seen):
        """The line as it should be; keys it names are added to `seen`. Complaints are raised."""
        cells = re.split(r"(?<!\\)\|", line)
        names = re.findall(r"`([^`]+)`", cells[1])
        said = []
        for kind in self.kinds:
            found = [[self.prefix + name, meant(colossim, kind, self.prefix + name)] for name in names]
            for name, stand in found:
                if not stand:
                    raise ValueError(f"{kind} has no key {name}")
                for key in stand:
                    if (kind, key) in seen:
                        raise ValueError(f"{key} of {kind} has two rows")
                    seen.add((kind, key))
            # Of a `*` all are alike, or the row says in words what they take.
            groups = [[keys(colossim, kind)[key] for key in stand] for _, stand in found]
            if any(len(set(group)) > 1 for group in groups):
                return line
            said.append([group[0] for group in groups])
        takes = {value[0] for values in said for value in values}
        if len(takes) > 1:
            raise ValueError(f"keys of one row take different things: {takes}")
        defaults = [shared([value[1] for value in values]) for values in said]
        default = defaults[0] if len(set(defaults)) == 1 else ", ".join(f"{kind}: {what}" for kind, what in zip(self.kinds, defaults))
        cells[2:4] = [f" {takes.pop()} ", f" {default} "]
        return "|".join(cells)


def tables(page):
    lines = (ROOT / page).read_text().splitlines()
    return lines, [Table(page, i + 3, mark.group(1).split()) for i, line in enumerate(lines)
                   if (mark := re.fullmatch(r"<!-- keys: (.*) -->", line))]


def main():
    colossim, write = sys.argv[2], "--write" in sys.argv
    wrong, seen = [], set()
    for page in all_pages():
        lines, found = tables(page)
        for table in found:
            for i in range(table.first, len(lines)):
                if not lines[i].startswith("|"):
                    break
                try:
                    right = table.row(colossim, lines[i], seen)
                except ValueError as error:
                    wrong.append(f"{page}:{i + 1}: {error}")
                    continue
                if right != lines[i] and not write:
                    wrong.append(f"{page}:{i + 1}:\n{lines[i][:200]}\nshould be\n{right[:200]}")
                lines[i] = right
        if write and found:
            (ROOT / page).write_text("\n".join(lines) + "\n")
    for kind in KINDS:
        wrong += [f"{key} of {kind} has no row on any page" for key, (takes, _) in keys(colossim, kind).items()
                  if holds_value(takes) and (kind, key) not in seen]
    if wrong:
        sys.exit("FAILED:\n" + "\n".join(wrong))
    print(f"{len(seen)} keys are on the pages as the program takes them")


if __name__ == "__main__":
    main()
