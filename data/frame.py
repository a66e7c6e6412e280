"""Rows of a user's table as they were read, and where each of them stands."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    # Only a config with a table of its own pays for importing it.
    import polars as pl


@dataclass(frozen=True, eq=False)
class Frame:
    """N rows: columns of text or numbers, an empty cell being null.

    Row i is row `numbers[i]` (counted from 1, a header line being none) of the file
    `files[file_index[i]]`; both are int64 (N).
    """

    data: pl.DataFrame
    files: tuple[str, ...]
    file_index: NDArray[np.int64]
    numbers: NDArray[np.int64]

    @classmethod
    def of_file(cls, data: pl.DataFrame, file: str, *, first: int = 1) -> Frame:
        """Consecutive rows of one file, from row `first` on."""
        numbers: NDArray[np.int64] = np.arange(first, first + data.height, dtype=np.int64)
        return cls(data, (file,), np.zeros(data.height, dtype=np.int64), numbers)

    def __len__(self) -> int:
        return self.data.height

    def where(self, row: int) -> str:
        """The place of a row, counted from 0, as messages name it: `tweets.csv, row 17`."""
        return f"{self.files[self.file_index[row]]}, row {self.numbers[row]}"

    def take(self, rows: NDArray[np.int64]) -> Frame:
        """Some rows in the order of `rows` (counted from 0), each with its place."""
        return Frame(self.data[rows], self.files, self.file_index[rows], self.numbers[rows])
