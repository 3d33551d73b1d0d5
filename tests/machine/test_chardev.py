#!/usr/bin/env python3
"""Character backends from outside: a guest that echoes behind each of them, the terminal after every end, and the messages for
what cannot work.

usage: test_chardev.py PATCHBAY [UNITTEST-ARGUMENT...]
"""

import ctypes
import fcntl
import os
import pty
import re
import select
import signal
import socket
import subprocess
import sys
import tempfile
import termios
import threading
import time
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
import cases  # noqa: E402
import program  # noqa: E402

PATCHBAY = os.path.abspath(sys.argv.pop(1))
LIMIT = 60  # seconds after which a test is stuck; nothing here takes one

UART = [0xd2a12001,   # mov x1, #0x9000000
        0x52806022,   # mov w2, #0x301
        0xb9003022]   # str w2, [x1, #48]      UARTCR: on


def puts(text):
    """Each character, as it comes."""
    words = []
    for character in text.encode():
        words += [0xd2800003 | character << 5,  # mov x3, #character
                  0xb9000023]                   # str w3, [x1]
    return words


OFF = program.mov(0, program.PSCI_SYSTEM_OFF) + [0xd4000002]  # hvc #0

# Says that it is there, then sends back what comes; a Q ends it.
ECHO = UART + puts("ready\r\n") + [
    0xb9401823,       # wait: ldr w3, [x1, #24]
    0x3727ffe3,       # tbnz w3, #4, wait      UARTFR.RXFE
    0xb9400023,       # ldr w3, [x1]
    0x12001c63,       # and w3, w3, #0xff
    0xb9401824,       # full: ldr w4, [x1, #24]
    0x372fffe4,       # tbnz w4, #5, full      UARTFR.TXFF
    0xb9000023,       # str w3, [x1]
    0x7101447f,       # cmp w3, #0x51
    0x54ffff01,       # b.ne wait
] + OFF

# The same for two UARTs; the second one changes the case of letters.
ECHO_TWO = UART + [
    0xd2a12006,       # mov x6, #0x9000000
    0xf2820006,       # movk x6, #0x1000
    0xb90030c2,       # str w2, [x6, #48]
] + puts("ready\r\n") + [
    0xb9401823,       # first: ldr w3, [x1, #24]
    0x372000c3,       # tbnz w3, #4, second
    0xb9400023,       # ldr w3, [x1]
    0xb9000023,       # str w3, [x1]
    0x12001c63,       # and w3, w3, #0xff
    0x7101447f,       # cmp w3, #0x51
    0x54000100,       # b.eq off
    0xb94018c3,       # second: ldr w3, [x6, #24]
    0x3727ff03,       # tbnz w3, #4, first
    0xb94000c3,       # ldr w3, [x6]
    0x12001c63,       # and w3, w3, #0xff
    0x521b0063,       # eor w3, w3, #0x20
    0xb90000c3,       # str w3, [x6]
    0x17fffff3,       # b first
] + OFF


def flood(count):
    """Sends that many characters as fast as the UART takes them, then ends."""
    return UART + program.mov(5, count) + [
        0xb9401824,   # full: ldr w4, [x1, #24]
        0x372fffe4,   # tbnz w4, #5, full
        0x120014a3,   # and w3, w5, #0x3f
        0x1100c063,   # add w3, w3, #0x30
        0xb9000023,   # str w3, [x1]
        0xf10004a5,   # subs x5, x5, #1
        0x54ffff41,   # b.ne full
    ] + puts("end") + OFF


def flooded(count):
    return bytes((i & 0x3f) + 0x30 for i in range(count, 0, -1)) + b"end"


def until(condition, *arguments):
    """Waits for what another process does and does not tell."""
    end = time.monotonic() + LIMIT
    while not condition(*arguments):
        if time.monotonic() > end:
            raise TimeoutError(condition.__name__)
        time.sleep(0.001)


def read_until(read, fd, end):
    got = b""
    while end not in got:
        if not select.select([fd], [], [], LIMIT)[0]:
            raise TimeoutError(f"{end!r} did not come: {got[-200:]!r}")
        piece = read(fd, 65536)
        if not piece:
            raise EOFError(f"{end!r} did not come: {got[-200:]!r}")
        got += piece
    return got


