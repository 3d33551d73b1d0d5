"""Programs of Linux in user mode: the kernels of the bare machine as static programs, and starting one."""

import gzip
import lzma
import os
import re
import shutil
import statistics
import subprocess

from kernels import CROSS, FILES, FLAGS, GROUPS, SOURCES, bench_kernel
from linux import NAMES, PROGRAMS, guest
from measure import Failure, Patchbay, Qemu, Run, paired, run

PACKAGE = "qemu-user-static"
# What programs/run has a guest do, as commands without a shell: QEMU in user mode starts no other program by itself. FOLDER has
# `corpus`, a text; `many`, the text many times; `corpus.xz`, `corpus.gz`; and gets what python3 compiled in the first run.
KEY = "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f"
PRIME = ("FFFFFFFFFFFFFFFFC90FDAA22168C234C4C6628B80DC1CD129024E088A67CC74020BBEA63B139B22514A08798E3404DDEF9519B3CD3A431B302B0A6D"
         "F25F14374FE1356D6D51C245E485B576625E7EC6F44C42E9A637ED6B0BFF5CB6F406B7EDEE386BFB5A899FA5AE9F24117C4B1FE649286651ECE65381"
         "FFFFFFFFFFFFFFFF")
WORK = {
    "xz": ("xz -3 -T1 -c FOLDER/corpus", "xz -dc FOLDER/corpus.xz"),
    "gzip": ("gzip -6 -c FOLDER/corpus", "gzip -dc FOLDER/corpus.gz"),
    "python3": ("python3 -I -S -X pycache_prefix=FOLDER/pyc PROGRAMS/work.py FOLDER/corpus",),
    "perl": ("perl PROGRAMS/work.pl FOLDER/corpus",),
    "sqlite3": ("sqlite3 -batch -init PROGRAMS/work.sql :memory: .quit",),
    "openssl": ("openssl enc -aes-256-cbc -nosalt -K %s -iv %s -in FOLDER/many" % (KEY, KEY[:32]),
                "openssl dgst -sha256 -r FOLDER/many", "openssl dgst -sha512 -r FOLDER/many",
                "openssl enc -chacha20 -K %s -iv %s -in FOLDER/many" % (KEY, KEY[:32]),
                "openssl prime -checks 40 -hex " + PRIME),
}
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


class Sysroot:
    """Runs programs of a folder with Debian, or the host's own."""

    def __init__(self, folder, launcher, root):
        self.folder, self.launcher, self.root = folder, launcher, root
        corpus = run([os.path.join(PROGRAMS, "corpus.py")]).out.encode("ascii")
        self.write("corpus", corpus)
        self.write("many", corpus * 8)
        self.write("corpus.xz", lzma.compress(corpus, preset=6))
        self.write("corpus.gz", gzip.compress(corpus, 6, mtime=0))

    def write(self, name, data):
        with open(os.path.join(self.folder, name), "wb") as out:
            out.write(data)

    def command(self, emulator, words):
        program = os.path.join(self.root, "usr", "bin", words[0])
        if emulator is None:
            return words
        if isinstance(emulator, UserPatchbay):
            return [emulator.path, "user", "--accel", emulator.accel, "-L", self.root, program, *words[1:]]
        return [emulator.path, "-L", self.root, program, *words[1:]]

    def do(self, emulator, name):
        """Seconds, KiB at the most, and what was written, of all commands of a program."""
        done = [self.launcher.run(self.command(emulator, [word.replace("FOLDER", self.folder).replace("PROGRAMS", PROGRAMS)
                                                          for word in line.split()]))
                for line in WORK[name]]
        return sum(one.cpu for one in done), max(one.rss for one in done), [one.out for one in done]


def bench_user_programs(folder, ours, theirs, options, report):
    """Debian's programs as processes of the host."""
    names = [name for name in NAMES if options.chosen("user, programs", name)]
    if not names:
        return
    ours, theirs = emulators(folder, options)
    root = Sysroot(folder, Launcher(folder), guest("sysroot-arm64"))
    for name in names:
        rss, native = {}, None
        if shutil.which(name):
            native = statistics.median(root.do(None, name)[0] for _ in range(3))
        expected = root.do(ours, name)[2]

        def seconds(emulator, name=name, rss=rss, expected=expected):
            cpu, most, out = root.do(emulator, name)
            if out != expected:
                raise Failure("%s in %s: another result" % (name, emulator.name))
            rss[emulator.name] = max(rss.get(emulator.name, 0), most)
            return cpu

        if theirs:
            row = paired(lambda s=seconds: s(ours), lambda s=seconds: s(theirs), options.least, options.most).row()
            row["QEMU RSS KiB"] = rss[theirs.name]
        else:
            row = {"seconds": round(statistics.median(seconds(ours) for _ in range(options.least)), 4)}
        if native:
            row["native seconds"] = round(native, 4)
            row["times native"] = round(row["seconds"] / native, 2)
        row["RSS KiB"] = rss[ours.name]
        report("user, programs", name, row)
