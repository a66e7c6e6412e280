"""A run's network as predictions and exported files give it: values by output, temperatures included."""

from __future__ import annotations

import math
from collections.abc import Mapping

import torch
from torch import Tensor, nn

from ..models import InputSpec, Network


class ServedNetwork(nn.Module):
    """`forward` takes inputs by name, (B, ...), scaled as in training, and gives every output's value.

    Logits of an output in `temperatures` are divided by its temperature before the sigmoid or softmax.
    """

    def __init__(self, network: Network, temperatures: Mapping[str, float]) -> None:
        super().__init__()
        self.network = network
        self.temperatures = dict(temperatures)

    def forward(self, inputs: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Inputs (B, ...) by name to values (B, ...) by name."""
        scored = self.network.score(inputs)
        divided = {name: scored[name].divided(number) for name, number in self.temperatures.items()}
        return {name: output.value for name, output in {**scored, **divided}.items()}


def random_inputs(
    specs: Mapping[str, InputSpec], rows: int, *, dtype: torch.dtype, seed: int
) -> dict[str, Tensor]:
    """Rows (B, ...) by input such as a network could meet: indices in range, other numbers from N(0, 1).

    Of indices the first row is padding throughout, the second to its middle.
    """
    generator = torch.Generator().manual_seed(seed)
    drawn: dict[str, Tensor] = {}
    for name, spec in specs.items():
        if spec.indices is None:
            drawn[name] = torch.randn(rows, *spec.shape, generator=generator, dtype=dtype)
            continue
        indices = torch.randint(0, spec.indices or 1, (rows, *spec.shape), generator=generator)
        indices[0] = 0
        if rows > 1 and spec.shape:
            indices[1, : spec.shape[0] // 2] = 0
        drawn[name] = indices
    return drawn


def deviation(expected: Tensor, given: Tensor) -> float:
    """The largest difference of two tensors of one shape, by the largest magnitude of the first.

    Infinite where one is a number and the other is not.
    """
    if expected.shape != given.shape or not torch.equal(expected.isfinite(), given.isfinite()):
        return math.inf
    finite = expected.isfinite()
    if not bool(finite.any()):
        return 0.0
    largest = float(expected[finite].abs().max())
    difference = float((expected[finite].double() - given[finite].double()).abs().max())
    return difference / largest if largest > 0.0 else difference
