"""Writes the C files of a decoder."""

import os

import expr
import tree

NOTICE = "/* Made by decodegen from {source}. */\n"


def c_string(text):
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def bits_of(field):
    """C expression of a field in `insn`, without sign and scale."""
    parts = []
    for at, width, low in field.pieces:
        part = f"bits(insn, {at}, {width})"
        parts.append(f"{part} << {low}" if low else part)
    return parts[0] if len(parts) == 1 else "(" + " | ".join(parts) + ")"


def value_of(field):
    """C expression of a field's value."""
    text = bits_of(field)
    if field.signed:
        text = f"sign_extend({text}, {field.width})"
    if field.scale != 1:
        text = f"{text} * {field.scale}"
    return text


def member_type(name, rows):
    return "int64_t" if any(row.signed(name) for row in rows) else "uint32_t"


def argument_type(file, function):
    """a64_arg_add from tr_add: the prefix up to the first underscore is the functions' own."""
    return f"{file.name}_arg_{function.split('_', 1)[-1]}"


def titles(rows):
    """The titles of ROWS, each once."""
    return list(dict.fromkeys(row.title for row in rows))


def comment(lines):
    """LINES as one comment, wrapped by clang-format's limit."""
    text = "; ".join(lines)
    words, out, line = text.split(), [], "/*"
    for word in words:
        if len(line) + len(word) > 94:
            out.append(line)
            line = " *"
        line += " " + word
    out.append(line + " */")
    return "\n".join(out) + "\n"


def header(file, source):
    """The header: what translators implement and callers use."""
    n, ctx = file.name, file.context
    up = n.upper()
    out = [NOTICE.format(source=source), f"#ifndef {up}_DECODE_H\n#define {up}_DECODE_H\n\n"]
    out += ["#include <stdbool.h>\n#include <stdint.h>\n\n"]
    out += [f"#include {name}\n" for name in file.includes]
    out.append(f"\ntypedef struct {ctx} {ctx};\n\n")
    if file.features:
        out.append(f"typedef enum {n}_feature {{\n")
        for name, doc in file.features:
            out.append(f"    {up}_{name}, /* {doc or name} */\n")
        out.append(f"    {up}_FEATURE_COUNT\n}} {n}_feature;\n\n")
        out.append(f"/* Spelt as in the manual: \"{file.features[0][0]}\". */\n")
        out.append(f"extern const char *const {n}_feature_names[{up}_FEATURE_COUNT];\n\n")
    out.append(ROW_STRUCT.format(n=n, up=up, count=len(file.rows)))
    out.append(CALLEES.format(n=n, ctx=ctx, status=file.status))
    if file.features:
        out.append(f"bool {n}_has_feature(const {ctx} *c, {n}_feature feature);\n\n")
    out.append(CALLS.format(n=n, ctx=ctx, status=file.status))
    section = None
    for function, rows in file.functions():
        if rows[0].section != section:
            section = rows[0].section
            out.append(f"/* {section} */\n\n")
        members = rows[0].members()
        kind = argument_type(file, function)
        if members:
            out.append(f"typedef struct {kind} {{\n")
            for wanted in ("int64_t", "uint32_t"):
                same = [m for m in members if member_type(m, rows) == wanted]
                if same:
                    out.append(f"    {wanted} {', '.join(same)};\n")
            out.append(f"}} {kind};\n\n")
        out.append(comment(titles(rows)))
        argument = f", const {kind} *a" if members else ""
        out.append(f"{file.status} {function}({ctx} *c{argument});\n\n")
    out.append("#endif\n")
    return "".join(out)


ROW_STRUCT = """\
/* One row of the source. */
typedef struct {n}_row {{
    const char *name;    /* of the function, whether it exists or is missing */
    const char *title;   /* the instructions, as the manual names them */
    const char *section; /* of the manual */
    const char *needs;   /* the feature's name, or null */
    uint32_t mask, value;
    uint32_t line;
    bool missing;        /* known, and not modelled */
}} {n}_row;

enum {{ {up}_ROW_COUNT = {count} }};
extern const {n}_row {n}_rows[{up}_ROW_COUNT];

"""

