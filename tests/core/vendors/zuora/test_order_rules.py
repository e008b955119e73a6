"""What may be sent as an order, rule by rule, each at its limit."""

from __future__ import annotations

import contextlib
import copy
import json
import subprocess
import sys
from datetime import UTC, date, datetime
from decimal import Decimal
from enum import IntEnum, StrEnum
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from airflow_provider_zuora.core.errors import InvalidInput
from airflow_provider_zuora.core.json_types import to_json_types
from airflow_provider_zuora.core.vendors.zuora import order_rules as orders
from airflow_provider_zuora.core.vendors.zuora.order_rules import check_order, check_preview

ACTION = ("subscriptions", 0, "orderActions", 0)
CREATE = (*ACTION, "createSubscription")
ITEM = ("orderLineItems", 0)
ACTION_TYPES = (
    "CreateSubscription, TermsAndConditions, AddProduct, UpdateProduct, RemoveProduct, RenewSubscription, "
    "CancelSubscription, OwnerTransfer, Suspend, Resume, ChangePlan"
)
ACCOUNTS = "exactly one of existingAccountNumber, existingAccountId, newAccount is required, this has"
PREVIEWED = (
    "exactly one of existingAccountNumber, existingAccountId, previewAccountInfo is required, this has"
)
PLANE = (
    "no characters beyond Unicode's first 65536, emoji for example, which Zuora does not support, this has"
)
DAY = "must be a calendar date, written YYYY-MM-DD"

# The sample on Zuora's page "Create an order asynchronously".
SAMPLE: dict[str, Any] = {
    "existingAccountNumber": "A00000097",
    "orderDate": "2024-07-01",
    "subscriptions": [
        {
            "orderActions": [
                {
                    "type": "CreateSubscription",
                    "createSubscription": {
                        "terms": {
                            "initialTerm": {"period": 12, "periodType": "Month", "termType": "TERMED"},
                            "renewalSetting": "RENEW_WITH_SPECIFIC_TERM",
                            "renewalTerms": [{"period": 12, "periodType": "Month"}],
                        },
                        "subscribeToRatePlans": [{"productRatePlanId": "8ad081dd9096ef9501909b40bb4e74a4"}],
                    },
                },
            ],
        },
    ],
}
DATED = {
    **SAMPLE,
    "orderNumber": "WEB-2024-000187",
    "description": "Team plan, 25 seats",
    "subscriptions": [
        {
            "orderActions": [
                {
                    "type": "CreateSubscription",
                    "triggerDates": [
                        {"name": "ContractEffective", "triggerDate": "2024-07-01"},
                        {"name": "ServiceActivation", "triggerDate": "2024-07-01"},
                        {"name": "CustomerAcceptance", "triggerDate": "2024-07-01"},
                    ],
                    "createSubscription": {
                        "subscriptionNumber": "A-S-WEB-000187",
                        "terms": {
                            "initialTerm": {
                                "startDate": "2024-07-01",
                                "period": 12,
                                "periodType": "Month",
                                "termType": "TERMED",
                            },
                            "autoRenew": True,
                            "renewalSetting": "RENEW_WITH_SPECIFIC_TERM",
                            "renewalTerms": [{"period": 12, "periodType": "Month"}],
                        },
                        "subscribeToRatePlans": [
                            {
                                "productRatePlanId": "8ad081dd9096ef9501909b40bb4e74a4",
                                "chargeOverrides": [
                                    {
                                        "productRatePlanChargeId": "8ad081dd9096ef9501909b40bb4e74b1",
                                        "pricing": {"recurringPerUnit": {"quantity": 25, "listPrice": 19.99}},
                                    },
                                ],
                            },
                        ],
                    },
                },
            ],
        },
    ],
    "processingOptions": {
        "runBilling": True,
        "collectPayment": False,
        "billingOptions": {"targetDate": "2024-07-01"},
    },
}
NEW_ACCOUNT: dict[str, Any] = {
    "orderDate": "2024-07-01",
    "newAccount": {
        "name": "Amy Lawrence account",
        "currency": "USD",
        "billCycleDay": 0,
        "paymentTerm": "Net 30",
        "autoPay": False,
        "billToContact": {
            "firstName": "Bella",
            "lastName": "Lawrence",
            "address1": "1051 E Hillsdale Blvd",
            "city": "Foster City",
            "state": "CA",
            "country": "United States",
            "postalCode": "94404",
            "workEmail": "bella@example.com",
        },
        "soldToSameAsBillTo": True,
    },
    "subscriptions": [
        {
            "orderActions": [
                {
                    "type": "CreateSubscription",
                    "createSubscription": {
                        "terms": {"initialTerm": {"termType": "EVERGREEN", "startDate": "2024-07-01"}},
                        "subscribeToRatePlans": [{"productRatePlanId": "8ad081dd9096ef9501909b40bb4e74a4"}],
                    },
                },
            ],
        },
    ],
    "processingOptions": {"runBilling": False, "collectPayment": False},
}
LINE_ITEMS: dict[str, Any] = {
    "existingAccountNumber": "A00024529",
    "orderDate": "2025-07-26",
    "orderLineItems": [
        {
            "itemType": "Product",
            "productRatePlanChargeId": "e51b0c6265f9840d1a485899706d019d",
            "quantity": 5,
        },
        {
            "itemName": "Installation",
            "itemType": "Services",
            "quantity": 1,
            "amountPerUnit": 250,
            "currency": "USD",
            "billingRule": "TriggerWithoutFulfillment",
            "transactionStartDate": "2025-07-26",
            "transactionEndDate": "2025-07-26",
        },
    ],
}
# A production shape: a renewal carries no details.
RENEWAL: dict[str, Any] = {
    "orderDate": "2025-08-12",
    "existingAccountNumber": "A00000097",
    "subscriptions": [
        {"subscriptionNumber": "A-S00000129", "orderActions": [{"type": "RenewSubscription"}]},
    ],
}
PREVIEW = {
    **SAMPLE,
    "previewOptions": {"previewThruType": "TermEnd", "previewTypes": ["BillingDocs", "ChargeMetrics"]},
}


