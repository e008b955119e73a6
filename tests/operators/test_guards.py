"""Guards on the operators and in the connection, over real HTTP: at the edge of each, and beyond it."""

from __future__ import annotations

import datetime as dt
import json
import pickle
from decimal import Decimal
from types import SimpleNamespace

import jinja2
import pytest
from airflow.providers.common.compat.sdk import DAG

from airflow_provider_zuora.exceptions import (
    GuardRefusedError,
    OutcomeUnknownError,
    PermanentError,
    TransientError,
)
from airflow_provider_zuora.guards import OrderGuard
from airflow_provider_zuora.hooks.submission_log import LogStore
from airflow_provider_zuora.hooks.zuora import ZuoraHook
from airflow_provider_zuora.operators.billing import ZuoraBillRunOperator, ZuoraPaymentRunOperator
from airflow_provider_zuora.operators.orders import ZuoraCreateOrderOperator, ZuoraCreateOrdersOperator
from tests.conftest import ORDER, StateStore
from tests.core.run_tries import BILL_RUN
from zuora_sandbox import BillRunScript, Fault, OrderScript

ACCOUNT = "A00000097"
CREATE = "POST /v1/async/orders"
PREVIEW = "POST /v1/async/orders/preview"
USD = {"currency": "USD"}
UNNUMBERED = {name: value for name, value in ORDER.items() if name != "orderNumber"} | {
    "processingOptions": {"runBilling": False}  # no part of a preview: by this the two are told apart
}


class Task:
    """One task instance of a run; each `run` is a try."""

    def __init__(self, task_id="submit", index=-1, run_id="r", store=None, retries=3):
        self.ids = {"dag_id": "d", "run_id": run_id, "task_id": task_id, "map_index": index}
        self.store, self.retries, self.max_tries, self.number = store, retries, retries, 0
        self.xcoms = {}

    @property
    def context(self):
        push = lambda key, value: self.xcoms.update({key: json.loads(json.dumps(value))})  # noqa: E731
        ti = SimpleNamespace(**self.ids, try_number=self.number, max_tries=self.max_tries, xcom_push=push)
        found = {
            "ti": ti,
            "task": SimpleNamespace(retries=self.retries),
            "dag_run": SimpleNamespace(queued_at=dt.datetime.now(dt.UTC), clear_number=0),
            "params": {"most": "100.10", "count": 2},
        }
        return found if self.store is None else found | {"task_state_store": self.store}

    def clear(self):
        self.max_tries = self.number + self.retries

    def run(self, kind, **options):
        self.number += 1
        operator = kind(task_id=self.ids["task_id"], **options)
        operator.render_template_fields(self.context, jinja2.sandbox.SandboxedEnvironment())
        return operator.execute(self.context)

    def submit(self, order=ORDER, **options):
        return self.run(ZuoraCreateOrderOperator, order=order, **options)

    def submit_all(self, orders, **options):
        return self.run(ZuoraCreateOrdersOperator, orders=orders, **options)

    @property
    def states(self):
        return [row["state"] for row in self.xcoms["submit_results"]]


@pytest.fixture
def task():
    return Task()


@pytest.fixture(autouse=True)
def priced(request):
    """Let each rate plan cost 100.10, and the account of the orders be one in USD."""
    for name in {"zuora", "billing"} & set(request.fixturenames):
        served = request.getfixturevalue(name)
        served.sandbox.change_settings(prices={"*": "100.10"}, accounts={ACCOUNT: "USD"}, job_seconds=0)


def make_orders(count, start=1):
    return [ORDER | {"orderNumber": f"O-{number}"} for number in range(start, start + count)]


def refused(call, *arguments, **options):
    with pytest.raises(GuardRefusedError) as caught:
        call(*arguments, **options)
    assert isinstance(caught.value, PermanentError)
    return str(caught.value)


def count(zuora, request):
    return zuora.ledger()["requests"].get(request, 0)


def made(zuora):
    return sorted(each["orderNumber"] for each in zuora.ledger()["orders"])


def changed(zuora):
    """Return the requests that may have changed something: all but sign-ins, reads and previews."""
    asked = zuora.ledger()["requests"]
    return [
        name for name in asked if not name.startswith("GET") and name not in (PREVIEW, "POST /oauth/token")
    ]


def set_ceiling(monkeypatch, zuora, guard, **extra):
    monkeypatch.setenv("AIRFLOW_CONN_ZUORA_DEFAULT", zuora.connection(extra={"guard": guard} | extra))


def lose_order(zuora, when="after", text='"O-1"'):
    """Let the answer to an order be lost, and let nobody look for it until the faults are cleared."""
    lost = {"contains": text, "kind": "reset", "when": when, "times": None}
    zuora.fault(method="POST", path="/v1/async/orders", **lost)
    zuora.fault(method="GET", path="/v1/orders/", status=503, times=None)


def heal(zuora):
    zuora.sandbox.state.faults.clear()


