#!/usr/bin/python3
"""sense.py MPIEXEC COLOSSIM CASE: laws of common sense that any machine and any job obey."""

import random

import numpy as np
import random_inputs
from emulator import JOBS, TOPOLOGIES, claim, close, column, run_case, tiers
from inputs import DOMAIN_Bps, NIC_Bps, ideal_cluster, traffic_job

# Every shipped training job with a machine that it is for. (llama3.1-405b-1m is llama3.1-405b-colossus on ten times the GPUs.)
SHIPPED = (("laptop-16", "ddp-small"), ("superpod-h100-4su", "ddp-small"), ("meta-24k-roce", "llama3.1-405b-8k"),
           ("colossus-100k", "llama3.1-405b-colossus"), ("published/dgx-h100-ndr400", "published/megatron-core-r0.8"),
           ("published/dgx-a100-hdr200", "published/megatron-lm-2021"),
           ("published/dgx-a100-hdr200", "published/megatron-lm-2022"),
           ("published/dgx-h100-ndr400", "published/mlperf-gpt3"))
LAPTOP = TOPOLOGIES / "laptop-16.yaml"
EQUAL = 1e-6  # of a step
NEAR = 0.03  # of what a step costs a GPU, from one replica to the next


def alone(emulator, *arguments, **settings):
    """A run that is not about ranks: without mpiexec, whose start takes longer than the run."""
    return emulator.trace(*arguments, ranks=0, **settings)


def step_s(path):
    """The last step that was played."""
    return (column(path, "steps/end_ps") - column(path, "steps/start_ps"))[-1] / 1e12


def took_s(emulator, topology, placement="contiguous", collective="all_reduce", **keys):
    job = traffic_job(emulator.folder, "collective", collective=collective, algorithm="hierarchical", latency="none", **keys)
    return step_s(alone(emulator, topology, job, placement__kind=placement))


def claim_near(emulator, topology, job, sizes, **settings):
    """With n and with n - 1 replicas a step costs a GPU about the same: each has the same work, and its share of NICs. The
    batch is per replica."""
    steps = {dp: step_s(alone(emulator, topology, job, "--steps", 2, parallel__dp=dp, noise__enabled="off",
                                       parallel__global_batch="auto", **settings))
             for dp in sorted({n - less for n in sizes for less in (0, 1)})}
    for n in sizes:
        claim(abs(steps[n - 1] / steps[n] - 1) <= NEAR, f"{job.stem} {settings}: {steps[n - 1]} s with {n - 1} replicas, "
                                                        f"{steps[n]} s with {n}")


def replicas(emulator):
    """From full domains to one that lacks a GPU, and on where what the domain reduces hides what NICs do. (A GPU alone in
    its domain has but its own NIC for all that the others reduce, on any machine.)"""
    claim_near(emulator, LAPTOP, JOBS / "ddp-small.yaml", (16, 15))
    claim_near(emulator, TOPOLOGIES / "superpod-h100-1su.yaml", JOBS / "ddp-small.yaml", (24, 256))


def shipped(emulator):
    """The same for the shipped jobs of many GPUs; their batch as written, per replica."""
    for topology, job, dp, batches in (("meta-24k-roce", "llama3.1-405b-8k", 64, 32),
                                       ("colossus-100k", "llama3.1-405b-colossus", 780, 16),
                                       ("published/dgx-h100-ndr400", "published/megatron-core-r0.8", 48, 24),
                                       ("published/dgx-a100-hdr200", "published/megatron-lm-2021", 32, 1),
                                       ("published/dgx-h100-ndr400", "published/mlperf-gpt3", 8, 128)):
        claim_near(emulator, TOPOLOGIES / f"{topology}.yaml", JOBS / f"{job}.yaml", (dp, dp + 1) if dp != 32 else (dp,),
                   parallel__microbatches=batches)


