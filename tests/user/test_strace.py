#!/usr/bin/env python3
"""--strace: that it shows what strace(1) shows of the same program built for this computer.

usage: test_strace.py PATCHBAY SOURCES [UNITTEST-ARGUMENT...]
"""

import os
import re
import shutil
import signal
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
import cases  # noqa: E402
import programs  # noqa: E402

PATCHBAY, built = programs.arguments()
setUpModule = built.begin


def can_trace():
    """Whether strace is there, and may trace."""
    return shutil.which("strace") and shutil.which("gcc") and \
        subprocess.run(["strace", "-o", "/dev/null", "true"], stderr=subprocess.DEVNULL, check=False).returncode == 0


class Case(programs.Case):
    def run_words(self, *words):
        return super().run_words(*words, umask=0o022)

    def strace(self, *words):
        return self.run_words(PATCHBAY, "user", "--strace", *words)


def between(text):
    """Lines between the two getppid(), without what differs from run to run, and from one architecture to another."""
    pid = re.search(r"getpid\(\) += (\d+)", text).group(1)
    lines = text.split("getppid()")[1].splitlines()[1:]
    text = re.sub("0x[0-9a-f]{5,}", "ADDRESS", "\n".join(lines))
    text = re.sub(rf"\b{pid}\b", "PID", text)
    text = re.sub(r" /\* \d+-\d\d-\d\dT[^*]*\*/", "", text)          # dates, in the zone of the computer
    text = re.sub(r"SA_RESTORER\|?|, sa_restorer=ADDRESS", "", text)  # x86's C library has its own
    text = re.sub(r"sa_flags=([,}])", r"sa_flags=0\1", text)
    return re.sub(" +=", " =", text)


class Lines(Case):
    def test_as_strace(self):
        if not can_trace():
            self.skipTest("strace cannot trace here")
        mine = built.native("traced", "-static")
        expected = self.run_words("strace", mine)
        for file in os.listdir(self.folder):
            os.unlink(os.path.join(self.folder, file))
        done = self.strace(built.program("traced", "-static"))
        self.assertEqual((expected.returncode, done.returncode), (7, 7))
        self.maxDiff = None
        self.assertGreater(between(expected.stderr).count("\n"), 100)
        self.assertEqual(between(done.stderr), between(expected.stderr))
        for text in expected.stderr, done.stderr:
            self.assertRegex(text, r"\nexit_group\(7\) +\= \?\n\+\+\+ exited with 7 \+\+\+\n$")

    def test_column(self):
        done = self.strace(built.program("traced", "-static"))
        self.assertIn("\numask(022)                              = 022\n", done.stderr)

    def test_execve(self):
        done = self.strace("--argv0", "name", built.program("hello", "-static"), "a\nb")
        self.assertRegex(done.stderr.splitlines()[0],
                         r'^execve\("/.*/hello-static", \["name", "a\\nb"\], 0x[0-9a-f]+ /\* \d+ vars \*/\) = 0$')

    def test_signals(self):
        for how, line in (("segv", "SIGSEGV {si_signo=SIGSEGV, si_code=SEGV_MAPERR, si_addr="),
                          ("ill", "SIGILL {si_signo=SIGILL, si_code=ILL_ILLOPC, si_addr=0x"),
                          ("trap", "SIGTRAP {si_signo=SIGTRAP, si_code=TRAP_BRKPT, si_addr=0x"),
                          ("abort", "SIGABRT {si_signo=SIGABRT, si_code=SI_TKILL, si_pid="),
                          ("term", "SIGTERM {si_signo=SIGTERM, si_code=SI_")):
            with self.subTest(how=how):
                done = self.strace(built.program("broken", "-static"), how)
                name = line.split()[0]
                self.assertEqual(done.returncode, -getattr(signal, name))
                self.assertRegex(done.stderr, "\n--- " + re.escape(line) + r"[^\n]*} ---\n\+\+\+ killed by " + name + r"[^\n]* \+\+\+\n$")

    def test_unknown(self):
        """Calls that are not there, by name and by number."""
        done = self.strace(built.program("odd", "-static"))
        self.assertRegex(done.stderr, r"\nio_uring_setup\(0x1, .*\) += -1 ENOSYS \(Function not implemented\)\n")
        self.assertRegex(done.stderr, r"\nsyscall_0xfff\(.*\) += -1 ENOSYS \(Function not implemented\)\n")


