"""Runs programs and measures their processor time; pairs two of them until their ratio is stable."""

import os
import resource
import signal
import statistics
import subprocess
import tempfile
import threading
import time
from typing import NamedTuple

TREE = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))


class Failure(Exception):
    """What is told to the user in one line."""


class Run(NamedTuple):
    """One finished process. `cpu`: user and system seconds of all its threads."""
    out: str
    err: str
    cpu: float
    wall: float
    rss: int        # KiB at the most; not below what this script has itself


def run(command, timeout=600, cwd=None):
    """Runs a program to its end, without input; fails if it fails."""
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        start = time.monotonic()
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=out, stderr=err, cwd=cwd)
        late = threading.Event()

        def stop():
            late.set()
            process.send_signal(signal.SIGKILL)

        timer = threading.Timer(timeout, stop)
        timer.start()
        try:
            _, status, usage = os.wait4(process.pid, 0)
        finally:
            timer.cancel()
        wall = time.monotonic() - start
        process.returncode = os.waitstatus_to_exitcode(status)
        texts = []
        for file in (out, err):
            file.seek(0)
            texts.append(file.read().decode(errors="replace"))
    if late.is_set():
        raise Failure("%s: not finished after %d s" % (" ".join(command), timeout))
    if process.returncode:
        raise Failure("%s: exit status %d: %s" % (" ".join(command), process.returncode, texts[1].strip()[-500:]))
    return Run(*texts, usage.ru_utime + usage.ru_stime, wall, usage.ru_maxrss)


def numbers(text):
    """The `name: value` lines of --statistics."""
    found = {}
    for line in text.splitlines():
        name, colon, value = line.rpartition(":")
        if colon and value.strip().isdigit():
            found[name.strip()] = int(value)
    return found


class Patchbay:
    """`patchbay run arm-virt` with an accelerator."""
    name = "patchbay"

    def __init__(self, path, accel="jit"):
        self.path, self.accel = path, accel

    def version(self):
        return run([self.path, "--version"]).out.strip()

    def command(self, kernel, ram=128, cpus=1, initrd=None, append=None, disk=None):
        return ([self.path, "run", "arm-virt", "--kernel", kernel, "--accel", self.accel, "--statistics",
                 "--serial", "stdio", "--set", "ram=%dMiB" % ram, "--set", "cpus=%d" % cpus]
                + (["--initrd", initrd] if initrd else []) + (["--append", append] if append else [])
                + (["--snapshot", "--drive", disk] if disk else []))


class Qemu:
    """qemu-system-aarch64 with the same board."""
    name = "QEMU"

    def __init__(self, path="qemu-system-aarch64", cpu="cortex-a57"):
        self.path, self.cpu = path, cpu

    def version(self):
        return run([self.path, "--version"]).out.splitlines()[0]

    def command(self, kernel, ram=128, cpus=1, initrd=None, append=None, disk=None):
        return ([self.path, "-M", "virt", "-accel", "tcg", "-cpu", self.cpu, "-m", str(ram), "-smp", str(cpus),
                 "-nodefaults", "-display", "none", "-no-reboot", "-serial", "stdio", "-kernel", kernel]
                + (["-initrd", initrd] if initrd else []) + (["-append", append] if append else [])
                + (["-drive", "if=none,id=disk,format=raw,snapshot=on,file=" + disk,
                    "-device", "virtio-blk-device,drive=disk"] if disk else []))


class Ratio(NamedTuple):
    """What pairs of measurements tell."""
    ours: float         # the medians
    theirs: float
    ratio: float        # theirs to ours, the median over the pairs: above 1, ours is faster
    low: float
    high: float
    pairs: int

    def row(self):
        return {"seconds": round(self.ours, 4), "QEMU seconds": round(self.theirs, 4),
                "ratio": round(self.ratio, 3), "lowest ratio": round(self.low, 3),
                "highest ratio": round(self.high, 3), "pairs": self.pairs}


def from_pairs(pairs):
    """The medians of pairs of seconds, ours and theirs."""
    ratios = sorted(b / a for a, b in pairs)
    return Ratio(statistics.median(a for a, _ in pairs), statistics.median(b for _, b in pairs),
                 statistics.median(ratios), ratios[0], ratios[-1], len(pairs))


def paired(ours, theirs, least=3, most=9, tolerance=0.05):
    """Calls the two in turn until the middle half of the ratios lies within `tolerance`."""
    pairs = []
    while True:
        if len(pairs) & 1:
            b = theirs()
            a = ours()
        else:
            a = ours()
            b = theirs()
        pairs.append((a, b))
        ratios = sorted(b / a for a, b in pairs)
        quarter = len(ratios) // 4
        spread = (ratios[-1 - quarter] - ratios[quarter]) / statistics.median(ratios)
        if len(pairs) >= most or (len(pairs) >= least and spread <= tolerance):
            return from_pairs(pairs)


def geometric_mean(values):
    return statistics.geometric_mean(values) if values else None


def machine():
    """What the numbers depend on."""
    model = "?"
    with open("/proc/cpuinfo", encoding="ascii", errors="replace") as cpuinfo:
        for line in cpuinfo:
            if line.startswith("model name"):
                model = line.split(":", 1)[1].strip()
                break
    system = os.uname()
    return {"processor": model, "processors": len(os.sched_getaffinity(0)), "system": "%s %s" % (system.sysname, system.release),
            "load at the start": round(os.getloadavg()[0], 2),
            "RSS floor KiB": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss}
