"""Brings predictions, targets, masks and sample weights to the one form that metrics are computed from.

Legend: K members of a stack (1 for a single network), N rows, L entries per row, C classes.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from ..specs.errors import DataError

Shape = tuple[int, ...]


@dataclass(frozen=True)
class MetricInputs:
    """Aligned tensors on one device; a first axis of 1 is shared by all members.

    For binary labels and values: `prediction` [K, N, L], `target` and `observed` [1 or K, N, L].
    For classes: `prediction` [K, N, C], `target` (int64) and `observed` [1 or K, N].
    `weight` [N] is float64, or None where every row counts once.
    """

    prediction: Tensor
    target: Tensor
    observed: Tensor
    weight: Tensor | None

    @property
    def broken_entries(self) -> Tensor:
        """Bool, shape of `prediction`: NaN where something was observed, so nothing can be said."""
        by_row = self.observed.ndim < self.prediction.ndim
        return self.prediction.isnan() & (self.observed.unsqueeze(-1) if by_row else self.observed)

    @property
    def broken_members(self) -> Tensor:
        """Bool [K]: members with a NaN among their observed predictions."""
        return self.broken_entries.flatten(1).any(1)


def align_entries(
    prediction: Tensor, *, target: Tensor, mask: Tensor | None, sample_weight: Tensor | None, stacked: bool
) -> MetricInputs:
    """Rows of independent entries: everything beyond the row axis is flattened, (N,) and (N, 1) are one.

    A NaN target is a missing one, as if masked. Raises `DataError` where shapes do not fit.
    """
    scores = _with_members(prediction, stacked=stacked)
    members, rows, entries = scores.shape[0], scores.shape[1], tuple(scores.shape[2:])
    flat = scores.reshape(members, rows, -1)
    target = _entries("target", _on_device(target), members, rows, entries)
    observed = _observed_entries(mask, target, members, rows, entries)
    return MetricInputs(flat, target, observed, _row_weight(sample_weight, rows, repeats=1))


def align_classes(
    prediction: Tensor, *, target: Tensor, mask: Tensor | None, sample_weight: Tensor | None, stacked: bool
) -> MetricInputs:
    """Rows of one class each: `prediction` has the classes last, `target` holds indices or one-hot rows.

    Axes between the rows and the classes (time steps) count as rows. A mask of one entry per class
    observes a row where it observes all of it. Raises `DataError` where shapes do not fit.
    """
    scores = _with_members(prediction, stacked=stacked)
    if scores.ndim < 3:
        raise DataError(f"predictions of classes need a last axis of classes, got shape {_text(prediction)}.")
    members, classes = scores.shape[0], scores.shape[-1]
    places = tuple(scores.shape[1:-1])
    target, observed = _class_indices(_on_device(target), members, places, classes)
    if mask is not None:
        observed = observed & _observed_rows(_on_device(mask), members, places, classes)
    weight = _row_weight(sample_weight, places[0], repeats=math.prod(places[1:]))
    return MetricInputs(scores.reshape(members, -1, classes), target, observed, weight)


def flatten_rows(name: str, tensor: Tensor) -> Tensor:
    """[N, ...] as [N, L], and (N,) as [N, 1]; raises `DataError` where there are no rows."""
    if tensor.ndim == 0 or tensor.shape[0] == 0:
        raise DataError(f"{name} has no rows: shape {_text(tensor)}; at least one row is needed.")
    return _on_device(tensor).detach().reshape(tensor.shape[0], -1)


def _with_members(prediction: Tensor, *, stacked: bool) -> Tensor:
    """[K, N, ...], K being 1 for a single network."""
    scores = _on_device(prediction).detach()
    scores = scores if stacked else scores.unsqueeze(0)
    if scores.ndim < 2 or scores.numel() == 0:
        raise DataError(
            f"there is nothing to evaluate in predictions of shape {_text(prediction)}: needed are rows"
            f"{' after the member axis' if stacked else ''}, at least one."
        )
    return scores


def _on_device(tensor: Tensor) -> Tensor:
    # Apple's GPUs have no float64, in which all results are computed.
    return tensor.cpu() if tensor.device.type == "mps" else tensor


def _entries(name: str, tensor: Tensor, members: int, rows: int, entries: Shape) -> Tensor:
    """`tensor` as [1, N, L] if shared or [K, N, L] if given per member."""
    shape = tuple(tensor.shape)
    if shape[:1] == (rows,) and _same_entries(shape[1:], entries):
        return tensor.reshape(1, rows, -1)
    if shape[:2] == (members, rows) and _same_entries(shape[2:], entries):
        return tensor.reshape(members, rows, -1)
    raise DataError(_misfit(name, tensor, (rows, *entries), members))


def _same_entries(given: Shape, expected: Shape) -> bool:
    """Equal apart from axes of size 1, or the same entries with one side already flat."""
    given, expected = (tuple(size for size in shape if size != 1) for shape in (given, expected))
    return given == expected or (
        math.prod(given) == math.prod(expected) and min(len(given), len(expected)) <= 1
    )


def _observed_entries(mask: Tensor | None, target: Tensor, members: int, rows: int, entries: Shape) -> Tensor:
    observed = (
        torch.ones_like(target, dtype=torch.bool) if not target.is_floating_point() else ~target.isnan()
    )
    if mask is None:
        return observed
    mask = _on_device(mask).bool()
    if tuple(mask.shape[:1]) == (rows,) and math.prod(mask.shape[1:]) == 1:
        return observed & mask.reshape(1, rows, 1)
    return observed & _entries("mask", mask, members, rows, entries)


def _row_weight(sample_weight: Tensor | None, rows: int, *, repeats: int) -> Tensor | None:
    """Float64 [N * repeats]: a row's weight counts for each of its places."""
    if sample_weight is None:
        return None
    if sample_weight.shape[:1] != (rows,) or sample_weight.numel() != rows:
        raise DataError(
            f"sample weights have shape {_text(sample_weight)}; one for each of {rows} rows is needed."
        )
    return _on_device(sample_weight).detach().reshape(rows).double().repeat_interleave(repeats)


