"""From the `weighting:` section to what weighs a trainee's terms."""

from __future__ import annotations

from collections.abc import Sequence

from ..specs import weighting as spec
from ..specs.experiment import Experiment
from .blueprint import Blueprint
from .reach import term_reach
from .step import Trainee
from .weighting import FixedWeighting, Weighting
from .weighting_checks import balanced_layer
from .weighting_epochs import DynamicWeightAverage, RandomWeighting, ScheduledWeighting
from .weighting_gradients import AggregatedGradients, build_aggregator
from .weighting_learned import GradNormWeighting, UncertaintyWeighting


def build_weighting(trainee: Trainee, blueprint: Blueprint, experiments: Sequence[Experiment]) -> Weighting:
    """The weighting of a trainee whose knobs hold the losses' own weights; `experiments` by member."""
    first = experiments[0]
    weighting, optimizer, numerics = first.weighting, first.optimizer, first.numerics
    assert trainee.network.members is None or spec.stackable(weighting), "this weighting has no member form"
    match weighting:
        case spec.Fixed():
            return FixedWeighting()
        case spec.Scheduled():
            return ScheduledWeighting(trainee, weighting, epochs=first.training.epochs)
        case spec.DynamicWeightAverage():
            return DynamicWeightAverage(trainee, temperature=weighting.temperature)
        case spec.RandomWeights():
            return RandomWeighting(trainee, seeds=[each.seed for each in experiments])
        case spec.Uncertainty():
            return UncertaintyWeighting(trainee, described=optimizer, numerics=numerics)
        case spec.GradNorm():
            return _gradnorm(trainee, blueprint, weighting, first)
        case spec.PCGrad() | spec.MGDA() | spec.UPGrad() | spec.CAGrad() | spec.IMTLG():
            reach = term_reach(blueprint.network, blueprint.objective)
            return AggregatedGradients(trainee, build_aggregator(weighting), reach=reach, seed=first.seed)


def _gradnorm(
    trainee: Trainee, blueprint: Blueprint, weighting: spec.GradNorm, experiment: Experiment
) -> Weighting:
    reach = term_reach(blueprint.network, blueprint.objective)
    layer = trainee.network.layer(balanced_layer(weighting, blueprint.network, reach))
    return GradNormWeighting(
        trainee,
        [each for each in layer.parameters() if each.requires_grad],
        alpha=weighting.alpha,
        described=experiment.optimizer,
        numerics=experiment.numerics,
    )
