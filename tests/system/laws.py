#!/usr/bin/python3
"""laws.py MPIEXEC COLOSSIM CASE: traffic through the whole program against arithmetic done by hand.

Everything is read from the trace. `ideal` clusters (inputs.py) have no latency, so that the laws are exact to the
rounding of a flow's end (1 ps) and of its rate (less than 1e-9).
"""


import numpy as np

from emulator import JOBS, PS_PER_S, TOPOLOGIES, claim, close, column, run_case, tiers
from inputs import DOMAIN_Bps, NIC_Bps, ideal_cluster, traffic_job

EXACT = 1e-9
LAPTOP = TOPOLOGIES / "laptop-16.yaml"
ROUTINGS = ("ecmp", "dmodk", "spray", "adaptive")
UP, DOWN = 0, 1


def seconds(path):
    return (column(path, "flows/end_ps") - column(path, "flows/start_ps")) / PS_PER_S


def last_s(path):
    return column(path, "steps/end_ps")[0] / PS_PER_S


def patterns(emulator):
    """laptop-16 as shipped: 47 GB/s a NIC, 362 GB/s a scale-up port, no latency in the pattern's default."""
    nic_Bps, domain_Bps = 47e9, 370e9
    size = 10**9
    quiet = {"engine__control_delay": "0 us", "traffic__latency": "none"}

    shift = emulator.trace(LAPTOP, JOBS / "traffic-shift.yaml", **quiet)
    claim(close(seconds(shift), size / nic_Bps, EXACT), f"shift: every flow has a NIC of its own: {seconds(shift)}")

    # GPU i to i + 1: seven of eight stay in the node. GPUs 7 and 15 change node and rail: PXN takes GPU 7's flow to GPU 0
    # first, whose egress is GPU 0's own, whose ingress no other uses; all NICs are alone.
    ring = emulator.trace(LAPTOP, JOBS / "traffic-ring.yaml", **quiet)
    expected = np.where(np.arange(16) % 8 == 7, size / nic_Bps, size / domain_Bps)
    claim(close(seconds(ring), expected, EXACT), f"ring: scale-up inside, NIC between nodes: {seconds(ring)}")

    # 15 senders flood GPU 8 (fan_in 16, ranks 16): 7 of its node share its scale-up ingress, 8 of the other its NIC.
    # With PXN, those of other rails go over GPU 0, whose NIC they share as well: the NIC stays what binds.
    incast = emulator.trace(LAPTOP, JOBS / "traffic-incast.yaml", **quiet)
    source, destination = column(incast, "flows/source"), column(incast, "flows/destination")
    goal = int(destination[0])
    claim((destination == goal).all() and len(source) == 15, "incast: one receiver, all others send")
    same = source // 8 == goal // 8
    expected = np.where(same, 7 * 100e6 / domain_Bps, 8 * 100e6 / nic_Bps)
    claim(close(seconds(incast), expected, EXACT), f"incast: the receiver's ports are shared evenly: {seconds(incast)}")

    # A ring all-reduce of n = 16 by eight channels: a port carries an eighth of 2 (n - 1) / n of the vector.
    ring = emulator.trace(LAPTOP, JOBS / "traffic-all-reduce.yaml", network__round_latency="0 us", network__collective_base="0 us", **quiet)
    serial = 2 * 15 * (2 * 2e-6 + 1e-5)  # at most: path latencies of all rounds
    bound = 2 * 15 / 16 * size / 8 / nic_Bps
    claim(bound <= last_s(ring) * (1 + EXACT) <= bound + serial, f"ring all-reduce: bound by all NICs: {last_s(ring)}")

    # All to all: a NIC sends to the 8 GPUs of the other node, a scale-up port to 7, and PXN adds to that.
    all_to_all = emulator.trace(LAPTOP, JOBS / "traffic-all-to-all.yaml", **quiet)
    claim(close(last_s(all_to_all), 8 * 16e6 / nic_Bps, 1e-6), f"all to all: bound by the NICs: {last_s(all_to_all)}")

    same_node, end = traffic_job(emulator.folder, "pair", flows=[(0, 1, size, 0)]), size / domain_Bps
    claim(close(last_s(emulator.trace(LAPTOP, same_node, **quiet)), end, EXACT), "a copy inside the node")


