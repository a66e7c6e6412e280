"""`ComparisonFolder`: the only way to a comparison on disk."""

from __future__ import annotations

import glob
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from ..specs.errors import ConfigError, DataError
from .atomic import disk_error, read_json, remove_file, write_text
from .numbers import to_json
from .process import describe_process, exclusive_access, is_alive, last_change
from .run_folder import RunFolder, resume_command
from .tables import Cell, write_table

SCORES = "comparison.csv"
SCORE_COLUMNS = (
    *("setting", "metric", "mean", "std", "n"),
    *("difference", "low", "high", "p", "p_holm"),
)
MEMBER_COLUMNS = ("setting", "seed", "run", "status")
LOST_SUFFIX = ".lost"

_PLAN = "plan.json"
_PROCESS = "process.json"


@dataclass(frozen=True)
class ComparisonFolder:
    """One comparison's folder: plan.json, `settings/` (a config each), `members/` (a run folder each), the
    tables, `plots/`. Every file in it is whole at every instant; every write may raise MachineError."""

    path: Path

    @classmethod
    def create(
        cls, root: Path, name: str, *, plan: Mapping[str, object], configs: Mapping[str, str]
    ) -> ComparisonFolder:
        """A new folder `root/<YYYYmmdd-HHMMSS>_<name>_compare`, held by this process.

        configs: the text of each file in `settings/`. Never in place of another: where the name is taken
        it becomes `...-2`, `...-3`. Raises MachineError.
        """
        folder = cls(_make(root / f"{datetime.now().astimezone():%Y%m%d-%H%M%S}_{name}_compare"))
        for part in (folder.members_path, folder.settings_path, folder.path / "plots"):
            _make_inside(part)
        write_text(folder.path / _PROCESS, to_json(describe_process()))
        for file_name, text in configs.items():
            write_text(folder.settings_path / file_name, text)
        write_text(folder.path / _PLAN, to_json(plan))
        # Last: a folder with this table is a comparison, and whole.
        folder.write_scores([], extra_columns=())
        return folder

    @classmethod
    def open(cls, path: Path) -> ComparisonFolder:
        """An existing comparison. Raises ConfigError where `path` is none or half-written."""
        if not path.is_dir():
            raise ConfigError(f"'{path}' is not a comparison: there is no such folder.")
        missing = [name for name in (SCORES, _PLAN) if not (path / name).is_file()]
        if missing:
            raise ConfigError(f"'{path}' is not a complete comparison: it has no {', '.join(missing)}.")
        return cls(path)

    @property
    def members_path(self) -> Path:
        """Where the run folders of the members lie."""
        return self.path / "members"

    @property
    def settings_path(self) -> Path:
        """Where the config of each setting lies."""
        return self.path / "settings"

    def way_on(self) -> str:
        """The command that goes on with the comparison."""
        return resume_command("compare", self.path)

    @property
    def is_at_work(self) -> bool:
        """Whether a process, this one perhaps, works on the comparison."""
        process = read_json(self.path / _PROCESS) or {}
        if not process:
            return False
        places = [self.path, self.members_path, *self.members_path.glob("*/checkpoints")]
        return is_alive(process, last_change=max(last_change(place) for place in places))

    def claim(self) -> None:
        """Take the comparison over for this process. Raises ConfigError while another works on it."""
        with exclusive_access(self.path):
            process = read_json(self.path / _PROCESS) or {}
            if process != describe_process() and self.is_at_work:
                raise ConfigError(
                    f"comparison '{self.path.name}' is still at work in process {process.get('pid')} on "
                    f"{process.get('host')}; wait for it, or stop it first."
                )
            write_text(self.path / _PROCESS, to_json(describe_process()))

    def release(self) -> None:
        """No process works on the comparison any more."""
        remove_file(self.path / _PROCESS)

    def discard_if_unused(self) -> bool:
        """Remove the folder while no member has begun; whether it did."""
        if self.member_folders():
            return False
        try:
            shutil.rmtree(self.path)
        except OSError as error:
            raise disk_error("remove", self.path, error) from error
        return True

    def member_folders(self) -> list[Path]:
        """All run folders of members, in the order of their names, those set aside left out."""
        try:
            found = sorted(self.members_path.iterdir())
        except OSError as error:
            raise disk_error("read", self.members_path, error) from error
        return [path for path in found if not path.name.startswith(".") and path.suffix != LOST_SUFFIX]

    def set_aside(self, run: RunFolder) -> None:
        """Rename the folder of a member that did not come to its end, so that it is trained anew."""
        target, number = run.path.with_name(run.name + LOST_SUFFIX), 1
        while target.exists():
            number += 1
            target = run.path.with_name(f"{run.name}-{number}{LOST_SUFFIX}")
        try:
            run.path.rename(target)
        except OSError as error:
            raise disk_error("rename", run.path, error) from error

    def read_plan(self) -> dict[str, object]:
        """What was planned. Raises DataError if damaged."""
        plan = read_json(self.path / _PLAN)
        if plan is None:
            raise DataError(f"'{self.path}' has lost its {_PLAN}.")
        return plan

    def write_scores(self, rows: Sequence[Mapping[str, Cell]], *, extra_columns: Sequence[str]) -> None:
        """comparison.csv: a row per setting and metric (`SCORE_COLUMNS`, then the changed keys)."""
        write_table(self.path / SCORES, rows, columns=[*SCORE_COLUMNS, *extra_columns])

    def write_members(self, rows: Sequence[Mapping[str, Cell]], *, metrics: Sequence[str]) -> None:
        """members.csv: a row per member (`MEMBER_COLUMNS`, then its metrics)."""
        write_table(self.path / "members.csv", rows, columns=[*MEMBER_COLUMNS, *metrics])

    def write_report(self, markdown: str, document: Mapping[str, object]) -> None:
        """comparison.md and comparison.json."""
        write_text(self.path / "comparison.md", markdown)
        write_text(self.path / "comparison.json", to_json(document))

    def plot_path(self, name: str) -> Path:
        """Where a plot lies, by its file name."""
        return self.path / "plots" / name


