#!/usr/bin/env python3
"""Makes the system cases of tests/insn/system: expected results from QEMU's system emulator.

usage: generate_system.py [--check | --cases] DIRECTORY

Writes the files that make up the machine, one file of cases for each topic, and for each model what answers of the
system registers; without the latter with --cases. --check writes nothing, runs the cases that are there, and
reports what QEMU does differently.

Needs binutils-aarch64-linux-gnu and qemu-system-arm.
"""

import argparse
import importlib
import os
import subprocess
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
sys.path[:0] = [HERE, os.path.join(ROOT, "tools", "decodegen")]
import corrections  # noqa: E402
import rows  # noqa: E402
import system  # noqa: E402
import system_machine  # noqa: E402
import system_probes  # noqa: E402
import system_rows  # noqa: E402

TOPICS = {"rows": "system_rows", "exceptions": "system_exceptions", "mmu": "system_mmu"}  # file: module


def qemu():
    version = subprocess.run(["qemu-system-aarch64", "--version"], stdout=subprocess.PIPE, check=True, text=True).stdout
    return f"{' '.join(system.command('MODEL', 'FILE'))}\n# {version.splitlines()[0]}"


def write_machine(folder):
    names = [r[0] for r in system_machine.REGISTERS]
    with open(os.path.join(folder, "registers.txt"), "w", encoding="utf-8") as out:
        out.write("# System registers that cases set and compare: name, encoding, value before a case, model\n")
        for row, encoding in zip(system_machine.REGISTERS, system.encodings(names)):
            out.write(f"{row[0]:<15} {encoding:#06x} {row[1]:#x} {row[2] if len(row) > 2 else 'all'}\n")
    with open(os.path.join(folder, "monitor.txt"), "w", encoding="utf-8") as out:
        out.write("# tools/insn-test/monitor.S, assembled: address, word, text\n")
        for address, word, text in system.monitor_words():
            out.write(f"{address:#x} {word:#010x} {text}\n")
    with open(os.path.join(folder, "memory.txt"), "w", encoding="utf-8") as out:
        out.write("# 64-bit words of memory that every case finds: address, value. tools/insn-test/system_machine.py\n")
        for address, value in sorted(system_machine.common_words().items()):
            out.write(f"{address:#x} {value:#x}\n")


def machine(folder):
    monitor, words = system.monitor_words(), system_machine.common_words()
    return monitor, words, system.read_registers(os.path.join(folder, "registers.txt"))


def run(cases, parts):
    """Sets the states after CASES, of any models."""
    for model in system.MODELS:
        chosen = [case for case in cases if case.model == model]
        if chosen:
            for case, after in zip(chosen, system.run_cases(chosen, *parts)):
                case.after = after


def make(topic):
    made = importlib.import_module(TOPICS[topic]).make()
    file = rows.File(os.path.join(ROOT, "plugins", "cpu-arm64", "a64.decode"))
    found, numbers = [], {}
    for (name, note, model, _, before), code in zip(made, system.assemble([text for _, _, _, text, _ in made])):
        if name == system_rows.ROW:
            name = file.find(code[0][1]).id
        numbers[name] = numbers.get(name, 0) + 1
        found.append(system.Case(" ".join([name, f"#{numbers[name]}", note]).strip(), model, code, before))
    return found


def write(path, cases, registers):
    with open(path, "w", encoding="utf-8") as out:
        out.write(f"# Made by tools/insn-test/generate_system.py; expected results from\n# {qemu()}\n")
        for case in cases:
            own = [r for r in registers if r.is_in(case.model)]
            out.write(system.write_case(case, own))


def write_probes(folder, monitor, registers):
    for model in system.MODELS:
        count = system_probes.write_file(
            os.path.join(folder, f"sysregs-{model}.txt"), model, monitor, registers,
            f"# Made by tools/insn-test/generate_system.py: read/write at EL0, EL1, EL2, EL3; results from\n# {qemu()}\n")
        print(f"{model}: {count} system registers and instructions")


def check(folder, parts):
    failed = total = 0
    for topic in TOPICS:
        cases = system.read_cases(os.path.join(folder, topic + ".txt"), parts[2])
        expected = [case.after for case in cases]
        run(cases, parts)
        for case, after in zip(cases, expected):
            total += 1
            if system.mapping(after, case.after) != system.mapping(after, after):
                failed += 1
                print(f"{topic}: {case.name}: differs by {system.mapping(after, case.after)}")
    print(f"{total - failed} passed, {failed} failed")
    return failed == 0 and total > 0


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("directory")
    parser.add_argument("--check", action="store_true")
    parser.add_argument("--cases", action="store_true", help="leave the system registers as they are")
    options = parser.parse_args()
    if options.check:
        sys.exit(0 if check(options.directory, machine(options.directory)) else 1)
    write_machine(options.directory)
    parts = machine(options.directory)
    for topic in TOPICS:
        cases = make(topic)
        run(cases, parts)
        cases = [case for case in cases if not corrections.is_unknown(case, case.after)]
        write(os.path.join(options.directory, topic + ".txt"), cases, parts[2])
        print(f"{topic}: {len(cases)} cases")
    if not options.cases:
        write_probes(options.directory, parts[0], parts[2])


if __name__ == "__main__":
    main()
