"""Which of the runs in a folder a list shows, and in which order."""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from pathlib import Path
from typing import cast, get_args

from ..specs.errors import ConfigError, MlxError, quoted, unknown_name
from ..specs.metrics import LOWER_IS_BETTER
from ..specs.wording import either
from .conditions import Condition
from .listing import RunRecord, list_runs, natural
from .run_folder import RunFolder, Status

FIXED_KEYS = ("name", "status", "tag", "started", "epochs", "seed")
"""What every run can be asked for, beside its metrics and the values of its config."""

CONFIG = "config."
STATUSES = (*get_args(Status), "damaged")

_LONGEST_KEY = 200
_KEYS_SHOWN = 12


@dataclass(frozen=True)
class Selection:
    """What a list is asked for. `metrics` are the keys that it shows."""

    conditions: tuple[Condition, ...] = ()
    metrics: tuple[str, ...] = ()
    sort: str | None = None
    reverse: bool = False
    limit: int | None = None


def select_runs(root: Path, selection: Selection) -> list[RunRecord]:
    """The runs under `root` of which all conditions hold, sorted: newest first, metrics best first, all else
    rising; those without the key last.

    A run without a key matches no condition on it. Raises ConfigError for a key that no run has, and for a
    condition that cannot hold for what the runs have under it; MachineError where `root` cannot be read.
    """
    runs = [_Run(record) for record in list_runs(root)]
    for condition in selection.conditions:
        _check_key(root, runs, condition.key)
        _check_kind(runs, condition)
    if selection.sort is not None:
        _check_key(root, runs, selection.sort)
    metrics = list(dict.fromkeys(key for run in runs for key in run.record.metrics))
    for key in selection.metrics:
        if runs and key not in metrics:
            raise _unknown(root, "metric", key, known=metrics, listing=_first(metrics))
    kept = [run for run in runs if all(run.matches(condition) for condition in selection.conditions)]
    ordered = _ordered(kept, selection.sort, reverse=selection.reverse)
    return [run.record for run in ordered[: selection.limit]]


@dataclass(frozen=True)
class _Run:
    record: RunRecord

    @cached_property
    def config(self) -> Mapping[str, object]:
        """Every value by `config.` and its path; nothing where the config cannot be read (any more)."""
        # Only now: most lists do without YAML.
        from .run_config import read_flat_config

        try:
            values = read_flat_config(RunFolder(self.record.path))
        except MlxError:
            return {}
        return {CONFIG + path: value for path, value in values.items()}

    @cached_property
    def facts(self) -> Mapping[str, object]:
        record = self.record
        # Without its time a name is what the user gave to the run.
        names = [record.name, record.name.partition("_")[2] or record.name]
        values = (names, record.status, record.tags, record.started_time, record.epochs, record.seed)
        return {**record.metrics, **dict(zip(FIXED_KEYS, values, strict=True))}

    def values(self, key: str) -> Mapping[str, object]:
        """Those among which `key` is."""
        return self.config if key.startswith(CONFIG) else self.facts

    def has(self, key: str) -> bool:
        return key in self.values(key)

    def matches(self, condition: Condition) -> bool:
        return self.has(condition.key) and condition.holds(self.values(condition.key)[condition.key])


def _check_key(root: Path, runs: Sequence[_Run], key: str) -> None:
    if not runs or any(run.has(key) for run in runs):
        return
    known = list(dict.fromkeys(each for run in runs for each in run.values(key)))
    if "." in key and not key.startswith(CONFIG):
        known += dict.fromkeys(each for run in runs for each in run.config)
    metrics = [each for run in runs for each in run.record.metrics]
    listing = [*FIXED_KEYS, f"{CONFIG}KEY", *_first(metrics)]
    raise _unknown(root, "key", key, known=known, listing=listing)


