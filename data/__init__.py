"""Sources to tables of named tensors; `mnist/` holds the embedded MNIST files."""

from __future__ import annotations

from .build import open_source
from .missing import mask_missing
from .preparation import Preparation, load_preparation
from .source import Source
from .table import Field, FieldKind, Scale, Schema, Splits, Table, Unit

__all__ = [
    "Field",
    "FieldKind",
    "Preparation",
    "Scale",
    "Schema",
    "Source",
    "Splits",
    "Table",
    "Unit",
    "load_preparation",
    "mask_missing",
    "open_source",
]
