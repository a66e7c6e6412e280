"""Temperatures against a search by scipy, and against what a generated data set was made with."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from mlx_runner.training.calibration import MOST_SHARPNESS, fit_temperature
from mlx_runner.training.scores import JudgedRows
from scipy.optimize import minimize_scalar
from scipy.special import expit, log_softmax
from sklearn.metrics import log_loss
from torch import Tensor
from torch.nn import functional as F

LOGITS = st.floats(-30.0, 30.0, width=32)


def judged(
    logits: Tensor, target: Tensor, mask: Tensor | None = None, weight: Tensor | None = None
) -> JudgedRows:
    return JudgedRows(logits, target, mask, weight)


def searched(loss: object) -> float:
    """The best temperature by scipy's bounded search over its logarithm."""
    bound = np.log(MOST_SHARPNESS)
    options = {"xatol": 1e-10}
    found = minimize_scalar(lambda log: loss(np.exp(log)), bounds=(-bound, bound), options=options)
    return float(np.exp(found.x))


def noisy(seed: int, width: int, *, temperature: float, rows: int = 3000) -> tuple[Tensor, torch.Generator]:
    """Logits `temperature` times too large for the targets that are drawn from them."""
    generator = torch.Generator().manual_seed(seed)
    return temperature * torch.randn(rows, width, generator=generator), generator


@pytest.mark.parametrize("temperature", [0.4, 1.0, 3.0])
def test_labels_agree_with_a_search_by_scipy(temperature: float) -> None:
    logits, generator = noisy(1, 3, temperature=temperature)
    target = torch.bernoulli(torch.sigmoid(logits / temperature), generator=generator)
    mask = torch.rand(3000, 3, generator=generator) < 0.7
    weight = torch.rand(3000, generator=generator)
    found = fit_temperature(judged(logits, target.masked_fill(~mask, torch.nan), mask, weight), "sigmoid")
    z, y, w = (each[mask].double().numpy() for each in (logits, target, weight.unsqueeze(-1).expand(3000, 3)))
    expected = searched(lambda t: log_loss(y, expit(z / t), sample_weight=w))
    assert found.reason is None
    assert found.value == pytest.approx(expected, rel=1e-5)
    assert found.value == pytest.approx(temperature, rel=0.15)


@pytest.mark.parametrize("temperature", [0.4, 1.0, 3.0])
@pytest.mark.parametrize("one_hot", [False, True])
def test_classes_agree_with_a_search_by_scipy(temperature: float, one_hot: bool) -> None:
    logits, generator = noisy(2, 5, temperature=temperature)
    classes = torch.multinomial(torch.softmax(logits / temperature, -1), 1, generator=generator).squeeze(1)
    mask = torch.rand(3000, generator=generator) < 0.7
    weight = torch.rand(3000, generator=generator)
    target = F.one_hot(classes, 5) if one_hot else classes
    found = fit_temperature(judged(logits, target, mask, weight), "softmax")
    z, y, w = (each[mask].double().numpy() for each in (logits, classes.double(), weight))

    def loss(t: float) -> float:
        own = log_softmax(z / t, axis=-1)[np.arange(len(y)), y.astype(int)]
        return -float(np.average(own, weights=w))

    assert found.reason is None
    assert found.value == pytest.approx(searched(loss), rel=1e-5)
    assert found.value == pytest.approx(temperature, rel=0.15)


@given(
    arrays(np.float32, (8, 2), elements=LOGITS),
    arrays(np.float32, (8, 2), elements=st.sampled_from([0.0, 0.25, 1.0])),
)
@settings(max_examples=200, deadline=None)
def test_no_temperature_of_labels_is_worse_than_none(logits: np.ndarray, target: np.ndarray) -> None:
    z, y = (torch.from_numpy(each) for each in (logits, target))
    found = fit_temperature(judged(z, y), "sigmoid")

    def loss(temperature: float) -> float:
        return F.binary_cross_entropy_with_logits(z.double() / temperature, y.double()).item()

    assert found.value > 0.0
    assert loss(found.value) <= loss(1.0) + 1e-12
    if found.reason is None:
        for factor in (0.9, 0.999, 1.001, 1.1):
            assert loss(found.value) <= loss(found.value * factor) + 1e-9


@given(
    arrays(np.float32, (8, 3), elements=LOGITS),
    arrays(np.int64, 8, elements=st.integers(0, 2)),
)
@settings(max_examples=200, deadline=None)
def test_no_temperature_of_classes_is_worse_than_none(logits: np.ndarray, target: np.ndarray) -> None:
    z, y = (torch.from_numpy(each) for each in (logits, target))
    found = fit_temperature(judged(z, y), "softmax")

    def loss(temperature: float) -> float:
        return F.cross_entropy(z.double() / temperature, y).item()

    assert found.value > 0.0
    assert loss(found.value) <= loss(1.0) + 1e-12
    if found.reason is None:
        for factor in (0.9, 0.999, 1.001, 1.1):
            assert loss(found.value) <= loss(found.value * factor) + 1e-9


@pytest.mark.parametrize("activation", ["sigmoid", "softmax"])
def test_where_no_temperature_is_the_best_one_is_kept_and_the_reason_told(activation: str) -> None:
    target = torch.tensor([[1.0, 0.0], [0.0, 1.0], [1.0, 0.0]])
    right = 4.0 * target - 2.0

    def reason(logits: Tensor, mask: Tensor | None = None) -> str | None:
        found = fit_temperature(judged(logits, target, mask), activation)
        assert found.value == 1.0
        return found.reason

    assert reason(right) == "the best is below 0.01, as where every validation entry is on its right side"
    assert reason(-right) == "the best is above 100, as where the logits tell nothing of the targets"
    assert reason(right / right.new_tensor(0.0)) == "some logits are not finite"
    assert reason(right, torch.zeros(3, 2, dtype=torch.bool)) == "no validation entry is observed"


def test_the_same_rows_give_the_same_number() -> None:
    logits, generator = noisy(3, 4, temperature=2.0)
    target = torch.bernoulli(torch.sigmoid(logits), generator=generator)
    numbers = {fit_temperature(judged(logits, target), "sigmoid").value for _ in range(3)}
    assert len(numbers) == 1


def test_extreme_logits_converge() -> None:
    logits = torch.tensor([[50.0], [-50.0], [50.0], [-50.0], [0.001]], dtype=torch.float64)
    target = torch.tensor([[1.0], [0.0], [0.0], [0.0], [0.0]])
    found = fit_temperature(judged(logits, target), "sigmoid")
    z, y = logits.squeeze(1).numpy(), target.squeeze(1).numpy()
    expected = searched(lambda t: float(np.mean(np.logaddexp(0, z / t) - y * z / t)))
    assert found.value == pytest.approx(expected, rel=1e-5)
