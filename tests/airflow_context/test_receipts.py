"""Each task leaves one receipt when it ends, well or badly: a line, an XCom, and its assets' events."""

from __future__ import annotations

import asyncio
import json
import logging
import re
from dataclasses import replace
from types import SimpleNamespace

import pytest
from airflow.providers.common.compat.sdk import (
    AirflowException,
    AirflowSkipException,
    Asset,
    AssetAlias,
    TaskDeferred,
)

from airflow_provider_zuora.exceptions import OutcomeUnknownError, PermanentError, TransientError
from airflow_provider_zuora.operators.billing import ZuoraBillRunOperator, ZuoraPaymentRunOperator
from airflow_provider_zuora.operators.data_query import ZuoraDataQueryOperator
from airflow_provider_zuora.operators.elastic_path import ElasticPathExportOrdersOperator
from airflow_provider_zuora.operators.orders import (
    ZuoraCreateOrderOperator,
    ZuoraCreateOrdersOperator,
    ZuoraPreviewOrderOperator,
)
from airflow_provider_zuora.sensors.zuora import ZuoraJobSensor
from airflow_provider_zuora.version_compat import AirflowRescheduleException
from tests.airflow_versions import TRIGGER_TIMEOUT
from tests.conftest import ORDER, WAITING
from tests.core.run_tries import PAYMENT_RUN
from tests.hooks.test_elastic_path import FILTER, ROWS
from zuora_sandbox import PaymentRunScript, QueryScript, Receivable

CARD = "4111111111111111"
SECRET = "hush-hush-42"  # of an order
PAGE = "https://apisandbox.zuora.com/orders/{order_number}"
MADE = {"account_number": "A00000097", "subscription_numbers": ["A-S00000001"], "status": "Completed"}


WAIT_LOG = "airflow_provider_zuora.core.polling.wait"


class Instance(SimpleNamespace):
    """A task instance that keeps its XComs, as Airflow's database does."""

    def xcom_push(self, key, value):
        self.xcoms[key] = json.loads(json.dumps(value))

    def xcom_pull(self, task_ids, key, map_indexes):
        assert (task_ids, map_indexes) == (self.task_id, self.map_index)
        return self.xcoms.get(key)


LINE = re.compile(
    r"(?:Orders?|Jobs|Job|Preview|Data query|Bill run|Payment run|Order export)(?: [^ ]+)? "
    r"(?:submitted|completed|failed|refused|unknown|open|skipped|scheduled|timed out)[:;] "
    r".*?(?=\s+\[airflow|$)",
    re.MULTILINE,
)


class Log:
    """What all processes of a task print, as Airflow writes it into the task's log."""

    def __init__(self, capsys):
        self.capsys, self.text = capsys, ""

    def read(self):
        self.text += self.capsys.readouterr().out
        return self.text

    def clear(self):
        self.capsys.readouterr()
        self.text = ""


@pytest.fixture
def log(capsys):
    return Log(capsys)


class Task:
    """One try of a task; each of its processes has an operator of its own."""

    def __init__(self, log, make):
        self.log, self.make = log, make
        self.ti = Instance(**WAITING | {"task_id": "t", "try_number": 1}, xcoms={})
        self.context = {"ti": self.ti, "ds": "2024-07-31", "task": SimpleNamespace(retries=0)}

    def deferral(self):
        with pytest.raises(TaskDeferred) as caught:
            self.make().execute(self.context)
        assert self.lines == [], "it has not ended"
        return caught.value

    def fire(self, deferral, **changes):
        _, arguments = deferral.trigger.serialize()
        trigger = type(deferral.trigger)(**json.loads(json.dumps(arguments)) | {"not_before": 0.0} | changes)

        async def first():
            return (await anext(trigger.run())).payload

        return json.loads(json.dumps(asyncio.run(first())))

    def resume(self, deferral, event):
        kwargs = json.loads(json.dumps(deferral.kwargs or {})) | {"event": event}
        return self.make().resume_execution("execute_complete", kwargs, self.context)

    def run(self, zuora=None, seconds=2e6):
        """Execute the task; the job ends while it is deferred."""
        deferral = self.deferral()
        if zuora:
            zuora.sandbox.advance(seconds)
        return self.resume(deferral, self.fire(deferral))

    @property
    def lines(self):
        """The receipts in the log."""
        return LINE.findall(self.log.read())

    @property
    def receipt(self):
        [_] = self.lines
        return self.ti.xcoms["receipt"]


