"""Owns guessing how text is to be read: its encoding from its bytes, its separator from its rows."""

from __future__ import annotations

import codecs
from collections.abc import Iterator, Sequence
from pathlib import Path

from ..specs.errors import MachineError, Problem
from .delimited_records import BrokenRecord, split_rows_of
from .file_paths import FileFormat, open_binary

_SEPARATORS = (",", ";", "\t", "|")

_ENCODING_BYTES, _BLOCK_BYTES = 64 << 20, 4 << 20
_SNIFFED_BYTES = 1 << 18
_SNIFFED_ROWS = 200

_WIDE_MARKS = (
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)


def guess_encoding(files: Sequence[Path], doubts: dict[str, str]) -> str:
    """UTF-8 where the bytes are that, else what they may be."""
    start = next(_blocks(files[0], 4), b"")
    wide = next((name for mark, name in _WIDE_MARKS if start.startswith(mark)), None)
    if wide is not None:
        return wide
    if _decodes(files, "utf-8"):
        return "utf-8"
    if _decodes(files, "cp1252"):
        doubts["encoding"] = (
            "the bytes are not UTF-8; as cp1252 (Windows) they are text, as in other encodings: look whether "
            "accented letters come out right"
        )
        return "cp1252"
    doubts["encoding"] = (
        "the bytes are neither UTF-8 nor cp1252; latin-1 reads any bytes, so look whether accented letters "
        "come out right"
    )
    return "latin-1"


def guess_separator(file: Path, file_format: FileFormat, encoding: str) -> str | None:
    """The separator by which every row has as many cells as the header; None for that of the format."""
    usual = "\t" if file_format == "tsv" else ","
    try:
        codecs.lookup(encoding)
        block = next(_blocks(file, _SNIFFED_BYTES), b"")
        text = block.decode(encoding, errors="replace").removeprefix("\ufeff")
    except (LookupError, ValueError):
        return None  # that it is no encoding is told where the rows are read
    if len(block) == _SNIFFED_BYTES:
        text = text[: text.rfind("\n") + 1]
    fits = {mark: _fit(text, mark) for mark in (usual, *_SEPARATORS)}
    best = max(fits, key=lambda mark: fits[mark])
    return None if best == usual or fits[best] <= (0.5, 1) else best


def _decodes(files: Sequence[Path], encoding: str) -> bool:
    """Whether the first bytes of the files are text in an encoding."""
    left = _ENCODING_BYTES
    for file in files:
        decoder = codecs.getincrementaldecoder(encoding)()
        try:
            for block in _blocks(file, _BLOCK_BYTES):
                decoder.decode(block)
                left -= len(block)
                if left <= 0:
                    return True
            decoder.decode(b"", final=True)
        except UnicodeDecodeError:
            return False
    return True


def _blocks(file: Path, num_bytes: int) -> Iterator[bytes]:
    """The content of a file, none of it empty. Raises MachineError."""
    with open_binary(file) as stream:
        try:
            while block := stream.read(num_bytes):
                yield block
        except OSError as error:
            raise MachineError(Problem(f"cannot be read: {error.strerror}", file=str(file))) from error


def _fit(text: str, separator: str) -> tuple[float, int]:
    """The share of rows with as many cells as the header, and how many cells it has; 0 for a single one."""
    counts = list[int]()
    try:
        for row, _ in split_rows_of(text, separator):
            counts += [len(row)] if row else []
            if len(counts) >= _SNIFFED_ROWS:
                break
    except BrokenRecord:
        pass
    if not counts or counts[0] < 2:
        return (0.0, 0)
    return sum(count == counts[0] for count in counts) / len(counts), counts[0]
