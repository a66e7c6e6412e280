"""Example inputs beside what an autoencoder makes of them, as images."""

from __future__ import annotations

import torch
from torch import Tensor

from ..data import Table
from ..models import Network
from ..records.images import Images, write_images
from ..records.run_folder import RunFolder
from .blueprint import Blueprint

_EXAMPLES = 10


def keep_reconstructions(
    folder: RunFolder, blueprint: Blueprint, network: Network, table: Table, dtype: torch.dtype
) -> None:
    """Keep the first examples of every output whose target is an input of images."""
    batch = table.batch(0, min(_EXAMPLES, len(table)), dtype)
    for term in blueprint.objective.terms:
        field = blueprint.schema.inputs.get(term.target)
        side = None if field is None or field.kind != "image" else _side(field.shape)
        if side is None:
            continue
        network.eval()
        with torch.no_grad():
            value = network.score(batch.inputs)[term.output].value
        reference = batch.reference(term.target)
        images = {"input": _pixels(reference, side), "reconstruction": _pixels(_like(value, reference), side)}
        write_images(folder, term.output, images)


def _side(shape: tuple[int, ...]) -> int | None:
    """The side of a square grey image of this many entries, if it is one."""
    entries = 1
    for size in shape:
        entries *= size
    side = round(entries**0.5)
    return side if side * side == entries else None


def _like(values: Tensor, reference: Tensor) -> Tensor:
    """A softmax gives every image a sum of 1: shown at its input's sum, its shape can be seen."""
    if bool((values.flatten(1).sum(1) - 1.0).abs().max() < 1e-3):
        return values * reference.flatten(1).sum(1).reshape(-1, *(1,) * (values.dim() - 1))
    return values


def _pixels(values: Tensor, side: int) -> Images:
    scaled = (values.double() * 255.0).round().clamp(0, 255).to(torch.uint8)
    return scaled.reshape(-1, side, side).cpu().numpy()
