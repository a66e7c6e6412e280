"""The loss functions by hand, against torch's own, at saturation, and their slopes."""

from __future__ import annotations

import math

import pytest
import torch
import torch.nn.functional as F
from mlx_runner.losses.functions import LOSSES
from mlx_runner.losses.loss import build_loss
from torch import Tensor


def _one(value: float) -> Tensor:
    return torch.tensor([[value]])


@pytest.mark.parametrize(("target", "prediction", "expected"), [(0.0, 1.0, 15.942385), (1.0, 0.0, 16.118095)])
def test_binary_crossentropy_saturates_in_float32(target: float, prediction: float, expected: float) -> None:
    assert build_loss("binary_crossentropy")(_one(target), _one(prediction)).item() == pytest.approx(
        expected, abs=2e-6
    )


def test_smoothed_binary_labels_are_0_05_and_0_95() -> None:
    prediction = torch.tensor([[0.3, 0.6]], dtype=torch.float64)
    value = build_loss("binary_crossentropy", label_smoothing=0.1)(torch.tensor([[0, 1]]), prediction)
    by_hand = (0.05 * math.log(0.3) + 0.95 * math.log(0.7) + 0.95 * math.log(0.6) + 0.05 * math.log(0.4)) / 2
    assert value.item() == pytest.approx(-by_hand)


@pytest.mark.parametrize("type", ["categorical_crossentropy", "sparse_categorical_crossentropy"])
def test_three_smoothed_classes_share_a_tenth(type: str) -> None:
    prediction = torch.tensor([[0.2, 0.5, 0.3]], dtype=torch.float64)
    target = torch.tensor([1]) if type.startswith("sparse") else torch.tensor([[0, 1, 0]])
    by_hand = 0.1 / 3 * math.log(0.2) + (0.9 + 0.1 / 3) * math.log(0.5) + 0.1 / 3 * math.log(0.3)
    assert build_loss(type, label_smoothing=0.1)(target, prediction).item() == pytest.approx(-by_hand)


def test_classes_are_counted_on_the_axis() -> None:
    prediction = torch.rand(2, 3, 5, dtype=torch.float64)
    target = F.one_hot(torch.randint(0, 3, (2, 5)), 3).double()
    across = build_loss("categorical_crossentropy", axis=1, label_smoothing=0.2)
    last = build_loss("categorical_crossentropy", label_smoothing=0.2)
    torch.testing.assert_close(
        across(target.movedim(-1, 1), prediction), last(target, prediction.movedim(1, -1))
    )


@pytest.mark.parametrize("smoothing", [0.0, 0.15])
def test_sparse_crossentropy_is_torchs(smoothing: float) -> None:
    logits, target = torch.randn(7, 4, dtype=torch.float64), torch.randint(0, 4, (7,))
    loss = build_loss("sparse_categorical_crossentropy", from_logits=True, label_smoothing=smoothing)
    torch.testing.assert_close(
        loss(target, logits), F.cross_entropy(logits, target, label_smoothing=smoothing)
    )


@pytest.mark.parametrize("from_logits", [False, True])
@pytest.mark.parametrize("weight", [3.0, [0.5, 2.0, 4.0]])
def test_pos_weight_multiplies_the_positive_part(from_logits: bool, weight: float | list[float]) -> None:
    logits, target = torch.randn(6, 3, dtype=torch.float64), torch.rand(6, 3, dtype=torch.float64)
    expected = F.binary_cross_entropy_with_logits(
        logits, target, pos_weight=torch.tensor(weight, dtype=torch.float64)
    )
    loss = build_loss("binary_crossentropy", from_logits=from_logits, pos_weight=weight)
    prediction = logits if from_logits else logits.sigmoid()
    torch.testing.assert_close(loss(target, prediction), expected, rtol=1e-6, atol=1e-8)


