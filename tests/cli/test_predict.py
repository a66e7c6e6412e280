"""`mlx predict` through the command line and through pipes: what it writes, refuses and leaves behind."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import polars as pl
import pytest

Mlx = Callable[..., tuple[int, str, str]]
AssertFails = Callable[[Path, list[str], int, list[tuple]], None]

COMMAND = [sys.executable, "-m", "mlx_runner.cli", "predict"]
HEADER = (
    "name,late,late/is,tags/a,tags/a/is,tags/b,tags/b/is,kind,kind/x,kind/y,kind/z,price,"
    "sizes/width,sizes/height"
)
DONE = r"300 rows in \d+\.\d s, [\d,]+ rows/s"


@pytest.fixture
def folder(table_run: Path, tmp_path: Path) -> Path:
    """Holds the rows alone; the run lies elsewhere, and its table is gone."""
    (tmp_path / "rows.csv").write_bytes((table_run.parent.parent / "rows.csv").read_bytes())
    return tmp_path


def test_predictions_go_to_standard_output_and_nothing_else(mlx: Mlx, folder: Path, table_run: Path) -> None:
    code, out, err = mlx("predict", str(table_run), "rows.csv", folder=folder)
    assert code == 0
    assert re.fullmatch(DONE + r"\n", err)
    lines = out.splitlines()
    assert lines[0] == HEADER
    assert len(lines) == 301
    assert lines[1].startswith("house 0,0.")
    assert lines[4].startswith("'=1+1,")
    assert mlx("predict", str(table_run), "rows.csv", "--quiet", folder=folder) == (0, out, "")
    assert mlx("predict", str(table_run), "rows.csv", "-q", "-o", "-", folder=folder) == (0, out, "")
    assert [path.name for path in folder.iterdir()] == ["rows.csv"]


def test_a_run_is_named_as_elsewhere(mlx: Mlx, folder: Path, table_run: Path) -> None:
    runs = ["--runs", str(table_run.parent)]
    first = mlx("predict", "latest", "rows.csv", "-q", *runs, folder=folder)
    assert first[0] == 0
    assert mlx("predict", "houses", "rows.csv", "-q", *runs, folder=folder) == first
    code, _, err = mlx("predict", "huoses", "rows.csv", *runs, folder=folder)
    assert code == 2
    assert f"did you mean '{table_run.name}'?" in err


@pytest.mark.parametrize("ending", ["csv", "tsv", "jsonl", "parquet"])
def test_files_of_every_format_hold_the_same(mlx: Mlx, folder: Path, table_run: Path, ending: str) -> None:
    code, out, err = mlx("predict", str(table_run), "rows.csv", "-o", f"out.{ending}", folder=folder)
    assert (code, out) == (0, "")
    assert re.fullmatch(DONE + rf", written to out\.{ending}\n", err)
    path = folder / f"out.{ending}"
    match ending:
        case "parquet":
            found = pl.read_parquet(path)
        case "jsonl":
            found = pl.DataFrame([json.loads(line) for line in path.read_text("utf-8").splitlines()])
        case _:
            found = pl.read_csv(path, separator="\t" if ending == "tsv" else ",")
    assert ",".join(found.columns) == HEADER
    name = "'=1+1" if ending in ("csv", "tsv") else "=1+1"
    assert found["name"].to_list() == ["house 0", "house 1", "house 2", name, *found["name"][4:]]
    _, printed, _ = mlx("predict", str(table_run), "rows.csv", "-q", folder=folder)
    expected = pl.read_csv(printed.encode())
    for column in expected.columns[1:]:
        assert found[column].to_list() == expected[column].cast(found[column].dtype).to_list(), column


def test_the_document(mlx: Mlx, folder: Path, table_run: Path) -> None:
    code, out, err = mlx(
        "predict", str(table_run), "rows.csv", "-o", "out.csv", "--json", "-q", folder=folder
    )
    assert (code, err) == (0, "")
    document = json.loads(out)
    assert document.pop("seconds") > 0
    assert document.pop("rows_per_second") > 0
    assert document == {
        "run": str(table_run),
        "file": "rows.csv",
        "out": "out.csv",
        "format": "csv",
        "columns": HEADER.split(","),
        "rows": 300,
    }


def test_a_file_that_was_there_is_replaced(mlx: Mlx, folder: Path, table_run: Path) -> None:
    (folder / "out.csv").write_text("old")
    assert mlx("predict", str(table_run), "rows.csv", "-o", "out.csv", "-q", folder=folder) == (0, "", "")
    assert (folder / "out.csv").read_text("utf-8").startswith(HEADER)


def _bad(folder: Path) -> None:
    lines = (folder / "rows.csv").read_text("utf-8").splitlines()
    lines[200] = lines[200].replace(",red,", ",purple,").replace(",green,", ",purple,")
    lines[200] = lines[200].replace(",=blue,", ",purple,")
    lines[250] = re.sub(r"^(house 249),[^,]*,", r"\1,many,", lines[250])
    (folder / "bad.csv").write_text("\n".join(lines) + "\n", "utf-8")


def test_a_bad_row_leaves_nothing_behind(folder: Path, table_run: Path, assert_fails: AssertFails) -> None:
    _bad(folder)
    for ending in ("csv", "parquet"):
        arguments = ["predict", str(table_run), "bad.csv", "-o", f"out.{ending}"]
        many = (
            "column 'x1', bad.csv, row 250: 'many' is not a number; correct it, or set null_values: "
            "['many'] if it marks a missing value."
        )
        purple = (
            "column 'colour', bad.csv, row 200: 'purple' is none of the categories '=blue', 'green', 'red'; "
            "set unknown: own to give such values a category of their own."
        )
        said = [
            (None, None, None, "data.inputs.numbers", many),
            (None, None, None, "data.inputs.colour", purple),
        ]
        assert_fails(folder, arguments, 3, said)
        assert_fails(folder, [*arguments, "--rows", "225"], 3, said[1:])


def test_mistakes(folder: Path, table_run: Path, assert_fails: AssertFails) -> None:
    run, out = str(table_run), ["-o", "out.csv"]
    columns = "Columns: name, x1."
    (folder / "few.csv").write_text("name,x1\na,1\n", "utf-8")
    lines = [f"no column named '{name}'. {columns}" for name in ("x2", "colour", "words")]
    cases: list[tuple[list[str], int, list[tuple[str | None, str]]]] = [
        ([run, "few.csv", *out], 3, [("few.csv", sentence) for sentence in lines]),
        ([run, "gone.csv", *out], 3, [("gone.csv", "no such file")]),
        ([run, ".", *out], 2, [(None, "'.' is a folder; name a file in it.")]),
        (["gone", "rows.csv", *out], 2, [(None, "no run named 'gone': there is no folder 'runs'.")]),
        (
            [run, "rows.csv", "-o", "rows.csv"],
            2,
            [(None, "'rows.csv' is the file that is read; name another with --out.")],
        ),
        (
            [run, "rows.csv", "-o", "out.xlsx"],
            2,
            [
                (
                    None,
                    "'out.xlsx' does not end in a format's name; say it by --format: csv, tsv, jsonl, "
                    "parquet.",
                )
            ],
        ),
        (
            [run, "rows.csv", *out, "--input-format", "excel"],
            2,
            [
                (
                    None,
                    "--input-format: no format named 'excel'. Formats: csv, tsv, jsonl, parquet.",
                )
            ],
        ),
        (
            [run, "rows.csv", *out, "--device", "gpu"],
            2,
            [(None, "no device named 'gpu'. Devices: auto, cpu, cuda, cuda:N.")],
        ),
        (
            [run, "rows.csv", "-o", "gone/out.csv"],
            6,
            [(None, "cannot write 'gone/out.csv': its folder does not exist (any more).")],
        ),
    ]
    for arguments, code, said in cases:
        messages = [(file, None, None, None, sentence) for file, sentence in said]
        assert_fails(folder, ["predict", *arguments], code, messages)


def test_a_document_needs_a_file_for_the_predictions(mlx: Mlx, folder: Path, table_run: Path) -> None:
    code, out, err = mlx("predict", str(table_run), "rows.csv", "--json", folder=folder)
    sentence = "--json needs --out: without it the predictions go to standard output."
    assert (code, err) == (2, f"mlx: {sentence}\n")
    assert json.loads(out)["error"]["messages"][0]["message"] == sentence


def test_nothing_is_printed_before_a_row_is_read(mlx: Mlx, folder: Path, table_run: Path) -> None:
    """No header of a table that is none."""
    _bad(folder)
    assert mlx("predict", str(table_run), "bad.csv", folder=folder)[:2] == (3, "")


def test_images_in_an_array(mlx: Mlx, tiny: str, tmp_path: Path) -> None:
    (tmp_path / "tiny.yaml").write_text(tiny, "utf-8")
    mlx("train", "tiny.yaml", "-q", folder=tmp_path)
    np.savez(tmp_path / "new.npz", image=np.zeros((3, 784), dtype=np.uint8))
    code, out, _ = mlx("predict", "latest", "new.npz", "-q", folder=tmp_path)
    assert code == 0
    lines = out.splitlines()
    assert lines[0].startswith("row,scores/even,scores/even/is,")
    assert [line.partition(",")[0] for line in lines] == ["row", "1", "2", "3"]
    code, out, err = mlx("predict", "latest", "tiny.yaml", folder=tmp_path)
    assert (code, out) == (2, "")
    assert err == (
        "mlx: 'tiny.yaml' cannot be predicted by a run of source 'mnist'; give an .npz file with the arrays "
        "image.\n"
    )


def _shell(line: str, folder: Path, environment: dict[str, str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["bash", "-c", f"set -o pipefail; {line}"],
        cwd=folder,
        env={**environment, "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )


def test_pipes(folder: Path, table_run: Path, clean_environment: dict[str, str]) -> None:
    predict = f"{' '.join(COMMAND)} {table_run}"
    whole = _shell(f"cat rows.csv | {predict} - --quiet", folder, clean_environment)
    assert (whole.returncode, whole.stderr) == (0, "")
    assert whole.stdout.splitlines()[0] == HEADER
    assert len(whole.stdout.splitlines()) == 301
    lines = _shell(f"cat rows.csv | {predict} - -q --format jsonl | tail -1", folder, clean_environment)
    assert json.loads(lines.stdout)["name"] == "house 299"
    pl.read_csv(folder / "rows.csv").write_parquet(folder / "rows.parquet")
    columnar = _shell(f"{predict} - -q --input-format parquet < rows.parquet", folder, clean_environment)
    assert columnar.stdout == whole.stdout


def test_a_reader_that_has_enough_ends_it_without_a_word(
    folder: Path, table_run: Path, clean_environment: dict[str, str]
) -> None:
    """Its input does not end: only the closed pipe can end it."""
    header, row = (folder / "rows.csv").read_text("utf-8").splitlines()[:2]
    endless = f"(echo '{header}'; yes '{row}')"
    predict = f"{' '.join(COMMAND)} {table_run} -"
    # Not pipefail: `yes` itself dies of the closed pipe.
    ended = _shell(
        f"set +o pipefail; {endless} | {predict} | head -1; echo ${{PIPESTATUS[1]}}",
        folder,
        clean_environment,
    )
    assert ended.stdout == f"{HEADER}\n141\n"
    assert ended.stderr == ""


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no device that is full")
def test_a_full_disk_behind_standard_output(
    folder: Path, table_run: Path, clean_environment: dict[str, str]
) -> None:
    ended = _shell(f"{' '.join(COMMAND)} {table_run} rows.csv > /dev/full", folder, clean_environment)
    assert ended.returncode == 6
    assert ended.stderr == (
        "mlx: cannot write 'standard output': no space is left on the disk; free some, or choose another "
        "folder.\n"
    )


@pytest.mark.slow
def test_a_hundred_thousand_rows_take_little_memory(
    folder: Path, table_run: Path, clean_environment: dict[str, str]
) -> None:
    """Beyond what importing torch takes; the rows in memory as text alone are more than 100 MB."""
    lines = (folder / "rows.csv").read_text("utf-8").splitlines(keepends=True)
    with (folder / "many.csv").open("w", encoding="utf-8") as file:
        file.writelines([lines[0], *(lines[1:] * 334)])
    environment = {**clean_environment, "OMP_NUM_THREADS": "1"}
    base = _peak_bytes([sys.executable, "-c", "import torch"], folder, environment)
    for out in ("out.csv", "out.parquet"):
        command = [*COMMAND, str(table_run), "many.csv", "-o", out, "--quiet"]
        assert _peak_bytes(command, folder, environment) - base < 300e6
    assert pl.scan_parquet(folder / "out.parquet").select(pl.len()).collect().item() == 300 * 334
    names = pl.read_parquet(folder / "out.parquet", columns=["name"])["name"]
    assert names.to_list() == [line.split(",")[0] for line in lines[1:]] * 334


_LAUNCHER = """
import os, sys
child = os.posix_spawn(sys.argv[1], sys.argv[1:], os.environ)
_, status, usage = os.wait4(child, 0)
print(usage.ru_maxrss)
sys.exit(os.waitstatus_to_exitcode(status))
"""
"""A process's peak is at least the memory of the one that started it, so that one has to be small."""


def _peak_bytes(command: list[str], folder: Path, environment: dict[str, str]) -> int:
    launched = [sys.executable, "-S", "-c", _LAUNCHER, *command]
    ended = subprocess.run(launched, cwd=folder, env=environment, capture_output=True, text=True, check=True)
    return int(ended.stdout) * (1 if sys.platform == "darwin" else 1024)
