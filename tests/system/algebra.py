#!/usr/bin/python3
"""algebra.py MPIEXEC COLOSSIM CASE: what parallelism sends, read from the trace, against arithmetic done by hand.

A small model on clusters without overheads (inputs.py). Embedding and head, and what a step does once, cancel: what is
compared are differences between two jobs, by a number of layers or of microbatches.
"""

import h5py
import numpy as np

from emulator import claim, column, run_case
from inputs import ideal_cluster

HIDDEN, HEADS, KV_HEADS, WIDTH, FFN, VOCAB, TOKENS, BYTES = 1024, 16, 4, 64, 2816, 32000, 2048, 2
EXPERTS, TOP_K, EXPERT_FFN = 32, 4, 512
LAYER = HIDDEN * WIDTH * (2 * HEADS + 2 * KV_HEADS) + 3 * HIDDEN * FFN + 2 * HIDDEN  # parameters
KEYS = 2 * KV_HEADS * WIDTH  # numbers of a token's keys and values
MIXTURE = {"experts": EXPERTS, "top_k": TOP_K, "expert_ffn": EXPERT_FFN}
UP = 0
ROUNDED = 1e-5  # bytes are rounded up for each edge, and of an exchange by a thousandth of one


def write_job(emulator, name, layers, model=None, training=None, **parallel):
    """A job of the small model; what stands in `model`, `training` and `parallel` beside the rest."""
    (emulator.folder / "models").mkdir(exist_ok=True)
    words = {"layers": layers, "hidden": HIDDEN, "heads": HEADS, "kv_heads": KV_HEADS, "head_dim": WIDTH, "ffn": FFN,
             "vocab": VOCAB, "activation": "swiglu", "tied_embeddings": "off", **(model or {})}
    text = "".join(f"{key}: {value}\n" for key, value in words.items())
    (emulator.folder / f"models/{name}.yaml").write_text("schema_version: 1\nkind: model\n" + text)
    sections = {"parallel": {"microbatches": 1, **parallel},
                "training": {"sequence": TOKENS, "precision": "bf16", "grad_precision": "fp32", **(training or {})}}
    lines = ["schema_version: 1", "kind: training", f"model: {name}"]
    for section, keys in sections.items():
        lines += [f"{section}:", *(f"  {key}: {value}" for key, value in keys.items())]
    path = emulator.folder / f"{name}.yaml"
    path.write_text("\n".join([*lines, "steps: 1"]) + "\n")
    return path


def sent(emulator, topology, layers, alike=True, **job):
    """Bytes of a step: priced inside domains and by NICs, and played on links, upwards: of domains, of NICs. All links of a
    kind carry the same, but between stages."""
    path = emulator.trace(topology, write_job(emulator, "tiny", layers, **job), trace__full_links="on")
    links = column(path, "links/bytes")[0][:, UP]
    first, count, each = column(path, "links/first_link"), column(path, "links/links"), column(path, "links/link_bytes")[0]
    for tier in range(2 if alike else 0):
        mine = each[first[tier, UP]:first[tier, UP] + count[tier]]
        claim(mine.sum() == links[tier] and mine.max() - mine.min() <= ROUNDED * mine.max(),
              f"{job}: links of tier {tier} carry {mine.min()} to {mine.max()}, {mine.sum()} together, {links[tier]} in all")
    return np.array([column(path, "steps/priced_scale_up_bytes")[0], column(path, "steps/priced_nic_bytes")[0], *links[:2]])


def cluster(emulator, nodes, slots):
    return ideal_cluster(emulator.folder, nodes, slots, [(nodes * slots, 1, 1)])


def more_layers(emulator, topology, **job):
    return (sent(emulator, topology, 4, **job) - sent(emulator, topology, 2, **job)) / 2


def more_microbatches(emulator, topology, layers=2, **job):
    once = sent(emulator, topology, layers, microbatches=4, **job)
    return (sent(emulator, topology, layers, microbatches=8, **job) - once) / 4


def claim_sent(found, expected, what):
    off = np.abs(found - np.array(expected)).max()
    claim(off <= ROUNDED * max(expected), f"{what}: {found.tolist()} sent, {expected}")


def tensors(emulator):
    """A layer is gathered twice and scattered twice going forward, gathered four times and scattered twice going back;
    without sequence parallelism it is reduced twice each way. Two replicas of 4 GPUs of a node; gradients, on links, cancel
    where layers do not."""
    topology = cluster(emulator, 2, 4)
    vector = TOKENS * HIDDEN * BYTES * 3 / 4
    for sequence, passes in (("on", 10), ("off", 2 * 4)):
        found = more_layers(emulator, topology, tp=4, sequence_parallel=sequence)
        claim_sent(found[:2], [8 * passes * vector, 0], f"tp 4, sequence parallelism {sequence}")


def contexts(emulator):
    """Keys and values of all go round, or are gathered, once going forward and twice going back (their gradients, too); or
    tokens are exchanged for heads and back."""
    topology = cluster(emulator, 2, 4)
    around, swapped = TOKENS * KEYS * 3, TOKENS / 4 * 2 * (2 * HEADS * WIDTH + KEYS)
    for algorithm, numbers in (("ring", around), ("all_gather", around), ("all_to_all", swapped)):
        found = more_layers(emulator, topology, cp=4, cp_algorithm=algorithm)
        claim_sent(found[:2], [8 * numbers * BYTES * 3 / 4, 0], f"cp 4, {algorithm}")
    found = more_layers(emulator, cluster(emulator, 4, 2), cp=8, cp_algorithm="ring")
    one_of = TOKENS * KEYS * 3 * BYTES * 7 / 8
    claim_sent(found[:2], [4 * one_of, 4 * one_of], "cp 8 on nodes of 2: every other block leaves")


