"""How often each label or class of a target occurs in the training rows.

Legend: N rows, L labels or classes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from ..data import Field
from ..losses import LossTerm
from ..training.assemble import Workshop
from .pairings import field_of


@dataclass(frozen=True)
class LabelCounts:
    """Of one target: `positives` and `observed` rows by label, (L). Classes: exactly one a row."""

    target: str
    labels: tuple[str, ...]
    classes: bool
    positives: Sequence[float]
    observed: Sequence[float]


def count_labels(workshop: Workshop, term: LossTerm) -> LabelCounts | None:
    """The counts of a loss's target in the training rows; None where it has neither labels nor classes."""
    field = field_of(workshop.blueprint, term.target)
    train = workshop.splits.train
    if field.kind not in ("binary", "classes") or term.target not in train.targets:
        return None
    values, mask = train.targets[term.target], train.masks.get(term.target)
    if field.kind == "binary":
        positives, observed = _binary(values, mask)
    else:
        positives, observed = _classes(values, mask, field, term.loss.own.get("ignore_class"))
    labels = field.labels or tuple(str(index) for index in range(len(positives)))
    classes = field.kind == "classes" or field.exclusive
    return LabelCounts(term.target, labels, classes, _numbers(positives), _numbers(observed))


def _binary(values: Tensor, mask: Tensor | None) -> tuple[Tensor, Tensor]:
    seen = _over_entries(mask, values)
    width = values.shape[-1] if values.dim() > 1 else 1
    positives = torch.where(seen, values, 0).reshape(-1, width).sum(0, dtype=torch.float64)
    return positives, seen.reshape(-1, width).sum(0, dtype=torch.float64)


def _classes(values: Tensor, mask: Tensor | None, field: Field, ignored: object) -> tuple[Tensor, Tensor]:
    numbers = values.long().reshape(-1)[_over_entries(mask, values).reshape(-1)]
    size = field.size or 0
    numbers = numbers[(numbers >= 0) & (numbers < size) & (numbers != ignored)]
    positives = torch.bincount(numbers, minlength=size).double()
    return positives, positives.sum().expand(len(positives))


def _numbers(counts: Tensor) -> list[float]:
    return [float(count) for count in counts.cpu()]


def _over_entries(mask: Tensor | None, values: Tensor) -> Tensor:
    """Which entries are observed, from a mask of rows or of entries."""
    if mask is None:
        return torch.ones_like(values, dtype=torch.bool)
    return mask.reshape(mask.shape + (1,) * (values.dim() - mask.dim())).expand_as(values)
