"""All that a run says of itself, arranged for reading: plain values alone, whatever its files hold."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TypeAlias, cast

from ..specs.errors import ConfigError
from .listing import RunRecord, finite_numbers, last_epoch_metrics, read_record
from .run_config import read_config
from .run_folder import RunFolder

RESUMABLE = ("interrupted", "lost", "failed")
"""How a run can have ended that is there to be resumed."""

Plain: TypeAlias = "bool | int | float | str | None"
Environment: TypeAlias = "dict[str, Plain | list[str] | dict[str, Plain]]"

_PLAIN = (bool, int, float, str, type(None))


@dataclass(frozen=True)
class Results:
    """What a run came to: its summary, or its last epoch where that has no metrics."""

    best_epoch: int | None
    epochs: int | None
    parameters: int | None
    metrics: Mapping[str, float | None]
    baseline: Mapping[str, float | None]
    floors: Mapping[str, float | None]
    notes: tuple[str, ...]


@dataclass(frozen=True)
class RunDetails:
    """One run. `name` is what its config calls it; `seconds` are from its start to its end, or until now;
    `files` are sizes in bytes by name; `resume` is the command that goes on with it, where it was stopped."""

    record: RunRecord
    name: str
    environment: Environment
    config_text: str
    config: Mapping[str, object]
    results: Results
    seconds: float | None
    files: Mapping[str, int]
    resume: str | None

    def document(self) -> dict[str, object]:
        """The details as JSON values."""
        record, results = self.record, self.results
        return {
            "run": str(record.path),
            "name": self.name,
            "status": record.status,
            "tags": record.tags,
            "started": record.started,
            "seconds": self.seconds,
            "seed": record.seed,
            "parameters": results.parameters,
            "best_epoch": results.best_epoch,
            "epochs": record.epochs,
            "environment": self.environment,
            "config": self.config,
            "metrics": results.metrics,
            "baseline": results.baseline,
            "floors": results.floors,
            "notes": results.notes,
            "files": self.files,
            "resume": self.resume,
        }


def describe_run(run: RunFolder) -> RunDetails:
    """The details of a run. Raises DataError if it is damaged, ConfigError if it is there no more."""
    config, environment = read_config(run), _environment(run)
    record = read_record(run.path)
    if record is None:
        raise ConfigError(f"'{run.path}' is not a run: there is no such folder (any more).")
    name = config.get("name")
    return RunDetails(
        record=record,
        name=name if isinstance(name, str) else record.name,
        environment=environment,
        config_text=run.config_text(),
        config=config,
        results=_results(run),
        seconds=_seconds(run, record),
        files=_files(run.path),
        resume=run.way_on() if record.status in RESUMABLE else None,
    )


def _environment(run: RunFolder) -> Environment:
    """Single values, mappings of them, and the words of the command."""
    kept: Environment = {}
    for key, value in run.read_environment().items():
        if isinstance(value, dict):
            entries = cast("dict[str, object]", value)
            kept[key] = {name: each for name, each in entries.items() if isinstance(each, _PLAIN)}
        elif isinstance(value, list):
            kept[key] = [str(word) for word in cast("list[object]", value) if isinstance(word, _PLAIN)]
        elif isinstance(value, _PLAIN):
            kept[key] = value
    return kept


def _results(run: RunFolder) -> Results:
    summary = run.read_summary()
    if summary is None:
        rows = run.read_metrics()
        epoch = rows[-1].get("epoch") if rows else None
        summary = {"best_epoch": epoch, "epochs": epoch}
    metrics = finite_numbers(summary.get("metrics"))
    if not metrics and summary.get("status") != "finished":
        metrics = last_epoch_metrics(run)
    notes = summary.get("notes")
    return Results(
        best_epoch=_count(summary.get("best_epoch")),
        epochs=_count(summary.get("epochs")),
        parameters=_count(summary.get("parameters")),
        metrics=metrics,
        baseline=finite_numbers(summary.get("baseline")),
        floors=finite_numbers(summary.get("floors")),
        notes=tuple(note for note in cast("list[object]", notes) if isinstance(note, str))
        if isinstance(notes, list)
        else (),
    )


def _count(value: object) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def _seconds(run: RunFolder, record: RunRecord) -> float | None:
    started = record.started_time
    if record.status == "running" and started is not None:
        return (datetime.now().astimezone() - started).total_seconds()
    return finite_numbers((run.read_summary() or {}).get("seconds")).get("total")


def _files(folder: Path) -> dict[str, int]:
    found: dict[str, int] = {}
    for path in sorted(folder.rglob("*")):
        try:
            if path.is_file() and not path.name.startswith("."):
                found[path.relative_to(folder).as_posix()] = path.stat().st_size
        except OSError:
            continue  # it went away, or is somebody else's
    return found
