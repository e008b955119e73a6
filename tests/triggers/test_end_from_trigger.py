"""Tasks that start and end in the triggerer: a trigger, a served sandbox, and a supervisor that answers."""

from __future__ import annotations

import asyncio
import json
import threading
import time
from datetime import UTC, datetime
from types import SimpleNamespace

import pytest
from airflow.jobs.triggerer_job_runner import ToTriggerSupervisor
from airflow.providers.common.compat.sdk import TaskDeferred
from airflow.sdk.exceptions import AirflowRuntimeError, ErrorType
from airflow.sdk.execution_time import task_runner
from airflow.sdk.execution_time.comms import DeleteXCom, ErrorResponse, GetXCom, SetXCom, XComResult
from airflow.triggers.base import TaskSuccessEvent, TriggerEvent
from pydantic import TypeAdapter

from airflow_provider_zuora.core.polling.events import DeferredResults
from airflow_provider_zuora.exceptions import PermanentError, TransientError
from airflow_provider_zuora.sensors.zuora import ZuoraJobSensor
from airflow_provider_zuora.triggers.jobs import ZuoraJobTrigger, read_event
from tests.triggers.test_jobs import submit
from zuora_sandbox import Settings

KNOWN = TypeAdapter(ToTriggerSupervisor)
ENDS = {
    "options": {"require_order_completed": False},
    "is_list": False,
    "push": True,
    "is_dag_result": False,
}
REFUSAL = "[40000020]: Rate plan is not effective"


class Supervisor:
    """The triggerer's supervisor as far as XComs go; it takes what the real one understands."""

    def __init__(self):
        self.xcoms = {}
        self.results = {}
        self.asked = []
        self.fails = ()
        self.silent = threading.Event()
        self.silent.set()

    def send(self, message):
        message = KNOWN.validate_python(message.model_dump())
        self.asked.append(type(message).__name__)
        self.silent.wait(30)
        if isinstance(message, self.fails):
            raise AirflowRuntimeError(
                ErrorResponse(error=ErrorType.API_SERVER_ERROR, detail={"status_code": 500})
            )
        place = (message.task_id, message.key, message.map_index)
        match message:
            case GetXCom():
                return XComResult(key=message.key, value=self.xcoms.get(place))
            case SetXCom():
                self.results[place] = message
                self.xcoms[place] = json.loads(json.dumps(message.value))
            case DeleteXCom():
                self.xcoms.pop(place, None)
        return None


@pytest.fixture
def supervisor(monkeypatch):
    supervisor = Supervisor()
    monkeypatch.setattr(task_runner, "SUPERVISOR_COMMS", supervisor, raising=False)
    yield supervisor
    supervisor.silent.set()


def attach_instance(trigger, *, try_number=1, timeout_after=None):
    """Tell a trigger what a triggerer tells it."""
    trigger.task_instance = SimpleNamespace(
        dag_id="d", run_id="r", task_id="wait", map_index=-1, try_number=try_number
    )
    trigger.timeout_after = timeout_after
    return trigger


def fire(trigger):
    async def events():
        return [event async for event in trigger.run()]

    (event,) = asyncio.run(events())
    return event


def starts(task_id="submit", key="return_value", **times):
    return {"limit": 100.0, "lasts": 260.0, "task_id": task_id, "key": key} | times


RESULT = ("wait", "return_value", -1)


def test_a_success_ends_the_task_and_leaves_its_result_as_it_is(zuora, supervisor):
    event = fire(attach_instance(ZuoraJobTrigger(job_id=submit(zuora), end_options=ENDS)))

    assert isinstance(event, TaskSuccessEvent)
    assert event.xcoms is None, "Airflow would store them as text"
    assert supervisor.asked == ["SetXCom", "SetXCom"]
    assert supervisor.xcoms[RESULT]["orderNumber"] == "O-1"
    receipt = supervisor.xcoms["wait", "receipt", -1]
    assert (receipt["kind"], receipt["state"], receipt["order_number"]) == ("order", "completed", "O-1")


