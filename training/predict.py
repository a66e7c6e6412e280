"""Predictions of a run at its best weights: from rows as they are read to columns that people read.

Legend: B rows of a batch.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Generator, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, TypeVar

import torch

from ..data import Table
from ..data.file_paths import FileFormat
from ..data.frame import Frame
from ..models import Network
from ..models.recurrent import Bidirectional, Recurrent
from ..models.replicate import Replicate
from ..records.run_folder import RunFolder
from ..specs.errors import ConfigError, quoted
from ..specs.machine_failures import FREE_SOME
from .memory import machine_failures_told
from .prediction_columns import OutputColumns, plan_columns
from .prediction_inputs import Rows, encode_rows, read_rows
from .served import ServedNetwork
from .trained_run import ROW, TrainedRun, open_trained_run

if TYPE_CHECKING:
    # Only who predicts pays for importing it.
    import polars as pl

Item = TypeVar("Item")

# What the values of a batch may take, in bytes, and its rows where that is little.
_BATCH_BYTES = 64 << 20
_MOST_ROWS = 8192
# Of a recurrence: gates, their parts and states, each as large as the states of all steps.
_RECURRENT_COPIES = 12


@dataclass(frozen=True, eq=False)
class Predictor:
    """A run that predicts. `outputs` are those that a loss trains, in the order of the losses."""

    run: TrainedRun
    network: ServedNetwork
    outputs: tuple[OutputColumns, ...]

    @cached_property
    def rows(self) -> int:
        """How many rows are predicted at once, by what the network's values take."""
        return rows_at_once(self.run.network, self.run.dtype.itemsize)

    @cached_property
    def schema(self) -> pl.Schema:
        """The columns of predictions and their types."""
        import polars as pl

        column = self.run.id_column
        names = pl.Series(column or ROW, [], dtype=pl.String if column else pl.Int64)
        shapes = self.run.network.shapes
        empty = [
            column
            for each in self.outputs
            for column in each.fill(torch.empty(0, *shapes[each.output], dtype=self.run.dtype))
        ]
        return pl.DataFrame([names, *empty]).schema

    def predict(self, frame: Frame) -> pl.DataFrame:
        """Predictions of the rows of a frame, in their order: what tells the rows apart, then every output.

        Raises DataError with file, row and column of what cannot be read.
        """
        return self.predict_rows(encode_rows(self.run, frame))

    def predict_rows(self, rows: Rows) -> pl.DataFrame:
        """Predictions of rows that are read."""
        import polars as pl

        scales = {name: scale for name, scale in self.run.scales.items() if name in rows.inputs}
        table = Table(dict(rows.inputs), {}, scales=scales).to(self.run.device)
        batch = table.batch(0, len(table), self.run.dtype)
        with torch.inference_mode():
            values = {name: each.cpu() for name, each in self.network(batch.inputs).items()}
        filled = [column for each in self.outputs for column in each.fill(values[each.output])]
        return pl.DataFrame([rows.names, *filled])

    def predict_file(
        self, file: str | BinaryIO, *, rows: int | None = None, file_format: FileFormat | None = None
    ) -> Iterator[pl.DataFrame]:
        """Predictions of a file of any length (`-` is standard input), `rows` rows at a time.

        Raises ConfigError for a file of another kind than the run can read, DataError, MachineError.
        """
        rows = rows or self.rows
        batches = read_rows(self.run, file, rows=rows, file_format=file_format)
        # Only of files: what waits for a pipe could not be interrupted.
        is_file = isinstance(file, str) and Path(file).is_file()
        fix = f"try --rows {rows // 2}, or {FREE_SOME}" if rows > 1 else FREE_SOME
        with machine_failures_told(f"predicting {rows} rows at once", fix=fix):
            for each in _ahead(batches) if is_file else batches:
                yield self.predict_rows(each)


def open_predictor(folder: RunFolder, *, device: torch.device) -> Predictor:
    """The predictor of a run, from what lies in its folder alone.

    Raises ConfigError where two columns would have one name, DataError for a damaged run, MachineError.
    """
    with machine_failures_told("opening the run"):
        run = open_trained_run(folder, device=device)
    outputs = tuple(
        plan_columns(
            plan,
            run.blueprint.schema,
            run.network.shapes[plan.output],
            run.thresholds(plan.output),
        )
        for plan in run.blueprint.metrics
    )
    counts = Counter([run.id_column or ROW, *(name for each in outputs for name in each.names)])
    twice = [name for name, count in counts.items() if count > 1]
    if twice:
        raise ConfigError(f"two columns of the predictions would be named {quoted(twice[0])}.")
    return Predictor(run, ServedNetwork(run.network, run.decisions.temperatures).eval(), outputs)


def rows_at_once(network: Network, itemsize: int) -> int:
    """As many rows as fit into 64 MB of values, and 8192 at most: the same number on every machine."""
    return max(1, min(_MOST_ROWS, _BATCH_BYTES // (itemsize * _numbers_per_row(network))))


def _numbers_per_row(network: Network) -> int:
    """About how many numbers are made of one row, inputs included."""
    total = sum(math.prod(shape) for shape in network.shapes.values())
    for node in network.graph.nodes:
        layer = network.layer(node.owner)
        if isinstance(layer, Replicate):
            total += layer.copies * _numbers_per_row(layer.network)
        elif isinstance(layer, Recurrent | Bidirectional):
            steps, _ = network.shapes[node.of[0]]
            directions = (
                (layer.forward_layer, layer.backward_layer) if isinstance(layer, Bidirectional) else (layer,)
            )
            total += sum(_RECURRENT_COPIES * steps * each.options.units for each in directions)
    return total


def _ahead(items: Iterator[Item]) -> Generator[Item]:
    """The same items, each next one being made while one is used."""
    with ThreadPoolExecutor(1) as pool:
        coming = pool.submit(next, items, None)
        while (item := coming.result()) is not None:
            coming = pool.submit(next, items, None)
            yield item
