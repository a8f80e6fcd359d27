# Each target makes its own .venv and installs what it needs.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
TEST_PROCESSES ?= 2

.DEFAULT_GOAL := help
.PHONY: help quick demo test test-tools announcement lint types check bench soak docs dist clean
.PHONY: soak-games soak-restarts soak-bytes soak-forks

help:  ## what there is
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 16

$(STAMP): pyproject.toml
	./.ci/venv $(PYTHON) $(VENV)
	$(BIN)/python -m pip install -q --disable-pip-version-check --upgrade pip
	$(BIN)/python -m pip install -q --disable-pip-version-check --group dev -e '.[local,sqlalchemy,pandas,polars,srv,web,zookeeper,simulation,plots,opentelemetry,prometheus]'
	@touch $@

quick: $(STAMP) lint types  ## what to run after each change: a minute
	$(BIN)/python -m pytest -q -n $(TEST_PROCESSES) -m "not slow" \
		tests/unit tests/test_house.py tests/test_front_door.py

demo: $(STAMP)  ## three coordinators, one killed, one hung: watch the statements go on
	$(BIN)/impala-ha demo

lint: $(STAMP)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(STAMP)
	$(BIN)/mypy
	$(BIN)/basedpyright --pythonpath $(BIN)/python

test: announcement $(STAMP)  ## lint, type-check and test
	./.ci/debian-packages
	./.ci/test-extras $(BIN)/python
	$(MAKE) lint types
	$(BIN)/python -m pytest -n $(TEST_PROCESSES) --dist loadfile --no-loadscope-reorder \
		--cov --cov-report=term:skip-covered

test-tools:  ## dbt, ibis, Airflow and others on our connections, with one coordinator dead and one hung: 20 minutes
	./.ci/test-tools --python $(PYTHON) $(TOOLS)

announcement:
	@./.ci/announcement

# Each part of the soak prints its seed and its table, and runs alone; one that fails stops no other.
SOAK_SEED := $(or $(SOAK_SEED),$(shell date +%s))
SOAK_MINUTES ?= 30
SOAK := SOAK_SEED=$(SOAK_SEED) $(BIN)/python -m pytest -q -ra

soak: $(STAMP)  ## the four below, one after the other: 100 minutes
	$(MAKE) -k SOAK_SEED=$(SOAK_SEED) soak-games soak-restarts soak-bytes soak-forks

soak-games: $(STAMP)  ## random faults against an honest model, for SOAK_MINUTES=30
	SOAK_SECONDS=$$(($(SOAK_MINUTES) * 60)) $(SOAK) tests/contract/test_state_machine.py

soak-restarts: $(STAMP)  ## rolling restarts under fifty clients, for two minutes
	SOAK_SECONDS=120 $(SOAK) tests/contract/test_rolling_restart.py

soak-bytes: $(STAMP)  ## a cut at every byte, with and without SASL and TLS: an hour
	SOAK_EVERY=1 $(SOAK) tests/contract/test_every_byte.py

soak-forks: $(STAMP)  ## 2,000 forks under eight threads that log in by keytab: ten minutes
	SOAK_FORKS=2000 $(SOAK) -s tests/contract/test_kerberos_forks.py

bench: $(STAMP)  ## measure, for 20 minutes: ratios, taken in one run; writes docs/benchmarks.md
	$(BIN)/python benchmarks/run.py --page docs/benchmarks.md

docs: $(STAMP)  ## build the documentation in site/, strictly
	$(BIN)/python -m pip install -q --disable-pip-version-check -e '.[docs]'
	$(BIN)/python docs/make_reference.py
	$(BIN)/python docs/make_man.py
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict --quiet

dist:  ## build sdist and wheel, twice, and compare
	./.ci/dist $(PYTHON)

clean:  ## remove what the other targets made
	rm -rf $(VENV) .tools .mypy_cache .ruff_cache .pytest_cache .coverage htmlcov dist site
