"""A network on a whole split: its ledger and its outputs, and those of the trivial prediction.

Legend: N rows of the split, R rows of the ledger, K members of a stack.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor

from ..data import Table
from ..losses import Ledger, Objective, total_up
from ..models import Network, Output
from .step import Trainee, score_batch

View = Callable[[Mapping[str, Output]], Mapping[str, Output]]

# Rows scored at once where the result does not depend on how the rows are split.
_EVALUATION_ROWS = 1000


@dataclass(frozen=True, eq=False)
class Collected:
    """Outputs by name, (N, ...) or (K, N, ...), and which steps of padded sequences count."""

    values: dict[str, Tensor]
    masks: dict[str, Tensor] = field(default_factory=dict[str, Tensor])


@dataclass(frozen=True, eq=False)
class Evaluation:
    """One split's scores. `ledger` holds means over the rows; `values` the outputs, (N, ...) or
    (K, N, ...), of those outputs that have metrics; `masks` which steps of a padded sequence count."""

    ledger: Ledger
    values: dict[str, Tensor]
    masks: dict[str, Tensor] = field(default_factory=dict[str, Tensor])


class LedgerMeans:
    """Example-weighted running means of ledgers: sum n_b v_b / sum n_b, as Keras reports an epoch."""

    def __init__(self) -> None:
        self.rows: Tensor | int = 0
        self._total: Tensor | None = None
        self._last: Ledger | None = None

    @classmethod
    def load(cls, total: Tensor, rows: Tensor | int, last: Ledger) -> LedgerMeans:
        """Continue from the `total` and `rows` of other means; `last` has the names and weights of theirs."""
        means = cls()
        means._total, means.rows, means._last = total, rows, last
        return means

    def add(self, ledger: Ledger, rows: int, counted: Tensor | None = None) -> None:
        """One batch of `rows` rows; nothing waits for the device.

        counted: bool [] or (K), the members for which the batch counts; it does for all by default.
        """
        raw = ledger.raw.detach()
        if counted is not None:
            # Not times 0, which leaves a NaN what it is.
            raw = torch.where(counted, raw, torch.zeros_like(raw))
        self._total = raw * rows if self._total is None else self._total.add_(raw, alpha=rows)
        self.rows = self.rows + (rows if counted is None else counted * rows)
        self._last = ledger

    def read_terms(self) -> dict[str, float]:
        """The terms' means so far, by name (of the first member in a stack); waits for the device."""
        ledger = self.ledger()
        return {name: float(value.flatten()[0]) for name, value in zip(ledger.names, ledger.raw, strict=True)}

    def ledger(self) -> Ledger:
        """The ledger of the means so far."""
        return total_up(self.last.terms, self.last.regularizers, self.total / self.rows, self.last.weights)

    @property
    def total(self) -> Tensor:
        """sum n_b v_b, (R) or (R, K); `rows` is sum n_b, a tensor where members count different batches."""
        assert self._total is not None, "no batch has been added"
        return self._total

    @property
    def last(self) -> Ledger:
        """The ledger of the last batch."""
        assert self._last is not None, "no batch has been added"
        return self._last


def evaluate(
    trainee: Trainee, table: Table, *, batch_size: int, keep: Sequence[str], view: View | None = None
) -> Evaluation:
    """Score all rows of `table` in evaluation mode, keeping the values of the outputs in `keep`.

    `view` is what becomes of a batch's outputs before they are kept; the ledger is that of the outputs as
    they are.
    """
    network, objective = trainee.network, trainee.objective
    dtype = next(network.parameters()).dtype
    rows_at_once = _rows_at_once(network, objective, table, batch_size)
    means = LedgerMeans()
    kept: dict[str, list[Tensor]] = {name: [] for name in keep}
    masks: dict[str, list[Tensor]] = {}
    network.eval()
    with torch.no_grad():
        for batch in _batches(table, rows_at_once, dtype):
            outputs, ledger = score_batch(network, objective, trainee.knobs, batch)
            means.add(ledger, len(batch))
            seen = outputs if view is None else view(outputs)
            for name in keep:
                kept[name].append(seen[name].value)
                if (mask := seen[name].mask) is not None:
                    masks.setdefault(name, []).append(mask)
    network.train()
    axis = 0 if network.members is None else 1
    return Evaluation(
        means.ledger(),
        {name: torch.cat(parts, axis) for name, parts in kept.items()},
        {name: torch.cat(parts, axis) for name, parts in masks.items()},
    )


def reference_rows(table: Table, name: str, dtype: torch.dtype) -> Tensor:
    """All rows of a target, or of an input that serves as one, scaled where it is an image."""
    if name in table.targets:
        return table.targets[name]
    return table.select({name}).batch(0, len(table), dtype).reference(name)


def reference_pieces(table: Table, name: str, dtype: torch.dtype) -> Iterator[tuple[Tensor, Tensor | None]]:
    """`reference_rows` and their mask, some rows at a time."""
    for start in range(0, max(len(table), 1), _EVALUATION_ROWS):
        rows = table.slice(start, min(start + _EVALUATION_ROWS, len(table)))
        yield reference_rows(rows, name, dtype), rows.masks.get(name)


def trivial_outputs(
    constants: Mapping[str, Tensor], activations: Mapping[str, str], rows: int, dtype: torch.dtype
) -> dict[str, Output]:
    """What a network would give that always predicts `constants`, by output."""
    outputs: dict[str, Output] = {}
    for name, constant in constants.items():
        values = constant.to(dtype).expand(rows, *constant.shape)
        if activations[name] == "sigmoid":
            outputs[name] = Output(torch.logit(values.clamp(1e-7, 1 - 1e-7)), torch.sigmoid)
        elif activations[name] == "softmax":
            outputs[name] = Output(
                torch.log(values.clamp(min=1e-7)), lambda logits: torch.softmax(logits, -1)
            )
        else:
            outputs[name] = Output(values, None)
    return outputs


def _rows_at_once(network: Network, objective: Objective, table: Table, batch_size: int) -> int:
    averaged = (
        objective.partition_free
        and not table.masks
        and not network.masked.intersection(network.graph.outputs)
    )
    if not averaged or any(penalty.activity for penalty in network.penalties):
        return batch_size
    return max(batch_size, _EVALUATION_ROWS)


def _batches(table: Table, rows_at_once: int, dtype: torch.dtype) -> Iterator[Table]:
    for start in range(0, len(table), rows_at_once):
        yield table.batch(start, min(start + rows_at_once, len(table)), dtype)
