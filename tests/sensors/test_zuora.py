"""Every way to the end of a wait, against a served sandbox."""

from __future__ import annotations

import asyncio
import math
import time
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import pytest
from airflow.providers.common.compat.sdk import (
    AirflowException,
    AirflowFailException,
    AirflowSensorTimeout,
    AirflowSkipException,
    AirflowTaskTimeout,
    TaskDeferred,
)

from airflow_provider_zuora.core.polling.events import pack_ids
from airflow_provider_zuora.exceptions import PermanentError, TransientError
from airflow_provider_zuora.operators.elastic_path import ElasticPathExportOrdersOperator
from airflow_provider_zuora.operators.orders import ZuoraCreateOrderOperator, ZuoraCreateOrdersOperator
from airflow_provider_zuora.sensors.zuora import ZuoraJobSensor
from airflow_provider_zuora.triggers.jobs import ZuoraJobTrigger
from tests.conftest import ORDER, WAITING
from tests.core.runners import Clock
from zuora_sandbox import CLIENT_SECRET, Settings

REFUSAL = "[40000020]: Rate plan is not effective"
CONTEXT: Any = {"ti": SimpleNamespace(**WAITING)}
pytestmark = pytest.mark.usefixtures("reschedule_dates")
JOBS = "/v1/async-jobs/"
OUTAGE = {"method": "GET", "path": JOBS, "status": 503}


def submit(zuora, **fields):
    return zuora.make_session().run(zuora_client(zuora).submit(request_for(zuora, **fields), "order"))


def zuora_client(zuora):
    return zuora.make_session().client()


def request_for(zuora, **fields):
    request = zuora_client(zuora).vendor.build_submit_request("order", ORDER | fields, {})
    return request.with_headers({"Idempotency-Key": "k"})


def sensor(job_id, **options):
    return ZuoraJobSensor(task_id="wait", job_id=job_id, **options)


def fire(trigger):
    """Return the payload of the one event that a trigger fires."""

    async def events():
        return [event.payload async for event in trigger.run()]

    (event,) = asyncio.run(events())
    return event


def defer(task):
    with pytest.raises(TaskDeferred) as caught:
        task.execute(CONTEXT)
    return caught.value


def resume(task, trigger=None, **arguments):
    """Defer, let the trigger run as a triggerer would, and resume with its event."""
    deferred = defer(task)
    _, kwargs = deferred.trigger.serialize()
    event = fire(ZuoraJobTrigger(**kwargs | {"not_before": 0.0} | arguments))
    return task.resume_execution(deferred.method_name, {"event": event}, CONTEXT)


def end_wait(zuora, way, end, **options):
    """Let a wait end in one way of four and with one end of three."""
    active = end == "timeout" or way == "resumed"
    zuora.sandbox.settings = Settings(job_seconds=1e9 if active else 0, fail_jobs=REFUSAL)
    job_id = submit(zuora)
    quick = {"timeout": 0} if end == "timeout" and way != "resumed" else {}
    modes = {"poke": {"deferrable": False}, "reschedule": {"deferrable": False, "mode": "reschedule"}}
    task = sensor(job_id, poke_interval=0, **quick, **modes.get(way, {}), **options)
    if way != "resumed":
        if end == "ten poll errors":
            zuora.fault(**OUTAGE, times=10)
        return task.execute(CONTEXT)
    deferred = defer(task)
    _, kwargs = deferred.trigger.serialize()
    if end == "failed job":
        zuora.sandbox.advance(2e9)
    if end == "ten poll errors":
        zuora.fault(**OUTAGE, times=10)
    late = {"deadline": time.time() - 1} if end == "timeout" else {}
    event = fire(ZuoraJobTrigger(**kwargs | {"not_before": 0.0} | late))
    return task.resume_execution(deferred.method_name, {"event": event}, CONTEXT)


ENDS = {
    "timeout": (AirflowSensorTimeout, "has not ended|timed out"),
    "failed job": (AirflowFailException, r"\[40000020\] Rate plan is not effective"),
    "ten poll errors": (TransientError, "HTTP 503"),
}