def put(document: dict[str, Any], *changes: tuple[tuple[str | int, ...], object]) -> dict[str, Any]:
    """Return a copy with values set at their paths; containers on the way are made, lists grow by one."""
    changed = copy.deepcopy(document)
    for path, value in changes:
        node: Any = changed
        for step, following in pairwise(path):
            empty: object = [] if isinstance(following, int) else {}
            if isinstance(step, int) and step == len(node):
                node.append(empty)
            node = node[step] if isinstance(step, int) else node.setdefault(step, empty)
        if isinstance(node, list) and path[-1] == len(node):
            node.append(value)
        else:
            node[path[-1]] = value
    return changed


def without(document: dict[str, Any], *names: str) -> dict[str, Any]:
    return {name: value for name, value in document.items() if name not in names}


def violations(check: Any, document: object) -> tuple[str, ...]:
    with pytest.raises(InvalidInput) as caught:
        check(document)
    lines = caught.value.violations
    assert str(caught.value).split("\n")[1:] == list(lines)
    return lines


def dollar(path: tuple[str | int, ...]) -> str:
    return "$" + "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in path)


@pytest.mark.parametrize("order", [SAMPLE, DATED, NEW_ACCOUNT, LINE_ITEMS, RENEWAL])
def test_documented_orders_pass_as_they_are(order):
    before = copy.deepcopy(order)
    assert check_order(order).document == before == order
    assert check_order(order) is not order


def test_the_schema_is_a_schema_and_serves_by_itself():
    Draft202012Validator.check_schema(orders.load_schema())
    assert Draft202012Validator(orders.load_schema()).is_valid(SAMPLE)
    assert not Draft202012Validator(orders.load_schema()).is_valid({})


@pytest.mark.parametrize("definition", ["order", "preview"])
def test_no_reference_is_looked_up_while_an_order_is_checked(definition):
    inlined = orders.make_validator(definition).schema
    assert "$ref" not in json.dumps(inlined)
    assert inlined["allOf"][0]["required"] == ["orderDate"]


