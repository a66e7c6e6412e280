"""A user's tables: the same cells from every format, as other readers see them, whole or as a stream."""

from __future__ import annotations

import csv
import io
import json
import subprocess
import sys
from collections.abc import Callable
from datetime import date
from pathlib import Path
from types import SimpleNamespace

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from mlx_runner.data.table_files import read_columns, read_frame, refuse_shared_files, stream_frames
from mlx_runner.data.text_blocks import utf8_blocks
from mlx_runner.specs.errors import ConfigError, DataError, MachineError, MlxError
from mlx_runner.specs.files import TableFiles

SHARED = Path(__file__).resolve().parents[3] / "shared" / "data"
TWEETS = SHARED / "tweets" / "tweets.csv"

Save = Callable[..., str]


def table(**options: object) -> TableFiles:
    """A config's table; which columns it reads is of no concern here."""
    some = {"path": "x.csv", "inputs": {"a": {"type": "text", "column": "a"}}}
    return TableFiles.model_validate({**some, **options})


@pytest.fixture
def save(tmp_path: Path) -> Save:
    """`save(name, content)` writes a file and gives its path."""

    def write(name: str, content: bytes | str) -> str:
        file = tmp_path / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(content.encode() if isinstance(content, str) else content)
        return str(file)

    return write


@pytest.mark.skipif(not TWEETS.is_file(), reason="the tweets are not here")
def test_real_tweets_are_read_as_they_lie() -> None:
    """Latin-1, and lone carriage returns in quotes, which stay what they are."""
    text = TWEETS.read_bytes().decode("latin-1")
    header, *expected = csv.reader(io.StringIO(text, newline=""))
    spec = table(encoding="latin-1")
    frame = read_frame(str(TWEETS), spec)
    assert frame.data.columns == header == list(read_columns(str(TWEETS), spec))
    assert len(frame) == 3207
    assert [[cell or "" for cell in row] for row in frame.data.rows()] == expected
    assert sum(cell.count("\r") for cell in frame.data["text"]) == text.count("\r") == 209
    assert frame.where(3206) == f"{TWEETS}, row 3207"
    streamed = list(stream_frames(TWEETS, spec, ["text", "user"], rows=1000))
    assert [len(each) for each in streamed] == [1000, 1000, 1000, 207]
    assert pl.concat([each.data for each in streamed]).equals(frame.data.select("text", "user"))
    assert streamed[2].where(0) == f"{TWEETS}, row 2001"


@pytest.mark.skipif(not TWEETS.is_file(), reason="the tweets are not here")
def test_the_wrong_encoding_is_named_with_the_first_byte_and_another(tmp_path: Path) -> None:
    with pytest.raises(DataError) as caught:
        read_frame(str(TWEETS), table())
    assert caught.value.problems[0].message == (
        "byte 0xe4 at offset 921 is not UTF-8; say data.encoding, such as latin-1"
    )


@pytest.mark.skipif(not (SHARED / "emotions").is_dir(), reason="the music is not here")
def test_real_numbers_are_the_text_that_they_are() -> None:
    path = SHARED / "emotions" / "train.csv"
    with path.open(newline="") as stream:
        header, *expected = csv.reader(stream)
    frame = read_frame(str(path), table())
    assert (frame.data.columns, [list(row) for row in frame.data.rows()]) == (header, expected)


ROWS = [
    {"name": "Ann", "size": 1, "score": 0.5, "ok": True},
    {"name": 'B "the" b, é\n', "size": None, "score": -2.25, "ok": False},
    {"name": None, "size": 3, "score": None, "ok": None},
]


