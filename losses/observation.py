"""Which entries are observed, and what stands in the place of the others.

Legend: B batch, K members of a stack. `observed` has the prediction's number of axes and broadcasts to it.
"""

from __future__ import annotations

import torch
from torch import Tensor

from ..specs.errors import DataError
from .functions import Definition, OwnArgument
from .reduction import Weighting
from .shapes import Frame, place


def observe(
    definition: Definition, ignore_class: OwnArgument, target: Tensor, mask: Tensor | None, frame: Frame
) -> Tensor | None:
    """Where anything counts, None for everywhere.

    A loss of whole rows observes a row only where all its entries are observed: a distribution with a
    hole in it is not known. Class numbers equal to `ignore_class` are not observed.
    """
    observed = None if mask is None else place(mask.to(torch.bool), frame, "a mask")
    if observed is not None and definition.unit == "row":
        observed = observed.all(frame.axis, keepdim=True)
    if not isinstance(ignore_class, int):
        return observed
    kept = torch.ne(target, ignore_class).unsqueeze(frame.axis)
    return kept if observed is None else observed & kept


def hide(
    definition: Definition, target: Tensor, prediction: Tensor, observed: Tensor | None, frame: Frame
) -> tuple[Tensor, Tensor]:
    """The inputs with safe constants where nothing is observed; class numbers come back as integers.

    Acting on the inputs keeps NaN targets out of the gradient too, which a zero weight would not. The
    constants give every loss a finite value and slope; inside the sums of a region they add nothing.
    """
    classes = definition.target_kind == "classes"
    if observed is not None:
        known = observed.squeeze(frame.axis) if classes else observed
        region = definition.unit == "region"
        target = torch.where(known, target, 0 if classes or region else 1)
        prediction = torch.where(observed, prediction, 0.0 if region else 0.5)
    return (target.to(torch.int64) if classes else target), prediction


def per_row(weighting: Weighting, frame: Frame) -> Weighting:
    """The weighting without the axis that a row's value has consumed; entry weights are per row already.

    Raises:
        DataError: sample weights that differ inside a row.
    """
    observed, weight = weighting.observed, weighting.sample_weight
    if weight is not None and weight.shape[frame.axis] != 1:
        raise DataError(
            f"sample weights of shape {tuple(weight.shape)} differ along axis {frame.axis}, where this loss "
            "has one value for the whole row; allowed: one weight per row."
        )
    return Weighting(
        None if observed is None else observed.any(frame.axis),
        None if weight is None else weight.squeeze(frame.axis),
        weighting.entry_weight,
    )


def per_weight(values: Tensor, weighting: Weighting, frame: Frame) -> tuple[Tensor, Weighting]:
    """The value of a whole batch, [] or (K), once for every sample weight, as Keras repeats it.

    What a weight covers is observed where any entry of it is.
    """
    observed, weight = weighting.observed, weighting.sample_weight
    assert weight is not None
    rank = len(frame.shape)
    values = values.reshape(values.shape + (1,) * rank)
    if observed is not None:
        covered = [axis for axis in range(-rank, 0) if weight.shape[axis] == 1]
        observed = observed.any(dim=covered, keepdim=True) if covered else observed
    return values.expand(torch.broadcast_shapes(values.shape, weight.shape)), Weighting(observed, weight)
