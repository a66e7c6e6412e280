"""Metrics of classes and the confusion matrix against scikit-learn and torchmetrics."""

from __future__ import annotations

import pytest
import torch
from mlx_runner.specs.errors import ConfigError, DataError
from mlx_runner.training.class_metrics import class_frequencies, confusion_matrix
from mlx_runner.training.metrics import evaluate_metrics
from sklearn import metrics as referee
from torch import Tensor
from torch.nn import functional
from torchmetrics.functional import classification


def draw(seed: int, *, rows: int = 70, classes: int = 6) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    target = torch.randint(classes, (rows,), generator=generator)
    scores = torch.randn(rows, classes, generator=generator) + functional.one_hot(target, classes)
    return scores, target


@pytest.mark.parametrize("weighted", [False, True])
def test_accuracies_agree_with_scikit_learn(weighted: bool) -> None:
    scores, target = draw(1)
    weight = torch.rand(70, generator=torch.Generator().manual_seed(2)) if weighted else None
    weights = None if weight is None else weight.double().numpy()
    values = evaluate_metrics(
        ["categorical_accuracy", "top_k_accuracy"],
        prediction=scores, target=target, sample_weight=weight, top_k=3,
    ).values  # fmt: skip
    first = referee.accuracy_score(target.numpy(), scores.argmax(-1).numpy(), sample_weight=weights)
    third = referee.top_k_accuracy_score(target.numpy(), scores.numpy(), k=3, sample_weight=weights)
    assert values["categorical_accuracy"].item() == pytest.approx(first, abs=1e-12)
    assert values["top_k_accuracy"].item() == pytest.approx(third, abs=1e-12)


def test_accuracies_agree_with_torchmetrics() -> None:
    scores, target = draw(3)
    for k, name in ((1, "categorical_accuracy"), (1, "top_k_accuracy"), (4, "top_k_accuracy")):
        expected = classification.multiclass_accuracy(scores, target, num_classes=6, average="micro", top_k=k)
        value = evaluate_metrics([name], prediction=scores, target=target, top_k=k).values[name]
        assert value.item() == pytest.approx(expected.item(), abs=1e-6)


def test_indices_columns_and_one_hot_rows_are_one_target() -> None:
    scores, target = draw(4)
    one_hot = functional.one_hot(target, 6)
    forms = [target, target.unsqueeze(-1), target.float(), one_hot, one_hot.float(), one_hot.bool()]
    values = {
        evaluate_metrics(["categorical_accuracy"], prediction=scores, target=form)
        .values["categorical_accuracy"]
        .item()
        for form in forms
    }
    assert values == {(scores.argmax(-1) == target).double().mean().item()}


def test_masked_rows_leave_the_count() -> None:
    scores, target = draw(5)
    mask = torch.rand(70, generator=torch.Generator().manual_seed(6)) < 0.5
    expected = evaluate_metrics(["top_k_accuracy"], prediction=scores[mask], target=target[mask], top_k=2)
    missing = target.float().masked_fill(~mask, torch.nan)
    for given, observed in ((target, mask), (target, mask.unsqueeze(-1).expand(70, 6)), (missing, None)):
        result = evaluate_metrics(["top_k_accuracy"], prediction=scores, target=given, mask=observed, top_k=2)
        assert result.values == expected.values


def test_equal_scores_win_nothing_by_being_equal() -> None:
    prediction, target = torch.zeros(4, 4), torch.arange(4)
    values = evaluate_metrics(
        ["categorical_accuracy", "top_k_accuracy"], prediction=prediction, target=target, top_k=2
    ).values
    assert values["categorical_accuracy"].item() == 0.25
    assert values["top_k_accuracy"].item() == 0.5


def test_a_class_outside_the_prediction_is_never_right() -> None:
    scores, target = torch.eye(3), torch.tensor([0, -1, 7])
    values = evaluate_metrics(
        ["categorical_accuracy", "top_k_accuracy"], prediction=scores, target=target, top_k=2
    ).values
    assert [value.item() for value in values.values()] == pytest.approx([1 / 3, 1 / 3])


