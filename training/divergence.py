"""Names what was not finite first: which term, or which layer's gradient, at which step."""

from __future__ import annotations

import torch

from ..data import Table
from .step import Trainee, score_batch


def describe_divergence(trainee: Trainee, batch: Table, *, epoch: int, step: int) -> str:
    """One sentence about the batch at which a single network's training stopped.

    The weights are those before that step, since a frozen network is not updated: scoring the batch
    again meets the same numbers.
    """
    where = f"at epoch {epoch}, step {step}"
    _, ledger = score_batch(trainee.network, trainee.objective, trainee.knobs, batch)
    for name, value in zip(ledger.names, ledger.raw, strict=True):
        if not bool(torch.isfinite(value).all()):
            output = next((term.output for term in trainee.objective.terms if term.name == name), None)
            of = f" of output {output!r}" if output else ""
            return f"loss {name!r}{of} was {float(value.detach().flatten()[0])} {where}"
    trainee.parameters.backward(ledger.total)
    for name, gradient in trainee.parameters.segments.items():
        if not bool(torch.isfinite(gradient).all()):
            layer = name.split(".")[1]
            return f"the gradient of layer {layer!r} was not finite {where}, though every loss was"
    return f"the sum of the gradients overflowed {where}, though every loss was finite"
