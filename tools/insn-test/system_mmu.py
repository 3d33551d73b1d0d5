"""Random cases of address translation: granules, sizes, attributes, stage 2, hardware updates, AT.

Each case has translation tables of its own for one address, built in ROOM. Addresses of the half that is tested go
through them; code and vectors are in the other half, in the tables that every case has.
"""

import random

from system import CODE, ROOM, VECTORS
from system_machine import AF, CONTIGUOUS, DBM, NG, PXN, XN, leaf, table
from system_rows import Maker, state

SEED = 0x0487
UPPER = 0xFFFFFF8000000000  # where the common tables have everything again
RW = 1 << 31
TARGET = ROOM + 0x3F0000  # what mappings lead to, unless they lead to nowhere
TG0 = {12: 0, 14: 2, 16: 1}
TG1 = {12: 2, 14: 1, 16: 3}
PA_BITS = {"cortex-a53": 40, "cortex-a57": 44, "cortex-a72": 44, "max": 48}
PS = {32: 0, 36: 1, 40: 2, 42: 3, 44: 4, 48: 5}


def chance(p):
    return random.random() < p


class Tables:
    """Tables for one address, written into WORDS."""

    def __init__(self, words):
        self.words, self.at = words, ROOM

    def new(self, size):
        """Room for a table of SIZE bytes, aligned to that."""
        size = max(size, 64)
        self.at = (self.at + size - 1) & -size
        address, self.at = self.at, self.at + size
        if self.at > TARGET:
            raise MemoryError("no room for tables")
        return address


