"""Owns the network of a draft: every input through its own layers, joined, and an output per target."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from .draft_inputs import Input
from .draft_target import Target
from .draft_yaml import Namer, Value


@dataclass(frozen=True)
class Layer:
    """A layer, and what is to be said of it."""

    name: str
    fields: Mapping[str, Value]
    comment: str | None = None


@dataclass(frozen=True)
class Network:
    """The layers in order, and what the whole does."""

    layers: tuple[Layer, ...]
    comment: str


def plan_network(
    inputs: Sequence[Input], targets: Mapping[str, Target], *, hidden: Sequence[int], namer: Namer
) -> Network:
    """The layers of all inputs, one that joins them if they are several, hidden ones, and the outputs."""
    layers = list[Layer]()
    for each in inputs:
        texts = [*each.layer_comments, *([None] * len(each.layers))]
        layers += [
            Layer(name, fields, text) for (name, fields), text in zip(each.layers, texts, strict=False)
        ]
    before = inputs[0].end
    if len(inputs) > 1:
        before = namer.name("joined", otherwise="joined")
        layers.append(Layer(before, {"type": "concatenate", "of": [each.end for each in inputs]}))
    for number, units in enumerate(hidden, 1):
        title = "hidden" if len(hidden) == 1 else f"hidden_{number}"
        name = namer.name(title, otherwise=title)
        layers.append(Layer(name, {"type": "dense", "of": before, "units": units, "activation": "relu"}))
        before = name
    for name, target in targets.items():
        activation: Mapping[str, Value] = {"activation": target.activation} if target.activation else {}
        layers.append(Layer(name, {"type": "dense", "of": before, "units": target.units, **activation}))
    return Network(tuple(layers), _comment(inputs, targets))


def _comment(inputs: Sequence[Input], targets: Mapping[str, Target]) -> str:
    start = "The inputs, joined, go" if len(inputs) > 1 else "The input goes"
    ends = {
        "binary": "a sigmoid gives the probability of yes",
        "multilabel": "sigmoids give a probability for each label",
        "categorical": "a softmax shares a probability of 1 among the classes",
        "regression": "numbers come without an activation",
    }
    kinds = "; ".join(dict.fromkeys(ends[target.kind] for target in targets.values()))
    return f"{start} through hidden layers to an output for each target: {kinds}."
