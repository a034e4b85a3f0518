"""trace_file.py: what scripts/plot and scripts/compare share: reading a trace, colours, one look.

Only committed steps are read, so that a file of a killed or running run is as good as any. See output/README.md.
"""

import os
import sys

import h5py
import matplotlib

matplotlib.use("Agg")  # pictures go to files; there may be no display
import matplotlib.pyplot as plt  # noqa: E402
import numpy as np  # noqa: E402
import yaml  # noqa: E402

from output_file import OutputError  # noqa: E402

PS = 1e-12  # seconds
SCHEMA_VERSION = 2  # of src/trace/schema.h
ENDS = {"collective": "collectives_end", "flow": "flows_end"}

# Okabe and Ito's colours, which stay apart for colour-blind readers; two of Tol's beyond the eighth.
PART_COLOUR = {
    "compute": "#0072B2", "own_slow": "#56B4E9", "sharing": "#8C8C8C", "bubble": "#D9D9D9", "tp_exposed": "#009E73",
    "cp_exposed": "#117733", "ep_exposed": "#882255", "pp_exposed": "#F0E442", "dp_exposed": "#E69F00",
    "contention": "#D55E00", "straggler": "#CC79A7",
    "gpu_compute": "#0072B2", "gpu_communication": "#E69F00", "gpu_bubble": "#D9D9D9", "gpu_waiting": "#CC79A7",
    "gpu_idle": "#EFEFEF", "hosts": "#009E73", "fans": "#56B4E9", "nics": "#117733", "switches": "#D55E00",
    "optics": "#F0E442", "services": "#8C8C8C", "loss": "#882255", "cooling": "#88CCEE",
}
PART_LABEL = {
    "compute": "compute", "own_slow": "own slowness", "sharing": "sharing the GPU", "bubble": "pipeline bubble",
    "tp_exposed": "TP exposed", "cp_exposed": "CP exposed", "ep_exposed": "EP exposed", "pp_exposed": "PP exposed",
    "dp_exposed": "DP exposed", "contention": "contention", "straggler": "waiting for stragglers",
    "gpu_compute": "GPUs at work", "gpu_communication": "GPUs in communication", "gpu_bubble": "GPUs in the bubble",
    "gpu_waiting": "GPUs waiting for slow ones", "gpu_idle": "GPUs without a job", "nics": "NICs",
}
WORK = ("compute", "own_slow", "sharing")  # parts in which the GPU works; the others are waiting
TRAFFIC_COLOUR = {"flow": "#0072B2", "tp": "#009E73", "pp": "#F0E442", "cp": "#117733", "ep": "#882255", "dp": "#E69F00"}
TIER_COLOUR = ("#8C8C8C", "#0072B2", "#E69F00", "#D55E00", "#CC79A7", "#009E73", "#56B4E9", "#000000")
DIRECTIONS = ("up", "down")


class TraceError(Exception):
    """The file cannot be drawn; the text says why."""


class Asked(dict):
    """Keys of what a run was asked for; that one is missing says that the trace is damaged."""

    def __init__(self, path, keys):
        self.path = path
        wrap = lambda value: (Asked(path, value) if isinstance(value, dict) else
                              [wrap(item) for item in value] if isinstance(value, list) else value)
        super().__init__({key: wrap(value) for key, value in keys.items()})

    def __missing__(self, key):
        raise damaged(self.path, f"it has no '{key}' where one stands")


def damaged(path, why):
    return TraceError(f"{path}: damaged: what its run was asked for (config_resolved) cannot be read: {why}")


