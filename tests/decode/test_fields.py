#!/usr/bin/env python3
"""The generated decoder against rows.py, which reads the same text in another way.

usage: test_fields.py SOURCE.decode PRINTER WORDS

PRINTER is the program that make_printers.py describes, WORDS a file of instruction words as
make_words.py makes it. Function and every argument must be the same for each word.
"""

import os
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../tools/decodegen"))
import rows  # noqa: E402

MAX_REPORTS = 20


def expected(row, members, word):
    """The line that the printer should print."""
    if row is None:
        return "unallocated"
    if row.missing:
        return f"missing {row.function}"
    values = row.values(word)
    return " ".join([row.function] + [f"{name}={values[name]}" for name in members[row.function]])


def main():
    source, printer, path = sys.argv[1:]
    file = rows.File(source)
    members = {name: found[0].members() for name, found in file.functions()}
    with open(path, encoding="utf-8") as lines:
        words = [w for line in lines if line[0] != "#" for w in line.split()[1:]]
    run = subprocess.run([printer], input="\n".join(words), stdout=subprocess.PIPE, check=True, text=True)
    printed = run.stdout.splitlines()
    failed = abs(len(printed) - len(words))
    for text, line in zip(words, printed):
        word = int(text, 16)
        wanted = expected(file.find(word), members, word)
        if line != wanted:
            failed += 1
            if failed <= MAX_REPORTS:
                print(f"{text}: expected {wanted}\n          got      {line}")
    print(f"{len(words) - failed} passed, {failed} failed")
    sys.exit(1 if failed or not words else 0)


if __name__ == "__main__":
    main()
