"""export_tables.py: the tables of a trace as flat columns, to CSV or Parquet; a part of scripts/export.

A column is (values, missing), as in parquet_file.py. Rows are those of the chosen steps, each with all that is its own:
what stands once for steps that repeat each other (trace_file.py) comes with each of them.
"""

import csv

import numpy as np

import output_file
import parquet_file
import trace_file

# Table: the group its columns are taken from, and their axes.
TABLES = {
    "steps": ("steps", ("step",)), "collectives": ("collectives", ("collective",)), "flows": ("flows", ("flow",)),
    "operations": ("timeline", ("operation",)), "tiers": ("links", ("step", "tier", "direction")),
    "intervals": ("intervals", ("interval", "tier", "direction")), "hot_links": ("links", ("step", "hot")),
    "chosen_links": ("links", ("step", "chosen")), "chosen_in_time": ("intervals", ("interval", "chosen")),
    "gpus": ("gpus", ("step", "gpu")), "links": ("links", ("step", "link")),
}
LARGE = ("gpus", "links")  # written only if they are asked for


def decoded(trace, name, values):
    """A column as it is told: words for flags, and where there is no value."""
    data = trace.file[name]
    if "flag_meanings" in data.attrs:
        words = np.array([*data.attrs["flag_meanings"].split(), ""], dtype=object)
        return words[values], values < 0
    fill = data.attrs.get("_FillValue")
    if values.dtype.kind == "f":
        return values, np.isnan(values) if np.isnan(values).any() else None
    none = fill if fill is not None else -1 if values.dtype.kind == "i" else None
    if none is not None and (values == none).any():
        return values, values == none
    return values, None


def names_of(trace, group, axes):
    """Datasets of a group along these axes, in the order of the file; those of characters are texts."""
    wanted = list(axes), [*axes, "name_char"]
    return [name for name in trace.names(group) if name not in axes and trace.axes(f"{group}/{name}") in wanted]


def labels(trace, group, axis, rows):
    """The labels of an axis for its rows."""
    if axis == "chosen":
        return trace.texts("links/chosen_name").astype(object)[rows]
    values = trace.file[f"{group}/{axis}"][()]
    if values.dtype.kind == "O":
        values = np.array([value.decode() if isinstance(value, bytes) else value for value in values], dtype=object)
    elif axis == "direction" and values.dtype.kind != "U":
        values = np.array(trace_file.DIRECTIONS, dtype=object)
    return values[rows]


def operations(trace, steps):
    """Rows of /timeline of these steps: which rows, of which step each is, and how much later."""
    stands = trace.file["steps/timeline_step"][:trace.nsteps]
    first = np.concatenate([[0], trace.file["steps/timeline_end"][:trace.nsteps]])
    begin = trace.file["steps/start_ps"][:trace.nsteps]
    kept = [step for step in steps if stands[step] >= 0]
    rows = [np.arange(first[stands[step]], first[stands[step] + 1]) for step in kept]
    step = np.concatenate([np.full(len(some), s) for s, some in zip(kept, rows)] or [np.empty(0, int)])
    later = np.concatenate([np.full(len(some), begin[s] - begin[stands[s]]) for s, some in zip(kept, rows)] or [step])
    return np.concatenate(rows or [step]).astype(int), step.astype(int), later.astype(int)


def table_of_operations(trace, steps):
    rows, step, later = operations(trace, steps)
    columns = {"operation": (rows, None)}
    for name in names_of(trace, "timeline", ("operation",)):
        values = trace.file[f"timeline/{name}"][()][rows]
        if name in ("start_ps", "begun_ps", "end_ps"):
            values = values + later
        columns[name] = decoded(trace, f"timeline/{name}", step if name == "step" else values)
    return columns


