#!/usr/bin/env python3
"""Memory ordering and atomicity between processors that run at once, under each accelerator.

usage: test_litmus.py PATCHBAY [UNITTEST-ARGUMENT...]
       test_litmus.py --show INSTANCES PATCHBAY     prints what was seen
       test_litmus.py --assemble                    makes litmus.hex
"""

import os
import pathlib
import platform
import re
import subprocess
import sys
import tempfile
import unittest

HERE = pathlib.Path(__file__).resolve().parent
sys.path += [str(HERE.parent / "lib"), str(HERE.parent / "machine")]
import assembly  # noqa: E402
import cases  # noqa: E402
import program  # noqa: E402

SOURCE = HERE / "litmus.S"
INSTANCES = {"jit": 10007, "interp": 3001}  # no multiples of 256, which would hide lost increments of bytes
RUNS = {"jit": 5, "interp": 2}  # on a busy host all instances of a test may pass while one processor stands
APART = 64        # what keeps processors apart in litmus.S

# Outcomes by r0, r1...; those that DDI 0487 B2.3 forbids. A test without any is there for the sight of it, and so that
# code without barriers is run too.
BOTH_OLD, FLAG_WITHOUT_DATA, BOTH_NEW, DISAGREE = "00", "10", "11", "1010"
BACKWARDS = ("10", "20", "21")
FORBIDDEN = {
    "SB": (), "SB+dmb": (BOTH_OLD,), "SB+dsb": (BOTH_OLD,), "SB+dmb.ishst": (), "SB+stlr+ldar": (BOTH_OLD,),
    "SB+stlr+ldapr": (), "SB+swpal": (BOTH_OLD,), "SB+stlxr+dmb": (BOTH_OLD,),
    "MP": (), "MP+dmb": (FLAG_WITHOUT_DATA,), "MP+dmb.halves": (FLAG_WITHOUT_DATA,),
    "MP+stlr+ldar": (FLAG_WITHOUT_DATA,), "MP+stlr+ldapr": (FLAG_WITHOUT_DATA,), "MP+swpal+ldar": (FLAG_WITHOUT_DATA,),
    "LB": (), "LB+dmb": (BOTH_NEW,), "LB+dmb.ishld": (BOTH_NEW,), "LB+ldar": (BOTH_NEW,), "LB+stlr": (BOTH_NEW,),
    "LB+ldapr": (BOTH_NEW,),
    "IRIW": (), "IRIW+dmb": (DISAGREE,), "IRIW+dmb.ishld": (DISAGREE,), "IRIW+stlr+ldar": (DISAGREE,),
    "IRIW+ldapr": (DISAGREE,),
    "CoRR": BACKWARDS, "CoRR+stlr+ldar": BACKWARDS, "CoRR+swpal": BACKWARDS,
}
SUMS = ("ldxr/stxr", "ldaxr/stlxr", "ldadd", "ldaddalb", "casal", "swpal", "ldset/ldclr", "caspal", "ldxp/stxp",
        "ldaxp/stlxp", "mixed")
PAIRS = ("caspal", "ldxp/stxp")


def processors_of(name):
    return 4 if name.startswith("IRIW") else 2


def outcome(name, number):
    """Two bits a register, r0 lowest."""
    registers = 4 if name.startswith("IRIW") else 2
    return "".join(str(number >> 2 * i & 3) for i in range(registers))


def code_of(text):
    return sum(int(digit) << 2 * i for i, digit in enumerate(text))


def parse(console):
    """{name: {outcome: count}}, {name: (sum, high half, torn)}"""
    seen, sums = {}, {}
    for line in console.split("\n"):
        if not line:
            continue
        match = re.fullmatch(r"(\S+) ([=:])((?: [0-9a-f]{16})+)", line)
        if not match:
            raise ValueError(f"not a line of the program: {line!r}")
        name, numbers = match[1], [int(number, 16) for number in match[3].split()]
        if match[2] == ":":
            sums[name] = tuple(numbers)
        else:
            seen.setdefault(name, {})[outcome(name, numbers[1])] = numbers[0]
    return seen, sums


def expected_sum(name, processors, instances):
    if name == "ldaddalb":
        total = sum((instances & 255) << 8 * i for i in range(processors))
    else:
        total = processors * instances
    return total, total if name in PAIRS else 0, 0


def faults(console, processors, instances):
    """What is wrong with what the program said: a list of texts."""
    seen, sums = parse(console)
    wrong = []
    names = [name for name in FORBIDDEN if processors_of(name) == processors]
    if sorted(seen) != sorted(names) or sorted(sums) != sorted(SUMS):
        wrong.append(f"other tests than expected: {sorted(seen)} {sorted(sums)}")
    for name, outcomes in seen.items():
        if sum(outcomes.values()) != instances:
            wrong.append(f"{name}: {sum(outcomes.values())} outcomes of {instances} instances")
        wrong += [f"{name}: {count} times {text}, which is forbidden"
                  for text, count in outcomes.items() if text in FORBIDDEN.get(name, ())]
    for name, numbers in sums.items():
        right = expected_sum(name, processors, instances)
        if numbers != right:
            wrong.append(f"{name}: {numbers}, not {right}")
    return wrong


def run(patchbay, accelerator, processors, instances, apart=0, options=()):
    """What the guest wrote."""
    code = assembly.words(SOURCE)
    code[1:4] = instances, processors, apart
    with tempfile.TemporaryDirectory() as folder:
        kernel = os.path.join(folder, "litmus")
        pathlib.Path(kernel).write_bytes(program.elf(code))
        done = subprocess.run(
            [patchbay, "run", "arm-virt", "--accel", accelerator, "--set", f"cpus={processors}", "--set", "cpu=max",
             "--kernel", kernel, *options],
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=100)
    if done.returncode != 0:
        raise RuntimeError(f"patchbay: {done.returncode}: {done.stderr.decode()}")
    return done.stdout.decode().replace("\r", "")


