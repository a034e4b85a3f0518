#!/usr/bin/python3
"""draw.py MPIEXEC COLOSSIM {counts|pictures|graphs|damaged}: scripts/draw draws the fabric that the program has."""

import re
import shutil
import subprocess

import h5py
import numpy as np

from emulator import JOBS, ROOT, TOPOLOGIES, claim, column, run_case

SUPERPOD = TOPOLOGIES / "superpod-h100-1su.yaml"
SWITCH = "switch: spectrum-4-sn5600, rate: 400 Gb/s, cable: 5 m"


def wired(kind, nodes, each, *tiers, cables=""):
    """Settings that wire a SuperPOD otherwise: NICs at a switch, then the keys of each further tier."""
    first = f"children: {each}, " if each else ""
    rows = [f"{{name: router, {first}{SWITCH}}}"] + [f"{{name: tier{t}, {keys}{SWITCH}}}" for t, keys in enumerate(tiers, 2)]
    keys = {"nodes": nodes, "fabric.kind": kind, "fabric.wiring": "plain", "fabric.routing": "ecmp",
            "fabric.tiers": f"[{', '.join(rows)}]"}
    if cables:
        keys["fabric.cables"] = cables
    return [word for key, value in keys.items() for word in ("--set", f"{key}={value}")]


# Together in squares, some of them not evenly; and one by one.
WIRED = {
    "torus": wired("torus", 3300, 4, "children: 60, ", "children: 110, lanes: 2, "),
    "planes": wired("mesh", 2000, 2, "children: 25, ", "children: 24, ", "children: 14, "),
    "line": wired("torus", 10, 8, "children: 10, "),
    "dragonfly": wired("dragonfly", 36, 8, "children: 4, lanes: 2, ", "children: 9, parents: 2, "),
    "groups": wired("dragonfly", 280, 4, "children: 14, ", "children: 40, parents: 3, "),
    "members": wired("dragonfly", 100, 4, "children: 20, ", "children: 10, parents: 1, "),
}


def draw(emulator, *arguments):
    return subprocess.run([ROOT / "scripts/draw", *map(str, arguments), "--program", emulator.colossim], capture_output=True, text=True,
                          env=emulator.environment)


def same_counts(emulator, path, *settings):
    """What is drawn, also of many in one square, is what there is: tier by tier as many switches and cables as are listed."""
    done = draw(emulator, path, "--counts", *settings)
    claim(done.returncode == 0, f"{path.name} {settings}: {done.stderr}")
    rows = [line.split(",") for line in emulator.call("show", path, "--cables", "-", *settings).stdout.splitlines()[1:]]
    said = emulator.call("check", path, "--defaults", *settings).stdout
    tiers = re.findall(r"^    - name: (.*)$", said[said.index("  tiers:"):], re.M)
    switches, cables = dict.fromkeys(tiers, 0), dict.fromkeys(tiers, 0)
    for one, other, count, tier in rows:
        cables[tier] += int(count)
        for name, number in (end.split() for end in (one, other)):
            if name != "gpu":
                switches[name] = max(switches[name], int(number) + 1)
    claim(done.stdout == "".join(f"{tier} {switches[tier]} {cables[tier]}\n" for tier in tiers),
          f"{path.name} {settings}: {done.stdout}, not {switches}, {cables}")


def listed(emulator):
    """A SuperPOD as a list, with a ring of spines."""
    done = emulator.call("show", SUPERPOD, "--cables", "-")
    (emulator.folder / "list.csv").write_text(done.stdout + "".join(f"spine {i},spine {(i + 1) % 4},2,ring\n" for i in range(4)))
    settings = wired("graph", 32, 0, "", "", cables="list.csv")
    settings = [word.replace("router", "leaf").replace("tier2", "spine").replace("tier3", "ring") for word in settings]
    path = emulator.folder / "listed.yaml"
    path.write_text(SUPERPOD.read_text())
    return path, settings


def counts(emulator):
    for name in ("laptop-16", "nvl72-rack", "superpod-h100-1su", "deepseek-2k", "hpn-15k", "dojo-exapod"):
        same_counts(emulator, TOPOLOGIES / f"{name}.yaml")
    huge = draw(emulator, TOPOLOGIES / "meta-hyperion.yaml", "--counts")
    shown = emulator.call("show", TOPOLOGIES / "meta-hyperion.yaml").stdout.replace(",", "")
    for name, switches, cables in map(str.split, huge.stdout.splitlines()):
        claim(re.search(rf"^  {name} +{switches} +{cables} ", shown, re.M), f"{huge}, but\n{shown}")
    claim(huge.stdout.count("\n") == 4, f"{huge}")
    for settings in WIRED.values():
        same_counts(emulator, SUPERPOD, *settings)
    path, settings = listed(emulator)
    same_counts(emulator, path, *settings)


