#!/usr/bin/env python3
"""Writes tokenizer.json: nasty strings and their token ids, from Hugging Face's tokenizers library.

The library's tokenizer is rebuilt from the lists in the GGUF file, so this checks our scanner, our merges and our
special-token search against another implementation. The long s and other case foldings are Oniguruma's. Characters
that are new in Unicode 17 are left out: the library's tables are of version 16.

    pip install tokenizers==0.23.3 gguf
    make_tokenizer_golden.py ../../../Models/foretoken-78m-q4_0.gguf tokenizer.json
"""
import json
import random
import sys

import gguf
from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, pre_tokenizers

QWEN2 = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*"
    r"|\s*[\r\n]+|\s+(?!\S)|\s+"
)

HAND_WRITTEN = [
    "", " ", "  ", "   ", "\n", "\r\n", "\r", "\t", "a", "ab", "hello world", " hello  world ",
    # contractions, in every case, with the long s, before letters, after a space, with another apostrophe
    "it's", "IT'S", "we'Ll they'RE I'vE don'T I'M he'D", "it'\u017f", "it'\u017ftring", "'sting", "'tis 'twas",
    "x 's y", "it\u2019s", "''s", "'", "'l", "'L'l'LL", "'r 're 'rE", "'v", "d'être", "rock'n'roll", "\u017f'\u017f",
    "'\u212a", "'\ufb06x", "'ré",
    # combining marks and normal forms
    "é e\u0301 n\u0303", "e\u0301\u0302\u0303", "\u0301", " \u0301a", "a\u0301b", "नमस्ते दुनिया", "สวัสดีชาวโลก", "각 \u1100\u1161\u11a8",
    # emoji: zero-width joiners, flags, skin tones, keycaps, variation selectors
    "🙂", "👩\u200d💻", "👨\u200d👩\u200d👧\u200d👦 family", "🇩🇪🇫🇷", "👍🏽👍", "1\ufe0f\u20e3", "❤\ufe0f❤", "\u200d", "a\u200db",
    # white space of every kind, long runs, before letters, numbers, punctuation and line breaks
    " " * 7 + "x", " " * 64, " " * 200 + "y", "\t\t\tx", "\t 1", " \t1", "  1", "  (", "\t(", " \t(", "a \t b",
    "\u00a0x", "x\u00a0", "\u00a0\u00a0x", "\u3000\u3000(", "\u2003a", "\u2028", "a\u2028b", "a\u2029\n b", "\u0085", "x\u0085y",
    "\u1680 x", "\u180e", "\u200b", "\ufeff", "\ufeffimport", "\u0b0c", "\x0b\x0c", "\x1c\x1d\x1e\x1f", "\x00", "a\x00b", "\x7f",
    "\n\n\n", "\n \n \n", "a\r\nb\r\n\r\nc", "x \r\n", "x  \n  y", "  \n", " \n x", "\r\r\n\n", "end   ", "end\n   ", "end \n",
    "{\n\n}\n", "};\r\n\r\n  x", "...\n\n\n  y", "a.\n", " .\n", " \n.", "\t\n\t\n\tx", "x\n\t", "\n\t\n",
    # numbers, also of other scripts, superscripts, fractions, Roman numerals
    "1", "12", "1234567890", "3.14159e-10", "0xDEADBEEF", "x1y2", " 1 2", "١٢٣", "१२३", "x²y³", "½⅓", "ⅣⅫ", "①②", "𝟘𝟙", "一二三", "〇",
    # scripts and case
    "你好，世界", "こんにちは世界 カタカナ", "Привет, мир", "שלום עולם", "مرحبا بالعالم", "Ελληνικά", "ǅ ǆ Ǆ", "ﬁ ﬂ", "Ⅷ", "ª º", "ʰ ʷ",
    "𝒳 = 𝒴", "𠀀𠀁", "😀word", "word😀", "naïve café", "İstanbul ıI", "ß ẞ", "ﷺ", "\U0010ffff", "\ue000", "\ufffd", "\ufffe",
    # code
    "def f(self, x: int) -> str:\n    return f\"{x!r:>10}\"  # comment\n",
    "func main() {\n\tfmt.Println(\"hi\\n\")\n}\n",
    "let x = a?.b ?? c!\nguard let self else { return }\r\n",
    "for(int i=0;i<n;++i){sum+=a[i]*b[i];}", "#include <stdio.h>\n", "a=b==c!==d<=>e<<=f>>>g", "/* ---- */ // ====", "\\\\n\\t\\u0000",
    "SELECT * FROM t WHERE x LIKE '%\\_%';", "<div class=\"a b\">&nbsp;</div>", "https://example.org/a/b?c=d&e=%20#f",
    "camelCaseIdentifier snake_case_identifier SCREAMING_CASE kebab-case", "__init__ __", "$_ @x #y ~z `q`", "x" * 100, "ab" * 60,
    "(" * 40 + ")" * 40, "-" * 80, "=" * 79 + "\n", "_" * 33, "aA" * 20, "\U0001f642" * 20, "é" * 40, "字" * 50,
    "AbstractSingletonProxyFactoryBeanConfigurationManager", "0" * 50, "self." * 30, "    " * 9 + "return\n",
]

