"""A task that is killed at any cut, and retried by Airflow, makes one job, never two, and ends well."""

import pytest

from demo.processes import wait_for
from tests.crash.runs import KINDS, POINTS

pytestmark = [pytest.mark.e2e, pytest.mark.slow, pytest.mark.timeout(8000)]

# What became of the POSTs that reached Zuora, by point, or by version, or of one cut alone.
POSTS = {
    "post": ["kill", ""],
    "answer": ["kill", ""],
    "3.3": [""],
    "2.11": ["", ""],  # nothing is remembered: each try sends its POST, and the key makes it one
    ("3.3", "order", "job-id"): ["", ""],
    ("3.3", "data-query", "job-id"): ["", ""],
}
PUTS = {"posting": ["kill", ""], "posted": ["kill"]}


def list_cuts(*kinds, without=("list", "last")):
    """Return the Airflow version, the kind and the point of each cut."""
    return [
        (version, kind, point)
        for version, points in POINTS.items()
        for kind in kinds
        for point in points[kind]
        if point not in without
    ]


def get_killed(crashes, version, kind, point):
    """Return the runs of a cut, which have ended after a kill."""
    runs = crashes[version].runs[kind, point]
    assert runs, "a test without runs would show nothing"
    for run in runs:
        assert run.state == run.end
        assert run.was_killed, f"{run.run_id} went through without a crash"
        assert run.task["try_number"] >= 2 or point == "last"
    return runs


@pytest.mark.parametrize(("version", "point"), [(version, point) for version, _, point in list_cuts("order")])
def test_a_killed_submission_is_retried_and_makes_one_order(crashes, version, point):
    for run in get_killed(crashes, version, "order", point):
        [order], [job] = run.made, run.jobs
        assert run.xcom() == order["jobId"] == job["jobId"]
        assert (order["orderNumber"] == f"O-{run.run_id}") == (run.dag_id == "numbered")


@pytest.mark.parametrize("version", POINTS)
def test_a_list_whose_task_is_killed_in_the_middle_is_made_once(crashes, version):
    for run in get_killed(crashes, version, "order", "list"):
        jobs = {each["description"]: each["jobId"] for each in run.made}
        assert len(run.made) == len(run.expected)
        assert run.xcom() == [jobs[description] for description in run.expected]


@pytest.mark.parametrize(("version", "kind", "point"), list_cuts("data-query"))
def test_a_query_whose_task_is_killed_is_waited_for_by_the_retry(crashes, version, kind, point):
    """There is one, if Zuora honours its key; where the id is recorded, nothing is sent again."""
    for run in get_killed(crashes, version, kind, point):
        [query] = run.made
        assert query["queryStatus"] == "completed"
        assert run.xcom("job_id") == f"data-query:{query['id']}"
        assert len(run.xcom()) == 3


@pytest.mark.parametrize(("version", "kind", "point"), list_cuts("bill-run"))
def test_a_bill_run_whose_task_is_killed_is_made_once_and_posted_once(crashes, version, kind, point):
    for run in get_killed(crashes, version, kind, point):
        [bill_run] = run.made
        assert (bill_run["status"], bill_run["posts"], bill_run["cancels"]) == ("Posted", 1, 0)
        assert run.damages("PUT") == PUTS.get(point, [""])
        result = run.xcom()
        assert result["job_id"] == run.xcom("job_id") == f"bill-run:{bill_run['id']}"
        assert (result["status"], result["invoices"]) == ("Posted", 1)


@pytest.mark.parametrize(("version", "kind", "point"), list_cuts("payment-run"))
def test_a_payment_run_whose_task_is_killed_is_made_once_and_collects_once(crashes, version, kind, point):
    for run in get_killed(crashes, version, kind, point):
        [payment_run] = run.made
        assert (payment_run["status"], payment_run["collected"]) == ("Completed", {"USD": 56})
        result = run.xcom()
        assert result["job_id"] == run.xcom("job_id") == f"payment-run:{payment_run['id']}"
        assert (result["payments"], result["errors"]) == (1, 0)


def has_completed(run):
    """Return whether the run's only job has; a query's word is in small letters."""
    [job] = run.made
    return (job.get("status") or job["queryStatus"]).lower() == "completed"


@pytest.mark.parametrize("kind", ["data-query", "bill-run", "payment-run"])
def test_what_a_task_that_is_killed_in_its_last_try_has_submitted_goes_on(crashes, kind):
    """Nobody is left who could cancel a query; a run would not be cancelled, and is not posted either."""
    for run in get_killed(crashes, "3.3", kind, "last"):
        wait_for("its end", lambda run=run: has_completed(run), 60)
        [job] = run.made
        assert run.damages("POST") == ["kill"]
        assert (job.get("posts", 0), job.get("cancels", 0)) == (0, 0)


@pytest.mark.parametrize("version", POINTS)
def test_there_are_as_many_jobs_as_runs(crashes, version):
    """Those of `test_heartbeats.py` have been through by now, if it runs at all."""
    ledger, runs = crashes[version].read_ledger(), crashes[version].all_runs
    assert [run.state for run in runs] == [run.end for run in runs]
    for kind in KINDS:
        expected = [name for run in runs if run.kind == kind for name in run.expected]
        assert sorted(map(KINDS[kind].name, ledger[KINDS[kind].rows])) == sorted(expected)


@pytest.mark.parametrize(
    ("version", "kind", "point"), list_cuts("order", "data-query", "bill-run", "payment-run")
)
def test_a_crash_is_where_it_should_be(crashes, version, kind, point):
    """What reached Zuora shows when the task died."""
    for run in get_killed(crashes, version, kind, point):
        expected = POSTS.get((version, kind, point)) or POSTS.get(point) or POSTS[version]
        assert run.damages("POST") == expected
