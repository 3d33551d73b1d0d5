#!/usr/bin/env python3
"""Tests of boot.py with shell scripts in the place of patchbay: a boot test must fail when it should."""

import contextlib
import io
import os
import tempfile
import unittest
from unittest import mock

import boot
import cases


class Boot(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = folder.name

    def boot(self, guest, description, variant=""):
        """Runs boot.py on a guest written as a shell script; gives its status and its output."""
        patchbay = os.path.join(self.folder, "patchbay")
        with open(patchbay, "w", encoding="utf-8") as script:
            script.write("#!/bin/sh\n" + guest)
        os.chmod(patchbay, 0o755)
        path = os.path.join(self.folder, "guest.toml")
        with open(path, "w", encoding="utf-8") as file:
            file.write(description)
        self.transcript = os.path.join(self.folder, "transcript")
        output = io.StringIO()
        with contextlib.redirect_stdout(output):
            status = boot.main(["--transcript", self.transcript, patchbay, path, variant])
        return status, output.getvalue()

    def fails(self, text, guest, description, variant=""):
        status, output = self.boot(guest, description, variant)
        self.assertEqual(status, 1, output)
        self.assertIn("FAILED: ", output)
        self.assertIn(text, output)

    def passes(self, guest, description, variant=""):
        status, output = self.boot(guest, description, variant)
        self.assertEqual(status, 0, output)

    ONE_STEP = 'run = []\n[[step]]\nexpect = "up"\nwithin = 20\n'
    BRIEF_STEP = 'run = []\n[[step]]\nexpect = "up"\nwithin = 0.05\n'

    @staticmethod
    def after(text):
        """A step that fails at once, when the guest has said the text."""
        return f'run = []\n[[step]]\nexpect = "{text}"\nwithin = 20\n[[step]]\nexpect = "up"\nwithin = 0.05\n'

    def test_marker(self):
        self.passes("echo it is up", self.ONE_STEP)
        with open(self.transcript, encoding="utf-8") as text:
            self.assertEqual(text.read(), "it is up\n")

    def test_end_without_marker(self):
        self.fails("ended without 'up'; exit status 3", "echo down; exit 3", self.ONE_STEP)

    def test_no_marker_in_time(self):
        self.fails("no 'up' within 0.05 seconds", "echo down; cat", self.BRIEF_STEP)

    def test_last_lines_are_shown(self):
        self.fails("line-61", "seq -f line-%g 1 120; cat", self.after("line-120"))
        status, output = self.boot("seq -f line-%g 1 120; cat", self.after("line-120"))
        self.assertNotIn("line-60\n", output)

    def test_markers_must_come_in_order(self):
        second = '[[step]]\nexpect = "first"\nwithin = 20\n'
        self.fails("ended without 'first'", "echo first; echo up", self.ONE_STEP + second)
        self.passes("echo up; echo first", self.ONE_STEP + second)

    def test_exit_status(self):
        self.fails("exit status 5, not 0", "echo up; exit 5", self.ONE_STEP)
        self.passes("echo up; exit 5", "exit = 5\n" + self.ONE_STEP)

    def test_must_end(self):
        self.fails("did not end within 0.05 seconds", "echo up; cat",
                   "exit_within = 0.05\n" + self.ONE_STEP)

    def test_forbidden_text(self):
        never = 'never = ["Kernel panic"]\n'
        self.fails("the guest said 'Kernel panic'", "echo Kernel panic; cat", never + self.ONE_STEP)
        self.fails("the guest said 'Kernel panic'", "echo up; echo Kernel panic", never + self.ONE_STEP)

    def test_killed_if_it_does_not_stop(self):
        with mock.patch.object(boot, "GRACE_SECONDS", 0.05):
            self.fails("was killed", "trap '' TERM; echo ready; read line", self.after("ready"))

    def test_match(self):
        self.passes("echo size is 0x40", 'run = []\n[[step]]\nmatch = "^size is 0x[0-9]+\\\\r?$"\nwithin = 20')

    def test_send(self):
        self.passes('echo up; read word; echo "got $word"',
                    self.ONE_STEP + 'send = "hello\\n"\n[[step]]\nexpect = "got hello"\nwithin = 20\n')

    def test_arguments_and_variants(self):
        text = ('run = ["a", "{var:x}"]\n[variant.one]\nx = "1"\n[variant.two]\nx = "2"\n'
                '[[step]]\nexpect = "run a {var:x}"\nwithin = 20\n')
        self.passes('echo "$@"', text, "one")
        self.passes('echo "$@"', text, "two")
        name = boot.accelerator("jit")
        self.assertEqual(boot.accelerator("interp"), "interp")
        self.passes('echo "$@"', text.replace('"1"', '"{accel:jit}"').replace('run a {var:x}', f'run a {name}'), "one")
        self.fails("no variant 'three'", 'echo "$@"', text, "three")
        self.fails("no variant ''", 'echo "$@"', text)

    def test_next_run(self):
        keep = 'run = ["{disk:d}"]\ndisk.d = 512\nexit = 1\n[[step]]\nexpect = "{var:x}"\nwithin = 20\n'
        keep = keep.replace("{var:x}", "512 bytes")
        guest = 'echo "$(stat -c %s "$2") bytes"; echo more >>"$2"; grep -q more "$2" && exit 1'
        again = '[[next]]\n[[next.step]]\nexpect = "517 bytes"\nwithin = 20\n'
        self.passes(guest, keep + again)
        self.fails("ended without '512 bytes'", guest, keep + again.replace("517", "512"))
        self.fails("exit status 1, not 7", guest, keep + again.replace("[[next]]", "[[next]]\nexit = 7"))
        self.passes("echo up", self.ONE_STEP + '[[next]]\ncommand = ["echo", "other"]\n'
                    '[[next.step]]\nexpect = "other"\nwithin = 20\n')
        self.fails("no step", guest, keep + "[[next]]\n")
        self.fails("unknown key in a next: serve", guest, keep + '[[next]]\nserve.x = "y"\n')

    def test_near_now(self):
        step = 'run = []\n[[step]]\nmatch = "time=([0-9]+)"\nwithin = 20\nnear_now = 30\n'
        self.passes("echo time=$(date +%s)", step)
        self.fails("seconds off", "echo time=$(($(date +%s) - 60))", step)
        self.fails("`near_now` needs a `match` with one group", "echo", step.replace("([0-9]+)", "[0-9]+"))

    def test_command_and_environment(self):
        text = ('command = ["sh", "-c", "cat {tree:tests/lib/cases.py}; echo $WHERE"]\n'
                'environment.WHERE = "{new:build/x}"\n'
                '[[step]]\nexpect = "Runs a unittest program"\nwithin = 20\n'
                '[[step]]\nmatch = "/patchbay-boot-[^/]*/build/x"\nwithin = 20\n')
        self.passes("false", text)
        self.fails("either `run` or `command`", "false", "run = []\n" + text)

    def test_terminal_must_be_as_before(self):
        self.passes("saved=$(stty -g); stty raw; echo up; stty $saved", self.ONE_STEP)
        self.fails("other settings", "echo up; stty raw", self.ONE_STEP)

    def test_after(self):
        self.passes("echo up", self.ONE_STEP + '[[after]]\nrun = ["echo", "hello"]\noutput = "ell"\n')
        self.fails("no 'bell'", "echo up",
                   self.ONE_STEP + '[[after]]\nrun = ["echo", "hello"]\noutput = "bell"\n')
        self.fails("status 1", "echo up", self.ONE_STEP + '[[after]]\nrun = ["false"]\n')
        self.fails("the MD5 of its output is", "echo up",
                   self.ONE_STEP + '[[after]]\nrun = ["echo", "hello"]\noutput_md5 = "0"\n')

    def test_serves_files(self):
        fetch = ('python3 -c \'import sys, urllib.request; '
                 'print(urllib.request.urlopen(sys.argv[1].replace("10.0.2.2", "127.0.0.1"))'
                 '.read().decode())\' "$2"')
        self.passes(fetch, 'run = ["{url:x.txt}"]\nserve."x.txt" = "served"\n'
                           '[[step]]\nexpect = "served"\nwithin = 60\n')

    def test_mistakes_in_the_file(self):
        self.fails("unknown key in the file: exits", "echo up", "exits = 1\n" + self.ONE_STEP)
        self.fails("unknown key in a step: expects", "echo up", self.ONE_STEP + 'expects = "x"\n')
        self.fails("a step has `within`", "echo up", 'run = []\n[[step]]\nexpect = "up"\n')
        self.fails("no step", "echo up", "run = []\n")
        self.fails("nothing is called {disk:x}", "echo up", self.ONE_STEP.replace("[]", '["{disk:x}"]', 1))

    def test_guest_must_have_been_fetched(self):
        with mock.patch.dict(os.environ, PATCHBAY_CACHE=self.folder):
            self.fails("tools/guests fetch u-boot-arm64", "echo up",
                       self.ONE_STEP.replace("[]", '["{guest:u-boot-arm64}"]', 1))


if __name__ == "__main__":
    cases.main()