def levels(bits, grain, start=None):
    """[(level, first bit, past the last bit)] that a walk of BITS bits looks up, with a granule of 2 ** GRAIN."""
    stride = grain - 3
    if start is None:
        start = 4 - -(-(bits - grain) // stride)
    found, high = [], bits
    for level in range(start, 4):
        low = (3 - level) * stride + grain
        found.append((level, low, high))
        high = low
    return found


def block_allowed(level, grain):
    return level == 3 or level == 2 or level == 1 and grain == 12


class Walk:
    """What a case's tables are to be: random, but mostly valid."""

    def __init__(self, model, grain, bits, pa_bits, start=None, stage2=False):
        self.model, self.grain, self.bits, self.pa_bits, self.stage2 = model, grain, bits, pa_bits, stage2
        self.levels = levels(bits, grain, start)

    def build(self, tables, address, target, attributes):
        """Tables that lead ADDRESS to TARGET, if its offset in a block is made that of TARGET; returns the root and the
        address."""
        level, low, high = self.levels[0]
        root = here = tables.new(max(64, 8 << (high - low)))
        last = random.choice([lv for lv, _, _ in self.levels if block_allowed(lv, self.grain)] + [3, 3])
        for level, low, high in self.levels:
            entry = here + 8 * (address >> low & (1 << (high - low)) - 1)
            if chance(0.04):
                tables.words[entry] = random.choice([0, 2, 0x40000000 | 1 << 10])
                return root, address
            if level == last:
                # QEMU 7.2 takes blocks at any level but 3.
                wrong = level == 3 and chance(0.04)
                tables.words[entry] = self.leaf(target & -(1 << low), level, attributes) & ~(2 if wrong else 0)
                return root, address & -(1 << low) | target & (1 << low) - 1
            here = tables.new(1 << self.grain)
            tables.words[entry] = table(here | self.too_large(), 0 if self.stage2 else self.hierarchy())

    def too_large(self):
        """Bits that do not fit into the output address, now and then."""
        if chance(0.03) and self.pa_bits < 48:
            return 1 << random.randrange(self.pa_bits, 48)
        return 0

    def hierarchy(self):
        return random.choice([0] * 8 + [1 << 59, 1 << 60, 1 << 61, 1 << 62, 3 << 61, 1 << 63])

    def leaf(self, target, level, attributes):
        return leaf(target | self.too_large(), page=level == 3, extra=0) & ~0xFFC | attributes


def stage1_attributes(model):
    bits = random.choice([AF] * 9 + [0]) | random.randrange(4) << 6 | random.randrange(5) << 2
    bits |= random.choice([0, 2, 3]) << 8
    for bit, p in ((NG, 0.3), (XN, 0.25), (PXN, 0.25), (CONTIGUOUS, 0.1), (DBM, 0.4 if model == "max" else 0.1), (1 << 5, 0.1)):
        bits |= bit if chance(p) else 0
    return bits


def stage2_attributes(model):
    bits = random.choice([AF] * 9 + [0]) | random.choice([1, 2, 3, 3, 3, 3, 0]) << 6 | random.choice([0, 1, 5, 15, 15, 15]) << 2
    bits |= random.choice([0, 2, 3]) << 8
    for bit, p in ((XN, 0.2), (CONTIGUOUS, 0.1), (DBM, 0.4 if model == "max" else 0.1)):
        bits |= bit if chance(p) else 0
    return bits


def pick(model, stage2=False):
    """(granule, size of the input address, size of the output address, its code)"""
    grain = random.choice([12, 12, 16] + ([14, 14] if model == "max" else []))
    bits = random.choice([25, 30, 31, 36, 39, 39, 42, 47, 48, random.randint(25, 48)])
    if stage2:
        bits = min(bits, PA_BITS[model])
    output = random.choice([36, 40, 40, 42, 44, 48])
    return grain, bits, min(output, PA_BITS[model]), PS[output]


def target(before):
    """An address of memory to map, with contents that the case finds again."""
    address = TARGET + random.choice([0, 0x1230, 0x8FF0, random.randrange(0x1000) * 16])
    before.words.update({address: 0x1122334455667788, address + 8: 0x99AABBCCDDEEFF00})
    return address


def lower_address(bits):
    return random.getrandbits(bits)


def tcr_el1(model, upper, grain, bits, code):
    """TCR_EL1 with one half as given and the other as in the common tables."""
    tcr = 0x3519 | 0xB5190000 | code << 32
    if upper:
        tcr = tcr & ~(0x3F << 16 | 3 << 30) | 64 - bits << 16 | TG1[grain] << 30
    else:
        tcr = tcr & ~(0x3F | 3 << 14) | 64 - bits | TG0[grain] << 14
    if chance(0.3):
        tcr |= random.randrange(1, 4) << 37  # TBI
    if chance(0.04):
        tcr |= random.choice([1 << 7, 1 << 23]) & ~(1 << 7 if upper else 1 << 23)  # EPD of the half that is tested
    if model == "max":
        tcr |= random.choice([0, 0, 1, 3]) << 39 | random.choice([0, 0, 0, 1, 2, 3]) << 41  # HA, HD; HPD
    return tcr


def stage1_el1(model, before, tables, to):
    """Sets up the EL1&0 regime; returns the address that is tested."""
    upper = chance(0.4)
    grain, bits, output, code = pick(model)
    tcr = tcr_el1(model, upper, grain, bits, code)
    address = lower_address(bits)
    root, address = Walk(model, grain, bits, output).build(tables, address, to, stage1_attributes(model))
    if upper:
        address |= -1 << bits & (1 << 64) - 1
    if chance(0.15):
        address ^= random.choice([1 << 63, 0xFF << 56, 0x5A << 56, 1 << 55, 1 << min(bits, 54), 1 << 48])
    before.sys["tcr_el1"] = tcr
    before.sys["ttbr1_el1" if upper else "ttbr0_el1"] = root | (0x7 << 48 if chance(0.2) else 0)
    before.sys["sctlr_el1"] = 0x30D00801 | (1 << 19 if chance(0.15) else 0)
    if not upper:  # code and vectors are in the other half
        before.pc, before.sys["vbar_el1"] = UPPER | CODE, UPPER | VECTORS
    return address


def stage2(model, before, tables, ipa, to):
    """Sets up stage 2: RAM one to one, and IPA to TO."""
    # A size larger than VTCR_EL2.PS is unpredictable, and the levels that may be the first depend on it.
    output, lowest = PA_BITS[model], {12: 0 if PA_BITS[model] > 42 else 1, 14: 1 if PA_BITS[model] > 40 else 2,
                                      16: 1 if PA_BITS[model] > 42 else 2}
    while True:
        grain, bits, _, _ = pick(model, True)
        if bits < 32 or ipa >> bits:
            continue
        # A start level below the natural one, if at most 16 tables are concatenated.
        start, low, high = levels(bits, grain)[0]
        if start < 2 and high - low <= 4 and chance(0.6):
            start += 1
        if start >= lowest[grain] and (grain != 12 or start < 3):
            break
    code = PS[output]
    sl0 = 2 - start if grain == 12 else 3 - start
    w = Walk(model, grain, bits, output, start, True)
    root, _ = w.build(tables, ipa, to, stage2_attributes(model))
    here = root  # RAM: 1 GiB, or the 2 MiB, 32 MiB, 512 MiB around what is used
    for level, low, high in w.levels:
        entry = here + 8 * (ROOM >> low & (1 << (high - low)) - 1)
        if level == 1 and grain == 12 or level == 2:
            size = 1 << low
            for i in range(8):
                address = (0x40000000 & -size) + i * size
                if address < 0x41000000 and entry_of(here, address, low, high) not in tables.words:
                    tables.words[entry_of(here, address, low, high)] = address | 0x7FD
            break
        if entry not in tables.words:
            tables.words[entry] = table(tables.new(1 << grain))
        elif tables.words[entry] & 3 != 3:
            return None  # IPA has a block or nothing here
        here = tables.words[entry] & 0xFFFFFFFFF000 & -(1 << grain)
        if here >= 1 << 40:
            return None
    before.sys["vtcr_el2"] = RW | 64 - bits | sl0 << 6 | 0x3500 | TG0[grain] << 14 | code << 16 \
        | (random.choice([0, 1, 3]) << 21 if model == "max" else 0)
    before.sys["vttbr_el2"] = root
    return root


def entry_of(here, address, low, high):
    return here + 8 * (address >> low & (1 << (high - low)) - 1)


MODELS = ("cortex-a53", "cortex-a57", "cortex-a72", "max", "max", "max")
AT1 = ["s1e1r", "s1e1w", "s1e0r", "s1e0w"]


def at_text(names):
    return "\n".join(f"at {name}, x2\nisb\nmrs x{3 + i}, par_el1" for i, name in enumerate(names))


def translate_el1(m):
    for _ in range(500):
        model = random.choice(MODELS)
        before = state(0x3CD)
        address = stage1_el1(model, before, Tables(before.words), target(before))
        before.pc = CODE
        before.sys.pop("vbar_el1", None)
        before.x[2] = address
        if chance(0.15):  # EE: big-endian tables
            before.sys["sctlr_el1"] |= 1 << 25
            before.words = {at: int.from_bytes(word.to_bytes(8, "little"), "big") for at, word in before.words.items()}
        m.add("at-stage1", model, at_text(AT1), before)
    for _ in range(60):
        before = state(random.choice([0x3C9, 0x4003C9]))
        address = stage1_el1("max", before, Tables(before.words), target(before))
        before.pc = CODE
        before.sys.pop("vbar_el1", None)
        before.x[2] = address
        m.add("at-pan", "max", at_text(["s1e1rp", "s1e1wp"]), before)


def translate_el2(m):
    for _ in range(250):
        model = random.choice(MODELS)
        before = state(0x3CD)
        tables = Tables(before.words)
        grain, bits, output, code = pick(model)
        address = lower_address(bits)
        root, address = Walk(model, grain, bits, output).build(tables, address, target(before), stage1_attributes(model))
        if chance(0.15):
            address ^= random.choice([1 << 63, 0x5A << 56, 1 << min(bits, 54)])
        before.sys["tcr_el2"] = 0x80803500 | 64 - bits | TG0[grain] << 14 | code << 16 | (1 << 20 if chance(0.3) else 0) \
            | (random.choice([0, 1, 3]) << 21 | random.choice([0, 1]) << 24 if model == "max" else 0)
        before.sys["ttbr0_el2"] = root
        before.sys["sctlr_el2"] = 0x30C50831 | (1 << 19 if chance(0.15) else 0)
        before.x[2] = address
        m.add("at-el2", model, at_text(["s1e2r", "s1e2w"]), before)


def access_el1(m):
    texts = ["ldr x1, [x2]", "str x1, [x2]", "ldrb w1, [x2]", "br x2", "str x1, [x2]\nldr x3, [x2]", "ldtr x1, [x2]", "sttr x1, [x2]"]
    for _ in range(900):
        model = random.choice(MODELS)
        before = state(random.choice([0x3C0, 0x3C5, 0x3C5, 0x4003C5 if model == "max" else 0x3C5]))
        address = stage1_el1(model, before, Tables(before.words), target(before))
        text = random.choice(texts)
        if model == "max" and text == "br x2":
            text = "str x1, [x2]"  # QEMU's keeps BTYPE
        before.x[2] = address
        m.add("stage1", model, text, before)


def two_stages(m):
    count = 0
    while count < 700:
        model = random.choice(MODELS)
        before = state(random.choice([0x3C0, 0x3C5, 0x3C5]))
        tables = Tables(before.words)
        to = target(before)
        ipa = random.choice([0x80000000, 0xC0000000, 0x140000000, 0x840000000]) | to & 0x3FFFFFFF
        before.sys["hcr_el2"] = RW | 1
        try:
            if chance(0.35):  # stage 1 off
                address = ipa
                if chance(0.1):
                    address |= 1 << random.choice([32, 36, 40, 44, 47])
                before.pc = CODE
            else:
                address = stage1_el1(model, before, tables, ipa)
                if chance(0.1):  # a walk through what stage 2 may refuse
                    before.sys["ttbr0_el1" if "vbar_el1" in before.sys else "ttbr1_el1"] += 0x40000000
            if stage2(model, before, tables, ipa, to) is None:
                continue
        except MemoryError:
            continue
        if chance(0.1):
            before.sys["hcr_el2"] |= random.choice([1 << 2, 1 << 12])  # PTW; DC, which turns stage 1 off
            if before.sys["hcr_el2"] >> 12 & 1:
                before.pc = CODE
                before.sys.pop("vbar_el1", None)
        before.x[2] = address
        if chance(0.3):
            before.pstate, before.pc = 0x3CD, CODE
            before.sys.pop("vbar_el1", None)
            m.add("at-stages", model, at_text(["s12e1r", "s12e1w", "s12e0r", "s12e0w"]), before)
        else:
            texts = ["ldr x1, [x2]", "str x1, [x2]", "ldrsb x7, [x2]", "strh w9, [x2]", "ldp x1, x3, [x2]", "ldr w4, [x2, x8]",
                     "stlr w3, [x2]", "ldar x30, [x2]", "ldrsw x11, [x2]", "ldr x1, [x2], #8", "ldr q1, [x2]", "sttr w3, [x2]"]
            text = random.choice(texts + (["br x2"] * 3 if model != "max" else []))
            before.x[8] = 0
            m.add("stages", model, text, before)
        count += 1


def make():
    random.seed(SEED)
    m = Maker()
    for part in (translate_el1, translate_el2, access_el1, two_stages):
        part(m)
    return m.made
