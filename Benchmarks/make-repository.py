#!/usr/bin/env python3
"""Makes a repository of a given size, to measure repository context on: make-repository.py DIRECTORY [FILES [COMMITS]].

Python, TypeScript, Go and Java files of some 3 KiB with imports and calls between them, in folders of twenty, and a
history in which neighbours change together. The same arguments give the same repository. Needs git.
"""

import os
import random
import subprocess
import sys

WORDS = """account action active address agent alert amount answer archive area array asset audit author balance bank
batch billing block body book branch bridge buffer budget bundle button cache call card cart case catalog cell chain
channel chart check city claim client clock cloud code color column comment config contact content count course cover
credit curve cycle data date deal delay depth design detail device digest disk domain draft driver edge editor effect
email engine entry error event export factor feature field filter flag flow folder form format frame grade graph grid
group guard guide header health history hook host image import income index input invoice issue item job journal key
label layer layout leader lease ledger letter level license limit link list loader local lock login map market master
matrix member menu merge message meter method metric model module monitor month network node note notice number object
offer office order origin output owner packet page panel parser part path patch payment period person phase phone plan
player point policy pool port position power price process product profile project promise proof query queue quota range
rate reader record region release report request reserve result review risk role room route rule sample scale schema
scope score search section seed segment sensor series server service session shape share sheet shift signal site size
slice source space spec stack stage state status step stock store stream style subject summary switch symbol table tag
target task team tenant term text theme thread ticket time token tool topic total track trade traffic tree trigger type
unit update user value vector vendor version view volume wallet watch weight window worker zone""".split()
LANGUAGES = [("py", 4), ("ts", 3), ("go", 2), ("java", 1)]


def camel(words):
    return words[0] + "".join(word.capitalize() for word in words[1:])


def function(rng, language, name, helpers):
    """One function that calls a few of the helpers."""
    a, b, c = (rng.choice(WORDS) for _ in range(3))
    calls = [rng.choice(helpers) for _ in range(3)]
    given, made = a.capitalize(), c.capitalize()
    if language == "py":
        return (
            f"def {name}({a}, {b}=None):\n    \"\"\"Gives the {c} of the {a}.\"\"\"\n    {c} = {calls[0]}({a})\n"
            f"    if {b} is None:\n        {b} = {calls[1]}({c}, limit={rng.randrange(100)})\n"
            f"    for item_{a} in {c}.{b}s:\n        {c}.append({calls[2]}(item_{a}, {b}))\n    return {c}\n\n\n"
        )
    if language == "ts":
        return (
            f"/** Gives the {c} of the {a}. */\nexport function {name}("
            f"{a}: {given}, {b} = {rng.randrange(100)}) {{\n"
            f"  const {c} = {calls[0]}({a});\n  if ({b} > {c}.{a}Count) {{\n    return {calls[1]}({c}, {b});\n  }}\n"
            f"  return {c}.map((entry) => {calls[2]}(entry, {b}));\n}}\n\n"
        )
    if language == "go":
        return (
            f"// {name} gives the {c} of the {a}.\nfunc {name}({a} *{given}, {b} int) ({made}, error) {{\n"
            f"\t{c}, err := {calls[0]}({a})\n\tif err != nil {{\n\t\treturn nil, err\n\t}}\n"
            f"\tif {b} > {rng.randrange(100)} {{\n\t\treturn {calls[1]}({c}, {b})\n\t}}\n"
            f"\treturn {calls[2]}({c}), nil\n}}\n\n"
        )
    return (
        f"    /** Gives the {c} of the {a}. */\n    public {made} {name}({given} {a}, int {b}) {{\n"
        f"        {made} {c} = {calls[0]}({a});\n        if ({b} > {rng.randrange(100)}) {{\n"
        f"            return {calls[1]}({c}, {b});\n        }}\n        return {calls[2]}({c}, {a});\n    }}\n\n"
    )


def text(rng, language, module, names, neighbours):
    """A file that defines `names` and imports its neighbours."""
    helpers = names + [name for _, others in neighbours for name in others]
    body = "".join(function(rng, language, name, helpers) for name in names)
    if language == "py":
        head = "".join(f"from .{other} import {', '.join(others[:3])}\n" for other, others in neighbours)
        return head + "\n\n" + body
    if language == "ts":
        head = "".join(f"import {{ {', '.join(others[:3])} }} from './{other}';\n" for other, others in neighbours)
        return head + "\n" + body
    if language == "go":
        return f"package {module}\n\n" + body
    return f"package parts.{module};\n\npublic class {module.capitalize()} {{\n\n{body}}}\n"


def files(count, rng):
    """Path, language and a maker of the text, folder by folder."""
    pool = [name for name, share in LANGUAGES for _ in range(share)]
    made = 0
    while made < count:
        language = rng.choice(pool)
        folder = f"{rng.choice(WORDS)}/{rng.choice(WORDS)}_{made // 20}"
        size = min(20, count - made)
        modules = [f"{rng.choice(WORDS)}_{rng.choice(WORDS)}_{number}" for number in range(size)]
        names = [[camel([rng.choice(WORDS) for _ in range(3)]) for _ in range(9)] for _ in modules]
        for number, module in enumerate(modules):
            near = [(number + step) % size for step in (1, 2, 5) if size > 5]
            neighbours = [(modules[other], names[other]) for other in near]
            yield f"{folder}/{module}.{language}", text(rng, language, module, names[number], neighbours)
        made += size


def main():
    directory = sys.argv[1]
    file_count = int(sys.argv[2]) if len(sys.argv) > 2 else 10_000
    commit_count = int(sys.argv[3]) if len(sys.argv) > 3 else 2_000
    rng = random.Random(1)
    os.makedirs(directory)
    environment = dict(os.environ, GIT_CONFIG_GLOBAL="/dev/null", GIT_CONFIG_SYSTEM="/dev/null")
    subprocess.run(["git", "init", "-q", "-b", "main", directory], check=True, env=environment)
    everything = list(files(file_count, rng))
    git = subprocess.Popen(
        ["git", "-C", directory, "fast-import", "--quiet"], stdin=subprocess.PIPE, env=environment)

    def send(line, data=b""):
        git.stdin.write(line.encode() + b"\n" + data)

    def commit(number, changes):
        send("commit refs/heads/main")
        send(f"committer Maker <maker@example.com> {1_700_000_000 + number * 3_600} +0000")
        send("data 6\nchange")
        for path, content in changes:
            data = content.encode()
            send(f"M 100644 inline {path}\ndata {len(data)}", data + b"\n")

    commit(0, everything)
    for number in range(1, commit_count):
        start = rng.randrange(0, file_count - 4) if file_count > 4 else 0
        changes = []
        for place in range(start, min(file_count, start + rng.randrange(1, 4))):
            path, content = everything[place]
            content += "\n" if path.endswith(".java") else content[-1:]
            everything[place] = (path, content)
            changes.append(everything[place])
        commit(number, changes)
    git.stdin.close()
    if git.wait() != 0:
        sys.exit("git fast-import failed")
    subprocess.run(["git", "-C", directory, "checkout", "-q", "-f", "main"], check=True, env=environment)
    print(f"{directory}: {len(everything)} files, {commit_count} commits")


if __name__ == "__main__":
    main()
