"""Random values, biased towards the edges where instructions go wrong."""

import random

EDGES_64 = [0, 1, 2, 3, 0x7F, 0x80, 0xFF, 0x7FFF, 0x8000, 0xFFFF, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF,
            0x100000000, 0x7FFFFFFFFFFFFFFF, 0x8000000000000000, 0xFFFFFFFFFFFFFFFF,
            0xFFFFFFFFFFFFFFFE, 0xFFFFFFFF80000000, 0xFFFFFFFF7FFFFFFF, 0x8000000080000000]

FORMATS = {1: (5, 10), 2: (8, 23), 3: (11, 52)}  # log2 of bytes: bits of exponent and fraction


def mask(bits):
    return (1 << bits) - 1


def integer(bits=64):
    """An integer of so many bits."""
    kind = random.random()
    if kind < 0.35:
        value = random.choice(EDGES_64)
    elif kind < 0.45:
        value = 1 << random.randrange(bits)
    elif kind < 0.5:
        value = -1 << random.randrange(bits)
    elif kind < 0.65:
        value = random.randint(-80, 80)
    elif kind < 0.75:
        value = random.choice([0, 1 << bits - 1, mask(bits - 1)]) + random.randint(-2, 2)
    elif kind < 0.85 and bits == 64:
        value = random.getrandbits(32) | random.getrandbits(32) << 32 * random.randint(0, 1)
    else:
        value = random.getrandbits(bits)
    return value & mask(bits)


def floating(size):
    """The bits of a floating-point value of 2 ** size bytes."""
    e_bits, f_bits = FORMATS[size]
    e_max, bias = mask(e_bits), mask(e_bits - 1)
    fraction = random.choice([0, 0, 1, mask(f_bits), 1 << f_bits - 1, random.getrandbits(f_bits),
                              random.getrandbits(f_bits), mask(f_bits) ^ mask(f_bits // 2)])
    kind = random.random()
    if kind < 0.1:
        exponent, fraction = 0, 0
    elif kind < 0.2:
        exponent = 0
    elif kind < 0.26:
        exponent, fraction = e_max, 0
    elif kind < 0.36:
        exponent = e_max
        fraction = fraction or 1
        if random.random() < 0.5:
            fraction |= 1 << f_bits - 1
    elif kind < 0.44:
        exponent = random.choice([1, 2, f_bits, f_bits + 1, e_max - 1, e_max - 2])
    elif kind < 0.62:
        exponent = bias + random.randint(-3, 3)
    elif kind < 0.76:
        exponent = bias + random.choice([14, 15, 16, 30, 31, 32, 62, 63, 64, f_bits - 1, f_bits])
    elif kind < 0.88:
        exponent = random.randint(0, e_max - 1)
    else:
        return random.getrandbits(1 + e_bits + f_bits)
    sign = random.getrandbits(1)
    return sign << e_bits + f_bits | min(exponent, e_max) << f_bits | fraction


def vector(size, is_fp, near=None):
    """128 bits of elements of 2 ** size bytes. NEAR: a vector whose elements some are to resemble."""
    bits = 8 << size
    value = 0
    for at in range(0, 128, bits):
        if near is not None and random.random() < 0.3:
            element = near >> at & mask(bits)
            element = random.choice([element, element ^ 1 << bits - 1, element + 1, element - 1])
        else:
            element = floating(size) if is_fp else integer(bits)
        value |= (element & mask(bits)) << at
    return value


def fpcr(half=False):
    """Rounding mode, flush to zero, default NaN, and with HALF the alternative half precision."""
    value = random.randrange(4) << 22
    value |= (random.random() < 0.35) << 24 | (random.random() < 0.3) << 25
    return value | (half and random.random() < 0.4) << 26
