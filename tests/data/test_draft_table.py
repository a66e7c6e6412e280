"""The first look at a table: format, encoding and separator, whatever the file is called."""

from __future__ import annotations

from pathlib import Path

import polars as pl
import pytest
from mlx_runner.data.draft_table import Sample, read_sample, with_null_values
from mlx_runner.specs.errors import ConfigError, DataError

ROWS = "näme;x\nä;1,5\nb;2,5\n"


def read(path: Path, content: str | bytes, **options: str) -> Sample:
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return read_sample(str(path), **options)


@pytest.mark.parametrize(
    ("encoding", "found", "doubt"),
    [
        ("utf-8", "utf-8", None),
        ("utf-8-sig", "utf-8", None),
        ("utf-16", "utf-16", None),
        ("utf-32", "utf-32", None),
        ("cp1252", "cp1252", "the bytes are not UTF-8; as cp1252"),
    ],
)
def test_encodings(tmp_path: Path, encoding: str, found: str, doubt: str | None) -> None:
    sample = read(tmp_path / "t.csv", ROWS.encode(encoding))
    assert sample.spec.encoding == found
    assert sample.columns == ("näme", "x")
    assert sample.frame.data["näme"].to_list() == ["ä", "b"]
    assert sample.doubts.get("encoding", "").startswith(doubt or "")
    assert ("encoding" in sample.doubts) == (doubt is not None)


def test_latin_1_is_what_is_left(tmp_path: Path) -> None:
    sample = read(tmp_path / "t.csv", b"a,b\n\x81,1\n\xe9,2\n")
    assert sample.spec.encoding == "latin-1"
    assert "latin-1 reads any bytes" in sample.doubts["encoding"]


def test_a_file_that_ends_within_a_character_is_not_utf_8(tmp_path: Path) -> None:
    assert read(tmp_path / "t.csv", b"a,b\n1,\xc3").spec.encoding == "cp1252"


@pytest.mark.parametrize(
    ("name", "text", "separator"),
    [
        ("t.csv", "a,b\n1,2\n", None),
        ("t.csv", "a;b\n1,5;2\n", ";"),
        ("t.csv", "a\tb\n1\t2\n", "\t"),
        ("t.csv", "a|b\n1|2\n", "|"),
        ("t.tsv", "a\tb\n1\t2\n", None),
        ("t.tsv", "a,b\n1,2\n", ","),
        ("t.csv", "a\nx\ny\n", None),
        ("t.csv", 'a,b\n"x;y",2\n"x;y",3\n', None),
        ("t.csv", "a;b\n" + '"one, ""two"""; 2\n' * 3, ";"),
    ],
)
def test_separators(tmp_path: Path, name: str, text: str, separator: str | None) -> None:
    assert read(tmp_path / name, text).spec.separator == separator


@pytest.mark.parametrize("spelling", ["tab", "\\t", "\t"])
def test_a_tab_can_be_spelt(tmp_path: Path, spelling: str) -> None:
    assert read(tmp_path / "t.csv", "a\tb\n1\t2\n", separator=spelling).spec.separator == "\t"


def test_files_whose_names_tell_no_format(tmp_path: Path) -> None:
    assert read(tmp_path / "t.txt", "a,b\n1,2\n").spec.format == "csv"
    assert read(tmp_path / "t.json", '{"a": 1}\n').spec.format == "jsonl"
    pl.DataFrame({"a": [1]}).write_parquet(tmp_path / "t.dat")
    assert read_sample(str(tmp_path / "t.dat")).spec.format == "parquet"
    assert read(tmp_path / "t.csv", "a,b\n1,2\n").spec.format == "auto"


def test_a_folder_and_a_pattern(tmp_path: Path) -> None:
    for number in range(3):
        (tmp_path / f"{number}.csv").write_text("a,b\n" + f"{number},x\n" * (2 - number))
    for path in (tmp_path, tmp_path / "*.csv"):
        sample = read_sample(str(path))
        assert (sample.num_files, sample.whole) == (3, True)
        assert sample.frame.data["a"].to_list() == ["0", "0", "1"]


