"""Waits for many jobs, in virtual time: one that fails stops no other, and one event tells of all."""

from __future__ import annotations

import json
import logging
import math

import pytest

from airflow_provider_zuora.core.ends import EVENT_SIZE, End, Ends, Unread, read_ends
from airflow_provider_zuora.core.errors import ApiError, JobFailed, TimedOut
from airflow_provider_zuora.core.ids import packed
from airflow_provider_zuora.core.waiting import Pauses, Wait
from airflow_provider_zuora.sandbox.jobs import FIELD
from airflow_provider_zuora.sandbox.settings import Fault
from tests.conftest import ORDER
from tests.core.carriers import Tenant


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


def looks(tenant):
    return tenant.ledger["requests"].get("GET /v1/async-jobs/{jobId}", 0)


def test_each_ends_in_its_own_way():
    tenant = Tenant(job_seconds=5)
    first, late, failed = jobs(tenant, "", "processing 1000", "fail [40000020]: No")
    read = read_ends(event_of(waited(tenant, [first, "no-such-job", late, failed], 100)))

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
    assert tenant.ledger["recent"][-1]["path"].endswith(job_ids[-1])
    assert len(tenant.sent) - 5 - 1 == 10 + 4  # submissions and the sign-in apart


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

    assert set(event) == {"status", "job_ids", "letters"}
    assert ends._whole == {}
    assert unread == Unread((*job_ids, "no-such-job"), "e" * 80 + "f")
    again = [tenant.run(flow) for flow in unread.again(tenant.client())]
    assert words(again) == ["Completed"] * 80 + ["NotFound"]
    assert [end.job_id for end in again] == [*job_ids, "no-such-job"]


def test_an_event_carries_what_fits():
    tenant = Tenant(job_seconds=0)
    job_ids = jobs(tenant, *[""] * 60)
    events = [waited(tenant, job_ids[:count]).as_event() for count in range(30, 60)]
    whole = [len(json.dumps(event)) for event in events if "ends" in event]

    assert 0 < len(whole) < 30
    assert EVENT_SIZE - 1000 < max(whole) <= EVENT_SIZE + 100


@pytest.mark.parametrize(("letter", "kind"), [("t", TimedOut), ("f", ApiError), ("e", ApiError)])
def test_a_job_that_is_read_again_and_goes_on_stays_without_a_result(letter, kind):
    tenant = Tenant(job_seconds=1000)
    (job_id,) = jobs(tenant, "")
    (flow,) = Unread((job_id,), letter).again(tenant.client())
    end = tenant.run(flow)

    assert (type(end.error), end.gave_up) == (kind, kind is ApiError)
    assert "it is Processing" in str(end.error)


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
    ],
)
def test_an_event_that_is_not_ours_is_an_error(event):
    with pytest.raises((ValueError, TypeError, KeyError)):
        read_ends(event)


def test_an_end_of_nothing_is_no_end():
    with pytest.raises(ValueError, match="a job or an error"):
        End("j").ended()
