"""The environment says what code, versions and machine a run had, and nothing more."""

from __future__ import annotations

import json
import subprocess
import sys
from datetime import datetime
from pathlib import Path

import numpy
import pytest
from mlx_runner.records.environment import describe_code, describe_environment


def _git(folder: Path, *words: str) -> str:
    identity = ["-c", "user.name=a", "-c", "user.email=a@example.org", "-c", "commit.gpgsign=false"]
    command = ["git", "-C", str(folder), *identity, *words]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()


def test_commit_and_dirtiness(tmp_path: Path) -> None:
    _git(tmp_path, "init", "--quiet")
    assert describe_code(tmp_path) == {"commit": None, "dirty": None}, "no commit yet"
    (tmp_path / "a.txt").write_text("1")
    (tmp_path / ".gitignore").write_text("ignored\n")
    _git(tmp_path, "add", ".")
    _git(tmp_path, "commit", "--quiet", "-m", "first")
    (tmp_path / "ignored").write_text("")
    commit = _git(tmp_path, "rev-parse", "HEAD")
    assert describe_code(tmp_path) == {"commit": commit, "dirty": False}
    (tmp_path / "a.txt").write_text("2")
    assert describe_code(tmp_path) == {"commit": commit, "dirty": True}


def test_no_repository(tmp_path: Path) -> None:
    assert describe_code(tmp_path) == {"commit": None, "dirty": None}


def test_no_git(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert describe_code(Path.cwd()) == {"commit": None, "dirty": None}


def test_the_document(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOME_TOKEN", "a-secret-value")
    document = describe_environment(
        seed=7,
        device="cpu",
        threads=2,
        command=["mlx", "train", "headline"],
        fingerprint=None,
        precision="float32",
    )
    assert document["seed"] == 7
    assert document["command"] == ["mlx", "train", "headline"]
    assert datetime.fromisoformat(str(document["started_at"])).tzinfo is not None
    versions = document["versions"]
    assert isinstance(versions, dict)
    assert versions["numpy"] == numpy.__version__
    assert versions["python"] == ".".join(str(part) for part in sys.version_info[:3])
    assert "a-secret-value" not in json.dumps(document)


def test_records_import_no_heavy_package() -> None:
    lines = ["import mlx_runner.records.listing, mlx_runner.records.plots"]
    lines += ["import mlx_runner.records.environment as e, sys", "e._versions()"]
    lines += ["print({'torch', 'torchvision', 'numpy', 'matplotlib', 'pydantic'} & set(sys.modules))"]
    command = [sys.executable, "-c", "\n".join(lines)]
    assert subprocess.run(command, capture_output=True, text=True, check=True).stdout == "set()\n"
