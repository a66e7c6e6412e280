"""A new run folder, which appears with its first files inside and never in place of another."""

from __future__ import annotations

import errno
import os
import secrets
import shutil
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path

from .atomic import disk_error, write_text


def create_folder(root: Path, name: str, texts: Mapping[str, str]) -> Path:
    """The folder `root/<YYYYmmdd-HHMMSS>_<name>` in local time, with `texts` by file name in it.

    Where the name is taken it becomes `...-2`, `...-3`. Raises MachineError; nothing is left behind then.
    """
    assert name and name == Path(name).name, f"{name!r} cannot be part of a folder's name"
    # Hidden, so that no listing sees it half-written; beside its place, so that the move is one step.
    draft = root / f".{name}.{os.getpid()}.{secrets.token_hex(4)}"
    try:
        root.mkdir(parents=True, exist_ok=True)
        try:
            for path in (draft, draft / "checkpoints", draft / "plots"):
                path.mkdir()
            for file_name, text in texts.items():
                write_text(draft / file_name, text)
            return _place(draft, root / f"{datetime.now().astimezone():%Y%m%d-%H%M%S}_{name}")
        finally:
            shutil.rmtree(draft, ignore_errors=True)
    except OSError as error:
        raise disk_error("make a run folder in", root, error) from error


def _place(draft: Path, wanted: Path) -> Path:
    """Move the folder to the first free name. Two processes never get the same one: the move fails on
    a folder that holds anything, and a run's folder does so from its first instant."""
    target, number = wanted, 1
    while True:
        try:
            draft.rename(target)
        except OSError as error:
            if error.errno not in (errno.EEXIST, errno.ENOTEMPTY, errno.ENOTDIR):
                raise
            number += 1
            target = wanted.with_name(f"{wanted.name}-{number}")
        else:
            return target
