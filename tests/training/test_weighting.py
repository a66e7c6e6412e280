"""Whole runs under every weighting: totals, ledgers, checkpoints, stacks, and what is refused."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from mlx_runner.records.run_folder import RunFolder
from mlx_runner.specs import weighting as spec
from mlx_runner.specs.errors import ConfigError
from mlx_runner.training.blueprint import draw_blueprint
from mlx_runner.training.checkpoint import load_checkpoint
from mlx_runner.training.fit import FitPlan, train_epoch
from mlx_runner.training.interruption import Interruption
from mlx_runner.training.reporter import SilentReporter
from mlx_runner.training.run import run_experiment
from mlx_runner.training.saver import Saver
from mlx_runner.training.stack import train_stack

needs_torchjd = pytest.mark.skipif(importlib.util.find_spec("torchjd") is None, reason="extra mtl")
SCHEDULE = {
    "type": "schedule",
    "terms": {
        "digit": {"type": "linear", "start": 1.0, "end": 0.0},
        "pixels": {"type": "steps", "boundaries": [2], "values": [1, 0.25]},
    },
}
PLAIN = [
    {"type": "fixed"},
    SCHEDULE,
    {"type": "uncertainty"},
    {"type": "dynamic_weight_average"},
    {"type": "random"},
]
GRADIENTS = [
    pytest.param({"type": kind}, marks=needs_torchjd)
    for kind in ("pcgrad", "mgda", "upgrad", "cagrad", "imtl_g")
]
EVERY = [*PLAIN, {"type": "gradnorm"}, *GRADIENTS]
OWN = {"labels": 1.0, "digit": 1.0, "pixels": 2.0}
TRAINING = {"epochs": 3, "batch_size": 16}
ADAM = {"type": "adam", "learning_rate": 0.01}


def check_sums(run: RunFolder) -> dict[int, dict[str, float]]:
    """Every split's rows add up to its total under the same weights; returns the weights by epoch."""
    weights: dict[int, dict[str, float]] = {}
    for row in run.read_metrics():
        by_split = {}
        for split in ("train", "validation"):
            rows = [r for r in run.read_ledger() if (r["epoch"], r["split"]) == (row["epoch"], split)]
            total = sum(r["raw"] * r["weight"] for r in rows)
            size = sum(abs(r["raw"] * r["weight"]) for r in rows)
            assert row[f"{split}/loss"] == pytest.approx(total, abs=3e-7 * size)
            assert sum(r["weighted"] for r in rows) == pytest.approx(total, abs=3e-7 * size)
            by_split[split] = {r["term"]: r["weight"] for r in rows if r["kind"] == "loss"}
            costs = {r["term"]: r["raw"] for r in rows if r["term"].startswith("weighting/")}
            by_split[split] |= {
                name: pytest.approx(value, rel=1e-6, abs=1e-9) for name, value in costs.items()
            }
        assert by_split["train"] == by_split["validation"]
        weights[row["epoch"]] = {name: by_split["train"][name] for name in OWN}
    return weights


@pytest.mark.parametrize("weighting", EVERY, ids=lambda weighting: weighting["type"])
def test_totals_follow_one_rule(weighed, tmp_path: Path, weighting: dict) -> None:
    """Twice the same tables; rows that add up; the best epoch's weights judge the best weights."""
    experiment = weighed(weighting, training=TRAINING, optimizer=ADAM)
    runs = [RunFolder.open(Path(run_experiment(experiment, runs=tmp_path).run)) for _ in range(2)]
    for name in ("metrics.csv", "ledger.csv", "labels.csv"):
        first, second = ((run.path / name).read_bytes() for run in runs)
        assert first == second
    weights = check_sums(runs[0])
    if weighting["type"] in ("fixed", "pcgrad", "mgda", "upgrad", "cagrad", "imtl_g"):
        assert all(each == OWN for each in weights.values())
    elif weighting["type"] == "random":
        assert all(each == pytest.approx({k: v / 3 for k, v in OWN.items()}) for each in weights.values())
    else:
        assert weights[1] != weights[3]
    tensors, facts = load_checkpoint(runs[0].checkpoint_path("best"))
    assert facts["weights"] == pytest.approx(weights[facts["epoch"]])
    assert all(name.startswith("model/layers.") for name in tensors)


