"""The operator that deletes an order, executed as Airflow does; killed, retried, and led astray."""

from __future__ import annotations

import asyncio
import json
from types import SimpleNamespace

import pytest
from airflow.providers.common.compat.sdk import TaskDeferred

from airflow_provider_zuora.exceptions import (
    GuardRefusedError,
    OutcomeUnknownError,
    PermanentError,
    TransientError,
)
from airflow_provider_zuora.guards import OrderGuard
from airflow_provider_zuora.hooks.zuora import ZuoraHook
from airflow_provider_zuora.operators.order_deletion import ZuoraDeleteOrderOperator
from tests.conftest import ORDER, StateStore
from zuora_sandbox import Fault

RESULT = {"order_number": "O-1", "account_number": "A00000097", "deleted": True}
DENIED = b'{"success": false, "reasons": [{"code": 50000010, "message": "permission denied"}]}'
DATES = [
    {
        "subscriptionNumber": "A-S1",
        "orderActions": [
            {"sequence": 0, "triggerDates": [{"name": "CustomerAcceptance", "triggerDate": "2026-01-01"}]}
        ],
    }
]
deferred_or_not = pytest.mark.parametrize("deferrable", [True, False], ids=["deferred", "on the worker"])


class TaskInstance(SimpleNamespace):
    def xcom_push(self, key, value):
        self.xcoms[key] = json.loads(json.dumps(value))

    def xcom_pull(self, task_ids, key, map_indexes):
        return self.xcoms.get(key)


def new_context(number=1, store=None, max_tries=9):
    identity = {"dag_id": "d", "run_id": "r", "task_id": "undo", "map_index": -1}
    ti = TaskInstance(**identity, try_number=number, max_tries=max_tries, xcoms={})
    found = {"ti": ti, "task": SimpleNamespace(retries=9)}
    return found if store is None else found | {"task_state_store": store}


def operator(**options):
    return ZuoraDeleteOrderOperator(task_id="undo", **{"order_number": "O-1"} | options)


async def fire(trigger):
    trigger.not_before = 0
    events = trigger.run()
    try:
        return (await anext(events)).payload
    finally:
        await events.aclose()


def run(context=None, between=lambda: None, **options):
    """Execute a task, and resume it in another process if it defers."""
    context = context or new_context()
    try:
        return operator(**options).execute(context)
    except TaskDeferred as deferred:
        event = json.loads(json.dumps(asyncio.run(fire(deferred.trigger))))
        kwargs = json.loads(json.dumps(deferred.kwargs))
    between()
    return operator(**options).execute_complete(context, event, **kwargs)


@pytest.fixture
def orders(billing):
    """Return a served tenant that has the order O-1; its clock goes on when a session would wait."""
    make_order(billing)
    return billing


def make_order(billing, **fields):
    ZuoraHook().create_order(ORDER | fields)
    billing.sandbox.advance(60)
    assert [order.order_number for order in billing.sandbox.list_orders()] == ["O-1"]


def count(billing, request="DELETE /v1/async/orders/{orderNumber}"):
    return billing.sandbox.ledger()["requests"].get(request, 0)


def deleted(billing):
    return billing.sandbox.ledger()["deletedOrders"]


@deferred_or_not
def test_it_ends_when_the_order_is_gone(orders, deferrable):
    context = new_context()
    assert run(context, deferrable=deferrable) == RESULT
    assert (deleted(orders), count(orders)) == (["O-1"], 1)
    assert context["ti"].xcoms["job_id"] == "order-deletion:O-1"
    receipt = context["ti"].xcoms["receipt"]
    assert (receipt["kind"], receipt["state"]) == ("order deletion", "completed")
    assert (receipt["order_number"], receipt["account_number"]) == ("O-1", "A00000097")


def test_what_the_trigger_and_the_database_hold_is_plain(orders):
    with pytest.raises(TaskDeferred) as deferred:
        operator().execute(new_context())
    path, arguments = deferred.value.trigger.serialize()
    assert path == "airflow_provider_zuora.triggers.jobs.ZuoraJobTrigger"
    assert (arguments["job_id"], arguments["cancel_on_kill"]) == ("order-deletion:O-1", False)
    expected = deferred.value.kwargs["expected"]
    assert {expected[name] for name in ("number", "account", "order_date")} == {
        "O-1",
        "A00000097",
        "2024-07-01",
    }


@deferred_or_not
def test_an_order_with_an_invoice_is_refused_in_the_words_of_zuora(billing, deferrable):
    make_order(billing, processingOptions={"runBilling": True})
    with pytest.raises(PermanentError, match="cannot be deleted: its charges are invoiced") as caught:
        run(deferrable=deferrable)
    assert not isinstance(caught.value, OutcomeUnknownError)
    assert caught.value.codes == ("53200030",)
    assert deleted(billing) == []


def test_a_number_that_is_not_there_fails_the_task(orders):
    with pytest.raises(
        PermanentError, match="There is no order O-2 at Zuora, and this task has deleted none"
    ):
        run(order_number="O-2")
    assert count(orders) == 0


