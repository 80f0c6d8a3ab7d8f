"""`corpus`: local git repositories to training shards.

Reads HEAD of each repository through `git cat-file` (no work tree needed), keeps permissive, hand-written
source files, drops exact and near duplicates, and keeps the held-out repositories apart by name and by
content: no training file may repeat a held-out one. Output: shardNN.jsonl.xz and held-out.jsonl.xz (one
record = one part of one repository), attribution.tsv (repository, commit, licence) and report.json (what
every rule dropped).
"""

import collections
import hashlib
import json
import lzma
import os
import subprocess

from . import duplicates, filters, licences

RECORD_CHARACTER_COUNT = 400_000  # a record is one stream of tokens: some rows of 16k
PROSE_CHARACTER_COUNT = 600_000  # per repository: documentation must not outweigh code


def add_arguments(parser):
    parser.add_argument(
        "--repositories",
        required=True,
        help="text file: one 'OWNER/NAME<TAB>GIT_DIRECTORY[<TAB>held-out]' per line",
    )
    parser.add_argument("--out", required=True)
    parser.add_argument(
        "--repository-megabytes", type=float, default=9, help="at most this much text of each"
    )
    parser.add_argument(
        "--shard-megabytes", type=float, default=54, help="start a new shard at this compressed size"
    )
    parser.add_argument("--xz-preset", type=int, default=9)


def run(arguments):
    os.makedirs(arguments.out, exist_ok=True)
    rows = [line.rstrip("\n").split("\t") for line in open(arguments.repositories) if line.strip()]
    held_out = [row for row in rows if row[2:] == ["held-out"]]
    training = [row for row in rows if row[2:] != ["held-out"]]
    held_out_names = {name.lower() for name, *_ in held_out}
    training = [row for row in training if row[0].lower() not in held_out_names]
    index, report, attribution = duplicates.Index(), collections.Counter(), []
    limit = int(arguments.repository_megabytes * 1e6)

    def collect(selection, writer, role):
        for name, directory, *_ in selection:
            licence, commit = repository_licence(directory)
            if licence is None:
                report["repositories refused for their licence"] += 1
                print(f"{name}: refused, no permissive licence text found", flush=True)
                continue
            files = read_repository(directory, index, report, limit)
            languages = collections.Counter()
            for _, language, text in files:
                languages[language] += len(text)
                report[f"characters {role} {language}"] += len(text)
            attribution.append((name, commit, licence, role, len(files), sum(languages.values())))
            for part, record in enumerate(records_of(files)):
                writer.write(
                    {"repository": name, "licence": licence, "commit": commit, "part": part, "files": record}
                )
            print(
                f"{name}\t{licence}\t{len(files)} files\t{sum(languages.values()) / 1e6:.1f} MB\t"
                + " ".join(f"{k}={v / 1e6:.1f}" for k, v in languages.most_common(3)),
                flush=True,
            )
        writer.close()

    # Held-out files enter the index first: a training file that repeats one is dropped as its duplicate.
    collect(held_out, ShardWriter(arguments.out, "held-out", None, arguments.xz_preset), "held-out")
    collect(
        training,
        ShardWriter(arguments.out, "shard", arguments.shard_megabytes * 1e6, arguments.xz_preset),
        "training",
    )
    with open(os.path.join(arguments.out, "attribution.tsv"), "w") as file:
        file.write("repository\tcommit\tlicence\trole\tfiles\tcharacters\n")
        for row in sorted(attribution):
            file.write("\t".join(map(str, row)) + "\n")
    with open(os.path.join(arguments.out, "report.json"), "w") as file:
        json.dump(dict(sorted(report.items())), file, indent=1)


class ShardWriter:
    """Writes JSON Lines into xz files, starting a new one when the compressed size passes the limit."""

    def __init__(self, folder, stem, limit, preset):
        self.folder, self.stem, self.limit, self.preset = folder, stem, limit, preset
        self.number, self.file = 0, None

    def write(self, record):
        if self.file is None:
            name = self.stem if self.limit is None else f"{self.stem}{self.number:02d}"
            self.path = os.path.join(self.folder, name + ".jsonl.xz")
            self.file = lzma.open(self.path, "wb", preset=self.preset)
        self.file.write((json.dumps(record, ensure_ascii=False) + "\n").encode())
        if self.limit is not None and os.path.getsize(self.path) >= self.limit:
            self.close()
            self.number += 1

    def close(self):
        if self.file is not None:
            self.file.close()
            self.file = None


def git(directory, *arguments):
    return subprocess.run(["git", "-C", directory, *arguments], capture_output=True)


def repository_licence(directory):
    """(licence or None, commit) of HEAD."""
    commit = git(directory, "rev-parse", "HEAD").stdout.decode().strip()
    for name in licences.LICENCE_FILE_NAMES:
        shown = git(directory, "show", f"HEAD:{name}")
        if shown.returncode == 0:
            return licences.licence_of_text(shown.stdout.decode("utf-8", "replace")), commit
    return None, commit


def read_repository(directory, index, report, limit):
    """[(path, language, text)] of the files kept, whole folders at a time when the repository is over the
    limit.
    """
    listing = git(directory, "ls-tree", "-r", "-l", "-z", "HEAD").stdout.decode("utf-8", "replace")
    wanted = []
    for row in filter(None, listing.split("\0")):
        description, path = row.split("\t", 1)
        mode, kind, identifier, size = description.split()
        if kind != "blob" or mode == "120000" or not size.isdigit():
            continue
        language = filters.language_of_path(path, int(size))
        if language:
            wanted.append((path, identifier, language, int(size)))
    total = sum(size for *_, size in wanted)
    if total > limit:
        wanted = [w for w in wanted if folder_draw(w[0]) < limit / total]
    reader = subprocess.Popen(
        ["git", "-C", directory, "cat-file", "--batch"], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    kept, prose = [], 0
    for path, identifier, language, _ in wanted:
        text = read_blob(reader, identifier)
        reason = (
            "not UTF-8"
            if text is None
            else (None if licences.header_is_permissive(text) else "own header not permissive")
        )
        reason = reason or filters.reason_to_drop(text) or index.seen(text)
        if reason is None and language in filters.PROSE_LANGUAGES:
            prose += len(text)
            reason = "enough prose" if prose > PROSE_CHARACTER_COUNT else None
        if reason:
            report[f"dropped: {reason}"] += 1
        else:
            kept.append((path, language, text))
    reader.stdin.close()
    reader.wait()
    return kept


def folder_draw(path):
    """A number in 0..<1 that is the same for all files of a folder: sampling keeps neighbours together."""
    digest = hashlib.blake2b(os.path.dirname(path).encode(), digest_size=4).digest()
    return int.from_bytes(digest, "little") / 2**32


def read_blob(reader, identifier):
    reader.stdin.write((identifier + "\n").encode())
    reader.stdin.flush()
    header = reader.stdout.readline().split()
    if len(header) < 3:
        return None
    data = reader.stdout.read(int(header[2]))
    reader.stdout.read(1)
    if b"\0" in data:
        return None
    try:
        return data.decode("utf-8").replace("\r\n", "\n")
    except UnicodeDecodeError:
        return None


def records_of(files):
    """Files in path order, cut into records of about RECORD_CHARACTER_COUNT: [[path, text], ...]."""
    record, size = [], 0
    for path, _, text in sorted(files, key=lambda file: file[0]):
        record.append([path, text])
        size += len(text)
        if size >= RECORD_CHARACTER_COUNT:
            yield record
            record, size = [], 0
    if record:
        yield record
