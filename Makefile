# Everything happens in .venv/, .venv-2.11/, .demo/ and .cluster/ inside this checkout; each target makes what it needs first.

VENV ?= .venv
# The exact versions that everything is tested with; a name==version list and nothing else.
CONSTRAINTS ?= constraints/airflow-3.3.txt
# `make env PYTHON=python3.12` chooses one; otherwise the first of these that is 3.11 or newer.
PYTHON ?=
PYTHONS = $(or $(PYTHON),$(NAMED_PYTHON),python3 python3.12 python3.11 python3.13)
# For a place whose name ends with one, as -py3.13; pyenv's, where there is no command of that name.
NAMED_PYTHON = $(foreach name,$(word 2,$(subst -py, ,$*)),python$(name) $(wildcard $(HOME)/.pyenv/versions/$(name).*/bin/python))

# Each other Airflow has a place and constraints of its own: .venv-3.1 and constraints/airflow-3.1.txt. In the one called
# lowest all that we depend on is as old as pyproject.toml allows. `.venv-3.1-py3.13` is the same on another Python.
# They are found by pattern: lowest, 2.11, 3.0, 3.1, 3.2, 3.3.
VENV_2_11 := .venv-2.11
# What differs between Airflow 2 and 3 is what Airflow calls: these tests run on both.
ON_2_11 := $(addprefix tests/airflow_context/test_,last_poll.py lineage.py metrics.py receipts.py task.py) tests/test_links.py tests/test_controls_page.py tests/test_version_compat.py \
	$(addprefix tests/hooks/test_,$(addsuffix .py,billing config connection connection_check connection_fields read_only zuora)) \
	$(addprefix tests/operators/test_,$(addsuffix .py,billing create_order create_orders elastic_path order_input pauses)) \
	tests/sensors tests/triggers/test_jobs.py tests/test_examples.py tests/test_testing_page.py tests/scenarios/test_exactly_once.py tests/scenarios/test_pipeline.py

# What `make test-on-3.1` leaves out: real Airflows, what needs the tools of .venv, and what is about the checkout itself.
NOT_ON_OTHERS = $(ON_AIRFLOW) $(EXPLORER) $(QUICK_START) tests/benchmarks tests/hooks/test_stores.py tests/sandbox/test_pytest_runs.py \
	tests/sandbox/test_sdk.py $(addprefix tests/test_,$(addsuffix .py,metadata release site support_page wheel))

# The benchmarks too: they need the providers that we are compared with.
VENV_BENCH := .venv-bench
CONSTRAINTS_BENCH := constraints/bench.txt
# `make bench QUICK=1` and `make cluster-test QUICK=1` are the short versions.
QUICK ?=
# A distributed Airflow needs drivers of PostgreSQL and Redis, and the Celery executor.
VENV_CLUSTER := .venv-cluster
CONSTRAINTS_CLUSTER := constraints/cluster.txt
CLUSTER_PACKAGES := $(addprefix apache-airflow-providers-,celery postgres) asyncpg psycopg2-binary redis
# How long `make soak` watches one triggerer; `make soak MINUTES=1` tries it.
MINUTES ?= 30
WRITE ?=
# What a release is checked with. `make release-check TAG=v1.2.3` is the check of that tag.
VENV_RELEASE := .venv-release
CONSTRAINTS_RELEASE := constraints/release.txt
RELEASE_BIN := $(VENV_RELEASE)/bin
# Airflow's database is MySQL there.
VENV_MYSQL := .venv-mysql
CONSTRAINTS_MYSQL := constraints/mysql.txt
# How often `make crash-test` crashes at each point; `make test` crashes orders twice on Airflow 3.3 and once on
# 2.11, and what else is submitted once.
CRASH_RUNS ?= 25
# The tests that start real Airflows: without coverage, which would slow all that Airflow does.
ON_AIRFLOW := tests/browser tests/crash tests/demo tests/e2e
# Installs the packages into an empty environment, and follows the README there: some minutes, so it has a target.
QUICK_START := tests/test_quick_start.py
# Goes the same ways hundreds of times: the others reach every line too, and under coverage it takes four times as long.
EXPLORER := tests/scenarios/test_explorer.py
# A lane of their own, beside the others that start no Airflow.
CORE := tests/core tests/scenarios
# The files with property tests: `make test` draws the same cases each time, `make explore` others and more.
PROPERTIES = $(shell grep -l 'import.* given' -r tests) tests/scenarios/test_random_walk.py
# Leaves out what serves an Airflow, starts interpreters or moves gigabytes: the tests to run between two changes.
SLOW := $(ON_AIRFLOW) $(EXPLORER) $(QUICK_START) tests/benchmarks tests/hooks/test_stores.py tests/sandbox/test_pytest_runs.py \
	tests/sandbox/test_sdk.py tests/session/test_host_limits.py tests/session/test_rate_limits.py tests/session/test_token_provider.py \
	tests/transports/test_download.py tests/transports/test_idle_connections.py tests/triggers/test_start_and_end.py \
	$(addprefix tests/test_,$(addsuffix .py,examples guards_page layers metadata readme site testing_page wheel))
