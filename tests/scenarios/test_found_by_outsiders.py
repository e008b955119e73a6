"""
Ways to two orders, or to a success without one, that an audit and public reports found; each as it should be.

Real operators and hooks over real HTTP; time is a number. The same in the small: tests/core/submission.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from datetime import UTC, datetime
from types import SimpleNamespace

import pytest

from airflow_provider_zuora.core.messages import Credentials
from airflow_provider_zuora.core.vendors import VENDORS
from airflow_provider_zuora.exceptions import OutcomeUnknownError, PermanentError, TransientError
from airflow_provider_zuora.hooks.zuora import ZuoraHook
from airflow_provider_zuora.operators.orders import ZuoraCreateOrderOperator
from airflow_provider_zuora.session.session import REGISTRY, SessionConfig
from airflow_provider_zuora.session.token_file import TokenFile
from airflow_provider_zuora.transports.config import TransportConfig
from tests.conftest import Source, StateStore, make_timing
from tests.core.runners import Clock
from tests.one_airflow import Airflow, Worker, serve_zuora
from zuora_sandbox import CLIENT_ID, CLIENT_SECRET

HOUR = 3600.0
POST = {"method": "POST", "path": "/v1/async/orders"}
PLAIN = {
    "existingAccountNumber": "A00000097",
    "orderDate": "2024-07-01",
    "orderLineItems": [
        {"itemName": "Installation", "itemType": "Services", "quantity": 1, "amountPerUnit": 250}
    ],
}
NUMBERED = PLAIN | {"orderNumber": "O-1"}
NEW = {name: value for name, value in NUMBERED.items() if name != "existingAccountNumber"} | {
    "newAccount": {
        "name": "Amy",
        "currency": "USD",
        "billCycleDay": 0,
        "billToContact": {"firstName": "Amy", "lastName": "Lawrence"},
    }
}


def make_body(**body):
    return json.dumps(body).encode()


def make_refusal(code, message="Told so."):
    return make_body(success=False, reasons=[{"code": code, "message": message}])


FORBIDDEN = {"when": "before", "status": 403, "body": make_body(code=403, message="Forbidden")}
NO_ROUTE = {"when": "before", "status": 404, "body": make_body(message="no Route matched with those values")}
LOCK = {
    "when": "instead",
    "status": 409,
    "body": make_refusal(53200050, "Operation failed due to a lock competition"),
}
LOST = {"when": "after", "kind": "reset"}


def list_made(zuora):
    return [job for job in zuora.ledger()["jobs"] if job["status"] != "Failed"]


class TestAListAfterALostAnswer:
    """a01: an order that exists is never called refused: it would be left out, or offered for another go."""

    @pytest.fixture
    def refused(self, tmp_path):
        return tmp_path / "refused.jsonl"

    @pytest.mark.parametrize("version", [2.11, 3.3, 3.4])
    @pytest.mark.parametrize("turned_away", [FORBIDDEN, NO_ROUTE], ids=["403", "404"])
    def test_is_not_refused_where_the_repetition_is_turned_away(
        self, zuora, clock, refused, version, turned_away
    ):
        zuora.fault(**POST, **LOST)
        zuora.fault(**POST, **turned_away)
        airflow = Airflow(clock, version)
        job_ids = airflow.run([PLAIN], on_refusal="skip", refused_path=str(refused))

        assert job_ids == [job["jobId"] for job in list_made(zuora)]
        assert airflow.states == ["submitted"]
        assert refused.read_text() == ""

    @pytest.mark.parametrize("version", [2.11, 3.3, 3.4])
    def test_is_unknown_where_all_later_tries_are_turned_away(self, zuora, clock, refused, version):
        options = {"on_refusal": "skip", "refused_path": str(refused)}
        airflow = Airflow(clock, version)
        zuora.fault(**POST, **LOST, times=6)
        with pytest.raises(TransientError):
            airflow.try_once([PLAIN], **options)
        zuora.sandbox.state.faults.clear()
        zuora.fault(**POST, **FORBIDDEN, times=None)
        with pytest.raises(OutcomeUnknownError):
            airflow.run([PLAIN], **options)

        assert airflow.states == ["unknown"]
        assert refused.read_text() == ""
        assert len(list_made(zuora)) == 1

    def test_is_found_where_it_has_a_number(self, zuora, clock, refused):
        zuora.fault(**POST, **LOST)
        zuora.fault(**POST, **FORBIDDEN, times=None)
        airflow = Airflow(clock, 3.3)

        assert airflow.run([NUMBERED], on_refusal="skip", refused_path=str(refused)) == ["order:O-1"]
        assert len(list_made(zuora)) == 1

    def test_a_single_order_is_sent_again_too(self, zuora, clock):
        zuora.fault(**POST, **LOST)
        zuora.fault(**POST, **FORBIDDEN)

        assert Airflow(clock, 3.3).run(PLAIN) == list_made(zuora)[0]["jobId"]

    def test_a_single_order_is_asked_for_at_last(self, zuora, clock):
        zuora.fault(**POST, **LOST)
        zuora.fault(**POST, **FORBIDDEN, times=None)
        with pytest.raises(OutcomeUnknownError, match="an earlier POST under its key may have made it"):
            Airflow(clock, 3.3).run(PLAIN)


class TestARefusalBeforeTheKeyStore:
    """a03: a coded refusal of one POST says nothing of the one before it, which went unanswered."""

    @pytest.mark.parametrize("version", [2.11, 3.3, 3.4])
    @pytest.mark.parametrize("cleared", [False, True], ids=["a retry", "a clear"])
    @pytest.mark.parametrize(
        ("status", "code"),
        [(409, 53200050), (400, 90000020), (200, 90000030), (404, 50000040), (403, 90000010)],
    )
    def test_begins_no_other_key(self, zuora, clock, version, cleared, status, code):
        zuora.fault(**POST, **LOST)
        zuora.fault(**POST, when="before", status=status, body=make_refusal(code), times=9)
        airflow = Airflow(clock, version)
        with pytest.raises((PermanentError, TransientError)) as caught:
            airflow.try_once(PLAIN)
        assert "efused" not in type(caught.value).__name__
        zuora.sandbox.state.faults.clear()
        clock.now += 300
        if cleared:
            airflow.clear()

        assert airflow.run(PLAIN) == list_made(zuora)[0]["jobId"]
        assert len(list_made(zuora)) == 1


class TestAdopting:
    """a10: what is adopted made this very order."""

    @pytest.fixture
    def zuora(self, clock, monkeypatch):
        with serve_zuora(clock, monkeypatch, job_seconds=20) as zuora:
            yield zuora

    def adopt(self, clock, job_id, order):
        options = {"adopt_job_id": job_id, "wait_for_completion": True, "deferrable": False}
        return Airflow(clock, 3.3, run_id="another").run(order, **options)

    @pytest.mark.parametrize(
        ("seconds", "options", "words"),
        [
            (0, {}, "its order number is 'O-1', this one's is 'O-2'"),
            (60, {}, "its order number is 'O-1', this one's is 'O-2'"),
            (60, {"return_ids": True}, "it does not say whether it is order O-2"),
        ],
        ids=["processing", "completed", "ids instead of numbers"],
    )
    def test_a_job_of_another_order_is_refused(self, zuora, clock, seconds, options, words):
        job_id = ZuoraHook().create_order(NUMBERED, **options)
        clock.now += seconds
        with pytest.raises(PermanentError, match=words):
            self.adopt(clock, job_id, NUMBERED | {"orderNumber": "O-2"})

        assert len(zuora.posts()) == 1

    def test_a_preview_is_refused(self, zuora, clock):
        options = {"previewThruType": "TermEnd", "previewTypes": ["BillingDocs"]}
        preview = ZuoraHook().preview_order(PLAIN | {"previewOptions": options})
        with pytest.raises(PermanentError, match="its type is 'AsyncPreviewOrder'"):
            self.adopt(clock, preview, NUMBERED)

        assert zuora.posts() == []

    def test_the_job_of_this_order_is_adopted(self, zuora, clock):
        job_id = ZuoraHook().create_order(NUMBERED)

        assert self.adopt(clock, job_id, NUMBERED)["orderNumber"] == "O-1"
        assert len(zuora.posts()) == 1


@pytest.mark.parametrize("spelling", ["LOCALHOST", "LocalHost", "localhost."])
def test_another_spelling_of_the_host_is_the_same_account(zuora, clock, monkeypatch, spelling):
    """a12: the note of an order is found again."""
    port = zuora.url.rsplit(":", 1)[1]

    async def nap(seconds):
        clock.sleep(seconds)

    def connect(host):
        credentials = Credentials(host, CLIENT_ID, CLIENT_SECRET)
        config = SessionConfig(
            VENDORS["zuora"], credentials, TransportConfig(host), TokenFile.for_credentials(credentials)
        )
        timing = make_timing(clock=clock, sleep=clock.sleep, asleep=nap)
        session = REGISTRY.make_session(config, Source(), timing=timing)
        REGISTRY.add(session)
        monkeypatch.setenv("AIRFLOW_CONN_ZUORA_DEFAULT", zuora.connection(host=host))
        return session

    opened = [connect(f"http://localhost:{port}")]
    airflow = Airflow(clock, 3.3)
    first = airflow.run(PLAIN)
    clock.now += 30 * HOUR
    opened.append(connect(f"http://{spelling}:{port}"))
    airflow.clear()

    assert airflow.run(PLAIN) == first
    assert len(list_made(zuora)) == 1
    for account in opened:
        account.close()


@pytest.mark.parametrize("raised", [1, 2, 3, 9])
def test_more_retries_in_the_dag_do_not_hide_a_clear(zuora, clock, raised):
    """a17: nothing is noted any more, and max_tries is not above the retries that the DAG has now."""
    airflow = Airflow(clock, 3.4, retries=1)
    airflow.run(PLAIN)
    clock.now += 30 * HOUR
    airflow.clear()
    airflow.retries = raised
    with pytest.raises(OutcomeUnknownError):
        airflow.run(PLAIN)

    assert len(list_made(zuora)) == 1


class TestClocksThatDiffer:
    """a20: one worker's clock is minutes ahead of the next one's, at the end of 23 hours."""

    @pytest.fixture
    def clock(self):
        return Worker()

    @pytest.mark.parametrize("version", [2.11, 3.3, 3.4])
    @pytest.mark.parametrize("order", [PLAIN, NUMBERED], ids=["not numbered", "numbered"])
    @pytest.mark.parametrize("ahead", [(120, 0), (0, 120), (590, 0), (0, 590), (-300, 290)])
    @pytest.mark.parametrize("seconds", [-60, 60])
    def test_make_no_second_order(self, zuora, clock, version, order, ahead, seconds):
        airflow = Airflow(clock, version)
        clock.now += 23 * HOUR + seconds
        clock.ahead, later = ahead
        zuora.fault(**POST, **LOST, times=6)
        zuora.fault(method="GET", path="/v1/orders/", kind="reset", times=None)
        with pytest.raises(TransientError):
            airflow.try_once([order])
        zuora.sandbox.state.faults.clear()
        clock.ahead = later
        try:
            [job_id] = airflow.run([order])
        except OutcomeUnknownError:
            assert order is PLAIN
        else:
            assert job_id in (list_made(zuora)[0]["jobId"], "order:O-1")
        assert len(list_made(zuora)) == 1

    @pytest.mark.parametrize("ahead", [-500, 500])
    def test_make_no_difference_in_the_middle_of_a_window(self, zuora, clock, ahead):
        airflow = Airflow(clock, 2.11)
        zuora.fault(**POST, **LOST, times=6)
        with pytest.raises(TransientError):
            airflow.try_once([PLAIN])
        zuora.sandbox.state.faults.clear()
        clock.ahead = ahead

        assert airflow.run([PLAIN]) == [list_made(zuora)[0]["jobId"]]


@pytest.mark.parametrize("status", [404, 403, 400])
@pytest.mark.parametrize("version", [2.11, 3.4])
def test_an_order_whose_account_cannot_be_read_is_there_all_the_same(zuora, clock, version, status):
    """a30: it is not sent again."""
    airflow = Airflow(clock, version)
    airflow.run(NEW)
    clock.now += 30 * HOUR
    airflow.clear()
    body = make_refusal(50000040, "Cannot find entity by key")
    zuora.fault(method="GET", path="/v1/accounts/", status=status, body=body, times=None)
    with pytest.raises(OutcomeUnknownError, match="its account cannot be read"):
        airflow.run(NEW)

    assert len(zuora.posts()) == 1


@pytest.mark.parametrize("order", [PLAIN, NUMBERED], ids=["not numbered", "numbered"])
def test_a_walk_that_crosses_23_hours_ends_with_the_key_that_made_the_order(zuora, clock, order):
    """a36: a lock under the first key, the order under the second; a clear in the last minute of a window."""
    zuora.fault(**POST, **LOCK)
    airflow = Airflow(clock, 3.3)
    began = clock.now
    [job_id] = airflow.run([order])
    clock.now = began + 23 * HOUR - 30
    airflow.clear()

    assert airflow.run([order]) == [job_id]
    assert len(list_made(zuora)) == 1


@pytest.mark.parametrize("order", [PLAIN, NUMBERED], ids=["not numbered", "numbered"])
def test_a_walk_that_nobody_remembers_crosses_23_hours_and_begins_no_other(zuora, clock, order):
    zuora.fault(**POST, **LOCK)
    airflow = Airflow(clock, 2.11)
    began = clock.now
    airflow.run([order])
    keys = {post["idempotencyKey"] for post in zuora.posts()}
    clock.now = began + 23 * HOUR - 30
    airflow.clear()
    if order is NUMBERED:
        assert airflow.run([order])[0] in (list_made(zuora)[0]["jobId"], "order:O-1")
    else:
        with pytest.raises(OutcomeUnknownError):
            airflow.run([order])

    assert len(list_made(zuora)) == 1
    later = {post["idempotencyKey"] for post in zuora.posts()} - keys
    assert all(key.startswith("control-") for key in later)


def test_two_answers_that_are_cut_off_are_no_stored_one(zuora, clock):
    """c02: the third POST of the same key brings the job."""
    zuora.fault(**POST, kind="cut", when="after", times=2)
    began = clock.now
    job_id = ZuoraHook().create_order(PLAIN, idempotency_key="one")

    assert job_id == list_made(zuora)[0]["jobId"]
    assert [post["path"] for post in zuora.posts()] == [POST["path"]] * 3
    assert clock.now - began < 30


class TestAnotherProcessOfATask:
    """b32: `@task.external_python`, a virtualenv: no context there, but Airflow's variables."""

    CODE = (
        "import json, sys\n"
        "from airflow_provider_zuora.hooks.zuora import ZuoraHook\n"
        f"print('JOB', ZuoraHook().create_order(json.loads({json.dumps(PLAIN)!r})))\n"
    )
    TASK = {  # noqa: RUF012 - pytest makes an instance for each test
        "AIRFLOW_CTX_DAG_ID": "sales",
        "AIRFLOW_CTX_TASK_ID": "ext",
        "AIRFLOW_CTX_DAG_RUN_ID": "scheduled__2026-01-01T00:00:00+00:00",
    }

    def run(self, **environ):
        ran = subprocess.run(
            [sys.executable, "-c", self.CODE],
            env={**os.environ, "NO_PROXY": "*", **environ},
            capture_output=True,
            text=True,
            check=True,
        )
        jobs = [line for line in ran.stdout.splitlines() if line.startswith("JOB")]
        return jobs, ran.stdout + ran.stderr

    @pytest.fixture
    def zuora(self, monkeypatch):
        """As late as it is on this machine: the processes know no other clock."""
        with serve_zuora(Clock(time.time()), monkeypatch) as zuora:
            yield zuora

    @pytest.mark.parametrize("date", ["AIRFLOW_CTX_LOGICAL_DATE", "AIRFLOW_CTX_EXECUTION_DATE"])
    def test_is_the_same_task_in_each_try(self, zuora, date):
        due = {date: datetime.now(UTC).isoformat()}
        tries = [self.run(**self.TASK, **due, AIRFLOW_CTX_TRY_NUMBER=str(number)) for number in (1, 2)]

        assert tries[0][0] == tries[1][0]
        assert len(list_made(zuora)) == 1
        assert "idempotency_key" in tries[0][1], "of mapped tasks nothing tells which one it is"

    def test_outside_of_a_task_it_warns_that_another_call_makes_another_order(self, zuora):
        nobody = dict.fromkeys(self.TASK, "")
        tries = [self.run(**nobody) for _ in (1, 2)]

        assert tries[0][0] != tries[1][0]
        assert all("pass an idempotency_key" in words for _, words in tries)


