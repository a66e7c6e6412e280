"""The runner itself, on few rows: turns are measured, missing peers are told, faults are an exit of 1."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

BENCH = Path(__file__).resolve().parents[2] / "bench"
MARKERS = "<!-- bench: begin -->\n<!-- bench: end -->\n"

LOSSES_APART = """
import sys
sys.path.insert(0, sys.argv.pop(1))
import run
turns = {name: [{"epoch_losses": [loss]}] for name, loss in (("mlx", 0.2), ("plain", 0.2), ("tidy", 0.21))}
network = {"contenders": turns, "settings": []}
run._measure = lambda options, ground: {"peers": {}, "imports": [{}], "networks": {"attributes": network}}
sys.exit(run.main())
"""


@pytest.fixture(scope="module")
def smoke(tmp_path_factory: pytest.TempPathFactory) -> tuple[dict[str, Any], str, str]:
    """The results, the document and the messages of a bench on 2,000 rows."""
    folder = tmp_path_factory.mktemp("bench")
    (folder / "document.md").write_text(MARKERS, "utf-8")
    # An interpreter without packages has none of the peer's, whatever is installed beside this one.
    bare = folder / "bare"
    bare.write_text(f'#!/bin/sh\nexec "{sys._base_executable}" -S "$@"\n', "utf-8")
    bare.chmod(0o755)
    options = ["--networks", "attributes", "--peers", "plain,tidy,ludwig", "--python", f"ludwig={bare}"]
    options += ["--rows", "2000", "--epochs", "2", "--rounds", "1", "--retries", "0", "--settings", "2"]
    command = [sys.executable, str(BENCH / "run.py"), *options]
    command += ["--output", "out/results.json", "--document", "document.md"]
    ended = subprocess.run(command, cwd=folder, check=False, capture_output=True, text=True)
    assert ended.returncode == 0, ended.stderr
    results = json.loads((folder / "out" / "results.json").read_text("utf-8"))
    return results, (folder / "document.md").read_text("utf-8"), ended.stderr


@pytest.mark.slow
@pytest.mark.parametrize("name", ["mlx", "plain", "tidy"])
def test_a_turn_is_measured(smoke: tuple[dict[str, Any], str, str], name: str) -> None:
    (turn,) = smoke[0]["networks"]["attributes"]["contenders"][name]
    assert turn["steps"] == 2 * 16
    assert len(turn["epoch_seconds"]) == len(turn["epoch_losses"]) == 2
    assert 0 < turn["startup_seconds"] < turn["whole_seconds"]
    assert 0 < sum(turn["epoch_seconds"]) < turn["whole_seconds"]
    assert turn["peak_bytes"] > turn.get("import_peak_bytes", 0) >= 0
    assert turn["epoch_losses"][1] < turn["epoch_losses"][0] < 0.8


@pytest.mark.slow
def test_the_limit_and_the_settings_are_measured(smoke: tuple[dict[str, Any], str, str]) -> None:
    found = smoke[0]["networks"]["attributes"]
    (limit,) = found["contenders"]["limit"]
    assert limit["epoch_seconds"] == pytest.approx(limit["products_seconds"] + limit["optimizer_seconds"])
    (settings,) = found["settings"]
    assert settings["settings"] == 2
    assert "keras_whole_seconds" not in settings
    (mlx,) = found["contenders"]["mlx"]
    assert settings["loss"] == pytest.approx(mlx["epoch_losses"][-1], abs=1e-4)


@pytest.mark.slow
def test_a_missing_peer_is_told(smoke: tuple[dict[str, Any], str, str]) -> None:
    results, document, told = smoke
    assert results["peers"]["ludwig"] == {"missing": "numpy"}
    assert "Ludwig: not installed (numpy)" in told
    assert "| Ludwig | not installed (numpy) |" in document


def test_losses_apart_are_an_exit_of_1(tmp_path: Path) -> None:
    options = ["--networks", "attributes", "--output", "results.json"]
    command = [sys.executable, "-c", LOSSES_APART, str(BENCH), *options]
    ended = subprocess.run(command, cwd=tmp_path, check=False, capture_output=True, text=True)
    assert ended.returncode == 1
    assert (
        "FAULT: attributes, tidy: its final loss is +5.0% from the median of all, more than 3%"
        in ended.stderr
    )


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--peers", "plain,kears"], "no 'kears'; there are plain, torchvision, tidy, lightning, keras-jax"),
        (["--networks", "vgg"], "no 'vgg'; there are autoencoder, headline, attributes"),
        (["--rounds", "0"], "'0' is no positive number"),
        (
            ["--python", "tensorflow=/no/such/file"],
            "is not one of jax, keras, lightning, ludwig, tensorflow, torch",
        ),
    ],
)
def test_a_mistake_is_told_before_anything_runs(tmp_path: Path, options: list[str], message: str) -> None:
    command = [sys.executable, str(BENCH / "run.py"), *options]
    ended = subprocess.run(command, cwd=tmp_path, check=False, capture_output=True, text=True)
    assert ended.returncode == 2
    assert message in " ".join(ended.stderr.split())


def test_the_limit_has_the_products_of_a_step() -> None:
    """Three products of 2 flops a weight and row, less the gradient of the pixels."""
    code = (
        "import sys; sys.path.insert(0, sys.argv[1]); import networks as n;"
        "print([sum(p.flops for p in n.products_of(each)) for each in n.NETWORKS.values()])"
    )
    printed = subprocess.check_output([sys.executable, "-c", code, str(BENCH)], text=True)
    weights = 784 * 128 * 2 + 128 * 64 * 2 + 64 * 28 * 2
    lstm = 6 * 32 * 100 * (512 + 32) * 128
    dense = 6 * 32 * (32 + 37 * 64 + 2 * 64 * 64 + 64)
    assert json.loads(printed) == [
        100 * (6 * weights - 2 * 784 * 128),
        lstm + dense,
        128 * (4 * 784 * 6 + 6 * 36),
    ]
