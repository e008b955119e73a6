"""Waiting for many jobs, by sensor and trigger, against a served sandbox."""

from __future__ import annotations

import asyncio
import json
import random
import time
from datetime import timedelta
from types import SimpleNamespace

import pytest
from airflow.providers.common.compat.sdk import (
    AirflowSensorTimeout,
    AirflowSkipException,
    AirflowTaskTimeout,
    TaskDeferred,
)

from airflow_provider_zuora.core.job import ResultState
from airflow_provider_zuora.core.polling.events import pack_ids
from airflow_provider_zuora.exceptions import PermanentError, TransientError
from airflow_provider_zuora.sensors.zuora import ZuoraJobSensor
from airflow_provider_zuora.triggers.jobs import ZuoraJobTrigger, read_event
from tests.conftest import ORDER, WAITING
from zuora_sandbox import Settings
from zuora_sandbox.jobs import FIELD

pytestmark = pytest.mark.usefixtures("reschedule_dates")

JOBS = "/v1/async-jobs/"
OUTAGE = {"method": "GET", "path": JOBS, "status": 503}
NO = b'{"success": false, "reasons": [{"code": 50000010, "message": "No permission"}]}'
HIDDEN = {"method": "GET", "path": f"{JOBS}hidden", "status": 403, "body": NO, "times": None}
LONG = "processing 1000000"
WAYS = {
    "first poll": {},
    "poke": {"deferrable": False, "poke_interval": 0},
    "reschedule": {"deferrable": False, "mode": "reschedule"},
    "resumed": {},
}


@pytest.fixture(autouse=True)
def patient(zuora):
    """Leaps of the sandbox's clock leave tokens as they are, so that calls can be counted."""
    zuora.sandbox.settings = Settings(job_seconds=0, token_seconds=9e8)


def submit(zuora, *texts):
    """Start a job for each text that tells how it is to end, and return the ids."""
    account = zuora.make_session()
    client, ids = account.client(), []
    for number, text in enumerate(texts):
        document = ORDER | {"orderNumber": f"O-{number}", "customFields": {FIELD: text}}
        request = client.vendor.build_submit_request("order", document, {})
        ids.append(
            account.run(client.submit(request.with_headers({"Idempotency-Key": f"k-{number}"}), "order"))
        )
    account.close()
    return ids


class Task:
    """One task instance that waits for a list."""

    def __init__(self, job_ids, **options):
        self.sensor = ZuoraJobSensor(task_id="wait", job_id=job_ids, **options)
        self.xcoms = {}
        push = lambda key, value: self.xcoms.update({key: json.loads(json.dumps(value))})  # noqa: E731
        self.context = {"ti": SimpleNamespace(**WAITING, xcom_push=push)}

    def execute(self):
        return self.sensor.execute(self.context)

    def deferral(self):
        with pytest.raises(TaskDeferred) as caught:
            self.execute()
        return caught.value

    def resumed(self, event):
        return self.sensor.resume_execution("execute_complete", {"event": event}, self.context)

    @property
    def states(self):
        return [each["state"] for each in self.xcoms["job_results"]]


def fire(arguments, **others):
    """Let a triggerer run a trigger from its arguments, and return the event."""

    async def events():
        trigger = ZuoraJobTrigger(**json.loads(json.dumps(arguments)) | {"not_before": 0.0} | others)
        return [event.payload async for event in trigger.run()]

    (event,) = asyncio.run(events())
    return json.loads(json.dumps(event))


def numbers(results):
    return [result["orderNumber"] for result in results]


def count_polls(zuora):
    return zuora.ledger()["requests"].get("GET /v1/async-jobs/{jobId}", 0)


def wait(zuora, task, way, *, advance=0.0, **arguments):
    """Wait in one of the four ways; `advance` seconds pass in the triggerer."""
    if way != "resumed":
        return task.execute()
    deferral = task.deferral()
    zuora.sandbox.advance(advance)
    return task.resumed(fire(deferral.trigger.serialize()[1], **arguments))


