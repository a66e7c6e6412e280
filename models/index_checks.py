"""Indices go into an embedding that has a row for each of them, and nowhere else."""

from __future__ import annotations

from collections.abc import Sequence

from ..specs import layers as spec
from .context import InputSpec
from .layer import shape_error, written


def check_indices(layer: spec.LayerBase, name: str, reads: Sequence[InputSpec]) -> None:
    """Whether a layer may read what it is given; the indices themselves are checked with the data.

    Raises:
        ConfigError: an embedding of numbers, indices in any other layer, more indices than rows.
    """
    # The layers inside a replicate are checked one by one.
    if isinstance(layer, spec.Replicate):
        return
    held = [each.indices for each in reads if each.indices is not None]
    if isinstance(layer, spec.Embedding):
        if len(held) < len(reads):
            message = f"needs an input of indices, but reads numbers {written(reads[0].shape)}"
            raise shape_error(name, message, "of")
        if layer.input_dim is not None and max(held) > layer.input_dim:
            message = f"{layer.input_dim} rows are too few for the {max(held)} indices of its input"
            raise shape_error(name, message, "input_dim")
    elif held:
        raise shape_error(name, "reads indices, which only an embedding can; put one in between", "of")
