"""Random small topologies and jobs as YAML, from a seed; not all are legal, as not all of a user's are.

The catalogue entries `wide`, `port`, `domain-G`, `tiny` and `tiny-tied` are written beside them: parts without limits that would
refuse most draws. Everything else comes from the share folder.
"""

import pathlib
import random

PORT_RATES = ("100 Gb/s", "200 Gb/s", "400 Gb/s")
PARTS = {
    "hardware/wide.yaml": "schema_version: 1\nkind: switch\nports: 4096\nport_rate: 400 Gb/s\nlatency: 300 ns\n"
                          "typical_power: 500 W\n",
    "models/tiny-tied.yaml": "schema_version: 1\nkind: model\nlayers: 8\nhidden: 1024\nheads: 16\nffn: 4096\n"
                             "vocab: 16384\nactivation: gelu\ntied_embeddings: on\n",
    "models/tiny.yaml": "schema_version: 1\nkind: model\nlayers: 16\nhidden: 1024\nheads: 16\nkv_heads: 8\n"
                        "head_dim: 64\nffn: 4096\nvocab: 8192\nactivation: swiglu\ntied_embeddings: off\n",
}


def write_parts(folder):
    for name, text in PARTS.items():
        path = pathlib.Path(folder) / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)


def write_scale_up(folder, gpus):
    text = (f"schema_version: 1\nkind: scale_up\ngpus: {gpus}\nline_rate: 450 GB/s\ngoodput: 360 GB/s\n"
            "latency: 2 us\ncollective_base: 10 us\n")
    (pathlib.Path(folder) / "hardware" / f"domain-{gpus}.yaml").write_text(text)


