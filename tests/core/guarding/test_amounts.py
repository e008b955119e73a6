"""What a submission would come to, as it is read at the sandbox; what cannot be told is an error."""

from __future__ import annotations

import json
from decimal import Decimal

import pytest

from airflow_provider_zuora.core.errors import ApiError, GuardRefused, Unreadable
from airflow_provider_zuora.core.guarding.amounts import (
    check_drafts,
    read_drafts,
    read_order_amounts,
    read_receivables,
)
from airflow_provider_zuora.core.guards import NO_GUARDS
from airflow_provider_zuora.core.vendors.zuora.amounts import build_preview, list_documents, read_preview
from airflow_provider_zuora.core.vendors.zuora.order_rules import check_order, check_preview
from airflow_provider_zuora.core.vendors.zuora.payment_run_rules import check_payment_run
from tests.core.run_tries import Billing, submit
from tests.core.runners import Memory, Tenant
from tests.core.tries import NUMBERED
from zuora_sandbox import BillRunScript, Fault

ACCOUNTS = {"A00000097": "USD"}


def read(tenant, order):
    return tenant.run(read_order_amounts(tenant.client(), check_order(order)))


def test_line_items_are_priced_by_the_order_itself_and_a_slow_preview_is_waited_for():
    tenant = Tenant(accounts=ACCOUNTS, job_seconds=60)
    item = {"itemName": "Installation", "itemType": "Services"}
    items = [
        item | {"quantity": 3, "amountPerUnit": 0.1},
        item | {"quantity": 1, "amountPerUnit": 20, "itemCategory": "Return"},
    ]
    found = read(tenant, NUMBERED | {"orderLineItems": items})
    assert found == [(Decimal("0.3"), "USD"), (Decimal(20), "USD")]
    assert 60 <= sum(tenant.clock.naps) < 120
    assert [request.path for request in tenant.sent if request.method != "GET"] == [
        "/oauth/token",
        "/v1/async/orders/preview",
    ]


def test_a_preview_that_takes_too_long_is_left_to_the_next_try():
    tenant = Tenant(accounts=ACCOUNTS, job_seconds=1000)
    with pytest.raises(ApiError, match="The preview is not ready") as caught:
        read(tenant, NUMBERED)
    assert caught.value.transient


def test_an_order_with_more_accounts_than_are_read_cannot_be_told():
    items = [NUMBERED["orderLineItems"][0] | {"ownerAccountNumber": f"A-{number}"} for number in range(100)]
    tenant = Tenant(accounts=ACCOUNTS, job_seconds=0)
    with pytest.raises(Unreadable, match="It names 101 accounts; the currencies of 100 are read"):
        read(tenant, NUMBERED | {"orderLineItems": items})


@pytest.mark.parametrize("body", [b'{"success": true}', b'{"billingAndPayment": {"currency": " "}}'])
def test_an_account_without_a_currency_cannot_be_told(body):
    fault = Fault("GET", "/v1/accounts", when="instead", status=200, body=body, times=None)
    with pytest.raises(Unreadable, match="The account's page has no currency"):
        read(Tenant(fault, accounts=ACCOUNTS, job_seconds=0), NUMBERED)


def test_a_preview_without_any_currency_cannot_be_told():
    with pytest.raises(Unreadable, match="Neither the order nor its preview names an account or a currency"):
        read_preview({"invoices": [{"amount": 1}]}, [], None)


def test_a_preview_is_the_order_without_what_no_preview_has():
    order = NUMBERED | {"processingOptions": {"runBilling": True}, "externallyManagedBy": "Apple"}
    preview = build_preview(order)
    check_preview(preview)
    assert set(order) - set(preview) == {"orderNumber", "processingOptions", "externallyManagedBy"}
    assert preview["previewOptions"] == {"previewThruType": "TermEnd", "previewTypes": ["BillingDocs"]}


def subscribe(term, start="2024-07-01"):
    made = {"terms": {"initialTerm": {"termType": term}}, "subscribeToRatePlans": []}
    dates = [{"name": "ContractEffective", "triggerDate": start}]
    return {
        "orderActions": [{"type": "CreateSubscription", "triggerDates": dates, "createSubscription": made}]
    }


def test_a_preview_ends_a_year_after_the_last_evergreen_subscription_has_begun():
    starts = ("2025-06-01", "2024-12-01", None)
    order = NUMBERED | {"subscriptions": [subscribe("EVERGREEN", start) for start in starts]}
    assert build_preview(order)["previewOptions"]["specificPreviewThruDate"] == "2026-06-01"


def test_an_evergreen_subscription_beside_one_with_a_term_cannot_be_told():
    """A preview for a year would leave out two years of the other."""
    order = NUMBERED | {"subscriptions": [subscribe("EVERGREEN"), subscribe("TERMED")]}
    with pytest.raises(Unreadable, match="an evergreen subscription besides others"):
        build_preview(order)


def test_the_preview_of_a_new_account_has_no_name_and_no_card():
    account = {"name": "Acme", "currency": "USD", "billCycleDay": 1, "creditCard": {"cardNumber": "4111"}}
    account |= {"billToContact": {"firstName": "Jane", "lastName": "Doe"}, "taxInfo": {"exemptStatus": "No"}}
    order = {name: value for name, value in NUMBERED.items() if name != "existingAccountNumber"}
    assert build_preview(order | {"newAccount": account})["previewAccountInfo"] == {
        "currency": "USD",
        "billCycleDay": 1,
        "taxInfo": {"exemptStatus": "No"},
    }


