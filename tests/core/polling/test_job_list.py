"""A task's own polls at its jobs, round after round, in virtual time."""

from __future__ import annotations

import math
import time
from dataclasses import replace

import pytest

from airflow_provider_zuora.core.errors import TimedOut
from airflow_provider_zuora.core.job import ResultState
from airflow_provider_zuora.core.polling.job_list import JobPolls
from airflow_provider_zuora.core.polling.wait import PollOptions, make_steady_clock
from tests.core.polling.test_events import count_polls, start_jobs, words
from tests.core.runners import Tenant
from zuora_sandbox import Fault

GET = "/v1/async-jobs/"


class Task:
    """Polls one after the other, as a single connection would."""

    def __init__(self, *faults, texts=(), ids=(), seconds=1e6, max_errors=10, **settings):
        self.tenant = Tenant(*faults, **settings)
        self.job_ids = [*start_jobs(self.tenant, *texts), *ids]
        options = PollOptions(-math.inf, 0, self.tenant.clock() + seconds, max_errors=max_errors)
        clock = self.tenant.clock
        now = make_steady_clock(clock, clock.ticks, -math.inf)
        self.polls = JobPolls(self.job_ids, options, now)

    def poll(self, *, stop_early=False):
        for flow in self.polls.poll_each(self.tenant.client(), stop_early=stop_early):
            self.tenant.run(flow)
        return self.polls.results and words(self.polls.results)

    def begin(self):
        """Let the wait begin now: a job may not be known yet."""
        self.began = self.tenant.clock()
        self.polls.options = replace(self.polls.options, started=self.began)

    @property
    def count(self):
        return count_polls(self.tenant)


def test_what_has_ended_is_not_polled_again():
    task = Task(texts=["", "processing 100", "fail [40000020]: No"], ids=["no-such-job"], job_seconds=0)

    assert (task.poll(), task.count) == (None, 4)
    assert (task.poll(), task.count) == (None, 5)
    task.tenant.clock.now += 100
    assert task.poll() == ["Completed", "Completed", "Failed", "NotFound"]
    assert task.count == 6


def test_a_round_that_stops_early_is_over_once_a_job_is_seen_that_goes_on():
    task = Task(texts=["", "processing 100", "processing 100", ""], job_seconds=0)

    assert (task.poll(stop_early=True), task.count) == (None, 2)
    assert (task.poll(), task.count) == (None, 5)


def test_a_transient_failure_is_no_end(caplog):
    task = Task(Fault(method="GET", path=GET, times=9), texts=[""], job_seconds=0)

    assert task.poll() == ["Completed"]
    assert "the wait goes on" not in caplog.text


def test_while_the_vendor_is_away_no_poll_is_repeated_but_the_first():
    task = Task(Fault(method="GET", path=GET, times=None), texts=["", "", ""], job_seconds=0)

    assert task.poll() == ["Unreadable"] * 3
    assert task.count == 10 + 2


def test_ten_failures_in_a_row_end_the_waits_that_meet_them_and_no_others():
    task = Task(Fault(method="GET", path=GET, times=11), texts=["", "", ""], job_seconds=0)

    assert task.poll() == ["Unreadable", "Unreadable", "Completed"]
    assert [end.state for end in task.polls.results] == [ResultState.OPEN] * 2 + [ResultState.COMPLETED]


def test_a_wait_that_never_gives_up_goes_on():
    task = Task(Fault(method="GET", path=GET, times=11), texts=["", ""], job_seconds=0, max_errors=None)

    assert task.poll() is None
    assert task.poll() == ["Completed", "Completed"]


def test_a_round_is_over_if_the_vendor_asks_for_a_pause():
    fault = Fault(method="GET", path=GET, status=429, headers={"Retry-After": "3600"})
    task = Task(fault, texts=["", ""], job_seconds=0)

    assert (task.poll(), task.count) == (None, 1)
    assert 3590 < task.polls.cool_down_until - task.tenant.clock() <= 3600
    task.tenant.clock.now += 3600
    task.tenant.sandbox.add_fault(Fault(method="GET", path=GET, times=2))
    assert task.poll() == ["Completed", "Completed"], "a new round begins anew"


SET = pytest.mark.parametrize("hours", [1, -1])


@SET
def test_a_clock_that_is_set_leaves_a_retry_after_as_long_as_it_is(hours):
    fault = Fault(method="GET", path=GET, status=429, headers={"Retry-After": "400"})
    task = Task(fault, texts=["processing 9000", ""], job_seconds=0)

    assert (task.polls.cool_down, task.poll(), task.count) == (0, None, 1)
    task.tenant.clock.ahead = hours * 3600.0
    task.tenant.clock.now += 300
    assert (round(task.polls.cool_down), task.poll(), task.count) == (100, None, 2)
    task.tenant.clock.now += 101
    assert (task.polls.cool_down, task.poll(), task.count) == (0, None, 4)


@SET
def test_a_clock_that_is_set_leaves_a_new_job_ten_minutes_to_be_known(hours):
    task = Task(ids=["no-such-job"])
    task.begin()

    assert task.poll() is None
    task.tenant.clock.ahead = hours * 3600.0
    task.tenant.clock.now += 500
    assert task.poll() is None
    task.tenant.clock.now += 100
    assert task.poll() == ["NotFound"]


@SET
def test_a_clock_that_is_set_leaves_a_round_the_time_it_has(hours):
    task = Task(texts=["", ""], job_seconds=0)
    for flow in task.polls.poll_each(task.tenant.client(), stop_early=False):
        task.tenant.run(flow)
        task.tenant.clock.ahead = hours * 3600.0

    assert words(task.polls.results) == ["Completed"] * 2


