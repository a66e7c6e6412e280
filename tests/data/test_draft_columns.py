"""What the cells of a column look like to a draft."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import time
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from mlx_runner.data.draft_columns import sketch_columns
from mlx_runner.data.draft_dates import guess_dates
from mlx_runner.data.draft_missing import find_null_marks
from mlx_runner.data.draft_numbers import is_too_wide, rank_correlation
from mlx_runner.data.draft_sketch import Sketch
from mlx_runner.data.frame import Frame
from PIL import Image
from scipy.stats import spearmanr


def frame(**columns: Sequence[object]) -> Frame:
    return Frame.of_file(pl.DataFrame(columns), "t.csv")


def sketch(cells: Sequence[object], name: str = "column", folders: Sequence[str] = (".",)) -> Sketch:
    (found,) = sketch_columns(frame(**{name: cells}), folders=folders)
    return found


def cycle(*values: object, rows: int = 60) -> list[object]:
    return [values[row % len(values)] for row in range(rows)]


def numbered(text: str, rows: int = 60, most: int = 10**6) -> list[str]:
    return [text.format(row % most) for row in range(rows)]


KINDS: dict[str, tuple[str, Sequence[object], str]] = {
    "numbers": ("x", numbered("{}.5"), "numeric"),
    "numbers and gaps": ("x", [*numbered("{}.5"), "", " "], "numeric"),
    "distinct amounts": ("population", [str(row * row) for row in range(60)], "numeric"),
    "0 and 1": ("x", cycle("0", "1", ""), "binary"),
    "yes and no": ("x", cycle("Yes", "no"), "binary"),
    "true and false": ("x", cycle(True, False), "binary"),
    "two words": ("x", cycle("ham", "spam"), "binary"),
    "two numbers": ("x", cycle("1", "2"), "binary"),
    "few words": ("x", cycle("a", "b", "c"), "categorical"),
    "many words": ("x", numbered("w{}", rows=600, most=100), "categorical"),
    "phrases": ("x", cycle("a b c d e", "f g h i j", "k l m n o"), "categorical"),
    "codes": ("x", numbered("{:05d}", most=20), "categorical"),
    "codes by name": ("zip_code", cycle("10", "20", "30"), "categorical"),
    "sentences": ("x", numbered("this is number {} of many"), "text"),
    "titles": ("x", numbered("number {}"), "text"),
    "ISO dates": ("x", numbered("2020-01-{:02d}", most=28)[1:27], "datetime"),
    "dates": ("x", numbered("{:02d}.02.2020 10:30", most=28)[1:27], "datetime"),
    "eight digits": ("date", numbered("202001{:02d}", most=28)[1:27], "datetime"),
    "eight digits of no date": ("date", numbered("202099{:02d}", most=20), "numeric"),
    "numbers of rows": ("x", numbered("{}"), "identifier"),
    "numbers by name": ("row_id", [str(row * row) for row in range(60)], "identifier"),
    "numbers in camel case": ("rowId", [str(row * row) for row in range(60)], "identifier"),
    "padded": ("x", numbered("{:05d}"), "identifier"),
    "addresses": ("x", numbered("https://example.org/{}"), "identifier"),
    "mail": ("x", numbered("a{}@example.org"), "identifier"),
    "UUIDs": ("x", numbered("12345678-1234-1234-1234-{:012d}"), "identifier"),
    "names": ("x", numbered("name{}"), "identifier"),
    "users": ("user", numbered("u{}", most=25), "group"),
    "numbered users": ("user_id", numbered("{}", most=25), "group"),
    "keys": ("order_id", numbered("{}", most=25), "group"),
    "addresses that return": ("x", numbered("https://example.org/{}", most=20), "group"),
    "one value": ("x", cycle("a"), "constant"),
    "one value and gaps": ("x", cycle("a", ""), "constant"),
    "one number twice": ("x", cycle("1", "1.0"), "constant"),
    "nothing": ("x", cycle("", " "), "empty"),
    "labels": ("x", cycle("a;b", "b", "c;a"), "labels"),
    "labels with commas": ("x", cycle("red, blue", "blue", "green, red", "red"), "labels"),
    "towns with commas": ("x", cycle("Rome, IT", "Oslo", "Bern"), "categorical"),
    "decimal commas": ("x", numbered("{},5"), "unreadable"),
    "money": ("x", numbered("${}.00"), "unreadable"),
    "numbers and a word": ("x", [*numbered("{}.5"), "oops"], "unreadable"),
    "infinity": ("x", [float("inf"), *range(10)], "unreadable"),
    "too wide": ("x", ["1e300", "-1e300", "0"], "unreadable"),
    "times of day": ("x", [time(row % 24) for row in range(60)], "unreadable"),
    "images that are not there": ("x", numbered("{}.png"), "unreadable"),
}


@pytest.mark.parametrize("case", KINDS)
def test_the_kind_of_a_column(case: str) -> None:
    name, cells, kind = KINDS[case]
    assert sketch(cells, name).kind == kind


def test_what_is_counted() -> None:
    found = sketch(["10", "9", "", "10", " ", "9 "])
    assert (found.num_rows, found.num_empty, found.num_filled, found.num_distinct) == (6, 2, 4, 2)
    assert found.counts == {"9": 2, "10": 2}
    assert list(found.counts) == ["9", "10"]
    assert (found.number, found.whole, found.low, found.high) == (True, True, 9.0, 10.0)
    assert sketch(cycle("a;b", "b", "c; a")).counts == {"a": 40, "b": 40, "c": 20}


@pytest.mark.parametrize("name", ["value", "count", "rows", "literal"])
def test_names_that_a_library_might_stumble_over(name: str) -> None:
    assert sketch(cycle("a", "b", "c"), name).counts == {"a": 20, "b": 20, "c": 20}


def test_heavy_tails() -> None:
    random = np.random.RandomState(0)
    assert sketch(random.lognormal(5.0, 1.5, 300).tolist()).heavy
    assert not sketch(random.normal(100.0, 10.0, 300).tolist()).heavy
    assert not sketch((-random.lognormal(5.0, 1.5, 300)).tolist()).heavy, "log1p needs numbers above -1"
    assert not sketch((random.lognormal(5.0, 1.5, 300) / 1e6).tolist()).heavy, "log1p leaves them as they are"


@pytest.mark.parametrize(
    ("texts", "date_format", "timed"),
    [
        (["2020-02-03", "2021-12-31"], None, False),
        (["2020-02-03T10:00", "2021-12-31T00:00"], None, True),
        (["9/25/17 23:36", "10/2/17 12:41"], "%m/%d/%y %H:%M", True),
        (["25/9/2017", "2/10/2017"], "%d/%m/%Y", False),
        (["31.12.2020 23:59:59"], "%d.%m.%Y %H:%M:%S", True),
        (["Dec 31, 2020"], "%b %d, %Y", False),
        (["31 December 2020"], "%d %B %Y", False),
        (["Wed Oct 10 20:19:24 +0000 2018"], "%a %b %d %H:%M:%S %z %Y", True),
        (["12/31/2020 11:59 PM"], "%m/%d/%Y %I:%M %p", True),
    ],
)
def test_formats_of_dates(texts: list[str], date_format: str | None, timed: bool) -> None:
    guess = guess_dates(texts)
    assert guess is not None
    assert (guess.date_format, guess.timed, guess.other) == (date_format, timed, None)


def test_dates_that_read_in_two_ways_are_doubted() -> None:
    found = sketch(cycle("01/02/2020", "03/04/2021"))
    assert found.date_format == "%m/%d/%Y"
    assert found.doubt == (
        "'column' reads as %m/%d/%Y and as %d/%m/%Y alike: does the day come first, or the month?"
    )
    assert sketch(cycle("01.02.2020", "03.04.2021")).date_format == "%d.%m.%Y"


@pytest.mark.parametrize("texts", [[], ["x"], ["2020-02-03", "x"], ["2020-02-30"], ["1" * 50]])
def test_what_are_no_dates(texts: list[str]) -> None:
    assert guess_dates(texts) is None


def test_marks_of_missing_numbers() -> None:
    table = frame(
        a=["1", "NA", "2"], b=["x", "NA", "y"], c=["NA", "NA", "NA"], d=["1", " ?", "-"], e=["1", "oops", "2"]
    )
    assert find_null_marks(table) == {"a": ("NA",), "d": (" ?", "-")}


def test_images_are_looked_up_from_each_folder(tmp_path: Path) -> None:
    Image.new("L", (200, 100)).save(tmp_path / "0.png")
    found = sketch(numbered("{}.png"), folders=[".", str(tmp_path)])
    assert (found.kind, found.root, found.size, found.channels) == ("image", str(tmp_path), (32, 64), 1)
    assert sketch([*numbered("{}.png"), ""], folders=[str(tmp_path)]).kind == "unreadable"


def test_html_is_seen() -> None:
    assert sketch(numbered("Tom &amp; Jerry, part {}")).html
    assert not sketch(numbered("Tom & Jerry; part {}")).html


def test_the_correlation_of_ranks_is_that_of_scipy() -> None:
    random = np.random.RandomState(0)
    one, other = random.randint(0, 10, 50).astype(float), random.normal(size=50)
    assert rank_correlation(one, other) == pytest.approx(float(spearmanr(one, other).statistic))
    gaps = np.where(np.arange(50) < 10, np.nan, one)
    expected = float(spearmanr(one[10:], other[10:]).statistic)
    assert rank_correlation(gaps, other) == pytest.approx(expected)
    assert rank_correlation(one[:5], other[:5]) == 0.0, "of few rows nothing is said"


def test_numbers_that_no_scale_fits() -> None:
    assert is_too_wide(np.array([0.0, 5e-324, 1.0]))
    assert is_too_wide(np.array([0.0, 1e19]))
    assert not is_too_wide(np.array([0.3, 0.1 + 0.2, 50.0]))
    assert not is_too_wide(np.array([0.0] * 50 + [1e-3, 1e6]))