def chance(part):
    """That `part` of the experts have one of a token's."""
    none = 1.0
    for i in range(TOP_K):
        none *= (EXPERTS - part - i) / (EXPERTS - i)
    return 1 - none


def experts(emulator):
    """Rows go to the experts and back, forward and backward: top_k of a token, or one to each domain and one to each GPU that
    has any. In one domain they are priced; among several they stand on ports and NICs."""
    row = 4 * 2 * TOKENS * HIDDEN * BYTES  # four times, two layers
    routing = {"routing": "balanced"}
    topology = cluster(emulator, 1, 4)
    for dispatcher, rows in (("alltoall", TOP_K * 3 / 4), ("node_dedup", 3 * chance(EXPERTS // 4))):
        found = more_microbatches(emulator, topology, model=MIXTURE, ep=4, training={"dispatcher": dispatcher, **routing})
        claim_sent(found, [4 * rows * row, 0, 0, 0], f"ep 4 in a node, {dispatcher}")
    topology = cluster(emulator, 2, 4)
    for dispatcher, inside, outside in (("alltoall", TOP_K * 3 / 4, TOP_K / 2),
                                        ("node_dedup", 6 * chance(EXPERTS // 8), chance(EXPERTS // 2))):
        found = more_microbatches(emulator, topology, model=MIXTURE, ep=8, training={"dispatcher": dispatcher, **routing})
        expected = 8 * row * np.array([0, 0, inside, outside])
        claim((np.abs(found - expected) <= 2e-3 * expected).all() and (found >= expected * (1 - 1e-9)).all(),
              f"ep 8 on two nodes, {dispatcher}: {found.tolist()} sent, {expected.tolist()}")


def replicas(emulator):
    """Each of n NICs sends (n - 1) / n of what is gathered or scattered, twice that of what is reduced: ZeRO-3 gathers a layer
    twice and scatters its gradients in every microbatch, ZeRO-1 once in a step."""
    topology = cluster(emulator, 4, 1)
    for zero, each in ((0, 2 * 4), (1, 4 + 2), (3, 2 + 2 + 4)):
        found = more_layers(emulator, topology, zero=zero)
        claim_sent(found, [0, 0, 0, 3 * each * LAYER], f"zero {zero}")
    found = more_layers(emulator, topology, zero=3, microbatches=3)
    claim_sent(found, [0, 0, 0, 3 * 3 * 8 * LAYER], "zero 3, three microbatches")


def stages(emulator):
    """Activations go over every border once, gradients back."""
    found = more_microbatches(emulator, cluster(emulator, 4, 1), layers=4, alike=False, pp=4)
    claim_sent(found, [0, 0, 0, 2 * 3 * TOKENS * HIDDEN * BYTES], "pp 4")


def ones(emulator):
    """One part of everything, and one expert that all tokens pass, is the dense job: every column of the trace is equal."""
    topology = cluster(emulator, 2, 4)
    for plan in ({}, {"tp": 2}, {"pp": 2, "microbatches": 4}, {"zero": 3}):
        dense = emulator.trace(topology, write_job(emulator, "dense", 4, **plan), name="dense")
        one = {"experts": 1, "top_k": 1, "expert_ffn": FFN}
        explicit = {"tp": 1, "cp": 1, "pp": 1, **plan, "ep": 1, "expert_tp": plan.get("tp", 1)}
        single = emulator.trace(topology, write_job(emulator, "single", 4, model=one, **explicit), name="single")
        with h5py.File(dense) as a, h5py.File(single) as b:
            for group in ("steps", "gpus", "collectives", "links", "intervals"):
                for name in a[group]:
                    if name.startswith("likely") or name == "largest_run_gpus":
                        continue  # what was published of mixtures
                    claim(np.array_equal(a[group][name][()], b[group][name][()], equal_nan=a[group][name].dtype.kind == "f"),
                          f"{plan}: {group}/{name} of one expert is that of the dense job")


def balanced(emulator):
    """Experts that are drawn are never faster than balanced ones, and slower the more they scatter."""
    for nodes, ep in ((1, 4), (2, 8)):
        topology = cluster(emulator, nodes, 4)
        for plan in ({}, {"pp": 2, "ep": ep // 2, "microbatches": 4}, {"zero": 3}):
            for overlap in ("off", "on"):
                if overlap == "on" and "zero" in plan:
                    continue
                before_ps = 0
                for routing in ({"routing": "balanced"}, *({"routing": "drawn", "routing_scatter": f"{s} %"} for s in (5, 60))):
                    keys = {"ep": ep, **plan}
                    training = {"dispatcher": "node_dedup", "ep_overlap": overlap, **routing}
                    path = emulator.trace(topology, write_job(emulator, "mixed", 4, model=MIXTURE, training=training, **keys))
                    took_ps = column(path, "steps/duration_ps")[0]
                    claim(took_ps >= before_ps, f"{nodes} nodes, {keys}, overlap {overlap}: {routing} takes {took_ps} ps, "
                                                f"less than {before_ps} of fewer that scatter")
                    before_ps = took_ps


run_case(tensors, contexts, experts, replicas, stages, ones, balanced)