def test_importing_the_module_imports_no_jsonschema():
    code = (
        "import sys, airflow_provider_zuora.core.vendors.zuora.order_rules; "
        "sys.exit('jsonschema' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


LENGTHS = [
    (("existingAccountNumber",), 70),
    (("description",), 500),
    (("orderNumber",), 100),
    (("reasonCode",), 255),
    (("subscriptions", 0, "subscriptionNumber"), 100),
    (("subscriptions", 0, "notes"), 1000),
    ((*ACTION, "changeReason"), 255),
    ((*CREATE, "subscriptionNumber"), 100),
    ((*CREATE, "subscriptionOwnerAccountNumber"), 70),
    ((*CREATE, "invoiceOwnerAccountNumber"), 70),
    ((*CREATE, "notes"), 1000),
    ((*ITEM, "itemName"), 255),
    ((*ITEM, "itemNumber"), 100),
    ((*ITEM, "productRatePlanChargeId"), 36),
    ((*ITEM, "currency"), 3),
    ((*ITEM, "ownerAccountNumber"), 70),
    ((*ITEM, "relatedSubscriptionNumber"), 100),
    ((*ITEM, "taxCode"), 100),
    (("processingOptions", "billingOptions", "creditMemoReasonCode"), 25),
    (("newAccount", "name"), 255),
    (("newAccount", "accountNumber"), 70),
    (("newAccount", "crmId"), 100),
    (("newAccount", "notes"), 65535),
    (("newAccount", "paymentGateway"), 40),
    (("newAccount", "invoiceTemplateId"), 32),
    (("newAccount", "sequenceSetId"), 32),
    *[
        (("newAccount", "billToContact", name), limit)
        for limit, names in {
            255: ("address1", "address2"),
            100: ("firstName", "lastName", "city", "state", "county"),
            80: ("workEmail", "personalEmail"),
            64: ("country",),
            40: ("fax", "homePhone", "mobilePhone", "otherPhone", "workPhone"),
            20: ("postalCode",),
        }.items()
        for name in names
    ],
]


@pytest.mark.parametrize(("path", "limit"), LENGTHS, ids=str)
def test_a_text_of_its_full_length_passes_and_one_more_does_not(path, limit):
    base = NEW_ACCOUNT if path[0] == "newAccount" else SAMPLE
    assert check_order(put(base, (path, "ß" * limit)))
    line = f"{dollar(path)}: at most {limit} characters, this has {limit + 1}"
    assert violations(check_order, put(base, (path, "x" * (limit + 1)))) == (line,)


DATES = [
    ("orderDate",),
    (*ACTION, "triggerDates", 0, "triggerDate"),
    (*CREATE, "terms", "initialTerm", "startDate"),
    (*CREATE, "terms", "initialTerm", "endDate"),
    (*ITEM, "transactionStartDate"),
    (*ITEM, "transactionEndDate"),
    ("processingOptions", "billingOptions", "targetDate"),
    ("processingOptions", "billingOptions", "documentDate"),
]


@pytest.mark.parametrize("path", DATES, ids=str)
@pytest.mark.parametrize("wrong", ["2024-7-1", "2024-07-01T00:00:00Z", "01.07.2024", ""])
def test_a_date_is_a_day_of_the_calendar(path, wrong):
    assert check_order(put(SAMPLE, (path, "2024-07-01")))
    assert violations(check_order, put(SAMPLE, (path, wrong))) == (f"{dollar(path)}: {DAY}",)


WORDS_OF_NUMBERS = "must not contain any of # ? /, nor be empty, . or .., by which it could not be looked up"
RULES = [
    # (order, path, a value that passes, a value that does not, the rule)
    (SAMPLE, ("orderDate",), "2024-02-29", "2023-02-29", DAY),
    (SAMPLE, ("orderDate",), "2024-07-01", "20240701", DAY),
    (SAMPLE, ("orderDate",), "2024-12-31", "2024-W27-1", DAY),
    (SAMPLE, ("orderDate",), "2024-01-01", "2024-01-01\n", DAY),
    (SAMPLE, ("orderDate",), "0001-01-01", "\u0662\u0660\u0662\u0664-\u0660\u0667-\u0660\u0661", DAY),
    (SAMPLE, ("orderDate",), date(2024, 7, 1), datetime(2024, 7, 1, tzinfo=UTC), DAY),
    (SAMPLE, ("orderDate",), "2024-07-01", None, "is required"),
    (SAMPLE, ("orderDate",), "2024-07-01", 20240701, "must be text, this is a whole number"),
    (SAMPLE, ("category",), "Return", "return", "must be one of NewSales, Return"),
    (SAMPLE, ("externallyManagedBy",), "Roku", "x", "must be one of Amazon, Apple, Google, Roku"),
    (SAMPLE, ("orderNumber",), "A-1 ü", "A/1", WORDS_OF_NUMBERS),
    (SAMPLE, ("orderNumber",), "A-1", "A?", WORDS_OF_NUMBERS),
    (SAMPLE, ("orderNumber",), "A\n", "A\n#", WORDS_OF_NUMBERS),
    (SAMPLE, ("orderNumber",), "...", "..", WORDS_OF_NUMBERS),
    (SAMPLE, ("orderNumber",), ".a", ".", WORDS_OF_NUMBERS),
    (SAMPLE, ("orderNumber",), None, "", WORDS_OF_NUMBERS),
    (SAMPLE, ("customFields",), {"any__c": 1}, [], "must be an object, this is a list"),
    (SAMPLE, ("subscriptions",), [], {}, "must be a list, this is an object"),
    (SAMPLE, ("subscriptions", 0), RENEWAL["subscriptions"][0], None, "must be an object, this is null"),
    (SAMPLE, ("subscriptions", 0), {"orderActions": []}, "x", "must be an object, this is text"),
    (SAMPLE, ("subscriptions", 0, "orderActions"), [], None, "is required"),
    (SAMPLE, ACTION, {"type": "Resume"}, True, "must be an object, this is true or false"),
    (SAMPLE, (*ACTION, "type"), "CreateSubscription", None, "is required"),
    (SAMPLE, (*ACTION, "type"), "CreateSubscription", "Create", f"must be one of {ACTION_TYPES}"),
    (SAMPLE, (*ACTION, "type"), "CreateSubscription", ["x"], f"must be one of {ACTION_TYPES}"),
    (SAMPLE, (*ACTION, "triggerDates"), None, 1.5, "must be a list, this is a decimal number"),
    (SAMPLE, (*ACTION, "triggerDates", 0, "triggerDate"), "2024-07-01", "1 July 2024", DAY),
    (
        SAMPLE,
        (*ACTION, "triggerDates", 0, "name"),
        "CustomerAcceptance",
        "Signed",
        "must be one of ContractEffective, ServiceActivation, CustomerAcceptance",
    ),
    (
        SAMPLE,
        (*CREATE, "terms", "renewalSetting"),
        "RENEW_TO_EVERGREEN",
        "RENEW",
        "must be one of RENEW_WITH_SPECIFIC_TERM, RENEW_TO_EVERGREEN",
    ),
    (
        SAMPLE,
        (*CREATE, "terms", "initialTerm", "termType"),
        "EVERGREEN",
        "X",
        "must be one of TERMED, EVERGREEN",
    ),
    (
        SAMPLE,
        (*CREATE, "terms", "renewalTerms", 0, "periodType"),
        "Week",
        "weeks",
        "must be one of Month, Year, Day, Week",
    ),
    (
        SAMPLE,
        (*CREATE, "terms", "initialTerm", "period"),
        1.0,
        1.5,
        "must be a whole number, this is a decimal number",
    ),
    (SAMPLE, (*CREATE, "terms", "autoRenew"), False, "true", "must be true or false, this is text"),
    (
        LINE_ITEMS,
        (*ITEM, "itemType"),
        "Prepayment",
        "product",
        "must be one of Product, Fee, Services, Prepayment",
    ),
    (
        LINE_ITEMS,
        (*ITEM, "itemState"),
        "Canceled",
        "Cancelled",
        "must be one of Executing, Booked, SentToBilling, Complete, Canceled",
    ),
    (LINE_ITEMS, (*ITEM, "itemCategory"), "Return", "NewSales", "must be one of Sales, Return"),
    (
        LINE_ITEMS,
        (*ITEM, "billingRule"),
        "TriggerAsFulfillmentOccurs",
        0,
        "must be one of TriggerWithoutFulfillment, TriggerAsFulfillmentOccurs",
    ),
    (LINE_ITEMS, (*ITEM, "quantity"), 0, -0.01, "must be at least 0"),
    (LINE_ITEMS, (*ITEM, "quantity"), Decimal("2.5"), "5", "must be a number, this is text"),
    (LINE_ITEMS, (*ITEM, "quantity"), 1, True, "must be a number, this is true or false"),
    (
        LINE_ITEMS,
        (*ITEM, "productRatePlanChargeId"),
        "x" * 32,
        "x" * 31,
        "at least 32 characters, this has 31",
    ),
    (LINE_ITEMS, (*ITEM, "currency"), "USD", "US", "at least 3 characters, this has 2"),
    (LINE_ITEMS, (*ITEM, "transactionStartDate"), "2025-07-26", "26.07.2025", DAY),
    (
        LINE_ITEMS,
        ("orderLineItems", 1, "transactionEndDate"),
        "2025-07-27",
        "2025-07-25",
        "must not be before transactionStartDate",
    ),
    (LINE_ITEMS, ("orderLineItems", 1, "transactionEndDate"), None, "2025-02-30", DAY),
    (
        SAMPLE,
        ("processingOptions", "applicationOrder"),
        None,
        ["CreditMemo"],
        "needs applyCredit to be true",
    ),
    (
        put(SAMPLE, (("processingOptions", "applyCredit"), True)),
        ("processingOptions", "applicationOrder", 0),
        "UnappliedPayment",
        "Cash",
        "must be one of CreditMemo, UnappliedPayment",
    ),
    (
        put(SAMPLE, (("processingOptions", "applicationOrder"), ["CreditMemo"])),
        ("processingOptions", "applyCredit"),
        True,
        "yes",
        "must be true or false, this is text",
    ),
    (
        put(SAMPLE, (("processingOptions", "runBilling"), False)),
        ("processingOptions", "collectPayment"),
        False,
        True,
        "must not be true while runBilling is false",
    ),
    (SAMPLE, ("processingOptions", "billingOptions", "targetDate"), "2024-07-01", "soon", DAY),
    (
        SAMPLE,
        ("processingOptions", "billingOptions", "chargeTypeToExclude", 0),
        "OneTime",
        "Once",
        "must be one of OneTime, Recurring, Usage, Others",
    ),
    (NEW_ACCOUNT, ("newAccount", "name"), "x", "", "at least 1 character, this has 0"),
    (NEW_ACCOUNT, ("newAccount", "name"), "x", None, "is required"),
    (NEW_ACCOUNT, ("newAccount", "billToContact"), {"firstName": "A", "lastName": "B"}, None, "is required"),
    (NEW_ACCOUNT, ("newAccount", "billToContact", "firstName"), "x", None, "is required"),
    (NEW_ACCOUNT, ("newAccount", "billToContact", "lastName"), "x", "", "at least 1 character, this has 0"),
    (
        NEW_ACCOUNT,
        ("newAccount", "soldToContact"),
        {"firstName": "A", "lastName": "B"},
        "x",
        "must be an object, this is text",
    ),
    (NEW_ACCOUNT, ("newAccount", "shipToContact"), None, [], "must be an object, this is a list"),
    (NEW_ACCOUNT, ("newAccount", "billToContact", "firstName"), "x", "", "at least 1 character, this has 0"),
    (NEW_ACCOUNT, ("newAccount", "billCycleDay"), 0, -1, "must be at least 0"),
    (NEW_ACCOUNT, ("newAccount", "billCycleDay"), 31, 32, "must be at most 31"),
    (
        NEW_ACCOUNT,
        ("newAccount", "billCycleDay"),
        Decimal("5.0"),
        "5th",
        "must be a whole number, this is text",
    ),
    (NEW_ACCOUNT, ("newAccount", "billCycleDay"), 1, None, "is required"),
    (NEW_ACCOUNT, ("newAccount", "currency"), "EUR", "eur", "must be 3 capital letters, such as USD"),
    (NEW_ACCOUNT, ("newAccount", "currency"), "EUR", "EUR\n", "must be 3 capital letters, such as USD"),
    (NEW_ACCOUNT, ("newAccount", "currency"), "EUR", "EURO", "must be 3 capital letters, such as USD"),
    (NEW_ACCOUNT, ("newAccount", "currency"), "EUR", None, "is required"),
    (SAMPLE, ("description",), "\uffff €", "\U00010000 and \U0001f600", f"{PLANE} 2"),
    (SAMPLE, ("unknown",), [["€"]], "\U0001f600", f"{PLANE} 1"),
    (SAMPLE, ("unknown",), 2**63 - 1, 2**63, "whole numbers must fit 64 bits"),
    (SAMPLE, ("unknown",), 1e300, float("nan"), "numbers must be finite, not NaN or infinity"),
    (SAMPLE, ("orderDate",), "2024-07-01", float("inf"), "numbers must be finite, not NaN or infinity"),
]


@pytest.mark.parametrize(("order", "path", "passes", "fails", "rule"), RULES)
def test_a_rule_holds_at_its_limit(order, path, passes, fails, rule):
    assert check_order(put(order, (path, passes)))
    assert violations(check_order, put(order, (path, fails))) == (f"{dollar(path)}: {rule}",)


@pytest.mark.parametrize(
    ("kind", "name", "required"),
    [
        ("CancelSubscription", "cancelSubscription", "cancellationPolicy"),
        ("Suspend", "suspend", "suspendPolicy"),
        ("Resume", "resume", "resumePolicy"),
        ("ChangePlan", "changePlan", "newProductRatePlan"),
    ],
)
def test_the_details_of_an_action_have_required_fields(kind, name, required):
    value = {} if kind == "ChangePlan" else "SpecificDate"
    assert check_order(put(SAMPLE, (ACTION, {"type": kind, name: {required: value}})))
    line = f"{dollar(ACTION)}.{name}.{required}: is required"
    assert violations(check_order, put(SAMPLE, (ACTION, {"type": kind, name: {}}))) == (line,)


@pytest.mark.parametrize(
    ("kind", "details", "field", "rule"),
    [
        (
            "CancelSubscription",
            {"cancellationPolicy": "Now"},
            "cancellationPolicy",
            "must be one of EndOfCurrentTerm, EndOfLastInvoicePeriod, SpecificDate",
        ),
        (
            "CancelSubscription",
            {"cancellationPolicy": "SpecificDate", "cancellationEffectiveDate": "now"},
            "cancellationEffectiveDate",
            DAY,
        ),
        ("Suspend", {"suspendPolicy": "Today", "suspendSpecificDate": "now"}, "suspendSpecificDate", DAY),
        ("Resume", {"resumePolicy": "Today", "resumeSpecificDate": "now"}, "resumeSpecificDate", DAY),
    ],
)
def test_the_details_of_an_action_are_checked(kind, details, field, rule):
    name = kind[0].lower() + kind[1:]
    lines = violations(check_order, put(SAMPLE, (ACTION, {"type": kind, name: details})))
    assert lines == (f"{dollar(ACTION)}.{name}.{field}: {rule}",)


@pytest.mark.parametrize("kind", ACTION_TYPES.split(", "))
def test_an_action_has_the_details_of_its_type_or_none(kind):
    own = kind[0].lower() + kind[1:]
    required = {
        "cancellationPolicy": "SpecificDate",
        "suspendPolicy": "x",
        "resumePolicy": "x",
        "newProductRatePlan": {},
    }
    assert check_order(put(SAMPLE, (ACTION, {"type": kind, own: required})))
    assert check_order(put(SAMPLE, (ACTION, {"type": kind, "changeReason": None, "addProduct": None})))
    other = "Resume" if kind == "Suspend" else "Suspend"
    lines = violations(check_order, put(SAMPLE, (ACTION, {"type": other, own: required})))
    assert lines == (f"{dollar(ACTION)}.{own}: belongs to an action of type {kind}, this one is {other}",)


@pytest.mark.parametrize("size", [300, 301, 1000])
def test_how_much_an_order_holds_is_judged_by_the_connections_limits_and_not_here(size):
    action = {"type": "RenewSubscription"}
    assert check_order({**RENEWAL, "subscriptions": [{"orderActions": [action] * size}]})
    assert check_order(
        {**SAMPLE, "subscriptions": [{"orderActions": []}] * size, "orderLineItems": [{}] * size}
    )


INTEGERS = [
    ("newAccount.billCycleDay", lambda text: put(NEW_ACCOUNT, (("newAccount", "billCycleDay"), text))),
    (
        "subscriptions[0].orderActions[0].createSubscription.terms.initialTerm.period",
        lambda text: put(SAMPLE, ((*CREATE, "terms", "initialTerm", "period"), text)),
    ),
]


@pytest.mark.parametrize(("path", "with_text"), INTEGERS)
@pytest.mark.parametrize("text", ["0", "1", "12"])
def test_digits_in_a_text_are_a_whole_number_as_zuoras_tutorial_sends_them_and_stay_a_text(
    path, with_text, text
):
    assert check_order(with_text(text)).document == with_text(text)


@pytest.mark.parametrize(("path", "with_text"), INTEGERS)
@pytest.mark.parametrize("text", ["", "1.0", "one", " 1", "+1", "1_0", "\u0661", "1e1", "9" * 19])
def test_any_other_text_is_no_whole_number(path, with_text, text):
    assert violations(check_order, with_text(text)) == (f"$.{path}: must be a whole number, this is text",)


def test_a_text_of_digits_has_the_bounds_of_its_number():
    order = put(NEW_ACCOUNT, (("newAccount", "billCycleDay"), "32"))
    assert violations(check_order, order) == ("$.newAccount.billCycleDay: must be at most 31",)
    order = put(LINE_ITEMS, ((*ITEM, "quantity"), "1"))
    assert violations(check_order, order)[0].endswith("quantity: must be a number, this is text")


def test_renewal_terms_may_be_an_object_as_in_zuoras_own_sample():
    terms = {"period": 12, "periodType": "Month"}
    for each in (terms, [terms]):
        assert check_order(put(SAMPLE, ((*CREATE, "terms", "renewalTerms"), each)))
    (line,) = violations(check_order, put(SAMPLE, ((*CREATE, "terms", "renewalTerms"), "12")))
    assert line.endswith("renewalTerms: must be a list or an object, this is text")


def test_a_field_that_zuora_added_lately_passes():
    assert check_order(put(SAMPLE, (("processingOptions", "allowPaymentFailure"), True)))


@pytest.mark.parametrize(
    ("accounts", "found"),
    [
        ({}, "none"),
        ({"existingAccountNumber": None}, "none"),
        (
            {"existingAccountNumber": "A", "existingAccountId": "B"},
            "existingAccountNumber and existingAccountId",
        ),
        (
            {"existingAccountId": "B", "newAccount": NEW_ACCOUNT["newAccount"]},
            "existingAccountId and newAccount",
        ),
    ],
)
def test_an_order_has_exactly_one_account_and_one_line_says_so(accounts, found):
    order = without(SAMPLE, "existingAccountNumber") | accounts
    assert violations(check_order, order) == (f"$: {ACCOUNTS} {found}",)


def test_an_account_may_be_an_id_and_null_counts_as_absent():
    order = SAMPLE | {"existingAccountNumber": None, "existingAccountId": "8ad0", "newAccount": None}
    assert check_order(order).document == order


def test_a_new_account_pays_by_one_method():
    account = {**NEW_ACCOUNT["newAccount"], "creditCard": {"cardNumber": "4111111111111111"}}
    assert check_order({**NEW_ACCOUNT, "newAccount": account | {"hpmCreditCardPaymentMethodId": None}})
    both = {**NEW_ACCOUNT, "newAccount": account | {"hpmCreditCardPaymentMethodId": "4028"}}
    line = "$.newAccount: either creditCard or hpmCreditCardPaymentMethodId, not both"
    assert violations(check_order, both) == (line,)


def test_item_numbers_stand_on_all_line_items_or_on_none():
    first, second = ("orderLineItems", 0, "itemNumber"), ("orderLineItems", 1, "itemNumber")
    assert check_order(put(LINE_ITEMS, (first, "1"), (second, "2")))
    line = "$.orderLineItems: itemNumber on all items or on none, 1 of 2 have one"
    assert violations(check_order, put(LINE_ITEMS, (second, "2"))) == (line,)


def test_billing_may_collect_unless_it_is_off():
    assert check_order(put(SAMPLE, (("processingOptions",), {"collectPayment": True})))
    assert check_order(put(SAMPLE, (("processingOptions",), {"collectPayment": True, "runBilling": True})))


def test_unknown_fields_and_those_of_the_synchronous_call_pass():
    order = {**SAMPLE, "status": "Draft", "schedulingOptions": {}, "newIn2030": [None, {"a b": 1}]}
    assert check_order(order).document == order


def test_a_field_name_outside_the_first_plane_is_found_and_spelt_in_ascii():
    lines = violations(check_order, put(SAMPLE, (("unknown", 0, "a\U0001f600"), "x")))
    assert len(lines) == 1
    assert lines[0].startswith(r'$.unknown[0]["a\ud83d\ude00"]: a field name must have no characters beyond')


@pytest.mark.parametrize("order", [None, [], "x", 1, 1.5, True])
def test_an_order_that_is_no_object_is_one_line(order):
    (line,) = violations(check_order, order)
    assert line.startswith("$: must be an object, this is ")


def test_ten_violations_are_one_error_with_ten_lines_and_no_value():
    secret = "4111111111111111"
    order = {
        "orderDate": secret,
        "orderNumber": f"{secret}#" + "x" * 100,
        "existingAccountNumber": secret * 5,
        "existingAccountId": int(secret),
        "description": f"{secret}\U0001f600",
        "subscriptions": [{"orderActions": [{"type": secret}, {"changeReason": "x"}]}],
        "processingOptions": {"runBilling": secret},
    }
    with pytest.raises(InvalidInput) as caught:
        check_order(order)
    assert str(caught.value).split("\n") == [
        "Invalid order body: 10 rules are broken, nothing was sent.",
        f"$: {ACCOUNTS} existingAccountNumber and existingAccountId",
        f"$.description: {PLANE} 1",
        "$.existingAccountId: must be text, this is a whole number",
        "$.existingAccountNumber: at most 70 characters, this has 80",
        f"$.orderDate: {DAY}",
        "$.orderNumber: at most 100 characters, this has 117",
        f"$.orderNumber: {WORDS_OF_NUMBERS}",
        "$.processingOptions.runBilling: must be true or false, this is text",
        f"$.subscriptions[0].orderActions[0].type: must be one of {ACTION_TYPES}",
        "$.subscriptions[0].orderActions[1].type: is required",
    ]
    assert not caught.value.transient


PREVIEW_RULES = [
    (("previewOptions",), {}, None, "is required"),
    (
        ("previewOptions", "previewThruType"),
        "SpecificDate",
        "Date",
        "must be one of SpecificDate, TermEnd, NumberOfPeriods",
    ),
    (("previewOptions", "specificPreviewThruDate"), "2024-07-01", "2024-7-1", DAY),
    (("previewOptions", "documentDate"), "2024-07-01", "20240701", DAY),
    (("previewOptions", "previewNumberOfPeriods"), 1, 0, "must be at least 1"),
    (
        ("previewOptions", "previewTypes", 0),
        "Funds",
        "All",
        "must be one of ChargeMetrics, BillingDocs, OrderDeltaMetrics, OrderMetrics, RampMetrics, Funds",
    ),
    (
        ("previewOptions", "chargeTypeToExclude", 0),
        "Others",
        "Other",
        "must be one of OneTime, Recurring, Usage, Others",
    ),
    (("previewOptions", "skipTax"), True, "yes", "must be true or false, this is text"),
    (("orderDate",), "2024-07-01", None, "is required"),
    (("newAccount",), None, {}, "is no part of a preview; describe the account in previewAccountInfo"),
    (("processingOptions",), None, {}, "is no part of a preview; leave it out"),
    (("externallyManagedBy",), None, "Roku", "is no part of a preview; leave it out"),
    (("subscriptions", 0), {"orderActions": []}, 1, "must be an object, this is a whole number"),
]


@pytest.mark.parametrize(("path", "passes", "fails", "rule"), PREVIEW_RULES)
def test_a_rule_of_a_preview_holds_at_its_limit(path, passes, fails, rule):
    assert check_preview(put(PREVIEW, (path, passes)))
    assert violations(check_preview, put(PREVIEW, (path, fails))) == (f"{dollar(path)}: {rule}",)


def test_a_preview_is_of_an_existing_account_or_of_one_described():
    info = {"billCycleDay": 31, "currency": "USD"}
    described = without(PREVIEW, "existingAccountNumber") | {"previewAccountInfo": info}
    assert check_preview(PREVIEW).document == PREVIEW
    assert check_preview(described).document == described
    assert violations(check_preview, {**described, "previewAccountInfo": {}}) == (
        "$.previewAccountInfo.billCycleDay: is required",
        "$.previewAccountInfo.currency: is required",
    )
    assert violations(
        check_preview, {**described, "previewAccountInfo": {"billCycleDay": 32, "currency": "usd"}}
    ) == (
        "$.previewAccountInfo.billCycleDay: must be at most 31",
        "$.previewAccountInfo.currency: must be 3 capital letters, such as USD",
    )
    assert violations(check_preview, without(PREVIEW, "existingAccountNumber")) == (f"$: {PREVIEWED} none",)
    both = {**PREVIEW, "previewAccountInfo": info}
    found = "existingAccountNumber and previewAccountInfo"
    assert violations(check_preview, both) == (f"$: {PREVIEWED} {found}",)


def test_a_preview_says_what_was_checked():
    with pytest.raises(InvalidInput, match=r"^Invalid preview body: 1 rule is broken, nothing was sent\.\n"):
        check_preview(SAMPLE)


@pytest.mark.parametrize("check", [to_json_types, check_order, check_preview])
def test_absurd_depth_is_refused(check):
    deep: list[Any] = []
    for _ in range(100_000):
        deep = [deep]
    assert violations(check, {**PREVIEW, "unknown": deep})[-1].endswith("[0]: at most 64 levels of nesting")
    while deep:  # Python frees a list of such depth recursively
        deep = deep.pop()


JSON_VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(st.characters())
    | st.dates()
    | st.decimals(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(st.characters()) | st.integers(), inner),
    max_leaves=10,
)
FULL = {
    **put(LINE_ITEMS, (("processingOptions",), {"collectPayment": True, "billingOptions": {}})),
    "newAccount": NEW_ACCOUNT["newAccount"],
    "previewOptions": {"previewTypes": []},
    "subscriptions": DATED["subscriptions"],
}


