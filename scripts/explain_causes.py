"""explain_causes.py: what a step loses time by, from a trace: a part of scripts/explain.

A cause is something that could be otherwise, with what its remedy would save of the step: of something that is only there by
mishap (slow GPUs, degraded links, another job, collisions) all of it, of what a plan or a machine could have more of what twice as
much (links between switches, microbatches) or half as much again (NICs, scale-up domains) would save. Time that goes with a rate R is what the step would gain from an endless one, by
/gains: a hundredth more saves a hundredth of it.
"""

import numpy as np

from trace_file import damaged

MS = 1e-9  # of picoseconds
QUICKEST = 0.05  # of GPUs of several kinds are the quick ones
SLOW_LEAST, APART = 0.02, 0.3  # a GPU is out of the ordinary that is so much slower than the next, and than that part of all that they differ
FEW = 0.05                     # of the GPUs, that can be called by name
SHOWN = 0.001                  # of the step, below which a cause is not worth a sentence
FULL = 0.95                    # utilisation over an interval, above which a link is full
SHORT = 0.02                   # of the step, in which that is not worth a word
BETTER = 1 / 3                 # of the time that goes with a rate, what half as much again of it saves


class Cause:
    def __init__(self, name, saves_ps, sentence, remedy, **details):
        self.name, self.saves_ps, self.sentence, self.remedy, self.details = name, saves_ps, sentence, remedy, details


class Evidence:
    """Of one explained step of a trace what causes are told from."""

    def __init__(self, trace, row):
        self.trace, self.row = trace, row
        self.step_ps = float(trace["steps/duration_ps"][row])
        self.number = int(trace["steps/job"][row]) if "steps/job" in trace else 0
        names = [name.decode() for name in trace["gains/change"]]
        would = trace.amounts("gains/step_ps")[row]
        self.would_ps = dict(zip(names, would))
        self.size = dict(zip(names, trace["gains/size"]))
        whole = trace.asked()
        self.topology, self.catalogue = whole["topology"], whole["catalogue"]
        if self.number >= len(whole["jobs"]):
            raise damaged(trace.path, f"it has no job {self.number}")
        self.job = whole["jobs"][self.number]
        self.mine = trace["gpus/job"] == self.number
        self.tiers = trace.tiers
        self.read_path()

    def read_path(self):
        self.path = {name: self.trace[f"path/{name}"][self.trace["path/step"] == self.row]
                     for name in ("gpu", "peer", "kind", "start_ps", "end_ps", "alone_ps", "slowed_ps", "tier", "link")}
        self.path["link_name"] = self.trace.texts("path/link_name")[self.trace["path/step"] == self.row]
        self.path["took_ps"] = self.path["end_ps"] - self.path["start_ps"]

    def part_ps(self, name):
        """Mean over the GPUs of the job."""
        return float(self.trace[f"steps/{name}_ps"][self.row])

    def gain_ps(self, change):
        """What the step would gain without something; 0 where that cannot be."""
        gain = self.step_ps - self.would_ps.get(change, np.nan)
        return gain if np.isfinite(gain) else 0.0

    def goes_with_ps(self, change):
        """Time of the step that goes with a rate or a latency."""
        return max(self.gain_ps(change) / self.size[change], 0.0) if change in self.size else 0.0

    def share(self, ps):
        return ps / self.step_ps

    def setting(self, *keys):
        value = self.job
        for key in keys:
            value = value[key]
        return value

    def is_on(self, *keys):
        return self.setting(*keys) == "on"

    def size_of(self, dimension):
        return int(self.setting("parallel", dimension))

    def fabric_tiers(self):
        return self.topology["fabric"]["tiers"]

    def domain_gpus(self):
        return int(self.catalogue[self.topology["node"]["scale_up"]]["gpus"])


def time_of(ps):
    ms = ps * MS
    return f"{ms / 1000:.3g} s" if ms >= 1000 else f"{ms:.3g} ms" if ms >= 0.01 else f"{ms * 1000:.2g} us"


def percent(share):
    return f"{100 * share:.1f} %" if share >= 0.0995 or share == 0 else f"{100 * share:.2g} %"


def gpu_name(evidence, gpu):
    return f"GPU {gpu} (node {evidence.trace['gpus/node'][gpu]})"


def listed(words, most=4):
    words = list(words)
    more = len(words) - most
    return ", ".join(words[:most]) + (f" and {more} more" if more > 0 else "")


# GPUs.

