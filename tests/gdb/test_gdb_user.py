#!/usr/bin/env python3
"""The stub for gdb on a program in user mode, driven by gdb, under each accelerator.

usage: test_gdb_user.py PATCHBAY SOURCES [UNITTEST-ARGUMENT...]
"""

import os
import pathlib
import platform
import re
import shutil
import subprocess
import sys
import tempfile
import unittest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import client  # noqa: E402

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
import cases  # noqa: E402

PATCHBAY = os.path.abspath(sys.argv.pop(1))
SOURCES = pathlib.Path(sys.argv.pop(1))
COMPILER = "aarch64-linux-gnu-gcc"
SYSROOT = "/usr/aarch64-linux-gnu"
ALWAYS = "jit,regions=always,compile-threads=0"

programs = None


def setUpModule():
    global programs
    if platform.machine() != "x86_64":
        raise unittest.SkipTest("user mode runs on x86-64 only")
    if not client.GDB:
        raise unittest.SkipTest("there is no gdb-multiarch")
    if not shutil.which(COMPILER) or not os.path.exists(SYSROOT + "/lib/libc.a"):
        raise unittest.SkipTest("gcc-aarch64-linux-gnu and libc6-dev-arm64-cross are not installed")
    programs = tempfile.TemporaryDirectory()


def tearDownModule():
    if programs:
        programs.cleanup()


def compiled(*options):
    path = pathlib.Path(programs.name) / ("program" + "".join(options))
    if not path.exists():
        subprocess.run([COMPILER, "-D_GNU_SOURCE", "-g", "-O1", "-Wall", "-Werror", "-Wno-nonnull", *options,
                        SOURCES / "program.c", "-o", path, "-lpthread"], check=True)
    return path


class Case(client.Case):
    def start(self, *arguments, accelerator="jit", options=(), build=("-static",), address=None):
        self.program = compiled(*build)
        program = client.Program(PATCHBAY, ["--accel", accelerator, *options], [self.program, *arguments], address)
        self.addCleanup(program.close)
        return program

    def attach_with_file(self, program, how="remote"):
        return self.attach(program, "set sysroot target:", f"file {self.program}", how=how)

    def debug(self, *arguments, how="remote", **named):
        self.running = self.start(*arguments, **named)
        return self.attach_with_file(self.running, how)

    def each(self, *arguments, **named):
        for accelerator in ("interp", "jit", ALWAYS):
            try:
                yield self.debug(*arguments, accelerator=accelerator, **named)
            except GeneratorExit:  # it failed
                print("with", accelerator)
                raise

    def waiting(self, gdb, name):
        """The number of the thread that waits in a system call of the function, None: there is none."""
        for number, frames in re.findall(r"(?ms)^Thread (\d+) \(.*?\):$(.*?)(?=^Thread |\Z)",
                                         gdb.run("thread apply all backtrace")):
            if not re.search(rf"\bin {name} ", frames):
                continue
            gdb.run(f"thread {number}")
            is_behind = gdb.value("*(unsigned *)($pc - 4)") == 0xd4000001  # svc
            gdb.run("thread 1")
            return int(number) if is_behind else None
        return None

    def wait_for_waiting(self, gdb):
        """Until both threads of "waits" have come to their calls, which nobody but the kernel ends."""
        while not all(self.waiting(gdb, name) for name in ("wait_for_byte", "wait_for_thread")):
            gdb.run(f"tbreak busy if round > {gdb.value('round')} + 5")
            gdb.go()

    def end(self, gdb, status):
        """The program goes on to its end."""
        stop = gdb.go()
        if status == 0:
            self.assertIn('reason="exited-normally"', stop)
        else:
            self.assertIn(f'reason="exited",exit-code="0{status:o}"', stop)
        self.assertEqual(self.running.wait(), status)