@pytest.fixture
def slow(zuora):
    zuora.sandbox.settings = replace(zuora.sandbox.settings, job_seconds=1e6)
    return zuora


def order(log, order=ORDER, **options):
    given = {"wait_for_completion": True} | options
    return Task(log, lambda: ZuoraCreateOrderOperator(task_id="t", order=order, **given))


def sensor(log, job_id, **options):
    return Task(log, lambda: ZuoraJobSensor(task_id="t", job_id=job_id, **options))


def submit(log, number="O-1"):
    task = order(log, ORDER | {"orderNumber": number}, wait_for_completion=False)
    job_id = task.make().execute(task.context)
    log.clear()
    return job_id


class TestAnOrder:
    def test_a_task_that_was_deferred_leaves_one_receipt_with_all_polls_and_the_track_id_of_its_post(
        self, slow, log
    ):
        task = order(log)
        task.run(slow)

        receipt = task.receipt
        seconds, track_id = receipt.pop("seconds"), receipt.pop("track_id")
        assert receipt == {
            "kind": "order",
            "state": "completed",
            "job_id": task.ti.xcoms["job_id"],
            "order_number": "O-1",
            **MADE,
            "polls": 2,  # the worker's, and the triggerer's
        }
        assert 0 <= seconds < 600
        assert [each["trackId"] for each in slow.posts()] == [track_id]
        made = f"account A00000097, subscriptions A-S00000001; job {receipt['job_id']}"
        took = f"{seconds:.0f} s, 2 polls; Track-Id {track_id}"
        assert task.lines == [f"Order O-1 completed: {made}; {took}"]

    def test_before_it_is_deferred_it_says_what_is_waited_for_and_when_it_is_polled_next(self, slow, log):
        task = order(log)
        task.deferral()

        job_id = task.ti.xcoms["job_id"]
        words = f"Job {job_id} has not ended after 1 poll; the triggerer waits on, and polls next in "
        assert log.read().count(words) == 1

    @pytest.mark.parametrize("deferrable", [True, False])
    def test_one_that_ends_at_once(self, zuora, log, deferrable):
        task = order(log, deferrable=deferrable)
        task.make().execute(task.context)

        assert task.receipt | {"seconds": 0, "track_id": ""} == {
            "kind": "order",
            "state": "completed",
            "job_id": task.ti.xcoms["job_id"],
            "order_number": "O-1",
            **MADE,
            "polls": 1,
            "seconds": 0,
            "track_id": "",
        }

    def test_a_submission_alone(self, zuora, log):
        task = order(log, wait_for_completion=False)
        job_id = task.make().execute(task.context)

        receipt = task.receipt
        assert (receipt["state"], receipt["job_id"], receipt["polls"]) == ("submitted", job_id, None)
        assert (receipt["order_number"], receipt["account_number"]) == ("O-1", "A00000097")
        words = rf"Order O-1 submitted: account A00000097; job {job_id}; \d+ s; Track-Id af-\w+"
        assert re.match(words, task.lines[0])

    def test_a_job_that_fails(self, slow, log):
        slow.sandbox.settings = replace(slow.sandbox.settings, fail_jobs="[40000020]: No such plan")
        task = order(log)
        with pytest.raises(PermanentError):
            task.run(slow)

        receipt = task.receipt
        assert (receipt["state"], receipt["codes"], receipt["polls"]) == ("failed", ["40000020"], 2)
        assert receipt["order_number"] == "O-1"
        assert "No such plan" not in json.dumps(receipt) + task.lines[0]

    def test_an_order_that_is_refused(self, zuora, log):
        body = json.dumps({"success": False, "reasons": [{"code": 53200020, "message": "It cannot be."}]})
        zuora.fault(method="POST", path="/v1/async/orders", when="instead", status=400, body=body.encode())
        task = order(log)
        with pytest.raises(PermanentError):
            task.make().execute(task.context)

        receipt = task.receipt
        assert (receipt["state"], receipt["codes"]) == ("refused", ["53200020"])
        assert (receipt["order_number"], receipt["job_id"]) == ("O-1", None)
        assert receipt["track_id"].startswith("af-")

    def test_an_order_that_breaks_a_rule_and_one_that_cannot_be_read(self, zuora, log, tmp_path):
        for given in (ORDER | {"orderDate": "tomorrow"}, str(tmp_path / "missing.json")):
            log.clear()
            task = order(log, given)
            with pytest.raises(AirflowException):
                task.make().execute(task.context)
            assert task.receipt["kind"] == "order"
            assert task.receipt["state"] in ("refused", "open")

    def test_one_whose_outcome_is_unknown_names_its_number_and_its_key(self, zuora, log):
        zuora.fault(method="POST", path="/v1/async/orders", when="instead", status=422, times=None)
        zuora.fault(method="GET", path="/v1/orders/O-1", when="instead", status=403, times=None)
        task = order(log)
        with pytest.raises(OutcomeUnknownError) as caught:
            task.make().execute(task.context)

        receipt = task.receipt
        assert caught.value.idempotency_key.startswith("af-")
        assert (receipt["state"], receipt["order_number"]) == ("unknown", "O-1")
        assert receipt["idempotency_key"] == caught.value.idempotency_key
        assert receipt["unanswered"] == caught.value.unanswered

    def test_nothing_that_is_hidden_is_in_it(self, slow, log):
        numbered = ORDER | {"orderNumber": f"O-{CARD}", "customFields": {"clientSecret": SECRET}}
        task = order(log, numbered | {"description": SECRET})
        task.run(slow)

        found = json.dumps(task.receipt) + task.lines[0]
        assert CARD not in found
        assert SECRET not in found

    def test_a_wait_that_airflow_ends(self, slow, log):
        task = order(log)
        task.deferral()
        with pytest.raises(TransientError, match="has not ended in time"):
            task.make().resume_execution("__fail__", {"error": TRIGGER_TIMEOUT}, task.context)

        receipt = task.receipt
        assert receipt["state"] == "timed_out"
        assert (receipt["job_id"], receipt["polls"]) == (task.ti.xcoms["job_id"], None)

    def test_polls_of_a_wait_that_is_ended_from_outside_are_not_known(self, slow, log):
        class End(logging.Handler):
            def emit(self, record):
                raise KeyboardInterrupt  # not by a signal: coverage may lose what a handler of one raises

        task, polls, end = order(log, deferrable=False), logging.getLogger(WAIT_LOG), End("WARNING")
        slow.fault(path="/v1/async-jobs", status=503)
        polls.addHandler(end)
        try:
            with pytest.raises(KeyboardInterrupt):
                task.make().execute(task.context)
        finally:
            polls.removeHandler(end)
        assert task.receipt["polls"] is None

    def test_what_was_submitted_before_a_connection_became_unusable_is_named(self, slow, log, monkeypatch):
        task = order(log)
        deferral = task.deferral()
        slow.sandbox.advance(2e6)
        event = task.fire(deferral)
        monkeypatch.setenv("AIRFLOW_CONN_ZUORA_DEFAULT", slow.connection(extra='{"timeout": -1}'))
        with pytest.raises(PermanentError, match="nothing was sent") as error:
            task.resume(deferral, event)
        job_id = task.ti.xcoms["job_id"]
        assert error.value.__notes__ == [f"Submitted before that, and not undone: job {job_id}."]

    def test_a_trigger_that_breaks(self, slow, log, monkeypatch):
        task = order(log)
        deferral = task.deferral()
        event = task.fire(deferral, conn_id="missing")
        with pytest.raises(TransientError):
            task.resume(deferral, event)

        assert (task.receipt["state"], task.receipt["job_id"]) == ("open", task.ti.xcoms["job_id"])

    def test_events_of_earlier_releases_say_nothing_of_polls(self, slow, log):
        task = order(log)
        deferral = task.deferral()
        slow.sandbox.advance(2e6)
        event = task.fire(deferral)
        del event["totals"]
        task.resume(deferral, event)

        assert task.receipt["polls"] is None
        assert task.receipt["seconds"] >= 0

    def test_triggers_of_earlier_releases_do_not_know_how_often_they_were_polled(self, slow, log):
        task = order(log)
        deferral = task.deferral()
        slow.sandbox.advance(2e6)
        task.resume(deferral, task.fire(deferral, totals=None))

        assert task.receipt["polls"] is None

    @pytest.mark.parametrize("kind", [AirflowException, Exception])  # of Airflow, of a backend's library
    def test_what_cannot_be_stored_fails_no_task(self, zuora, log, kind):
        task = order(log, wait_for_completion=False)

        def push(key, value):
            raise kind("the server is away")

        task.ti.xcom_push = push
        assert task.make().execute(task.context)
        assert len(task.lines) == 1
        assert "The XCom receipt could not be stored" in log.read()


