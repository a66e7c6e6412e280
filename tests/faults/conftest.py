"""What the tests of faults share: a fork server, runs that nothing stopped, the count of what was done."""

from __future__ import annotations

import shutil
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Generator
from pathlib import Path

import pytest

from .processes import ForkServer, plain_environment
from .rows import table_text
from .scene import CONFIG, OFTEN, Scene

Tally = Callable[[str], None]


@pytest.fixture(scope="session")
def server() -> Generator[ForkServer]:
    """The program that forks processes of `mlx`."""
    with ForkServer() as running:
        yield running


@pytest.fixture(scope="session")
def reference(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run that nothing stopped, of a process that was not forked: with hashes and addresses of its own."""
    folder = _furnish(tmp_path_factory.mktemp("reference"))
    command = [sys.executable, "-m", "mlx_runner.cli", "train", CONFIG]
    environment = {**plain_environment(), "PYTHONHASHSEED": "7"}
    ended = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stderr
    (run,) = (folder / "runs").iterdir()
    return run


@pytest.fixture(scope="session")
def usual_seconds(server: ForkServer, tmp_path_factory: pytest.TempPathFactory) -> float:
    """How long a forked run takes that nothing stops, with as many checkpoints as any run here."""
    folder = _furnish(tmp_path_factory.mktemp("usual"))
    started = time.monotonic()
    process = server.run("train", CONFIG, OFTEN, folder=folder)
    assert process.code == 0, process.err
    return time.monotonic() - started


@pytest.fixture(scope="session")
def make_scene(
    server: ForkServer, usual_seconds: float, tmp_path_factory: pytest.TempPathFactory
) -> Callable[[], Scene]:
    """`make_scene()`: a folder with the config and its table, without runs."""
    return lambda: Scene(server, _furnish(tmp_path_factory.mktemp("scene")), usual_seconds)


@pytest.fixture
def scene(server: ForkServer, tmp_path: Path, usual_seconds: float) -> Scene:
    """A folder of the test's own with the config and its table, without runs."""
    return Scene(server, _furnish(tmp_path), usual_seconds)


@pytest.fixture
def tally(record_property: Callable[[str, object], None]) -> Tally:
    """`tally(what)`: one more of it in the counts at the end."""
    return lambda what: record_property("faults", what)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """The counts, of all workers."""
    reports = terminalreporter.getreports("passed") + terminalreporter.getreports("failed")
    counts = Counter(
        value for report in reports for name, value in report.user_properties if name == "faults"
    )
    if counts:
        terminalreporter.section("faults")
    for what, count in sorted(counts.items(), key=lambda each: str(each[0])):
        terminalreporter.line(f"{count:5}  {what}")


def _furnish(folder: Path) -> Path:
    shutil.copy(Path(__file__).with_name(CONFIG), folder)
    (folder / "rows.csv").write_text(table_text(), "utf-8")
    return folder
