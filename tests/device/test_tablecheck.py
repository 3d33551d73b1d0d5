#!/usr/bin/env python3
"""usage: test_tablecheck.py TABLECHECK PLUGIN.so MANIFEST.json

Takes rows out of a plugin's manifest and sees that tablecheck names the members that they claimed.
"""

import json
import subprocess
import sys
import tempfile


def run(tablecheck, plugin, manifest):
    with tempfile.NamedTemporaryFile("w", suffix=".json") as file:
        json.dump(manifest, file)
        file.flush()
        result = subprocess.run([sys.executable, tablecheck, plugin, file.name],
                                stdout=subprocess.PIPE, text=True, check=False)
    return result.returncode, result.stdout


def without(manifest, table, name):
    copy = json.loads(json.dumps(manifest))
    kind = copy["types"][0]
    rows = kind["regions"][0]["registers"] if table == "registers" else kind[table]
    rows[:] = [row for row in rows if row["name"] != name]
    return copy


def main(tablecheck, plugin, path):
    with open(path, encoding="utf-8") as file:
        manifest = json.load(file)
    failed = 0
    status, output = run(tablecheck, plugin, manifest)
    if status == 77:
        print(output.strip())
        return 77
    if status:
        print(f"the plugin itself: {output}")
        failed += 1
    cases = [("state", "rx", "rx"), ("state", "overrun", "overrun"), ("state", "timeout", "timeout"),
             ("ports", "irq", "irq"), ("properties", "clock-hz", "clock_hz"), ("registers", "UARTIBRD", "ibrd")]
    for table, row, member in cases:
        status, output = run(tablecheck, plugin, without(manifest, table, row))
        if status != 1 or f"member {member} is claimed by no row" not in output:
            print(f"without {row} in {table}: status {status}: {output}")
            failed += 1
    print(f"{len(cases) + 1 - failed} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
