"""How many threads a network is worth: a fixed rule, replayed from a plan, and gone again afterwards."""

from __future__ import annotations

import pytest
import torch
from mlx_runner.specs.load import load_experiment
from mlx_runner.training.blueprint import draw_blueprint
from mlx_runner.training.devices import settled_threads

CPU = torch.device("cpu")


@pytest.fixture(autouse=True)
def three_threads(threads_restored: None) -> None:
    torch.set_num_threads(3)


@pytest.mark.parametrize(
    ("name", "rows", "expected"),
    [
        ("multilabel_attributes", 128, 1),
        ("multilabel_attributes", 1000, 3),
        ("autoencoder", 100, 3),
        ("autoencoder", 10, 1),
        ("headline", 32, 1),
        ("multilabel_mnist", 64, 3),
    ],
)
def test_threads_by_the_largest_product(name: str, rows: int, expected: int) -> None:
    network = draw_blueprint(load_experiment(name)).network
    with settled_threads(network, CPU, rows=rows):
        assert torch.get_num_threads() == expected
    assert torch.get_num_threads() == 3


def test_a_plan_is_replayed() -> None:
    network = draw_blueprint(load_experiment("headline")).network
    with settled_threads(network, CPU, rows=32, threads=2):
        assert torch.get_num_threads() == 2
    assert torch.get_num_threads() == 3
