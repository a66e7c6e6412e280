"""The comparisons in a folder: what a list says of each."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from ..specs.errors import MlxError
from .atomic import list_folder
from .comparison_folder import ComparisonFolder, is_comparison
from .run_folder import ENDED, RunFolder


@dataclass(frozen=True)
class ComparisonRecord:
    """What a list says of one comparison; `members` are those that have begun."""

    name: str
    path: Path
    status: Literal["running", "finished", "interrupted", "damaged"]
    members: int = 0


def list_comparisons(root: Path) -> list[ComparisonRecord]:
    """The comparisons directly under `root`, newest first; none where there is no such folder.

    Damaged ones are among them; what vanishes meanwhile is left out. Raises MachineError where `root` itself
    cannot be read.
    """
    found = [path for path in list_folder(root) if not path.name.startswith(".") and is_comparison(path)]
    records = [_record(path) for path in found]
    return sorted((each for each in records if each.path.is_dir()), key=lambda each: each.name, reverse=True)


def member_paths(path: Path) -> list[Path]:
    """The run folders of a comparison's members, damaged ones too; none where it has lost their folder."""
    comparison = ComparisonFolder(path)
    folders = comparison.member_folders() if comparison.members_path.is_dir() else []
    return [folder for folder in folders if folder.is_dir()]


def _record(path: Path) -> ComparisonRecord:
    try:
        comparison = ComparisonFolder.open(path)
        members = member_paths(path)
        if comparison.is_at_work:
            return ComparisonRecord(path.name, path, "running", len(members))
        has_ended = all(RunFolder(member).status in ENDED for member in members)
        # The report is written when the last member has ended.
        status = "finished" if has_ended and (path / "comparison.json").is_file() else "interrupted"
        return ComparisonRecord(path.name, path, status, len(members))
    except MlxError:
        return ComparisonRecord(path.name, path, "damaged")