@pytest.mark.parametrize("way", ["first poll", "poke", "reschedule", "resumed"])
@pytest.mark.parametrize("end", list(ENDS))
@pytest.mark.parametrize("option", ["soft_fail", "never_fail", "neither"])
def test_how_a_wait_ends(zuora, option, end, way):
    """soft_fail skips timeouts only, never_fail everything; the four ways there agree."""
    options = {} if option == "neither" else {option: True}
    skipped = option == "never_fail" or (option == "soft_fail" and end == "timeout")
    expected, words = (AirflowSkipException, "Skip|timed out") if skipped else ENDS[end]

    with pytest.raises(expected, match=words) as caught:
        end_wait(zuora, way, end, **options)

    assert skipped or not isinstance(caught.value, AirflowSkipException)
    assert CLIENT_SECRET not in str(caught.value)


@pytest.mark.parametrize("options", [{}, {"deferrable": False}, {"deferrable": False, "mode": "reschedule"}])
def test_a_job_that_has_ended_is_never_waited_for(zuora, options):
    result = sensor(submit(zuora), **options).execute(CONTEXT)

    assert result["orderNumber"] == "O-1"


def test_a_deferred_wait_returns_the_result(zuora):
    zuora.sandbox.settings = Settings(job_seconds=1e6)
    task = sensor(submit(zuora), poke_interval=0)
    deferred = defer(task)
    zuora.sandbox.advance(2e6)
    event = fire(ZuoraJobTrigger(**deferred.trigger.serialize()[1] | {"not_before": 0.0}))

    assert task.execute_complete(CONTEXT, event)["orderNumber"] == "O-1"


def test_nine_errors_in_a_row_do_not_end_a_wait(zuora):
    job_id = submit(zuora)
    zuora.fault(**OUTAGE, times=9)

    assert sensor(job_id).execute(CONTEXT)["orderNumber"] == "O-1"


@pytest.mark.parametrize("options", [{}, {"deferrable": False, "poke_interval": 0}])
def test_a_look_that_may_not_repeat_in_time_does_not_end_a_wait(zuora, options):
    """Retry-After asks for more than a poll may last: the wait goes on, if it can without a worker."""
    job_id = submit(zuora)
    zuora.fault(**OUTAGE | {"status": 429, "headers": {"Retry-After": "3600"}}, times=1)
    task = sensor(job_id, **options)
    before = time.time()

    if options:
        assert not task.poke(CONTEXT).is_done
        assert 3590 < task._get_next_poke_interval(0.0, lambda: 0.0, 1) <= 3600
    else:
        assert defer(task).trigger.not_before >= before + 3600


@pytest.mark.parametrize("down", [JOBS, "/oauth/token"], ids=["jobs", "sign-in"])
@pytest.mark.parametrize("way", ["first poll", "poke", "reschedule"])
def test_a_look_lasts_no_longer_than_the_wait_may(zuora, way, down):
    """An outage that outlasts the timeout is a timeout, which soft_fail skips."""
    zuora.fault(path=down, status=503, times=None)
    modes = {"poke": {"deferrable": False}, "reschedule": {"deferrable": False, "mode": "reschedule"}}
    with pytest.raises(AirflowSkipException):
        sensor("j", timeout=0, soft_fail=True, **modes.get(way, {})).execute(CONTEXT)

    assert zuora.naps == []


def test_a_token_that_is_not_shared_serves_all_looks_of_a_task(zuora, monkeypatch):
    extra = {"shared_sign_in": False}
    monkeypatch.setenv("AIRFLOW_CONN_ZUORA_DEFAULT", zuora.connection(extra=extra))
    task = sensor("j", deferrable=False)
    for _ in range(3):
        task.poke(CONTEXT)
    task.hook.get_conn().close()

    assert zuora.ledger()["signIns"] == 1


def test_a_wait_with_silent_fail_outlives_any_outage(zuora):
    zuora.sandbox.settings = Settings(job_seconds=1e6)
    task = sensor(submit(zuora), poke_interval=0, silent_fail=True)
    zuora.fault(**OUTAGE, times=10)
    trigger = defer(task).trigger
    zuora.sandbox.advance(2e6)
    zuora.fault(**OUTAGE, times=30)

    event = fire(ZuoraJobTrigger(**trigger.serialize()[1] | {"not_before": 0.0}))
    assert event["results"][0]["job"]["status"] == "Completed"


def test_a_job_that_was_just_issued_may_be_unknown_and_the_wait_goes_on(zuora):
    with pytest.raises(TaskDeferred):
        sensor("no-such-job").execute(CONTEXT)
    assert zuora.naps == [1.0, 2.0, 4.0]
    assert not sensor("no-such-job", deferrable=False).poke(CONTEXT).is_done


