"""crosscheck_scenarios.py: what scripts/crosscheck plays, and how well the engines must agree on it.

A scenario is a topology and jobs of tests/crosscheck, settings, and the class of agreement that is asked. Fabrics are chosen
so that what they model is known to both engines alike: NICs that lose headers and nothing else, no noise. Messages are as short as the question
allows, since packets cost: 4 MB are 16 round trips; where a control has to find a rate first, more.

`needs` names what the packet engine must have (FEATURES), which is also what it is told and the others are not; where the
program has it not, the packet column is left out with that reason, and the others are played. What the flow engine cannot follow is
told, not judged, with the reason (TOLD_WHY).
"""

import dataclasses

# Largest |packet / flow - 1| of the mean and of the last completion; None: told, no verdict.
CLASSES = {
    "uncongested": 0.01,  # nobody shares a link
    "even": 0.05,         # adaptive and spray permutations
    "collective": 0.03,   # collectives alone
    "disturbed": 0.05,    # and beside other traffic
    "collisions": 0.07,   # ecmp, incast, under a control
    "told": None,         # what max-min cannot follow: TOLD_WHY
}
TOLD_WHY = {
    "queues": "queues of random paths grow with the root of the packets: short flows and those with few links to choose from feel it",
    "dcqcn": "DCQCN comes back slowly",
    "several": "windows by delay add up the queues of a path: who crosses several gets less than max-min gives him",
    "pauses": "nothing but pauses: who comes first into a buffer is served first",
    "fifo": "what is in a queue is not shared with who comes later",
    "adaptive": "adaptive routing finds shorter queues than an even split",
    "remote": "local queues do not tell of a slow link farther on",
    "values": "64 values of a queue pair are not spread evenly, and a mark costs one a turn",
    "loss": "what is trimmed or lost is sent again",
    "hops": "incast over several hops",
}

# What a program must accept for a scenario's packet column: the settings by which that is asked.
FEATURES = {
    "packet": ("engine.kind=packet",),
    "shallow": ("engine.kind=packet", "packet.buffer=2 MB"),  # pauses come soon
    "pfc": ("engine.kind=packet", "packet.control=none"),  # nothing but pauses holds senders back
    "dcqcn": ("engine.kind=packet", "packet.control=dcqcn"),
    "window": ("engine.kind=packet", "packet.control=window"),
    "swift": ("engine.kind=packet", "packet.control=swift"),
    "nscc": ("engine.kind=packet", "packet.control=nscc"),
    "multipath": ("engine.kind=packet", "packet.control=nscc", "packet.multipath=avoiding", "fabric.routing=spray"),
    "credits": ("engine.kind=packet", "packet.control=none", "packet.flow_control=credits"),
    "trimming": ("engine.kind=packet", "packet.control=none", "packet.flow_control=none", "packet.trim=on"),
}


@dataclasses.dataclass(frozen=True)
class Scenario:
    """`judged` is how many of the jobs are held to the class, 0: all; the others are told. `why` is of TOLD_WHY."""
    name: str
    asked: str
    topology: str
    settings: tuple = ()
    jobs: tuple = ("flows",)
    needs: tuple = ("packet",)
    judged: int = 0
    why: str = ""

    def engine_settings(self, engine):
        if engine != "packet":
            return (f"engine.kind={engine}",)
        return tuple(dict.fromkeys(setting for feature in self.needs for setting in FEATURES[feature]))

    def rounds(self):
        """Are its collectives, which others disturb, to be played round by round?"""
        return self.asked == "disturbed" or self.why in ("fifo", "pauses") and len(self.jobs) > 1

    def changes(self):
        """Links come and go, which not every engine can play."""
        return any(setting.startswith("job.events=") for setting in self.settings)