def norms(emulator):
    """The norm of gradients takes what the same all-reduce takes as traffic, by whatever protocol, and however replicas
    reduce."""
    for name, dp in (("laptop-16", 2), ("laptop-16", 8), ("laptop-16", 12), ("laptop-16", 16), ("superpod-h100-1su", 24)):
        for protocol in "auto", "simple":
            keys = {"network__protocol": protocol, "network__round_latency": "13 us", "network__collective_base": "7 us"}
            topology, job = TOPOLOGIES / f"{name}.yaml", traffic_job(emulator.folder, "collective", ranks=dp, bytes="4 B")
            traffic_s = step_s(alone(emulator, topology, job, **keys))
            path = alone(emulator, topology, JOBS / "ddp-small.yaml", "--steps", 1, parallel__dp=dp, parallel__global_batch="auto",
                         network__dp_algorithm="hierarchical", **keys)
            begin, end, size = (column(path, f"collectives/{part}") for part in ("start_ps", "end_ps", "bytes"))
            norm_s = (end - begin)[size == 4] / 1e12
            claim(len(norm_s) == 1 and close(norm_s[0], traffic_s, 1e-4),
                  f"{dp} GPUs of {name}, {protocol}: the norm takes {norm_s} s, as traffic {traffic_s}")


def no_slower(emulator, steps, before, **after):
    """A step of each shipped job takes no longer with any one of the keys `after` than with those `before`."""
    for machine, name in SHIPPED:
        topology, job = TOPOLOGIES / f"{machine}.yaml", JOBS / f"{name}.yaml"
        took = lambda keys: step_s(alone(emulator, topology, job, "--steps", steps, noise__enabled="off", **keys))
        old = took(before)
        for key, value in after.items():
            new = took({**before, key: value})
            claim(new <= old * (1 + EQUAL), f"{name} on {machine}, {key} {value}: {old} s to {new} s")


def overlap(emulator):
    """Overlap on is never slower than off, and a network with less latency never slower, for every shipped job."""
    for key in ("grad", "param", "pp", "tp"):
        no_slower(emulator, 2, {f"training__{key}_overlap": "off"}, **{f"training__{key}_overlap": "on"})
    no_slower(emulator, 1, {"network__round_latency": "10 us", "network__message_latency": "50 us"},
              network__round_latency="1 us", network__message_latency="5 us")


def overlap_alone(emulator):
    """Where transfers do not meet, overlap of any kind never makes any job slower, whatever share of a GPU it takes. (Where
    they do, a reduction that starts sooner may hold up a message that others wait for: of 480 random cases one was 2.7 %
    slower, an all-to-all of 16 queue pairs each over a fabric of 8 to 1. Where reductions are not aligned, each stage of a
    pipeline waits for what those of the stages behind it took of GPUs: two of 60 jobs were 0.9 and 1.6 % slower.)"""
    random_inputs.write_parts(emulator.folder)
    legal = 0
    for seed in range(12):
        draw = random.Random(seed)
        topology, gpus, domain = random_inputs.topology(draw, emulator.folder, "machine")
        job = random_inputs.training(draw, emulator.folder, "job", gpus, domain)
        for key in ("grad", "param", "pp", "tp"):
            took = []
            for value in ("off", "on"):
                path = emulator.folder / "run.h5"
                done = emulator.run(topology, job, "--steps", 2, ranks=0, path=path, noise="off", engine__kind="closed",
                                    **{"training__align_reductions": "on", f"training__{key}_overlap": value})
                took += [step_s(path)] if done.returncode == 0 else []
            legal += len(took) == 2
            claim(len(took) < 2 or took[1] <= took[0] * (1 + 1e-9), f"seed {seed}, {key}: {took}\n{job.read_text()}")
    claim(legal > 0, "some random jobs are legal")


