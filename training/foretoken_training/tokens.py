"""`tokens`: corpus shards to streams of token ids, rendered the way the target was trained.

One record becomes <repository>NAME, then its files as <file>PATH and text, near their folder. About half of
the files are rewritten as fill-in-the-middle, half of those with the prefix first (PSM) and half with the
suffix first (SPM, so that typing only appends), the middle closed by the end token. Structural tokens are
inserted as ids; all other text is tokenised as plain text. Every epoch draws new holes, so one shard serves
many passes. Output: uint16 (uint32 for vocabularies over 65,536) files STEM-epochN.bin, and for held-out
data one file per repository.
"""

import collections
import glob
import json
import lzma
import multiprocessing
import os
import random
import time

import numpy as np

from . import filters
from .tokenizer import tokenizer_of

# Shares of the draws below are those of the target's own training; a draft must see the same kind of text.
FIM_SHARE = 0.52  # of the files
LINE_END_SPAN_SHARE, LINE_START_SPAN_SHARE, INSIDE_LINE_SHARE = 0.65, 0.25, 0.10
SNIPPET_SHARE = 0.16  # part of a file, as a retrieved snippet would be
MAXIMUM_PREFIX_CHARACTER_COUNT = 9000
_tokenizer = None


def add_arguments(parser):
    parser.add_argument("--shards", required=True, help="folder with *.jsonl.xz from `corpus`")
    parser.add_argument("--target", required=True, help="GGUF or folder whose tokenizer is used")
    parser.add_argument("--out", required=True)
    parser.add_argument("--epochs", type=int, default=1)
    parser.add_argument("--workers", type=int, default=os.cpu_count())
    parser.add_argument(
        "--expect",
        type=int,
        default=0,
        help="wait until this many shards have appeared (they may arrive while this runs)",
    )
    parser.add_argument(
        "--held-out", action="store_true", help="render held-out.jsonl.xz, one file per repository"
    )
    parser.add_argument(
        "--plain", action="store_true", help="each file whole and once, without holes: for `verbatim`"
    )


def run(arguments):
    os.makedirs(arguments.out, exist_ok=True)
    with multiprocessing.Pool(arguments.workers, _start_worker, (arguments.target,)) as pool:
        if arguments.held_out:
            render_held_out(arguments, pool)
        else:
            render_shards(arguments, pool)


def render_shards(arguments, pool):
    start, lines_of, done = time.time(), {}, set()
    for epoch in range(arguments.epochs):
        while True:
            paths = sorted(glob.glob(os.path.join(arguments.shards, "shard*.jsonl.xz")))
            pending = [path for path in paths if (path, epoch) not in done]
            if not pending and len(paths) >= arguments.expect:
                break
            if not pending:
                time.sleep(0.5)
                continue
            for path in pending:
                if path not in lines_of:
                    with lzma.open(path) as file:
                        lines_of[path] = file.read().decode().rstrip("\n").split("\n")
                stem = os.path.basename(path).split(".")[0]
                seeded = [
                    (line, None if arguments.plain else f"{stem}/{i}/{epoch}")
                    for i, line in enumerate(lines_of[path])
                ]
                random.Random(f"{stem}/{epoch}").shuffle(seeded)
                count = write(
                    arguments.out, f"{stem}-epoch{epoch}", pool.map(_render_line, seeded, chunksize=2)
                )
                done.add((path, epoch))
                print(
                    f"{time.time() - start:7.1f} s {stem} epoch {epoch}: {count / 1e6:.1f} M tokens",
                    flush=True,
                )


def render_held_out(arguments, pool):
    by_repository = collections.defaultdict(list)
    with lzma.open(os.path.join(arguments.shards, "held-out.jsonl.xz")) as file:
        for line in file.read().decode().rstrip("\n").split("\n"):
            by_repository[json.loads(line)["repository"]].append(line)
    for name, lines in sorted(by_repository.items()):
        languages = collections.Counter()
        for line in lines:
            for path, text in json.loads(line)["files"]:
                languages[filters.language_of_path(path, len(text)) or "other"] += len(text)
        code = [name for name, _ in languages.most_common() if name not in filters.PROSE_LANGUAGES]
        parts = pool.map(_render_line, [(line, f"held-out/{name}/{i}") for i, line in enumerate(lines)])
        write(arguments.out, f"{code[0]}__{name.replace('/', '+')}", parts)


def write(folder, stem, parts):
    array = np.concatenate(parts)
    path = os.path.join(folder, stem)
    array.tofile(path + ".partial")
    os.rename(path + ".partial", path + ".bin")  # readers never see half a file
    return len(array)


def _start_worker(target):
    global _tokenizer
    _tokenizer = tokenizer_of(target)


