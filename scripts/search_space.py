"""search_space.py: the plans that scripts/search chooses among: axes, their values, and what follows from them.

Idea.    A plan is a value of each axis. dp is no axis: as many replicas as the GPUs have room for and the batch divides by, in
         whole numbers of those that share experts. Combinations that arithmetic rules out are counted here by reason; everything
         else is the program's to say.
Limits.  Stages are even, or have a layer more in front; virtual stages only where they come out even. Embedding and head count as
         layers (`ends`) only where layers alone do not divide. A plan may leave a tenth of the GPUs idle.
"""

from dataclasses import dataclass

IDLE_MOST = 0.1  # of the GPUs
MICROBATCHES = (1, 2, 4)
SEQUENCE_LEAST = 2048  # tokens of a sequence that a GPU still has, with context parallelism
# Which ranks are near each other, and how nodes are dealt.
PLACEMENTS = {"dp-near": ("tp-cp-ep-dp-pp", "contiguous"), "pp-near": ("tp-cp-ep-pp-dp", "contiguous"),
              "random": ("tp-cp-ep-dp-pp", "random")}
ROUTINGS = ("adaptive", "ecmp", "spray")
KEYS = {"tp": "parallel.tp", "pp": "parallel.pp", "vp": "parallel.chunks", "cp": "parallel.cp", "ep": "parallel.ep",
        "zero": "parallel.zero", "microbatch": "parallel.microbatch", "recompute": "training.recompute",
        "schedule": "parallel.schedule", "ends": "parallel.embedding_as_layer", "placement": "placement", "routing": "fabric.routing"}
# What of a job is the search's to say.
CHOSEN = ("tp", "pp", "dp", "chunks", "cp", "ep", "zero", "microbatch", "microbatches", "global_batch", "schedule", "order",
          "embedding_as_layer", "layers", "layout")
DENSE = {"none": "[]", "act": "[layernorm, mlp_act]", "mlp": "[layernorm, mlp]", "full": "['full:1']"}
MIXTURE = {"none": "[]", "act": "[layernorm, moe_act]", "moe": "[layernorm, moe]", "full": "['full:1']"}
LATENT = {"none": "[]", "mla": "[mla_up_proj]", "act": "[layernorm, mla_up_proj, mlp_act, moe_act]",
          "moe": "[layernorm, mla_up_proj, moe]", "full": "['full:1']"}


@dataclass(frozen=True)
class Facts:
    """What the values of axes follow from."""
    gpus: int      # that plans may use
    domain: int    # GPUs of a scale-up domain that jobs use
    batch: int     # sequences of a step
    sequence: int
    layers: int
    heads: int
    experts: int   # 0: none
    latent: bool   # attention
    routing: str   # of the topology
    schedules: tuple  # besides auto


@dataclass
class Plan:
    number: int      # place in the enumeration: of two that are alike in all that counts the lower wins
    choices: dict    # axis: value; empty: a job's own
    dp: int
    settings: list   # that the bound depends on
    network: list    # and those it does not: placement, routing
    first_network: bool = True  # those that are looked at first
    bound: dict = None   # the program's answer, unplayed
    play: dict = None    # and played
    pruned: str = ""     # by what

    @property
    def all_settings(self):
        return [*self.settings, *self.network]

    @property
    def step_ps(self):
        return self.play["duration_ps"][0]

    @property
    def least_ps(self):
        """The bound, without what rounding may have added to it (half a picosecond an operation)."""
        return self.bound["least_ps"] - self.bound["least_ps"] // 10**9

    @property
    def memory(self):
        return self.bound["memory_bytes"]

    @property
    def fits(self):
        return self.bound is not None and self.bound["verdict"] == "fits"

    @property
    def played(self):
        return self.play is not None and self.play["verdict"] == "fits"


def divisors(n):
    return [d for d in range(1, n + 1) if n % d == 0]


def powers(most):
    return [1 << k for k in range(most.bit_length()) if 1 << k <= most]


