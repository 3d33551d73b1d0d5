"""The interpreter's operations: one variant for every row and binding of its types.

A variant is either the body of a label in the interpreter's loop (integers and flags) or a function
(vectors, 128 bits, floating point). Variants are numbered; their names carry no more than the number.
"""

from builders import type_symbol
from opsdef import BITS, VARIABLES
from tables import HEAD, needed

TWO_CELLS = {"i128", "f80", "v128"}
VECTOR_LIKE = {"i128", "f80", "v64", "v128"}   # pb_u128 in a meaning
MASKS = {1: "& 1", 8: "& 0xff", 16: "& 0xffff", 32: "& 0xffffffff", 64: ""}


class Variant:
    """Operation and the types of its places; text of the body."""

    def __init__(self, op, binding):
        self.op, self.binding = op, binding

        def bound(words):
            return [binding.get(w, w) for w in words]
        self.results, self.operands = bound(op.results), bound(op.operands)

    def title(self):
        types = ", ".join(self.results) + (" = " if self.results else "") + ", ".join(self.operands)
        return f"{self.op.name}: {types}"

    @property
    def is_function(self):
        return "fp" in self.op.properties or any(
            t in VECTOR_LIKE for t in self.results + self.operands) and self.op.name not in COPIES


# Rows that only move values, of any type: their variants are one cell and two cells.
COPIES = {"select", "sel.cc", "bitcast"}


def read_operand(n, word):
    cell = f"f[s->{'abc'[n]}]" if n < 3 else "f[s->e]"
    second = cell.replace("]", " + 1]")
    if word in TWO_CELLS:
        return f"pb_u128 {'abcd'[n]} = {{ {cell}, {second} }};"
    if word == "v64":
        return f"pb_u128 {'abcd'[n]} = {{ {cell}, 0 }};"
    return f"uint64_t {'abcd'[n]} = {cell};"


def constants(variant, text):
    """W and WA, and the attributes."""
    op, lines = variant.op, []
    if needed(["W"], text):
        kind, n = op.width_place()
        word = variant.results[0] if kind == "result" else variant.operands[n]
        lines.append(f"enum {{ W = {BITS[word]} }};")
    if needed(["WA"], text):
        lines.append(f"enum {{ WA = {BITS[variant.operands[0]]} }};")
    for a in op.attributes:
        if needed([a.name], text):
            shifted = "s->attr" if a.shift == 0 else f"(s->attr >> {a.shift})"
            lines.append(f"uint32_t {a.name} = {shifted} & 0x{(1 << a.bits) - 1:x};")
    return lines


def write_result(variant, text):
    word = variant.results[0]
    if word in VECTOR_LIKE:
        lines = [f"pb_u128 r = {text};", "", "f[s->d] = r.lo;"]
        return lines + (["f[s->d + 1] = r.hi;"] if word in TWO_CELLS else [])
    mask = MASKS.get(BITS[word], "")
    return [f"f[s->d] = ({text}) {mask};" if mask else f"f[s->d] = {text};"]


def body(variant):
    op = variant.op
    text = op.wide_meaning if op.wide_meaning and "f80" in variant.operands else op.meaning
    lines = [read_operand(n, word) for n, word in enumerate(variant.operands)
             if needed(["abcd"[n]], text)]
    lines += constants(variant, text)
    if "fp" in op.properties:
        rounding = "rm" if any(a.name == "rm" for a in op.attributes) else "IR_ROUND_ENV"
        if rounding == "rm" and not needed(["rm"], text):
            lines += [x for x in constants(variant, "rm")]
        lines += [x for x in constants(variant, "env")]
        lines += [f"fp_use use = fp_begin(x, env, {rounding});", "const ir_fp *fp = &use.fp;"]
    second = op.results[1] if len(op.results) > 1 else None
    if second:
        lines += ["uint64_t second = 0;",
                  f"uint64_t *{'fl' if second == 'fl' else 'sat'} = &second;"]
    lines.append("")
    lines += write_result(variant, text)
    if second:
        lines.append("f[s->e] = second;")
    if "fp" in op.properties:
        lines.append("fp_end(&use);")
    return lines


def copy_bodies(op):
    """One cell, two cells."""
    one = {"select": ["f[s->d] = f[f[s->a] ? s->b : s->c];"],
           "sel.cc": ["uint32_t from = ir_sem_cc(f[s->a], s->attr) ? s->b : s->c;", "",
                      "f[s->d] = f[from];"],
           "bitcast": ["f[s->d] = f[s->a];"]}[op.name]
    two = {"select": ["uint32_t from = f[s->a] ? s->b : s->c;", "", "f[s->d] = f[from];",
                      "f[s->d + 1] = f[from + 1];"],
           "sel.cc": one[:2] + ["f[s->d] = f[from];", "f[s->d + 1] = f[from + 1];"],
           "bitcast": ["f[s->d] = f[s->a];", "f[s->d + 1] = f[s->a + 1];"]}[op.name]
    return [(f"{op.name}: one cell", one), (f"{op.name}: two cells", two)]


