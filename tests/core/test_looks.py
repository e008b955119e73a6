"""A task's own looks at its jobs, round after round, in virtual time."""

from __future__ import annotations

from airflow_provider_zuora.core.errors import TimedOut
from airflow_provider_zuora.core.looks import Looks
from airflow_provider_zuora.sandbox.settings import Fault
from tests.core.carriers import Tenant
from tests.core.test_ends import jobs, words
from tests.core.test_ends import looks as looks_at

GET = "/v1/async-jobs/"


class Task:
    """Looks one after the other, as a single connection would."""

    def __init__(self, *faults, told=(), ids=(), seconds=1e6, max_errors=10, **settings):
        self.tenant = Tenant(*faults, **settings)
        self.job_ids = [*jobs(self.tenant, *told), *ids]
        self.looks = Looks(self.job_ids, self.tenant.clock() + seconds, max_errors)

    def look(self, *, hasty=False):
        for flow in self.looks.round(self.tenant.client(), hasty=hasty):
            self.tenant.run(flow)
        return self.looks.ends and words(self.looks.ends)

    @property
    def count(self):
        return looks_at(self.tenant)


def test_what_has_ended_is_not_looked_at_again():
    task = Task(told=["", "processing 100", "fail [40000020]: No"], ids=["no-such-job"], job_seconds=0)

    assert (task.look(), task.count) == (None, 4)
    assert (task.look(), task.count) == (None, 5)
    task.tenant.clock.now += 100
    assert task.look() == ["Completed", "Completed", "Failed", "NotFound"]
    assert task.count == 6


def test_a_hasty_round_is_over_once_a_job_is_seen_that_goes_on():
    task = Task(told=["", "processing 100", "processing 100", ""], job_seconds=0)

    assert (task.look(hasty=True), task.count) == (None, 2)
    assert (task.look(), task.count) == (None, 5)


def test_a_passing_failure_is_no_end(caplog):
    task = Task(Fault(method="GET", path=GET, times=9), told=[""], job_seconds=0)

    assert task.look() == ["Completed"]
    assert "the wait goes on" not in caplog.text


def test_while_the_vendor_is_away_no_look_is_repeated_but_the_first():
    task = Task(Fault(method="GET", path=GET, times=None), told=["", "", ""], job_seconds=0)

    assert task.look() == ["Unreadable"] * 3
    assert task.count == 10 + 2


def test_ten_failures_in_a_row_end_the_waits_that_meet_them_and_no_others():
    task = Task(Fault(method="GET", path=GET, times=11), told=["", "", ""], job_seconds=0)

    assert task.look() == ["Unreadable", "Unreadable", "Completed"]
    assert [end.gave_up for end in task.looks.ends] == [True, True, False]


def test_a_wait_that_never_gives_up_goes_on():
    task = Task(Fault(method="GET", path=GET, times=11), told=["", ""], job_seconds=0, max_errors=None)

    assert task.look() is None
    assert task.look() == ["Completed", "Completed"]


def test_a_round_is_over_where_the_vendor_asks_for_quiet():
    fault = Fault(method="GET", path=GET, status=429, headers={"Retry-After": "3600"})
    task = Task(fault, told=["", ""], job_seconds=0)

    assert (task.look(), task.count) == (None, 1)
    assert 3590 < task.looks.quiet_until - task.tenant.clock() <= 3600
    task.tenant.clock.now += 3600
    task.tenant.sandbox.add_fault(Fault(method="GET", path=GET, times=2))
    assert task.look() == ["Completed", "Completed"], "a new round begins with new patience"


def test_patience_comes_back_with_the_vendor():
    quiet = Fault(method="GET", path=GET, status=429, headers={"Retry-After": "3600"}, skip=1)
    task = Task(Fault(method="GET", path=GET, times=10), told=["", "", ""], job_seconds=0)
    task.tenant.sandbox.add_fault(quiet)

    assert task.look() is None
    task.tenant.clock.now += 3600
    assert task.look() == ["Unreadable", "Completed", "Completed"]


def test_a_look_is_not_repeated_beyond_the_deadline():
    task = Task(Fault(method="GET", path=GET, times=None), told=["", ""], seconds=0)

    assert (task.look(), task.count) == (None, 2)
    assert task.tenant.clock.naps == []


def test_what_has_ended_is_kept_at_a_time_out():
    task = Task(told=["", "processing 100"], ids=["no-such-job"], job_seconds=0)
    task.look()
    ends = task.looks.timed_out("100 s have passed.")

    assert words(ends) == ["Completed", "TimedOut", "NotFound"]
    assert [end.job_id for end in ends] == task.job_ids
    assert isinstance(ends[1].error, TimedOut)
    assert str(ends[1].error) == f"Job {task.job_ids[1]} has not ended in time: 100 s have passed."


def test_of_no_jobs_the_ends_are_known():
    assert Looks([], 0, 10).ends == []
