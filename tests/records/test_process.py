"""A live process is told from an ended one, and from another that got its number."""

from __future__ import annotations

import subprocess
import sys
import time

from mlx_runner.records.process import describe_process, is_alive


def test_this_process_lives() -> None:
    assert is_alive(describe_process(), last_change=0.0)


def test_an_ended_process_does_not() -> None:
    child = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    identity = {**describe_process(), "pid": child.pid, "started": None}
    assert is_alive(identity, last_change=0.0)
    child.communicate(b"\n")
    assert not is_alive(identity, last_change=time.time())


def test_a_later_process_of_the_same_number_is_another() -> None:
    assert not is_alive({**describe_process(), "started": 1}, last_change=time.time())


def test_a_process_elsewhere_counts_by_the_last_change() -> None:
    elsewhere = {**describe_process(), "host": "elsewhere"}
    assert is_alive(elsewhere, last_change=time.time() - 60)
    assert not is_alive(elsewhere, last_change=time.time() - 7200)


def test_a_damaged_description_is_no_process() -> None:
    assert not is_alive({"host": describe_process()["host"], "pid": "1"}, last_change=time.time())
