"""The trash beside runs: where they are moved to, brought back from, and removed for good."""

from __future__ import annotations

import re
import secrets
import shutil
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from ..specs.errors import ConfigError, MlxError, nearest, quoted
from .atomic import disk_error, list_folder
from .comparison_folder import ComparisonFolder, is_comparison
from .process import exclusive_access
from .run_folder import RunFolder

TRASH = ".trash"

_ENTRY = re.compile(r"(\d{8}-\d{6})\.[0-9a-f]{8}\.(.+)", re.DOTALL)
_NAMES_SHOWN = 5
_MOST_MOVES = 10


@dataclass(frozen=True)
class Discarded:
    """A run or comparison in the trash: its own name, its folder there, when it came there (local time)."""

    name: str
    path: Path
    time: str


def discard(path: Path, *, force: bool = False) -> Path:
    """Move a run or comparison to the trash of the folder that it lies in; returns where it lies now.

    It is one rename, to a name that nothing else has. Raises ConfigError for what is at work, without
    `force`; MachineError.
    """
    place = path.resolve() if path.name in ("", "..") else path
    trash = place.parent / TRASH
    # A name of its own for each, so that nothing is ever moved in the place of another.
    target = trash / f"{datetime.now():%Y%m%d-%H%M%S}.{secrets.token_hex(4)}.{place.name}"
    # Nobody resumes it between the look and the move.
    with exclusive_access(place):
        if not force:
            require_rest(place)
        try:
            _move(place, target)
        except OSError as error:
            raise disk_error("move to the trash", place, error) from error
    return target


def _move(place: Path, target: Path) -> None:
    """One rename into a trash that others may empty, and remove, between its making and the rename."""
    for _ in range(_MOST_MOVES):
        target.parent.mkdir(exist_ok=True)
        with suppress(FileNotFoundError):
            place.rename(target)
            return
        if not place.exists():
            break
    place.rename(target)


def require_rest(path: Path) -> None:
    """Raises ConfigError while a process works on the run or comparison in a folder."""
    if is_comparison(path):
        comparison = ComparisonFolder(path)
        members = comparison.member_folders() if comparison.members_path.is_dir() else []
        is_busy = comparison.is_at_work or any(_is_running(member) for member in members)
    else:
        is_busy = _is_running(path)
    if is_busy:
        kind = "comparison" if is_comparison(path) else "run"
        raise ConfigError(f"{kind} {quoted(path.name)} is still at work; stop it first, or use --force.")


def list_discarded(root: Path) -> list[Discarded]:
    """What lies in the trash of `root`, the last to come first. Raises MachineError."""
    found = [(_ENTRY.fullmatch(path.name), path) for path in sorted(list_folder(root / TRASH))]
    entries = [Discarded(entry[2], path, entry[1]) for entry, path in found if entry is not None]
    return sorted(entries, key=lambda each: (each.time, each.path.name), reverse=True)


def restore(root: Path, text: str) -> Path:
    """Bring a run or comparison back from the trash to its place under its own name; returns that place.

    `text` is its name, the beginning or end of the one name that has it, its name in the trash, `latest`
    for the last that came there, or a path to where it lay. Raises ConfigError where that is none or more
    than one, and where its place is taken; MachineError.
    """
    if Path(text).name != text:
        root, text = Path(text).parent, Path(text).name
    entry = _find(root, text)
    place = root / entry.name
    taken = ConfigError(f"'{place}' is there already; give it another name, then restore this one.")
    if place.exists() or place.is_symlink():
        raise taken
    try:
        entry.path.rename(place)
    except FileNotFoundError as error:
        raise ConfigError(f"{quoted(entry.name)} is in the trash of '{root}' no more.") from error
    except OSError as error:
        if place.exists():  # it came there just now
            raise taken from error
        raise disk_error("move from the trash", place, error) from error
    return place


def purge(root: Path) -> int:
    """Remove all that lies in the trash of `root` for good; returns how many entries there were.

    Raises MachineError for what cannot be removed; the rest stays for the next time.
    """
    children = sorted(list_folder(root / TRASH))
    removed = sum(_remove(path) for path in children)
    with suppress(OSError):  # another run may have come there just now
        (root / TRASH).rmdir()
    return removed


def folder_bytes(path: Path) -> int:
    """The size of all files below a folder; what vanishes meanwhile counts nothing."""
    total = 0
    for file in path.rglob("*"):
        with suppress(OSError):
            total += file.lstat().st_size if file.is_symlink() or file.is_file() else 0
    return total


def _is_running(path: Path) -> bool:
    try:
        return RunFolder(path).status == "running"
    except MlxError:
        return False  # damaged: no process of ours leaves it so


def _find(root: Path, text: str) -> Discarded:
    entries = list_discarded(root)
    if text == "latest" and entries:
        return entries[0]
    exact = [entry for entry in entries if text in (entry.name, entry.path.name)]
    near = [entry for entry in entries if text and (entry.name.startswith(text) or entry.name.endswith(text))]
    matches = exact or near
    if len(matches) == 1:
        return matches[0]
    where = f"in the trash of '{root}'"
    if matches:
        # Those of one name are told apart by their names in the trash.
        names = [entry.path.name if exact else entry.name for entry in matches]
        raise ConfigError(
            f"{len(matches)} {where} are meant by {quoted(text)}: {_shown(names)}. Give one of these."
        )
    names = [entry.name for entry in entries]
    guess = nearest(text, names)
    hint = f"; did you mean {quoted(guess)}?" if guess else "."
    raise ConfigError(f"there is no {quoted(text)} {where}{hint} There: {_shown(names) or 'nothing'}.")


def _shown(names: Sequence[str]) -> str:
    more = f" and {len(names) - _NAMES_SHOWN} more" if len(names) > _NAMES_SHOWN else ""
    return ", ".join(names[:_NAMES_SHOWN]) + more


def _remove(path: Path) -> bool:
    """Whether it was ours to remove: another process may have taken it back, or removes it itself."""
    # Renamed first, so that nobody brings it back while it is half gone.
    doomed = path.with_name(f".purged.{secrets.token_hex(8)}")
    try:
        path.rename(doomed)
        if doomed.is_dir() and not doomed.is_symlink():
            shutil.rmtree(doomed)
        else:
            doomed.unlink()
    except FileNotFoundError:
        return False
    except OSError as error:
        raise disk_error("remove", path, error) from error
    return True