# For how many minutes `make host-test` measures how the processes of a host keep to a rate.
HOST_MINUTES ?= 3
# How many tasks `make host-test` maps on one Airflow; `make test` maps 20.
MAPPED_TASKS ?= 500

BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
STAMP_BENCH := $(VENV_BENCH)/.installed
STAMP_CLUSTER := $(VENV_CLUSTER)/.installed
STAMP_RELEASE := $(VENV_RELEASE)/.installed
STAMP_MYSQL := $(VENV_MYSQL)/.installed
# The provider and the sandbox are two distributions; every environment has both.
PROJECTS := pyproject.toml sandbox/pyproject.toml
FIND_PYTHON = for p in $(PYTHONS); do \
	if "$$p" -c 'import ensurepip, sys, venv; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then echo "$$p"; exit; fi; done

# What the sandbox says when the job fails: make demo FAIL="[40000020]: Rate plan is not effective"
export FAIL

.PHONY: help env demo demo-pipeline demo-query demo-month-end demo-ui test test-fast test-alone test-core test-on-airflow test-crashes test-calls-of-2.11 test-examples-on-2.11 matrix test-explorer test-browser test-quick-start screenshots crash-test host-test mysql-test env-cluster cluster-test explore env-bench bench bench-docs check docs format clean build env-release lint-workflows release-check soak

help:
	@echo 'make env         .venv with Airflow and all tools, from nothing but python3 and pip'
	@echo 'make env-2.11    .venv-2.11 with Airflow 2.11 and both packages; so 3.0, 3.1, 3.2, lowest'
	@echo 'make demo        one order on a real Airflow, submitted, deferred, completed (FAIL="..." fails it)'
	@echo 'make demo-pipeline  a day of orders from Elastic Path to Zuora, twice'
	@echo 'make demo-query  a day of invoices from Zuora to a file, by Data Query'
	@echo 'make demo-month-end  a month is billed and collected; one that comes to too much is not collected'
	@echo 'make demo-ui     the same, and the web page stays until Ctrl-C'
	@echo 'make check       format, lint, types, the layer law, the docs'
	@echo 'make docs        the site of the docs, in site/: open site/index.html'
	@echo 'make test        every test, and the coverage that they reach'
	@echo 'make test-fast   those that serve no Airflow and start no interpreters: under two minutes'
	@echo 'make test-browser  the web page of a real Airflow, in a headless Chromium: two minutes'
	@echo 'make screenshots  the pictures of that page, in docs/images/'
	@echo 'make test-quick-start  the README, followed in an empty environment: five minutes'
	@echo 'make test-on-3.1 all tests that need no real Airflow, on Airflow 3.1; so 2.11, 3.0, 3.2, 3.3, lowest'
	@echo 'make matrix      these and the examples on a real Airflow, on each Airflow and Python, into docs/support.md: hours'
	@echo 'make crash-test  a task that submits is killed and retried, $(CRASH_RUNS) times at each point (CRASH_RUNS=...)'
	@echo 'make mysql-test  lists of 2,000 where Airflow keeps its records in a MariaDB: four minutes'
	@echo 'make cluster-test  a distributed Airflow, killed and cut off in the middle: a quarter of an hour (QUICK=1: five minutes)'
	@echo 'make host-test   $(MAPPED_TASKS) mapped tasks on one host sign in once, 16 processes keep to a rate: twenty minutes (MAPPED_TASKS=...)'
	@echo 'make explore     every interleaving of two tries that overlap, and property tests with fresh seeds: an hour or more'
	@echo 'make bench       side by side with the alternatives: 70 minutes (QUICK=1: seven)'
	@echo 'make bench-docs  the same, and the tables and pictures in docs/'
	@echo 'make soak        one triggerer with 1,000 waits for half an hour (MINUTES=1 tries it)'
	@echo 'make format      let ruff write'
	@echo 'make build       the wheels and the source archives of both distributions, in dist/'
	@echo 'make lint-workflows  what GitHub reads: workflows, issue forms, dependabot'
	@echo 'make release-check   the same, then builds and checks what a release uploads: a quarter of an hour (TAG=v1.2.3)'
	@echo 'make clean       remove what the others made'

