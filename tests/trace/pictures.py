#!/usr/bin/python3
"""pictures.py MPIEXEC WRITER SCRIPTS: plot and compare draw every kind of file.

Laws: one picture a promise, none empty; a file without committed steps, or that is no trace, is one line on
stderr and exit code 2; a run that is not complete is drawn and says so; equal runs compare as equal.
"""

import pathlib
import subprocess
import sys
import tempfile

import h5py
import matplotlib.image

import trial


def draw(script, *arguments):
    return subprocess.run([script, *map(str, arguments)], capture_output=True, text=True)


def claim_pictures(done, stem, names):
    trial.claim(done.returncode == 0, f"{stem} is drawn: {done.stderr}")
    paths = [pathlib.Path(line) for line in done.stdout.split()]
    trial.claim([path.stem for path in paths] == [f"{stem}-{name}" for name in names],
                f"{stem} gives {names}, got {[path.stem for path in paths]}")
    for path in paths:
        image = matplotlib.image.imread(path)
        trial.claim(image.shape[0] > 300 and image.shape[1] > 1000 and image[..., :3].std() > 0.02, f"{path.name} shows something")


def main():
    mpiexec, writer, scripts = sys.argv[1:]
    plot, compare = f"{scripts}/plot", f"{scripts}/compare"
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        trial.run(mpiexec, 2, writer, folder / "both.h5", "--traffic", "--intervals", 20)
        trial.run(mpiexec, 1, writer, folder / "calm.h5", "--trouble", 0, "--steps", 1)
        trial.run(mpiexec, 1, writer, folder / "flows.h5", "--only-traffic", "--steps", 1)
        links = ["congestion", "utilisation", "hottest"]
        claim_pictures(draw(plot, folder / "both.h5"), "both", ["parts", "waiting", *links, "power", "flows"])
        claim_pictures(draw(plot, folder / "calm.h5", "-o", folder / "new"), "calm", ["parts", "waiting", *links, "power"])
        claim_pictures(draw(plot, folder / "flows.h5"), "flows", [*links, "power", "flows"])

        claim_pictures(draw(plot, folder / "calm.h5", "power"), "calm", ["power"])
        wrong = draw(plot, folder / "both.h5", "flow")
        trial.claim(wrong.returncode == 2 and wrong.stderr.count("\n") == 1 and "flows" in wrong.stderr,
                    f"no such picture: {wrong.stderr}")

        for a, b in (("both", "calm"), ("flows", "flows"), ("flows", "calm")):
            done = draw(compare, folder / f"{a}.h5", folder / f"{b}.h5", "-o", folder / "c.png")
            trial.claim(done.returncode == 0 and (folder / "c.png").exists(), f"{a} and {b} are compared: {done.stderr}")
            if a == b:
                changes = [line.split()[-1] for line in done.stdout.splitlines()[2:-2]]
                trial.claim(set(changes) == {"="}, f"a run equals itself: {changes}")
            (folder / "c.png").unlink()

        with h5py.File(folder / "calm.h5", "r+") as file:
            file["committed_steps"][()] = 0
        for bad in ("calm.h5", "missing.h5"):
            done = draw(plot, folder / bad)
            trial.claim(done.returncode == 2 and done.stderr.count("\n") == 1 and bad in done.stderr,
                        f"{bad} is refused in one line: {done.stderr}")
    print("all pictures are drawn")


main()
