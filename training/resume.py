"""Where a run or a stack that was stopped goes on: the newest checkpoint that all its members have whole."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import cast

from torch import Tensor

from ..records.atomic import link_file
from ..records.epoch_tables import TableState, check_tables
from ..records.run_folder import Checkpoint
from ..specs.errors import DataError
from ..specs.experiment import Experiment
from ..specs.flat import flatten
from .checkpoint import Facts, load_checkpoint
from .member_checkpoint import START, Position, Saved, check_facts, restore_watch
from .members import Divergence, Member

LENGTHENING = frozenset({"training.epochs", "training.checkpoint_minutes"})
"""The keys that a resumed run may change: they move no number of the epochs that are trained."""

_GENERATIONS: tuple[Checkpoint, ...] = ("last", "previous")


@dataclass(frozen=True, eq=False)
class Resumption:
    """Where to go on, and a checkpoint for each member; none where all begins anew.

    `notes` are for the user: what was damaged, and what was fallen back to. `seconds` of training lie
    before this position.
    """

    position: Position = START
    saved: tuple[Saved | None, ...] = ()
    notes: tuple[str, ...] = ()
    seconds: float = 0.0


FRESH = Resumption()


def identify(experiment: Experiment, fingerprint: str) -> str:
    """What tells the checkpoints of this experiment on these data from those of any other."""
    flat = {path: value for path, value in flatten(experiment).items() if path not in LENGTHENING}
    text = json.dumps([flat, experiment.seed, fingerprint], sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()


def resume_members(members: Sequence[Member]) -> Resumption:
    """Bring the members that have not ended, and their folders, to the newest position that all share.

    Where nothing was saved whole they begin anew. Raises DataError where that would throw away what was
    saved: a checkpoint that is whole but does not fit its folder, or a member that lost all of its own.
    """
    going = [member for member in members if not member.ended]
    notes: list[str] = []
    candidates = [_candidates(member, notes) for member in going]
    position, chosen = _newest_shared(candidates)
    if not chosen:
        _require_nothing_to_lose(members, candidates)
        for member in going:
            member.folder.clear()
            member.folder.reopen()
        return Resumption(notes=(*notes, "nothing was saved whole before the stop: training begins anew"))
    by_member: dict[int, Saved] = {}
    for member, own, which in zip(going, candidates, chosen, strict=True):
        if which == "previous":
            # The next checkpoint puts the last one in the place of this, so the last one must be whole.
            path = member.folder.checkpoint_path
            link_file(path("previous"), path("last"))
        by_member[id(member)] = own[which]
        _restore(member, own[which])
    saved = tuple(by_member.get(id(member)) for member in members)
    seconds = sum(float(row["seconds"] or 0) for row in going[0].folder.read_timings()) if going else 0.0
    return Resumption(position, saved, tuple(notes), seconds)


def _require_nothing_to_lose(
    members: Sequence[Member], candidates: Sequence[Mapping[Checkpoint, Saved]]
) -> None:
    """Members that were killed at their first checkpoint begin anew; what has come further does not."""
    has_more = any("previous" in own for own in candidates) or any(member.ended for member in members)
    if len(members) == 1 or not candidates or not has_more:
        return
    going = [member for member in members if not member.ended]
    bare = [member.folder.name for member, own in zip(going, candidates, strict=True) if not own]
    raise DataError(
        f"{', '.join(bare) or 'the members'} cannot go on with the other members of the stack: no checkpoint "
        "is left at which all were saved. Bring back what was removed, or begin a new comparison."
    )


def _newest_shared(
    candidates: Sequence[Mapping[Checkpoint, Saved]],
) -> tuple[Position, Sequence[Checkpoint]]:
    """The newest position at which every member was saved, or had stopped before; a checkpoint for each.

    Two generations are kept, so members that were saved one after the other always share one.
    """
    for position in sorted({each.position for own in candidates for each in own.values()}, reverse=True):
        chosen = [_choose(own, position) for own in candidates]
        if None not in chosen:
            return position, cast("list[Checkpoint]", chosen)
    return START, []


def _restore(member: Member, saved: Saved) -> None:
    """Bring a member and its folder to a checkpoint of its own."""
    facts = saved.member
    member.folder.reopen()
    member.folder.cut_tables(_tables(saved))
    restore_watch(member.watch, cast("Mapping[str, object]", saved.facts["watch"]))
    member.best_row, member.best_weights = facts["best_row"], facts["best_weights"]
    member.last_row, member.last_epoch = facts["last_row"], facts["last_epoch"]
    member.kept_epoch, member.stopped = facts["kept_epoch"], facts["stopped"]
    member.skipped = facts["skipped"]
    if member.kept_epoch:
        member.best = saved.part("best") or saved.part("model")
        member.save_best()
    if facts["diverged_at"] is not None:
        member.diverged = Divergence(facts["diverged_at"], saved.part("model"), saved.weights, saved.left_out)


def _candidates(member: Member, notes: list[str]) -> dict[Checkpoint, Saved]:
    """The whole checkpoints of a member that are its own.

    Raises DataError where there are whole ones, and none that fits.
    """
    found: dict[Checkpoint, Saved] = {}
    misfits: list[str] = []
    for which in _GENERATIONS:
        path = member.folder.checkpoint_path(which)
        if not path.exists():
            continue
        try:
            tensors, facts = load_checkpoint(path)
        except DataError as error:
            notes.append(f"{str(error).rstrip('.')}; it is left out")
            continue
        try:
            found[which] = _understand(member, which, tensors, facts)
        except DataError as error:
            misfits.append(str(error).rstrip("."))
    if misfits and not found:
        raise DataError(
            f"run '{member.folder.name}' cannot go on: {'; '.join(misfits)}. Bring back what was changed, or "
            "begin a new run; nothing was removed."
        )
    notes += [f"{misfit}; it is left out" for misfit in misfits]
    return found


def _understand(member: Member, which: Checkpoint, tensors: Mapping[str, Tensor], facts: Facts) -> Saved:
    path = str(member.folder.checkpoint_path(which))
    if facts.get("identity") != member.identity:
        raise DataError(f"{path!r} belongs to another run: its config, seed or data are not these")
    try:
        position = cast("Mapping[str, int]", facts["position"])
        saved = Saved(Position(int(position["epoch"]), int(position["step"])), dict(tensors), facts)
        tables = _tables(saved)
        check_facts(saved, expected=member.watch)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise DataError(f"{path!r} is not a checkpoint of a run: {error!r}") from None
    check_tables(member.folder.path, tables)
    return saved


def _tables(saved: Saved) -> dict[str, TableState]:
    states = cast("Mapping[str, Mapping[str, object]]", saved.facts["tables"])
    return {name: TableState(cast("int", each["size"]), str(each["sha256"])) for name, each in states.items()}


def _choose(own: Mapping[Checkpoint, Saved], position: Position) -> Checkpoint | None:
    """The checkpoint by which a member is at a position; one that had stopped stays where it was."""
    for which, saved in own.items():
        if saved.position == position or (saved.member["stopped"] and saved.position < position):
            return which
    return None
