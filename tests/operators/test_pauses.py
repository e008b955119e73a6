"""A task that would hold its worker for long for the vendor's sake defers, and goes on in another one."""

from __future__ import annotations

import asyncio
import json
import shutil
from datetime import timedelta
from types import SimpleNamespace

import pytest
from airflow.providers.common.compat.sdk import TaskDeferred

from airflow_provider_zuora.exceptions import OutcomeUnknownError, PermanentError, TransientError
from airflow_provider_zuora.operators.billing import ZuoraBillRunOperator, ZuoraPaymentRunOperator
from airflow_provider_zuora.operators.data_query import ZuoraDataQueryOperator
from airflow_provider_zuora.operators.orders import ZuoraCreateOrderOperator, ZuoraCreateOrdersOperator
from airflow_provider_zuora.sensors.zuora import ZuoraJobSensor
from airflow_provider_zuora.triggers.pause import ZuoraPauseTrigger
from tests.airflow_context.test_receipts import LINE, Instance
from tests.airflow_versions import TRIGGER_TIMEOUT
from tests.conftest import ORDER, WAITING, StateStore
from tests.core.run_tries import AT_ONCE, BILL_RUN, PAYMENT_RUN
from tests.core.runners import Clock
from tests.core.tries import EDGE, body
from tests.one_airflow import serve_zuora
from tests.virtual_time import run_in_virtual_time

BARE = {name: value for name, value in ORDER.items() if name != "orderNumber"}
POST = {"method": "POST", "path": "/v1/async/orders"}
SIGN_IN = {"method": "POST", "path": "/oauth/token"}
LIMITED = {"status": 429, "body": body(70), "headers": {"Retry-After": "120"}}
memories = pytest.mark.parametrize("memory", [True, False], ids=["state store", "no state store"])


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def zuora(clock, monkeypatch):
    with serve_zuora(clock, monkeypatch, **AT_ONCE) as zuora:
        yield zuora


class FullStore(StateStore):
    """One that takes nothing more."""

    def set(self, key, value, *, retention=None):
        raise OSError("No space left on device")


class Task:
    """One task instance on an Airflow; each of its processes has an operator of its own."""

    def __init__(self, clock, memory=True, kind=ZuoraCreateOrderOperator, **options):
        self.clock, self.number, self.max_tries, self.xcoms, self.pauses = clock, 1, 3, {}, []
        self.store = StateStore() if memory else None
        self.kind, self.options = kind, options or {"order": ORDER}

    def make(self):
        return self.kind(task_id="t", **{"retries": 3} | self.options)

    def start(self):
        task = self.make()
        return task, self.context | {"task": task}

    @property
    def context(self):
        own = {"task_id": "t", "max_tries": self.max_tries, "try_number": self.number}
        ti = Instance(**WAITING | own, xcoms=self.xcoms)
        store = {} if self.store is None else {"task_state_store": self.store}
        return {"ti": ti, "ds": "2024-07-31", "task": SimpleNamespace(retries=3), **store}

    def begin(self):
        task, context = self.start()
        with pytest.raises(TaskDeferred) as caught:
            task.execute(context)
        return caught.value

    def resume(self, deferral, event=None):
        kwargs = json.loads(json.dumps(deferral.kwargs)) | {"event": event or self.fire(deferral.trigger)}
        task, context = self.start()
        return task.resume_execution(deferral.method_name, kwargs, context)

    def deferral_after(self, deferral):
        with pytest.raises(TaskDeferred) as caught:
            self.resume(deferral)
        return caught.value

    def fire(self, trigger):
        path, arguments = trigger.serialize()
        assert path == "airflow_provider_zuora.triggers.pause.ZuoraPauseTrigger"

        async def wait():
            trigger, loop = ZuoraPauseTrigger(**json.loads(json.dumps(arguments))), asyncio.get_running_loop()
            began = loop.time()
            event = await anext(trigger.run())
            return json.loads(json.dumps(event.payload)), loop.time() - began

        event, seconds = run_in_virtual_time(wait())
        self.pauses.append(round(seconds))
        self.clock.now += seconds
        return event

    def run(self):
        """Execute the task in one try, resumed as often as it defers."""
        deferral = None
        while True:
            try:
                if deferral:
                    return self.resume(deferral)
                task, context = self.start()
                return task.execute(context)
            except TaskDeferred as again:
                deferral = again

    def clear(self):
        self.max_tries = self.number + 3
        return self.retry()

    def retry(self):
        self.number += 1
        self.xcoms.clear()
        return self.run()