class Two(ZuoraCreateOrderOperator):
    """An operator that submits two orders."""

    texts = ("for Berlin", "for Paris")

    def execute(self, context):
        job_ids = []
        for text in self.texts:
            self.order = PLAIN | {"description": text}
            job_ids.append(super().execute(context))
        return job_ids


class TestASubclassThatExecutesTwice:
    """b38: two orders without numbers are two orders."""

    def context(self, number, store):
        ids = {"dag_id": "x", "run_id": "x", "task_id": "two", "map_index": -1}
        ti = SimpleNamespace(**ids, try_number=number, max_tries=2)
        run = SimpleNamespace(queued_at=None, start_date=None, run_after=None, clear_number=0)
        return {"ti": ti, "dag_run": run, **({} if store is None else {"task_state_store": store})}

    @pytest.mark.parametrize("store", [True, False], ids=["state store", "no state store"])
    def test_submits_both(self, zuora, store):
        task = Two(task_id="two", order={})
        job_ids = task.execute(self.context(1, StateStore() if store else None))

        assert sorted(job_ids) == sorted(job["jobId"] for job in list_made(zuora))
        assert len(set(job_ids)) == 2

    def test_finds_both_in_a_retry(self, zuora):
        store = StateStore()
        first = Two(task_id="two", order={}).execute(self.context(1, store))

        assert Two(task_id="two", order={}).execute(self.context(2, store)) == first
        assert len(zuora.posts()) == 2

    def test_fails_loudly_where_one_has_changed_meanwhile(self, zuora):
        store = StateStore()
        Two(task_id="two", order={}).execute(self.context(1, store))
        changed = Two(task_id="two", order={})
        changed.texts = ("for Berlin", "for Rome")
        with pytest.raises(OutcomeUnknownError, match="this is none of them"):
            changed.execute(self.context(2, store))

        assert len(zuora.posts()) == 2
