"""`mlx evaluate` through the command line: the summary's numbers again, other rows, and what it refuses."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

Mlx = Callable[..., tuple[int, str, str]]

CONFIG = """\
name: people
data:
  source: table
  path: people.csv
  test_split: 0.25
  inputs:
    numbers: {type: numeric, columns: [age, income]}
    city: {type: categorical, column: city}
  targets:
    votes: {type: multilabel, columns: [red, blue]}
    spent: {type: regression, columns: spent, log1p: true}
  sample_weights: {count: weight}
model:
  inputs: [numbers, city]
  layers:
    joined: {type: concatenate, of: [numbers, city]}
    hidden: {type: dense, units: 8, activation: relu}
    drop: {type: dropout, rate: 0.1}
    votes: {type: dense, units: 2, activation: sigmoid}
    spent: {type: dense, of: drop, units: 1}
  outputs: [votes, spent]
losses:
  votes:
    {type: binary_crossentropy, output: votes, target: votes, class_weight: balanced, sample_weight: count}
  spent: {type: mean_squared_error, output: spent, target: spent, weight: 0.5}
metrics: {votes: [f1_micro, auroc_macro, ece], spent: [mae, r2]}
thresholds: {votes: f1}
calibration: {votes: temperature}
training: {epochs: 3, batch_size: 16}
"""


def _table(rows: int, seed: int) -> str:
    """People whose votes and spending follow from the rest, with some cells empty."""
    drawn = np.random.default_rng(seed)
    lines = ["age,income,city,red,blue,spent,weight"]
    for _ in range(rows):
        age, income = int(drawn.integers(18, 90)), float(drawn.normal(3000, 800))
        city = ["Bonn", "Köln", "Ulm"][int(drawn.integers(3))]
        red = "" if drawn.random() < 0.1 else int(age > 50)
        blue = int(income > 3000 or city == "Ulm")
        spent = "" if drawn.random() < 0.1 else round(abs(income * age / 100), 2)
        lines.append(f"{age},{income:.2f},{city},{red},{blue},{spent},{1 + int(drawn.integers(3))}")
    return "\n".join(lines) + "\n"


@pytest.fixture(scope="module")
def trained(mlx: Mlx, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict]:
    """A folder with a finished run, and the run's document."""
    folder = tmp_path_factory.mktemp("people")
    (folder / "people.yaml").write_text(CONFIG, "utf-8")
    (folder / "people.csv").write_text(_table(200, 0), "utf-8")
    (folder / "others.csv").write_text(_table(60, 1), "utf-8")
    code, out, err = mlx("train", "people.yaml", "--json", "--quiet", folder=folder)
    assert code == 0, err
    return folder, json.loads(out)


def _evaluated(mlx: Mlx, folder: Path, *arguments: str) -> dict:
    code, out, err = mlx("evaluate", *arguments, "--json", folder=folder)
    assert (code, err) == (0, "")
    return json.loads(out)


@pytest.mark.parametrize("split", ["validation", "test"])
def test_the_run_s_own_splits_give_the_summary_s_numbers(mlx: Mlx, trained, split: str) -> None:
    folder, run = trained
    expected = {key: value for key, value in run["metrics"].items() if key.startswith(f"{split}/")}
    before = sorted(folder.rglob("*"))
    found = _evaluated(mlx, folder, "latest", "--split", split)
    assert found["metrics"] == expected
    assert {"test/spent/mae_original", "test/votes/ece"} <= run["metrics"].keys()
    assert found["rows"] == {"validation": 20, "test": 50}[split]
    assert sorted(folder.rglob("*")) == before


def test_without_a_split_it_is_the_test_split(mlx: Mlx, trained) -> None:
    folder, run = trained
    assert _evaluated(mlx, folder, run["run"])["split"] == "test"
    code, out, err = mlx("evaluate", "latest", folder=folder)
    assert (code, err) == (0, "")
    assert out.splitlines()[0].strip() == "people: 50 test rows"
    assert "votes/f1_micro" in out


def test_other_rows_are_prepared_as_the_run_s_were(mlx: Mlx, trained) -> None:
    folder, _ = trained
    found = _evaluated(mlx, folder, "latest", "--data", "others.csv")
    assert (found["rows"], found["data"]) == (60, "others.csv")
    again = _evaluated(mlx, folder, "latest", "--data", "others.csv")
    assert found == again
    # Two files of half the rows each are the same rows.
    lines = (folder / "others.csv").read_text("utf-8").splitlines(keepends=True)
    parts = folder / "parts"
    parts.mkdir()
    (parts / "a.csv").write_text("".join(lines[:31]), "utf-8")
    (parts / "b.csv").write_text("".join([lines[0], *lines[31:]]), "utf-8")
    assert _evaluated(mlx, folder, "latest", "--data", "parts")["metrics"] == found["metrics"]


