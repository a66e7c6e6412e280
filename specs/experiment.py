"""The whole config: `Experiment`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal, Self

from pydantic import Field, PrivateAttr, model_validator

from .base import Name, Spec
from .compare import Compare
from .decisions import CalibrationMethod, Thresholds
from .errors import Problem
from .layers import ModelSpec
from .limits import check_limits
from .losses import AnyLoss
from .metrics import MetricName
from .optimizers import Adam, AnyOptimizer
from .places import Places
from .rules import RuleCode
from .sources import AnySource
from .training import Training
from .weighting import AnyWeighting, Fixed


class Experiment(Spec):
    """All that a YAML may say, checked. Made by `load_experiment`, read by the builders.

    `ignore` names rules that do not count here; it changes nothing that is trained.
    """

    name: Name
    seed: int = Field(default=0, ge=0, lt=2**32)
    numerics: Literal["keras", "torch"] = "keras"
    data: AnySource
    model: ModelSpec
    losses: dict[Name, AnyLoss] = Field(min_length=1)
    weighting: AnyWeighting = Field(default_factory=Fixed)
    metrics: dict[str, list[MetricName]] = Field(default_factory=dict)
    thresholds: dict[str, Thresholds] = Field(default_factory=dict[str, Thresholds])
    calibration: dict[str, CalibrationMethod] = Field(default_factory=dict[str, CalibrationMethod])
    optimizer: AnyOptimizer = Field(default_factory=Adam)
    training: Training = Field(default_factory=Training)
    ignore: list[RuleCode] = Field(default_factory=list[RuleCode])
    compare: Compare | None = None

    _places: Places = PrivateAttr(default_factory=Places)

    @model_validator(mode="after")
    def _within_limits(self) -> Self:
        check_limits(self)
        return self

    def model_post_init(self, context: Any, /) -> None:
        """Keeps the places that `validate` passes as context; without them nothing has a place."""
        if isinstance(context, Places):
            self._places = context

    @property
    def places(self) -> Places:
        """Where in the YAML each key and value stands."""
        return self._places

    def locate(self, problems: Sequence[Problem]) -> tuple[Problem, ...]:
        """The problems with file, line and column filled in from their paths."""
        return tuple(self._places.locate(problem) if problem.path else problem for problem in problems)
