"""The network: one walk over the layer graph, for a single model or K members of a stack."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from .activations import ACTIVATIONS, WITH_LOGITS
from .graph import Graph
from .layer import Layer, Shape
from .masks import padding_mask, plan_masks, united_mask
from .noise import NoiseClock
from .penalties import Penalty, within


class Output:
    """What an output layer gives: its value, and its logits where it ends in a sigmoid or softmax.

    The value is computed when it is first asked for: a loss on logits never pays for it. `mask` is true
    where a step of a padded sequence counts, (B, T) or (K, B, T); None where all do.
    """

    __slots__ = ("_function", "_value", "logits", "mask")

    def __init__(
        self, values: Tensor, function: Callable[[Tensor], Tensor] | None, mask: Tensor | None = None
    ) -> None:
        self._function = function
        self.logits = values if function is not None else None
        self._value = None if function is not None else values
        self.mask = mask

    @property
    def value(self) -> Tensor:
        """The activation's value, (B, ...) or (K, B, ...)."""
        if self._value is None:
            assert self.logits is not None and self._function is not None
            self._value = self._function(self.logits)
        return self._value

    def divided(self, temperature: float) -> Output:
        """The same output from logits divided by `temperature`."""
        assert self.logits is not None and self._function is not None, "an output with logits"
        return Output(self.logits / temperature, self._function, self.mask)


@dataclass(frozen=True, eq=False)
class Walk:
    """What one walk over the graph gives: the outputs, and by name the activities that are penalized."""

    outputs: dict[str, Output]
    activities: dict[str, Tensor]


@dataclass(frozen=True)
class _Step:
    """A node ready to run. `reads_mask` and `mask` name the embeddings whose masks are united."""

    name: str
    layer: Layer
    of: tuple[str, ...]
    activation: Callable[[Tensor], Tensor] | None
    keeps_logits: bool
    is_penalized: bool
    reads_mask: tuple[str, ...]
    mask: tuple[str, ...]


class Network(nn.Module):
    """A layer graph with weights. Plain PyTorch: trains, moves, saves and exports like any module.

    `members` is K in a stack, None for a single model. `shapes` gives every node's example shape;
    `activations` the activation's name of every node; `penalties` what the config wants kept small;
    `autocast` the shorter type in which layers multiply, None for that of the weights.
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
        self.autocast: torch.dtype | None = None
        self.activations = {node.name: activations[node.owner] for node in graph.nodes}
        self.penalties = _penalties(graph, layers)
        self._steps = _plan_steps(graph, layers, self.activations, self.penalties)
        self._read = frozenset(name for node in graph.nodes for name in node.of)
        self._masks = {step.name: step.mask for step in self._steps if step.mask}

    @property
    def masked(self) -> frozenset[str]:
        """The nodes whose sequences may hold padding."""
        return frozenset(self._masks)

    def layer(self, name: str) -> nn.Module:
        """The layer that owns weights under `name`."""
        return self.layers[_module_key(name)]

    def forward(self, inputs: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Every output's value by name: inputs (B, ...) to outputs (B, ...), or (K, B, ...) in a stack."""
        return {name: output.value for name, output in self.score(inputs).items()}

    def score(self, inputs: Mapping[str, Tensor]) -> dict[str, Output]:
        """The outputs with their logits, for the losses."""
        return self.walk(inputs).outputs

    def walk(self, inputs: Mapping[str, Tensor]) -> Walk:
        """The outputs, and what is penalized on the way; float32 where `autocast` is a shorter type."""
        if self.autocast is None or torch.compiler.is_exporting():
            return self._walk(inputs)
        device = next(iter(inputs.values())).device
        # A cache of shorter weights would outlive the update of a captured step.
        with torch.autocast(device.type, dtype=self.autocast, cache_enabled=False):
            return self._walk(inputs)

    def _walk(self, inputs: Mapping[str, Tensor]) -> Walk:
        values, masks = dict(inputs), dict[str, Tensor]()
        outputs, activities = dict[str, Output](), dict[str, Tensor]()
        for step in self._steps:
            given = [values[name] for name in step.of]
            if step.layer.makes_mask:
                masks[step.name] = padding_mask(given[0])
            mask = united_mask(masks, step.reads_mask)
            result = step.layer(*given) if mask is None else step.layer(*given, mask)
            if step.keeps_logits:
                result = self._with_members(_full(result), step.name)
                output = Output(result, step.activation, united_mask(masks, step.mask))
                outputs[step.name] = output
                if step.is_penalized or step.name in self._read:
                    values[step.name] = output.value
            else:
                values[step.name] = result if step.activation is None else step.activation(result)
            if step.is_penalized:
                activities[step.name] = self._with_members(_full(values[step.name]), step.name)
        for name in self.graph.outputs:
            if name not in outputs:
                mask = united_mask(masks, self._masks.get(name, ()))
                outputs[name] = Output(self._with_members(_full(values[name]), name), None, mask)
        return Walk({name: outputs[name] for name in self.graph.outputs}, activities)

    def _with_members(self, values: Tensor, name: str) -> Tensor:
        """A stack's output has the member axis even where no weight put it there."""
        if self.members is None or values.dim() == len(self.shapes[name]) + 2:
            return values
        return values.expand(self.members, *values.shape)


def _full(values: Tensor) -> Tensor:
    """Losses and metrics are taken in float32."""
    return values.float() if values.dtype == torch.bfloat16 else values


def _penalties(graph: Graph, layers: Mapping[str, Layer]) -> tuple[Penalty, ...]:
    """A weight's penalties once, an activity's at every node that uses the layer."""
    return tuple(
        within(penalty, node.name, f"layers.{_module_key(node.owner)}")
        for node in graph.nodes
        for penalty in layers[node.owner].penalties
        if penalty.parameter is None or node.name == node.owner
    )


def _plan_steps(
    graph: Graph, layers: Mapping[str, Layer], activations: Mapping[str, str], penalties: tuple[Penalty, ...]
) -> list[_Step]:
    masks = plan_masks(graph, layers)
    penalized = {penalty.activity for penalty in penalties}
    return [
        _Step(
            name=node.name,
            layer=layers[node.owner],
            of=node.of,
            activation=ACTIVATIONS.get(activations[node.name]),
            keeps_logits=node.name in graph.outputs and activations[node.name] in WITH_LOGITS,
            is_penalized=node.name in penalized,
            reads_mask=tuple(sorted(masks[node.name][0])),
            mask=tuple(sorted(masks[node.name][1])),
        )
        for node in graph.nodes
    ]


def _module_key(name: str) -> str:
    """A layer's key in `layers`: its name, unless `nn.ModuleDict` has an attribute of that name."""
    return f"{name}_layer" if hasattr(nn.ModuleDict, name) else name


def parameter_count(network: nn.Module, members: int | None = None) -> int:
    """The number of trainable parameters of one member."""
    total = sum(each.numel() for each in network.parameters() if each.requires_grad)
    return total // (members or 1)
