"""Whatever a stranger wrote is text wherever it is shown: in terminals, logs, tables, pages and pictures."""

from __future__ import annotations

import csv
import io
import json
import os
import pty
import re
import shutil
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st
from mlx_runner.cli.plain_text import cell, plain
from mlx_runner.records.numbers import to_json
from mlx_runner.records.text_tables import TextTable, latex_table, markdown_escaped, markdown_table
from rich.console import Console

from . import hostile
from .sandbox import Mlx, Sandbox, hidden_characters

STAMP = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d[+-]\d\d:\d\d ")


@pytest.fixture(scope="module")
def stranger(mlx: Mlx, tmp_path_factory: pytest.TempPathFactory) -> Sandbox:
    """A folder with a hostile table, a config for it, and the run `hostile` that was trained on them."""
    sandbox = Sandbox(mlx, tmp_path_factory.mktemp("stranger"))
    sandbox.write("rows.csv", hostile.table())
    sandbox.write("c.yaml", hostile.config())
    outcome = sandbox.run("train", "c.yaml", "--name", "hostile")
    assert outcome.code == 0, outcome.err
    assert "\\x1b]0;owned\\x07title" in outcome.out
    assert hostile.MARKUP in outcome.out
    assert hostile.EMOJI in outcome.out
    return sandbox


@pytest.fixture
def run(stranger: Sandbox) -> Path:
    """The run's folder."""
    (found,) = (stranger.work / "runs").iterdir()
    return found


@given(st.text())
def test_plain_text_is_one_visible_line(text: str) -> None:
    assert not hidden_characters(plain(text))
    assert "\n" not in plain(text)
    assert plain(plain(text)) == plain(text)
    if text.isprintable():
        assert plain(text) == text


@given(st.text())
def test_rich_shows_it_as_it_is(text: str) -> None:
    out = io.StringIO()
    Console(file=out, force_terminal=True, width=10_000, color_system="truecolor").print(
        cell(text), soft_wrap=True
    )
    assert out.getvalue() == plain(text) + "\n"


@given(st.text())
def test_json_is_safe_to_look_at_and_the_same(text: str) -> None:
    shown = to_json({"key": text})
    assert json.loads(shown) == {"key": text}
    assert not hidden_characters(shown)


@pytest.mark.parametrize("text", hostile.TEXTS)
def test_markdown_has_no_html_link_picture_or_end_of_a_cell(text: str) -> None:
    escaped = markdown_escaped(text)
    assert "\n" not in escaped
    assert not re.search(r"(?<!\\)(?:\\\\)*[<\[|`]", escaped)
    lines = markdown_table(TextTable(text, (text, "b"), ((text, "1"),), 1)).splitlines()
    assert len(lines) == 5
    assert all(len(re.findall(r"(?<!\\)(?:\\\\)*\|", line)) == 3 for line in lines[2:])


@pytest.mark.parametrize("text", hostile.TEXTS)
def test_latex_has_no_command_of_a_strangers(text: str) -> None:
    shown = latex_table(TextTable(f"\\input{{/etc/passwd}}\n{text}", (f"\\input{{x}}{text}",), ((text,),), 1))
    assert shown.startswith("% ")
    assert "\n\\input" not in shown
    assert "\\input" not in shown.splitlines()[3]


COMMANDS = {
    "check": ("check", "c.yaml", "--data"),
    "evaluate": ("evaluate", "latest"),
    "evaluate others": ("evaluate", "latest", "--data", "rows.csv"),
    "explain": ("explain", "c.yaml", "latest"),
    "explain as markdown": ("explain", "c.yaml", "--format", "markdown"),
    "runs": ("runs",),
    "show": ("runs", "show", "latest"),
    "compare": ("compare", "runs/*hostile"),
    "init": ("init", "rows.csv"),
    "draft": ("init", "rows.csv", "--json"),
    "evaluate as json": ("evaluate", "latest", "--json"),
    "explain as json": ("explain", "c.yaml", "--json"),
}


