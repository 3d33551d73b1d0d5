"""Reads a .decode file. README.md beside this file is the reference of the language."""

import re

import expr

DIRECTIVES = ("name", "width", "context", "status", "include", "feature", "define")
KEYWORDS = ("unless", "needs", "missing", "over")

BITS = re.compile(r"[01.]+$")
PAD = re.compile(r"\.:(\d+)$")
FIELD = re.compile(r"([A-Za-z_]\w*)(?:\[(\d+)(?::(\d+))?\])?(?::(s)?(\d+)?)?(?:\*(\d+))?$")
TAIL = re.compile(r"(?<![\w.:])(?:(?:unless|needs|missing|over)\b|[A-Za-z_]\w*\s*=(?!=))|,")


class DecodeError(Exception):
    """A fault of the file, as file:line: what."""


class Field:
    """A named bit field: pieces of the instruction word, most significant first."""

    def __init__(self, name):
        self.name = name
        self.pieces = []  # (low bit in the word, width, low bit in the value)
        self.signed = False
        self.scale = 1

    @property
    def width(self):
        return max(low + width for _, width, low in self.pieces)

    @property
    def mask(self):
        mask = 0
        for at, width, _ in self.pieces:
            mask |= ((1 << width) - 1) << at
        return mask

    @property
    def hidden(self):
        """Whether the field only serves expressions of its row."""
        return self.name.startswith("_")

    def extract(self, word):
        """The value of the field in the instruction WORD."""
        value = 0
        for at, width, low in self.pieces:
            value |= (word >> at & ((1 << width) - 1)) << low
        if self.signed and value >> (self.width - 1):
            value -= 1 << self.width
        return value * self.scale

    def insert(self, word, raw):
        """WORD with the bits of the field set to RAW, an unscaled value."""
        for at, width, low in self.pieces:
            ones = (1 << width) - 1
            word = word & ~(ones << at) | (raw >> low & ones) << at
        return word


class Row:
    """One encoding."""

    def __init__(self, function, line):
        self.function, self.line = function, line
        self.id = function  # made unique by File
        self.title = self.section = ""
        self.mask = self.value = self.width = 0
        self.fields = {}  # name: Field, in the order of the text
        self.sets = []  # (name, expression tree), in the order of the text
        self.unless = None  # expression tree
        self.unless_text = ""
        self.feature = None
        self.missing = self.over = False

    def matches_bits(self, word):
        return word & self.mask == self.value

    def values(self, word):
        """Every field and computed value of WORD, hidden ones too."""
        found = {name: field.extract(word) for name, field in self.fields.items()}
        for name, tree in self.sets:
            found[name] = expr.evaluate(tree, found)
        return found

    def matches(self, word):
        """Whether WORD is this row's, features aside."""
        if not self.matches_bits(word):
            return False
        return not (self.unless and expr.evaluate(self.unless, self.values(word)))

    def members(self):
        """Names of the argument struct's members."""
        names = [n for n, f in self.fields.items() if not f.hidden]
        return names + [n for n, _ in self.sets if not n.startswith("_")]

    def signed(self, name):
        """Whether the value NAME can be negative."""
        if name in self.fields:
            return self.fields[name].signed
        tree = dict(self.sets)[name]
        return any(self.signed(n) for n in expr.names(tree) if n != name)

    def unless_mask(self):
        """The bits of the word that the unless clause looks at."""
        wanted, mask = set(), 0
        todo = list(expr.names(self.unless)) if self.unless else []
        sets = dict(self.sets)
        while todo:
            name = todo.pop()
            if name in wanted:
                continue
            wanted.add(name)
            if name in self.fields:
                mask |= self.fields[name].mask
            else:
                todo += expr.names(sets[name])
        return mask


