"""Text: vocabularies by hand, counts and tf-idf against scikit-learn, the same in every process."""

from __future__ import annotations

import html
import json
import os
import re
import subprocess
import sys
from collections import Counter
from pathlib import Path

import numpy as np
import polars as pl
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from mlx_runner.data.fit import load_encoder
from mlx_runner.data.frame import Frame
from mlx_runner.data.table import Field
from mlx_runner.data.text_columns import TextEncoder, fit_text
from mlx_runner.specs.columns import Text
from mlx_runner.specs.errors import DataError, MachineError
from pydantic import ValidationError
from sklearn.feature_extraction.text import CountVectorizer, TfidfVectorizer
from tokenizers import Tokenizer

TWEETS = Path("../shared/data/tweets/tweets.csv")
TEXTS = ["The cat sat, and sat.", "the DOG sat", None, "a cat's life &amp; a dog's", "", "one-two... three!"]
LETTERS = st.text(st.sampled_from("abAB .,!?\té\u4e2d\U0001f600&;"), max_size=20)


def frame(*cells: object) -> Frame:
    return Frame.of_file(pl.DataFrame({"text": pl.Series(cells, dtype=pl.String)}), "posts.csv")


def fit(rows: Frame, **options: object) -> TextEncoder:
    return fit_text(Text(column="text", **options), rows, name="x")


def vocabulary(encoder: TextEncoder) -> dict[str, int]:
    return encoder.tokenizer.model.vocab


def tokens_of(text: str | None) -> list[str]:
    """What `words` is said to do, by a regular expression."""
    return re.findall(r"\w+|[^\w\s]+", (text or "").lower())


def tweets() -> list[str]:
    if not TWEETS.exists():
        pytest.skip("needs the tweets")
    return pl.read_csv(TWEETS.read_bytes().decode("latin-1").encode())["text"].to_list()


def test_the_vocabulary_is_by_frequency_and_then_by_text() -> None:
    counts = Counter(token for text in TEXTS for token in tokens_of(text))
    ranked = sorted(counts, key=lambda token: (-counts[token], token))
    encoder = fit(frame(*TEXTS))
    expected = {token: number for number, token in enumerate(["[PAD]", "[UNK]", *ranked])}
    assert vocabulary(encoder) == expected
    assert encoder.field == Field(shape=(100,), kind="tokens", size=len(expected))
    small = fit(frame(*TEXTS), vocabulary_size=5)
    assert vocabulary(small) == {token: number for token, number in expected.items() if number < 5}
    assert encoder.notes == ("text: 2 of 6 cells are empty; read as empty texts",)
    assert encoder.columns == ("text",)


def test_sequences_are_padded_and_lose_their_end() -> None:
    rows = frame("b a a a b c", "c a", None, "z B")
    before = fit(rows, length=4, vocabulary_size=5)
    assert vocabulary(before) == {"[PAD]": 0, "[UNK]": 1, "a": 2, "b": 3, "c": 4}
    found = before.encode(rows).values
    assert found.dtype == torch.int64
    assert found.tolist() == [[3, 2, 2, 2], [0, 0, 4, 2], [0, 0, 0, 0], [0, 0, 1, 3]]
    after = fit(rows, length=4, vocabulary_size=5, padding="after")
    assert after.encode(rows).values.tolist() == [[3, 2, 2, 2], [4, 2, 0, 0], [0, 0, 0, 0], [1, 3, 0, 0]]
    assert after.encode(rows).observed is None


def test_texts_are_encoded_alike_across_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    rows = frame(*TEXTS)
    found = {kind: fit(rows, encoding=kind).encode(rows).values for kind in ("sequence", "counts", "tfidf")}
    monkeypatch.setattr("mlx_runner.data.tokens._CHUNK", 2)
    for kind, expected in found.items():
        assert torch.equal(fit(rows, encoding=kind).encode(rows).values, expected)


def test_special_tokens_in_a_text_are_words_like_any_other() -> None:
    encoder = fit(frame("a b [PAD] [UNK]"), lowercase=False, length=7)
    numbers = encoder.encode(frame("[PAD] [UNK]")).values[0].tolist()
    assert numbers[0] == 0
    assert min(numbers[1:]) > 1, "neither padding nor unknown"


def test_lower_case_and_html() -> None:
    cell = "Tom &amp; JERRY &lt;3"
    assert "jerry" in vocabulary(fit(frame(cell)))
    assert "JERRY" in vocabulary(fit(frame(cell), lowercase=False))
    assert "amp" in vocabulary(fit(frame(cell)))
    plain = fit(frame(cell), html=True)
    assert set(vocabulary(plain)) == {"[PAD]", "[UNK]", "tom", "&", "jerry", "<", "3"}
    assert torch.equal(plain.encode(frame(cell)).values, plain.encode(frame(html.unescape(cell))).values)