class TestTheEnvironment:
    @pytest.mark.parametrize(
        ("host", "expected"),
        [
            ("https://rest.zuora.com", "sandbox"),
            ("https://rest.eu.zuora.com", "EU API Sandbox"),
            ("https://rest.test.zuora.com", "production"),
            ("https://rest.sandbox.eu.zuora.com", "EU Production"),
            ("http://127.0.0.1:1", "production"),
        ],
    )
    @pytest.mark.parametrize("where", ["operator", "connection"])
    @pytest.mark.parametrize(
        ("kind", "what"),
        [
            (ZuoraCreateOrderOperator, {"order": ORDER}),
            (ZuoraCreateOrdersOperator, {"orders": [ORDER]}),
            (ZuoraBillRunOperator, {"bill_run": BILL_RUN}),
            (
                ZuoraPaymentRunOperator,
                {"payment_run": {"targetDate": "2024-07-31", "batch": "Batch1"}},
            ),
        ],
    )
    def test_the_wrong_one_is_refused_before_anything_is_sent(
        self, zuora, task, monkeypatch, host, expected, where, kind, what
    ):
        guard = {"expect_environment": expected}
        extra = {"guard": guard} if where == "connection" else {}
        connection = zuora.connection(host=host, extra=extra)
        monkeypatch.setenv("AIRFLOW_CONN_ZUORA_DEFAULT", connection)  # a host that no test can reach
        words = refused(task.run, kind, **what, guard=None if where == "connection" else guard)
        source = "the connection's guard" if where == "connection" else "guard"
        assert words.startswith(f"{source}: expect_environment: must be {expected.casefold()}, and the ")
        runs = {ZuoraBillRunOperator: "bill run", ZuoraPaymentRunOperator: "payment run"}
        assert words.endswith(f". No {runs.get(kind, 'order')} was sent.")

    def test_the_right_one_passes(self, zuora, task):
        task.submit(guard=OrderGuard(expect_environment=zuora.url + "/"))
        assert made(zuora) == ["O-1"]

    def test_a_posting_is_refused_too(self, billing, monkeypatch):
        job_id = ZuoraHook().create_bill_run(BILL_RUN)
        billing.sandbox.advance(60)
        words = refused(ZuoraHook(guard=OrderGuard("production")).post_bill_run, job_id)
        assert "expect_environment" in words
        assert words.endswith(". No posting was sent.")
        assert [run["posts"] for run in billing.ledger()["billRuns"]] == [0]

    def test_what_an_earlier_try_may_have_sent_is_a_question_and_nothing_is_asked_there(self, zuora):
        task = Task(store=StateStore())
        lose_order(zuora)
        with pytest.raises(TransientError):
            task.submit(raw_idempotency_key="own")
        before = zuora.ledger()["requests"]
        with pytest.raises(
            OutcomeUnknownError, match=r"a guard does not let it be sent .*expect_environment"
        ):
            task.submit(raw_idempotency_key="own", guard=OrderGuard("production"))
        assert zuora.ledger()["requests"] == before

    def test_and_so_is_an_order_of_a_list(self, zuora):
        task = Task(store=StateStore())
        lose_order(zuora, text='"O-2"')
        with pytest.raises(TransientError):
            task.submit_all(make_orders(2))
        before = zuora.ledger()["requests"]
        with pytest.raises(OutcomeUnknownError, match="expect_environment"):
            task.submit_all(make_orders(3), guard=OrderGuard("production"))
        assert task.states == ["unknown", "unknown", "open"]
        assert zuora.ledger()["requests"] == before

    def test_a_clear_after_a_refusal_sends_if_the_connection_is_right_by_then(self, zuora):
        task = Task(store=StateStore())
        refused(task.submit, guard=OrderGuard("production"))
        task.clear()
        refused(task.submit, guard=OrderGuard("production"))
        task.clear()
        task.submit(guard=OrderGuard(zuora.url))
        assert made(zuora) == ["O-1"]