class Stops(Case):
    def test_breakpoints(self):
        for gdb in self.each("loops"):
            self.assertIn("_start", gdb.run("info symbol $pc"))
            gdb.run("break fill")
            for i in (1, 2, 3):
                self.assertIn('reason="breakpoint-hit"', gdb.go())
                self.assertEqual(gdb.value("round"), i)
            gdb.run("delete")
            gdb.run("hbreak sum if table[3] == 8")
            self.assertIn('reason="breakpoint-hit"', gdb.go())
            self.assertEqual(gdb.value("table[511]"), 516)
            gdb.run("delete")
            self.end(gdb, 42)

    def statistics(self, gdb):
        return {name: int(value) for name, value in
                re.findall(r"(?m)^(.*): (\d+)$", gdb.run("monitor info statistics"))}

    def test_breakpoints_drop_little(self):
        """Code that is not near them is not translated again, neither when they come nor when they go."""
        for gdb in self.each("loops"):
            gdb.run("hbreak fill if round == 10")
            gdb.go()
            before = self.statistics(gdb)
            for place in ("sum", "fill"):
                gdb.run("delete")
                gdb.run("tbreak " + place)
                gdb.go()
            gdb.run("delete")
            gdb.run("tbreak sum")
            gdb.go()
            after = self.statistics(gdb)
            for name in ("cache flushes", "units dropped by flushes"):
                self.assertEqual(after.get(name), before.get(name), name)
            if "units alive" in before:
                dropped = after["units dropped for debuggers"] - before["units dropped for debuggers"]
                self.assertGreater(before["units alive"], 100)
                self.assertGreater(dropped, 0)
                self.assertLess(dropped, 20)
            self.end(gdb, 42)

    def test_watchpoints(self):
        """In a loop that is hot already; of all kinds."""
        for gdb in self.each("loops"):
            gdb.run("tbreak fill if round == 5")
            gdb.go()
            gdb.run("watch table[300]")
            for i in (5, 6, 7):
                stop = gdb.go()
                self.assertIn('reason="watchpoint-trigger"', stop)
                self.assertIn(f'old="{300 + i - 1}",new="{300 + i}"', stop)
            gdb.run("delete")
            gdb.run("rwatch table[7]")
            self.assertIn('reason="read-watchpoint-trigger"', gdb.go())
            self.assertEqual(gdb.value("table[7]"), 14)
            gdb.run("delete")
            gdb.run("awatch table[8]")
            self.assertIn('value={new="15"}', gdb.go())
            self.assertIn('value={old="15",new="16"}', gdb.go())
            gdb.run("delete")
            self.end(gdb, 42)

    def test_tags(self):
        """Accesses by pointers with a tag are of the same byte."""
        for gdb in self.each("tags"):
            gdb.run("watch count if count == 7")
            self.assertIn('new="7"', gdb.go())
            gdb.run("delete")
            gdb.run("watch *(long *)((long)&count | 0x5a00000000000000)")
            self.assertIn('reason="watchpoint-trigger"', gdb.go())
            self.assertEqual(gdb.value("count"), 8)

    def test_software_watchpoints(self):
        """gdb steps, and compares."""
        gdb = self.debug("loops")
        gdb.run("set can-use-hw-watchpoints 0")
        gdb.run("tbreak fill")
        gdb.go()
        gdb.run("watch table[3]")
        self.assertIn('old="0",new="4"', gdb.go())

    def test_steps(self):
        for gdb in self.each("loops"):
            gdb.run("break fill if round == 2")
            gdb.go()
            gdb.run("tbreak add")
            gdb.go()
            self.assertIn("fill", gdb.go("finish"))
            gdb.go("next")
            gdb.go("next")
            self.assertIn('func="add"', gdb.go("step"))
            gdb.go("stepi")
            self.assertIn('func="fill"', gdb.go("finish"))
            self.assertRegex(gdb.go("finish"), 'func="(loops|main)"')  # where loops() was inlined
            self.assertEqual(gdb.value("table[511]"), 513)

    def test_every_instruction(self):
        """The same instructions, one by one, whoever executes them; system calls and indirect jumps are among them."""
        traces = []
        for gdb in self.each("calls"):
            gdb.run("tbreak main")
            gdb.go()
            trace = []
            for _ in range(150):
                gdb.go("stepi")
                trace.append(gdb.run("output/x $pc"))
            traces.append(trace)
        self.assertGreater(len(set(traces[0])), 80)
        self.assertEqual(traces[1:], traces[:1] * 2)

    def test_registers_and_memory(self):
        for gdb in self.each("loops"):
            gdb.run("break sum")
            gdb.go()
            gdb.run("set table[2] = 1000003")
            gdb.run("set $v3.d.u[1] = 0x123456789abcdef0")
            self.assertEqual(gdb.value("$v3.d.u[1]"), 0x123456789abcdef0)
            gdb.run("set var *(long *)&constant = 54321")  # its page is read-only
            self.assertEqual(gdb.value("*(long *)&constant"), 54321)
            self.assertEqual(gdb.value("add(20, 22)"), 42)
            self.assertEqual(gdb.value("(long)own"), 0) if "cannot" not in gdb.run("output own", True).lower() else None
            self.assertNotEqual(gdb.value("$tpidr"), 0)
            self.assertIn("Cannot access memory", gdb.run("output *(int*)0", True))
            self.assertIn("Cannot access memory", gdb.run("set var *(int*)16 = 1", True))
            self.assertNotIn("SCTLR", gdb.run("info all-registers"))
            gdb.run("delete")
            gdb.go("finish")
            self.assertEqual(gdb.value("$x0"), 512 + 511 * 256 - 3 + 1000003)

    def test_code_that_is_written(self):
        """What gdb writes is executed."""
        for gdb in self.each("loops"):
            gdb.run("break add if a == 3")
            gdb.go()
            gdb.run("delete")
            gdb.run("set var *(int *)$pc = 0xd2800540")  # mov x0, #42
            gdb.run("finish")
            gdb.stop()
            gdb.run("tbreak sum")
            gdb.go()
            self.assertEqual(gdb.value("table[500]"), 42)

    def test_interrupt(self):
        for gdb in self.each("loops"):
            gdb.run("tbreak sum")
            gdb.go()
            gdb.run("set $x19 = 0x7fffffff")
            gdb.stops.clear()
            gdb.run("-exec-continue")
            gdb.run("-exec-interrupt --all")
            self.assertIn('signal-name="SIGINT"', gdb.stop())

    def test_interrupt_call(self):
        """In a call that waits: it goes on waiting."""
        gdb = self.debug("reads")
        gdb.run("tbreak read")
        gdb.go()
        gdb.stops.clear()
        gdb.run("-exec-continue")
        gdb.run("-exec-interrupt --all")
        self.assertIn('signal-name="SIGINT"', gdb.stop())
        gdb.stops.clear()
        gdb.run("-exec-continue")
        self.running.process.stdin.write(b"!")
        self.running.process.stdin.flush()
        self.assertIn('exit-code="041"', gdb.stop())
        self.assertEqual(self.running.wait(), 33)


