"""`mlx --help` and its like: what they say, what they cost, and what they leave unloaded."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import pytest

HEAVY = {"torch", "torchvision", "pydantic", "numpy", "matplotlib", "yaml", "safetensors"}

# Prints, after all else, the names of what was imported.
_LISTING = """
import json, sys
from mlx_runner.cli.main import main
sys.argv[0] = "mlx"
try:
    main()
finally:
    json.dump(sorted(sys.modules), sys.stderr)
"""


def _run(arguments: list[str], folder: Path, environment: dict[str, str]) -> tuple[int, str, set[str]]:
    """The exit code, stdout, and what was imported; nothing else may be on stderr."""
    command = [sys.executable, "-c", _LISTING, *arguments]
    ended = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    return ended.returncode, ended.stdout, set(json.loads(ended.stderr))


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--help"], ["Usage: mlx", "train", "check", "runs", "--version"]),
        (["-h"], ["Usage: mlx"]),
        (["train", "--help"], ["mlx train", "CONFIG", "[KEY=VALUE]...", "auto|cpu|cuda[:N]", "Exit codes"]),
        (["check", "--help"], ["mlx check", "CONFIG", "[KEY=VALUE]...", "--json"]),
        (["predict", "--help"], ["mlx predict", "RUN", "FILE", "--input-format", "--rows"]),
        (["export", "--help"], ["mlx export", "RUN", "onnx|torch|safetensors"]),
        (["runs", "--help"], ["mlx runs", "COND", "show", "diff", "tag", "verify", "rm", "restore"]),
        (["runs", "show", "--help"], ["mlx runs show", "RUN", "--runs", "--json", "Exit codes"]),
        (["runs", "rm", "--help"], ["mlx runs rm", "[RUN...]", "--purge", "--force", "Exit codes"]),
        (["--version"], [f"mlx {version('mlx-runner')}\n"]),
    ],
    ids=["mlx", "short", "train", "check", "predict", "export", "runs", "runs show", "runs rm", "version"],
)
def test_help_is_plain_and_loads_nothing_heavy(
    arguments: list[str], words: list[str], tmp_path: Path, clean_environment: dict[str, str]
) -> None:
    code, out, modules = _run(arguments, tmp_path, clean_environment)
    assert code == 0
    assert all(word in out for word in words)
    assert "\x1b" not in out
    assert "typer" in modules
    # Of a command that it parses, Typer asks pydantic for the types.
    assert not (HEAVY if arguments[0].startswith("-") else HEAVY - {"pydantic"}) & modules


def test_listing_runs_loads_no_torch(tmp_path: Path, clean_environment: dict[str, str]) -> None:
    code, _, modules = _run(["runs"], tmp_path, clean_environment)
    assert code == 0
    assert "mlx_runner.records.listing" in modules
    assert not {"torch", "torchvision", "matplotlib"} & modules


def test_a_mistake_in_a_config_is_told_without_torch(
    tmp_path: Path, tiny: str, clean_environment: dict[str, str]
) -> None:
    (tmp_path / "tiny.yaml").write_text(tiny.replace("epochs", "epoch"), "utf-8")
    command = [sys.executable, "-c", _LISTING, "train", "tiny.yaml"]
    ended = subprocess.run(
        command, cwd=tmp_path, env=clean_environment, capture_output=True, text=True, check=False
    )
    message, _, modules = ended.stderr.rpartition("\n")
    assert ended.returncode == 2
    assert message.startswith("mlx: tiny.yaml:12:12: training: unknown key 'epoch'")
    assert "torch" not in json.loads(modules)


def test_help_costs_under_a_third_of_a_second(tmp_path: Path, clean_environment: dict[str, str]) -> None:
    """Of processor time, beyond that of an empty program measured in turn with it: the least of several."""
    help_command = [sys.executable, "-m", "mlx_runner.cli", "--help"]
    empty_command = [sys.executable, "-c", "pass"]
    measured = [
        [
            _processor_seconds(command, tmp_path, clean_environment)
            for command in (help_command, empty_command)
        ]
        for _ in range(5)
    ]
    least_help, least_empty = (min(column) for column in zip(*measured, strict=True))
    assert least_help - least_empty < 0.3


def _processor_seconds(command: list[str], folder: Path, environment: dict[str, str]) -> float:
    process = subprocess.Popen(command, cwd=folder, env=environment, stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    assert process.returncode == 0
    return usage.ru_utime + usage.ru_stime
