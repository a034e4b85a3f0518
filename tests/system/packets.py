#!/usr/bin/python3
"""packets.py MPIEXEC COLOSSIM CASE: what jobs say of packets, through the whole program."""

import re
import resource

import h5py

from emulator import JOBS, PS_PER_S, ROOT, TOPOLOGIES, attribute, claim, column, own_words, run_case, same_on_any_ranks

LAPTOP = TOPOLOGIES / "laptop-16.yaml"
BOX = """schema_version: 1
kind: topology
nodes: 7
node: {gpu: h100-sxm, gpus: 4, nic: connectx-7-ndr400, scale_up: nvlink4-4}
fabric:
  wiring: plain
  routing: adaptive
  tiers: [{name: leaf, switch: quantum-2-qm9700, children: 28, rate: 400 Gb/s, cable: 3 m}]
"""
SCALE_UP = "schema_version: 1\nkind: scale_up\ngpus: 4\nline_rate: 450 GB/s\ngoodput: 360 GB/s\nlatency: 2 us\ncollective_base: 10 us\n"


def settings(emulator):
    """Shift by a node: every flow crosses one leaf, alone. It takes bytes / B and a few latencies; a leaf that stores packets makes
    it later by the time of one, within 2 ns (times of packets are rounded up). What is set stands in the trace."""
    job, size, goodput_Bps = JOBS / "traffic-shift.yaml", 10**6, 47e9
    last_s = lambda **more: column(emulator.trace(LAPTOP, job, engine="packet", traffic__bytes="1 MB", packet__control="none",
                                                  **more), "steps/end_ps")[0] / PS_PER_S
    for mtu in (1000, 4096, 65536):
        cut = last_s(packet__mtu=f"{mtu} B")
        stored = last_s(packet__mtu=f"{mtu} B", packet__forwarding="store-and-forward")
        claim(abs(stored - cut - mtu / goodput_Bps) < 2e-9, f"a switch stores one packet of {mtu} B: {cut}, {stored}")
        claim(size / goodput_Bps <= cut < size / goodput_Bps + 5e-6, f"{cut} s of {size} B")
    path = emulator.trace(LAPTOP, job, engine="packet", traffic__bytes="1 MB", packet__mtu="1000 B")
    with h5py.File(path) as file:
        text = str(file.attrs["config_resolved"])
    claim("mtu: 1 kB\n" in text and "control: dcqcn  # default" in text, f"what is set stands in the trace: {text}")


def lost(emulator):
    """Packets that find no room are sent again, until all have come: a run ends, alike on any ranks. Four queue pairs of each of
    three senders fill a small buffer at once, so that the last of some are lost, and a timer alone finds them."""
    topology = emulator.folder / "box.yaml"
    topology.write_text(BOX)
    (emulator.folder / "hardware").mkdir()
    (emulator.folder / "hardware" / "nvlink4-4.yaml").write_text(SCALE_UP)
    code = same_on_any_ranks(emulator, topology, JOBS / "traffic-incast.yaml", (1, 2, 3), engine="packet", traffic__bytes="64 KiB",
                             traffic__queue_pairs=4, traffic__fan_in=4, packet__flow_control="none", packet__buffer="1 MB",
                             packet__control="none", packet__drop_share="20 %", trace__full_links="on")
    claim(code == 0, f"it ends with 0, got {code}")


PODS = """schema_version: 1
kind: topology
nodes: 32
node: {gpu: h100-sxm, gpus: 1, nic: connectx-7-ndr400, scale_up: nvlink4-8}
fabric:
  wiring: plain
  routing: adaptive
  tiers:
    - {name: leaf, switch: quantum-2-qm9700, children: 4, rate: 400 Gb/s, cable: 10 m}
    - {name: spine, switch: quantum-2-qm9700, children: 4, parents: 4, rate: 400 Gb/s, cable: 30 m}
    - {name: core, switch: quantum-2-qm9700, children: 2, parents: 2, rate: 400 Gb/s, cable: 300 m}
"""
OUTAGE = """events:
  - {what: "spine 3", at: 4 us, remaining: 0 %}
  - {what: "spine 3", at: 60 us, remaining: 100 %}
"""
PAIR = "schema_version: 1\nkind: traffic\nname: {}\nplacement: {{nodes: {}}}\ntraffic: {{pattern: permutation, bytes: {}}}\n"


