"""What changes an order that exists: activation, cancellation, trigger dates."""

import pytest

from zuora_sandbox import Fault

ORDER = "/v1/orders/O-1"
SUBSCRIPTION = "S-1"


def dates(*rows, number=SUBSCRIPTION, sequence=0):
    """Return the body that sets the dates, given as pairs of name and day."""
    named = [{"name": name, "triggerDate": day} for name, day in rows]
    action = {"sequence": sequence, "triggerDates": named}
    return {"subscriptions": [{"subscriptionNumber": number, "orderActions": [action]}]}


@pytest.fixture
def make(open_desk):
    """Return a function that opens a desk with the order O-1 of this status."""

    def make_order(status, options=None, **settings):
        desk = open_desk(order_status=status, **settings)
        terms = {"terms": {}, "subscriptionNumber": SUBSCRIPTION}
        action = {"type": "CreateSubscription", "createSubscription": terms}
        subscriptions = [{"orderActions": [action]}]
        order = desk.order(orderNumber="O-1", subscriptions=subscriptions, processingOptions=options)
        desk.create(order)
        desk.sandbox.advance(20)
        return desk

    return make_order


def put(desk, step, body=None):
    return desk.ask("PUT", f"{ORDER}/{step}", {} if body is None else body)


def show(desk):
    return desk.page(desk.ask("GET", ORDER))["order"]


def subscription(desk):
    return desk.sandbox.ledger()["accounts"]["A1"][SUBSCRIPTION]


def test_an_activated_draft_is_completed_and_billed(make):
    desk = make("Draft", {"runBilling": True, "collectPayment": True})
    assert subscription(desk) == "Pending Activation"
    page = desk.page(put(desk, "activate"))
    assert (page["orderNumber"], page["accountNumber"], page["status"]) == ("O-1", "A1", "Completed")
    assert page["subscriptions"] == [{"subscriptionNumber": "S-1", "status": "Active"}]
    assert page["invoiceNumbers"] == ["INV00000001"]
    assert (show(desk)["status"], subscription(desk)) == ("Completed", "Active")
    assert desk.ask("DELETE", "/v1/async/orders/O-1").status == 400  # it is invoiced


def test_an_activated_draft_may_be_pending(make):
    desk = make("Draft", {"runBilling": True}, order_activated_status="Pending")
    page = desk.page(put(desk, "activate"))
    assert page["status"] == show(desk)["status"] == "Pending"
    assert "invoiceNumbers" not in page
    assert subscription(desk) == "Pending Activation"


@pytest.mark.parametrize("status", ["Draft", "Scheduled"])
def test_a_draft_and_a_scheduled_order_can_be_cancelled(make, status):
    desk = make(status)
    page = desk.page(put(desk, "cancel", {"cancelReason": "Sold twice."}))
    assert page["CancelReason"] == "Sold twice."
    assert page["status"] == show(desk)["status"] == "Cancelled"


def test_a_pending_order_is_completed_by_the_last_of_its_dates(make):
    desk = make("Pending")
    first = put(desk, "triggerDates", dates(("ServiceActivation", "2024-07-21")))
    assert desk.page(first)["status"] == "Pending"
    page = desk.page(put(desk, "triggerDates", dates(("CustomerAcceptance", "2024-07-22"))))
    assert page["status"] == "Completed"
    assert page["subscriptions"] == [{"subscriptionNumber": "S-1", "status": "Active"}]
    [shown] = show(desk)["subscriptions"]
    assert shown["orderActions"][0]["triggerDates"] == [
        {"name": "ServiceActivation", "triggerDate": "2024-07-21"},
        {"name": "CustomerAcceptance", "triggerDate": "2024-07-22"},
    ]


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"subscriptions": []},
        dates(("CustomerAcceptance", "2024-07-22"), number="S-2"),
        dates(("CustomerAcceptance", "2024-07-22"), sequence=1),
        dates(("CustomerAcceptance", "22.7.2024")),
        dates(("ContractEffective", "2024-07-22")),
    ],
)
def test_dates_that_are_none_of_the_orders_are_refused(make, body):
    desk = make("Pending")
    answer = put(desk, "triggerDates", body)
    assert (answer.status, desk.codes(answer)) == (400, [53200020])
    assert show(desk)["status"] == "Pending"


@pytest.mark.parametrize(
    ("step", "status"),
    [
        ("activate", "Pending"),
        ("activate", "Completed"),
        ("cancel", "Pending"),
        ("cancel", "Completed"),
        ("triggerDates", "Draft"),
        ("triggerDates", "Completed"),
    ],
)
def test_a_step_that_the_status_does_not_allow_is_refused(make, step, status):
    desk = make(status)
    answer = put(desk, step, dates(("CustomerAcceptance", "2024-07-22")))
    assert (answer.status, desk.codes(answer)) == (400, [53200030])
    assert show(desk)["status"] == status


@pytest.mark.parametrize("step", ["activate", "cancel", "triggerDates"])
def test_an_unknown_order_and_a_put_without_a_body_are_refused(make, step):
    desk = make("Draft")
    assert desk.ask("PUT", f"/v1/orders/O-2/{step}", {}).status == 404
    assert desk.ask("PUT", f"{ORDER}/{step}", Content_Type=None).status == 415


@pytest.mark.parametrize("path", ["/v1/orders/O-1/activate", "/v1/async/orders/O-1"])
def test_a_fault_can_be_for_the_number_in_the_path(make, path):
    desk = make("Draft")
    desk.sandbox.add_fault(Fault(order_number="O-1"))
    method = "PUT" if path.endswith("activate") else "DELETE"
    assert desk.ask(method, path.replace("O-1", "O-2"), {}).status in (400, 404)
    assert desk.ask(method, path, {}).status == 503