@pytest.mark.parametrize("way", list(WAYS))
def test_results_come_in_the_order_of_the_list(zuora, way):
    a, b, c = submit(zuora, *([LONG] if way == "resumed" else [""]) * 3)
    task = Task([c, a, b, a], **WAYS[way])

    assert numbers(wait(zuora, task, way, advance=2e6)) == ["O-2", "O-0", "O-1", "O-0"]
    assert count_polls(zuora) == (4 if way == "resumed" else 3)
    assert set(task.xcoms) == {"receipt"}


@pytest.mark.parametrize("way", list(WAYS))
@pytest.mark.parametrize("option", ["soft_fail", "never_fail", "neither"])
def test_one_failure_stops_no_other_wait(zuora, way, option):
    made, failed = submit(zuora, LONG if way == "resumed" else "", "fail [40000020]: No")
    zuora.fault(**HIDDEN)
    options = {} if option == "neither" else {option: True}
    task = Task([made, "hidden", failed], **WAYS[way], **options)

    with pytest.raises(AirflowSkipException if option == "never_fail" else PermanentError) as caught:
        wait(zuora, task, way, advance=2e6)
    assert "2 of 3 jobs have no result (1 completed, 1 failed, 1 unknown)." in str(caught.value)
    assert f"{failed}: failed: Job {failed} ended as Failed" in str(caught.value)
    assert "[40000020] No" in str(caught.value)
    assert task.states == ["completed", "unknown", "failed"]
    assert [each["job_id"] for each in task.xcoms["job_results"]] == [made, "hidden", failed]
    assert task.xcoms["job_results"][0]["result"]["orderNumber"] == "O-0"
    assert task.xcoms["job_results"][0]["error"] is None
    assert "[50000010] No permission" in task.xcoms["job_results"][1]["error"]


@pytest.mark.parametrize("way", list(WAYS))
@pytest.mark.parametrize("soft_fail", [False, True])
def test_at_a_time_out_what_has_ended_is_kept(zuora, way, soft_fail):
    late, made = submit(zuora, LONG, "")
    task = Task(
        [late, made], soft_fail=soft_fail, **WAYS[way], **({} if way == "resumed" else {"timeout": 0})
    )

    with pytest.raises(AirflowSkipException if soft_fail else AirflowSensorTimeout) as caught:
        wait(zuora, task, way, deadline=time.time() - 1)
    assert "1 of 2 jobs have no result (1 completed, 1 timed out)" in str(caught.value)
    assert task.states == ["timed_out", "completed"]
    assert task.xcoms["job_results"][1]["result"]["orderNumber"] == "O-1"


@pytest.mark.parametrize("way", list(WAYS))
@pytest.mark.parametrize("soft_fail", [False, True])
def test_an_outage_is_retried(zuora, way, soft_fail):
    job_ids = submit(zuora, LONG, LONG)
    if way != "resumed":
        zuora.fault(**OUTAGE, times=None)
    task = Task(job_ids, soft_fail=soft_fail, **WAYS[way])
    if way == "resumed":
        arguments = task.deferral().trigger.serialize()[1]
        zuora.fault(**OUTAGE, times=None)
        end = lambda: task.resumed(fire(arguments, poke_interval=0))  # noqa: E731
    else:
        end = task.execute

    with pytest.raises(TransientError, match="2 of 2 jobs have no result"):
        end()
    assert task.states == ["open", "open"]


def test_a_failure_is_graver_than_a_time_out(zuora):
    late, failed = submit(zuora, LONG, "fail [40000020]: No")
    task = Task([late, failed], timeout=0, soft_fail=True)

    with pytest.raises(PermanentError, match=r"1 failed, 1 timed out"):
        task.execute()
    assert task.states == ["timed_out", "failed"]


def test_a_pending_order_fails_a_list_where_told_to(zuora, capsys):
    job_ids = submit(zuora, "", "pending")

    assert numbers(Task(job_ids).execute()) == ["O-0", "O-1"]
    assert "its order O-1 is Pending, not Completed" in capsys.readouterr().out
    task = Task(job_ids, require_order_completed=True)
    with pytest.raises(PermanentError, match="O-1 is Pending, not Completed"):
        task.execute()
    assert task.states == ["completed", "failed"]


