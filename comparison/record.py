"""A comparison's folder as its settings and members: written when it starts, read back ever after."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import cast

from ..records.comparison_folder import ComparisonFolder
from ..records.run_folder import ENDED, RunFolder
from ..specs.errors import ConfigError, DataError
from ..specs.load import load_experiment
from ..specs.resolved import resolved_yaml
from .members import member_of_folder, name_slugs, seeds_of
from .plan import Plan
from .results import Finished, MemberResult, read_member
from .settings import Setting, Settings

FORMAT = 1

_PATIENCE_SECONDS = 20.0
_POLL_SECONDS = 0.2


def create_record(
    runs: Path, name: str, *, settings: Settings, plan: Plan, command: Sequence[str], threads: int
) -> ComparisonFolder:
    """A new folder that says all that is needed to go on without the command line it came from."""
    slugs = name_slugs([setting.name for setting in settings.settings])
    document: dict[str, object] = {
        "format": FORMAT,
        "command": list(command),
        "seeds": settings.seeds,
        "baseline": settings.baseline,
        "equal": settings.equal,
        "threads": threads,
        "settings": [
            {"name": setting.name, "file": f"{slugs[setting.name]}.yaml", "changes": dict(setting.changes)}
            for setting in settings.settings
        ],
        **plan.document(),
    }
    configs = {
        f"{slugs[setting.name]}.yaml": resolved_yaml(setting.experiment) for setting in settings.settings
    }
    return ComparisonFolder.create(runs, name, plan=document, configs=configs)


def read_settings(folder: ComparisonFolder) -> Settings:
    """The settings of a comparison. Raises DataError for a damaged folder."""
    plan = folder.read_plan()
    try:
        entries = cast("list[dict[str, object]]", plan["settings"])
        settings = tuple(
            Setting(
                str(entry["name"]),
                cast("Mapping[str, object]", entry["changes"]),
                load_experiment(str(folder.settings_path / str(entry["file"]))),
            )
            for entry in entries
        )
        equal = plan["equal"]
        seeds = plan["seeds"]
        assert isinstance(seeds, int), "a number of seeds"
        return Settings(settings, str(plan["baseline"]), seeds, None if equal is None else str(equal))
    except (KeyError, TypeError, AssertionError) as error:
        raise DataError(f"'{folder.path / 'plan.json'}' is damaged: {error!r}.") from error
    except ConfigError as error:
        raise DataError(list(error.problems)) from error


def read_members(folder: ComparisonFolder, settings: Settings) -> Finished:
    """What the members that have begun came to; the seed and setting of each are told by its name."""
    found = [
        read_member(run, setting=setting, seed=seed)
        for run, setting, seed in _member_runs(folder, settings).values()
    ]
    return Finished(settings.settings, tuple(_relative(folder, member) for member in found))


def begun_members(folder: ComparisonFolder, settings: Settings) -> dict[str, RunFolder]:
    """The runs of the members that have begun, by the member's name.

    Raises ConfigError for one that another process is still training.
    """
    runs = {name: run for name, (run, _, _) in _member_runs(folder, settings).items()}
    # The processes of a comparison that was killed end by themselves, each after its step.
    patience = time.monotonic() + _PATIENCE_SECONDS
    for run in runs.values():
        while run.status == "running" and time.monotonic() < patience:
            time.sleep(_POLL_SECONDS)
        if run.status == "running":
            raise ConfigError(
                f"member '{run.path}' is still being trained by another process; wait for it, or stop it."
            )
    return runs


def expected_members(settings: Settings) -> dict[str, tuple[str, int]]:
    """The setting and seed of every member, by the member's name."""
    slugs = name_slugs([setting.name for setting in settings.settings])
    return {
        f"{slugs[setting.name]}_seed{seed}": (setting.name, seed)
        for setting in settings.settings
        for seed in seeds_of(setting, settings.seeds)
    }


def _member_runs(folder: ComparisonFolder, settings: Settings) -> dict[str, tuple[RunFolder, str, int]]:
    """The run of each member that has one; of several, the one that ended, else the newest."""
    expected = expected_members(settings)
    runs: dict[str, tuple[RunFolder, str, int]] = {}
    for path in folder.member_folders():
        name = member_of_folder(path.name)
        if name not in expected:
            continue
        try:
            run = RunFolder.open(path)
        except ConfigError:
            folder.set_aside(RunFolder(path))
            continue
        if name not in runs or runs[name][0].status not in ENDED:
            runs[name] = (run, *expected[name])
    return {name: runs[name] for name in expected if name in runs}


def _relative(folder: ComparisonFolder, member: MemberResult) -> MemberResult:
    """Runs are told by their place within the folder, so that it can be moved."""
    return replace(member, run=str(Path(member.run).relative_to(folder.path)))
