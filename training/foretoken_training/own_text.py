"""`own-text`: token files in which the target itself writes on after prompts from the corpus.

A draft is only ever asked what follows the target's own words, but the corpus holds other people's. A row is
`--prompt` corpus tokens that end where a hole is to be filled, as an editor's prompt does, and `--written`
tokens of the target's; targets that cannot fill holes continue rows at any place. Training rows that are
longer than that hold several of them. `train-draft --own-text` draws from these files beside those of
`tokens`.
"""

import os
import time

import numpy as np
import torch

from . import target as target_model
from .rows import TokenFolder
from .tokenizer import tokenizer_of
from .tokens import dtype_of, write

LOOKED_THROUGH = 4096  # corpus tokens in which a hole is looked for


def add_arguments(parser):
    parser.add_argument("--target", required=True)
    parser.add_argument("--tokens", required=True, help="folder of token files to draw prompts from")
    parser.add_argument("--out", required=True, help="folder for STEM-N.bin")
    parser.add_argument("--stem", default="own-text", help="of the files' names; one each where several write")
    parser.add_argument("--batches", type=int, default=8, help="files")
    parser.add_argument("--rows", type=int, default=2048, help="of a file")
    parser.add_argument("--prompt", type=int, default=512)
    parser.add_argument("--written", type=int, default=192)
    parser.add_argument("--temperatures", default="0,1", help="of the files, in turn; 0 is greedy")
    parser.add_argument("--seed", type=int, default=4)


def run(arguments):
    os.makedirs(arguments.out, exist_ok=True)
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    configuration, weights = target_model.load(arguments.target)
    target = target_model.Target(configuration, weights, device, torch.bfloat16)
    dtype = dtype_of(configuration.vocabulary_size)
    data = TokenFolder(arguments.tokens, dtype, arguments.seed)
    generator = torch.Generator(device).manual_seed(arguments.seed)
    temperatures = [float(t) for t in arguments.temperatures.split(",")]
    middle, start = hole_mark(arguments.target), time.time()
    for number in range(arguments.batches):
        prompts = prompts_of(data, arguments.rows, arguments.prompt, middle).to(device)
        temperature = temperatures[number % len(temperatures)]
        written = target.generate(prompts, arguments.written, temperature, generator)
        rows = torch.cat([prompts, written], 1).cpu().numpy().astype(dtype)
        write(arguments.out, f"{arguments.stem}-{number}", [rows.reshape(-1)])
        count = (number + 1) * written.numel()
        print(f"{time.time() - start:.1f} s {count / 1e6:.2f} M tokens written", flush=True)


def hole_mark(target):
    """The id after which the target fills a hole, or None."""
    tokenizer = tokenizer_of(target)
    return tokenizer.middle if tokenizer.fills_holes else None


def prompts_of(data, count, length, middle):
    """[count, length] ids, each row ending with `middle` (anywhere, if that is None)."""
    if middle is None:
        return data.rows(count, length, "cpu")
    prompts = []
    while len(prompts) < count:
        found = len(prompts)
        for row in data.rows(count, max(LOOKED_THROUGH, 2 * length), "cpu").numpy():
            places = np.flatnonzero(row[length - 1 :] == middle)
            if len(places):
                place = int(data.rng.choice(places))
                prompts.append(row[place : place + length])
        if found == len(prompts):
            raise ValueError(f"{data.folder}: no hole with {length} tokens before it")
    return torch.from_numpy(np.stack(prompts[:count]))
