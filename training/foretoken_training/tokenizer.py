"""The tokenizer inside a GGUF (byte-level BPE), as a Hugging Face `tokenizers` object.

Covers the `gpt2` tokenizer model with Qwen2's pre-tokenizer, which is what our default model and
Qwen2.5-Coder use. Structural tokens (fill-in-the-middle, repository, file) are looked up by the GGUF's own
keys, never by spelling alone.
"""

import os

os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")  # one tokenizer per worker process

_PATTERNS = {
    "qwen2": r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*"
    r"|\s*[\r\n]+|\s+(?!\S)|\s+",
}
_CONTROL_TYPE = 3
_ROLES = {
    "prefix": "fim_pre",
    "suffix": "fim_suf",
    "middle": "fim_mid",
    "repository": "fim_rep",
    "file": "fim_sep",
    "pad": "fim_pad",
}


class Tokenizer:
    """Text to token ids for one model. `end`, `prefix`, `suffix`, `middle`, `repository`, `file`:
    structural ids.
    """

    def __init__(self, file):
        from tokenizers import Regex, decoders, models, pre_tokenizers
        from tokenizers import Tokenizer as Backend

        metadata = file.metadata
        model, kind = metadata["tokenizer.ggml.model"], metadata.get("tokenizer.ggml.pre", "default")
        if model != "gpt2" or kind not in _PATTERNS:
            raise ValueError(f"tokenizer {model}/{kind}: training reads gpt2 with {', '.join(_PATTERNS)}")
        tokens = metadata["tokenizer.ggml.tokens"]
        merges = [tuple(merge.split(" ")) for merge in metadata["tokenizer.ggml.merges"]]
        self.backend = Backend(models.BPE({token: i for i, token in enumerate(tokens)}, merges))
        self.backend.pre_tokenizer = pre_tokenizers.Sequence(
            [
                pre_tokenizers.Split(Regex(_PATTERNS[kind]), behavior="isolated"),
                pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
            ]
        )
        self.backend.decoder = decoders.ByteLevel()
        self.vocabulary_size = len(tokens)
        types = metadata["tokenizer.ggml.token_type"]
        self.control_ids = [i for i, kind in enumerate(types) if kind == _CONTROL_TYPE]
        self.control_text = {i: tokens[i] for i in self.control_ids}
        self.end = metadata["tokenizer.ggml.eos_token_id"]
        for role, key in _ROLES.items():
            setattr(self, role, metadata[f"tokenizer.ggml.{key}_token_id"])

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
