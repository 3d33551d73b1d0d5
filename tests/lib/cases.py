"""Runs a unittest program and reports its cases the way tools/test reads them."""

import signal
import sys
import unittest


def main():
    """Like unittest.main(), with the line `N passed, N failed[, N skipped]` at the end."""
    for number in signal.SIGHUP, signal.SIGINT, signal.SIGQUIT:     # who starts it may ignore them: nohup, shells with &
        if signal.getsignal(number) is signal.SIG_IGN:
            signal.signal(number, signal.SIG_DFL)
    program = unittest.main(module="__main__", exit=False, verbosity=1)
    result = program.result
    failures = [case for case, _ in result.failures + result.errors] + result.unexpectedSuccesses
    failed = len({getattr(case, "test_case", case).id() for case in failures})  # a case may fail in several subtests
    skipped = len(result.skipped)
    for case, reason in result.skipped:
        print(f"skipped: {case.id()}: {reason}")
    print(f"{result.testsRun - failed - skipped} passed, {failed} failed"
          + (f", {skipped} skipped" if skipped else ""))
    sys.exit(failed != 0)