def divided(emulator):
    """Ranks divide switches and NICs: pauses, marks, intervals and what jobs cost each other are those of one rank, also where a
    switch dies and returns, and where steps begin intervals anew."""
    ranks, job = (1, 2, 3, 4, 7), JOBS / "traffic-permutation.yaml"
    paths = [emulator.folder / name for name in ("pods.yaml", "outage.yaml", "a.yaml", "b.yaml")]
    for path, text in zip(paths, (PODS, PODS + OUTAGE, PAIR.format("a", "0-15", "200 kB"), PAIR.format("b", "16-31", "400 kB"))):
        path.write_text(text)
    pods, outage, a, b = paths
    alike = lambda *run, **more: claim(same_on_any_ranks(emulator, *run, engine="packet", **more) == 0, f"{run} is played")
    alike(pods, job, ranks, traffic__bytes="200 kB", packet__buffer="400 kB", trace__full_links="on")
    alike(pods, a, ranks, str(b))
    for multipath in ("turns", "avoiding"):
        alike(outage, job, (1, 3), traffic__bytes="400 kB", network__reroute_delay="20 us", fabric__routing="spray", trace__full_links="on",
              packet__multipath=multipath, packet__paths=9, packet__control="nscc", packet__ecn_min="1 us", packet__ecn_max="4 us")
    for routing in ("ecmp", "adaptive"):
        alike(outage, job, (1, 2, 4), traffic__bytes="400 kB", network__reroute_delay="20 us", fabric__routing=routing)
        alike(outage, job, (1, 3), traffic__bytes="400 kB", network__reroute_delay="20 us", fabric__routing=routing, trace__full_links="on",
              packet__flow_control="credits", packet__credits="32 KiB")
        held = emulator.folder / "n3/run.h5"
        claim(column(held, "links/pause_ps").sum() > 0 and column(held, "links/paused_cause")[0][0] >= 0, "ports wait for credits")
    alike(LAPTOP, JOBS / "ddp-small.yaml", (1, 3), "--steps", 2, packet__mtu="1 MiB")


TREE, FLOWS = ROOT / "tests/crosscheck/tree-128.yaml", ROOT / "tests/crosscheck/flows.yaml"


def level(emulator):
    """Spine 0 of a pod is dead, so what goes there from other pods takes three of their four spines, and what goes elsewhere makes
    way for it: by adaptive routing the three carry the same into the pod, to 4 %, whichever is beside the dead one."""
    path = emulator.trace(TREE, FLOWS, engine="packet", fabric__routing="adaptive", traffic__bytes="8 MB", packet__control="none",
                          job__events="[{at: 0 us, what: spine 0, remaining: 0 %}]", network__reroute_delay="0 us", trace__hot_links=1000)
    names = [name.tobytes().decode().rstrip("\0") for name in column(path, "links/hot_name")[0]]
    into = {f"spine {k}": 0 for k in (0, 1, 2, 3)}
    for name, carried in zip(names, column(path, "links/hot_bytes")[0]):
        port, _, leaf = name.partition(" -> ")
        if port in into and leaf.startswith("leaf"):
            into[port] += int(carried)
    living = [into[f"spine {k}"] for k in (1, 2, 3)]
    claim(into["spine 0"] == 0 and min(living) > 0, f"one is dead: {into}")
    claim(max(living) < 1.04 * sum(living) / 3, f"the others carry the same: {living}")


