"""Start-up, Linux, and Debian's programs in it."""

import os
import select
import shutil
import statistics
import struct
import subprocess
import time

from measure import TREE, Failure, from_pairs, numbers, paired, run

KERNEL_BYTES, INITRD_BYTES = 27 << 20, 30 << 20  # as Debian's
GUESTS = os.path.join(TREE, "tools", "guests")
PROGRAMS = os.path.join(TREE, "tests", "bench", "programs")
NAMES = ("xz", "gzip", "python3", "perl", "sqlite3", "openssl")


# Start-up

def start_times(command):
    """Of eleven runs: middle milliseconds to the first instruction and of the whole process, KiB beyond guest RAM."""
    times, walls, found = [], [], {}
    for _ in range(11):
        done = run(command)
        found = numbers(done.err)
        times.append(found.get("nanoseconds to first instruction", 0) / 1e6)
        walls.append(done.wall * 1e3)
    return {"ms to first instruction": round(sorted(times)[5], 2), "ms whole process": round(sorted(walls)[5], 2),
            "KiB beyond guest RAM": found.get("resident KiB", 0)}


def write_noise(path, start, length):
    """A file that begins with some bytes and has that many."""
    with open(path, "wb") as file:
        file.write(start + os.urandom(length - len(start)))
    return path


def bench_start(folder, ours, theirs, options, report):
    """Start-up and memory of a program that ends at once: small, as large as a distribution's kernel, with an initrd."""
    del theirs      # has no such numbers
    # Arm64 Images (Linux Documentation/arm64/booting.rst) that power off: movz, movk, hvc.
    code = struct.pack("<III", 0xd2800100, 0xf2b08000, 0xd4000002)
    for name, size, initrd_size in (("nothing", 4096, 0), ("kernel", KERNEL_BYTES, 0), ("kernel+initrd", KERNEL_BYTES, INITRD_BYTES)):
        if not options.chosen("start-up", name):
            continue
        header = struct.pack("<IIQQQQQQII", 0x14000010, 0, 0, size, 0, 0, 0, 0, 0x644d5241, 0)
        image = write_noise(os.path.join(folder, "Image"), header + code, size)
        initrd = write_noise(os.path.join(folder, "initrd"), b"", initrd_size) if initrd_size else None
        report("start-up", name, start_times(ours.command(image, ram=512, initrd=initrd)))


# Linux

def guest(name):
    """Path of what tools/guests prepares."""
    run([GUESTS, "fetch", name], timeout=3600)
    return run([GUESTS, "path", name]).out.strip()


def bench_boot(folder, ours, theirs, options, report):
    """Processor seconds from the start of the emulator to its end, with a first process that powers the machine off."""
    del folder
    for cpus in (1, 4):
        name = "%d processor%s" % (cpus, "s" if cpus > 1 else "")
        if not options.chosen("boot", name):
            continue
        kernel, initrd = guest("linux-arm64-cloud"), guest("initramfs-arm64")
        rss = {}

        def boot(emulator, cpus=cpus, rss=rss):
            done = run(emulator.command(kernel, ram=512, cpus=cpus, initrd=initrd, append="console=ttyAMA0"), timeout=1800)
            if "GUEST-UP aarch64 cpus=%d" % cpus not in done.out or "GUEST-DONE" not in done.out:
                raise Failure("%s: Linux did not reach GUEST-DONE" % emulator.name)
            rss[emulator.name] = max(rss.get(emulator.name, 0), done.rss)
            return done.cpu

        if theirs:
            row = paired(lambda: boot(ours), lambda: boot(theirs), options.least, options.most).row()
            row["QEMU RSS KiB"] = rss[theirs.name]
        else:
            row = {"seconds": round(min(boot(ours) for _ in range(options.least)), 3)}
        row["RSS KiB"] = rss[ours.name]
        report("boot", name, row)


# Programs

def process_clock(pid):
    """The clock of a process's processor time: MAKE_PROCESS_CPUCLOCK(pid, CPUCLOCK_SCHED) of Linux."""
    return (~pid << 3) | 2


def peak_rss(pid):
    with open("/proc/%d/status" % pid, encoding="ascii", errors="replace") as status:
        for line in status:
            if line.startswith("VmHWM:"):
                return int(line.split()[1])
    return 0


