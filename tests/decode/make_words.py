#!/usr/bin/env python3
"""Makes a64-words.txt: instruction words around every row of a64.decode, and what objdump calls them.

usage: make_words.py > a64-words.txt

For each row: words of the row with random fields, words that its unless clause takes away, and words in
which one fixed bit is flipped (the row's neighbours). Further, words at random. The seed is fixed.
"""

import os
import random
import re
import subprocess
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
sys.path.insert(0, os.path.join(ROOT, "tools", "decodegen"))
import rows  # noqa: E402

SEED = 0x0487
OF_ROW, RESERVED, OF_NEIGHBOUR, AT_RANDOM = 20, 12, 1, 6000
OBJDUMP = ["aarch64-linux-gnu-objdump", "-D", "-b", "binary", "-m", "aarch64", "-M", "no-aliases"]
LINE = re.compile(r"^\s*[0-9a-f]+:\t([0-9a-f]{8}) \t(\S+)")


def words_of(file):
    """The words to name, sorted, each once."""
    random.seed(SEED)
    found = set()
    for row in file.rows:
        free = ~row.mask & 0xFFFFFFFF
        wanted = {True: OF_ROW, False: RESERVED if row.unless else 0}
        for _ in range(2000):
            word = row.value | random.getrandbits(32) & free
            kind = row.matches(word)
            if wanted[kind]:
                wanted[kind] -= 1
                found.add(word)
            elif not any(wanted.values()):
                break
        for bit in range(32):
            if row.mask >> bit & 1:
                for _ in range(OF_NEIGHBOUR):
                    found.add((row.value ^ 1 << bit) | random.getrandbits(32) & free)
    for _ in range(AT_RANDOM):
        found.add(random.getrandbits(32))
    return sorted(found)


def name(words):
    """objdump's mnemonic of each word, `-` for those that it does not know."""
    with tempfile.NamedTemporaryFile() as binary:
        binary.write(b"".join(word.to_bytes(4, "little") for word in words))
        binary.flush()
        text = subprocess.run(OBJDUMP + [binary.name], stdout=subprocess.PIPE, check=True, text=True)
    found = [LINE.match(line) for line in text.stdout.splitlines()]
    found = [(int(m.group(1), 16), m.group(2)) for m in found if m]
    if [word for word, _ in found] != words:
        sys.exit("objdump's listing is not what was asked for")
    return [(word, "-" if text in (".inst", "udf") else text) for word, text in found]


def main():
    file = rows.File(os.path.join(ROOT, "plugins", "cpu-arm64", "a64.decode"))
    version = subprocess.run([OBJDUMP[0], "--version"], stdout=subprocess.PIPE, check=True, text=True)
    groups = {}
    for word, mnemonic in name(words_of(file)):
        groups.setdefault(mnemonic, []).append(word)
    print("# A64 instruction words by mnemonic; `-` is unallocated. Made by make_words.py with")
    print(f"# {' '.join(OBJDUMP)}, {version.stdout.splitlines()[0]}")
    for mnemonic in sorted(groups):
        words = [f"{word:08x}" for word in groups[mnemonic]]
        for at in range(0, len(words), 10):
            print(mnemonic, *words[at : at + 10])


if __name__ == "__main__":
    main()
