"""Predictions in every format: the same rows, whole or not at all, and safe in a spreadsheet."""

from __future__ import annotations

import csv
import io
import json
import os
import subprocess
import sys
import threading
from pathlib import Path

import polars as pl
import pytest
from mlx_runner.records.prediction_files import (
    FORMATS,
    PredictionFormat,
    check_format,
    choose_format,
    open_predictions,
)
from mlx_runner.records.tables import read_table
from mlx_runner.specs.errors import ConfigError, MachineError

ROWS = pl.DataFrame(
    {
        "name": ["a", "b,c", None, 'q"t', "two\nlines"],
        "p": pl.Series([0.1, 1.0, 1e-20, 0.0, 0.99999994], dtype=pl.Float32),
        "p/is": pl.Series([1, 0, None, 0, 1], dtype=pl.Int8),
        "price": [0.1, -5.0, 1e16, 123456789.123, 2.5],
    }
)


def _write(
    out: Path, file_format: PredictionFormat, *batches: pl.DataFrame, schema: pl.Schema = ROWS.schema
) -> None:
    with open_predictions(out, file_format=file_format, schema=schema) as writer:
        for batch in batches:
            writer.write(batch)


def _read(path: Path, file_format: PredictionFormat, schema: pl.Schema = ROWS.schema) -> pl.DataFrame:
    match file_format:
        case "csv" | "tsv":
            separator = "\t" if file_format == "tsv" else ","
            return pl.read_csv(path, separator=separator, schema=schema)
        case "jsonl":
            lines = path.read_text("utf-8").split("\n")[:-1]
            return pl.DataFrame([json.loads(line) for line in lines], schema=schema)
        case "parquet":
            return pl.read_parquet(path)


@pytest.mark.parametrize("file_format", FORMATS)
def test_every_format_gives_the_rows_back(tmp_path: Path, file_format: PredictionFormat) -> None:
    path = tmp_path / "out"
    _write(path, file_format, ROWS[:2], ROWS[2:])
    assert _read(path, file_format).equals(ROWS)
    assert list(tmp_path.iterdir()) == [path]


def test_the_text_of_csv(tmp_path: Path) -> None:
    _write(tmp_path / "out.csv", "csv", ROWS[:4])
    assert (tmp_path / "out.csv").read_bytes() == (
        b'name,p,p/is,price\na,0.1,1,0.1\n"b,c",1.0,0,-5.0\n,1e-20,,1e+16\n"q""t",0.0,0,123456789.123\n'
    )


def test_the_text_of_json_lines(tmp_path: Path) -> None:
    _write(tmp_path / "out.jsonl", "jsonl", ROWS[1:3])
    assert (tmp_path / "out.jsonl").read_text("utf-8") == (
        '{"name":"b,c","p":1.0,"p/is":0,"price":-5.0}\n{"name":null,"p":1e-20,"p/is":null,"price":1e+16}\n'
    )


@pytest.mark.parametrize("file_format", FORMATS)
def test_numbers_that_are_not_finite_are_empty(tmp_path: Path, file_format: PredictionFormat) -> None:
    rows = pl.DataFrame({"a": [float("nan"), 1.0], "b": [float("inf"), float("-inf")]})
    _write(tmp_path / "out", file_format, rows, schema=rows.schema)
    found = _read(tmp_path / "out", file_format, rows.schema)
    assert found.equals(pl.DataFrame({"a": [None, 1.0], "b": [None, None]}, schema=rows.schema))


FORMULAS = ["=1+1", "+x", "-x", "@x", "\tx", "\rx", "\n=x", "'=x"]
PLAIN = ["-5", "+1.5e3", "x=1", "", "'x", "a@b.c"]


@pytest.mark.parametrize("file_format", ["csv", "tsv"])
def test_what_a_spreadsheet_would_run_is_made_text(tmp_path: Path, file_format: PredictionFormat) -> None:
    """As in every other table of the program, which reads the text back; a number stays one."""
    rows = pl.DataFrame({"=name": FORMULAS + PLAIN, "x": range(len(FORMULAS) + len(PLAIN))})
    _write(tmp_path / "out", file_format, rows, schema=rows.schema)
    text = (tmp_path / "out").read_bytes().decode()
    (header, *found) = csv.reader(
        io.StringIO(text, newline=""), delimiter="\t" if file_format == "tsv" else ","
    )
    assert header == ["'=name", "x"]
    assert [name for name, _ in found] == [f"'{text}" for text in FORMULAS] + PLAIN
    if file_format == "csv":
        read = read_table(tmp_path / "out", text_columns={"=name"})
        assert [row["=name"] for row in read] == FORMULAS + PLAIN


@pytest.mark.parametrize("file_format", ["jsonl", "parquet"])
def test_formats_that_no_spreadsheet_runs_keep_the_text(
    tmp_path: Path, file_format: PredictionFormat
) -> None:
    rows = pl.DataFrame({"=name": FORMULAS + PLAIN})
    _write(tmp_path / "out", file_format, rows, schema=rows.schema)
    assert _read(tmp_path / "out", file_format, rows.schema).equals(rows)


def test_parquet_of_several_parts_keeps_the_order(tmp_path: Path) -> None:
    batches = [pl.DataFrame({"row": range(first, first + 7_000)}) for first in range(0, 210_000, 7_000)]
    path = tmp_path / "out.parquet"
    _write(path, "parquet", *batches, schema=batches[0].schema)
    assert pl.read_parquet(path)["row"].to_list() == list(range(210_000))
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("file_format", FORMATS)
def test_without_rows_the_columns_are_there(tmp_path: Path, file_format: PredictionFormat) -> None:
    _write(tmp_path / "out", file_format)
    expected = {"jsonl": b"", "csv": b"name,p,p/is,price\n", "tsv": b"name\tp\tp/is\tprice\n"}
    if file_format == "parquet":
        assert pl.read_parquet(tmp_path / "out").schema == ROWS.schema
    else:
        assert (tmp_path / "out").read_bytes() == expected[file_format]