@pytest.mark.parametrize("name", COMMANDS)
def test_no_command_shows_a_hidden_character(stranger: Sandbox, run: Path, name: str) -> None:
    """`Sandbox.run` looks at all that is said."""
    arguments = [each.replace("runs/*hostile", f"runs/{run.name}") for each in COMMANDS[name]]
    outcome = stranger.read(*arguments)
    assert outcome.code == 0, outcome.err


def test_a_terminal_is_never_given_what_it_would_obey(
    stranger: Sandbox, run: Path, clean_environment: dict[str, str]
) -> None:
    for arguments in (
        ("predict", "latest", "rows.csv"),
        ("predict", "latest", "rows.csv", "--format", "tsv"),
    ):
        shown = _on_terminal(arguments, stranger.work, clean_environment)
        # The terminal's driver itself puts a carriage return before a line feed.
        shown = shown.replace("\r\n", "\n")
        for raw in hostile.RAW:
            assert raw not in shown, (arguments, raw)
        assert "\\x1b]0;owned\\x07title" in shown


def test_messages_quote_names_without_obeying_them(sandbox: Sandbox) -> None:
    for name in (hostile.TITLE, hostile.RETURN, hostile.BIDI, hostile.MARKUP, hostile.LINE):
        for arguments in (
            ("check", name),
            ("runs", "show", name),
            ("evaluate", name),
            ("check", "headline", f"{name}={name}"),
            ("compare", name),
            ("explain", name),
            ("init", name),
            ("predict", name, name),
            ("runs", name),
            (f"--{name}",),
            (name,),
        ):
            assert sandbox.read(*arguments).code in (0, 2, 3), arguments
            assert sandbox.read(*arguments, "--json").code in (0, 2, 3), arguments


@pytest.mark.parametrize("text", hostile.TEXTS)
def test_a_key_or_a_value_of_a_config_is_quoted(sandbox: Sandbox, text: str) -> None:
    quoted = json.dumps(text)
    for change in (f"{quoted}: 1", f"name: {quoted}", f"data: {{source: {quoted}}}", f"numerics: {quoted}"):
        sandbox.write("c.yaml", change + "\n")
        assert sandbox.read("check", "c.yaml").code == 2


def test_file_names_are_shown_and_not_obeyed(sandbox: Sandbox) -> None:
    names = [b"\x1b[2Jx.yaml", "\u202eb.yaml".encode(), b"\xff\xfe.yaml", b"a\nb.yaml", b"[red]r.yaml"]
    for name in names:
        path = os.fsdecode(name)
        sandbox.write(path, "name: 1\n")
        outcome = sandbox.read("check", path)
        assert outcome.code == 2
        assert len(outcome.err.splitlines()) == len(sandbox.read("check", path, "--json").err.splitlines())
        assert json.loads(sandbox.read("check", path, "--json").out)["error"]["messages"][0]["file"] == path


def test_lines_of_the_log_are_whole(run: Path) -> None:
    lines = (run / "log.txt").read_text("utf-8").splitlines()
    assert lines
    assert all(STAMP.match(line) for line in lines)


def test_no_text_can_begin_a_line_of_the_log(tmp_path: Path) -> None:
    from mlx_runner.records.run_folder import RunFolder

    folder = RunFolder.create(tmp_path, "x", config_text="", environment={}, plan={})
    folder.log("note: a\n2026-01-01T00:00:00+00:00 finished\x1b[2J")
    (line,) = (folder.path / "log.txt").read_text("utf-8").splitlines()
    assert line.endswith("note: a\\n2026-01-01T00:00:00+00:00 finished\\x1b[2J")


