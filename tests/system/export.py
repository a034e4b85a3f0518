#!/usr/bin/python3
"""export.py MPIEXEC COLOSSIM CASE: scripts/export.

Laws. `perfetto`: the file keeps to the Trace Event format as Perfetto reads it: names of processes and threads first, then
events by time; slices of a thread nest, with whole nanoseconds; each arrow goes from inside a slice to inside another, forward in
time; what begins asynchronously ends. It holds what /timeline holds, so long as each operation takes, and as many arrows as
there are messages between chosen GPUs and waits with a cause; repeated steps are there again, later. `tables`: CSV and
Parquet hold what the trace holds, value for value, words for flags and nothing for no value; other readers of Parquet
(pyarrow, DuckDB) are asked where they are installed. `refused`: what is not there is said in one line. `whole`: what explain,
export, report and draw cannot read or write is one line and an exit code; files are written whole or not at all, and never over
the trace.
"""

import csv
import importlib.util
import json
import math
import resource
import signal
import subprocess
import sys

import h5py
import numpy as np

import parquet_reader
from emulator import JOBS, ROOT, TOPOLOGIES, claim, run_case
from timeline import write_strips

PHASES = {"M": {"name", "cat", "pid", "tid", "ts", "args"}, "X": {"name", "cat", "pid", "tid", "ts", "dur", "args"},
          "s": {"name", "cat", "id", "pid", "tid", "ts"}, "f": {"name", "cat", "id", "pid", "tid", "ts", "bp"},
          "b": {"name", "cat", "id", "pid", "tid", "ts", "args"}, "e": {"name", "cat", "id", "pid", "tid", "ts"},
          "C": {"name", "cat", "pid", "tid", "ts", "args"}}


def export(*arguments, good=True):
    done = subprocess.run([sys.executable, "-B", ROOT / "scripts" / "export", *map(str, arguments)], capture_output=True, text=True)
    claim((done.returncode == 0) == good, f"export {arguments}: {done.returncode}\n{done.stderr}")
    return done


def nanoseconds(event, name="ts"):
    value = event[name] * 1000
    claim(value >= 0 and abs(value - round(value)) < 1e-3, f"{name} of {event['name']} is whole nanoseconds: {event[name]}")
    return round(value)


def claim_fields(events):
    named, before, begun = {"process": set(), "thread": set()}, -1, False
    for event in events:
        claim(event.get("ph") in PHASES and set(event) - {"ph"} == PHASES[event["ph"]], f"fields of {event}")
        claim(all(type(event[name]) is int for name in ("pid", "tid")), f"numbers of {event}")
        if event["ph"] == "M":
            claim(not begun, "metadata comes first")
            what, _, kind = event["name"].partition("_")
            claim(what in named and kind in ("name", "sort_index"), event["name"])
            if kind == "name":
                named[what].add((event["pid"], event["tid"]) if what == "thread" else event["pid"])
            continue
        begun = True
        claim(nanoseconds(event) >= before, "events are ordered by time")
        before = nanoseconds(event)
        claim(event["pid"] in named["process"], f"process {event['pid']} has a name")
        claim(event["ph"] in "Cbe" or (event["pid"], event["tid"]) in named["thread"], f"thread of {event} has a name")


def slices(events):
    """{(pid, tid): [(begin, end, event)]} in nanoseconds, which must not overlap."""
    found = {}
    for event in events:
        if event["ph"] == "X":
            begin = nanoseconds(event)
            found.setdefault((event["pid"], event["tid"]), []).append((begin, begin + nanoseconds(event, "dur"), event))
    for thread, ones in found.items():
        claim(all(a[1] <= b[0] for a, b in zip(ones, ones[1:])), f"slices of {thread} do not overlap")
    return found


def claim_arrows(events, threads):
    """Returns how many go by each name."""
    def is_inside(event):
        begins = starts[event["pid"], event["tid"]]
        at = np.searchsorted(begins, nanoseconds(event), side="right") - 1
        one = threads[event["pid"], event["tid"]][at]
        return at >= 0 and one[0] <= nanoseconds(event) < one[1] or one[0] == one[1] == nanoseconds(event)

    starts = {thread: [one[0] for one in ones] for thread, ones in threads.items()}
    open_ones, counts = {}, {}
    for event in events:
        if event["ph"] == "s":
            claim(event["id"] not in open_ones, "an arrow begins once")
            open_ones[event["id"]] = event
        elif event["ph"] == "f":
            begin = open_ones.pop(event["id"], None)
            claim(begin and begin["name"] == event["name"] and event["bp"] == "e", f"an arrow that began ends: {event}")
            claim(begin["ts"] <= event["ts"] and is_inside(begin) and is_inside(event), f"from slice to slice: {begin} {event}")
            counts[event["name"]] = counts.get(event["name"], 0) + 1
    claim(not open_ones, "all arrows end")
    return counts


