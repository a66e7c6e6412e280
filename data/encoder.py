"""What every way of reading columns has in common: fitted on training rows, then applied to any.

Legend: N rows.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, Protocol

from torch import Tensor

from .frame import Frame
from .table import Field

Role = Literal["inputs", "targets"]
"""The key under `data` in which the config says how columns are read."""

Document = Mapping[str, object]
"""Plain JSON values: all that an encoder has learned, and nothing of the rows it was learned from."""


@dataclass(frozen=True, eq=False)
class Encoded:
    """The values of N rows, (N, ...), and which entries of a target are observed (None: all)."""

    values: Tensor
    observed: Tensor | None = None

    @classmethod
    def masked(cls, values: Tensor) -> Encoded:
        """Floating values, NaN where nobody gave one: 0 there, and not observed."""
        missing = values.isnan()
        return cls(values.masked_fill(missing, 0.0), ~missing) if bool(missing.any()) else cls(values)


class Encoder(Protocol):
    """One input or target. `columns` are those it reads; `notes` say what was met while fitting."""

    @property
    def columns(self) -> tuple[str, ...]: ...

    @property
    def field(self) -> Field: ...

    @property
    def notes(self) -> tuple[str, ...]: ...

    def encode(self, frame: Frame) -> Encoded:
        """The rows of a frame. Raises DataError with column, file and row of what it cannot read."""
        ...

    def document(self) -> Document:
        """What has to be kept to encode the same way later."""
        ...


class TargetEncoder(Encoder, Protocol):
    """A target, whose predictions can be given in the units of the table."""

    def decode(self, values: Tensor) -> Mapping[str, Tensor]:
        """Values in the network's units, (N, ...), as columns (N) in the table's: regression undoes its
        transforms; others give their values by label. Keys are column or label names."""
        ...
