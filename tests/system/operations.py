#!/usr/bin/python3
"""operations.py MPIEXEC COLOSSIM {goal|goal_ring|goal_refused}: what other tools play becomes a job, and plays as they say."""

import itertools
import subprocess

from emulator import ROOT, claim, column, run_case, same_on_any_ranks

PS_PER_US = 10**6
FABRIC = """schema_version: 1
kind: topology
nodes: {nodes}
node: {{gpu: h100-sxm, gpus: 1, nic: even-nic, scale_up: alone}}
fabric:
  wiring: plain
  routing: adaptive
  tiers: [{{name: leaf, switch: plain-switch, children: {nodes}, rate: 400 Gb/s, cable: 0 m}}]
"""
NIC = """schema_version: 1
kind: nic
line_rate: 400 Gb/s
goodput: 50 GB/s
latency: 500 ns
"""
PATH_PS = 500_000 + 300_000  # of NICs, from one to the other, and a switch


def fabric(emulator, nodes):
    """Hosts of one GPU below one switch, at 50 GB/s: all paths are alike."""
    folder = emulator.folder / "hardware"
    folder.mkdir(exist_ok=True)
    for name in ("alone", "plain-switch"):
        (folder / f"{name}.yaml").write_text((ROOT / f"tests/crosscheck/hardware/{name}.yaml").read_text())
    (folder / "even-nic.yaml").write_text(NIC)
    path = emulator.folder / f"flat-{nodes}.yaml"
    path.write_text(FABRIC.format(nodes=nodes))
    return path


def bring(emulator, text, *options, name="job"):
    """The job that comes of a file, and what was said."""
    path = emulator.folder / f"{name}.yaml"
    done = subprocess.run([ROOT / "scripts/import", text, "-o", path, *map(str, options)], capture_output=True, text=True)
    claim(done.returncode == 0 and not done.stderr, f"{text} {options}: {done.returncode} {done.stderr}")
    return path, done.stdout


def took_ps(emulator, topology, job, **settings):
    path = emulator.trace(topology, job, name=job.stem, **settings)
    return int(column(path, "steps/duration_ps")[0])


def written(emulator, text, name):
    path = emulator.folder / name
    path.write_text(text)
    return path


# ---------------------------------------------------------------------------------------------- GOAL

def blocks(ranks, lines):
    return f"num_ranks {ranks}\n" + "".join(f"rank {r} {{\n" + "\n".join(lines(r)) + "\n}\n" for r in range(ranks))


def dissemination(ranks, size=1):
    """Rank r sends to r + 2^k in round k, behind what came in the round before; labels are used before they are there."""
    def lines(r):
        for k in itertools.takewhile(lambda k: 2**k < ranks, itertools.count()):
            if k:
                yield from (f"s{k} requires s{k - 1}", f"s{k} requires r{k - 1}", f"r{k} requires r{k - 1}")
            yield f"s{k}: send {size}b to {(r + 2**k) % ranks} tag {k} // round {k}"
            yield f"  r{k}: recv {size}b from {(r - 2**k) % ranks} tag {k} cpu 0 nic 0"
    return blocks(ranks, lines)


def ring_all_reduce(ranks, size):
    """2 (n - 1) steps of a chunk each, one tag for all of them; a step begins when the chunk before has come."""
    def lines(r):
        for k in range(2 * (ranks - 1)):
            yield f"s{k}: send {size // ranks}b to {(r + 1) % ranks} tag 9"
            yield f"r{k}: recv {size // ranks}b from {(r - 1) % ranks} tag 9"
            if k:
                yield f"s{k} requires r{k - 1}"
    return blocks(ranks, lines)


def goal(emulator):
    """LogGOPSim's README says 22,000 ns of a dissemination of 16 ranks with its defaults: four rounds of o + L + o, with L = 2.5 us
    and o = 1.5 us. Here L has the path in it, and a byte takes its time on the link."""
    topology = fabric(emulator, 16)
    text = written(emulator, dissemination(16), "dissemination.goal")
    job, said = bring(emulator, text, "--overhead", "1.5 us", "--latency", f"{2_500_000 - PATH_PS} ps")
    claim("64 messages" in said, said)
    took = took_ps(emulator, topology, job)
    claim(0 <= took - 22 * PS_PER_US < 200, f"22 us and 4 bytes: {took} ps")
    # calc is on the cpu that it names, whose operations are done one at a time; requires waits for an end, irequires for a begin.
    lines = ["a: calc 5000", "b: calc 7000 cpu 0", "c: calc 20000 cpu 1", "d: calc 1000 cpu 2", "d irequires b",
             "e: calc 30000 cpu 3 /* behind", "two lines */", "e requires c"]
    text = written(emulator, blocks(2, lambda r: lines if r else ["calc 1"]), "calc.goal")
    claim(took_ps(emulator, topology, bring(emulator, text)[0]) == 50 * PS_PER_US, "20 us, then 30 us")
    text = written(emulator, blocks(2, lambda r: [*lines[:3], "d: calc 9000 cpu 2", "d irequires b"]), "calc.goal")
    took = took_ps(emulator, topology, bring(emulator, text, "--calc", "2 ns")[0])
    claim(took == 2 * max(20, 5 + 9) * PS_PER_US, f"b begins behind a, on the same cpu, and d with it: {took}")
    # A buffered message frees its sender at once, one that waits for its receive does not.
    lines = [["s: send 100b to 1 tag 1", "c: calc 9000", "c requires s"], ["w: calc 5000", "r: recv 100b from 0 tag 1", "r requires w"]]
    text = written(emulator, blocks(2, lambda r: lines[r]), "eager.goal")
    for eager, us in (("65535 B", 9), ("0 B", 5 + 9)):
        took = took_ps(emulator, topology, bring(emulator, text, "--eager", eager)[0])
        wire = 0 if us == 9 else PATH_PS + 2000
        claim(took == us * PS_PER_US + wire, f"eager up to {eager}: {took}")
    same_on_any_ranks(emulator, topology, bring(emulator, written(emulator, dissemination(16, 10**6), "d.goal"))[0], (1, 2, 3))


