"""Cases for rows of a64.decode that cannot be executed at EL0."""

import itertools

from system import CODE, DATA, EL1H, EL3H, State

LEVELS = {"el0": 0x3C0, "el1": 0x3C5, "el1t": 0x3C4, "el2": 0x3C9, "el3": 0x3CD, "el3t": 0x3CC}
ALL = ("cortex-a53", "cortex-a57", "cortex-a72", "max")


def state(pstate=EL1H, **named):
    """A state with registers, and words of memory as at={address: value}."""
    made = State()
    made.pstate = pstate
    made.words.update(named.pop("at", {}))
    made.pc = named.pop("pc", CODE)
    for name, value in named.items():
        if name[0] == "x" and name[1:].isdigit():
            made.x[int(name[1:])] = value
        else:
            made.sys[name] = value
    return made


ROW = "ROW"  # as a name: the row of the first instruction


class Maker:
    """Collects cases: (name, note, model, assembly, state before)."""

    def __init__(self):
        self.made = []

    def add(self, name, model, text, before, note=""):
        self.made.append((name, note, model, text, before))


def calls(m):
    """SVC, HVC, SMC, BRK, HLT at each level, with routing."""
    for name, insn in (("tr_svc", "svc"), ("tr_hvc", "hvc"), ("tr_smc", "smc"), ("tr_brk", "brk"), ("tr_hlt", "hlt")):
        for at, pstate in LEVELS.items():
            for imm in (0, 0xABC, 0xFFF if insn == "smc" else 0xFFFF):  # more is the monitor's own
                if insn == "hvc" and at[:3] == "el3":
                    continue  # corrections.py
                m.add(name, "cortex-a72", f"{insn} #{imm:#x}", state(pstate), at)
    for at in ("el0", "el1", "el2"):
        for insn in ("svc", "hvc", "smc", "brk"):
            m.add(f"tr_{insn}", "cortex-a57", f"{insn} #1", state(LEVELS[at], hcr_el2=0x80000000 | 1 << 27), f"{at} TGE")
            m.add(f"tr_{insn}", "max", f"{insn} #1", state(LEVELS[at], mdcr_el2=0x106), f"{at} TDE")
        m.add("tr_hvc", "cortex-a53", "hvc #1", state(LEVELS[at], scr_el3=0x431), f"{at} HCE=0")
        m.add("tr_hvc", "cortex-a53", "hvc #1", state(LEVELS[at], hcr_el2=0xA0000000), f"{at} HCD")
        m.add("tr_smc", "cortex-a53", "smc #1", state(LEVELS[at], scr_el3=0x530), f"{at} secure")
        m.add("tr_smc", "cortex-a53", "smc #1", state(LEVELS[at], hcr_el2=0x80080000), f"{at} TSC")
    m.add("tr_smc", "cortex-a53", "smc #1", state(EL3H, scr_el3=0x5B1), "SMD")


# Values of SPSR to return with.
RETURNS = [0, 0x3C0, 0xF0000000, 0x80000140, 0x4, 0x5, 0x8, 0x9, 0xC, 0xD, 0x1, 0x2, 0x3, 0x6, 0x7, 0xA, 0xB, 0xE, 0xF,
           0x3C4, 0x3C5, 0x100005, 0x100000, 0x200000, 0x600003C5, 0x00400005, 0x00800005, 0x00C00000]


