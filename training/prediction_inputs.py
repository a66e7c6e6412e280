"""The rows that are predicted: of a table, prepared as in training, or of NumPy arrays named as the inputs.

Legend: B rows of a batch.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from torch import Tensor

from ..data import Preparation
from ..data.encoder import Encoder
from ..data.file_paths import FORMATS, FileFormat
from ..data.frame import Frame
from ..specs.errors import ConfigError, DataError, Problem
from ..specs.files import TableFiles
from .trained_run import ROW, TrainedRun

if TYPE_CHECKING:
    # Only who predicts pays for importing it.
    import polars as pl


@dataclass(frozen=True, eq=False)
class Rows:
    """`inputs` (B, ...) as they are read, not yet cast or scaled; `names` (B) tell the rows apart."""

    names: pl.Series
    inputs: Mapping[str, Tensor]


def read_rows(
    run: TrainedRun, file: str | BinaryIO, *, rows: int, file_format: FileFormat | None = None
) -> Iterator[Rows]:
    """The rows of a file, `rows` at a time, fewer in the last; `-` is standard input.

    Raises ConfigError for a file of another kind than the run can read, DataError with file, row and column
    for what cannot be read, MachineError.
    """
    data = run.experiment.data
    if isinstance(data, TableFiles):
        return _table_rows(run, data, file, rows, file_format)
    if file_format is not None:
        raise ConfigError(f"--input-format is for tables, and this run's source is {data.source!r}.")
    from .prediction_arrays import array_rows

    return array_rows(run, file, rows=rows)


def encode_rows(run: TrainedRun, frame: Frame) -> Rows:
    """The rows of a frame. Raises DataError with all that cannot be read of them."""
    preparation, data = run.preparation, run.experiment.data
    assert preparation is not None and isinstance(data, TableFiles), "only a run of a table reads frames"
    problems: list[Problem] = []
    inputs: dict[str, Tensor] = {}
    for name in run.inputs:
        try:
            inputs[name] = _encoder(preparation, name).encode(frame).values
        except DataError as error:
            problems += error.problems
    if problems:
        raise DataError(problems)
    return Rows(_row_names(data, frame), inputs)


def _table_rows(
    run: TrainedRun, data: TableFiles, file: str | BinaryIO, rows: int, file_format: FileFormat | None
) -> Iterator[Rows]:
    from ..data.table_files import STANDARD_INPUT, stream_frames

    if isinstance(file, str) and file != STANDARD_INPUT and Path(file).is_dir():
        raise ConfigError(f"'{file}' is a folder; name a file in it.")
    preparation = run.preparation
    assert preparation is not None, "a run of a table has a preparation"
    columns = [column for name in run.inputs for column in preparation.inputs[name].columns]
    columns += [] if data.id is None else [data.id]
    frames = stream_frames(
        file, _for_format(data, file, file_format), columns, rows=rows, file_format=file_format
    )
    for frame in frames:
        yield encode_rows(run, frame)


def _for_format(data: TableFiles, file: str | BinaryIO, file_format: FileFormat | None) -> TableFiles:
    """What tabs separate has them between its cells, whatever the run's own table has."""
    own = FORMATS.get(Path(data.path).suffix.lower()) if data.format == "auto" else data.format
    given = file_format or (FORMATS.get(Path(file).suffix.lower()) if isinstance(file, str) else None)
    return data.model_copy(update={"separator": None}) if given == "tsv" and own != "tsv" else data


def _encoder(preparation: Preparation, name: str) -> Encoder:
    encoder = preparation.inputs[name]
    if getattr(encoder, "type", None) != "image":
        return encoder
    from ..data.image_columns import ImageColumn

    assert isinstance(encoder, ImageColumn)
    # Images that are looked at once need not be kept.
    return encoder.model_copy(update={"keep": False})


def _row_names(data: TableFiles, frame: Frame) -> pl.Series:
    import polars as pl

    if data.id is None:
        return pl.Series(ROW, frame.numbers)
    # As text in every format, so that those of a CSV file are those of a Parquet file.
    return frame.data[data.id].cast(pl.String)