@pytest.mark.parametrize("file_format", FORMATS)
@pytest.mark.parametrize("before", [None, "old"])
def test_a_failure_on_the_way_leaves_what_was_there(
    tmp_path: Path, file_format: PredictionFormat, before: str | None
) -> None:
    path = tmp_path / "out"
    if before is not None:
        path.write_text(before)
    many = pl.concat([ROWS] * 20_000)
    with (
        pytest.raises(KeyError),
        open_predictions(path, file_format=file_format, schema=ROWS.schema) as writer,
    ):
        writer.write(many)
        raise KeyError
    assert [each.name for each in tmp_path.iterdir()] == ([] if before is None else ["out"])
    assert before is None or path.read_text() == before


_FULL = """
import random, resource, sys
from pathlib import Path
import polars as pl
from mlx_runner.records.prediction_files import open_predictions
from mlx_runner.specs.errors import MachineError

limit = int(sys.argv[3])
resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
rows = pl.DataFrame({"x": [random.random() for _ in range(70_000)]})
try:
    with open_predictions(Path(sys.argv[1]), file_format=sys.argv[2], schema=rows.schema) as writer:
        writer.write(rows)
        writer.write(rows)
except MachineError as error:
    print(error)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="no limits on file sizes")
@pytest.mark.parametrize(
    ("file_format", "limit"),
    [*((each, 100_000) for each in FORMATS), ("parquet", 650_000)],
    ids=[*FORMATS, "parquet whose parts fit"],
)
def test_a_disk_that_is_full(tmp_path: Path, file_format: PredictionFormat, limit: int) -> None:
    path = tmp_path / "out"
    path.write_text("old")
    command = [sys.executable, "-c", _FULL, str(path), file_format, str(limit)]
    finished = subprocess.run(command, capture_output=True, text=True, check=True)
    assert finished.stdout == f"cannot write '{path}': the file would be larger than this system allows.\n"
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_a_folder_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(MachineError, match="its folder does not exist"):
        _write(tmp_path / "gone" / "out.csv", "csv")


def test_a_folder_is_no_file(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="is a folder; name a file in it"):
        _write(tmp_path, "csv")


def test_a_link_stays_one(tmp_path: Path) -> None:
    (tmp_path / "real.csv").write_text("old")
    (tmp_path / "link.csv").symlink_to("real.csv")
    _write(tmp_path / "link.csv", "csv", ROWS[:1])
    assert (tmp_path / "link.csv").is_symlink()
    assert (tmp_path / "real.csv").read_text() == "name,p,p/is,price\na,0.1,1,0.1\n"


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no named pipes")
@pytest.mark.parametrize("file_format", FORMATS)
def test_a_named_pipe_is_written_to(tmp_path: Path, file_format: PredictionFormat) -> None:
    path, read = tmp_path / "pipe", list[bytes]()
    os.mkfifo(path)
    reader = threading.Thread(target=lambda: read.append(path.read_bytes()))
    reader.start()
    _write(path, file_format, ROWS)
    reader.join()
    (tmp_path / "copy").write_bytes(read[0])
    assert _read(tmp_path / "copy", file_format).equals(ROWS)
    assert path.is_fifo()


def test_a_pipe_gets_every_batch_at_once_and_its_end_is_told() -> None:
    class Pipe:
        sent: list[bytes]

        def __init__(self) -> None:
            self.sent = []

        def write(self, data: bytes, /) -> None:
            if len(self.sent) == 2:
                raise BrokenPipeError
            self.sent.append(data)

    pipe = Pipe()
    with (
        pytest.raises(BrokenPipeError),
        open_predictions(pipe, file_format="csv", schema=ROWS.schema) as writer,
    ):
        for _ in range(3):
            writer.write(ROWS[:1])
    assert pipe.sent == [b"name,p,p/is,price\na,0.1,1,0.1\n", b"a,0.1,1,0.1\n"]


@pytest.mark.parametrize(
    ("out", "given", "found"),
    [
        (None, None, "csv"),
        (None, "jsonl", "jsonl"),
        ("out.parquet", None, "parquet"),
        ("out.CSV", None, "csv"),
        ("out.ndjson", None, "jsonl"),
        ("out.txt", "tsv", "tsv"),
        ("out.csv", "parquet", "parquet"),
    ],
)
def test_the_format_that_is_meant(out: str | None, given: str | None, found: str) -> None:
    assert choose_format(None if out is None else Path(out), given) == found


@pytest.mark.parametrize(
    ("out", "given", "sentence"),
    [
        (None, "parquet", "Parquet cannot be written to a pipe; name a file with --out."),
        (
            "out.txt",
            None,
            "'out.txt' does not end in a format's name; say it by --format: csv, tsv, jsonl, parquet.",
        ),
        (
            None,
            "parkett",
            "--format: no format named 'parkett'; did you mean 'parquet'? Formats: csv, tsv, jsonl, parquet.",
        ),
    ],
)
def test_formats_that_cannot_be_meant(out: str | None, given: str | None, sentence: str) -> None:
    with pytest.raises(ConfigError) as caught:
        choose_format(None if out is None else Path(out), given)
    assert str(caught.value) == sentence


def test_the_format_of_an_option() -> None:
    assert check_format(None, "--input-format") is None
    assert check_format("tsv", "--input-format") == "tsv"
    with pytest.raises(ConfigError, match="--input-format: no format named 'xls'"):
        check_format("xls", "--input-format")
