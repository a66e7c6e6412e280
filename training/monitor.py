"""Which epoch is the best, when to stop, and when to slow down."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from ..losses import Objective
from ..specs.errors import ConfigError, Path, Problem, unknown_name
from ..specs.experiment import Experiment
from ..specs.metrics import LOWER_IS_BETTER
from ..specs.optimizers import PlateauSchedule
from ..specs.training import EarlyStopping
from .metric_plan import OutputMetrics
from .schedules import Plateau


@dataclass(frozen=True)
class Monitored:
    """A number watched per epoch: the weighted sum of metric keys, and which way is better."""

    keys: Mapping[str, float]
    lower_is_better: bool

    @property
    def name(self) -> str:
        """The key, or the sum written out."""
        if len(self.keys) == 1 and set(self.keys.values()) == {1.0}:
            return next(iter(self.keys))
        return " + ".join(f"{weight:g} {key}" for key, weight in self.keys.items())

    def value(self, row: Mapping[str, float]) -> float:
        """The number in an epoch's row."""
        return sum(weight * row[key] for key, weight in self.keys.items())


@dataclass(frozen=True)
class Monitor:
    """What decides the best epoch. `patience` is None without early stopping.

    `restore_best`: whether the best epoch's weights are what is kept, not the last's.
    """

    best: Monitored
    patience: int | None
    min_delta: float
    restore_best: bool
    plateau: tuple[PlateauSchedule, Monitored] | None = None


@dataclass(eq=False)
class Watch:
    """One member's state of the monitor: the best epoch so far, and how long it was ago."""

    monitor: Monitor
    learning_rate: float = 1.0
    best_epoch: int = 0
    best_value: float = field(default=math.nan)
    epochs_since_best: int = 0

    def __post_init__(self) -> None:
        self.plateau: Plateau | None = None
        if self.monitor.plateau is not None:
            described, monitored = self.monitor.plateau
            self.plateau = Plateau(described, monitored.lower_is_better, self.learning_rate)

    def update(self, epoch: int, row: Mapping[str, float]) -> bool:
        """Take in an epoch's row; true if it is the best so far. Values that are NaN never are."""
        value = self.monitor.best.value(row)
        gain = self.best_value - value if self.monitor.best.lower_is_better else value - self.best_value
        improved = not math.isnan(value) and (math.isnan(self.best_value) or gain > self.monitor.min_delta)
        if improved:
            self.best_epoch, self.best_value, self.epochs_since_best = epoch, value, 0
        else:
            self.epochs_since_best += 1
        return improved

    def learning_rate_factor(self, row: Mapping[str, float]) -> float:
        """What the plateau schedule multiplies the learning rate by from now on."""
        if self.plateau is None or self.monitor.plateau is None:
            return 1.0
        return self.plateau.update(self.monitor.plateau[1].value(row))

    @property
    def exhausted(self) -> bool:
        """Whether early stopping ends the run now, as Keras counts patience."""
        patience = self.monitor.patience
        return patience is not None and self.epochs_since_best > 0 and self.epochs_since_best >= patience


def build_monitor(experiment: Experiment, objective: Objective, metrics: Sequence[OutputMetrics]) -> Monitor:
    """The monitor of a config: `validation/loss`, or `train/loss` without a validation split, by default.

    Raises:
        ConfigError: a key that no epoch has, or a sum of keys that improve in opposite directions.
    """
    validated = experiment.data.has_validation
    keys = _epoch_keys(objective, metrics, validated=validated)
    default = Monitored({"validation/loss" if validated else "train/loss": 1.0}, lower_is_better=True)
    stopping = experiment.training.early_stopping or EarlyStopping()
    place = ("training", "early_stopping", "monitor")
    best = _monitored(stopping.monitor, stopping.mode, keys, place) or default
    schedule, plateau = experiment.optimizer.schedule, None
    if isinstance(schedule, PlateauSchedule):
        place = ("optimizer", "schedule", "monitor")
        plateau = schedule, _monitored(schedule.monitor, "auto", keys, place) or default
    return Monitor(
        best=best,
        patience=stopping.patience if experiment.training.early_stopping else None,
        min_delta=stopping.min_delta,
        restore_best=experiment.training.restore_best,
        plateau=plateau,
    )


def _monitored(
    given: str | Mapping[str, float] | None, mode: str, keys: Sequence[str], place: Path
) -> Monitored | None:
    if given is None:
        return None
    weights = {given: 1.0} if isinstance(given, str) else dict(given)
    unknown = [key for key in weights if key not in keys]
    if unknown:
        raise ConfigError([Problem(unknown_name("metric key", key, keys), place) for key in unknown])
    if mode != "auto":
        return Monitored(weights, lower_is_better=mode == "min")
    # A negative weight turns a key's direction round.
    lower = {(key.rsplit("/", 1)[-1] in LOWER_IS_BETTER) == (weight > 0) for key, weight in weights.items()}
    if len(lower) > 1:
        raise ConfigError(
            Problem("these keys improve in opposite directions; give some a negative weight", place)
        )
    return Monitored(weights, lower_is_better=lower.pop())


def _epoch_keys(objective: Objective, metrics: Sequence[OutputMetrics], *, validated: bool) -> list[str]:
    terms = ["loss", *(f"{name}/loss" for name in objective.names)]
    keys = [f"train/{term}" for term in terms]
    if validated:
        scores = [f"{plan.output}/{name}" for plan in metrics for name in plan.names]
        keys += [f"validation/{key}" for key in (*terms, *scores)]
    return keys
