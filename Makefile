# Every target makes .venv when it is missing and does its whole job on a machine with python3.
PYTHON ?= python3
BIN := .venv/bin

.PHONY: train test parity faults lint bench

train: .venv/installed
	$(BIN)/mlx train configs/multilabel_mnist.yaml

test: .venv/installed-dev
	OMP_NUM_THREADS=1 $(BIN)/pytest -n 2 --dist worksteal

# The tests against Keras that take too long for every change: all of tests/parity, at full size too.
parity: .venv/installed-dev
	$(BIN)/pytest -m "parity or not parity" tests/parity

# The tests of faults and of hostile files in full: hundreds of processes killed, disks filled, files damaged.
faults: .venv/installed-dev
	OMP_NUM_THREADS=1 MLX_FUZZ_EXAMPLES=10000 $(BIN)/pytest -n 2 --dist worksteal \
		-m "faults or not faults" tests/faults tests/security

lint: .venv/installed-dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/lint-imports
	$(BIN)/pyright

# Every peer that is installed beside mlx, in turn: most of an hour of an otherwise idle machine.
bench: .venv/installed-bench
	$(BIN)/python bench/run.py

.venv/bin/python:
	$(PYTHON) -m venv .venv

.venv/installed: pyproject.toml | .venv/bin/python
	$(BIN)/python -m pip install --quiet --editable .
	touch $@

.venv/installed-dev: pyproject.toml | .venv/bin/python
	$(BIN)/python -m pip install --quiet --editable ".[dev]"
	touch .venv/installed $@

.venv/installed-bench: pyproject.toml | .venv/bin/python
	$(BIN)/python -m pip install --quiet --editable ".[bench]"
	touch .venv/installed $@