class Waiting(Case):
    def test_threads_in_calls(self):
        """They stand with the others, can be looked at, and go on waiting."""
        for gdb in self.each("waits"):
            gdb.run("tbreak busy if round == 3")
            gdb.go()
            self.wait_for_waiting(gdb)
            text = gdb.run("info threads")
            self.assertEqual(len(re.findall(r"(?m)^[* ] \d +Thread \d+\.\d+", text)), 3, text)
            before = {name: self.waiting(gdb, name) for name in ("wait_for_byte", "wait_for_thread")}
            for name, number in (("wait_for_byte", 63), ("wait_for_thread", 98)):  # read, futex
                gdb.run(f"thread {before[name]}")
                self.assertEqual(gdb.value("$x8"), number)
                self.assertNotEqual(gdb.value("$sp"), 0)
            gdb.run("thread 1")
            first = gdb.value("round")
            gdb.go("next")  # while they wait
            gdb.run(f"tbreak busy if round > {first + 10}")
            gdb.go()
            self.assertEqual({name: self.waiting(gdb, name) for name in before}, before)
            gdb.stops.clear()
            gdb.run("-exec-continue")
            gdb.run("-exec-interrupt --all")
            self.assertIn('signal-name="SIGINT"', gdb.stop())
            self.assertEqual({name: self.waiting(gdb, name) for name in before}, before)
            gdb.run("set var stays = 0")
            self.end(gdb, 0)
            self.assertEqual(self.running.out(), "11 33\n")


