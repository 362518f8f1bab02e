# Each target does its own set-up: a virtual environment in .venv with the package in it.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin

.PHONY: compare compare-all test lint clean

compare: $(VENV)/run-installed
	$(BIN)/python -m core.compare

compare-all: $(VENV)/run-installed
	$(BIN)/python -m core.compare --config arches-all.toml --all

test: lint
	$(BIN)/python -m pytest -q -n auto

lint: $(VENV)/dev-installed
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

$(VENV)/bin/python:
	$(PYTHON) -m venv $(VENV)

$(VENV)/run-installed: pyproject.toml | $(VENV)/bin/python
	$(BIN)/python -m pip install -q -e '.[fast]'
	touch $@

$(VENV)/dev-installed: pyproject.toml | $(VENV)/bin/python
	$(BIN)/python -m pip install -q -e '.[dev]'
	touch $@ $(VENV)/run-installed

clean:
	rm -rf $(VENV) build *.egg-info reports/out
