"""What the tests of security share: a sandbox, and finished runs that strangers tamper with."""

from __future__ import annotations

import shutil
from collections.abc import Generator
from pathlib import Path

import pytest

from .sandbox import Mlx, Sandbox


@pytest.fixture(autouse=True)
def homes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Caches and temporary files lie where the tests see them."""
    for name, folder in {"HOME": "home", "XDG_CACHE_HOME": "cache"}.items():
        (tmp_path / folder).mkdir()
        monkeypatch.setenv(name, str(tmp_path / folder))


@pytest.fixture
def sandbox(mlx: Mlx, tmp_path: Path) -> Sandbox:
    """An empty one."""
    return Sandbox(mlx, tmp_path / "sandbox")


@pytest.fixture(scope="session")
def tiny_run(mlx: Mlx, tiny: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished run on MNIST: copy it, and harm the copy."""
    folder = tmp_path_factory.mktemp("tiny_run")
    (folder / "tiny.yaml").write_text(tiny, "utf-8")
    code, _, err = mlx("train", "tiny.yaml", "data.validation_split=0.2", "--quiet", folder=folder)
    assert code == 0, err
    (run,) = (folder / "runs").iterdir()
    return run


@pytest.fixture(scope="session")
def warm(mlx: Mlx, tiny: str, tmp_path_factory: pytest.TempPathFactory) -> Generator[None]:
    """All that a command imports is imported: what is measured is what a config costs."""
    folder = tmp_path_factory.mktemp("warm")
    (folder / "tiny.yaml").write_text(tiny, "utf-8")
    for config in ("tiny.yaml", "headline", "multilabel_mnist"):
        code, _, err = mlx("check", config, folder=folder)
        assert code == 0, err
    yield
    shutil.rmtree(folder, ignore_errors=True)
