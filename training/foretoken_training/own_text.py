"""`own-text`: token files in which the target itself continues rows of the corpus.

A draft is only ever asked what follows the target's own words, but the corpus holds other people's. Rows
of `--prompt` corpus tokens, each continued by `--written` sampled ones, let `train-draft` see what it will
see at work: put such files beside those of `tokens`.
"""

import os

import torch

from . import target as target_model
from .rows import TokenFolder
from .tokens import dtype_of, write

BATCH_ROW_COUNT = 512


def add_arguments(parser):
    parser.add_argument("--target", required=True)
    parser.add_argument("--tokens", required=True, help="folder of token files to draw prompts from")
    parser.add_argument("--out", required=True, help="folder for own-text-N.bin")
    parser.add_argument("--batches", type=int, default=8, help=f"files, of {BATCH_ROW_COUNT} rows each")
    parser.add_argument("--prompt", type=int, default=1024)
    parser.add_argument("--written", type=int, default=1024)
    parser.add_argument("--temperature", type=float, default=1.0)
    parser.add_argument("--seed", type=int, default=4)


def run(arguments):
    os.makedirs(arguments.out, exist_ok=True)
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    configuration, weights = target_model.load(arguments.target)
    target = target_model.Target(configuration, weights, device, torch.bfloat16)
    dtype = dtype_of(configuration.vocabulary_size)
    data = TokenFolder(arguments.tokens, dtype, arguments.seed)
    generator = torch.Generator(device).manual_seed(arguments.seed)
    for number in range(arguments.batches):
        prompts = data.rows(BATCH_ROW_COUNT, arguments.prompt, device)
        written = target.generate(prompts, arguments.written, arguments.temperature, generator)
        rows = torch.cat([prompts, written], 1).cpu().numpy().astype(dtype)
        write(arguments.out, f"own-text-{number}", [rows.reshape(-1)])
        print(f"{(number + 1) * written.numel() / 1e6:.1f} M tokens written", flush=True)
