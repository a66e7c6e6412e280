"""The house: every folder is on every list, every module is in order, every shipped config works."""

from __future__ import annotations

import ast
import re
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from mlx_runner.specs.load import load_experiment, shipped_configs

Mlx = Callable[..., tuple[int, str, str]]

ROOT = Path(__file__).resolve().parent.parent
PROJECT: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
TOOLS: dict[str, Any] = PROJECT["tool"]

NOT_INSTALLED = {"tests", "bench", "docs", "runs", "build", "dist"}
FOLDERS = {
    path.name
    for path in ROOT.iterdir()
    if path.name not in NOT_INSTALLED and not path.name.startswith(".") and any(path.glob("*.py"))
}
DATA_FOLDERS = {"configs": "configs", "data.mnist": "data/mnist"}
"""Packages that hold files, not code: by their name in the package, their folder."""

MODULES = sorted(path for folder in FOLDERS for path in (ROOT / folder).rglob("*.py"))
MOST_LINES = 350
VAGUE_NAMES = {"utils", "util", "helpers", "helper", "misc", "common"}

SHOWN_MISTAKES = {"autoencoder_softmax": ["MLX101 error"], "multilabel_heads/softmax": ["MLX102 error"]}

DATA = ROOT.parent / "shared" / "data"
"""Real tables that are too large, or not ours, to be shipped; tests that need them skip without them."""

TABLES = {
    "emotions": ["path=emotions/train.csv", "test_path=emotions/test.csv"],
    "tweets": ["path=tweets/tweets.csv"],
}
"""Where the tables of shipped configs lie in that folder."""

COMMAND_LINE = re.compile(r"# mlx (train|compare) (\S+)")


def _packages(folders: set[str]) -> set[str]:
    return {f"mlx_runner.{name}" for name in folders}


def _contract(name: str) -> dict[str, Any]:
    (found,) = (each for each in TOOLS["importlinter"]["contracts"] if each["name"] == name)
    return found


def _read(path: Path) -> ast.Module:
    return ast.parse(path.read_text("utf-8"))


def _name(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def test_the_folders_are_those_of_the_house() -> None:
    """A folder that the tests below do not see would pass them."""
    assert {
        "cli",
        "configs",
        "data",
        "inspection",
        "losses",
        "models",
        "records",
        "specs",
        "training",
    } <= FOLDERS
    assert all((ROOT / folder / "__init__.py").is_file() for folder in FOLDERS)


def test_every_folder_is_installed() -> None:
    setuptools = TOOLS["setuptools"]
    expected = {**{name: name for name in FOLDERS}, **DATA_FOLDERS}
    assert sorted(setuptools["packages"]) == sorted(f"mlx_runner.{name}" for name in expected)
    assert setuptools["package-dir"] == {f"mlx_runner.{name}": path for name, path in expected.items()}


def test_every_folder_is_type_checked() -> None:
    assert sorted(TOOLS["pyright"]["include"]) == sorted(FOLDERS)


def test_every_folder_is_import_linted() -> None:
    """The linter passes silently over a folder that is on none of these lists."""
    linter = TOOLS["importlinter"]
    assert sorted(linter["root_packages"]) == sorted(_packages(FOLDERS))
    layers = _contract("The floors of the house")["layers"]
    assert sorted(name for layer in layers for name in layer.split(" | ")) == sorted(_packages(FOLDERS))
    below_cli = FOLDERS - {"cli", "configs"}
    assert sorted(_contract("Only cli talks to the terminal")["source_modules"]) == sorted(
        _packages(below_cli)
    )


def test_nothing_lies_deeper_than_a_folder() -> None:
    deeper = {_name(path) for path in MODULES if len(path.relative_to(ROOT).parts) > 2}
    assert deeper == {"data/mnist/__init__.py"}
    for folder in DATA_FOLDERS.values():
        assert not _read(ROOT / folder / "__init__.py").body[1:], f"{folder} holds files, not code"


@pytest.mark.parametrize("path", MODULES, ids=_name)
def test_every_module_is_in_order(path: Path) -> None:
    text = path.read_text("utf-8")
    assert ast.get_docstring(ast.parse(text)), "it opens with a sentence that says what it owns"
    assert len(text.splitlines()) <= MOST_LINES
    assert path.stem not in VAGUE_NAMES


@pytest.mark.parametrize("path", [path for path in MODULES if path.parent.name != "cli"], ids=_name)
def test_only_the_command_line_prints_exits_and_knows_the_terminal(path: Path) -> None:
    for node in ast.walk(_read(path)):
        if isinstance(node, ast.Name):
            assert node.id not in {"print", "input", "exit", "quit"}, node.lineno
        elif isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
            terminal = {"sys.stdout", "sys.stderr", "sys.exit", "os._exit"}
            ends_itself = path.name == "processes.py" and node.attr == "_exit"
            assert f"{node.value.id}.{node.attr}" not in terminal or ends_itself, node.lineno
        elif isinstance(node, ast.Import | ast.ImportFrom):
            names = (
                [each.name for each in node.names] if isinstance(node, ast.Import) else [node.module or ""]
            )
            assert not {name.partition(".")[0] for name in names} & {"typer", "rich", "click"}, node.lineno


def test_no_test_folder_is_without_a_folder() -> None:
    """Tests mirror the folders; bench is none of them, and the others hold what several do together."""
    mirrored = {
        path.name for path in (ROOT / "tests").iterdir() if path.is_dir() and any(path.glob("test_*.py"))
    }
    assert mirrored - {"golden", "parity", "faults", "security", "bench", "cuda"} <= FOLDERS


@pytest.mark.parametrize("name", shipped_configs())
def test_a_shipped_config_opens_with_its_command_and_what_to_expect(name: str) -> None:
    lines = shipped_configs()[name].read_text("utf-8").splitlines()
    header = lines[: next(index for index, line in enumerate(lines) if not line.startswith("#"))]
    command = COMMAND_LINE.match(header[0])
    assert command, header[0]
    assert command[2] == name
    assert any("Expect" in line for line in header[1:])
    assert (ROOT / "configs" / f"{name}.yaml").is_file(), "the installed configs are those of this folder"


def _tables(name: str) -> list[str]:
    """The overrides that lead a shipped config to its table, if it needs one."""
    given = [each.split("=") for each in TABLES.get(name, [])]
    if given and not DATA.is_dir():
        pytest.skip("its table is not beside the project")
    return [f"data.{key}={DATA / path}" for key, path in given]


@pytest.mark.parametrize("name", shipped_configs())
def test_a_shipped_config_describes_a_network(mlx: Mlx, name: str, tmp_path: Path) -> None:
    code, out, err = mlx("check", name, *_tables(name), "--json", folder=tmp_path)
    assert (code, err) == (0, "")
    assert '"parameters"' in out


@pytest.mark.slow
@pytest.mark.parametrize("name", shipped_configs())
def test_a_shipped_config_trains(mlx: Mlx, name: str, tmp_path: Path) -> None:
    """One epoch over few rows: enough for every layer, loss and metric of it to be run."""
    fields = type(load_experiment(name).data).model_fields
    few = [f"data.{key}={rows}" for key, rows in (("samples", 400), ("test_samples", 100)) if key in fields]
    changes = [*few, *_tables(name), "training.epochs=1"]
    code, out, err = mlx("train", name, *changes, "--json", "--quiet", folder=tmp_path)
    assert code == 0
    # Two configs are there to show a mistake.
    assert [line.split(": ")[2] for line in err.splitlines()] == SHOWN_MISTAKES.get(name, [])
    assert '"status": "finished"' in out
