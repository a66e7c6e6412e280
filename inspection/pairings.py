"""What each loss compares: an output with all that is known of its values, and a target with its field."""

from __future__ import annotations

import math
from dataclasses import dataclass

from ..data import Field
from ..losses import LossTerm
from ..specs.errors import Path
from ..specs.losses import LossBase
from ..training.blueprint import Blueprint
from .output_values import Values, node_values

BINARY = frozenset({"binary_crossentropy", "binary_focal_crossentropy"})
"""Cross-entropies of one probability per entry."""

CATEGORICAL = frozenset(
    {"categorical_crossentropy", "sparse_categorical_crossentropy", "categorical_focal_crossentropy"}
)
"""Cross-entropies of one distribution per row."""


@dataclass(frozen=True, eq=False)
class Pairing:
    """One loss with its output's values and its target's field; `units` is the size of the loss's axis."""

    term: LossTerm
    described: LossBase
    values: Values
    field: Field
    units: int

    @property
    def kind(self) -> str:
        """The type of the loss."""
        return self.term.loss.type

    @property
    def multi_hot(self) -> bool:
        """Whether several labels of a row may be true at once."""
        return is_multi_hot(self.field)

    def path(self, key: str) -> Path:
        """Where the config says `key` of this loss."""
        return ("losses", self.term.name, key)


def list_pairings(blueprint: Blueprint) -> list[Pairing]:
    """The pairings of a config, in the order of its losses."""
    experiment, network = blueprint.experiment, blueprint.network
    values = node_values(network, experiment.model.layers)
    return [
        Pairing(
            term,
            experiment.losses[term.name],
            values[term.output],
            field_of(blueprint, term.target),
            _units(term, network.shapes[term.output]),
        )
        for term in blueprint.objective.terms
    ]


def field_of(blueprint: Blueprint, target: str) -> Field:
    """The field of a target, or of an input that serves as one."""
    schema = blueprint.schema
    return schema.targets[target] if target in schema.targets else schema.inputs[target]


def is_multi_hot(field: Field) -> bool:
    """Whether several labels of a row may be true at once."""
    return field.kind == "binary" and not field.exclusive and math.prod(field.shape) > 1


def is_one_hot(field: Field) -> bool:
    """Whether exactly one of several labels is true in every row."""
    return field.kind == "binary" and field.exclusive


def _units(term: LossTerm, shape: tuple[int, ...]) -> int:
    """The size of the loss's axis, which counts the batch axis as 0; of a whole batch, the last axis's."""
    axis = -1 if term.loss.axis is None else term.loss.axis
    return shape[axis if axis < 0 else axis - 1] if shape else 1
