"""Finding a config, reading it with overrides, and giving later problems their place in it."""

from __future__ import annotations

import copy
import os
import pickle
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from mlx_runner.specs.errors import ConfigError, DataError, DivergedError, MachineError, MlxError, Problem
from mlx_runner.specs.experiment import Experiment
from mlx_runner.specs.load import load_experiment, located, shipped_configs
from mlx_runner.specs.validation import validate
from mlx_runner.specs.yaml_reader import read_yaml

TEXT = """\
name: demo
data: {source: mnist, samples: 100}
model:
  inputs: image
  layers:
    flat: {type: flatten}
    digits:
      type: dense
      units: 10
      activation: softmax
  outputs: [digits]
losses:
  main: {type: binary_crossentropy, output: digits, target: digits, weight: 1e-3}
"""

SHIPPED = f"Shipped configs: {', '.join(shipped_configs())}."


@pytest.fixture
def config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    path = Path("demo.yaml")
    path.write_text(TEXT, encoding="utf-8")
    return path


def complaints(path_or_name: str, *overrides: str, kind: type[MlxError] = ConfigError) -> str:
    with pytest.raises(kind) as caught:
        load_experiment(path_or_name, overrides)
    return str(caught.value)


def test_a_file(config: Path) -> None:
    experiment = load_experiment(str(config))
    assert experiment.losses["main"].weight == 0.001
    assert experiment.model.inputs == ("image",)
    assert experiment.places.find(("losses", "main", "weight")).line == 13


def test_overrides_are_the_same_as_editing_the_file(config: Path) -> None:
    overridden = load_experiment(str(config), ["training.epochs=5", "losses.main.weight=.5", "name=other"])
    config.write_text(
        TEXT.replace("1e-3", "0.5").replace("demo", "other") + "training: {epochs: 5}\n", encoding="utf-8"
    )
    assert load_experiment(str(config)) == overridden


def test_everything_that_is_wrong_at_once(config: Path) -> None:
    wrong = (
        TEXT.replace("units: 10", "unitz: 10").replace("type: flatten", "type: flaten").replace("demo", "a b")
    )
    config.write_text(wrong + "name: again\n", encoding="utf-8")
    lines = complaints("demo.yaml", "training.epochs=abc", "nonsense").splitlines()
    assert [line.partition(": ")[0] for line in lines] == [
        "demo.yaml:1:7",
        "demo.yaml:6:18",
        "demo.yaml:7:5",
        "demo.yaml:9:7",
        "demo.yaml:14:1",
        "command line",
        "command line",
    ]
    misspelt = "no layer type named 'flaten'; did you mean 'flatten'? Types: dense, "
    assert lines[1].startswith(f"demo.yaml:6:18: model.layers.flat.type: {misspelt}")
    unknown = "model.layers.digits: unknown key 'unitz'; did you mean 'units'? Allowed: "
    assert lines[3].startswith(f"demo.yaml:9:7: {unknown}")
    assert lines[5:] == [
        "command line: 'nonsense' is not an override; write key.path=value, such as training.epochs=5",
        "command line: training.epochs: must be a whole number, not the text 'abc'",
    ]


