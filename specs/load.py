"""Finds, reads, overrides and checks a config: a path, or the bare name of a shipped one."""

from __future__ import annotations

from collections.abc import Generator, Iterable, Iterator
from contextlib import contextmanager
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path as FilePath

from .errors import ConfigError, DataError, MachineError, nearest, quoted
from .experiment import Experiment
from .overrides import merge_overrides
from .source_text import MAX_BYTES
from .validation import validate
from .yaml_reader import parse_yaml

_CONFIGS = f"{(__package__ or '').rpartition('.')[0]}.configs"


def load_experiment(path_or_name: str, overrides: Iterable[str] = ()) -> Experiment:
    """The experiment in the file at a path, or in the shipped config of that name, overrides applied.

    Raises ConfigError with everything that is wrong at once, MachineError for a file that cannot be read.
    """
    source, file = _source(path_or_name)
    document = merge_overrides(parse_yaml(source, file=file), overrides)
    return validate(Experiment, document)


@contextmanager
def located(experiment: Experiment) -> Generator[None]:
    """Gives problems found later (by builders) their place in the config they come from.

    An error of these kinds that leaves the block has file, line and column wherever it has a path.
    """
    try:
        yield
    except (ConfigError, DataError, MachineError) as error:
        placed = type(error)(experiment.locate(error.problems))
        placed.outcome = error.outcome
        raise placed from error


def shipped_configs() -> dict[str, Traversable]:
    """The configs that come with the program, by the name they are loaded under."""
    return dict(sorted(_yaml_files(files(_CONFIGS), prefix="")))


def _yaml_files(folder: Traversable, *, prefix: str) -> Iterator[tuple[str, Traversable]]:
    for entry in folder.iterdir():
        if entry.name.endswith(".yaml"):
            yield prefix + entry.name.removesuffix(".yaml"), entry
        elif entry.is_dir() and not entry.name.startswith(("_", ".")):
            yield from _yaml_files(entry, prefix=f"{prefix}{entry.name}/")


def _source(path_or_name: str) -> tuple[bytes, str]:
    """The bytes of the config, and what messages call it."""
    path = FilePath(path_or_name)
    try:
        with path.open("rb") as stream:
            return stream.read(MAX_BYTES + 1), path_or_name
    except (FileNotFoundError, NotADirectoryError, IsADirectoryError) as error:
        shipped = shipped_configs().get(path_or_name)
        if shipped is None:
            raise _missing(path) from error
        return shipped.read_bytes(), f"configs/{path_or_name}.yaml"
    except OSError as error:
        raise MachineError(f"cannot read {quoted(path_or_name)}: {error.strerror}") from error


def _missing(path: FilePath) -> ConfigError:
    shipped = list(shipped_configs())
    listing = f"Shipped configs: {', '.join(shipped) or 'none'}."
    if path.is_dir():
        beside = [str(found) for found in sorted(path.glob("*.yaml"))]
        hint = f"; did you mean {quoted(beside[0])}?" if beside else "."
        return ConfigError(f"{quoted(str(path))} is a folder, not a config{hint} {listing}")
    beside = [str(found) for found in sorted(path.parent.glob("*.y*ml"))] if path.parent.is_dir() else []
    guess = nearest(str(path), [*shipped, *beside])
    hint = f"; did you mean {quoted(guess)}?" if guess else "."
    return ConfigError(f"no such file: {quoted(str(path))}{hint} {listing}")
