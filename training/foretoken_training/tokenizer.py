"""The target's tokenizer as a Hugging Face `tokenizers` object, from a GGUF or a Hugging Face folder.

From GGUF: the byte-level BPE (`gpt2`) with the pre-tokenizers below, and SentencePiece's BPE (`llama`), which
ranks merges by the score of what they make. From a folder: its tokenizer.json. Structural tokens
(fill-in-the-middle, repository, file) are those that the metadata names, else those with a published model's
spelling, else None.
"""

import json
import os

from . import gguf_file

os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")  # one tokenizer per worker process

# As llama.cpp names and defines them; several patterns split one after the other.
_QWEN2 = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*"
    r"|\s*[\r\n]+|\s+(?!\S)|\s+"
)
_GPT2 = r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+"
_PATTERNS = {
    "qwen2": [_QWEN2],
    "llama-bpe": [_QWEN2.replace(r"|\p{N}|", r"|\p{N}{1,3}|")],
    "starcoder": [r"\p{N}", _GPT2],
    "default": [_GPT2],
}
_CONTROL_TYPE, _BYTE_TYPE = 3, 6
_ROLES = {  # our name: (key of the GGUF metadata, spellings of published models)
    "end": ("eos", ("<|endoftext|>", "<|end_of_text|>", "</s>")),
    "prefix": ("fim_pre", ("<|fim_prefix|>", "<fim_prefix>", "<PRE>", "▁<PRE>")),
    "suffix": ("fim_suf", ("<|fim_suffix|>", "<fim_suffix>", "<SUF>", "▁<SUF>")),
    "middle": ("fim_mid", ("<|fim_middle|>", "<fim_middle>", "<MID>", "▁<MID>")),
    "repository": ("fim_rep", ("<|repo_name|>", "<repo_name>", "<reponame>")),
    "file": ("fim_sep", ("<|file_sep|>", "<file_sep>")),
    "pad": ("fim_pad", ("<|fim_pad|>", "<fim_pad>")),
}


def tokenizer_of(path):
    """The tokenizer of a target: a GGUF file, or a Hugging Face folder with tokenizer.json."""
    if not os.path.isdir(path):
        return _from_gguf(gguf_file.File(path))
    from tokenizers import Tokenizer as Backend

    source = os.path.join(path, "tokenizer.json")
    if not os.path.exists(source):
        raise ValueError(f"{path} has no tokenizer.json; convert its tokenizer with transformers first")
    backend = Backend.from_file(source)
    with open(source) as file:
        control = [token["id"] for token in json.load(file)["added_tokens"] if token["special"]]
    return Tokenizer(backend, control, {})


class Tokenizer:
    """Text to token ids for one model. `end`, `prefix`, `suffix`, `middle`, `repository`, `file`, `pad`:
    structural ids, None where the model has no such token.
    """

    def __init__(self, backend, control_ids, named):
        self.backend, self.control_ids = backend, control_ids
        self.vocabulary_size = backend.get_vocab_size()
        self.control_text = {i: backend.id_to_token(i) for i in control_ids}
        for role, (key, spellings) in _ROLES.items():
            known = [backend.token_to_id(spelling) for spelling in spellings]
            setattr(self, role, named.get(key, next((i for i in known if i is not None), None)))
        if self.end is None:
            raise ValueError("the tokenizer has no end-of-text token")
        self.backend.encode_special_tokens = True  # their spelling inside a text stays plain text

    @property
    def fills_holes(self):
        return None not in (self.prefix, self.suffix, self.middle)

    def encode(self, text):
        """Ids of plain text: spellings of structural tokens inside it stay plain text."""
        return self.backend.encode(text, add_special_tokens=False).ids

    def decode(self, ids):
        pieces, run = [], []
        for i in ids:
            if i in self.control_text:
                pieces += [self.backend.decode(run, skip_special_tokens=False), self.control_text[i]]
                run = []
            else:
                run.append(i)
        return "".join(pieces + [self.backend.decode(run, skip_special_tokens=False)])


def _from_gguf(file):
    metadata = file.metadata
    model, kind = metadata["tokenizer.ggml.model"], metadata.get("tokenizer.ggml.pre", "default")
    tokens, types = metadata["tokenizer.ggml.tokens"], metadata["tokenizer.ggml.token_type"]
    if model == "gpt2" and kind in _PATTERNS:
        backend = _byte_level(tokens, metadata["tokenizer.ggml.merges"], _PATTERNS[kind])
    elif model == "llama":
        spaced = metadata.get("tokenizer.ggml.add_space_prefix", True)
        backend = _sentence_piece(tokens, metadata["tokenizer.ggml.scores"], types, spaced)
    else:
        raise ValueError(
            f"{file.path}: tokenizer {model}/{kind}; training reads llama, and gpt2 with "
            f"{', '.join(_PATTERNS)}. A Hugging Face folder with tokenizer.json always works"
        )
    named = {key: metadata.get(f"tokenizer.ggml.{key}_token_id") for key, _ in _ROLES.values()}
    control = [i for i, kind in enumerate(types) if kind == _CONTROL_TYPE]
    return Tokenizer(backend, control, {key: i for key, i in named.items() if i is not None})


def _byte_level(tokens, merges, patterns):
    from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers

    merges = [tuple(merge.split(" ")) for merge in merges]
    backend = Tokenizer(models.BPE({token: i for i, token in enumerate(tokens)}, merges))
    splits = [pre_tokenizers.Split(Regex(pattern), behavior="isolated") for pattern in patterns]
    byte_level = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    backend.pre_tokenizer = pre_tokenizers.Sequence([*splits, byte_level])
    backend.decoder = decoders.ByteLevel()
    return backend


def _sentence_piece(tokens, scores, types, spaced):
    """SentencePiece's BPE: of all neighbours that together are a token, the one with the best score merges
    first; characters outside the vocabulary become byte tokens.
    """
    from tokenizers import Tokenizer, decoders, models, normalizers

    vocabulary = {token: i for i, token in enumerate(tokens)}
    plain = lambda i: types[i] not in (_CONTROL_TYPE, _BYTE_TYPE)
    merges = []
    for token, i in vocabulary.items():
        for cut in range(1, len(token)) if plain(i) else ():
            if token[:cut] in vocabulary and token[cut:] in vocabulary:
                merges.append((-scores[i], i, token[:cut], token[cut:]))
    pairs = [(left, right) for *_, left, right in sorted(merges)]
    unknown = next((token for token, i in vocabulary.items() if types[i] == 2), None)
    backend = Tokenizer(models.BPE(vocabulary, pairs, unk_token=unknown, byte_fallback=True, fuse_unk=True))
    spaces = [normalizers.Replace(" ", "▁")]
    backend.normalizer = normalizers.Sequence([*([normalizers.Prepend("▁")] if spaced else []), *spaces])
    backend.decoder = decoders.Sequence(
        [decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse()]
    )
    return backend
