"""What every system case finds: registers and their values, translation tables."""

from system import CODE, DATA, MONITOR, TABLES, VECTORS

# MAIR: 0 write-back, 1 Device-nGnRnE, 2 Non-cacheable, 3 Device-nGnRE, 4 write-through
MAIR = 0xBB044400FF
WB, DEVICE, NC, DEVICE_E, WT = range(5)
NOTHING = 0x0F000000  # physical: nobody is there

# Names as the assembler knows them, values before a case that says nothing, and the model if not all have it.
# These values are what reads back on every model.
REGISTERS = [
    ("scr_el3", 0x531), ("sctlr_el3", 0x30C50830), ("cptr_el3", 0), ("mdcr_el3", 0),
    ("tcr_el3", 0x80823519), ("ttbr0_el3", TABLES), ("mair_el3", MAIR),
    ("spsr_el3", 0), ("elr_el3", 0), ("esr_el3", 0), ("far_el3", 0),
    ("hcr_el2", 0x80000000), ("sctlr_el2", 0x30C50830), ("cptr_el2", 0x33FF), ("mdcr_el2", 6),
    ("tcr_el2", 0x80823519), ("ttbr0_el2", TABLES), ("mair_el2", MAIR),
    ("vttbr_el2", 0), ("vtcr_el2", 0x80000000),
    ("spsr_el2", 0), ("elr_el2", 0), ("esr_el2", 0), ("far_el2", 0), ("hpfar_el2", 0),
    ("vbar_el2", VECTORS + 0x800), ("tpidr_el2", 0), ("sp_el2", DATA + 0xA00),
    ("cntvoff_el2", 0), ("cnthctl_el2", 3),
    ("sctlr_el1", 0x30D00800), ("cpacr_el1", 0x300000),
    ("tcr_el1", 0x2B5193519), ("ttbr0_el1", TABLES), ("ttbr1_el1", TABLES),
    ("mair_el1", MAIR), ("contextidr_el1", 0), ("csselr_el1", 0),
    ("spsr_el1", 0), ("elr_el1", 0), ("esr_el1", 0), ("far_el1", 0), ("par_el1", 0),
    ("vbar_el1", VECTORS), ("tpidr_el1", 0), ("tpidr_el0", 0), ("tpidrro_el0", 0),
    ("sp_el0", DATA + 0x400), ("sp_el1", DATA + 0x600),
    ("cntkctl_el1", 0), ("pmuserenr_el0", 0),
    ("mdscr_el1", 0),
    ("dbgbvr0_el1", 0), ("dbgbcr0_el1", 0), ("dbgbvr1_el1", 0), ("dbgbcr1_el1", 0),
    ("dbgbvr4_el1", 0), ("dbgbcr4_el1", 0),
    ("dbgwvr0_el1", 0), ("dbgwcr0_el1", 0), ("dbgwvr1_el1", 0), ("dbgwcr1_el1", 0),
]

# ---- descriptors (DDI 0487, D8.3) -------------------------------------------------------------------------

AF, NG, DBM, CONTIGUOUS, PXN, XN = 1 << 10, 1 << 11, 1 << 51, 1 << 52, 1 << 53, 1 << 54
EL1_RW, ALL_RW, EL1_RO, ALL_RO = range(4)  # AP[2:1]
PXN_TABLE, XN_TABLE, AP_NO_EL0, AP_NO_WRITE, NS_TABLE = 1 << 59, 1 << 60, 1 << 61, 1 << 62, 1 << 63


def leaf(address, access=EL1_RW, memory=WB, page=True, extra=AF):
    """A page or block descriptor."""
    shareability = 3 if memory in (WB, WT) else 0
    return address | access << 6 | shareability << 8 | memory << 2 | (3 if page else 1) | extra


def table(address, extra=0):
    return address | 3 | extra


