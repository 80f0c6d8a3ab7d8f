import types

import pytest

from foretoken_training import tokenizer

TEXT = "def f(x):\n    return x + 12345  # <|fim_prefix|> é\n"


def byte_level_metadata(kind):
    from tokenizers.pre_tokenizers import ByteLevel

    alphabet = sorted(ByteLevel.alphabet())
    tokens = ["<|endoftext|>", *alphabet, "re", "ret"]
    return {
        "tokenizer.ggml.model": "gpt2",
        "tokenizer.ggml.pre": kind,
        "tokenizer.ggml.tokens": tokens,
        "tokenizer.ggml.token_type": [3] + [1] * (len(tokens) - 1),
        "tokenizer.ggml.merges": ["r e", "re t"],
        "tokenizer.ggml.eos_token_id": 0,
    }


def made_from(metadata):
    return tokenizer._from_gguf(types.SimpleNamespace(metadata=metadata, path="m.gguf"))


@pytest.mark.parametrize("kind", ["qwen2", "llama-bpe", "starcoder", "default"])
def test_byte_level_tokenizers_lose_nothing(kind):
    made = made_from(byte_level_metadata(kind))
    assert made.decode(made.encode(TEXT)) == TEXT
    assert not set(made.encode("<|endoftext|>")) & set(made.control_ids)
    assert (made.end, made.prefix, made.fills_holes) == (0, None, False)


def test_sentence_piece_merges_the_best_score_first():
    pieces = [("<unk>", 0, 2), ("<s>", 0, 3), ("</s>", 0, 3), *((f"<0x{i:02X}>", 0, 6) for i in range(256))]
    pieces += [("▁", -9, 1), ("a", -9, 1), ("b", -9, 1), ("c", -9, 1), ("ab", -3, 1), ("bc", -1, 1)]
    metadata = {
        "tokenizer.ggml.model": "llama",
        "tokenizer.ggml.tokens": [piece for piece, *_ in pieces],
        "tokenizer.ggml.scores": [float(score) for _, score, _ in pieces],
        "tokenizer.ggml.token_type": [kind for *_, kind in pieces],
        "tokenizer.ggml.eos_token_id": 2,
    }
    made = made_from(metadata)
    names = [made.backend.id_to_token(i) for i in made.encode("abc é")]
    assert names == ["▁", "a", "bc", "▁", "<0xC3>", "<0xA9>"]
    assert made.decode(made.encode("abc é")).strip() == "abc é"
    assert made.end == 2


def test_a_folder_needs_its_tokenizer_file(tmp_path):
    with pytest.raises(ValueError, match="no tokenizer.json"):
        tokenizer.tokenizer_of(str(tmp_path))
    made_from(byte_level_metadata("qwen2")).backend.save(str(tmp_path / "tokenizer.json"))
    made = tokenizer.tokenizer_of(str(tmp_path))
    assert made.decode(made.encode(TEXT)) == TEXT and made.end == 0


def test_an_unknown_kind_is_refused_with_what_works():
    with pytest.raises(ValueError, match="m.gguf: tokenizer gpt2/falcon.*llama-bpe"):
        made_from(byte_level_metadata("falcon"))
