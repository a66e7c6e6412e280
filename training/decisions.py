"""What was found once a network was trained: its labels' thresholds and its outputs' temperatures.

Legend: L labels.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated

import torch
from pydantic import Field, ValidationError
from torch import Tensor

from ..models import Output
from ..specs.base import Spec
from ..specs.errors import DataError


class Decisions(Spec):
    """Thresholds by output and label, temperatures by output; an output that is not named has none.

    An entry is positive strictly above its label's threshold, which is of calibrated probabilities where
    the output has a temperature too.
    """

    thresholds: dict[str, dict[str, float]] = Field(default_factory=dict[str, dict[str, float]])
    temperatures: dict[str, Annotated[float, Field(gt=0.0)]] = Field(default_factory=dict[str, float])

    @classmethod
    def load(cls, document: Mapping[str, object] | None) -> Decisions:
        """Those of a document as `document` gives it; none where there is none.

        Raises:
            DataError: it is damaged.
        """
        try:
            return cls.model_validate(document or {})
        except ValidationError as error:
            first = error.errors(include_url=False)[0]
            place = ".".join(map(str, first["loc"]))
            raise DataError(f"decisions.json is damaged: {place}: {first['msg']}") from None

    def document(self) -> dict[str, object]:
        """Plain JSON values."""
        return self.model_dump(mode="json")

    def __bool__(self) -> bool:
        return bool(self.thresholds or self.temperatures)

    def apply(self, outputs: Mapping[str, Output]) -> dict[str, Output]:
        """The outputs of a network, calibrated: their logits divided by their temperature."""
        return {
            name: output.divided(self.temperatures[name]) if name in self.temperatures else output
            for name, output in outputs.items()
        }

    def label_thresholds(self, labels: Mapping[str, Sequence[str]]) -> dict[str, Tensor]:
        """The thresholds in the order of each output's `labels`, float64 (L), of those that have any.

        Raises:
            DataError: they are of other labels.
        """
        found: dict[str, Tensor] = {}
        for output, own in self.thresholds.items():
            expected = labels.get(output, ())
            if own.keys() != set(expected):
                raise DataError(
                    f"the thresholds of {output!r} are of other labels than it has: {', '.join(own)}; "
                    f"it has {', '.join(expected) or 'none'}."
                )
            found[output] = torch.tensor([own[label] for label in expected], dtype=torch.float64)
        return found
