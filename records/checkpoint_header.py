"""What the header of a checkpoint says of the tables beside it, read without its tensors."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import cast

from .epoch_tables import EPOCH_TABLES, TableState

_LENGTH_BYTES = 8


def recorded_tables(data: bytes) -> dict[str, TableState]:
    """The states of the tables when the checkpoint `data` (a whole safetensors file) was written.

    Nothing where it records none; of what a file from elsewhere records, only what is a state of a table.
    """
    size = int.from_bytes(data[:_LENGTH_BYTES], "little")
    try:
        metadata = _entry(json.loads(data[_LENGTH_BYTES : _LENGTH_BYTES + size]), "__metadata__")
        text = metadata.get("mlx")
        facts: object = json.loads(text) if isinstance(text, str) else None
    except (ValueError, RecursionError):
        return {}
    tables = _entry(facts, "tables")
    states = {name: _state(_entry(tables, name)) for name in EPOCH_TABLES}
    return {name: state for name, state in states.items() if state is not None}


def _entry(document: object, key: str) -> Mapping[str, object]:
    value = cast("dict[str, object]", document).get(key) if isinstance(document, dict) else None
    return cast("dict[str, object]", value) if isinstance(value, dict) else {}


def _state(entry: Mapping[str, object]) -> TableState | None:
    size, sha256 = entry.get("size"), entry.get("sha256")
    if not isinstance(size, int) or size < 0 or not isinstance(sha256, str):
        return None
    return TableState(size, sha256)