def slowness(evidence):
    """By GPU of the job how much slower than nominal it computed."""
    trace, row = evidence.trace, evidence.row
    compute = trace["gpus/compute_ps"][row].astype(float)
    slow = trace["gpus/own_slow_ps"][row].astype(float)
    return np.where(evidence.mine & (compute > 0), slow / np.where(compute > 0, compute, 1), np.nan)


def stragglers(evidence):
    """GPUs apart from all others by how slow they are, the slowest first: behind the widest gap among the slower half."""
    slow = slowness(evidence)
    median = np.nanmedian(slow)
    order = np.argsort(-np.nan_to_num(slow, nan=-np.inf), kind="stable")[:int(evidence.mine.sum())]
    falling = slow[order]
    most = len(order) // 2 + 1
    gaps = falling[:most] - np.append(falling[1:], falling[-1])[:most]
    if len(order) < 2 or gaps.max() < max(SLOW_LEAST, APART * (falling[0] - falling[-1])):
        return order[:0], slow, median
    return order[:int(gaps.argmax()) + 1], slow, float(np.median(falling[int(gaps.argmax()) + 1:]))


def slow_gpus(evidence):
    saves = evidence.gain_ps("no slow GPUs")
    far, slow, median = stragglers(evidence)
    if evidence.topology["node"].get("others") and len(far) != 1:
        quickest = float(np.nanquantile(slow, QUICKEST))  # the slow may be the most
        slower = slow > quickest + SLOW_LEAST
        return Cause("mixed GPUs", saves, f"GPUs of several kinds wait for the slowest: {int(slower.sum())} of "
                     f"{int(evidence.mine.sum())} are slower than the others by up to {percent(np.nanmax(slow) - quickest)}",
                     "share the batch by speed (parallel.batch_shares: proportional), or keep kinds apart")
    if 0 < len(far) <= max(1, FEW * evidence.mine.sum()) or (len(far) and len(nodes_of(evidence, far)) == 1):
        nodes = nodes_of(evidence, far)
        many = len(far) > 1
        where = f"node {nodes[0]} (GPUs {far.min()} to {far.max()})" if many and len(nodes) == 1 else \
            listed(gpu_name(evidence, gpu) for gpu in far)
        return Cause("slow GPU", saves, f"{where} {'compute' if many and len(nodes) > 1 else 'computes'} {percent(slow[far[0]])} "
                     f"slower than nominal, the median GPU {percent(max(median, 0))}; all wait for it",
                     f"drain or repair node {listed(map(str, nodes))}", gpus=far.tolist(), nodes=nodes)
    slowest = int(np.nanargmax(slow))
    return Cause("noise", saves, f"GPUs differ in speed: the slowest of {int(evidence.mine.sum())}, {gpu_name(evidence, slowest)}, "
                 f"is {percent(slow[slowest])} slower than nominal, the mean {percent(np.nanmean(slow))}; each step waits for its slowest",
                 "look for what makes speeds differ (clocks, temperature, background work)", gpus=[slowest])


def nodes_of(evidence, gpus):
    return sorted({int(node) for node in evidence.trace["gpus/node"][gpus]})


def computing(evidence):
    yield slow_gpus(evidence)
    yield Cause("uneven experts", evidence.gain_ps("no uneven experts"), "some experts get more tokens than others, and all wait for "
                "the GPUs that have them", "balance the router (auxiliary loss, capacity), or deal the experts anew")
    yield Cause("power cap", evidence.gain_ps("no power cap"), "a cap on their power slows GPUs down",
                "raise the cap, or spend the power where it is needed")
    yield Cause("recomputation", evidence.gain_ps("no recomputation"), "activations are computed again that memory could hold",
                "recompute less (training.recompute)")
    yield small_microbatch(evidence)
    yield launches(evidence)
    yield Cause("sharing of GPUs", evidence.gain_ps("no sharing of GPUs") / 2, "collectives take processors of the GPUs that compute "
                "beside them", "collectives that take fewer (SHARP, copy engines, fewer channels)")


def halves(evidence):
    """Whether half as many microbatches are a plan that runs, and hides what this one does."""
    count, stages, schedule = evidence.size_of("microbatches"), evidence.size_of("pp"), evidence.setting("parallel", "schedule")
    if count % 2 or schedule == "interleaved" and count // 2 % stages or schedule == "dualpipe" and count < 4 * stages:
        return False
    return count > 2 or not evidence.is_on("training", "ep_overlap")


