"""Every loss against the values Keras returned for the cases of its own test suite."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from mlx_runner.losses.loss import build_loss

RECORDED = Path(__file__).parents[1] / "parity" / "keras_loss_cases.json"
CASES: list[dict[str, Any]] = json.loads(RECORDED.read_text())["cases"]


def _tensor(case: dict[str, Any], name: str) -> torch.Tensor | float | None:
    value, dtype = case[name], case["dtypes"][name]
    if value is None or isinstance(value, (int, float)):
        return value
    return torch.tensor(value, dtype=torch.float32 if dtype == "python" else getattr(torch, dtype))


def test_all_recorded_cases_are_here() -> None:
    assert len(CASES) == 66


@pytest.mark.parametrize("case", CASES, ids=lambda case: case["id"])
def test_recorded_value(case: dict[str, Any]) -> None:
    loss = build_loss(case["function"], reduction=case["reduction"] or "none", **case["kwargs"])
    target, prediction = _tensor(case, "y_true"), _tensor(case, "y_pred")
    assert isinstance(target, torch.Tensor)
    assert isinstance(prediction, torch.Tensor)
    value = loss(target, prediction.float(), _tensor(case, "sample_weight"))
    expected = torch.tensor(case["keras_value"], dtype=torch.float32)
    torch.testing.assert_close(value, expected, rtol=1e-5, atol=1e-6)
