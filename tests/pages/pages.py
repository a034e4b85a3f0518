#!/usr/bin/python3
"""pages.py MPIEXEC COLOSSIM PAGE [all] [--write]: every command of a page does what the page says.

Law: whoever follows the page from top to bottom (markdown.py says how its blocks are marked) meets no command that fails, and
sees what the page shows. `all` runs those marked slow, too. --write puts what was printed into the page, where what it shows has
no `...` and is another.
"""

import base64
import difflib
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile

from markdown import EMPTY_FOLDER, ROOT, blocks, exchanges, fits

PYTHON = """import base64, sys, traceback
names = {}
for line in sys.stdin:
    try:
        exec(compile(base64.b64decode(line), "page", "exec"), names)
        print("done", flush=True)
    except BaseException:
        traceback.print_exc()
        sys.exit(1)
"""


class Reader:
    """Somebody who follows a page in a folder of their own."""

    def __init__(self, page, colossim, folder):
        self.folder = pathlib.Path(folder) / "work"
        self.folder.mkdir()
        self.environment = {key: value for key, value in os.environ.items() if not key.startswith("COLOSSIM_")}
        self.environment |= {"HOME": str(folder), "MPLBACKEND": "Agg", "MPLCONFIGDIR": str(folder)}
        build = pathlib.Path(colossim).resolve().parent
        if EMPTY_FOLDER in (ROOT / page).read_text():
            subprocess.run(["cmake", "--install", build, "--prefix", f"{folder}/installed"], check=True, stdout=subprocess.DEVNULL)
            programs = f"{folder}/installed/bin"
        else:
            self.copy_project(build)
            programs = str(build)
        self.environment["PATH"] = f"{programs}:{os.environ['PATH']}"
        self.session = None

    def copy_project(self, build):
        """What commands may write into is copied, all else is linked."""
        for name in ("topologies", "jobs"):
            shutil.copytree(ROOT / name, self.folder / name)
        (self.folder / "output/figures").mkdir(parents=True)
        for path in ROOT.iterdir():
            if not path.name.startswith((".", "build")) and not (self.folder / path.name).exists():
                (self.folder / path.name).symlink_to(path)
        (self.folder / "build").symlink_to(build)
        self.environment["COLOSSIM_BUILD"] = str(build)

    def bash(self, text):
        return subprocess.run(["bash", "-euo", "pipefail", "-c", text], cwd=self.folder, env=self.environment, text=True,
                              stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)

    def python(self, text):
        """The words of the session on failure, or none."""
        if not self.session:
            self.session = subprocess.Popen(["/usr/bin/python3", "-c", PYTHON], cwd=self.folder, env=self.environment, text=True,
                                            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        self.session.stdin.write(base64.b64encode(text.encode()).decode() + "\n")
        self.session.stdin.flush()
        said = ""
        for line in self.session.stdout:
            if line == "done\n":
                return ""
            said += line
        return said or "it ended"

    def leave(self):
        if self.session:
            self.session.stdin.close()
            self.session.wait()


def fail(block, text):
    sys.exit(f"FAILED: {block.place}: {text}")


def run_console(reader, block):
    """[(shown, printed)] that differ."""
    differing = []
    for command, shown in exchanges(block):
        done = reader.bash(command)
        if done.returncode != int(block.marks.get("exit", 0)):
            fail(block, f"{command}\nends with {done.returncode}:\n{done.stdout[-3000:]}")
        printed = [line.rstrip() for line in done.stdout.strip("\n").splitlines()]
        if not fits(shown, printed):
            differing.append((command, shown, printed))
    return differing


def run(reader, block):
    if "file" in block.marks:
        path = reader.folder / block.marks["file"]
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(block.text + "\n")
    elif block.language == "console":
        return run_console(reader, block)
    elif block.language == "python":
        if said := reader.python(block.text):
            fail(block, said)
    elif block.language == "sh":
        done = reader.bash(block.text)
        if done.returncode != int(block.marks.get("exit", 0)):
            fail(block, f"ends with {done.returncode}:\n{done.stdout[-3000:]}")
    return []


def written(page, differing):
    """What was printed goes into the page; returned is what differs still, because it is shown in part."""
    text, left = (ROOT / page).read_text(), []
    for block, command, shown, printed in differing:
        if any("..." in line for line in shown):
            left.append((block, command, shown, printed))
            continue
        before, after = ("$ " + "\n".join([command, *lines]) + "\n" for lines in (shown, printed))
        text = text.replace(before, after)
    (ROOT / page).write_text(text)
    return left


def main():
    _, colossim, page, *options = sys.argv[1:]
    with tempfile.TemporaryDirectory() as folder:
        reader, differing, tried = Reader(page, colossim, folder), [], 0
        for block in blocks(pathlib.Path(page)):
            if block.run == "yes" or "file" in block.marks or block.run == "slow" and "all" in options:
                differing += [(block, *what) for what in run(reader, block)]
                tried += block.run is not None
        reader.leave()
    if "--write" in options:
        differing = written(page, differing)
    if differing:
        block, command, shown, printed = differing[0]
        fail(block, f"{command}\n" + "\n".join(difflib.unified_diff(shown, printed, "shown", "printed", n=1, lineterm="")))
    print(f"{page}: {tried} blocks do what the page says")


main()