class TraceFile:
    """A trace, cut at its committed steps."""

    def __init__(self, path):
        try:
            self.file = h5py.File(path, "r")
        except OSError as error:
            why = os.strerror(error.errno) if error.errno else " ".join(str(error).split())
            raise TraceError(f"{path}: cannot be opened: {why}") from error
        if "committed_steps" not in self.file:
            raise TraceError(f"{path}: not a Colossim trace (there is no /committed_steps)")
        version = self.file.attrs.get("schema_version")
        if version != SCHEMA_VERSION:
            raise TraceError(f"{path}: a trace of schema {version}; these scripts read schema {SCHEMA_VERSION}: use those of the "
                             "program that wrote it")
        self.path = str(path)
        self.nsteps = int(self.file["committed_steps"][()])
        if self.nsteps == 0:
            raise TraceError(f"{path}: no step is committed yet")
        if self.nsteps > len(self.file["steps/duration_ps"]):
            raise TraceError(f"{path}: damaged: {self.nsteps} steps are said to be committed, of {len(self.file['steps/duration_ps'])}")
        self.attributes = dict(self.file.attrs)
        self.read_repeats()
        self.tiers = [name.decode() for name in self.file["links/tier"][:]]
        self.training = "duration_ps" in self.file["gpus"]
        self.traffic = "flows" in self.file

    def read_repeats(self):
        """What steps have in common stands once in the file: rows of /intervals and hot links, step by step."""
        steps = self.file["steps"]
        self.standing = steps["links_step"][:self.nsteps]
        first = np.concatenate([[0], steps["intervals_end"][:self.nsteps]])
        begin = steps["intervals_start_ps"][:self.nsteps]
        rows = [np.arange(first[r], first[r + 1]) for r in self.standing]
        self.interval_rows = np.concatenate(rows)
        self.interval_step = np.repeat(np.arange(self.nsteps), [len(some) for some in rows])
        self.interval_later = np.concatenate([np.full(len(rows[s]), begin[s] - begin[self.standing[s]])
                                              for s in range(self.nsteps)])

    def word(self, name):
        """An attribute that is a text."""
        value = self.attributes.get(name)
        try:
            value = value.decode() if isinstance(value, bytes) else value
        except UnicodeDecodeError:
            value = None
        if not isinstance(value, str):
            raise damaged(self.path, f"the attribute {name} is no text")
        return value

    def asked(self):
        """What its run was asked for, every value a word: topology, jobs and catalogue."""
        try:
            whole = yaml.load(self.word("config_resolved"), Loader=yaml.BaseLoader)
        except yaml.YAMLError as error:
            raise damaged(self.path, " ".join(str(error).split())) from error
        kinds = {"topology": dict, "jobs": list, "catalogue": dict}
        lost = [key for key, kind in kinds.items() if not isinstance(whole, dict) or not isinstance(whole.get(key), kind)]
        if lost or not all(isinstance(job, dict) for job in whole["jobs"]):
            raise damaged(self.path, f"it lacks {', '.join(lost) or 'jobs'}")
        return Asked(self.path, whole)

    def axes(self, name):
        """Names of a dataset's axes."""
        data = self.file[name]
        if data.attrs.get("CLASS") == b"DIMENSION_SCALE":
            return [name.rpartition("/")[2]]
        return [axis[0].name.rpartition("/")[2] for axis in data.dims]

    def __contains__(self, name):
        return name in self.file

    def __getitem__(self, name):
        """All committed values of a dataset; of intervals, hot links and waves of power as if every step had its own."""
        data, axes = self.file[name], self.axes(name)
        first = axes[0]
        if first == "step" and ("phase" in axes or "site_tier" in axes):
            return data[:self.nsteps][self["power/wave_step"]]
        if first == "step":
            return data[:self.nsteps][self.standing] if {"hot", "victim", "chosen"} & set(axes) else data[:self.nsteps]
        if first == "interval":
            values = data[:self.interval_rows.max(initial=-1) + 1][self.interval_rows]
            return values + self.interval_later if name.endswith("_ps") and len(axes) == 1 else values
        if first in ENDS:
            return data[:int(self.file["steps"][ENDS[first]][self.nsteps - 1])]
        return data[()]

    def amounts(self, name):
        """The same as floats, with NaN where there is no value."""
        values, fill = self[name], self.file[name].attrs.get("_FillValue")
        floats = values.astype(float)
        if fill is not None and values.dtype.kind == "i":
            floats[values == fill] = np.nan
        return floats

    def names(self, group):
        """What stands in a group, in the order of the file."""
        names, opened = [], self.file[group]  # which must not be closed meanwhile
        opened.id.links.iterate(lambda name, *_: names.append(name.decode()), idx_type=h5py.h5.INDEX_CRT_ORDER)
        return names

    def parts(self):
        """Names of the parts of a step, in the order of the file; only those that occur."""
        columns = [name for name in self.names("gpus") if name != "duration_ps" and self.axes(f"gpus/{name}") == ["step", "gpu"]]
        parts = [name[:-len("_ps")] for name in columns]
        return [part for part in parts if np.any(self[f"steps/{part}_ps"] != 0)]

    def energy_parts(self):
        """What the energy of a step goes into, in the order of the file: /power/NAME_J."""
        names = self.names("power")
        names = names[names.index("energy_J") + 1:names.index("mean_W")]
        return [name[:-2] for name in names if name.endswith("_J") and name != "energy_per_token_J"]

    def words(self, name):
        """Meanings of a column of flags."""
        return self.file[name].attrs["flag_meanings"].split()

    def texts(self, name):
        """A column of characters as strings."""
        rows = self[name]
        joined = np.ascontiguousarray(rows).view(f"S{rows.shape[-1]}")[..., 0]
        return np.char.decode(joined, "utf-8")

    def timeline(self):
        """Borders (seconds) of a row of cells without gaps, and which sampling interval each is; -1 where none is kept,
        because no link carried anything."""
        start, end = self["intervals/start_ps"], self["intervals/end_ps"]
        last = max(self["steps/end_ps"][-1], end.max(initial=0))  # the last interval may outlast the last step
        borders = np.unique(np.concatenate([start, end, [0, last]]))
        cell = np.full(len(borders) - 1, -1)
        cell[np.searchsorted(borders, start)] = np.arange(len(start))
        return borders * PS, cell

    def over_time(self, name):
        """Rows of /intervals on the cells of timeline(): zero where there is none."""
        values, cell = self[f"intervals/{name}"], self.timeline()[1]
        filled = np.concatenate([values, np.zeros((1, *values.shape[1:]), values.dtype)])  # the closed engine has no intervals
        return filled[cell]

    def load_in_time(self, rows):
        """Per cent of what the links of each tier could carry, of these rows of /intervals: [row, tier, direction]."""
        room = (self["links/links"] * self["links/capacity_Bps"])[None, :, None].astype(float)
        seconds = (self["intervals/end_ps"][rows] - self["intervals/start_ps"][rows]) * PS
        return self["intervals/bytes"][rows] / (room * seconds[:, None, None]) * 100

    def working(self):
        """Which GPUs have a job."""
        return self["gpus/job"] >= 0

    def caption(self):
        """One line that says what was run."""
        said = self.attributes
        text = f"{said.get('job', '?')} on {said.get('cluster', '?')}, {said.get('routing', '?')} routing, " \
               f"{said.get('placement', '?')} placement"
        if said.get("status") != "complete":
            text += f" ({said.get('status')}: {self.nsteps} steps committed)"
        return text