class Signals(Case):
    """Those that nobody handles, and what they interrupt or end: as strace(1) tells of them."""

    def both(self, how, status=0):
        """Lines of each thread, as of strace and of ours."""
        if not can_trace():
            self.skipTest("strace cannot trace here")
        texts = []
        for words in (["strace", "-f", "-o", "out", built.native("interrupted", "-static")],
                      [PATCHBAY, "user", "--strace", "--strace-file", "out", built.program("interrupted", "-static")]):
            done = self.run_words(*words, how)
            self.assertEqual((done.returncode, done.stderr), (status, ""))
            with open(os.path.join(self.folder, "out"), encoding="utf-8") as file:
                texts.append(self.by_thread(file.read()))
        self.maxDiff = None
        return texts

    def by_thread(self, text):
        """A list of lines for each thread, in the order of their beginning. All calls end. Numbers of threads are P0, P1 ..."""
        threads, begun = {}, {}
        for line in text.splitlines():
            tid, line = re.fullmatch(r"(\d+) +(.*)", line).groups()
            lines = threads.setdefault(tid, [])
            resumed = re.fullmatch(r"<\.\.\. \S+ resumed>(.*)", line)
            if resumed:
                line = begun.pop(tid) + resumed.group(1)
            self.assertNotIn(tid, begun, line)
            if re.search(r" ?<unfinished \.\.\.>$", line):
                begun[tid] = re.sub(r" ?<unfinished \.\.\.>$", "", line)
            # A signal that came before the call began: strace would not tell of the call. And a call that strace did not see begin.
            elif "ERESTARTNOINTR" not in line and not line.startswith("???"):
                lines.append(line)
        self.assertEqual(begun, {})
        return [self.same(lines, threads) for lines in threads.values()]

    def same(self, lines, threads):
        """Without what differs from run to run, and from one architecture to another."""
        text = "\n".join(lines)
        for i, tid in enumerate(threads):
            text = re.sub(rf"\b{tid}\b", f"P{i}", text)
        text = re.sub(r"(?s)^.*getppid\(\)[^\n]*\n", "", text)
        text = re.sub("0x[0-9a-f]{5,}", "ADDRESS", text)
        text = re.sub(r"(si_[us]time|tv_n?sec)=\d+", r"\1=N", text)
        text = re.sub(r"SA_RESTORER\|?|, sa_restorer=ADDRESS", "", text)
        text = re.sub(r"sa_flags=([,}])", r"sa_flags=0\1", text)
        return re.sub(" +=", " =", text).splitlines()

    def test_ignored(self):
        expected, found = self.both("ignored")
        self.assertEqual(found, expected)
        self.assertEqual(sum(line.startswith("--- SIG") for line in found[0]), 5)

    def calls(self, lines):
        """Those that are interrupted, and what becomes of them, however often it happens."""
        found = []
        for line, following in zip(lines, lines[1:]):
            if "ERESTART" in line:
                self.assertRegex(following, r"^--- SIGALRM ")
            goes_on = re.fullmatch(r"restart_syscall\(<\.\.\. (resuming interrupted \w+) \.\.\.>\) = (.*)", line)
            if goes_on:
                found += [word for word in goes_on.groups() if "restart_syscall" not in word and "ERESTART" not in word]
            elif re.match("nanosleep|clock_nanosleep|ppoll|futex|rt_sigsuspend|read", line) and line not in found:
                found.append(line)
        return found

    def test_interrupted(self):
        for how, count in ("handled", 8), ("restarted", 6), ("unhandled", 13):
            with self.subTest(how=how):
                for _ in range(20):  # a busy computer may let a call's time run out before it looks for signals
                    expected, found = (self.calls(text[0]) for text in self.both(how))
                    if len(expected) == len(found) == count:
                        break
                self.assertEqual(found, expected)
                self.assertEqual(len(found), count)

    def test_killed(self):
        expected, found = self.both("killed")
        self.assertEqual(found[1:], expected[1:])
        self.assertEqual(sorted(found[0]), sorted(expected[0]))  # SIGCHLD comes before wait() or in it
        self.assertEqual([lines[-1] for lines in found[1:]],
                         [f"+++ killed by {name} +++" for name in ("SIGTERM", "SIGKILL", "SIGABRT", "SIGRT_2")])

    def test_executed(self):
        """What is ignored stays ignored, though we are told of it."""
        done = self.strace(built.program("interrupted", "-static"), "executes")
        self.assertEqual(done.returncode, 0)
        self.assertRegex(done.stderr, r"\n--- SIGUSR1 {si_signo=SIGUSR1, si_code=SI_TKILL, .*} ---\nexecve\(")

    def test_threads(self):
        """The end of a process is that of all its threads, and of the calls that they are in."""
        for how, status, line in (("threads", 5, "+++ exited with 5 +++"),
                                  ("threads killed", -signal.SIGTERM, "+++ killed by SIGTERM +++")):
            for lines in self.both(how, status):
                self.assertEqual([thread[-1] for thread in lines], [line] * 4)
                self.assertEqual([thread[-2] for thread in lines[1:] if "futex" in thread[-2]],
                                 ["futex(ADDRESS, FUTEX_WAIT_PRIVATE, 0, NULL) = ?"])