def unread(fd):
    number = ctypes.c_int()
    fcntl.ioctl(fd, termios.FIONREAD, number)
    return number.value


class Guests(unittest.TestCase):
    maxDiff = 2000

    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = folder.name
        self.echo = self.file("echo", program.elf(ECHO))

    def path(self, name):
        return os.path.join(self.folder, name)

    def file(self, name, content):
        with open(self.path(name), "wb") as file:
            file.write(content if isinstance(content, bytes) else content.encode())
        return self.path(name)

    def content(self, name):
        with open(self.path(name), "rb") as file:
            return file.read()

    def start(self, *arguments, machine="arm-virt", kernel=None, **options):
        files = dict(stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        guest = subprocess.Popen([PATCHBAY, "run", machine, "--kernel", kernel or self.echo, *arguments], cwd=self.folder,
                                 **{**files, **options})
        self.addCleanup(self.stop, guest)
        return guest

    @staticmethod
    def stop(guest):
        if guest.poll() is None:
            guest.kill()
        guest.communicate()

    def ended(self, guest, status=0, out=b"", err=b""):
        """It ends by itself, with that status and those words."""
        said_out, said_err = guest.communicate(timeout=LIMIT)
        self.assertEqual((said_out or b"", said_err or b"", guest.returncode), (out, err, status))


# ---- every type, both ways

def all_bytes():
    """Everything but the Q that ends the guest."""
    return bytes(i for i in range(256) if i != ord("Q")) * 40


class Types(Guests):
    def talk(self, peer, late=False):
        """To a socket whose other side is the guest's UART; late: it may have begun before we came."""
        peer.settimeout(LIMIT)
        sender = threading.Thread(target=peer.sendall, args=(all_bytes() + b"Q",))
        sender.start()
        got = read_until(lambda fd, n: peer.recv(n), peer, b"Q")
        sender.join()
        if not late:
            self.assertEqual(got[:7], b"ready\r\n")
        self.check(got[-1 - len(all_bytes()):])
        self.assertEqual(peer.recv(1), b"")
        peer.close()

    def check(self, got):
        """The guest sent everything back; without ten thousand bytes in the message."""
        expected = all_bytes() + b"Q"
        wrong = next((i for i, pair in enumerate(zip(got, expected)) if pair[0] != pair[1]), None)
        self.assertEqual((len(got), wrong), (len(expected), None))

    def connect(self, guest, family, address):
        """The guest runs whether somebody is connected or not, so its first words may be gone."""
        peer = socket.socket(family)
        while peer.connect_ex(address) != 0:
            self.assertIsNone(guest.poll(), guest.stderr)
            peer.close()
            peer = socket.socket(family)
        return peer

    @staticmethod
    def free_port():
        with socket.create_server(("127.0.0.1", 0)) as free:
            return free.getsockname()[1]

    def test_stdio_pipes(self):
        """Ctrl-A and whatever else comes by a pipe are the guest's."""
        guest = self.start(stdin=subprocess.PIPE)
        out, err = guest.communicate(all_bytes() + b"Q", timeout=LIMIT)
        self.assertEqual((out, err, guest.returncode), (b"ready\r\n" + all_bytes() + b"Q", b"", 0))

    def test_stdio_input_ends(self):
        guest = self.start(stdin=subprocess.PIPE)
        guest.stdin.write(b"some words")
        guest.stdin.close()
        guest.stdin = None
        self.assertEqual(read_until(os.read, guest.stdout.fileno(), b"words"), b"ready\r\nsome words")
        guest.terminate()
        self.ended(guest, 128 + signal.SIGTERM)

    def test_stdio_sockets(self):
        ours, theirs = socket.socketpair()
        guest = self.start(stdin=theirs, stdout=theirs)
        theirs.close()
        self.talk(ours)
        self.ended(guest)

    def test_file(self):
        self.file("input", all_bytes() + b"Q")
        self.file("output", b"before\n")
        self.ended(self.start("--serial", "file,path=output,input=input"))
        self.assertEqual(self.content("output"), b"ready\r\n" + all_bytes() + b"Q")
        self.file("input", b"Q")
        self.ended(self.start("--serial", "file,path=output,input=input,append=true"))
        self.assertEqual(self.content("output"), b"ready\r\n" + all_bytes() + b"Qready\r\nQ")

    def test_file_fifos(self):
        os.mkfifo(self.path("in"))
        os.mkfifo(self.path("out"))
        out = os.open(self.path("out"), os.O_RDONLY | os.O_NONBLOCK)
        self.addCleanup(os.close, out)
        guest = self.start("--serial", "file,path=out,input=in")
        self.assertEqual(read_until(os.read, out, b"\n"), b"ready\r\n")
        with open(self.path("in"), "wb") as file:  # the writer may come late
            file.write(b"wordsQ")
        self.ended(guest)
        self.assertEqual(read_until(os.read, out, b"Q"), b"wordsQ")

    def test_pty(self):
        guest = self.start("--serial", "pty,link=console")
        line = guest.stderr.readline().decode()
        name = re.fullmatch(r"host\.serial0: pty (/dev/pts/\d+)\n", line).group(1)
        self.assertEqual(os.readlink(self.path("console")), name)
        terminal = os.open(self.path("console"), os.O_RDWR | os.O_NOCTTY)
        self.addCleanup(os.close, terminal)
        self.assertEqual(read_until(os.read, terminal, b"\n"), b"ready\r\n")
        sender = threading.Thread(target=os.write, args=(terminal, all_bytes() + b"Q"))
        sender.start()
        self.check(read_until(os.read, terminal, b"Q"))
        sender.join()
        self.ended(guest)
        self.assertFalse(os.path.lexists(self.path("console")))

    def test_pty_left_over(self):
        """A link whose machine was killed does not stand in the way; another's file does (see Mistakes)."""
        os.symlink("/dev/pts/none", self.path("console"))
        guest = self.start("--serial", "pty,link=console")
        self.assertRegex(guest.stderr.readline(), b"pty /dev/pts/")
        terminal = os.open(self.path("console"), os.O_RDWR | os.O_NOCTTY)
        self.addCleanup(os.close, terminal)
        os.write(terminal, b"Q")
        self.ended(guest)

    def test_tcp_server(self):
        port = self.free_port()
        guest = self.start("--serial", f"tcp,port={port}")
        peer = self.connect(guest, socket.AF_INET, ("127.0.0.1", port))
        self.talk(peer, late=True)
        self.ended(guest)

    def test_tcp_client(self):
        with socket.create_server(("127.0.0.1", 0)) as server:
            server.settimeout(LIMIT)
            guest = self.start("--serial", f"tcp,port={server.getsockname()[1]},host=localhost,server=false", "--check")
            self.talk(server.accept()[0])
        self.ended(guest)

    def test_unix_server(self):
        guest = self.start("--serial", "unix,path=socket")
        peer = self.connect(guest, socket.AF_UNIX, self.path("socket"))
        self.talk(peer, late=True)
        self.ended(guest)
        self.assertFalse(os.path.exists(self.path("socket")))

    def test_unix_server_left_over(self):
        with socket.socket(socket.AF_UNIX) as old:
            old.bind(self.path("socket"))
        guest = self.start("--serial", "unix,path=socket")
        self.talk(self.connect(guest, socket.AF_UNIX, self.path("socket")), late=True)
        self.ended(guest)

    def test_unix_client(self):
        with socket.socket(socket.AF_UNIX) as server:
            server.bind(self.path("socket"))
            server.listen()
            server.settimeout(LIMIT)
            guest = self.start("--serial", "unix,path=socket,server=false", "--check")
            self.talk(server.accept()[0])
        self.ended(guest)
        self.assertTrue(os.path.exists(self.path("socket")))  # it is not ours

    def test_client_whose_peer_leaves(self):
        with socket.socket(socket.AF_UNIX) as server:
            server.bind(self.path("socket"))
            server.listen()
            guest = self.start("--serial", "unix,path=socket,server=false", kernel=self.file("k", program.elf(flood(500000))))
            peer, _ = server.accept()
            peer.recv(1)
            peer.close()
        self.ended(guest, 0, b"", b"host.serial0: warning: the peer left: output is lost from here on\n")

    def test_null(self):
        self.ended(self.start("--serial", "null", kernel=self.file("k", program.elf(flood(1000)))))

    def test_virtio_console_type_checks(self):
        """Nothing that the backends do is against the rules of the checking layer."""
        guest = self.start("--check", stdin=subprocess.PIPE)
        out, err = guest.communicate(b"abcQ", timeout=LIMIT)
        self.assertEqual((out, err, guest.returncode), (b"ready\r\nabcQ", b"", 0))

    TWO = """include: arm-mini
machine: two
devices:
  uart0: { serial: "host.serial0.port[0]" }
  uart1: { type: pl011, at: 0x09001000, irq: "", serial: "host.serial0.port[1]" }
backends:
  serial0: { ports: 2 }
"""


# ---- readers that are slow, or leave

class Readers(Guests):
    COUNT = 200000

    def setUp(self):
        super().setUp()
        self.flood = self.file("flood", program.elf(flood(self.COUNT)))

    @staticmethod
    def is_full(pipe):
        return unread(pipe.fileno()) >= 65536

    def test_slow(self):
        """Nothing of standard output is lost, whenever it is read."""
        guest = self.start(kernel=self.flood)
        until(self.is_full, guest.stdout)
        self.ended(guest, 0, flooded(self.COUNT))

    def test_deterministic_does_not_notice(self):
        """Nobody reads, and some output is dropped; what the guest does is the same to the last bit."""
        def run(stdout):
            with open(self.path("hashes"), "wb") as err:
                guest = self.start("--deterministic", "--state-hash", "500000", "--serial", "stdio,patience=5", kernel=self.flood,
                                   stdout=stdout, stderr=err)
            self.assertEqual(guest.wait(LIMIT), 0)
            return self.content("hashes").splitlines()
        with open(os.devnull, "wb") as null:
            read = run(null)
        unread = run(subprocess.PIPE)
        self.assertGreater(len(read), 1)
        warnings = [line for line in unread if line.startswith(b"host.serial0: warning: nobody reads from standard output: ")]
        self.assertEqual(len(warnings), 1)
        self.assertEqual([line for line in unread if line not in warnings], read)

    def test_ends_with_a_reader_that_does_not_read(self):
        guest = self.start(kernel=self.flood)
        until(self.is_full, guest.stdout)
        guest.terminate()
        guest.wait(LIMIT)
        out, err = guest.communicate()
        self.assertEqual(guest.returncode, 128 + signal.SIGTERM)
        self.assertTrue(flooded(self.COUNT).startswith(out))
        self.assertRegex(err, rb"\Ahost\.serial0: warning: nobody reads from standard output: the last \d+ bytes of output are "
                              rb"lost\n\Z")

    def test_leaves(self):
        """As in `patchbay ... | head`: the guest goes on, and it is said once."""
        guest = self.start(kernel=self.flood)
        guest.stdout.read(10)
        guest.stdout.close()
        guest.stdout = None
        self.ended(guest, 0, b"", b"host.serial0: warning: cannot write to standard output: Broken pipe; output is lost from here "
                                  b"on\n")

    def test_full_disk(self):
        with open("/dev/full", "wb") as full:
            guest = self.start(kernel=self.flood, stdout=full)
        self.ended(guest, 0, b"", b"host.serial0: warning: cannot write to standard output: No space left on device; output is "
                                  b"lost until there is space\n")

    def test_closed_from_the_beginning(self):
        """A file must not be opened in the place of standard output, and get it."""
        disk = self.file("disk", bytes(65536))
        words = [PATCHBAY, "run", "arm-virt", "--kernel", self.flood, "--drive", disk]
        done = subprocess.run(["sh", "-c", '"$@" <&- >&- 2>&-', "sh", *words], timeout=LIMIT, check=False)
        self.assertEqual(done.returncode, 0)
        self.assertEqual(self.content("disk"), bytes(65536))


# ---- the terminal

class Terminal(Guests):
    """The guest has a terminal, whose master is `keyboard`; `screen` is ours, to look at the settings."""

    def setUp(self):
        super().setUp()
        self.keyboard, self.screen = pty.openpty()
        self.addCleanup(self.close)
        self.saved = termios.tcgetattr(self.screen)
        self.assertFalse(self.is_raw())

    def close(self):
        os.close(self.screen)
        if self.keyboard >= 0:
            os.close(self.keyboard)

    def start_here(self, *arguments, ready=True, command=None, **options):
        def own_terminal():
            os.setsid()
            fcntl.ioctl(self.screen, termios.TIOCSCTTY, 0)
            signal.signal(signal.SIGHUP, signal.SIG_DFL)     # whoever started the tests may ignore it
        files = dict(stdin=self.screen, stdout=self.screen, stderr=self.screen, preexec_fn=own_terminal)
        if command:
            guest = subprocess.Popen(command, cwd=self.folder, **{**files, **options})
            self.addCleanup(self.stop, guest)
        else:
            guest = self.start(*arguments, **{**files, **options})
        if ready:
            self.expect(b"ready\r\r\n")
            self.assertTrue(self.is_raw())
        return guest

    def expect(self, end):
        return read_until(os.read, self.keyboard, end)

    def type(self, keys):
        os.write(self.keyboard, keys)

    def settings(self):
        return termios.tcgetattr(self.screen)

    def is_raw(self):
        return not self.settings()[3] & (termios.ICANON | termios.ECHO | termios.ISIG)

    def is_restored(self):
        return self.settings() == self.saved

    def nonblocking(self):
        return fcntl.fcntl(self.screen, fcntl.F_GETFL) & os.O_NONBLOCK

    @staticmethod
    def children(parent):
        found = []
        for name in os.listdir("/proc"):
            try:
                with open(f"/proc/{name}/stat", encoding="ascii", errors="replace") as file:
                    if name.isdigit() and int(file.read().rpartition(")")[2].split()[1]) == parent:
                        found.append(int(name))
            except OSError:
                pass  # it ended
        return found

    def guard(self, guest):
        """The process that restores the terminal when the guest's cannot."""
        child, = self.children(guest.pid)
        with open(f"/proc/{child}/comm", encoding="ascii") as file:
            self.assertEqual(file.read(), "patchbay-tty\n")
        return os.pidfd_open(child)

    @staticmethod
    def await_end(pidfd):
        ended = select.select([pidfd], [], [], LIMIT)[0]
        os.close(pidfd)
        if not ended:
            raise TimeoutError("the guard is still there")

    def over(self, guest, guard, status):
        self.assertEqual(guest.wait(LIMIT), status)
        self.await_end(guard)
        self.assertEqual(self.settings(), self.saved)
        self.assertFalse(self.nonblocking())

    # ---- ends

    def test_power_off(self):
        guest = self.start_here()
        guard = self.guard(guest)
        self.assertFalse(self.nonblocking())  # others share the description
        self.type(b"a\3\4\32\34\21\23\1\1Q")
        self.assertEqual(self.expect(b"Q"), b"a\3\4\32\34\21\23\1Q")
        self.over(guest, guard, 0)

    def test_quit(self):
        guest = self.start_here()
        guard = self.guard(guest)
        self.type(b"\1x")
        self.over(guest, guard, 0)

    def signalled(self, number, status):
        guest = self.start_here()
        guard = self.guard(guest)
        guest.send_signal(number)
        self.over(guest, guard, status)

    def test_terminate(self):
        self.signalled(signal.SIGTERM, 128 + signal.SIGTERM)

    def test_interrupt(self):
        self.signalled(signal.SIGINT, 128 + signal.SIGINT)

    def test_hang_up(self):
        self.signalled(signal.SIGHUP, 128 + signal.SIGHUP)

    def test_kill(self):
        self.signalled(signal.SIGKILL, -signal.SIGKILL)

    def test_kill_the_group(self):
        guest = self.start_here()
        guard = self.guard(guest)
        os.killpg(guest.pid, signal.SIGKILL)
        self.over(guest, guard, -signal.SIGKILL)

    def test_abort(self):
        self.signalled(signal.SIGABRT, -signal.SIGABRT)

    def test_terminal_goes(self):
        """The window is closed."""
        guest = self.start_here()
        os.close(self.keyboard)
        self.keyboard = -1
        self.assertEqual(guest.wait(LIMIT), 128 + signal.SIGHUP)

    def test_configuration_error(self):
        """Found after the terminal was made raw."""
        guest = self.start_here("--firmware", "none", kernel=self.path("no kernel"), ready=False)
        self.assertIn(b"No such file or directory", self.expect(b"\n"))
        self.assertEqual(guest.wait(LIMIT), 2)
        self.assertTrue(self.is_restored())

    def test_guard_was_killed(self):
        guest = self.start_here()
        guard = self.guard(guest)
        signal.pidfd_send_signal(guard, signal.SIGKILL)
        self.await_end(guard)
        self.type(b"Q")
        self.assertEqual(guest.wait(LIMIT), 0)
        self.assertTrue(self.is_restored())

    def test_guard_outlives_signals(self):
        guest = self.start_here()
        guard = self.guard(guest)
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGQUIT, signal.SIGTSTP, signal.SIGUSR1):
            signal.pidfd_send_signal(guard, number)
        guest.kill()
        self.over(guest, guard, -signal.SIGKILL)

    def test_guard_was_stopped(self):
        """It does not hold up the end."""
        guest = self.start_here()
        guard = self.guard(guest)
        signal.pidfd_send_signal(guard, signal.SIGSTOP)
        self.type(b"\1x")
        self.over(guest, guard, 0)

    # ---- stopped and continued

    def await_stop(self, guest):
        self.assertTrue(os.WIFSTOPPED(os.waitpid(guest.pid, os.WUNTRACED)[1]))

    def test_stopped_as_a_terminal_does(self):
        guest = self.start_here()
        guest.send_signal(signal.SIGTSTP)
        self.await_stop(guest)
        self.assertTrue(self.is_restored())
        guest.send_signal(signal.SIGCONT)
        until(self.is_raw)
        self.type(b"a")
        self.assertEqual(self.expect(b"a"), b"a")
        guard = self.guard(guest)
        self.type(b"\1x")
        self.over(guest, guard, 0)

    def test_stopped(self):
        """The shell sets the terminal meanwhile; here it is us."""
        guest = self.start_here()
        guest.send_signal(signal.SIGSTOP)
        self.await_stop(guest)
        termios.tcsetattr(self.screen, termios.TCSANOW, self.saved)
        guest.send_signal(signal.SIGCONT)
        until(self.is_raw)
        guard = self.guard(guest)
        guest.send_signal(signal.SIGTERM)
        self.over(guest, guard, 128 + signal.SIGTERM)

    def in_a_shell(self, commands):
        """A shell with job control, which runs the guest and then some commands."""
        script = f'set -m; "{PATCHBAY}" run arm-virt --kernel "{self.echo}"; {commands}; echo over'
        shell = self.start_here(command=["bash", "-c", script])
        guest, = self.children(shell.pid)
        return shell, guest

    def test_to_the_foreground(self):
        shell, guest = self.in_a_shell("stty sane; echo stopped; fg")
        os.kill(guest, signal.SIGSTOP)
        self.expect(b"stopped\r\n")
        until(self.is_raw)
        self.type(b"aQ")
        self.expect(b"over\r\n")
        self.assertEqual(shell.wait(LIMIT), 0)
        self.assertFalse(self.is_raw())  # bash puts back what it found after stty

    def test_killed_in_the_background(self):
        """The terminal is the shell's then, and stays as that has set it."""
        shell, guest = self.in_a_shell("stty sane erase '#'; bg; kill -9 %1; wait")
        guard = os.pidfd_open(self.children(guest)[0])
        os.kill(guest, signal.SIGSTOP)
        self.expect(b"over\r\n")
        self.assertEqual(shell.wait(LIMIT), 0)
        self.await_end(guard)
        self.assertEqual(self.settings()[6][termios.VERASE], b"#")
        self.assertFalse(self.is_raw())

    # ---- what else may be

    def test_output_elsewhere(self):
        """With standard output in a file, help is still on the screen; and not in the file."""
        with open(self.path("out"), "wb") as out:
            guest = self.start_here(stdout=out, ready=False)
        until(self.is_raw)
        self.type(b"\1h")
        self.assertIn(b"Ctrl-A x       end the run\r", self.expect(b"send Ctrl-A\r\r\n"))
        self.type(b"abcQ")
        self.assertEqual(guest.wait(LIMIT), 0)
        self.assertEqual(self.content("out"), b"ready\r\nabcQ")
        self.assertTrue(self.is_restored())

    def test_cooked(self):
        """With raw=false the terminal is left alone, and Ctrl-C ends the run."""
        guest = self.start_here("--serial", "stdio,raw=false", ready=False)
        self.expect(b"ready\r\r\n")
        self.assertTrue(self.is_restored())
        self.type(b"\1x\n")
        self.assertEqual(self.expect(b"\n\1x\r\n"), b"^Ax\r\n\1x\r\n")
        self.type(b"\3")
        self.assertEqual(guest.wait(LIMIT), 128 + signal.SIGINT)

    def test_two_ports(self):
        """Two UARTs share the terminal."""
        machine = self.file("two.yaml", Types.TWO)
        guest = self.start_here(machine=machine, kernel=self.file("k", program.elf(ECHO_TWO)))
        self.type(b"a\1cb\1cc")
        self.assertEqual(sorted(self.expect_count(3 + 2 * len("\r\r\n[input goes to port 0]\r\r\n"))), sorted(
            b"aBc\r\r\n[input goes to port 1]\r\r\n\r\r\n[input goes to port 0]\r\r\n"))
        self.type(b"\1h")
        self.assertIn(b"Ctrl-A c ", self.expect(b"send Ctrl-A\r\r\n"))
        self.type(b"Q")
        self.assertEqual(guest.wait(LIMIT), 0)
        self.assertTrue(self.is_restored())

    def expect_count(self, count):
        got = b""
        while len(got) < count:
            if not select.select([self.keyboard], [], [], LIMIT)[0]:
                raise TimeoutError(f"{count} bytes did not come: {got[-200:]!r}")
            got += os.read(self.keyboard, count - len(got))
        return got