def returns(m):
    for at, number in (("el1", 1), ("el1t", 1), ("el2", 2), ("el3", 3), ("el3t", 3)):
        for i, spsr in enumerate(RETURNS):
            model = ALL[i % 4] if spsr < 0x300000 or spsr >> 28 else "max"
            before = state(LEVELS[at], **{f"spsr_el{number}": spsr, f"elr_el{number}": CODE + 8})
            # what is returned to writes PSTATE somewhere visible: the exception's SPSR
            m.add("tr_eret", model, "eret\nbrk #1\nbrk #2", before, at)
    m.add("tr_eret", "cortex-a72", "eret", state(LEVELS["el0"]), "el0")
    for value in (CODE + 6, 0xFF00000040220008, 0x5600000040220008, 0x0080000040220008):
        for tcr in (0x2B5193519, 0x2B5193519 | 3 << 37):
            m.add("tr_eret", "cortex-a72", "eret\nbrk #1\nbrk #2",
                  state(spsr_el1=0x3C5, elr_el1=value, tcr_el1=tcr), "address")
    for hcr in (0x80000000, 0x88000000):
        for spsr in (0x3C0, 0x3C5, 0x3C9):
            m.add("tr_eret", "cortex-a57", "eret\nbrk #1\nbrk #2",
                  state(LEVELS["el2"], hcr_el2=hcr, spsr_el2=spsr, elr_el2=CODE + 8), "TGE")
    for scr in (0x530, 0x531):
        for spsr in (0x3C0, 0x3C5, 0x3C9, 0x3CD):
            m.add("tr_eret", "cortex-a57", "eret\nbrk #1\nbrk #2",
                  state(EL3H, scr_el3=scr, spsr_el3=spsr, elr_el3=CODE + 8), "security")


def fields(m):
    """MSR (immediate), and the registers of the same fields."""
    for at, pstate in LEVELS.items():
        for imm in (0, 1, 5, 15):
            for field, row in (("daifset", "tr_msr_daifset"), ("daifclr", "tr_msr_daifclr")):
                for start in (0, 0x3C0, 0x140):
                    m.add(row, "cortex-a72", f"msr {field}, #{imm}\nmrs x1, daif", state(pstate & ~0x3C0 | start), at)
        for imm in (0, 1):
            text = f"msr spsel, #{imm}\nmov x1, sp\nmrs x2, spsel"
            m.add("tr_msr_spsel", "cortex-a72", text, state(pstate), at)
            for field in ("pan", "uao"):
                for start in (0, 1 << 22, 1 << 23, 3 << 22):
                    if pstate & 0xC == 0xC and start:
                        continue  # the monitor does not enter EL3 with these
                    m.add(f"tr_msr_{field}", "max", f"msr {field}, #{imm}\nmrs x1, {field}", state(pstate | start), at)
                m.add(f"tr_msr_{field}", "cortex-a72", f".inst {0xD500401F | (3 if field == 'uao' else 4) << 5 | imm << 8:#x}",
                      state(pstate), f"{at}, absent")
    for at in ("el0",):
        for text in ("msr daifset, #2\nmrs x1, daif", "msr daifclr, #3\nmrs x1, daif", "msr daif, x2\nmrs x1, daif"):
            row = {"s": "tr_msr_daifset", "c": "tr_msr_daifclr"}.get(text[8], "tr_msr.2")
            m.add(row, "cortex-a72", text, state(0x80, sctlr_el1=0x30D00A00), "el0 UMA")
            m.add(row, "cortex-a72", text, state(0x80, hcr_el2=0x88000000), "el0 TGE")


def waits(m):
    """WFI and WFE where they are trapped or something is pending. Virtual interrupts are pending by HCR_EL2."""
    for insn, row in (("wfi", "tr_wfi"), ("wfe", "tr_wfe")):
        for model in ("cortex-a53", "max"):
            m.add(row, model, insn, state(0x3C0), "el0")
            m.add(row, model, insn, state(0x3C0, hcr_el2=0x88000000), "el0 TGE")
            for at in ("el0", "el1"):
                m.add(row, model, insn, state(LEVELS[at], hcr_el2=0x80006000, sctlr_el1=0x30D50800), f"{at} trapped to EL2")
            for at in ("el0", "el1", "el2"):
                m.add(row, model, insn, state(LEVELS[at], scr_el3=0x3531, sctlr_el1=0x30D50800), f"{at} trapped to EL3")
            m.add(row, model, insn, state(LEVELS["el1"], hcr_el2=0x80006000, scr_el3=0x3531), "trapped to both")
    for bits in (0x90, 0x48, 0x120):
        m.add("tr_wfi", "cortex-a72", "wfi\nmov x1, #1", state(EL1H, hcr_el2=0x80000000 | bits), "pending")
    m.add("tr_wfe", "cortex-a72", "sevl\nwfe\nmov x1, #1", state(EL1H, hcr_el2=0x80006000), "event")
    m.add("tr_wfe", "cortex-a72", "sev\nwfe\nmov x1, #1", state(EL1H, hcr_el2=0x80006000), "event")


