#!/bin/sh
# Decoding with and without speculation on the fixed workload: 50 committed cursor positions in three repositories.
# Writes one JSON object to stdout and each finished case to a case file: run again, it goes on where it stopped.
# usage: Benchmarks/speculation.sh [DEPTHS [CASES [PAIRS [CASE_FILE [OPTION...]]]]]
# CASES is how many, or which ones (11-20): parts can run side by side, each with a case file of its own. All parts'
# case files in one, given to a run over all cases with the same PAIRS and OPTIONs, are summed up without measuring.
set -eu
cd "$(dirname "$0")/.."
Benchmarks/fetch.sh >&2
depths=${1:-2048,8192,14000} cases=${2:-50} pairs=${3:-9} file=${4:-.build/benchmarks/speculation.jsonl}
if [ $# -gt 4 ]; then shift 4; else set --; fi
exec .build/release/foretoken bench --scenario speculation --json --depths "$depths" --cases "$cases" \
    --pairs "$pairs" --case-file "$file" "$@"
