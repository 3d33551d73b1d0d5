"""Which system registers there are: MRS and MSR of every encoding, at every level, as the processor is after reset."""

import os
import re
import struct
import subprocess
import tempfile

import system

LEVELS = (0x3C0, 0x3C5, 0x3C9, 0x3CD)  # PSTATE of EL0 to EL3
FIRST, LAST = 1 << 14, 0xFFFF  # op0 1, 2 and 3
SYS = range(1 << 14, 2 << 14)  # op0 1: instructions, which are only written
MOV_X0_DATA = 0xD2A80460  # mov x0, #0x40230000
# What follows a probe: SMC, and SVC at EL0, where SMC is undefined.
SVC, SMC = 0xD4000001, 0xD4000003
SVC_EC, SMC_EC = 0x15, 0x17
OBJDUMP = ["aarch64-linux-gnu-objdump", "-D", "-z", "-b", "binary", "-m", "aarch64"]

# Registers that tell of time, of the probe before, or where the board has the processor start: their values are not
# compared.
MOVING = {"rvbar_el3", "tpidr_el3", "elr_el1", "elr_el2", "elr_el3", "esr_el1", "esr_el2", "esr_el3", "spsr_el1", "spsr_el2", "spsr_el3",
          "cntpct_el0", "cntvct_el0", "cntpctss_el0", "cntvctss_el0", "cntp_tval_el0", "cntv_tval_el0", "cnthp_tval_el2",
          "cntps_tval_el1", "cnthv_tval_el2", "cntp_tval_el02", "cntv_tval_el02", "rndr", "rndrrs", "pmccntr_el0",
          "cnthps_tval_el2", "cnthvs_tval_el2"}


def outcome(result, value):
    """The text of what a probe did; VALUE: what it means to come to its end."""
    to, esr, x0 = result
    if esr & 0xFFFF == 0 and (esr >> 26 == SVC_EC or esr >> 26 == SMC_EC and to >> 12 == 3):
        return f"{x0:#x}" if value is None else value
    if esr >> 26 == 0:
        return "u"
    return f"el{to >> 12}:{esr:#x}"


def padded(code, pstate):
    return code + [SMC if pstate & 0xC else SVC] * (4 - len(code))


def reads(encoding):
    return [system.MRS | encoding << 5]


def writes(encoding, readable):
    """Writes what is read, else 0; an address to system instructions."""
    word = system.MSR | encoding << 5
    if encoding in SYS:
        return [MOV_X0_DATA, word]
    return [system.MRS | encoding << 5, word] if readable else [word]


def probe(model, monitor, encodings=range(FIRST, LAST + 1), setup=(), levels=range(4)):
    """{encoding: [(read, write) at EL0, EL1, EL2, EL3]} of encodings that are not undefined everywhere."""
    found = {}
    for number in levels:
        pstate = LEVELS[number]
        register = [e for e in encodings if e not in SYS]
        made = [padded(reads(e), pstate) for e in register]
        results = system.run_probes(model, pstate, made, monitor, setup)
        read = dict(zip(register, [outcome(r, None) for r in results]))
        made = [padded(writes(e, read.get(e, "u").startswith("0x")), pstate) for e in encodings]
        results = system.run_probes(model, pstate, made, monitor, setup)
        for encoding, result in zip(encodings, results):
            cell = (read.get(encoding, "u"), outcome(result, "w"))
            if cell != ("u", "u"):
                found.setdefault(encoding, [("u", "u")] * 4)[number] = cell
    return found


