"""Problems as they are printed, and an import that costs nothing."""

from __future__ import annotations

import subprocess
import sys

from mlx_runner.specs.errors import ConfigError, Problem, dotted, nearest, quoted, unknown_name


def test_a_problem_reads_place_path_message() -> None:
    assert str(Problem("wrong", ("a", 0), "x.yaml", 3, 7)) == "x.yaml:3:7: a.0: wrong"
    assert str(Problem("wrong", ("a",), "command line")) == "command line: a: wrong"
    assert str(Problem("wrong")) == "wrong"
    assert str(ConfigError([Problem("one"), Problem("two")])) == "one\ntwo"


def test_quotes_are_short_and_printable() -> None:
    assert quoted("a\x1b\n") == "'a\\x1b\\n'"
    assert quoted("x" * 60) == f"'{'x' * 60}'"
    assert quoted("x" * 61) == f"'{'x' * 57}...'"


def test_paths_are_printable() -> None:
    assert dotted(("losses", "a.b", 3)) == "losses.a.b.3"
    assert dotted(("a\x1b",)) == "'a\\x1b'"
    assert len(dotted(("x" * 5000,))) == 62


def test_nearest_names() -> None:
    assert nearest("unitz", ["units", "type"]) == "units"
    assert nearest("zzz", ["units"]) is None
    assert nearest("units" * 20_000, ["units" * 20_000]) is None
    assert unknown_name("output", "mian", ["main", "aux"]) == (
        "no output named 'mian'; did you mean 'main'? Outputs: main, aux."
    )
    assert unknown_name("output", "q", []) == "no output named 'q'. Outputs: none."


def test_errors_import_neither_pydantic_nor_yaml() -> None:
    code = "import sys, mlx_runner.specs.errors; print({'pydantic', 'yaml', 'torch'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"
