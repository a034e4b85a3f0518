"""Law: a published run becomes files that say what its row says, and what rows say together is arithmetic.

Every row of jobs/published/runs.csv becomes a machine with room for its GPUs that is less than a unit, a pod or a domain
larger; the line through points of a line is that line; quantiles and means are those of their definitions; rows that
differ in size and batch alone are one family.
"""

import csv
import pathlib
import random
import sys
import tempfile

import h5py

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2] / "scripts"))
import published
import residuals

from emulator import JOBS, TOPOLOGIES, Emulator, claim


def claim_machines(rows, tables):
    """The tree holds the nodes, and a tree of one unit (or pod) less would not."""
    for row in rows:
        fabric = tables.fabrics[row["fabric"]]
        nodes, per_node = published.nodes_of(row, fabric), int(fabric["gpus_per_node"])
        claim(nodes * per_node >= int(row["n_gpu"]), f"{row['id']} fits on its machine")
        domain = published.domain_gpus(row)
        used = published.whole(row, "domain_used", domain) if int(row["n_gpu"]) > domain else domain
        spare = nodes * per_node * used // max(domain, per_node) if domain > per_node else nodes * per_node
        claim(spare - int(row["n_gpu"]) < max(domain, per_node), f"{row['id']} leaves less than a domain idle")
        (leaf, *_), *above = published.tiers_of(fabric, nodes)
        ports = leaf
        for children, *_ in above:
            ports *= children
        claim(nodes * per_node <= ports, f"{row['id']}: the tree has {ports} ports for {nodes * per_node} NICs")