class TestTheOtherKinds:
    def test_a_run_that_has_errors_has_its_counts(self, billing, log):
        failed = Receivable(status="Error")
        billing.sandbox.add_script(PaymentRunScript(receivables=[Receivable(), failed]))
        options = {"payment_run": PAYMENT_RUN, "settle_timeout": 0, "deferrable": False}
        task = Task(log, lambda: ZuoraPaymentRunOperator(task_id="t", **options))
        with pytest.raises(PermanentError, match="it has errors"):
            task.make().execute(task.context)
        assert (task.receipt["state"], task.receipt["payments"], task.receipt["errors"]) == ("failed", 1, 1)

    def test_a_preview(self, zuora, log):
        preview = {**ORDER, "previewOptions": {"previewTypes": ["BillingDocs"]}}
        del preview["orderNumber"]
        task = Task(log, lambda: ZuoraPreviewOrderOperator(task_id="t", order=preview))
        task.make().execute(task.context)

        assert (task.receipt["kind"], task.receipt["invoices"]) == ("preview", 1)
        assert task.lines[0].startswith("Preview completed: invoices 1, credit memos 0; job ")

    def test_a_data_query(self, zuora, log, tmp_path):
        zuora.sandbox.add_script(QueryScript(rows=[{"accountnumber": "A-1"}] * 3))
        path = str(tmp_path / "a.csv")
        options = {"query": "SELECT accountnumber FROM Account", "output_path": path}
        task = Task(log, lambda: ZuoraDataQueryOperator(task_id="t", **options))
        task.run(zuora)

        receipt = task.receipt
        assert {name: receipt[name] for name in ("kind", "state", "rows", "path")} == {
            "kind": "data query",
            "state": "completed",
            "rows": 3,
            "path": path,
        }
        assert task.lines[0].startswith("Data query completed: rows 3, bytes ")

    def test_a_data_query_that_returns_its_rows_and_one_that_fails(self, zuora, log):
        zuora.sandbox.add_script(QueryScript(rows=[{"accountnumber": "A-1"}], times=1))
        query = {"query": "SELECT accountnumber FROM Account"}
        task = Task(log, lambda: ZuoraDataQueryOperator(task_id="t", **query, deferrable=False))
        task.make().execute(task.context)
        assert task.receipt["rows"] == 1

        log.clear()
        query["query"] = " "
        with pytest.raises(PermanentError):
            task.make().execute(task.context)
        assert (task.receipt["kind"], task.receipt["state"]) == ("data query", "refused")

    def test_a_bill_run_without_its_name(self, billing, log):
        body = {"name": "The Smiths", "billRunFilters": [{"filterType": "Account", "accountId": "1" * 32}]}
        body |= {"invoiceDate": "2024-07-31", "targetDate": "2024-07-31"}
        task = Task(log, lambda: ZuoraBillRunOperator(task_id="t", bill_run=body))
        task.run(billing)

        receipt = task.receipt
        assert {name: receipt[name] for name in ("kind", "bill_run_number", "invoices", "credit_memos")} == {
            "kind": "bill run",
            "bill_run_number": "BR-00000001",
            "invoices": 1,
            "credit_memos": 0,
        }
        assert task.lines[0].startswith("Bill run BR-00000001 completed: invoices 1, credit memos 0")
        assert "Smith" not in json.dumps(receipt) + task.lines[0]

    def test_a_payment_run_without_its_amounts(self, billing, log):
        body = {"targetDate": "2024-07-31", "batch": "Batch1"}
        task = Task(log, lambda: ZuoraPaymentRunOperator(task_id="t", payment_run=body))
        result = task.run(billing)

        assert result["amounts"]
        receipt = task.receipt
        assert (receipt["kind"], receipt["state"]) == ("payment run", "completed")
        assert receipt["payment_run_number"] == result["number"]
        assert receipt["payments"] == result["payments"]
        assert "amounts" not in receipt
        assert "USD" not in json.dumps(receipt) + task.lines[0]

    def test_a_run_that_begins_later(self, billing, log):
        body = {"runDate": "2034-08-01 03:00:00", "batch": "Batch1"}
        task = Task(log, lambda: ZuoraPaymentRunOperator(task_id="t", payment_run=body))
        task.make().execute(task.context)

        assert task.receipt["state"] == "scheduled"

    def test_an_export_of_elastic_path(self, store, log, tmp_path):
        store.change(export_seconds=1)
        store.sandbox.set_exportable(ROWS)
        options = {"filter": FILTER, "wait_for_completion": True}
        task = Task(log, lambda: ElasticPathExportOrdersOperator(task_id="t", **options))
        task.run(store, seconds=10)

        receipt = task.receipt
        assert (receipt["kind"], receipt["job_type"], receipt["track_id"]) == (
            "order export",
            "order_export",
            None,
        )
        assert task.lines[0].startswith("Order export completed: job type order_export, status SUCCESS; job ")