def goal_ring(emulator):
    """A ring of 64 GPUs has 1 GiB summed after 2 (n - 1) / n S / B = 42.28 ms at 50 GB/s without latency, message by message as in one."""
    topology = fabric(emulator, 64)
    text = written(emulator, ring_all_reduce(64, 2**30), "ring.goal")
    exact_ps = 2 * 63 * 2**30 // 64 * 20
    job = bring(emulator, text, "--latency", "none")[0]
    took = took_ps(emulator, topology, job, trace__links="[]")
    claim(took == exact_ps, f"{took} for {exact_ps}")
    claim(len(column(emulator.folder / "job.h5", "flows/bytes")) == 2 * 63 * 64, "a row a message")
    whole = written(emulator, "schema_version: 1\nkind: traffic\ntraffic: {pattern: collective, algorithm: ring, bytes: 1 GiB, latency: none}\n",
                    "whole.yaml")
    claim(took_ps(emulator, topology, whole) == exact_ps, "as one collective")
    # With 5.5 us a step: T = 2 (n - 1) / n S / B + 2 (n - 1) 5.5 us (what SimAI's rings over rails obey).
    for n in (2, 8, 32):
        topology = fabric(emulator, n)
        text = written(emulator, ring_all_reduce(n, 2**25), "ring.goal")
        took = took_ps(emulator, topology, bring(emulator, text, "--latency", f"{5_500_000 - PATH_PS} ps")[0])
        exact_ps = 2 * (n - 1) * (2**25 // n * 20 + 5_500_000)
        claim(took == exact_ps, f"{n}: {took} for {exact_ps}")


def goal_refused(emulator):
    """What is wrong is told with its line, exit code 2, and nothing is written."""
    good = "num_ranks 2\nrank 0 {\ns: send 8b to 1 tag 0\n}\nrank 1 {\nr: recv 8b from 0 tag 0\n}\n"
    cases = (("num_ranks 2", "num_ranks 1", 1, "two or more"), ("8b to 1", "8b from 1", 3, "send wants"), ("to 1", "to 2", 3, "none of 2"),
             ("from 0", "from -1", 6, "anybody"), ("s: send", "s: sned", 3, "wanted an operation"), ("}\nrank 1", "s requires x\n}\nrank 1", 4, "label x"),
             ("rank 1 {", "rank 0 {", 5, "each of 2 once"), ("tag 0\n}\nrank", "tag 0\ns: calc 1\n}\nrank", 4, "twice"))
    for old, new, line, words in cases:
        text = written(emulator, good.replace(old, new, 1), "bad.goal")
        done = subprocess.run([ROOT / "scripts/import", text, "-o", emulator.folder / "x.yaml"], capture_output=True, text=True)
        claim(done.returncode == 2 and f"bad.goal:{line}: " in done.stderr and words in done.stderr, f"{new}: {done.returncode} {done.stderr}")
        claim(not (emulator.folder / "x.yaml").exists() and not (emulator.folder / "x.csv").exists(), "nothing is written")
    # What only the program can know: who waits for whom.
    topology = fabric(emulator, 2)
    for old, new, words in (("recv 8b", "recv 9b", "receives 9 B of rank 0, which sends 8 B"),
                            ("tag 0\n}\nrank", "tag 1\n}\nrank", "no such receive"),
                            ("tag 0\n}\nrank", "tag 0\nt: calc 1\ns requires t\nt requires s\n}\nrank", "wait for each other")):
        job = bring(emulator, written(emulator, good.replace(old, new, 1), "bad.goal"))[0]
        done = emulator.run(topology, job, path="x.h5")
        claim(done.returncode == 2 and "job.csv:" in done.stderr and words in done.stderr, f"{new}: {done.returncode} {done.stderr}")
        claim(not (emulator.folder / "x.h5").exists(), "no trace")


if __name__ == "__main__":
    run_case(goal, goal_ring, goal_refused)
