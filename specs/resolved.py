"""Writes an experiment back to YAML, every default filled in, so that reading it gives the same one."""

from __future__ import annotations

import re
from typing import cast

import yaml

from .experiment import Experiment
from .scalars import BOOLEAN, FLOAT, INTEGER, NULL


def resolved_yaml(experiment: Experiment) -> str:
    """The whole experiment as YAML text in the order of the models: `load_experiment` reads it back equal."""
    data = _plain(experiment.model_dump(by_alias=True))
    return yaml.dump(
        data, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=100, default_flow_style=None
    )


def _plain(value: object) -> object:
    """The same value without tuples, which YAML has no word for."""
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in cast("dict[object, object]", value).items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in cast("list[object]", value)]
    return value


class _Dumper(yaml.SafeDumper):
    """Quotes text that YAML 1.1 (as PyYAML) or YAML 1.2 would read as something else; writes no aliases."""

    def ignore_aliases(self, data: object) -> bool:
        return True


def _text_node(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
    # PyYAML folds some line breaks (U+0085) as it writes them; escapes in double quotes keep them all.
    style = None if text.isprintable() else '"'
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style=style)


_Dumper.add_representer(str, _text_node)
for _tag, _pattern in (("null", NULL), ("bool", BOOLEAN), ("int", INTEGER), ("float", FLOAT)):
    _whole = re.compile(rf"(?:{_pattern.pattern})\Z")
    _Dumper.add_implicit_resolver(f"tag:yaml.org,2002:{_tag}", _whole, None)
