"""Schedules, dynamic weight average and random weights against their formulas in plain Python."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from mlx_runner.losses import total_up
from mlx_runner.specs import weighting as spec
from mlx_runner.training.step import train_step
from mlx_runner.training.weighting_epochs import normal_draws, scheduled_factor, softmax_of_active
from scipy import stats

OWN = [1.0, 1.0, 2.0]


@pytest.mark.parametrize(
    ("described", "expected"),
    [
        ({"type": "constant", "value": 0.3}, [0.3] * 6),
        ({"type": "linear", "start": 1.0, "end": 0.0}, [1.0, 0.8, 0.6, 0.4, 0.2, 0.0]),
        (
            {"type": "linear", "start": 0.0, "end": 2.0, "first_epoch": 2, "last_epoch": 4},
            [0.0, 0.0, 1.0, 2.0, 2.0, 2.0],
        ),
        (
            {"type": "cosine", "start": 1.0, "end": 0.0, "first_epoch": 1, "last_epoch": 5},
            [1.0, 0.5 + 0.25 * math.sqrt(2), 0.5, 0.5 - 0.25 * math.sqrt(2), 0.0, 0.0],
        ),
        ({"type": "steps", "boundaries": [2, 5], "values": [1.0, 0.5, 0.0]}, [1.0, 1.0, 0.5, 0.5, 0.5, 0.0]),
    ],
)
def test_factors_of_a_run_of_six_epochs(described: dict, expected: list) -> None:
    factor = spec.Scheduled.model_validate({"terms": {"a": described}}).terms["a"]
    found = [scheduled_factor(factor, epoch, epochs=6) for epoch in range(1, 7)]
    assert found == pytest.approx(expected, abs=1e-12)


def test_a_schedule_multiplies_the_own_weight(weighed, workshop_of) -> None:
    terms = {"pixels": {"type": "linear", "start": 1.0, "end": 0.5}}
    experiment = weighed({"type": "schedule", "terms": terms})
    workshop = workshop_of(experiment)
    trainee = workshop.build([experiment], stacked=False)
    assert trainee.knobs.weights.tolist() == OWN
    trainee.weighting.open_epoch(trainee, 2)
    assert trainee.knobs.weights.tolist() == [1.0, 1.0, 1.0]
    stack = workshop.build([experiment] * 2, stacked=True)
    stack.weighting.open_epoch(stack, 2)
    assert stack.knobs.weights.tolist() == [[1.0, 1.0]] * 3


POSITIVE = st.floats(0.05, 10.0)
EPOCHS = st.lists(st.tuples(POSITIVE, POSITIVE, POSITIVE), min_size=3, max_size=3)


def test_dynamic_weight_average_follows_its_paper(weighed, workshop_of) -> None:
    workshop = workshop_of(weighed({"type": "fixed"}))

    @settings(max_examples=25, deadline=None)
    @given(EPOCHS, st.floats(0.5, 5.0))
    def check(losses: list, temperature: float) -> None:
        experiment = weighed({"type": "dynamic_weight_average", "temperature": temperature})
        trainee = workshop.build([experiment], stacked=False)
        found = []
        for epoch, values in enumerate([*losses, None], start=1):
            trainee.weighting.open_epoch(trainee, epoch)
            found.append(trainee.knobs.weights.tolist())
            if values is not None:
                raw = torch.tensor(values, dtype=torch.float64)
                means = total_up(trainee.objective.names, (), raw, trainee.knobs.weights)
                trainee.weighting.close_epoch(trainee, means)
        assert found[0] == found[1] == OWN
        for epoch in (3, 4):
            last, before = losses[epoch - 2], losses[epoch - 3]
            powers = [math.exp(one / other / temperature) for one, other in zip(last, before, strict=True)]
            expected = [3 * own * power / sum(powers) for own, power in zip(OWN, powers, strict=True)]
            assert found[epoch - 1] == pytest.approx(expected, rel=1e-9)

    check()


def test_dynamic_weight_average_meets_losses_of_zero(weighed, workshop_of) -> None:
    """A loss that is 0 and stays 0 has kept its rate; one that leaves 0 takes all the weight."""
    experiment = weighed({"type": "dynamic_weight_average"})
    trainee = workshop_of(experiment).build([experiment], stacked=False)
    for values in ([1.0, 0.0, 1.0], [1.0, 0.0, 1.0]):
        raw = torch.tensor(values, dtype=torch.float64)
        trainee.weighting.close_epoch(trainee, total_up(trainee.objective.names, (), raw, raw))
    trainee.weighting.open_epoch(trainee, 3)
    assert trainee.knobs.weights.tolist() == pytest.approx(OWN)
    raw = torch.tensor([1.0, 0.5, 1.0], dtype=torch.float64)
    trainee.weighting.close_epoch(trainee, total_up(trainee.objective.names, (), raw, raw))
    trainee.weighting.open_epoch(trainee, 4)
    assert trainee.knobs.weights.tolist() == [0.0, 3.0, 0.0]


def test_random_weights_have_the_softmax_of_normals_distribution(weighed, workshop_of) -> None:
    """The logarithm of the ratio of two weights is the difference of two normals: N(0, 2), and independent
    of the step before. Checked against its exact distribution function."""
    experiment = weighed({"type": "random"})
    trainee = workshop_of(experiment).build([experiment], stacked=False)
    assert trainee.knobs.weights.tolist() == pytest.approx([own / 3 for own in OWN])
    ratios = []
    for step in range(2000):
        trainee.optimizer.steps = step
        trainee.weighting.open_step(trainee)
        shares = trainee.knobs.weights / torch.tensor(OWN, dtype=torch.float64)
        assert float(shares.sum()) == pytest.approx(1.0)
        ratios.append(math.log(shares[0] / shares[1]))
    assert stats.kstest(ratios, stats.norm(scale=math.sqrt(2)).cdf).pvalue > 0.01
    assert abs(np.corrcoef(ratios[1:], ratios[:-1])[0, 1]) < 0.08
    trainee.weighting.close_epoch(trainee, total_up((), (), torch.zeros(1), torch.zeros(1)))
    assert trainee.knobs.weights.tolist() == pytest.approx([own / 3 for own in OWN])


def test_random_weights_are_a_function_of_seed_and_step(weighed, workshop_of, batches_of) -> None:
    """A stack's members draw what they would alone, and a term without weight draws nothing."""
    assert torch.equal(normal_draws(3, 7, 4), normal_draws(3, 7, 4))
    assert not torch.equal(normal_draws(3, 7, 4), normal_draws(3, 8, 4))
    experiment = weighed({"type": "random"})
    other = experiment.model_copy(update={"seed": 6})
    workshop = workshop_of(experiment)
    stack = workshop.build([experiment, other], stacked=True)
    singles = [workshop.build([each], stacked=False) for each in (experiment, other)]
    for trainee in (stack, *singles):
        train_step(trainee, batches_of(experiment, workshop, 1)[0])
    for index, single in enumerate(singles):
        assert stack.knobs.weights[:, index].tolist() == pytest.approx(
            single.knobs.weights.tolist(), rel=1e-14
        )
    active = torch.tensor([True, False, True])
    assert softmax_of_active(torch.tensor([0.0, 9.0, 0.0]), active).tolist() == [0.5, 0.0, 0.5]
    assert softmax_of_active(torch.zeros(3), torch.zeros(3, dtype=torch.bool)).tolist() == [0.0] * 3
