"""The runs in a folder: a record of each, and the one that a user means."""

from __future__ import annotations

import math
import os
import re
import shlex
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Literal, cast, get_args

from ..specs.errors import ConfigError, DataError, MlxError, nearest, quoted
from .atomic import list_folder
from .comparison_folder import is_comparison
from .run_folder import RUN_FILES, RUN_NAME, EndStatus, RunFolder, Status
from .steady import read_steady
from .tables import count_rows
from .tags import read_tags

_LATEST = "latest"
_NAMES_SHOWN = 5
_LARGEST_INTEGER = 2**63


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
    tags: tuple[str, ...] = ()
    """None where their file is damaged: that says nothing of the run."""
    metrics: Mapping[str, float | None] = field(default_factory=dict[str, float | None])
    """Of the summary; empty before there is one."""
    last_epoch: Mapping[str, float | None] = field(default_factory=dict[str, float | None])
    """The metrics of the last epoch, of a run that has not finished and whose summary has none."""

    @property
    def started_time(self) -> datetime | None:
        """When it started, in local time: as written down, else by the folder's name."""
        return _time(self.started or "", datetime.fromisoformat) or _time(self.name, _time_in_name)


def list_runs(root: Path) -> list[RunRecord]:
    """The runs directly under `root`, newest first; none where there is no such folder.

    Other processes may write, rename and remove runs meanwhile: no single folder's state raises, and what
    vanishes is left out. Hidden folders and folders that neither look nor are named like a run are left out
    too. Raises MachineError where `root` itself cannot be read.
    """
    records = [record for path in _folders(root, _may_be_run) if (record := read_record(path)) is not None]
    return sorted(records, key=_newest, reverse=True)


def read_record(path: Path) -> RunRecord | None:
    """What a list says of the run in a folder; None where it is there no more."""
    return read_steady(path, _record, is_whole=lambda record: record.status != "damaged")


def find_run(root: Path, text: str) -> RunFolder:
    """The run that `text` names: its full name, `latest`, a path, or the one run whose name begins or
    ends with it. Raises ConfigError where that is no run, or more than one, and DataError where `latest` is
    damaged: an older one is never taken in its place."""
    path = find_run_path(root, text)
    is_latest = text == _LATEST and path.name != text
    return _whole(path, "the latest run") if is_latest else RunFolder.open(path)


def find_run_path(root: Path, text: str, *, comparisons: bool = False) -> Path:
    """The folder of the run that `text` names as in `find_run`, be it whole or damaged.

    comparisons: those may be named as well, by their full name or a path; `latest` is a run. Raises
    ConfigError where that is none, or more than one.
    """

    def is_meant(path: Path) -> bool:
        return _may_be_run(path) or (comparisons and _is_listed(path))

    if text in [path.name for path in _folders(root, is_meant)]:
        return root / text
    if _is_path(text):
        return _checked(Path(text), is_meant)
    if not root.exists():
        what = "there is no latest run" if text == _LATEST else f"no run named {quoted(text)}"
        raise ConfigError(f"{what}: {_no_folder(root)}")
    if text == _LATEST:
        return _latest(root)
    names = [path.name for path in _folders(root, _may_be_run)]
    matches = _matches(text, names)
    if len(matches) == 1:
        return root / matches[0]
    if not matches and (others := _matches(text, [path.name for path in _folders(root, _is_listed)])):
        raise ConfigError(_is_a_comparison(text, [root / name for name in others], may_be=comparisons))
    raise ConfigError(_several(text, matches) if matches else _none(root, text, names))


def require_folder(root: Path) -> None:
    """Raises ConfigError where there is no folder `root`."""
    if not root.exists():
        raise ConfigError(_no_folder(root))


def _no_folder(root: Path) -> str:
    try:
        beside = [path.name for path in root.parent.iterdir() if path.is_dir()]
    except OSError:
        beside = []
    guess = nearest(root.name, beside)
    hint = f"; did you mean '{root.parent / guess}'?" if guess else "."
    return f"there is no folder '{root}'{hint}"


def _matches(text: str, names: list[str]) -> list[str]:
    return [name for name in names if text and (name.startswith(text) or name.endswith(text))]


def _is_listed(path: Path) -> bool:
    return not path.name.startswith(".") and is_comparison(path)


def _is_a_comparison(text: str, paths: list[Path], *, may_be: bool) -> str:
    names = _shown([path.name for path in paths])
    if may_be:
        return f"no run named {quoted(text)}; a comparison must be named in full: {names}."
    if len(paths) > 1:
        return f"no run named {quoted(text)}, but comparisons: {names}."
    return f"'{paths[0]}' is a comparison, not a run; see it with: mlx compare {shlex.quote(str(paths[0]))}"


def _whole(path: Path, what: str) -> RunFolder:
    """The run in a folder. Raises DataError where a list calls it damaged."""
    record = read_record(path)
    if record is not None and record.status == "damaged":
        raise DataError(
            f"{what}, '{path}', is damaged; name another one, or see what is wrong with it: mlx runs verify "
            f"{shlex.quote(str(path))}"
        )
    return RunFolder.open(path)


