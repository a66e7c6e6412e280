"""What the arguments of `mlx compare` are: configs with overrides, runs, or a comparison."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from ..records.comparison_folder import SCORES
from ..records.run_folder import RUN_FILES, RUN_NAME
from ..specs.errors import ConfigError, nearest, quoted
from ..specs.load import shipped_configs


@dataclass(frozen=True)
class Subject:
    """Exactly one kind is there. `configs`: what to load by the setting each makes where there are
    several; `overrides` apply to all of them."""

    configs: dict[str, str]
    runs: tuple[Path, ...]
    comparison: Path | None
    overrides: tuple[str, ...]


def identify(arguments: Sequence[str], *, runs: Path) -> Subject:
    """A file is a config; a folder with comparison.csv a comparison, with environment.json a run, with
    YAML files a set of settings; `a=b` an override; a bare name a shipped config or a folder of them, else a
    run or comparison in `runs`. What exists under a name is that, whatever characters it has.

    Raises ConfigError for what is none of these, and for a mixture.
    """
    configs: dict[str, str] = {}
    found_runs: list[Path] = []
    comparisons: list[Path] = []
    overrides: list[str] = []
    for argument in arguments:
        kind, path = _kind(argument, runs)
        if kind == "override":
            overrides.append(argument)
        elif kind == "comparison":
            comparisons.append(path)
        elif kind == "run":
            found_runs.append(path)
        else:
            _add_configs(configs, _configs(argument, path))
    _refuse_mixtures(configs, found_runs, comparisons, overrides)
    return Subject(configs, tuple(found_runs), comparisons[0] if comparisons else None, tuple(overrides))


def _kind(argument: str, runs: Path) -> tuple[str, Path]:
    path = Path(argument)
    if path.is_file():
        return "config", path
    if path.is_dir():
        return _folder_kind(path), path
    if "=" in argument:
        return "override", path
    if _shipped(argument):
        return "config", path
    inside = runs / argument
    if argument and inside.is_dir():
        return _folder_kind(inside), inside
    raise _unknown(argument, runs)


def _folder_kind(path: Path) -> str:
    if (path / SCORES).is_file() or (path / "members").is_dir():
        return "comparison"
    # A half-written run is a run, and opening it says what it lacks.
    if any((path / name).is_file() for name in RUN_FILES[1:]) or RUN_NAME.fullmatch(path.name):
        return "run"
    if _yaml_files(path):
        return "config"
    raise ConfigError(
        f"{quoted(str(path))} is a folder with nothing to compare: neither comparison.csv (a comparison), "
        "nor environment.json (a run), nor YAML files (settings)."
    )


def _configs(argument: str, path: Path) -> dict[str, str]:
    if path.is_file():
        return {path.stem: argument}
    if path.is_dir():
        files = _yaml_files(path)
        repeated = sorted(
            {file.stem for file in files if [other.stem for other in files].count(file.stem) > 1}
        )
        if repeated:
            raise ConfigError(
                f"{quoted(argument)} has two settings named {quoted(repeated[0])}: rename a file."
            )
        return {file.stem: str(file) for file in files}
    return {name.rpartition("/")[2]: name for name in _shipped(argument)}


def _yaml_files(path: Path) -> list[Path]:
    return sorted(file for file in path.iterdir() if file.suffix in (".yaml", ".yml") and file.is_file())


def _shipped(argument: str) -> list[str]:
    """The shipped config of this name, or those in the shipped folder of this name."""
    names = list(shipped_configs())
    if argument in names:
        return [argument]
    return [name for name in names if name.startswith(f"{argument.rstrip('/')}/")] if argument else []


def _add_configs(configs: dict[str, str], more: dict[str, str]) -> None:
    repeated = [name for name in more if name in configs]
    if repeated:
        first, second = quoted(configs[repeated[0]]), quoted(more[repeated[0]])
        raise ConfigError(f"{first} and {second} would both be the setting {quoted(repeated[0])}.")
    configs.update(more)


def _refuse_mixtures(
    configs: dict[str, str], runs: Sequence[Path], comparisons: Sequence[Path], overrides: Sequence[str]
) -> None:
    kinds = [
        name for name, given in (("configs", configs), ("runs", runs), ("a comparison", comparisons)) if given
    ]
    if len(kinds) > 1:
        raise ConfigError(f"{' and '.join(kinds)} cannot be mixed; give configs, runs, or one comparison.")
    if len(comparisons) > 1:
        raise ConfigError("only one comparison can be read at a time; give its member runs to join two.")
    if overrides and not configs:
        given = f"what is finished cannot be changed by {quoted(overrides[0])}" if kinds else "no config"
        raise ConfigError(f"{given}; overrides follow a config: mlx compare CONFIG KEY=VALUE.")


def _unknown(argument: str, runs: Path) -> ConfigError:
    shipped = list(shipped_configs())
    beside = [path.name for path in runs.iterdir() if path.is_dir()] if runs.is_dir() else []
    parent = Path(argument).parent
    files = [str(path) for path in parent.glob("*.y*ml")] if parent.is_dir() else []
    # A file may be meant by its name without the ending, as a shipped config is.
    stems = {path.removesuffix(".yaml").removesuffix(".yml"): path for path in files}
    guess = nearest(argument, [*shipped, *beside, *files, *stems])
    guess = stems.get(guess or "", guess)
    hint = f"; did you mean {quoted(guess)}?" if guess else "."
    return ConfigError(
        f"no config, run or comparison named {quoted(argument)}{hint} Shipped configs: {', '.join(shipped)}."
    )
