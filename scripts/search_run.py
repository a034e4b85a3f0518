"""search_run.py: asks for bounds, plays the plans that can still be the best, keeps every answer.

Idea.    Branch and bound. A plan needs to be played if its bound (no step is shorter, src/driver/bound.h) does not exceed the best
         step by more than a margin, and if no plan that was played takes both no more time than that bound and no more memory: so
         the best is found, and within the margin those that are best for their memory, but for what is alike (1 % of a step, 2.5 %
         of the memory of a GPU). Other placements and routings take no other memory: of a plan that cannot be the best they are not
         played. Plans with the lowest bounds go first.
         Answers stand in DIR/answers.jsonl, below a line that says what was asked: a search that is called again takes what is there.
Limits.  A bound is exact but for rounding; plans are compared in picoseconds.
"""

import heapq
import json

from planner import Crew, Planner


class Interrupted(Exception):
    """Somebody has asked to stop."""


class Answers:
    """Kept by (mode, settings)."""

    def __init__(self, path, asked, again=False):
        """asked: what all answers depend on; with anything else those of a file are worth nothing. path None: nothing is kept."""
        self.known, self.file = {}, None
        if path:
            self.open(path, asked, again)

    def open(self, path, asked, again):
        head = json.dumps({"format": 1, "asked": asked}, sort_keys=True)
        text = path.read_text(encoding="utf-8") if path.exists() and not again else ""
        lines = text.split("\n")
        goes_on = lines[0] == head
        for line in lines[1:] if goes_on else []:
            self.learn(line)
        self.file = open(path, "a" if goes_on else "w", encoding="utf-8")
        if not text.endswith("\n") or not goes_on:  # a killed search leaves half a line
            self.file.write("\n" if goes_on else head + "\n")

    def learn(self, line):
        try:
            row = json.loads(line)
            self.known[row["mode"], row["settings"]] = row["answer"]
        except (ValueError, KeyError):
            pass  # the last line of a search that was killed

    def get(self, mode, settings):
        return self.known.get((mode, "\t".join(settings)))

    def put(self, mode, settings, answer):
        text = "\t".join(settings)
        self.known[mode, text] = answer
        if self.file:
            self.file.write(json.dumps({"mode": mode, "settings": text, "answer": answer}) + "\n")
            self.file.flush()


class Runner:
    """Asks what is not known yet."""

    def __init__(self, line, processes, answers, stop):
        """line: what a Planner is started with."""
        self.line, self.processes, self.answers, self.stop = line, processes, answers, stop

    def crew(self, play, most):
        return Crew([Planner(*self.line, play=play) for _ in range(max(1, min(self.processes, most)))])

    def ask(self, mode, lists):
        """Answers to lists of settings, in their order; each is asked once."""
        missing = iter([settings for settings in {"\t".join(s): s for s in lists}.values() if not self.answers.get(mode, settings)])
        self.crew(mode != "bound", len(lists)).work(
            lambda: None if self.stop.count else next(((settings, settings) for settings in missing), None),
            lambda settings, answer: self.keep(mode, settings, answer))
        self.check_stop()
        return [self.answers.get(mode, settings) for settings in lists]

    def keep(self, mode, settings, answer):
        self.answers.put(mode, settings, answer)

    def check_stop(self):
        if self.stop.count:
            raise Interrupted

    def bound(self, plans):
        for plan, answer in zip(plans, self.ask("bound", [plan.settings for plan in plans])):
            plan.bound = answer

    def play(self, plans):
        for plan, answer in zip(plans, self.ask("play", [plan.all_settings for plan in plans])):
            plan.play = answer


TIME_ALIKE, MEMORY_ALIKE = 0.01, 0.025  # of a step; of the memory of a GPU


def beats(played, plan, best_ps):
    """Whether a plan that was played shows that another need not be. It may be the best: only if its step is no longer than the
    bound of the other; it cannot: also if it is nearly so, and takes hardly more memory."""
    if plan.least_ps > best_ps:
        memory = plan.memory + MEMORY_ALIKE * plan.bound["gpu_memory_bytes"]
        return played.memory <= memory and played.step_ps <= plan.least_ps * (1 + TIME_ALIKE)
    return played.memory <= plan.memory and (played.step_ps < plan.least_ps
                                             or played.step_ps == plan.least_ps and played.number < plan.number)


class Hunt:
    """Of plans that fit: which are played, in which order, and why the others are not."""

    def __init__(self, runner, plans, within, by_memory=True, exhaustive=False, tell=lambda hunt: None):
        """by_memory: one that takes neither less time nor less memory than another is of no interest."""
        self.runner, self.within, self.by_memory, self.exhaustive, self.tell = runner, within, by_memory, exhaustive, tell
        self.played = 0
        self.front, self.best_ps = [], None  # played: none takes less time and less memory than one of the front
        self.heap = [(plan.least_ps, plan.memory, plan.number, plan) for plan in plans]
        heapq.heapify(self.heap)

    def needs_play(self, plan):
        """What is kept of a plan is why the first hunt left it out; a later one may play it."""
        why_not = "" if self.exhaustive or self.best_ps is None else self.why_not(plan)
        plan.pruned = plan.pruned or why_not
        return not why_not

    def why_not(self, plan):
        if plan.least_ps > self.best_ps * (1 + self.within):
            return "time"
        if self.by_memory and plan.least_ps > self.best_ps and not plan.first_network:
            return "network"
        if self.by_memory and any(beats(played, plan, self.best_ps) for played in self.front):
            return "time and memory"
        return ""

    def take(self):
        while self.heap and not self.runner.stop.count:
            plan = heapq.heappop(self.heap)[-1]
            if not self.needs_play(plan):
                continue
            answer = self.runner.answers.get("play", plan.all_settings)
            if not answer:
                return plan, plan.all_settings
            self.give(plan, answer)
        return None

    def give(self, plan, answer):
        if not self.runner.answers.get("play", plan.all_settings):
            self.runner.keep("play", plan.all_settings, answer)
        plan.play = answer
        self.played += 1
        if plan.played:
            self.learn(plan)
        self.tell(self)

    def learn(self, plan):
        self.best_ps = plan.step_ps if self.best_ps is None else min(plan.step_ps, self.best_ps)
        if not any(other.step_ps <= plan.step_ps and other.memory <= plan.memory and other.number < plan.number
                   for other in self.front):
            self.front.append(plan)

    def run(self):
        self.runner.crew(True, len(self.heap)).work(self.take, self.give)
        self.runner.check_stop()


def ranked(plans):
    """Played ones, the best first."""
    return sorted((plan for plan in plans if plan.played), key=lambda plan: (plan.step_ps, plan.memory, plan.number))


def pareto(plans):
    """Of ranked ones those that no other beats in time and memory."""
    found, least = [], None
    for plan in plans:
        if least is None or plan.memory < least:
            found.append(plan)
            least = plan.memory
    return found
