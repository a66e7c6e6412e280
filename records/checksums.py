"""What the files of a run held when it ended: their sizes and SHA-256, in checksums.json."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import cast

from ..specs.errors import DataError, MachineError, quoted
from .atomic import disk_error, read_json, write_text
from .numbers import to_json

CHECKSUMS = "checksums.json"
JSON_FILES = (
    "environment.json",
    "plan.json",
    "preparation.json",
    "decisions.json",
    "nonfinite.json",
    "summary.json",
)
TABLES = (
    *("metrics.csv", "ledger.csv", "labels.csv", "values.csv", "gradients.csv"),
    *("timings.csv", "profile.csv"),
)


@dataclass(frozen=True)
class Damage:
    """A file of a run, by its name in the run's folder, and what is wrong with it."""

    file: str
    problem: str


@dataclass(frozen=True)
class _Fingerprint:
    sha256: str
    size: int


def write_checksums(folder: Path) -> None:
    """Write down what all files that are final when a run ends hold now. Raises MachineError."""
    found = {name: _fingerprint(folder / name) for name in _final_files(folder)}
    document = {name: {"sha256": each.sha256, "bytes": each.size} for name, each in found.items()}
    write_text(folder / CHECKSUMS, to_json(document))


def compare_checksums(folder: Path) -> list[Damage]:
    """The files that are not what they were when the run ended; its log, plots and tags may change.

    Raises DataError where checksums.json itself is damaged.
    """
    recorded, there = _read(folder / CHECKSUMS), _final_files(folder)
    problems = {name: _problem(folder / name, recorded[name], name in there) for name in recorded}
    problems |= {name: "it was not there when the run ended" for name in there if name not in recorded}
    return [Damage(name, problem) for name, problem in problems.items() if problem is not None]


def _final_files(folder: Path) -> list[str]:
    checkpoints = sorted(path.name for path in (folder / "checkpoints").glob("*.safetensors"))
    names = ["config.yaml", *JSON_FILES, *TABLES, *(f"checkpoints/{name}" for name in checkpoints)]
    return [name for name in names if (folder / name).is_file()]


def _problem(path: Path, recorded: _Fingerprint, is_there: bool) -> str | None:
    # Nothing but a run's own files is opened, whatever names a damaged list has.
    if not is_there:
        return "it is missing"
    try:
        found = _fingerprint(path)
    except MachineError as error:
        return str(error)
    if found.size != recorded.size:
        return f"it has {found.size} bytes, not the {recorded.size} that it had"
    return None if found.sha256 == recorded.sha256 else "its bytes are not those that it had (SHA-256)"


def _fingerprint(path: Path) -> _Fingerprint:
    try:
        with path.open("rb") as file:
            return _Fingerprint(hashlib.file_digest(file, "sha256").hexdigest(), file.tell())
    except OSError as error:
        raise disk_error("read", path, error) from error


def _read(path: Path) -> dict[str, _Fingerprint]:
    recorded: dict[str, _Fingerprint] = {}
    for name, entry in (read_json(path) or {}).items():
        fields = cast("dict[str, object]", entry) if isinstance(entry, dict) else {}
        sha256, size = fields.get("sha256"), fields.get("bytes")
        if not isinstance(sha256, str) or not isinstance(size, int):
            raise DataError(f"'{path}' is damaged: it gives no SHA-256 and size for {quoted(name)}.")
        recorded[name] = _Fingerprint(sha256, size)
    if not recorded:
        raise DataError(f"'{path}' is damaged: it names no file.")
    return recorded
