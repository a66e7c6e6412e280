"""The shipped networks stacked follow themselves alone, step by step; so do random graphs and knobs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from mlx_runner.data import Splits, Table, open_source
from mlx_runner.specs.experiment import Experiment
from mlx_runner.specs.load import load_experiment
from mlx_runner.training.assemble import Workshop, open_workshop
from mlx_runner.training.blueprint import draw_blueprint
from mlx_runner.training.seeding import epoch_order
from mlx_runner.training.step import Trainee, train_step
from torch import Tensor

SMALL = {
    "autoencoder": ["data.samples=1000", "data.test_samples=100"],
    "multilabel_attributes": ["data.samples=1000", "data.test_samples=100"],
    "headline": ["data.samples=200", "data.length=20", "model.layers.embedding.output_dim=16"],
    "convolution": ["data.samples=300", "data.test_samples=100"],
}
CONVOLUTION = (
    "model.layers={conv: {type: conv2d, filters: 3, kernel_size: 3, strides: 2, use_bias: false},"
    " norm: {type: batch_normalization}, relu: {type: activation, activation: relu},"
    " drop: {type: dropout, rate: 0.3}, flatten: {type: flatten},"
    " digits: {type: dense, units: 10, activation: sigmoid}}"
)


def experiments(name: str, precision: str) -> list[Experiment]:
    """Three members: two of one seed, whose weights and learning rates differ, and one of another seed."""
    config = "multilabel_mnist" if name == "convolution" else name
    common = [*SMALL[name], *([CONVOLUTION] if name == "convolution" else [])]
    common += [f"training.precision={precision}", "training.batch_size=20"]
    term = {"headline": "aux", "autoencoder": "pixels", "convolution": "digits"}.get(name, "attributes")
    return [
        load_experiment(config, [*common, "seed=1"]),
        load_experiment(
            config, [*common, "seed=1", f"losses.{term}.weight=0.4", "optimizer.learning_rate=2e-3"]
        ),
        load_experiment(config, [*common, "seed=2", f"losses.{term}.label_smoothing=0.1"]),
    ]


def losses(trainee: Trainee, table: Table, seeds: Sequence[int], steps: int, batch_size: int) -> Tensor:
    """Every step's terms and total, (steps, R + 1) or (steps, R + 1, K)."""
    dtype = trainee.parameters.values.dtype
    found: list[Tensor] = []
    epoch = 0
    while len(found) < steps:
        epoch += 1
        orders = [epoch_order(seed, epoch, len(table)) for seed in seeds]
        order = orders[0] if len(seeds) == 1 else torch.stack(orders)
        for index in torch.split(order, batch_size, dim=-1):
            ledger = train_step(trainee, table.gather(index, dtype))
            found.append(torch.cat([ledger.raw, ledger.total.unsqueeze(0)]).detach())
    return torch.stack(found[:steps])


def assert_members_follow(
    workshop: Workshop, described: Sequence[Experiment], *, steps: int, rtol: float, final: float
) -> None:
    train = workshop.splits.train
    batch_size = described[0].training.batch_size
    stack = workshop.build(described, stacked=True)
    together = losses(stack, train, [each.seed for each in described], steps, batch_size)
    test = train.batch(0, min(50, len(train)), workshop.dtype)
    predicted = stack.network.eval()(test.inputs)
    for row, each in enumerate(described):
        single = workshop.build([each], stacked=False)
        alone = losses(single, train, [each.seed], steps, batch_size)
        torch.testing.assert_close(together[..., row], alone, rtol=rtol, atol=rtol * 1e-2)
        for name, values in single.network.eval()(test.inputs).items():
            torch.testing.assert_close(predicted[name][row], values, rtol=final, atol=final)