@memories
class TestAPost:
    def test_it_is_sent_again_by_another_process_under_the_same_key(self, zuora, clock, memory):
        zuora.fault(**POST, **LIMITED, when="before")
        task = Task(clock, memory)
        job_id = task.run()

        [made] = zuora.ledger()["orders"]
        assert made["jobId"] == job_id
        assert task.pauses == [120]
        assert max(clock.naps, default=0) <= 30
        assert len(zuora.posts()) == 2

    def test_each_time_that_it_is_asked_to_wait(self, zuora, clock, memory):
        zuora.fault(**POST, **LIMITED, when="before", times=4)
        task = Task(clock, memory)
        task.run()

        assert task.pauses == [120] * 4
        assert len(zuora.ledger()["orders"]) == 1

    def test_no_longer_than_a_try_may_send(self, zuora, clock, memory):
        zuora.fault(**POST, **LIMITED, when="before", times=None)
        task = Task(clock, memory)
        with pytest.raises(TransientError, match="a limit is reached"):
            task.run()

        assert set(task.pauses) == {120}
        assert 4 <= len(task.pauses) <= 5  # the limit of this process adds up to a second to each, by chance
        assert task.xcoms["receipt"]["state"] == "open"

    def test_a_refusal_after_it_is_one(self, zuora, clock, memory):
        """Nothing can have been made: before Airflow 3.3 too, where nothing but the deferral says so."""
        zuora.fault(**POST, **LIMITED, when="before")
        zuora.fault(**POST, status=400, body=body(53200020), when="instead")
        task = Task(clock, memory, order=BARE)
        with pytest.raises(PermanentError, match="53200020") as caught:
            task.run()

        assert not isinstance(caught.value, OutcomeUnknownError)
        assert task.pauses == [120]

    def test_a_lost_answer_before_it_is_remembered(self, zuora, clock, memory):
        """The order is made; then an edge asks to wait, and refuses: that is no refusal of the order."""
        zuora.fault(**POST, kind="reset", when="after")
        zuora.fault(**POST, **LIMITED, when="before")
        edge = {"Zuora-Request-Id": EDGE}
        zuora.fault(**POST, status=400, body=body(90000020), when="before", headers=edge, times=9)
        task = Task(clock, memory)

        assert task.run() == "order:O-1"
        assert task.pauses[0] == 120
        assert len(zuora.ledger()["orders"]) == 1

    def test_of_an_order_without_a_number_a_person_is_asked_then(self, zuora, clock, memory):
        zuora.fault(**POST, kind="reset", when="after")
        zuora.fault(**POST, **LIMITED, when="before")
        edge = {"Zuora-Request-Id": EDGE}
        zuora.fault(**POST, status=400, body=body(90000020), when="before", headers=edge, times=9)
        with pytest.raises(OutcomeUnknownError):
            Task(clock, memory, order=BARE).run()
        assert len(zuora.ledger()["orders"]) == 1


@memories
class TestWhatAnotherWasAskedToWait:
    """The limiter of the process, or of its host, knows of it; the vendor has not answered this task."""

    @pytest.fixture(autouse=True)
    def cool_down(self, zuora, clock):
        zuora.fault(**POST, **LIMITED | {"headers": {"Retry-After": "45"}}, when="before")
        Task(clock, order=ORDER | {"orderNumber": "O-of-another"}).begin()

    def test_holds_no_worker_before_a_post(self, zuora, clock, memory):
        task = Task(clock, memory)
        task.run()

        assert [pause for pause in task.pauses if not 45 <= pause <= 47] == []
        assert len(task.pauses) == 1
        assert clock.naps == []
        assert len(zuora.posts()) == 2

    def test_holds_one_that_cannot_defer(self, zuora, clock, memory):
        Task(clock, memory, order=ORDER, deferrable=False).run()

        assert 45 <= sum(clock.naps) <= 47
        assert len(zuora.posts()) == 2

    def test_holds_no_worker_before_a_first_poll(self, zuora, clock, memory):
        task = ZuoraJobSensor(task_id="wait", job_id="0" * 32)
        with pytest.raises(TaskDeferred) as caught:
            task.execute(Task(clock, memory).context | {"task": task})

        assert clock.naps == []
        assert caught.value.trigger.not_before - clock.now >= 45


