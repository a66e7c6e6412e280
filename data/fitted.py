"""What all fitted encoders keep, and their way to plain JSON values."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from ..specs.base import Spec
from ..specs.errors import Path
from .encoder import Document

FORMAT = 1
"""Of the documents of encoders: raised when they change so that older ones would be read wrongly."""


class Fitted(Spec):
    """An encoder as what it learned: plain values that are checked when they are read back.

    `notes` say what was met while fitting; they are not kept.
    """

    format: Literal[1] = FORMAT
    name: str
    notes: tuple[str, ...] = Field(default=(), exclude=True)

    def document(self) -> Document:
        """Plain JSON values, from which `load_encoder` makes an encoder that encodes the same."""
        return self.model_dump(mode="json")


class FittedInput(Fitted):
    """An encoder of an input."""

    role: Literal["inputs"] = "inputs"

    @property
    def path(self) -> Path:
        """Where the config says how it is read."""
        return input_path(self.name)


class FittedTarget(Fitted):
    """An encoder of a target."""

    role: Literal["targets"] = "targets"

    @property
    def path(self) -> Path:
        """Where the config says how it is read."""
        return target_path(self.name)


def input_path(name: str) -> Path:
    """Where the config says how an input is read."""
    return ("data", "inputs", name)


def target_path(name: str) -> Path:
    """Where the config says how a target is read."""
    return ("data", "targets", name)
