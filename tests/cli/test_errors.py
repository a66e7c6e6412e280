"""Every kind of mistake in a config through `check` and `train`: the exact message, its place, no run left."""

# ruff: noqa: E501  (messages are compared word for word, each on one line)

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import get_args

import pytest
from mlx_runner.specs.metrics import MetricName
from mlx_runner.specs.training import Training

Said = tuple[str | None, int | None, int | None, str | None, str]
"""One message: file, line, column, path, text."""
AssertFails = Callable[[Path, list[str], int, list[Said]], None]

FILE = "tiny.yaml"

# What is replaced in the tiny config by what, and all that is then said of it.
CONFIGS: dict[str, tuple[str, str, list[Said]]] = {
    "an unknown key": (
        "{epochs: 2",
        "{epoch: 2",
        [
            (
                *(FILE, 12, 12, "training"),
                f"unknown key 'epoch'; did you mean 'epochs'? Allowed: {', '.join(Training.model_fields)}.",
            )
        ],
    ),
    "text for a number": (
        "units: 6, activation: relu",
        "units: six, activation: relu",
        [(FILE, 6, 34, "model.layers.hidden.units", "must be a whole number, not the text 'six'")],
    ),
    "a fraction for a whole number": (
        "units: 6, activation: relu",
        "units: 1e-3, activation: relu",
        [(FILE, 6, 34, "model.layers.hidden.units", "must be a whole number, not the number 0.001")],
    ),
    "a number out of range": (
        "epochs: 2",
        "epochs: 0",
        [(FILE, 12, 20, "training.epochs", "must be greater than 0, not 0")],
    ),
    "a misspelt layer": (
        "of: hidden",
        "of: hiden",
        [
            (
                *(FILE, 7, 31, "model.layers.scores.of"),
                "no layer or input named 'hiden'; did you mean 'hidden'? Names: image, hidden, scores.",
            )
        ],
    ),
    "a misspelt input": (
        "inputs: [image]",
        "inputs: [imgae]",
        [
            (
                *(FILE, 4, 12, "model.inputs.0"),
                "no input named 'imgae'; did you mean 'image'? Inputs: image.",
            )
        ],
    ),
    "a misspelt output": (
        "output: scores",
        "output: score",
        [
            (
                *(FILE, 10, 47, "losses.labels.output"),
                "no output named 'score'; did you mean 'scores'? Outputs: scores.",
            )
        ],
    ),
    "a misspelt target": (
        "target: attributes",
        "target: atributes",
        [
            (
                *(FILE, 10, 63, "losses.labels.target"),
                "no target named 'atributes'; did you mean 'attributes'? Targets: image, digit, digits, attributes.",
            )
        ],
    ),
    "a misspelt metric": (
        "[f1_micro]",
        "[f1_mirco]",
        [
            (
                *(FILE, 11, 20, "metrics.scores.0"),
                f"no metric named 'f1_mirco'; did you mean 'f1_micro'? Metrics: {', '.join(get_args(MetricName))}.",
            )
        ],
    ),
    "an output that nothing else knows, in the order of the text": (
        "outputs: [scores]",
        "outputs: [scoers]",
        [
            (
                *(FILE, 8, 13, "model.outputs.0"),
                "no layer named 'scoers'; did you mean 'scores'? Layers: hidden, scores.",
            ),
            (
                *(FILE, 10, 47, "losses.labels.output"),
                "no output named 'scores'; did you mean 'scoers'? Outputs: scoers.",
            ),
            (
                *(FILE, 11, 11, "metrics.scores"),
                "no output named 'scores'; did you mean 'scoers'? Outputs: scoers.",
            ),
        ],
    ),
    "a cycle": (
        "hidden: {type: dense,",
        "hidden: {type: dense, of: scores,",
        [
            (
                *(FILE, 6, 31, "model.layers.hidden.of"),
                "the layers form a cycle: hidden reads scores reads hidden",
            )
        ],
    ),
    "shapes that do not fit": (
        "of: hidden, units: 6",
        "of: hidden, units: 7",
        [
            (
                *(FILE, 10, 63, "losses.labels.target"),
                "target 'attributes' has (6) per example, but output 'scores' gives (7)",
            )
        ],
    ),
    "an image in a shape it has not": (
        "shape: [784]",
        "shape: [28]",
        [
            (
                *(FILE, 2, 23, "data.shape"),
                "[28] holds 28 values, but an image has 784 (1, 28, 28); give sizes whose product is 784, such as [784].",
            )
        ],
    ),
    "a duplicate key": (
        "metrics: {",
        "name: again\nmetrics: {",
        [(FILE, 11, 1, None, "duplicate key 'name'; it is first given at line 1, column 1")],
    ),
    "a list for a mapping": (
        "training: {epochs: 2, batch_size: 100}",
        "training: [2, 100]",
        [(FILE, 12, 1, "training", "must be a mapping, not a list")],
    ),
    "a tab": (
        "  inputs:",
        "\tinputs:",
        [(FILE, 4, 1, None, "a tab cannot indent YAML; use spaces")],
    ),
    "several at once": (
        "{epochs: 2, batch_size: 100}",
        "{epochs: two, batch_size: -1}",
        [
            (FILE, 12, 20, "training.epochs", "must be a whole number, not the text 'two'"),
            (FILE, 12, 37, "training.batch_size", "must be greater than 0, not -1"),
        ],
    ),
}

WHOLE_FILES: dict[str, tuple[str, Said]] = {
    "an empty file": (
        "",
        (FILE, None, None, None, "the file is empty; a config is a mapping that begins with 'name: ...'"),
    ),
    "only a comment": (
        "# nothing\n",
        (FILE, None, None, None, "the file is empty; a config is a mapping that begins with 'name: ...'"),
    ),
    "a list": (
        "- name: tiny\n",
        (FILE, 1, 1, None, "a config must be a mapping at the top, not a list"),
    ),
}


@pytest.mark.parametrize("command", ["check", "train"])
@pytest.mark.parametrize("case", CONFIGS)
def test_mistakes_in_a_config(
    assert_fails: AssertFails, tiny: str, tmp_path: Path, command: str, case: str
) -> None:
    given, instead, said = CONFIGS[case]
    assert tiny.count(given) == 1
    (tmp_path / FILE).write_text(tiny.replace(given, instead), "utf-8")
    assert_fails(tmp_path, [command, FILE], 2, said)


@pytest.mark.parametrize("command", ["check", "train"])
@pytest.mark.parametrize("case", WHOLE_FILES)
def test_files_that_are_no_config(assert_fails: AssertFails, tmp_path: Path, command: str, case: str) -> None:
    text, said = WHOLE_FILES[case]
    (tmp_path / FILE).write_text(text, "utf-8")
    assert_fails(tmp_path, [command, FILE], 2, [said])
