"""Orders that a person approves, or rejects, in Airflow's web page: by their totals; sent once, or never."""

import os
import shutil
from dataclasses import dataclass
from pathlib import Path

import pytest

from demo.sandbox import ServedSandbox
from demo.stack import AirflowStack
from demo.web_page import WebPage, find_browser

pytestmark = [pytest.mark.e2e, pytest.mark.slow, pytest.mark.timeout(900)]

if find_browser() is None:
    left_out = "no browser is found: apt-get install chromium, or name one by CHROMIUM=..."
    if os.environ.get("NEEDS_BROWSER"):  # .ci/run, make test-browser
        pytest.fail(left_out, pytrace=False)
    pytest.skip(left_out, allow_module_level=True)

EXAMPLES = Path(__file__).parents[2] / "example_dags"
DAG_ID = "zuora_approved_orders"
CURRENCIES = {"A00000097": "USD", "A00000098": "EUR"}
HEAD = "Currency\tOrders\tInvoices\tCredit memos"
TOTALS = ["EUR\t1\t100.25\t0.00", "USD\t2\t501.25\t0.00"]
ORDERS, PREVIEWS = "POST /v1/async/orders", "POST /v1/async/orders/preview"
AFTER = ("submit", "wait", "reconcile", "report")


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    return tmp_path_factory.mktemp("approval")


@pytest.fixture(scope="module")
def zuora(place):
    """A tenant whose accounts have a currency each; line items say themselves what they cost."""
    with ServedSandbox(place / "zuora.log", "--job-seconds", "2") as sandbox:
        sandbox.ask("POST", "/sandbox/settings", {"accounts": CURRENCIES})
        yield sandbox


@pytest.fixture(scope="module")
def stack(place, zuora):
    dags = place / "dags"
    dags.mkdir()
    shutil.copy(EXAMPLES / f"{DAG_ID}.py", dags)
    config = {"core__dags_are_paused_at_creation": "False"}
    log = {"ZUORA_SUBMISSION_LOG": f"file://{place}/log"}
    with AirflowStack(place / "airflow", dags, config=config, env=log) as stack:
        stack.cli(*zuora.connection())
        yield stack


@pytest.fixture(scope="module")
def web(stack, place):
    with WebPage(stack.url, place / "window") as web:
        yield web


@dataclass(frozen=True)
class Answered:
    """
    A run as the person has seen it, and what became of it.

    :param before: how many requests of each kind the tenant had when the person was asked.
    """

    run_id: str
    form: list[str]
    before: dict[str, int]
    state: str
    tasks: dict[str, str]
    after: dict[str, int]


def ask(stack, web, zuora, run_id, option):
    """Start a run, and `reply` to it."""
    stack.trigger(DAG_ID, run_id=run_id)
    return reply(stack, web, zuora, run_id, option)


def reply(stack, web, zuora, run_id, option):
    """Answer the question of a run in the page, and wait for the end of the run."""
    stack.wait_parked(DAG_ID, run_id, "approve", timeout=300)
    form = web.open_question(DAG_ID, run_id, "approve", f"Submit the orders of {run_id} to Zuora?")
    before = zuora.ledger()["requests"]
    web.answer(option)
    state = stack.wait_run(DAG_ID, run_id, timeout=300)
    return Answered(run_id, form, before, state, stack.tasks(DAG_ID, run_id), zuora.ledger()["requests"])


@pytest.fixture(scope="module")
def rejected(stack, web, zuora):
    return ask(stack, web, zuora, "bad", "Reject")


@pytest.fixture(scope="module")
def approved(stack, web, zuora, rejected):
    return ask(stack, web, zuora, "good", "Approve")


def test_the_person_sees_the_totals_of_each_currency_before_anything_is_sent(rejected, approved):
    for run in (rejected, approved):
        start = run.form.index(HEAD)
        assert run.form[start + 1 : start + 3] == TOTALS
        assert run.before.get(ORDERS, 0) == 0
    assert (rejected.before[PREVIEWS], approved.before[PREVIEWS]) == (3, 6)


def test_if_the_person_rejects_nothing_is_sent(rejected):
    assert {name: rejected.tasks[name] for name in AFTER} == dict.fromkeys(AFTER, "skipped")
    assert rejected.after.get(ORDERS, 0) == 0
    assert rejected.state == "success"


def test_if_the_person_approves_each_order_is_sent_once(approved, zuora):
    assert approved.state == "success"
    assert {name: approved.tasks[name] for name in AFTER} == dict.fromkeys(AFTER, "success")
    assert approved.after[ORDERS] == 3
    numbers = [order["orderNumber"] for order in zuora.ledger()["orders"]]
    assert sorted(numbers) == [f"{DAG_ID}-good-{number}" for number in (1, 2, 3)]


def test_what_was_sent_is_compared_with_what_zuora_has(stack, approved):
    found = stack.xcom(DAG_ID, approved.run_id, "reconcile")
    assert found["submitted"] == 3
    assert {name: count for name, count in found["counts"].items() if count} == {"found": 3}


def clear(stack, run_id, task_id, *, following):
    """Clear a task of a run, perhaps with all that follows it, and return how many were cleared."""
    body = {"dry_run": False, "only_failed": False, "dag_run_id": run_id, "task_ids": [task_id]}
    body["include_downstream"] = following
    return stack.api.call("POST", "dags", DAG_ID, "clearTaskInstances", body=body)["total_entries"]


def test_what_was_rejected_is_sent_only_if_the_person_is_asked_again(stack, web, zuora, rejected, approved):
    assert clear(stack, rejected.run_id, "submit", following=False) == 1
    assert stack.wait_run(DAG_ID, rejected.run_id, timeout=300) == "success"
    assert stack.tasks(DAG_ID, rejected.run_id)["submit"] == "skipped"
    assert zuora.ledger()["requests"][ORDERS] == 3

    assert clear(stack, rejected.run_id, "approve", following=True) == 5
    again = reply(stack, web, zuora, rejected.run_id, "Approve")
    assert (again.before[ORDERS], again.after[ORDERS]) == (3, 6)
    assert {name: again.tasks[name] for name in AFTER} == dict.fromkeys(AFTER, "success")
