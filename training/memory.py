"""How much memory there is, and what is told when it runs out: at which stage, and what would have fitted."""

from __future__ import annotations

import traceback
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass

import torch

from ..data.available_memory import available_bytes
from ..models import Network
from ..specs.errors import MachineError, Problem
from ..specs.experiment import Experiment
from ..specs.machine_failures import FAILURES, FREE_SOME, describe_failure, is_out_of_memory, size_text
from .footprint import Footprint, fitting_batch_size, network_footprint, training_bytes

_ROOM = 8
"""So many times the estimate is there where memory is no concern, workers of a comparison included."""

FEWER_ROWS = f"give fewer rows, or {FREE_SOME}"
"""What helps where data are read or scored."""


@dataclass(frozen=True)
class TrainingLoad:
    """What a training of `members` networks at once asks for, and the `budget_bytes` that it had.

    `budget_bytes` is None where the system does not say.
    """

    experiment: Experiment
    footprint: Footprint
    members: int
    budget_bytes: int | None

    @property
    def is_light(self) -> bool:
        """Whether there is room for many times the estimate, which leaves much out."""
        needed = training_bytes(self.experiment, self.footprint) * self.members
        return self.budget_bytes is not None and needed < self.budget_bytes / _ROOM


def measure_load(
    experiment: Experiment, network: Network, *, members: int, device: torch.device
) -> TrainingLoad:
    """The load of a training, asked before its network is built; `network` may lie on the meta device."""
    return TrainingLoad(experiment, network_footprint(network), members, device_bytes(device))


def device_bytes(device: torch.device) -> int | None:
    """Memory that can be had on a device now, in bytes; None where the system does not say."""
    if device.type == "cuda":
        free, _ = torch.cuda.mem_get_info(device)
        return free
    return available_bytes()


@contextmanager
def machine_failures_told(
    stage: str, *, load: TrainingLoad | None = None, fix: str = FREE_SOME
) -> Generator[None]:
    """Turns the machine's failures inside into a MachineError that names the stage.

    stage: what was done, after the word `while` (`training`). load: where a smaller batch would help, what
    the message says of sizes follows from it. fix: what helps against want of memory elsewhere. Every other
    error goes through.
    """
    try:
        yield
    except FAILURES as error:
        problem = _problem(error, stage, load, fix)
        if problem is None:
            raise
        # The frames that failed hold what filled the memory, and a run is still to be closed.
        traceback.clear_frames(error.__traceback__)
        raise MachineError(problem) from error


def _problem(error: BaseException, stage: str, load: TrainingLoad | None, fix: str) -> Problem | None:
    if load is not None and is_out_of_memory(error):
        return _overload(stage, load)
    sentence = describe_failure(error, stage=stage, available_bytes=available_bytes(), fix=fix)
    return None if sentence is None else Problem(sentence)


def _overload(stage: str, load: TrainingLoad) -> Problem:
    """What the estimate says: which batch size would fit, that none would, or that this one ought to."""
    experiment, budget = load.experiment, load.budget_bytes
    batch_size, path = experiment.training.batch_size, ("training", "batch_size")
    what = f"memory ran out while {stage}"
    if budget is None:
        return Problem(f"{what} at batch_size {batch_size}; set a smaller one, or {FREE_SOME}.", path)
    needed = training_bytes(experiment, load.footprint) * load.members
    fitting = fitting_batch_size(experiment, load.footprint, budget_bytes=budget // load.members)
    there = f"{size_text(budget)} were available"
    if fitting < 1:
        least = training_bytes(experiment, load.footprint, batch_size=1) * load.members
        count = f"{load.footprint.parameters:,} parameters"
        networks = f"its {count}" if load.members == 1 else f"{load.members} members of {count}"
        sizes = f"{networks} take {size_text(least)} with {experiment.optimizer.type} even at batch_size 1"
        fix = "make layers smaller" if load.members == 1 else "train fewer members at once, or smaller layers"
        return Problem(f"{what}: by estimate {sizes}, and {there}; {fix}.", ("model", "layers"))
    sizes = f"by estimate training takes {size_text(needed)} at batch_size {batch_size}, and {there}"
    if fitting < batch_size:
        # Room for what the estimate leaves out: half, and what is beyond a power of two.
        fits = 1 << max(0, (fitting // 2).bit_length() - 1)
        return Problem(f"{what}: {sizes}; batch_size {fits} would fit.", path)
    fix = f"try batch_size {batch_size // 2}, or {FREE_SOME}" if batch_size > 1 else FREE_SOME
    return Problem(f"{what}: {sizes}, so that it ought to have fitted; {fix}.", path)