def test_a_list_of_one_has_a_list_of_one_result(zuora):
    assert numbers(Task(submit(zuora, "")).execute()) == ["O-0"]


@pytest.mark.parametrize("way", ["first poll", "poke", "reschedule"])
def test_an_empty_list_has_no_results_and_asks_nobody(way):
    assert Task([], zuora_conn_id="nowhere", **WAYS[way]).execute() == []


def test_an_order_that_was_found_by_its_number_stands_in_a_list(zuora):
    (made,) = submit(zuora, "")
    Task([made]).execute()

    assert numbers(Task(["order:O-0", made]).execute()) == ["O-0", "O-0"]


@pytest.mark.parametrize("way", ["first poll", "poke", "reschedule"])
@pytest.mark.parametrize("job_id", [None, 7, {"a": 1}, "", ["a", ""], [["a"]], ["a", None]])
def test_what_is_no_list_of_ids_is_refused(zuora, job_id, way):
    with pytest.raises(PermanentError, match=r"Nothing was sent.\njob_id"):
        Task(job_id, **WAYS[way]).execute()
    with pytest.raises(AirflowSkipException, match="job_id"):
        Task(job_id, never_fail=True, **WAYS[way]).execute()
    assert count_polls(zuora) == 0


def test_a_job_that_goes_on_costs_the_first_look_of_a_list_one_call(zuora):
    task = Task(submit(zuora, *[LONG] * 30))
    deferral = task.deferral()

    assert count_polls(zuora) == 1
    assert deferral.trigger.serialize()[1]["job_id"] == ""
    assert deferral.timeout > timedelta(seconds=task.sensor.timeout + 10 + 30 * 0.5)


def test_a_poke_looks_only_at_what_goes_on(zuora):
    task = Task(submit(zuora, "", LONG, ""), deferrable=False)

    assert not task.sensor.poke(task.context).is_done
    assert count_polls(zuora) == 3
    zuora.sandbox.advance(2e6)
    assert task.sensor.poke(task.context).is_done
    assert count_polls(zuora) == 4


def random_ids(count):
    chance = random.Random(1)
    return [f"{chance.getrandbits(128):032x}" for _ in range(count)]


def test_2000_ids_travel_in_40_kb_of_arguments(zuora):
    (job_id,) = submit(zuora, LONG)
    job_ids = [job_id, *random_ids(1999)]
    arguments = Task(job_ids).deferral().trigger.serialize()[1]

    assert len(json.dumps(arguments)) <= 40 * 1024
    assert ZuoraJobTrigger(**arguments).list_job_ids() == tuple(job_ids)


def test_a_list_that_is_too_long_is_refused_with_the_split(zuora):
    with pytest.raises(
        PermanentError, match=r"2,500 ids are .* Split the list into 2 sensors of at most 1,250"
    ):
        Task(random_ids(2500)).execute()
    assert count_polls(zuora) == 0


@pytest.mark.parametrize("count", [2049, 4064, 10_000])
def test_the_split_that_is_named_fits(zuora, count):
    with pytest.raises(PermanentError) as caught:
        Task(random_ids(count)).execute()
    words = str(caught.value).replace(",", "").split()
    parts, each = int(words[words.index("sensors") - 1]), int(words[words.index("ids", 10) - 1])
    assert parts * each >= count
    Task([*submit(zuora, LONG), *random_ids(each - 1)]).deferral()


def test_300_jobs_in_one_trigger(zuora):
    """Their results are too large for an event, so the worker reads them again; so is the order kept."""
    job_ids = submit(zuora, *[LONG] * 300)
    order = {job_id: number for number, job_id in enumerate(job_ids)}
    random.Random(1).shuffle(job_ids)
    task = Task(job_ids)
    deferral = task.deferral()
    zuora.sandbox.advance(2e6)
    event = fire(deferral.trigger.serialize()[1])

    unread = read_event(event)
    assert (unread.job_ids, {*unread.states}) == (tuple(job_ids), {ResultState.COMPLETED})
    assert len(json.dumps(event)) < 10_000
    assert numbers(task.resumed(event)) == [f"O-{order[job_id]}" for job_id in job_ids]
    assert count_polls(zuora) == 1 + 300 + 300
    assert zuora.ledger()["signIns"] == 2  # of the account that submits, and of the one that waits


