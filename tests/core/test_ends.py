"""Waits for many jobs, in virtual time: one that fails stops no other, and one event tells of all."""

from __future__ import annotations

import json
import logging
import math
import random

import pytest

from airflow_provider_zuora.core.ends import EVENT_SIZE, End, Ends, Unread, _size, read_ends
from airflow_provider_zuora.core.errors import JobFailed, TimedOut
from airflow_provider_zuora.core.ids import packed
from airflow_provider_zuora.core.jobs import Job, JobState
from airflow_provider_zuora.core.rereads import reread_ends
from airflow_provider_zuora.core.waiting import Pauses, Wait
from tests.conftest import ORDER
from tests.core.carriers import Tenant
from zuora_sandbox import Fault
from zuora_sandbox.jobs import FIELD


def jobs(tenant, *told):
    """Start a job for each text that tells how it is to end, and return the ids."""
    client, ids = tenant.client(), []
    for number, text in enumerate(told):
        document = ORDER | {"orderNumber": f"O-{number}", "customFields": {FIELD: text}}
        request = client.vendor.submission("order", document, {})
        ids.append(tenant.run(client.submit(request.with_headers({"Idempotency-Key": f"k-{number}"}))))
    return ids


def waited(tenant, job_ids, seconds=math.inf, **options):
    """Wait for jobs, one after the other, as a single connection would."""
    now = tenant.clock()
    wait = Wait(now, now, now + seconds, pauses=Pauses(10.0), **options)
    ends = Ends(job_ids)
    for flow in ends.flows(tenant.client(), wait):
        tenant.run(flow)
    return ends


def event_of(ends):
    return json.loads(json.dumps(ends.as_event()))


def words(ends):
    return [end.job.status if end.job else type(end.error).__name__ for end in ends]


def reread(tenant, unread):
    return [tenant.run(flow) for flow in reread_ends(tenant.client(), unread)]


def looks(tenant):
    return tenant.ledger["requests"].get("GET /v1/async-jobs/{jobId}", 0)


def test_each_ends_in_its_own_way():
    tenant = Tenant(job_seconds=5)
    first, late, failed = jobs(tenant, "", "processing 1000", "fail [40000020]: No")
    read = read_ends(event_of(waited(tenant, [first, "no-such-job", late, failed], 700)))

    assert words(read) == ["Completed", "ApiError", "TimedOut", "Failed"]
    assert [end.job_id for end in read] == [first, "no-such-job", late, failed]
    assert "Cannot find response for job" in str(read[1].error)
    assert "has not ended in time, it is Processing" in str(read[2].error)
    with pytest.raises(JobFailed, match="40000020"):
        read[3].ended().outcome()
    with pytest.raises(TimedOut, match=late):
        read[2].ended()


def test_a_job_whose_turn_comes_late_costs_one_look():
    tenant = Tenant(job_seconds=30)
    job_ids = jobs(tenant, *[""] * 30)

    assert words(read_ends(event_of(waited(tenant, job_ids)))) == ["Completed"] * 30
    assert looks(tenant) == 4 + 29


def test_after_an_outage_has_ended_one_wait_the_others_are_given_up_soon():
    tenant = Tenant(Fault(method="GET", times=None))
    job_ids = jobs(tenant, *[""] * 5)
    read = read_ends(event_of(waited(tenant, job_ids, max_errors=10)))

    assert words(read) == ["ApiError"] * 5
    assert all(end.gave_up for end in read)
    assert tenant.ledger["recent"][-1]["path"].endswith(job_ids[2])
    assert len(tenant.sent) - 5 - 1 == 10 + 2  # submissions and the sign-in apart
    assert "the last looks at others had failed" in str(read[-1].error)


def test_patience_comes_back_with_the_vendor():
    tenant = Tenant(Fault(method="GET", times=10), Fault(method="GET", times=3, skip=1), job_seconds=0)
    job_ids = jobs(tenant, *[""] * 3)

    assert words(read_ends(event_of(waited(tenant, job_ids)))) == ["ApiError", "Completed", "Completed"]


