#!/usr/bin/env python3
"""Adds up the test cases of several test runs.

usage: tally.py LABEL=RESULT...

LABEL is a name for people ("gcc"). RESULT is the testlog.json that `meson test` wrote, or the word
PASSED or FAILED for a step that is one case itself (a build, the format check).

A test program that has cases inside prints `N passed, N failed[, N skipped]` alone on a line, as
often as it likes: these lines are summed. A program that prints none counts as one case. What meson
says of a program (exit status, time limit) always counts too: one that failed without admitting a
failed case adds one, and so does one whose lines say that it ran nothing.

A program gives the reason of a skip as a line `skipped: CASE: why`; one that skips as a whole ends
with status 77 and its last line is the reason.

Prints what failed and what was skipped, then the total as the last line. The exit status is 0 only
if something passed and nothing failed.
"""

import json
import re
import sys

COUNTS = re.compile(r"^(\d+) passed, (\d+) failed(?:, (\d+) skipped)?$", re.MULTILINE)
REASON = re.compile(r"^skipped: (.*)$", re.MULTILINE)


def last_line(text):
    lines = [line for line in text.splitlines() if line.strip()]
    return lines[-1] if lines else "it printed nothing"


def count(test):
    """What one record of testlog.json adds: [passed, failed, skipped] and the reasons of skips."""
    output = (test.get("stdout") or "") + "\n" + (test.get("stderr") or "")
    lines = COUNTS.findall(output)
    counts = [sum(int(line[i] or 0) for line in lines) for i in range(3)]
    reasons = REASON.findall(output)
    result = test["result"]

    if result == "SKIP":
        if not any(counts):
            return [0, 0, 1], [last_line(output)]
    elif result in ("OK", "EXPECTEDFAIL"):
        if not lines:
            counts[0] = 1
        elif not any(counts):
            counts[1] = 1
    elif not counts[1]:
        counts[1] = 1
    return counts, reasons


def main(arguments):
    total = [0, 0, 0]
    for argument in arguments:
        label, _, result = argument.partition("=")
        if result in ("PASSED", "FAILED"):
            total[result == "FAILED"] += 1
            if result == "FAILED":
                print(f"FAILED: {label}")
            continue
        with open(result, encoding="utf-8") as log:
            tests = [json.loads(line) for line in log if line.strip()]
        for test in tests:
            counts, reasons = count(test)
            total = [a + b for a, b in zip(total, counts)]
            name = f"{label}: {test['name']}"
            if counts[1]:
                print(f"FAILED: {name}: {test['result']}, {counts[1]} failed")
            for reason in reasons:
                print(f"SKIPPED: {name}: {reason}")

    passed, failed, skipped = total
    print(f"{passed} passed, {failed} failed" + (f", {skipped} skipped" if skipped else ""))
    return 0 if passed and not failed else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
