"""Reads core/ir/ops.def, the table of the IR's operations; its head says what a row is.

An error in the table is an OpsError with the text "file:line: what".
"""

import itertools
import re

TYPES = ["void", "i1", "i8", "i16", "i32", "i64", "i128", "f16", "f32", "f64", "f80",
         "v64", "v128", "v256", "v512", "fl"]
BITS = {"i1": 1, "i8": 8, "i16": 16, "i32": 32, "i64": 64, "i128": 128, "f16": 16, "f32": 32,
        "f64": 64, "f80": 80, "v64": 64, "v128": 128, "fl": 32}

INTS = ["i8", "i16", "i32", "i64"]
FLOATS = ["f16", "f32", "f64"]
VECTORS = ["v64", "v128"]
ANY = ["i1"] + INTS + ["i128"] + FLOATS + ["f80"] + VECTORS + ["fl"]
VARIABLES = {
    "I": INTS, "J": ["i1"] + INTS, "P": ["i32", "i64"], "C": INTS + ["i128"],
    "F": FLOATS + ["f80"], "G": FLOATS + ["f80"], "H": FLOATS, "X": INTS + FLOATS, "V": VECTORS,
    "L": INTS + ["i128"] + FLOATS + VECTORS, "A": ANY, "B": ANY,
}

PROPERTIES = ["pure", "commutes", "fault", "load", "store", "exit", "fp", "state", "effect",
              "pairs", "manual"]
ATTRIBUTE_BITS = {"mem": 32, "es": 2, "cc": 4, "slot": 16, "helper": 16, "rm": 4, "env": 2,
                  "neg": 3, "sub": 4}
RANGE_WORDS = {"W", "lane", "lanes"}

ROW = re.compile(r"""(?P<name>[a-z0-9.]+)\s+
    (?P<results>[A-Za-z0-9!\s]*?)\s*=\s*(?P<words>[A-Za-z0-9*\s]*?)\s*
    (?:\{(?P<attributes>[^}]*)\}\s*(?P<properties>[a-z\s]+?)\s*)?
    "(?P<sentence>[^"]*)"\s*
    (?::\s*(?P<meaning>.*?))?$""", re.X)
ATTRIBUTE = re.compile(r"([a-z]+):(\d+)(?:=(\S+))?$")


class OpsError(Exception):
    pass


class Attribute:
    """name; bits; ranges: list of (low, high) expressions; where it is packed: word, shift."""

    def __init__(self, name, bits, ranges):
        self.name, self.bits, self.ranges = name, bits, ranges
        self.word, self.shift = "attr", 0


class Op:
    """One row. results and operands are lists of types and variables, without the `!`."""

    def __init__(self, name, line, section):
        self.name, self.line, self.section = name, line, section
        self.results, self.operands, self.attributes = [], [], []
        self.properties = set()
        self.sentence, self.meaning, self.wide_meaning = "", None, None
        self.typed = False      # the result type is a parameter of the builder
        self.any_operands = False

    @property
    def symbol(self):
        return "IR_OP_" + self.name.upper().replace(".", "_")

    @property
    def function(self):
        return "ir_" + self.name.replace(".", "_")

    def variables(self):
        """The variables of the row, in order of appearance, results first."""
        seen = []
        for word in self.results + self.operands:
            if word in VARIABLES and word not in seen:
                seen.append(word)
        return seen

    def width_place(self):
        """Whose bits are W: ("result", 0) or ("operand", n), None if no type is a variable."""
        if self.results and self.results[0] in VARIABLES:
            return "result", 0
        for n, word in enumerate(self.operands):
            if word in VARIABLES:
                return "operand", n
        return None

    def vector_place(self):
        """Whose lanes are `lanes`: the first vector operand, else the result."""
        def is_vector(word):
            return word == "V" or word in VECTORS
        for n, word in enumerate(self.operands):
            if is_vector(word):
                return "operand", n
        if self.results and is_vector(self.results[0]):
            return "result", 0
        return None

    def bindings(self):
        """Every assignment of types to variables."""
        out = [{}]
        for variable in self.variables():
            out = [dict(b, **{variable: t}) for b in out for t in VARIABLES[variable]]
        return out


def parse_ranges(text, fail):
    ranges = []
    for part in text.split("|"):
        low, dots, high = part.partition("..")
        high = high if dots else low
        for expression in (low, high):
            if not re.fullmatch(r"[A-Za-z0-9+\-*/]+", expression):
                fail(f"'{part}' is no range")
        ranges.append((low, high))
    return ranges


