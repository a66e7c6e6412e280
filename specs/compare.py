"""The `compare:` section: which settings `mlx compare` sets side by side, and on how many seeds."""

from __future__ import annotations

from typing import Self

from pydantic import Field, model_validator

from .base import Name, Spec
from .errors import ConfigError, Problem, unknown_name

EQUAL = "equal"
"""The name of the setting with all weights 1.0 that joins a comparison of weights."""


class Compare(Spec):
    """Settings by name: what each changes, as dotted paths to values, in the config they stand in.

    Every setting is trained on the seeds `seed ... seed + seeds - 1`. `baseline` is the setting that the
    others are measured against. With `equal: false` no setting of equal weights joins by itself.
    """

    seeds: int = Field(default=3, gt=0, le=1000)
    baseline: Name | None = None
    equal: bool = True
    settings: dict[Name, dict[str, object]] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _baseline_is_a_setting(self) -> Self:
        names = [*self.settings, *([EQUAL] if self.equal and EQUAL not in self.settings else [])]
        if self.settings and self.baseline is not None and self.baseline not in names:
            message = unknown_name("setting", self.baseline, names)
            raise ConfigError(Problem(message, ("compare", "baseline")))
        return self
