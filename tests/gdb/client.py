"""Who talks to the stub: a gdb in MI mode, and raw packets; and tests with them."""

import contextlib
import os
import re
import shutil
import socket
import subprocess
import tempfile
import unittest

GDB = shutil.which("gdb-multiarch")
WAIT = 60  # seconds until something that ought to come does not: never in a right run


class Machine:
    """A patchbay that runs, and where its stub listens."""

    def __init__(self, patchbay, arguments, gdb=("--gdb-wait",), address=None):
        self.start(address, lambda where: [patchbay, "run", *arguments, "--gdb", where, *gdb])

    def start(self, address, words, stdin=subprocess.DEVNULL):
        self.folder = tempfile.TemporaryDirectory()
        self.address = address or "unix:" + os.path.join(self.folder.name, "gdb")
        self.process = subprocess.Popen(words(self.address), stdin=stdin, stdout=subprocess.PIPE,
                                        stderr=subprocess.PIPE)
        line = self.process.stderr.readline().decode()
        match = re.match(r"patchbay: gdb may connect to (\S+)$", line)
        if not match:
            rest = line + self.process.stderr.read().decode()
            self.close()
            raise RuntimeError(rest)
        self.address = match[1]

    def wait(self):
        return self.process.wait(WAIT)

    def close(self):
        self.process.kill()
        self.process.wait()
        if self.process.stdin:
            self.process.stdin.close()
        self.process.stdout.close()
        self.process.stderr.close()
        self.folder.cleanup()

    def connect(self):
        kind, _, where = self.address.partition(":")
        if kind == "unix":
            made = socket.socket(socket.AF_UNIX)
            made.connect(where)
        else:
            host, _, port = where.rpartition(":")
            made = socket.create_connection((host, int(port)))
        made.settimeout(WAIT)
        return made


class Program(Machine):
    """A program in user mode that waits for gdb."""

    def __init__(self, patchbay, options, program, address=None):
        self.start(address, lambda where: [patchbay, "user", *options, "-g", where, *map(str, program)],
                   stdin=subprocess.PIPE)

    def out(self):
        """What it has written, when it has ended."""
        return self.process.stdout.read().decode()


def checksum(data):
    return b"%02x" % (sum(data) & 255)


def escaped(data):
    return re.sub(rb"[#$}*]", lambda match: b"}" + bytes([match[0][0] ^ 0x20]), data)


class Raw:
    """Packets, with acknowledgements until told otherwise."""

    def __init__(self, machine):
        self.socket = machine.connect()
        self.got = b""
        self.acks = True

    def close(self):
        self.socket.close()

    def send(self, data):
        self.socket.sendall(data)

    def more(self):
        data = self.socket.recv(65536)
        if not data:
            raise EOFError("the stub has closed the connection")
        self.got += data

    def byte(self):
        while not self.got:
            self.more()
        first, self.got = self.got[:1], self.got[1:]
        return first

    def packet(self):
        """The contents of the next one; everything else in front of it is wrong."""
        while True:
            match = re.match(rb"\$([^#$]*)#(..)", self.got, re.DOTALL)
            if match:
                break
            if self.got and not self.got.startswith(b"$"):
                raise AssertionError(f"not a packet: {self.got!r}")
            self.more()
        self.got = self.got[match.end():]
        if checksum(match[1]) != match[2]:
            raise AssertionError(f"wrong sum: {match[0]!r}")
        if self.acks:
            with contextlib.suppress(ConnectionError):  # it may have been the last one
                self.send(b"+")
        return re.sub(rb"}(.)", lambda m: bytes([m[1][0] ^ 0x20]), match[1], flags=re.DOTALL)

    def ask(self, data, answer=True):
        """Send a packet's contents, return those of the answer."""
        if isinstance(data, str):
            data = data.encode()
        data = escaped(data)
        self.send(b"$" + data + b"#" + checksum(data))
        if self.acks and self.byte() != b"+":
            raise AssertionError("not acknowledged")
        return self.packet() if answer else None

    def text(self, data):
        return self.ask(data).decode()

    def monitor(self, line):
        return bytes.fromhex(self.text("qRcmd," + line.encode().hex())).decode()

    def number(self, register):
        return int.from_bytes(bytes.fromhex(self.text(f"p{register:x}")), "little")

    def word(self, address):
        return int.from_bytes(bytes.fromhex(self.text(f"m{address:x},8")), "little")


class Gdb:
    """gdb in MI mode. Commands are its ordinary ones; run() gives what they print, until() waits for a stop."""

    def __init__(self, *commands):
        self.process = subprocess.Popen([GDB, "-nx", "-q", "-i=mi3", "-iex", "set auto-load no"],
                                        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                                        env={**os.environ, "LC_ALL": "C"})
        self.said, self.stops = [], []
        for command in ("set confirm off", "set pagination off", "set width 0", "set debuginfod enabled off",
                        "set architecture aarch64", "set remotetimeout 100", "set mi-async on", *commands):
            self.run(command)

    def close(self):
        self.process.kill()
        self.process.wait()
        self.process.stdin.close()
        self.process.stdout.close()

    def line(self):
        line = self.process.stdout.readline().decode(errors="replace")
        if not line:
            raise EOFError("gdb has ended: " + "".join(self.said))
        line = line.rstrip("\n")
        if line.startswith(("~", "@", "&")):
            text = line[2:-1].encode().decode("unicode_escape", errors="replace")
            if not line.startswith("&"):
                self.said.append(text)
        elif line.startswith("*stopped"):
            self.stops.append(line)
        return line

    def result(self):
        while True:
            line = self.line()
            if line.startswith("^"):
                return line

    def run(self, command, may_fail=False):
        self.said = []
        self.process.stdin.write(command.encode() + b"\n")
        self.process.stdin.flush()
        line = self.result()
        if line.startswith("^error") and not may_fail:
            raise AssertionError(f"{command}: {line}")
        return "".join(self.said) + (line if line.startswith("^error") else "")

    def stop(self):
        """The next stop."""
        while not self.stops:
            self.line()
        return self.stops.pop(0)

    def go(self, command="continue"):
        """Run until it stops."""
        self.stops.clear()
        self.run(command)
        return self.stop()

    def value(self, expression):
        text = self.run(f"output/u {expression}")
        return int(text)


class Case(unittest.TestCase):
    """With clients that end when a test does."""
    labels = {}  # of the guest: gdb has them as variables

    def attach(self, machine, *commands, how="remote"):
        """A gdb at the stub."""
        gdb = Gdb(*commands)
        self.addCleanup(gdb.close)
        gdb.run(f"target {how} " + re.sub("^(unix|tcp):", "", machine.address))
        for name, address in self.labels.items():
            gdb.run(f"set ${name} = {address:#x}")
        return gdb

    def attach_raw(self, machine, *packets):
        """Who sends packets; the first ones are sent, and answered."""
        raw = Raw(machine)
        self.addCleanup(raw.close)
        for packet in packets:
            raw.ask(packet)
        return raw
