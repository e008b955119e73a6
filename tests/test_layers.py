"""The laws of the rooms (who may import whom), read from the source and tried in fresh interpreters."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.airflow_versions import AIRFLOW, EXAMPLES

ROOT = Path(__file__).parent.parent
PACKAGE = "airflow_provider_zuora"


# Left imports right, and nothing else of ours. A name with a dot and a star means a whole folder.
def list_modules(code: str) -> set[str]:
    """Return the names of the modules that a fresh interpreter has loaded after some code."""
    script = f"{code}\nimport sys, json\nprint(json.dumps(sorted(sys.modules)))"
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True, cwd=ROOT
    )
    return set(json.loads(done.stdout.splitlines()[-1]))


def list_loaded(code: str) -> set[str]:
    """Return the names of the top-level ones."""
    return {name.split(".")[0] for name in list_modules(code)}


@pytest.mark.parametrize(
    "module",
    ["core", "core.http.client", "core.submission.submission", "core.vendors"],
)
def test_core_loads_neither_airflow_nor_a_transport(module):
    loaded = list_loaded(f"import {PACKAGE}.{module}")

    assert loaded & {"airflow", "requests", "aiohttp", "jsonschema"} == set()
    assert PACKAGE in loaded


def test_the_package_itself_imports_nothing():
    loaded = list_loaded(f"import {PACKAGE}")

    assert loaded - list_loaded("") == {PACKAGE}


EMPTY_DAG = "from airflow.providers.common.compat.sdk import DAG\nDAG('empty', schedule=None)"
if AIRFLOW < (3, 2):  # with a task that is none of ours: for it that Airflow imports what is heavy itself
    EMPTY_DAG = """
from airflow.providers.common.compat.sdk import DAG, task
with DAG("empty", schedule=None):
    task(task_id="t")(lambda: None)()
"""
HEAVY = {"aiohttp", "requests", "jsonschema", "zuora_sdk"}


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.name)
def test_a_dag_file_stays_cheap_to_import(path):
    empty = list_loaded(EMPTY_DAG)
    loaded = list_loaded(f"{EMPTY_DAG}\nimport runpy\nrunpy.run_path({str(path)!r})")

    assert (loaded - empty) & HEAVY == set()
    assert "aiohttp" not in loaded or AIRFLOW < (3, 2)
    assert PACKAGE in loaded or PACKAGE not in path.read_text()


def test_a_dag_of_orders_does_not_load_what_only_queries_and_runs_need():
    loaded = list_modules(f"import {PACKAGE}.operators.orders, {PACKAGE}.sensors.zuora")
    others = ("hooks.query_file", "core.submission.query", "core.polling.run_totals")
    rules = [f"core.vendors.zuora.{name}_rules" for name in ("query", "bill_run", "payment_run", "field")]
    assert loaded & {f"{PACKAGE}.{name}" for name in (*others, *rules)} == set()
