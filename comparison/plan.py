"""Which members are trained together: a fixed rule of configs, device, cores and memory, never a timing."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Literal, cast

from ..specs.experiment import Experiment
from ..specs.flat import Flat, flatten, plain, telling_paths, varied_paths
from ..specs.weighting import stackable
from ..specs.wording import number_text
from ..training.footprint import MEMORY_FORMULA, training_bytes
from .members import Member

Engine = Literal["stack", "single", "processes"]

KNOBS = re.compile(r"losses\.[^.]+\.(weight|label_smoothing)|optimizer\.learning_rate")
"""The paths that may differ within a stack, beside seed and name: they move a number, not the program."""

BUDGET_SHARE = 0.5
"""Of the available memory, what the members trained at one time may take."""

CONVOLUTION_REASON = "convolutions run faster one by one on a CPU"
SPREAD_REASON = "a stack per seed and core: members of one seed share their batches"

_CONVOLUTIONS = frozenset({"conv1d", "conv2d"})
_MOST_DIFFERENCES = 4


@dataclass(frozen=True)
class Stack:
    """Members that are trained by one call.

    engine: `stack` trains them in one step; `single` is one alone; `processes` trains `parts`, each a
    stack or one member, in `workers` processes of one thread each. memory_bytes: the estimate of what is
    held at one time. reason: why these are not one stack with others, or not a stack at all.
    """

    engine: Engine
    members: tuple[Member, ...]
    workers: int
    memory_bytes: int
    reason: str | None
    parts: tuple[tuple[Member, ...], ...] = ()

    def document(self) -> dict[str, object]:
        """The stack as plain JSON values."""
        return {
            "engine": self.engine,
            "members": [member.name for member in self.members],
            **({"parts": [[member.name for member in part] for part in self.parts]} if self.parts else {}),
            "workers": self.workers,
            "memory_bytes": self.memory_bytes,
            "reason": self.reason,
        }


@dataclass(frozen=True)
class Plan:
    """The stacks in the order in which they are trained, and what the rule was applied to."""

    stacks: tuple[Stack, ...]
    device: str
    cores: int
    memory_bytes: int
    budget_bytes: int

    @property
    def members(self) -> tuple[Member, ...]:
        """All members, stack by stack."""
        return tuple(member for stack in self.stacks for member in stack.members)

    def document(self) -> dict[str, object]:
        """The plan as plain JSON values."""
        return {
            "device": self.device,
            "cores": self.cores,
            "memory_bytes": self.memory_bytes,
            "budget_bytes": self.budget_bytes,
            "memory_formula": MEMORY_FORMULA,
            "stacks": [stack.document() for stack in self.stacks],
        }


def plan_stacks(members: Sequence[Member], *, device: str, cores: int, memory_bytes: int) -> Plan:
    """Group the members into stacks by all that must be equal within one.

    device: `cpu`, `cuda` or `cuda:N`. memory_bytes: what is available; members trained at one time take
    at most half of it by `MEMORY_FORMULA`, though one alone is always tried.
    """
    budget = int(memory_bytes * BUDGET_SHARE)
    groups = _groups(members)
    first_of_all = next(iter(groups.values()))[0] if groups else None
    stacks: list[Stack] = []
    for group in groups.values():
        is_other = first_of_all is not None and group[0] is not first_of_all
        reason = (
            _difference(first_of_all.experiment, group[0].experiment) if first_of_all and is_other else None
        )
        alone = _why_alone(group[0].experiment, device) if len(group) > 1 else None
        if alone is not None and device == "cpu":
            reasons = [alone, *([reason] if reason else [])]
            stacks.append(_one_by_one(group, cores=cores, budget=budget, reason="; ".join(reasons)))
        elif alone is not None:
            stacks += [_split([member], budget=budget, reason=alone)[0] for member in group]
        elif device == "cpu" and 1 < cores <= len(group) // 2:
            stacks.append(_spread(group, cores=cores, budget=budget, reason=reason))
        else:
            stacks += _split(group, budget=budget, reason=reason)
    return Plan(tuple(stacks), device, cores, memory_bytes, budget)


def member_bytes(member: Member) -> int:
    """What one member holds in memory while it trains, by `MEMORY_FORMULA`."""
    return training_bytes(member.experiment, member.footprint)


def has_convolution(experiment: Experiment) -> bool:
    """Whether any layer convolves, those inside of others too."""
    return _holds_convolution(plain(experiment.model.model_dump(by_alias=True)))


def _holds_convolution(value: object) -> bool:
    if isinstance(value, dict):
        mapping = cast("dict[str, object]", value)
        if mapping.get("type") in _CONVOLUTIONS:
            return True
        return any(_holds_convolution(item) for item in mapping.values())
    return False


def _groups(members: Sequence[Member]) -> dict[str, list[Member]]:
    """The members by all that must be equal in a stack."""
    keys: dict[str, str] = {}
    groups: dict[str, list[Member]] = {}
    for member in members:
        # Members of one setting differ in name and seed only.
        if member.setting not in keys:
            keys[member.setting] = repr(sorted(_structure(member.experiment).items()))
        groups.setdefault(keys[member.setting], []).append(member)
    return groups


def _structure(experiment: Experiment) -> Flat:
    return {path: value for path, value in flatten(experiment).items() if not KNOBS.fullmatch(path)}


def _difference(first: Experiment, other: Experiment) -> str:
    flats = [_structure(first), _structure(other)]
    paths = telling_paths(varied_paths(flats))
    shown = [_shown(path, flats) for path in paths[:_MOST_DIFFERENCES]]
    more = f" and {len(paths) - _MOST_DIFFERENCES} more" if len(paths) > _MOST_DIFFERENCES else ""
    return f"differs from stack 1 in {', '.join(shown)}{more}"


def _shown(path: str, flats: Sequence[Mapping[str, object]]) -> str:
    first, other = (number_text(flat[path]) if path in flat else "absent" for flat in flats)
    return f"{path} ({other}, not {first})"


def _why_alone(experiment: Experiment, device: str) -> str | None:
    """Why members like this one are not stacked at all, if they are not."""
    if not stackable(experiment.weighting):
        return f"weighting {experiment.weighting.type} takes every member by itself"
    # On the CPU a grouped convolution is slower than its parts one after another.
    if device == "cpu" and has_convolution(experiment):
        return CONVOLUTION_REASON
    return None


def _one_by_one(group: Sequence[Member], *, cores: int, budget: int, reason: str) -> Stack:
    each = max(member_bytes(member) for member in group)
    workers = max(1, min(cores, len(group), budget // max(each, 1)))
    parts = tuple((member,) for member in group)
    return Stack("processes", tuple(group), workers, workers * each, reason, parts)


def _spread(group: Sequence[Member], *, cores: int, budget: int, reason: str | None) -> Stack:
    """Stacks for worker processes: a seed's members together, cut so that every core has one."""
    each = max(member_bytes(member) for member in group)
    most = max(1, budget // (cores * max(each, 1)))
    by_seed: dict[int, list[Member]] = {}
    for member in group:
        by_seed.setdefault(member.experiment.seed, []).append(member)
    per_seed = math.ceil(cores / len(by_seed))
    parts: list[tuple[Member, ...]] = []
    for members in by_seed.values():
        count = min(len(members), max(per_seed, math.ceil(len(members) / most)))
        edges = [len(members) * edge // count for edge in range(count + 1)]
        parts += [tuple(members[start:end]) for start, end in pairwise(edges)]
    workers = min(cores, len(parts))
    held = workers * max(len(part) for part in parts) * each
    reasons = [SPREAD_REASON, *([reason] if reason else [])]
    return Stack("processes", tuple(group), workers, held, "; ".join(reasons), tuple(parts))


def _split(group: Sequence[Member], *, budget: int, reason: str | None) -> list[Stack]:
    """Stacks of nearly equal size, as few as the budget allows."""
    each = max(member_bytes(member) for member in group)
    most = max(1, budget // max(each, 1))
    parts = math.ceil(len(group) / most)
    reasons = [reason] if reason else []
    if parts > 1:
        reasons.append(f"at most {most} members fit into the memory budget of {budget} bytes")
    stacks: list[Stack] = []
    for part in range(parts):
        start, end = (len(group) * edge // parts for edge in (part, part + 1))
        engine: Engine = "stack" if end - start > 1 else "single"
        stacks.append(
            Stack(engine, tuple(group[start:end]), 1, (end - start) * each, "; ".join(reasons) or None)
        )
    return stacks
