"""Programs that tests of user mode run: made from C files with the cross compiler, once each."""

import os
import pathlib
import platform
import shutil
import subprocess
import sys
import tempfile
import unittest

COMPILER = "aarch64-linux-gnu-gcc"
SYSROOT = "/usr/aarch64-linux-gnu"


class Built:
    """Where they lie."""

    def __init__(self, sources):
        self.sources = pathlib.Path(sources)
        self.folder = None

    def begin(self):
        """The module's setUpModule(): it is skipped where there can be no programs."""
        if platform.machine() != "x86_64":
            raise unittest.SkipTest("user mode runs on x86-64 only")
        if not shutil.which(COMPILER):
            raise unittest.SkipTest(f"{COMPILER} is not installed")
        if not os.path.exists(SYSROOT + "/lib/libc.a"):
            raise unittest.SkipTest("libc6-dev-arm64-cross is not installed")
        self.folder = tempfile.TemporaryDirectory()
        unittest.addModuleCleanup(self.folder.cleanup)

    def place(self, name, options):
        return pathlib.Path(self.folder.name) / (name + "".join(options).replace("/", "_"))

    def make(self, compiler, name, path, options):
        if not path.exists():
            subprocess.run([compiler, "-D_GNU_SOURCE", "-O1", "-Wall", "-Werror", "-I", self.sources, *options,
                            self.sources / (name + ".c"), "-o", path, "-lpthread"], check=True)
        return path

    def program(self, name, *options):
        """The path of the program made from NAME.c for AArch64."""
        return self.make(COMPILER, name, self.place(name, options), options)

    def native(self, name, *options):
        """The same for this computer."""
        return self.make("gcc", name, self.place(name + "-native", options), options)


def arguments():
    """The first arguments of such tests, PATCHBAY SOURCES: the command, and what makes programs."""
    return os.path.abspath(sys.argv.pop(1)), Built(sys.argv.pop(1))


class Case(unittest.TestCase):
    """With a folder for each test, in which programs run."""

    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = folder.name

    def run_words(self, *words, **options):
        return subprocess.run([str(word) for word in words], cwd=self.folder, stdin=subprocess.DEVNULL,
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, timeout=120, **options)
