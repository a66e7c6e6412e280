"""What an argument of `mlx compare` is, and which may stand together."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from pathlib import Path

import pytest
from mlx_runner.comparison.subjects import Subject, identify
from mlx_runner.records.run_folder import RunFolder
from mlx_runner.specs.errors import ConfigError
from mlx_runner.specs.experiment import Experiment
from mlx_runner.specs.load import shipped_configs


@pytest.fixture
def place(tmp_path: Path, load: Callable[..., Experiment], make_run: Callable[..., RunFolder]) -> Path:
    """A folder with one of each kind."""
    root = tmp_path / "place"
    (root / "set").mkdir(parents=True)
    for name in ("set/a.yaml", "set/b.yml", "one.yaml", "x=1.yaml"):
        (root / name).write_text("name: one\n")
    run = make_run(root / "runs", load(), {})
    run.path.rename(root / "runs" / "20250101-000000_run")
    (root / "runs" / "20250101-000000_half").mkdir()
    comparison = root / "runs" / "20250101-000000_two_compare"
    comparison.mkdir()
    (comparison / "comparison.csv").write_text("")
    (root / "nothing").mkdir()
    return root


def _identify(place: Path, *arguments: str) -> Subject:
    with contextlib.chdir(place):
        return identify(arguments, runs=Path("runs"))


def test_configs(place: Path) -> None:
    assert _identify(place, "one.yaml", "seed=3", "x=1.yaml") == Subject(
        {"one": "one.yaml", "x=1": "x=1.yaml"}, (), None, ("seed=3",)
    ), "a file is a file, whatever its name"
    assert _identify(place, "set").configs == {"a": "set/a.yaml", "b": "set/b.yml"}
    assert _identify(place, "multilabel_attributes").configs == {
        "multilabel_attributes": "multilabel_attributes"
    }


def test_a_folder_of_shipped_configs(place: Path) -> None:
    folders = {name.partition("/")[0] for name in shipped_configs() if "/" in name}
    for folder in folders:
        expected = [name for name in shipped_configs() if name.startswith(f"{folder}/")]
        assert list(_identify(place, folder).configs.values()) == expected


def test_what_is_finished(place: Path) -> None:
    run, comparison = Path("runs/20250101-000000_run"), Path("runs/20250101-000000_two_compare")
    assert _identify(place, str(run)).runs == (run,)
    assert _identify(place, run.name).runs == (run,), "by its name in the folder of runs"
    assert _identify(place, str(comparison)).comparison == comparison
    half = Path("runs/20250101-000000_half")
    assert _identify(place, str(half)).runs == (half,), "half-written: for whoever opens it to say"


def test_nothing_at_all(place: Path) -> None:
    assert _identify(place) == Subject({}, (), None, ())


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["on.yaml"], "no config, run or comparison named 'on.yaml'; did you mean 'one.yaml'?"),
        (["multilabel_atributes"], "did you mean 'multilabel_attributes'?"),
        (["nothing"], "'nothing' is a folder with nothing to compare"),
        (["one.yaml", "runs/20250101-000000_run"], "configs and runs cannot be mixed"),
        (["runs/20250101-000000_run", "seed=1"], "what is finished cannot be changed by 'seed=1'"),
        (["seed=1"], "no config; overrides follow a config"),
        (["one.yaml", "one.yaml"], "'one.yaml' and 'one.yaml' would both be the setting 'one'"),
        (["runs/20250101-000000_two_compare"] * 2, "only one comparison can be read at a time"),
    ],
)
def test_mistakes(place: Path, arguments: list[str], message: str) -> None:
    with pytest.raises(ConfigError) as failure:
        _identify(place, *arguments)
    assert message in str(failure.value)


def test_two_files_of_one_stem(place: Path) -> None:
    (place / "set" / "a.yml").write_text("name: a\n")
    with pytest.raises(ConfigError, match="'set' has two settings named 'a': rename a file"):
        _identify(place, "set")
