"""System cases: what they are, their text, and how QEMU's system emulator executes them.

tests/insn/system/README.md describes text and machine, monitor.S the program that executes cases.
"""

import mmap
import os
import re
import struct
import subprocess
import tempfile

import corrections

HERE = os.path.dirname(os.path.abspath(__file__))

# ---- the machine, as monitor.S has it ---------------------------------------------------------------------

RAM, RAM_BYTES = 0x40000000, 64 << 20
MONITOR, VECTORS = 0x40200000, 0x40210000
CODE, MAX_CODE = 0x40220000, 64
DATA = 0x40230000
TABLES = 0x40300000  # that every case has
ROOM = 0x40400000  # for tables and data of single cases, 4 MiB
HEADER, VALUES, DEFAULTS, DUMP, RECORDS = 0x40800000, 0x40801000, 0x40802000, 0x40803000, 0x40810000

MODELS = ("cortex-a53", "cortex-a57", "cortex-a72", "max")
# Without SVE and SME, which no model here has.
CPUS = {"max": "max,sve=off,sme=off"}
BOARD = "virt,secure=on,virtualization=on,gic-version=2,memory-backend=ram"

ASSEMBLE = ["aarch64-linux-gnu-as", "-march=armv8.5-a+crypto"]
LINK = ["aarch64-linux-gnu-ld", "-Ttext", f"{MONITOR:#x}"]
OBJCOPY = ["aarch64-linux-gnu-objcopy", "-O", "binary"]
OBJDUMP = ["aarch64-linux-gnu-objdump", "-d", "-z"]
WORD = re.compile(r"^ *([0-9a-f]+):\t([0-9a-f]{8}) \t(.*)$")

LDR_X1_X0, STR_X1_X0, RET = 0xF8408401, 0xF8008401, 0xD65F03C0
MSR, MRS = 0xD5000000, 0xD5200000

EL1H, EL3H = 0x3C5, 0x3CD  # PSTATE with all masks

# ---- registers --------------------------------------------------------------------------------------------

EL3, EL2, EL1 = "el3", "el2", "el1"


class Register:
    """A system register that cases set and compare."""

    def __init__(self, name, encoding, default, model):
        self.name, self.encoding, self.default, self.model = name, encoding, default, model

    def is_in(self, model):
        return self.model in ("all", model)


def read_registers(path):
    """The registers of a registers.txt, in order."""
    found = []
    with open(path, encoding="utf-8") as text:
        for line in text:
            words = line.split()
            if words and words[0][0] != "#":
                found.append(Register(words[0], int(words[1], 16), int(words[2], 16), words[3]))
    return found


# ---- cases ------------------------------------------------------------------------------------------------


class State:
    def __init__(self):
        self.x = [(0xA0 + i) * 0x0101010101010101 for i in range(31)]
        self.sys = {}  # by name
        self.words = {}  # 64-bit words of memory by address
        self.pstate, self.pc, self.to = EL1H, CODE, None

    def copy(self):
        made = State()
        made.__dict__.update(self.__dict__)
        made.x, made.sys, made.words = list(self.x), dict(self.sys), dict(self.words)
        return made


class Case:
    """One case: code is a list of (text, word); before holds what differs from the defaults."""

    def __init__(self, name, model, code, before, after=None):
        self.name, self.model, self.code, self.before, self.after = name, model, code, before, after


def level(pstate):
    return pstate >> 2 & 3


def settle(case, registers):
    """The complete state before CASE, with the defaults of REGISTERS."""
    full = case.before.copy()
    full.sys = {r.name: case.before.sys.get(r.name, r.default) for r in registers if r.is_in(case.model)}
    if level(full.pstate) < 3:  # the monitor's ERET
        full.sys["spsr_el3"], full.sys["elr_el3"] = full.pstate, full.pc
    return full


def unsettle(before, after):
    """What the monitor did to the state AFTER is undone: registers of EL3, if that did not take the exception."""
    if after.to >> 12 < 3:
        for name in ("spsr_el3", "elr_el3", "esr_el3"):
            after.sys[name] = before.sys[name]


# ---- text -------------------------------------------------------------------------------------------------


def vector_text(to):
    return f"el{to >> 12}+{to & 0xFFF:#x}"


def mapping(old, new):
    found = []
    if new.to is not None:
        found.append(f"to: {vector_text(new.to)}")
    for name in ("pstate", "pc"):
        if getattr(new, name) != getattr(old, name):
            found.append(f"{name}: {getattr(new, name):#x}")
    found += [f"x{i}: {new.x[i]:#x}" for i in range(31) if new.x[i] != old.x[i]]
    found += [f"{name}: {value:#x}" for name, value in new.sys.items() if value != old.sys.get(name)]
    found += [f"@{address:#x}: {value:#x}" for address, value in sorted(new.words.items())
              if value != old.words.get(address)]
    return "{ " + ", ".join(found) + " }" if found else "{}"


