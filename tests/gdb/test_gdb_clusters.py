#!/usr/bin/env python3
"""Clusters of processors are processes for gdb, under each accelerator.

usage: test_gdb_clusters.py PATCHBAY [UNITTEST-ARGUMENT...]
"""

import os
import pathlib
import re
import sys
import tempfile
import time
import unittest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import guest  # noqa: E402
import client  # noqa: E402
import cases  # noqa: E402

PATCHBAY = os.path.abspath(sys.argv.pop(1))
ALWAYS = "jit,regions=always,compile-threads=0"
MACHINE = """
machine: clusters
include: [arm-virt]
cpus:
  cpu: { cluster: "${i / 2}" }
"""
MULTIPROCESS = "qSupported:multiprocess+;swbreak+;hwbreak+;vContSupported+"


class Case(client.Case):
    def start(self, accelerator="jit", options=(), **named):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        kernel, machine = (os.path.join(folder.name, name) for name in ("guest", "machine.yaml"))
        self.labels = guest.write(kernel, 4)
        self.data = self.labels["data"]
        pathlib.Path(machine).write_text(MACHINE)
        made = client.Machine(PATCHBAY, [machine, "--kernel", kernel, "--accel", accelerator, "--set", "cpus=4",
                                         *options], **named)
        self.addCleanup(made.close)
        return made

    def place_of_count(self, i):
        return self.data + 0x400 + 64 * i


