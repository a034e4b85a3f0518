"""published.py: what a published run (jobs/published/runs.csv) is in the words of topology and job files.

Idea.    A row holds what its source prints (model, plan, precision, batch, step) in the words of Megatron. It becomes two
         texts: the machine, by its row of topologies/published/fabrics.csv, just as large as the job needs; the job, with
         the keys of jobs/keys.md. What a row leaves blank is filled in by the rules of jobs/published/README.md.
         Only what differs from a default is written, so that a row asks for no more than it uses.
Limits.  A row whose plan is not printed (no microbatch, no parallel sizes), or whose domain_used is not of its machine, is
         refused. What stands only in a note is read where it is said in one of the phrases of NOTES.
"""

import csv
import dataclasses
import math
import pathlib
import re
import zlib

from program import ROOT

JOBS, TOPOLOGIES = ROOT / "jobs/published", ROOT / "topologies/published"
RUNS = JOBS / "runs.csv"

# GPU as the rows call it -> catalogue entries of the GPU and of its scale-up domain, GPUs of a domain.
GPUS = {
    "A100": ("a100-80g-sxm", "nvlink3-8", 8), "H100": ("h100-sxm", "nvlink4-8", 8), "H200": ("h200-sxm", "nvlink4-8", 8),
    "H800": ("h800-sxm", "nvlink4-8-h800", 8), "B200": ("b200-sxm", "nvlink5-8", 8), "B300": ("b300-sxm", "nvlink5-8", 8),
    "GB200": ("gb200", "nvlink5-72", 72), "GB300": ("gb300", "nvlink5-72", 72), "MI300X": ("mi300x", "xgmi3-8", 8),
    "MI325X": ("mi325x", "xgmi3-8", 8), "MI350X": ("mi350x", "xgmi4-8", 8), "MI355X": ("mi355x", "xgmi4-8", 8),
}
PRECISIONS = {"fp8-delayed": "fp8", "fp8-cs": "fp8-current"}
ATTENTION = {"flash1-triton": "flash1", "": "cudnn"}
CABLES = ("10 m", "50 m", "70 m")  # planning values
TIERS = ("leaf", "spine", "core")
# Phrases of notes that change a key.
NOTES = (
    (r"ep_a2a_overlap on", "training", "ep_overlap", "on"),
    (r"\battn_fp8\b", "training", "attention_fp8", "on"),
    (r"FP8 LM head", "training", "head_narrow", "on"),
    (r"fused grouped MLP", "training", "fused_experts", "on"),
)
# Phrases of notes that change the model, and where the number stands.
MODEL_NOTES = ((r"\bdense_layers (\d+)", "first_dense"), (r"uses (\d+) KV groups", "kv_heads"))


SECONDS = r"(?=.*[1-9])\d*\.?\d+(e-?\d+)?"  # above 0
COUNT = r"[1-9]\d*"


class Unplayable(Exception):
    """A row that says too little."""


def table(path, key):
    """Rows of a CSV file by the text of their first column."""
    with open(path, newline="", encoding="utf-8") as file:
        return {row[key]: row for row in csv.DictReader(file)}


def read_rows(path):
    with open(path, newline="", encoding="utf-8-sig") as file:
        return list(csv.DictReader(file))


def read_runs(path):
    """Rows in the format of runs.csv, maybe a user's own: columns that are not there are blank. ValueError with the line of
    a number that is none."""
    with open(RUNS, newline="", encoding="utf-8") as file:
        columns = next(csv.reader(file))
    rows = read_rows(path)
    for number, row in enumerate(rows, start=2):
        row.pop(None, None)
        for column in columns:
            row[column] = row.get(column) or ""
        row["id"] = row["id"] or f"row{number}"
        for column, form, must in (("n_gpu", COUNT, True), ("gbs_seq", COUNT, False), ("step_s", SECONDS, True), ("step_lo_s", SECONDS, False),
                                   ("step_hi_s", SECONDS, False)):
            if (row[column] or must) and not re.fullmatch(form, row[column]):
                raise ValueError(f"row {number}: {column} wants {'seconds' if form == SECONDS else 'a count'}, got '{row[column]}'")
    if not rows:
        raise ValueError("no row in it")
    return rows