def small_microbatch(evidence):
    """Twice as large ones fill and drain the pipeline for twice as long, of what is left of the step."""
    gain, microbatch = evidence.gain_ps("microbatches twice as large"), evidence.size_of("microbatch")
    bubble = max(evidence.part_ps("bubble") - uneven_ps(evidence), 0)
    saves = gain - bubble * (1 - evidence.share(gain)) if halves(evidence) else 0
    return Cause("small microbatch", saves, f"microbatches of {microbatch} sequence{'s' if microbatch > 1 else ''} leave kernels small",
                 f"microbatches of {2 * microbatch}, half as many; memory holds them")


def launches(evidence):
    gpu = evidence.catalogue[evidence.topology["node"]["gpu"]]
    kept = amount(gpu["graph_launch"]) / amount(gpu["launch"]) if amount(gpu["launch"]) else 1
    graphs = evidence.setting("training", "cuda_graph")
    goes = evidence.goes_with_ps("kernel launches")
    return Cause("kernel launches", 0 if graphs or kept >= 1 else goes * (1 - kept),
                 f"GPUs wait {time_of(goes)} of the step for kernels to be launched", "CUDA graphs (training.cuda_graph)")


def amount(text):
    return float(text.split()[0])


def stage_ps(evidence):
    """What each stage of the pipeline computes, mean over its GPUs."""
    compute, stage = evidence.trace["gpus/compute_ps"][evidence.row].astype(float), evidence.trace["gpus/pp"]
    return np.array([compute[evidence.mine & (stage == s)].mean() for s in range(evidence.size_of("pp"))])


def uneven_ps(evidence):
    by_stage = stage_ps(evidence)
    return by_stage.max() - by_stage.mean()


def hides_exchanges(evidence):
    """Whether exchanges among experts run behind another microbatch by the schedule itself: what is left of them waits where the
    pipeline fills and drains."""
    return evidence.setting("parallel", "schedule") == "dualpipe"


def pipeline(evidence):
    stages = evidence.size_of("pp")
    if stages == 1:
        return
    by_stage, uneven = stage_ps(evidence), uneven_ps(evidence)
    yield Cause("uneven stages", uneven, f"stage {int(by_stage.argmax())} of the pipeline computes {time_of(by_stage.max())} a step, a stage "
                f"in the mean {time_of(by_stage.mean())}", "deal the layers anew (parallel.layers, embedding_as_layer)")
    bubble = max(evidence.part_ps("bubble") - uneven, 0)
    if hides_exchanges(evidence):
        bubble += evidence.gain_ps("no communication of ep")
    count = evidence.setting("parallel", "microbatches")
    yield Cause("pipeline bubble", bubble / 2, f"with {count} microbatches on {stages} stages GPUs stand idle for {time_of(bubble)} of the step",
                "more microbatches, more chunks (parallel.chunks), or a zero-bubble schedule")


# The network.

def upper_tiers(evidence):
    """Tiers above the leaves: number, name."""
    return [(t, tier["name"]) for t, tier in enumerate(evidence.fabric_tiers(), 1) if t > 1]


def capacity_above(evidence, t):
    """Of a tree, what goes up from a unit at a tier over what can come from below it."""
    links, rate = evidence.trace["links/links"], evidence.trace["links/capacity_Bps"]
    below = min(links[t - 1] * rate[t - 1], links[1] * rate[1])
    return float(links[t] * rate[t] / below) if below else 1.0


def rivals(evidence, change):
    """Of the rate of a tier: others with links as full at the same times, which take over where its own carry more."""
    tiers = evidence.tiers
    if not change.endswith(" rate") or change[:-len(" rate")] not in tiers or "intervals/histogram" not in evidence.trace:
        return []
    file, row = evidence.trace.file, int(evidence.trace.standing[evidence.row])
    first, end = (int(file["steps/intervals_end"][row - 1]) if row else 0), int(file["steps/intervals_end"][row])
    bins = file["intervals/utilisation_bin"][:] > FULL
    full = file["intervals/histogram"][first:end][..., bins].sum(axis=(2, 3)) > 0
    mine = full[:, tiers.index(change[:-len(" rate")])]
    return [name for t, name in enumerate(tiers) if not change.startswith(name) and (full[:, t] & mine).mean() > SHORT]