class Signals(Case):
    def test_delivery(self):
        for gdb in self.each("signals"):
            self.assertIn('signal-name="SIGUSR1"', gdb.go())
            self.assertEqual(gdb.value("$_siginfo.si_signo"), 10)
            self.assertIn('signal-name="SIGUSR2"', gdb.go())
            self.assertEqual(gdb.value("caught"), 10)
            gdb.stops.clear()
            gdb.run("signal 0")
            self.assertIn('signal-name="SIGUSR1"', gdb.stop())
            self.assertEqual(gdb.value("caught"), 10)
            gdb.stops.clear()
            gdb.run("signal SIGUSR2")  # another one instead
            self.assertIn("exited-normally", gdb.stop())
            self.assertEqual((self.running.wait(), self.running.out()), (0, "caught 1012\n"))

    def test_passed(self):
        for gdb in self.each("signals"):
            gdb.run("handle SIGUSR1 nostop noprint pass")
            self.assertIn('signal-name="SIGUSR2"', gdb.go())
            gdb.run("handle SIGUSR2 nostop noprint nopass")
            gdb.run("break handler")
            self.assertIn("breakpoint-hit", gdb.go())
            self.assertIn("<signal handler called>", gdb.run("backtrace"))
            self.end(gdb, 0)
            self.assertEqual(self.running.out(), "caught 1010\n")

    def test_step_into_handler(self):
        for gdb in self.each("signals"):
            gdb.go()
            pc = gdb.value("$pc")
            self.assertIn('func="handler"', gdb.go("stepi"))
            self.assertEqual(gdb.value("$pc == (long)handler"), 1)
            gdb.run("handle SIGUSR2 nostop noprint pass")
            gdb.run("tbreak *" + str(pc))
            gdb.go()
            self.assertEqual(gdb.value("caught"), 10)

    def test_fault(self):
        for gdb in self.each("fault"):
            stop = gdb.go()
            self.assertIn('signal-name="SIGSEGV"', stop)
            self.assertEqual(gdb.value("(long)$_siginfo._sifields._sigfault.si_addr"), 8)
            self.assertEqual(gdb.value("$_siginfo.si_code"), 1)
            gdb.run("break after_fault")
            self.assertIn("breakpoint-hit", gdb.go())
            self.end(gdb, 7)

    def test_repaired(self):
        """A fault whose cause gdb takes away."""
        gdb = self.debug("fault")
        gdb.go()
        gdb.run("set var count = 3")
        for i in range(31):
            gdb.run(f"set $x{i} = &count")
        gdb.stops.clear()
        gdb.run("signal 0")
        self.assertIn('exit-code="03"', gdb.stop())

    def test_death(self):
        for gdb in self.each("aborts"):
            self.assertIn('signal-name="SIGABRT"', gdb.go())
            self.assertIn('reason="exited-signalled",signal-name="SIGABRT"', gdb.go())
            self.assertEqual(self.running.wait(), -6)

    def test_from_outside(self):
        """A signal that the process gets while the program waits in a call that begins anew."""
        gdb = self.debug("reads")
        gdb.run("catch syscall read")
        gdb.go()
        gdb.run("delete")
        gdb.stops.clear()
        gdb.run("-exec-continue")
        os.kill(self.running.process.pid, 10)
        self.assertIn('signal-name="SIGUSR1"', gdb.stop())
        gdb.run("signal 0")
        self.running.process.stdin.write(b"A")
        self.running.process.stdin.flush()
        self.assertIn('exit-code="0101"', gdb.stop())


    def test_siginfo(self):
        """What comes with a signal can be written."""
        for gdb in self.each("queues"):
            for value in (1, 2, 3):
                self.assertIn('signal-name="SIGUSR1"', gdb.go())
                self.assertEqual(gdb.value("$_siginfo._sifields._rt.si_sigval.sival_int"), value)
                if value == 2:
                    gdb.run("set $_siginfo._sifields._rt.si_sigval.sival_int = 77")
                    self.assertEqual(gdb.value("$_siginfo._sifields._rt.si_sigval.sival_int"), 77)
                elif value == 3:  # another one has what the kernel gives
                    gdb.run("set $_siginfo._sifields._rt.si_sigval.sival_int = 78")
                    gdb.stops.clear()
                    gdb.run("signal SIGUSR2")
                    self.assertIn("exited-normally", gdb.stop())
            self.running.wait()
            self.assertEqual(self.running.out(), "signal 10, code -1, value 1\nsignal 10, code -1, value 77\n"
                             "signal 12, code 0, value 0\n")

    def test_siginfo_of_nothing(self):
        gdb = self.debug("loops")
        gdb.run("tbreak sum")
        gdb.go()
        self.assertEqual(gdb.value("$_siginfo.si_signo"), 5)
        self.assertIn("Unable to write siginfo", gdb.run("set $_siginfo.si_signo = 10", may_fail=True))
        self.end(gdb, 42)

    def test_given(self):
        """Signals that only gdb sends: at breakpoints, before and behind system calls, while a call waits."""
        for gdb in self.each("waits"):
            gdb.run("break handler")
            gdb.run("tbreak busy if round == 3")
            gdb.go()
            gdb.stops.clear()
            gdb.run("signal SIGUSR1")
            self.assertIn('func="handler"', gdb.stop())
            self.assertEqual(gdb.value("signal"), 10)
            gdb.run("delete")
            gdb.run("tbreak busy")
            gdb.go()
            self.assertEqual(gdb.value("caught"), 10)
            gdb.run("set var stays = 0")
            gdb.run("catch syscall write")
            for reason in ("entry", "return"):
                self.assertIn(f'reason="syscall-{reason}"', gdb.go())
            gdb.run("delete")
            gdb.run("tbreak handler")
            gdb.stops.clear()
            gdb.run("signal SIGUSR1")
            self.assertIn('func="handler"', gdb.stop())
            self.end(gdb, 0)

    def test_given_to_who_waits(self):
        for gdb in self.each("waits"):
            gdb.run("tbreak busy if round == 3")
            gdb.go()
            self.wait_for_waiting(gdb)
            thread = self.waiting(gdb, "wait_for_byte")
            gdb.run("tbreak handler")
            gdb.run(f"thread {thread}")
            gdb.stops.clear()
            gdb.run("signal SIGUSR1")
            stop = gdb.stop()
            self.assertIn('func="handler"', stop)
            self.assertIn(f'thread-id="{thread}"', stop)
            gdb.run("set var stays = 0")
            self.end(gdb, 0)  # its call went on
            self.assertEqual(self.running.out(), "11 43\n")  # one and ten; 10 and the byte


