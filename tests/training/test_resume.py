"""A run that was stopped and went on is, byte by byte, the run that was never stopped."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
import torch
from mlx_runner.records.process import describe_process
from mlx_runner.records.run_folder import RunFolder
from mlx_runner.specs.errors import ConfigError, DataError, DivergedError
from mlx_runner.specs.experiment import Experiment
from mlx_runner.training.checkpoint import load_checkpoint, save_checkpoint
from mlx_runner.training.interruption import Interrupted, Interruption
from mlx_runner.training.reporter import SilentReporter
from mlx_runner.training.resume_run import resume_experiment
from mlx_runner.training.run import run_experiment
from mlx_runner.training.stack import train_stack

OWN = frozenset({"timings.csv", "log.txt", "environment.json", "summary.json", "checksums.json"})
"""The files of a run that tell of time and place."""


class StoppingReporter(SilentReporter):
    """Sends a signal to `interruption` in the step with this number, from 1, of this process."""

    def __init__(self, interruption: Interruption, step: int) -> None:
        self._interruption = interruption
        self._left = step
        self.messages: list[str] = []

    def step_done(self, epoch: int, step: int, read_terms: Callable[[], Mapping[str, float]]) -> None:
        """One step less to go."""
        self._left -= 1
        if self._left == 0:
            self._interruption.receive(signal.SIGTERM)

    def message(self, text: str) -> None:
        """Kept."""
        self.messages.append(text)


def assert_same_run(one: Path, other: Path) -> None:
    """Every table has the same bytes, every checkpoint the same tensors."""
    names = {path.name for path in one.iterdir() if path.is_file()}
    assert names == {path.name for path in other.iterdir() if path.is_file()}
    for name in names - OWN:
        assert (one / name).read_bytes() == (other / name).read_bytes(), name
    for which in ("last", "best"):
        mine, theirs = (load_checkpoint(RunFolder(run).checkpoint_path(which))[0] for run in (one, other))
        assert mine.keys() == theirs.keys()
        for name, tensor in mine.items():
            assert torch.equal(tensor, theirs[name]), name


LAYERS: dict[str, Any] = {
    "hidden": {"type": "dense", "units": 6, "activation": "relu"},
    "normal": {"type": "batch_normalization"},
    "drop": {"type": "dropout", "rate": 0.3},
    "out": {"type": "dense", "units": 6, "activation": "sigmoid"},
    "digit": {"type": "dense", "of": "drop", "units": 10, "activation": "softmax"},
}
TRAINING: dict[str, Any] = {
    "epochs": 4,
    "batch_size": 13,
    "evaluate_train": True,
    "early_stopping": {"patience": 3},
    "gradient_report": {"every": 3},
}
STEPS = 4 * 5  # 64 rows in batches of 13


def experiment(**changes: Any) -> Experiment:
    """Every kind of state: averages, dropout, moments, learned weights, plateau, patience, reports."""
    document: dict[str, Any] = {
        "name": "small",
        "seed": 3,
        "data": {
            "source": "mnist",
            "shape": [784],
            "samples": 80,
            "test_samples": 50,
            "validation_split": 0.2,
        },
        "model": {"inputs": "image", "layers": LAYERS, "outputs": ["out", "digit"]},
        "losses": {
            "attributes": {"type": "binary_crossentropy", "output": "out", "target": "attributes"},
            "digit": {"type": "sparse_categorical_crossentropy", "output": "digit", "target": "digit"},
        },
        "weighting": {"type": "uncertainty"},
        "optimizer": {
            "type": "adam",
            "learning_rate": 0.05,
            "schedule": {"type": "reduce_on_plateau", "patience": 1},
        },
        "thresholds": {"out": "f1"},
        "training": TRAINING,
    }
    return Experiment.model_validate(document | changes)


def stopped(described: Experiment, runs: Path, step: int) -> RunFolder:
    """A run that was stopped in a step; its folder."""
    interruption = Interruption()
    with pytest.raises(Interrupted) as caught:
        run_experiment(
            described,
            runs=runs,
            interruption=interruption,
            reporter=StoppingReporter(interruption, step),
        )
    (path,) = runs.iterdir()
    assert caught.value.outcome == f"mlx train --resume {path} goes on from what was saved"
    run = RunFolder.open(path)
    assert run.status == "interrupted"
    return run


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The run that was never stopped."""
    return Path(run_experiment(experiment(), runs=tmp_path_factory.mktemp("whole")).run)