def test_one_not_found_does_not_end_the_first_look(zuora):
    job_id = submit(zuora)
    zuora.fault(method="GET", path=JOBS, status=404, body=b'{"reasons": [{"code": 50000040}]}')

    assert sensor(job_id).execute(CONTEXT)["orderNumber"] == "O-1"


@pytest.mark.parametrize(("ago", "known"), [(599, True), (600, False)])
@pytest.mark.parametrize("airflow", ["3", "2.11"])
def test_in_reschedule_mode_ten_minutes_count_from_the_first_poke(zuora, ago, known, airflow):
    first = datetime.now(UTC) - timedelta(seconds=ago - known * 60)
    ti = (
        SimpleNamespace(get_first_reschedule_date=lambda context: first)
        if airflow == "3"
        else SimpleNamespace(start_date=first)
    )
    task = sensor("no-such-job", deferrable=False, mode="reschedule")
    task.began = task.find_first_poke({"ti": ti})
    if known:
        assert not task.poke({}).is_done
    else:
        assert "Cannot find response for job" in str(task.poke({}).xcom_value[0].error)


def test_the_first_poke_of_reschedule_mode_begins_the_wait_now():
    task = sensor("j", deferrable=False, mode="reschedule")

    assert (
        task.find_first_poke({"ti": SimpleNamespace(get_first_reschedule_date=lambda context: None)}) is None
    )
    assert sensor("j").find_first_poke({}) is None


def test_a_missing_connection_is_an_error_of_the_wait(zuora):
    with pytest.raises(AirflowException, match="nowhere"):
        sensor("j", zuora_conn_id="nowhere").execute(CONTEXT)
    with pytest.raises(AirflowSkipException, match="nowhere"):
        sensor("j", zuora_conn_id="nowhere", never_fail=True).execute(CONTEXT)


def test_a_pending_order_is_a_warning_or_a_failure(zuora, capsys):
    zuora.sandbox.settings = Settings(job_seconds=0, order_status="Pending")
    job_id = submit(zuora)

    assert sensor(job_id).execute(CONTEXT)["status"] == "Pending"
    assert "its order O-1 is Pending, not Completed" in capsys.readouterr().out
    with pytest.raises(PermanentError, match="is Pending, not Completed"):
        sensor(job_id, require_order_completed=True).execute(CONTEXT)


class TestDeferral:
    @pytest.fixture(autouse=True)
    def active(self, zuora):
        zuora.sandbox.settings = Settings(job_seconds=1e9)
        self.job_id = submit(zuora)

    def test_the_first_look_of_the_trigger_comes_after_ten_seconds(self):
        before = time.time()
        deferred = defer(sensor(self.job_id, poke_interval=1))
        _, kwargs = deferred.trigger.serialize()

        assert before + 10 <= kwargs["not_before"] <= time.time() + 11
        assert kwargs["poll_interval"] == 1

    def test_a_longer_interval_counts_from_the_first_look(self):
        before = time.time()
        _, kwargs = defer(sensor(self.job_id, poke_interval=timedelta(minutes=5))).trigger.serialize()

        assert before + 300 <= kwargs["not_before"] <= time.time() + 330

    def test_an_interval_that_is_not_set_is_left_to_the_trigger(self):
        _, kwargs = defer(sensor(self.job_id)).trigger.serialize()

        assert kwargs["poll_interval"] is None

    def test_airflows_options_travel(self):
        task = sensor(self.job_id, poke_interval=30, exponential_backoff=True, max_wait=120)
        _, kwargs = defer(task).trigger.serialize()

        assert tuple(kwargs[name] for name in ("poll_interval", "exponential_backoff", "max_wait")) == (
            30,
            True,
            120,
        )

    @pytest.mark.parametrize(
        ("timeout", "execution_timeout", "expected"), [(100, None, 100), (100, 50, 50), (100, 5000, 100)]
    )
    def test_the_deadline_is_the_earlier_of_both_timeouts(self, timeout, execution_timeout, expected):
        limit = None if execution_timeout is None else timedelta(seconds=execution_timeout)
        before = time.time()
        deferred = defer(sensor(self.job_id, timeout=timeout, execution_timeout=limit))
        deadline = deferred.trigger.serialize()[1]["deadline"]

        assert before + expected <= deadline <= time.time() + expected
        assert deferred.timeout > timedelta(seconds=expected)

    def test_the_trigger_holds_no_secret(self):
        trigger = defer(sensor(self.job_id)).trigger

        assert CLIENT_SECRET not in repr(trigger.serialize())
        assert CLIENT_SECRET not in repr(trigger)

    def test_an_execution_timeout_is_airflows_own_and_retried(self, zuora):
        task = sensor(self.job_id, timeout=100, execution_timeout=timedelta(seconds=50))
        with pytest.raises(AirflowTaskTimeout, match="has not ended"):
            resume(task, deadline=time.time() - 1)

    @pytest.mark.parametrize("soft_fail", [False, True])
    @pytest.mark.parametrize("reason", ["Trigger timeout", "Trigger/execution timeout"], ids=["3", "2.11"])
    def test_airflows_own_timeout_of_the_deferral(self, soft_fail, reason):
        task = sensor(self.job_id, soft_fail=soft_fail)
        with pytest.raises(AirflowSkipException if soft_fail else AirflowSensorTimeout):
            task.resume_execution("__fail__", {"error": reason}, CONTEXT)

    @pytest.mark.parametrize("soft_fail", [False, True])
    def test_a_broken_trigger_is_retried_and_never_skipped_under_soft_fail(self, soft_fail):
        task = sensor(self.job_id, soft_fail=soft_fail)
        with pytest.raises(TransientError, match="broke: Trigger failure"):
            task.resume_execution("__fail__", {"error": "Trigger failure"}, CONTEXT)

    def test_the_trace_of_a_broken_trigger_is_logged(self, capsys):
        with pytest.raises(TransientError, match="unknown reason"):
            sensor(self.job_id).resume_execution("__fail__", {"traceback": ["line 7", "Boom"]}, CONTEXT)
        assert "Boom" in capsys.readouterr().out