ALPHABET = (
    list("abcXYZstmdlrve'\"0129 \t\n\r.,;:(){}[]<>=+-*/_#$@!?|\\~`^&%")
    + ["\r\n", "  ", "    ", "\n\n", "'s", "'S", "'ll", "'RE", "\u017f", "\u0301", "é", "ß", "中", "文", "あ", "🙂", "👩\u200d💻", "\u200d"]
    + ["\u00a0", "\u3000", "\u2028", "\u0085", "١", "²", "Ⅳ", "ф", "א", "ن", "ก", "̈", "\ufeff", "\x00", "\x0b", "return", "self", "import"]
)


def main(model_path, output_path):
    reader = gguf.GGUFReader(model_path)
    field = lambda name: reader.fields[f"tokenizer.ggml.{name}"].contents()
    tokens, kinds, merges = field("tokens"), field("token_type"), field("merges")
    special = [token for token, kind in zip(tokens, kinds) if kind == 3]

    def build(with_special):
        bpe = models.BPE(
            vocab={token: index for index, token in enumerate(tokens)},
            merges=[tuple(merge.split(" ")) for merge in merges],
        )
        tokenizer = Tokenizer(bpe)
        tokenizer.pre_tokenizer = pre_tokenizers.Sequence([
            pre_tokenizers.Split(Regex(QWEN2), behavior="isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ])
        tokenizer.decoder = decoders.ByteLevel()
        if with_special:
            tokenizer.add_special_tokens([AddedToken(text, special=True, normalized=False) for text in special])
        return tokenizer

    plain, parsing = build(False), build(True)
    texts = list(HAND_WRITTEN)
    for text in special:
        texts += [text, f"a {text} b", f"x{text}\n{text}y", text[:-1], text[1:], text.upper(), f"<|{text}|>"]
    generator = random.Random(20240607)
    for index in range(160):
        texts.append("".join(generator.choice(ALPHABET) for _ in range(generator.randint(1, 40))))
    for index in range(40):
        parts = ALPHABET + special * 4
        texts.append("".join(generator.choice(parts) for _ in range(generator.randint(1, 25))))
    cases = []
    for text in dict.fromkeys(texts):
        case = {"text": text, "ids": plain.encode(text, add_special_tokens=False).ids}
        parsed = parsing.encode(text, add_special_tokens=False).ids
        assert plain.decode(case["ids"], skip_special_tokens=False) == text, repr(text)
        if parsed != case["ids"]:
            case["ids_with_special"] = parsed
        cases.append(case)
    with open(output_path, "w") as file:
        file.write('{"schema":1,"cases":[\n')
        file.write(",\n".join(json.dumps(case, separators=(",", ":")) for case in cases))
        file.write("\n]}\n")
    print(len(cases), "cases,", sum("ids_with_special" in case for case in cases), "with special tokens")


if __name__ == "__main__":
    main(*sys.argv[1:])
