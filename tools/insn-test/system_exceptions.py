"""Cases of exceptions: which there are, where they go, and what ESR, FAR, ELR and SPSR say."""

import itertools

from system import CODE, DATA, EL1H, EL3H, ROOM
from system_machine import (ABSENT, ALL_READ_ONLY, CLEAN, INVALID, NEVER_EXECUTED, NON_CACHED, NOT_ACCESSED,
                            NOT_PRIVILEGED, NOT_USER, NOTHING, ON_DEVICE, PRIVATE, READ_ONLY, SHARED, TOO_LARGE)
from system_rows import LEVELS, ROW, Maker, state

RW, TGE = 1 << 31, 1 << 27
MMU = {"sctlr_el1": 0x30D00801, "sctlr_el2": 0x30C50831, "sctlr_el3": 0x30C50831}
MMU_ALIGN = {"sctlr_el1": 0x30D00803, "sctlr_el2": 0x30C50833, "sctlr_el3": 0x30C50833}
PAGES = {"shared": SHARED, "private": PRIVATE, "read-only": READ_ONLY, "all-read-only": ALL_READ_ONLY, "device": ON_DEVICE,
         "not-accessed": NOT_ACCESSED, "never-executed": NEVER_EXECUTED, "invalid": INVALID, "too-large": TOO_LARGE,
         "absent": ABSENT, "non-cached": NON_CACHED, "clean": CLEAN, "not-user": NOT_USER,
         "not-privileged": NOT_PRIVILEGED}
# Blocks of 2 MiB: numbers in system_machine.common_words(); 1 GiB; tables with attributes. The last is unmapped.
LARGE = {"block-not-accessed": 0x45000000, "block-read-only": 0x45200000, "block-shared": 0x45400000,
         "block-too-large": 0x45600000, "table-no-el0": 0x45830000, "table-no-write": 0x45A30000, "table-xn": 0x45C20020,
         "table-pxn": 0x45E20020, "table-absent": 0x46000000, "table-too-large": 0x46200000, "no-table": 0x47000000,
         "1G-not-accessed": 0xC0000000, "1G-read-only": 0x100200000, "1G-too-large": 0x140000000,
         "1G-invalid": 0x180000000, "beyond": 0x8000000000, "upper": 0xFFFFFF8040230000,
         "upper-beyond": 0xFFFF000000000000, "middle": 0x0080000000000000}
AT = {"el0": 0x3C0, "el1": 0x3C5, "el2": 0x3C9, "el3": 0x3CD}


def data_aborts(m):
    loads = ["ldr x1, [x2]", "ldrb w1, [x2]", "ldrsh x1, [x2]", "ldp x1, x3, [x2]", "ldr q1, [x2]", "ldxr x1, [x2]"]
    stores = ["str x1, [x2]", "strb w1, [x2]", "stp x1, x3, [x2]", "str q1, [x2]", "stlr w1, [x2]"]
    for (at, pstate), (name, page) in itertools.product(AT.items(), {**PAGES, **LARGE}.items()):
        for text in loads[:2] + stores[:2] + [loads[3 + len(name) % 3], stores[2 + len(name) % 3]]:
            model = ("cortex-a53", "cortex-a57", "cortex-a72", "max")[(len(text) + len(name)) % 4]
            if name == "absent" and ("ldxr" in text or "stp" in text or "q1" in text):
                continue  # which of the accesses is refused is not architectural
            m.add("data-abort", model, text, state(pstate, x2=page, **MMU), f"{at} {name}")
    for at, pstate in AT.items():  # across the end of a page
        for page in (PRIVATE, READ_ONLY, INVALID, TOO_LARGE):
            for text in ("ldr x1, [x2]", "str x1, [x2]", "ldp x1, x3, [x2]", "str w1, [x2]"):
                before = state(pstate, x2=page - 4, **MMU)
                m.add("data-abort-across", "cortex-a72", text, before, f"{at} {page:#x}")


def routed_aborts(m):
    for text in ("ldr x1, [x2]", "str x1, [x2]", "blr x2"):
        for address in (NOTHING, 1 << 45):  # TGE turns the MMU off
            m.add("routed-abort", "cortex-a57", text, state(0x3C0, x2=address, hcr_el2=RW | TGE), "el0 TGE")
    for at, pstate in AT.items():
        for text in ("ldr x1, [x2]", "str x1, [x2]", "ldrb w1, [x2, #4]", "blr x2"):
            m.add("routed-abort", "cortex-a53", text, state(pstate, x2=NOTHING), f"{at} absent, MMU off")


