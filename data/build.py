"""Owns the choice of source: from what a config says about data to a schema, and to the splits."""

from __future__ import annotations

from ..specs.files import Arrays, ImageFolder, TableFiles
from ..specs.sources import AnySource, Headlines, Mnist, MultilabelMnist, MultiMnist
from .canvases import build_canvases, describe_canvases
from .headlines import build_headlines, describe_headlines
from .mnist_source import build_mnist, describe_mnist
from .multimnist import build_multimnist, describe_multimnist
from .preparation import Preparation
from .source import Source


def open_source(spec: AnySource, *, preparation: Preparation | None = None) -> Source:
    """The names, shapes and kinds of a source's inputs and targets, and the way to its rows.

    A user's files are read here, since only they tell their columns' sizes; other sources are described
    without reading. preparation: that of an earlier run, to prepare the rows as it did instead of learning
    from them.

    Raises ConfigError where the config asks for what the source cannot give, DataError and MachineError
    where a user's files cannot be read.
    """
    match spec:
        case Mnist():
            return Source(describe_mnist(spec), lambda: build_mnist(spec))
        case MultilabelMnist():
            return Source(describe_canvases(spec), lambda: build_canvases(spec))
        case MultiMnist():
            return Source(describe_multimnist(spec), lambda: build_multimnist(spec))
        case Headlines():
            return Source(describe_headlines(spec), lambda: build_headlines(spec))
        case TableFiles() | Arrays() | ImageFolder():
            return _open_files(spec, preparation)


def _open_files(spec: TableFiles | Arrays | ImageFolder, preparation: Preparation | None) -> Source:
    """The source of a user's own files, whose readers only such a config pays for."""
    if isinstance(spec, TableFiles):
        from .table_source import open_table

        return open_table(spec, preparation)
    if isinstance(spec, Arrays):
        from .arrays import open_arrays

        return open_arrays(spec)
    from .image_folder import open_image_folder

    return open_image_folder(spec)
