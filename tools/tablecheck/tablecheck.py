#!/usr/bin/env python3
"""Finds members of instance structures that no row claims.

usage: tablecheck.py PLUGIN.so MANIFEST.json

Every member of a type's instance is claimed by one row: a property, a port's handle, a register's storage, a state row,
a register slot of a processor, or a transient row with its reason (abi/patchbay/state.h). That no byte is claimed
twice is seen when the plugin is opened. This finds what is claimed by none: which members there are is in the plugin's
debug information, as `readelf` prints it; what is claimed is in its manifest.

Padding is nobody's. One type is one case; the last line counts them.
"""

import json
import re
import subprocess
import sys

DIE = re.compile(r"^ <(\d+)><([0-9a-f]+)>: Abbrev Number: \d+ \(DW_TAG_(\w+)\)")
# Newer versions of readelf put the attribute's form before its value: "(data1) 24".
ATTRIBUTE = re.compile(r"^    <[0-9a-f]+>\s+DW_AT_(\w+)\s*: (?:\(\w+\) )?(.*)$")
STRUCTURES = ("structure_type", "union_type")
SAME_SIZE = ("typedef", "const_type", "volatile_type", "atomic_type", "restrict_type")


class Entry:
    """One debugging information entry, with what is needed of it."""

    def __init__(self, tag):
        self.tag = tag
        self.attributes = {}
        self.children = []

    def name(self):
        value = self.attributes.get("name")
        return value.rsplit(": ", 1)[-1].strip() if value else None

    def number(self, attribute, default=None):
        value = self.attributes.get(attribute)
        match = re.match(r"(0x[0-9a-f]+|\d+)", value) if value else None
        return int(match.group(1), 0) if match else default


def read_entries(path):
    """Entries by their offset in the debug information."""
    text = subprocess.run(["readelf", "--wide", "--debug-dump=info", path], check=True,
                          stdout=subprocess.PIPE, stderr=subprocess.DEVNULL).stdout
    entries, stack, entry = {}, [], None
    for line in text.decode("utf-8", "replace").splitlines():
        match = DIE.match(line)
        if match:
            depth = int(match.group(1))
            entry = Entry(match.group(3))
            entries[int(match.group(2), 16)] = entry
            del stack[depth:]
            if stack:
                stack[-1].children.append(entry)
            stack.append(entry)
            continue
        match = ATTRIBUTE.match(line)
        if match and entry:
            entry.attributes[match.group(1)] = match.group(2)
    return entries


class Layout:
    """Structures of the debug information."""

    def __init__(self, entries):
        self.entries = entries

    def type_of(self, entry):
        match = re.search(r"<0x([0-9a-f]+)>", entry.attributes.get("type", ""))
        return self.entries.get(int(match.group(1), 16)) if match else None

    def resolve(self, entry):
        while entry and entry.tag in SAME_SIZE:
            entry = self.type_of(entry)
        return entry

    def size(self, entry):
        entry = self.resolve(entry)
        if not entry:
            return 0
        if entry.tag == "array_type":
            count = 1
            for bound in entry.children:
                if bound.tag == "subrange_type":
                    length = bound.number("count")
                    count *= bound.number("upper_bound", -1) + 1 if length is None else length
            return count * self.size(self.type_of(entry))
        return entry.number("byte_size", 8 if entry.tag == "pointer_type" else 0)

    def members(self, structure, base=0):
        """(name, offset, size, type) of each member; anonymous ones are looked into."""
        for member in structure.children:
            if member.tag != "member":
                continue
            offset = base + member.number("data_member_location", 0)
            kind = self.resolve(self.type_of(member))
            if not member.name() and kind and kind.tag in STRUCTURES:
                yield from self.members(kind, offset)
            else:
                yield member.name(), offset, self.size(kind), kind

    def structures(self, size):
        return [e for e in self.entries.values()
                if e.tag in STRUCTURES and e.number("byte_size") == size and e.children]


def claims_of(kind):
    """(first byte, bytes, name) of each row of a type that claims some."""
    if kind.get("self-offset"):
        yield kind["self-offset"] - 1, 8, "self"
    for row in kind.get("properties", []):
        yield row.get("offset", 0), row["width"], row["name"]
    for row in kind.get("ports", []):
        if row.get("handle-offset"):
            elements = 1 if row.get("count-offset") else row.get("count", 1)
            yield row["handle-offset"] - 1, 8 * elements, row["name"]
    for row in kind.get("state", []):
        yield row.get("offset", 0), row["width"], row["name"]
    for row in kind.get("slots", []):
        yield row.get("offset", 0), 1, row["name"]
    for region in kind.get("regions", []):
        for row in region.get("registers", []):
            if row.get("store-offset"):
                yield row["store-offset"] - 1, row["store-width"], row["name"]


def find_structure(layout, kind, claims):
    """The structure that the claims fit best: where they begin, members begin, of the same names and sizes. Those of
    the ABI are of no plugin."""
    best, best_score = None, 0
    for structure in layout.structures(kind["instance-size"]):
        if re.match("(pb|ir)_", structure.name() or ""):
            continue
        members = {offset: (name, size) for name, offset, size, _ in layout.members(structure)}
        score = 0
        for offset, width, name in claims:
            member = members.get(offset)
            if member:
                score += 1 + (member[1] == width) + 2 * (member[0] == name.lower().replace("-", "_"))
        if score > best_score:
            best, best_score = structure, score
    return best


def unclaimed(layout, members, claimed, prefix=""):
    for name, offset, size, kind in members:
        covered = sum(claimed[offset:offset + size])
        if covered == size or not size:
            continue
        if covered and kind and kind.tag in STRUCTURES:
            yield from unclaimed(layout, layout.members(kind, offset), claimed, f"{prefix}{name}.")
        elif not covered:
            yield f"{prefix}{name}"
        elif kind and kind.tag == "array_type":
            yield f"{prefix}{name} ({size - covered} of its {size} bytes)"
        else:
            yield f"{prefix}{name}"


def check(layout, kind):
    """What is wrong with a type, as a list of texts."""
    claims = list(claims_of(kind))
    structure = find_structure(layout, kind, claims)
    claimed = bytearray(kind["instance-size"])

    if not structure:
        if not claims:
            return []  # nothing to match with: an instance without content
        return ["no structure in the debug information fits its rows"]
    sizes = {offset: size for _, offset, size, _ in layout.members(structure)}
    for offset, width, _ in claims:
        if width == 1:  # a slot: as long as its member
            width = max(width, sizes.get(offset, width))
        claimed[offset:offset + width] = b"\1" * width
    return [f"member {name} is claimed by no row"
            for name in unclaimed(layout, layout.members(structure), claimed)]


def main(arguments):
    if len(arguments) != 2:
        print(__doc__.split("\n\n")[1], file=sys.stderr)
        return 2
    plugin, manifest = arguments
    layout = Layout(read_entries(plugin))
    if not layout.entries:
        print(f"{plugin} has no debug information")
        return 77
    with open(manifest, encoding="utf-8") as file:
        kinds = json.load(file)["types"]
    failed = 0
    for kind in kinds:
        problems = check(layout, kind)
        failed += bool(problems)
        for problem in problems:
            print(f"{plugin}: type {kind['name']}: {problem}")
    print(f"{len(kinds) - failed} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
