"""The members of a comparison: every setting on every seed, each with a name that can be a file name."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from ..specs.errors import ConfigError
from ..specs.experiment import Experiment
from ..training.footprint import Footprint
from .settings import Setting

_FOREIGN = re.compile(r"[^A-Za-z0-9_]+")
_LONGEST_SLUG = 60
_HIGHEST_SEED = 2**32 - 1
_MEMBER_FOLDER = re.compile(r"\d{8}-\d{6}_(.+_seed\d+)(-\d+)?")


@dataclass(frozen=True)
class Member:
    """One setting on one seed: one run."""

    name: str
    setting: str
    seed: int
    experiment: Experiment
    footprint: Footprint


def spread_seeds(
    settings: Sequence[Setting], seeds: int, footprints: Mapping[str, Footprint]
) -> list[Member]:
    """The members, setting by setting, on the seeds from each config's own upwards.

    Their names are `<setting>_seed<seed>`, the setting spelt as a name of the specs. Raises ConfigError
    for seeds beyond the highest.
    """
    slugs = name_slugs([setting.name for setting in settings])
    members: list[Member] = []
    for setting in settings:
        for seed in seeds_of(setting, seeds):
            name = f"{slugs[setting.name]}_seed{seed}"
            experiment = setting.experiment.model_copy(update={"name": name, "seed": seed})
            members.append(Member(name, setting.name, seed, experiment, footprints[setting.name]))
    return members


def seeds_of(setting: Setting, seeds: int) -> range:
    """The seeds of one setting: `seeds` of them, from its config's on."""
    first = setting.experiment.seed
    if first + seeds - 1 > _HIGHEST_SEED:
        raise ConfigError(f"{seeds} seeds from {first} on go beyond the highest seed, {_HIGHEST_SEED}")
    return range(first, first + seeds)


def name_slugs(names: Sequence[str]) -> dict[str, str]:
    """Each name in letters, digits, `_` and `-` only, no two alike."""
    slugs: dict[str, str] = {}
    for name in names:
        slug = _FOREIGN.sub("-", name).strip("-") or "setting"
        if len(slug) > _LONGEST_SLUG:
            slug = f"{slug[: _LONGEST_SLUG - 9]}-{hashlib.sha256(name.encode()).hexdigest()[:8]}"
        unique, number = slug, 1
        while unique in slugs.values():
            number += 1
            unique = f"{slug}-{number}"
        slugs[name] = unique
    return slugs


def member_of_folder(folder_name: str) -> str | None:
    """The name of the member that a run folder was made for; None for any other folder."""
    matched = _MEMBER_FOLDER.fullmatch(folder_name)
    return matched[1] if matched else None