def test_all_formats_hold_the_same_rows(save: Save, tmp_path: Path) -> None:
    data = pl.DataFrame(ROWS)
    data.write_parquet(tmp_path / "x.parquet")
    texts = data.with_columns(pl.all().cast(pl.String))
    for name, separator in (("x.csv", ","), ("x.tsv", "\t")):
        data.write_csv(tmp_path / name, separator=separator)
        assert read_frame(str(tmp_path / name), table()).data.equals(texts), name
    save("x.jsonl", "".join(json.dumps(row) + "\n" for row in ROWS))
    save("x.ndjson", "\n".join(json.dumps(row) for row in ROWS))
    for name in ("x.jsonl", "x.ndjson", "x.parquet"):
        path = str(tmp_path / name)
        frame = read_frame(path, table())
        assert frame.data.equals(data), name
        assert read_columns(path, table()) == ("name", "size", "score", "ok")
        assert frame.numbers.tolist() == [1, 2, 3]
        (streamed,) = stream_frames(path, table(), ["score", "name"])
        assert streamed.data.equals(data.select("score", "name"))


def test_an_empty_cell_and_a_null_value_are_null(save: Save, tmp_path: Path) -> None:
    spec = table(null_values=["NA", "-"])
    frame = read_frame(save("x.csv", 'a,b\n"",NA\n-,"NA"\nN A, \n'), spec)
    assert frame.data.rows() == [(None, None), (None, None), ("N A", " ")]
    frame = read_frame(save("x.jsonl", '{"a":"","b":"NA"}\n{"a":"x"}\n{"a":null,"b":0}\n'), spec)
    assert frame.data.rows() == [(None, None), ("x", None), (None, "0")]
    pl.DataFrame({"a": [1.5, float("nan"), None], "b": ["", "-", "x"]}).write_parquet(tmp_path / "x.parquet")
    frame = read_frame(str(tmp_path / "x.parquet"), spec)
    assert frame.data.rows() == [(1.5, None), (None, None), (None, "x")]


def test_other_types_of_parquet_become_text_or_numbers(tmp_path: Path) -> None:
    data = pl.DataFrame(
        {
            "c": pl.Series(["x", "y"], dtype=pl.Categorical),
            "d": pl.Series(["1.25", "2.50"]).cast(pl.Decimal(10, 2)),
            "n": pl.Series([None, None], dtype=pl.Null),
            "t": pl.Series([date(2024, 1, 2), None]),
            "l": [[1], [2]],
        }
    )
    data.write_parquet(tmp_path / "x.parquet")
    frame = read_frame(str(tmp_path / "x.parquet"), table(), ["c", "d", "n", "t"])
    assert [str(dtype) for dtype in frame.data.dtypes] == ["String", "Float64", "String", "Date"]
    assert frame.data["d"].to_list() == [1.25, 2.5]
    with pytest.raises(DataError) as caught:
        read_frame(str(tmp_path / "x.parquet"), table(), ["l"])
    assert caught.value.problems[0].message == (
        "column 'l' holds lists or structures, where a cell is text, a number or a date"
    )


def test_files_of_a_folder_or_a_pattern_follow_one_another(save: Save, tmp_path: Path) -> None:
    save("t/b.csv", "x,y\n3,4\n")
    save("t/a.csv", "y,x\n2,1\n\n0,9\n")
    save("t/c.csv", "x,y\n")
    save("t/README", "not a table")
    save("t/.hidden.csv", "not a table")
    for path in (str(tmp_path / "t"), str(tmp_path / "t" / "*.csv"), str(tmp_path / "**" / "?.csv")):
        frame = read_frame(path, table(), ["x", "y"])
        assert frame.data.rows() == [("1", "2"), ("9", "0"), ("3", "4")]
        places = [frame.where(row).removeprefix(f"{tmp_path}/") for row in range(3)]
        assert places == ["t/a.csv, row 1", "t/a.csv, row 3", "t/b.csv, row 1"]
    save("t/b.csv", "x,z\n3,4\n")
    with pytest.raises(DataError) as caught:
        read_frame(str(tmp_path / "t"), table(), ["x", "y"])
    assert str(caught.value) == f"{tmp_path}/t/b.csv: no column named 'y'. Columns: x, z."


