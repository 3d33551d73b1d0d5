#!/usr/bin/env python3
"""Writes test_x86.txt: what the host, an x86, makes of small programs.

usage: native.py >test_x86.txt        (binutils for i386, a kernel that runs 32-bit programs)

Each program is assembled at 0x20000 with its data at 0x30000 and run here as it stands, but for the HLT at its
end, which becomes a jump to code that writes out registers, flags and data. The script's cases that need more than
a process may do (a segment base, faults) stand at the end with values from the manual.
"""

import pathlib
import re
import struct
import subprocess
import tempfile

REGISTERS = ["eax", "ecx", "edx", "ebx", "esp", "ebp", "esi", "edi"]
DATA, DATA_BYTES = 0x30000, 0x1000
STACK = 0x3f000
ALL_FLAGS = 0x8d5

SOURCE = """
    .text
    .globl _start
_start:
    mov $0, %eax
    mov $0, %ecx
    mov $0, %edx
    mov $0, %ebx
    mov $0x3f000, %esp
    mov $0, %ebp
    mov $0, %esi
    mov $0, %edi
    fninit
    push $2
    popf
    jmp 0x20000
    .section .program, "ax"
PROGRAM
    HALT
    .section .out, "ax"
out:
    mov %eax, save
    mov %ecx, save + 4
    mov %edx, save + 8
    mov %ebx, save + 12
    mov %esp, save + 16
    mov %ebp, save + 20
    mov %esi, save + 24
    mov %edi, save + 28
    pushf
    pop %eax
    mov %eax, save + 32
    mov $4, %eax
    mov $1, %ebx
    mov $save, %ecx
    mov $36, %edx
    int $0x80
    mov $4, %eax
    mov $1, %ebx
    mov $0x30000, %ecx
    mov $0x1000, %edx
    int $0x80
    mov $1, %eax
    mov $0, %ebx
    int $0x80
    .section .values, "aw"
    DATA
    .org 0x10000
    .section .save, "aw"
save:
    .space 64
"""

PLACES = ["-Ttext=0x60000", "--section-start=.program=0x20000", "--section-start=.values=0x30000",
          "--section-start=.save=0x50000", "--section-start=.out=0x70000"]


def link(folder, name, text):
    """Assembles and links; the program's file."""
    source, obj, out = (folder / f"{name}{suffix}" for suffix in (".s", ".o", ""))
    source.write_text(text)
    subprocess.run(["as", "--32", source, "-o", obj], check=True)
    subprocess.run(["ld", "-m", "elf_i386", *PLACES, obj, "-o", out], check=True)
    return out


def section(folder, program, name):
    out = folder / "section"
    subprocess.run(["objcopy", "-O", "binary", "-j", name, program, out], check=True)
    return out.read_bytes()


def listing(program):
    """(address, bytes, text) of each instruction."""
    text = subprocess.run(["objdump", "-d", "-w", "-j", ".program", program], check=True,
                          capture_output=True, text=True).stdout
    for line in text.splitlines():
        match = re.match(r"\s+([0-9a-f]+):\t([0-9a-f ]+?)\s*\t(.*)", line)
        if match:
            yield int(match[1], 16), match[2].replace(" ", ""), " ".join(match[3].split())


def bundle(eflags):
    """EFLAGS as the IR packs flags (patchbay/ir.h)."""
    return (eflags & 0xd5) << 8 | eflags >> 11 & 1


def case(name, assembly, data="", memory=(), flags=ALL_FLAGS):
    """flags: those that the instructions define."""
    text = SOURCE.replace("PROGRAM", assembly.replace(";", "\n")).replace("DATA", data, 1)
    with tempfile.TemporaryDirectory() as place:
        folder = pathlib.Path(place)
        guest = link(folder, "guest", text.replace("HALT", "hlt"))
        host = link(folder, "host", text.replace("HALT", "jmp out"))
        output = subprocess.run([host], check=True, stdout=subprocess.PIPE).stdout
        values = section(folder, guest, ".values")[:DATA_BYTES].rstrip(b"\0")
        print(f"case {name}")
        for address, code, instruction in listing(guest):
            print(f"put {address:#x} {code:<20} # {instruction}")
        for at in range(0, len(values), 16):
            print(f"put {DATA + at:#x} {values[at:at + 16].hex()}")
    registers = struct.unpack("<9I", output[:36])
    print(f"set esp {STACK:#x}\nset eip 0x20000\nrun 100000 idle")
    for register, value in zip(REGISTERS, registers):
        if value:
            print(f"reg {register} {value:#x}")
    mask = "" if flags == ALL_FLAGS else f" {bundle(flags):#x}"
    print(f"reg flags {bundle(registers[8] & flags):#x}{mask}")
    for address, length in memory:
        at = 36 + address - DATA
        print(f"mem {address:#x} {output[at:at + length].hex()}")
    print()