def apply(text, state):
    inner = text.strip()[1:-1].strip()
    for part in inner.split(", ") if inner else []:
        key, value = part.split(": ")
        if key[0] == "@":
            state.words[int(key[1:], 0)] = int(value, 0)
        elif key == "to":
            el, offset = value[2:].split("+")
            state.to = int(el) << 12 | int(offset, 0)
        elif key in ("pstate", "pc"):
            setattr(state, key, int(value, 0))
        elif re.match(r"x\d", key):
            state.x[int(key[1:])] = int(value, 0)
        else:
            state.sys[key] = int(value, 0)


def write_case(case, registers):
    full = settle(case, registers)
    lines = [f"\ncase: {case.name}", f"  cpu:    {case.model}"]
    lines += [f"  code:   {text} = {word:08x}" for text, word in case.code]
    lines.append(f"  before: {mapping(State(), case.before)}")
    lines.append(f"  after:  {mapping(full, case.after)}")
    return "\n".join(lines) + "\n"


def read_cases(path, registers):
    found = []
    with open(path, encoding="utf-8") as text:
        for line in text:
            key, _, value = line.strip().partition(":")
            value = value.strip()
            if key == "case":
                found.append(Case(value, None, [], State()))
            elif not found or line[0] == "#" or not key:
                continue
            elif key == "cpu":
                found[-1].model = value
            elif key == "code":
                code, _, word = value.rpartition(" = ")
                found[-1].code.append((code, int(word, 16)))
            elif key == "before":
                apply(value, found[-1].before)
            elif key == "after":
                found[-1].after = settle(found[-1], registers)
                apply(value, found[-1].after)
    return found


# ---- assembling -------------------------------------------------------------------------------------------


def assemble(texts):
    """[(text, word)] of each of TEXTS, assembly with one instruction a line. Labels are left out of the result."""
    with tempfile.TemporaryDirectory() as folder:
        source, binary = os.path.join(folder, "a.s"), os.path.join(folder, "a.bin")
        with open(source, "w", encoding="utf-8") as out:
            for text in texts:
                out.write("\n".join(lines_of(text, labels=True)) + "\n")
        subprocess.run(ASSEMBLE + ["-o", binary + ".o", source], check=True)
        subprocess.run(OBJCOPY + [binary + ".o", binary], check=True)
        with open(binary, "rb") as file:
            data = file.read()
    words = iter(struct.unpack(f"<{len(data) // 4}I", data))
    found = [[(line, next(words)) for line in lines_of(text)] for text in texts]
    if next(words, None) is not None:
        raise ValueError("some line of assembly is not one instruction")
    return found


def lines_of(text, labels=False):
    found = []
    for line in re.split(r"[\n;]", text):
        line = " ".join(line.split("//")[0].split())
        if not labels:
            line = re.sub(r"^\w+:\s*", "", line)
        if line:
            found.append(line)
    return found


def monitor_words():
    """[(address, word, text)] of monitor.S; NOPs that only fill are left out."""
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "monitor")
        subprocess.run(ASSEMBLE + ["-o", path + ".o", os.path.join(HERE, "monitor.S")], check=True)
        subprocess.run(LINK + ["-o", path, path + ".o"], check=True)
        listing = subprocess.run(OBJDUMP + [path], stdout=subprocess.PIPE, check=True, text=True).stdout
    found = []
    for line in listing.splitlines():
        match = WORD.match(line)
        if match and match.group(2) not in ("d503201f", "00000000"):
            text = " ".join(re.sub(r"//.*|<.*>", "", match.group(3)).split())
            found.append((int(match.group(1), 16), int(match.group(2), 16), text))
    return found


def encodings(names):
    """The encodings of system registers, as the assembler knows them."""
    words = [code[0][1] for code in assemble([f"mrs x0, {name}" for name in names])]
    return [word >> 5 & 0xFFFF for word in words]


# ---- memory of the machine --------------------------------------------------------------------------------


class Image:
    """RAM of the machine with cases in it."""

    def __init__(self, memory):
        self.memory, self.at = memory, RECORDS

    def put(self, address, data):
        self.memory[address - RAM : address - RAM + len(data)] = data

    def put64(self, address, value):
        self.put(address, struct.pack("<Q", value))

    def get64(self, address, count):
        return struct.unpack_from(f"<{count}Q", self.memory, address - RAM)

    def add(self, data):
        """Places DATA among the records; gives the address."""
        address, self.at = self.at, self.at + (len(data) + 7) // 8 * 8
        if self.at > RAM + RAM_BYTES:
            raise MemoryError("too many cases for the machine's memory")
        self.put(address, data)
        return address

    def machine(self, monitor, words, registers):
        """What is there for every case."""
        for address, word, _ in monitor:
            self.put(address, struct.pack("<I", word))
        for address, value in words.items():
            self.put64(address, value)
        self.put(VALUES, struct.pack(f"<{len(registers)}Q", *[r.default for r in registers]))
        self.put(DEFAULTS, writer(registers))
        dump = [w for r in registers for w in (MRS | r.encoding << 5 | 1, STR_X1_X0)] + [RET]
        self.put(DUMP, struct.pack(f"<{len(dump)}I", *dump))

    def record(self, case, registers):
        """Adds CASE; gives the address of its result."""
        before = case.before
        changed = [r for r in registers if r.name in before.sys]
        setup = self.add(writer(changed))
        values = self.add(struct.pack(f"<{len(changed)}Q", *[before.sys[r.name] for r in changed]))
        words = self.add(struct.pack(f"<{len(case.code)}I", *[word for _, word in case.code]))
        poke = self.add(b"".join(struct.pack("<QQ", *item) for item in before.words.items()))
        result = self.add(bytes(8 * (32 + len(registers) + len(before.words))))
        head = [before.pstate, before.pc, setup, values, len(case.code), words, len(before.words), poke, result]
        address = self.add(struct.pack("<41Q", 0, *head, *before.x))
        return address, result


