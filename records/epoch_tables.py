"""The tables that grow by the epoch: what they hold now, and cutting them back to a checkpoint."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

from ..specs.errors import DataError
from .atomic import read_bytes, remove_file, write_bytes

EPOCH_TABLES = ("metrics.csv", "ledger.csv", "gradients.csv", "timings.csv")


@dataclass(frozen=True)
class TableState:
    """A table's first bytes, as many as it had, and their SHA-256."""

    size: int
    sha256: str

    def document(self) -> dict[str, object]:
        """The state as plain JSON values."""
        return asdict(self)


def table_states(folder: Path) -> dict[str, TableState]:
    """The state of every table that has begun, by file name. Raises MachineError."""
    found = {name: read_bytes(folder / name) for name in EPOCH_TABLES}
    return {name: _state(data) for name, data in found.items() if data is not None}


def check_tables(folder: Path, states: Mapping[str, TableState]) -> None:
    """Raises DataError where a table does not begin with what it held: that cannot be written anew."""
    for name, state in states.items():
        data = read_bytes(folder / name) or b""
        if _state(data[: state.size]) != state:
            raise DataError(f"'{folder / name}' is damaged: its first {state.size} bytes have changed.")


def cut_tables(folder: Path, states: Mapping[str, TableState]) -> None:
    """Bring the tables back to what they were, so that a resumed run writes no epoch twice."""
    for name in EPOCH_TABLES:
        path, data = folder / name, read_bytes(folder / name)
        size = states[name].size if name in states else 0
        if data is None or len(data) == size:
            continue
        if size > 0:
            # Rewritten, not truncated: whoever has the table open keeps what was in it.
            write_bytes(path, data[:size])
            continue
        remove_file(path)


def _state(data: bytes) -> TableState:
    return TableState(len(data), hashlib.sha256(data).hexdigest())
