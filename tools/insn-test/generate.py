#!/usr/bin/env python3
"""Makes the instruction cases of tests/insn: random operands, expected results from QEMU's user mode.

usage: generate.py [--seed N] [--scale X] [--check] DIRECTORY

Writes one file for each section of the manual into DIRECTORY and prints what is covered. --scale
multiplies the number of cases. --check writes nothing, runs all cases of the files that are there, and
reports what QEMU does differently.

Needs aarch64-linux-gnu-gcc, aarch64-linux-gnu-objdump and qemu-aarch64-static.
"""

import argparse
import os
import random
import re
import struct
import subprocess
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
sys.path.insert(0, os.path.join(ROOT, "tools", "decodegen"))
import cases  # noqa: E402
import rows  # noqa: E402
import stanza  # noqa: E402

COMPILE = ["aarch64-linux-gnu-gcc", "-std=gnu11", "-O1", "-Wall", "-Wextra", "-Wno-unused-parameter", "-static"]
# Without SVE and SME the whole FP state is in the signal frame's plain record.
RUN = ["qemu-aarch64-static", "-cpu", "max,sve=off,sme=off"]
OBJDUMP = ["aarch64-linux-gnu-objdump", "-D", "-b", "binary", "-m", "aarch64"]
LISTING = re.compile(r"^\s*[0-9a-f]+:\t[0-9a-f]{8} \t(.*)$")

SIGILL, SIGTRAP, SIGSEGV = 4, 5, 11
STATE = struct.Struct("<31Q Q Q Q Q Q 64Q")
RESULT_BYTES = 16 + STATE.size + cases.PAGE

FILES = [  # (section of a64.decode starts with, file)
    ("C4.1.2", "data_immediate"),
    ("C4.1.3", "branch_system"),
    ("C4.1.4", "load_store"),
    ("C4.1.5", "data_register"),
    ("C4.1.6 Data processing, scalar floating point and Advanced SIMD: cryptographic", "simd_crypto"),
    ("C4.1.6 Data processing, scalar floating point and Advanced SIMD: scalar", "simd_scalar"),
    ("C4.1.6 Data processing, scalar floating point and Advanced SIMD: vector", "simd_vector"),
    ("C4.1.6 Data processing, scalar floating point and Advanced SIMD: floating point", "fp"),
]


def pack_state(s):
    halves = [part for v in s.v for part in (v & (1 << 64) - 1, v >> 64)]
    return STATE.pack(*s.x, s.sp, s.pc, s.nzcv, s.fpcr, s.fpsr, *halves)


def unpack_state(data):
    values = STATE.unpack(data)
    s = cases.State()
    s.x = list(values[:31])
    s.sp, s.pc, s.nzcv, s.fpcr, s.fpsr = values[31:36]
    s.v = [values[36 + 2 * i] | values[37 + 2 * i] << 64 for i in range(32)]
    return s


def pack_case(code, before):
    words = code + [0] * (4 - len(code))
    return struct.pack("<Q4IQ", len(code), *words, 0) + pack_state(before)


def unpack_result(data):
    """(signal, state after) of one result."""
    number, stored = struct.unpack_from("<QQ", data)
    after = unpack_state(data[16 : 16 + STATE.size])
    page = data[16 + STATE.size :]
    at = 0
    while stored and at < cases.PAGE:
        end = at
        while end < cases.PAGE and page[end] != cases.byte_at(cases.DATA + end):
            end += 1
        if end > at:
            after.stores[cases.DATA + at] = page[at:end]
        at = end + 1
    return number, after


def run(made):
    """QEMU's results of MADE, a list of (code, state before)."""
    with tempfile.TemporaryDirectory() as folder:
        program = os.path.join(folder, "harness")
        subprocess.run(COMPILE + ["-o", program, os.path.join(HERE, "harness.c")], check=True)
        feed = b"".join(pack_case(code, before) for code, before in made)
        out = subprocess.run(RUN + [program], input=feed, stdout=subprocess.PIPE, check=True).stdout
    if len(out) != len(made) * RESULT_BYTES:
        sys.exit(f"the harness gave {len(out) // RESULT_BYTES} results for {len(made)} cases")
    return [unpack_result(out[at : at + RESULT_BYTES]) for at in range(0, len(out), RESULT_BYTES)]


def disassemble(words):
    """The text of each word, with addresses as if it were the first of a case."""
    with tempfile.NamedTemporaryFile() as binary:
        for word in words:
            binary.write(word.to_bytes(4, "little"))
            binary.write(b"\x1f\x20\x03\xd5")  # NOP: no run of zeros for objdump to skip
        binary.flush()
        listing = subprocess.run(OBJDUMP + ["-z", binary.name], stdout=subprocess.PIPE, check=True, text=True)
    texts = [m.group(1) for m in map(LISTING.match, listing.stdout.splitlines()) if m][::2]
    if len(texts) != len(words):
        sys.exit("objdump's listing is not what was asked for")
    texts = [" ".join(re.sub(r"//.*|<.*>", "", text).split()) for text in texts]
    return [absolute(text, 8 * i) for i, text in enumerate(texts)]


