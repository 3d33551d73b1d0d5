#!/usr/bin/env python3
"""Makes the A64 instruction cases of tests/insn: random instances of every row of the decode file, executed
one by one under another implementation (QEMU user mode), its results written as stanzas.

    tools/insn-test/make.py [--per-row N] [--seed S]

tests/insn/README.md describes the form. Needs aarch64-linux-gnu-gcc and qemu-aarch64-static.
"""

import argparse
import os
import random
import re
import struct
import subprocess
import sys
import tempfile

TREE = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path.insert(0, os.path.join(TREE, "tools", "decodegen"))
import rows as decode  # noqa: E402

SOURCE = os.path.join(TREE, "plugins", "cpu-arm64", "a64.decode")
TARGET = os.path.join(TREE, "tests", "insn")
EMULATOR = ["qemu-aarch64-static", "-cpu", "max,sve=off,sme=off"]

# The same in guest.c and in tests/insn/run_insn.c.
CODE, DATA, PAGE = 0x20010800, 0x20020000, 4096
MIDDLE = DATA + PAGE // 2
RECORD = struct.Struct("<4I31QQQQ64Q4096s")
SIGTRAP, SIGSEGV = 5, 11
MASK64 = (1 << 64) - 1

# Rows that no program at EL0 can execute, or whose effect is outside of the registers compared here.
EXCLUDED = {
    "tr_svc": "a system call", "tr_hvc": "EL1", "tr_smc": "EL1", "tr_brk": "a trap", "tr_hlt": "a trap",
    "tr_eret": "EL1", "tr_sys": "EL1, or cache maintenance", "tr_sysl": "no operation is defined",
    "tr_msr": "system register, see the cases of FPCR, FPSR and NZCV",
    "tr_mrs": "system register, see the cases of FPCR, FPSR and NZCV",
    "tr_msr_uao": "EL1", "tr_msr_pan": "EL1", "tr_msr_spsel": "EL1", "tr_msr_daifset": "EL1",
    "tr_msr_daifclr": "EL1", "tr_wfi": "waits for an interrupt", "tr_wfe": "waits for an event",
}

# Rows of features that no processor model of ours has; the emulator used here does.
ABSENT = {"FEAT_LOR": "no processor model has FEAT_LOR"}

F64 = [0x0, 0x7ff0 << 48, 0x7ff8 << 48, 0x7ff8000012345678, 0x7ff0000000000001, 0x7ff4000000000123, 1,
       0x000fffffffffffff, 0x0010000000000000, 0x7fefffffffffffff, 0x3ff0 << 48, 0x3fe0 << 48, 0x3fdfffffffffffff,
       0x4004 << 48, 0x41dfffffffc00000, 0x41e0 << 48, 0x43e0 << 48, 0x43efffffffffffff, 0x380fffffffffffff,
       0x47efffffe0000000, 0x47effffff0000000, 0x36a0 << 48]
F32 = [0x0, 0x7f800000, 0x7fc00000, 0x7fc12345, 0x7f800001, 0x7fa00123, 1, 0x007fffff, 0x00800000, 0x7f7fffff,
       0x3f800000, 0x3f000000, 0x3effffff, 0x40200000, 0x4effffff, 0x4f000000, 0x4f7fffff, 0x5f000000,
       0x387fffff, 0x477fe000, 0x477ff000, 0x33000000, 0x3f801000]
F16 = [0x0, 0x7c00, 0x7e00, 0x7c01, 0x7d23, 1, 0x3ff, 0x400, 0x7bff, 0x3c00, 0x3800, 0x37ff, 0x4100]


def default_x(n):
    """What a register holds that the case does not set."""
    return 0x5a00000000000000 | n * 0x0000010100000101


def default_v(n):
    return (0xa5000000000000a5 | n << 8) << 64 | 0xc300000000000000 | n * 0x1000001


def default_data():
    return bytes((7 * i + 3 ^ i >> 8) & 0xff for i in range(PAGE))


def edge(rng, log2):
    """A value of 1 << log2 bytes: extremes, small numbers, single bits, floating-point corners."""
    bits = 8 << log2
    mask, sign = (1 << bits) - 1, 1 << bits - 1
    kind = rng.randrange(7)
    if kind == 0:
        return rng.choice([0, 1, mask, sign, sign - 1, sign + 1, mask - 1, 2])
    if kind == 1:
        return rng.getrandbits(bits)
    if kind == 2:
        return rng.randint(-128, 127) & mask
    if kind == 3:
        return ((1 << rng.randrange(bits)) + rng.randint(-1, 1)) & mask
    corners = {1: F16, 2: F32, 3: F64}.get(log2)
    if not corners:
        return rng.getrandbits(bits)
    if kind == 4 and log2 == 3:
        return rng.getrandbits(52) | (1020 + rng.randrange(70)) << 52 | rng.getrandbits(1) << 63
    if kind == 4 and log2 == 2:
        return rng.getrandbits(23) | (124 + rng.randrange(40)) << 23 | rng.getrandbits(1) << 31
    return rng.choice(corners) | (sign if rng.getrandbits(1) else 0)


