#!/usr/bin/env python3
"""Writes tokenizers/NAME.gguf, one small vocabulary for each kind of tokenizer, and tokenizers/golden.json, what the
libraries tokenizers and sentencepiece make of nasty strings with it.

The vocabularies are trained here, on this checkout's documents and sources. The expressions are those of the published
models' tokenizer.json. Left out: invalid UTF-8, which the libraries cannot be given, and U+2581 for SentencePiece,
which that library cannot tell from a space (ours can).

    pip install tokenizers==0.23.3 sentencepiece==0.2.3 gguf
    make_tokenizer_families.py ../../.. tokenizers
"""
import glob
import io
import json
import os
import random
import sys

import gguf
import sentencepiece
from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers, trainers

from make_tokenizer_golden import ALPHABET, HAND_WRITTEN

VOCABULARY_SIZE = 600
GPT2 = r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+"
LLAMA3 = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*"
    r"|\s*[\r\n]+|\s+(?!\S)|\s+"
)
DEEPSEEK_CODER = [r"[\r\n]", r"\s?\p{L}+", r"\s?\p{P}+", r"[一-龥ࠀ-一가-퟿]+"]


def split(expression):
    return pre_tokenizers.Split(Regex(expression), behavior="isolated")


DIGITS = pre_tokenizers.Digits(individual_digits=True)
FAMILIES = {
    "gpt-2": [split(GPT2)],
    "llama-bpe": [split(LLAMA3)],
    "starcoder": [DIGITS, split(GPT2)],
    "deepseek-coder": [*map(split, DEEPSEEK_CODER), DIGITS],
}


def main(checkout, output):
    os.makedirs(output, exist_ok=True)
    paths = sorted(glob.glob(f"{checkout}/docs/*.md") + glob.glob(f"{checkout}/Sources/SpecEngine/*/*.swift"))
    corpus = [open(path).read() for path in paths]
    texts = nasty_strings()
    golden = {"schema": 1, "texts": texts, "ids": {}}
    for name, steps in FAMILIES.items():
        tokenizer = train_byte_level(steps, corpus, ignore_merges=name == "llama-bpe")
        write_byte_level(f"{output}/{name}.gguf", name, tokenizer)
        golden["ids"][name] = [tokenizer.encode(text, add_special_tokens=False).ids for text in texts]
        assert all(tokenizer.decode(ids) == text for text, ids in zip(texts, golden["ids"][name]))
    for name, adds_prefix in (("llama", True), ("llama-no-prefix", False)):
        processor = train_sentencepiece(corpus, adds_prefix)
        write_sentencepiece(f"{output}/{name}.gguf", processor, adds_prefix)
        golden["ids"][name] = [processor.encode(text) for text in texts]
    with open(f"{output}/golden.json", "w") as file:
        file.write('{"schema":1,"texts":')
        file.write(json.dumps(texts, separators=(",", ":")))
        file.write(',"ids":{\n')
        lines = [f'"{name}":{json.dumps(ids, separators=(",", ":"))}' for name, ids in golden["ids"].items()]
        file.write(",\n".join(lines))
        file.write("\n}}\n")
    print(len(texts), "texts,", len(golden["ids"]), "tokenizers")


def nasty_strings():
    generator = random.Random(20251111)
    texts = list(HAND_WRITTEN)
    for _ in range(100):
        texts.append("".join(generator.choice(ALPHABET) for _ in range(generator.randint(1, 30))))
    # The long runs only repeat what short ones show, and fill the file.
    return [text for text in dict.fromkeys(texts) if "\u2581" not in text and len(text) <= 120]


def train_byte_level(steps, corpus, ignore_merges):
    tokenizer = Tokenizer(models.BPE(ignore_merges=ignore_merges))
    byte_level = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence([*steps, byte_level])
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=VOCABULARY_SIZE, initial_alphabet=pre_tokenizers.ByteLevel.alphabet(), show_progress=False
    )
    tokenizer.train_from_iterator(corpus, trainer)
    if not ignore_merges:
        return tokenizer
    # Words that merging cannot reach, so that taking whole words shows.
    model = json.loads(tokenizer.to_str())["model"]
    vocabulary = model["vocab"]
    for word in ("hello", "Ġworld", "self", "camel", "Identifier", "____", "123", "it"):
        vocabulary.setdefault(word, len(vocabulary))
    tokenizer.model = models.BPE(
        vocab=vocabulary, merges=[tuple(merge) for merge in model["merges"]], ignore_merges=True
    )
    return tokenizer


def write_byte_level(path, name, tokenizer):
    model = json.loads(tokenizer.to_str())["model"]
    tokens = sorted(model["vocab"], key=model["vocab"].get)
    writer = new_writer(path)
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre(name)
    writer.add_token_list(tokens)
    writer.add_token_types([int(gguf.TokenType.NORMAL)] * len(tokens))
    writer.add_token_merges([" ".join(merge) for merge in model["merges"]])
    finish(writer)


def train_sentencepiece(corpus, adds_prefix):
    model = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(line for text in corpus for line in text.split("\n")),
        model_writer=model,
        model_type="bpe",
        vocab_size=VOCABULARY_SIZE + 200,
        byte_fallback=True,
        character_coverage=0.999,
        normalization_rule_name="identity",
        remove_extra_whitespaces=False,
        allow_whitespace_only_pieces=True,
        add_dummy_prefix=adds_prefix,
        split_digits=True,
        num_threads=1,
        minloglevel=2,
    )
    return sentencepiece.SentencePieceProcessor(model_proto=model.getvalue())


def write_sentencepiece(path, processor, adds_prefix):
    size = range(processor.get_piece_size())

    def kind(index):
        if processor.is_unknown(index):
            return gguf.TokenType.UNKNOWN
        if processor.is_control(index):
            return gguf.TokenType.CONTROL
        return gguf.TokenType.BYTE if processor.is_byte(index) else gguf.TokenType.NORMAL

    writer = new_writer(path)
    writer.add_tokenizer_model("llama")
    writer.add_token_list([processor.id_to_piece(index) for index in size])
    writer.add_token_scores([processor.get_score(index) for index in size])
    writer.add_token_types([int(kind(index)) for index in size])
    writer.add_bos_token_id(processor.bos_id())
    writer.add_eos_token_id(processor.eos_id())
    writer.add_add_space_prefix(adds_prefix)
    finish(writer)


def new_writer(path):
    return gguf.GGUFWriter(path, "llama")


def finish(writer):
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


if __name__ == "__main__":
    main(*sys.argv[1:])
