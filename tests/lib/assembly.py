"""Guest programs in assembly: FILE.S, and beside it FILE.hex with their words, so that running them needs no assembler."""

import os
import pathlib
import shutil
import subprocess
import tempfile

AS, OBJCOPY = "aarch64-linux-gnu-as", "aarch64-linux-gnu-objcopy"
HERE = pathlib.Path(__file__).resolve().parent


def is_there():
    return bool(shutil.which(AS) and shutil.which(OBJCOPY))


def words(source):
    """As they were written last."""
    return [int(word, 16) for word in source.with_suffix(".hex").read_text().split()]


def assembled(source):
    """As the assembler makes them of the source now."""
    with tempfile.TemporaryDirectory() as folder:
        made, binary = os.path.join(folder, "o"), os.path.join(folder, "bin")
        subprocess.run([AS, "-I", HERE, "-o", made, source], check=True)
        subprocess.run([OBJCOPY, "-O", "binary", made, binary], check=True)
        data = pathlib.Path(binary).read_bytes()
    return [int.from_bytes(data[i:i + 4], "little") for i in range(0, len(data), 4)]


def write(source):
    made = [f"{word:08x}" for word in assembled(source)]
    rows = [" ".join(made[i:i + 12]) for i in range(0, len(made), 12)]
    source.with_suffix(".hex").write_text("\n".join(rows) + "\n")
