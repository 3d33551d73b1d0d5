#!/usr/bin/env python3
"""What `meson install` puts in place works from there, also where the whole prefix was moved, and with
nothing in the environment.

usage: test_install.py BUILD (shared|static) [UNITTEST-ARGUMENT...]

In a build with static plugins no plugin is a file: the command has them all inside.
"""

import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile
import unittest

TREE = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(TREE / "tests" / "lib"))
import cases  # noqa: E402
import program  # noqa: E402

BUILD = sys.argv.pop(1)
STATIC = sys.argv.pop(1) == "static"


class Prefix(unittest.TestCase):
    """An installation that was moved."""

    @classmethod
    def setUpClass(cls):
        folder = tempfile.TemporaryDirectory()
        cls.addClassCleanup(folder.cleanup)
        cls.place = pathlib.Path(folder.name)
        subprocess.run(["meson", "install", "-C", BUILD, "--no-rebuild", "--quiet", "--destdir",
                        cls.place / "staged"], check=True, stdout=subprocess.DEVNULL)
        command = next((cls.place / "staged").rglob("bin/patchbay"))
        cls.prefix = cls.place / "moved"
        command.parent.parent.rename(cls.prefix)
        cls.work = cls.place / "work"
        cls.work.mkdir()

    def found(self, pattern):
        file = next(self.prefix.rglob(pattern), None)
        self.assertIsNotNone(file, f"{pattern} is not installed")
        return file

    def good(self, command, **environment):
        """Standard output of a command that must succeed, with nearly nothing in the environment."""
        environment = {"PATH": f"{self.prefix}/bin:/usr/bin:/bin", "HOME": "/nonexistent", **environment}
        done = subprocess.run(command, cwd=self.work, env=environment, stdin=subprocess.DEVNULL, text=True,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=60, check=False)
        self.assertEqual(done.returncode, 0, f"{command}\n{done.stdout}")
        return done.stdout


class Installed(Prefix):
    def test_plugins(self):
        files = [file.name for file in self.prefix.rglob("*.so")]
        if STATIC:
            self.assertEqual(files, [])
        else:
            self.assertIn("cpu-arm64.so", files)
            self.assertEqual([f for f in files if not list(self.prefix.rglob(f[:-3] + ".json"))], [])

    def test_machine_runs(self):
        kernel = self.work / "kernel"
        kernel.write_bytes(program.elf(program.prints("installed\n")))
        self.assertEqual(self.good(["patchbay", "run", "arm-virt", "--kernel", kernel]), "installed\n")

    def alone(self):
        """A static command needs no file but the machine's."""
        alone = self.place / "alone"
        alone.mkdir()
        for file in (self.prefix / "bin" / "patchbay", self.found("arm-virt.yaml")):
            shutil.copy(file, alone)
        (alone / "kernel").write_bytes(program.elf(program.prints("alone\n")))
        self.prefix.rename(self.place / "away")
        try:
            self.assertEqual(self.good([alone / "patchbay", "run", alone / "arm-virt.yaml", "--kernel",
                                        alone / "kernel"]), "alone\n")
        finally:
            (self.place / "away").rename(self.prefix)

    if STATIC:
        test_alone = alone

    def test_lists(self):
        lists = self.good(["patchbay", "list"])
        for name in ("arm-virt", "pl011", "arm64/cortex-a57", "interp", "chardev/stdio", "linux/arm64"):
            self.assertIn(f"\n  {name} ", lists)

    def test_headers(self):
        """Each stands alone."""
        for header in self.prefix.rglob("include/patchbay/**/*.h"):
            source = self.work / "header.c"
            source.write_text(f"#include <patchbay/{header.relative_to(self.prefix / 'include' / 'patchbay')}>\n")
            self.good(["cc", "-std=c11", "-Wall", "-Wextra", "-Werror", "-Wno-unused-parameter",
                       f"-I{self.prefix}/include", "-c", "-o", "header.o", source])

    def test_new_device(self):
        """What `new device` makes builds with the installed headers and tools, and passes its test."""
        packages = self.found("patchbay.pc")
        if "pcfiledir" not in packages.read_text():
            self.skipTest("this build has -Dpkgconfig.relocatable=false")
        self.good(["patchbay", "new", "device", "egg-timer"])
        output = self.good(["make", "-C", "dev-egg-timer", "check"], PKG_CONFIG_PATH=str(packages.parent))
        self.assertIn("\n2 passed, 0 failed\n", output)

    def test_manual_page(self):
        page = self.found("man1/patchbay.1")
        if not shutil.which("mandoc"):
            self.skipTest("mandoc is not installed")
        self.good(["mandoc", "-Tlint", page])
        self.assertIn("arm-virt", self.good(["mandoc", "-Tascii", page]))


