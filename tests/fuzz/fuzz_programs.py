#!/usr/bin/env python3
"""Random A64 code in user mode: executed by qemu-aarch64 and by patchbay, and the whole state compared.

usage: fuzz_programs.py SEQUENCES PATCHBAY [--seed N] [--sequences N] [--accel SPEC ...] [--qemu QEMU]

    SEQUENCES       the program a64-sequences of the build
    --seed N        number of the first sequence (1)
    --sequences N   how many (1000)
    --accel SPEC    accelerator with settings; may be repeated (jit, jit with regions, interp)
    --qemu QEMU     the other implementation (qemu-aarch64, qemu-aarch64-static)

Each sequence is some 40 instructions, executed three times with other operands. What differs is made as small as it goes by
NOPs, and shown. Needs aarch64-linux-gnu-gcc and objdump. What a sequence may contain, so that all that is left is to be equal:
a64_random.h; what runner.c makes equal: its head.
"""

import argparse
import difflib
import os
import pathlib
import shutil
import struct
import subprocess
import sys
import tempfile

HERE = pathlib.Path(__file__).resolve().parent
CROSS = "aarch64-linux-gnu-"
CPU = "max,sve=off,sme=off"
HEAD, MOST_WORDS, OPERANDS, RUNS = struct.Struct("<4Q"), 128, (31 + 5 + 64) * 8, 3     # programs.h
GROUPS = HEAD.size + 4 * MOST_WORDS
SIZE = GROUPS + MOST_WORDS + RUNS * OPERANDS
NOP = 0xd503201f
BATCH = 2000
SKIPPED = 77    # meson's
MOST_TOLD, MOST_LINES = 5, 40       # of a batch; of a sequence
SLOW = 600      # seconds of the clock for a batch on a busy machine; a batch takes some five


class Side:
    """Somebody who executes the runner."""

    def __init__(self, name, command):
        self.name, self.command = name, command

    def run(self, sequences, *options, seconds=SLOW):
        try:
            done = subprocess.run([*self.command, *options], input=sequences, stdout=subprocess.PIPE,
                                  stderr=subprocess.PIPE, timeout=seconds, check=False)
        except subprocess.TimeoutExpired:
            return ["not finished"]
        lines = done.stdout.decode().splitlines()
        if done.returncode or done.stderr:
            lines.append(f"{self.name} ended with {done.returncode}: {done.stderr.decode().strip()[:300]}")
        return lines


def split(sequences):
    return [sequences[i:i + SIZE] for i in range(0, len(sequences), SIZE)]


def words_of(sequence):
    n = HEAD.unpack_from(sequence)[3]
    return list(struct.unpack_from(f"<{n}I", sequence, HEAD.size))


def with_words(sequence, words):
    return sequence[:HEAD.size] + struct.pack(f"<{len(words)}I", *words) + sequence[HEAD.size + 4 * len(words):]


def differs(a, b, sequence):
    return a.run(sequence, seconds=20) != b.run(sequence, seconds=20)


def shrink(a, b, sequence):
    """NOPs for what does not matter, groups as a whole. The last word is the end."""
    words = words_of(sequence)
    groups = sequence[GROUPS:GROUPS + len(words)]
    piece = len(words) // 2
    while piece:
        smaller = False
        for at in range(0, len(words) - 1, piece):
            gone = set(range(at, min(at + piece, len(words) - 1)))
            gone |= {i for i, group in enumerate(groups) if group and group in {groups[k] for k in gone}}
            less = [NOP if i in gone else word for i, word in enumerate(words)]
            if less != words and differs(a, b, with_words(sequence, less)):
                words, smaller = less, True
        if not (piece == 1 and smaller):
            piece //= 2
    return with_words(sequence, words)


def listing(sequence, folder):
    number, start, _, _ = HEAD.unpack_from(sequence)
    path = os.path.join(folder, f"{number}.bin")
    words = words_of(sequence)
    pathlib.Path(path).write_bytes(struct.pack(f"<{len(words)}I", *words))
    shown = subprocess.run([CROSS + "objdump", "-D", "-b", "binary", "-m", "aarch64", f"--adjust-vma={start:#x}", path],
                           stdout=subprocess.PIPE, check=True).stdout.decode().splitlines()
    return "\n".join(line for line in shown if ":\t" in line and "\tnop" not in line)


def tell(a, b, sequence, folder):
    small = shrink(a, b, sequence)
    print(f"sequence {HEAD.unpack_from(sequence)[0]} differs\n{listing(small, folder)}")
    one, other = a.run(small, "--show"), b.run(small, "--show")
    lines = [line.replace("\n", "") for line in difflib.unified_diff(one, other, a.name, b.name, n=0)]
    print("\n".join(lines[:MOST_LINES] + ["  ..."] * (len(lines) > MOST_LINES)))
    sys.stdout.flush()


def compare(a, b, sequences, folder):
    """How many differ."""
    one, other = a.run(sequences), b.run(sequences)
    if one == other and len(one) == len(sequences) // SIZE:
        return 0
    failed = 0
    for sequence in split(sequences):
        if differs(a, b, sequence):
            failed += 1
            if failed <= MOST_TOLD:
                tell(a, b, sequence, folder)
    if not failed:
        print(f"sequences {HEAD.unpack_from(sequences)[0]} and following differ together, but none alone: "
              f"{one[-1:]} / {other[-1:]}")
    return max(failed, 1)


def build_runner(folder):
    runner = os.path.join(folder, "runner")
    subprocess.run([CROSS + "gcc", "-std=c11", "-D_GNU_SOURCE", "-O2", "-Wall", "-Wextra", "-Werror", "-static",
                    str(HERE / "runner.c"), "-o", runner], check=True)
    return runner


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("make")
    parser.add_argument("patchbay")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--sequences", type=int, default=1000)
    parser.add_argument("--accel", action="append")
    parser.add_argument("--qemu", default=shutil.which("qemu-aarch64") or shutil.which("qemu-aarch64-static"))
    options = parser.parse_args()
    for there, what in ((options.qemu, "qemu-aarch64"), (shutil.which(CROSS + "gcc"), CROSS + "gcc")):
        if not there:
            print(f"{what} is not installed")
            return SKIPPED
    accels = options.accel or ["jit", "jit,regions=always", "interp"]
    failed = executed = 0
    with tempfile.TemporaryDirectory() as folder:
        runner = build_runner(folder)
        judge = Side("qemu", [options.qemu, "-cpu", CPU, runner])
        for accel in accels:
            side = Side(accel, [options.patchbay, "user", "--accel", accel, runner])
            for first in range(0, options.sequences, BATCH):
                made = subprocess.run([options.make, "--seed", str(options.seed + first), "--sequences",
                                       str(min(BATCH, options.sequences - first))], stdout=subprocess.PIPE, check=True)
                executed += sum(HEAD.unpack_from(one)[3] for one in split(made.stdout)) * RUNS
                failed += compare(judge, side, made.stdout, folder)
    print(f"{executed} instructions in sequences")
    print(f"{options.sequences * len(accels) - failed} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