def paths(document: Any, path: tuple[str | int, ...] = ()) -> list[tuple[str | int, ...]]:
    steps = (
        document.items()
        if isinstance(document, dict)
        else enumerate(document)
        if isinstance(document, list)
        else ()
    )
    return [found for step, member in steps for found in [(*path, step), *paths(member, (*path, step))]]


ORDERS = st.builds(lambda path, value: put(FULL, (path, value)), st.sampled_from(paths(FULL)), JSON_VALUES)


@given(JSON_VALUES | ORDERS, st.sampled_from([to_json_types, check_order, check_preview]))
def test_any_value_is_refused_or_can_be_sent(value, check):
    """Whatever stands wherever, nothing but `InvalidInput` is raised, and what passes is UTF-8 JSON."""
    with contextlib.suppress(InvalidInput):
        result = check(value)
        assert json.loads(json.dumps(result, allow_nan=False, ensure_ascii=False).encode()) == result


@given(st.sampled_from(paths(FULL)), st.sampled_from([{"x": "{}"}, "{}", ["{}"], "{}\U0001f600", "{}" * 999]))
def test_no_message_tells_a_value(path, shape):
    marker = "4929-SECRET"
    filled = json.loads(json.dumps(shape).replace("{}", marker))
    with pytest.raises(InvalidInput) as caught:
        check_order(put(FULL, (path, filled)))
    assert marker not in str(caught.value)


