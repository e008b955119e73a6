"""
A real Airflow of the environment that MATRIX_PYTHON names, and what all example DAGs come to there.

`make matrix` runs these for each version; without that name there is nothing to run.
"""

import os
import shutil
from pathlib import Path

import pytest

from demo.airflow2 import Airflow2Stack
from demo.month_end import MonthEnd
from demo.pipeline import DAG_ID, Pipeline
from demo.query import start_run
from demo.sandbox import ServedSandbox
from demo.stack import AirflowStack
from tests.e2e.conftest import EXAMPLES, REFUSAL, Run, start

PYTHON = os.environ.get("MATRIX_PYTHON", "")
IS_AIRFLOW_2 = bool(PYTHON) and any(Path(PYTHON).parent.parent.rglob("apache_airflow-2.*.dist-info"))
collect_ignore_glob = [] if PYTHON else ["test_*.py"]

# A sensor whose job has ended when its worker first asks is not deferred; rows may run beside each other.
JOB_SECONDS = ("--job-seconds", "45")

# What Airflow has from 3.1 on alone; tests/browser runs it.
WITH_A_PERSON = "zuora_approved_orders"
TRIGGERED = (
    "zuora_order",
    "zuora_order_in_two_tasks",
    "zuora_orders_in_bulk",
    "zuora_mapped_orders",
    "zuora_orders_reconciled",
    "refused",
)


@pytest.fixture(scope="session")
def place(tmp_path_factory):
    return tmp_path_factory.mktemp("matrix")


@pytest.fixture(scope="session")
def zuora(place):
    with ServedSandbox(place / "zuora.log", *JOB_SECONDS) as sandbox:
        yield sandbox


@pytest.fixture(scope="session")
def refusing_zuora(place):
    with ServedSandbox(place / "refusing.log", *JOB_SECONDS, "--fail-jobs", REFUSAL) as sandbox:
        yield sandbox


@pytest.fixture(scope="session")
def airflow(place, zuora, refusing_zuora):
    ignored = shutil.ignore_patterns("__pycache__", f"{WITH_A_PERSON}.py")
    dags = Path(shutil.copytree(EXAMPLES, place / "dags", ignore=ignored))
    shutil.copy(Path(__file__).parent / "dags" / "refused.py", dags)
    env = {
        "ORDER_EXPORTS": f"file://{place}/exports",
        "ZUORA_INVOICES": f"file://{place}/invoices",
        "ZUORA_ENVIRONMENT": zuora.url,
        "ZUORA_SUBMISSION_LOG": f"file://{place}/log",
        "PYTHONWARNINGS": "default",
    }
    with (Airflow2Stack if IS_AIRFLOW_2 else AirflowStack)(
        place / "airflow", dags, env=env, python=Path(PYTHON)
    ) as stack:
        stack.cli(*zuora.connection())
        stack.cli(*zuora.connection("elastic_path_default", "elastic_path"))
        stack.cli(*refusing_zuora.connection("zuora_refusing"))
        yield stack


@pytest.fixture(scope="session")
def pipeline(airflow, zuora):
    return Pipeline(airflow, zuora)


@pytest.fixture(scope="session")
def runs(airflow, zuora, pipeline):
    """The first run of each DAG but the month's end, whose query would be taken for the other one's."""
    airflow.wait_dag("zuora_order_completed")
    airflow.api.unpause("zuora_order_completed")
    found = {dag_id: start(airflow, dag_id) for dag_id in TRIGGERED}
    found[DAG_ID] = Run(airflow, DAG_ID, pipeline.start_first_run())
    query = start_run(airflow, zuora)
    found["zuora_query_to_storage"] = Run(airflow, "zuora_query_to_storage", query)
    return found


@pytest.fixture(scope="session")
def month_end(airflow, zuora, runs):
    assert runs["zuora_query_to_storage"].state == "success"
    return MonthEnd(airflow, zuora)
