#!/usr/bin/python3
"""readme_sample.py COLOSSIM SOURCE [--write]: what README.md shows as a first run is what the program prints.

Law: the text between the sample marks, after its command line, equals the standard output of that command, run here;
--write makes it so.
"""

import os
import pathlib
import re
import subprocess
import sys
import tempfile


def main():
    colossim, source = pathlib.Path(sys.argv[1]).resolve(), pathlib.Path(sys.argv[2]).resolve()
    text = (source / "README.md").read_text()
    block = re.search(r"<!-- sample: colossim (.*?) -->\n(.*?)<!-- /sample -->", text, re.S)
    arguments = block.group(1).split()
    shown = [line[4:] for line in block.group(2).strip("\n").split("\n")]
    if shown[0] != "$ build/colossim " + block.group(1):
        sys.exit(f"the command line shown is not the one of the mark: {shown[0]}")
    with tempfile.TemporaryDirectory() as folder:
        for name in ("topologies", "jobs"):
            os.symlink(source / name, pathlib.Path(folder, name))
        os.mkdir(pathlib.Path(folder, "output"))
        run = subprocess.run([colossim, *arguments], cwd=folder, capture_output=True, text=True, check=True)
    printed = [line.rstrip() for line in run.stdout.strip("\n").split("\n")]
    if sys.argv[3:] == ["--write"]:
        lines = [shown[0], *printed]
        sample = "\n".join(f"    {line}".rstrip() for line in lines)
        (source / "README.md").write_text(text.replace(block.group(2), f"\n{sample}\n\n"))
    elif shown[1:] != printed:
        sys.exit("README.md shows\n" + "\n".join(shown[1:]) + "\nbut the program prints\n" + "\n".join(printed))


main()
