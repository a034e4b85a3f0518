"""markdown.py: what a page holds that can be tried: fenced blocks, spans of code, links.

A block is tried as its fence says:

    ```sh         commands, run by bash; each block must end well
    ```console    `$ COMMAND` and what it prints, errors included. `...` alone on a line stands for any lines, within a line
                  for any text
    ```python     run by Python; blocks of a page follow each other in one session

and as the comments right above it say, one a line:

    <!-- file: NAME -->       the block, in any language, is the file NAME for those that follow
    <!-- run: slow -->        takes long: under the label `slow` alone
    <!-- run: no, REASON -->  cannot be run here: only its words are checked (words.py)
    <!-- exit: 2 -->          the exit code of each of its commands; 0 without it

and `<!-- pages: from an empty folder -->` anywhere on a page starts its reader with an installed program in an empty folder; on
others at the top of the project.
"""

import dataclasses
import pathlib
import re

ROOT = pathlib.Path(__file__).resolve().parents[2]
TRIED = ("sh", "console", "python")
EMPTY_FOLDER = "<!-- pages: from an empty folder -->"


@dataclasses.dataclass
class Block:
    page: pathlib.Path
    first: int  # line of the page on which its text begins, from 0
    language: str
    text: str
    marks: dict

    @property
    def place(self):
        return f"{self.page}:{self.first + 1}"

    @property
    def run(self):
        """`yes`, `slow` or `no`; of what is not tried at all, None."""
        return self.marks.get("run", "yes").split(",")[0] if self.language in TRIED else None


def all_pages():
    return sorted(path.relative_to(ROOT) for folder in (ROOT, *(ROOT / name for name in ("topologies", "jobs", "output", "scripts", "tests", "src")))
                  for path in (folder.glob("*.md") if folder == ROOT else folder.rglob("*.md")))


def blocks(page):
    """All fenced blocks of a page, named from the top of the project."""
    found, lines, at = [], (ROOT / page).read_text().splitlines(), 0
    while at < len(lines):
        opened = re.match(r"(\s*)(```+)(\w*)\s*$", lines[at])
        if not opened:
            at += 1
            continue
        indent, fence, language = opened.groups()
        end = next(i for i in range(at + 1, len(lines)) if lines[i].strip() == fence)
        text = "\n".join(line.removeprefix(indent) for line in lines[at + 1:end])
        found.append(Block(page, at + 1, language, text, marks_above(lines, at)))
        at = end + 1
    return found


def marks_above(lines, at):
    marks = {}
    while at > 0 and (mark := re.fullmatch(r"\s*<!-- (file|run|exit): (.*) -->", lines[at - 1])):
        marks[mark.group(1)] = mark.group(2)
        at -= 1
    return marks


def without_blocks(page):
    """Its text with blocks and comments emptied, line by line."""
    lines = (ROOT / page).read_text().splitlines()
    for block in blocks(page):
        for i in range(block.first - 1, block.first + block.text.count("\n") + 2):
            lines[i] = ""
    return re.sub(r"<!--.*?-->", lambda found: "\n" * found.group().count("\n"), "\n".join(lines), flags=re.S)


def spans(page):
    """(line, code) of every `span` outside of blocks."""
    text = without_blocks(page)
    return [(text.count("\n", 0, found.start()), " ".join(found.group(1).split())) for found in re.finditer(r"(?<!`)`([^`]+)`(?!`)", text)]


def links(page):
    """(line, target) of every link and picture."""
    text = without_blocks(page)
    return [(text.count("\n", 0, found.start()), found.group(1)) for found in re.finditer(r"\]\(([^)\s]+)\)", text)]


def anchors(page):
    """Names that links may lead to, as GitHub makes them of headings."""
    made = set()
    for heading in re.findall(r"^#+ (.*)", without_blocks(page), re.M):
        made.add(re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-"))
    return made


def exchanges(block):
    """[(command, lines shown)] of a console block."""
    found, lines = [], block.text.splitlines()
    for line in lines:
        if line.startswith("$ "):
            found.append([line[2:], []])
        elif found and not found[-1][1] and found[-1][0].endswith("\\"):
            found[-1][0] += "\n" + line
        elif found:
            found[-1][1].append(line)
        else:
            raise SystemExit(f"FAILED: {block.place}: a console block begins with `$ COMMAND`")
    return found


def fits(shown, printed):
    """Does what is shown, with its `...`, stand for what was printed?"""
    while shown and not shown[-1].strip():
        shown = shown[:-1]
    pattern = [r"(?:.*\n)*?" if line.strip() == "..." else ".*".join(map(re.escape, line.rstrip().split("..."))) + r"\n" for line in shown]
    return re.fullmatch("".join(pattern), "".join(line.rstrip() + "\n" for line in printed)) is not None