def test_what_the_worker_cannot_read_again_is_not_lost(zuora):
    made, late, failed = submit(zuora, "", LONG, LONG)
    event = {"status": "ended", "job_ids": pack_ids([made, late, failed, "gone"]), "states": "ctuc"}
    task = Task([made, late, failed, "gone"])

    with pytest.raises(PermanentError, match="1 completed, 1 unread, 1 open, 1 timed out"):
        task.resumed(event)
    assert task.states == ["completed", "timed_out", "open", "unread"]


def test_ends_of_other_jobs_are_no_success(zuora):
    (job_id,) = submit(zuora, "")
    event = fire({"job_id": job_id})

    with pytest.raises(PermanentError, match="names other jobs now"):
        Task([job_id, "another"]).resumed(event)


@pytest.mark.parametrize(
    "event", [None, "success", {}, {"status": "ended"}, {"status": "ended", "results": []}]
)
def test_an_event_that_is_not_ours_is_an_error(zuora, event):
    with pytest.raises(PermanentError, match="not ours"):
        Task(["a", "b"], soft_fail=True).resumed(event)


def test_when_airflow_ends_the_deferral_what_has_ended_is_kept(zuora):
    task = Task(submit(zuora, LONG, ""))

    with pytest.raises(AirflowSensorTimeout, match="1 completed, 1 timed out"):
        task.sensor.resume_execution("__fail__", {"error": "Trigger timeout"}, task.context)
    assert task.states == ["timed_out", "completed"]
    zuora.sandbox.advance(2e6)
    end = task.sensor.resume_execution("__fail__", {"error": "Trigger timeout"}, task.context)
    assert numbers(end) == ["O-0", "O-1"]


def test_a_last_look_is_not_repeated(zuora):
    task = Task(submit(zuora, LONG, LONG))
    zuora.fault(**OUTAGE, times=None)

    with pytest.raises(AirflowSensorTimeout, match="2 timed out"):
        task.sensor.resume_execution("__fail__", {"error": "Trigger timeout"}, task.context)
    assert zuora.naps == []


def test_a_triggerer_that_takes_over_looks_again_at_all(zuora):
    task = Task(submit(zuora, LONG, "", ""))
    arguments = task.deferral().trigger.serialize()[1] | {"not_before": 0.0}

    async def dying():
        running = asyncio.ensure_future(anext(ZuoraJobTrigger(**arguments).run()))
        while count_polls(zuora) < 5:  # noqa: ASYNC110 - the sandbox is on a thread of its own
            await asyncio.sleep(0.01)
        running.cancel()
        with pytest.raises(asyncio.CancelledError):
            await running

    asyncio.run(dying())
    zuora.sandbox.advance(2e6)
    before = count_polls(zuora)
    assert numbers(task.resumed(fire(arguments))) == ["O-0", "O-1", "O-2"]
    assert count_polls(zuora) == before + 3


def test_an_execution_timeout_of_a_list_is_airflows_own(zuora):
    task = Task(submit(zuora, LONG, ""), timeout=100, execution_timeout=timedelta(seconds=50))

    with pytest.raises(AirflowTaskTimeout, match="1 timed out"):
        wait(zuora, task, "resumed", deadline=time.time() - 1)


def test_a_trigger_of_many_that_breaks_or_is_killed_names_them(zuora, capsys):
    task = Task(["a", "b"])
    with pytest.raises(TransientError, match=r"waited for 2 jobs \(a and so on\) broke: Boom"):
        task.sensor.resume_execution("__fail__", {"error": "Boom"}, task.context)
    task.sensor.on_kill()
    asyncio.run(ZuoraJobTrigger(job_ids=pack_ids(["a", "b"])).on_kill())
    assert capsys.readouterr().out.count("2 jobs (a and so on)") == 2
