#!/usr/bin/python3
"""limits.py MPIEXEC COLOSSIM CASE: inputs at the edges, each with the answer that can be worked out beside them.

The topologies and jobs stand in limits/. Other wrong inputs, with their places, are those of tests/bad-input.
"""

import pathlib
import re

from emulator import JOBS, PS_PER_S, TOPOLOGIES, claim, close, column, run_case

HERE = pathlib.Path(__file__).resolve().parent / "limits"
LAPTOP, SMALL = TOPOLOGIES / "laptop-16.yaml", JOBS / "ddp-small.yaml"
NIC_Bps = 47e9


def derived(emulator, topology, *settings):
    done = emulator.call("check", topology, *(word for setting in settings for word in ("--set", setting)))
    claim(done.returncode == 0, f"check {topology}: {done.stderr}")
    return done.stdout


def bisection_GBps(emulator, topology, *settings):
    return float(re.search(r"one way, ([\d.e+]+) GB/s a GPU", derived(emulator, topology, *settings)).group(1))


def figures(emulator):
    """Bisection: half of all cables that messages cross, over half of the GPUs: whatever the number of subtrees, and where
    the machine is not full. Latencies are of paths that exist."""
    for topology, settings, expected in (
            (HERE / "three-leaves.yaml", (), 36 * 47 / 108),
            (HERE / "three-leaves.yaml", ("nodes=72",), 24 * 47 / 72),
            (HERE / "three-leaves.yaml", ("nodes=20",), 47),  # under one leaf
            (HERE / "three-leaves.yaml", ("nodes=37",), (12 + 1) * 47 / 37),  # the 37th has twelve cables for itself
            (HERE / "one-pod.yaml", (), 47),
            (TOPOLOGIES / "published" / "dgx-h100-ndr400.yaml", (), 47),
            (TOPOLOGIES / "colossus-100k.yaml", (), 47)):
        found = bisection_GBps(emulator, topology, *settings)
        claim(close(found, expected, 5e-3), f"{topology.name} {settings}: {expected:.3g} GB/s a GPU, got {found}")
    alone = derived(emulator, LAPTOP, "nodes=1")
    claim("least latency" not in alone, f"one node has no other:\n{alone}")
    shown = emulator.call("show", HERE / "one-pod.yaml").stdout
    claim("through one core" not in shown, f"nobody goes through the core of a single pod:\n{shown}")
    # Nodes 0 and 1 share a domain (2 us a step), 1 and 2 a leaf: 900 ns + two cables of 5 m + 250 ns.
    pairs = derived(emulator, HERE / "domain-2-nodes.yaml")
    claim("least latency between nodes 1.2 us" in pairs, f"the nearest are not in one domain:\n{pairs}")


def plays(emulator):
    """What check accepts is played, on one rank and on two. A table is read as spreadsheets write it, with quotes, too."""
    (emulator.folder / "quoted.csv").write_text('"source","destination","bytes","start"\r\n"0","8","1 MB","0 us"\r\n')
    quoted = emulator.folder / "quoted.yaml"
    quoted.write_text((HERE / "bom.yaml").read_text().replace("bom.csv", "quoted.csv"))
    alike = [column(emulator.trace(LAPTOP, job, ranks=0), "steps/fingerprint")[0] for job in (HERE / "bom.yaml", quoted)]
    claim(alike[0] == alike[1], f"quotes change nothing: {alike}")
    for topology, job, settings in (
            (HERE / "dual-tor.yaml", JOBS / "traffic-shift.yaml", {"traffic__queue_pairs": 2}),
            (HERE / "domain-2-nodes.yaml", SMALL, {"parallel__pp": 2, "network__message_latency": "2 us", "steps": 1}),
            (LAPTOP, HERE / "bom.yaml", {})):
        ends = [column(emulator.trace(topology, job, ranks=ranks, **settings), "steps/fingerprint")[0] for ranks in (1, 2)]
        claim(ends[0] == ends[1], f"{job.name} on {topology.name}: one fingerprint, got {ends}")
    both = emulator.trace(HERE / "dual-tor.yaml", JOBS / "traffic-shift.yaml", traffic__queue_pairs=2,
                          traffic__latency="none", engine__control_delay="0 us")
    took_s = column(both, "flows/end_ps")[0] / PS_PER_S
    claim(close(took_s, 10**9 / NIC_Bps, 1e-9), f"1 GB over both ports of a NIC of 47 GB/s: {took_s} s")


def fails(done, words):
    claim(done.returncode == 1 and len([line for line in done.stderr.splitlines() if words in line]) == 1,
          f"exit code 1 and once '{words}', got {done.returncode}: {done.stdout[-500:]}{done.stderr[-2000:]}")


