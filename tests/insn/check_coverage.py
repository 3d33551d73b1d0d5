#!/usr/bin/env python3
"""Every row of the decode file that is not missing has a case in tests/insn, or a reason in coverage.txt.

    check_coverage.py DECODE_FOLDER A64_DECODE COVERAGE CASES...
"""

import collections
import re
import sys

sys.path.insert(0, sys.argv[1])
import rows as decode  # noqa: E402


def main():
    counts, listed, faults = collections.Counter(), {}, []
    for path in sys.argv[4:]:
        with open(path, encoding="utf-8") as file:
            counts.update(re.findall(r"^  code: +(\S+) =", file.read(), re.MULTILINE))
    with open(sys.argv[3], encoding="utf-8") as file:
        for line in file:
            if line.strip() and not line.startswith("#"):
                name, count, *why = line.split(maxsplit=2)
                listed[name] = (int(count), why)
    checked = [row for row in decode.File(sys.argv[2]).rows if not row.missing]
    for row in checked:
        count, why = listed.get(row.id, (0, []))
        if count != counts[row.id]:
            faults.append(f"{row.id}: coverage.txt says {count} cases, there are {counts[row.id]}")
        elif not count and not why:
            faults.append(f"{row.id} ({row.title}) has no case, and coverage.txt gives no reason")
    print("\n".join(faults))
    print(f"{len(checked) - len(faults)} passed, {len(faults)} failed")
    return bool(faults)


if __name__ == "__main__":
    sys.exit(main())
