"""The embedding, its stack, its indices' checks, and the headline model's size."""

from __future__ import annotations

import pytest
import torch
from mlx_runner.models import InputSpec, build_network, parameter_count
from mlx_runner.models.embedding import embed_members
from mlx_runner.specs.errors import ConfigError
from mlx_runner.specs.layers import ModelSpec

EMBEDDING = {"type": "embedding", "input_dim": 7, "output_dim": 3}
HEADLINE = {
    "embedding": {"type": "embedding", "of": "headline", "input_dim": 10_000, "output_dim": 512},
    "lstm": {"type": "lstm", "units": 32},
    "aux_output": {"type": "dense", "units": 1, "activation": "sigmoid"},
    "joined": {"type": "concatenate", "of": ["lstm", "context"]},
    "dense_1": {"type": "dense", "units": 64, "activation": "relu"},
    "dense_2": {"type": "dense", "units": 64, "activation": "relu"},
    "dense_3": {"type": "dense", "units": 64, "activation": "relu"},
    "main_output": {"type": "dense", "units": 1, "activation": "sigmoid"},
}


def model(layers: dict, inputs: str | list = "tokens", outputs: str | list = "out") -> ModelSpec:
    return ModelSpec.model_validate({"inputs": inputs, "layers": layers, "outputs": outputs})


def test_headline_model_has_the_known_number_of_weights() -> None:
    spec = model(HEADLINE, ["headline", "context"], ["main_output", "aux_output"])
    inputs = {"headline": InputSpec((100,), 10_000), "context": InputSpec((5,))}
    network = build_network(spec, inputs, seed=0, device="meta")
    assert parameter_count(network) == 5_200_610
    sizes = {name: sum(p.numel() for p in network.layer(name).parameters()) for name in spec.layers}
    assert sizes == {
        "embedding": 5_120_000, "lstm": 69_760, "aux_output": 33, "joined": 0,
        "dense_1": 2_432, "dense_2": 4_160, "dense_3": 4_160, "main_output": 65,
    }  # fmt: skip


def test_rows_by_index() -> None:
    network = build_network(model({"out": EMBEDDING}), {"tokens": InputSpec((2, 4), 7)}, seed=0)
    table = network.layer("out").embeddings
    assert table.abs().max() <= 0.05
    indices = torch.randint(0, 7, (3, 2, 4))
    assert torch.equal(network({"tokens": indices})["out"], table[indices])
    large = model({"out": {**EMBEDDING, "input_dim": 5000}})
    standard = build_network(large, {"tokens": InputSpec((4,), 7)}, seed=0, numerics="torch")
    assert standard.layer("out").embeddings.std().item() == pytest.approx(1.0, abs=0.02)


@pytest.mark.parametrize("has_members", [False, True])
def test_a_stack_gathers_its_own_rows(has_members: bool) -> None:
    tables = torch.randn(2, 7, 3, dtype=torch.float64, requires_grad=True)
    # Repeated indices must add up.
    indices = torch.tensor([[0, 1, 1], [6, 1, 0]])
    own = torch.stack((indices, indices.flip(0))) if has_members else indices
    result = embed_members(own, tables, has_members=has_members)
    members = own if has_members else [own, own]
    expected = torch.stack([table[each] for table, each in zip(tables, members, strict=True)])
    assert torch.equal(result, expected)
    assert torch.autograd.gradcheck(lambda t: embed_members(own, t, has_members=has_members), tables)


def test_a_stack_reads_weights_that_lie_apart() -> None:
    network = build_network(model({"out": EMBEDDING}), {"tokens": InputSpec((4,), 7)}, seed=[0, 1])
    table = network.layer("out").embeddings
    indices = torch.randint(0, 7, (3, 4))
    before = network({"tokens": indices})["out"]
    flat = torch.zeros(2, 100)
    table.data = flat[:, :21].view(2, 7, 3).copy_(table.data)
    after = network({"tokens": indices})["out"]
    assert torch.equal(before, after)
    after.sum().backward()
    assert table.grad.sum().item() == pytest.approx(2 * 3 * 4 * 3)


def test_one_embedding_for_sequences_of_two_lengths() -> None:
    layers = {
        "words": {**EMBEDDING, "of": "title"},
        "more": {"shares": "words", "of": "body"},
        "first": {"type": "gru", "units": 2, "of": "words"},
        "second": {"shares": "first", "of": "more"},
        "out": {"type": "add", "of": ["first", "second"]},
    }
    inputs = {"title": InputSpec((3,), 7), "body": InputSpec((9,), 5)}
    network = build_network(model(layers, ["title", "body"]), inputs, seed=0)
    given = {name: torch.randint(0, 5, (2, *each.shape)) for name, each in inputs.items()}
    assert network(given)["out"].shape == (2, 2)


@pytest.mark.parametrize(("layers", "expected"), [
    (
        {"out": {**EMBEDDING, "of": "numbers"}},
        "model.layers.out.of: needs an input of indices, but reads numbers (4)",
    ),
    (
        {"out": {"type": "dense", "units": 1, "of": "tokens"}},
        "model.layers.out.of: reads indices, which only an embedding can; put one in between",
    ),
    (
        {"out": {**EMBEDDING, "input_dim": 6, "of": "tokens"}},
        "model.layers.out.input_dim: 6 rows are too few for the 7 indices of its input",
    ),
    (
        {"out": {**EMBEDDING, "mask_zero": True, "of": "grid"}},
        "model.layers.out.mask_zero: masks the steps of one sequence (time), but reads (2, 3)",
    ),
    (
        {"out": {"type": "lstm", "units": 1, "of": "numbers"}},
        "model.layers.out.of: needs sequences (time, channels), but reads (4)",
    ),
])  # fmt: skip
def test_exact_messages(layers: dict, expected: str) -> None:
    inputs = {"tokens": InputSpec((4,), 7), "grid": InputSpec((2, 3), 0), "numbers": InputSpec((4,))}
    with pytest.raises(ConfigError) as caught:
        build_network(model(layers, layers["out"]["of"]), inputs, seed=0)
    assert str(caught.value) == expected
