#!/usr/bin/env python3
"""decodegen: what it says of faulty files, and what it makes of small correct ones.

usage: test_decodegen.py DIRECTORY, where it may write.
"""

import json
import os
import subprocess
import sys
import tempfile
import unittest

HERE = os.path.dirname(os.path.abspath(__file__))
TOOL = os.path.join(HERE, "../../tools/decodegen")
sys.path.insert(0, TOOL)
import expr  # noqa: E402
import rows  # noqa: E402

HEAD = "%name t\n%width 16\n%context t_ctx\n%status int\n%feature FEAT_X extra\n# ADD, SUB (form)\n"
HEAD_LINES = HEAD.count("\n")


class Case(unittest.TestCase):
    def write(self, text):
        """A file with HEAD and TEXT; returns its path."""
        fd, path = tempfile.mkstemp(suffix=".decode", dir=sys.argv[1])
        self.addCleanup(os.unlink, path)
        with os.fdopen(fd, "w") as out:
            out.write(HEAD + text)
        return path

    def run_tool(self, path, *options):
        return subprocess.run([sys.executable, os.path.join(TOOL, "decodegen.py"), *options, path],
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)

    def fails(self, text, what, line=1):
        """The tool rejects TEXT, of which line LINE is at fault, and says WHAT."""
        path = self.write(text)
        run = self.run_tool(path, "--statistics")
        self.assertNotEqual(run.returncode, 0)
        self.assertEqual(run.stderr.splitlines()[0], f"{path}:{HEAD_LINES + line}: {what}")

    def read(self, text):
        return rows.File(self.write(text))

    def passes(self, text):
        run = self.run_tool(self.write(text), "--statistics")
        self.assertEqual((run.returncode, run.stderr), (0, ""))


class Faults(Case):
    def test_too_few_bits(self):
        self.fails("tr_a 0000 rd:4\n", "the row has 8 bits, not 16")

    def test_too_many_bits(self):
        self.fails("tr_a 00000000 rd:9\n", "the row has more than 16 bits")

    def test_not_a_picture(self):
        self.fails("tr_a 00000000 rd-8\n", "'rd-8' is neither bits nor a field")

    def test_field_twice(self):
        self.fails("tr_a 00000000 r:4 r:4\n",
                   "r stands twice; number the bits of its pieces: r[4:3]")

    def test_gap_in_pieces(self):
        self.fails("tr_a 00000000 r[7:5] r[3:0] 0\n",
                   "the pieces of r do not fit together at bit 4")

    def test_unknown_name(self):
        self.fails("tr_a 00000000 r:8 unless q == 1\n", "tr_a has no field q at this point")

    def test_unknown_feature(self):
        self.fails("tr_a 00000000 r:8 needs FEAT_Y\n",
                   "feature FEAT_Y is not declared by a %feature line")

    def test_unknown_clause(self):
        self.fails("tr_a 00000000 r:8 needs FEAT_X hidden\n",
                   "expected name=value or one of unless, needs, missing, over, found 'hidden'")

    def test_incomplete_expression(self):
        self.fails("tr_a 00000000 r:8 unless r ==\n", "expected a value, found the end of the row")

    def test_unknown_directive(self):
        self.fails("%widht 32\n",
                   "unknown directive %widht; there are: name, width, context, status, include,"
                   " feature, define")

    def test_unknown_definition(self):
        self.fails("tr_a 00000000 r:8 @q\n", "@q is not defined")

    def test_members_differ(self):
        self.fails("tr_a 00000000 r:8\ntr_a 00000001 s:8\n",
                   f"tr_a here and at line {HEAD_LINES + 1} differ in: r, s", line=2)

    def test_line_of_a_continued_row(self):
        self.fails("tr_a 00000000 r:8\n\ntr_b 00000001 s:8\n    unless q == 1\n",
                   "tr_b has no field q at this point", line=3)

    def test_overlap(self):
        self.fails("tr_a 0000 r:12\ntr_b q:12 1111\n",
                   f"tr_b and tr_a (line {HEAD_LINES + 1}) both claim 0x000f", line=2)

    def test_overlap_in_spite_of_unless(self):
        self.fails("tr_a 0000 r:12 unless r == 15\ntr_b q:12 1111 unless q > 15\n",
                   f"tr_b and tr_a (line {HEAD_LINES + 1}) both claim 0x001f", line=2)

    def test_over_nothing(self):
        self.fails("tr_a 00000000 r:8 over\n", "tr_a is marked over, but covers no row")

    def test_nothing_left(self):
        self.fails("tr_a 00000000 r:8 unless r >= 0\n",
                   "tr_a: its unless clause leaves nothing")

    def test_no_such_file(self):
        run = self.run_tool(os.path.join(sys.argv[1], "none.decode"), "--statistics")
        self.assertNotEqual(run.returncode, 0)
        self.assertIn("none.decode", run.stderr)