class Calls(Case):
    def test_catch(self):
        for gdb in self.each("calls"):
            gdb.run("catch syscall write")
            self.assertIn('reason="syscall-entry"', gdb.go())
            self.assertEqual((gdb.value("$x8"), gdb.value("$x2")), (64, 4))
            gdb.run("set $x2 = 3")  # another argument
            self.assertIn('reason="syscall-return"', gdb.go())
            self.assertEqual(gdb.value("$x0"), 3)
            gdb.run("set $x0 = 4")  # another result
            self.assertIn('reason="syscall-entry"', gdb.go())
            self.assertIn('reason="syscall-return"', gdb.go())
            gdb.run("delete")
            gdb.run("catch syscall")
            stop = gdb.go()
            self.assertIn('reason="syscall-entry"', stop)
            self.assertIn('syscall-name="close"', stop)
            gdb.run("delete")
            self.end(gdb, 0)
            self.assertEqual(self.running.out(), "onethree\n")

    def test_step(self):
        """A step over a call ends when it is done."""
        for gdb in self.each("calls"):
            gdb.run("catch syscall write")
            gdb.go()
            pc = gdb.value("$pc")
            gdb.run("delete")
            gdb.stops.clear()
            gdb.run(f"tbreak *{pc}")
            gdb.run("-exec-continue")
            self.assertIn("breakpoint-hit", gdb.stop())
            self.assertEqual(gdb.value("$x0"), 4)
            gdb.run(f"tbreak *{pc - 4}")
            gdb.go()
            gdb.go("stepi")
            self.assertEqual((gdb.value("$pc"), gdb.value("$x0")), (pc, 6))


class Threads(Case):
    def test_threads(self):
        for gdb in self.each("threads"):
            gdb.run("tbreak tick if i == 2 && counts[1] > 0 && counts[3] > 0")
            self.assertIn('reason="breakpoint-hit"', gdb.go())
            text = gdb.run("info threads")
            self.assertEqual(len(re.findall(r"Thread \d+\.\d+", text)), 4, text)
            self.assertRegex(text, r"\* \d +Thread \d+\.\d+ \(second\)")
            gdb.run("set scheduler-locking on")
            before = [gdb.value(f"counts[{i}]") for i in (1, 2, 3)]
            gdb.run("break tick")
            for _ in range(5):
                gdb.go()
            gdb.run("delete")
            after = [gdb.value(f"counts[{i}]") for i in (1, 2, 3)]
            self.assertEqual(after, [before[0], before[1] + 5, before[2]])
            gdb.run("set scheduler-locking off")
            gdb.run("watch counts[3]")
            self.assertIn('reason="watchpoint-trigger"', gdb.go())
            gdb.run("delete")
            self.end(gdb, 0)
            self.assertEqual(self.running.out(), "20000 20000 20000\n")

    def test_end_of_the_only_one(self):
        """Of those that may go on."""
        gdb = self.debug("threads")
        gdb.run("tbreak tick if i == 2")
        gdb.go()
        gdb.run("set scheduler-locking on")
        gdb.go()
        self.assertNotIn("tick", gdb.run("backtrace", may_fail=True))
        self.assertEqual(gdb.value("counts[2]"), 20000)
        gdb.run("set scheduler-locking off")
        gdb.run("thread 1")
        self.end(gdb, 0)

    def test_fork(self):
        """gdb stays with the parent; the child runs as if there were none."""
        for gdb in self.each("forks"):
            gdb.run("break in_child")
            gdb.run("break in_parent")
            self.assertIn('func="in_parent"', gdb.go())
            self.end(gdb, 23)


