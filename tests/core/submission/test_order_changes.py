"""Activation, cancellation and trigger dates: a PUT is sent once, after a read that says that it is legal."""

from __future__ import annotations

import datetime as dt
import json

import pytest

from airflow_provider_zuora.core.errors import (
    ApiError,
    InvalidInput,
    LogUnavailable,
    NotFound,
    OutcomeUnknown,
    Refused,
)
from airflow_provider_zuora.core.submission.order_changes import change_order
from airflow_provider_zuora.core.vendors.zuora.order_changes import (
    make_activation,
    make_cancellation,
    make_trigger_dates,
)
from tests.core.deletions import Orders
from zuora_sandbox import Fault

PAGE = "/v1/orders/O-1"


def dates(name="CustomerAcceptance", day="2024-07-22", number="S-1", sequence=0):
    action = {"sequence": sequence, "triggerDates": [{"name": name, "triggerDate": day}]}
    return [{"subscriptionNumber": number, "orderActions": [action]}]


CHANGES = {
    "activate": make_activation(),
    "cancel": make_cancellation("Sold twice."),
    "triggerDates": make_trigger_dates(dates()),
}
LEGAL = {"activate": "Draft", "cancel": "Scheduled", "triggerDates": "Pending"}
AFTER = {"activate": "Completed", "cancel": "Cancelled", "triggerDates": "Completed"}
each = pytest.mark.parametrize("step", CHANGES)


def put(step="", kind="reset", **more):
    return Fault("PUT", f"{PAGE}/{step}", kind=kind, **more)


def refused(code, **more):
    body = {"success": False, "reasons": [{"code": code, "message": "Told to say so."}]}
    return put(kind="answer", status=400, body=json.dumps(body).encode(), **more)


def change(tenant, step, number="O-1", made=None):
    log = tenant.log.open(1, tenant.clock)
    return tenant.run(change_order(tenant.client(), number, made or CHANGES[step], log))


def show(tenant):
    return tenant.sandbox.list_orders()[0].status


@each
def test_it_is_sent_once_with_a_body_and_without_a_key(step):
    tenant = Orders(order_status=LEGAL[step])
    answer = change(tenant, step)
    assert (answer["orderNumber"], answer["accountNumber"], answer["status"]) == ("O-1", "A-1", AFTER[step])
    assert show(tenant) == AFTER[step]
    read, sent = tenant.sent
    assert (read.method, read.path) == ("GET", PAGE)
    assert (sent.method, sent.path) == ("PUT", f"{PAGE}/{step}")
    assert json.loads(sent.body) == CHANGES[step].body
    assert "Idempotency-Key" not in sent.headers
    assert sent.headers["Content-Type"] == "application/json"


@each
def test_the_log_has_the_intent_before_and_the_end_after(step):
    tenant = Orders(order_status=LEGAL[step])
    change(tenant, step)
    intent, end = tenant.log.lines
    kinds = {
        "activate": "order activation",
        "cancel": "order cancellation",
        "triggerDates": "order trigger dates",
    }
    for line, event, outcome in ((intent, "intent", None), (end, "end", "submitted")):
        assert (line["kind"], line["event"], line["outcome"]) == (kinds[step], event, outcome)
        assert (line["key"], line["job_id"]) == (None, "order:O-1")
        assert (line["order_number"], line["account_number"]) == ("O-1", "A-1")
        assert line["track_ids"] == tenant.headers("Zuora-Track-Id")[-1:]
    assert (intent["unanswered"], end["unanswered"]) == (1, 0)
    assert intent["digest"] == end["digest"]


@each
def test_what_cannot_be_logged_is_not_sent(step):
    tenant = Orders(order_status=LEGAL[step])

    def fail(*_):
        raise LogUnavailable("full", transient=True)

    tenant.log._write = fail
    with pytest.raises(LogUnavailable):
        change(tenant, step)
    assert tenant.count("PUT") == 0


@each
def test_a_second_call_finds_it_done_and_sends_nothing(step):
    tenant = Orders(order_status=LEGAL[step])
    change(tenant, step)
    found = change(tenant, step)
    assert (found["orderNumber"], found["accountNumber"], found["status"]) == ("O-1", "A-1", AFTER[step])
    assert tenant.count("PUT") == 1
    assert len(tenant.log.lines) == 2


@pytest.mark.parametrize(
    ("step", "status", "words"),
    [
        ("activate", "Cancelled", "is Cancelled: only one that is Draft can be activated. Nothing was sent"),
        ("activate", "Failed", "is Failed: only one that is Draft"),
        ("activate", "Unheard Of", "is Unheard Of: only one that is Draft"),
        ("cancel", "Completed", "is Completed: only one that is Draft or Scheduled can be cancelled"),
        ("cancel", "Pending", "is Pending: only one that is Draft or Scheduled can be cancelled"),
        ("triggerDates", "Draft", "is Draft: only one that is Pending can be given its trigger dates"),
        ("triggerDates", "Completed", "is Completed: only one that is Pending"),
    ],
)
def test_from_any_other_status_nothing_is_sent(step, status, words):
    tenant = Orders(order_status=status)
    with pytest.raises(Refused, match=words):
        change(tenant, step)
    assert tenant.count("PUT") == 0
    assert tenant.log.lines == []


@each
def test_an_unknown_order_is_not_found(step):
    tenant = Orders()
    with pytest.raises(NotFound, match="Invalid orderNumber: O-2"):
        change(tenant, step, "O-2")
    with pytest.raises(InvalidInput, match="order_number: must be the number of an order, not None"):
        change(tenant, step, "None")


