#!/usr/bin/python3
"""words.py MPIEXEC COLOSSIM CASE: what pages name exists, also where it is not run.

Laws. `named`: each command of a block, run or not, is right as bash; options are in the help of their program, keys after --set
are keys, files named are there; and so between back quotes in running text, where tests are named, too, or chosen by `ctest -R`.
`links`: each leads to a file or heading. `judge`: what compares and reads these pages sees a wrong one. `marked`: no command stands outside of a block that is tried, and who is not run says why.
"""

import os
import pathlib
import re
import shlex
import subprocess
import sys
import tempfile

from key_tables import every_key
from markdown import ROOT, TRIED, all_pages, anchors, blocks, exchanges, fits, links, spans, without_blocks

FOLDERS = r"(?:topologies|jobs|scripts|src|tests|output)"
# Of other projects, called as ours might be.
FOREIGN = {"src/graph/tuning.cc"}
# The option before them says that they are written.
WRITTEN = {"-o", "--output", "--perfetto", "--csv", "--parquet", ">", "--join", "--cables"}


class Known:
    """What programs say of themselves, asked once each."""

    def __init__(self, colossim):
        self.colossim, self.said = colossim, {}
        self.keys = [re.sub(r"\\\[\\\]", r"[.][^.]+", re.escape(key)) for key in every_key(colossim)]

    def help(self, *command):
        if command not in self.said:
            done = subprocess.run([*command, "--help"], capture_output=True, text=True)
            self.said[command] = done.stdout if done.returncode == 0 else ""
        return self.said[command]

    def options(self, words):
        """Options that the program of a command has; None: it is no program of ours."""
        name = words[0]
        if name.startswith("scripts/") or name == "colossim" and len(words) > 1 and (ROOT / "scripts" / words[1]).is_file():
            script = ROOT / "scripts" / (words[1] if name == "colossim" else name.removeprefix("scripts/"))
            if not (script.is_file() and os.access(script, os.X_OK)):
                return None
            return set(re.findall(r"(?<![\w-])--?[a-zA-Z][\w-]*", self.help(str(script))))
        if name == "colossim" or name.endswith("/colossim"):
            return set(re.findall(r"(?<![\w-])--?[a-zA-Z][\w-]*", self.help(self.colossim)))
        return None

    def is_key(self, setting):
        key = re.sub(r"^(topology|job)[.]", "", setting.partition("=")[0])
        return any(re.fullmatch(pattern, key) for pattern in self.keys)


def commands(text):
    """Words of each simple command of a piece of bash, comments left out."""
    text = re.sub(r"<<'?(\w+)'?\n.*?\n\1(\n|$)", "\n", text.replace("\\\n", " "), flags=re.S)
    lexer = shlex.shlex(re.sub(r"(^|\s)#[^\n]*", r"\1", text), posix=True, punctuation_chars=";|&()<>\n")
    lexer.whitespace, lexer.whitespace_split, lexer.commenters = " \t", True, ""
    found = [[]]
    for word in lexer:
        if set(word) <= set(";|&()\n"):
            found.append([])
        else:
            found[-1].append(word)
    return [words for words in map(strip_front, found) if words]


def strip_front(words):
    """Without what stands before the program: loops, variables, mpirun."""
    while words and (words[0] in ("do", "then", "nice", "time") or re.match(r"\w+=", words[0])):
        words = words[1:]
    if words and words[0] in ("mpirun", "mpiexec", "srun"):
        words = next((words[i:] for i in range(len(words)) if words[i].endswith("colossim")), words)
    return words


def check_command(known, words, place, made):
    """Complaints about one command; files that it writes are added to `made`."""
    wrong = []
    options = known.options(words) if any(word.startswith("-") for word in words) else None
    for before, word in zip(words, words[1:]):
        if before in WRITTEN:
            made.add(word)
        if options is not None and re.match(r"--?[a-zA-Z]", word) and word.partition("=")[0] not in options | {"--help", "-h"}:
            wrong.append(f"{place}: {words[0]} has no option {word}")
        if options is not None and before == "--set" and "=" in word and not known.is_key(word):
            wrong.append(f"{place}: {word} sets no key")
    for word in words:
        if is_path(word) and word not in made and not exists(word, place):
            wrong.append(f"{place}: there is no {word}")
    return wrong


def is_path(word):
    return re.fullmatch(FOLDERS + r"/[\w./+-]+", word) and not re.search(r"NAME|FILE|TOPOLOGY|JOB|MODEL|CASE|SCRIPT", word)


def exists(word, place):
    folder = (ROOT / str(place).split(":")[0]).parent
    return word in FOREIGN or (ROOT / word).exists() or (folder / word).exists()


def text_of(block):
    return "\n".join(command for command, _ in exchanges(block)) if block.language == "console" else block.text


def wrong_blocks(known, page, made):
    wrong = []
    for block in blocks(page):
        made.add(block.marks.get("file"))
        if block.language not in ("sh", "console"):
            continue
        parsed = subprocess.run(["bash", "-n"], input=text_of(block), capture_output=True, text=True)
        if parsed.returncode != 0:
            wrong.append(f"{block.place}: {parsed.stderr}")
        for words in commands(text_of(block)):
            wrong += check_command(known, words, block.place, made)
    return wrong