class Files(Case):
    def test_kinds(self):
        for build, options in ((("-static-pie",), ()), ((), ("-L", SYSROOT)), (("-no-pie",), ("-L", SYSROOT))):
            with self.subTest(build=build):
                gdb = self.debug("calls", build=build, options=options)
                gdb.run("tbreak main")
                self.assertIn('func="main"', gdb.go())
                if options:
                    self.assertIn("target:/lib/libc.so.6", gdb.run("info sharedlibrary"))
                gdb.run("break write")
                self.assertIn('func="write"', gdb.go())
                self.assertIn("main", gdb.run("backtrace"))
                gdb.run("delete")
                self.end(gdb, 0)

    def test_unknown_file(self):
        """gdb finds by itself what is executed."""
        gdb = self.attach(self.start("loops"), "set sysroot target:")
        gdb.run("tbreak sum")
        self.assertIn('func="sum"', gdb.go())

    def test_process(self):
        gdb = self.debug("loops", "with spaces")
        text = gdb.run("info proc")
        self.assertIn(f"process {self.running.process.pid}", text)
        self.assertIn("loops with spaces'", text)
        self.assertIn(f"exe = '{os.path.realpath(self.program)}'", text)
        text = gdb.run("info proc mappings")
        self.assertIn("[stack]", text)
        self.assertIn(str(self.program), text)
        text = gdb.run("info auxv")
        self.assertRegex(text, r'AT_PLATFORM .*"aarch64"')
        self.assertRegex(text, r"AT_ENTRY +Entry point of program +" + gdb.run("output/x $pc"))


class Life(Case):
    def test_kill(self):
        gdb = self.debug("loops")
        gdb.run("kill")
        self.assertEqual(self.running.wait(), -9)

    def test_detach(self):
        """It goes on by itself, and another one may come."""
        gdb = self.debug("reads", address="tcp:127.0.0.1:0")
        gdb.run("break write")
        gdb.run("detach")
        gdb = self.attach_with_file(self.running)
        gdb.run("delete")
        gdb.stops.clear()
        gdb.run("-exec-continue")
        self.running.process.stdin.write(b"B")
        self.running.process.stdin.flush()
        self.assertIn('exit-code="0102"', gdb.stop())
        self.assertEqual(self.running.wait(), 66)

    def test_run_again(self):
        """By gdb's `run`, with other arguments, after an end, a kill, or in the middle."""
        for gdb in self.each("calls", how="extended-remote"):
            gdb.run("break close")
            self.assertIn('func="close"', gdb.go())
            pid = self.running.process.pid
            gdb.stops.clear()
            gdb.run("run fault")
            self.assertIn('signal-name="SIGSEGV"', gdb.stop())
            self.assertIn('exit-code="07"', gdb.go())
            self.assertIn("No threads", gdb.run("info threads"))
            gdb.stops.clear()
            gdb.run("run reads")
            self.running.process.stdin.write(b"C")
            self.running.process.stdin.flush()
            self.assertIn('exit-code="0103"', gdb.stop())
            gdb.stops.clear()
            gdb.run("run calls")
            self.assertIn('func="close"', gdb.stop())
            self.assertIn(f"process {pid}", gdb.run("info inferiors"))
            gdb.run("kill")
            gdb.stops.clear()
            gdb.run("run aborts")
            self.assertIn('signal-name="SIGABRT"', gdb.stop())
            gdb.run("set remote exec-file /nowhere/program")
            self.assertIn("failed", gdb.run("run", may_fail=True))
            gdb.close()
            self.assertEqual(self.running.wait(), -9)  # it was killed before

    def test_execute(self):
        """The program becomes another one, which is debugged on."""
        for gdb in self.each("executes"):
            gdb.run("catch exec")
            self.assertIn('reason="exec"', gdb.go())
            self.assertIn("_start", gdb.run("info symbol $pc"))
            gdb.run("break close")
            self.assertIn('func="close"', gdb.go())
            gdb.run("delete")
            self.end(gdb, 0)
            self.assertEqual(self.running.out(), "one\nthree\n")

    def test_execute_unwatched(self):
        """Without a client it goes on, and one may come later."""
        gdb = self.debug("executes")
        gdb.run("detach")
        gdb.close()
        self.assertEqual((self.running.wait(), self.running.out()), (0, "one\nthree\n"))

    def test_costs_nothing(self):
        """Without breakpoints the same code is made as without a debugger."""
        logs = []
        for gdb in False, True:
            log = os.path.join(programs.name, f"ir{len(logs)}")
            options = ["--log", "ir", "--log-file", log]
            if gdb:
                self.end(self.debug("loops", accelerator=ALWAYS, options=options), 42)
            else:
                done = subprocess.run([PATCHBAY, "user", "--accel", ALWAYS, *options, compiled("-static"), "loops"])
                self.assertEqual(done.returncode, 42)
            logs.append(pathlib.Path(log).read_text())
        self.assertGreater(len(logs[0]), 10000)
        self.assertTrue(logs[0] == logs[1], "the units differ")

    def test_refused(self):
        """What there is not is said to be not there."""
        program = self.start("traces")
        gdb = client.Gdb("set non-stop on")
        self.addCleanup(gdb.close)
        self.assertIn("does not support non-stop",
                      gdb.run("target remote " + program.address.partition(":")[2], may_fail=True))
        gdb = self.debug("traces", how="extended-remote")
        self.assertIn("exited-normally", gdb.go())  # ptrace: ENOSYS
        self.assertIn("failed", gdb.run("attach 1", may_fail=True))
        gdb.close()
        self.assertEqual(self.running.wait(), 0)

    def test_usage(self):
        for address in ("nothing", "unix:", "tcp:x", "tcp:localhost:x"):
            done = subprocess.run([PATCHBAY, "user", "-g", address, compiled("-static")], stdout=subprocess.PIPE,
                                  stderr=subprocess.PIPE, text=True)
            self.assertEqual(done.returncode, 1, done.stderr)
            self.assertIn("gdb: ", done.stderr)


