"""program.py: what scripts/crosscheck, gallery, validate, sweep and mutate share: the program, and what Open MPI needs to start it."""

import os
import pathlib
import re
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent


def environment():
    """What Open MPI needs, as in env.sh; a variable that is set wins."""
    names = ["openmpi.env"]
    if not any(os.environ.get(job) for job in ("SLURM_JOB_ID", "PBS_JOBID", "LSB_JOBID")):
        names.append("openmpi-one-machine.env")
    text = "".join((ROOT / "scripts" / name).read_text() for name in names)
    return {**dict(re.findall(r"^([A-Z][A-Za-z_]*)=(.*)$", text, re.MULTILINE)), **os.environ}


def groups_of(topology):
    """Nodes, GPUs of a node and scale-up domain of each group of nodes, of a topology as `check --defaults` writes it."""
    node, others = topology["node"], topology["node"]["others"] or []
    begins = [0, *(other["from"] for other in others), topology["nodes"]]
    return [(end - begin, node["gpus"] if (gpus := group.get("gpus", "node")) == "node" else gpus, group.get("scale_up") or node["scale_up"])
            for group, begin, end in zip([node, *others], begins, begins[1:])]


def gpus_of(topology):
    return sum(nodes * gpus for nodes, gpus, _ in groups_of(topology))


def with_env_sh(commands):
    """What bash prints after scripts/env.sh; its own words say why it fails."""
    source = f'source "$0/scripts/env.sh"; {commands}'
    done = subprocess.run(["bash", "-euc", source, str(ROOT)], stdout=subprocess.PIPE, text=True)
    if done.returncode != 0:
        sys.exit(1)
    return done.stdout


def made():
    """The program that need not be built: the one that COLOSSIM_PROGRAM names (`colossim SCRIPT` does), or as installed; None in
    a folder of sources."""
    named = os.environ.get("COLOSSIM_PROGRAM")
    if named:
        return pathlib.Path(named)
    return None if (ROOT / "CMakeLists.txt").exists() else ROOT.parent.parent / "bin" / "colossim"


def as_it_is():
    """The program, or where a build would leave it."""
    return made() or pathlib.Path(os.environ.get("COLOSSIM_BUILD", ROOT / "build")) / "colossim"


def build():
    """The program, the release build brought up to date."""
    if made():
        return made()
    return pathlib.Path(with_env_sh('require_packages "${packages[@]}" >&2; '
                                    'build_preset release "$build" colossim >&2; printf "%s" "$build"')) / "colossim"
