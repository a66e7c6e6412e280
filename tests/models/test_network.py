"""A network equals the same network written by hand, and a stack equals its members one by one."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from mlx_runner.models import InputSpec, build_network, parameter_count
from mlx_runner.specs.layers import ModelSpec
from torch import nn
from torch.nn import functional as F

LAYERS = {
    "conv": {
        "type": "conv2d",
        "filters": 4,
        "kernel_size": 3,
        "strides": 2,
        "padding": "same",
        "activation": "relu",
    },
    "norm": {"type": "batch_normalization"},
    "drop": {"type": "dropout", "rate": 0.3},
    "pool": {"type": "average_pooling2d", "pool_size": 3, "strides": 2, "padding": "same"},
    "layer_norm": {"type": "layer_normalization"},
    "flat": {"type": "flatten"},
    "twice": {"type": "dense", "units": 6},
    "again": {"shares": "twice", "of": "flat"},
    "side": {"type": "dense", "of": "numbers", "units": 6, "activation": "tanh"},
    "sum": {"type": "add", "of": ["again", "side"]},
    "both": {"type": "concatenate", "of": ["sum", "numbers"]},
    "main": {"type": "dense", "units": 5, "activation": "sigmoid"},
    "aux": {"type": "dense", "of": "twice", "units": 3, "activation": "softmax"},
}
INPUTS = {"image": InputSpec((2, 11, 10)), "numbers": InputSpec((4,))}


def model(
    layers: dict = LAYERS, outputs: tuple = ("main", "aux"), inputs: tuple = ("image", "numbers")
) -> ModelSpec:
    first, *rest = layers
    layers = {first: {"of": inputs[0], **layers[first]}, **{name: layers[name] for name in rest}}
    return ModelSpec.model_validate({"inputs": list(inputs), "layers": layers, "outputs": list(outputs)})


def batch(rows: int = 7, dtype: torch.dtype = torch.float64) -> dict[str, torch.Tensor]:
    generator = torch.Generator().manual_seed(1)
    return {
        name: torch.rand(rows, *each.shape, generator=generator, dtype=dtype) for name, each in INPUTS.items()
    }


class HandWritten(nn.Module):
    """784-6-6 as anyone would write it."""

    def __init__(self) -> None:
        super().__init__()
        self.hidden = nn.Linear(784, 6)
        self.out = nn.Linear(6, 6)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return self.out(torch.relu(self.hidden(images)))


def test_dense_network_equals_hand_written_module() -> None:
    spec = model(
        {
            "hidden": {"type": "dense", "units": 6, "activation": "relu"},
            "out": {"type": "dense", "units": 6, "activation": "sigmoid"},
        },
        outputs=("out",),
        inputs=("image",),
    )
    network = build_network(spec, {"image": InputSpec((784,))}, seed=3)
    hand = HandWritten()
    with torch.no_grad():
        for name, linear in (("hidden", hand.hidden), ("out", hand.out)):
            linear.weight.copy_(network.layer(name).kernel.T)
            linear.bias.copy_(network.layer(name).bias)
    images, labels = torch.rand(5, 784), torch.rand(5, 6)
    output = network.score({"image": images})["out"]
    loss = F.binary_cross_entropy_with_logits(output.logits, labels)
    loss.backward()
    expected = F.binary_cross_entropy_with_logits(hand(images), labels)
    expected.backward()
    torch.testing.assert_close(output.logits, hand(images))
    torch.testing.assert_close(output.value, torch.sigmoid(hand(images)))
    torch.testing.assert_close(loss, expected)
    torch.testing.assert_close(network.layer("hidden").kernel.grad, hand.hidden.weight.grad.T)
    torch.testing.assert_close(network.layer("out").bias.grad, hand.out.bias.grad)


@pytest.mark.parametrize("training", [True, False])
def test_stack_equals_its_members(training: bool) -> None:
    seeds = [3, 4, 3]
    singles = [build_network(model(), INPUTS, seed=seed, dtype=torch.float64) for seed in seeds]
    stack = build_network(model(), INPUTS, seed=seeds, dtype=torch.float64)
    inputs = batch()
    for network in (*singles, stack):
        network.train(training)
        network.noise.step.fill_(7)
    outputs = stack(inputs)
    per_member = {name: torch.stack([values] * len(seeds)) for name, values in inputs.items()}
    with_axis = stack(per_member) if not training else outputs
    sum(values.square().sum() for values in outputs.values()).backward()
    for row, single in enumerate(singles):
        alone = single(inputs)
        sum(values.square().sum() for values in alone.values()).backward()
        for name in alone:
            torch.testing.assert_close(outputs[name][row], alone[name], rtol=1e-12, atol=1e-12)
            torch.testing.assert_close(with_axis[name][row], alone[name], rtol=1e-12, atol=1e-12)
        for (name, own), (_, stacked) in zip(
            single.named_parameters(), stack.named_parameters(), strict=True
        ):
            torch.testing.assert_close(stacked.grad[row], own.grad, rtol=1e-9, atol=1e-10, msg=name)
        for (name, own), (_, stacked) in zip(single.named_buffers(), stack.named_buffers(), strict=True):
            if name.endswith(("moving_mean", "moving_variance")):
                torch.testing.assert_close(stacked[row], own, rtol=1e-12, atol=1e-12, msg=name)


def test_a_layer_more_moves_no_other() -> None:
    short = build_network(model(), INPUTS, seed=5)
    longer = {**LAYERS, "extra": {"type": "dense", "of": "flat", "units": 2}}
    long = build_network(model(longer, outputs=("main", "aux", "extra")), INPUTS, seed=5)
    state = long.state_dict()
    for name, values in short.state_dict().items():
        assert torch.equal(values, state[name]), name


def test_shared_layer_has_one_set_of_weights() -> None:
    network = build_network(model(), INPUTS, seed=0)
    assert not any("again" in name for name, _ in network.named_parameters())
    assert network.shapes["again"] == network.shapes["twice"] == (6,)


def test_dropout_is_a_function_of_seed_layer_step_and_position() -> None:
    spec = model({"drop": {"type": "dropout", "rate": 0.25}}, outputs=("drop",), inputs=("numbers",))
    network = build_network(spec, INPUTS, seed=0)
    ones = {"numbers": torch.ones(50_000, 4)}
    first, same = network(ones)["drop"], network(ones)["drop"]
    assert torch.equal(first, same)
    assert first.unique().tolist() == pytest.approx([0.0, 4 / 3])
    assert (first == 0).float().mean().item() == pytest.approx(0.25, abs=0.005)
    network.noise.advance()
    second = network(ones)["drop"]
    # Two independent masks of rate 1/4 agree in 5/8 of the entries.
    assert (first == second).float().mean().item() == pytest.approx(0.625, abs=0.005)
    network.noise.step.zero_()
    network.noise.first_row.fill_(20_000)
    assert torch.equal(network({"numbers": torch.ones(30_000, 4)})["drop"], first[20_000:])
    assert torch.equal(network.eval()(ones)["drop"], ones["numbers"])


@settings(deadline=None, max_examples=40)
@given(
    size=st.tuples(st.integers(3, 12), st.integers(3, 12)),
    window=st.integers(1, 3),
    stride=st.integers(1, 3),
    dilation=st.integers(1, 2),
)
def test_same_padding_as_tensorflow_defines_it(
    size: tuple[int, int], window: int, stride: int, dilation: int
) -> None:
    dilation = dilation if stride == 1 else 1
    layer = {
        "type": "conv2d", "filters": 2, "kernel_size": window, "strides": stride,
        "padding": "same", "dilation_rate": dilation,
    }  # fmt: skip
    network = build_network(
        model({"conv": layer}, outputs=("conv",), inputs=("image",)), {"image": InputSpec((1, *size))}, seed=1
    )
    images = torch.rand(2, 1, *size)
    pads = []
    for length in size:
        extent = (window - 1) * dilation + 1
        total = max((-(-length // stride) - 1) * stride + extent - length, 0)
        pads.insert(0, (total // 2, total - total // 2))
    padded = F.pad(images, [side for pair in pads for side in pair])
    conv = network.layer("conv")
    expected = F.conv2d(padded, conv.kernel, conv.bias, stride=stride, dilation=dilation)
    torch.testing.assert_close(network({"image": images})["conv"], expected)
    assert expected.shape[2:] == tuple(-(-length // stride) for length in size)


def test_initial_weights_follow_glorot() -> None:
    network = build_network(
        model({"out": {"type": "dense", "units": 300}}, outputs=("out",), inputs=("image",)),
        {"image": InputSpec((500,))},
        seed=0,
    )
    kernel = network.layer("out").kernel
    limit = (6 / 800) ** 0.5
    assert kernel.abs().max().item() <= limit
    assert kernel.std().item() == pytest.approx(limit / 3**0.5, rel=0.01)
    assert not network.layer("out").bias.any()


def test_meta_device_allocates_nothing() -> None:
    network = build_network(model(), INPUTS, seed=0, device="meta")
    real = build_network(model(), INPUTS, seed=0)
    assert all(each.device.type == "meta" for each in network.parameters())
    assert parameter_count(network) == parameter_count(real)


def test_network_exports() -> None:
    network = build_network(model(), INPUTS, seed=0).eval()
    inputs = batch(dtype=torch.float32)
    exported = torch.export.export(network, (inputs,)).module()
    for name, values in network(inputs).items():
        torch.testing.assert_close(exported(inputs)[name], values)


def test_a_layer_may_have_any_name() -> None:
    layers = {"values": {"type": "dense", "units": 2}, "type": {"type": "dense", "units": 2}}
    network = build_network(model(layers, ("type",), ("numbers",)), INPUTS, seed=0)
    assert network({"numbers": torch.ones(3, 4)})["type"].shape == (3, 2)