CALLEES = """\
/* These three are for the user of the decoder to define. Unallocated: no row is this word's. Missing:
 * its row has no translator. */
{status} {n}_unallocated({ctx} *c, uint32_t insn);
{status} {n}_missing({ctx} *c, uint32_t insn, const {n}_row *row);
"""

CALLS = """\
/* The number of the row that an instruction word belongs to, or -1. A row whose feature the processor
 * lacks does not count. Calls nothing but the feature test. [any thread] */
int {n}_find_row(const {ctx} *c, uint32_t insn);

/* Finds the row, extracts its fields and calls its function, {n}_missing or {n}_unallocated. */
{status} {n}_decode({ctx} *c, uint32_t insn);

"""

HELPERS = """\
static inline uint32_t bits(uint32_t insn, unsigned low, unsigned width)
{
    return insn >> low & (uint32_t)((UINT64_C(1) << width) - 1);
}
"""

SIGN_EXTEND = """
static inline int64_t sign_extend(uint32_t value, unsigned width)
{
    uint64_t sign = UINT64_C(1) << (width - 1);

    return (int64_t)((value ^ sign) - sign);
}
"""

LOWBIT = """
static inline int64_t decode_lowbit(int64_t value)
{
    return value ? __builtin_ctzll((uint64_t)value) : 0;
}
"""

HIGHBIT = """
static inline int64_t decode_highbit(int64_t value)
{
    return value > 0 ? 63 - __builtin_clzll((uint64_t)value) : 0;
}
"""


def with_helpers(body):
    """BODY below the helpers that it uses."""
    out = HELPERS
    for name, text in (("sign_extend", SIGN_EXTEND), ("decode_lowbit", LOWBIT),
                       ("decode_highbit", HIGHBIT)):
        if name + "(" in body:
            out += text
    return out + "\n" + body


def rows_source(file, source, header_name):
    """The rows as data, and the function that finds a word's row."""
    n, up = file.name, file.name.upper()
    body = []
    if file.features:
        body.append(f"const char *const {n}_feature_names[{up}_FEATURE_COUNT] = {{\n")
        body += [f'    [{up}_{name}] = "{name}",\n' for name, _ in file.features]
        body.append("};\n\n")
    body.append(f"const {n}_row {n}_rows[{up}_ROW_COUNT] = {{\n")
    for number, row in enumerate(file.rows):
        feature = c_string(row.feature) if row.feature else "0"
        body.append(
            f"    [{number}] = {{ {c_string(row.function)}, {c_string(row.title)},\n"
            f"        {c_string(row.section)}, {feature}, {row.mask:#x}, {row.value:#x}, {row.line},"
            f" {'true' if row.missing else 'false'} }},\n"
        )
    body.append("};\n\n")
    body.append(f"int {n}_find_row(const {file.context} *c, uint32_t insn)\n{{\n")
    numbers = {id(row): number for number, row in enumerate(file.rows)}
    emit_node(body, file, tree.build(file.rows, file.width),
              lambda row: f"return {numbers[id(row)]};", 1)
    body.append("    return -1;\n}\n")
    text = "".join(body)
    return NOTICE.format(source=source) + f'#include "{header_name}"\n\n' + with_helpers(text)


