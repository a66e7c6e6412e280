"""What a config may say of decisions: the thresholds that labels are decided at, and calibration."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from .base import Fraction

Thresholds = Fraction | Literal["f1"] | Annotated[dict[str, Fraction], Field(min_length=1)]
"""Of one output: a number for all of its labels, or numbers by label, the others keeping 0.5.

An entry is decided to be positive strictly above its threshold. `f1` gives every label the threshold of
the highest F1 on the validation rows. They count in the final scores; metrics per epoch stay at 0.5.
"""

CalibrationMethod = Literal["temperature"]
"""Of one output that ends in a sigmoid or softmax.

`temperature` divides its logits by one number, that of the lowest negative log-likelihood on the
validation rows (Guo et al. 2017, https://arxiv.org/abs/1706.04599). The losses stay as they are.
"""
