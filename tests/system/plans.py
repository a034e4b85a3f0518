#!/usr/bin/python3
"""plans.py MPIEXEC COLOSSIM CASE: `colossim plans` answers lines of settings, and its bound is one.

Laws: no step is shorter than the bound, of any plan, schedule, fabric and noise; where nothing is sent it is the step, to the
picosecond; routing and placement do not move it; an answer is what `run` and `check` say of the same settings, whatever was asked
before; what is wrong with a value alone is a mistake, what does not go together or not here is impossible.
"""

import json
import random
import re

from emulator import JOBS, PS_PER_S, TOPOLOGIES, claim, column, run_case

LAPTOP, POD = TOPOLOGIES / "laptop-16.yaml", TOPOLOGIES / "superpod-h100-1su.yaml"
DDP, MOE = JOBS / "ddp-small.yaml", JOBS / "moe-small.yaml"
PLANS = 60  # at least, of each job
ROUNDING = 1e-9  # half a picosecond an operation


def ask(emulator, topology, job, lines, *options):
    """Answers to lines of settings."""
    path = emulator.folder / "list"
    path.write_text("".join("\t".join(line) + "\n" for line in lines))
    done = emulator.call("plans", topology, job, *options, "--set", "steps=1", stdin=path)
    claim(done.returncode == 0 and done.stderr == "", f"it ends well: {done.returncode} {done.stderr}")
    answers = [json.loads(line) for line in done.stdout.splitlines()]
    claim(len(answers) == len(lines), f"a line a line: {len(lines)} asked, {len(answers)} answered")
    return answers


def drawn(draw, experts):
    """Settings of a plan, often one that can run."""
    pp = draw.choice((1, 1, 2, 4))
    line = [f"parallel.tp={draw.choice((1, 2, 8))}", f"parallel.pp={pp}", f"parallel.zero={draw.randrange(4)}",
            f"parallel.microbatch={draw.choice((1, 2))}", f"parallel.microbatches={draw.choice((4, 8, 12))}", "parallel.global_batch=auto",
            f"training.grad_overlap={draw.choice(('on', 'off'))}", f"training.recompute={draw.choice(('[]', '[full:1]', '[layernorm]'))}"]
    if pp > 1:
        line += [f"parallel.chunks={draw.choice((1, 2))}", f"parallel.schedule={draw.choice(('auto', 'auto', 'zero_bubble', 'dualpipe'))}",
                 f"training.pp_overlap={draw.choice(('on', 'off'))}"]
    if experts:
        line += [f"parallel.ep={draw.choice((1, 2, 8))}", f"training.routing={draw.choice(('balanced', 'drawn'))}",
                 f"training.ep_overlap={draw.choice(('on', 'off'))}"]
    else:
        line += [f"parallel.cp={draw.choice((1, 1, 2))}"]
    algorithms = ("auto", "auto", "ring", "tree", "nvls", "sharp", "direct", "hierarchical")
    line += [f"network.dp_algorithm={draw.choice(algorithms)}", f"fabric.in_network_reduction={draw.choice(('on', 'off'))}",
             f"fabric.tiers.leaf.rate={draw.choice(('400 Gb/s', '400 Gb/s', '25 Gb/s'))}", f"fabric.pxn={draw.choice(('on', 'off'))}"]
    line += [f"parallel.shard_group={draw.choice((1, 2, 4))}"] * (draw.random() < 0.2)
    return line + [f"noise={draw.choice(('on', 'off'))}", f"fabric.routing={draw.choice(('ecmp', 'adaptive', 'spray'))}",
                   f"placement.kind={draw.choice(('contiguous', 'random'))}", f"seed={draw.randrange(1, 100)}"]


def bound(emulator, wanted=PLANS):
    """Random plans, dense and of experts."""
    for job in (DDP, MOE):
        draw, checked, tight = random.Random(4711), 0, 0
        while checked < wanted:
            for answer in ask(emulator, POD, job, [drawn(draw, job == MOE) for _ in range(40)], "--play", "--set", "nodes=8"):
                claim(answer["verdict"] in ("fits", "impossible"), f"no mistake among them: {answer}")
                if answer["verdict"] != "fits":
                    continue
                step, least = answer["duration_ps"][0], answer["least_ps"]
                claim(0 < least <= step * (1 + ROUNDING), f"{job.stem}: a step of {step} ps is not below {least}: {answer}")
                checked, tight = checked + 1, tight + (least > 0.8 * step)
        claim(tight > checked / 4, f"{job.stem}: the bound says something: within a fifth in {tight} of {checked}")


