# Thin: each target is one or two commands. `make demo` and `make test` are all a newcomer needs.
SHELL := bash
.SHELLFLAGS := -eu -o pipefail -c
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
export PIP_DISABLE_PIP_VERSION_CHECK := 1

.PHONY: up demo test check bench chaos test-deps clean

up: $(STAMP)
	@exec $(BIN)/dataops up

demo: $(STAMP)
	@exec $(BIN)/dataops up --demo $(if $(ONCE),--once)

test: $(STAMP)
	$(BIN)/python -m pytest -n $(or $(JOBS),2) --dist loadfile

check: $(STAMP)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python -m pytest -q tests/catalogue/test_migrations.py

bench: $(STAMP)
	$(BIN)/python -m benchmarks

# Kills processes at random while N requests are made; status 1 when a promise was broken.
chaos: $(STAMP)
	$(BIN)/python -m tests.chaos --requests $(or $(N),200)

# Debian packages that tests of the user interface, of clocks, of file shares, of MySQL and of workbooks need; as root.
test-deps:
	apt-get update -qq
	DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends chromium faketime samba mariadb-server libreoffice-calc poppler-utils >/dev/null

clean:
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .import_linter_cache *.egg-info

$(STAMP): pyproject.toml constraints.txt
	@echo "Installing into $(VENV) (a minute or two the first time), a dot for each step:"
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip install --progress-bar off -c constraints.txt -e '.[dev]' | awk '{ printf "."; fflush() } END { print "" }'
	@touch $@
