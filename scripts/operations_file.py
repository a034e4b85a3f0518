"""A job of operations: what every rank does, as a table (src/workload/operations_csv.h) and the job file that names it."""

COLLECTIVES = ("all_reduce", "reduce_scatter", "all_gather", "all_to_all")
HEADER = "rank,id,what,with,tag,bytes,time,resource,after"


def time_text(time_ps):
    """Picoseconds in the largest unit that is whole."""
    for unit, size in (("ms", 10**9), ("us", 10**6), ("ns", 10**3)):
        if time_ps % size == 0:
            return f"{time_ps // size} {unit}"
    return f"{time_ps} ps"


def ranks_text(ranks, nranks):
    """A group as all its members write it: all, ranges with steps, ranks."""
    if list(ranks) == list(range(nranks)):
        return "all"
    parts, at = [], 0
    while at < len(ranks):
        end, step = at, ranks[at + 1] - ranks[at] if at + 1 < len(ranks) else 0
        while step > 0 and end + 1 < len(ranks) and ranks[end + 1] - ranks[end] == step:
            end += 1
        if end - at < 2:
            end = at
        parts.append(str(ranks[at]) if end == at else f"{ranks[at]}-{ranks[end]}" + (f"/{step}" if step > 1 else ""))
        at = end + 1
    return " ".join(parts)


class Operations:
    """Rows of the table, rank by rank; what waits is told by numbers on the same rank, `begun` for their begins."""

    def __init__(self, nranks):
        self.nranks = nranks
        self.rows = [[] for _ in range(nranks)]
        self.texts = {}

    def _add(self, rank, cells, resource):
        self.rows[rank].append([cells, "" if resource is None else str(resource), [], []])
        return len(self.rows[rank]) - 1

    def compute(self, rank, time_ps, resource=None):
        return self._add(rank, f"compute,,,,{time_text(time_ps)}", resource)

    def send(self, rank, to, tag, size, resource=None):
        return self._add(rank, f"send,{to},{tag},{size} B,", resource)

    def receive(self, rank, of, tag, size, resource=None):
        return self._add(rank, f"receive,{of},{tag},{size} B,", resource)

    def collective(self, rank, kind, ranks, tag, size, resource=None):
        key = tuple(ranks)
        if key not in self.texts:
            self.texts[key] = ranks_text(key, self.nranks)
        return self._add(rank, f"{kind},{self.texts[key]},{tag or ''},{size} B,", resource)

    def after(self, rank, number, on, begun=False):
        waits = self.rows[rank][number][3 if begun else 2]
        if on not in waits:
            waits.append(on)

    def __len__(self):
        return sum(map(len, self.rows))

    def count(self, what):
        return sum(row[0].startswith(what) for rows in self.rows for row in rows)

    def csv(self, comments=()):
        lines = [HEADER, *(f"# {line}" for line in comments)]
        for rank, rows in enumerate(self.rows):
            for number, (cells, resource, ends, begins) in enumerate(rows):
                waits = " ".join([*map(str, ends), *(f"{on}+" for on in begins)])
                lines.append(f"{rank},{number},{cells},{resource},{waits}")
        return "\n".join(lines) + "\n"


def job_text(name, operations, said, comments):
    """The job file; `said` has eager and latency."""
    return "\n".join([
        *(f"# {line}" for line in comments),
        "schema_version: 1",
        "kind: traffic",
        f"name: {name}",
        "traffic:",
        "  pattern: operations",
        f"  file: {name}.csv",
        f"  ranks: {operations.nranks}",
        f"  eager: {said.eager}",
        f"  latency: {said.latency}",
    ]) + "\n"