def domains(emulator):
    """It is the scale-up domain that counts, not which of its GPUs are called a node: the same GPUs, NICs and domains take
    the same time however they are cut into nodes. With p members in each of D domains, an all-reduce of B bytes takes
    2 (D - 1) / D * B / p at a NIC."""
    size = 960 * 10**6
    for domain, cuts in ((4, (1, 4, 16)), (8, (4, 16)), (3, (1, 6)), (16, (2, 8))):
        gpus = 18 if domain == 3 else 32
        cuts = [slots for slots in cuts if gpus % slots == 0]
        for placement in ("contiguous", "random"):
            for slots in cuts:
                topology = ideal_cluster(emulator.folder, gpus // slots, slots, [(gpus, 1, 1)], domain=domain)
                took = took_s(emulator, topology, placement, bytes=f"{size} B", ranks=gpus)
                count = gpus // domain
                law = max(2 * (count - 1) / count * size / domain / NIC_Bps, 2 * (domain - 1) / domain * size / DOMAIN_Bps)
                claim(close(took, law, 1e-6), f"domains of {domain}, nodes of {slots}, {placement}: {took} s, law {law}")


def uneven(emulator):
    """The last domain lacks some: all that its p members do not bring comes in by p NICs, and no other has more to do."""
    size = 720720 * 1000
    for slots, domain in ((8, 8), (4, 16)):
        topology = ideal_cluster(emulator.folder, 64 // slots, slots, [(64, 1, 1)], domain=domain)
        for ranks in (domain + 1, 2 * domain - 1, 3 * domain - domain // 2):
            p = ranks % domain
            for collective, passes in (("all_gather", 1), ("reduce_scatter", 1), ("all_reduce", 2)):
                took = took_s(emulator, topology, collective=collective, ranks=ranks, bytes=f"{size} B")
                nic = (ranks - p if passes == 1 else 2 * ranks - p - domain) / ranks * size / p / NIC_Bps
                # Inside, all but what a member brings; of that, what no channel brings to it either from outside.
                most = passes * (ranks - 1) / ranks * size / DOMAIN_Bps
                where = f"{collective} of {ranks} in domains of {domain}, nodes of {slots}"
                claim(nic * (1 - 1e-6) <= took <= max(nic, most) * (1 + 1e-6), f"{where}: {took} s, NICs {nic}, ports {most}")


def port_bytes(members, domain, size, kind):
    """What a NIC and a port of the domain carry at most, as src/collective/hierarchical.c documents it, counted from its
    words alone: `kind` of `size` bytes among GPUs `members`."""
    homes = {}
    for gpu in members:
        homes.setdefault(gpu // domain, []).append(gpu)
    p, n = [len(home) for home in homes.values()], len(members)
    gathers, scatters, channels = kind != "reduce_scatter", kind != "all_gather", min(p)
    lacks = [(n - k) / n * size for k in p]  # what a domain does not bring itself
    nic = max((gathers * lacks[(d + 1) % len(p)] + scatters * lacks[d]) / channels for d in range(len(p))) * (len(p) > 1)
    passes, inside = gathers + scatters, 0
    for k, lack in zip(p, lacks):
        # Of the two ends of an edge those that count are ports of a channel, which brings its part; others follow each other.
        met = passes if k == channels else max(passes - (k - channels), 0)
        inside = max(inside, (k > 1) * (passes * (k - 1) / n * size + (passes - met / channels) * lack))
    return nic, inside


def ring_bytes(members, domain, size, kind):
    """The same of rings through all members, as many as the smallest domain has: all but a share on their edges. Each leaves
    a domain by a member of its own, where that has one edge less inside."""
    each = (1 + (kind == "all_reduce")) * (len(members) - 1) / len(members) * size
    homes = [gpu // domain for gpu in members]
    sizes = [homes.count(home) for home in set(homes)]
    channels = min(sizes) if len(sizes) > 1 else 1
    inside = each if max(sizes) > channels or len(sizes) == 1 else each * (channels - 1) / channels
    return each / channels * (len(sizes) > 1), inside * (max(sizes) > 1)


def sent_messages(tp, pp, dp, slots, times):
    """Messages that each NIC sends, of `times` that each GPU sends a stage on and a stage back: by that of the receiver's slot
    on the same node, if that is the same place in another stage, as of one communicator, else by its own."""
    sent = np.zeros(64, int)
    for gpu in range(tp * dp * pp):
        for to in (gpu + tp * dp, gpu - tp * dp):
            if to // slots == gpu // slots or not 0 <= to < tp * dp * pp:
                continue
            relay = gpu // slots * slots + to % slots
            sent[relay if (relay - gpu) % (tp * dp) == 0 and relay < tp * dp * pp else gpu] += times
    return sent


def strangers(emulator):
    """Groups that have no GPU in common do not wait for each other, nor do they use each other's NICs, though they share
    domains and rails cross: each collective takes what its own NICs, or ports, take alone. Random groups, stage by stage
    across nodes; a fabric of full bisection without latency."""
    random_inputs.write_parts(emulator.folder)
    kinds = ("all_reduce", "reduce_scatter", "all_gather")
    for seed in range(12):
        draw = random.Random(seed)
        tp, pp, zero = draw.choice((1, 1, 2)), draw.choice((2, 2, 4)), draw.randint(0, 1)
        dp = draw.choice((4 // tp, draw.randint(2, 64 // (tp * pp)), draw.randint(2, 64 // (tp * pp))))
        topology = ideal_cluster(emulator.folder, 8, 8, [(8, 1, 1), (8, 8, 1)], routing=draw.choice(("spray", "adaptive")),
                                 wiring=draw.choice(("rail", "rail", "plain")), pxn="on")
        job = emulator.folder / "job.yaml"
        job.write_text(f"schema_version: 1\nkind: training\nmodel: {draw.choice(('tiny', 'tiny-tied'))}\nparallel:\n"
                       f"  tp: {tp}\n  pp: {pp}\n  dp: {dp}\n  zero: {zero}\n  schedule: gpipe\n  microbatches: 3\n"
                       "  order: tp-dp-pp\ntraining:\n  sequence: 16\nnetwork:\n  eager: 1 kB\n  collective_base: 0 us\n"
                       "  round_latency: 0 us\n  message_latency: 0 us\nsteps: 2\n")
        algorithm = draw.choice(("hierarchical", "hierarchical", "ring"))
        where = f"seed {seed}: tp {tp}, pp {pp}, dp {dp}, zero {zero}, {algorithm}\n{topology.read_text()}"
        path = alone(emulator, topology, job, engine__control_delay="0 us", network__dp_algorithm=algorithm)
        rows = {name: column(path, f"collectives/{name}") for name in ("kind", "bytes", "group_first", "group_stride",
                                                                     "group_size", "start_ps", "end_ps")}
        for kind, size, first, stride, n, start_ps, end_ps in zip(*rows.values()):
            heaviest = ring_bytes if algorithm == "ring" else port_bytes
            nic, inside = heaviest([first + i * stride for i in range(n)], 8, int(size), kinds[kind])
            law = max(nic / NIC_Bps, inside / DOMAIN_Bps)
            took = (end_ps - start_ps) / 1e12
            # Messages of the pipeline's end pass by, of 32 kB each.
            claim(size <= 1000 or law * (1 - 1e-6) <= took <= law * (1 + 1e-6) + 4e-6,
                  f"{kinds[kind]} of {size} bytes from GPU {first} on: {took} s, law {law}; {where}")
        path = alone(emulator, topology, job, network__eager="1 GB", trace__full_links="on")
        first, each = column(path, "links/first_link")[1, 0], column(path, "links/link_bytes")[0]
        carried = each[first:first + 64]
        if "wiring: rail" in topology.read_text():  # NICs are numbered leaf by leaf: slot before node
            carried = carried.reshape(8, 8).T.flatten()
            law = sent_messages(tp, pp, dp, 8, 3 * 16 * 1024 * 2 // tp)
            claim((carried == law).all(), f"NICs send {carried}, law {law}: {where}")


def exposed_s(path):
    return sum(column(path, f"steps/{kind}_exposed_ps")[-1] for kind in ("pp", "dp")) / 1e12


def blocking(emulator):
    """ZeRO-2 without overlap reduces a bucket where it is full, and the backward waits, and with it all that wait for that
    backward: the last microbatch goes back through every virtual stage, so the step waits for the reductions of all of them
    one after the other, but for the last of each, which the hand-over does not wait for (and for one such in the end, and the
    gathers before the first forward). By time alone, messages being small."""
    random_inputs.write_parts(emulator.folder)
    topology = ideal_cluster(emulator.folder, 8, 8, [(8, 1, 1), (8, 8, 1)], routing="adaptive", wiring="rail")
    for pp, chunks, microbatches, dp in ((4, 1, 4, 8), (4, 2, 8, 8), (2, 4, 4, 16), (8, 1, 8, 4)):
        job = emulator.folder / "job.yaml"
        job.write_text(f"schema_version: 1\nkind: training\nmodel: tiny\nparallel:\n  pp: {pp}\n  dp: {dp}\n"
                       f"  chunks: {chunks}\n  microbatches: {microbatches}\n  zero: 2\n  order: tp-dp-pp\ntraining:\n"
                       "  sequence: 16\n  bucket_parameters: 2000000\n  grad_overlap: off\n  param_overlap: off\nnetwork:\n"
                       "  eager: 1 kB\n  collective_base: 0 us\n  round_latency: 0 us\n  message_latency: 0 us\nsteps: 2\n")
        path = alone(emulator, topology, job)
        waits, gathers = exposed_s(path), 0
        rows = [column(path, f"collectives/{name}") for name in ("step", "kind", "group_first", "start_ps", "end_ps")]
        law = 0
        for stage in range(pp):
            took = {kind: [(end - start) / 1e12 for step, k, first, start, end in zip(*rows)
                           if step == 1 and k == kind and first == stage * dp] for kind in (1, 2)}
            last = sum(took[1]) / len(took[1])  # buckets of a stage are about alike
            law += sum(took[1]) - chunks * last
            gathers = max(gathers, sum(took[2]))
        law += last + gathers
        waits -= exposed_s(alone(emulator, topology, job, parallel__dp=1))
        claim(close(waits, law, 0.03), f"pp {pp}, chunks {chunks}, dp {dp}: waits {waits} s, reductions in a row {law} s")


def sharded(emulator):
    """ZeRO-3: in each microbatch every layer is gathered twice and reduced once, embedding and head (one, and kept) are
    gathered once; without resharding all are. A NIC sends what its node, one of D that a group of 8 a node spans, passes on:
    (D - 1) / D of the bytes over 8 NICs, in each of two passes for an all-reduce, here of a share of the gradients."""
    random_inputs.write_parts(emulator.folder)
    topology = ideal_cluster(emulator.folder, 8, 8, [(8, 1, 1), (8, 8, 1)], routing="adaptive", wiring="rail")
    job = emulator.folder / "job.yaml"
    job.write_text("schema_version: 1\nkind: training\nmodel: tiny\nparallel:\n  dp: 64\n  zero: 3\n  microbatches: 1\n"
                   "training:\n  sequence: 16\nnetwork:\n  dp_algorithm: hierarchical\nsteps: 2\ntrace:\n  full_links: on\n")

    def collectives(**settings):
        path = alone(emulator, topology, job, **settings)
        kind, size, n, of, step = (column(path, f"collectives/{name}")
                                   for name in ("kind", "bytes", "group_size", "group_first", "step"))
        first, each = column(path, "links/first_link")[1, 0], column(path, "links/link_bytes")[1]
        mine = (step == 1) & (of == 0)  # of the groups that GPU 0 is in
        return kind[mine], size[mine].astype(float), n[mine], each[first:first + 64]

    kind, size, _, _ = collectives(parallel__zero=1)
    parameters = size[kind == 2].sum() / 2
    for m, group, reshard in ((1, "all", "on"), (3, "all", "on"), (2, "all", "off"), (2, 8, "on"), (3, 16, "on"), (1, 32, "off")):
        kind, size, n, carried = collectives(parallel__microbatches=m, parallel__shard_group=group, parallel__reshard=reshard)
        where = f"{m} microbatches, shard_group {group}, reshard {reshard}"
        gathers, scatters = size[kind == 2], size[kind == 1]
        layers = len(scatters) // m - 1
        layer = np.sort(scatters)[len(scatters) // 2] / 4
        root = parameters - layers * layer
        twice = reshard == "on"
        shards = 64 if group == "all" else group
        claim(len(gathers) == m * ((1 + twice) * layers + 1) and layers > 2, f"{where}: {len(gathers)} gathers")
        claim(close(scatters.sum(), 4 * m * parameters, 1e-9), f"{where}: {scatters.sum()} B reduced, {parameters} parameters")
        claim(close(gathers.sum(), 2 * m * (layers * layer * (1 + twice) + root), 1e-9), f"{where}: {gathers.sum()} B gathered")
        across = size[(kind == 0) & (size > 4)]
        claim(close(across.sum(), 4 * m * parameters / shards * (shards < 64), 1e-6), f"{where}: {across.sum()} B across")
        nodes = np.maximum(np.where(kind == 0, n, n // 8), 1)  # an all-reduce across is among one of each group
        one = kind == 0
        law = ((nodes - 1) / nodes * size * np.where(one, 2, 1 / 8))[size > 4]
        claim(close(carried.min(), law.sum(), 1e-4) and close(carried.max(), law.sum(), 1e-4),
              f"{where}: NICs send {carried.min()} to {carried.max()} B, law {law.sum()}")


def tensors(emulator):
    """Tensor parallelism is as wide as the domain, over several nodes too, wherever these are: what it costs is that of one
    node of as many GPUs."""
    took = {}
    for slots, nodes in ((8, 4), (4, 8), (2, 16)):
        topology = ideal_cluster(emulator.folder, nodes, slots, [(32, 1, 1)], domain=8)
        for placement in ("contiguous", "random"):
            for ranks in (1, 3):
                path = emulator.trace(topology, JOBS / "ddp-small.yaml", "--steps", 2, ranks=ranks, parallel__tp=8,
                                      placement__kind=placement)
                took[slots, placement, ranks] = step_s(path)
    first = took[8, "contiguous", 1]
    claim(all(close(s, first, 1e-9) for s in took.values()), f"tp 8 on nodes of 8, 4 and 2: {took}")
    done = emulator.run(topology, JOBS / "ddp-small.yaml", parallel__tp=12)
    claim(done.returncode == 2 and "tp = 12 does not divide the 8 GPUs" in done.stderr, f"not wider than that: {done.stderr}")


def ports(emulator):
    """A NIC has a rate of its own, whatever its ports: a message takes what the slower of NIC and ports takes, queue pairs
    in turn on each port; messages that share a NIC share it, over whichever ports they come."""
    size = 96 * 10**6
    pair = lambda pairs, **keys: traffic_job(emulator.folder, "pairs", flows=[(a, b, size, 0) for a, b in pairs], **keys)
    for count, tree in ((2, (16, 2, 1)), (4, (16, 2, 2)), (3, (16, 3, 1))):
        for rate, port_Bps in (("400 Gb/s", 50e9), ("100 Gb/s", 12.5e9)):
            for routing in ("ecmp", "dmodk", "spray", "adaptive"):
                topology = ideal_cluster(emulator.folder, 16, 1, [tree], routing=routing, rate=rate)
                where = f"{count} ports of {rate}, {tree}, {routing}"
                for queue_pairs in (1, count):
                    took = step_s(alone(emulator, topology, pair([(0, 1)], queue_pairs=queue_pairs, latency="none")))
                    spread = count if routing in ("spray", "adaptive") else min(queue_pairs, count)
                    law = size / min(NIC_Bps, spread * port_Bps)
                    claim(close(took, law, 1e-6), f"{where}, {queue_pairs} queue pairs: {took} s, law {law}")
        path = alone(emulator, topology, pair([(0, 5), (0, 6), (7, 5), (8, 5)], queue_pairs=count, latency="none"),
                              fabric__tiers__tier1__rate="400 Gb/s", engine__control_delay="0 us")
        claim(close(step_s(path), 3 * size / NIC_Bps, 1e-6), f"{where}: three into one NIC: {step_s(path)} s")
        claim(tiers(path) == ["scale-up", "tier1", "nic"] and column(path, "links/bytes")[0, 2].tolist() == [4 * size, 4 * size],
              f"{where}: the NICs carry each byte once: {column(path, 'links/bytes')[0]}")
    path = alone(emulator, ideal_cluster(emulator.folder, 16, 1, [(16, 1, 1)]), pair([(0, 1)], latency="none"))
    claim(tiers(path) == ["scale-up", "tier1"], "the port of a NIC that has one is the NIC")


def scaling(emulator):
    """Weak scaling, 8,192 to 99,840 GPUs: with more replicas of equal work a step is never shorter, whether buckets are held or
    grow with the replicas (Megatron's rule; 5 of them wait less for latencies than 7, which is worth 0.002 %)."""
    sizes = (64, 100, 400, 780)
    for buckets, less in ((100_000_000, 0), ("auto", 1e-4)):
        took = [step_s(alone(emulator, TOPOLOGIES / "colossus-100k.yaml", JOBS / "llama3.1-405b-colossus.yaml", "--steps", 2,
                             parallel__dp=dp, parallel__global_batch="auto", noise__enabled="off",
                             training__bucket_parameters=buckets)) for dp in sizes]
        claim(all(b >= a * (1 - less) for a, b in zip(took, took[1:])), f"{sizes} replicas, buckets {buckets}: {took}")


run_case(replicas, shipped, norms, overlap, overlap_alone, domains, uneven, strangers, blocking, sharded, tensors, ports, scaling)