def names_of_tests(colossim):
    listed = subprocess.run(["ctest", "--show-only", "--test-dir", pathlib.Path(colossim).resolve().parent],
                            capture_output=True, text=True, check=True).stdout
    names = re.findall(r"#\d+: (\S+)", listed)
    if len(names) < 20:
        sys.exit(f"FAILED: CTest lists the tests: {listed[-500:]}")
    return names


def wrong_span(known, tests, code, place, made):
    if chosen := re.search(r"ctest .*-R (\S+)", code):
        pattern = chosen.group(1).strip("\"'").replace("\\|", "|")
        return [] if any(re.search(pattern, name) for name in tests) else [f"{place}: no test is chosen by {code}"]
    if re.fullmatch(r"(?:unit|mpi|system|check)\.[\w.-]+(?<!\.[ch])", code):
        return [] if any(name == code or name.startswith(code + ".") for name in tests) else [f"{place}: there is no test {code}"]
    if re.match(r"(build/)?colossim |scripts/\w+", code):
        try:
            spoken = commands(code)
        except ValueError:  # part of a command
            return []
        return [complaint for words in spoken for complaint in check_command(known, words, place, made | set(words[1:]))]
    return [f"{place}: there is no {code}"] if is_path(code) and code not in made and not exists(code, place) else []


def case_named(colossim):
    known, tests, wrong, number = Known(colossim), names_of_tests(colossim), [], 0
    for page in all_pages():
        made = set()
        wrong += wrong_blocks(known, page, made)
        for line, code in spans(page):
            wrong += wrong_span(known, tests, code, f"{page}:{line + 1}", made)
            number += 1
    return number, wrong


def case_links(_):
    wrong, number = [], 0
    for page in all_pages():
        for line, target in links(page):
            number += 1
            path, _, anchor = target.partition("#")
            if re.match(r"[a-z]+:", target):
                continue
            file = (ROOT / page).parent / path if path else ROOT / page
            if not file.exists():
                wrong.append(f"{page}:{line + 1}: {target} leads to no file")
            elif anchor and anchor not in anchors(file.resolve().relative_to(ROOT)):
                wrong.append(f"{page}:{line + 1}: {target} leads to no heading")
    return number, wrong


def case_marked(_):
    wrong, number = [], 0
    command = re.compile(r"^(\$ |(build/)?colossim [a-z]|scripts/\w+ )")
    for page in all_pages():
        for i, line in enumerate(without_blocks(page).splitlines()):
            if line.startswith("    ") and command.match(line.strip()):
                wrong.append(f"{page}:{i + 1}: a command outside of a block: {line.strip()}")
        for block in blocks(page):
            number += 1
            if block.language not in TRIED and "file" not in block.marks and any(map(command.match, block.text.splitlines())):
                wrong.append(f"{block.place}: commands in a block that is not tried ({', '.join(TRIED)})")
            if block.run not in (None, "yes", "slow") and not re.fullmatch(r"no, .{8,}", block.marks["run"]):
                wrong.append(f"{block.place}: run: {block.marks['run']}; known are slow, and no with a reason")
    return number, wrong


def case_judge(_):
    """What is shown stands for what was printed only where it says the same."""
    told = (("a 1.5 s", ["a 1.5 s"], True), ("a 1.5 s", ["a 1.6 s"], False), ("a 1.5 s", ["a 1x5 s"], False), ("a", ["a", "b"], False),
            ("a\n...", ["a", "b", "c"], True), ("...\nc", ["a", "b", "c"], True), ("...\nc", ["a", "b"], False), ("a\n...\nc", ["a", "c"], True),
            ("took ... s", ["took 0.3 s"], True), ("took ... s", ["took 0.3 ms"], False), ("", ["a"], False), ("", [], True))
    wrong = [f"{shown!r} {'stands' if stands else 'does not stand'} for {printed}" for shown, printed, stands in told
             if fits(shown.split("\n") if shown else [], printed) != stands]
    asked = commands("mpirun -n 2 build/colossim run 'a b' --set x='{1,\n 2}' | tee y; for i in 1; do scripts/plot y.h5; done # colossim z")
    wanted = [["build/colossim", "run", "a b", "--set", "x={1,\n 2}"], ["tee", "y"], ["for", "i", "in", "1"], ["scripts/plot", "y.h5"], ["done"]]
    return len(told), wrong + ([] if asked == wanted else [f"commands are {asked}"])


def main():
    colossim, case = sys.argv[2:4]
    with tempfile.TemporaryDirectory() as folder:
        os.environ["COLOSSIM_BUILD"] = f"{folder}/none"
        number, wrong = globals()[f"case_{case}"](colossim)
    if wrong or not number:
        sys.exit("FAILED:\n" + "\n".join(wrong))
    print(f"{case}: {number} are right")


main()
