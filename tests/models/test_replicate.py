"""Copies of a sub-graph equal the same networks built one by one, alone and in stacks."""

from __future__ import annotations

import pytest
import torch
from mlx_runner.models import InputSpec, Network, build_network, parameter_count
from mlx_runner.specs.errors import ConfigError
from mlx_runner.specs.layers import ModelSpec

INNER = {
    "dense_1": {"type": "dense", "units": 5, "activation": "relu", "kernel_regularizer": {"l2": 0.1}},
    "norm": {"type": "batch_normalization"},
    "drop": {"type": "dropout", "rate": 0.3},
    "last": {"type": "dense", "units": 1, "activation": "sigmoid"},
}
LAYERS = {
    "front": {"type": "dense", "of": "x", "units": 6},
    "trunk": {"type": "replicate", "n": 3, "layers": INNER},
}


def network(layers: dict = LAYERS, seed: int | list[int] = 0, inputs: dict | None = None) -> Network:
    inputs = inputs or {"x": InputSpec((4,))}
    spec = {"inputs": list(inputs), "layers": layers, "outputs": list(layers)[-1]}
    return build_network(ModelSpec.model_validate(spec), inputs, seed=seed, dtype=torch.float64)


def values(rows: int = 7) -> dict[str, torch.Tensor]:
    return {"x": torch.randn(rows, 4, generator=torch.Generator().manual_seed(1), dtype=torch.float64)}


@pytest.mark.parametrize("training", [True, False])
def test_copies_equal_networks_of_their_own(training: bool) -> None:
    ours = network().train(training)
    output = ours.score(values())["trunk"]
    assert ours.activations["trunk"] == "sigmoid"
    torch.testing.assert_close(output.value, torch.sigmoid(output.logits))
    front = ours.layer("front")(values()["x"])
    state = ours.layer("trunk").state_dict()
    for copy in range(3):
        alone = network({name: dict(layer) for name, layer in INNER.items()}, inputs={"x": InputSpec((6,))})
        alone.load_state_dict({name.removeprefix("network."): each[copy] for name, each in state.items()})
        alone.train(training)
        # The copy's noise comes from its own name.
        if training:
            alone.layer("drop").key.copy_(ours.layer("trunk").network.layer("drop").key[copy])
        torch.testing.assert_close(output.value[:, copy : copy + 1], alone({"x": front})["last"])
    kernels = state["network.layers.dense_1.kernel"]
    assert not torch.equal(kernels[0], kernels[1])


@pytest.mark.parametrize("training", [True, False])
def test_stack_equals_its_members(training: bool) -> None:
    seeds = [3, 4, 3]
    stack = network(seed=seeds).train(training)
    outputs = stack.score(values())["trunk"].value
    outputs.square().sum().backward()
    state = stack.state_dict()
    for row, seed in enumerate(seeds):
        single = network(seed=seed).train(training)
        alone = single.score(values())["trunk"].value
        alone.square().sum().backward()
        torch.testing.assert_close(outputs[row], alone, rtol=1e-10, atol=1e-10)
        for (name, own), (_, stacked) in zip(
            single.named_parameters(), stack.named_parameters(), strict=True
        ):
            torch.testing.assert_close(stacked.grad[row], own.grad, rtol=1e-9, atol=1e-10, msg=name)
        # Moving averages included, which training has changed.
        for name, own in single.state_dict().items():
            torch.testing.assert_close(state[name][row], own, rtol=1e-10, atol=1e-10, msg=name)
    assert state["layers.trunk.network.layers.dense_1.kernel"].shape == (3, 3, 6, 5)


def test_a_stack_of_copies_reads_weights_that_lie_apart() -> None:
    stack = network(seed=[1, 2]).eval()
    before = stack(values())["trunk"]
    parameter = stack.get_parameter("layers.trunk.network.layers.dense_1.kernel")
    rows = torch.zeros(2, 1000, dtype=torch.float64)
    parameter.data = rows[:, :90].view(2, 3, 6, 5).copy_(parameter.data)
    torch.testing.assert_close(stack(values())["trunk"], before)


