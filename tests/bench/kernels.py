"""Small programs on the bare machine: what they are, how they are built and timed."""

import os
import random
import re
import statistics

from measure import Failure, numbers, paired, run

SOURCES = os.path.dirname(os.path.abspath(__file__))
CROSS = os.environ.get("CROSS_COMPILE", "aarch64-linux-gnu-")

# Group of each kernel; the functions are kernel_NAME.
GROUPS = {
    "integer": "sieve sort matrix queens collatz table pack bits",
    "data beside code": "beside",
    "multiply and divide": "divide multiply power",
    "calls": "fibonacci tak tree",
    "indirect calls": "objects compare",
    "interpreters": "switch goto",
    "memory": "stream copy stride",
    "pointers": "chase16k chase1m chase16m chase64m",
    "hashes": "crc32 sha256 murmur3 xxh64 siphash",
    "scalar float": "nbody mandelbrot dmatrix fft spectral single",
    "vector int": "chacha blend dot16 xorvec maximum popcount",
    "vector float": "saxpy fmatrix vmandel daxpy",
    "strings": "strlen memchr strcmp memcpy memset",
}
INTERPRETED = "crc32 sieve sort fibonacci matrix divide"

# Results are compared bit by bit with the host's: nothing may be contracted. Only vector.c is for the vectoriser,
# so that the other groups are what their names say.
FLAGS = ["-std=c11", "-D_GNU_SOURCE", "-Wall", "-Wextra", "-Werror", "-O2", "-ffp-contract=off", "-fno-math-errno",
         "-ffunction-sections", "-fdata-sections", "-fno-pic"]
FILES = {"main": [], "integer": [], "control": [], "memory": [], "hash": [], "float": [], "parallel": [],
         "vector": ["-O3", "-ftree-vectorize"], "string": []}
START = "start"         # for the guest only


class Programs:
    """Builds the kernels for the guest and for the host in a folder."""

    def __init__(self, folder):
        self.folder = folder
        self.guest, self.host = [], []
        for name, flags in FILES.items():
            flags = FLAGS + (flags or ["-fno-tree-vectorize"])
            source = os.path.join(SOURCES, name + ".c")
            self.guest.append(self.compile(CROSS + "gcc", source, name + ".guest.o", flags + ["-ffreestanding"]))
            self.host.append(self.compile("gcc", source, name + ".host.o", flags))
        self.guest.append(self.compile(CROSS + "gcc", os.path.join(SOURCES, START + ".S"), START + ".o", []))

    def compile(self, compiler, source, name, flags):
        out = os.path.join(self.folder, name)
        run([compiler, *flags, "-c", source, "-o", out])
        return out

    def start(self, emulator, kernel, rounds, more, cpus):
        """A run of a kernel in an emulator."""
        return run(emulator.command(self.for_guest(kernel, rounds, more), cpus=cpus))

    def for_host(self, kernel):
        """The program for the host; its argument is the number of rounds."""
        out = os.path.join(self.folder, kernel)
        if not os.path.exists(out):
            run(["gcc", "-no-pie", "-Wl,--gc-sections,-u,kernel_%s,--defsym=bench_kernel=kernel_%s" % (kernel, kernel),
                 "-o", out, *self.host])
        return out

    def for_guest(self, kernel, rounds, more=()):
        """The ELF file for the guest; the number of rounds is in it."""
        out = os.path.join(self.folder, "%s-%d.elf" % (kernel, rounds))
        if not os.path.exists(out):
            run([CROSS + "gcc", "-nostdlib", "-static", "-no-pie", "-Wl,--build-id=none,--gc-sections,--no-warn-rwx-segments",
                 "-Wl,-T," + os.path.join(SOURCES, "program.lds"),
                 "-Wl,-u,kernel_%s,--defsym=bench_kernel=kernel_%s,--defsym=bench_rounds=%d" % (kernel, kernel, rounds),
                 "-o", out, *self.guest, *more])
        return out


def checksum(text):
    """The last line of a program's output that is one; otherwise the end of the output."""
    found = re.findall(r"^([0-9a-f]{16})\r?$", text, re.M)
    return found[-1] if found else text.strip()[-200:]


