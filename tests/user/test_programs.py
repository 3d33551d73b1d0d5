#!/usr/bin/env python3
"""Programs of Debian for AArch64 do what the same programs do elsewhere.

usage: test_programs.py PATCHBAY [NAME...]     run scripts of programs/, or those named
       test_programs.py --make [NAME...]       make their expected output anew, by this system's own programs
       test_programs.py --more ...             the same in programs/more, by hand: Java, node, Go, musl

programs/NAME.sh is run by bash in an empty folder, with the programs of `tools/guests path sysroot-arm64`, those of programs/more
of `sysroot-arm64-more`; programs/NAME.out is what it writes. That comes from the same programs for this processor: from Debian 12, with gawk, on x86-64.
Each script runs as emitted code, and those whose first line says "interp: yes" under the interpreter too.
"""

import collections
import concurrent.futures
import os
import pathlib
import platform
import subprocess
import sys
import tempfile
import time

HERE = pathlib.Path(__file__).resolve().parent
GUESTS = HERE.parent.parent / "tools" / "guests"
LIMIT = 900     # seconds, on a busy machine
ENVIRONMENT = {"PATH": "/usr/bin:/bin", "LC_ALL": "C.UTF-8", "TZ": "UTC"}


Set = collections.namedtuple("Set", "folder guest")
USUAL = Set(HERE / "programs", "sysroot-arm64")
MORE = Set(HERE / "programs" / "more", "sysroot-arm64-more")


def scripts(chosen, names):
    return [chosen.folder / f"{name}.sh" for name in names] if names else sorted(chosen.folder.glob("*.sh"))


def run(command, script):
    """What a script writes, both ways together, and how it ends."""
    with tempfile.TemporaryDirectory() as folder:
        begun = time.monotonic()
        try:
            done = subprocess.run([*command, "/bin/bash", script], cwd=folder, stdin=subprocess.DEVNULL,
                                  stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=LIMIT, check=False,
                                  env=dict(ENVIRONMENT, HOME=folder, TMPDIR=folder))
        except subprocess.TimeoutExpired as error:
            return (error.stdout or b"") + b"\n(did not end)\n", LIMIT
        end = b"" if done.returncode == 0 else f"(status {done.returncode})\n".encode()
        return done.stdout + end, time.monotonic() - begun


def differences(expected, found):
    with tempfile.TemporaryDirectory() as folder:
        paths = []
        for name, text in ("expected", expected), ("found", found):
            paths.append(os.path.join(folder, name))
            pathlib.Path(paths[-1]).write_bytes(text)
        done = subprocess.run(["diff", "-u", *paths], stdout=subprocess.PIPE, check=False)
    return done.stdout.decode(errors="replace")


def make(chosen, names):
    for script in scripts(chosen, names):
        out, seconds = run([], script)
        script.with_suffix(".out").write_bytes(out)
        print(f"{script.stem}: {len(out.splitlines())} lines, {seconds:.1f} s")


def test(patchbay, chosen, names):
    found = subprocess.run([GUESTS, "path", chosen.guest], stdout=subprocess.PIPE, text=True, check=False)
    if found.returncode != 0:
        return 1
    command = [patchbay, "user", "-L", found.stdout.strip()]
    cases = [(script, accel) for accel in ("jit", "interp") for script in scripts(chosen, names)
             if accel == "jit" or "interp: yes" in script.read_text(encoding="utf-8").partition("\n")[0]]

    def check(case):
        script, accel = case
        out, seconds = run([*command, "--accel", accel], script)
        return case, differences(script.with_suffix(".out").read_bytes(), out), seconds

    failed = 0
    with concurrent.futures.ThreadPoolExecutor(len(os.sched_getaffinity(0))) as pool:
        for (script, accel), difference, seconds in pool.map(check, cases):
            print(f"{'FAILED' if difference else 'ok'}: {script.stem}, {accel}: {seconds:.1f} s\n{difference}", end="", flush=True)
            failed += difference != ""
    print(f"{len(cases) - failed} passed, {failed} failed")
    return 1 if failed or not cases else 0


def main(arguments):
    chosen = MORE if arguments[:1] == ["--more"] else USUAL
    arguments = arguments[chosen is MORE:]
    if not arguments or arguments[0].startswith("-") and arguments[0] != "--make":
        print(__doc__, file=sys.stderr)
        return 2
    if arguments[0] == "--make":
        return make(chosen, arguments[1:])
    if platform.machine() != "x86_64":
        print("user mode runs on x86-64 only")
        return 77
    return test(os.path.abspath(arguments[0]), chosen, arguments[1:])


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
