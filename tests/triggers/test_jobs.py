"""The trigger on a real event loop, against a served sandbox."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import threading
import time
from dataclasses import replace
from types import SimpleNamespace

import pytest

from airflow_provider_zuora.core.errors import ApiError
from airflow_provider_zuora.core.job import ResultState
from airflow_provider_zuora.core.polling.events import DeferredResults
from airflow_provider_zuora.hooks.zuora import ZuoraHook
from airflow_provider_zuora.sensors.zuora import ZuoraJobSensor
from airflow_provider_zuora.triggers.jobs import ZuoraJobTrigger, read_event
from tests.conftest import ORDER
from tests.core.runners import Clock
from zuora_sandbox import CLIENT_SECRET, Settings

JOBS = "/v1/async-jobs/"


def submit(zuora, number="O-1"):
    account = zuora.make_session()
    client = account.client()
    request = client.vendor.build_submit_request("order", ORDER | {"orderNumber": number}, {})
    try:
        return account.run(client.submit(request.with_headers({"Idempotency-Key": number}), "order"))
    finally:
        account.close()


async def fire(trigger):
    (event,) = [json.loads(json.dumps(event.payload)) async for event in trigger.run()]
    return event


def ends(event):
    """Return how the jobs of an event ended, in a word each."""
    return [
        end.job.status if end.job else "transient" if end.error.transient else type(end.error).__name__
        for end in read_event(asyncio.run(event))
    ]


def test_arguments_survive_the_database():
    trigger = ZuoraJobTrigger(conn_id="c", job_id="j", poll_interval=5, deadline=7.5, max_errors=None)
    path, kwargs = trigger.serialize()

    assert path == "airflow_provider_zuora.triggers.jobs.ZuoraJobTrigger"
    again = ZuoraJobTrigger(**json.loads(json.dumps(kwargs)))
    assert again.serialize() == (path, kwargs)


def test_arguments_of_another_release_do_not_kill_it(capsys):
    trigger = ZuoraJobTrigger(job_id="j", from_the_future=1)

    assert "from_the_future" not in trigger.serialize()[1]
    assert "Ignored the arguments of another release: from_the_future" in capsys.readouterr().out


def test_a_trigger_without_arguments_can_be_made():
    assert ZuoraJobTrigger().serialize()[1]["conn_id"] == "zuora_default"


def test_a_missing_connection_is_the_reason_of_the_event(zuora):
    event = asyncio.run(fire(ZuoraJobTrigger(conn_id="nowhere", job_id="j")))

    assert (event["status"], event["transient"]) == ("error", True)
    assert "nowhere" in event["message"]


def test_a_connection_of_another_vendor_is_refused(zuora, monkeypatch):
    monkeypatch.setenv("AIRFLOW_CONN_ZUORA_DEFAULT", zuora.connection(conn_type="elastic_path"))
    event = asyncio.run(fire(ZuoraJobTrigger(job_id="j")))

    assert (event["status"], event["transient"]) == ("error", False)
    assert "conn_type: must be zuora" in event["message"]


@pytest.mark.parametrize(("errors", "status"), [(9, "Completed"), (10, "transient")])
def test_ten_errors_in_a_row_end_a_wait(zuora, errors, status):
    job_id = submit(zuora)
    zuora.fault(method="GET", path=JOBS, status=503, times=errors)

    assert ends(fire(ZuoraJobTrigger(job_id=job_id, poll_interval=1))) == [status]
    assert len(zuora.naps) == 9


@pytest.mark.parametrize("kind", ["reset", "cut"])
def test_a_broken_connection_does_not_end_a_wait(zuora, kind):
    job_id = submit(zuora)
    zuora.fault(method="GET", path=JOBS, kind=kind, when="after", times=3)

    assert ends(fire(ZuoraJobTrigger(job_id=job_id, poll_interval=0))) == ["Completed"]


def test_a_token_that_is_revoked_in_the_middle_is_replaced(zuora):
    zuora.sandbox.settings = Settings(job_seconds=100)
    job_id = submit(zuora)

    async def nap(seconds):
        zuora.sandbox.revoke_tokens()
        zuora.sandbox.advance(60)

    session = zuora.use_session(asleep=nap)
    assert session is ZuoraHook().get_conn()
    assert ends(fire(ZuoraJobTrigger(job_id=job_id, poll_interval=1))) == ["Completed"]


@pytest.mark.parametrize("hours", [1, -1])
def test_a_clock_that_is_set_leaves_a_deadline_as_far_away_as_it_is(zuora, hours):
    zuora.sandbox.settings = Settings(job_seconds=1e9)
    job_id, clock = submit(zuora), Clock()

    async def nap(seconds):
        clock.ahead = hours * 3600.0
        clock.sleep(seconds)

    session = zuora.use_session(clock=clock, ticks=clock.ticks, asleep=nap)
    assert session is ZuoraHook().get_conn()
    trigger = ZuoraJobTrigger(job_id=job_id, started=clock() - 30, deadline=clock() + 30, poll_interval=10)

    assert ends(fire(trigger)) == ["TimedOut"]
    assert sum(clock.naps) == pytest.approx(30)


def test_a_permanent_error_ends_a_wait_at_once_with_the_reason(zuora):
    trigger = ZuoraJobTrigger(job_id="no-such-job", started=time.time() - 600)
    (end,) = read_event(asyncio.run(fire(trigger)))

    assert (type(end.error), end.error.transient) == (ApiError, False)
    assert "[50000020] Cannot find response for job" in str(end.error)
    assert not zuora.naps


def test_a_large_result_is_left_to_the_worker(zuora):
    """The result names 300 subscriptions, more than an event should carry."""
    account = zuora.make_session()
    client = account.client()
    order = ORDER | {"subscriptions": ORDER["subscriptions"] * 300}
    request = client.vendor.build_submit_request("order", order, {})
    job_id = account.run(client.submit(request.with_headers({"Idempotency-Key": "k"}), "order"))
    account.close()
    event = asyncio.run(fire(ZuoraJobTrigger(job_id=job_id)))

    assert len(json.dumps(event)) < 300
    assert read_event(event) == DeferredResults(
        (job_id,), (ResultState.COMPLETED,), ("O-1",), event["seen_at"]
    )
    result = ZuoraJobSensor(task_id="wait", job_id=job_id).execute_complete({}, event)
    assert len(result["subscriptions"]) == 300


def test_a_trigger_that_is_cancelled_closes_its_connections(zuora):
    zuora.sandbox.settings = Settings(job_seconds=1e9)
    job_id = submit(zuora)
    session = zuora.use_session(asleep=asyncio.sleep)
    assert session is ZuoraHook().get_conn()

    async def cancelled():
        task = asyncio.ensure_future(fire(ZuoraJobTrigger(job_id=job_id, poll_interval=3600)))
        while not count_polls(zuora):  # noqa: ASYNC110 - the sandbox is on a thread of its own
            await asyncio.sleep(0.01)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(cancelled())

    assert zuora.connections() == []


def test_a_killed_trigger_says_that_the_job_goes_on(capsys):
    asyncio.run(ZuoraJobTrigger(job_id="j").on_kill())

    assert "job j" in capsys.readouterr().out


@pytest.mark.parametrize("zuora", [Settings(job_seconds=1e6, sign_ins_per_minute=1000)], indirect=True)
def test_200_triggers_share_a_loop_without_blocking_it(zuora, tmp_path):
    """In an interpreter of their own, so that the first import of aiohttp is seen too."""
    jobs = {submit(zuora, f"O-{number}"): f"O-{number}" for number in range(200)}
    before = zuora.ledger()["signIns"]
    out, errors = tmp_path / "out", tmp_path / "errors"
    command = [sys.executable, "-m", "tests.audited_triggers", *jobs]
    with out.open("w") as output, errors.open("w") as failed:
        process = subprocess.Popen(command, stdout=output, stderr=failed)
    try:
        while count_polls(zuora) < 200 and process.poll() is None:
            time.sleep(0.05)
        zuora.sandbox.advance(2e6)
        status = process.wait(60)
    finally:
        process.kill()

    assert status == 0, errors.read_text()
    report = json.loads(out.read_text().splitlines()[-1])
    assert report["blocked"] == []
    assert report["control"] == ["open", "socket.connect", "subprocess.Popen", "time.sleep"]
    assert report["results"] == jobs
    assert zuora.ledger()["signIns"] - before == 2  # the clock's leap outdates the first token
    assert CLIENT_SECRET not in out.read_text() + errors.read_text()


def count_polls(zuora):
    return zuora.ledger()["requests"].get("GET /v1/async-jobs/{jobId}", 0)


@pytest.mark.parametrize("shared", [True, False])
def test_triggers_that_start_together_read_their_connection_and_sign_in_once(
    zuora, monkeypatch, capsys, caplog, shared
):
    """They are of one process, whatever processes share; of a misspelt field all hear once."""
    spelt = zuora.connection(extra={"timeot": 1, "shared_sign_in": shared})
    monkeypatch.setenv("AIRFLOW_CONN_ZUORA_DEFAULT", spelt)
    caplog.set_level("DEBUG", "airflow_provider_zuora.hooks.connection")  # it names each reading
    job_id = submit(zuora)
    before = zuora.ledger()["signIns"]

    async def together():
        return await asyncio.gather(*(fire(ZuoraJobTrigger(job_id=job_id)) for _ in range(20)))

    assert {event["status"] for event in asyncio.run(together())} == {"ended"}
    assert caplog.messages.count("Read the connection zuora_default") == 1
    assert zuora.ledger()["signIns"] - before == 1
    assert capsys.readouterr().out.count("extra holds 'timeot'") == 1


def test_a_secret_that_is_changed_while_a_trigger_waits_ends_no_wait(zuora, monkeypatch):
    monkeypatch.setenv("AIRFLOW_CONN_ZUORA_DEFAULT", zuora.connection(extra={"shared_sign_in": False}))
    zuora.sandbox.settings = replace(zuora.sandbox.settings, job_seconds=0.5)
    job_id = ZuoraHook().create_order(ORDER)

    async def rotated():
        waiting = asyncio.create_task(anext(ZuoraJobTrigger(job_id=job_id, poll_interval=0.1).run()))
        await asyncio.sleep(0.2)
        new = "another-secret-of-ours"
        zuora.sandbox.settings = replace(zuora.sandbox.settings, client_secret=new)
        extra = {"shared_sign_in": False}
        monkeypatch.setenv("AIRFLOW_CONN_ZUORA_DEFAULT", zuora.connection(password=new, extra=extra))
        zuora.sandbox.revoke_tokens()
        return (await waiting).payload

    [end] = asyncio.run(rotated())["results"]
    assert end["job"]["status"] == "Completed"


def test_a_trigger_that_only_moves_to_another_triggerer_warns_of_nothing(capsys):
    """Airflow calls its on_kill then too ("cancelled by user action"), and the wait goes on elsewhere."""
    asyncio.run(ZuoraJobTrigger(job_id="j").on_kill())
    said = capsys.readouterr().out

    assert "This triggerer waits no longer; at the vendor all goes on: job j" in said
    assert "warning" not in said
    assert "cancel" not in said


def submit_query_of(document):
    ti = SimpleNamespace(dag_id="d", run_id="r", task_id="t", map_index=-1, try_number=1, max_tries=0)
    return ZuoraHook()._submit_query(document, {"ti": ti})


GOES_ON = ("accepted", "in_progress")


def killed(zuora, state, **arguments):
    """Return the status of a query whose trigger is killed while Airflow says that its task is in a state."""

    def read_state(ti):
        if isinstance(state, Exception):
            raise state
        return state

    class Trigger(ZuoraJobTrigger):
        read_task_state = staticmethod(read_state)

    zuora.sandbox.settings = replace(zuora.sandbox.settings, query_seconds=900)
    document = {"query": "SELECT 1", "outputFormat": "CSV", "compression": "NONE"}
    trigger = Trigger(job_id=submit_query_of(document), **arguments)
    asyncio.run(trigger.on_kill())
    return zuora.ledger()["queries"][-1]["queryStatus"]


@pytest.mark.parametrize("state", ["failed", "success", "skipped", "removed"])
def test_a_query_is_cancelled_if_its_task_was_ended_by_somebody(zuora, state):
    assert killed(zuora, state, cancel_on_kill=True) == "cancelled"


@pytest.mark.parametrize(
    "state",
    ["deferred", "running", "queued", "scheduled", "up_for_retry", None, OSError("no"), RuntimeError()],
)
def test_a_query_goes_on_if_its_task_does_or_if_nobody_knows(zuora, state):
    assert killed(zuora, state, cancel_on_kill=True) in GOES_ON


def test_a_query_is_cancelled_though_airflow_cancels_the_trigger_a_second_time(zuora):
    zuora.sandbox.settings = replace(zuora.sandbox.settings, query_seconds=900)
    document = {"query": "SELECT 1", "outputFormat": "CSV", "compression": "NONE"}
    asked, answered = threading.Event(), threading.Event()

    class Trigger(ZuoraJobTrigger):
        @staticmethod
        def read_task_state(ti):
            asked.set()
            answered.wait(60)
            return "failed"

    async def kill():
        killing = asyncio.create_task(
            Trigger(job_id=submit_query_of(document), cancel_on_kill=True).on_kill()
        )
        await asyncio.to_thread(asked.wait, 60)
        killing.cancel()
        with pytest.raises(asyncio.CancelledError):
            await killing
        answered.set()
        others = asyncio.all_tasks() - {asyncio.current_task()}
        await asyncio.wait(others, timeout=60)

    asyncio.run(kill())
    assert zuora.ledger()["queries"][-1]["queryStatus"] == "cancelled"


def test_a_sensor_never_cancels(zuora):
    assert killed(zuora, "failed") in GOES_ON


@pytest.mark.parametrize("deadline", [1e13, 1e300])
def test_a_deadline_beyond_all_dates_is_no_error(zuora, deadline):
    trigger = ZuoraJobTrigger(job_id=submit(zuora), deadline=deadline, poll_interval=1e300)

    assert ends(fire(trigger)) == ["Completed"]
