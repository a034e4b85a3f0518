#!/usr/bin/python3
"""search.py MPIEXEC COLOSSIM CASE: scripts/search finds the best plan there is.

Laws: what it plays least for is what playing everything gives, to the picosecond, and as good for memory; what it rules out unasked
cannot run; a bound is never above the step; the job it writes takes the step it says; stopped and called again it tells the same.
"""

import csv
import re
import shlex
import signal
import subprocess
import sys
import time

from emulator import JOBS, PS_PER_S, ROOT, TOPOLOGIES, claim, column, run_case

sys.path.insert(0, str(ROOT / "scripts"))
from planner import Planner  # noqa: E402
from search_space import Facts, Space  # noqa: E402

# Bounds that differ less than what they leave out.
ALIKE = ("laptop-16", "llama2-7b", "--batch", "32", "--sequence", "4096", "--fix", "pp=1", "--fix", "tp=1,2", "--fix", "zero=1,3", "--fix", "cp=1",
         "--fix", "microbatch=1,2", "--fix", "vp=1", "--fix", "recompute=none", "--fix", "routing=ecmp", "--fix", "placement=dp-near")
DENSE = ("laptop-16", "gpt-1.7b", "--batch", "32", "--sequence", "2048", "--fix", "tp=1,2", "--fix", "pp=1,2,4", "--fix", "microbatch=1,2",
         "--fix", "recompute=none", "--fix", "routing=adaptive,ecmp", "--fix", "zero=1,3", "--fix", "cp=1",
         "--set", "fabric.tiers.leaf.rate=50 Gb/s")  # thin, so that the lowest bound is not the best step
EXPERTS = ("superpod-h100-1su", JOBS / "moe-small.yaml", "--set", "nodes=4", "--gpus", "32", "--batch", "64", "--fix", "routing=adaptive,ecmp")
ALIKE_TIME, ALIKE_BYTES = 0.01, 0.025 * 84e9  # search_run.py


class Search:
    """The script, with the program under test."""

    def __init__(self, emulator, name):
        self.emulator, self.folder = emulator, emulator.folder / name

    def start(self, *words):
        return subprocess.Popen([str(ROOT / "scripts/search"), *map(str, words), "--program", self.emulator.colossim, "--output", self.folder],
                                stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=self.emulator.folder,
                                env=self.emulator.environment)

    def end(self, process, code=0):
        stdout, stderr = process.communicate(timeout=1500)
        claim(process.returncode == code and "Traceback" not in stderr, f"exit code {code}, got {process.returncode}: {stdout}{stderr}")
        return stdout, stderr

    def play(self, *words, code=0):
        return self.end(self.start(*words), code)

    def rows(self, state=None):
        with open(self.folder / "plans.csv", newline="", encoding="utf-8") as file:
            return [row for row in csv.DictReader(file) if state in (None, row["state"])]


def best_of(rows):
    return min(rows, key=lambda row: (float(row["step_s"]), float(row["memory_GB"]), int(row["number"])))


def claim_anew(played, everything, truly):
    """What another choice costs with all else chosen anew is what the best of all that have it does."""
    for axis in "tp", "pp", "cp", "ep", "zero", "microbatch", "recompute":
        for value in {row[axis] for row in everything}:
            first = [row for row in everything if row[axis] == value and (row["placement"], row["routing"]) == ("dp-near", everything[0]["routing"])]
            found = [row for row in played if row[axis] == value]
            claim(float(best_of(first)["step_s"]) > 2 * float(truly["step_s"])
                  or found and float(best_of(found)["step_s"]) <= float(best_of(first)["step_s"]),
                  f"what {axis} {value} costs with all else chosen anew: {found and best_of(found)}, of all: {best_of(first)}")


def same_as_exhaustive(emulator, *question):
    quick, whole = Search(emulator, "quick"), Search(emulator, "whole")
    told, _ = quick.play(*question, "--no-goodput")
    whole.play(*question, "--no-goodput", "--all", "--within", 0)
    played, everything = quick.rows("played"), whole.rows("played")
    claim(not whole.rows("not played") and len(everything) > len(played) > 1, f"{len(played)} of {len(everything)} are played")
    best, truly = best_of(played), best_of(everything)
    claim(best == truly, f"the best: {best}, of all: {truly}")
    for row in everything:
        claim(float(row["least_s"]) <= float(row["step_s"]) * (1 + 1e-9), f"a bound: {row}")
    for row in everything:
        near = float(row["step_s"]) <= 1.05 * float(truly["step_s"])
        claim(not near or any(float(other["step_s"]) <= float(row["step_s"]) * (1 + ALIKE_TIME)
                              and float(other["memory_GB"]) * 1e9 <= float(row["memory_GB"]) * 1e9 + ALIKE_BYTES for other in played),
              f"one as good for its memory is played: {row}")
    claim_anew(played, everything, truly)
    claim(f"{float(best['step_s']):8.4g}" in told and "best.yaml" in told, f"the table has it: {told}")
    command = re.search(r"run (\S+) (\S+best.yaml)(.*)", told)
    sets = shlex.split(command[3].replace("--set", ""))
    path = emulator.trace(emulator.folder / command[1], emulator.folder / command[2], "--set", "steps=1",
                          *(word for setting in sets for word in ("--set", setting)))
    claim(column(path, "steps/duration_ps")[0] / PS_PER_S == float(best["step_s"]), "the job takes the step")
    claim((quick.folder / "plans.png").stat().st_size > 10000, "a picture")


def exhaustive(emulator):
    same_as_exhaustive(emulator, *DENSE)


