"""Which epoch is the best, and when to stop."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from ..losses import Objective
from ..specs.errors import ConfigError, Problem, unknown_name
from ..specs.metrics import LOWER_IS_BETTER
from ..specs.sources import SourceBase
from ..specs.training import EarlyStopping
from .metric_plan import OutputMetrics


@dataclass(frozen=True)
class Monitor:
    """What is watched, and what counts as better. `patience` is None without early stopping."""

    key: str
    lower_is_better: bool
    patience: int | None
    min_delta: float


@dataclass(eq=False)
class Watch:
    """One member's state of the monitor: the best epoch so far, and how long it was ago."""

    monitor: Monitor
    best_epoch: int = 0
    best_value: float = field(default=math.nan)
    epochs_since_best: int = 0

    def update(self, epoch: int, row: Mapping[str, float]) -> bool:
        """Take in an epoch's row; true if it is the best so far. Values that are NaN never are."""
        value = row[self.monitor.key]
        gain = self.best_value - value if self.monitor.lower_is_better else value - self.best_value
        improved = not math.isnan(value) and (math.isnan(self.best_value) or gain > self.monitor.min_delta)
        if improved:
            self.best_epoch, self.best_value, self.epochs_since_best = epoch, value, 0
        else:
            self.epochs_since_best += 1
        return improved

    @property
    def exhausted(self) -> bool:
        """Whether early stopping ends the run now, as Keras counts patience."""
        patience = self.monitor.patience
        return patience is not None and self.epochs_since_best > 0 and self.epochs_since_best >= patience


def build_monitor(
    described: EarlyStopping | None, data: SourceBase, objective: Objective, metrics: Sequence[OutputMetrics]
) -> Monitor:
    """The monitor of a config: `validation/loss`, or `train/loss` without a validation split, by default.

    Raises:
        ConfigError: a key that no epoch has.
    """
    validated = data.validation_split > 0.0
    default = "validation/loss" if validated else "train/loss"
    if described is None:
        return Monitor(default, lower_is_better=True, patience=None, min_delta=0.0)
    key = described.monitor or default
    keys = _epoch_keys(objective, metrics, validated=validated)
    if key not in keys:
        place = ("training", "early_stopping", "monitor")
        raise ConfigError(Problem(unknown_name("metric key", key, keys), place))
    lower = key.rsplit("/", 1)[-1] in LOWER_IS_BETTER if described.mode == "auto" else described.mode == "min"
    return Monitor(key, lower_is_better=lower, patience=described.patience, min_delta=described.min_delta)


def _epoch_keys(objective: Objective, metrics: Sequence[OutputMetrics], *, validated: bool) -> list[str]:
    terms = ["loss", *(f"{name}/loss" for name in objective.names)]
    keys = [f"train/{term}" for term in terms]
    if validated:
        scores = [f"{plan.output}/{name}" for plan in metrics for name in plan.names]
        keys += [f"validation/{key}" for key in (*terms, *scores)]
    return keys