def _unknown(root: Path, kind: str, key: str, *, known: Sequence[str], listing: Sequence[str]) -> ConfigError:
    near = _nearest(key, known) if len(key) <= _LONGEST_KEY else []
    hint = f"; did you mean {either([*map(quoted, near)])}?" if near else "."
    names = f"{kind.capitalize()}s: {', '.join(listing) or 'none'}."
    return ConfigError(f"no run in '{root}' has the {kind} {quoted(key)}{hint} {names}")


def _nearest(key: str, known: Sequence[str]) -> list[str]:
    """Those that `key` may have meant. Of keys of a config the last part tells most: the same one, the
    initials of its words (`lr`), or its beginning."""
    parent, _, last = key.removeprefix(CONFIG).rpartition(".")
    paths = {each: each.removeprefix(CONFIG).rpartition(".") for each in known if each.startswith(CONFIG)}
    alike = [each for each, (_, _, name) in paths.items() if last and _may_mean(last, name)]
    # Beside the others in the place that was given, where any are.
    alike = [each for each in alike if paths[each][0] == parent] or alike
    return alike[:3] or difflib.get_close_matches(key, known, n=3)


def _may_mean(given: str, name: str) -> bool:
    initials = "".join(word[:1] for word in name.split("_"))
    return given in (name, initials) or (len(given) > 1 and name.startswith(given))


def _first(keys: Sequence[str]) -> list[str]:
    """The first keys, each once, and how many more there are."""
    distinct = list(dict.fromkeys(keys))
    more = len(distinct) - _KEYS_SHOWN
    return distinct if more <= 0 else [*distinct[:_KEYS_SHOWN], f"and {more} more"]


def _check_kind(runs: Sequence[_Run], condition: Condition) -> None:
    """Raises ConfigError where the condition cannot hold for any run, whatever the numbers and texts are."""
    if condition.key == "status" and condition.operator in ("=", "!=") and condition.text not in STATUSES:
        raise ConfigError(unknown_name("status", condition.text, STATUSES, plural="statuses"))
    found = [run.values(condition.key)[condition.key] for run in runs if run.has(condition.key)]
    known = [value for value in found if value is not None]
    if known and not any(condition.can_hold(value) for value in known):
        raise ConfigError(f"{quoted(str(condition))} can be true of no run: {_advice(condition, known[0])}.")


def _advice(condition: Condition, value: object) -> str:
    key = quoted(condition.key)
    if isinstance(value, list | tuple):
        return _advice(condition, next(iter(cast("list[object]", value)), ""))
    if isinstance(value, str):
        return f"{key} is text; ask with =, != or ~ (contains)"
    if isinstance(value, datetime):
        return f"{key} is a time; compare it with one, such as 2026-11-01 or 2026-11-01T10:30"
    if isinstance(value, bool):
        return f"{key} is true or false; ask for one of them with = or !="
    if condition.operator == "~":
        return f"{key} is a number; compare it with =, !=, <, <=, > or >="
    return f"{key} is a number; compare it with a number, not {quoted(condition.text)}"


def _ordered(runs: Sequence[_Run], key: str | None, *, reverse: bool) -> list[_Run]:
    if key is None:
        return list(runs)[::-1] if reverse else list(runs)
    values = [(run.values(key).get(key), run) for run in runs]
    known = [(_rank(value), run) for value, run in values if value is not None]
    is_metric = any(key in run.record.metrics for run in runs)
    falls = key == "started" or (is_metric and key.rpartition("/")[2] not in LOWER_IS_BETTER)
    known.sort(key=lambda ranked: ranked[0], reverse=falls != reverse)
    return [run for _, run in known] + [run for value, run in values if value is None]


def _rank(value: object) -> tuple[int, float, tuple[str, int]]:
    """Numbers before times before texts; a list by its first entry."""
    if isinstance(value, list | tuple):
        return _rank(next(iter(cast("list[object]", value)), ""))
    if isinstance(value, int | float):
        return 0, value, ("", 0)
    if isinstance(value, datetime):
        return 1, value.timestamp(), ("", 0)
    return 2, 0.0, natural(str(value))
