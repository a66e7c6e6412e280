"""What a command that fails must do, whatever the mistake."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

Mlx = Callable[..., tuple[int, str, str]]
Said = tuple[str | None, int | None, int | None, str | None, str]


@pytest.fixture(scope="session")
def assert_fails(mlx: Mlx) -> Callable[[Path, list[str], int, list[Said]], None]:
    """`assert_fails(folder, arguments, code, said)`: the messages `said`, each as file, line, column, path
    and text, come on stderr and, with --json, as the one document; nothing is left in the folder."""

    def check(folder: Path, arguments: list[str], code: int, said: list[Said]) -> None:
        before = sorted(folder.rglob("*"))
        assert mlx(*arguments, folder=folder) == (code, "", _lines(said))
        ended, out, err = mlx(*arguments, "--json", folder=folder)
        assert (ended, err) == (code, _lines(said))
        keys = ("file", "line", "column", "path", "message")
        messages = [dict(zip(keys, each, strict=True)) for each in said]
        assert json.loads(out) == {"error": {"code": code, "messages": messages}}
        assert sorted(folder.rglob("*")) == before

    return check


def _lines(said: list[Said]) -> str:
    """The messages as a terminal shows them."""
    lines: list[str] = []
    for file, line, column, path, message in said:
        place = ":".join(str(part) for part in (file, line, column) if part is not None)
        lines.append(": ".join(["mlx", *filter(None, (place, path)), message]) + "\n")
    return "".join(lines)
