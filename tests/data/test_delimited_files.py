"""CSV and TSV cell by cell: as Python's own reader reads them, wherever blocks are cut."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Sequence

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from mlx_runner.data.delimited_files import DelimitedReader
from mlx_runner.data.delimited_records import lay_out, whole_rows
from mlx_runner.specs.errors import DataError

Rows = list[list[str]]

CELLS = st.text(st.sampled_from('ab,;"\n\r\t é😀\0'), max_size=6)


def blocks_of(content: bytes, size: int) -> Iterator[bytes]:
    """The content in pieces that hold whole characters."""
    text = content.decode()
    for first in range(0, len(text), size):
        yield text[first : first + size].encode()


def read(content: bytes, *, size: int, separator: str = ",") -> tuple[Rows, list[int]]:
    """The cells, and the number of each row."""
    rows: Rows = []
    numbers: list[int] = []
    for frame in DelimitedReader("x.csv", separator).frames(blocks_of(content, size)):
        rows += [[cell or "" for cell in row] for row in frame.data.rows()]
        numbers += frame.numbers.tolist()
    return rows, numbers


def written(rows: Sequence[Sequence[str]], *, line_end: str, separator: str) -> bytes:
    """Python before 3.13 leaves a lone carriage return without quotes, unless all cells are in quotes."""
    stream = io.StringIO(newline="")
    returns = any("\r" in cell for row in rows for cell in row)
    quoting = csv.QUOTE_ALL if returns else csv.QUOTE_MINIMAL
    csv.writer(stream, lineterminator=line_end, delimiter=separator, quoting=quoting).writerows(rows)
    return stream.getvalue().encode()


@given(
    st.integers(1, 4).flatmap(
        lambda width: st.lists(st.lists(CELLS, min_size=width, max_size=width), min_size=1, max_size=8)
    ),
    st.sampled_from(["\n", "\r\n"]),
    st.sampled_from([",", ";", "\t"]),
    st.integers(1, 40),
)
def test_what_was_written_is_read(rows: Rows, line_end: str, separator: str, size: int) -> None:
    header = [f"c{i}" for i in range(len(rows[0]))]
    content = written([header, *rows], line_end=line_end, separator=separator)
    found, numbers = read(content, size=size, separator=separator)
    assert found == rows
    assert numbers == list(range(1, len(rows) + 1))


@given(st.text('a,"\n', max_size=24), st.integers(1, 30))
@example('5" disc,a\n2,"b"\n', 3)
@example('1,"open\n2,b\n', 4)
@example('1,"a"b\n', 40)
@example("\n\n1,2\n\n3,4", 2)
def test_any_text_is_read_as_python_does_or_refused(text: str, size: int) -> None:
    """Quotes that are not in their place too: what comes out does not depend on where blocks are cut."""
    try:
        expected = [row for row in csv.reader(io.StringIO("x,y\n" + text, newline=""), strict=True) if row]
    except csv.Error:
        expected = None
    if expected is None or any(len(row) != 2 for row in expected):
        with pytest.raises(DataError):
            read(b"x,y\n" + text.encode(), size=size)
    else:
        assert read(b"x,y\n" + text.encode(), size=size)[0] == expected[1:]


@given(st.text('a,"\n\r', max_size=30))
def test_what_is_laid_out_are_the_rows_that_python_sees(text: str) -> None:
    block = text.encode()[: whole_rows(text.encode())]
    layout = lay_out(block, ",") if block else None
    if layout is not None:
        expected = list(csv.reader(io.StringIO(block.decode(), newline=""), strict=True))
        assert layout.blank.tolist() == [not row for row in expected]
        assert layout.cells.tolist() == [max(1, len(row)) for row in expected]
        assert layout.stops[-1] == len(block)


def test_rows_are_numbered_by_their_line_where_some_are_blank() -> None:
    assert read(b"\n\nx,y\n1,2\n\n3,4\r\n\r\n\n5,6", size=5) == (
        [["1", "2"], ["3", "4"], ["5", "6"]],
        [1, 3, 6],
    )


def test_one_column_may_be_empty_in_quotes_but_a_blank_line_is_no_row() -> None:
    assert read(b'x\n1\n""\n\n2\n', size=99) == ([["1"], [""], ["2"]], [1, 2, 4])


def test_a_carriage_return_in_quotes_is_kept() -> None:
    assert read(b'x,y\n"a\r\rb","c\r\nd"\r\n', size=3)[0] == [["a\r\rb", "c\r\nd"]]


def test_columns_come_in_the_order_asked_for() -> None:
    reader = DelimitedReader("x.csv", ",", ("z", "x"))
    (frame,) = reader.frames(iter([b"x,y,z\n1,2,3\n"]))
    assert frame.data.columns == ["z", "x"]
    assert frame.data.rows() == [("3", "1")]
    (frame,) = DelimitedReader("x.csv", ",", ("z", "x")).frames(iter([b'x,y,z\n1,2",3\n']))
    assert frame.data.rows() == [("3", "1")], "read cell by cell too"


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "is empty: there is no header and no row"),
        (b"\n \n", "no column named 'x'. Columns: ' '."),
        (b"y,x,y\n", "the header names 'y' twice: in columns 1 and 3"),
        (b"a;x\n1;2\n", "no column named 'x'. Columns: a;x. Is data.separator ';'? It is ',' here."),
        (b"a\tx\n1\t2\n", "no column named 'x'. Columns: 'a\\tx'. Is data.separator tab? It is ',' here."),
        (
            b"x,y\n1,2\n\n3,4,5\n",
            "row 3 has 3 cells, more than the 2 columns of the header; a cell with a ',' in it must stand in "
            "quotes",
        ),
        (
            b"x,y\n1,2\n3\n",
            "row 2 has 1 cell, fewer than the 2 columns of the header; end it with separators where cells "
            "are empty",
        ),
        (b'x,y\n5",2\n3\n', "row 2 has 1 cell, fewer than the 2 columns of the header; end it with "),
        (
            b'x,y\n1,2\n3,"4\n5,6\n',
            "row 2 opens a quotation mark that is never closed; write a mark that is text twice, in quotes",
        ),
        (
            b'x,y\n1,2\n"3"a,4\n',
            "row 2 has text between a closing quotation mark and the next ','; write a mark that is text "
            "twice, in quotes",
        ),
        (
            b"x,y\n1,2\n3\r4,5\n",
            "row 2 holds a carriage return outside quotes; lines must end with a line feed",
        ),
        (
            b"x,y\r1,2\r3,4\r",
            "its header holds a carriage return outside quotes; lines must end with a line feed",
        ),
        (
            b'x,"y\n1,2\n',
            "its header opens a quotation mark that is never closed; write a mark that is text twice, in "
            "quotes",
        ),
    ],
)
@pytest.mark.parametrize("size", [4, 1000])
def test_what_is_wrong_is_named_with_its_row(content: bytes, message: str, size: int) -> None:
    with pytest.raises(DataError) as caught:
        list(DelimitedReader("x.csv", ",", ("x",)).frames(blocks_of(content, size)))
    (problem,) = caught.value.problems
    assert problem.file == "x.csv"
    assert problem.message == message or (message.endswith(" ") and problem.message.startswith(message))


def test_one_cell_that_fills_many_blocks_takes_linear_time() -> None:
    cell = "word, " * 500_000
    rows, _ = read(b'x,y\n"' + cell.encode() + b'",5" disc\n', size=10_000)
    assert rows == [[cell, '5" disc']]