# Pages of the common tables, from DATA: number and what is special about it.
SHARED, PRIVATE, READ_ONLY, ALL_READ_ONLY, ON_DEVICE, NOT_ACCESSED, NEVER_EXECUTED, INVALID, TOO_LARGE, \
    ABSENT, NON_CACHED, CLEAN, NOT_USER, NOT_PRIVILEGED = [DATA + 0x1000 * i for i in range(14)]


def common_words():
    """The tables of 4 KiB that the EL1&0, EL2 and EL3 regimes use unless a case says otherwise: RAM one to one."""
    words = {}
    level1, level2, level3 = TABLES, TABLES + 0x1000, TABLES + 0x2000
    words[level1] = leaf(0, memory=DEVICE, page=False)
    words[level1 + 8] = table(level2)
    words[level1 + 16] = leaf(0x80000000, page=False)
    for i in range(32):
        words[level2 + 8 * i] = leaf(0x40000000 + (i << 21), page=False)
    words[level2 + 8] = table(level3)
    # 2 MiB blocks from 0x45000000 up: not accessed, read-only, for EL0 too, too large an address, no EL0, no writes
    words[level2 + 8 * 40] = leaf(0x40400000, page=False, extra=0)
    words[level2 + 8 * 41] = leaf(0x40400000, EL1_RO, page=False)
    words[level2 + 8 * 42] = leaf(0x40400000, ALL_RW, page=False)
    words[level2 + 8 * 43] = leaf(0x40400000 | 1 << 47, page=False)
    words[level2 + 8 * 44] = table(level3, AP_NO_EL0)
    words[level2 + 8 * 45] = table(level3, AP_NO_WRITE)
    words[level2 + 8 * 46] = table(level3, XN_TABLE)
    words[level2 + 8 * 47] = table(level3, PXN_TABLE)
    words[level2 + 8 * 48] = table(0x0F000000)
    words[level2 + 8 * 49] = table(level3 | 1 << 46)
    words[level1 + 24] = leaf(0x40000000, EL1_RO, page=False, extra=0)
    words[level1 + 32] = leaf(0x40000000, EL1_RO, page=False)
    words[level1 + 40] = leaf(0x40000000 | 1 << 47, page=False)
    for i in range(512):
        words[level3 + 8 * i] = leaf(0x40200000 + (i << 12))
    for address in range(MONITOR, VECTORS + 0x1000, 0x1000):  # executable whatever SCTLR_ELx.WXN says
        words[entry(address)] = leaf(address, EL1_RO)
    for address in range(CODE, CODE + 0x10000, 0x1000):
        words[entry(address)] = leaf(address, ALL_RO)
    words[entry(SHARED)] = leaf(SHARED, ALL_RW)
    words[entry(READ_ONLY)] = leaf(READ_ONLY, EL1_RO)
    words[entry(ALL_READ_ONLY)] = leaf(ALL_READ_ONLY, ALL_RO)
    words[entry(ON_DEVICE)] = leaf(ON_DEVICE, ALL_RW, DEVICE)
    words[entry(NOT_ACCESSED)] = leaf(NOT_ACCESSED, ALL_RW, extra=0)
    words[entry(NEVER_EXECUTED)] = leaf(NEVER_EXECUTED, ALL_RO, extra=AF | XN | PXN)
    words[entry(INVALID)] = 0
    words[entry(TOO_LARGE)] = leaf(TOO_LARGE | 1 << 45, ALL_RW)
    words[entry(ABSENT)] = leaf(NOTHING, ALL_RW)
    words[entry(NON_CACHED)] = leaf(NON_CACHED, ALL_RW, NC)
    words[entry(CLEAN)] = leaf(CLEAN, ALL_RO, extra=AF | DBM)
    words[entry(NOT_USER)] = leaf(NOT_USER, ALL_RO, extra=AF | XN)
    words[entry(NOT_PRIVILEGED)] = leaf(NOT_PRIVILEGED, ALL_RO, extra=AF | PXN)
    return words


def entry(address):
    """Where the level 3 descriptor of an address is."""
    return TABLES + 0x2000 + (address >> 12 & 511) * 8