def instruction_aborts(m):
    for (at, pstate), (name, page) in itertools.product(AT.items(), {**PAGES, **LARGE}.items()):
        for text, note in (("br x2", ""), ("blr x2", "link")):
            m.add("instruction-abort", "cortex-a72" if note else "cortex-a53", text,
                  state(pstate, x2=page, at={SHARED: 0xD4000003D4000001}, **MMU), f"{at} {name} {note}".strip())
    for at, pstate in AT.items():
        if at == "el3":
            continue  # the monitor itself executes from writable memory
        wxn = {name: value | 1 << 19 for name, value in MMU.items() if name != "sctlr_el3"}
        for page in (SHARED, PRIVATE, READ_ONLY, CODE + 32):
            m.add("instruction-abort", "cortex-a57", "br x2", state(pstate, x2=page, **wxn), f"{at} WXN {page:#x}")


def alignment(m):
    texts = ["ldr x1, [x2]", "str x1, [x2]", "ldrh w1, [x2]", "strh w1, [x2]", "ldp x1, x3, [x2]", "stp w1, w3, [x2]",
             "ldr q1, [x2]", "str d1, [x2]", "ldxr w1, [x2]", "stxr w3, w1, [x2]", "ldar x1, [x2]", "stlr x1, [x2]",
             "ldxp x1, x3, [x2]", "ldur x1, [x2, #1]", "ld1 {v1.4s}, [x2]", "st1 {v1.2d}, [x2]", "ldrsw x1, [x2]"]
    for at, pstate in AT.items():
        for text in texts:
            for address in (SHARED + 1, SHARED + 2, SHARED + 4, SHARED + 8):
                if "q1" in text and address == SHARED + 8:
                    continue  # QEMU aligns vectors less strictly; corrections.py
                m.add("alignment", "cortex-a72", text, state(pstate, x2=address, **MMU_ALIGN), f"{at} A")
            before = state(pstate, x2=SHARED + 1, **MMU)
            m.add("alignment", "cortex-a53", text, before, f"{at}")
    for text in ("ldadd x1, x3, [x2]", "swpal w1, w3, [x2]", "cas x1, x3, [x2]", "casp x4, x5, x6, x7, [x2]"):
        for offset in (1, 4, 8):
            m.add("alignment", "max", text, state(x2=SHARED + offset, x4=0, **MMU), "LSE")
        for at, pstate in AT.items():
            for name, page in {**PAGES, **LARGE}.items():
                if name != "absent":
                    m.add("atomic-abort", "max", text, state(pstate, x2=page, x4=0, **MMU), f"{at} {name}")


def branch_targets(m):
    for at, pstate in AT.items():
        for target in (CODE + 1, CODE + 2, CODE + 7, 0x8000000000000001, 0x0012000040220003):
            m.add("pc-alignment", "cortex-a72", "br x2", state(pstate, x2=target, **MMU), at)
        m.add("pc-alignment", "cortex-a72", "ret x2", state(pstate, x2=CODE + 2, hcr_el2=RW | (TGE if at == "el0" else 0)), f"{at} TGE")
    for tbi, target in itertools.product(range(4), (0x5600000040220008, 0xAA00000040220008, 0xFFFFFF8040220008, 0x12FFFF8040220008)):
        m.add("branch-tag", "cortex-a57", "br x2\nbrk #1\nbrk #2",
              state(x2=target, tcr_el1=0x2B5193519 | tbi << 37, **MMU), f"TBI {tbi}")
        m.add("branch-tag", "cortex-a57", "br x2\nbrk #1\nbrk #2",
              state(0x3C9, x2=target, tcr_el2=0x80823519 | (tbi & 1) << 20, **MMU), f"EL2 TBI {tbi & 1}")
    for tbi, address in itertools.product(range(4), (0x56 << 56 | SHARED, 0x80 << 56 | INVALID, 0xFFFFFF8000000000 | SHARED,
                                                     0x11FFFF8000000000 | INVALID, 0x00FF << 48 | SHARED)):
        for text in ("ldr x1, [x2]", "str x1, [x2]"):
            m.add("data-tag", "cortex-a57", text, state(x2=address, tcr_el1=0x2B5193519 | tbi << 37, **MMU), f"TBI {tbi}")
            m.add("data-tag", "cortex-a57", text, state(0x3C9, x2=address, tcr_el2=0x80823519 | (tbi & 1) << 20, **MMU),
                  f"EL2 TBI {tbi & 1}")


