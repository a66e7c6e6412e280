"""Random cases of every loss, weighted and masked, against Keras itself as the referee."""

from __future__ import annotations

import os
from dataclasses import dataclass
from types import ModuleType
from typing import Any

import pytest
import torch
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from mlx_runner.losses.functions import LOSSES
from mlx_runner.losses.loss import build_loss
from torch import Tensor

KERAS_CLASSES = {
    "binary_crossentropy": "BinaryCrossentropy",
    "categorical_crossentropy": "CategoricalCrossentropy",
    "sparse_categorical_crossentropy": "SparseCategoricalCrossentropy",
    "binary_focal_crossentropy": "BinaryFocalCrossentropy",
    "categorical_focal_crossentropy": "CategoricalFocalCrossentropy",
    "kl_divergence": "KLDivergence",
    "mean_squared_error": "MeanSquaredError",
    "mean_absolute_error": "MeanAbsoluteError",
    "mean_absolute_percentage_error": "MeanAbsolutePercentageError",
    "mean_squared_logarithmic_error": "MeanSquaredLogarithmicError",
    "huber": "Huber",
    "log_cosh": "LogCosh",
    "poisson": "Poisson",
    "hinge": "Hinge",
    "squared_hinge": "SquaredHinge",
    "categorical_hinge": "CategoricalHinge",
    "cosine_similarity": "CosineSimilarity",
    "dice": "Dice",
    "tversky": "Tversky",
}
WITH_AXIS = {
    "binary_crossentropy", "categorical_crossentropy", "sparse_categorical_crossentropy",
    "binary_focal_crossentropy", "categorical_focal_crossentropy", "cosine_similarity",
}  # fmt: skip
REGIONS = {"dice", "tversky"}


@dataclass(frozen=True)
class Case:
    type: str
    arguments: dict[str, Any]
    reduction: str
    target: Tensor
    prediction: Tensor
    sample_weight: Tensor | float | None
    mask: Tensor | None


@pytest.fixture(scope="module")
def keras() -> ModuleType:
    os.environ.setdefault("KERAS_BACKEND", "torch")
    return pytest.importorskip("keras")


def test_every_loss_has_its_referee() -> None:
    assert set(KERAS_CLASSES) == set(LOSSES)


@st.composite
def cases(draw: st.DrawFn, type: str) -> Case:
    generator = torch.Generator().manual_seed(draw(st.integers(0, 2**31)))
    rank = 2 if type in REGIONS else draw(st.sampled_from([2, 3]))
    # One weight beside one region has no rows to divide by in Keras.
    fewest = 2 if type in REGIONS else 1
    smallest = [fewest, 2, 2][:rank]
    shape = tuple(draw(st.integers(size, 5)) for size in smallest)
    arguments = draw(_arguments(type, rank))
    axis = arguments.get("axis", -1) if type not in REGIONS else -1
    rows = [size for position, size in enumerate(shape) if position != axis % rank]
    target = _target(type, draw, shape, axis, generator)
    logits = torch.randn(shape, generator=generator, dtype=torch.float64) * 3
    bounded = LOSSES[type].target_kind in ("binary", "distribution", "classes") or type == "poisson"
    prediction = logits.sigmoid() if bounded and not arguments.get("from_logits") else logits
    reduction = draw(st.sampled_from(["sum_over_batch_size", "sum", "mean_with_sample_weight", "none"]))
    weight = draw(_weights(rows, generator))
    mask = None
    if isinstance(weight, float):
        # Keras counts a single number once for all rows, and has no room in it for a mask.
        assume(reduction != "mean_with_sample_weight" and arguments.get("ignore_class") is None)
    if isinstance(weight, Tensor) and axis == -1 and draw(st.booleans()):
        weight = weight.unsqueeze(-1)
    if type not in REGIONS and not isinstance(weight, float) and draw(st.booleans()):
        mask = torch.rand(rows, generator=generator) < draw(st.sampled_from([0.0, 0.5, 0.9]))
    return Case(type, arguments, reduction, target, prediction, weight, mask)