def sums(emulator):
    """Nothing wraps: times over a tier may pass 2^63 ps; where a word of the trace is passed, by what one link delays or the
    bytes of a tier, the run fails by name, alike on any ranks, whether it writes a trace or not."""
    leaf = {"nodes": 36, "traffic__bytes": "10000 TB", "traffic__latency": "none", "engine__control_delay": "0 us"}
    flood = JOBS / "traffic-incast.yaml"
    # Each of n senders ends after n times its time alone: together they lose n (n - 1) of that.
    alone_ps = 10**16 / NIC_Bps * PS_PER_S
    path = emulator.trace(HERE / "three-leaves.yaml", flood, traffic__fan_in=7, traffic__ranks=28, **leaf)
    lost = column(path, "links/delay_ps").sum()
    claim(close(column(path, "links/hot_delay_ps")[0, :4], 42 * alone_ps, 1e-9) and close(lost, 4 * 42 * alone_ps, 1e-9),
          f"four receivers, at each {42 * alone_ps} ps: {lost}")
    claim(4 * 42 * alone_ps > 2**63, "together more than a word holds")
    for ranks, name in ((0, "none"), (1, "flood.h5"), (2, "none"), (2, "flood.h5")):
        done = emulator.run(HERE / "three-leaves.yaml", flood, ranks=ranks, traffic__fan_in=8, traffic__ranks=16,
                            path=name, **leaf)
        fails(done, "tier leaf (down): transfers lose 106 days (2^63 ps) or more at one link")
        claim(not (emulator.folder / "flood.h5").exists(), "no trace of a step that is none")
    jobs = [emulator.folder / f"job{k}.yaml" for k in range(9)]
    for k, job in enumerate(jobs):  # each a little less than the 2^60 bytes that a job may have
        job.write_text("schema_version: 1\nkind: traffic\ntraffic: {pattern: shift, shift: 1, bytes: 10000 TB, ranks: 115}\n"
                       f"placement: {{nodes: {115 * k}-{115 * k + 114}}}\ntrace: {{intervals: 1}}\n")
    path = emulator.folder / "together.h5"
    done = emulator.call("run", HERE / "one-leaf.yaml", *jobs[:8], "--output", path, ranks=1)
    claim(done.returncode == 0, f"eight jobs: {done.stderr}")
    claim(column(path, "intervals/bytes").max() == 8 * 115 * 10**16, "an interval has the bytes of all of them")
    fails(emulator.call("run", HERE / "one-leaf.yaml", *jobs, "--output", path, ranks=2), "links carry 2^63 bytes or more")


def time(emulator):
    """Simulated time ends at 2^62 ps: what a lower bound says is longer is refused."""
    done = emulator.call("check", LAPTOP, SMALL, "--set", "parallel.microbatches=1000000", "--set", "steps=200")
    claim(done.returncode == 2 and "--set:2:7: error: steps = 200" in done.stderr, f"refused at steps:\n{done.stderr}")
    # One pass through a stage takes most of it, a step of eight stages more: only a run knows.
    parts = emulator.folder / "hardware"
    parts.mkdir()
    (parts / "sloth.yaml").write_text((TOPOLOGIES / "hardware/h100-sxm.yaml").read_text().replace(" TFLOP/s", " kFLOP/s"))
    slow = emulator.folder / "sloths.yaml"
    slow.write_text(LAPTOP.read_text().replace("h100-sxm", "sloth"))
    done = emulator.run(slow, SMALL, steps=1, training__sequence=1200, parallel__pp=8, parallel__microbatches=1)
    fails(done, "the run would last longer than the 53 days")


def wide(emulator):
    """A dead cable of 102,400 cuts messages into parts of 2^-20: bytes of a link pass 2^63 parts."""
    path = emulator.trace(TOPOLOGIES / "colossus-100k.yaml", JOBS / "traffic-shift.yaml", traffic__bytes="100 GB",
                          traffic__shift=4096, traffic__ranks=16384,
                          fabric__faults="[{tier: 3, lower: 100, port: 7}]")
    total = column(path, "links/bytes")[0]
    claim(close(total[1:], 16384 * 1e11, 1e-9), f"every byte on each tier, up and down: {total}")


def seeds(emulator):
    """--seed draws hashes and patterns."""
    prints = {key: {column(emulator.trace(TOPOLOGIES / "superpod-h100-1su.yaml", JOBS / job, "--seed", seed,
                                          fabric__routing="ecmp", fabric__pxn="off", traffic__bytes="1 MB", **settings),
                           "steps/fingerprint")[0] for seed in (1, 2, 3)}
              for key, job, settings in (("hashes", "traffic-shift.yaml", {"traffic__shift": 1}),
                                         ("hashes and pattern", "traffic-permutation.yaml", {}),
                                         ("one hash", "traffic-shift.yaml", {"traffic__shift": 1, "fabric__hash_seed": 7}))}
    claim([len(kinds) for kinds in prints.values()] == [3, 3, 1], f"fingerprints by what is drawn: {prints}")


def queues(emulator):
    """A queue pair does not wait for itself: two messages one behind the other on an idle path each take the time alone."""
    slowdown = column(emulator.trace(LAPTOP, HERE / "two-messages.yaml"), "flows/slowdown")
    claim(len(slowdown) == 2 and all(close(value, 1, 1e-9) for value in slowdown), f"alone on an idle path: {slowdown}")


def rooms(emulator):
    """Room for 2^45 nodes is more links than have numbers: refused where it is written."""
    done = emulator.call("check", HERE / "big-room.yaml")
    claim(done.returncode == 2 and "big-room.yaml:9:5: error: the fabric has room for" in done.stderr, done.stderr)


def sampled(emulator):
    """A link at 1 % of its rate makes a run a hundred times as long as expected, and not its table."""
    for remaining in ("1 %", "0.1 %"):
        path = emulator.trace(HERE / "weak-link.yaml", JOBS / "traffic-shift.yaml",
                              fabric__faults=f"[{{tier: 1, lower: 0, port: 0, remaining: {remaining}}}]")
        begins = column(path, "intervals/start_ps")
        claim(len(begins) <= 400, f"{remaining}: {len(begins)} intervals for 200 wanted")


run_case(figures, plays, sums, time, wide, seeds, queues, rooms, sampled)