@pytest.mark.parametrize("whole", [True, False])
def test_the_result_of_a_dag_is_marked_as_such(zuora, supervisor, whole):
    fire(attach_instance(ZuoraJobTrigger(job_id=submit(zuora), end_options=ENDS | {"is_dag_result": whole})))

    assert supervisor.results[RESULT].dag_result is whole


def test_a_task_that_keeps_no_result_ends_without_one(zuora, supervisor):
    event = fire(attach_instance(ZuoraJobTrigger(job_id=submit(zuora), end_options=ENDS | {"push": False})))

    assert isinstance(event, TaskSuccessEvent)
    assert [key for _, key, _ in supervisor.xcoms] == ["receipt"]


@pytest.mark.parametrize(
    ("settings", "ends", "words"),
    [
        (Settings(job_seconds=0, fail_jobs=REFUSAL), ENDS, "Rate plan is not effective"),
        (Settings(job_seconds=0, order_status="Pending"), ENDS, None),
        (
            Settings(job_seconds=0, order_status="Pending"),
            ENDS | {"options": {"require_order_completed": True}},
            "is Pending, not Completed",
        ),
    ],
    ids=["failed job", "warning", "option of the outcome"],
)
def test_what_else_there_is_to_say_a_worker_says(zuora, supervisor, capsys, settings, ends, words):
    zuora.sandbox.settings = settings
    job_id = submit(zuora)
    event = fire(attach_instance(ZuoraJobTrigger(job_id=job_id, end_options=ends)))

    assert type(event) is TriggerEvent
    assert supervisor.asked == []
    task = ZuoraJobSensor(task_id="wait", job_id=job_id, **ends["options"])
    if words is None:
        assert task.execute_complete({}, event.payload)["status"] == "Pending"
        assert "not Completed" in capsys.readouterr().out
    else:
        with pytest.raises(PermanentError, match=words):
            task.execute_complete({}, event.payload)


def test_a_result_that_cannot_be_stored_is_a_workers_to_return(zuora, supervisor, capsys):
    supervisor.fails = (SetXCom,)
    job_id = submit(zuora)
    event = fire(attach_instance(ZuoraJobTrigger(job_id=job_id, end_options=ENDS)))

    assert type(event) is TriggerEvent
    assert "A worker ends the task: Airflow could not store the task's result" in capsys.readouterr().out
    result = ZuoraJobSensor(task_id="wait", job_id=job_id).execute_complete({}, event.payload)
    assert result["orderNumber"] == "O-1"


def test_an_answer_is_not_waited_for_without_end(zuora, supervisor, capsys):
    supervisor.silent.clear()
    trigger = attach_instance(ZuoraJobTrigger(job_id=submit(zuora), end_options=ENDS))
    trigger.airflow_timeout = 0.05

    async def first():
        try:
            return await anext(trigger.run())
        finally:
            supervisor.silent.set()

    assert type(asyncio.run(first())) is TriggerEvent
    assert "Airflow did not store the task's result within" in capsys.readouterr().out


def test_a_result_too_large_for_an_event_is_a_workers_to_return(zuora, supervisor):
    trigger = attach_instance(ZuoraJobTrigger(job_id=submit(zuora), end_options=ENDS))
    trigger.event_size = 10
    event = fire(trigger)

    assert type(event) is TriggerEvent
    assert supervisor.asked == []
    assert isinstance(read_event(event.payload), DeferredResults)


def test_where_there_is_no_task_as_in_dag_test_a_worker_goes_on(zuora, supervisor, capsys):
    assert type(fire(ZuoraJobTrigger(job_id=submit(zuora), end_options=ENDS))) is TriggerEvent
    assert "A worker ends the task" not in capsys.readouterr().out


