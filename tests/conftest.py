"""What tests of the whole program share: a call of `mlx` in this process, and a tiny config."""

from __future__ import annotations

import contextlib
import io
import json
import os
import sys
from collections.abc import Callable
from pathlib import Path
from unittest import mock

import pytest
from hypothesis import settings
from mlx_runner.cli.main import main

# How long an example takes says more of the machine, which may be busy, than of the code.
settings.register_profile("shared machine", deadline=None)
settings.load_profile("shared machine")

Mlx = Callable[..., tuple[int, str, str]]

TINY = """\
name: tiny
data: {source: mnist, shape: [784], samples: 600, test_samples: 200}
model:
  inputs: [image]
  layers:
    hidden: {type: dense, units: 6, activation: relu}
    scores: {type: dense, of: hidden, units: 6, activation: sigmoid}
  outputs: [scores]
losses:
  labels: {type: binary_crossentropy, output: scores, target: attributes}
metrics: {scores: [f1_micro]}
training: {epochs: 2, batch_size: 100}
optimizer: {type: adam}
"""

TABLE = """\
name: houses
data:
  source: table
  path: train.csv
  id: name
  inputs:
    numbers: {type: numeric, columns: ["x*"]}
    colour: {type: categorical, column: colour}
    words: {type: text, column: words, encoding: counts, vocabulary_size: 20}
  targets:
    late: {type: binary, column: late}
    tags: {type: multilabel, columns: [a, b]}
    kind: {type: categorical, column: kind}
    price: {type: regression, columns: [price], log1p: true}
    sizes: {type: regression, columns: [width, height]}
model:
  inputs: [numbers, colour, words]
  layers:
    joined: {type: concatenate, of: [numbers, colour, words]}
    hidden: {type: dense, units: 8, activation: relu}
    late: {type: dense, of: hidden, units: 1, activation: sigmoid}
    tags: {type: dense, of: hidden, units: 2, activation: sigmoid}
    kind: {type: dense, of: hidden, units: 3, activation: softmax}
    price: {type: dense, of: hidden, units: 1}
    sizes: {type: dense, of: hidden, units: 2}
  outputs: [late, tags, kind, price, sizes]
losses:
  late: {type: binary_crossentropy, output: late, target: late}
  tags: {type: binary_crossentropy, output: tags, target: tags}
  kind: {type: sparse_categorical_crossentropy, output: kind, target: kind}
  price: {type: mean_squared_error, output: price, target: price}
  sizes: {type: mean_squared_error, output: sizes, target: sizes}
thresholds: {tags: {a: 0.7, b: 0.2}}
calibration: {kind: temperature}
optimizer: {type: adam, learning_rate: 0.02}
training: {epochs: 5, batch_size: 50}
"""

# What makes Rich and Typer print escape codes, or not, whatever they print to.
_TERMINAL_VARIABLES = ("NO_COLOR", "FORCE_COLOR", "PY_COLORS", "GITHUB_ACTIONS", "TTY_COMPATIBLE", "COLUMNS")


@pytest.fixture(autouse=True)
def subnormal_numbers() -> None:
    """Hypothesis draws them, and refuses to where training has switched them off for the process."""
    if "torch" in sys.modules:
        import torch

        torch.set_flush_denormal(False)


@pytest.fixture(scope="session")
def mlx() -> Callable[..., tuple[int, str, str]]:
    """`mlx(*arguments, folder=...)`: the exit code, stdout and stderr of the command, run in that folder."""

    def call(*arguments: str, folder: Path) -> tuple[int, str, str]:
        out, err = io.StringIO(), io.StringIO()
        with (
            contextlib.chdir(folder),
            contextlib.redirect_stdout(out),
            contextlib.redirect_stderr(err),
            mock.patch.object(sys, "argv", ["mlx", *arguments]),
            mock.patch.object(sys, "excepthook", sys.excepthook),
            pytest.raises(SystemExit) as ended,
        ):
            main()
        assert isinstance(ended.value.code, int)
        return ended.value.code, out.getvalue(), err.getvalue()

    return call


@pytest.fixture(scope="session")
def tiny() -> str:
    """The text of a config with one loss that `mlx train` is done with in well under a second."""
    return TINY


@pytest.fixture(scope="session")
def clean_environment() -> dict[str, str]:
    """The environment for a command in a process of its own, without what changes how it prints."""
    kept = {key: value for key, value in os.environ.items() if key not in _TERMINAL_VARIABLES}
    return {**kept, "TERM": "xterm-256color"}


@pytest.fixture(scope="session")
def table_run(mlx: Mlx, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The run of a network with outputs of every kind, whose table is gone; its rows, `rows.csv`, are in
    the folder above that of the runs."""
    folder = tmp_path_factory.mktemp("table")
    (folder / "houses.yaml").write_text(TABLE, "utf-8")
    (folder / "train.csv").write_text(_houses(300), "utf-8")
    code, out, err = mlx("train", "houses.yaml", "--quiet", "--json", folder=folder)
    assert code == 0, err
    (folder / "train.csv").rename(folder / "rows.csv")
    return folder / json.loads(out)["run"]


def _houses(num_rows: int) -> str:
    """A table by plain arithmetic; an empty cell, an odd label and an id that looks like a formula."""
    lines = ["name,x1,x2,colour,words,late,a,b,kind,price,width,height"]
    for row in range(num_rows):
        x1, x2 = (row * 37 % 101) / 10 - 5, (row * 53 % 97) / 10 - 4
        colour, words = ("red", "green", "=blue")[row % 3], ("big house", "small, old", "")[row % 5 % 3]
        labels = f"{int(x1 > 0)},{int(x2 > 1)},{int(x1 + x2 > 3)},{'x' if x1 > 2 else 'y' if x2 > 0 else 'z'}"
        numbers = f"{row % 11 + 0.5},{x1 * 100:.2f},{x2 + 7:.2f}"
        shown = "" if row == 7 else f"{x2:.1f}"
        name = "=1+1" if row == 3 else f"house {row}"
        lines.append(f'{name},{x1:.1f},{shown},{colour},"{words}",{labels},{numbers}')
    return "\n".join(lines) + "\n"
