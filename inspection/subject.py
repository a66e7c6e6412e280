"""What the arguments of `mlx explain` are: a config with overrides, a run, or both."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from ..records.listing import find_run
from ..records.run_folder import RUN_FILES, RunFolder
from ..specs.errors import ConfigError, quoted
from ..specs.experiment import Experiment
from ..specs.load import load_experiment, shipped_configs


@dataclass(frozen=True)
class Subject:
    """A config, and the run whose weights it is looked at with, if any."""

    experiment: Experiment
    run: RunFolder | None


def find_subject(arguments: Sequence[str], *, runs: Path) -> Subject:
    """The first argument is a config or a run, the second may be a run; `a=b` is an override.

    A run by itself brings its own config. Raises ConfigError for what is none of these.
    """
    overrides = [each for each in arguments if "=" in each and not Path(each).exists()]
    given = [each for each in arguments if each not in overrides]
    if not given:
        raise ConfigError("give a config or a run to look at.")
    if len(given) > 2:
        raise ConfigError(
            f"one config and one run at the most, but {len(given)} were given: {quoted(given[2])}."
        )
    first, *others = given
    run = _run_named(first, runs)
    if run is None:
        return Subject(load_experiment(first, overrides), find_run(runs, others[0]) if others else None)
    if others:
        raise ConfigError(f"{quoted(first)} is a run already; give a config before {quoted(others[0])}.")
    return Subject(load_experiment(str(run.path / "config.yaml"), overrides), run)


def _run_named(text: str, runs: Path) -> RunFolder | None:
    """The run that `text` is the folder or the name of, where it names no config."""
    path = Path(text)
    if path.is_dir() and any((path / name).is_file() for name in RUN_FILES):
        return RunFolder.open(path)
    if path.exists() or text in shipped_configs():
        return None
    try:
        return find_run(runs, text)
    except ConfigError:
        # Then it is a config that is not there, which reading it says better.
        return None
