"""`mlx explain` through the command line: what it prints, what it reads, and what it refuses."""

from __future__ import annotations

import json
import math
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from xml.etree import ElementTree

import pytest

Mlx = Callable[..., tuple[int, str, str]]

TWO = """\
name: two
data: {source: mnist, shape: [784], samples: 300, test_samples: 100}
model:
  inputs: [image]
  layers:
    hidden: {type: dense, units: 6, activation: relu}
    scores: {type: dense, of: hidden, units: 6, activation: sigmoid}
    digits: {type: dense, of: hidden, units: 10, activation: softmax}
  outputs: [scores, digits]
losses:
  labels: {type: binary_crossentropy, output: scores, target: attributes}
  digit: {type: sparse_categorical_crossentropy, output: digits, target: digit, weight: 0.5}
training: {batch_size: 100}
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "two.yaml").write_text(TWO, "utf-8")
    return tmp_path


def _explained(mlx: Mlx, folder: Path, *arguments: str) -> dict:
    code, out, err = mlx("explain", *arguments, "--json", folder=folder)
    assert (code, err) == (0, "")
    return json.loads(out)


def test_the_document(mlx: Mlx, folder: Path) -> None:
    document = _explained(mlx, folder, "two.yaml", "--batches", "2")
    assert list(document) == [
        *("name", "run", "batches", "update", "reach", "shares", "unreached", "frozen"),
        *("agreement", "labels", "floors", "notes"),
    ]
    assert document["reach"]["scores"]["digit"] is None
    assert document["reach"]["digits"]["labels"] is None
    assert document["reach"]["hidden"]["digit"] > 0
    assert sum(document["shares"]["hidden"].values()) == pytest.approx(1.0)
    assert list(document["agreement"]) == ["hidden"]
    assert document["update"]["optimizer_steps"] == 1
    assert list(document["labels"]) == ["labels"]
    assert document["floors"]["digit"]["floor"] == 0.0
    assert sorted(path.name for path in folder.iterdir()) == ["two.yaml"]


def test_the_tables(mlx: Mlx, folder: Path) -> None:
    code, out, err = mlx("explain", "two.yaml", folder=folder)
    assert (code, err) == (0, "")
    assert out.startswith("two: measured at its initial weights, on 3 training batches\n")
    for words in (
        "one update per batch, not one per output",
        "gradient norm of each unweighted term",
        "agreement of the terms' gradients",
        "In scores every weight belongs to one label and gets that label's gradient alone.",
        "how far each loss is from the least that any prediction could make it on these data",
    ):
        assert words in out
    assert "\x1b" not in out


def test_markdown(mlx: Mlx, folder: Path) -> None:
    code, out, err = mlx("explain", "two.yaml", "--format", "markdown", folder=folder)
    assert (code, err) == (0, "")
    titles = [line for line in out.splitlines() if line.startswith("#")]
    assert titles == [
        "# two",
        "## One update",
        "## Reach",
        "## Agreement",
        "## Labels of scores",
        "## Floors",
    ]
    assert "| digits | 70 | - | " in out


def test_the_picture(mlx: Mlx, folder: Path) -> None:
    code, out, err = mlx("explain", "two.yaml", "--format", "svg", folder=folder)
    assert (code, err) == (0, "")
    assert ElementTree.fromstring(out).tag == "{http://www.w3.org/2000/svg}svg"
    for name in ("image", "hidden", "scores", "digits", "labels", "digit"):
        assert name in out
    code, printed, err = mlx("explain", "two.yaml", "--picture", "graph.svg", folder=folder)
    assert (code, err) == (0, "")
    assert (folder / "graph.svg").read_text("utf-8") == out
    assert printed.startswith("two: measured")


def test_a_run_is_looked_at_with_its_own_weights(mlx: Mlx, folder: Path) -> None:
    code, out, _ = mlx("train", "two.yaml", "training.epochs=3", "--json", "--quiet", folder=folder)
    assert code == 0
    trained = json.loads(out)
    before = sorted(folder.rglob("*"))
    untrained = _explained(mlx, folder, "two.yaml")
    with_run = _explained(mlx, folder, "two.yaml", "latest")
    alone = _explained(mlx, folder, trained["run"])
    assert with_run["run"] == trained["run"]
    assert with_run["floors"]["labels"]["loss"] == pytest.approx(
        trained["metrics"]["test/labels/loss"], rel=1e-6
    )
    assert with_run["floors"]["labels"]["loss"] < untrained["floors"]["labels"]["loss"]
    assert alone["floors"] == with_run["floors"]
    assert any("the optimizer of the step starts anew" in note for note in alone["notes"])
    assert sorted(folder.rglob("*")) == before


def test_overrides_and_a_run_of_another_network(mlx: Mlx, folder: Path) -> None:
    assert _explained(mlx, folder, "two.yaml", "losses.digit.weight=2")["update"]["terms"][1]["weight"] == 2.0
    mlx("train", "two.yaml", "--quiet", folder=folder)
    code, out, err = mlx("explain", "two.yaml", "latest", "model.layers.hidden.units=7", folder=folder)
    assert (code, out) == (2, "")
    assert "two.yaml:3:1: model: layers.hidden.kernel is (784, 6) in run" in err
    assert err.count("\n") == 4


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["losses.digit.weight=2"], "give a config or a run to look at."),
        (["two.yaml", "a", "b"], "one config and one run at the most, but 3 were given: 'b'."),
        (["two.yaml", "nothing"], "no run named 'nothing': there is no folder 'runs'."),
        (
            ["two.yaml", "--format", "tabel"],
            "--format: no format named 'tabel'; did you mean 'table'? Formats: table, markdown, json, svg.",
        ),
    ],
    ids=["no config", "too many", "no run", "no format"],
)
def test_mistakes(mlx: Mlx, folder: Path, arguments: list[str], message: str) -> None:
    assert mlx("explain", *arguments, folder=folder) == (2, "", f"mlx: {message}\n")


def test_a_mistake_in_the_config_is_told_with_its_place(mlx: Mlx, folder: Path) -> None:
    code, out, err = mlx("explain", "two.yaml", "losses.digit.output=digit", folder=folder)
    assert (code, out) == (2, "")
    assert "no output named 'digit'; did you mean 'digits'?" in err


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        (["losses.digit.weight=0"], "No loss that counts reaches digits: its weights stay as they are."),
        (
            ["losses.digit.weight=0", "model.layers.digits.kernel_regularizer={l2: 0.1}"],
            "No loss that counts reaches digits: only regularization moves its weights.",
        ),
        (
            ["losses.digit.weight=0", "optimizer={type: adamw}"],
            "No loss that counts reaches digits: only weight decay moves its weights.",
        ),
        (["model.layers.hidden.trainable=false"], "Frozen, so that nothing moves them: hidden."),
        (["weighting={type: pcgrad}"], "a backward pass per loss, aggregated by pcgrad, and one step"),
    ],
    ids=["weight 0", "regularization", "weight decay", "frozen", "aggregated"],
)
def test_what_moves_a_layer_is_said_as_it_is(
    mlx: Mlx, folder: Path, changes: list[str], sentence: str
) -> None:
    code, out, err = mlx("explain", "two.yaml", "--batches", "1", *changes, folder=folder)
    assert (code, err) == (0, "")
    assert sentence in " ".join(out.split())


def test_a_network_that_cannot_learn_is_refused(mlx: Mlx, folder: Path) -> None:
    frozen = [f"model.layers.{name}.trainable=false" for name in ("hidden", "scores", "digits")]
    message = "no layer has weights to train: give one some units, or leave trainable: false out"
    for command in ("explain", "check", "train"):
        code, out, err = mlx(command, "two.yaml", *frozen, folder=folder)
        assert (code, out) == (2, "")
        assert err == f"mlx: two.yaml:5:3: model.layers: {message}\n"


def test_many_terms_are_listed_a_row_each(mlx: Mlx, folder: Path) -> None:
    losses = "".join(
        f"  more_{index}: {{type: binary_crossentropy, output: scores, target: attributes}}\n"
        for index in range(5)
    )
    (folder / "many.yaml").write_text(TWO.replace("training:", losses + "training:"), "utf-8")
    code, out, _ = mlx("explain", "many.yaml", "--format", "markdown", folder=folder)
    assert code == 0
    assert "| layer | weights | term | norm | share |" in out


def test_every_number_is_finite_or_null(mlx: Mlx, folder: Path) -> None:
    """A label that never occurs and a dead layer have gradients of zero, whose cosines are nothing."""
    text = TWO.replace(
        "units: 6, activation: relu}", "units: 6, activation: relu, kernel_initializer: zeros}"
    )
    (folder / "dead.yaml").write_text(text, "utf-8")
    document = _explained(mlx, folder, "dead.yaml")
    assert all(math.isfinite(number) for number in _numbers(document))
    assert document["agreement"]["hidden"][0]["mean"] is None


def _numbers(document: object) -> list[float]:
    if isinstance(document, dict):
        return [number for value in document.values() for number in _numbers(value)]
    if isinstance(document, list):
        return [number for value in document for number in _numbers(value)]
    return [document] if isinstance(document, float) else []


def test_the_headline_takes_under_ten_seconds_beyond_torch(
    folder: Path, clean_environment: dict[str, str]
) -> None:
    """Of processor time on one thread, since other work on the machine is no fault of the command."""
    environment = {**clean_environment, "OMP_NUM_THREADS": "1"}
    explaining = [sys.executable, "-m", "mlx_runner.cli", "explain", "headline", "--json"]
    importing = [sys.executable, "-c", "import torch"]
    seconds = [_processor_seconds(command, folder, environment) for command in (explaining, importing)]
    assert seconds[0] - seconds[1] < 10.0


def _processor_seconds(command: list[str], folder: Path, environment: dict[str, str]) -> float:
    process = subprocess.Popen(command, cwd=folder, env=environment, stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    assert process.returncode == 0
    return usage.ru_utime + usage.ru_stime
