"""Owns the source `images`: a folder with a folder of image files per class, and its splits.

Legend: N rows.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from ..specs.errors import ConfigError, DataError, MachineError, Problem, quoted, unknown_name
from ..specs.errors import Path as KeyPath
from ..specs.files import ColumnSplit, GroupSplit, ImageFolder, LastSplit, StratifiedSplit
from .file_paths import home_path
from .fingerprint import fingerprint_tables
from .image_files import ENDINGS, check_size, decode_images
from .row_splits import choose_target, split_rows
from .source import Source
from .stratify import LabelEntries
from .table import Field, Scale, Schema, Splits, Table


@dataclass(frozen=True, eq=False)
class _Listing:
    """Image files (N), sorted by class, then by path, and the number of each one's class (N)."""

    files: Sequence[Path]
    classes: NDArray[np.int64]


def open_image_folder(spec: ImageFolder) -> Source:
    """Input `image`, target `label`: classes are named by their folders, in order. Decodes nothing.

    Raises ConfigError for a size that images cannot have and for splits that have no meaning here,
    DataError for folders without classes or images, MachineError; reading the rows raises DataError also
    for damaged images.
    """
    check_size(spec.size, ("data", "size"))
    _check_split(spec)
    folders = {
        key: home_path(path, key=("data", key))
        for key in ("path", "validation_path", "test_path")
        if (path := getattr(spec, key)) is not None
    }
    _refuse_overlap(folders)
    names = _class_names(folders["path"], ("data", "path"))
    listings = {key: _list_images(folder, names, ("data", key)) for key, folder in folders.items()}
    schema = Schema(
        inputs={"image": Field(shape=(spec.channels, *spec.size), kind="image")},
        targets={"label": Field(shape=(), kind="classes", size=len(names), labels=names)},
    )
    return Source(schema, lambda: _build(spec, listings, schema))


def _build(spec: ImageFolder, listings: dict[str, _Listing], schema: Schema) -> Splits:
    listing = listings["path"]
    labels = LabelEntries.of_classes(listing.classes)
    rows = split_rows(spec, len(listing.files), labels=labels)
    images = decode_images(listing.files, size=spec.size, channels=spec.channels)
    train = _table(images[rows.train], listing.classes[rows.train])

    def other(key: str, split: NDArray[np.int64]) -> Table | None:
        own = listings.get(key)
        if own is not None:
            decoded = decode_images(own.files, size=spec.size, channels=spec.channels)
            return _table(decoded, own.classes)
        return _table(images[split], listing.classes[split]) if len(split) else None

    validation, test = other("validation_path", rows.validation), other("test_path", rows.test)
    return Splits(train, validation, test, schema, fingerprint_tables((train, validation, test)))


def _table(images: NDArray[np.uint8], classes: NDArray[np.int64]) -> Table:
    # A copy where they lie in the cache: tensors may not be made from memory that is read-only.
    values = torch.from_numpy(images if images.flags.writeable else np.array(images))
    scale = Scale(offset=0.0, divisor=255.0)
    return Table({"image": values}, {"label": torch.from_numpy(classes)}, scales={"image": scale})


def _check_split(spec: ImageFolder) -> None:
    if isinstance(spec.split, ColumnSplit | GroupSplit):
        message = "a folder of images has no columns to split by; use random or stratified."
        raise ConfigError(Problem(message, ("data", "split", "type")))
    if isinstance(spec.split, LastSplit):
        message = "images lie class by class, so the last are all of one class; use random or stratified."
        raise ConfigError(Problem(message, ("data", "split", "type")))
    if isinstance(spec.split, StratifiedSplit):
        choose_target(spec.split, ("label",), ("label",))


def _refuse_overlap(folders: dict[str, Path]) -> None:
    """Raises DataError where one folder is in another: images for testing would be trained on."""
    for key, folder in folders.items():
        for other, outer in folders.items():
            if key != other and folder.resolve().is_relative_to(outer.resolve()):
                message = f"'{folder}' is read for data.{other} too; keep the two apart."
                raise DataError(Problem(message, ("data", key)))


def _class_names(folder: Path, key: KeyPath) -> tuple[str, ...]:
    names = _subfolders(folder, key)
    if len(names) < 2:
        found = f"only {quoted(names[0])}" if names else "none"
        message = f"the folder '{folder}' needs a folder of images for each class, and holds {found}"
        raise DataError(Problem(message, key))
    return names


def _subfolders(folder: Path, key: KeyPath) -> tuple[str, ...]:
    try:
        with os.scandir(folder) as entries:
            return tuple(sorted(each.name for each in entries if each.is_dir() and each.name[0] != "."))
    except (FileNotFoundError, NotADirectoryError):
        raise DataError(Problem(f"no such folder: {quoted(str(folder))}", key)) from None
    except OSError as error:
        message = f"{quoted(str(folder))} cannot be read: {error.strerror}"
        raise MachineError(Problem(message, key)) from error


def _list_images(folder: Path, names: Sequence[str], key: KeyPath) -> _Listing:
    """The images of each class of `names`. Raises DataError for a class that is not among them."""
    files, classes, problems = list[Path](), list[int](), list[Problem]()
    for name in _subfolders(folder, key):
        if name not in names:
            problems.append(Problem(unknown_name("class", name, names, plural="classes"), key))
            continue
        found = _images_below(folder / name, key)
        if not found:
            problems.append(Problem(f"the folder '{folder / name}' holds no image", key))
        files += found
        classes += [names.index(name)] * len(found)
    if not files and not problems:
        problems.append(Problem(f"the folder '{folder}' holds no folder of images", key))
    if problems:
        raise DataError(problems)
    return _Listing(files, np.array(classes, dtype=np.int64))


def _images_below(folder: Path, key: KeyPath) -> list[Path]:
    """Files with the ending of an image, at any depth, sorted; hidden ones are left out."""

    def failed(error: OSError) -> None:
        raise MachineError(Problem(f"'{error.filename}' cannot be read: {error.strerror}", key)) from error

    return sorted(
        Path(parent, name)
        for parent, _, names in os.walk(folder, onerror=failed)
        for name in names
        if name.lower().endswith(ENDINGS) and not name.startswith(".")
    )
