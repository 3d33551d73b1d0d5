#!/usr/bin/env python3
"""Programs for another processor: that they do what they do elsewhere, and what is said of those that cannot run.

usage: test_user.py PATCHBAY SOURCES [UNITTEST-ARGUMENT...]
"""

import os
import pathlib
import random
import shutil
import signal
import struct
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
import cases  # noqa: E402
import programs  # noqa: E402

PATCHBAY, built = programs.arguments()
setUpModule = built.begin
WAYS = [["--accel", "interp"], ["--accel", "jit,direct=false"], ["--accel", "jit"],
        ["--accel", "jit,regions=always,compile-threads=0"]]
FAULT_OPTIONS = ["without=all", "pinned=0", "baseline=true"]


class Case(programs.Case):
    def run_user(self, *words, environment=None):
        return self.run_words(PATCHBAY, "user", *words, env=environment)

    def good(self, *words, **options):
        done = self.run_user(*words, **options)
        self.assertEqual((done.returncode, done.stderr), (0, ""), done.stdout)
        return done.stdout


class Programs(Case):
    def clean(self):
        for file in os.listdir(self.folder):
            os.unlink(os.path.join(self.folder, file))

    def everywhere(self, name, *options):
        for way in WAYS:
            with self.subTest(way=way[1]):
                out = self.good(*way, built.program(name, "-static", *options))
                self.assertEqual(out, f"{name}: 0 failed\n")
                self.clean()

    def test_files(self):
        self.everywhere("files")

    def test_memory(self):
        self.everywhere("memory")

    def test_messages(self):
        self.everywhere("messages")

    def test_views(self):
        self.everywhere("views")

    def test_signals(self):
        self.everywhere("signals")

    def test_processes(self):
        self.everywhere("processes")

    def test_share(self):
        self.everywhere("share")

    def test_change(self):
        self.everywhere("change")
        for accelerator in "jit", "jit,regions=off", "jit,regions=always":
            with self.subTest(accelerator=accelerator):
                self.assertEqual(self.good("--accel", accelerator, built.program("change", "-static"), "child"), "change: 0 failed\n")

    def test_faults(self):
        program = built.program("faults", "-static")
        for way in WAYS + [["--accel", "jit,codegen-options=" + options] for options in FAULT_OPTIONS]:
            with self.subTest(way=way[1]):
                # What the core does itself, all without direct memory, finds a cut file late.
                exact = not any(word in way[1] for word in ("interp", "direct=false", "baseline"))
                self.assertEqual(self.good(*way, program, *(["exact"] if exact else [])), "faults: 0 failed\n")
                self.clean()

    def test_nans(self):
        program = built.program("nans", "-static")
        expected = None
        for accelerator in "interp", "jit", *("jit,fp-traps=" + traps for traps in ("off", "always", "always,regions=always")):
            with self.subTest(accelerator=accelerator):
                self.assertEqual(self.good("--accel", accelerator, program), "nans: 0 failed\n")
                # So many that tests take the place of traps, if they may.
                result = self.good("--accel", accelerator, program, "40")
                expected = expected or result
                self.assertEqual(result, expected)

    def test_dynamic(self):
        for name in "files", "memory", "signals", "processes", "share":
            with self.subTest(program=name):
                out = self.good("-L", programs.SYSROOT, built.program(name))
                self.assertEqual(out, f"{name}: 0 failed\n")
                self.clean()


class Paths(Case):
    """Absolute paths below -L, with the links on their way."""
    LINKS = {"folder": "/inner", "inner/absolute": "/inner/file", "inner/relative": "../inner/./file",
             "inner/far-up": "../../../../../inner/file", "inner/loop": "/inner/loop", "inner/to-go": "/inner/file"}

    def test_links(self):
        for way in WAYS:
            root, outside = (os.path.join(self.folder, way[1] + name) for name in ("-root", "-outside"))
            os.makedirs(os.path.join(root, "inner"))
            os.makedirs(outside)
            for folder, text in ((os.path.join(root, "inner"), "inside"), (outside, "outside")):
                with open(os.path.join(folder, "file"), "w", encoding="ascii") as file:
                    file.write(text)
            links = dict(self.LINKS, **{"inner/out": outside + "/file", "inner/out-folder": outside})
            for name, target in links.items():
                os.symlink(target, os.path.join(root, name))
            shutil.copy(built.program("paths", "-static"), os.path.join(root, "inner", "program"))
            for name in "/inner/program", os.path.join(root, "folder/program"):
                with self.subTest(way=way[1], name=name):
                    self.assertEqual(self.good("-L", root, *way, name, outside), "paths: 0 failed\n")
                    os.symlink("/inner/file", os.path.join(root, "inner/to-go"))


    def test_forbidden(self):
        """A root that the program may not look into, from the start or when it is not root any more, has nothing."""
        root = os.path.join(self.folder, "private")
        os.makedirs(os.path.join(root, "inner"))
        pathlib.Path(root, "inner", "file").touch()
        os.chmod(root, 0)
        self.addCleanup(os.chmod, root, 0o700)
        self.assertEqual(self.good("-L", root, built.program("paths", "-static")), "paths: 0 failed\n")


