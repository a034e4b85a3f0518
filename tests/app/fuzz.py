#!/usr/bin/python3
"""fuzz.py MPIEXEC PLAYER RUNS [SEED]: random small inputs, some keys at their extremes, on one rank and on two.

They are played by fuzz_player, which says what became of each. A configuration at which it stops (a CHECK, a signal, a
difference between ranks) or stays longer than PATIENCE_S is told with its files, and the next ones go on. 0: there was none.
"""

import os
import pathlib
import random
import select
import shutil
import signal
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests" / "system"))
import random_inputs  # noqa: E402

PATIENCE_S = 200  # sanitizers and other work on the machine included
SHIPPED = [(ROOT / "topologies/laptop-16.yaml", ROOT / "jobs" / f"{job}.yaml")
           for job in ("ddp-small", "traffic-shift", "traffic-permutation", "traffic-all-reduce", "traffic-flows")]


def write_inputs(folder, runs, seed):
    draw = random.Random(seed)
    random_inputs.write_parts(folder)
    lines = []
    for k in range(runs):
        if draw.random() < 0.15:
            topology, job = draw.choice(SHIPPED)
        else:
            topology, gpus, domain = random_inputs.topology(draw, folder, f"machine-{k}", draw.random() < 0.3)
            job = (random_inputs.training(draw, folder, f"training-{k}", gpus, domain) if draw.random() < 0.5
                   else random_inputs.traffic(draw, folder, f"traffic-{k}", gpus))
        knobs = [f"@{draw.choice(('topology', 'job', 'job'))}:{draw.randrange(10**6)}:{draw.randrange(10**6)}"
                 for _ in range(draw.randint(0, 2))]
        lines.append("|".join(map(str, (topology, job, f"topology.fabric.hash_seed={draw.randint(0, 9)}", *knobs))))
    path = pathlib.Path(folder) / "list"
    path.write_text("\n".join(lines) + "\n")
    return path


def play(command, environment, patience_s):
    """Lines of one player; the last is told again with what it ended with. Returns (number of the last, verdicts, words)."""
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=environment,
                               start_new_session=True, bufsize=1)
    last, verdicts, words, line = -1, {}, [], ""
    while True:
        ready, _, _ = select.select([process.stdout], [], [], patience_s)
        chunk = os.read(process.stdout.fileno(), 1 << 16).decode(errors="replace") if ready else ""
        if not chunk:
            break
        *whole, line = (line + chunk).split("\n")
        for text in whole:
            if text.split("|")[0].isdigit() and "|" in text:
                last, words = int(text.split("|")[0]), [text]
                continue
            words.append(text)
            verdict = text.split(":")[0]
            if os.environ.get("FUZZ_LOUD") and verdict in ("refused", "failed"):
                print(text)
            if verdict in ("refused", "long", "played", "failed"):
                verdicts[verdict] = verdicts.get(verdict, 0) + 1
    if not ready:
        words.append(f"still not done after {patience_s} s")
        os.killpg(process.pid, signal.SIGKILL)
    code = process.wait()
    return last, verdicts, words, code if ready else -1


def main():
    mpiexec, player, runs, seed = sys.argv[1], sys.argv[2], int(sys.argv[3]), int((sys.argv[4:] or ["1"])[0])
    environment = {**os.environ, "COLOSSIM_SHARE": str(ROOT)}
    total, nfailed, first = {}, 0, 0
    with tempfile.TemporaryDirectory() as folder:
        inputs = write_inputs(folder, runs, seed)
        while first < runs:
            last, verdicts, words, code = play([mpiexec, "-n", "2", player, str(inputs), str(first)],
                                               environment, PATIENCE_S)
            for verdict, n in verdicts.items():
                total[verdict] = total.get(verdict, 0) + n
            if code == 0:
                break
            if last < first:
                sys.exit("the player did not start:\n" + "\n".join(words))
            nfailed += 1
            print("\n".join(words[:40]), flush=True)
            kept = pathlib.Path(tempfile.mkdtemp(prefix="colossim-fuzz-"))
            shutil.copytree(folder, kept, dirs_exist_ok=True) if nfailed == 1 else kept.rmdir()
            if nfailed == 1:
                print(f"inputs are kept in {kept}", flush=True)
            first = last + 1
    print(f"{runs} inputs: {total}, {nfailed} wrong")
    sys.exit(nfailed > 0)


main()
