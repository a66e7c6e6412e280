"""The draft of a config from a table: its exact text once, and what it makes of targets, roles and splits."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from mlx_runner.data import draft_table
from mlx_runner.data.draft import Draft, draft_config
from mlx_runner.specs.errors import ConfigError, DataError
from mlx_runner.specs.experiment import Experiment
from mlx_runner.specs.files import TableFiles
from mlx_runner.specs.validation import validate
from mlx_runner.specs.yaml_reader import parse_yaml

NUM_ROWS = 60

PEOPLE: dict[str, list[object]] = {
    "id": [f"{row + 1}" for row in range(NUM_ROWS)],
    "age": ["?" if row % 20 == 0 else 20 + row * 7 % 50 for row in range(NUM_ROWS)],
    "income": [round(1.3**row) for row in range(NUM_ROWS)],
    "town: now": [("Rome", "Paris", "Oslo")[row % 3] for row in range(NUM_ROWS)],
    "joined": [f"{row % 12 + 1:02d}/{row % 28 + 1:02d}/2020" for row in range(NUM_ROWS)],
    "country": ["IT"] * NUM_ROWS,
    "left": [("no", "yes")[row % 4 == 0] for row in range(NUM_ROWS)],
}

GOLDEN = """\
# mlx train people.yaml
# A first config for 'people.csv' (60 rows, 7 columns), drafted from what the cells look like. Read it
# through: what begins with `unsure` is a guess. `mlx check people.yaml --data` tells what it describes.
name: people
seed: 0
data:
  source: table
  path: people.csv
  # What stands for a missing number in 'age'; such a cell of any column is empty.
  null_values: ["?"]
  # What tells the rows apart: predictions carry it along, and nothing is learned from it.
  id: id
  # Left out: 'country' (every cell is 'IT').
  # Shares of the rows that are kept from training: validation tells when to stop, test judges the end.
  validation_split: 0.2
  test_split: 0.2
  # Drawn so that every class of `left` is as frequent in each split.
  split: {type: stratified, target: left}
  # Where rows lie in the order of time and the future is to be predicted, use this line instead:
  # split: {type: last}
  inputs:
    # One column of numbers, standardized: mean 0 and deviation 1 over the training rows.
    # Empty cells (3 of 'age', of 60 rows) are filled with the mean of the training rows, and marked by a 1 in
    # a value of their own.
    age: {type: numeric, columns: age}
    # One column of amounts with a heavy tail (the largest of 'income' is 5,280,290): log1p brings them closer
    # together before they are standardized.
    income: {type: numeric, columns: income, log1p: true}
    # 3 categories, a value of 0 or 1 for each (one-hot). `unknown: own` gives empty cells, and values met
    # later, one of their own.
    town_now: {type: categorical, column: "town: now", unknown: own}
    # Points in time: weekday and month as places on a circle, and the time elapsed.
    joined: {type: datetime, column: joined, format: "%m/%d/%Y", parts: [weekday, month]}
  targets:
    # unsure: the target is taken to be 'left', the last column that can be one; name others by --target
    # COLUMN.
    # Yes or no, 1 in 15 of 60 rows.
    left: {type: binary, column: left}
# The inputs, joined, go through hidden layers to an output for each target: a sigmoid gives the probability
# of yes.
model:
  inputs: [age, income, town_now, joined]
  layers:
    joined_2: {type: concatenate, of: [age, income, town_now, joined]}
    hidden:   {type: dense, of: joined_2, units: 32, activation: relu}
    left:     {type: dense, of: hidden, units: 1, activation: sigmoid}
  outputs: [left]
losses:
  left: {type: binary_crossentropy, output: left, target: left}
metrics:
  left: [binary_accuracy, f1, auroc]
optimizer: {type: adam, learning_rate: 0.003}
# An epoch shows the network every training row once. Training ends after 100 epochs, or when the loss over
# the validation rows has not fallen for 10, and keeps the weights of the best epoch.
training:
  epochs: 100
  batch_size: 16
  early_stopping: {monitor: validation/loss, patience: 10}
