"""Owns the choice of source: from what a config says about data to a schema, or to the splits."""

from __future__ import annotations

from ..specs.sources import AnySource, Headlines, Mnist, MultilabelMnist, MultiMnist
from .canvases import build_canvases, describe_canvases
from .headlines import build_headlines, describe_headlines
from .mnist_source import build_mnist, describe_mnist
from .multimnist import build_multimnist, describe_multimnist
from .table import Schema, Splits


def describe_source(spec: AnySource) -> Schema:
    """The names, shapes and kinds of a source's inputs and targets; reads no data.

    Raises ConfigError where the config asks for what the source cannot give.
    """
    match spec:
        case Mnist():
            return describe_mnist(spec)
        case MultilabelMnist():
            return describe_canvases(spec)
        case MultiMnist():
            return describe_multimnist(spec)
        case Headlines():
            return describe_headlines(spec)


def build_splits(spec: AnySource) -> Splits:
    """The source's rows as train, validation and test tables on the CPU.

    Raises ConfigError where the config asks for what the source cannot give, DataError where the data
    are missing or damaged, MachineError where they cannot be read or do not fit into memory.
    """
    match spec:
        case Mnist():
            return build_mnist(spec)
        case MultilabelMnist():
            return build_canvases(spec)
        case MultiMnist():
            return build_multimnist(spec)
        case Headlines():
            return build_headlines(spec)
