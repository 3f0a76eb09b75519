# Thin: each target is one or two commands. `make demo` and `make test` are all a newcomer needs; `make help` lists them.
SHELL := bash
.SHELLFLAGS := -eu -o pipefail -c
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
export PIP_DISABLE_PIP_VERSION_CHECK := 1

.DEFAULT_GOAL := help
.PHONY: help up demo test check bench chaos test-deps clean

help: ## This list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-10s %s\n", $$1, $$2 }' Makefile
	@echo "Where it listens: DATAOPS_API_PORT=8001 DATAOPS_DAGSTER_PORT=3001 make demo; README.md, 'Settings', has the rest."

up: $(STAMP) ## Start PostgreSQL, Dagster and the REST API, and stay until Ctrl-C
	@exec $(BIN)/dataops up

demo: $(STAMP) ## The same, and load and run the demo; ONCE=1 leaves after its numbers
	@exec $(BIN)/dataops up --demo $(if $(ONCE),--once)

test: $(STAMP) ## All tests against real servers; JOBS=2 at a time instead of 3
	$(BIN)/python -m pytest -n $(or $(JOBS),3)

check: $(STAMP) ## Style, types, imports, migrations
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python -m pytest -q tests/catalogue/test_migrations.py

bench: $(STAMP) ## Workloads beside their peers
	$(BIN)/python -m benchmarks

chaos: $(STAMP) ## Kill processes at random while N=200 requests are made; fails when a promise is broken
	$(BIN)/python -m tests.chaos --requests $(or $(N),200)

test-deps: ## As root: Debian packages that some tests need, for browser, clocks, shares, MySQL and workbooks
	apt-get update -qq
	DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends chromium faketime samba mariadb-server libreoffice-calc poppler-utils >/dev/null

clean: ## Remove the virtual environment and caches; data in .dataops stays
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .import_linter_cache *.egg-info

$(STAMP): pyproject.toml constraints.txt
	@echo "Installing into $(VENV) (a minute or two the first time), a dot for each step:"
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip install --progress-bar off -c constraints.txt -e '.[dev]' | awk '{ printf "."; fflush() } END { print "" }'
	@touch $@
