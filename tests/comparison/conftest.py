"""What the tests of comparisons share: a config of two losses, and finished runs without any training."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import pytest
from mlx_runner.comparison.settings import settings_of_config
from mlx_runner.records.run_folder import RunFolder
from mlx_runner.specs.experiment import Experiment
from mlx_runner.specs.load import load_experiment
from mlx_runner.specs.resolved import resolved_yaml

TWO = """\
name: two
data: {source: mnist, shape: [784], samples: 600, test_samples: 200}
model:
  inputs: [image]
  layers:
    hidden: {type: dense, units: 6, activation: relu}
    attributes: {type: dense, units: 6, activation: sigmoid}
    digit: {type: dense, of: hidden, units: 10, activation: softmax}
  outputs: [attributes, digit]
losses:
  attributes: {type: binary_crossentropy, output: attributes, target: attributes}
  digit: {type: sparse_categorical_crossentropy, output: digit, target: digit, weight: 0.5}
metrics: {attributes: [f1_micro], digit: [categorical_accuracy]}
training: {epochs: 1, batch_size: 100}
compare:
  seeds: 2
  settings:
    paper: {}
    no_digit: {losses.digit.weight: 0.0}
"""


@pytest.fixture
def two(tmp_path: Path) -> Path:
    """A config of two losses with a section of two settings, in a file of line numbers that tests know."""
    path = tmp_path / "two.yaml"
    path.write_text(TWO, "utf-8")
    return path


@pytest.fixture
def load(two: Path) -> Callable[..., Experiment]:
    """`load(*overrides)`: that config as an experiment."""

    def call(*overrides: str) -> Experiment:
        return load_experiment(str(two), overrides)

    return call


@pytest.fixture(scope="session")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished comparison of that config, without the setting of equal weights, for tests to copy."""
    # Here, for it imports torch, which most of these tests do without.
    from mlx_runner.comparison.execute import Execution
    from mlx_runner.comparison.train import Wish, plan_comparison, start_comparison

    root = tmp_path_factory.mktemp("trained")
    (root / "two.yaml").write_text(TWO, "utf-8")
    experiment = load_experiment(str(root / "two.yaml"))
    settings = settings_of_config(experiment, vary=(), allow_equal=False)
    plan = plan_comparison(settings, Wish(), device="cpu")
    execution = Execution(root / "runs", "cpu", ["mlx", "compare"])
    return start_comparison(settings, plan, Wish(), name="two", execution=execution)[0].path


@pytest.fixture
def make_run() -> Callable[..., RunFolder]:
    """`make_run(root, experiment, metrics)`: the folder of a run as if it had been trained."""

    def call(
        root: Path,
        experiment: Experiment,
        metrics: Mapping[str, float | None],
        *,
        status: str | None = "finished",
        fingerprint: str = "abc",
    ) -> RunFolder:
        run = RunFolder.create(
            root,
            experiment.name,
            config_text=resolved_yaml(experiment),
            environment={"seed": experiment.seed, "data_fingerprint": fingerprint},
            plan={},
        )
        run.append_metrics({"epoch": 1, "validation/loss": 1.0, "validation/digit/loss": 2.0})
        if status is not None:
            run.write_summary({"status": status, "metrics": dict(metrics)})
        return run

    return call
