"""PyTorch Lightning: its Trainer, without a logger, checkpoints, progress bar and summary."""

from __future__ import annotations

import lightning
import torch
from lightning.pytorch.callbacks import Callback
from task import Stopwatch, Task
from torch import Tensor
from torch.utils.data import DataLoader

from .plain_torch import Rows
from .torch_networks import Batch, begin, load_columns, make_optimizer


class Training(lightning.LightningModule):
    """A network, its loss and its optimizer."""

    def __init__(self, task: Task) -> None:
        super().__init__()
        self.module, self.loss_of = begin(task)

    def training_step(self, batch: Batch) -> Tensor:
        loss = self.loss_of(self.module, batch)
        rows = len(next(iter(batch.values())))
        self.log("loss", loss, on_step=False, on_epoch=True, batch_size=rows)
        return loss

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return make_optimizer(self.module)


class Watching(Callback):
    """Tells the stopwatch."""

    def __init__(self, watch: Stopwatch) -> None:
        self.watch = watch

    def on_train_epoch_start(self, *_: object) -> None:
        self.watch.epoch_started()

    def on_train_batch_end(self, *_: object) -> None:
        self.watch.step_done()

    def on_train_epoch_end(self, trainer: lightning.Trainer, *_: object) -> None:
        self.watch.epoch_done(float(trainer.callback_metrics["loss"]))


def train(task: Task, watch: Stopwatch) -> None:
    """Train a task."""
    lightning.seed_everything(task.seed, verbose=False)
    loader = DataLoader(Rows(load_columns(task)), batch_size=task.batch_size, shuffle=True)
    trainer = lightning.Trainer(
        max_epochs=task.epochs,
        accelerator="cpu",
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        callbacks=[Watching(watch)],
    )
    trainer.fit(Training(task), loader)
