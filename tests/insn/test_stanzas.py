#!/usr/bin/env python3
"""The instruction cases are well formed, and every row of a64.decode has some.

usage: test_stanzas.py SOURCE.decode FILE.txt... [--system FOLDER FILE.txt...]
"""

import os
import sys

ROOT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "../..")
sys.path[:0] = [os.path.join(ROOT, "tools/decodegen"), os.path.join(ROOT, "tools/insn-test")]
import cases  # noqa: E402
import rows  # noqa: E402
import stanza  # noqa: E402
import system  # noqa: E402

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


def read_user(file, by_id, path, covered):
    """What is wrong with the cases of single instructions in a file, and how many are right."""
    faults, passed = [], 0
    with open(path, encoding="utf-8") as text:
        for case in stanza.read(text):
            row_id = case.name.split(" ")[0]
            what = fault(file, case, by_id.get(row_id))
            if what:
                faults.append(f"{path}: {case.name}: {what}")
            else:
                passed += 1
                covered.add(row_id)
    return faults, passed


def system_fault(file, case):
    """What is wrong with a system case, or None. One whose name begins with a row is a case of that row."""
    row_id = case.name.split(" ")[0]
    found = {row.id for row in map(file.find, (word for _, word in case.code)) if row}
    if case.model not in system.MODELS:
        return "names no model"
    if not case.code or case.after is None or case.after.to is None:
        return "has no code, no state after, or does not say how it ends"
    if row_id.startswith("tr_") and row_id not in found:
        return f"has no word of {row_id}"
    return None


def read_system(file, registers, path, covered):
    faults, passed = [], 0
    for case in system.read_cases(path, registers):
        what = system_fault(file, case)
        if what:
            faults.append(f"{path}: {case.name}: {what}")
        else:
            passed += 1
            covered.add(case.name.split(" ")[0])
    return faults, passed


def main():
    arguments = sys.argv[1:]
    split = arguments.index("--system") if "--system" in arguments else len(arguments)
    file = rows.File(arguments[0])
    by_id = {row.id: row for row in file.rows}
    passed, faults, covered = 0, [], set()
    for path in arguments[1:split]:
        found = read_user(file, by_id, path, covered)
        faults, passed = faults + found[0], passed + found[1]
    if split < len(arguments):
        registers = system.read_registers(os.path.join(arguments[split + 1], "registers.txt"))
        for path in arguments[split + 2 :]:
            found = read_system(file, registers, path, covered)
            faults, passed = faults + found[0], passed + found[1]
    known = [row for row in file.rows if not row.missing]
    for row in known:
        if row.id not in covered:
            faults.append(f"{file.path}:{row.line}: {row.id} has no case")
    for row_id in cases.NOT_IN_USER_MODE:
        if row_id not in by_id:
            faults.append(f"there is no row {row_id}, listed as one that user mode has not")
    print("\n".join(faults[:MAX_REPORTS]))
    print(f"{sum(row.id in covered for row in known)} of {len(known)} rows that are not missing have cases")
    print(f"{passed} passed, {len(faults)} failed")
    sys.exit(1 if faults or not passed else 0)


if __name__ == "__main__":
    main()