@pytest.mark.parametrize("step", [1, 4, 5, 6, 13, STEPS - 1, STEPS])
def test_a_run_stopped_in_any_step_goes_on_to_the_same_end(whole: Path, tmp_path: Path, step: int) -> None:
    run = stopped(experiment(), tmp_path, step)
    resume_experiment(run)
    assert_same_run(whole, run.path)


def test_a_run_may_be_stopped_again_and_again(whole: Path, tmp_path: Path) -> None:
    run = stopped(experiment(), tmp_path, 2)
    for _ in range(5):
        interruption = Interruption()
        with pytest.raises(Interrupted):
            resume_experiment(run, interruption=interruption, reporter=StoppingReporter(interruption, 3))
    resume_experiment(run)
    assert_same_run(whole, run.path)


@pytest.mark.parametrize(
    "changes",
    [
        {"weighting": {"type": "gradnorm"}, "optimizer": {"type": "rmsprop", "momentum": 0.9}},
        {"weighting": {"type": "dynamic_weight_average"}, "optimizer": {"type": "sgd", "momentum": 0.9}},
        {"weighting": {"type": "random"}, "optimizer": {"type": "adadelta"}},
        {"weighting": {"type": "pcgrad"}, "optimizer": {"type": "adagrad"}, "numerics": "torch"},
        {
            "weighting": {"type": "schedule", "terms": {"digit": {"type": "linear", "start": 1, "end": 0}}},
            "optimizer": {"type": "adamw", "schedule": {"type": "cosine", "warmup_epochs": 1}},
            "calibration": {"digit": "temperature"},
        },
        {"training": TRAINING | {"restore_best": False, "shuffle": False, "precision": "float64"}},
    ],
    ids=lambda changes: str(changes.get("weighting", changes).get("type", "training")),
)
def test_whatever_moves_while_it_trains(tmp_path: Path, changes: dict[str, Any]) -> None:
    described = experiment(**changes)
    straight = run_experiment(described, runs=tmp_path / "whole")
    run = stopped(described, tmp_path / "stopped", 12)
    resume_experiment(run)
    assert_same_run(Path(straight.run), run.path)


def members() -> list[Experiment]:
    """Four members of two seeds that stop at different epochs, and one that diverges."""
    rates = (0.05, 0.3, 0.002, 1e300)
    return [
        experiment(
            name=f"m{number}_seed{number % 2}",
            seed=number % 2,
            optimizer={"type": "sgd", "learning_rate": rate, "schedule": {"type": "reduce_on_plateau"}},
            weighting={"type": "fixed"},
            training=TRAINING | {"epochs": 7, "early_stopping": {"patience": 1}, "precision": "float64"},
        )
        for number, rate in enumerate(rates)
    ]


def stop_stack(
    experiments: list[Experiment], runs: Path, step: int, folders: tuple[RunFolder, ...] = ()
) -> None:
    """Train a stack, or train it on, and stop it in a step."""
    interruption = Interruption()
    reporter = StoppingReporter(interruption, step)
    with pytest.raises(Interrupted):
        train_stack(experiments, runs=runs, interruption=interruption, reporter=reporter, folders=folders)


@pytest.mark.parametrize("step", [1, 7, 12, 17, 29])
def test_a_stack_goes_on_as_a_stack(tmp_path: Path, step: int) -> None:
    straight = train_stack(members(), runs=tmp_path / "whole")
    assert {each.status for each in straight} == {"finished", "diverged"}
    assert len({each.epochs for each in straight}) > 2
    stop_stack(members(), tmp_path / "stopped", step)
    runs = sorted((tmp_path / "stopped").iterdir(), key=lambda path: path.name.partition("_")[2])
    results = train_stack(
        members(), runs=tmp_path / "stopped", folders=[RunFolder.open(path) for path in runs]
    )
    for one, other in zip(straight, results, strict=True):
        assert one.status == other.status
        if one.status == "finished":
            assert_same_run(Path(one.run), Path(other.run))
        else:
            found = [json.loads((Path(each.run) / "nonfinite.json").read_text()) for each in (one, other)]
            assert found[0] == found[1]


