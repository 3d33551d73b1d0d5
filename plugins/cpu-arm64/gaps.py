#!/usr/bin/env python3
"""Lists what cpu-arm64 knows and does not model, as rows of pb_gap.

usage: gaps.py MISSING.CSV SYSREGS.DEF

MISSING.CSV is what `decodegen.py --rows missing` prints.
"""

import csv
import re
import sys

ROW = re.compile(r"^(?:STORED|COMPUTED)\((\w+),(.*?)\)$", re.DOTALL | re.MULTILINE)
DOC = re.compile(r'\.doc =\s*"([^"]*)"')


def row(name, group, doc):
    quoted = (text.replace("\\", "\\\\").replace('"', '\\"') for text in (name, group, doc))
    return '{{ "{}", "{}", "{}" }},'.format(*quoted)


def main():
    missing, sysregs = sys.argv[1:]
    with open(missing, encoding="utf-8", newline="") as file:
        for entry in csv.DictReader(file):
            print(row(entry["title"], "instruction", entry["needs"] or entry["section"]))
    with open(sysregs, encoding="utf-8") as file:
        for name, rest in ROW.findall(file.read()):
            if "ROW_UNMODELLED" in rest:
                doc = DOC.search(rest)
                print(row(name, "register", doc.group(1) if doc else ""))


if __name__ == "__main__":
    main()
