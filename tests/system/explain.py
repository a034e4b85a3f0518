#!/usr/bin/python3
"""explain.py MPIEXEC COLOSSIM CASE: what trace.explain says of a step (/path, /gains) obeys its laws, and runs agree with it.

laws       the path has no gap, and nothing on it is quicker than alone; what is not there costs nothing; what all times
           are made of makes up the step
ranks      any number of ranks says the same, whoever plays
microbatches
           larger ones are not advised where a run with them takes longer, or cannot be
sensitivity, sensitivities
           of changes of a hundredth one run says what runs with these changes show
gone       of what is not there, too
spread     and of what hashes cost
culprits   whose transfers made a hot link hot: collectives that were under way
"""

import json
import re
import subprocess

import h5py

import rerun
from emulator import AS_ISLANDS, EVENT_BY_EVENT, JOBS, ROOT, TOPOLOGIES, claim, differences, run_case

LAPTOP, SUPERPOD = TOPOLOGIES / "laptop-16.yaml", TOPOLOGIES / "superpod-h100-4su.yaml"
SMALL, EXPERTS, LARGE = JOBS / "ddp-small.yaml", JOBS / "moe-small.yaml", JOBS / "llama3.1-405b.yaml"
# Of elasticities (hundredths of the step for a hundredth): they agree within a tenth, or if nobody would notice: a 500th, that
# is 20 millionths of the step for a hundredth.
TOLERANCE, FLOOR = 0.10, 0.002
RATES = {"gpu": ("gpu products", "gpu memory", "kernel launches")}


class Explained:
    """What a trace says of its step that is explained."""

    def __init__(self, path):
        with h5py.File(path) as file:
            row = rerun.explained_row(file)
            self.step_ps, self.end_ps = (int(file[f"steps/{name}"][row]) for name in ("duration_ps", "end_ps"))
            names, sizes = file["gains/change"].asstr()[:], file["gains/size"][:]
            would = file["gains/step_ps"][row]
            self.would_ps = {name: int(ps) for name, ps in zip(names, would)}
            self.bits = [name for name, size in zip(names, sizes) if 0 < size < 1]
            mine = file["path/step"][:] == row
            self.path = {name: data[:][mine] for name, data in file["path"].items() if name.endswith("_ps")}

    def elasticity(self, name, step_ps=None):
        return (self.step_ps - (self.would_ps[name] if step_ps is None else step_ps)) / self.step_ps / 0.01


def explain(emulator, topology, job, *options, name="run", ranks=0, **settings):
    return emulator.trace(topology, job, *options, name=name, ranks=ranks, trace__explain="on", **settings)


def laws(emulator):
    for topology, job, settings in ((LAPTOP, SMALL, {}), (LAPTOP, EXPERTS, {}), (SUPERPOD, LARGE, {"noise": "off"})):
        of = Explained(explain(emulator, topology, job, **settings))
        start, end, alone, slowed = (of.path[f"{name}_ps"] for name in ("start", "end", "alone", "slowed"))
        claim((start[1:] == end[:-1]).all() and end[-1] == of.end_ps, f"{job.stem}: the path has no gap up to the end")
        claim((end - start).sum() == end[-1] - start[0], f"{job.stem}: the path sums to what it spans")
        claim(abs(end[-1] - start[0] - of.step_ps) < 0.01 * of.step_ps, f"{job.stem}: it spans the step")
        if settings.get("noise") == "off" or job == SMALL:
            claim((alone <= end - start).all(), f"{job.stem}: nothing is quicker than alone")
        claim((slowed <= end - start).all() and (slowed >= 0).all(), f"{job.stem}: nothing is slow longer than it takes")
        claim(of.would_ps["nothing"] == of.step_ps, f"{job.stem}: nothing changed, nothing gained")
        for name, would_ps in of.would_ps.items():
            if name.startswith("no communication") or name in of.bits:
                claim(would_ps <= of.step_ps, f"{job.stem}: {name} costs")
        for name in ("tp", "cp", "ep", "dp", "pp"):
            claim(of.would_ps["no communication"] <= of.would_ps[f"no communication of {name}"],
                  f"{job.stem}: no communication at all is better than none of {name}")
        parts = sum(of.elasticity(part) for part in RATES["gpu"])
        claim(abs(parts - of.elasticity("gpu")) < 0.01, f"{job.stem}: GPUs are what they compute, load and launch")
        # What is left over: own copies inside scale-up domains, and rounds of maxima.
        whole = sum(of.elasticity(name) for name in of.bits if name not in RATES["gpu"])
        claim(0.95 < whole < 1.01, f"{job.stem}: all rates and latencies make up the step: {whole:.3f}")


    for job, settings, words in ((SMALL, {"trace__explain_step": 4, "trace__explain": "on"}, "explain_step is 4, but steps are 0 to 3"),
                                 (SMALL, {"trace__explain_step": 1}, "explain is off"),
                                 (JOBS / "traffic-shift.yaml", {"trace__explain": "on"}, "no job trains")):
        done = emulator.run(LAPTOP, job, ranks=0, **settings)
        claim(done.returncode == 2 and words in done.stderr and "--set:" in done.stderr, f"what cannot be explained: {done.stderr}")


