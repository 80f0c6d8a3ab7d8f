"""`cursors`: the committed list of cursor positions, and prompts made from it.

`--choose` draws positions with a seed from held-out repositories (paths and positions only; no source text
is stored, and results play no part in the choice). `--prompts` makes token prompts of one exact length from
such a list: context files of the same repository, nearest folder last, then the file's suffix and prefix,
in SPM order.
"""

import json
import os
import random
import subprocess

from . import filters, gguf_file
from .corpus import git, read_blob, repository_licence
from .tokenizer import Tokenizer

CURSORS_PER_REPOSITORY = 4
SUFFIX_CHARACTER_COUNT, PREFIX_CHARACTER_COUNT = (
    1500,
    5000,
)  # of the current file, as in the model card's test


def add_arguments(parser):
    parser.add_argument("--repositories", required=True, help="as for `corpus`; held-out rows are used")
    parser.add_argument("--list", required=True, help="the cursor list (JSON) to write or to read")
    parser.add_argument("--choose", action="store_true", help="draw the list")
    parser.add_argument("--seed", type=int, default=5)
    parser.add_argument(
        "--per-repository", type=int, default=CURSORS_PER_REPOSITORY, help="positions drawn in each"
    )
    parser.add_argument("--target", help="GGUF whose tokenizer is used, for --prompts")
    parser.add_argument("--prompts", help="write prompts here (JSON Lines)")
    parser.add_argument("--lengths", default="2048,8192,16384", help="prompt lengths in tokens")


def run(arguments):
    rows = [line.rstrip("\n").split("\t") for line in open(arguments.repositories) if line.strip()]
    directories = {row[0]: row[1] for row in rows if row[2:] == ["held-out"]}
    if arguments.choose:
        with open(arguments.list, "w") as file:
            json.dump(choose(directories, arguments.seed, arguments.per_repository), file, indent=1)
            file.write("\n")
    if arguments.prompts:
        write_prompts(arguments, directories)


def sources(directory, commit="HEAD"):
    """{path: text} of a repository's code files that pass the corpus filters."""
    listing = git(directory, "ls-tree", "-r", "-l", "-z", commit).stdout.decode("utf-8", "replace")
    reader = subprocess.Popen(
        ["git", "-C", directory, "cat-file", "--batch"], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    texts = {}
    for row in filter(None, listing.split("\0")):
        description, path = row.split("\t", 1)
        mode, kind, identifier, size = description.split()
        if kind != "blob" or mode == "120000":
            continue
        language = filters.language_of_path(path, int(size))
        if language is None or language in filters.PROSE_LANGUAGES:
            continue
        text = read_blob(reader, identifier)
        if text is not None and filters.reason_to_drop(text) is None:
            texts[path] = text
    reader.stdin.close()
    reader.wait()
    return texts


def choose(directories, seed, count=CURSORS_PER_REPOSITORY):
    chosen = {"schema": 1, "seed": seed, "columns": "1-based, UTF-8 bytes", "repositories": [], "cursors": []}
    for name, directory in sorted(directories.items()):
        rng = random.Random(f"{seed}/{name}")
        _, commit = repository_licence(directory)
        texts = {path: text for path, text in sources(directory).items() if 1500 <= len(text) <= 60_000}
        chosen["repositories"].append({"name": name, "commit": commit})
        for path in rng.sample(sorted(texts), min(count, len(texts))):
            position = draw_position(texts[path], rng)
            if position:
                chosen["cursors"].append(
                    {"repository": name, "path": path, "line": position[0], "column": position[1]}
                )
    return chosen


def draw_position(text, rng):
    """(line, column) in the first half of a line of code that says something; half of the draws at its
    start.
    """
    lines = text.split("\n")
    for _ in range(100):
        index = rng.randrange(min(10, len(lines) - 1), len(lines))
        code = lines[index].strip()
        if len(code) < 10 or code.startswith(("//", "#", "*", "/*", "import", "from", "using", "use ")):
            continue
        column = len(lines[index]) - len(lines[index].lstrip())
        if rng.random() < 0.5:
            column += rng.randrange(0, max(1, len(code) // 2))
        return index + 1, len(lines[index][:column].encode()) + 1
    return None


def write_prompts(arguments, directories):
    tokenizer = Tokenizer(gguf_file.File(arguments.target))
    cursor_list = json.load(open(arguments.list))
    commits = {entry["name"]: entry["commit"] for entry in cursor_list["repositories"]}
    texts_of, missing = {}, 0
    with open(arguments.prompts, "w") as out:
        for number, cursor in enumerate(cursor_list["cursors"]):
            name = cursor["repository"]
            if name not in texts_of:
                texts_of[name] = sources(directories[name], commits[name])
            for length in map(int, arguments.lengths.split(",")):
                for kind in ("fill", "continue"):
                    ids = prompt(name, texts_of[name], cursor, length, tokenizer, kind)
                    if ids is None:
                        missing += 1
                        continue
                    out.write(
                        json.dumps(
                            {
                                "cursor": number,
                                "kind": kind,
                                "length": length,
                                "repository": name,
                                "language": filters.language_of_path(cursor["path"], 1000),
                                "ids": ids,
                            }
                        )
                        + "\n"
                    )
    if missing:
        print(f"{missing} prompts left out: their repository has too little text for the length")


def prompt(name, texts, cursor, length, tokenizer, kind):
    """Exactly `length` ids, or None when the repository is too small. The oldest context is cut to fit.

    Kind "fill" asks for the middle in SPM order, as an editor does; "continue" ends with the file up to the
    cursor.
    """
    path, text = cursor["path"], texts[cursor["path"]]
    lines = text.split("\n")
    line = lines[cursor["line"] - 1].encode()
    offset = sum(len(other) + 1 for other in lines[: cursor["line"] - 1]) + len(
        line[: cursor["column"] - 1].decode()
    )
    suffix = text[offset:].split("\n", 1)
    suffix = ("\n" + suffix[1] if len(suffix) > 1 else "")[:SUFFIX_CHARACTER_COUNT]
    current = [tokenizer.file, *tokenizer.encode(path + "\n")]
    prefix = tokenizer.encode(text[:offset][-PREFIX_CHARACTER_COUNT:])
    if kind == "fill":
        current += [tokenizer.suffix, *tokenizer.encode(suffix), tokenizer.prefix, *prefix, tokenizer.middle]
    else:
        current += prefix
    opening = [tokenizer.repository, *tokenizer.encode(name + "\n")]
    room = length - len(opening) - len(current)
    context = []
    for other in sorted((p for p in texts if p != path), key=lambda p: distance(p, path)):
        if len(context) >= room:
            break
        context = [
            tokenizer.file,
            *tokenizer.encode(other + "\n" + texts[other].rstrip("\n") + "\n"),
            *context,
        ]
    if len(context) < room:
        return None
    ids = opening + (context[-room:] if room > 0 else []) + current
    return ids[-length:]


def distance(path, other):
    """Folders to climb and descend from one file to the other; ties by path."""
    a, b = os.path.dirname(path).split("/"), os.path.dirname(other).split("/")
    common = 0
    while common < min(len(a), len(b)) and a[common] == b[common]:
        common += 1
    return len(a) + len(b) - 2 * common, path
