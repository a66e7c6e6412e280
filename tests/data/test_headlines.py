"""The source `headlines`: the same bytes everywhere, the stated model, and the optimum that follows."""

from __future__ import annotations

import hashlib
import math

import numpy as np
import pytest
import torch
from mlx_runner.data.headlines import (
    HeadlineRows,
    build_headlines,
    draw_headlines,
    headline_logits,
    headline_noise,
    headline_optima,
)
from mlx_runner.data.table import Splits
from mlx_runner.specs.errors import ConfigError, MachineError
from mlx_runner.specs.sources import Headlines
from pydantic import ValidationError
from sklearn.metrics import log_loss, roc_auc_score

# SHA-256 of the columns of all 20,000 rows of the default config.
DEFAULT_CONTENT = {
    "tokens": "fa7d64b5033021f0fb76c11b9c863be7e82d44f8a4bee23dad9e92c4e6980ffb",
    "context": "7e3e27ec627665830f93f6e4dd7c8e7111bcb399b609baeb7a5c5d1a17134f42",
    "shared": "494302c9420e89e051a7f1eeb958f3e9c17bbb63eec4ea1f4097497f1e28d8e0",
    "liked": "78351b3d0c1e78c6d7752e309a0672b5c40cf6d2531caf8552dada7f71503917",
}

WITH, WITHOUT = "with_context", "without_context"


@pytest.fixture(scope="module")
def rows() -> HeadlineRows:
    return draw_headlines(Headlines())


@pytest.fixture(scope="module")
def splits() -> Splits:
    return build_headlines(Headlines())


def stated_logits(words: list[int], x: list[float]) -> tuple[float, float]:
    """The two logits of one headline without its padding, word by word as the model is stated."""
    scores = []
    for plus, minus in (({1, 9}, {2, 4}), ({1, 6}, {2, 5, 9})):
        score = 0.0
        for position, word in enumerate(words):
            effect = (word % 10 in plus) - (word % 10 in minus)
            turned = -effect if position > 0 and words[position - 1] == 3 else effect
            score += turned * 2.0 ** (-(len(words) - 1 - position) / 8)
        scores.append(score)
    return 2 * scores[0] + 2.5 * (x[0] - x[1] + 2 * x[2] * x[3]), 2 * scores[1]


def sigmoid(logits: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-logits))


def test_the_default_headlines_are_these_bytes(rows: HeadlineRows) -> None:
    found = {name: hashlib.sha256(getattr(rows, name).tobytes()).hexdigest() for name in DEFAULT_CONTENT}
    assert found == DEFAULT_CONTENT


def test_the_seed_alone_decides() -> None:
    one, other = build_headlines(Headlines(samples=100)), build_headlines(Headlines(samples=100, seed=1))
    assert build_headlines(Headlines(samples=100)).fingerprint == one.fingerprint
    assert other.fingerprint != one.fingerprint


@pytest.mark.parametrize(
    ("spec", "sizes"),
    [
        (Headlines(), (16_000, 2_000, 2_000)),
        # In floating point 100 * 0.29 is 28.999999999999996.
        (Headlines(samples=100, validation_split=0.29, test_split=0.07), (64, 29, 7)),
        (Headlines(samples=39, validation_split=0.1, test_split=0.2), (29, 3, 7)),
    ],
    ids=repr,
)
def test_test_is_the_last_rows_and_validation_those_before(
    spec: Headlines, sizes: tuple[int, int, int]
) -> None:
    splits, rows = build_headlines(spec), draw_headlines(spec)
    assert splits.validation is not None
    assert splits.test is not None
    parts = (splits.train, splits.validation, splits.test)
    assert tuple(len(part) for part in parts) == sizes
    for table, column in (("headline", rows.tokens), ("context", rows.context), ("shared", rows.shared)):
        joined = torch.cat([part.reference(table) for part in parts]).numpy()
        np.testing.assert_array_equal(joined, column)


def test_splits_of_none() -> None:
    splits = build_headlines(Headlines(samples=50, validation_split=0.0, test_split=0.0))
    assert splits.validation is None
    assert splits.test is None
    assert len(splits.train) == 50
    assert splits.optima.keys() == {
        f"{name}/{metric}/{seen}"
        for name in ("shared", "liked")
        for metric in ("auroc", "binary_crossentropy")
        for seen in (WITH, WITHOUT)
    }


