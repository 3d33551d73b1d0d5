#!/usr/bin/env python3
"""Files and host services that a run is given: each that is wrong is refused with status 2 and one exact line. And
where things are put that are right.

usage: test_backends.py PATCHBAY [UNITTEST-ARGUMENT...]
"""

import gzip
import os
import socket
import struct
import subprocess
import sys
import tempfile
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
import cases  # noqa: E402
import program  # noqa: E402

PATCHBAY = os.path.abspath(sys.argv.pop(1))
NOT_A_KERNEL = ("kernel is not a kernel: expected an arm64 Image, an ELF file for AArch64, or a gzip of one "
                "(a raw image needs raw-address)")
EXPECTED = ": expected an arm64 Image, an ELF file for AArch64, or a gzip of one"
WORDS = program.prints("x")


class Run(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = folder.name

    def path(self, name):
        return os.path.join(self.folder, name)

    def file(self, name, content):
        with open(self.path(name), "wb") as file:
            file.write(content)
        return name

    def sparse(self, name, length):
        self.file(name, b"")
        os.truncate(self.path(name), length)
        return name

    def run_machine(self, *options, machine="arm-virt"):
        done = subprocess.run([PATCHBAY, "run", machine, *options], stdin=subprocess.DEVNULL, cwd=self.folder,
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=60, check=False)
        return done.returncode, done.stdout.decode(), done.stderr.decode()

    def refused(self, line, *options, **keywords):
        status, _, err = self.run_machine(*options, **keywords)
        self.assertEqual(err.replace(self.folder + "/", ""), f"patchbay: {line}\n")
        self.assertEqual(status, 2)

    def runs(self, expected, *options, **keywords):
        status, out, err = self.run_machine(*options, **keywords)
        self.assertEqual(err, "")
        self.assertEqual((status, out), (0, expected))

    def kernel(self, content=program.elf(WORDS)):
        return self.file("kernel", content)


class Kernels(Run):
    def bad(self, text, content, *options):
        self.kernel(content)
        self.refused("boot.linux: " + text, "--kernel", "kernel", *options)

    def test_what_is_no_file(self):
        os.mkdir(self.path("folder"))
        os.symlink("loop", self.path("loop"))
        listener = socket.socket(socket.AF_UNIX)
        listener.bind(self.path("socket"))
        listener.close()
        self.refused("boot.linux: cannot open 'none': No such file or directory", "--kernel", "none")
        self.refused("boot.linux: cannot read 'folder': Is a directory", "--kernel", "folder")
        self.refused("boot.linux: cannot open 'loop': Too many levels of symbolic links", "--kernel", "loop")
        self.refused("boot.linux: cannot open 'socket': No such device or address", "--kernel", "socket")
        self.bad("kernel is empty", b"")

    def test_a_pipe(self):
        """What can be read only once is as good as a file."""
        reader, writer = os.pipe()
        with os.fdopen(writer, "wb") as file:
            file.write(program.packed(program.elf(WORDS)))
        with os.fdopen(reader):
            done = subprocess.run([PATCHBAY, "run", "arm-virt", "--kernel", f"/dev/fd/{reader}"], timeout=60,
                                  stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, check=False, pass_fds=[reader])
        self.assertEqual((done.returncode, done.stdout), (0, b"x"))

    def test_other_kinds(self):
        for offset, magic, name in ((0x202, b"HdrS", "an x86 kernel (bzImage)"),
                                    (0x24, b"\x18\x28\x6f\x01", "a 32-bit Arm kernel (zImage)"),
                                    (0x38, b"RSC\x05", "a RISC-V kernel (Image)"),
                                    (0x04, b"zimg", "an EFI zboot image, which only EFI firmware unpacks"),
                                    (0x00, b"\xfd7zXZ", "a file compressed with xz"),
                                    (0x00, b"\x28\xb5\x2f\xfd", "a file compressed with zstd")):
            content = bytearray(1024)
            content[0:2] = b"MZ"
            content[offset:offset + len(magic)] = magic
            self.bad(f"kernel is {name}{EXPECTED}", content)
            self.bad(f"kernel is {name}{EXPECTED}", program.packed(content))
        self.bad(NOT_A_KERNEL, b"some text\n" * 100)
        self.bad(NOT_A_KERNEL, b"MZ")

    def test_images(self):
        ram = "but RAM is 0x20000000 bytes at 0x40000000"
        good = program.image(WORDS)
        self.bad("kernel is a big-endian kernel, which this loader does not start", program.image(WORDS, flags=1))
        self.bad(f"kernel is damaged: its header promises 80 bytes, the file has {len(good)}",
                 program.image(WORDS, size=80))
        self.bad(f"kernel needs {1 << 30:#x} bytes at 0x40000000, {ram}", program.image(WORDS, size=1 << 30))
        self.bad(f"kernel needs {len(good):#x} bytes at {(1 << 60) + (1 << 30):#x}, {ram}",
                 program.image(WORDS, offset=1 << 60))
        pe = bytearray(good)
        pe[0:2] = b"MZ"
        pe[0x3c:0x40] = struct.pack("<I", 4096)
        self.bad(f"kernel is truncated: its header promises 4120 bytes, the file has {len(good)}", pe)

    def test_programs(self):
        ram = "but RAM is 0x20000000 bytes at 0x40000000"
        good = program.elf(WORDS)
        self.bad("kernel is an ELF file (64-bit, little-endian, x86-64), but not for little-endian AArch64",
                 program.elf(WORDS, machine=62))
        self.bad("kernel is an ELF file, but not an executable", program.elf(WORDS, kind=1))
        self.bad("kernel: the ELF header is truncated", good[:40])
        self.bad("kernel: the program headers lie outside the file: truncated?", good[:100])
        self.bad("kernel: segment 0 lies outside the file: truncated?", good[:-1])
        self.bad(f"kernel needs {len(WORDS) * 4:#x} bytes at 0x1000, {ram}", program.elf(WORDS, address=0x1000))
        self.bad(f"kernel needs {1 << 40:#x} bytes at 0x40080000, {ram}", program.elf(WORDS, memory_bytes=1 << 40))
        self.bad("kernel: the entry point 0x3ffffffc lies in no segment that is loaded",
                 good[:24] + struct.pack("<Q", 0x3ffffffc) + good[32:])

    def test_entry_by_virtual_address(self):
        good = program.elf(WORDS)
        virtual = struct.pack("<Q", 0xffffffc008000000)
        self.runs("x", "--kernel", self.kernel(good[:24] + virtual + good[32:80] + virtual + good[88:]))

    def test_packed(self):
        good = program.packed(program.image(WORDS))
        self.bad("kernel: the compressed data is truncated", good[:-9])
        self.bad("kernel: the compressed data is damaged", good[:20] + b"\xff" * 50)
        self.bad("kernel: 4 bytes follow the compressed data, which are not gzip", good + b"tail")
        self.bad("kernel: decompressed it is empty", program.packed(b""))
        bomb = program.packed(bytes(1 << 20)) * 33
        self.bad("kernel: decompressed it is larger than RAM (0x2000000 bytes)", bomb, "--set", "ram=32MiB")
        image = program.image(WORDS)
        self.runs("x", "--kernel", self.kernel(gzip.compress(image[:70]) + gzip.compress(image[70:])))

    def test_raw(self):
        self.file("raw.yaml", b"include: arm-virt\nmachine: raw\nparameters: { where: { type: uint, default: 0 } }\n"
                  b"boot: { linux: { raw-address: \"${where}\" } }\n")
        kernel = self.kernel(program.code(WORDS))
        size = len(WORDS) * 4
        self.runs("x", "--kernel", kernel, "--set", "where=0x40001000", machine="raw.yaml")
        for where in ("0x1000", "0x60000000", "0x5ffffff0", "0xfffffffffffffffc"):
            self.refused(f"boot.linux: kernel needs {size:#x} bytes at {where}, but RAM is 0x20000000 bytes at "
                         "0x40000000", "--kernel", kernel, "--set", "where=" + where, machine="raw.yaml")
        self.refused("boot.linux: raw-address 0x40000002 is not a multiple of 4", "--kernel", kernel,
                     "--set", "where=0x40000002", machine="raw.yaml")

    def test_through_firmware(self):
        firmware = self.file("firmware", program.code(program.prints("f")))
        self.kernel(b"")
        self.refused("boot.linux: kernel is empty", "--kernel", "kernel", "--firmware", firmware)
        self.refused("boot.linux: cannot open 'none': No such file or directory", "--kernel", "none", "--firmware",
                     firmware)
        self.runs("f", "--kernel", self.file("other", b"anything"), "--firmware", firmware)

    def test_a_file_that_shrinks(self):
        """A kernel that is rewritten while its machine runs: the next reset is an error, not our end."""
        words = (program.prints("r")[:4]  # a character, then time to do it in, then a reset
                 + program.mov(2, 3000000) + [0xf1000442, 0x54ffffe1]
                 + program.mov(0, program.PSCI_SYSTEM_RESET) + [0xd4000002, 0x14000000])
        kernel = self.file("kernel", program.elf(words) + bytes(65536))
        with open(self.path(kernel), "r+b") as file:  # a segment of more than a page
            file.seek(64 + 32)
            file.write(struct.pack("<QQ", 60000, 60000))
        guest = subprocess.Popen([PATCHBAY, "run", "arm-virt", "--kernel", self.path(kernel)],
                                 stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        try:
            self.assertEqual(guest.stdout.read(1), b"r")
            os.truncate(self.path(kernel), 4096)
            _, err = guest.communicate(timeout=60)
        finally:
            guest.kill()
        self.assertEqual(err.decode().replace(self.folder + "/", ""),
                         "patchbay: boot.linux: kernel: cannot be copied to guest memory: the file became shorter\n")
        self.assertEqual(guest.returncode, 1)


class Initrds(Run):
    def test_errors(self):
        kernel = self.kernel()
        os.mkdir(self.path("folder"))
        self.refused("boot.linux: cannot open 'none': No such file or directory", "--kernel", kernel, "--initrd",
                     "none")
        self.refused("boot.linux: cannot read 'folder': Is a directory", "--kernel", kernel, "--initrd", "folder")
        self.refused("boot.linux: empty is empty", "--kernel", kernel, "--initrd", self.file("empty", b""))
        self.refused("boot.linux: empty is given without a kernel", "--firmware", kernel, "--initrd", "empty")
        size = (16 << 20) - (512 << 10) - 4096 + 1
        self.refused(f"boot.linux: large ({size} bytes) does not fit into RAM of 16777216 bytes beside the kernel",
                     "--kernel", kernel, "--initrd", self.sparse("large", size), "--set", "ram=16MiB")

    def test_room(self):
        """Preferred is the upper half of RAM. But all of it is there to be used, around the kernel wherever that
        is."""
        low, high = program.image(WORDS), program.elf(WORDS, address=0x41000000 - 4096)
        for kernel in (low, high):
            for size in (1, 5 << 20, 9 << 20, 13 << 20):
                with self.subTest(kernel=len(kernel), size=size):
                    self.runs("x", "--kernel", self.kernel(kernel), "--initrd", self.sparse("initrd", size), "--set",
                              "ram=16MiB")


class Trees(Run):
    def tree(self, body=b"", total=None, strings=b"", reserve=bytes(16)):
        """A flattened device tree of version 17 (Devicetree Specification v0.4, 5)."""
        struct_at = 40 + len(reserve)
        words = struct.pack(">II", 1, 0) + body + struct.pack(">II", 2, 9)
        strings_at = struct_at + len(words)
        length = strings_at + len(strings)
        return struct.pack(">10I", 0xd00dfeed, length if total is None else total, struct_at, strings_at, 40, 17, 16,
                           0, len(strings), len(words)) + reserve + words + strings

    def bad(self, text, content, *options):
        self.refused("boot.linux: " + text, "--kernel", self.kernel(), "--dtb", self.file("dtb", content), *options)

    def test_errors(self):
        good = self.tree()
        self.refused("boot.linux: cannot open 'none': No such file or directory", "--kernel", self.kernel(), "--dtb",
                     "none")
        self.bad("dtb is not a flattened device tree", b"")
        self.bad("dtb is not a flattened device tree", bytes(100))
        self.bad("dtb is not a flattened device tree", good[:39])
        self.bad("dtb: the header promises 72 bytes, the file has 71: truncated?", good[:-1])
        self.bad("dtb has 2097153 bytes by its header: a device tree has at most 2097152",
                 self.tree(total=(2 << 20) + 1))
        self.bad("dtb: the device tree is damaged: FDT_ERR_TRUNCATED", self.tree(total=60))
        self.bad("dtb: the device tree is damaged: FDT_ERR_BADSTRUCTURE", self.tree(body=bytes(4) * 2))
        self.bad("dtb: the device tree is damaged: FDT_ERR_BADVERSION", good[:20] + struct.pack(">II", 99, 99) + good[28:])

    def test_no_room(self):
        """With /chosen and the place of the RAM disk it has 92 bytes more than the file."""
        pad = (2 << 20) - 200
        large = self.tree(body=struct.pack(">III", 3, pad, 0) + bytes(pad), strings=b"pad\0")
        self.bad(f"the device tree ({len(large) + 92} bytes) does not fit into RAM of 16777216 bytes beside the "
                 "kernel", large, "--set", "ram=16MiB", "--initrd", self.sparse("initrd", 14 << 20))

    def test_own_tree(self):
        self.runs("x", "--kernel", self.kernel(), "--dtb", self.file("dtb", self.tree() + b"more"),
                  "--append", "a=b", "--initrd", self.file("initrd", b"i"))


class Drives(Run):
    def bad(self, text, spec, *options, drive=0):
        self.refused(f"host.drive{drive}: {text}", "--kernel", self.kernel(), "--drive", spec, *options)

    def test_what_is_no_image(self):
        """None of it makes the run wait."""
        os.mkfifo(self.path("fifo"))
        os.mkdir(self.path("folder"))
        self.bad("cannot open none for writing: No such file or directory", "none")
        self.bad("cannot open none: No such file or directory", "none,read-only=true")
        self.bad("cannot open none: No such file or directory", "none", "--snapshot")
        for options in ("", ",read-only=true", ",snapshot=true"):
            self.bad("fifo is a FIFO: expected a file or a block device", "fifo" + options)
            self.bad("folder is a directory: expected a file or a block device", "folder" + options)
            self.bad("/dev/zero is a character device: expected a file or a block device", "/dev/zero" + options)
        self.bad("empty is empty", self.file("empty", b""))
        self.bad("the size of odd, 1025 bytes, is not a multiple of 512: truncated?", self.file("odd", bytes(1025)))

    def test_two_users(self):
        image, kernel = self.sparse("image", 1 << 20), self.kernel()
        os.link(self.path(image), self.path("link"))
        twice = "is opened twice by this machine: 'host.drive0' has it already"
        self.bad(f"image {twice}", image, "--drive", image, drive=1)
        self.bad(f"link {twice}", image, "--drive", "link", drive=1)
        self.bad(f"image {twice}", image + ",read-only=true", "--drive", image, drive=1)
        self.bad(f"image {twice}", image, "--drive", image + ",snapshot=true", drive=1)
        self.runs("x", "--kernel", kernel, "--drive", image + ",read-only=true", "--drive", image + ",snapshot=true")
        self.file("stays", program.elf(program.prints("b")[:4] + [0x14000000]))  # b .
        other = subprocess.Popen([PATCHBAY, "run", "arm-virt", "--kernel", self.path("stays"), "--drive",
                                  self.path(image)], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE)
        try:
            self.assertEqual(other.stdout.read(1), b"b")
            self.bad("image is in use by another process", image)
            self.bad("image is in use by another process", image + ",read-only=true")
        finally:
            other.kill()
            other.communicate()
        self.runs("x", "--kernel", kernel, "--drive", image)


class Networks(Run):
    def bad(self, text, spec):
        self.refused("host.net0: " + text, "--kernel", self.kernel(), "--net", "user," + spec)

    def test_errors(self):
        size = "/8 to /27 are possible, as the host is number 2, the name server 3, and 16 guests begin at 15"
        self.bad(f"network '10.0.2.0/28': {size}", "network=10.0.2.0/28")
        self.bad(f"network '10.0.2.0/30': {size}", "network=10.0.2.0/30")
        self.bad("network '10.0.2.0' is not ADDRESS/BITS, such as 10.0.2.0/24", "network=10.0.2.0")
        self.bad("network '10.0.2.9/24' has bits set behind its 24: the network is 10.0.2.0/24",
                 "network=10.0.2.9/24")
        self.bad("hostfwd 'tcp:22' is not PROTOCOL:[HOST]:PORT-[GUEST]:PORT, such as tcp:127.0.0.1:2222-:22",
                 "hostfwd=tcp:22")
        self.bad("hostfwd 'tcp::0-:22': '0' is not a port: expected 1 to 65535", "hostfwd=tcp::0-:22")
        self.bad("cannot open tftp folder none: No such file or directory", "tftp=none")
        self.runs("x", "--kernel", self.kernel(), "--net", "user,network=10.0.2.0/27")

    def test_a_port_in_use(self):
        for kind, protocol in ((socket.SOCK_STREAM, "tcp"), (socket.SOCK_DGRAM, "udp")):
            with socket.socket(socket.AF_INET, kind) as user:
                user.bind(("127.0.0.1", 0))
                if protocol == "tcp":
                    user.listen()
                port = user.getsockname()[1]
                self.bad(f"hostfwd '{protocol}::{port}-:22': cannot listen at 127.0.0.1:{port}: Address already in use",
                         f"hostfwd={protocol}::{port}-:22")


if __name__ == "__main__":
    cases.main()
