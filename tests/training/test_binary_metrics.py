"""Counted metrics of binary labels against scikit-learn and torchmetrics, and the table of labels."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from mlx_runner.training.binary_metrics import label_table
from mlx_runner.training.metrics import evaluate_metrics
from sklearn import metrics as referee
from torch import Tensor
from torchmetrics.functional import classification

AVERAGES = ("micro", "macro", "samples")
REFEREES = {
    "precision": referee.precision_score,
    "recall": referee.recall_score,
    "f1": referee.f1_score,
}


def labels_and_scores(seed: int, *, rows: int = 60, labels: int = 5) -> tuple[Tensor, Tensor]:
    """Random scores with ties, and labels among which one is all zero and one all one."""
    generator = torch.Generator().manual_seed(seed)
    scores = (torch.rand(rows, labels, generator=generator) * 20).round() / 20
    target = (torch.rand(rows, labels, generator=generator) < 0.3).float()
    target[:, 0], target[:, 1] = 0.0, 1.0
    return scores, target


def random_mask(shape: tuple[int, ...], seed: int) -> Tensor:
    return torch.rand(shape, generator=torch.Generator().manual_seed(seed)) < 0.7


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("average", AVERAGES)
@pytest.mark.parametrize("name", REFEREES)
def test_averages_agree_with_scikit_learn(name: str, average: str, weighted: bool) -> None:
    scores, target = labels_and_scores(1)
    weight = torch.rand(60, generator=torch.Generator().manual_seed(5)) if weighted else None
    result = evaluate_metrics([f"{name}_{average}"], prediction=scores, target=target, sample_weight=weight)
    expected = REFEREES[name](
        target.int().numpy(), (scores > 0.5).int().numpy(), average=average, zero_division=0,
        sample_weight=None if weight is None else weight.double().numpy(),
    )  # fmt: skip
    value = result.values[f"{name}_{average}"]
    assert value.dtype == torch.float64 and value.shape == ()
    assert value.item() == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize("average", ["micro", "macro"])
@pytest.mark.parametrize("name", REFEREES)
def test_averages_agree_with_torchmetrics(name: str, average: str) -> None:
    scores, target = labels_and_scores(2)
    function = getattr(classification, f"multilabel_{name}" if name != "f1" else "multilabel_f1_score")
    expected = function(scores, target.int(), num_labels=5, average=average)
    result = evaluate_metrics([f"{name}_{average}"], prediction=scores, target=target)
    assert result.values[f"{name}_{average}"].item() == pytest.approx(expected.item(), abs=1e-6)


@pytest.mark.parametrize("weighted", [False, True])
def test_accuracies_agree_with_scikit_learn(weighted: bool) -> None:
    scores, target = labels_and_scores(3)
    weight = torch.rand(60, generator=torch.Generator().manual_seed(6)) if weighted else None
    result = evaluate_metrics(
        ["binary_accuracy", "subset_accuracy", "hamming_loss"],
        prediction=scores, target=target, sample_weight=weight,
    ).values  # fmt: skip
    right, decided = target.int().numpy(), (scores > 0.5).int().numpy()
    weights = None if weight is None else weight.double().numpy()
    hamming = referee.hamming_loss(right, decided, sample_weight=weights)
    assert result["hamming_loss"].item() == pytest.approx(hamming, abs=1e-12)
    assert result["binary_accuracy"].item() == pytest.approx(1 - hamming, abs=1e-12)
    subset = referee.accuracy_score(right, decided, sample_weight=weights)
    assert result["subset_accuracy"].item() == pytest.approx(subset, abs=1e-12)


@pytest.mark.parametrize("name", REFEREES)
def test_masked_entries_are_dropped_label_by_label(name: str) -> None:
    scores, target = labels_and_scores(4)
    mask = random_mask((60, 5), 7)
    poisoned = torch.where(mask, target, torch.nan)
    by_label = [
        REFEREES[name](
            target[mask[:, label], label].numpy(), (scores[mask[:, label], label] > 0.5).float().numpy(),
            zero_division=0,
        )
        for label in range(5)
    ]  # fmt: skip
    pooled = REFEREES[name](target[mask].numpy(), (scores[mask] > 0.5).float().numpy())
    names = [f"{name}_macro", f"{name}_micro"]
    for given in (poisoned, target):
        values = evaluate_metrics(names, prediction=scores, target=given, mask=mask).values
        assert values[f"{name}_macro"].item() == pytest.approx(np.mean(by_label), abs=1e-12)
        assert values[f"{name}_micro"].item() == pytest.approx(pooled, abs=1e-12)
        table = label_table(scores, given, mask)
        torch.testing.assert_close(table[name], torch.tensor(by_label, dtype=torch.float64))


def test_a_missing_target_needs_no_mask() -> None:
    scores, target = labels_and_scores(4)
    mask = random_mask((60, 5), 7)
    masked = evaluate_metrics(["f1_micro"], prediction=scores, target=target, mask=mask)
    missing = evaluate_metrics(["f1_micro"], prediction=scores, target=target.where(mask, torch.nan))
    assert masked.values == missing.values


def test_rows_with_masked_entries() -> None:
    prediction = torch.tensor([[0.9, 0.9], [0.9, 0.1], [0.9, 0.9], [0.1, 0.1]])
    target = torch.tensor([[1, 0], [1, 0], [0, 1], [1, 1]])
    mask = torch.tensor([[True, False], [True, True], [True, True], [False, False]])
    result = evaluate_metrics(
        ["subset_accuracy", "f1_samples", "precision_samples"],
        prediction=prediction, target=target, mask=mask,
    )  # fmt: skip
    # Row 1 is right where observed, row 2 right, row 3 wrong, row 4 left out of the count.
    assert result.values["subset_accuracy"].item() == pytest.approx(2 / 3)
    assert result.values["f1_samples"].item() == pytest.approx((1 + 1 + 2 / 3) / 3)
    assert result.values["precision_samples"].item() == pytest.approx((1 + 1 + 1 / 2) / 3)
    assert result.undefined["precision_samples"].tolist() == [False] * 4


def test_an_entry_is_positive_strictly_above_its_threshold() -> None:
    prediction, target = torch.tensor([0.5, 0.5, 0.51]), torch.tensor([0.0, 1.0, 1.0])
    accuracy = evaluate_metrics(["binary_accuracy"], prediction=prediction, target=target)
    assert accuracy.values["binary_accuracy"].item() == pytest.approx(2 / 3)
    both = prediction.unsqueeze(-1).expand(3, 2)
    per_label = evaluate_metrics(
        ["recall_macro"], prediction=both, target=target.unsqueeze(-1).expand(3, 2),
        thresholds=torch.tensor([0.4, 0.6]),
    )  # fmt: skip
    assert per_label.values["recall_macro"].item() == 0.5


def test_undefined_labels_are_marked_and_count_as_zero() -> None:
    prediction = torch.tensor([[0.1, 0.9, 0.9], [0.1, 0.1, 0.9]])
    target = torch.tensor([[0, 1, 0], [0, 0, 0]])
    result = evaluate_metrics(
        ["f1_macro", "precision_macro", "recall_macro", "recall_micro"], prediction=prediction, target=target
    )
    assert result.undefined["f1_macro"].tolist() == [True, False, False]
    assert result.undefined["precision_macro"].tolist() == [True, False, False]
    assert result.undefined["recall_macro"].tolist() == [True, False, True]
    assert result.undefined["recall_micro"].tolist() == [False]
    assert result.values["recall_macro"].item() == pytest.approx(1 / 3)


def test_nothing_observed_is_zero_and_says_so() -> None:
    scores, target = labels_and_scores(1)
    names = ["binary_accuracy", "subset_accuracy", "hamming_loss", "f1_micro", "f1_macro", "f1_samples"]
    result = evaluate_metrics(names, prediction=scores, target=target, mask=torch.zeros(60, 5))
    assert {value.item() for value in result.values.values()} == {0.0}
    assert all(bool(undefined.all()) for undefined in result.undefined.values())


def test_the_table_of_labels() -> None:
    scores, target = labels_and_scores(8)
    mask = random_mask((60, 5), 9)
    table = label_table(scores, target, mask)
    for label in range(5):
        kept = mask[:, label]
        right, given = target[kept, label].numpy(), scores[kept, label].numpy()
        assert table["support"][label].item() == right.sum()
        assert table["observed"][label].item() == len(right)
        assert table["prevalence"][label].item() == pytest.approx(right.mean())
        assert table["binary_accuracy"][label].item() == pytest.approx(
            referee.accuracy_score(right, given > 0.5)
        )
        if label > 1:
            assert table["auroc"][label].item() == pytest.approx(referee.roc_auc_score(right, given))
            assert table["average_precision"][label].item() == pytest.approx(
                referee.average_precision_score(right, given)
            )
    assert table["auroc"][:2].isnan().all() and table["average_precision"][:2].isnan().all()


def test_the_table_of_a_stack_is_that_of_each_member() -> None:
    members = torch.stack([labels_and_scores(seed)[0] for seed in (1, 2, 3)])
    target = labels_and_scores(1)[1]
    weight = torch.rand(60, generator=torch.Generator().manual_seed(3))
    stacked = label_table(members, target, None, weight, stacked=True)
    for member, scores in enumerate(members):
        alone = label_table(scores, target, None, weight)
        for name, value in alone.items():
            assert stacked[name].shape == (3, 5)
            torch.testing.assert_close(stacked[name][member], value, rtol=0, atol=0, equal_nan=True)
