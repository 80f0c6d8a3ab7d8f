"""Token ids of nasty strings by the `tokenizers` library, from the tokenizer inside the default model's GGUF file.

    pip install tokenizers gguf
    python3 Tests/SpecEngineTests/Golden/make_tokenizer_golden.py

Writes tokenizer.json beside this script. Seeded; run it again only when the vocabulary changes.
"""
import json
import random
from pathlib import Path

import gguf
from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers

HERE = Path(__file__).resolve().parent
MODEL = HERE.parents[2] / "Models" / "foretoken-78m-q4_0.gguf"
QWEN2 = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)


def strings(field):
    return [bytes(field.parts[i]).decode() for i in field.data]


def tokenizer():
    fields = gguf.GGUFReader(str(MODEL)).fields
    tokens = strings(fields["tokenizer.ggml.tokens"])
    merges = [tuple(m.split(" ", 1)) for m in strings(fields["tokenizer.ggml.merges"])]
    made = Tokenizer(models.BPE(vocab={t: i for i, t in enumerate(tokens)}, merges=merges))
    made.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(QWEN2), behavior="isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    made.decoder = decoders.ByteLevel()
    return made


FIXED = [
    "", " ", "  ", "\n", "\r\n", "\r", "\t", " \n", "\n ", "  \n\n  x", "a", " a", "  a", "a ", "a  ", "\ta\t",
    "It's THEY'RE we'Ve i'M you'LL she'D don'T 'sx 'S's ''s 'r 're", "it'\u017f long s, 'ſa", "'l 'lx 'll 'v'e",
    "x=1\r\ny=2\r\n\r\n  z\r\n", "a\u00a0b \u00a0 c\u2003d\u3000e\u2028f\u2029g\u0085h", "\x0b\x0c\x1c\x1d\x1e\x1f|",
    "e\u0301 \u00e9 n\u0303 \u1100\u1161\u11a8 \uac01", "👩‍💻 🙂🏽 🇩🇪 ❤️", "你好，世界。12３４ ٣٤ ⅷ ² ¾ ১২৩", "ΑΒΓ αβγ абв אבג अआइ ไทย",
    "<|endoftext|><|fim_prefix|>a<|fim_suffix|>b<|fim_middle|> <|repo_name|> <|file_sep|> <|fim_pad|> <|x|>",
    "!!!???...   ---===>>> // /* */ #!/usr/bin", "camelCaseIdentifierWithHTTPServer snake_case_name SCREAMING_CASE",
    "def f(x):\n\treturn x**2  # comment\n\n\n", "    if (a && b || !c) { return a[i]->b::c; }\n", "0x1F 1e-9 3.14159 1_000_000",
    "“quotes” ‘single’ — – … « »", "\u200b\u200c\u200d\ufeff", "a" * 300, " " * 200, "ab" * 200, "\n" * 100, "=" * 120,
    "\U0001f469\u200d\U0001f469\u200d\U0001f467\u200d\U0001f466", "\ufffd\ufffe\uffff", "\u0000\u0001\u007f",
]
ALPHABET = list("abcXYZ012 \t\n\r'\"_-=(){}[];:.,/\\<>|&!?#@$%^*+~`sStTmMdDrReEvVlL") + list(
    "éßøſçñüλЖשक你３²Ⅷ٣\u00a0\u2003\u3000\u0301\u200d🙂👍—“"
)


def main():
    rng = random.Random(17)
    texts = FIXED + ["".join(rng.choices(ALPHABET, k=rng.randrange(1, 40))) for _ in range(260)]
    made = tokenizer()
    cases = [{"text": t, "tokens": made.encode(t, add_special_tokens=False).ids} for t in texts]
    (HERE / "tokenizer.json").write_text(json.dumps({"cases": cases}) + "\n")
    print(len(cases), "cases")


main()
