#!/usr/bin/env python3
"""gdb looks into Linux: virtual addresses of the kernel and of programs, exceptions between both. Needs the guest that
tools/guests fetches.

usage: test_gdb_linux.py PATCHBAY [UNITTEST-ARGUMENT...]
"""

import os
import subprocess
import sys
import unittest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import guest  # noqa: E402
import client  # noqa: E402
import cases  # noqa: E402

PATCHBAY = os.path.abspath(sys.argv.pop(1))
TOOL = guest.HERE.parent.parent / "tools" / "guests"
SVC, SVC_CLASS = 0xd4000001, 0x15
FROM_USER = 0x400  # synchronous exceptions, in the table of vectors
KERNEL = 0xffff << 48


def path_of(name):
    found = subprocess.run([TOOL, "path", name], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    return found.stdout.strip() if found.returncode == 0 else None


KERNEL_FILE, INITRD = path_of("linux-arm64-cloud"), path_of("initramfs-arm64")


@unittest.skipUnless(client.GDB, "there is no gdb-multiarch")
@unittest.skipUnless(KERNEL_FILE and INITRD, "tools/guests has not fetched Linux")
class Linux(client.Case):
    def test_linux(self):
        machine = client.Machine(PATCHBAY, ["arm-virt", "--kernel", KERNEL_FILE, "--initrd", INITRD, "--append",
                                            "console=ttyAMA0 panic=-1", "--set", "ram=512MiB", "--set", "cpus=4",
                                            "--set", "gic=3", "--serial", "stdio", "--no-reboot", "--accel", "jit"])
        self.addCleanup(machine.close)
        gdb = self.attach(machine)
        self.assertEqual(gdb.value("$SCTLR_EL1 & 1"), 0)
        gdb.stops.clear()
        gdb.run("-exec-continue")
        console = b""
        while b"Linux version" not in console:
            console += machine.process.stdout.readline()
        gdb.run("-exec-interrupt")
        gdb.stop()
        vectors = gdb.value("$VBAR_EL1")
        self.assertEqual(vectors & KERNEL, KERNEL)
        self.assertEqual(gdb.value("$SCTLR_EL1 & 1"), 1)
        self.assertNotEqual(gdb.value(f"*(unsigned*){vectors + FROM_USER:#x}"), 0)
        # The first system call of all.
        gdb.run(f"hbreak *{vectors + FROM_USER:#x} if ($ESR_EL1 >> 26) == {SVC_CLASS:#x}")
        self.assertIn('reason="breakpoint-hit"', gdb.go())
        call = gdb.value("$ELR_EL1")
        self.assertLess(call, 1 << 48)
        self.assertEqual(gdb.value(f"*(unsigned*){call - 4:#x}"), SVC)
        self.assertEqual(gdb.value("($cpsr >> 2) & 3"), 1)
        # Into the handler, and back to behind the call.
        gdb.go("stepi")
        self.assertIn(gdb.value("$pc") - vectors - FROM_USER, (4, 12))  # on, or by the branch that is there
        gdb.run("delete")
        gdb.run(f"tbreak *{call:#x}")
        gdb.go()
        self.assertEqual((gdb.value("$pc"), gdb.value("($cpsr >> 2) & 3")), (call, 0))
        # A step over the next instructions of the program; interrupts wait.
        gdb.go("stepi")
        self.assertLess(gdb.value("$pc"), 1 << 48)
        # A store to its stack.
        stack = gdb.value("$sp")
        gdb.run(f"watch *(unsigned long*){stack - 8:#x}")
        gdb.run(f"awatch *(unsigned long*){stack:#x}")
        self.assertRegex(gdb.go(), 'reason="(access-)?watchpoint-trigger"')
        gdb.run("delete")
        gdb.run("detach")
        gdb.close()
        self.assertEqual(machine.wait(), 0)


if __name__ == "__main__":
    cases.main()
