#!/usr/bin/env python3
"""Semihosting, of machines and of programs: what it does, and that nothing else can be reached by it.

usage: test_semihosting.py PATCHBAY [UNITTEST-ARGUMENT...]
"""

import os
import pathlib
import shutil
import signal
import subprocess
import sys
import tempfile
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
import cases  # noqa: E402

PATCHBAY = os.path.abspath(sys.argv.pop(1))
SOURCE = pathlib.Path(__file__).resolve().parent / "guest.c"
COMPILER = "aarch64-linux-gnu-gcc"
START = 0x40080000

place = None


def setUpModule():
    global place
    if not shutil.which(COMPILER):
        raise unittest.SkipTest(f"{COMPILER} is not installed")
    place = tempfile.TemporaryDirectory()
    # Memory accesses of bare metal are aligned, and without vector registers, which are off.
    for name, link in ("bare", f"-Wl,-Ttext={START:#x},--build-id=none"), ("program", "-Wl,--build-id=none"):
        subprocess.run([COMPILER, "-O1", "-Wall", "-Werror", "-ffreestanding", "-fno-builtin", "-fno-pie", "-static", "-nostdlib",
                        "-fno-stack-protector", "-mgeneral-regs-only", "-mstrict-align", "-fno-tree-loop-distribute-patterns",
                        link, SOURCE, "-o", os.path.join(place.name, name)], check=True)


def tearDownModule():
    if place:
        place.cleanup()


def ways():
    """Words of the command before and after what `--semihosting` allows."""
    bare, program = (os.path.join(place.name, name) for name in ("bare", "program"))
    for accel in "jit", "interp":
        yield f"machine, {accel}", ["run", "arm-virt", "--serial", "null", "--accel", accel, "--kernel", bare], []
        yield f"program, {accel}", ["user", "--accel", accel], [program]


class Case(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.root = os.path.join(folder.name, "root")

    def make_files(self):
        above = os.path.dirname(self.root)
        shutil.rmtree(self.root, ignore_errors=True)
        os.makedirs(os.path.join(self.root, "folder"))
        for name in os.path.join(above, "secret"), os.path.join(self.root, "mine"):
            with open(name, "w", encoding="utf-8") as file:
                file.write("text")
        for name, to in ("absolute", os.path.join(above, "secret")), ("relative", "../secret"), ("up", "/" + above):
            os.symlink(to, os.path.join(self.root, name))
        os.mkfifo(os.path.join(self.root, "pipe"))

    def command(self, before, after, spec):
        return [PATCHBAY, *before, *([f"--semihosting={spec}"] if spec is not None else []), *after]

    def run_guest(self, command, **options):
        return subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, timeout=120,
                              **({"stdin": subprocess.DEVNULL} | options))

    def everywhere(self, what, out=None, status=0, root=True, kinds="machine program", **options):
        for name, before, after in ways():
            if name.split(",")[0] not in kinds:
                continue
            with self.subTest(way=name):
                self.make_files()
                spec = (f"root={self.root}," if root else "") + f"args=guest {what}"
                done = self.run_guest(self.command(before, after, spec), **options)
                self.assertEqual((done.stdout, done.returncode), (f"guest {what}\n" + ("good\n" if out is None else out), status),
                                 done.stderr)
                with open(os.path.join(os.path.dirname(self.root), "secret"), encoding="utf-8") as file:
                    self.assertEqual(file.read(), "text")
                self.assertEqual(sorted(os.listdir(os.path.dirname(self.root))), ["root", "secret"])
                yield done


class Calls(Case):
    def test_files(self):
        for _ in self.everywhere("files"):
            self.assertEqual(sorted(os.listdir(self.root)), ["absolute", "folder", "large", "mine", "pipe", "relative", "up"])

    def test_descriptors(self):
        for _ in self.everywhere("descriptors", kinds="program"):
            pass

    def test_outside(self):
        for _ in self.everywhere("outside"):
            self.assertIn("written", os.listdir(self.root))

    def test_no_root(self):
        for _ in self.everywhere("none", root=False):
            pass

    def test_console(self):
        for done in self.everywhere("console", out="to the output\nbcd\ngood\n", stdin=None, input="abcd\n"):
            self.assertEqual(done.stderr, "to the errors\n")

    def test_others(self):
        for what in "features", "others":
            for _ in self.everywhere(what):
                pass

    def test_wrong(self):
        for _ in self.everywhere("wrong"):
            pass

    def test_status(self):
        for what, status in ("status", 77), ("error", 1), ("fault", 1):
            for _ in self.everywhere(what, out="", status=status):
                pass

    def test_deterministic(self):
        """The machine's time, so the same in each run."""
        command = [PATCHBAY, "run", "arm-virt", "--serial", "null", "--deterministic", "--kernel", os.path.join(place.name, "bare"),
                   "--state-hash", "1000", "--semihosting", "args=guest others"]
        first, second = (self.run_guest(command) for _ in range(2))
        self.assertEqual(first.returncode, 0, first.stdout)
        self.assertEqual((first.stdout, first.stderr), (second.stdout, second.stderr))


class Ends(Case):
    def test_waiting(self):
        """Waiting for input keeps nobody from ending the run."""
        for name, before, after in ways():
            with self.subTest(way=name):
                process = subprocess.Popen(self.command(before, after, "args=guest waits"), stdin=subprocess.PIPE,
                                           stdout=subprocess.PIPE, text=True)
                self.assertEqual(process.stdout.readline(), "guest waits\n")
                self.assertEqual(process.stdout.readline(), "waiting\n")
                process.send_signal(signal.SIGTERM)
                process.wait(timeout=120)
                process.stdin.close()
                process.stdout.close()
                self.assertIn(process.returncode, (-signal.SIGTERM, 128 + signal.SIGTERM))


class Refused(Case):
    def test_without(self):
        """What is not asked for is not there: the instruction is undefined."""
        for name, before, after in ways():
            if name.startswith("program"):
                with self.subTest(way=name):
                    self.assertEqual(self.run_guest(self.command(before, after, None)).returncode, -signal.SIGILL)

    def test_undefined(self):
        """On a machine it goes to the vector of unknown instructions: there is none here, so the run is stopped."""
        done = self.run_guest([PATCHBAY, "run", "arm-virt", "--serial", "null", "--trace", "arm64.exception", "--stop-at", "500",
                               "--deterministic", "--kernel", os.path.join(place.name, "bare")])
        self.assertRegex(done.stderr, r"EL1 to EL1 vector 0x[02]00 esr 0x2000000 pc 0x4008")
        self.assertEqual(done.stdout, "")

    def test_usage(self):
        for name, before, after in ways():
            for spec, text in ("file=x", "'file=x' is not root=FOLDER or args=TEXT"), ("root=/nowhere", "/nowhere: No such file"):
                with self.subTest(way=name, spec=spec):
                    done = self.run_guest(self.command(before, after, spec))
                    self.assertIn(text, done.stderr)
                    self.assertNotEqual(done.returncode, 0)


if __name__ == "__main__":
    cases.main()
