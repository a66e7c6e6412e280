"""The registry of metrics, what fits which output, shapes, stacks and the words for 0/0."""

from __future__ import annotations

from typing import get_args

import pytest
import torch
from mlx_runner.specs.errors import ConfigError, DataError
from mlx_runner.specs.metrics import BINARY_METRICS, CLASS_METRICS, VALUE_METRICS, MetricName
from mlx_runner.training import binary_metrics
from mlx_runner.training.binary_metrics import BINARY_SCORES
from mlx_runner.training.class_metrics import CLASS_SCORES
from mlx_runner.training.metrics import (
    METRICS,
    default_metrics,
    evaluate_metrics,
    metric_problem,
    trivial_prediction,
    undefined_notes,
)
from mlx_runner.training.value_metrics import VALUE_SCORES

SEVERAL_LABELS = tuple(name for name in BINARY_METRICS if metric_problem(name, "binary", 4) is None)


def test_the_registry_is_what_a_config_may_name() -> None:
    assert tuple(METRICS) == get_args(MetricName)
    assert tuple(BINARY_SCORES) == BINARY_METRICS
    assert tuple(CLASS_SCORES) == CLASS_METRICS
    assert tuple(VALUE_SCORES) == VALUE_METRICS
    falling = {name for name, metric in METRICS.items() if not metric.higher_is_better}
    errors = {"mse", "mae", "rmse"}
    assert falling == {"hamming_loss", "ece", *errors, *(f"{name}_original" for name in errors)}


@pytest.mark.parametrize(("kind", "width"), [("binary", 1), ("binary", 7), ("classes", 3), ("values", 2)])
def test_default_metrics_fit(kind: str, width: int) -> None:
    names = default_metrics(kind, width)
    assert names
    assert [metric_problem(name, kind, width) for name in names] == [None] * len(names)


def test_what_does_not_fit_is_told_with_what_does() -> None:
    assert metric_problem("f1_macro", "binary", 1) is None
    assert metric_problem("f1", "binary", 10) == (
        "metric 'f1' is for one column, the output has 10; allowed: f1_micro, f1_macro, f1_samples."
    )
    assert metric_problem("auroc", "binary", 2) == (
        "metric 'auroc' is for one column, the output has 2; allowed: auroc_micro, auroc_macro."
    )
    assert metric_problem("auroc", "values", 1) == (
        "metric 'auroc' is for binary labels, the target here is numbers; allowed: mse, mae, rmse, r2."
    )
    assert metric_problem("top_k_accuracy", "classes", 5) == (
        "metric 'top_k_accuracy' with top_k 5 says nothing about 5 classes; allowed: top_k from 1 to 4."
    )
    assert metric_problem("top_k_accuracy", "classes", 5, top_k=4) is None
    unknown = metric_problem("f1_marco", "binary", 2)
    assert unknown is not None
    assert unknown.startswith("no metric named 'f1_marco'; did you mean 'f1_macro'? Metrics: binary_accuracy")
    with pytest.raises(ConfigError, match="is for one column"):
        evaluate_metrics(["f1"], prediction=torch.rand(3, 2), target=torch.ones(3, 2))
    with pytest.raises(ConfigError, match="no metric named 'acc'"):
        evaluate_metrics(["acc"], prediction=torch.rand(3, 2), target=torch.ones(3, 2))


@pytest.mark.parametrize("names", [SEVERAL_LABELS, VALUE_METRICS])
@pytest.mark.parametrize("masked", [False, True])
@pytest.mark.parametrize("weighted", [False, True])
def test_a_stack_is_each_member_alone(names: tuple[str, ...], masked: bool, weighted: bool) -> None:
    generator = torch.Generator().manual_seed(1)
    members = (torch.rand(3, 40, 4, generator=generator) * 9).round() / 9
    targets = (torch.rand(3, 40, 4, generator=generator) < 0.4).float()
    masks = torch.rand(3, 40, 4, generator=generator) < 0.7 if masked else None
    weight = torch.rand(40, generator=generator) if weighted else None
    for shared in (True, False):
        target = targets[0] if shared else targets
        mask = masks[0] if shared and masks is not None else masks
        stacked = evaluate_metrics(
            names, prediction=members, target=target, mask=mask, sample_weight=weight, stacked=True
        )
        for member in range(3):
            own_mask = mask if mask is None or shared else mask[member]
            alone = evaluate_metrics(
                names, prediction=members[member], target=target if shared else target[member],
                mask=own_mask, sample_weight=weight,
            )  # fmt: skip
            for name in names:
                assert stacked.values[name].shape == (3,)
                torch.testing.assert_close(
                    stacked.values[name][member], alone.values[name], rtol=1e-12, atol=1e-12
                )
                assert torch.equal(stacked.undefined[name][member], alone.undefined[name])


