"""What a run keeps beside its weights, and what it may not be used without: preparation and decisions."""

from __future__ import annotations

from ..data import Preparation, load_preparation
from ..records.run_folder import RunFolder
from ..specs.errors import DataError
from ..specs.experiment import Experiment
from ..specs.files import TableFiles
from .decisions import Decisions


def kept_preparation(folder: RunFolder, experiment: Experiment) -> Preparation | None:
    """What a run learned from the columns of its table; None where its source learns nothing.

    Raises:
        DataError: it is lost or damaged. It is never learned anew, from rows that may be others by now.
    """
    document = folder.read_preparation()
    if document is None and isinstance(experiment.data, TableFiles):
        raise DataError(f"'{folder.path}' has lost its preparation.json.")
    return None if document is None else load_preparation(document)


def kept_decisions(folder: RunFolder, experiment: Experiment) -> Decisions:
    """The thresholds and temperatures of a run; none where its config asks for none.

    Raises:
        DataError: its config asks for some and there are none, or they are damaged.
    """
    document = folder.read_decisions()
    if document is None and (experiment.thresholds or experiment.calibration):
        if folder.status == "finished":
            raise DataError(f"'{folder.path}' has lost its decisions.json.")
        missing = "no thresholds and temperatures, which its config asks for"
        raise DataError(f"run '{folder.name}' has {missing}: it did not come to its end.")
    return Decisions.load(document)
