"""Bad tables through `mlx train`: one clear message with its place, exit code 3, and nothing left behind."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

Mlx = Callable[..., tuple[int, str, str]]

CONFIG = """\
name: people
data:
  source: table
  path: people.csv
  validation_split: 0.0
  test_split: 0.25
  split: {type: last}
  inputs:
    age: {type: numeric, columns: age}
    city: {type: categorical, column: city}
    born: {type: datetime, column: born, format: "%Y-%m-%d"}
  targets:
    tags: {type: multilabel, column: tags, labels: [red, round]}
    spent: {type: regression, columns: spent}
model:
  inputs: [age, city, born]
  layers:
    joined: {type: concatenate, of: [age, city, born]}
    tags: {type: dense, units: 2, activation: sigmoid}
    spent: {type: dense, of: joined, units: 1}
  outputs: [tags, spent]
losses:
  tags: {type: binary_crossentropy, output: tags, target: tags}
  spent: {type: mean_squared_error, output: spent, target: spent}
training: {epochs: 1, batch_size: 4}
"""

HEADER = "age,city,born,tags,spent"
ROWS = [
    "31,Bonn,1990-01-02,red,1.5",
    "52,Ulm,1970-03-04,red;round,2.5",
    "47,Bonn,1975-05-06,,3.5",
    "23,Ulm,1999-07-08,round,4.5",
    "64,Bonn,1958-09-10,red,5.5",
    "18,Ulm,2004-11-12,round,6.5",
    "35,Bonn,1987-01-14,red,7.5",
    "41,Ulm,1981-03-16,red;round,8.5",
]


def _table(*, header: str = HEADER, **changed: str) -> bytes:
    """The table with other rows: `row_3="..."` is the third."""
    rows = [changed.get(f"row_{number}", row) for number, row in enumerate(ROWS, start=1)]
    return "\n".join([header, *rows, ""]).encode()


def _column(index: int, cell: str) -> bytes:
    """The table with the same cell in every row of a column."""
    rows = [row.split(",") for row in ROWS]
    return "\n".join(
        [HEADER, *(",".join([*row[:index], cell, *row[index + 1 :]]) for row in rows), ""]
    ).encode()


CASES: dict[str, tuple[bytes, list[str]]] = {
    "missing column": (
        _table(header="age,town,born,tags,spent"),
        ["people.yaml:10:39: data.inputs.city.column: no column named 'city'. Columns: age, town, born"],
    ),
    "text in a numeric column": (
        _table(row_2="old,Ulm,1970-03-04,red,2.5"),
        ["people.yaml:9:5: data.inputs.age: column 'age', people.csv, row 2: 'old' is not a number; "],
    ),
    "an unseen category": (
        _table(row_8="41,Rom,1981-03-16,red,8.5"),
        ["people.yaml:10:5: data.inputs.city: column 'city', people.csv, row 8: 'Rom' "],
    ),
    "a label outside the list": (
        _table(row_4="23,Ulm,1999-07-08,rund,4.5"),
        ["people.yaml:13:5: data.targets.tags: column 'tags', people.csv, row 4: 'rund' "],
    ),
    "an empty file": (b"", ["people.csv"]),
    "a header only": (HEADER.encode() + b"\n", ["people.csv"]),
    "mixed dates": (
        _table(row_5="64,Bonn,10.09.1958,red,5.5"),
        ["people.yaml:11:5: data.inputs.born: column 'born', people.csv, row 5: '10.09.1958' "],
    ),
    "wrong encoding": (
        _table(row_6="18,K\u00f6ln,2004-11-12,round,6.5").decode().encode("latin-1"),
        ["people.csv: byte 0xf6 at offset 167 is not UTF-8; say data.encoding, such as cp1252"],
    ),
    "duplicate columns": (_table(header="age,city,born,tags,age"), ["people.csv", "'age'"]),
    "too many cells": (_table(row_3="47,Bonn,1975-05-06,red,3.5,9"), ["people.csv", "row 3"]),
    "all labels missing": (
        _column(4, ""),
        ["people.yaml:14:5: data.targets.spent: every cell of column 'spent' is empty in the training rows."],
    ),
    "a constant target": (
        _column(4, "3"),
        ["people.yaml:14:5: data.targets.spent: every cell of column 'spent' is 3 in the training rows"],
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_a_bad_table(mlx: Mlx, tmp_path: Path, case: str) -> None:
    table, expected = CASES[case]
    (tmp_path / "people.yaml").write_text(CONFIG, "utf-8")
    (tmp_path / "people.csv").write_bytes(table)
    code, out, err = mlx("train", "people.yaml", folder=tmp_path)
    assert (code, out) == (3, "")
    assert err.startswith("mlx: ")
    assert err.count("\n") == 1
    for words in expected:
        assert words in err
    assert sorted(path.name for path in tmp_path.iterdir()) == ["people.csv", "people.yaml"]


def test_the_good_table_trains_and_a_constant_input_is_a_note(mlx: Mlx, tmp_path: Path) -> None:
    (tmp_path / "people.yaml").write_text(CONFIG, "utf-8")
    (tmp_path / "people.csv").write_bytes(_column(0, "40"))
    code, _, err = mlx("train", "people.yaml", folder=tmp_path)
    assert code == 0
    assert "age: constant in the training rows" in err
    assert "tags: 1 of 6 cells is empty; masked" in err