class TestTheAmountOfAnOrder:
    def test_what_is_allowed_passes_and_a_cent_more_does_not(self, zuora, task):
        refusing = OrderGuard(max_amount="100.09", currency="USD")
        assert refused(task.submit, guard=refusing) == (
            "guard: max_amount: the order comes to 100.1 USD, and 100.09 USD is allowed. No order was sent."
        )
        assert (changed(zuora), count(zuora, PREVIEW)) == ([], 1)
        Task("other").submit(guard=OrderGuard(max_amount="100.10", currency="USD"))
        assert made(zuora) == ["O-1"]

    @pytest.mark.parametrize("limit", [Decimal("100.10"), "100.1", "{{ params.most }}", 101, 100.1])
    def test_a_limit_is_a_decimal_a_text_a_number_or_a_template(self, zuora, task, limit):
        task.submit(guard={"max_amount": limit, "currency": "USD"})
        assert made(zuora) == ["O-1"]

    def test_a_list_counts_as_a_whole(self, zuora, task):
        words = refused(task.submit_all, make_orders(3), guard=OrderGuard(max_amount="300.29", **USD))
        assert "the list comes to 300.3 USD, and 300.29 USD is allowed. No order was sent." in words
        assert changed(zuora) == []
        Task("other").submit_all(make_orders(3), guard=OrderGuard(max_amount="300.30", **USD))
        assert made(zuora) == ["O-1", "O-2", "O-3"]

    def test_credits_count_too(self, zuora, task):
        zuora.sandbox.change_settings(prices={"*": "-100.10"})
        assert "comes to 100.1 USD" in refused(task.submit, guard=OrderGuard(max_amount=100, **USD))
        assert changed(zuora) == []

    def test_another_currency_is_refused(self, zuora, task):
        zuora.sandbox.change_settings(accounts={ACCOUNT: "EUR"})
        words = refused(task.submit, guard=OrderGuard(max_amount=1000, **USD))
        assert "currency: the order comes to amounts in EUR, and only USD is allowed" in words
        assert changed(zuora) == []

    @pytest.mark.parametrize("currency", ["USD", "EUR"])
    def test_a_new_account_is_previewed_in_its_own_currency(self, zuora, task, currency):
        contact = {"firstName": "Jane", "lastName": "Doe", "country": "US", "state": "CA"}
        account = {"name": "Acme", "currency": currency, "billCycleDay": 1, "billToContact": contact}
        order = {name: value for name, value in ORDER.items() if name != "existingAccountNumber"}
        order |= {"newAccount": account | {"accountNumber": "A-NEW"}}
        guard = OrderGuard(max_amount="100.10", **USD)
        if currency == "USD":
            task.submit(order, guard=guard)
        else:
            refused(task.submit, order, guard=guard)
        [preview] = [job.order for job in zuora.sandbox.state.jobs.values() if job.kind == "preview"]
        assert preview["previewAccountInfo"] == {
            "currency": currency,
            "billCycleDay": 1,
            "soldToContact": {"country": "US", "state": "CA"},
        }
        assert made(zuora) == (["O-1"] if currency == "USD" else [])

    @pytest.mark.parametrize(
        ("result", "why"),
        [
            ({}, "The preview has neither an invoice nor a credit memo."),
            ({"invoices": [], "creditMemos": []}, "The preview has neither an invoice nor a credit memo."),
            ({"invoices": {"amount": 1}}, "The preview's invoices are no list of objects."),
            ({"invoices": [1]}, "The preview's invoices are no list of objects."),
            ({"invoices": [{"amount": 1}, {}]}, "a document without an amount that can be read"),
            ({"invoices": [{"amount": None}]}, "a document without an amount that can be read"),
            ({"invoices": [{"amount": "1 USD"}]}, "a document without an amount that can be read"),
            ({"invoices": [{"amount": True}]}, "a document without an amount that can be read"),
            ({"invoices": [{"amount": 0.1 + 0.2}]}, "a document without an amount that can be read"),
            ({"creditMemos": [{"amount": "NaN"}]}, "a document without an amount that can be read"),
        ],
    )
    def test_a_preview_that_cannot_be_read_refuses(self, zuora, task, result, why):
        zuora.sandbox.add_script(OrderScript(kind="preview", preview=result))
        words = refused(task.submit, guard=OrderGuard(max_amount=10**9, **USD))
        assert words.startswith("guard: max_amount: what the order comes to cannot be told: ")
        assert why in words
        assert changed(zuora) == []

    def test_a_currency_that_the_preview_names_must_be_allowed(self, zuora, task):
        rows = [{"amount": 1}, {"amount": 1, "currency": "EUR"}]
        zuora.sandbox.add_script(OrderScript(kind="preview", preview={"invoices": rows}))
        assert "amounts in EUR" in refused(task.submit, guard=OrderGuard(max_amount=1000, **USD))
        assert changed(zuora) == []

    @pytest.mark.parametrize("where", ["preview", "its job", "account"])
    def test_what_zuora_refuses_to_tell_refuses(self, zuora, task, where):
        if where == "preview":
            body = json.dumps({"success": False, "reasons": [{"code": 53200030, "message": "No."}]})
            zuora.fault(
                method="POST", path="/v1/async/orders/preview", when="instead", status=400, body=body.encode()
            )
        elif where == "its job":
            zuora.sandbox.add_script(OrderScript(kind="preview", errors="[40000020]: Not effective."))
        else:
            zuora.sandbox.change_settings(accounts={})
        words = refused(task.submit, guard=OrderGuard(max_amount=10**9, **USD))
        assert words.startswith("guard: max_amount: what the order comes to cannot be told: ")
        assert words.count("HTTP ") <= 1
        assert changed(zuora) == []

    def test_an_order_that_no_preview_can_hold_refuses(self, zuora, task):
        order = ORDER | {"orderLineItems": [{"itemName": "x" * 300}]}
        with pytest.raises(PermanentError):
            task.submit(order, guard=OrderGuard(max_amount=10**9, **USD))
        assert changed(zuora) == []

    @pytest.mark.parametrize("where", ["preview", "account"])
    def test_what_cannot_be_told_now_is_left_to_the_next_try(self, zuora, where):
        task = Task(store=StateStore())
        path = "/v1/async/orders/preview" if where == "preview" else "/v1/accounts"
        zuora.fault(method="POST" if where == "preview" else "GET", path=path, status=503, times=None)
        with pytest.raises(TransientError):
            task.submit(guard=OrderGuard(max_amount="100.10", **USD))
        assert changed(zuora) == []
        zuora.sandbox.state.faults.clear()
        task.submit(guard=OrderGuard(max_amount="100.10", **USD))
        assert made(zuora) == ["O-1"]

    def test_a_list_is_refused_if_one_of_its_previews_cannot_be_read(self, zuora, task):
        zuora.sandbox.add_script(OrderScript(kind="preview", contains="second", errors="[40000020]: No."))
        orders = make_orders(3)
        orders[1]["description"] = "second"
        words = refused(task.submit_all, orders, guard=OrderGuard(max_amount=10**9, **USD))
        assert words.startswith(
            "orders[1] (O-2): guard: max_amount: what the order comes to cannot be told: "
        )
        assert changed(zuora) == []

    def test_an_order_of_several_currencies_is_refused(self, zuora, task):
        order = json.loads(json.dumps(ORDER))
        order["subscriptions"][0]["orderActions"][0]["createSubscription"]["currency"] = "EUR"
        assert "amounts in EUR" in refused(task.submit, order, guard=OrderGuard(max_amount=10**9, **USD))

    def test_an_owner_whose_account_has_another_currency_is_refused(self, zuora, task):
        zuora.sandbox.change_settings(accounts={ACCOUNT: "USD", "A-OTHER": "EUR"})
        order = json.loads(json.dumps(ORDER))
        action = order["subscriptions"][0]["orderActions"][0]["createSubscription"]
        action["invoiceOwnerAccountNumber"] = "A-OTHER"
        assert "amounts in EUR" in refused(task.submit, order, guard=OrderGuard(max_amount=10**9, **USD))

    def test_an_evergreen_subscription_is_previewed_for_a_year(self, zuora, task):
        order = json.loads(json.dumps(ORDER)) | {"orderDate": "2024-02-29"}
        action = order["subscriptions"][0]["orderActions"][0]["createSubscription"]
        action["terms"] = {"initialTerm": {"termType": "EVERGREEN"}}
        task.submit(order, guard=OrderGuard(max_amount="100.10", **USD))
        [preview] = [job.order for job in zuora.sandbox.state.jobs.values() if job.kind == "preview"]
        assert preview["previewOptions"] == {
            "previewThruType": "SpecificDate",
            "specificPreviewThruDate": "2025-02-28",
            "previewTypes": ["BillingDocs"],
        }