@memories
def test_a_look_up_looks_again_in_another_process(zuora, clock, memory):
    zuora.fault(**POST, kind="reset", when="before")
    zuora.fault(**POST, status=400, body=body(90000020), when="before", times=9)
    task = Task(clock, memory)
    with pytest.raises(PermanentError):
        task.run()

    looks = [row for row in zuora.ledger()["recent"] if row["path"] == "/v1/orders/O-1"]
    assert len(looks) == 2
    assert task.pauses == [600]
    assert zuora.ledger()["orders"] == []


@memories
def test_the_rest_after_a_lock_holds_no_worker(zuora, clock, memory):
    zuora.fault(**POST, status=409, body=body(53200050), when="instead")
    task = Task(clock, memory)
    with pytest.raises(TransientError):
        task.run()
    job_id = task.retry()

    assert [made["jobId"] for made in zuora.ledger()["orders"]] == [job_id]
    assert all(pause <= 60 for pause in task.pauses)
    assert max(clock.naps, default=0) <= 30 or not task.pauses


@memories
class TestASignIn:
    def test_nothing_is_sent_while_the_account_cools_down(self, zuora, clock, memory):
        zuora.fault(**SIGN_IN, **LIMITED)
        task = Task(clock, memory)
        job_id = task.run()

        assert [made["jobId"] for made in zuora.ledger()["orders"]] == [job_id]
        assert task.pauses == [120]
        assert max(clock.naps, default=0) <= 30

    def test_no_longer_than_a_read_may_last(self, zuora, clock, memory):
        zuora.fault(**SIGN_IN, **LIMITED, times=None)
        task = Task(clock, memory)
        with pytest.raises(TransientError, match="could not sign in, nothing else was sent"):
            task.run()

        assert task.pauses == [120]
        assert zuora.posts() == []

    def test_the_first_try_has_sent_nothing_also_after_it(self, zuora, clock, memory):
        zuora.fault(**SIGN_IN, **LIMITED)
        zuora.fault(**POST, status=400, body=body(53200020), when="instead")
        with pytest.raises(PermanentError, match="53200020") as caught:
            Task(clock, memory, order=BARE).run()
        assert not isinstance(caught.value, OutcomeUnknownError)

    def test_in_the_process_that_goes_on_it_loses_nothing(self, zuora, clock, memory, runtime_dir):
        zuora.fault(**POST, kind="reset", when="after")
        zuora.fault(**POST, **LIMITED, when="before")
        task = Task(clock, memory)
        deferral = task.begin()
        shutil.rmtree(runtime_dir)
        session = zuora.use_session(clock=clock, sleep=clock.sleep)  # of a process on another host
        zuora.fault(**SIGN_IN, **LIMITED)
        again = task.deferral_after(deferral)
        task.resume(again)
        session.close()

        assert len(zuora.ledger()["orders"]) == 1
        assert again.kwargs["paused"]["state"]["submission"]["record"]["unanswered"] == 1


@memories
@pytest.mark.parametrize(
    ("kind", "options", "path"),
    [
        (ZuoraBillRunOperator, {"bill_run": BILL_RUN}, "/v1/bill-runs"),
        (ZuoraPaymentRunOperator, {"payment_run": PAYMENT_RUN}, "/v1/payment-runs"),
    ],
    ids=["bill run", "payment run"],
)
def test_a_run_goes_on_too(zuora, clock, kind, options, path, memory):
    zuora.fault(method="POST", path=path, **LIMITED, when="before")
    task = Task(clock, memory, kind, **options)
    task.resume(task.begin())

    state = zuora.sandbox.state
    assert len(state.bill_runs.runs) + len(state.payment_runs.runs) == 1
    assert task.pauses == [120]
    assert max(clock.naps, default=0) <= 30


QUERY = {"method": "POST", "path": "/query/jobs"}