def vector(rng):
    log2 = rng.choice([0, 1, 2, 2, 3, 3])
    value = 0
    for _ in range(16 >> log2):
        value = value << (8 << log2) | edge(rng, log2)
    return value


def excluded(row):
    return EXCLUDED.get(row.function) or ABSENT.get(row.feature)


def unpredictable(row, values, state):
    """Whether the manual lets implementations differ: CONSTRAINED UNPREDICTABLE choices of registers (DDI 0487, K1.2),
    and unaligned LDAPR, which faults unless FEAT_LSE2 is there."""
    rn, transferred = values.get("rn"), [values[n] for n in ("rt", "rt2") if n in values]
    if values.get("wback") and rn != 31 and rn in transferred:
        return True
    if row.function in ("tr_ldp", "tr_ldxp") and values["rt"] == values.get("rt2"):
        return True
    if "rs" in values and row.function.startswith("tr_st") and values["rs"] in transferred + [rn]:
        return True
    return row.function == "tr_ldapr" and rn != 31 and state.x[rn] % 8 != 0


class State:
    """Registers and memory before or after an instruction."""

    def __init__(self):
        self.x = [default_x(n) for n in range(31)]
        self.v = [default_v(n) for n in range(32)]
        self.sp, self.pc = MIDDLE, CODE
        self.nzcv = self.fpcr = self.fpsr = self.signal = 0
        self.data = default_data()

    def pack(self, insn):
        halves = [half for v in self.v for half in (v & MASK64, v >> 64)]
        return RECORD.pack(insn, self.nzcv, self.fpcr, self.fpsr, *self.x, self.sp, self.pc, self.signal,
                           *halves, self.data)

    @classmethod
    def unpack(cls, raw):
        words = RECORD.unpack(raw)
        self = cls()
        _, self.nzcv, self.fpcr, self.fpsr = words[:4]
        self.x = list(words[4:35])
        self.sp, self.pc, self.signal = words[35:38]
        self.v = [words[38 + 2 * n] | words[39 + 2 * n] << 64 for n in range(32)]
        self.data = words[102]
        return self


class Case:
    def __init__(self, row, title, word, state):
        self.row, self.title, self.word, self.before = row, title, word, state
        self.after = None


REGISTER_FIELDS = ("rd", "rn", "rm", "ra", "rt", "rt2", "rs")


def random_state(rng, word, row, values):
    """A state whose named registers hold interesting values; bases of memory accesses point to the window."""
    s = State()
    memory = row.section.startswith("C4.1.4")
    for name in REGISTER_FIELDS:
        n = values.get(name)
        if n is None:
            continue
        if n < 31:
            s.x[n] = edge(rng, rng.choice([2, 3, 3]))
        for k in range(4 if memory else 1):
            s.v[(n + k) % 32] = vector(rng)
    if memory:
        rm, rn = values.get("rm"), values.get("rn")
        if rm is not None and rm < 31:
            s.x[rm] = rng.choice([rng.randrange(256), -rng.randrange(256) & MASK64,
                                  rng.getrandbits(32) << 32 | rng.randrange(256)])
        if rn is not None and rn < 31:
            s.x[rn] = MIDDLE + rng.choice([0, 0, 16 * rng.randint(-8, 8), rng.randint(-64, 64)])
    s.nzcv = rng.randrange(16) << 28
    if row.section.startswith("C4.1.6"):
        if rng.randrange(2):
            s.fpcr = rng.choice([1 << 22, 2 << 22, 3 << 22, 1 << 24, 1 << 25, 1 << 26, rng.getrandbits(5) << 22])
        if rng.randrange(3) == 0:
            s.fpsr = rng.getrandbits(32) & 0x0800009f
    return s


