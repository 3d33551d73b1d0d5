"""Makes random cases for rows of a64.decode: instruction words and the state before them."""

import random
import re

import operands

PAGE, LOW, CODE, DATA = 0x1000, 0x10000000, 0x10001000, 0x10002000

# Rows that cannot be executed in user mode with a result of their own, by the row's id. system_rows.py has their cases.
NOT_IN_USER_MODE = {
    "tr_svc": "is a system call of the kernel below",
    "tr_wfi": "waits for an interrupt, of which there is none",
    "tr_hvc": "undefined at EL0",
    "tr_smc": "undefined at EL0",
    "tr_brk": "always raises an exception",
    "tr_hlt": "undefined without halting debug; QEMU takes it for semihosting",
    "tr_eret": "undefined at EL0",
    "tr_msr_uao": "undefined at EL0",
    "tr_msr_pan": "undefined at EL0",
    "tr_msr_spsel": "undefined at EL0",
    "tr_msr_daifset": "trapped by the kernel",
    "tr_msr_daifclr": "trapped by the kernel",
    "tr_sysl": "no operation is defined",
    "tr_msr": "debug registers are trapped by the kernel",  # the row with op0 2; the other is tr_msr.2
    "tr_mrs": "debug registers are trapped by the kernel",
    "tr_stlr": "STLLR, made with its registers",  # tr_stlr.2 is STLR
    "tr_ldar": "LDLAR, made with its registers",  # tr_ldar.2 is LDAR
}
SEVL = 0xD50320BF

SYSTEM_REGISTERS = {"nzcv": (3, 4, 2, 0), "fpcr": (3, 4, 4, 0), "fpsr": (3, 4, 4, 1)}
VALID_BITS = {"nzcv": 0xF0000000, "fpcr": 0x07C00000, "fpsr": 0x0800009F}
# DC CVAC, CVAU, CIVAC and IC IVAU. DC ZVA is left out: its block differs between processors.
CACHE_OPERATIONS = [(3, 7, 10, 1), (3, 7, 11, 1), (3, 7, 14, 1), (3, 7, 5, 1)]

ALIGNED = {"tr_stxr", "tr_ldxr", "tr_stxp", "tr_ldxp", "tr_stlr", "tr_ldar", "tr_cas", "tr_casp",
           "tr_ld_op", "tr_swp", "tr_ldapr"}
STRUCTURES = {"tr_st_multi", "tr_ld_multi", "tr_st_lane", "tr_ld_lane", "tr_ld_replicate"}
SP_ARITHMETIC = {"tr_add_sub_imm", "tr_add_sub_ext", "tr_logical_imm"}
BRANCHES = {"tr_b", "tr_bl", "tr_b_cond", "tr_cbz", "tr_tbz", "tr_br", "tr_blr", "tr_ret"}
# Where a SIMD and floating-point instruction has a general register.
GENERAL = {"tr_v_dup": "rn", "tr_v_ins": "rn", "tr_v_smov": "rd", "tr_v_umov": "rd",
           "tr_int_to_fp": "rn", "tr_fp_to_int": "rd", "tr_fmov_to_gpr": "rd",
           "tr_fmov_from_gpr": "rn"}
REGISTERS = ("rd", "rn", "rm", "ra", "rt", "rt2", "rs")


class Retry(Exception):
    """The random choice has no defined result; try another."""


def byte_at(address):
    """Memory before a case, as harness.c has it."""
    return (address * 2654435761 & 0xFFFFFFFF) >> 24


def memory(address, length):
    return int.from_bytes(bytes(byte_at(address + i) for i in range(length)), "little")


class State:
    """Everything a case can read or change. The initial values are what a stanza need not say."""

    def __init__(self):
        self.x = [(0xA0 + i) * 0x0101010101010101 for i in range(31)]
        self.v = [(0x40 + i) * 0x01010101010101010101010101010101 for i in range(32)]
        self.sp, self.pc = 0x10002800, CODE
        self.nzcv = self.fpcr = self.fpsr = 0
        self.stores = {}  # address: bytes

    def set_x(self, number, value):
        if number < 31:
            self.x[number] = value & (1 << 64) - 1

    def get_x(self, number):
        return self.x[number] if number < 31 else 0


def is_fp(row):
    return bool(re.match(r"tr_(v_)?f|tr_(v_)?(int_to_fp|fp_to_int)", row.function))


def is_simd(row):
    return "C4.1.6" in row.section


def in_x(row, name):
    """Whether the register field NAME of ROW is a general register."""
    if is_simd(row):
        return GENERAL.get(row.function) == name
    vector = row.function.endswith("_v") or row.function in STRUCTURES
    return not (vector and name in ("rt", "rt2"))


def count(row):
    """How many cases a row gets."""
    if row.function in ("tr_nop", "tr_prfm", "tr_dsb", "tr_dmb"):
        return 3
    if not row.members():
        return 1
    if row.function in BRANCHES or "C4.1.3" in row.section:
        return 12
    return 26 if is_fp(row) else 18


