"""What docs/exactly-once.md promises, cell by cell: the operator as Airflow runs it, over real HTTP."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path

import pytest

from airflow_provider_zuora.core.job import JobState
from airflow_provider_zuora.exceptions import OutcomeUnknownError, PermanentError, TransientError
from airflow_provider_zuora.hooks.zuora import ZuoraHook
from airflow_provider_zuora.operators.base import read_submitted_result
from airflow_provider_zuora.operators.orders import ZuoraCreateOrderOperator
from tests.conftest import ORDER, Zuora
from tests.one_airflow import Airflow
from zuora_sandbox import Fault, Sandbox, Settings, serve

HOUR = 3600
PAGE = (Path(__file__).parents[2] / "docs" / "exactly-once.md").read_text()
PLAIN = {name: value for name, value in ORDER.items() if name != "orderNumber"}
POST = {"method": "POST", "path": "/v1/async/orders"}


COLUMNS = {
    "Airflow < 3.3": {"version": 2.11},
    "Airflow 3.3": {"version": 3.3},
    "Airflow ≥ 3.4": {"version": 3.4},
    "`clear_on_success`": {"version": 3.3, "wipes": True},
}
LOST = Fault(**POST, kind="reset", when="after", times=None)
UNSEEN = Fault("GET", "/v1/orders/", kind="reset", times=None)


def first_run(zuora, airflow, order, lost):
    """Submit an order; its answer arrives, or never does although the order is made, and nobody can look."""
    if lost:
        zuora.sandbox.add_fault(LOST)
        zuora.sandbox.add_fault(UNSEEN)
        with pytest.raises(TransientError):
            airflow.run(order)
        zuora.sandbox.state.faults.clear()
    else:
        airflow.run(order)


def retry(zuora, clock, order, lost, **column):
    airflow = Airflow(clock, **column)
    zuora.fault(**POST, kind="reset", when="after" if lost else "before", times=7)
    return airflow.run(order)


def cleared_after(hours):
    def scenario(zuora, clock, order, lost, **column):
        airflow = Airflow(clock, **column)
        first_run(zuora, airflow, order, lost)
        clock.now += hours * HOUR
        airflow.clear()
        return airflow.run(order)

    return scenario


def deleted(zuora, clock, order, lost, **column):
    first_run(zuora, Airflow(clock, **column), order, lost)
    clock.now += 22 * HOUR
    return Airflow(clock, **column).run(order)


def again_as(**ids):
    def scenario(zuora, clock, order, lost, **column):
        first_run(zuora, Airflow(clock, **column), order, lost)
        return Airflow(clock, **column, **ids).run(order)

    return scenario


def expanded_again(zuora, clock, order, lost, **column):
    """The order moves from map index 0 to index 1, and to one that was not there before."""
    tasks = [Airflow(clock, **column, map_index=index) for index in range(3)]
    first_run(zuora, tasks[0], order, lost)
    tasks[1].run(order | {"orderNumber": "O-2"})
    ends = []
    for hours, place in ((22, 1), (5, 2)):
        clock.now += hours * HOUR
        for task in tasks:
            task.clear()
        ends.append(tasks[place].run(order))
    return ends[-1]


ROWS = {
    "a retry": retry,
    "the task is cleared within 23 h": cleared_after(22),
    "the task is cleared later": cleared_after(25),
    "the run is deleted and made again within 24 h": deleted,
    "the order is run again under another run id": again_as(run_id="another"),
    "the DAG or the task is renamed": again_as(dag_id="another"),
    "a mapped task is expanded again in another order": expanded_again,
}
UNPROMISED = {"the run is deleted and made again later"}


def table():
    """Return the page's table: what is promised, by row, column, and whether the order has a number."""
    rows = [
        [cell.strip() for cell in line.strip("|").split("|")] for line in PAGE.splitlines() if line[:1] == "|"
    ]
    head, _, *body = rows[: 2 + len(ROWS) + len(UNPROMISED)]
    assert head[1::2] == list(COLUMNS)
    return {
        (row[0], column, numbered): row[1 + 2 * place + (not numbered)]
        for row in body
        for place, column in enumerate(COLUMNS)
        for numbered in (True, False)
    }


CELLS = table()
TESTED = [cell for cell, promise in CELLS.items() if promise != "not promised"]


