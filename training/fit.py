"""The training loop: epochs of steps, each epoch validated, recorded and perhaps the last."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from ..data import Table
from ..losses import Ledger
from .captured_step import PlainStep, Step, choose_step
from .epoch_rows import EpochScores
from .evaluate import LedgerMeans, evaluate
from .gradient_report import GradientReport
from .member_checkpoint import START, Position
from .members import Member
from .metric_plan import OutputMetrics
from .reporter import Reporter
from .saver import Saver
from .scores import Scores, score_metrics
from .seeding import epoch_order
from .step import Trainee, unmarked
from .step_profile import StepProfile
from .weighting import settled_means

Narrower = Callable[[Trainee, Sequence[int], Sequence[int]], Trainee]
"""A stack, the rows of it that go on, and the positions of these members among all; the smaller stack."""


@dataclass(frozen=True)
class FitPlan:
    """What the loop needs to know. `seeds` give the order of the rows, one per member.

    `start` is where training is when the loop begins, and `means` those of the epoch it is within.
    """

    epochs: int
    batch_size: int
    shuffle: bool
    seeds: tuple[int, ...]
    metrics: Sequence[OutputMetrics]
    reporter: Reporter
    saver: Saver
    evaluate_train: bool = False
    gradient_report: GradientReport | None = None
    profile: StepProfile | None = None
    capture: bool = False
    start: Position = START
    means: LedgerMeans | None = None


def fit(
    trainee: Trainee,
    train: Table,
    validation: Table | None,
    *,
    plan: FitPlan,
    members: Sequence[Member],
    narrower: Narrower,
) -> None:
    """Train until the last epoch, or until every member has stopped or diverged.

    Raises Interrupted after the step, or the end of an epoch, at which all was saved.
    """
    running: list[Member] = [member for member in members if not member.stopped]
    step = choose_step(trainee, train, batch_size=plan.batch_size, capture=plan.capture)
    for epoch in range(plan.start.epoch + 1, plan.epochs + 1) if running else ():
        plan.reporter.epoch_started(epoch)
        started = time.perf_counter()
        tables = {"train": train} if plan.evaluate_train else {}
        tables |= {} if validation is None else {"validation": validation}
        ledgers = {"train": train_epoch(trainee, train, plan=plan, epoch=epoch, members=running, step=step)}
        scores: dict[str, Scores] = {}
        for split, table in tables.items():
            ledger, scores[split] = score_table(trainee, table, plan)
            ledgers.setdefault(split, ledger)
        seconds = time.perf_counter() - started
        rows = len(train) - plan.start.step * plan.batch_size
        close_epoch(trainee, running, EpochScores(epoch, seconds, rows, ledgers, scores), plan)
        going = [row for row, member in enumerate(running) if not member.stopped]
        if not going:
            return
        plan = replace(plan, start=Position(epoch), means=None)
        if len(going) < len(running):
            running = [running[row] for row in going]
            kept = [position for position, member in enumerate(members) if not member.stopped]
            trainee = narrower(trainee, going, kept)
            step = choose_step(trainee, train, batch_size=plan.batch_size, capture=plan.capture)
            plan = replace(plan, seeds=tuple(plan.seeds[row] for row in going))
            for row, member in enumerate(running):
                member.index = row


def train_epoch(
    trainee: Trainee,
    table: Table,
    *,
    plan: FitPlan,
    epoch: int,
    members: Sequence[Member] = (),
    step: Step | None = None,
) -> Ledger:
    """One pass over all rows; the last partial batch is kept. Returns the example-weighted means.

    step: how a step is made, where not operator by operator. The means are reported under the weights in
    force at the end, as every other split is.
    """
    trainee.weighting.open_epoch(trainee, epoch)
    step, profile = step or PlainStep(trainee, table), plan.profile
    mark = unmarked if profile is None else profile.mark
    means = plan.means or LedgerMeans()
    order = order_rows(epoch, len(table), seeds=plan.seeds, shuffle=plan.shuffle)
    batches = torch.split(order.to(trainee.frozen.device), plan.batch_size, dim=-1)
    for number, index in enumerate(batches[plan.start.step :], start=plan.start.step + 1):
        if plan.gradient_report is not None:
            plan.gradient_report.before_step(trainee, table, index, epoch=epoch)
        if profile is not None:
            profile.open_step(trainee.network)
        ledger = step(index, mark=mark)
        means.add(ledger, index.shape[-1], counted=trainee.held == 0 if trainee.skip_limit else None)
        plan.reporter.step_done(epoch, number, means.read_terms)
        if trainee.stuck:
            break
        plan.saver.after_step(trainee, members, Position(epoch - 1, number), means)
        mark("bookkeeping")
    if profile is not None:
        profile.close_epoch()
    trainee.weighting.close_epoch(trainee, means.ledger())
    return settled_means(trainee, means.ledger())


def order_rows(epoch: int, rows: int, *, seeds: Sequence[int], shuffle: bool) -> Tensor:
    """The rows in the order of this epoch: (N), or (K, N) where members have orders of their own."""
    if not shuffle:
        return torch.arange(rows)
    orders = {seed: epoch_order(seed, epoch, rows) for seed in seeds}
    return orders[seeds[0]] if len(orders) == 1 else torch.stack([orders[seed] for seed in seeds])


def score_table(trainee: Trainee, table: Table, plan: FitPlan) -> tuple[Ledger, Scores]:
    """The ledger and the metrics of all rows of a table; labels are decided at 0.5."""
    keep = [metrics.output for metrics in plan.metrics]
    evaluation = evaluate(trainee, table, batch_size=plan.batch_size, keep=keep)
    members = trainee.network.members
    return evaluation.ledger, score_metrics(plan.metrics, evaluation, table, members=members)


def close_epoch(trainee: Trainee, members: Sequence[Member], result: EpochScores, plan: FitPlan) -> None:
    """Record the epoch of every member that is still training, and stop those that diverged in it."""
    for member in members:
        if member.note_divergence(trainee):
            plan.reporter.message(f"{member.folder.name} diverged in epoch {result.epoch} and trains no more")
            member.save(trainee, Position(result.epoch), gradients=plan.gradient_report)
        else:
            best = member.close_epoch(trainee, result, plan.gradient_report)
            plan.reporter.epoch_done(result.epoch, member.last_row, result.seconds, best=best)
    plan.saver.after_epoch()
