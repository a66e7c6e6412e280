"""The options --format and --json, of which at most one says how a result is printed."""

from __future__ import annotations

from collections.abc import Sequence


def choose_format(given: str | None, formats: Sequence[str], *, json: bool) -> str:
    """The format of a command whose first one is its default.

    Raises ConfigError for one that it does not know, and for two at once.
    """
    from ..specs.errors import ConfigError, unknown_name

    if given is not None and given not in formats:
        raise ConfigError(f"--format: {unknown_name('format', given, formats)}")
    if json and given not in (None, "json"):
        raise ConfigError(f"--json and --format {given} cannot both be given; choose one.")
    return "json" if json else given or formats[0]
