"""The generated public headers: patchbay/ir_opcodes.h and patchbay/ir_ops.h."""

from opsdef import VARIABLES

OPERANDS = ["x", "y", "z", "w"]


def type_symbol(word):
    return "IR_" + word.upper()


def opcodes(ops):
    lines = ["/* Numbers of the IR's operations. Generated from core/ir/ops.def; included by ir.h. */",
             "#include <patchbay/ir.h> /* before the guard: it includes this file in its place */", "",
             "#ifndef PATCHBAY_IR_OPCODES_H", "#define PATCHBAY_IR_OPCODES_H", "",
             "typedef enum ir_op {"]
    lines += [f"    {op.symbol} = {n}," for n, op in enumerate(ops)]
    lines += [f"    IR_OP_COUNT = {len(ops)}", "} ir_op;", "",
              "/* Type of an operation's second result; IR_VOID: it has none. */",
              "static inline ir_type ir_second_type(uint32_t op)", "{", "    switch (op) {"]
    by_type = {}
    for op in ops:
        if len(op.results) == 2:
            by_type.setdefault(op.results[1], []).append(op)
    for word, members in by_type.items():
        lines += [f"    case {op.symbol}:" for op in members]
        lines += [f"        return {type_symbol(word)};"]
    lines += ["    default:", "        return IR_VOID;", "    }", "}", "", "#endif", ""]
    return "\n".join(lines)


def result_type(op):
    """C expression of the record's type: of the first result, or of the value stored."""
    if op.typed:
        return "type"
    if op.results and op.results[0] not in VARIABLES:
        return type_symbol(op.results[0])
    if op.results:
        return f"ir_type_of(b, {OPERANDS[op.operands.index(op.results[0])]})"
    if op.operands:
        return f"ir_type_of(b, {OPERANDS[len(op.operands) - 1]})"
    return "IR_VOID"


def packed(op, word):
    parts = []
    for a in op.attributes:
        if a.word == word:
            value = a.name if a.bits == 32 else f"({a.name} & 0x{(1 << a.bits) - 1:x}u)"
            parts.append(value if a.shift == 0 else f"{value} << {a.shift}")
    return " | ".join(parts) or "0"


def builder(op):
    parameters = ["ir_builder *b"]
    if op.typed:
        parameters.append("ir_type type")
    operands = OPERANDS[:len(op.operands)]
    parameters += [f"ir_val {name}" for name in operands]
    parameters += [f"uint32_t {a.name}" for a in op.attributes]
    second = len(op.results) == 2
    if second:
        parameters.append("ir_val *second")
    emit = ["b", op.symbol, result_type(op), packed(op, "attr"), packed(op, "aux"),
            str(len(operands))]
    emit += operands + ["ir_none()"] * (4 - len(operands))
    call = f"ir_emit({', '.join(emit)})"

    lines = [f"/* {op.sentence} */" if len(op.results) < 2 else
             f"/* {op.sentence} *second: {op.results[1]}. */"]
    returns = "ir_val" if op.results else "void"
    lines.append(f"static inline {returns} {op.function}({', '.join(parameters)})")
    lines.append("{")
    if second:
        lines += [f"    ir_val first = {call};", "", "    *second = (ir_val){ first.id | 1 };",
                  "    return first;"]
    elif op.results:
        lines.append(f"    return {call};")
    else:
        lines.append(f"    {call};")
    lines += ["}", ""]
    return lines


def builders(ops):
    lines = ["/* Builder functions of the IR's operations. Generated from core/ir/ops.def; included",
             " * by ir.h. */",
             "#include <patchbay/ir.h> /* before the guard: it includes this file in its place */", "",
             "#ifndef PATCHBAY_IR_OPS_H", "#define PATCHBAY_IR_OPS_H", ""]
    section = None
    for op in ops:
        if "manual" in op.properties:
            continue
        if op.section != section:
            section = op.section
            lines += [f"/* ---- {section} ---- */", ""]
        lines += builder(op)
    lines += ["#endif", ""]
    return "\n".join(lines)