class TestRetries:
    @pytest.mark.parametrize("store", [StateStore, lambda: None], ids=["state store", "no store"])
    def test_an_order_that_was_sent_is_found_although_its_preview_fails_by_then(self, zuora, store):
        task, guard = Task(store=store()), OrderGuard(max_amount="100.10", **USD)
        lose_order(zuora)
        with pytest.raises(TransientError):
            task.submit(guard=guard)
        heal(zuora)
        zuora.sandbox.add_script(OrderScript(kind="preview", errors="[40000020]: It is there already."))
        assert task.submit(guard=guard)
        assert made(zuora) == ["O-1"]

    def test_without_a_store_and_a_number_a_person_is_asked(self, zuora):
        task, guard = Task(), OrderGuard(max_amount="100.10", **USD)
        lose_order(zuora, text="runBilling")
        with pytest.raises(TransientError):
            task.submit(UNNUMBERED, guard=guard)
        heal(zuora)
        zuora.sandbox.change_settings(prices={"*": "100.11"})
        words = r"a guard does not let it be sent .guard: max_amount: .*, and an earlier try may have sent it"
        with pytest.raises(OutcomeUnknownError, match=words):
            task.submit(UNNUMBERED, guard=guard)
        assert len(made(zuora)) == 1

    def test_with_a_store_the_same_key_is_sent_again_and_nothing_is_previewed_again(self, zuora):
        task, guard = Task(store=StateStore()), OrderGuard(max_amount="100.10", **USD)
        lose_order(zuora, text="runBilling")
        with pytest.raises(TransientError):
            task.submit(UNNUMBERED, guard=guard)
        heal(zuora)
        zuora.sandbox.change_settings(prices={"*": "100.11"})
        task.submit(UNNUMBERED, guard=guard)
        assert len(made(zuora)) == 1
        assert count(zuora, PREVIEW) == 1

    def test_an_order_that_has_changed_is_previewed_again(self, zuora):
        task, guard = Task(store=StateStore()), OrderGuard(max_amount="100.10", **USD)
        lose_order(zuora, "before", "runBilling")
        with pytest.raises(TransientError):
            task.submit(UNNUMBERED, guard=guard)
        heal(zuora)
        zuora.sandbox.change_settings(prices={"*": "100.11"})
        with pytest.raises(OutcomeUnknownError, match=r"guard: max_amount: the order comes to 100\.11 USD"):
            task.submit(UNNUMBERED | {"description": "changed"}, guard=guard)
        assert made(zuora) == []

    @pytest.mark.parametrize("store", [StateStore, lambda: None], ids=["state store", "no store"])
    def test_a_clear_after_a_refusal_asks_the_guard_again(self, zuora, store):
        task = Task(store=store())
        refused(task.submit, guard=OrderGuard(max_amount="100.09", **USD))
        task.clear()
        kind = GuardRefusedError if task.store else OutcomeUnknownError
        with pytest.raises(kind, match=r"max_amount: the order comes to 100\.1 USD"):
            task.submit(guard=OrderGuard(max_amount="100.09", **USD))
        assert made(zuora) == []
        task.clear()
        task.submit(guard=OrderGuard(max_amount="100.10", **USD))
        assert made(zuora) == ["O-1"]

    def test_a_list_goes_on_with_what_was_sent_and_refuses_what_is_new(self, zuora):
        task, guard = Task(store=StateStore()), OrderGuard(max_amount="200.20", **USD)
        lose_order(zuora, text='"O-2"')
        with pytest.raises(TransientError):
            task.submit_all(make_orders(2), guard=guard)
        heal(zuora)
        assert made(zuora) == ["O-1", "O-2"]
        words = refused(task.submit_all, make_orders(5), guard=guard)
        assert task.states == ["submitted", "submitted", "open", "open", "open"]
        assert "the list comes to 300.3 USD, and 200.20 USD is allowed" in words
        assert made(zuora) == ["O-1", "O-2"]

    def test_a_refusal_does_not_say_that_nothing_was_sent_if_an_earlier_try_has_sent_other_orders(
        self, zuora
    ):
        task, guard = Task(store=StateStore()), OrderGuard(max_amount="100.10", **USD)
        lose_order(zuora, text="earlier")
        with pytest.raises(TransientError):
            task.submit_all([UNNUMBERED | {"description": "earlier"}])
        heal(zuora)
        orders = [UNNUMBERED | {"description": f"later {n}"} for n in range(2)]
        assert refused(task.submit_all, orders, guard=guard).endswith("This try has sent no order.")
        assert refused(task.submit_all, orders, guard=OrderGuard("production")).endswith("has sent no order.")
        assert len(made(zuora)) == 1

    @pytest.mark.parametrize("on_refusal", ["fail", "skip"])
    def test_what_a_guard_refuses_is_never_skipped(self, zuora, on_refusal):
        task, guard = Task(store=StateStore()), OrderGuard(max_orders=1)
        task.submit_all(make_orders(1), guard=guard)
        task.clear()
        refused(task.submit_all, make_orders(2), guard=guard, on_refusal=on_refusal)
        assert made(zuora) == ["O-1"]

    def test_a_list_without_a_store_finds_what_it_has_sent_by_its_numbers(self, zuora):
        task, guard = Task(), OrderGuard(max_amount="200.20", **USD)
        lose_order(zuora, "before", '"O-2"')
        with pytest.raises(TransientError):
            task.submit_all(make_orders(2), guard=guard)
        heal(zuora)
        zuora.sandbox.change_settings(prices={"*": "100.11"})
        with pytest.raises(OutcomeUnknownError):
            task.submit_all(make_orders(2), guard=guard)
        assert task.states == ["submitted", "unknown"]
        assert made(zuora) == ["O-1"]

    def test_a_lock_begins_another_key_and_the_guard_is_asked_again(self, billing):
        zuora, task = billing, Task(store=StateStore())
        guard = OrderGuard(max_amount="100.10", **USD)
        body = json.dumps({"success": False, "reasons": [{"code": 53200050, "message": "lock"}]}).encode()
        locked = {"contains": '"O-1"', "when": "instead", "status": 409, "body": body}
        zuora.fault(method="POST", path="/v1/async/orders", **locked)
        with pytest.raises(TransientError):
            task.submit(guard=guard)
        task.submit(guard=guard)
        assert (made(zuora), count(zuora, PREVIEW)) == (["O-1"], 2)


