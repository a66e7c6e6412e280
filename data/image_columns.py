"""Owns the type `image`: a column of paths of image files, as an input.

Legend: N rows, C channels, H height, W width.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import numpy as np
import torch
from pydantic import BeforeValidator, Field

from ..specs.base import as_tuple
from ..specs.columns import ImageFile
from . import table
from .cells import CellReader
from .encoder import Encoded
from .file_paths import home_path
from .fitted import FittedInput, input_path
from .frame import Frame
from .image_files import check_size, decode_images


class ImageColumn(FittedInput):
    """(N, C, H, W) uint8. Nothing is learned but where the files are and what they are resized to.

    `keep`: decoded images are kept in the user's cache folder; worth it for rows that are read again.
    """

    type: Literal["image"] = "image"
    column: str
    root: str
    size: Annotated[tuple[int, int], BeforeValidator(as_tuple)]
    channels: Literal[1, 3]
    keep: bool = Field(default=True, exclude=True)

    @property
    def columns(self) -> tuple[str, ...]:
        """The column that is read."""
        return (self.column,)

    @property
    def field(self) -> table.Field:
        """An image, channels first."""
        return table.Field(shape=(self.channels, *self.size), kind="image")

    def encode(self, frame: Frame) -> Encoded:
        """The images of the rows of a frame. Raises DataError with file and row, and MachineError."""
        reader = CellReader(frame, self.path)
        paths = reader.texts(self.column)
        reader.reject(
            self.column, paths.is_null().to_numpy(), what="is empty", fix="every row needs an image"
        )
        reader.finish()
        root = home_path(self.root, key=(*self.path, "root"))
        files = [root / Path(path) for path in paths.to_list()]
        images = decode_images(
            files, size=self.size, channels=self.channels, where=frame.where, keep=self.keep
        )
        # A copy where they lie in the cache: tensors may not be made from memory that is read-only.
        return Encoded(torch.from_numpy(images if images.flags.writeable else np.array(images)))


def plan_image(spec: ImageFile, *, name: str) -> ImageColumn:
    """What reads an input of images. Raises ConfigError for a size that images cannot have."""
    check_size(spec.size, (*input_path(name), "size"))
    return ImageColumn(name=name, column=spec.column, root=spec.root, size=spec.size, channels=spec.channels)
