"""The body of a payment run: what is refused before it is sent, first what collects from everybody."""

from __future__ import annotations

import json
from decimal import Decimal

import pytest

from airflow_provider_zuora.core.errors import InvalidInput
from airflow_provider_zuora.core.vendors.zuora.payment_run_rules import check_payment_run, is_scheduled

RUN = {"targetDate": "2024-07-31", "accountId": "8ad0"}
ITEM = {"accountNumber": "A-1", "documentNumber": "INV-1", "documentType": "Invoice", "amount": 5.5}
DATA = {"targetDate": "2024-07-31", "data": [ITEM]}
ALL = "names no account, so it would collect from all of them"


def violations(run, **options):
    with pytest.raises(InvalidInput) as caught:
        check_payment_run(run, **options)
    assert "Invalid payment run: " in str(caught.value)
    assert "nothing was sent" in str(caught.value)
    return list(caught.value.violations)


ID = "must be an id: letters and digits, at most 32, at least one of them a digit"


@pytest.mark.parametrize(
    "run",
    [
        RUN,
        DATA,
        {"runDate": "2024-08-01 03:00:00", "batch": "Batch1", "currency": "USD"},
        {"targetDate": "2024-07-31", "billCycleDay": "31"},
        {"targetDate": "2024-07-31", "paymentGatewayNumber": "PG-1", "collectPayment": True},
        {"targetDate": "2024-07-31", "billingRunId": "8ad0", "data": None},
        RUN | {"advancedFilter": "x", "useCustomPaymentMethods": True},
        RUN | {"unknownField": 1, "organizationLabels": []},
        DATA | {"data": [ITEM | {"field__c": "x", "comment": "x" * 255, "standalone": False}]},
    ],
)
def test_what_zuora_documents_passes(run):
    checked = check_payment_run(run)
    assert json.loads(checked.request.body) == checked.document == run
    assert (checked.kind, checked.number, checked.mark) == ("payment run", None, None)
    assert str(checked.request) == "POST /v1/payment-runs"


def test_an_amount_may_be_a_decimal():
    assert check_payment_run(DATA | {"data": [ITEM | {"amount": Decimal("5.50")}]}).document == DATA


class TestWhatWouldCollectFromEverybody:
    @pytest.mark.parametrize(
        "run",
        [
            {},
            {"batch": None, "accountId": None, "data": None},
            {"batch": "AllBatches"},
            {"currency": "USD"},
            {"advancedFilter": "1=1", "useCustomPaymentMethods": True},
            {"billCycleDay": "AllBillCycleDays"},
            {"collectPayment": True, "consolidatedPayment": True},
            {"organizationLabels": [{"organizationName": "EU"}]},
            {"someFilter": "x"},
        ],
    )
    @pytest.mark.parametrize("when", [{"targetDate": "2024-07-31"}, {"runDate": "2024-08-01 03:00:00"}])
    def test_is_refused_unless_it_is_asked_for(self, run, when):
        [rule] = violations(when | run)
        assert rule.startswith(f"$: {ALL}: add data, or one of accountId, batch, ")
        assert rule.endswith("or pass allow_all_accounts=True")
        assert check_payment_run(when | run, allow_all_accounts=True).document == when | run

    @pytest.mark.parametrize("filters", [{}, {"batch": "Batch1"}])
    def test_an_empty_list_of_documents_is_such_a_body_too(self, filters):
        run = {"targetDate": "2024-07-31", "data": []} | filters
        [rule] = violations(run)
        assert rule.startswith("$.data: is empty, and without documents Zuora collects all that the filters")
        assert check_payment_run(run, allow_all_accounts=True).document == run


@pytest.mark.parametrize(
    ("run", "rule"),
    [
        ({"accountId": "8ad0"}, "$: one of targetDate, runDate is required"),
        (RUN | {"targetDate": "31.7.2024"}, "$.targetDate: must be a calendar date, written YYYY-MM-DD"),
        (RUN | {"runDate": "2024-08-01"}, "$.runDate: must be a date and time, written YYYY-MM-DD hh:mm:ss"),
        (
            RUN | {"runDate": "2024-02-30 03:00:00"},
            "$.runDate: must be a date and time, written YYYY-MM-DD hh:mm:ss",
        ),
        (RUN | {"runDate": 5}, "$.runDate: must be a date and time, written YYYY-MM-DD hh:mm:ss"),
        (RUN | {"batch": "Batch1"}, "$.batch: must not stand beside accountId"),
        (RUN | {"billingRunId": "x"}, "$.billingRunId: must not stand beside accountId"),
        (RUN | {"accountId": "x" * 33}, f"$.accountId: {ID}"),
        (RUN | {"accountId": " "}, f"$.accountId: {ID}"),
        *(
            (RUN | {"accountId": value}, f"$.accountId: {ID}")
            for value in ("None", "null", "\u200b", "a b", "*")
        ),
        *(
            ({"targetDate": "2024-07-31", "batch": value}, "$.batch: must be AllBatches or Batch1, Batch2")
            for value in ("All", "*", "%", "all batches", "All_Batches", "AllBatches\u200b", "Batch0")
        ),
        ({"targetDate": "2024-07-31", "currency": "ALL"}, "$.currency: must be a currency of three letters"),
        (RUN | {"advancedFilter": "x"}, "$.advancedFilter: needs useCustomPaymentMethods to be true"),
        (RUN | {"collectPayment": 1}, "$.collectPayment: must be true or false"),
        (DATA | {"data": {}}, "$.data: must be a list"),
        (DATA | {"data": [{}]}, "$.data[0]: one of accountId, accountNumber is required"),
        (DATA | {"data": [5]}, "$.data[0]: must be an object"),
        (DATA | {"data": [ITEM | {"amount": 0}]}, "$.data[0].amount: must be a number above 0"),
        (DATA | {"data": [ITEM | {"amount": True}]}, "$.data[0].amount: must be a number above 0"),
        (
            DATA | {"data": [ITEM | {"documentType": "Order"}]},
            "$.data[0].documentType: must be one of Invoice, DebitMemo",
        ),
        (DATA | {"data": [ITEM] * 50_001}, "$.data: must have 0 to 50000 members, this has 50001"),
        ([RUN], "$: must be an object"),
    ],
)
def test_a_broken_rule_is_one_line(run, rule):
    assert any(line.startswith(rule) for line in violations(run))


def test_which_runs_are_scheduled():
    assert is_scheduled({"runDate": "2024-08-01 03:00:00"})
    assert not is_scheduled(RUN)
