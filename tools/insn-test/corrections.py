"""Where QEMU's results are known to be wrong: each rule changes the state after a case to what DDI 0487 says.

Cases whose whole result would be wrong are not made at all. tests/insn/system/manual.txt has some of them, with what
the manual says:

- HVC at EL3 goes to EL3 (AArch64.CallHypervisor); QEMU 7.2 takes it to EL2.
- HVC at Secure EL1 is UNDEFINED without Secure EL2; QEMU 7.2 takes it to EL2.
- External aborts go to EL3 with SCR_EL3.EA; QEMU 7.2 does not look at it.
- SCTLR_ELx.SA and SA0: QEMU 7.2 does not check the stack pointer.
- Unaligned accesses to Device memory are alignment faults; QEMU 7.2 makes them.
- HCR_EL2.TGE turns off stage 1 of EL0; QEMU 7.2 goes on translating.
- OSLSR_EL1.OSLK disables breakpoints and watchpoints; QEMU 7.2 does not look at it there.
- A block at a level where the granule has none is a translation fault; QEMU 7.2 takes it.
- A breakpoint on what cannot be fetched is an instruction abort; QEMU 7.2 takes the breakpoint.
"""

import re

HCR_TGE = 1 << 27


def not_stage_2(case, before, after):
    """ESR_EL2: ISV and what it makes valid are of stage 2 aborts only (D17 "ISS encoding for an exception from a
    Data Abort"). QEMU 7.2 sets them for aborts of stage 1 too, of EL2 itself or routed by TGE."""
    esr = after.sys["esr_el2"]
    if after.to >> 12 == 2 and (esr >> 26 == 0x25 or esr >> 26 == 0x24 and before.sys["hcr_el2"] & HCR_TGE):
        after.sys["esr_el2"] = esr & ~0x01FFC000


def daif_immediate(case, before, after):
    """MSR DAIFSet and DAIFClr at EL0: QEMU 7.2 has op1 and op2 in each other's place in the ISS."""
    for name in ("esr_el1", "esr_el2"):
        esr = after.sys[name]
        if esr >> 26 == 0x18 and case.code[0][1] & 0xFFF8F01F == 0xD500401F:
            op1, op2 = esr >> 14 & 7, esr >> 17 & 7
            after.sys[name] = esr & ~(7 << 14 | 7 << 17) | op2 << 14 | op1 << 17


def outer_shareable(par):
    attributes = par >> 56
    if not par & 1 and (attributes & 0xF0 == 0 or attributes == 0x44):
        return par & ~(3 << 7) | 2 << 7
    return par


def shareability(case, before, after):
    """PAR_EL1.SH of Device memory and of Normal memory that is not cacheable is outer shareable
    (PAREncodeShareability). QEMU 7.2 gives what the descriptor has, and 0 where stage 1 is off."""
    if after.sys["par_el1"] != before.sys["par_el1"]:
        after.sys["par_el1"] = outer_shareable(after.sys["par_el1"])
    for text, _ in case.code:
        read = re.fullmatch(r"mrs x(\d+), par_el1", text)
        if read and after.x[int(read.group(1))] != before.x[int(read.group(1))]:
            after.x[int(read.group(1))] = outer_shareable(after.x[int(read.group(1))])


def is_unknown(case, after):
    """Cases that are left out for what QEMU says. Of a stage 2 fault of a stage 1 walk QEMU 7.2 tells the level of stage
    1, not of stage 2."""
    pars = [after.sys["par_el1"]] + [after.x[n] for n in range(3, 7)] if "at s12" in case.code[0][0] else []
    esr = after.sys["esr_el2"]
    return any(par & 0x901 == 0x901 and par >> 12 == 0 for par in pars) or esr >> 26 in (0x20, 0x24) and esr >> 7 & 1


RULES = (not_stage_2, daif_immediate, shareability)


def correct(case, before, after):
    for rule in RULES:
        rule(case, before, after)
