"""`mlx runs rm`, `restore` and `tag` through the command line, and in processes on terminals and off."""

from __future__ import annotations

import json
import os
import pty
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from mlx_runner.records.comparison_folder import ComparisonFolder
from mlx_runner.records.run_folder import RunFolder

Mlx = Callable[..., tuple[int, str, str]]
AssertFails = Callable[..., None]

COMMAND = [sys.executable, "-m", "mlx_runner.cli"]
NONE = (None, None, None, None)


@pytest.fixture
def shelf(tmp_path: Path) -> Path:
    """A folder whose `runs` holds three finished runs, and one at work in this process."""
    for name in ("a", "b", "c", "busy"):
        run = RunFolder.create(tmp_path / "runs", name, config_text="name: x\n", environment={}, plan={})
        if name != "busy":
            run.write_summary({"status": "finished", "metrics": {}})
    return tmp_path


def _path(shelf: Path, name: str) -> str:
    (found,) = (shelf / "runs").glob(f"*_{name}")
    return str(found.relative_to(shelf))


def _names(mlx: Mlx, shelf: Path) -> set[str]:
    return {
        run["name"].partition("_")[2] for run in json.loads(mlx("runs", "--json", folder=shelf)[1])["runs"]
    }


def test_there_and_back(mlx: Mlx, shelf: Path) -> None:
    a, b = _path(shelf, "a"), _path(shelf, "b")
    assert mlx("runs", "rm", "a", "b", "a", folder=shelf) == (
        0,
        f"{a} is in the trash\n{b} is in the trash\nto bring back: mlx runs restore {a} {b}\n",
        "",
    )
    assert _names(mlx, shelf) == {"c", "busy"}
    assert mlx("runs", "restore", a, "b", folder=shelf) == (0, f"{a} is back\n{b} is back\n", "")
    assert _names(mlx, shelf) == {"a", "b", "c", "busy"}


def test_documents(mlx: Mlx, shelf: Path) -> None:
    a = _path(shelf, "a")
    code, out, err = mlx("runs", "rm", "a", "--json", folder=shelf)
    [entry] = json.loads(out)["discarded"]
    assert (code, err, entry["run"]) == (0, "", a)
    assert (shelf / entry["trash"] / "config.yaml").is_file()
    assert (
        mlx("runs", "restore", "latest", "--json", folder=shelf)[1]
        == json.dumps({"restored": [a]}, indent=2) + "\n"
    )
    size = sum(file.stat().st_size for file in (shelf / a).rglob("*") if file.is_file())
    mlx("runs", "rm", "a", folder=shelf)
    assert json.loads(mlx("runs", "rm", "--purge", "--yes", "--json", folder=shelf)[1]) == {
        "purged": 1,
        "bytes": size,
    }


def test_all_are_looked_at_before_one_is_moved(mlx: Mlx, shelf: Path) -> None:
    busy = Path(_path(shelf, "busy")).name
    message = f"run '{busy}' is still at work; stop it first, or use --force."
    assert mlx("runs", "rm", "a", "busy", folder=shelf) == (2, "", f"mlx: {message}\n")
    assert mlx("runs", "rm", "a", "none", folder=shelf)[0] == 2
    assert _names(mlx, shelf) == {"a", "b", "c", "busy"}
    assert mlx("runs", "rm", "a", "busy", "--force", folder=shelf)[0] == 0
    assert _names(mlx, shelf) == {"b", "c"}


