"""Waits for many jobs, in virtual time: one that fails stops no other, and one event tells of all."""

from __future__ import annotations

import json
import logging
import math
import random

import pytest

from airflow_provider_zuora.core.errors import JobFailed, TimedOut
from airflow_provider_zuora.core.job import Job, JobResult, JobState, ResultState
from airflow_provider_zuora.core.polling.events import (
    EVENT_SIZE,
    DeferredResults,
    ResultsEvent,
    WaitTotals,
    measure_json,
    pack_ids,
    read_order_number,
    read_results,
)
from airflow_provider_zuora.core.polling.job_list import reload_results, wait_for_each
from airflow_provider_zuora.core.polling.wait import (
    PollOptions,
    PollSchedule,
    WaitLog,
    make_steady_clock,
    wait_until_done,
)
from tests.conftest import ORDER
from tests.core.runners import Tenant
from zuora_sandbox import Fault
from zuora_sandbox.jobs import FIELD


def start_jobs(tenant, *texts):
    """Start a job for each text that tells how it is to end, and return the ids."""
    client, ids = tenant.client(), []
    for number, text in enumerate(texts):
        document = ORDER | {"orderNumber": f"O-{number}", "customFields": {FIELD: text}}
        request = client.vendor.build_submit_request("order", document, {})
        ids.append(
            tenant.run(client.submit(request.with_headers({"Idempotency-Key": f"k-{number}"}), "order"))
        )
    return ids


def wait(tenant, job_ids, seconds=math.inf, **options):
    """Wait for jobs, one after the other, as a single connection would."""
    now = tenant.clock()
    wait = PollOptions(now, now, now + seconds, schedule=PollSchedule(10.0), **options)
    event = ResultsEvent(job_ids)
    for flow in waits(tenant, job_ids, wait, event):
        tenant.run(flow)
    return event


def waits(tenant, job_ids, options, event):
    """Return the flows of the waits for jobs, which tell an event of their results."""
    client = tenant.client()
    now = make_steady_clock(client.clock, client.ticks, options.started)
    return wait_for_each(client, job_ids, options, now, event.add)


def event_of(event):
    return json.loads(json.dumps(event.as_event()))


def words(results):
    return [each.job.status if each.job else type(each.error).__name__ for each in results]


def reload(tenant, deferred):
    return [tenant.run(flow) for flow in reload_results(tenant.client(), deferred)]


def count_polls(tenant):
    return tenant.ledger["requests"].get("GET /v1/async-jobs/{jobId}", 0)


def test_each_ends_in_its_own_way():
    tenant = Tenant(job_seconds=5)
    first, late, failed = start_jobs(tenant, "", "processing 1000", "fail [40000020]: No")
    read = read_results(event_of(wait(tenant, [first, "no-such-job", late, failed], 700)))

    assert words(read) == ["Completed", "ApiError", "TimedOut", "Failed"]
    assert [end.job_id for end in read] == [first, "no-such-job", late, failed]
    assert "Cannot find response for job" in str(read[1].error)
    assert "has not ended in time, it is Processing" in str(read[2].error)
    with pytest.raises(JobFailed, match="40000020"):
        raise read[3].error
    with pytest.raises(TimedOut, match=late):
        _ = read[2].result


def test_a_job_whose_turn_comes_late_costs_one_poll():
    tenant = Tenant(job_seconds=30)
    job_ids = start_jobs(tenant, *[""] * 30)

    assert words(read_results(event_of(wait(tenant, job_ids)))) == ["Completed"] * 30
    assert count_polls(tenant) == 4 + 29


def test_after_an_outage_has_ended_one_wait_the_others_are_given_up_soon():
    tenant = Tenant(Fault(method="GET", times=None))
    job_ids = start_jobs(tenant, *[""] * 5)
    read = read_results(event_of(wait(tenant, job_ids, max_errors=10)))

    assert words(read) == ["ApiError"] * 5
    assert {end.state for end in read} == {ResultState.OPEN}
    assert tenant.ledger["recent"][-1]["path"].endswith(job_ids[2])
    assert len(tenant.sent) - 5 - 1 == 10 + 2  # submissions and the sign-in apart
    assert "the last polls of others had failed" in str(read[-1].error)


def test_a_poll_that_succeeds_ends_an_outage():
    tenant = Tenant(Fault(method="GET", times=10), Fault(method="GET", times=3, skip=1), job_seconds=0)
    job_ids = start_jobs(tenant, *[""] * 3)

    assert words(read_results(event_of(wait(tenant, job_ids)))) == ["ApiError", "Completed", "Completed"]


@pytest.mark.parametrize("max_errors", [None, 10])
def test_a_wait_that_never_gives_up_is_not_hurried(max_errors):
    tenant = Tenant(Fault(method="GET", times=25), job_seconds=0)
    job_ids = start_jobs(tenant, *[""] * 2)
    found = words(read_results(event_of(wait(tenant, job_ids, max_errors=max_errors))))

    assert found == (["Completed"] * 2 if max_errors is None else ["ApiError"] * 2)