"""


def write(path: Path, columns: Mapping[str, Sequence[object]], *, separator: str = ",") -> Path:
    pl.DataFrame({name: [str(cell) for cell in cells] for name, cells in columns.items()}).write_csv(
        path, separator=separator, quote_style="necessary"
    )
    return path


def read(draft: Draft) -> Experiment:
    """The config that a draft is the text of."""
    return validate(Experiment, parse_yaml(draft.text, file="draft.yaml"))


def data_of(draft: Draft) -> dict[str, Any]:
    data = read(draft).data
    assert isinstance(data, TableFiles)
    return data.model_dump()


def roles_of(draft: Draft) -> dict[str, tuple[str, str]]:
    return {each.column: (each.kind, each.role) for each in draft.columns}


def cycle(*values: object, rows: int = NUM_ROWS) -> list[object]:
    return [values[row % len(values)] for row in range(rows)]


NUMBERS = [f"{row * 0.37 % 1:.3f}" for row in range(NUM_ROWS)]


def test_the_text_of_a_draft(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    write(tmp_path / "people.csv", PEOPLE)
    draft = draft_config("people.csv")
    assert draft.text == GOLDEN
    assert draft.doubts == (
        "the target is taken to be 'left', the last column that can be one; name others by --target COLUMN",
    )
    assert roles_of(draft) == {
        "id": ("identifier", "id"),
        "age": ("numeric", "input"),
        "income": ("numeric", "input"),
        "town: now": ("categorical", "input"),
        "joined": ("datetime", "input"),
        "country": ("constant", "left out"),
        "left": ("binary", "target"),
    }


def test_what_it_is_saved_as_opens_the_text(tmp_path: Path) -> None:
    table = write(tmp_path / "t.csv", {"x": NUMBERS, "y": cycle(0, 1)})
    assert draft_config(str(table), saved_as="my file.yaml").text.startswith("# mlx train 'my file.yaml'\n")


@pytest.mark.parametrize(
    ("columns", "target", "told"),
    [
        ({"x": NUMBERS, "class": cycle("a", "b", "c"), "z": NUMBERS}, "class", "by its name"),
        ({"x": NUMBERS, "a": cycle(0, 1), "b": cycle(0, 0, 1)}, "labels", "the last columns, all of 0 and 1"),
        ({"target_a": cycle(0, 1), "x": NUMBERS, "target_b": cycle(1, 1, 0)}, "target", "by their names"),
        ({"x": NUMBERS, "z": NUMBERS, "c": cycle("k")}, "z", "the last column that can be one"),
    ],
    ids=["name", "run", "prefix", "last"],
)
def test_a_guess_of_the_target_is_told(
    tmp_path: Path, columns: Mapping[str, Sequence[object]], target: str, told: str
) -> None:
    draft = draft_config(str(write(tmp_path / "t.csv", columns)))
    assert list(data_of(draft)["targets"]) == [target]
    assert any("taken to be" in doubt and told in doubt for doubt in draft.doubts)
    text = re.sub(r"\n +# ", " ", draft.text)
    assert all(f" unsure: {doubt}" in text for doubt in draft.doubts)


TARGETS: dict[str, tuple[list[object], dict[str, object]]] = {
    "amounts": (list(NUMBERS), {"type": "regression", "columns": ("t",), "log1p": False}),
    "tail": ([round(1.3**row) for row in range(NUM_ROWS)], {"type": "regression", "log1p": True}),
    "classes": (cycle("b", "a", "c"), {"type": "categorical", "categories": ("a", "b", "c")}),
    "numbered": (cycle(2, 0, 1), {"type": "categorical", "categories": ("0", "1", "2")}),
    "yes": (cycle("yes", "no", "no"), {"type": "binary", "positive": None}),
    "two": (cycle("ham", "spam"), {"type": "binary", "positive": "spam", "negative": "ham"}),
    "two, the first": (cycle("+", "-"), {"type": "binary", "positive": "+", "negative": "-"}),
    "signs": (cycle("-1", "1"), {"type": "binary", "positive": "1", "negative": "-1"}),
    "separated": (cycle("a;b", "b", "c;a", ""), {"type": "multilabel", "labels": ("a", "b", "c")}),
    "bars": (cycle("a|b", "b", "c|a"), {"type": "multilabel", "separator": "|"}),
}


@pytest.mark.parametrize("kind", TARGETS)
def test_a_target_by_its_cells(tmp_path: Path, kind: str) -> None:
    cells, expected = TARGETS[kind]
    draft = draft_config(str(write(tmp_path / "t.csv", {"x": NUMBERS, "t": cells})), targets=["t"])
    found = data_of(draft)["targets"]["t"]
    assert {key: found[key] for key in expected} == expected
    shape = {"binary": 1, "regression": 1}.get(found["type"], 3)
    assert read(draft).model.layers["t"].model_dump()["units"] == shape


def test_targets_by_patterns_and_several_at_once(tmp_path: Path) -> None:
    columns = {
        "x": cycle(5, 3, 8, 1),
        "y_1": NUMBERS,
        "y_2": NUMBERS[::-1],
        "flag_a": cycle(0, 1),
        "kind": cycle("a", "b", "c"),
        "flag_b": cycle(0, 0, 1),
    }
    draft = draft_config(str(write(tmp_path / "t.csv", columns)), targets=["y_*", "flag_b", "kind", "flag_a"])
    targets = data_of(draft)["targets"]
    assert {name: target.get("columns") or target["column"] for name, target in targets.items()} == {
        "y": ("y_1", "y_2"),
        "flag": ("flag_b", "flag_a"),
        "kind": "kind",
    }
    assert [loss.type for loss in read(draft).losses.values()] == [
        "mean_squared_error",
        "binary_crossentropy",
        "sparse_categorical_crossentropy",
    ]
    assert not draft.doubts


@pytest.mark.parametrize(
    ("columns", "targets", "said"),
    [
        ({"x": NUMBERS}, [], "there is no column beside the target ('x'): nothing to learn from."),
        (
            {"x": cycle("k"), "y": cycle(0, 1)},
            [],
            "no column beside the target ('y') can be learned from: 'x' (every cell is 'k').",
        ),
        (
            {"x": cycle("k"), "z": cycle("")},
            [],
            "no column looks like a target: a target is numbers, a category, 0 and 1 (or yes and no), or "
            "separated labels. Columns: 'x' (constant), 'z' (empty).",
        ),
        (
            {"x": NUMBERS, "z": cycle("k")},
            ["z"],
            "column 'z' looks like a single value (every cell is 'k'), which cannot be a target: a target is "
            "numbers, a category, 0 and 1 (or yes and no), or separated labels.",
        ),
        (
            {"x": NUMBERS, "z": ["1", "2", *[""] * (NUM_ROWS - 2)]},
            ["z"],
            "column 'z' cannot be a target: only 2 of 60 cells are filled.",
        ),
    ],
    ids=["one column", "nothing to learn from", "no target", "no target of the one named", "too empty"],
)
def test_tables_that_nothing_is_learned_from(
    tmp_path: Path, columns: Mapping[str, Sequence[object]], targets: list[str], said: str
) -> None:
    with pytest.raises(DataError) as refused:
        draft_config(str(write(tmp_path / "t.csv", columns)), targets=targets)
    assert [problem.message for problem in refused.value.problems] == [said]


def test_a_target_that_no_column_matches_is_bad_usage(tmp_path: Path) -> None:
    table = write(tmp_path / "t.csv", {"words": NUMBERS, "price": NUMBERS})
    with pytest.raises(
        ConfigError, match=r"^no column named 'prize'; did you mean 'price'\? Columns: words, pr"
    ):
        draft_config(str(table), targets=["prize"])
    with pytest.raises(ConfigError, match=r"^no column matches 'y\*'\. Columns: words, price\.$"):
        draft_config(str(table), targets=["y*"])


def test_rare_classes_get_a_line_that_can_be_used(tmp_path: Path) -> None:
    columns = {"x": cycle(*NUMBERS, rows=400), "y": ["1" if row < 4 else "0" for row in range(400)]}
    draft = draft_config(str(write(tmp_path / "t.csv", columns)))
    assert "  # 1 in 'y' makes up 1 % of the rows. To count rare classes for more, instead:\n" in draft.text
    line = "  y: {type: binary_crossentropy, output: y, target: y"
    changed = draft.text.replace(f"{line}}}\n", "").replace(f"  # {line[2:]}", line)
    loss = validate(Experiment, parse_yaml(changed, file="draft.yaml")).losses["y"]
    assert loss.model_dump()["class_weight"] == "balanced"


def test_a_column_of_splits_takes_the_place_of_fractions(tmp_path: Path) -> None:
    columns = {"x": NUMBERS, "part": cycle("Train", "Train", "dev", "test"), "y": cycle(0, 1)}
    draft = draft_config(str(write(tmp_path / "t.csv", columns)))
    split = data_of(draft)["split"]
    assert split == {
        "type": "column",
        "column": "part",
        "train": ("Train",),
        "validation": ("dev",),
        "test": ("test",),
    }
    assert roles_of(draft)["part"] == ("categorical", "split")
    assert read(draft).training.early_stopping is not None


def test_without_validation_rows_nothing_stops_early(tmp_path: Path) -> None:
    columns = {"x": NUMBERS, "part": cycle("train", "test"), "y": cycle(0, 0, 1)}
    assert read(draft_config(str(write(tmp_path / "t.csv", columns)))).training.early_stopping is None
    few = {name: cells[:20] for name, cells in columns.items() if name != "part"}
    draft = draft_config(str(write(tmp_path / "few.csv", few)))
    assert (data_of(draft)["validation_split"], data_of(draft)["test_split"]) == (0.0, 0.2)
    assert read(draft).training.early_stopping is None


def test_a_weight_by_its_name(tmp_path: Path) -> None:
    columns = {"x": NUMBERS, "Sample Weight": NUMBERS, "weight": NUMBERS[::-1], "y": cycle(0, 1)}
    draft = draft_config(str(write(tmp_path / "t.csv", columns)))
    assert data_of(draft)["sample_weights"] == {"Sample_Weight": "Sample Weight"}
    assert read(draft).losses["y"].sample_weight == "Sample_Weight"
    del columns["Sample Weight"]
    draft = draft_config(str(write(tmp_path / "u.csv", columns)))
    assert data_of(draft)["sample_weights"] == {}
    assert any("'weight' is an input; if it says how much a row counts" in doubt for doubt in draft.doubts)


def test_a_column_of_groups_is_left_out_and_its_split_can_be_used(tmp_path: Path) -> None:
    columns = {"x": NUMBERS, "user": [f"u{row % 25}" for row in range(NUM_ROWS)], "y": cycle(0, 1)}
    draft = draft_config(str(write(tmp_path / "t.csv", columns)))
    assert roles_of(draft)["user"] == ("group", "left out")
    lines = [line for line in draft.text.splitlines() if not line.startswith("  split:")]
    text = "\n".join(lines).replace("# split: {type: group", "split: {type: group") + "\n"
    data = validate(Experiment, parse_yaml(text, file="draft.yaml")).data
    assert isinstance(data, TableFiles)
    assert data.split.model_dump() == {"type": "group", "column": "user"}


def test_inputs_that_go_with_the_target_are_doubted(tmp_path: Path) -> None:
    columns = {"x": NUMBERS, "twice": [2 * float(cell) for cell in NUMBERS], "y": NUMBERS}
    draft = draft_config(str(write(tmp_path / "t.csv", columns)), targets=["y"])
    assert [doubt for doubt in draft.doubts if doubt.startswith("'twice' goes with the target 'y'")]


def test_a_test_file_beside_the_table_is_suggested(tmp_path: Path) -> None:
    table = write(tmp_path / "train.csv", {"x": NUMBERS, "y": NUMBERS[::-1]})
    assert "test_path" not in draft_config(str(table)).text
    write(tmp_path / "test.csv", {"x": NUMBERS, "y": NUMBERS})
    draft = draft_config(str(table))
    assert f"  # test_path: {tmp_path / 'test.csv'}\n" in draft.text
    assert any("lies beside the table" in doubt for doubt in draft.doubts)
    write(tmp_path / "test.csv", {"x": NUMBERS})
    assert "test_path" not in draft_config(str(table)).text


def test_hardly_filled_columns_and_those_without_a_name_are_left_out(tmp_path: Path) -> None:
    columns = {"x": NUMBERS, "rare": ["1", "2", *[""] * (NUM_ROWS - 2)], "": NUMBERS, "y": NUMBERS}
    draft = draft_config(str(write(tmp_path / "t.csv", columns)))
    assert roles_of(draft) == {
        "x": ("numeric", "input"),
        "rare": ("empty", "left out"),
        "": ("unreadable", "left out"),
        "y": ("numeric", "target"),
    }
    assert "'rare' is left out: only 2 of 60 cells are filled" in draft.doubts


def test_many_rows_are_read_in_part(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(draft_table, "MOST_ROWS", 50)
    table = write(tmp_path / "t.csv", {"x": NUMBERS, "y": NUMBERS})
    draft = draft_config(str(table))
    assert "only the first 50 rows were looked at; later ones may hold other values" in draft.doubts
    assert "the first 50 rows, 2 columns" in draft.text.replace("\n# ", " ")
    write(tmp_path / "t.csv", {"x": NUMBERS[:50], "y": NUMBERS[:50]})
    assert not any("looked at" in doubt for doubt in draft_config(str(table)).doubts)


def test_most_columns_as_inputs_are_named_by_a_star(tmp_path: Path) -> None:
    columns: dict[str, Sequence[object]] = {f"x{number}": NUMBERS for number in range(20)}
    draft = draft_config(str(write(tmp_path / "t.csv", {**columns, "y": cycle("a", "b", "c")})))
    numbers = data_of(draft)["inputs"]["numbers"]
    assert (numbers["columns"], numbers["exclude"]) == (("*",), ("y",))


def test_text_is_a_sequence_where_rows_are_many(tmp_path: Path) -> None:
    words = [" ".join(f"w{row * step % 9973}" for step in range(1, 9)) for row in range(10_000)]
    columns = {"said": words, "y": cycle(0, 1, rows=10_000)}
    draft = draft_config(str(write(tmp_path / "t.csv", columns)))
    said = data_of(draft)["inputs"]["said"]
    assert (said["encoding"], said["length"], said["padding"]) == ("sequence", 10, "after")
    layers = read(draft).model.layers
    assert [getattr(layer, "type", None) for layer in layers.values()][:2] == [
        "embedding",
        "global_average_pooling1d",
    ]
    few = {name: cells[:900] for name, cells in columns.items()}
    assert (
        data_of(draft_config(str(write(tmp_path / "few.csv", few))))["inputs"]["said"]["encoding"] == "tfidf"
    )


def test_many_categories_go_through_an_embedding(tmp_path: Path) -> None:
    columns = {"model": [f"s{row % 60}" for row in range(600)], "y": cycle(0, 1, rows=600)}
    draft = draft_config(str(write(tmp_path / "t.csv", columns)))
    assert data_of(draft)["inputs"]["model"]["encoding"] == "index"
    assert list(read(draft).model.layers) == ["model_vector", "model_flat", "hidden", "y"]


def test_json_lines_and_parquet_keep_their_types(tmp_path: Path) -> None:
    rows = [{"x": row * 0.37 % 1, "open": row % 3 == 0, "y": row % 2} for row in range(NUM_ROWS)]
    lines = tmp_path / "t.jsonl"
    lines.write_text("".join(json.dumps(row) + "\n" for row in rows))
    frame = pl.DataFrame(rows).with_columns(
        pl.Series("when", [f"2020-01-{row % 28 + 1:02d}" for row in range(NUM_ROWS)]).str.to_date(),
        pl.Series("many", [[row] for row in range(NUM_ROWS)]),
    )
    frame.write_parquet(tmp_path / "t.parquet")
    drafts = [draft_config(str(file), targets=["y"]) for file in (lines, tmp_path / "t.parquet")]
    for draft in drafts:
        assert data_of(draft)["inputs"]["open"]["scale"] == "none"
    assert roles_of(drafts[1])["when"] == ("datetime", "input")
    assert roles_of(drafts[1])["many"] == ("unreadable", "left out")
    assert data_of(drafts[1])["inputs"]["when"]["parts"] == ("weekday", "month")


def test_columns_of_groups_are_learned_from_where_there_is_nothing_else(tmp_path: Path) -> None:
    columns = {"user": [f"u{row % 25}" for row in range(NUM_ROWS)], "y": cycle(0, 1)}
    draft = draft_config(str(write(tmp_path / "t.csv", columns)))
    assert roles_of(draft)["user"] == ("categorical", "input")
    assert any("may flatter the scores" in doubt for doubt in draft.doubts)


def test_too_many_columns_for_a_config(tmp_path: Path) -> None:
    columns = {f"{index} {'long' * 1000}": cycle("a", "b", "c", rows=12) for index in range(300)}
    table = write(tmp_path / "t.csv", {**columns, "y": cycle(0, 1, rows=12)})
    with pytest.raises(DataError, match="too many columns, or too long names, for a config"):
        draft_config(str(table))
