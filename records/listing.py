"""The runs in a folder: a record of each, and the one that a user means."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Literal, cast

from ..specs.errors import ConfigError, MlxError, nearest
from .atomic import disk_error
from .run_folder import RUN_FILES, RUN_NAME, RunFolder, Status

_LATEST = "latest"
_NAMES_SHOWN = 5


@dataclass(frozen=True)
class RunRecord:
    """What a list of runs says of one. `status` is `damaged` for a folder that cannot be read as a run."""

    name: str
    path: Path
    status: Status | Literal["damaged"]
    started: str | None = None
    """ISO 8601 with zone."""
    epochs: int = 0
    """How many were written down."""
    seed: int | None = None
    metrics: Mapping[str, float | None] = field(default_factory=dict[str, float | None])
    """Of the summary; empty before there is one."""


def list_runs(root: Path) -> list[RunRecord]:
    """The runs directly under `root`, newest first; none where there is no such folder.

    Other processes may write meanwhile: no single folder's state raises. Hidden folders and folders
    that neither look nor are named like a run are left out. Raises MachineError where `root` itself
    cannot be read.
    """
    records = [_record(path) for path in _folders(root)]
    return sorted(records, key=lambda record: (_started(record), _natural(record.name)), reverse=True)


def find_run(root: Path, text: str) -> RunFolder:
    """The run that `text` names: its full name, `latest`, a path, or the one run whose name begins or
    ends with it. Raises ConfigError where that is no run, or more than one."""
    names = [path.name for path in _folders(root)]
    if text in names:
        return RunFolder.open(root / text)
    if text == _LATEST:
        return _latest(root)
    if _is_path(text):
        return RunFolder.open(Path(text))
    matches = [name for name in names if text and (name.startswith(text) or name.endswith(text))]
    if len(matches) == 1:
        return RunFolder.open(root / matches[0])
    raise ConfigError(_several(text, matches) if matches else _none(root, text, names))


def _folders(root: Path) -> list[Path]:
    try:
        children = list(root.iterdir())
    except FileNotFoundError:
        return []
    except OSError as error:
        raise disk_error("read", root, error) from error
    return [path for path in children if _may_be_run(path)]


def _may_be_run(path: Path) -> bool:
    try:
        # A comparison holds its members' runs in a folder of their own, and is no run itself.
        if path.name.startswith(".") or not path.is_dir() or (path / "members").is_dir():
            return False
        return bool(RUN_NAME.fullmatch(path.name)) or any((path / name).is_file() for name in RUN_FILES)
    except PermissionError:
        return False  # somebody else's folder


def _record(path: Path) -> RunRecord:
    try:
        run = RunFolder.open(path)
        environment = run.read_environment()
        summary = run.read_summary() or {}
        started, seed = environment.get("started_at"), environment.get("seed")
        return RunRecord(
            name=run.name,
            path=path,
            status=run.status,
            started=started if isinstance(started, str) else None,
            epochs=len(run.read_metrics()),
            seed=seed if isinstance(seed, int) else None,
            metrics=_numbers(summary.get("metrics")),
        )
    except MlxError:
        return RunRecord(name=path.name, path=path, status="damaged")


def _numbers(metrics: object) -> dict[str, float | None]:
    if not isinstance(metrics, dict):
        return {}
    entries = cast("dict[str, object]", metrics)
    return {key: value for key, value in entries.items() if value is None or isinstance(value, int | float)}


def _started(record: RunRecord) -> float:
    """Unix time in seconds: as written down, else by the folder's name, else 0."""
    try:
        return datetime.fromisoformat(record.started or "").timestamp()
    except ValueError:
        pass
    try:
        return datetime.strptime(record.name[:15], "%Y%m%d-%H%M%S").astimezone().timestamp()
    except ValueError:
        return 0.0


def _natural(name: str) -> tuple[str, int]:
    """`run-10` comes after `run-9`."""
    stem, _, number = name.rpartition("-")
    return (stem, int(number)) if number.isdecimal() else (name, 1)


def _latest(root: Path) -> RunFolder:
    for record in list_runs(root):
        if record.status != "damaged":
            return RunFolder.open(record.path)
    raise ConfigError(f"there is no latest run: '{root}' holds no run yet.")


def _is_path(text: str) -> bool:
    has_separator = any(separator in text for separator in (os.sep, os.altsep) if separator)
    return has_separator or any((Path(text) / name).is_file() for name in RUN_FILES)


def _several(text: str, matches: list[str]) -> str:
    return f"{len(matches)} runs are meant by '{text}': {_shown(matches)}. Give more of the name."


def _none(root: Path, text: str, names: list[str]) -> str:
    if not names:
        return f"no run named '{text}': '{root}' holds no run yet."
    # A user remembers the name given to the run rather than its time.
    plain_names = {name.partition("_")[2] or name: name for name in sorted(names)}
    guess = nearest(text, names) or plain_names.get(nearest(text, plain_names) or "")
    hint = f"; did you mean '{guess}'?" if guess else "."
    return f"no run named '{text}' in '{root}'{hint} Runs: {_shown(names)}. Or: {_LATEST}, or a path."


def _shown(names: list[str]) -> str:
    newest = sorted(names, key=_natural, reverse=True)
    more = f" and {len(names) - _NAMES_SHOWN} more" if len(names) > _NAMES_SHOWN else ""
    return ", ".join(newest[:_NAMES_SHOWN]) + more
