"""What a checkpoint of one member holds of a trainee, and bringing a trainee back to it.

Legend: T terms, R rows of a ledger, P parameters, K members of a stack.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, TypedDict, cast

import torch
from torch import Tensor

from ..losses import total_up
from ..specs.errors import DataError
from .checkpoint import Facts, load_member_state, member_state
from .epoch_rows import pick_member
from .evaluate import LedgerMeans
from .monitor import Watch
from .step import Trainee
from .weighting import KeptWeights, keep_weights


@dataclass(frozen=True, order=True)
class Position:
    """Where training is: the epochs that are closed, and the steps made of the next one."""

    epoch: int = 0
    step: int = 0

    def __str__(self) -> str:
        return f"epoch {self.epoch}" + (f" and {self.step} steps" if self.step else "")

    def document(self) -> dict[str, int]:
        """The position as plain JSON values."""
        return asdict(self)


START = Position()


class MemberFacts(TypedDict):
    """A member's own course so far, as plain JSON values."""

    best_row: dict[str, float]
    best_weights: KeptWeights
    kept_epoch: int
    last_row: dict[str, float]
    last_epoch: int
    stopped: bool
    skipped: int
    diverged_at: int | None


@dataclass(frozen=True, eq=False)
class Saved:
    """A checkpoint of one member, read."""

    position: Position
    tensors: dict[str, Tensor]
    facts: Facts

    @property
    def member(self) -> MemberFacts:
        """The member's course."""
        return cast("MemberFacts", self.facts["member"])

    @property
    def weights(self) -> KeptWeights:
        """The terms' weights that were in force."""
        return cast(
            "KeptWeights", {key: self.facts[key] for key in ("weights", "offsets") if key in self.facts}
        )

    @property
    def left_out(self) -> int:
        """The steps that were left out before the one that ended the run."""
        return max(int(_number(self, "skipped")) - 1, 0)

    def part(self, prefix: str) -> dict[str, Tensor]:
        """The tensors of one part, by their names in it."""
        start = f"{prefix}/"
        return {
            name.removeprefix(start): each for name, each in self.tensors.items() if name.startswith(start)
        }


def capture_moving(
    trainee: Trainee, member: int | None, means: LedgerMeans | None
) -> tuple[dict[str, Tensor], Facts]:
    """All of a trainee that moves while it trains, of one member, as a single network has it."""
    tensors = named("model", member_state(trainee.network, member))
    for prefix, state in (("optimizer", trainee.optimizer.slots), ("weighting", trainee.weighting.state())):
        tensors |= named(prefix, {name: pick_member(each, member) for name, each in state.items()})
    facts: Facts = {
        "steps": trainee.optimizer.steps,
        "noise_step": int(trainee.network.noise.step),
        "learning_rate_factor": trainee.optimizer.factors[member or 0],
        "frozen": float(pick_member(trainee.frozen, member)),
        "frozen_at": int(pick_member(trainee.frozen_at, member)),
        "skipped": int(pick_member(trainee.skipped, member)),
        **keep_weights(trainee, member),
    }
    if means is not None:
        ledger, rows = means.last, means.rows
        tensors |= named("means", {"total": _column(means.total, member)})
        tensors |= named("means", {"weights": _column(ledger.weights.detach(), member)})
        if isinstance(rows, Tensor):
            tensors |= named("means", {"rows": pick_member(rows, member)})
        names: dict[str, object] = {"terms": ledger.terms, "regularizers": ledger.regularizers}
        facts["means"] = names | {"rows": None if isinstance(rows, Tensor) else rows}
    return tensors, facts


def check_facts(saved: Saved, *, expected: Watch) -> None:
    """Raises KeyError or TypeError where a checkpoint lacks what is needed to go on from it."""
    for name in ("steps", "noise_step", "learning_rate_factor", "frozen", "frozen_at", "skipped"):
        if not isinstance(saved.facts[name], int | float):
            raise TypeError(f"{name} is {saved.facts[name]!r}")
    watch = cast("Mapping[str, Any]", saved.facts["watch"])
    plateau = {} if expected.plateau is None else dict.fromkeys(_PLATEAU)
    owners = (
        (saved.member, MemberFacts.__annotations__),
        (watch, _WATCHED),
        (watch.get("plateau", {}), plateau),
    )
    for owner, names in owners:
        if missing := [name for name in names if name not in owner]:
            raise KeyError(missing[0])
    if saved.position.step and "total" not in saved.part("means"):
        raise KeyError("means")