class Guest:
    """A guest whose console is read and answered."""

    def __init__(self, emulator, command):
        self.emulator, self.seen = emulator, b""
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)

    def __enter__(self):
        return self

    def __exit__(self, *about):
        self.process.kill()
        self.process.stdin.close()
        self.process.stdout.close()
        self.process.wait()

    def line(self, start, timeout):
        """Reads until a line begins with `start`; gives the rest of it."""
        end = time.monotonic() + timeout
        while True:
            line, newline, rest = self.seen.partition(b"\n")
            if newline:
                self.seen = rest
                text = line.decode(errors="replace").strip()
                if text.startswith(start):
                    return text[len(start):].strip()
                continue
            ready, _, _ = select.select([self.process.stdout], [], [], max(0, end - time.monotonic()))
            if not ready:
                raise Failure("%s: no %r after %d s" % (self.emulator.name, start, timeout))
            read = os.read(self.process.stdout.fileno(), 65536)
            if not read:
                raise Failure("%s ended before %r" % (self.emulator.name, start))
            self.seen += read

    def answer(self):
        self.process.stdin.write(b"\n")
        self.process.stdin.flush()

    def cpu(self):
        return time.clock_gettime(process_clock(self.process.pid))


def programs_in(emulator, names, expected):
    """Processor seconds of each program in one boot, and of the boot; and the peak RSS."""
    command = emulator.command(guest("linux-arm64-cloud"), ram=512, initrd=guest("initramfs-arm64-modules"),
                               append="console=ttyAMA0 quiet test=mods,programs programs=" + ",".join(names),
                               disk=guest("disk-arm64-programs"))
    seconds = {}
    with Guest(emulator, command) as running:
        for name in names:
            running.line("BENCH-READY " + name, 600)
            start = running.cpu()
            running.answer()
            result = running.line("BENCH-RESULT " + name, 1200)
            if expected.get(name) not in (None, result):
                raise Failure("%s in %s: result %r, on the host %r" % (name, emulator.name, result, expected[name]))
            expected.setdefault(name, result)
            seconds[name] = running.cpu() - start
        running.line("BENCH-READY end", 600)
        rss = peak_rss(running.process.pid)
    return seconds, rss


def native_programs(folder, names):
    """Seconds and result of each program that the host has."""
    corpus, found = os.path.join(folder, "corpus"), {}
    with open(corpus, "w", encoding="ascii") as out:
        out.write(run([os.path.join(PROGRAMS, "corpus.py")]).out)
    for name in names:
        if shutil.which(name):
            runs = [run([os.path.join(PROGRAMS, "run"), name, corpus]) for _ in range(3)]
            found[name] = statistics.median(done.cpu for done in runs), runs[0].out.strip()
    return found


def bench_programs(folder, ours, theirs, options, report):
    """Debian's programs in the guest: all in one boot, again and again until the ratios are stable."""
    names = [name for name in NAMES if options.chosen("programs", name)]
    if not names:
        return
    native = native_programs(folder, names)
    expected = {name: result for name, (_, result) in native.items()}
    emulators = [emulator for emulator in (ours, theirs) if emulator]
    found = {emulator.name: [] for emulator in emulators}
    rss = {emulator.name: 0 for emulator in emulators}
    for pair in range(options.least):
        for emulator in emulators if pair % 2 == 0 else reversed(emulators):
            seconds, most = programs_in(emulator, names, expected)
            found[emulator.name].append(seconds)
            rss[emulator.name] = max(rss[emulator.name], most)
    for name in names:
        row = {"checksum": expected[name]}
        times = [[seconds[name] for seconds in found[emulator.name]] for emulator in emulators]
        if theirs:
            row.update(from_pairs(list(zip(*times))).row())
            row["QEMU RSS KiB"] = rss[theirs.name]
        else:
            row["seconds"] = round(statistics.median(times[0]), 4)
        if name in native:
            row["native seconds"] = round(native[name][0], 4)
            row["times native"] = round(row["seconds"] / native[name][0], 2)
        row["RSS KiB"] = rss[ours.name]
        report("programs", name, row)
