#!/usr/bin/env python3
"""Turns a .decode file into C, or lists its rows. README.md has the language and the outputs.

usage: decodegen.py [--header FILE] [--rows-source FILE] [--decode-source FILE]
                    [--rows json|csv|missing] [--statistics] SOURCE.decode
"""

import argparse
import csv
import json
import os
import sys

import emit
import overlap
import rows
import tree


def row_record(row):
    """A row as plain data, for JSON."""
    return {
        "id": row.id,
        "function": row.function,
        "title": row.title,
        "section": row.section,
        "line": row.line,
        "width": row.width,
        "mask": row.mask,
        "value": row.value,
        "fields": [
            {"name": f.name, "signed": f.signed, "scale": f.scale,
             "pieces": [{"low": a, "width": w, "at": l} for a, w, l in f.pieces]}
            for f in row.fields.values()
        ],
        "sets": [name for name, _ in row.sets],
        "unless": row.unless_text,
        "needs": row.feature,
        "missing": row.missing,
        "over": row.over,
    }


def list_rows(file, form):
    if form == "json":
        json.dump([row_record(row) for row in file.rows], sys.stdout, indent=1)
        print()
        return
    out = csv.writer(sys.stdout, lineterminator="\n")
    out.writerow(["id", "title", "section", "line", "mask", "value", "needs", "missing"])
    for row in file.rows:
        if form == "csv" or row.missing:
            out.writerow([row.id, row.title, row.section, row.line, f"{row.mask:#010x}",
                          f"{row.value:#010x}", row.feature or "", int(row.missing)])


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("source")
    parser.add_argument("--header")
    parser.add_argument("--rows-source")
    parser.add_argument("--decode-source")
    parser.add_argument("--rows", choices=["json", "csv", "missing"])
    parser.add_argument("--statistics", action="store_true")
    options = parser.parse_args()
    try:
        file = rows.File(options.source)
        faults = overlap.check(file)
    except (rows.DecodeError, OSError) as error:
        sys.exit(str(error))
    if faults:
        sys.exit("\n".join(faults))
    source = os.path.basename(options.source)
    header_name = os.path.basename(options.header or f"{file.name}_decode.h")
    if options.header:
        emit.write_if_changed(options.header, emit.header(file, source))
    if options.rows_source:
        emit.write_if_changed(options.rows_source, emit.rows_source(file, source, header_name))
    if options.decode_source:
        emit.write_if_changed(options.decode_source, emit.decode_source(file, source, header_name))
    if options.rows:
        list_rows(file, options.rows)
    if options.statistics:
        deep, full = tree.depth(tree.build(file.rows, file.width))
        missing = sum(row.missing for row in file.rows)
        print(f"{len(file.rows)} rows, {missing} missing, {len(file.functions())} functions,"
              f" {deep} switches deep, {full} rows in the fullest leaf")


if __name__ == "__main__":
    main()
