"""What is known before judging: members by setting, the keys they share, and what cannot be compared."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from ..specs.flat import Flat, flatten, plain, varied_paths
from .keys import is_total
from .results import Finished, MemberResult
from .settings import Setting, totals_differ


@dataclass(frozen=True)
class Evidence:
    """The settings with their members.

    keys: all metric keys that may be judged, totals only where all settings sum the same; shared: those of
    every setting with a result; doubtful_terms: terms that are defined otherwise in some setting, so that
    their values are different quantities.
    """

    settings: tuple[Setting, ...]
    members: Mapping[str, tuple[MemberResult, ...]]
    baseline: str
    flats: Mapping[str, Flat]
    keys: tuple[str, ...]
    shared: tuple[str, ...]
    totals_differ: bool
    doubtful_terms: frozenset[str]

    @property
    def varied(self) -> list[str]:
        """The paths in which the settings differ."""
        return varied_paths(list(self.flats.values()))

    @property
    def term_outputs(self) -> dict[str, str]:
        """The output of every term, in the order of the losses."""
        return {
            name: loss.output for setting in self.settings for name, loss in setting.experiment.losses.items()
        }


def gather(finished: Finished, baseline: str) -> Evidence:
    """The evidence of finished members."""
    differ = totals_differ(finished.settings)
    members = {
        setting.name: tuple(member for member in finished.members if member.setting == setting.name)
        for setting in finished.settings
    }
    keys = dict.fromkeys(key for member in finished.members for key in member.metrics)
    judgeable = tuple(key for key in keys if not (differ and is_total(key)))
    return Evidence(
        settings=finished.settings,
        members=members,
        baseline=baseline,
        flats={setting.name: flatten(setting.experiment) for setting in finished.settings},
        keys=judgeable,
        shared=_shared(members, judgeable),
        totals_differ=differ,
        doubtful_terms=find_doubtful_terms(finished.settings),
    )


def find_doubtful_terms(settings: Sequence[Setting]) -> frozenset[str]:
    """The terms whose definition, all but their weight, is not the same in all settings."""
    definitions: dict[str, set[str]] = {}
    for setting in settings:
        for name, loss in setting.experiment.losses.items():
            definition = plain(loss.model_dump(exclude={"weight"}))
            definitions.setdefault(name, set()).add(repr(definition))
    return frozenset(name for name, found in definitions.items() if len(found) > 1)


def _shared(members: Mapping[str, Sequence[MemberResult]], keys: Sequence[str]) -> tuple[str, ...]:
    """The keys that every setting has of some member; a setting that diverged as a whole has no say."""
    owned = [{key for member in own for key in member.metrics} for own in members.values()]
    return tuple(key for key in keys if all(key in each for each in owned if each))
