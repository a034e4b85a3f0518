#!/usr/bin/python3
"""packages.py MPIEXEC COLOSSIM {mpich|debian}: the same traces from the program built with another MPI, and from its package.

Needs mpich and libhdf5-mpich-dev, which scripts/test --all installs.
"""

import os
import subprocess

from emulator import JOBS, ROOT, TOPOLOGIES, Emulator, claim, differences, run_case

PAIRS = (("laptop-16", "ddp-small"), ("superpod-h100-1su", "traffic-all-to-all"), ("superpod-h100-1su", "moe-small"))
MPICH = {"MPI_C_COMPILER": "/usr/bin/mpicc.mpich", "MPIEXEC_EXECUTABLE": "/usr/bin/mpiexec.mpich",
         "HDF5_C_COMPILER_EXECUTABLE": "/usr/bin/h5pcc.mpich"}


def call(*words, **more):
    done = subprocess.run([*map(str, words)], capture_output=True, text=True, **more)
    claim(done.returncode == 0, f"{' '.join(map(str, words))}: {done.stdout[-1500:]}{done.stderr[-1500:]}")
    return done.stdout


def built(folder, **keys):
    """A build of the program alone."""
    options = {"CMAKE_BUILD_TYPE": "Release", "COLOSSIM_TESTS": "OFF", **keys}
    call("cmake", "-S", ROOT, "-B", folder, "-G", "Ninja", *(f"-D{key}={value}" for key, value in options.items()))
    call("cmake", "--build", folder)
    return folder


def same(emulator, other, ranks):
    """Law: to the bit the traces of the program of the project."""
    for topology, job in PAIRS:
        files = TOPOLOGIES / f"{topology}.yaml", JOBS / f"{job}.yaml"
        ours = emulator.trace(*files, "--steps", 1, name="ours")
        for n in ranks:
            theirs = other.trace(*files, "--steps", 1, ranks=n, name="theirs")
            claim(not differences(ours, theirs), f"{job} on {topology}, {n} ranks: {differences(ours, theirs)}")


def mpich(emulator):
    """No more ranks than cores: MPICH waits without sleeping."""
    folder = built(emulator.folder / "build", **MPICH)
    libraries = call("ldd", folder / "colossim")
    claim("mpich" in libraries and "openmpi" not in libraries and "libopen-rte" not in libraries, f"MPICH alone: {libraries}")
    same(emulator, Emulator(MPICH["MPIEXEC_EXECUTABLE"], folder / "colossim", emulator.folder), range(min(os.cpu_count(), 3) + 1))


def debian(emulator):
    """What the package holds works where it is unpacked, and it asks for the libraries that the program needs."""
    folder = built(emulator.folder / "build")
    call("cpack", "-G", "DEB", cwd=folder)
    package, = folder.glob("*.deb")
    needs = call("dpkg-deb", "-f", package, "Depends")
    claim(all(name in needs for name in ("libhdf5-openmpi", "libopenmpi", "libyaml", "openmpi-bin")), f"it needs {needs}")
    root = emulator.folder / "root"
    call("dpkg-deb", "-x", package, root)
    call("dpkg", "--simulate", "--install", package)
    environment = {key: value for key, value in emulator.environment.items() if key != "COLOSSIM_SHARE"}
    text = call(root / "usr/bin/colossim", "run", "laptop-16", "ddp-small", "--steps", 1, "--output", "none", cwd="/", env=environment)
    claim("ddp-small on laptop-16" in text, f"it runs: {text}")
    same(emulator, Emulator(emulator.mpiexec, root / "usr/bin/colossim", emulator.folder), (0, 2))


run_case(mpich, debian)