# ---- what cannot work

class Mistakes(Guests):
    def refused(self, serial, message):
        self.ended(self.start("--serial", serial), 2, b"", message.encode() + b"\n")

    def test_sockets(self):
        port = Types.free_port()
        self.refused("tcp", "--serial: 'port' is missing: chardev/tcp needs it (TCP port)")
        self.refused(f"tcp,port={port},host=127.0.0.1,server=maybe", "--serial: server: 'maybe' is not true or false")
        self.refused(f"tcp,port={port},prot=1", "--serial: nothing that 'serial' adds has a property 'prot'; did you mean 'port'?")
        self.refused(f"tcp,port={port},server=false", f"patchbay: host.serial0: cannot connect to 127.0.0.1 port {port}: Connection "
                     "refused")
        with socket.create_server(("127.0.0.1", 0)) as server:
            port = server.getsockname()[1]
            self.refused(f"tcp,port={port}", f"patchbay: host.serial0: cannot listen at 127.0.0.1 port {port}: Address already in use")
        name = "x" * 70  # longer than a label may be: nobody is asked
        self.refused(f"tcp,port={port},host={name}", f"patchbay: host.serial0: cannot resolve {name}: Name or service not known")

    def test_port_numbers(self):
        for port, why in (("0", "0 is outside 1 to 65535"), ("70000", "70000 is outside 1 to 65535"),
                          ("http", "'http' is not a number, such as 16 or 0x10")):
            guest = self.start("--serial", f"tcp,port={port}")
            _, err = guest.communicate(timeout=LIMIT)
            self.assertEqual(guest.returncode, 2)
            self.assertEqual(err.decode().splitlines()[0], f"--serial: port: {why}")

    def test_unix(self):
        self.refused("unix,path=", "patchbay: host.serial0: the path of a unix socket must have 1 to 107 bytes, not 0")
        self.refused("unix,path=" + "x" * 108, "patchbay: host.serial0: the path of a unix socket must have 1 to 107 bytes, not 108")
        self.refused("unix,path=none/s", "patchbay: host.serial0: cannot listen at none/s: No such file or directory")
        self.refused("unix,path=s,server=false", "patchbay: host.serial0: cannot connect to s: No such file or directory")
        self.file("s", b"content")
        self.refused("unix,path=s", "patchbay: host.serial0: cannot listen at s: Address already in use")
        self.refused("unix,path=s,server=false", "patchbay: host.serial0: cannot connect to s: Connection refused")
        self.assertEqual(self.content("s"), b"content")
        with socket.socket(socket.AF_UNIX) as other:
            other.bind(self.path("t"))
            other.listen()
            self.refused("unix,path=t", "patchbay: host.serial0: cannot listen at t: Address already in use")
        self.assertTrue(os.path.exists(self.path("t")))

    def test_files(self):
        self.file("kept", b"content")
        os.mkdir(self.path("d"))
        os.mkfifo(self.path("fifo"))
        self.refused("file", "--serial: 'path' is missing: chardev/file needs it (File that output goes to)")
        self.refused("file,path=", "patchbay: host.serial0: path is empty: expected the file to write to")
        self.refused("file,path=d", "patchbay: host.serial0: cannot open d: Is a directory")
        self.refused("file,path=none/x", "patchbay: host.serial0: cannot open none/x: No such file or directory")
        self.refused("file,path=fifo", "patchbay: host.serial0: cannot open fifo: nobody reads from it")
        self.refused("file,path=kept,input=none", "patchbay: host.serial0: cannot open none: No such file or directory")
        self.refused("file,path=kept,input=d", "patchbay: host.serial0: cannot open d: Is a directory")
        self.refused("file,path=kept,apend=true", "--serial: nothing that 'serial' adds has a property 'apend'; did you mean 'append'?")
        self.assertEqual(self.content("kept"), b"content")

    def test_unwritable(self):
        def no_override():
            """Root, too, asks whether it may: without CAP_DAC_OVERRIDE (1) in its bounding set (PR_CAPBSET_DROP, 24)."""
            ctypes.CDLL(None).prctl(24, 1, 0, 0, 0)
        os.chmod(self.file("locked", b"content"), 0o444)
        self.ended(self.start("--serial", "file,path=locked", preexec_fn=no_override), 2, b"",
                   b"patchbay: host.serial0: cannot open locked: Permission denied\n")

    def test_terminals(self):
        self.file("link", b"content")
        os.symlink("link", self.path("other"))
        self.refused("pty,link=link", "patchbay: host.serial0: cannot make the link link: File exists")
        self.refused("pty,link=other", "patchbay: host.serial0: cannot make the link other: File exists")
        self.refused("pty,link=none/x", "patchbay: host.serial0: cannot make the link none/x: No such file or directory")
        self.refused("pty,lnik=x", "--serial: nothing that 'serial' adds has a property 'lnik'; did you mean 'link'?")
        self.refused("stdio,ports=9", "--serial: ports: 9 is outside 1 to 8")
        self.refused("stdio,patience=long", "--serial: patience: 'long' is not a number, such as 16 or 0x10")

    def test_types(self):
        self.refused("fiel,path=x", "--serial: plugin host-chardev has no backend type 'fiel'; it has stdio, file, pty, tcp, unix, "
                     "random, null; did you mean 'file'?")

    def test_one_terminal_for_two(self):
        machine = self.file("two.yaml", """include: arm-mini
machine: two
devices:
  uart1: { type: pl011, at: 0x09001000, irq: "", serial: host.serial1 }
backends:
  serial1: { type: chardev/stdio }
""")
        self.ended(self.start(machine=machine), 2, b"", f"patchbay: {machine}:6:3: host.serial1: host.serial0 has standard input and "
                   "output already: several ports share them by one chardev/stdio with 'ports'\n".encode())


if __name__ == "__main__":
    cases.main()
