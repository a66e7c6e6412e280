"""What the tests of explanations share: shipped configs made small, in float64."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from mlx_runner.specs.experiment import Experiment
from mlx_runner.specs.load import load_experiment

_SMALL = {
    "headline": ["data.samples=600", "data.length=30", "model.layers.embedding.output_dim=24"],
    "autoencoder": ["data.samples=500", "data.test_samples=200"],
    "multilabel_attributes": ["data.samples=500", "data.test_samples=200"],
}


@pytest.fixture(scope="session")
def small() -> Callable[..., Experiment]:
    """`small(name, *overrides)`: a shipped config of few rows, in float64."""
    return lambda name, *overrides: load_experiment(
        name, [*_SMALL[name], "training.precision=float64", *overrides]
    )
