"""The thresholds of the highest F1 against scikit-learn and against every other threshold there is."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from mlx_runner.training.metrics import evaluate_metrics
from mlx_runner.training.scores import JudgedRows
from mlx_runner.training.thresholds import best_thresholds
from sklearn import metrics as referee
from torch import Tensor

SCORES = st.floats(0.0, 1.0, width=32) | st.sampled_from([0.0, 0.25, 0.5, 0.75, 1.0])


def judged(
    prediction: Tensor, target: Tensor, mask: Tensor | None = None, weight: Tensor | None = None
) -> JudgedRows:
    return JudgedRows(prediction, target, mask, weight)


def best(rows: JudgedRows) -> list[float]:
    return list(best_thresholds(rows).values)


def f1(rows: JudgedRows, threshold: float | list[float]) -> float:
    """By the metric that is reported."""
    thresholds = torch.tensor([threshold] if isinstance(threshold, float) else threshold, dtype=torch.float64)
    return evaluate_metrics(
        ["f1_macro"],
        prediction=rows.prediction,
        target=rows.target,
        mask=rows.mask,
        sample_weight=rows.sample_weight,
        thresholds=thresholds,
    ).values["f1_macro"].item()  # fmt: skip


@given(arrays(np.float32, 12, elements=SCORES), arrays(np.bool_, 12))
@settings(max_examples=200, deadline=None)
def test_no_other_threshold_is_better(scores: np.ndarray, positive: np.ndarray) -> None:
    assume(positive.any())
    rows = judged(torch.from_numpy(scores).unsqueeze(1), torch.from_numpy(positive).unsqueeze(1))
    (found,) = best(rows)
    reached = f1(rows, found)
    levels = sorted({float(score) for score in scores})
    midpoints = [(low + high) / 2 for low, high in pairwise(levels)]
    others = [0.5, *midpoints, *levels, *([levels[0] / 2] if levels[0] > 0 else [])]
    assert all(f1(rows, other) <= reached for other in others)
    predicted = scores.astype(np.float64) > found
    assert reached == pytest.approx(referee.f1_score(positive, predicted, zero_division=0), abs=1e-12)


@given(arrays(np.float32, 12, elements=SCORES), arrays(np.bool_, 12))
@settings(max_examples=200, deadline=None)
def test_of_equally_good_midpoints_the_nearest_to_a_half_is_taken(
    scores: np.ndarray, positive: np.ndarray
) -> None:
    rows = judged(torch.from_numpy(scores).unsqueeze(1), torch.from_numpy(positive).unsqueeze(1))
    (found,) = best(rows)
    levels = sorted({float(score) for score in scores})
    midpoints = [low + (high - low) / 2 for low, high in pairwise([0.0, *(each for each in levels if each)])]
    reached = f1(rows, found)
    if not positive.any() or reached == 0.0:
        assert found == 0.5
        return
    assert found in midpoints
    as_good = [each for each in midpoints if f1(rows, each) == reached]
    assert abs(found - 0.5) == min(abs(each - 0.5) for each in as_good)


def test_scikit_learns_curve_has_no_higher_point() -> None:
    generator = torch.Generator().manual_seed(1)
    scores = torch.rand(500, 5, generator=generator)
    target = (torch.rand(500, 5, generator=generator) < 0.6 * scores).float()
    weight = torch.rand(500, generator=generator)
    for weights in (None, weight):
        rows = judged(scores, target, weight=weights)
        for label, threshold in enumerate(best(rows)):
            precision, recall, _ = referee.precision_recall_curve(
                target[:, label].numpy(), scores[:, label].numpy(),
                sample_weight=None if weights is None else weights.double().numpy(),
            )  # fmt: skip
            highest = np.max(2 * precision * recall / np.maximum(precision + recall, 1e-12))
            own = judged(scores[:, [label]], target[:, [label]], weight=weights)
            assert f1(own, threshold) == pytest.approx(highest, abs=1e-12)


def test_unobserved_entries_and_rows_without_weight_do_not_count() -> None:
    generator = torch.Generator().manual_seed(2)
    scores = torch.rand(80, 3, generator=generator)
    target = (torch.rand(80, 3, generator=generator) < scores).float()
    mask = torch.rand(80, 3, generator=generator) < 0.6
    weight = (torch.rand(80, generator=generator) < 0.7).float()
    found = best(judged(scores, target.masked_fill(~mask, torch.nan), weight=weight))
    assert found == best(judged(scores, target, mask, weight))
    for label in range(3):
        kept = mask[:, label] & (weight > 0)
        assert best(judged(scores[kept][:, [label]], target[kept][:, [label]])) == [found[label]]


def test_a_label_without_positives_keeps_a_half_and_is_told_apart() -> None:
    scores = torch.tensor([[0.1, 0.1, 0.0], [0.2, 0.9, 0.0], [0.3, 0.2, 0.0]])
    target = torch.tensor([[0.0, 0.0, 1.0], [0.0, 1.0, 0.0], [0.0, 0.0, 0.0]])
    found = best_thresholds(judged(scores, target))
    assert found.values == pytest.approx((0.5, 0.55, 0.5))
    assert found.has_positives == (False, True, True)
    scores[0] = torch.nan
    assert best(judged(scores, target)) == [0.5, 0.5, 0.5]


def test_all_can_be_predicted_positive() -> None:
    scores = torch.tensor([[0.2], [0.4], [0.6]])
    assert best(judged(scores, torch.tensor([[1.0], [0.0], [1.0]]))) == [pytest.approx(0.1)]


def test_between_two_neighbouring_numbers_the_lower_one_parts_them() -> None:
    for low in (0.3, 0.7, 0.1, 2.0**-30):
        high = float(np.nextafter(low, 1.0))
        scores = torch.tensor([[low], [high]], dtype=torch.float64)
        rows = judged(scores, torch.tensor([[0.0], [1.0]]))
        assert f1(rows, best(rows)) == 1.0
