"""rerun.py: a run once more, from its trace, with something about the machine or the job a bit quicker: what /gains is held against."""
import pathlib
import re

import h5py
import yaml


def plain(text):
    """YAML without on and off as booleans, which the program writes and reads as words."""
    return yaml.load(text, Loader=yaml.BaseLoader)


PICOSECONDS = {"ps": 1, "ns": 10**3, "us": 10**6, "ms": 10**9, "s": 10**12}


def scaled(value, factor):
    """'400 Gb/s' -> '404 Gb/s'; times are whole picoseconds."""
    number, unit = re.fullmatch(r"([-+.\d]+) ?(.*)", value).groups()
    if unit in PICOSECONDS:
        return f"{round(float(number) * PICOSECONDS[unit] * factor)} ps"
    return f"{float(number) * factor:.12g} {unit}".strip()


def scale(mapping, keys, factor):
    for key in keys:
        if key in mapping:
            mapping[key] = scaled(mapping[key], factor)


def quicken_products(gpu, more):
    for key, table in gpu.items():
        if key.startswith("gemm_"):
            scale(table, ("peak", "best"), more)
            table["points"] = [[*point[:3], scaled(point[3], more)] for point in table["points"]]
        elif re.fullmatch(r"(flash\d|cudnn)_(for|back)ward", key):
            gpu[key] = scaled(table, more)
    scale(gpu, ("attention_key",), 1 / more)


def quicken_memory(gpu, more):
    scale(gpu, ("memory_rate", "memory_stream_rate", "memory_pass_rate"), more)


def quicken_launches(gpu, more):
    scale(gpu, ("launch", "graph_launch", "host_call"), 1 / more)


class Configuration:
    """What a run was made from, as its trace says it."""

    def __init__(self, trace):
        with h5py.File(trace) as file:
            text = file.attrs["config_resolved"]
        whole = plain(text if isinstance(text, str) else text.decode())
        self.topology, self.jobs, self.catalogue = whole["topology"], whole["jobs"], whole["catalogue"]

    def entries(self, kind):
        return [entry for entry in self.catalogue.values() if entry["kind"] == kind]

    def tiers(self):
        return self.topology["fabric"]["tiers"]

    def change(self, name, more):
        """One of the changes of a hundredth that /gains lists, by its name."""
        gpu = {"gpu": (quicken_products, quicken_memory, quicken_launches), "gpu products": (quicken_products,),
               "gpu memory": (quicken_memory,), "kernel launches": (quicken_launches,)}
        if name in gpu:
            for entry in self.entries("gpu"):
                for quicken in gpu[name]:
                    quicken(entry, more)
        elif name == "scale-up rate":
            for entry in self.entries("scale_up"):
                scale(entry, ("line_rate", "goodput", "reduce_rate", "exchange_rate"), more)
        elif name == "scale-up latency":
            for entry in self.entries("scale_up"):
                scale(entry, ("latency", "collective_base", "bulk_latency", "bulk_base"), 1 / more)
        elif name == "nic latency":
            for entry in self.entries("nic"):
                scale(entry, ("latency",), 1 / more)
        elif name == "software latency":
            for job in self.jobs:
                scale(job["network"], ("message_latency", "round_latency", "collective_base"), 1 / more)
        else:
            self.change_tier(*name.rsplit(" ", 1), more)

    def change_tier(self, tier, what, more):
        place = [entry["name"] for entry in self.tiers()].index(tier)
        if what == "rate":
            scale(self.tiers()[place], ("rate",), more)
            for entry in self.entries("switch"):
                scale(entry, ("port_rate",), more)
            if place == 0:
                for entry in self.entries("nic"):
                    scale(entry, ("line_rate", "goodput"), more)
        else:
            scale(self.tiers()[place], ("cable",), 1 / more)
            # Tiers may share a model of switch: this one gets its own.
            own = dict(self.catalogue[self.tiers()[place]["switch"]])
            scale(own, ("latency",), 1 / more)
            self.catalogue[f"changed-{place}"] = own
            self.tiers()[place]["switch"] = f"changed-{place}"

    def write(self, folder):
        """Files to run; returns their paths."""
        folder = pathlib.Path(folder)
        (folder / "hardware").mkdir(parents=True, exist_ok=True)
        (folder / "models").mkdir(exist_ok=True)
        for name, entry in self.catalogue.items():
            place = "models" if entry["kind"] == "model" else "hardware"
            (folder / place / f"{name}.yaml").write_text(yaml.safe_dump(entry, sort_keys=False))
        paths = [folder / "topology.yaml"]
        paths[0].write_text(yaml.safe_dump(self.topology, sort_keys=False))
        for number, job in enumerate(self.jobs):
            job.get("trace", {}).pop("path", None)
            if job.get("parallel", {}).get("layout"):
                job["parallel"].pop("layers")  # which follows from it
            paths.append(folder / f"job-{number}.yaml")
            paths[-1].write_text(yaml.safe_dump(job, sort_keys=False))
        return [str(path) for path in paths]


def explained_row(file):
    """The step that is explained, as a row of /steps: the first that is."""
    return next(row for row, end in enumerate(file["gains/explained"][:]) if end >= 0)
