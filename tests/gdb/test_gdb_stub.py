#!/usr/bin/env python3
"""The stub for gdb on a machine, driven by gdb, under each accelerator.

usage: test_gdb_stub.py PATCHBAY [UNITTEST-ARGUMENT...]
"""

import os
import pathlib
import re
import shutil
import sys
import tempfile
import unittest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import guest  # noqa: E402
import client  # noqa: E402
import cases  # noqa: E402

PATCHBAY = os.path.abspath(sys.argv.pop(1))
TABLE, WORDS = 0x800, 512
ALWAYS = "jit,regions=always,compile-threads=0"


@unittest.skipUnless(client.GDB, "there is no gdb-multiarch")
class Stub(client.Case):
    def start(self, accelerator="jit", processors=1, options=(), gdb=("--gdb-wait",), address=None):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.kernel = os.path.join(folder.name, "guest")
        self.labels = guest.write(self.kernel, processors)
        self.data = self.labels["data"]
        machine = client.Machine(PATCHBAY, ["arm-virt", "--kernel", self.kernel, "--accel", accelerator,
                                            "--set", f"cpus={processors}", *options], gdb, address)
        self.addCleanup(machine.close)
        return machine

    def debug(self, *arguments, **named):
        return self.attach(self.start(*arguments, **named))

    def each(self, *accelerators, processors=(1,), options=((),)):
        for accelerator in accelerators or ("interp", "jit", ALWAYS):
            for count in processors:
                for words in options:
                    try:
                        yield self.debug(accelerator, count, words)
                    except GeneratorExit:  # it failed
                        print("with", accelerator, count, "processors", *words)
                        raise

    def pc(self, gdb):
        address = gdb.value("$pc")
        return next((name for name, at in self.labels.items() if at == address), hex(address))

    def table(self, i):
        return f"*(unsigned long*)({self.data + TABLE + 8 * i:#x})"

    # ---- breakpoints and steps ------------------------------------------------------------------

    def test_breakpoints(self):
        """Of both kinds, before the instruction; in the middle of code that runs already, and gone again."""
        for gdb in self.each(options=((), ("--deterministic",))):
            self.assertEqual(self.pc(gdb), "start")
            gdb.run("break *$fill")
            for i in (1, 2, 3):
                self.assertIn('reason="breakpoint-hit"', gdb.go())
                self.assertEqual((self.pc(gdb), gdb.value("$x21")), ("fill", i))
            gdb.run("delete")
            gdb.run("hbreak *$sum_loop if $x3 == 500")
            self.assertIn('reason="breakpoint-hit"', gdb.go())
            self.assertEqual((self.pc(gdb), gdb.value("$x3"), gdb.value("$x21")), ("sum_loop", 500, 3))
            gdb.run("delete")
            gdb.run("tbreak *$call if $x21 == 20")
            gdb.go()
            self.assertEqual((self.pc(gdb), gdb.value("$x21")), ("call", 20))
            self.assertEqual(gdb.value(self.table(511)), 20 + 511)

    def test_every_instruction(self):
        """All instructions of a hot loop are breakpoints at once."""
        for gdb in self.each("interp", ALWAYS):
            for i in range(5):
                gdb.run(f"break *($fill_loop + {4 * i})")
            for i in range(12):
                gdb.go()
                self.assertEqual(gdb.value("$pc - $fill_loop"), i % 5 * 4)
                self.assertEqual(gdb.value("$x3"), i // 5 + (i % 5 > 2))

    def statistics(self, gdb):
        return {name: int(value) for name, value in
                re.findall(r"(?m)^(.*): (\d+)$", gdb.run("monitor info statistics"))}

    def test_breakpoints_drop_little(self):
        """Code that is not near them is not translated again, neither when they come nor when they go."""
        for gdb in self.each(options=((), ("--deterministic",))):
            gdb.run("hbreak *$call")
            gdb.run("ignore 1 20")
            gdb.go()
            before = self.statistics(gdb)
            gdb.run("hbreak *$sync")
            gdb.go()
            self.assertEqual(self.pc(gdb), "sync")
            gdb.run("delete 2")
            gdb.run("hbreak *($sync + 4)")
            gdb.go()
            self.assertEqual(gdb.value("$pc - $sync"), 4)
            gdb.go()
            self.assertEqual(self.pc(gdb), "call")
            after = self.statistics(gdb)
            for name in ("cache flushes", "units dropped by flushes"):
                self.assertEqual(after.get(name), before.get(name), name)
            dropped = after.get("units dropped for debuggers", 0) - before.get("units dropped for debuggers", 0)
            self.assertIn(dropped, (0, 1, 2, 3))  # those of the handler; the interpreter does not count
            if "units alive" in after:
                self.assertGreater(after["units alive"], 8)
                self.assertEqual(dropped > 0, True)

    def test_steps(self):
        """Straight on, along branches, and into exceptions and back."""
        for gdb in self.each(options=((), ("--deterministic",))):
            gdb.go("stepi")
            self.assertEqual(self.pc(gdb), "begin")
            gdb.run("tbreak *$call")
            gdb.go()
            gdb.go("stepi")
            self.assertEqual(self.pc(gdb), "sync")
            self.assertEqual(gdb.value("$ELR_EL1"), self.labels["called"])
            gdb.go("stepi 2")
            self.assertEqual(gdb.value("$x23"), 0x56000007)
            self.assertEqual(gdb.value("$x22"), 1)
            gdb.go("stepi")
            self.assertEqual(self.pc(gdb), "called")
            gdb.run("tbreak *$sum_loop")
            gdb.go()
            gdb.go("stepi 50")  # ten rounds of five instructions
            self.assertEqual((self.pc(gdb), gdb.value("$x3")), ("sum_loop", 10))

    def test_steps_everywhere(self):
        """A step is one instruction: against the interpreter, from the first instruction on."""
        traces = {}
        for gdb in self.each("interp", "jit", options=((), ("--deterministic",))):
            trace = []
            for _ in range(40):
                gdb.go("stepi")
                trace.append((gdb.value("$pc"), gdb.value("$x3"), gdb.value("$x21")))
            traces[len(traces)] = trace
        self.assertGreater(len(set(traces[0])), 30)
        for trace in traces.values():
            self.assertEqual(trace, traces[0])

    # ---- watchpoints ----------------------------------------------------------------------------

    def test_watch_writes(self):
        """One element of a table that a hot loop fills: each of its stores, and no other one."""
        for gdb in self.each(options=((), ("--deterministic",))):
            gdb.run("tbreak *$call if $x21 == 5")
            gdb.go()
            gdb.run("watch " + self.table(300))
            for i in (6, 7, 8):
                stop = gdb.go()
                self.assertIn('reason="watchpoint-trigger"', stop)
                self.assertIn(f'old="{300 + i - 1}",new="{300 + i}"', stop)
                self.assertEqual((gdb.value("$x3"), gdb.value("$pc - $fill_store")), (300, 4))
                self.assertEqual((gdb.value(self.table(299)), gdb.value(self.table(301))), (299 + i, 301 + i - 1))

    def test_watch_reads(self):
        for gdb in self.each():
            gdb.run("rwatch " + self.table(7))
            for i in (1, 2):
                stop = gdb.go()
                self.assertIn('reason="read-watchpoint-trigger"', stop)
                self.assertEqual((gdb.value("$pc - $sum_loop"), gdb.value("$x3"), gdb.value("$x4")), (4, 7, 7 + i))

    def test_watch_accesses(self):
        """Stores and loads, pairs and exclusives, of fewer bytes than are accessed, in turn."""
        for gdb in self.each():
            gdb.run("awatch " + self.table(511))
            for i in (1, 2):
                self.assertIn('reason="access-watchpoint-trigger"', gdb.go())
                self.assertEqual((gdb.value("$pc - $fill_store"), gdb.value("$x3")), (4, 511))
                self.assertIn('reason="access-watchpoint-trigger"', gdb.go())
                self.assertEqual((gdb.value("$pc - $sum_loop"), gdb.value("$x4")), (4, 511 + i))
            gdb.run("delete")
            gdb.run(f"watch *(unsigned char*){self.data + 32:#x}")  # the second one of a pair
            gdb.go()
            self.assertEqual(gdb.value("$pc - $atomics"), 0x24)
            self.assertEqual(gdb.value(f"*(unsigned long*){self.data + 32:#x}"), 2)
            gdb.run("delete")
            gdb.run(f"watch *(unsigned long*){self.data + 16:#x}")  # by an exclusive store
            for i in (3, 4):
                gdb.go()
                self.assertEqual((gdb.value("$pc - $atomics"), gdb.value(f"*(unsigned long*){self.data + 16:#x}")),
                                 (0x10, i))

    # ---- registers and memory -------------------------------------------------------------------

    def test_registers(self):
        for gdb in self.each("interp", "jit"):
            gdb.run("tbreak *$sum")
            gdb.go()
            gdb.run("set $x21 = 1000")
            gdb.run("set $cpsr = $cpsr | 0x60000000")
            gdb.run("set $v3.d.u[1] = 0x123456789abcdef0")
            gdb.run("set $fpsr = 0x0800001f")
            gdb.run("set $fpcr = 0x00c00000")
            gdb.run("set $TPIDR_EL1 = 77")
            gdb.run("maintenance flush register-cache")
            self.assertEqual((gdb.value("$x21"), gdb.value("$TPIDR_EL1")), (1000, 77))
            self.assertEqual(gdb.value("($cpsr >> 28)"), 6)
            self.assertEqual(gdb.value("$v3.d.u[1]"), 0x123456789abcdef0)
            self.assertEqual((gdb.value("$fpsr"), gdb.value("$fpcr")), (0x0800001f, 0x00c00000))
            self.assertIn("VBAR_EL1", gdb.run("info registers system"))
            gdb.run("tbreak *$fill")
            gdb.go()
            self.assertEqual(gdb.value("$x21"), 1001)
            self.assertEqual(gdb.value("$d9.u"), 1000)
            gdb.run("set $pc = $round")
            gdb.run("tbreak *$fill")
            gdb.go()
            self.assertEqual(gdb.value("$x21"), 1002)
            # a stack pointer for each level
            gdb.run("set $sp = 0x1000")
            gdb.run("set $cpsr = $cpsr & ~1")
            gdb.run("maintenance flush register-cache")
            self.assertEqual((gdb.value("$sp"), gdb.value("$SP_EL1")), (0, 0x1000))

    def test_memory(self):
        """Written memory is code at once; text, binary and searches."""
        for gdb in self.each("interp", "jit"):
            gdb.run("tbreak *$call if $x21 == 3")
            gdb.go()
            gdb.run("set {int}$round = 0x91000ab5")  # add x21, x21, #2
            gdb.run("tbreak *$call")
            gdb.go()
            self.assertEqual(gdb.value("$x21"), 5)
            self.assertIn(f"{self.data:#x}", gdb.run(f"find /w {self.labels['start']:#x}, {self.labels['end']:#x}, "
                                                     "0x72676966"))
            with tempfile.TemporaryDirectory() as folder:
                path = os.path.join(folder, "bytes")
                content = bytes(range(256)) * 20
                pathlib.Path(path).write_bytes(content)
                gdb.run(f"restore {path} binary {self.data + 0x1000:#x}")
                gdb.run(f"dump binary memory {path} {self.data + 0x1000:#x} {self.data + 0x1000 + len(content):#x}")
                self.assertEqual(pathlib.Path(path).read_bytes(), content)
            self.assertIn("Cannot access memory", gdb.run("x/x 0x60000000", may_fail=True))
            self.assertEqual(gdb.value("*(unsigned*)0x09000fe0"), 0x11)  # the UART's part number

    def test_load(self):
        """`load` and compare-sections, into RAM and into flash."""
        gdb = self.debug("jit", options=("--set", "ram=256MiB"))
        gdb.run(f"file {self.kernel}", may_fail=True)
        with tempfile.TemporaryDirectory() as folder:
            words = [0x14000000, *range(3000)]
            for address in (0x41000000, 0x00100000):
                path = os.path.join(folder, f"{address:x}")
                pathlib.Path(path).write_bytes(sections(words, address))
                gdb.run(f"file {path}")
                gdb.run("load")
                self.assertIn("matched", gdb.run("compare-sections"))
                self.assertEqual(gdb.value(f"*(unsigned*){address + 4 * 2000:#x}"), 1999)
        self.assertEqual(gdb.value("*(unsigned*)0x00102ee8"), 0xffffffff)  # erased, and not written
        self.assertIn("flash", gdb.run("info mem"))

    # ---- processors -----------------------------------------------------------------------------

    def count(self, gdb, i):
        return gdb.value(f"*(unsigned long*){self.data + 0x400 + 64 * i:#x}")

    def test_processors(self):
        """Threads, which stop together; one that steps while the others stand, or run."""
        for gdb in self.each(processors=(4,), options=((), ("--deterministic",))):
            gdb.run("tbreak *$call if " + " && ".join(f"*(long*){self.data + 0x400 + 64 * i:#x} > 100" for i in (1, 2, 3)))
            gdb.go()
            text = gdb.run("info threads")
            self.assertEqual(len(re.findall(r"Thread 1\.\d \(cpu\d cortex-a57, runs\)", text)), 4, text)
            gdb.run("set scheduler-locking on")
            gdb.run("thread 3")
            before = [self.count(gdb, i) for i in (1, 2, 3)]
            gdb.go("stepi 30")
            self.assertEqual(self.count(gdb, 2) - before[1], 10)
            self.assertEqual([self.count(gdb, i) for i in (1, 3)], [before[0], before[2]])
            gdb.run("set scheduler-locking off")
            for i in (1, 3):
                before = self.count(gdb, i)
                gdb.run(f"watch *(unsigned long*){self.data + 0x400 + 64 * i:#x}")
                stop = gdb.go()
                self.assertIn(f'thread-id="{i + 1}"', stop)
                self.assertEqual(self.count(gdb, i), before + 1)
                self.assertEqual(gdb.value("$pc - $other"), 8)
                gdb.run("delete")
            gdb.run("tbreak *$fill")
            self.assertIn('thread-id="1"', gdb.go())

    def test_interrupt(self):
        for gdb in self.each(processors=(1, 4)):
            gdb.stops.clear()
            gdb.run("-exec-continue")
            gdb.run("-exec-interrupt --all")
            self.assertIn('signal-name="SIGINT"', gdb.stop())
            first = gdb.value(f"*(unsigned long*){self.data + 8:#x}")
            gdb.run(f"tbreak *$call if $x21 > {first + 50}")
            gdb.go()
            self.assertEqual(gdb.value("$x21"), first + 51)

    def test_physical(self):
        """By gdb's packets and by `monitor`, with the MMU on, and off again."""
        for gdb in self.each():
            gdb.run("tbreak *$call")
            gdb.go()
            # Blocks of 1 GiB; addresses from 2 GiB on are those from 1 GiB on.
            for i, entry in enumerate((0x701, 0x40000701, 0x40000701)):
                gdb.run(f"set {{long}}{self.data + 0x1000 + 8 * i:#x} = {entry:#x}")
            for name, value in (("TTBR0_EL1", self.data + 0x1000), ("TCR_EL1", 25 | 1 << 23), ("MAIR_EL1", 0xff),
                                ("SCTLR_EL1", gdb.value("$SCTLR_EL1") | 1)):
                gdb.run(f"set ${name} = {value:#x}")
            near, far = self.data, self.data + 0x40000000
            self.assertEqual(gdb.value(f"*(long*){far:#x}"), gdb.value(f"*(long*){near:#x}"))
            for on, off in (("maintenance packet Qqemu.PhyMemMode:1", "maintenance packet Qqemu.PhyMemMode:0"),
                            ("monitor physical on", "monitor physical off")):
                self.assertRegex(gdb.run(on), 'received: "OK"|physical: on')
                gdb.run("maintenance flush dcache")
                self.assertIn("Cannot access memory", gdb.run(f"output *(long*){far:#x}", may_fail=True))
                gdb.run(f"set {{long}}{near + 8:#x} = 4711")
                self.assertIn('received: "1"', gdb.run("maintenance packet qqemu.PhyMemMode"))
                gdb.run(off)
                gdb.run("maintenance flush dcache")
                self.assertEqual(gdb.value(f"*(long*){far + 8:#x}"), 4711)
                gdb.run(f"set {{long}}{far + 8:#x} = 1")

    # ---- what the guest sees --------------------------------------------------------------------

    HASHES = ("--deterministic", "--state-hash", "50000", "--stop-at", "200000")

    def hashes(self, machine):
        machine.wait()
        return re.findall(r"(?m)^(\d+ [0-9a-f]{16,})$", machine.process.stderr.read().decode())

    def test_unseen(self):
        """A deterministic run that is debugged is the run that it is without."""
        for accelerator in ("interp", "jit"):
            for processors in (1, 2):
                plain = self.start(accelerator, processors, self.HASHES, gdb=())
                expected = self.hashes(plain)
                self.assertEqual(len(expected), 4)
                machine = self.start(accelerator, processors, self.HASHES)
                gdb = self.attach(machine)
                gdb.run("break *$call")
                for _ in range(5):
                    gdb.go()
                gdb.go("stepi 40")
                gdb.run("delete")
                gdb.run("awatch " + self.table(100))
                for _ in range(6):
                    gdb.go()
                gdb.run("delete")
                gdb.run("break *$sum_loop if $x3 == 300")
                gdb.go()
                gdb.run("detach")
                self.assertEqual(self.hashes(machine), expected, (accelerator, processors))

    def test_costs_nothing(self):
        """With gdb there and no breakpoint the same code is made as without the stub."""
        logs = []
        for options in ((), ("--gdb-wait",)):
            with tempfile.TemporaryDirectory() as folder:
                log = os.path.join(folder, "ir")
                words = ("--deterministic", "--stop-at", "200000", "--log", "ir", "--log-file", log)
                machine = self.start(ALWAYS, 2, words, gdb=options)
                if options:
                    self.assertIn('reason="exited-normally"', self.attach(machine).go())
                self.assertEqual(machine.wait(), 0)
                logs.append(pathlib.Path(log).read_text())
        self.assertGreater(len(logs[0]), 10000)
        self.assertTrue(logs[0] == logs[1], "the units differ")

    # ---- coming and going -----------------------------------------------------------------------

    def test_detach_and_kill(self):
        for accelerator in ("interp", "jit"):
            with self.subTest(accelerator=accelerator):
                machine = self.start(accelerator, address="tcp:127.0.0.1:0", gdb=())
                gdb = self.attach(machine)
                gdb.run("break *$fill")
                gdb.go()
                before = gdb.value("$x21")
                gdb.run("detach")
                gdb.run("target remote " + machine.address[4:])  # no breakpoint stopped it meanwhile
                gdb.run("delete")
                gdb.run(f"tbreak *$called if $x21 > {before + 5}")
                gdb.go()
                gdb.run("kill")
                self.assertEqual(machine.wait(), 0)

    def test_end(self):
        """gdb is told how the machine ends."""
        machine = self.start()
        gdb = self.attach(machine)
        gdb.run("tbreak *$call")
        gdb.go()
        gdb.run("set $x0 = 0x84000008")  # PSCI SYSTEM_OFF
        gdb.run("set {int}$call = 0xd4000002")  # hvc
        gdb.stops.clear()
        self.assertIn('reason="exited-normally"', gdb.go())
        self.assertEqual(machine.wait(), 0)

    # ---- monitor --------------------------------------------------------------------------------

    def test_monitor(self):
        machine = self.start(processors=2)
        gdb = self.attach(machine)
        gdb.run("tbreak *$call if $x21 == 4")
        gdb.go()
        self.assertIn("step-interrupts", gdb.run("monitor help"))
        self.assertRegex(gdb.run("monitor info cpus"), r"\* cpu0: cortex-a57, pc 0x0000000040080068, runs\n +cpu1: ")
        self.assertRegex(gdb.run("monitor info devices"), r"uart0? +\S*pl011")
        self.assertRegex(gdb.run("monitor info memory"), r"0x0000000040000000-0x\w+ +ram +ram")
        self.assertIn("units translated: ", gdb.run("monitor info statistics"))
        self.assertIn("physical: on", gdb.run("monitor physical on"))
        self.assertIn("physical: off", gdb.run("monitor physical off"))
        self.assertIn("is not known", gdb.run("monitor what"))
        snapshot = self.kernel + ".snapshot"
        self.assertIn("saved to", gdb.run(f"monitor save {snapshot}"))
        gdb.run("monitor reset")
        gdb.run("tbreak *$call")
        gdb.go()
        self.assertEqual(gdb.value("$x21"), 1)
        gdb.run("kill")
        machine.wait()
        gdb = self.attach(self.start(processors=2, options=("--load", snapshot)))
        self.assertEqual((self.pc(gdb), gdb.value("$x21")), ("call", 4))


def sections(words, address):
    """An ELF file with a section, which compare-sections compares."""
    import struct
    body = struct.pack("<%dI" % len(words), *words)
    names = b"\0.text\0.names\0"
    start = 64 + 56
    header = struct.pack("<16sHHIQQQIHHHHHH", b"\x7fELF\2\1\1", 2, 183, 1, address, 64, start + len(body) + len(names),
                         0, 64, 56, 1, 64, 3, 2)
    segment = struct.pack("<IIQQQQQQ", 1, 5, start, address, address, len(body), len(body), 8)
    rows = bytes(64) + struct.pack("<IIQQQQIIQQ", 1, 1, 6, address, start, len(body), 0, 0, 4, 0)
    rows += struct.pack("<IIQQQQIIQQ", 7, 3, 0, 0, start + len(body), len(names), 0, 0, 1, 0)
    return header + segment + body + names + rows


class Words(unittest.TestCase):
    @unittest.skipUnless(all(map(shutil.which, (guest.AS, guest.LD, guest.NM, guest.OBJCOPY))), "there is no assembler")
    def test_words(self):
        self.assertEqual(guest.lines(), guest.assembled(), "guest.S was changed: tests/gdb/guest.py makes guest.hex")


if __name__ == "__main__":
    cases.main()