UNDEFINED = [0x00000000, 0x00000001, 0xFFFFFFFF, 0xD4400001, 0xD4000000, 0xD4200001, 0xD69F03E1, 0xD6BF03E0, 0xD5000000,
             0x9AC00000, 0x0E000000 | 1 << 29 | 1 << 10, 0x1E200000 | 2 << 22, 0xC8000000 | 1 << 30, 0xF8200C00 | 1 << 20]


def undefined(m):
    for at, pstate in LEVELS.items():
        for word in UNDEFINED:
            m.add("undefined", "cortex-a72", f".inst {word:#x}", state(pstate), f"{at} {word:08x}")
    for word in UNDEFINED[:3]:
        m.add("undefined", "cortex-a72", f".inst {word:#x}", state(0x3C0, hcr_el2=RW | TGE), "el0 TGE")
    for at, pstate in LEVELS.items():  # illegal state comes before everything but the fetch
        if at.startswith("el3"):
            continue
        for text in ("nop", "svc #1", ".inst 0", "ldr x1, [sp]", "brk #1", "fadd d0, d0, d0"):
            m.add("illegal-state", "cortex-a72", text, state(pstate | 1 << 20, cpacr_el1=0), at)
        m.add("illegal-state", "cortex-a72", "nop", state(pstate | 1 << 20, pc=CODE + 2), f"{at} and unaligned pc")
        m.add("illegal-state", "cortex-a72", "nop", state(pstate | 1 << 20, pc=INVALID, **MMU), f"{at} and abort")
    m.add("illegal-state", "cortex-a72", "nop", state(0x3C0 | 1 << 20, hcr_el2=RW | TGE), "el0 TGE")


def floating_point(m):
    texts = ["fadd d0, d0, d0", "ldr q0, [x2]", "mrs x1, fpcr", "movi v0.16b, #1", "fmov x1, d0", "aese v0.16b, v0.16b"]
    for at, pstate in AT.items():
        for text in texts:
            for fpen in range(4):
                m.add("fp-trap", "cortex-a72", text, state(pstate, x2=DATA, cpacr_el1=fpen << 20), f"{at} FPEN {fpen}")
            for cptr2, cptr3, fpen in ((1, 0, 3), (0, 1, 3), (1, 1, 3), (1, 0, 0), (0, 1, 1)):
                before = state(pstate, x2=DATA, cpacr_el1=fpen << 20, cptr_el2=0x33FF | cptr2 << 10, cptr_el3=cptr3 << 10)
                m.add("fp-trap", "cortex-a57", text, before, f"{at} {fpen} {cptr2} {cptr3}")
    for fpen in range(4):
        for text in texts:
            m.add("fp-trap", "cortex-a72", text, state(0x3C0, x2=DATA, cpacr_el1=fpen << 20, hcr_el2=RW | TGE), f"el0 TGE {fpen}")