def flows(name, asked, topology, pattern, *settings, needs=(), routing=None, why=""):
    """Flows of one pattern, each of 4 MB unless `settings` say otherwise."""
    told = (f"traffic.pattern={pattern}",) + ((f"fabric.routing={routing}",) if routing else ()) + settings
    return Scenario(name, asked, topology, told, needs=("packet", *needs), why=why)


def table(name, asked, topology, file, *needs, settings=(), why=""):
    """Flows from a table."""
    return Scenario(name, asked, topology, (f"traffic.file={file}.csv", *settings), ("table",), ("packet", *needs), why=why)


def collective(name, algorithm, topology, ranks, *settings, kind="all_reduce", size="64 MB", routing="adaptive", asked="collective",
               needs=(), why=""):
    """One collective that has the fabric to itself."""
    return flows(name, asked, topology, "collective", f"traffic.collective={kind}", f"traffic.algorithm={algorithm}",
                 f"traffic.ranks={ranks}", f"traffic.bytes={size}", *settings, needs=needs, routing=routing, why=why)


def beside(name, topology, jobs, *settings, asked="disturbed", judged=0, needs=(), why=""):
    """Several jobs."""
    return Scenario(name, asked, topology, settings, jobs, ("packet", *needs), judged, why)


def spines(n):
    """tree-112 with so many spines: 14 / n to 1."""
    return f"fabric.tiers.spine.parents={n}"


SHORT, LONG, LONGEST = (f"traffic.bytes={size}" for size in ("64 KiB", "16 MB", "64 MB"))
SLOW_SPINE = ("job.events=[{at: 60 us, what: spine 0, remaining: 50 %}]", "network.reroute_delay=20 us")
DEAD_SPINE = ("job.events=[{at: 60 us, what: spine 0, remaining: 0 %}]", "network.reroute_delay=20 us")