def test_members_that_were_saved_one_after_the_other_share_the_one_before(tmp_path: Path) -> None:
    """As a kill between two writes leaves them: one member is a checkpoint ahead."""
    experiments = members()[:2]
    straight = train_stack(experiments, runs=tmp_path / "whole")
    stop_stack(experiments, tmp_path / "stopped", 7)
    ahead, behind = sorted(
        (RunFolder.open(path) for path in (tmp_path / "stopped").iterdir()), key=lambda run: run.name[16:]
    )
    before = tmp_path / "before"
    shutil.copytree(behind.path, before)
    stop_stack(experiments, tmp_path / "stopped", 1, (ahead, behind))
    shutil.rmtree(behind.path)
    shutil.copytree(before, behind.path)
    results = train_stack(experiments, runs=tmp_path / "stopped", folders=[ahead, behind])
    for one, other in zip(straight, results, strict=True):
        assert_same_run(Path(one.run), Path(other.run))


def test_a_longer_run_is_the_long_run(tmp_path: Path) -> None:
    training = {key: value for key, value in TRAINING.items() if key != "early_stopping"}
    straight = run_experiment(experiment(training=training | {"epochs": 6}), runs=tmp_path / "long")
    short = run_experiment(experiment(training=training | {"epochs": 3}), runs=tmp_path / "short")
    run = RunFolder.open(Path(short.run))
    assert resume_experiment(run, overrides=["training.epochs=6"]).epochs == 6
    assert_same_run(Path(straight.run), run.path)


@pytest.mark.parametrize(
    "changes",
    [
        {"optimizer": {"type": "adam", "schedule": {"type": "cosine"}}},
        {"optimizer": {"type": "adam", "schedule": {"type": "one_cycle"}}},
        {"weighting": {"type": "schedule", "terms": {"digit": {"type": "linear", "start": 1, "end": 0}}}},
    ],
)
def test_a_schedule_over_all_epochs_fixes_their_number(tmp_path: Path, changes: dict[str, Any]) -> None:
    described = experiment(**changes, training={"epochs": 1, "batch_size": 32})
    run = RunFolder.open(Path(run_experiment(described, runs=tmp_path).run))
    with pytest.raises(
        ConfigError, match=r"cannot be made longer than 1 epochs: its .* depends on their num"
    ):
        resume_experiment(run, overrides=["training.epochs=2"])
    assert run.status == "finished"


def test_a_finished_run_says_so(whole: Path) -> None:
    interruption = Interruption()
    reporter = StoppingReporter(interruption, 0)
    before = {path: path.read_bytes() for path in whole.rglob("*") if path.is_file()}
    result = resume_experiment(RunFolder.open(whole), reporter=reporter)
    assert reporter.messages == [f"run '{whole.name}' has finished after epoch 4; nothing is left to train"]
    assert {path: path.read_bytes() for path in whole.rglob("*") if path.is_file()} == before
    assert result.document() == json.loads((whole / "summary.json").read_text())


def test_a_diverged_run_says_so(tmp_path: Path) -> None:
    described = experiment(optimizer={"type": "sgd", "learning_rate": 1e300})
    with pytest.raises(DivergedError) as first:
        run_experiment(described, runs=tmp_path)
    (path,) = tmp_path.iterdir()
    with pytest.raises(DivergedError) as second:
        resume_experiment(RunFolder.open(path))
    assert str(first.value) == str(second.value)


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (
            ["optimizer.learning_rate=0.1"],
            r"another config: optimizer\.learning_rate was 0\.05, now 0\.1\.",
        ),
        (["seed=4"], r"another config: seed was 3, now 4\."),
        (["training.epochs=2"], r"for 4 epochs; a resumed run may be longer, not end after 2\."),
    ],
)
def test_another_config_is_refused_with_its_differences(
    whole: Path, overrides: list[str], message: str
) -> None:
    with pytest.raises(ConfigError, match=message):
        resume_experiment(RunFolder.open(whole), overrides=overrides)


def test_other_data_are_refused(whole: Path, tmp_path: Path) -> None:
    run = stopped(experiment(), tmp_path, 6)
    environment = json.loads((run.path / "environment.json").read_text())
    (run.path / "environment.json").write_text(json.dumps(environment | {"data_fingerprint": "0" * 64}))
    with pytest.raises(DataError, match=r"the data have changed since .* was begun: .*, then it was 0{12}"):
        resume_experiment(run)
    assert run.status == "interrupted"


