#!/usr/bin/env python3
"""Guests that write the code they execute: what was written is executed, in loops too that became one unit.

usage: test_own_code.py PATCHBAY [UNITTEST-ARGUMENT...]

The new code must be seen after cache maintenance (DDI 0487 B2.4.4 "Concurrent modification and execution of
instructions"); a branch and NOP may be exchanged while another processor executes them, which it sees some time. A guest
that goes on with the old code never ends, and the test fails when the time is up.
"""

import os
import subprocess
import sys
import tempfile
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
import cases  # noqa: E402
import program  # noqa: E402
from program import NOP, START, mov  # noqa: E402

PATCHBAY = os.path.abspath(sys.argv.pop(1))
ACCELERATORS = ("jit,regions=always", "jit", "jit,regions=off", "jit,regions=always,codegen-options=baseline=true",
                "jit,mixed-after=1", "jit,regions=always,compare=true",
                "interp")
FLAG, DONE, SECOND = 0x41000000, 0x41000040, START + 0x2000
MAINTAIN = [0xd50b7b22, 0xd5033b9f, 0xd50b7522,   # dc cvau, x2; dsb ish; ic ivau, x2
            0xd5033b9f, 0xd5033fdf]               # dsb ish; isb
# Behind a loop; what is written over the branch back.
LOOPS = {
    "one block": [0x910006b5, 0x17ffffff],                     # add x21, x21, #1; b back
    "a branch inside": [0x910006b5, 0x360000b5, 0x910006b5,    # add; tbz w21, #0, to a nop below; add
                        0x910006b5, 0x910006b5, 0xd503201f,    # add; add; nop
                        0x17fffffa],                           # b back
    "two loops": [0xd2800076, 0xf10006d6, 0x54ffffe1,          # mov x22, #3; subs x22, x22, #1; b.ne to it
                  0x910006b5, 0x17fffffc],                     # add x21, x21, #1; b back to the mov
    "an access": [0xf9400097, 0x8b1702b5, 0x17fffffe],         # ldr x23, [x4]; add x21, x21, x23; b back
}