@memories
class TestADataQuery:
    @pytest.fixture
    def task(self, clock, memory):
        return Task(clock, memory, ZuoraDataQueryOperator, query="SELECT id FROM Account", timeout=1e6)

    def test_it_is_submitted_after_the_pause(self, zuora, clock, task):
        zuora.fault(**QUERY, **LIMITED, when="before", times=2)
        again = task.deferral_after(task.begin())
        with pytest.raises(TaskDeferred) as waits:
            task.resume(again)

        assert task.pauses == [120, 120]
        assert waits.value.method_name == "execute_complete"
        assert len(zuora.sandbox.state.query_jobs.jobs) == 1
        assert max(clock.naps, default=0) <= 30

    def test_no_longer_than_a_write_may_last(self, zuora, task):
        zuora.fault(**QUERY, **LIMITED, when="before", times=None)
        with pytest.raises(TransientError):
            task.run()
        assert set(task.pauses) == {120}
        assert 4 <= len(task.pauses) <= 5

    def test_the_sign_in_too(self, zuora, clock, task):
        zuora.fault(**SIGN_IN, **LIMITED)
        with pytest.raises(TaskDeferred):
            task.resume(task.begin())
        assert task.pauses == [120]
        assert max(clock.naps, default=0) <= 30


class TestWhatKeepsItsWorker:
    def test_a_task_that_is_not_deferrable(self, zuora, clock):
        zuora.fault(**POST, **LIMITED, when="before")
        Task(clock, order=ORDER, deferrable=False).run()

        assert max(clock.naps) >= 120

    def test_a_list(self, zuora, clock):
        zuora.fault(**POST, **LIMITED, when="before")
        Task(clock, kind=ZuoraCreateOrdersOperator, orders=[ORDER]).run()

        assert max(clock.naps) >= 120

    def test_a_subclass_that_may_submit_several_orders(self, zuora, clock):
        class Several(ZuoraCreateOrderOperator):
            def execute(self, context):
                return super().execute(context)

        class Started(ZuoraCreateOrderOperator):
            def start_job(self, context):
                return super().start_job(context)

        for kind in (Several, Started):
            zuora.fault(**POST, **LIMITED, when="before")
            task = Task(clock, kind=kind, order=ORDER)
            task.run()
            assert task.pauses == []

    def test_one_that_another_task_calls(self, zuora, clock):
        """Airflow could not resume it: it calls the outer task's methods."""
        zuora.fault(**POST, **LIMITED, when="before")
        inner = Task(clock)
        _, context = inner.start()
        inner.make().execute(context)

        assert max(clock.naps) >= 120
        assert len(zuora.ledger()["orders"]) == 1

    def test_one_that_a_method_starts(self, zuora, clock):
        zuora.fault(**POST, **LIMITED, when="before")
        task, context = Task(clock).start()
        task.start_job(context)

        assert max(clock.naps) >= 120

    def test_an_order_in_a_file_which_may_be_gone_then(self, zuora, clock, tmp_path):
        file = tmp_path / "order.json"
        file.write_text(json.dumps(ORDER))
        zuora.fault(**POST, **LIMITED, when="before")
        task = Task(clock, order=file)
        task.run()
        assert task.pauses == []

    def test_one_that_has_paused_as_often_as_a_try_may(self, zuora, clock):
        zuora.fault(**POST, **LIMITED, when="before", times=2)
        task = Task(clock)
        deferral = task.begin()
        deferral.kwargs["paused"]["count"] = 20
        task.resume(deferral)

        assert max(clock.naps) >= 120
        assert len(zuora.ledger()["orders"]) == 1


