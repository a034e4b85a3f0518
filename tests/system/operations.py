#!/usr/bin/python3
"""operations.py MPIEXEC COLOSSIM {goal|goal_ring|goal_refused|chakra|chakra_refused|simai}: what other tools play becomes a job, and plays as they say."""

import itertools
import json
import random
import struct
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
  tiers: [{{name: leaf, switch: plain-switch, children: {nodes}, rate: 800 Gb/s, cable: 0 m}}]
"""
NIC = """schema_version: 1
kind: nic
line_rate: 800 Gb/s
goodput: {rate} B/s
latency: 500 ns
"""
PATH_PS = 500_000 + 300_000  # of NICs, from one to the other, and a switch


def fabric(emulator, nodes, rate=50 * 10**9):
    """Hosts of one GPU below one switch, at 50 GB/s: all paths are alike."""
    folder = emulator.folder / "hardware"
    folder.mkdir(exist_ok=True)
    for name in ("alone", "plain-switch"):
        text = (ROOT / f"tests/crosscheck/hardware/{name}.yaml").read_text()
        (folder / f"{name}.yaml").write_text(text.replace("port_rate: 400 Gb/s", "port_rate: 800 Gb/s"))
    (folder / "even-nic.yaml").write_text(NIC.format(rate=rate))
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


# ---------------------------------------------------------------------------------------------- Chakra

COMPUTE, SEND, RECEIVE, COLLECTIVE = 4, 5, 6, 7
ALL_REDUCE, ALL_GATHER, BROADCAST, ALL_TO_ALL, REDUCE_SCATTER = 0, 2, 5, 6, 7


def varint(value):
    out = bytearray()
    while value > 127:
        out.append(value & 127 | 128)
        value >>= 7
    return bytes([*out, value])


def field(number, value):
    """As protobuf writes it: a count, or bytes behind their length."""
    if isinstance(value, int):
        return varint(number << 3) + varint(value % 2**64)
    value = value.encode() if isinstance(value, str) else value
    return varint(number << 3 | 2) + varint(len(value)) + value


def node(number, kind, waits=(), micros=0, packed=True, **attributes):
    """A node; attributes are of the types that generators write: bool, int64, uint64, double, string."""
    data = field(1, number) + field(2, f"node {number}") + field(3, kind)
    for i, some in enumerate((waits[::2], waits[1::2])):  # control and data dependencies
        if some:
            data += field(4 + i, b"".join(map(varint, some))) if packed else b"".join(field(4 + i, on) for on in some)
    data += field(7, micros) if micros else b""
    for name, value in attributes.items():
        what = (field(27, int(value)) if isinstance(value, bool) else field(9 if number % 2 else 13, value) if isinstance(value, int)
                else varint(3 << 3 | 1) + struct.pack("<d", value) if isinstance(value, float) else field(29, value))
        data += field(10, field(1, name) + what)
    return data


def traces(emulator, name, ranks, nodes):
    """Files of a run: each message behind its length, metadata first."""
    folder = emulator.folder / name
    folder.mkdir(exist_ok=True)
    for rank in range(ranks):
        messages = [field(1, "0.0.4"), *nodes(rank)]
        (folder / f"{name}.{rank}.et").write_bytes(b"".join(varint(len(data)) + data for data in messages))
    return folder / f"{name}.0.et"


def chakra(emulator):
    """One all-reduce of 1 GiB on a ring of 64 is bounded by 39.375 ms at 50 * 2^30 B/s (ASTRA-sim's congestion-aware backend says that and
    its latency, 39.375520 ms); collectives, computations and messages take what closed forms say."""
    topology = fabric(emulator, 64, 50 * 2**30)
    trace = traces(emulator, "one", 64, lambda rank: [node(0, COLLECTIVE, comm_type=ALL_REDUCE, comm_size=2**30, is_cpu_op=False)])
    job = bring(emulator, trace, "--latency", "none")[0]
    claim(took_ps(emulator, topology, job, traffic__algorithm="ring") == 39_375_000_000, "39.375 ms")
    topology = fabric(emulator, 8)
    share = 2**20
    for code, size, ranks, moved in ((ALL_GATHER, share, 8, 7 * share), (REDUCE_SCATTER, 8 * share, 8, 7 * share), (ALL_TO_ALL, 8 * share, 8, 7 * share),
                                     (BROADCAST, 8 * share, 8, 7 * share), (ALL_GATHER, share, 4, 3 * share)):
        groups = written(emulator, json.dumps({"even": [0, 2, 4, 6], "odd": [1, 3, 5, 7]}), "groups.json")
        named = {} if ranks == 8 else {"pg": True}

        def one(rank):
            more = {"pg_name": ("even", "odd")[rank % 2]} if named else {}
            return [node(3, COMPUTE, micros=10), node(7, COLLECTIVE, (3,), comm_type=code, comm_size=size, **more)]
        job, said = bring(emulator, traces(emulator, f"c{code}{ranks}", 8, one).parent, "--latency", "none", "--groups", groups)
        took = took_ps(emulator, topology, job)
        claim(0 <= took - 10 * PS_PER_US - moved * 20 < 8, f"{code} of {ranks}: {took}")
        claim(("broadcast as an all-gather" in said) == (code == BROADCAST), said)

    def pipeline(rank):
        """Computing, as a duration and as num_ops, then a message to the next rank; CPU beside GPU, GPU one at a time."""
        yield node(1, COMPUTE, micros=100, is_cpu_op=True)
        yield node(2, COMPUTE, micros=20, is_cpu_op=False)
        yield node(4, COMPUTE, num_ops=3 * 10**9, tensor_size=10**6, is_cpu_op=False)
        yield node(6, RECEIVE, comm_src=rank - 1, comm_dst=rank, comm_size=10**6, comm_tag=5) if rank else node(6, COMPUTE)
        yield node(8, COMPUTE, (6, 2, 4), micros=30, packed=rank % 2 == 0)
        if rank < 3:
            yield node(10, SEND, (8,), comm_src=rank, comm_dst=rank + 1, comm_size=10**6, comm_tag=5)
    job = bring(emulator, traces(emulator, "pipe", 4, pipeline), "--latency", "1 us", "--flops", "100 TFLOP/s", "--memory", "50 GB/s")[0]
    took = took_ps(emulator, topology, job)
    # GPU: 20 us and max(30, 20) us, then four times 30 us and three messages.
    claim(took == (20 + 30 + 4 * 30 + 3 * (1 + 20)) * PS_PER_US + 3 * PATH_PS, f"the pipeline: {took}")
    same_on_any_ranks(emulator, topology, job, (1, 2, 3))
    # Process groups as PyTorch writes them, in a node of the trace itself.
    words = json.dumps([json.dumps([{"pg_name": "0", "ranks": []}, {"pg_name": "7", "ranks": [0, 1]}])])
    own = field(1, 0) + field(2, "## process_group:init ##") + field(3, 1) + field(8, field(1, words))
    job = bring(emulator, traces(emulator, "own", 2, lambda rank: [own, node(5, COLLECTIVE, comm_type=ALL_REDUCE, comm_size=2**20, pg_name="7")]),
                "--latency", "none")[0]
    claim(took_ps(emulator, fabric(emulator, 2), job, traffic__algorithm="ring") == 2**20 * 20, "a ring of two")


def chakra_refused(emulator):
    """What is damaged, or cannot be played, is told by file and node; nothing is written, and nothing is taken for something else."""
    good = [node(1, COMPUTE, micros=5), node(2, COLLECTIVE, (1,), comm_type=ALL_REDUCE, comm_size=64)]

    def refused(name, nodes, words, ranks=2, options=()):
        text = traces(emulator, name, ranks, nodes) if nodes else emulator.folder / name
        done = subprocess.run([ROOT / "scripts/import", text, "-o", emulator.folder / "x.yaml", *options], capture_output=True, text=True)
        claim(done.returncode == 2 and words in done.stderr and "Traceback" not in done.stderr, f"{name}: {done.returncode} {done.stderr}")
        claim(not (emulator.folder / "x.csv").exists(), "nothing is written")

    refused("alone", lambda rank: good, "a trace a rank", ranks=1)
    refused("lost", lambda rank: [node(1, COMPUTE, (9,), micros=5)], "depends on 9, which is not there")
    refused("twice", lambda rank: [good[0], good[0]], "node 1 is there twice")
    refused("kind", lambda rank: [node(1, 99)], "of type 99")
    refused("code", lambda rank: [node(1, COLLECTIVE, comm_type=77, comm_size=1)], "comm_type 77")
    refused("size", lambda rank: [node(1, COLLECTIVE, comm_type=0)], "no attribute comm_size")
    refused("group", lambda rank: [node(1, COLLECTIVE, comm_type=0, comm_size=8, pg_name="mine")], "group 'mine'")
    refused("self", lambda rank: [node(1, SEND, comm_src=rank, comm_dst=rank, comm_size=8)], "between rank 0 and rank 0")
    refused("flops", lambda rank: [node(1, COMPUTE, num_ops=8)], "--flops")
    traces(emulator, "gap", 3, lambda rank: good)
    (emulator.folder / "gap/gap.1.et").unlink()
    refused("gap", None, "no trace of rank 1")
    # Cut anywhere, a file is refused or ends with a whole node.
    whole = traces(emulator, "cut", 2, lambda rank: good).read_bytes()
    rng = random.Random(7)
    ends = [len(varint(len(data)) + data) for data in (field(1, "0.0.4"), *good)]
    for at in rng.sample(range(1, len(whole)), 25):
        (emulator.folder / "cut/cut.1.et").write_bytes(whole[:at])
        if at not in list(itertools.accumulate(ends)):
            refused("cut", None, "no Chakra trace that can be read")
    # A rank that does something else: ASTRA-sim ends such a run with exit status 0.
    job = bring(emulator, traces(emulator, "odd", 4, lambda rank: good[:1] if rank == 3 else good))[0]
    done = emulator.run(fabric(emulator, 4), job, path="x.h5")
    claim(done.returncode == 2 and "rank 0 takes part in 1 collectives of group 'all' with tag 0, but rank 3 in 0" in done.stderr, done.stderr)


# ---------------------------------------------------------------------------------------------- SimAI

def workload(layers, tp=1, ep=1, pp=1, gpus=2, more=""):
    return (f"HYBRID_TRANSFORMER_FWD_IN_BCKWD model_parallel_NPU_group: {tp} ep: {ep} pp: {pp} ga: 1 all_gpus: {gpus} checkpoints: 0 "
            f"checkpoint_initiates: 0{more}\n{len(layers)}\n" + "".join(f"{name}\t-1\t{parts}\t100\n" for name, parts in layers))


def members(emulator, job, kind):
    """Groups of a kind of collective, by rank."""
    rows = [line.split(",") for line in job.with_suffix(".csv").read_text().splitlines()[1:]]
    return {int(row[0]): row[3] for row in rows if row[2] == kind}


def simai(emulator):
    """A layer holds its rank up by what it exchanges, but for gradients of weights, which run beside what follows; groups are dealt
    tensor, expert, data, pipeline."""
    size, ring = 2**26, lambda n, size: 2 * (n - 1) * size // n * 20
    text = written(emulator, workload([("embedding_layer", f"556000 ALLREDUCE {size} 1 NONE 0 1 NONE 0")], tp=8, gpus=8), "micro.txt")
    job = bring(emulator, text, "--latency", "none")[0]
    took = took_ps(emulator, fabric(emulator, 8), job, traffic__algorithm="ring")
    claim(took == 556 * PS_PER_US + ring(8, size) + 2000, f"one all-reduce behind its computation: {took}")
    layers = [("a", f"10000 NONE 0 20000 NONE 0 30000 ALLREDUCE {size}"), ("b", f"1000 ALLGATHER {size} 50000000 REDUCESCATTER {size} 7000 ALLREDUCE {size}")]
    job = bring(emulator, written(emulator, workload(layers, tp=2, gpus=8), "two.txt"), "--latency", "none")[0]
    # What has ended is felt no longer.
    took = took_ps(emulator, fabric(emulator, 8), job, traffic__algorithm="ring", engine__control_delay="0us")
    half, dp = size // 2 * 20, ring(4, size)  # the gradients of b run beside 50 us of a, those of a behind them
    claim(took == (10 + 1 + 50_000 + 7) * PS_PER_US + 2 * half + 2 * dp, f"two layers: {took}")
    layers = [("m", "1 ALLREDUCE 8 1 ALLTOALL_EP 16 1 REDUCESCATTER_DP_EP 8"), ("n", "1 NONE 0 1 NONE 0 1 ALLGATHER 8")]
    job, said = bring(emulator, written(emulator, workload(layers, tp=2, ep=2, pp=2, gpus=16, more=" pp_comm 77"), "groups.txt"))
    claim("tp 2, ep 2, dp 4, pp 2" in said and "hand nothing over" in said, said)
    for kind, wanted in (("all_reduce", {0: "0 1", 5: "4 5", 15: "14 15"}), ("all_to_all", {0: "0 2", 7: "5 7", 8: "8 10"}),
                         ("all_gather", {0: "0-6/2", 3: "1-7/2", 12: "8-14/2"}), ("reduce_scatter", {0: "0 4", 2: "2 6", 13: "9 13"})):
        found = members(emulator, job, kind)
        claim(len(found) == 16 and {rank: found[rank] for rank in wanted} == wanted, f"{kind}: {found}")
    same_on_any_ranks(emulator, fabric(emulator, 16), job, (1, 3))
    good = workload(layers, gpus=4)
    for old, new, line, words in (("all_gpus: 4", "all_gpus: 5 ep: 2", 1, "a multiple of"), ("HYBRID_TRANSFORMER_FWD_IN_BCKWD", "HYBRID_DLRM", 1, "HYBRID_DLRM"),
                                  ("checkpoints: 0", "checkpoints: 2", 1, "computed again"), ("\n2\n", "\n3\n", 2, "3 layers are said"),
                                  ("NONE", "SOME", 4, "SOME"), ("n\t-1", "n\t-1 7", 4, "12 words"), ("ALLREDUCE 8", "ALLREDUCE x", 3, "bytes")):
        text = written(emulator, good.replace(old, new, 1), "bad.txt")
        done = subprocess.run([ROOT / "scripts/import", text, "-o", emulator.folder / "x.yaml"], capture_output=True, text=True)
        claim(done.returncode == 2 and f"bad.txt:{line}: " in done.stderr and words in done.stderr, f"{new}: {done.returncode} {done.stderr}")


if __name__ == "__main__":
    run_case(goal, goal_ring, goal_refused, chakra, chakra_refused, simai)
