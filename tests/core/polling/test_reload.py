"""What a trigger has seen and could not carry is read again, and is never lost, in virtual time."""

from __future__ import annotations

from dataclasses import replace

import pytest

from airflow_provider_zuora.core.errors import ApiError, JobFailed, NotFound, ResultLost, TimedOut
from airflow_provider_zuora.core.job import JobState, ResultState
from airflow_provider_zuora.core.polling.events import DeferredResults
from airflow_provider_zuora.core.polling.job_list import reload_results
from airflow_provider_zuora.core.vendors.zuora.order_page import NUMBERED_ORDER
from airflow_provider_zuora.core.vendors.zuora.vendor import Zuora
from tests.core.polling.test_events import count_polls, reload, start_jobs, words
from tests.core.runners import Tenant
from zuora_sandbox import Fault

JOBS, ORDERS = "/v1/async-jobs/", "/v1/orders/"
SEEN = 1_700_000_000.0
GONE = {"method": "GET", "status": 404, "body": b'{"success": false, "reasons": [{"code": 50000040}]}'}
AWAY = {"method": "GET", "status": 503}


COMPLETED, FAILED, TIMED_OUT, OPEN = (
    ResultState.COMPLETED,
    ResultState.FAILED,
    ResultState.TIMED_OUT,
    ResultState.OPEN,
)


def end_of(tenant, state=COMPLETED, order="O-0", seconds=0):
    """Read one job again whose result was seen."""
    (job_id,) = start_jobs(tenant, "")
    tenant.clock.now += seconds
    (end,) = reload(tenant, DeferredResults((job_id,), (state,), (order,), SEEN))
    return end


def state_of(end):
    return end.state


@pytest.mark.parametrize("state", [COMPLETED, FAILED, TIMED_OUT, OPEN])
def test_a_job_that_can_be_read_is_as_it_is(state):
    assert end_of(Tenant(job_seconds=0), state).job.result["orderNumber"] == "O-0"


@pytest.mark.parametrize("times", [1, 3])
def test_a_job_that_was_seen_to_complete_is_asked_for_again_if_it_is_not_found(times):
    end = end_of(Tenant(Fault(path=JOBS, times=times, **GONE), job_seconds=0))

    assert words([end]) == ["Completed"]
    assert end.job.result["jobType"] == "AsyncCreateOrder"


@pytest.mark.parametrize(
    "fault",
    [
        {"path": JOBS, "times": None, **GONE},
        {"path": JOBS, "times": None, **AWAY},
        {"path": JOBS, "times": None, "status": 200, "body": b'{"status": "Processing"}', "method": "GET"},
    ],
    ids=["forgotten", "away", "turned back"],
)
def test_a_result_that_cannot_be_read_any_more_is_taken_from_its_order(fault, caplog):
    end = end_of(Tenant(Fault(**fault), job_seconds=0), seconds=1)

    assert end.job.result["orderNumber"] == "O-0"
    assert end.job.result["success"] is True
    assert not end.job.job_id.startswith("order:")
    assert "was seen to complete, and its result cannot be read any more" in caplog.text


def test_if_the_order_cannot_be_read_either_the_error_says_that_it_completed():
    tenant = Tenant(
        Fault(path=JOBS, times=None, **GONE), Fault(path=ORDERS, times=None, **GONE), job_seconds=0
    )
    end = end_of(tenant)

    assert isinstance(end.error, ResultLost)
    assert f"Job {end.job_id}, order O-0, was seen Completed at 2023-11-14T22:13:20Z" in str(end.error)
    assert "Do not submit it again; look it up at Zuora." in str(end.error)
    assert (state_of(end), end.error.transient) == ("unread", False)


def test_an_order_that_is_not_there_as_long_as_the_vendor_is_away_is_asked_for_by_a_retry():
    tenant = Tenant(
        Fault(path=JOBS, times=None, **GONE), Fault(path=ORDERS, times=None, **AWAY), job_seconds=0
    )
    end = end_of(tenant)

    assert isinstance(end.error, ResultLost)
    assert (state_of(end), end.error.transient) == ("open", True)


@pytest.mark.parametrize("order", ["", "O-0"])
def test_without_a_number_the_error_says_that_it_completed(order):
    tenant = Tenant(Fault(path=JOBS, times=None, **GONE), job_seconds=0)
    end = end_of(tenant, order=order)

    assert (state_of(end), "seen Completed" in str(end.error)) == (
        ("completed", False) if order else ("unread", True)
    )


def test_a_failure_that_was_seen_stays_one():
    end = end_of(Tenant(Fault(path=JOBS, times=None, **GONE), job_seconds=0), FAILED)

    assert isinstance(end.error, JobFailed)
    assert state_of(end) == "failed"
    assert "was seen to have failed at 2023-11-14T22:13:20Z; why cannot be read" in str(end.error)


@pytest.mark.parametrize(("seen", "kind"), [(TIMED_OUT, NotFound), (OPEN, NotFound)])
def test_an_unknown_job_whose_end_was_not_seen_stays_unknown(seen, kind):
    end = end_of(Tenant(Fault(path=JOBS, times=None, **GONE), job_seconds=0), seen)

    assert type(end.error) is kind
    assert state_of(end) == "unknown"


@pytest.mark.parametrize(
    ("seen", "order", "kind"),
    [(TIMED_OUT, "", TimedOut), (OPEN, "", ApiError), (FAILED, "", ApiError), (COMPLETED, "", ResultLost)],
)
def test_a_job_that_is_read_again_and_goes_on_stays_without_a_result(seen, order, kind):
    end = end_of(Tenant(job_seconds=1000), seen, order)

    assert (type(end.error), end.state is OPEN) == (kind, kind is not TimedOut)
    assert "it is Processing" in str(end.error)


def read_executing(job_id, body, info):
    job = NUMBERED_ORDER.read_job(job_id, body, info)
    return replace(job, state=JobState.ACTIVE, status="Executing")


class Executing(Zuora):
    """A vendor whose orders are all under way."""

    kinds = Zuora.kinds | {"order by number": replace(NUMBERED_ORDER, read_job=read_executing)}


def test_an_order_that_is_still_carried_out_is_no_result():
    tenant = Tenant(Fault(path=JOBS, times=None, **GONE), job_seconds=0)
    tenant.vendor = Executing()
    end = end_of(tenant)

    assert isinstance(end.error, ResultLost)
    assert (end.state is OPEN, "its order O-0 is Executing" in str(end.error)) == (True, True)


def test_a_vendor_that_is_away_is_not_asked_for_each_of_a_long_list():
    tenant = Tenant(Fault(path="/v1/", times=None, **AWAY))
    count = 500
    ids = tuple(f"{number:032x}" for number in range(count))
    states = (COMPLETED, TIMED_OUT, OPEN) + (COMPLETED,) * (count - 3)
    ends = reload(tenant, DeferredResults(ids, states, (), SEEN))

    assert [type(end.error) for end in (ends[0], ends[-1])] == [ResultLost] * 2
    assert "it was not read again, the last reads had failed" in str(ends[-1].error)
    assert {end.state for end in ends} == {OPEN}
    assert count_polls(tenant) == 10 + 2


def test_a_clock_that_is_set_leaves_the_jobs_of_a_list_the_time_they_have():
    tenant = Tenant(job_seconds=0)
    job_ids = tuple(start_jobs(tenant, *[""] * 3))
    ends = []
    for flow in reload_results(tenant.client(), DeferredResults(job_ids, (COMPLETED,) * 3, (), SEEN)):
        ends.append(tenant.run(flow))
        tenant.clock.ahead = 3600.0

    assert words(ends) == ["Completed"] * 3
