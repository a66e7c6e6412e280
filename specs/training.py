"""How a network is trained: optimizers, epochs, batches, early stopping."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from .base import Spec


class Adam(Spec):
    """Adam as Keras computes it (`numerics: keras`) or as PyTorch does (`numerics: torch`)."""

    type: Literal["adam"] = "adam"
    learning_rate: float = Field(default=1e-3, gt=0.0)
    beta_1: float = Field(default=0.9, ge=0.0, lt=1.0)
    beta_2: float = Field(default=0.999, ge=0.0, lt=1.0)
    epsilon: float | None = Field(default=None, gt=0.0)


AnyOptimizer = Adam


class EarlyStopping(Spec):
    """Stop when `monitor` has not improved by more than `min_delta` for `patience` epochs."""

    monitor: str | None = None
    patience: int = Field(default=0, ge=0)
    min_delta: float = Field(default=0.0, ge=0.0)
    mode: Literal["auto", "min", "max"] = "auto"


class Training(Spec):
    """The loop. Without a validation split, `train/loss` is monitored."""

    epochs: int = Field(default=1, gt=0)
    batch_size: int = Field(default=32, gt=0)
    shuffle: bool = True
    evaluate_train: bool = False
    early_stopping: EarlyStopping | None = None
    precision: Literal["float32", "float64"] = "float32"
