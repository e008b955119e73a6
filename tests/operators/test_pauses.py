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


class Task:
    """One task instance on an Airflow; each of its processes has an operator of its own."""

    def __init__(self, clock, memory=True, kind=ZuoraCreateOrderOperator, **options):
        self.clock, self.number, self.xcoms, self.pauses = clock, 1, {}, []
        self.store = StateStore() if memory else None
        self.kind, self.options = kind, options or {"order": ORDER}

    def make(self):
        return self.kind(task_id="t", **self.options)

    @property
    def context(self):
        ti = Instance(**WAITING | {"task_id": "t", "max_tries": 3}, try_number=self.number, xcoms=self.xcoms)
        store = {} if self.store is None else {"task_state_store": self.store}
        return {"ti": ti, "ds": "2024-07-31", "task": SimpleNamespace(retries=3), **store}

    def begin(self):
        with pytest.raises(TaskDeferred) as caught:
            self.make().execute(self.context)
        return caught.value

    def resume(self, deferral, event=None):
        kwargs = json.loads(json.dumps(deferral.kwargs)) | {"event": event or self.fire(deferral.trigger)}
        return self.make().resume_execution(deferral.method_name, kwargs, self.context)

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
                return self.resume(deferral) if deferral else self.make().execute(self.context)
            except TaskDeferred as again:
                deferral = again

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

    @pytest.mark.parametrize("order", [ORDER, BARE], ids=["numbered", "not numbered"])
    def test_another_content_goes_on_under_the_same_key(self, zuora, task, order):
        task.options = {"order": order}
        deferral = task.begin()
        task.options = {"order": order | {"description": "changed"}}
        task.resume(deferral)

        assert len(zuora.ledger()["orders"]) == 1

    def test_another_number_is_a_question(self, zuora, task):
        deferral = task.begin()
        task.options = {"order": ORDER | {"orderNumber": "O-2"}}
        with pytest.raises(OutcomeUnknownError, match="has another number, key or account since"):
            task.resume(deferral)
        assert len(zuora.ledger()["orders"]) == 1

    def test_another_number_begins_if_nothing_can_have_been_made(self, zuora, clock, memory):
        zuora.fault(**POST, **LIMITED, when="before")
        task = Task(clock, memory)
        deferral = task.begin()
        task.options = {"order": ORDER | {"orderNumber": "O-2"}}
        task.resume(deferral)

        assert [made["orderNumber"] for made in zuora.ledger()["orders"]] == ["O-2"]


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

    def test_a_state_that_cannot_be_read_is_retried(self, zuora, task):
        deferral = task.begin()
        deferral.kwargs["paused"]["state"]["submission"]["standing"] = "OF ANOTHER RELEASE"
        with pytest.raises(TransientError, match="cannot be read, so it sends nothing"):
            task.resume(deferral)
        assert zuora.ledger()["orders"] == []

        task.retry()
        assert len(zuora.ledger()["orders"]) == 1

    def test_the_state_of_another_try_is_not_used(self, zuora, task):
        deferral = task.begin()
        task.number = 2
        task.resume(deferral)
        assert len(zuora.ledger()["orders"]) == 1

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
