#!/bin/bash
# Compiles the kernels for arm64 and runs their test under emulation: correctness only, emulated times mean nothing.
# Needs clang (the Swift toolchain's will do), and on Debian gcc-aarch64-linux-gnu and qemu-user.
set -euo pipefail
cd "$(dirname "$0")/.."

for tool in clang aarch64-linux-gnu-gcc qemu-aarch64; do
  if ! command -v "$tool" >/dev/null; then
    echo "test-neon: $tool is missing: apt-get install clang gcc-aarch64-linux-gnu qemu-user" >&2
    exit 1
  fi
done

build=$(mktemp -d)
trap 'rm -rf "$build"' EXIT
for source in Sources/CSpecKernels/*.c Tests/CSpecKernelsTests/kernel_test.c; do
  clang --target=aarch64-linux-gnu -isystem /usr/aarch64-linux-gnu/include -std=c11 -O2 -ffp-contract=off \
    -fno-math-errno -Wall -ISources/CSpecKernels/include -c "$source" -o "$build/$(basename "$source" .c).o"
done
aarch64-linux-gnu-gcc -static "$build"/*.o -o "$build/kernel_test" -lm -lpthread
qemu-aarch64 -cpu max "$build/kernel_test" neon portable
