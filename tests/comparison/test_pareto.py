"""The Pareto front, against its definition spelt out over all pairs."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from mlx_runner.comparison.pareto import front_axes, pareto_front

AXES = ("test/main/f1", "test/aux/mse")


@given(st.lists(st.tuples(st.integers(0, 5), st.integers(0, 5)), min_size=1, max_size=12))
def test_front(points: list[tuple[int, int]]) -> None:
    means = {
        str(index): dict(zip(AXES, map(float, point), strict=True)) for index, point in enumerate(points)
    }
    expected = [
        str(index)
        for index, (f1, mse) in enumerate(points)
        if not any((f >= f1 and m <= mse) and (f > f1 or m < mse) for f, m in points)
    ]
    assert list(pareto_front(means, AXES)) == expected


def test_a_setting_without_a_value_takes_no_part() -> None:
    means = {"a": {AXES[0]: 1.0}, "b": {AXES[0]: 0.5, AXES[1]: 1.0}}
    assert pareto_front(means, AXES) == ("b",)
    assert pareto_front(means, ()) == ()


def test_one_key_per_output() -> None:
    shared = [
        "test/main/loss", "test/aux/loss", "test/main/f1", "test/main/auroc", "train/aux/auroc",
    ]  # fmt: skip
    outputs = {"main": "main", "aux": "aux"}

    def axes(judged: str, doubtful: frozenset[str] = frozenset()) -> tuple[str, ...]:
        return front_axes(shared, judged, term_outputs=outputs, doubtful_terms=doubtful)

    assert axes("test/main/f1") == ("test/main/f1", "test/aux/loss")
    assert axes("test/main/auroc") == ("test/main/auroc", "test/aux/loss")
    assert axes("test/main/f1", frozenset({"aux"})) == (), "one output makes no front"
