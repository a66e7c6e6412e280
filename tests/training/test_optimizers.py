"""Every optimizer follows Keras's own, or PyTorch's own, step by step on the same gradients."""

from __future__ import annotations

import os
import warnings

import pytest
import torch
from mlx_runner.specs import optimizers as spec
from mlx_runner.training.optimizers import build_optimizer
from mlx_runner.training.parameters import FlatParameters
from pydantic import ValidationError
from torch import nn

os.environ.setdefault("KERAS_BACKEND", "torch")
with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    import keras

# Keras reads its own variables in a way that NumPy 2 deprecates.
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")

CASES = [
    (spec.Adam(learning_rate=0.01), keras.optimizers.Adam(0.01), torch.optim.Adam, {}),
    (spec.Adam(learning_rate=0.01, beta_1=0.8, epsilon=1e-3),
     keras.optimizers.Adam(0.01, beta_1=0.8, epsilon=1e-3), torch.optim.Adam,
     {"betas": (0.8, 0.999), "eps": 1e-3}),
    (spec.AdamW(learning_rate=0.01), keras.optimizers.AdamW(0.01), torch.optim.AdamW, {}),
    (spec.SGD(learning_rate=0.1), keras.optimizers.SGD(0.1), torch.optim.SGD, {}),
    (spec.SGD(learning_rate=0.1, momentum=0.9), keras.optimizers.SGD(0.1, momentum=0.9), torch.optim.SGD,
     {"momentum": 0.9}),
    (spec.SGD(learning_rate=0.1, momentum=0.9, nesterov=True),
     keras.optimizers.SGD(0.1, momentum=0.9, nesterov=True), torch.optim.SGD,
     {"momentum": 0.9, "nesterov": True}),
    (spec.RMSprop(learning_rate=0.01), keras.optimizers.RMSprop(0.01), torch.optim.RMSprop, {}),
    (spec.RMSprop(learning_rate=0.01, momentum=0.5, centered=True),
     keras.optimizers.RMSprop(0.01, momentum=0.5, centered=True), torch.optim.RMSprop,
     {"momentum": 0.5, "centered": True}),
    (spec.Adagrad(learning_rate=0.1), keras.optimizers.Adagrad(0.1), torch.optim.Adagrad, {}),
    (spec.Adadelta(learning_rate=1.0), keras.optimizers.Adadelta(1.0), torch.optim.Adadelta, {}),
]  # fmt: skip
CLIPPED = [
    (spec.SGD(learning_rate=0.1, clipnorm=0.7), keras.optimizers.SGD(0.1, clipnorm=0.7)),
    (spec.SGD(learning_rate=0.1, global_clipnorm=0.7), keras.optimizers.SGD(0.1, global_clipnorm=0.7)),
    (spec.SGD(learning_rate=0.1, clipvalue=0.3), keras.optimizers.SGD(0.1, clipvalue=0.3)),
]


class Two(nn.Module):
    """Two parameters of different shapes."""

    def __init__(self, start: list[torch.Tensor]) -> None:
        super().__init__()
        self.kernel, self.bias = (nn.Parameter(each.clone()) for each in start)


