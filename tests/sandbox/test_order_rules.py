"""Which orders are refused, and with which codes."""

import pytest

ACTION = {"type": "CreateSubscription", "createSubscription": {}}


def subscription(*actions, **fields):
    return {"subscriptions": [{"orderActions": list(actions or [ACTION])} | fields]}


def on_existing(kind, **fields):
    return subscription({"type": kind} | fields, subscriptionNumber="A-S1")


NEW_ACCOUNT = {"name": "n", "currency": "USD", "billCycleDay": 0, "billToContact": {}}

REFUSED = {
    "no date": ({"orderDate": None}, 53200022),
    "a date of another form": ({"orderDate": "01/07/2024"}, 53200020),
    "a day that is none": ({"orderDate": "2024-02-30"}, 53200020),
    "a date that is no text": ({"orderDate": 20240701}, 53200020),
    "no account": ({"existingAccountNumber": None}, 53200030),
    "two accounts": ({"existingAccountId": "i"}, 53200030),
    "an account number too long": ({"existingAccountNumber": "A" * 71}, 53200020),
    "a description too long": ({"description": "d" * 501}, 53200020),
    "an order number too long": ({"orderNumber": "O" * 101}, 53200020),
    "a # in the order number": ({"orderNumber": "O#1"}, 53200020),
    "a ? in the order number": ({"orderNumber": "O?1"}, 53200020),
    "a / in the order number": ({"orderNumber": "O/1"}, 53200020),
    "an unknown category": ({"category": "Gift"}, 53200020),
    "text outside the basic plane": ({"description": "\U0001f600"}, 53200020),
    "nothing ordered": ({"subscriptions": []}, 53200022),
    "subscriptions that are no array": ({"subscriptions": {}}, 53200020),
    "a subscription that is null": ({"subscriptions": [None]}, 53200020),
    "101 line items": ({"orderLineItems": [{}] * 101}, 53200030),
    "no actions": ({"subscriptions": [{"orderActions": []}]}, 53200022),
    "301 actions": (subscription(*[ACTION] * 301), 53200030),
    "a subscription number too long": (subscription(subscriptionNumber="S" * 101), 53200020),
    "no subscription to change": (subscription({"type": "RenewSubscription"}), 53200022),
    "an action without a type": (on_existing(None), 53200022),
    "an unknown action": (on_existing("Rename"), 53200020),
    "an action without its body": (on_existing("AddProduct"), 53200022),
    "a cancellation without a policy": (on_existing("CancelSubscription", cancelSubscription={}), 53200022),
    "an unknown term type": (
        subscription(ACTION | {"createSubscription": {"terms": {"initialTerm": {"termType": "T"}}}}),
        53100320,
    ),
    "an unknown trigger": (subscription(ACTION | {"triggerDates": [{"name": "Someday"}]}), 53200020),
    "a change reason too long": (subscription(ACTION | {"changeReason": "r" * 256}), 53200020),
    "an incomplete new account": (
        {"existingAccountNumber": None, "newAccount": NEW_ACCOUNT | {"name": None}},
        53200022,
    ),
    "a currency that is none": (
        {"existingAccountNumber": None, "newAccount": NEW_ACCOUNT | {"currency": "DOLLAR"}},
        53200020,
    ),
    "two ways to pay": (
        {
            "existingAccountNumber": None,
            "newAccount": NEW_ACCOUNT | {"creditCard": {"a": 1}, "hpmCreditCardPaymentMethodId": "p"},
        },
        53200030,
    ),
    "a payment of nothing": (
        {"processingOptions": {"runBilling": False, "collectPayment": True}},
        53200030,
    ),
    "a field of the synchronous call": ({"schedulingOptions": {}}, 53200021),
    "a preview's field": ({"previewOptions": {}}, 53200021),
    "a directive that means nothing": ({"customFields": {"Sandbox__c": "explode"}}, 53200020),
    "a directive without its number": ({"customFields": {"Sandbox__c": "processing long"}}, 53200020),
}


@pytest.mark.parametrize(("fields", "code"), REFUSED.values(), ids=REFUSED)
def test_an_order_that_is_refused(desk, fields, code):
    response = desk.create(desk.order(**fields))
    assert (response.status, desk.codes(response)) == (400, [code])
    assert desk.sandbox.ledger()["jobs"] == []


ACCEPTED = {
    "the longest texts": {"orderNumber": "O" * 100, "description": "d" * 500, "category": "Return"},
    "300 subscriptions": {"subscriptions": subscription()["subscriptions"] * 300},
    "100 line items and nothing else": {"subscriptions": None, "orderLineItems": [{}] * 100},
    "an account by its id": {"existingAccountNumber": None, "existingAccountId": "i"},
    "a new account": {"existingAccountNumber": None, "newAccount": NEW_ACCOUNT},
    "a renewal, which has no body": on_existing("RenewSubscription"),
    "a suspension with its policy": on_existing("Suspend", suspend={"suspendPolicy": "Today"}),
    "triggers and terms": subscription(
        {
            "type": "CreateSubscription",
            "triggerDates": [{"name": "ContractEffective", "triggerDate": "2024-07-01"}],
            "createSubscription": {"terms": {"initialTerm": {"termType": "EVERGREEN"}}},
        }
    ),
    "a payment of an invoice": {"processingOptions": {"runBilling": True, "collectPayment": True}},
}


@pytest.mark.parametrize("fields", ACCEPTED.values(), ids=ACCEPTED)
def test_an_order_that_is_accepted(desk, fields):
    assert desk.create(desk.order(**fields)).status == 200


@pytest.mark.parametrize("content", [[], "order", 1])
def test_an_order_is_an_object(desk, content):
    assert desk.codes(desk.ask("POST", "/v1/async/orders", content)) == [53200020]


def test_301_subscriptions_are_refused_for_their_number_and_their_actions(desk):
    response = desk.create(desk.order(subscriptions=subscription()["subscriptions"] * 301))
    messages = [reason["message"] for reason in desk.page(response)["reasons"]]
    assert [message.partition(";")[0] for message in messages] == ["301 subscriptions", "301 order actions"]


def test_every_reason_is_told(desk):
    response = desk.create({"orderNumber": "a/b"})
    assert desk.codes(response) == [53200022, 53200020, 53200022, 53200030]


PREVIEWS_REFUSED = {
    "no options": (None, {}, 53200022),
    "an unknown end": ({"previewThruType": "Never"}, {}, 53200020),
    "an end without its date": ({"previewThruType": "SpecificDate"}, {}, 53200022),
    "an end without its number": ({"previewThruType": "NumberOfPeriods"}, {}, 53200022),
    "an unknown type": ({"previewTypes": ["Taxes"]}, {}, 53200020),
    "a field of create": ({}, {"processingOptions": {}}, 53200021),
    "two accounts": ({}, {"previewAccountInfo": {}}, 53200030),
}


@pytest.mark.parametrize(("options", "fields", "code"), PREVIEWS_REFUSED.values(), ids=PREVIEWS_REFUSED)
def test_a_preview_that_is_refused(desk, options, fields, code):
    response = desk.preview(desk.order(previewOptions=options, **fields))
    assert (response.status, desk.codes(response)) == (400, [code])


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"previewThruType": "TermEnd"},
        {"previewThruType": "SpecificDate", "specificPreviewThruDate": "2025-01-01"},
        {"previewThruType": "NumberOfPeriods", "previewNumberOfPeriods": 1},
    ],
)
def test_a_preview_is_accepted_without_saying_success(desk, options):
    response = desk.preview(desk.order(previewOptions=options))
    assert response.status == 202
    assert list(desk.page(response)) == ["jobId"]
