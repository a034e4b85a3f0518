"""perfetto_file.py: a trace in the Trace Event format, which Perfetto and chrome://tracing open; a part of scripts/export.

Processes are numbered so that they stand in this order: the run (steps, counters), GPUs by job, replica and stage, collectives
of the whole job. Slices of a thread do not overlap, since streams are in order. Perfetto counts in nanoseconds: begin and
end of a slice are rounded down to whole ones, so that what touches touches, and what ends before ends before.
Source: "Trace Event Format" (Google, 2016), and what Perfetto says of its JSON importer
(https://perfetto.dev/docs/faq, https://perfetto.dev/docs/visualization/perfetto-ui).
"""

import gzip
import json

import numpy as np

import export_tables
import output_file
import trace_file

PS_PER_NS = 1000
RUN, COLLECTIVES, FIRST_GPU = 1, 2, 10
MOST_SLICES = 2_000_000
STREAM_TITLE = {"compute": "compute", "receive_prev": "receive from stage before", "send_next": "send to next stage",
                "receive_next": "receive from next stage", "send_prev": "send to stage before", "dp": "data parallel",
                "ep": "experts", "across": "across shard groups"}


def ns(time_ps):
    return int(time_ps) // PS_PER_NS


def us(time_ns):
    """Microseconds, with all digits of a nanosecond."""
    return time_ns / 1000


METADATA = {"ph": "M", "cat": "__metadata", "ts": 0}  # readers that are strict want a category and a time of every event


def name_process(pid, name, order):
    return [{**METADATA, "name": "process_name", "pid": pid, "tid": 0, "args": {"name": name}},
            {**METADATA, "name": "process_sort_index", "pid": pid, "tid": 0, "args": {"sort_index": order}}]


def name_thread(pid, tid, name):
    return [{**METADATA, "name": "thread_name", "pid": pid, "tid": tid, "args": {"name": name}},
            {**METADATA, "name": "thread_sort_index", "pid": pid, "tid": tid, "args": {"sort_index": tid}}]


def slice_event(pid, tid, name, category, start_ps, end_ps, args):
    start, end = ns(start_ps), ns(end_ps)
    return {"ph": "X", "pid": pid, "tid": tid, "name": name, "cat": category, "ts": us(start), "dur": us(end - start),
            "args": {"start_ps": int(start_ps), "end_ps": int(end_ps), **args}}


def arrow(number, name, source, target):
    """From inside one slice to inside another: (pid, tid, time in ns) of both."""
    common = {"name": name, "cat": "flow", "id": number}
    return [{"ph": "s", "pid": source[0], "tid": source[1], "ts": us(source[2]), **common},
            {"ph": "f", "bp": "e", "pid": target[0], "tid": target[1], "ts": us(target[2]), **common}]


