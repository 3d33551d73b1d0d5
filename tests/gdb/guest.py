"""The guest program of these tests: its words, kept so that running it needs no assembler, and where its labels are."""

import os
import pathlib
import subprocess
import sys
import tempfile

HERE = pathlib.Path(__file__).resolve().parent
sys.path += [str(HERE.parent / "lib"), str(HERE.parent / "machine")]
import program  # noqa: E402

AS, LD, NM, OBJCOPY = ("aarch64-linux-gnu-" + tool for tool in ("as", "ld", "nm", "objcopy"))


def assembled():
    """The lines of guest.hex: labels, then words."""
    with tempfile.TemporaryDirectory() as folder:
        made, linked, binary = (os.path.join(folder, name) for name in ("o", "elf", "bin"))
        subprocess.run([AS, "-o", made, HERE / "guest.S"], check=True)
        subprocess.run([LD, f"-Ttext={program.START:#x}", "-e", "start", "-o", linked, made], check=True)
        subprocess.run([OBJCOPY, "-O", "binary", linked, binary], check=True)
        names = subprocess.run([NM, linked], check=True, stdout=subprocess.PIPE).stdout.decode()
        data = pathlib.Path(binary).read_bytes()
    labels = sorted(line.split() for line in names.splitlines() if line.split()[1] == "t")
    words = [int.from_bytes(data[i:i + 4], "little") for i in range(0, len(data), 4)]
    while words[-1] == 0:
        words.pop()
    lines = [f"{name} {int(address, 16):#x}" for address, _, name in labels]
    at = 0
    while at < len(words):
        if words[at]:
            lines.append(f"{words[at]:08x}")
            at += 1
            continue
        end = at
        while words[end] == 0:
            end += 1
        lines.append(f"zeros {end - at}")
        at = end
    return lines


def lines():
    return (HERE / "guest.hex").read_text().splitlines()


def read():
    """The words, and the addresses of labels."""
    words, labels = [], {}
    for line in lines():
        name, *rest = line.split()
        if name == "zeros":
            words += [0] * int(rest[0])
        elif rest:
            labels[name] = int(rest[0], 16)
        else:
            words.append(int(name, 16))
    return words, labels


def write(path, processors):
    words, labels = read()
    words[1] = processors
    pathlib.Path(path).write_bytes(program.elf(words))
    return labels


if __name__ == "__main__":
    (HERE / "guest.hex").write_text("\n".join(assembled()) + "\n")