def test_unless_the_author_says_that_this_is_well(orders, tmp_path):
    context = new_context()
    end = run(context, order_number="O-2", on_missing="succeed", submission_log=str(tmp_path))
    assert end == {"order_number": "O-2", "account_number": None, "deleted": False}
    assert context["ti"].xcoms["receipt"]["state"] == "missing"
    assert count(orders) == 0
    assert list(tmp_path.rglob("*.jsonl")) == []


@deferred_or_not
def test_a_timeout_is_transient_and_a_retry_that_remembers_goes_on(orders, deferrable):
    store = StateStore()
    orders.sandbox.change_settings(order_delete_seconds=7200.0)
    with pytest.raises(TransientError, match="A retry of this task reads the order, and has it deleted"):
        run(new_context(1, store), deferrable=deferrable, timeout=0.001)
    assert count(orders) == 1
    orders.sandbox.advance(7200)
    assert run(new_context(2, store)) == RESULT
    assert count(orders) == 1


def test_a_retry_that_does_not_remember_asks_whether_gone_is_its_own(orders):
    run()
    with pytest.raises(
        OutcomeUnknownError, match="an earlier try of this task has deleted it, or it was never"
    ):
        run(new_context(2))
    assert run(new_context(2), on_missing="succeed")["deleted"] is False


def test_a_connection_that_leads_elsewhere_by_the_end_proves_nothing(orders, monkeypatch):
    def move():
        monkeypatch.setenv("AIRFLOW_CONN_ZUORA_DEFAULT", orders.connection(extra={"org_ids": "2"}))

    with pytest.raises(OutcomeUnknownError, match="leads to another account, entity or org now"):
        run(between=move)


def test_an_order_whose_account_is_not_to_be_seen_either_proves_nothing(orders):
    def hide():
        orders.sandbox.add_fault(Fault("GET", "/v1/accounts/", status=403, body=DENIED, times=None))

    with pytest.raises(OutcomeUnknownError, match="its account A00000097, which was there before"):
        run(between=hide)


@deferred_or_not
def test_a_right_that_is_taken_away_while_it_waits_is_no_success(orders, deferrable):
    orders.sandbox.change_settings(order_delete_seconds=0.0)
    orders.sandbox.add_fault(Fault("GET", "/v1/orders/O-1", status=403, body=DENIED, skip=1, times=None))
    with pytest.raises(PermanentError, match="permission denied"):
        run(deferrable=deferrable)


def test_what_was_known_before_a_deferral_may_be_lost(orders):
    with pytest.raises(TaskDeferred) as deferred:
        operator().execute(new_context())
    event = asyncio.run(fire(deferred.value.trigger))
    with pytest.raises(TransientError, match="What was known of order-deletion:O-1 is lost"):
        operator().execute_complete(new_context(), event)


def test_the_log_has_intent_end_and_result(orders, tmp_path):
    run(submission_log=str(tmp_path))
    lines = [
        json.loads(line)
        for path in sorted(tmp_path.rglob("*.jsonl"))
        for line in path.read_text().splitlines()
    ]
    told = {(line["kind"], line["event"], line["outcome"], line["order_number"]) for line in lines}
    assert told == {
        ("order deletion", "intent", None, "O-1"),
        ("order deletion", "end", "submitted", "O-1"),
        ("order deletion", "result", "completed", "O-1"),
    }


def test_a_log_that_cannot_be_written_sends_nothing(orders, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(TransientError, match="could not be written"):
        run(submission_log=f"{tmp_path}/file/log")
    assert count(orders) == 0


def test_a_read_only_connection_sends_nothing(orders, monkeypatch):
    monkeypatch.setenv("AIRFLOW_CONN_ZUORA_DEFAULT", orders.connection(extra={"read_only": True}))
    with pytest.raises(PermanentError, match="read_only: the connection allows"):
        run()
    assert count(orders, "GET /v1/orders/{orderNumber}") == 0


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"on_missing": "ignore"}, "on_missing: must be fail or succeed, not 'ignore'"),
        ({"wait_for_completion": False}, "wait_for_completion: a deletion is always waited for"),
        ({"timeout": 0}, "timeout"),
        ({"deferrable": "no"}, "deferrable: must be True or False"),
    ],
)
def test_options_that_do_not_fit_are_refused_when_the_dag_is_parsed(options, words):
    with pytest.raises((ValueError, TypeError), match=words):
        operator(**options)


def test_a_killed_task_cancels_nothing(orders, capsys):
    task = operator()
    task.on_kill()
    assert "goes on there" in capsys.readouterr().out


