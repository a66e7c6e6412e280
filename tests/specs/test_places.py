"""Places: fallbacks, the choice between key and value, and that they never make configs differ."""

from __future__ import annotations

import pickle

from mlx_runner.specs.errors import Problem
from mlx_runner.specs.places import Place, Places
from mlx_runner.specs.yaml_reader import read_yaml

TEXT = "a:\n  b: [1, 2]\n  c: 5\n"


def test_a_problem_of_a_single_value_points_at_it_and_of_more_at_the_key() -> None:
    places = read_yaml(TEXT, file="x").places
    assert str(places.locate(Problem("m", ("a", "c")))) == "x:3:6: a.c: m"
    assert str(places.locate(Problem("m", ("a", "b")))) == "x:2:3: a.b: m"
    assert str(places.locate(Problem("m", ("a", "b", 1)))) == "x:2:10: a.b.1: m"
    assert str(places.locate(Problem("m", ("a", "z", "y")))) == "x:1:1: a.z.y: m"


def test_a_located_problem_stays_where_it_is() -> None:
    problem = Problem("m", ("a", "c"), "other", 9, 9)
    assert read_yaml(TEXT, file="x").places.locate(problem) == problem


def test_no_places_give_no_place() -> None:
    assert Places().find(("a", 0)) == Place(None, None, None)
    assert str(Places().locate(Problem("m", ("a",)))) == "a: m"


def test_places_survive_pickling_and_take_no_part_in_comparisons() -> None:
    places = read_yaml(TEXT, file="x").places
    copy = pickle.loads(pickle.dumps(places))
    assert copy.find(("a", "c")) == Place("x", 3, 6)
    assert places == Places()
