#!/usr/bin/env python3
"""usage: test_out_of_tree.py BUILD DEVICE-SCRIPT FOLDER NAME...

Installs the headers into an empty place and builds the sample in FOLDER, named NAME, with what pkg-config says and nothing
else of this tree; opens it with the installed patchbay-manifest; runs its register scripts, if it has any.
"""

import os
import pathlib
import subprocess
import sys
import tempfile

passed = failed = 0


def case(name, command, **options):
    """Runs a command as one test case; what it prints is shown if it fails."""
    global passed, failed
    result = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                            check=False, **options)
    if result.returncode == 0:
        passed += 1
    else:
        failed += 1
        print(f"{name}: {' '.join(map(str, command))}\n{result.stdout}")
    return result.stdout if result.returncode == 0 else None


def main(build, script, folder, name):
    folder = pathlib.Path(folder)
    with tempfile.TemporaryDirectory() as place:
        root = pathlib.Path(place)
        case("install", ["meson", "install", "-C", build, "--no-rebuild", "--destdir", place])
        packages = next(root.rglob("patchbay.pc"), None)
        tool = next(root.rglob("patchbay-manifest"), None)
        if not packages or not tool:
            print("patchbay.pc or patchbay-manifest is not installed")
            return 1
        environment = dict(os.environ, PKG_CONFIG_PATH=str(packages.parent), PATCHBAY_PLUGIN_PATH=place)
        flags = case("pkg-config", ["pkg-config", f"--define-variable=prefix={tool.parent.parent}", "--cflags",
                                    "patchbay"], env=environment)
        plugin = root / f"{name}.so"
        sources = sorted(folder.glob("*.c"))
        case("build", ["cc", "-std=c11", "-Wall", "-Wextra", "-Werror", "-Wno-unused-parameter",
                       "-Wno-missing-field-initializers", "-shared", "-fPIC", "-fvisibility=hidden",
                       "-Wl,--build-id", *(flags or "").split(), "-o", plugin, *sources])
        case("manifest", [tool, plugin, plugin.with_suffix(".json")])
        if list(folder.glob("test_*.yaml")):
            output = case("script", [script, folder], env=environment)
            print(output or "")
    print(f"{passed} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
