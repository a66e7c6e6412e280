"""Owns how the shape that a layer makes of an example is found: by running it, within a budget.

What is too large for the budget goes by the rule of its type, and a type without a rule is run on the meta
device, which costs the import of PyTorch's compiler at its first operation (1.3 s and 150 MB).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch

from ..specs import layers as spec
from ..specs.machine_failures import describe_failure
from .context import InputSpec
from .graph import Node
from .layer import Layer, Shape, shape_error, written
from .replicate import Replicate
from .shape_rules import shape_by_rule

MOST_VALUES = 100_000_000
"""Of what a layer gives for one example; 400 MB in float32."""

_VALUES = 20_000_000
_WORK = 500_000_000


@dataclass
class RunBudget:
    """What is left for one network and those inside it: numbers in memory, and multiplications."""

    values: int = _VALUES
    work: int = _WORK

    def affords(self, described: spec.LayerBase, layer: Layer, given: Sequence[InputSpec]) -> bool:
        """Whether the layer, its weights included, can be run on one example of zeros."""
        values, work = _cost(described, layer, given)
        return values <= self.values and work <= self.work

    def spend(self, described: spec.LayerBase, layer: Layer, given: Sequence[InputSpec]) -> bool:
        """The same; if so, that is spent."""
        if not self.affords(described, layer, given):
            return False
        values, work = _cost(described, layer, given)
        self.values -= values
        self.work -= work
        return True


def shape_through(
    node: Node, described: spec.LayerBase, layer: Layer, given: Sequence[InputSpec], *, budget: RunBudget
) -> Shape:
    """The shape that a layer makes of an example.

    Raises ConfigError where it does not fit its input, or gives more values than anything can be done with.
    """
    shape = _shape_of_copies(layer) or _shape_by_running(node, described, layer, given, budget)
    if math.prod(shape) > MOST_VALUES:
        message = f"gives {written(shape)}: more than {MOST_VALUES:,} values for one example"
        raise shape_error(node.name, message)
    return shape


def listed_shapes(reads: Sequence[InputSpec]) -> str:
    """Shapes as users read them: `(3) and (2)`."""
    return " and ".join(written(each.shape) for each in reads)


def _shape_of_copies(layer: Layer) -> Shape:
    """That of copies of a network, whose layers were run already; else empty."""
    if not isinstance(layer, Replicate):
        return ()
    shape = layer.network.shapes[layer.output]
    return (*shape[:-1], layer.copies * shape[-1]) if shape else ()


def _shape_by_running(
    node: Node,
    described: spec.LayerBase,
    layer: Layer,
    given: Sequence[InputSpec],
    budget: RunBudget,
) -> Shape:
    is_sequence = isinstance(described, spec.RecurrentBase)
    read = [InputSpec((1, *each.shape[1:])) for each in given] if is_sequence else given
    if budget.spend(described, layer, read):
        device = next((each.device for each in layer.parameters()), torch.device("cpu"))
    elif (known := shape_by_rule(described, [each.shape for each in given])) is not None:
        return known
    else:
        layer, device = layer.to("meta"), torch.device("meta")
    values = [
        torch.zeros((1, *each.shape), device=device, dtype=None if each.indices is None else torch.int64)
        for each in read
    ]
    try:
        with torch.no_grad():
            shape = tuple(layer.eval()(*values).shape[1:])
    except RuntimeError as error:
        if describe_failure(error) is not None:
            raise
        reason = str(error).splitlines()[0]
        raise shape_error(node.name, f"does not fit its input {listed_shapes(given)}: {reason}") from None
    # One step of a sequence tells what all would: the steps are run one by one.
    keeps_steps = is_sequence and described.return_sequences
    return (given[0].shape[0], *shape[1:]) if keeps_steps else shape


def _cost(described: spec.LayerBase, layer: Layer, given: Sequence[InputSpec]) -> tuple[int, int]:
    """Numbers that are held, and at most how often two are multiplied, for one example."""
    weights = sum(each.numel() for each in layer.parameters())
    shape, read = given[0].shape, sum(math.prod(each.shape) for each in given)
    width = max(getattr(described, key, 0) for key in ("units", "filters", "output_dim"))
    if isinstance(described, spec.Embedding):
        return weights + read + read * width, read * width
    channels = max((shape[0] if len(shape) == 3 else shape[-1]) if shape else 1, 1)
    gates = 8 if isinstance(described, spec.RecurrentBase) else 1
    made = math.prod(shape) // channels * max(width, channels) * gates
    work = made * _window(described) * (channels if width else 1)
    return weights + read + made, weights + work


def _window(described: spec.LayerBase) -> int:
    """How many positions one of a layer's sees."""
    size: int | tuple[int, int] = (
        getattr(described, "kernel_size", None) or getattr(described, "pool_size", None) or 1
    )
    return math.prod(size) if isinstance(size, tuple) else size
