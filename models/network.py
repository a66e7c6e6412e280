"""The network: one walk over the layer graph, for a single model or K members of a stack."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from torch import Tensor, nn

from .activations import ACTIVATIONS, WITH_LOGITS
from .graph import Graph
from .layer import Layer, Shape
from .noise import NoiseClock


class Output:
    """What an output layer gives: its value, and its logits where it ends in a sigmoid or softmax.

    The value is computed when it is first asked for: a loss on logits never pays for it.
    """

    __slots__ = ("_function", "_value", "logits")

    def __init__(self, values: Tensor, function: Callable[[Tensor], Tensor] | None) -> None:
        self._function = function
        self.logits = values if function is not None else None
        self._value = None if function is not None else values

    @property
    def value(self) -> Tensor:
        """The activation's value, (B, ...) or (K, B, ...)."""
        if self._value is None:
            assert self.logits is not None and self._function is not None
            self._value = self._function(self.logits)
        return self._value


@dataclass(frozen=True)
class _Step:
    name: str
    layer: Layer
    of: tuple[str, ...]
    activation: Callable[[Tensor], Tensor] | None
    keeps_logits: bool


class Network(nn.Module):
    """A layer graph with weights. Plain PyTorch: trains, moves, saves and exports like any module.

    `members` is K in a stack, None for a single model. `shapes` gives every node's example shape;
    `activations` the activation's name of every output.
    """

    def __init__(
        self,
        graph: Graph,
        layers: Mapping[str, Layer],
        *,
        activations: Mapping[str, str],
        shapes: Mapping[str, Shape],
        clock: NoiseClock,
        members: int | None,
    ) -> None:
        super().__init__()
        self.layers = nn.ModuleDict({_module_key(name): layer for name, layer in layers.items()})
        self.noise = clock
        self.graph = graph
        self.shapes = dict(shapes)
        self.members = members
        self.activations = {node.name: activations[node.owner] for node in graph.nodes}
        self._steps = [
            _Step(
                name=node.name,
                layer=layers[node.owner],
                of=node.of,
                activation=ACTIVATIONS.get(activations[node.owner]),
                keeps_logits=node.name in graph.outputs and activations[node.owner] in WITH_LOGITS,
            )
            for node in graph.nodes
        ]
        self._read = frozenset(name for node in graph.nodes for name in node.of)

    def layer(self, name: str) -> nn.Module:
        """The layer that owns weights under `name`."""
        return self.layers[_module_key(name)]

    def forward(self, inputs: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Every output's value by name: inputs (B, ...) to outputs (B, ...), or (K, B, ...) in a stack."""
        return {name: output.value for name, output in self.score(inputs).items()}

    def score(self, inputs: Mapping[str, Tensor]) -> dict[str, Output]:
        """The outputs with their logits, for the losses."""
        values = dict(inputs)
        outputs: dict[str, Output] = {}
        for step in self._steps:
            result = step.layer(*[values[name] for name in step.of])
            if step.keeps_logits:
                output = Output(self._with_members(result, step.name), step.activation)
                outputs[step.name] = output
                if step.name in self._read:
                    values[step.name] = output.value
                continue
            if step.activation is not None:
                result = step.activation(result)
            values[step.name] = result
        for name in self.graph.outputs:
            if name not in outputs:
                outputs[name] = Output(self._with_members(values[name], name), None)
        return {name: outputs[name] for name in self.graph.outputs}

    def _with_members(self, values: Tensor, name: str) -> Tensor:
        """A stack's output has the member axis even where no weight put it there."""
        if self.members is None or values.dim() == len(self.shapes[name]) + 2:
            return values
        return values.expand(self.members, *values.shape)


def _module_key(name: str) -> str:
    """A layer's key in `layers`: its name, unless `nn.ModuleDict` has an attribute of that name."""
    return f"{name}_layer" if hasattr(nn.ModuleDict, name) else name


def parameter_count(network: nn.Module, members: int | None = None) -> int:
    """The number of trainable parameters of one member."""
    total = sum(each.numel() for each in network.parameters() if each.requires_grad)
    return total // (members or 1)
