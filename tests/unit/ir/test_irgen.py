#!/usr/bin/env python3
"""Tests of tools/irgen: tables that are wrong are refused with file:line, and the real one generates.

usage: test_irgen.py IRGEN-FOLDER OPS.DEF TESTS-LIB-FOLDER
"""

import os
import subprocess
import sys
import tempfile
import unittest

FOLDER, TABLE, LIB = (os.path.abspath(a) for a in sys.argv[1:4])
del sys.argv[1:4]
sys.path[:0] = [FOLDER, LIB]

import cases  # noqa: E402
import opsdef  # noqa: E402

PRODUCTS = ["opcodes", "builders", "tables", "eval", "interp-tables", "interp-labels",
            "interp-table", "page"]


class Errors(unittest.TestCase):
    """Each row breaks one rule."""

    def refused(self, row, what, before=()):
        with tempfile.NamedTemporaryFile("w", suffix=".def") as file:
            file.write("# head\n" + "".join(line + "\n" for line in (*before, row)))
            file.flush()
            with self.assertRaises(opsdef.OpsError) as caught:
                opsdef.read(file.name)
            line = 2 + len(before)
            self.assertEqual(str(caught.exception), f"{file.name}:{line}: {what}")

    def test_form(self):
        self.refused("add I = I I pure : a + b",
                     "a row is: name results = operands { attributes } properties "
                     "\"sentence\" : meaning")

    def test_type(self):
        self.refused('add I = I Q pure "s" : a', "'Q' is no type")

    def test_result_type(self):
        self.refused('add Q! = I pure "s" : a', "'Q' is no type")

    def test_inference(self):
        self.refused('get A = pure "s" : 0', "result type A cannot be inferred; mark it A!")
        self.refused('get I! = I pure "s" : a',
                     "the type that is chosen is an operand's too; use another variable")

    def test_property(self):
        self.refused('add I = I I pure pretty "s" : a', "'pretty' is no property; there are: " + " ".join(opsdef.PROPERTIES))
        self.refused('add I = I I commutes "s" : a',
                     "exactly one of pure, fault, exit, fp, state and effect must stand there")

    def test_attribute(self):
        self.refused('add I = I { n } pure "s" : a',
                     "'n' is no attribute: name:bits or name:bits=range")
        self.refused('add I = I { es:3 } pure "s" : a', "attribute es has 2 bits")
        self.refused('add I = I { n:8 n:8 } pure "s" : a', "attribute n stands there twice")
        self.refused('add I = I { n:8=0..m } pure "s" : a', "'m' in the range of n is unknown")
        self.refused('add I = I { n:8=0..() } pure "s" : a', "'0..()' is no range")
        self.refused('add I = I { n:30 m:30 k:30 } pure "s" : a',
                     "the attributes do not fit in two words")

    def test_meaning(self):
        self.refused('add I = I pure "s"', "add is pure or fp and has no meaning")
        self.refused('add I = I fault "s" : a', "add has a meaning and is neither pure nor fp")
        self.refused('add I = I pure "s" : b', "the meaning uses b, which is no operand")
        self.refused('add I = I pure "s" : f(a', "the meaning's parentheses do not match")
        self.refused('add I fl = I pure "s" : a', "the meaning does not set the second result")
        self.refused('add V = V pure "s" : f(a, es)', "the meaning uses es, which is no attribute")

    def test_twice(self):
        self.refused('add I = I pure "s" : a', "add stands in line 2 already",
                     ['add I = I pure "s" : a'])

    def test_operands(self):
        self.refused('add i1 = I I I I I pure "s" : a', "at most two results and four operands")
        self.refused('add I J = I J pure "s" : a', "the second result's type cannot be a variable")

    def test_empty(self):
        with tempfile.NamedTemporaryFile("w", suffix=".def") as file:
            with self.assertRaises(opsdef.OpsError):
                opsdef.read(file.name)


class Command(unittest.TestCase):
    def run_irgen(self, *arguments):
        return subprocess.run([sys.executable, os.path.join(FOLDER, "irgen.py"), *arguments],
                              capture_output=True, text=True, check=False)

    def test_products(self):
        with tempfile.TemporaryDirectory() as folder:
            for product in PRODUCTS:
                output = os.path.join(folder, product)
                result = self.run_irgen(product, TABLE, output)
                self.assertEqual((result.returncode, result.stderr), (0, ""))
                self.assertGreater(os.path.getsize(output), 1000)

    def test_error(self):
        with tempfile.NamedTemporaryFile("w", suffix=".def") as file:
            file.write("nonsense\n")
            file.flush()
            result = self.run_irgen("opcodes", file.name, os.devnull)
            self.assertEqual(result.returncode, 1)
            self.assertTrue(result.stderr.startswith(f"{file.name}:1: a row is"))

    def test_usage(self):
        self.assertEqual(self.run_irgen("nothing").returncode, 2)


class Table(unittest.TestCase):
    """What the record layout demands of the real table."""

    def test_rows(self):
        for op in opsdef.read(TABLE):
            self.assertLessEqual(len(op.attributes), 4, op.name)
            self.assertTrue(op.sentence, op.name)
            self.assertTrue(op.section, op.name)


if __name__ == "__main__":
    cases.main()