env: $(STAMP)

env-%: .venv-%/.installed ;

env-bench: $(STAMP_BENCH)

env-cluster: $(STAMP_CLUSTER)

env-release: $(STAMP_RELEASE)

# What all environments do: find a Python, make the venv $(1), install the sandbox and $(3) under the constraints $(2).
define MAKE_VENV
@python="$$($(FIND_PYTHON))"; \
	if [ -z "$$python" ]; then \
		echo 'make: this needs a Python of 3.11 or newer, with its venv module; looked for: $(PYTHONS)' >&2; \
		echo 'make: name yours with PYTHON=, as in: make $(or $(MAKECMDGOALS),env) PYTHON=/path/to/python3.12' >&2; \
		exit 1; \
	fi; \
	echo "Making $(1) with $$python: about a minute"; \
	rm -f $@; \
	$(1)/bin/python -c '' 2>/dev/null || "$$python" -m venv --clear $(1)
$(1)/bin/python -m pip install --quiet --no-cache-dir --disable-pip-version-check --constraint $(2) --editable sandbox --editable $(3)
@touch $@
endef

$(STAMP): $(PROJECTS) $(CONSTRAINTS)
	$(call MAKE_VENV,$(VENV),$(CONSTRAINTS),'.[dev]')

# OpenLineage's provider asks for a newer common-compat than the lowest that we take.
TESTED_WITH = hypothesis pytest pytest-timeout statsd $(if $(filter lowest%,$*),,apache-airflow-providers-openlineage)

.PRECIOUS: .venv-%/.installed
.SECONDEXPANSION:
.venv-%/.installed: $(PROJECTS) constraints/airflow-$$(firstword $$(subst -py, ,$$*)).txt
	$(call MAKE_VENV,.venv-$*,constraints/airflow-$(firstword $(subst -py, ,$*)).txt,. $(TESTED_WITH))

$(STAMP_BENCH): $(PROJECTS) $(CONSTRAINTS) $(CONSTRAINTS_BENCH)
	$(call MAKE_VENV,$(VENV_BENCH),$(CONSTRAINTS) --constraint $(CONSTRAINTS_BENCH),'.[bench]')

# The driver is built from its source: apt-get install mariadb-server libmariadb-dev pkg-config gcc python3-dev
$(STAMP_MYSQL): $(PROJECTS) $(CONSTRAINTS) $(CONSTRAINTS_MYSQL)
	$(call MAKE_VENV,$(VENV_MYSQL),$(CONSTRAINTS) --constraint $(CONSTRAINTS_MYSQL),. aiomysql mysqlclient)

$(STAMP_CLUSTER): $(PROJECTS) $(CONSTRAINTS) $(CONSTRAINTS_CLUSTER)
	$(call MAKE_VENV,$(VENV_CLUSTER),$(CONSTRAINTS) --constraint $(CONSTRAINTS_CLUSTER),. $(CLUSTER_PACKAGES))

$(STAMP_RELEASE): $(PROJECTS) $(CONSTRAINTS) $(CONSTRAINTS_RELEASE)
	$(call MAKE_VENV,$(VENV_RELEASE),$(CONSTRAINTS) --constraint $(CONSTRAINTS_RELEASE),'.[release]')

demo: env
	@$(BIN)/python -m demo

demo-pipeline: env
	@$(BIN)/python -m demo --pipeline --place .demo/pipeline

demo-query: env
	@$(BIN)/python -m demo --query --place .demo/query

demo-month-end: env
	@$(BIN)/python -m demo --month-end --place .demo/month-end

demo-ui: env
	@$(BIN)/python -m demo --stay

check: env
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	@$(MAKE) --no-print-directory docs

# A warning fails it: a link that leads nowhere, a page that no menu has, an option that no signature has.
docs: env
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict

# Three at once, for two cores, the longest first: the tests on real Airflows mostly wait.
test: env env-2.11
	@rm -f .coverage .coverage.*
	@$(MAKE) --no-print-directory --jobs 3 test-on-airflow test-alone test-core test-crashes test-examples-on-2.11 test-calls-of-2.11 test-explorer
	@$(BIN)/python -m coverage combine --quiet
	@echo 'Coverage of core/, of which nothing may be missing:'
	@$(BIN)/python -m coverage report --include='airflow_provider_zuora/core/*' --fail-under=100
	@echo 'Coverage of the provider and the sandbox:'
	@$(BIN)/python -m coverage report --fail-under=95

test-alone: env
	$(BIN)/python -m coverage run -m pytest $(addprefix --ignore ,$(ON_AIRFLOW) $(CORE) $(QUICK_START))

