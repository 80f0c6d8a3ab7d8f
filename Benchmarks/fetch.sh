#!/bin/sh
# Unpacks the source trees that a cursor list names, at the commits it names, below .build/benchmarks: what
# `foretoken bench --scenario speculation` reads. Nothing of it is committed.
# usage: Benchmarks/fetch.sh [CURSOR_LIST [DIRECTORY]]
# BENCHMARK_MIRROR: a folder with bare repositories OWNER/NAME to take them from instead of GitHub.
set -eu
cd "$(dirname "$0")/.."
list=${1:-Benchmarks/cursors/speculation.json}
directory=${2:-.build/benchmarks}
python3 -c '
import json, sys
for repository in json.load(open(sys.argv[1]))["repositories"]:
    print(repository["name"], repository["commit"])
' "$list" | while read -r name commit; do
    tree="$directory/$name"
    if [ "$(cat "$tree/.commit" 2>/dev/null || true)" = "$commit" ]; then continue; fi
    echo "$name at $commit"
    rm -rf "$tree"
    mkdir -p "$tree"
    if [ -n "${BENCHMARK_MIRROR:-}" ]; then
        git -C "$BENCHMARK_MIRROR/$name" archive --format=tar "$commit" | tar -x -C "$tree"
    else
        git -c advice.detachedHead=false clone --quiet --filter=blob:none --no-checkout \
            "https://github.com/$name" "$tree"
        git -C "$tree" checkout --quiet "$commit"
        rm -rf "$tree/.git"
    fi
    echo "$commit" >"$tree/.commit"
done