def tree(draw, endpoints):
    """Tiers whose installed endpoints are at least `endpoints`."""
    tiers = []
    for level in range(draw.randint(1, 3)):
        tiers.append({"children": draw.choice((2, 3, 4, 8)), "parents": draw.choice((1, 1, 2, 3)) if level else 1,
                      "lanes": draw.choice((1, 1, 2)) if level else 1,
                      "rate": draw.choice(PORT_RATES), "cable": draw.choice(("0 m", "3 m", "50 m", "1.5 us"))})
    room = 1
    for tier in tiers[:-1]:
        room *= tier["children"]
    tiers[-1]["children"] = max(-(-endpoints // room) + draw.choice((0, 0, 1)), 2)
    return tiers


def graph(folder, name, nodes, slots):
    """Fabric of NAME.yaml that is no tree, as lines: a torus, a mesh, a dragonfly or a list of cables."""
    draw = random.Random(f"{name} {nodes} {slots}")
    nics = nodes * slots
    kind, each, ports = draw.choice(("torus", "mesh", "dragonfly", "graph")), draw.randint(1, 4), draw.choice((1, 1, 2))
    line = lambda **keys: "    - {" + ", ".join(f"{key}: {value}" for key, value in keys.items()) + "}"
    rate = lambda: draw.choice(("100 Gb/s", "200 Gb/s", "400 Gb/s"))
    switches = -(-nics // each)
    lines = [f"  kind: {kind}", "  wiring: plain", f"  pxn: {draw.choice(('on', 'off'))}",
             f"  routing: {draw.choice(('ecmp', 'dor', 'spray', 'adaptive'))}", f"  hash_seed: {draw.randint(0, 9)}", "  tiers:",
             line(name="leaf", switch="wide", children=each, lanes=ports, rate=rate(), cable="2 m")]
    if kind in ("torus", "mesh"):
        sizes = [draw.randint(1, 4) for _ in range(draw.randint(0, 2))]
        below = 1
        for size in sizes:
            below *= size
        for axis, size in zip("xyz", sizes + [-(-switches // below)]):
            lines.append(line(name=axis, children=size, lanes=draw.randint(1, 2), rate=rate(), cable="3 m"))
    elif kind == "dragonfly":
        size = draw.randint(1, 4)
        groups = -(-switches // size)
        lines.append(line(name="group", children=size, lanes=draw.randint(1, 2), rate=rate(), cable="3 m"))
        lines.append(line(name="all", children=groups, parents=max(-(-(groups - 1) // size), 1), rate=rate(), cable="30 m"))
    else:
        lines.insert(1, f"  cables: {name}.csv")
        lines[-1] = lines[-1].replace(f"children: {each}, ", "")
        lines.append(line(name="spine", rate=rate(), cable="20 m"))
        lines.append(line(name="ring", rate=rate(), cable="30 m"))
        spines = draw.randint(1, 3)
        rows = [f"gpu {nic},leaf {nic // each}" for nic in range(nics) for _ in range(ports)]
        rows += [f"leaf {leaf},spine {spine},{draw.randint(1, 2)}" for leaf in range(switches) for spine in range(spines)]
        rows += [f"leaf {leaf},leaf {draw.randrange(leaf)},1,ring" for leaf in range(1, switches) if draw.random() < 0.3]
        (pathlib.Path(folder) / f"{name}.csv").write_text("\n".join(["from,to,count,tier", *rows]) + "\n")
    return lines


def topology(draw, folder, name, apart=False):
    """Write NAME.yaml; returns its path, the numbers of GPUs and of those in a domain.

    apart: neighbours often find a path to each other that nobody else takes, as islands (player/island.h) need it."""
    slots, nodes = draw.choice((1, 2, 4, 4, 8)), draw.randint(2, 24 if apart else 12)
    domain = draw.choice((slots, slots, max(slots // 2, 1)))
    write_scale_up(folder, domain)
    rail = draw.random() < (0.8 if apart else 0.5)
    tiers = tree(draw, nodes * slots)
    if apart and len(tiers) > 1:
        tiers[0]["children"] = draw.choice((2, 4, 4, 8)) * (1 if rail else slots)
    if rail and len(tiers) > 1:
        # A unit is children[0] nodes under `slots` leaves: whole units must fit.
        units = -(-nodes // tiers[0]["children"])
        below = 1
        for tier in tiers[1:-1]:
            below *= tier["children"]
        tiers[-1]["children"] = max(-(-units * slots // below), 2)
    lines = ["schema_version: 1", "kind: topology", f"nodes: {nodes}", "node:", "  gpu: h100-sxm", f"  gpus: {slots}",
             "  nic: connectx-7-ndr400", f"  scale_up: domain-{domain}", "fabric:",
             f"  wiring: {'rail' if rail else 'plain'}", f"  pxn: {draw.choice(('on', 'off'))}",
             f"  routing: {draw.choice(('ecmp', 'dmodk', 'spray', 'adaptive'))}", f"  hash_seed: {draw.randint(0, 9)}",
             f"  shared_seed: {draw.choice(('on', 'off'))}", "  tiers:"]
    for level, tier in enumerate(tiers):
        lines += [f"    - name: tier{level + 1}", "      switch: wide"]
        lines += [f"      {key}: {value}" for key, value in tier.items()]
    faulty = len(tiers) > 1 and draw.random() < 0.4
    if not apart and random.Random(f"{name} {nodes} kind").random() < 0.25:
        lines[lines.index("fabric:") + 1:] = graph(folder, name, nodes, slots)
    elif faulty:
        lines.append("  faults:")
        for _ in range(draw.randint(1, 3)):
            tier = draw.randint(2, len(tiers))
            port = draw.randrange(tiers[tier - 1]["parents"] * tiers[tier - 1]["lanes"])
            lines += [f"    - tier: {tier}", f"      lower: {draw.randint(0, 3)}", f"      port: {port}",
                      f"      remaining: {draw.choice(('0 %', '25 %', '50 %'))}"]
    path = pathlib.Path(folder) / f"{name}.yaml"
    path.write_text("\n".join(lines) + "\n")
    return path, nodes * slots, domain


def common(draw, apart=False):
    """What both kinds of job have."""
    kind = "contiguous" if apart else draw.choice(("contiguous", "strided", "random"))
    stride = [f"  stride: {draw.randint(1, 5)}"] if kind == "strided" else []
    return ["placement:", f"  kind: {kind}", *stride, f"seed: {draw.randint(1, 1000)}", "engine:",
            f"  kind: {'flow' if apart else draw.choice(('flow', 'flow', 'flow', 'closed'))}",
            f"  control_delay: {draw.choice(('0 us', '1 us', '10 us', '50 us'))}",
            "trace:", f"  intervals: {draw.choice((7, 40, 40, 300))}", "  hot_links: 16", "  full_links: on"]


def packets(draw):
    """What stands in place of `engine` of a job that is played packet by packet: coarse cells, small buffers."""
    flow_control = draw.choice(("pfc", "credits", "none"))
    control = draw.choice(("none", "dcqcn"))
    lines = ["engine: packet", "packet:", f"  mtu: {draw.choice(('1500 B', '4 KiB', '16 KiB'))}", f"  ack: {draw.choice((0, 64))} B",
             f"  acks_every: {draw.randint(1, 5)}", f"  forwarding: {draw.choice(('cut-through', 'store-and-forward'))}",
             f"  candidates: {draw.randint(1, 8)}", f"  flow_control: {flow_control}",
             f"  ecn_min: {draw.choice(('0 us', '2 us', '100 kB at 400 Gb/s'))}", f"  ecn_max: {draw.choice(('2 us', '20 us'))}",
             f"  control: {control}", f"  recovery: {draw.choice(('selective-repeat', 'go-back-n'))}"]
    lines.append(f"  credits: {draw.choice((16, 64, 256))} KiB" if flow_control == "credits" else
                 f"  buffer: {draw.choice(('200 kB', '1 MB', '64 MB'))}")
    if flow_control == "none":
        lines += [f"  trim: {draw.choice(('on', 'off'))}", f"  drop_share: {draw.choice((20, 100))} %"]
    if draw.random() < 0.2:
        lines.append("  loss: 0.5 %")
    if control == "dcqcn":
        lines += ["  dcqcn:", f"    cnp_every: {draw.choice((0, 4, 50))} us", f"    gain: {draw.choice((0.0625, 0.00390625))}",
                  f"    cnp: {draw.choice(('spaced', 'windows'))}", f"    byte_counter: {draw.choice(('off', '100 kB'))}"]
    return lines


def by_packets(lines, draw):
    """A traffic job to be played packet by packet: it moves kilobytes."""
    small = {"3 MB": "100 kB", "100 MB": "500 kB"}
    if "  pattern: all_to_all" in lines:
        small = {"64 KiB": "10 kB", "3 MB": "20 kB", "100 MB": "40 kB"}
    for at, line in enumerate(lines):
        if line.startswith("  bytes: "):
            lines[at] = f"  bytes: {small.get(line[9:], line[9:])}"
    begin = lines.index("engine:")
    lines[begin:begin + 3] = packets(draw)


def training(draw, folder, name, gpus, domain, apart=False):
    """Write NAME.yaml. apart: replicas are often islands, see topology."""
    tp = draw.choice([n for n in (1, 2, 4, 8) if domain % n == 0])
    pp = draw.choice([n for n in ((1, 2, 2, 4, 4, 8) if apart else (1, 1, 2, 4)) if tp * n * (1 + apart) <= gpus] or [1])
    schedule = draw.choice(("none",) if pp == 1 else ("gpipe", "1f1b", "interleaved", "zero_bubble", "dualpipe"))
    chunks = draw.choice((2, 4) if pp < 8 else (2,)) if schedule == "interleaved" else 1
    microbatches = draw.choice((1, 2, 3, 4, 8)) if schedule != "interleaved" else pp * draw.randint(1, 3)
    if schedule == "dualpipe":
        microbatches = 2 * pp * draw.randint(1, 2)
    replicas = gpus // (tp * pp)
    dp = draw.choice(("auto", replicas, draw.randint(2, max(replicas, 2)) if apart else draw.randint(1, replicas)))
    order = "tp-cp-pp-dp" if apart else draw.choice(("tp-cp-ep-dp-pp", "tp-cp-pp-dp"))
    flag = lambda: draw.choice(("on", "off"))
    model = "tiny-tied" if draw.random() < (0.3 if pp == 1 else 0.1) and pp * chunks <= 8 and schedule != "dualpipe" else "tiny"
    zero, prefetch = draw.choice((0, 1, 2, 3, 3)), draw.randint(0, 2)
    lines = ["schema_version: 1", "kind: training", f"model: {model}", "parallel:", f"  tp: {tp}", f"  pp: {pp}",
             f"  dp: {dp}", f"  chunks: {chunks}",
             f"  schedule: {schedule}", f"  order: {order}",
             f"  zero: {zero}", f"  prefetch: {prefetch if zero == 3 else 1}",
             f"  reshard: {flag()}", f"  microbatches: {microbatches}",
             f"  sequence_parallel: {'off' if tp == 1 else flag()}", "training:",
             f"  sequence: {draw.choice((1024, 1024, 4096))}",
             f"  grad_overlap: {flag()}", f"  param_overlap: {flag()}", f"  pp_overlap: {flag()}",
             f"  align_reductions: {flag()}", f"  pp_overlap_flush: {flag() if schedule == 'interleaved' else 'off'}",
             f"  tp_overlap: {flag()}", f"  bucket_parameters: {draw.choice(('auto', 5000000, 40000000))}", "network:",
             f"  queue_pairs: {draw.choice((1, 2, 4, 16))}", f"  eager: {draw.choice(('1 B', '8 KiB', '1 MB'))}",
             f"  message_latency: {draw.choice(('5 us', '10 us', '60 us'))}",
             f"  collective_base: {draw.choice(('0 us', '8.4 us', '8.4 us', '50 us'))}",
             f"  round_latency: {draw.choice(('0 us', '10 us'))}",
             f"  dp_algorithm: {draw.choice(('auto', 'ring', 'tree', 'pat', 'nvls_tree', 'hierarchical', 'direct', 'halving_doubling'))}", "steps: 3"]
    chance = draw.random()
    if chance < 0.6:
        lines += ["noise:", "  gpu_sigma: 3 %", "  step_sigma: 2 %", "  straggler_probability: 10 %"]
    elif chance < 0.8:  # slow for good
        lines += ["noise:", "  gpu_sigma: 3 %", "  step_sigma: 0 %", "  straggler_probability: 0 %"]
    timeline = f"  timeline: [0-{gpus - 1}/{3 + gpus // 256}]\n  links: [all]"
    path = pathlib.Path(folder) / f"{name}.yaml"
    path.write_text("\n".join([*lines, *common(draw, apart), timeline]) + "\n")
    return path


def traffic(draw, folder, name, gpus, may_be_packets=False):
    pattern = draw.choice(("permutation", "shift", "ring", "incast", "all_to_all", "collective", "flows"))
    own = random.Random(f"{name} packets")
    by_packet = may_be_packets and own.random() < 0.4
    scale = 300 if by_packet else 1
    lines = ["schema_version: 1", "kind: traffic", "traffic:", f"  pattern: {pattern}",
             f"  queue_pairs: {draw.choice((1, 2, 4)) if pattern != 'collective' else 1}", f"  latency: {draw.choice(('none', '0 us', '7 us'))}"]
    if pattern != "flows":
        lines += [f"  ranks: {draw.choice(('all', gpus, max(gpus // 2, 2)))}",
                  f"  bytes: {draw.choice(('1 B', '64 KiB', '3 MB', '100 MB'))}"]
    if pattern == "all_to_all" and draw.random() < 0.5:
        lines[-2] = "  ranks: all"
        lines.append(f"  group: {draw.randint(2, gpus)}")
    if pattern == "shift":
        lines.append(f"  shift: {draw.choice(('half', 1, 3))}")
    if pattern == "incast":
        lines.append(f"  fan_in: {draw.choice((2, 3, 4))}")
    if pattern == "collective":
        lines += [f"  collective: {draw.choice(('all_reduce', 'reduce_scatter', 'all_gather', 'all_to_all'))}",
                  f"  algorithm: {draw.choice(('auto', 'ring', 'tree', 'pat', 'nvls', 'sharp', 'halving_doubling', 'direct', 'hierarchical'))}"]
    if pattern == "flows":
        lines.append(f"  file: {name}.csv")
        rows = [f"{a},{b},{draw.randint(1, 10**8) // scale} B,{draw.randint(0, 2000)} us"
                for a, b in ((draw.randrange(gpus), draw.randrange(gpus)) for _ in range(40)) if a != b]
        (pathlib.Path(folder) / f"{name}.csv").write_text("\n".join(["source,destination,bytes,start", *rows]) + "\n")
    lines.append(f"steps: {draw.choice((1, 2, 4))}")
    path = pathlib.Path(folder) / f"{name}.yaml"
    lines += common(draw)
    if by_packet:
        by_packets(lines, own)
    path.write_text("\n".join(lines) + "\n")
    return path
