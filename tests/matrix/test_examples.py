"""Each example DAG, and orders that fail, on a real Airflow of any version."""

from pathlib import Path
from urllib.parse import urlsplit

import pytest

from demo.month_end import DAG_ID as MONTH_END
from demo.pipeline import CHANGED, ORDERS, make_rows
from demo.pipeline import DAG_ID as PIPELINE
from demo.processes import wait_for
from demo.query import find_wrong
from tests.e2e.conftest import EXAMPLES, Run
from tests.matrix.conftest import TRIGGERED, WITH_A_PERSON

pytestmark = [pytest.mark.e2e, pytest.mark.slow, pytest.mark.timeout(900)]

WAITS = [("zuora_order", "create"), ("zuora_order_in_two_tasks", "wait")]


def orders_of(zuora, run):
    numbers = [str(each["orderNumber"]) for each in zuora.ledger()["orders"]]
    return sorted(number for number in numbers if number.startswith(f"{run.dag_id}-{run.run_id}"))


def test_each_example_is_here(runs):
    others = {"zuora_month_end", "zuora_order_completed", WITH_A_PERSON}

    assert {*runs, *others} - {"refused"} == {path.stem for path in EXAMPLES.glob("*.py")}
    assert set(TRIGGERED) <= set(runs)


@pytest.mark.parametrize(("dag_id", "task_id"), WAITS)
def test_an_order_is_made_once_and_waited_for_in_the_triggerer(runs, zuora, dag_id, task_id):
    run = runs[dag_id]

    assert run.state == "success"
    assert orders_of(zuora, run) == [run.order_number]
    assert run.xcom(task_id)["orderNumber"] == run.xcom("report") == run.order_number
    assert len([name for name in run.logs_of(task_id) if ".trigger." in name]) == 1


def test_an_order_that_was_completed_starts_the_dag_that_waits_for_it(airflow, runs):
    assert runs["zuora_order"].state == "success"
    [run_id] = wait_for("the run", lambda: airflow.api.runs("zuora_order_completed"), 120)
    run = Run(airflow, "zuora_order_completed", run_id)

    assert run.state == "success"
    assert run.xcom("report") == [runs["zuora_order"].order_number]


@pytest.mark.parametrize(("dag_id", "orders"), [("zuora_orders_in_bulk", 50), ("zuora_mapped_orders", 5)])
def test_each_of_many_orders_is_made_once(runs, zuora, dag_id, orders):
    run = runs[dag_id]

    assert run.state == "success"
    assert sorted(run.xcom("report")) == orders_of(zuora, run)
    assert len(run.xcom("report")) == orders


def test_the_books_agree_with_what_was_sent(runs, zuora):
    run = runs["zuora_orders_reconciled"]

    assert run.state == "success"
    found = run.xcom("reconcile")
    assert (found["submitted"], found["counts"]["found"], run.xcom("report")) == (5, 5, 5)
    assert len(orders_of(zuora, run)) == 5
    assert len(Path(urlsplit(found["report"]).path).read_text().splitlines()) == 6


@pytest.mark.parametrize("task_id", ["create", "wait"])
def test_a_job_that_fails_fails_the_task_at_once_with_zuoras_words(airflow, runs, task_id):
    run = runs["refused"]

    assert run.state == "failed"
    [task] = [each for each in airflow.api.tasks("refused", run.run_id) if each["task_id"] == task_id]
    assert (task["state"], task["try_number"]) == ("failed", 1)
    said = "".join(run.logs_of(task_id).values())
    assert "40000020" in said
    assert "Rate plan is not effective" in said


def test_a_query_becomes_a_file(airflow, runs, zuora, month_end):
    run = runs["zuora_query_to_storage"]
    exported = run.xcom("export")
    lines = Path(urlsplit(exported["path"]).path).read_text().splitlines()

    assert list(find_wrong(airflow, zuora, run.run_id, exported, lines)) == []


def test_a_days_orders_are_carried_over_and_a_second_run_makes_none_twice(airflow, runs, zuora, pipeline):
    first = runs[PIPELINE]
    assert first.state == "success"
    assert list(pipeline.check_first_run(first.run_id)) == []
    assert [run.state for run in runs.values()].count("failed") == 1  # before the sandbox's clock leaps

    again = Run(airflow, PIPELINE, pipeline.start_second_run())
    assert again.state == "failed"
    assert list(pipeline.check_second_run(again.run_id, ORDERS)) == []
    said = "".join(again.logs_of("report").values())
    assert f"Elastic Path order {make_rows(pipeline.day)[CHANGED]['id']}" in said
    assert "quantity is 3, this one's is 50" in said


def test_a_month_is_collected_once_and_one_above_the_ceiling_is_not(airflow, month_end):
    run_ids = [month_end.start_first_run()]
    assert Run(airflow, MONTH_END, run_ids[0]).state == "success"
    assert list(month_end.check(run_ids)) == []

    run_ids.append(month_end.start_second_run())
    assert Run(airflow, MONTH_END, run_ids[1]).state == "failed"
    assert list(month_end.check(run_ids)) == []


def test_no_process_was_warned_of_us(airflow, month_end):
    lines = airflow.logs().splitlines()
    warned = [line for line in lines if "Warning: " in line and "airflow_provider_zuora" in line]

    assert warned == []
    assert [line for line in lines if "cannot be called outside" in line] == []
