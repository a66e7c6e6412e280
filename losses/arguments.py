"""What `build_loss` accepts: every argument checked against the registry, with the nearest name."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Literal

from torch import Tensor

from ..specs.errors import ConfigError, unknown_name
from .functions import LOSSES, Definition, OwnArgument

Axis = int | None | Literal["default"]


def definition_of(type: str) -> Definition:
    """The definition of a type.

    Raises:
        ConfigError: no such type.
    """
    if type not in LOSSES:
        raise ConfigError(unknown_name("loss", type, LOSSES, plural="losses"))
    return LOSSES[type]


def checked_axis(type: str, axis: Axis) -> int | None:
    """The reduced axis: -1 by default, None (the whole batch) only for losses of regions.

    Raises:
        ConfigError: None for any other loss, or no integer at all.
    """
    region = definition_of(type).unit == "region"
    if axis == "default":
        return None if region else -1
    if isinstance(axis, bool) or not (isinstance(axis, int) or (axis is None and region)):
        allowed = "an integer, or null for the whole batch" if region else "an integer"
        raise ConfigError(f"axis of {type} is {axis!r}; allowed: {allowed}.")
    return axis


def check_links(type: str, *, from_logits: bool, label_smoothing: float) -> None:
    """Nothing, when `from_logits` and `label_smoothing` mean something to the type.

    Raises:
        ConfigError: they would have no effect, or a smoothing outside [0, 1].
    """
    passes = definition_of(type).passes
    for name, is_set in (("from_logits", from_logits), ("label_smoothing", label_smoothing != 0.0)):
        if is_set and name not in passes:
            takers = ", ".join(other for other, definition in LOSSES.items() if name in definition.passes)
            raise ConfigError(f"{name} has no effect on {type}; losses with it: {takers}.")
    if not 0.0 <= label_smoothing <= 1.0:
        raise ConfigError(f"label_smoothing is {label_smoothing!r}; allowed: a number from 0 to 1.")


def complete_own(type: str, own: Mapping[str, OwnArgument]) -> dict[str, OwnArgument]:
    """The type's own arguments, given or by default.

    Raises:
        ConfigError: an argument that the type does not have, or a number it cannot use.
    """
    definition = definition_of(type)
    for name, value in own.items():
        if name not in definition.own:
            allowed = [*definition.own, "axis", "reduction", "name"]
            allowed += [link for link in ("from_logits", "label_smoothing") if link in definition.passes]
            raise ConfigError(
                unknown_name(f"argument of {type}", name, allowed, plural=f"arguments of {type}")
            )
        _check_number(type, name, value)
    completed = {**definition.own, **own}
    return {name: _plain(value) for name, value in completed.items()}


def _check_number(type: str, name: str, value: OwnArgument) -> None:
    if name in ("apply_class_balancing", "ignore_class") or value is None or isinstance(value, Tensor):
        return
    numbers = value if isinstance(value, Sequence) else (value,)
    positive = name == "delta"
    if not all(math.isfinite(number) and (number > 0 if positive else number >= 0) for number in numbers):
        allowed = "a finite number above 0" if positive else "finite numbers from 0"
        raise ConfigError(f"{name} of {type} is {value!r}; allowed: {allowed}.")


def _plain(value: OwnArgument) -> OwnArgument:
    """A sequence as a tuple, which can be a key of the per-device cache."""
    return tuple(value) if isinstance(value, Sequence) else value