def test_pos_weight_made_while_evaluating_still_trains() -> None:
    loss = build_loss("binary_crossentropy", pos_weight=[1.25, 3.5])
    with torch.inference_mode():
        loss(torch.ones(2, 2), torch.full((2, 2), 0.4))
    prediction = torch.full((2, 2), 0.4, requires_grad=True)
    loss(torch.ones(2, 2), prediction).backward()
    assert prediction.grad is not None
    torch.testing.assert_close(prediction.grad, -torch.tensor([1.25, 3.5]).expand(2, 2) / 0.4 / 4)


def test_hinge_labels_turn_only_when_all_are_zero_or_one() -> None:
    prediction = torch.tensor([[0.5, 0.5]])
    hinge = build_loss("hinge")
    assert hinge(torch.tensor([[0.0, 1.0]]), prediction).item() == pytest.approx((1.5 + 0.5) / 2)
    assert hinge(torch.tensor([[0.0, -1.0]]), prediction).item() == pytest.approx((1.0 + 1.5) / 2)


def test_each_member_turns_its_own_hinge_labels() -> None:
    target = torch.tensor([[[0.0, 1.0]], [[0.0, -1.0]]])
    prediction = torch.full((2, 1, 2), 0.5)
    value = build_loss("hinge")(target, prediction, member_axis=True)
    torch.testing.assert_close(value, torch.tensor([1.0, 1.25]))


def test_dice_and_tversky_by_hand() -> None:
    target, prediction = torch.tensor([[1.0, 0.0], [1.0, 1.0]]), torch.tensor([[0.8, 0.4], [0.5, 0.9]])
    overlap, false_positives, false_negatives = 0.8 + 0.5 + 0.9, 0.4, 0.2 + 0.5 + 0.1
    assert build_loss("dice")(target, prediction).item() == pytest.approx(1 - 2 * overlap / (3 + 2.6))
    tversky = build_loss("tversky", alpha=0.3, beta=0.7)(target, prediction).item()
    assert tversky == pytest.approx(1 - overlap / (overlap + 0.3 * false_positives + 0.7 * false_negatives))


def test_a_vector_of_zeros_has_a_finite_slope_towards_any_direction() -> None:
    prediction = torch.zeros(2, 3, requires_grad=True)
    build_loss("cosine_similarity")(torch.ones(2, 3), prediction).backward()
    assert prediction.grad is not None
    assert prediction.grad.isfinite().all()


def test_a_diverged_prediction_gives_nan_and_no_exception() -> None:
    assert build_loss("binary_crossentropy")(_one(1.0), _one(math.nan)).isnan()


def _inputs(type: str) -> tuple[Tensor, Tensor]:
    """Targets, and predictions between 0.1 and 0.9 that keep clear of every kink."""
    generator = torch.Generator().manual_seed(3)
    prediction = torch.rand(3, 4, generator=generator, dtype=torch.float64) * 0.8 + 0.1
    kind = LOSSES[type].target_kind
    if kind == "classes":
        return torch.tensor([0, 3, 1]), prediction
    if kind == "distribution":
        return F.one_hot(torch.tensor([0, 3, 1]), 4).double(), prediction
    if kind == "binary" or "hinge" in type:
        return torch.randint(0, 2, (3, 4), generator=generator).double(), prediction
    return prediction + torch.tensor([-2.0, -0.5, 0.5, 2.0], dtype=torch.float64), prediction


LINKS = [(type, False) for type in LOSSES] + [
    (type, True) for type, found in LOSSES.items() if "from_logits" in found.passes
]


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize(("type", "from_logits"), LINKS)
def test_slope_is_the_derivative(type: str, from_logits: bool, weighted: bool) -> None:
    loss = build_loss(type, from_logits=from_logits)
    target, prediction = _inputs(type)
    weight = torch.tensor([0.5, 2.0, 1.0], dtype=torch.float64) if weighted else None
    mask = torch.tensor([True, True, False]) if weighted else None
    assert torch.autograd.gradcheck(
        lambda values: loss(target, values, weight, mask), prediction.requires_grad_()
    )
