#!/usr/bin/env python3
"""Generates C from the table of the IR's operations.

usage: irgen.py WHAT OPS.DEF OUTPUT

WHAT is
  opcodes   patchbay/ir_opcodes.h: numbers
  builders  patchbay/ir_ops.h: builder functions
  tables    the core's table of operations, and ranges of attributes
  eval      the core's evaluator
  interp-tables   the interpreter's variants: functions, and which one for which types
  interp-labels   the variants that are labels in its loop
  interp-table    their addresses
  reference       functions of the meanings, for code generators
  page            the reference page

An error in the table is printed as file:line: what, and the exit status is 1.
"""

import sys

import builders
import interp
import opsdef
import page
import reference
import tables

PRODUCTS = {
    "opcodes": builders.opcodes,
    "builders": builders.builders,
    "tables": tables.tables,
    "eval": tables.evaluator,
    "interp-tables": interp.tables,
    "interp-labels": interp.labels,
    "interp-table": interp.label_table,
    "reference": reference.reference,
    "page": page.page,
}


def main(arguments):
    if len(arguments) != 3 or arguments[0] not in PRODUCTS:
        print(__doc__, file=sys.stderr)
        return 2
    what, source, output = arguments
    try:
        text = PRODUCTS[what](opsdef.read(source))
    except opsdef.OpsError as error:
        print(error, file=sys.stderr)
        return 1
    with open(output, "w", encoding="utf-8") as file:
        file.write(text)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
