#!/usr/bin/env python3
"""The instruction cases are well formed, and every row of a64.decode has some.

usage: test_stanzas.py SOURCE.decode FILE.txt...
"""

import os
import sys

ROOT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "../..")
sys.path[:0] = [os.path.join(ROOT, "tools/decodegen"), os.path.join(ROOT, "tools/insn-test")]
import cases  # noqa: E402
import rows  # noqa: E402
import stanza  # noqa: E402

MAX_REPORTS = 20


def fault(file, case, row):
    """What is wrong with a case, or None."""
    if row is None:
        return "names no row"
    if not case.code or case.after is None:
        return "has no code or no state after"
    found = file.find(case.code[-1])
    if found is not row:
        return f"has a word of {found.id if found else 'no row'}"
    if case.needs != row.feature:
        return f"needs {row.feature}, not {case.needs}"
    for address in case.after.stores:
        if not cases.DATA <= address < cases.DATA + cases.PAGE:
            return f"stores to {address:#x}, outside of the data"
    return None


def main():
    file = rows.File(sys.argv[1])
    by_id = {row.id: row for row in file.rows}
    passed, faults, covered = 0, [], set()
    for path in sys.argv[2:]:
        with open(path, encoding="utf-8") as text:
            for case in stanza.read(text):
                row_id = case.name.split(" ")[0]
                what = fault(file, case, by_id.get(row_id))
                if what:
                    faults.append(f"{path}: {case.name}: {what}")
                else:
                    passed += 1
                    covered.add(row_id)
    known = [row for row in file.rows if not row.missing]
    for row in known:
        if row.id not in covered and row.id not in cases.WITHOUT_CASES:
            faults.append(f"{file.path}:{row.line}: {row.id} has no case")
        if row.id in covered and row.id in cases.WITHOUT_CASES:
            faults.append(f"{row.id} has cases, though it is listed as a row without")
    for row_id in cases.WITHOUT_CASES:
        if row_id not in by_id:
            faults.append(f"there is no row {row_id}, listed as one without cases")
    print("\n".join(faults[:MAX_REPORTS]))
    print(f"{len(covered)} of {len(known)} rows that are not missing have cases,"
          f" {len(cases.WITHOUT_CASES)} are listed as without")
    print(f"{passed} passed, {len(faults)} failed")
    sys.exit(1 if faults or not passed else 0)


if __name__ == "__main__":
    main()