def alone(emulator):
    """A GPU that sends nothing takes the bound; where nodes are, and how messages go, is not in it."""
    for line in (["parallel.dp=1"], ["parallel.dp=1", "training.recompute=[full:1]", "parallel.microbatch=2"]):
        answer = ask(emulator, LAPTOP, DDP, [line], "--play")[0]
        claim(answer["duration_ps"] == [answer["least_ps"]], f"the step is the bound: {answer}")
    still = answer["least_ps"]
    lines = [["parallel.dp=1", "training.recompute=[full:1]", "parallel.microbatch=2", "noise={gpu_sigma: 0 %, step_sigma: 1 %}", f"seed={s}"]
             for s in range(1, 7)]
    noisy = ask(emulator, LAPTOP, DDP, lines, "--play")
    claim(min(answer["duration_ps"][0] for answer in noisy) < still, "noise may make a GPU quicker")
    claim(all(answer["least_ps"] <= answer["duration_ps"][0] for answer in noisy), f"but not than the bound: {noisy}")
    plan = ["parallel.tp=2", "parallel.pp=2", "parallel.chunks=2"]
    lines = [[*plan, f"fabric.routing={routing}", f"placement={kind}"] for routing in ("ecmp", "spray") for kind in ("contiguous", "random")]
    claim(len({answer["least_ps"] for answer in ask(emulator, LAPTOP, DDP, lines)}) == 1, "neither routing nor placement is in it")


def answers(emulator):
    """In any order and company an answer is that of a run and of check."""
    lines = [["parallel.tp=2"], [], ["parallel.pp=4", "noise=on", "seed=3"], ["parallel.tp=2"]]
    told = ask(emulator, LAPTOP, DDP, lines, "--play")
    claim(told[0] == told[3], "the same question, the same answer")
    for line, answer in zip(lines, told):
        path = emulator.trace(LAPTOP, DDP, "--set", "steps=1", *(word for setting in line for word in ("--set", setting)))
        claim(answer["duration_ps"] == list(column(path, "steps/duration_ps")), f"{line}: the step of a run")
        claim(int(answer["fingerprint"], 16) == column(path, "steps/fingerprint")[0], f"{line}: to the bit")
        for name, where in (("mfu_full", "steps/mfu_full"), ("mean_W", "power/mean_W"), ("energy_per_token_J", "power/energy_per_token_J"),
                            ("likely_least_ps", "steps/likely_least_ps")):
            claim(answer[name] == column(path, where)[0], f"{line}: {name}")
        for name, part in answer["parts_ps"].items():
            claim(part == column(path, f"steps/{name}_ps")[0], f"{line}: {name}")
        checked = emulator.call("check", LAPTOP, DDP, *(word for setting in line for word in ("--set", setting))).stdout
        needed = re.search(r"fullest stage \(\d+ of \d+\): ([\d.]+) of ([\d.]+) GB", checked)
        for name, gigabytes in (("memory_bytes", needed[1]), ("gpu_memory_bytes", needed[2])):
            claim(f"{answer[name] / 1e9:.4g}" == f"{float(gigabytes):.4g}", f"{line}: {name} as check says")
        tokens = answer["tokens"] / (answer["duration_ps"][0] / PS_PER_S) / answer["gpus"]
        claim(abs(tokens / column(path, "steps/tokens_per_s_gpu")[0] - 1) < 1e-9, f"{line}: tokens")


def verdicts(emulator):
    """Mistakes, conflicts, and what may be asked."""
    cases = ((["parallel.tp=3"], "impossible", "does not divide"), (["parallel.pp=32"], "impossible", "GPUs"),
             (["parallel.microbatch=4096"], "impossible", "GB"), (["parallel.prefetch=2"], "impossible", "prefetch is given"),
             (["parallel.pq=3"], "mistake", "did you mean 'pp'?"), (["parallel.tp=two"], "mistake", "tp"),
             (["training.recompute=[core attn]"], "mistake", "did you mean 'core_attn'?"), (["model=gpt-17b"], "mistake", "gpt-17b"),
             (["parallel.order=tp-xp"], "mistake", "order wants"), (["parallel.tp=3", "fabric.routing=none"], "mistake", "routing"),
             (["parallel.tp=2"], "fits", ""))
    told = ask(emulator, LAPTOP, DDP, [line for line, *_ in cases])
    for (line, verdict, words), answer in zip(cases, told):
        claim(answer["verdict"] == verdict and words in answer.get("reason", "") + answer.get("errors", ""), f"{line}: {answer}")
    traffic = ask(emulator, LAPTOP, JOBS / "traffic-shift.yaml", [[], ["traffic.ranks=17"]])
    claim([answer["verdict"] for answer in traffic] == ["fits", "impossible"] and "least_ps" not in traffic[0], f"traffic: {traffic}")
    for words in (("plans", LAPTOP), ("run", LAPTOP, DDP, "--play"), ("plans", LAPTOP, DDP, DDP)):
        done = emulator.call(*words)
        claim(done.returncode == 2 and "try 'colossim --help'" in done.stderr and done.stdout == "", f"{words}: {done.stderr}")


def bound_many(emulator):
    bound(emulator, 2000)


run_case(bound, bound_many, alone, answers, verdicts)
