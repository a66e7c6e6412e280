"""The formats that a run's network can be exported in."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal, get_args

from .errors import ConfigError, unknown_name

ExportFormat = Literal["onnx", "torch", "safetensors"]

FORMATS: tuple[ExportFormat, ...] = get_args(ExportFormat)

ENDINGS: Mapping[ExportFormat, str] = {"onnx": ".onnx", "torch": ".pt2", "safetensors": ".safetensors"}
"""Of the names of the files, by format."""


def choose_export(given: str, *, device: str | None) -> ExportFormat:
    """The format that `given` names. Raises ConfigError for none, and for a device that it has no use for."""
    if given not in FORMATS:
        raise ConfigError(f"--format: {unknown_name('format', given, FORMATS)}")
    if device is not None and given != "torch":
        raise ConfigError(f"--device has no effect with --format {given}, which is tied to no device.")
    return given
