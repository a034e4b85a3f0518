#!/usr/bin/python3
"""timeline.py MPIEXEC COLOSSIM CASE: operations of chosen GPUs (trace.timeline, /timeline).

Laws. `adds_up`: on one stream no two operations overlap; those of the compute stream and the waits between them follow
each other without a gap, each lasts what its parts sum to, and for each GPU and step they sum to /gpus to the picosecond:
as long, part by part (own_slow and straggler together, which /gpus tells apart between GPUs that move as one). What is
carried begins where both its ends are there: a send and its receive at once, a collective as its row in /collectives says.
What a wait or an operation waited for last has ended by then, and a wait of the pipeline ends with it. So in every kind of
job, as islands and event by event, with replicas that are played for others. `untouched`: a run with a timeline is
the run without. `thinned`: every n-th step is kept, of steps that repeat another none, and a step that was not
kept stands when it comes again. `several`: of several jobs each GPU has its own job's steps. `refused`: what names no
GPU, or too many, and a timeline of traffic, are said at their key.
"""

import h5py
import numpy as np

import islands
import jobs
import random_inputs
from emulator import AS_ISLANDS, EVENT_BY_EVENT, EVERY_STEP, JOBS, TOPOLOGIES, claim, run_case

TIMES = ("start_ps", "begun_ps", "end_ps", "alone_ps")
LAPTOP = TOPOLOGIES / "laptop-16.yaml", JOBS / "ddp-small.yaml"


class Timeline:
    """The rows of /timeline, and what is said of them elsewhere."""

    def __init__(self, path):
        with h5py.File(path) as file:
            self.rows = {name: data[()] for name, data in file["timeline"].items() if name != "operation"}
            self.kinds = file["timeline/kind"].attrs["flag_meanings"].split()
            self.streams = file["timeline/stream"].attrs["flag_meanings"].split()
            self.steps = {name: file[f"steps/{name}"][()] for name in ("timeline_step", "timeline_end", "start_ps")}
            self.gpus = {name: data[()] for name, data in file["gpus"].items() if data.ndim == 2}
            self.collectives = {name: data[()] for name, data in file["collectives"].items()}
            self.stage = file["gpus/pp"][()]
        self.parts = [name for name in self.gpus if name != "duration_ps"]

        keys = np.stack([self.rows[name] for name in ("step", "gpu", "stream")], axis=1)
        first = np.flatnonzero(np.any(np.diff(keys, axis=0, prepend=-1), axis=1))
        self.place = {tuple(keys[i].tolist()): slice(i, j) for i, j in zip(first, [*first[1:], len(keys)])}
        claim(list(self.place) == sorted(self.place), "rows are ordered by step, GPU and stream")

    def of(self, step, gpu, stream):
        """Columns of the rows of a stream."""
        place = self.place.get((step, gpu, self.streams.index(stream)), slice(0))
        return {name: column[place] for name, column in self.rows.items()}

    def pairs(self):
        """The (step, GPU) that have rows."""
        return sorted({key[:2] for key in self.place})


def claim_streams(timeline, where):
    for step, gpu in timeline.pairs():
        for stream in timeline.streams:
            rows = timeline.of(step, gpu, stream)
            start, begun, end = (rows[name] for name in TIMES[:3])
            claim(((start <= begun) & (begun <= end)).all(), f"{where}: {stream} of GPU {gpu} goes forward")
            claim((start[1:] >= end[:-1]).all(), f"{where}: operations of {stream} of GPU {gpu} overlap in step {step}")


def claim_parts(timeline, where):
    own = ["own_slow_ps", "straggler_ps"]
    for step, gpu in timeline.pairs():
        rows = timeline.of(step, gpu, "compute")
        length = rows["end_ps"] - rows["start_ps"]
        claim((rows["start_ps"][1:] == rows["end_ps"][:-1]).all(), f"{where}: no gaps, GPU {gpu}")
        claim((sum(rows[part] for part in timeline.parts) == length).all(), f"{where}: rows last what their parts sum to")
        claim(length.sum() == timeline.gpus["duration_ps"][step, gpu], f"{where}: step {step} of GPU {gpu}")
        for part in set(timeline.parts) - set(own):
            claim(rows[part].sum() == timeline.gpus[part][step, gpu], f"{where}: {part} of GPU {gpu} in step {step}: "
                  f"{rows[part].sum()} against {timeline.gpus[part][step, gpu]}")
        claim(sum(rows[part].sum() for part in own) == sum(timeline.gpus[part][step, gpu] for part in own),
              f"{where}: slowness of GPU {gpu} in step {step}")


