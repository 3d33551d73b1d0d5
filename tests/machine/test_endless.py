#!/usr/bin/env python3
"""A machine ends while one of its processors is in a loop that never ends, wherever the loop was entered.

usage: test_endless.py PATCHBAY [UNITTEST-ARGUMENT...]

Translated code looks for requests at some of its jumps only. A loop without one would go on for ever behind the end of
the machine, and the test fails when the time is up. How the loop is cut into units depends on its length and on where
it was entered.
"""

import itertools
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
ACCELERATORS = ("jit,regions=off", "jit", "jit,regions=always", "interp")
LENGTHS = (3, 4, 47, 50, 60, 97)
ENTRIES = (0, 1, 2, 5, 13)
FLAG, SECOND = 0x41000000, START + 0x2000


def loops_elsewhere(length, entry):
    """Two processors. The second says that it is there and goes into a loop; the first waits for that and a while, so
    that the parts of the loop are linked, and powers the machine off."""
    words = mov(0, 0xc4000003) + mov(1, 1) + mov(2, SECOND) + mov(3, 0) + [0xd4000002]  # CPU_ON
    words += mov(4, FLAG) + [0xf9400086, 0xb4ffffe6]        # 1: ldr x6, [x4]; cbz x6, 1b
    words += program.spins(0x4000)
    words += [NOP] * ((SECOND - START) // 4 - len(words))
    words += mov(4, FLAG) + [0xd2800034, 0xf9000094]        # mov x20, #1; str x20, [x4]
    words += [0x14000000 | (1 + entry)]                     # b into the loop
    words += [0x910006b5] * (length - 1)                    # add x21, x21, #1
    return words + [0x14000000 | (1 - length) & 0x3ffffff]  # b back


class Endless(unittest.TestCase):
    def check(self, accelerator):
        with tempfile.TemporaryDirectory() as folder:
            kernel = os.path.join(folder, "program")
            for length, entry in itertools.product(LENGTHS, ENTRIES):
                if entry >= length:
                    continue
                with open(kernel, "wb") as file:
                    file.write(program.elf(loops_elsewhere(length, entry)))
                with self.subTest(length=length, entry=entry):
                    done = subprocess.run([PATCHBAY, "run", "arm-virt", "--accel", accelerator, "--kernel", kernel,
                                           "--set", "cpus=2"], stdin=subprocess.DEVNULL, capture_output=True,
                                          timeout=60, check=False)
                    self.assertEqual((done.stdout, done.stderr, done.returncode), (b"done\n", b"", 0))


for accelerator_name in ACCELERATORS:
    setattr(Endless, "test_" + accelerator_name.replace(",", "_").replace("=", "_"),
            lambda self, accelerator=accelerator_name: self.check(accelerator))


if __name__ == "__main__":
    cases.main()