class Packets(Case):
    """That gdb does not send, or not like this."""

    def test_malformed(self):
        program = self.start("loops")
        raw = self.attach_raw(program)
        pid = program.process.pid
        self.assertIn("QCatchSyscalls+", raw.text("qSupported:multiprocess+;swbreak+;hwbreak+"))
        for packet in ("QPassSignals:x", "QPassSignals:1,2", "QCatchSyscalls:", "QCatchSyscalls:2", "QCatchSyscalls:0;1",
                       "QCatchSyscalls:1;", "QCatchSyscalls:1;x", "QCatchSyscalls:1;ffffffffff", "QThreadEvents:2",
                       "QThreadEvents:", "qXfer:auxv:read::x,1", "qXfer:exec-file:read::", "vCont;C100", "Hgp1.1",
                       "vCont;c:p1.1", "D;1"):
            self.assertEqual(raw.text(packet), "E16", packet)
        for packet in ("qXfer:exec-file:read:1:0,1", "vAttach;1", f"vAttach;{pid:x}", "vKill;1"):
            self.assertEqual(raw.text(packet), "E02", packet)
        for packet in ("vRun;", "vRun;zz", "vRun;2f;2f"):  # it is there
            self.assertEqual(raw.text(packet), "E5f", packet)
        for packet in ("vFile:open:", "vFile:open:2f", "vFile:open:2f,0", "vFile:open:zz,0,0", "vFile:open:00,0,0",
                       "vFile:pread:0,1", "vFile:close:x", "vFile:readlink:", "vFile:fstat:"):
            self.assertEqual(raw.text(packet), "F-1,16", packet)
        for packet in ("vFile:close:0", "vFile:pread:0,1,0", "vFile:pread:ffffffffffffffff,1,0", "vFile:fstat:5"):
            self.assertEqual(raw.text(packet), "F-1,9", packet)
        for packet in ("vFile:unlink:2f", "vFile:pwrite:0,0,x", "vFile:open:2f746d702f78,201,1ff"):
            self.assertEqual(raw.text(packet), "F-1,1e", packet)
        self.assertEqual(raw.text("vFile:open:2f6e6f7768657265,0,0"), "F-1,2")
        self.assertEqual(raw.text("vFile:what:"), "")
        self.assertEqual(raw.text("m0,8"), "E0e")
        self.assertEqual(raw.text("mffffffffffffff00,8"), "E0e")
        self.assertEqual(raw.text("M0,1:00"), "E0e")
        self.assertRegex(raw.text("?"), rf"T05thread:p{pid:x}\.{pid:x};")

    def test_of_machines(self):
        """What means nothing for a program is not there, and is said not to be."""
        program = self.start("loops")
        raw = self.attach_raw(program)
        self.assertNotIn("memory-map", raw.text("qSupported:multiprocess+"))
        for packet in ("qqemu.PhyMemMode", "Qqemu.PhyMemMode:1", "qXfer:memory-map:read::0,100"):
            self.assertEqual(raw.text(packet), "", packet)
        commands = re.findall(r"(?m)^(\S+)", raw.monitor("help"))
        self.assertEqual(commands, ["help", "info"])
        self.assertIn("info points|statistics ", raw.monitor("help"))
        self.assertEqual(raw.monitor("info"), "info: points statistics\n")
        for command in ("physical on", "step-interrupts on", "reset", "save x", "quit", "info cpus", "info memory",
                        "info devices"):
            name = command if command.startswith("info") else command.split()[0]
            self.assertEqual(raw.monitor(command), f"'{name.removeprefix('info ')}' is of machines, and this is a program\n")
        self.assertIn("is not known", raw.monitor("what"))
        self.assertIn("units translated: ", raw.monitor("info statistics"))

    def test_siginfo(self):
        program = self.start("queues")
        raw = self.attach_raw(program)
        self.assertIn("qXfer:siginfo:write+", raw.text("qSupported:"))
        self.assertEqual(raw.text("qXfer:siginfo:write::0:x"), "E5f")  # no signal stopped it
        self.assertRegex(raw.text("c"), "^T1e")
        for packet in ("qXfer:siginfo:write::", "qXfer:siginfo:write::0", "qXfer:siginfo:write::81:x",
                       "qXfer:siginfo:write::x:y"):
            self.assertEqual(raw.text(packet), "E16", packet)
        self.assertEqual(raw.text("qXfer:siginfo:write::80:"), "0")
        self.assertEqual(raw.ask(b"qXfer:siginfo:write::18:\x21\3"), b"2")
        self.assertEqual(raw.ask(b"qXfer:siginfo:read::18,4"), b"m\x21\3\0\0")
        self.assertEqual(raw.ask(b"qXfer:siginfo:write::7f:xyz"), b"1")
        for _ in range(2):
            self.assertRegex(raw.text("C1e"), "^T1e")
        self.assertEqual(raw.text("c"), "W00")
        program.wait()
        self.assertEqual(program.out(), "signal 10, code -1, value 801\nsignal 10, code -1, value 2\n")

    def test_files(self):
        program = self.start("loops")
        raw = self.attach_raw(program)
        name = str(self.program).encode().hex()
        for i in range(1024):
            self.assertEqual(raw.text(f"vFile:open:{name},0,0"), f"F{i:x}")
        self.assertEqual(raw.text(f"vFile:open:{name},0,0"), "F-1,18")
        self.assertEqual(raw.text("vFile:close:7"), "F0")
        self.assertEqual(raw.text(f"vFile:open:{name},0,0"), "F7")
        self.assertEqual(raw.ask("vFile:pread:7,4,0"), b"F4;\x7fELF")
        self.assertEqual(raw.ask(f"vFile:pread:7,100,{os.path.getsize(self.program):x}"), b"F0;")
        self.assertEqual(raw.ask("vFile:fstat:7")[:4], b"F40;")
        exe = f"/proc/{program.process.pid}/exe".encode().hex()
        answer = raw.ask(f"vFile:readlink:{exe}").decode()
        self.assertEqual(answer.partition(";")[2], os.path.realpath(self.program))

    def test_end(self):
        """How a client without wishes is told."""
        program = self.start("what", "is", "this")
        raw = self.attach_raw(program)
        self.assertEqual(raw.text("c"), "W68")
        self.assertEqual(program.wait(), 104)

    def test_thread_events(self):
        program = self.start("threads")
        raw = self.attach_raw(program)
        self.assertEqual(raw.text("QThreadEvents:1"), "OK")
        seen = [raw.text("c") for _ in range(6)]
        self.assertEqual(sorted(text[:3] for text in seen), ["T05"] * 3 + ["w00"] * 3)
        self.assertTrue(all("create:;" in text for text in seen if text[0] == "T"))
        self.assertEqual(raw.text("c"), "W00")


if __name__ == "__main__":
    cases.main()
