"""The repository that a trace is typed in: a copy with the trace's files as they are at its beginning, and what one
checkout changes. Made with git once; a run then only copies files, so that it needs no git.
"""

import itertools
import os
import pathlib
import random
import shutil
import subprocess

import typing_trace

SOURCE_SUFFIXES = {".py", ".swift", ".go", ".ts", ".js", ".rs", ".c", ".cpp", ".h", ".java", ".kt", ".cs"}
LINES = (250, 2500)
# History that is copied, and how far back the checkout goes.
DEPTH, BACK = 60, 40


def git(folder, *arguments, check=True):
    command = ["git", "-C", str(folder), "-c", "user.name=typist", "-c", "user.email=typist@example.org",
               "-c", "commit.gpgsign=false", "-c", "core.hooksPath=/dev/null", *arguments]
    done = subprocess.run(command, capture_output=True, text=True)
    if check and done.returncode:
        raise SystemExit(f"git {' '.join(arguments)} in {folder}: {done.stderr.strip()}")
    return done.stdout


def choose_files(repository, seed, count=3, is_refused=lambda path: False):
    """Files of source code of a size that one works in, drawn by the seed."""
    names = []
    for name in git(repository, "ls-files").splitlines():
        path = pathlib.Path(repository, name)
        if path.suffix in SOURCE_SUFFIXES and path.is_file():
            text = path.read_bytes()
            if LINES[0] <= text.count(b"\n") <= LINES[1] and b"\r" not in text:
                names.append(name)
    if len(names) < count:
        raise SystemExit(f"{repository} has {len(names)} source files of {LINES[0]} to {LINES[1]} lines, not {count}")
    random.Random(seed).shuffle(names)
    return list(itertools.islice((name for name in names if not is_refused(pathlib.Path(repository, name))), count))


def prepare(repository, destination, seed, minutes, typists=1, files=None, is_refused=lambda path: False):
    """Makes `destination`: repository/, checkout/ and trace.json.gz. The trace.

    is_refused: says of a path that it is none to type in.
    """
    destination = pathlib.Path(destination)
    destination.mkdir(parents=True)
    copy = destination / "repository"
    source = pathlib.Path(repository).resolve()
    git(".", "clone", "--quiet", "--single-branch", f"--depth={DEPTH}", f"file://{source}", str(copy))
    git(copy, "remote", "remove", "origin")
    files = files or choose_files(copy, seed, is_refused=is_refused)
    texts = [(copy / name).read_text(encoding="utf-8") for name in files]
    made = typing_trace.make(files, texts, seed, minutes, typists)
    made.save(destination / "trace.json.gz")
    git(copy, "checkout", "--quiet", "-B", "typing")
    _commit_beginning(copy, made)
    _make_checkout(copy, made, destination / "checkout")
    return made


def _commit_beginning(copy, made):
    for name, text in zip(made.names, made.texts):
        (copy / name).parent.mkdir(parents=True, exist_ok=True)
        (copy / name).write_text(text, encoding="utf-8", newline="")
    git(copy, "add", "--force", *made.names)
    git(copy, "commit", "--quiet", "--allow-empty", "-m", "Work in progress")


def _make_checkout(copy, made, folder):
    """Goes back in history on a branch of its own and keeps what that changes, then comes back.

    The files that are typed in stay: an editor keeps its buffers anyway.
    """
    history = git(copy, "rev-list", "--first-parent", "typing").split()
    git(copy, "checkout", "--quiet", "-b", "earlier", history[min(BACK, len(history) - 1)])
    _commit_beginning(copy, made)
    changed = git(copy, "diff", "--name-status", "--no-renames", "typing", "earlier").splitlines()
    folder.mkdir()
    removed = []
    for line in changed:
        status, name = line.split("\t", 1)
        if status == "D":
            removed.append(name)
        else:
            target = folder / "tree" / name
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(copy / name, target)
    (folder / "removed").write_text("".join(name + "\n" for name in removed), encoding="utf-8")
    for name in ("HEAD", "index"):
        shutil.copyfile(copy / ".git" / name, folder / name)
    git(copy, "checkout", "--quiet", "typing")


def unpack(prepared, destination):
    """A copy to type in."""
    shutil.copytree(pathlib.Path(prepared, "repository"), destination, symlinks=True)


def checkout(prepared, work_tree):
    """What `git checkout earlier` does. The number of files that it changed."""
    folder, work_tree = pathlib.Path(prepared, "checkout"), pathlib.Path(work_tree)
    count = 0
    for name in (folder / "removed").read_text(encoding="utf-8").splitlines():
        (work_tree / name).unlink(missing_ok=True)
        count += 1
    for path in sorted((folder / "tree").rglob("*")) if (folder / "tree").is_dir() else []:
        if path.is_file():
            target = work_tree / path.relative_to(folder / "tree")
            target.parent.mkdir(parents=True, exist_ok=True)
            _replace(path, target)
            count += 1
    for name in ("index", "HEAD"):
        _replace(folder / name, work_tree / ".git" / name)
    return count


def _replace(source, target):
    temporary = target.with_name(target.name + ".typing-new")
    shutil.copyfile(source, temporary)
    os.replace(temporary, target)