def drawn(emulator, source, *options, bytes_least=20000):
    picture = emulator.folder / "fabric.png"
    done = draw(emulator, source, "-o", picture, *options)
    claim(done.returncode == 0 and done.stdout.strip() == str(picture) and not done.stderr, f"{source}: {done.stdout}{done.stderr}")
    claim(picture.read_bytes()[:4] == b"\x89PNG" and picture.stat().st_size > bytes_least, f"{source}: a picture")
    picture.unlink()


def pictures(emulator):
    """A picture of a machine, and of a run by its trace alone; what is neither is refused."""
    trace = emulator.trace(TOPOLOGIES / "laptop-16.yaml", JOBS / "ddp-small.yaml", "--steps", "2", ranks=0)
    for source, options in ((TOPOLOGIES / "colossus2-550k.yaml", ()), (TOPOLOGIES / "deepseek-2k.yaml", ()), (trace, ()),
                            (trace, ("--step", "0"))):
        drawn(emulator, source, *options)
    for source, options, words in ((trace, ("--step", "2"), "step 2 of 2"), (emulator.folder / "none.h5", (), "cannot be opened"),
                                   (trace, ("--set", "nodes=3"), "as it was run"), (JOBS / "ddp-small.yaml", (), "")):
        done = draw(emulator, source, "-o", emulator.folder / "no.png", *options)
        claim(done.returncode != 0 and words in done.stderr and "Traceback" not in done.stderr, f"{source}: {done.stderr}")
        claim(not (emulator.folder / "no.png").exists(), f"{source} is not drawn")


def damaged(emulator):
    """A trace that does not say any more what its run was asked for is refused in one line, by all who read that; the page of a
    report has no fabric then."""
    trace = emulator.trace(TOPOLOGIES / "laptop-16.yaml", JOBS / "ddp-small.yaml", "--steps", "1", ranks=0, trace__explain="on")
    for name, change in (("cut", lambda text: text[:len(text) // 2]), ("no text", lambda text: np.bytes_(b"\xff\xfe")),
                         ("no fabric", lambda text: text.replace("  fabric:", "  fabrik:"))):
        copy = emulator.folder / "damaged.h5"
        shutil.copy(trace, copy)
        with h5py.File(copy, "r+") as file:
            file.attrs["config_resolved"] = change(file.attrs["config_resolved"])
        explained = subprocess.run([ROOT / "scripts/explain", copy], capture_output=True, text=True, env=emulator.environment)
        for done in (explained, draw(emulator, copy, "-o", emulator.folder / "no.png")):
            lines = done.stderr.splitlines()
            claim(done.returncode == 2 and len(lines) == 1 and "damaged.h5: damaged: " in lines[0], f"{name}: {done.stderr}")
    page = subprocess.run([ROOT / "scripts/report", copy, "-o", emulator.folder / "page.html"], capture_output=True, text=True,
                          env=emulator.environment)
    claim(page.returncode == 0 and len(page.stderr.splitlines()) == 1 and "damaged" in page.stderr, f"report: {page.stderr}")


def graphs(emulator):
    """Fabrics that are no trees, and runs on them when their files are gone: each cable by its own load where the trace has it."""
    for settings in WIRED.values():
        drawn(emulator, SUPERPOD, *settings)
    path, settings = listed(emulator)
    job = JOBS / "traffic-permutation.yaml"
    for source, options, full in ((path, settings, "on"), (SUPERPOD, WIRED["dragonfly"], "off"), (SUPERPOD, WIRED["line"], "on")):
        trace = emulator.trace(source, job, *options, "--set", f"trace.full_links={full}", ranks=0)
        if source == path:
            path.unlink()
            (emulator.folder / "list.csv").unlink()
        drawn(emulator, trace)
    loads(emulator, trace)


def loads(emulator, trace):
    """Of a ring: what is drawn of each cable is what its two links carried, the busier way."""
    program = f"""
import sys; sys.path.insert(0, {str(ROOT / 'scripts')!r})
import fabric_file, trace_file
trace = trace_file.TraceFile({str(trace)!r})
machine = fabric_file.of_trace(trace, {str(emulator.colossim)!r})
print(*fabric_file.Loads(trace, 0).of_cables(machine.tiers[1]))
print(*machine.list.number[machine.list.tier == 1].ravel())
"""
    done = subprocess.run(["/usr/bin/python3", "-B", "-c", program], capture_output=True, text=True, env=emulator.environment)
    claim(done.returncode == 0, done.stderr)
    used, ends = (np.array(line.split(), dtype=float) for line in done.stdout.splitlines())
    first, carried = column(trace, "links/first_link")[2], column(trace, "links/link_bytes")[0]
    seconds = column(trace, "steps/duration_ps")[0] * 1e-12
    own = np.maximum(carried[first[0]:first[0] + 10], carried[first[1]:first[1] + 10])
    claim(np.allclose(used, own / (column(trace, "links/capacity_Bps")[2] * seconds), rtol=1e-12) and used.max() > 0.3, f"{used}")
    claim((ends.reshape(-1, 2) % 10 == [[i, (i + 1) % 10] for i in range(10)]).all(), f"cables of a ring in their order: {ends}")


run_case(counts, pictures, graphs, damaged)
