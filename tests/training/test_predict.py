"""Predictions of a run: what its columns are, that they follow the network, and what they are made from."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import polars as pl
import pytest
import torch
from mlx_runner.data import Field, Schema, Unit
from mlx_runner.data.frame import Frame
from mlx_runner.records.run_folder import RunFolder
from mlx_runner.specs.errors import ConfigError, DataError
from mlx_runner.training.metric_plan import OutputMetrics
from mlx_runner.training.predict import Predictor, open_predictor
from mlx_runner.training.prediction_columns import plain_columns, plan_columns

Mlx = Callable[..., tuple[int, str, str]]

CPU = torch.device("cpu")
COLUMNS = [
    *("name", "late", "late/is", "tags/a", "tags/a/is", "tags/b", "tags/b/is"),
    *("kind", "kind/x", "kind/y", "kind/z", "price", "sizes/width", "sizes/height"),
]


@pytest.fixture(scope="module")
def predictor(table_run: Path) -> Predictor:
    return open_predictor(RunFolder.open(table_run), device=CPU)


@pytest.fixture(scope="module")
def rows(table_run: Path) -> pl.DataFrame:
    """As they lie in the file: text, an empty cell null."""
    return pl.read_csv(table_run.parent.parent / "rows.csv", infer_schema=False)


@pytest.fixture
def copied(table_run: Path, tmp_path: Path) -> Path:
    """A run that may be changed."""
    return shutil.copytree(table_run, tmp_path / "run")


def test_every_kind_of_output_has_its_columns(predictor: Predictor, rows: pl.DataFrame) -> None:
    found = predictor.predict(Frame.of_file(rows, "rows.csv"))
    assert found.columns == COLUMNS
    assert found.schema == predictor.schema
    assert found["name"].to_list() == rows["name"].to_list()
    assert found.null_count().row(0) == (0,) * len(COLUMNS)


def test_the_values_are_those_of_the_network(predictor: Predictor, rows: pl.DataFrame) -> None:
    """By hand from what the run kept: scales, weights, thresholds and the temperature."""
    run, frame = predictor.run, Frame.of_file(rows, "rows.csv")
    found = predictor.predict(frame)
    assert run.preparation is not None
    inputs = {name: each.encode(frame).values for name, each in run.preparation.inputs.items()}
    scored = run.network.score(inputs)
    assert found["late"].to_list() == scored["late"].value[:, 0].tolist()
    assert found["late/is"].to_list() == (scored["late"].value[:, 0] > 0.5).int().tolist()
    for index, (label, threshold) in enumerate((("a", 0.7), ("b", 0.2))):
        values = scored["tags"].value[:, index].double()
        assert found[f"tags/{label}"].to_list() == values.tolist()
        assert found[f"tags/{label}/is"].to_list() == (values > threshold).int().tolist()
    temperature = json.loads((run.folder.path / "decisions.json").read_text())["temperatures"]["kind"]
    assert temperature != 1.0
    logits = scored["kind"].logits
    assert logits is not None
    probabilities = torch.softmax(logits / temperature, -1)
    np.testing.assert_array_equal(found.select("^kind/.*$").to_numpy(), probabilities.detach().numpy())
    assert found["kind"].to_list() == ["xyz"[index] for index in probabilities.argmax(-1)]
    decode = {name: run.preparation.targets[name].decode for name in ("price", "sizes")}
    price = decode["price"](scored["price"].value)["price"]
    np.testing.assert_allclose(found["price"], price.detach(), rtol=1e-12)
    for name, column in decode["sizes"](scored["sizes"].value).items():
        np.testing.assert_allclose(found[f"sizes/{name}"], column.detach(), rtol=1e-12)


def test_predictions_are_the_same_from_every_format(
    predictor: Predictor, rows: pl.DataFrame, tmp_path: Path
) -> None:
    """Bit for bit, with numbers as numbers where a format has them."""
    typed = rows.with_columns(pl.col("x1", "x2").cast(pl.Float64))
    rows.write_csv(tmp_path / "rows.csv")
    rows.write_csv(tmp_path / "rows.tsv", separator="\t")
    typed.write_parquet(tmp_path / "rows.parquet")
    typed.write_ndjson(tmp_path / "rows.jsonl")
    found = [
        pl.concat(predictor.predict_file(str(tmp_path / f"rows.{ending}"), rows=64))
        for ending in ("csv", "tsv", "parquet", "jsonl")
    ]
    assert all(each.equals(found[0]) for each in found[1:])


@pytest.mark.parametrize("per_batch", [1, 7, 300, 5000])
def test_batches_keep_the_order(
    predictor: Predictor, rows: pl.DataFrame, tmp_path: Path, per_batch: int
) -> None:
    rows.write_csv(tmp_path / "rows.csv")
    batches = list(predictor.predict_file(str(tmp_path / "rows.csv"), rows=per_batch))
    assert [len(each) for each in batches[:-1]] == [per_batch] * (len(batches) - 1)
    found = pl.concat(batches)
    assert found["name"].to_list() == rows["name"].to_list()
    whole = predictor.predict(Frame.of_file(rows, "rows.csv"))
    np.testing.assert_allclose(found["price"], whole["price"], rtol=1e-5)


def test_a_stream_is_read_as_a_file_is(predictor: Predictor, rows: pl.DataFrame, tmp_path: Path) -> None:
    rows.write_csv(tmp_path / "rows.csv")
    with (tmp_path / "rows.csv").open("rb") as stream:
        streamed = pl.concat(predictor.predict_file(stream, rows=50))
    assert streamed.equals(pl.concat(predictor.predict_file(str(tmp_path / "rows.csv"), rows=50)))


def test_targets_and_other_columns_need_not_be_there(predictor: Predictor, rows: pl.DataFrame) -> None:
    needed = rows.select("words", "x2", "x1", "colour", "name")
    assert predictor.predict(Frame.of_file(needed, "new.csv")).equals(
        predictor.predict(Frame.of_file(rows.with_columns(pl.lit("?").alias("late")), "new.csv"))
    )


def test_missing_columns_are_all_named(predictor: Predictor, tmp_path: Path) -> None:
    (tmp_path / "new.csv").write_text("name,x1,x_2,color,words\na,1,2,red,b\n")
    with pytest.raises(DataError) as caught:
        list(predictor.predict_file(str(tmp_path / "new.csv")))
    columns = "Columns: name, x1, x_2, color, words."
    assert [problem.message for problem in caught.value.problems] == [
        f"no column named 'x2'; did you mean 'x_2'? {columns}",
        f"no column named 'colour'; did you mean 'color'? {columns}",
    ]


def test_cells_that_cannot_be_read_are_all_named(predictor: Predictor, rows: pl.DataFrame) -> None:
    bad = rows[:5].with_columns(pl.Series("x1", ["1", "2", "much", "4", "5"]))
    bad = bad.with_columns(pl.Series("colour", ["red", "red", "red", "red", "grean"]))
    with pytest.raises(DataError) as caught:
        predictor.predict(Frame.of_file(bad, "new.csv", first=101))
    first, second = (str(problem) for problem in caught.value.problems)
    assert first.startswith("data.inputs.numbers: column 'x1', new.csv, row 103: 'much' is not a number")
    assert second.startswith("data.inputs.colour: column 'colour', new.csv, row 105: 'grean' is none of")
    assert "did you mean 'green'?" in second


def test_without_an_id_rows_are_numbered(copied: Path, rows: pl.DataFrame, tmp_path: Path) -> None:
    config = copied / "config.yaml"
    config.write_text(config.read_text("utf-8").replace("  id: name\n", "  id: null\n"), "utf-8")
    predictor = open_predictor(RunFolder.open(copied), device=CPU)
    rows.drop("name").write_csv(tmp_path / "rows.csv")
    found = pl.concat(predictor.predict_file(str(tmp_path / "rows.csv"), rows=64))
    assert found["row"].to_list() == list(range(1, 301))
    assert found.schema == predictor.schema


def test_an_id_is_text_whatever_the_table_holds(predictor: Predictor, rows: pl.DataFrame) -> None:
    numbered = rows.with_columns(pl.int_range(pl.len()).alias("name"))
    assert predictor.predict(Frame.of_file(numbered, "a"))["name"].to_list()[:3] == ["0", "1", "2"]


def test_a_separator_of_the_run_is_not_that_of_tabs(copied: Path, rows: pl.DataFrame, tmp_path: Path) -> None:
    config = copied / "config.yaml"
    config.write_text(config.read_text("utf-8").replace("  separator: null\n", "  separator: ';'\n"), "utf-8")
    predictor = open_predictor(RunFolder.open(copied), device=CPU)
    rows.write_csv(tmp_path / "rows.csv", separator=";")
    rows.write_csv(tmp_path / "rows.tsv", separator="\t")
    first, second = (
        pl.concat(predictor.predict_file(str(tmp_path / name))) for name in ("rows.csv", "rows.tsv")
    )
    assert first.equals(second)


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("checkpoints/best.safetensors", "run 'run' has no weights: it ended before its first epoch did."),
        ("preparation.json", "has lost its preparation.json."),
        ("decisions.json", "has lost its decisions.json."),
    ],
)
def test_what_a_run_has_to_have(copied: Path, name: str, sentence: str) -> None:
    (copied / name).unlink()
    with pytest.raises(DataError) as caught:
        open_predictor(RunFolder.open(copied), device=CPU)
    assert str(caught.value).endswith(sentence)


def test_two_columns_of_one_name(copied: Path) -> None:
    config = copied / "config.yaml"
    config.write_text(config.read_text("utf-8").replace("  id: name\n", "  id: kind\n"), "utf-8")
    with pytest.raises(ConfigError, match="two columns of the predictions would be named 'kind'"):
        open_predictor(RunFolder.open(copied), device=CPU)


def test_the_rows_of_a_batch_follow_what_they_take(predictor: Predictor) -> None:
    assert predictor.rows == 8192


def _plan(output: str = "out", **changes: object) -> OutputMetrics:
    plan = OutputMetrics(
        output=output,
        target="target",
        kind="values",
        names=(),
        width=1,
        labels=("0",),
        classes=None,
        sample_weight=None,
    )
    return replace(plan, **changes)  # type: ignore[arg-type]


def _filled(
    plan: OutputMetrics, field: Field, values: list, thresholds: tuple[float, ...] = (0.5,)
) -> dict[str, list]:
    tensor = torch.tensor(values)
    columns = plan_columns(plan, Schema({}, {"target": field}), tuple(tensor.shape[1:]), thresholds)
    series = columns.fill(tensor)
    assert tuple(each.name for each in series) == columns.names
    return {each.name: each.to_list() for each in series}


def test_a_single_label_has_two_columns() -> None:
    field = Field((1,), "binary", labels=("spam",))
    plan = _plan(kind="binary", labels=("spam",))
    assert _filled(plan, field, [[0.25], [0.5], [0.75]]) == {
        "out": [0.25, 0.5, 0.75],
        "out/is": [0, 0, 1],
    }
    assert _filled(plan, field, [0.25, 0.75]) == {"out": [0.25, 0.75], "out/is": [0, 1]}


def test_logits_become_probabilities() -> None:
    binary = _plan(kind="binary", labels=("spam",), gives_logits=True)
    found = _filled(binary, Field((1,), "binary", labels=("spam",)), [[0.0], [-2.0], [2.0]])
    assert found["out"] == pytest.approx([0.5, 0.11920292, 0.88079708])
    assert found["out/is"] == [0, 0, 1]
    classes = _plan(kind="classes", width=2, labels=("a", "b"), gives_logits=True)
    found = _filled(classes, Field((), "classes", size=2, labels=("a", "b")), [[0.0, 2.0]])
    assert found["out/b"] == pytest.approx([0.88079708])


def test_labels_under_a_softmax_are_decided_each_by_itself() -> None:
    """Rows of several labels are no classes, whatever the output ends in."""
    plan = _plan(kind="classes", width=2, labels=("a", "b"), classes=2)
    several = Field((2,), "binary", labels=("a", "b"))
    one = Field((2,), "binary", labels=("a", "b"), exclusive=True)
    assert list(_filled(plan, several, [[0.2, 0.8]], (0.1, 0.9))) == [
        "out/a",
        "out/a/is",
        "out/b",
        "out/b/is",
    ]
    assert _filled(plan, several, [[0.2, 0.8]], (0.1, 0.9))["out/b/is"] == [0]
    assert _filled(plan, one, [[0.25, 0.75]]) == {"out": ["b"], "out/a": [0.25], "out/b": [0.75]}


def test_more_units_than_classes() -> None:
    plan = _plan(kind="classes", width=3, labels=("a", "b"), classes=3)
    field = Field((), "classes", size=2, labels=("a", "b"))
    assert _filled(plan, field, [[0.0, 0.25, 0.75]]) == {
        "out": ["2"],
        "out/a": [0.0],
        "out/b": [0.25],
        "out/2": [0.75],
    }


def test_what_is_no_number_decides_nothing() -> None:
    nan = float("nan")
    labels = _plan(kind="binary", labels=("spam",))
    assert _filled(labels, Field((1,), "binary", labels=("spam",)), [[nan]])["out/is"] == [None]
    classes = _plan(kind="classes", width=2, labels=("a", "b"), classes=2)
    field = Field((), "classes", size=2, labels=("a", "b"))
    assert _filled(classes, field, [[nan, 1.0], [0.0, 1.0]])["out"] == [None, "b"]


def test_numbers_are_in_the_units_of_the_table() -> None:
    field = Field((2,), "values", labels=("w", "h"), unit=Unit(False, (1.0, 0.0), (2.0, 10.0)))
    assert _filled(_plan(width=2), field, [[3.0, 0.5]]) == {"out/w": [7.0], "out/h": [5.0]}


def test_anything_else_is_given_entry_by_entry() -> None:
    """An autoencoder's pixels, the steps of a sequence."""
    image = Field((1, 2, 2), "image")
    assert list(_filled(_plan(width=4), image, [[[[1.0, 2.0], [3.0, 4.0]]]]).items()) == [
        ("out/0", [1.0]),
        ("out/1", [2.0]),
        ("out/2", [3.0]),
        ("out/3", [4.0]),
    ]
    assert plain_columns("out", ()).names == ("out",)
    assert plain_columns("out", (1,)).names == ("out",)