@pytest.mark.parametrize("name", shipped_configs())
def test_a_shipped_config_by_name(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert load_experiment(name).places.find(()).file == f"configs/{name}.yaml"
    (tmp_path / name).mkdir(parents=True)  # a folder of that name does not hide it
    assert load_experiment(name, ["seed=7"]).seed == 7


def test_a_file_beats_a_shipped_config(config: Path) -> None:
    name = next(iter(shipped_configs())).replace("/", "_")
    config.rename(name)
    assert load_experiment(name).name == "demo"


@pytest.mark.usefixtures("config")
def test_what_is_not_a_config() -> None:
    assert complaints("demo.yml") == f"no such file: 'demo.yml'; did you mean 'demo.yaml'? {SHIPPED}"
    assert complaints("zzzzz") == f"no such file: 'zzzzz'. {SHIPPED}"
    assert complaints("no/folder/qqqqq") == f"no such file: 'no/folder/qqqqq'. {SHIPPED}"
    assert complaints("demo.yaml/qqqqq") == f"no such file: 'demo.yaml/qqqqq'. {SHIPPED}"
    first = next(iter(shipped_configs()))
    assert complaints(f"{first}.yaml") == f"no such file: '{first}.yaml'; did you mean '{first}'? {SHIPPED}"
    Path("empty.yaml").touch()
    assert complaints("empty.yaml") == (
        "empty.yaml: the file is empty; a config is a mapping that begins with 'name: ...'"
    )
    Path("folder").mkdir()
    assert complaints("folder") == f"'folder' is a folder, not a config. {SHIPPED}"
    assert complaints(".") == f"'.' is a folder, not a config; did you mean 'demo.yaml'? {SHIPPED}"


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_file_that_may_not_be_read(config: Path) -> None:
    config.chmod(0)
    assert complaints("demo.yaml", kind=MachineError) == "cannot read 'demo.yaml': Permission denied"


def test_a_name_that_the_machine_refuses() -> None:
    assert complaints("x" * 300, kind=MachineError).endswith("...': File name too long")


def test_later_problems_are_located(config: Path) -> None:
    experiment = load_experiment(str(config), ["training.epochs=5"])
    found = [
        Problem("wrong", ("losses", "main", "output")),
        Problem("wrong", ("model", "layers", "digits")),
        Problem("wrong", ("optimizer", "epsilon")),
        Problem("wrong", ("training", "epochs")),
        Problem("wrong", ("losses",), "data.csv", 7),
        Problem("wrong"),
    ]
    for kind in (ConfigError, DataError, MachineError):
        with pytest.raises(kind) as caught, located(experiment):
            raise kind(found)
        assert str(caught.value).splitlines() == [
            "demo.yaml:13:45: losses.main.output: wrong",
            "demo.yaml:7:5: model.layers.digits: wrong",
            "demo.yaml:1:1: optimizer.epsilon: wrong",
            "command line: training.epochs: wrong",
            "data.csv:7: losses: wrong",
            "wrong",
        ]


def test_other_errors_pass_untouched(config: Path) -> None:
    experiment = load_experiment(str(config))
    with pytest.raises(DivergedError) as caught, located(experiment):
        raise DivergedError(Problem("not finite", ("losses",)))
    assert str(caught.value) == "losses: not finite"


def test_places_travel_with_copies_but_make_no_difference(config: Path) -> None:
    experiment = load_experiment(str(config))
    bare = Experiment.model_validate(experiment.model_dump())
    assert bare == experiment
    assert bare.locate([Problem("wrong", ("losses",))]) == (Problem("wrong", ("losses",)),)
    for same in (
        copy.deepcopy(experiment),
        pickle.loads(pickle.dumps(experiment)),
        experiment.model_copy(update={"seed": 3}),
    ):
        assert same.places.find(("name",)).line == 1


KEY_PATHS = """
name seed data data.source data.shape model model.inputs model.outputs model.layers model.layers.digits
model.layers.digits.type model.layers.digits.units model.layers.digits.of losses losses.main
losses.main.from_logits losses.main.weight losses.main.type metrics metrics.digits optimizer
optimizer.learning_rate training training.early_stopping
"""
PATHS = st.sampled_from(KEY_PATHS.split()).map(lambda path: tuple(path.split(".")))
ODDITIES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.sampled_from(["x", "dense", "digits", "no", ""]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["type", "of", "x", "a.b"]), inner, max_size=3)
    ),
    max_leaves=6,
)


@given(st.lists(st.tuples(PATHS, ODDITIES), min_size=1, max_size=3))
def test_whatever_stands_there_is_valid_or_located(edits: list[tuple[tuple[str, ...], object]]) -> None:
    document = read_yaml(TEXT, file="x")
    data = copy.deepcopy(document.data)
    for path, value in edits:
        here: object = data
        for step in path[:-1]:
            here = here.setdefault(step, {}) if isinstance(here, dict) else None
        if isinstance(here, dict):
            here[path[-1]] = value
    try:
        validate(Experiment, type(document)(data, document.places))
    except ConfigError as error:
        assert all(problem.file == "x" and problem.line for problem in error.problems)
        assert not any("Input should" in problem.message for problem in error.problems)
