"""A captured step, replayed here by calling it again: the same numbers as operator by operator.

What a CUDA graph does more, tests/cuda shows where there is such a device.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from mlx_runner.losses import Ledger
from mlx_runner.specs.errors import ConfigError
from mlx_runner.specs.experiment import Experiment
from mlx_runner.specs.load import load_experiment
from mlx_runner.training.assemble import open_workshop
from mlx_runner.training.blueprint import draw_blueprint
from mlx_runner.training.captured_step import WARM_UP_STEPS, CapturedStep, PlainStep, choose_step
from mlx_runner.training.reporter import SilentReporter
from mlx_runner.training.run import run_experiment
from mlx_runner.training.step import Trainee

ROWS, BATCH = 500, 64
STEPS = 14

CASES = {
    "adam": ["optimizer.type=adam"],
    "adam of PyTorch": ["optimizer.type=adam", "numerics=torch"],
    "adamw": ["optimizer.type=adamw"],
    "a schedule and clipping": [
        *("optimizer.type=adamw", "optimizer.clipnorm=0.01"),
        "optimizer.schedule={type: exponential, rate: 0.5, every: 3}",
    ],
    "dropout and penalties": [
        "model.layers.hidden.kernel_regularizer={l2: 0.01}",
        "model.layers.noise={type: dropout, rate: 0.3, of: hidden}",
        "model.layers.attributes.of=noise",
    ],
}


class Caller:
    """Replays by calling what was captured once more."""

    def __init__(self) -> None:
        self.captured = 0
        self.replayed = 0

    def warm_up(self, step: Callable[[], Ledger]) -> Ledger:
        return step()

    def capture(self, step: Callable[[], Ledger]) -> Callable[[], Ledger]:
        self.captured += 1

        def replay() -> Ledger:
            self.replayed += 1
            return step()

        return replay


def experiments(changes: list[str], members: int | None) -> list[Experiment]:
    every = [f"data.samples={ROWS}", "data.validation_split=0", f"training.batch_size={BATCH}", *changes]
    settings = [[], ["seed=1", "losses.attributes.label_smoothing=0.1"], ["optimizer.learning_rate=0.01"]]
    return [
        load_experiment("multilabel_attributes", [*every, *setting]) for setting in settings[: members or 1]
    ]


def trainees(changes: list[str], members: int | None) -> tuple[torch.Tensor, Trainee, Trainee, PlainStep]:
    """The order of the rows, two equal trainees, and the plain step of the first."""
    given = experiments(changes, members)
    workshop = open_workshop(draw_blueprint(given[0]), torch.device("cpu"))
    plain, captured = (workshop.build(given, stacked=members is not None) for _ in range(2))
    order = torch.randperm(ROWS, generator=torch.Generator().manual_seed(3))
    return order, plain, captured, PlainStep(plain, workshop.splits.train)


@pytest.mark.parametrize("members", [None, 2, 3])
@pytest.mark.parametrize("changes", CASES.values(), ids=CASES)
def test_the_same_numbers(changes: list[str], members: int | None) -> None:
    order, plain, captured, plain_step = trainees(changes, members)
    caller = Caller()
    step = CapturedStep(captured, plain_step._table, BATCH, capturer=caller)
    # The last batch of an epoch is smaller, and is made operator by operator.
    batches = [*torch.split(order, BATCH), *torch.split(order.flip(0), BATCH)][:STEPS]
    sizes = [len(batch) for batch in batches]
    for batch in batches:
        expected, found = plain_step(batch), step(batch)
        assert not found.raw.requires_grad
        assert not found.total.requires_grad
        torch.testing.assert_close(found.raw, expected.raw, rtol=1e-5, atol=1e-7)
        torch.testing.assert_close(found.total, expected.total, rtol=1e-5, atol=1e-7)
    assert (caller.captured, caller.replayed) == (1, sizes.count(BATCH) - WARM_UP_STEPS)
    torch.testing.assert_close(captured.parameters.values, plain.parameters.values, rtol=1e-4, atol=1e-6)
    for name, slot in plain.optimizer.slots.items():
        torch.testing.assert_close(captured.optimizer.slots[name], slot, rtol=1e-4, atol=1e-9)
    assert captured.optimizer.steps == plain.optimizer.steps == STEPS
    assert captured.network.noise.step.item() == STEPS


def test_a_member_that_diverges_is_held_in_a_captured_step_too() -> None:
    order, plain, captured, plain_step = trainees([], 2)
    step = CapturedStep(captured, plain_step._table, BATCH, capturer=Caller())
    for number, batch in enumerate(torch.split(order, BATCH)[:6]):
        if number == WARM_UP_STEPS + 1:
            for trainee in (plain, captured):
                trainee.parameters.values[1, 0] = torch.nan
        plain_step(batch)
        step(batch)
    assert captured.frozen.tolist() == plain.frozen.tolist() == [0.0, 1.0]
    assert captured.frozen_at.tolist() == plain.frozen_at.tolist() == [-1.0, WARM_UP_STEPS + 1.0]
    torch.testing.assert_close(
        captured.parameters.values[0], plain.parameters.values[0], rtol=1e-4, atol=1e-6
    )


def test_on_a_cpu_steps_are_not_captured() -> None:
    _, _, trainee, plain_step = trainees([], None)
    assert isinstance(choose_step(trainee, plain_step._table, batch_size=BATCH, capture=True), PlainStep)


@pytest.mark.parametrize(("changes", "message"), [
    (
        ["optimizer.type=sgd"],
        "training.capture_step: a step cannot be captured under optimizer.type sgd (allowed: adam, adamw)",
    ),
    (
        ["weighting={type: uncertainty}"],
        "training.capture_step: a step cannot be captured under weighting.type uncertainty (allowed: fixed)",
    ),
    (
        ["training.precision=float64"],
        "training.capture_step: a step cannot be captured under training.precision float64 (allowed: "
        "float32, tf32, bf16)",
    ),
])  # fmt: skip
def test_what_can_never_be_captured(changes: list[str], message: str) -> None:
    experiment = load_experiment("multilabel_attributes", ["training.capture_step=true", *changes])
    with pytest.raises(ConfigError, match=re.escape(message)):
        draw_blueprint(experiment)


def test_what_a_cpu_does_not_do_is_told(tmp_path: Path) -> None:
    told: list[str] = []

    class Teller(SilentReporter):
        def message(self, text: str) -> None:
            told.append(text)

    asked = ["training.capture_step=true", "training.precision=tf32", "training.epochs=1"]
    experiment = load_experiment(
        "multilabel_attributes", [*asked, "data.samples=300", "data.test_samples=20"]
    )
    run_experiment(experiment, runs=tmp_path, device="cpu", reporter=Teller())
    assert told[:2] == [
        "training.capture_step has no effect here: only a CUDA device captures steps",
        "training.precision tf32 is float32 here: cpu has no products of tf32",
    ]
