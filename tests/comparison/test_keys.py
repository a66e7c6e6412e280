"""Metric keys: what is judged unless asked, and what a user may mean by a part of a key."""

from __future__ import annotations

import re

import pytest
from mlx_runner.comparison.keys import judged_key, lower_is_better, resolve_key
from mlx_runner.specs.errors import ConfigError

KEYS = [
    "train/loss", "train/main/loss", "validation/loss", "validation/main/loss", "validation/main/f1",
    "test/loss", "test/main/loss", "test/aux/loss", "test/main/f1", "test/main/auroc", "test/aux/auroc",
]  # fmt: skip


@pytest.mark.parametrize(
    ("keys", "judged"),
    [
        (KEYS, "test/main/f1"),
        ([key for key in KEYS if key.endswith("loss")], "test/main/loss"),
        ([key for key in KEYS if not key.startswith("test")], "validation/main/f1"),
        (["train/loss", "train/main/loss"], "train/main/loss"),
        (["train/main/f1", "test/main/loss"], "test/main/loss"),
    ],
)
def test_a_metric_before_a_term_and_test_before_all(keys: list[str], judged: str) -> None:
    assert judged_key(keys) == judged


def test_a_total_is_never_judged_unasked() -> None:
    with pytest.raises(ConfigError, match="share no metric and no unweighted term"):
        judged_key(["test/loss", "train/loss"])


def test_a_term_of_two_meanings_is_not_judged_unasked() -> None:
    keys = ["test/main/loss", "test/aux/loss"]
    assert judged_key(keys, doubtful_terms=frozenset({"main"})) == "test/aux/loss"
    with pytest.raises(ConfigError):
        judged_key(keys, doubtful_terms=frozenset({"main", "aux"}))


@pytest.mark.parametrize(
    ("text", "key"),
    [
        ("test/main/auroc", "test/main/auroc"),
        ("main/auroc", "test/main/auroc"),
        ("f1", "test/main/f1"),
        ("validation/main/f1", "validation/main/f1"),
        ("aux/loss", "test/aux/loss"),
    ],
)
def test_parts_of_keys(text: str, key: str) -> None:
    assert resolve_key(text, KEYS, totals_differ=True, option="--metric") == key


def test_totals_only_where_they_mean_the_same() -> None:
    assert resolve_key("loss", KEYS, totals_differ=False, option="--sort") == "test/loss"
    for text in ("loss", "test/loss", "validation/loss"):
        with pytest.raises(ConfigError, match=f"^--sort: '{text}' is the weighted total, and the settings"):
            resolve_key(text, KEYS, totals_differ=True, option="--sort")


def test_what_is_not_there_or_ambiguous() -> None:
    with pytest.raises(ConfigError, match="--metric: 'auroc' may be test/main/auroc or test/aux/auroc"):
        resolve_key("auroc", KEYS, totals_differ=True, option="--metric")
    message = "--metric: no metric named 'main/aurok'; did you mean 'test/main/auroc'?"
    with pytest.raises(ConfigError, match=re.escape(message)):
        resolve_key("main/aurok", KEYS, totals_differ=True, option="--metric")


def test_directions() -> None:
    falling = ["test/loss", "test/main/loss", "test/main/hamming_loss", "test/main/mse"]
    falling += [f"test/main/{name}" for name in ("ece", "mse_original", "mae_original", "rmse_original")]
    assert all(map(lower_is_better, falling))
    assert not any(
        map(lower_is_better, ["test/main/f1", "test/loss/auroc", "test/main/r2", "test/main/r2_original"])
    )
