"""The core's tables: what each operation is (ir_ops_table), ranges of attributes, and the evaluator."""

import re

from builders import type_symbol
from opsdef import ANY, TYPES, VARIABLES

ATTRIBUTE_KINDS = {"mem": "IR_ATTR_MEM", "cc": "IR_ATTR_CC", "slot": "IR_ATTR_SLOT",
                   "helper": "IR_ATTR_HELPER", "sub": "IR_ATTR_RMW"}
# Values that need more than 64 bits, or are vectors: pb_u128 in a meaning.
WIDE = {"i128", "f80", "v64", "v128", "V", "A", "B"}
HEAD = ["/* Generated from core/ir/ops.def by tools/irgen. */"]


def type_class(word):
    types = VARIABLES.get(word, [word])
    mask = sum(1 << TYPES.index(t) for t in types)
    variable = f"'{word}'" if word in VARIABLES else "0"
    return f"{{ 0x{mask:x}, {variable} }}"


def table_row(op):
    def classes(words):
        return "{ " + ", ".join(type_class(w) for w in words) + " }"

    lines = [f"    [{op.symbol}] = {{",
             f"        .name = \"{op.name}\",",
             "        .properties = "
             + " | ".join("IR_PROP_" + p.upper() for p in sorted(op.properties)) + ",",
             f"        .n_results = {len(op.results)}, .n_operands = {len(op.operands)}, "
             f".n_attrs = {len(op.attributes)}, .typed = {'true' if op.typed else 'false'},"]
    if op.results:
        lines.append(f"        .results = {classes(op.results)},")
    if op.operands:
        lines.append(f"        .operands = {classes(op.operands)},")
    if op.attributes:
        rows = [f"{{ \"{a.name}\", {ATTRIBUTE_KINDS.get(a.name, 'IR_ATTR_NUMBER')}, "
                f"{'true' if a.word == 'aux' else 'false'}, {a.shift}, {a.bits} }}"
                for a in op.attributes]
        lines.append("        .attrs = { " + ", ".join(rows) + " },")
    return lines + ["    },"]


def extract(attribute):
    word = f"r->{attribute.word}"
    if attribute.bits == 32:
        return word
    return f"{word} >> {attribute.shift} & 0x{(1 << attribute.bits) - 1:x}u"


def needed(names, text):
    return [n for n in names if re.search(rf"\b{n}\b", text)]


def range_case(op):
    ranged = [a for a in op.attributes if a.ranges]
    text = " ".join(low + " " + high for a in ranged for low, high in a.ranges)
    by_name = {a.name: a for a in op.attributes}
    if needed(["lane", "lanes"], text):
        text += " es"
    lines = [f"    case {op.symbol}: {{"]
    for a in op.attributes:
        if a in ranged or needed([a.name], text):
            lines.append(f"        uint32_t {a.name} = {extract(a)};")
    lane = "8u << es" if "es" in by_name else "8u"
    if needed(["lane", "lanes"], text):
        lines.append(f"        uint32_t lane = {lane};")
    if needed(["lanes"], text):
        lines.append("        uint32_t lanes = lanes_of / lane;")
    lines.append("")
    for a in ranged:
        tests = []
        for low, high in a.ranges:
            if low == high:
                tests.append(f"{a.name} == {low}")
            elif low == "0":
                tests.append(f"{a.name} <= {high}")
            else:
                tests.append(f"({a.name} >= {low} && {a.name} <= {high})")
        lines += [f"        if (!({' || '.join(tests)}))", f"            return \"{a.name}\";"]
    return lines + ["        return NULL;", "    }"]


def tables(ops):
    lines = HEAD + ["#include <core/ir/ops.h>", "",
                    "const char *const ir_type_names[IR_TYPE_COUNT] = {"]
    lines += [f"    [{type_symbol(t)}] = \"{t}\"," for t in TYPES]
    lines += ["};", "", "const ir_op_info ir_ops_table[IR_OP_COUNT] = {"]
    for op in ops:
        lines += table_row(op)
    lines += ["};", "",
              "const char *ir_ops_bad_attr(const ir_op_record *r, uint32_t W, uint32_t lanes_of)",
              "{", "    switch (r->op) {"]
    for op in ops:
        if any(a.ranges for a in op.attributes):
            lines += range_case(op)
    lines += ["    default:", "        return NULL;", "    }", "}", ""]
    return "\n".join(lines)


def place(op, where):
    kind, n = where
    return "types[0]" if kind == "result" else f"types[{n + 1}]"


def locals_of(op, text, wide_operand=None):
    """Declarations of what a meaning uses. wide_operand: variable that stands for f80 here."""
    lines = []
    for n, letter in enumerate("abcd"[:len(op.operands)]):
        if needed([letter], text):
            wide = op.operands[n] in WIDE or op.operands[n] == wide_operand
            lines.append(f"pb_u128 {letter} = args[{n}];" if wide
                         else f"uint64_t {letter} = args[{n}].lo;")
    for a in op.attributes:
        if needed([a.name], text):
            lines.append(f"uint32_t {a.name} = {extract(a)};")
    if needed(["W"], text):
        lines.append(f"uint32_t W = ir_type_bits[{place(op, op.width_place())}];")
    if needed(["WA"], text):
        lines.append("uint32_t WA = ir_type_bits[types[1]];")
    for name in ("fl", "sat"):
        if needed([name], text) and len(op.results) == 2:
            lines.append(f"uint64_t *{name} = &results[1].lo;")
    return lines


def assign(op, text, wide_result):
    if op.results[0] in WIDE or wide_result:
        return f"results[0] = {text};"
    return f"results[0].lo = {text};"


def eval_case(op):
    lines = [f"    case {op.symbol}: {{"]
    if op.wide_meaning:
        variable = next(w for w in op.operands if "f80" in VARIABLES.get(w, []))
        wide_result = op.results[0] == variable
        at = op.operands.index(variable) + 1
        lines += [f"        if (types[{at}] == IR_F80) {{"]
        lines += ["            " + x for x in locals_of(op, op.wide_meaning, variable)]
        lines += ["", "            " + assign(op, op.wide_meaning, wide_result), "            break;",
                  "        }"]
    lines += ["        " + x for x in locals_of(op, op.meaning)]
    lines += ["", "        " + assign(op, op.meaning, False), "        break;", "    }"]
    return lines


def evaluator(ops):
    lines = HEAD + ["#include <core/ir/ops.h>", "",
                    "bool ir_ops_eval(const ir_op_record *r, const ir_type *types,"
                    " const pb_u128 *args, const ir_fp *fp,",
                    "                 pb_u128 results[2])", "{",
                    "    results[0] = results[1] = (pb_u128){ 0, 0 };",
                    "    switch (r->op) {"]
    for op in ops:
        if op.meaning:
            lines += eval_case(op)
    lines += ["    default:", "        return false;", "    }",
              "    results[0] = ir_ops_cut(types[0], results[0]);",
              "    return true;", "}", ""]
    return "\n".join(lines)
