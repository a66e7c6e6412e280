"""The wheel: built, installed away from the checkout, and put to work there."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import sysconfig
import tomllib
import venv
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent

_ORIGINS = """
import importlib, json, sys
names = json.loads(sys.argv[1])
print(json.dumps([importlib.import_module(name).__file__ for name in names]))
"""

pytestmark = pytest.mark.xdist_group("packaging")


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A wheel of the project, built from a copy: setuptools leaves folders behind and reads them."""
    source, target = tmp_path_factory.mktemp("source"), tmp_path_factory.mktemp("wheel")
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
    for folder in project["tool"]["setuptools"]["package-dir"].values():
        shutil.copytree(
            ROOT / folder, source / folder, ignore=shutil.ignore_patterns("__pycache__"), dirs_exist_ok=True
        )
    for name in ("pyproject.toml", project["project"]["readme"], "LICENSE"):
        shutil.copy(ROOT / name, source / name)
    _pip("wheel", "--no-deps", "--no-build-isolation", "--wheel-dir", str(target), str(source))
    (built,) = target.glob("*.whl")
    return built


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An environment with the wheel in it, and the dependencies of the one that runs the tests in view.

    A path file names that one's packages only: path files among them, such as that of an editable
    install, are not read.
    """
    folder = tmp_path_factory.mktemp("installed")
    venv.create(folder, with_pip=False, system_site_packages=False)
    python = folder / "bin" / "python"
    _pip("--python", str(python), "install", "--no-deps", "--no-index", str(wheel))
    paths = dict.fromkeys(sysconfig.get_paths()[name] for name in ("purelib", "platlib"))
    packages = Path(_output([str(python), "-c", "import sysconfig; print(sysconfig.get_paths()['purelib'])"]))
    (packages / "dependencies.pth").write_text("\n".join(paths) + "\n", "utf-8")
    return folder


def _pip(*arguments: str) -> None:
    command = [sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check", *arguments]
    ended = subprocess.run(command, capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stderr


def _output(command: list[str], *, folder: Path | None = None) -> str:
    """What a program prints in an environment that names no checkout."""
    environment = {key: value for key, value in os.environ.items() if not key.startswith("PYTHON")}
    ended = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stderr
    return ended.stdout.strip()


def test_the_wheel_holds_every_file_of_the_packages_and_no_other(wheel: Path) -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
    expected: set[str] = set()
    for package, folder in project["tool"]["setuptools"]["package-dir"].items():
        files = [path for path in (ROOT / folder).rglob("*") if path.is_file() and path.suffix != ".pyc"]
        names = (path.relative_to(ROOT / folder).as_posix() for path in files)
        expected |= {f"{package.replace('.', '/')}/{name}" for name in names}
    with zipfile.ZipFile(wheel) as archive:
        held = {name for name in archive.namelist() if ".dist-info/" not in name}
    assert held == expected
    mnist = {name for name in expected if name.startswith("mlx_runner/data/mnist/")}
    assert {Path(name).suffix for name in mnist} == {".py", ".gz", ".md", ""}


def test_the_wheel_runs_away_from_the_checkout(installed: Path, tmp_path: Path) -> None:
    command = str(installed / "bin" / "mlx")
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    assert _output([command, "--version"], folder=tmp_path) == f"mlx {project['version']}"
    overrides = ["data.samples=600", "data.test_samples=200", "training.epochs=1"]
    document = json.loads(
        _output([command, "train", "multilabel_attributes", *overrides, "--json"], folder=tmp_path)
    )
    assert document["status"] == "finished"
    assert document["parameters"] == 784 * 6 + 6 + 6 * 6 + 6
    assert 0.5 < document["metrics"]["test/loss"] < 0.8
    assert (tmp_path / document["run"] / "summary.json").is_file()
    assert [path.name for path in tmp_path.iterdir()] == ["runs"]


def test_what_runs_came_from_the_wheel(installed: Path, tmp_path: Path) -> None:
    """Were the checkout imported, a file missing from the wheel would go unnoticed."""
    names = ["mlx_runner.cli.main", "mlx_runner.data.mnist", "mlx_runner.configs", "mlx_runner.specs.load"]
    python = str(installed / "bin" / "python")
    origins = json.loads(_output([python, "-c", _ORIGINS, json.dumps(names)], folder=tmp_path))
    assert all(Path(origin).is_relative_to(installed) for origin in origins), origins
    digits = Path(origins[1]).parent
    assert sorted(path.name for path in digits.glob("*.gz")) == sorted(
        path.name for path in (ROOT / "data" / "mnist").glob("*.gz")
    )