class TestTheHook:
    def test_deletes_and_waits(self, orders):
        hook = ZuoraHook()
        job_id = hook.delete_order("O-1", context=new_context())
        assert job_id == "order-deletion:O-1"
        assert hook.get_job(job_id).status == "still there"
        assert hook.wait_for_job(job_id).result == {"orderNumber": "O-1", "success": True}
        with pytest.raises(PermanentError, match="There is no order O-1"):
            hook.delete_order("O-1")

    def test_refuses_an_option_that_is_none(self, orders):
        with pytest.raises(PermanentError, match="on_missing: must be fail or succeed"):
            ZuoraHook().delete_order("O-1", on_missing="ignore")

    @pytest.mark.parametrize(
        ("status", "call", "end"),
        [
            ("Draft", lambda hook: hook.activate_order("O-1"), "Completed"),
            ("Scheduled", lambda hook: hook.cancel_order("O-1", cancel_reason="Sold twice."), "Cancelled"),
            (
                "Pending",
                lambda hook: hook.update_order_trigger_dates(
                    "O-1",
                    [
                        {
                            "subscriptionNumber": "A-S00000001",
                            "orderActions": [
                                {
                                    "sequence": 0,
                                    "triggerDates": [
                                        {"name": "CustomerAcceptance", "triggerDate": "2024-07-22"}
                                    ],
                                }
                            ],
                        }
                    ],
                ),
                "Completed",
            ),
        ],
    )
    def test_changes_an_order_once(self, billing, status, call, end):
        billing.sandbox.change_settings(order_status=status)
        make_order(billing)
        assert call(ZuoraHook())["status"] == end
        assert call(ZuoraHook())["status"] == end
        assert [order.status for order in billing.sandbox.list_orders()] == [end]
        requests = billing.sandbox.ledger()["requests"]
        assert sum(times for name, times in requests.items() if name.startswith("PUT")) == 1

    def test_refuses_what_breaks_a_rule_with_field_and_rule(self, billing):
        hook = ZuoraHook()
        with pytest.raises(PermanentError, match=r"\$\.cancelReason: must be text"):
            hook.cancel_order("O-1", cancel_reason="")
        with pytest.raises(PermanentError, match=r"\$\.subscriptions: must be a list"):
            hook.update_order_trigger_dates("O-1", {"subscriptionNumber": "S-1"})
        with pytest.raises(PermanentError, match="order_number: must be a text"):
            hook.activate_order(7)

    def test_notes_the_change_in_its_log(self, billing, tmp_path):
        billing.sandbox.change_settings(order_status="Draft")
        make_order(billing)
        ZuoraHook(submission_log=tmp_path).activate_order("O-1")
        parts = sorted(path.read_text() for path in tmp_path.rglob("*.jsonl"))
        assert len(parts) == 2
        assert all('"kind":"order activation"' in part for part in parts)


CHANGES = {
    "delete": lambda hook: hook.delete_order("O-1"),
    "activate": lambda hook: hook.activate_order("O-1"),
    "cancel": lambda hook: hook.cancel_order("O-1"),
    "dates": lambda hook: hook.update_order_trigger_dates("O-1", DATES),
}


class TestGuards:
    def requests(self, orders):
        return dict(orders.sandbox.ledger()["requests"])

    def test_a_deletion_in_another_environment_than_expected_is_refused_before_anything_is_asked(
        self, orders
    ):
        before = self.requests(orders)
        words = r"guard: expect_environment: must be production.*\. No order deletion was sent\.$"
        with pytest.raises(GuardRefusedError, match=words):
            operator(guard=OrderGuard(expect_environment="production")).execute(new_context())
        assert self.requests(orders) == before

    def test_a_deletion_in_the_expected_environment_is_done(self, orders):
        assert run(guard={"expect_environment": orders.url}) == RESULT

    def test_a_guard_that_is_none_is_refused_when_the_dag_is_parsed(self):
        with pytest.raises(ValueError, match="guard: max_orders: must be a whole number of 0 or more"):
            operator(guard={"max_orders": -1})

    @pytest.mark.parametrize("change", CHANGES)
    def test_each_change_is_checked_for_its_environment(self, orders, change):
        before = self.requests(orders)
        with pytest.raises(GuardRefusedError, match=r"expect_environment.*\. No order \w.* was sent\.$"):
            CHANGES[change](ZuoraHook(guard={"expect_environment": "production"}))
        assert self.requests(orders) == before

    @pytest.mark.parametrize("change", ["activate", "dates"])
    def test_what_may_bill_is_refused_where_an_amount_is_limited(self, orders, monkeypatch, change):
        """The guard is the connection's: no DAG gets past it."""
        ceiling = {"guard": {"max_amount": "1000000", "currency": "USD"}}
        monkeypatch.setenv("AIRFLOW_CONN_ZUORA_DEFAULT", orders.connection(extra=ceiling))
        before = self.requests(orders)
        with pytest.raises(GuardRefusedError, match="max_amount: what the change bills cannot be told"):
            CHANGES[change](ZuoraHook())
        assert self.requests(orders) == before

    def test_a_deletion_passes_where_an_amount_is_limited(self, orders):
        assert run(guard={"max_amount": 0, "currency": "USD"}) == RESULT
