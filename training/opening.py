"""The beginning of a run: its folder, and what is told of it before the first step."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import torch

from ..models import parameter_count
from ..records.environment import describe_environment
from ..records.run_folder import RunFolder
from ..specs.experiment import Experiment
from ..specs.resolved import resolved_yaml
from .assemble import Workshop
from .members import Member
from .reporter import RunFacts
from .resume import Resumption


def create_run(
    workshop: Workshop, experiment: Experiment, *, runs: Path, command: Sequence[str], members: int | None
) -> RunFolder:
    """The folder of an experiment, alone (`members` is None) or as one of a stack. Raises MachineError."""
    threads = torch.get_num_threads()
    preparation = workshop.blueprint.source.preparation
    return RunFolder.create(
        runs,
        experiment.name,
        config_text=resolved_yaml(experiment),
        environment=describe_environment(
            seed=experiment.seed,
            device=device_name(workshop.device),
            threads=threads,
            command=command,
            fingerprint=workshop.splits.fingerprint,
            precision=experiment.training.precision,
        ),
        plan={
            "engine": "single" if members is None else "stack",
            "device": str(workshop.device),
            "threads": threads,
            "members": members or 1,
        },
        preparation=None if preparation is None else preparation.document(),
    )


def describe_run(workshop: Workshop, members: Sequence[Member], resumption: Resumption) -> RunFacts:
    """What is known of a run, or of a stack by its first member, before it trains; logged in each folder."""
    splits, training = workshop.splits, workshop.blueprint.experiment.training
    position, steps = resumption.position, workshop.steps_per_epoch
    facts = RunFacts(
        name=workshop.blueprint.experiment.name,
        run=members[0].folder.path,
        device=device_name(workshop.device),
        parameters=parameter_count(workshop.blueprint.network),
        epochs=training.epochs,
        steps_per_epoch=steps,
        batch_size=training.batch_size,
        train_rows=len(splits.train),
        validation_rows=0 if splits.validation is None else len(splits.validation),
        test_rows=0 if splits.test is None else len(splits.test),
        terms=workshop.blueprint.objective.names,
        members=len(members),
        steps_done=position.epoch * steps + position.step,
    )
    begun = "started"
    if resumption.saved:
        begun = f"goes on after {position} of {training.epochs} with PyTorch {torch.__version__}"
    for member in members:
        if not member.ended:
            member.folder.log(f"{begun} on {facts.device}: {facts.parameters} parameters")
            for note in (*resumption.notes, *splits.notes):
                member.folder.log(note)
    return facts


def device_name(device: torch.device) -> str:
    """The device as people know it: `cpu`, or the name of the CUDA device."""
    return torch.cuda.get_device_name(device) if device.type == "cuda" else device.type
