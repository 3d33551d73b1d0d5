#!/usr/bin/env python3
"""gdb on a patchbay that executes translated code: names of units, backtraces through them.

usage: test_gdb.py PATCHBAY [UNITTEST-ARGUMENT...]
"""

import os
import platform
import re
import shutil
import subprocess
import sys
import tempfile
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
import cases  # noqa: E402
import program  # noqa: E402

PATCHBAY = os.path.abspath(sys.argv.pop(1))

# For ever: reads a register of the UART, which is a slow path, then one of the processor, which is a helper.
LOOP = program.mov(1, 0x09000000) + [0xd2800003 | ord("A") << 5, 0xb9000023,  # mov x3, #'A'; str w3, [x1]
                                     0xb9401822,                              # ldr w2, [x1, #0x18]: 0x40080010
                                     0xd53be025,                              # mrs x5, cntpct_el0
                                     0x17fffffe]                              # b back
# The first unit goes on to the jump; from there on the second one repeats itself.
FIRST, SECOND = "0x40080000 el1h", "0x40080010 el1h"


@unittest.skipUnless(shutil.which("gdb"), "there is no gdb")
@unittest.skipUnless(platform.machine() == "x86_64", "there is no code generator for this host")
class Gdb(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        kernel = os.path.join(folder.name, "kernel")
        with open(kernel, "wb") as file:
            file.write(program.elf(LOOP))
        self.guest = [PATCHBAY, "run", "arm-virt", "--kernel", kernel, "--gdb-jit", "--accel", "jit,regions=off"]

    def gdb(self, arguments, commands):
        """Its output; without rights to trace there is nothing to test."""
        words = ["gdb", "-nx", "-batch", "-iex", "set auto-load no", "-iex", "set debuginfod enabled off"]
        for command in ("set breakpoint pending on", "handle SIGUSR1 SIGUSR2 nostop noprint"):
            words += ["-ex", command]
        for command in commands:
            words += ["-ex", command]
        done = subprocess.run(words + arguments, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, timeout=240)
        text = done.stdout.decode(errors="replace")
        if re.search(r"ptrace: Operation not permitted|Could not trace the inferior", text):
            self.skipTest("processes cannot be traced here")
        return text

    def check_backtrace(self, text, function, unit):
        """One below the other: the function, a thunk, the unit, and the generator's, the accelerator's and the core's
        functions that run it, down to where threads begin."""
        start = text.index(f" {function} (")
        frames = re.findall(r"(?m)^#\d+ +(?:0x[0-9a-f]+ in )?(.*?) \(", text[start - 4:])
        while frames and frames[0] != "thunks":
            frames.pop(0)
        self.assertTrue(len(frames) > 2 and frames[1].startswith(unit), text)
        self.assertEqual(frames[2], "run", text)
        self.assertTrue(any(re.match("(__)?clone", frame) for frame in frames), text)

    def test_from_the_begin(self):
        """A debugger that was there first learns of units as they come."""
        text = self.gdb(["--args", *self.guest],
                        ["break helper_mrs", "run", "bt", "break slow_path", "continue", "bt", "info symbol $pc",
                         "up 2", "info symbol $pc", "kill"])
        self.check_backtrace(text, "helper_mrs", FIRST)
        self.check_backtrace(text, "slow_path", SECOND)
        self.assertRegex(text, rf"(?m)^{SECOND}\S* \+ \d+ in section \.text")

    def test_attached(self):
        """One that comes later reads the list."""
        with subprocess.Popen(self.guest, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE) as guest:
            self.addCleanup(guest.kill)
            self.assertEqual(guest.stdout.read(1), b"A")
            text = self.gdb(["-p", str(guest.pid)], ["break slow_path", "continue", "bt", "kill"])
            guest.kill()
        self.check_backtrace(text, "slow_path", SECOND)


if __name__ == "__main__":
    cases.main()