def test_a_schedule_stands_in_the_ledger(weighed, tmp_path: Path) -> None:
    result = run_experiment(weighed(SCHEDULE, training=TRAINING), runs=tmp_path)
    assert check_sums(RunFolder.open(Path(result.run))) == {
        1: {"labels": 1.0, "digit": 1.0, "pixels": 2.0},
        2: {"labels": 1.0, "digit": 0.5, "pixels": 2.0},
        3: {"labels": 1.0, "digit": 0.0, "pixels": 0.5},
    }


@pytest.mark.parametrize("kind", ["uncertainty", "gradnorm", "dynamic_weight_average"])
def test_the_result_is_scored_under_the_best_epochs_weights(weighed, tmp_path: Path, kind: str) -> None:
    """The run's own validation loss is that of its best epoch, though the weights moved on since."""
    stop = {"monitor": "validation/digit/loss", "patience": 3}
    experiment = weighed(
        {"type": kind},
        training={"epochs": 12, "batch_size": 16, "precision": "float64", "early_stopping": stop},
        optimizer={"type": "adam", "learning_rate": 0.05},
    )
    result = run_experiment(experiment, runs=tmp_path)
    run = RunFolder.open(Path(result.run))
    assert result.best_epoch < result.epochs
    (best,) = [row for row in run.read_metrics() if row["epoch"] == result.best_epoch]
    assert result.metrics["validation/loss"] == pytest.approx(best["validation/loss"], rel=1e-8)


def test_regularization_and_learned_weights_stand_side_by_side(weighed, tmp_path: Path) -> None:
    document = weighed({"type": "uncertainty"}, training=TRAINING, optimizer=ADAM).model_dump(by_alias=True)
    document["model"]["layers"]["bottom"]["kernel_regularizer"] = {"l2": 0.01}
    experiment = type(weighed({"type": "fixed"})).model_validate(document, strict=False)
    run = RunFolder.open(Path(run_experiment(experiment, runs=tmp_path).run))
    check_sums(run)
    rows = [row for row in run.read_ledger() if row["epoch"] == 3 and row["split"] == "train"]
    kinds = {row["term"]: row["kind"] for row in rows}
    names = [name for name, kind in kinds.items() if kind == "regularization"]
    assert names[1:] == ["weighting/labels", "weighting/digit", "weighting/pixels"]
    assert rows[3]["raw"] > 0.01


def test_the_ledger_adds_up_under_any_weights(weighed, workshop_of) -> None:
    """Any own weights, in float32: the rows' sum is the total to rounding, before and after learning."""
    base = weighed({"type": "uncertainty"}, training={"epochs": 1, "batch_size": 16})
    weight = st.floats(0.0, 100.0, width=32, allow_subnormal=False)

    @settings(max_examples=15, deadline=None)
    @given(st.sampled_from(["uncertainty", "gradnorm", "random"]), st.tuples(weight, weight, weight))
    def check(kind: str, weights: tuple) -> None:
        document = base.model_dump(by_alias=True) | {"weighting": {"type": kind}}
        for loss, number in zip(document["losses"].values(), weights, strict=True):
            loss["weight"] = number
        experiment = type(base).model_validate(document, strict=False)
        workshop = workshop_of(experiment)
        trainee = workshop.build([experiment], stacked=False)
        plan = FitPlan(
            epochs=1,
            batch_size=16,
            shuffle=True,
            seeds=(experiment.seed,),
            metrics=(),
            reporter=SilentReporter(),
            saver=Saver(Interruption(), minutes=1.0),
        )
        ledger = train_epoch(trainee, workshop.splits.train, plan=plan, epoch=1)
        rows = [float(raw) * float(one) for raw, one in zip(ledger.raw, ledger.weights, strict=True)]
        assert float(ledger.total) == pytest.approx(sum(rows), abs=3e-7 * sum(abs(row) for row in rows))

    check()