class Space:
    """All combinations of the values of the axes."""

    def __init__(self, facts, fixed, extra=None):
        """fixed {axis: values}; extra {key: values}: axes of other keys."""
        self.facts, self.fixed, self.extra = facts, fixed, extra or {}
        self.impossible, self.total = {}, 0
        self.recomputes = LATENT if facts.latent else MIXTURE if facts.experts else DENSE
        self.axes = [*KEYS, *self.extra]

    def values(self, axis):
        """Of an axis whose values do not depend on others."""
        f = self.facts
        routings = dict.fromkeys([f.routing, *(r for r in ROUTINGS if f.routing in ROUTINGS)])
        known = {"tp": [d for d in divisors(f.domain) if f.heads % d == 0],
                 "pp": [p for p in range(1, f.layers + 1)
                        if f.layers % p == 0 or p in powers(f.layers)],
                 "cp": powers(max(1, f.sequence // SEQUENCE_LEAST)), "ep": divisors(f.experts) if f.experts else [1],
                 "zero": [0, 1, 2, 3], "microbatch": MICROBATCHES, "recompute": list(self.recomputes),
                 "schedule": ["auto", *f.schedules], "placement": ["dp-near", "pp-near"], "routing": list(routings)}
        return self.fixed.get(axis, known.get(axis))

    def deals(self, pp, schedule):
        """(vp, ends): chunks a stage, and whether embedding and head count as layers: where those alone do not come out even."""
        layers = self.facts.layers
        most = (layers + 2) // pp if schedule == "auto" and pp > 1 else 1
        ends = "off" if pp == 1 or layers % pp == 0 else "on"
        found = [(vp, ends) for vp in range(1, most + 1) if (layers + 2 * (ends == "on")) % (pp * vp) == 0 or pp == 1]
        found = [(1, "off")] * ((1, "off") not in found) + found
        return [(vp, ends) for vp, ends in found if vp in self.fixed.get("vp", [vp]) and ends in self.fixed.get("ends", [ends])]

    def replicas(self, replica, microbatch, ep, wide):
        """dp: the largest that fits; wide: GPUs of a stage in a replica."""
        f = self.facts
        for dp in range(f.gpus // replica, 0, -1):
            if dp * replica < (1 - IDLE_MOST) * f.gpus:
                return 0
            if f.batch % (dp * microbatch) == 0 and dp * wide % ep == 0:
                return dp
        return 0

    def rule_out(self, reason, n):
        self.total += n
        self.impossible[reason] = self.impossible.get(reason, 0) + n

    def heads(self):
        """What others follow from: sizes, schedule, and who shares experts."""
        return [{"tp": tp, "pp": pp, "cp": cp, "schedule": schedule, "ep": ep}
                for tp in self.values("tp") for pp in self.values("pp") for cp in self.values("cp")
                for schedule in (self.values("schedule") if pp > 1 else ["auto"]) for ep in self.values("ep")]

    def probe(self, head):
        """The plainest plan of a head: where that is impossible for another reason than memory, all are. None: there is no dp."""
        plan = self.plan(-1, dict(head, vp=1, ends="off", zero=0, microbatch=1, recompute="none", placement="dp-near",
                                  routing=self.facts.routing, **{key: values[0] for key, values in self.extra.items()}))
        return plan.settings if plan.dp else None

    def enumerate(self, heads, reasons):
        """All plans but those that arithmetic, or the reason of their head (None: there is none), rules out."""
        plans = []
        for head, reason in zip(heads, reasons):
            self.enumerate_head(plans, head, reason)
        return plans

    def enumerate_head(self, plans, head, reason):
        replica, f = head["tp"] * head["pp"] * head["cp"], self.facts
        deals = self.deals(head["pp"], head["schedule"])
        placements = len(self.values("placement")) if head["pp"] > 1 else 1
        others = len(deals) * len(self.values("recompute")) * placements * len(self.values("routing"))
        for values in self.extra.values():
            others *= len(values)
        for microbatch in self.values("microbatch"):
            dp = self.replicas(replica, microbatch, head["ep"], head["tp"] * head["cp"])
            zeros = self.values("zero") if dp * head["cp"] != 1 else [0]
            if replica > f.gpus:
                self.rule_out("a replica (tp x pp x cp) needs more GPUs than there are", others * len(zeros))
            elif not dp:
                self.rule_out("no dp uses nine tenths of the GPUs, divides the batch and deals the experts", others * len(zeros))
            elif reason:
                self.rule_out(reason, others * len(zeros))
            else:
                for zero in zeros:
                    for vp, ends in deals:
                        self.enumerate_rest(plans, dict(head, vp=vp, ends=ends, zero=zero, microbatch=microbatch))

    def enumerate_rest(self, plans, some):
        combinations = [dict(some, recompute=recompute, placement=placement, routing=routing)
                        for recompute in self.values("recompute")
                        # Without stages both orders are the same.
                        for placement in (self.values("placement") if some["pp"] > 1 else self.values("placement")[:1])
                        for routing in self.values("routing")]
        for key, values in self.extra.items():
            combinations = [dict(choices, **{key: value}) for choices in combinations for value in values]
        for choices in combinations:
            self.total += 1
            plans.append(self.plan(len(plans), choices))

    def alternatives(self, axis, best):
        """Other values of an axis beside all others of a plan; of placement and routing also those that are not searched by default."""
        c = best.choices
        if axis in ("vp", "ends"):
            deals = self.deals(c["pp"], c["schedule"])
            other = "ends" if axis == "vp" else "vp"
            found = [vp if axis == "vp" else ends for vp, ends in deals if (ends if axis == "vp" else vp) == c[other]]
        elif axis == "placement":
            found = [p for p in PLACEMENTS if c["pp"] > 1 or p != "pp-near"]
        elif axis == "schedule" and c["pp"] == 1:
            found = []
        elif axis == "zero" and best.dp * c["cp"] == 1:
            found = []
        else:
            found = self.extra.get(axis) or self.values(axis)
        return [value for value in dict.fromkeys(found) if value != c[axis]]

    def plan(self, number, choices):
        """With these values; dp 0: there is none."""
        c = choices
        dp = self.replicas(c["tp"] * c["pp"] * c["cp"], c["microbatch"], c["ep"], c["tp"] * c["cp"])
        order, kind = PLACEMENTS[c["placement"]]
        settings = [f"{KEYS[axis]}={c[axis]}" for axis in ("tp", "pp", "vp", "cp", "ep", "zero", "microbatch", "schedule", "ends")]
        settings += [f"parallel.dp={dp}", f"training.recompute={self.recomputes.get(c['recompute'], c['recompute'])}",
                     *(f"{key}={c[key]}" for key in self.extra)]
        network = [f"parallel.order={order}", f"placement.kind={kind}", f"fabric.routing={c['routing']}"]
        first = c["placement"] == self.values("placement")[0] and c["routing"] == self.values("routing")[0]
        return Plan(number, choices, dp, settings, network, first)