class Completion(Prefix):
    """The words that bash is given, as it asks for them."""

    def words(self, *typed):
        """Completions of the last of the words."""
        script = ('source "$0"; COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); compopt() { :; }\n'
                  '_patchbay; printf "%s\\n" "${COMPREPLY[@]}"')
        return self.good(["bash", "-c", script, self.found("bash-completion/completions/patchbay"), "patchbay",
                          *typed]).split()

    def test_commands(self):
        self.assertEqual(self.words("r"), ["run", "report"])
        self.assertEqual(self.words("--v"), ["--version"])

    def test_every_command(self):
        """All that --help names."""
        told = [line.split()[0] for line in self.good(["patchbay", "--help"]).splitlines()
                if line.startswith("  ") and line.split()[0] != "patchbay"]
        self.assertEqual(sorted(told), sorted(word for word in self.words("") if word[0] != "-"))

    def test_arguments(self):
        (self.work / "mine.yaml").write_text("machine: mine\n")
        self.assertEqual(self.words("run", "arm-v"), ["arm-virt"])
        self.assertEqual(self.words("check", "mi"), ["mine.yaml"])
        self.assertEqual(self.words("list", "m"), ["machines"])
        self.assertEqual(self.words("describe", "virtio/b"), ["virtio/blk"])
        self.assertEqual(self.words("describe", "arm-v"), ["arm-virt"])
        self.assertEqual(self.words("report", ""), ["missing"])
        self.assertEqual(self.words("report", "missing", "pl01"), ["pl011"])
        self.assertEqual(self.words("new", ""), ["device"])

    def test_options(self):
        self.assertEqual(self.words("run", "arm-virt", "--ker"), ["--kernel"])
        self.assertIn("--dump-yaml", self.words("run", "--"))
        self.assertNotIn("--dump-yaml", self.words("check", "--"))
        self.assertEqual(self.words("run", "arm-virt", "--set", "ra"), ["ram="])
        self.assertEqual(self.words("run", "--deterministic", "arm-virt", "--set", "ra"), ["ram="])
        self.assertEqual(self.words("run", "arm-virt", "--accel", ""), ["interp", "jit"])
        self.assertEqual(self.words("run", *"--set = cpus = 2 arm-virt --set".split(), "ra"), ["ram="])
        self.assertEqual(self.words("run", *"--set cpus = 2 arm-virt --set =".split(), "ra"), ["ram="])
        self.assertEqual(self.words("run", "arm-virt", "--accel", "="), ["interp", "jit"])
        self.assertIn("stdio", self.words("run", "arm-virt", "--serial", ""))

    def test_log_items(self):
        told = re.search(r"Log (guest, .*)", self.good(["patchbay", "run", "--help"])).group(1)
        self.assertEqual(self.words("run", "arm-virt", "--log", ""), told.split(", "))

    def test_machine(self):
        """Which options have no argument is known: their neighbour is the machine."""
        usage = self.good(["patchbay", "run", "--help"])
        for option in re.findall(r"^ +(?:-h, )?(--[a-z-]+)  ", usage, re.MULTILINE):
            self.assertEqual(self.words("run", option, "arm-virt", "--set", "ra"), ["ram="], option)


cases.main()
