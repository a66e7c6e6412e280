"""Owns the shape of data in memory: named tensors with one first axis, their scales, schema and splits.

Legend: N rows of a split, B rows of a batch, K members of a stack.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass, field
from typing import Literal

import torch
from torch import Tensor

FieldKind = Literal["image", "numbers", "tokens", "binary", "classes", "values"]

_LARGEST = torch.finfo(torch.float64).max


@dataclass(frozen=True, eq=False)
class Scale:
    """An input as the network sees it: `(x - offset) / divisor`, each broadcast against one row of it."""

    offset: Tensor | float
    divisor: Tensor | float

    def to(self, device: torch.device | str) -> Scale:
        """The same scale for tensors on `device`."""
        offset = self.offset.to(device) if isinstance(self.offset, Tensor) else self.offset
        return Scale(offset=offset, divisor=_as_divisor(self.divisor, device))

    def apply(self, values: Tensor) -> Tensor:
        """Floating `values` of any shape, scaled; never in place, since they may be a view of the table."""
        if isinstance(self.offset, Tensor) or self.offset != 0.0:
            values = values - self.offset
        return values / _as_divisor(self.divisor, values.device)


@dataclass(frozen=True, eq=False)
class Table:
    """Rows as named tensors of the same first axis N, on one device; images stay uint8 until batched.

    `weights` are columns of sample weights; `masks` are bool by target name, True where observed;
    `scales` are by input name. A batch is a table too, of [B, ...] or [K, B, ...], its scales applied.
    """

    inputs: dict[str, Tensor]
    targets: dict[str, Tensor]
    weights: dict[str, Tensor] = field(default_factory=dict[str, Tensor])
    masks: dict[str, Tensor] = field(default_factory=dict[str, Tensor])
    scales: dict[str, Scale] = field(default_factory=dict[str, Scale])

    def __post_init__(self) -> None:
        assert self.inputs or self.targets, "a table has at least one column"
        assert len({tensor.shape[0] for tensor in self._tensors()}) == 1, "all tensors have the same length"
        assert self.masks.keys() <= self.targets.keys(), "masks are named after targets"
        assert self.scales.keys() <= self.inputs.keys(), "scales are named after inputs"

    def __len__(self) -> int:
        return next(self._tensors()).shape[0]

    def reference(self, name: str) -> Tensor:
        """What a loss compares an output with: the target `name`, or the input (an autoencoder's)."""
        return self.targets[name] if name in self.targets else self.inputs[name]

    def to(self, device: torch.device | str) -> Table:
        """The same rows on `device`."""
        scales = {name: scale.to(device) for name, scale in self.scales.items()}
        return self._map(lambda tensor: tensor.to(device), scales)

    def select(self, names: Collection[str]) -> Table:
        """The same rows with only the inputs and targets in `names`; sample weights stay."""
        return Table(
            inputs={name: tensor for name, tensor in self.inputs.items() if name in names},
            targets={name: tensor for name, tensor in self.targets.items() if name in names},
            weights=self.weights,
            masks={name: mask for name, mask in self.masks.items() if name in names},
            scales={name: scale for name, scale in self.scales.items() if name in names},
        )

    def slice(self, start: int, stop: int) -> Table:
        """Rows `start` to `stop` (excluded), as views, not yet cast or scaled."""
        return self._map(lambda tensor: tensor[start:stop], self.scales)

    def gather(self, index: Tensor, dtype: torch.dtype) -> Table:
        """The rows at `index` (int64), as a batch: floating tensors and uint8 images as scaled `dtype`.

        `index` is [B], or [K, B] where each member has an order of its own; tensors become [B, ...] or
        [K, B, ...]. Integers (class ids, tokens) and masks keep their type.
        """
        flat = index.reshape(-1)
        if index.dim() == 1:
            return self._batch(lambda tensor: tensor.index_select(0, flat), dtype)

        def pick(tensor: Tensor) -> Tensor:
            return tensor.index_select(0, flat).reshape(*index.shape, *tensor.shape[1:])

        return self._batch(pick, dtype)

    def batch(self, start: int, stop: int, dtype: torch.dtype) -> Table:
        """Rows `start` to `stop` (excluded) as `gather` gives them, without an index."""
        return self._batch(lambda tensor: tensor[start:stop], dtype)

    def _tensors(self) -> Iterator[Tensor]:
        for group in (self.inputs, self.targets, self.weights, self.masks):
            yield from group.values()

    def _map(self, function: Callable[[Tensor], Tensor], scales: dict[str, Scale]) -> Table:
        return Table(
            inputs={name: function(tensor) for name, tensor in self.inputs.items()},
            targets={name: function(tensor) for name, tensor in self.targets.items()},
            weights={name: function(tensor) for name, tensor in self.weights.items()},
            masks={name: function(tensor) for name, tensor in self.masks.items()},
            scales=scales,
        )

    def _batch(self, pick: Callable[[Tensor], Tensor], dtype: torch.dtype) -> Table:
        rows = self._map(lambda tensor: _cast(pick(tensor), dtype), {})
        for name, scale in self.scales.items():
            rows.inputs[name] = scale.apply(rows.inputs[name])
        return rows


@dataclass(frozen=True)
class Unit:
    """How D columns of numbers became what a network is trained on: `(log1p(x) - offset) / divisor`, with
    an offset and a divisor per column."""

    log1p: bool
    offset: tuple[float, ...]
    divisor: tuple[float, ...]

    @property
    def is_identity(self) -> bool:
        """Whether the network is trained on the numbers as they are."""
        return not self.log1p and not any(self.offset) and set(self.divisor) <= {1.0}

    def restore(self, values: Tensor) -> Tensor:
        """Values (..., D) of the network in the units of the table, float64; NaN stays, and what is larger
        than any number becomes the largest."""
        offset, divisor = (
            torch.tensor(column, dtype=torch.float64, device=values.device)
            for column in (self.offset, self.divisor)
        )
        plain = values.double() * divisor + offset
        return (plain.expm1() if self.log1p else plain).clamp(-_LARGEST, _LARGEST)


@dataclass(frozen=True)
class Field:
    """What one input or target holds, known before any data is read.

    `shape` is that of one row; `size` the number of classes or the vocabulary; `labels` name the
    classes, or the entries of the last axis. `exclusive`: of a row's binary labels exactly one is true.
    `unit` is how a target's numbers came from those of a table, None where they are the same.
    """

    shape: tuple[int, ...]
    kind: FieldKind
    size: int | None = None
    labels: tuple[str, ...] = ()
    exclusive: bool = False
    unit: Unit | None = None


@dataclass(frozen=True)
class Schema:
    """The fields of a source by name; a loss's target may name any of them. `weights` are the names of the
    columns of sample weights."""

    inputs: dict[str, Field]
    targets: dict[str, Field]
    weights: frozenset[str] = frozenset()


@dataclass(frozen=True, eq=False)
class Splits:
    """A source's rows by purpose. `fingerprint` is the SHA-256 of the content of all splits, in hex.

    `optima` are the metrics of the true probabilities on the test rows (else validation, else train), by
    `{target}/{metric}/{what is seen}`; only a source that knows how its data arose has them. `notes` say
    what was met in a user's files: empty cells, constant columns and their like.
    """

    train: Table
    validation: Table | None
    test: Table | None
    schema: Schema
    fingerprint: str
    optima: dict[str, float] = field(default_factory=dict[str, float])
    notes: tuple[str, ...] = ()


def _as_divisor(divisor: Tensor | float, device: torch.device | str) -> Tensor:
    """The divisor as a tensor on `device`.

    CUDA multiplies by the reciprocal of a divisor that lives on the host, which is not the quotient
    that Keras and NumPy round to; a tensor on the device is divided by. float32 suffices for float64
    data too: 255 is exact, and a measured deviation is whatever it is stored as.
    """
    if isinstance(divisor, Tensor):
        return divisor.to(device)
    return torch.full((), divisor, dtype=torch.float32, device=device)


def _cast(values: Tensor, dtype: torch.dtype) -> Tensor:
    if values.is_floating_point() or values.dtype == torch.uint8:
        return values.to(dtype)
    return values