# QEMU 7.2 has no claim tags, DBGPRCR_EL1 and MDCCINT_EL1.
DEBUG = ["mdscr_el1", "oslsr_el1", "dbgbvr0_el1", "dbgbcr0_el1", "dbgwvr0_el1", "dbgwcr0_el1", "mdrar_el1", "osdlr_el1"]
DEBUG_WRITES = ["mdscr_el1", "dbgbvr0_el1", "dbgwvr0_el1", "osdlr_el1", "oslar_el1"]


def debug_registers(m):
    """MRS and MSR with op0 2."""
    for at in ("el0", "el1", "el2", "el3"):
        for name in DEBUG:
            m.add("tr_mrs", "cortex-a72", f"mrs x1, {name}", state(LEVELS[at]), f"{at} {name}")
        for name in DEBUG_WRITES:
            m.add("tr_msr", "cortex-a72", f"msr {name}, x1", state(LEVELS[at], x1=0x1000), f"{at} {name}")
    for name in ("mdscr_el1", "oslsr_el1", "dbgbvr0_el1"):
        for bits in (0x200, 0x400, 0x100):
            m.add("tr_mrs", "cortex-a72", f"mrs x1, {name}", state(mdcr_el2=6 | bits), f"{name} trapped to EL2")
            m.add("tr_mrs", "cortex-a72", f"mrs x1, {name}", state(mdcr_el3=bits & 0x600), f"{name} trapped to EL3")
            m.add("tr_mrs", "cortex-a72", f"mrs x1, {name}", state(LEVELS["el2"], mdcr_el3=bits & 0x600),
                  f"{name} trapped to EL3")
    m.add("tr_msr", "cortex-a72", "mov x1, #1\nmsr oslar_el1, x1\nmrs x2, oslsr_el1\nmsr oslar_el1, xzr\nmrs x3, oslsr_el1",
          state(), "lock")


def system_instructions(m):
    """SYS and SYSL beyond what EL0 may do."""
    for at in ("el0", "el1", "el2", "el3"):
        for text in ("ic ialluis", "ic iallu", "dc ivac, x1", "dc isw, x1", "dc csw, x1", "dc cisw, x1", "dc zva, x1",
                     "dc cvac, x1", "dc cvau, x1", "dc civac, x1", "ic ivau, x1", "tlbi vmalle1is", "tlbi vmalle1",
                     "tlbi vae1, x1", "tlbi aside1, x1", "tlbi vaae1, x1", "tlbi vale1, x1", "tlbi vaale1is, x1",
                     "tlbi alle1", "tlbi alle1is", "tlbi alle2", "tlbi alle2is", "tlbi vae2, x1", "tlbi vale2is, x1",
                     "tlbi ipas2e1, x1", "tlbi ipas2le1is, x1", "tlbi vmalls12e1", "tlbi vmalls12e1is", "tlbi alle3",
                     "tlbi vae3, x1", "tlbi vale3is, x1", "at s1e1r, x1", "at s1e0w, x1", "at s1e2r, x1",
                     "at s12e1r, x1", "at s12e0w, x1", "at s1e3r, x1", "sys #0, c7, c1, #7, x1", "sys #3, c9, c0, #0, x1",
                     "at s1e3w, x1", "tlbi vaae1is, x1", "tlbi alle3is"):
            before = state(LEVELS[at], x1=DATA)
            before.words.update({DATA: 0x1111, DATA + 56: 0x2222, DATA + 64: 0x3333})
            m.add("tr_sys", "cortex-a57", text, before, at)
        for text in ("sysl x1, #0, c7, c1, #7", "sysl x1, #3, c7, c4, #1", "sysl x2, #0, c8, c7, #0",
                     "sysl x1, #7, c15, c15, #7"):
            m.add("tr_sysl", "cortex-a57", text, state(LEVELS[at]), at)
    for bits, text in ((1 << 25, "tlbi vmalle1"), (1 << 25, "tlbi vae1is, x1"), (1 << 23, "dc ivac, x1"),
                       (1 << 23, "dc civac, x1"), (1 << 24, "ic iallu"), (1 << 24, "dc cvau, x1"), (1 << 22, "dc csw, x1"),
                       (1 << 28, "dc zva, x1"), (1 << 24, "ic ivau, x1"), (1 << 22, "dc cisw, x1")):
        for at in ("el0", "el1", "el2"):
            before = state(LEVELS[at], x1=DATA, hcr_el2=0x80000000 | bits, sctlr_el1=0x34D0C800)
            m.add("tr_sys", "cortex-a57", text, before, f"{at}, trap bit {bits.bit_length() - 1}")
    for bits, text in ((0, "dc zva, x1"), (1 << 14, "dc zva, x1"), (0, "dc cvac, x1"), (1 << 26, "dc cvac, x1"),
                       (1 << 26, "ic ivau, x1"), (1 << 26, "dc civac, x1"), (1 << 26, "dc cvau, x1")):
        for hcr in (0x80000000, 0x88000000):
            before = state(0x3C0, x1=DATA + 8, sctlr_el1=0x30D00800 | bits, hcr_el2=hcr)
            before.words[DATA] = 0x1234
            m.add("tr_sys", "max", text, before, "el0")