def test_types_of_files_are_joined_or_refused(save: Save, tmp_path: Path) -> None:
    save("a.jsonl", '{"a":1,"b":null}\n')
    save("b.jsonl", '{"a":2.5,"b":true}\n')
    assert read_frame(str(tmp_path / "*.jsonl"), table()).data.rows() == [(1.0, None), (2.5, True)]
    pl.DataFrame({"a": [date(2024, 1, 2)]}).write_parquet(tmp_path / "a.parquet")
    pl.DataFrame({"a": [1.5]}).write_parquet(tmp_path / "b.parquet")
    with pytest.raises(DataError) as caught:
        read_frame(str(tmp_path / "*.parquet"), table())
    assert str(caught.value) == (
        f"{tmp_path}/b.parquet: column 'a' is Float64, but Date in {tmp_path}/a.parquet; give it one type"
    )


def test_standard_input_is_csv_unless_something_is_said(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def stream(content: bytes, **options: object) -> list[tuple[object, ...]]:
        monkeypatch.setattr(sys, "stdin", SimpleNamespace(buffer=io.BytesIO(content)))
        spec = table(**{key: value for key, value in options.items() if key != "file_format"})
        frames = list(stream_frames("-", spec, ["b"], rows=1, file_format=options.get("file_format")))  # type: ignore[arg-type]
        assert frames[-1].where(0) == f"standard input, row {len(frames)}"
        return [row for frame in frames for row in frame.data.rows()]

    assert stream(b"a,b\n1,2\n3,4\n") == [("2",), ("4",)]
    assert stream(b"a\tb\n1\t2\n", format="tsv") == [("2",)]
    assert stream(b'{"b":1}\n{"b":2}', file_format="jsonl") == [(1,), (2,)]
    pl.DataFrame({"a": [1, 2], "b": [3, 4]}).write_parquet(tmp_path / "x.parquet")
    assert stream((tmp_path / "x.parquet").read_bytes(), file_format="parquet") == [(3,), (4,)]
    with pytest.raises(DataError) as caught:
        stream(b"a,b\n")
    assert str(caught.value) == "standard input: has no rows"


def test_a_stream_takes_a_files_own_format_before_that_of_the_config(save: Save) -> None:
    (frame,) = stream_frames(save("x.jsonl", '{"a":1}'), table(format="csv", separator=";"))
    assert frame.data.rows() == [(1,)]
    (frame,) = stream_frames(save("x.txt", "a;b\n1;2"), table(format="csv", separator=";"))
    assert frame.data.rows() == [("1", "2")]


@pytest.mark.parametrize(
    "encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-32", "gb18030", "shift_jis", "cp037"]
)
def test_encodings_of_several_bytes_are_cut_anywhere(encoding: str) -> None:
    text = "a,b\nabc,xyz\n" if encoding == "cp037" else "a,b\nあ,表\n漢字,かな\n"
    content = text.encode(encoding)
    for size in (1, 2, 3, 5, 1000):
        blocks = list(utf8_blocks(io.BytesIO(content), "x", encoding=encoding, block_bytes=size))
        assert b"".join(blocks).decode() == text
        assert [block.decode() for block in blocks], "every block is whole characters"


@given(st.binary(min_size=1, max_size=30), st.integers(1, 8))
def test_the_first_byte_that_is_not_utf8_is_named(content: bytes, size: int) -> None:
    try:
        expected = content.decode("utf-8-sig")
    except UnicodeDecodeError:
        expected = None
    try:
        found = b"".join(utf8_blocks(io.BytesIO(content), "x", encoding="utf-8", block_bytes=size)).decode()
    except DataError as error:
        if "is not UTF-8" in str(error):
            with pytest.raises(UnicodeDecodeError) as caught:
                content.decode()
            assert f"byte 0x{content[caught.value.start]:02x} at offset {caught.value.start} " in str(error)
        else:
            assert any(word in str(error) for word in ("NUL", "gzip", "zstd", "Excel", "Parquet")), error
    else:
        assert found == expected


