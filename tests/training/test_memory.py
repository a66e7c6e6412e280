"""What is told when memory runs out: the stage, and what would have fitted by the estimate."""

from __future__ import annotations

import gc
import weakref

import numpy as np
import pytest
import torch
from mlx_runner.data.available_memory import available_bytes
from mlx_runner.specs.errors import MachineError
from mlx_runner.specs.load import load_experiment, located
from mlx_runner.training.blueprint import draw_blueprint
from mlx_runner.training.footprint import (
    Footprint,
    fitting_batch_size,
    network_footprint,
    training_bytes,
)
from mlx_runner.training.memory import TrainingLoad, device_bytes, machine_failures_told, measure_load

EXPERIMENT = load_experiment("multilabel_attributes", ["training.batch_size=1000"])
SIZE = Footprint(parameters=1_000_000, activations=100_000)
# Weights take (3 + 2 moments) x 4 bytes each, a row 2 x 4 bytes per activation.
WEIGHTS, ROW = 20_000_000, 800_000


def _said(load: TrainingLoad) -> str:
    with pytest.raises(MachineError) as caught, machine_failures_told("training", load=load):
        torch.empty(2**55)
    (problem,) = caught.value.problems
    return str(problem)


def _load(budget_bytes: int | None, *, members: int = 1, batch_size: int = 1000) -> TrainingLoad:
    training = EXPERIMENT.training.model_copy(update={"batch_size": batch_size})
    return TrainingLoad(EXPERIMENT.model_copy(update={"training": training}), SIZE, members, budget_bytes)


def test_the_estimate() -> None:
    assert training_bytes(EXPERIMENT, SIZE) == WEIGHTS + 1000 * ROW
    assert training_bytes(EXPERIMENT, SIZE, batch_size=0) == WEIGHTS
    for rows in (0, 1, 7, 1000):
        budget = WEIGHTS + rows * ROW
        assert fitting_batch_size(EXPERIMENT, SIZE, budget_bytes=budget) == rows
        assert fitting_batch_size(EXPERIMENT, SIZE, budget_bytes=budget + ROW - 1) == rows
    assert fitting_batch_size(EXPERIMENT, SIZE, budget_bytes=1) == 0


def test_the_size_of_a_network_is_that_of_its_blueprint() -> None:
    network = draw_blueprint(EXPERIMENT).network
    assert network_footprint(network) == Footprint(784 * 6 + 6 + 6 * 6 + 6, 6 + 6)
    load = measure_load(EXPERIMENT, network, members=3, device=torch.device("cpu"))
    assert (load.footprint, load.members) == (network_footprint(network), 3)
    assert load.budget_bytes is not None
    assert 0 < load.budget_bytes < 2**50


def test_a_smaller_batch_is_named() -> None:
    assert _said(_load(WEIGHTS + 300 * ROW)) == (
        "training.batch_size: memory ran out while training: by estimate training takes 820 MB at batch_size "
        "1000, and 260 MB were available; batch_size 128 would fit."
    )
    assert _said(_load(2 * (WEIGHTS + ROW), members=2)) == (
        "training.batch_size: memory ran out while training: by estimate training takes 1.6 GB at batch_size "
        "1000, and 42 MB were available; batch_size 1 would fit."
    )


def test_no_batch_would_fit() -> None:
    assert _said(_load(WEIGHTS)) == (
        "model.layers: memory ran out while training: by estimate its 1,000,000 parameters take 21 MB with "
        "adam even at batch_size 1, and 20 MB were available; make layers smaller."
    )
    assert _said(_load(3 * WEIGHTS, members=3)) == (
        "model.layers: memory ran out while training: by estimate 3 members of 1,000,000 parameters take "
        "62 MB with adam even at batch_size 1, and 60 MB were available; train fewer members at once, or "
        "smaller layers."
    )


def test_the_estimate_is_no_promise() -> None:
    place = "training.batch_size: memory ran out while training"
    ought = place + ": by estimate training takes {} at batch_size {}, and "
    assert _said(_load(10**9)) == ought.format("820 MB", 1000) + (
        "1.0 GB were available, so that it ought to have fitted; try batch_size 500, or free some memory."
    )
    assert _said(_load(10**9, batch_size=1)) == ought.format("21 MB", 1) + (
        "1.0 GB were available, so that it ought to have fitted; free some memory."
    )
    assert _said(_load(None)) == f"{place} at batch_size 1000; set a smaller one, or free some memory."


def test_the_place_is_that_of_the_config() -> None:
    with (
        pytest.raises(MachineError) as caught,
        located(EXPERIMENT),
        machine_failures_told("training", load=_load(WEIGHTS)),
    ):
        torch.empty(2**55)
    (problem,) = caught.value.problems
    assert problem.file == "configs/multilabel_attributes.yaml"
    assert problem.line is not None


def test_without_a_load_the_size_is_that_which_was_asked_for() -> None:
    with pytest.raises(MachineError) as caught, machine_failures_told("exporting", fix="buy some"):
        np.empty((2**40, 2**10), np.float32)
    said = str(caught.value)
    assert said.startswith("memory ran out while exporting: 4,503,599.6 GB were asked for at once, ")
    assert said.endswith(" are available; buy some.")


@pytest.mark.parametrize("error", [RuntimeError("a fault"), OSError(2, "No such file"), ValueError("wrong")])
def test_every_other_error_goes_through(error: Exception) -> None:
    with pytest.raises(type(error)) as caught, machine_failures_told("training", load=_load(1)):
        raise error
    assert caught.value is error


def test_what_filled_the_memory_is_let_go() -> None:
    """A run is closed after it, which takes memory too, while the error still knows its traceback."""
    held: list[weakref.ref[torch.Tensor]] = []

    def fill() -> None:
        values = torch.zeros(10)
        held.append(weakref.ref(values))
        torch.empty(2**55)

    with pytest.raises(MachineError) as caught, machine_failures_told("training"):
        fill()
    gc.collect()
    assert held[0]() is None
    assert caught.value.__cause__ is not None


def test_the_cpu_s_memory_is_the_system_s() -> None:
    found, expected = device_bytes(torch.device("cpu")), available_bytes()
    assert (found is None) == (expected is None)
    if found is not None and expected is not None:
        assert found == pytest.approx(expected, rel=0.2)
