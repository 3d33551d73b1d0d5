#!/usr/bin/env python3
"""Boots a guest on Patchbay and follows its console, as a TOML file describes.

usage: boot.py [--transcript FILE] PATCHBAY FILE.toml [VARIANT]
       boot.py --list FILE.toml...       prints FILE:VARIANT lines, one for each test in the files

The file:

    about = "one line for people"
    run = ["arm-virt", "--kernel", "{guest:linux-arm64-cloud}", ...]   # arguments of `patchbay run`
    command = ["{tree:tools/try}"]      # instead of `run`: another program, with `environment` added;
    environment.PATCHBAY_BUILD = "{new:build}"          # its terminal must be at the end as it was before
    exit = 0                # exit status of patchbay when the guest has powered off
    exit_within = 20        # seconds from the last step to that exit
    never = ["Kernel panic"]    # texts that end the test at once
    disk.root = "disk-arm64-root"           # {disk:root}: a copy of that guest, for this test;
    disk.empty = 1048576                    # a number stands for as many zero bytes
    serve."hello.txt" = "text"              # {url:hello.txt}: what a web server on the host has;
    serve."big.bin" = 1000000               # a number stands for as many random bytes

    [variant.gic3]          # optional; each variant is a test of its own
    gic = "3"               # what {var:gic} stands for in it

    [[step]]                # in order; each begins where the one before ended
    expect = "GUEST-UP"     # a text, or match = "a regular expression"
    within = 200            # seconds from the step before
    near_now = 5            # the expression's group is a time in seconds since 1970, and is now, give or take 5
    send = "\\r"             # typed on the console once that has come

    [[next]]                # optional: further runs, with the same disks and servers. `step` and what else of
    exit = 0                # exit, exit_within, run and command is here takes the place of the above
    [[next.step]]
    expect = "..."

    [[after]]               # on the host, once patchbay has ended
    run = ["e2fsck", "-fn", "{disk:root}"]  # must end with status 0
    output = "text"         # optional: must be in the output;
    output_md5 = "..."      # or the MD5 of the standard output

{accel:jit} is the just-in-time compiler, or the interpreter on hosts for which there is no code generator; the words of a
variant may have it. {md5:NAME} is the MD5 of the disk NAME before the run, or of the served file NAME; {tree:FILE} is a file of the source;
{new:FILE} one in a folder that is removed afterwards.

A guest named in the file must have been fetched before (tools/guests fetch): a test never uses the
network. $PATCHBAY_TIME_SCALE multiplies every time limit.
"""

import contextlib
import errno
import hashlib
import http.server
import os
import platform
import pty
import re
import resource
import select
import shutil
import signal
import subprocess
import sys
import tempfile
import termios
import threading
import time
import tomllib

TREE = os.path.dirname(os.path.dirname(os.path.dirname(os.path.realpath(__file__))))

STEP_KEYS = {"expect", "match", "within", "near_now", "send"}
AFTER_KEYS = {"run", "output", "output_md5"}
NEXT_KEYS = {"run", "command", "exit", "exit_within", "step"}
KEYS = NEXT_KEYS | {"about", "environment", "never", "disk", "serve", "variant", "next", "after"}
TAIL_LINES = 60
GRACE_SECONDS = 10          # from SIGTERM to SIGKILL


class Failure(Exception):
    """The test failed; the text says how."""


# The description

def load(path):
    """Reads and checks a description; an unknown key is a mistake, not something to pass over."""
    with open(path, "rb") as file:
        test = tomllib.load(file)

    def check(table, known, where):
        unknown = set(table) - known
        if unknown:
            raise Failure(f"{path}: unknown key in {where}: {', '.join(sorted(unknown))}")

    check(test, KEYS, "the file")
    for following in test.get("next", []):
        check(following, NEXT_KEYS, "a next")
    for run in runs(test):
        if ("run" in run) == ("command" in run):
            raise Failure(f"{path}: there is either `run` or `command`")
        if not run.get("step"):
            raise Failure(f"{path}: no step, so nothing would be tested")
        for step in run["step"]:
            check(step, STEP_KEYS, "a step")
            if ("expect" in step) == ("match" in step) or "within" not in step:
                raise Failure(f"{path}: a step has `within`, and either `expect` or `match`")
            if "near_now" in step and re.compile(step.get("match", "")).groups != 1:
                raise Failure(f"{path}: `near_now` needs a `match` with one group")
    for after in test.get("after", []):
        check(after, AFTER_KEYS, "an after")
    return test


def runs(test):
    """The run of the file, and those of its [[next]]."""
    first = {key: test[key] for key in NEXT_KEYS & set(test)}
    yield first
    for following in test.get("next", []):
        inherited = {key: value for key, value in first.items() if key != "step"}
        for key, other in (("run", "command"), ("command", "run")):
            if key in following:
                inherited.pop(other, None)
        yield {**inherited, **following}


