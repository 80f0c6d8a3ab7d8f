"""Hashes of every run of `length` tokens in a stream, and how often given runs occur in files of tokens.

A run's hash is a polynomial over Z/2^64 in an odd base, of one random number per token; all of a stream come
from one prefix sum: H(i) = base^-i * (P(i + length) - P(i)). What is looked for is kept, never the corpus, so
memory does not grow with it. A run among a million wanted ones is confused with another of a corpus of 10^9
tokens with probability 10^-4.
"""

import numpy as np

CHUNK_TOKEN_COUNT = 1 << 22
_SIEVE_BITS = 24
_rng = np.random.default_rng(20261121)
_TOKEN_NUMBERS = _rng.integers(0, 2**64, 1 << 18, dtype=np.uint64)
_BASE = int(_rng.integers(0, 2**63, dtype=np.int64)) | 1


def _powers(base, count):
    result = np.full(count, base, np.uint64)
    result[0] = 1
    return np.multiply.accumulate(result)


def run_hashes(ids, length):
    """uint64 [len(ids) - length + 1], empty for a shorter stream. Equal runs hash alike in any stream."""
    if len(ids) < length:
        return np.zeros(0, np.uint64)
    count = len(ids)
    sums = np.zeros(count + 1, np.uint64)
    np.add.accumulate(_TOKEN_NUMBERS[ids] * _powers(_BASE, count), out=sums[1:])
    inverse = _powers(pow(_BASE, -1, 1 << 64), count - length + 1)
    return (sums[length:] - sums[: count - length + 1]) * inverse


def occurrences(wanted, streams, length):
    """How often each of the sorted unique hashes `wanted` occurs in `streams` (arrays of ids), as int64."""
    counts = np.zeros(len(wanted), np.int64)
    sieve = np.zeros(1 << _SIEVE_BITS, bool)
    low = lambda hashes: (hashes & np.uint64((1 << _SIEVE_BITS) - 1)).astype(np.int64)
    sieve[low(wanted)] = True
    for stream in streams:
        for first in range(0, len(stream), CHUNK_TOKEN_COUNT):
            found = run_hashes(stream[first : first + CHUNK_TOKEN_COUNT + length - 1], length)
            found = found[sieve[low(found)]]
            places = np.searchsorted(wanted, found)
            hits = np.append(wanted, np.uint64(0))[places] == found
            counts += np.bincount(places[hits], minlength=len(wanted))[: len(wanted)]
    return counts
