"""Decisions: their document, what they do to outputs, and how a run finds, uses and reproduces them."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from mlx_runner.models import Output
from mlx_runner.records.numbers import to_json
from mlx_runner.records.run_folder import RunFolder
from mlx_runner.specs.errors import ConfigError, DataError
from mlx_runner.specs.experiment import Experiment
from mlx_runner.training.assemble import Workshop
from mlx_runner.training.decision_search import find_decisions
from mlx_runner.training.decisions import Decisions
from mlx_runner.training.run import run_experiment
from mlx_runner.training.split_scores import score_split
from mlx_runner.training.stack import train_stack
from mlx_runner.training.step import Trainee
from mlx_runner.training.transfer import restore_best
from sklearn import metrics as referee
from torch.nn import functional as F

Weighed = Callable[..., Experiment]
WorkshopOf = Callable[[Experiment], Workshop]

METRICS = {
    "labels_output": [
        *("f1_macro", "f1_micro", "f1_samples", "precision_macro", "recall_micro", "binary_accuracy"),
        *("subset_accuracy", "hamming_loss", "auroc_macro", "ece"),
    ],
    "digit_output": ["categorical_accuracy", "ece"],
}
BOTH: dict[str, Any] = {
    "thresholds": {"labels_output": "f1"},
    "calibration": {"labels_output": "temperature", "digit_output": "temperature"},
}
ROWS = {"source": "mnist", "shape": [784], "samples": 400, "test_samples": 150, "validation_split": 0.25}
TRAINING = {"epochs": 2, "batch_size": 16, "evaluate_train": True}

numbers = st.floats(-10.0, 10.0)
texts = st.text(max_size=8)


@given(
    st.dictionaries(texts, st.dictionaries(texts, numbers, min_size=1)),
    st.dictionaries(texts, st.floats(1e-3, 1e3)),
)
def test_a_document_gives_the_same_decisions_back(
    thresholds: dict[str, dict[str, float]], temperatures: dict[str, float]
) -> None:
    decisions = Decisions(thresholds=thresholds, temperatures=temperatures)
    again = Decisions.load(json.loads(to_json(decisions.document())))
    assert again == decisions
    assert list(again.thresholds) == list(thresholds)
    assert bool(decisions) == bool(thresholds or temperatures)


def test_no_document_is_no_decision() -> None:
    assert Decisions.load(None) == Decisions()
    assert not Decisions()


@pytest.mark.parametrize(
    ("document", "message"),
    [
        ({"temperatures": {"a": 0.0}}, "temperatures.a: Input should be greater than 0"),
        ({"temperatures": {"a": None}}, "temperatures.a: Input should be a valid number"),
        ({"thresholds": {"a": {"x": "0.4"}}}, "thresholds.a.x: Input should be a valid number"),
        ({"thresholds": {"a": 0.4}}, "thresholds.a: Input should be a valid dictionary"),
        ({"threshold": {}}, "threshold: Extra inputs are not permitted"),
    ],
)
def test_a_damaged_document_is_told(document: dict[str, Any], message: str) -> None:
    with pytest.raises(DataError) as caught:
        Decisions.load(document)
    assert str(caught.value) == f"decisions.json is damaged: {message}"


def test_temperatures_divide_logits_and_leave_other_outputs_alone() -> None:
    logits, mask = torch.randn(2, 5, 3), torch.rand(5) < 0.5
    outputs = {
        "a": Output(logits, torch.sigmoid, mask),
        "b": Output(logits, lambda values: torch.softmax(values, -1)),
        "c": Output(logits, None),
    }
    applied = Decisions(temperatures={"a": 2.0, "b": 0.5}).apply(outputs)
    assert list(applied) == ["a", "b", "c"]
    assert torch.equal(applied["a"].value, torch.sigmoid(logits / 2.0))
    assert applied["a"].mask is mask
    assert torch.equal(applied["b"].value, torch.softmax(logits / 0.5, -1))
    assert applied["c"] is outputs["c"]
    assert Decisions().apply(outputs) == outputs


def test_thresholds_come_in_the_order_of_the_labels() -> None:
    decisions = Decisions(thresholds={"a": {"y": 0.2, "x": 0.1}})
    (values,) = decisions.label_thresholds({"a": ("x", "y"), "b": ("z",)}).values()
    assert values.dtype == torch.float64
    assert values.tolist() == [0.1, 0.2]
    for labels in (("x",), ("x", "y", "z")):
        with pytest.raises(DataError) as caught:
            decisions.label_thresholds({"a": labels})
        assert str(caught.value) == (
            f"the thresholds of 'a' are of other labels than it has: y, x; it has {', '.join(labels)}."
        )


@pytest.fixture(scope="module")
def runs(weighed: Weighed, tmp_path_factory: pytest.TempPathFactory) -> dict[str, RunFolder]:
    """The same training without decisions, and with all of them."""
    root = tmp_path_factory.mktemp("decided")
    folders: dict[str, RunFolder] = {}
    for name, changes in (("plain", {}), ("decided", BOTH)):
        described = weighed(
            {"type": "fixed"}, name=name, data=ROWS, training=TRAINING, metrics=METRICS, **changes
        )
        folders[name] = RunFolder.open(Path(run_experiment(described, runs=root).run))
    return folders


@pytest.fixture(scope="module")
def restored(
    runs: dict[str, RunFolder], weighed: Weighed, workshop_of: WorkshopOf
) -> tuple[Workshop, Trainee]:
    """The best network of the run with decisions, beside its data."""
    described = weighed({"type": "fixed"}, data=ROWS, training=TRAINING, metrics=METRICS, **BOTH)
    workshop = workshop_of(described)
    trainee = workshop.build([described], stacked=False)
    restore_best(trainee, runs["decided"])
    return workshop, trainee


def metrics_of(run: RunFolder) -> dict[str, float]:
    summary = run.read_summary()
    assert summary is not None
    return summary["metrics"]


def test_training_knows_nothing_of_decisions(runs: dict[str, RunFolder]) -> None:
    for name in ("metrics.csv", "ledger.csv"):
        assert (runs["plain"].path / name).read_bytes() == (runs["decided"].path / name).read_bytes()
    plain, decided = (metrics_of(runs[name]) for name in ("plain", "decided"))
    assert list(plain) == list(decided)
    losses = [key for key in plain if key.endswith("/loss")]
    assert [plain[key] for key in losses] == [decided[key] for key in losses]
    unmoved = [f"{split}/labels_output/auroc_macro" for split in ("validation", "test")]
    unmoved += [f"{split}/digit_output/categorical_accuracy" for split in ("validation", "test")]
    assert [plain[key] for key in unmoved] == pytest.approx([decided[key] for key in unmoved], abs=1e-12)
    assert not (runs["plain"].path / "decisions.json").exists()
    assert runs["plain"].read_decisions() is None
    assert {row["threshold"] for row in runs["plain"].read_labels()} == {0.5}
    summaries = [run.read_summary() for run in runs.values()]
    assert summaries[0]["baseline"] == summaries[1]["baseline"]


def test_a_finished_run_is_reproduced_from_its_folder(
    runs: dict[str, RunFolder], restored: tuple[Workshop, Trainee]
) -> None:
    decisions = Decisions.load(runs["decided"].read_decisions())
    metrics = metrics_of(runs["decided"])
    labels = runs["decided"].read_labels()
    for split in ("validation", "test"):
        scored = score_split(*restored, decisions, split)
        assert scored.metrics == {key: value for key, value in metrics.items() if key.startswith(split)}
        assert [row["label"] for row in scored.labels] == [r["label"] for r in labels if r["split"] == split]
    train = score_split(*restored, decisions, "train")
    scores = {key: value for key, value in train.metrics.items() if not key.endswith("/loss")}
    assert scores == {key: metrics[key] for key in scores}
    assert find_decisions(*restored)[0] == decisions


def test_scores_are_those_of_scikit_learn_under_the_decisions(
    runs: dict[str, RunFolder], restored: tuple[Workshop, Trainee]
) -> None:
    workshop, trainee = restored
    document = runs["decided"].read_decisions()
    test = workshop.splits.test
    assert document is not None and test is not None
    with torch.no_grad():
        outputs = trainee.network.eval().score(test.batch(0, len(test), workshop.dtype).inputs)
    logits = outputs["labels_output"].logits.double().numpy()
    probability = 1.0 / (1.0 + np.exp(-logits / document["temperatures"]["labels_output"]))
    thresholds = document["thresholds"]["labels_output"]
    predicted = probability > np.array(list(thresholds.values()))
    target = test.targets["attributes"].numpy().astype(bool)
    metrics = metrics_of(runs["decided"])
    expected = {
        "f1_macro": referee.f1_score(target, predicted, average="macro", zero_division=0),
        "f1_micro": referee.f1_score(target, predicted, average="micro", zero_division=0),
        "f1_samples": referee.f1_score(target, predicted, average="samples", zero_division=0),
        "precision_macro": referee.precision_score(target, predicted, average="macro", zero_division=0),
        "recall_micro": referee.recall_score(target, predicted, average="micro", zero_division=0),
        "binary_accuracy": (target == predicted).mean(),
        "subset_accuracy": referee.accuracy_score(target, predicted),
        "hamming_loss": referee.hamming_loss(target, predicted),
    }
    assert {name: metrics[f"test/labels_output/{name}"] for name in expected} == pytest.approx(expected)
    rows = [row for row in runs["decided"].read_labels() if row["split"] == "test"]
    assert {row["label"]: row["threshold"] for row in rows} == pytest.approx(thresholds, rel=1e-8)
    by_label = referee.f1_score(target, predicted, average=None, zero_division=0)
    assert [row["f1"] for row in rows] == pytest.approx(list(by_label), rel=1e-8)


def test_what_is_found_is_better_on_validation_than_what_was_there(
    runs: dict[str, RunFolder], restored: tuple[Workshop, Trainee]
) -> None:
    workshop, trainee = restored
    found = Decisions.load(runs["decided"].read_decisions())
    calibrated = Decisions(temperatures=found.temperatures)
    at_half = score_split(workshop, trainee, calibrated, "validation").labels
    decided = score_split(workshop, trainee, found, "validation").labels
    for before, after in zip(at_half, decided, strict=True):
        assert after["f1"] >= before["f1"]
        assert after["auroc"] == before["auroc"]
    validation = workshop.splits.validation
    assert validation is not None
    with torch.no_grad():
        outputs = trainee.network.eval().score(validation.batch(0, len(validation), workshop.dtype).inputs)
    labels, digit = (outputs[name].logits.double() for name in ("labels_output", "digit_output"))
    targets = validation.targets
    losses: dict[str, Callable[[float], float]] = {
        "labels_output": lambda t: float(
            F.binary_cross_entropy_with_logits(labels / t, targets["attributes"].double())
        ),
        "digit_output": lambda t: float(F.cross_entropy(digit / t, targets["digit"].long())),
    }
    for output, loss in losses.items():
        temperature = found.temperatures[output]
        assert temperature != 1.0
        assert loss(temperature) <= min(loss(temperature * factor) for factor in (0.99, 1.01))
        assert loss(temperature) < loss(1.0)


def test_numbers_are_taken_over_and_labels_that_are_not_named_keep_a_half(
    weighed: Weighed, tmp_path: Path
) -> None:
    thresholds = {"labels_output": {"prime": 0.3, "even": 0.9}}
    data = ROWS | {"validation_split": 0.0}
    described = weighed({"type": "fixed"}, data=data, thresholds=thresholds, metrics=METRICS)
    run = RunFolder.open(Path(run_experiment(described, runs=tmp_path).run))
    expected = {
        "even": 0.9, "prime": 0.3, "at_least_five": 0.5, "multiple_of_three": 0.5, "has_loop": 0.5,
        "straight_strokes": 0.5,
    }  # fmt: skip
    assert run.read_decisions() == {"thresholds": {"labels_output": expected}, "temperatures": {}}
    assert {row["label"]: row["threshold"] for row in run.read_labels()} == expected


def test_a_label_without_positives_is_noted(weighed: Weighed, workshop_of: WorkshopOf) -> None:
    data = {"source": "mnist", "shape": [784], "samples": 20, "test_samples": 20, "validation_split": 0.1}
    described = weighed({"type": "fixed"}, data=data, **BOTH)
    workshop = workshop_of(described)
    validation = workshop.splits.validation
    assert validation is not None
    never = validation.targets["attributes"].sum(0) == 0
    assert bool(never.any()), "two rows do not have all labels"
    decisions, notes = find_decisions(workshop, workshop.build([described], stacked=False))
    found = decisions.thresholds["labels_output"]
    names = [name for name, flag in zip(found, never.tolist(), strict=True) if flag]
    assert [found[name] for name in names] == [0.5] * len(names)
    verb = "has" if len(names) == 1 else "have"
    assert notes[-2:] == [
        "validation/labels_output/thresholds: those of the highest F1 on these rows, whose own scores are "
        "too good for it",
        f"validation/labels_output/thresholds: {', '.join(names)} {verb} no positives among these rows; "
        "0.5 is kept",
    ]


def test_members_of_a_stack_find_what_they_would_find_alone(weighed: Weighed, tmp_path: Path) -> None:
    members = [
        weighed({"type": "fixed"}, name=f"member_{seed}", seed=seed, data=ROWS, metrics=METRICS, **BOTH)
        for seed in (1, 2)
    ]
    stacked = train_stack(members, runs=tmp_path / "stack")
    for described, result in zip(members, stacked, strict=True):
        alone = run_experiment(described, runs=tmp_path / "alone")
        together, single = (
            Decisions.load(RunFolder.open(Path(each.run)).read_decisions()) for each in (result, alone)
        )
        assert together.temperatures == pytest.approx(single.temperatures, rel=1e-6)
        assert together.thresholds["labels_output"] == pytest.approx(
            single.thresholds["labels_output"], rel=1e-6
        )
        assert result.metrics == pytest.approx(alone.metrics, rel=1e-6)


def test_a_split_that_is_not_there_is_told(weighed: Weighed, workshop_of: WorkshopOf) -> None:
    described = weighed({"type": "fixed"}, data=ROWS | {"validation_split": 0.0})
    workshop = workshop_of(described)
    trainee = workshop.build([described], stacked=False)
    with pytest.raises(ConfigError) as caught:
        score_split(workshop, trainee, Decisions(), "validation")
    assert str(caught.value) == "the data have no validation rows. Splits: train, test."