def test_the_page_has_a_row_for_each_thing_that_can_happen():
    assert {row for row, _, _ in CELLS} == set(ROWS) | UNPROMISED


def orders(zuora):
    return [job for job in zuora.ledger()["jobs"] if job["status"] == "Completed"]


@pytest.mark.parametrize("lost", [False, True], ids=["answered", "answer lost"])
@pytest.mark.parametrize("cell", TESTED, ids=lambda cell: f"{cell[0]}-{cell[1]}-{cell[2]}")
def test_a_cell(cell, lost, zuora, clock):
    row, column, numbered = cell
    promise = CELLS[cell]
    try:
        end = ROWS[row](zuora, clock, ORDER if numbered else PLAIN, lost, **COLUMNS[column])
    except OutcomeUnknownError:
        assert "asks" in promise
        assert len(orders(zuora)) == 1
        return
    made = [order for order in orders(zuora) if order["orderNumber"] != "O-2"]
    assert len(made) == (2 if promise == "another order" else 1)
    assert promise in ("once", "another order") or (promise == "once or asks" and not lost)
    assert end in {order["jobId"] for order in made} | {f"order:{order['orderNumber']}" for order in made}


class TestFromRunToRun:
    def test_500_mapped_tasks_with_one_user_key_make_500_orders(self, zuora, clock):
        for index in range(500):
            airflow = Airflow(clock, 3.3, map_index=index)
            airflow.run(PLAIN | {"description": f"order {index}"}, idempotency_key="mine")

        assert len(orders(zuora)) == 500

    @pytest.mark.parametrize(
        ("first", "second"),
        [({}, {"run_id": "r2"}), ({}, {"map_index": 3}), ({}, {"dag_id": "d2"})],
    )
    def test_the_same_content_elsewhere_is_another_order(self, zuora, clock, first, second):
        assert Airflow(clock, 3.3, **first).run(PLAIN) != Airflow(clock, 3.3, **second).run(PLAIN)
        assert len(orders(zuora)) == 2

    def test_two_airflows_on_one_tenant_have_a_namespace_each(self, zuora, clock, monkeypatch):
        Airflow(clock, 3.3).run(PLAIN)
        extra = json.dumps({"idempotency_namespace": "staging"})
        monkeypatch.setenv("AIRFLOW_CONN_ZUORA_DEFAULT", zuora.connection(extra=extra))
        Airflow(clock, 3.3).run(PLAIN)

        assert len(orders(zuora)) == 2


class TestClear:
    @pytest.fixture
    def airflow(self, clock):
        return Airflow(clock, 3.3)

    def cleared(self, airflow, order, **options):
        airflow.clear()
        return airflow.run(order, **options)

    def test_a_completed_job_is_not_submitted_again(self, zuora, airflow):
        job_id = airflow.run(PLAIN)

        assert self.cleared(airflow, PLAIN) == job_id
        assert len(zuora.posts()) == 1

    def test_a_changed_order_is_submitted_and_changed_back_is_not(self, zuora, airflow):
        first = airflow.run(PLAIN)
        second = self.cleared(airflow, PLAIN | {"description": "changed"})

        assert len({first, second}) == len(orders(zuora)) == 2
        assert self.cleared(airflow, PLAIN) == first
        assert self.cleared(airflow, PLAIN | {"description": "changed"}) == second
        assert len(zuora.posts()) == 2

    def test_another_tenant_gets_the_order_too(self, zuora, airflow, clock, monkeypatch):
        airflow.run(ORDER)
        clock.now += 48 * HOUR
        with serve(Sandbox(Settings(job_seconds=0), clock)) as server:
            other = Zuora(server.sandbox, server.url)
            monkeypatch.setenv("AIRFLOW_CONN_ZUORA_DEFAULT", other.connection())
            job_id = self.cleared(airflow, ORDER)

            assert [order["jobId"] for order in orders(other)] == [job_id]

    def test_a_refused_order_is_submitted_again_once_the_catalogue_is_mended(self, zuora, airflow):
        zuora.fault(
            **POST, when="instead", status=400, body=b'{"reasons": [{"code": 53200020, "message": "x"}]}'
        )
        with pytest.raises(PermanentError, match="53200020"):
            airflow.run(PLAIN)

        assert self.cleared(airflow, PLAIN) == orders(zuora)[0]["jobId"]

    def test_the_ways_on_after_an_unknown_outcome(self, zuora, airflow, clock):
        first_run(zuora, airflow, PLAIN, lost=True)
        clock.now += 25 * HOUR
        with pytest.raises(OutcomeUnknownError) as caught:
            self.cleared(airflow, PLAIN)
        words = str(caught.value)
        assert re.search(r"Key af-[0-9a-f]{64}, first sent \d{4}-", words)
        assert len(re.findall(r"af-[0-9a-f]{32}\b", words)) > 1, "the Track-Ids"
        assert "an order of account A00000097, dated 2024-07-01" in words

        [made] = orders(zuora)
        adopted = self.cleared(airflow, PLAIN, adopt_job_id=f"order:{made['orderNumber']}")
        assert ZuoraHook().get_job(adopted).result["orderNumber"] == made["orderNumber"]
        assert self.cleared(airflow, PLAIN, adopt_job_id=" ") == adopted
        assert len(orders(zuora)) == 1
        assert self.cleared(airflow, PLAIN, idempotency_key="another") != adopted
        assert len(orders(zuora)) == 2

    def test_nothing_is_adopted_that_zuora_does_not_know(self, zuora, airflow):
        with pytest.raises(PermanentError, match="adopt_job_id: Zuora knows no None; nothing was submitted"):
            airflow.run(PLAIN, adopt_job_id="None")
        assert zuora.posts() == []


