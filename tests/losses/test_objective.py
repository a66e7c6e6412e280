"""The objective and its ledger: sums that add up, masks that meet, members that agree with K objectives."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from mlx_runner.data import Table, mask_missing
from mlx_runner.losses import (
    Knobs,
    Ledger,
    Objective,
    OutputShape,
    ReferenceShape,
    build_knobs,
    build_loss,
    build_objective,
)
from mlx_runner.models import Output
from mlx_runner.specs.losses import AnyLoss
from pydantic import TypeAdapter
from torch import Tensor

ADAPTER = TypeAdapter(AnyLoss)
SMOOTHED = ("binary_crossentropy", "binary_focal_crossentropy", "categorical_crossentropy")
TYPES = (*SMOOTHED, "mean_squared_error", "huber", "kl_divergence", "dice", "cosine_similarity")
ROWS, LABELS = 7, 3


def specs(losses: dict[str, dict[str, Any]]) -> dict[str, Any]:
    return {
        name: ADAPTER.validate_python({"output": "out", "target": "y", **loss})
        for name, loss in losses.items()
    }


def objective_of(
    losses: dict[str, dict[str, Any]],
    *,
    activation: str = "sigmoid",
    shape: tuple[int, ...] = (LABELS,),
    target: tuple[int, ...] | None = None,
    **options: Any,
) -> Objective:
    references = {"y": ReferenceShape(shape if target is None else target, "any")}
    return build_objective(specs(losses), {"out": OutputShape(shape, activation)}, references, **options)


def knobs_of(*members: dict[str, dict[str, Any]], stacked: bool, factors: Any = ()) -> Knobs:
    factors = list(factors) or [[]] * len(members)
    described = [specs(each) for each in members]
    rates = [1.0] * len(members)
    return build_knobs(described, learning_rates=rates, penalty_factors=factors, stacked=stacked)


def uniform(*shape: int, seed: int = 0) -> Tensor:
    return torch.rand(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def normal(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


@st.composite
def losses(draw: st.DrawFn) -> dict[str, dict[str, Any]]:
    """One to four terms on one output."""
    types = draw(st.lists(st.sampled_from(TYPES), min_size=1, max_size=4))
    weights = st.floats(0.0, 100.0, allow_subnormal=False)
    terms: dict[str, dict[str, Any]] = {}
    for index, type in enumerate(types):
        terms[f"term_{index}"] = {"type": type, "weight": draw(weights)}
        if type in SMOOTHED:
            terms[f"term_{index}"]["label_smoothing"] = draw(st.sampled_from([0.0, 0.1, 0.9]))
    return terms


@settings(max_examples=100, deadline=None)
@given(
    terms=losses(),
    seed=st.integers(0, 2**20),
    members=st.sampled_from([None, 1, 3]),
    missing=st.sampled_from([0.0, 0.3, 1.0]),
    penalties=st.sampled_from([None, 0, 1, 3]),
    precision=st.sampled_from([torch.float32, torch.float64]),
)
def test_every_ledger_adds_up(
    terms: dict[str, dict[str, Any]],
    seed: int,
    members: int | None,
    missing: float,
    penalties: int | None,
    precision: torch.dtype,
) -> None:
    """Whatever the terms, weights, smoothing, masks, regularizers and members."""
    stack = () if members is None else (members,)
    target, logits = uniform(ROWS, LABELS, seed=seed), normal(*stack, ROWS, LABELS, seed=seed) * 4
    target = torch.where(uniform(ROWS, LABELS, seed=seed + 1) < missing, torch.nan, target).to(precision)
    names = tuple(f"layer/kernel_{index}/l2" for index in range(penalties or 0))
    objective = objective_of(terms, regularizers=names, members=members)
    knobs = knobs_of(*[terms] * (members or 1), stacked=members is not None).to("cpu", precision)
    charges = None if penalties is None else normal(penalties, *stack, seed=seed).to(precision)
    batch = mask_missing(Table({}, {"y": target}))
    ledger = objective({"out": Output(logits.to(precision), torch.sigmoid)}, batch, knobs, charges)
    assert ledger.terms == tuple(terms)
    assert ledger.names == tuple(terms) + names
    assert ledger.raw.shape == ledger.weights.shape == (len(ledger.names), *stack)
    assert ledger.total.shape == stack
    assert bool(ledger.raw.isfinite().all())
    rows = ledger.raw.double() * ledger.weights.double()
    # Below the smallest normal number rounding is no longer relative.
    rounding = 4 * torch.finfo(precision).eps * rows.abs().sum(0) + len(rows) * torch.finfo(precision).tiny
    assert bool(((ledger.total.double() - rows.sum(0)).abs() <= rounding).all())
    for name, loss in terms.items():
        assert bool((ledger.weights[ledger.names.index(name)].double() - loss["weight"]).abs().max() <= 1e-5)
    assert bool((ledger.weights[len(terms) :] == 1.0).all())


@settings(max_examples=40, deadline=None)
@given(terms=losses(), seed=st.integers(0, 2**20), missing=st.sampled_from([0.0, 0.4]))
def test_a_row_is_its_loss_alone_and_unweighted(
    terms: dict[str, dict[str, Any]], seed: int, missing: float
) -> None:
    target, logits = uniform(ROWS, LABELS, seed=seed), normal(ROWS, LABELS, seed=seed)
    mask = uniform(ROWS, LABELS, seed=seed + 1) >= missing
    ledger = score(terms, target, Output(logits, torch.sigmoid), mask=mask)
    for name, loss in terms.items():
        arguments = {key: value for key, value in loss.items() if key != "weight"}
        alone = build_loss(**arguments)(target, torch.sigmoid(logits), mask=mask)
        torch.testing.assert_close(ledger.term(name), alone, rtol=1e-6, atol=1e-9)


def score(
    losses: dict[str, dict[str, Any]],
    target: Tensor,
    output: Output,
    *,
    mask: Tensor | None = None,
    **shapes: Any,
) -> Ledger:
    batch = Table({}, {"y": target}, masks={} if mask is None else {"y": mask})
    knobs = knobs_of(losses, stacked=False).to("cpu", torch.float64)
    return objective_of(losses, **shapes)({"out": output}, batch, knobs)


def test_a_weight_of_zero_leaves_the_term_in_the_ledger() -> None:
    terms = {
        "on": {"type": "mean_squared_error", "weight": 2.0},
        "off": {"type": "mean_absolute_error", "weight": 0.0},
    }
    target, values = uniform(ROWS, LABELS), uniform(ROWS, LABELS, seed=1)
    ledger = score(terms, target, Output(values, None), activation="linear")
    torch.testing.assert_close(ledger.term("off"), (target - values).abs().mean())
    torch.testing.assert_close(ledger.total, 2.0 * (target - values).square().mean())


@pytest.mark.parametrize("observed", ["none", "rows", "steps", "entries"])
@pytest.mark.parametrize("members", [None, 2])
def test_the_outputs_mask_joins_the_batchs(observed: str, members: int | None) -> None:
    """An entry counts where it is observed and its step is no padding; by hand, over four steps."""
    stack = () if members is None else (members,)
    steps = uniform(*stack, ROWS, 4, seed=2) < 0.6
    shapes = {"none": None, "rows": (ROWS,), "steps": (ROWS, 4), "entries": (ROWS, 4, LABELS)}
    shape = shapes[observed]
    # Members with an order of their own have a mask each, like all else in their batches.
    mask = None if shape is None else uniform(*stack, *shape, seed=3) < 0.6
    target, logits = uniform(*stack, ROWS, 4, LABELS), normal(*stack, ROWS, 4, LABELS)
    terms = {"one": {"type": "binary_crossentropy"}}
    objective = objective_of(terms, shape=(4, LABELS), members=members)
    batch = Table({}, {"y": target}, masks={} if mask is None else {"y": mask})
    knobs = knobs_of(*[terms] * (members or 1), stacked=members is not None).to("cpu", torch.float64)
    found = objective({"out": Output(logits, torch.sigmoid, steps)}, batch, knobs).total
    entries = F.binary_cross_entropy_with_logits(logits, target, reduction="none")
    counts = steps.unsqueeze(-1).expand_as(entries)
    if mask is not None:
        counts = counts & mask.reshape(mask.shape + (1,) * (entries.dim() - mask.dim()))
    flat = [each.reshape(members or 1, -1) for each in (entries, counts)]
    expected = torch.stack([values[kept].mean() for values, kept in zip(*flat, strict=True)])
    torch.testing.assert_close(found.reshape(-1), expected)


@pytest.mark.parametrize(
    ("type", "activation", "given", "reads_logits"),
    [
        ("binary_crossentropy", "sigmoid", "auto", True),
        ("binary_focal_crossentropy", "sigmoid", "auto", True),
        ("categorical_crossentropy", "softmax", "auto", True),
        ("categorical_focal_crossentropy", "softmax", "auto", True),
        ("binary_crossentropy", "softmax", "auto", False),
        ("categorical_crossentropy", "sigmoid", "auto", False),
        ("kl_divergence", "softmax", None, False),
        ("binary_crossentropy", "sigmoid", False, False),
        ("binary_crossentropy", "linear", "auto", False),
    ],
)
def test_logits_are_read_where_the_activation_is_the_losss_own(
    type: str, activation: str, given: str | bool | None, reads_logits: bool
) -> None:
    """A probability of 1 saturates at the clipped value, a logit of 40 does not."""
    loss = {"type": type} | ({} if given is None else {"from_logits": given})
    (term,) = objective_of({"one": loss}, activation=activation).terms
    assert term.on_logits is reads_logits
    if type == "binary_crossentropy" and activation == "sigmoid":
        output = Output(torch.full((1, LABELS), 40.0), torch.sigmoid)
        (value,) = score({"one": loss}, torch.zeros(1, LABELS), output).raw
        # float32: -log(1 - p) of p clipped to 1 - 1e-7, whose nearest neighbour is 1 - 2^-23.
        assert value.item() == pytest.approx(40.0 if reads_logits else 15.942385, rel=1e-6)


def test_over_another_axis_a_softmax_is_read_by_value() -> None:
    """The activation sums to 1 over the last axis, this loss over the one before it."""
    target, logits = uniform(ROWS, 4, LABELS), normal(ROWS, 4, LABELS)
    terms = {
        "last": {"type": "categorical_crossentropy"},
        "inner": {"type": "categorical_crossentropy", "axis": 1},
    }
    shapes = {"activation": "softmax", "shape": (4, LABELS)}
    ledger = score(terms, target, Output(logits, _softmax), **shapes)
    values = _softmax(logits)
    inner = values / values.sum(1, keepdim=True)
    torch.testing.assert_close(ledger.term("last"), -(target * values.log()).sum(-1).mean())
    torch.testing.assert_close(ledger.term("inner"), -(target * inner.log()).sum(1).mean())


def test_sample_weights_are_found_by_name() -> None:
    terms = {
        "weighted": {"type": "mean_squared_error", "sample_weight": "trust"},
        "plain": {"type": "mean_squared_error"},
    }
    target, values, trust = uniform(ROWS, LABELS), uniform(ROWS, LABELS, seed=1), uniform(ROWS, seed=2)
    batch = Table({}, {"y": target}, weights={"trust": trust})
    objective = objective_of(terms, activation="linear", sample_weights=frozenset({"trust"}))
    ledger = objective({"out": Output(values, None)}, batch, knobs_of(terms, stacked=False))
    rows = (target - values).square().mean(-1)
    torch.testing.assert_close(ledger.term("weighted"), (trust * rows).mean())
    torch.testing.assert_close(ledger.term("plain"), rows.mean())


@pytest.mark.parametrize("own_order", [False, True])
def test_k_members_are_k_objectives(own_order: bool) -> None:
    """Weights, smoothing and penalties differ; the rows are shared, or in an order of each member's own."""
    members = [
        {
            "bce": {"type": "binary_crossentropy", "weight": 1.0 + index, "label_smoothing": 0.2 * index},
            "mse": {"type": "mean_squared_error", "weight": 0.5 * index},
            "dice": {"type": "dice", "weight": 0.1},
        }
        for index in range(3)
    ]
    target = uniform(*(3,) * own_order, ROWS, LABELS)
    logits, charges = normal(3, ROWS, LABELS), uniform(2, 3, seed=4)
    names = ("a/kernel/l1", "b/kernel/l2")
    stack = objective_of(members[0], regularizers=names, members=3)
    batch = mask_missing(Table({}, {"y": torch.where(target < 0.2, torch.nan, target)}))
    ledger = stack({"out": Output(logits, torch.sigmoid)}, batch, knobs_of(*members, stacked=True), charges)
    for index, terms in enumerate(members):
        single = objective_of(terms, regularizers=names)
        pick: Callable[[Tensor], Tensor] = (
            (lambda each, row=index: each[row]) if own_order else (lambda each: each)
        )
        rows = Table({}, {"y": pick(batch.targets["y"])}, masks={"y": pick(batch.masks["y"])})
        knobs = knobs_of(terms, stacked=False)
        alone = single({"out": Output(logits[index], torch.sigmoid)}, rows, knobs, charges[:, index])
        for found, expected in ((ledger.raw, alone.raw), (ledger.weights, alone.weights)):
            torch.testing.assert_close(found[:, index], expected)
        torch.testing.assert_close(ledger.total[index], alone.total)


def _softmax(logits: Tensor) -> Tensor:
    return torch.softmax(logits, -1)
