"""What a step frees is there for the next one, while training and where there is room."""

from __future__ import annotations

import ctypes
import resource
import subprocess
import sys
from dataclasses import replace

import pytest
import torch
from mlx_runner.specs.load import load_experiment
from mlx_runner.training.blueprint import draw_blueprint
from mlx_runner.training.memory import measure_load

# A process of its own: what other tests have freed would serve as well.
FAULTS = """
import resource, torch
from mlx_runner.training.devices import keeping_freed_memory

def count_page_faults():
    for _ in range(3):
        torch.ones(2**24)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    for _ in range(20):
        torch.ones(2**24)
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before

before = count_page_faults()
with keeping_freed_memory():
    print(before, count_page_faults())
"""
PAGES = 20 * 2**26 // resource.getpagesize()
"""How many pages twenty blocks of 64 MiB have."""


@pytest.mark.skipif(not hasattr(ctypes.CDLL(None), "mallopt"), reason="needs glibc")
def test_freed_blocks_are_kept() -> None:
    ended = subprocess.run([sys.executable, "-c", FAULTS], capture_output=True, text=True, check=True)
    before, inside = map(int, ended.stdout.split())
    assert before > PAGES / 10
    assert inside < PAGES / 100


@pytest.mark.parametrize(("budget", "is_light"), [(None, False), (10**6, False), (10**10, True)])
def test_only_where_there_is_room(budget: int | None, is_light: bool) -> None:
    experiment = load_experiment("autoencoder")
    network = draw_blueprint(experiment).network
    load = measure_load(experiment, network, members=1, device=torch.device("cpu"))
    assert replace(load, budget_bytes=budget).is_light is is_light
