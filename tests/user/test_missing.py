#!/usr/bin/env python3
"""`patchbay report missing --programs`: what programs asked for and did not get is counted over runs.

usage: test_missing.py PATCHBAY SOURCES [UNITTEST-ARGUMENT...]
"""

import os
import re
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
import cases  # noqa: E402
import programs  # noqa: E402

PATCHBAY, built = programs.arguments()
setUpModule = built.begin


class Missing(programs.Case):
    def setUp(self):
        super().setUp()
        self.file = os.path.join(self.folder, "patchbay", "missing")
        self.environment = dict(os.environ, XDG_STATE_HOME=self.folder)
        self.environment.pop("PATCHBAY_RECORD", None)

    def begin(self, *words, **changes):
        return subprocess.Popen([PATCHBAY, *map(str, words)], env=dict(self.environment, **changes),
                                stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)

    def end(self, process, status=0):
        out, errors = process.communicate(timeout=120)
        self.assertEqual((process.returncode, errors), (status, ""), out)
        return out

    def user(self, *words, status=0, **changes):
        return self.end(self.begin("user", *words, **changes), status)

    def report(self):
        """{(what, program's name): (runs, times)}"""
        out = self.end(self.begin("report", "missing", "--programs"))
        return {(what, os.path.basename(program)): (int(runs), int(times)) for runs, times, what, program in
                re.findall(r"^ *(\d+) +(\d+)  (\S.*?) +(/\S+) \(aarch64\)$", out, re.M)}

    def test_counts(self):
        odd = built.program("odd", "-static")
        once = {("system call io_uring_setup", odd.name): (1, 2), ("system call 4095", odd.name): (1, 1),
                ("ioctl 0x12345678", odd.name): (1, 1)}
        self.user(odd)
        self.assertEqual(self.report(), once)
        self.user(odd)
        self.assertEqual(self.report(), {key: (2, 2 * times) for key, (_, times) in once.items()})

    def test_at_once(self):
        """Processes take turns at the file: children of one program, and several programs."""
        odd, family = built.program("odd", "-static"), built.program("family", "-static")
        for process in [self.begin("user", family, odd) for _ in range(3)]:
            self.end(process)
        self.assertEqual(self.report()[("system call io_uring_setup", odd.name)], (24, 48))

    def test_children(self):
        """What a parent counted is not its children's too."""
        split = built.program("split", "-static")
        self.user(split)
        self.assertEqual(self.report(), {("system call io_uring_setup", split.name): (2, 4)})

    def test_signal(self):
        broken = built.program("broken", "-static")
        self.user(broken, "ill", status=-4)
        self.assertEqual(list(self.report()), [("instruction 0x00000000", broken.name)])

    def test_nothing(self):
        self.user(built.program("broken", "-static"), "well", 0)
        self.assertFalse(os.path.exists(os.path.dirname(self.file)))
        out = self.end(self.begin("report", "missing", "--programs"))
        self.assertRegex(out, "^no program has asked for anything that is not there")

    def test_asked_not_to(self):
        odd = built.program("odd", "-static")
        self.user("--no-record", odd)
        self.user(odd, PATCHBAY_RECORD="no")
        self.user("--no-record", built.program("family", "-static"), odd)
        self.assertFalse(os.path.exists(self.file))

    def test_clear(self):
        self.user(built.program("odd", "-static"))
        self.end(self.begin("report", "missing", "--clear"))
        self.assertEqual(self.report(), {})

    def test_no_place(self):
        """The program does not notice."""
        for place in "/dev/null", "relative", "/proc/self":
            self.user(built.program("odd", "-static"), XDG_STATE_HOME=place)

    def test_file(self):
        """Lines that are none are left out; what a program is called cannot make others."""
        os.makedirs(os.path.dirname(self.file))
        with open(self.file, "w", encoding="utf-8") as file:
            file.write("1\t2\tx\n\n-1\t1\ta\tb\tc\td\n3\t99999999999999999999\ta\tb\tc\td\n"
                       "5\t4\tsystem call\taarch64\tbpf\t/a\\tb\n")
        name = os.path.join(self.folder, "a\tb\nc")
        os.symlink(built.program("odd", "-static"), name)
        self.user("--argv0", "x", name)
        out = self.end(self.begin("report", "missing", "--programs"))
        self.assertEqual(len(out.splitlines()), 5, out)
        self.assertRegex(out, r" 4 +5  system call bpf +/a\\tb \(aarch64\)")

    def test_usage(self):
        process = self.begin("report", "missing", "gic", "--programs")
        self.assertIn("'gic' is not expected", process.communicate(timeout=120)[1])
        self.assertEqual(process.returncode, 2)


if __name__ == "__main__":
    cases.main()