def test_a_vector_and_a_column_are_never_broadcast_against_each_other() -> None:
    generator = torch.Generator().manual_seed(2)
    scores, target = torch.rand(30, generator=generator), (torch.rand(30, generator=generator) < 0.5).float()
    names = (*default_metrics("binary", 1), "mse")
    expected = {
        "binary_accuracy": ((scores > 0.5) == target.bool()).double().mean().item(),
        "mse": (scores.double() - target).square().mean().item(),
    }
    for prediction in (scores, scores.unsqueeze(-1)):
        for given in (target, target.unsqueeze(-1)):
            values = evaluate_metrics(names, prediction=prediction, target=given).values
            assert {name: values[name].item() for name in expected} == pytest.approx(expected)
    both = torch.stack([scores, 1 - scores])
    stacked = evaluate_metrics(names, prediction=both.unsqueeze(-1), target=target, stacked=True).values
    assert stacked["mse"][0].item() == pytest.approx(expected["mse"])
    assert stacked["auroc"].sum().item() == pytest.approx(1.0)


def test_images_are_flattened() -> None:
    generator = torch.Generator().manual_seed(3)
    images, target = torch.rand(2, 6, 1, 4, 4, generator=generator)
    mask = torch.rand(6, 1, 4, 4, generator=generator) < 0.5
    names = ("binary_accuracy", "subset_accuracy", "mse")
    flat = evaluate_metrics(
        names, prediction=images.flatten(1), target=target.flatten(1), mask=mask.flatten(1)
    )
    for given in (target, target.squeeze(1), target.flatten(1)):
        assert evaluate_metrics(names, prediction=images, target=given, mask=mask).values == flat.values
    rows = torch.tensor([True, False, True, True, False, True])
    kept = evaluate_metrics(names, prediction=images[rows], target=target[rows])
    by_row = evaluate_metrics(names, prediction=images, target=target, mask=rows)
    assert kept.values == by_row.values


@pytest.mark.parametrize(
    ("prediction", "target", "stacked"),
    [
        ((4, 3), (4, 2), False),
        ((4, 3), (3, 4), False),
        ((4, 3), (1, 3), False),
        ((4, 2, 3), (4, 3, 2), False),
        ((2, 4, 3), (4, 3), False),
        ((2, 4, 3), (3, 4, 3), True),
    ],
)
def test_shapes_that_do_not_fit_are_refused(
    prediction: tuple[int, ...], target: tuple[int, ...], stacked: bool
) -> None:
    with pytest.raises(DataError, match="does not fit predictions of shape"):
        evaluate_metrics(
            ["mse"], prediction=torch.zeros(prediction), target=torch.zeros(target), stacked=stacked
        )


def test_bad_weights_and_empty_data_are_refused() -> None:
    with pytest.raises(DataError, match="one for each of 4 rows is needed"):
        evaluate_metrics(
            ["mse"], prediction=torch.zeros(4, 2), target=torch.zeros(4, 2), sample_weight=torch.ones(2)
        )
    with pytest.raises(DataError, match="nothing to evaluate in predictions of shape \\(0, 2\\)"):
        evaluate_metrics(["mse"], prediction=torch.zeros(0, 2), target=torch.zeros(0, 2))


def test_a_member_with_nan_gets_nan_and_spoils_no_other() -> None:
    generator = torch.Generator().manual_seed(4)
    members = torch.rand(2, 20, 3, generator=generator)
    target = (torch.rand(20, 3, generator=generator) < 0.5).float()
    members[0, 3, 1] = torch.nan
    names = ("binary_accuracy", "f1_macro", "auroc_micro", "mse", "r2")
    broken = evaluate_metrics(names, prediction=members, target=target, stacked=True).values
    alone = evaluate_metrics(names, prediction=members[1], target=target).values
    for name in names:
        assert broken[name][0].isnan()
        assert broken[name][1].item() == pytest.approx(alone[name].item(), rel=1e-12)
    mask = torch.ones(20, 3, dtype=torch.bool)
    mask[3, 1] = False
    masked = evaluate_metrics(names, prediction=members, target=target, mask=mask, stacked=True).values
    assert all(bool(value.isfinite().all()) for value in masked.values())


def test_counts_of_large_data_are_exact() -> None:
    # Past 2**24 ones a float32 sum stands still.
    rows = 2**24 + 4
    prediction = torch.ones(rows)
    target = torch.ones(rows, dtype=torch.bool)
    target[0] = False
    value = evaluate_metrics(["hamming_loss"], prediction=prediction, target=target).values["hamming_loss"]
    assert value.item() == 1 / rows