class File:
    """What a .decode file says."""

    def __init__(self, path):
        self.path = path
        self.name = self.context = self.status = ""
        self.width = 32
        self.includes, self.features, self.defines, self.rows = [], [], {}, []
        self.section, self.comment, self.line = "", [], 0
        with open(path, encoding="utf-8") as source:
            self.read(source.read().split("\n"))
        self.finish()

    def fail(self, what, line=None):
        raise DecodeError(f"{self.path}:{line or self.line}: {what}")

    def read(self, lines):
        at = 0
        while at < len(lines):
            self.line, text = at + 1, lines[at]
            at += 1
            if text[:1] not in ("", "#", "%") and not text[0].isspace():
                while at < len(lines) and lines[at][:1].isspace() and lines[at].strip():
                    text += " " + lines[at].strip()
                    at += 1
            try:
                self.read_line(text)
            except expr.Error as error:
                self.fail(str(error))

    def read_line(self, text):
        if text.startswith("##"):
            self.section = text[2:].strip()
        elif text.startswith("#"):
            self.comment.append(text[1:].strip())
            return
        elif text.startswith("%"):
            self.directive(text[1:].split(None, 1))
            return
        elif text.strip():
            if text[0].isspace():
                self.fail("a line that starts with a blank continues a row, but there is none above")
            if self.comment:
                self.title = self.comment[0]
            self.row(text.split("#")[0])
        self.comment = []

    def directive(self, words):
        key, value = words[0], words[1].strip() if len(words) > 1 else ""
        if key not in DIRECTIVES:
            self.fail(f"unknown directive %{key}; there are: {', '.join(DIRECTIVES)}")
        if not value:
            self.fail(f"%{key} needs a value")
        if key == "width":
            if not value.isdigit() or int(value) not in (8, 16, 32):
                self.fail("the width is 8, 16 or 32")
            self.width = int(value)
        elif key == "include":
            self.includes.append(value)
        elif key == "feature":
            name, _, doc = value.partition(" ")
            if name in (feature for feature, _ in self.features):
                self.fail(f"feature {name} is declared twice")
            self.features.append((name, doc.strip()))
        elif key == "define":
            name, _, body = value.partition(" ")
            self.defines[name] = self.expand(body.strip())
        else:
            setattr(self, key, value)

    def expand(self, text):
        def body(match):
            if match.group(1) not in self.defines:
                self.fail(f"@{match.group(1)} is not defined")
            return self.defines[match.group(1)]

        return re.sub(r"@(\w+)", body, text)

    def row(self, text):
        function, _, rest = self.expand(text).strip().partition(" ")
        if not re.match(r"[a-z]\w*$", function):
            self.fail(f"a row starts with the name of a function, not '{function}'")
        row = Row(function, self.line)
        row.title, row.section = self.title_of(function), self.section
        tail = TAIL.search(rest)
        picture, rest = (rest[: tail.start()], rest[tail.start():]) if tail else (rest, "")
        self.picture(row, picture.split())
        self.clauses(row, rest)
        self.rows.append(row)

    def title_of(self, function):
        title = getattr(self, "title", "")
        if not title:
            self.fail(f"{function} has no title: say in a comment above which instructions it is")
        return title

    def picture(self, row, words):
        at = self.width
        for word in words:
            at -= self.word(row, word, at)
            if at < 0:
                self.fail(f"the row has more than {self.width} bits")
        if at:
            self.fail(f"the row has {self.width - at} bits, not {self.width}")
        row.width = self.width
        for field in row.fields.values():
            covered = sorted((low, width) for _, width, low in field.pieces)
            expected = 0
            for low, width in covered:
                if low != expected:
                    self.fail(f"the pieces of {field.name} do not fit together at bit {expected}")
                expected = low + width

    def word(self, row, word, at):
        """Takes one WORD of the picture, whose leftmost bit is AT - 1. Returns its width."""
        if BITS.match(word):
            for i, bit in enumerate(word):
                if bit != "." and at - 1 - i >= 0:
                    row.mask |= 1 << (at - 1 - i)
                    row.value |= int(bit) << (at - 1 - i)
            return len(word)
        pad = PAD.match(word)
        if pad:
            return int(pad.group(1))
        match = FIELD.match(word)
        if not match:
            self.fail(f"'{word}' is neither bits nor a field")
        name, high, low, sign, width, scale = match.groups()
        whole = high is None
        if whole:
            if name in row.fields:
                self.fail(f"{name} stands twice; number the bits of its pieces: {name}[4:3]")
            low, width = 0, int(width or 1)
        else:
            if width:
                self.fail(f"the width of {word} follows from the numbers of its bits")
            low = int(low if low is not None else high)
            width = int(high) - low + 1
        if width < 1:
            self.fail(f"{word} has no bits")
        field = row.fields.setdefault(name, Field(name))
        field.pieces.append((at - width, width, low))
        field.signed |= bool(sign)
        field.scale = int(scale or field.scale)
        return width

    def clauses(self, row, text):
        parser = expr.Parser(expr.tokens(text))
        while parser.peek():
            word = parser.take()
            if word == ",":
                continue
            if word == "missing":
                row.missing = True
            elif word == "over":
                row.over = True
            elif word == "needs":
                row.feature = parser.take()
                if row.feature not in (name for name, _ in self.features):
                    self.fail(f"feature {row.feature} is not declared by a %feature line")
            elif word == "unless":
                start = parser.at
                tree = parser.expression()
                self.check_names(row, tree)
                row.unless_text = " ".join(parser.words[start : parser.at])
                row.unless = ("or", row.unless, tree) if row.unless else tree
            elif parser.peek() == "=":
                parser.take()
                tree = parser.expression()
                self.check_names(row, tree)
                if word in row.fields or word in dict(row.sets):
                    self.fail(f"{word} has a value already")
                row.sets.append((word, tree))
            else:
                self.fail(f"expected name=value or one of {', '.join(KEYWORDS)}, found '{word}'")

    def check_names(self, row, tree):
        for name in sorted(expr.names(tree)):
            if name not in row.fields and name not in dict(row.sets):
                self.fail(f"{row.function} has no field {name} at this point")

    def finish(self):
        for key in ("name", "context", "status"):
            if not getattr(self, key):
                self.fail(f"the file has no %{key} line")
        if not self.rows:
            self.fail("the file has no rows")
        by_function = {}
        for row in self.rows:
            by_function.setdefault(row.function, []).append(row)
        for rows in by_function.values():
            for number, row in enumerate(rows[1:], 2):
                row.id = f"{row.function}.{number}"
            self.check_members(rows)
        self.by_priority = sorted(self.rows, key=priority)

    def check_members(self, rows):
        rows = [row for row in rows if not row.missing]
        for row in rows[1:]:
            odd = set(row.members()) ^ set(rows[0].members())
            if odd:
                self.fail(
                    f"{row.function} here and at line {rows[0].line} differ in: "
                    + ", ".join(sorted(odd)),
                    row.line,
                )

    def functions(self):
        """(name, rows) of each function that the translators must define, in order."""
        found = {}
        for row in self.rows:
            if not row.missing:
                found.setdefault(row.function, []).append(row)
        return list(found.items())

    def find(self, word, has_feature=lambda name: True):
        """The row that WORD belongs to, or None: what the generated decoder does, slowly."""
        for row in self.by_priority:
            if row.matches(word) and (not row.feature or has_feature(row.feature)):
                return row
        return None


def priority(row):
    """Sort key: rows that take over others' encodings first, the more specific before the less."""
    return (-bin(row.mask).count("1") if row.over else 0, row.line)
