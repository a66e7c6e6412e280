"""Whether the files of a run are what they were when it ended, or at least can be read."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from ..specs.errors import DataError, MlxError
from .atomic import read_bytes, read_json
from .checkpoint_header import recorded_tables
from .checksums import CHECKSUMS, JSON_FILES, TABLES, Damage, compare_checksums
from .epoch_tables import TableState, check_tables
from .run_config import read_config
from .run_folder import RUN_FILES, RunFolder
from .sealed import is_intact
from .steady import read_steady
from .tables import read_table
from .tags import TAGS, read_tags


@dataclass(frozen=True)
class Verification:
    """How a run was checked: by the checksums of its end, or by whether its files can be read."""

    path: Path
    by: Literal["checksums", "contents"]
    damages: tuple[Damage, ...]


def verify_run(path: Path) -> Verification | None:
    """Check all files of the run in a folder, be it whole or damaged; None where it is there no more.

    A run that has ended is compared with its checksums.json, byte by byte. Of one without it (at work, lost,
    or ended half-way) tables and documents must be readable, checkpoints intact by the checksum within, and
    the tables must begin with what they held when the last checkpoint was written.
    """
    return read_steady(path, _verify, is_whole=lambda verification: not verification.damages)


def _verify(path: Path) -> Verification:
    verification = _by_checksums(path) if _has_checksums(path) else _by_contents(path)
    if verification.by == "checksums" and verification.damages and not _has_checksums(path):
        return _by_contents(path)  # it was resumed meanwhile
    return verification


def _has_checksums(path: Path) -> bool:
    try:
        return (path / CHECKSUMS).is_file() and RunFolder(path).status != "running"
    except MlxError:
        return True  # a document that its status needs is damaged


def _by_checksums(path: Path) -> Verification:
    try:
        damages = compare_checksums(path)
    except MlxError as error:
        damages = [_damage(path, CHECKSUMS, error), *_unreadable(path)]
    return Verification(
        path, "checksums", (*damages, *_tried(path, TAGS, lambda: read_tags(RunFolder(path))))
    )


def _by_contents(path: Path) -> Verification:
    missing = [Damage(name, "it is missing") for name in RUN_FILES if not (path / name).is_file()]
    tags = _tried(path, TAGS, lambda: read_tags(RunFolder(path)))
    unreadable = list(_unreadable(path))
    told = {damage.file for damage in unreadable}
    changed = [damage for damage in _changed_tables(path) if damage.file not in told]
    return Verification(path, "contents", (*missing, *unreadable, *changed, *tags))


def _changed_tables(path: Path) -> list[Damage]:
    """The tables that do not begin with what they held when the last checkpoint was written."""
    states = _last_tables(path)
    found = [
        damage
        for name, state in states.items()
        for damage in _tried(path, name, lambda name=name, state=state: check_tables(path, {name: state}))
    ]
    # Of a run that goes on meanwhile the tables are cut back, and belong to another checkpoint.
    return found if found and states == _last_tables(path) else []


def _last_tables(path: Path) -> dict[str, TableState]:
    try:
        data = read_bytes(RunFolder(path).checkpoint_path("last"))
    except MlxError:
        return {}
    return recorded_tables(data) if data is not None and is_intact(data) else {}


def _unreadable(path: Path) -> Iterator[Damage]:
    if (path / "config.yaml").is_file():
        yield from _tried(path, "config.yaml", lambda: read_config(RunFolder(path)))
    for name in JSON_FILES:
        yield from _tried(path, name, lambda name=name: read_json(path / name))
    for name in TABLES:
        yield from _tried(path, name, lambda name=name: read_table(path / name))
    for file in sorted((path / "checkpoints").glob("*.safetensors")):
        yield from _tried(path, f"checkpoints/{file.name}", lambda file=file: _read_checkpoint(file))


def _tried(path: Path, name: str, read: Callable[[], object]) -> list[Damage]:
    try:
        read()
    except MlxError as error:
        return [_damage(path, name, error)]
    return []


def _damage(path: Path, name: str, error: MlxError) -> Damage:
    """The error without what the damage says itself: the file, and that it is damaged."""
    problem = error.problems[0]
    place = "" if problem.line is None else f"line {problem.line}: "
    text = problem.message.removeprefix(f"'{path / name}' is damaged: ").removesuffix(".")
    return Damage(name, place + text)


def _read_checkpoint(path: Path) -> None:
    data = read_bytes(path)
    if data is not None and not is_intact(data):
        raise DataError(f"'{path}' is damaged: its checksum is not that of its bytes, or it carries none.")