class TestLists:
    def test_a_submission_of_many_orders_counts_them(self, zuora, log):
        body = json.dumps({"success": False, "reasons": [{"code": 53200020, "message": "no"}]}).encode()
        post = {"method": "POST", "path": "/v1/async/orders", "when": "instead", "status": 400}
        zuora.fault(**post, contains='"O-3"', body=body)
        orders = [ORDER | {"orderNumber": f"O-{number}"} for number in range(12)]
        task = Task(log, lambda: ZuoraCreateOrdersOperator(task_id="t", orders=orders, on_refusal="skip"))
        task.make().execute(task.context)

        receipt = task.receipt
        assert (receipt["kind"], receipt["state"], receipt["jobs"]) == ("orders", "submitted", 11)
        assert receipt["counts"] == {"submitted": 11, "refused": 1}
        assert len(receipt["order_numbers"]) == 12
        assert task.lines[0].startswith("Orders submitted: 11 submitted, 1 refused, orders O-0, O-1, O-2,")
        assert "O-9 and 2 more, codes 53200020; " in task.lines[0]
        assert receipt["codes"] == ["53200020"]

    @pytest.mark.parametrize("number", [0, 1])
    def test_a_list_is_one_however_short_it_is(self, zuora, log, number):
        task = sensor(log, [submit(log, f"O-{each}") for each in range(number)])
        task.make().execute(task.context)
        assert (task.receipt["kind"], task.receipt["jobs"]) == ("jobs", number)

    @pytest.mark.parametrize("number", [2, 30])
    def test_a_wait_for_many_jobs_leaves_one_line_with_counts(self, slow, log, number):
        job_ids = [submit(log, f"O-{each}") for each in range(number)]
        task = sensor(log, job_ids)
        task.run(slow)

        receipt = task.receipt
        assert (receipt["kind"], receipt["jobs"]) == ("jobs", number)
        assert receipt["counts"] == {"completed": number}
        assert receipt["polls"] == number + 1  # the worker asks for one: it has not ended
        assert receipt["order_numbers"] == [f"O-{each}" for each in range(number)]

    def test_one_of_a_list_that_fails(self, zuora, log):
        made = submit(log)
        zuora.sandbox.settings = replace(zuora.sandbox.settings, fail_jobs="[40000020]: No")
        task = sensor(log, [made, submit(log, "O-2")])
        with pytest.raises(PermanentError):
            task.make().execute(task.context)

        receipt = task.receipt
        assert (receipt["state"], receipt["codes"]) == ("failed", ["40000020"])
        assert receipt["counts"] == {"completed": 1, "failed": 1}


