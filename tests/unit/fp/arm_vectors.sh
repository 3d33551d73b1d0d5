#!/bin/sh
# Makes arm_vectors.txt, which test_arm.c reads, on standard output.
# usage: arm_vectors.sh [RANDOM-ROWS-PER-INSTRUCTION] >arm_vectors.txt
# Needs gcc-aarch64-linux-gnu and, unless the machine is an Armv8.6 one, qemu-user-static. What the
# file has was made under qemu-aarch64 7.2 with 20 rows.
set -eu

here=$(cd "$(dirname "$0")" && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

aarch64-linux-gnu-gcc -static -O2 -march=armv8.6-a+fp16 -o "$work/arm_vectors" "$here/arm_vectors.c"
if [ "$(uname -m)" = aarch64 ]; then
    "$work/arm_vectors" "$@"
else
    qemu-aarch64-static -cpu max "$work/arm_vectors" "$@"
fi