class Operations:
    """Rows of /timeline of some steps, as events."""

    def __init__(self, trace, steps):
        self.trace = trace
        columns = export_tables.table_of_operations(trace, steps)
        self.n = len(columns["operation"][0])
        self.parts = [name for name in columns if name.endswith("_ps") and name not in
                      ("start_ps", "begun_ps", "end_ps", "alone_ps")]
        self.column = {name: values.tolist() for name, (values, _) in columns.items()}
        self.missing = {name: None if missing is None else missing.tolist() for name, (_, missing) in columns.items()}
        self.streams = trace.words("timeline/stream")
        self.pid = {gpu: FIRST_GPU + i for i, gpu in enumerate(sorted(set(self.column["gpu"]), key=self.order))}
        self.of_row = {(step, row): i for i, (step, row) in
                       enumerate(zip(self.column["step"], self.column["operation"]))}

    def place(self, gpu):
        """What /gpus says of it."""
        return {name: int(self.trace.file[f"gpus/{name}"][gpu]) for name in ("job", "dp", "pp", "cp", "tp", "node", "slot")}

    def order(self, gpu):
        place = self.place(gpu)
        return place["job"], place["dp"], place["pp"], place["cp"], place["tp"], gpu

    def title(self, gpu):
        place = self.place(gpu)
        coordinates = " ".join(f"{name}{place[name]}" for name in ("dp", "pp", "cp", "tp"))
        return f"GPU {gpu}: {coordinates} (node {place['node']})"

    def metadata(self):
        events = []
        for gpu, pid in self.pid.items():
            events += name_process(pid, self.title(gpu), pid)
        used = sorted({(self.pid[gpu], self.streams.index(stream)) for gpu, stream in
                       zip(self.column["gpu"], self.column["stream"])})
        for pid, stream in used:
            events += name_thread(pid, stream + 1, STREAM_TITLE[self.streams[stream]])
        return events

    def tid(self, i):
        return self.streams.index(self.column["stream"][i]) + 1

    def title_of(self, i):
        kind, microbatch, chunk = (self.column[name][i] for name in ("kind", "microbatch", "chunk"))
        text = kind.replace("_", " ")
        if kind == "wait":
            cause = self.cause(i)
            return f"wait for {self.column['kind'][cause].replace('_', ' ')}" if cause is not None else "wait"
        if microbatch >= 0:
            return f"{text} mb {microbatch}" + (f" chunk {chunk}" if chunk > 0 else "")
        return f"{text} {self.column['part'][i]}" if "reduce" in kind or "gather" in kind else text

    def cause(self, i):
        row = self.column["awaited"][i]
        if row < 0:
            return None
        # Rows are those of the step that stands in the file.
        return self.of_row.get((self.column["step"][i], row))

    def value(self, name, i):
        missing = self.missing[name]
        value = self.column[name][i]
        return None if value == -1 or (missing is not None and missing[i]) else value

    def arguments(self, i):
        names = ["step", "microbatch", "chunk", "segment", "part", "bytes", "peer", "collective", "alone_ps"]
        args = {name: value for name in names if (value := self.value(name, i)) is not None}
        if "alone_ps" in args:
            args["posted_ps"] = self.column["start_ps"][i]
            took = self.column["end_ps"][i] - self.column["begun_ps"][i]
            if args["alone_ps"] > 0:
                args["slowdown"] = round(took / args["alone_ps"], 4)
        args.update({name: value for name in self.parts if (value := self.value(name, i))})
        return args

    def events(self):
        found = []
        for i in range(self.n):
            begin, end = self.column["begun_ps"][i], self.column["end_ps"][i]
            if end <= begin:
                continue  # parts of the account without a length of their own
            stream = self.column["stream"][i]
            category = "wait" if self.column["kind"][i] == "wait" else "compute" if stream == "compute" else "communication"
            found.append(slice_event(self.pid[self.column["gpu"][i]], self.tid(i), self.title_of(i), category, begin, end,
                                     self.arguments(i)))
        return found + self.arrows()

    def inside(self, i, at_end):
        """A moment inside the slice of a row; None: it has none."""
        begin, end = ns(self.column["begun_ps"][i]), ns(self.column["end_ps"][i])
        if end <= begin:
            return None
        return self.pid[self.column["gpu"][i]], self.tid(i), end - 1 if at_end else begin

    def arrows(self):
        events, number = [], 0
        for name, source, target in [*self.messages(), *self.causes()]:
            if source is None or target is None or target[2] < source[2]:
                continue
            number += 1
            events += arrow(number, name, source, target)
        return events

    def messages(self):
        """From sends to the receives of their peers: the k-th to the k-th."""
        queues = {}
        for i in range(self.n):
            if self.column["kind"][i] == "receive":
                key = self.column["step"][i], self.column["gpu"][i], self.column["peer"][i], self.column["stream"][i]
                queues.setdefault(key, []).append(i)
        into, used = {"send_next": "receive_prev", "send_prev": "receive_next"}, {}
        for i in range(self.n):
            if self.column["kind"][i] != "send":
                continue
            key = (self.column["step"][i], self.column["peer"][i], self.column["gpu"][i], into[self.column["stream"][i]])
            if key in queues:
                place = used[key] = used.get(key, -1) + 1
                yield "message", self.inside(i, False), self.inside(queues[key][place], True)

    def causes(self):
        """From what was waited for to the wait, where that has a length."""
        for i in range(self.n):
            cause = self.cause(i)
            if cause is None or self.column["kind"][i] != "wait":
                continue
            source, target = self.inside(cause, True), self.inside(i, True)
            yield "cause", source, target


def steps_of(trace, steps):
    several = "steps/job" in trace
    jobs = trace["steps/job"] if several else np.zeros(trace.nsteps, int)
    events = []
    for job in sorted(set(jobs.tolist())):
        events += name_thread(RUN, int(job) + 1, f"steps of job {job}" if several else "steps")
    for step in steps:
        args = {part: float(trace[f"steps/{part}_ps"][step]) / 1e9 for part in (trace.parts() if trace.training else [])}
        args = {f"{trace_file.part_label(part)} (ms)": round(value, 6) for part, value in args.items() if value == value}
        events.append(slice_event(RUN, int(jobs[step]) + 1, f"step {step}", "step", trace["steps/start_ps"][step],
                                  trace["steps/end_ps"][step], args))
    return events


def counter(name, time_ps, values):
    return {"ph": "C", "cat": "counter", "pid": RUN, "tid": 0, "name": name, "ts": us(ns(time_ps)), "args": values}


