"""Metrics of numbers against scikit-learn and torchmetrics."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from mlx_runner.training.metrics import evaluate_metrics
from sklearn import metrics as referee
from torch import Tensor
from torchmetrics.functional import regression

NAMES = ("mse", "mae", "rmse", "r2")


def draw(seed: int, *, rows: int = 50, outputs: int = 3) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    target = torch.randn(rows, outputs, generator=generator) * torch.tensor([1.0, 5.0, 0.2]) + 3
    return target + 0.5 * torch.randn(rows, outputs, generator=generator), target


@pytest.mark.parametrize("weighted", [False, True])
def test_values_agree_with_scikit_learn(weighted: bool) -> None:
    prediction, target = draw(1)
    weight = torch.rand(50, generator=torch.Generator().manual_seed(2)) if weighted else None
    values = evaluate_metrics(NAMES, prediction=prediction, target=target, sample_weight=weight).values
    given = (target.double().numpy(), prediction.double().numpy())
    weights = None if weight is None else weight.double().numpy()
    mse = referee.mean_squared_error(*given, sample_weight=weights)
    assert values["mse"].item() == pytest.approx(mse, rel=1e-12)
    assert values["rmse"].item() == pytest.approx(np.sqrt(mse), rel=1e-12)
    mae = referee.mean_absolute_error(*given, sample_weight=weights)
    assert values["mae"].item() == pytest.approx(mae, rel=1e-12)
    assert values["r2"].item() == pytest.approx(referee.r2_score(*given, sample_weight=weights), rel=1e-12)


def test_values_agree_with_torchmetrics() -> None:
    prediction, target = draw(3)
    values = evaluate_metrics(NAMES, prediction=prediction, target=target).values
    expected = {
        "mse": regression.mean_squared_error(prediction, target),
        "mae": regression.mean_absolute_error(prediction, target),
        "rmse": regression.mean_squared_error(prediction, target, squared=False),
        "r2": regression.r2_score(prediction, target),
    }
    for name, value in expected.items():
        assert values[name].item() == pytest.approx(value.item(), rel=1e-5)


def test_masked_entries_are_dropped() -> None:
    prediction, target = draw(4)
    mask = torch.rand(50, 3, generator=torch.Generator().manual_seed(5)) < 0.6
    weight = torch.rand(50, 1, generator=torch.Generator().manual_seed(6))
    poisoned = target.masked_fill(~mask, torch.nan)
    values = evaluate_metrics(
        NAMES, prediction=prediction, target=poisoned, mask=mask, sample_weight=weight
    ).values
    spread = weight.double().expand(50, 3)
    mse = referee.mean_squared_error(
        target[mask].double().numpy(), prediction[mask].double().numpy(), sample_weight=spread[mask].numpy()
    )
    assert values["mse"].item() == pytest.approx(mse, rel=1e-12)
    by_output = [
        referee.r2_score(
            target[kept, output].double().numpy(), prediction[kept, output].double().numpy(),
            sample_weight=spread[kept, output].numpy(),
        )
        for output, kept in enumerate(mask.T)
    ]  # fmt: skip
    assert values["r2"].item() == pytest.approx(np.mean(by_output), rel=1e-12)


def test_a_constant_target_counts_as_zero_and_says_so() -> None:
    prediction, target = draw(7)
    # The rounded mean of 0.1 is not 0.1, so the sum of squares about it is not 0.
    target[:, 1] = 0.1
    for given in (prediction, target):
        result = evaluate_metrics(["r2"], prediction=given, target=target)
        others = referee.r2_score(target[:, [0, 2]].double().numpy(), given[:, [0, 2]].double().numpy())
        assert result.undefined["r2"].tolist() == [False, True, False]
        assert result.values["r2"].item() == pytest.approx(2 / 3 * others, rel=1e-12)


def test_rows_without_weight_are_as_good_as_absent() -> None:
    prediction, target = draw(8)
    weight = (torch.arange(50) % 2).float()
    prediction[::2], target[::2] = torch.inf, 1e6
    weighted = evaluate_metrics(NAMES, prediction=prediction, target=target, sample_weight=weight)
    absent = evaluate_metrics(NAMES, prediction=prediction[1::2], target=target[1::2])
    for name in NAMES:
        assert weighted.values[name].item() == pytest.approx(absent.values[name].item(), rel=1e-12)


def test_large_offsets_do_not_cost_precision() -> None:
    generator = torch.Generator().manual_seed(9)
    noise = torch.randn(1000, 1, generator=generator, dtype=torch.float64)
    target = 1e8 + noise
    prediction = target + 0.1
    values = evaluate_metrics(NAMES, prediction=prediction, target=target).values
    assert values["mse"].item() == pytest.approx(0.01, rel=1e-6)
    expected = 1 - 0.01 / noise.var(correction=0).item()
    assert values["r2"].item() == pytest.approx(expected, rel=1e-6)


def test_nothing_observed_is_zero_and_says_so() -> None:
    prediction, target = draw(10)
    result = evaluate_metrics(NAMES, prediction=prediction, target=target, mask=torch.zeros(50, 3))
    assert {value.item() for value in result.values.values()} == {0.0}
    assert all(bool(undefined.all()) for undefined in result.undefined.values())
