"""Where a command runs in a stranger's repository, git runs none of the programs that it names."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from mlx_runner.records.environment import describe_code


def git(folder: Path, *arguments: str) -> None:
    identity = ["-c", "user.name=stranger", "-c", "user.email=stranger@example.org"]
    subprocess.run(["git", *identity, "-C", str(folder), *arguments], check=True, capture_output=True)


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """One with a file that has changed, whose attributes ask for a filter."""
    folder = tmp_path / "repository"
    folder.mkdir()
    git(folder, "init")
    (folder / "file.txt").write_text("first\n", "utf-8")
    (folder / ".gitattributes").write_text("*.txt filter=stranger\n", "utf-8")
    git(folder, "add", ".")
    git(folder, "commit", "-m", "first")
    (folder / "file.txt").write_text("other\n", "utf-8")
    return folder


def program(folder: Path) -> tuple[str, Path]:
    """A command that leaves a mark, and the mark."""
    mark = folder.parent / "mark"
    script = folder.parent / "program.sh"
    script.write_text(f"#!/bin/sh\necho ran > '{mark}'\ncat\n", "utf-8")
    script.chmod(0o755)
    return str(script), mark


@pytest.mark.parametrize("key", ["filter.stranger.clean", "filter.stranger.process", "core.fsmonitor"])
def test_git_starts_no_program_of_the_repository(repository: Path, key: str) -> None:
    command, mark = program(repository)
    git(repository, "config", key, command)
    assert describe_code(repository)["commit"]
    assert not mark.exists()


def test_nor_one_of_a_file_that_its_settings_include(repository: Path) -> None:
    command, mark = program(repository)
    (repository / ".git" / "more").write_text(f'[filter "stranger"]\n\tclean = {command}\n', "utf-8")
    git(repository, "config", "include.path", "more")
    assert describe_code(repository)["dirty"] is None
    assert not mark.exists()


def test_nor_to_fetch_what_it_lacks(repository: Path) -> None:
    command, mark = program(repository)
    for key, value in {
        "core.repositoryformatversion": "1",
        "extensions.partialClone": "origin",
        "remote.origin.url": "ssh://stranger/x",
        "remote.origin.promisor": "true",
        "core.sshCommand": command,
    }.items():
        git(repository, "config", key, value)
    tree = subprocess.run(
        ["git", "-C", str(repository), "rev-parse", "HEAD^{tree}"], check=True, capture_output=True, text=True
    ).stdout.strip()
    (repository / ".git" / "objects" / tree[:2] / tree[2:]).unlink()
    describe_code(repository)
    assert not mark.exists()


def test_a_usual_repository_tells_of_its_changes(repository: Path) -> None:
    (repository / ".gitattributes").unlink()
    assert describe_code(repository)["dirty"] is True
