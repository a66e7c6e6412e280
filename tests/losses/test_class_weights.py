"""Class weights and positive weights: against Keras, PyTorch and scikit-learn, masked, soft and stacked."""

from __future__ import annotations

import os

os.environ.setdefault("KERAS_BACKEND", "torch")

from collections.abc import Callable
from typing import Any

import keras
import numpy as np
import pytest
import torch
import torch.nn.functional as F
from keras.src.trainers.data_adapters.data_adapter_utils import class_weight_to_sample_weights
from mlx_runner.data import Table, mask_missing
from mlx_runner.losses import Objective, OutputShape, ReferenceShape
from mlx_runner.losses.build import build_knobs, build_objective, weigh_classes
from mlx_runner.losses.class_weights import build_entry_weights, build_pos_weight
from mlx_runner.models import Output
from mlx_runner.specs.errors import ConfigError, DataError
from mlx_runner.specs.losses import AnyLoss
from pydantic import TypeAdapter
from sklearn.utils.class_weight import compute_class_weight
from torch import Tensor

# Keras hands PyTorch tensors to NumPy 2 in a way that NumPy is about to retire.
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")

NAMES = ("cat", "dog", "owl")
BINARY, CLASSES = "binary_crossentropy", "sparse_categorical_crossentropy"
SIGMOID_LOSSES = {BINARY, "binary_focal_crossentropy"}
ADAPTER = TypeAdapter(AnyLoss)


def build(losses: dict[str, dict[str, Any]], target: Tensor, train: Table, *, units: int = 3) -> Objective:
    """The objective of losses of `out` against `y`, its balanced weights from the rows of `train`."""
    specs = {
        name: ADAPTER.validate_python({"output": "out", "target": "y", **loss})
        for name, loss in losses.items()
    }
    activation = "sigmoid" if _link(losses) is torch.sigmoid else "softmax"
    labels = NAMES[:units]
    reference = ReferenceShape(tuple(target.shape[1:]), "any", units, labels)
    objective = build_objective(specs, {"out": OutputShape((units,), activation)}, {"y": reference})
    return weigh_classes(
        objective, specs, {"y": labels}, lambda name: (train.targets[name], train.masks.get(name))
    )


def score(
    losses: dict[str, dict[str, Any]], target: Tensor, logits: Tensor, *, train: Tensor | None = None
) -> dict[str, Tensor]:
    """Every term's value on a batch whose NaN targets are missing; `train` are the training rows."""
    batch = mask_missing(Table({}, {"y": target}))
    rows = batch if train is None else mask_missing(Table({}, {"y": train}))
    objective = build(losses, target, rows, units=logits.shape[-1])
    specs = {
        name: ADAPTER.validate_python({"output": "", "target": "", **loss}) for name, loss in losses.items()
    }
    knobs = build_knobs([specs], learning_rates=[1.0], penalty_factors=[[]], stacked=False)
    ledger = objective({"out": Output(logits, _link(losses))}, batch, knobs)
    return {name: ledger.term(name) for name in losses}


def one(loss: dict[str, Any], target: Tensor, logits: Tensor, *, train: Tensor | None = None) -> Tensor:
    return score({"one": loss}, target, logits, train=train)["one"]


def keras_value(
    loss: type[keras.losses.Loss], target: Tensor, logits: Tensor, weights: dict[int, float]
) -> Tensor:
    """Keras's loss of one output under `class_weight`, which it turns into sample weights."""
    sample_weight = torch.as_tensor(class_weight_to_sample_weights(target, weights), dtype=torch.float64)
    return loss(from_logits=True, dtype="float64")(target, logits, sample_weight).double()