def claim_asynchronous(events):
    open_ones = {}
    for event in events:
        key = event.get("cat"), event.get("id"), event.get("pid")
        if event["ph"] == "b":
            claim(key not in open_ones, f"begins once: {event}")
            open_ones[key] = event
        elif event["ph"] == "e":
            claim(open_ones.pop(key)["name"] == event["name"], f"ends as what began: {event}")
    claim(not open_ones, "what begins ends")


def claim_format(path):
    """The events of a file that keeps to the format, and its arrows."""
    with open(path, encoding="utf-8") as file:
        whole = json.load(file, parse_constant=lambda word: sys.exit(f"FAILED: {word} is no JSON"))
    claim(set(whole) == {"displayTimeUnit", "otherData", "traceEvents"} and whole["displayTimeUnit"] == "ns", "the frame")
    events = whole["traceEvents"]
    claim_fields(events)
    threads = slices(events)
    claim_asynchronous(events)
    return events, threads, claim_arrows(events, threads)


def claim_content(trace, events, threads, counts):
    with h5py.File(trace) as file:
        rows = {name: file[f"timeline/{name}"][()] for name in ("start_ps", "begun_ps", "end_ps", "gpu", "peer", "kind", "awaited")}
        kinds = file["timeline/kind"].attrs["flag_meanings"].split()
        steps = len(file["steps/duration_ps"])
    long = rows["end_ps"] > rows["begun_ps"]
    drawn = [event for event in events if event["ph"] == "X" and event["cat"] != "step"]
    claim(len(drawn) == long.sum(), f"each operation is drawn: {len(drawn)} of {long.sum()}")
    claim(sum(event["args"]["end_ps"] - event["args"]["start_ps"] for event in drawn) ==
          int((rows["end_ps"] - rows["begun_ps"]).sum()), "as long as it takes")
    claim(sum(event["ph"] == "X" for event in events) - len(drawn) == steps, "and each step")
    sends = (rows["kind"] == kinds.index("send")) & np.isin(rows["peer"], rows["gpu"]) & long
    claim(counts.get("message", 0) == sends.sum() > 0, f"messages: {counts}, {sends.sum()}")
    causes = (rows["kind"] == kinds.index("wait")) & (rows["awaited"] >= 0) & long & long[rows["awaited"]]
    claim(0.95 * causes.sum() <= counts.get("cause", 0) <= causes.sum() and causes.sum() > 0, f"causes: {counts}, {causes.sum()}")


def perfetto(emulator):
    strips = write_strips(emulator)
    trace = emulator.trace(*strips, noise="on", parallel__schedule="interleaved", parallel__chunks=2)
    out = emulator.folder / "run.json"
    export(trace, "--perfetto", out, "--steps", "all")
    claim_content(trace, *claim_format(out))
    # Steps that come again, no timeline, and traffic.
    laptop = TOPOLOGIES / "laptop-16.yaml"
    trace = emulator.trace(laptop, JOBS / "ddp-small.yaml", noise="off", trace__timeline="[3]")
    export(trace, "--perfetto", out, "--steps", "1-2")
    _, threads, _ = claim_format(out)
    ones = next(ones for (pid, tid), ones in threads.items() if pid >= 10 and tid == 1)
    half = len(ones) // 2
    later = {b[0] - a[0] for a, b in zip(ones[:half], ones[half:])}
    claim(len(ones) == 2 * half and max(later) - min(later) <= 1, f"two equal steps, one later: {later}")
    for job in "traffic-permutation", "moe-small":
        export(emulator.trace(laptop, JOBS / f"{job}.yaml", "--steps", 1, name=job), "--perfetto", out)
        events, _, counts = claim_format(out)
        claim(not counts and any(event["ph"] == "b" for event in events), f"{job}: flows or collectives, no operations")


def as_written(value):
    """What CSV says of a value."""
    return "" if value is None else str(value)


def claim_tables(trace, folder, names):
    with h5py.File(trace) as file:
        for name, (group, axis) in names.items():
            with open(folder / f"{name}.csv", newline="", encoding="utf-8") as text:
                lines = list(csv.reader(text))
            columns, words = parquet_reader.read(folder / f"{name}.parquet")
            claim(list(columns) == lines[0] and "title" in words, f"{name}: columns of both")
            for i, column in enumerate(columns):
                found = [line[i] for line in lines[1:]]
                claim(found == [as_written(value) for value in columns[column]], f"{name}.{column}: CSV and Parquet say the same")
            for column in (column for column in columns if column in file[group] and column not in ("step", axis)):
                claim_column(file[f"{group}/{column}"], columns[column], f"{name}.{column}")


