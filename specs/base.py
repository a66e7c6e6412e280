"""What every part of a config has in common: frozen, strict, no unknown keys."""

from __future__ import annotations

from collections import Counter
from typing import Annotated, Any, cast

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, StringConstraints


class Spec(BaseModel):
    """Base of all config models: immutable, strict types, unknown keys are errors."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)


def as_tuple(value: Any) -> Any:
    """A YAML list as the tuple that a frozen model holds; anything else as it is."""
    return tuple(cast("list[object]", value)) if isinstance(value, list) else value


def _names(value: Any) -> Any:
    return (value,) if isinstance(value, str) else as_tuple(value)


def _distinct(value: tuple[Any, ...]) -> tuple[Any, ...]:
    repeated = sorted(str(item) for item, count in Counter(value).items() if count > 1)
    if repeated:
        raise ValueError(f"{', '.join(repeated)} is named more than once")
    return value


NAME_PATTERN = r"^[A-Za-z0-9_][A-Za-z0-9_\-]*$"

Name = Annotated[str, StringConstraints(pattern=NAME_PATTERN, max_length=80)]
"""A joint between parts of a config: letters, digits, `_` and `-`, so that it can stand in a dotted
path, a metric key, a column and a file name without escaping."""

Names = Annotated[tuple[str, ...], BeforeValidator(_names), Field(min_length=1)]
"""One name or a list of names."""

DistinctNames = Annotated[Names, AfterValidator(_distinct)]

PositiveInts = Annotated[
    tuple[Annotated[int, Field(gt=0)], ...], BeforeValidator(as_tuple), Field(min_length=1)
]

Fraction = Annotated[float, Field(ge=0.0, lt=1.0)]