class Threads(Case):
    def everywhere(self, name, *arguments):
        for way in WAYS:
            with self.subTest(way=way[1]):
                out = self.good(*way, built.program(name, "-static"), *arguments)
                self.assertEqual(out, f"{name}: 0 failed\n")
        out = self.good("-L", programs.SYSROOT, built.program(name), *arguments)
        self.assertEqual(out, f"{name}: 0 failed\n")

    def test_threads(self):
        self.everywhere("threads")

    def test_ends(self):
        self.everywhere("ends")

    def test_linux(self):
        """The same programs do the same on Linux itself, as programs of this host."""
        if not shutil.which("gcc"):
            self.skipTest("there is no gcc for this host")
        for name, arguments in ("threads", []), ("ends", ["linux"]), ("share", []):
            with self.subTest(program=name):
                done = self.run_words(built.native(name), *arguments)
                self.assertEqual((done.returncode, done.stdout), (0, f"{name}: 0 failed\n"))

    def test_limits(self):
        """With --strace a child of vfork has memory of its own, and the emulator a pipe to it that the program does not see."""
        for more in [], ["--strace-file", "lines", "--strace-only", "none"]:
            with self.subTest(more=more):
                self.assertEqual(self.good(*more, built.program("limits", "-static")), "limits: 0 failed\n")


class Vdso(Case):
    def test_library(self):
        for way in WAYS:
            with self.subTest(way=way[1]):
                self.assertEqual(self.good("-L", programs.SYSROOT, *way, built.program("vdso", "-rdynamic")),
                                 "vdso: 0 failed\n")

    def test_linux(self):
        if not shutil.which("gcc"):
            self.skipTest("there is no gcc for this host")
        done = self.run_words(built.native("vdso", "-rdynamic"))
        self.assertEqual((done.returncode, done.stdout), (0, "vdso: 0 failed\n"))


class Untraced(Case):
    def test_stop(self):
        done = self.run_user(built.program("untraced", "-static"))
        self.assertEqual((done.returncode, done.stdout), (0, "untraced: 0 failed\n"), done.stderr)
        self.assertRegex(done.stderr, r"\A(patchbay: process \d+ asked to be traced .*: it is ended\n){2}\Z")


class Start(Case):
    EXPECTED = "argument 0: {}\nargument 1: a b\nargument 2: -L\nUSER_TEST: {}\n" \
               "page size: 4096, 2.500\nplatform: aarch64\naligned: 1\n"

    def check(self, *words, value="none", name=None, environment=None):
        done = self.run_user(*words, "a b", "-L", environment=environment)
        self.assertEqual(done.stderr, "")
        self.assertEqual(done.stdout, self.EXPECTED.format(name or words[-1], value))
        self.assertEqual(done.returncode, 42)

    def test_kinds(self):
        for options in ["-static"], ["-static-pie"], ["-static", "-O2", "-Wl,-z,norelro"], ["-static", "-Wl,-z,max-page-size=65536"]:
            for way in WAYS:
                with self.subTest(options=options, way=way[1]):
                    self.check(*way, built.program("hello", *options))

    def test_dynamic(self):
        for options in [], ["-no-pie"]:
            for way in WAYS:
                with self.subTest(options=options, way=way[1]):
                    self.check(*way, "-L", programs.SYSROOT, built.program("hello", *options))

    def test_environment(self):
        path = built.program("hello", "-static")
        environment = dict(os.environ, USER_TEST="outer")
        self.check(path, value="outer", environment=environment)
        self.check("-U", "USER_TEST", path, environment=environment)
        self.check("-E", "USER_TEST=x=y", path, value="x=y", environment=environment)
        self.check("--argv0", "other", "--", path, name="other")

    def test_cpu(self):
        self.check("--set", "cpu=arm64/cortex-a53", built.program("hello", "-static"))


