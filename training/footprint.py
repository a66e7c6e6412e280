"""What training holds in memory, by one formula of a network's size.

Imports no torch: plans of comparisons are read where nothing is trained.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ..specs.experiment import Experiment
from ..specs.optimizers import SGD, Adagrad, RMSprop

if TYPE_CHECKING:
    from ..models import Network

MEMORY_FORMULA = (
    "bytes per member = (parameters x (3 + optimizer slots) + 2 x batch_size x activations) x bytes per "
    "value; the 3 are values, gradients and best copy"
)


@dataclass(frozen=True)
class Footprint:
    """The size of a network: trained values, and the values of all its layers for one example."""

    parameters: int
    activations: int


def network_footprint(network: Network) -> Footprint:
    """The size of a single network, which may lie on the meta device."""
    activations = sum(math.prod(network.shapes[node.name]) for node in network.graph.nodes)
    return Footprint(sum(each.numel() for each in network.parameters()), activations)


def training_bytes(experiment: Experiment, footprint: Footprint, *, batch_size: int | None = None) -> int:
    """What one member holds while it trains, by `MEMORY_FORMULA`; `batch_size` is the config's."""
    rows = experiment.training.batch_size if batch_size is None else batch_size
    copies = 3 + optimizer_slots(experiment)
    values = footprint.parameters * copies + 2 * rows * footprint.activations
    return values * (8 if experiment.training.precision == "float64" else 4)


def fitting_batch_size(experiment: Experiment, footprint: Footprint, *, budget_bytes: int) -> int:
    """The largest batch size that `budget_bytes` hold by `MEMORY_FORMULA`; 0 where not even one row does."""
    without_rows = training_bytes(experiment, footprint, batch_size=0)
    per_row = training_bytes(experiment, footprint, batch_size=1) - without_rows
    return max(0, (budget_bytes - without_rows) // per_row)


def optimizer_slots(experiment: Experiment) -> int:
    """How many numbers the optimizer keeps per parameter."""
    optimizer = experiment.optimizer
    if isinstance(optimizer, SGD):
        return int(optimizer.momentum > 0.0)
    if isinstance(optimizer, RMSprop):
        return 1 + int(optimizer.momentum > 0.0) + int(optimizer.centered)
    return 1 if isinstance(optimizer, Adagrad) else 2