def normal(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def draw(*shape: int, classes: int = 2, seed: int = 1) -> Tensor:
    return torch.randint(0, classes, shape, generator=torch.Generator().manual_seed(seed))


def test_class_numbers_weigh_as_in_keras() -> None:
    target, logits = draw(20, classes=3), normal(20, 3)
    ours = one({"type": CLASSES, "class_weight": {"cat": 0.3, "owl": 2.5}}, target, logits)
    theirs = keras_value(keras.losses.SparseCategoricalCrossentropy, target, logits, {0: 0.3, 1: 1.0, 2: 2.5})
    torch.testing.assert_close(ours, theirs, rtol=1e-6, atol=0)


def test_one_hot_rows_weigh_as_in_keras() -> None:
    target, logits = F.one_hot(draw(20, classes=3), 3).double(), normal(20, 3)
    ours = one({"type": "categorical_crossentropy", "class_weight": {"dog": 4.0}}, target, logits)
    theirs = keras_value(keras.losses.CategoricalCrossentropy, target, logits, {0: 1.0, 1: 4.0, 2: 1.0})
    torch.testing.assert_close(ours, theirs, rtol=1e-6, atol=0)


def test_a_single_binary_label_weighs_as_in_keras() -> None:
    target, logits = draw(20, 1).double(), normal(20, 1)
    pair = {"cat": {"negative": 0.5, "positive": 3.0}}
    ours = one({"type": BINARY, "class_weight": pair}, target, logits)
    theirs = keras_value(keras.losses.BinaryCrossentropy, target, logits, {0: 0.5, 1: 3.0})
    torch.testing.assert_close(ours, theirs, rtol=1e-6, atol=0)


def test_binary_labels_weigh_entry_by_entry() -> None:
    """Where Keras takes the argmax of a row with several labels."""
    target, logits = draw(20, 3).double(), normal(20, 3)
    given = {"cat": 2.0, "owl": {"negative": 0.25, "positive": 8.0}}
    table = torch.tensor([[2.0, 1.0, 0.25], [2.0, 1.0, 8.0]], dtype=torch.float64)
    weights = torch.where(target == 1, table[1], table[0])
    entries = F.binary_cross_entropy_with_logits(logits, target, reduction="none")
    ours = one({"type": BINARY, "class_weight": given}, target, logits)
    torch.testing.assert_close(ours, (weights * entries).mean())


@pytest.mark.parametrize("from_logits", ["auto", False])
def test_positive_weights_are_those_of_torch(from_logits: str | bool) -> None:
    target, logits = draw(20, 3).double(), normal(20, 3)
    for given, weights in ((2.5, [2.5, 2.5, 2.5]), ({"dog": 0.0, "owl": 7.0}, [1.0, 0.0, 7.0])):
        ours = one({"type": BINARY, "pos_weight": given, "from_logits": from_logits}, target, logits)
        theirs = torch.nn.BCEWithLogitsLoss(pos_weight=torch.tensor(weights, dtype=torch.float64))
        torch.testing.assert_close(ours, theirs(logits, target))


def test_balanced_positive_weights_are_negatives_by_positives() -> None:
    train, target, logits = draw(50, 3, seed=2).double(), draw(8, 3).double(), normal(8, 3)
    ours = one({"type": BINARY, "pos_weight": "balanced"}, target, logits, train=train)
    ratio = (train == 0).sum(0) / (train == 1).sum(0)
    torch.testing.assert_close(ours, torch.nn.BCEWithLogitsLoss(pos_weight=ratio.double())(logits, target))


@pytest.mark.parametrize("kind", ["classes", "distribution"])
def test_balanced_classes_weigh_as_in_scikit_learn(kind: str) -> None:
    numbers = torch.cat([draw(50, classes=3, seed=2), torch.zeros(40, dtype=torch.int64)])
    train = numbers if kind == "classes" else F.one_hot(numbers, 3).float()
    weights = build_entry_weights("balanced", kind=kind, labels=NAMES, target=train, observed=None)
    classes = torch.arange(3) if kind == "classes" else torch.eye(3, dtype=torch.float64)
    expected = compute_class_weight("balanced", classes=np.arange(3), y=numbers.numpy())
    np.testing.assert_allclose(weights(classes), expected, rtol=1e-12)


@pytest.mark.parametrize("steps", [(), (4,)])
def test_balanced_binary_labels_weigh_as_in_scikit_learn_each(steps: tuple[int, ...]) -> None:
    """Over all rows, and over all steps of a sequence."""
    train = (torch.rand(60, *steps, 3, generator=torch.Generator().manual_seed(3)) < 0.2).float()
    weights = build_entry_weights("balanced", kind="binary", labels=NAMES, target=train, observed=None)
    found = torch.cat([weights(torch.zeros(1, 3)), weights(torch.ones(1, 3))])
    for label, column in enumerate(train.reshape(-1, 3).T):
        expected = compute_class_weight("balanced", classes=np.array([0, 1]), y=column.numpy())
        np.testing.assert_allclose(found[:, label], expected, rtol=1e-6)


def test_a_class_that_never_occurs_weighs_one() -> None:
    rows = torch.tensor([0, 0, 2])
    weights = build_entry_weights("balanced", kind="classes", labels=NAMES, target=rows, observed=None)
    # n / (C n_class) = 3 / (3 * 2), -, 3 / (3 * 1)
    assert weights(torch.arange(3)).tolist() == [0.5, 1.0, 1.0]
    nobody = build_entry_weights(
        "balanced", kind="binary", labels=NAMES[:1], target=torch.zeros(4, 1), observed=None
    )
    assert (nobody(torch.zeros(1, 1)).item(), nobody(torch.ones(1, 1)).item()) == (0.5, 1.0)


@pytest.mark.parametrize("given", ["class_weight", "pos_weight"])
def test_missing_labels_leave_counts_and_losses(given: str) -> None:
    """A NaN is as if that entry were not there: each label by itself, from its observed rows only."""
    target, logits = draw(40, 3).double(), normal(40, 3)
    missing = torch.rand(40, 3, generator=torch.Generator().manual_seed(4)) < 0.3
    holes = torch.where(missing, torch.nan, target)
    ours = one({"type": BINARY, given: "balanced"}, holes, logits)
    entries: list[Tensor] = []
    for label in range(3):
        y, z = target[~missing[:, label], label], logits[~missing[:, label], label]
        n, positives = len(y), float(y.sum())
        pair = torch.tensor([n / (2 * (n - positives)), n / (2 * positives)], dtype=torch.float64)
        pos_weight = torch.tensor((n - positives) / positives) if given == "pos_weight" else None
        values = F.binary_cross_entropy_with_logits(z, y, reduction="none", pos_weight=pos_weight)
        entries.append(values if given == "pos_weight" else values * pair[y.long()])
    torch.testing.assert_close(ours, torch.cat(entries).mean(), rtol=1e-6, atol=0)


def test_missing_labels_leave_the_gradient_finite() -> None:
    target = torch.tensor([[1.0, torch.nan], [torch.nan, torch.nan]], dtype=torch.float64)
    logits = normal(2, 2).requires_grad_()
    loss = {"type": BINARY, "class_weight": {"cat": {"positive": 3.0}}, "pos_weight": {"cat": 2.0}}
    (gradient,) = torch.autograd.grad(one(loss, target, logits), logits)
    by_hand = 3.0 * 2.0 * (torch.sigmoid(logits[0, 0].detach()) - 1.0)
    torch.testing.assert_close(gradient, torch.tensor([[by_hand, 0.0], [0.0, 0.0]], dtype=torch.float64))


def test_a_mask_of_rows_covers_all_their_labels() -> None:
    target, observed = draw(30, 3).double(), draw(30, seed=5).bool()
    options = {"kind": "binary", "labels": NAMES}
    masked = build_entry_weights("balanced", target=target, observed=observed, **options)
    kept = build_entry_weights("balanced", target=target[observed], observed=None, **options)
    assert torch.equal(masked(target), kept(target))


def test_terms_on_one_output_weigh_by_themselves() -> None:
    target, logits = draw(20, 3).double(), normal(20, 3)
    losses = {
        "plain": {"type": BINARY},
        "weighted": {"type": BINARY, "class_weight": {"cat": 5.0}},
        "positive": {"type": BINARY, "pos_weight": 3.0},
        "squared": {"type": "binary_focal_crossentropy", "gamma": 1.0, "class_weight": "balanced"},
    }
    together = score(losses, target, logits)
    for name, loss in losses.items():
        torch.testing.assert_close(together[name], one(loss, target, logits), rtol=0, atol=0)
    assert len({float(value) for value in together.values()}) == len(losses)


def test_a_soft_label_weighs_between_its_classes() -> None:
    target, logits = torch.tensor([[0.25]], dtype=torch.float64), normal(1, 1)
    loss = {"type": BINARY, "class_weight": {"cat": {"negative": 2.0, "positive": 6.0}}}
    expected = 3.0 * F.binary_cross_entropy_with_logits(logits, target)
    torch.testing.assert_close(one(loss, target, logits), expected)


def test_a_row_of_several_classes_weighs_their_mean() -> None:
    target = torch.tensor([[1.0, 1.0, 0.0], [0.0, 0.5, 0.5], [0.0, 0.0, 0.0]])
    weights = build_entry_weights(
        {"cat": 2.0, "owl": 5.0}, kind="distribution", labels=NAMES, target=target, observed=None
    )
    assert weights(target).tolist() == [1.5, 3.0, 1.0]


@pytest.mark.parametrize("ignored", [-1, 1, 255])
def test_an_ignored_class_neither_counts_nor_weighs(ignored: int) -> None:
    target, logits = draw(30, classes=3), normal(30, 3)
    target[::4] = ignored
    kept = target != ignored
    loss = {"type": CLASSES, "class_weight": "balanced"}
    ours = one({**loss, "ignore_class": ignored}, target, logits)
    torch.testing.assert_close(ours, one(loss, target[kept], logits[kept]))


def test_balanced_classes_without_names() -> None:
    train = torch.tensor([0, 1, 1, 3])
    weights = build_entry_weights("balanced", kind="classes", labels=(), target=train, observed=None)
    assert weights(torch.tensor([0, 1, 2, 3, 9])).tolist() == [1.0, 0.5, 1.0, 1.0, 1.0]


@pytest.mark.parametrize("type", [BINARY, CLASSES])
def test_members_of_a_stack_weigh_alike(type: str) -> None:
    target = draw(20, 3).double() if type == BINARY else draw(20, classes=3)
    loss = {"type": type, "class_weight": "balanced"} | (
        {"pos_weight": {"cat": 3.0}} if type == BINARY else {}
    )
    logits = normal(2, 20, 3)
    stack = build({"one": loss}, target, Table({}, {"y": target}))
    stack = Objective(stack.terms, (), members=2)
    spec = {"one": ADAPTER.validate_python({"output": "", "target": "", **loss})}
    knobs = build_knobs([spec, spec], learning_rates=[1.0, 1.0], penalty_factors=[[], []], stacked=True)
    ledger = stack({"out": Output(logits, _link({"one": loss}))}, Table({}, {"y": target}), knobs)
    alone = torch.stack([one(loss, target, each) for each in logits])
    torch.testing.assert_close(ledger.total, alone)


def test_balanced_positive_weights_need_both_classes() -> None:
    target = torch.tensor([[0.0, 1.0, 1.0], [0.0, 0.0, 1.0]])
    place = ("losses", "one", "pos_weight")
    with pytest.raises(DataError) as caught:
        build_pos_weight("balanced", labels=NAMES, target=target, observed=None, place=place)
    assert str(caught.value) == (
        "losses.one.pos_weight: 'balanced' needs a positive and a negative training row for every label; "
        "not so: 'cat', 'owl'"
    )
    with pytest.raises(DataError, match=r"not so: number 0, number 1, number 2, number 3, number 4, \.\.\.$"):
        build_pos_weight("balanced", labels=(), target=torch.zeros(2, 9), observed=None, place=place)


def test_a_class_has_one_weight() -> None:
    loss = {"type": CLASSES, "class_weight": {"cat": {"positive": 2.0}, "hen": 1.0}}
    with pytest.raises(ConfigError) as caught:
        build({"one": loss}, draw(4), Table({}, {"y": draw(4)}))
    assert str(caught.value).splitlines() == [
        "losses.one.class_weight.cat: a class has one weight; negative and positive are for binary labels",
        "losses.one.class_weight.hen: no label named 'hen'. Labels: cat, dog, owl.",
    ]


def _link(losses: dict[str, dict[str, Any]]) -> Callable[[Tensor], Tensor]:
    """The activation of the output that all these losses share."""
    return torch.sigmoid if all(loss["type"] in SIGMOID_LOSSES for loss in losses.values()) else _softmax


def _softmax(logits: Tensor) -> Tensor:
    return torch.softmax(logits, -1)
