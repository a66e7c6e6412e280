"""What every data source of a config may say."""

from __future__ import annotations

from pydantic import Field

from .base import Fraction, Spec


class SourceBase(Spec):
    """What every source may say. `seed` alone drives generation and splits, whatever the run's seed."""

    seed: int = Field(default=0, ge=0, lt=2**32)
    validation_split: Fraction = 0.1

    @property
    def has_validation(self) -> bool:
        """Whether any rows are kept for validation."""
        return self.validation_split > 0.0
