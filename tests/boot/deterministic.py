#!/usr/bin/env python3
"""Deterministic runs of a real guest: the same twice, and the same from snapshots.

usage: deterministic.py PATCHBAY VARIANT
       deterministic.py --list           prints the variants

Linux boots, idles, keeps a disk busy, and uses the network as far as it answers by itself. Once in one
run; and once cut into pieces, each of which ends with a snapshot that the next one begins with: in the early boot, in
the middle of it, while idle, and while the disk is read and written. Hashes of all state, the console
and the disk must be the same.

What a snapshot does not have is not asked of it: a disk's image is used by the pieces one after the other,
and the network is used by the last piece only.
"""

import os
import re
import resource
import shutil
import subprocess
import sys
import tempfile

sys.path.insert(0, os.path.join(os.path.dirname(os.path.realpath(__file__)), "..", "lib"))
from boot import Failure, accelerator, guest_path  # noqa: E402

# Processors, interrupt controller, transport, instructions between hashes, and accelerator.
VARIANTS = {"gic3-cpus4": (4, 3, "pci", 20_000_000, "jit"), "gic2-cpus1": (1, 2, "mmio", 50_000_000, "interp")}
DISK_BYTES = 1 << 20


class Runs:
    """Runs of one machine in a folder."""

    def __init__(self, patchbay, variant, folder):
        cpus, gic, transport, self.every, accel = VARIANTS[variant]
        self.folder = folder
        self.command = [
            patchbay, "run", "arm-virt", "--deterministic", "--no-reboot", "--set", "ram=512MiB",
            "--accel", accelerator(accel), "--set", f"cpus={cpus}", "--set", f"gic={gic}", "--set", f"virtio={transport}",
            "--kernel", guest_path("linux-arm64-cloud"), "--initrd", guest_path("initramfs-arm64-modules"),
            "--append", "console=ttyAMA0 panic=-1 test=mods,idle,traffic,ping", "--net", "user",
            "--state-hash", str(self.every)]

    def path(self, name):
        return os.path.join(self.folder, name)

    def run(self, disk, *options):
        """Hashes by count, and the console."""
        done = subprocess.run([*self.command, "--drive", disk, "--serial", f"file,path={self.path('console')}", *options],
                              stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, check=False)
        said = done.stderr.decode(errors="replace")
        if done.returncode != 0 or not re.fullmatch(r"(\d+ [0-9a-f]{64}\n)*", said):
            raise Failure(f"{' '.join(options)}: status {done.returncode}\n{said[-2000:]}")
        with open(self.path("console"), encoding="latin-1", newline="") as file:
            return dict(line.split() for line in said.splitlines()), file.read()


def busy_time(console):
    """A time in the middle of the disk's busy time, in microseconds: the kernel says when its caches are dropped. Its
    clock begins up to a tenth of a second after the machine's."""
    times = re.findall(r"\[ *(\d+)\.(\d{6})\] init \(1\): drop_caches", console)
    if len(times) < 20 or "TRAFFIC-ENDS" not in console:
        raise Failure("the disk was not busy")
    seconds, microseconds = times[len(times) // 2]
    return int(seconds) * 1_000_000 + int(microseconds)


def expect_same(what, a, b):
    if a != b:
        raise Failure(f"{what}: not the same")


def follow(runs, whole, console, disk):
    """The run in pieces."""
    busy = busy_time(console)
    ends = [("5ms", "Linux version", "GUEST-UP"), ("400ms", "Linux version", "GUEST-UP"),
            ("50s", "IDLE-BEGINS", "IDLE-ENDS"), (f"{busy}us", "TRAFFIC-BEGINS", "TRAFFIC-ENDS"),
            (None, "packets received", None)]
    begin, so_far, seen = [], "", 0

    for number, (when, before, after) in enumerate(ends):
        snapshot = runs.path(f"snapshot{number}")
        end = ["--save-at", f"{when}={snapshot}", "--stop-at", when] if when else []
        hashes, text = runs.run(disk, *begin, *end)
        so_far += text
        if number > 0 and before not in so_far or after and after in so_far:
            raise Failure(f"the piece to {when} does not end between {before!r} and {after!r}")
        for count, value in hashes.items():
            if whole.get(count) != value:
                raise Failure(f"the piece to {when}: another state at {count} instructions")
        seen += len(hashes)
        begin = ["--load", snapshot]
        print(f"{len(hashes):4} hashes the same until {when or 'the end'}", flush=True)
    expect_same("number of hashes", seen, len(whole))
    expect_same("console", so_far, console)


def test(patchbay, variant):
    with tempfile.TemporaryDirectory(prefix="patchbay-boot-") as folder:
        runs = Runs(patchbay, variant, folder)
        disks = runs.path("whole.img"), runs.path("pieces.img")
        with open(disks[0], "wb") as file:
            file.write(bytes(i * 7919 % 251 for i in range(DISK_BYTES)))
        shutil.copy(*disks)
        whole, console = runs.run(disks[0])
        if len(whole) < 10 or "GUEST-DONE" not in console:
            raise Failure("the guest did not do what it should\n" + console[-2000:])
        follow(runs, whole, console, disks[1])
        with open(disks[0], "rb") as a, open(disks[1], "rb") as b:
            expect_same("contents of the disk", a.read(), b.read())
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    print(f"{used.ru_utime + used.ru_stime:8.1f} s of processor time")


def main(arguments):
    if arguments == ["--list"]:
        print("\n".join(VARIANTS))
        return 0
    if len(arguments) != 2 or arguments[1] not in VARIANTS:
        print("\n".join(__doc__.splitlines()[2:4]), file=sys.stderr)
        return 2
    try:
        test(*arguments)
    except Failure as failure:
        print(f"FAILED: {failure}")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
