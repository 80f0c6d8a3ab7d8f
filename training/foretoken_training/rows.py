"""Rows of token ids for training and evaluation, their positions, and the depths they are trained at."""

import glob
import os
import time

import numpy as np
import torch

ANCHOR_MAXIMUM = 4  # LongSpec draws 0 ... 4 attention-sink positions that keep their small indices


class TokenFolder:
    """Random rows from the token files of a folder; files may keep arriving while training runs."""

    def __init__(self, folder, dtype, seed, pattern="*.bin"):
        self.folder, self.dtype, self.pattern = folder, dtype, pattern
        self.rng = np.random.default_rng(seed)
        self.files, self.looked = {}, 0.0
        self.refresh()

    def refresh(self):
        for path in sorted(glob.glob(os.path.join(self.folder, self.pattern))):
            if path not in self.files:
                self.files[path] = np.memmap(path, dtype=self.dtype, mode="r")
        self.looked = time.time()

    def rows(self, count, length, device):
        """[count, length] ids: a file in proportion to its size, then a uniform start."""
        if time.time() - self.looked > 5:
            self.refresh()
        files = [file for file in self.files.values() if len(file) > length + 1]
        sizes = np.array([len(file) for file in files], np.float64)
        picked = self.rng.choice(len(files), count, p=sizes / sizes.sum())
        rows = []
        for number in picked:
            start = self.rng.integers(len(files[number]) - length)
            rows.append(files[number][start : start + length])
        return torch.from_numpy(np.stack(rows).astype(np.int64)).to(device, non_blocking=True)


class Mixture:
    """Rows of two folders: each row comes from `second` with the probability `share`, in any order."""

    def __init__(self, first, second, share):
        self.first, self.second, self.share = first, second, share
        self.rng = first.rng

    def rows(self, count, length, device):
        """[count, length] ids."""
        number = int(self.rng.binomial(count, self.share))
        parts = [
            folder.rows(n, length, device)
            for folder, n in ((self.first, count - number), (self.second, number))
            if n
        ]
        return torch.cat(parts)[torch.from_numpy(self.rng.permutation(count)).to(device)]


def plain_positions(rows, length, device):
    return torch.arange(length, device=device)[None].expand(rows, length)


def anchor_offset_positions(rows, length, context_length, device, generator):
    """LongSpec's anchor-offset indices: the first few positions stay, the rest of a row moves by one
    offset, so that short rows train every index the context allows. The target runs on the same indices.
    """
    index = torch.arange(length, device=device)[None]
    offset = torch.randint(0, context_length - length + 1, (rows, 1), device=device, generator=generator)
    anchor = torch.randint(0, ANCHOR_MAXIMUM + 1, (rows, 1), device=device, generator=generator)
    return index + torch.where(index >= anchor, offset, 0)


def depth_schedule(row_count, deepest):
    """One depth per row, ascending: half of the weight on the first two, since a round always reaches
    those.
    """
    weights = np.array([1 / d for d in range(1, deepest + 1)])
    edges = np.cumsum(weights / weights.sum())
    return [int(np.searchsorted(edges, (row + 0.5) / row_count)) + 1 for row in range(row_count)]