def parse_attributes(op, text, fail):
    used = {"attr": 0, "aux": 0}
    for word in text.split():
        match = ATTRIBUTE.match(word)
        if not match:
            fail(f"'{word}' is no attribute: name:bits or name:bits=range")
        name, bits = match.group(1), int(match.group(2))
        if bits != ATTRIBUTE_BITS.get(name, bits) or not 1 <= bits <= 32:
            fail(f"attribute {name} has {ATTRIBUTE_BITS.get(name, '1 to 32')} bits")
        if any(a.name == name for a in op.attributes):
            fail(f"attribute {name} stands there twice")
        attribute = Attribute(name, bits, parse_ranges(match.group(3), fail) if match.group(3) else [])
        known = RANGE_WORDS | {a.name for a in op.attributes}
        for low, high in attribute.ranges:
            for name in re.findall(r"[A-Za-z]+", low + " " + high):
                if name not in known:
                    fail(f"'{name}' in the range of {attribute.name} is unknown")
        word = "attr" if used["attr"] + bits <= 32 else "aux"
        if used[word] + bits > 32:
            fail("the attributes do not fit in two words")
        attribute.word, attribute.shift = word, used[word]
        used[word] += bits
        op.attributes.append(attribute)


def parse_types(op, results, operands, fail):
    for word in results:
        if word.endswith("!"):
            if op.results:
                fail("only the first result's type can be chosen")
            op.typed = True
            word = word[:-1]
        op.results.append(word)
    op.operands = operands
    if op.operands == ["*"]:
        op.operands, op.any_operands = [], True
    for word in op.results + op.operands:
        if word not in VARIABLES and word not in BITS:
            fail(f"'{word}' is no type")
    if len(op.results) > 2 or len(op.operands) > 4:
        fail("at most two results and four operands")
    if len(op.results) == 2 and op.results[1] in VARIABLES:
        fail("the second result's type cannot be a variable")
    if op.results and op.results[0] in VARIABLES and not op.typed \
            and op.results[0] not in op.operands:
        fail(f"result type {op.results[0]} cannot be inferred; mark it {op.results[0]}!")
    if op.typed and op.results[0] in op.operands:
        fail("the type that is chosen is an operand's too; use another variable")


def check_meaning(op, fail):
    if "pure" in op.properties or "fp" in op.properties:
        if not op.meaning:
            fail(f"{op.name} is pure or fp and has no meaning")
    elif op.meaning:
        fail(f"{op.name} has a meaning and is neither pure nor fp")
    for text in filter(None, (op.meaning, op.wide_meaning)):
        if text.count("(") != text.count(")"):
            fail("the meaning's parentheses do not match")
        for n, letter in enumerate("abcd"):
            if n >= len(op.operands) and re.search(rf"\b{letter}\b", text):
                fail(f"the meaning uses {letter}, which is no operand")
        if len(op.results) == 2 and not re.search(r"\b(fl|sat)\b", text):
            fail("the meaning does not set the second result")
        if re.search(r"\bes\b", text) and not any(a.name == "es" for a in op.attributes):
            fail("the meaning uses es, which is no attribute")


def parse_row(path, number, line, section):
    def fail(what):
        raise OpsError(f"{path}:{number}: {what}")

    match = ROW.match(line)
    if not match:
        fail("a row is: name results = operands { attributes } properties \"sentence\" : meaning")
    op = Op(match.group("name"), number, section)
    words = match.group("words").split()
    operands = list(itertools.takewhile(lambda word: word not in PROPERTIES, words))
    parse_types(op, match.group("results").split(), operands, fail)
    parse_attributes(op, match.group("attributes") or "", fail)
    op.properties = set(words[len(operands):] + (match.group("properties") or "").split())
    for word in sorted(op.properties):
        if word not in PROPERTIES:
            fail(f"'{word}' is no property; there are: {' '.join(PROPERTIES)}")
    if len(op.properties & {"pure", "fault", "exit", "fp", "state", "effect"}) != 1:
        fail("exactly one of pure, fault, exit, fp, state and effect must stand there")
    op.sentence = match.group("sentence")
    if match.group("meaning"):
        meaning, _, wide = match.group("meaning").partition("::")
        op.meaning, op.wide_meaning = meaning.strip(), wide.strip() or None
    check_meaning(op, fail)
    return op


def read(path):
    """The rows of the table, in order."""
    ops, names, section = [], {}, ""
    with open(path, encoding="utf-8") as file:
        lines = file.read().splitlines()
    for number, line in enumerate(lines, 1):
        line = line.strip()
        if not line or line.startswith("#"):
            continue
        match = re.fullmatch(r'section "([^"]*)"', line)
        if match:
            section = match.group(1)
            continue
        op = parse_row(path, number, line, section)
        if op.name in names:
            raise OpsError(f"{path}:{number}: {op.name} stands in line {names[op.name]} already")
        names[op.name] = number
        ops.append(op)
    if not ops:
        raise OpsError(f"{path}:1: no operations")
    return ops
