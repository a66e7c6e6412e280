"""The end of a run: its best weights scored, or what stopped it, written into its folder."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import cast

import torch

from ..models import parameter_count
from ..records.run_folder import EndStatus, RunFolder
from ..specs.errors import MachineError
from ..specs.experiment import Experiment
from .assemble import Workshop
from .checkpoint import load_member_state
from .decision_search import find_decisions
from .divergence import NonFinite, find_nonfinite
from .final import RunResult, Yardstick, make_yardstick, score_best
from .fit import order_rows
from .members import Member
from .reconstructions import keep_reconstructions
from .step import Trainee
from .weighting import restore_weights

Times = Mapping[str, float]
"""Seconds by stage, and in `total`."""


class Ending:
    """Closes the folders of some experiments' members, each by its position among them."""

    def __init__(self, workshop: Workshop, experiments: Sequence[Experiment]) -> None:
        self._workshop = workshop
        self._experiments = experiments
        self._yardstick: Yardstick | None = None
        self._evaluated = 0.0

    def finish(self, member: Member, position: int, times: Times) -> RunResult:
        """Score a member's best weights in a network of its own, and close its folder."""
        if member.ended:
            return RunResult.load(member.folder.read_summary() or {}, run=str(member.folder.path))
        trainee = self._workshop.build([self._experiments[position]], stacked=False, initial=False)
        if member.diverged is not None:
            found = self._find_nonfinite(member, trainee, position)
            member.folder.write_nonfinite(found.document())
            return self._close(member, position, "diverged", [str(found)], times)
        load_member_state(trainee.network, None, member.best)
        restore_weights(trainee, member.best_weights)
        result = self._result(member, position, "finished", times)
        if not member.watch.best_epoch:
            monitor = member.watch.monitor.best.name
            result.notes.append(f"{monitor} was never a number: the last epoch's weights are kept")
        if member.skipped:
            what = "their loss or gradient was not finite"
            result.notes.append(f"{member.skipped} steps were left out: {what}; log.txt tells the epochs")
        started = time.perf_counter()
        self._score(result, member.folder, trainee)
        seconds = time.perf_counter() - started
        self._evaluated += seconds
        result.seconds = {**times, "evaluate": self._evaluated, "total": times["total"] + seconds}
        member.folder.write_summary(result.document())
        return result

    def close_all(self, members: Sequence[Member], status: EndStatus, note: str, times: Times) -> None:
        """Write what stopped them into all folders without a summary, as far as the disk lets us."""
        for position, member in enumerate(members):
            with suppress(MachineError):
                if member.folder.read_summary() is None:
                    self._close(member, position, status, [note], times)
            with suppress(MachineError):
                member.folder.release()

    def _score(self, result: RunResult, folder: RunFolder, trainee: Trainee) -> None:
        """Decide what is to be decided with these weights, score them, and write both down."""
        workshop = self._workshop
        yardstick = self._yardstick = self._yardstick or make_yardstick(workshop)
        keep_reconstructions(folder, workshop.blueprint, trainee.network, yardstick.table, workshop.dtype)
        decisions, notes = find_decisions(workshop, trainee)
        result.notes += notes
        if decisions:
            folder.write_decisions(decisions.document())
        scored = score_best(result, workshop, trainee, decisions=decisions, yardstick=yardstick)
        folder.write_labels([row for scores in scored for row in scores.labels])
        if columns := [row for scores in scored for row in scores.columns]:
            folder.write_values(columns)

    def _find_nonfinite(self, member: Member, trainee: Trainee, position: int) -> NonFinite:
        assert member.diverged is not None
        load_member_state(trainee.network, None, member.diverged.state)
        restore_weights(trainee, member.diverged.weights)
        workshop = self._workshop
        train, training = workshop.splits.train, workshop.blueprint.experiment.training
        epoch, batch_number = divmod(member.diverged.step, workshop.steps_per_epoch)
        seeds = (self._experiments[position].seed,)
        order = order_rows(epoch + 1, len(train), seeds=seeds, shuffle=training.shuffle)
        index = torch.split(order, training.batch_size)[batch_number]
        trainee.network.noise.step.fill_(member.diverged.step)
        batch = train.gather(index.to(workshop.device), workshop.dtype)
        rows = cast("list[int]", index.tolist())
        found = NonFinite(epoch + 1, batch_number + 1, tuple(rows), left_out=member.diverged.left_out)
        return find_nonfinite(trainee, batch, found)

    def _result(self, member: Member, position: int, status: EndStatus, times: Times) -> RunResult:
        return RunResult(
            run=str(member.folder.path),
            name=self._experiments[position].name,
            status=status,
            parameters=parameter_count(self._workshop.blueprint.network),
            best_epoch=member.watch.best_epoch or member.kept_epoch,
            epochs=member.last_epoch,
            seconds=dict(times),
            metrics=dict(member.best_row),
        )

    def _close(
        self, member: Member, position: int, status: EndStatus, notes: list[str], times: Times
    ) -> RunResult:
        """Write the summary of a run that did not come to its end."""
        result = self._result(member, position, status, times)
        result.notes = notes
        member.folder.log(f"{status}: {'; '.join(notes)}")
        member.folder.write_summary(result.document())
        return result