def start() -> list[torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    return [torch.randn(shape, generator=generator, dtype=torch.float64) for shape in ((3, 4), (4,))]


def gradients(step: int) -> list[torch.Tensor]:
    generator = torch.Generator().manual_seed(step + 1)
    return [torch.randn(each.shape, generator=generator, dtype=torch.float64) for each in start()]


def ours(described: spec.AnyOptimizer, *, numerics: str, steps: int = 30) -> list[torch.Tensor]:
    network = Two(start())
    parameters = FlatParameters(network, members=None)
    optimizer = build_optimizer(
        described,
        parameters,
        numerics=numerics,
        learning_rates=(described.learning_rate,),
        schedule=lambda step: 1.0,
    )
    for step in range(steps):
        for segment, gradient in zip(parameters.segments.values(), gradients(step), strict=True):
            segment.copy_(gradient.flatten())
        optimizer.step(torch.zeros(()))
    return [each.detach() for each in network.parameters()]


def of_keras(optimizer: keras.optimizers.Optimizer, steps: int = 30) -> list[torch.Tensor]:
    variables = [keras.Variable(each.numpy(), dtype="float64") for each in start()]
    for step in range(steps):
        optimizer.apply([each.clone() for each in gradients(step)], variables)
    return [each.value.detach() for each in variables]


@pytest.mark.parametrize(("described", "keras_optimizer"), [case[:2] for case in CASES] + CLIPPED)
def test_follows_keras(described: spec.AnyOptimizer, keras_optimizer: keras.optimizers.Optimizer) -> None:
    # A fresh one per test: a Keras optimizer is built for its first variables.
    expected = of_keras(type(keras_optimizer).from_config(keras_optimizer.get_config()))
    for mine, other in zip(ours(described, numerics="keras"), expected, strict=True):
        # Keras stores its learning rate and beta powers in float32.
        torch.testing.assert_close(mine, other, rtol=2e-6, atol=1e-7)


@pytest.mark.parametrize(("described", "keras_optimizer", "kind", "arguments"), CASES)
def test_follows_torch(
    described: spec.AnyOptimizer, keras_optimizer: object, kind: type[torch.optim.Optimizer], arguments: dict
) -> None:
    network = Two(start())
    optimizer = kind(network.parameters(), lr=described.learning_rate, **arguments)
    for step in range(30):
        for parameter, gradient in zip(network.parameters(), gradients(step), strict=True):
            parameter.grad = gradient
        optimizer.step()
    for mine, other in zip(ours(described, numerics="torch"), network.parameters(), strict=True):
        torch.testing.assert_close(mine, other.detach(), rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("described", [case[0] for case in CASES] + [case[0] for case in CLIPPED])
@pytest.mark.parametrize("frozen", [False, True])
def test_a_stack_is_its_members(described: spec.AnyOptimizer, frozen: bool) -> None:
    """Equal rates, different rates, and a member frozen half-way that then keeps its weights."""
    rates = (described.learning_rate, described.learning_rate * 3, described.learning_rate)
    stack = Two([torch.stack([each] * 3) for each in start()])
    parameters = FlatParameters(stack, members=3)
    optimizer = build_optimizer(
        described, parameters, numerics="keras", learning_rates=rates, schedule=lambda step: 0.9**step
    )
    flags = torch.zeros(3)
    for step in range(10):
        for segment, gradient in zip(parameters.segments.values(), gradients(step), strict=True):
            segment.copy_(torch.stack([gradient, gradient, gradient * 2]).flatten(1))
        if frozen and step == 5:
            flags[1] = 1.0
        optimizer.step(flags)
    for row, (rate, factor) in enumerate(zip(rates, (1.0, 1.0, 2.0), strict=True)):
        alone = Two(start())
        flat = FlatParameters(alone, members=None)
        single = build_optimizer(
            described,
            flat,
            numerics="keras",
            learning_rates=(rate,),
            schedule=lambda step: 0.9**step,
        )
        for step in range(5 if frozen and row == 1 else 10):
            for segment, gradient in zip(flat.segments.values(), gradients(step), strict=True):
                segment.copy_((gradient * factor).flatten())
            single.step(torch.zeros(()))
        for mine, stacked in zip(alone.parameters(), stack.parameters(), strict=True):
            torch.testing.assert_close(stacked[row].detach(), mine.detach(), rtol=1e-12, atol=1e-13)


def test_a_frozen_network_keeps_its_weights() -> None:
    for described, *_ in CASES:
        network = Two(start())
        parameters = FlatParameters(network, members=None)
        optimizer = build_optimizer(
            described, parameters, numerics="keras", learning_rates=(0.1,), schedule=lambda step: 1.0
        )
        parameters.gradients.fill_(float("nan"))
        optimizer.step(torch.ones(()))
        assert all(torch.equal(a, b) for a, b in zip(network.parameters(), start(), strict=True)), described


def test_exact_messages() -> None:
    with pytest.raises(
        ValidationError,
        match="may be set, not clipnorm and clipvalue",
    ):
        spec.Adam(clipnorm=1.0, clipvalue=1.0)
    with pytest.raises(ValidationError, match="nesterov has no effect without momentum"):
        spec.SGD(nesterov=True)
