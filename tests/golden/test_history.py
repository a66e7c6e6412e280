"""Two epochs of two steps against literal numbers: a change of any formula, stream or order shows here.

The dense history is also reached by plain PyTorch (tests/training/test_run.py), so the literals only
have to hold still.
"""

from __future__ import annotations

from pathlib import Path

import pytest
from mlx_runner.records.run_folder import RunFolder
from mlx_runner.specs.experiment import Experiment
from mlx_runner.training.run import run_experiment

DENSE = {
    "hidden": {"type": "dense", "units": 6, "activation": "relu"},
    "out": {"type": "dense", "units": 6, "activation": "sigmoid"},
}
CONVOLUTION = {
    "conv": {"type": "conv2d", "filters": 4, "kernel_size": 3, "strides": 2, "padding": "same"},
    "norm": {"type": "batch_normalization"},
    "relu": {"type": "activation", "activation": "relu"},
    "drop": {"type": "dropout", "rate": 0.4},
    "flat": {"type": "flatten"},
    "out": {"type": "dense", "units": 6, "activation": "sigmoid"},
}
DENSE_NUMBERS = {
    "train": [0.721586589, 0.70210675],
    "validation": [0.710617067, 0.700649052],
    "test": [0.6853657243084952, 0.54],
}
CONVOLUTION_NUMBERS = {
    "train": [0.970323723, 0.857096953],
    "validation": [0.68929981, 0.684550256],
    "test": [0.7016142267152291, 0.51],
}
HISTORIES = [
    ("dense", DENSE, [784], DENSE_NUMBERS),
    ("convolution", CONVOLUTION, [1, 28, 28], CONVOLUTION_NUMBERS),
]


@pytest.mark.parametrize(("name", "layers", "shape", "numbers"), HISTORIES)
def test_history(tmp_path: Path, name: str, layers: dict, shape: list[int], numbers: dict) -> None:
    described = Experiment.model_validate(
        {
            "name": name,
            "seed": 3,
            "data": {
                "source": "mnist",
                "shape": shape,
                "samples": 80,
                "test_samples": 50,
                "validation_split": 0.2,
            },
            "model": {"inputs": "image", "layers": layers, "outputs": "out"},
            "losses": {
                "attributes": {"type": "binary_crossentropy", "output": "out", "target": "attributes"}
            },
            "training": {"epochs": 2, "batch_size": 32, "precision": "float64"},
        }
    )
    result = run_experiment(described, runs=tmp_path)
    rows = RunFolder.open(Path(result.run)).read_metrics()
    found = {
        "train": [row["train/loss"] for row in rows],
        "validation": [row["validation/loss"] for row in rows],
        "test": [result.metrics["test/loss"], result.metrics["test/out/binary_accuracy"]],
    }
    assert found == {split: pytest.approx(values, rel=1e-7) for split, values in numbers.items()}
