#!/usr/bin/env python3
"""Writes translators for a .decode file that print their name and arguments instead of translating.

usage: make_printers.py SOURCE.decode HEADER.h OUT.c

With the generated decoder they make a program that reads hexadecimal instruction words from standard
input and prints a line for each: the function with its members, `unallocated`, or `missing FUNCTION`.
"""

import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../tools/decodegen"))
import emit  # noqa: E402
import rows  # noqa: E402

HEAD = """\
/* Made by make_printers.py. */
#include "{header}"

#include <inttypes.h>
#include <stdio.h>

struct {context} {{
    int unused;
}};

bool {name}_has_feature(const {context} *c, {name}_feature feature)
{{
    return true;
}}

{status} {name}_unallocated({context} *c, uint32_t insn)
{{
    puts("unallocated");
    return 0;
}}

{status} {name}_missing({context} *c, uint32_t insn, const {name}_row *row)
{{
    printf("missing %s\\n", row->name);
    return 0;
}}
"""

MAIN = """
int main(void)
{{
    {context} c = {{ 0 }};
    uint32_t insn;

    while (scanf("%" SCNx32, &insn) == 1)
        {name}_decode(&c, insn);
    return 0;
}}
"""


def main():
    file = rows.File(sys.argv[1])
    about = {"header": sys.argv[2], "context": file.context, "name": file.name, "status": file.status}
    out = [HEAD.format(**about)]
    for function, of_function in file.functions():
        members = of_function[0].members()
        argument = f", const {emit.argument_type(file, function)} *a" if members else ""
        text = "".join(f' {m}=%" PRId64 "' for m in members)
        values = "".join(f", (int64_t)a->{m}" for m in members)
        out.append(f"\n{file.status} {function}({file.context} *c{argument})\n{{\n")
        out.append(f'    printf("{function}{text}\\n"{values});\n    return 0;\n}}\n')
    out.append(MAIN.format(**about))
    with open(sys.argv[3], "w", encoding="utf-8") as to:
        to.write("".join(out))


if __name__ == "__main__":
    main()
