"""Metrics of numbers in the units of the table: against scikit-learn on numbers restored by hand."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from mlx_runner.comparison.keys import lower_is_better
from mlx_runner.data import Field, Schema, Source, Splits, Table, Unit
from mlx_runner.records.run_folder import RunFolder
from mlx_runner.specs.errors import ConfigError
from mlx_runner.specs.experiment import Experiment
from mlx_runner.training.assemble import open_workshop
from mlx_runner.training.blueprint import Blueprint, draw_blueprint
from mlx_runner.training.decisions import Decisions
from mlx_runner.training.evaluate import Collected
from mlx_runner.training.run import run_experiment
from mlx_runner.training.scores import judged_rows, score_columns, score_metrics
from mlx_runner.training.split_scores import score_split
from mlx_runner.training.transfer import restore_best
from sklearn import metrics as referee

NAMES = ("mse", "mae", "rmse", "r2")
REFEREES = {
    "mse": referee.mean_squared_error,
    "mae": referee.mean_absolute_error,
    "rmse": referee.root_mean_squared_error,
    "r2": referee.r2_score,
}
LOG = Unit(log1p=True, offset=(2.0, 1.0), divisor=(0.5, 2.0))


def experiment(**changes: object) -> Experiment:
    document = {
        "name": "numbers",
        "data": {"source": "mnist", "shape": [784], "samples": 60, "test_samples": 20},
        "model": {
            "inputs": "x",
            "layers": {"out": {"type": "dense", "units": 2}},
            "outputs": "out",
        },
        "losses": {"numbers": {"type": "mean_squared_error", "output": "out", "target": "y"}},
    }
    return Experiment.model_validate(document | changes)


def source(unit: Unit | None, rows: int = 80) -> Source:
    generator = torch.Generator().manual_seed(0)
    table = Table(
        inputs={"x": torch.randn(rows, 3, generator=generator)},
        targets={"y": torch.randn(rows, 2, generator=generator)},
        masks={"y": torch.rand(rows, 2, generator=generator) < 0.8},
    )
    schema = Schema(
        {"x": Field((3,), "numbers")}, {"y": Field((2,), "values", labels=("price", "area"), unit=unit)}
    )
    return Source(schema, lambda: Splits(table, None, None, schema, ""))


def drawn(unit: Unit | None, **changes: object) -> Blueprint:
    return draw_blueprint(experiment(**changes), source(unit))


def restored(values: torch.Tensor, unit: Unit = LOG) -> np.ndarray:
    return np.expm1(values.double().numpy() * np.array(unit.divisor) + np.array(unit.offset))


def test_every_metric_of_numbers_is_given_once_more_behind_those_wanted() -> None:
    (plan,) = drawn(LOG, metrics={"out": ["rmse", "r2"]}).metrics
    assert plan.names == ("rmse", "r2", "rmse_original", "r2_original")
    assert plan.columns == ("price", "area")
    (default,) = drawn(LOG).metrics
    assert default.names == ("mse", "mae", "r2", "mse_original", "mae_original", "r2_original")
    (chosen,) = drawn(LOG, metrics={"out": ["mae_original", "r2", "r2_original"]}).metrics
    assert chosen.names == ("mae_original", "r2", "r2_original")


@pytest.mark.parametrize("unit", [None, Unit(log1p=False, offset=(0.0, 0.0), divisor=(1.0, 1.0))])
def test_in_the_units_of_the_table_there_is_nothing_to_add(unit: Unit | None) -> None:
    (plan,) = drawn(unit).metrics
    assert (plan.names, plan.unit) == (("mse", "mae", "r2"), None)
    with pytest.raises(ConfigError) as caught:
        drawn(unit, metrics={"out": ["r2", "mae_original"]})
    assert str(caught.value) == (
        "metrics.out.1: metric 'mae_original' is in the units of a table, and 'y' is in no other; use mae."
    )


def test_scores_agree_with_scikit_learn_on_restored_numbers() -> None:
    blueprint = drawn(LOG, metrics={"out": list(NAMES)})
    (plan,) = blueprint.metrics
    table = blueprint.source.build().train
    prediction = torch.randn(80, 2, generator=torch.Generator().manual_seed(1))
    scores = score_metrics([plan], Collected({"out": prediction}), table, members=None).metrics
    mask = table.masks["y"].numpy()
    given = restored(table.targets["y"]), restored(prediction)
    for name in NAMES:
        by_column = [REFEREES[name](*(each[mask[:, i], i] for each in given)) for i in range(2)]
        pooled = REFEREES[name](*(each[mask] for each in given))
        expected = np.mean(by_column) if name == "r2" else pooled
        assert scores[f"out/{name}_original"].item() == pytest.approx(expected, rel=1e-12)
    rows = score_columns(plan, judged_rows(plan, Collected({"out": prediction}), table))
    assert [row["column"] for row in rows] == ["price", "area"]
    scaled = table.targets["y"].double().numpy(), prediction.double().numpy()
    for index, row in enumerate(rows):
        assert row["observed"] == mask[:, index].sum()
        for name in NAMES:
            for suffix, units in (("", scaled), ("_original", given)):
                expected = REFEREES[name](*(each[mask[:, index], index] for each in units))
                assert row[f"{name}{suffix}"] == pytest.approx(expected, rel=1e-12)


def test_a_stack_is_each_member_alone_in_both_units() -> None:
    blueprint = drawn(LOG, metrics={"out": list(NAMES)})
    table = blueprint.source.build().train
    members = torch.randn(3, 80, 2, generator=torch.Generator().manual_seed(2))
    stacked = score_metrics(blueprint.metrics, Collected({"out": members}), table, members=3).metrics
    for member in range(3):
        alone = score_metrics(
            blueprint.metrics, Collected({"out": members[member]}), table, members=None
        ).metrics
        assert list(alone) == list(stacked)
        for key, value in alone.items():
            torch.testing.assert_close(stacked[key][member], value, rtol=1e-12, atol=0)


def test_a_prediction_beyond_all_numbers_spoils_no_row_of_others() -> None:
    blueprint = drawn(LOG, metrics={"out": ["mae", "r2"]})
    (plan,) = blueprint.metrics
    table = blueprint.source.build().train
    prediction = torch.zeros(80, 2)
    prediction[int(table.masks["y"][:, 0].nonzero()[0]), 0] = 1e6
    scores = score_metrics([plan], Collected({"out": prediction}), table, members=None).metrics
    assert not any(bool(value.isnan()) for value in scores.values())
    price, area = score_columns(plan, judged_rows(plan, Collected({"out": prediction}), table))
    assert float(price["mae_original"]) > 1e300
    assert 0.0 < float(area["mae_original"]) < 1e6


def test_directions_and_monitors_know_them() -> None:
    assert all(lower_is_better(f"test/out/{name}_original") for name in ("mse", "mae", "rmse"))
    assert not lower_is_better("test/out/r2_original")
    assert lower_is_better("test/out/ece")
    for name, lower in (("mae_original", True), ("r2_original", False)):
        stop = {"early_stopping": {"monitor": f"validation/out/{name}", "patience": 1}}
        assert drawn(LOG, training=stop).monitor.best.lower_is_better is lower


HOUSES = {
    "name": "houses",
    "data": {
        "source": "table",
        "path": "houses.csv",
        "test_split": 0.25,
        "validation_split": 0.25,
        "split": {"type": "last"},
        "inputs": {"x": {"type": "numeric", "columns": ["a", "b"]}},
        "targets": {
            "price": {"type": "regression", "columns": ["price"], "log1p": True},
            "both": {"type": "regression", "columns": ["price", "area"], "scale": "minmax"},
        },
    },
    "model": {
        "inputs": "x",
        "layers": {
            "hidden": {"type": "dense", "units": 8, "activation": "relu"},
            "price": {"type": "dense", "of": "hidden", "units": 1},
            "both": {"type": "dense", "of": "hidden", "units": 2},
        },
        "outputs": ["price", "both"],
    },
    "losses": {
        "price": {"type": "mean_squared_error", "output": "price", "target": "price"},
        "both": {"type": "mean_squared_error", "output": "both", "target": "both"},
    },
    "metrics": {"price": list(NAMES), "both": list(NAMES)},
    "training": {"epochs": 3, "batch_size": 16},
}


def houses(folder: Path, rows: int = 120) -> tuple[Experiment, np.ndarray]:
    """A table of prices over three orders of magnitude, and its two targets, (rows, 2)."""
    generator = np.random.default_rng(3)
    inputs = generator.normal(size=(rows, 2))
    price = np.exp(6.0 + inputs[:, 0] + 0.3 * generator.normal(size=rows)).round(2)
    area = (60.0 + 20.0 * inputs[:, 1]).round(1)
    table = np.column_stack([inputs.round(4), price, area])
    np.savetxt(folder / "houses.csv", table, delimiter=",", header="a,b,price,area", comments="", fmt="%.6g")
    table = np.loadtxt(folder / "houses.csv", delimiter=",", skiprows=1)
    document = HOUSES | {"data": HOUSES["data"] | {"path": str(folder / "houses.csv")}}
    return Experiment.model_validate(document), table[:, 2:]


def test_a_run_tells_of_its_table_in_the_tables_units(tmp_path: Path) -> None:
    described, targets = houses(tmp_path)
    result = run_experiment(described, runs=tmp_path / "runs")
    run = RunFolder.open(Path(result.run))
    workshop = open_workshop(draw_blueprint(described), torch.device("cpu"))
    trainee = workshop.build([described], stacked=False)
    restore_best(trainee, run)
    assert workshop.splits.test is not None
    with torch.no_grad():
        values = trainee.network(workshop.splits.test.batch(0, 30, torch.float32).inputs)
    train, test = targets[:60], targets[90:]
    logs, low, high = np.log1p(train[:, 0]), train.min(0), train.max(0)
    price = np.expm1(values["price"].double().numpy().squeeze(1) * logs.std() + logs.mean())
    both = values["both"].double().numpy() * (high - low) + low
    rows = {(row["output"], row["column"]): row for row in run.read_values() if row["split"] == "test"}
    assert list(rows) == [("price", "price"), ("both", "price"), ("both", "area")]
    for name in NAMES:
        score = REFEREES[name]
        found = result.metrics[f"test/price/{name}_original"]
        assert found == pytest.approx(score(test[:, 0], price), rel=1e-4)
        assert rows["price", "price"][f"{name}_original"] == pytest.approx(found, rel=1e-8)
        for index, column in enumerate(("price", "area")):
            expected = score(test[:, index], both[:, index])
            assert rows["both", column][f"{name}_original"] == pytest.approx(expected, rel=1e-4)
        constant = np.full(30, np.expm1(logs.mean()))
        baseline = result.baseline[f"test/price/{name}_original"]
        assert baseline == pytest.approx(score(test[:, 0], constant), rel=1e-4)
    assert "validation/price/mae_original" in run.read_metrics()[0]
    scored = score_split(workshop, trainee, Decisions(), "test")
    assert scored.metrics == {key: result.metrics[key] for key in scored.metrics}
