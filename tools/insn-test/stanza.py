"""Reads and writes the stanzas of tests/insn; README.md there describes them."""

import re

import cases

LINE = re.compile(r"  (code|needs|before|after):\s*(.*)$")
CODE = re.compile(r".*= ([0-9a-f]{8})$")


class Case:
    def __init__(self, name):
        self.name, self.code, self.needs = name, [], None
        self.before = cases.State()
        self.after = None


def mapping(old, new):
    """What is different in the state NEW, as text."""
    found = [f"x{i}: {new.x[i]:#x}" for i in range(31) if new.x[i] != old.x[i]]
    if new.sp != old.sp:
        found.append(f"sp: {new.sp:#x}")
    found += [f"v{i}: {new.v[i]:#x}" for i in range(32) if new.v[i] != old.v[i]]
    if new.nzcv != old.nzcv:
        found.append(f"nzcv: 0b{new.nzcv >> 28:04b}")
    for name in ("fpcr", "fpsr", "pc"):
        if getattr(new, name) != getattr(old, name):
            found.append(f"{name}: {getattr(new, name):#x}")
    found += [f"@{address:#x}: {data.hex()}" for address, data in sorted(new.stores.items())]
    return "{ " + ", ".join(found) + " }" if found else "{}"


def apply(text, state):
    """Sets in STATE what the mapping TEXT says."""
    inner = text.strip()[1:-1].strip()
    for part in inner.split(", ") if inner else []:
        key, value = part.split(": ")
        if key[0] == "@":
            state.stores[int(key[1:], 0)] = bytes.fromhex(value)
        elif key == "nzcv":
            state.nzcv = int(value, 2) << 28
        elif key[0] in "xv" and key[1:].isdigit():
            getattr(state, key[0])[int(key[1:])] = int(value, 0)
        else:
            setattr(state, key, int(value, 0))


def expected_pc(code):
    return cases.CODE + 4 * len(code)


def write(row, number, code, before, after):
    """The stanza of a case; CODE is a list of (text, word)."""
    reference = copy(before)
    reference.pc = expected_pc(code)
    lines = [f"\ncase: {row.id} #{number}"]
    lines += [f"  code:   {text} = {word:08x}" for text, word in code]
    if row.feature:
        lines.append(f"  needs:  {row.feature}")
    lines.append(f"  before: {mapping(cases.State(), before)}")
    lines.append(f"  after:  {mapping(reference, after)}")
    return "\n".join(lines) + "\n"


def copy(state):
    made = cases.State()
    made.__dict__.update(state.__dict__)
    made.x, made.v, made.stores = list(state.x), list(state.v), dict(state.stores)
    return made


def read(lines):
    """The cases in the text LINES."""
    found = []
    for line in lines:
        if line.startswith("case: "):
            found.append(Case(line[6:].strip()))
            continue
        match = LINE.match(line.rstrip("\n"))
        if not match:
            continue
        case, (key, text) = found[-1], match.groups()
        if key == "code":
            case.code.append(int(CODE.match(text).group(1), 16))
        elif key == "needs":
            case.needs = text
        elif key == "before":
            apply(text, case.before)
        else:
            case.after = copy(case.before)
            case.after.pc = expected_pc(case.code)
            apply(text, case.after)
    return found


def differences(a, b):
    """Whether two states differ."""
    return a.__dict__ != b.__dict__
