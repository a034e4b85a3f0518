"""A cluster without overheads, written for arithmetic by hand: NICs of 50 GB/s, a scale-up domain of 400 GB/s, no latency
but the one a test asks for."""

import pathlib

NIC_Bps, DOMAIN_Bps = 50 * 10**9, 400 * 10**9
PARTS = {
    "ideal-nic": "kind: nic\nline_rate: 400 Gb/s\ngoodput: 50 GB/s\nlatency: 0 us\n",
    "ideal-switch": "kind: switch\nports: 4096\nport_rate: 400 Gb/s\nlatency: 0 us\ntypical_power: 1 W\n",
    "ideal-domain": "kind: scale_up\ngpus: {domain}\nline_rate: 400 GB/s\ngoodput: 400 GB/s\nlatency: 0 us\n"
                    "collective_base: 0 us\n",
}


def ideal_cluster(folder, nodes, slots, tiers, *, routing="dmodk", wiring="plain", pxn="off", cable="0 m", domain=0,
                  rate="400 Gb/s"):
    """Write ideal.yaml: `tiers` lists (children, parents, lanes) from the leaves up; `domain` GPUs share a
    scale-up domain, 0: those of a node; returns its path."""
    folder = pathlib.Path(folder)
    (folder / "hardware").mkdir(exist_ok=True)
    for name, text in PARTS.items():
        (folder / f"hardware/{name}.yaml").write_text("schema_version: 1\n" + text.format(domain=domain or slots))
    lines = ["schema_version: 1", "kind: topology", f"nodes: {nodes}", "node:", "  gpu: h100-sxm", f"  gpus: {slots}",
             "  nic: ideal-nic", "  scale_up: ideal-domain", "fabric:", f"  wiring: {wiring}", f"  pxn: {pxn}",
             f"  routing: {routing}", "  tiers:"]
    for level, (children, parents, lanes) in enumerate(tiers):
        lines += [f"    - name: tier{level + 1}", "      switch: ideal-switch", f"      children: {children}",
                  f"      parents: {parents}", f"      lanes: {lanes}", f"      rate: {rate}", f"      cable: {cable}"]
    path = folder / "ideal.yaml"
    path.write_text("\n".join(lines) + "\n")
    return path


def traffic_job(folder, pattern, flows=None, **keys):
    """Write a traffic job: patterns by key; `flows` is a list of (source, destination, bytes, start in ps)."""
    folder = pathlib.Path(folder)
    if flows is not None:
        rows = [f"{source},{destination},{size} B,{start_ps} ps" for source, destination, size, start_ps in flows]
        (folder / f"{pattern}.csv").write_text("\n".join(["source,destination,bytes,start", *rows]) + "\n")
        keys["file"] = f"{pattern}.csv"
    lines = ["schema_version: 1", "kind: traffic", "traffic:", f"  pattern: {'flows' if flows is not None else pattern}"]
    lines += [f"  {key}: {value}" for key, value in keys.items()]
    path = folder / f"{pattern}.yaml"
    path.write_text("\n".join(lines) + "\n")
    return path
