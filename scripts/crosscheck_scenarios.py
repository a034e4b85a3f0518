"""crosscheck_scenarios.py: what scripts/crosscheck plays, and how well the engines must agree on it.

A scenario is a topology and jobs of tests/crosscheck, settings, and the class of agreement that is asked. Fabrics are chosen
so that what they model is known to both engines alike: NICs that lose headers and nothing else, no noise. Messages are as short as the question
allows, since packets cost: 4 MB are 16 round trips; where a control has to find a rate first, more.

`needs` names what the packet engine must have (FEATURES), which is also what it is told and the others are not; where the
program has it not, the packet column is left out with that reason, and the others are played.
"""

import dataclasses

# Largest |packet / flow - 1| of the mean and of the last completion; None: told, no verdict.
CLASSES = {
    "uncongested": 0.01,  # nobody shares a link
    "even": 0.05,         # adaptive and spray permutations
    "collective": 0.03,   # collectives alone
    "disturbed": 0.05,    # and beside other traffic
    "collisions": 0.07,   # ecmp, incast, under a control
    "told": None,         # PFC alone, incast over several hops, short messages
}

# What a program must accept for a scenario's packet column: the settings by which that is asked.
FEATURES = {
    "packet": ("engine.kind=packet",),
    "pfc": ("engine.kind=packet", "packet.control=none"),  # nothing but pauses holds senders back
    "dcqcn": ("engine.kind=packet", "packet.control=dcqcn"),
    "window": ("engine.kind=packet", "packet.control=window"),
    "swift": ("engine.kind=packet", "packet.control=swift"),
    "nscc": ("engine.kind=packet", "packet.control=nscc"),
    "multipath": ("engine.kind=packet", "packet.control=mrc"),
    "credits": ("engine.kind=packet", "packet.flow_control=credits"),
    "trimming": ("engine.kind=packet", "packet.flow_control=none", "packet.trim=on"),
}


@dataclasses.dataclass(frozen=True)
class Scenario:
    """`judged` is how many of the jobs are held to the class, 0: all; the others are told."""
    name: str
    asked: str
    topology: str
    settings: tuple = ()
    jobs: tuple = ("flows",)
    needs: tuple = ("packet",)
    judged: int = 0

    def engine_settings(self, engine):
        if engine != "packet":
            return (f"engine.kind={engine}",)
        return tuple(dict.fromkeys(setting for feature in self.needs for setting in FEATURES[feature]))

    def changes(self):
        """Links come and go, which not every engine can play."""
        return any(setting.startswith("job.events=") for setting in self.settings)


def flows(name, asked, topology, pattern, *settings, needs=(), routing=None):
    """Flows of one pattern, each of 4 MB unless `settings` say otherwise."""
    told = (f"traffic.pattern={pattern}",) + ((f"fabric.routing={routing}",) if routing else ()) + settings
    return Scenario(name, asked, topology, told, needs=("packet", *needs))


def table(name, asked, topology, file, *needs):
    """Flows from a table."""
    return Scenario(name, asked, topology, (f"traffic.file={file}.csv",), ("table",), ("packet", *needs))


def collective(name, algorithm, topology, ranks, *settings, kind="all_reduce", size="64 MB", routing="adaptive"):
    """One collective that has the fabric to itself."""
    return flows(name, "collective", topology, "collective", f"traffic.collective={kind}", f"traffic.algorithm={algorithm}",
                 f"traffic.ranks={ranks}", f"traffic.bytes={size}", *settings, routing=routing)


def beside(name, topology, jobs, *settings, asked="disturbed", judged=0, needs=()):
    """Several jobs."""
    return Scenario(name, asked, topology, settings, jobs, ("packet", *needs), judged)


def spines(n):
    """tree-112 with so many spines: 14 / n to 1."""
    return f"fabric.tiers.spine.parents={n}"


SHORT, LONG, LONGEST = (f"traffic.bytes={size}" for size in ("64 KiB", "16 MB", "64 MB"))
DEAD_SPINE = ("job.events=[{at: 60 us, what: spine 0, remaining: 0 %}]", "network.reroute_delay=20 us")