def skipped(emulator):
    """What is passed over is the same on any ranks; all bytes are counted, and the end is near that of every packet."""
    pods, job = emulator.folder / "pods.yaml", JOBS / "traffic-all-reduce.yaml"
    pods.write_text(PODS)
    more = dict(engine="packet", traffic__algorithm="ring", traffic__ranks=32, traffic__bytes="32 MB", packet__control="none", trace__full_links="on")
    claim(same_on_any_ranks(emulator, pods, job, (1, 2, 3), packet__skip="on", **more) == 0, "it is played")
    path, every = emulator.folder / "n3/run.h5", emulator.trace(pods, job, **more)
    packets, passed = (column(path, f"steps/{name}")[0] for name in ("packets", "packets_skipped"))
    claim(passed > packets / 3, f"{passed} of {packets} packets are passed over")
    claim(packets == column(every, "steps/packets")[0] and column(every, "steps/packets_skipped")[0] == 0, "as many in all")
    claim((column(path, "links/bytes") == column(every, "links/bytes")).all(), "tiers carry as much")
    ends = [column(file, "steps/end_ps")[0] for file in (path, every)]
    claim(abs(ends[0] / ends[1] - 1) < 0.01, f"the end is near: {ends}")


LINE = """schema_version: 1
kind: topology
nodes: 20
node: {{gpu: h100-sxm, gpus: 1, nic: connectx-7-ndr400, scale_up: alone}}
fabric:
  kind: {}
  routing: dor
  tiers:
    - {{name: leaf, switch: quantum-2-qm9700, children: 4, rate: 400 Gb/s, cable: 10 m}}
    - {{name: ring, children: 5, rate: 400 Gb/s, cable: 10 m}}
"""
SHIFT = "schema_version: 1\nkind: traffic\nname: {}\nplacement: {{nodes: {}}}\ntraffic: {{pattern: shift, shift: {}, bytes: {}}}\nsteps: {}\n"


def circles(emulator):
    """All on a ring send two switches further: what comes over each link waits for the next, all the way round, and where
    buffers are small pauses never end. That is said, with the ports in order and since when, while another job still sends
    within one switch, whose steps stay in the trace. A line has no way round, and the same traffic ends. A pause that lasts
    for more than a millisecond, behind 62 others below one switch, is none of that."""
    (emulator.folder / "hardware").mkdir()
    (emulator.folder / "hardware" / "alone.yaml").write_text(SCALE_UP.replace("gpus: 4", "gpus: 1"))
    paths = [emulator.folder / name for name in ("torus.yaml", "mesh.yaml", "around.yaml", "within.yaml")]
    for path, text in zip(paths, (LINE.format("torus"), LINE.format("mesh"), SHIFT.format("around", "0-19/2", 4, "4 MB", 1),
                                  SHIFT.format("within", "1-3/2", 1, "10 MB", 12))):
        path.write_text(text)
    torus, mesh, around, within = paths
    small = dict(engine="packet", packet__buffer="400 kB", trace__full_links="on")
    same = lambda topology, *ranks, **more: same_on_any_ranks(emulator, topology, around, ranks, str(within), **{**small, **more})
    claim(same(mesh, 1, 2) == 0, "a line has no circle")
    claim(attribute(emulator.folder / "n1/run.h5", "reason") == "", "it has not failed")
    claim(same(torus, 1, packet__buffer="128 MB") == 0, "where nobody is paused nobody waits for each other")
    box = emulator.folder / "box.yaml"
    box.write_text(BOX.replace("nodes: 7", "nodes: 64").replace("gpus: 4,", "gpus: 1,").replace("nvlink4-4", "alone").replace("28", "64"))
    done = emulator.run(box, JOBS / "traffic-incast.yaml", engine="packet", packet__mtu="1 MiB", packet__control="none",
                        traffic__fan_in=63, traffic__bytes="32 MiB")
    claim(done.returncode == 0, f"who waits for long does not wait for good: {done.stderr}")
    credits = {"packet__flow_control": "credits", "packet__credits": "64 KiB"}
    for ranks, more in ((1, 2, 3), {}), ((1, 3), {"packet__loss": "0.001 %"}), ((1, 2), credits):
        if "packet__credits" in more:
            small.pop("packet__buffer")
        claim(same(torus, *ranks, **more) == 1, f"a ring that is full cannot go on: {more}")
        words = "\n".join(own_words(emulator.run(torus, around, str(within), ranks=0, **{**small, **more})))
        since_ms, n, every = re.search(r"since ([0-9.]+) ms (\d+) ports .* circle.*; (\d+) ports in all", words).groups()
        circle = re.findall(r"^  leaf (\d) port \d -> leaf (\d)$", words, re.M)
        claim(len(circle) == int(n) == 5 and int(every) == 15, f"5 links, and 10 NICs behind them: {words}")
        claim(all(circle[k][1] == circle[(k + 1) % 5][0] for k in range(5)), f"each leads to the next: {words}")
        trace = emulator.folder / "n1/run.h5"
        last_ms = column(trace, "steps/end_ps").max() / 1e9
        claim(attribute(trace, "status") == "failed" and attribute(trace, "reason") in words, "the trace says why")
        claim(float(since_ms) < 0.1 and 0.5 < last_ms < 2.3, f"it is seen soon: since {since_ms} ms, steps until {last_ms} ms")


