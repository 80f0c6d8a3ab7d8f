#!/usr/bin/env bash
# The cost of edits, restarts and checkouts (docs/PREFIX_CACHE.md) on two repositories: this one, and one of 2,000 files
# that is made here. Uses a cache directory of its own. Arguments: the binary and, if wanted, the prompt size in tokens.

set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
binary=$(realpath "${1:-.build/release/foretoken}")
tokens=${2:-8192}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
export XDG_CACHE_HOME="$work/cache" XDG_RUNTIME_DIR="$work/run"
mkdir -m 700 "$XDG_RUNTIME_DIR"

make_repository() {  # 2,100 Python files that import each other, two branches that differ in thirty
    git init -q "$1"
    python3 - "$1" <<'PYTHON'
import pathlib, random, sys
root = pathlib.Path(sys.argv[1])
random.seed(7)
verbs = "load store merge split count parse render check route filter".split()
nouns = "order invoice parcel customer ticket ledger report window signal channel".split()
for number in range(2100):
    folder = root / f"package_{number // 30:02d}"
    folder.mkdir(exist_ok=True)
    lines = [f"from package_{random.randrange(70):02d} import module_{random.randrange(2100):04d}" for _ in range(3)]
    for function in range(60 if number % 30 == 0 else random.randrange(4, 12)):
        verb, noun = random.choice(verbs), random.choice(nouns)
        lines += ["", "", f"def {verb}_{noun}_{number}_{function}({noun}, limit={random.randrange(99)}):",
                  f'    """{verb.capitalize()} one {noun} of at most `limit` entries."""',
                  f"    {noun}s = [entry for entry in {noun} if entry.weight > {random.randrange(50)}]",
                  f"    if len({noun}s) > limit:", f"        return {noun}s[:limit]", f"    return {noun}s"]
    (folder / f"module_{number:04d}.py").write_text("\n".join(lines) + "\n")
PYTHON
    git -C "$1" add . && git -C "$1" -c user.name=t -c user.email=t@example.com commit -qm one
    git -C "$1" checkout -qb other
    for number in $(seq 0 30 899); do
        printf 'def added(value):\n    return value\n' >> "$1/package_$(printf %02d $((number / 30)))/module_$(printf %04d "$number").py"
    done
    git -C "$1" -c user.name=t -c user.email=t@example.com commit -qam two
    git -C "$1" checkout -q -
}

git clone -q . "$work/self"
make_repository "$work/large"
for repository in "$work/self" "$work/large"; do
    echo "== $(basename "$repository"), $(git -C "$repository" ls-files | wc -l) files"
    "$binary" bench --scenario edits --repository "$repository" --context-tokens "$tokens" --json
    "$binary" warm "$repository" --context-tokens "$tokens" --files 4
    "$binary" bench --scenario restart --repository "$repository" --context-tokens "$tokens" --repeats 1 --json
done
echo "== large, after a checkout of the other branch"
git -C "$work/large" checkout -q other
"$binary" warm "$work/large" --context-tokens "$tokens" --files 4 --json
"$binary" bench --scenario restart --repository "$work/large" --context-tokens "$tokens" --repeats 1 --json
