#!/usr/bin/env python3
"""Every public header compiles alone, as plain C11, without a warning, and is installed.

usage: test_headers.py ABI-SOURCE-DIR ABI-BUILD-DIR COMPILER...

COMPILER is the build's; clang and gcc are tried too if they are there.
"""

import pathlib
import shutil
import subprocess
import sys

FLAGS = ["-std=c11", "-Wall", "-Wextra", "-Wshadow", "-Wmissing-prototypes", "-Wpedantic",
         "-Wno-unused-parameter", "-Wno-missing-field-initializers", "-Werror", "-fsyntax-only",
         "-xc", "-"]


def compilers(own):
    found = {own[-1]: own}
    for name in ("gcc", "clang"):
        if shutil.which(name):
            found.setdefault(name, [name])
    return found


def main(source, build, own):
    failed = passed = 0
    roots = [pathlib.Path(source), pathlib.Path(build)]
    headers = sorted({str(path.relative_to(root)) for root in roots
                      for path in root.glob("patchbay/**/*.h")})
    listed = (roots[0] / "meson.build").read_text() + (roots[0] / "patchbay/meson.build").read_text()
    for header in headers:
        if f"'{header}'" not in listed and f"'{pathlib.Path(header).name}'" not in listed:
            print(f"FAILED: {header} is not installed")
            failed += 1
        for name, command in compilers(own).items():
            # Included twice: the guard works. The object keeps the unit from being empty.
            text = f"#include <{header}>\n#include <{header}>\nextern int x;\n"
            result = subprocess.run([*command, *FLAGS, f"-I{source}", f"-I{build}"], input=text,
                                    text=True, capture_output=True, check=False)
            if result.returncode or result.stderr:
                print(f"FAILED: {header} with {name}\n{result.stderr}")
                failed += 1
            else:
                passed += 1
    print(f"{passed} passed, {failed} failed")
    return 1 if failed or not passed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], sys.argv[2], sys.argv[3:]))