@pytest.fixture(scope="module")
def image_run(mlx: Mlx, tiny: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("images")
    (folder / "tiny.yaml").write_text(tiny, "utf-8")
    code, out, _ = mlx("train", "tiny.yaml", "--quiet", "--json", folder=folder)
    assert code == 0
    return folder / json.loads(out)["run"]


def _images(path: Path, **arrays: np.ndarray) -> str:
    np.savez(path, **arrays)
    return str(path)


def test_images_are_scaled_as_in_training(image_run: Path, tmp_path: Path) -> None:
    predictor = open_predictor(RunFolder.open(image_run), device=CPU)
    images = np.random.default_rng(0).integers(0, 256, (11, 784), dtype=np.uint8)
    found = pl.concat(predictor.predict_file(_images(tmp_path / "new.npz", image=images), rows=4))
    expected = predictor.run.network({"image": torch.from_numpy(images).float() / 255.0})["scores"]
    np.testing.assert_allclose(found["scores/even"], expected[:, 0].detach(), rtol=1e-5)
    assert found["row"].to_list() == list(range(1, 12))
    np.save(tmp_path / "one.npy", images)
    assert pl.concat(predictor.predict_file(str(tmp_path / "one.npy"), rows=4)).equals(found)


BYTES = np.zeros((2, 784), dtype=np.uint8)


@pytest.mark.parametrize(
    ("arrays", "sentence"),
    [
        ({"images": BYTES}, "no array named 'image'; did you mean 'images'? Arrays: images."),
        ({"image": BYTES / 2}, "array 'image' is of type float64; images are bytes (uint8)"),
        (
            {"image": BYTES.reshape(2, 28, 28)},
            "array 'image' has the shape (2, 28, 28); this run reads rows of shape (784,)",
        ),
    ],
)
def test_arrays_that_do_not_fit(
    image_run: Path, tmp_path: Path, arrays: dict[str, np.ndarray], sentence: str
) -> None:
    predictor = open_predictor(RunFolder.open(image_run), device=CPU)
    file = _images(tmp_path / "new.npz", **arrays)
    with pytest.raises(DataError) as caught:
        list(predictor.predict_file(file))
    (problem,) = caught.value.problems
    assert (problem.file, problem.message) == (file, sentence)


@pytest.mark.parametrize(
    ("file", "sentence"),
    [
        (
            "new.csv",
            "'new.csv' cannot be predicted by a run of source 'mnist'; give an .npz file with the arrays "
            "image.",
        ),
        (
            "-",
            "standard input cannot be predicted by a run of source 'mnist'; give an .npz file with the "
            "arrays image.",
        ),
    ],
)
def test_a_run_without_a_table_reads_none(image_run: Path, file: str, sentence: str) -> None:
    predictor = open_predictor(RunFolder.open(image_run), device=CPU)
    with pytest.raises(ConfigError) as caught:
        list(predictor.predict_file(file))
    assert str(caught.value) == sentence