@memories
class TestAnOrderThatChangesMeanwhile:
    """A template may differ in each process, such as one with `now()`."""

    @pytest.fixture
    def task(self, zuora, clock, memory):
        zuora.fault(**POST, kind="reset", when="after")
        zuora.fault(**POST, **LIMITED, when="before")
        return Task(clock, memory)

    CHANGES = pytest.mark.parametrize(
        "change",
        [
            {"orderNumber": "O-2"},
            {"description": "changed"},
            {"existingAccountNumber": "A00000098"},
            {"orderNumber": None},
        ],
        ids=["number", "content", "account", "no number"],
    )

    def change(self, change):
        return {"order": {name: value for name, value in (ORDER | change).items() if value is not None}}

    @CHANGES
    def test_is_a_question(self, zuora, task, change):
        deferral = task.begin()
        task.options = self.change(change)
        with pytest.raises(OutcomeUnknownError, match="has changed since this try has paused"):
            task.resume(deferral)
        assert len(zuora.ledger()["orders"]) == 1
        assert task.xcoms["receipt"]["state"] == "unknown"

    @CHANGES
    def test_is_made_as_it_is_then_if_nothing_can_have_been_made(self, zuora, clock, memory, change):
        zuora.fault(**POST, **LIMITED, when="before")
        task = Task(clock, memory)
        deferral = task.begin()
        task.options = self.change(change)
        task.resume(deferral)

        [made] = zuora.ledger()["orders"]
        wanted = task.options["order"]
        assert made.get("description") == wanted.get("description")
        assert made["accountNumber"] == wanted["existingAccountNumber"]

    @pytest.mark.parametrize("keys", [("K-1", "K-2"), (None, "K-1"), ("K-1", None)])
    def test_another_raw_key_is_a_question(self, zuora, task, keys):
        task.options = {"order": ORDER, "raw_idempotency_key": keys[0]}
        deferral = task.begin()
        task.options = {"order": ORDER, "raw_idempotency_key": keys[1]}
        with pytest.raises(OutcomeUnknownError, match="has changed since this try has paused"):
            task.resume(deferral)
        assert len(zuora.ledger()["orders"]) == 1

    @pytest.mark.parametrize("order", [{}, "{{ no JSON", ORDER | {"orderDate": "31 July"}])
    def test_one_that_cannot_be_sent_any_more_is_a_question(self, zuora, task, order):
        """It said that nothing was sent."""
        deferral = task.begin()
        task.options = {"order": order}
        with pytest.raises(
            OutcomeUnknownError, match="Before it paused this try sent something under key af-"
        ):
            task.resume(deferral)
        assert task.xcoms["receipt"]["state"] == "unknown"

        task.options = {"order": ORDER}
        task.clear()
        assert len(zuora.ledger()["orders"]) == 1

    def test_one_that_cannot_be_sent_any_more_is_refused_if_nothing_can_have_been_made(
        self, zuora, clock, memory
    ):
        zuora.fault(**POST, **LIMITED, when="before")
        task = Task(clock, memory)
        deferral = task.begin()
        task.options = {"order": {}}
        with pytest.raises(PermanentError, match=r"Nothing was sent|none was sent|order"):
            task.resume(deferral)
        assert task.xcoms["receipt"]["state"] == "refused"
        assert zuora.ledger()["orders"] == []

    def test_a_connection_that_may_write_no_more_is_a_question(self, zuora, task, monkeypatch):
        deferral = task.begin()
        monkeypatch.setenv("AIRFLOW_CONN_ZUORA_DEFAULT", zuora.connection(extra={"read_only": True}))
        with pytest.raises(
            OutcomeUnknownError, match="Before it paused this try sent something under key af-"
        ):
            task.resume(deferral)
        assert len(zuora.ledger()["orders"]) == 1


def test_what_was_sent_is_not_noted_as_nothing_where_a_sign_in_fails_after_the_pause(
    zuora, clock, runtime_dir
):
    """The state store was emptied meanwhile; the next try believed that the first had sent nothing."""
    zuora.fault(**POST, kind="reset", when="after")
    zuora.fault(**POST, **LIMITED, when="before")
    task = Task(clock, order=BARE)
    deferral = task.begin()
    task.store.kept.clear()
    shutil.rmtree(runtime_dir)
    session = zuora.use_session(clock=clock, sleep=clock.sleep)  # of a process on another host
    zuora.fault(**SIGN_IN, status=503, times=None)
    with pytest.raises(TransientError):
        task.resume(deferral)
    session.close()

    assert task.store.kept == {}