def random_word(row):
    """A word of ROW that has a defined meaning, as far as the bits tell."""
    word = row.value | random.getrandbits(32) & ~row.mask & 0xFFFFFFFF
    covered = row.mask
    for field in row.fields.values():
        covered |= field.mask
    if row.function != "tr_prfm":  # ignored bits as the manual draws them: (1), but (0) for FCMP with zero
        word = word & covered if row.function == "tr_fcmp" else word | ~covered & 0xFFFFFFFF
    numbers = {}
    for name in REGISTERS:
        if name in row.fields:
            kind = random.random()
            number = random.randrange(32)
            if kind < 0.06:
                number = 31
            elif kind < 0.16 and numbers:
                number = random.choice(list(numbers.values()))
            numbers[name] = number
            word = row.fields[name].insert(word, number)
    return word


def check_defined(row, v):
    """Raises Retry for CONSTRAINED UNPREDICTABLE choices of registers."""
    function = row.function
    loaded = [v[n] for n in ("rt", "rt2") if n in v]
    if v.get("wback") and in_x(row, "rt") and v["rn"] != 31 and v["rn"] in loaded:
        raise Retry
    if function in ("tr_ldp", "tr_ldp_v", "tr_ldxp") and v["rt"] == v["rt2"]:
        raise Retry
    if function in ("tr_stxr", "tr_stxp"):
        if v["rs"] in loaded or (v["rs"] == v["rn"] and v["rn"] != 31):
            raise Retry
    if function in ("tr_str_reg", "tr_ldr_reg", "tr_str_reg_v", "tr_ldr_reg_v"):
        if v["rm"] == v["rn"]:
            raise Retry  # defined, but then the address can hardly be chosen


def v_element(row, v, name):
    """(size, floating point) of the elements of the V register in field NAME."""
    function, size = row.function, v.get("size")
    if not is_fp(row):
        return (random.randrange(4) if size is None or size > 3 else size), False
    if function == "tr_fcvt":
        return v["from"], True
    if function == "tr_v_fcvtn" and name == "rn":
        return size + 1, True
    if function in ("tr_v_fcvtxn",):
        return 3, True
    if function == "tr_v_int_to_fp" and name == "rn":
        return size, False
    return (size if size in (1, 2, 3) else 2), True


def set_registers(row, v, s):
    """Random values for the registers that the fields of ROW name."""
    near = None
    for name in REGISTERS:
        if name not in v:
            continue
        if in_x(row, name):
            s.set_x(v[name], operands.integer())
            continue
        size, floating = v_element(row, v, name)
        value = operands.vector(size, floating, near)
        near = value if near is None and random.random() < 0.4 else near
        for i in range(registers_in_list(row, v, name)):
            s.v[(v[name] + i) % 32] = value if i == 0 else operands.vector(size, floating)
    if row.function == "tr_casp":
        for name in ("rs", "rt"):
            s.set_x(v[name] + 1, operands.integer())


def registers_in_list(row, v, name):
    if row.function in STRUCTURES and name == "rt":
        return v.get("rpt", 1) * v["selem"]
    if row.function == "tr_v_tbl" and name == "rn":
        return v["len"] + 1
    return 1


def set_flags(row, v, s):
    conditional = "cond" in v or row.function in ("tr_adc_sbc",)
    if conditional or random.random() < 0.2:
        s.nzcv = random.randrange(16) << 28
    if is_fp(row):
        if random.random() < 0.55:
            s.fpcr = operands.fpcr(row.function in ("tr_fcvt", "tr_v_fcvtn", "tr_v_fcvtl"))
        if random.random() < 0.08:
            s.fpsr = random.getrandbits(32) & VALID_BITS["fpsr"]
    elif is_simd(row) and random.random() < 0.05:
        s.fpsr = 1 << 27


def bytes_accessed(row, v):
    if row.function in STRUCTURES:
        registers = registers_in_list(row, v, "rt")
        return registers * (8 << v.get("q", 0)) if "multi" in row.function else registers << v["size"]
    size = v["size"] if "size" in v else 2 + v["sz"]
    return (2 if row.function[3:] in ("stp", "ldp", "stp_v", "ldp_v", "stxp", "ldxp", "casp") else 1) << size


def offset(row, v, s):
    """What the instruction adds to the base before it accesses memory. May choose the index register."""
    if row.function.removesuffix("_v") in ("tr_str_reg", "tr_ldr_reg"):
        small = random.randint(-300, 300)
        option = v["option"]
        if option == 2:
            index = random.choice([abs(small), random.getrandbits(32)]) | random.getrandbits(32) << 32
            distance = index & 0xFFFFFFFF
        elif option == 6:
            distance = random.choice([small, random.getrandbits(31), -random.getrandbits(31)])
            index = distance & 0xFFFFFFFF | random.getrandbits(32) << 32
        else:
            distance = random.choice([small, random.getrandbits(40)])
            index = distance
        s.set_x(v["rm"], index)
        return (distance if v["rm"] < 31 else 0) << v["shift"]
    if v.get("post") or "imm" not in v:
        return 0
    return v["imm"]