class TestTheCount:
    @pytest.mark.parametrize("line", ['{"schema_version": 2}', '{"schema_version": 1}', "[1]", "no JSON"])
    def test_a_log_that_has_a_line_of_another_form_cannot_be_told(self, zuora, task, tmp_path, line):
        options = {"submission_log": str(tmp_path), "guard": OrderGuard(max_orders=9)}
        task.submit(**options)
        [part, *_] = tmp_path.rglob("*.jsonl")
        part.with_name("other.jsonl").write_text(line + "\n")
        words = refused(Task("other").submit, ORDER | {"orderNumber": "O-2"}, **options)
        assert words.startswith("guard: max_orders: what the run has sent cannot be read: ")
        assert made(zuora) == ["O-1"]

    def test_a_list_of_as_many_as_allowed_passes_and_one_more_does_not(self, zuora, task):
        words = refused(task.submit_all, make_orders(3), guard=OrderGuard(max_orders="{{ params.count }}"))
        assert words == "guard: max_orders: the list has 3 orders, and 2 are allowed. No order was sent."
        assert changed(zuora) == []
        Task("other").submit_all(make_orders(2), guard=OrderGuard(max_orders=2))
        assert made(zuora) == ["O-1", "O-2"]

    def test_a_list_that_is_too_long_is_refused_before_any_of_it_is_previewed(self, zuora, task):
        guard = OrderGuard(max_orders=2, max_amount="1000", currency="USD")
        words = refused(task.submit_all, make_orders(3), guard=guard)
        assert words == "guard: max_orders: the list has 3 orders, and 2 are allowed. No order was sent."
        assert (changed(zuora), count(zuora, PREVIEW)) == ([], 0)

    def test_one_order_without_a_log_cannot_be_counted(self, zuora, task):
        words = refused(task.submit, guard=OrderGuard(max_orders=10))
        assert "how many orders the run has sent is unknown: it needs a submission_log" in words
        refused(Task(index=0).submit_all, make_orders(1), guard=OrderGuard(max_orders=10))
        assert changed(zuora) == []

    def test_outside_of_a_task_there_is_no_run(self, zuora, tmp_path):
        hook = ZuoraHook(submission_log=tmp_path, guard=OrderGuard(max_orders=10))
        assert "this is no task of a run" in refused(hook.create_order, ORDER)
        assert changed(zuora) == []

    def test_a_run_counts_all_its_tasks_and_mapped_ones_and_each_key_once(self, zuora, tmp_path):
        options = {"submission_log": str(tmp_path), "guard": OrderGuard(max_orders=4)}
        Task("one").submit_all(make_orders(2), **options)
        mapped = [Task("two", index) for index in range(3)]
        mapped[0].submit(make_orders(1, 3)[0], **options)
        mapped[1].submit(make_orders(1, 4)[0], **options)
        words = refused(mapped[2].submit, make_orders(1, 5)[0], **options)
        assert "max_orders: with these the run has 5 orders, and 4 are allowed" in words
        mapped[0].submit(make_orders(1, 3)[0], **options)  # a retry sends the same key
        assert made(zuora) == ["O-1", "O-2", "O-3", "O-4"]
        Task("one", run_id="another").submit_all(make_orders(4, 5), **options)
        assert len(made(zuora)) == 8

    def test_a_list_counts_with_what_the_run_has(self, zuora, tmp_path):
        options = {"submission_log": str(tmp_path), "guard": OrderGuard(max_orders=4)}
        Task("one").submit_all(make_orders(2), **options)
        refused(Task("two").submit_all, make_orders(3, 3), **options)
        assert made(zuora) == ["O-1", "O-2"]
        Task("three").submit_all(make_orders(2, 3), **options)
        assert made(zuora) == ["O-1", "O-2", "O-3", "O-4"]

    def test_what_zuora_has_refused_and_what_a_guard_has_refused_do_not_count(self, zuora, tmp_path):
        options = {"submission_log": str(tmp_path), "guard": OrderGuard(max_orders=1)}
        body = json.dumps({"success": False, "reasons": [{"code": 53200020, "message": "No."}]}).encode()
        zuora.fault(method="POST", path="/v1/async/orders", when="instead", status=400, body=body)
        with pytest.raises(PermanentError):
            Task("one").submit(ORDER, **options)
        refused(Task("two").submit_all, make_orders(2), **options)
        Task("three").submit(ORDER, **options)
        assert made(zuora) == ["O-1"]

    def test_what_is_open_counts(self, zuora, tmp_path):
        options = {"submission_log": str(tmp_path), "guard": OrderGuard(max_orders=1)}
        zuora.fault(method="POST", path="/v1/async/orders", kind="reset", when="before", times=6)
        with pytest.raises(TransientError):
            Task("one").submit(ORDER, **options)
        assert "the run has 2 orders" in refused(Task("two").submit, make_orders(1, 2)[0], **options)
        assert made(zuora) == []

    def test_the_intent_is_in_the_log_before_it_is_counted_and_its_end_says_that_there_is_nothing(
        self, zuora, tmp_path
    ):
        refused(Task().submit, submission_log=str(tmp_path), guard=OrderGuard(max_orders=0))
        refused(Task("two").submit_all, make_orders(2), submission_log=str(tmp_path), guard={"max_orders": 1})
        today = dt.datetime.now(dt.UTC).date()
        lines = list(LogStore.of(str(tmp_path)).read_days(today - dt.timedelta(days=1), today))
        told = [(line["event"], line["outcome"], line["unanswered"]) for line in lines]
        one = [("intent", None, 1), ("end", "open", 0)]
        assert told == [*one, *one[:1] * 2, *one[1:] * 2]

    def test_what_passes_has_its_track_id_in_the_log_before_it_is_sent(self, zuora, tmp_path):
        Task().submit(submission_log=str(tmp_path), guard=OrderGuard(max_orders=1))
        today = dt.datetime.now(dt.UTC).date()
        lines = list(LogStore.of(str(tmp_path)).read_days(today - dt.timedelta(days=1), today))
        assert [line["event"] for line in lines] == ["intent", "intent", "end"]
        assert [line["track_ids"] for line in lines[:2]] == [[], [zuora.posts()[0]["trackId"]]]

    def test_a_log_that_may_not_be_read_refuses(self, zuora, tmp_path):
        task, options = Task(), {"submission_log": str(tmp_path), "guard": OrderGuard(max_orders=5)}
        Task("one").submit(make_orders(1, 9)[0], **options)
        [part, *_] = tmp_path.rglob("*.jsonl")
        (part.parent / "broken.jsonl").write_text("no line\n")
        assert "max_orders: what the run has sent cannot be read: " in refused(task.submit, **options)
        assert made(zuora) == ["O-9"]

    def test_a_list_outside_of_a_task_counts_alone(self, zuora, tmp_path):
        hook = ZuoraHook(submission_log=tmp_path, guard=OrderGuard(max_orders=2))
        assert "the list has 3 orders" in refused(hook.create_orders, make_orders(3))
        hook.create_orders(make_orders(2))
        assert made(zuora) == ["O-1", "O-2"]

    @pytest.mark.parametrize("kind", ["one", "list"])
    def test_a_log_that_cannot_be_read_now_is_read_by_the_next_try(self, zuora, tmp_path, kind):
        task, options = Task(), {"submission_log": str(tmp_path), "guard": OrderGuard(max_orders=5)}
        broken = tmp_path / f"{dt.datetime.now(dt.UTC).date()}" / "d" / "r"
        broken.mkdir(parents=True)
        (broken / "folder.jsonl").mkdir()
        submit, what = (task.submit, ORDER) if kind == "one" else (task.submit_all, [ORDER])
        with pytest.raises(TransientError, match="could not be read"):
            submit(what, **options)
        (broken / "folder.jsonl").rmdir()
        today = dt.datetime.now(dt.UTC).date()
        lines = list(LogStore.of(str(tmp_path)).read_days(today - dt.timedelta(days=1), today))
        assert [(line["event"], line["unanswered"]) for line in lines] == [("intent", 1), ("end", 0)]
        submit(what, **options)
        assert made(zuora) == ["O-1"]

    def test_runs_are_no_orders(self, billing, task):
        task.run(ZuoraBillRunOperator, bill_run=BILL_RUN, guard=OrderGuard(max_orders=0), deferrable=False)
        assert len(billing.ledger()["billRuns"]) == 1


