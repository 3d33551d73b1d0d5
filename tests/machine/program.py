"""Small AArch64 programs as files, made without an assembler. The words stand beside what they are."""

import gzip
import struct

START = 0x40080000
PSCI_SYSTEM_OFF = 0x84000008
PSCI_SYSTEM_RESET = 0x84000009


def mov(register, value):
    """movz and movk: 32 bits."""
    return [0xd2800000 | (value & 0xffff) << 5 | register, 0xf2a00000 | (value >> 16 & 0xffff) << 5 | register]


def prints(text, then=PSCI_SYSTEM_OFF):
    """Writes each character to the UART at 0x09000000, then makes a PSCI call."""
    words = mov(1, 0x09000000)
    for character in text.encode():
        words += [0xd2800003 | character << 5,  # mov x3, #character
                  0xb9000023]                   # str w3, [x1]
    return words + mov(0, then) + [0xd4000002,  # hvc #0
                                   0x14000000]  # b .


def spins(count, then=None):
    """Counts down, then powers off: something to stop in the middle of."""
    return mov(2, count) + [0xf1000442,          # subs x2, x2, #1
                            0x54ffffe1] + (then or prints("done\n"))  # b.ne back


def reads(address, expected, right, wrong):
    """Reads 32 bits and prints one of two texts."""
    then = prints(right)
    return mov(4, address) + [0xb9400085] + mov(6, expected) + [      # ldr w5, [x4]
        0x6b0600bf,                                                   # cmp w5, w6
        0x54000001 | (len(then) + 1) << 5] + then + prints(wrong)     # b.ne to the other text


NOP = 0xd503201f


def interrupts(rounds):
    """Two processors. The first turns the second on, which counts for ever, and interrupts itself in the middle of a
    straight line of code; the handler adds to a sum where it came from. Returns the words, and the number of the
    instruction that turns on."""
    vectors, second = START + 0x800, START + 0xc00
    words = mov(1, vectors) + [0xd518c001]                          # msr vbar_el1, x1
    words += mov(2, 0x08000000) + mov(4, 0x08010000) + mov(11, 31)  # distributor, CPU interface
    words += [0xd2800023, 0xb9000043,                               # mov x3, #1; str w3, [x2]
              0xd2801fe5, 0xb9000485, 0xb9000083]                   # mov x5, #255; str w5, [x4, #4]; str w3, [x4]
    words += [0xd50342ff]                                           # msr daifclr, #2
    words += mov(0, 0xc4000003) + [0xd2800021] + mov(12, second) + [
        0xaa0c03e2, 0xd2800003, 0xd4000002]                         # mov x2, x12; mov x3, #0; hvc #0: CPU_ON
    turns_on = len(words)
    words += mov(2, 0x08000000) + mov(22, rounds) + mov(6, 0x02000000)
    words += [0xb90f0046,                                           # str w6, [x2, #0xf00]: SGI to itself
              *[0x910006b5] * 12,                                   # add x21, x21, #1
              0x91000694, 0xeb16029f,                               # add x20, x20, #1; cmp x20, x22
              0x54fffe21] + prints("done\n")                        # b.ne to the SGI
    words += [NOP] * (0x800 // 4 + 0x280 // 4 - len(words))
    words += [0xb9400c87, 0xb9001087,                               # ldr w7, [x4, #12]; str w7, [x4, #16]
              0xd5384028, 0x9b0b2129, 0xd69f03e0]                   # mrs x8, elr_el1; madd x9, x9, x11, x8; eret
    words += [NOP] * (0xc00 // 4 - len(words))
    return words + [0x91000694, 0x17ffffff], turns_on               # add x20, x20, #1; b back


def code(words):
    return struct.pack("<%dI" % len(words), *words)


def elf(words, address=START, machine=183, kind=2, file_bytes=None, memory_bytes=None):
    """An ELF-64 executable with one segment."""
    body = code(words)
    header = struct.pack("<16sHHIQQQIHHHHHH", b"\x7fELF\2\1\1", kind, machine, 1, address, 64, 0, 0, 64, 56, 1,
                         64, 0, 0)
    program = struct.pack("<IIQQQQQQ", 1, 7, 120, address, address,
                          len(body) if file_bytes is None else file_bytes,
                          len(body) if memory_bytes is None else memory_bytes, 8)
    return header + program + body


def image(words, size=None, flags=0, offset=0):
    """An arm64 Image: Linux Documentation/arm64/booting.rst."""
    body = code(words)
    size = 64 + len(body) if size is None else size
    return struct.pack("<IIQQQQQQII", 0x14000010, 0, offset, size, flags, 0, 0, 0, 0x644d5241, 0) + body


def packed(data):
    return gzip.compress(data, mtime=0)
