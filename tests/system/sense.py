#!/usr/bin/python3
"""sense.py MPIEXEC COLOSSIM CASE: laws of common sense that any machine and any job obey."""

from emulator import JOBS, TOPOLOGIES, claim, close, column, run_case, tiers
from inputs import DOMAIN_Bps, NIC_Bps, ideal_cluster, traffic_job

LAPTOP = TOPOLOGIES / "laptop-16.yaml"
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
    claim_near(emulator, LAPTOP, JOBS / "ddp-small.yaml", (16, 15, 14, 13))
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
    """Weak scaling, 8,192 to 99,840 GPUs: with more replicas of equal work a step is never shorter. Buckets are held: by
    Megatron's rule they grow with the replicas, and fewer of them cost less than more replicas do."""
    steps = [step_s(alone(emulator, TOPOLOGIES / "colossus-100k.yaml", JOBS / "llama3.1-405b-colossus.yaml", "--steps", 2,
                          parallel__dp=dp, parallel__global_batch="auto", noise__enabled="off",
                          training__bucket_parameters=100_000_000)) for dp in (64, 400, 780)]
    claim(steps == sorted(steps), f"64, 400 and 780 replicas: {steps}")


run_case(replicas, shipped, domains, uneven, tensors, ports, scaling)
