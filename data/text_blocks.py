"""Owns the bytes of text files: decoded by their encoding and given on as UTF-8, a block at a time."""

from __future__ import annotations

import codecs
from collections.abc import Iterator
from typing import BinaryIO

from ..specs.errors import ConfigError, DataError, MachineError, Problem, quoted

BLOCK_BYTES = 8 << 20
"""Read at a time: enough that no time is lost between blocks, and little beside what is kept of them."""

_SUGGESTIONS = ("utf-8", "cp1252", "latin-1")

_BYTE_ORDER_MARKS = (
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)

_OTHER_FILES = (
    (b"PAR1", "is a Parquet file; say format: parquet, or let its name end with .parquet"),
    (b"PK\x03\x04", "is a zip archive or an Excel workbook, not text; unpack it, or save it as CSV"),
    (b"\xd0\xcf\x11\xe0", "is an old Excel workbook, not text; save it as CSV"),
    (b"\x1f\x8b", "is compressed by gzip; unpack it first"),
    (b"\x28\xb5\x2f\xfd", "is compressed by zstd; unpack it first"),
)


def check_encoding(encoding: str) -> None:
    """Raises ConfigError at `data.encoding` where Python has no text encoding of that name."""
    try:
        "".encode(encoding)
    except (LookupError, ValueError):  # UnicodeError of the codec `undefined` is a ValueError
        message = f"no encoding named {quoted(encoding)}; such names are utf-8, latin-1, cp1252, utf-16."
        raise ConfigError(Problem(message, ("data", "encoding"))) from None


def utf8_blocks(
    stream: BinaryIO, file: str, *, encoding: str, block_bytes: int = BLOCK_BYTES
) -> Iterator[bytes]:
    """The content of `stream` as UTF-8 without a byte order mark, every character whole; no block is empty.

    Raises DataError for what is not text in `encoding`, with the place of the first such byte, MachineError
    where reading fails.
    """
    decoder = codecs.getincrementaldecoder(encoding)()
    consumed, at_start = 0, True
    while True:
        block = _read(stream, file, block_bytes)
        if at_start:
            _refuse_other_files(block, file)
        text = _decoded(decoder, block, file, encoding=encoding, offset=consumed)
        consumed += len(block)
        if at_start and text:
            _refuse_wide_characters(text, file)
            text, at_start = text.removeprefix("\ufeff"), False
        if text:
            yield _encoded(text, file, encoding)
        if not block:
            return


def _read(stream: BinaryIO, file: str, block_bytes: int) -> bytes:
    try:
        return stream.read(block_bytes)
    except OSError as error:
        raise MachineError(Problem(f"cannot be read: {error.strerror}", file=file)) from error


def _refuse_other_files(block: bytes, file: str) -> None:
    for mark, message in _OTHER_FILES:
        if block.startswith(mark):
            raise DataError(Problem(message, file=file))


def _refuse_wide_characters(text: str, file: str) -> None:
    """UTF-16 without a byte order mark is UTF-8 in which every other character is NUL."""
    if "\0" in text[:4]:
        message = "holds NUL bytes, as UTF-16 does; say encoding: utf-16-le (or utf-16-be) if it is that"
        raise DataError(Problem(message, file=file))


def _decoded(
    decoder: codecs.IncrementalDecoder, block: bytes, file: str, *, encoding: str, offset: int
) -> str:
    try:
        return decoder.decode(block, final=not block)
    except UnicodeDecodeError as error:
        # The decoder had kept the first bytes of a character from the block before.
        kept = len(error.object) - len(block)
        place = offset - kept + error.start
        byte, ends = error.object[error.start], "" if block else "; the file ends within a character"
        message = f"byte 0x{byte:02x} at offset {place} is not {_called(encoding)}{ends}"
        raise DataError(Problem(message + _suggestion(error.object, encoding), file=file)) from None
    except UnicodeError as error:  # codecs that are written in Python
        raise DataError(Problem(f"is not {_called(encoding)}: {error}", file=file)) from None


def _encoded(text: str, file: str, encoding: str) -> bytes:
    try:
        return text.encode("utf-8")
    except UnicodeEncodeError as error:
        code = f"U+{ord(error.object[error.start]):04X}"
        message = f"holds {code}, half of a surrogate pair, when it is read as {encoding}"
        raise DataError(Problem(message, file=file)) from None


def _called(encoding: str) -> str:
    name = codecs.lookup(encoding).name
    return name.upper() if name.startswith("utf") else encoding


def _suggestion(content: bytes, encoding: str) -> str:
    """An encoding by which these bytes are text; latin-1 has a character for every byte."""
    given = codecs.lookup(encoding).name
    marked = [name for mark, name in _BYTE_ORDER_MARKS if content.startswith(mark)]
    for name in (*marked, *_SUGGESTIONS):
        decoder = codecs.getincrementaldecoder(name)()
        try:
            decoder.decode(content)
        except UnicodeError:
            continue
        if codecs.lookup(name).name != given:
            return f"; say data.encoding, such as {name}"
    return ""