def ranks(emulator):
    steady = {"noise": "off", "steps": 2}
    for topology, job, settings, others in (
            (LAPTOP, EXPERTS, {"steps": 2}, ((2, EVENT_BY_EVENT), (1, AS_ISLANDS))),
            (SUPERPOD, LARGE, steady, ((3, AS_ISLANDS),)),  # one replica is played for others alike
            (SUPERPOD, LARGE, {"steps": 1}, ((2, AS_ISLANDS),))):
        first = explain(emulator, topology, job, EVENT_BY_EVENT, name="one", **settings)
        claim(len(Explained(first).path["start_ps"]) > 10, f"{job.stem}: there is a path")
        for n, player in others:
            other = explain(emulator, topology, job, player, name="other", ranks=n, **settings)
            found = differences(first, other)
            claim(not found, f"{job.stem}, {n} ranks, {player}:\n" + "\n".join(found[:20]))
    # The step is there, whatever is told from others.
    for settings in ({"topology__slow": "[{what: gpu 3, compute: 1.1}]"}, {"topology__slow": "[{what: gpu 3, compute: 1.1, until: 300 ms}]"},
                     {"trace__explain_step": 2}):
        claim(len(Explained(explain(emulator, LAPTOP, SMALL, name="steady", **settings)).path["start_ps"]) > 10, f"{settings}: a path")
    plain = emulator.trace(LAPTOP, SMALL, name="plain", steps=1)
    with h5py.File(plain) as file:
        claim("path" not in file and "gains" not in file, "nothing is explained unasked")


def microbatches(emulator):
    """What explain promises of microbatches twice as large a run with them keeps, to a fiftieth of the step."""
    stages = {"parallel.tp": 4, "parallel.pp": 2, "parallel.schedule": "1f1b", "steps": 1}
    for job, count, settings in ((SMALL, 8, {"parallel.pp": 1}), (SMALL, 8, {}), (SMALL, 2, {"parallel.schedule": "gpipe"}),
                                 (SMALL, 2, {"parallel.schedule": "interleaved", "parallel.chunks": 2}),
                                 (EXPERTS, 2, {"parallel.pp": 1, "training.ep_overlap": "on", "noise": "off"})):
        settings = {key.replace(".", "__"): value for key, value in {**stages, **settings}.items()}
        path = explain(emulator, LAPTOP, job, name="small", parallel__microbatches=count, **settings)
        told = json.loads(subprocess.run([ROOT / "scripts/explain", "--json", path], capture_output=True, text=True, check=True).stdout)
        said = sum(cause["saves"] for cause in told[0]["causes"] if cause["name"] == "small microbatch")
        done = emulator.run(LAPTOP, job, path=emulator.folder / "large.h5", parallel__microbatches=count // 2, parallel__microbatch=2,
                            **settings)
        seen = 0
        if done.returncode == 0:
            with h5py.File(emulator.folder / "large.h5") as file:
                seen = 1 - int(file["steps/duration_ps"][0]) / told[0]["step_ps"]
        print(f"{job.stem}, {count} microbatches, {settings}: said {said:.4f}, a run {seen:.4f}")
        claim(done.returncode in (0, 2) and said <= max(seen, 0) + 0.02, "larger microbatches save what is said of them")


