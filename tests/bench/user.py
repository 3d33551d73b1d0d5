"""Programs of Linux in user mode: the kernels of the bare machine as static programs, and starting one."""

import os
import re
import shutil
import statistics
import subprocess

from kernels import CROSS, FILES, FLAGS, GROUPS, SOURCES, bench_kernel
from measure import Failure, Patchbay, Qemu, Run, paired, run

PACKAGE = "qemu-user-static"
NOTHING = "int main(void)\n{\n    return 0;\n}\n"


class Launcher:
    """Runs commands with the processor time and the memory that are theirs alone."""

    def __init__(self, folder):
        self.path = os.path.join(folder, "launch")
        run(["gcc", "-O2", "-D_GNU_SOURCE", "-o", self.path, os.path.join(SOURCES, "launch.c")])

    def run(self, command):
        done = run([self.path, *command])
        head, _, last = done.err.rstrip("\n").rpartition("\n")
        name, cpu, wall, rss = last.split()
        if name != "launch:":
            raise Failure("%s: no numbers: %r" % (command[0], last))
        return Run(done.out, head, int(cpu) / 1e6, int(wall) / 1e6, int(rss))


class UserPatchbay(Patchbay):
    """`patchbay user`."""

    def command(self, program, *arguments):
        return [self.path, "user", "--accel", self.accel, program, *arguments]


class UserQemu(Qemu):
    """`qemu-aarch64` of Debian's package."""

    def __init__(self, path):
        super().__init__(path)

    def command(self, program, *arguments):
        return [self.path, program, *arguments]


def unpacked_qemu(folder):
    """The package's program, which is downloaded and unpacked in the folder: the system stays as it is."""
    try:
        subprocess.run(["apt-get", "download", "-q", PACKAGE], cwd=folder, check=True, stdin=subprocess.DEVNULL,
                       stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, timeout=600)
    except (OSError, subprocess.CalledProcessError) as error:
        raise Failure("cannot download %s: --qemu-user PATH, or --no-qemu" % PACKAGE) from error
    archive, = [name for name in os.listdir(folder) if re.match(PACKAGE + "_.*[.]deb$", name)]
    run(["dpkg", "-x", os.path.join(folder, archive), os.path.join(folder, PACKAGE)])
    return os.path.join(folder, PACKAGE, "usr", "bin", "qemu-aarch64-static")


def emulators(folder, options):
    """Ours and, unless it is not wanted, QEMU's."""
    ours = UserPatchbay(options.patchbay, options.accel)
    if options.no_qemu:
        return ours, None
    path = options.qemu_user or shutil.which("qemu-aarch64-static") or unpacked_qemu(folder)
    return ours, UserQemu(path)


class UserPrograms:
    """Builds the kernels as programs of Linux, for the guest and for the host, from the same sources."""

    def __init__(self, folder, launcher):
        self.folder, self.launcher = folder, launcher
        self.objects = {CROSS + "gcc": [], "gcc": []}
        for compiler, objects in self.objects.items():
            for name, flags in FILES.items():
                out = os.path.join(folder, "%s.%s.o" % (name, "guest" if compiler != "gcc" else "host"))
                run([compiler, *FLAGS, *(flags or ["-fno-tree-vectorize"]), "-c", os.path.join(SOURCES, name + ".c"), "-o", out])
                objects.append(out)

    def link(self, compiler, kernel, name, more):
        out = os.path.join(self.folder, name)
        if not os.path.exists(out):
            run([compiler, "-no-pie", *more,
                 "-Wl,--gc-sections,-u,kernel_%s,--defsym=bench_kernel=kernel_%s" % (kernel, kernel),
                 "-o", out, *self.objects[compiler]])
        return out

    def for_host(self, kernel):
        return self.link("gcc", kernel, kernel, [])

    def start(self, emulator, kernel, rounds, more, cpus):
        """A run of a kernel; its argument is the number of rounds."""
        assert not more and cpus == 1
        program = self.link(CROSS + "gcc", kernel, kernel + ".guest", ["-static"])
        return self.launcher.run(emulator.command(program, str(rounds)))


def bench_user(folder, ours, theirs, options, report):
    """The kernels as programs."""
    ours, theirs = emulators(folder, options)
    programs = None
    for group, names in GROUPS.items():
        for kernel in names.split():
            if options.chosen("user, " + group, kernel):
                programs = programs or UserPrograms(folder, Launcher(folder))
                report("user, " + group, kernel, bench_kernel(programs, ours, theirs, kernel, options))


def bench_user_start(folder, ours, theirs, options, report):
    """A program that ends at once: processor time and memory of the whole process."""
    if not options.chosen("user, start-up", "true"):
        return
    ours, theirs = emulators(folder, options)
    launcher = Launcher(folder)
    source, program = os.path.join(folder, "true.c"), os.path.join(folder, "true")
    with open(source, "w", encoding="ascii") as out:
        out.write(NOTHING)
    run([CROSS + "gcc", "-O2", "-static", "-o", program, source])
    rss = {}

    def seconds(emulator):
        """The middle of seven runs."""
        runs = [launcher.run(emulator.command(program)) for _ in range(7)]
        rss[emulator.name] = statistics.median(done.rss for done in runs)
        return statistics.median(done.cpu for done in runs)

    if theirs:
        row = paired(lambda: seconds(ours), lambda: seconds(theirs), options.least, options.most).row()
        row["QEMU RSS KiB"] = rss[theirs.name]
    else:
        row = {"seconds": round(seconds(ours), 4)}
    row["RSS KiB"] = rss[ours.name]
    report("user, start-up", "true", row)