def test_every_table_of_a_run_is_safe_in_a_spreadsheet(run: Path) -> None:
    tables = sorted(run.glob("*.csv"))
    assert {"labels.csv", "values.csv", "metrics.csv", "ledger.csv"} <= {path.name for path in tables}
    for path in tables:
        _assert_no_formula(path.read_text("utf-8"))
    shown = (run / "labels.csv").read_text("utf-8")
    assert "'=cmd|" in shown
    assert "'\uff1d1+1" in shown


@pytest.mark.parametrize("ending", ["csv", "tsv"])
def test_predictions_are_safe_in_a_spreadsheet(stranger: Sandbox, ending: str) -> None:
    outcome = stranger.run("predict", "latest", "rows.csv", "-o", f"out.{ending}")
    assert outcome.code == 0, outcome.err
    text = (stranger.work / f"out.{ending}").read_bytes().decode("utf-8")
    _assert_no_formula(text, delimiter="\t" if ending == "tsv" else ",")
    rows = list(csv.reader(io.StringIO(text, newline=""), delimiter="\t" if ending == "tsv" else ","))
    ids = [row[0].removeprefix("'") for row in rows[1 : len(hostile.TEXTS) + 1]]
    assert ids == list(hostile.TEXTS), "nothing of them is lost"
    (stranger.work / f"out.{ending}").unlink()


def test_a_comparison_as_csv_is_safe_in_a_spreadsheet(stranger: Sandbox, run: Path) -> None:
    for name in ("=cmd", "@x"):
        sandbox_run = stranger.work / "others" / name
        if not sandbox_run.exists():
            sandbox_run.parent.mkdir(exist_ok=True)
            shutil.copytree(run, sandbox_run)
            text = (sandbox_run / "config.yaml").read_text("utf-8")
            (sandbox_run / "config.yaml").write_text(
                text.replace("seed: 0", f"seed: {len(name)}", 1), "utf-8"
            )
    outcome = stranger.read("compare", "others/=cmd", "others/@x", "--format", "csv")
    assert outcome.code == 0, outcome.err
    _assert_no_formula(outcome.out)
    for output_format in ("markdown", "latex", "table", "json"):
        assert stranger.read("compare", "others/=cmd", "others/@x", "--format", output_format).code == 0


def test_pictures_hold_text_as_text(stranger: Sandbox, run: Path) -> None:
    pictures = [path.read_text("utf-8") for path in (run / "plots").glob("*.svg")]
    outcome = stranger.read("explain", "c.yaml", "--format", "svg")
    assert outcome.code == 0, outcome.err
    assert pictures
    for picture in [*pictures, outcome.out]:
        root = ElementTree.fromstring(picture)
        for element in root.iter():
            name = element.tag.rpartition("}")[2]
            assert name not in {"script", "image", "foreignObject", "a"}, name
            for key, value in element.attrib.items():
                assert not key.lower().startswith("on")
                assert "javascript:" not in value.lower() or key.startswith("data-")
                if key.rpartition("}")[2] == "href":
                    assert value.startswith("#")


def _assert_no_formula(text: str, *, delimiter: str = ",") -> None:
    number = re.compile(r"[+-]?\d+(\.\d+)?([eE][+-]?\d+)?")
    for row in csv.reader(io.StringIO(text, newline=""), delimiter=delimiter):
        for value in row:
            is_formula = value[:1] in set("=+-@\t\r\n\uff1d\uff0b\uff0d\uff20") and bool(value)
            assert not is_formula or number.fullmatch(value), value


def _on_terminal(arguments: tuple[str, ...], folder: Path, environment: dict[str, str]) -> str:
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-m", "mlx_runner.cli", *arguments],
        cwd=folder,
        env=environment,
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
    )
    os.close(theirs)
    shown = b""
    while chunk := _read(ours):
        shown += chunk
    os.close(ours)
    assert process.wait(timeout=60) == 0, shown
    return shown.decode("utf-8")


def _read(terminal: int) -> bytes:
    try:
        return os.read(terminal, 65536)
    except OSError:  # what Linux says at the end of a pseudo-terminal
        return b""
