#!/usr/bin/env python3
"""How the kernel runs programs of other processors by itself: files for binfmt_misc, and how it calls.

usage: test_binfmt.py PATCHBAY SOURCES [UNITTEST-ARGUMENT...]
"""

import os
import pathlib
import re
import shutil
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
import cases  # noqa: E402
import programs  # noqa: E402

PATCHBAY, built = programs.arguments()
setUpModule = built.begin

NAMESPACE = ["unshare", "--user", "--map-root-user", "--mount", "sh", "-c"]
MOUNT = "mount -t binfmt_misc none /proc/sys/fs/binfmt_misc && test -e /proc/sys/fs/binfmt_misc/register"
NO_MOUNT = "binfmt_misc cannot be mounted by users here (Linux 6.7)"


def unescape(text):
    return re.sub(r"\\x([0-9a-f]{2})", lambda m: chr(int(m.group(1), 16)), text).encode("latin-1")


class Case(programs.Case):
    def setUp(self):
        super().setUp()
        self.interpreter = os.path.join(self.folder, "patchbay-aarch64")
        os.symlink(PATCHBAY, self.interpreter)

    def run_words(self, *words, status=0, **changes):
        done = super().run_words(*words, env=dict(os.environ, **changes))
        self.assertEqual(done.returncode, status, done.stderr)
        return done

    def binfmt(self, *words, **options):
        return self.run_words(PATCHBAY, "binfmt", *words, **options)


    def in_namespace(self, script, *words, status=0):
        """A script of the shell, where binfmt_misc has our line only."""
        self.needs(MOUNT, NO_MOUNT)
        line = self.binfmt("--interpreter", self.interpreter).stdout
        with open(os.path.join(self.folder, "line"), "w", encoding="utf-8") as file:
            file.write(line)
        return self.run_words(*NAMESPACE, f"{MOUNT} && cat line > /proc/sys/fs/binfmt_misc/register && {script}", "sh", *words,
                              status=status)

    def needs(self, script, text):
        if not shutil.which("unshare"):
            self.skipTest("unshare is not there")
        if subprocess.run([*NAMESPACE, script], stderr=subprocess.DEVNULL, check=False).returncode != 0:
            self.skipTest(text)


class Files(Case):
    NAMED = ("--interpreter", "/usr/bin/patchbay-aarch64")  # the build folder's own name may be one that the kernel does not take

    def check(self, magic, mask):
        magic, mask = unescape(magic), unescape(mask)
        self.assertEqual(len(magic), len(mask))

        def matches(start):
            return all((a ^ b) & m == 0 for a, b, m in zip(start, magic, mask))

        start = built.program("hello", "-static").read_bytes()[:64]
        self.assertTrue(matches(start))
        self.assertTrue(matches(built.program("hello").read_bytes()))  # position-independent
        self.assertTrue(matches(start[:7] + b"\3" + start[8:]))  # GNU's ABI
        self.assertFalse(matches(pathlib.Path(PATCHBAY).read_bytes()[:64]))
        for place, value in (0, 0), (4, 1), (5, 2), (16, 1), (16, 4), (18, 62), (19, 1):
            self.assertFalse(matches(start[:place] + bytes([value]) + start[place + 1:]), (place, value))

    def test_line(self):
        line = self.binfmt(*self.NAMED).stdout
        self.assertEqual(line.count("\n"), 1)
        empty, name, kind, offset, magic, mask, interpreter, flags = line.rstrip("\n").split(":")
        self.assertEqual((empty, name, kind, offset, interpreter, flags),
                         ("", "patchbay-aarch64", "M", "", self.NAMED[1], "PF"))
        self.check(magic, mask)

    def test_debian(self):
        text = self.binfmt("--form", "debian", "--flags", "P", *self.NAMED, "aarch64").stdout
        rows = dict(line.split(" ", 1) for line in text.splitlines())
        self.check(rows.pop("magic"), rows.pop("mask"))
        self.assertEqual(rows, {"package": "patchbay", "offset": "0", "credentials": "no", "preserve": "yes",
                                "fix_binary": "no", "interpreter": self.NAMED[1]})

    def test_write(self):
        self.assertEqual(self.binfmt(*self.NAMED, "--write", self.folder).stdout, "")
        with open(os.path.join(self.folder, "patchbay-aarch64.conf"), encoding="utf-8") as file:
            self.assertEqual(file.read(), self.binfmt(*self.NAMED).stdout)

    def test_refused(self):
        for words, text in ((["sparc64"], "there is no machine 'user-sparc64'"), (["nothing"], "no machine 'user-nothing'"),
                            (["--flags", "C"], "flags are P and F"), (["--form", "x"], "systemd or debian"),
                            (["--interpreter", "relative"], "takes no interpreter"),
                            (["--interpreter", "/" + 127 * "x"], "takes no interpreter"),
                            (["--interpreter", "/a:b"], "takes no interpreter")):
            self.assertIn(text, self.binfmt(*words, status=2).stderr)
        self.assertIn("nowhere", self.binfmt("--write", "nowhere", status=1).stderr)