def faults_of(evidence):
    """What is degraded, in the words of the configuration."""
    words = []
    for fault in evidence.topology["fabric"].get("faults") or []:
        name = fault.get("what") or f"port {fault['port']} of {fault['lower']} at tier {fault['tier']}"
        words.append(f"{name} ({fault['remaining']} left)")
    for entry in (evidence.topology.get("slow") or []) + (evidence.job.get("slow") or []):
        if float(entry["nic"]) > 1:
            words.append(f"NICs of {entry['what']} ({float(entry['nic']):.3g} times slower)")
    for event in (evidence.topology.get("events") or []) + (evidence.job.get("events") or []):
        if event["remaining"] != "100 %":
            words.append(f"{event['what']} ({event['remaining']} left from {event['at']} on)")
    return words


def others_share(evidence):
    """Of what transfers lost, what those of other jobs cost; and by job."""
    if "jobs/delay_ps" not in evidence.trace:
        return 0.0, {}
    lost = evidence.trace["jobs/delay_ps"][evidence.row].sum(axis=(1, 2))
    names = evidence.trace.texts("jobs/name")
    total = lost.sum()
    if total <= 0:
        return 0.0, {}
    by_job = {str(names[j]): float(lost[j] / total) for j in range(len(lost)) if j != evidence.number}
    return sum(by_job.values()), by_job


def hottest(evidence, tier=None):
    """The link that held transfers of the path back for longest, by name; else the hottest of the step."""
    chosen = (evidence.path["link"] >= 0) & ((evidence.path["tier"] == tier) if tier is not None else True)
    if chosen.any():
        lost = {}
        for name, ps in zip(evidence.path["link_name"][chosen], evidence.path["slowed_ps"][chosen]):
            lost[name] = lost.get(name, 0) + int(ps)
        return max(lost, key=lost.get)
    return ""


def contention(evidence):
    """Transfers that slow each other down, by who and where."""
    all_lost = evidence.gain_ps("no contention")
    share, by_job = others_share(evidence)
    link = hottest(evidence)
    if by_job:
        worst = max(by_job, key=by_job.get)
        yield Cause("other job", all_lost * share, f"transfers of {worst} are in the way of this job's" + (f", most on {link}" if link else ""),
                    "give the jobs nodes of their own, below switches of their own", job=worst, link=link)
    faults = faults_of(evidence)
    degraded = evidence.gain_ps("no degraded links") if faults else 0
    if faults:
        degraded += all_lost * (1 - share) * is_at_fault(evidence, faults)
        yield Cause("degraded link", degraded, f"degraded: {listed(faults)}", "repair it, or drain the nodes behind it", links=faults)
    for t, name in upper_tiers(evidence):
        lost = evidence.gain_ps(f"no contention on {name}") * (1 - share)
        if not (faults and is_at_fault(evidence, faults)):
            yield uplinks(evidence, t, name, lost)
    leaf = evidence.tiers[1]
    yield Cause("crowded NICs", evidence.gain_ps(f"no contention on {leaf}") * (1 - share) * (0 if faults else 1),
                f"transfers of the job meet at its own NICs" + (f", most at {hottest(evidence, 1)}" if hottest(evidence, 1) else ""),
                "reduce gradients at other times than messages of the pipeline, or give them fewer queue pairs")


def is_at_fault(evidence, faults):
    """Do links that are degraded hold transfers of the path back, by their names?"""
    named = " ".join(faults)
    slowed = evidence.path["slowed_ps"]
    if not slowed.sum():
        return 0.0
    met = np.array([any(end.strip() and end.strip() in named for end in name.split("->")) for name in evidence.path["link_name"]])
    return float(slowed[met].sum() / slowed.sum()) if met.any() else 0.0


def own_collisions(evidence, t):
    """What a hash costs by putting several messages of one collective or exchange on a link: told of the first tier with a choice."""
    return evidence.gain_ps("no hashed paths") if t == min(upper_tiers(evidence))[0] else 0


