# What one types first. Everything happens in .venv, which is made when it is needed.
PYTHON ?= python3
BIN := .venv/bin
unexport PYTHONDONTWRITEBYTECODE         # or each of a hundred processes compiles every module

.PHONY: boot test lint bench clean

boot: $(BIN)/trapline          ## boot the default image: two programs take turns, a third faults
	$(BIN)/trapline boot

test: $(BIN)/trapline          ## run the tests on every core
	$(BIN)/python -m pytest -q -n auto

lint: $(BIN)/trapline          ## check style and types
	$(BIN)/ruff check .
	$(BIN)/mypy

bench: $(BIN)/trapline         ## measure the machine's own speed
	$(BIN)/trapline bench

clean:                         ## remove what was made here
	rm -rf .venv build *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis

$(BIN)/trapline: pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Trapline needs Python 3.11 or newer: make PYTHON=python3.11")'
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --editable '.[dev]'
	@touch $@
