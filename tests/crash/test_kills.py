"""A task that is killed anywhere around its POST, and retried by Airflow, makes one order, never two."""

import pytest

pytestmark = [pytest.mark.e2e, pytest.mark.slow, pytest.mark.timeout(4000)]


@pytest.mark.parametrize(
    ("version", "point"),
    [
        ("3.3", "write-ahead"),
        ("3.3", "post"),
        ("3.3", "answer"),
        ("3.3", "job-id"),
        ("3.3", "xcom"),
        ("2.11", "post"),
        ("2.11", "answer"),
        ("2.11", "xcom"),
    ],
)
def test_a_killed_submission_is_retried_and_makes_one_order(crashes, version, point):
    runs = crashes[version].runs[point]
    assert runs, "a test without runs would show nothing"
    for run in runs:
        assert run.state == "success"
        assert run.was_killed, f"{run.run_id} went through without a crash"
        assert run.task["try_number"] >= 2
        [order], [job] = run.orders, run.jobs
        assert run.job_id == order["jobId"] == job["jobId"]
        assert (order["orderNumber"] == f"O-{run.run_id}") == (run.dag_id == "numbered")


@pytest.mark.parametrize("version", ["3.3", "2.11"])
def test_a_list_whose_task_is_killed_in_the_middle_is_made_once(crashes, version):
    runs = crashes[version].runs["list"]
    assert runs, "a test without runs would show nothing"
    for run in runs:
        assert run.state == "success"
        assert run.was_killed, f"{run.run_id} went through without a crash"
        assert run.task["try_number"] >= 2
        jobs = {each["description"]: each["jobId"] for each in run.orders}
        assert len(run.orders) == len(run.expected)
        assert run.job_id == [jobs[description] for description in run.expected]


@pytest.mark.parametrize("version", ["3.3", "2.11"])
def test_there_are_as_many_orders_as_runs(crashes, version):
    """Those of `test_heartbeats.py` have been through by now, if it runs at all."""
    runs = crashes[version].all_runs
    assert [run.state for run in runs] == ["success"] * len(runs)
    orders = crashes[version].zuora.ledger()["orders"]
    expected = [description for run in runs for description in run.expected]
    assert sorted(each["description"] for each in orders) == sorted(expected)


@pytest.mark.parametrize(
    ("version", "point", "damages"),
    [
        ("3.3", "post", ["kill", ""]),
        ("2.11", "post", ["kill", ""]),
        ("2.11", "answer", ["kill", ""]),
        ("2.11", "xcom", ["", ""]),
    ],
)
def test_a_crash_is_where_it_should_be(crashes, version, point, damages):
    """Where no store tells of an earlier try, what reached Zuora shows when the task died."""
    for run in crashes[version].runs[point]:
        assert run.state == "success"
        assert run.damages == damages