@unittest.skipUnless(client.GDB, "there is no gdb-multiarch")
class Clusters(Case):
    def each(self, options=((),), how="remote"):
        """With all processors in their loops, and the first one at the call that it makes."""
        for accelerator in ("interp", "jit", ALWAYS):
            for words in options:
                try:
                    gdb = self.attach(self.start(accelerator, words), how=how)
                    gdb.run("set schedule-multiple on")
                    condition = " && ".join(f"*(long*){self.place_of_count(i):#x} > 0" for i in (1, 2, 3))
                    gdb.run("hbreak *$call if " + condition)
                    gdb.go()
                    gdb.run("delete")
                    gdb.run("set schedule-multiple off")
                    yield gdb
                except GeneratorExit:  # it failed
                    print("with", accelerator, *words)
                    raise

    def counts(self, gdb):
        return [gdb.value(f"*(unsigned long*){self.place_of_count(i):#x}") for i in (1, 2, 3)]

    def threads(self, gdb):
        return re.findall(r"(?m)^[* ] \d\.\d +Thread (\d+\.\d+) ", gdb.run("info threads"))

    def test_processes(self):
        for gdb in self.each():
            text = gdb.run("info inferiors")
            self.assertRegex(text, r"\* 1 +process 1 ")
            self.assertRegex(text, r"  2 +process 2 ")
            self.assertEqual(self.threads(gdb), ["1.1", "1.2", "2.3", "2.4"])
            self.assertIn("cpu3: cortex-a57", gdb.run("monitor info cpus"))
            self.assertIn(", cluster 1", gdb.run("monitor info cpus"))
            gdb.run("inferior 2")
            self.assertIn("Thread 2.3", gdb.run("thread"))
            self.assertEqual(gdb.value("$x20"), self.place_of_count(2))
            gdb.run("thread 2.2")
            self.assertEqual(gdb.value("$x20"), self.place_of_count(3))
            gdb.run("set $x7 = 4711")
            gdb.run("thread 1.1")
            self.assertEqual(gdb.value("$x7"), 0x1234)
            gdb.run("thread 2.2")
            self.assertEqual(gdb.value("$x7"), 4711)

    def test_one_goes_on(self):
        """gdb lets the current one go on alone, or all of them."""
        for gdb in self.each(options=((), ("--deterministic",))):
            before = self.counts(gdb)
            gdb.run(f"tbreak *$call if *(long*){self.place_of_count(1):#x} > {before[0]}")
            gdb.go()
            after = self.counts(gdb)
            self.assertEqual(after[1:], before[1:])
            gdb.run("inferior 2")
            gdb.run(f"tbreak *$other if $x20 == {self.place_of_count(3)} && $x21 > {after[2] + 5}")
            self.assertIn('thread-id="4"', gdb.go())
            self.assertEqual(gdb.value("$x21"), after[2] + 6)
            self.assertEqual(self.counts(gdb)[0], after[0])
            gdb.go("stepi 3")
            self.assertEqual((gdb.value("$pc"), gdb.value("$x21")), (self.labels["other"], after[2] + 7))

    def test_breakpoints(self):
        """Processors of others pass them."""
        for gdb in self.each(options=((), ("--deterministic",))):
            gdb.run("set schedule-multiple on")
            gdb.run("break *$other")
            gdb.run("break *($other + 4)")
            first = self.counts(gdb)
            for _ in range(4):  # in turn, of the second processor alone
                self.assertIn('thread-id="2"', gdb.go())
            self.assertIn(self.counts(gdb)[0] - first[0], (1, 2))
            gdb.run("delete")
            gdb.run("inferior 2")
            gdb.run(f"break *$other if $x20 == {self.place_of_count(2)}")
            for _ in range(3):
                self.assertIn('thread-id="3"', gdb.go())
            self.assertGreater(self.counts(gdb)[1], first[1])
            gdb.run("delete")
            gdb.run("inferior 1")
            gdb.run("tbreak *$fill")
            self.assertIn('thread-id="1"', gdb.go())

    def test_passing(self):
        """Who passes goes on as fast as it must: it comes through, again and again."""
        for gdb in self.each(options=((), ("--deterministic",))):
            gdb.run("set schedule-multiple on")
            before = self.counts(gdb)
            for step in (0, 4, 8):
                gdb.run(f"hbreak *($fill_loop + {step}) if $x3 == 600")  # never
            gdb.run("inferior 2")
            gdb.run("hbreak *$call")  # of the first processor: not in this process
            gdb.run("hbreak *$fill_store")
            gdb.run(f"tbreak *$other if $x20 == {self.place_of_count(2)} && $x21 == {before[1] + 20}")
            self.assertIn('thread-id="3"', gdb.go())
            self.assertEqual(gdb.value("$x21"), before[1] + 20)

    def test_watchpoints(self):
        for gdb in self.each():
            gdb.run("set schedule-multiple on")
            before = self.counts(gdb)
            gdb.run(f"watch *(unsigned long*){self.place_of_count(2):#x}")  # by nobody of this process
            gdb.run(f"tbreak *$other if $x21 > {before[0] + 20}")
            self.assertIn('thread-id="2"', gdb.go())
            gdb.run("delete")
            gdb.run("inferior 2")
            gdb.run(f"watch *(unsigned long*){self.place_of_count(2):#x}")
            stop = gdb.go()
            self.assertIn('reason="watchpoint-trigger"', stop)
            self.assertIn('thread-id="3"', stop)

    def test_detach_and_attach(self):
        """Who is let go goes on with the others, past breakpoints that were its own."""
        for gdb in self.each(how="extended-remote"):
            gdb.run("inferior 2")
            gdb.run("break *$other")
            self.assertRegex(gdb.go(), 'thread-id="[34]"')
            gdb.run("detach")
            self.assertRegex(gdb.run("info inferiors"), r"\* 2 +<null>")
            gdb.run("inferior 1")
            self.assertEqual(self.threads(gdb), ["1.1", "1.2"])
            before = self.counts(gdb)
            goal = " && ".join(f"*(long*){self.place_of_count(i):#x} > {before[i - 1] + 100}" for i in (2, 3))
            gdb.run(f"tbreak *$call if {goal}")
            self.assertIn('thread-id="1"', gdb.go())
            gdb.run("inferior 2")
            gdb.run("delete")
            gdb.run("attach 2")
            self.assertEqual(self.threads(gdb), ["1.1", "1.2", "2.3", "2.4"])
            after = self.counts(gdb)
            gdb.run("tbreak *$other")
            self.assertRegex(gdb.go(), 'thread-id="[0-9]+"')
            self.assertEqual(self.counts(gdb)[0], after[0])  # the first one's process stands

    def test_detach_all(self):
        """The machine goes on; either may be had again."""
        for gdb in self.each(how="extended-remote"):
            before = self.counts(gdb)
            gdb.run("detach inferiors 1 2")
            gdb.run("inferior 2")
            gdb.run("attach 2")
            self.assertEqual(self.threads(gdb), ["2.3", "2.4"])
            gdb.run(f"tbreak *$other if $x20 == {self.place_of_count(3)} && $x21 > {before[2] + 20}")
            gdb.go()
            self.assertGreater(gdb.value("$x21"), before[2] + 20)
            gdb.run("kill")

    def test_interrupt(self):
        for gdb in self.each():
            gdb.run("inferior 2")
            gdb.stops.clear()
            gdb.run("-exec-continue --all")
            gdb.run("-exec-interrupt --all")
            self.assertIn('signal-name="SIGINT"', gdb.stop())