class TestRetry:
    def test_a_changed_template_sends_the_stored_key_and_the_log_names_the_paths(self, zuora, clock, caplog):
        airflow = Airflow(clock, 3.3)
        zuora.fault(**POST, kind="reset", when="after", times=6)
        orders_rendered = iter([PLAIN | {"description": f"at {count}"} for count in range(9)])
        with pytest.raises(TransientError):
            Airflow.run(airflow_without_retries(airflow), next(orders_rendered))
        airflow.run(next(orders_rendered))

        assert len({post["idempotencyKey"] for post in zuora.posts()}) == 1
        assert len(orders(zuora)) == 1
        assert "$.description" in caplog.text

    def test_nothing_is_sent_where_the_intent_cannot_be_written(self, zuora, clock):
        airflow = Airflow(clock, 3.3)

        def fail(*_, **__):
            raise RuntimeError("the state store is down")

        airflow.store.set = fail
        with pytest.raises(TransientError, match=re.compile("^In this try nothing was sent.*is down")):
            airflow.run(PLAIN)
        assert zuora.posts() == []

    def test_where_the_end_cannot_be_noted_the_error_says_that_a_retry_finds_the_order(self, zuora, clock):
        airflow = Airflow(clock, 3.3)
        keep = airflow.store.set

        def fail_after_a_post(*given, **more):
            if zuora.posts():
                raise RuntimeError("the state store is down")
            keep(*given, **more)

        airflow.store.set = fail_after_a_post
        said = "^It was sent, but .*A retry of the task finds it"
        task = ZuoraCreateOrderOperator(task_id="submit", order=PLAIN)
        with pytest.raises(TransientError, match=re.compile(said)):
            task.execute(airflow.context())
        airflow.store.set = keep
        job_id = airflow.run(PLAIN)

        assert [job["jobId"] for job in zuora.ledger()["jobs"]] == [job_id]

    def test_a_store_that_is_away_at_the_end_hides_neither_success_nor_failure(self, zuora, clock):
        airflow = Airflow(clock, 3.3)
        hook = ZuoraHook()

        def fail(*_, **__):
            raise RuntimeError("the state store is down")

        made = hook.get_job(airflow.run(PLAIN))
        failed = replace(made, state=JobState.FAILED, status="Failed")
        airflow.store.get = fail
        airflow.number += 1

        done = read_submitted_result(hook, made, airflow.context(), {}, {})
        assert done.result["status"] == "Completed"
        with pytest.raises(PermanentError, match="ended as Failed"):
            read_submitted_result(hook, failed, airflow.context(), {}, {})

    def test_no_secret_and_no_order_is_noted(self, zuora, clock):
        airflow = Airflow(clock, 3.3)
        airflow.run(PLAIN | {"description": "for Mr. Smith"})
        noted = "".join(airflow.store.kept.values())

        assert "Smith" not in noted
        assert "A00000097" not in noted
        assert zuora.credentials.client_secret not in noted


def airflow_without_retries(airflow):
    airflow.max_tries = airflow.number
    return airflow
