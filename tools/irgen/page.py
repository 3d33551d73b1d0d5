"""The reference page of the IR's operations, in Markdown."""

HEAD = """# Operations of the IR

Generated from `core/ir/ops.def`. Types: I any of i8 to i64; J i1 or I; P i32 or i64, a guest address; C I or
i128; F G f16 f32 f64 f80; H f16 f32 f64; X I or H; V v64 v128; L what memory holds; A B any. A letter is one
type throughout a row; `!` marks a result type that the caller gives. Meanings are C, over the operands a b c d,
the attributes, W (bits of the operation's type) and WA (bits of the first operand); the functions are in
`patchbay/ir_sem.h`.
"""


def signature(op):
    results = " ".join(op.results)
    if op.typed:
        results = results.replace(op.results[0], op.results[0] + "!", 1)
    operands = "*" if op.any_operands else " ".join(op.operands)
    return f"{results} = {operands}".strip() if results else operands


def attribute(a):
    ranges = ", ".join(low if low == high else f"{low}..{high}" for low, high in a.ranges)
    return f"{a.name}:{a.bits}" + (f" ({ranges})" if ranges else "")


def cell(text):
    return text.replace("|", "\\|")


def page(ops):
    lines, section = [HEAD], None
    for op in ops:
        if op.section != section:
            section = op.section
            lines += [f"## {section}", "", "| operation | types | attributes | | what |",
                      "|---|---|---|---|---|"]
        properties = " ".join(sorted(op.properties - {"manual"}))
        meaning = f" `{op.meaning}`" if op.meaning else ""
        lines.append("| " + " | ".join(cell(x) for x in (
            f"`{op.name}`", signature(op), " ".join(attribute(a) for a in op.attributes),
            properties, op.sentence + meaning)) + " |")
        if op is ops[-1] or ops[ops.index(op) + 1].section != section:
            lines.append("")
    return "\n".join(lines)
