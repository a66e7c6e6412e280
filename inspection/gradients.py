"""Which term moves which layer, how much, and with or against which other: arranged from the gradients.

Legend: R rows (terms, then the regularization), B batches.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import combinations

import torch
from torch import Tensor

from ..losses import LossTerm
from ..training.attribution import REGULARIZATION, LayerGradients, joint_shares, mean_norms
from ..training.label_attribution import LabelGradients


@dataclass(frozen=True)
class Reach:
    """One layer: by row that reaches it, the norm of the unweighted gradient (a mean over batches) and the
    share of the layer's gradient, None where that is zero. A row that does not reach is in neither."""

    layer: str
    weights: int
    norms: Mapping[str, float]
    shares: Mapping[str, float | None]


@dataclass(frozen=True)
class Agreement:
    """The cosine between two terms' gradients on a layer: mean and standard deviation over `batches`.

    Batches in which a gradient is zero do not count; the mean is None where none is left.
    """

    layer: str
    terms: tuple[str, str]
    mean: float | None
    std: float | None
    batches: int


@dataclass(frozen=True)
class LabelLayer:
    """A layer's weights by how many labels move them, and by label its gradient's norm, its cosine with all
    others' together, and the number of weights that it moves alone."""

    layer: str
    one: int
    several: int
    none: int
    norms: Mapping[str, float]
    agreement: Mapping[str, float | None]
    own: Mapping[str, int]

    @property
    def is_shared(self) -> bool:
        """Whether any weight is moved by several labels."""
        return self.several > 0


@dataclass(frozen=True)
class LabelReach:
    """The labels of one term's output, layer by layer."""

    term: str
    output: str
    activation: str
    labels: tuple[str, ...]
    layers: tuple[LabelLayer, ...]

    def document(self) -> dict[str, object]:
        """The labels as plain JSON values."""
        layers = {each.layer: {**asdict(each), "layer": None} for each in self.layers}
        for each in layers.values():
            del each["layer"]
        return {
            "output": self.output,
            "activation": self.activation,
            "labels": list(self.labels),
            "layers": layers,
        }


def arrange_reach(
    names: Sequence[str],
    reached: Mapping[str, Sequence[str]],
    measured: Mapping[str, Sequence[LayerGradients]],
    weights: Mapping[str, int],
) -> tuple[Reach, ...]:
    """A row per layer. reached: by layer, the rows that reach it; weights: how many it has."""
    found: list[Reach] = []
    for layer, batches in measured.items():
        norms = dict(zip(names, _numbers(mean_norms(batches)), strict=True))
        shares = dict(zip(names, _numbers(joint_shares(batches)), strict=True))
        rows = [name for name in names if name in reached[layer]]
        found.append(
            Reach(
                layer,
                weights[layer],
                {name: norms[name] for name in rows},
                {name: None if math.isnan(shares[name]) else shares[name] for name in rows},
            )
        )
    return tuple(found)


def arrange_agreement(
    names: Sequence[str],
    reached: Mapping[str, Sequence[str]],
    measured: Mapping[str, Sequence[LayerGradients]],
) -> tuple[Agreement, ...]:
    """A row per layer and pair of terms that reach it both."""
    found: list[Agreement] = []
    for layer, batches in measured.items():
        cosines = torch.stack([each.cosines for each in batches])
        terms = [name for name in names if name in reached[layer] and name != REGULARIZATION]
        for one, other in combinations(terms, 2):
            values = cosines[:, names.index(one), names.index(other)]
            values = values[~values.isnan()]
            mean = float(values.mean()) if len(values) else None
            std = float(values.std()) if len(values) > 1 else None
            found.append(Agreement(layer, (one, other), mean, std, len(values)))
    return tuple(found)


def arrange_labels(
    term: LossTerm, activation: str, labels: Sequence[str], layers: Mapping[str, LabelGradients]
) -> LabelReach:
    """What was measured of one term's labels, by their names; `activation` is that of the output."""
    return LabelReach(
        term.name,
        term.output,
        activation,
        tuple(labels),
        tuple(
            LabelLayer(
                layer,
                each.one,
                each.several,
                each.none,
                dict(zip(labels, _numbers(each.norms), strict=True)),
                {
                    label: None if math.isnan(value) else value
                    for label, value in zip(labels, _numbers(each.agreement), strict=True)
                },
                dict(zip(labels, map(int, each.own), strict=True)),
            )
            for layer, each in layers.items()
        ),
    )


def _numbers(values: Tensor) -> list[float]:
    return [float(value) for value in values]
