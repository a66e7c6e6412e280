"""Owns the source `headlines`: generated news headlines, and the best that can be made of them.

Will a headline be shared, and will it be liked? The texts and numbers are made up, but they follow a
model that is stated here, so the highest AUROC that any network can reach is known.

A headline has 20 to `length` words, each number of them equally likely, padded with 0 in front: an LSTM
ends on the last word, with or without `mask_zero`. Words are the tokens k = 1 .. 9999, drawn independently
in proportion to 1 + floor(10^9 / (k + 10)^3): as in any language a few of them make up most of the text.
The context x_1 .. x_5 is uniform on the multiples of 2^-15 in [-1, 1].

A word's last digit says what it does; the word 3 is a "not" that turns the next word around:

    appeal(k) = +1 for words ending in 1, 9;  -1 for 2, 4;     otherwise 0      (shared)
    charm(k)  = +1 for words ending in 1, 6;  -1 for 2, 5, 9;  otherwise 0      (liked)

    score(v)  = sum over words of 2^(-d/8) * v(word) * (-1 if the word before it is 3 else 1)

with d the number of words that follow, so later words count more (2^(-d/8) is rounded to 4096ths). Then

    logit P(shared) = 2 score(appeal) + 5/2 (x_1 - x_2 + 2 x_3 x_4)
    logit P(liked)  = 2 score(charm)

Words, their order and the context decide on `shared`; the context says nothing about `liked`, nor does
x_5 about either. Few words carry most of the text so that 16,000 rows suffice to learn them: the shipped
network comes within 0.02 of the optimum in five epochs, where rarer words would be learned by heart.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from ..specs.errors import MachineError, Problem
from ..specs.sources import Headlines
from .fingerprint import fingerprint_tables
from .splits import SplitSizes, split_sizes
from .table import Field, Schema, Splits, Table

VOCABULARY = 10_000
SHORTEST = 20
NUM_CONTEXT = 5
NEGATOR = 3
HALVING = 8
APPEAL = (0, 1, -1, 0, -1, 0, 0, 0, 0, 1)
CHARM = (0, 1, -1, 0, 0, -1, 1, 0, 0, -1)
WORD_EFFECT = 2.0
CONTEXT_EFFECT = 2.5

# Word scores and context are whole numbers of these parts: sums are exact, in any order, on any machine.
SCORE_PARTS = 4096
CONTEXT_PARTS = 2**15


@dataclass(frozen=True, eq=False)
class HeadlineRows:
    """N rows: `tokens` (N, length) int64, `context` (N, 5) float32, `shared` and `liked` (N, 1) float32."""

    tokens: NDArray[np.int64]
    context: NDArray[np.float32]
    shared: NDArray[np.float32]
    liked: NDArray[np.float32]


def describe_headlines(spec: Headlines) -> Schema:
    """Inputs `headline` (tokens) and `context` (numbers); targets `shared` and `liked`, one label each."""
    return Schema(
        inputs={
            "headline": Field(shape=(spec.length,), kind="tokens", size=VOCABULARY),
            "context": Field(shape=(NUM_CONTEXT,), kind="numbers"),
        },
        targets={name: Field(shape=(1,), kind="binary", labels=(name,)) for name in ("shared", "liked")},
    )


def build_headlines(spec: Headlines) -> Splits:
    """The headlines of `data.seed`, the same bytes on every machine, with their optima.

    Raises ConfigError (splits) and MachineError (memory).
    """
    sizes = _sizes(spec)
    rows = draw_headlines(spec)
    table = Table(
        inputs={"headline": torch.from_numpy(rows.tokens), "context": torch.from_numpy(rows.context)},
        targets={"shared": torch.from_numpy(rows.shared), "liked": torch.from_numpy(rows.liked)},
    )
    first_test = sizes.train + sizes.validation
    train = table.slice(0, sizes.train)
    validation = table.slice(sizes.train, first_test) if sizes.validation else None
    test = table.slice(first_test, spec.samples) if sizes.test else None
    fingerprint = fingerprint_tables((train, validation, test))
    judged = _first_judged(spec, sizes)
    best = {"auroc": _optima_of(rows, judged), "binary_crossentropy": _noise_of(rows, judged)}
    optima = {
        f"{target}/{metric}/{seen}": value
        for metric, by_target in best.items()
        for target, values in by_target.items()
        for seen, value in values.items()
    }
    return Splits(train, validation, test, describe_headlines(spec), fingerprint, optima)


def headline_optima(spec: Headlines) -> dict[str, dict[str, float]]:
    """The AUROC of the true P(target | words, context), and of P(target | words), on the judged rows.

    By target, then `with_context` and `without_context`. The judged rows are those for testing, else those
    for validation, else all. No ranking has a higher AUROC in expectation over the labels; on the labels
    drawn here another may pass it by chance. A target without a positive or without a negative row is left
    out. Raises as `build_headlines` does.
    """
    return _optima_of(draw_headlines(spec), _first_judged(spec, _sizes(spec)))


def headline_noise(spec: Headlines) -> dict[str, dict[str, float]]:
    """The binary cross-entropy of the true P(target | words, context) and P(target | words), nats a row.

    By target, then `with_context` and `without_context`, on the judged rows: what the labels' noise leaves
    of the loss however good a network is. Raises as `build_headlines` does.
    """
    return _noise_of(draw_headlines(spec), _first_judged(spec, _sizes(spec)))


def draw_headlines(spec: Headlines) -> HeadlineRows:
    """Draw words, lengths, context and labels, in this order; changing it changes every headline.

    Raises MachineError where the rows do not fit into memory.
    """
    # RandomState, not Generator: NumPy promises never to change its streams.
    stream = np.random.RandomState(spec.seed)
    try:
        tokens = _draw_tokens(spec, stream)
        parts = stream.randint(
            -CONTEXT_PARTS, CONTEXT_PARTS + 1, size=(spec.samples, NUM_CONTEXT), dtype=np.int64
        )
        context = (parts / CONTEXT_PARTS).astype(np.float32)
        chances = np.stack([_chance(logits) for logits in headline_logits(tokens, context)], axis=1)
        labels = (stream.random_sample(chances.shape) < chances).astype(np.float32)
    except MemoryError as error:
        size = spec.samples * spec.length * 8 / 1e9
        message = f"{spec.samples} headlines take {size:.1f} GB, more than there is memory; lower it."
        raise MachineError(Problem(message, ("data", "samples"))) from error
    return HeadlineRows(tokens, context, labels[:, :1].copy(), labels[:, 1:].copy())


def headline_logits(
    tokens: NDArray[np.int64], context: NDArray[np.float32]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """The logits (N,) of P(shared) and P(liked), given tokens (N, T) and context (N, 5)."""
    x = context.astype(np.float64)
    surroundings = x[:, 0] - x[:, 1] + 2.0 * x[:, 2] * x[:, 3]
    appeal, charm = word_scores(tokens)
    return WORD_EFFECT * appeal + CONTEXT_EFFECT * surroundings, WORD_EFFECT * charm


def word_scores(tokens: NDArray[np.int64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """score(appeal) and score(charm), both (N,), of tokens (N, T)."""
    length = tokens.shape[1]
    following: NDArray[np.int64] = np.arange(length, dtype=np.int64)[::-1]
    weights = np.rint(SCORE_PARTS * 2.0 ** (-following / HALVING)).astype(np.int32)
    signed = np.broadcast_to(weights, tokens.shape).copy()
    signed[:, 1:][tokens[:, :-1] == NEGATOR] *= -1
    digits = tokens % 10
    appeal, charm = (
        np.einsum("nt,nt->n", np.array(values, dtype=np.int32)[digits], signed) / SCORE_PARTS
        for values in (APPEAL, CHARM)
    )
    return appeal, charm


def _sizes(spec: Headlines) -> SplitSizes:
    return split_sizes(spec.samples, validation_split=spec.validation_split, test_split=spec.test_split)


def _first_judged(spec: Headlines, sizes: SplitSizes) -> int:
    return spec.samples - (sizes.test or sizes.validation or sizes.train)


def _draw_tokens(spec: Headlines, stream: np.random.RandomState) -> NDArray[np.int64]:
    words = np.arange(1, VOCABULARY, dtype=np.int64)
    # A deck with as many cards of a word as its share: a draw is a card, and no rounding enters.
    deck = np.repeat(words.astype(np.int16), 1 + 10**9 // (words + 10) ** 3)
    cards = stream.randint(0, len(deck), size=(spec.samples, spec.length), dtype=np.int64)
    num_words = stream.randint(SHORTEST, spec.length + 1, size=(spec.samples, 1), dtype=np.int64)
    tokens = deck[cards].astype(np.int64)
    tokens[np.arange(spec.length) < spec.length - num_words] = 0
    return tokens


def _chance(logits: NDArray[np.float64]) -> NDArray[np.float64]:
    return 1.0 / (1.0 + np.exp(-logits))


def _optima_of(rows: HeadlineRows, first: int) -> dict[str, dict[str, float]]:
    tokens, labels = rows.tokens[first:], {"shared": rows.shared[first:, 0], "liked": rows.liked[first:, 0]}
    logits = headline_logits(tokens, rows.context[first:])
    optima: dict[str, dict[str, float]] = {}
    for (target, observed), logit, score in zip(labels.items(), logits, word_scores(tokens), strict=True):
        if 0 < observed.sum() < len(observed):
            # Context adds to the logit and is independent of the words, so P(target | words), its mean
            # over all contexts, rises strictly with the word score: both rank the rows alike.
            optima[target] = {
                "with_context": _auroc(logit, observed),
                "without_context": _auroc(score, observed),
            }
    return optima


def _noise_of(rows: HeadlineRows, first: int) -> dict[str, dict[str, float]]:
    tokens = rows.tokens[first:]
    shared, liked = headline_logits(tokens, rows.context[first:])
    appeal = word_scores(tokens)[0]
    chances = {
        "shared": (_chance(shared), _chance_over_contexts(WORD_EFFECT * appeal)),
        "liked": (_chance(liked), _chance(liked)),
    }
    labels = {"shared": rows.shared[first:, 0], "liked": rows.liked[first:, 0]}
    return {
        target: {
            "with_context": _crossentropy(seen, labels[target]),
            "without_context": _crossentropy(unseen, labels[target]),
        }
        for target, (seen, unseen) in chances.items()
    }


def _chance_over_contexts(logits: NDArray[np.float64]) -> NDArray[np.float64]:
    """The mean over all contexts of the chance, by Gauss and Legendre's quadrature, to about 1e-5.

    x_1 - x_2 has a triangular density on [-2, 2]; (x_3, x_4) and (-x_3, -x_4) have the same product.
    """
    nodes, weights = np.polynomial.legendre.leggauss(16)
    half, half_weights = (nodes + 1.0) / 2.0, weights / 2.0
    differences = np.concatenate([-2.0 * half, 2.0 * half])
    densities = np.concatenate([half_weights * (1.0 - half)] * 2)
    surroundings = differences[:, None, None] + 2.0 * half[None, :, None] * nodes[None, None, :]
    shares = densities[:, None, None] * half_weights[None, :, None] * (weights / 2.0)[None, None, :]
    effects, shares = (CONTEXT_EFFECT * surroundings).reshape(-1), shares.reshape(-1)
    # A grid of logits, between which the mean is a smooth curve: rows by the thousand would cost more.
    grid: NDArray[np.float64] = np.linspace(float(logits.min()), float(logits.max()), 1024)
    means = np.array([float(shares @ _chance(float(logit) + effects)) for logit in grid])
    return np.interp(logits, grid, means)


def _crossentropy(chances: NDArray[np.float64], labels: NDArray[np.float32]) -> float:
    return float(-np.where(labels > 0, np.log(chances), np.log1p(-chances)).mean())


def _auroc(scores: NDArray[np.float64], labels: NDArray[np.float32]) -> float:
    """The chance that a positive row is ranked above a negative one, ties counted half (Mann and Whitney)."""
    _, group, counts = np.unique(scores, return_inverse=True, return_counts=True)
    ranks = (np.cumsum(counts) - (counts - 1) / 2)[group]
    positive = labels > 0
    num_positive = int(positive.sum())
    wins = float(ranks[positive].sum()) - num_positive * (num_positive + 1) / 2
    return wins / (num_positive * (len(labels) - num_positive))
