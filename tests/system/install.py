#!/usr/bin/python3
"""install.py MPIEXEC COLOSSIM BUILD: what `cmake --install` brings works where it was moved, for anybody, from anywhere.

Laws: after the prefix is moved and made read-only, a user without rights, in another folder, without a variable of the
project, gets the trace that the program of the build folder writes, alone and on ranks; scripts run as commands of the
program; the manual page is a manual page; no file of share/ names the prefix or the sources.
"""

import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile

from emulator import ROOT, claim

NOBODY = 65534


def main():
    mpiexec, colossim, build = sys.argv[1:]
    with tempfile.TemporaryDirectory() as folder:
        os.chmod(folder, 0o755)
        folder = pathlib.Path(folder)
        done = subprocess.run(["cmake", "--install", build, "--prefix", folder / "first", "--strip"], capture_output=True, text=True)
        claim(done.returncode == 0, f"cmake --install: {done.stderr}")
        prefix = folder / "moved"
        (folder / "first").rename(prefix)
        # As whole paths: a clone may stand in /colossim, and pages speak of ~/colossim/bin.
        paths = "|".join(map(re.escape, (str(folder / "first"), f"{ROOT}/")))
        named = subprocess.run(["grep", "-rlP", rf"(?<![\w~.-])({paths})", prefix / "share"], capture_output=True, text=True)
        claim(named.returncode in (0, 1), f"grep: {named.stderr}")
        claim(named.stdout == "", f"no file names where it was installed or built: {named.stdout}")
        home = folder / "home"
        home.mkdir()
        subprocess.run(["chmod", "-R", "a-w", prefix], check=True)
        other = {}
        if os.geteuid() == 0:
            os.chown(home, NOBODY, NOBODY)
            other = {"user": NOBODY, "group": NOBODY, "extra_groups": []}
        environment = {key: value for key, value in os.environ.items() if not key.startswith("COLOSSIM_")}
        environment |= {"HOME": str(home), "TMPDIR": str(home), "PATH": f"{prefix}/bin:{os.environ['PATH']}", "MPLCONFIGDIR": str(home)}

        def call(*words, code=0):
            done = subprocess.run(list(map(str, words)), cwd=home, env=environment, capture_output=True, text=True, timeout=170, **other)
            claim(done.returncode == code, f"{words} ends with {code}: {done.returncode} {done.stdout[-800:]}{done.stderr[-1500:]}")
            return done.stdout

        call("colossim", "run", "laptop-16", "ddp-small", "--steps", 1, "--output", "alone.h5")
        call(mpiexec, "-n", 2, "colossim", "run", "laptop-16", "ddp-small", "--steps", 1, "--output", "two.h5")
        subprocess.run([colossim, "run", "laptop-16", "ddp-small", "--steps", "1", "--progress", "none", "--output", home / "built.h5"],
                       check=True, stdout=subprocess.DEVNULL, env={**os.environ, "COLOSSIM_SHARE": str(prefix / "share/colossim")})
        for name in ("two", "built"):
            done = subprocess.run(["h5diff", "--exclude-path", "/run", home / "alone.h5", home / f"{name}.h5"],
                                  capture_output=True, text=True)
            claim(done.returncode == 0, f"alone.h5 is {name}.h5: {done.stdout}{done.stderr}")
        call("colossim", "plot", "alone.h5", "parts", "-o", ".")
        claim((home / "alone-parts.png").stat().st_size > 10000, "plot draws")
        call("colossim", "report", "alone.h5")
        claim("data:image/png" in (home / "alone.html").read_text(), "report has the fabric, which the installed program describes")
        call("colossim", "draw", "laptop-16")
        claim((home / "output/laptop-16-fabric.png").stat().st_size > 10000, "draw writes where it is called, not where it is installed")
        call("colossim", "sweep", "laptop-16.yaml", "ddp-small.yaml", "--set", "seed=1", "--output", "s", code=2)
        machine, job = prefix / "share/colossim/topologies/laptop-16.yaml", prefix / "share/colossim/jobs/ddp-small.yaml"
        call("colossim", "sweep", machine, job, "--set", "network.queue_pairs=1,4", "--set", "steps=1", "--output", "s")
        claim((home / "s/sweep.csv").read_text().count("complete") == 2, "sweep plays two")
        claim("COLOSSIM(1)" in call("man", "-P", "cat", "-l", prefix / "share/man/man1/colossim.1") if shutil.which("man") else True,
              "the manual page is one")
        for shell in ("bash-completion/completions/colossim", "zsh/site-functions/_colossim"):
            claim("_colossim" in (prefix / "share" / shell).read_text(), f"completion stands in {shell}")
        for script, words in (("slurm.sbatch", "usage"), ("pbs.sh", "ARGUMENTS")):
            path = prefix / "share/colossim/scripts/cluster" / script
            call("bash", "-n", path)
            said = subprocess.run(["bash", path], capture_output=True, text=True, cwd=home, env=environment)
            claim(said.returncode != 0 and words in said.stderr, f"{script} says what it wants: {said.stderr}")
    print("installed, moved, and used by somebody else")


main()