@pytest.mark.parametrize("text", ["2024-07-01", "2024-02-29", "0001-01-01", "9999-12-31"])
def test_a_day_is_written_with_four_digits_and_two_and_two(text):
    assert check_order(put(SAMPLE, (("orderDate",), text)))


@pytest.mark.parametrize(
    "text",
    [
        "",
        "2024-7-1",
        "20240701",
        "2024-W27-1",
        "2023-02-29",
        "0000-01-01",
        "2024-07-01T00:00:00",
        "2024-07-01\n",
        " 2024-07-01",
        "٢٠٢٤-07-01",
        "2024-07-01/P1D",
        "now",
        "9" * 2000,
    ],
)
def test_what_is_no_day_or_is_written_otherwise_is_none(text):
    with pytest.raises(InvalidInput) as caught:
        check_order(put(SAMPLE, (("orderDate",), text)))
    assert caught.value.violations == (f"$.orderDate: {DAY}",)


# Most orders are in plain JSON types already; these are read by JSON's own reader and writer.


class Word(StrEnum):
    A = "a"


class Number(IntEnum):
    ONE = 1


def nest(levels, inner=None):
    """Return a document of so many levels, of lists and objects in turn."""
    for level in range(levels):
        inner = [inner] if level % 2 else {"a": inner}
    return inner