def test_what_is_too_large_for_an_event_is_read_again():
    tenant = Tenant(job_seconds=0)
    job_ids = start_jobs(tenant, *[""] * 80)
    ends = wait(tenant, [*job_ids, "no-such-job"])
    event = event_of(ends)
    unread = read_results(event)

    assert set(event) == {"status", "job_ids", "states", "seen_at", "order_numbers"}
    assert ends._whole == {}
    numbers = (*(f"O-{number}" for number in range(80)), "")
    assert unread == DeferredResults(
        (*job_ids, "no-such-job"),
        (ResultState.COMPLETED,) * 80 + (ResultState.UNKNOWN,),
        numbers,
        round(tenant.clock()),
    )
    again = reload(tenant, unread)
    assert words(again) == ["Completed"] * 80 + ["NotFound"]
    assert [end.job_id for end in again] == [*job_ids, "no-such-job"]


def test_an_event_carries_what_fits():
    tenant = Tenant(job_seconds=0)
    job_ids = start_jobs(tenant, *[""] * 60)
    events = [wait(tenant, job_ids[:count]).as_event() for count in range(30, 60)]
    whole = [len(json.dumps(event)) for event in events if "results" in event]

    assert 0 < len(whole) < 30
    assert EVENT_SIZE - 1000 < max(whole) <= EVENT_SIZE + 100


def test_what_no_database_takes_is_read_again_too():
    """JSON has no NaN, though Python reads and writes it: PostgreSQL would end the triggerer."""
    ends = ResultsEvent(["j"])
    ends.add(made("j", {"amount": math.nan}), 0)

    assert ends.as_event()["states"] == "c"


def made(job_id, result):
    return JobResult.of_job(Job(job_id, JobState.SUCCEEDED, "Completed", result))


@pytest.mark.parametrize("number", [None, 7, "O 1", "O\n1", "\ue010", "O" * 101, ""])
def test_an_order_number_that_is_none_does_not_travel(number):
    assert read_order_number(made("j", {"orderNumber": number})) == ""
    assert read_order_number(made("j", ["O-1"])) == ""


def test_order_numbers_travel_if_there_is_room():
    chance = random.Random(1)
    numbers = ["".join(chance.choices("ABCDEFGHIJKLMNOPQRSTUVWXYZ", k=90)) for _ in range(600)]
    job_ids = [f"{chance.getrandbits(128):032x}" for _ in range(600)]
    ends = ResultsEvent(job_ids)
    for job_id, number in zip(job_ids, numbers, strict=True):
        ends.add(made(job_id, {"orderNumber": number}), 0)
    unread = read_results(event_of(ends))

    assert (unread.states, unread.order_numbers) == ((ResultState.COMPLETED,) * 600, ())
    assert len(json.dumps(ends.as_event())) < EVENT_SIZE


def test_long_after_the_deadline_no_poll_is_begun():
    """A vendor that takes its time costs a list no more than the last polls that fit into two minutes."""
    tenant = Tenant()
    job_ids = start_jobs(tenant, *["processing 1000"] * 5)
    ends, now = ResultsEvent(job_ids), tenant.clock()
    for flow in waits(tenant, job_ids, PollOptions(now, now, now + 10), ends):
        tenant.run(flow)
        tenant.clock.now += 50

    read = read_results(event_of(ends))
    assert words(read) == ["TimedOut"] * 5
    assert "its turn to be polled did not come" in str(read[-1].error)
    assert count_polls(tenant) == 2 + 2


@pytest.mark.parametrize("hours", [1, -1])
def test_a_clock_that_is_set_leaves_all_jobs_of_a_list_the_time_they_have(hours):
    tenant = Tenant()
    job_ids = start_jobs(tenant, *["processing 1000"] * 3)
    ends, began = ResultsEvent(job_ids), tenant.clock.now
    for flow in waits(tenant, job_ids, PollOptions(began, began, began + 100), ends):
        tenant.run(flow)
        tenant.clock.ahead += hours * 3600.0

    assert words(read_results(event_of(ends))) == ["TimedOut"] * 3
    assert "its turn" not in ends.as_event()["results"][-1]["error"]["message"]
    assert tenant.clock.now - began == pytest.approx(100)


def test_the_log_tells_of_each_tenth(caplog):
    caplog.set_level(logging.INFO)
    tenant = Tenant(job_seconds=0)
    wait(tenant, start_jobs(tenant, *[""] * 25))
    wait(tenant, start_jobs(tenant, ""))

    logged = [record.message for record in caplog.records if "are over" in record.message]
    assert logged[0] == "The waits for 3 of 25 jobs are over"
    assert logged[-1] == "The waits for 25 of 25 jobs are over"
    assert len(logged) == 10


