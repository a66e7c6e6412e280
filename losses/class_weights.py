"""Class weights: what a config says per label and class, as a weight for every entry or row of a target.

Legend: N rows, L labels, C classes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from ..specs.errors import DataError, Path, Problem, unknown_name
from ..specs.losses import BinaryWeights, ClassWeight, PosWeight

_LONGEST_LIST = 5


@dataclass(frozen=True, eq=False)
class EntryWeights:
    """Weights looked up by target, float64. Binary: `negative`, `positive` (L). Else: `positive` (C)."""

    kind: Literal["binary", "distribution", "classes"]
    negative: Tensor
    positive: Tensor

    def __call__(self, target: Tensor) -> Tensor:
        """The weight of every entry (binary, the target's shape) or row (classes, without the class axis).

        A binary target between 0 and 1 gets what lies between its two weights; a row with several
        classes the mean of theirs. A class number that has no weight (an ignored one) gets 1.
        """
        if self.kind == "classes":
            number = target.long()
            known = (number >= 0) & (number < len(self.positive))
            return torch.where(known, self.positive[torch.where(known, number, 0)], 1.0)
        shares = target if target.is_floating_point() else target.double()
        negative, positive = self.negative.to(shares.dtype), self.positive.to(shares.dtype)
        if self.kind == "binary":
            return torch.lerp(negative.expand_as(shares), positive.expand_as(shares), shares)
        total = shares.sum(-1)
        return torch.where(total > 0, (shares * positive).sum(-1) / total.clamp(min=1e-12), 1.0)

    def to(self, device: torch.device | str) -> EntryWeights:
        """The same weights for targets on `device`."""
        return EntryWeights(self.kind, self.negative.to(device), self.positive.to(device))


def label_problems(
    given: ClassWeight | PosWeight | None, labels: Sequence[str], place: Path, *, binary: bool
) -> list[Problem]:
    """What is wrong with weights by label: no such label, or a pair where a class has one weight."""
    if not isinstance(given, Mapping):
        return []
    problems: list[Problem] = []
    for name, weight in given.items():
        if name not in labels:
            problems.append(Problem(unknown_name("label", name, labels), (*place, name)))
        elif isinstance(weight, BinaryWeights) and not binary:
            message = "a class has one weight; negative and positive are for binary labels"
            problems.append(Problem(message, (*place, name)))
    return problems


def build_entry_weights(
    given: ClassWeight, *, kind: str, labels: Sequence[str], target: Tensor, observed: Tensor | None
) -> EntryWeights:
    """The weights of a config; `target` are the training rows, for `balanced`."""
    if kind == "binary":
        balanced = given == "balanced"
        negative, positive = _balanced_labels(target, observed) if balanced else _pairs(given, labels)
        return EntryWeights("binary", negative, positive)
    assert kind in ("distribution", "classes")
    if given != "balanced":
        weights = _pairs(given, labels)[1]
    elif kind == "classes":
        weights = _balanced(_class_counts(target, observed, len(labels)))
    else:
        weights = _balanced(_counts(target, observed)[0])
    return EntryWeights("classes" if kind == "classes" else "distribution", weights, weights)


def build_pos_weight(
    given: PosWeight, *, labels: Sequence[str], target: Tensor, observed: Tensor | None, place: Path
) -> float | list[float]:
    """What a loss takes as `pos_weight`: a number, or one per label.

    Raises:
        DataError: `balanced` where a label has only one class in the training rows.
    """
    if given == "balanced":
        positives, total = _counts(target, observed)
        _require_both(positives, total, labels, place)
        return [float(each) for each in (total - positives) / positives]
    if isinstance(given, Mapping):
        return [given.get(label, 1.0) for label in labels]
    assert isinstance(given, float | int)
    return float(given)


def _pairs(given: ClassWeight, labels: Sequence[str]) -> tuple[Tensor, Tensor]:
    assert isinstance(given, Mapping)
    pairs = [_pair(given.get(label, 1.0)) for label in labels]
    negative, positive = zip(*pairs, strict=True)
    return torch.tensor(negative, dtype=torch.float64), torch.tensor(positive, dtype=torch.float64)


def _pair(weight: float | BinaryWeights) -> tuple[float, float]:
    return (weight.negative, weight.positive) if isinstance(weight, BinaryWeights) else (weight, weight)


def _balanced_labels(target: Tensor, observed: Tensor | None) -> tuple[Tensor, Tensor]:
    """The weights of each label's two classes, (L) each."""
    positives, total = _counts(target, observed)
    negative, positive = _balanced(torch.stack([total - positives, positives]))
    return negative, positive


def _balanced(counts: Tensor) -> Tensor:
    """n / (C n_class) for counts (C, ...); a class that never occurs weighs 1."""
    weights = counts.sum(0) / (len(counts) * counts.clamp(min=1e-12))
    return torch.where(counts > 0, weights, 1.0)


def _class_counts(target: Tensor, observed: Tensor | None, num_classes: int) -> Tensor:
    """How often each class number occurs, (C); numbers that are no class are left out."""
    numbers = target.long().reshape(-1)
    if observed is not None:
        numbers = numbers[_over_entries(observed, target).reshape(-1)]
    numbers = numbers[(numbers >= 0) & (numbers < num_classes)] if num_classes else numbers
    return torch.bincount(numbers, minlength=num_classes).double()


def _counts(target: Tensor, observed: Tensor | None) -> tuple[Tensor, Tensor]:
    """Positives and observed entries per label of the last axis, (L) each, in float64."""
    seen = torch.ones((), dtype=torch.bool, device=target.device)
    seen = (seen if observed is None else _over_entries(observed, target)).expand_as(target)
    values = torch.where(seen, target, 0)
    columns = target.shape[-1] if target.dim() > 1 else 1
    return (
        values.reshape(-1, columns).sum(0, dtype=torch.float64),
        seen.reshape(-1, columns).sum(0, dtype=torch.float64),
    )


def _over_entries(observed: Tensor, target: Tensor) -> Tensor:
    """A mask of rows, or of entries, as one of entries."""
    return observed.reshape(observed.shape + (1,) * (target.dim() - observed.dim())).expand_as(target)


def _require_both(positives: Tensor, total: Tensor, labels: Sequence[str], place: Path) -> None:
    is_alone = (positives <= 0) | (positives >= total)
    one_class = [index for index, alone in enumerate(is_alone) if bool(alone)]
    if one_class:
        names = [repr(labels[index]) if labels else f"number {index}" for index in one_class]
        listing = ", ".join(names[:_LONGEST_LIST]) + (", ..." if len(names) > _LONGEST_LIST else "")
        message = "'balanced' needs a positive and a negative training row for every label; not so:"
        raise DataError(Problem(f"{message} {listing}", place))
