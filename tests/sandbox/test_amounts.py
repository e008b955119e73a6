"""Amounts in the sandbox: previews by a price list, what bill runs draft, what is due."""

from __future__ import annotations

import json
from urllib.parse import urlencode

import pytest

from zuora_sandbox import BillRunScript, OrderScript, PaymentRunScript, Sandbox, Settings
from zuora_sandbox.messages import Request
from zuora_sandbox.order_store import derive_id
from zuora_sandbox.prices import price_order

ITEM = {"itemName": "x", "itemType": "Services"}


def plan(name, **more):
    return {
        "orderActions": [
            {"type": "CreateSubscription", "createSubscription": {"subscribeToRatePlans": [name]}}
        ]
    }


class Client:
    """Sends requests with a token."""

    def __init__(self, **settings):
        self.now = 1_700_000_000.0
        self.sandbox = Sandbox(Settings(**settings), lambda: self.now)
        known = self.sandbox.settings
        form = {"grant_type": "client_credentials", "client_id": known.client_id}
        form |= {"client_secret": known.client_secret}
        grant = self.send("POST", "/oauth/token", urlencode(form).encode())
        self.token = grant["access_token"]

    token = ""

    def send(self, method, path, body=b"", params=()):
        headers = {"Content-Type": "application/json"}
        if self.token:
            headers["Authorization"] = f"Bearer {self.token}"
        else:
            headers["Content-Type"] = "application/x-www-form-urlencoded"
        content = body if isinstance(body, bytes) else json.dumps(body).encode()
        return json.loads(self.sandbox.handle(Request(method, path, tuple(params), headers, content)).body)

    def preview(self, **order):
        order = {"orderDate": "2024-07-01", "existingAccountNumber": "A-1", "orderNumber": "O-1"} | order
        body = order | {"previewOptions": {"previewThruType": "TermEnd", "previewTypes": ["BillingDocs"]}}
        job_id = self.send("POST", "/v1/async/orders/preview", body)["jobId"]
        self.now += 60
        return self.send("GET", f"/v1/async-jobs/{job_id}")["result"]

    def list(self, kind, *filters, **params):
        pairs = [("filter[]", each) for each in filters] + [
            (f"{name}[]", text) for name, text in params.items()
        ]
        return self.send("GET", f"/object-query/{kind}", params=pairs)


def test_a_preview_comes_to_what_its_rate_plans_and_line_items_cost():
    client = Client(prices={"plan-1": "100.10", "PRP-1": 5, "*": 1})
    add = {"orderActions": [{"type": "AddProduct", "addProduct": {"productRatePlanNumber": "PRP-1"}}]}
    result = client.preview(
        subscriptions=[
            plan({"productRatePlanId": "plan-1"}),
            plan({"productRatePlanId": "other"}),
            add | {"subscriptionNumber": "A-S1"},
        ],
        orderLineItems=[ITEM | {"quantity": 3, "amountPerUnit": 0.1}],
    )
    assert [row["amount"] for row in result["invoices"]] == [106.4]
    assert result["creditMemos"] == []


def test_what_is_given_back_stands_in_a_credit_memo():
    returned = ITEM | {"quantity": 2, "amountPerUnit": 4.5, "itemCategory": "Return"}
    result = Client().preview(orderLineItems=[returned])
    assert [row["amount"] for row in result["invoices"]] == [0]
    assert [row["amount"] for row in result["creditMemos"]] == [9]


def test_without_a_price_list_nothing_has_a_price():
    assert price_order({"subscriptions": [plan({"productRatePlanId": "x"})]}, {}) == (0, 0)
    assert Client().preview(subscriptions=[plan({"productRatePlanId": "x"})])["invoices"][0]["amount"] == 0


def test_a_script_says_what_a_preview_comes_to():
    client = Client()
    client.sandbox.add_script(OrderScript(kind="preview", preview={"invoices": [{"amount": "7"}]}))
    assert client.preview(orderLineItems=[ITEM]) == {"invoices": [{"amount": "7"}]}


