"""How a network is trained: epochs, batches, early stopping."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, model_validator

from .base import Spec

_SKIPPED_AT_MOST = 10


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
    `checkpoint_minutes` without a checkpoint. A step whose loss or gradient is not finite updates nothing
    and ends the run; with `on_nonfinite: skip` it is left out, until there were more than
    `nonfinite_limit` (default 10) of them.

    Under `precision: tf32` a CUDA device multiplies with 10 bits of mantissa; under `bf16` layers multiply
    in bfloat16, on every device, while weights, losses and updates stay float32. `capture_step` records the
    whole step as one CUDA graph: on such a device, with adam or adamw and fixed loss weights.
    """

    epochs: int = Field(default=1, gt=0)
    batch_size: int = Field(default=32, gt=0)
    shuffle: bool = True
    evaluate_train: bool = False
    early_stopping: EarlyStopping | None = None
    restore_best: bool = True
    precision: Literal["float32", "float64", "tf32", "bf16"] = "float32"
    capture_step: bool = False
    gradient_report: GradientReport | None = None
    checkpoint_minutes: float = Field(default=10.0, gt=0.0)
    on_nonfinite: Literal["stop", "skip"] = "stop"
    nonfinite_limit: int | None = Field(default=None, gt=0)

    @model_validator(mode="after")
    def _limits_what_is_skipped(self) -> Training:
        if self.nonfinite_limit is not None and self.on_nonfinite == "stop":
            raise ValueError("nonfinite_limit has no effect with on_nonfinite: stop; set on_nonfinite: skip")
        return self

    @property
    def skip_limit(self) -> int:
        """How many steps of a run may be skipped: none, unless it asks for it."""
        return 0 if self.on_nonfinite == "stop" else self.nonfinite_limit or _SKIPPED_AT_MOST
