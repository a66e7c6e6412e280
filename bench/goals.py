"""What was asked of `mlx`, and whether a bench found it: ratios of medians."""

from __future__ import annotations

from dataclasses import dataclass

from measured import (
    Document,
    Quantity,
    later_epoch,
    peak_beyond_import,
    settings_ratio,
    spread,
    startup_beyond_import,
    whole,
)


@dataclass(frozen=True)
class Goal:
    """A number of `mlx` is at most `at_most` times that of another; without another, at most that."""

    network: str
    text: str
    at_most: float
    quantity: Quantity
    beside: str | None


GOALS = (
    Goal("autoencoder", "whole process, of Keras 3 on jax", 0.6, whole, "keras-jax"),
    Goal("autoencoder", "whole process, of PyTorch with torchvision's MNIST", 0.25, whole, "torchvision"),
    Goal("autoencoder", "whole process, of PyTorch with a Dataset of tensors", 0.25, whole, "plain"),
    Goal("autoencoder", "later epoch, of Keras 3 on jax", 0.95, later_epoch, "keras-jax"),
    Goal("autoencoder", "later epoch, of the tidy loop", 0.75, later_epoch, "tidy"),
    Goal("autoencoder", "later epoch, of the limit", 3.0, later_epoch, "limit"),
    Goal("autoencoder", "memory beyond imports, of Keras 3 on jax", 1.0, peak_beyond_import, "keras-jax"),
    Goal("headline", "step, of Keras 3 on jax", 0.6, later_epoch, "keras-jax"),
    Goal("attributes", "whole process, of Keras 3 on jax", 0.7, whole, "keras-jax"),
    Goal("attributes", "later epoch, of Keras 3 on jax", 1.3, later_epoch, "keras-jax"),
    Goal("autoencoder", "first step after the import of PyTorch, seconds", 1.0, startup_beyond_import, None),
)

SETTINGS_GOALS = {"autoencoder": 0.45, "attributes": 0.1}
"""`mlx compare` of sixteen settings, in parts of sixteen processes of Keras 3 on jax."""


def judge(results: Document) -> list[tuple[str, float, float]]:
    """What was asked, the most it may be and what was found, of all that was measured."""
    judged = list[tuple[str, float, float]]()
    for goal in GOALS:
        found = _found(results, goal)
        if found is not None:
            judged.append((f"`{goal.network}`: {goal.text}", goal.at_most, found))
    for network, at_most in SETTINGS_GOALS.items():
        turns = results["networks"].get(network, {}).get("settings", [])
        are_sixteen = all(turn.get("settings") == 16 for turn in turns)
        ratio = settings_ratio(results, network) if turns and are_sixteen else None
        if ratio is not None:
            judged.append((f"`{network}`: 16 settings, of Keras 3 on jax", at_most, ratio.median))
    return judged


def _found(results: Document, goal: Goal) -> float | None:
    if goal.network not in results["networks"]:
        return None
    ours = spread(results, goal.network, "mlx", goal.quantity)
    if ours is None or goal.beside is None:
        return None if ours is None else ours.median
    theirs = spread(results, goal.network, goal.beside, goal.quantity)
    return None if theirs is None else ours.median / theirs.median