def rows_by_step(trace, axis, steps):
    """Rows of a table whose rows belong to steps, and the step of each."""
    if axis == "interval":
        counts = [np.count_nonzero(trace.interval_step == step) for step in range(trace.nsteps)]
    else:
        counts = np.diff(trace.file["steps"][trace_file.ENDS[axis]][:trace.nsteps], prepend=0)
    step = np.repeat(np.arange(trace.nsteps), counts)
    rows = np.flatnonzero(np.isin(step, list(steps)))
    return rows, step[rows]


def table_of(trace, group, axes, steps):
    """Any other: one row a step, or a row of its table; times each tier, direction, place or link."""
    if axes[0] == "step":
        rows = step = np.array(list(steps))
    else:
        rows, step = rows_by_step(trace, axes[0], steps)
    shape = [len(rows), *(len(trace.file[f"{group}/{axis}"]) for axis in axes[1:])]
    index = np.indices(shape).reshape(len(shape), -1)
    columns = {"step": (step[index[0]], None)}
    if axes[0] != "step":
        columns[axes[0]] = (rows[index[0]], None)
    if axes[0] == "interval":
        for name in "start_ps", "end_ps":
            columns[name] = (trace[f"intervals/{name}"][rows][index[0]], None)
    for i, axis in enumerate(axes[1:], start=1):
        columns[axis] = (labels(trace, group, axis, index[i]), None)
    for name in names_of(trace, group, axes):
        if name == "step":
            continue
        if "name_char" in trace.axes(f"{group}/{name}"):
            columns[name] = (trace.texts(f"{group}/{name}")[rows].ravel().astype(object), None)
        else:
            columns[name] = decoded(trace, f"{group}/{name}", trace[f"{group}/{name}"][rows].ravel())
    return columns


def with_places(trace, columns):
    """Of a row a GPU: where it stands."""
    gpu = columns["gpu"][0]
    places = {name: trace.file[f"gpus/{name}"][()][gpu] for name in names_of(trace, "gpus", ("gpu",))}
    return {**columns, **{name: (values, values < 0) for name, values in places.items()}}


def make(trace, name, steps):
    group, axes = TABLES[name]
    if name == "operations":
        return table_of_operations(trace, steps)
    columns = table_of(trace, group, axes, steps)
    if name == "steps":  # what the site drew is said of each step, too
        columns.update({f"power_{key}": value for key, value in table_of(trace, "power", axes, steps).items() if key != "step"})
    if name == "gpus":
        columns = with_places(trace, columns)
    if name == "hot_links":
        there = columns["hot_link"][0] >= 0
        columns = {key: (values[there], None if missing is None else missing[there])
                   for key, (values, missing) in columns.items()}
    return columns


def is_there(trace, name):
    group, axes = TABLES[name]
    return group in trace and bool(names_of(trace, group, axes))


def write_csv(path, columns):
    texts = []
    for values, missing in columns.values():
        listed = values.tolist()
        if missing is not None:
            listed = ["" if gone else value for value, gone in zip(listed, missing)]
        texts.append(listed)
    with open(path, "w", newline="", encoding="utf-8") as file:
        out = csv.writer(file, lineterminator="\n")
        out.writerow(columns)
        out.writerows(zip(*texts))


def claim_names(trace, names):
    for name in names or []:
        if name not in TABLES:
            raise trace_file.TraceError(f"there is no table '{name}'; known are {', '.join(TABLES)}")
        if not is_there(trace, name):
            raise trace_file.TraceError(f"{trace.path} has no {name}")


def write(trace, steps, names, kind, folder):
    folder.mkdir(parents=True, exist_ok=True)
    for name in names or [name for name in TABLES if name not in LARGE and is_there(trace, name)]:
        columns = make(trace, name, steps)
        path = folder / f"{name}.{kind}"
        with output_file.whole(path, [trace.path]) as part:
            if kind == "csv":
                write_csv(part, columns)
            else:
                parquet_file.write(part, columns, [("source", str(trace.attributes.get("source"))), ("title", trace.caption())])
        rows = len(columns["step"][0])
        print(f"{path}: {rows} rows, {len(columns)} columns")
