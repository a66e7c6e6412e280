"""Points in time: parts and elapsed time against the datetime module, formats, offsets, empty cells."""

from __future__ import annotations

import json
import math
from datetime import UTC, date, datetime, time, timedelta, timezone
from pathlib import Path

import numpy as np
import polars as pl
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from mlx_runner.data.fit import load_encoder
from mlx_runner.data.frame import Frame
from mlx_runner.data.table import Field
from mlx_runner.data.time_columns import TimeEncoder, fit_time
from mlx_runner.specs.columns import Datetime
from mlx_runner.specs.errors import DataError
from pydantic import ValidationError

TWEETS = Path("../shared/data/tweets/tweets.csv")
TIMES = st.datetimes(datetime(1, 1, 1), datetime(9999, 12, 31))
LABELS = (
    "hour sine",
    "hour cosine",
    "weekday sine",
    "weekday cosine",
    "month sine",
    "month cosine",
    "elapsed",
)


def frame(*cells: object, **options: object) -> Frame:
    return Frame.of_file(pl.DataFrame({"at": pl.Series(cells, **options)}), "log.csv")


def fit(rows: Frame, **options: object) -> TimeEncoder:
    return fit_time(Datetime(column="at", **options), rows, name="x")


def error(call, *arguments: object, **options: object) -> str:
    with pytest.raises(DataError) as caught:
        call(*arguments, **options)
    return str(caught.value)


def stated(times: list[datetime], train: list[datetime]) -> np.ndarray:
    """The seven values by the datetime module alone."""
    start = min(train)
    seconds = np.array([(time - start).total_seconds() for time in train])
    rows = []
    for each in times:
        turns = (
            (each - each.replace(hour=0, minute=0, second=0, microsecond=0)) / timedelta(days=1),
            each.weekday() / 7,
            (each.month - 1) / 12,
        )
        waves = [wave(2 * math.pi * turn) for turn in turns for wave in (math.sin, math.cos)]
        rows.append([*waves, ((each - start).total_seconds() - seconds.mean()) / (seconds.std() or 1.0)])
    return np.array(rows)


@settings(deadline=None, max_examples=80)
@given(st.lists(TIMES, min_size=1, max_size=8, unique=True), st.lists(TIMES, max_size=4))
def test_as_the_datetime_module_has_it(train: list[datetime], others: list[datetime]) -> None:
    rows = frame(*(each.isoformat() for each in train))
    encoder = fit(rows)
    assert encoder.field == Field(shape=(7,), kind="numbers", labels=LABELS)
    written = frame(*(each.isoformat(" ") for each in others), dtype=pl.String)
    found = encoder.encode(written)
    assert found.values.dtype == torch.float32
    assert found.observed is None
    if others:
        expected = stated(others, train)
        np.testing.assert_allclose(found.values[:, :6].numpy(), expected[:, :6], atol=1e-6)
        if len(train) > 1:
            np.testing.assert_allclose(found.values[:, 6].numpy(), expected[:, 6], rtol=1e-5, atol=1e-5)
    kept = load_encoder(json.loads(json.dumps(encoder.document(), allow_nan=False)))
    assert torch.equal(kept.encode(written).values, found.values)
    typed = frame(*others, dtype=pl.Datetime("us"))
    assert torch.equal(encoder.encode(typed).values, found.values)


def test_known_points_in_time() -> None:
    monday = datetime(2024, 1, 1, 6, 0)
    encoder = fit(frame(monday.isoformat(), datetime(2024, 1, 1, 18, 0).isoformat()))
    np.testing.assert_allclose(
        encoder.encode(frame("2024-01-01T06:00", "2024-04-03T18:00")).values[:, :6].numpy(),
        [
            [1, 0, 0, 1, 0, 1],
            [-1, 0, math.sin(4 * math.pi / 7), math.cos(4 * math.pi / 7), 1, 0],
        ],
        atol=1e-6,
    )
    assert encoder.encode(frame("2024-01-01T06:00", "2024-01-01T18:00")).values[:, 6].tolist() == [-1.0, 1.0]
    assert (encoder.start, encoder.columns) == (int(monday.replace(tzinfo=UTC).timestamp() * 1e6), ("at",))


def test_parts_may_be_left_out() -> None:
    rows = frame("2024-01-01", "2024-01-03")
    assert fit(rows, parts=["weekday"], elapsed=False).field.labels == ("weekday sine", "weekday cosine")
    encoder = fit(rows, parts=[])
    assert encoder.field.labels == ("elapsed",)
    assert encoder.encode(rows).values.tolist() == [[-1.0], [1.0]]


@pytest.mark.parametrize(
    ("text", "date_format"),
    [
        ("2/3/69 4:05", "%m/%d/%y %H:%M"),
        ("03.02.1969 04:05", "%d.%m.%Y %H:%M"),
        ("3 Feb 1969, 4:05 AM", "%d %b %Y, %I:%M %p"),
        ("1969-02-03T06:05+02:00", None),
        ("1969-02-03T04:05Z", None),
        ("19690203T0405", None),
        ("1969-W06-1T04:05", None),
        ("1969-02-03 06:05 +0200", "%Y-%m-%d %H:%M %z"),
    ],
)
def test_formats_and_offsets(text: str, date_format: str | None) -> None:
    encoder = fit(frame(f" {text} "), format=date_format)
    seconds = datetime(1969, 2, 3, 4, 5, tzinfo=UTC).timestamp()
    assert encoder.start == int(seconds * 1e6)