def claim_collectives(timeline, where):
    rows, table = timeline.rows, timeline.collectives
    there = rows["collective"] >= 0
    number = rows["collective"][there]
    claim(there.any(), f"{where}: there are collectives")
    for mine, its in ("begun_ps", "start_ps"), ("end_ps", "end_ps"), ("bytes", "bytes"), ("step", "step"):
        claim((rows[mine][there] == table[its][number]).all(), f"{where}: {mine} is that of the collective")
    alone = np.maximum(rows["alone_ps"][there], 1)
    took = (rows["end_ps"] - rows["begun_ps"])[there]
    claim(np.allclose(took / alone, table["slowdown"][number], rtol=1e-9), f"{where}: alone, as the collective says")


def claim_messages(timeline, where):
    """Sends against receives of their peers, where both GPUs are chosen; returns how many."""
    met = 0
    chosen = set(timeline.rows["gpu"].tolist())
    for step, gpu in timeline.pairs():
        for out, into in ("send_next", "receive_prev"), ("send_prev", "receive_next"):
            sent = timeline.of(step, gpu, out)
            peers = set(sent["peer"].tolist())
            claim(len(peers) <= 1, f"{where}: GPU {gpu} has one peer on {out}")
            for peer in peers & chosen:
                got = timeline.of(step, peer, into)
                for name in "begun_ps", "end_ps", "alone_ps", "bytes", "microbatch":
                    claim((sent[name] == got[name]).all(), f"{where}: {name} of what {gpu} sends to {peer}")
                claim((got["peer"] == gpu).all(), f"{where}: {peer} receives from {gpu}")
                late = np.maximum(sent["start_ps"], got["start_ps"])
                claim((sent["begun_ps"] == late).all(), f"{where}: it begins when both are there")
                met += len(late)
    return met


def claim_causes(timeline, where):
    rows = timeline.rows
    there = np.flatnonzero(rows["awaited"] >= 0)
    cause = rows["awaited"][there]
    for name in "step", "gpu":
        claim((rows[name][cause] == rows[name][there]).all(), f"{where}: what is waited for is of the same {name}")
    claim((rows["stream"][cause] != rows["stream"][there]).all(), f"{where}: and of another stream")
    waits = rows["kind"][there] == timeline.kinds.index("wait")
    until = np.where(waits, rows["end_ps"][there], rows["start_ps"][there])
    claim((rows["end_ps"][cause] <= until).all(), f"{where}: what was waited for has ended")
    idle = waits & (rows["end_ps"][there] > rows["start_ps"][there])
    claim((rows["end_ps"][cause] == until)[idle].all(), f"{where}: a wait ends with what it waited for")
    return int(idle.sum())


def claim_laws(path, where):
    timeline = Timeline(path)
    claim(len(timeline.rows["gpu"]) > 0, f"{where}: there are operations")
    claim_streams(timeline, where)
    claim_parts(timeline, where)
    claim_collectives(timeline, where)
    return claim_messages(timeline, where), claim_causes(timeline, where)


def write_strips(emulator):
    random_inputs.write_parts(emulator.folder)
    random_inputs.write_scale_up(emulator.folder, islands.NODE_GPUS)
    topology, job = emulator.folder / "strips.yaml", emulator.folder / "strips-job.yaml"
    topology.write_text(islands.STRIPS)
    job.write_text(islands.STRIPS_JOB)
    return topology, job


def adds_up(emulator):
    strips = write_strips(emulator)
    met = waited = 0
    # That event by event the rows are those as islands, islands.strips says.
    for name, player in (("overlap", AS_ISLANDS), ("interleaved", AS_ISLANDS), ("alike_hybrid", AS_ISLANDS),
                         ("hybrid", EVENT_BY_EVENT), ("zero_bubble", EVENT_BY_EVENT), ("dualpipe", AS_ISLANDS)):
        path = emulator.trace(*strips, player, name=name, trace__links="[]", **islands.STRIPS_SETTINGS[name])
        found = claim_laws(path, f"{name} {player}")
        met, waited = met + found[0], waited + found[1]
    claim(met > 1000 and waited > 1000, f"messages between chosen GPUs ({met}) and waits ({waited}) occur")
    # Exchanges of experts; packets.
    moe = TOPOLOGIES / "laptop-16.yaml", JOBS / "moe-small.yaml"
    path = emulator.trace(*moe, name="moe", trace__timeline="[all]", parallel__ep=16)
    claim_laws(path, "experts")
    timeline = Timeline(path)
    exchanges = {name: column[timeline.rows["kind"] == timeline.kinds.index("dispatch")] for name, column in
                 timeline.rows.items()}
    claim((exchanges["end_ps"] - exchanges["begun_ps"] >= exchanges["alone_ps"]).all() and len(exchanges["gpu"]) > 0,
          "exchanges of experts take as long as alone, or longer")
    claim_laws(emulator.trace(*LAPTOP, "--steps", 1, name="packet", trace__timeline="[0, 15]", engine="packet", packet__mtu="1 MiB"), "packets")


