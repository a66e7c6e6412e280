"""One run, or two side by side, on stdout."""

from __future__ import annotations

import json
import shlex
from collections.abc import Mapping
from dataclasses import asdict
from datetime import timedelta
from typing import cast

from rich import box
from rich.console import Console
from rich.table import Table

from ..records.run_details import RunDetails
from ..records.run_diff import RunDiff, Sides
from ..records.text_tables import number_text
from .plain_text import cell, plain
from .render import metrics_table, result_console

_ABSENT = "(none)"


def render_run_details(details: RunDetails) -> None:
    """Its config, what it is and ran on, its scores, its files, and how it goes on."""
    console = result_console()
    _print_line(console, "config, without what is not set:")
    for line in _config_lines(details.config):
        _print_line(console, f"  {line}")
    for name, value in _facts(details).items():
        if value:
            _print_line(console, f"{name:<12}{value}")
    results = details.results
    if results.metrics:
        # The table escapes markup; what is no visible character is for us to show.
        visible = {key: _visible_keys(getattr(results, key)) for key in ("metrics", "baseline", "floors")}
        console.print(metrics_table({**asdict(results), **visible, "name": plain(details.name)}))
    for note in results.notes:
        _print_line(console, f"note: {note}")
    files = Table(box=box.SIMPLE_HEAD)
    files.add_column("file", overflow="fold")
    files.add_column("bytes", justify="right")
    for name, size in details.files.items():
        files.add_row(cell(name), f"{size:,}")
    console.print(files)
    if details.resume is not None:
        _print_line(console, f"to go on: {details.resume}")


def render_run_diff(diff: RunDiff) -> None:
    """The two runs, then what differs in their configs and environments, then their metrics."""
    console = result_console()
    head = Table(box=box.SIMPLE_HEAD)
    for heading in ("", "run", "status", "started", "epochs"):
        head.add_column(heading, overflow="fold")
    for side, details in (("A", diff.a), ("B", diff.b)):
        record = details.record
        facts = (side, str(record.path), record.status, record.started or "", str(record.epochs))
        head.add_row(*map(cell, facts))
    console.print(head)
    for title, entries in (("config", diff.config), ("environment", diff.environment)):
        if entries:
            console.print(_differences(title, entries))
        else:
            _print_line(console, f"{title}: no difference")
    if diff.metrics:
        console.print(_metrics(diff.metrics))


def _config_lines(config: Mapping[str, object]) -> list[str]:
    import yaml

    text = yaml.safe_dump(
        _set_values(config), sort_keys=False, allow_unicode=True, width=100, default_flow_style=None
    )
    return text.splitlines()


def _set_values(config: Mapping[str, object]) -> dict[str, object]:
    """What a config sets: most of what is null or empty in it was never written by anyone."""
    values = {
        key: _set_values(cast("dict[str, object]", value)) if isinstance(value, dict) else value
        for key, value in config.items()
    }
    return {key: value for key, value in values.items() if value is not None and value not in ({}, [])}


def _facts(details: RunDetails) -> dict[str, str]:
    record, results, environment = details.record, details.results, details.environment
    versions, machine, code = (_entries(environment, key) for key in ("versions", "machine", "code"))
    commit = str(code.get("commit") or "")
    best = f", best {results.best_epoch}" if results.best_epoch else ""
    command = environment.get("command")
    return {
        "run": str(record.path),
        "name": details.name,
        "status": record.status,
        "tags": ", ".join(record.tags),
        "started": record.started or "",
        "duration": _duration(details.seconds),
        "epochs": f"{record.epochs}{best}",
        "parameters": "" if results.parameters is None else f"{results.parameters:,}",
        "seed": "" if record.seed is None else str(record.seed),
        "device": _device(environment),
        "machine": ", ".join(str(machine[key]) for key in ("platform", "processor") if machine.get(key)),
        "versions": ", ".join(f"{name} {version}" for name, version in versions.items() if version),
        "commit": f"{commit} (with changes)" if commit and code.get("dirty") else commit,
        "data": str(environment.get("data_fingerprint") or ""),
        "command": shlex.join(command) if isinstance(command, list) else "",
    }


def _entries(environment: Mapping[str, object], key: str) -> Mapping[str, object]:
    value = environment.get(key)
    return cast("dict[str, object]", value) if isinstance(value, dict) else {}


def _device(environment: Mapping[str, object]) -> str:
    device, threads, precision = (environment.get(key) for key in ("device", "threads", "precision"))
    parts = [str(device or ""), _count(threads, "thread"), str(precision or "")]
    return ", ".join(part for part in parts if part)


def _count(number: object, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}" if isinstance(number, int) else ""


def _duration(seconds: float | None) -> str:
    if seconds is None:
        return ""
    return f"{seconds:.1f} s" if seconds < 60 else f"{timedelta(seconds=round(seconds))}"


def _differences(title: str, entries: Mapping[str, Sides]) -> Table:
    table = Table(title=title, box=box.SIMPLE_HEAD)
    for heading in ("key", "A", "B"):
        table.add_column(heading, overflow="fold")
    for key, sides in entries.items():
        table.add_row(cell(key), *(cell(_value(sides[side]) if side in sides else _ABSENT) for side in "ab"))
    return table


def _metrics(metrics: Mapping[str, Sides]) -> Table:
    table = Table(title="metrics", box=box.SIMPLE_HEAD)
    table.add_column("metric", overflow="fold")
    for heading in ("A", "B", "B - A"):
        table.add_column(heading, justify="right")
    for key, sides in metrics.items():
        a, b, difference = (_number(sides.get(side)) for side in ("a", "b", "difference"))
        table.add_row(cell(key), number_text(a), number_text(b), _difference_text(difference))
    return table


def _difference_text(value: float | None) -> str:
    """With its sign, in the places of its two numbers unless nothing would be left of it there."""
    if value is None:
        return ""
    return f"{value:+.4f}" if value == 0.0 or 5e-5 <= abs(value) < 1e4 else f"{value:+.1e}"


def _value(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _number(value: object) -> float | None:
    return value if isinstance(value, int | float) else None


def _visible_keys(numbers: Mapping[str, float | None]) -> dict[str, float | None]:
    return {plain(key): value for key, value in numbers.items()}


def _print_line(console: Console, line: str) -> None:
    console.print(cell(line), highlight=False, soft_wrap=True)
