#!/usr/bin/env python3
"""Prints a mebibyte of text, always the same, for programs that compress, count and sort: words as languages have them."""

import sys

STATE = [88172645463325252]


def dice(sides):
    x = STATE[0]
    x ^= (x << 13) & 0xffffffffffffffff
    x ^= x >> 7
    x ^= (x << 17) & 0xffffffffffffffff
    STATE[0] = x
    return (x >> 16) % sides


def main():
    syllables = [a + b + c for a in "bdfgklmnprst" for b in "aeiou" for c in ("", "n", "r", "st")]
    words = ["".join(syllables[dice(len(syllables))] for _ in range(1 + dice(3))) for _ in range(4000)]
    lines, size = [], 0
    while size < 1 << 20:
        line = " ".join(words[dice(1 + dice(len(words)))] for _ in range(4 + dice(12))).capitalize() + ".\n"
        lines.append(line)
        size += len(line)
    sys.stdout.write("".join(lines))


if __name__ == "__main__":
    main()