def variants(test):
    return list(test.get("variant", {})) or [""]


def guest_path(name):
    found = subprocess.run([os.path.join(TREE, "tools", "guests"), "path", name], text=True,
                           stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False)
    if found.returncode != 0:
        raise Failure(found.stdout.strip())
    return found.stdout.strip()


def accelerator(name):
    """The accelerator of that name if this host can have it, else the interpreter."""
    return "interp" if name == "jit" and platform.machine() != "x86_64" else name


def md5(content):
    return hashlib.md5(content).hexdigest()


class Setting:
    """What the {kind:name} words of one run stand for, and the files and servers behind them."""

    def __init__(self, test, variant, folder, cleanup):
        self.folder = folder
        variables = test.get("variant", {}).get(variant, {})
        self.values = {}
        self.values = {("var", name): self.fill_in(value) for name, value in variables.items()}
        served = {}
        for name, guest in test.get("disk", {}).items():
            path = os.path.join(folder, name + ".img")
            if isinstance(guest, int):
                with open(path, "wb") as image:
                    image.truncate(guest)
            else:
                shutil.copyfile(guest_path(guest), path)
            self.values["disk", name] = path
            with open(path, "rb") as image:
                self.values["md5", name] = md5(image.read())
        for name, content in test.get("serve", {}).items():
            served[name] = os.urandom(content) if isinstance(content, int) else content.encode()
            self.values["md5", name] = md5(served[name])
        if served:
            port = cleanup.enter_context(web_server(served))
            for name in served:
                # 10.0.2.2 is the host's loopback as the guest of a user-mode network sees it.
                self.values["url", name] = f"http://10.0.2.2:{port}/{name}"

    def fill_in(self, text):
        def value(found):
            kind, name = found.groups()
            if kind == "guest":
                return guest_path(name)
            if kind == "accel":
                return accelerator(name)
            if kind == "tree":
                return os.path.join(TREE, name)
            if kind == "new":
                return os.path.join(self.folder, name)
            if (kind, name) not in self.values:
                raise Failure(f"nothing is called {found.group(0)}")
            return self.values[kind, name]
        return re.sub(r"\{(guest|accel|disk|url|md5|var|tree|new):([\w./-]+)\}", value, text)


