# Each target does its own set-up: a virtual environment in .venv with the package in it.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
COVERED := tests/base tests/machine tests/mm tests/plugins tests/reports tests/run tests/table tests/explore/test_learn.py \
	tests/explore/test_freeze.py tests/cost/test_accountant.py tests/cost/test_prices.py tests/memory_model tests/tree tests/truth/litmus

.PHONY: compare compare-all test slow browser reliability coverage lint docs clean

compare: $(VENV)/run-installed
	$(BIN)/python -m core.compare

compare-all: $(VENV)/run-installed
	$(BIN)/python -m core.compare --config arches-all.toml --all

test: lint
	$(BIN)/python -m pytest -q -n auto -m "not slow and not browser and not fuzz and not faults"

# What takes longer than a few seconds: every row in every scenario, the larger models, the wheel in environments of its own.
slow: $(VENV)/dev-installed
	$(BIN)/python -m pytest -q -n auto -m "slow and not browser and not fuzz and not faults"

# The page of `run --format html` in Chromium (Debian: chromium), which the tests skip where there is none.
browser: $(VENV)/dev-installed
	$(BIN)/python -m pip install -q -e '.[browser]'
	$(BIN)/python -m pytest -q -m browser

# Damaged files, hostile plugins, kills: minutes, and rarely of use while one works. docs/reliability.md has larger numbers.
reliability: $(VENV)/dev-installed
	$(BIN)/python -m pytest -q -n auto -m "fuzz or faults"

# Tracing makes Python 3.11 two and a half times as slow, so only the tests in COVERED are traced, without the slow ones.
coverage: $(VENV)/dev-installed
	$(BIN)/python -m pytest -q -n auto -m "not slow and not browser" --cov --cov-report=term $(COVERED)

lint: $(VENV)/dev-installed
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

# The pages that are made from the code, every output that README and docs show, and pictures; tests compare them.
docs: $(VENV)/dev-installed
	$(BIN)/python -m core.compare reference hooks > docs/hooks.md
	$(BIN)/python -m core.compare reference scenarios > docs/scenarios.md
	$(BIN)/python -m core.compare reference words > docs/words.md
	$(BIN)/python -m core.compare reference scenario-words > docs/scenario-words.md
	$(BIN)/python -m tests.scenario_index
	$(BIN)/python -m tests.shown

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
