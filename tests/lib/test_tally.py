#!/usr/bin/env python3
"""Tests of tally.py: what must not be counted as a success is what matters here."""

import contextlib
import io
import json
import os
import tempfile
import unittest

import cases
import tally


def record(result, stdout="", stderr=""):
    return {"name": "suite / test", "result": result, "stdout": stdout, "stderr": stderr}


class Count(unittest.TestCase):
    def check(self, test, counts, reasons=()):
        self.assertEqual(tally.count(test), (counts, list(reasons)))

    def test_program_without_lines_is_one_case(self):
        self.check(record("OK", "hello"), [1, 0, 0])
        self.check(record("FAIL", "hello"), [0, 1, 0])
        self.check(record("TIMEOUT"), [0, 1, 0])

    def test_lines_are_summed(self):
        self.check(record("OK", "3 passed, 0 failed\nx\n4 passed, 0 failed, 2 skipped\n"), [7, 0, 2])

    def test_line_must_stand_alone(self):
        self.check(record("OK", "result: 3 passed, 0 failed\n"), [1, 0, 0])

    def test_failed_line_counts_despite_status_0(self):
        self.check(record("OK", "3 passed, 1 failed\n"), [3, 1, 0])

    def test_crash_after_good_line_is_a_failure(self):
        self.check(record("FAIL", "3 passed, 0 failed\n"), [3, 1, 0])

    def test_admitted_failures_are_not_counted_twice(self):
        self.check(record("FAIL", "3 passed, 2 failed\n"), [3, 2, 0])

    def test_nothing_run_is_a_failure(self):
        self.check(record("OK", "0 passed, 0 failed\n"), [0, 1, 0])

    def test_skip_gives_its_reason(self):
        self.check(record("SKIP", "needs /dev/kvm\n"), [0, 0, 1], ["needs /dev/kvm"])
        self.check(record("OK", "skipped: a: no x\n1 passed, 0 failed, 1 skipped\n"), [1, 0, 1],
                   ["a: no x"])

    def test_skip_does_not_hide_a_failure(self):
        self.check(record("SKIP", "0 passed, 1 failed\n"), [0, 1, 0])


class Total(unittest.TestCase):
    def total(self, *arguments, log=()):
        with tempfile.TemporaryDirectory() as folder:
            path = os.path.join(folder, "testlog.json")
            with open(path, "w", encoding="utf-8") as out:
                out.writelines(json.dumps(test) + "\n" for test in log)
            output = io.StringIO()
            with contextlib.redirect_stdout(output):
                status = tally.main([*arguments, f"log={path}"])
        return status, output.getvalue().splitlines()[-1]

    def test_green(self):
        self.assertEqual(self.total("step=PASSED", log=[record("OK")]), (0, "2 passed, 0 failed"))

    def test_red(self):
        self.assertEqual(self.total("step=FAILED", log=[record("OK")]), (1, "1 passed, 1 failed"))

    def test_no_test_is_red(self):
        self.assertEqual(self.total(), (1, "0 passed, 0 failed"))

    def test_only_skips_are_red(self):
        self.assertEqual(self.total(log=[record("SKIP")]), (1, "0 passed, 0 failed, 1 skipped"))


if __name__ == "__main__":
    cases.main()