class TestAirflow:
    @pytest.fixture
    def task(self, zuora, clock):
        zuora.fault(**POST, **LIMITED, when="before")
        return Task(clock)

    def test_there_is_one_receipt_and_it_counts_from_the_beginning(self, task, capsys):
        deferral = task.begin()
        assert not LINE.findall(capsys.readouterr().out)
        assert list(task.xcoms) == ["wait"]
        deferral.kwargs["paused"]["began"] -= 1000
        task.resume(deferral)

        assert len(LINE.findall(capsys.readouterr().out)) == 1
        assert task.xcoms["receipt"]["state"] == "submitted"
        assert task.xcoms["receipt"]["seconds"] >= 1000

    def test_dag_test_hands_over_the_event_alone(self, zuora, task):
        deferral = task.begin()
        deferral.kwargs.clear()
        task.resume(deferral)
        assert len(zuora.ledger()["orders"]) == 1

    def test_a_pause_that_no_trigger_ends_is_retried(self, zuora, task):
        task.begin()
        with pytest.raises(TransientError, match=r"no trigger has ended the pause.*Is a triggerer running\?"):
            task.make().resume_execution("__fail__", {"error": TRIGGER_TIMEOUT}, task.context)
        assert task.xcoms["receipt"]["state"] == "open"

        task.retry()
        assert len(zuora.ledger()["orders"]) == 1

    @pytest.mark.parametrize("event", [{"status": "ended"}, {"status": "error", "message": "x"}])
    def test_an_event_that_is_not_ours_ends_no_pause(self, zuora, task, event):
        with pytest.raises(TransientError, match="no trigger has ended the pause"):
            task.resume(task.begin(), event)
        assert zuora.ledger()["orders"] == []

    @pytest.mark.parametrize("part", ["standing", "record"])
    def test_a_state_that_cannot_be_read_is_retried(self, zuora, task, part):
        deferral = task.begin()
        deferral.kwargs["paused"]["state"]["submission"][part] = "OF ANOTHER RELEASE"
        with pytest.raises(TransientError, match="cannot be read, so it sends nothing"):
            task.resume(deferral)
        assert zuora.ledger()["orders"] == []

        task.retry()
        assert len(zuora.ledger()["orders"]) == 1

    @pytest.mark.parametrize(
        "change",
        [{"try": 7}, {"version": 0}, {"submission": None}, {"waited": "x"}, {"sign_in": []}],
        ids=str,
    )
    def test_the_state_of_another_try_or_release_is_not_used(self, zuora, task, change):
        deferral = task.begin()
        state = deferral.kwargs["paused"]["state"] | change
        deferral.kwargs["paused"]["state"] = {name: value for name, value in state.items() if value != None}  # noqa: E711
        with pytest.raises(TransientError, match="cannot be read, so it sends nothing"):
            task.resume(deferral)
        assert zuora.ledger()["orders"] == []

    @pytest.mark.parametrize(
        "paused", [None, [], {"state": {}}, {"state": 1, "began": 0, "count": 1}, {"state": {}, "began": "x"}]
    )
    def test_what_is_no_pause_is_retried(self, zuora, task, paused):
        deferral = task.begin()
        deferral.kwargs["paused"] = paused
        with pytest.raises(TransientError, match="before it had a job"):
            task.resume(deferral)
        assert zuora.ledger()["orders"] == []

    def test_a_subclass_may_defer_to_execute_itself(self, zuora, clock):
        class Delayed(ZuoraCreateOrderOperator):
            def execute(self, context, event=None):
                if event is None:
                    self.defer(trigger=ZuoraPauseTrigger(seconds=1), method_name="execute")
                return super().execute(context)

        task = Task(clock, kind=Delayed, order=ORDER)
        deferral = task.begin()
        operator, context = task.start()
        operator.resume_execution(deferral.method_name, {"event": {"status": "mine"}}, context)

        assert len(zuora.ledger()["orders"]) == 1

    def test_a_state_store_that_fails_after_the_pause_is_not_said_to_be_before_any_post(self, zuora, task):
        deferral = task.begin()
        task.store = FullStore()
        with pytest.raises(TransientError, match="It was sent"):
            task.resume(deferral)

    def test_the_deferral_ends_with_execution_timeout(self, zuora, task):
        zuora.fault(**POST, **LIMITED, when="before")
        deferral = task.begin()
        assert deferral.timeout == timedelta(seconds=660)
        task.options = task.options | {"execution_timeout": timedelta(seconds=100)}
        assert 90 < task.begin().timeout.total_seconds() <= 100

    def test_nothing_of_the_order_and_no_word_of_zuoras_is_in_the_deferral(self, zuora, clock):
        card = "4111111111111111"
        said = body(53200050, f"Card {card} is locked")
        zuora.fault(**POST, status=429, body=said, headers={"Retry-After": "120"}, when="before")
        deferral = Task(clock, order=ORDER | {"description": "for our eyes only"}).begin()

        told = json.dumps(deferral.kwargs) + json.dumps(deferral.trigger.serialize())
        assert card not in told
        assert "for our eyes" not in told
        assert "A00000097" not in told
