"""
The example DAGs on Airflow 2.11, by its ``dag.test()``, against a served sandbox.

On Airflow 3 `tests/e2e`, `tests/demo` and `tests/browser` run them.
"""

from __future__ import annotations

import csv
import json
import os
import subprocess
import sys
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest

from tests.airflow_versions import IS_AIRFLOW_2
from zuora_sandbox import (
    CLIENT_ID,
    CLIENT_SECRET,
    BillRunScript,
    PaymentRunScript,
    QueryScript,
    Receivable,
    Sandbox,
    Settings,
    serve,
)

ROOT = Path(__file__).parents[1]
EXAMPLES = ROOT / "example_dags"
RUN = """
import runpy, sys
from airflow.providers.common.compat.sdk import DAG
names = runpy.run_path(sys.argv[1])
made = names[sys.argv[2]]()
run = made.test()
print(f"ended: {run.run_id} {run.state}")
"""
pytestmark = [
    pytest.mark.skipif(not IS_AIRFLOW_2, reason="tests/e2e and tests/demo run them on a real Airflow 3"),
    pytest.mark.timeout(400),
]


@pytest.fixture
def sandbox(monkeypatch, airflow_database, tmp_path):
    jobs = ("job", "export", "query_queue", "query", "bill_run_queue", "bill_run", "bill_run_post")
    names = (*jobs, "payment_run_queue", "payment_run")
    sandbox = Sandbox(Settings(**{f"{name}_seconds": 0 for name in names}))
    with serve(sandbox) as server:
        own = {"host": server.url, "login": CLIENT_ID, "password": CLIENT_SECRET}
        for kind in ("zuora", "elastic_path"):
            connection = json.dumps(own | {"conn_type": kind})
            monkeypatch.setenv(f"AIRFLOW_CONN_{kind.upper()}_DEFAULT", connection)
        monkeypatch.setenv("ORDER_EXPORTS", f"file://{tmp_path}/exports")
        monkeypatch.setenv("ZUORA_INVOICES", f"file://{tmp_path}/invoices")
        monkeypatch.setenv("ZUORA_ENVIRONMENT", server.url)
        monkeypatch.setenv("ZUORA_SUBMISSION_LOG", f"file://{tmp_path}/log")
        yield sandbox


def tried(name, end="success"):
    """Run an example in a process of its own, and return the id of its run, which ends as that."""
    environment = os.environ | {"AIRFLOW__CORE__DAGS_FOLDER": str(EXAMPLES), "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-c", RUN, str(EXAMPLES / f"{name}.py"), name]
    ended = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=300, check=False)
    last = ended.stdout.splitlines()[-1:]
    assert last, ended.stderr
    word, run_id, state = last[0].split(" ")
    assert (word, state.removeprefix("DagRunState.").lower()) == ("ended:", end), ended.stdout[-9000:]
    return run_id


def test_every_example_is_tried():
    tested = {"zuora_order", "zuora_order_in_two_tasks", "zuora_orders_in_bulk", "elastic_path_to_zuora"}
    tested |= {"zuora_query_to_storage", "zuora_month_end", "zuora_mapped_orders"}
    tested |= {"zuora_orders_reconciled"}
    tested |= {
        "zuora_order_completed"
    }  # by tests/e2e/test_receipts.py, on Airflow 2.11 too: an event starts it
    tested |= {"zuora_approved_orders"}  # by tests/browser; Airflow 2.11 asks nobody
    assert {path.stem for path in EXAMPLES.glob("*.py")} == tested


@pytest.mark.parametrize(
    ("name", "count"),
    [
        ("zuora_order", 1),
        ("zuora_order_in_two_tasks", 1),
        ("zuora_orders_in_bulk", 50),
        ("zuora_mapped_orders", 5),
        ("zuora_orders_reconciled", 5),
    ],
)
def test_an_order_is_made_for_each_that_the_run_has(sandbox, name, count):
    number = f"{name}-{tried(name)}"

    made = sorted(order["orderNumber"] for order in sandbox.ledger()["orders"])
    assert made == ([number] if count == 1 else sorted(f"{number}-{each}" for each in range(1, count + 1)))


