"""Names what was not finite first: which term, or which layer's gradient, at which step on which rows."""

from __future__ import annotations

import math
from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace

import torch
from torch import Tensor, nn

from ..data import Table
from ..models import Network
from .step import Trainee, score_batch


@dataclass(frozen=True)
class NonFinite:
    """The step at which a run stopped, and what was not finite in it.

    `term` and `output` are those of a loss, `value` what it was; `layer` is the first layer whose values,
    or else whose gradient, were not finite. `left_out` such steps were left out before it. Epochs and steps
    count from 1, `rows` of the training rows from 0.
    """

    epoch: int
    step: int
    rows: tuple[int, ...]
    term: str | None = None
    output: str | None = None
    value: float | None = None
    layer: str | None = None
    left_out: int = 0

    def document(self) -> dict[str, object]:
        """As plain JSON values; the value, which is no number there, as text."""
        return {**asdict(self), "value": None if self.value is None else str(self.value)}

    def __str__(self) -> str:
        where = f"at epoch {self.epoch}, step {self.step}"
        if self.left_out:
            where += f" (training.nonfinite_limit: {self.left_out} such steps were left out before)"
        if self.term is not None:
            of = f" of output {self.output!r}" if self.output else ""
            first = f"; layer {self.layer!r} was the first to give it such values" if self.layer else ""
            return f"loss {self.term!r}{of} was {self.value} {where}{first}"
        if self.layer is not None:
            return f"the gradient of layer {self.layer!r} was not finite {where}, though every loss was"
        return f"the sum of the gradients overflowed {where}, though every loss was finite"


def find_nonfinite(trainee: Trainee, batch: Table, found: NonFinite) -> NonFinite:
    """`found`, with what was not finite in the batch at which a single network's training stopped.

    The weights are those before that step, since a frozen network is not updated: scoring the batch
    again meets the same numbers.
    """
    with _watched_layers(trainee.network) as bad_layers:
        _, ledger = score_batch(trainee.network, trainee.objective, trainee.knobs, batch)
    for name, raw in zip(ledger.names, ledger.raw, strict=True):
        value = float(raw.detach().flatten()[0])
        if not math.isfinite(value):
            output = next((term.output for term in trainee.objective.terms if term.name == name), None)
            layer = bad_layers[0] if bad_layers else None
            return replace(found, term=name, output=output, value=value, layer=layer)
    trainee.parameters.backward(ledger.total)
    for name, gradient in trainee.parameters.segments.items():
        if not bool(torch.isfinite(gradient).all()):
            return replace(found, layer=name.split(".")[1])
    return found


@contextmanager
def _watched_layers(network: Network) -> Generator[list[str]]:
    """The names of layers whose values are not finite, in the order in which they are computed."""
    bad: list[str] = []

    def watch(name: str) -> Callable[[nn.Module, object, object], None]:
        def see(_: nn.Module, __: object, result: object) -> None:
            if isinstance(result, Tensor) and not bool(torch.isfinite(result).all()):
                bad.append(name)

        return see

    handles = [each.register_forward_hook(watch(name)) for name, each in network.layers.items()]
    try:
        yield bad
    finally:
        for handle in handles:
            handle.remove()