class TestASensor:
    def test_of_one_job(self, slow, log):
        job_id = submit(log)
        task = sensor(log, job_id)
        task.run(slow)

        receipt = task.receipt
        assert (receipt["kind"], receipt["order_number"], receipt["job_id"]) == ("order", "O-1", job_id)
        assert receipt["polls"] == 2

    @pytest.mark.usefixtures("reschedule_dates")
    def test_in_reschedule_mode_only_the_last_process_leaves_one(self, slow, log):
        job_id = submit(log)
        task = sensor(log, job_id, deferrable=False, mode="reschedule")
        with pytest.raises(AirflowRescheduleException):
            task.make().execute(task.context)
        assert task.lines == []
        slow.sandbox.advance(2e6)
        task.make().execute(task.context)

        assert (task.receipt["state"], task.receipt["polls"]) == ("completed", None)

    def test_in_poke_mode(self, zuora, log):
        task = sensor(log, submit(log), deferrable=False)
        task.make().execute(task.context)

        assert (task.receipt["state"], task.receipt["polls"]) == ("completed", 1)

    def test_one_that_is_skipped(self, slow, log):
        task = sensor(log, submit(log), timeout=0, soft_fail=True)
        with pytest.raises(AirflowSkipException):
            task.make().execute(task.context)

        assert task.receipt["state"] == "skipped"

    def test_a_wait_that_airflow_ends_after_a_timeout(self, slow, log):
        task = sensor(log, submit(log))
        task.deferral()
        with pytest.raises(AirflowException):
            task.make().resume_execution("__fail__", {"error": "Trigger timeout"}, task.context)

        assert (task.receipt["state"], task.receipt["polls"]) == ("timed_out", None)

    def test_ids_that_cannot_be_read(self, zuora, log):
        task = sensor(log, ["a", 7])
        with pytest.raises(PermanentError):
            task.make().execute(task.context)

        assert task.lines or task.ti.xcoms["receipt"]["state"] == "refused"


