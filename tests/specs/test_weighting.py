"""What the `weighting:` section may say."""

from __future__ import annotations

import pytest
from mlx_runner.specs.weighting import AnyWeighting, Fixed, GradNorm, stackable
from pydantic import TypeAdapter, ValidationError

ADAPTER: TypeAdapter[AnyWeighting] = TypeAdapter(AnyWeighting)


def test_the_papers_defaults() -> None:
    assert ADAPTER.validate_python({"type": "gradnorm"}).model_dump() == {
        "type": "gradnorm",
        "alpha": 1.5,
        "layer": None,
    }
    assert ADAPTER.validate_python({"type": "dynamic_weight_average"}).temperature == 2.0
    assert stackable(Fixed())
    assert not stackable(GradNorm())


@pytest.mark.parametrize(
    ("factor", "message"),
    [
        ({"type": "linear", "start": 1.0}, "Field required"),
        ({"type": "linear", "start": 1.0, "end": -0.1}, "greater than or equal to 0"),
        (
            {"type": "cosine", "start": 1.0, "end": 0.0, "first_epoch": 5, "last_epoch": 5},
            "last_epoch must come after first_epoch, which is 5",
        ),
        ({"type": "steps", "boundaries": [3, 3], "values": [1, 2, 3]}, "boundaries must increase"),
        ({"type": "steps", "boundaries": [3], "values": [1.0]}, "1 boundaries need 2 values, not 1"),
        ({"type": "cubic", "start": 1.0, "end": 0.0}, "'constant', 'linear', 'cosine', 'steps'"),
    ],
)
def test_schedules_that_mean_nothing(factor: dict, message: str) -> None:
    with pytest.raises(ValidationError) as caught:
        ADAPTER.validate_python({"type": "schedule", "terms": {"aux": factor}})
    assert message in str(caught.value)


def test_a_schedule_names_a_term() -> None:
    with pytest.raises(ValidationError, match="at least 1 item"):
        ADAPTER.validate_python({"type": "schedule", "terms": {}})