def yesterday():
    return (datetime.now(UTC) - timedelta(days=1)).date()


def test_yesterdays_orders_go_from_elastic_path_to_zuora(sandbox):
    with (ROOT / "tests" / "samples" / "elastic-path-orders.csv").open(encoding="utf-8", newline="") as file:
        row = next(csv.DictReader(file))
    before = yesterday()
    days = [before + timedelta(days=number) for number in range(-2, 3)]
    sandbox.set_exportable([row | {"id": str(day), "created_at": f"{day}T12:00:00Z"} for day in days])
    tried("elastic_path_to_zuora")

    (order,) = sandbox.ledger()["orders"]
    assert order["orderNumber"] in {f"EP-{before}", f"EP-{yesterday()}"}


def test_a_days_invoices_go_to_the_file_of_that_day(sandbox, tmp_path):
    sandbox.add_script(QueryScript(contains="FROM invoice", rows=[{"id": "8ad0", "amount": 230.0}]))
    before = yesterday()
    days = {str(before - timedelta(days=1)), str(before), str(yesterday())}  # the first: until two o'clock
    tried("zuora_query_to_storage")

    [file] = tmp_path.glob("invoices/*/*")
    day = file.parent.name.removeprefix("day=")
    assert day in days
    assert (file.name, file.read_text()) == ("invoices.csv", "id,amount\n8ad0,230.0\n")
    [made] = sandbox.ledger()["queries"]
    after = (datetime.fromisoformat(day) + timedelta(days=1)).date()
    assert f">= TIMESTAMP '{day} 00:00:00.000 +00:00'" in made["query"]
    assert f"< TIMESTAMP '{after} 00:00:00.000 +00:00'" in made["query"]


def bill_euros(sandbox, balance):
    """Let Zuora make two invoices in dollars and one in euros, which comes to this."""
    sandbox.add_script(BillRunScript(contains="Month end", invoices=3))
    dollars = {"currency": "USD", "invoices": 2, "balance": "256.100000"}
    euros = {"currency": "EUR", "invoices": 1, "balance": balance}
    sandbox.add_script(QueryScript(contains="FROM invoice", rows=[dollars, euros]))
    due = [Receivable(200.1), Receivable(56), Receivable(40.5, "EUR")]
    sandbox.add_script(PaymentRunScript(contains="billingRunId", receivables=due))


def test_a_month_is_billed_posted_and_collected_once(sandbox):
    bill_euros(sandbox, "40.500000")
    tried("zuora_month_end")

    ledger = sandbox.ledger()
    [billed], [paid] = ledger["billRuns"], ledger["paymentRuns"]
    assert (billed["status"], billed["posts"], billed["isPosted"]) == ("Posted", 1, True)
    assert (paid["status"], ledger["collected"]) == ("Completed", {"USD": 256.1, "EUR": 40.5})
    [bill], [collect] = sandbox.state.bill_runs.runs.values(), sandbox.state.payment_runs.runs.values()
    last_day = date.fromisoformat(bill.body["targetDate"])
    assert (last_day + timedelta(days=1)).day == 1
    assert 0 <= (yesterday() - last_day).days <= 31
    assert bill.body["name"].startswith(f"Month end {last_day:%Y-%m} ")
    wanted = {"billingRunId": billed["id"], "targetDate": str(last_day), "collectPayment": True}
    assert collect.body == wanted
    [query] = ledger["queries"]
    assert f"sourceid = '{bill.number}'" in query["query"]


def test_a_month_that_comes_to_more_than_its_ceiling_is_not_collected(sandbox):
    bill_euros(sandbox, "100000.01")
    tried("zuora_month_end", end="failed")

    ledger = sandbox.ledger()
    assert [each["posts"] for each in ledger["billRuns"]] == [1]
    assert len(ledger["queries"]) == 1  # no retry can help
    assert (ledger["paymentRuns"], ledger["collected"]) == ([], {})