@pytest.mark.parametrize(
    ("name", "content", "options", "message"),
    [
        ("x.csv", b"a,b\n", {}, "{file}: has no rows"),
        ("x.csv", b"", {}, "{file}: is empty: there is no header and no row"),
        ("x.jsonl", b"\n \n", {}, "{file}: is empty: there are no rows"),
        (
            "x.csv",
            b"PAR1...",
            {},
            "{file}: is a Parquet file; say format: parquet, or let its name end with ",
        ),
        (
            "x.csv",
            b"PK\x03\x04..",
            {},
            "{file}: is a zip archive or an Excel workbook, not text; unpack it, ",
        ),
        ("x.csv", b"\x1f\x8b..", {}, "{file}: is compressed by gzip; unpack it first"),
        (
            "x.csv",
            "a,b\n1,2\n".encode("utf-16"),
            {},
            "{file}: byte 0xff at offset 0 is not UTF-8; say data.encoding, such as utf-16",
        ),
        (
            "x.csv",
            "a,b\n1,2\n".encode("utf-16-le"),
            {},
            "{file}: holds NUL bytes, as UTF-16 does; say encoding: utf-16-le (or utf-16-be) if it is that",
        ),
        (
            "x.csv",
            b"a\n\x81\n",
            {"encoding": "cp1252"},
            "{file}: byte 0x81 at offset 2 is not cp1252; say data.encoding, such as latin-1",
        ),
        (
            "x.csv",
            "a\né".encode()[:-1],
            {},
            "{file}: byte 0xc3 at offset 2 is not UTF-8; the file ends within a character; say data.",
        ),
        (
            "x.csv",
            b"a\n+2AA-\n",
            {"encoding": "utf-7"},
            "{file}: ",
        ),
        ("x.parquet", b"PAR1 and then nothing", {}, "{file}: is not Parquet, or is damaged: '"),
        ("x.parquet", b"", {}, "{file}: is not Parquet, or is damaged: '"),
        (
            "x.csv.gz",
            b"",
            {},
            "data.path: '{file}' has the ending '.gz', not .csv, .tsv, .jsonl, .ndjson or ",
        ),
        (
            "x",
            b"",
            {},
            "data.path: '{file}' has a name without an ending, not .csv, .tsv, .jsonl, .ndjson or ",
        ),
        (
            "x.jsonl",
            b'{"a":1}\n\n[1]\n',
            {},
            "{file}: row 3 is a list; every line must be an object such as {",
        ),
        (
            "x.jsonl",
            b'{\n"a": 1\n}\n',
            {},
            "{file}: row 1 is not JSON: Expecting property name enclosed in double quotes; every line must "
            "be one whole object",
        ),
        ("x.jsonl", b'{"a":1}\n{"a":' + b"[" * 10**5, {}, "{file}: row 2 is nested too deeply"),
        ("x.jsonl", b'{"a":' + b"9" * 5000 + b"}", {}, "{file}: row 1 is not JSON: Exceeds the limit"),
        (
            "x.jsonl",
            b'{"a":[1]}',
            {},
            "{file}: row 1: column 'a' holds a list, where a cell is text, a number, ",
        ),
        ("x.jsonl", b'{"a":"\\ud800"}', {}, "{file}: row 1: column 'a' holds half of a surrogate pair"),
        ("x.jsonl", b' [{"a":1}]', {}, "{file}: is one JSON list; write its objects one to a line, without "),
        ("x.jsonl", b"{}", {}, "{file}: has no columns: its objects have no keys"),
        (
            "x.jsonl",
            b'{"a":1} {"a":2}',
            {},
            "{file}: row 1 is not JSON: more than one value; every line must",
        ),
        ("x.jsonl", b'{"b":1}', {}, "{file}: no column named 'a'. Columns: b."),
    ],
)
def test_bad_files_are_named_with_what_is_wrong(
    save: Save, name: str, content: bytes, options: dict[str, object], message: str
) -> None:
    file = save(name, content)
    expected = message.replace("{file}", file)
    columns = ["a"] if content else None
    for way in (
        lambda: read_frame(file, table(**options), columns),
        lambda: list(stream_frames(file, table(**options), columns)),
        lambda: read_columns(file, table(**options)) and read_frame(file, table(**options), columns),
    ):
        with pytest.raises(DataError) as caught:
            way()
        found = str(caught.value).removeprefix("data.path: ")
        assert found.startswith(expected.removeprefix("data.path: "))


