"""What values an output can have, and which activation they last went through: from the layers alone."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from ..models import Network
from ..models.replicate import Replicate
from ..specs import layers as spec


@dataclass(frozen=True)
class Values:
    """What comes out of a node: numbers from `low` to `high`, None where that is not known.

    `activation` is what made them, seen through layers that only rearrange; `layer` is where, and `size`
    how many units it has. `linear` is no activation.
    """

    low: float | None = None
    high: float | None = None
    activation: str = "linear"
    layer: str = ""
    size: int = 0

    def within(self, low: float, high: float) -> bool | None:
        """Whether no value lies outside `low` to `high`; None where that is not known."""
        if self.low is None or self.high is None:
            return None
        return low <= self.low and self.high <= high

    def written(self) -> str:
        """The range in words."""
        if self.low is None or self.high is None:
            return "unknown values"
        if math.isfinite(self.low) and math.isfinite(self.high):
            return f"values from {self.low:g} to {self.high:g}"
        if math.isfinite(self.low):
            return f"values from {self.low:g} up"
        return f"values up to {self.high:g}" if math.isfinite(self.high) else "any number"


def node_values(network: Network, layers: Mapping[str, spec.LayerBase]) -> dict[str, Values]:
    """The values of every node of `network`, which is built from the layers of a config."""
    found: dict[str, Values] = {}
    for node in network.graph.nodes:
        # The data decide what an input holds.
        described, given = layers[node.owner], [found.get(name, Values()) for name in node.of]
        layer = network.layer(node.owner)
        activation = getattr(described, "activation", "linear")
        if isinstance(layer, Replicate):
            assert isinstance(described, spec.Replicate)
            inner = node_values(layer.network, described.layers)[layer.output]
            found[node.name] = replace(inner, layer=node.owner)
            continue
        made = _through(activation, _before_activation(described, given))
        if activation != "linear":
            size = network.shapes[node.name][-1]
            made = replace(made, activation=activation, layer=node.owner, size=size)
        found[node.name] = made if made.layer else replace(made, layer=node.owner)
    return found


_REARRANGING = (
    spec.Flatten,
    spec.Reshape,
    spec.ActivationLayer,
    spec.Dropout,
    spec.StopGradient,
    spec.ScaleGradient,
    spec.MaxPooling1D,
    spec.MaxPooling2D,
    spec.AveragePooling1D,
    spec.AveragePooling2D,
    spec.GlobalMaxPooling1D,
    spec.GlobalMaxPooling2D,
    spec.GlobalAveragePooling1D,
    spec.GlobalAveragePooling2D,
)


def _before_activation(described: spec.LayerBase, given: Sequence[Values]) -> Values:
    """The values of a layer before its own activation."""
    match described:
        case spec.RecurrentBase():
            return Values(-1.0, 1.0)
        case spec.LeakyReLU(negative_slope=slope):
            return _through("leaky_relu", given[0], slope=slope)
        case spec.Concatenate():
            return _any_of(given)
        case spec.Add() | spec.Multiply():
            return Values()
        case _ if isinstance(described, _REARRANGING):
            return given[0]
        case _:
            return Values(-math.inf, math.inf)


def _any_of(given: Sequence[Values]) -> Values:
    """What may be any of these."""
    first = given[0]
    lows, highs = [each.low for each in given], [each.high for each in given]
    joined = Values(
        None if None in lows else min(low for low in lows if low is not None),
        None if None in highs else max(high for high in highs if high is not None),
    )
    if all(each.activation == first.activation for each in given):
        joined = replace(joined, activation=first.activation, layer=first.layer, size=first.size)
    return joined


def _through(activation: str, given: Values, *, slope: float = 0.2) -> Values:
    """The values after an activation; without one they stay as they are."""
    if activation == "linear":
        return given
    low = -math.inf if given.low is None else given.low
    high = math.inf if given.high is None else given.high
    if activation == "softmax":
        return Values(0.0, 1.0)
    if activation == "leaky_relu":
        return Values(_leaky_relu(low, slope), _leaky_relu(high, slope))
    function = _ACTIVATIONS[activation]
    return Values(_DIPS[activation] if activation in _DIPS and low < 0 else function(low), function(high))


def _leaky_relu(value: float, slope: float) -> float:
    if value > 0:
        return value
    return slope * value if slope else 0.0


def _exponential(value: float) -> float:
    return math.exp(min(value, 700.0)) if value < math.inf else math.inf


def _sigmoid(value: float) -> float:
    return 1.0 / (1.0 + _exponential(-value))


# Klambauer et al. 2017.
_SELU_SCALE, _SELU_ALPHA = 1.0507009873554805, 1.6732632423543772

_ACTIVATIONS: dict[str, Callable[[float], float]] = {
    "relu": lambda value: max(value, 0.0),
    "elu": lambda value: value if value > 0 else _exponential(value) - 1.0,
    "selu": lambda value: _SELU_SCALE * (value if value > 0 else _SELU_ALPHA * (_exponential(value) - 1.0)),
    "gelu": lambda value: value * 0.5 * (1.0 + math.erf(value / math.sqrt(2.0))),
    "silu": lambda value: value * _sigmoid(value),
    "tanh": math.tanh,
    "sigmoid": _sigmoid,
    "hard_sigmoid": lambda value: min(max(value / 6.0 + 0.5, 0.0), 1.0),
    "softplus": lambda value: value if value > 700.0 else math.log1p(_exponential(value)),
    "softsign": lambda value: math.copysign(1.0, value) if math.isinf(value) else value / (1.0 + abs(value)),
    "exponential": _exponential,
}
"""The activations that act on one number; all rise, but for the dips of two below 0."""

_DIPS = {"gelu": -0.17, "silu": -0.2785}
"""The least values of these, which lie at numbers below 0."""
