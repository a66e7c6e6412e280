"""What a step costs in calls, which no busy machine can blur: operators, and reads by the host.

Recorded with PyTorch 2.14. A change of these numbers is a change of speed: raise one only for what is
worth it.
"""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest
import torch
from mlx_runner.specs.load import load_experiment
from mlx_runner.training.assemble import Workshop, open_workshop
from mlx_runner.training.blueprint import draw_blueprint
from mlx_runner.training.fit import FitPlan, train_epoch
from mlx_runner.training.interruption import Interruption
from mlx_runner.training.reporter import SilentReporter
from mlx_runner.training.saver import Saver
from mlx_runner.training.step import Trainee, train_step
from torch.profiler import ProfilerActivity, profile
from torch.utils._python_dispatch import TorchDispatchMode

CHANGES = {
    "multilabel_attributes": ["data.samples=1280", "data.validation_split=0", "data.test_samples=10"],
    "autoencoder": ["data.samples=1000", "data.test_samples=10"],
    "headline": [
        *("data.samples=320", "data.validation_split=0", "data.test_split=0"),
        "training.early_stopping=null",
    ],
}

READS = ("aten._local_scalar_dense.default", "aten.is_nonzero.default", "aten.item.default")


class Calls(TorchDispatchMode):
    """Counts the operators that a dispatch mode sees."""

    def __init__(self) -> None:
        super().__init__()
        self.count: Counter[str] = Counter()

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        self.count[str(func)] += 1
        return func(*args, **(kwargs or {}))

    @property
    def reads(self) -> int:
        """How often the host waited for a value."""
        return sum(self.count[name] for name in READS)


@pytest.fixture(autouse=True)
def one_thread(threads_restored: None) -> None:
    """With more, PyTorch splits sums, and makes views for that."""
    torch.set_num_threads(1)


def built(name: str, members: int | None) -> tuple[Workshop, Trainee]:
    experiment = load_experiment(name, CHANGES[name])
    workshop = open_workshop(draw_blueprint(experiment), torch.device("cpu"))
    return workshop, workshop.build([experiment] * (members or 1), stacked=members is not None)


@pytest.mark.parametrize(
    ("name", "members", "operators"),
    [
        ("multilabel_attributes", None, 148),
        ("multilabel_attributes", 4, 212),
        ("autoencoder", None, 276),
        ("autoencoder", 4, 464),
        ("headline", None, 469),
        ("headline", 4, 868),
    ],
)
def test_operators_of_a_step(name: str, members: int | None, operators: int) -> None:
    workshop, trainee = built(name, members)
    train, size = workshop.splits.train, workshop.blueprint.experiment.training.batch_size
    for start in (0, size):
        index = torch.arange(start, start + size)
        # PyTorch's profiler, which changes nothing: under a dispatch mode an LSTM would take another way.
        with profile(activities=[ProfilerActivity.CPU]) as profiler:
            train_step(trainee, train.gather(index, workshop.dtype))
    calls = [event for event in profiler.events() if event.name.startswith(("aten::", "mkldnn::"))]
    assert len(calls) == operators


@pytest.mark.parametrize(("name", "members", "reads"), [("autoencoder", None, 10), ("autoencoder", 4, 20)])
def test_reads_of_an_epoch(name: str, members: int | None, reads: int) -> None:
    """On a CPU, where they are free of waiting: whether all members are frozen, asked at every step."""
    workshop, trainee = built(name, members)
    plan = FitPlan(
        epochs=1,
        batch_size=workshop.blueprint.experiment.training.batch_size,
        shuffle=True,
        seeds=(0,) * (members or 1),
        metrics=(),
        reporter=SilentReporter(),
        saver=Saver(Interruption(), minutes=10.0),
    )
    with Calls() as calls:
        train_epoch(trainee, workshop.splits.train, plan=plan, epoch=1)
    assert calls.reads == reads
