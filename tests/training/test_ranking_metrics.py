"""AUROC and average precision against scikit-learn, torchmetrics and what must not move them."""

from __future__ import annotations

from random import Random

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from mlx_runner.training import ranking_metrics
from mlx_runner.training.metrics import evaluate_metrics
from mlx_runner.training.ranking_metrics import Ranking, rank_scores
from sklearn import metrics as referee
from torch import Tensor
from torchmetrics.functional import classification

NAMES = ("auroc_macro", "auroc_micro", "average_precision_macro", "average_precision_micro")


def draw(seed: int, *, rows: int = 80, labels: int = 4, levels: int | None = 6) -> tuple[Tensor, Tensor]:
    """Random scores, in a few levels (ties) or none, and labels that follow them loosely."""
    generator = torch.Generator().manual_seed(seed)
    scores = torch.rand(rows, labels, generator=generator)
    target = (scores + torch.randn(rows, labels, generator=generator) > 0.8).float()
    return (scores if levels is None else (scores * levels).floor() / levels), target


@pytest.mark.parametrize("levels", [None, 6, 1])
@pytest.mark.parametrize("weighted", [False, True])
def test_rankings_agree_with_scikit_learn(levels: int | None, weighted: bool) -> None:
    scores, target = draw(1, levels=levels)
    weight = torch.rand(80, generator=torch.Generator().manual_seed(2)) if weighted else None
    weights = None if weight is None else weight.double().numpy()
    values = evaluate_metrics(NAMES, prediction=scores, target=target, sample_weight=weight).values
    for name, function in (
        ("auroc", referee.roc_auc_score),
        ("average_precision", referee.average_precision_score),
    ):
        for average in ("macro", "micro"):
            expected = function(target.numpy(), scores.numpy(), average=average, sample_weight=weights)
            assert values[f"{name}_{average}"].item() == pytest.approx(expected, abs=1e-12)


def test_rankings_agree_with_torchmetrics() -> None:
    scores, target = draw(3)
    values = evaluate_metrics(NAMES, prediction=scores, target=target).values
    for name, function in (
        ("auroc", classification.multilabel_auroc),
        ("average_precision", classification.multilabel_average_precision),
    ):
        for average in ("macro", "micro"):
            expected = function(scores, target.int(), num_labels=4, average=average)
            assert values[f"{name}_{average}"].item() == pytest.approx(expected.item(), abs=1e-6)


def test_masked_entries_are_dropped() -> None:
    scores, target = draw(4)
    mask = torch.rand(80, 4, generator=torch.Generator().manual_seed(5)) < 0.6
    values = evaluate_metrics(NAMES, prediction=scores, target=target, mask=mask).values
    by_label = [
        referee.roc_auc_score(target[mask[:, label], label].numpy(), scores[mask[:, label], label].numpy())
        for label in range(4)
    ]
    assert values["auroc_macro"].item() == pytest.approx(sum(by_label) / 4, abs=1e-12)
    pooled = referee.average_precision_score(target[mask].numpy(), scores[mask].numpy())
    assert values["average_precision_micro"].item() == pytest.approx(pooled, abs=1e-12)


def test_labels_of_a_single_class_leave_the_mean() -> None:
    scores, target = draw(6)
    target[:, 0], target[:, 3] = 0.0, 1.0
    result = evaluate_metrics(NAMES, prediction=scores, target=target)
    for name, function in (
        ("auroc_macro", referee.roc_auc_score),
        ("average_precision_macro", referee.average_precision_score),
    ):
        assert result.undefined[name].tolist() == [True, False, False, True]
        expected = function(target[:, 1:3].numpy(), scores[:, 1:3].numpy(), average="macro")
        assert result.values[name].item() == pytest.approx(expected, abs=1e-12)
    alone = evaluate_metrics(["auroc", "average_precision"], prediction=scores[:, 0], target=target[:, 0])
    assert all(value.isnan().item() for value in alone.values.values())
    assert all(undefined.tolist() == [True] for undefined in alone.undefined.values())