def test_a_trigger_that_starts_a_task_reads_what_to_wait_for(zuora, supervisor):
    supervisor.xcoms["submit", "job_id", -1] = submit(zuora)
    supervisor.xcoms["submit", "return_value", -1] = "another"
    event = fire(attach_instance(ZuoraJobTrigger(start_options=starts(key="job_id"))))

    [end] = read_event(event.payload)
    assert end.job.result["orderNumber"] == "O-1"
    assert supervisor.asked == ["GetXCom"]


def test_one_id_that_an_xcom_holds_has_its_result_as_it_is(zuora, supervisor):
    """Only the XCom tells whether it is a list; the sensor has told that it may be one."""
    supervisor.xcoms["submit", "return_value", -1] = submit(zuora)
    fire(attach_instance(ZuoraJobTrigger(start_options=starts(), end_options=ENDS | {"is_list": True})))

    assert supervisor.xcoms[RESULT]["orderNumber"] == "O-1"


def test_a_trigger_that_starts_a_task_looks_at_once(zuora, supervisor):
    fire(attach_instance(ZuoraJobTrigger(job_id=submit(zuora), start_options=starts(task_id=None))))

    assert zuora.naps == []


@pytest.mark.parametrize("found", [None, 7, {"id": "j"}, "", True, ["j", None], [["j"]]], ids=repr)
def test_an_xcom_that_holds_no_job_id_is_a_lasting_error(supervisor, found):
    supervisor.xcoms["submit", "return_value", -1] = found
    event = fire(attach_instance(ZuoraJobTrigger(start_options=starts())))

    assert event.payload["transient"] is False
    words = "left no XCom return_value" if found is None else "XCom return_value of task submit does not name"
    assert words in event.payload["message"]
    with pytest.raises(PermanentError, match=words):
        ZuoraJobSensor(task_id="wait", job_id=None).execute_complete({}, event.payload)


def test_an_xcom_that_cannot_be_read_is_a_passing_error(supervisor):
    supervisor.fails = (GetXCom,)
    event = fire(attach_instance(ZuoraJobTrigger(start_options=starts())))

    assert event.payload["transient"] is True
    assert "Airflow could not read the XCom return_value of task submit" in event.payload["message"]
    with pytest.raises(TransientError):
        ZuoraJobSensor(task_id="wait", job_id=None).execute_complete({}, event.payload)


def test_a_list_that_an_xcom_holds_becomes_a_list_of_results_in_its_order(zuora, supervisor):
    """An id that is named twice is polled once and has two results."""
    one, other = submit(zuora, "O-1"), submit(zuora, "O-2")
    supervisor.xcoms["submit", "return_value", -1] = [other, one, other]
    event = fire(attach_instance(ZuoraJobTrigger(start_options=starts(), end_options=ENDS)))

    assert isinstance(event, TaskSuccessEvent)
    assert [each["orderNumber"] for each in supervisor.xcoms[RESULT]] == ["O-2", "O-1", "O-2"]
    assert zuora.ledger()["requests"]["GET /v1/async-jobs/{jobId}"] == 2


@pytest.mark.parametrize("many", [False, True])
def test_one_id_in_a_list_has_its_result_in_a_list(zuora, supervisor, many):
    fire(attach_instance(ZuoraJobTrigger(job_id=submit(zuora), end_options=ENDS | {"is_list": many})))

    assert isinstance(supervisor.xcoms[RESULT], list) == many


@pytest.mark.parametrize("ends", [ENDS, None])
def test_a_list_of_none_has_an_empty_result(zuora, supervisor, ends):
    supervisor.xcoms["submit", "return_value", -1] = []
    event = fire(attach_instance(ZuoraJobTrigger(start_options=starts(), end_options=ends)))

    if ends:
        assert isinstance(event, TaskSuccessEvent)
        assert supervisor.xcoms[RESULT] == []
    else:
        assert ZuoraJobSensor(task_id="wait", job_id=[]).execute_complete({}, event.payload) == []
        with pytest.raises(PermanentError, match="job_id names other jobs now"):
            ZuoraJobSensor(task_id="wait", job_id="j").execute_complete({}, event.payload)


