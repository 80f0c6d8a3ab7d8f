"""Exact and near duplicates of source files.

Exact: a hash of the text without white space. Near: MinHash over the set of the file's normalised lines
(Broder 1997), 32 permutations in 8 bands of 4, which finds pairs above a line-set Jaccard similarity of
about 0.6; a candidate counts when its estimated similarity reaches 0.75.
"""

import hashlib
import re

import numpy as np

PERMUTATION_COUNT, BAND_COUNT = 32, 8
SIMILARITY = 0.75
_rng = np.random.default_rng(20260401)
_MULTIPLIERS = _rng.integers(1, 2**63, PERMUTATION_COUNT, dtype=np.uint64) | np.uint64(1)
_OFFSETS = _rng.integers(0, 2**63, PERMUTATION_COUNT, dtype=np.uint64)
_SPACE = re.compile(r"\s+")


def exact_key(text):
    return hashlib.blake2b(_SPACE.sub("", text).encode(), digest_size=12).digest()


def sketch(text):
    """The MinHash signature of the set of lines, or None for a file with too few lines to compare."""
    lines = {line.strip() for line in text.split("\n")}
    lines = [line for line in lines if len(line) >= 12]  # braces and blank lines say nothing
    if len(lines) < 8:
        return None
    hashes = np.fromiter(
        (int.from_bytes(hashlib.blake2b(line.encode(), digest_size=8).digest(), "little") for line in lines),
        dtype=np.uint64,
        count=len(lines),
    )
    return (hashes[None] * _MULTIPLIERS[:, None] + _OFFSETS[:, None]).min(1)


class Index:
    """Files seen so far. `seen` answers whether a text repeats one of them, and remembers it if not."""

    def __init__(self):
        self.keys = set()
        self.bands = {}

    def seen(self, text, remember=True):
        key = exact_key(text)
        if key in self.keys:
            return "exact duplicate"
        signature = sketch(text)
        places = []
        if signature is not None:
            width = PERMUTATION_COUNT // BAND_COUNT
            places = [(b, signature[b * width : (b + 1) * width].tobytes()) for b in range(BAND_COUNT)]
            for place in places:
                other = self.bands.get(place)
                if other is not None and np.mean(other == signature) >= SIMILARITY:
                    return "near duplicate"
        if remember:
            self.keys.add(key)
            for place in places:
                self.bands.setdefault(place, signature)
        return None