def test_copies_of_copies() -> None:
    inner = {"inside": {"type": "replicate", "n": 2, "layers": INNER}, "last": {"type": "dense", "units": 2}}
    layers = {"out": {"type": "replicate", "n": 3, "layers": inner}}
    stack = network(layers, seed=[5, 6])
    assert stack(values())["out"].shape == (2, 7, 6)
    for row, seed in enumerate((5, 6)):
        alone = network(layers, seed=seed)(values())["out"]
        torch.testing.assert_close(network(layers, seed=[5, 6])(values())["out"][row], alone)


def test_sequences_images_and_indices_inside() -> None:
    inner = {
        "words": {"type": "embedding", "of": "tokens", "input_dim": 9, "output_dim": 3, "mask_zero": True},
        "read": {"type": "gru", "units": 2},
        "look": {"type": "conv2d", "of": "image", "filters": 2, "kernel_size": 3},
        "seen": {"type": "global_max_pooling2d"},
        "both": {"type": "concatenate", "of": ["read", "seen"]},
        "last": {"type": "dense", "units": 2, "activation": "softmax"},
    }
    layers = {"out": {"type": "replicate", "n": 3, "of": ["tokens", "image"], "layers": inner}}
    inputs = {"tokens": InputSpec((4,), 9), "image": InputSpec((1, 5, 5))}
    given = {"tokens": torch.randint(0, 9, (7, 4)), "image": torch.rand(7, 1, 5, 5, dtype=torch.float64)}
    stack = network(layers, [1, 2], inputs)
    result = stack.score(given)["out"]
    # A softmax is each copy's own: what is joined are its values.
    assert (result.logits, stack.activations["out"]) == (None, "linear")
    torch.testing.assert_close(result.value.view(2, 7, 3, 2).sum(-1), torch.ones(2, 7, 3).double())
    torch.testing.assert_close(result.value[1], network(layers, 2, inputs)(given)["out"])
    both = {name: torch.stack([each, each]) for name, each in given.items()}
    torch.testing.assert_close(stack(both)["out"], result.value)


def test_another_copy_moves_none() -> None:
    more = {**LAYERS, "trunk": {**LAYERS["trunk"], "n": 4}}
    three, four = network().state_dict(), network(more).state_dict()
    for name, each in three.items():
        assert torch.equal(each, four[name][:3] if "trunk" in name else four[name]), name


def test_sizes_penalties_and_export() -> None:
    ours = network().eval()
    assert parameter_count(ours) == 4 * 6 + 6 + 3 * (6 * 5 + 5 + 10 + 5 + 1)
    (penalty,) = ours.penalties
    assert penalty.name == "trunk/dense_1/kernel/l2"
    assert ours.get_parameter(penalty.parameter).shape == (3, 6, 5)
    exported = torch.export.export(ours, (values(),)).module()
    torch.testing.assert_close(exported(values())["trunk"], ours(values())["trunk"])


@pytest.mark.parametrize(("inner", "expected"), [
    (
        {"last": {"type": "dense", "units": 1, "of": "fromt"}},
        "model.layers.trunk.layers.last.of: no layer or input named 'fromt'; did you mean 'front'? "
        "Names: front, last.",
    ),
    (
        {"last": {"type": "lstm", "units": 1}},
        "model.layers.trunk.layers.last.of: needs sequences (time, channels), but reads (6)",
    ),
])  # fmt: skip
def test_exact_messages(inner: dict, expected: str) -> None:
    with pytest.raises(ConfigError) as caught:
        network({**LAYERS, "trunk": {**LAYERS["trunk"], "layers": inner}})
    assert str(caught.value) == expected


def test_masks_stay_on_their_side() -> None:
    words = {"type": "embedding", "input_dim": 9, "output_dim": 3, "mask_zero": True}
    inputs = {"x": InputSpec((4,), 9)}
    copies = {"type": "replicate", "n": 2, "layers": {"read": {"type": "gru", "units": 2}}}
    with pytest.raises(ConfigError) as caught:
        network({"words": words, "out": copies}, inputs=inputs)
    expected = (
        "model.layers.out.of: masks do not enter the copies, but 'words' has one; put its embedding inside"
    )
    assert str(caught.value) == expected
    with pytest.raises(ConfigError) as caught:
        network({"out": {"type": "replicate", "n": 2, "layers": {"words": words}}}, inputs=inputs)
    expected = (
        "model.layers.out.layers: masks do not leave the copies; end them with a layer that gives no sequence"
    )
    assert str(caught.value) == expected
