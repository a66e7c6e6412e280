"""`RunFolder`: the only way to a run on disk."""

from __future__ import annotations

import errno
import os
import re
import secrets
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Literal, cast, get_args

from ..specs.errors import ConfigError, DataError
from .atomic import disk_error, read_json, read_text, write_text
from .numbers import to_json
from .process import describe_process, is_alive
from .tables import Cell, Row, append_rows, read_table, table_columns, write_table

EndStatus = Literal["finished", "interrupted", "diverged", "failed"]
Status = Literal[EndStatus, "running", "lost"]

LEDGER_COLUMNS = ("epoch", "split", "term", "kind", "raw", "weight", "weighted", "share")
LABEL_COLUMNS = (
    *("split", "output", "label", "observed", "support", "prevalence", "threshold"),
    *("precision", "recall", "f1", "auroc", "average_precision", "binary_accuracy"),
)
VALUE_COLUMNS = (
    *("split", "output", "column", "observed", "mse", "mae", "rmse", "r2"),
    *("mse_original", "mae_original", "rmse_original", "r2_original"),
)
RUN_FILES = ("config.yaml", "environment.json", "plan.json")
RUN_NAME = re.compile(r"\d{8}-\d{6}_.+")

_END_STATUSES: tuple[str, ...] = get_args(EndStatus)
_TEXT_COLUMNS = frozenset({"split", "term", "kind", "layer", "output", "label", "column"})
_EPOCH_TABLES = ("metrics.csv", "ledger.csv", "gradients.csv", "timings.csv")


