#!/usr/bin/python3
"""faster.py MPIEXEC COLOSSIM [SEEDS]: a faster network never makes a step slower.

Law: with rounds of 1 us instead of 10, and with messages of 5 us instead of 50, a step takes no longer (by a thousandth): of a published
run, whose collectives have edges of weight 63 beside messages of weight 1, and of random small trainings without noise.
"""

import random
import sys
import tempfile

import random_inputs
from emulator import JOBS, PS_PER_S, TOPOLOGIES, Emulator, claim, column

# Transfers that meet elsewhere may lose a little of what each gains: a job of hundreds took 0.008 % longer.
NEAR = 1e-3
SLOW = {"network__round_latency": "10 us", "network__message_latency": "50 us"}
FAST = {"network__round_latency": "1 us", "network__message_latency": "5 us"}
PUBLISHED = {"parallel__dp": 128, "parallel__chunks": 12, "parallel__microbatch": 1, "training__param_precision": "bf16"}


def step_s(emulator, topology, job, **settings):
    path = emulator.folder / "run.h5"
    done = emulator.run(topology, job, "--steps", 1, ranks=0, path=path, **settings)
    claim(done.returncode in (0, 1, 2), f"{job} on {topology} ends, or says why not: {done.stderr}")
    return column(path, "steps/end_ps")[0] / PS_PER_S if done.returncode == 0 else None


def claim_no_slower(emulator, topology, job, **settings):
    """Returns whether the job is a legal one."""
    took_s = step_s(emulator, topology, job, **settings, **SLOW)
    for key, value in FAST.items():
        faster_s = step_s(emulator, topology, job, **settings, **{**SLOW, key: value})
        claim(took_s is None or faster_s <= took_s * (1 + NEAR), f"{job.read_text()}\n{settings} {key}: {took_s} to {faster_s} s")
    return took_s is not None


def main():
    mpiexec, colossim, *seeds = sys.argv[1:]
    legal = 0
    with tempfile.TemporaryDirectory() as folder:
        emulator = Emulator(mpiexec, colossim, folder)
        claim(claim_no_slower(emulator, TOPOLOGIES / "published/dgx-h100-ndr400.yaml", JOBS / "published/mlperf-gpt3.yaml",
                              **PUBLISHED), "the published run is legal")
        random_inputs.write_parts(emulator.folder)
        for seed in range(int(seeds[0]) if seeds else 12):
            draw = random.Random(seed)
            topology, gpus, domain = random_inputs.topology(draw, emulator.folder, "machine")
            job = random_inputs.training(draw, emulator.folder, "job", gpus, domain)
            legal += claim_no_slower(emulator, topology, job, noise="off", engine__kind="flow")
    claim(legal > 0, "some random jobs are legal")
    print(f"{legal} random jobs, none slower on a faster network")


main()
