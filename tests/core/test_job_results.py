"""What the waits for jobs came to, one by one and together."""

from __future__ import annotations

import json
from dataclasses import replace
from functools import partial

import pytest

from airflow_provider_zuora.core.errors import ApiError, InvalidInput, NotFound, TimedOut
from airflow_provider_zuora.core.job import Job, JobResult, JobResults, JobState
from airflow_provider_zuora.core.vendors.zuora.vendor import Zuora

MADE = Job("made", JobState.SUCCEEDED, "Completed", {"orderNumber": "O-1", "status": "Completed"})
PENDING = Job("pending", JobState.SUCCEEDED, "Completed", {"orderNumber": "O-2", "status": "Pending"})
REFUSED = Job("refused", JobState.FAILED, "Failed", transient=True)
RESULTS = {
    "made": JobResult.of_job(MADE),
    "pending": JobResult.of_job(PENDING),
    "refused": JobResult.of_job(REFUSED),
    "lost": JobResult("lost", error=NotFound("no such job")),
    "away": JobResult("away", error=ApiError("HTTP 503\nagain", transient=True)),
    "late": JobResult("late", error=TimedOut("not in time")),
}


class Choosy(Zuora):
    """A vendor for which some jobs count as skipped."""

    def read_result(self, job, options):
        return JobResult(job.job_id, job, skipped=f"nothing in {job.job_id}")


def find_results(*job_ids, vendor=None, **options):
    results = [RESULTS[job_id] for job_id in dict.fromkeys(job_ids)]
    return JobResults.of(job_ids, results, partial((vendor or Zuora()).read_result, options=options))


def results_of(found):
    return [each.result for each in found.each]


def test_results_come_in_the_order_of_the_ids_and_as_often():
    results = find_results("pending", "made", "pending")

    assert [each["orderNumber"] for each in results_of(results)] == ["O-2", "O-1", "O-2"]
    assert results.is_complete
    assert (results.worst, results.skipped) == (None, "")
    assert results.warnings[0] == results.warnings[1]
    assert "Pending, not Completed" in results.warnings[0]


def test_of_no_jobs_the_results_are_none():
    results = find_results()

    assert (results_of(results), results.is_complete, results.worst, results.skipped) == ([], True, None, "")


def test_what_became_of_each_is_plain_json():
    results = find_results("made", "refused", "lost", "away", "late")
    written = json.loads(json.dumps([each.as_dict() for each in results.each]))

    assert [(each["job_id"], each["state"]) for each in written] == [
        ("made", "completed"),
        ("refused", "failed"),
        ("lost", "unknown"),
        ("away", "open"),
        ("late", "timed_out"),
    ]
    assert (written[0]["result"], written[0]["error"]) == (MADE.result, None)
    assert (written[4]["result"], written[4]["error"]) == (None, "not in time")
    assert not results.is_complete


@pytest.mark.parametrize(
    ("job_ids", "job_id"),
    [
        (["made", "late"], "late"),
        (["late", "made", "away"], "away"),
        (["late", "away", "lost"], "lost"),
        (["late", "away", "lost", "refused"], "refused"),
        (["made"], None),
    ],
)
def test_the_worst_counts(job_ids, job_id):
    worst = find_results(*job_ids).worst

    assert (worst and worst.job_id) == job_id


def test_the_options_of_the_task_are_the_vendors():
    worst = find_results("made", "pending", require_order_completed=True).worst

    assert (worst.job_id, worst.state) == ("pending", "failed")


def test_a_report_begins_with_the_worst():
    lines = find_results("made", "late", "away", "refused").describe_errors().splitlines()

    assert lines[0] == "3 of 4 jobs have no result (1 completed, 1 failed, 1 open, 1 timed out)."
    assert lines[1].startswith("refused: failed: Job refused ended as Failed")
    assert lines[2:] == ["away: open: HTTP 503", "    again", "late: timed out: not in time"]


def test_a_report_shows_ten_and_counts_the_rest():
    ends = [JobResult(str(number), error=TimedOut("late")) for number in range(12)]
    lines = JobResults.of([end.job_id for end in ends], ends, JobResult.of_job).describe_errors().splitlines()

    assert len(lines) == 12
    assert lines[-1] == "and 2 more, see the XCom job_results"


def test_a_report_of_one_job_is_its_own_error():
    assert find_results("late").describe_errors() == "not in time"


def test_a_list_is_skipped_where_all_of_it_is():
    results = find_results("made", "pending", vendor=Choosy())

    assert results.skipped == "nothing in made"
    assert results.warnings[1] == "Job pending counts as skipped: nothing in pending"
    assert not results.is_complete
    mixed = replace(results, each=(*results.each, *find_results("made").each))
    assert (mixed.skipped, mixed.worst) == ("", None)
    assert results_of(mixed) == [None, None, MADE.result]


def test_ends_of_other_jobs_are_an_error():
    with pytest.raises(InvalidInput, match="names other jobs now"):
        JobResults.of(["made", "new"], [RESULTS["made"]], JobResult.of_job)