def test_a_comparison_and_a_run_elsewhere(
    mlx: Mlx, shelf: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    comparison = ComparisonFolder.create(shelf / "runs", "two", plan={}, configs={})
    comparison.release()
    elsewhere = tmp_path_factory.mktemp("elsewhere")
    run = RunFolder.create(elsewhere, "far", config_text="name: x\n", environment={}, plan={})
    run.write_summary({"status": "finished"})
    assert mlx("runs", "rm", "two_compare", folder=shelf)[0] == 2, "not by a part of its name"
    assert mlx("runs", "rm", comparison.path.name, str(run.path), folder=shelf)[0] == 0
    assert not comparison.path.exists()
    assert [path.name.split(".")[2] for path in (elsewhere / ".trash").iterdir()] == [run.name]
    assert mlx("runs", "restore", "two_compare", str(run.path), folder=shelf)[0] == 0
    assert ComparisonFolder.open(comparison.path) == comparison
    assert RunFolder.open(run.path) == run


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["rm"], "nothing to do: give runs to move to the trash, or --purge to empty it."),
        (["rm", "a", "--purge"], "RUN cannot be given with --purge, which removes all that is in the trash."),
        (
            ["rm", "--purge", "--force"],
            "--force cannot be given with --purge, which removes all that is in the trash.",
        ),
        (
            ["rm", "a", "--yes"],
            "--yes goes with --purge: nothing is asked before a run is moved to the trash.",
        ),
        (["restore", "a"], "there is no 'a' in the trash of 'runs'. There: nothing."),
        (["tag", "a"], "nothing to do: give TAG for tags to give, or --remove TAG."),
        (
            ["tag", "a", "two words"],
            "'two words' cannot be a tag: use 1 to 64 letters, digits, '_', '.' or '-'.",
        ),
    ],
    ids=lambda each: " ".join(each) if isinstance(each, list) else "",
)
def test_mistakes(shelf: Path, assert_fails: AssertFails, arguments: list[str], message: str) -> None:
    assert_fails(shelf, ["runs", *arguments], 2, [(*NONE, message)])


def test_a_place_that_is_taken(mlx: Mlx, shelf: Path, assert_fails: AssertFails) -> None:
    a = _path(shelf, "a")
    mlx("runs", "rm", "a", folder=shelf)
    (shelf / a).mkdir()
    message = f"'{a}' is there already; give it another name, then restore this one."
    assert_fails(shelf, ["runs", "restore", "a"], 2, [(*NONE, message)])


def test_tags(mlx: Mlx, shelf: Path) -> None:
    a = _path(shelf, "a")
    assert mlx("runs", "tag", "a", "paper", "final", folder=shelf) == (0, f"{a}: final, paper\n", "")
    assert mlx("runs", "tag", "a", "--remove", "final", "--remove", "paper", folder=shelf) == (
        0,
        f"{a}: no tags\n",
        "",
    )
    out = mlx("runs", "tag", "a", "new", "--json", folder=shelf)[1]
    assert json.loads(out) == {"run": a, "tags": ["new"]}


def test_purging_off_a_terminal_needs_a_yes(mlx: Mlx, shelf: Path, clean_environment: dict[str, str]) -> None:
    mlx("runs", "rm", "a", "b", folder=shelf)
    ended = subprocess.run(
        [*COMMAND, "runs", "rm", "--purge"], cwd=shelf, env=clean_environment, input="y\n",
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    message = "mlx: --purge asks before it removes, and there is no terminal to ask on; give --yes.\n"
    assert (ended.returncode, ended.stdout, ended.stderr) == (2, "", message)
    assert len(list((shelf / "runs" / ".trash").iterdir())) == 2
    code, out, err = mlx("runs", "rm", "--purge", "-y", folder=shelf)
    assert (code, out, err) == (0, "removed 2 entries (0.0 MB) from the trash of 'runs' for good\n", "")
    assert not (shelf / "runs" / ".trash").exists()
    assert mlx("runs", "rm", "--purge", "-y", folder=shelf) == (0, "the trash of 'runs' is empty\n", "")


@pytest.mark.parametrize(
    ("answer", "code", "left"), [("y", 0, 0), ("YES", 0, 0), ("n", 130, 1), ("", 130, 1)]
)
def test_purging_on_a_terminal_asks(
    mlx: Mlx, shelf: Path, clean_environment: dict[str, str], answer: str, code: int, left: int
) -> None:
    mlx("runs", "rm", "a", folder=shelf)
    ours, theirs = pty.openpty()
    os.write(ours, f"{answer}\n".encode())
    ended = subprocess.run(
        [*COMMAND, "runs", "rm", "--purge"], cwd=shelf, env=clean_environment, stdin=theirs,
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    os.close(ours)
    os.close(theirs)
    assert ended.returncode == code
    question = "remove 1 entry (0.0 MB) from the trash of 'runs' for good? [y/N] "
    assert ended.stderr == question + ("mlx: aborted\n" if left else "")
    assert ended.stdout == ("" if left else "removed 1 entry (0.0 MB) from the trash of 'runs' for good\n")
    assert len(list((shelf / "runs").glob(".trash/*"))) == left