class Ends(Case):
    def test_signals(self):
        path = built.program("broken", "-static")
        for how, number in (("segv", signal.SIGSEGV), ("ill", signal.SIGILL), ("trap", signal.SIGTRAP),
                            ("abort", signal.SIGABRT), ("term", signal.SIGTERM), ("blocked", signal.SIGSEGV),
                            ("stack", signal.SIGSEGV)):
            for way in WAYS[:2]:
                with self.subTest(how=how, way=way[1]):
                    self.assertEqual(self.run_user(*way, path, how).returncode, -number)

    def test_status(self):
        path = built.program("broken", "-static")
        for status in 0, 1, 126, 127, 255:
            self.assertEqual(self.run_user(path, "well", status).returncode, status)


class Refused(Case):
    def refused(self, status, text, *words):
        done = self.run_user(*words)
        self.assertIn(text, done.stderr)
        self.assertEqual((done.returncode, done.stdout), (status, ""))
        self.assertEqual(len(done.stderr.splitlines()), 1, done.stderr)

    def file(self, contents, name="program", mode=0o755):
        path = os.path.join(self.folder, name)
        with open(path, "wb") as file:
            file.write(contents)
        os.chmod(path, mode)
        return path

    def test_usage(self):
        self.refused(2, "a program is expected")
        self.refused(2, "--nonsense", "--nonsense", "x")

    def test_files(self):
        self.refused(127, "./nothing: No such file", "./nothing")
        self.refused(126, "Permission denied", self.folder)
        self.refused(126, "no ELF file", self.file(b"plain text, long enough to be a header of something"))
        self.refused(126, "no ELF file", self.file(b""))
        self.refused(126, "no ELF file", self.file(b"\x7fEL"))

    def test_foreign(self):
        self.refused(126, "programs for x86_64 cannot be run", "/bin/true")

    def test_interpreter(self):
        dynamic = built.program("hello")
        self.refused(127, "interpreter /lib/ld-linux-aarch64.so.1", dynamic)
        self.refused(127, "interpreter /lib/ld-linux-aarch64.so.1", "-L", self.folder, dynamic)

    def test_headers(self):
        """Each member that matters, with a value that cannot be."""
        whole = built.program("hello", "-static").read_bytes()
        table, = struct.unpack_from("<Q", whole, 32)
        loads = [table + 56 * i for i in range(struct.unpack_from("<H", whole, 56)[0])
                 if struct.unpack_from("<I", whole, table + 56 * i)[0] == 1]
        for place, form, value, text in (
                (16, "<H", 1, "ELF type is 1"), (54, "<H", 55, "program headers of 55 bytes"),
                (56, "<H", 0, "0 program headers"), (32, "<Q", 1 << 60, "program headers are cut off"),
                (loads[0] + 32, "<Q", 1 << 40, "more bytes in the file than in memory"),
                (loads[0] + 40, "<Q", 1 << 62, "does not fit"), (loads[0] + 16, "<Q", 1 << 63, "does not fit"),
                (loads[0] + 16, "<Q", 0x400001, "different places"), (loads[0] + 16, "<Q", 0, "below 0x10000"),
                (loads[1] + 16, "<Q", struct.unpack_from("<Q", whole, loads[0] + 16)[0] +
                 (struct.unpack_from("<Q", whole, loads[1] + 8)[0] & 4095), "overlaps")):
            broken = bytearray(whole)
            struct.pack_into(form, broken, place, value)
            with self.subTest(place=place, value=value):
                self.refused(126, text, self.file(broken))
        self.refused(126, "cut off", self.file(whole[:len(whole) // 2]))

    def test_mutated(self):
        """Whatever is in a file: it runs, or there is one line; never an end of the emulator's own."""
        whole = built.program("broken", "-static").read_bytes()
        chance = random.Random(1)
        for i in range(100):
            broken = bytearray(whole)
            for _ in range(chance.randrange(1, 6)):
                broken[chance.randrange(64 + 56 * 6)] = chance.randrange(256)
            done = self.run_user("--accel", "interp", self.file(broken), "well", 3)
            with self.subTest(i=i):
                self.assertNotIn("Sanitizer", done.stderr)
                self.assertIn(done.returncode, (3, 126, 127, -signal.SIGSEGV, -signal.SIGILL, -signal.SIGBUS))


if __name__ == "__main__":
    cases.main()
