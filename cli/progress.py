"""Progress on stderr: live on a terminal, plain lines elsewhere."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TaskProgressColumn,
    TextColumn,
    TimeRemainingColumn,
)

from ..training.reporter import Reporter, RunFacts, SilentReporter
from .plain_text import plain, print_line

_REFRESH_SECONDS = 0.2


@contextmanager
def choose_reporter(*, quiet: bool) -> Generator[Reporter]:
    """The reporter for this stderr."""
    console = Console(stderr=True)
    if quiet:
        yield SilentReporter()
    elif console.is_terminal:
        with LiveReporter(console) as reporter:
            yield reporter
    else:
        yield PlainReporter()


class PlainReporter:
    """One line per epoch, without escape codes."""

    def run_started(self, facts: RunFacts) -> None:
        """What is trained on what, and where it is written."""
        self._epochs = facts.epochs
        for line in describe_facts(facts):
            _write(line)

    def epoch_started(self, epoch: int) -> None:
        """Nothing: a line comes when it is done."""

    def step_done(self, epoch: int, step: int, read_terms: Callable[[], Mapping[str, float]]) -> None:
        """Nothing: lines per step would drown a log."""

    def epoch_done(self, epoch: int, row: Mapping[str, float], seconds: float, *, best: bool) -> None:
        """The epoch's losses."""
        _write(
            f"epoch {epoch}/{self._epochs}  {seconds:.1f} s  {describe_row(row)}{'  best' if best else ''}"
        )

    def message(self, text: str) -> None:
        """A line."""
        _write(text)


class LiveReporter:
    """A bar per epoch with every term's running mean, rate and time left; finished epochs stay above."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._progress = Progress(
            TextColumn("{task.description}", markup=False),
            BarColumn(bar_width=24),
            MofNCompleteColumn(),
            TaskProgressColumn(show_speed=True),
            TextColumn("{task.fields[rate]}", markup=False),
            TimeRemainingColumn(),
            TextColumn("{task.fields[terms]}", markup=False),
            console=console,
            transient=True,
        )
        self._refreshed = 0.0

    def __enter__(self) -> LiveReporter:
        self._progress.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._progress.stop()

    def run_started(self, facts: RunFacts) -> None:
        """What is trained on what, and where it is written; then the bar."""
        self._facts = facts
        for line in describe_facts(facts):
            self.message(line)
        self._task = self._progress.add_task(
            "epoch", total=facts.epochs * facts.steps_per_epoch, completed=facts.steps_done, rate="", terms=""
        )
        self._started = time.perf_counter()

    def epoch_started(self, epoch: int) -> None:
        """The bar names the epoch."""
        self._progress.update(self._task, description=f"epoch {epoch}/{self._facts.epochs}")

    def step_done(self, epoch: int, step: int, read_terms: Callable[[], Mapping[str, float]]) -> None:
        """Moves the bar a few times a second."""
        now = time.perf_counter()
        if now - self._refreshed < _REFRESH_SECONDS:
            return
        self._refreshed = now
        done = (epoch - 1) * self._facts.steps_per_epoch + step
        rate = (done - self._facts.steps_done) * self._facts.batch_size / (now - self._started)
        terms = "  ".join(f"{name} {value:.4f}" for name, value in read_terms().items())
        self._progress.update(self._task, completed=done, rate=f"{rate:,.0f} examples/s", terms=terms)

    def epoch_done(self, epoch: int, row: Mapping[str, float], seconds: float, *, best: bool) -> None:
        """A line that stays."""
        mark = "  best" if best else ""
        self.message(f"epoch {epoch}/{self._facts.epochs}  {seconds:.1f} s  {describe_row(row)}{mark}")

    def message(self, text: str) -> None:
        """A line that stays, broken by the terminal alone, so that a path in it can be copied whole."""
        print_line(self._console, text)


def describe_facts(facts: RunFacts) -> tuple[str, str]:
    """Two lines that open a run."""
    rows = f"{facts.train_rows:,} training rows"
    if facts.validation_rows:
        rows += f", {facts.validation_rows:,} for validation"
    if facts.test_rows:
        rows += f", {facts.test_rows:,} for test"
    return (
        f"{facts.name}: {facts.parameters:,} parameters on {facts.device}; {rows}",
        f"writing to {facts.run}{_describe_start(facts)}",
    )


def _describe_start(facts: RunFacts) -> str:
    if not facts.steps_done:
        return ""
    epochs, steps = divmod(facts.steps_done, facts.steps_per_epoch)
    return f", on after epoch {epochs}" + (f" and {steps} steps" if steps else "")


def describe_row(row: Mapping[str, float]) -> str:
    """The totals of an epoch, and its terms where there are several."""
    losses = {key: value for key, value in row.items() if key.endswith("loss")}
    single = sum(key.startswith("train/") for key in losses) == 2
    shown = {key: value for key, value in losses.items() if not single or key.count("/") == 1}
    return "  ".join(
        f"{key.removesuffix('/loss') if not single else key} {value:.4f}" for key, value in shown.items()
    )


def _write(text: str) -> None:
    sys.stderr.write(f"{plain(text)}\n")
    sys.stderr.flush()