def claim_domains(rows):
    """Of any number of GPUs those of a domain that are used make whole nodes, and as many domains as there must be hold all."""
    row = next(row for row in rows if published.domain_gpus(row) == 72)
    for gpus in range(4, 800, 2):
        used = published.used_of({**row, "n_gpu": str(gpus), "domain_used": "72"}, 4)
        claim(used % 4 == 0 and used * -(-gpus // 72) >= gpus, f"{gpus} GPUs use {used} of each domain")


def claim_refused(rows, tables):
    """What a row says that its machine cannot be is refused, and with whose figure it disagrees; what it can be is taken."""
    for domain, per_node, bad, good in ((72, 4, (0, 2, 63, 73, 500), (4, 64, 72)), (8, 8, (0, 4, 9, 16, 500), (8,))):
        row = next(row for row in rows if published.domain_gpus(row) == domain)
        for used in bad:
            try:
                published.topology_text({**row, "domain_used": str(used)}, tables)
            except published.Unplayable as reason:
                words = f"of {row['gpu']} has {domain} GPUs" if used > domain else f"nodes of {per_node} GPUs"
                claim(f"domain_used is {used}, but" in str(reason) and words in str(reason), f"{used} of {domain}: {reason}")
            else:
                claim(False, f"{used} of the {domain} GPUs of a domain are taken")
        for used in good:
            published.topology_text({**row, "domain_used": str(used)}, tables)


def claim_lines(rng):
    for _ in range(200):
        fixed, slope = rng.uniform(0, 10), rng.uniform(0.01, 5)
        points = [(x, fixed + slope * x) for x in rng.sample(range(1, 500), rng.randint(2, 9))]
        found = residuals.line(points)
        claim(abs(found.fixed - fixed) < 1e-6 and abs(found.slope - slope) < 1e-8, "a line through points of a line")
    claim(residuals.line([(3, 1.0), (3, 2.0)]) is None, "no line through one abscissa")


def claim_statistics(rng):
    for _ in range(200):
        errors = [rng.uniform(-30, 30) for _ in range(rng.randint(1, 40))]
        said = residuals.summary(errors)
        below = sum(abs(error) <= said.nine_in_ten for error in errors)
        claim(below >= 0.9 * len(errors), "nine in ten lie within the ninth decile")
        smaller = [abs(error) for error in errors if abs(error) < said.nine_in_ten]
        claim(len(smaller) < 0.9 * len(errors), "and no smaller error has that")
        claim(said.worst == max(map(abs, errors)) and abs(said.mean * len(errors) - sum(errors)) < 1e-9, "worst and mean")
    row = {"step_s": "3", "step_lo_s": "2", "step_hi_s": "4"}
    claim([residuals.error_percent(row, step) for step in (1, 2.5, 5)] == [-50, 0, 25], "errors of an interval")


def claim_bounds(rng):
    """Law: of exchangeable runs, one more lies within the bounds of n >= 9 in 8 of 10 cases or more."""
    for n in (9, 14, 30):
        inside = 0
        for _ in range(2000):
            ratios = [rng.gauss(1, 0.1) for _ in range(n)]
            found = residuals.bounds(ratios)
            inside += found.least <= rng.gauss(1, 0.1) <= found.most
        claim(inside > 0.78 * 2000, f"bounds of {n} runs hold one more in {inside} of 2000 cases")
    runs = [(rng.random() < 0.5, rng.choice(["A100", "H100", "GB200", "X"]), 8 ** rng.randint(1, 5), rng.gauss(1, 0.1)) for _ in range(300)]
    found = residuals.classes(runs)
    for experts, gpu, gpus, _ in runs:
        mine = [c for c in found if c.experts == experts and (not c.gpus or gpu in c.gpus)
                and gpus >= c.least_gpus and (not c.most_gpus or gpus <= c.most_gpus)]
        claim(mine, "every run has a class")
        claim(all(len(c.ratios) >= residuals.LEAST_RUNS for c in mine[:-1]), "with enough runs in it")


def claim_families(rows):
    """Every member shares the plan with the first, and a run taken twice with another batch and size joins its family."""
    base = next(row for row in rows if row["id"] == "C07")
    copies = [{**base, "id": f"copy{n}", "dp": str(n), "n_gpu": str(48 * n), "gbs_seq": str(96 * n)} for n in (1, 2, 3)]
    family = next(f for f in residuals.families(rows + copies) if any(row["id"] == "copy1" for row in f))
    claim({"C07", "CS96", "copy1", "copy2", "copy3"} <= {row["id"] for row in family}, "one plan, one family")
    other = [{**row, "vp": "4", "id": f"other{row['id']}"} for row in copies]
    family = next(f for f in residuals.families(rows + other) if any(row["id"] == "othercopy1" for row in f))
    claim(len(family) == 3, "another plan is another family")


def claim_alternatives(rows):
    for row in rows:
        for other in published.alternatives(row):
            differing = [key for key in row if row[key] != other[key]]
            claim(len(differing) == 1 and differing[0] in row["assumed"], f"{row['id']}: one assumed input at a time")


def claim_own(rows, folder):
    """A user's own rows are read as spreadsheets write them, whatever columns they leave out; what is no number is said."""
    path, row = folder / "own.csv", dict(rows[0])
    def written(changes, leave=(), mark=""):
        keys = [key for key in row if key not in leave]
        with open(path, "w", newline="", encoding="utf-8") as file:
            file.write(mark)
            table = csv.DictWriter(file, keys, extrasaction="ignore")
            table.writeheader()
            table.writerow(row | changes)
        return path
    claim(published.read_runs(published.RUNS) == rows, "the rows of the project are read as they are")
    claim(published.read_runs(written({}, mark="\ufeff")) == rows[:1], "a mark of the order of bytes is none of the row")
    claim(published.read_runs(written({}, leave=("layout", "notes", "id")))[0]["layout"] == "", "what is left out is blank")
    family = [row | {"id": str(n), "n_gpu": str(8 * n), "gbs_seq": str(n) if n < 4 else ""} for n in range(1, 5)]
    claim([[each["id"] for each in found] for found in residuals.families(family)] == [["1", "2", "3"]], "without a batch in no family")
    for column, text in (("n_gpu", "x"), ("n_gpu", "0"), ("gbs_seq", "1 k"), ("step_s", ""), ("step_s", "0.0"), ("step_s", "nan"), ("step_lo_s", "-1")):
        try:
            published.read_runs(written({column: text}))
        except ValueError as error:
            claim(f"row 2: {column} wants" in str(error), f"{column} '{text}': {error}")
        else:
            claim(False, f"{column} '{text}' is taken")


def claim_said(emulator):
    """A run says its bounds, those of the first class it fits, and whether anything of its size was ever measured."""
    for dp, beyond in ((16384, False), (16392, True)):
        path = emulator.folder / f"{dp}.h5"
        done = emulator.run(TOPOLOGIES / "colossus-100k.yaml", JOBS / "ddp-small.yaml", "--steps", "1", path=path, ranks=0,
                            engine__kind="closed", parallel__dp=dp, parallel__global_batch="auto")
        claim(done.returncode == 0 and "step interval" in done.stdout, f"the table has an interval: {done.stdout}{done.stderr}")
        claim(("no measurement exists" in done.stdout) == beyond, f"{dp} GPUs: {done.stdout}")
        with h5py.File(path) as file:
            steps = {name: data[0] for name, data in file["steps"].items()}
        claim((steps["gpus_in_job"] > steps["largest_run_gpus"]) == beyond and steps["likely_runs"] >= residuals.LEAST_RUNS,
              f"the trace says it: {steps}")
        claim(steps["likely_least_ps"] < steps["likely_most_ps"], "bounds are ordered")


def main():
    rows, tables = published.read_rows(published.RUNS), published.Tables.read()
    claim(len({row["id"] for row in rows}) == len(rows) == 226, "226 runs, each named once")
    for row in rows:
        if row["tp"]:
            text = published.job_text(row, tables)
            claim(f"global_batch: {row['gbs_seq']}\n" in text and f"sequence: {row['seq_tok']}\n" in text, f"{row['id']} in words")
    rng = random.Random(1)
    claim_machines(rows, tables)
    claim_domains(rows)
    claim_refused(rows, tables)
    claim_lines(rng)
    claim_statistics(rng)
    claim_bounds(rng)
    claim_families(rows)
    claim_alternatives(rows)
    with tempfile.TemporaryDirectory() as folder:
        claim_own(rows, pathlib.Path(folder))
        claim_said(Emulator(*sys.argv[1:], folder))
    try:
        published.job_text({**rows[0], "mbs": ""}, tables)
    except published.Unplayable:
        return
    claim(False, "a row without a microbatch is refused")


if __name__ == "__main__":
    main()