def claim_column(data, found, where):
    expected = data[()]
    if "flag_meanings" in data.attrs:
        words = data.attrs["flag_meanings"].split()
        claim(found == [words[i] if i >= 0 else None for i in expected], f"{where}: words")
        return
    none = data.attrs.get("_FillValue", -1)
    same = all((a is None and (b == none or math.isnan(b))) or a == b for a, b in zip(found, expected.tolist()))
    claim(same and len(found) == len(expected), f"{where}: values of the trace")


def claim_by_others(folder, rows):
    if importlib.util.find_spec("pyarrow"):
        import pyarrow.parquet
        table = pyarrow.parquet.read_table(folder / "operations.parquet")
        claim(table.num_rows == rows, "pyarrow reads it")


def tables(emulator):
    trace = emulator.trace(*write_strips(emulator), noise="on")
    out = emulator.folder / "tables"
    export(trace, "--csv", out, "--parquet", out)
    claim_tables(trace, out, {"steps": ("steps", "step"), "collectives": ("collectives", "collective"),
                              "operations": ("timeline", "operation")})
    claim_by_others(out, len(h5py.File(trace)["timeline/gpu"]))
    sizes = {path.stem: path.stat().st_size for path in out.glob("*.parquet")}
    claim({"tiers", "intervals", "hot_links", "chosen_links", "chosen_in_time"} <= set(sizes) and "gpus" not in sizes, f"tables: {sorted(sizes)}")
    export(trace, "--parquet", out, "--tables", "gpus,links", "--steps", "1")
    columns, _ = parquet_reader.read(out / "links.parquet")
    with h5py.File(trace) as file:
        claim(columns["link_bytes"] == file["links/link_bytes"][1].tolist() and set(columns["step"]) == {1}, "links of a step")
    trace = emulator.trace(TOPOLOGIES / "laptop-16.yaml", JOBS / "traffic-permutation.yaml", name="traffic")
    export(trace, "--csv", out, "--parquet", out)
    claim_tables(trace, out, {"steps": ("steps", "step"), "flows": ("flows", "flow")})


def scripted(name, *arguments, code, words):
    """A script that fails says why in one line."""
    done = subprocess.run([sys.executable, "-B", ROOT / "scripts" / name, *map(str, arguments)], capture_output=True, text=True)
    claim(done.returncode == code and done.stderr.count("\n") == 1 and words in done.stderr,
          f"{name} {arguments}: {done.returncode}, wanted {code} and '{words}'\n{done.stderr}")


def whole(emulator):
    trace = emulator.trace(TOPOLOGIES / "laptop-16.yaml", JOBS / "ddp-small.yaml", name="whole", steps=1)
    data = trace.read_bytes()
    scripted("export", trace, "--perfetto", trace, code=2, words="is what is read")
    scripted("report", trace, "-o", trace, code=2, words="is what is read")
    claim(trace.read_bytes() == data, "a trace is not written over")
    pages = emulator.folder / "pages"
    pages.mkdir()
    page = pages / "page.html"
    page.write_text("before")
    allowed = resource.getrlimit(resource.RLIMIT_FSIZE)
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)  # as a full disk: what is longer cannot be written
    resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 16, allowed[1]))
    scripted("report", trace, "-o", page, "--program", "/nowhere", code=3, words=f"{page}: File too large")
    resource.setrlimit(resource.RLIMIT_FSIZE, allowed)
    claim(page.read_text() == "before" and list(pages.iterdir()) == [page], "what was there stays, and nothing beside it")
    for code, words, damage in ((2, "schema 1", lambda file: file.attrs.modify("schema_version", 1)),
                                (2, "damaged: 9 steps", lambda file: file["committed_steps"].write_direct(np.array(9))),
                                (2, "damaged", lambda file: file.__delitem__("links"))):
        damaged = emulator.folder / "damaged.h5"
        damaged.write_bytes(data)
        with h5py.File(damaged, "a") as file:
            damage(file)
        scripted("explain", damaged, code=code, words=words)
    scripted("draw", emulator.folder / "missing.h5", code=2, words="No such file")
    scripted("export", trace, "--csv", pages / "t", "--perfetto", pages / "p.json", "--tables", "steps,flows", code=2, words="no flows")
    claim(list(pages.iterdir()) == [page], "nothing is written before all is known to be there")


def refused(emulator):
    trace = emulator.trace(TOPOLOGIES / "laptop-16.yaml", JOBS / "traffic-permutation.yaml")
    for arguments, words in ((("--csv", "x", "--tables", "flow"), "there is no table 'flow'; known are steps"),
                             (("--perfetto", "x.json", "--steps", "5"), "the trace has steps 0 to 0")):
        done = export(trace, *arguments, good=False)
        claim(done.returncode == 2 and words in done.stderr and done.stderr.count("\n") == 1, f"{arguments}: {done.stderr}")


if __name__ == "__main__":
    run_case(perfetto, tables, refused, whole)