def _class_indices(target: Tensor, members: int, places: Shape, classes: int) -> tuple[Tensor, Tensor]:
    """Int64 indices and bool `observed`, both [1 or K, N]; a shared target wins where both readings fit."""
    present = ~target.isnan() if target.is_floating_point() else torch.ones_like(target, dtype=torch.bool)
    target = target.nan_to_num(-1.0) if target.is_floating_point() else target
    shape = tuple(target.shape)
    for first, expected in ((1, places), (members, (members, *places))):
        if shape in (expected, (*expected, 1)):
            return target.reshape(first, -1).long(), present.reshape(first, -1)
        if shape == (*expected, classes):
            # argmax knows no booleans.
            indices = (target.long() if target.dtype == torch.bool else target).argmax(-1)
            return indices.reshape(first, -1), present.all(-1).reshape(first, -1)
    raise DataError(_misfit("target", target, (*places, classes), members))


def _observed_rows(mask: Tensor, members: int, places: Shape, classes: int) -> Tensor:
    shape = tuple(mask.shape)
    for first, expected in ((1, places), (members, (members, *places))):
        if shape in (expected, (*expected, 1)):
            return mask.bool().reshape(first, -1)
        if shape == (*expected, classes):
            return mask.bool().all(-1).reshape(first, -1)
    if shape in (places[:1], (places[0], 1)):
        return mask.bool().reshape(-1).repeat_interleave(math.prod(places[1:])).unsqueeze(0)
    raise DataError(_misfit("mask", mask, (*places, classes), members))


def _misfit(name: str, tensor: Tensor, prediction: Shape, members: int) -> str:
    stack = f", of each of {members} members" if members > 1 else ""
    return f"{name} of shape {_text(tensor)} does not fit predictions of shape {prediction}{stack}."


def _text(tensor: Tensor) -> str:
    return str(tuple(tensor.shape))
