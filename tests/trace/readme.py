#!/usr/bin/python3
"""readme.py PRINT_SCHEMA README [--write]: the tables of output/README.md are those of schema.h."""

import subprocess
import sys

BEGIN, END = "<!-- schema: printed by tests/trace/print_schema -->\n", "<!-- end of schema -->\n"


def main():
    program, readme = sys.argv[1:3]
    tables = subprocess.run([program], check=True, capture_output=True, text=True).stdout
    with open(readme, encoding="utf-8") as file:
        text = file.read()
    head, _, rest = text.partition(BEGIN)
    old, _, tail = rest.partition(END)
    if "--write" in sys.argv:
        with open(readme, "w", encoding="utf-8") as file:
            file.write(f"{head}{BEGIN}\n{tables}\n{END}{tail}")
    elif old.strip() != tables.strip():
        sys.exit(f"{readme} is not what schema.h says; run: {' '.join(sys.argv)} --write")


main()