def hold(emulator, topology, job, names=None, tolerance=TOLERANCE, floor=FLOOR, **settings):
    """Runs with changes against what one run says of them; returns how many differ."""
    trace = explain(emulator, topology, job, name="said", **settings)
    of = Explained(trace)
    differ = 0
    for name in [None, *(names or of.bits)]:
        configuration = rerun.Configuration(trace)
        if name:
            configuration.change(name, 1.01)
        topology_again, *jobs = configuration.write(emulator.folder / "again")
        again = Explained(emulator.trace(topology_again, *jobs, name="again"))
        if not name:
            claim(again.step_ps == of.step_ps, f"{job.stem}: a run from its trace is the run")
            continue
        said, seen = of.elasticity(name), of.elasticity(name, again.step_ps)
        good = abs(said - seen) <= max(tolerance * abs(seen), floor)
        differ += not good
        print(f"{topology.stem} {job.stem} {name}: one run {said:.4f}, re-run {seen:.4f}{'' if good else ' DIFFERS'}", flush=True)
    return differ


def sensitivity(emulator):
    names = ("gpu", "scale-up rate", "leaf rate", "software latency")
    claim(hold(emulator, LAPTOP, SMALL, names, steps=2) == 0, "one run says what changes bring")
    # A first step that has no optimizer before it, a slow GPU on its path.
    slow = {"parallel__pp": 2, "steps": 1, "topology__slow": "[{what: gpu 5, compute: 1.9, nic: 2.6}]"}
    claim(hold(emulator, LAPTOP, SMALL, ("gpu memory",), **slow) == 0, "of a first step, too")
    # Experts that are drawn are another part of what is computed; GPUs copy what is dispatched across domains.
    drawn = {"steps": 1, "training__routing": "drawn", "training__routing_scatter": "20 %", "parallel__microbatches": 4}
    claim(hold(emulator, LAPTOP, EXPERTS, ("kernel launches",), 0, 1e-4, noise="off", training__sequence=512, **drawn) == 0,
          "where experts are drawn, too")
    claim(hold(emulator, LAPTOP, EXPERTS, ("gpu memory",), parallel__ep=16, training__dispatcher="hybrid", **drawn) == 0,
          "where copies are part of an exchange, too")
    # The job whose slow links are on the path.
    thin = {"fabric__tiers__leaf__rate": "100 Gb/s", "steps": 1}
    claim(hold(emulator, LAPTOP, SMALL, ("leaf rate", "gpu"), **thin) == 0, "where the network is what it waits for, too")


def gone(emulator):
    """What a step would take without slow GPUs, or without slow NICs, a run without them takes, each alone."""
    for job, settings in ((SMALL, {}), (EXPERTS, {"training__routing": "balanced"})):
        settings = {**settings, "noise": "off", "steps": 2}
        slow = "what: gpu 5, compute: 1.9"
        of = Explained(explain(emulator, LAPTOP, job, name="slow", topology__slow=f"[{{{slow}, nic: 2.6}}]", **settings))
        for name, left in (("no slow GPUs", "what: gpu 5, nic: 2.6"), ("no degraded links", slow)):
            again = Explained(explain(emulator, LAPTOP, job, name="gone", topology__slow=f"[{{{left}}}]", **settings))
            gained = of.step_ps - again.step_ps
            claim(gained > 0.01 * of.step_ps and abs(of.would_ps[name] - again.step_ps) <= TOLERANCE * gained,
                  f"{job.stem}: {name}: said {of.would_ps[name]}, a run {again.step_ps}, as it is {of.step_ps}")