class TestTheConnection:
    def test_its_ceiling_cannot_be_raised(self, zuora, task, monkeypatch, tmp_path):
        ceiling = {"max_orders": 2, "max_amount": "200.20", "currency": "USD"}
        set_ceiling(monkeypatch, zuora, ceiling, submission_log=str(tmp_path))
        for guard in (None, OrderGuard(), OrderGuard(max_orders=9), OrderGuard(max_amount=10**9, **USD)):
            words = refused(Task("other").submit_all, make_orders(3), guard=guard)
            assert words.startswith("the connection's guard: max_")
        assert "currency" in refused(Task("other").submit, guard=OrderGuard(max_amount=10**9, currency="EUR"))
        assert changed(zuora) == []
        task.submit_all(make_orders(2), guard=OrderGuard(max_orders=9))
        assert made(zuora) == ["O-1", "O-2"]

    def test_a_dag_can_lower_it(self, zuora, task, monkeypatch):
        set_ceiling(monkeypatch, zuora, json.dumps({"max_orders": 3}))
        words = refused(task.submit_all, make_orders(3), guard=OrderGuard(max_orders=2))
        assert words.startswith("guard: max_orders: ")
        assert changed(zuora) == []

    def test_it_holds_for_the_hook(self, zuora, monkeypatch):
        set_ceiling(monkeypatch, zuora, {"max_amount": "100.09", "currency": "USD"})
        refused(ZuoraHook().create_order, ORDER)
        refused(ZuoraHook().create_orders, [ORDER])
        assert changed(zuora) == []

    def test_one_that_breaks_a_rule_is_an_error_of_the_connection(self, zuora, task, monkeypatch):
        set_ceiling(monkeypatch, zuora, {"max_orders": -1})
        with pytest.raises(PermanentError, match="guard: max_orders: must be a whole number of 0 or more"):
            task.submit()

    def test_no_guard_asks_for_nothing_more(self, zuora, task):
        task.submit()
        assert count(zuora, PREVIEW) == 0