class Packets(Case):
    def test_without_processes(self):
        """A client that knows of none sees one machine, as ever."""
        raw = self.attach_raw(self.start())
        self.assertEqual(raw.text("qfThreadInfo"), "m01,02,03,04")
        self.assertEqual(raw.text(f"Z0,{self.labels['other']:x},4"), "OK")
        seen = set()
        while not seen & {"thread:03", "thread:04"}:  # whose turn it is, is the host's matter
            stop = raw.text("c")
            self.assertRegex(stop, "^T05thread:0[1-4];")
            seen.add(stop[3:12])
        self.assertEqual(raw.text("D"), "OK")

    def test_packets(self):
        raw = self.attach_raw(self.start(), MULTIPROCESS)
        self.assertEqual(raw.text("qfThreadInfo"), "mp01.01,p01.02,p02.03,p02.04")
        self.assertRegex(raw.text("?"), "^T05thread:p01.01;")
        for packet in ("Hgp2.1", "Hgp3.0", "vCont;c:p3.-1", "vCont;c:p2.1", "D;3", "D;0"):
            self.assertEqual(raw.text(packet), "E16", packet)
        for packet in ("vAttach;3", "vAttach;0", "vAttach;", "vAttach;100", "vAttach;ffffffff", "vKill;3", "Tp2.1"):
            self.assertEqual(raw.text(packet), "E02", packet)
        self.assertEqual(raw.text("Hgp2.0"), "OK")
        self.assertEqual(raw.text("qC"), "QCp02.03")
        # A point is of the process that is chosen: the other one has it not.
        self.assertEqual(raw.text("Z0,1000,4"), "OK")
        self.assertEqual(raw.text("Hgp1.1"), "OK")
        self.assertEqual(raw.text("z0,1000,4"), "E02")
        self.assertEqual(raw.text("Hgp2.4"), "OK")
        self.assertEqual(raw.monitor("info points"), "0x0000000000001000 breakpoint, process 2\n")
        self.assertEqual(raw.text("z0,1000,4"), "OK")
        # One is let go and taken back.
        self.assertEqual(raw.text("D;2"), "OK")
        self.assertEqual(raw.text("qfThreadInfo"), "mp01.01,p01.02")
        self.assertEqual(raw.text("qC"), "QCp01.01")
        self.assertEqual(raw.text("Tp2.3"), "E02")
        self.assertEqual(raw.text("D;2"), "E16")
        self.assertRegex(raw.text("vAttach;2"), "^T05thread:p02.03;")
        self.assertEqual(raw.text("qfThreadInfo"), "mp01.01,p01.02,p02.03,p02.04")
        self.assertEqual(raw.text("D;1"), "OK")
        self.assertEqual(raw.text("qfThreadInfo"), "mp02.03,p02.04")
        self.assertEqual(raw.text("D;2"), "OK")  # the last one: all go on
        self.assertRegex(raw.text("vAttach;1"), "^T0[25]thread:")
        self.assertEqual(raw.text("qfThreadInfo"), "mp01.01,p01.02")

    def test_asked_while_let_go(self):
        """Who lets all go and keeps the connection may ask; the machine goes on behind each answer."""
        raw = self.attach_raw(self.start(), "!", MULTIPROCESS)
        self.assertEqual(raw.text("D;1"), "OK")
        self.assertEqual(raw.text("D;2"), "OK")
        for bytes_, answer in ((b"$qC#b4", b"+"), (b"\3", b""), (b"$qC#00", b"-")):
            raw.send(bytes_)
            if answer:
                self.assertEqual(raw.byte(), answer)
            if answer == b"+":
                raw.packet()
            before = raw.word(self.place_of_count(1))
            end = time.monotonic() + client.WAIT
            while raw.word(self.place_of_count(1)) == before:
                self.assertLess(time.monotonic(), end, "it stands")
        self.assertRegex(raw.text("vAttach;1"), "^T0[25]thread:")
        self.assertGreater(raw.word(self.place_of_count(1)), before)
        held = raw.word(self.place_of_count(1))
        self.assertEqual(raw.text("qfThreadInfo"), "mp01.01,p01.02")
        self.assertEqual(raw.word(self.place_of_count(1)), held)  # it is the client's again

    def test_chosen_one_goes(self):
        """The thread that `c` was for is let go: `c` is for all again."""
        raw = self.attach_raw(self.start(), MULTIPROCESS)
        self.assertEqual(raw.text(f"Z0,{self.labels['other']:x},4"), "OK")
        self.assertEqual(raw.text("Hcp2.3"), "OK")
        self.assertEqual(raw.text("D;2"), "OK")
        self.assertRegex(raw.text("c"), "^T05thread:p01.02;")

    def test_next_client(self):
        """What one let go the next one has."""
        machine = self.start()
        raw = client.Raw(machine)
        raw.ask(MULTIPROCESS)
        self.assertEqual(raw.text("D;2"), "OK")
        raw.close()
        raw = self.attach_raw(machine, MULTIPROCESS)
        self.assertEqual(raw.text("qfThreadInfo"), "mp01.01,p01.02,p02.03,p02.04")

    def test_kill(self):
        machine = self.start()
        raw = self.attach_raw(machine, MULTIPROCESS)
        self.assertEqual(raw.text("vKill;2"), "OK")
        self.assertEqual(machine.wait(), 0)


if __name__ == "__main__":
    cases.main()