def test_accounts_of_the_settings_are_there_with_their_currency():
    client = Client(accounts={"A-1": "EUR"})
    for key in ("A-1", derive_id("account", "A-1")):
        assert client.send("GET", f"/v1/accounts/{key}")["billingAndPayment"] == {"currency": "EUR"}
    assert client.send("GET", "/v1/accounts/A-2")["success"] is False


def test_an_account_that_an_order_made_has_its_own_currency():
    client = Client()
    account = {"name": "x", "currency": "CHF", "billCycleDay": 1, "billToContact": {}, "accountNumber": "A-9"}
    client.send(
        "POST",
        "/v1/async/orders",
        {"orderDate": "2024-07-01", "newAccount": account, "orderLineItems": [ITEM]},
    )
    client.now += 60
    assert client.send("GET", "/v1/accounts/A-9")["billingAndPayment"] == {"currency": "CHF"}


def test_what_a_bill_run_has_drafted_is_listed_by_its_number_and_posted_with_it():
    client = Client(object_query_lag_seconds=30)
    client.sandbox.add_script(
        BillRunScript(invoices=3, amounts=[1, "2.50"], credit_amounts=[0.5], currency="EUR")
    )
    made = client.send("POST", "/v1/bill-runs", {"targetDate": "2024-07-31", "batches": ["Batch1"]})
    of_run = f"sourceid.EQ:{made['billRunNumber']}"
    client.now += 30
    assert client.list("invoices", of_run) == {"data": []}
    client.now += 60
    rows = client.list("invoices", of_run, expand="account")["data"]
    assert [(row["amount"], row["currency"], row["status"]) for row in rows] == [
        (1.0, "EUR", "Draft"),
        (2.5, "EUR", "Draft"),
        (56.0, "EUR", "Draft"),
    ]
    assert rows[0]["account"]["currency"] == "EUR"
    [memo] = client.list("credit-memos", of_run)["data"]
    assert (memo["totalAmount"], memo["sourceId"]) == (0.5, made["billRunNumber"])
    row = client.send("GET", f"/object-query/billing-runs/{made['id']}")
    assert (row["numberOfInvoices"], row["numberOfCreditMemos"]) == (3, 1)
    client.send("PUT", f"/v1/bill-runs/{made['id']}/post", {})
    client.now += 60
    assert {row["status"] for row in client.list("invoices", of_run)["data"]} == {"Posted"}
    assert client.list("invoices", "sourceid.EQ:BR-none") == {"data": []}


DUE = [
    {"account": "A-1", "amount": 10, "due_date": "2024-07-01"},
    {"account": "A-1", "amount": 20, "due_date": "2024-08-01"},
    {"account": "A-2", "amount": 40, "type": "DebitMemo"},
]


def test_what_is_due_is_listed_and_payment_runs_collect_it():
    client = Client(receivables=DUE)
    mine = derive_id("account", "A-1")
    rows = client.list("invoices", f"accountid.EQ:{mine}", "status.EQ:Posted")["data"]
    assert [row["balance"] for row in rows] == [10, 20]
    assert [row["balance"] for row in client.list("debit-memos")["data"]] == [40]
    client.send("POST", "/v1/payment-runs", {"targetDate": "2024-07-31", "accountId": mine})
    client.now += 60
    assert client.sandbox.ledger()["collected"] == {"USD": 10.0}
    client.send("POST", "/v1/payment-runs", {"runDate": "2023-11-14 00:00:00"})
    client.now += 60
    assert client.sandbox.ledger()["collected"] == {"USD": 50.0}


def test_a_script_comes_before_what_is_due():
    client = Client(receivables=DUE)
    client.sandbox.add_script(PaymentRunScript(receivables=[]))
    client.send("POST", "/v1/payment-runs", {"targetDate": "2024-07-31"})
    client.now += 60
    assert client.sandbox.ledger()["collected"] == {}


@pytest.mark.parametrize("kind", ["invoices", "credit-memos", "debit-memos"])
def test_an_unknown_expansion_or_filter_is_refused(kind):
    for wrong in (Client().list(kind, expand="items"), Client().list(kind, "balance.GT:0")):
        assert wrong["reasons"][0]["message"].startswith("Invalid ")
