"""Zuora's list of orders: the request, its rows, and what makes two orders alike."""

from __future__ import annotations

import pytest

from airflow_provider_zuora.core.errors import ResponseInfo, Unreadable
from airflow_provider_zuora.core.job import JobState
from airflow_provider_zuora.core.reconciliation.zuora_orders import read_orders, read_orders_of_account
from airflow_provider_zuora.core.vendors.zuora.order_list import (
    build_list_request,
    filter_updated,
    read_list,
    read_order_row,
)
from tests.core.runners import Script, answer

INFO = ResponseInfo("GET /object-query/orders")
ROW = {
    "id": "1",
    "orderNumber": "O-1",
    "orderDate": "2024-07-01",
    "accountId": "a",
    "account": {"id": "a", "accountNumber": "A1", "name": "Jane Doe"},
    "status": "Completed",
    "createdDate": "2024-07-01T12:00:00+02:00",
}
ACTION = {
    "type": "CreateSubscription",
    "createSubscription": {"subscribeToRatePlans": [{"productRatePlanId": "p"}]},
}
SOLD = {"subscriptionNumber": "A-S1", "baseVersion": 1, "newVersion": 1, "orderActions": [ACTION]}


def make_page(**order):
    return {
        "order": {"orderNumber": "O-1", "existingAccountNumber": "A1", "orderDate": "2024-07-01", **order}
    }


def digest(**order):
    return read_order_row(make_page(**order)).content


def test_a_page_is_asked_for_by_what_was_changed_since_a_moment():
    request = build_list_request([filter_updated(1_700_000_000.9)], "next")
    assert (request.method, request.path) == ("GET", "/object-query/orders")
    assert request.params == (
        ("filter[]", "updateddate.GE:2023-11-14T22:13:20Z"),
        ("expand[]", "account"),
        ("pageSize", "99"),
        ("cursor", "next"),
    )


def test_a_row_has_no_name_and_its_moment_is_read_with_its_zone():
    [row], cursor = read_list({"data": [ROW], "nextPage": "abc"}, INFO)
    assert "Jane" not in repr(row)
    assert (row.number, row.account_number, row.account_id, row.date) == ("O-1", "A1", "a", "2024-07-01")
    assert (row.created, row.state, row.is_carried_out, cursor) == (
        1719828000.0,
        JobState.SUCCEEDED,
        True,
        "abc",
    )


def test_a_row_may_lack_what_is_null():
    slim = {name: ROW[name] for name in ("orderNumber", "createdDate")}
    [row], cursor = read_list({"data": [slim]}, INFO)
    assert (row.order_id, row.account_number, row.state, cursor) == ("O-1", "", JobState.ACTIVE, "")


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"data": {}},
        {"data": ["O-1"]},
        {"data": [{**ROW, "orderNumber": None}]},
        {"data": [{**ROW, "createdDate": "yesterday"}]},
    ],
)
def test_what_is_no_list_is_an_error_and_not_an_empty_one(body):
    with pytest.raises(Unreadable):
        read_list(body, INFO)


def test_a_list_that_leads_back_is_an_error():
    page = answer(200, {"data": [ROW], "nextPage": "again"})
    script = Script([page, page])
    with pytest.raises(Unreadable, match="leads back to a page that was read"):
        script.run(read_orders(script.client(), (), lambda row: None))


def test_an_account_without_an_id_is_an_error():
    script = Script([answer(200, {"success": True, "basicInfo": None})])
    with pytest.raises(Unreadable, match="names no id"):
        script.run(read_orders_of_account(script.client(), "A1", "2024-07-01"))


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ({"orderNumber": "O-1"}, {"orderNumber": "O-2"}),
        ({"description": None}, {"description": ""}),
        (
            {"subscriptions": [SOLD]},
            {"subscriptions": [SOLD | {"subscriptionNumber": "A-S2", "newVersion": 2}]},
        ),
        (
            {"orderLineItems": [{"id": "1", "itemNumber": "1", "quantity": 1}]},
            {"orderLineItems": [{"quantity": 1}]},
        ),
    ],
)
def test_what_zuora_gives_each_order_of_its_own_makes_no_difference(one, other):
    assert digest(**one) == digest(**other)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ({"description": "a"}, {"description": "b"}),
        ({"customFields": {"Region__c": "a"}}, {}),
        ({"orderLineItems": [{"quantity": 1}]}, {"orderLineItems": [{"quantity": 2}]}),
        ({"subscriptions": [SOLD]}, {"subscriptions": [SOLD, SOLD]}),
        (
            {"subscriptions": [{"subscriptionNumber": "A-S1", "orderActions": [{"type": "Suspend"}]}]},
            {"subscriptions": [{"subscriptionNumber": "A-S2", "orderActions": [{"type": "Suspend"}]}]},
        ),
        ({"subscriptions": [{"orderActions": None}]}, {"subscriptions": [{"orderActions": ["x"]}]}),
    ],
)
def test_what_was_asked_for_makes_one(one, other):
    assert digest(**one) != digest(**other)
