"""Files on disk, whole at every instant: written beside their place, then moved onto it."""

from __future__ import annotations

import errno
import json
import os
import secrets
import shutil
import stat
from collections.abc import Generator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO, cast

from ..specs.errors import DataError, MachineError

_REASONS = {
    errno.ENOSPC: "no space is left on the disk; free some, or choose another folder",
    errno.EDQUOT: "the disk quota is used up; free some space, or choose another folder",
    errno.EFBIG: "the file would be larger than this system allows",
    errno.EACCES: "permission denied; choose a folder that you may write to",
    errno.EPERM: "permission denied; choose a folder that you may write to",
    errno.EROFS: "the disk is read-only; choose another folder",
    errno.ENOENT: "its folder does not exist (any more)",
    errno.ENOTDIR: "a file stands where its folder should be",
    errno.EEXIST: "a file of that name is in the way",
}

MOST_TEXT_BYTES = 1 << 28
"""Of a table or a document of a run: 256 MiB, a thousand times what the longest runs have."""

_UNFINISHED = ".tmp"
# Opening a pipe would wait for a writer that may never come.
_NO_WAITING = getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)


def write_bytes(path: Path, data: bytes) -> None:
    """Replace the file at `path` by `data`, in one step for every reader.

    After a failure the old file is untouched and no temporary file is left behind. Raises MachineError.
    """
    with open_replacement(path) as file, writing(path):
        file.write(data)


@contextmanager
def open_replacement(path: Path) -> Generator[BinaryIO]:
    """A file that takes the place of the one at `path`, in one step, when the block ends well.

    When it does not, the old file is untouched and no temporary file is left behind. Raises MachineError;
    the block's own errors are the block's to explain.
    """
    # Not tempfile: its files are private (0600), and would stay so after the move.
    temporary = _beside(path)
    try:
        with writing(path):
            file = temporary.open("xb")
        try:
            yield file
            with writing(path):
                file.flush()
                # Without it a power cut may leave the new name on an empty file.
                os.fsync(file.fileno())
        finally:
            # All is flushed by now, or of no use any more.
            with suppress(OSError):
                file.close()
        with writing(path):
            temporary.replace(path)
    finally:
        with writing(path):
            temporary.unlink(missing_ok=True)


def link_file(source: Path, target: Path) -> None:
    """Let `target` be the same file as `source`, in one step; for files that are never written in place.

    Raises MachineError.
    """
    temporary = _beside(target)
    with writing(target):
        try:
            try:
                os.link(source, temporary)
            except PermissionError:  # a disk without links
                shutil.copyfile(source, temporary)
            temporary.replace(target)
        finally:
            # Where both were one file already, the system leaves the new name beside the old one.
            temporary.unlink(missing_ok=True)


def list_folder(folder: Path) -> list[Path]:
    """What lies in a folder; nothing where there is none. Raises MachineError where it cannot be read."""
    try:
        return list(folder.iterdir())
    except FileNotFoundError:
        return []
    except OSError as error:
        raise disk_error("read", folder, error) from error


def remove_file(path: Path) -> None:
    """Remove a file, if it is there. Raises MachineError."""
    try:
        path.unlink(missing_ok=True)
    except OSError as error:
        raise disk_error("remove", path, error) from error


def unfinished_files(folder: Path) -> list[Path]:
    """What writes that were killed have left anywhere in a folder; of live writes too, if there are any."""
    return sorted(folder.rglob(f".*{_UNFINISHED}"))


@contextmanager
def writing(path: Path) -> Generator[None]:
    """Turns what the system says against a write to `path` into a MachineError."""
    try:
        yield
    except OSError as error:
        raise disk_error("write", path, error) from error


def write_text(path: Path, text: str) -> None:
    """Replace the file at `path` by `text` in UTF-8, line ends as they are. Raises MachineError."""
    write_bytes(path, text.encode("utf-8"))


def read_text(path: Path) -> str | None:
    """The text of a file in UTF-8, line ends as they are; None where there is no file.

    Raises DataError for what is no text or far too much of it, MachineError for what cannot be read.
    """
    data = read_bytes(path, most_bytes=MOST_TEXT_BYTES)
    try:
        return None if data is None else data.decode("utf-8")
    except UnicodeDecodeError as error:
        raise DataError(f"'{path}' is damaged: byte {error.start} is not UTF-8.") from error


def read_bytes(path: Path, *, most_bytes: int | None = None) -> bytes | None:
    """All bytes of a file; None where there is no file.

    Raises DataError for a device or a pipe, which a stranger may have put in its place and which never ends,
    and for more than `most_bytes`; MachineError for what cannot be read.
    """
    try:
        with open(os.open(path, os.O_RDONLY | _NO_WAITING), "rb") as file:  # noqa: PTH123
            status = os.fstat(file.fileno())
            if not stat.S_ISREG(status.st_mode):
                raise DataError(f"'{path}' is damaged: it is a device or a pipe, not a file.")
            if most_bytes is not None and status.st_size > most_bytes:
                raise DataError(f"'{path}' is damaged: it has {status.st_size:,} bytes, which is too much.")
            return file.read()
    except FileNotFoundError:
        return None
    except OSError as error:
        raise disk_error("read", path, error) from error


def _beside(path: Path) -> Path:
    return path.with_name(f".{path.name}.{os.getpid()}.{secrets.token_hex(4)}{_UNFINISHED}")


def disk_error(action: str, path: Path, error: OSError) -> MachineError:
    """The one sentence for a failed `action` ("write", "read", "make") on `path`."""
    reason = _REASONS.get(error.errno or 0) or error.strerror or str(error)
    return MachineError(f"cannot {action} '{path}': {reason}.")


def read_json(path: Path) -> dict[str, object] | None:
    """A file's mapping; None where there is no file. Raises DataError if damaged, MachineError."""
    text = read_text(path)
    if text is None:
        return None
    try:
        document: object = json.loads(text)
    except (ValueError, RecursionError) as error:  # a number of thousands of digits is no JSONDecodeError
        raise DataError(f"'{path}' is damaged: {error}.") from error
    if not isinstance(document, dict):
        raise DataError(f"'{path}' is damaged: it holds no mapping.")
    return cast("dict[str, object]", document)