@each
@pytest.mark.parametrize("kind", ["reset", "hang", "cut"])
def test_a_lost_answer_is_a_success_if_the_order_shows_the_change(step, kind):
    tenant = Orders(put(step, kind, when="after"), order_status=LEGAL[step])
    assert change(tenant, step)["status"] == AFTER[step]
    assert tenant.count("PUT") == 1
    assert tenant.clock.naps[-1] == 15
    assert tenant.tell()[-1] == ("end", "submitted", 1)


@each
@pytest.mark.parametrize("given", [{}, {"kind": "answer", "status": 502}, {"kind": "answer", "status": 500}])
def test_a_put_without_an_answer_is_a_question_and_never_sent_again(step, given):
    tenant = Orders(put(step, **given), order_status=LEGAL[step])
    with pytest.raises(OutcomeUnknown, match=f"has no answer, and it was {LEGAL[step]} afterwards") as caught:
        change(tenant, step)
    assert not caught.value.transient
    assert tenant.count("PUT") == 1
    assert tenant.clock.naps[-2:] == [15, 45]
    assert tenant.tell()[-1] == ("end", "unknown", 1)
    assert change(tenant, step)["status"] == AFTER[step]  # a person has looked, and calls it again


def test_an_order_that_cannot_be_read_after_that_is_a_question():
    tenant = Orders(put(), order_status="Draft")
    tenant.sandbox.add_fault(Fault("GET", PAGE, status=503, skip=1, times=None))
    with pytest.raises(OutcomeUnknown, match="it cannot be read"):
        change(tenant, "activate")


@each
def test_a_refusal_has_the_words_of_zuora_and_is_final(step):
    tenant = Orders(refused(53200030), order_status=LEGAL[step])
    with pytest.raises(Refused, match="Told to say so") as caught:
        change(tenant, step)
    assert not caught.value.transient
    assert tenant.tell()[-1] == ("end", "refused", 1)


@each
def test_a_lock_is_left_to_the_next_try(step):
    tenant = Orders(refused(53200050), order_status=LEGAL[step])
    with pytest.raises(Refused, match="locked by another operation") as caught:
        change(tenant, step)
    assert caught.value.transient
    assert tenant.count("PUT") == 1
    assert tenant.tell()[-1] == ("end", "open", 1)


@each
def test_what_zuora_says_it_has_not_processed_is_sent_again(step):
    limited = put(step, "answer", status=429, headers={"Retry-After": "7"}, times=2)
    tenant = Orders(limited, order_status=LEGAL[step])
    change(tenant, step)
    assert tenant.count("PUT") == 3
    assert len(tenant.log.lines) == 2


def test_but_not_for_ever():
    tenant = Orders(put("activate", "answer", status=429, times=None), order_status="Draft")
    with pytest.raises(ApiError) as caught:
        change(tenant, "activate")
    assert caught.value.transient
    assert tenant.count("PUT") == 6


class TestTriggerDates:
    @pytest.mark.parametrize(
        ("subscriptions", "rule"),
        [
            (None, r"\$\.subscriptions: is required"),
            ("x", r"\$\.subscriptions: must be a list"),
            ([], r"\$\.subscriptions: must have at least 1 members"),
            ([{}], r"\$\.subscriptions\[0\]\.orderActions: is required"),
            (
                [{"orderActions": [{"sequence": 0}]}],
                r"\$\.subscriptions\[0\]\.subscriptionNumber: is required",
            ),
            (
                [{"subscriptionNumber": "S-1", "orderActions": [{"sequence": 0}]}],
                r"orderActions\[0\]: needs triggerDates or charges",
            ),
            (dates(sequence=-1), r"orderActions\[0\]\.sequence: must be a whole number from 0"),
            (dates(name="Signing"), r"triggerDates\[0\]\.name: must be one of ContractEffective, Service"),
            (dates(day="22.7.2024"), r"triggerDates\[0\]\.triggerDate: must be a calendar date"),
            (dates(day="2024-02-30"), r"triggerDates\[0\]\.triggerDate: must be a calendar date"),
        ],
    )
    def test_that_break_a_rule_are_refused_with_field_and_rule(self, subscriptions, rule):
        with pytest.raises(InvalidInput, match=rule):
            make_trigger_dates(subscriptions)

    def test_may_be_dates_of_python(self):
        made = make_trigger_dates(dates(day=dt.date(2024, 7, 22)))
        assert made.body == {"subscriptions": dates()}

    def test_that_leave_the_order_pending_are_found_on_its_page(self):
        tenant = Orders(order_status="Pending")
        made = make_trigger_dates(dates("ServiceActivation"))
        assert change(tenant, "", made=made)["status"] == "Pending"
        assert change(tenant, "", made=made)["status"] == "Pending"
        assert tenant.count("PUT") == 1

    def test_of_charges_are_sent_again_while_the_order_is_pending(self):
        tenant = Orders(order_status="Pending")
        action = {"sequence": 0, "charges": [{"chargeNumber": "C-1", "specificTriggerDate": "2024-07-22"}]}
        made = make_trigger_dates([{"subscriptionNumber": "S-1", "orderActions": [action]}])
        change(tenant, "", made=made)
        change(tenant, "", made=made)
        assert tenant.count("PUT") == 2

    def test_that_zuora_refuses_are_a_refusal_in_its_words(self):
        tenant = Orders(order_status="Pending")
        with pytest.raises(Refused, match="The subscription 'S-2' is none of the order's"):
            change(tenant, "", made=make_trigger_dates(dates(number="S-2")))


@pytest.mark.parametrize("reason", ["", " ", "two\nlines", 7])
def test_a_reason_that_is_none_is_refused(reason):
    with pytest.raises(InvalidInput, match=r"\$\.cancelReason: must be text"):
        make_cancellation(reason)


def test_a_cancellation_needs_no_reason():
    assert make_cancellation(None).body == {}