@pytest.mark.parametrize(
    ("path", "options", "message"),
    [
        ("absent.csv", {}, "data.path: no such file: 'absent.csv'"),
        ("absent*.csv", {}, "data.path: no file matches 'absent*.csv'"),
        ("~nobody-of-that-name/x.csv", {}, "data.path: '~nobody-of-that-name/x.csv' names a home folder "),
        ("none", {}, "data.path: the folder 'none' holds no file whose name ends with .csv, .tsv, .jsonl, "),
        ("mixed", {"format": "tsv"}, "data.path: the folder 'mixed' holds no file whose name ends with .tsv"),
        (
            "mixed",
            {},
            "data.path: 'mixed/a.csv' and 'mixed/b.parquet' are of different formats; name the files by a "
            "pattern such as *.csv.",
        ),
    ],
)
def test_paths_that_mean_no_table_are_located(
    save: Save,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    path: str,
    options: dict[str, object],
    message: str,
) -> None:
    save("mixed/a.csv", "a\n1\n")
    save("mixed/b.parquet", "")
    (tmp_path / "none").mkdir()
    monkeypatch.chdir(tmp_path)
    with pytest.raises(DataError) as caught:
        read_frame(path, table(**options))
    assert str(caught.value).startswith(message)


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        (
            "x.csv",
            {"encoding": "latin-l"},
            "data.encoding: no encoding named 'latin-l'; such names are utf-8, latin-1, cp1252, utf-16.",
        ),
        ("x.csv", {"encoding": "hex"}, "data.encoding: no encoding named 'hex'; such names are"),
        ("x.csv", {"encoding": "undefined"}, "data.encoding: no encoding named 'undefined'; such names are"),
        ("x.csv", {"encoding": "utf-8\0"}, "data.encoding: no encoding named 'utf-8\\x00'; such names are"),
        (
            "x.csv",
            {"separator": '"'},
            "data.separator: must be one ASCII character, no quotation mark and no",
        ),
        (
            "x.csv",
            {"separator": "ä"},
            "data.separator: must be one ASCII character, no quotation mark and no",
        ),
        (
            "x.jsonl",
            {"separator": ";"},
            "data.separator: has no meaning for files of format jsonl; leave it out.",
        ),
        (
            "x.parquet",
            {"separator": ";", "encoding": "latin-1"},
            "data.separator: has no meaning for files of format parquet; leave it out.\n"
            "data.encoding: has no meaning for files of format parquet; leave it out.",
        ),
    ],
)
def test_options_without_meaning_are_errors_of_the_config(
    save: Save, name: str, options: dict[str, object], message: str
) -> None:
    with pytest.raises(ConfigError) as caught:
        read_frame(save(name, "a\n1\n"), table(**options))
    assert str(caught.value).startswith(message)


