#!/usr/bin/python3
"""random_pairs.py MPIEXEC COLOSSIM KIND SEED CASES: random small machines and jobs on 1, 2, 3, 4 and 7 ranks.

Law: whatever is drawn, all rank counts give one outcome: equal traces (`h5diff --exclude-path /run` is empty), tables
and fingerprints, or one message and exit code; what `check` refuses, it refuses with the place, and what it accepts, `run` does not
refuse. The clusters have 2 to 12 nodes, so that some ranks have none.
KIND is training or traffic; CASES counts the legal ones.
"""

import random
import sys
import tempfile

import random_inputs
from emulator import AS_ISLANDS, EVENT_BY_EVENT, EVERY_STEP, RANKS, Emulator, claim, counted, same_on_any_ranks


def draw_pair(draw, kind, folder, name):
    apart = kind == "training" and draw.random() < 0.75
    topology, gpus, domain = random_inputs.topology(draw, folder, f"{name}-topology", apart)
    if kind == "training":
        return topology, random_inputs.training(draw, folder, f"{name}-job", gpus, domain, apart)
    return topology, random_inputs.traffic(draw, folder, f"{name}-job", gpus, may_be_packets=True)


def main():
    mpiexec, colossim, kind, seed, cases = sys.argv[1:]
    draw = random.Random(f"{kind} {seed}")
    legal, refused, cut = 0, 0, 0
    apart, repeated = dict.fromkeys(RANKS, 0), dict.fromkeys(RANKS, 0)
    once_more, player = [(1, EVERY_STEP)], []
    if kind == "training":
        player = [AS_ISLANDS]
        once_more += [(1, EVENT_BY_EVENT), (3, EVERY_STEP, EVENT_BY_EVENT)]
    with tempfile.TemporaryDirectory() as folder:
        random_inputs.write_parts(folder)
        emulator = Emulator(mpiexec, colossim, folder)
        while legal < int(cases):
            pair = draw_pair(draw, kind, folder, f"{kind}{seed}-{legal + refused}")
            checked = emulator.call("check", *pair)
            if checked.returncode == 2:
                claim(": error: " in checked.stderr, f"a refusal has its place: {checked.stderr}")
                refused += 1
                claim(refused < 20 + 10 * int(cases), "most draws should be legal")
                continue
            claim(checked.returncode == 0, f"check accepts or refuses: {checked.returncode} {checked.stderr}")
            try:
                outcome = same_on_any_ranks(emulator, *pair, RANKS, *player, once_more=once_more)
                claim(outcome != 2, "what check accepts, run does not refuse")
                cut += outcome != 0
                for n in RANKS if outcome == 0 else ():
                    apart[n] += kind == "training" and counted(emulator, n, "islands") > 0
                    repeated[n] += counted(emulator, n, "steps_repeated") > 0
            except SystemExit:
                print("\n\n".join(path.read_text() for path in pair))
                raise
            legal += 1
    claim(cut <= legal // 2, f"{cut} of {legal} fabrics were cut: too many to mean anything")
    print(f"{legal} pairs alike on {RANKS} ranks ({cut} of them could not run), {refused} refused")
    claim(len(set(repeated.values())) == 1, f"steps are repeated on any number of ranks or on none: {repeated}")
    print(f"with a repeated step: {repeated[1]}")
    if kind == "training":
        print("played as islands:", ", ".join(f"{count} on {n} ranks" for n, count in apart.items()))


main()
