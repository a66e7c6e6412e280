"""How a network is trained: epochs, batches, early stopping."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from .base import Spec


class EarlyStopping(Spec):
    """Stop when `monitor` has not improved by more than `min_delta` for `patience` epochs.

    `monitor` is a metric key, or a mapping of keys to weights whose weighted sum is watched.
    """

    monitor: str | dict[str, float] | None = None
    patience: int = Field(default=0, ge=0)
    min_delta: float = Field(default=0.0, ge=0.0)
    mode: Literal["auto", "min", "max"] = "auto"


class GradientReport(Spec):
    """Before the first step, and each `every` steps after it, write the terms' gradients into gradients.csv.

    Each report costs about one more step per loss term; without this section nothing is spent.
    """

    every: int = Field(gt=0)


class Training(Spec):
    """The loop. Without a validation split, `train/loss` is monitored.

    With `restore_best: false` the last epoch's weights are evaluated and kept as the best checkpoint.
    All that a resumed run needs is saved at the end of every epoch and, within one, after
    `checkpoint_minutes` without a checkpoint.
    """

    epochs: int = Field(default=1, gt=0)
    batch_size: int = Field(default=32, gt=0)
    shuffle: bool = True
    evaluate_train: bool = False
    early_stopping: EarlyStopping | None = None
    restore_best: bool = True
    precision: Literal["float32", "float64"] = "float32"
    gradient_report: GradientReport | None = None
    checkpoint_minutes: float = Field(default=10.0, gt=0.0)
