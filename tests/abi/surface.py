"""The ABI as a C file: one exported pointer to each type of the public headers, so that a tool that looks at debug information sees
all of them."""

import pathlib
import re

# `} name;` at the end of a structure or enumeration, and `typedef struct x x;`
DEFINED = re.compile(r"^(?:\} |typedef struct \w+ )((?:pb|ir)_\w+);", re.MULTILINE)
EXTENSIBLE = re.compile(r"^(?:typedef )?struct (\w+) \{\n(?:\s*/\*(?:[^*]|\*(?!/))*\*/)*\s*"
                        r"(?:uint32_t size;|pb_class head;)", re.MULTILINE)


def headers(root):
    return sorted(path for path in pathlib.Path(root).rglob("*.h") if not path.name.startswith("ir_op"))


def source(root):
    """C text that includes every header below root/patchbay and has a variable for every type."""
    lines, names = [], []
    for path in headers(root):
        lines.append(f"#include <{path.relative_to(root)}>")
        names += DEFINED.findall(path.read_text(encoding="utf-8"))
    for name in sorted(set(names)):
        lines.append(f"extern PB_EXPORT const {name} *surface_{name};")
        lines.append(f"const {name} *surface_{name};")
    return "\n".join(lines) + "\n"


def suppressions(root):
    """libabigail's suppressions of what may be added: members at the end of structures that begin with their size."""
    text = ""
    for path in headers(root):
        for name in EXTENSIBLE.findall(path.read_text(encoding="utf-8")):
            text += f"[suppress_type]\n  type_kind = struct\n  name = {name}\n  has_data_member_inserted_at = end\n"
    return text
