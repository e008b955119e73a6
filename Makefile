# Everything happens in .venv/ and .demo/ inside this checkout; each target makes what it needs first.

VENV ?= .venv
# The exact versions that everything is tested with; a name==version list and nothing else.
CONSTRAINTS ?= constraints/airflow-3.3.txt
# `make env PYTHON=python3.12` chooses one; otherwise the first of these that is 3.11 or newer.
PYTHON ?=
PYTHONS := $(or $(PYTHON),python3 python3.12 python3.11 python3.13)

BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
FIND_PYTHON = for p in $(PYTHONS); do \
	if "$$p" -c 'import ensurepip, sys, venv; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then echo "$$p"; exit; fi; done

# What the sandbox says when the job fails: make demo FAIL="[40000020]: Rate plan is not effective"
export FAIL

.PHONY: help env demo demo-ui test check format clean build

help:
	@echo 'make env      .venv with Airflow and all tools, from nothing but python3 and pip'
	@echo 'make demo     one order on a real Airflow, submitted, deferred, completed (FAIL="..." fails it)'
	@echo 'make demo-ui  the same, and the web page stays until Ctrl-C'
	@echo 'make check    format, lint, types, the layer law'
	@echo 'make test     every test, and the coverage that they reach'
	@echo 'make format   let ruff write'
	@echo 'make build    the wheel and the source archive, in dist/'
	@echo 'make clean    remove what the others made'

env: $(STAMP)

$(STAMP): pyproject.toml $(CONSTRAINTS)
	@python="$$($(FIND_PYTHON))"; \
	if [ -z "$$python" ]; then \
		echo 'make: this needs a Python of 3.11 or newer, with its venv module; looked for: $(PYTHONS)' >&2; \
		echo 'make: name yours with PYTHON=, as in: make $(or $(MAKECMDGOALS),env) PYTHON=/path/to/python3.12' >&2; \
		exit 1; \
	fi; \
	echo "Making $(VENV) with $$python: about a minute"; \
	rm -f $@; \
	$(BIN)/python -c '' 2>/dev/null || "$$python" -m venv --clear $(VENV)
	$(BIN)/python -m pip install --quiet --no-cache-dir --disable-pip-version-check \
		--constraint $(CONSTRAINTS) --editable '.[dev]'
	@touch $@

demo: env
	@$(BIN)/python -m demo

demo-ui: env
	@$(BIN)/python -m demo --stay

check: env
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/python -m pytest -q tests/test_layers.py

test: env
	@rm -f .coverage .coverage.*
	$(BIN)/python -m coverage run -m pytest
	@$(BIN)/python -m coverage combine --quiet
	@echo 'Coverage of core/, of which nothing may be missing:'
	@$(BIN)/python -m coverage report --include='airflow_provider_zuora/core/*' --fail-under=100
	@echo 'Coverage of the package:'
	@$(BIN)/python -m coverage report --fail-under=95

format: env
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

build: env
	$(BIN)/python -m build --outdir dist .

clean:
	rm -rf $(VENV) .demo dist build htmlcov .coverage .coverage.* .hypothesis .mypy_cache .pytest_cache .ruff_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
