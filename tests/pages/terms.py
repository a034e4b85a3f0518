#!/usr/bin/python3
"""terms.py MPIEXEC COLOSSIM: the words that a user meets are explained.

Laws. output/reading.md has every word of the table of a run: of training, traffic, collectives and packets. output/glossary.md has these, too, and
causes and parts of scripts/explain, headings of tables of scripts/report, words of the trace (parts of a step, kinds of operations and
collectives, traffic), and words that keys of networks and schedules take.
"""

import os
import re
import subprocess
import sys
import tempfile

import h5py

from key_tables import keys
from markdown import ROOT

RUNS = (("laptop-16", "ddp-small", "--set", "noise=on", "--set", "trace.explain=on"), ("laptop-16", "traffic-permutation"), ("laptop-16", "traffic-all-reduce"),
        ("laptop-16", "traffic-incast", "--set", "engine=packet"))
# Headings of the report that everybody knows.
PLAIN = {"GPU", "node", "links", "link", "rate", "bytes", "from rank", "to rank", "took", "how many", "longest", "in all", "a GPU", "mostly", "waits"}
KEYS_OF_WORDS = ("fabric.kind", "fabric.wiring", "fabric.routing", "network.dp_algorithm", "network.protocol", "parallel.schedule", "packet.control", "engine.kind")


def first_cells(page):
    """What the tables of a page explain."""
    return "\n".join(line.split("|")[1] for line in (ROOT / page).read_text().splitlines() if line.startswith("|"))


def words_of_runs(colossim, folder):
    """Columns and labels of the tables, parts among them; and what the traces have words for."""
    table, trace = {"step", "tok/s/GPU", "MFU", "MFU caus.", "fingerprint"}, set()
    for i, run in enumerate(RUNS):
        done = subprocess.run([colossim, "run", *run, "--output", f"{folder}/{i}.h5"], capture_output=True, text=True, env={**os.environ, "COLOSSIM_SHARE": str(ROOT)})
        if done.returncode != 0:
            sys.exit(f"FAILED: {run}: {done.stderr}")
        for line in done.stdout.splitlines():
            if line.startswith("  tier  "):
                table |= set(re.split(r"\s{2,}", line.strip()))
        table |= set(re.findall(r"hottest|goodput|completion|algorithm bandwidth|bus bandwidth|step interval|slowest step|site|sent again|acknowledgements", done.stdout))
        with h5py.File(f"{folder}/{i}.h5") as file:
            trace |= {name.removesuffix("_ps") for name in file["gpus"] if name.endswith("_ps") and name != "duration_ps"} if "tp" in file["gpus"] else set()
            file.visititems(lambda _, item: trace.update(str(item.attrs.get("flag_meanings", "")).split()))
    return table, trace - {"up", "down"}


def words_of_scripts():
    causes = re.findall(r'Cause\("([^"]+)"', (ROOT / "scripts/explain_causes.py").read_text())
    heads = [head for row in re.findall(r"table\(\w+, \[([^\]]*)\]", (ROOT / "scripts/report_page/page.js").read_text()) for head in re.findall(r'"([^"]+)"', row)]
    if len(causes) < 20 or len(heads) < 20:
        sys.exit(f"FAILED: causes {causes}, headings {heads}")
    return set(causes) | set(heads) - PLAIN


def words_of_keys(colossim):
    known = {**keys(colossim, "topology"), **keys(colossim, "training")}
    return {word for key in KEYS_OF_WORDS for word in re.findall(r"`([^`]+)`", known[key][0])} - {"auto", "none"}


def main():
    colossim = sys.argv[2]
    reading, glossary = first_cells("output/reading.md"), first_cells("output/glossary.md")
    with tempfile.TemporaryDirectory() as folder:
        table, trace = words_of_runs(colossim, folder)
    wrong = [f"output/reading.md has no '{word}'" for word in sorted(table) if not has(reading, word)]
    every = table | trace | words_of_scripts() | words_of_keys(colossim)
    wrong += [f"output/glossary.md has no '{word}'" for word in sorted(every) if not has(glossary, word)]
    if wrong or len(table) < 20 or len(trace) < 25:
        sys.exit("FAILED:\n" + "\n".join(wrong) + f"\n{len(table)} words of tables, {len(trace)} of traces")
    print(f"{len(every)} words are explained")


def has(text, word):
    return re.search(rf"(?<![\w]){re.escape(word)}(?![\w])", text) is not None


main()
