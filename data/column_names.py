"""Owns how a config names columns of a table: exactly, or by patterns in which `*` stands for any text."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence

from ..specs.errors import DataError, Path, Problem, nearest, quoted

MOST_COLUMNS = 100_000
"""Of a table."""

# More names than this help nobody to find the right one.
_MOST_LISTED = 30


def match_columns(
    patterns: Sequence[str],
    exclude: Sequence[str] | None,
    available: Sequence[str],
    *,
    path: Path = (),
) -> tuple[str, ...]:
    """The available columns that `patterns` name and `exclude` does not, in the order of the table.

    A column of exactly that name goes before a pattern. `path` is where the config says it: problems are
    at its `columns` and `exclude`. Raises DataError, of all problems at once, for a name or a pattern that
    matches nothing, an exclusion without effect, and where nothing is left.
    """
    problems: list[Problem] = []
    chosen = _matched(patterns, available, problems, path=(*path, "columns"))
    dropped: set[str] = set()
    for pattern in exclude or ():
        found = _matches(pattern, available)
        if found and not found & chosen:
            message = f"{quoted(pattern)} leaves nothing out: no column of that name is chosen; remove it."
            problems.append(Problem(message, (*path, "exclude")))
        elif not found:
            problems.append(_unmatched(pattern, available, (*path, "exclude")))
        dropped |= found
    left = tuple(name for name in available if name in chosen - dropped)
    if not left and not problems:
        problems.append(Problem("leaves out every column that is chosen.", (*path, "exclude")))
    if problems:
        raise DataError(problems)
    return left


def refuse_too_many(names: Sequence[str], *, file: str, most: int = MOST_COLUMNS) -> None:
    """Raises DataError, naming the file, for more columns than there is time for."""
    if len(names) > most:
        raise DataError(Problem(f"has {len(names):,} columns; at most {most:,} can be read", file=file))


def require_columns(wanted: Iterable[str], available: Sequence[str], *, file: str, hint: str = "") -> None:
    """Raises DataError, naming the file, for every column that it lacks; `hint` may say why."""
    existing = set(available)
    problems = [
        Problem(unknown_column(name, available) + hint, file=file)
        for name in dict.fromkeys(wanted)
        if name not in existing
    ]
    if problems:
        raise DataError(problems)


def unknown_column(name: str, available: Sequence[str]) -> str:
    """The one sentence for a column that does not exist: the nearest name, and the first thirty of all.

    Example: `no column named 'txt'; did you mean 'text'? Columns: created_at, text, user.`
    """
    guess = nearest(name, available)
    hint = f"; did you mean {quoted(guess)}?" if guess else "."
    return f"no column named {quoted(name)}{hint} {_listing(available)}"


def _matched(
    patterns: Sequence[str], available: Sequence[str], problems: list[Problem], *, path: Path
) -> set[str]:
    chosen: set[str] = set()
    for pattern in patterns:
        found = _matches(pattern, available)
        if not found:
            problems.append(_unmatched(pattern, available, path))
        chosen |= found
    return chosen


def _matches(pattern: str, available: Collection[str]) -> set[str]:
    if pattern in available:
        return {pattern}
    if "*" not in pattern:
        return set()
    parts = pattern.split("*")
    return {name for name in available if _fits(name, parts)}


def _fits(name: str, parts: Sequence[str]) -> bool:
    """Whether `name` is the parts in order with any text between them.

    Not a regular expression: one with many stars takes exponential time over some names.
    """
    first, *middle, last = parts
    if len(name) < len(first) + len(last) or not name.startswith(first) or not name.endswith(last):
        return False
    start, end = len(first), len(name) - len(last)
    for part in middle:
        found = name.find(part, start, end)
        if found < 0:
            return False
        start = found + len(part)
    return True


def _unmatched(pattern: str, available: Sequence[str], path: Path) -> Problem:
    if "*" not in pattern:
        return Problem(unknown_column(pattern, available), path)
    return Problem(f"no column matches {quoted(pattern)}. {_listing(available)}", path)


def _listing(available: Sequence[str]) -> str:
    first = available[:_MOST_LISTED]
    shown = ", ".join(name if name.isprintable() and name.strip() else quoted(name) for name in first)
    more = f" and {len(available) - _MOST_LISTED} more" if len(available) > _MOST_LISTED else ""
    return f"Columns: {shown or 'none'}{more}."