class Calls(Case):
    def test_by_hand(self):
        """Without the kernel's flag the second argument is the program's."""
        out = self.run_words(self.interpreter, built.program("hello", "-static"), "-x", "--help", status=42).stdout
        self.assertIn(f"argument 0: {built.program('hello', '-static')}\nargument 1: -x\nargument 2: --help\n", out)
        self.assertIn("usage: patchbay", self.run_words(self.interpreter, status=2).stderr)

    def test_sysroot(self):
        out = self.run_words(self.interpreter, built.program("hello"), status=42, PATCHBAY_SYSROOT=programs.SYSROOT).stdout
        self.assertIn("platform: aarch64", out)

    def test_kernel(self):
        """The real thing: a program is called as if it were the computer's."""
        hello = built.program("hello", "-static")
        out = self.in_namespace('"$1" "a b" -L; echo "status $?"', hello).stdout
        self.assertIn(f"argument 0: {hello}\nargument 1: a b\nargument 2: -L\n", out)
        self.assertIn("status 42\n", out)

    def test_names(self):
        """The name that a program was called by stays, whatever it looks like."""
        hello = built.program("hello", "-static")
        for name in "another name", "-", "--version":
            script = f'exec python3 -c "import os, sys; os.execv(sys.argv[1], [{name!r}, \'x\'])" "$1"'
            out = self.in_namespace(script, hello, status=42).stdout
            self.assertIn(f"argument 0: {name}\nargument 1: x\n", out)

    def test_children(self):
        """Programs that they execute are run by the emulator itself, or by the kernel, all the same."""
        self.in_namespace('"$1" "$2"', built.program("family", "-static"), built.program("odd", "-static"))
        self.assertIn("argument 1: y", self.in_namespace('printf "#!%s y\\n" "$1" > script; chmod +x script; ./script; true',
                                                         built.program("hello", "-static")).stdout)


class OtherRoots(Case):
    """Roots that have programs for AArch64 and nothing else, not even /proc."""

    def setUp(self):
        super().setUp()
        self.alone = os.path.join(os.path.dirname(PATCHBAY), "patchbay-static")
        self.root = os.path.join(self.folder, "root")
        os.mkdir(self.root)
        for name in "hello", "elsewhere", "family", "odd":
            shutil.copy(built.program(name, "-static"), os.path.join(self.root, name))
        self.needs(f'chroot "{self.root}" /nothing; test $? = 127', "users cannot have a root of their own here")

    def needs_static(self):
        if not os.path.exists(self.alone):
            self.skipTest("patchbay-static is not built")
        self.interpreter = os.path.join(self.folder, "patchbay-aarch64-static")
        os.symlink(self.alone, self.interpreter)

    def test_execute(self):
        """The emulator becomes itself where its file has no name any more, again and again."""
        self.needs_static()
        elsewhere = built.program("elsewhere", "-static")
        out = self.run_words(*NAMESPACE, 'exec "$@"', "sh", self.alone, "user", elsewhere, self.root, "/elsewhere", "/", "/elsewhere",
                             "/", "/hello", "a b", "-x", status=42).stdout
        self.assertIn("argument 0: /hello\nargument 1: a b\nargument 2: -x\n", out)
        self.run_words(*NAMESPACE, 'exec "$@"', "sh", self.alone, "user", elsewhere, self.root, "/family", "/odd")

    def test_kernel(self):
        """As debootstrap and containers do it."""
        self.needs_static()
        self.in_namespace('chroot root /family /odd && chroot root /elsewhere / /hello x; test $? = 42')

    def test_line(self):
        """It names the link beside it."""
        self.needs_static()
        copy = shutil.copy(self.alone, os.path.join(self.folder, "patchbay-static"))
        name = os.path.join(os.path.realpath(self.folder), "patchbay-aarch64-static")
        self.assertIn(f":{name}:PF\n", self.run_words(copy, "binfmt").stdout)

    def test_help(self):
        """It tells of what it has."""
        self.needs_static()
        text = self.run_words(self.alone, "--help").stdout
        self.assertIn("usage: patchbay-static COMMAND", text)
        self.assertEqual(re.findall(r"(?m)^  (\w+)  ", text), ["user", "binfmt"])
        self.assertNotIn("achine", text)
        self.assertIn("Usage:\n  patchbay-static user ", self.run_words(self.alone, "user", "--help").stdout)

    def test_libraries(self):
        """An emulator that has no libraries there: the kernel is asked, and knows nothing."""
        self.needs(MOUNT, NO_MOUNT)
        elsewhere = built.program("elsewhere", "-static")
        out = self.run_words(*NAMESPACE, f'{MOUNT} && exec "$@"', "sh", PATCHBAY, "user", elsewhere, self.root, "/hello",
                             status=1).stdout
        self.assertEqual(out, "Exec format error\n")


if __name__ == "__main__":
    cases.main()
