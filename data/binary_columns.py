"""Owns the type `binary`: a column of yes or no, as an input or as a target.

Legend: N rows.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ..specs.columns import Bare, Binary
from ..specs.errors import quoted
from . import table
from .categories import distinct_texts, guess, sort_categories
from .cells import MOST_SHOWN, CellReader, empty_notes
from .encoder import Encoded
from .fitted import FittedInput, FittedTarget, input_path, target_path
from .frame import Frame

_TRUE = ("1", "1.0", "true", "yes")
_FALSE = ("0", "0.0", "false", "no")
_FIX = "correct it, or say by positive which text is 1"


class BinaryInput(FittedInput):
    """(N, 1) float32: 1 for yes, 0 for no, 0.5 for an empty cell."""

    type: Literal["binary"] = "binary"
    column: str
    positive: Bare | None
    negative: Bare | None

    @property
    def columns(self) -> tuple[str, ...]:
        """The column that is read."""
        return (self.column,)

    @property
    def field(self) -> table.Field:
        """One number, labelled by the column."""
        return table.Field(shape=(1,), kind="numbers", labels=(self.column,))

    def encode(self, frame: Frame) -> Encoded:
        """The rows of a frame. Raises DataError."""
        return Encoded(_read(self, frame).nan_to_num(nan=0.5))


class BinaryTarget(FittedTarget):
    """(N, 1) float32: 1 for yes, 0 for no; an empty cell is 0 and not observed."""

    type: Literal["binary"] = "binary"
    column: str
    positive: Bare | None
    negative: Bare | None

    @property
    def columns(self) -> tuple[str, ...]:
        """The column that is read."""
        return (self.column,)

    @property
    def field(self) -> table.Field:
        """One label, named after the column."""
        return table.Field(shape=(1,), kind="binary", labels=(self.column,))

    def encode(self, frame: Frame) -> Encoded:
        """The rows of a frame. Raises DataError."""
        return Encoded.masked(_read(self, frame))

    def decode(self, values: Tensor) -> Mapping[str, Tensor]:
        """Values (..., 1), such as probabilities, by column: (...)."""
        return {self.column: values.squeeze(-1)}


def _read(encoder: BinaryInput | BinaryTarget, frame: Frame) -> Tensor:
    """The column of an encoder, (N, 1) float32, NaN where a cell is empty. Raises DataError."""
    reader = CellReader(frame, encoder.path)
    given = {"positive": encoder.positive, "negative": encoder.negative}
    values = read_yes_no(reader, encoder.column, **given, fix=_FIX)
    reader.finish()
    return torch.from_numpy(values[:, None])


def fit_binary_input(spec: Binary, frame: Frame, *, name: str) -> BinaryInput:
    """Check the training rows of an input. Raises DataError."""
    notes = _check(spec, CellReader(frame, input_path(name)), treatment="read as 0.5")
    return BinaryInput(
        name=name, column=spec.column, positive=spec.positive, negative=spec.negative, notes=notes
    )


def fit_binary_target(spec: Binary, frame: Frame, *, name: str) -> BinaryTarget:
    """Check the training rows of a target. Raises DataError."""
    notes = _check(spec, CellReader(frame, target_path(name)), treatment="masked")
    return BinaryTarget(
        name=name, column=spec.column, positive=spec.positive, negative=spec.negative, notes=notes
    )


def read_yes_no(
    reader: CellReader, column: str, *, positive: str | None = None, negative: str | None = None, fix: str
) -> NDArray[np.float32]:
    """A column's cells (N) as 1 or 0, NaN where they are empty; others are noted in `reader`.

    Without `positive` those of 0 and 1, true and false, yes and no in any case are read.
    """
    cells = reader.texts(column)
    if positive is None:
        lower = cells.str.to_lowercase()
        yes, no = lower.is_in(_TRUE), lower.is_in(_FALSE)
        what = "is neither 0 nor 1, true nor false, yes nor no"
    else:
        yes = cells == positive
        no = cells == negative if negative is not None else cells != positive
        what = f"is neither {quoted(positive)} (positive) nor {quoted(negative or '')} (negative)"
    empty = cells.is_null().to_numpy()
    is_yes, is_no = (each.fill_null(False).to_numpy() for each in (yes, no))
    reader.reject(column, ~(empty | is_yes | is_no), what=what, fix=fix)
    return np.where(is_yes, np.float32(1.0), np.where(is_no, np.float32(0.0), np.float32(np.nan)))


def label_notes(column: str, values: NDArray[np.float32], treatment: str) -> tuple[str, ...]:
    """What is to be noted about 1 and 0 (N, NaN where empty): empty cells, and that all others agree."""
    seen = values[~np.isnan(values)]
    constant = f"{column}: every label of the training rows is {seen[0]:g}" if len(seen) else ""
    agree = (constant,) if len(seen) and seen.min() == seen.max() else ()
    return (*empty_notes(column, len(values) - len(seen), len(values), treatment), *agree)


def _check(spec: Binary, reader: CellReader, *, treatment: str) -> tuple[str, ...]:
    """What is to be noted about the training rows. Raises DataError."""
    values = read_yes_no(reader, spec.column, positive=spec.positive, negative=spec.negative, fix=_FIX)
    reader.finish()
    if np.isnan(values).all():
        reader.reject_column(f"every cell of column {quoted(spec.column)} is empty in the training rows.")
    elif spec.positive is not None and spec.negative is None and not (values == 1.0).any():
        # With `negative` every cell is accounted for; without it a misspelt `positive` makes all of them 0.
        texts = sort_categories(distinct_texts(reader.texts(spec.column)))
        shown = ", ".join(quoted(text) for text in texts[:MOST_SHOWN])
        more = f" and {len(texts) - MOST_SHOWN} more" if len(texts) > MOST_SHOWN else ""
        absent = f"no training row of column {quoted(spec.column)} is {quoted(spec.positive)}"
        fix = f"set positive to one of its values, which are {shown}{more}"
        reader.reject_column(f"{absent}; {guess(spec.positive, texts, fix)}.")
    reader.finish()
    return label_notes(spec.column, values, treatment)
