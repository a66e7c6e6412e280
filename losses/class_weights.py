"""Class weights: what a config says per label and class, as a weight for every entry or row of a target.

Legend: L labels, C classes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from ..specs.errors import ConfigError, DataError, Path, Problem, unknown_name
from ..specs.losses import BinaryWeights, ClassWeight, PosWeight

LabelWeights = Mapping[str, float | BinaryWeights]


@dataclass(frozen=True, eq=False)
class EntryWeights:
    """Weights looked up by target. Binary: `negative` and `positive` (L). Classes: `positive` (C)."""

    kind: Literal["binary", "distribution", "classes"]
    negative: Tensor
    positive: Tensor

    def __call__(self, target: Tensor) -> Tensor:
        """The weight of every entry (binary, the target's shape) or row (classes, without the class axis).

        A binary target between 0 and 1 gets what lies between its two weights; a row with several
        classes the mean of theirs.
        """
        if self.kind == "classes":
            return self.positive[target.long()]
        if self.kind == "binary":
            return torch.lerp(
                self.negative.expand_as(target),
                self.positive.expand_as(target),
                target.to(self.positive.dtype),
            )
        shares = target.to(self.positive.dtype)
        total = shares.sum(-1)
        return torch.where(total > 0, (shares * self.positive).sum(-1) / total.clamp(min=1e-12), 1.0)

    def to(self, device: torch.device | str, dtype: torch.dtype) -> EntryWeights:
        """The same weights for targets of `dtype` on `device`."""
        return EntryWeights(self.kind, self.negative.to(device, dtype), self.positive.to(device, dtype))


def label_problems(
    given: ClassWeight | PosWeight | None, labels: Sequence[str], place: Path
) -> list[Problem]:
    """Every label that a weight is given for and that the target does not have."""
    if not isinstance(given, Mapping):
        return []
    return [
        Problem(unknown_name("label", name, labels), (*place, name)) for name in given if name not in labels
    ]


def build_entry_weights(
    given: ClassWeight, *, kind: str, labels: Sequence[str], target: Tensor, observed: Tensor | None
) -> EntryWeights:
    """The weights of a config; `target` are the training rows, for `balanced`."""
    if kind == "binary":
        negative, positive = (
            _balanced_labels(target, observed) if given == "balanced" else _pairs(given, labels)
        )
        return EntryWeights("binary", negative, positive)
    assert kind in ("distribution", "classes")
    classes = (
        _balanced_classes(target, observed, len(labels)) if given == "balanced" else _singles(given, labels)
    )
    return EntryWeights("classes" if kind == "classes" else "distribution", torch.ones_like(classes), classes)


def build_pos_weight(
    given: PosWeight, *, labels: Sequence[str], target: Tensor, observed: Tensor | None
) -> float | list[float]:
    """What a loss takes as `pos_weight`: a number, or one per label."""
    if given == "balanced":
        positives, total = _counts(target, observed)
        _require_both(positives, total, labels)
        return [float(each) for each in (total - positives) / positives]
    if isinstance(given, Mapping):
        return [given.get(label, 1.0) for label in labels]
    assert isinstance(given, float | int)
    return float(given)


def _pairs(given: ClassWeight, labels: Sequence[str]) -> tuple[Tensor, Tensor]:
    assert isinstance(given, Mapping)
    pairs = [_pair(given.get(label, 1.0)) for label in labels]
    return torch.tensor([pair[0] for pair in pairs]), torch.tensor([pair[1] for pair in pairs])


def _pair(weight: float | BinaryWeights) -> tuple[float, float]:
    return (weight.negative, weight.positive) if isinstance(weight, BinaryWeights) else (weight, weight)


def _singles(given: ClassWeight, labels: Sequence[str]) -> Tensor:
    assert isinstance(given, Mapping)
    weights = [given.get(label, 1.0) for label in labels]
    if any(isinstance(weight, BinaryWeights) for weight in weights):
        raise ConfigError("a class has one weight; negative and positive are for binary labels")
    return torch.tensor([weight for weight in weights if not isinstance(weight, BinaryWeights)])


def _balanced_labels(target: Tensor, observed: Tensor | None) -> tuple[Tensor, Tensor]:
    """n / (2 n_class) per label; a class that never occurs weighs 1."""
    positives, total = _counts(target, observed)
    negatives = total - positives
    return (
        torch.where(negatives > 0, total / (2 * negatives.clamp(min=1)), 1.0),
        torch.where(positives > 0, total / (2 * positives.clamp(min=1)), 1.0),
    )


def _balanced_classes(target: Tensor, observed: Tensor | None, num_classes: int) -> Tensor:
    if target.is_floating_point() and target.shape[-1:] == (num_classes,):
        counts, _ = _counts(target, observed)
    else:
        kept = target if observed is None else target[observed.reshape(target.shape)]
        counts = torch.bincount(kept.long().reshape(-1), minlength=num_classes).double()
    return torch.where(counts > 0, counts.sum() / (num_classes * counts.clamp(min=1)), 1.0)


def _counts(target: Tensor, observed: Tensor | None) -> tuple[Tensor, Tensor]:
    """Positives and observed entries per label, (L) each, in float64."""
    rows = target.double().reshape(len(target), -1)
    seen = torch.ones_like(rows) if observed is None else observed.reshape(rows.shape).double()
    return (rows.nan_to_num() * seen).sum(0), seen.sum(0)


def _require_both(positives: Tensor, total: Tensor, labels: Sequence[str]) -> None:
    missing = [label for index, label in enumerate(labels) if float(positives[index]) == 0.0]
    if missing:
        raise DataError(
            f"pos_weight: balanced needs a positive training row for every label, not so {missing}"
        )
