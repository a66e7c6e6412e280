"""Gradients in one flat tensor, those of an embedding's rows among them."""

from __future__ import annotations

import torch
from mlx_runner.models import InputSpec, Network, build_network
from mlx_runner.specs.layers import ModelSpec
from mlx_runner.training.parameters import FlatParameters

MODEL = ModelSpec.model_validate(
    {
        "inputs": ["first", "second"],
        "layers": {
            "table": {"type": "embedding", "of": "first", "input_dim": 7, "output_dim": 3},
            "again": {"shares": "table", "of": "second"},
            "flat": {"type": "flatten", "of": "table"},
            "also": {"type": "flatten", "of": "again"},
            "joined": {"type": "concatenate", "of": ["flat", "also"]},
            "out": {"type": "dense", "units": 2},
        },
        "outputs": ["out"],
    }
)
INPUTS = {"first": torch.tensor([[1, 1, 3], [0, 1, 3]]), "second": torch.tensor([[3, 6], [3, 1]])}


def network() -> Network:
    specs = {name: InputSpec(tuple(each.shape[1:]), 7) for name, each in INPUTS.items()}
    return build_network(MODEL, specs, seed=0)


def test_rows_that_are_read_twice_add_up() -> None:
    """One table, two readings: what training adds up by row is the gradient of any module."""
    plain, trained = network(), network()
    factor = torch.randn(2, 2, generator=torch.Generator().manual_seed(0))
    (plain(INPUTS)["out"] * factor).sum().backward()
    parameters = FlatParameters(trained, None)
    parameters.gradients.fill_(torch.nan)
    total = (trained(INPUTS)["out"] * factor).sum()
    flat = parameters.gradient(total, retain=True)
    parameters.backward(total)
    torch.testing.assert_close(parameters.gradients, flat)
    for name, each in plain.named_parameters():
        assert each.grad is not None
        assert not each.grad.is_sparse, "the network trains like any module"
        found = (
            parameters.segments[name].view(each.mT.shape).mT
            if "kernel" in name
            else parameters.segments[name]
        )
        torch.testing.assert_close(found.reshape(each.shape), each.grad)
    rows = parameters.segments["layers.table.embeddings"].view(7, 3).any(1)
    assert rows.tolist() == [True, True, False, True, False, False, True]


def test_the_probe_is_the_sum_of_all_gradients() -> None:
    """By the rows that were read, and once; then whatever else stands in the gradients."""
    trained = network()
    parameters = FlatParameters(trained, None)
    parameters.backward(trained(INPUTS)["out"].square().sum())
    torch.testing.assert_close(parameters.probe(), parameters.gradients.sum())
    parameters.gradients.fill_(2.0)
    assert parameters.probe() == 2.0 * parameters.gradients.numel()
    with torch.no_grad():
        trained.layer("table").embeddings[3] = torch.nan
    parameters.backward(trained(INPUTS)["out"].square().sum())
    assert parameters.probe().isnan()