UNCONGESTED = (
    table("one-flow", "uncongested", "tree-128", "one-flow"),
    flows("ring", "uncongested", "tree-128", "ring"),
    flows("shift-half", "uncongested", "tree-128", "shift"),
    flows("shift-37", "uncongested", "tree-512", "shift", "traffic.shift=37"),
    flows("ring-planes", "uncongested", "planes-64", "ring", "traffic.queue_pairs=2", routing="dmodk"),
    flows("shift-torus", "uncongested", "torus-64", "shift", "traffic.shift=1"),
    flows("shift-rails", "uncongested", "boxes-128", "shift", routing="dmodk"),
    flows("shift-short", "told", "tree-128", "shift", SHORT),
)
# Where all links are full, random paths let queues grow with the root of the packets: 64 MB show what lasts, 4 MB that root.
# No sender is held back but by pauses, since nobody has to be: what DCQCN makes of such queues is told beside it.
EVEN = (
    flows("permutation-adaptive", "even", "tree-128", "permutation", LONGEST, needs=("pfc",), routing="adaptive"),
    flows("permutation-spray", "even", "tree-128", "permutation", LONGEST, needs=("pfc",), routing="spray"),
    flows("permutation-adaptive-512", "even", "tree-512", "permutation", LONGEST, needs=("pfc",), routing="adaptive"),
    flows("permutation-spray-512", "even", "tree-512", "permutation", LONGEST, needs=("pfc",), routing="spray"),
    flows("permutation-adaptive-short", "told", "tree-128", "permutation", routing="adaptive"),
    flows("permutation-spray-short", "told", "tree-128", "permutation", routing="spray"),
    flows("permutation-adaptive-dcqcn", "told", "tree-128", "permutation", LONGEST, needs=("dcqcn",), routing="adaptive"),
    flows("permutation-spray-dcqcn", "told", "tree-128", "permutation", LONGEST, needs=("dcqcn",), routing="spray"),
    flows("shift-adaptive", "even", "tree-128", "shift", routing="adaptive"),
    flows("permutation-planes", "even", "planes-64", "permutation", LONGEST, "traffic.queue_pairs=2", routing="spray"),
    flows("permutation-planes-multipath", "even", "planes-64", "permutation", LONGEST, "traffic.queue_pairs=2",
          needs=("multipath",)),
    flows("permutation-torus", "even", "torus-64", "permutation", LONG, needs=("window",), routing="spray"),
    flows("permutation-torus-adaptive", "told", "torus-64", "permutation", LONG, needs=("window",), routing="adaptive"),
    *(flows(f"oversubscribed-{label}", "even", "tree-112", "permutation", spines(n), LONG, needs=("pfc",))
      for n, label in ((14, "1"), (7, "2"), (4, "3.5"), (2, "7"))),
    flows("oversubscribed-7-dcqcn", "told", "tree-112", "permutation", spines(2), LONG, needs=("dcqcn",)),
    flows("dead-spine-adaptive", "even", "tree-128", "permutation", *DEAD_SPINE, LONGEST, routing="adaptive"),
)
COLLECTIVES = (
    collective("ring-all-reduce", "ring", "tree-128", 64),
    collective("ring-all-gather", "ring", "tree-128", 64, kind="all_gather"),
    collective("tree-all-reduce", "tree", "tree-128", 64),
    collective("halving-doubling-all-reduce", "halving_doubling", "tree-128", 64),
    collective("hierarchical-all-reduce", "hierarchical", "boxes-128", 128),
    collective("ring-all-reduce-rails", "ring", "boxes-128", 128),
    collective("ring-all-reduce-dmodk", "ring", "tree-128", 128, routing="dmodk"),
    collective("all-to-all-collective", "auto", "tree-128", 64, kind="all_to_all"),
    flows("all-to-all", "collective", "tree-128", "all_to_all", "traffic.ranks=64", "traffic.bytes=1 MB", routing="adaptive"),
    flows("expert-dispatch", "collective", "boxes-128", "all_to_all", "traffic.group=64", "traffic.bytes=448 KiB"),
)
DISTURBED = (
    beside("ring-and-scattered", "tree-112", ("ring-even", "scattered-odd"), spines(2), judged=1, needs=("window",)),
    beside("ring-and-scattered-pfc", "tree-112", ("ring-even", "scattered-odd"), spines(2), judged=1, needs=("pfc",)),
    beside("ring-and-scattered-ecmp", "tree-112", ("ring-even", "scattered-odd"), spines(14), "fabric.routing=ecmp", judged=1,
           needs=("window",)),
    beside("ring-and-permutation", "tree-112", ("ring-even", "permutation-odd"), spines(4), needs=("window",)),
    beside("ring-and-permutation-pfc", "tree-112", ("ring-even", "permutation-odd"), spines(4), needs=("pfc",)),
    beside("two-rings", "tree-112", ("ring-even", "ring-odd"), spines(1), needs=("pfc",)),
    beside("two-rings-ecmp", "tree-112", ("ring-even", "ring-odd"), spines(7), "fabric.routing=ecmp", needs=("window",)),
)
COLLISIONS = (
    *(flows(f"permutation-ecmp-{control}", "collisions", "tree-128", "permutation", size, needs=(control,), routing="ecmp")
      for control, size in (("window", LONG), ("swift", LONG), ("nscc", LONG))),
    flows("permutation-ecmp-dcqcn", "collisions", "tree-128", "permutation", "traffic.ranks=32", "traffic.bytes=1 GB",
          needs=("dcqcn",), routing="ecmp"),
    flows("permutation-dragonfly", "collisions", "dragonfly-72", "permutation", LONG, needs=("window",)),
    flows("permutation-ecmp-4", "collisions", "tree-128", "permutation", LONG, "traffic.queue_pairs=4", needs=("window",),
          routing="ecmp"),
    flows("permutation-ecmp-512", "collisions", "tree-512", "permutation", LONG, needs=("window",), routing="ecmp"),
    flows("permutation-dmodk", "collisions", "tree-128", "permutation", LONG, needs=("window",)),
    flows("permutation-polarised", "collisions", "tree-128", "permutation", LONG, "fabric.shared_seed=on", needs=("window",),
          routing="ecmp"),
    *(table(f"incast-leaf-{control}", "collisions", "tree-512", "incast-leaf", control)
      for control in ("window", "swift", "nscc")),
    table("incast-leaf-dcqcn", "collisions", "tree-512", "incast-long", "dcqcn"),
    table("late-share", "collisions", "tree-128", "late-share", "window"),
    flows("dead-spine-ecmp", "collisions", "tree-128", "permutation", LONG, *DEAD_SPINE, needs=("window",), routing="ecmp"),
)
TOLD = (
    table("incast-leaf-pfc", "told", "tree-512", "incast-leaf", "pfc"),
    table("incast-leaf-credits", "told", "tree-512", "incast-leaf", "credits"),
    table("incast-leaf-trimming", "told", "tree-512", "incast-leaf", "trimming"),
    flows("incast-core-window", "told", "tree-128", "incast", needs=("window",)),
    flows("incast-core-dcqcn", "told", "tree-128", "incast", needs=("dcqcn",)),
    flows("incast-core-pfc", "told", "tree-128", "incast", needs=("pfc",)),
    table("pause-victim", "told", "tree-128", "incast-victim", "pfc"),
    table("incast-leaf-dcqcn-short", "told", "tree-512", "incast-leaf", "dcqcn"),
    flows("permutation-ecmp-pfc", "told", "tree-128", "permutation", LONG, needs=("pfc",), routing="ecmp"),
)
TRAINING = (
    beside("step-data-parallel", "boxes-128", ("step-small",), asked="collective"),
    beside("step-pipeline", "boxes-128", ("step-pipeline",), asked="disturbed"),
)
SCENARIOS = UNCONGESTED + EVEN + COLLECTIVES + DISTURBED + COLLISIONS + TOLD + TRAINING
