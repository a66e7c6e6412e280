"""Owns recognizing points in time: which common format, if any, reads every cell of a column."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

_DATES = (
    *("%m/%d/%Y", "%d/%m/%Y", "%m/%d/%y", "%d/%m/%y", "%Y/%m/%d"),
    *("%d.%m.%Y", "%m.%d.%Y", "%d.%m.%y", "%m.%d.%y"),
    *("%m-%d-%Y", "%d-%m-%Y", "%m-%d-%y", "%d-%m-%y"),
    *("%d %b %Y", "%d-%b-%Y", "%d-%b-%y", "%b %d, %Y", "%b %d %Y"),
    *("%d %B %Y", "%d. %B %Y", "%B %d, %Y", "%B %d %Y"),
)
_TIMES = ("", " %H:%M", " %H:%M:%S", " %H:%M:%S.%f", " %I:%M %p", " %I:%M:%S %p", ", %H:%M", "T%H:%M:%S")
_WHOLE = (
    "%Y-%m-%d %I:%M %p",
    "%Y-%m-%d %I:%M:%S %p",
    "%Y-%m-%d %H:%M:%S %z",
    "%Y-%m-%d %H:%M:%S UTC",
    "%a %b %d %H:%M:%S %z %Y",
    "%a %b %d %H:%M:%S %Y",
    "%a, %d %b %Y %H:%M:%S %z",
    "%a, %d %b %Y %H:%M:%S GMT",
    "%d/%b/%Y:%H:%M:%S %z",
)

# Enough to rule out a format; the others are read only by one that all of these fit.
_SAMPLE = 50
_LONGEST = 40


@dataclass(frozen=True)
class DateGuess:
    """How dates are written: strftime's format, None for ISO 8601.

    `timed`: some are not at midnight. `other` is a format that reads all of them as well.
    """

    date_format: str | None
    timed: bool
    other: str | None = None


def guess_dates(texts: Sequence[str]) -> DateGuess | None:
    """The format that reads all of these distinct texts; None where there is none."""
    sample = texts[:_SAMPLE]
    if not texts or any(len(text) > _LONGEST or not _has_digit(text) for text in sample):
        return None
    found = [
        (date_format, times)
        for date_format in (None, *_formats())
        if _read(sample, date_format) and (times := _read(texts, date_format))
    ]
    if not found:
        return None
    # Where day and month can be told apart only one reads all; '.' goes with the day first.
    (chosen, times), *others = found
    timed = any((time.hour, time.minute, time.second, time.microsecond) != (0, 0, 0, 0) for time in times)
    return DateGuess(chosen, timed, next((other for other, _ in others if _swapped(chosen, other)), None))


def whole_number_dates(texts: Sequence[str]) -> bool:
    """Whether all are dates written as eight digits, such as 20171016."""
    return all(len(text) == 8 for text in texts) and bool(_read(texts, "%Y%m%d"))


def _formats() -> Iterator[str]:
    for date in _DATES:
        for time in _TIMES:
            yield date + time
    yield from _WHOLE


def _read(texts: Sequence[str], date_format: str | None) -> list[datetime]:
    """The points in time; none at all where one of the texts does not fit."""
    times = list[datetime]()
    parse: Callable[[str], datetime] = datetime.fromisoformat
    if date_format is not None:
        parse = lambda text: datetime.strptime(text, date_format)  # noqa: E731
    for text in texts:
        try:
            times.append(parse(text))
        except (ValueError, OverflowError):
            return []
    return times


def _swapped(one: str | None, other: str | None) -> bool:
    """Whether two formats differ in the order of day and month alone."""
    return one is not None and other is not None and sorted(one) == sorted(other) and one != other


def _has_digit(text: str) -> bool:
    return any(character.isdigit() for character in text)
