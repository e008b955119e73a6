"""The body of a bill run: what is refused before it is sent, in which words, and what passes."""

from __future__ import annotations

import datetime as dt
import json

import pytest

from airflow_provider_zuora.core.errors import InvalidInput
from airflow_provider_zuora.core.vendors.zuora.bill_run_rules import check_bill_run, is_scheduled

RUN = {"targetDate": "2024-07-31", "batches": ["Batch1"]}
FILTERED = {"targetDate": "2024-07-31", "billRunFilters": [{"filterType": "Account", "accountId": "8ad0"}]}
FILTER_TYPES = "Account, Subscription, InvoiceSchedule, BillRunErrors, FilterCondition"
SCHEDULE = {"repeatFrom": "2024-08-01", "repeatType": "Monthly", "runTime": 3}
SCHEDULED = {"batches": ["AllBatches"], "schedule": SCHEDULE}


def violations(run):
    with pytest.raises(InvalidInput) as caught:
        check_bill_run(run)
    assert "Invalid bill run: " in str(caught.value)
    assert "nothing was sent" in str(caught.value)
    return list(caught.value.violations)


@pytest.mark.parametrize(
    "run",
    [
        RUN,
        FILTERED,
        SCHEDULED,
        RUN | {"schedule": None, "billRunFilters": None},
        RUN | {"unknownField": {"a": 1}, "name": "Month end"},
        RUN | {"billCycleDay": "31", "billRunType": "CatchUp", "chargeTypeToExclude": ["OneTime", "Usage"]},
        RUN | {"billCycleDay": 1, "autoPost": True, "invoiceDate": "2024-08-01"},
        SCHEDULED | {"billCycleDay": "AsRunDay", "targetDateMonthOffset": 1},
        RUN | {"organizationLabels": [{"organizationName": "EU"}]},
        FILTERED | {"billRunFilters": [{"filterType": "FilterCondition", "condition": {"field": "x"}}]},
    ],
)
def test_what_zuora_documents_passes(run):
    checked = check_bill_run(run)
    assert checked.document == run
    assert json.loads(checked.request.body) == run
    assert (checked.kind, checked.number, checked.secrets, checked.mark) == ("bill run", None, (), None)
    assert str(checked.request) == "POST /v1/bill-runs"


def test_dates_are_written_as_zuora_reads_them_and_the_input_stays_as_it_is():
    run = RUN | {"targetDate": dt.date(2024, 7, 31)}
    assert check_bill_run(run).document == RUN
    assert run["targetDate"] == dt.date(2024, 7, 31)


@pytest.mark.parametrize(
    ("change", "rule"),
    [
        ({"targetDate": None}, "$.targetDate: is required, unless there is a schedule"),
        ({"targetDate": "2024-02-30"}, "$.targetDate: must be a calendar date, written YYYY-MM-DD"),
        ({"targetDate": "20240731"}, "$.targetDate: must be a calendar date, written YYYY-MM-DD"),
        ({"targetDate": "Batch1"}, "$.targetDate: must be a calendar date, written YYYY-MM-DD"),
        ({"invoiceDate": 5}, "$.invoiceDate: must be a calendar date, written YYYY-MM-DD"),
        ({"batches": None}, "$: exactly one of batches, billRunFilters is required, this has none"),
        (
            {"billRunFilters": [{"filterType": "Account"}]},
            "$: exactly one of batches, billRunFilters is required, this has batches and billRunFilters",
        ),
        ({"batches": []}, "$.batches: must have 1 to 300 members, this has 0"),
        ({"batches": ["b"] * 301}, "$.batches: must have 1 to 300 members, this has 301"),
        ({"batches": "Batch1"}, "$.batches: must be a list"),
        ({"batches": [" "]}, "$.batches[0]: must be AllBatches or Batch1, Batch2 and so on"),
        ({"name": 5}, "$.name: must be text, in one line and not blank"),
        ({"billCycleDay": "32"}, "$.billCycleDay: must be 1 to 31, AllBillCycleDays, AsRunDay"),
        ({"billCycleDay": True}, "$.billCycleDay: must be 1 to 31, AllBillCycleDays, AsRunDay"),
        (
            {"billCycleDay": "AsRunDay"},
            "$.billCycleDay: AsRunDay belongs to a schedule, and this run has none",
        ),
        ({"billRunType": "regular"}, "$.billRunType: must be one of Regular, CatchUp"),
        (
            {"chargeTypeToExclude": ["Tax"]},
            "$.chargeTypeToExclude[0]: must be one of OneTime, Recurring, Usage",
        ),
        (
            {"chargeTypeToExclude": ["OneTime", "Recurring", "Usage"]},
            "$.chargeTypeToExclude: must have 0 to 2 members, this has 3",
        ),
        ({"autoPost": "true"}, "$.autoPost: must be true or false"),
        (
            {"targetDateMonthOffset": 0},
            "$.targetDateMonthOffset: belongs to a monthly schedule, and this run has none",
        ),
        ({"organizationLabels": ["EU"]}, "$.organizationLabels[0]: must be an object"),
        ({"x": float("nan")}, "$.x: numbers must be finite, not NaN or infinity"),
        (
            {"targetDate": object()},
            "$.targetDate: must be a JSON value, a date or a Decimal, not of type object",
        ),
        ({"schedule": object()}, "$.schedule: must be a JSON value, a date or a Decimal, not of type object"),
    ],
)
def test_a_broken_rule_is_one_line(change, rule):
    assert rule in violations(RUN | change)