@dataclasses.dataclass
class Tables:
    fabrics: dict
    stacks: dict
    models: dict

    @classmethod
    def read(cls):
        return cls(table(TOPOLOGIES / "fabrics.csv", "fabric"), table(JOBS / "stacks.csv", "stack"),
                   table(JOBS / "models.csv", "model"))

    def stack(self, name):
        """The row of a stack; of one that is not listed, that of the longest name it begins with."""
        words = name.split("-")
        for n in range(len(words), 0, -1):
            if "-".join(words[:n]) in self.stacks:
                return self.stacks["-".join(words[:n])]
        return self.stacks["*"]


def whole(row, key, default=None):
    if row[key] == "":
        if default is None:
            raise Unplayable(f"{key} is not published")
        return default
    if not re.fullmatch(r"\d+", row[key]):
        raise Unplayable(f"{key} wants a count, got '{row[key]}'")
    return int(row[key])


def is_moe(row):
    return row["moe_dispatcher"] not in ("none", "")


def is_8bit(row):
    return not row["precision"].startswith(("bf16", "fp16", "fp32"))


def peak_GiB(row):
    """Measured peak memory of a GPU, where the note has one."""
    match = re.search(r"measured peak ([\d.]+) GiB", row["note"])
    return float(match[1]) if match else None


# ---------------------------------------------------------------------------------------------- the machine

def domain_gpus(row):
    return GPUS[row["gpu"]][2]