@pytest.mark.parametrize("cells", ["few", "tweets"])
@pytest.mark.parametrize("most", [10_000, 300])
def test_counts_and_tfidf_as_scikit_learn_does(cells: str, most: int) -> None:
    texts = tweets() if cells == "tweets" else TEXTS
    train, later = texts[: len(texts) * 2 // 3], texts
    for kind, vectorizer in (("counts", CountVectorizer), ("tfidf", TfidfVectorizer)):
        encoder = fit(frame(*train), encoding=kind, vocabulary_size=most)
        names = sorted(vocabulary(encoder), key=vocabulary(encoder).__getitem__)[2:]
        reference = vectorizer(analyzer=tokens_of, vocabulary=names)
        reference.fit([text or "" for text in train])
        expected = reference.transform([text or "" for text in later]).toarray()
        found = encoder.encode(frame(*later)).values
        assert found.dtype == torch.float32
        assert encoder.field == Field(shape=(len(names),), kind="numbers")
        np.testing.assert_allclose(found.numpy(), expected, rtol=1e-6, atol=0)


def test_an_empty_text_has_no_direction() -> None:
    encoder = fit(frame("a b"), encoding="tfidf")
    assert encoder.encode(frame(None, "z", "a")).values.tolist() == [[0, 0], [0, 0], [1, 0]]


def test_pieces_of_words_are_learned() -> None:
    rows = frame(*["low lower lowest"] * 5, "new newer newest")
    encoder = fit(rows, tokenizer="bpe", vocabulary_size=18, length=6)
    merges = ["".join(merge) for merge in encoder.tokenizer.model.merges]
    assert merges[:2] == ["lo", "low"]
    assert encoder.field.size == 18
    numbers = vocabulary(encoder)
    assert sorted(numbers.values()) == list(range(18))
    assert sorted(numbers, key=numbers.__getitem__)[2:10] == list("elnorstw")
    found = encoder.encode(frame("lowest lo?")).values[0].tolist()
    assert found[-1] == 1, "a character that was never seen is unknown"
    names = {number: name for name, number in numbers.items()}
    assert "".join(names[number] for number in found[:-1] if number) == "lowestlo"


def test_a_small_vocabulary_of_pieces_has_the_most_frequent_characters() -> None:
    encoder = fit(frame("bbb aaa cc d"), tokenizer="bpe", vocabulary_size=5)
    assert vocabulary(encoder) == {"[PAD]": 0, "[UNK]": 1, "a": 2, "b": 3, "c": 4}


@pytest.mark.parametrize("options", [{}, {"tokenizer": "bpe"}, {"encoding": "counts"}])
@pytest.mark.parametrize("cells", [[None, ""], [" ", "\t"]])
def test_texts_without_a_word_are_an_error(options: dict, cells: list) -> None:
    with pytest.raises(DataError) as caught:
        fit(frame(*cells), **options)
    assert str(caught.value) == "data.inputs.x: column 'text': no training row holds a word."


def test_counts_that_memory_cannot_hold_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mlx_runner.data.available_memory.available_bytes", lambda: 31)
    rows = frame("a b", "c d")
    with pytest.raises(MachineError) as caught:
        fit(rows, encoding="counts").encode(rows)
    assert str(caught.value) == (
        "data.inputs.x: encoding: counts of 2 rows and 4 tokens takes 0.0 GB, more than the 0.0 GB of memory "
        "there are; lower vocabulary_size, or use encoding: sequence."
    )
    with pytest.raises(MachineError, match=r"sequence of 2 rows and 100 tokens takes .* lower length"):
        fit(rows).encode(rows)


@pytest.mark.parametrize(("key", "value"), [("length", 5), ("padding", "after")])
def test_an_option_without_effect_is_an_error(key: str, value: object) -> None:
    with pytest.raises(ValidationError, match=f"{key} has no effect with encoding: counts"):
        Text(column="text", encoding="counts", **{key: value})


def test_numbers_are_read_as_their_text() -> None:
    rows = Frame.of_file(pl.DataFrame({"text": [12, 7, 12]}), "posts.csv")
    assert torch.equal(fit(rows).encode(rows).values, fit(frame("12", "7", "12")).encode(rows).values)


@settings(deadline=None, max_examples=60)
@given(
    st.lists(LETTERS, min_size=1, max_size=6),
    st.lists(st.one_of(st.none(), LETTERS), max_size=4),
    st.sampled_from(["sequence", "counts", "tfidf"]),
    st.sampled_from(["words", "bpe"]),
    st.integers(3, 30),
)
def test_a_kept_encoder_encodes_the_same(
    cells: list[str], others: list[str | None], encoding: str, tokenizer: str, most: int
) -> None:
    options = {"encoding": encoding, "tokenizer": tokenizer, "vocabulary_size": most, "html": True}
    if encoding == "sequence":
        options |= {"length": 7, "padding": "after"}
    encoder = fit(frame("a", *cells), **options)
    assert encoder.tokenizer.size <= most
    kept = load_encoder(json.loads(json.dumps(encoder.document(), allow_nan=False)))
    found = encoder.encode(frame(*others)).values
    assert torch.equal(kept.encode(frame(*others)).values, found)
    assert found.shape == (len(others), *encoder.field.shape)
    if encoding == "sequence":
        assert int(found.max() if found.numel() else 0) < encoder.tokenizer.size


@pytest.mark.parametrize("tokenizer", ["words", "bpe"])
def test_the_library_can_read_what_is_kept(tokenizer: str) -> None:
    encoder = fit(frame(*TEXTS), tokenizer=tokenizer, length=6, padding="after")
    document = json.loads(json.dumps(encoder.document()))
    library = Tokenizer.from_str(json.dumps(document["tokenizer"]))
    numbers = library.encode("The dog, the cat, the DOG").ids[:6]
    assert encoder.encode(frame("The dog, the cat, the DOG")).values[0].tolist() == numbers


def test_only_the_vocabulary_of_a_document_counts() -> None:
    encoder = fit(frame("a b c"), length=4)
    document = json.loads(json.dumps(encoder.document()))
    document["tokenizer"]["post_processor"] = {"type": "TemplateProcessing"}
    document["tokenizer"]["added_tokens"] = [{"id": 0, "content": "b"}]
    assert torch.equal(
        load_encoder(document).encode(frame("a b")).values, encoder.encode(frame("a b")).values
    )


@pytest.mark.parametrize(
    ("place", "value", "message"),
    [
        (("tokenizer", "model", "vocab", "a"), 9, "numbered from 0 without a gap"),
        (("tokenizer", "model", "vocab"), {"a": 0, "b": 1}, r"\[PAD\] is not 0 or \[UNK\] not 1"),
        (("tokenizer", "model", "vocab"), {"[PAD]": 0, "[UNK]": 1}, "there is no token"),
        (("tokenizer", "model", "type"), "Unigram", "model"),
        (("tokenizer", "pre_tokenizer"), {"type": "Split", "pattern": {"Regex": "(a+)+$"}}, "Whitespace"),
        (("tokenizer", "normalizer"), {"type": "NFC"}, "Lowercase"),
        (("idf",), [1.0], "1 factors of tf-idf for 3 tokens"),
        (("idf",), [1.0, 0.0, 1.0], "idf.1: Input should be greater than or equal to 1"),
        (("length",), 0, "length: Input should be greater than 0"),
    ],
)
def test_a_damaged_tokenizer_is_refused(place: tuple[str, ...], value: object, message: str) -> None:
    document = json.loads(json.dumps(fit(frame("a b c"), encoding="tfidf").document()))
    part = document
    for step in place[:-1]:
        part = part[step]
    part[place[-1]] = value
    with pytest.raises(DataError, match=message):
        load_encoder(document)


def test_a_merge_that_is_not_of_the_vocabulary_is_refused() -> None:
    document = json.loads(json.dumps(fit(frame("aaa aa"), tokenizer="bpe").document()))
    document["tokenizer"]["model"]["merges"] = [["a", "x"]]
    with pytest.raises(DataError, match="a merge is not of the vocabulary"):
        load_encoder(document)


SCRIPT = """
import hashlib, json, sys
import polars as pl
from mlx_runner.data.frame import Frame
from mlx_runner.data.text_columns import fit_text
from mlx_runner.specs.columns import Text
def word(number):
    return chr(97 + number % 26) * (1 + number % 3) + chr(19968 + number % 90)
texts = [" ".join(word(i * j) for j in range(9)) for i in range(400)]
rows = Frame.of_file(pl.DataFrame({"text": texts}), "posts.csv")
for options in ({"vocabulary_size": 200}, {"tokenizer": "bpe", "vocabulary_size": 90}, {"tokenizer": "bpe"}):
    encoder = fit_text(Text(column="text", **options), rows, name="x")
    kept = json.dumps(encoder.document()) + str(encoder.encode(rows).values.tolist())
    print(hashlib.sha256(kept.encode()).hexdigest())
"""


def test_every_process_learns_the_same() -> None:
    found = set()
    for seed, threads in (("0", "false"), ("1", "true"), ("2", None)):
        environment = {**os.environ, "PYTHONHASHSEED": seed}
        environment.pop("TOKENIZERS_PARALLELISM", None)
        if threads:
            environment["TOKENIZERS_PARALLELISM"] = threads
        finished = subprocess.run(
            [sys.executable, "-c", SCRIPT], env=environment, capture_output=True, text=True, check=True
        )
        assert finished.stderr == ""
        found.add(finished.stdout)
    assert len(found) == 1
    assert found.pop().count("\n") == 3


def test_the_environment_is_left_as_it_was(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("TOKENIZERS_PARALLELISM", raising=False)
    fit(frame("a b"))
    assert "TOKENIZERS_PARALLELISM" not in os.environ
    monkeypatch.setenv("TOKENIZERS_PARALLELISM", "true")
    fit(frame("a b"))
    assert os.environ["TOKENIZERS_PARALLELISM"] == "true"


def test_the_vocabulary_of_the_tweets() -> None:
    texts = tweets()
    encoder = fit(frame(*texts), html=True, vocabulary_size=2000, length=40)
    counts = Counter(token for text in texts for token in tokens_of(html.unescape(text)))
    ranked = sorted(counts, key=lambda token: (-counts[token], token))
    assert sorted(vocabulary(encoder), key=vocabulary(encoder).__getitem__)[2:] == ranked[:1998]
    assert encoder.encode(frame(*texts)).values.shape == (len(texts), 40)
