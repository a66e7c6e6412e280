"""Members: a name for each that is a name of the specs and a file name, on consecutive seeds."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from mlx_runner.comparison.members import member_of_folder, name_slugs, spread_seeds
from mlx_runner.comparison.settings import Setting
from mlx_runner.specs.base import NAME_PATTERN
from mlx_runner.specs.errors import ConfigError
from mlx_runner.specs.experiment import Experiment
from mlx_runner.specs.load import load_experiment
from mlx_runner.specs.resolved import resolved_yaml
from mlx_runner.training.footprint import Footprint

Load = Callable[..., Experiment]


@given(st.lists(st.text(min_size=1, max_size=120), unique=True, max_size=12))
def test_slugs_are_names_and_no_two_are_alike(names: list[str]) -> None:
    slugs = name_slugs(names)
    assert list(slugs) == names
    assert len(set(slugs.values())) == len(names)
    for slug in slugs.values():
        assert re.fullmatch(NAME_PATTERN, f"{slug}_seed4294967295")
        assert len(slug) <= 66


def test_slugs_can_be_read() -> None:
    assert name_slugs(["no_aux", "aux.weight=0.2,x=-1"]) == {
        "no_aux": "no_aux",
        "aux.weight=0.2,x=-1": "aux-weight-0-2-x-1",
    }


def test_members_are_whole_configs(load: Load, tmp_path: Path) -> None:
    setting = Setting("aux=0.2", {}, load("seed=7"))
    members = spread_seeds([setting], 3, {"aux=0.2": Footprint(1, 1)})
    assert [(each.name, each.seed, each.setting) for each in members] == [
        ("aux-0-2_seed7", 7, "aux=0.2"),
        ("aux-0-2_seed8", 8, "aux=0.2"),
        ("aux-0-2_seed9", 9, "aux=0.2"),
    ]
    for member in members:
        path = tmp_path / "member.yaml"
        path.write_text(resolved_yaml(member.experiment), "utf-8")
        again = load_experiment(str(path))
        assert (again.name, again.seed) == (member.name, member.seed)


def test_seeds_end(load: Load) -> None:
    setting = Setting("a", {}, load("seed=4294967294"))
    assert len(spread_seeds([setting], 2, {"a": Footprint(1, 1)})) == 2
    with pytest.raises(
        ConfigError, match="3 seeds from 4294967294 on go beyond the highest seed, 4294967295"
    ):
        spread_seeds([setting], 3, {"a": Footprint(1, 1)})


@pytest.mark.parametrize(
    ("folder", "member"),
    [
        ("20250101-000000_no_aux_seed3", "no_aux_seed3"),
        ("20250101-000000_no_aux_seed3-2", "no_aux_seed3"),
        ("20250101-000000_a_seed1_seed2", "a_seed1_seed2"),
        ("20250101-000000_no_aux_seed3.lost", None),
        ("20250101-000000_no_aux", None),
        ("no_aux_seed3", None),
    ],
)
def test_folders_tell_their_member(folder: str, member: str | None) -> None:
    assert member_of_folder(folder) == member
