"""The metrics a config may name, by the kind of target they are for."""

from __future__ import annotations

from typing import Literal

TargetKind = Literal["binary", "classes", "values"]

BINARY_METRICS = (
    "binary_accuracy", "subset_accuracy", "hamming_loss",
    "precision", "recall", "f1", "auroc", "average_precision",
    "precision_micro", "precision_macro", "precision_samples",
    "recall_micro", "recall_macro", "recall_samples",
    "f1_micro", "f1_macro", "f1_samples",
    "auroc_micro", "auroc_macro", "average_precision_micro", "average_precision_macro",
)  # fmt: skip
"""For targets of one or more independent binary labels. Plain names are for a single column."""

CLASS_METRICS = ("categorical_accuracy", "top_k_accuracy")
"""For targets that are one class of several."""

VALUE_METRICS = ("mse", "mae", "rmse", "r2")
"""For targets that are numbers, in the units that the network is trained in."""

PROBABILITY_METRICS = ("ece",)
"""For predicted probabilities, of binary labels or of classes."""

ORIGINAL = "_original"

ORIGINAL_METRICS = ("mse_original", "mae_original", "rmse_original", "r2_original")
"""The metrics of numbers in the units of the table, where the network is trained in others."""

MetricName = Literal[
    "binary_accuracy", "subset_accuracy", "hamming_loss",
    "precision", "recall", "f1", "auroc", "average_precision",
    "precision_micro", "precision_macro", "precision_samples",
    "recall_micro", "recall_macro", "recall_samples",
    "f1_micro", "f1_macro", "f1_samples",
    "auroc_micro", "auroc_macro", "average_precision_micro", "average_precision_macro",
    "categorical_accuracy", "top_k_accuracy",
    "mse", "mae", "rmse", "r2",
    "ece",
    "mse_original", "mae_original", "rmse_original", "r2_original",
]  # fmt: skip

LOWER_IS_BETTER = frozenset(
    {"loss", "hamming_loss", "ece", "mse", "mae", "rmse", "mse_original", "mae_original", "rmse_original"}
)
"""Last parts of metric keys that improve by falling; all others improve by rising."""