CONDITIONS = "o no b ae e ne be a s ns p np l ge le g".split()


def every_condition(a, b):
    """esi gets a bit for each condition that does not hold after the comparison."""
    text = "mov $1, %edi;"
    for condition in CONDITIONS:
        text += (f"mov ${a}, %eax; mov ${b}, %ebx; cmp %ebx, %eax; j{condition} 1f;"
                 "add %edi, %esi; 1: add %edi, %edi;")
    return text


def main():
    print("# Written by native.py: what an x86 makes of these programs. Edit that file, not this one.\n")
    case("the sum overflows", "mov $0x7fffffff, %eax; mov $1, %ebx; add %ebx, %eax")
    case("the difference borrows", "mov $1, %eax; mov $2, %ecx; sub %ecx, %eax")
    case("INC keeps the carry", "mov $1, %eax; mov $2, %ecx; sub %ecx, %eax; inc %eax")
    case("DEC keeps the carry",
         "mov $-1, %eax; mov $2, %ecx; add %ecx, %eax; dec %eax; dec %ecx")
    case("SHL by one", "mov $0x40000001, %eax; .byte 0xc1, 0xe0, 1", flags=ALL_FLAGS & ~0x10)
    case("SHL by 32 changes nothing",
         "mov $1, %eax; mov $2, %edx; sub %edx, %eax; mov $32, %ecx; shl %cl, %eax")
    case("SHL by CL, modulo 32", "mov $0x92345678, %edx; mov $33, %ecx; shl %cl, %edx",
         flags=ALL_FLAGS & ~0x10)
    case("partial registers",
         "mov $0x11223344, %eax; mov $0x12, %al; mov $0xff, %ah; add %ah, %al; mov %al, %bh;"
         "mov %ah, %dl")
    case("every condition after 5 - 6", every_condition(5, 6))
    case("every condition after an overflow", every_condition("0x80000000", 1))
    case("every condition of equals", every_condition(77, 77))
    case("a loop", "mov $0, %eax; mov $10, %ecx; 1: add %ecx, %eax; sub $1, %ecx; jne 1b")
    case("calls: a recursive Fibonacci number",
         "mov $10, %eax; call 1f; jmp 3f; 1: cmp $2, %eax; jl 2f; push %ebx; push %eax;"
         "sub $1, %eax; call 1b; mov %eax, %ebx; pop %eax; sub $2, %eax; call 1b; add %ebx, %eax;"
         "pop %ebx; 2: ret; 3:")
    case("memory operands",
         "mov $0x30000, %ebx; mov $4, %esi; mov 4(%ebx,%esi,2), %eax; add %eax, (%ebx);"
         "sub %esi, 0x30008; cmp %eax, (%ebx); mov %al, 3(%ebx); mov 1(%ebx), %ch",
         data=".long 0x10, 0x20, 0x30, 0x40", memory=[(0x30000, 16)])
    case("REP MOVSB", "mov $0x30000, %esi; mov $0x30101, %edi; mov $21, %ecx; rep movsb",
         data='.ascii "what is to be copied."', memory=[(0x30100, 24)])
    case("REP MOVSB of nothing", "mov $0x30000, %esi; mov $0x30101, %edi; rep movsb; inc %ecx")
    case("REP MOVSB that overlaps",
         "mov $0x30000, %esi; mov $0x30001, %edi; mov $7, %ecx; rep movsb",
         data='.ascii "abcdefghijklmnop"', memory=[(0x30000, 16)])
    case("x87: sums",
         "mov $0x30000, %ebx; fldl (%ebx); fldl 8(%ebx); faddp; fld1; fadd %st(1), %st;"
         "fstpl 16(%ebx); fstpl 24(%ebx)", data=".double 0.1, 0.2", memory=[(0x30000, 32)])
    case("x87: what only 64 bits of significand hold",
         "mov $0x30000, %ebx; fldl (%ebx); fldl 8(%ebx); faddp; fldl 16(%ebx); faddp;"
         "fstpl 24(%ebx)", data=".double 1.0, 1e-19, -1.0", memory=[(0x30000, 32)])
    case("x87: a loop, entered with another TOP than it began with",
         "mov $0x30000, %ebx; mov $100, %ecx; fldl 8(%ebx); 1: fldl (%ebx); faddp; sub $1, %ecx;"
         "jne 1b; fstpl 16(%ebx)", data=".double 0.1, 0", memory=[(0x30010, 8)])
    print((pathlib.Path(__file__).parent / "system.txt").read_text(), end="")


if __name__ == "__main__":
    main()