def test_ties_of_all_scores_say_nothing() -> None:
    target = torch.tensor([1.0, 0.0, 0.0, 1.0, 0.0])
    values = evaluate_metrics(
        ["auroc", "average_precision"], prediction=torch.full((5,), 0.3), target=target
    ).values
    assert values["auroc"].item() == 0.5
    assert values["average_precision"].item() == pytest.approx(0.4)


def test_many_rankings_are_ranked_in_parts_with_the_same_result(monkeypatch: pytest.MonkeyPatch) -> None:
    scores, target = draw(7, labels=7)
    positive = target.bool().T
    observed = torch.ones_like(positive)
    whole = rank_scores(scores.T, positive=positive, observed=observed, weight=None)
    monkeypatch.setattr(ranking_metrics, "MAX_SCORES_AT_ONCE", 3 * 80)
    parts = rank_scores(scores.T, positive=positive, observed=observed, weight=None)
    assert torch.equal(whole.auroc, parts.auroc)
    assert torch.equal(whole.average_precision, parts.average_precision)


@st.composite
def rankings(drawn: st.DrawFn) -> tuple[list[int], list[bool], list[float]]:
    rows = drawn(st.integers(2, 30))
    return (
        drawn(st.lists(st.integers(-8, 8), min_size=rows, max_size=rows)),
        drawn(st.lists(st.booleans(), min_size=rows, max_size=rows)),
        drawn(st.lists(st.sampled_from([0.0, 0.5, 1.0, 3.0]), min_size=rows, max_size=rows)),
    )


def _rank(levels: Tensor, positive: Tensor, weight: Tensor | None = None) -> Ranking:
    return rank_scores(
        levels.unsqueeze(0), positive=positive.unsqueeze(0),
        observed=torch.ones_like(positive).unsqueeze(0), weight=weight,
    )  # fmt: skip


def _assert_equal(one: Ranking, other: Ranking) -> None:
    for given_figure, expected in zip(one, other, strict=True):
        torch.testing.assert_close(given_figure, expected, rtol=1e-12, atol=1e-12, equal_nan=True)


@given(rankings(), st.randoms(use_true_random=False))
def test_monotone_maps_and_the_order_of_rows_change_nothing(
    ranking: tuple[list[int], list[bool], list[float]], random: Random
) -> None:
    levels, positive = torch.tensor(ranking[0]).double(), torch.tensor(ranking[1])
    weight = torch.tensor(ranking[2], dtype=torch.float64)
    base = _rank(levels, positive, weight)
    _assert_equal(_rank(levels.exp(), positive, weight), base)
    _assert_equal(_rank(levels.pow(3) - 5, positive, weight), base)
    order = list(range(len(levels)))
    random.shuffle(order)
    _assert_equal(_rank(levels[order], positive[order], weight[order]), base)


@given(rankings())
def test_auroc_counts_pairs(ranking: tuple[list[int], list[bool], list[float]]) -> None:
    levels, positive, weights = ranking
    wins = pairs = 0.0
    for hit, is_hit, hit_weight in zip(levels, positive, weights, strict=True):
        for miss, is_other_hit, miss_weight in zip(levels, positive, weights, strict=True):
            if is_hit and not is_other_hit:
                pairs += hit_weight * miss_weight
                wins += hit_weight * miss_weight * ((hit > miss) + 0.5 * (hit == miss))
    figure = _rank(
        torch.tensor(levels).float(), torch.tensor(positive), torch.tensor(weights, dtype=torch.float64)
    ).auroc.item()
    assert figure == pytest.approx(wins / pairs if pairs else float("nan"), nan_ok=True)


@given(rankings())
def test_swapping_the_classes_reverses_auroc(ranking: tuple[list[int], list[bool], list[float]]) -> None:
    levels, positive = torch.tensor(ranking[0]).double(), torch.tensor(ranking[1])
    torch.testing.assert_close(
        _rank(levels, positive).auroc, 1 - _rank(levels, ~positive).auroc, equal_nan=True
    )
