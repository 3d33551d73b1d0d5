#!/usr/bin/env python3
"""Processors that write each other's code and data beside it, while they execute it: no invalidation is lost.

usage: test_writers.py PATCHBAY [UNITTEST-ARGUMENT...]
       test_writers.py --show ROUNDS PATCHBAY     the same by hand, as long as wanted
       test_writers.py --assemble                 makes writers.hex
"""

import os
import pathlib
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

SOURCE = HERE / "writers.S"
# Pages that become mixed at once, some time, never; units that compare though they are told; regions; a cache from which
# slabs are evicted all the time; the host's plainest code.
ACCELERATORS = ("jit", "jit,mixed-after=1", "jit,mixed-after=200", "jit,mixed-after=0", "jit,compare=true",
                "jit,regions=always", "jit,regions=always,mixed-after=1", "jit,cache-size=1MiB,evict-every=3",
                "jit,cache-size=1MiB,evict-every=3,mixed-after=1", "jit,codegen-options=baseline=true,mixed-after=1",
                "interp")
ROUNDS = 10000


def run(patchbay, accelerator, processors, rounds, *options, idle=0):
    """(wrong, executed)"""
    code = assembly.words(SOURCE)
    code[1:4] = rounds, processors, idle
    with tempfile.TemporaryDirectory() as folder:
        kernel = os.path.join(folder, "writers")
        pathlib.Path(kernel).write_bytes(program.elf(code))
        done = subprocess.run(
            [patchbay, "run", "arm-virt", "--accel", accelerator, "--set", f"cpus={processors}", "--set", "cpu=max",
             "--kernel", kernel, *options],
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=300, check=False)
    console = done.stdout.decode().replace("\r", "")
    match = re.fullmatch(r"([0-9a-f]{16}) ([0-9a-f]{16})\n", console)
    if done.returncode != 0 or done.stderr or not match:
        raise RuntimeError(f"patchbay: {done.returncode}: {console!r} {done.stderr.decode()!r}")
    return int(match[1], 16), int(match[2], 16)


class Writers(unittest.TestCase):
    def check(self, processors, accelerators, rounds, *options):
        for accelerator in accelerators:
            with self.subTest(accelerator=accelerator):
                self.assertEqual(run(PATCHBAY, accelerator, processors, rounds, *options),
                                 (0, 2 * processors * rounds))

    def test_alone(self):
        self.check(1, ACCELERATORS, ROUNDS)

    def test_two(self):
        self.check(2, ACCELERATORS, ROUNDS)

    def test_four(self):
        self.check(4, ACCELERATORS, ROUNDS // 2)

    def test_in_turn(self):
        self.check(4, ("jit", "jit,compare=true", "jit,cache-size=1MiB,evict-every=3", "interp"), 300, "--deterministic")

    def test_equal(self):
        """The state of interpreter and emitted code, all along the way."""
        with tempfile.TemporaryDirectory() as folder:
            kernel = os.path.join(folder, "writers")
            code = assembly.words(SOURCE)
            code[1:3] = 1000, 2
            pathlib.Path(kernel).write_bytes(program.elf(code))
            for accelerator in ("jit", "jit,regions=always,compare=true", "jit,cache-size=1MiB,evict-every=2"):
                with self.subTest(accelerator=accelerator):
                    done = subprocess.run(
                        [PATCHBAY, "run", "arm-virt", "--lockstep", "interp," + accelerator, "--set", "cpus=2", "--set",
                         "cpu=max", "--kernel", kernel, "--stop-at", "60000"],
                        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=300,
                        check=False)
                    self.assertIn("equal after", done.stdout.decode())
                    self.assertEqual(done.returncode, 0)

    @unittest.skipUnless(assembly.is_there(), "no assembler for AArch64")
    def test_words(self):
        self.assertEqual(assembly.assembled(SOURCE), assembly.words(SOURCE))


class CanFail(unittest.TestCase):
    def test_nothing_written(self):
        """Slots that keep leading to the first pad are wrong."""
        wrong, executed = run(PATCHBAY, "jit", 2, 100, idle=1)
        self.assertEqual(executed, 400)
        self.assertGreater(wrong, 300)


if __name__ == "__main__":
    if sys.argv[1:2] == ["--assemble"]:
        assembly.write(SOURCE)
    elif sys.argv[1:2] == ["--show"]:
        for name in ACCELERATORS:
            for count in (1, 2, 4):
                print(name, count, *run(os.path.abspath(sys.argv[3]), name, count, int(sys.argv[2])), flush=True)
    else:
        PATCHBAY = os.path.abspath(sys.argv.pop(1))
        cases.main()