def is_comparison(path: Path) -> bool:
    """Whether a folder looks like a comparison, be it whole or damaged."""
    try:
        return (path / SCORES).is_file() or (path / "members").is_dir()
    except PermissionError:
        return False  # somebody else's folder


def find_comparison(root: Path, text: str) -> ComparisonFolder:
    """The comparison that `text` names: a path, a folder under `root` or its beginning, or `latest`.

    Raises ConfigError where it is none.
    """
    if text != "latest":
        beside = root / text
        if text and not beside.is_dir() and not Path(text).is_dir() and root.is_dir():
            begun = [path for path in root.glob(f"{glob.escape(text)}*") if (path / SCORES).is_file()]
            if len(begun) > 1:
                names = ", ".join(sorted(path.name for path in begun))
                raise ConfigError(f"{len(begun)} comparisons are meant by '{text}': {names}.")
            beside = begun[0] if begun else beside
        return ComparisonFolder.open(beside if beside.is_dir() else Path(text))
    found = [path for path in root.iterdir() if (path / SCORES).is_file()] if root.is_dir() else []
    if not found:
        raise ConfigError(f"there is no latest comparison: '{root}' holds none yet.")
    # By time, for two of one second differ in a number only; then by name.
    return ComparisonFolder.open(
        max(found, key=lambda path: (path.name[:15], path.stat().st_mtime, path.name))
    )


def _make(wanted: Path) -> Path:
    """The folder under the first free name; of two processes each gets one of its own."""
    target, number = wanted, 1
    while True:
        try:
            wanted.parent.mkdir(parents=True, exist_ok=True)
            target.mkdir()
        except FileExistsError as error:
            if not wanted.parent.is_dir():
                raise disk_error("make", wanted, error) from error
            number += 1
            target = wanted.with_name(f"{wanted.name}-{number}")
        except OSError as error:
            raise disk_error("make", target, error) from error
        else:
            return target


def _make_inside(path: Path) -> None:
    try:
        path.mkdir()
    except OSError as error:
        raise disk_error("make", path, error) from error