@pytest.mark.parametrize("weighting", PLAIN, ids=lambda weighting: weighting["type"])
def test_a_stack_is_its_members(weighed, tmp_path: Path, weighting: dict) -> None:
    """Seeds, own weights and learning rates differ; members stop early at different epochs."""
    assert spec.stackable(weighed(weighting).weighting)
    stop = {"monitor": "validation/digit/loss", "patience": 1}
    training = {"epochs": 6, "batch_size": 16, "precision": "float64", "early_stopping": stop}
    experiments = []
    for index, rate in enumerate((0.003, 0.1, 0.03)):
        document = weighed(
            weighting, training=training, optimizer=ADAM | {"learning_rate": rate}
        ).model_dump()
        document["seed"] = index
        document["losses"]["digit"]["weight"] = 0.5 * index
        experiments.append(type(weighed(weighting)).model_validate(document, strict=False))
    stacked = train_stack(experiments, runs=tmp_path / "stacked")
    assert len({result.epochs for result in stacked}) > 1
    for experiment, result in zip(experiments, stacked, strict=True):
        alone = run_experiment(experiment, runs=tmp_path / "alone")
        assert (alone.epochs, alone.best_epoch) == (result.epochs, result.best_epoch)
        tables = [RunFolder.open(Path(each.run)).read_ledger() for each in (alone, result)]
        for one, other in zip(*tables, strict=True):
            assert [one[key] for key in ("epoch", "split", "term")] == [
                other[key] for key in ("epoch", "split", "term")
            ]
            assert other["weight"] == pytest.approx(one["weight"], rel=1e-7)
            assert other["raw"] == pytest.approx(one["raw"], rel=1e-6, abs=1e-10)


def test_what_reads_gradients_is_not_stacked() -> None:
    kinds = ("gradnorm", "pcgrad", "mgda", "upgrad", "cagrad", "imtl_g")
    holders = [spec.GradNorm, spec.PCGrad, spec.MGDA, spec.UPGrad, spec.CAGrad, spec.IMTLG]
    assert [holder().type for holder in holders] == list(kinds)
    assert not any(spec.stackable(holder()) for holder in holders)


SINGLE = {"labels": {"type": "binary_crossentropy", "output": "labels_output", "target": "attributes"}}
COSINE = {"type": "cosine_similarity", "output": "image_output", "target": "image"}
APART = {
    "one": {"type": "dense", "of": "image", "units": 3},
    "labels_output": {"type": "dense", "of": "one", "units": 6, "activation": "sigmoid"},
    "digit_output": {"type": "dense", "of": "image", "units": 10, "activation": "softmax"},
    "image_output": {"type": "dense", "of": "image", "units": 784},
}


@pytest.mark.parametrize(
    ("weighting", "changes", "message"),
    [
        (
            {"type": "schedule", "terms": {"labls": {"type": "constant", "value": 1.0}}},
            {},
            "weighting.terms.labls: no loss named 'labls'; did you mean 'labels'? "
            "Losses: labels, digit, pixels.",
        ),
        (
            {"type": "gradnorm"},
            {"losses": SINGLE},
            "weighting.type: gradnorm has no effect on the one loss 'labels'; leave the section out",
        ),
        (
            {"type": "gradnorm", "layer": "botom"},
            {},
            "weighting.layer: no layer named 'botom'; did you mean 'bottom'? Layers: bottom.",
        ),
        (
            {"type": "gradnorm", "layer": "top"},
            {},
            "weighting.layer: layer 'top' has no weights that every loss trains; not reached by: pixels. "
            "Layers: bottom.",
        ),
        (
            {"type": "gradnorm"},
            {"apart": True},
            "weighting.type: gradnorm needs a layer with weights that all",
        ),
        pytest.param(
            {"type": "mgda"},
            {"apart": True},
            "weighting.type: mgda has no effect: no two losses reach the same weights",
            marks=needs_torchjd,
        ),
        (
            {"type": "uncertainty"},
            {"cosine": True},
            "losses.pixels.type: uncertainty needs losses that are never negative, which cosine_similarity",
        ),
    ],
)
def test_what_cannot_be_weighed_is_said_before_any_data(weighed, weighting, changes, message) -> None:
    experiment = weighed(weighting)
    document = experiment.model_dump(by_alias=True)
    if "losses" in changes:
        document["losses"] = changes["losses"]
        del document["model"]["layers"]["digit_output"], document["model"]["layers"]["image_output"]
        document["model"]["outputs"] = ["labels_output"]
    if "apart" in changes:
        document["model"]["layers"] = APART
    if "cosine" in changes:
        document["losses"]["pixels"] = COSINE
    with pytest.raises(ConfigError) as caught:
        draw_blueprint(type(experiment).model_validate(document, strict=False))
    assert str(caught.value).startswith(message)


def test_a_missing_package_comes_with_its_remedy(weighed, monkeypatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(ConfigError) as caught:
        draw_blueprint(weighed({"type": "upgrad"}))
    assert str(caught.value) == (
        "weighting.type: upgrad needs the packages torchjd, qpsolvers, quadprog; "
        "install them with: pip install 'mlx-runner[mtl]'"
    )
