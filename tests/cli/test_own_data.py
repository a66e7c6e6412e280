"""The two real tables, from the shipped configs to the scores that they are held to."""

from __future__ import annotations

import csv
import json
import random
from collections.abc import Callable
from pathlib import Path
from statistics import mean

import pytest
import torch
from mlx_runner.data import open_source
from mlx_runner.specs.load import load_experiment
from sklearn.linear_model import Ridge
from sklearn.metrics import r2_score

Mlx = Callable[..., tuple[int, str, str]]

DATA = Path(__file__).resolve().parents[3] / "shared" / "data"
LABELS = ["amazed-suprised", "happy-pleased", "relaxing-calm", "quiet-still", "sad-lonely", "angry-aggresive"]

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not DATA.is_dir(), reason="the real tables are not beside the project"),
]


def _trained(mlx: Mlx, folder: Path, *arguments: str) -> dict:
    code, out, err = mlx("train", *arguments, "--json", "--quiet", folder=folder)
    assert code == 0, err
    return json.loads(out)


def _emotions(mlx: Mlx, folder: Path, train: Path, seed: int) -> dict[str, float]:
    paths = [f"data.path={train}", f"data.test_path={DATA / 'emotions' / 'test.csv'}"]
    return _trained(mlx, folder, "emotions", *paths, f"seed={seed}")["metrics"]


def test_emotions(mlx: Mlx, tmp_path: Path) -> None:
    runs = [_emotions(mlx, tmp_path, DATA / "emotions" / "train.csv", seed) for seed in range(5)]
    assert mean(run["test/emotions/hamming_loss"] for run in runs) <= 0.205
    assert mean(run["test/emotions/f1_micro"] for run in runs) >= 0.66
    assert mean(run["test/emotions/f1_macro"] for run in runs) >= 0.65


def test_labels_that_are_missing_are_worth_more_than_rows_left_out(mlx: Mlx, tmp_path: Path) -> None:
    """A random 30 % of the training labels are blanked: one row in eight keeps all six."""
    with (DATA / "emotions" / "train.csv").open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    drawn = random.Random(0)
    for row in rows:
        for label in LABELS:
            if drawn.random() < 0.3:
                row[label] = ""
    complete = [row for row in rows if all(row[label] for label in LABELS)]
    assert 30 < len(complete) < 60
    for name, kept in (("blanked.csv", rows), ("complete.csv", complete)):
        with (tmp_path / name).open("w", newline="", encoding="utf-8") as file:
            writer = csv.DictWriter(file, list(rows[0]))
            writer.writeheader()
            writer.writerows(kept)
    scores = {
        name: [_emotions(mlx, tmp_path, tmp_path / name, seed) for seed in range(3)]
        for name in ("blanked.csv", "complete.csv")
    }
    blanked, left = (
        mean(run["test/emotions/f1_micro"] for run in scores[name])
        for name in ("blanked.csv", "complete.csv")
    )
    assert blanked > left + 0.03
    assert blanked > 0.62
    blanks = [sum(not row[label] for row in rows) for label in LABELS]
    code, _, err = mlx(
        *("train", "emotions", "data.path=blanked.csv", "training.epochs=1"),
        f"data.test_path={DATA / 'emotions' / 'test.csv'}",
        folder=tmp_path,
    )
    assert code == 0
    for label, count in zip(LABELS, blanks, strict=True):
        assert f"{label}: {count} of 391 cells are empty" in err


def test_tweets(mlx: Mlx, tmp_path: Path) -> None:
    path = f"data.path={DATA / 'tweets' / 'tweets.csv'}"
    runs = [
        _trained(mlx, tmp_path, "tweets", path, f"seed={seed}", f"data.seed={seed}")["metrics"]
        for seed in range(3)
    ]
    assert mean(run["test/retweets/r2"] for run in runs) >= 0.40
    assert mean(run["test/favorites/r2"] for run in runs) >= 0.55
    assert all(run["test/retweets/mae_original"] > 100 for run in runs)


def test_ridge_regression_on_the_same_values_of_the_tweets() -> None:
    """What docs/tables.md sets beside the network: means over three splits, without the time and with it."""
    found: dict[str, list[list[float]]] = {"words": [], "words and time": []}
    for seed in range(3):
        changes = [f"data.path={DATA / 'tweets' / 'tweets.csv'}", f"data.seed={seed}"]
        splits = open_source(load_experiment("tweets", [*changes, "data.validation_split=0"]).data).build()
        train, test = splits.train, splits.test
        assert test is not None
        for name in found:
            inputs = [
                torch.cat([table.inputs[each] for each in name.split(" and ")], dim=1).numpy()
                for table in (train, test)
            ]
            targets = [
                torch.cat([table.targets[each] for each in ("retweets", "favorites")], dim=1).numpy()
                for table in (train, test)
            ]
            predicted = Ridge(alpha=1.0).fit(inputs[0], targets[0]).predict(inputs[1])
            found[name].append(list(r2_score(targets[1], predicted, multioutput="raw_values")))
    means = {name: [mean(column) for column in zip(*scores, strict=True)] for name, scores in found.items()}
    assert means["words and time"] == pytest.approx([0.485, 0.603], abs=0.003)
    assert means["words"] == pytest.approx([0.417, 0.435], abs=0.003)