@pytest.mark.parametrize("event", [None, "success", "failed", {}, {"status": "success"}, 7])
def test_an_event_that_is_not_ours_is_an_error(zuora, event):
    with pytest.raises(PermanentError, match="not ours"):
        sensor("j", soft_fail=True).execute_complete(CONTEXT, event)


def test_a_result_too_large_for_an_event_is_read_again(zuora):
    job_id = submit(zuora)
    event = {"status": "ended", "job_ids": pack_ids([job_id]), "states": "f"}

    assert sensor(job_id).execute_complete(CONTEXT, event)["orderNumber"] == "O-1"


def test_poke_mode_pauses_from_one_second_on():
    task = sensor("j", deferrable=False)
    pauses = [task._get_next_poke_interval(0.0, lambda waited=waited: waited, 1) for waited in (0, 2, 1000)]

    assert all(low <= pause <= low * 1.1 for low, pause in zip((1, 2, 60), pauses, strict=True))


@pytest.mark.parametrize("hours", [1, -1])
def test_a_clock_that_is_set_leaves_a_retry_after_as_long_as_it_is(zuora, hours):
    job_id, clock = submit(zuora), Clock()
    session = zuora.use_session(clock=clock, ticks=clock.ticks, sleep=clock.sleep)
    zuora.fault(**OUTAGE | {"status": 429, "headers": {"Retry-After": "400"}}, times=1)
    task = sensor(job_id, deferrable=False)

    assert not task.poke(CONTEXT).is_done
    clock.ahead = hours * 3600.0
    # The wait reads the machine's own steady clock, which goes on meanwhile.
    assert task._get_next_poke_interval(0.0, lambda: 0.0, 1) == pytest.approx(400, abs=200)
    session.close()


def test_reschedule_mode_pauses_from_ten_seconds_on():
    task = sensor("j", deferrable=False, mode="reschedule")

    assert 10 <= task._get_next_poke_interval(0.0, lambda: 0.0, 1) <= 11


@pytest.mark.parametrize(
    "options",
    [{"poke_interval": 5}, {"exponential_backoff": True, "poke_interval": 2}, {"max_wait": timedelta(1e-5)}],
)
def test_no_pause_of_reschedule_mode_is_shorter_than_airflows_race_allows(options):
    """Measured (6 sensors each, Airflow 3.0 to 3.3): with 5 s 4 to 6 failed, with 10 s none."""
    task = sensor("j", deferrable=False, mode="reschedule", dag=None, **options)

    assert task._get_next_poke_interval(0.0, lambda: 0.0, 1) >= 10


@pytest.mark.parametrize("mode", ["poke", "reschedule"])
@pytest.mark.parametrize("exponential", [False, True])
def test_no_pause_is_too_long_for_python(mode, exponential):
    task = sensor("j", deferrable=False, mode=mode, poke_interval=3e8, exponential_backoff=exponential)
    pause = task._get_next_poke_interval(0.0, lambda: 1.0, 5000)

    assert datetime.now(UTC) + timedelta(seconds=pause)