def written_by_another(loop, rounds=20):
    """Two processors. The second says that it is there and loops; the first writes NOP over the branch back, waits until
    the second says that it is out, and writes the branch again, which the second waits for before it goes on."""
    words = mov(0, 0xc4000003) + mov(1, 1) + mov(2, SECOND) + mov(3, 0) + [0xd4000002]  # CPU_ON
    second = mov(4, FLAG) + mov(5, DONE) + mov(20, 0)
    top = len(second)
    second += [0x91000694, 0xf9000094] + loop       # add x20, x20, #1; str x20, [x4]
    branch = len(second) - 1
    second += [0xf90000b4, 0xf94004a6, 0xeb1400df,  # str x20, [x5]; 1: ldr x6, [x5, #8]; cmp x6, x20
               0x54ffffc1, 0xd5033fdf]              # b.ne 1b; isb
    second += [0x14000000 | (top - len(second)) & 0x3ffffff]
    words += mov(4, FLAG) + mov(5, DONE) + mov(2, SECOND + 4 * branch) + mov(20, 0) + mov(22, rounds)
    words += mov(7, NOP) + mov(8, loop[-1])
    again = len(words)
    words += [0x91000694,                           # add x20, x20, #1
              0xf9400086, 0xeb1400df, 0x54ffffc1,   # 1: ldr x6, [x4]; cmp x6, x20; b.ne 1b
              # a while in which the loop becomes a region
              0xd2880009, 0xf1000529, 0x54ffffe1,   # mov x9, #0x4000; 1: subs x9, x9, #1; b.ne 1b
              0xb9000047] + MAINTAIN                # str w7, [x2]
    words += [0xf94000a6, 0xeb1400df, 0x54ffffc1,   # 1: ldr x6, [x5]; cmp x6, x20; b.ne 1b
              0xb9000048] + MAINTAIN                # str w8, [x2]
    words += [0xf90004b4, 0xeb16029f]               # str x20, [x5, #8]; cmp x20, x22
    words += [0x54000001 | ((again - len(words)) & 0x7ffff) << 5]
    words += program.prints("done\n")
    words += [NOP] * ((SECOND - START) // 4 - len(words))
    return words + second


def writes_its_own_sum(rounds):
    """A loop that writes a constant of its own, larger by one each time, and adds it up: with maintenance, all new."""
    words = mov(20, 0) + mov(6, 0) + mov(22, rounds)
    patch = START + 4 * (len(words) + 2 + 2 + 2 + len(MAINTAIN))
    words += mov(2, patch) + mov(3, 0xd2800005)                  # the word: mov x5, #0
    loop = len(words)
    words += [0x91000694, 0xb9000043] + MAINTAIN                 # add x20, x20, #1; str w3, [x2]
    assert START + 4 * len(words) == patch
    words += [0xd28fffe5, 0x8b0500c6, 0x11008063, 0xeb16029f]    # mov x5, #0x7fff; add x6, x6, x5; add w3, w3, #32; cmp
    words += [0x54000001 | ((loop - len(words)) & 0x7ffff) << 5]  # b.ne
    right = program.prints("right\n")
    words += mov(7, rounds * (rounds - 1) // 2) + [0xeb0700df]   # cmp x6, x7
    return words + [0x54000001 | (len(right) + 1) << 5] + right + program.prints("wrong\n")


def writes_its_own_end():
    """A loop that writes NOP over its branch back, without maintenance: some time it ends."""
    words = mov(20, 0) + mov(7, NOP)
    words += mov(2, START + 4 * (len(words) + 2 + 2))
    words += [0x91000694, 0xb9000047, 0x17fffffe]                # add x20, x20, #1; str w7, [x2]; b back
    return words + program.prints("done\n")


def writes_another_end():
    """The same in two loops, one in the other: the inner one writes the outer one's branch and is left by counting."""
    words = mov(20, 0) + mov(7, NOP)
    words += mov(2, START + 4 * (len(words) + 2 + 4))
    words += [0xd2800076, 0xb9000047, 0xf10006d6, 0x54ffffc1,    # mov x22, #3; str w7, [x2]; subs x22; b.ne to the str
              0x17fffffc]                                        # b back to the mov
    return words + program.prints("done\n")


class OwnCode(unittest.TestCase):
    def run_words(self, words, accelerator, *options):
        with tempfile.TemporaryDirectory() as folder:
            kernel = os.path.join(folder, "program")
            with open(kernel, "wb") as file:
                file.write(program.elf(words))
            done = subprocess.run([PATCHBAY, "run", "arm-virt", "--accel", accelerator, "--kernel", kernel, *options],
                                  stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                                  timeout=100, check=False)
        self.assertEqual(done.stderr.decode(), "")
        return done.stdout.decode()

    def check(self, words, expected, *options, accelerators=ACCELERATORS):
        for accelerator in accelerators:
            with self.subTest(accelerator=accelerator):
                self.assertEqual(self.run_words(words, accelerator, *options), expected)

    def test_another_processor(self):
        for name, loop in LOOPS.items():
            with self.subTest(loop=name):
                self.check(written_by_another(loop), "done\n", "--set", "cpus=2")

    def test_in_turn(self):
        for name, loop in LOOPS.items():
            with self.subTest(loop=name):
                self.check(written_by_another(loop, 3), "done\n", "--set", "cpus=2", "--deterministic",
                           accelerators=("jit,regions=always", "interp"))

    def test_sum(self):
        self.check(writes_its_own_sum(3000), "right\n")
        self.check(writes_its_own_sum(3000), "right\n", "--deterministic")

    def test_own_end(self):
        for words in (writes_its_own_end(), writes_another_end()):
            self.check(words, "done\n")
            self.check(words, "done\n", "--deterministic")


class CanFail(unittest.TestCase):
    def test_nothing_written(self):
        """The sum without the store is another one."""
        words = writes_its_own_sum(3000)
        words[words.index(0xb9000043)] = NOP
        self.assertEqual(OwnCode().run_words(words, "jit,regions=always"), "wrong\n")


if __name__ == "__main__":
    cases.main()