class TestABillRun:
    def run(self, task, **options):
        options = {"bill_run": BILL_RUN, "post": True, "deferrable": False} | options
        return task.run(ZuoraBillRunOperator, **options)

    def posts(self, billing):
        return [run["posts"] for run in billing.ledger()["billRuns"]]

    @pytest.mark.parametrize("lag", [0.0, 60.0])
    def test_what_it_has_drafted_is_read_before_it_is_posted(self, billing, task, lag):
        billing.sandbox.change_settings(object_query_lag_seconds=lag)
        amounts = [0.01] * 60 + [99.40]
        billing.sandbox.add_script(
            BillRunScript(invoices=61, amounts=amounts, credit_memos=1, credit_amounts=[0.10])
        )
        words = refused(self.run, task, guard=OrderGuard(max_amount="100.09", **USD))
        assert "has drafted 100.10 USD, and 100.09 USD is allowed. This try has sent no posting." in words
        assert self.posts(billing) == [0]
        end = self.run(Task("other"), guard=OrderGuard(max_amount="100.10", **USD))
        assert (end["status"], self.posts(billing)) == ("Posted", [0, 1])

    def test_a_second_currency_is_refused(self, billing, task):
        billing.sandbox.add_script(BillRunScript(currency="EUR"))
        assert "amounts in EUR" in refused(self.run, task, guard=OrderGuard(max_amount=10**9, **USD))
        assert self.posts(billing) == [0]

    def test_drafts_that_are_not_as_many_as_the_run_has_made_refuse(self, billing, task):
        billing.sandbox.add_script(BillRunScript(credit_memos=1))
        words = refused(self.run, task, guard=OrderGuard(max_amount=10**9, **USD))
        assert "lists 0 documents, and the bill run has made 1" in words
        assert self.posts(billing) == [0]

    def test_one_that_posts_itself_is_refused_before_it_is_created(self, billing, task):
        bill_run = BILL_RUN | {"autoPost": True}
        words = refused(
            self.run, task, bill_run=bill_run, post=False, guard=OrderGuard(max_amount=10**9, **USD)
        )
        assert "max_amount: what autoPost posts cannot be read before" in words
        assert billing.ledger()["billRuns"] == []

    def test_drafts_alone_are_not_compared(self, billing, task):
        self.run(task, post=False, guard=OrderGuard(max_amount=0, **USD))
        assert len(billing.ledger()["billRuns"]) == 1

    def test_one_that_is_posted_already_is_a_success(self, billing, task):
        job_id = ZuoraHook().create_bill_run(BILL_RUN)
        billing.sandbox.advance(60)
        ZuoraHook().post_bill_run(job_id)
        billing.sandbox.advance(60)
        assert ZuoraHook(guard=OrderGuard(max_amount=0, **USD)).post_bill_run(job_id)
        assert self.posts(billing) == [1]

    def test_a_post_whose_answer_is_lost_is_not_asked_about_again(self, billing, task):
        path = "/v1/bill-runs/"
        billing.sandbox.add_fault(Fault("PUT", path, kind="reset", when="before", times=1))
        self.run(task, guard=OrderGuard(max_amount=56, **USD))
        assert self.posts(billing) == [1]

    @pytest.mark.parametrize("body", [b"{}", b'{"data": [1]}', b'{"data": [{"amount": 56}]}'])
    def test_a_list_that_cannot_be_read_refuses(self, billing, task, body):
        billing.fault(
            method="GET", path="/object-query/invoices", when="instead", status=200, body=body, times=None
        )
        refused(self.run, task, guard=OrderGuard(max_amount=10**9, **USD))
        assert self.posts(billing) == [0]


class TestAPaymentRun:
    ID = "6cd7cdcbf7d6b4dbf3e2e8ab2b9a3ee6"

    def run(self, task, payment_run, **options):
        options = {"deferrable": False, "settle_timeout": 0} | options
        return task.run(ZuoraPaymentRunOperator, payment_run=payment_run, **options)

    def owe(self, billing, *rows):
        billing.sandbox.change_settings(receivables=[{"account": ACCOUNT, **row} for row in rows])
        return {"accountId": ZuoraHook().request("GET", f"/v1/accounts/{ACCOUNT}")["basicInfo"]["id"]} | {
            "targetDate": "2024-07-31"
        }

    def test_what_an_account_owes_is_read_before(self, billing, task):
        payment_run = self.owe(
            billing,
            {"amount": 60.05, "due_date": "2024-07-31"},
            {"amount": 40.05, "type": "DebitMemo"},
            {"amount": 1000, "due_date": "2024-08-01"},
            {"amount": -5, "due_date": "2024-07-01"},
            {"amount": 500, "account": "A-OTHER"},
        )
        words = refused(self.run, task, payment_run, guard=OrderGuard(max_amount="100.09", **USD))
        assert "the payment run comes to 100.10 USD, and 100.09 USD is allowed." in words
        assert words.endswith(" No payment run was sent.")
        assert billing.ledger()["paymentRuns"] == []
        self.run(Task("other"), payment_run, guard=OrderGuard(max_amount="100.10", **USD))
        assert len(billing.ledger()["paymentRuns"]) == 1

    def test_so_is_what_data_names(self, billing, task):
        rows = [
            {"accountNumber": ACCOUNT, "documentNumber": "INV-1", "amount": 60.05},
            {"accountNumber": ACCOUNT, "documentNumber": "INV-2", "amount": 40.05},
            {"accountNumber": "A-ANY", "standalone": True, "amount": 1, "currency": "USD"},
        ]
        payment_run = {"targetDate": "2024-07-31", "data": rows}
        refused(self.run, task, payment_run, guard=OrderGuard(max_amount="101.09", **USD))
        assert billing.ledger()["paymentRuns"] == []
        self.run(Task("other"), payment_run, guard=OrderGuard(max_amount="101.10", **USD))
        assert len(billing.ledger()["paymentRuns"]) == 1

    def test_a_second_currency_is_refused(self, billing, task):
        payment_run = self.owe(billing, {"amount": 1}, {"amount": 1, "currency": "EUR"})
        assert "amounts in EUR" in refused(
            self.run, task, payment_run, guard=OrderGuard(max_amount=10**9, **USD)
        )
        assert billing.ledger()["paymentRuns"] == []

    @pytest.mark.parametrize(
        ("payment_run", "why"),
        [
            ({"targetDate": "2024-07-31", "batch": "Batch1"}, "it collects by batch, and only what"),
            (
                {"targetDate": "2024-07-31", "billingRunId": "a1" * 16, "batch": "Batch1"},
                "it collects by batch",
            ),
            ({"runDate": "2034-08-01 03:00:00", "accountId": "a1"}, "it is scheduled, and what will be due"),
            ({"targetDate": "2024-07-31"}, "it collects by nothing but a date, and only"),
            (
                {"targetDate": "2024-07-31", "data": [{"accountId": "a1", "documentId": "b1"}]},
                "not each of its data has an amount",
            ),
        ],
    )
    def test_what_cannot_be_read_before_refuses(self, billing, task, payment_run, why):
        guard = OrderGuard(max_amount=10**9, **USD)
        words = refused(self.run, task, payment_run, guard=guard, allow_all_accounts=True)
        assert f"what the payment run comes to cannot be told: {why}" in words
        assert billing.ledger()["paymentRuns"] == []


