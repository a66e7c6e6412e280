"""What `mlx check` tells of a config: the network that it describes, and the mistakes found in it."""

from __future__ import annotations

import torch

from ..specs.experiment import Experiment
from ..specs.load import located
from ..training.assemble import open_workshop
from ..training.blueprint import draw_blueprint
from .pitfalls import Finding, find_pitfalls
from .summary import Summary, summarize


def check_experiment(experiment: Experiment, *, read_data: bool) -> tuple[Summary, tuple[Finding, ...]]:
    """Check a config as a whole; with `read_data` its data too, on the CPU.

    Raises:
        ConfigError: everything that does not fit, with its place. DataError: the data are missing,
        damaged, or not what the losses take.
    """
    with located(experiment):
        blueprint = draw_blueprint(experiment)
        workshop = open_workshop(blueprint, torch.device("cpu")) if read_data else None
        return summarize(blueprint), find_pitfalls(blueprint, workshop)
