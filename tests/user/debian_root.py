#!/usr/bin/env python3
"""debootstrap makes Debian for AArch64: the second stage, in which all programs are AArch64's, with each of them run by Patchbay.

usage: debian_root.py PATCHBAY-STATIC FOLDER MIRROR      as root; debootstrap has to be installed

  FOLDER   has the packages and the result afterwards, in packages/ and root/; root/ is made anew

The kernel runs the programs by binfmt_misc, in a user namespace whose binfmt_misc is its own (Linux 6.7): the system's stays. There
mknod() is not permitted, which debootstrap knows of containers, so the first stage, outside, has made the devices.
Afterwards `dpkg --audit` and `dpkg --verify` have to find nothing, and a program is run by each of some interpreters.
"""

import ctypes
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
import time

CLONE_NEWNS, CLONE_NEWUSER, CLONE_NEWPID = 0x20000, 0x10000000, 0x20000000
USERS = 65536
ENVIRONMENT = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL": "C", "HOME": "/root", "container": "lxc",
               "DEBIAN_FRONTEND": "noninteractive"}
SECOND_STAGE = """
set -e
mount --make-rprivate /
mount -t binfmt_misc none /proc/sys/fs/binfmt_misc
"$1" binfmt --interpreter "$2" > /proc/sys/fs/binfmt_misc/register
chroot "$3" /debootstrap/debootstrap --second-stage
mount -t proc proc "$3/proc"
chroot "$3" /bin/sh -ec '
    found=$(dpkg --audit; dpkg --verify)
    test -z "$found" || { echo "$found"; exit 1; }
    test "$(dpkg --print-architecture) $(uname -m)" = "arm64 aarch64"
    perl -e "print 6 * 7, qq(\\n)" | grep -x 42 > /dev/null
    echo "$(dpkg-query -f "\\${db:Status-Status}\\n" -W | grep -xc installed) packages installed"'
"""


def unshare(flags):
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.unshare(flags) != 0:
        raise OSError(ctypes.get_errno(), "unshare")


def enter(ready, go, command):
    """In a child of the process that gives it its users: be process 1 of namespaces, as root, and execute a program."""
    unshare(CLONE_NEWUSER)
    os.write(ready, b"x")
    os.read(go, 1)
    unshare(CLONE_NEWNS | CLONE_NEWPID)
    inner = os.fork()
    if inner == 0:
        os.setgid(0)
        os.setuid(0)
        os.execvpe(command[0], command, ENVIRONMENT)
    return os.waitstatus_to_exitcode(os.waitpid(inner, 0)[1])


def run_in_namespace(command):
    ready, go = os.pipe(), os.pipe()
    child = os.fork()
    if child == 0:
        status = 1
        try:
            status = enter(ready[1], go[0], command)
        finally:
            os._exit(status & 255)
    os.close(ready[1])
    if os.read(ready[0], 1):
        for file in "uid_map", "gid_map":
            pathlib.Path(f"/proc/{child}/{file}").write_text(f"0 0 {USERS}\n", encoding="ascii")
        os.write(go[1], b"x")
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def first_stage(folder, mirror):
    root, packages = folder / "root", folder / "packages"
    shutil.rmtree(root, ignore_errors=True)
    packages.mkdir(parents=True, exist_ok=True)
    subprocess.run(["debootstrap", "--foreign", "--arch=arm64", "--variant=minbase", f"--cache-dir={packages}", "bookworm", root, mirror],
                   check=True)
    # In some containers it makes /proc a link to itself.
    if (root / "proc").is_symlink():
        (root / "proc").unlink()
        (root / "proc").mkdir()
    return root


def main(arguments):
    if len(arguments) != 3 or arguments[0].startswith("-"):
        print(__doc__, file=sys.stderr)
        return 2
    patchbay = pathlib.Path(arguments[0]).resolve()
    root = first_stage(pathlib.Path(arguments[1]).resolve(), arguments[2])
    begun = time.monotonic(), os.times()
    with tempfile.TemporaryDirectory() as folder:
        interpreter = pathlib.Path(folder) / "patchbay-aarch64-static"
        interpreter.symlink_to(patchbay)
        status = run_in_namespace(["sh", "-c", SECOND_STAGE, "sh", str(patchbay), str(interpreter), str(root)])
    worked = os.times()
    seconds = worked.children_user + worked.children_system - begun[1].children_user - begun[1].children_system
    print(f"second stage: {'FAILED' if status else 'ok'}, {seconds:.0f} s of processor time, {time.monotonic() - begun[0]:.0f} s")
    return 1 if status else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
