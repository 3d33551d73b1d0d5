#!/usr/bin/env python3
"""The commands of docs/user-guide.md do what the guide says.

A block without a language is a list of commands, each of which must succeed; a block with lines that begin with
`$ ` also says what comes out, `status N` if the status is not 0. They run in an empty folder, with small files in the
places of the kernel and the others: what matters here is the options. Real guests are in tests/boot.

usage: test_user_guide.py PATCHBAY [UNITTEST-ARGUMENT...]
"""

import os
import pathlib
import re
import socket
import subprocess
import sys
import tempfile
import unittest

PATCHBAY = os.path.abspath(sys.argv.pop(1))
TREE = pathlib.Path(__file__).resolve().parents[2]
sys.path[:0] = [str(TREE / "tests" / "lib"), str(TREE / "tests" / "machine")]
import cases  # noqa: E402
import program  # noqa: E402

GUIDE = TREE / "docs" / "user-guide.md"
WRONG = """machine: wrong
memory:
  ram: { at: 0, size: 64MB }
devices:
  uart0: { type: pl011, at: 0x9000000, irq: "", serail: host.serial0 }
backends:
  serial0: { type: chardev/stdio }
"""


def steps(text):
    """(command, what the guide says comes out or None) of all blocks."""
    for language, block in re.findall(r"^```(\w*)\n(.*?)^```$", text, re.DOTALL | re.MULTILINE):
        if not language and block.startswith("$ "):
            for part in block[2:].split("\n$ "):
                command, _, output = part.partition("\n")
                yield command, output.rstrip("\n")
        elif not language:
            yield from ((line, None) for line in block.splitlines())


class Guide(unittest.TestCase):
    maxDiff = None

    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = pathlib.Path(folder.name)
        os.symlink(PATCHBAY, self.folder / "patchbay")
        self.fill()

    def fill(self):
        """What the guide expects in the working directory."""
        text = GUIDE.read_text(encoding="utf-8")
        off = program.mov(0, program.PSCI_SYSTEM_OFF) + [0xd4000002]  # hvc #0
        files = {
            "Image": program.image(program.spins(200000)),
            "initrd.gz": program.packed(bytes(1000)),
            "u-boot.bin": program.code(off),
            "disk.img": bytes(1 << 20),
            "other.img": bytes(1 << 20),
            "wrong.yaml": WRONG.encode(),
            "my-virt.yaml": re.search(r"```yaml\n(.*?)```", text, re.DOTALL).group(1).encode(),
        }
        for name, content in files.items():
            (self.folder / name).write_bytes(content)

    @staticmethod
    def with_free_ports(line):
        """The guide's TCP ports may be taken on the host that tests."""
        for port in ("4444", "2222"):
            if port in line:
                with socket.create_server(("127.0.0.1", 0)) as free:
                    line = line.replace(port, str(free.getsockname()[1]))
        return line

    def run_line(self, line):
        environment = dict(os.environ, PATH=f"{self.folder}:{os.environ['PATH']}")
        done = subprocess.run(["sh", "-c", self.with_free_ports(line)], cwd=self.folder, env=environment, stdin=subprocess.DEVNULL,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=60, check=False)
        return done.returncode, done.stdout.decode()

    def test_commands(self):
        found = list(steps(GUIDE.read_text(encoding="utf-8")))
        self.assertGreater(len(found), 30)
        wrong = []
        for line, expected in found:
            status, output = self.run_line(line)
            said = output.rstrip("\n") + (f"\nstatus {status}" if status else "")
            if said != expected if expected is not None else status != 0:
                wrong.append(f"{line}\n{said}")
        self.assertEqual(wrong, [])

    def test_snapshot_goes_on(self):
        """The guide's snapshot: the second command does not begin again."""
        text = GUIDE.read_text(encoding="utf-8")
        save, load = re.findall(r"^patchbay .*(?:--save-at|--load).*$", text, re.MULTILINE)
        self.assertEqual(self.run_line(save)[0], 0)
        status, output = self.run_line(load + " --state-hash 100000")
        self.assertEqual(status, 0, output)
        counts = re.findall(r"^(\d+) [0-9a-f]{64}$", output, re.MULTILINE)
        self.assertEqual(counts, ["200000", "300000", "400000"])

    def test_terminal_keys(self):
        """The guide's keys are those that the terminal's help tells."""
        source = (TREE / "plugins" / "host-chardev" / "stdio.c").read_text(encoding="utf-8")
        told = re.findall(r'"(Ctrl-A \S+) ', source)
        self.assertEqual(sorted(told), sorted(re.findall(r"^\| (Ctrl-A \S+) \|", GUIDE.read_text(encoding="utf-8"),
                                                         re.MULTILINE)))


cases.main()
