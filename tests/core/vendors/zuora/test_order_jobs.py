"""An order that was found by its number replaces its job."""

from __future__ import annotations

import pytest

from airflow_provider_zuora.core.errors import JobFailed, NotFound, ResponseInfo, Unreadable
from airflow_provider_zuora.core.job import Job, JobState
from airflow_provider_zuora.core.submission.idempotency_keys import TaskAttempt
from airflow_provider_zuora.core.vendors.zuora.order_jobs import read_order_facts
from airflow_provider_zuora.core.vendors.zuora.order_page import (
    build_account_request,
    describe_changes,
    describe_difference,
)
from airflow_provider_zuora.core.vendors.zuora.vendor import Zuora as Plug
from tests.core.runners import Script, answer
from tests.core.tries import NUMBERED, Zuora, submit


def test_an_order_reads_as_a_job_that_has_completed():
    zuora = Zuora()
    submit(zuora, None, TaskAttempt(), NUMBERED).run()
    job = zuora.run(zuora.client().get_job("order:O-1"))

    assert (job.state, job.status) == (JobState.SUCCEEDED, "Completed")
    assert job.result == {
        "orderNumber": "O-1",
        "accountNumber": "A00000097",
        "status": "Completed",
        "subscriptions": [],
        "success": True,
    }


def test_an_order_that_is_not_there_is_an_error():
    zuora = Zuora()
    with pytest.raises(NotFound):
        zuora.run(zuora.client().get_job("order:O-1"))


@pytest.mark.parametrize(
    ("status", "state"),
    [
        ("Completed", JobState.SUCCEEDED),
        ("Pending", JobState.SUCCEEDED),
        ("Executing", JobState.ACTIVE),
        ("Scheduled", JobState.ACTIVE),
        ("Draft", JobState.FAILED),
        ("Failed", JobState.FAILED),
        ("Cancelled", JobState.FAILED),
        ("Canceled", JobState.FAILED),
        ("Reverted", JobState.FAILED),
        ("Queued", JobState.ACTIVE),
        (None, JobState.ACTIVE),
        (5, JobState.ACTIVE),
    ],
)
def test_an_order_that_will_never_be_completed_is_no_success_and_one_under_way_is_waited_for(status, state):
    page = {"success": True, "order": {"orderNumber": "O-1", "status": status}}
    job = Plug().find_kind("order:O-1").read_job("order:O-1", page, ResponseInfo("GET /v1/orders/O-1"))

    assert (job.state, job.status) == (state, "without a status" if status is None else str(status))
    assert job.result["success"] is (state is not JobState.FAILED)


def test_a_pending_order_is_a_success_with_a_warning_unless_it_has_to_be_completed():
    page = {"success": True, "order": {"orderNumber": "O-1", "status": "Pending"}}
    job = Plug().find_kind("order:O-1").read_job("order:O-1", page, ResponseInfo("GET /v1/orders/O-1"))

    assert "its order O-1 is Pending, not Completed: it may wait" in Plug().read_result(job, {}).warning
    with pytest.raises(JobFailed, match="Pending, not Completed"):
        _ = Plug().read_result(job, {"require_order_completed": True}).result


@pytest.mark.parametrize(("asked", "number"), [("O-1", " o-1 "), ("O-1", "O-1"), ("17", 17)])
def test_a_page_holds_the_order_that_was_asked_for_however_its_number_is_spelt(asked, number):
    page = {"order": {"orderNumber": number, "status": "Completed"}}
    assert (
        Plug().find_kind(f"order:{asked}").read_job(f"order:{asked}", page, ResponseInfo("GET /x")).state
        is JobState.SUCCEEDED
    )


@pytest.mark.parametrize(
    "number", ["O-9", "O-11", 1, ["O-1"], [0] * 10**6, "O-1" + " " * 200 + "x"], ids=[*"abcdef"]
)
def test_a_page_of_another_order_is_none_and_is_asked_for_again(number):
    page = {"success": True, "order": {"orderNumber": number, "status": "Completed"}}
    with pytest.raises(Unreadable, match="The answer about order:O-1 holds order ") as caught:
        Plug().find_kind("order:O-1").read_job("order:O-1", page, ResponseInfo("GET /v1/orders/O-1"))
    assert caught.value.transient
    assert len(str(caught.value)) < 300


