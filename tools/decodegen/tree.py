"""Decides which bits of the instruction word to look at, and in which order.

A node is either a leaf, the rows to try one after another, or a switch over a window of adjacent
bits. Windows are chosen greedily: the one that leaves the fewest rows to try for an average word.
"""

from rows import priority

MAX_WINDOW = 9
MIN_ROWS = 2  # so many rows or fewer are simply tried


class Leaf:
    def __init__(self, rows, known):
        self.rows, self.known = rows, known  # KNOWN: bits that the path has tested


class Switch:
    def __init__(self, low, width, cases):
        self.low, self.width, self.cases = low, width, cases  # CASES: [(values, node)]


def bucket(rows, low, width):
    """For each value of the window, the rows it leaves possible."""
    ones = (1 << width) - 1
    found = []
    for value in range(1 << width):
        found.append(
            tuple(r for r in rows if ((r.value >> low ^ value) & (r.mask >> low & ones)) == 0)
        )
    return found


def choose(rows, known, width):
    """The best window (low, width), or None if none tells the rows apart."""
    best, best_cost = None, len(rows)
    for size in range(1, MAX_WINDOW + 1):
        ones = (1 << size) - 1
        for low in range(width - size + 1):
            window = ones << low
            useful = [r for r in rows if r.mask & ~known & window]
            if known & window or not useful:
                continue
            # The sum over values of the rows left is a product per row: no need to list them.
            left = sum(
                2 ** -bin(row.mask & window).count("1") for row in rows
            )
            cost = left + 0.15 * size
            if cost < best_cost:
                best, best_cost = (low, size), cost
    return best


def build(rows, width, known=0):
    """The decision tree of ROWS."""
    rows = sorted(rows, key=priority)
    window = choose(rows, known, width) if len(rows) > MIN_ROWS else None
    if not window:
        return Leaf(rows, known)
    low, size = window
    groups = {}
    for value, left in enumerate(bucket(rows, low, size)):
        if left:
            groups.setdefault(left, []).append(value)
    mask = ((1 << size) - 1) << low
    return Switch(low, size, [(v, build(left, width, known | mask)) for left, v in groups.items()])


def depth(node):
    """(switches on the longest path, rows in the fullest leaf)."""
    if isinstance(node, Leaf):
        return 0, len(node.rows)
    below = [depth(child) for _, child in node.cases]
    return 1 + max(d for d, _ in below), max(n for _, n in below)