def test_time_steps_count_as_rows() -> None:
    scores, target = draw(7)
    mask = torch.rand(70, generator=torch.Generator().manual_seed(8)) < 0.5
    weight = torch.rand(10, generator=torch.Generator().manual_seed(9))
    flat = evaluate_metrics(
        ["categorical_accuracy"], prediction=scores, target=target, mask=mask,
        sample_weight=weight.repeat_interleave(7),
    )  # fmt: skip
    steps = evaluate_metrics(
        ["categorical_accuracy"], prediction=scores.reshape(10, 7, 6), target=target.reshape(10, 7),
        mask=mask.reshape(10, 7), sample_weight=weight,
    )  # fmt: skip
    assert flat.values == steps.values


def test_a_stack_is_each_member_alone() -> None:
    members = torch.stack([draw(seed)[0] for seed in (1, 2, 3)])
    per_member = torch.stack([draw(seed)[1] for seed in (1, 2, 3)])
    names = ["categorical_accuracy", "top_k_accuracy"]
    for target in (per_member[0], per_member):
        stacked = evaluate_metrics(names, prediction=members, target=target, top_k=2, stacked=True)
        matrices = confusion_matrix(members, target, 6, stacked=True)
        for member in range(3):
            own = target if target.ndim == 1 else target[member]
            alone = evaluate_metrics(names, prediction=members[member], target=own, top_k=2)
            assert {name: stacked.values[name][member] for name in names} == alone.values
            assert torch.equal(matrices[member], confusion_matrix(members[member], own, 6))


@pytest.mark.parametrize("weighted", [False, True])
def test_the_confusion_matrix_agrees_with_scikit_learn(weighted: bool) -> None:
    scores, target = draw(10)
    mask = torch.rand(70, generator=torch.Generator().manual_seed(11)) < 0.5
    weight = torch.rand(70, generator=torch.Generator().manual_seed(12)) if weighted else None
    matrix = confusion_matrix(scores, target, 6, mask=mask, sample_weight=weight)
    expected = referee.confusion_matrix(
        target[mask].numpy(), scores[mask].argmax(-1).numpy(), labels=range(6),
        sample_weight=None if weight is None else weight[mask].double().numpy(),
    )  # fmt: skip
    assert matrix.dtype == (torch.float64 if weighted else torch.int64)
    torch.testing.assert_close(matrix, torch.as_tensor(expected))


def test_the_confusion_matrix_refuses_what_it_has_no_place_for() -> None:
    scores, target = draw(13)
    target[3] = 6
    with pytest.raises(DataError, match="holds class 6; classes are 0 to 5"):
        confusion_matrix(scores, target, 6)
    with pytest.raises(DataError, match="of 6 classes, expected 7"):
        confusion_matrix(scores, target, 7)
    mask = torch.ones(70, dtype=torch.bool)
    mask[3] = False
    assert confusion_matrix(scores, target, 6, mask=mask).sum().item() == 69


def test_frequencies_of_classes() -> None:
    target = torch.tensor([0, 2, 2, 1])
    expected = torch.tensor([0.25, 0.25, 0.5, 0.0], dtype=torch.float64)
    forms = [target, target.unsqueeze(-1), target.reshape(2, 2), functional.one_hot(target, 4).float()]
    for form in forms:
        assert torch.equal(class_frequencies(form, mask=None, num_classes=4), expected)
    assert torch.equal(class_frequencies(forms[-1], mask=None, num_classes=None), expected)
    masked = class_frequencies(target, mask=torch.tensor([True, False, True, False]), num_classes=3)
    assert masked.tolist() == [0.5, 0.0, 0.5]
    none = class_frequencies(target, mask=torch.zeros(4, dtype=torch.bool), num_classes=4)
    assert none.tolist() == [0.25] * 4
    with pytest.raises(DataError, match="need the number of classes"):
        class_frequencies(target, mask=None, num_classes=None)
    with pytest.raises(DataError, match="holds class 2; classes are 0 to 1"):
        class_frequencies(target, mask=None, num_classes=2)


def test_a_top_k_that_says_nothing_is_refused() -> None:
    scores, target = draw(14)
    for top_k in (0, 6):
        with pytest.raises(ConfigError, match="allowed: top_k from 1 to 5"):
            evaluate_metrics(["top_k_accuracy"], prediction=scores, target=target, top_k=top_k)
