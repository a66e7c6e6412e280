"""A loss as training calls it: one function for a batch or for K stacked members, masked and weighted."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from ..specs.errors import ConfigError
from .arguments import Axis, check_links, checked_axis, complete_own, definition_of
from .crossentropy import binary_crossentropy_mean
from .functions import Definition, OwnArgument, TargetKind
from .observation import hide, observe, per_row, per_weight
from .reduction import Weighting, reduce_values, standardize_reduction
from .shapes import Frame, frame_of, match_classes, match_shapes, place, place_entry_weight

_FULL_PRECISION = (torch.float32, torch.float64)


def build_loss(
    type: str,
    *,
    from_logits: bool = False,
    label_smoothing: float = 0.0,
    axis: Axis = "default",
    reduction: str = "sum_over_batch_size",
    name: str | None = None,
    **own: OwnArgument,
) -> Loss:
    """The loss of a type, with the type's own arguments (`LOSSES[type].own`) or their defaults.

    `axis` is -1 by default; dice and tversky alone know None, the whole batch, which is their default.

    Raises:
        ConfigError: no such type, argument or reduction, or a value that the type cannot use.
    """
    definition = definition_of(type)
    check_links(type, from_logits=from_logits, label_smoothing=label_smoothing)
    return Loss(
        type=type,
        name=name or type,
        definition=definition,
        reduction=standardize_reduction(reduction),
        from_logits=from_logits,
        label_smoothing=float(label_smoothing),
        axis=checked_axis(type, axis),
        own=complete_own(type, own),
    )


@dataclass(frozen=True, eq=False)
class Loss:
    """One configured loss. `axis` is the reduced axis, None for one value per batch."""

    type: str
    name: str
    definition: Definition
    reduction: str
    from_logits: bool
    label_smoothing: float
    axis: int | None
    own: Mapping[str, OwnArgument]

    @property
    def entrywise(self) -> bool:
        """Whether every entry has a value of its own, before a mean over the axis."""
        return self.definition.unit == "entry"

    @property
    def whole_batch(self) -> bool:
        """Whether the batch has one value that is no mean over its rows."""
        return self.axis is None

    @property
    def target_kind(self) -> TargetKind:
        """What the targets must be."""
        return self.definition.target_kind

    def __call__(
        self,
        target: Tensor,
        prediction: Tensor,
        sample_weight: Tensor | float | None = None,
        mask: Tensor | None = None,
        *,
        member_axis: bool = False,
        label_smoothing: Tensor | None = None,
        entry_weight: Tensor | None = None,
    ) -> Tensor:
        """The loss of a batch: [], or (K) with a member axis; reduction `none` keeps the examples.

        `prediction` is (B, ...), or (K, B, ...) with `member_axis`: the others may lack the K. `target`
        has its shape, without the axis if it holds class numbers. `sample_weight` and `mask` are (B), one
        per example element, or one per entry. `label_smoothing`, [] or (K), replaces the loss's own.
        `entry_weight` broadcasts to the entries (or whole rows) and multiplies before any mean.

        Raises:
            DataError: shapes that do not fit.
            ConfigError: an axis that does not exist, or a smoothing that has no effect.
        """
        is_plain = sample_weight is None and mask is None and entry_weight is None and not member_axis
        if is_plain and _has_one_kernel(self, target, prediction):
            smoothing = _smoothing(self, label_smoothing, target, member_axis)
            return _fused_mean(self, target, prediction, smoothing)
        given = tuple(target.shape)
        target, prediction, frame = _match(self, target, prediction, member_axis)
        smoothing = _smoothing(self, label_smoothing, target, member_axis)
        weighting = Weighting(
            observe(self.definition, self.own.get("ignore_class"), target, mask, frame),
            None if sample_weight is None else _placed(sample_weight, prediction, frame),
            None if entry_weight is None else _follow(self, entry_weight, given, target, frame),
        )
        target, prediction = hide(self.definition, target, prediction, weighting.observed, frame)
        if self.definition.unit == "region":
            return _region_loss(self, target, prediction, weighting, frame)
        values = _values(self, target, prediction, frame, smoothing)
        axis = frame.axis if self.entrywise else None
        weighting = weighting if self.entrywise else per_row(weighting, frame)
        return reduce_values(values, weighting, reduction=self.reduction, axis=axis, member_axis=member_axis)


def _match(loss: Loss, target: Tensor, prediction: Tensor, member_axis: bool) -> tuple[Tensor, Tensor, Frame]:
    """Target and prediction of one rank and a floating dtype, and the frame of the prediction's entries.

    Half precision is carried on in float32: 1 - 1e-7 is 1 in it.
    """
    prediction = prediction if prediction.dtype == torch.float64 else prediction.float()
    axis = -1 if loss.axis is None else loss.axis
    if loss.target_kind == "classes":
        frame = frame_of(prediction, axis=axis, member_axis=member_axis)
        return match_classes(target, prediction, axis=frame.axis, member_axis=member_axis), prediction, frame
    target, prediction = match_shapes(target, prediction, entrywise=loss.entrywise, member_axis=member_axis)
    return target.to(prediction.dtype), prediction, frame_of(prediction, axis=axis, member_axis=member_axis)


def _smoothing(loss: Loss, by_member: Tensor | None, target: Tensor, member_axis: bool) -> float | Tensor:
    """The smoothing, shaped to broadcast over the target where it differs by member."""
    if by_member is None:
        return loss.label_smoothing
    if "label_smoothing" not in loss.definition.passes:
        raise ConfigError(f"label_smoothing has no effect on {loss.type}.")
    assert by_member.ndim == 0 or member_axis, "a smoothing per member needs predictions per member"
    return by_member.reshape(by_member.shape + (1,) * (target.ndim - 1)) if by_member.ndim else by_member


def _placed(sample_weight: Tensor | float, prediction: Tensor, frame: Frame) -> Tensor:
    if not isinstance(sample_weight, Tensor):
        sample_weight = prediction.new_full((), sample_weight)
    return place(sample_weight, frame, "sample weights")


def _follow(loss: Loss, weight: Tensor, given: tuple[int, ...], target: Tensor, frame: Frame) -> Tensor:
    members = () if frame.members is None else (frame.members,)
    units = list(members + frame.shape)
    if loss.definition.unit == "row":
        del units[frame.axis]
    return place_entry_weight(weight, given, target, units=units, members=frame.members)


def _has_one_kernel(loss: Loss, target: Tensor, prediction: Tensor) -> bool:
    """Whether one function gives the mean over all entries, where none is weighed or masked."""
    if target.shape != prediction.shape or target.dtype != prediction.dtype:
        return False
    if loss.reduction != "sum_over_batch_size" or loss.axis != -1 or prediction.dtype not in _FULL_PRECISION:
        return False
    from_logits = loss.from_logits and loss.own.get("pos_weight") is None
    return loss.type == "mean_squared_error" or (loss.type == "binary_crossentropy" and from_logits)


def _fused_mean(loss: Loss, target: Tensor, prediction: Tensor, smoothing: float | Tensor) -> Tensor:
    if loss.type == "mean_squared_error":
        return torch.nn.functional.mse_loss(prediction, target)
    return binary_crossentropy_mean(target, prediction, label_smoothing=smoothing)


def _values(
    loss: Loss, target: Tensor, prediction: Tensor, frame: Frame, smoothing: float | Tensor
) -> Tensor:
    """One value per unit, (K, ...) in a stack."""
    offered = {
        "axis": frame.axis,
        "dims": tuple(range(-len(frame.shape), 0)),
        "from_logits": loss.from_logits,
        "label_smoothing": smoothing,
    }
    passed = {name: value for name, value in offered.items() if name in loss.definition.passes}
    own = {name: value for name, value in loss.own.items() if name != "ignore_class"}
    return loss.definition.function(target, prediction, **passed, **own)


def _region_loss(
    loss: Loss, target: Tensor, prediction: Tensor, weighting: Weighting, frame: Frame
) -> Tensor:
    """Masks and entry weights act inside the sums, sample weights on the value of the region."""
    observed, entry_weight = weighting.observed, weighting.entry_weight
    if entry_weight is not None and observed is not None:
        entry_weight = torch.where(observed, entry_weight, 0.0)
    every = tuple(range(-len(frame.shape), 0))
    dims = every if loss.axis is None else (frame.axis,)
    values = loss.definition.function(target, prediction, dims=dims, entry_weight=entry_weight, **loss.own)
    member_axis = frame.members is not None
    outer = Weighting(observed, weighting.sample_weight)
    if loss.axis is not None:
        outer = per_row(outer, frame)
    elif weighting.sample_weight is None:
        return values if observed is None else torch.where(observed.any(dim=every), values, 0.0)
    else:
        values, outer = per_weight(values, outer, frame)
    return reduce_values(values, outer, reduction=loss.reduction, axis=None, member_axis=member_axis)
