"""How much one order may hold: Zuora's published limits warn, a connection's own refuse."""

from __future__ import annotations

import pytest

from airflow_provider_zuora.core.errors import InvalidInput
from airflow_provider_zuora.core.vendors.zuora.order_limits import OrderLimits

PUBLISHED = OrderLimits.of(None)


def order(subscriptions=0, actions=0, items=0):
    rows = [{"orderActions": [{}] * actions}] + [{} for _ in range(1, subscriptions)]
    return {"subscriptions": rows if subscriptions else [], "orderLineItems": ({},) * items}


def test_an_order_at_the_published_limits_is_nothing_to_speak_of():
    assert PUBLISHED.check(order(300, 300, 100)) == []


@pytest.mark.parametrize(
    ("size", "words"),
    [
        ({"subscriptions": 301}, "$.subscriptions: at most 300 subscriptions in one order, this has 301"),
        (
            {"subscriptions": 1, "actions": 301},
            "$.subscriptions: at most 300 order actions in one order, this has 301",
        ),
        ({"items": 101}, "$.orderLineItems: at most 100 order line items in one order, this has 101"),
    ],
)
def test_more_is_a_warning_that_names_the_limit_and_how_to_raise_it(size, words):
    assert PUBLISHED.check(order(**size)) == [
        f"{words}; Zuora may refuse it (see order_limits of the connection)"
    ]


@pytest.mark.parametrize("value", [500, "500", {"subscriptions": 500}, '{"subscriptions": 500}'])
def test_limits_that_are_raised_are_silent_up_to_them_and_refuse_above(value):
    limits = OrderLimits.of(value)
    assert limits.check(order(500)) == []
    with pytest.raises(
        InvalidInput, match=r"\$.subscriptions: at most 500 subscriptions .*has 501 .order_limits"
    ):
        limits.check(order(501))


def test_a_number_is_for_subscriptions_and_actions():
    limits = OrderLimits.of(400)
    assert limits.check(order(1, 400)) == []
    assert len(limits.check(order(items=101))) == 1, "the published one"
    with pytest.raises(InvalidInput, match="at most 400 order actions"):
        limits.check(order(1, 401))


@pytest.mark.parametrize(
    "value",
    [0, -1, True, False, 1.5, "many", "[1]", [1], {"subscriptions": "500"}, "{", "[" * 100_000, {"a": 0}],
)
def test_what_is_no_limit(value):
    with pytest.raises(ValueError, match="must be a whole number above 0, or an object of them"):
        OrderLimits.of(value)


def test_a_limit_that_nobody_knows():
    with pytest.raises(
        ValueError, match="must name subscriptions, orderActions, orderLineItems, not 'actions'"
    ):
        OrderLimits.of({"actions": 500})


@pytest.mark.parametrize("value", [None, "", " ", {}])
def test_blank_is_zuoras_published_limits(value):
    assert OrderLimits.of(value) == PUBLISHED


@pytest.mark.parametrize(
    "odd", [None, "x", [], {"subscriptions": "x"}, {"subscriptions": [1, {"orderActions": 5}]}]
)
def test_what_is_no_order_is_for_others_to_refuse(odd):
    assert PUBLISHED.check(odd) == []
