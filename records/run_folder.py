"""`RunFolder`: the only way to a run on disk."""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Literal, cast, get_args

from ..specs.errors import ConfigError, DataError
from ..specs.visible import visible
from .atomic import disk_error, read_json, read_text, remove_file, unfinished_files, write_text
from .checksums import write_checksums
from .epoch_tables import TableState, cut_tables, table_states
from .numbers import to_json
from .process import describe_process, exclusive_access, is_alive, last_change
from .run_creation import create_folder
from .tables import Cell, Row, append_rows, read_table, write_table

EndStatus = Literal["finished", "interrupted", "diverged", "failed"]
Status = Literal[EndStatus, "running", "lost"]
Checkpoint = Literal["last", "previous", "best"]
"""Where training was last saved, the one saved before it, and the weights of the best epoch."""

LEDGER_COLUMNS = ("epoch", "split", "term", "kind", "raw", "weight", "weighted", "share")
LABEL_COLUMNS = (
    *("split", "output", "label", "observed", "support", "prevalence", "threshold"),
    *("precision", "recall", "f1", "auroc", "average_precision", "binary_accuracy"),
)
VALUE_COLUMNS = (
    *("split", "output", "column", "observed", "mse", "mae", "rmse", "r2"),
    *("mse_original", "mae_original", "rmse_original", "r2_original"),
)
PROFILE_COLUMNS = ("kind", "name", "calls", "seconds", "share")
ENDED: tuple[Status, ...] = ("finished", "diverged")
"""Of such a run nothing is left to train; every other one can be resumed."""
RUN_FILES = ("config.yaml", "environment.json", "plan.json")
ENDING_FILES = (
    *("summary.json", "checksums.json", "nonfinite.json"),
    *("decisions.json", "labels.csv", "values.csv"),
)
"""What is written when training has ended, and goes when it goes on."""
RUN_NAME = re.compile(r"\d{8}-\d{6}_.+")

_END_STATUSES: tuple[str, ...] = get_args(EndStatus)
_TEXT_COLUMNS = frozenset({"split", "term", "kind", "layer", "output", "label", "column", "name"})


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
        texts = {
            "config.yaml": config_text,
            "environment.json": to_json(environment),
            "plan.json": to_json(plan),
            "process.json": to_json(describe_process()),
            "log.txt": "",
        }
        if preparation is not None:
            texts["preparation.json"] = to_json(preparation)
        return cls(create_folder(root, name, texts))

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
        """Take the run over for this process; nothing else of it changes before `reopen`.

        Raises ConfigError while another process works on it; of two that ask at once, one gets it.
        """
        with exclusive_access(self.path):
            holder = self._process()
            if self._has_live_process() and holder != describe_process():
                raise ConfigError(
                    f"run '{self.name}' is still at work in process {holder.get('pid')} on "
                    f"{holder.get('host')}; wait for it, or stop it first."
                )
            write_text(self.path / "process.json", to_json(describe_process()))

    def reopen(self) -> None:
        """Remove what an end has left, and what killed writes have: training goes on from here."""
        for path in (*(self.path / name for name in ENDING_FILES), *unfinished_files(self.path)):
            remove_file(path)

    def clear(self) -> None:
        """Remove what a training that begins anew writes again: the tables, then the checkpoints."""
        self.cut_tables({})
        for which in get_args(Checkpoint):
            remove_file(self.checkpoint_path(which))

    def release(self) -> None:
        """No process works on the run any more, though it has not come to its end."""
        remove_file(self.path / "process.json")

    @property
    def name(self) -> str:
        """The folder's own name, by which the run is told from all others."""
        return self.path.name

    def way_on(self) -> str:
        """The command that goes on with the run; a member of a stack goes on with its comparison.

        Raises DataError where its plan is damaged.
        """
        if self.read_plan().get("engine") == "stack":
            return resume_command("compare", self.path.parent.parent)
        return resume_command("train", self.path)

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

    def write_profile(self, rows: Sequence[Mapping[str, Cell]]) -> None:
        """Where the time of a step went, per stage, layer and operator (`PROFILE_COLUMNS`)."""
        write_table(self.path / "profile.csv", rows, columns=PROFILE_COLUMNS)

    def write_decisions(self, decisions: Mapping[str, object]) -> None:
        """What was found on the validation rows: thresholds by output and label, temperatures by output."""
        write_text(self.path / "decisions.json", to_json(decisions))

    def write_nonfinite(self, found: Mapping[str, object]) -> None:
        """nonfinite.json: the step at which training stopped, what was not finite, and the batch's rows."""
        write_text(self.path / "nonfinite.json", to_json(found))

    def write_summary(self, summary: Mapping[str, object]) -> None:
        """The end of the run. `status` must be one of `finished`, `interrupted`, `diverged`, `failed`."""
        assert summary.get("status") in _END_STATUSES, f"a run does not end as {summary.get('status')!r}"
        write_text(self.path / "summary.json", to_json(summary))
        write_checksums(self.path)
        remove_file(self.path / "process.json")

    def table_states(self) -> dict[str, TableState]:
        """What the tables that grow by the epoch hold now, for a checkpoint. Raises MachineError."""
        return table_states(self.path)

    def cut_tables(self, states: Mapping[str, TableState]) -> None:
        """Cut the tables back to a checkpoint, so that a resumed run writes no epoch twice."""
        cut_tables(self.path, states)

    def lengthen(self, config_text: str) -> None:
        """Let the config be one that perhaps trains longer and is otherwise the same."""
        if self.config_text() != config_text:
            write_text(self.path / "config.yaml", config_text)

    def log(self, line: str) -> None:
        """Add a line to log.txt, with the time before it."""
        path = self.path / "log.txt"
        stamp = datetime.now().astimezone().isoformat(timespec="seconds")
        try:
            with path.open("a", encoding="utf-8", newline="\n") as file:
                file.write(f"{stamp} {visible(line)}\n")
        except OSError as error:
            raise disk_error("write", path, error) from error

    def checkpoint_path(self, which: Checkpoint) -> Path:
        """Where a checkpoint lies: `checkpoints/last.safetensors` and so on."""
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

    def read_profile(self) -> list[Row]:
        """The rows of profile.csv; none where nothing was timed. Raises DataError if damaged."""
        return self._rows("profile.csv")

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
        # One that is damaged tells nothing: the run can still go on, or be listed as damaged.
        with suppress(DataError):
            status = (self.read_summary() or {}).get("status")
            return cast("EndStatus", status) if status in _END_STATUSES else None
        return None

    def _has_live_process(self) -> bool:
        return bool(self._process()) and is_alive(
            self._process(), last_change=max(map(last_change, self._changing()))
        )

    def _changing(self) -> tuple[Path, ...]:
        """What changes on the disk while the run is at work."""
        return self.path, self.path / "log.txt", self.path / "checkpoints"

    def _process(self) -> dict[str, object]:
        with suppress(DataError):
            return read_json(self.path / "process.json") or {}
        return {}


def resume_command(command: str, path: Path) -> str:
    """The command line that goes on with what lies in a folder, as it can be pasted into a shell."""
    return f"mlx {command} --resume {shlex.quote(str(path))}"


def _require(path: Path) -> dict[str, object]:
    document = read_json(path)
    if document is None:
        raise DataError(f"'{path.parent}' has lost its {path.name}.")
    return document
