"""Weights taken from an earlier run: all of them, or those of layers of the same name (`weights_from`)."""

from __future__ import annotations

from pathlib import Path
from typing import cast

import torch
from torch import Tensor

from ..models import Network
from ..records.run_folder import RunFolder
from ..specs.errors import ConfigError, Problem
from .checkpoint import load_checkpoint, load_member_state
from .step import Trainee
from .weighting import KeptWeights, restore_weights

PLACE = ("model", "weights_from")


def restore_best(trainee: Trainee, folder: RunFolder) -> None:
    """Bring a single network to the best epoch of a run: its weights, averages and terms' weights in force.

    Raises ConfigError where the run's network is another one, DataError for a damaged checkpoint.
    """
    kept = cast("KeptWeights", load_best(trainee.network, folder))
    if set(kept["weights"]) == set(trainee.objective.names):
        restore_weights(trainee, kept)


def load_best(network: Network, folder: RunFolder) -> dict[str, object]:
    """Put the weights and averages of a run's best epoch into a single network; gives the checkpoint's facts.

    Raises ConfigError where the run's network is another one, DataError for a damaged checkpoint.
    """
    tensors, facts = load_checkpoint(folder.checkpoint_path("best"))
    saved = {name.removeprefix("model/"): each for name, each in tensors.items()}
    state = network.state_dict()
    run = str(folder.path)
    problems = [f"run {run!r} has no {name}" for name in state if name not in saved]
    problems += [f"run {run!r} has {name}, and this network has not" for name in saved if name not in state]
    problems += [
        f"{name} is {_shape(saved[name])} in run {run!r}, but {_shape(each)} here"
        for name, each in state.items()
        if name in saved and saved[name].shape != each.shape
    ]
    if problems:
        raise ConfigError([Problem(problem, ("model",)) for problem in problems])
    load_member_state(network, None, saved)
    return facts


def load_weights_from(network: Network, run: str) -> list[str]:
    """Copy the best weights of a run into every layer of the same name, of all members.

    Returns the names that were found. Raises ConfigError where the run is none, no layer's name is the
    same, or a layer of the same name has other sizes; DataError where its checkpoint is damaged.
    """
    try:
        folder = RunFolder.open(Path(run))
    except ConfigError as error:
        raise ConfigError([Problem(problem.message, PLACE) for problem in error.problems]) from None
    tensors, _ = load_checkpoint(folder.checkpoint_path("best"))
    saved = {name.removeprefix("model/"): each for name, each in tensors.items()}
    state = network.state_dict()
    common = [name for name in state if name in saved]
    problems = [
        Problem(f"{name} is {_shape(saved[name])} in {run!r}, but {_shape(one)} here", PLACE)
        for name in common
        if (one := state[name] if network.members is None else state[name][0]).shape != saved[name].shape
    ]
    if not common:
        names = ", ".join(sorted({name.split(".")[1] for name in saved}))
        problems = [Problem(f"no layer here is named as one of {run!r}. Its layers: {names}.", PLACE)]
    if problems:
        raise ConfigError(problems)
    with torch.no_grad():
        for name in common:
            state[name].copy_(saved[name])
    return common


def _shape(tensor: Tensor) -> str:
    return f"({', '.join(str(size) for size in tensor.shape)})"