def test_the_number_of_a_found_orders_account_is_no_endless_path():
    order = {"order": {"existingAccountNumber": "ü" * 10_000}}
    assert build_account_request({}, order).path == "/v1/accounts/" + "%C3%BC" * 255


@pytest.mark.parametrize(
    "body", [{"success": True}, {"success": True, "order": {}}, {"success": True, "order": 1}]
)
def test_an_answer_without_an_order_is_none(body):
    script = Script([answer(200, body)])
    with pytest.raises(Unreadable, match="holds no order") as caught:
        script.run(script.client().get_job("order:O-1"))
    assert caught.value.transient


@pytest.mark.parametrize("subscriptions", [None, 1, "x", {}, ["x", 1]])
def test_odd_subscriptions_of_an_order_are_left_out(subscriptions):
    order = {"orderNumber": "Ü 1", "status": "Completed", "subscriptions": subscriptions}
    script = Script([answer(200, {"success": True, "order": order})])

    assert script.run(script.client().get_job("order:Ü 1")).result["subscriptions"] == []


@pytest.mark.parametrize("basic", [None, 1, []])
def test_an_account_without_its_basics_cannot_be_read(basic):
    document = {"orderDate": "2024-07-01", "newAccount": {"name": "Amy"}}
    order = {"order": {"orderDate": "2024-07-01", "existingAccountNumber": "A-1"}}

    with pytest.raises(Unreadable, match="that of another one") as caught:
        describe_difference(document, order, {"basicInfo": basic})
    assert caught.value.transient


@pytest.mark.parametrize("gap", ["orderDate", "existingAccountNumber"])
def test_an_order_without_its_date_or_its_account_cannot_be_read(gap):
    document = {"orderDate": "2024-07-01", "existingAccountNumber": "A-1"}
    with pytest.raises(Unreadable, match="lacks its date or its account") as caught:
        describe_difference(document, {"order": {**document, gap: None}}, {})
    assert caught.value.transient


def test_a_number_is_escaped():
    assert Plug().build_status_request("order:A B/../C").path == "/v1/orders/A%20B%2F..%2FC"
    assert Plug().build_status_request("order:").path == "/v1/async-jobs/order%3A"


EFFECTIVE, ACTIVATED, LATER = (
    {"name": name, "triggerDate": day}
    for name, day in (
        ("ContractEffective", "2024-07-01"),
        ("ServiceActivation", "2024-07-01"),
        ("ContractEffective", "2024-08-01"),
    )
)


def set_dates(*dates):
    return {"subscriptions": [{"orderActions": [{"type": "X", "triggerDates": list(dates)}]}]}


def seats(quantity, **more):
    action = {"type": "CreateSubscription", "createSubscription": {"quantity": quantity, **more}}
    return {"subscriptions": [{"orderActions": [action]}]}


@pytest.mark.parametrize(
    ("ours", "found"),
    [
        (seats(25), seats(25.0)),
        (seats(25, terms=None), seats(25, terms={"autoRenew": False})),
        (seats(25, autoRenew=True), seats(25)),
        (seats(25, autoRenew=True), seats(25, autoRenew=True)),
        (seats(25, startDate="2024-07-01"), seats(25, startDate="2024-07-01 00:00:00")),
        ({"description": "a"}, {"description": "a", "category": "NewSales"}),
        ({}, {"description": None}),
        ({"description": ""}, {"description": None}),
        ({"customFields": {"a__c": None}}, {"customFields": {}}),
        ({"processingOptions": {"runBilling": True}}, {"processingOptions": {"runBilling": False}}),
        ({"customFields": {"a__c": "1"}}, {"customFields": {"a__c": "1", "b__c": "2"}}),
        (set_dates(EFFECTIVE), set_dates(ACTIVATED, EFFECTIVE)),
        (set_dates(), set_dates(EFFECTIVE)),
    ],
)
def test_what_zuora_writes_otherwise_leaves_out_or_adds_is_no_change(ours, found):
    assert describe_changes(ours, {"order": found}) == ""