def uplinks(evidence, t, name, lost):
    """What a tier above the leaves costs, and by what: placement, too few links, or a hash that crowds some."""
    goes = evidence.goes_with_ps(f"{name} rate")
    link = hottest(evidence, t)
    most = f", most at {link}" if link else ""
    ratio = capacity_above(evidence, t)
    kind = evidence.setting("placement", "kind")
    worst, own = max(lost, goes / 2), own_collisions(evidence, t)
    if kind not in ("contiguous",):
        return Cause("bad placement", max(lost, goes), f"placement is {kind}: what neighbours send crosses the {name} tier{most}",
                     "place the job contiguously (placement: contiguous)", tier=name, link=link)
    whole = amount(evidence.fabric_tiers()[t - 1]["rate"]) >= amount(evidence.fabric_tiers()[0]["rate"])
    hashed = evidence.topology["fabric"]["routing"] in ("ecmp", "dmodk")
    # A hash crowds links each of which has room for a NIC.
    if not (hashed and whole and lost + own > 0) and (ratio < 0.99 or goes / 2 > lost + own):
        return Cause("thin uplinks", worst, f"the {name} tier carries {ratio:.3g} of what comes from below it, and {time_of(max(goes, lost))} of the "
                     f"step go with its rate{most}", f"more or faster links to the {name} switches", tier=name, link=link)
    routing = evidence.topology["fabric"]["routing"]
    if hashed:
        return Cause("hash collisions", lost + own, f"{routing} puts several transfers on one link of the {name} tier while others idle{most}",
                     "adaptive routing or spraying, or more queue pairs (network.queue_pairs)", tier=name, link=link)
    return Cause("crowded uplinks", worst, f"transfers share links of the {name} tier{most}", f"more or faster links to the {name} switches",
                 tier=name, link=link)


OVERLAPS = {"dp": ("grad_overlap", "param_overlap"), "pp": ("pp_overlap",), "tp": ("tp_overlap",), "ep": ("ep_overlap",)}
SERVED = {"dp": "gradients and parameters among replicas", "pp": "messages between pipeline stages",
          "tp": "tensor parallelism", "ep": "exchanges among experts"}


def no_overlap(evidence):
    """Communication that computing waits for though it need not."""
    for dimension, keys in OVERLAPS.items():
        off = [key for key in keys if not evidence.is_on("training", key)]
        if dimension == "dp" and int(evidence.setting("parallel", "zero")) == 0:
            off = [key for key in off if key != "param_overlap"]
        if dimension == "ep" and hides_exchanges(evidence):
            continue
        waits = evidence.gain_ps(f"no communication of {dimension}")
        if off and waits > 0:
            # What tensor parallelism and experts exchange every layer can hide in part only.
            part = 1.0 if dimension in ("dp", "pp") else 0.4
            yield Cause("no overlap", part * waits, f"{SERVED[dimension]}: computing waits {time_of(waits)} of the step, and "
                        f"{' and '.join(off)} {'are' if len(off) > 1 else 'is'} off", "switch " + " and ".join(f"training.{key}" for key in off) + " on",
                        dimension=dimension)


def rates(evidence):
    """Network and scale-up domains that are what they are: what half the rate more, or half the latency, would save."""
    leaf = evidence.tiers[1]
    goes = evidence.goes_with_ps(f"{leaf} rate")
    mended = evidence.gain_ps("no degraded links")
    tp = evidence.size_of("tp")
    if tp > evidence.domain_gpus():
        waits = evidence.gain_ps("no communication of tp")
        yield Cause("tensor parallelism across domains", 0.9 * waits, f"tp is {tp}, a scale-up domain has {evidence.domain_gpus()} GPUs: computing waits "
                    f"{time_of(waits)} of the step for what crosses NICs in every layer", f"tp of {evidence.domain_gpus()} at most")
    softer = {cause.details["dimension"]: cause.saves_ps for cause in no_overlap(evidence)}
    yield Cause("slow NICs", BETTER * goes - mended, f"{time_of(goes)} of the step go with the rate of NICs ({nic_rate(evidence)})", "faster NICs, or less to send "
                "(larger microbatches, gradients in 16 bit)")
    goes = evidence.goes_with_ps("scale-up rate")
    yield Cause("slow scale-up domain", BETTER * goes - softer.get("tp", 0) - softer.get("ep", 0), f"{time_of(goes)} of the step go with the rate of the scale-up domain",
                "faster or larger domains, or less tensor parallelism")
    late = sum(evidence.goes_with_ps(name) for name in evidence.size if name.endswith("latency"))
    yield Cause("latency", late / 2, f"{time_of(late)} of the step are latencies of messages and collectives", "fewer and larger transfers "
                "(training.bucket_parameters, larger microbatches), trees instead of rings")


def nic_rate(evidence):
    return evidence.fabric_tiers()[0]["rate"]


def find_causes(evidence):
    """The costliest first; what would save nothing anybody notices is left out."""
    found = [cause for group in (computing, pipeline, contention, no_overlap, rates) for cause in group(evidence)]
    found.sort(key=lambda cause: -cause.saves_ps)
    return [cause for cause in found if cause.saves_ps >= SHOWN * evidence.step_ps]
