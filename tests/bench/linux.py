"""Start-up, Linux, and Debian's programs in it."""

import os
import struct
import subprocess
import time

from measure import TREE, Failure, numbers, paired, run

KERNEL_BYTES, INITRD_BYTES = 27 << 20, 30 << 20  # as Debian's
GUESTS = os.path.join(TREE, "tools", "guests")
PROGRAMS = os.path.join(TREE, "tests", "bench", "programs")


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
def bench_programs(*a): pass