def absolute(text, at):
    """TEXT with its target, which is as for an instruction at address AT, as for the one of a case."""
    match = re.match(r"(b|bl|b\.\w+|cbn?z|tbn?z|adrp?|ldr|ldrsw|prfm)( .*?)0x([0-9a-f]+)$", text)
    if not match or match.group(2)[-1] != " ":
        return text
    target, here = int(match.group(3), 16), cases.CODE
    if match.group(1) == "adrp":
        at, here = at & -4096, here & -4096
    return f"{match.group(1)}{match.group(2)}{target - at + here & (1 << 64) - 1:#x}"


def make(file, scale):
    """[(row, number, code, state before)] of all rows that can be executed."""
    made = []
    for row in file.rows:
        if row.missing or row.id in cases.NOT_IN_USER_MODE:
            continue
        # A row's cases do not depend on the other rows: adding one leaves the others as they are.
        random.seed(f"{SEED} {row.id} {row.title}")
        tries, number, wanted = 0, 0, max(1, round(cases.count(row) * scale))
        while number < wanted:
            tries += 1
            if tries > 2000 * wanted:
                sys.exit(f"{row.id}: found no case that is defined")
            try:
                code, before = cases.build(file, row)
            except cases.Retry:
                continue
            number += 1
            made.append((row, number, code, before))
    return made


def ended_well(row, code, number, after):
    """Whether the harness says that the case ran through."""
    if row.function in cases.BRANCHES:
        return number in (SIGTRAP, SIGSEGV) and after.pc != cases.CODE
    return number == SIGTRAP and after.pc == cases.CODE + 4 * len(code)


def write(folder, made, results):
    words = [word for _, _, code, _ in made for word in code]
    distinct = sorted(set(words))
    names = dict(zip(distinct, disassemble(distinct)))
    version = subprocess.run([RUN[0], "--version"], stdout=subprocess.PIPE, check=True, text=True).stdout
    for section, name in FILES:
        path = os.path.join(folder, name + ".txt")
        with open(path, "w", encoding="utf-8") as out:
            title = next(row.section for row, _, _, _ in made if row.section.startswith(section))
            out.write(f"# {title}\n# Made by tools/insn-test/generate.py, seed {SEED:#x}; expected results from\n"
                      f"# {' '.join(RUN)}, {version.splitlines()[0]}\n")
            for (row, number, code, before), (_, after) in zip(made, results):
                if row.section.startswith(section):
                    out.write(stanza.write(row, number, [(names[w], w) for w in code], before, after))


def report(file, made):
    covered = {row.id for row, _, _, _ in made}
    known = [row for row in file.rows if not row.missing]
    left = [row for row in known if row.id in cases.NOT_IN_USER_MODE]
    print(f"{len(made)} cases: {len(covered)} of {len(known)} rows that are not missing,"
          f" {len(left)} left to generate_system.py:")
    for row in left:
        print(f"  {row.id}: {cases.NOT_IN_USER_MODE[row.id]}")
    for row in known:
        if row.id not in covered and row not in left:
            print(f"  {row.id}: NO CASE")


def check(folder):
    """Runs the cases of the files in FOLDER again."""
    failed, total = 0, 0
    for _, name in FILES:
        with open(os.path.join(folder, name + ".txt"), encoding="utf-8") as text:
            found = stanza.read(text)
        results = run([(case.code, case.before) for case in found])
        for case, (_, after) in zip(found, results):
            total += 1
            wrong = stanza.differences(case.after, after)
            if wrong:
                failed += 1
                print(f"{name}: {case.name}: expected {stanza.mapping(case.before, case.after)},"
                      f" got {stanza.mapping(case.before, after)}")
    print(f"{total - failed} passed, {failed} failed")
    return failed == 0 and total > 0


SEED = 0x0487


def main():
    global SEED
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("directory")
    parser.add_argument("--seed", type=lambda text: int(text, 0), default=SEED)
    parser.add_argument("--scale", type=float, default=1)
    parser.add_argument("--check", action="store_true")
    options = parser.parse_args()
    if options.check:
        sys.exit(0 if check(options.directory) else 1)
    SEED = options.seed
    file = rows.File(os.path.join(ROOT, "plugins", "cpu-arm64", "a64.decode"))
    made = make(file, options.scale)
    results = run([(code, before) for _, _, code, before in made])
    bad = [(m, r) for m, r in zip(made, results) if not ended_well(m[0], m[2], r[0], r[1])]
    for (row, number, code, _), (signal, after) in bad[:40]:
        print(f"{row.id} {number}: {' '.join(f'{w:08x}' for w in code)} ended with signal {signal}"
              f" at {after.pc:#x}")
    if bad:
        sys.exit(f"{len(bad)} of {len(made)} cases did not run through")
    write(options.directory, made, results)
    report(file, made)


if __name__ == "__main__":
    main()