def pay(tenant, **run):
    checked = check_payment_run({"targetDate": "2024-07-31"} | run)
    return tenant.run(read_receivables(tenant.client(), checked))


def test_data_with_an_amount_that_may_be_rounded_cannot_be_told():
    rows = [{"accountId": "a1", "documentId": "b1", "amount": 12345678901234.56}]
    with pytest.raises(Unreadable, match="One of the data has an amount that cannot be read"):
        pay(Tenant(accounts=ACCOUNTS), data=rows)


def test_of_data_each_account_is_read_once_and_at_most_a_hundred():
    accounts = {f"A-{number}": "USD" for number in range(101)}
    rows = [{"accountNumber": name, "documentId": "b1", "amount": 1} for name in accounts]
    tenant = Tenant(accounts=accounts)
    assert len(pay(tenant, data=rows[:100] * 2)) == 200
    assert len([request for request in tenant.sent if request.path.startswith("/v1/accounts")]) == 100
    with pytest.raises(Unreadable, match="more than 100 accounts; give each of data a currency"):
        pay(tenant, data=rows)


@pytest.mark.parametrize("cursors", [["a"] * 3, [str(number) for number in range(300)]])
def test_a_list_that_does_not_end_cannot_be_told(cursors):
    pages = [json.dumps({"data": [], "nextPage": cursor}).encode() for cursor in cursors]
    faults = [Fault("GET", "/object-query", when="instead", status=200, body=page) for page in pages]
    with pytest.raises(Unreadable, match="too many pages, or one of them twice"):
        pay(Tenant(*faults, accounts=ACCOUNTS), accountId="a1")


def bill(*faults, **script):
    """Return a tenant with a completed bill run, and the run's id."""
    billing = Billing()
    billing.sandbox.add_script(BillRunScript(**script))
    run_id = submit(billing, Memory()).run().end.removeprefix("bill-run:")
    billing.sent.clear()
    for fault in faults:
        billing.sandbox.add_fault(fault)
    return billing, run_id


def test_what_a_run_has_drafted_is_read_page_by_page_in_exact_amounts():
    billing, run_id = bill(invoices=101, amounts=["0.10"] * 101, credit_amounts=[5, 7.25])
    found = billing.run(read_drafts(billing.client(), run_id))
    assert sum(amount for amount, _ in found) == Decimal("22.35")
    assert {currency for _, currency in found} == {"USD"}
    lists = [request for request in billing.sent if "/object-query/" in request.path]
    assert [request.path for request in lists] == [
        "/object-query/billing-runs/" + run_id,
        *["/object-query/invoices"] * 3,
        "/object-query/credit-memos",
    ]


def test_a_document_whose_account_alone_names_the_currency_has_it():
    body = {"data": [{"amount": 5, "account": {"currency": "EUR"}}]}
    fault = Fault("GET", "/object-query/invoices", when="instead", status=200, body=json.dumps(body).encode())
    billing, run_id = bill(fault)
    assert billing.run(read_drafts(billing.client(), run_id)) == [(Decimal(5), "EUR")]


@pytest.mark.parametrize(
    ("path", "body", "words"),
    [
        ("/v1/bill-runs/", {"status": "Completed"}, "names no number"),
        ("/object-query/billing-runs/", {"numberOfInvoices": 1}, "does not say how many credit memos"),
        ("/object-query/invoices", {"data": [{}] * 2}, "lists 2 documents, and the bill run has made 1"),
        ("/object-query/invoices", {"data": [{"amount": 5, "account": 1}]}, "or no currency"),
        ("/object-query/invoices", {"data": [{"currency": "USD"}]}, "has no amount"),
    ],
)
def test_a_run_whose_drafts_cannot_be_told_is_refused(path, body, words):
    billing, run_id = bill()
    own = {"id": run_id, "status": "Completed"} if "billing-runs" in path else {}
    answer = json.dumps(body | own).encode()
    billing.sandbox.add_fault(Fault("GET", path, when="instead", status=200, body=answer, times=None))
    with pytest.raises(Unreadable, match=words):
        billing.run(read_drafts(billing.client(), run_id))


def test_a_payment_run_for_a_bill_run_comes_to_what_that_has_made_and_is_due():
    billing, run_id = bill(invoices=3, amounts=[5, 7.25, -3], credit_amounts=[1])
    assert pay(billing, billingRunId=run_id) == [(Decimal(5), "USD"), (Decimal("7.25"), "USD")]
    assert pay(billing, billingRunId=run_id, targetDate="2024-07-30") == []


def test_and_cannot_be_told_while_that_runs():
    billing, run_id = bill(status="Processing")
    with pytest.raises(Unreadable, match="is Processing, and names no number"):
        pay(billing, billingRunId=run_id)


def test_nothing_is_read_if_no_amount_is_limited():
    billing, run_id = bill()
    before = len(billing.sent)
    billing.run(check_drafts(NO_GUARDS, billing.client(), run_id))
    assert len(billing.sent) == before


def test_a_run_without_documents_has_no_lists():
    assert list(list_documents("BR-1", {"invoices": 0, "credit_memos": 0})) == []


def test_a_refusal_is_a_core_error_that_is_not_transient():
    assert not GuardRefused("no").transient