class TestThePage:
    @pytest.fixture
    def page(self, slow, monkeypatch):
        def use(pattern):
            extra = json.dumps({"ui_url": pattern})
            monkeypatch.setenv("AIRFLOW_CONN_ZUORA_DEFAULT", slow.connection(extra=extra))

        return use

    def test_its_address_is_there_while_the_task_is_deferred_and_after_its_end(self, slow, page, log):
        page(PAGE)
        task = order(log, ORDER | {"orderNumber": "O 1&2"})
        deferral = task.deferral()
        assert task.ti.xcoms["page_url"] == "https://apisandbox.zuora.com/orders/O%201%262"

        slow.sandbox.advance(2e6)
        task.resume(deferral, task.fire(deferral))
        assert task.ti.xcoms["page_url"] == "https://apisandbox.zuora.com/orders/O%201%262"

    def test_a_sensor_knows_the_number_when_the_job_has_ended(self, slow, page, log):
        page(PAGE)
        task = sensor(log, submit(log))
        deferral = task.deferral()
        assert task.ti.xcoms["page_url"] == "https://apisandbox.zuora.com/"
        slow.sandbox.advance(2e6)
        task.resume(deferral, task.fire(deferral))
        assert task.ti.xcoms["page_url"] == "https://apisandbox.zuora.com/orders/O-1"

    def test_it_is_there_after_a_failure(self, slow, page, log):
        page("https://a/{job_id}")
        slow.sandbox.settings = replace(slow.sandbox.settings, fail_jobs="[40000020]: No")
        task = order(log)
        with pytest.raises(PermanentError):
            task.run(slow)
        assert task.ti.xcoms["page_url"] == f"https://a/{task.ti.xcoms['job_id']}"

    def test_there_is_none_where_nobody_has_said_where_it_is(self, zuora, log):
        task = order(log)
        operator = task.make()
        operator.execute(task.context)
        assert set(task.ti.xcoms) == {"job_id", "receipt"}
        assert operator.page_url == ""  # no process knows one: the button need not look for an XCom


class TestAssets:
    def context(self, task):
        class Events(dict):
            """By name or address: in Airflow 3.1 nobody can take the hash of an asset."""

            def __getitem__(self, key):
                return self.setdefault(getattr(key, "name", None) or key.uri, SimpleNamespace(extra={}))

        task.context["outlet_events"] = Events()
        return task.context["outlet_events"]

    def test_the_event_of_an_outlet_carries_the_receipt_and_what_a_user_has_put_there(self, slow, log):
        asset = Asset("orders")
        task = order(log, outlets=[asset, AssetAlias("others")])
        events = self.context(task)
        events[asset].extra = {"mine": 1, "kind": "own"}
        task.run(slow)

        assert events[asset].extra == task.receipt | {"mine": 1, "kind": "own"}
        assert list(events) == ["orders"]

    def test_where_airflow_gives_no_events_the_task_does_not_fail(self, zuora, log):
        task = order(log, outlets=[Asset("orders")])
        task.make().execute(task.context)

        assert task.receipt["state"] == "completed"
        assert "carries no receipt" in log.read()