@pytest.mark.parametrize("max_errors", [None, 10])
def test_a_wait_that_never_gives_up_is_not_hurried(max_errors):
    tenant = Tenant(Fault(method="GET", times=25), job_seconds=0)
    job_ids = jobs(tenant, *[""] * 2)
    found = words(read_ends(event_of(waited(tenant, job_ids, max_errors=max_errors))))

    assert found == (["Completed"] * 2 if max_errors is None else ["ApiError"] * 2)


def test_what_is_too_large_for_an_event_is_read_again():
    tenant = Tenant(job_seconds=0)
    job_ids = jobs(tenant, *[""] * 80)
    ends = waited(tenant, [*job_ids, "no-such-job"])
    event = event_of(ends)
    unread = read_ends(event)

    assert set(event) == {"status", "job_ids", "letters", "seen", "orders"}
    assert ends._whole == {}
    numbers = (*(f"O-{number}" for number in range(80)), "")
    assert unread == Unread((*job_ids, "no-such-job"), "c" * 80 + "f", numbers, round(tenant.clock()))
    again = reread(tenant, unread)
    assert words(again) == ["Completed"] * 80 + ["NotFound"]
    assert [end.job_id for end in again] == [*job_ids, "no-such-job"]


def test_an_event_carries_what_fits():
    tenant = Tenant(job_seconds=0)
    job_ids = jobs(tenant, *[""] * 60)
    events = [waited(tenant, job_ids[:count]).as_event() for count in range(30, 60)]
    whole = [len(json.dumps(event)) for event in events if "ends" in event]

    assert 0 < len(whole) < 30
    assert EVENT_SIZE - 1000 < max(whole) <= EVENT_SIZE + 100


def test_what_no_database_takes_is_read_again_too():
    """JSON has no NaN, though Python reads and writes it: PostgreSQL would end the triggerer."""
    ends = Ends(["j"])
    ends._note(0, End("j", Job("j", JobState.SUCCEEDED, "Completed", {"amount": math.nan})))

    assert ends.as_event()["letters"] == "c"


@pytest.mark.parametrize("number", [None, 7, "O 1", "O\n1", "\ue010", "O" * 101, ""])
def test_an_order_number_that_is_none_does_not_travel(number):
    end = End("j", Job("j", JobState.SUCCEEDED, "Completed", {"orderNumber": number}))

    assert end.order_number == ""
    assert End("j", Job("j", JobState.SUCCEEDED, "Completed", ["O-1"])).order_number == ""


def test_order_numbers_travel_where_there_is_room():
    chance = random.Random(1)
    numbers = ["".join(chance.choices("ABCDEFGHIJKLMNOPQRSTUVWXYZ", k=90)) for _ in range(600)]
    ends = Ends([f"{chance.getrandbits(128):032x}" for _ in range(600)])
    for index, number in enumerate(numbers):
        result = {"orderNumber": number}
        ends._note(index, End(ends.job_ids[index], Job("j", JobState.SUCCEEDED, "Completed", result)))
    unread = read_ends(event_of(ends))

    assert (unread.letters, unread.orders) == ("c" * 600, ())
    assert len(json.dumps(ends.as_event())) < EVENT_SIZE


def test_long_after_the_deadline_no_look_is_begun():
    """A vendor that takes its time costs a list no more than the last looks that fit into two minutes."""
    tenant = Tenant()
    job_ids = jobs(tenant, *["processing 1000"] * 5)
    ends, now = Ends(job_ids), tenant.clock()
    for flow in ends.flows(tenant.client(), Wait(now, now, now + 10)):
        tenant.run(flow)
        tenant.clock.now += 50

    read = read_ends(event_of(ends))
    assert words(read) == ["TimedOut"] * 5
    assert "its turn to be looked at did not come" in str(read[-1].error)
    assert looks(tenant) == 2 + 2


