"""What tests of the whole program share: a call of `mlx` in this process, and a tiny config."""

from __future__ import annotations

import contextlib
import io
import os
import sys
from collections.abc import Callable
from pathlib import Path
from unittest import mock

import pytest
from mlx_runner.cli.main import main

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
