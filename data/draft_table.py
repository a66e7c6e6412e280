"""Owns the first look at a user's table: how its files are to be read, and their first rows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from ..specs.columns import Numeric
from ..specs.errors import ConfigError, DataError, MachineError, Problem, quoted
from ..specs.files import TableFiles
from .column_names import refuse_too_many
from .draft_reading import guess_encoding, guess_separator
from .file_paths import FileFormat, find_files, format_of, open_binary
from .frame import Frame
from .frame_pieces import join_frames, settle_types
from .parquet_files import parquet_names
from .table_files import read_columns, stream_frames

MOST_ROWS = 100_000
_MOST_CELLS = 20_000_000
# No config could name more of them.
_MOST_COLUMNS = 20_000

_SPELLINGS = {"tab": "\t", "\\t": "\t", "comma": ",", "semicolon": ";"}

# Text files whose name does not tell how they are written; their first bytes do.
_PLAIN_ENDINGS = ("", ".txt", ".data", ".dat", ".tab", ".json")


@dataclass(frozen=True, eq=False)
class Sample:
    """The first rows of a table, and what a config has to say for them to be read.

    `whole`: there are no other rows. `nested` are columns whose cells are lists, objects or bytes, and are
    not in the frame. `doubts` are by the key of the config that they are about.
    """

    spec: TableFiles
    frame: Frame
    columns: tuple[str, ...]
    nested: tuple[str, ...]
    whole: bool
    num_files: int
    doubts: dict[str, str] = field(default_factory=dict[str, str])


def read_sample(path: str, *, encoding: str | None = None, separator: str | None = None) -> Sample:
    """The first rows, at most 100,000, of what `path` means: a file, a folder or a pattern.

    Raises DataError for files that cannot be read as a table, ConfigError for an encoding or a separator
    that cannot be one, MachineError.
    """
    if not path.isprintable() and _not_utf8(path):
        raise ConfigError(f"the name {quoted(path)} is not UTF-8, which a config is; rename the file.")
    files = find_files(path, key=())
    file_format, is_told = _format_of(files)
    doubts = dict[str, str]()
    separator = _separator(separator)
    if file_format == "parquet":
        _refuse_options_of_text(encoding=encoding, separator=separator)
    elif encoding is None:
        encoding = guess_encoding(files, doubts)
    if separator is None and file_format in ("csv", "tsv"):
        separator = guess_separator(files[0], file_format, encoding or "utf-8")
    spec = TableFiles(
        path=path,
        format="auto" if is_told else file_format,
        encoding=encoding or "utf-8",
        separator=separator,
        inputs={"all": Numeric(columns=("*",))},
    )
    names, nested = _columns(spec, files[0], file_format)
    refuse_too_many(names, file=str(files[0]), most=_MOST_COLUMNS)
    plain = [name for name in names if name not in nested]
    if names and not plain:
        message = "every column holds lists, objects or bytes, where a cell is text, a number or a date"
        raise DataError(Problem(message, file=str(files[0])))
    frame, whole = _first_rows(spec, files, plain, file_format)
    _doubt_header(names, file_format, doubts)
    return Sample(spec, frame, names, nested, whole, len(files), doubts)


def find_test_file(sample: Sample) -> str | None:
    """A file called `test` beside one called `train`, of the same columns."""
    path = Path(sample.spec.path)
    names = {"train": "test", "training": "testing"}
    other = path.with_stem(names.get(path.stem.lower(), path.stem))
    if other == path or sample.num_files > 1 or not other.is_file():
        return None
    try:
        columns = read_columns(str(other), sample.spec, key=())
    except (DataError, MachineError):
        return None
    return str(other) if set(columns) >= set(sample.columns) else None


def with_null_values(sample: Sample, marks: Sequence[str]) -> Sample:
    """The same rows, cells of these marks being empty."""
    from .frame_pieces import empty_as_null

    if not marks:
        return sample
    spec = sample.spec.model_copy(update={"null_values": tuple(marks)})
    return replace(sample, spec=spec, frame=empty_as_null(sample.frame, marks))


def _not_utf8(path: str) -> bool:
    try:
        path.encode("utf-8")
    except UnicodeEncodeError:
        return True
    return False


def _format_of(files: Sequence[Path]) -> tuple[FileFormat, bool]:
    """The format, and whether the endings of the files' names tell it."""
    endings = {file.suffix.lower() for file in files}
    if not endings <= set(_PLAIN_ENDINGS):
        try:
            return format_of(files, key=()), True
        except DataError as error:
            # There is no config yet that could say it.
            texts = [each.message.replace("; say data.format.", ".") for each in error.problems]
            raise DataError([Problem(text) for text in texts]) from None
    with open_binary(files[0]) as stream:
        start = stream.read(1024)
    if start.startswith(b"PAR1"):
        return "parquet", False
    return ("jsonl" if start.lstrip(b"\xef\xbb\xbf \t\r\n").startswith(b"{") else "csv"), False


def _separator(given: str | None) -> str | None:
    if given is None:
        return None
    separator = _SPELLINGS.get(given, given)
    if len(separator) != 1:
        raise ConfigError(f"a separator is one character, or the word tab, not {quoted(given)}.")
    return separator


def _refuse_options_of_text(**options: str | None) -> None:
    """Raises ConfigError for options that Parquet has no use for."""
    useless = [name for name, value in options.items() if value is not None]
    message = "has no meaning for files of format parquet; leave it out."
    if useless:
        raise ConfigError([Problem(message, ("data", name)) for name in useless])


def _columns(
    spec: TableFiles, file: Path, file_format: FileFormat
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The names of the columns, and of those whose cells are no text and no numbers."""
    if file_format != "parquet":
        return read_columns(spec.path, spec, key=()), ()
    import polars as pl

    names = parquet_names(file)
    schema = pl.scan_parquet(file, glob=False).collect_schema()
    return names, tuple(
        name
        for name, dtype in schema.items()
        if dtype.is_nested() or isinstance(dtype, pl.Binary | pl.Object)
    )


def _first_rows(
    spec: TableFiles, files: Sequence[Path], columns: Sequence[str], file_format: FileFormat
) -> tuple[Frame, bool]:
    """The rows, and whether they are all there are."""
    most = max(1, min(MOST_ROWS, _MOST_CELLS // max(1, len(columns))))
    frames, num_rows, problem = list[Frame](), 0, DataError("has no rows")
    for file in files:
        try:
            first = next(iter(stream_frames(file, spec, columns, rows=most + 1, file_format=file_format)))
        except DataError as error:
            if not error.problems[0].message == "has no rows":
                raise
            problem = error  # other files may have some
            continue
        frames.append(first)
        num_rows += len(first)
        if num_rows > most:
            break
    if not frames:
        raise problem
    frame = settle_types(join_frames(frames))
    if num_rows <= most:
        return frame, True
    kept = Frame(frame.data.head(most), frame.files, frame.file_index[:most], frame.numbers[:most])
    return kept, False


def _doubt_header(names: Sequence[str], file_format: FileFormat, doubts: dict[str, str]) -> None:
    if file_format in ("csv", "tsv") and len(names) > 1 and all(_is_number(name) for name in names):
        doubts["path"] = "the first row is read as the names of the columns, though it looks like data"


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True
