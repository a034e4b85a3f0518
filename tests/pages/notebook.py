#!/usr/bin/python3
"""notebook.py MPIEXEC COLOSSIM CASE [--write]: output/trace.ipynb does what it shows.

Laws. `valid`: it is a notebook of format 4 (as Debian's python3-nbformat says, where it is installed), its cells have outputs in the order they were run, its code is Python, columns of the trace that
it names are there. `run` (slow): run from top to bottom in an empty folder, each cell prints what stands below it, and draws where a
picture stands. --write with `run` keeps what was printed and drawn.

A cell is run as Jupyter does: `!COMMAND` by the shell, the value of a last expression is an output, and so is each figure that is open.
"""

import ast
import base64
import contextlib
import io
import json
import os
import pathlib
import re
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parents[2]
PAGE = ROOT / "output/trace.ipynb"


def lines(text):
    return text.splitlines(keepends=True)


class Kernel:
    """Names of the cells, and what the last one gave."""

    def __init__(self, environment):
        import matplotlib
        matplotlib.use("Agg")
        import matplotlib.pyplot
        self.pyplot, self.names, self.environment, self.count = matplotlib.pyplot, {}, environment, 0

    def shell(self, command):
        done = subprocess.run(["bash", "-euo", "pipefail", "-c", command], env=self.environment, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        print(done.stdout.strip("\n"))
        if done.returncode != 0:
            raise RuntimeError(f"{command} ends with {done.returncode}")

    def run(self, source):
        """Outputs of a cell, as a notebook keeps them."""
        self.count += 1
        said, value = io.StringIO(), None
        source = re.sub(r"^!(.*(?:\\\n.*)*)", lambda found: f"__shell({found.group(1)!r})", source, flags=re.M)
        tree = ast.parse(source)
        last = tree.body.pop() if tree.body and isinstance(tree.body[-1], ast.Expr) else None
        self.names["__shell"] = self.shell
        with contextlib.redirect_stdout(said):
            exec(compile(tree, f"cell {self.count}", "exec"), self.names)
            if last:
                value = eval(compile(ast.Expression(last.value), f"cell {self.count}", "eval"), self.names)
        outputs = [{"output_type": "stream", "name": "stdout", "text": lines(said.getvalue())}] if said.getvalue() else []
        figures = [self.picture(number) for number in self.pyplot.get_fignums()]
        self.pyplot.close("all")
        if value is not None and not figures:
            outputs.append({"output_type": "execute_result", "execution_count": self.count, "metadata": {}, "data": {"text/plain": lines(repr(value))}})
        return outputs + figures

    def picture(self, number):
        file = io.BytesIO()
        self.pyplot.figure(number).savefig(file, format="png", dpi=80, bbox_inches="tight", metadata={"Software": None})
        return {"output_type": "display_data", "metadata": {}, "data": {"image/png": base64.b64encode(file.getvalue()).decode() + "\n"}}


def text_of(outputs):
    """What a reader sees in words, and how many pictures."""
    words = ["".join(output.get("text", output.get("data", {}).get("text/plain", ""))) for output in outputs]
    return "\n".join(word.rstrip() for word in words if word), sum("image/png" in output.get("data", {}) for output in outputs)


def case_run(colossim, write):
    page, wrong = json.loads(PAGE.read_text()), []
    folder = pathlib.Path(tempfile.mkdtemp())
    subprocess.run(["cmake", "--install", colossim.parent, "--prefix", folder / "installed"], check=True, stdout=subprocess.DEVNULL)
    environment = {key: value for key, value in os.environ.items() if not key.startswith("COLOSSIM_")}
    (folder / "work").mkdir()
    os.chdir(folder / "work")
    kernel = Kernel(environment | {"PATH": f"{folder}/installed/bin:{environment['PATH']}"})
    for i, cell in enumerate(page["cells"]):
        if cell["cell_type"] != "code":
            continue
        outputs = kernel.run("".join(cell["source"]))
        if text_of(outputs) != text_of(cell["outputs"]):
            wrong.append(f"cell {i} shows\n{text_of(cell['outputs'])}\nbut gives\n{text_of(outputs)}")
        cell["outputs"], cell["execution_count"] = outputs, kernel.count
    if write:
        PAGE.write_text(json.dumps(page, indent=1, ensure_ascii=False) + "\n")
        wrong = []
    return kernel.count, wrong


def case_valid(colossim, _):
    page, wrong = json.loads(PAGE.read_text()), []
    if (page["nbformat"], page["nbformat_minor"] >= 4) != (4, True) or set(page) != {"cells", "metadata", "nbformat", "nbformat_minor"}:
        wrong.append("it is no notebook of format 4")
    columns = set(re.findall(r"^\| `(\w+)` \|", (ROOT / "output/README.md").read_text(), re.M))
    code = [cell for cell in page["cells"] if cell["cell_type"] == "code"]
    for i, cell in enumerate(code):
        source = "".join(cell["source"])
        keys = {"cell_type", "metadata", "source", "outputs", "execution_count"}
        if not keys <= set(cell) <= keys | {"id"} or cell["execution_count"] != i + 1:
            wrong.append(f"cell {i}: {set(cell) ^ keys}, run as {cell['execution_count']}")
        ast.parse(re.sub(r"^!.*(?:\\\n.*)*", "pass", source, flags=re.M))
        for name in re.findall(r"\w+_(?:ps|bytes|W|J|Bps)\b", source):
            if name not in columns and not re.search(rf"\b{name}\s*=(?!=)", "".join("".join(cell["source"]) for cell in code)):
                wrong.append(f"cell {i}: the trace has no {name}")
    if len(code) < 10 or sum(text_of(cell["outputs"])[1] for cell in code) < 4:
        wrong.append("it has few cells or pictures")
    try:
        import nbformat
        nbformat.validate(nbformat.read(PAGE, as_version=4))
    except ImportError:
        pass
    return len(code), wrong


def main():
    colossim, case = pathlib.Path(sys.argv[2]).resolve(), sys.argv[3]
    number, wrong = globals()[f"case_{case}"](colossim, "--write" in sys.argv)
    if wrong:
        sys.exit("FAILED:\n" + "\n".join(wrong))
    print(f"{case}: {number} cells hold")


main()