def _folders(root: Path, is_meant: Callable[[Path], bool]) -> list[Path]:
    return [path for path in list_folder(root) if is_meant(path)]


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
        # Its end first: a run that ends between two looks is listed as still at work, and without scores.
        status = run.status
        recorded = run.read_summary() or {}  # of any run: a damaged one makes the run damaged
        summary = recorded if status in get_args(EndStatus) else {}
        metrics = finite_numbers(summary.get("metrics"))
        started, seed = environment.get("started_at"), environment.get("seed")
        return RunRecord(
            name=run.name,
            path=path,
            status=status,
            started=started if isinstance(started, str) else None,
            epochs=count_rows(path / "metrics.csv"),
            seed=seed if isinstance(seed, int) and not isinstance(seed, bool) else None,
            tags=_tags(run),
            metrics=metrics,
            last_epoch={} if metrics or status == "finished" else last_epoch_metrics(run),
        )
    except MlxError:
        return RunRecord(name=path.name, path=path, status="damaged")


def last_epoch_metrics(run: RunFolder) -> dict[str, float | None]:
    """The metrics of the last epoch written down; nothing before the first. Raises DataError if damaged."""
    last = finite_numbers(dict(rows[-1])) if (rows := run.read_metrics()) else {}
    return {key: value for key, value in last.items() if key != "epoch"}


def _tags(run: RunFolder) -> tuple[str, ...]:
    try:
        return read_tags(run)
    except MlxError:
        return ()


def finite_numbers(document: object) -> dict[str, float | None]:
    """The numbers in what should be a mapping of them, None for those that are not finite; else nothing."""
    if not isinstance(document, dict):
        return {}
    entries = cast("dict[str, object]", document)
    return {key: _finite(value) for key, value in entries.items() if _is_number(value) or value is None}


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _finite(value: object) -> float | None:
    if isinstance(value, int):
        return value if abs(value) < _LARGEST_INTEGER else None
    return value if isinstance(value, float) and math.isfinite(value) else None


def _time(text: str, read: Callable[[str], datetime]) -> datetime | None:
    try:
        return read(text).astimezone()
    except (ValueError, OverflowError, OSError):
        return None


def _time_in_name(name: str) -> datetime:
    return datetime.strptime(name[:15], "%Y%m%d-%H%M%S")


def _newest(record: RunRecord) -> tuple[float, tuple[str, int]]:
    started = record.started_time
    return (0.0 if started is None else started.timestamp()), natural(record.name)


def natural(name: str) -> tuple[str, int]:
    """By which names are sorted so that `run-10` comes after `run-9`."""
    stem, _, number = name.rpartition("-")
    # More digits are no number of a run, and Python refuses to read very many.
    return (stem, int(number)) if number.isdecimal() and len(number) < 10 else (name, 1)


def _latest(root: Path) -> Path:
    for record in list_runs(root):
        return record.path
    raise ConfigError(f"there is no latest run: '{root}' holds no run yet.")


def _checked(path: Path, is_meant: Callable[[Path], bool]) -> Path:
    """A path that a user gives, where it may be what is asked for; opening any other says why it is not."""
    # `.` has no name to judge by.
    if not is_meant(path.absolute()) and _is_listed(path.absolute()):
        raise ConfigError(_is_a_comparison(str(path), [path], may_be=False))
    return path if is_meant(path.absolute()) else RunFolder.open(path).path


def _is_path(text: str) -> bool:
    has_separator = any(separator in text for separator in (os.sep, os.altsep) if separator)
    return has_separator or any((Path(text) / name).is_file() for name in RUN_FILES)


def _several(text: str, matches: list[str]) -> str:
    return f"{len(matches)} runs are meant by {quoted(text)}: {_shown(matches)}. Give more of the name."


def _none(root: Path, text: str, names: list[str]) -> str:
    if not names:
        return f"no run named {quoted(text)}: '{root}' holds no run yet."
    # A user remembers the name given to the run rather than its time.
    plain_names = {name.partition("_")[2] or name: name for name in sorted(names)}
    guess = nearest(text, names) or plain_names.get(nearest(text, plain_names) or "")
    hint = f"; did you mean {quoted(guess)}?" if guess else "."
    return f"no run named {quoted(text)} in '{root}'{hint} Runs: {_shown(names)}. Or: {_LATEST}, or a path."


def _shown(names: list[str]) -> str:
    newest = sorted(names, key=natural, reverse=True)
    more = f" and {len(names) - _NAMES_SHOWN} more" if len(names) > _NAMES_SHOWN else ""
    return ", ".join(newest[:_NAMES_SHOWN]) + more


def find_latest(root: Path, name: str) -> RunFolder:
    """The newest run of the experiment of that name. Raises ConfigError where there is none, and DataError
    where it is damaged: an older one is never taken in its place."""
    made_for = re.compile(rf"\d{{8}}-\d{{6}}_{re.escape(name)}(-\d+)?")
    for record in list_runs(root):
        if made_for.fullmatch(record.name):
            return _whole(record.path, f"the latest run of '{name}'")
    raise ConfigError(f"there is no latest run of '{name}': '{root}' holds none yet.")
