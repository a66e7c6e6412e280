"""Lists of runs hold what is asked for, in the order that is asked for."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from mlx_runner.records.conditions import parse_condition
from mlx_runner.records.run_folder import RunFolder
from mlx_runner.records.run_selection import Selection, select_runs
from mlx_runner.records.tags import change_tags
from mlx_runner.specs.errors import ConfigError

MakeRun = Callable[..., RunFolder]


@pytest.fixture(scope="module")
def shelf(make_run: MakeRun, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """From old to new: a (finished), b (finished), c (diverged, without scores), d (at work)."""
    root = tmp_path_factory.mktemp("shelf")
    scores = {"test/loss": 0.3, "test/digits/f1_macro": 0.9, "test/digits/auroc": float("nan")}
    a = make_run(root, "a", started="2026-11-01T10:00:00+00:00", metrics=scores, seed=3)
    scores = {"test/loss": 0.1, "test/digits/f1_macro": 0.8}
    make_run(root, "b", started="2026-11-02T10:00:00+00:00", metrics=scores, seed=10, learning_rate=0.01)
    make_run(root, "c-2", started="2026-11-03T10:00:00+00:00", metrics={}, status="diverged", seed=2)
    d = make_run(root, "c-10", started="2026-11-04T10:00:00+00:00", status=None, seed=1)
    change_tags(a, add=["paper", "final"])
    change_tags(d, add=["paper"])
    return root


def _names(root: Path, *conditions: str, **selection: object) -> list[str]:
    wanted = tuple(parse_condition(text) for text in conditions)
    found = select_runs(root, Selection(wanted, **selection))  # type: ignore[arg-type]
    return [record.name.partition("_")[2] for record in found]


@pytest.mark.parametrize(
    ("conditions", "names"),
    [
        ((), ["c-10", "c-2", "b", "a"]),
        (("status=finished",), ["b", "a"]),
        (("status!=finished",), ["c-10", "c-2"]),
        (("status=lost",), []),
        (("name~c-",), ["c-10", "c-2"]),
        (("name=b",), ["b"]),
        (("name=20261102-100000_b",), ["b"]),
        (("name!=b", "name!=a"), ["c-10", "c-2"]),
        (("tag=paper",), ["c-10", "a"]),
        (("tag=paper", "tag=final"), ["a"]),
        (("tag!=paper",), ["c-2", "b"]),
        (("seed>=3",), ["b", "a"]),
        (("epochs<10", "seed<3"), ["c-10", "c-2"]),
        (("started>=2026-11-02", "started<=2026-11-03"), ["c-2", "b"]),
        (("test/loss<0.2",), ["b"]),
        (("test/loss != 0.1",), ["a"]),
        (("test/digits/f1_macro >= 0.9",), ["a"]),
        (("test/digits/auroc = null",), ["a"]),
        (("test/digits/auroc > 0",), []),
        (("config.optimizer.learning_rate=1e-2",), ["b"]),
        (("config.optimizer.clipnorm=null", "config.name~c"), ["c-10", "c-2"]),
        (("config.model.outputs=more", "config.seed=3"), ["a"]),
    ],
)
def test_conditions(shelf: Path, conditions: tuple[str, ...], names: list[str]) -> None:
    assert _names(shelf, *conditions) == names


@pytest.mark.parametrize(
    ("key", "names"),
    [
        (None, ["c-10", "c-2", "b", "a"]),
        ("started", ["c-10", "c-2", "b", "a"]),
        ("name", ["a", "b", "c-2", "c-10"]),
        ("seed", ["c-10", "c-2", "a", "b"]),
        ("epochs", ["c-10", "c-2", "b", "a"]),
        ("status", ["c-2", "b", "a", "c-10"]),
        ("test/loss", ["b", "a", "c-10", "c-2"]),
        ("test/digits/f1_macro", ["a", "b", "c-10", "c-2"]),
        ("config.optimizer.learning_rate", ["c-10", "c-2", "a", "b"]),
    ],
)
def test_order(shelf: Path, key: str | None, names: list[str]) -> None:
    """Metrics best first, all else rising; who has no value comes last, newest first among equals."""
    assert _names(shelf, sort=key) == names


def test_reverse_leaves_those_without_a_value_last(shelf: Path) -> None:
    assert _names(shelf, reverse=True) == ["a", "b", "c-2", "c-10"]
    assert _names(shelf, sort="test/loss", reverse=True) == ["a", "b", "c-10", "c-2"]
    assert _names(shelf, sort="name", reverse=True) == ["c-10", "c-2", "b", "a"]
    assert _names(shelf, sort="name", limit=2) == ["a", "b"]


@pytest.mark.parametrize(
    ("text", "hint"),
    [
        ("sed = 1", "'seed'"),
        ("test/los < 1", "'test/loss'"),
        ("test/digits/f1 < 1", "'test/digits/f1_macro'"),
        ("config.optimizer.learning_rat = 1", "'config.optimizer.learning_rate'"),
        ("config.optimizer.lr = 1", "'config.optimizer.learning_rate'?"),
        ("optimizer.learning_rate = 1", "'config.optimizer.learning_rate'?"),
        ("config.learning_rate = 1", "'config.optimizer.learning_rate'?"),
        ("config.name.first = a", "'config.name'"),
    ],
)
def test_a_key_that_no_run_has(shelf: Path, text: str, hint: str) -> None:
    with pytest.raises(ConfigError) as refused:
        _names(shelf, text)
    key = parse_condition(text).key
    keys = "Keys: name, status, tag, started, epochs, seed, config.KEY, test/loss, test/digits/f1_macro, "
    assert str(refused.value).startswith(f"no run in '{shelf}' has the key '{key}'; did you mean {hint}")
    assert str(refused.value).endswith(f"{keys}test/digits/auroc.")


def test_an_unknown_key_is_refused_everywhere(shelf: Path) -> None:
    with pytest.raises(ConfigError, match=r"has the key 'test/lss'; did you mean 'test/loss'\?"):
        _names(shelf, sort="test/lss")
    with pytest.raises(ConfigError, match=r"has the metric 'seed'. Metrics: test/loss, test/digits/f1_macro"):
        _names(shelf, metrics=("seed",))
    with pytest.raises(ConfigError, match=r"has the key 'x{57}\.\.\.'\. Keys: "):
        _names(shelf, "x" * 10_000 + " = 1")


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("status = finshed", "no status named 'finshed'; did you mean 'finished'? Statuses: finished, "),
        (
            "seed = a",
            "'seed = a' can be true of no run: 'seed' is a number; compare it with a number, not 'a'.",
        ),
        ("epochs ~ 1", "no run: 'epochs' is a number; compare it with =, !=, <, <=, > or >=."),
        ("name > 3", "'name > 3' can be true of no run: 'name' is text; ask with =, != or ~ (contains)."),
        (
            "started > yesterday",
            "'started' is a time; compare it with one, such as 2026-11-01 or 2026-11-01T10:30.",
        ),
        ("config.optimizer.type < 3", "'config.optimizer.type' is text; ask with"),
        ("test/loss = low", "'test/loss' is a number; compare it with a number, not 'low'."),
    ],
)
def test_a_condition_without_a_meaning(shelf: Path, text: str, reason: str) -> None:
    with pytest.raises(ConfigError) as refused:
        _names(shelf, text)
    assert reason in str(refused.value)


def test_without_runs_every_key_is_one(tmp_path: Path) -> None:
    assert _names(tmp_path / "absent", "test/loss < 1", sort="test/loss", metrics=("x",)) == []


def test_a_damaged_config_has_no_values(make_run: MakeRun, tmp_path: Path) -> None:
    make_run(tmp_path, "good")
    bad = make_run(tmp_path, "bad")
    (bad.path / "config.yaml").write_text("name: [")
    assert _names(tmp_path, "config.name != other") == ["good"]
    assert _names(tmp_path, "name != other") == ["good", "bad"]