class Meaning(Case):
    def test_unless_keeps_rows_apart(self):
        self.passes("tr_a 0000 r:12 unless r & 15 == 15\ntr_b q:12 1111 unless q > 255\n")

    def test_over_wins_and_gives_way(self):
        file = self.read("tr_a 00000000 r:8\ntr_b 00000000 000 r:5 over needs FEAT_X unless r == 1\n")
        self.assertEqual(file.find(0x02).function, "tr_b")
        self.assertEqual(file.find(0x01).function, "tr_a")
        self.assertEqual(file.find(0x20).function, "tr_a")
        self.assertEqual(file.find(0x02, lambda name: False).function, "tr_a")
        self.assertIsNone(file.find(0x100))

    def test_values(self):
        file = self.read("tr_a 0 i[1:0] _k:2 i[5:2]:s*4 j:s4 000    n=_k + 1 m=n << 2\n")
        row, word = file.rows[0], 0b0_10_11_1000_1111_000
        self.assertEqual(row.members(), ["i", "j", "n", "m"])
        values = row.values(word)
        self.assertEqual((values["i"], values["j"], values["n"], values["m"]), (-30 * 4, -1, 4, 16))
        self.assertTrue(row.signed("i"))
        self.assertFalse(row.signed("m"))

    def test_ids_and_titles(self):
        file = self.read("tr_a 00000000 r:8\ntr_a 00000001 r:8\n# MUL\ntr_b 00000010 r:8\n")
        self.assertEqual([row.id for row in file.rows], ["tr_a", "tr_a.2", "tr_b"])
        self.assertEqual([row.title for row in file.rows], ["ADD, SUB (form)"] * 2 + ["MUL"])

    def test_rows_as_data(self):
        path = self.write("tr_a 00000000 r:8 unless r == 3\ntr_b 00000001 r:8 needs FEAT_X, missing\n")
        listed = json.loads(self.run_tool(path, "--rows", "json").stdout)
        self.assertEqual([row["id"] for row in listed], ["tr_a", "tr_b"])
        self.assertEqual((listed[0]["mask"], listed[0]["value"]), (0xFF00, 0))
        self.assertEqual((listed[0]["unless"], listed[1]["needs"]), ("r == 3", "FEAT_X"))
        missing = self.run_tool(path, "--rows", "missing").stdout.splitlines()
        self.assertEqual(len(missing), 2)
        self.assertTrue(missing[1].startswith("tr_b,"))

    def test_precedence(self):
        def value(text, **fields):
            return expr.evaluate(expr.Parser(expr.tokens(text)).expression(), fields)

        self.assertEqual(value("a & 3 == 1", a=5), 1)
        self.assertEqual(value("1 or 0 and 0"), 1)
        self.assertEqual(value("not a == 1", a=2), 1)
        self.assertEqual(value("a not in (1, 2)", a=2), 0)
        self.assertEqual(value("2 + 3 * 4 << 1"), 28)
        self.assertEqual(value("-a - 1", a=3), -4)
        self.assertEqual(value("select(a, 5, 6) + lowbit(12) * 10 + highbit(12) * 100", a=0), 326)


def main():
    suite = unittest.defaultTestLoader.loadTestsFromModule(sys.modules["__main__"])
    result = unittest.TextTestRunner(stream=sys.stdout).run(suite)
    failed = len(result.failures) + len(result.errors)
    print(f"{result.testsRun - failed} passed, {failed} failed")
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
