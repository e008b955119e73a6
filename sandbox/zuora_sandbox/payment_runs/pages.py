"""What the summary, the data and the row of a payment run say; pure functions.

Source: "Retrieve a payment run summary" and "Retrieve payment run data" of Zuora's v1 API reference, and
Object Query's part of it. Errors are the payments in Error and those that are still Processing, so they may
become fewer.
"""

from __future__ import annotations

from typing import Any

from zuora_sandbox.order_store import derive_id
from zuora_sandbox.payment_runs.receivables import Receivable, add_up, format_amount
from zuora_sandbox.payment_runs.runs import FLAGS, PaymentRun
from zuora_sandbox.times import format_offset

Payments = list[tuple[Receivable, str]]
FAULTY = ("Error", "Processing")
DATA_FIELDS = ("accountId", "accountNumber", "documentId", "documentNumber", "documentType", "comment")


def _list_groups(payments: Payments) -> dict[str, list[Receivable]]:
    """Return the receivables by the name that counts and amounts have for them."""
    left = [(each, status) for each, status in payments if status != "Processed"]
    return {
        "Payments": [each for each, status in payments if status == "Processed"],
        "Errors": [each for each, status in payments if status in FAULTY],
        "Receivables": [each for each, _ in payments],
        "UnprocessedReceivables": [each for each, _ in left],
        "Invoices": [each for each, _ in payments if each.type == "Invoice"],
        "DebitMemos": [each for each, _ in payments if each.type == "DebitMemo"],
        "UnprocessedInvoices": [each for each, _ in left if each.type == "Invoice"],
        "UnprocessedDebitMemos": [each for each, _ in left if each.type == "DebitMemo"],
        "CreditMemos": [],  # no credit is ever applied here
        "UnappliedPayments": [],
    }


def make_summary(run: PaymentRun, now: float) -> dict[str, Any]:
    """Return the body for the summary; its amounts are texts, in one object for each currency."""
    payments = run.list_payments(now)
    counts = {f"numberOf{name}": len(group) for name, group in _list_groups(payments).items()}
    page: dict[str, Any] = {**counts, "numberOfCreditBalanceAdjustments": 0}
    if data := run.body.get("data"):
        done = sum(status == "Processed" for _, status in payments)
        wrong = sum(status == "Error" for _, status in payments)
        page |= {"numberOfInputData": len(data), "numberOfProcessedInputData": done}
        page |= {"numberOfErrorInputData": wrong}
    currencies = dict.fromkeys(each.currency for each, _ in payments)
    return {**page, "totalValues": [_make_totals(payments, each) for each in currencies], "success": True}


def _make_totals(payments: Payments, currency: str) -> dict[str, str]:
    own = [(each, status) for each, status in payments if each.currency == currency]
    return {
        f"totalValueOf{name}": format_amount(add_up(group), currency)
        for name, group in _list_groups(own).items()
    }


def make_data(run: PaymentRun, now: float) -> dict[str, Any]:
    """Return the body for the data: a row for each of the ``data`` of the request, once the run has begun."""
    rows = zip(run.body["data"], run.list_payments(now), strict=False)
    return {
        "data": [
            _make_data_row(f"{run.run_id}/{place}", item, *payment)
            for place, (item, payment) in enumerate(rows)
        ],
        "success": True,
    }


def _make_data_row(key: str, item: dict[str, Any], receivable: Receivable, status: str) -> dict[str, Any]:
    error = {"errorCode": receivable.code, "errorMessage": receivable.message} if status == "Error" else {}
    collected = receivable.amount if status == "Processed" else 0
    payment = {
        "id": derive_id("payment", key),
        "type": "Payment",
        "status": status,
        "amount": receivable.amount,
        "appliedAmount": collected,
        **error,
    }
    return {
        **{name: item[name] for name in DATA_FIELDS if name in item},
        "amount": item.get("amount"),
        "amountCollected": collected,
        "amountToCollect": receivable.amount,
        "result": "Error" if status in ("Error", "Unprocessed") else "Processed",
        **error,
        "transactions": [] if status == "Unprocessed" else [payment],
    }


def make_row(run: PaymentRun, now: float) -> dict[str, Any]:
    """Return its row of Object Query."""
    groups = _list_groups(run.list_payments(now))
    began, ended = (run.timeline.find_moment(word, now) for word in ("Processing", "Completed"))
    failed = run.timeline.find_moment("Error", now)
    return {
        **{
            name: run.body.get(name) for name in ("accountId", "batch", "currency", "billingRunId", "runDate")
        },
        **{name: bool(run.body.get(name)) for name in FLAGS},
        "id": run.run_id,
        "paymentRunNumber": run.number,
        "status": run.get_status(now),
        "targetDate": run.body.get("targetDate"),
        "createdDate": format_offset(run.created),
        "updatedDate": format_offset(max(run.updated, run.timeline.get_change(now))),
        "executedDate": began and format_offset(began),
        "endDate": ended and format_offset(ended),
        "totalExecutionTime": round((ended - began) * 1000) if ended and began else None,
        "errorMessage": run.script.error if failed else None,
        "numberOfPayments": len(groups["Payments"]),
        "numberOfErrors": len(groups["Errors"]),
        "numberOfInvoices": len(groups["Invoices"]),
        "numberOfDebitMemos": len(groups["DebitMemos"]),
        "numberOfUnprocessed": len(groups["UnprocessedInvoices"]),
        "numberOfDebitMemosUnprocessed": len(groups["UnprocessedDebitMemos"]),
        "numberOfCreditMemos": 0,
    }
