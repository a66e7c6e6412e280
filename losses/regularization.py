"""Regularization terms: the sums of absolute or squared weights and activities that a config wants small.

Legend: J penalties, K members of a stack, B batch.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Literal, Protocol

import torch
from torch import Tensor


class Penalized(Protocol):
    """One penalty: of the weight `parameter`, or of the activity of the node `activity`."""

    @property
    def name(self) -> str: ...

    @property
    def kind(self) -> Literal["l1", "l2"]: ...

    @property
    def parameter(self) -> str | None: ...

    @property
    def activity(self) -> str | None: ...


def regularization_terms(
    penalties: Sequence[Penalized],
    *,
    parameter: Callable[[str], Tensor],
    activities: Mapping[str, Tensor],
    factors: Tensor,
    stacked: bool,
) -> Tensor:
    """Every penalty's value, (J) or (J, K): l1 is f sum |w|, l2 is f sum w^2 (no half, as in Keras).

    factors: (J) or (J, K). An activity's sum is divided by the batch size.
    """
    values = [_penalty(penalty, parameter, activities, stacked=stacked) for penalty in penalties]
    return torch.stack(values) * factors


def _penalty(
    penalty: Penalized,
    parameter: Callable[[str], Tensor],
    activities: Mapping[str, Tensor],
    *,
    stacked: bool,
) -> Tensor:
    if penalty.parameter is not None:
        return _sum(parameter(penalty.parameter), penalty.kind, stacked=stacked)
    assert penalty.activity is not None
    activity = activities[penalty.activity]
    return _sum(activity, penalty.kind, stacked=stacked) / activity.shape[int(stacked)]


def _sum(values: Tensor, kind: str, *, stacked: bool) -> Tensor:
    entries = values.abs() if kind == "l1" else values.square()
    return entries.flatten(1).sum(-1) if stacked else entries.sum()
