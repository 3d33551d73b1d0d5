#!/usr/bin/env python3
"""gcc's own programs that test what it compiles by running it ("c-torture execute"), as programs for AArch64.

usage: torture.py PATCHBAY [OPTION...] [NAME...]

  --levels LEVEL,...  what to compile with (0,2,3)
  --accel SPEC        what executes them (jit)
  --every N           only each N-th program
  --jobs N            at the same time (the processors there are)
  --keep FOLDER       where compiled programs are kept (${PATCHBAY_CACHE:-~/.cache/patchbay}/torture)

Each program ends with status 0 if what it found is right. The sources are those of Debian's gcc-12-source (`tools/guests fetch
gcc-torture`), the compiler is aarch64-linux-gnu-gcc. What is compiled is kept.
A program that fails is run by qemu-aarch64-static too, if that is there: where it fails as well, that is not ours. What
cannot be compiled is left out. Both are listed and counted.

All of them: --levels 0,2,3 --accel jit, and --levels 2 --accel interp: an hour each with two processors, the first time.
"""

import argparse
import collections
import concurrent.futures
import hashlib
import os
import pathlib
import re
import shutil
import subprocess
import sys

GUESTS = pathlib.Path(__file__).resolve().parent.parent.parent / "tools" / "guests"
COMPILER = "aarch64-linux-gnu-gcc"
QEMU = "qemu-aarch64-static"
FLAGS = ["-w", "-pipe"]
ENDLESS = {"930529-1"}     # an overflow that -O2 makes an endless loop of
BUILTIN_FLAGS = ["-fno-tree-dse", "-fno-tree-loop-distribute-patterns", "-fno-tracer", "-fno-ipa-ra",
                 "-fno-inline-functions"]       # as gcc's own run of them has
LIBRARIES = "/usr/aarch64-linux-gnu"    # of programs that are not static
LIMIT = 600     # seconds for one, on a busy machine

Program = collections.namedtuple("Program", "name level sources flags")


def default_folder():
    root = os.environ.get("PATCHBAY_CACHE") or os.path.join(
        os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache"), "patchbay")
    return pathlib.Path(root) / "torture"


def flags_of(source):
    """What a test asks for: in a file beside it, or in its head, but what is for other processors."""
    beside = source.with_suffix(".x")
    flags = []
    if beside.exists():
        for words in re.findall(r"(?:set|lappend) additional_flags (.*)", beside.read_text(encoding="latin-1")):
            flags += words.replace('"', "").split()
    text = source.read_text(encoding="latin-1")
    for words, target in re.findall(r'dg-(?:additional-)?options "([^"]*)"([^\n]*)', text):
        if "target" not in target or "aarch64" in target:
            flags += words.split()
    return flags


def programs(folder, level):
    for source in sorted(folder.glob("*.c")) + sorted(folder.glob("ieee/*.c")):
        name = str(source.relative_to(folder).with_suffix(""))
        yield Program(name, level, [source], ["-static", *flags_of(source)])
    # These have functions of the C library's names, which it would call itself before they can work, were they static.
    for source in sorted(folder.glob("builtins/*.c")):
        library = source.with_name(source.stem + "-lib.c")
        if library.exists():
            yield Program(f"builtins/{source.stem}", level, [source, library, source.parent / "lib" / "main.c"],
                          BUILTIN_FLAGS + flags_of(source))


def version():
    done = subprocess.run([COMPILER, "--version"], stdout=subprocess.PIPE, check=True)
    return hashlib.sha256(done.stdout + " ".join(FLAGS).encode()).hexdigest()[:12]


def compile_program(program, kept):
    """The path of a program; None: it cannot be made."""
    path = kept / f"O{program.level}" / program.name
    refused = path.with_name(path.name + ".refused")
    if not path.exists() and not refused.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        part = path.with_name(f"{path.name}.{os.getpid()}")
        done = subprocess.run([COMPILER, f"-O{program.level}", *FLAGS, *program.flags, *program.sources, "-o", part, "-lm"],
                              stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, check=False)
        if done.returncode == 0:
            part.rename(path)
        else:
            refused.write_bytes(done.stderr)
    return path if path.exists() else None


def status_of(*command):
    try:
        return subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                              timeout=LIMIT, check=False).returncode
    except subprocess.TimeoutExpired:
        return "no end"


def main():
    parser = argparse.ArgumentParser(usage=__doc__.split("usage: ")[1].split("\n")[0], add_help=False)
    parser.add_argument("--help", "-h", action="store_true")
    parser.add_argument("--levels", default="0,2,3")
    parser.add_argument("--accel", default="jit")
    parser.add_argument("--every", type=int, default=1)
    parser.add_argument("--jobs", type=int, default=len(os.sched_getaffinity(0)))
    parser.add_argument("--keep", type=pathlib.Path, default=default_folder())
    parser.add_argument("patchbay", nargs="?")
    parser.add_argument("names", nargs="*")
    options = parser.parse_intermixed_args()
    if options.help or not options.patchbay:
        print(__doc__)
        return 0 if options.help else 2
    found = subprocess.run([GUESTS, "path", "gcc-torture"], stdout=subprocess.PIPE, text=True, check=False)
    if found.returncode != 0:
        return 1
    folder, kept = pathlib.Path(found.stdout.strip()), options.keep / version()
    wanted = [p for level in options.levels.split(",") for p in list(programs(folder, level))[::options.every]
              if p.name in options.names or (not options.names and p.name not in ENDLESS)]

    def check(program):
        path = compile_program(program, kept)
        if not path:
            return program, "not compiled", None
        status = status_of(os.path.abspath(options.patchbay), "user", "-L", LIBRARIES, "--accel", options.accel, path)
        if status == 0:
            return program, "passed", 0
        if shutil.which(QEMU) and status_of(QEMU, "-L", LIBRARIES, path) != 0:
            return program, "fails elsewhere too", status
        return program, "FAILED", status

    counts = collections.Counter()
    with concurrent.futures.ThreadPoolExecutor(options.jobs) as pool:
        for program, result, status in pool.map(check, wanted):
            counts[result] += 1
            if result != "passed":
                print(f"{result}: {program.name} -O{program.level}" + (f", status {status}" if status is not None else ""), flush=True)
    print(", ".join(f"{n} {what}" for what, n in sorted(counts.items())))
    print(f"{counts['passed']} passed, {counts['FAILED']} failed")
    return 1 if counts["FAILED"] or not counts["passed"] else 0


if __name__ == "__main__":
    sys.exit(main())
