#!/bin/sh
# Decoding with and without speculation on a fixed workload: seeded places in the sources of three repositories at
# pinned versions (this checkout's two dependencies) and of this checkout itself. Writes one JSON object to stdout.
# usage: Benchmarks/speculation.sh [DEPTHS [CASES [REPEATS]]]
set -eu
cd "$(dirname "$0")/.."
exec .build/release/foretoken bench --scenario speculation --json \
    --workload .build/checkouts/swift-argument-parser/Sources --workload .build/checkouts/swift-log/Sources \
    --workload Sources --depths "${1:-2048,8192,14000}" --cases "${2:-50}" --repeats "${3:-9}"
