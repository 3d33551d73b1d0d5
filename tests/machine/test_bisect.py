#!/usr/bin/env python3
"""tools/bisect and what it needs: code that is compiled wrongly on purpose is found.

usage: test_bisect.py PATCHBAY [UNITTEST-ARGUMENT...]
"""

import os
import pathlib
import platform
import re
import shlex
import subprocess
import sys
import tempfile
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
import cases  # noqa: E402
import program  # noqa: E402

PATCHBAY = os.path.abspath(sys.argv.pop(1))
BISECT = pathlib.Path(__file__).resolve().parents[2] / "tools" / "bisect"

# A chain of functions: each adds to x5 and goes on in the next one by an indirect jump, so that each is a unit.
FUNCTIONS = 24
FIRST = program.START + 12


def function(i):
    return FIRST + 16 * i


def guest():
    words = program.mov(6, FIRST) + [0xd2800005]                 # mov x5, #0
    for _ in range(FUNCTIONS):
        words += [0x910040c6,                                    # add x6, x6, #16
                  0x910004a5, 0xd503201f, 0xd61f00c0]            # add x5, x5, #1; nop; br x6
    # cmp x5, #FUNCTIONS; b.eq to where it powers off; else it resets, which is a failure with --no-reboot
    good = program.prints("right")
    return words + [0xf10000bf | FUNCTIONS << 10, 0x54000000 | (len(program.prints("wrong")) + 1) << 5] + \
        program.prints("wrong") + good


def loop():
    """Counts to three, by ones."""
    return [0xd2800005, 0xd2800062,                              # mov x5, #0; mov x2, #3
            0x910004a5, 0xf1000442, 0x54ffffc1,                  # add x5, x5, #1; subs x2, x2, #1; b.ne to the add
            0xf1000cbf, 0x54000000 | (len(program.prints("wrong")) + 1) << 5] + \
        program.prints("wrong") + program.prints("right")