class Layout:
    """Numbers of all variants: those that are labels first, in rows; bodies that are the same are one."""

    def __init__(self, ops):
        self.labels, self.functions = [], []    # (title, lines)
        self.rows = {}                          # op -> list of ("label" or "function", number)
        seen = {}
        for op in ops:
            if not op.meaning:
                continue
            items = []
            if op.name in COPIES:
                entries = [(title, lines, False) for title, lines in copy_bodies(op)]
            else:
                variants = [Variant(op, b) for b in op.bindings()]
                entries = [(v.title(), body(v), v.is_function) for v in variants]
            for title, lines, is_function in entries:
                table = self.functions if is_function else self.labels
                key = (is_function, "\n".join(lines))
                if key not in seen:
                    seen[key] = len(table)
                    table.append((title, lines))
                items.append(("function" if is_function else "label", seen[key]))
            self.rows[op] = items


def type_lists(ops):
    """The variables in use, for the table of a type's place in a variable's list."""
    used = []
    for op in ops:
        for variable in op.variables():
            if op.meaning and op.name not in COPIES and variable not in used:
                used.append(variable)
    return sorted(used)


def place_number(op, variable):
    """0: the result; 1 and up: the operands."""
    words = op.results[:1] + op.operands
    offset = 0 if op.results else 1
    return words.index(variable) + offset


def select_case(op, items, number_of):
    lines = [f"    case {op.symbol}:"]
    variables = op.variables()
    if op.name in COPIES:
        index = "two_cells(types[0])"
    elif not variables:
        index = "0"
    else:
        index = ""
        for variable in variables:
            at = f"place_of(IR_VARIABLE_{variable}, types[{place_number(op, variable)}])"
            index = at if not index else f"({index}) * {len(VARIABLES[variable])} + {at}"
    numbers = [number_of(item) for item in items]
    if len(set(numbers)) == 1:
        return lines + [f"        return {numbers[0]};"]
    lines += [f"        return (const uint16_t[]){{ {', '.join(map(str, numbers))} }}[{index}];"]
    return lines


def tables(ops):
    layout = Layout(ops)
    lists = type_lists(ops)
    n_labels = len(layout.labels)
    lines = HEAD + ["", f"enum {{ VARIANT_LABELS = {n_labels}, VARIANT_FUNCTIONS = {len(layout.functions)} }};", ""]
    for number, (title, text) in enumerate(layout.functions):
        lines += [f"/* {title} */",
                  f"static void variant_function_{number}(uint64_t *f, const step *s, interp_vcpu *x)",
                  "{"]
        lines += ["    " + t if t else "" for t in text] + ["}", ""]
    lines += ["static step_function *const variant_functions[VARIANT_FUNCTIONS] = {"]
    lines += [f"    variant_function_{n}," for n in range(len(layout.functions))]
    lines += ["};", ""]
    lines += ["enum {"] + [f"    IR_VARIABLE_{v}," for v in lists] + ["    IR_VARIABLES", "};", "",
              "/* Place of a type in the list of a variable's types. */",
              "static uint32_t place_of(uint32_t variable, uint32_t type)", "{",
              "    static const uint8_t places[IR_VARIABLES][IR_TYPE_COUNT] = {"]
    for v in lists:
        row = ", ".join(f"[{type_symbol(t)}] = {n}" for n, t in enumerate(VARIABLES[v]))
        lines.append(f"        [IR_VARIABLE_{v}] = {{ {row} }},")
    lines += ["    };", "", "    return places[variable][type];", "}", "",
              "/* Number of the variant for an operation whose first result and operands have the types[0],",
              " * types[1] and up; labels first, then functions. VARIANT_NONE: not one of these. */",
              "enum { VARIANT_NONE = 0xffff };", "",
              "static uint32_t variant_of(uint32_t op, const uint8_t *types)", "{", "    switch (op) {"]

    def number_of(item):
        kind, number = item
        return number if kind == "label" else n_labels + number

    for op, items in layout.rows.items():
        lines += select_case(op, items, number_of)
    lines += ["    default:", "        return VARIANT_NONE;", "    }", "}", ""]
    return "\n".join(lines)


def labels(ops):
    layout = Layout(ops)
    lines = HEAD + [""]
    for number, (title, text) in enumerate(layout.labels):
        lines += [f"variant_{number}: /* {title} */", "{"]
        lines += ["    " + t if t else "" for t in text] + ["}", "NEXT();", ""]
    return "\n".join(lines)


def label_table(ops):
    layout = Layout(ops)
    lines = HEAD
    return "\n".join(lines + [f"&&variant_{n}," for n in range(len(layout.labels))] + [""])