class Timer:
    """Processor seconds of a kernel in one emulator, without its start-up."""

    def __init__(self, programs, emulator, kernel, more=(), cpus=1):
        self.programs, self.emulator, self.kernel, self.more, self.cpus = programs, emulator, kernel, more, cpus
        self.rss, self.wall = 0, 0
        starts = [self.whole(0) for _ in range(2)]
        self.start, self.start_wall = min(run.cpu for run in starts), min(run.wall for run in starts)

    def whole(self, rounds):
        done = self.programs.start(self.emulator, self.kernel, rounds, self.more, self.cpus)
        self.rss = max(self.rss, done.rss)
        return done

    def seconds(self, rounds, expected):
        done = self.whole(rounds)
        result = checksum(done.out)
        if result != expected:
            raise Failure("%s in %s: result %r, on the host %r" % (self.kernel, self.emulator.name, result, expected))
        self.wall = max(done.wall - self.start_wall, 1e-4)
        return max(done.cpu - self.start, 1e-4)


def native(program, rounds, least):
    """Seconds of so many rounds on the host, from a run of at least `least` seconds; and the checksum."""
    expected = checksum(run([program, str(rounds)]).out)
    start = min(run([program, "0"]).cpu for _ in range(3))
    times = 1
    while True:
        cpu = run([program, str(rounds * times)]).cpu - start
        if cpu >= least:
            return cpu / times, expected
        times *= 2 if cpu > least / 4 else 4


def calibrate(program, timers, target):
    """Rounds that take the slower emulator about `target` seconds, or more if setting up takes long too."""
    target = max([target] + [timer.start * 2 for timer in timers])
    rounds = 1
    while run([program, str(rounds)]).cpu < 0.005 and rounds < 1 << 40:
        rounds *= 4
    while True:
        expected = checksum(run([program, str(rounds)]).out)
        slowest = max(timer.seconds(rounds, expected) for timer in timers)
        if slowest >= target / 2 or rounds >= 1 << 40:
            return max(1, int(rounds * target / slowest))
        rounds *= 4


def bench_kernel(programs, ours, theirs, kernel, options):
    """One row of the table."""
    host = programs.for_host(kernel)
    timers = [Timer(programs, emulator, kernel) for emulator in (ours, theirs) if emulator]
    rounds = calibrate(host, timers, options.seconds)
    seconds, expected = native(host, rounds, options.seconds / 8)
    row = {"rounds": rounds, "native seconds": round(seconds, 4)}
    if theirs:
        found = paired(lambda: timers[0].seconds(rounds, expected), lambda: timers[1].seconds(rounds, expected),
                       options.least, options.most)
        row.update(found.row())
        row["QEMU RSS KiB"] = timers[1].rss
    else:
        row["seconds"] = round(statistics.median(timers[0].seconds(rounds, expected) for _ in range(options.least)), 4)
    row["times native"] = round(row["seconds"] / seconds, 2)
    row["RSS KiB"] = timers[0].rss
    return row


def bench_kernels(folder, ours, theirs, options, report):
    programs = Programs(folder)
    for group, names in GROUPS.items():
        for kernel in names.split():
            if options.chosen(group, kernel):
                report(group, kernel, bench_kernel(programs, ours, theirs, kernel, options))


def bench_interpreter(folder, interpreter, options, report):
    """Million instructions per second of accel-interp, which counts them."""
    programs = Programs(folder)
    for kernel in INTERPRETED.split():
        if not options.chosen("interpreted", kernel):
            continue
        rounds = 1
        while True:
            expected = checksum(run([programs.for_host(kernel), str(rounds)]).out)
            done = run(interpreter.command(programs.for_guest(kernel, rounds)))
            if checksum(done.out) != expected:
                raise Failure("%s interpreted: result %r, on the host %r" % (kernel, checksum(done.out), expected))
            count = numbers(done.err).get("instructions")
            if not count:
                raise Failure("--statistics printed no number of instructions: %r" % done.err)
            if done.cpu >= options.seconds / 2:
                break
            rounds *= 4
        report("interpreted", kernel, {"seconds": round(done.cpu, 4), "instructions": count,
                                       "million instructions/s": round(count / done.cpu / 1e6, 1)})


# Code that is executed once

