"""A SimAI workload file as operations.

The first line names the kind of training loop and sizes, as `HYBRID_TRANSFORMER_FWD_IN_BCKWD model_parallel_NPU_group: 8 ep: 1 pp: 1 ga: 1 all_gpus: 16 ...`, the second
counts layers (all microbatches written out), and each of these has twelve words: name, dependency, then nanoseconds, collective and bytes of the forward pass, of
the gradient of its input, of that of its weights, and a time for the update (ASTRA-sim 1.0, whose words SimAI has extended; AICB writes them). A rank goes forward
through all layers and back: what a layer exchanges holds it up, but for gradients of weights. A collective is of the tensor-parallel group, that of weights of the
data-parallel one, unless its name ends with _EP or _DP_EP. Ranks are dealt tensor, expert, data, then pipeline parallel.
"""

import re

from operations_file import Operations
from wiring import Refusal

LOOPS = ("HYBRID_TRANSFORMER_FWD_IN_BCKWD", "HYBRID_TRANSFORMER")
KINDS = {"ALLREDUCE": "all_reduce", "ALLGATHER": "all_gather", "REDUCESCATTER": "reduce_scatter", "ALLTOALL": "all_to_all"}
WORDS = 12
OPERATIONS_MOST = 4_000_000
GPU = 0  # the resource of computations
TAGS = {"TP": 0, "EP": 1, "DP": 2, "DP_EP": 3}


def is_simai(text):
    return text.split(None, 1)[:1] != [] and text.split(None, 1)[0] in (*LOOPS, "DATA", "MODEL", "HYBRID_DATA_MODEL", "HYBRID_MODEL_DATA", "HYBRID_DLRM")


class Sizes:
    """What the first line says."""

    def __init__(self, path, line):
        words = line.split()
        if words[0] not in LOOPS:
            raise Refusal(f"{path}:1: a loop of kind {words[0]} is not known here, but {' and '.join(LOOPS)}")
        said = {name: int(value) for name, value in re.findall(r"(\w+):?\s+(\d+)", line)}
        self.tp, self.ep, self.pp = (said.get(name, 1) for name in ("model_parallel_NPU_group", "ep", "pp"))
        self.gpus = said.get("all_gpus", 0)
        self.microbatches, self.handover = said.get("ga", 1), said.get("pp_comm", 0)
        if said.get("checkpoints", 0):
            raise Refusal(f"{path}:1: layers that are computed again (checkpoints) are not known here")
        if min(self.tp, self.ep, self.pp) < 1 or self.gpus < 2 or self.gpus % (self.tp * self.ep * self.pp):
            raise Refusal(f"{path}:1: wanted all_gpus, a multiple of model_parallel_NPU_group * ep * pp = {self.tp * self.ep * self.pp}, got {self.gpus}")
        self.dp = self.gpus // (self.tp * self.pp)

    def group(self, name, rank):
        """Ranks that exchange with one, itself included."""
        tp, stage = self.tp, self.tp * self.dp
        first, place = rank // stage * stage, rank % stage // tp  # of the stage; among replicas
        lane = first + rank % tp
        if name == "TP":
            return range(rank - rank % tp, rank - rank % tp + tp)
        if name == "EP":
            return range(lane + place // self.ep * self.ep * tp, lane + (place // self.ep + 1) * self.ep * tp, tp)
        if name == "DP":
            return range(lane, lane + stage, tp)
        return range(lane + place % self.ep * tp, lane + stage, tp * self.ep)


class Layer:
    """Of each of forward, input and weights: nanoseconds, collective, group and bytes."""

    def __init__(self, place, line):
        words = line.split()
        if len(words) != WORDS:
            raise Refusal(f"{place}: a layer has {WORDS} words, got {len(words)}")
        self.parts = []
        for part, own in enumerate(("TP", "TP", "DP")):
            time, kind, size = words[2 + 3 * part:5 + 3 * part]
            if not time.isdigit() or not size.isdigit():
                raise Refusal(f"{place}: wanted nanoseconds, a collective and bytes, got '{time} {kind} {size}'")
            found = re.fullmatch(r"(ALLREDUCE|ALLGATHER|REDUCESCATTER|ALLTOALL)(?:_(EP|DP_EP|DP))?|NONE", kind)
            if not found:
                raise Refusal(f"{place}: {kind} is no collective that is known here: {', '.join(KINDS)}, with _EP, _DP or _DP_EP, NONE")
            self.parts.append((int(time), KINDS.get(found[1]), found[2] or own, int(size)))


class Walk:
    """One rank on its way through the layers."""

    def __init__(self, operations, sizes, rank):
        self.operations, self.sizes, self.rank, self.last, self.before = operations, sizes, rank, None, {}

    def then(self, number):
        if self.last is not None:
            self.operations.after(self.rank, number, self.last)
        return number

    def part(self, time, kind, name, size, waits):
        """Compute, and exchange; what follows waits for that too, or not."""
        operations, rank = self.operations, self.rank
        if time:
            self.last = self.then(operations.compute(rank, time * 1000, GPU))
        ranks = self.sizes.group(name, rank) if kind else ()
        if not size or len(ranks) < 2:
            return
        number = self.then(operations.collective(rank, kind, ranks, TAGS[name], size))
        if name in self.before and self.before[name] != self.last:  # those of a communicator follow each other
            operations.after(rank, number, self.before[name])
        self.before[name] = number
        if waits:
            self.last = number


def read_simai(path, text, said):
    """The operations of a workload, and what was assumed."""
    lines = text.splitlines()
    sizes = Sizes(path, lines[0])
    if len(lines) < 2 or not lines[1].strip().isdigit():
        raise Refusal(f"{path}:2: wanted the number of layers")
    count = int(lines[1])
    layers = [Layer(f"{path}:{number}", line) for number, line in enumerate(lines[2:], 3) if line.strip()]
    if len(layers) != count:
        raise Refusal(f"{path}:2: {count} layers are said, but {len(layers)} are there")
    each = sum(bool(time) + bool(kind and size) for layer in layers for time, kind, _, size in layer.parts)
    if each * sizes.gpus > OPERATIONS_MOST:
        raise Refusal(f"{path}: {sizes.gpus:,} GPUs with {each:,} operations each are {each * sizes.gpus:,}; a table has room for {OPERATIONS_MOST:,}")
    operations = Operations(sizes.gpus)
    for rank in range(sizes.gpus):
        walk = Walk(operations, sizes, rank)
        for layer in layers:
            walk.part(*layer.parts[0], True)
        for layer in reversed(layers):
            walk.part(*layer.parts[1], True)
            walk.part(*layer.parts[2], False)
    told = [f"{count} layers on {sizes.gpus} GPUs: tp {sizes.tp}, ep {sizes.ep}, dp {sizes.dp}, pp {sizes.pp}; ranks are dealt in this order",
            "sizes of all-gathers are of their output; the times of updates (last word) are left out",
            f"collectives start {said.latency} a round later than the job's network keys say"]
    if sizes.pp > 1:
        told.append("stages of the pipeline hand nothing over: the file has no such message, and each walks through all layers of it")
    return operations, told
