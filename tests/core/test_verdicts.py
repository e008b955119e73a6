"""What ends mean to the task, one by one and together."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from airflow_provider_zuora.core.errors import ApiError, InvalidInput, NotFound, TimedOut
from airflow_provider_zuora.core.job import Job, JobState, Outcome
from airflow_provider_zuora.core.polling.events import End
from airflow_provider_zuora.core.polling.verdicts import Verdicts
from airflow_provider_zuora.core.vendors.zuora.vendor import Zuora

MADE = Job("made", JobState.SUCCEEDED, "Completed", {"orderNumber": "O-1", "status": "Completed"})
PENDING = Job("pending", JobState.SUCCEEDED, "Completed", {"orderNumber": "O-2", "status": "Pending"})
REFUSED = Job("refused", JobState.FAILED, "Failed", transient=True)
ENDS = {
    "made": End("made", MADE),
    "pending": End("pending", PENDING),
    "refused": End("refused", REFUSED),
    "lost": End("lost", error=NotFound("no such job")),
    "away": End("away", error=ApiError("HTTP 503\nagain", transient=True)),
    "late": End("late", error=TimedOut("not in time")),
}


class Choosy(Zuora):
    """A vendor for which some jobs count as skipped."""

    def outcome(self, job, options):
        return Outcome(None, skipped=f"nothing in {job.job_id}")


def found(*job_ids, vendor=None, **options):
    ends = [ENDS[job_id] for job_id in dict.fromkeys(job_ids)]
    return Verdicts.of(job_ids, ends, vendor or Zuora(), options)


def test_results_come_in_the_order_of_the_ids_and_as_often():
    verdicts = found("pending", "made", "pending")

    assert [each["orderNumber"] for each in verdicts.results] == ["O-2", "O-1", "O-2"]
    assert verdicts.complete
    assert (verdicts.gravest, verdicts.skipped) == (None, "")
    assert verdicts.warnings[0] == verdicts.warnings[1]
    assert "Pending, not Completed" in verdicts.warnings[0]


def test_of_no_jobs_the_results_are_none():
    verdicts = found()

    assert (verdicts.results, verdicts.complete, verdicts.gravest, verdicts.skipped) == ([], True, None, "")


def test_what_became_of_each_is_plain_json():
    verdicts = found("made", "refused", "lost", "away", "late")
    told = json.loads(json.dumps(verdicts.as_list()))

    assert [(each["job_id"], each["state"]) for each in told] == [
        ("made", "completed"),
        ("refused", "failed"),
        ("lost", "unknown"),
        ("away", "open"),
        ("late", "timed out"),
    ]
    assert (told[0]["result"], told[0]["error"]) == (MADE.result, None)
    assert (told[4]["result"], told[4]["error"]) == (None, "not in time")
    assert not verdicts.complete


@pytest.mark.parametrize(
    ("job_ids", "gravest"),
    [
        (["made", "late"], "late"),
        (["late", "made", "away"], "away"),
        (["late", "away", "lost"], "lost"),
        (["late", "away", "lost", "refused"], "refused"),
        (["made"], None),
    ],
)
def test_the_gravest_counts(job_ids, gravest):
    worst = found(*job_ids).gravest

    assert (worst and worst.job_id) == gravest


def test_the_options_of_the_task_are_the_vendors():
    worst = found("made", "pending", require_order_completed=True).gravest

    assert (worst.job_id, worst.state) == ("pending", "failed")


def test_a_report_begins_with_the_gravest():
    lines = found("made", "late", "away", "refused").report().splitlines()

    assert lines[0] == "3 of 4 jobs have no result (1 completed, 1 failed, 1 open, 1 timed out)."
    assert lines[1].startswith("refused: failed: Job refused ended as Failed")
    assert lines[2:] == ["away: open: HTTP 503", "    again", "late: timed out: not in time"]


def test_a_report_shows_ten_and_counts_the_rest():
    ends = [End(str(number), error=TimedOut("late")) for number in range(12)]
    lines = Verdicts.of([end.job_id for end in ends], ends, Zuora(), {}).report().splitlines()

    assert len(lines) == 12
    assert lines[-1] == "and 2 more, see the XCom results"


def test_a_report_of_one_job_is_its_own_error():
    assert found("late").report() == "not in time"


def test_a_list_is_skipped_where_all_of_it_is():
    verdicts = found("made", "pending", vendor=Choosy())

    assert verdicts.skipped == "nothing in made"
    assert verdicts.warnings[1] == "Job pending counts as skipped: nothing in pending"
    assert not verdicts.complete
    mixed = replace(verdicts, each=(*verdicts.each, *found("made").each))
    assert (mixed.skipped, mixed.gravest) == ("", None)
    assert mixed.results == [None, None, MADE.result]


def test_ends_of_other_jobs_are_an_error():
    with pytest.raises(InvalidInput, match="names other jobs now"):
        Verdicts.of(["made", "new"], [ENDS["made"]], Zuora(), {})
