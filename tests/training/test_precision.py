"""`training.precision`: shorter products, float32 everywhere else, and what a CUDA device is told."""

from __future__ import annotations

import pytest
import torch
from mlx_runner.specs.load import load_experiment
from mlx_runner.training.assemble import open_workshop
from mlx_runner.training.blueprint import draw_blueprint
from mlx_runner.training.devices import prepare_process
from mlx_runner.training.evaluate import evaluate
from mlx_runner.training.step import Trainee, train_step
from torch.utils._python_dispatch import TorchDispatchMode

CONFIGS = {
    "autoencoder": ["data.samples=300", "data.test_samples=10", "data.validation_split=0"],
    "multilabel_mnist": ["data.samples=200", "data.validation_split=0", "training.batch_size=20"],
    "headline": [
        *("data.samples=200", "data.validation_split=0", "data.test_split=0"),
        "training.early_stopping=null",
    ],
}
# Sums over the steps of padded sequences, which batch normalization follows.
MASKED = [
    *CONFIGS["headline"],
    "model.layers.embedding.mask_zero=true",
    "model.layers.embedding.output_dim=8",
    "model.layers.wide={type: dense, units: 8, of: embedding}",
    "model.layers.normal={type: batch_normalization, of: wide}",
    "model.layers.lstm.of=normal",
]
CASES = {**{name: (name, changes) for name, changes in CONFIGS.items()}, "masked": ("headline", MASKED)}


class Products(TorchDispatchMode):
    """The types in which matrices are multiplied and images convolved."""

    def __init__(self) -> None:
        super().__init__()
        self.types: set[torch.dtype] = set()

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        if any(
            name in str(func)
            for name in ("addmm.default", "mm.default", "bmm", "convolution.default", "linear")
        ):
            self.types |= {each.dtype for each in args if isinstance(each, torch.Tensor)}
        return func(*args, **(kwargs or {}))


def trained(
    name: str, precision: str, members: int | None, steps: int = 6
) -> tuple[Trainee, list[float], Products]:
    config, changes = CASES[name]
    experiment = load_experiment(config, [*changes, f"training.precision={precision}"])
    workshop = open_workshop(draw_blueprint(experiment), torch.device("cpu"))
    trainee = workshop.build([experiment] * (members or 1), stacked=members is not None)
    losses, products = list[float](), Products()
    train, size = workshop.splits.train, experiment.training.batch_size
    for number in range(steps):
        start = number * size % (len(train) - size)
        index = torch.arange(start, start + size)
        with products:
            ledger = train_step(trainee, train.gather(index, workshop.dtype))
        losses.append(float(ledger.total.detach().flatten()[0]))
    values = evaluate(trainee, train, batch_size=size, keep=list(trainee.network.graph.outputs)).values
    assert {each.dtype for each in values.values()} == {torch.float32}
    return trainee, losses, products


@pytest.mark.parametrize("members", [None, 2])
@pytest.mark.parametrize("name", CASES)
def test_bf16_multiplies_shorter_and_keeps_weights(name: str, members: int | None) -> None:
    _, full, plain = trained(name, "float32", members)
    trainee, half, shorter = trained(name, "bf16", members)
    assert torch.bfloat16 not in plain.types
    assert torch.bfloat16 in shorter.types
    assert trainee.parameters.values.dtype == torch.float32
    # Eight bits of mantissa: a relative error of 2 ** -9 in each product.
    assert half == pytest.approx(full, rel=0.02)
    assert half != full


def test_tf32_is_float32_on_a_cpu() -> None:
    assert trained("autoencoder", "tf32", None)[1] == trained("autoencoder", "float32", None)[1]


@pytest.mark.parametrize(("precision", "allowed"), [("tf32", True), ("float32", False), ("bf16", False)])
def test_what_a_cuda_device_is_told(precision: str, allowed: bool) -> None:
    try:
        prepare_process(precision)
        assert torch.backends.cuda.matmul.allow_tf32 is allowed
        assert torch.backends.cudnn.allow_tf32 is allowed
    finally:
        prepare_process("float32")