class TestAsAirflowHasThem:
    def test_a_guard_is_rendered_anew_and_not_changed(self, zuora):
        guard = OrderGuard("{{ params.most }}", "{{ params.count }}", "{{ params.most }}", "USD")
        task = ZuoraCreateOrderOperator(task_id="a", order=ORDER, guard=guard)
        task.render_template_fields(Task().context, jinja2.sandbox.SandboxedEnvironment())
        assert task.guard == OrderGuard("100.10", "2", "100.10", "USD")
        assert guard.max_orders == "{{ params.count }}"

    def test_one_that_a_template_breaks_is_refused_and_not_retried(self, zuora, task):
        with pytest.raises(PermanentError, match="guard: max_orders: must be a whole number"):
            task.submit(guard=OrderGuard(max_orders="{{ params.most }}"))
        assert changed(zuora) == []

    def test_one_that_breaks_a_rule_is_refused_when_the_dag_is_parsed(self):
        with pytest.raises(ValueError, match="guard: max_amount: needs a currency"):
            ZuoraCreateOrderOperator(task_id="a", order=ORDER, guard=OrderGuard(max_amount=1))
        for kind, what in (
            (ZuoraCreateOrdersOperator, {"orders": []}),
            (ZuoraBillRunOperator, {"bill_run": {}}),
            (ZuoraPaymentRunOperator, {"payment_run": {}}),
        ):
            with pytest.raises(ValueError, match="guard: max_orders: must be a whole number"):
                kind(task_id="a", **what, guard={"max_orders": True})

    def test_it_stands_in_default_args_and_in_partial_and_its_dag_can_be_serialized(self):
        try:
            from airflow.serialization.serialized_objects import DagSerialization as Serialized
        except ImportError:
            from airflow.serialization.serialized_objects import SerializedDAG as Serialized

        guard = OrderGuard("production", 10, Decimal("1000.50"), "USD")
        with DAG("guarded", schedule=None, default_args={"guard": guard}) as dag:
            single = ZuoraCreateOrderOperator(task_id="one", order=ORDER)
            ZuoraCreateOrderOperator.partial(task_id="mapped", guard=guard).expand(order=[ORDER, ORDER])
        assert single.guard == guard
        first, second = (json.dumps(Serialized.to_dict(dag), default=str) for _ in range(2))
        assert first == second
        assert "1000.50" in first
        assert pickle.loads(pickle.dumps(guard)) == guard

    @pytest.mark.parametrize(
        "guard",
        ["{{ nothing }}", '{"max_orders": "{{ nothing }}"}', {"expect_environment": "{{ nothing }}"}],
        ids=str,
    )
    def test_a_template_of_nothing_is_refused_and_nothing_is_sent(self, zuora, guard):
        with pytest.raises(PermanentError, match=r"guard: .*is blank"):
            Task().submit(guard=guard)
        assert changed(zuora) == []

    @pytest.mark.parametrize(
        ("guard", "rendered", "name"),
        [
            ("{{ nothing }}", None, ""),
            ('{"max_orders": {{ nothing }}}', {"max_orders": None}, "max_orders: "),
            (OrderGuard(max_orders="{{ nothing }}"), OrderGuard(), "max_orders: "),
            ({"expect_environment": "{{ nothing }}"}, {"expect_environment": None}, "expect_environment: "),
        ],
        ids=str,
    )
    def test_an_xcom_or_a_native_value_of_nothing_is_refused(self, zuora, guard, rendered, name):
        operator = ZuoraCreateOrderOperator(task_id="a", order=ORDER, guard=guard)
        operator.guard = rendered
        with pytest.raises(PermanentError, match=f"guard: {name}is blank"):
            operator.execute(Task().context)
        assert changed(zuora) == []

    def test_what_is_left_out_of_it_limits_nothing(self, zuora):
        for guard in ({"max_orders": None}, OrderGuard(), None):
            assert ZuoraCreateOrderOperator(task_id="a", order=ORDER, guard=guard).rendered_guard == guard

    def test_an_xcom_in_it_makes_its_task_come_after(self):
        with DAG("guarded", schedule=None):
            from airflow.providers.common.compat.sdk import BaseOperator

            before = BaseOperator(task_id="before")
            task = ZuoraCreateOrderOperator(
                task_id="one", order=ORDER, guard=OrderGuard(max_orders=before.output)
            )
        assert task.upstream_task_ids == {"before"}