class Litmus(unittest.TestCase):
    def check_once(self, accelerator, processors, instances, options=()):
        console = run(PATCHBAY, accelerator, processors, instances, options=options)
        self.assertEqual(faults(console, processors, instances), [], console)

    def check(self, accelerator, processors):
        kind = accelerator.split(",")[0]
        for _ in range(RUNS[kind]):
            self.check_once(accelerator, processors, INSTANCES[kind])

    def test_jit_2(self):
        self.check("jit", 2)

    def test_jit_3(self):
        self.check("jit", 3)

    def test_jit_4(self):
        self.check("jit", 4)

    def test_regions_2(self):
        self.check("jit,regions=always", 2)

    def test_regions_4(self):
        self.check("jit,regions=always", 4)

    def test_no_regions(self):
        self.check("jit,regions=off", 2)

    @unittest.skipUnless(platform.machine() == "x86_64", "the property is of codegen-x86_64")
    def test_plain_host(self):
        """Code for x86-64-v2."""
        self.check("jit,codegen-options=baseline=true", 4)

    def test_interp_2(self):
        self.check("interp", 2)

    def test_interp_4(self):
        self.check("interp", 4)

    def test_one_thread(self):
        """Counted and in turn: the same code without fences."""
        for accelerator in ("jit", "interp"):
            self.check_once(accelerator, 2, 1009, ["--deterministic"])


class CanFail(unittest.TestCase):
    """The checker and the program, with what must not be."""

    @staticmethod
    def console(processors, name=None, text=None, sums=()):
        """What a run says whose every outcome is the allowed one of all zeros or ones, but one."""
        lines = []
        for test, forbidden in FORBIDDEN.items():
            if processors_of(test) == processors:
                digits = 4 if processors == 4 else 2
                allowed = next(t for t in ("0" * digits, "01" * (digits // 2)) if t not in forbidden)
                rest = 10 - (test == name)
                lines.append(f"{test} = {rest:016x} {code_of(allowed):016x}")
                if test == name:
                    lines.append(f"{test} = {1:016x} {code_of(text):016x}")
        for test in SUMS:
            numbers = dict(sums).get(test, expected_sum(test, processors, 10))
            lines.append(f"{test} :" + "".join(f" {number:016x}" for number in numbers))
        return "\n".join(lines) + "\n"

    def test_right(self):
        for processors in (2, 4):
            self.assertEqual(faults(self.console(processors), processors, 10), [])

    def test_each_forbidden_outcome(self):
        count = 0
        for name, forbidden in FORBIDDEN.items():
            for text in forbidden:
                processors = processors_of(name)
                self.assertEqual(faults(self.console(processors, name, text), processors, 10),
                                 [f"{name}: 1 times {text}, which is forbidden"])
                count += 1
        self.assertGreater(count, 25)

    def test_each_sum(self):
        for name in SUMS:
            right = expected_sum(name, 4, 10)
            for i in range(3):
                numbers = tuple(number - 1 if i == j else number for j, number in enumerate(right))
                numbers = tuple(number & (1 << 64) - 1 for number in numbers)
                self.assertEqual(faults(self.console(4, sums={name: numbers}), 4, 10),
                                 [f"{name}: {numbers}, not {right}"])

    def test_lost_lines(self):
        whole = self.console(2).split("\n")
        for line in range(len(whole) - 1):
            self.assertNotEqual(faults("\n".join(whole[:line] + whole[line + 1:]), 2, 10), [])
        self.assertRaises(ValueError, faults, "SB = 12", 2, 10)

    def test_variables_not_shared(self):
        """Store buffering that nobody drains, and sums that lack what half of the processors added."""
        for accelerator in ("jit", "interp"):
            wrong = faults(run(PATCHBAY, accelerator, 2, 100, APART), 2, 100)
            for name in ("SB+dmb", "SB+dsb", "SB+stlr+ldar", "SB+swpal", "SB+stlxr+dmb"):
                self.assertIn(f"{name}: 100 times 00, which is forbidden", wrong)
            for name in SUMS:
                self.assertTrue([text for text in wrong if text.startswith(name + ": ")], (name, wrong))


class Words(unittest.TestCase):
    @unittest.skipUnless(assembly.is_there(), f"there is no {assembly.AS}")
    def test_words(self):
        self.assertEqual(assembly.words(SOURCE), assembly.assembled(SOURCE),
                         "litmus.S was changed: test_litmus.py --assemble")


def show(instances, patchbay):
    for accelerator in ("jit", "interp"):
        for processors in (2, 4):
            console = run(patchbay, accelerator, processors, instances)
            seen, _ = parse(console)
            print(f"{accelerator}, {processors} processors")
            for name, outcomes in seen.items():
                print(f"  {name:16}", "  ".join(f"{text}: {count}" for text, count in sorted(outcomes.items())))
            wrong = faults(console, processors, instances)
            print("\n".join("  WRONG: " + text for text in wrong) or "  nothing forbidden")


if __name__ == "__main__":
    if sys.argv[1:] == ["--assemble"]:
        assembly.write(SOURCE)
    elif len(sys.argv) == 4 and sys.argv[1] == "--show":
        show(int(sys.argv[2]), sys.argv[3])
    else:
        PATCHBAY = os.path.abspath(sys.argv.pop(1))
        cases.main()
