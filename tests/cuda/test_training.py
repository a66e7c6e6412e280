"""Training on a CUDA device: the CPU's numbers, captured or not, one network or a stack, without a wait.

Skipped where there is no such device.
"""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from mlx_runner.specs.experiment import Experiment
from mlx_runner.specs.load import load_experiment
from mlx_runner.training.assemble import Workshop, open_workshop
from mlx_runner.training.blueprint import draw_blueprint
from mlx_runner.training.captured_step import CapturedStep, GraphCapturer, PlainStep
from mlx_runner.training.devices import prepare_process
from mlx_runner.training.run import run_experiment
from mlx_runner.training.step import Trainee

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")

CUDA = torch.device("cuda")
CONFIGS = {
    "multilabel_attributes": ["data.samples=2000", "data.validation_split=0"],
    "autoencoder": ["data.samples=2000", "data.test_samples=100"],
    "multilabel_mnist": ["data.samples=1000", "data.validation_split=0"],
    "headline": ["data.samples=640", "data.validation_split=0", "data.test_split=0"],
}
STEPS = 8
MEMBERS = [None, 3]


def opened(name: str, device: torch.device, *changes: str) -> tuple[Experiment, Workshop]:
    experiment = load_experiment(name, [*CONFIGS[name], "training.early_stopping=null", *changes])
    prepare_process(experiment.training.precision)
    return experiment, open_workshop(draw_blueprint(experiment), device)


def batches(experiment: Experiment, workshop: Workshop) -> list[torch.Tensor]:
    size, rows = experiment.training.batch_size, len(workshop.splits.train)
    starts = [number * size % (rows - size) for number in range(STEPS)]
    return [torch.arange(start, start + size, device=workshop.device) for start in starts]


def losses(
    name: str, device: torch.device, members: int | None, *changes: str
) -> tuple[list[float], Trainee]:
    experiment, workshop = opened(name, device, *changes)
    trainee = workshop.build([experiment] * (members or 1), stacked=members is not None)
    step = PlainStep(trainee, workshop.splits.train)
    totals = [step(index).total for index in batches(experiment, workshop)]
    return [float(each.flatten()[-1]) for each in totals], trainee


@pytest.mark.parametrize("members", MEMBERS)
@pytest.mark.parametrize("name", CONFIGS)
def test_the_numbers_of_the_cpu(name: str, members: int | None) -> None:
    expected, _ = losses(name, torch.device("cpu"), members)
    assert losses(name, CUDA, members)[0] == pytest.approx(expected, rel=1e-3)


@pytest.mark.parametrize("members", MEMBERS)
@pytest.mark.parametrize("name", CONFIGS)
def test_a_captured_step_is_the_same_step(name: str, members: int | None) -> None:
    experiment, workshop = opened(name, CUDA)
    build = [experiment] * (members or 1)
    plain, captured = (workshop.build(build, stacked=members is not None) for _ in range(2))
    first = PlainStep(plain, workshop.splits.train)
    second = CapturedStep(
        captured, workshop.splits.train, experiment.training.batch_size, capturer=GraphCapturer(CUDA)
    )
    for index in batches(experiment, workshop):
        expected, found = first(index), second(index)
        torch.testing.assert_close(found.raw, expected.raw, rtol=1e-4, atol=1e-6)
    torch.testing.assert_close(captured.parameters.values, plain.parameters.values, rtol=1e-3, atol=1e-5)
    assert captured.network.noise.step.item() == plain.network.noise.step.item() == STEPS


@pytest.mark.parametrize("members", MEMBERS)
@pytest.mark.parametrize("name", CONFIGS)
def test_no_step_waits_for_the_device(name: str, members: int | None) -> None:
    experiment, workshop = opened(name, CUDA)
    trainee = workshop.build([experiment] * (members or 1), stacked=members is not None)
    step, indices = PlainStep(trainee, workshop.splits.train), batches(experiment, workshop)
    step(indices[0])
    try:
        torch.cuda.set_sync_debug_mode("error")
        step(indices[1])
    finally:
        torch.cuda.set_sync_debug_mode("default")


@pytest.mark.parametrize("precision", ["tf32", "bf16"])
@pytest.mark.parametrize("name", CONFIGS)
def test_shorter_products(name: str, precision: str) -> None:
    full, _ = losses(name, CUDA, None)
    shorter, trainee = losses(name, CUDA, None, f"training.precision={precision}")
    assert trainee.parameters.values.dtype == torch.float32
    assert shorter == pytest.approx(full, rel=0.02)


@pytest.mark.parametrize("name", CONFIGS)
def test_a_whole_run_captured_and_not(name: str, tmp_path: Path) -> None:
    """To the end: checkpoints, evaluation and a ragged last batch."""
    found: dict[bool, dict[str, float]] = {}
    for capture in (False, True):
        changes = [*CONFIGS[name], "training.epochs=2", "training.early_stopping=null"]
        experiment = load_experiment(name, [*changes, f"training.capture_step={str(capture).lower()}"])
        result = run_experiment(experiment, runs=tmp_path / str(capture), device="cuda")
        assert result.status == "finished"
        found[capture] = result.metrics
    assert found[True]["train/loss"] == pytest.approx(found[False]["train/loss"], rel=1e-3)