UNCONGESTED = (
    table("one-flow", "uncongested", "tree-128", "one-flow"),
    flows("ring", "uncongested", "tree-128", "ring"),
    flows("shift-half", "uncongested", "tree-128", "shift"),
    flows("shift-37", "uncongested", "tree-512", "shift", "traffic.shift=37"),
    flows("ring-planes", "uncongested", "planes-64", "ring", "traffic.queue_pairs=2", routing="dmodk"),
    flows("shift-torus", "uncongested", "torus-64", "shift", "traffic.shift=1"),
    flows("shift-rails", "uncongested", "boxes-128", "shift", routing="dmodk"),
    flows("shift-short", "told", "tree-128", "shift", SHORT, why="queues"),
)
# Where all links are full, random paths let queues grow with the root of the packets: 64 MB show what lasts, 4 MB that root.
# No sender is held back but by pauses, since nobody has to be, or as here all by the same: what a control makes of such queues is
# told beside it.
EVEN = (
    flows("permutation-adaptive", "even", "tree-128", "permutation", LONGEST, needs=("pfc",), routing="adaptive"),
    flows("permutation-spray", "even", "tree-128", "permutation", LONGEST, needs=("pfc",), routing="spray"),
    flows("permutation-adaptive-512", "even", "tree-512", "permutation", LONGEST, needs=("pfc",), routing="adaptive"),
    flows("permutation-spray-512", "even", "tree-512", "permutation", LONGEST, needs=("pfc",), routing="spray"),
    flows("permutation-adaptive-short", "told", "tree-128", "permutation", routing="adaptive", why="queues"),
    flows("permutation-spray-short", "told", "tree-128", "permutation", routing="spray", why="queues"),
    flows("permutation-adaptive-dcqcn", "told", "tree-128", "permutation", LONGEST, needs=("dcqcn",), routing="adaptive", why="dcqcn"),
    flows("permutation-spray-dcqcn", "told", "tree-128", "permutation", LONGEST, needs=("dcqcn",), routing="spray", why="dcqcn"),
    flows("shift-adaptive", "even", "tree-128", "shift", routing="adaptive"),
    flows("permutation-planes", "even", "planes-64", "permutation", LONGEST, "traffic.queue_pairs=2", needs=("pfc",), routing="spray"),
    flows("permutation-planes-dcqcn", "told", "planes-64", "permutation", LONGEST, "traffic.queue_pairs=2", needs=("dcqcn",),
          routing="spray", why="dcqcn"),
    flows("permutation-planes-multipath", "told", "planes-64", "permutation", LONGEST, "traffic.queue_pairs=2",
          needs=("multipath",), routing="spray", why="values"),
    flows("permutation-torus", "even", "torus-64", "permutation", LONG, needs=("pfc",), routing="spray"),
    flows("permutation-torus-window", "told", "torus-64", "permutation", LONG, needs=("window",), routing="spray", why="several"),
    flows("permutation-torus-adaptive", "told", "torus-64", "permutation", LONG, needs=("pfc",), routing="adaptive", why="adaptive"),
    *(flows(f"oversubscribed-{label}", "even", "tree-112", "permutation", spines(n), LONG, needs=("pfc",))
      for n, label in ((14, "1"), (7, "2"), (4, "3.5"), (2, "7"))),
    flows("oversubscribed-7-dcqcn", "told", "tree-112", "permutation", spines(2), LONG, needs=("dcqcn",), why="dcqcn"),
    flows("dead-spine-adaptive", "told", "tree-128", "permutation", *DEAD_SPINE, LONGEST, needs=("window",), routing="adaptive",
          why="several"),
    flows("slow-spine-adaptive", "told", "tree-128", "permutation", *SLOW_SPINE, LONGEST, needs=("window",), routing="adaptive",
          why="remote"),
    flows("slow-spine-multipath", "told", "tree-128", "permutation", *SLOW_SPINE, LONGEST, needs=("multipath",), routing="spray",
          why="values"),
)
COLLECTIVES = (
    collective("ring-all-reduce", "ring", "tree-128", 64),
    collective("ring-all-gather", "ring", "tree-128", 64, kind="all_gather"),
    collective("tree-all-reduce", "tree", "tree-128", 64, needs=("pfc",)),
    collective("tree-all-reduce-dcqcn", "tree", "tree-128", 64, asked="told", needs=("dcqcn",), why="dcqcn"),
    collective("halving-doubling-all-reduce", "halving_doubling", "tree-128", 64),
    collective("hierarchical-all-reduce", "hierarchical", "boxes-128", 128),
    collective("ring-all-reduce-rails", "ring", "boxes-128", 128),
    collective("ring-all-reduce-dmodk", "ring", "tree-128", 128, routing="dmodk"),
    collective("all-to-all-collective", "auto", "tree-128", 64, kind="all_to_all"),
    flows("all-to-all", "collective", "tree-128", "all_to_all", "traffic.ranks=64", "traffic.bytes=1 MB", routing="adaptive"),
    flows("expert-dispatch", "collective", "boxes-128", "all_to_all", "traffic.group=64", "traffic.bytes=448 KiB"),
)
DISTURBED = (
    beside("ring-and-scattered", "tree-112", ("ring-even", "scattered-odd"), spines(2), asked="told", needs=("window",), why="fifo"),
    beside("ring-and-scattered-pfc", "tree-112", ("ring-even", "scattered-odd"), spines(2), asked="told", needs=("pfc",), why="pauses"),
    beside("ring-and-scattered-shallow", "tree-112", ("ring-even", "scattered-odd"), spines(2), judged=1, needs=("pfc", "shallow")),
    beside("ring-and-scattered-ecmp", "tree-112", ("ring-even", "scattered-odd"), spines(14), "fabric.routing=ecmp", judged=1,
           needs=("window",)),
    beside("ring-and-permutation", "tree-112", ("ring-even", "permutation-odd"), spines(4), judged=1, needs=("window",)),
    beside("ring-and-permutation-pfc", "tree-112", ("ring-even", "permutation-odd"), spines(4), asked="told", needs=("pfc",),
           why="pauses"),
    beside("two-rings", "tree-112", ("ring-even", "ring-odd"), spines(1), needs=("pfc",)),
    beside("two-rings-ecmp", "tree-112", ("ring-even", "ring-odd"), spines(7), "fabric.routing=ecmp", needs=("window",)),
)
COLLISIONS = (
    *(flows(f"permutation-ecmp-{control}", "collisions", "tree-128", "permutation", size, needs=(control,), routing="ecmp")
      for control, size in (("window", LONG), ("swift", LONG), ("nscc", LONG))),
    flows("permutation-ecmp-dcqcn", "collisions", "tree-128", "permutation", "traffic.ranks=32", "traffic.bytes=1 GB",
          needs=("dcqcn",), routing="ecmp"),
    *(flows(name + tail, asked, topology, "permutation", LONG, *settings, needs=(control,), routing=routing, why=why)
      for name, topology, settings, routing in (
          ("permutation-dragonfly", "dragonfly-72", (), None),
          ("permutation-ecmp-4", "tree-128", ("traffic.queue_pairs=4",), "ecmp"),
          ("permutation-ecmp-512", "tree-512", (), "ecmp"))
      for tail, asked, control, why in (("", "collisions", "nscc", ""), ("-window", "told", "window", "several"))),
    flows("permutation-dmodk", "collisions", "tree-128", "permutation", LONG, needs=("window",)),
    flows("permutation-polarised", "told", "tree-128", "permutation", LONG, "fabric.shared_seed=on", needs=("nscc",),
          routing="ecmp", why="several"),
    *(table(f"incast-leaf-{control}", "collisions", "tree-512", "incast-leaf", control)
      for control in ("window", "swift", "nscc")),
    table("incast-leaf-dcqcn", "collisions", "tree-512", "incast-long", "dcqcn"),
    table("late-share", "collisions", "tree-128", "late-share", "window"),
    table("two-bottlenecks", "collisions", "tree-112", "two-bottlenecks", "dcqcn", settings=(spines(1),)),
    table("two-bottlenecks-window", "told", "tree-112", "two-bottlenecks", "window", settings=(spines(1),), why="several"),
    flows("dead-spine-ecmp", "collisions", "tree-128", "permutation", LONG, *DEAD_SPINE, needs=("window",), routing="ecmp"),
)
TOLD = (
    table("incast-leaf-pfc", "told", "tree-512", "incast-leaf", "pfc", why="pauses"),
    table("incast-leaf-credits", "told", "tree-512", "incast-leaf", "credits", why="pauses"),
    table("incast-leaf-trimming", "told", "tree-512", "incast-leaf", "trimming", why="loss"),
    flows("incast-core-window", "told", "tree-128", "incast", needs=("window",), why="hops"),
    flows("incast-core-dcqcn", "told", "tree-128", "incast", needs=("dcqcn",), why="hops"),
    flows("incast-core-pfc", "told", "tree-128", "incast", needs=("pfc",), why="hops"),
    table("pause-victim", "told", "tree-128", "incast-victim", "pfc", why="pauses"),
    table("incast-leaf-dcqcn-short", "told", "tree-512", "incast-leaf", "dcqcn", why="dcqcn"),
    flows("permutation-ecmp-pfc", "told", "tree-128", "permutation", LONG, needs=("pfc",), routing="ecmp", why="pauses"),
)
TRAINING = (
    beside("step-data-parallel", "boxes-128", ("step-small",), asked="collective", needs=("pfc",)),
    beside("step-data-parallel-dcqcn", "boxes-128", ("step-small",), asked="told", needs=("dcqcn",), why="dcqcn"),
    beside("step-pipeline", "boxes-128", ("step-pipeline",), asked="disturbed"),
)
SCENARIOS = UNCONGESTED + EVEN + COLLECTIVES + DISTURBED + COLLISIONS + TOLD + TRAINING