def _render_line(job):
    line, seed = job
    record = json.loads(line)
    if seed is None:
        pieces = render_plain(record["files"])
    else:
        pieces = render(record["repository"], record["files"], random.Random(seed), _tokenizer.fills_holes)
    return np.asarray(to_ids(pieces, _tokenizer), dtype_of(_tokenizer.vocabulary_size))


def dtype_of(vocabulary_size):
    """The type of the ids in a token file."""
    return np.uint16 if vocabulary_size <= 1 << 16 else np.uint32


def to_ids(pieces, tokenizer):
    """`pieces` are plain strings and structural roles ("repository", "file", ...), the latter as
    one-tuples. A role that the model has no token for is left out.
    """
    ids = []
    for piece in pieces:
        if isinstance(piece, tuple):
            token = getattr(tokenizer, piece[0])
            ids += [] if token is None else [token]
        elif piece:
            ids.extend(tokenizer.encode(piece))
    return ids


def render_plain(files):
    pieces = []
    for path, text in files:
        pieces += [("file",), path + "\n" + text]
    return pieces + [("end",)]


def render(repository, files, rng, fills_holes=True):
    folders = collections.defaultdict(list)
    for path, text in files:
        folders[os.path.dirname(path)].append((path, text))
    names = sorted(folders)
    turn = rng.randrange(len(names))  # rotate and shuffle lightly: neighbours stay near
    names = names[turn:] + names[:turn]
    for i in range(0, len(names), 3):
        block = names[i : i + 3]
        rng.shuffle(block)
        names[i : i + 3] = block
    pieces = [("repository",), repository + "\n"]
    for name in names:
        members = folders[name][:]
        rng.shuffle(members)
        for path, text in members:
            draw = rng.random()
            if draw < FIM_SHARE and fills_holes:
                pieces += render_fim(path, text, rng)
                continue
            if draw < FIM_SHARE + SNIPPET_SHARE and len(text) > 3000:
                text = snippet(text, rng)
            pieces += [("file",), path + "\n" + text]
        if rng.random() < 0.02:
            pieces += [("end",), ("repository",), repository + "\n"]
    return pieces + [("end",)]


def snippet(text, rng):
    lines = text.split("\n")
    count = rng.randrange(15, 120)
    first = rng.randrange(0, max(1, len(lines) - count))
    return "\n".join(lines[first : first + count]) + "\n"


def hole(text, rng):
    """[start, end) of the middle to be filled in."""
    draw, length = rng.random(), len(text)
    if draw < LINE_END_SPAN_SHARE:  # the editor's case: a short span up to a line's end
        start = rng.randrange(length)
        if draw < LINE_START_SPAN_SHARE:  # ... from where the line's code starts
            start = text.rfind("\n", 0, start) + 1
            while start < length and text[start] in " \t":
                start += 1
        end = start
        for _ in range(rng.choice([1, 1, 1, 1, 2, 3, 4, 6, 8])):
            newline = text.find("\n", end + 1 if end > start else end)
            if newline < 0:
                end = length
                break
            end = newline
        return start, min(end, start + 1200)
    if draw < LINE_END_SPAN_SHARE + INSIDE_LINE_SHARE:
        start = rng.randrange(length)
        newline = text.find("\n", start)
        newline = length if newline < 0 else newline
        return start, start + (rng.randrange(1, newline - start + 1) if newline > start else 0)
    start, end = sorted((rng.randrange(length + 1), rng.randrange(length + 1)))
    return start, min(end, start + 3000)


def render_fim(path, text, rng):
    start, end = hole(text, rng)
    prefix, middle, suffix = text[:start], text[start:end], text[end:]
    if len(prefix) > MAXIMUM_PREFIX_CHARACTER_COUNT:
        cut = prefix.find("\n", len(prefix) - rng.randrange(1500, MAXIMUM_PREFIX_CHARACTER_COUNT))
        prefix = prefix[cut + 1 :] if cut >= 0 else prefix[-MAXIMUM_PREFIX_CHARACTER_COUNT:]
    draw = rng.random()
    if draw < 0.12:
        limit = 0
    elif draw < 0.30 and len(suffix) < 6000:
        limit = len(suffix)
    else:
        limit = rng.randrange(100, 3000)
    if len(suffix) > limit:
        cut = suffix.find("\n", limit)
        suffix = suffix[: cut + 1] if 0 <= cut < limit + 400 else suffix[:limit]
    opening = [("file",), path + "\n"]
    if rng.random() < 0.5:
        return opening + [("prefix",), prefix, ("suffix",), suffix, ("middle",), middle, ("end",)]
    return opening + [("suffix",), suffix, ("prefix",), prefix, ("middle",), middle, ("end",)]