def virtual_interrupts(m):
    """HCR_EL2.VI, VF, VSE with and without the bits that route, at each level and mask."""
    for (at, pstate), virtual, route in itertools.product(AT.items(), (0x80, 0x40, 0x100, 0x1C0), (0, 0x10, 0x08, 0x20, 0x38)):
        for mask in (0x3C0, 0, 0x80, 0x40, 0x100):
            if virtual == 0x1C0 and mask in (0, 0x100):
                continue  # IRQ and FIQ together: which is first is the implementation's choice
            if at in ("el2", "el3") and mask not in (0x3C0, 0):
                continue
            before = state(pstate & ~0x3C0 | mask, hcr_el2=RW | virtual | route)
            m.add("virtual-interrupt", "cortex-a72", "mrs x1, isr_el1\nmov x3, #1" if at != "el0" else "mov x3, #1\nmov x4, #2",
                  before, f"{at} mask {mask:#x}")
    for field in ("daifclr, #2", "daifclr, #1", "daifclr, #4"):
        before = state(EL1H, hcr_el2=RW | 0x130 | (0xB8 if field[-1] == "2" else 0x78 if field[-1] == "1" else 0))
        m.add("virtual-interrupt", "cortex-a72", f"mov x3, #1\nmsr {field}\nmov x4, #1", before, field)
    for daif in (0, 0x80, 0x40, 0x3C0):
        before = state(EL1H, hcr_el2=RW | 0xB8, x2=daif)
        m.add("virtual-interrupt", "cortex-a72", "mov x3, #1\nmsr daif, x2\nmov x4, #1", before, f"daif {daif:#x}")
    m.add("virtual-interrupt", "cortex-a72", "mov x3, #1\nnop", state(0, hcr_el2=RW | 0x1F8 | TGE), "TGE")
    m.add("virtual-interrupt", "cortex-a72", "mov x3, #1\nnop", state(0x5, hcr_el2=RW | 0x1F8, scr_el3=0x530), "secure")
    for spsr in (0x5, 0x85, 0x0, 0x145):
        before = state(EL1H, hcr_el2=RW | 0x98, spsr_el1=spsr, elr_el1=CODE + 8)
        m.add("virtual-interrupt", "cortex-a72", "eret\nbrk #1\nmov x3, #1", before, f"eret {spsr:#x}")


SS, KDE, STEP = 1, 1 << 13, 1 << 21


def single_step(m):
    texts = ["nop", "add x1, x2, x3", "b .+8\nnop\nnop", "cbz x1, .+8\nnop", "bl .+8\nnop\nnop", "br x5\nnop\nnop", "svc #1",
             "hvc #1", "smc #1", "brk #1", ".inst 0", "ldr x1, [x6]", "ldr x1, [x7]", "msr daifset, #2", "mrs x1, nzcv",
             "msr spsel, #0", "fadd d0, d0, d0", "wfe", "isb", "dsb sy", "ldxr x1, [x6]", "ldaxp x1, x3, [x6]",
             "stxr w1, x3, [x6]", "dc zva, x6", "str x1, [x6, #8]!", "br x8", "hint #1", "yield"]
    for at, pstate in (("el0", 0), ("el1", 5), ("el2", 9)):
        for text in texts:
            if "wfe" in text and at == "el0":
                continue
            for ss in (STEP, 0):
                before = state(pstate | ss, x5=CODE + 8, x6=DATA, x7=INVALID, x8=CODE + 2, mdscr_el1=SS | KDE, spsr_el1=0x205 | ss,
                               elr_el1=CODE + 8, sctlr_el1=0x34D5CA01, at={DATA: 1})
                m.add("step", "cortex-a72", text, before, f"{at} {'active' if ss else 'pending'}")
    for at, pstate in AT.items():
        for mdscr, mask, mdcr in itertools.product((0, SS, KDE, SS | KDE), (0, 0x200, 0x3C0), (6, 0x106)):
            if at == "el3" and mask:
                continue
            before = state(pstate & ~0x3C0 | mask | (0 if at == "el3" else STEP), mdscr_el1=mdscr, mdcr_el2=mdcr)
            m.add("step-enabled", "cortex-a53", "mov x1, #1\nmov x3, #1", before, f"{at} {mdscr:#x} {mask:#x} {mdcr:#x}")
    # Returns into a stepped level: where stepping starts, and what the bit of SPSR does.
    for target, mask, ss, mdcr in itertools.product((0, 5), (0, 0x200), (0, STEP), (6, 0x106)):
        before = state(0x3C9, spsr_el2=target | mask | ss, elr_el2=CODE + 8, mdscr_el1=SS | KDE, mdcr_el2=mdcr)
        m.add("step-return", "cortex-a72", "eret\nbrk #1\nmov x1, #1\nmov x3, #1", before, f"from el2 to {target} {mask:#x}")
        before = state(0x3C5, spsr_el1=target | mask | ss, elr_el1=CODE + 8, mdscr_el1=SS | KDE, mdcr_el2=mdcr)
        m.add("step-return", "cortex-a72", "eret\nbrk #1\nmov x1, #1\nmov x3, #1", before, f"from el1 to {target} {mask:#x}")
    m.add("step", "cortex-a72", "mov x1, #1\nmov x3, #1", state(STEP, mdscr_el1=SS, hcr_el2=RW | TGE), "el0 TGE")
    m.add("step", "cortex-a72", "mov x4, #1\nmsr oslar_el1, x4\nisb\nmov x1, #1", state(0x5, mdscr_el1=SS | KDE), "lock")
    for text in ("msr daifclr, #8\nmov x1, #1\nmov x3, #1", "msr mdscr_el1, x5\nisb\nmov x1, #1\nmov x3, #1"):
        m.add("step", "cortex-a72", text, state(0x205 if "daifclr" in text else 5, mdscr_el1=SS | KDE if "daifclr" in text else 0,
                                                x5=SS | KDE), "turned on")


