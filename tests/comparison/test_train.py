"""A comparison from start to end: what is written, what survives a kill, and what is refused before it."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from mlx_runner.comparison import record
from mlx_runner.comparison.execute import Execution
from mlx_runner.comparison.finish import read_comparison, read_finished_runs
from mlx_runner.comparison.settings import Settings, settings_of_config
from mlx_runner.comparison.train import Wish, plan_comparison, resume_comparison, start_comparison
from mlx_runner.records.comparison_folder import ComparisonFolder
from mlx_runner.records.process import describe_process
from mlx_runner.records.run_folder import RunFolder
from mlx_runner.records.tables import read_table
from mlx_runner.specs.errors import ConfigError, DataError
from mlx_runner.specs.experiment import Experiment
from mlx_runner.training.run import run_experiment

Load = Callable[..., Experiment]

KEY = "test/attributes/f1_micro"


def _settings(load: Load, *overrides: str) -> Settings:
    return settings_of_config(load(*overrides), vary=(), allow_equal=False)


def _compare(settings: Settings, runs: Path) -> ComparisonFolder:
    plan = plan_comparison(settings, Wish(), device="cpu")
    execution = Execution(runs, plan.device, ["mlx", "compare"])
    return start_comparison(settings, plan, Wish(), name="two", execution=execution)[0]


@pytest.fixture
def folder(trained: Path, tmp_path: Path) -> ComparisonFolder:
    return ComparisonFolder(Path(shutil.copytree(trained, tmp_path / "runs" / trained.name)))


def test_what_is_written(folder: ComparisonFolder, load: Load) -> None:
    names = {path.name for path in folder.path.iterdir()}
    assert names == {
        *("plan.json", "comparison.csv", "comparison.md", "comparison.json", "members.csv"),
        *("members", "settings", "plots"),
    }, "no process holds it any more"
    members = read_table(folder.path / "members.csv")
    assert [(row["setting"], row["seed"], row["status"]) for row in members] == [
        (name, seed, "finished") for name in ("paper", "no_digit") for seed in (0, 1)
    ]
    texts = [(folder.path / str(row["run"]) / "summary.json").read_text() for row in members]
    values = [json.loads(text)["metrics"][KEY] for text in texts]
    scores = {(row["setting"], row["metric"]): row for row in read_table(folder.path / "comparison.csv")}
    own = scores["no_digit", KEY]
    assert own["mean"] == pytest.approx((values[2] + values[3]) / 2)
    assert own["difference"] == pytest.approx((values[2] + values[3] - values[0] - values[1]) / 2)
    assert (scores["paper", KEY]["losses.digit.weight"], own["losses.digit.weight"]) == (0.5, 0.0)
    document = json.loads((folder.path / "comparison.json").read_text())
    assert document["plan"]["stacks"][0]["members"] == [
        "paper_seed0", "paper_seed1", "no_digit_seed0", "no_digit_seed1"
    ]  # fmt: skip
    plots = {path.name for path in (folder.path / "plots").iterdir()}
    assert plots == {"curves.png", "curves.svg", "pareto.png", "pareto.svg"}


def test_a_member_is_the_run_it_would_be_alone(folder: ComparisonFolder, load: Load, tmp_path: Path) -> None:
    experiment = load("losses.digit.weight=0", "seed=1", "name=alone")
    alone = run_experiment(experiment.model_copy(update={"compare": None}), runs=tmp_path / "alone").metrics
    [member] = folder.members_path.glob("*_no_digit_seed1")
    summary = RunFolder.open(member).read_summary()
    assert summary is not None
    assert summary["metrics"] == pytest.approx(alone, abs=1e-4)


def test_reading_says_what_training_said(folder: ComparisonFolder) -> None:
    written = read_table(folder.path / "comparison.csv")
    judgement = read_comparison(folder, baseline=None, metric=None, sort=None)
    found = {
        (each.name, key): score.estimate.mean
        for each in judgement.settings
        for key, score in each.scores.items()
    }
    assert found == pytest.approx({(row["setting"], row["metric"]): row["mean"] for row in written})
    runs = read_finished_runs(
        [folder.path / str(row["run"]) for row in read_table(folder.path / "members.csv")],
        baseline=None, metric=None, sort=None,
    )  # fmt: skip
    assert [each.name for each in runs.settings] == ["paper", "no_digit"]
    assert [each.scores for each in runs.settings] == [each.scores for each in judgement.settings]


def test_another_baseline_on_reading(folder: ComparisonFolder) -> None:
    judgement = read_comparison(folder, baseline="no_digit", metric="digit/loss", sort=None)
    assert (judgement.baseline, judgement.metric) == ("no_digit", "test/digit/loss")
    with pytest.raises(ConfigError, match="no setting named 'no_digt'; did you mean 'no_digit'"):
        read_comparison(folder, baseline="no_digt", metric=None, sort=None)


def _kill(folder: ComparisonFolder) -> tuple[Path, list[Path]]:
    """As a kill at the very end leaves it: one member without its scores, no results; it and the others."""
    half, *finished = sorted(folder.members_path.iterdir(), key=lambda path: "no_digit" not in path.name)
    for name in ("summary.json", "checksums.json", "labels.csv"):
        (half / name).unlink()
    for name in ("comparison.json", "comparison.md", "members.csv"):
        (folder.path / name).unlink()
    return half, finished


def test_a_killed_comparison_goes_on(folder: ComparisonFolder, load: Load) -> None:
    before = read_table(folder.path / "comparison.csv")
    half, finished = _kill(folder)
    kept = {path: (path / "summary.json").stat().st_mtime_ns for path in finished}
    told = read_comparison(folder, baseline=None, metric=None, sort=None).notes if finished else ()
    assert any("1 of 4 members have not ended" in note for note in told)
    resume_comparison(
        folder, Wish(), given=_settings(load), execution=Execution(folder.path, "auto", ["mlx"])
    )
    assert {path: (path / "summary.json").stat().st_mtime_ns for path in finished} == kept
    assert RunFolder.open(half).status == "finished", "it goes on in its own folder"
    after = read_table(folder.path / "comparison.csv")
    assert [row["metric"] for row in after] == [row["metric"] for row in before]
    for row, earlier in zip(after, before, strict=True):
        assert row["mean"] == pytest.approx(earlier["mean"], abs=1e-4)
    assert len(folder.member_folders()) == 4


def test_a_member_that_was_removed_is_missed_by_its_stack(folder: ComparisonFolder) -> None:
    """It would be trained in another stack than before, to other last bits."""
    half, _ = _kill(folder)
    shutil.rmtree(half)
    execution = Execution(folder.path, "auto", [])
    with pytest.raises(DataError, match=r"cannot go on with the other members of the stack: .* Bring"):
        resume_comparison(folder, Wish(), given=None, execution=execution)


def test_resuming_what_is_finished_trains_nothing(folder: ComparisonFolder) -> None:
    members = {path: path.stat().st_mtime_ns for path in folder.members_path.rglob("*")}
    judgement = resume_comparison(folder, Wish(), given=None, execution=Execution(folder.path, "auto", []))
    assert judgement.metric == KEY
    assert {path: path.stat().st_mtime_ns for path in folder.members_path.rglob("*")} == members


def test_resuming_another_comparison_is_refused(folder: ComparisonFolder, load: Load) -> None:
    execution = Execution(folder.path, "auto", [])
    with pytest.raises(
        ConfigError,
        match=r"\(the settings paper, no_digit; changed: training\.epochs\)",
    ):
        resume_comparison(folder, Wish(), given=_settings(load, "training.epochs=2"), execution=execution)
    with pytest.raises(ConfigError, match=r"other settings \(the number of seeds\)"):
        given = replace(_settings(load), seeds=5)
        resume_comparison(folder, Wish(), given=given, execution=execution)


def test_a_member_at_work_elsewhere_is_left_alone(
    folder: ComparisonFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(record, "_PATIENCE_SECONDS", 0.5)
    half, _ = _kill(folder)
    (half / "process.json").write_text(json.dumps(describe_process()))
    with pytest.raises(ConfigError, match="is still being trained by another process"):
        resume_comparison(folder, Wish(), given=None, execution=Execution(folder.path, "auto", []))
    assert half.is_dir()


def test_nothing_has_ended_yet(folder: ComparisonFolder) -> None:
    shutil.rmtree(folder.members_path)
    folder.members_path.mkdir()
    with pytest.raises(ConfigError, match=r"no member of .* has ended yet; mlx compare --resume"):
        read_comparison(folder, baseline=None, metric=None, sort=None)


@pytest.mark.parametrize(
    ("text", "message"),
    [("{", "plan.json' is damaged"), ("{}", "plan.json' is damaged: KeyError"), (None, "has no plan.json")],
)
def test_a_damaged_plan(folder: ComparisonFolder, text: str | None, message: str) -> None:
    (folder.path / "plan.json").unlink()
    if text is not None:
        (folder.path / "plan.json").write_text(text)
    with pytest.raises(ConfigError if text is None else DataError, match=message):
        read_comparison(ComparisonFolder.open(folder.path), baseline=None, metric=None, sort=None)


def test_what_does_not_fit_is_refused_before_anything_is_written(load: Load, tmp_path: Path) -> None:
    changes = "{bad: {model.layers.digit.of: hiden}, worse: {losses.digit.target: digt}, good: {}}"
    settings = _settings(load, f"compare.settings={changes}")
    with pytest.raises(ConfigError) as failure:
        plan_comparison(settings, Wish(), device="cpu")
    assert [problem.path for problem in failure.value.problems] == [
        ("model", "layers", "digit", "of"),
        ("losses", "digit", "target"),
    ]
    assert not (tmp_path / "runs").exists()


@pytest.mark.parametrize(
    ("wish", "message"),
    [
        (Wish(metric="f1"), "--metric: no metric named 'f1'"),
        (Wish(sort="test/loss"), "--sort: 'test/loss' is the weighted total"),
    ],
)
def test_wishes_are_checked_before_training(load: Load, wish: Wish, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        plan_comparison(_settings(load), wish, device="cpu")


def test_data_that_cannot_be_read_leave_no_folder(load: Load, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="/there/is/none"):
        _compare(_settings(load, "data.root=/there/is/none"), tmp_path / "runs")
    assert list((tmp_path / "runs").iterdir()) == []


def test_a_diverged_member_does_not_stop_the_others(load: Load, tmp_path: Path) -> None:
    changes = "{calm: {}, wild: {optimizer.learning_rate: 1e30}}"
    settings = _settings(load, f"compare.settings={changes}", "optimizer.type=sgd", "compare.seeds=1")
    folder = _compare(settings, tmp_path / "runs")
    judgement = read_comparison(folder, baseline=None, metric=None, sort=None)
    assert [member.status for each in judgement.settings for member in each.members] == [
        "finished",
        "diverged",
    ]
    assert any("wild diverged on seed 0" in note for note in judgement.notes)