def bytes_of_flows(path, slots, leaf_of):
    """Bytes each tier must carry one way, by the algebra of shortest paths: [scale-up, tier 1, tiers above]."""
    source, destination = column(path, "flows/source"), column(path, "flows/destination")
    size = column(path, "flows/bytes")
    between = source // slots != destination // slots
    above = between & (leaf_of(source) != leaf_of(destination))
    return [int(size[~between].sum()), int(size[between].sum()), int(size[above].sum())]


def conserved(emulator):
    """Bytes of /links are those of /flows: tier by tier, both directions, whatever the routing and the sharing; the sampling
    intervals sum to the same, and so do the single links, none of which carries more than its capacity."""
    topology = lambda routing: ideal_cluster(emulator.folder, 8, 4, [(8, 1, 1), (4, 2, 1)], routing=routing)
    for routing in ROUTINGS:
        for pattern, keys in (("permutation", {"bytes": "12345678 B"}), ("shift", {"bytes": "7777777 B", "shift": 9}),
                              ("ring", {"bytes": "1000001 B"}), ("incast", {"bytes": "999999 B", "fan_in": 5}),
                              ("all_to_all", {"bytes": "54321 B"})):
            job = traffic_job(emulator.folder, pattern, queue_pairs=4, **keys)
            path = emulator.trace(topology(routing), job, trace__full_links="on", trace__intervals=37)
            expected = bytes_of_flows(path, 4, lambda gpu: gpu // 8)
            carried = column(path, "links/bytes")[0]
            where = f"{pattern} with {routing}"
            nflows = len(column(path, "flows/bytes"))
            # Queue pairs carry equal shares, rounded up to whole bytes.
            most = 4 * nflows
            for direction in (UP, DOWN):
                gap = np.abs(carried[:, direction] - expected)
                claim((gap <= most).all(), f"{where}: {carried[:, direction]} carried, {expected} sent")
            first, count = column(path, "links/first_link"), column(path, "links/links")
            intervals = column(path, "intervals/bytes")
            gap = intervals.sum(axis=0) - carried
            claim((gap == 0).all(), f"{where}: intervals sum to the step but for {gap}")
            each = column(path, "links/link_bytes")[0]
            for tier in range(3):
                for direction in (UP, DOWN):
                    begin = first[tier, direction]
                    total = each[begin:begin + count[tier]].sum()
                    claim(abs(total - carried[tier, direction]) <= count[tier],
                          f"{where}: links of tier {tier} sum to it: {total} and {carried[tier, direction]}")
                    most_bytes = column(path, "links/capacity_Bps")[tier] * last_s(path)
                    claim(each[begin:begin + count[tier]].max() <= most_bytes * (1 + 1e-6) + most,
                          f"{where}: no link of tier {tier} carries more than its capacity allows")


def bytes_of_pairs(nodes, slots, group, size, leaf_nodes, pxn):
    """Bytes each GPU must send and receive in an all-to-all of groups, [GPU, UP or DOWN]: over its scale-up port, its NIC;
    and what goes above the leaves in all. Pair by pair, nothing of the program's blocks in it. With PXN, NIC r of a node
    has leaf r, and what is for slot r of another node goes through the GPU of slot r at home, if that takes part."""
    domain, nic, above = np.zeros((nodes * slots, 2), int), np.zeros((nodes * slots, 2), int), 0
    ranks = nodes * slots // group * group
    for source in range(ranks):
        for destination in range(source // group * group, source // group * group + group):
            between = source // slots != destination // slots
            relay = source // slots * slots + destination % slots if between and pxn else source
            relay = relay if relay < ranks else source
            first = destination if not between else relay
            if first != source:
                domain[source, UP] += size
                domain[first, DOWN] += size
            if between:
                nic[relay, UP] += size
                nic[destination, DOWN] += size
                leaf = lambda gpu: (gpu // slots // leaf_nodes, pxn and gpu % slots)
                above += size * (leaf(relay) != leaf(destination))
    return domain, nic, above


def groups(emulator):
    """All-to-all in groups: every link carries what its pairs of GPUs send over it, to the byte; none ends before the bytes
    can have passed its busiest link, and groups of whole nodes with nothing but NICs to share end just then."""
    size, nodes, slots = 54321, 8, 4
    for wiring, pxn, tree in (("plain", "off", [(8, 1, 1), (4, 8, 1)]), ("rail", "on", [(4, 1, 1), (8, 4, 1)])):
        for routing in ROUTINGS:
            topology = ideal_cluster(emulator.folder, nodes, slots, tree, routing=routing, wiring=wiring, pxn=pxn)
            for group in (6, 16, 32):
                where = f"groups of {group}, {wiring}, {routing}"
                job = traffic_job(emulator.folder, "all_to_all", group=group, bytes=f"{size} B", latency="none")
                path = emulator.trace(topology, job, trace__full_links="on", engine__control_delay="0 us")
                leaf_nodes = 2 if wiring == "plain" else 4
                domain, nic, above = bytes_of_pairs(nodes, slots, group, size, leaf_nodes, pxn == "on")
                if wiring == "rail":  # NICs are numbered leaf by leaf: slot before node
                    nic = nic.reshape(-1, leaf_nodes, slots, 2).swapaxes(1, 2).reshape(-1, 2)
                first, each = column(path, "links/first_link"), column(path, "links/link_bytes")[0]
                for direction in (UP, DOWN):
                    for tier, expected in ((0, domain), (1, nic)):
                        begin = first[tier, direction]
                        carried = each[begin:begin + nodes * slots]
                        claim((carried == expected[:, direction]).all(), f"{where}, tier {tier}: {carried}, law {expected}")
                    claim(column(path, "links/bytes")[0, 2, direction] == above, f"{where}: {above} above the leaves")
                pairs = 32 // group * group * (group - 1)
                claim(column(path, "flows/bytes").sum() == pairs * size, f"{where}: /flows has the bytes of all pairs")
                least_s = max(each / np.repeat(column(path, "links/capacity_Bps"), 2 * column(path, "links/links")))
                claim(last_s(path) >= least_s * (1 - EXACT), f"{where}: {last_s(path)} for links that need {least_s}")
                if group % slots == 0 and routing in ("spray", "adaptive"):
                    nic_s = (group - slots) * size / NIC_Bps
                    claim(close(last_s(path), nic_s, 1e-6), f"{where}: bound by the NICs: {last_s(path)}, law {nic_s}")
                closed = emulator.trace(topology, job, name="closed", engine__kind="closed")
                claim((column(path, "flows/end_ps") >= column(closed, "flows/end_ps")).all(), f"{where}: alone is never later")


def bound(emulator):
    """No run beats the closed engine, flow by flow or in all; and the closed engine never lets k transfers share a link for
    less than the bytes need: neither does the flow engine, whatever is in flight at once."""
    for job in ("permutation", "shift", "ring", "incast", "all-to-all", "all-reduce", "flows"):
        job = JOBS / f"traffic-{job}.yaml"
        for routing in ROUTINGS:
            flow = emulator.trace(LAPTOP, job, name="flow", fabric__routing=routing)
            closed = emulator.trace(LAPTOP, job, name="closed", fabric__routing=routing, engine__kind="closed")
            claim((column(flow, "flows/end_ps") >= column(closed, "flows/end_ps")).all(),
                  f"{job.stem} with {routing}: alone is never later")
            claim((column(flow, "flows/slowdown") >= 1 - 1e-12).all() and close(column(closed, "flows/slowdown"), 1, 1e-12),
                  f"{job.stem} with {routing}: a slowdown is at least 1, and 1 alone")
    train = [emulator.trace(LAPTOP, JOBS / "ddp-small.yaml", name=kind, engine__kind=kind) for kind in ("flow", "closed")]
    claim((column(train[0], "steps/end_ps") >= column(train[1], "steps/end_ps")).all(), "nor does a training run beat it")


def parts(emulator):
    """k equal parts of a message, submitted together, share its links: they end within k latencies of the one message. (The
    mistake: k chunks in flight move k times the bytes in the same time, or one chunk takes twice as long as two.)"""
    topology = ideal_cluster(emulator.folder, 8, 4, [(8, 1, 1), (4, 2, 1)], routing="ecmp", cable="1 us")
    size = 96 * 10**6
    for pairs in ([(0, 1)], [(0, 4)], [(0, 13)], [(0, 13), (1, 14), (2, 13)]):
        whole = {}
        for delay in ("0 us", "10 us"):
            for k in (1, 2, 4, 16, 96):
                flows = [(a, b, size // k, 0) for a, b in pairs for _ in range(k)]
                job = traffic_job(emulator.folder, f"parts{k}", flows=flows, latency="10 us")
                path = emulator.trace(topology, job, engine__control_delay=delay)
                end_s = last_s(path)
                whole.setdefault(delay, end_s)
                slack = k * (10e-6 + 12e-6) if delay != "0 us" else 1e-9
                claim(whole[delay] * (1 - 1e-9) <= end_s <= whole[delay] + slack,
                      f"{pairs}, {k} parts, control delay {delay}: {end_s} against {whole[delay]}")


def dimensions(emulator):
    """A message that changes node and slot is charged every dimension it crosses, so the slowest binds. (The mistake: only
    the first dimension that differs counts, 8 times too fast for pipeline traffic that is not slot-aligned.)"""
    size = 10**9
    for wiring, pxn in (("plain", "off"), ("rail", "off"), ("rail", "on")):
        topology = ideal_cluster(emulator.folder, 4, 8, [(4, 1, 1), (8, 2, 2)] if wiring == "rail" else [(8, 1, 1), (4, 8, 1)],
                                 wiring=wiring, pxn=pxn)
        flows = {(0, 1): DOMAIN_Bps, (0, 8): NIC_Bps, (0, 9): NIC_Bps, (3, 30): NIC_Bps}
        for (a, b), rate_Bps in flows.items():
            job = traffic_job(emulator.folder, "pair", flows=[(a, b, size, 0)])
            path = emulator.trace(topology, job)
            claim(close(last_s(path), size / rate_Bps, EXACT), f"{a} to {b}, {wiring}, pxn {pxn}: {last_s(path)}")
            carried = column(path, "links/bytes")[0].sum(axis=1)
            claim((carried[1] > 0) == (a // 8 != b // 8), f"{a} to {b}: the NICs carry it: {carried}")
            claim((carried[0] > 0) == (a // 8 == b // 8 or pxn == "on" and a % 8 != b % 8),
                  f"{a} to {b}: the scale-up domain carries its part: {carried}")


def ring_law(emulator):
    """One ring all-reduce on n single-GPU nodes: T = 2 (n - 1) / n * S / B + 2 (n - 1) * alpha, for n = 2 to 32 (measured to
    hold within 1.2 % in packet simulations of rail rings, B = 50 GB/s, alpha = 5.5 us). Here the rounds are played as
    one transfer: exact but for the rounding of the rate."""
    topology = ideal_cluster(emulator.folder, 32, 1, [(32, 1, 1)])
    alpha_s = 5.5e-6
    for n in (2, 3, 4, 5, 8, 16, 31, 32):
        for size in (64 * 2**10, 16 * 2**20, 2**30):
            job = traffic_job(emulator.folder, "collective", collective="all_reduce", algorithm="ring", ranks=n,
                              bytes=f"{size} B")
            path = emulator.trace(topology, job, network__round_latency="5500 ns", network__collective_base="0 us",
                                  network__protocol="simple")
            expected = 2 * (n - 1) / n * size / NIC_Bps + 2 * (n - 1) * alpha_s
            claim(close(last_s(path), expected, 1e-4), f"ring of {n}, {size} bytes: {last_s(path)}, law {expected}")


def ties(emulator):
    """Equal flows are treated equally, whoever comes first: all end together, in any order of the table. (The mistake: an
    exact tie always resolved in the same order, so that all losses fall on one sender.)"""
    topology = ideal_cluster(emulator.folder, 8, 4, [(8, 1, 1), (4, 2, 1)])
    senders, size = [4, 9, 14, 19, 24], 10**8
    for order in (senders, senders[::-1]):
        job = traffic_job(emulator.folder, "tie", flows=[(a, 0, size, 0) for a in order])
        path = emulator.trace(topology, job)
        claim(close(seconds(path), len(senders) * size / NIC_Bps, EXACT), f"five into one, {order}: {seconds(path)}")


def fair(emulator):
    """Flows that share one link share it evenly, near or far: a flow over 2 cables of 10 us and one over 4 get half each.
    (The mistake: with latency, a solver made for TCP weights shares by 1 / latency, as no RDMA fabric does.)"""
    topology = ideal_cluster(emulator.folder, 8, 4, [(8, 1, 1), (4, 2, 1)], cable="10 us")
    size = 10**8
    near = traffic_job(emulator.folder, "fair", flows=[(4, 0, size, 0), (16, 0, size, 0)], latency="0 us")
    took_s = seconds(emulator.trace(topology, near, engine__control_delay="0 us"))
    # Near starts 20 us before far: it has the port alone for 20 us, and both end 1 MB of its bytes before an even race would.
    expected = [2e-5 + 2e-5 + 2 * (size - 20 * 50000) / NIC_Bps, 4e-5 + 2 * size / NIC_Bps - 2e-5]
    claim(close(took_s, expected, 1e-6), f"near and far share evenly: {took_s}, law {expected}")


def own_ghosts(emulator):
    """A queue pair does not wait for itself: on idle paths flows one after the other between two GPUs, the same repetition
    again and the phases of a collective take as long as alone, whatever the control delay. (The mistake: 20 flows of 1 MB
    one after the other lost 12.8 %, a repeated shift 20 %, a halving/doubling all-reduce 5 to 20 %.)"""
    for delay in ("0 us", "10 us", "100 us"):
        quiet = {"engine__control_delay": delay, "traffic__latency": "none"}
        end_ps = 1 + 10**12 * 10**6 // (47 * 10**9)
        chain = traffic_job(emulator.folder, "chain", flows=[(0, 8, 10**6, k * end_ps) for k in range(20)])
        path = emulator.trace(LAPTOP, chain, **quiet)
        claim((column(path, "flows/slowdown") == 1).all(), f"{delay}: chain: {column(path, 'flows/slowdown')}")
        path = emulator.trace(LAPTOP, JOBS / "traffic-shift.yaml", "--steps", 4, "--every-step", traffic__bytes="1 MB", **quiet)
        claim((column(path, "flows/slowdown") == 1).all(), f"{delay}: shift: {column(path, 'flows/slowdown')}")
    took_s = {last_s(emulator.trace(LAPTOP, JOBS / "traffic-all-reduce.yaml", traffic__bytes="16 MB", engine__control_delay=delay,
                                    traffic__algorithm="halving_doubling")) for delay in ("0 us", "10 us", "100 us")}
    claim(len(took_s) == 1, f"phases of one collective: {took_s}")


def units(emulator):
    """Decimal and binary prefixes are what they say, bits are an eighth, and times are whole picoseconds, not nanoseconds.
    (The mistakes: GB read as 2^30 for the network and 10^9 for memory; times cut to nanoseconds; whole ns per byte.)"""
    topology = ideal_cluster(emulator.folder, 2, 1, [(2, 1, 1)])
    for text, size in (("1 GB", 10**9), ("1 GiB", 2**30), ("1 MB", 10**6), ("1 MiB", 2**20), ("1 KiB", 1024),
                       ("1 B", 1), ("50 B", 50)):
        job = traffic_job(emulator.folder, "shift", shift=1, bytes=text)
        path = emulator.trace(topology, job)
        # 50 GB/s is 20 ps a byte.
        claim((column(path, "flows/end_ps") == 20 * size).all(), f"{text} takes {20 * size} ps: {column(path, 'flows/end_ps')}")
        claim((column(path, "flows/bytes") == size).all(), f"{text} is {size} bytes")
    path = emulator.trace(topology, job, fabric__routing="ecmp", traffic__bytes="1 GB")
    claim(tiers(path) == ["scale-up", "tier1"] and column(path, "links/capacity_Bps").tolist() == [DOMAIN_Bps, NIC_Bps],
          "capacities are those of the files")


def latency(emulator):
    """A chain of small messages costs one way each, not a round trip: a message of a byte ends one path latency after it
    starts. (The mistake: arrival is told when the sender has the last acknowledgement, 65 % on a chain of small ones.)"""
    topology = ideal_cluster(emulator.folder, 8, 4, [(8, 1, 1), (4, 2, 1)], cable="1 us")
    for b, cables in ((4, 2), (8, 4)):
        job = traffic_job(emulator.folder, "pair", flows=[(0, b, 50, 0), (0, b, 50, 30 * 10**6)], latency="3 us")
        path = emulator.trace(topology, job, engine__control_delay="0 us")
        took_ps = column(path, "flows/end_ps") - column(path, "flows/start_ps")
        claim((took_ps == (cables + 3) * 10**6 + 50 * 20).all(), f"0 to {b}: {took_ps} ps")


def settings_count(emulator):
    """Every key of a traffic job has an effect or is refused. (The mistake: documented keys that are read and then ignored,
    byte-identical output with and without them.)"""
    job = JOBS / "traffic-all-reduce.yaml"
    base = last_s(emulator.trace(LAPTOP, job))
    for key in ("network__round_latency", "network__collective_base"):
        done = emulator.run(LAPTOP, job, path=emulator.folder / "changed.h5", **{key: "1 ms"})
        claim(done.returncode == 2 or last_s(emulator.folder / "changed.h5") > base, f"{key} counts for a collective")
    path = emulator.folder / "three.h5"
    done = emulator.run(LAPTOP, JOBS / "traffic-shift.yaml", "--steps", 3, path=path)
    claim(done.returncode == 2 or column(path, "committed_steps") == 3, "three repetitions are three steps")


def users(emulator):
    """Who crosses a link: of the flows into one NIC the largest are named, largest first, with all their bytes; a flow that
    a queue pair in four takes over a link is charged a quarter there; and what all users carry is what the link carries."""
    topology = ideal_cluster(emulator.folder, 8, 4, [(8, 1, 1), (4, 4, 1)], routing="ecmp")
    flows = [(gpu, 0, (7 * gpu % 29 + 1) * 10**6, 0) for gpu in range(4, 32)]
    largest = sorted(flows, key=lambda flow: -flow[2])
    for queue_pairs in (1, 4):
        job = traffic_job(emulator.folder, "users", flows=flows, queue_pairs=queue_pairs)
        path = emulator.trace(topology, job, trace__hot_links=64)
        link, carried, source, each = (column(path, f"links/{name}")[0]
                                       for name in ("hot_link", "hot_bytes", "user_source", "user_bytes"))
        traffic = column(path, "links/hot_traffic_bytes")[0]
        used = link >= 0
        claim((np.abs(traffic[used].sum(axis=1) - carried[used]) <= len(flows)).all(),
              f"{queue_pairs} queue pairs: users together carry what the link carries: {traffic[used]}, {carried[used]}")
        for k in np.flatnonzero(used):
            named = each[k][source[k] >= 0]
            claim(len(named) > 0 and (np.diff(named) <= 0).all() and named.sum() <= carried[k] + len(flows),
                  f"{queue_pairs} queue pairs: users of link {link[k]} come by bytes: {named} of {carried[k]}")
        last = np.flatnonzero(link == column(path, "links/first_link")[1, DOWN])
        claim(len(last) == 1, f"the NIC that all flows go to is among the hottest: {link}")
        named = list(zip(source[last[0]], each[last[0]]))
        claim(named == [(flow[0], flow[2]) for flow in largest[:len(named)]],
              f"{queue_pairs} queue pairs: users of the NIC are {named}, the largest {largest[:4]}")


run_case(patterns, conserved, groups, bound, parts, dimensions, ring_law, ties, fair, users, own_ghosts, units,
         latency, settings_count)