ONCE_BLOCKS, ONCE_SIZE = 20000, 10
ONCE_FORMS = (
    "add x{a}, x{b}, x{c}", "sub x{a}, x{b}, #{i}", "and w{a}, w{b}, #0xff", "orr x{a}, x{b}, x{c}, lsl #3",
    "eor x{a}, x{b}, x{c}", "ldr x{a}, [x19, #{o}]", "ldr w{a}, [x19, #{o}]", "str x{a}, [x19, #{o}]",
    "ldp x{a}, x{d}, [x19, #{o}]", "ldrb w{a}, [x19, #{i}]", "mov x{a}, x{b}", "mov w{a}, #{i}",
    "lsl x{a}, x{b}, #5", "ubfx x{a}, x{b}, #4, #12", "cmp x{b}, #{i}", "csel x{a}, x{b}, x{c}, ne",
    "madd x{a}, x{b}, x{c}, x{a}", "adds x{a}, x{b}, x{c}", "sxtw x{a}, w{b}", "cset w{a}, lt",
)
ONCE_ENDS = ("cmp x{b}, x{c}\n b.hi {next}f", "tst w{b}, #4\n b.eq {next}f", "cbz x{b}, {next}f", "tbnz x{b}, #3, {next}f",
             "b {next}f", "bl {next}f")


def once_source():
    """A long program without loops: 20,000 blocks of 10 instructions, of the usual kinds."""
    dice = random.Random(1)
    lines = [" .text", " .global kernel_once", "kernel_once:", " cbz x0, 2f", " stp x19, x30, [sp, #-16]!",
             " adrp x19, data", " add x19, x19, :lo12:data"]
    for block in range(ONCE_BLOCKS):
        form = {"next": block % 2 + 3}
        end = dice.choice(ONCE_ENDS)
        for i in range(ONCE_SIZE - 1 - end.count("\n")):
            form.update(a=dice.randrange(16), b=dice.randrange(16), c=dice.randrange(16), i=dice.randrange(64),
                        o=8 * dice.randrange(32))
            form["d"] = (form["a"] + 1) % 16
            lines.append(" " + dice.choice(ONCE_FORMS).format(**form))
        lines.append(" " + end.format(**form))
        lines.append("%d:" % form["next"])
    lines += [" ldp x19, x30, [sp], #16", "2: mov x0, #0", " ret", " .bss", " .balign 4096", "data: .skip 4096", ""]
    return "\n".join(lines)


def bench_once(folder, ours, theirs, options, report):
    """Microseconds that translating one guest instruction takes: of code that is executed once."""
    if not options.chosen("translation", "once"):
        return
    programs = Programs(folder)
    source = os.path.join(folder, "once.S")
    with open(source, "w", encoding="ascii") as out:
        out.write(once_source())
    more = [programs.compile(CROSS + "gcc", source, "once.o", [])]
    timers = [Timer(programs, emulator, "once", more) for emulator in (ours, theirs) if emulator]
    count = ONCE_BLOCKS * ONCE_SIZE
    if theirs:
        found = paired(*(lambda timer=timer: timer.seconds(1, "0" * 16) for timer in timers), options.least, options.most)
        row = found.row()
        row["QEMU us per instruction"] = round(found.theirs / count * 1e6, 3)
    else:
        row = {"seconds": round(timers[0].seconds(1, "0" * 16), 4)}
    row["us per instruction"] = round(row["seconds"] / count * 1e6, 3)
    report("translation", "once", row)


# Two processors

def bench_parallel(folder, ours, theirs, options, report):
    """The same work on one virtual processor, and twice the work on two of four: how much more gets done."""
    if not options.chosen("processors", "two-busy"):
        return
    programs = Programs(folder)
    row = {}
    for emulator in (ours, theirs):
        if not emulator:
            continue
        one, two = (Timer(programs, emulator, kernel, cpus=4) for kernel in ("one_busy", "two_busy"))
        rounds = calibrate(programs.for_host("one_busy"), [one], options.seconds)
        expected = [checksum(run([programs.for_host(timer.kernel), str(rounds)]).out) for timer in (one, two)]
        walls, cpus = [], []
        for _ in range(options.least):
            single, double = one.seconds(rounds, expected[0]), two.seconds(rounds, expected[1])
            walls.append(2 * one.wall / two.wall)
            cpus.append(2 * single / double)
        prefix = "QEMU " if emulator is theirs else ""
        row[prefix + "throughput of two"] = round(statistics.median(walls), 2)
        row[prefix + "work per CPU second"] = round(statistics.median(cpus), 2)
    report("processors", "two-busy", row)
