"""Sources to tables of named tensors; `mnist/` holds the embedded MNIST files."""

from __future__ import annotations

from .build import build_splits, describe_source
from .missing import mask_missing
from .table import Field, FieldKind, Scale, Schema, Splits, Table

__all__ = [
    "Field",
    "FieldKind",
    "Scale",
    "Schema",
    "Splits",
    "Table",
    "build_splits",
    "describe_source",
    "mask_missing",
]