def loads_of(trace, steps):
    """Load of the links of each tier in time, in per cent of what they could carry, and what transfers lost there."""
    rows = np.flatnonzero(np.isin(trace.interval_step, list(steps)))
    if len(rows) == 0:
        return []
    start, end = trace["intervals/start_ps"][rows], trace["intervals/end_ps"][rows]
    load = trace.load_in_time(rows)
    delay = trace["intervals/delay_ps"][rows] / 1e9
    events = []
    for tier, name in enumerate(trace.tiers):
        if not load[:, tier].any():
            continue
        for i in range(len(rows)):
            events.append(counter(f"{name}: load (%)", start[i], dict(zip(trace_file.DIRECTIONS, load[i, tier].round(3).tolist()))))
            if delay[:, tier].any():
                events.append(counter(f"{name}: delay of transfers (ms)", start[i], {"delay": round(float(delay[i, tier].sum()), 6)}))
        events.append(counter(f"{name}: load (%)", end[-1], {"up": 0, "down": 0}))
    return events


def power_of(trace, steps):
    watts = trace["power/site_W"]
    events = []
    for step in steps:
        start, end = (int(trace[f"steps/{name}"][step]) for name in ("start_ps", "end_ps"))
        for phase, value in enumerate(watts[step].tolist()):
            time_ps = start + (end - start) * phase // watts.shape[1]
            events.append(counter("site (kW)", time_ps, {"kW": round(value / 1000, 6)}))
    return events


def collectives_of(trace, steps):
    """As asynchronous slices: those of several groups are under way at once."""
    if "collectives" not in trace:
        return []
    columns = export_tables.table_of(trace, "collectives", ("collective",), steps)
    column = {name: values.tolist() for name, (values, _) in columns.items()}
    events = name_process(COLLECTIVES, "collectives of the job", 10**9)
    for i in range(len(column["step"])):
        start, end = ns(column["start_ps"][i]), ns(column["end_ps"][i])
        common = {"pid": COLLECTIVES, "tid": 0, "cat": column["traffic"][i], "id": column["collective"][i],
                  "name": f"{column['traffic'][i]} {column['kind'][i].replace('_', '-')}"}
        args = {name: column[name][i] for name in ("collective", "step", "group_first", "group_stride", "group_size", "bytes",
                                                   "bus_Bps", "slowdown", "start_ps", "end_ps")}
        events += [{"ph": "b", "ts": us(start), "args": args, **common}, {"ph": "e", "ts": us(end), **common}]
    return events


def flows_of(trace, steps):
    if "flows" not in trace:
        return []
    columns = export_tables.table_of(trace, "flows", ("flow",), steps)
    column = {name: values.tolist() for name, (values, _) in columns.items()}
    events = name_process(COLLECTIVES + 1, "flows", 10**9 + 1)
    for i in range(len(column["step"])):
        common = {"pid": COLLECTIVES + 1, "tid": 0, "cat": "flow", "id": column["flow"][i],
                  "name": f"rank {column['source'][i]} to {column['destination'][i]}"}
        args = {name: column[name][i] for name in ("step", "bytes", "slowdown", "start_ps", "end_ps")}
        events += [{"ph": "b", "ts": us(ns(column["start_ps"][i])), "args": args, **common},
                   {"ph": "e", "ts": us(ns(column["end_ps"][i])), **common}]
    return events


def in_order(event):
    """Metadata first; at one moment ends of asynchronous slices before begins, outer slices before inner."""
    return event["ph"] != "M", event.get("ts", 0), event["ph"] != "e", -event.get("dur", 0)


def write(trace, steps, path):
    """Write OUT.json or OUT.json.gz; returns in words what is in it."""
    events = name_process(RUN, trace.caption(), 0) + steps_of(trace, steps)
    if "timeline" in trace:
        operations = Operations(trace, steps)
        if operations.n > MOST_SLICES:
            raise trace_file.TraceError(f"{operations.n} operations in these steps, more than {MOST_SLICES}: take fewer, --steps 0")
        events += operations.metadata() + operations.events()
    events += loads_of(trace, steps) + power_of(trace, steps) + collectives_of(trace, steps) + flows_of(trace, steps)
    events.sort(key=in_order)
    other = {name: str(trace.attributes.get(name)) for name in ("title", "source", "git_commit", "config_hash")}
    text = json.dumps({"displayTimeUnit": "ns", "otherData": other, "traceEvents": events}, separators=(",", ":")).encode()
    with output_file.whole(path, [trace.path]) as part:
        part.write_bytes(gzip.compress(text, mtime=0) if str(path).endswith(".gz") else text)
    count = lambda ph: sum(event["ph"] == ph for event in events)
    return f"{count('X')} slices, {count('s')} arrows, {count('b')} collectives or flows, {count('C')} counts"
