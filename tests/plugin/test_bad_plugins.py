#!/usr/bin/env python3
"""usage: test_bad_plugins.py PATCHBAY-MANIFEST SOURCE-ROOT BUILD-ROOT

Builds plugins that are wrong in one way each and expects the exact line that opening them gives. FILE stands for the
plugin's file in the expected text.
"""

import pathlib
import re
import shutil
import subprocess
import sys
import tempfile

# Name of the variant in bad.c: the line behind "patchbay-manifest: "
EXPECTED = {
    "NO_ENTRY": "FILE: not a Patchbay plugin: it has no symbol pb_plugin_entry",
    "MAJOR": "FILE: built for version 2.0 of the plugin ABI, this program has 1.0",
    "ENTRY_SIZE": "FILE: pb_plugin_entry says that it has 4096 bytes, it has 48, ABI 1.0 needs 48",
    "ENTRY_SHORT": "FILE: pb_plugin_entry has only 4 bytes",
    "ID": "FILE: calls itself 'dev-good', must be 'dev-bad' as the file",
    "NO_TYPES": "FILE: it has no type",
    "KIND": "FILE: type bad: a loader type does not belong in a plugin dev-*",
    "CLASS_SIZE": "FILE: type bad: its descriptor says that it has 24 bytes, kind device needs NUMBER",
    "NO_INSTANCE": "FILE: type bad: instances of 0 bytes",
    "SELF_OUTSIDE": "FILE: type bad: the pb_object member is outside the instance of 32 bytes",
    "STATE_OUTSIDE": "FILE: type bad: array: bytes 12 to 4012 are outside the instance of 32 bytes",
    "STATE_REASON": "FILE: type bad: array: no reason why it is no state",
    "STATE_NO_END": "FILE: type bad: state: the table has no end",
    "PROP_DEFAULT": "FILE: type bad: setting: bad default: setting: 'many' is not a number, such as 16 or 0x10",
    "PROP_RANGE": "FILE: type bad: setting: bad default: setting: 5 is outside 6 to 7",
    "PROP_WIDTH": "FILE: type bad: setting: 3 bytes do not suit property type 2",
    "PROP_TWICE": "FILE: type bad: properties: 'setting' stands in it twice",
    "PORT_HANDLE": "FILE: type bad: irq: the handle is outside the instance of 32 bytes",
    "PORT_IFACE": "FILE: type bad: input: this side of protocol irq needs a table of functions",
    "PORT_NAME": "FILE: type bad: setting: is a property and a port",
    "REG_OUTSIDE": "FILE: type bad: OTHER: is outside region regs of 0x10 bytes",
    "REG_OVERLAP": "FILE: type bad: OTHER: overlaps VALUE at 0x2",
    "REG_STORE": "FILE: type bad: VALUE: bytes 30 to 34 are outside the instance of 32 bytes",
    "REG_RESET": "FILE: type bad: VALUE: reset value or write mask has bits above its 32 bits",
    "REG_NOTHING": "FILE: type bad: OTHER: has neither storage nor hooks: it is PB_RO, PB_RAZ_WI or PB_UNMODELLED",
    "REG_HOOK": "FILE: type bad: VALUE: a register that ignores writes has a write hook",
    "FIELD_OUTSIDE": "FILE: type bad: VALUE: field HIGH, bits 35 to 4, is outside its 32 bits",
    "FIELD_OVERLAP": "FILE: type bad: VALUE: field HIGH overlaps another one",
    "CLAIMED_TWICE": "FILE: type bad: 'array' and 'OTHER' claim the same bytes of the instance",
    "REGION_SIZE": "FILE: type bad: regs: the region has no size",
    "TYPE_TWICE": "FILE: type bad: stands in the plugin twice",
    "UNDEFINED": "FILE: cannot be opened: undefined symbol: nobody_has_this",
    "NOT_UTF8": "FILE: a text in its tables is not UTF-8",
    "DEPENDENCY": "FILE: cannot be opened: libpatchbay-gone.so: cannot open shared object file: No such file or directory",
}

passed = failed = skipped = 0


def judge(name, wanted, tool, file):
    """One case: opening the file must fail with this line."""
    global passed, failed
    result = subprocess.run([tool, file, file.with_suffix(".json")], stdout=subprocess.PIPE,
                            stderr=subprocess.STDOUT, text=True, check=False)
    pattern = re.escape("patchbay-manifest: " + wanted.replace("FILE", str(file)) + "\n")
    if result.returncode == 1 and re.fullmatch(pattern.replace("NUMBER", r"\d+"), result.stdout):
        passed += 1
        return
    failed += 1
    print(f"{name}: status {result.returncode}\n  is:       {result.stdout}  expected: {wanted}")


def compile_plugin(compiler, includes, source, file, *arguments):
    subprocess.run([compiler, "-std=c11", "-g0", "-shared", "-fPIC", "-fvisibility=hidden",
                    "-Wl,--build-id", *includes, *arguments, "-o", file, source], check=True)


def main(tool, source_root, build_root):
    global passed, skipped
    source = pathlib.Path(source_root) / "tests/plugin/bad.c"
    includes = [f"-I{source_root}/abi", f"-I{build_root}/abi"]
    with tempfile.TemporaryDirectory() as place:
        folder = pathlib.Path(place)
        file = folder / "dev-bad.so"

        compile_plugin("cc", includes, source, file, "-DBAD=NOTHING")
        subprocess.run([tool, file, file.with_suffix(".json")], check=True)
        passed += 1  # the rest of it is right

        (folder / "gone.c").write_text("void gone(void);\nvoid gone(void) {}\n")
        compile_plugin("cc", [], folder / "gone.c", folder / "libpatchbay-gone.so",
                       "-fvisibility=default", "-Wl,-soname,libpatchbay-gone.so")
        for name, wanted in EXPECTED.items():
            more = [f"-L{place}", "-Wl,--no-as-needed", "-lpatchbay-gone"] if name == "DEPENDENCY" else []
            compile_plugin("cc", includes, source, file, f"-DBAD={name}", *more)
            if more:
                (folder / "libpatchbay-gone.so").unlink()
            judge(name, wanted, tool, file)

        file.write_text("#!/bin/sh\n" + "# not ELF\n" * 20)
        judge("text", "FILE: not a shared object (no ELF header)", tool, file)
        file.write_text("")
        judge("empty", "FILE: not a shared object (0 bytes)", tool, file)
        file.unlink()
        judge("missing", "FILE: No such file or directory", tool, file)
        file.mkdir()
        judge("folder", "FILE: not a file", tool, file)
        file.rmdir()

        if shutil.which("aarch64-linux-gnu-gcc"):
            compile_plugin("aarch64-linux-gnu-gcc", includes, source, file, "-DBAD=NOTHING")
            judge("foreign", "FILE: built for AArch64, this program runs on x86-64", tool, file)
        else:
            skipped += 1
            print("skipped: foreign architecture: aarch64-linux-gnu-gcc is not installed")
    print(f"{passed} passed, {failed} failed, {skipped} skipped")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
