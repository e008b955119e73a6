"""An order that was found by its number stands for its job."""

from __future__ import annotations

import pytest

from airflow_provider_zuora.core.attempts import Try
from airflow_provider_zuora.core.errors import NotFound, Unreadable
from airflow_provider_zuora.core.jobs import JobState, Vendor
from airflow_provider_zuora.core.vendors.zuora import Zuora as Plug
from tests.core.carriers import Script, answer
from tests.core.tries import NUMBERED, Zuora, submit


def test_an_order_reads_as_a_job_that_has_completed():
    zuora = Zuora()
    submit(zuora, None, Try(), NUMBERED).run()
    job = zuora.run(zuora.client().job("order:O-1"))

    assert (job.state, job.status) == (JobState.SUCCEEDED, "Completed")
    assert job.outcome() == {
        "orderNumber": "O-1",
        "accountNumber": "A00000097",
        "status": "Completed",
        "subscriptions": [],
        "success": True,
    }


def test_an_order_that_is_not_there_is_an_error():
    zuora = Zuora()
    with pytest.raises(NotFound):
        zuora.run(zuora.client().job("order:O-1"))


@pytest.mark.parametrize(
    "body", [{"success": True}, {"success": True, "order": {}}, {"success": True, "order": 1}]
)
def test_an_answer_without_an_order_is_none(body):
    script = Script([answer(200, body)])
    with pytest.raises(Unreadable, match="holds no order"):
        script.run(script.client().job("order:O-1"))


@pytest.mark.parametrize("subscriptions", [None, 1, "x", {}, ["x", 1]])
def test_odd_subscriptions_of_an_order_are_left_out(subscriptions):
    order = {"orderNumber": "Ü 1", "status": "Completed", "subscriptions": subscriptions}
    script = Script([answer(200, {"success": True, "order": order})])

    assert script.run(script.client().job("order:Ü 1")).outcome()["subscriptions"] == []


@pytest.mark.parametrize("basic", [None, 1, []])
def test_an_account_without_its_basics_is_another_one(basic):
    document = {"orderDate": "2024-07-01", "newAccount": {"name": "Amy"}}
    order = {"order": {"orderDate": "2024-07-01", "existingAccountNumber": "A-1"}}

    assert "account's name is None" in Plug().difference(document, order, {"basicInfo": basic})


def test_a_number_is_escaped():
    assert Plug().status("order:A B/../C").path == "/v1/orders/A%20B%2F..%2FC"
    assert Plug().status("order:").path == "/v1/async-jobs/order%3A"


def test_another_vendor_has_no_orders_by_number():
    for call in (
        lambda: Vendor.order(Plug(), "O-1"),
        lambda: Vendor.account(Plug(), {}, {}),
        lambda: Vendor.difference(Plug(), {}, {}, {}),
        lambda: Vendor.changes(Plug(), {}, {}),
    ):
        with pytest.raises(NotImplementedError, match="no orders by number"):
            call()


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
    ],
)
def test_what_zuora_writes_otherwise_leaves_out_or_adds_is_no_change(ours, found):
    assert Plug().changes(ours, {"order": found}) == ""


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
    assert words in Plug().changes(ours, {"order": found})


def test_a_secret_that_has_changed_is_not_shown():
    ours, found = ({"subscriptions": [{"paymentMethod": {"cardNumber": card}}]} for card in ("4111", "4242"))

    assert Plug().changes(ours, {"order": ours}) == ""
    told = Plug().changes(ours, {"order": found})
    assert told == "$.subscriptions[0].paymentMethod.cardNumber is ***, this one's is ***"


def test_many_changes_are_cut():
    ours, found = ({"customFields": {f"f{n}__c": value for n in range(9)}} for value in "ab")
    told = Plug().changes(ours, {"order": found})

    assert told.count("this one's") == 3
    assert told.endswith("and 6 more")


def test_a_period_that_was_sent_as_a_text_is_no_change():
    def term(period):
        return {"subscriptions": [{"orderActions": [{"terms": {"initialTerm": {"period": period}}}]}]}

    assert Plug().changes(term("12"), {"order": term(12)}) == ""
    assert "is 12, this one's is '1'" in Plug().changes(term("1"), {"order": term(12)})