def random_word(rng, file, row):
    """An instruction of the row, or None if chance does not find one."""
    for _ in range(400):
        word = row.value | rng.getrandbits(row.width) & ~row.mask
        literal = row.fields.get("imm") or row.fields.get("_imm")
        if row.section.startswith("C4.1.4") and "rn" not in row.fields and literal and literal.width == 19:
            word = literal.insert(word, (MIDDLE - CODE) // 4 + rng.randint(-256, 255))
        if row.matches(word) and file.find(word) is row:
            return word
    return None


def random_cases(rng, file, per_row):
    for row in file.rows:
        if row.missing or excluded(row):
            continue
        tries = per_row * (16 if row.section.startswith("C4.1.4") else 4)
        for _ in range(tries):
            word = random_word(rng, file, row)
            if word is None:
                break
            values = row.values(word)
            state = random_state(rng, word, row, values)
            if not unpredictable(row, values, state):
                yield Case(row, row.title, word, state)


def system_cases(rng, file):
    """MRS and MSR of the registers that EL0 has."""
    for name, encoding in (("NZCV", 0x4200), ("FPCR", 0x4400), ("FPSR", 0x4420)):
        for write in (0, 1):
            for _ in range(6):
                rt = rng.randrange(31)
                word = (0xd51b0000 if write else 0xd53b0000) | encoding | rt
                s = State()
                s.x[rt] = rng.getrandbits(32) & {"NZCV": 0xf0000000, "FPCR": 0x07c00000, "FPSR": 0x0800009f}[name]
                s.nzcv, s.fpsr = rng.randrange(16) << 28, rng.getrandbits(32) & 0x0800009f
                s.fpcr = rng.getrandbits(5) << 22
                yield Case(file.find(word), ("MSR " if write else "MRS ") + name, word, s)


def execute(cases):
    """Run all cases under the emulator; sets their `after`."""
    with tempfile.TemporaryDirectory() as folder:
        program, given, found = (os.path.join(folder, n) for n in ("guest", "in", "out"))
        subprocess.run(["aarch64-linux-gnu-gcc", "-O1", "-static", "-o", program,
                        os.path.join(TREE, "tools", "insn-test", "guest.c")], check=True)
        with open(given, "wb") as out:
            for case in cases:
                out.write(case.before.pack(case.word))
        subprocess.run([*EMULATOR, program, given, found], check=True)
        with open(found, "rb") as results:
            for case in cases:
                case.after = State.unpack(results.read(RECORD.size))


def executed(case):
    """Whether the instruction itself completed: it trapped behind itself, or went elsewhere."""
    if case.after.signal == SIGTRAP:
        return True
    return case.after.signal == SIGSEGV and case.after.pc != CODE


def differences(before, after):
    """Names and texts of what `after` has otherwise."""
    found = []
    for n in range(31):
        if before.x[n] != after.x[n]:
            found.append((f"x{n}", hex(after.x[n])))
    for name in ("sp", "nzcv", "fpcr", "fpsr"):
        if getattr(before, name) != getattr(after, name):
            found.append((name, hex(getattr(after, name))))
    for n in range(32):
        if before.v[n] != after.v[n]:
            found.append((f"v{n}", f"0x{after.v[n]:032x}"))
    i = 0
    while i < PAGE:
        if before.data[i] != after.data[i]:
            end = i
            while end < PAGE and before.data[end] != after.data[end]:
                end += 1
            found.append((f"mem+{i:#x}", after.data[i:end].hex()))
            i = end
        i += 1
    return found


def stanza(case):
    blank = State()
    before = differences(blank, case.before)
    after = differences(case.before, case.after)
    if case.after.pc != CODE + 4:
        after.append(("pc", hex(case.after.pc)))
    lines = [f"case: {case.title}", f"  code:   {case.row.id} = {case.word:08x}"]
    for name, items in (("before", before), ("after", after)):
        lines.append(f"  {name + ':':7} {{ " + ", ".join(f"{k}: {v}" for k, v in items) + (" }" if items else "}"))
    return "\n".join(lines) + "\n"


def file_name(section):
    text = re.sub(r"^C4\.1\.\d+ ", "", section).lower()
    return re.sub(r"[^a-z]+", "-", text.replace("data processing, scalar floating point and advanced simd", "simd")) \
        .strip("-") + ".txt"


def write_files(cases, head):
    files = {}
    for case in cases:
        files.setdefault(file_name(case.row.section), []).append(case)
    for name in os.listdir(TARGET):
        if name.endswith(".txt") and name != "coverage.txt":
            os.remove(os.path.join(TARGET, name))
    for name, some in sorted(files.items()):
        with open(os.path.join(TARGET, name), "w", encoding="utf-8") as out:
            out.write(head + "\n" + "\n".join(stanza(case) for case in some))


def write_coverage(file, kept, head):
    """One line a row: its number of cases, or why there is none. The test reads it."""
    counts, lines = {}, []
    for case in kept:
        counts[case.row.id] = counts.get(case.row.id, 0) + 1
    for row in file.rows:
        if row.missing:
            continue
        why = excluded(row)
        count = counts.get(row.id, 0)
        lines.append(f"{row.id} {count}" + (f" {why}" if not count and why else ""))
    with open(os.path.join(TARGET, "coverage.txt"), "w", encoding="utf-8") as out:
        out.write(head + "\n" + "\n".join(lines) + "\n")
    return [line for line in lines if line.endswith(" 0")]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--per-row", type=int, default=18, help="cases of each row (default: 18)")
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    rng = random.Random(options.seed)
    file = decode.File(SOURCE)
    candidates = list(random_cases(rng, file, options.per_row)) + list(system_cases(rng, file))
    execute(candidates)
    kept, counts = [], {}
    for case in candidates:
        limit = options.per_row if case.title[:3] not in ("MRS", "MSR") else 100
        if executed(case) and counts.get(case.row.id, 0) < limit:
            counts[case.row.id] = counts.get(case.row.id, 0) + 1
            kept.append(case)
    version = subprocess.run([EMULATOR[0], "--version"], capture_output=True, text=True, check=True).stdout
    head = (f"# Made by tools/insn-test/make.py --per-row {options.per_row} --seed {options.seed} with\n"
            f"# {version.splitlines()[0]} (-cpu {EMULATOR[2]}).\n")
    write_files(kept, head)
    bare = write_coverage(file, kept, head)
    print(f"{len(kept)} cases of {len(counts)} rows")
    for line in bare:
        print("no case:", line)


if __name__ == "__main__":
    main()
