#!/usr/bin/python3
"""events.py MPIEXEC COLOSSIM: what is slow, dies and returns while a run goes on.

Law: one outcome on any number of ranks, told steps or played ones, for training and traffic, with outages of GPUs, NICs and
switches; what cannot go on ends with exit code 1 and says who waits, or has no path. The shipped job: the step in which
the spine dies is late by the reroute delay to the microsecond, its return costs nothing, and /events says both. No link is
used more than it can be, whatever is left of it and when.
"""

import sys
import tempfile

import numpy as np
import xarray

from emulator import EVERY_STEP, JOBS, TOPOLOGIES, Emulator, claim, close, column, own_words, same_on_any_ranks, tiers

LAPTOP, POD = TOPOLOGIES / "laptop-16.yaml", TOPOLOGIES / "superpod-h100-4su.yaml"
OUTAGES = """
slow:
  - {what: gpu 3, compute: 2, from: 300 ms, until: 340 ms}
  - {what: node 1, nic: 3, from: 0 s, until: 290 ms}
events:
  - {at: 100 ms, what: gpu 9, remaining: 0 %}
  - {at: 130 ms, what: gpu 9, remaining: 100 %}
  - {at: 220 ms, what: spine 0, remaining: 0 %}
  - {at: 235 ms, what: gpu 2 nic, remaining: 25 %}
  - {at: 250 ms, what: spine 0, remaining: 100 %}
  - {at: 600 ms, what: leaf 4, remaining: 0 %}
  - {at: 640 ms, what: leaf 4, remaining: 50 %}
"""


def changed(emulator, job, name, lines):
    """A shipped job with more lines."""
    text = (JOBS / job).read_text()
    path = emulator.folder / f"{name}.yaml"
    path.write_text(text + lines)
    return path


def anywhere(emulator):
    training = changed(emulator, "ddp-small.yaml", "outages", OUTAGES)
    traffic = changed(emulator, "traffic-permutation.yaml", "moving", OUTAGES.replace("00 ms", " ms"))
    for job in training, traffic:
        for routing in "ecmp", "adaptive":
            code = same_on_any_ranks(emulator, LAPTOP, job, (1, 2, 3, 4, 7), "--steps", 5, once_more=[(1, EVERY_STEP)],
                                     fabric__routing=routing, network__reroute_delay="4 ms")
            claim(code == 0, f"{job.stem} runs, got {code}")
            claim_used(emulator.folder / "n1" / "run.h5", f"{job.stem}, {routing}")


def claim_used(path, where):
    """No link is used for more than all of what it can carry; the hottest of a tier is as hot as the tier says."""
    for group in "links", "intervals":
        claim(np.nanmax(column(path, f"{group}/hot_utilisation")) <= 1 + 1e-6, f"{where}: hot links of /{group} are full at most")  # to a byte
    most, hot, tier = (column(path, f"links/{name}") for name in ("utilisation_max", "hot_utilisation", "hot_tier"))
    claim((most <= 1 + 1e-9).all(), f"{where}: {most.max()} of the busiest")
    for step, tiers in enumerate(tier):
        found = max((hot[step][tiers == t].max() - most[step, t].max() for t in set(tiers) - {-1}), default=0)
        claim(found <= 1e-9, f"{where}: a hot link of step {step} is hotter than the busiest by {found}")


def halved(emulator):
    """1 GB, of which 940 MB are sent when a tenth of the node's NICs is left: of the time it takes, what NICs carry at their
    best would need 64.9 %. One that is slow until 1 ms has then sent 15.7 MB."""
    for lines, took_s in (("events:\n  - {at: 20 ms, what: node 0, remaining: 10 %}\n", 0.02 + 60e6 / 4.7e9),
                          ("slow:\n  - {what: node 0, nic: 3, until: 1 ms}\n", 0.001 + (1e9 - 47e6 / 3) / 47e9)):
        job = changed(emulator, "traffic-shift.yaml", "halved", "\n" + lines)
        path = emulator.trace(LAPTOP, job, traffic__latency="none", engine__control_delay="0 us")
        used = 1e9 / 47e9 / took_s
        claim(abs(column(path, "steps/duration_ps")[0] / 1e12 / took_s - 1) < 1e-6, f"{lines}: the step takes {took_s} s")
        claim(abs(column(path, "links/utilisation_max")[0, 1] - used).max() < 1e-6, f"{lines}: the NICs are used {used}")
        claim(abs(column(path, "links/hot_utilisation")[0, 0] - used) < 1e-6, f"{lines}: and so is the hottest")
        claim_used(path, lines)


def no_way(emulator):
    for what, words in ("gpu 9", ("no live path", "dead")), ("leaf 4", ("no live path",)):
        job = changed(emulator, "ddp-small.yaml", "dead", f"\nevents:\n  - {{at: 100 ms, what: {what}, remaining: 0 %}}\n")
        done = emulator.run(LAPTOP, job, ranks=2)
        claim(done.returncode == 1 and any(word in done.stderr for word in words),
              f"{what} dead for good ends with 1 and says why, got {done.returncode}: {own_words(done)}")
    job = changed(emulator, "ddp-small.yaml", "bad", "\nevents:\n  - {at: 1 ms, what: spine 99, remaining: 0 %}\n")
    done = emulator.run(LAPTOP, job)
    claim(done.returncode == 2 and "spine 99" in done.stderr and "bad.yaml:" in done.stderr,
          f"an event of nothing is refused with its place: {done.stderr}")
    job = changed(emulator, "ddp-small.yaml", "closed", OUTAGES)
    done = emulator.run(LAPTOP, job, engine__kind="closed")
    claim(done.returncode == 2 and "closed engine" in done.stderr, f"the closed engine refuses events: {done.stderr}")


def shipped(emulator):
    path = emulator.trace(POD, JOBS / "events" / "spine-outage.yaml", ranks=2)
    took_ps = column(path, "steps/duration_ps")
    claim(abs(took_ps[1] - took_ps[0] - 50 * 10**9) < 10**6, f"late by the reroute delay, got {took_ps}")
    claim(len(set(took_ps[[0, 2, 3, 4, 5]])) == 1, f"and nothing else, got {took_ps}")
    spine = tiers(path).index("spine")
    delay_ps, crossed = column(path, "links/delay_ps"), column(path, "collectives/step") == 1
    lost_ps = (column(path, "collectives/end_ps") - column(path, "collectives/start_ps")) * (1 - 1 / column(path, "collectives/slowdown"))
    claim(close(delay_ps[1, spine].sum(), 50e9, 1e-6) and delay_ps.sum() == delay_ps[1, spine].sum(),
          f"links of the spine tell it, and no others: {delay_ps.sum(axis=2)}")
    claim(close(lost_ps[crossed].sum(), 50e9, 1e-6) and close(column(path, "steps/contention_ps")[1], 50e9, 1e-3),
          f"so do collectives and parts of the step: {lost_ps[crossed].sum()}")
    claim(list(column(path, "events/time_ps")) == [160 * 10**9, 350 * 10**9], "both events are in the trace")
    claim(list(column(path, "events/from")) == [1, 0] and list(column(path, "events/to")) == [0, 1], "from and to")
    with xarray.open_dataset(path, group="events", engine="netcdf4") as events:
        claim([str(what) for what in events.what.values] == ["spine 1", "spine 1"], f"by name: {events.what.values}")


def main():
    with tempfile.TemporaryDirectory() as folder:
        emulator = Emulator(*sys.argv[1:3], folder)
        shipped(emulator)
        halved(emulator)
        no_way(emulator)
        anywhere(emulator)


main()
