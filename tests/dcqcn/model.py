"""model.py: DCQCN as its authors' equations have it, solved without the emulator, and what they published of it.

Idea.    N equal flows into one link: rate, target, alpha and queue by the delay differential equations of Zhu et al., "ECN or
         delay: lessons learnt from analysis of DCQCN and TIMELY", CoNEXT 2016, figure 1; in packets and seconds, by steps of
         Euler. The fixed point is that of its theorem 1, solved by bisection.
Limits.  The model knows no single packet: cuts are smooth, where a sender halves its rate with each notification; the queue
         has no noise, where packets are marked by chance.
Source.  The equations as above (first in Zhu et al., SIGCOMM 2015, section 5); the figures from the data files of the paper's
         pictures, which its authors published with its text (github.com/jitupadhye-zz/rdma, conext2016/figures).
"""

import dataclasses
import math


@dataclasses.dataclass
class Parameters:
    """In packets of 1 kB and seconds; the standard of the papers."""
    capacity: float = 5e6
    additive: float = 5e3
    counter: float = 1e4
    timer_s: float = 55e-6
    fast: int = 5
    cnp_s: float = 50e-6
    alpha_s: float = 55e-6
    kmin: float = 5
    kmax: float = 200
    pmax: float = 0.01
    gain: float = 1 / 256


PAPER = Parameters()

# Two flows at rest: 20.49 kB where feedback takes up to 100 us (unstable.2.0.100.dat), 20.5 where it takes 85 (dcqcn_bufferbloat.eps).
QUEUE_AT_REST_KB = 20.5
# From 1 to 15 ms each of the two rises from 9.672 to 19.966 Gb/s (unstable.2.0.100.dat).
RISE_GBPS_PER_MS = 0.735
# The queue of two, with 85 us, is empty until then (dcqcn_bufferbloat.eps).
FULL_AGAIN_MS = 20.6


def marked(queue, its):
    """Share of packets that a queue marks."""
    if queue <= its.kmin:
        return 0.0
    return (queue - its.kmin) / (its.kmax - its.kmin) * its.pmax if queue <= its.kmax else 1.0


def some_of(packets, p):
    """Is at least one of them marked?"""
    return -math.expm1(packets * math.log1p(-p)) if p < 1 else 1.0


def rises(packets, fast, p):
    """How often, per packet, so many pass without a mark; and how often behind `fast` such."""
    if p >= 1 or packets <= 0:
        return 0.0, 0.0
    if p * packets < 1e-12:
        return 1 / packets, 1 / packets
    log = math.log1p(-p)
    often = p / math.expm1(-packets * log) if -packets * log < 700 else 0.0
    return often, often * math.exp(fast * packets * log)


def solve(flows, delay_s, length_s, its=PAPER, step_s=1e-6):
    """[(time, queue in packets, rate of a flow in packets/s)] of flows that begin at the line rate at time 0."""
    rate = target = its.capacity
    alpha, queue, behind, past = 1.0, 0.0, max(1, round(delay_s / step_s)), []
    for i in range(int(length_s / step_s)):
        past.append((i * step_s, queue, rate))
        _, old_queue, old_rate = past[i - behind] if i >= behind else (0, 0.0, its.capacity)
        p = marked(old_queue, its)
        told = some_of(its.cnp_s * old_rate, p)
        by_bytes, more_by_bytes = rises(its.counter, its.fast, p)
        by_time, more_by_time = rises(its.timer_s * old_rate, its.fast, p)
        queue_more = flows * rate - its.capacity
        rate_more = (target - rate) * old_rate * (by_bytes + by_time) / 2 - rate * alpha * told / (2 * its.cnp_s)
        target_more = its.additive * old_rate * (more_by_bytes + more_by_time) - (target - rate) * told / its.cnp_s
        alpha += step_s * its.gain / its.alpha_s * (some_of(its.alpha_s * old_rate, p) - alpha)
        queue = max(0.0, queue + step_s * queue_more)
        rate = min(its.capacity, rate + step_s * rate_more)
        target = min(its.capacity, target + step_s * target_more)
    return past


def at_rest(flows, its=PAPER):
    """Queue in packets at the fixed point (equations 9 to 11)."""
    rate, low, high = its.capacity / flows, 1e-9, 0.99
    for _ in range(100):
        p = math.sqrt(low * high)
        told, alpha = some_of(its.cnp_s * rate, p), some_of(its.alpha_s * rate, p)
        (b, c), (d, e) = rises(its.counter, its.fast, p), rises(its.timer_s * rate, its.fast, p)
        lower = told ** 2 * alpha < its.cnp_s ** 2 * its.additive * rate * (b + d) * (c + e)
        low, high = (p, high) if lower else (low, p)
    return its.kmin + low / its.pmax * (its.kmax - its.kmin)