def test_padding_lies_in_front_and_lengths_are_uniform(rows: HeadlineRows) -> None:
    shown = rows.tokens > 0
    assert np.all(shown[:, 1:] >= shown[:, :-1])
    counts = np.bincount(shown.sum(axis=1), minlength=101)
    assert counts[:20].sum() == 0
    # Five standard deviations of a binomial count.
    assert np.abs(counts[20:] - 20_000 / 81).max() < 5 * math.sqrt(20_000 / 81)


def test_words_are_drawn_in_the_stated_proportion(rows: HeadlineRows) -> None:
    shares = np.array([1 + 10**9 // (word + 10) ** 3 for word in range(1, 10_000)])
    words = rows.tokens[rows.tokens > 0]
    counts = np.bincount(words, minlength=10_000)[1:]
    expected = len(words) * shares / shares.sum()
    assert len(counts) == 9_999
    assert np.abs(counts[:300] - expected[:300]).max() < 5 * math.sqrt(expected[0])
    assert abs(counts[300:].sum() - expected[300:].sum()) < 5 * math.sqrt(expected[300:].sum())


def test_context_is_uniform_and_exact(rows: HeadlineRows) -> None:
    parts = rows.context.astype(np.float64) * 2**15
    assert np.all(parts == np.rint(parts))
    assert np.abs(rows.context).max() <= 1.0
    # Five standard errors: the variance of the uniform distribution on [-1, 1] is 1/3.
    assert np.abs(rows.context.mean(axis=0)).max() < 5 * math.sqrt(1 / 3 / 20_000)
    np.testing.assert_allclose(rows.context.var(axis=0), 1 / 3, rtol=0.03)


def test_the_logits_are_those_of_the_stated_model(rows: HeadlineRows) -> None:
    shared, liked = headline_logits(rows.tokens[:300], rows.context[:300])
    for row in range(300):
        words = [int(token) for token in rows.tokens[row] if token > 0]
        expected = stated_logits(words, rows.context[row].tolist())
        # The stated weights are rounded to 4096ths: at most 1/8192 a word, doubled, for 100 words.
        assert (shared[row], liked[row]) == pytest.approx(expected, abs=0.0123)


def test_labels_follow_their_probabilities(rows: HeadlineRows) -> None:
    for logits, labels in zip(
        headline_logits(rows.tokens, rows.context), (rows.shared, rows.liked), strict=True
    ):
        chances = sigmoid(logits)
        assert set(np.unique(labels)) == {0.0, 1.0}
        assert 0.4 < labels.mean() < 0.6
        for tenth in np.array_split(np.argsort(chances), 10):
            deviation = math.sqrt((chances[tenth] * (1 - chances[tenth])).sum())
            assert abs(labels[tenth, 0].sum() - chances[tenth].sum()) < 5 * deviation


def test_the_optima_are_those_of_the_true_probabilities(rows: HeadlineRows, splits: Splits) -> None:
    optima = headline_optima(Headlines())
    tokens, context = rows.tokens[-2_000:], rows.context[-2_000:]
    shared, liked = headline_logits(tokens, context)
    assert optima["shared"][WITH] == pytest.approx(roc_auc_score(rows.shared[-2_000:], sigmoid(shared)))
    assert optima["liked"][WITH] == pytest.approx(roc_auc_score(rows.liked[-2_000:], sigmoid(liked)))
    assert optima["liked"][WITHOUT] == optima["liked"][WITH]
    assert splits.optima == {
        f"{target}/{metric}/{seen}": value
        for metric, by_target in (("auroc", optima), ("binary_crossentropy", headline_noise(Headlines())))
        for target, seens in by_target.items()
        for seen, value in seens.items()
    }
    # Which the shipped headline config is held to.
    assert optima["shared"] == pytest.approx({WITH: 0.9562, WITHOUT: 0.8658}, abs=5e-5)


def test_without_context_the_optimum_is_that_of_the_mean_over_contexts(rows: HeadlineRows) -> None:
    tokens, labels = rows.tokens[-2_000:], rows.shared[-2_000:]
    chances = np.zeros(2_000)
    for x in np.random.RandomState(1).uniform(-1, 1, size=(200, 5)).astype(np.float32):
        chances += sigmoid(headline_logits(tokens, np.broadcast_to(x, (2_000, 5)))[0]) / 200
    assert headline_optima(Headlines())["shared"][WITHOUT] == pytest.approx(
        roc_auc_score(labels, chances), abs=1e-6
    )


def test_the_noise_is_the_loss_of_the_true_probabilities(rows: HeadlineRows) -> None:
    noise = headline_noise(Headlines())
    tokens, context = rows.tokens[-2_000:], rows.context[-2_000:]
    labels = {"shared": rows.shared[-2_000:, 0], "liked": rows.liked[-2_000:, 0]}
    for target, logits in zip(labels, headline_logits(tokens, context), strict=True):
        assert noise[target][WITH] == pytest.approx(log_loss(labels[target], sigmoid(logits)))
    assert noise["liked"][WITHOUT] == noise["liked"][WITH]
    # The chance over contexts, by drawing them.
    chances = np.zeros(2_000)
    for x in np.random.RandomState(3).uniform(-1, 1, size=(2_000, 5)).astype(np.float32):
        chances += sigmoid(headline_logits(tokens, np.broadcast_to(x, (2_000, 5)))[0]) / 2_000
    assert noise["shared"][WITHOUT] == pytest.approx(log_loss(labels["shared"], chances), abs=2e-3)


def test_no_other_score_reaches_the_optimum(rows: HeadlineRows) -> None:
    best = headline_optima(Headlines())["shared"]
    tokens, context, labels = rows.tokens[-2_000:], rows.context[-2_000:], rows.shared[-2_000:]
    shared, _ = headline_logits(tokens, context)
    noise = np.random.RandomState(2)
    for _ in range(20):
        assert roc_auc_score(labels, shared + noise.standard_normal(2_000)) < best[WITH]
    unmoved = tokens.copy()
    unmoved[unmoved == 3] = 10
    backwards = tokens[:, ::-1]
    blind = np.zeros_like(context)
    partial = context * np.array([1, 1, 0, 1, 1], dtype=np.float32)
    # What is lost by overlooking the negator, the order, the product of two numbers, and the context.
    assert roc_auc_score(labels, headline_logits(unmoved, context)[0]) < best[WITH] - 0.02
    assert roc_auc_score(labels, headline_logits(backwards, context)[0]) < best[WITH] - 0.1
    assert roc_auc_score(labels, headline_logits(tokens, partial)[0]) < best[WITH] - 0.005
    assert roc_auc_score(labels, headline_logits(tokens, blind)[0]) == pytest.approx(best[WITHOUT])
    assert roc_auc_score(labels, headline_logits(unmoved, blind)[0]) < best[WITHOUT] - 0.05


def test_a_target_of_one_label_has_no_optimum() -> None:
    splits = build_headlines(Headlines(samples=10, test_split=0.1))
    assert splits.test is not None
    assert len(splits.test) == 1
    assert not [key for key in splits.optima if "/auroc/" in key]
    assert headline_optima(Headlines(samples=10, test_split=0.1)) == {}


def test_shorter_headlines() -> None:
    tokens = draw_headlines(Headlines(samples=200, length=20)).tokens
    assert tokens.shape == (200, 20)
    assert tokens.min() > 0


def test_options_of_images_and_headlines_too_short_are_refused() -> None:
    for given in ({"shape": (100,)}, {"scale": "unit"}, {"length": 19}):
        with pytest.raises(ValidationError):
            Headlines.model_validate(given)


def test_no_row_left_to_train_on_is_an_error() -> None:
    with pytest.raises(ConfigError) as caught:
        build_headlines(Headlines(samples=10, validation_split=0.5, test_split=0.5))
    assert str(caught.value) == (
        "data.validation_split: 5 of 10 rows are for validation and 5 for testing: "
        "none is left to train on; lower validation_split or test_split."
    )


def test_headlines_larger_than_memory_are_an_error_of_the_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise MemoryError

    monkeypatch.setattr(np, "repeat", refuse)
    with pytest.raises(MachineError) as caught:
        draw_headlines(Headlines())
    assert (
        str(caught.value) == "data.samples: 20000 headlines take 0.0 GB, more than there is memory; lower it."
    )
