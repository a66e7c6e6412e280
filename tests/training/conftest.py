"""What the tests of weightings share: a network with three losses, and its losses by plain PyTorch."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import pytest
import torch
from mlx_runner.data import Table
from mlx_runner.models import Network
from mlx_runner.specs.experiment import Experiment
from mlx_runner.training.assemble import Workshop, open_workshop
from mlx_runner.training.blueprint import draw_blueprint
from mlx_runner.training.seeding import epoch_order
from torch import Tensor
from torch.nn import functional as F

LAYERS: dict[str, Any] = {
    "bottom": {"type": "dense", "units": 5, "activation": "tanh"},
    "top": {"type": "dense", "of": "bottom", "units": 4, "activation": "tanh"},
    "labels_output": {"type": "dense", "of": "top", "units": 6, "activation": "sigmoid"},
    "digit_output": {"type": "dense", "of": "top", "units": 10, "activation": "softmax"},
    "image_output": {"type": "dense", "of": "bottom", "units": 784},
}
LOSSES: dict[str, Any] = {
    "labels": {"type": "binary_crossentropy", "output": "labels_output", "target": "attributes"},
    "digit": {"type": "sparse_categorical_crossentropy", "output": "digit_output", "target": "digit"},
    "pixels": {"type": "mean_squared_error", "output": "image_output", "target": "image", "weight": 2.0},
}


@pytest.fixture
def threads_restored() -> Iterator[None]:
    """As many threads afterwards as before, whatever a test sets."""
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="session")
def weighed() -> Callable[..., Experiment]:
    """`weighed(weighting, **changes)`: two epochs of three steps, in float64, by plain gradient descent."""

    def build(weighting: dict[str, Any], **changes: Any) -> Experiment:
        data = {"source": "mnist", "shape": [784], "samples": 60, "test_samples": 50, "validation_split": 0.2}
        document = {
            "name": "weighed",
            "seed": 5,
            "numerics": "torch",
            "data": data,
            "model": {
                "inputs": "image",
                "layers": LAYERS,
                "outputs": ["labels_output", "digit_output", "image_output"],
            },
            "losses": LOSSES,
            "weighting": weighting,
            "optimizer": {"type": "sgd", "learning_rate": 0.05},
            "training": {"epochs": 2, "batch_size": 16, "precision": "float64"},
        }
        return Experiment.model_validate(document | changes)

    return build


@pytest.fixture(scope="session")
def workshop_of() -> Callable[[Experiment], Workshop]:
    """The workshop of a config, on the CPU."""
    return lambda experiment: open_workshop(draw_blueprint(experiment), torch.device("cpu"))


@pytest.fixture(scope="session")
def batches_of() -> Callable[..., list[Table]]:
    """The batches of one epoch of a config, in their order."""

    def gather(experiment: Experiment, workshop: Workshop, epoch: int) -> list[Table]:
        train = workshop.splits.train
        order = epoch_order(experiment.seed, epoch, len(train))
        rows = torch.split(order, experiment.training.batch_size)
        return [train.gather(index, torch.float64) for index in rows]

    return gather


@pytest.fixture(scope="session")
def plain_losses() -> Callable[[Network, Table], list[Tensor]]:
    """The three unweighted losses of a batch, each from a forward pass of its own."""

    def labels(network: Network, batch: Table) -> Tensor:
        outputs = network(batch.inputs)
        return F.binary_cross_entropy(outputs["labels_output"], batch.reference("attributes").double())

    def digit(network: Network, batch: Table) -> Tensor:
        outputs = network(batch.inputs)
        return F.nll_loss(outputs["digit_output"].log(), batch.reference("digit").long().flatten())

    def pixels(network: Network, batch: Table) -> Tensor:
        outputs = network(batch.inputs)
        return F.mse_loss(outputs["image_output"], batch.reference("image"))

    functions: Sequence[Callable[[Network, Table], Tensor]] = (labels, digit, pixels)
    return lambda network, batch: [function(network, batch) for function in functions]
