"""What a config wants kept small: weights and activities, by name, for the losses to add up."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Literal

from ..specs.layers import LayerBase, Regularizer

_FIELDS = {
    "kernel_regularizer": "kernel",
    "recurrent_regularizer": "recurrent_kernel",
    "bias_regularizer": "bias",
    "embeddings_regularizer": "embeddings",
}


@dataclass(frozen=True)
class Penalty:
    """One regularization term of a tensor w: `factor` times the sum of |w| (l1) or of w squared (l2).

    A weight is `network.get_parameter(parameter)`, as its name in the state says. Where `parameter` is
    None it is an activity, (B, ...) or (K, B, ...), found in `Walk.activities` under `activity`, and the
    sum is divided by B, as in Keras. In a stack all axes but the leading K are summed over.
    """

    name: str
    kind: Literal["l1", "l2"]
    factor: float
    parameter: str | None = None
    activity: str | None = None


def layer_penalties(layer: LayerBase, parameters: Iterable[str]) -> tuple[Penalty, ...]:
    """The penalties a layer's spec asks for, named within the layer: `kernel/l2`, `activity/l1`.

    parameters: the layer's parameters, as `named_parameters` calls them.
    """
    names = list(parameters)
    found: list[Penalty] = []
    for field, parameter in _FIELDS.items():
        regularizer: Regularizer | None = getattr(layer, field, None)
        for path in names:
            if regularizer is not None and path.rpartition(".")[2] == parameter:
                found += _terms(path.replace(".", "/"), regularizer, Penalty("", "l1", 0.0, parameter=path))
    activity: Regularizer | None = getattr(layer, "activity_regularizer", None)
    if activity is not None:
        found += _terms("activity", activity, Penalty("", "l1", 0.0))
    return tuple(found)


def within(penalty: Penalty, name: str, module: str) -> Penalty:
    """A layer's penalty as its network's: the layer's name, and its module's path in the network."""
    parameter = None if penalty.parameter is None else f"{module}.{penalty.parameter}"
    activity = name if penalty.parameter is None else None
    return replace(penalty, name=f"{name}/{penalty.name}", parameter=parameter, activity=activity)


def _terms(name: str, regularizer: Regularizer, penalty: Penalty) -> list[Penalty]:
    kinds: tuple[tuple[Literal["l1", "l2"], float | None], ...] = (
        ("l1", regularizer.l1),
        ("l2", regularizer.l2),
    )
    return [
        replace(penalty, name=f"{name}/{kind}", kind=kind, factor=factor)
        for kind, factor in kinds
        if factor is not None
    ]