# HMC, SSC, PxC: what the manual's table allows in Armv8.0 (D2, "Summary of breakpoint HMC, SSC, and PMC encodings").
STATES = [(0, 0, 1), (0, 0, 2), (0, 0, 3), (0, 1, 1), (0, 1, 2), (0, 1, 3), (0, 2, 1), (0, 2, 2), (0, 2, 3),
          (1, 0, 1), (1, 0, 3), (1, 1, 0), (1, 1, 1), (1, 1, 3), (1, 2, 0), (1, 2, 1), (1, 2, 3)]
MDE = 1 << 15


def control(state_of, extra, enable=1):
    hmc, ssc, pxc = state_of
    return enable | pxc << 1 | hmc << 13 | ssc << 14 | extra


def breakpoints(m):
    text = "mov x1, #1\nmov x3, #1\nmov x4, #1"
    for at, pstate in AT.items():  # KDE and TDE let EL1 and EL2 stop
        for states, mdcr in itertools.product(STATES, (6, 0x106)):
            before = state(pstate & ~0x3C0, dbgbvr0_el1=CODE + 4, dbgbcr0_el1=control(states, 0x1E0), mdscr_el1=MDE | KDE, mdcr_el2=mdcr)
            m.add("breakpoint", "cortex-a72", text, before, f"{at} {states} {mdcr:#x}")
        for states in STATES[:9]:
            before = state(pstate & ~0x3C0, dbgbvr1_el1=CODE + 4, dbgbcr1_el1=control(states, 0x1E0), mdscr_el1=MDE | KDE, scr_el3=0x530)
            if at != "el2":
                m.add("breakpoint", "cortex-a72", text, before, f"{at} {states} secure")
    every = control((1, 0, 3), 0x1E0)
    for at, pstate in AT.items():
        for mdscr, mask in itertools.product((0, MDE, KDE, MDE | KDE, MDE | SS), (0, 0x200)):
            before = state(pstate & ~0x3C0 | mask, dbgbvr4_el1=CODE + 8, dbgbcr4_el1=every, mdscr_el1=mdscr)
            m.add("breakpoint-enabled", "cortex-a53", text, before, f"{at} {mdscr:#x} {mask:#x}")
    for name in ("svc #1", ".inst 0", "brk #1", "ldr x1, [x6]", "ldr x1, [x5]", "hvc #1", "fadd d0, d0, d0", "nop"):
        before = state(0, x5=INVALID, x6=DATA, dbgbvr0_el1=CODE, dbgbcr0_el1=every, mdscr_el1=MDE, **MMU)
        m.add("breakpoint", "cortex-a72", name, before, "before the instruction")
        before = state(0, x5=INVALID, x6=DATA, dbgbvr0_el1=CODE, dbgbcr0_el1=every & ~1, mdscr_el1=MDE, **MMU)
        m.add("breakpoint", "cortex-a72", name, before, "disabled")
    m.add("breakpoint", "cortex-a72", "nop", state(1 << 20, dbgbvr0_el1=CODE, dbgbcr0_el1=every, mdscr_el1=MDE), "illegal state")
    m.add("breakpoint", "cortex-a72", "nop\nnop", state(STEP, dbgbvr0_el1=CODE + 4, dbgbcr0_el1=every, mdscr_el1=MDE | SS), "and step")
    m.add("breakpoint", "cortex-a72", "b .+8\nnop\nb .-4", state(0, dbgbvr0_el1=CODE + 4, dbgbcr0_el1=every, mdscr_el1=MDE), "branch")
    m.add("breakpoint", "cortex-a72", "nop\nnop", state(0, dbgbvr0_el1=CODE + 4, dbgbcr0_el1=every, mdscr_el1=MDE, hcr_el2=RW | TGE),
          "TGE")
    m.add("breakpoint", "cortex-a72", "msr dbgbcr0_el1, x5\nisb\nnop\nnop",
          state(5, x5=every, dbgbvr0_el1=CODE + 12, mdscr_el1=MDE | KDE), "turned on")
    m.add("breakpoint", "cortex-a72", "msr daifclr, #8\nnop\nnop",
          state(0x205, dbgbvr0_el1=CODE + 8, dbgbcr0_el1=every, mdscr_el1=MDE | KDE), "unmasked")
    # Linked to a context: DBGBCR4 is context-aware.
    for at, pstate in (("el0", 0), ("el1", 5)):
        for context, kind, linked, enable in itertools.product((0x1234, 0x1235), (3, 2), (4, 1), (1, 0)):
            before = state(pstate, contextidr_el1=0x1234, dbgbvr4_el1=context, dbgbcr4_el1=0x1E0 | kind << 20 | enable,
                           dbgbvr0_el1=CODE + 4, dbgbcr0_el1=every | 1 << 20 | linked << 16, mdscr_el1=MDE | KDE)
            if kind == 2 and enable:
                continue  # QEMU 7.2 has no breakpoints on a context alone
            m.add("breakpoint-linked", "cortex-a57", text, before, f"{at} {context:#x} type {kind} to {linked}")


