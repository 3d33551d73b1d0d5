#!/usr/bin/env python3
"""usage: test_abi.py [--freeze] SOURCE-ROOT BUILD-ROOT

Compares the plugin ABI with the one that was last frozen, tests/abi/patchbay-1.abi, and opens and runs a plugin that is built
against the headers as they were then, tests/abi/frozen/1. Members may be added at the end of structures that begin with their
size, and types may be added; anything else breaks plugins that exist.

A break before the first release, or one with a new major version, is made deliberate by --freeze, which writes both anew.
"""

import argparse
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile

import surface

passed = failed = 0


def judge(name, result):
    global passed, failed
    if result.returncode == 0:
        passed += 1
        return
    failed += 1
    print(f"{name} ({result.returncode}):\n{result.stdout}")


def run(*command, **options):
    return subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                          check=False, **options)


def build_surface(source_root, build_root, folder):
    """A shared object with the debug information of all types, which names no folder of this machine."""
    text, file = folder / "surface.c", folder / "surface.so"
    text.write_text(surface.source(source_root / "abi"))
    subprocess.run(["cc", "-std=c11", "-g", "-shared", "-fPIC", "-fvisibility=hidden",
                    f"-I{source_root.resolve()}/abi", f"-I{build_root.resolve()}/abi", "-o", file, text.name],
                   check=True, cwd=folder)
    return file


def write_abi(file, output):
    subprocess.run(["abidw", "--no-corpus-path", "--no-comp-dir-path", "--no-show-locs",
                    "--out-file", output, file], check=True)


def freeze(source_root, build_root, baseline, frozen):
    with tempfile.TemporaryDirectory() as place:
        write_abi(build_surface(source_root, build_root, pathlib.Path(place)), baseline)
    shutil.rmtree(frozen, ignore_errors=True)
    shutil.copytree(source_root / "abi/patchbay", frozen / "patchbay",
                    ignore=shutil.ignore_patterns("*.build"))
    for path in (build_root / "abi/patchbay").glob("*.h"):
        shutil.copy(path, frozen / "patchbay")


def compare(source_root, build_root, baseline, folder):
    allowed, now = folder / "allowed.suppr", folder / "now.abi"
    allowed.write_text(surface.suppressions(source_root / "abi"))
    write_abi(build_surface(source_root, build_root, folder), now)
    judge("the ABI differs from the frozen one; see tests/abi/test_abi.py --help",
          run("abidiff", "--no-added-syms", "--suppressions", allowed, baseline, now))


def open_old_plugin(source_root, build_root, frozen, folder):
    sample = source_root / "tests/plugin/sample-device"
    plugin = folder / "dev-sample.so"
    judge("building against the frozen headers",
          run("cc", "-std=c11", "-shared", "-fPIC", "-fvisibility=hidden", "-Wl,--build-id",
              f"-I{frozen}", "-o", plugin, *sorted(sample.glob("*.c"))))
    judge("opening a plugin that was built against the frozen headers",
          run(build_root / "tools/manifest/patchbay-manifest", plugin, plugin.with_suffix(".json")))
    judge("running it", run(build_root / "tests/device/patchbay-device-script", sample,
                            env=dict(os.environ, PATCHBAY_PLUGIN_PATH=str(folder))))


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--freeze", action="store_true")
    parser.add_argument("source_root", type=pathlib.Path)
    parser.add_argument("build_root", type=pathlib.Path)
    arguments = parser.parse_args()
    here = arguments.source_root / "tests/abi"
    baseline, frozen = here / "patchbay-1.abi", here / "frozen/1"

    if not shutil.which("abidw"):
        print("abidw and abidiff (abigail-tools) are not installed")
        return 77
    if arguments.freeze:
        freeze(arguments.source_root, arguments.build_root, baseline, frozen)
        return 0
    with tempfile.TemporaryDirectory() as place:
        folder = pathlib.Path(place)
        compare(arguments.source_root, arguments.build_root, baseline, folder)
        open_old_plugin(arguments.source_root, arguments.build_root, frozen, folder)
    print(f"{passed} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