@pytest.mark.parametrize(
    ("ours", "found", "words"),
    [
        (
            seats(25),
            seats(26),
            "$.subscriptions[0].orderActions[0].createSubscription.quantity is 26, this one's is 25",
        ),
        (
            {"category": "Returns"},
            {"category": "NewSales"},
            "$.category is 'NewSales', this one's is 'Returns'",
        ),
        (
            {"orderLineItems": [{}, {}]},
            {"orderLineItems": [{}]},
            "$.orderLineItems is '1 of them', this one's is '2 of them'",
        ),
        (
            set_dates(EFFECTIVE),
            set_dates(LATER, ACTIVATED),
            "triggerDates.ContractEffective is '2024-08-01', this one's is '2024-07-01'",
        ),
        (
            set_dates(EFFECTIVE),
            set_dates(ACTIVATED),
            "triggerDates.ContractEffective is None, this one's is '2024-07-01'",
        ),
        (
            set_dates(EFFECTIVE),
            set_dates({"name": 5}, {}),
            "triggerDates is '2 of them', this one's is '1 of them'",
        ),
        (
            set_dates(EFFECTIVE),
            set_dates(),
            "triggerDates.ContractEffective is None, this one's is '2024-07-01'",
        ),
        (
            {"category": "Returns"},
            {"category": "\n" + "x" * 99},
            "$.category is '\\n" + "x" * 54 + "..., this",
        ),
        ({"description": "a"}, {"description": None}, "$.description is None, this one's is 'a'"),
        ({}, {"description": "a"}, "$.description is 'a', this one's is ''"),
        (
            {"customFields": {"a__c": "1"}},
            {"customFields": {}},
            "$.customFields.a__c is None, this one's is '1'",
        ),
        ({"customFields": {"a__c": True}}, {"customFields": {"a__c": 1}}, "is 1, this one's is True"),
        ({"customFields": {"a__c": "1"}}, {"customFields": {"a__c": 1}}, "is 1, this one's is '1'"),
        (
            {"customFields": {"a__c": "x"}},
            {"customFields": ["x"]},
            "$.customFields is ['x'], this one's is {",
        ),
    ],
)
def test_what_has_changed_is_said(ours, found, words):
    assert words in describe_changes(ours, {"order": found})


def test_a_secret_that_has_changed_is_not_shown():
    ours, found = ({"subscriptions": [{"paymentMethod": {"cardNumber": card}}]} for card in ("4111", "4242"))

    assert describe_changes(ours, {"order": ours}) == ""
    told = describe_changes(ours, {"order": found})
    assert told == "$.subscriptions[0].paymentMethod.cardNumber is ***, this one's is ***"


def test_many_changes_are_cut():
    ours, found = ({"customFields": {f"f{n}__c": value for n in range(9)}} for value in "ab")
    told = describe_changes(ours, {"order": found})

    assert told.count("this one's") == 3
    assert told.endswith("and 6 more")


def test_a_period_that_was_sent_as_a_text_is_no_change():
    def term(period):
        return {"subscriptions": [{"orderActions": [{"terms": {"initialTerm": {"period": period}}}]}]}

    assert describe_changes(term("12"), {"order": term(12)}) == ""
    assert "is 12, this one's is '1'" in describe_changes(term("1"), {"order": term(12)})


@pytest.mark.parametrize(
    "listed",
    [
        {"subscriptionNumbers": ["S-1", "S-2"]},
        {"subscriptions": [{"subscriptionNumber": "S-1"}, {"subscriptionNumber": "S-2"}]},
    ],
)
def test_the_subscriptions_of_an_order_are_facts_however_they_are_listed(listed):
    job = Job("j-1", JobState.SUCCEEDED, "Completed", {"orderNumber": "O-1", **listed})
    assert list(read_order_facts(job).values["subscription_numbers"]) == ["S-1", "S-2"]
