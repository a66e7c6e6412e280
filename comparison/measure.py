"""What planning must know: the size of each setting's network, and the machine."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass

from ..specs.errors import ConfigError, Problem
from ..specs.load import located
from ..training.blueprint import Blueprint, draw_blueprint
from ..training.devices import choose_device
from ..training.footprint import Footprint, network_footprint
from ..training.memory import device_bytes
from .keys import SPLITS
from .settings import Setting

# Where the system does not say how much there is.
_ASSUMED_BYTES = 4 * 2**30


@dataclass(frozen=True)
class Machine:
    """Where members are trained: the device, the cores this process may use, the memory available."""

    device: str
    cores: int
    memory_bytes: int


@dataclass(frozen=True)
class Measured:
    """A setting's network: its size, and the metric keys it will be scored by."""

    footprint: Footprint
    keys: tuple[str, ...]


def measure_networks(settings: Sequence[Setting]) -> dict[str, Measured]:
    """Every setting's network by the setting's name; every config is checked as a whole on the way.

    Raises ConfigError with all that does not fit in any setting, each once.
    """
    measured: dict[str, Measured] = {}
    problems: list[Problem] = []
    drawn: list[Blueprint] = []
    for setting in settings:
        try:
            with located(setting.experiment):
                # A user's files are read on the way: once for all settings of the same data.
                data = setting.experiment.data
                alike = (each.source for each in drawn if each.experiment.data == data)
                blueprint = draw_blueprint(setting.experiment, next(alike, None))
                drawn.append(blueprint)
        except ConfigError as error:
            problems += error.problems
        else:
            measured[setting.name] = Measured(network_footprint(blueprint.network), _keys(blueprint))
    if problems:
        raise ConfigError(list(dict.fromkeys(problems)))
    return measured


def describe_machine(device: str) -> Machine:
    """The machine as planning sees it; `device` as a user names it.

    Raises ConfigError for a device of no such name, MachineError for one that is not there.
    """
    chosen = choose_device(device)
    available = device_bytes(chosen)
    return Machine(str(chosen), _usable_cores(), _ASSUMED_BYTES if available is None else available)


def _keys(blueprint: Blueprint) -> tuple[str, ...]:
    """On every split that there may be: which there are, only the data tell."""
    terms = [f"{term.name}/loss" for term in blueprint.objective.terms]
    metrics = [f"{plan.output}/{name}" for plan in blueprint.metrics for name in plan.names]
    return tuple(f"{split}/{name}" for split in SPLITS for name in ("loss", *terms, *metrics))


def _usable_cores() -> int:
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
