#!/usr/bin/env python3
"""Broken machine files: each is refused with status 2 and the errors of its .expect file. (Where that
has nothing but warnings, the status is 0.)

usage: test_bad.py PATCHBAY FOLDER [--update]

FOLDER has NAME.yaml and NAME.expect, which is what `patchbay check` writes to standard error, with the
folder's path left out. A first line `# options: ...` of the machine file are further arguments. With
--update the .expect files are written as things are: read the difference before you keep it.
"""

import os
import re
import shlex
import subprocess
import sys


PLUGIN_PATH = re.compile(r"(?<=\.so) in /[^;\n]*")


def wanted_status(text):
    return 2 if any(": warning: " not in line for line in text.splitlines()) else 0


def options(path):
    with open(path, "rb") as file:
        first = file.readline()
    prefix = b"# options: "
    return shlex.split(first[len(prefix):].decode()) if first.startswith(prefix) else []


def check(patchbay, folder, name):
    """(exit status, standard error without the folder)"""
    path = os.path.join(folder, name + ".yaml")
    done = subprocess.run([patchbay, "check", path, *options(path)], stdin=subprocess.DEVNULL,
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=60)
    text = done.stderr.decode(errors="replace").replace(folder + "/", "")
    return done.returncode, PLUGIN_PATH.sub(" in (the plugin path)", text)


def expected(folder, name):
    try:
        with open(os.path.join(folder, name + ".expect"), encoding="utf-8") as file:
            return file.read()
    except FileNotFoundError:
        return "(no .expect file)\n"


def main():
    patchbay, folder = sys.argv[1:3]
    names = sorted(f[:-5] for f in os.listdir(folder) if f.endswith(".yaml"))
    passed = failed = 0
    for name in names:
        status, text = check(patchbay, folder, name)
        if "--update" in sys.argv:
            with open(os.path.join(folder, name + ".expect"), "w", encoding="utf-8") as file:
                file.write(text)
        if status == wanted_status(text) and text and text == expected(folder, name):
            passed += 1
        else:
            failed += 1
            print(f"FAILED: {name}: status {status}, it said\n{text}instead of\n{expected(folder, name)}")
    print(f"{passed} passed, {failed} failed")
    sys.exit(failed != 0 or passed == 0)


main()
