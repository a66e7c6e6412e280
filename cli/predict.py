"""`mlx predict`: a run's predictions for the rows of a file, as a table."""

from __future__ import annotations

import re
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from .plain_text import plain

if TYPE_CHECKING:
    # Not at run time: `mlx --help` imports neither.
    import polars as pl

    from ..records.prediction_files import PredictionFormat
    from ..training.predict import Predictor

_STANDARD = "-"
_SHOWN_EVERY_SECONDS = 0.5


def predict(
    run: Annotated[str, typer.Argument(metavar="RUN", help="A run: its name, `latest`, or a path.")],
    file: Annotated[
        str,
        typer.Argument(metavar="FILE", help="CSV, TSV, JSON lines, Parquet or .npz; `-`: standard input."),
    ],
    out: Annotated[
        str | None, typer.Option("--out", "-o", metavar="OUT", help="Instead of standard output (`-`).")
    ] = None,
    output_format: Annotated[
        str | None,
        typer.Option("--format", metavar="csv|tsv|jsonl|parquet", help="Instead of OUT's ending; else CSV."),
    ] = None,
    input_format: Annotated[
        str | None, typer.Option(metavar="csv|tsv|jsonl|parquet", help="Instead of FILE's ending.")
    ] = None,
    rows: Annotated[
        int | None, typer.Option(min=1, max=10_000_000, metavar="N", help="Rows predicted at once.")
    ] = None,
    device: Annotated[str, typer.Option(metavar="auto|cpu|cuda[:N]", help="Where to compute.")] = "auto",
    runs: Annotated[Path, typer.Option(metavar="DIR", help="The folder with run folders.")] = Path("runs"),
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Nothing on stderr but errors.")] = False,
    json: Annotated[bool, typer.Option("--json", help="Print one JSON document and nothing else.")] = False,
) -> None:
    """Predict every row of a file with the best weights of a run, from its folder alone.

    Labels get a probability and a decision, classes a name and probabilities, numbers the table's own units.

    [dim]Exit codes: 0 done, 2 config or usage, 3 data, 6 machine, 130 interrupted.[/dim]
    """
    from .failures import reported_failures

    with reported_failures(json=json):
        from ..records.listing import find_run
        from ..records.prediction_files import check_format, choose_format
        from ..specs.errors import ConfigError

        target = None if out in (None, _STANDARD) else Path(out)
        if json and target is None:
            raise ConfigError("--json needs --out: without it the predictions go to standard output.")
        file_format = choose_format(target, output_format)
        read_format = check_format(input_format, "--input-format")
        _check_apart(file, target)
        folder = find_run(runs, run)
        # After the arguments, so that a mistake in them is told at once: this imports torch.
        from ..training.devices import choose_device
        from ..training.predict import open_predictor

        predictor = open_predictor(folder, device=choose_device(device))
        batches = predictor.predict_file(file, rows=rows, file_format=read_format)
        job = _Job(predictor, target, file_format, quiet=quiet)
        job.run(batches)
        if json:
            from ..records.numbers import to_json

            sys.stdout.write(to_json({"run": str(folder.path), "file": file, **job.document()}))


def _check_apart(file: str, out: Path | None) -> None:
    from ..specs.errors import ConfigError

    if out is not None and file != _STANDARD and out.exists() and out.is_file() and out.samefile(file):
        raise ConfigError(f"'{out}' is the file that is read; name another with --out.")


class _Job:
    """Predictions on their way to a file or to standard output, and what is told of them on stderr."""

    def __init__(
        self, predictor: Predictor, out: Path | None, file_format: PredictionFormat, *, quiet: bool
    ) -> None:
        self.predictor = predictor
        self.out = out
        self.file_format: PredictionFormat = file_format
        self.shows_progress = not quiet and out is not None and sys.stderr.isatty()
        self.quiet = quiet
        self.num_rows = 0
        self.started = self.shown = time.perf_counter()

    def run(self, batches: Iterator[pl.DataFrame]) -> None:
        """Write all batches. Raises ReaderGone where nobody reads them any more."""
        from ..records.prediction_files import open_predictions

        self.started = time.perf_counter()
        target = _StandardOutput() if self.out is None else self.out
        schema = self.predictor.schema
        with open_predictions(target, file_format=self.file_format, schema=schema) as writer:
            for batch in batches:
                writer.write(batch)
                self.num_rows += len(batch)
                self._show()
        self._tell()

    @property
    def seconds(self) -> float:
        """Since the first row was asked for."""
        return time.perf_counter() - self.started

    def document(self) -> dict[str, object]:
        """What became of the rows, as JSON values."""
        seconds = self.seconds
        return {
            "out": str(self.out),
            "format": self.file_format,
            "columns": self.predictor.schema.names(),
            "rows": self.num_rows,
            "seconds": seconds,
            "rows_per_second": self.num_rows / seconds,
        }

    def _show(self) -> None:
        now = time.perf_counter()
        if self.shows_progress and now - self.shown > _SHOWN_EVERY_SECONDS:
            self.shown = now
            sys.stderr.write(f"\r{self.num_rows:,} rows")
            sys.stderr.flush()

    def _tell(self) -> None:
        if self.quiet:
            return
        where = "" if self.out is None else plain(f", written to {self.out}")
        start = "\r" if self.shows_progress else ""
        rate = self.num_rows / self.seconds
        sys.stderr.write(
            f"{start}{self.num_rows:,} rows in {self.seconds:.1f} s, {rate:,.0f} rows/s{where}\n"
        )


class _StandardOutput:
    """Standard output for bytes, each batch sent on at once; a terminal gets nothing that it would obey."""

    def write(self, data: bytes, /) -> None:
        """Raises ReaderGone where nobody reads any more, MachineError for what else the system says."""
        from .streams import write_bytes

        if sys.stdout.isatty():
            # Tabs and line feeds are what separates cells and rows.
            parts = re.split("([\t\n])", data.decode("utf-8"))
            data = "".join(each if each in ("\t", "\n") else plain(each) for each in parts).encode("utf-8")
        write_bytes(data)
