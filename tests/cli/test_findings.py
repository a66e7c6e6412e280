"""What `mlx check` and `mlx train` say of mistakes: lines, documents, exit codes, and when."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from mlx_runner.inspection.pitfalls import DATA_RULES

Mlx = Callable[..., tuple[int, str, str]]

MISTAKEN = """\
name: mistaken
data: {source: mnist, shape: [784], samples: 300, test_samples: 100}
model:
  inputs: [image]
  layers:
    hidden: {type: dense, units: 6, activation: relu}
    scores: {type: dense, of: hidden, units: 6, activation: softmax}
  outputs: [scores]
losses:
  labels:
    type: binary_crossentropy
    output: scores
    target: attributes
    label_smoothing: 0.1
  idle: {type: mean_squared_error, output: scores, target: attributes, weight: 0.0}
metrics: {scores: [f1_micro]}
training: {epochs: 1, batch_size: 512}
"""
SOFTMAX = (
    "mistaken.yaml:11:11: losses.labels.type: MLX101 error: 'scores' ends in a softmax, whose 6 units share "
    "a sum of 1, but binary_crossentropy asks each of them for a probability of its own; use activation: "
    "sigmoid (docs/rules/MLX101.md)"
)
SMOOTHING = (
    "mistaken.yaml:14:22: losses.labels.label_smoothing: MLX111 note: label_smoothing draws probabilities "
    "together, but the metrics of 'scores' look only at their order or at their side of 0.5 and do not show "
    "it; add mse, the Brier score (docs/rules/MLX111.md)"
)
SOFTMAX_AGAIN = (
    "mistaken.yaml:15:60: losses.idle.target: MLX102 error: several labels of 'attributes' may be true at "
    "once, but the softmax of 'scores' shares a sum of 1 among them, so two cannot pass 0.5; use activation: "
    "sigmoid with binary_crossentropy (docs/rules/MLX102.md)"
)
WEIGHT = (
    "mistaken.yaml:15:80: losses.idle.weight: MLX107 warning: a weight of 0: 'idle' is reported but trains "
    "nothing; give it a weight, or take it out (docs/rules/MLX107.md)"
)
BATCH = (
    "mistaken.yaml:17:35: training.batch_size: MLX204 warning: a batch of 512 rows never fills: there are "
    "270 training rows, so that an epoch is a single step; use at most 270 (docs/rules/MLX204.md)"
)
OF_CONFIG = [SOFTMAX, SMOOTHING, SOFTMAX_AGAIN, WEIGHT]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "mistaken.yaml").write_text(MISTAKEN, "utf-8")
    return tmp_path


def _findings(out: str) -> list[str]:
    return [line for line in out.splitlines() if re.search(r"MLX\d|no findings", line)]


def test_findings_are_lines_below_the_tables_in_the_order_of_the_text(mlx: Mlx, folder: Path) -> None:
    code, out, err = mlx("check", "mistaken.yaml", "data.root=nowhere", folder=folder)
    assert (code, err) == (0, "")
    assert out.splitlines()[-4:] == OF_CONFIG
    assert [path.name for path in folder.iterdir()] == ["mistaken.yaml"]


def test_data_are_read_where_they_are_asked_for(mlx: Mlx, folder: Path) -> None:
    code, out, err = mlx("check", "mistaken.yaml", "--data", folder=folder)
    assert (code, err) == (0, "")
    assert _findings(out) == [*OF_CONFIG, BATCH]
    code, out, err = mlx("check", "mistaken.yaml", "data.root=nowhere", "--data", folder=folder)
    assert (code, out) == (3, "")
    assert err.startswith("mlx: nowhere: data.root is not a folder")


def test_the_document_lists_them(mlx: Mlx, folder: Path) -> None:
    code, out, err = mlx("check", "mistaken.yaml", "--data", "--json", folder=folder)
    assert (code, err) == (0, "")
    listed: list[dict[str, Any]] = json.loads(out)["findings"]
    assert [each["code"] for each in listed] == ["MLX101", "MLX111", "MLX102", "MLX107", "MLX204"]
    assert listed[3] == {
        "code": "MLX107",
        "name": "weight-of-zero",
        "severity": "warning",
        "file": "mistaken.yaml",
        "line": 15,
        "column": 80,
        "path": "losses.idle.weight",
        "message": "a weight of 0: 'idle' is reported but trains nothing; give it a weight, or take it out",
        "page": "docs/rules/MLX107.md",
    }


def test_what_the_command_line_sets_stands_there(mlx: Mlx, tiny: str, tmp_path: Path) -> None:
    (tmp_path / "tiny.yaml").write_text(tiny, "utf-8")
    arguments = ["check", "tiny.yaml", "model.layers.scores.activation=softmax", "losses.labels.weight=0"]
    _, out, _ = mlx(*arguments, "--json", folder=tmp_path)
    listed = [(each["code"], each["file"], each["line"]) for each in json.loads(out)["findings"]]
    assert listed == [
        ("MLX108", "tiny.yaml", 6),
        ("MLX108", "tiny.yaml", 7),
        ("MLX101", "tiny.yaml", 10),
        ("MLX107", "command line", None),
    ]
    _, out, _ = mlx(*arguments, folder=tmp_path)
    assert _findings(out)[-1].startswith("command line: losses.labels.weight: MLX107 warning: ")


def test_no_findings(mlx: Mlx, tiny: str, tmp_path: Path) -> None:
    (tmp_path / "tiny.yaml").write_text(tiny, "utf-8")
    for options in ((), ("--data",), ("--strict",), ("--data", "--strict")):
        code, out, err = mlx("check", "tiny.yaml", *options, folder=tmp_path)
        assert (code, err) == (0, "")
        assert out.endswith("\nno findings\n")


@pytest.mark.parametrize(
    ("overrides", "code"),
    [
        ([], 2),
        (["model.layers.scores.activation=sigmoid"], 2),
        (["model.layers.scores.activation=sigmoid", "losses.idle.weight=1"], 0),
        (["ignore=[MLX101, MLX102]"], 2),
        (["ignore=[MLX101, MLX102, MLX107]"], 0),
    ],
    ids=["error", "warning", "note", "ignored_errors", "ignored_all"],
)
def test_strict_ends_with_2_on_errors_and_warnings(
    mlx: Mlx, folder: Path, overrides: list[str], code: int
) -> None:
    """After printing: the lines and the document are those of a lenient check."""
    for output in ((), ("--json",)):
        lenient = mlx("check", "mistaken.yaml", *overrides, *output, folder=folder)
        strict = mlx("check", "mistaken.yaml", *overrides, *output, "--strict", folder=folder)
        assert lenient[0] == 0
        assert strict == (code, *lenient[1:])
        assert "MLX111" in strict[1]


def test_a_config_ignores_rules(mlx: Mlx, folder: Path) -> None:
    (folder / "mistaken.yaml").write_text(f"{MISTAKEN}ignore: [MLX204, MLX101, MLX111]\n", "utf-8")
    _, out, _ = mlx("check", "mistaken.yaml", "--data", folder=folder)
    assert _findings(out) == [SOFTMAX_AGAIN, WEIGHT]


def test_an_unknown_rule_is_told_with_the_nearest(mlx: Mlx, folder: Path) -> None:
    (folder / "mistaken.yaml").write_text(f"{MISTAKEN}ignore: [MLX107, MLX17]\n", "utf-8")
    code, out, err = mlx("check", "mistaken.yaml", folder=folder)
    assert (code, out) == (2, "")
    assert err.startswith("mlx: mistaken.yaml:18:18: ignore.1: must be one of MLX101, MLX102, ")
    assert err.endswith(", MLX205, not 'MLX17'; did you mean 'MLX107'?\n")


def test_training_says_it_before_it_starts(mlx: Mlx, folder: Path) -> None:
    code, out, err = mlx("train", "mistaken.yaml", "--json", folder=folder)
    assert code == 0
    assert json.loads(out)["status"] == "finished"
    lines = err.splitlines()
    assert lines[:5] == [*OF_CONFIG, BATCH]
    assert lines[5].startswith("mistaken: ")
    assert lines[7].startswith("epoch 1/1")


def test_a_quiet_training_keeps_errors_and_warnings(mlx: Mlx, folder: Path) -> None:
    code, _, err = mlx("train", "mistaken.yaml", "--quiet", folder=folder)
    assert code == 0
    assert err.splitlines() == [SOFTMAX, SOFTMAX_AGAIN, WEIGHT, BATCH]


def test_findings_come_before_anything_is_written(
    mlx: Mlx, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[list[str]] = []

    def look(_: object) -> Any:
        seen.append([path.name for path in folder.iterdir()])
        yield from ()

    monkeypatch.setitem(DATA_RULES, "MLX203", look)  # type: ignore[arg-type]
    assert mlx("train", "mistaken.yaml", "--quiet", folder=folder)[0] == 0
    assert seen == [["mistaken.yaml"]]


def test_training_asks_no_rule_that_runs_the_network(
    mlx: Mlx, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []

    def ask(code: str) -> Any:
        def find(_: object) -> Any:
            asked.append(code)
            yield from ()

        return find

    for code in DATA_RULES:
        monkeypatch.setitem(DATA_RULES, code, ask(code))
    assert mlx("train", "mistaken.yaml", "--quiet", folder=folder)[0] == 0
    assert asked == ["MLX201", "MLX202", "MLX203", "MLX204"]


def test_a_comparison_says_nothing(mlx: Mlx, folder: Path) -> None:
    arguments = ["--vary", "losses.idle.weight=0,1", "--seeds", "1", "--no-equal", "--quiet", "--json"]
    code, out, err = mlx("compare", "mistaken.yaml", *arguments, folder=folder)
    assert (code, err) == (0, "")
    assert "MLX" not in out
