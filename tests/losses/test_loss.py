"""One loss for every shape, mask, weight and stack that training hands to it."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from mlx_runner.losses.functions import LOSSES
from mlx_runner.losses.loss import build_loss
from mlx_runner.specs.errors import DataError
from torch import Tensor

K, B, T = 3, 6, 4
REDUCTIONS = ["sum_over_batch_size", "sum", "mean_with_sample_weight", "none"]


def _pair(type: str, *, members: bool = False, seed: int = 0) -> tuple[Tensor, Tensor]:
    """Targets (B, T), or (B) class numbers, and predictions (B, T) or (K, B, T)."""
    generator = torch.Generator().manual_seed(seed)
    lead = (K,) if members else ()
    prediction = torch.rand((*lead, B, T), generator=generator, dtype=torch.float64) * 0.8 + 0.1
    if LOSSES[type].target_kind == "classes":
        return torch.randint(0, T, (B,), generator=generator), prediction
    return torch.randint(0, 2, (B, T), generator=generator).double(), prediction


def _row_mask() -> Tensor:
    return torch.tensor([True, False, True, True, False, True])


@pytest.mark.parametrize("type", ["mean_squared_error", "binary_crossentropy", "hinge", "log_cosh"])
@pytest.mark.parametrize(("flat", "column"), [("target", "prediction"), ("prediction", "target")])
def test_a_flat_vector_beside_a_column_is_one_value_per_example(type: str, flat: str, column: str) -> None:
    target, prediction = _pair(type)
    shaped = {"target": target[:, :1], "prediction": prediction[:, :1]}
    expected = build_loss(type)(shaped["target"], shaped["prediction"])
    shaped[flat] = shaped[flat].squeeze(-1)
    value = build_loss(type, reduction="none")(shaped["target"], shaped["prediction"])
    assert value.shape == (B,)
    torch.testing.assert_close(value.mean(), expected)


def test_two_flat_vectors_take_a_weight_per_example() -> None:
    target, prediction, weight = torch.rand(B), torch.rand(B), torch.rand(B)
    value = build_loss("mean_squared_error")(target, prediction, weight)
    torch.testing.assert_close(value, (weight * (target - prediction) ** 2).mean())


@pytest.mark.parametrize("shape", [(B,), (B, T + 1), (T, B), (B, 1), (1, T)])
def test_shapes_that_do_not_fit_never_broadcast(shape: tuple[int, ...]) -> None:
    with pytest.raises(
        DataError, match=r"target of shape .* cannot be matched with a prediction of shape \(6, 4\)"
    ):
        build_loss("mean_squared_error")(torch.zeros(shape), torch.zeros(B, T))


def test_class_numbers_of_a_wrong_shape_say_the_right_one() -> None:
    with pytest.raises(DataError, match=r"allowed: \(6\)"):
        build_loss("sparse_categorical_crossentropy")(torch.zeros(B, T), torch.rand(B, T))


def test_weights_that_fit_no_axis_are_an_error() -> None:
    with pytest.raises(DataError, match=r"sample weights of shape \(5\)"):
        build_loss("mean_squared_error")(torch.zeros(B, T), torch.zeros(B, T), torch.ones(5))
    with pytest.raises(DataError, match="one weight per row"):
        build_loss("cosine_similarity")(torch.ones(B, T), torch.ones(B, T), torch.ones(B, T))


@pytest.mark.parametrize("dtype", [torch.uint8, torch.int64, torch.bool])
@pytest.mark.parametrize("precision", [torch.float32, torch.float64])
def test_integer_targets_follow_the_prediction(dtype: torch.dtype, precision: torch.dtype) -> None:
    target, prediction = _pair("binary_crossentropy")
    prediction = prediction.to(precision)
    value = build_loss("binary_crossentropy")(target.to(dtype), prediction)
    assert value.dtype == precision
    torch.testing.assert_close(value, build_loss("binary_crossentropy")(target.to(precision), prediction))


@pytest.mark.parametrize("shape", [(B,), (B, 1), (B, T)])
def test_weights_align_on_the_batch_axis(shape: tuple[int, ...]) -> None:
    """Per-example elements are (B, T) here; the divisor is their number, or the weights broadcast to it."""
    target, prediction = torch.rand(B, T, 2), torch.rand(B, T, 2)
    weight = torch.rand(shape)
    values = ((target - prediction) ** 2).mean(-1)
    full = (weight.reshape(B, -1)).expand(B, T)
    mean = build_loss("mean_squared_error")(target, prediction, weight)
    torch.testing.assert_close(mean, (values * full).sum() / (B * T))
    by_sum = build_loss("mean_squared_error", reduction="mean_with_sample_weight")(target, prediction, weight)
    torch.testing.assert_close(by_sum, (values * full).sum() / full.sum())


def test_a_single_number_is_a_weight() -> None:
    target, prediction = _pair("huber")
    torch.testing.assert_close(
        build_loss("huber")(target, prediction, 2.5), 2.5 * build_loss("huber")(target, prediction)
    )


@pytest.mark.parametrize("reduction", REDUCTIONS)
@pytest.mark.parametrize("type", sorted(LOSSES))
def test_a_row_mask_is_the_batch_without_the_rows(type: str, reduction: str) -> None:
    target, prediction = _pair(type)
    loss, mask = build_loss(type, reduction=reduction), _row_mask()
    value, alone = loss(target, prediction, None, mask), loss(target[mask], prediction[mask])
    torch.testing.assert_close(value[mask] if value.ndim else value, alone)
    assert not value.ndim or (value[~mask] == 0).all()


@pytest.mark.parametrize("type", sorted(name for name, found in LOSSES.items() if found.unit == "entry"))
def test_an_entry_mask_divides_by_the_observed_entries(type: str) -> None:
    target, prediction = _pair(type)
    mask = torch.rand(B, T, generator=torch.Generator().manual_seed(5)) < 0.5
    mask[1] = False
    value = build_loss(type)(target, prediction, None, mask)
    entries = build_loss(type, reduction="none")(target.reshape(-1, 1), prediction.reshape(-1, 1))
    torch.testing.assert_close(value, entries[mask.reshape(-1)].mean())
    assert mask.sum(1).unique().numel() > 1  # else a mean of row means would pass too


def test_an_entry_mask_gives_an_example_the_mean_of_its_observed_entries() -> None:
    target, prediction = torch.zeros(2, 3), torch.tensor([[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]])
    mask = torch.tensor([[True, True, False], [False, False, False]])
    value = build_loss("mean_squared_error", reduction="none")(target, prediction, None, mask)
    torch.testing.assert_close(value, torch.tensor([2.5, 0.0]))


def test_a_row_with_a_hole_is_not_observed_by_a_loss_of_rows() -> None:
    target, prediction = _pair("categorical_crossentropy")
    mask = torch.ones(B, T, dtype=torch.bool)
    mask[2, 1] = False
    loss = build_loss("categorical_crossentropy")
    expected = loss(target, prediction, None, torch.arange(B) != 2)
    torch.testing.assert_close(loss(target, prediction, None, mask), expected)


@pytest.mark.parametrize("axis", [None, -1])
@pytest.mark.parametrize("type", ["dice", "tversky"])
def test_masks_of_regions_act_inside_the_sums(type: str, axis: int | None) -> None:
    target, prediction = _pair(type)
    mask = torch.ones(B, T, dtype=torch.bool)
    mask[:, 1] = False
    loss = build_loss(type, axis=axis)
    expected = loss(target[:, [0, 2, 3]], prediction[:, [0, 2, 3]])
    torch.testing.assert_close(loss(target, prediction, None, mask), expected)


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("shape", [(B,), (B, T)])
@pytest.mark.parametrize("type", sorted(set(LOSSES) - {"sparse_categorical_crossentropy"}))
def test_nan_under_a_mask_poisons_nothing(type: str, shape: tuple[int, ...], weighted: bool) -> None:
    target, prediction = _pair(type)
    mask = (_row_mask() if len(shape) == 1 else _row_mask().unsqueeze(1).expand(B, T)).clone()
    if LOSSES[type].unit != "row" and len(shape) == 2:
        mask[0, 0] = False
    hidden = ~mask.reshape(B, -1).expand(B, T)
    weight = torch.where(_row_mask(), 2.0, torch.nan) if weighted else None
    poisoned = target.masked_fill(hidden, torch.nan)
    prediction = prediction.masked_fill(hidden, torch.nan).requires_grad_()
    value = build_loss(type)(poisoned, prediction, weight, mask)
    value.backward()
    assert value.isfinite()
    assert prediction.grad is not None
    assert prediction.grad.isfinite().all()
    assert (prediction.grad[hidden] == 0).all()
    assert prediction.grad.any()


def test_class_numbers_may_be_missing_as_nan() -> None:
    target, prediction = _pair("sparse_categorical_crossentropy")
    mask = _row_mask()
    poisoned = target.double().masked_fill(~mask, torch.nan)
    loss = build_loss("sparse_categorical_crossentropy")
    torch.testing.assert_close(loss(poisoned, prediction, None, mask), loss(target[mask], prediction[mask]))


def test_an_ignored_class_leaves_the_denominator() -> None:
    target, prediction = torch.tensor([0, -1, 2, -1, 1, 3]), _pair("hinge")[1]
    value = build_loss("sparse_categorical_crossentropy", ignore_class=-1)(target, prediction)
    kept = target != -1
    torch.testing.assert_close(
        value, build_loss("sparse_categorical_crossentropy")(target[kept], prediction[kept])
    )


@pytest.mark.parametrize("reduction", REDUCTIONS)
@pytest.mark.parametrize("type", sorted(LOSSES))
def test_all_masked_is_zero_with_no_slope(type: str, reduction: str) -> None:
    target, prediction = _pair(type)
    prediction.requires_grad_()
    mask, weight = torch.zeros(B, dtype=torch.bool), torch.ones(B)
    value = build_loss(type, reduction=reduction)(target, prediction, weight, mask)
    assert (value == 0).all()
    value.sum().backward()
    assert prediction.grad is not None
    assert (prediction.grad == 0).all()


def test_entry_weights_multiply_and_divide_nothing() -> None:
    target, prediction = _pair("mean_squared_error")
    weight = torch.tensor([1.0, 2.0, 0.0, 5.0], dtype=torch.float64)
    expected = (weight * (target - prediction) ** 2).sum() / (B * T)
    for reduction in ("sum_over_batch_size", "mean_with_sample_weight"):
        value = build_loss("mean_squared_error", reduction=reduction)(target, prediction, entry_weight=weight)
        torch.testing.assert_close(value, expected)
    rows = torch.rand(B, dtype=torch.float64)
    cosine = build_loss("cosine_similarity")
    torch.testing.assert_close(
        cosine(target + 1, prediction, entry_weight=rows), cosine(target + 1, prediction, rows)
    )


def test_entry_weights_follow_a_flat_target() -> None:
    target, prediction, weight = torch.rand(B), torch.rand(B, 1), torch.rand(B)
    value = build_loss("mean_squared_error")(target, prediction, entry_weight=weight)
    torch.testing.assert_close(value, (weight * (target - prediction[:, 0]) ** 2).mean())


@pytest.mark.parametrize(
    "arguments", [{"type": "mean_squared_error"}, {"type": "binary_crossentropy", "from_logits": True}]
)
def test_the_fused_mean_is_the_mean(arguments: dict[str, Any]) -> None:
    target, prediction = _pair("binary_crossentropy")
    fused = build_loss(**arguments)(target, prediction)
    torch.testing.assert_close(fused, build_loss(reduction="none", **arguments)(target, prediction).mean())


def test_what_the_objective_asks_of_a_loss() -> None:
    named = build_loss("dice", name="overlap")
    assert (named.name, named.type, named.whole_batch, named.entrywise) == ("overlap", "dice", True, False)
    assert build_loss("huber").name == "huber"
    assert build_loss("huber").entrywise
    assert not build_loss("dice", axis=-1).whole_batch
    assert build_loss("sparse_categorical_crossentropy").target_kind == "classes"


@pytest.mark.parametrize("members", [False, True])
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("type", sorted(LOSSES))
def test_no_value_is_read_back_to_the_host(type: str, weighted: bool, members: bool) -> None:
    """Tensors without storage have nothing to read: a branch on a value raises."""
    target, prediction = (tensor.to("meta") for tensor in _pair(type, members=members))
    weight, mask = (
        (torch.empty(B, device="meta"), torch.empty(B, device="meta") > 0) if weighted else (None, None)
    )
    value = build_loss(type)(target, prediction, weight, mask, member_axis=members)
    assert value.shape == ((K,) if members else ())
