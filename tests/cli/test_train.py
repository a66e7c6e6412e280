"""`mlx train` through the command line: its document, its run folder, its options, its ends."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable
from pathlib import Path
from typing import cast

import pytest
import yaml
from mlx_runner.specs.load import load_experiment

Mlx = Callable[..., tuple[int, str, str]]
Trained = tuple[Path, dict[str, object], str]
"""The folder in which `mlx train` ran, the document it printed, and its stderr."""

RECORDS = ("metrics.csv", "ledger.csv", "labels.csv")


@pytest.fixture(scope="module")
def trained(mlx: Mlx, tiny: str, tmp_path_factory: pytest.TempPathFactory) -> Trained:
    folder = tmp_path_factory.mktemp("trained")
    (folder / "tiny.yaml").write_text(tiny, "utf-8")
    code, out, err = mlx("train", "tiny.yaml", "--json", folder=folder)
    assert code == 0
    return folder, json.loads(out), err


def _train(mlx: Mlx, folder: Path, *arguments: str) -> tuple[dict[str, object], Path]:
    """The document of a training in `folder`, and its run folder."""
    code, out, err = mlx("train", *arguments, "--json", "--quiet", folder=folder)
    assert (code, err) == (0, "")
    document = json.loads(out)
    return document, folder / document["run"]


def _run_of(trained: Trained) -> Path:
    return trained[0] / str(trained[1]["run"])


def _records(run: Path) -> dict[str, bytes]:
    return {name: (run / name).read_bytes() for name in RECORDS}


def test_the_document_keeps_its_contract(trained: Trained) -> None:
    document = trained[1]
    assert document["name"] == "tiny"
    assert document["status"] == "finished"
    assert document["parameters"] == 784 * 6 + 6 + 6 * 6 + 6
    assert re.fullmatch(r"runs/\d{8}-\d{6}_tiny", str(document["run"]))
    metrics, baseline, floors, seconds = (
        cast("dict[str, float]", document[key]) for key in ("metrics", "baseline", "floors", "seconds")
    )
    parts = ("loss", "labels/loss", "scores/f1_micro")
    evaluated = {f"{split}/{part}" for split in ("validation", "test") for part in parts}
    assert set(metrics) == {"train/loss", "train/labels/loss", *evaluated}
    assert set(baseline) == {f"test/{part}" for part in parts}
    assert set(floors) == {"labels"}
    numbers = [*metrics.values(), *baseline.values(), *floors.values(), *seconds.values()]
    assert all(isinstance(number, float) and math.isfinite(number) for number in numbers)
    assert sum(each for name, each in seconds.items() if name != "total") <= seconds["total"]


def test_the_summary_on_disk_is_the_document(trained: Trained) -> None:
    assert json.loads((_run_of(trained) / "summary.json").read_text("utf-8")) == trained[1]


def test_the_run_folder_is_complete(trained: Trained) -> None:
    run = _run_of(trained)
    files = {path.relative_to(run).as_posix() for path in run.rglob("*") if path.is_file()}
    plots = {f"plots/{name}.{kind}" for name in ("losses", "metrics", "labels") for kind in ("png", "svg")}
    assert files == {
        *("config.yaml", "environment.json", "plan.json", "summary.json", "checksums.json", "log.txt"),
        *("metrics.csv", "ledger.csv", "labels.csv", "timings.csv"),
        *(f"checkpoints/{which}.safetensors" for which in ("last", "previous", "best")),
        *plots,
    }
    environment = json.loads((run / "environment.json").read_text("utf-8"))
    assert environment["command"] == ["mlx", "train", "tiny.yaml", "--json"]


def test_progress_is_plain_lines_on_stderr(trained: Trained) -> None:
    facts, writing, first, second = trained[2].splitlines()
    counts = "540 training rows, 60 for validation, 200 for test"
    assert re.fullmatch(rf"tiny: 4,752 parameters on .+; {counts}", facts)
    assert writing == f"writing to {trained[1]['run']}"
    losses = r"train/loss \d\.\d{4}  validation/loss \d\.\d{4}(  best)?"
    assert re.fullmatch(rf"epoch 1/2  \d+\.\d s  {losses}", first)
    assert re.fullmatch(rf"epoch 2/2  \d+\.\d s  {losses}", second)


def test_the_config_of_a_run_is_the_experiment_and_trains_to_the_same_bytes(
    mlx: Mlx, trained: Trained, tmp_path: Path
) -> None:
    config = _run_of(trained) / "config.yaml"
    assert load_experiment(str(config)) == load_experiment(str(trained[0] / "tiny.yaml"))
    again = _train(mlx, tmp_path, str(config))[1]
    assert _records(again) == _records(_run_of(trained))
    assert (again / "config.yaml").read_bytes() == config.read_bytes()


def test_the_seed_changes_the_weights_but_not_the_rows(mlx: Mlx, trained: Trained) -> None:
    folder, first, _ = trained
    document, run = _train(mlx, folder, "tiny.yaml", "--seed", "1")
    assert yaml.safe_load((run / "config.yaml").read_text("utf-8"))["seed"] == 1
    assert document["baseline"] == first["baseline"]
    assert all(_records(run)[name] != _records(_run_of(trained))[name] for name in RECORDS)


def test_options_and_overrides_reach_the_run(mlx: Mlx, trained: Trained) -> None:
    arguments = ["training.epochs=1", "optimizer.learning_rate=1e-2", "--name", "2024", "--runs", "elsewhere"]
    document, run = _train(mlx, trained[0], "tiny.yaml", *arguments)
    assert (document["name"], document["epochs"]) == ("2024", 1)
    assert re.fullmatch(r"elsewhere/\d{8}-\d{6}_2024", str(document["run"]))
    config = yaml.safe_load((run / "config.yaml").read_text("utf-8"))
    assert (config["name"], config["optimizer"]["learning_rate"]) == ("2024", 0.01)
    assert len((run / "metrics.csv").read_text("utf-8").splitlines()) == 2


def test_tables_come_without_json(mlx: Mlx, trained: Trained) -> None:
    code, out, err = mlx("train", "tiny.yaml", "training.epochs=1", "--quiet", folder=trained[0])
    assert (code, err) == (0, "")
    assert "tiny: epoch 1 of 1" in out
    assert re.search(r"^ *baseline +floor +above *$", out, re.MULTILINE)
    assert re.search(r"^ *metric +train +validation +test +\(test\) +\(test\) +floor *$", out, re.MULTILINE)
    assert re.search(r"^ *labels/loss( +\d\.\d{4}){6} *$", out, re.MULTILINE)
    assert re.search(r"^ *even +91 +0\.4550( +\d\.\d{4}){5} *$", out, re.MULTILINE)
    assert re.search(r"^run: runs/\d{8}-\d{6}_tiny$", out, re.MULTILINE)
    assert "\x1b" not in out


def test_a_diverged_run_says_so_and_keeps_its_folder(mlx: Mlx, tiny: str, tmp_path: Path) -> None:
    (tmp_path / "tiny.yaml").write_text(tiny.replace("shape: [784]", "shape: [784], scale: none"), "utf-8")
    arguments = ["losses.labels.weight=1e38", "optimizer.learning_rate=1e38", "--json", "--quiet"]
    code, out, err = mlx("train", "tiny.yaml", *arguments, folder=tmp_path)
    (run,) = (tmp_path / "runs").iterdir()
    assert code == 4
    assert err.startswith("mlx: ")
    assert len(err.splitlines()) == 1
    assert err.endswith(f"; the run is in runs/{run.name}\n")
    (message,) = json.loads(out)["error"]["messages"]
    assert err == f"mlx: {message['message']}\n"
    assert json.loads((run / "summary.json").read_text("utf-8"))["status"] == "diverged"


def test_an_error_during_training_closes_the_run(
    mlx: Mlx, tiny: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from mlx_runner.records.run_folder import RunFolder
    from mlx_runner.specs.errors import MachineError

    def fill_disk(folder: RunFolder, row: object) -> None:
        raise MachineError("cannot write 'metrics.csv': the disk is full")

    monkeypatch.setattr(RunFolder, "append_metrics", fill_disk)
    (tmp_path / "tiny.yaml").write_text(tiny, "utf-8")
    ended = mlx("train", "tiny.yaml", "--quiet", folder=tmp_path)
    (run,) = (tmp_path / "runs").iterdir()
    goes_on = f"mlx train --resume runs/{run.name} goes on from what was saved"
    assert ended == (6, "", f"mlx: cannot write 'metrics.csv': the disk is full\n{goes_on}\n")
    assert json.loads((run / "summary.json").read_text("utf-8"))["status"] == "failed"
