#!/usr/bin/env bash
# Builds the kernels for 64-bit ARM and runs them under emulation against their plain references: what NEON and its products of
# bytes answer, bit for bit. Says nothing about speed.
#
#     apt-get install -y qemu-user gcc-aarch64-linux-gnu libc6-dev-arm64-cross && bash Tests/Arm/check.sh
set -euo pipefail
cd "$(dirname "$0")/../.."
folder="$(mktemp -d)"
trap 'rm -rf "$folder"' EXIT

for file in Sources/CKernels/*.c Tests/Arm/check.c; do
    clang --target=aarch64-linux-gnu -isystem /usr/aarch64-linux-gnu/include -O3 -std=gnu2x -ffp-contract=off -fno-math-errno \
        -Wall -Wextra -Werror -ISources/CKernels/include -c "$file" -o "$folder/$(basename "$file").o"
done
aarch64-linux-gnu-gcc -static "$folder"/*.o -o "$folder/check" -lm -lpthread
qemu-aarch64 -cpu max "$folder/check" neondot portable
