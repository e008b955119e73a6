"""
Check a payment run against what Zuora documents, before it is sent; one that collects from all is refused.

Sources: developer.zuora.com, "Create a payment run"; Zuora's SDK for the lengths. Unknown fields pass; a
field whose value is null counts as absent. A body with nothing but a date collects all that is due, at once.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from airflow_provider_zuora.core import json_types
from airflow_provider_zuora.core.json_types import Violation
from airflow_provider_zuora.core.vendors.zuora.field_rules import (
    AMOUNT,
    BATCH,
    CURRENCY,
    DATE,
    FLAG,
    ID,
    MOMENT,
    Rule,
    check_day_of_month,
    check_list,
    check_object,
    check_text,
    check_word,
    has,
    read_document,
)
from airflow_provider_zuora.core.vendors.zuora.payment_runs import PATH
from airflow_provider_zuora.core.vendors.zuora.runs import CheckedRun

_EXCLUDED = ("batch", "billCycleDay", "currency", "paymentGatewayId", "billingRunId")  # by accountId
# A currency is no filter of accounts: all of them may have the same; an advanced one may let all pass.
_FILTERS = ("accountId", "batch", "billCycleDay", "paymentGatewayId", "billingRunId", "paymentGatewayNumber")
_ALL = ("AllBatches", "AllBillCycleDays")  # words of bill runs; a filter that lets all pass is none
_EMPTY = (
    "is empty, and without documents Zuora collects all that the filters let pass: leave it out, or pass "
    "allow_all_accounts=True"
)
_NO_FILTER = (
    "names no account, so it would collect from all of them: add data, or one of "
    f"{', '.join(_FILTERS)}; or pass allow_all_accounts=True"
)
_FLAGS = (
    "collectPayment",
    "consolidatedPayment",
    "processPaymentWithClosedPM",
    "applyCreditBalance",
    "autoApplyCreditMemo",
    "autoApplyUnappliedPayment",
    "useCustomPaymentMethods",
    "ignorePaymentRunRetryRule",
)
_ITEM: Mapping[str, Rule] = {
    "accountId": ID,
    "accountNumber": check_text(70),
    **dict.fromkeys(("documentId", "documentNumber", "paymentMethodId", "paymentGatewayId"), check_text()),
    "documentType": check_word("Invoice", "DebitMemo"),
    "amount": AMOUNT,
    "currency": CURRENCY,
    "comment": check_text(255),
    "standalone": FLAG,
}
_RULES: Mapping[str, Rule] = {
    "targetDate": DATE,
    "runDate": MOMENT,
    "batch": BATCH,
    "billCycleDay": check_day_of_month("AllBillCycleDays"),
    "currency": CURRENCY,
    **dict.fromkeys(("accountId", "paymentGatewayId", "billingRunId"), ID),
    "paymentGatewayNumber": check_text(40),
    "advancedFilter": check_text(1000),
    "data": check_list(check_object(_ITEM), 0, 50_000),
    **dict.fromkeys(_FLAGS, FLAG),
    "organizationLabels": check_list(check_object({}), 0),
}


def check_payment_run(payment_run: object, *, allow_all_accounts: bool = False) -> CheckedRun:
    """
    Check the body of ``POST /v1/payment-runs``.

    :param allow_all_accounts: False: one that would collect from all accounts is refused.
    :raises InvalidInput: with a line for each broken rule, ``$.path: rule``, sorted by path.
    """
    document, broken = read_document(payment_run, _RULES)
    if document or not broken:
        broken += _compare_fields(document)
        broken += () if allow_all_accounts else _find_collecting_all(document)
    json_types.raise_any("payment run", broken)
    return CheckedRun.of("payment run", PATH, document)


def is_scheduled(document: Mapping[str, Any]) -> bool:
    """Return whether Zuora is to make the run later."""
    return has(document, "runDate")


def _compare_fields(run: dict[str, Any]) -> Iterator[Violation]:
    if not (has(run, "targetDate") or has(run, "runDate")):
        yield (), "one of targetDate, runDate is required"
    if has(run, "accountId"):
        for name in _EXCLUDED:
            if has(run, name):
                yield (name,), "must not stand beside accountId"
    if has(run, "advancedFilter") and run.get("useCustomPaymentMethods") is not True:
        yield ("advancedFilter",), "needs useCustomPaymentMethods to be true"
    rows = run.get("data")
    for index, row in enumerate(rows if isinstance(rows, list) else ()):
        if isinstance(row, dict) and not (has(row, "accountId") or has(row, "accountNumber")):
            yield ("data", index), "one of accountId, accountNumber is required"


def _find_collecting_all(run: dict[str, Any]) -> Iterator[Violation]:
    """Yield why a run would collect from accounts that nobody has named."""
    if run.get("data") == []:
        yield ("data",), _EMPTY
    elif not has(run, "data") and not any(has(run, name) and str(run[name]) not in _ALL for name in _FILTERS):
        yield (), _NO_FILTER
