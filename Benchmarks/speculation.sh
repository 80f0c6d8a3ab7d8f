#!/bin/sh
# Decoding with and without speculation on the fixed workload: 50 committed cursor positions in three repositories.
# Writes one JSON object to stdout and each finished case to a case file: run again, it goes on where it stopped.
# usage: Benchmarks/speculation.sh [DEPTHS [CASES [PAIRS [CASE_FILE]]]]
set -eu
cd "$(dirname "$0")/.."
Benchmarks/fetch.sh >&2
exec .build/release/foretoken bench --scenario speculation --json --depths "${1:-2048,8192,14000}" \
    --cases "${2:-50}" --pairs "${3:-9}" --case-file "${4:-.build/benchmarks/speculation.jsonl}"
