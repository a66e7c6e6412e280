"""Tables: what is written comes back, spreadsheets find no formulas, appending keeps earlier bytes."""

from __future__ import annotations

import csv
import math
import tempfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from mlx_runner.records.tables import Cell, append_rows, count_rows, read_table, table_columns, write_table
from mlx_runner.specs.errors import DataError

_NUMBERS = (
    st.none() | st.integers(-(10**30), 10**30) | st.floats(allow_nan=False, allow_infinity=False, width=32)
)


def _as_written(value: Cell) -> Cell:
    return float(f"{value:.9g}") if isinstance(value, float) else value


@given(st.lists(st.tuples(_NUMBERS, st.text()), max_size=8), st.text())
def test_round_trip(rows: list[tuple[Cell, str]], name: str) -> None:
    columns = ["value", f"name {name}"]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "table.csv"
        write_table(path, [dict(zip(columns, row, strict=True)) for row in rows], columns=columns)
        back = read_table(path, text_columns=columns[1:])
        assert table_columns(path) == columns
        assert count_rows(path) == len(rows)
    assert [tuple(row.values()) for row in back] == [(_as_written(value), text) for value, text in rows]
    assert [type(row["value"]) for row in back] == [type(value) for value, _ in rows]


@given(st.text(alphabet="=+-@\t\r\n'\"a1", min_size=1))
def test_no_text_begins_a_formula(text: str) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "table.csv"
        write_table(path, [{text: text}], columns=[text])
        with path.open(newline="") as file:
            cells = [cell for row in csv.reader(file) for cell in row]
        assert read_table(path, text_columns=[text]) == [{text: text}]
    assert len(cells) == 2
    assert not any(cell[0] in "=+-@\t\r\n" for cell in cells)


def test_the_text_of_a_table(tmp_path: Path) -> None:
    path = tmp_path / "table.csv"
    rows: list[dict[str, Cell]] = [
        {"label": "=HYPERLINK(1)", "f1": -0.5, "support": -3},
        {"label": "a,b", "f1": math.nan, "support": None},
        {"label": "7", "f1": math.inf},
    ]
    write_table(path, rows, columns=["label", "f1", "support"])
    assert path.read_bytes() == b'label,f1,support\n\'=HYPERLINK(1),-0.5,-3\n"a,b",,\n7,,\n'
    assert read_table(path, text_columns=["label"])[2] == {"label": "7", "f1": None, "support": None}
    assert read_table(path)[2]["label"] == 7


def test_appending_keeps_the_earlier_bytes(tmp_path: Path) -> None:
    path = tmp_path / "table.csv"
    append_rows(path, [{"epoch": 1, "loss": 0.25}])
    first = path.read_bytes()
    append_rows(path, [{"loss": None, "epoch": 2}])
    assert path.read_bytes() == first + b"2,\n"
    with pytest.raises(AssertionError, match="accuracy"):
        append_rows(path, [{"epoch": 3, "accuracy": 0.5}])
    assert path.read_bytes() == first + b"2,\n"


def test_a_single_empty_cell_is_still_a_row(tmp_path: Path) -> None:
    path = tmp_path / "table.csv"
    write_table(path, [{"a": None}, {"a": 1}], columns=["a"])
    assert read_table(path) == [{"a": None}, {"a": 1}]


def test_no_file_is_no_rows(tmp_path: Path) -> None:
    assert read_table(tmp_path / "absent.csv") == []
    assert table_columns(tmp_path / "absent.csv") == []


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        (b"a,b\n1\n", "row 1 has 1 cells where the header names 2"),
        (b'a,b\n1,"2', "unexpected end of data"),
        (b"", "no header"),
        (b"a\n\xff\n", "not UTF-8"),
    ],
)
def test_damage_is_told(tmp_path: Path, content: bytes, complaint: str) -> None:
    path = tmp_path / "table.csv"
    path.write_bytes(content)
    with pytest.raises(DataError, match=complaint) as caught:
        read_table(path)
    assert str(path) in str(caught.value)


def test_counting_finds_the_damage_that_reading_finds(tmp_path: Path) -> None:
    path = tmp_path / "table.csv"
    assert count_rows(path) == 0
    for text in ("", "a,b\n1,2\n3\n", 'a\n"b'):
        path.write_text(text, "utf-8")
        with pytest.raises(DataError) as counted:
            count_rows(path)
        with pytest.raises(DataError) as read:
            read_table(path)
        assert str(counted.value) == str(read.value)