def watchpoints(m):
    loads, stores = ("ldr x1, [x2]", "ldrb w1, [x2, #3]", "ldp x1, x3, [x2, #-8]"), ("str x1, [x2]", "strb w1, [x2, #3]", "stp x1, x3, [x2, #-8]")
    every = control((1, 0, 3), 0x1FE0 | 3 << 3)
    for at, pstate in AT.items():
        for states, mdcr in itertools.product(STATES, (6, 0x106)):
            before = state(pstate & ~0x3C0, x2=DATA + 64, dbgwvr0_el1=DATA + 64, dbgwcr0_el1=control(states, 0x1FE0 | 3 << 3),
                           mdscr_el1=MDE | KDE, mdcr_el2=mdcr)
            m.add("watchpoint", "cortex-a72", "ldr x1, [x2]\nmov x3, #1", before, f"{at} {states} {mdcr:#x}")
        for kind, text in itertools.product((1, 2, 3), loads + stores):
            before = state(pstate & ~0x3C0, x2=DATA + 64, dbgwvr1_el1=DATA + 64, dbgwcr1_el1=control((1, 0, 3), 0x1FE0 | kind << 3),
                           mdscr_el1=MDE | KDE, at={DATA + 64: 5}, **MMU)
            m.add("watchpoint", "cortex-a53", text, before, f"{at} LSC {kind}")
    # Which bytes: offset of the access against what is selected.
    for value, select in ((0, 0xFF), (0, 0x0F), (0, 0xF0), (0, 0x01), (0, 0x80), (0, 0x3C), (4, 0x0F), (4, 0x01), (4, 0x08), (0, 0)):
        for offset in (-9, -8, -4, -1, 0, 1, 2, 3, 4, 5, 6, 7, 8):
            for text in ("ldrb w1, [x2]", "ldr w1, [x2]", "str x1, [x2]", "ldr q1, [x2]"):
                if offset % {"ldrb w1, [x2]": 1, "ldr w1, [x2]": 4}.get(text, 8):
                    continue  # QEMU splits unaligned accesses: FAR is below what is accessed
                before = state(0, x2=DATA + 64 + offset, dbgwvr0_el1=DATA + 64 + value, dbgwcr0_el1=control((1, 0, 3), select << 5 | 3 << 3),
                               mdscr_el1=MDE, at={DATA + 64: 0}, **MMU)
                m.add("watchpoint-bytes", "cortex-a57", text, before, f"BAS {select:#x} at {offset}")
    for mask in (3, 4, 6, 12, 16, 20, 31):
        size = 1 << mask
        base = DATA & -size if mask < 31 else 0x40000000 & -size
        for address in (base, base + size - 1, base + size, base - 8, base + size // 2):
            if not DATA <= address < DATA + 0x1000 and not ROOM - 0x1000 <= address < ROOM + 0x10000:
                continue
            before = state(0, x2=address, dbgwvr0_el1=base, dbgwcr0_el1=control((1, 0, 3), 0x1FE0 | 3 << 3 | mask << 24), mdscr_el1=MDE)
            m.add("watchpoint-mask", "cortex-a72", "ldrb w1, [x2]", before, f"MASK {mask}")
    for text in ("ldtr x1, [x2]", "sttr x1, [x2]", "ldr x1, [x2]", "str x1, [x2]"):
        for states in ((0, 0, 1), (0, 0, 2), (0, 0, 3)):
            before = state(5, x2=DATA + 64, dbgwvr0_el1=DATA + 64, dbgwcr0_el1=control(states, 0x1FE0 | 3 << 3), mdscr_el1=MDE | KDE,
                           at={DATA + 64: 0}, **MMU)
            m.add("watchpoint-unprivileged", "cortex-a72", text, before, f"{states}")
    for text in ("ldxr x1, [x2]", "ldxr x1, [x2]\nstxr w3, x4, [x2]", "ld1 {v1.16b}, [x2]", "ldp q1, q2, [x2]", "ldpsw x1, x3, [x2]",
                 "prfm pldl1keep, [x2]", "stlr x1, [x2]", "ldr x1, [x2], #8", "str x1, [x2, #8]!", "dc cvac, x2", "ldr x2, [x2]",
                 "ldr x1, [x5]", "str x1, [x5]"):
        for kind in (1, 2):
            before = state(0x3C5 & ~0x200, x2=DATA + 64, x5=INVALID, dbgwvr0_el1=DATA + 64,
                           dbgwcr0_el1=control((1, 0, 3), 0x1FE0 | kind << 3), dbgwvr1_el1=INVALID,
                           dbgwcr1_el1=control((1, 0, 3), 0x1FE0 | 3 << 3), mdscr_el1=MDE | KDE, at={DATA + 64: 0}, **MMU)
            m.add("watchpoint", "cortex-a72", text, before, f"LSC {kind}")
    for text in ("ldadd x1, x3, [x2]", "swp w1, w3, [x2]", "cas x1, x3, [x2]"):
        for kind in (1, 2, 3):
            before = state(0, x2=DATA + 64, dbgwvr0_el1=DATA + 64, dbgwcr0_el1=control((1, 0, 3), 0x1FE0 | kind << 3), mdscr_el1=MDE,
                           at={DATA + 64: 0}, **MMU)
            m.add("watchpoint-atomic", "max", text, before, f"LSC {kind}")
    for context, at, pstate in itertools.product((0x99, 0x98), ("el0", "el1"), (0, 5)):
        before = state(pstate, x2=DATA, contextidr_el1=0x99, dbgbvr4_el1=context, dbgbcr4_el1=0x1E1 | 3 << 20, dbgwvr0_el1=DATA,
                       dbgwcr0_el1=every | 1 << 20 | 4 << 16, mdscr_el1=MDE | KDE)
        m.add("watchpoint-linked", "cortex-a57", "ldr x1, [x2]", before, f"{at} {context:#x}")
    for text in ("str x1, [x2]\nmsr dbgwcr0_el1, x5\nisb\nstr x3, [x2]", "ldr x1, [x2]\nmsr mdscr_el1, xzr\nisb\nldr x3, [x2]",
                 "msr mdscr_el1, x6\nisb\nldr x3, [x2]"):
        before = state(5, x2=DATA, x5=every, x6=MDE | KDE, dbgwvr0_el1=DATA, dbgwcr0_el1=0 if "dbgw" in text else every,
                       mdscr_el1=MDE | KDE if "x6" not in text else 0, at={DATA: 7}, **MMU)
        m.add("watchpoint", "cortex-a72", text, before, "changed")


def make():
    m = Maker()
    for part in (data_aborts, routed_aborts, instruction_aborts, alignment, branch_targets, undefined, floating_point,
                 virtual_interrupts, single_step, breakpoints, watchpoints):
        part(m)
    return m.made