def spread(emulator):
    """What hashed paths cost a run that spreads them shows, but for what transfers of several units no longer cost each other."""
    crowded = {"noise": "off", "nodes": 64, "steps": 2, "parallel__ep": 32, "network__queue_pairs": 1, "training__routing": "balanced"}
    step = {}
    for routing in ("ecmp", "spray"):
        step[routing] = Explained(explain(emulator, TOPOLOGIES / "meta-24k-roce.yaml", EXPERTS, name=routing, fabric__routing=routing, **crowded))
    of = step["ecmp"]
    said, seen = of.step_ps - of.would_ps["no hashed paths"], of.step_ps - step["spray"].step_ps
    claim(seen > 0.2 * of.step_ps and abs(said - seen) < 0.25 * seen, f"no hashed paths: said {said}, a run {seen} of {of.step_ps}")
    claim(hold(emulator, TOPOLOGIES / "meta-24k-roce.yaml", EXPERTS, ("cluster rate",), fabric__routing="ecmp", **crowded) == 0, "links that bind")
    latencies = sum(of.elasticity(name) for name in of.bits if name.endswith("latency"))
    claim(0 <= latencies < 0.05, f"latencies are not what it waits for: {latencies}")


def culprits(emulator):
    """Of a hot link the collectives are told that were under way when it held most up, of groups that its users are of."""
    crowded = {"noise": "off", "nodes": 64, "steps": 2, "parallel__ep": 32, "fabric__routing": "ecmp", "network__queue_pairs": 1}
    path = explain(emulator, TOPOLOGIES / "meta-24k-roce.yaml", EXPERTS, **crowded)
    done = subprocess.run([ROOT / "scripts/explain", "--json", path], capture_output=True, text=True, check=True)
    links = json.loads(done.stdout)[0]["links"]
    claim(sum(len(link["collectives"]) for link in links) >= 2, f"collectives are told: {links}")
    with h5py.File(path) as file:
        rows = {name: file[f"collectives/{name}"][:] for name in ("step", "start_ps", "end_ps", "group_stride", "bytes")}
        row = rerun.explained_row(file)
        begin = int(file["steps/intervals_start_ps"][row])
    for link in links:
        dp = [[int(gpu) for gpu in re.findall(r"GPU (\d+)", user)] for user in link["users"] if user.startswith("dp")]
        for told in link["collectives"]:
            i = told["collective"]
            from_ps, to_ps = (begin + ms * 1e9 for ms in link["when_ms"])
            claim(rows["step"][i] == row and rows["start_ps"][i] < to_ps and rows["end_ps"][i] > from_ps, f"{link}: under way then")
            # GPUs are job ranks here.
            claim(any((b - a) % rows["group_stride"][i] == 0 for a, b in dp) and rows["bytes"][i] == told["bytes"], f"{link}: of its users")


OVERSUBSCRIBED = {"fabric__tiers__spine__rate": "100 Gb/s", "fabric__routing": "ecmp"}
TEN_JOBS = (
    (LAPTOP, SMALL, {}),
    (LAPTOP, SMALL, {"fabric__tiers__leaf__rate": "100 Gb/s", "noise": "on"}),
    (LAPTOP, SMALL, {"parallel__zero": 3}),
    (LAPTOP, EXPERTS, {}),
    (TOPOLOGIES / "superpod-h100-1su.yaml", EXPERTS, OVERSUBSCRIBED),
    (SUPERPOD, LARGE, {"noise": "off"}),
    (TOPOLOGIES / "superpod-h100-16su.yaml", LARGE, {"noise": "off"}),
    (TOPOLOGIES / "nvl72-rack.yaml", JOBS / "llama3.1-405b-nvl72.yaml", {}),
    (TOPOLOGIES / "deepseek-2k.yaml", JOBS / "deepseek-v3.yaml", {}),
    (SUPERPOD, SMALL, {"steps": 2, "nodes": 64, "fabric__tiers__spine__parents": 1, "fabric__tiers__spine__lanes": 1,
                       "fabric__tiers__spine__rate": "100 Gb/s"}),
)


def sensitivities(emulator):
    differ = [hold(emulator, topology, job, **settings) for topology, job, settings in TEN_JOBS]
    claim(sum(differ) == 0, f"one run says what changes bring; these differ, job by job: {differ}")


run_case(laws, ranks, microbatches, sensitivity, gone, spread, culprits, sensitivities)
