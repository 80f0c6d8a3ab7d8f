#!/usr/bin/env python3
"""Compares a report's edit similarities with PyPI's rapidfuzz (pip install rapidfuzz), case by case.

Usage: check-edit-similarity.py REPORT.JSON...

Exit status: 0 when all agree to 1e-9, 1 when one does not.
"""

import json
import sys

from rapidfuzz import fuzz

BLANKS = " \t\n\v\f\r"
SINGLE_LINE_KINDS = {"rest_of_line", "line", "span"}


def compared(case: dict) -> tuple[str, str]:
    """The two texts as docs/EVALUATION.md says they are compared."""
    expected = case["record"]["expected"].strip(BLANKS)
    got = case["record"]["got"].strip(BLANKS)
    if case["record"]["kind"] in SINGLE_LINE_KINDS:
        got = got.split("\n")[0].split("\r")[0].rstrip(" \t")
    return expected, got


def main() -> int:
    count = wrong = 0
    for path in sys.argv[1:]:
        with open(path, encoding="utf-8") as file:
            cases = json.load(file)["cases"]
        for case in cases:
            if "metrics" not in case:
                continue
            expected, got = compared(case)
            reference = fuzz.ratio(expected, got) / 100 if expected or got else 1.0
            ours = case["metrics"]["edit_similarity"]
            exact = case["metrics"]["exact_match"]
            count += 1
            if abs(reference - ours) > 1e-9 or exact != float(expected == got):
                wrong += 1
                print(f"{case['record']['id']}: ours {ours}, rapidfuzz {reference}")
    print(f"{count} cases, {wrong} differ")
    return 1 if wrong or not count else 0


if __name__ == "__main__":
    sys.exit(main())
