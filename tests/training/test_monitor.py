"""The best epoch, early stopping and what is kept, against histories counted by hand."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
import torch
from mlx_runner.records.run_folder import RunFolder
from mlx_runner.specs.errors import ConfigError
from mlx_runner.specs.experiment import Experiment
from mlx_runner.training.blueprint import draw_blueprint
from mlx_runner.training.checkpoint import load_checkpoint
from mlx_runner.training.monitor import Monitor, Monitored, Watch
from mlx_runner.training.run import run_experiment


def watch(
    values: list[float], *, lower: bool = True, patience: int | None = 2, min_delta: float = 0.0
) -> Watch:
    monitored = Monitored({"key": 1.0}, lower_is_better=lower)
    watched = Watch(Monitor(monitored, patience, min_delta, restore_best=True))
    for epoch, value in enumerate(values, start=1):
        watched.update(epoch, {"key": value})
        if watched.exhausted:
            break
    return watched


@pytest.mark.parametrize(
    ("values", "options", "best", "since"),
    [
        ([3, 2, 1, 2, 2, 0], {}, 3, 2),
        ([3, 2, 1, 2, 2, 0], {"patience": None}, 6, 0),
        ([1, 2, 3, 2, 2], {"lower": False}, 3, 2),
        ([1.0, 0.99, 0.98], {"min_delta": 0.05}, 1, 2),
        ([math.nan, 2, math.nan, 1], {"patience": 5}, 4, 0),
        ([1, 2], {"patience": 0}, 1, 1),
    ],
)
def test_watch_counts_as_keras(values: list[float], options: dict, best: int, since: int) -> None:
    watched = watch(values, **options)
    assert (watched.best_epoch, watched.epochs_since_best) == (best, since)


def experiment(**training: object) -> Experiment:
    return Experiment.model_validate(
        {
            "name": "small",
            "data": {
                "source": "mnist",
                "shape": [784],
                "samples": 80,
                "test_samples": 50,
                "validation_split": 0.2,
            },
            "model": {
                "inputs": "image",
                "layers": {"out": {"type": "dense", "units": 6, "activation": "sigmoid"}},
                "outputs": "out",
            },
            "losses": {
                "attributes": {"type": "binary_crossentropy", "output": "out", "target": "attributes"}
            },
            "optimizer": {"type": "adam", "learning_rate": 0.05},
            "training": {"epochs": 6, "batch_size": 32, **training},
        }
    )


def test_a_weighted_sum_of_keys() -> None:
    keys = {"validation/loss": 1.0, "validation/out/f1_micro": -0.5}
    monitor = draw_blueprint(experiment(early_stopping={"monitor": keys, "patience": 1})).monitor
    assert monitor.best.lower_is_better
    assert monitor.best.name == "1 validation/loss + -0.5 validation/out/f1_micro"
    assert monitor.best.value({"validation/loss": 0.5, "validation/out/f1_micro": 0.4}) == pytest.approx(0.3)


def test_keys_of_opposite_directions_need_a_sign() -> None:
    keys = {"validation/loss": 1.0, "validation/out/f1_micro": 0.5}
    with pytest.raises(ConfigError) as caught:
        draw_blueprint(experiment(early_stopping={"monitor": keys}))
    assert str(caught.value) == (
        "training.early_stopping.monitor: these keys improve in opposite directions; "
        "give some a negative weight"
    )


def test_restore_best_decides_which_weights_are_kept(tmp_path: Path) -> None:
    best, last = (
        run_experiment(experiment(restore_best=choice), runs=tmp_path / str(choice))
        for choice in (True, False)
    )
    assert best.best_epoch == last.best_epoch < 6
    saved = {}
    for result in (best, last):
        folder = RunFolder.open(Path(result.run))
        saved[result.run] = [load_checkpoint(folder.checkpoint_path(which))[0] for which in ("best", "last")]
    name = "model/layers.out.kernel"
    assert not torch.equal(saved[best.run][0][name], saved[best.run][1][name])
    assert torch.equal(saved[last.run][0][name], saved[last.run][1][name])
    assert last.metrics["validation/loss"] > best.metrics["validation/loss"]


def test_plateau_slows_the_run_down(tmp_path: Path) -> None:
    described = experiment().model_dump() | {
        "optimizer": {
            "type": "sgd",
            "learning_rate": 1.0,
            "schedule": {"type": "reduce_on_plateau", "factor": 1e-6, "patience": 1, "min_delta": 10.0},
        }
    }
    result = run_experiment(Experiment.model_validate(described, strict=False), runs=tmp_path)
    losses = [row["train/loss"] for row in RunFolder.open(Path(result.run)).read_metrics()]
    # Nothing improves by 10: from the third epoch on the rate is a millionth, and the weights stand still.
    assert losses[0] != pytest.approx(losses[1], rel=1e-3)
    assert losses[3:] == pytest.approx([losses[2]] * 3, rel=1e-5)


def test_weights_from_another_run(tmp_path: Path) -> None:
    first = run_experiment(experiment(), runs=tmp_path)
    described = experiment(epochs=1).model_dump()
    described["model"]["weights_from"] = first.run
    described["optimizer"] = {"type": "sgd", "learning_rate": 1e-12}
    second = run_experiment(Experiment.model_validate(described, strict=False), runs=tmp_path)
    assert second.metrics["test/loss"] == pytest.approx(first.metrics["test/loss"], rel=1e-6)


def test_weights_that_do_not_fit(tmp_path: Path) -> None:
    first = run_experiment(experiment(), runs=tmp_path)
    described = experiment(epochs=1).model_dump()
    described["model"]["weights_from"] = first.run
    described["data"]["shape"] = [392, 2]
    described["model"]["layers"]["out"]["of"] = "flat"
    described["model"]["layers"] = {"flat": {"type": "flatten"}, "renamed": {"type": "dense", "units": 6}}
    described["model"]["outputs"] = "renamed"
    described["losses"]["attributes"]["output"] = "renamed"
    with pytest.raises(ConfigError, match=r"model.weights_from: no layer here is named as one of .*: out\."):
        run_experiment(Experiment.model_validate(described, strict=False), runs=tmp_path)
    described["model"]["weights_from"] = "nowhere"
    with pytest.raises(ConfigError, match=r"model.weights_from: 'nowhere' is not a run"):
        run_experiment(Experiment.model_validate(described, strict=False), runs=tmp_path)
