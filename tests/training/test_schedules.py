"""Schedules against PyTorch's own, and the plateau against Keras's callback."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from mlx_runner.specs import optimizers as spec
from mlx_runner.training.schedules import Plateau, build_schedule

EPOCHS, STEPS = 6, 5


def torch_rates(make: object) -> list[float]:
    parameter = torch.nn.Parameter(torch.zeros(1))
    optimizer = torch.optim.SGD([parameter], lr=1.0)
    scheduler = make(optimizer)
    rates = []
    for _ in range(EPOCHS * STEPS):
        rates.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        scheduler.step()
    return rates


@pytest.mark.parametrize(
    ("described", "make"),
    [
        (spec.StepSchedule(every=2, factor=0.3),
         lambda o: torch.optim.lr_scheduler.StepLR(o, step_size=2 * STEPS, gamma=0.3)),
        (spec.ExponentialSchedule(rate=0.5),
         lambda o: torch.optim.lr_scheduler.ExponentialLR(o, gamma=0.5 ** (1 / STEPS))),
        (spec.ExponentialSchedule(rate=0.5, every=2, staircase=True),
         lambda o: torch.optim.lr_scheduler.StepLR(o, step_size=2 * STEPS, gamma=0.5)),
        (spec.CosineSchedule(final=0.1),
         lambda o: torch.optim.lr_scheduler.CosineAnnealingLR(o, T_max=EPOCHS * STEPS, eta_min=0.1)),
        (spec.OneCycleSchedule(start=0.04, peak=0.3, final=4e-6),
         lambda o: torch.optim.lr_scheduler.OneCycleLR(o, max_lr=1.0, total_steps=EPOCHS * STEPS)),
    ],
)  # fmt: skip
def test_follows_torch(described: spec.AnySchedule, make: object) -> None:
    schedule = build_schedule(described, steps_per_epoch=STEPS, epochs=EPOCHS)
    rates = [schedule(step) for step in range(EPOCHS * STEPS)]
    assert rates == pytest.approx(torch_rates(make), rel=1e-6, abs=1e-9)


def test_cosine_warms_up_first() -> None:
    schedule = build_schedule(spec.CosineSchedule(warmup_epochs=1), steps_per_epoch=4, epochs=3)
    assert [schedule(step) for step in range(5)] == pytest.approx([0.2, 0.4, 0.6, 0.8, 1.0])
    assert schedule(12) == pytest.approx(0.0)


def test_plateau_counts_as_keras() -> None:
    plateau = Plateau(
        spec.PlateauSchedule(factor=0.5, patience=2, min_delta=0.0, cooldown=1, min_learning_rate=0.002),
        lower_is_better=True,
        learning_rate=0.01,
    )
    losses = [1.0, 0.9, 0.9, 0.9, 0.9, 0.9, 0.9, 0.9, 0.9, 0.9, 0.9]
    # Best at epoch 2; two epochs later the first reduction; one cools down, two more wait.
    assert [plateau.update(loss) for loss in losses] == pytest.approx(
        [1, 1, 1, 0.5, 0.5, 0.25, 0.25, 0.2, 0.2, 0.2, 0.2]
    )


@given(st.lists(st.floats(0, 1), min_size=1, max_size=40))
def test_plateau_never_raises_the_rate(values: list[float]) -> None:
    plateau = Plateau(spec.PlateauSchedule(patience=1), lower_is_better=False, learning_rate=1.0)
    factors = [plateau.update(value) for value in values]
    assert factors == sorted(factors, reverse=True)
    assert not any(math.isnan(factor) for factor in factors)