def emit_node(body, file, node, take, level):
    """Nested switches that come to the statement take(row) for a word that is the row's, and end for one that is none's."""
    pad = "    " * level
    if isinstance(node, tree.Leaf):
        for row in node.rows:
            body.append(f"{pad}{condition(file, row, node.known)}{take(row)}\n")
            if not tests(file, row, node.known):
                break  # takes every word that comes here
        return
    body.append(f"{pad}switch (bits(insn, {node.low}, {node.width})) {{\n")
    for values, child in node.cases:
        for start in range(0, len(values), 8):
            body.append(pad + " ".join(f"case {v}:" for v in values[start : start + 8]) + "\n")
        emit_node(body, file, child, take, level + 1)
        if not returns(file, child):
            body.append(f"{pad}    break;\n")
    body.append(f"{pad}}}\n")


def returns(file, node):
    """Whether every word that reaches NODE gets a row."""
    return isinstance(node, tree.Leaf) and not all(tests(file, r, node.known) for r in node.rows)


def tests(file, row, known):
    """C conditions that decide whether a word is the row's, where the bits KNOWN were tested."""
    found = []
    left = row.mask & ~known
    if left:
        found.append(f"(insn & {left:#x}) == {row.value & left:#x}")
    if row.unless:
        found.append(f"!({expr.to_c(row.unless, lambda name: raw(row, name))})")
    if row.feature:
        found.append(f"{file.name}_has_feature(c, {file.name.upper()}_{row.feature})")
    return found


def condition(file, row, known):
    found = tests(file, row, known)
    return f"if ({' && '.join(found)}) " if found else ""


def raw(row, name):
    """C expression of a field or computed value straight from `insn`."""
    if name in row.fields:
        return f"(int64_t){value_of(row.fields[name])}"
    return f"({expr.to_c(dict(row.sets)[name], lambda inner: raw(row, inner))})"


def decode_source(file, source, header_name):
    """The function that extracts fields and calls translators. It goes to a row's code from where the row is found: to ask
    the other function for its number would be one more jump that processors cannot foresee."""
    n = file.name
    numbers = {id(row): number for number, row in enumerate(file.rows)}

    def take(row):
        number = numbers[id(row)]
        return f"return {n}_missing(c, insn, &{n}_rows[{number}]);" if row.missing else f"goto row_{number};"

    body = [f"{file.status} {n}_decode({file.context} *c, uint32_t insn)\n{{\n"]
    emit_node(body, file, tree.build(file.rows, file.width), take, 1)
    body.append(f"    return {n}_unallocated(c, insn);\n")
    for number, row in enumerate(file.rows):
        if not row.missing:
            emit_call(body, file, number, row)
    body.append("}\n")
    text = "".join(body)
    return NOTICE.format(source=source) + f'#include "{header_name}"\n\n' + with_helpers(text)


def emit_call(body, file, number, row):
    members = row.members()
    if not members:
        body.append(f"row_{number}:\n    return {row.function}(c);\n")
        return

    def place(name):
        return name if name.startswith("_") else f"(int64_t)a.{name}"

    used = set().union(*(expr.names(t) for _, t in row.sets)) if row.sets else set()
    body.append(f"row_{number}: {{\n    {argument_type(file, row.function)} a;\n")
    for name, field in row.fields.items():
        if not field.hidden:
            body.append(f"    a.{name} = {value_of(field)};\n")
        elif name in used:
            body.append(f"    int64_t {name} = {value_of(field)};\n")
    rows = dict(file.functions())[row.function]
    for name, value in row.sets:
        text = expr.to_c(value, place)
        if name.startswith("_"):
            body.append(f"    int64_t {name} = {text};\n")
        else:
            body.append(f"    a.{name} = ({member_type(name, rows)}){strip(text)};\n")
    body.append(f"    return {row.function}(c, &a);\n}}\n")


def strip(text):
    """TEXT in one pair of parentheses, unless it is a number."""
    return text if text.isdigit() or text.startswith("(") else f"({text})"


def write_if_changed(path, text):
    """Leaves an equal file alone, so that nothing is rebuilt for it."""
    if os.path.exists(path):
        with open(path, encoding="utf-8") as old:
            if old.read() == text:
                return
    with open(path, "w", encoding="utf-8") as out:
        out.write(text)
