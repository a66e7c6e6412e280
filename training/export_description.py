"""What stands beside an exported network: all that its user needs to fill its inputs and read its outputs."""

from __future__ import annotations

from dataclasses import asdict
from importlib import metadata
from typing import cast

import torch
from torch import Tensor

from ..data import Scale
from .trained_run import TrainedRun

FORMAT = 1
"""Of the description: raised when it changes so that older readers would misread it."""

_PACKAGES = ("mlx-runner", "torch", "onnx", "onnxscript", "safetensors")


def describe_export(run: TrainedRun, file_format: str, facts: dict[str, object]) -> dict[str, object]:
    """The description as JSON values: inputs and outputs by name, and the preparation of a table, if any."""
    preparation = run.preparation
    return {
        "format": FORMAT,
        "run": run.folder.name,
        "export": {"format": file_format, **facts},
        "inputs": {name: _describe_input(run, name) for name in run.inputs},
        "outputs": {name: _describe_output(run, name) for name in run.network.graph.outputs},
        "preparation": None if preparation is None else preparation.document(),
        "versions": {name: version for name in _PACKAGES if (version := _version(name)) is not None},
    }


def _describe_input(run: TrainedRun, name: str) -> dict[str, object]:
    field, scale = run.blueprint.schema.inputs[name], run.scales.get(name)
    dtype = torch.int64 if run.inputs[name].indices is not None else run.dtype
    return {
        "shape": list(field.shape),
        "dtype": str(dtype).removeprefix("torch."),
        "kind": field.kind,
        "size": field.size,
        "labels": list(field.labels),
        "scale": None if scale is None else _describe_scale(scale),
    }


def _describe_output(run: TrainedRun, name: str) -> dict[str, object]:
    network = run.network
    described: dict[str, object] = {
        "shape": list(network.shapes[name]),
        "dtype": str(run.dtype).removeprefix("torch."),
        "activation": network.activations[name],
        "temperature": run.decisions.temperatures.get(name, 1.0),
        "target": None,
    }
    plan = next((each for each in run.blueprint.metrics if each.output == name), None)
    if plan is None:
        return described
    schema = run.blueprint.schema
    field = schema.targets.get(plan.target) or schema.inputs[plan.target]
    described |= {"target": plan.target, "kind": field.kind, "labels": list(field.labels)}
    if field.kind == "binary":
        described["thresholds"] = run.thresholds(name)
    if field.unit is not None:
        # (log1p(x) - offset) / divisor, by column, is what the output gives.
        described["unit"] = asdict(field.unit)
    return described


def _describe_scale(scale: Scale) -> dict[str, object]:
    """(x - offset) / divisor"""
    return {"offset": _plain(scale.offset), "divisor": _plain(scale.divisor)}


def _plain(number: Tensor | float) -> object:
    return cast("object", number.tolist()) if isinstance(number, Tensor) else number


def _version(name: str) -> str | None:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None
