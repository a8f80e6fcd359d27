# Each target makes its own .venv and installs what it needs.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed

.DEFAULT_GOAL := help
.PHONY: help demo test lint types check bench soak docs clean

help:  ## what there is
	@grep -E '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 12

$(STAMP): pyproject.toml
	./.ci/venv $(PYTHON) $(VENV)
	$(BIN)/python -m pip install -q --disable-pip-version-check --upgrade pip
	$(BIN)/python -m pip install -q --disable-pip-version-check --group dev -e '.[local,sqlalchemy,pandas,arrow]'
	@touch $@

demo: $(STAMP)  ## three coordinators, one killed, one hung: watch the statements go on
	$(BIN)/impala-ha demo

lint: $(STAMP)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(STAMP)
	$(BIN)/mypy

test: $(STAMP)  ## lint, type-check and test
	./.ci/debian-packages
	./.ci/test-extras $(BIN)/python
	$(MAKE) lint types
	$(BIN)/python -m pytest --cov --cov-report=term:skip-covered

soak: $(STAMP)  ## random faults for half an hour, rolling restarts, a cut at every byte: an hour
	SOAK_SECONDS=1800 SOAK_SEED=$${SOAK_SEED:-$$(date +%s)} \
		$(BIN)/python -m pytest -q tests/contract/test_state_machine.py
	SOAK_SECONDS=120 $(BIN)/python -m pytest -q tests/contract/test_rolling_restart.py
	SOAK_EVERY=1 $(BIN)/python -m pytest -q tests/contract/test_every_byte.py

bench: $(STAMP)  ## measure: ratios, taken in one run
	$(BIN)/python benchmarks/run.py

docs: $(STAMP)  ## build the documentation in site/, strictly
	$(BIN)/python -m pip install -q --disable-pip-version-check -e '.[docs]'
	$(BIN)/python docs/make_reference.py
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict --quiet

clean:  ## remove what the other targets made
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .coverage htmlcov dist site
