"""Finds instruction words that two rows claim."""

import expr

MAX_FREE_BITS = 18  # bits of unless clauses that are tried in every combination


def spread(bits, mask):
    """Puts the low bits of BITS where MASK has ones."""
    word, at = 0, 0
    while mask:
        low = mask & -mask
        if bits >> at & 1:
            word |= low
        at += 1
        mask ^= low
    return word


def witness(a, b):
    """A word that both rows claim, or None."""
    if (a.value ^ b.value) & a.mask & b.mask:
        return None
    fixed = a.mask | b.mask
    free = (a.unless_mask() | b.unless_mask()) & ~fixed
    count = bin(free).count("1")
    if count > MAX_FREE_BITS:
        raise expr.Error(
            f"lines {a.line} and {b.line}: too many bits in unless clauses to compare the rows"
        )
    for bits in range(1 << count):
        word = a.value | b.value | spread(bits, free)
        if a.matches(word) and b.matches(word):
            return word
    return None


def check(file):
    """The faults of FILE: overlaps that nobody intended, `over` without anything below."""
    faults = []
    for i, a in enumerate(file.rows):
        below = False
        for j, b in enumerate(file.rows):
            if (a.value ^ b.value) & a.mask & b.mask or i == j:
                continue
            if a.over and a.mask & b.mask == b.mask and a.mask != b.mask:
                below = True  # more specific: it wins
                continue
            if b.over and a.mask & b.mask == a.mask and a.mask != b.mask:
                continue
            if j < i:
                continue
            word = witness(a, b)
            if word is not None:
                faults.append(
                    f"{file.path}:{b.line}: {b.function} and {a.function} (line {a.line})"
                    f" both claim {word:#0{file.width // 4 + 2}x}"
                )
        if a.over and not below:
            faults.append(f"{file.path}:{a.line}: {a.function} is marked over, but covers no row")
        if not any(live(a)):
            faults.append(f"{file.path}:{a.line}: {a.function}: its unless clause leaves nothing")
    return faults


def live(row):
    """Yields True once if the row claims some word."""
    free = row.unless_mask()
    for bits in range(1 << bin(free).count("1")):
        if row.matches(row.value | spread(bits, free)):
            yield True
            return