@SET
def test_a_clock_that_is_set_leaves_a_deadline_as_far_away_as_it_is(hours):
    task = Task(texts=["processing 9000"], seconds=60, job_seconds=0)
    task.poll()
    task.tenant.clock.ahead = hours * 3600.0
    task.tenant.clock.now += 30
    task.tenant.sandbox.add_fault(Fault(method="GET", path=GET, times=None, headers={"Retry-After": "14"}))

    assert task.poll() is None
    assert [nap for nap in task.tenant.clock.naps if nap >= 14] == [14.0] * 2


def test_a_poll_that_succeeds_ends_an_outage():
    cooling = Fault(method="GET", path=GET, status=429, headers={"Retry-After": "3600"}, skip=1)
    task = Task(Fault(method="GET", path=GET, times=10), texts=["", "", ""], job_seconds=0)
    task.tenant.sandbox.add_fault(cooling)

    assert task.poll() is None
    task.tenant.clock.now += 3600
    assert task.poll() == ["Unreadable", "Completed", "Completed"]


def test_a_poll_is_not_repeated_beyond_the_deadline():
    task = Task(Fault(method="GET", path=GET, times=None), texts=["", ""], seconds=0)

    assert (task.poll(), task.count) == (None, 2)
    assert task.tenant.clock.naps == []


def test_what_has_ended_is_kept_at_a_time_out():
    task = Task(texts=["", "processing 100"], ids=["no-such-job"], job_seconds=0)
    task.poll()
    ends = task.polls.time_out("100 s have passed.")

    assert words(ends) == ["Completed", "TimedOut", "NotFound"]
    assert [end.job_id for end in ends] == task.job_ids
    assert isinstance(ends[1].error, TimedOut)
    late = f"Job {task.job_ids[1]} has not ended in time: 100 s have passed."
    assert str(ends[1].error) == f"{late} Last seen: it is Processing."


def test_of_no_jobs_the_ends_are_known():
    assert JobPolls([], PollOptions(0, 0), time.monotonic).results == []


NOT_YET = Fault(
    method="GET", path=GET, status=404, body=b'{"success": false, "reasons": [{"code": 50000040}]}'
)


def young(*faults, texts=("",), **settings):
    """Return a task whose wait has begun just now."""
    task = Task(*faults, texts=texts, job_seconds=0, **settings)
    task.begin()
    return task


def test_a_job_that_is_not_known_yet_is_asked_for_a_few_times_in_one_poll():
    task = young(replace(NOT_YET, times=3))

    assert (task.poll(), task.count) == (["Completed"], 4)
    assert task.tenant.clock.naps == [1.0, 2.0, 4.0]


def test_a_job_that_is_not_known_for_ten_minutes_has_not_ended_and_then_is_unknown():
    task = young(replace(NOT_YET, times=None))

    assert (task.poll(), task.count) == (None, 4)
    assert "Last seen: the last poll failed: Zuora: refused, there is no such thing" in str(
        task.polls.time_out("x").pop().error
    )
    task.tenant.clock.now = task.began + 599
    assert task.poll() is None or task.tenant.clock() > task.began + 600
    task.tenant.clock.now = task.began + 600
    assert task.poll() == ["NotFound"]


def test_of_many_that_are_not_known_yet_only_the_first_is_asked_for_again():
    task = young(replace(NOT_YET, times=None), texts=[""] * 5)

    assert (task.poll(), task.count) == (None, 4 + 4)


def test_a_vendor_that_is_away_ends_a_round_after_three_failures_in_a_row():
    task = Task(Fault(method="GET", path=GET, times=None), texts=[""] * 50, seconds=0, job_seconds=0)

    assert (task.poll(), task.count) == (None, 3)
    assert "Last seen: the last poll failed" in str(task.polls.time_out("x")[0].error)


def test_a_wait_that_gives_up_asks_for_no_more_than_three():
    task = Task(Fault(method="GET", path=GET, times=None), texts=[""] * 50, job_seconds=0)

    assert task.poll() == ["Unreadable"] * 3 + ["ApiError"] * 47
    assert task.count == 10 + 2
    assert {end.state for end in task.polls.results} == {ResultState.OPEN}
    assert "was not polled any more" in str(task.polls.results[-1].error)


def test_a_failure_now_and_then_ends_no_round():
    faults = [Fault(method="GET", path=GET, skip=skip, times=2) for skip in (0, 2, 4, 6)]
    task = Task(*faults, texts=[""] * 9, job_seconds=0, seconds=0)

    assert task.poll() is None
    assert task.count == 9


def test_a_slow_vendor_ends_a_round_after_five_minutes():
    task = Task(texts=[""] * 50, job_seconds=0, answer_seconds=0)
    flows = task.polls.poll_each(task.tenant.client(), stop_early=False)
    for flow in flows:
        task.tenant.run(flow)
        task.tenant.clock.now += 100

    assert task.count == 3
    assert task.polls.results is None
    assert task.poll() == ["Completed"] * 50, "the next round goes on where this one was over"
    assert task.count == 50


def test_an_unknown_status_word_is_in_the_error_at_the_deadline():
    queued = Fault(
        method="GET", path=GET, status=200, body=b'{"status": "Queued", "success": true}', times=None
    )
    task = Task(queued, texts=[""])

    assert task.poll() is None
    (end,) = task.polls.time_out("100 s have passed.")
    assert "its status is 'Queued', which nobody documents; known are processing, completed" in str(end.error)