VALUES = (
    st.none()
    | st.booleans()
    | st.integers(-(2**65), 2**65)
    | st.floats()
    | st.text(max_size=5)
    | st.text(st.characters(min_codepoint=0xD7FE, max_codepoint=0xE001), max_size=2)
    | st.sampled_from([Word.A, Number.ONE, Decimal("1.5"), Decimal("1E+30"), date(2024, 7, 1), b"a", (1, 2)])
)
KEYS = st.text(max_size=3) | st.sampled_from([Word.A, 1, True, None, "\ud800"])
FOREIGN = st.recursive(
    VALUES,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(KEYS, inner, max_size=4),
    max_leaves=15,
)


def assert_read_alike(document):
    """Check that what is read at once is what `to_json_types` makes of it, to the last type."""
    read = orders.read_plain(document)
    if read is not None:
        plain, text, refused = read
        assert repr(plain) == repr(to_json_types(document))
        assert text == json.dumps(plain, ensure_ascii=False)
        assert refused == []
    return read is not None


@given(FOREIGN)
def test_what_is_read_at_once_is_what_the_reader_makes_of_it(document):
    assert_read_alike(document)


@pytest.mark.parametrize(
    ("document", "is_plain"),
    [
        (SAMPLE, True),
        ({"a": Word.A, "b": Number.ONE, Word.A: None}, True),
        (nest(64), True),
        (nest(65), False),
        ({f"{n}": nest(63) for n in range(3)}, True),
        ({f"{n}": nest(64) for n in range(3)}, False),
        (["]" * 70, nest(64)], False),
        ({"a": 2**63 - 1}, False),  # it has as many digits as one that does not fit: the reader tells
        ({"a": 2**63}, False),
        ({"a": float("nan")}, False),
        ({"a": float("inf")}, False),
        ({"a": "\ud800"}, False),
        ({"\udfff": 1}, False),
        ({"a": (1, 2)}, False),
        ({1: 2}, False),
        ({True: 2}, False),
        ({"a": Decimal("1.5")}, False),
        ({"a": date(2024, 7, 1)}, False),
        ({"a": {1, 2}}, False),
    ],
    ids=lambda value: str(value)[:30],
)
def test_which_documents_are_read_at_once(document, is_plain):
    assert assert_read_alike(document) is is_plain


def test_a_document_that_holds_itself_or_is_far_too_deep_is_for_the_reader():
    document = {}
    document["a"] = document

    assert orders.read_plain(document) is None
    assert orders.read_plain(nest(5000)) is None


def test_secrets_are_searched_for_only_where_their_names_stand():
    account = NEW_ACCOUNT["newAccount"] | {"creditCard": {"cardNumber": "4111111111111111"}}

    assert check_order(put(NEW_ACCOUNT, (("newAccount",), account))).secrets == ("4111111111111111",)
    assert check_order(SAMPLE).secrets == ()


def test_an_order_is_special_if_it_holds_secrets_or_many_items():
    many = {**LINE_ITEMS, "orderLineItems": LINE_ITEMS["orderLineItems"] * 101}

    assert not check_order(SAMPLE).is_special
    assert check_order(many).is_special