def test_one_of_a_list_that_fails_leaves_the_end_to_a_worker(zuora, supervisor):
    one = submit(zuora, "O-1")
    supervisor.xcoms["submit", "return_value", -1] = [one, "no-such-job"]
    event = fire(
        attach_instance(
            ZuoraJobTrigger(start_options=starts(limit=1000.0), started=time.time() - 600, end_options=ENDS)
        )
    )

    assert type(event) is TriggerEvent
    assert supervisor.asked == ["GetXCom"]
    pushed = {}
    context = {"ti": SimpleNamespace(xcom_push=lambda key, value: pushed.update({key: value}))}
    with pytest.raises(PermanentError, match="1 of 2 jobs have no result"):
        ZuoraJobSensor(task_id="wait", job_id=[one, "no-such-job"]).execute_complete(context, event.payload)
    assert [each["state"] for each in pushed["job_results"]] == ["completed", "unknown"]


def test_a_later_try_takes_away_what_an_earlier_one_left(zuora, supervisor):
    """Airflow does so for a try that begins on a worker; here the old result would outlive a failure."""
    zuora.sandbox.settings = Settings(job_seconds=0, fail_jobs=REFUSAL)
    supervisor.xcoms[RESULT] = {"orderNumber": "of yesterday"}
    job_id = submit(zuora)
    for try_number, left in ((1, {"orderNumber": "of yesterday"}), (2, None)):
        trigger = ZuoraJobTrigger(job_id=job_id, start_options=starts(task_id=None), end_options=ENDS)
        fire(attach_instance(trigger, try_number=try_number))
        assert supervisor.xcoms.get(RESULT) == left


@pytest.fixture
def _in_tokyo(monkeypatch):
    monkeypatch.setenv("TZ", "Asia/Tokyo")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


@pytest.mark.usefixtures("_in_tokyo")
@pytest.mark.parametrize("zone", [UTC, None])
def test_a_triggerer_that_takes_over_does_not_begin_again(zuora, supervisor, zone):
    """The timeout that Airflow keeps, 160 s after ours, says when the wait began: 90 s ago, of 100."""
    zuora.sandbox.settings = Settings(job_seconds=1e9)
    began = time.time() - 90
    ends_at = datetime.fromtimestamp(began + 260, UTC).replace(tzinfo=zone)
    trigger = ZuoraJobTrigger(job_id=submit(zuora), poll_interval=1e6, start_options=starts(task_id=None))
    first = attach_instance(trigger, timeout_after=ends_at)

    async def waited():
        task = asyncio.ensure_future(anext(first.run()))
        while not zuora.naps:  # noqa: ASYNC110 - the nap is over at once
            await asyncio.sleep(0.01)
        task.cancel()

    asyncio.run(waited())

    assert first.started == pytest.approx(began, abs=0.01)
    assert first.deadline == pytest.approx(began + 100, abs=0.01)
    assert zuora.naps[0] <= 10


@pytest.mark.parametrize("many", [False, True])
def test_a_worker_that_defers_tells_the_trigger_how_to_end(zuora, supervisor, many):
    zuora.sandbox.settings = Settings(job_seconds=1e6)
    job_id = submit(zuora)
    task = ZuoraJobSensor(
        task_id="wait",
        job_id=[job_id] if many else job_id,
        end_from_trigger=True,
        require_order_completed=True,
    )
    with pytest.raises(TaskDeferred) as caught:
        task.execute({})
    kwargs = caught.value.trigger.serialize()[1]
    zuora.sandbox.advance(2e6)
    event = fire(attach_instance(ZuoraJobTrigger(**kwargs | {"not_before": 0.0})))

    assert kwargs["end_options"]["options"] == {"require_order_completed": True}
    assert isinstance(event, TaskSuccessEvent)
    assert isinstance(supervisor.xcoms[RESULT], list) == many
