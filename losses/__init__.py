"""Loss functions, their reduction and floors, and the `Objective` that adds them up."""

from __future__ import annotations

from .build import build_knobs, build_objective, weigh_classes
from .floors import floor
from .ledger import Ledger, detached, settle, total_up
from .loss import Loss, build_loss
from .matching import OutputShape, ReferenceShape, name_problems
from .objective import Knobs, LossTerm, Objective
from .regularization import regularization_terms

__all__ = [
    "Knobs",
    "Ledger",
    "Loss",
    "LossTerm",
    "Objective",
    "OutputShape",
    "ReferenceShape",
    "build_knobs",
    "build_loss",
    "build_objective",
    "detached",
    "floor",
    "name_problems",
    "regularization_terms",
    "settle",
    "total_up",
    "weigh_classes",
]