def set_base(row, v, s):
    """Puts the base register where the access falls into the data page. Returns the address."""
    length = bytes_accessed(row, v)
    distance = offset(row, v, s)
    address = DATA + random.randrange(PAGE - length)
    if row.function in ALIGNED:
        address &= -length
    base = address - distance
    if v["rn"] == 31:  # SP is aligned to 16 bytes where it is a base
        base &= -16
        address = base + distance
        if not DATA <= address <= DATA + PAGE - length:
            raise Retry
        s.sp = base & (1 << 64) - 1
    else:
        s.set_x(v["rn"], base)
    return address


def compare_equal(row, v, s, address):
    """Makes compare and swap succeed."""
    size = v["size"] if "size" in v else 2 + v["sz"]
    numbers = [v["rs"], v["rs"] + 1] if row.function == "tr_casp" else [v["rs"]]
    for i, number in enumerate(numbers):
        if number == v["rn"]:
            raise Retry
        junk = random.getrandbits(64) & -(1 << (8 << size))
        s.set_x(number, memory(address + (i << size), 1 << size) | junk)


def exclusive_load(row, v):
    """A load exclusive of what ROW stores, into registers that it does not use."""
    used = {v[n] for n in ("rs", "rn", "rt", "rt2") if n in v}
    t, t2 = random.sample([n for n in range(31) if n not in used], 2)
    if row.function == "tr_stxr":
        return v["size"] << 30 | 0x085F7C00 | v["rn"] << 5 | t
    return v["size"] << 30 | 0x087F0000 | t2 << 10 | v["rn"] << 5 | t


def build_memory(row, word, v, s):
    """Loads and stores: returns the code."""
    if row.function == "tr_prfm":
        return [word]
    if row.function.startswith("tr_ldr_lit"):
        length = 1 << v["size"]
        target = random.choice([LOW, DATA]) + random.randrange(0, PAGE - length + 1, 4)
        return [row.fields["imm"].insert(word, (target - CODE) >> 2)]
    address = set_base(row, v, s)
    if row.function in ("tr_cas", "tr_casp") and random.random() < 0.6:
        compare_equal(row, v, s, address)
    if row.function in ("tr_stxr", "tr_stxp") and random.random() < 0.7:
        return [exclusive_load(row, v), word]
    return [word]


def build_branch(row, word, v, s):
    if "rn" in v:
        target = random.choice([CODE + 4 * random.randrange(1, PAGE // 4),
                                random.getrandbits(40) << 2 | 1 << 43])
        s.set_x(v["rn"], target)
        if v["rn"] == 31:
            raise Retry
    elif v["imm"] == 0:
        raise Retry  # never ends
    if row.function in ("tr_cbz", "tr_tbz") and random.random() < 0.5 and v["rt"] < 31:
        upper = random.choice([0, random.getrandbits(32) << 32])
        s.set_x(v["rt"], upper if row.function == "tr_cbz" else operands.integer())
    return [word]


def build_system(row, word, v, s):
    """MSR, MRS and SYS of what EL0 may do."""
    if row.function == "tr_sys":
        operation = random.choice(CACHE_OPERATIONS)
        s.set_x(v["rt"], DATA + random.randrange(PAGE))
        if v["rt"] == 31:
            raise Retry
    else:
        name, operation = random.choice(list(SYSTEM_REGISTERS.items()))
        valid = VALID_BITS[name]
        if row.function == "tr_msr":
            s.set_x(v["rt"], random.getrandbits(32) & valid)
        setattr(s, name, random.getrandbits(32) & valid)
    for field, value in zip(("op1", "crn", "crm", "op2"), operation):
        word = row.fields[field].insert(word, value)
    return [word]


def build(file, row):
    """One case of ROW: (words, state before)."""
    word = random_word(row)
    if file.find(word) is not row:
        raise Retry
    v, s = row.values(word), State()
    check_defined(row, v)
    set_registers(row, v, s)
    set_flags(row, v, s)
    if "C4.1.4" in row.section:
        code = build_memory(row, word, v, s)
    elif row.function in BRANCHES:
        code = build_branch(row, word, v, s)
    elif row.function in ("tr_msr", "tr_mrs", "tr_sys"):
        code = build_system(row, word, v, s)
    elif row.function == "tr_wfe":
        code = [SEVL, word]  # there is an event, so nothing waits
    else:
        code = [word]
        if row.function in SP_ARITHMETIC and random.random() < 0.5 and 31 in (v["rn"], v["rd"]):
            s.sp = operands.integer()
    if file.find(code[-1]) is not row:
        raise Retry
    return code, s