def rounds(emulator):
    """A job whose collectives nobody disturbs takes the same by the flow engine and round by round, on any ranks; a ring beside
    messages takes less by rounds."""
    job, step_s = JOBS / "ddp-small.yaml", {}
    claim(same_on_any_ranks(emulator, LAPTOP, job, (1, 2, 3), "--steps", 2, engine="rounds") == 0, "it is played")
    for engine in ("flow", "rounds"):
        path = emulator.trace(LAPTOP, job, "--steps", 2, engine=engine)
        step_s[engine] = (column(path, "steps/end_ps") - column(path, "steps/start_ps")) / PS_PER_S
    claim(abs(step_s["rounds"] / step_s["flow"] - 1).max() < 1e-6, f"steps alone: {step_s}")
    tree, ring, others = (ROOT / f"tests/crosscheck/{name}.yaml" for name in ("tree-112", "ring-even", "scattered-odd"))
    took_s = {}
    for engine in ("flow", "rounds"):
        path = emulator.trace(tree, ring, str(others), engine=engine, fabric__tiers__spine__parents=2)
        took_s[engine] = column(path, "steps/end_ps")[column(path, "steps/job") == 0][0] / PS_PER_S
    claim(2.83e-3 < took_s["rounds"] < 0.9 * took_s["flow"], f"a ring beside messages: {took_s}")


def crowd(emulator):
    """All GPUs below one large switch send to their neighbours at one moment: that takes each of them the same, however many
    they are, and four times as many cost not much more than four times the work."""
    topology, job = emulator.folder / "crowd.yaml", JOBS / "traffic-ring.yaml"
    parts = emulator.folder / "hardware"
    parts.mkdir()
    (parts / "nvlink4-4.yaml").write_text(SCALE_UP.replace("gpus: 4", "gpus: 1"))
    (parts / "vast.yaml").write_text("schema_version: 1\nkind: switch\nports: 65535\nport_rate: 400 Gb/s\nlatency: 250 ns\ntypical_power: 1 kW\n")
    topology.write_text(BOX.replace("gpus: 4", "gpus: 1").replace("quantum-2-qm9700", "vast").replace("28", "65535"))
    spent_s = lambda: sum(resource.getrusage(resource.RUSAGE_CHILDREN)[:2])
    cost_s, seen = {}, {}
    for ngpus in (1000, 8000, 32000):
        before_s = spent_s()
        path = emulator.trace(topology, job, ranks=0, nodes=ngpus, engine="packet", traffic__bytes="16 kB",
                              packet__flow_control="none", packet__buffer="endless", trace__hot_links=0)
        cost_s[ngpus] = spent_s() - before_s
        seen[ngpus] = {int(t) for t in column(path, "flows/end_ps")}
    claim(all(len(ends) == 1 for ends in seen.values()) and seen[1000] == seen[32000], f"all end at one moment: {seen}")
    claim(cost_s[32000] < 6 * cost_s[8000], f"seconds of CPU by senders: {cost_s}")


run_case(settings, lost, divided, level, skipped, circles, rounds, crowd)
