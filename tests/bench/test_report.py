"""The tables of stored results, what is told of peers that could not run, and losses that do not agree."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

BENCH = Path(__file__).resolve().parents[2] / "bench"
BEGIN, END = "<!-- bench: begin -->", "<!-- bench: end -->"


def _turn(whole: float, epochs: list[float], loss: float) -> dict[str, Any]:
    return {
        "whole_seconds": whole,
        "cpu_seconds": whole,
        "others_cores": 0.01,
        "peak_bytes": 700e6,
        "import_peak_bytes": 500e6,
        "startup_seconds": 1.5,
        "epoch_seconds": epochs,
        "epoch_losses": [0.2, loss],
    }


def _results(*, loss: float = 0.101) -> dict[str, Any]:
    """Two rounds of one network, with one peer that ran, one that is missing and one that cannot."""
    mlx = [_turn(5.0, [1.2, 1.0, 1.0], 0.1), _turn(6.0, [1.4, 1.2, 1.0], 0.1)]
    keras = [_turn(10.0, [2.0, 2.0, 2.0], loss), _turn(8.0, [2.0, 1.0, 1.2], loss)]
    limit = {"threads": 2, "epoch_seconds": 0.5, "gflops": 200.0, "gigabytes_per_second": 60.0}
    compared = {"whole_seconds": 32.0, "keras_whole_seconds": 10.0, "settings": 16, "loss": 0.1}
    return {
        "machine": {
            "processor": "A processor",
            "cores": 2,
            "memory_bytes": 2**34,
            "system": "Linux",
            "versions": {"Python": "3.11.1", "torch": "2.11.0"},
        },
        "peers": {
            "keras-jax": {"versions": {"keras": "3.10.0"}},
            "lightning": {"missing": "lightning"},
            "ludwig": {"versions": {"ludwig": "0.11.0"}},
        },
        "imports": [{"whole_seconds": 1.0, "peak_bytes": 500e6}] * 2,
        "networks": {
            "autoencoder": {
                "title": "a network",
                "rows": 60_000,
                "batch_size": 100,
                "epochs": 3,
                "steps": 600,
                "parameters": 221_868,
                "contenders": {"mlx": mlx, "keras-jax": keras, "limit": [limit] * 2},
                "settings": [compared] * 2,
            }
        },
    }


def _report(results: dict[str, Any], folder: Path, text: str) -> subprocess.CompletedProcess[str]:
    (folder / "results.json").write_text(json.dumps(results), "utf-8")
    (folder / "document.md").write_text(text, "utf-8")
    command = [sys.executable, str(BENCH / "report.py"), "results.json", "--document", "document.md"]
    return subprocess.run(command, cwd=folder, check=False, capture_output=True, text=True)


def test_the_tables_stand_between_the_markers(tmp_path: Path) -> None:
    ended = _report(_results(), tmp_path, f"before\n{BEGIN}\nold\n{END}\nafter\n")
    assert (ended.returncode, ended.stderr) == (0, "")
    text = (tmp_path / "document.md").read_text("utf-8")
    assert text.startswith(
        f"before\n{BEGIN}\nA processor, 2 cores, 16 GiB, Linux; Python 3.11.1, torch 2.11.0, "
    )
    assert text.endswith(f"{END}\nafter\n")
    assert "old" not in text
    assert "Other processes had at most 0.2 of a core during any turn." in text
    # whole, start-up, first and later epoch, step, processor, memory, memory beyond imports, loss, ratios
    assert (
        "| Keras 3 on jax | 9.00 (8.00 to 10.0) | 1.50 | 2.00 | 1.55 (1.10 to 2.00) | 2.58 | 9.00 | 700 "
        "| 200 | 0.101 | 0.625 (0.500 to 0.750) | 0.750 (0.500 to 1.00) |"
    ) in text
    assert "| the limit |  |  |  | 0.500 | 0.833 |  |  |  |  |  | 2.10 (2.00 to 2.20) |" in text
    assert "| `autoencoder` | 16 | 32.0 | 10.0 | 160 | 0.200 |" in text
    assert "| `autoencoder`: whole process, of Keras 3 on jax | 0.6 | 0.61 | **no** |" in text
    assert "| `autoencoder`: 16 settings, of Keras 3 on jax | 0.45 | 0.20 | yes |" in text


def test_a_peer_that_is_not_there_is_told(tmp_path: Path) -> None:
    _report(_results(), tmp_path, f"{BEGIN}\n{END}\n")
    text = (tmp_path / "document.md").read_text("utf-8")
    assert "| PyTorch Lightning | not installed (lightning) |" in text
    assert "| Ludwig | cannot express it |" in text


@pytest.mark.parametrize("loss", [0.11, float("nan")])
def test_a_loss_out_of_line_is_a_fault(tmp_path: Path, loss: float) -> None:
    ended = _report(_results(loss=loss), tmp_path, f"{BEGIN}\n{END}\n")
    assert ended.returncode == 1
    assert "FAULT: autoencoder, keras-jax: its final loss is " in ended.stderr
    text = (tmp_path / "document.md").read_text("utf-8")
    assert "**These figures are not to be trusted:**" in text
    assert ", out of line** |" in text


def test_a_failed_training_is_a_fault(tmp_path: Path) -> None:
    results = _results()
    results["networks"]["autoencoder"]["contenders"]["keras-jax"] = [{"error": "it fell over"}] * 2
    ended = _report(results, tmp_path, f"{BEGIN}\n{END}\n")
    assert ended.returncode == 1
    assert "FAULT: autoencoder, keras-jax: it fell over" in ended.stderr
    assert "| Keras 3 on jax | failed |" in (tmp_path / "document.md").read_text("utf-8")


def test_a_disturbed_turn_is_told(tmp_path: Path) -> None:
    results = _results()
    results["networks"]["autoencoder"]["contenders"]["mlx"][1]["others_cores"] = 0.9
    _report(results, tmp_path, f"{BEGIN}\n{END}\n")
    text = (tmp_path / "document.md").read_text("utf-8")
    assert "**In 1 of 4 turns other processes had more than 0.2 of a core**, at the most 0.90 cores." in text


def test_a_document_without_markers_stays_as_it_is(tmp_path: Path) -> None:
    ended = _report(_results(), tmp_path, "no place for tables\n")
    assert ended.returncode == 1
    assert f"it needs a line {BEGIN} and, below it, a line {END}" in ended.stderr
    assert (tmp_path / "document.md").read_text("utf-8") == "no place for tables\n"


def test_the_documentation_has_a_place_for_the_tables() -> None:
    text = (BENCH.parent / "docs" / "benchmarks.md").read_text("utf-8")
    assert text.count(f"\n{BEGIN}\n") == text.count(f"{END}\n") == 1


def test_losses_are_compared_within_a_round(tmp_path: Path) -> None:
    """Other initial weights end elsewhere, for all; and one round in which somebody strays is chance."""
    results = _results()
    found = results["networks"]["autoencoder"]
    results["imports"] *= 2
    for turns in (*found["contenders"].values(), found["settings"]):
        turns *= 2
    rounds = {"mlx": [0.1, 0.2, 0.3, 0.4], "keras-jax": [0.101, 0.202, 0.36, 0.401]}
    for name, losses in rounds.items():
        found["contenders"][name] = [_turn(5.0, [1.0, 1.0], loss) for loss in losses]
    found["settings"] = [
        {**turn, "loss": loss} for turn, loss in zip(found["settings"], rounds["mlx"], strict=True)
    ]
    assert _report(results, tmp_path, f"{BEGIN}\n{END}\n").returncode == 0
    found["contenders"]["keras-jax"][1] = _turn(5.0, [1.0, 1.0], 0.23)
    found["contenders"]["keras-jax"][3] = _turn(5.0, [1.0, 1.0], 0.46)
    ended = _report(results, tmp_path, f"{BEGIN}\n{END}\n")
    assert ended.returncode == 1
    assert "FAULT: autoencoder, keras-jax: its final loss is +" in ended.stderr