@pytest.mark.parametrize("hours", [1, -1])
def test_a_clock_that_is_set_leaves_all_jobs_of_a_list_the_time_they_have(hours):
    tenant = Tenant()
    job_ids = jobs(tenant, *["processing 1000"] * 3)
    ends, began = Ends(job_ids), tenant.clock.now
    for flow in ends.flows(tenant.client(), Wait(began, began, began + 100)):
        tenant.run(flow)
        tenant.clock.ahead += hours * 3600.0

    assert words(read_ends(event_of(ends))) == ["TimedOut"] * 3
    assert "its turn" not in ends.as_event()["ends"][-1]["error"]["message"]
    assert tenant.clock.now - began == pytest.approx(100)


def test_the_log_tells_of_each_tenth(caplog):
    caplog.set_level(logging.INFO)
    tenant = Tenant(job_seconds=0)
    waited(tenant, jobs(tenant, *[""] * 25))
    waited(tenant, jobs(tenant, ""))

    told = [record.message for record in caplog.records if "are over" in record.message]
    assert told[0] == "The waits for 3 of 25 jobs are over"
    assert told[-1] == "The waits for 25 of 25 jobs are over"
    assert len(told) == 10


JOB = {"job_id": "j", "state": "succeeded", "status": "Completed", "result": {}, "transient": False}
WHOLE = {"job_id": "j", "job": {**JOB, "answer": None, "locked": False}, "error": None}
ERROR = {"message": "m", "transient": False, "late": True}


def test_an_event_is_read():
    assert words(read_ends({"ends": [WHOLE, WHOLE | {"job": None, "error": ERROR}]})) == [
        "Completed",
        "TimedOut",
    ]


@pytest.mark.parametrize(
    "event",
    [
        {},
        {"ends": []},
        {"ends": None},
        {"ends": ["Completed"]},
        {"ends": [WHOLE | {"job": None}]},
        {"ends": [WHOLE | {"error": ERROR}]},
        {"ends": [WHOLE | {"job_id": "other"}]},
        {"ends": [WHOLE | {"job": WHOLE["job"] | {"state": "active"}}]},
        {"ends": [WHOLE | {"job": WHOLE["job"] | {"state": "merry"}}]},
        {"letters": "e"},
        {"letters": "ee", "job_ids": packed(["a"])},
        {"letters": "x", "job_ids": packed(["a"])},
        {"letters": "e", "job_ids": "a"},
        {"letters": "e", "job_ids": None},
        {"letters": "c", "job_ids": packed(["a"]), "orders": packed(["O-1", "O-2"])},
        {"letters": "c", "job_ids": packed(["a"]), "seen": "yesterday"},
    ],
)
def test_an_event_that_is_not_ours_is_an_error(event):
    with pytest.raises((ValueError, TypeError, KeyError)):
        read_ends(event)


def test_an_end_of_nothing_is_no_end():
    with pytest.raises(ValueError, match="a job or an error"):
        End("j").ended()


@pytest.mark.parametrize("late", [0, 299, 3600])
def test_a_wait_whose_time_was_up_long_ago_is_looked_at_once_all_the_same(late):
    """The triggerer was away, or its clock is ahead."""
    tenant = Tenant(job_seconds=0)
    job_ids = jobs(tenant, "", "")
    tenant.clock.now += 1
    deadline = tenant.clock() - late
    ends = Ends(job_ids)
    for flow in ends.flows(tenant.client(), Wait(deadline - 60, deadline - 50, deadline)):
        tenant.run(flow)

    assert words(read_ends(ends.as_event())) == ["Completed"] * 2


@pytest.mark.parametrize("large", ["x" * 100, {"x" * 100: 1}, list(range(100)), [[[0] * 100]]])
def test_what_is_surely_too_large_is_not_written_as_json(large):
    """Writing all of it would hold the event loop; what JSON cannot hold would be an error."""
    with pytest.raises(TypeError):
        _size({"odd": object()}, 99)
    assert _size({"odd": object(), "large": large}, 99) == 100


@pytest.mark.parametrize("value", [{}, {"a": None, "b": [1.5, "\u00e4", {"c": True}]}, {"a": "x" * 92}])
def test_the_size_of_what_may_fit_is_that_of_its_json(value):
    assert _size(value, 99) == len(json.dumps(value))