def test_columns_that_hold_lists_are_named_and_left_out(tmp_path: Path) -> None:
    pl.DataFrame({"a": [1], "l": [[1]], "b": [b"x"], "s": [{"x": 1}]}).write_parquet(tmp_path / "t.parquet")
    sample = read_sample(str(tmp_path / "t.parquet"))
    assert (sample.columns, sample.nested) == (("a", "l", "b", "s"), ("l", "b", "s"))
    assert sample.frame.data.columns == ["a"]
    pl.DataFrame({"l": [[1]]}).write_parquet(tmp_path / "t.parquet")
    with pytest.raises(DataError, match="every column holds lists, objects or bytes"):
        read_sample(str(tmp_path / "t.parquet"))


def test_a_header_of_numbers_is_doubted(tmp_path: Path) -> None:
    sample = read(tmp_path / "t.csv", "1.5,2\n3,4\n")
    assert sample.doubts["path"].startswith("the first row is read as the names of the columns")


def test_marks_become_empty_cells(tmp_path: Path) -> None:
    sample = with_null_values(read(tmp_path / "t.csv", "a,b\nNA,1\n2,NA\n"), ["NA"])
    assert sample.spec.null_values == ("NA",)
    assert sample.frame.data.rows() == [(None, "1"), ("2", None)]


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("t.csv", b"", "is empty: there is no header and no row"),
        ("t.csv", b"a,b\n", "has no rows"),
        ("t.jsonl", b"", "is empty: there are no rows"),
        ("t.jsonl", b"1\n", 'row 1 is a whole number; every line must be an object such as {"x": 1}'),
        ("t.jsonl", b'{"a": [1]}\n', "row 1: column 'a' holds a list, where a cell is text"),
        ("t.csv", b"a,a\n1,2\n", "the header names 'a' twice"),
        ("t.csv", b"a,b\n1,2,3\n", "row 1 has 3 cells, more than the 2 columns of the header"),
        ("t.parquet", b"x", "is not Parquet, or is damaged"),
        ("t.csv", b"PK\x03\x04", "is a zip archive or an Excel workbook"),
    ],
)
def test_files_that_are_no_table(tmp_path: Path, name: str, content: bytes, said: str) -> None:
    with pytest.raises(DataError) as refused:
        read(tmp_path / name, content)
    (problem,) = refused.value.problems
    assert problem.message.startswith(said)
    assert problem.file == str(tmp_path / name)


def test_paths_that_lead_to_no_table(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"^no such file: '.*t\.csv'$"):
        read_sample(str(tmp_path / "t.csv"))
    with pytest.raises(DataError, match=r"holds no file whose name ends with"):
        read_sample(str(tmp_path))
    (tmp_path / "t.xlsx").write_bytes(b"")
    with pytest.raises(DataError, match=r"has the ending '\.xlsx', not \.csv, \.tsv, .* or \.parquet\.$"):
        read_sample(str(tmp_path / "t.xlsx"))


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"encoding": "utf8x"}, "no encoding named 'utf8x'"),
        ({"separator": ";;"}, r"a separator is one character, or the word tab, not ';;'"),
        ({"separator": '"'}, "must be one ASCII character, no quotation mark"),
    ],
)
def test_options_that_cannot_be(tmp_path: Path, options: dict[str, str], said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        read(tmp_path / "t.csv", "a,b\n1,2\n", **options)


def test_options_without_meaning_are_refused(tmp_path: Path) -> None:
    pl.DataFrame({"a": [1]}).write_parquet(tmp_path / "t.parquet")
    with pytest.raises(ConfigError, match="has no meaning for files of format parquet"):
        read_sample(str(tmp_path / "t.parquet"), separator=";")