class Processes(Case):
    def test_children(self):
        """Whoever writes, lines are whole: a beginning, or an end, or both."""
        done = self.strace("--strace-file", "out", built.program("family", "-static"))
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        with open(os.path.join(self.folder, "out"), encoding="utf-8") as file:
            lines = file.read().splitlines()
        open_calls = {}
        ends = 0
        for line in lines:
            match = re.fullmatch(r"(\d+) +(.*)", line)
            self.assertTrue(match, line)
            pid, text = match.groups()
            begun = re.fullmatch(r"(\w+)\(.* <unfinished \.\.\.>", text)
            resumed = re.fullmatch(r"<\.\.\. (\w+) resumed>.*\) += .*", text)
            if begun:
                self.assertNotIn(pid, open_calls)
                open_calls[pid] = begun.group(1)
            elif resumed:
                self.assertEqual(open_calls.pop(pid, None), resumed.group(1), line)
            else:
                self.assertRegex(text, r"^\w+\(.*\) += .+$|^--- SIG\w+ {.*} ---$|^\+\+\+ .* \+\+\+$")
                self.assertNotIn(pid, open_calls, line)
            ends += text == "+++ exited with 3 +++"
        self.assertEqual((open_calls, ends), ({}, 8))

    def test_unseen_ends(self):
        """Those of whom there is no line have one when they have been waited for, however that was, and whatever calls are shown."""
        for only in "none", "all":
            with self.subTest(only=only):
                done = self.strace("--strace-file", "out", "--strace-only", only, built.program("orphans", "-static"),
                                   "/bin/sh", "-c", "exit 4")
                self.assertEqual((done.returncode, done.stderr), (0, ""))
                with open(os.path.join(self.folder, "out"), encoding="utf-8") as file:
                    ends = re.findall(r"^\d+ +\+\+\+ (.*) \+\+\+$", file.read(), re.M)
                self.assertEqual(ends, ["killed by SIGKILL"] * 2 + ["exited with 4"] * 2 + ["exited with 0"])

    def test_execute(self):
        """A program that another one executes goes on with its line, and its file."""
        done = self.strace("--strace-file", "out", "--strace-only", "execve,uname", built.program("family", "-static"),
                           built.program("odd", "-static"))
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        with open(os.path.join(self.folder, "out"), encoding="utf-8") as file:
            text = file.read()
        begun = set(re.findall(r'^(\d+) +execve\("[^"]*odd-static"', text, re.M))
        done = re.findall(r'^(\d+) +(?:execve\("[^"]*odd.*|<... execve resumed>)\) += 0$', text, re.M)
        self.assertEqual((len(begun), len(done), set(done)), (8, 8, begun), text)
        self.assertRegex(text, r'uname\({sysname="Linux", nodename=".*", ...}\) += 0')


class Choice(Case):
    def names(self, only, program="traced"):
        done = self.strace("--strace-only", only, built.program(program, "-static"))
        return set(re.findall(r"^(\w+)\(", done.stderr, re.M))

    def test_names(self):
        self.assertEqual(self.names("openat,umask"), {"openat", "umask"})
        self.assertEqual(self.names("trace=umask"), {"umask"})
        self.assertEqual(self.names("none"), set())

    def test_classes(self):
        self.assertEqual(self.names("%network"),
                         {"socket", "bind", "setsockopt", "getsockopt", "connect", "socketpair", "sendto", "recvfrom",
                          "sendmsg", "recvmsg", "shutdown"})
        self.assertLessEqual({"execve", "openat", "mkdirat", "readlinkat"}, self.names("%file"))
        self.assertNotIn("uname", self.names("%file,%desc"))

    def test_all_but(self):
        all_names, others = self.names("all"), self.names("!openat,%desc")
        self.assertLess(others, all_names)
        self.assertNotIn("openat", others)
        self.assertNotIn("read", others)
        self.assertIn("uname", others)

    def test_refused(self):
        done = self.strace("--strace-only", "opennat", built.program("hello", "-static"))
        self.assertEqual((done.returncode, done.stdout), (2, ""))
        self.assertIn("there is no system call 'opennat'; did you mean 'openat'", done.stderr)
        done = self.strace("--strace-file", "nowhere/x", built.program("hello", "-static"))
        self.assertEqual(done.returncode, 2)
        self.assertIn("nowhere/x: No such file", done.stderr)

    def test_closed(self):
        """The program may close its standard error, or give the number to something else."""
        done = self.strace(built.program("odd", "-static"), "close")
        self.assertIn("exit_group(0)", done.stderr)


if __name__ == "__main__":
    cases.main()
