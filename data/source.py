"""What a data source is to training: fields that are known, and rows that are read when asked for."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from .preparation import Preparation
from .table import Schema, Splits


@dataclass(frozen=True, eq=False)
class Source:
    """Data that are described, and read when they are asked for.

    `build` gives the rows as train, validation and test tables on the CPU; it raises ConfigError where the
    config asks for what the source cannot give, DataError where the data are missing or damaged,
    MachineError where they cannot be read or do not fit into memory. `preparation` is what was learned from
    the training rows of a user's table, None for sources that learn nothing.
    """

    schema: Schema
    build: Callable[[], Splits]
    preparation: Preparation | None = None