@pytest.mark.parametrize("type", sorted(LOSSES))
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_same_value_as_keras(keras: ModuleType, type: str, data: st.DataObject) -> None:
    case = data.draw(cases(type))
    ours = build_loss(type, reduction=case.reduction, **case.arguments)
    reduction = None if case.reduction == "none" else case.reduction
    theirs = getattr(keras.losses, KERAS_CLASSES[type])(
        reduction=reduction, dtype="float64", **case.arguments
    )
    value = ours(case.target, case.prediction, case.sample_weight, case.mask)
    marked = case.prediction.clone()
    if case.mask is not None:
        marked._keras_mask = case.mask  # type: ignore[attr-defined]
    weight = case.sample_weight.clone() if isinstance(case.sample_weight, Tensor) else case.sample_weight
    expected = theirs(case.target, marked, weight)
    # Keras returns float32 here and there, whatever dtype it is asked for.
    torch.testing.assert_close(value, expected.reshape(value.shape).double(), rtol=1e-5, atol=1e-6)


@st.composite
def _arguments(draw: st.DrawFn, type: str, rank: int) -> dict[str, Any]:
    """The arguments that Keras knows too, less its two known differences: it smooths by the size of the
    last axis whatever the axis, and takes tversky's alpha for false negatives."""
    arguments: dict[str, Any] = {}
    if type in WITH_AXIS:
        arguments["axis"] = draw(st.sampled_from([-1, 1] if rank == 3 else [-1]))
    if "from_logits" in LOSSES[type].passes:
        arguments["from_logits"] = draw(st.booleans())
        if type != "sparse_categorical_crossentropy" and arguments["axis"] == -1:
            arguments["label_smoothing"] = draw(st.sampled_from([0.0, 0.1, 0.5]))
    if "focal" in type:
        arguments |= {"gamma": draw(st.sampled_from([0.0, 1.0, 2.5])), "alpha": draw(st.floats(0, 1))}
    if type == "binary_focal_crossentropy":
        arguments["apply_class_balancing"] = draw(st.booleans())
    if type == "sparse_categorical_crossentropy":
        arguments["ignore_class"] = draw(st.sampled_from([None, 0, -1]))
    if type == "huber":
        arguments["delta"] = draw(st.floats(0.1, 3))
    if type == "tversky":
        arguments["alpha"] = arguments["beta"] = draw(st.floats(0.1, 2))
    return arguments


@st.composite
def _weights(draw: st.DrawFn, rows: list[int], generator: torch.Generator) -> Tensor | float | None:
    """Weights as Keras takes them: none, a number, or one per example element."""
    kind = draw(st.sampled_from(["none", "number", "rows"]))
    if kind == "none":
        return None
    if kind == "number":
        return 1.5
    return torch.rand(rows, generator=generator, dtype=torch.float64) * 2


def _target(
    type: str, draw: st.DrawFn, shape: tuple[int, ...], axis: int, generator: torch.Generator
) -> Tensor:
    kind = LOSSES[type].target_kind
    if kind == "classes":
        rows = [size for position, size in enumerate(shape) if position != axis % len(shape)]
        return torch.randint(0, shape[axis], rows, generator=generator)
    if kind == "binary" or "hinge" in type:
        hard = torch.randint(0, 2, shape, generator=generator).double()
        if "hinge" in type and type != "categorical_hinge":
            return draw(st.sampled_from([hard, 2 * hard - 1, torch.where(hard == 1, hard, -0.5)]))
        return draw(st.sampled_from([hard, torch.rand(shape, generator=generator, dtype=torch.float64)]))
    if kind == "distribution":
        soft = torch.rand(shape, generator=generator, dtype=torch.float64)
        return draw(st.sampled_from([soft, soft / soft.sum(axis, keepdim=True), (soft > 0.5).double()]))
    values = torch.randn(shape, generator=generator, dtype=torch.float64) * 3
    return values.abs().round() if type == "poisson" else values