def ordered_regions(m):
    """FEAT_LOR: LDLAR and STLLR, and its registers."""
    for at in ("el0", "el1", "el2", "el3"):
        for size, register in (("b", "w"), ("h", "w"), ("", "w"), ("", "x")):
            before = state(LEVELS[at], x2=DATA + 16)
            before.words[DATA + 16] = 0x8877665544332211
            m.add("tr_ldar", "max", f"ldlar{size} {register}1, [x2]", before, at)
            m.add("tr_stlr", "max", f"stllr{size} {register}1, [x2]", before, at)
        m.add("tr_ldar", "max", "ldlar x1, [x2]", state(LEVELS[at], x2=DATA + 12), f"{at}, unaligned")
        m.add("tr_stlr", "max", "stllr w1, [x2]", state(LEVELS[at], x2=DATA + 6), f"{at}, unaligned")
        m.add("tr_ldar", "cortex-a72", "ldlar x1, [x2]", state(LEVELS[at], x2=DATA), f"{at}, absent")
        for name in ("lorid_el1", "lorsa_el1", "lorea_el1", "lorn_el1", "lorc_el1"):
            for model in ("max", "cortex-a57"):
                m.add("tr_mrs.2", model, f"mrs x1, {name}", state(LEVELS[at]), f"{at} {name}")
    for at, named in itertools.product(("el1", "el2"), ({"hcr_el2": 0x880000000}, {"scr_el3": 0x4531}, {"scr_el3": 0x530})):
        m.add("tr_mrs.2", "max", "mrs x1, lorid_el1", state(LEVELS[at], **named), f"{at}, trapped")
        m.add("tr_msr.2", "max", "msr lorc_el1, xzr", state(LEVELS[at], **named), f"{at}, trapped")


def unprivileged(m):
    """LDTR and STTR at each level, with the MMU on."""
    mmu = {"sctlr_el1": 0x30D00801, "sctlr_el2": 0x30C50831}
    for at, pstate in (("el0", 0x3C0), ("el1", 0x3C5), ("el2", 0x3C9), ("pan", 0x4003C5), ("uao", 0x8003C5), ("both", 0xC003C5)):
        for page in (DATA, DATA + 0x1000, DATA + 0x2000, DATA + 0x3000, DATA + 0x5000, DATA + 0x7000):
            for text in ("ldtr x1, [x2]", "sttrb w1, [x2]", "ldtrsw x1, [x2, #4]", "ldr x1, [x2]", "str x1, [x2]"):
                before = state(pstate, x2=page, **mmu)
                before.words[page] = 0x8877665544332211
                m.add(ROW, "max", text, before, f"{at} {page:#x}")


def make():
    m = Maker()
    for part in (calls, returns, fields, waits, debug_registers, system_instructions, ordered_regions, unprivileged):
        part(m)
    return m.made
