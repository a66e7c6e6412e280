"""The end of a comparison, and its reading: tables, pages and plots from what its members came to."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from ..records.comparison_folder import ComparisonFolder
from ..records.comparison_plots import plot_comparison
from ..specs.errors import ConfigError
from .curves import gather_curves, gather_front
from .judge import Judgement, judge
from .record import expected_members, read_members, read_settings
from .report import judgement_document, member_rows, score_rows
from .results import read_runs
from .settings import Settings, choose_baseline
from .text_formats import markdown_text


def write_members(folder: ComparisonFolder, settings: Settings) -> None:
    """members.csv as of now."""
    rows, metrics = member_rows(read_members(folder, settings).members)
    folder.write_members(rows, metrics=metrics)


def write_results(
    folder: ComparisonFolder, settings: Settings, *, metric: str | None, sort: str | None
) -> Judgement:
    """Judge all members and write every table, page and plot."""
    write_members(folder, settings)
    judgement = _judge(folder, settings, metric=metric, sort=sort)
    rows, varied = score_rows(judgement)
    folder.write_scores(rows, extra_columns=varied)
    document = judgement_document(judgement, comparison=folder.path.name, plan=folder.read_plan())
    folder.write_report(markdown_text(judgement, title=folder.path.name), document)
    plot_comparison(
        folder,
        gather_curves(judgement, folder.path),
        axes=judgement.axes,
        points=gather_front(judgement),
    )
    return judgement


def read_comparison(
    folder: ComparisonFolder, *, baseline: str | None, metric: str | None, sort: str | None
) -> Judgement:
    """The judgement of a comparison on disk; nothing is written.

    Raises ConfigError where no member has ended yet, or for a baseline or key that is not there.
    """
    settings = read_settings(folder)
    chosen = choose_baseline(settings.settings, baseline, default=settings.baseline)
    settings = Settings(settings.settings, chosen, settings.seeds, settings.equal)
    return _judge(folder, settings, metric=metric, sort=sort)


def read_finished_runs(
    paths: Sequence[Path], *, baseline: str | None, metric: str | None, sort: str | None
) -> Judgement:
    """The judgement of runs that were trained apart; the first one's setting is the baseline unless named."""
    finished = read_runs(paths)
    chosen = choose_baseline(finished.settings, baseline, default=finished.settings[0].name)
    return judge(finished, baseline=chosen, metric=metric, sort=sort)


def _judge(
    folder: ComparisonFolder, settings: Settings, *, metric: str | None, sort: str | None
) -> Judgement:
    finished = read_members(folder, settings)
    ended = sum(member.status in ("finished", "diverged") for member in finished.members)
    expected = len(expected_members(settings))
    advice = f"{folder.way_on()} goes on"
    if ended == 0:
        raise ConfigError(f"no member of '{folder.path}' has ended yet; {advice}.")
    remarks: list[str] = []
    if ended < expected:
        remarks.append(f"{expected - ended} of {expected} members have not ended; {advice}.")
    if settings.equal is not None:
        remarks.append(f"{settings.equal} joined by itself: all weights 1.0 (--no-equal leaves it out).")
    return judge(finished, baseline=settings.baseline, metric=metric, sort=sort, remarks=remarks)
