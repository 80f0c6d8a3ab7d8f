#!/usr/bin/env python3
"""Makes rows for `foretoken eval speed` from texts that Debian packages install, where LongBench cannot be had.

Usage: make-speed-rows.py [--per-task N] [--characters N] [--seed N] > rows.jsonl

The rows have LongBench's fields (dataset, context, input, answers, _id); what stands in for each task:
  gov_report, multi_news   licences, changelogs and package documentation
  qmsum                    the same with a question
  lcc                      one file of Python's standard library, cut at a line
  repobench-p              two files of it, and the beginning of a third
and AIME's (problem, answer, id): sums over arithmetic made by the seed. They say something about speed, nothing about
quality.
"""

import argparse
import gzip
import json
import pathlib
import random
import sys
import sysconfig


def documents(limit: int) -> list[str]:
    """Readable English texts of this machine, longest first."""
    paths = sorted(pathlib.Path("/usr/share/common-licenses").glob("*"))
    for pattern in ("*/README*", "*/NEWS*", "*/changelog.gz", "*/copyright"):
        paths += sorted(pathlib.Path("/usr/share/doc").glob(pattern))
    texts = []
    for path in paths:
        if not path.is_file() or path.is_symlink():
            continue
        try:
            data = gzip.open(path).read() if path.suffix == ".gz" else path.read_bytes()
            text = data.decode("utf-8")
        except (OSError, UnicodeDecodeError, EOFError):
            continue
        if len(text) >= 4_000:
            texts.append(text)
    return sorted(texts, key=len, reverse=True)[:limit]


def sources() -> list[str]:
    """Files of Python's standard library."""
    folder = pathlib.Path(sysconfig.get_paths()["stdlib"])
    texts = [path.read_text("utf-8", errors="ignore") for path in sorted(folder.glob("*.py"))]
    return [text for text in texts if len(text) >= 4_000]


def cut(text: str, characters: int) -> str:
    """The beginning, up to a line's end."""
    return text if len(text) <= characters else text[: text.rfind("\n", 0, characters) + 1]


def longbench(dataset: str, number: int, context: str, text: str = "", answers: list[str] | None = None) -> dict:
    return {
        "dataset": dataset, "context": context, "input": text, "answers": answers or [""], "length": len(context.split()),
        "language": "python" if dataset in ("lcc", "repobench-p") else "en", "all_classes": None, "_id": f"{number}",
    }


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("--per-task", type=int, default=3)
    parser.add_argument("--characters", type=int, default=12_000, help="length of a context")
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    choose = random.Random(arguments.seed)
    texts, code = documents(200), sources()
    if not texts or len(code) < 3:
        print("no documentation or no Python library on this machine", file=sys.stderr)
        return 1
    rows = []
    for number in range(arguments.per_task):
        for dataset in ("gov_report", "multi_news", "qmsum"):
            question = "What changed, and who decided it?" if dataset == "qmsum" else ""
            rows.append(longbench(dataset, number, cut(choose.choice(texts), arguments.characters), question))
        text = cut(choose.choice(code), arguments.characters)
        rows.append(longbench("lcc", number, text, answers=["pass"]))
        first, second, third = choose.sample(code, 3)
        context = cut(first, arguments.characters // 2) + cut(second, arguments.characters // 2)
        rows.append(longbench("repobench-p", number, context, cut(third, arguments.characters // 4), ["pass"]))
        a, b, c = (choose.randint(11, 99) for _ in range(3))
        problem = (
            f"Let S be the set of positive integers n below 1000 with remainder {a % 7} when divided by 7 and remainder "
            f"{b % 11} when divided by 11. Find the number of elements of S, plus {c}."
        )
        answer = sum(1 for n in range(1, 1_000) if n % 7 == a % 7 and n % 11 == b % 11) + c
        rows.append({"id": f"made-{number}", "problem": problem, "answer": f"{answer}"})
    for row in rows:
        print(json.dumps(row, ensure_ascii=False))
    return 0


if __name__ == "__main__":
    sys.exit(main())
