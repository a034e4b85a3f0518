#!/usr/bin/python3
"""dcqcn.py MPIEXEC COLOSSIM CASE: DCQCN against what its authors published of it (tests/dcqcn)."""

import pathlib
import sys

from emulator import ROOT, claim, run_case

sys.path.insert(0, str(ROOT / "tests/dcqcn"))
import model  # noqa: E402
from scenario import jain, play  # noqa: E402


def near(name, is_, published, allowed):
    claim(abs(is_ / published - 1) <= allowed, f"{name}: {is_:.2f}, published {published:.2f}, allowed {100 * allowed:.0f} %")


def rest(emulator):
    """Two and ten flows come to equal shares of a full link, and to the queue of the fixed point: within 15 % where a receiver
    tells of marks once a window, as in the authors' model; where it tells at once and then keeps silent, it tells less often,
    and the queue is longer. It is between Kmin and Kmax."""
    for flows, until_s, published in (2, 0.4, model.QUEUE_AT_REST_KB), (10, 0.2, model.at_rest(10)):
        queue_kb = {}
        for cnp in ("windows", "spaced"):
            played = play(emulator, [0] * flows, until_s, packet__dcqcn__cnp=cnp)
            window = 0.04, 0.9 * until_s
            rates = played.rates(*window)
            queue_kb[cnp] = played.mean_queue(*window) / 1e3
            claim(jain(rates) >= 0.99 and len(rates) == flows, f"{flows} flows are equal: {rates}")
            claim(rates.sum() > 0.98 * 40, f"the link is full: {rates}")
            claim(5 < queue_kb[cnp] < 200, f"it is between Kmin and Kmax: {queue_kb}")
        near(f"queue of {flows} in kB", queue_kb["windows"], published, 0.15)
        claim(1.05 < queue_kb["spaced"] / queue_kb["windows"] < 1.35, f"fewer notifications, more that waits: {queue_kb}")


def curve(emulator):
    """Two flows with 85 us of feedback: rates collapse, rise as published, and the queue comes back when the equations say so,
    to the one published."""
    played = play(emulator, [0, 0], 0.3, "4250 m")
    exact = model.solve(2, 85e-6, 0.04)
    full_ms = next(1e3 * time for time, queue, _ in exact if time > 1e-3 and queue > 1)
    near("rise in Gb/s per ms", (played.rates(0.014, 0.016) - played.rates(0.004, 0.006)).mean() / 10, model.RISE_GBPS_PER_MS, 0.05)
    near("full again in ms", played.full_again_ms(), full_ms, 0.15)
    near("queue in kB", played.mean_queue(0.06, 0.27) / 1e3, model.QUEUE_AT_REST_KB, 0.15)
    claim(jain(played.rates(0.06, 0.27)) >= 0.99, "they are equal")


def joins(emulator):
    """Who comes later gets its share: a third flow beside two, a tenth of a second behind them, and all three are within a
    tenth of a third of the link before another has passed."""
    played = play(emulator, [0, 0, 0.1], 0.25)
    rates = played.rates(0.16, 0.2)
    claim(abs(rates / (40 / 3) - 1).max() < 0.1, f"three alike: {rates}")


def swings(emulator):
    """Ten flows with 4 us of feedback keep a queue; with 85 us it swings between nothing and Kmax, as the linear analysis of the
    model says (figure 3 of CoNEXT 2016), and the link is empty at times."""
    spread, used = {}, {}
    for cable in ("200 m", "4250 m"):
        played = play(emulator, [0] * 10, 0.12, cable)
        when = played.between(0.05, 0.11)
        spread[cable] = played.queue[when].std() / played.queue[when].mean()
        used[cable] = played.rates(0.05, 0.11).sum() / 40
    claim(spread["200 m"] < 0.5 and spread["4250 m"] > 1, f"far away it swings: {spread}")
    claim(used["4250 m"] < 0.97 < used["200 m"], f"and the link is not full: {used}")


if __name__ == "__main__":
    run_case(rest, curve, joins, swings)