def test_metrics_of_one_call_share_counts_and_sorts(monkeypatch: pytest.MonkeyPatch) -> None:
    sorts: list[tuple[int, ...]] = []
    sums: list[tuple[int, ...]] = []
    rank, weigh = binary_metrics.rank_scores, binary_metrics.weighted_sum

    def counting_rank(scores: torch.Tensor, **rest: torch.Tensor) -> object:
        sorts.append(tuple(scores.shape))
        return rank(scores, **rest)

    def counting_sum(entries: torch.Tensor, weight: torch.Tensor | None) -> torch.Tensor:
        sums.append(tuple(entries.shape))
        return weigh(entries, weight)

    monkeypatch.setattr(binary_metrics, "rank_scores", counting_rank)
    monkeypatch.setattr(binary_metrics, "weighted_sum", counting_sum)
    names = ("f1_micro", "f1_macro", "binary_accuracy", "auroc_macro", "average_precision_macro")
    evaluate_metrics(names, prediction=torch.rand(9, 4), target=torch.ones(9, 4))
    assert sorts == [(4, 9)]
    assert len(sums) == 4


def test_results_carry_no_gradient_and_keep_the_order_of_names() -> None:
    prediction = torch.rand(5, 2, requires_grad=True)
    names = ["mse", "f1_micro", "mae", "binary_accuracy"]
    result = evaluate_metrics(names, prediction=prediction, target=torch.ones(5, 2))
    assert list(result.values) == names
    assert not any(value.requires_grad for value in result.values.values())


def test_what_was_undefined_is_told_in_words() -> None:
    prediction = torch.tensor([[0.1, 0.9, 0.2], [0.1, 0.1, 0.9]])
    target = torch.tensor([[0, 1, 0], [0, 0, 0]])
    names = ("f1_macro", "recall_macro", "precision_samples", "auroc_macro", "f1_micro")
    result = evaluate_metrics(names, prediction=prediction, target=target)
    assert undefined_notes(result) == (
        "f1_macro: 1 of 3 labels have neither positives nor predicted ones; counted as 0",
        "recall_macro: 2 of 3 labels have no positives; counted as 0",
        "auroc_macro: 2 of 3 labels have a single class; left out of the mean",
    )
    empty = evaluate_metrics(("auroc", "recall", "r2"), prediction=prediction[:, 0], target=target[:, 0])
    assert undefined_notes(empty) == (
        "auroc: a single class; undefined",
        "recall: no positives; counted as 0",
        "r2: a constant target; counted as 0",
    )
    both = evaluate_metrics(
        ["precision_macro"], prediction=torch.stack([prediction, torch.ones_like(prediction)]),
        target=target, stacked=True,
    )  # fmt: skip
    assert undefined_notes(both, member=0) == (
        "precision_macro: 1 of 3 labels have no predicted positives; counted as 0",
    )
    assert undefined_notes(both, member=1) == ()


def test_trivial_predictions_of_labels_and_values() -> None:
    target = torch.tensor([[1.0, 0.0, torch.nan], [1.0, 0.0, torch.nan], [0.0, 0.5, torch.nan]])
    mask = torch.tensor([[True, True, True], [True, True, True], [False, True, True]])
    labels = trivial_prediction([(target, mask)], "binary")
    assert labels.dtype == torch.float64
    assert labels.tolist() == pytest.approx([1.0, 0.5 / 3, 0.5])
    assert trivial_prediction([(target, mask)], "values").tolist() == pytest.approx([1.0, 0.5 / 3, 0.0])
    pieces = [(target[:1], mask[:1]), (target[1:], mask[1:])]
    assert trivial_prediction(pieces, "binary").tolist() == labels.tolist()
    assert trivial_prediction([(torch.tensor([1.0, 3.0]), None)], "values").tolist() == [2.0]
    images = torch.rand(5, 1, 4, 4)
    torch.testing.assert_close(trivial_prediction([(images, None)], "binary"), images.double().mean(0))
    frequencies = trivial_prediction(
        [(torch.tensor([0, 1]), None), (torch.tensor([1, 1]), None)], "classes", num_classes=3
    )
    assert frequencies.tolist() == [0.25, 0.75, 0.0]


def test_no_constant_beats_the_trivial_prediction() -> None:
    target = torch.rand(200, 1, generator=torch.Generator().manual_seed(5), dtype=torch.float64)
    best = trivial_prediction([(target, None)], "binary")
    bce = torch.nn.functional.binary_cross_entropy
    floor = bce(best.expand_as(target), target)
    for step in (-0.01, 0.01):
        assert bce((best + step).expand_as(target), target) > floor
