"""One binary softmax per label: the same numbers as two-way softmaxes written out."""

from __future__ import annotations

import pytest
import torch
from mlx_runner.models import InputSpec, Network, build_network
from mlx_runner.specs.layers import ModelSpec


def network(seed: int | list[int] = 0, **options: object) -> Network:
    layer = {"type": "binary_softmax_heads", "units": 3, **options}
    spec = ModelSpec.model_validate({"inputs": "x", "layers": {"out": layer}, "outputs": "out"})
    return build_network(spec, {"x": InputSpec((4,))}, seed=seed, dtype=torch.float64)


@pytest.mark.parametrize("use_bias", [True, False])
def test_equals_softmaxes_written_out(use_bias: bool) -> None:
    ours = network(use_bias=use_bias)
    values = torch.randn(5, 4, dtype=torch.float64)
    layer = ours.layer("out")
    assert layer.kernel.shape == (4, 3, 2)
    if use_bias:
        layer.bias.data.normal_()
    scores = torch.einsum("bi,ilp->blp", values, layer.kernel) + (layer.bias if use_bias else 0.0)
    expected = torch.softmax(scores, dim=-1)[..., 1]
    output = ours.score({"x": values})["out"]
    torch.testing.assert_close(output.value, expected)
    torch.testing.assert_close(output.logits, scores[..., 1] - scores[..., 0])
    assert ours.activations["out"] == "sigmoid"
    # Cross-entropy of the pair and binary cross-entropy of the difference train alike.
    labels = torch.randint(0, 2, (5, 3))
    pairwise = torch.nn.functional.cross_entropy(scores.flatten(0, 1), labels.flatten())
    binary = torch.nn.functional.binary_cross_entropy_with_logits(output.logits, labels.double())
    torch.testing.assert_close(binary, pairwise)
    one, other = (torch.autograd.grad(each, layer.kernel)[0] for each in (binary, pairwise))
    torch.testing.assert_close(one, other)


def test_stack_equals_its_members() -> None:
    values = {"x": torch.randn(5, 4, dtype=torch.float64)}
    stack = network([1, 2])(values)["out"]
    for row, seed in enumerate((1, 2)):
        torch.testing.assert_close(stack[row], network(seed)(values)["out"], rtol=1e-10, atol=1e-10)


def test_starts_as_one_dense_layer_of_two_units_per_label() -> None:
    kernel = network().layer("out").kernel
    assert kernel.abs().max().item() <= 1.0
    assert kernel.abs().max().item() > (6 / (4 + 6)) ** 0.5