def nodes_of(row, fabric):
    """Nodes that the job needs: whole scale-up domains where these span nodes, with what of them is used."""
    gpus, per_node, domain = int(row["n_gpu"]), int(fabric["gpus_per_node"]), domain_gpus(row)
    if domain <= per_node:
        return math.ceil(gpus / per_node)
    domains = 1 if gpus <= domain else math.ceil(gpus / used_of(row, per_node))
    return domains * (domain // per_node)


def used_of(row, per_node):
    """GPUs of a scale-up domain that the job uses: it deals itself evenly where it does not fill what it may use, if that
    makes whole nodes."""
    gpus, domain = int(row["n_gpu"]), domain_gpus(row)
    used = whole(row, "domain_used", domain)
    if used > domain:
        raise Unplayable(f"domain_used is {used}, but a scale-up domain of {row['gpu']} has {domain} GPUs")
    if used == 0 or used % min(per_node, domain):
        raise Unplayable(f"domain_used is {used}, but fabric {row['fabric']} has nodes of {per_node} GPUs, which are used whole")
    domains = math.ceil(gpus / used)
    return gpus // domains if gpus > used and gpus % (domains * per_node) == 0 else used


def tiers_of(fabric, nodes):
    """The least tree of the fabric's kind that holds the nodes, two tiers or three: (children, parents, lanes) from the leaf up."""
    number = {key: int(fabric[key]) for key in ("gpus_per_node", "unit_nodes", "unit_up", "unit_lanes", "pod_units", "pod_up",
                                                "pod_lanes", "nic_ports")}
    rail = fabric["wiring"] == "rail"
    leaf = number["unit_nodes"] * (1 if rail else number["gpus_per_node"])
    tiers = [(leaf, 1, number["nic_ports"])]
    units = math.ceil(nodes / number["unit_nodes"])
    leaves = number["gpus_per_node"] if rail else 1
    pods = math.ceil(units / number["pod_units"])
    tiers.append(((units if pods == 1 else number["pod_units"]) * leaves, number["unit_up"], number["unit_lanes"]))
    return tiers + [(pods, number["pod_up"], number["pod_lanes"])] * (pods > 1)


def topology_text(row, tables):
    if row["fabric"] not in tables.fabrics:
        raise Unplayable(f"fabric {row['fabric']} is not in topologies/published/fabrics.csv")
    if row["gpu"] not in GPUS:
        raise Unplayable(f"no GPU {row['gpu']} in scripts/published.py")
    fabric, (gpu, scale_up, domain) = tables.fabrics[row["fabric"]], GPUS[row["gpu"]]
    nodes = nodes_of(row, fabric)
    used = used_of(row, int(fabric["gpus_per_node"]))
    lines = ["schema_version: 1", "kind: topology", f"name: {row['fabric']}-{row['n_gpu']}", f"nodes: {nodes}", "node:",
             f"  gpu: {gpu}", f"  gpus: {fabric['gpus_per_node']}", f"  nic: {fabric['nic']}", f"  scale_up: {scale_up}"]
    if used < domain and domain > int(fabric["gpus_per_node"]):
        lines.append(f"  domain_used: {used}")
    lines += ["fabric:", f"  wiring: {fabric['wiring']}", f"  pxn: {fabric['pxn']}", f"  routing: {fabric['routing']}", "  tiers:"]
    for i, (children, parents, lanes) in enumerate(tiers_of(fabric, nodes)):
        switch = fabric["upper_switch"] if i and fabric["upper_switch"] else fabric["switch"]
        rate = fabric["rate"] if i == 0 else fabric["up_rate"] or fabric["rate"]
        lines += [f"    - name: {TIERS[i]}", f"      switch: {switch}", f"      children: {children}"]
        lines += [f"      parents: {parents}"] * (i > 0) + [f"      lanes: {lanes}"] * (lanes > 1)
        lines += [f"      rate: {rate}", f"      cable: {CABLES[i]}"]
    return "\n".join(lines) + "\n"


# ---------------------------------------------------------------------------------------------- the job

def pairs(text):
    return dict(word.split("=", 1) for word in text.split())


def model_keys(row, tables):
    """(name in jobs/models, changes of the model, changes of training)."""
    match = re.fullmatch(r"(.*?)(?: cut to (\d+) layers)?", row["model"])
    name, changes, training = match[1], {}, {}
    if name in tables.models:
        entry = tables.models[name]
        name, changes, training = entry["base"], pairs(entry["changes"]), pairs(entry["training"])
    if match[2]:
        changes["layers"] = match[2]
    for phrase, key in MODEL_NOTES:
        found = re.search(phrase, row["note"])
        if found:
            changes[key] = found[1]
    return name, changes, training


def parallel_keys(row, stack):
    keys = {name: whole(row, name) for name in ("tp", "pp", "dp")}
    keys |= {name: whole(row, name) for name in ("cp", "ep") if row[name] != "1"}
    if stack["cp_algorithm"] and "cp" in keys:
        keys["cp_algorithm"] = stack["cp_algorithm"]
    if row["etp"] not in ("", "1"):
        keys["expert_tp"] = row["etp"]
    if keys["tp"] * keys["pp"] * keys["dp"] * keys.get("cp", 1) != int(row["n_gpu"]):
        raise Unplayable("tp * cp * pp * dp is not the number of GPUs")
    keys |= {"chunks": whole(row, "vp", 1), "zero": whole(row, "zero", 1), "microbatch": whole(row, "mbs"),
             "global_batch": whole(row, "gbs_seq"), "sequence_parallel": row["sp"] or "on"}
    if stack["fsdp"] == "on" and keys["zero"] == 2:  # SHARD_GRAD_OP
        keys |= {"zero": 3, "reshard": "off"}
    if stack["backward_prefetch"] == "post":
        keys["prefetch_backward"] = 0
    keys["order"] = row["order"] or "tp-cp-ep-dp-pp"
    if row["shard_group"] and row["shard_group"] != row["dp"]:
        keys["shard_group"] = row["shard_group"]
    if row["layout"]:
        keys["layout"] = f'"{row["layout"]}"'
    schedule = row["schedule"].partition("+")[0]
    if schedule not in ("interleaved", "1f1b", "none", ""):
        keys["schedule"] = schedule
    return keys


def listed(text):
    return "[" + ", ".join(f'"{word}"' for word in re.split(r"[;,]\s*", text)) + "]"


def precision_keys(row):
    """Bytes of gradients and parameters under way. Blank: MLPerf reduces bf16 and gathers what it computes in, except
    in nvfp4 and mxfp8, whose parameters travel as bf16. Those of mxfp8 do so as well where fp8 is said to be gathered:
    blocks are along rows and along columns, so each GPU casts what has come to both (Megatron-LM
    core/distributed/param_and_grad_buffer.py, reuse_grad_buf_for_mxfp8_param_ag)."""
    low = is_8bit(row)
    gather = row["param_gather_dtype"]
    if row["precision"] == "mxfp8" and gather == "fp8":
        gather = "bf16"
    if gather in ("", "none"):
        scaled = row["precision"] in ("fp8", "fp8-delayed", "fp8-current", "fp8-cs")
        gather = "fp8" if scaled and gather == "" else "fp16" if row["precision"] == "fp16" else "bf16"
    return {"precision": PRECISIONS.get(row["precision"], row["precision"]),
            "grad_precision": row["grad_dtype"] or ("bf16" if low else "fp32"), "param_precision": gather}


def attention_kernel(row, stack):
    """A release may have a kernel that runs like one of another name."""
    kernel = ATTENTION.get(row["attention"], row["attention"])
    return stack["attention_key"] if stack["attention_key"] and kernel == "cudnn" else kernel


def gathers_overlap(row, stack):
    """A release may gather all parameters before its CUDA graphs begin."""
    first = stack["graph_gathers_key"] == "first" and row["cuda_graph"] not in ("none", "")
    return row["dp_overlap"].endswith("param") and not first


def has_fp8_attention(row, stack):
    """Models whose names begin so, of one precision where it says @."""
    model, _, precision = stack["attention_fp8_models"].partition("@")
    return model != "" and row["model"].startswith(model) and precision in ("", row["precision"])


def training_keys(row, stack):
    keys = {"sequence": whole(row, "seq_tok"), **precision_keys(row),
            "attention": attention_kernel(row, stack), "dropout": stack["dropout"],
            "tp_overlap": "on" if row["tp_overlap"] == "on" else "off",
            "tp_backward_overlap": stack["tp_backward_key"],
            "grad_fusion": stack["grad_fusion_key"],
            "grad_scaling": stack["grad_scaling_key"], "grad_check": stack["grad_check_key"],
            "grad_overlap": "on" if row["dp_overlap"].startswith("grad") else "off",
            "param_overlap": "on" if gathers_overlap(row, stack) else "off",
            "pp_overlap": stack["pp_overlap_key"]}
    if stack["bucket_key"] and row["pp"] == "1":
        keys["bucket_parameters"] = stack["bucket_key"]
    if stack["fused_loss"] == "on":
        keys["fused_loss"] = "on"
    if has_fp8_attention(row, stack):
        keys["attention_fp8"] = "on"
    if keys["pp_overlap"] == "vp":
        keys["pp_overlap"] = "on" if whole(row, "vp", 1) > 1 else "off"
    recompute = [words for words in (row["recompute"], stack["recompute_also"]) if words not in ("none", "")]
    if recompute:
        keys["recompute"] = listed(";".join(recompute))
    if stack["narrow_activation"] == "on":
        keys["narrow_activation"] = "on"
    if row["cuda_graph"] not in ("none", ""):
        keys["cuda_graph"] = row["cuda_graph"] if row["cuda_graph"] in ("layer", "full") else listed(row["cuda_graph"])
    if row["offload"] not in ("none", ""):
        keys["offload"] = listed(row["offload"].removesuffix(" layers"))
    if is_moe(row):
        keys["dispatcher"] = row["moe_dispatcher"].replace("-", "_")
        drawn = row["moe_routing"].startswith(("learned", "real"))
        keys["routing"] = "drawn" if drawn else "balanced"
        if "+ep-a2a" in row["schedule"]:
            keys["ep_overlap"] = "on"
    return keys


def job_text(row, tables):
    model, changes, training = model_keys(row, tables)
    stack = tables.stack(row["stack"])
    sections = {"parallel": parallel_keys(row, stack), "training": training_keys(row, stack) | training}
    for phrase, section, key, value in NOTES:
        if re.search(phrase, row["note"]):
            sections[section][key] = value
    lines = ["schema_version: 1", "kind: training", f"name: {row['id']}", f"model: {model}"]
    if changes:
        lines.append("model_changes: {" + ", ".join(f"{key}: {value}" for key, value in changes.items()) + "}")
    for name, keys in sections.items():
        lines += [f"{name}:", *(f"  {key}: {value}" for key, value in keys.items())]
    lines += ["network:", f"  queue_pairs: {tables.fabrics[row['fabric']]['queue_pairs']}",
              "noise:", "  straggler_probability: 0 %", f"  seed: {zlib.crc32(row['id'].encode()) % 1000}", "steps: 1"]
    return "\n".join(lines) + "\n"


def write_files(row, tables, folder):
    """Topology and job file of a row in a folder."""
    folder = pathlib.Path(folder)
    topology, job = folder / "topology.yaml", folder / "job.yaml"
    topology.write_text(topology_text(row, tables), encoding="utf-8")
    job.write_text(job_text(row, tables), encoding="utf-8")
    return topology, job


def calibration_rows():
    """Ids that scripts/calibrate fits constants on."""
    path = JOBS / "calibration.csv"
    return set(table(path, "id")) if path.exists() else set()


# ---------------------------------------------------------------------------------------------- assumed inputs

# What else an assumed column could hold: its value -> others.
OTHERS = {
    "attention": {"cudnn": ("flash2", "flash3"), "flash2": ("cudnn",), "unfused": ("flash1",)},
    "order": {"tp-cp-dp-pp": ("tp-cp-pp-dp",), "tp-cp-pp-dp": ("tp-cp-dp-pp",), "tp-dp-pp": ("tp-pp-dp",),
              "tp-cp-ep-dp-pp": ("tp-cp-ep-pp-dp",)},
    "grad_dtype": {"fp32": ("bf16",), "bf16": ("fp32",), "fp16": ("fp32",), "": ("fp32",)},
    "param_gather_dtype": {"fp8": ("bf16",), "": ("bf16",)},
    "precision": {"fp8-delayed": ("fp8-current",), "fp8-cs": ("fp8-delayed",)},
    "recompute": {"none": ("core_attn", "full:1"), "core_attn": ("none", "full:1"), "full:1": ("none", "core_attn")},
    "sp": {"on": ("off",), "off": ("on",)},
    "zero": {"0": ("1",), "1": ("0",)},
    "tp_overlap": {"on": ("none",), "none": ("on",)},
    "dp_overlap": {"grad+param": ("none",), "none": ("grad+param",), "grad": ("none", "grad+param")},
    "cuda_graph": {"full": ("none",), "none": ("full",), "layer": ("none",)},
    "moe_routing": {"": ("learned",), "learned": ("forced-balanced",), "forced-balanced": ("learned",)},
    "domain_used": {"64": ("72",), "72": ("64",)},
}


def other_sizes(row, column):
    """Half and twice the size: of a microbatch where it divides a replica's share, of chunks where a pipeline has an even
    layout. Layers that do not divide into chunks are for the program to refuse."""
    if row[column] == "" or column == "vp" and (row["layout"] or row["pp"] == "1"):
        return []
    value, share = int(row[column]), int(row["gbs_seq"]) // int(row["dp"])
    return [str(n) for n in (value // 2, value * 2) if n > 0 and (column == "vp" or share % n == 0)]


def alternatives(row):
    """Rows that differ from this one in one assumed input. A program may refuse some: a plan that does not fit is none."""
    for column in dict.fromkeys(row["assumed"].split()):
        if column in ("mbs", "vp"):
            values = other_sizes(row, column)
        else:
            values = OTHERS.get(column, {}).get(row.get(column), ())
        for value in values:
            if column != "order" or sorted(value.split("-")) == sorted(row["order"].split("-")):
                yield {**row, column: value}
