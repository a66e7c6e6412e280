"""A run as others use it: its config, its network at the best weights, and what it learned beside them."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import torch

from ..data import Preparation, Scale, Source, Splits, open_source
from ..data.images import image_scale
from ..models import InputSpec, Network, build_network
from ..records.run_folder import RunFolder
from ..specs.errors import ConfigError, DataError
from ..specs.experiment import Experiment
from ..specs.files import TableFiles
from ..specs.load import load_experiment, located
from ..specs.sources import AnySource, ImageBase
from .blueprint import Blueprint, draw_blueprint
from .decisions import Decisions
from .devices import AUTOCAST, DTYPES, prepare_process
from .kept import kept_decisions, kept_preparation
from .transfer import load_best

ROW = "row"
"""What the numbers of rows, from 1, are called where no column tells them apart."""

THRESHOLD = 0.5
"""Of a label that nothing was decided for."""


@dataclass(frozen=True, eq=False)
class TrainedRun:
    """All of a run but its rows. `network` is in evaluation mode on `device`."""

    folder: RunFolder
    blueprint: Blueprint
    network: Network
    device: torch.device
    decisions: Decisions

    @property
    def experiment(self) -> Experiment:
        """The run's own config."""
        return self.blueprint.experiment

    @property
    def preparation(self) -> Preparation | None:
        """What it learned from the columns of its table; None where it had none."""
        return self.blueprint.source.preparation

    @property
    def inputs(self) -> dict[str, InputSpec]:
        """The inputs that the network reads, in the order of the config."""
        return {name: self.blueprint.inputs[name] for name in self.network.graph.inputs}

    @property
    def id_column(self) -> str | None:
        """The column of a table that tells its rows apart, if there is one."""
        data = self.experiment.data
        return data.id if isinstance(data, TableFiles) else None

    def thresholds(self, output: str) -> list[float]:
        """Above what an entry of an output is decided to be positive, by label."""
        labels = {plan.output: plan.labels for plan in self.blueprint.metrics}
        found = self.decisions.label_thresholds(labels).get(output)
        return [THRESHOLD] * len(labels[output]) if found is None else [float(each) for each in found]

    @cached_property
    def scales(self) -> dict[str, Scale]:
        """By which inputs are scaled as they are batched, as in training."""
        return input_scales(self.experiment.data, self.blueprint.source)

    @property
    def dtype(self) -> torch.dtype:
        """The floating type of weights and inputs."""
        return DTYPES[self.experiment.training.precision]


def open_trained_run(folder: RunFolder, *, device: torch.device) -> TrainedRun:
    """The run in a folder, from what lies in the folder alone: no row that it was trained on is read.

    Raises:
        ConfigError: its config is not one any more. DataError: the folder is damaged, or there is no
        checkpoint yet.
    """
    experiment = load_experiment(str(folder.path / "config.yaml"))
    prepare_process(experiment.training.precision)
    with located(experiment):
        blueprint = draw_blueprint(experiment, _source(folder, experiment))
        network = build_network(
            experiment.model,
            blueprint.inputs,
            seed=experiment.seed,
            numerics=experiment.numerics,
            dtype=DTYPES[experiment.training.precision],
            device=device,
        )
        network.autocast = AUTOCAST.get(experiment.training.precision)
        if not folder.checkpoint_path("best").is_file():
            raise DataError(f"run '{folder.name}' has no weights: it ended before its first epoch did.")
        load_best(network, folder)
    return TrainedRun(folder, blueprint, network.eval(), device, kept_decisions(folder, experiment))


def _source(folder: RunFolder, experiment: Experiment) -> Source:
    preparation = kept_preparation(folder, experiment)
    if preparation is None:
        return open_source(experiment.data)
    return Source(preparation.schema, _no_rows, preparation)


def input_scales(spec: AnySource, source: Source) -> dict[str, Scale]:
    """The scales of images by input; only one that was learned from the training rows is learned again."""
    names = [name for name, field in source.schema.inputs.items() if field.kind == "image"]
    if not names:
        return {}
    if not isinstance(spec, ImageBase):
        return {name: Scale(offset=0.0, divisor=255.0) for name in names}
    if spec.scale == "standardize":
        return source.build().train.scales
    scale = image_scale(spec, torch.empty(0))
    return {} if scale is None else dict.fromkeys(names, scale)


def _no_rows() -> Splits:
    raise ConfigError("the rows that a run was trained on are not read again.")