@pytest.mark.parametrize(
    ("change", "rule"),
    [
        ({"filterType": None}, "$.billRunFilters[0].filterType: is required"),
        (
            {"filterType": "account"},
            f"$.billRunFilters[0].filterType: must be one of {FILTER_TYPES}",
        ),
        (
            {"objectType": "Invoice"},
            "$.billRunFilters[0].objectType: must be one of Account, Subscription, RatePlanCharge",
        ),
        ({"accountId": ""}, "$.billRunFilters[0].accountId: must be text, in one line and not blank"),
        ({"accountId": None}, "$.billRunFilters[0].accountId: is required by the filter type Account"),
        ({"condition": []}, "$.billRunFilters[0].condition: must be an object"),
    ],
)
def test_the_rules_of_a_filter(change, rule):
    run = FILTERED | {"billRunFilters": [FILTERED["billRunFilters"][0] | change]}
    assert rule in violations(run)


def test_how_many_filters_there_may_be():
    account = {"filterType": "Account", "accountId": "8ad0"}
    subscription = {"filterType": "Subscription", "subscriptionId": "8ad0"}
    found = violations(FILTERED | {"billRunFilters": [account, account]})
    assert found == ["$.billRunFilters: at most 1 of the type Account, this has 2"]
    found = violations(FILTERED | {"billRunFilters": [subscription] * 51})
    assert found == ["$.billRunFilters: at most 50 of the type Subscription, this has 51"]
    assert violations(FILTERED | {"billRunFilters": []}) == [
        "$.billRunFilters: must have at least 1 members, this has 0"
    ]
    assert "$.billRunFilters[0]: must be an object" in violations(FILTERED | {"billRunFilters": [5]})
    assert violations(FILTERED | {"billCycleDay": "5"}) == [
        "$.billCycleDay: belongs to batches, and this run has filters"
    ]


@pytest.mark.parametrize(
    ("change", "rule"),
    [
        ({"repeatFrom": None}, "$.schedule.repeatFrom: is required"),
        ({"repeatTo": "soon"}, "$.schedule.repeatTo: must be a calendar date, written YYYY-MM-DD"),
        ({"repeatType": "Yearly"}, "$.schedule.repeatType: must be one of None, Daily, Weekly, Monthly"),
        ({"runTime": 24}, "$.schedule.runTime: must be a whole number from 0 to 23"),
        ({"runTime": True}, "$.schedule.runTime: must be a whole number from 0 to 23"),
        ({"weeklyOnDay": "Monday"}, "$.schedule.weeklyOnDay: must be a list"),
        ({"monthlyOnEndOfMonth": 1}, "$.schedule.monthlyOnEndOfMonth: must be true or false"),
    ],
)
def test_the_rules_of_a_schedule(change, rule):
    assert rule in violations(SCHEDULED | {"schedule": SCHEDULE | change})


def test_offsets_belong_to_a_monthly_schedule():
    run = SCHEDULED | {"schedule": SCHEDULE | {"repeatType": "Daily"}, "invoiceDateDayOfMonth": 31}
    assert violations(run) == [
        "$.invoiceDateDayOfMonth: belongs to a monthly schedule, and this run has none"
    ]
    assert violations(SCHEDULED | {"schedule": "daily"}) == ["$.schedule: must be an object"]


@pytest.mark.parametrize("run", [None, [RUN], "run", 5])
def test_what_is_no_object_is_one_line(run):
    assert violations(run) == ["$: must be an object"]


def test_what_is_no_object_for_two_reasons_says_the_first():
    assert violations(object()) == ["$: must be a JSON value, a date or a Decimal, not of type object"]


def test_no_message_quotes_what_it_found():
    assert "s3cret" not in "".join(violations(RUN | {"targetDate": "s3cret", "billRunType": "s3cret"}))


def test_which_runs_are_scheduled():
    assert is_scheduled(SCHEDULED)
    assert not is_scheduled(RUN | {"schedule": None})
