"""What was learned from the training rows of a user's table: all that predicting needs beside the weights."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import cast

from ..specs.errors import DataError
from .encoder import Document, Encoder, TargetEncoder
from .table import Schema


@dataclass(frozen=True, eq=False)
class Preparation:
    """The encoders of a table's inputs and targets by name, fitted."""

    inputs: Mapping[str, Encoder]
    targets: Mapping[str, TargetEncoder]
    weights: frozenset[str] = frozenset()

    @property
    def schema(self) -> Schema:
        """The fields that the encoders give, and the names of the columns of sample weights."""
        return Schema(
            inputs={name: each.field for name, each in self.inputs.items()},
            targets={name: each.field for name, each in self.targets.items()},
            weights=self.weights,
        )

    @property
    def notes(self) -> tuple[str, ...]:
        """What was met while fitting: empty cells, constant columns and their like."""
        return tuple(note for each in (*self.inputs.values(), *self.targets.values()) for note in each.notes)

    def document(self) -> dict[str, object]:
        """The preparation as plain JSON values."""
        return {
            "inputs": {name: each.document() for name, each in self.inputs.items()},
            "targets": {name: each.document() for name, each in self.targets.items()},
            "weights": sorted(self.weights),
        }


def load_preparation(document: Mapping[str, object]) -> Preparation:
    """A preparation from its document.

    Raises DataError where the document is damaged, or of another version of the program.
    """
    # Here, because only a run of a user's table needs them.
    from .fit import load_encoder, load_target

    inputs, targets = (_documents(document, role) for role in ("inputs", "targets"))
    weights = document.get("weights")
    return Preparation(
        {name: load_encoder(each) for name, each in inputs.items()},
        {name: load_target(each) for name, each in targets.items()},
        frozenset(cast("Sequence[str]", weights) if isinstance(weights, list) else ()),
    )


def _documents(document: Mapping[str, object], role: str) -> dict[str, Document]:
    part = document.get(role)
    if not isinstance(part, dict) or not all(isinstance(each, dict) for each in part.values()):  # pyright: ignore[reportUnknownVariableType]
        raise DataError(f"the preparation of the run is damaged: it holds no {role}.")
    return cast("dict[str, Document]", part)
