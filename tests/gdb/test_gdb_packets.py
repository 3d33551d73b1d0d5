#!/usr/bin/env python3
"""Packets that gdb does not send, or not like this, and what is no packet.

usage: test_gdb_packets.py PATCHBAY [UNITTEST-ARGUMENT...]
"""

import os
import random
import sys
import tempfile
import unittest
import xml.etree.ElementTree

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import guest  # noqa: E402
import client  # noqa: E402
import cases  # noqa: E402

PATCHBAY = os.path.abspath(sys.argv.pop(1))
X21, X22, SP, PC, CPSR = 21, 22, 31, 32, 33
MALFORMED, NO_SUCH, NO_MEMORY = "E16", "E02", "E0e"
EVERYTHING = "qSupported:multiprocess+;swbreak+;hwbreak+;vContSupported+"
FUZZ = int(os.environ.get("PATCHBAY_GDB_FUZZ", "1500"))  # packets


class Packets(client.Case):
    def start(self, accelerator="interp", processors=1, options=(), **named):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.kernel = os.path.join(folder.name, "guest")
        self.labels = guest.write(self.kernel, processors)
        machine = client.Machine(PATCHBAY, ["arm-virt", "--kernel", self.kernel, "--accel", accelerator,
                                            "--set", f"cpus={processors}", *options], **named)
        self.addCleanup(machine.close)
        return machine

    def debug(self, *arguments, packets=(), **named):
        return self.attach_raw(self.start(*arguments, **named), *packets)

    # ---- bytes ----------------------------------------------------------------------------------

    def test_acknowledgements(self):
        raw = self.debug()
        raw.send(b"$qC#00")  # a wrong sum
        self.assertEqual(raw.byte(), b"-")
        raw.send(b"$qC#b4")
        self.assertEqual((raw.byte(), raw.packet()), (b"+", b"QC01"))
        raw.send(b"-")  # once more
        self.assertEqual(raw.packet(), b"QC01")
        raw.send(b"garbage$half of a pack$qC#b4")  # the one that was begun is lost
        self.assertEqual((raw.byte(), raw.packet()), (b"+", b"QC01"))
        raw.send(b"$qC#zz")
        self.assertEqual(raw.byte(), b"-")
        self.assertEqual(raw.text("QStartNoAckMode"), "OK")
        raw.acks = False
        raw.send(b"$qC#00")  # sums are nobody's business now
        self.assertEqual(raw.packet(), b"QC01")

    def test_too_long(self):
        raw = self.debug()
        raw.send(b"$" + b"m" * 100000 + b"#00")
        self.assertEqual(raw.byte(), b"-")
        self.assertEqual(raw.text("qC"), "QC01")

    # ---- what cannot be answered ----------------------------------------------------------------

    def test_malformed(self):
        raw = self.debug(packets=[EVERYTHING])
        for packet in ("m", "m,", "m1", "m1,", "mx,1", "m1,1,1", "m11111111111111111,1", "M0,1", "M0,1:", "M0,2:00",
                       "M0,1:0", "M0,1:zz", "X0,2:a", "X0", "p", "pzz", "P", "P0", "P0=", "P0=0", "P0=" + "0" * 18,
                       "G", "G00", "Gzz", "H", "Hx1", "Hg", "Hgp", "Hgp1.", "Hg7fffffffff", "Hgp2.1", "Hg1x",
                       "vCont;", "vCont;x", "vCont;c:p9.1", "vCont;c;", "vCont;r", "vCont;r1", "vCont;r1,2:",
                       "vCont;t", "vCont;C", "czz", "C", "Cx", "C05,1", "D;", "D;2", "D1", "Z0", "Z0,", "Z0,1",
                       "Z0,x,4", "Z2,10,0", "Z2,ffffffffffffffff,2", "z3,1", "qXfer:features:read:target.xml:",
                       "qXfer:features:read:target.xml:1", "qXfer:memory-map:read::x,1", "qSearch:memory:1",
                       "qSearch:memory:1;1;", "qCRC:", "qCRC:1", "qCRC:1,", "qRcmd,0", "qRcmd,zz",
                       "Qqemu.PhyMemMode:2", "Qqemu.PhyMemMode:", "vFlashErase:", "vFlashErase:1",
                       "vFlashErase:0,10:", "vFlashWrite:", "vFlashWrite:0"):
            self.assertEqual(raw.text(packet), MALFORMED, packet)
        for packet in ("T2", "Tp1.2", "Tx", "T", "p1000", "P1000=00", "vKill;2", "vAttach;2", "qThreadExtraInfo,9",
                       "z0,1000,4"):
            self.assertEqual(raw.text(packet), NO_SUCH, packet)
        for packet in ("", "a", "vNothing", "vCont", "qNothing", "QNonStop:1", "Z5,0,0", "Z9,0,0", "qfThreadInfox",
                       "vRun;x", "QPassSignals:1", "y"):
            self.assertEqual(raw.text(packet), "", packet)
        self.assertEqual(raw.text("qXfer:features:read:other.xml:0,1"), "E00")
        self.assertEqual(raw.text("m60000000,8"), NO_MEMORY)
        self.assertEqual(raw.text("M60000000,1:00"), NO_MEMORY)
        self.assertEqual(raw.text("vFlashErase:60000000,1000"), "E.memtype")
        self.assertEqual(raw.text("vFlashErase:ffffffffffffffff,1000"), "E.memtype")
        self.assertEqual(raw.text("qCRC:60000000,1"), NO_MEMORY)
        self.assertEqual(raw.text("qSearch:memory:60000000;1;x"), NO_MEMORY)
        self.assertEqual(raw.number(PC), self.labels["start"])  # nothing has happened

    # ---- what can -------------------------------------------------------------------------------

    def test_documents(self):
        """In parts as small as they may be."""
        raw = self.debug(packets=[EVERYTHING, "QStartNoAckMode"])
        raw.acks = False
        for name, root in (("features:read:target.xml", "target"), ("memory-map:read:", "memory-map")):
            whole, at = b"", 0
            while True:
                part = raw.ask(f"qXfer:{name}:{at:x},7")
                whole += part[1:]
                at += len(part) - 1
                if part[:1] == b"l":
                    break
                self.assertEqual((part[:1], len(part)), (b"m", 8))
            self.assertEqual(raw.ask(f"qXfer:{name}:0,fffff"), b"l" + whole)
            self.assertEqual(raw.ask(f"qXfer:{name}:fffff,1"), b"l")
            self.assertEqual(xml.etree.ElementTree.fromstring(whole).tag, root)
        flash = [(int(m.get("start"), 16), m.get("type"))
                 for m in xml.etree.ElementTree.fromstring(whole) if m.get("type") != "ram"]
        self.assertEqual(flash, [(0, "flash"), (0x4000000, "flash")])

    def test_registers(self):
        raw = self.debug()
        everything = raw.text("g")
        self.assertEqual(len(everything), 2 * (33 * 8 + 4 + 32 * 16 + 4 + 4))
        changed = "0807060504030201" + everything[16:]
        self.assertEqual(raw.text("G" + changed), "OK")
        self.assertEqual(raw.text("g"), changed)
        self.assertEqual(raw.number(0), 0x0102030405060708)
        self.assertEqual(raw.text(f"P{X21:x}=ffffffff00000000"), "OK")
        self.assertEqual(raw.number(X21), 0xffffffff)
        self.assertEqual(raw.text(f"P{CPSR:x}=1f000000"), "OK")  # AArch32: there is no such level
        self.assertEqual(raw.number(CPSR) & 0x1f, 5)

    def test_memory(self):
        raw = self.debug()
        data = self.labels["data"] + 0x1000
        content = bytes(range(256))
        self.assertEqual(raw.ask(b"X%x,100:" % data + content), b"OK")
        self.assertEqual(raw.text(f"m{data:x},100"), content.hex())
        self.assertEqual(raw.text(f"M{data + 1:x},3:ffFFff"), "OK")
        self.assertEqual(raw.word(data), 0x07060504ffffff00)
        self.assertEqual(raw.text("m5ffffffe,8"), "0000")  # RAM ends there
        self.assertEqual(raw.text(f"m{data:x},0"), "")
        self.assertEqual(raw.text(f"X{data:x},0:"), "OK")
        self.assertEqual(raw.ask(b"qSearch:memory:%x;200;" % data + content[77:91]), b"1,%x" % (data + 77))
        self.assertEqual(raw.ask(b"qSearch:memory:%x;10;" % data + content[77:91]), b"0")
        self.assertEqual(raw.text(f"M{data:x},9:313233343536373839"), "OK")
        self.assertEqual(raw.text(f"qCRC:{data:x},9"), "C376e6e7")  # CRC-32/MPEG-2 of "123456789"
        # a pattern across the edge of what is read at a time
        self.assertEqual(raw.ask(b"X%x,4:edge" % (data + 0xfffe)), b"OK")
        self.assertEqual(raw.ask(b"qSearch:memory:%x;20000;edge" % data), b"1,%x" % (data + 0xfffe))

    def test_flash(self):
        raw = self.debug()
        self.assertEqual(raw.text("m1000,4"), "00000000")
        self.assertEqual(raw.text("vFlashErase:1000,2000"), "OK")
        self.assertEqual(raw.ask(b"vFlashWrite:1004:}#$*"), b"OK")
        self.assertEqual(raw.text("m1000,8"), "00" * 8)  # not yet
        self.assertEqual(raw.text("vFlashDone"), "OK")
        self.assertEqual(raw.text("m1000,c"), "ffffffff7d23242affffffff")
        self.assertEqual(raw.text("vFlashDone"), "OK")

    def test_steps(self):
        """With and without an address, one, in a range, and with a signal, which is for nobody."""
        for accelerator in ("interp", "jit"):
            raw = self.debug(accelerator)
            fill = self.labels["fill_loop"]
            self.assertRegex(raw.text("s"), "^T05thread:01;")
            self.assertEqual(raw.number(PC), self.labels["begin"])
            self.assertEqual(raw.text(f"Z1,{fill:x},4"), "OK")
            self.assertRegex(raw.text("C05"), "^T05")
            self.assertEqual(raw.number(PC), fill)
            self.assertEqual(raw.text(f"z1,{fill:x},4"), "OK")
            # 512 rounds, then behind the loop
            self.assertRegex(raw.text(f"vCont;r{fill:x},{fill + 20:x}:1"), "^T05")
            self.assertEqual((raw.number(PC), raw.number(3)), (fill + 20, 512))
            self.assertRegex(raw.text(f"s{self.labels['round']:x}"), "^T05")
            self.assertEqual((raw.number(PC), raw.number(X21)), (self.labels["round"] + 4, 2))
            self.assertRegex(raw.text(f"S05;{self.labels['round']:x}"), "^T05")
            self.assertEqual(raw.number(X21), 3)
            # a breakpoint in the range ends it
            self.assertEqual(raw.text(f"Z0,{fill + 8:x},4"), "OK")
            self.assertEqual(raw.text(f"P20={fill.to_bytes(8, 'little').hex()}"), "OK")
            self.assertRegex(raw.text(f"vCont;r{fill:x},{fill + 20:x}"), "^T05")
            self.assertEqual(raw.number(PC), fill + 8)
            self.assertRegex(raw.text("vCont;s"), "^T05")  # it is there still
            self.assertEqual(raw.number(PC), fill + 8)

    def test_reasons(self):
        raw = self.debug("jit", packets=[EVERYTHING])
        fill, table = self.labels["fill_store"], self.labels["data"] + 0x800
        self.assertEqual(raw.text(f"Z0,{fill:x},4"), "OK")
        self.assertRegex(raw.text("vCont;c"), rf"^T05thread:p01.01;swbreak:;1f:[0-9a-f]*;20:{fill.to_bytes(8, 'little').hex()};$")
        raw.ask(f"z0,{fill:x},4")
        self.assertEqual(raw.text(f"Z1,{fill:x},4"), "OK")
        self.assertRegex(raw.text("vCont;c"), r"^T05thread:p01.01;hwbreak:;")
        raw.ask(f"z1,{fill:x},4")
        for kind, word in ((2, "watch"), (3, "rwatch"), (4, "awatch")):
            self.assertEqual(raw.text(f"Z{kind},{table + 8 * 9 + 3:x},2"), "OK")
            # before the access, at the first byte of it that is watched
            self.assertRegex(raw.text("vCont;c"), rf"^T05thread:p01.01;{word}:{table + 8 * 9 + 3:x};")
            at = self.labels["sum_loop"] if kind == 3 else fill
            self.assertEqual((raw.number(PC), raw.number(3)), (at, 9))
            if kind == 2:
                self.assertEqual(raw.word(table + 8 * 9), 0)
            self.assertEqual(raw.text(f"z{kind},{table + 8 * 9 + 3:x},2"), "OK")
            self.assertRegex(raw.text("vCont;s"), "^T05")

    def test_threads(self):
        raw = self.debug("jit", 4, packets=[EVERYTHING])
        self.assertEqual(raw.text("qfThreadInfo"), "mp01.01,p01.02,p01.03,p01.04")
        self.assertEqual(raw.text("qsThreadInfo"), "l")
        for i in range(1, 5):
            self.assertEqual(raw.text(f"Tp1.{i}"), "OK")
        self.assertRegex(bytes.fromhex(raw.text("qThreadExtraInfo,p1.3")).decode(), "^cpu2 cortex-a57, off$")
        # A thread that is off does not step; what interrupts is answered.
        raw.ask("vCont;s:p1.3", answer=False)
        raw.send(b"\3")
        self.assertRegex(raw.packet().decode(), "^T02")
        # The first one turns the others on; then some are told to stand.
        raw.ask(f"Z0,{self.labels['other']:x},4")
        self.assertRegex(raw.text("vCont;c"), "^T05thread:p01.0[234];swbreak")
        raw.ask(f"z0,{self.labels['other']:x},4")
        raw.ask(f"Z0,{self.labels['call']:x},4")
        while True:
            self.assertRegex(raw.text("vCont;c"), "^T05thread:p01.01;swbreak")
            counts = [raw.word(self.labels["data"] + 0x400 + 64 * i) for i in (1, 2, 3)]
            if min(counts) > 0:
                break
            raw.ask("vCont;s:p1.1;c")
        raw.ask("vCont;s:p1.1")
        counts = [raw.word(self.labels["data"] + 0x400 + 64 * i) for i in (1, 2, 3)]
        while raw.word(self.labels["data"] + 0x400 + 64 * 3) <= counts[2]:
            self.assertRegex(raw.text("vCont;t:p1.2;t:p1.3;c"), "^T05thread:p01.01;swbreak")
            raw.ask("vCont;s:p1.1")
        self.assertEqual([raw.word(self.labels["data"] + 0x400 + 64 * i) for i in (1, 2)], counts[:2])

    def test_packets_while_it_runs(self):
        """They stop it."""
        raw = self.debug("jit", packets=["QStartNoAckMode"])
        raw.acks = False
        raw.ask("vCont;c", answer=False)
        raw.send(b"$qC#b4$qC#b4\3")
        self.assertRegex(raw.packet().decode(), "^T02")
        self.assertEqual((raw.packet(), raw.packet()), (b"QC01", b"QC01"))
        self.assertEqual(raw.text("qC"), "QC01")  # nothing came for an interrupt of what stands

    def test_reconnect(self):
        """Who goes without a word leaves nothing behind."""
        machine = self.start("jit", gdb=())
        raw = client.Raw(machine)
        self.assertEqual(raw.text(f"Z0,{self.labels['fill']:x},4"), "OK")
        self.assertEqual(raw.text(f"Z2,{self.labels['data'] + 8:x},8"), "OK")
        raw.ask("QStartNoAckMode")
        raw.acks = False
        raw.ask("vCont;c")
        first = raw.number(X21)
        raw.close()
        while True:
            raw = client.Raw(machine)
            self.assertRegex(raw.text("?"), "^T05")
            if raw.number(X21) > first + 3:  # it went on, through both points
                break
            raw.close()
        raw.ask("k", answer=False)
        self.assertEqual(machine.wait(), 0)
        raw.close()

    def test_kill(self):
        for packet in ("k", "vKill;1"):
            machine = self.start()
            raw = self.attach_raw(machine)
            answer = raw.ask(packet, answer=packet != "k")
            self.assertEqual(answer, None if packet == "k" else b"OK")
            self.assertEqual(machine.wait(), 0)

    def test_physical(self):
        """With the MMU on, addresses of tables and of what they map."""
        raw = self.debug("interp")
        self.assertEqual(raw.text("qqemu.PhyMemMode"), "0")
        # A table of blocks of 1 GiB: the third maps the second, where RAM is.
        table = self.labels["data"] + 0x1000
        for i, gpa in enumerate((0, 0x40000000, 0x40000000)):
            raw.ask(f"M{table + 8 * i:x},8:" + (gpa | 0x701).to_bytes(8, "little").hex())
        names = {}
        description = xml.etree.ElementTree.fromstring(raw.ask("qXfer:features:read:target.xml:0,fffff")[1:])
        for register in description.iter("reg"):
            names[register.get("name")] = int(register.get("regnum"))
        for name, value in (("TTBR0_EL1", table), ("TCR_EL1", 25 | 1 << 23), ("MAIR_EL1", 0xff)):
            raw.ask(f"P{names[name]:x}=" + value.to_bytes(8, "little").hex())
        before = raw.number(names["SCTLR_EL1"])
        raw.ask(f"P{names['SCTLR_EL1']:x}=" + (before | 1).to_bytes(8, "little").hex())
        high = self.labels["data"] + 0x40000000
        self.assertEqual(raw.word(high), raw.word(self.labels["data"]))
        self.assertEqual(raw.word(high), 0x646e756f72676966)
        self.assertEqual(raw.text("mc0000000,8"), NO_MEMORY)
        self.assertEqual(raw.text("Qqemu.PhyMemMode:1"), "OK")
        self.assertEqual(raw.text(f"m{high:x},8"), NO_MEMORY)
        self.assertEqual(raw.word(self.labels["data"]), 0x646e756f72676966)
        self.assertEqual(raw.monitor("physical off"), "physical: off\n")
        # A breakpoint at an address that only the MMU gives.
        start = self.labels["begin"] + 0x40000000
        self.assertEqual(raw.text(f"Z0,{start + 4:x},4"), "OK")
        raw.ask("P20=" + start.to_bytes(8, "little").hex())
        self.assertRegex(raw.text("vCont;c"), "^T05")
        self.assertEqual((raw.number(PC), raw.number(1)), (start + 4, self.labels["vectors"] + 0x40000000))

    # ---- anything -------------------------------------------------------------------------------

    WORDS = ("m", "M", "X", "p", "P", "g", "G", "H", "T", "Z0,", "Z1,", "Z2,", "Z3,", "Z4,", "z0,", "z2,", "vCont;s",
             "vCont;r", "vCont?", "qSupported:", "qXfer:features:read:target.xml:", "qXfer:memory-map:read::",
             "qfThreadInfo", "qsThreadInfo", "qThreadExtraInfo,", "qSearch:memory:", "qCRC:", "qRcmd,", "vFlashErase:",
             "vFlashWrite:", "vFlashDone", "Qqemu.PhyMemMode:", "?", "!", "qC", "qAttached", "s", "S")
    PIECES = (b"0", b"1", b"40080000", b"40081000", b"ffffffffffffffff", b",", b":", b";", b"=", b".", b"-1", b"p1", b"t",
              b"\0", b"\xff", b"}", b"#", b"$", b"*", b"8", b"1000", b"zz", b"0" * 40, b"deadbeef", b"7fffffff",
              b"9000000", b"info cpus".hex().encode(), b"physical on".hex().encode(), b"help".hex().encode())

    def test_fuzz(self):
        """Whatever comes, each packet is answered, and the stub is there afterwards."""
        for accelerator, processors in (("jit", 2), ("interp", 1)):
            machine = self.start(accelerator, processors)
            raw = self.attach_raw(machine, EVERYTHING, "QStartNoAckMode")
            raw.acks = False
            chance = random.Random(processors)
            for number in range(FUZZ):
                packet = chance.choice(self.WORDS).encode() if chance.random() < .95 else bytes([chance.randrange(256)])
                for _ in range(chance.randrange(6)):
                    packet += chance.choice(self.PIECES)
                if packet[:1] in (b"c", b"C", b"k", b"D") or b"off" in packet:
                    continue
                try:
                    answer = raw.ask(packet)
                    if answer[:1] == b"T":  # whatever it steps into, it goes on from where it was
                        raw.ask("P20=" + self.labels["round"].to_bytes(8, "little").hex())
                except (TimeoutError, EOFError, OSError) as error:
                    self.fail(f"packet {number}, {packet!r}: {error!r}, {machine.process.poll()}")
            noise = bytes(chance.randrange(256) for _ in range(20000)).replace(b"\3", b"").replace(b"$", b"")
            raw.send(noise)
            raw.close()
            raw = self.attach_raw(machine)
            self.assertRegex(raw.text("?"), "^T..thread:01;")
            raw.ask("k", answer=False)
            self.assertEqual(machine.wait(), 0)


class Addresses(unittest.TestCase):
    def refuse(self, *arguments):
        with tempfile.TemporaryDirectory() as folder:
            kernel = os.path.join(folder, "guest")
            guest.write(kernel, 1)
            with self.assertRaises(RuntimeError) as raised:
                client.Machine(PATCHBAY, ["arm-virt", "--kernel", kernel], address=arguments[0],
                               gdb=arguments[1:]).close()
        return str(raised.exception)

    def test_wrong(self):
        self.assertIn("tcp:HOST:PORT or unix:PATH is expected", self.refuse("1234"))
        self.assertIn("HOST:PORT is expected", self.refuse("tcp:1234"))
        self.assertIn("HOST:PORT is expected", self.refuse("tcp:localhost:x"))
        self.assertIn("a path of 1 to", self.refuse("unix:" + "x" * 200))
        self.assertIn("No such file", self.refuse("unix:/nonexistent/socket"))
        self.assertIn("--lockstep names the accelerators", self.refuse("tcp::0", "--lockstep", "interp,jit"))


if __name__ == "__main__":
    cases.main()