@unittest.skipUnless(platform.machine() == "x86_64", "there is no code generator for this host")
class Bisect(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.kernel = os.path.join(folder.name, "kernel")
        with open(self.kernel, "wb") as file:
            file.write(program.elf(guest()))

    def run_tool(self, words, consent=True):
        environment = dict(os.environ)
        if consent:
            environment["PATCHBAY_WRONG_CODE"] = "yes"
        else:
            environment.pop("PATCHBAY_WRONG_CODE", None)
        done = subprocess.run([str(word) for word in words], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                              stderr=subprocess.PIPE, env=environment, timeout=300)
        return done.returncode, done.stdout.decode(), done.stderr.decode()

    def patchbay(self, *words, **options):
        return self.run_tool([PATCHBAY, "run", "arm-virt", "--kernel", self.kernel, *words], **options)

    def bisect(self, options, *words):
        return self.run_tool([sys.executable, BISECT, *options, "--", PATCHBAY, "run", "arm-virt", "--kernel",
                              self.kernel, *words])

    def check_found(self, result, unit, passes=""):
        status, out, err = result
        self.assertEqual(status, 0, out + err)
        self.assertRegex(out, rf"it fails if only the code at {unit:#x} is compiled\n")
        self.assertRegex(out, rf"(?m)^code cpu0 {unit:#x} ")
        self.assertEqual(len(re.findall(r"(?m)^code cpu0 ", out)), 1, out)
        self.assertRegex(out, r"(?m)^0x[0-9a-f]{16}:  a5040091  add x5, x5, #1$")
        self.assertRegex(out, r"(?m)^  ; %\d+:i64 = add ")
        self.assertRegex(out, r"(?m)^    0x[0-9a-f]{16}:  [0-9a-f]+  lea ")
        self.assertEqual(re.findall(r"(?m)^(?:it is good without: (.*)|no pass is to blame: .*)$", out), [passes], out)

    def test_only(self):
        """What is left out is interpreted, the rest compiled: the result is the same."""
        for only, units in (("0", 0), (f"{function(3):#x}", 1), (f"{function(0):#x}-{function(5):#x}", 6),
                            (f"{function(1):#x}+{function(4):#x}-{function(6):#x}", 4)):
            for more in [], ["--deterministic"]:
                for regions in "off", "always":
                    status, out, err = self.patchbay("--accel", f"jit,regions={regions},only={only}", "--statistics", *more)
                    self.assertEqual((status, out), (0, "right"), err)
                    made = sum(int(n) for n in re.findall(r"(?m)^(?:units translated|regions published): (\d+)$", err))
                    self.assertEqual(made, units, err)
        for only in "x", "1-", "1+", "+1", "2-1", "1,,", "0x", "1 2":
            status, _, err = self.patchbay("--accel", f"jit,only={only}")
            self.assertEqual(status, 2, only + err)

    def test_consent(self):
        """Nobody gets wrong code by accident."""
        accel = f"jit,codegen-options=inject={function(7) + 4:#x}"
        status, _, err = self.patchbay("--accel", accel, consent=False)
        self.assertIn("inject makes wrong code, for tests", err)
        self.assertEqual(status, 2)
        status, out, err = self.patchbay("--accel", accel)
        self.assertEqual(out, "wrong")
        self.assertIn("warning: wrong code is made for the instruction", err)
        status, out, err = self.patchbay("--accel", "jit")
        self.assertEqual((status, out, err), (0, "right", ""))

    def test_by_output(self):
        for i in 1, 11, FUNCTIONS - 1:
            accel = f"jit,codegen-options=inject={function(i) + 4:#x}"
            self.check_found(self.bisect(["--output", "right"], "--accel", accel), function(i))

    def test_by_lockstep(self):
        pair = f"interp,jit,regions=off,codegen-options=inject={function(17) + 4:#x}"
        self.check_found(self.bisect([], "--lockstep", pair), function(17))

    def test_by_pass(self):
        """What is wrong only with a pass is found to be that one's, beside other properties of the generator."""
        for i, condition, found in (2, "places", "places"), (5, "all", "all of them together"):
            accel = f"jit,regions=off,codegen-options=pinned=4:inject={function(i) + 4:#x}@{condition}"
            self.check_found(self.bisect(["--output", "right"], "--accel", accel), function(i), found)
        with open(self.kernel, "wb") as file:
            file.write(program.elf(loop()))
        accel = f"jit,regions=always,codegen-options=inject={program.START + 8:#x}@regions"
        status, out, err = self.bisect(["--output", "right"], "--accel", accel)
        self.assertEqual(status, 0, out + err)
        self.assertIn("it is good without: regions\n", out)

    def test_any_command(self):
        """A script that compares what the guest wrote; the status of what it starts says nothing."""
        folder = os.path.dirname(self.kernel)
        script = os.path.join(folder, "check")
        with open(script, "w", encoding="utf-8") as file:
            file.write("#!/bin/sh\n\"$@\" --serial \"file,path=$0.out\"\ntest \"$(cat \"$0.out\")\" = right\n")
        os.chmod(script, 0o755)
        accel = f"{{jit}},regions=off,codegen-options=inject={function(13) + 4:#x}"
        start = [PATCHBAY, "run", "arm-virt", "--kernel", self.kernel]
        run = [sys.executable, BISECT]
        self.check_found(self.run_tool([*run, "--", script, *start, "--accel", accel, "{options}"]), function(13))
        line = shlex.join([script, *start]) + f" --accel {accel} {{options}} || exit 5"
        self.check_found(self.run_tool([*run, "--", "sh", "-c", line]), function(13))
        status, out, err = self.run_tool([*run, "--at", f"{function(13):#x}", "--", "sh", "-c", line])
        self.check_found((status, out, err), function(13))
        self.assertIn("found after 2 runs", out)
        for at, words, why in (([], ["sh", "-c", line.replace("{options}", "")], "has {jit}, but not {options}"),
                               (["--at", f"{function(12):#x}"], ["sh", "-c", line], "it does not fail if only the code at")):
            status, _, err = self.run_tool([*run, *at, "--", *words])
            self.assertEqual(status, 1)
            self.assertIn(why, err)

    def test_passes_are_known(self):
        """The tool's list is the generator's."""
        source = BISECT.read_text(encoding="utf-8")
        names = re.findall(r'"(\w+)"', re.search(r"(?m)^PASSES = \((.*)\)$", source)[1])
        status, _, err = self.patchbay("--accel", "jit,codegen-options=without=spam")
        self.assertEqual(status, 2)
        self.assertIn("there are " + ", ".join(names + ["all"]), err)
        for name in names + ["all", "+".join(names)]:
            self.assertEqual(self.patchbay("--accel", "jit,codegen-options=without=" + name), (0, "right", ""))

    def test_never_ends(self):
        """The address of the next function is wrong, which is an exception, for ever."""
        accel = f"jit,codegen-options=inject={function(5):#x}"
        status, out, err = self.bisect(["--output", "right"], "--deterministic", "--stop-at", "10000", "--accel", accel)
        self.assertEqual(status, 0, out + err)
        self.assertIn(f"it fails if only the code at {function(5):#x} is compiled", out)

    def test_nothing(self):
        for words, why in ((["--accel", "jit"], "the command does not fail"),
                           (["--accel", "interp"], "the last accelerator is to be jit"),
                           ([], "the command has neither"),
                           (["--accel", "jit", "--nonsense"], "the command is wrong:\npatchbay: run: Unknown option")):
            status, _, err = self.bisect([], *words)
            self.assertIn(why, err)
            self.assertEqual(status, 1)
        status, _, err = self.bisect(["--output", "nonsense"], "--accel", "jit")
        self.assertIn("the command fails without translated code too", err)


if __name__ == "__main__":
    cases.main()