@contextlib.contextmanager
def web_server(served):
    """Serves a dictionary of files on a free port of the loopback; gives the port."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            content = served.get(self.path.lstrip("/"))
            if content is None:
                self.send_error(404)
                return
            self.send_response(200)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            with contextlib.suppress(ConnectionError):      # a guest may go away in the middle
                self.wfile.write(content)

        def log_message(self, format, *args):
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield server.server_address[1]
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


# The console

class Console:
    """A program on a terminal of its own. What it writes is kept whole; markers are looked for once."""

    def __init__(self, command, environment, never):
        self.text = ""
        self.position = 0           # the text before it has been consumed by markers
        self.checked = 0            # the text before it is known to have none of `never`
        self.never = never
        self.ended = False
        master, slave = pty.openpty()
        self.settings = termios.tcgetattr(slave)
        self.process = subprocess.Popen(command, stdin=slave, stdout=slave, stderr=slave,
                                        env=dict(os.environ, **environment),
                                        start_new_session=True)
        os.close(slave)
        self.master = master

    def close(self):
        """Ends the program if it still runs; says whether it had to be killed."""
        killed = False
        if self.process.poll() is None:
            os.killpg(self.process.pid, signal.SIGTERM)
            try:
                self.process.wait(GRACE_SECONDS)
            except subprocess.TimeoutExpired:
                os.killpg(self.process.pid, signal.SIGKILL)
                self.process.wait()
                killed = True
        os.close(self.master)
        return killed

    def read(self, seconds):
        """Waits for output for so long at most and takes it."""
        if not select.select([self.master], [], [], max(seconds, 0))[0]:
            return
        try:
            data = os.read(self.master, 65536)
        except OSError as error:
            if error.errno != errno.EIO:        # Linux says so when the other side is closed
                raise
            data = b""
        self.ended = not data
        self.text += data.decode("latin-1")
        for text in self.never:
            if text in self.text[max(0, self.checked - len(text)):]:
                raise Failure(f"the guest said {text!r}")
        self.checked = len(self.text)

    def wait_for(self, pattern, what, seconds):
        """Consumes the text to the end of the next match."""
        deadline = time.monotonic() + seconds
        while not (found := pattern.search(self.text, self.position)):
            if self.ended:
                raise Failure(f"ended without {what}; exit status {self.process.wait()}")
            left = deadline - time.monotonic()
            if left <= 0:
                raise Failure(f"no {what} within {seconds:g} seconds")
            self.read(left)
        self.position = found.end()
        return found

    def wait_for_end(self, seconds):
        """Reads to the end; gives the exit status."""
        deadline = time.monotonic() + seconds
        while not self.ended:
            left = deadline - time.monotonic()
            if left <= 0:
                raise Failure(f"did not end within {seconds:g} seconds after the last step")
            self.read(left)
        try:
            status = self.process.wait(max(deadline - time.monotonic(), 1))
        except subprocess.TimeoutExpired:
            raise Failure("closed its terminal but did not end") from None
        if termios.tcgetattr(self.master) != self.settings:
            raise Failure("left the terminal with other settings than it had found")
        return status

    def send(self, text):
        data = text.encode("latin-1")
        while data:
            data = data[os.write(self.master, data):]


# One test

def check_time(found, tolerance):
    off = int(found.group(1)) - time.time()
    if abs(off) > tolerance:
        raise Failure(f"{found.group(0)!r} is {off:+.1f} seconds off")


def follow(run, console, setting, scale):
    started = time.monotonic()
    for step in run["step"]:
        if "expect" in step:
            text = setting.fill_in(step["expect"])
            pattern, what = re.compile(re.escape(text)), repr(text)
        else:
            text = setting.fill_in(step["match"])
            # The end of a line is there when its newline is: what has come so far may be half a line.
            whole = re.sub(r"\$$", lambda _: r"(?=\n)", text)
            pattern, what = re.compile(whole, re.MULTILINE), f"match of {text!r}"
        found = console.wait_for(pattern, what, step["within"] * scale)
        if "near_now" in step:
            check_time(found, step["near_now"] * scale)
        print(f"{time.monotonic() - started:8.1f} s  {what}", flush=True)
        if "send" in step:
            console.send(setting.fill_in(step["send"]))
    status = console.wait_for_end(run.get("exit_within", 20) * scale)
    if status != run.get("exit", 0):
        raise Failure(f"exit status {status}, not {run.get('exit', 0)}")


def check_after(after, setting):
    command = [setting.fill_in(word) for word in after["run"]]
    path = os.environ["PATH"] + ":/usr/sbin:/sbin"      # where Debian has e2fsck and debugfs
    done = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE, check=False, env=dict(os.environ, PATH=path))
    shown = (done.stdout[-4000:] + done.stderr[-4000:]).decode("latin-1")
    if done.returncode != 0:
        raise Failure(f"{' '.join(command)}: status {done.returncode}\n{shown}")
    if "output" in after and setting.fill_in(after["output"]).encode() not in done.stdout:
        raise Failure(f"{' '.join(command)}: no {after['output']!r} in its output:\n{shown}")
    if "output_md5" in after and md5(done.stdout) != after["output_md5"]:
        raise Failure(f"{' '.join(command)}: the MD5 of its output is {md5(done.stdout)}, "
                      f"not {after['output_md5']}")


def run_once(command, environment, run, never, setting, transcript):
    """Follows one run from its start to its end; what it said goes to the open file `transcript`."""
    print(" ".join(command), flush=True)
    console = Console(command, environment, never)
    try:
        follow(run, console, setting, float(os.environ.get("PATCHBAY_TIME_SCALE", "1")))
    except Failure:
        print(f"---- last {TAIL_LINES} lines of the console")
        print("\n".join(console.text.splitlines()[-TAIL_LINES:]))
        print("----")
        raise
    finally:
        if console.close():
            print("it did not end on SIGTERM and was killed")
        transcript.write(console.text)


def run_test(patchbay, test, variant, transcript):
    with contextlib.ExitStack() as cleanup:
        folder = cleanup.enter_context(tempfile.TemporaryDirectory(prefix="patchbay-boot-"))
        setting = Setting(test, variant, folder, cleanup)
        text = cleanup.enter_context(open(transcript, "w", encoding="latin-1", newline=""))
        environment = {name: setting.fill_in(value)
                       for name, value in test.get("environment", {}).items()}
        for run in runs(test):
            words = run["command"] if "command" in run else [patchbay, "run", *run["run"]]
            run_once([setting.fill_in(word) for word in words], environment, run,
                     test.get("never", []), setting, text)
        for after in test.get("after", []):
            check_after(after, setting)
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    print(f"{used.ru_utime + used.ru_stime:8.1f} s of processor time")


def main(arguments):
    if arguments[:1] == ["--list"]:
        for path in arguments[1:]:
            for variant in variants(load(path)):
                print(f"{path}:{variant}")
        return 0
    transcript = os.devnull
    if arguments[:1] == ["--transcript"]:
        transcript = arguments[1]
        arguments = arguments[2:]
    if len(arguments) not in (2, 3):
        print("\n".join(__doc__.splitlines()[2:4]), file=sys.stderr)
        return 2
    patchbay, path, variant = (*arguments, "")[:3]
    try:
        test = load(path)
        if variant not in variants(test):
            raise Failure(f"{path}: no variant {variant!r}; there are: {variants(test)}")
        run_test(patchbay, test, variant, transcript)
    except Failure as failure:
        print(f"FAILED: {failure}")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