JOB = {"job_id": "j", "state": "succeeded", "status": "Completed", "result": {}, "transient": False}
WHOLE = {"job_id": "j", "job": {**JOB, "info": None, "locked": False}, "error": None}
ERROR = {"message": "m", "transient": False, "is_timeout": True}


def test_an_event_is_read():
    assert words(read_results({"results": [WHOLE, WHOLE | {"job": None, "error": ERROR}]})) == [
        "Completed",
        "TimedOut",
    ]


@pytest.mark.parametrize(
    "event",
    [
        {},
        {"results": []},
        {"results": None},
        {"results": ["Completed"]},
        {"results": [WHOLE | {"job": None}]},
        {"results": [WHOLE | {"error": ERROR}]},
        {"results": [WHOLE | {"job_id": "other"}]},
        {"results": [WHOLE | {"job": WHOLE["job"] | {"state": "active"}}]},
        {"results": [WHOLE | {"job": WHOLE["job"] | {"state": "merry"}}]},
        {"states": "f"},
        {"states": "ff", "job_ids": pack_ids(["a"])},
        {"states": "x", "job_ids": pack_ids(["a"])},
        {"states": "f", "job_ids": "a"},
        {"states": "f", "job_ids": None},
        {"states": "c", "job_ids": pack_ids(["a"]), "order_numbers": pack_ids(["O-1", "O-2"])},
        {"states": "c", "job_ids": pack_ids(["a"]), "seen_at": "yesterday"},
    ],
)
def test_an_event_that_is_not_ours_is_an_error(event):
    with pytest.raises((ValueError, TypeError, KeyError)):
        read_results(event)


def test_an_end_of_nothing_is_no_end():
    with pytest.raises(ValueError, match="a job or an error"):
        _ = JobResult("j").result


@pytest.mark.parametrize("late", [0, 299, 3600])
def test_a_wait_whose_time_was_up_long_ago_is_polled_once_all_the_same(late):
    """The triggerer was away, or its clock is ahead."""
    tenant = Tenant(job_seconds=0)
    job_ids = start_jobs(tenant, "", "")
    tenant.clock.now += 1
    deadline = tenant.clock() - late
    ends = ResultsEvent(job_ids)
    for flow in waits(tenant, job_ids, PollOptions(deadline - 60, deadline - 50, deadline), ends):
        tenant.run(flow)

    assert words(read_results(ends.as_event())) == ["Completed"] * 2


@pytest.mark.parametrize("large", ["x" * 100, {"x" * 100: 1}, list(range(100)), [[[0] * 100]]])
def test_what_is_surely_too_large_is_not_written_as_json(large):
    """Writing all of it would hold the event loop; what JSON cannot hold would be an error."""
    with pytest.raises(TypeError):
        measure_json({"odd": object()}, 99)
    assert measure_json({"odd": object(), "large": large}, 99) == 100


@pytest.mark.parametrize("value", [{}, {"a": None, "b": [1.5, "\u00e4", {"c": True}]}, {"a": "x" * 92}])
def test_the_size_of_what_may_fit_is_that_of_its_json(value):
    assert measure_json(value, 99) == len(json.dumps(value))


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ({"polls": 3, "started": 7, "track_id": "af-1"}, WaitTotals(3, 7.0, "af-1")),
        ({"polls": True, "started": "7", "track_id": None}, WaitTotals()),
        ({"polls": -1}, WaitTotals()),
        ({}, WaitTotals()),
        (None, WaitTotals()),
    ],
)
def test_what_a_wait_took_is_unknown_where_an_event_does_not_say_so(values, expected):
    assert WaitTotals.read(values) == expected


def test_polls_are_added_up_unless_nobody_knows_how_many_there_were():
    before = WaitTotals(1, 7.0, "af-1")
    assert WaitTotals.read(json.loads(json.dumps(before.as_dict()))) == before
    assert before.with_polls(3) == WaitTotals(4, 7.0, "af-1")
    assert WaitTotals().with_polls(3) == WaitTotals()


def test_a_list_has_one_line_a_minute_for_all_of_its_jobs(caplog):
    """Each of its jobs changes, and is polled many times; a log of 2,000 such waits helps nobody."""
    caplog.set_level(logging.INFO)
    tenant, polls = Tenant(job_seconds=0), 0
    job_ids = start_jobs(tenant, "", *["processing 200"] * 3)
    now = tenant.clock
    wait_log = WaitLog(now, len(job_ids))
    options = PollOptions(now(), now(), math.inf, PollSchedule(20.0))
    for job_id in job_ids:
        result = tenant.run(wait_until_done(tenant.client(), job_id, options, now=now, wait_log=wait_log))
        wait_log.add_end(result)
        polls += result.polls

    lines = [text for text in caplog.messages if "polled" in text]
    assert wait_log.polls == polls > 8
    assert 1 <= len(lines) <= 200 / 60
    assert lines[0].startswith(f"1 of 4 jobs are over; Job {job_ids[1]}: it is Processing; polled ")