def writer(registers):
    """A routine that writes REGISTERS from values at x0."""
    code = [w for r in registers for w in (LDR_X1_X0, MSR | r.encoding << 5 | 1)] + [RET]
    return struct.pack(f"<{len(code)}I", *code)


def result_of(image, address, case, registers):
    """The state after CASE."""
    values = image.get64(address, 32 + len(registers) + len(case.before.words))
    after = State()
    after.to, after.x = values[0], list(values[1:32])
    after.sys = dict(zip([r.name for r in registers], values[32:]))
    after.words = dict(zip(case.before.words, values[32 + len(registers) :]))
    after.pstate, after.pc = case.before.pstate, case.before.pc
    before = settle(case, registers)
    unsettle(before, after)
    corrections.correct(case, before, after)
    return after


# ---- QEMU -------------------------------------------------------------------------------------------------


def command(model, ram_file):
    return ["qemu-system-aarch64", "-machine", BOARD, "-cpu", CPUS.get(model, model), "-accel", "tcg",
            "-m", str(RAM_BYTES >> 20), "-object",
            f"memory-backend-file,id=ram,size={RAM_BYTES},mem-path={ram_file},share=on",
            "-device", f"loader,addr={MONITOR:#x},cpu-num=0", "-display", "none", "-nodefaults",
            "-semihosting-config", "enable=on,target=native"]


class Hang(Exception):
    """The monitor does not come to its end; the argument is the number of cases that are left."""


def execute(model, fill, timeout=5):
    """Runs the machine with what FILL puts into its Image; gives what FILL's result gives for the Image after."""
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "ram")
        with open(path, "wb") as file:
            file.truncate(RAM_BYTES)
        with open(path, "r+b") as file, mmap.mmap(file.fileno(), RAM_BYTES) as memory:
            image = Image(memory)
            finish = fill(image)
            try:
                subprocess.run(command(model, path), check=True, timeout=timeout)
            except subprocess.TimeoutExpired:
                raise Hang(image.get64(HEADER, 1)[0]) from None
            if image.get64(HEADER + 72, 1) != (1,):
                raise RuntimeError("the monitor did not come to its end")
            return finish(image)


def fill_header(image, **words):
    places = {"cases": 0, "case": 8, "defaults": 16, "values": 24, "dump": 32, "probes": 40, "probe": 48,
              "pstate": 56, "result": 64, "done": 72, "setup": 80, "setup_values": 88}
    for name, value in words.items():
        image.put64(HEADER + places[name], value)


def run_cases(cases, monitor, words, registers):
    """States after CASES, all of one model."""
    model = cases[0].model
    own = [r for r in registers if r.is_in(model)]

    def fill(image):
        image.machine(monitor, words, own)
        placed = [image.record(case, own) for case in cases]
        for (address, _), (following, _) in zip(placed, placed[1:]):
            image.put64(address, following - address)
        fill_header(image, cases=len(cases), case=placed[0][0], defaults=DEFAULTS, values=VALUES, dump=DUMP)
        return lambda image: [result_of(image, result, case, own) for case, (_, result) in zip(cases, placed)]

    try:
        return execute(model, fill)
    except Hang as hang:
        raise RuntimeError(f"{model} hangs in case {cases[len(cases) - hang.args[0]].name}") from None


def run_probes(model, pstate, probes, monitor, setup=()):
    """(vector, ESR, x0) after each of PROBES, lists of four words, at PSTATE, as the machine is after reset;
    with SETUP, pairs of Register and value."""

    def fill(image):
        for address, word, _ in monitor:
            image.put(address, struct.pack("<I", word))
        code = image.add(b"".join(struct.pack("<4I", *p) for p in probes))
        result = image.add(bytes(24 * len(probes)))
        fill_header(image, probes=len(probes), probe=code, pstate=pstate, result=result)
        if setup:
            values = image.add(struct.pack(f"<{len(setup)}Q", *[value for _, value in setup]))
            fill_header(image, setup=image.add(writer([r for r, _ in setup])), setup_values=values)

        def finish(image):
            values = image.get64(result, 3 * len(probes))
            return list(zip(values[0::3], values[1::3], values[2::3]))

        return finish

    return execute(model, fill)
