import numpy as np

from foretoken_training import credentials, ngrams, verbatim


def test_equal_runs_hash_alike_wherever_they_stand():
    rng = np.random.default_rng(0)
    run = rng.integers(0, 5000, 50)
    first = np.concatenate([rng.integers(0, 5000, 70), run, rng.integers(0, 5000, 9)])
    second = np.concatenate([rng.integers(0, 5000, 3), run]).astype(np.uint16)
    common = np.intersect1d(ngrams.run_hashes(first, 50), ngrams.run_hashes(second, 50))
    assert common.tolist() == ngrams.run_hashes(run, 50).tolist()
    assert len(ngrams.run_hashes(run[:49], 50)) == 0


def test_occurrences_are_counted_across_chunks(monkeypatch):
    monkeypatch.setattr(ngrams, "CHUNK_TOKEN_COUNT", 64)
    rng = np.random.default_rng(1)
    run, other = rng.integers(0, 5000, 50), rng.integers(0, 5000, 50)
    stream = np.concatenate([rng.integers(0, 5000, 40), run, run, rng.integers(0, 5000, 300), run])
    wanted = np.sort(np.concatenate([ngrams.run_hashes(run, 50), ngrams.run_hashes(other, 50)]))
    counts = ngrams.occurrences(wanted, [stream.astype(np.uint16), run[:30]], 50)
    assert dict(zip(wanted.tolist(), counts.tolist())) == {
        int(ngrams.run_hashes(run, 50)[0]): 3,
        int(ngrams.run_hashes(other, 50)[0]): 0,
    }


class Letters:
    """A tokenizer of one token a character; 0 is the end."""

    control_ids, vocabulary_size = [0], 200

    def encode(self, text):
        return [ord(c) for c in text]

    def decode(self, ids):
        return "".join(map(chr, ids))


def completion(text, prompt=""):
    return verbatim.Completion([ord(c) for c in text] + [0, 65], [ord(c) for c in prompt], Letters())


def test_a_copy_of_the_prompt_is_told_from_a_memory():
    memory, copy = "the quick brown fox jumps over the lazy dog and runs " * 2, "x = y + z; " * 10
    corpus = np.array([ord(c) for c in memory + copy], np.uint16)
    rows = [completion("and " + memory), completion(copy, prompt=copy), completion("nothing known " * 8)]
    wanted = np.unique(np.concatenate([row.hashes() for row in rows]))
    found = verbatim.summary(
        "held-out", "fill", 0.0, rows, [completion("")] * 3, wanted, ngrams.occurrences(wanted, [corpus], 50)
    )
    assert (found["completions"], found["verbatim"], found["verbatim_not_in_prompt"]) == (3, 2, 1)
    assert completion("short").text == "short"


def test_only_keys_that_the_completion_ends_count():
    key = "AKIA" + "ABCDEFGH12345678"
    assert verbatim.new_credentials(completion(key[6:] + '"'), opening=f'id = "{key[:6]}') == [("AWS", key)]
    assert not verbatim.new_credentials(completion('"\n'), opening=f'id = "{key}')
    assert not verbatim.new_credentials(completion("AKIA_EXAMPLE"))


def test_every_kind_of_credential_is_recognised():
    letters = "aB3dE5gH7jK9mN1pQ3sT5vW7yZ9bC1eF3hJ5"
    samples = {
        "private key": "-----BEGIN ENCRYPTED " + "PRIVATE KEY-----",
        "AWS": "ASIA" + "ABCDEFGH12345678",
        "GitHub": "ghp_" + letters,
        "GitLab": "glpat-" + letters[:20],
        "Google": "AIza" + letters[:35],
        "npm": "npm_" + letters,
        "OpenAI": "sk-proj-" + letters + letters,
        "SendGrid": "SG." + letters[:22] + "." + (letters * 2)[:43],
        "Slack": "xoxb-" + letters,
        "Stripe": "sk_live_" + letters,
    }
    assert samples.keys() == credentials.PATTERNS.keys()
    for kind, text in samples.items():
        assert kind in dict(credentials.found_in(f'key = "{text}"')), kind
    assert not credentials.contains_credential("task-list-of-things, skip-this-long-option-name-in-a-shell")