def test_what_may_not_be_read_is_an_error_of_the_machine(
    save: Save, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = save("x.csv", "a\n1\n")

    def refuse(*_arguments: object, **_options: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "open", refuse)
    with pytest.raises(MachineError) as caught:
        read_frame(path, table())
    assert str(caught.value) == f"{path}: cannot be read: Permission denied"
    monkeypatch.setattr(Path, "iterdir", refuse)
    with pytest.raises(MachineError) as caught:
        read_frame(str(tmp_path), table())
    assert str(caught.value) == f"data.path: '{tmp_path}' cannot be read: Permission denied"


def test_a_damaged_parquet_file_is_an_error_whatever_byte_is_wrong(save: Save, tmp_path: Path) -> None:
    """Polars answers some of them by a panic."""
    pl.DataFrame({"a": range(300), "b": ["x"] * 300}).write_parquet(tmp_path / "x.parquet")
    content = (tmp_path / "x.parquet").read_bytes()
    for place in range(0, len(content), 7):
        damaged = content[:place] + bytes([content[place] ^ 0xFF]) + content[place + 1 :]
        try:
            read_frame(save("y.parquet", damaged), table())
        except MlxError:
            continue


def test_a_small_parquet_file_of_more_rows_than_memory_is_refused(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    pl.DataFrame({"a": [True] * 100_000}).write_parquet(tmp_path / "x.parquet")
    monkeypatch.setattr("mlx_runner.data.available_memory.available_bytes", lambda: 50_000)
    with pytest.raises(MachineError) as caught:
        read_frame(str(tmp_path / "x.parquet"), table())
    assert "x.parquet' with its 100000 rows takes 0.0 GB, more than" in str(caught.value)
    assert sum(map(len, stream_frames(tmp_path / "x.parquet", table()))) == 100_000


def test_a_file_for_testing_must_not_be_trained_on(save: Save, tmp_path: Path) -> None:
    test = save("t/test.csv", "a\n1\n")
    save("t/train.csv", "a\n2\n")
    refuse_shared_files(table(path=str(tmp_path / "t" / "train.csv"), test_path=test))
    with pytest.raises(DataError) as caught:
        refuse_shared_files(table(path=str(tmp_path / "t"), test_path=test))
    assert str(caught.value) == (f"data.test_path: '{test}' is read for data.path too; keep the two apart.")


VALUES = (
    st.none() | st.booleans() | st.integers(-(2**70), 2**70) | st.floats(allow_infinity=False) | st.text()
)


@given(st.lists(st.fixed_dictionaries({"a": VALUES}), min_size=1, max_size=6))
def test_json_lines_are_read_as_python_reads_them(rows: list[dict[str, object]]) -> None:
    content = "\n".join(json.dumps(row) for row in rows).encode()
    try:
        (frame,) = stream_frames(io.BytesIO(content), table(), ["a"], file_format="jsonl")
    except DataError as error:
        assert "half of a surrogate pair" in str(error)
        return
    values = [row["a"] for row in rows]
    is_text = any(isinstance(value, str) for value in values)
    for value, cell in zip(values, frame.data["a"].to_list(), strict=True):
        if value is None or value == "" or (value != value and not is_text):
            assert cell is None
        elif is_text:
            assert cell == (value if isinstance(value, str) else json.dumps(value))
        else:
            assert cell == (float(value) if isinstance(cell, float) else value)  # type: ignore[arg-type]


MEMORY = """
import resource, sys
from mlx_runner.data.table_files import stream_frames
from mlx_runner.specs.files import TableFiles
spec = TableFiles.model_validate({"path": "x", "inputs": {"a": {"type": "text", "column": "a"}}})
assert "polars" not in sys.modules
next(stream_frames(sys.argv[1], spec))
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
rows = sum(len(frame) for frame in stream_frames(sys.argv[2], spec))
print(rows, (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) // 1024)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="memory is counted in other units")
@pytest.mark.parametrize("ending", ["csv", "parquet", "jsonl"])
def test_a_stream_takes_little_memory_and_nothing_loads_polars_before(save: Save, ending: str) -> None:
    """200,000 rows of 10 columns, some in quotes: several times of what may be taken."""
    row = {f"x{i}": f"{i}.123456789" for i in range(9)} | {"text": 'some "quoted", text ' * 8}
    data = pl.DataFrame([row]).select(pl.all().repeat_by(200_000).explode())
    small, large = save(f"small.{ending}", ""), save(f"large.{ending}", "")
    for path, part in ((small, data.head(10)), (large, data)):
        write = {"csv": part.write_csv, "parquet": part.write_parquet, "jsonl": part.write_ndjson}[ending]
        write(path)
    command = [sys.executable, "-c", MEMORY, small, large]
    out = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    rows, megabytes = map(int, out.split())
    assert rows == 200_000
    assert megabytes < 150, "the file has 60 MB, and its cells take twice that as text"