@dataclass(frozen=True)
class RunFolder:
    """One run's folder. Every file in it is whole at every instant; every write may raise MachineError."""

    path: Path

    @classmethod
    def create(
        cls,
        root: Path,
        name: str,
        *,
        config_text: str,
        environment: Mapping[str, object],
        plan: Mapping[str, object],
        preparation: Mapping[str, object] | None = None,
    ) -> RunFolder:
        """A new folder `root/<YYYYmmdd-HHMMSS>_<name>` in local time, held by this process.

        It appears with its first files inside, and never in place of another run: where the name is
        taken it becomes `...-2`, `...-3`. `name` is a name as the specs allow it; `preparation` what was
        learned from the columns of a user's table. Raises MachineError.
        """
        assert name and name == Path(name).name, f"{name!r} cannot be part of a folder's name"
        # Hidden, so that no listing sees it half-written; beside its place, so that the move is one step.
        draft = root / f".{name}.{os.getpid()}.{secrets.token_hex(4)}"
        try:
            root.mkdir(parents=True, exist_ok=True)
            try:
                _fill(draft, config_text=config_text, environment=environment, plan=plan)
                if preparation is not None:
                    write_text(draft / "preparation.json", to_json(preparation))
                return cls(_place(draft, root / f"{datetime.now().astimezone():%Y%m%d-%H%M%S}_{name}"))
            finally:
                shutil.rmtree(draft, ignore_errors=True)
        except OSError as error:
            raise disk_error("make a run folder in", root, error) from error

    @classmethod
    def open(cls, path: Path) -> RunFolder:
        """An existing run. Raises ConfigError where `path` is none or half-written, MachineError where it
        may not be read."""
        try:
            is_there = path.is_dir()
            missing = [name for name in RUN_FILES if not (path / name).is_file()]
        except OSError as error:
            raise disk_error("read", path, error) from error
        if not is_there:
            raise ConfigError(f"'{path}' is not a run: there is no such folder.")
        if missing:
            raise ConfigError(f"'{path}' is not a complete run: it has no {', '.join(missing)}.")
        return cls(path)

    def claim(self) -> None:
        """Take the run over for this process, to resume it: it counts as running from now on.

        Raises ConfigError while another process works on it.
        """
        if self.status == "running" and self._process().get("pid") != os.getpid():
            holder = self._process()
            raise ConfigError(
                f"run '{self.name}' is still at work in process {holder.get('pid')} on "
                f"{holder.get('host')}; wait for it, or stop it first."
            )
        write_text(self.path / "process.json", to_json(describe_process()))
        _remove(self.path / "summary.json")

    @property
    def name(self) -> str:
        """The folder's own name, by which the run is told from all others."""
        return self.path.name

    @property
    def status(self) -> Status:
        """What the summary says; before there is one, `running` or, without a live process, `lost`."""
        recorded = self._recorded_status()
        if recorded is None and self._has_live_process():
            return "running"
        # A run that ended between the two looks has a summary by now.
        return recorded or self._recorded_status() or "lost"

    def append_metrics(self, row: Mapping[str, Cell]) -> None:
        """One epoch: `epoch`, then metric keys. The first row fixes the columns."""
        assert next(iter(row), None) == "epoch", "a row of metrics begins with its epoch"
        append_rows(self.path / "metrics.csv", [row])

    def append_ledger(self, rows: Sequence[Mapping[str, Cell]]) -> None:
        """One epoch's terms, a row per split and term: the keys are `LEDGER_COLUMNS`."""
        append_rows(self.path / "ledger.csv", rows, columns=LEDGER_COLUMNS)

    def append_gradients(self, rows: Sequence[Mapping[str, Cell]], *, columns: Sequence[str]) -> None:
        """The gradient reports of one epoch: a row per step, layer and term that reaches it."""
        append_rows(self.path / "gradients.csv", rows, columns=columns)

    def append_timings(self, row: Mapping[str, Cell]) -> None:
        """One epoch's times: `epoch, seconds, examples_per_second, ...`; the first row fixes the columns."""
        append_rows(self.path / "timings.csv", [row])

    def write_labels(self, rows: Sequence[Mapping[str, Cell]]) -> None:
        """All rows of the table of labels at once, per split, output and label (`LABEL_COLUMNS`)."""
        write_table(self.path / "labels.csv", rows, columns=LABEL_COLUMNS)

    def write_values(self, rows: Sequence[Mapping[str, Cell]]) -> None:
        """All rows of the table of numbers, per split, output and column of a target (`VALUE_COLUMNS`)."""
        write_table(self.path / "values.csv", rows, columns=VALUE_COLUMNS)

    def write_decisions(self, decisions: Mapping[str, object]) -> None:
        """What was found on the validation rows: thresholds by output and label, temperatures by output."""
        write_text(self.path / "decisions.json", to_json(decisions))

    def write_summary(self, summary: Mapping[str, object]) -> None:
        """The end of the run. `status` must be one of `finished`, `interrupted`, `diverged`, `failed`."""
        assert summary.get("status") in _END_STATUSES, f"a run does not end as {summary.get('status')!r}"
        write_text(self.path / "summary.json", to_json(summary))
        _remove(self.path / "process.json")

    def drop_epochs_after(self, epoch: int) -> None:
        """Cut the tables back to a checkpoint's epoch, so that a resumed run writes no epoch twice."""
        for path in (self.path / name for name in _EPOCH_TABLES):
            rows = read_table(path, text_columns=_TEXT_COLUMNS)
            kept = [row for row in rows if isinstance(row["epoch"], int) and row["epoch"] <= epoch]
            if len(kept) < len(rows):
                write_table(path, kept, columns=table_columns(path))

    def log(self, line: str) -> None:
        """Add a line to log.txt, with the time before it."""
        path = self.path / "log.txt"
        stamp = datetime.now().astimezone().isoformat(timespec="seconds")
        try:
            with path.open("a", encoding="utf-8", newline="\n") as file:
                file.write(f"{stamp} {line}\n")
        except OSError as error:
            raise disk_error("write", path, error) from error

    def checkpoint_path(self, which: Literal["last", "best"]) -> Path:
        """Where the checkpoint's tensors lie: `checkpoints/last.safetensors` or `.../best.safetensors`."""
        return self.path / "checkpoints" / f"{which}.safetensors"

    def plot_path(self, name: str) -> Path:
        """Where a plot lies, by its file name (`losses.png`)."""
        return self.path / "plots" / name

    def read_metrics(self) -> list[Row]:
        """The rows of metrics.csv so far; none before the first epoch. Raises DataError if damaged."""
        return self._rows("metrics.csv")

    def read_ledger(self) -> list[Row]:
        """The rows of ledger.csv so far. Raises DataError if damaged."""
        return self._rows("ledger.csv")

    def read_labels(self) -> list[Row]:
        """The rows of labels.csv; none before the evaluation. Raises DataError if damaged."""
        return self._rows("labels.csv")

    def read_values(self) -> list[Row]:
        """The rows of values.csv; none without targets of numbers. Raises DataError if damaged."""
        return self._rows("values.csv")

    def read_decisions(self) -> dict[str, object] | None:
        """What was found on the validation rows; None if nothing was asked. Raises DataError if damaged."""
        return read_json(self.path / "decisions.json")

    def read_gradients(self) -> list[Row]:
        """The rows of gradients.csv so far; none without a report. Raises DataError if damaged."""
        return self._rows("gradients.csv")

    def read_timings(self) -> list[Row]:
        """The rows of timings.csv so far. Raises DataError if damaged."""
        return self._rows("timings.csv")

    def read_summary(self) -> dict[str, object] | None:
        """The summary; None while there is none. Raises DataError if damaged."""
        return read_json(self.path / "summary.json")

    def read_environment(self) -> dict[str, object]:
        """What the run ran on. Raises DataError if damaged."""
        return _require(self.path / "environment.json")

    def read_plan(self) -> dict[str, object]:
        """The plan chosen before training, to be replayed on resume. Raises DataError if damaged."""
        return _require(self.path / "plan.json")

    def read_preparation(self) -> dict[str, object] | None:
        """What the run learned from the columns of its table; None where it had none. Raises DataError."""
        return read_json(self.path / "preparation.json")

    def config_text(self) -> str:
        """The resolved config, as YAML. Raises DataError if damaged."""
        text = read_text(self.path / "config.yaml")
        if text is None:
            raise DataError(f"'{self.path}' has lost its config.yaml.")
        return text

    def _rows(self, name: str) -> list[Row]:
        return read_table(self.path / name, text_columns=_TEXT_COLUMNS)

    def _recorded_status(self) -> EndStatus | None:
        status = (self.read_summary() or {}).get("status")
        return cast("EndStatus", status) if status in _END_STATUSES else None

    def _has_live_process(self) -> bool:
        return bool(self._process()) and is_alive(self._process(), last_change=_last_change(self.path))

    def _process(self) -> dict[str, object]:
        return read_json(self.path / "process.json") or {}


def _fill(
    folder: Path, *, config_text: str, environment: Mapping[str, object], plan: Mapping[str, object]
) -> None:
    for path in (folder, folder / "checkpoints", folder / "plots"):
        path.mkdir()
    write_text(folder / "config.yaml", config_text)
    write_text(folder / "environment.json", to_json(environment))
    write_text(folder / "plan.json", to_json(plan))
    write_text(folder / "process.json", to_json(describe_process()))
    write_text(folder / "log.txt", "")


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


def _remove(path: Path) -> None:
    try:
        path.unlink(missing_ok=True)
    except OSError as error:
        raise disk_error("remove", path, error) from error


def _require(path: Path) -> dict[str, object]:
    document = read_json(path)
    if document is None:
        raise DataError(f"'{path.parent}' has lost its {path.name}.")
    return document


def _last_change(folder: Path) -> float:
    """The Unix time of the last change in the folder or its tables, in seconds."""
    times = [0.0]
    for path in (folder, folder / "log.txt"):
        try:
            times.append(path.stat().st_mtime)
        except OSError:
            continue
    return max(times)
