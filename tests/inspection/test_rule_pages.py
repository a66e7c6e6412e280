"""Every rule's page: its bad config breaks that rule alone, in the words of the page, its good one none."""

from __future__ import annotations

import re
import struct
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from mlx_runner.data.mnist_source import read_digits
from mlx_runner.inspection.pitfalls import CONFIG_RULES, COSTLY, DATA_RULES
from mlx_runner.specs.rules import RULES
from mlx_runner.specs.sources import Mnist
from numpy.typing import NDArray

Mlx = Callable[..., tuple[int, str, str]]

PAGES = Path(__file__).resolve().parents[2] / "docs" / "rules"
STOPS_WITH_DATA = {"MLX105"}
"""Rules that tell of what `--data` finds to be an error of the data."""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the digits that some pages speak of."""
    made = tmp_path_factory.mktemp("pages")
    train, test = read_digits(Mnist(), "train"), read_digits(Mnist(), "t10k")
    sevens, others = np.flatnonzero(train.labels == 7)[:2], np.flatnonzero(train.labels != 7)[:398]
    rows = np.concatenate([sevens, others])
    _write(made / "few_sevens", "train", train.images[rows], train.labels[rows])
    _write(made / "few_sevens", "t10k", test.images[:100], test.labels[:100])
    images = np.concatenate([test.images[:70], train.images[:30]])
    labels = np.concatenate([test.labels[:70], train.labels[:30]])
    _write(made / "repeated_digits", "train", train.images[:400], train.labels[:400])
    _write(made / "repeated_digits", "t10k", images, labels)
    return made


def _write(folder: Path, part: str, images: NDArray[np.uint8], labels: NDArray[np.uint8]) -> None:
    folder.mkdir(exist_ok=True)
    head = struct.pack(">IIII", 0x803, len(images), 28, 28)
    (folder / f"{part}-images-idx3-ubyte").write_bytes(head + images.tobytes())
    (folder / f"{part}-labels-idx1-ubyte").write_bytes(
        struct.pack(">II", 0x801, len(labels)) + labels.tobytes()
    )


def _page(code: str) -> str:
    return (PAGES / f"{code}.md").read_text("utf-8")


def _blocks(code: str) -> tuple[str, str, str, list[str]]:
    """The bad config, what `mlx check` says of it, the good config, and the options it is checked with."""
    (bad, good), (said,) = (
        re.findall(rf"```{kind}\n(.*?)```", _page(code), re.DOTALL) for kind in ("yaml", "text")
    )
    (options,) = re.findall(r"`mlx check bad\.yaml(.*?)` says:", _page(code))
    return bad, said, good, options.split()


def _findings(out: str) -> list[str]:
    """What follows the table of losses."""
    return [line for line in out.splitlines() if re.search(r"MLX\d|no findings", line)]


def test_rules_and_pages_are_one_to_one() -> None:
    assert [*CONFIG_RULES, *DATA_RULES] == list(RULES)
    assert {path.stem for path in PAGES.glob("*.md")} == {*RULES, "README"}
    assert all(code.startswith("MLX1") for code in CONFIG_RULES)
    assert all(code.startswith("MLX2") for code in DATA_RULES)
    assert not COSTLY - DATA_RULES.keys()


def test_the_table_of_rules_is_the_registry() -> None:
    rows = re.findall(r"^\| \[(\w+)\]\((\w+)\.md\) \| ([\w-]+) \| (\w+) \|", _page("README"), re.MULTILINE)
    assert rows == [(rule.code, rule.code, rule.name, rule.severity) for rule in RULES.values()]


@pytest.mark.parametrize("code", RULES)
def test_a_page_opens_with_its_rule(code: str) -> None:
    rule, lines = RULES[code], _page(code).splitlines()
    assert lines[0] == f"# {code}: {rule.name}"
    assert lines[2] == f"*{rule.severity}, {'known from the config' if code < 'MLX2' else 'needs the data'}*"
    assert re.findall("^## (.*)$", _page(code), re.MULTILINE) == ["What", "Why", "Bad", "Good"]


@pytest.mark.parametrize("code", RULES)
def test_the_bad_config_breaks_this_rule_alone(mlx: Mlx, folder: Path, code: str) -> None:
    bad, said, _, options = _blocks(code)
    assert options == ([] if code in CONFIG_RULES else ["--data"])
    (folder / "bad.yaml").write_text(bad, "utf-8")
    ended, out, err = mlx("check", "bad.yaml", *options, folder=folder)
    assert (ended, err) == (0, "")
    (line,) = _findings(out)
    assert line == said.rstrip("\n")
    assert f" {code} {RULES[code].severity}: " in line


@pytest.mark.parametrize("code", RULES)
def test_what_the_config_tells_is_told_with_the_data_too(mlx: Mlx, folder: Path, code: str) -> None:
    bad, said, _, _ = _blocks(code)
    (folder / "bad.yaml").write_text(bad, "utf-8")
    ended, out, err = mlx("check", "bad.yaml", "--data", folder=folder)
    if code in STOPS_WITH_DATA:
        assert (ended, out) == (3, "")
        assert "needs targets from 0 to 1" in err
    else:
        assert said.rstrip("\n") in _findings(out)


@pytest.mark.parametrize("code", RULES)
@pytest.mark.parametrize("options", [(), ("--data",)], ids=["config", "data"])
def test_the_good_config_breaks_none(mlx: Mlx, folder: Path, code: str, options: tuple[str, ...]) -> None:
    (folder / "good.yaml").write_text(_blocks(code)[2], "utf-8")
    ended, out, err = mlx("check", "good.yaml", "--strict", *options, folder=folder)
    assert (ended, err) == (0, "")
    assert _findings(out) == ["no findings"]


@pytest.mark.parametrize("code", RULES)
def test_a_config_can_ignore_the_rule(mlx: Mlx, folder: Path, code: str) -> None:
    bad, _, _, options = _blocks(code)
    (folder / "bad.yaml").write_text(f"{bad}ignore: [{code}]\n", "utf-8")
    _, out, _ = mlx("check", "bad.yaml", "--strict", *options, folder=folder)
    assert _findings(out) == ["no findings"]