test-core: env
	$(BIN)/python -m coverage run -m pytest -p no:cacheprovider $(CORE) --ignore $(EXPLORER)

test-on-airflow: env env-2.11
	$(BIN)/python -m pytest -p no:cacheprovider $(filter-out tests/crash,$(ON_AIRFLOW))

test-crashes: env env-2.11
	$(BIN)/python -m pytest -p no:cacheprovider tests/crash

# What differs, for `make test`; all of it is test-on-2.11.
test-calls-of-2.11: env-2.11
	$(VENV_2_11)/bin/python -m pytest -p no:cacheprovider $(ON_2_11)

test-examples-on-2.11: env env-2.11
	MATRIX_PYTHON=$(abspath $(VENV_2_11)/bin/python) $(BIN)/python -m pytest -p no:cacheprovider tests/matrix

test-on-%: .venv-%/.installed
	.venv-$*/bin/python -m pytest -q -p no:cacheprovider $(addprefix --ignore ,$(NOT_ON_OTHERS)) $(REPORT:%=--junit-xml=%)

# Not part of `make test`: a quarter of an hour for each of the rows. `make matrix ROWS="3.1-py3.11 3.2-py3.12"`.
matrix: env
	$(BIN)/python -m tests.matrix $(ROWS)

test-fast: env
	$(BIN)/python -m pytest -q $(addprefix --ignore ,$(SLOW))

# `make test` runs it too, and says what it leaves out if no browser is found.
test-browser: env
	NEEDS_BROWSER=1 $(BIN)/python -m pytest -p no:cacheprovider tests/browser

# With Debian's fonts-liberation, as the pictures that are there.
screenshots: env
	@$(BIN)/python -m demo.pictures

test-quick-start: env
	$(BIN)/python -m pytest -p no:cacheprovider $(QUICK_START)

test-explorer: env
	$(BIN)/python -m pytest -p no:cacheprovider $(EXPLORER)

cluster-test: env-cluster
	@$(VENV_CLUSTER)/bin/python -m tests.cluster $(if $(QUICK),--quick)

explore: env
	EXPLORE=1 $(BIN)/python -m pytest -q --timeout 1200 -p no:cacheprovider $(PROPERTIES)
	EXPLORER=all $(BIN)/python -m pytest -q --timeout 1200 $(EXPLORER)

crash-test: env env-2.11
	CRASH_RUNS_33=$(CRASH_RUNS) CRASH_RUNS_211=$(CRASH_RUNS) $(BIN)/python -m pytest tests/crash

host-test: env
	MAPPED_TASKS=$(MAPPED_TASKS) $(BIN)/python -m pytest -s tests/e2e/test_host.py
	HOST_MINUTES=$(HOST_MINUTES) $(BIN)/python -m pytest -s tests/session/test_host_limits.py -k sixteen

mysql-test: env $(STAMP_MYSQL)
	MYSQL_PYTHON=$(abspath $(VENV_MYSQL)/bin/python) $(BIN)/python -m pytest -p no:cacheprovider tests/mysql

bench: env-bench
	$(VENV_BENCH)/bin/python -m benchmarks $(if $(QUICK),--quick)

bench-docs: env-bench
	$(VENV_BENCH)/bin/python -m benchmarks --write

# With 1,000 waits; WRITE=1 writes docs/soak.md too.
soak: env
	$(BIN)/python -m benchmarks.soak --minutes $(MINUTES) $(if $(WRITE),--write)

format: env
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

build: env
	$(BIN)/python -m build --outdir dist .
	$(BIN)/python -m build --outdir dist sandbox

# Offline: the same verdict everywhere, and no token is needed.
lint-workflows: env-release
	$(RELEASE_BIN)/actionlint
	$(RELEASE_BIN)/zizmor --offline --pedantic --strict-collection --quiet .
	$(RELEASE_BIN)/check-jsonschema --builtin-schema vendor.github-workflows .github/workflows/*.yml
	$(RELEASE_BIN)/check-jsonschema --builtin-schema vendor.dependabot .github/dependabot.yml
	$(RELEASE_BIN)/check-jsonschema --builtin-schema vendor.github-issue-forms .github/ISSUE_TEMPLATE/[!c]*.yml
	$(RELEASE_BIN)/check-jsonschema --builtin-schema vendor.github-issue-config .github/ISSUE_TEMPLATE/config.yml

# It reads TAG from its environment, where no shell expands it.
release-check: lint-workflows
	$(RELEASE_BIN)/python -m release

clean:
	rm -rf $(VENV) $(wildcard .venv-*) .cluster .demo dist build site htmlcov .coverage .coverage.* .hypothesis .mypy_cache .pytest_cache .ruff_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
