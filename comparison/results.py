"""What members came to, read back from their run folders."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import cast

from ..records.run_folder import RunFolder, Status
from ..specs.errors import ConfigError, DataError, Problem
from ..specs.flat import flatten, plain, varied_paths
from ..specs.load import load_experiment
from .grid import setting_name
from .settings import Setting


@dataclass(frozen=True)
class MemberResult:
    """One setting on one seed. `metrics` holds finite numbers only, and none of a member that diverged."""

    setting: str
    seed: int
    run: str
    status: Status
    metrics: Mapping[str, float] = field(default_factory=dict[str, float])
    fingerprint: str | None = None


@dataclass(frozen=True)
class Finished:
    """Settings with the results of their members."""

    settings: tuple[Setting, ...]
    members: tuple[MemberResult, ...]


def read_member(run: RunFolder, *, setting: str, seed: int) -> MemberResult:
    """The result of one run. Raises DataError for a damaged one."""
    summary = run.read_summary() or {}
    status = run.status
    fingerprint = run.read_environment().get("data_fingerprint")
    return MemberResult(
        setting=setting,
        seed=seed,
        run=str(run.path),
        status=status,
        # What a diverged run writes down is its best epoch before: no result of its setting.
        metrics=_finite_metrics(run, summary) if status == "finished" else {},
        fingerprint=fingerprint if isinstance(fingerprint, str) else None,
    )


def read_runs(paths: Sequence[Path]) -> Finished:
    """Finished runs as settings: those whose configs differ in name and seed alone are one.

    Raises ConfigError for runs that are half-written, unfinished, given twice or on other data;
    DataError for damaged ones.
    """
    runs = [_Run.read(path) for path in paths]
    _require_same_data(runs)
    groups: dict[str, list[_Run]] = {}
    for run in runs:
        groups.setdefault(f"{run.base_name} {sorted(run.flat.items())!r}", []).append(run)
    for group in groups.values():
        _require_distinct_seeds(group)
    firsts = [group[0] for group in groups.values()]
    settings = _named_settings(firsts)
    members = [
        read_member(run.folder, setting=setting.name, seed=run.seed)
        for setting, group in zip(settings, groups.values(), strict=True)
        for run in group
    ]
    return Finished(tuple(settings), tuple(members))


@dataclass(frozen=True)
class _Run:
    folder: RunFolder
    setting: Setting
    flat: dict[str, object]
    fingerprint: object

    @classmethod
    def read(cls, path: Path) -> _Run:
        folder = RunFolder.open(path)
        folder.read_summary()  # a damaged one is told as such, not as an end that is missing
        if folder.status not in ("finished", "diverged"):
            raise ConfigError(
                f"run '{path}' has not finished (status: {folder.status}); wait for it, resume it, or leave "
                "it out of the comparison."
            )
        try:
            experiment = load_experiment(str(path / "config.yaml"))
        except ConfigError as error:  # the program wrote it: whoever reads it now did not
            raise DataError(list(error.problems)) from error
        experiment = experiment.model_copy(update={"compare": None})
        fingerprint = folder.read_environment().get("data_fingerprint")
        name = experiment.name.removesuffix(f"_seed{experiment.seed}")
        return cls(folder, Setting(name, {}, experiment), flatten(experiment), fingerprint)

    @property
    def seed(self) -> int:
        return self.setting.experiment.seed

    @property
    def base_name(self) -> str:
        """The name of the experiment without that of the member."""
        return self.setting.name


def _finite_metrics(run: RunFolder, summary: Mapping[str, object]) -> dict[str, float]:
    metrics = summary.get("metrics")
    if not isinstance(metrics, dict):
        raise DataError(f"'{run.path / 'summary.json'}' is damaged: it has no metrics.")
    entries = cast("dict[str, object]", metrics)
    numbers = {key: float(value) for key, value in entries.items() if isinstance(value, int | float)}
    return {key: value for key, value in numbers.items() if math.isfinite(value)}


def _require_same_data(runs: Sequence[_Run]) -> None:
    first = runs[0]
    others = [run for run in runs if run.fingerprint != first.fingerprint]
    if others:
        raise ConfigError(
            [
                Problem(
                    f"run '{run.folder.path}' was trained on other data (fingerprint {run.fingerprint}) than "
                    f"'{first.folder.path}' ({first.fingerprint}): their scores cannot be compared."
                )
                for run in others
            ]
        )


def _require_distinct_seeds(group: Sequence[_Run]) -> None:
    by_seed: dict[int, _Run] = {}
    for run in group:
        other = by_seed.setdefault(run.seed, run)
        if other is not run:
            raise ConfigError(
                f"runs '{other.folder.path}' and '{run.folder.path}' have the same config and the same seed; "
                "leave one of them out."
            )


def _named_settings(firsts: Sequence[_Run]) -> list[Setting]:
    """One setting per group: named as its experiment where that tells it apart, else by what it changes."""
    flats = [run.flat for run in firsts]
    varied = varied_paths(flats)
    changes = [{path: plain(flat[path]) for path in varied if path in flat} for flat in flats]
    plain_names = [run.base_name for run in firsts]
    if len(set(plain_names)) < len(firsts):
        plain_names = [setting_name(each) for each in changes]
    return [
        Setting(name, each, run.setting.experiment)
        for name, each, run in zip(plain_names, changes, firsts, strict=True)
    ]
