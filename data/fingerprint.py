"""Owns the fingerprint of data: one SHA-256 over the content of all splits."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable

from torch import Tensor

from .table import Table


def fingerprint_tables(tables: Iterable[Table | None]) -> str:
    """The SHA-256, in hex, of the tables' names, types, shapes and bytes; an absent split counts too."""
    digest = hashlib.sha256()
    for table in tables:
        if table is None:
            digest.update(b"none;")
            continue
        for group in ("inputs", "targets", "weights", "masks"):
            tensors: dict[str, Tensor] = getattr(table, group)
            for name in sorted(tensors):
                tensor = tensors[name].cpu()
                digest.update(f"{group}.{name}:{tensor.dtype}:{tuple(tensor.shape)};".encode())
                digest.update(tensor.contiguous().numpy().data)
    return digest.hexdigest()
