"""The losses a config may name: one frozen model per `type`."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from .base import Spec

FromLogits = Literal["auto"] | bool
Reduction = Literal["sum_over_batch_size", "auto", "mean", "sum", "mean_with_sample_weight"]


class LossBase(Spec):
    """One term of the total: which output, against which target, how much it counts."""

    output: str
    target: str
    weight: float = Field(default=1.0, ge=0.0)
    reduction: Reduction = "sum_over_batch_size"
    sample_weight: str | None = None


class BinaryCrossentropy(LossBase):
    """Mean over the last axis of -(y log p + (1 - y) log(1 - p))."""

    type: Literal["binary_crossentropy"] = "binary_crossentropy"
    from_logits: FromLogits = "auto"
    label_smoothing: float = Field(default=0.0, ge=0.0, le=1.0)


AnyLoss = BinaryCrossentropy
