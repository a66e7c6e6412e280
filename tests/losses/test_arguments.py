"""Arguments without meaning are refused, with what was given and the nearest name."""

from __future__ import annotations

import re
from typing import Any

import pytest
import torch
from mlx_runner.losses.loss import build_loss
from mlx_runner.specs.errors import ConfigError

REFUSED: list[tuple[dict[str, Any], str]] = [
    ({"type": "binary_crossentropi"}, "; did you mean 'binary_crossentropy'? Losses: binary_"),
    ({"type": "huber", "reduction": "summ"}, "no reduction named 'summ'; did you mean 'sum'?"),
    ({"type": "huber", "dleta": 2.0}, "no argument of huber named 'dleta'; did you mean 'delta'?"),
    ({"type": "poisson", "delta": 2.0}, "no argument of poisson named 'delta'. Arguments of poisson: axis,"),
    ({"type": "huber", "label_smoothing": 0.1}, "label_smoothing has no effect on huber; losses with"),
    ({"type": "hinge", "from_logits": True}, "from_logits has no effect on hinge; losses with it: binary"),
    (
        {"type": "binary_crossentropy", "label_smoothing": 1.5},
        "label_smoothing is 1.5; allowed: a number",
    ),
    ({"type": "huber", "delta": 0.0}, "delta of huber is 0.0; allowed: a finite number above 0."),
    (
        {"type": "binary_crossentropy", "pos_weight": [1.0, -2.0]},
        "is [1.0, -2.0]; allowed: finite numbers",
    ),
    ({"type": "huber", "axis": None}, "axis of huber is None; allowed: an integer."),
    (
        {"type": "dice", "axis": True},
        "axis of dice is True; allowed: an integer, or null",
    ),
]


@pytest.mark.parametrize(("arguments", "message"), REFUSED)
def test_refused_when_built(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=re.escape(message)):
        build_loss(**arguments)


def test_an_axis_that_does_not_exist_is_refused_when_called() -> None:
    with pytest.raises(ConfigError, match=r"axis 2 does not exist in a prediction of shape \(3, 4\)"):
        build_loss("huber", axis=2)(torch.zeros(3, 4), torch.zeros(3, 4))


def test_a_pos_weight_per_label_needs_as_many_labels() -> None:
    loss = build_loss("binary_crossentropy", pos_weight=[1.0, 2.0])
    with pytest.raises(ConfigError, match="pos_weight has 2 numbers, but the prediction has 3 labels"):
        loss(torch.zeros(4, 3), torch.full((4, 3), 0.5))


def test_a_smoothing_by_member_needs_a_loss_that_smooths() -> None:
    with pytest.raises(ConfigError, match="label_smoothing has no effect on huber"):
        build_loss("huber")(torch.zeros(2, 1), torch.zeros(2, 1), label_smoothing=torch.tensor(0.1))


@pytest.mark.parametrize("alias", ["auto", "mean"])
def test_aliases_of_the_default_reduction(alias: str) -> None:
    assert build_loss("huber", reduction=alias).reduction == "sum_over_batch_size"
