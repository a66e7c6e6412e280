"""What is kept for each member of a stack, or for the one run: its epochs, its best weights, its folder."""

from __future__ import annotations

from dataclasses import dataclass, field

from torch import Tensor

from ..records.run_folder import ENDED, RunFolder
from .checkpoint import member_state, save_checkpoint
from .epoch_rows import EpochScores, epoch_row, ledger_rows, pick_member
from .evaluate import LedgerMeans
from .gradient_report import GradientReport
from .member_checkpoint import MemberFacts, Position, capture_moving, named, watch_facts
from .monitor import Watch
from .step import Trainee
from .weighting import KeptWeights, keep_weights


@dataclass(frozen=True, eq=False)
class Divergence:
    """Where a member stopped: the step, counted from 0 over the whole run, its weights before it, and those
    of the terms that were in force."""

    step: int
    state: dict[str, Tensor]
    weights: KeptWeights
    left_out: int = 0


@dataclass(eq=False)
class Member:
    """One run: `index` is its row in the stack, None for a single network.

    `identity` tells its checkpoints from those of any other run. `kept_epoch` is the epoch of the weights
    in `best`. `ended`: it has a summary already, and only the others of its stack go on.
    """

    folder: RunFolder
    watch: Watch
    index: int | None = None
    identity: str = ""
    best: dict[str, Tensor] = field(default_factory=dict[str, Tensor])
    best_weights: KeptWeights = field(default_factory=dict[str, dict[str, float]])
    best_row: dict[str, float] = field(default_factory=dict[str, float])
    kept_epoch: int = 0
    last_row: dict[str, float] = field(default_factory=dict[str, float])
    last_epoch: int = 0
    stopped: bool = False
    diverged: Divergence | None = None
    skipped: int = 0
    ended: bool = False

    def take_over(self, *, is_longer: bool) -> None:
        """Let this process go on with the run in the folder, unless it has come to its end.

        is_longer: it is to be trained beyond the end that it perhaps has. Raises ConfigError while another
        process works on it.
        """
        status = self.folder.status
        if status in ENDED and not (is_longer and status == "finished"):
            self.ended = self.stopped = True
        else:
            self.folder.claim()

    def note_divergence(self, trainee: Trainee) -> bool:
        """Whether this member was frozen in the epoch that ends; it has stopped then."""
        if not bool(pick_member(trainee.frozen, self.index)):
            return False
        step = int(pick_member(trainee.frozen_at, self.index))
        weights = keep_weights(trainee, self.index)
        left_out = max(int(pick_member(trainee.skipped, self.index)) - 1, 0)
        self.diverged = Divergence(step, member_state(trainee.network, self.index), weights, left_out)
        self.stopped = True
        return True

    def close_epoch(
        self, trainee: Trainee, result: EpochScores, gradients: GradientReport | None = None
    ) -> bool:
        """Write an epoch down; true if it is the best so far."""
        row = epoch_row(result, self.index)
        self.last_row, self.last_epoch = row, result.epoch
        self._note_skipped(trainee, result.epoch)
        # Tables before checkpoints: a resumed run cuts the tables back to its checkpoint.
        self.folder.append_metrics({"epoch": result.epoch, **row})
        self.folder.append_ledger(ledger_rows(result, self.index))
        self._write_gradients(gradients)
        rate = result.rows / result.seconds
        timings = {"epoch": result.epoch, "seconds": result.seconds, "examples_per_second": rate}
        self.folder.append_timings(timings)
        improved = self.watch.update(result.epoch, row)
        trainee.optimizer.factors[self.index or 0] = self.watch.learning_rate_factor(row)
        # Until an epoch is the best, the last one is kept: what is monitored may never be a number.
        is_kept = improved or not self.watch.monitor.restore_best or not self.watch.best_epoch
        if is_kept:
            self.best = member_state(trainee.network, self.index)
            self.best_weights = keep_weights(trainee, self.index)
            self.best_row, self.kept_epoch = row, result.epoch
        self.stopped = self.watch.exhausted
        # The best after the last, which holds it too: what can be resumed never lies behind it.
        self.save(trainee, Position(result.epoch))
        if is_kept:
            self.save_best()
        return improved

    def save(
        self,
        trainee: Trainee,
        position: Position,
        *,
        means: LedgerMeans | None = None,
        gradients: GradientReport | None = None,
    ) -> None:
        """Write all that a resumed run needs, at the end of an epoch or, with its `means`, within one."""
        self._write_gradients(gradients)
        tensors, facts = capture_moving(trainee, self.index, means)
        if self.kept_epoch and Position(self.kept_epoch) != position:
            tensors |= named("best", self.best)
        states = {name: state.document() for name, state in self.folder.table_states().items()}
        facts |= {"identity": self.identity, "position": position.document(), "tables": states}
        facts |= {"member": self._facts(), "watch": watch_facts(self.watch)}
        previous = self.folder.checkpoint_path("previous")
        save_checkpoint(self.folder.checkpoint_path("last"), tensors, facts, previous=previous)

    def save_best(self) -> None:
        """Write the best weights so far, and the terms' weights under which they were."""
        facts = {"epoch": self.kept_epoch, "monitor": self.watch.monitor.best.name, **self.best_weights}
        save_checkpoint(self.folder.checkpoint_path("best"), named("model", self.best), facts)

    def _note_skipped(self, trainee: Trainee, epoch: int) -> None:
        skipped = int(pick_member(trainee.skipped, self.index)) if trainee.skip_limit else 0
        if skipped > self.skipped:
            number = (
                f"{skipped - self.skipped} steps were left out ({skipped} of at most {trainee.skip_limit})"
            )
            self.folder.log(f"epoch {epoch}: {number}: their loss or gradient was not finite")
        self.skipped = skipped

    def _facts(self) -> MemberFacts:
        return {
            "best_row": self.best_row,
            "best_weights": self.best_weights,
            "kept_epoch": self.kept_epoch,
            "last_row": self.last_row,
            "last_epoch": self.last_epoch,
            "stopped": self.stopped,
            "skipped": self.skipped,
            "diverged_at": None if self.diverged is None else self.diverged.step,
        }

    def _write_gradients(self, gradients: GradientReport | None) -> None:
        if gradients is not None:
            self.folder.append_gradients(gradients.take_rows(self.index), columns=gradients.columns())
