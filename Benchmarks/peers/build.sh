#!/bin/sh
# Builds llama.cpp, the engine that Foretoken is measured against, out of the source package `llama-cpp-python`, which
# carries its tree. Two builds: `native` (every instruction of this CPU) and `avx2` (AVX2, FMA and F16C only). Into
# .build/peers of this checkout; nothing is installed. Needs Python 3.9 with venv, a C++ compiler, 1 GiB of disk and, on
# two cores, about three minutes per build; a second call finds everything done.
#
# usage: Benchmarks/peers/build.sh [native] [avx2] [server]     default: native avx2
#        JOBS=n sets how many compilers run at once (default 2)
# `server` adds llama-server and llama-bench to the native build: seven minutes more.

set -eu

version=0.3.36 # of llama-cpp-python: one version, so that tables made at different times can be compared

cd "$(dirname "$0")/../.."
here=$PWD/Benchmarks/peers
root=$PWD/.build/peers
source=$root/llama_cpp_python-$version/vendor/llama.cpp
mkdir -p "$root"

say() { printf '%s\n' "$*" >&2; }

# ---------------------------------------------------------------------------------------------- tools and sources

# CMake and Ninja in a virtual environment, so that the machine's own may be absent or old.
if [ ! -x "$root/tools/bin/ninja" ]; then
    say "build.sh: CMake and Ninja into .build/peers/tools"
    python3 -m venv "$root/tools"
    "$root/tools/bin/pip" install --quiet --disable-pip-version-check cmake ninja
fi
PATH=$root/tools/bin:$PATH

if [ ! -f "$source/CMakeLists.txt" ]; then
    say "build.sh: the sources of llama-cpp-python $version into .build/peers (75 MB)"
    pip download --quiet --disable-pip-version-check --no-deps --no-binary llama-cpp-python \
        --dest "$root" "llama-cpp-python==$version"
    tar -xzf "$root/llama_cpp_python-$version.tar.gz" -C "$root"
fi

# ------------------------------------------------------------------------------------------------------ the builds

# configure DIRECTORY [CMake options]: the parts that both builds share. No BLAS: llama.cpp's own kernels are faster on
# the shapes measured here, and its defaults have none.
configure() {
    directory=$1
    shift
    [ -f "$directory/build.ninja" ] && return
    cmake -S "$source" -B "$directory" -G Ninja -DCMAKE_BUILD_TYPE=Release -DBUILD_SHARED_LIBS=ON \
        -DLLAMA_BUILD_TESTS=OFF -DLLAMA_BUILD_EXAMPLES=OFF -DLLAMA_BUILD_TOOLS=ON -DLLAMA_BUILD_SERVER=ON \
        -DLLAMA_BUILD_APP=OFF -DLLAMA_BUILD_UI=OFF -DLLAMA_USE_PREBUILT_UI=OFF -DLLAMA_OPENSSL=OFF \
        -DGGML_CCACHE=OFF "$@" >"$directory.log" 2>&1
}

# build NAME TARGET...: the targets, then our driver against them.
build() {
    name=$1
    shift
    say "build.sh: $name build of llama.cpp ($*)"
    cmake --build "$root/$name" --parallel "${JOBS:-2}" --target "$@" >>"$root/$name.log" 2>&1 || {
        tail -n 20 "$root/$name.log" >&2
        say "build.sh: the $name build failed; all of it is in $root/$name.log"
        exit 1
    }
    if [ ! "$root/$name/driver" -nt "$here/driver.cpp" ]; then
        "${CXX:-c++}" -O2 -std=c++17 -Wall -Wextra -I"$source/include" -I"$source/ggml/include" \
            "$here/driver.cpp" -o "$root/$name/driver" \
            -L"$root/$name/bin" -lllama -lggml -lggml-base -Wl,-rpath,"$root/$name/bin"
    fi
}

[ $# -gt 0 ] || set -- native avx2
for what in "$@"; do
    case $what in
    native)
        configure "$root/native" -DGGML_NATIVE=ON
        build native llama
        ;;
    server)
        configure "$root/native" -DGGML_NATIVE=ON
        build native llama llama-bench llama-server
        ;;
    avx2)
        configure "$root/avx2" -DGGML_NATIVE=OFF -DGGML_SSE42=ON -DGGML_AVX=ON -DGGML_AVX2=ON -DGGML_BMI2=ON \
            -DGGML_FMA=ON -DGGML_F16C=ON -DGGML_AVX_VNNI=OFF -DGGML_AVX512=OFF -DGGML_AVX512_VBMI=OFF \
            -DGGML_AVX512_VNNI=OFF -DGGML_AVX512_BF16=OFF
        build avx2 llama
        ;;
    *)
        say "usage: Benchmarks/peers/build.sh [native] [avx2] [server]"
        exit 2
        ;;
    esac
done