def test_data_that_have_changed_are_told(mlx: Mlx, trained) -> None:
    folder, run = trained
    kept = (folder / "people.csv").read_text("utf-8")
    name = Path(run["run"]).name
    try:
        (folder / "people.csv").write_text(kept.replace("Bonn", "Ulm", 1), "utf-8")
        code, out, err = mlx("evaluate", "latest", folder=folder)
    finally:
        (folder / "people.csv").write_text(kept, "utf-8")
    assert (code, out) == (3, "")
    assert err.startswith(f"mlx: the data have changed since '{name}' was trained: their fingerprint is ")
    assert err.endswith("bring them back, or give the rows to be scored by --data FILE.\n")


@pytest.mark.parametrize("name", ["preparation.json", "decisions.json"])
@pytest.mark.parametrize("arguments", [[], ["--data", "others.csv"]], ids=["own rows", "other rows"])
def test_what_a_run_has_lost_is_not_made_up(mlx: Mlx, trained, name: str, arguments: list[str]) -> None:
    """Neither a table learned anew nor thresholds of 0.5 would give the run's scores."""
    folder, run = trained
    file = folder / run["run"] / name
    kept = file.read_bytes()
    file.unlink()
    try:
        found = mlx("evaluate", "latest", *arguments, folder=folder)
    finally:
        file.write_bytes(kept)
    assert found == (3, "", f"mlx: '{run['run']}' has lost its {name}.\n")


def test_a_run_that_was_stopped_has_decided_nothing(mlx: Mlx, trained) -> None:
    folder, run = trained
    stopped = folder / "stopped"
    shutil.copytree(folder / run["run"], stopped)
    (stopped / "decisions.json").unlink()
    summary = json.loads((stopped / "summary.json").read_text("utf-8"))
    (stopped / "summary.json").write_text(json.dumps({**summary, "status": "interrupted"}), "utf-8")
    lacks = "no thresholds and temperatures, which its config asks for: it did not come to its end."
    assert mlx("evaluate", str(stopped), folder=folder) == (3, "", f"mlx: run 'stopped' has {lacks}\n")


@pytest.mark.parametrize(
    ("text", "code", "message"),
    [
        ("age,income,city,red,blue,spent\n", 3, "others.csv"),
        ("", 3, "others.csv"),
        (_table(3, 2).replace("income", "incom"), 3, "no column named 'income'; did you mean 'incom'?"),
        (_table(3, 2).replace("Bonn", "Rom").replace("Köln", "Rom").replace("Ulm", "Rom"), 3, "'Rom'"),
        (
            _table(3, 2).replace("\n2", "\nx2", 1).replace("\n3", "\nx3", 1).replace("\n4", "\nx4", 1),
            3,
            "row",
        ),
    ],
    ids=["header only", "empty", "missing column", "unseen category", "text in a numeric column"],
)
def test_bad_rows(mlx: Mlx, trained, text: str, code: int, message: str) -> None:
    folder, _ = trained
    kept = (folder / "others.csv").read_text("utf-8")
    try:
        (folder / "others.csv").write_text(text, "utf-8")
        ended, out, err = mlx("evaluate", "latest", "--data", "others.csv", folder=folder)
    finally:
        (folder / "others.csv").write_text(kept, "utf-8")
    assert (ended, out) == (code, "")
    assert err.startswith("mlx: ")
    assert message in err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            ["--split", "tset"],
            "--split: no split named 'tset'; did you mean 'test'? Splits: train, validation, test.",
        ),
        (
            ["--split", "test", "--data", "others.csv"],
            "--split and --data cannot both be given: other rows are not split.",
        ),
    ],
)
def test_mistakes(mlx: Mlx, trained, arguments: list[str], message: str) -> None:
    folder, _ = trained
    assert mlx("evaluate", "latest", *arguments, folder=folder) == (2, "", f"mlx: {message}\n")


def test_a_run_of_no_table_has_no_other_rows(mlx: Mlx, tiny: str, tmp_path: Path) -> None:
    (tmp_path / "tiny.yaml").write_text(tiny, "utf-8")
    code, out, _ = mlx("train", "tiny.yaml", "--json", "--quiet", folder=tmp_path)
    assert code == 0
    run = json.loads(out)
    found = _evaluated(mlx, tmp_path, "latest")
    assert found["metrics"] == {key: each for key, each in run["metrics"].items() if key.startswith("test/")}
    code, _, err = mlx("evaluate", "latest", "--data", "others.csv", folder=tmp_path)
    assert code == 2
    assert "--data is for runs of a table" in err
    code, _, err = mlx("evaluate", "latest", "--split", "validation", folder=tmp_path)
    assert code == 0
