"""Functions that do an operation by its meaning, for code generators that have no code for it.

One for every row and binding of its types; they work on pb_u128 values in memory: operands in v[0] to v[3],
results in v[8] and v[9]. Functions that are the same are one.
"""

import interp
from builders import type_symbol
from opsdef import BITS, VARIABLES
from tables import HEAD, needed

COPY_MEANING = {"select": "a.lo ? b : c", "sel.cc": "ir_sem_cc(a.lo, cc) ? b : c", "bitcast": "a"}


def operand(n, word, copies):
    letter = "abcd"[n]
    if word in interp.VECTOR_LIKE or copies:
        return f"pb_u128 {letter} = v[{n}];"
    return f"uint64_t {letter} = v[{n}].lo;"


def attributes(op, text):
    lines = []
    for a in op.attributes:
        if needed([a.name], text):
            shifted = "attr" if a.shift == 0 else f"(attr >> {a.shift})"
            lines.append(f"uint32_t {a.name} = {shifted} & 0x{(1 << a.bits) - 1:x};")
    return lines


def widths(variant, text):
    lines = []
    if needed(["W"], text):
        kind, n = variant.op.width_place()
        word = variant.results[0] if kind == "result" else variant.operands[n]
        lines.append(f"enum {{ W = {BITS[word]} }};")
    if needed(["WA"], text):
        lines.append(f"enum {{ WA = {BITS[variant.operands[0]]} }};")
    return lines


def result(variant, text, copies):
    word = variant.results[0]
    if copies or word in interp.VECTOR_LIKE:
        return [f"v[8] = {text};"]
    mask = interp.MASKS.get(BITS[word], "")
    return [f"v[8] = (pb_u128){{ ({text}) {mask}, 0 }};" if mask else f"v[8] = (pb_u128){{ {text}, 0 }};"]


def body(variant):
    op, copies = variant.op, variant.op.name in interp.COPIES
    text = op.wide_meaning if op.wide_meaning and "f80" in variant.operands else op.meaning
    if copies:
        text = COPY_MEANING[op.name]
    lines = [operand(n, word, copies) for n, word in enumerate(variant.operands)
             if needed(["abcd"[n]], text)]
    lines += widths(variant, text) + attributes(op, text)
    if "fp" in op.properties:
        rounding = "rm" if any(a.name == "rm" for a in op.attributes) else "IR_ROUND_ENV"
        if rounding == "rm" and not needed(["rm"], text):
            lines += attributes(op, "rm")
        lines += attributes(op, "env")
        lines += [f"fp_use use = fp_begin(vcpu, ops, env, {rounding});",
                  "const ir_fp *fp = &use.fp;"]
    second = op.results[1] if len(op.results) > 1 else None
    if second:
        lines += ["uint64_t second = 0;",
                  f"uint64_t *{'fl' if second == 'fl' else 'sat'} = &second;"]
    lines.append("")
    lines += result(variant, text, copies)
    if second:
        lines.append("v[9] = (pb_u128){ second, 0 };")
    if "fp" in op.properties:
        lines.append("fp_end(&use);")
    return lines


def functions(ops):
    """All bodies, with titles; and the number of each row's variants."""
    bodies, rows, seen = [], {}, {}
    for op in ops:
        if not op.meaning:
            continue
        bindings = op.bindings() if op.name not in interp.COPIES else op.bindings()[:1]
        rows[op] = []
        for binding in bindings:
            variant = interp.Variant(op, binding)
            lines = body(variant)
            key = "\n".join(lines)
            if key not in seen:
                seen[key] = len(bodies)
                bodies.append((variant.title(), lines))
            rows[op].append(seen[key])
    return bodies, rows


def case(op, numbers):
    if len(set(numbers)) == 1:
        return [f"    case {op.symbol}:", f"        return {numbers[0]};"]
    index = ""
    for variable in op.variables():
        at = f"place_of(IR_VARIABLE_{variable}, types[{interp.place_number(op, variable)}])"
        index = at if not index else f"({index}) * {len(VARIABLES[variable])} + {at}"
    return [f"    case {op.symbol}:",
            f"        return (const uint16_t[]){{ {', '.join(map(str, numbers))} }}[{index}];"]


def op_kind(op):
    """What the code generator's analysis asks of an operation."""
    kinds = ["CG_OP_PURE"] if "pure" in op.properties else []
    if "fl" in op.operands or op.any_operands:
        kinds.append("CG_OP_BUNDLE")
    if len(op.results) == 2:
        kinds.append(f"{type_symbol(op.results[1])} * CG_OP_SECOND")
    return " | ".join(kinds)


def reference(ops):
    bodies, rows = functions(ops)
    lines = HEAD + [""]
    for number, (title, text) in enumerate(bodies):
        lines += [f"/* {title} */",
                  f"static void reference_{number}(pb_u128 *v, uint32_t attr, pb_vcpu *vcpu, "
                  "const pb_fp_ops *ops)", "{"]
        lines += ["    " + t if t else "" for t in text] + ["}", ""]
    lines += [f"static reference_function *const references[{len(bodies)}] = {{"]
    lines += [f"    reference_{n}," for n in range(len(bodies))] + ["};", ""]
    variables = interp.type_lists(ops)
    lines += ["enum {"] + [f"    IR_VARIABLE_{v}," for v in variables] + ["    IR_VARIABLES", "};", "",
              "/* Place of a type in the list of a variable's types. */",
              "static uint32_t place_of(uint32_t variable, uint32_t type)", "{",
              "    static const uint8_t places[IR_VARIABLES][IR_TYPE_COUNT] = {"]
    for v in variables:
        row = ", ".join(f"[{type_symbol(t)}] = {n}" for n, t in enumerate(VARIABLES[v]))
        lines.append(f"        [IR_VARIABLE_{v}] = {{ {row} }},")
    lines += ["    };", "", "    return places[variable][type];", "}", "",
              "/* Number of the function for an operation whose first result and operands have the types[0],",
              " * types[1] and up. REFERENCE_NONE: it has no meaning. */",
              "enum { REFERENCE_NONE = 0xffff };", "",
              "static uint32_t reference_of(uint32_t op, const uint8_t *types)", "{",
              "    switch (op) {"]
    for op, numbers in rows.items():
        lines += case(op, numbers)
    lines += ["    default:", "        return REFERENCE_NONE;", "    }", "}", "",
              "/* See codegen.h. */", "const uint8_t cg_op_kinds[IR_OP_COUNT] = {"]
    lines += [f"    [{op.symbol}] = {kind}," for op in ops if (kind := op_kind(op))] + ["};", ""]
    return "\n".join(lines)
