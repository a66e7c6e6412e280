"""The source `table`: from files to tensors, learned from the training rows and from them alone."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
import torch
from mlx_runner.data import load_preparation, open_source
from mlx_runner.data.table_source import open_rows
from mlx_runner.specs.errors import DataError
from mlx_runner.specs.files import TableFiles

COLUMNS: dict[str, Any] = {
    "inputs": {
        "numbers": {"type": "numeric", "columns": ["a", "b"]},
        "kind": {"type": "categorical", "column": "kind"},
    },
    "targets": {"y": {"type": "regression", "columns": "y"}},
}


def _spec(folder: Path, text: str, **changes: Any) -> TableFiles:
    (folder / "rows.csv").write_text(text, "utf-8")
    document = {"source": "table", "path": str(folder / "rows.csv"), **COLUMNS, **changes}
    return TableFiles.model_validate(document)


def _rows(count: int) -> str:
    lines = ["a,b,kind,y,w"]
    lines += [f"{index},{index * index},{'xyz'[index % 3]},{index / 2},{index % 4}" for index in range(count)]
    return "\n".join(lines) + "\n"


def test_scales_are_those_of_the_training_rows(tmp_path: Path) -> None:
    spec = _spec(tmp_path, _rows(20), validation_split=0.25, test_split=0.25, split={"type": "last"})
    splits = open_source(spec).build()
    assert splits.validation is not None
    assert splits.test is not None
    assert [len(splits.train), len(splits.validation), len(splits.test)] == [10, 5, 5]
    raw = np.array([[index, index * index] for index in range(20)], dtype=np.float64)
    scaled = (raw - raw[:10].mean(0)) / raw[:10].std(0)
    for table, rows in (
        (splits.train, scaled[:10]),
        (splits.validation, scaled[10:15]),
        (splits.test, scaled[15:]),
    ):
        np.testing.assert_allclose(table.inputs["numbers"].numpy(), rows, rtol=1e-6, atol=1e-6)
    y = np.arange(20) / 2
    expected = (y[15:] - y[:10].mean()) / y[:10].std()
    np.testing.assert_allclose(splits.test.targets["y"][:, 0].numpy(), expected, rtol=1e-6)


def test_a_kept_preparation_encodes_the_same_and_learns_nothing(tmp_path: Path) -> None:
    spec = _spec(tmp_path, _rows(30), test_split=0.2)
    source = open_source(spec)
    assert source.preparation is not None
    document = json.loads(json.dumps(source.preparation.document(), allow_nan=False))
    again = open_source(spec, preparation=load_preparation(document)).build()
    assert again.fingerprint == source.build().fingerprint
    assert again.schema == source.schema
    (tmp_path / "others.csv").write_text("kind,y,b,a\nx,1,4,2\n", "utf-8")
    rows = open_rows(spec, str(tmp_path / "others.csv"), load_preparation(document)).build()
    train = source.build().train
    original = open_source(spec, preparation=load_preparation(document)).build()
    assert rows.test is not None
    # The row a = 2 of the table, wherever the split has put it.
    tables = [original.train, original.validation, original.test]
    everything = torch.cat([each.inputs["numbers"] for each in tables if each is not None])
    assert bool((everything == rows.test.inputs["numbers"]).all(dim=1).any())
    assert train.inputs["kind"].shape[1:] == rows.test.inputs["kind"].shape[1:]


def test_files_of_their_own_take_the_place_of_fractions(tmp_path: Path) -> None:
    (tmp_path / "test.csv").write_text(_rows(7), "utf-8")
    spec = _spec(tmp_path, _rows(30), test_path=str(tmp_path / "test.csv"), validation_split=0.0)
    splits = open_source(spec).build()
    assert splits.validation is None
    assert splits.test is not None
    assert [len(splits.train), len(splits.test)] == [30, 7]


def test_sample_weights_and_masks(tmp_path: Path) -> None:
    text = "a,b,kind,y,w\n1,2,x,,1\n3,4,y,5,0.5\n5,6,x,7,2\n"
    spec = _spec(tmp_path, text, validation_split=0.0, sample_weights={"weight": "w"})
    source = open_source(spec)
    assert source.schema.weights == {"weight"}
    train = source.build().train
    assert train.weights["weight"].tolist() == [1.0, 0.5, 2.0]
    assert train.masks["y"].tolist() == [[False], [True], [True]]
    assert any("y: 1 of 3 cells is empty; masked" in note for note in source.build().notes)


@pytest.mark.parametrize(
    ("text", "changes", "messages"),
    [
        (
            _rows(5).replace("kind", "sort", 1),
            {"sample_weights": {"weight": "v"}},
            [
                "data.inputs.kind.column: no column named 'kind'. Columns: a, b, sort, y, w.",
                "data.sample_weights.weight: no column named 'v'. Columns: a, b, sort, y, w.",
            ],
        ),
        (
            _rows(5).replace("3,9", "three,9").replace(",2.0,", ",two,"),
            {"validation_split": 0.0},
            [
                "data.inputs.numbers: column 'a', {file}, row 4: 'three' is not a number",
                "data.targets.y: column 'y', {file}, row 5: 'two' is not a number",
            ],
        ),
        (
            _rows(5),
            {
                "validation_split": 0.0,
                "sample_weights": {"weight": "a"},
                "targets": {},
                "inputs": {"numbers": {"type": "numeric", "columns": "b"}},
                "path": "nowhere/*.csv",
            },
            ["data.path: "],
        ),
    ],
    ids=["columns", "cells", "files"],
)
def test_all_that_is_wrong_is_told_at_once(
    tmp_path: Path, text: str, changes: dict[str, Any], messages: list[str]
) -> None:
    spec = _spec(tmp_path, text, **changes)
    with pytest.raises(DataError) as caught:
        open_source(spec).build()
    found = [str(problem) for problem in caught.value.problems]
    assert len(found) == len(messages)
    for given, expected in zip(found, messages, strict=True):
        assert given.startswith(expected.format(file=tmp_path / "rows.csv"))


def test_a_negative_or_missing_weight_is_told_with_its_row(tmp_path: Path) -> None:
    spec = _spec(
        tmp_path,
        "a,b,kind,y,w\n1,2,x,1,-1\n3,4,y,5,1\n",
        validation_split=0.0,
        sample_weights={"weight": "w"},
    )
    with pytest.raises(DataError, match=r"column 'w', .*rows.csv, row 1: '-1' is a weight below 0"):
        open_source(spec).build()
    (tmp_path / "rows.csv").write_text("a,b,kind,y,w\n1,2,x,1,\n3,4,y,5,1\n", "utf-8")
    with pytest.raises(DataError, match=r"column 'w', .*rows.csv, row 1: the cell is empty"):
        open_source(spec).build()


@pytest.mark.parametrize("name", ["*", "^a$", "^.*$", "a*", "$", "", " a"])
@pytest.mark.parametrize("kind", ["csv", "parquet", "jsonl"])
def test_a_name_that_is_a_pattern_to_others_is_a_name(tmp_path: Path, name: str, kind: str) -> None:
    if not name.strip() and kind == "csv":
        return
    data = pl.DataFrame({"a": [1.0, 2.0, 3.0], name: [5.0, 7.0, 6.0], "y": [0.0, 1.0, 2.0]})
    path = tmp_path / f"rows.{kind}"
    {"csv": data.write_csv, "parquet": data.write_parquet, "jsonl": data.write_ndjson}[kind](path)
    inputs = {"x": {"type": "numeric", "columns": [name or "a"], "scale": "none"}}
    document = {"source": "table", "path": str(path), **COLUMNS, "inputs": inputs, "validation_split": 0.0}
    train = open_source(TableFiles.model_validate(document)).build().train
    assert sorted(train.inputs["x"][:, 0].tolist()) == ([5.0, 6.0, 7.0] if name else [1.0, 2.0, 3.0])
