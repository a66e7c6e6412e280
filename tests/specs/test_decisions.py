"""What a config may say of thresholds and calibration, and the messages for what it may not."""

from __future__ import annotations

import pytest
from mlx_runner.specs.errors import ConfigError
from mlx_runner.specs.experiment import Experiment
from mlx_runner.specs.load import load_experiment
from mlx_runner.specs.resolved import resolved_yaml
from mlx_runner.specs.validation import validate
from mlx_runner.specs.yaml_reader import parse_yaml

CONFIG = "multilabel_attributes"


@pytest.mark.parametrize("given", ["0.4", "0", "f1", "{even: 0.3}", "{even: 0.3, prime: 0.7}"])
def test_thresholds_are_numbers_numbers_by_label_or_f1(given: str) -> None:
    described = load_experiment(
        CONFIG, [f"thresholds.attributes={given}", "calibration.attributes=temperature"]
    )
    again = validate(Experiment, parse_yaml(resolved_yaml(described).encode(), file="again.yaml").checked())
    assert again == described
    assert described.thresholds["attributes"] in (0.4, 0, "f1", {"even": 0.3}, {"even": 0.3, "prime": 0.7})
    assert described.calibration == {"attributes": "temperature"}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ("thresholds.a=1.0", "thresholds.a: must be less than 1, not 1"),
        ("thresholds.a=-0.1", "thresholds.a: must be at least 0, not -0.1"),
        ("thresholds.a=f2", "thresholds.a: must be a number, 'f1' or a mapping, not 'f2'"),
        ("thresholds.a={}", "thresholds.a: must have at least 1 entry, not 0"),
        ("thresholds.a={even: f1}", "thresholds.a.even: must be a number, not the text 'f1'"),
        ("thresholds=0.4", "thresholds: must be a mapping, not the number 0.4"),
        ("calibration.a=platt", "calibration.a: must be temperature, not 'platt'"),
    ],
)
def test_what_is_no_threshold_or_calibration_is_told(change: str, message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        load_experiment(CONFIG, [change])
    assert str(caught.value) == f"command line: {message}"