WITH_TRAPS = ("cortex-a72", "max")
# What allows everything to EL0, and on top of it what traps something.
OPEN = {"sctlr_el1": 0x34D5CA00, "cntkctl_el1": 0x3FF, "pmuserenr_el0": 0xF, "cpacr_el1": 0x300000}
RW, TGE = 1 << 31, 1 << 27
TRAPS = {
    "open": {},
    "TVM": {"hcr_el2": RW | 1 << 26},
    "TRVM": {"hcr_el2": RW | 1 << 30},
    "TID1-TID3": {"hcr_el2": RW | 7 << 16},
    "TPC-TPU-TSW-TDZ": {"hcr_el2": RW | 1 << 22 | 1 << 23 | 1 << 24 | 1 << 28},
    "TTLB-TACR-TIDCP": {"hcr_el2": RW | 1 << 25 | 1 << 21 | 1 << 20},
    "TGE": {"hcr_el2": RW | TGE},
    "TGE-closed": {"hcr_el2": RW | TGE, "sctlr_el1": 0x30D00800, "cntkctl_el1": 0, "pmuserenr_el0": 0, "cpacr_el1": 0},
    "MDCR_EL2.TDA-TDOSA-TDRA": {"mdcr_el2": 6 | 7 << 9},
    "MDCR_EL2.TDE": {"mdcr_el2": 6 | 1 << 8},
    "MDCR_EL2.TPM": {"mdcr_el2": 6 | 1 << 6},
    "MDCR_EL2.TPMCR": {"mdcr_el2": 6 | 1 << 5},
    "CPTR_EL2": {"cptr_el2": 0x33FF | 1 << 31 | 1 << 10},
    "CNTHCTL_EL2": {"cnthctl_el2": 0},
    "MDCR_EL3.TDA-TDOSA": {"mdcr_el3": 3 << 9},
    "MDCR_EL3.TPM": {"mdcr_el3": 1 << 6},
    "CPTR_EL3": {"cptr_el3": 1 << 31 | 1 << 10},
    "secure": {"scr_el3": 0x530},
    "secure-ST": {"scr_el3": 0xD30},
    "EL2-and-EL3": {"hcr_el2": RW | 0x77 << 16, "mdcr_el2": 6 | 0xE60, "cptr_el2": 0x33FF | 1 << 31 | 1 << 10,
                    "mdcr_el3": 3 << 9 | 1 << 6, "cptr_el3": 1 << 31 | 1 << 10, "cnthctl_el2": 0},
    "PMUSERENR.SW": {"pmuserenr_el0": 2},
    "PMUSERENR.CR": {"pmuserenr_el0": 4},
    "PMUSERENR.ER": {"pmuserenr_el0": 8},
    "CNTKCTL.EL0PCTEN": {"cntkctl_el1": 1},
    "CNTKCTL.EL0VCTEN": {"cntkctl_el1": 2},
    "MDSCR.TDCC": {"mdscr_el1": 1 << 12},
}
NO_LEVEL = {"TGE": 1, "TGE-closed": 1, "secure": 2, "secure-ST": 2}  # a return there is illegal


def names(encodings):
    """The disassembler's names: {encoding: name}."""
    with tempfile.NamedTemporaryFile() as binary:
        for encoding in encodings:
            binary.write(struct.pack("<2I", system.MRS | encoding << 5, system.MSR | encoding << 5))
        binary.flush()
        listing = subprocess.run(OBJDUMP + [binary.name], stdout=subprocess.PIPE, check=True, text=True).stdout
    lines = [line.split("\t")[2:] for line in listing.splitlines() if re.match(r" *[0-9a-f]+:\t", line)]
    found = {}
    for encoding, read, write in zip(encodings, lines[::2], lines[1::2]):
        words = [(read[1] if len(read) > 1 else "").split(", ")[-1], " ".join(write).split(",")[0]]
        words[1] = re.sub(r"^msr ", "", words[1])
        if encoding in SYS:
            words = [re.sub(r"^sys #.*", "", words[1])]
        name = [w for w in words if w and not re.match(r"s\d_", w)]
        found[encoding] = name[0].strip().replace(" ", "_") if name else "-"
    return found


def cell_text(name, cell):
    read, write = cell
    if name in MOVING and read.startswith("0x"):
        read = "*"
    return f"{read}/{write}"


def generic_name(encoding):
    return f"S{encoding >> 14}_{encoding >> 11 & 7}_C{encoding >> 7 & 15}_C{encoding >> 3 & 15}_{encoding & 7}"


def cell_texts(name, cells):
    return [cell_text(name, cell) for cell in cells]


def write_lines(out, found, named):
    for encoding in sorted(found):
        cells = cell_texts(named[encoding], found[encoding])
        out.write(f"{encoding:#06x} {generic_name(encoding):<16} {named[encoding]:<18} {' '.join(cells)}\n")


def write_file(path, model, monitor, registers, head):
    """What MODEL does after reset; then with everything open to EL0, and with each of TRAPS, what differs from that."""
    found = probe(model, monitor)
    named = names(sorted(found))
    by_name = {r.name: r for r in registers}
    with open(path, "w", encoding="utf-8") as out:
        out.write(head)
        write_lines(out, found, named)
        base = found
        for trap, values in TRAPS.items() if model in WITH_TRAPS else ():
            setup = {**OPEN, **values}
            levels = [n for n in range(4) if n != NO_LEVEL.get(trap)]
            changed = probe(model, monitor, sorted(found), [(by_name[name], value) for name, value in setup.items()], levels)
            every = {e: changed.get(e, [("u", "u")] * 4) for e in found}
            for e, cells in every.items():
                every[e] = [cells[n] if n in levels else base[e][n] for n in range(4)]
            out.write(f"\nsetup {trap} {{ " + ", ".join(f"{n}: {v:#x}" for n, v in setup.items()) + " }"
                      + (f" without EL{NO_LEVEL[trap]}" if trap in NO_LEVEL else "") + "\n")
            write_lines(out, {e: cells for e, cells in every.items()
                              if cell_texts(named[e], cells) != cell_texts(named[e], base[e])}, named)
            base = every if trap == "open" else base
    return len(found)