def test_a_timeout_of_ten_years_defers_for_as_long(zuora):
    zuora.sandbox.settings = Settings(job_seconds=1000)
    deferral = deferral_of(sensor(submit(zuora), timeout=3650 * 86400))

    assert timedelta(days=3650) < deferral.timeout < timedelta(days=3651)


def deferral_of(task):
    with pytest.raises(TaskDeferred) as caught:
        task.execute(CONTEXT)
    return caught.value


def test_exponential_backoff_of_poke_mode_is_that_of_deferred_waits():
    task = sensor("j", deferrable=False, poke_interval=8, exponential_backoff=True, max_wait=10)
    pauses = [
        task._get_next_poke_interval(0.0, lambda waited=waited: waited, 1) for waited in (0, 6, 18, 2000)
    ]

    assert 4 <= pauses[0] < 8 <= pauses[1] <= 10
    assert pauses[2:] == [10, 10]


@pytest.mark.parametrize("options", [{"exponential_backoff": True}, {"poke_interval": 3600}])
def test_poke_mode_pauses_no_longer_than_until_its_deadline(options):
    task = sensor("j", deferrable=False, timeout=7200, **options)

    assert task._get_next_poke_interval(0.0, lambda: 7000.0, 9) == 200
    assert task._get_next_poke_interval(0.0, lambda: 7300.0, 9) == 0


@pytest.mark.parametrize("interval", [0, timedelta(0), 1e-320, 1e-300, 0.001])
@pytest.mark.parametrize(("mode", "least"), [("poke", 1), ("reschedule", 10)])
def test_exponential_backoff_of_next_to_nothing_lasts_as_long_as_the_wait(interval, mode, least):
    """Airflow's own ends in a bare OverflowError when such a wait has lasted a quarter of an hour."""
    task = sensor(
        "j", deferrable=False, poke_interval=interval, exponential_backoff=True, mode=mode, timeout=3.1e8
    )
    for waited in (0.0, 1_500.0, 90_000.0, 3e8):
        for count in (0, 1, 5_000):
            assert least <= task._get_next_poke_interval(0.0, lambda waited=waited: waited, count) <= 3.2e8


@pytest.mark.parametrize(
    "task",
    [
        lambda **limit: sensor("j", **limit),
        lambda **limit: ZuoraCreateOrderOperator(task_id="a", order=ORDER, **limit),
        lambda **limit: ZuoraCreateOrdersOperator(task_id="a", orders=[ORDER], **limit),
        lambda **limit: ElasticPathExportOrdersOperator(task_id="a", filter="ge(id,1)", **limit),
    ],
)
def test_an_execution_timeout_below_zero_is_refused_when_the_task_is_made(task):
    assert task(execution_timeout=timedelta(1)).execution_timeout == timedelta(1)
    with pytest.raises(ValueError, match="execution_timeout: must be 0 or above"):
        task(execution_timeout=timedelta(seconds=-5))


def test_a_killed_wait_says_that_the_job_goes_on(capsys):
    sensor("j").on_kill()

    assert "What is at Zuora goes on there, a sensor cancels nothing: job j" in capsys.readouterr().out


def test_what_is_templated():
    assert set(ZuoraJobSensor.template_fields) == {"job_id", "zuora_conn_id"}


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"timeout": math.inf}, "timeout: must be a number of seconds of at most"),
        ({"timeout": timedelta.max}, "timeout: must be a number of seconds of at most"),
        ({"timeout": math.nan}, "timeout: must be a number of seconds 0 or above"),
        ({"timeout": True}, "timeout: must be a number of seconds 0 or above"),
        ({"poke_interval": -1}, "poke_interval: must be a number of seconds 0 or above"),
        ({"poke_interval": math.inf}, "poke_interval: must be a number of seconds of at most"),
        ({"max_wait": 1e15}, "max_wait: must be a number of seconds of at most"),
        ({"deferrable": "False"}, "deferrable: must be True or False, not 'False'"),
        ({"never_fail": "no"}, "never_fail: must be True or False, not 'no'"),
        ({"require_order_completed": None}, "require_order_completed: must be True or False, not None"),
    ],
)
def test_options_that_cannot_be_are_refused_when_the_dag_is_parsed(options, words):
    with pytest.raises(ValueError, match=words):
        sensor("x", **options)
