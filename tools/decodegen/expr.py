"""Expressions of .decode rows: read once, then evaluated (tests, overlap check) or written as C.

Values are 64-bit signed integers. From loosest to tightest:
or, and, not, comparison (== != < <= > >= in, not in), |, ^, &, << >>, + -, *, unary -.
Functions: lowbit(x) and highbit(x) are the number of the lowest and highest set bit of x, or 0 if x
is 0; select(c, a, b) is a if c is not 0, else b.
"""

import re

TOKEN = re.compile(r"\s*(0x[0-9a-fA-F]+|0b[01]+|\d+|[A-Za-z_]\w*|==|!=|<=|>=|<<|>>|[-+*&|^<>=(),])")

LEVELS = [("|",), ("^",), ("&",), ("<<", ">>"), ("+", "-"), ("*",)]
COMPARE = ("==", "!=", "<", "<=", ">", ">=")
FUNCTIONS = {"lowbit": 1, "highbit": 1, "select": 3}


class Error(Exception):
    """What is wrong with an expression; the reader of the file adds where."""


def tokens(text):
    """The words of TEXT; an error for a character that starts none."""
    words, at = [], 0
    text = text.rstrip()
    while at < len(text):
        match = TOKEN.match(text, at)
        if not match:
            raise Error(f"'{text[at:].strip()[0]}' starts no word of an expression")
        words.append(match.group(1))
        at = match.end()
    return words


class Parser:
    """A cursor over words; each method reads one level of precedence and returns a tuple tree."""

    def __init__(self, words):
        self.words, self.at = words, 0

    def peek(self, ahead=0):
        at = self.at + ahead
        return self.words[at] if at < len(self.words) else None

    def take(self, expected=None):
        word = self.peek()
        if word is None or (expected and word != expected):
            raise Error(f"expected {expected or 'a value'}, found {word or 'the end of the row'}")
        self.at += 1
        return word

    def expression(self):
        tree = self.conjunction()
        while self.peek() == "or":
            self.take()
            tree = ("or", tree, self.conjunction())
        return tree

    def conjunction(self):
        tree = self.negation()
        while self.peek() == "and":
            self.take()
            tree = ("and", tree, self.negation())
        return tree

    def negation(self):
        if self.peek() == "not":
            self.take()
            return ("not", self.negation())
        return self.comparison()

    def comparison(self):
        tree = self.binary(0)
        if self.peek() in COMPARE:
            return (self.take(), tree, self.binary(0))
        if self.peek() == "in":
            self.take()
            return ("in", tree, self.members())
        if self.peek() == "not" and self.peek(1) == "in":
            self.at += 2
            return ("not", ("in", tree, self.members()))
        return tree

    def members(self):
        self.take("(")
        found = [self.expression()]
        while self.peek() == ",":
            self.take()
            found.append(self.expression())
        self.take(")")
        return tuple(found)

    def binary(self, level):
        if level == len(LEVELS):
            return self.unary()
        tree = self.binary(level + 1)
        while self.peek() in LEVELS[level]:
            tree = (self.take(), tree, self.binary(level + 1))
        return tree

    def unary(self):
        if self.peek() == "-":
            self.take()
            return ("neg", self.unary())
        if self.peek() == "(":
            self.take()
            tree = self.expression()
            self.take(")")
            return tree
        word = self.take()
        if word[0].isdigit():
            return ("number", int(word, 0))
        if word in FUNCTIONS:
            arguments = self.members()
            if len(arguments) != FUNCTIONS[word]:
                raise Error(f"{word} takes {FUNCTIONS[word]} values, not {len(arguments)}")
            return (word, *arguments)
        if not (word[0].isalpha() or word[0] == "_") or word in ("and", "or", "not", "in"):
            raise Error(f"expected a value, found {word}")
        return ("field", word)


def names(tree):
    """The set of field names that TREE reads."""
    if tree[0] == "field":
        return {tree[1]}
    if tree[0] == "number":
        return set()
    found = set()
    for part in tree[1:]:
        for sub in part if isinstance(part[0], tuple) else (part,):
            found |= names(sub)
    return found


def evaluate(tree, fields):
    """The value of TREE for the dictionary FIELDS."""
    op = tree[0]
    if op == "number":
        return tree[1]
    if op == "field":
        return fields[tree[1]]
    if op == "and":
        return int(bool(evaluate(tree[1], fields)) and bool(evaluate(tree[2], fields)))
    if op == "or":
        return int(bool(evaluate(tree[1], fields)) or bool(evaluate(tree[2], fields)))
    if op == "in":
        value = evaluate(tree[1], fields)
        return int(any(value == evaluate(member, fields) for member in tree[2]))
    values = [evaluate(part, fields) for part in tree[1:]]
    return int(OPERATIONS[op](*values))


OPERATIONS = {
    "not": lambda a: not a,
    "neg": lambda a: -a,
    "==": lambda a, b: a == b,
    "!=": lambda a, b: a != b,
    "<": lambda a, b: a < b,
    "<=": lambda a, b: a <= b,
    ">": lambda a, b: a > b,
    ">=": lambda a, b: a >= b,
    "|": lambda a, b: a | b,
    "^": lambda a, b: a ^ b,
    "&": lambda a, b: a & b,
    "<<": lambda a, b: a << b,
    ">>": lambda a, b: a >> b,
    "+": lambda a, b: a + b,
    "-": lambda a, b: a - b,
    "*": lambda a, b: a * b,
    "lowbit": lambda a: (a & -a).bit_length() - 1 if a else 0,
    "highbit": lambda a: a.bit_length() - 1 if a > 0 else 0,
    "select": lambda c, a, b: a if c else b,
}


def to_c(tree, field):
    """TREE as C. FIELD turns a field's name into the C expression of its value, an int64_t."""
    op = tree[0]
    if op == "number":
        return str(tree[1]) if abs(tree[1]) < 1 << 31 else f"INT64_C({tree[1]})"
    if op == "field":
        return field(tree[1])
    if op == "in":
        value = to_c(tree[1], field)
        return "(" + " || ".join(f"{value} == {to_c(m, field)}" for m in tree[2]) + ")"
    parts = [to_c(part, field) for part in tree[1:]]
    if op in ("lowbit", "highbit"):
        return f"decode_{op}({parts[0]})"
    if op == "select":
        return f"({parts[0]} ? {parts[1]} : {parts[2]})"
    if op == "neg":
        return f"-({parts[0]})"
    if op == "not":
        return f"!({parts[0]})"
    if op == "<<":  # a negative left operand is undefined in C
        return f"({parts[0]} * (INT64_C(1) << {parts[1]}))"
    return f"({parts[0]} {({'and': '&&', 'or': '||'}).get(op, op)} {parts[1]})"