def check_fit(trainee: Trainee, saved: Saved) -> None:
    """Raises DataError where a checkpoint has other tensors or terms than a member of this trainee."""
    member = None if trainee.network.members is None else 0
    expected, _ = capture_moving(trainee, member, None)
    if saved.part("best"):
        expected |= named("best", member_state(trainee.network, member))
    for name, each in expected.items():
        if name not in saved.tensors or saved.tensors[name].shape != each.shape:
            raise DataError(f"a checkpoint does not fit its network: {name} is missing or of another shape.")
    terms = _terms(keep_weights(trainee, member))
    best = saved.member["best_weights"]
    if _terms(saved.weights) != terms or (saved.member["kept_epoch"] and _terms(best) != terms):
        raise DataError("a checkpoint does not fit its network: its weights are of other terms.")


def restore_moving(trainee: Trainee, saved: Sequence[Saved]) -> None:
    """Bring a trainee to where its members were saved, in the order of its rows: all at one position.

    Raises DataError where they are of another network.
    """
    for each in saved:
        check_fit(trainee, each)
    stacked = trainee.network.members is not None
    for row, each in enumerate(saved):
        load_member_state(trainee.network, row if stacked else None, each.part("model"))
        trainee.optimizer.factors[row] = _number(each, "learning_rate_factor")
        place = row if stacked else ...
        trainee.frozen[place] = _number(each, "frozen")
        trainee.frozen_for[place] = _number(each, "frozen") * (
            _number(each, "steps") - _number(each, "frozen_at")
        )
        trainee.skipped[place] = int(_number(each, "skipped"))
    parts = [each.part("optimizer") for each in saved]
    for name, slot in trainee.optimizer.slots.items():
        slot.copy_(_joined([part[name] for part in parts], stacked=stacked))
    states = [each.part("weighting") for each in saved]
    trainee.weighting.load_state(
        {name: _joined([state[name] for state in states], stacked=stacked) for name in states[0]}
    )
    trainee.optimizer.steps = int(_number(saved[0], "steps"))
    trainee.network.noise.step.fill_(int(_number(saved[0], "noise_step")))


def restore_means(trainee: Trainee, saved: Sequence[Saved]) -> LedgerMeans:
    """The means of the part of an epoch that was trained before these checkpoints."""
    stacked = trainee.network.members is not None
    known = cast("Mapping[str, Any]", saved[0].facts["means"])
    parts = [each.part("means") for each in saved]
    total, weights = (
        _joined([part[name] for part in parts], stacked=stacked, axis=-1).to(trainee.frozen.device)
        for name in ("total", "weights")
    )
    rows = known["rows"]
    if rows is None:
        rows = _joined([part["rows"] for part in parts], stacked=stacked).to(trainee.frozen.device)
    last = total_up(tuple(known["terms"]), tuple(known["regularizers"]), total, weights)
    return LedgerMeans.load(total, rows, last)


def watch_facts(watch: Watch) -> Facts:
    """The state of a watch, as plain JSON values."""
    plateau = watch.plateau
    facts: Facts = {name: getattr(watch, name) for name in _WATCHED}
    if plateau is not None:
        facts["plateau"] = {name: getattr(plateau, name) for name in _PLATEAU}
    return facts


def restore_watch(watch: Watch, facts: Mapping[str, Any]) -> None:
    """Bring a watch to the state in which it was saved."""
    for name in _WATCHED:
        setattr(watch, name, facts[name])
    if watch.plateau is not None:
        for name in _PLATEAU:
            setattr(watch.plateau, name, facts["plateau"][name])


def named(prefix: str, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Tensors under the names that a checkpoint has for one part."""
    return {f"{prefix}/{name}": tensor for name, tensor in tensors.items()}


_WATCHED = ("best_epoch", "best_value", "epochs_since_best")
_PLATEAU = ("factor", "best", "waited", "cooling")


def _number(saved: Saved, name: str) -> float:
    value = saved.facts[name]
    assert isinstance(value, int | float), f"{name} is a number in every checkpoint of this format"
    return value


def _terms(weights: KeptWeights) -> dict[str, set[str]]:
    return {key: set(terms) for key, terms in weights.items()}


def _column(values: Tensor, member: int | None) -> Tensor:
    """A member's part of a tensor whose last axis is the member's."""
    return values if member is None else values[..., member]


def _joined(parts: Sequence[Tensor], *, stacked: bool, axis: int = 0) -> Tensor:
    return torch.stack(list(parts), axis) if stacked else parts[0]