def test_typed_columns_give_the_same() -> None:
    times = [datetime(2024, 1, 1, 12, 30), datetime(2024, 3, 5, 1, 0), None]
    texts = frame(*(None if each is None else each.isoformat() for each in times))
    encoder = fit(texts)
    expected = encoder.encode(texts).values
    abroad = timezone(timedelta(hours=5, minutes=30))
    aware = [None if each is None else each.replace(tzinfo=UTC).astimezone(abroad) for each in times]
    for typed in (
        frame(*times),
        frame(*times, dtype=pl.Datetime("ms")),
        frame(*times, dtype=pl.Datetime("ns")),
        frame(*aware, dtype=pl.Datetime("us", "Asia/Kolkata")),
        frame(*(None if each is None else each.isoformat() for each in aware)),
    ):
        assert fit(typed) == encoder
        assert torch.equal(encoder.encode(typed).values, expected)
    days = [date(2024, 1, 1), date(2024, 2, 29)]
    assert fit(frame(*days)) == fit(frame("2024-01-01", "2024-02-29"))
    years = {"format": "%Y"}
    assert fit(frame(2023, 2024), **years) == fit(frame("2023", "2024"), **years)


def test_an_empty_cell_has_the_means_of_the_training_rows() -> None:
    rows = frame("2024-01-01T00:00", None, "2024-07-01T06:00", " ")
    encoder = fit(rows)
    found = encoder.encode(rows).values
    np.testing.assert_allclose(found[1].numpy(), found[[0, 2]].mean(dim=0).numpy(), atol=1e-7)
    assert torch.equal(found[1], found[3])
    assert encoder.notes == ("at: 2 of 4 cells are empty; filled with the mean of each value",)
    assert (
        error(fit, frame(None, " "))
        == "data.inputs.x: every cell of column 'at' is empty in the training rows."
    )


def test_one_point_in_time_alone_is_noted() -> None:
    rows = frame("2024-01-01", "2024-01-01")
    encoder = fit(rows)
    assert encoder.notes == ("at: constant in the training rows",)
    assert encoder.encode(frame("2024-01-01", "2024-01-02")).values[:, 6].tolist() == [0.0, 86400.0]


def test_dates_that_do_not_fit_are_reported_with_their_place() -> None:
    cells = ("10/16/17 22:59", "2017-10-02", "10/32/17 0:00", "9/30/17 2:22")
    assert error(fit, frame(*cells), format="%m/%d/%y %H:%M") == (
        "data.inputs.x: column 'at', log.csv, row 2: '2017-10-02' does not fit the format '%m/%d/%y %H:%M'; "
        "likewise '10/32/17 0:00' (log.csv, row 3), 2 cells in all; correct it, or the format."
    )
    assert error(fit, frame(*cells[:2])) == (
        "data.inputs.x: column 'at', log.csv, row 1: '10/16/17 22:59' is not a date of ISO 8601, which is "
        "like 2017-10-16T22:59; say how dates are written, for example format: '%m/%d/%y %H:%M'."
    )
    encoder = fit(frame("2024-01-01"))
    assert "row 2: '0001-01-01T00:00+01:00' is not a date" in error(
        encoder.encode, frame("2024-01-01", "0001-01-01T00:00+01:00")
    )
    assert "row 1: '12:00:00' is not a date" in error(fit, frame(time(12)))
    assert "row 1: '17' is not a date" in error(fit, frame(17, 18))


def test_a_damaged_document_is_refused() -> None:
    document = json.loads(json.dumps(fit(frame("2024-01-01", "2024-01-02")).document()))
    document["elapsed"]["log1p"] = True
    with pytest.raises(DataError, match="the time elapsed may be negative"):
        load_encoder(document)


@pytest.mark.parametrize("date_format", ["%Q", "%", "%d %", "%-d/%m/%Y", "%G"])
def test_formats_that_no_date_can_be_read_by(date_format: str) -> None:
    with pytest.raises(ValidationError, match="no date can be read by"):
        Datetime(column="at", format=date_format)


@pytest.mark.skipif(not TWEETS.exists(), reason="needs the tweets")
def test_the_tweets_are_read_as_the_datetime_module_does() -> None:
    text = TWEETS.read_bytes().decode("latin-1").split("\n")
    cells = [line.split(",", 1)[0] for line in text[1:] if line[:1].isdigit() and ":" in line[:14]]
    rows = frame(*cells)
    date_format = "%m/%d/%y %H:%M"
    found = fit(rows, format=date_format).encode(rows).values
    times = [datetime.strptime(cell, date_format) for cell in cells]
    assert len(times) > 3000
    np.testing.assert_allclose(found.numpy(), stated(times, times), atol=1e-5)