def use_style():
    """One look for all pictures: small, sober, readable in print."""
    plt.rcParams.update({
        "figure.dpi": 100, "savefig.dpi": 200, "figure.constrained_layout.use": True,
        "font.family": "DejaVu Sans", "font.size": 9, "axes.titlesize": 9.5, "axes.labelsize": 9, "legend.fontsize": 8,
        "xtick.labelsize": 8, "ytick.labelsize": 8, "figure.titlesize": 10.5, "axes.linewidth": 0.7,
        "axes.spines.top": False, "axes.spines.right": False, "axes.axisbelow": True, "grid.color": "#E3E3E3",
        "grid.linewidth": 0.6, "legend.frameon": False, "hatch.linewidth": 0.5, "lines.linewidth": 1.4,
        "image.interpolation": "nearest", "pdf.fonttype": 42, "svg.fonttype": "none",
    })


def part_colour(part):
    return PART_COLOUR.get(part, "#000000")


def part_label(part):
    return PART_LABEL.get(part, part.replace("_", " "))


def stack_bars(axes, positions, columns, width=0.7):
    """Stacked bars of signed parts: {part: heights}; what is negative hangs below zero."""
    above, below = np.zeros(len(positions)), np.zeros(len(positions))
    for part, heights in columns.items():
        heights = np.asarray(heights, dtype=float)
        up, down = np.clip(heights, 0, None), np.clip(heights, None, 0)
        look = {"color": part_colour(part), "edgecolor": "white", "linewidth": 0.3 if len(positions) < 60 else 0}
        axes.bar(positions, up, width, bottom=above, label=part_label(part), **look)
        axes.bar(positions, down, width, bottom=below, **look)
        above += up
        below += down
    if (below < 0).any():
        axes.axhline(0, color="black", linewidth=0.7)
    axes.grid(axis="y")
    return above


def reversed_legend(axes, **where):
    """A legend in the order of the stack: the top part first."""
    handles, labels = axes.get_legend_handles_labels()
    axes.legend(handles[::-1], labels[::-1], **where)


def not_drawn(tiers):
    """In words, why some tiers are not drawn."""
    return f"not drawn, no bytes recorded (of tp, cp and ep inside a domain none are): {', '.join(tiers)}" if tiers else ""


def human_bytes(value):
    """1.2 TB, for labels."""
    for unit in ("B", "kB", "MB", "GB", "TB", "PB"):
        if abs(value) < 1000 or unit == "PB":
            return f"{value:.3g} {unit}"
        value /= 1000
    return ""


def human_rate(rate_Bps):
    """A link's rate in bits, as people name it."""
    gigabits = rate_Bps * 8e-9
    return f"{gigabits / 1000:.3g} Tb/s" if gigabits >= 1000 else f"{gigabits:.3g} Gb/s"


def human_count(value):
    return f"{value:,.0f}".replace(",", "\N{THIN SPACE}")


def run(main):
    """Run a script's main. What cannot be read or is not to be written is one line and exit code 2, what cannot be written 3."""
    name = sys.argv[0].rpartition("/")[2]
    try:
        main()
        sys.stdout.flush()
    except (TraceError, OutputError) as error:
        fail(f"{name}: {error}", 2)
    except BrokenPipeError:
        fail(None, 1)
    except KeyboardInterrupt:
        fail(None, 130)
    except OSError as error:
        if error.errno is None:  # of HDF5
            fail(f"{name}: a file is damaged: {error}", 2)
        fail(f"{name}: {error.filename or 'output'}: {error.strerror}", 3)
    except KeyError as error:
        if "Unable to" not in str(error):  # the words of HDF5
            raise
        fail(f"{name}: a file is damaged, or its run did not come so far: {error.args[0]}", 2)


def fail(words, code):
    """End; what is left to be printed is not."""
    if words:
        print(words, file=sys.stderr)
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    sys.exit(code)
