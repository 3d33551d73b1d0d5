#!/usr/bin/env python3
"""The patchbay command from outside: statuses, texts, files that cannot be loaded.

usage: test_command.py PATCHBAY [UNITTEST-ARGUMENT...]
"""

import hashlib
import json
import os
import pathlib
import platform
import re
import stat
import struct
import subprocess
import sys
import tempfile
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
import cases  # noqa: E402
import program  # noqa: E402

PATCHBAY = os.path.abspath(sys.argv.pop(1))


class Command(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = folder.name

    def file(self, name, content):
        path = os.path.join(self.folder, name)
        with open(path, "wb") as file:
            file.write(content if isinstance(content, bytes) else content.encode())
        return path

    def run_command(self, *arguments, timeout=60):
        done = subprocess.run([PATCHBAY, *arguments], stdin=subprocess.DEVNULL, cwd=self.folder,
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=timeout)
        return done.returncode, done.stdout.decode(), done.stderr.decode()

    def good(self, *arguments, **options):
        status, out, err = self.run_command(*arguments, **options)
        self.assertEqual(status, 0, err)
        return out

    def refused(self, text, *arguments):
        status, out, err = self.run_command(*arguments)
        self.assertIn(text, err)
        self.assertEqual(status, 2, err)
        return err


class Usage(Command):
    def test_no_arguments(self):
        self.assertIn("usage: patchbay COMMAND", self.refused(""))

    def test_help_everywhere(self):
        self.assertIn("patchbay list machines", self.good("--help"))
        for command in ("run", "check", "list", "describe", "schema", "report", "new"):
            self.assertIn("Usage:\n  patchbay " + command, self.good(command, "--help"))

    def test_version(self):
        self.assertRegex(self.good("--version"), r"^patchbay \d+\.\d+")

    def test_unknown(self):
        self.refused("there is no command 'chek'; did you mean 'check'?", "chek")
        self.refused("Unknown option --kernle", "run", "arm-virt", "--kernle", "x")
        self.refused("one machine is expected", "run")
        self.refused("one machine is expected", "run", "arm-virt", "arm-mini")
        self.refused("there is no machine 'arm-vrit'; did you mean 'arm-virt'?", "run", "arm-vrit")
        self.refused("NAME=VALUE is expected", "run", "arm-virt", "--set", "ram")
        self.refused("there is no log item ''; there are guest, ", "run", "arm-virt", "--log", "")
        self.refused("there is no log item 'exce'", "run", "arm-virt", "--log", "exce")
        self.refused("cannot write the log", "run", "arm-virt", "--log-file", "/nonexistent/log")
        self.refused("there is no list 'device'; did you mean 'devices'?", "list", "device")
        self.refused("there is no type or machine 'pl01'; did you mean 'pl011'?", "describe", "pl01")
        for words in ([], ["gaps"], ["missing", "pl011", "pl031"]):
            self.refused("'missing' is expected", "report", *words)
        self.refused("one type or machine is expected", "describe")
        self.refused("one type or machine is expected", "describe", "pl011", "pl031")
        self.refused("one list is expected", "list", "devices", "cpus")
        self.refused("no arguments are expected", "schema", "x")
        self.refused("there is no command '--hepl'; did you mean '--help'?", "--hepl")
        for command in ("run", "check", "list", "describe", "schema", "report", "new"):
            self.refused("Unknown option --nonsense", command, "--nonsense")

    def test_parameters(self):
        for option, text in (("rma=1", "--set rma: machine 'arm-virt' has no parameter 'rma'; did you mean 'ram'?"),
                             ("ram=lots", "--set ram: ram: 'lots' is not a size, such as 4096, 64KiB or 1GiB"),
                             ("ram=", "--set ram: ram: '' is not a size, such as 4096, 64KiB or 1GiB"),
                             ("ram=-1", "--set ram: ram: '-1' is not a size, such as 4096, 64KiB or 1GiB"),
                             ("ram=1", "--set ram: ram: 1 is outside 16MiB to 255GiB"),
                             ("ram=100TiB", "--set ram: ram: 100TiB is outside 16MiB to 255GiB"),
                             ("cpus=two", "--set cpus: cpus: 'two' is not a number, such as 16 or 0x10"),
                             ("cpus=0", "--set cpus: cpus: 0 is outside 1 to 123"),
                             ("el2=maybe", "--set el2: el2: 'maybe' is not true or false"),
                             ("gic=4", "--set gic: '4' is no choice of parameter 'gic'; there are 2, 3"),
                             ("=1", "patchbay: check: --set =1: NAME=VALUE is expected"),
                             ("ram", "patchbay: check: --set ram: NAME=VALUE is expected")):
            self.assertTrue(self.refused("", "check", "arm-virt", "--set", option).startswith(text), option)
        self.refused("Missing argument for --set", "check", "arm-virt", "--set")

    def test_output(self):
        """Errors go to standard error and pages to standard output. What cannot be written is an error."""
        for words in (["--help"], ["--version"], ["run", "--help"], ["list"], ["describe", "pl011"], ["schema"],
                      ["report", "missing"], ["run", "arm-virt", "--dump-yaml"]):
            status, out, err = self.run_command(*words)
            self.assertEqual((status, err), (0, ""), words)
            self.assertNotEqual(out, "")
            self.assertNotIn("\x1b", out)
            for place, why in (("/dev/full", "No space left"), ("&-", "Bad file descriptor")):
                done = subprocess.run(["sh", "-c", f'"$0" "$@" >{place}', PATCHBAY, *words], cwd=self.folder,
                                      stdin=subprocess.DEVNULL, stderr=subprocess.PIPE, timeout=60, check=False)
                self.assertIn(b"patchbay: cannot write the output: " + why.encode(), done.stderr)
                self.assertEqual(done.returncode, 1, words)
        status, out, err = self.run_command("check", "arm-vrit")
        self.assertEqual((status, out), (2, ""))
        self.assertTrue(err.startswith("patchbay: "))

    def test_closed_files(self):
        """No file that the machine opens takes the place of a standard one."""
        kernel = self.file("kernel", program.elf(program.prints("hello\n")))
        disk = self.file("disk", bytes(4096))
        done = subprocess.run(["sh", "-c", '"$0" "$@" <&- >&- 2>&-', PATCHBAY, "run", "arm-virt", "--kernel", kernel,
                               "--drive", disk], cwd=self.folder, timeout=60, check=False)
        self.assertEqual(done.returncode, 0)
        with open(disk, "rb") as file:
            self.assertEqual(file.read(), bytes(4096))

    def test_unreadable_machines(self):
        self.refused("cannot open 'none.yaml': No such file", "check", "none.yaml")
        self.refused("cannot read './': Is a directory", "check", "./")
        self.file("long.yaml", "#" * (5 << 20))
        self.refused("longer than", "check", "long.yaml")
        self.refused("not YAML", "check", self.file("zeros.yaml", bytes(100)))


CPU = "cpus: { c: { type: arm64/max%s } }\n"


class HostileFiles(Command):
    """Machine files that want to be expensive, confusing or dangerous: a clear line, at once."""

    def says(self, text, content, suffix=""):
        name = "m.yaml"
        status, out, err = self.run_command("check", self.file(name, content), timeout=300)
        self.assertEqual((status, out), (2, ""), err)
        self.assertTrue(err.startswith(f"{self.folder}/{name}:{text}"), err[:500])
        self.assertTrue(err.endswith(suffix + "\n"), err[-500:])
        self.assertLess(len(err), 500000)

    def right(self, content):
        self.good("check", self.file("m.yaml", content))

    def test_encodings(self):
        text = "machine: m\n" + CPU % "" + "memory: { ram: { at: 0, size: 1MiB } }\n"
        for content in (text, "\ufeff" + text, text.replace("\n", "\r\n"), text.replace("\n", "\r")):
            self.right(content)
        self.right(text.encode("utf-16"))
        wrong = text.replace("max", "maxx")
        for content in (wrong, "\ufeff" + wrong, wrong.replace("\n", "\r\n"), wrong.replace("\n", "\r")):
            self.says("2:20: plugin cpu-arm64 has no cpu type 'maxx'", content)
        self.says("1:1: this is not YAML: invalid leading UTF-8 octet", b"machine: m\xff\n")
        self.says("1:1: this is not YAML: control characters are not allowed", b"machine: m\0\n")
        self.says("1:10: a value with a zero byte in it", 'machine: "a\\0b"\n')
        self.says("2:1: this is not YAML: found a tab character", "machine: m\n\tcpus: 1\n")

    def test_control_characters(self):
        """No text of the file reaches the terminal as a command, or looks like a line of ours."""
        self.says("2:1: unknown key '\\x1b[31mred\\x0a\\xc2\\x9b' in a machine\n", 'machine: m\n"\\e[31mred\\n\\u009b": 1\n')

    def test_structure(self):
        self.says("1:42: nested more than 32 levels deep", "machine: " + "[" * 100000)
        self.says("2:132: nested more than 32 levels deep", "machine: m\nx: " + "{a: " * 50000)
        levels = "".join(f"{chr(98 + i)}: &{chr(98 + i)} [{','.join(['*' + chr(97 + i)] * 9)}]\n" for i in range(12))
        self.says("5:4: more than 20000 values, counted with aliases", "a: &a [x,x,x,x,x,x,x,x,x]\n" + levels)
        self.says("1:1: more than 20000 values", "machine: m\n" + "".join(f"k{i}: 1\n" for i in range(30000)))
        self.says("2:1: key 'machine' is here a second time; the first is in line 1", "machine: m\nmachine: n\n")
        self.says("3:1: a second document; a file has one machine", "machine: m\n---\nmachine: n\n")
        self.says("1:1: unknown tag 'tag:yaml.org,2002:python/object'", "!!python/object machine: m\n")
        self.says("1:1: this is not YAML: found incompatible YAML document", "%YAML 9.9\n---\nmachine: m\n")
        self.says("1:290: more than 32 files", "include: [" + ",".join(["arm-virt"] * 5000) + "]\n")

    def test_long_texts(self):
        self.says("1:10: a value of more than 65536 bytes", "machine: " + "a" * 70000)
        self.says("2:3: a value of more than 65536 bytes", "machine: m\n? " + "a" * 70000 + "\n: 1\n")
        self.says("2:1: unknown key 'aaaaa", "machine: m\n" + "a" * 900 + ": 1\n", "a' in a machine")
        self.says("2:3: unknown key 'aaaaa", "machine: m\n? " + "a" * 5000 + "\n: 1\n", "a...")
        self.says("2:1: unknown key 'k0' in a machine\n", "machine: m\n" + "".join(f"k{i}: 1\n" for i in range(5000)),
                  "unknown key 'k99' in a machine\nand 4900 more errors")

    def test_expressions(self):
        text = "machine: m\nparameters: { a: { type: string, default: " + "a" * 40000 + " } }\n"
        self.says("3:42: this makes a value of more than 65536 bytes", text + CPU % ", psci: '${a}${a}'")
        self.says("3:42: this makes a value of more than 65536 bytes", text + CPU % ", psci: '${a + a}'")
        self.says("4:", text + CPU % "" + "devices: { d: { type: pl011, at: 0, repeat: 4096, serial: '${a + a}' } }\n")
        self.says("3:", text + "devices: { d: { type: cfi-flash, at: '${i * 0x4000000}', repeat: 4096, file: '${a + i}' } }\n")
        self.says("2:60: the machine's expressions are too long, counted as often as they are used",
                  "machine: m\ndevices: { d: { type: pl011, irq: '', repeat: 4096, at: '${" + "1+" * 30000 + "i * 0x1000}' } }\n")
        self.says("2:101: the expression is nested too deeply", "machine: m\n" + CPU % (", when: " + "(" * 60000))


class Pages(Command):
    def test_lists(self):
        self.assertRegex(self.good("list", "machines"), r"arm-mini .*\n.*arm-virt ")
        self.assertRegex(self.good("list", "devices"), r"\n  pl011 +Arm PrimeCell UART\n")
        told = re.findall(r"(?m)^(\w+):$", self.good("list"))
        self.assertIn("[" + "|".join(told) + "]", self.good("list", "--help"))
        for name in told:
            self.assertTrue(self.good("list", name).startswith(f"{name}:\n"))

    def test_describe(self):
        self.assertIn("UARTDR", self.good("describe", "pl011"))
        self.assertIn("uart0: pl011\n    0x0009000000-0x0009000fff", self.good("describe", "arm-virt"))
        self.assertIn("virtio[31]", self.good("describe", "arm-virt"))

    def test_describe_wrong_machines(self):
        """What can be told is told, and the errors."""
        for text in ("[]", "x", "machine: [a]", "machine: m\ndoc: {a: b}", "machine: m\nparameters: [1]",
                     "machine: m\nparameters: { a: 5, b: { choices: 5 }, c: { choices: [[1], 2] }, d: [1] }",
                     "machine: m\nattach: [1]", "machine: m\nattach: { a: 5, b: [1] }"):
            status, _, err = self.run_command("describe", self.file("m.yaml", text))
            self.assertEqual(status, 2, text)
            self.assertIn("m.yaml:", err)
        for file in (pathlib.Path(__file__).parent / "bad").glob("*.yaml"):
            for arguments in (["describe", file], ["run", file, "--dump-yaml"]):
                self.assertIn(self.run_command(*arguments)[0], (0, 2), file)
        status, out, _ = self.run_command("describe", self.file("m.yaml", 'machine: m\ndoc: "\\e[2J"\n' + CPU % ""))
        self.assertEqual((status, out.splitlines()[0]), (0, "m: \\x1b[2J"))

    def test_schema(self):
        """What needs no library of schemas; test_schema.py has the rest."""
        self.assertIn("pl011", json.dumps(json.loads(self.good("schema"))["definitions"]["device"]))

    def test_gaps(self):
        out = self.good("report", "missing", "pl011")
        self.assertRegex(out, r"^pl011: 12\n(  .*\n){12}\n12 known and not modelled\n$")
        self.assertIn("\n  field UARTCR.SIREN: SIR enable\n", out)
        self.refused("there is no type 'pl012'; did you mean 'pl011'?", "report", "missing", "pl012")

    def test_gaps_of_a_family(self):
        """Types of a plugin that miss the same are told, and counted, once."""
        out = self.good("report", "missing", "arm64")
        self.assertRegex(out, r"^arm64/cortex-a53, arm64/cortex-a57, .*: (\d+)\n(  .*\n)*\n\1 known and not modelled\n$")
        self.assertRegex(self.good("report", "missing", "gic"), r"(?s)^gic/v2: .*\ngic/v3: .*LPIs")

    def test_gaps_of_all(self):
        out = self.good("report", "missing")
        counts = re.findall(r"(?m)^\S.*: (\d+)$", out)
        self.assertEqual(len(re.findall(r"(?m)^  ", out)), sum(map(int, counts)))
        self.assertTrue(out.endswith(f"\n{sum(map(int, counts))} known and not modelled\n"))


class New(Command):
    def test_device(self):
        """What `new device` makes builds with the headers alone and passes its own test."""
        self.assertIn("make -C dev-egg-timer check", self.good("new", "device", "egg-timer"))
        made = subprocess.run(["make", "-C", "dev-egg-timer", "check", "CFLAGS=-Werror"], cwd=self.folder,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=60)
        self.assertEqual(made.returncode, 0, made.stdout.decode())
        self.assertIn(b"2 passed, 0 failed", made.stdout)
        self.refused("cannot create the folder 'dev-egg-timer'", "new", "device", "egg-timer")

    def test_wrong_names(self):
        for name in ("", "Timer", "9x", "a/b", "../x", "x-", "a" * 41):
            self.refused("is no name for a type", "new", "device", name)
        self.refused("'device' and a name are expected", "new", "device")
        self.refused("'device' and a name are expected", "new", "cpu", "x")


class Machines(Command):
    def test_every_machine_is_right(self):
        for line in self.good("list", "machines").splitlines()[1:]:
            status, _, err = self.run_command("check", line.split()[0])
            self.assertEqual((status, err), (0, ""), line)

    def test_variants(self):
        self.good("check", "arm-virt", "--set", "gic=3", "--set", "cpus=123", "--set", "cpu=max")
        self.good("check", "arm-virt", "--set", "virtio=pci", "--drive", "a", "--drive", "b", "--net", "user")
        self.good("check", "arm-virt", *["--drive=x"] * 32)
        self.refused("no port is free for 'bus' of 'drive32'", "check", "arm-virt", *["--drive=x"] * 33)
        self.refused("a GICv2 has at most 8 processors, not 9", "check", "arm-virt", "--set", "cpus=9")

    def test_dump(self):
        """What is dumped is a machine file that dumps to itself, and runs."""
        kernel = self.file("kernel", program.elf(program.prints("dumped\n")))
        for machine, options in (("arm-mini", []),
                                 ("arm-virt", ["--set", "cpus=3", "--drive", "x,serial=$y", "--net", "user",
                                               "--deterministic"]),
                                 ("arm-virt", ["--set", "gic=3", "--set", "virtio=pci", "--drive", "x"])):
            dump = self.good("run", machine, "--kernel", kernel, "--dump-yaml", *options)
            path = self.file("dump.yaml", dump)
            self.assertEqual(self.good("run", path, "--dump-yaml"), dump)
        dump = self.good("run", "arm-virt", "--kernel", kernel, "--dump-yaml")
        self.assertEqual(self.good("run", self.file("dump.yaml", dump)), "dumped\n")

    def test_dump_is_the_same_machine(self):
        """All state is the same, after loading and later."""
        kernel = self.file("kernel", program.elf(program.spins(30000)))
        disk = self.file("disk", bytes(4096))
        for options in ([], ["--set", "gic=3", "--set", "cpus=2", "--set", "virtio=pci", "--drive", disk]):
            machine = ["run", "arm-virt", "--kernel", kernel, "--deterministic", *options]
            path = self.file("dump.yaml", self.good(*machine, "--dump-yaml"))
            first = self.run_command(*machine, "--state-hash", "10000")
            again = self.run_command("run", path, "--state-hash", "10000")
            self.assertGreater(len(first[2].splitlines()), 3)
            self.assertEqual(first, again)

    def test_own_machine(self):
        """A board that includes another, beside the file that it is in."""
        self.file("kernel", program.elf(program.prints("mine\n")))
        self.file("mine.yaml", "include: arm-virt\nmachine: mine\n"
                  "parameters: { kernel: { default: kernel }, ram: { default: 32MiB } }\n"
                  "devices: { pcie: null }\n")
        self.assertEqual(self.good("run", "mine.yaml"), "mine\n")


class Documents(Command):
    def test_machines_in_documents(self):
        """Each YAML block that is a machine of the README and of docs/ is right."""
        tree = pathlib.Path(__file__).resolve().parents[2]
        found = 0
        for page in [tree / "README.md", *(tree / "docs").glob("*.md")]:
            for block in re.findall(r"```yaml\n(.*?)```", page.read_text(encoding="utf-8"), re.DOTALL):
                if re.match("machine:|include:", block):
                    found += 1
                    status, _, err = self.run_command("check", self.file("block.yaml", block))
                    self.assertEqual((status, err), (0, ""), f"{page.name}:\n{block}")
        self.assertGreaterEqual(found, 3)

    def test_options_are_documented(self):
        tree = pathlib.Path(__file__).resolve().parents[2]
        page = (tree / "docs" / "command.md").read_text(encoding="utf-8")
        manual = (tree / "tools" / "patchbay" / "patchbay.1").read_text(encoding="utf-8").replace("\\-", "-")
        for option in re.findall(r"^ +(?:-h, )?(--[a-z-]+)", self.good("run", "--help"), re.MULTILINE):
            if option != "--help":
                self.assertIn(option, page)
                self.assertIn(option, manual)


class Runs(Command):
    def kernel(self, content, name="kernel"):
        return self.file(name, content)

    def runs(self, content, expected, *options):
        out = self.good("run", "arm-virt", "--kernel", self.kernel(content), *options)
        self.assertEqual(out, expected)

    def test_formats(self):
        words = program.prints("hello\n")
        self.runs(program.elf(words), "hello\n")
        self.runs(program.image(words), "hello\n")
        self.runs(program.packed(program.image(words)), "hello\n")
        self.runs(program.packed(program.elf(words)), "hello\n")
        self.runs(program.image(words, offset=0x80000), "hello\n")

    def test_modes(self):
        words = program.prints("hello\n")
        self.runs(program.elf(words), "hello\n", "--deterministic")
        self.runs(program.elf(words), "hello\n", "--set", "cpus=4")
        self.runs(program.elf(words), "hello\n", "--set", "gic=3", "--set", "cpus=4", "--deterministic")
        self.runs(program.elf(words), "hello\n", "--no-reboot")
        self.runs(program.elf(words), "hello\n", "--check")

    def test_reset_ends_the_run(self):
        self.runs(program.elf(program.prints("x", program.PSCI_SYSTEM_RESET)), "x", "--no-reboot")

    def test_reset_starts_again(self):
        """The program prints and resets, for ever; three times are enough."""
        kernel = self.kernel(program.elf(program.prints("r", program.PSCI_SYSTEM_RESET)))
        guest = subprocess.Popen([PATCHBAY, "run", "arm-virt", "--kernel", kernel], stdin=subprocess.DEVNULL,
                                 stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        try:
            self.assertEqual(guest.stdout.read(3), b"rrr")
        finally:
            guest.terminate()
            guest.communicate(timeout=300)
        self.assertEqual(guest.returncode, 128 + 15)

    def test_statistics(self):
        kernel = self.kernel(program.elf(program.prints("")))
        _, _, err = self.run_command("run", "arm-virt", "--accel", "interp", "--kernel", kernel, "--statistics")
        self.assertRegex(err, r"(?m)^instructions: 5$")
        self.assertRegex(err, r"(?m)^nanoseconds to first instruction: \d+$")
        self.assertRegex(err, r"(?m)^resident KiB: \d+$")
        _, _, err = self.run_command("run", "arm-virt", "--accel", "jit", "--kernel", kernel, "--statistics")
        self.assertRegex(err, r"(?m)^units translated: [1-9]\d*$")
        self.assertRegex(err, r"(?m)^guest instructions translated: [5-9]$")
        self.assertRegex(err, r"(?m)^nanoseconds of translation: [1-9]\d*$")
        self.assertRegex(err, r"(?m)^bytes of code in published units: [1-9]\d*$")

    @unittest.skipUnless(platform.machine() == "x86_64", "there is no code generator for this host")
    def test_statistics_of_the_compiler(self):
        kernel = self.kernel(program.elf(program.spins(1000)))
        for options, counted in (("--deterministic",), True), ((), False):
            status, _, err = self.run_command("run", "arm-virt", "--kernel", kernel, "--statistics", "--accel", "jit",
                                              *options)
            self.assertEqual(status, 0, err)
            for name in "units alive", "cache bytes in use", "jumps linked", "slabs evicted", "units dropped as stale":
                self.assertRegex(err, rf"(?m)^{name}: \d+$")
            self.assertEqual("instructions: " in err, counted, err)
            self.assertRegex(err, r"(?m)^accesses by the slow path: \d\d?$")  # of the text

    @unittest.skipUnless(platform.machine() == "x86_64", "there is no code generator for this host")
    def test_statistics_of_code(self):
        """Sizes, records' share, and what the jump tables and the first level of the TLB have not."""
        words = program.mov(7, 0x40100000) + program.mov(8, 0x40500000) + program.mov(2, 1000) + [
            0xf90000e2, 0xf9000102,                     # str x2, [x7]; str x2, [x8]: the same entry of the first level
            0xf1000442, 0x54ffffa1]                     # subs x2, x2, #1; b.ne to the first str
        words += program.mov(6, program.START + 4 * (len(words) + 3)) + [0xd61f00c0]  # br x6, to what follows
        kernel = self.kernel(program.elf(words + program.prints("done\n")))
        for options in (["--deterministic"], []):
            status, out, err = self.run_command("run", "arm-virt", "--kernel", kernel, "--statistics", "--accel", "jit",
                                                *options)
            self.assertEqual((status, out), (0, "done\n"), err)
            numbers = {name: int(n) for name, n in re.findall(r"(?m)^(.*): (\d+)$", err)}
            sizes = [n for name, n in numbers.items() if re.match(r"units of (up to \d+|more) bytes", name)]
            self.assertEqual((len(sizes), sum(sizes)), (7, numbers["units published"]), err)
            code, records = numbers["bytes of code in published units"], numbers["bytes of it that are records"]
            self.assertTrue(5 * 20 < records < code, err)  # of the five characters' stores and those of the loop
            self.assertEqual(numbers["records in percent"], 100 * records // code)
            self.assertGreaterEqual(numbers["indirect jumps looked up"], 1)
            beside = numbers["accesses by the second level of the TLB"] + numbers["accesses by the slow path"]
            self.assertTrue(2000 <= beside < 4100, err)  # counted, some are begun twice
            self.assertGreaterEqual(numbers["accesses by the slow path"], 5)
            guide = (pathlib.Path(__file__).resolve().parents[2] / "docs" / "user-guide.md").read_text(encoding="utf-8")
            table = re.search(r"(?ms)^\| number \|.*?\n\n", guide)[0]
            named = {name for row in re.findall(r"(?m)^\| (`[^|]*) \|", table) for name in re.findall("`([^`]*)`", row)}
            self.assertEqual(named - (set() if options else {"instructions"}), set(numbers))

    def test_perf(self):
        kernel = self.kernel(program.elf(program.prints("A")))
        out = self.good("run", "arm-virt", "--accel", "jit", "--kernel", kernel, "--perf-map=map", "--jitdump", ".")
        self.assertEqual(out, "A")
        with open(os.path.join(self.folder, "map"), encoding="utf-8") as file:
            text = file.read()
        self.assertRegex(text, r"\A[0-9a-f]+ [0-9a-f]+ thunks\n")
        self.assertRegex(text, r"(?m)^[0-9a-f]+ [0-9a-f]+ 0x40080000 ")
        dumps = [name for name in os.listdir(self.folder) if re.fullmatch(r"jit-\d+\.dump", name)]
        self.assertEqual(len(dumps), 1)
        self.refused("No such file or directory", "run", "arm-virt", "--kernel", kernel, "--perf-map=none/map")

    def test_hot(self):
        """All but some of the time goes into the loop of two instructions."""
        kernel = self.kernel(program.elf(program.spins(300000000)))
        _, out, err = self.run_command("run", "arm-virt", "--accel", "jit", "--kernel", kernel, "--hot", "1")
        self.assertEqual(out, "done\n")
        hot = re.search(r"(?m)^1\. (\d+)\.\d% 0x40080008 ", err)
        self.assertTrue(hot, err)
        self.assertGreater(int(hot[1]), 50)
        self.assertRegex(err, r"(?m)^ .* 0x0000000040080008:  420400f1  subs x2, x2, #1$")
        self.assertNotRegex(err, r"(?m)^2\. ")
        self.refused("--hot", "run", "arm-virt", "--kernel", kernel, "--hot=-1")

    def test_symbols(self):
        """Where addresses are shown, so are names: in the log, in reports, for perf."""
        kernel = self.kernel(program.elf(program.spins(300000000)))
        symbols = self.file("System.map", "0 T start\n8 t loop\n10 T behind\n1000 D data\n") + ",offset=0x40080000"
        _, out, err = self.run_command("run", "arm-virt", "--accel", "jit", "--kernel", kernel, "--hot", "1",
                                       "--perf-map=map", "--symbols", symbols)
        self.assertEqual(out, "done\n")
        self.assertRegex(err, r"(?m)^1\. \d+\.\d% loop 0x40080008 ")
        self.assertRegex(err, r"(?m)^ .* 0x000000004008000c <loop\+0x4>:  e1ffff54  b.ne #0x40080008 <loop>$")
        with open(os.path.join(self.folder, "map"), encoding="utf-8") as file:
            self.assertRegex(file.read(), r"(?m)^[0-9a-f]+ [0-9a-f]+ start 0x40080000 ")
        kernel = self.kernel(program.elf([0xd4000001] + program.prints("")))  # svc #0
        self.run_command("run", "arm-virt", "--kernel", kernel, "--log", "exec,in_asm,ir,int", "--log-file", "log",
                         "--symbols", symbols, "--stop-at", "4", "--deterministic")
        with open(os.path.join(self.folder, "log"), encoding="utf-8") as file:
            log = file.read()
        self.assertRegex(log, r"(?m)^exec cpu0 0x40080000 <start> ")
        self.assertRegex(log, r"(?m)^0x0000000040080000 <start>:  ")
        self.assertRegex(log, r"(?m)^ *insn 0x40080000 <start> ")
        self.assertRegex(log, r"(?m)exception: .* pc 0x40080004 <start\+0x4> ")
        self.refused("cannot open", "run", "arm-virt", "--kernel", kernel, "--symbols", "none")

    @unittest.skipUnless(platform.machine() == "x86_64", "there is no code generator for this host")
    def test_log_code(self):
        """Each unit's code: instructions, operations, places of values, paths with their recovery maps."""
        words = program.mov(1, 0x09000000) + [0xd2800003 | ord("A") << 5,  # mov x3, #'A'
                                              0xf1000462,                  # subs x2, x3, #1
                                              0x91000694,                  # add x20, x20, #1
                                              0xb9000023]                  # str w3, [x1]
        words += program.mov(0, program.PSCI_SYSTEM_OFF) + [0xd4000002]    # hvc #0
        kernel = self.kernel(program.elf(words))
        out, log = self.logged("--kernel", kernel, "--accel", "jit,regions=off", "--log", "code")
        self.assertEqual(out, "A")
        self.assertRegex(log, r"(?m)^code cpu0 0x40080000 el1h\S*, \d+ instructions, \d+ bytes at 0x[0-9a-f]+$")
        self.assertRegex(log, r"(?m)^0x000000004008000c:  620400f1  subs x2, x3, #1$")
        self.assertRegex(log, r"(?m)^  ; %\d+:i64, %\d+:fl = sub\.fl %?\w+(:i64)?, 1:i64$")
        self.assertRegex(log, r"(?m)^  ;   x2 is in \w+, its own$")
        self.assertRegex(log, r"(?m)^    0x[0-9a-f]{16}:  [0-9a-f]+  test dword ptr \[rbp ")
        path = re.search(r"(?m)^off the main path: slow path, of st %\d+, %\d+ .*\n((?:  ; .*\n)+)    0x.*  call 0x", log)
        self.assertTrue(path, log)
        self.assertRegex(path[1], r"(?m)^  ;   x20 is in \w+$")
        self.assertNotIn("nowhere", log)
        self.assertRegex(log, r"(?m)^data\n    0x[0-9a-f]+: \d+ bytes$")

    @unittest.skipUnless(platform.machine() == "x86_64", "there is no code generator for this host")
    def test_log_passes(self):
        """What each pass does to a unit. That the texts are units that do the same is tested by tests/unit/ir/test_fuzz.c."""
        words = [0x91000421,                                                # add x1, x1, #1: of the loop
                 0xf100083f,                                                # cmp x1, #2: flags that nobody reads
                 0xf1000c3f,                                                # cmp x1, #3
                 0xd37ff824, 0x8b041084,                                    # lsl x4, x1, #1; add x4, x4, x4, lsl #4
                 0x8b010c45,                                                # add x5, x2, x1, lsl #3
                 0xa9000be1 & ~(31 << 5) | 7 << 5,                          # stp x1, x2, [x7]
                 0xf9000ce1,                                                # str x1, [x7, #24]
                 0x54000000 | (-8 & 0x7ffff) << 5 | 1] + program.prints("")  # b.ne loop
        kernel = self.kernel(program.elf([0xd2800001] + program.mov(7, 0x40100000) + words))
        names = ["flags", "dead", "patterns", "registers", "places", "spans"]
        for options, left_out in (("", ()), (",codegen-options=without=dead", ("dead",)),
                                  (",codegen-options=without=pairs+scaled+tests+lanes+fused", ("patterns",)),
                                  (",codegen-options=without=all", tuple(names)),
                                  (",codegen-options=baseline=true:without=spans+places", ("spans", "places"))):
            log = self.logged("--kernel", kernel, "--accel", "jit,regions=off" + options, "--log", "passes",
                              "--log-filter", "0x40080010")[1]
            units = re.split(r"(?m)^passes cpu0\n", log)[1:]
            self.assertGreaterEqual(len(units), 1)
            for unit in units:
                self.assertEqual(re.findall(r"(?m)^# pass (\w+)", unit), ["translation"] + names)
                self.assertIn("insn 0x40080010 ", unit)
                for name in names:
                    self.assertEqual(f"# pass {name}: left out\n" in unit, name in left_out, unit)
            unit = units[0]
            passes = dict(re.findall(r"(?ms)^# pass (\w+)[^\n]*\n(.*?)(?=^# pass |\Z)", unit))
            for name, found in (("flags", r"(?m)sub\.fl .*# flags read: N Z C V$"),
                                ("flags", r"(?m) = get \{slot=nzcv\}  # flags read: Z$"),
                                ("dead", r"(?m)^  # dropped: put %\d+ \{slot=nzcv\}; overwritten$"),
                                ("patterns", r"(?m)^  st .*# pairs: one access with st "),
                                ("patterns", r"(?m) shl .*# emitted with the operation that reads it$"),
                                ("registers", r"(?m)^# x1 is in \w+$"),
                                ("places", r"(?m) = add .*# computed in the register of x5$")):
                if name not in left_out:
                    self.assertRegex(passes[name], found)
            if "dead" not in left_out:  # behind it what was dropped is gone
                self.assertEqual(passes["patterns"].count("{slot=nzcv}") + 1, passes["translation"].count("{slot=nzcv}"))
        for options, found in ("", True), (",codegen-options=without=spans", False):
            log = self.logged("--kernel", kernel, "--accel", "jit,regions=always" + options, "--log", "passes")[1]
            self.assertEqual(re.search(r"(?m)^  st .*# the probe is that of st ", log) is not None, found, log)
            self.assertRegex(log, r"(?m)^# x[57] is in \w+, in this unit$")
        self.refused("without: there is no pass 'spam'; there are flags, dead", "run", "arm-virt", "--kernel", kernel,
                     "--accel", "jit,codegen-options=without=spans+spam")

    @unittest.skipUnless(platform.machine() == "x86_64", "there is no code generator for this host")
    def test_log_code_of_regions(self):
        """Of regions too, however they are made: there is a vCPU to read the guest's instructions by."""
        kernel = self.kernel(program.elf(program.spins(300000000)))
        for regions in "sampled", "always":
            out, log = self.logged("--kernel", kernel, "--accel", f"jit,regions={regions}", "--log", "code")
            self.assertEqual(out, "done\n")
            if regions == "always":
                self.assertRegex(log, r"(?m)^code cpu0 0x4008000[08] \S+ region, ")
            self.assertNotIn("not readable", log)

    def logged(self, *options):
        out = self.good("run", "arm-virt", *options, "--log-file", "log")
        with open(os.path.join(self.folder, "log"), encoding="utf-8") as file:
            return out, file.read()

    def test_log_filter(self):
        """Units with an instruction in a range, or in a symbol, and no others."""
        kernel = self.kernel(program.elf(program.spins(1000)))
        options = "--kernel", kernel, "--log", "in_asm,ir,exec", "--accel", "interp"
        units = set(re.findall(r"(?m)^unit \S+ pc=(0x\w+)", self.logged(*options)[1]))
        self.assertEqual(units, {"0x40080000", "0x40080004", "0x40080008", "0x4008000c"} | units)
        symbols = self.file("symbols", "40080008 T loop\n40080010 D behind\n")
        for words, wanted in ((("0x40080004",), {"0x40080004"}),
                              (("0x40080004-0x40080007,0x4008000c",), {"0x40080004", "0x4008000c"}),
                              (("loop", "--symbols", symbols), {"0x40080008", "0x4008000c"})):
            log = self.logged(*options, "--log-filter", *words)[1]
            self.assertEqual(set(re.findall(r"(?m)^unit \S+ pc=(0x\w+)", log)), wanted)
            self.assertEqual({found.lower() for found in re.findall(r"(?m)^exec cpu0 (0x\w+)", log)}, wanted)
        for word in "loop", "", "5-4", "0x40-", "-4", "4x":
            self.refused(f"--log-filter: '{word}' is neither", "run", "arm-virt", "--kernel", kernel,
                         f"--log-filter={word}" if word.startswith("-") else "--log-filter",
                         *([] if word.startswith("-") else [word]))

    def test_hot_without_code(self):
        kernel = self.kernel(program.elf(program.prints("")))
        _, _, err = self.run_command("run", "arm-virt", "--accel", "interp", "--kernel", kernel, "--hot", "1")
        self.assertIn("nothing was translated to host code", err)

    def test_log(self):
        kernel = self.kernel(program.elf(program.prints("A")))
        self.good("run", "arm-virt", "--kernel", kernel, "--log", "mmio,in_asm,ir,exec", "--log-file", "log")
        with open(os.path.join(self.folder, "log"), encoding="utf-8") as file:
            log = file.read()
        self.assertIn("mmio uart0.regs+0x0 write4 0x41 by 0\n", log)
        self.assertRegex(log, r"hvc #0\n")
        self.assertRegex(log, r"exec cpu0 0x40080000 ")
        self.assertRegex(log, r"(?m)^ir cpu0\nunit \S+ pc=0x40080000 ")
        self.assertRegex(log, r"(?m)^ +insn 0x40080000 4")

    def test_log_is_complete_or_an_error(self):
        kernel = self.kernel(program.elf(program.prints("A")))
        status, out, err = self.run_command("run", "arm-virt", "--kernel", kernel, "--log", "exec", "--log-file",
                                            "/dev/full")
        self.assertEqual((status, out), (1, "A"))
        self.assertIn("patchbay: the log is not complete", err)

    def test_serial_file(self):
        kernel = self.kernel(program.elf(program.prints("to a file\n")))
        out = self.good("run", "arm-virt", "--kernel", kernel, "--serial", "file,path=out.txt")
        self.assertEqual(out, "")
        with open(os.path.join(self.folder, "out.txt"), encoding="utf-8") as file:
            self.assertEqual(file.read(), "to a file\n")

    # ---- files that cannot be loaded

    def bad_kernel(self, text, content, *options):
        self.refused(text, "run", "arm-virt", "--kernel", self.kernel(content), *options)

    def test_no_kernel(self):
        self.refused("nothing to run: give a kernel", "run", "arm-virt")
        self.refused("No such file or directory", "run", "arm-virt", "--kernel", "none")
        self.refused("Is a directory", "run", "arm-virt", "--kernel", "/")

    def test_bad_kernels(self):
        words = program.prints("x")
        good = program.image(words)
        self.bad_kernel("is empty", b"")
        self.bad_kernel("is not a kernel", b"some text\n" * 100)
        self.bad_kernel("is not a kernel", b"MZ")
        self.bad_kernel("truncated", program.packed(good)[:-9])
        self.bad_kernel("damaged", program.packed(good)[:20] + b"\xff" * 50)
        self.bad_kernel("is not a kernel", program.packed(b"nothing"))
        self.bad_kernel("big-endian", program.image(words, flags=1))
        self.bad_kernel("damaged", program.image(words, size=80))
        self.bad_kernel("but not for little-endian AArch64", program.elf(words, machine=62))
        self.bad_kernel("not an executable", program.elf(words, kind=1))
        self.bad_kernel("truncated", program.elf(words)[:40])
        self.bad_kernel("outside the file", program.elf(words)[:100])
        self.bad_kernel("outside the file", program.elf(words)[:140])
        self.bad_kernel("but RAM is", program.elf(words, address=0x1000))
        self.bad_kernel("but RAM is", program.elf(words, memory_bytes=1 << 40))
        self.bad_kernel("but RAM is", program.image(words, size=1 << 30), "--set", "ram=16MiB")
        self.bad_kernel("but RAM is", program.image(words, offset=1 << 60))

    def test_bad_initrds(self):
        kernel = self.kernel(program.image(program.prints("x")))
        self.refused("No such file", "run", "arm-virt", "--kernel", kernel, "--initrd", "none")
        self.refused("is empty", "run", "arm-virt", "--kernel", kernel, "--initrd", self.file("e", b""))
        self.refused("given without a kernel", "run", "arm-virt", "--firmware", self.file("f", b"1234"), "--initrd",
                     kernel)
        large = self.file("large", b"")
        os.truncate(large, 20 << 20)
        self.refused("beside the kernel", "run", "arm-virt", "--kernel", kernel, "--initrd",
                     large, "--set", "ram=16MiB")

    def test_bad_trees(self):
        kernel = self.kernel(program.image(program.prints("x")))
        for text, content in (("is not a flattened device tree", b"x"), ("is not a flattened", bytes(100)),
                              ("truncated?", b"\xd0\x0d\xfe\xed\x00\x01\x00\x00" + bytes(100)),
                              ("damaged", b"\xd0\x0d\xfe\xed\x00\x00\x00\x40" + b"\xff" * 56)):
            self.refused(text, "run", "arm-virt", "--kernel", kernel, "--dtb", self.file("dtb", content))

    def test_bad_firmware(self):
        self.refused("No such file", "run", "arm-virt", "--firmware", "none")
        large = self.file("large", b"")
        os.truncate(large, 65 << 20)
        self.refused("flash0", "run", "arm-virt", "--firmware", large)

    def test_too_much_memory(self):
        kernel = self.kernel(program.image(program.prints("x")))
        with open("/proc/meminfo", encoding="ascii") as file:
            lines = dict(line.split(":") for line in file)
        kib = sum(int(lines[name].split()[0]) for name in ("MemTotal", "SwapTotal"))
        with open("/proc/sys/vm/overcommit_memory", encoding="ascii") as file:
            if file.read().strip() == "1" or kib > 250 << 20:
                self.skipTest("this host gives any amount of memory")
        self.refused("patchbay: ram: the machine's memory would be 261120 MiB, more than the host's memory and swap of "
                     f"{kib >> 10} MiB; ask for less, or set vm.overcommit_memory=1", "run", "arm-virt", "--kernel",
                     kernel, "--set", "ram=255GiB")

    def test_bad_backends(self):
        kernel = self.kernel(program.image(program.prints("x")))
        self.refused("none.img", "run", "arm-virt", "--kernel", kernel, "--drive", "none.img")
        self.refused("--serial: plugin host-chardev has no backend type 'stdoi'", "run", "arm-virt", "--kernel", kernel, "--serial", "stdoi")


class Lockstep(Command):
    def setUp(self):
        super().setUp()
        self.machine = ["run", "arm-virt", "--kernel", self.file("kernel", program.elf(program.spins(30000)))]

    def same(self, *options):
        status, out, err = self.run_command(*self.machine, *options)
        self.assertEqual((status, out), (0, ""), err)
        return int(re.fullmatch(r"equal after (\d+) instructions\n", err).group(1))

    def test_interpreters(self):
        whole = self.same("--lockstep", "interp,interp")
        self.assertGreater(whole, 60000)
        self.assertEqual(self.same("--lockstep", "interp,interp,cache-size=64KiB", "--lockstep-every", "777"), whole)
        self.assertEqual(self.same("--lockstep", "interp,interp", "--stop-at", "5000"), 5000)

    @unittest.skipUnless(platform.machine() == "x86_64", "there is no code generator for this host")
    def test_compiler(self):
        options = ["--set", "cpus=2", "--set", "gic=3", "--drive", self.file("disk", bytes(4096)), "--serial", "file,path=out"]
        whole = self.same("--lockstep", "interp,jit,codegen-options=pinned=2", *options)
        with open(os.path.join(self.folder, "out"), encoding="ascii") as file:
            self.assertEqual(file.read(), "done\n")
        self.good(*self.machine, "--deterministic", "--snapshot", "--save-at", "20000=half", "--stop-at", "20001", *options)
        self.assertEqual(self.same("--lockstep", "interp,jit", "--load", "half", "--lockstep-every", "1000", *options), whole)
        self.refused("the machine is at 20000 instructions already", *self.machine, "--lockstep", "interp,jit", "--load", "half",
                     "--stop-at", "20000", *options)

    def test_usage(self):
        for pair in ("interp", "interp,interp,interp", ",", "", "a=b,interp"):
            self.refused(f"--lockstep {pair}: two accelerators are expected", *self.machine, "--lockstep", pair)
        for option in ("--lockstep-every=0", "--lockstep-every=x", "--stop-at=20s"):
            self.refused("a number of instructions is expected", *self.machine, "--lockstep", "interp,interp", option)
        for option in ("--state-hash=5", "--save-at=5=x", "--statistics", "--accel=interp", "--dump-yaml"):
            self.refused("--lockstep names the accelerators, and goes with", *self.machine, "--lockstep", "interp,interp", option)
        self.refused("--lockstep-every goes with --lockstep", *self.machine, "--lockstep-every", "5")
        self.refused("accel-none", *self.machine, "--lockstep", "interp,none")
        self.refused("host.net0: what comes from outside", *self.machine, "--lockstep", "interp,interp", "--net", "user")


class Snapshots(Command):
    def setUp(self):
        super().setUp()
        self.kernel = self.file("kernel", program.elf(program.spins(30000)))
        self.machine = ["run", "arm-virt", "--deterministic", "--set", "cpus=2", "--set", "ram=16MiB"]

    def hashes(self, *options, every=10000):
        status, out, err = self.run_command(*self.machine, "--state-hash", str(every), *options)
        self.assertEqual((status, out), (0, "done\n"), err)
        return err.splitlines()

    def save(self):
        self.good(*self.machine, "--kernel", self.kernel, "--save-at", "25000=snapshot")
        with open(os.path.join(self.folder, "snapshot"), "rb") as file:
            return file.read()

    def test_deterministic(self):
        first = self.hashes("--kernel", self.kernel)
        self.assertEqual(len(first), 6)
        self.assertEqual(len(set(first)), 6)
        self.assertEqual(first, self.hashes("--kernel", self.kernel))

    def test_goes_on(self):
        """Saved, loaded, run on: what it does and is from there is what it would have done and been."""
        whole = self.hashes("--kernel", self.kernel, "--save-at", "25000=snapshot")
        self.assertEqual(self.hashes("--load", "snapshot"), whole[2:])
        self.assertEqual(os.listdir(self.folder).count("snapshot"), 1)

    def test_what_reset_makes(self):
        """What a part has besides its state is there in a new machine that goes on: the functions of the PCI bus."""
        host_bridge = program.reads(0x3f000000, 0x00081b36, "done\n", "lost\n")
        self.kernel = self.file("kernel", program.elf(program.spins(30000, host_bridge)))
        whole = self.hashes("--kernel", self.kernel, "--save-at", "25000=snapshot")
        self.assertEqual(self.hashes("--load", "snapshot"), whole[2:])

    def test_firmware(self):
        """Firmware that asks for the kernel's size, which is not in memory yet, after the load."""
        kernel = self.file("given", b"x" * 1234)
        size = program.mov(1, 0x09020008) + [0xd2810003,  # mov x3, #0x0800: item 8, big-endian
                                             0x79000023]  # strh w3, [x1]
        size += program.reads(0x09020000, 1234, "done\n", "lost\n")
        firmware = self.file("firmware", program.code(program.spins(30000, size)))
        options = ["--firmware", firmware, "--kernel", kernel]
        whole = self.hashes(*options, "--save-at", "25000=snapshot")
        self.assertEqual(self.hashes(*options, "--load", "snapshot"), whole[2:])
        self.refused("snapshot 'snapshot': fw-cfg: the items for the firmware are not those", *self.machine,
                     "--firmware", firmware, "--load", "snapshot")

    def test_looking_changes_nothing(self):
        """Where one stops to look at a machine is not seen by it: interrupts come where they would have come."""
        words, _ = program.interrupts(2000)
        self.kernel = self.file("kernel", program.elf(words))
        seldom = self.hashes("--kernel", self.kernel, every=9700)
        often = self.hashes("--kernel", self.kernel, every=97)
        self.assertGreater(len(seldom), 5)
        self.assertEqual([line for line in often if int(line.split()[0]) % 9700 == 0], seldom)

    def test_any_instruction(self):
        """A snapshot goes on from any instruction, also from where one processor has asked another for something."""
        words, turns_on = program.interrupts(2000)
        self.kernel = self.file("kernel", program.elf(words))
        places = [*range(turns_on - 2, turns_on + 4), 300, 301, 302, 303, 20000, 20001, 39999]
        whole = self.hashes("--kernel", self.kernel, *[f"--save-at={at}=at{at}" for at in places])
        for at in places:
            expected = [line for line in whole if int(line.split()[0]) > at]
            self.assertEqual(self.hashes("--load", f"at{at}"), expected, at)

    def test_wrong_machines(self):
        self.save()
        load = ["--load", "snapshot"]
        self.refused("memory 'ram' has 16777216 bytes in it, and 33554432 in this machine",
                     *self.machine, "--set", "ram=32MiB", *load)
        self.refused("there is no 'cpu[2]' in it: it is of another machine", *self.machine, "--set", "cpus=3", *load)
        self.refused("it has 'cpu[1]', which this machine has not", *self.machine, "--set", "cpus=1", *load)
        self.refused("snapshot 'snapshot': gic: ", *self.machine, "--set", "gic=3", *load)
        self.refused("which this machine has not", "run", "arm-mini", *load)

    def test_other_boards(self):
        """The same parts at other addresses, with other wires, at another rate."""
        self.save()
        for name, keys, why in (
                ("memory", "memory: { ram: { at: 0x50000000 } }", "of a machine that has 'memory ram at 0x40000000'"),
                ("wires", "devices: { rtc: { irq: 'gic.spi[60]' } }",
                 "of a machine that has 'rtc.irq: gic.spi[2]'"),
                ("more", "devices: { power-key: { out: 'gpio.in[2]' } }", "'power-key.out: gpio.in[3]'"),
                ("rate", "run: { ns-per-instruction: 10 }",
                 "it was saved with ns-per-instruction 1, it is 10 here")):
            board = self.file(name + ".yaml", "include: arm-virt\nmachine: other\n" + keys + "\n")
            self.refused(why, "run", board, *self.machine[2:], "--load", "snapshot")

    def test_other_versions(self):
        whole = self.save()
        self.file("snapshot", whole[:7] + b"\x01" + whole[8:])
        self.refused("snapshot 'snapshot': it has version 1, this program reads version 2", *self.machine,
                     "--load", "snapshot")

    def test_no_file(self):
        self.refused("patchbay: cannot read the snapshot 'none': No such file or directory", *self.machine,
                     "--load", "none")
        self.refused("patchbay: the snapshot '/dev' is not a regular file", *self.machine, "--load", "/dev")

    def test_thrown_away_disk(self):
        """What was written to a disk that forgets is not there for the machine that goes on. The disk is that of a
        flash, which is programmed with one word."""
        words = program.mov(1, 0x04000000) + [0xd2800803, 0xb9000023,  # mov x3, #0x40; str w3, [x1]: program
                                              0xd2824683, 0xb9000023]  # mov x3, #0x1234; str w3, [x1]
        kernel = self.file("kernel", program.elf(words + program.spins(30000)))
        os.truncate(self.file("image", b""), 64 << 20)
        self.machine += ["--set", "variables=image"]
        self.good(*self.machine, "--kernel", kernel, "--save-at", "3=before", "--save-at", "25000=after", "--snapshot")
        self.assertEqual(self.good(*self.machine, "--load", "before", "--snapshot"), "done\n")
        self.refused("snapshot 'after': host.variables: the guest had written to the disk", *self.machine,
                     "--load", "after", "--snapshot")
        self.good(*self.machine, "--kernel", kernel, "--save-at", "25000=after")
        self.assertEqual(self.good(*self.machine, "--load", "after"), "done\n")

    def test_damage(self):
        whole = self.save()
        for length in (0, 5, 8, 20, 100, len(whole) // 2, len(whole) - 1):
            self.file("snapshot", whole[:length])
            self.refused("snapshot 'snapshot': ", *self.machine, "--load", "snapshot")
        for at in range(0, len(whole), len(whole) // 40):
            self.file("snapshot", whole[:at] + bytes([whole[at] ^ 0x40]) + whole[at + 1:])
            self.refused("snapshot 'snapshot': ", *self.machine, "--load", "snapshot")
        self.file("snapshot", whole + b"x")
        self.refused("behind its end", *self.machine, "--load", "snapshot")
        self.refused("No such file", *self.machine, "--load", "none")

    def test_forged(self):
        """A wrong snapshot with a right checksum."""
        whole = self.save()[:-(16 + 32)]
        for at in range(8, len(whole), len(whole) // 60):
            forged = whole[:at] + bytes([whole[at] ^ 0x81]) + whole[at + 1:]
            end = struct.pack("<IIQ", 7, 0, 32) + hashlib.sha256(forged).digest()
            self.file("snapshot", forged + end)
            try:
                status, _, err = self.run_command(*self.machine, "--load", "snapshot", timeout=5)
                self.assertIn(status, (0, 2), err)
            except subprocess.TimeoutExpired:
                pass  # another state, in which the program runs for ever

    def test_cannot_be_written(self):
        """What can be known is said before the run; later, it goes on. The old file stays, and nothing else."""
        kernel = ["--kernel", self.kernel]
        for file, why in (("/none/snapshot", "No such file"), (self.folder, "Is a directory"),
                          ("/proc/snapshot", "")):
            self.refused(f"cannot create '{file}': {why}", *self.machine, *kernel, "--save-at", f"10={file}")
        status, out, err = self.run_command(*self.machine, *kernel, "--save-at", "10=/dev/full",
                                            "--save-at", "20=good", "--save-at", "end=/dev/full")
        self.assertEqual((status, out), (2, "done\n"))
        self.assertEqual(err, "patchbay: cannot write '/dev/full': No space left on device\n" * 2)
        self.assertTrue(stat.S_ISCHR(os.stat("/dev/full").st_mode))
        self.assertEqual(self.good(*self.machine, "--load", "good"), "done\n")
        self.assertEqual(sorted(os.listdir(self.folder)), ["good", "kernel"])

    def test_link(self):
        """A link to the snapshot stays one."""
        os.symlink("real", os.path.join(self.folder, "link"))
        self.file("real", "old")
        self.good(*self.machine, "--kernel", self.kernel, "--save-at", "10=link")
        self.assertEqual(os.readlink(os.path.join(self.folder, "link")), "real")
        self.assertEqual(self.good(*self.machine, "--load", "real"), "done\n")

    def test_stop(self):
        whole = self.hashes("--kernel", self.kernel)
        status, out, err = self.run_command(*self.machine, "--kernel", self.kernel, "--state-hash", "10000",
                                            "--stop-at", "20000", "--save-at", "20000=snapshot")
        self.assertEqual((status, out, err.splitlines()), (0, "", whole[:2]))
        self.assertEqual(self.hashes("--load", "snapshot"), whole[2:])
        self.refused("--stop-at 20000 instructions: the machine is at 20000 already", *self.machine,
                     "--load", "snapshot", "--stop-at", "20000")
        self.refused("--save-at 500 instructions=x: the machine is at 20000 already", *self.machine,
                     "--load", "snapshot", "--save-at", "500=x")

    def test_times(self):
        """Times of the machine: an instruction takes a nanosecond."""
        whole = self.hashes("--kernel", self.kernel, "--save-at", "25us=snapshot")
        self.assertEqual(self.hashes("--load", "snapshot"), whole[2:])
        self.assertEqual(self.good(*self.machine, "--kernel", self.kernel, "--stop-at", "25us"), "")

    def test_parallel(self):
        """Saved while its processors run in parallel; what goes on in a deterministic run is the same each time."""
        spin = self.file("spin", program.elf([0x91000694, 0x17ffffff]))  # add x20, x20, #1; b back
        self.machine.remove("--deterministic")
        self.good(*self.machine, "--kernel", spin, "--save-at", "20ms=at", "--save-at", "end=end", "--stop-at", "60ms")
        for name in ("at", "end"):
            self.good(*self.machine, "--load", name, "--stop-at", "600ms")
            first, second = (self.run_command(*self.machine, "--deterministic", "--load", name, "--state-hash", "10000",
                                              "--stop-at", "20000") for _ in range(2))
            self.assertEqual(first, second)
            self.assertEqual((first[0], len(first[2].splitlines())), (0, 2), first)

    def test_switched_off(self):
        """A machine that its guest has switched off is that when it is loaded, too."""
        self.good(*self.machine, "--kernel", self.kernel, "--save-at", "end=off")
        self.assertEqual(self.good(*self.machine, "--load", "off"), "")

    def test_other_backends(self):
        """What is outside of the machine may be something else than when it was saved."""
        self.good(*self.machine, "--kernel", self.kernel, "--serial", "null", "--save-at", "25000=snapshot")
        self.assertEqual(self.good(*self.machine, "--load", "snapshot"), "done\n")

    def test_usage(self):
        kernel = ["--kernel", self.kernel]
        for option in ("--state-hash=5", "--save-at=5=x", "--stop-at=5"):
            self.refused("need --deterministic; a time has a unit", "run", "arm-virt", *kernel, option)
        self.refused("--state-hash: a number of instructions", *self.machine, *kernel, "--state-hash=-1")
        for when in ("x", "=x", "0=x", "10", "10=", "10h=x", "-1=x", "99999999999999999999=x", "99999999999999s=x"):
            self.refused(f"--save-at {when}: WHEN=FILE is expected", *self.machine, *kernel, "--save-at", when)
        for when in ("end", "x", "0", "10=x", "10h"):
            self.refused(f"--stop-at {when}: a number of instructions or a time", *self.machine, *kernel,
                         "--stop-at", when)


if __name__ == "__main__":
    cases.main()