@pytest.mark.parametrize("name", SMALL)
def test_float64_over_an_epoch(name: str) -> None:
    described = experiments(name, "float64")
    workshop = open_workshop(draw_blueprint(described[0]), torch.device("cpu"))
    steps = workshop.steps_per_epoch
    assert_members_follow(workshop, described, steps=steps, rtol=1e-9, final=1e-9)


@pytest.mark.parametrize("name", SMALL)
def test_float32_for_a_hundred_steps(name: str) -> None:
    described = experiments(name, "float32")
    workshop = open_workshop(draw_blueprint(described[0]), torch.device("cpu"))
    assert_members_follow(workshop, described, steps=100, rtol=1e-4, final=5e-3)


LAYERS = st.sampled_from(
    [
        {"type": "dense", "units": 5, "activation": "tanh"},
        {"type": "dense", "units": 4, "activation": "relu", "kernel_regularizer": {"l2": 0.01}},
        {"type": "dropout", "rate": 0.3},
        {"type": "batch_normalization"},
        {"type": "layer_normalization"},
        {"type": "activation", "activation": "gelu"},
        {"type": "leaky_relu"},
    ]
)


@st.composite
def random_experiments(draw: st.DrawFn) -> list[Experiment]:
    """A trunk, a branch that joins it again, two outputs, and three members' knobs."""
    trunk = draw(st.lists(LAYERS, min_size=1, max_size=4))
    branch = draw(st.lists(LAYERS, min_size=1, max_size=2))
    merge = draw(st.sampled_from(["add", "multiply", "concatenate"]))
    layers: dict[str, dict[str, object]] = {f"trunk_{index}": layer for index, layer in enumerate(trunk)}
    layers["split"] = {"type": "dense", "units": 3}
    layers |= {f"branch_{index}": layer for index, layer in enumerate(branch)}
    layers["rejoined"] = {"type": "dense", "units": 3}
    layers["merged"] = {"type": merge, "of": ["split", "rejoined"]}
    layers["main"] = {"type": "dense", "units": 6, "activation": "sigmoid"}
    layers["aux"] = {"type": "dense", "of": "split", "units": 10, "activation": "softmax"}
    number = st.floats(0.0, 2.0, width=32)
    members = draw(st.lists(st.tuples(number, number, st.integers(0, 2)), min_size=2, max_size=3))
    rate = st.sampled_from([1e-3, 1e-2])
    optimizer = draw(st.sampled_from(["adam", "sgd", "rmsprop"]))
    return [
        Experiment.model_validate(
            {
                "name": "random",
                "seed": seed,
                "data": {"source": "mnist", "shape": [784], "samples": 60, "test_samples": 20},
                "model": {"inputs": "image", "layers": layers, "outputs": ["main", "aux"]},
                "losses": {
                    "labels": {
                        "type": "binary_crossentropy",
                        "output": "main",
                        "target": "attributes",
                        "weight": weight,
                        "label_smoothing": smoothing / 4,
                    },
                    "digit": {"type": "sparse_categorical_crossentropy", "output": "aux", "target": "digit"},
                },
                "optimizer": {"type": optimizer, "learning_rate": draw(rate)},
                "training": {"batch_size": 13, "precision": "float64"},
            }
        )
        for weight, smoothing, seed in members
    ]


@settings(
    max_examples=25,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)
@given(described=random_experiments())
def test_random_graphs_and_knobs(described: list[Experiment], digits: Splits) -> None:
    blueprint = draw_blueprint(described[0])
    workshop = Workshop(blueprint, digits, blueprint.objective, torch.device("cpu"))
    assert_members_follow(workshop, described, steps=8, rtol=1e-7, final=1e-6)


@pytest.fixture(scope="module")
def digits() -> Splits:
    """Sixty digits with what the random graphs read."""
    described = load_experiment(
        "multilabel_attributes", ["data.samples=60", "data.test_samples=20", "data.validation_split=0"]
    )
    splits = open_source(described.data).build()
    return replace(splits, train=splits.train.select({"image", "attributes", "digit"}))
