#!/usr/bin/env python3
"""usage: test_tiny.py BUILD TINY-HOST ACCEL.so FOLDER...

Installs the headers into an empty place, builds the processor in each folder with what pkg-config says and nothing else
of this tree, and runs the folder's test_*.txt on it with tiny_host.
"""

import os
import pathlib
import re
import subprocess
import sys
import tempfile

WARNINGS = ["-Wall", "-Wextra", "-Wshadow", "-Werror", "-Wno-unused-parameter",
            "-Wno-missing-field-initializers"]


def run(command, **options):
    """Status and output of a command."""
    result = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                            check=False, **options)
    return result.returncode, result.stdout


def flags_of_installed_headers(build, place):
    status, output = run(["meson", "install", "-C", build, "--no-rebuild", "--destdir", place])
    packages = next(pathlib.Path(place).rglob("patchbay.pc"), None)
    if status or not packages:
        sys.exit(f"the headers were not installed:\n{output}")
    environment = dict(os.environ, PKG_CONFIG_PATH=str(packages.parent),
                       PKG_CONFIG_SYSROOT_DIR=place)
    status, output = run(["pkg-config", "--cflags", "patchbay"], env=environment)
    if status:
        sys.exit(f"pkg-config: {output}")
    return output.split()


def test(folder, flags, host, accel, place):
    """Passed and failed cases of one processor."""
    plugin = pathlib.Path(place) / f"cpu-{folder.name}.so"
    status, output = run(["cc", "-std=c11", "-O1", *WARNINGS, "-shared", "-fPIC",
                          "-fvisibility=hidden", *flags, "-o", plugin, *sorted(folder.glob("*.c"))])
    if status:
        print(f"{folder.name} does not build:\n{output}")
        return 0, 1
    passed = failed = 0
    for script in sorted(folder.glob("test_*.txt")):
        status, output = run([host, plugin, accel, script])
        print(output, end="")
        counts = re.search(r"^(\d+) passed, (\d+) failed$", output, re.MULTILINE)
        passed += int(counts[1]) if counts else 0
        failed += int(counts[2]) if counts else 0
        # A crash, or a script without cases.
        failed += status != 0 and not (counts and int(counts[2]))
    return passed, failed


def main(build, host, accel, *folders):
    passed = failed = 0
    with tempfile.TemporaryDirectory() as place:
        flags = flags_of_installed_headers(build, place)
        for folder in folders:
            counts = test(pathlib.Path(folder), flags, host, accel, place)
            passed += counts[0]
            failed += counts[1]
    # The hosts' own lines were counted already; this program adds nothing if all is well.
    if failed and not passed:
        print("0 passed, 1 failed")
    return 1 if failed or not passed else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