def test_a_member_of_a_stack_is_resumed_with_its_comparison(tmp_path: Path) -> None:
    stop_stack(members()[:2], tmp_path / "abc_compare" / "members", 2)
    path = next((tmp_path / "abc_compare" / "members").iterdir())
    with pytest.raises(ConfigError, match=re.escape(f"mlx compare --resume {tmp_path / 'abc_compare'}")):
        resume_experiment(RunFolder.open(path))


def damage(path: Path, kind: str) -> None:
    data = bytearray(path.read_bytes())
    if kind == "truncated":
        data = data[: len(data) // 2]
    elif kind == "flipped":
        data[len(data) * 2 // 3] ^= 1
    elif kind == "header":
        data[40] ^= 1
    elif kind == "empty":
        data = bytearray()
    path.write_bytes(bytes(data))


@pytest.mark.parametrize("kind", ["truncated", "flipped", "header", "empty"])
def test_a_damaged_checkpoint_falls_back_to_the_one_before(whole: Path, tmp_path: Path, kind: str) -> None:
    run = stopped(experiment(), tmp_path, 13)
    damage(run.checkpoint_path("last"), kind)
    reporter = StoppingReporter(Interruption(), 0)
    resume_experiment(run, reporter=reporter)
    assert_same_run(whole, run.path)
    assert re.search(
        r"last\.safetensors' is not an intact checkpoint: .*; it is left out$",
        reporter.messages[0],
    )


def test_without_any_whole_checkpoint_it_begins_anew(whole: Path, tmp_path: Path) -> None:
    run = stopped(experiment(), tmp_path, 13)
    for which in ("last", "previous"):
        damage(run.checkpoint_path(which), "flipped")
    reporter = StoppingReporter(Interruption(), 0)
    resume_experiment(run, reporter=reporter)
    assert_same_run(whole, run.path)
    assert reporter.messages[2] == "nothing was saved whole before the stop: training begins anew"


def test_the_checkpoint_of_another_run_is_refused(whole: Path, tmp_path: Path) -> None:
    run = stopped(experiment(seed=9), tmp_path / "other", 13)
    shutil.copyfile(whole / "checkpoints" / "last.safetensors", run.checkpoint_path("last"))
    reporter = StoppingReporter(Interruption(), 0)
    resume_experiment(run, reporter=reporter)
    assert "belongs to another run: its config, seed or data are not these" in reporter.messages[0]
    straight = run_experiment(experiment(seed=9), runs=tmp_path / "straight")
    assert_same_run(Path(straight.run), run.path)


def test_as_many_threads_as_it_began_with(tmp_path: Path) -> None:
    class Counting(SilentReporter):
        threads: set[int] = set()  # noqa: RUF012

        def step_done(self, *_: object) -> None:
            self.threads.add(torch.get_num_threads())

    run = stopped(experiment(), tmp_path, 6)
    plan = json.loads((run.path / "plan.json").read_text())
    assert plan["threads"] == 1
    (run.path / "plan.json").write_text(json.dumps(plan | {"threads": 2}))
    before = torch.get_num_threads()
    resume_experiment(run, reporter=Counting())
    assert Counting.threads == {2}
    assert torch.get_num_threads() == before


def test_a_run_that_lost_its_origin_goes_on(whole: Path, tmp_path: Path) -> None:
    """`weights_from` is where it began; what it has learned since lies in its own folder."""
    origin = tmp_path / "origin"
    shutil.copytree(whole, origin)
    model = {"inputs": "image", "layers": LAYERS, "outputs": ["out", "digit"], "weights_from": str(origin)}
    straight = run_experiment(experiment(model=model), runs=tmp_path / "whole")
    run = stopped(experiment(model=model), tmp_path / "stopped", 13)
    shutil.rmtree(origin)
    resume_experiment(run)
    assert_same_run(Path(straight.run), run.path)


def test_what_does_not_fit_is_refused_not_thrown_away(tmp_path: Path) -> None:
    """A table that an editor saved anew, with other line ends."""
    run = stopped(experiment(), tmp_path, 13)
    table = run.path / "metrics.csv"
    table.write_bytes(table.read_bytes().replace(b"\n", b"\r\n"))
    before = {path: path.read_bytes() for path in (run.path / "checkpoints").iterdir()}
    with pytest.raises(DataError, match=r"go on: .*metrics\.csv' is damaged: .* nothing was removed\.$"):
        resume_experiment(run)
    assert {path: path.read_bytes() for path in (run.path / "checkpoints").iterdir()} == before
    assert table.exists()


def test_a_member_that_lost_its_checkpoints_stops_its_stack(tmp_path: Path) -> None:
    stop_stack(members()[:2], tmp_path, 8)
    one, other = (
        RunFolder.open(path) for path in sorted(tmp_path.iterdir(), key=lambda path: path.name[16:])
    )
    for which in ("last", "previous"):
        other.checkpoint_path(which).unlink()
    before = one.checkpoint_path("last").read_bytes()
    with pytest.raises(DataError, match=f"^{other.name} cannot go on with the other members of the stack"):
        train_stack(members()[:2], runs=tmp_path, folders=[one, other])
    assert one.checkpoint_path("last").read_bytes() == before
    assert len(one.read_metrics()) == 1


def test_a_run_at_work_elsewhere_is_not_closed(tmp_path: Path) -> None:
    """Another process that lives holds it; the refusal leaves no trace."""
    run = stopped(experiment(), tmp_path, 13)
    (run.path / "summary.json").unlink()
    held = json.dumps(describe_process(os.getppid()))
    (run.path / "process.json").write_text(held)
    with pytest.raises(ConfigError, match="is still at work in process"):
        train_stack([experiment()], runs=tmp_path, folders=[run])
    assert (run.path / "process.json").read_text() == held
    assert run.status == "running"


def test_rows_of_a_diverged_member_stay_its_own(tmp_path: Path) -> None:
    first, *_, diverging = members()
    together = train_stack([diverging, first], runs=tmp_path / "stack")
    alone = run_experiment(first, runs=tmp_path / "alone")
    rows = [RunFolder(Path(each.run)).read_gradients() for each in (together[1], alone)]
    assert [(row["epoch"], row["step"], row["layer"]) for row in rows[0]] == [
        (row["epoch"], row["step"], row["layer"]) for row in rows[1]
    ]


@pytest.mark.parametrize(
    ("file", "text", "message"),
    [
        (
            "plan.json",
            '{"engine": "single", "device": "cpu", "threads": 99999999999}',
            "99999999999 is no number",
        ),
        ("summary.json", '{"status": "finished"}', r"summary\.json is damaged: KeyError\('seconds'\)\."),
    ],
)
def test_hostile_files_of_a_run(tmp_path: Path, file: str, text: str, message: str) -> None:
    run = stopped(experiment(), tmp_path, 6)
    (run.path / file).write_text(text)
    with pytest.raises(DataError, match=message):
        resume_experiment(run)


@pytest.mark.parametrize("file", ["process.json", "summary.json"])
def test_damaged_files_that_are_not_needed(whole: Path, tmp_path: Path, file: str) -> None:
    run = stopped(experiment(), tmp_path, 6)
    (run.path / file).write_text("{")
    resume_experiment(run)
    assert_same_run(whole, run.path)


@pytest.mark.parametrize(
    ("harm", "message"),
    [
        (
            lambda tensors, facts: tensors.pop("optimizer/mean"),
            r"optimizer/mean is missing or of another shape",
        ),
        (
            lambda tensors, facts: tensors.update({"model/layers.out.bias": torch.zeros(5)}),
            "layers.out.bias is mi",
        ),
        (
            lambda tensors, facts: facts.update(weights={"x": 1.0}),
            "weights are of other terms|not a checkpoint",
        ),
        (
            lambda tensors, facts: facts["watch"].pop("plateau"),
            r"is not a checkpoint of a run: KeyError\('factor'\)",
        ),
        (lambda tensors, facts: facts.pop("steps"), r"is not a checkpoint of a run: KeyError\('steps'\)"),
    ],
)
def test_a_forged_checkpoint(tmp_path: Path, harm: Callable[[Any, Any], object], message: str) -> None:
    """Sealed and of the right identity, as whoever writes a run folder can make it."""
    run = stopped(experiment(), tmp_path, 13)
    tensors, facts = load_checkpoint(run.checkpoint_path("last"))
    del facts["sha256"], facts["format"]
    harm(tensors, facts)
    for which in ("last", "previous"):
        save_checkpoint(run.checkpoint_path(which), tensors, facts)
    with pytest.raises(DataError, match=message):
        resume_experiment(run)