def anew(emulator):
    quick, whole = Search(emulator, "quick"), Search(emulator, "whole")
    quick.play(*ALIKE, "--no-goodput")
    whole.play(*ALIKE, "--no-goodput", "--all")
    claim_anew(quick.rows("played"), whole.rows("played"), best_of(whole.rows("played")))


def exhaustive_experts(emulator):
    same_as_exhaustive(emulator, *EXPERTS)


def ruled_out(emulator):
    """Heads that are ruled out by one plain plan have no plan that runs; dp is a number that the program takes."""
    search = Search(emulator, "search")
    search.play("nvl72-rack", "grok-1", "--dry-run", "--fix", "tp=2", "--fix", "pp=2", "--fix", "cp=1", "--fix", "ep=2", "--fix", "zero=3")
    planner = Planner(emulator.colossim, emulator.folder, TOPOLOGIES / "nvl72-rack.yaml", search.folder / "template.yaml", ["steps=1"])
    facts = Facts(gpus=72, domain=72, batch=144, sequence=8192, layers=64, heads=48, experts=8, latent=False, routing="adaptive", schedules=())
    space = Space(facts, {"zero": [0, 3], "recompute": ["none", "full"], "microbatch": [1, 2], "routing": ["adaptive"], "pp": [1, 2]})
    heads, asked = [head for head in space.heads() if space.probe(head)], 0
    for head in heads:
        answer = planner.ask(space.probe(head))
        claim(answer["verdict"] in ("fits", "impossible"), f"{head}: {answer}")
        if answer["verdict"] == "fits" or " GB" in answer["reason"]:
            continue
        for plan in space.enumerate([head], [None])[::5]:
            asked += 1
            claim(planner.ask(plan.settings)["verdict"] == "impossible", f"ruled out for '{answer['reason']}', but it runs: {plan}")
    planner.close()
    claim(asked > 50, f"{asked} were ruled out")


def goes_on(emulator):
    """Stopped, it keeps its answers; called again it tells what one that was never stopped tells."""
    search, other = Search(emulator, "search"), Search(emulator, "other")
    process = search.start(*DENSE)
    answers = search.folder / "answers.jsonl"
    deadline = time.monotonic() + 60
    while not answers.exists() or answers.read_text().count('"play"') < 3:
        claim(time.monotonic() < deadline and process.poll() is None, "it plays within a minute")
        time.sleep(0.02)
    process.send_signal(signal.SIGTERM)
    _, stderr = search.end(process, 128 + signal.SIGTERM)
    claim("the same command goes on" in stderr, f"it says so: {stderr}")
    kept = answers.read_text()
    answers.write_text(kept[:-7])  # as if it had been killed while it wrote
    told, _ = search.play(*DENSE)
    claim(answers.read_text().startswith(kept[:-7]), "what was there is kept")
    whole = other.play(*DENSE)[0].replace("other/", "search/")
    claim(told == whole, f"the same as in one go: {told}\n{whole}")
    before = answers.read_text()
    claim(search.play(*DENSE)[0] == told and answers.read_text() == before, "and nothing is asked twice")
    search.play(*DENSE, "--set", "network.queue_pairs=4", "--dry-run")
    claim(answers.read_text().splitlines()[0] != before.splitlines()[0], "another question forgets them")


def refused(emulator):
    search = Search(emulator, "search")
    for words, message in ((("laptop-61", "gpt-1.7b"), "there is no topology 'laptop-61'; did you mean 'laptop-16'?"),
                           (("laptop-16", "gpt-1.7"), "did you mean 'gpt-1.7b'?"), (("laptop-16",), "which TOPOLOGY and MODEL?"),
                           (("laptop-16", "gpt-1.7b", "--fix", "pt=2"), "there is no axis 'pt'"),
                           (("laptop-16", "gpt-1.7b", "--fix", "placement=dp-nera"), "did you mean 'dp-near'?"),
                           (("laptop-16", "gpt-1.7b", "--fix", "tp=x"), "tp wants a whole number from 1, got 'x'"),
                           (("laptop-16", "gpt-1.7b", "--fix", "microbatch=0"), "microbatch wants a whole number from 1, got '0'"),
                           (("laptop-16", "gpt-1.7b", "--fix", "ends=auto"), "there is no ends 'auto'"),
                           (("laptop-16", "gpt-1.7b", "--fix", "routing=spary", "--dry-run"), "did you mean 'spray'?"),
                           (("laptop-16", "gpt-1.7b", "--within", "-5"), "wants a number from 0, got '-5'"),
                           (("laptop-16", "gpt-1.7b", "--set", "training.presicion=fp8"), "did you mean 'precision'?"),
                           (("laptop-16", "gpt-1.7b", "--precision", "fp9"), "did you mean 'fp8'?"),
                           (("laptop-16", "gpt-1.7b", "--gpus", "17"), "has 16"),
                           (("laptop-16", "gpt-1.7b", "--batch", "7", "--fix", "pp=1", "--fix", "tp=1"), "divides the batch"),
                           (("laptop-16", "traffic-shift"), "kind traffic")):
        stdout, stderr = search.play(*words, code=2)
        claim(message in stderr and stdout == "", f"{words}: '{message}' is said: {stdout}{stderr}")
    stdout, _ = search.play("laptop-16", "llama3.1-405b", "--fix", "zero=0", "--fix", "pp=1", code=1)
    claim("does not fit the memory of a GPU" in stdout and "\n0 can" in stdout, f"nothing fits: {stdout}")


run_case(exhaustive, exhaustive_experts, anew, ruled_out, goes_on, refused)
