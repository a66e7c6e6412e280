"""The expected calibration error against torchmetrics and against bins filled by hand."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from mlx_runner.training.calibration_metrics import NUM_BINS
from mlx_runner.training.metrics import evaluate_metrics, metric_problem, undefined_notes
from torch import Tensor
from torchmetrics.functional.classification import binary_calibration_error, multiclass_calibration_error

EDGES = np.arange(NUM_BINS + 1) / NUM_BINS


def by_hand(confidence: np.ndarray, outcome: np.ndarray, weight: np.ndarray | None = None) -> float:
    """Fifteen bins in a loop: the share of each times the distance of its two means."""
    weight = np.ones(len(confidence)) if weight is None else weight
    error = 0.0
    for index in range(NUM_BINS):
        low, high = index / NUM_BINS, (index + 1) / NUM_BINS
        inside = (confidence >= low) & ((confidence < high) | (index == NUM_BINS - 1))
        total = weight[inside].sum()
        if total > 0.0:
            means = (np.average(each[inside], weights=weight[inside]) for each in (outcome, confidence))
            error += total / weight.sum() * abs(np.subtract(*means))
    return float(error)


def ece(kind: str, prediction: Tensor, target: Tensor, **options: object) -> float:
    result = evaluate_metrics(["ece"], prediction=prediction, target=target, kind=kind, **options)
    assert result.values["ece"].dtype == torch.float64
    return result.values["ece"].item()


def draw(seed: int, rows: int = 400, width: int = 4) -> tuple[Tensor, torch.Generator]:
    generator = torch.Generator().manual_seed(seed)
    return 2.0 * torch.randn(rows, width, generator=generator), generator


def test_labels_agree_with_torchmetrics() -> None:
    logits, generator = draw(1)
    probability = torch.sigmoid(logits)
    target = torch.bernoulli(probability.square(), generator=generator)
    expected = binary_calibration_error(probability.flatten(), target.flatten().int(), NUM_BINS, "l1")
    assert ece("binary", probability, target) == pytest.approx(expected.item(), rel=1e-5)


def test_classes_agree_with_torchmetrics() -> None:
    logits, generator = draw(2)
    probability = torch.softmax(logits, -1)
    target = torch.multinomial(torch.softmax(logits / 3, -1), 1, generator=generator).squeeze(1)
    expected = multiclass_calibration_error(probability, target, 4, NUM_BINS, "l1")
    assert ece("classes", probability, target) == pytest.approx(expected.item(), rel=1e-5)
    one_hot = torch.nn.functional.one_hot(target, 4)
    assert ece("classes", probability, one_hot) == ece("classes", probability, target)
    assert ece("binary", probability, one_hot) != ece("classes", probability, one_hot)


@pytest.mark.parametrize("kind", ["binary", "classes"])
def test_masks_and_weights_agree_with_bins_filled_by_hand(kind: str) -> None:
    logits, generator = draw(3)
    weight = torch.rand(400, generator=generator)
    probability = torch.sigmoid(logits) if kind == "binary" else torch.softmax(logits, -1)
    if kind == "binary":
        mask = torch.rand(400, 4, generator=generator) < 0.6
        target = (torch.rand(400, 4, generator=generator) < 0.4).float().masked_fill(~mask, torch.nan)
        weights = weight.unsqueeze(-1).expand(400, 4)
        confidence, outcome = probability, target
    else:
        mask = torch.rand(400, generator=generator) < 0.6
        target = torch.randint(4, (400,), generator=generator)
        weights, confidence, outcome = weight, probability.amax(-1), probability.argmax(-1) == target
    given = (each[mask].double().numpy() for each in (confidence, outcome, weights))
    found = ece(kind, probability, target, mask=mask, sample_weight=weight)
    assert found == pytest.approx(by_hand(*given), rel=1e-9)


@given(
    arrays(np.float64, 40, elements=st.sampled_from([*EDGES, 0.03, 0.5, 0.97])),
    arrays(np.bool_, 40),
)
@settings(max_examples=60, deadline=None)
def test_edges_of_bins_belong_to_the_bin_above_and_one_to_the_last(
    confidence: np.ndarray, outcome: np.ndarray
) -> None:
    found = ece("binary", torch.from_numpy(confidence), torch.from_numpy(outcome))
    bins = np.minimum(np.searchsorted(EDGES, confidence, side="right") - 1, NUM_BINS - 1)
    gaps = [(outcome - confidence)[bins == index].sum() for index in range(NUM_BINS)]
    assert found == pytest.approx(np.abs(gaps).sum() / 40, rel=1e-9, abs=1e-12)
    assert 0.0 <= found <= 1.0


def test_probabilities_that_are_right_have_no_error() -> None:
    target = torch.tensor([[1.0], [0.0], [1.0], [0.0]])
    assert ece("binary", target, target) == 0.0
    assert ece("binary", torch.full((4, 1), 0.5), target) == 0.0
    shares = torch.rand(50, 2, generator=torch.Generator().manual_seed(4))
    assert ece("binary", shares, shares) == 0.0, "a target that is a frequency counts as one"
    assert ece("binary", 1.0 - target, target) == 1.0


@pytest.mark.parametrize("kind", ["binary", "classes"])
@pytest.mark.parametrize("weighted", [False, True])
def test_a_stack_is_each_member_alone(kind: str, weighted: bool) -> None:
    generator = torch.Generator().manual_seed(5)
    members = torch.softmax(torch.randn(3, 60, 4, generator=generator), -1)
    target = torch.nn.functional.one_hot(torch.randint(4, (60,), generator=generator), 4).float()
    weight = torch.rand(60, generator=generator) if weighted else None
    options = {"target": target, "sample_weight": weight, "kind": kind}
    stacked = evaluate_metrics(["ece"], prediction=members, stacked=True, **options)
    for member in range(3):
        alone = evaluate_metrics(["ece"], prediction=members[member], **options)
        torch.testing.assert_close(stacked.values["ece"][member], alone.values["ece"], rtol=1e-12, atol=0)
        assert torch.equal(stacked.undefined["ece"][member], alone.undefined["ece"])


def test_nothing_observed_and_nan_are_said() -> None:
    probability, target = torch.rand(6, 2), torch.ones(6, 2)
    result = evaluate_metrics(["ece"], prediction=probability, target=target, mask=torch.zeros(6, 2))
    assert result.values["ece"].item() == 0.0
    assert undefined_notes(result) == ("ece: no observed entries; counted as 0",)
    probability[0, 0] = torch.nan
    assert np.isnan(ece("binary", probability, target))


def test_it_is_for_labels_and_for_classes_alone() -> None:
    assert metric_problem("ece", "binary", 1) is None
    assert metric_problem("ece", "binary", 5) is None
    assert metric_problem("ece", "classes", 5) is None
    message = (
        "metric 'ece' is for binary labels or one class of several, the target here is numbers; "
        "allowed: mse, mae, rmse, r2."
    )
    assert metric_problem("ece", "values", 1) == message
    assert metric_problem("f1", "classes", 3) == (
        "metric 'f1' is for binary labels, the target here is one class of several; "
        "allowed: categorical_accuracy, ece."
    )


def test_it_sits_beside_other_metrics_in_the_order_of_names() -> None:
    probability = torch.softmax(torch.randn(20, 6), -1)
    target = torch.randint(6, (20,))
    names = ["ece", "top_k_accuracy", "categorical_accuracy"]
    result = evaluate_metrics(names, prediction=probability, target=target, kind="classes")
    assert list(result.values) == names
