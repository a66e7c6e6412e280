"""The config that a run keeps, as plain values: read without the models of the specs."""

from __future__ import annotations

from ..specs.errors import ConfigError, DataError
from ..specs.flat import Flat, flat_values
from ..specs.yaml_reader import read_yaml
from .run_folder import RunFolder


def read_config(run: RunFolder) -> dict[str, object]:
    """The mapping in a run's config.yaml, every default in it. Raises DataError if damaged."""
    try:
        return dict(read_yaml(run.config_text(), file=str(run.path / "config.yaml")).data)
    except ConfigError as error:  # the program wrote it: whoever reads it now did not
        raise DataError(list(error.problems)) from error


def read_flat_config(run: RunFolder) -> Flat:
    """Every value of a run's config by its dotted path. Raises DataError if damaged."""
    return flat_values(read_config(run))
