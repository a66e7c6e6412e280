"""How targets, masks and weights of any accepted shape are brought over a prediction's entries.

Legend: B batch, T time, C classes or labels, K members of a stack. Shapes are matched, never broadcast
by chance: (B) beside (B, 1) is one value per example, not a (B, B) table.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from torch import Tensor

from ..specs.errors import ConfigError, DataError


@dataclass(frozen=True)
class Frame:
    """The entries of a prediction.

    `shape` is the prediction's without a member axis, `axis` the reduced axis counted from the end (so
    that it means the same with and without a member axis), `members` is K in a stack, else None.
    """

    shape: tuple[int, ...]
    axis: int
    members: int | None = None


def match_shapes(
    target: Tensor, prediction: Tensor, *, entrywise: bool, member_axis: bool
) -> tuple[Tensor, Tensor]:
    """Target and prediction with the same number of axes.

    Ranks that differ by one are reconciled through a last axis of 1, as Keras does. In a stack the
    prediction is (K, ...) and the target comes back as (1, ...) where the members share it, else (K, ...).
    Two vectors of an entrywise loss are one value per example, (B, 1).

    Raises:
        DataError: the shapes do not fit.
    """
    lead = int(member_axis)
    entries = tuple(prediction.shape[lead:])
    target = _with_member_axis(target, prediction, entries) if member_axis else target
    given = tuple(target.shape[lead:])
    if given == entries:
        if entrywise and len(entries) == 1:
            return target.unsqueeze(-1), prediction.unsqueeze(-1)
        return target, prediction
    if not _reconcilable(given, entries):
        raise DataError(_misfit("target", given, entries))
    if len(given) > len(entries):
        return (target, prediction.unsqueeze(-1)) if len(entries) == 1 else (target.squeeze(-1), prediction)
    return (target.unsqueeze(-1), prediction) if len(given) == 1 else (target, prediction.squeeze(-1))


def match_classes(target: Tensor, prediction: Tensor, *, axis: int, member_axis: bool) -> Tensor:
    """Class numbers with the shape of the prediction less its class axis (and K or 1 in front in a stack).

    Raises:
        DataError: the shapes do not fit.
    """
    lead = int(member_axis)
    entries = tuple(prediction.shape[lead:])
    kept = _replace(entries, axis, 1)
    rows = _without(entries, axis)
    given = tuple(target.shape)
    if given in (rows, kept):
        return target.reshape((1,) * lead + rows)
    if member_axis and given[:1] == tuple(prediction.shape[:1]) and given[1:] in (rows, kept):
        return target.reshape(given[:1] + rows)
    raise DataError(
        f"a target of class numbers of shape {_written(given)} does not fit a prediction of shape "
        f"{_written(entries)}; allowed: {_written(rows)}."
    )


def frame_of(prediction: Tensor, *, axis: int, member_axis: bool) -> Frame:
    """The frame of a prediction (B, ...) or (K, B, ...); `axis` counts without the member axis.

    Raises:
        ConfigError: the prediction has no such axis.
    """
    members = prediction.shape[0] if member_axis else None
    shape = tuple(prediction.shape[int(member_axis) :])
    rank = len(shape)
    if not -rank <= axis < rank:
        raise ConfigError(
            f"axis {axis} does not exist in a prediction of shape {_written(shape)}; "
            f"allowed: {-rank} to {rank - 1}."
        )
    return Frame(shape, axis if axis < 0 else axis - rank, members)


def place(values: Tensor, frame: Frame, what: str) -> Tensor:
    """A mask or sample weights with the frame's number of axes, ready to broadcast over its entries.

    Accepted: [], (B) aligned on the batch axis, one value per example element (the prediction's shape
    less its reduced axis, or the first axes of it), or the prediction's own rank with sizes of 1 or the
    entries'. In a stack a leading K may come on top; where a shape can be read either way it is shared
    by the members, so a tensor that differs by member should have the prediction's full rank.

    Raises:
        DataError: the shape fits in no way.
    """
    given = tuple(values.shape)
    if frame.members is None:
        shape = _placed(given, frame)
        lead = ()
    else:
        shared, own = _placed(given, frame), None
        if given[:1] == (frame.members,):
            own = _placed(given[1:], frame)
        full_rank = len(given) > len(frame.shape)
        takes_own = own is not None and (full_rank or shared is None)
        shape, lead = (own, given[:1]) if takes_own else (shared, (1,))
    if shape is None:
        raise DataError(_misfit(what, given, frame.shape))
    return values.reshape(lead + shape)


def place_entry_weight(
    weight: Tensor, given: Sequence[int], target: Tensor, *, units: Sequence[int], members: int | None
) -> Tensor:
    """Weights that follow a target of shape `given`, reshaped as `target` was, to broadcast over `units`.

    In a stack of `members`, weights of shape (K, *given) follow it member by member.

    Raises:
        DataError: the weights do not broadcast to the units (entries, or rows of a whole-row loss).
    """
    if tuple(weight.shape) == tuple(given):
        weight = weight.reshape(target.shape)
    elif members is not None and tuple(weight.shape) == (members, *given):
        weight = weight.reshape(weight.shape[:1] + target.shape[1:])
    if weight.ndim > len(units) or not _broadcasts(_padded(weight.shape, len(units)), units):
        raise DataError(_misfit("entry weights", weight.shape, units))
    return weight


def _with_member_axis(target: Tensor, prediction: Tensor, entries: tuple[int, ...]) -> Tensor:
    given = tuple(target.shape)
    if _reconcilable(given, entries):
        return target.unsqueeze(0)
    if given[:1] == tuple(prediction.shape[:1]) and _reconcilable(given[1:], entries):
        return target
    raise DataError(_misfit("target", given, entries))


def _reconcilable(given: tuple[int, ...], entries: tuple[int, ...]) -> bool:
    return given in (entries, (*entries, 1)) or (*given, 1) == entries


def _placed(given: tuple[int, ...], frame: Frame) -> tuple[int, ...] | None:
    """The shape, of the frame's rank, that carries values of shape `given` over the entries, if any."""
    rank = len(frame.shape)
    if len(given) == rank + 1 and given[-1] == 1:
        given = given[:-1]
    if len(given) < rank:
        rows = given + (1,) * (rank - 1 - len(given))
        position = rank + frame.axis
        given = (*rows[:position], 1, *rows[position:])
    return given if len(given) == rank and _broadcasts(given, frame.shape) else None


def _broadcasts(given: Sequence[int], onto: Sequence[int]) -> bool:
    return all(size in (1, full) for size, full in zip(given, onto, strict=True))


def _padded(given: Sequence[int], rank: int) -> tuple[int, ...]:
    return (1,) * (rank - len(given)) + tuple(given)


def _without(shape: tuple[int, ...], axis: int) -> tuple[int, ...]:
    position = len(shape) + axis
    return shape[:position] + shape[position + 1 :]


def _replace(shape: tuple[int, ...], axis: int, size: int) -> tuple[int, ...]:
    position = len(shape) + axis
    return (*shape[:position], size, *shape[position + 1 :])


def _misfit(what: str, given: Sequence[int], entries: Sequence[int]) -> str:
    return (
        f"{what} of shape {_written(given)} cannot be matched with a prediction of shape {_written(entries)}."
    )


def _written(shape: Sequence[int]) -> str:
    return f"({', '.join(str(size) for size in shape)})"