def without_timeline(path):
    """All values and attributes of a trace but those of the timeline and of /run."""
    values = {}
    with h5py.File(path) as file:
        def note(name, item):
            if name.split("/")[0] not in ("run", "timeline") and "timeline" not in name and isinstance(item, h5py.Dataset):
                values[name] = item[()].tobytes() if item.dtype.kind != "O" else list(item[()])
        file.visititems(note)
    return values


def untouched(emulator):
    strips = write_strips(emulator)
    for player in AS_ISLANDS, EVENT_BY_EVENT:
        with_it = emulator.trace(*strips, player, name="with", noise="on")
        without = emulator.trace(*strips, player, name="without", noise="on", trace__timeline="[]")
        claim(without_timeline(with_it) == without_timeline(without), f"{player}: a timeline changes nothing else")
    with h5py.File(without) as file:
        claim("timeline" not in file and "timeline_step" not in file["steps"], "no timeline, no tables")


def thinned(emulator):
    def stands(*options, **settings):
        path = emulator.trace(*LAPTOP, *options, name="thin", trace__timeline="[0, 5]", **settings)
        timeline = Timeline(path)
        return timeline.steps["timeline_step"].tolist(), np.unique(timeline.rows["step"]).tolist(), timeline

    found, rows, timeline = stands("--steps", 6, noise="on", trace__timeline_every=3)
    claim(found == [0, -1, -1, 3, -1, -1] and rows == [0, 3], f"every third step is kept: {found}, rows of {rows}")
    claim_parts(timeline, "every third")
    found, rows, _ = stands("--steps", 5, noise="off")
    claim(found == [0] * 5 and rows == [0], f"equal steps stand once: {found}, rows of {rows}")
    # Its first step has no gathers before it: it is another than those that follow, of which the second is told.
    superpod = TOPOLOGIES / "superpod-h100-4su.yaml", JOBS / "llama3.1-405b-8k.yaml"
    keep = {"parallel__dp": 7, "parallel__microbatches": 16, "trace__timeline": "[0-127/32, 895]", "noise": "off"}
    for every, expected in (1, [0, 1, 1, 1, 1, 1]), (3, [0, -1, -1, 3, -1, -1]), (4, [0, -1, -1, -1, 4, -1]):
        traces = [Timeline(emulator.trace(*superpod, "--steps", 6, *more, name=f"every{len(more)}",
                                          trace__timeline_every=every, **keep)) for more in ((), (EVERY_STEP,))]
        for timeline in traces:
            found = timeline.steps["timeline_step"].tolist()
            claim(found == expected, f"every {every}: rows of a step that comes again: {found}")
            claim_parts(timeline, f"every {every}")
        claim(all(np.array_equal(traces[0].rows[name], traces[1].rows[name]) for name in traces[0].rows),
              f"every {every}: told as played")


def several(emulator):
    random_inputs.write_parts(emulator.folder)
    random_inputs.write_scale_up(emulator.folder, jobs.NODE_GPUS)
    topology = jobs.write(emulator, "topology", jobs.TOPOLOGY.replace("{", "{{").replace("}", "}}"))
    even = jobs.write(emulator, "even", jobs.TRAINING, "0-15/2")
    odd = jobs.write(emulator, "odd", jobs.TRAINING, "1-15/2", "1 ms")
    path = emulator.trace(topology, even, odd, trace__timeline="[0-31/3, 2]")
    claim_laws(path, "two jobs")
    with h5py.File(path) as file:
        rows, job = {name: file[f"timeline/{name}"][()] for name in ("step", "gpu")}, file["gpus/job"][()]
        claim((file["steps/job"][()][rows["step"]] == job[rows["gpu"]]).all() and set(job[rows["gpu"]]) == {0, 1},
              "rows of a step are those of GPUs of its job, and both have some")


def refused(emulator):
    for job, timeline, words in ((LAPTOP[1], "[0, 9-16]", "timeline names GPU 16, but the cluster has 0 to 15"),
                                 (LAPTOP[1], "[5-3]", "timeline wants GPUs such as 0, 8-15, 0-1023/128 or all, got '5-3'"),
                                 (JOBS / "traffic-shift.yaml", "[0]", "timeline is given, but no job trains")):
        done = emulator.run(LAPTOP[0], job, ranks=0, trace__timeline=timeline)
        claim(done.returncode == 2 and words in done.stderr and "--set" in done.stderr, f"{timeline}: {done.stderr}")
    done = emulator.run(TOPOLOGIES / "superpod-h100-4su.yaml", JOBS / "ddp-small.yaml", ranks=0, trace__timeline="[all]")
    claim(done.returncode == 2 and "timeline of more than 256 GPUs" in done.stderr, done.stderr)


if __name__ == "__main__":
    run_case(adds_up, untouched, thinned, several, refused)
