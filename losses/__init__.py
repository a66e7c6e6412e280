"""Loss functions, their reduction and floors, and the `Objective` that adds them up."""

from __future__ import annotations

from .build import OutputShape, ReferenceShape, build_knobs, build_objective, name_problems, weigh_classes
from .floors import floor
from .ledger import Ledger, settle, total_up
from .loss import Loss, build_loss
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
    "floor",
    "name_problems",
    "regularization_terms",
    "settle",
    "total_up",
    "weigh_classes",
]
