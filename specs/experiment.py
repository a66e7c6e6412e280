"""The whole config: `Experiment`."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from .base import Name, Spec
from .layers import ModelSpec
from .losses import AnyLoss
from .metrics import MetricName
from .sources import AnySource
from .training import Adam, AnyOptimizer, Training


class Experiment(Spec):
    """All that a YAML may say, checked. Made by `load_experiment`, read by the builders."""

    name: Name
    seed: int = Field(default=0, ge=0, lt=2**32)
    numerics: Literal["keras", "torch"] = "keras"
    data: AnySource
    model: ModelSpec
    losses: dict[Name, AnyLoss] = Field(min_length=1)
    metrics: dict[str, list[MetricName]] = Field(default_factory=dict)
    optimizer: AnyOptimizer = Field(default_factory=Adam)
    training: Training = Field(default_factory=Training)
