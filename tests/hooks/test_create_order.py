"""What the hook refuses before an order is sent; nothing reaches the vendor then."""

from __future__ import annotations

import pytest

from airflow_provider_zuora.exceptions import PermanentError
from airflow_provider_zuora.hooks.zuora import ZuoraHook
from tests.core.tries import ORDER

PRINTABLE = "must be printable ASCII without white space at its ends"
LENGTH = "must have 1 to 254 characters, this has"


@pytest.mark.parametrize(
    ("options", "lines"),
    [
        ({"raw_idempotency_key": ""}, (f"raw_idempotency_key: {LENGTH} 0",)),
        ({"raw_idempotency_key": "x" * 255}, (f"raw_idempotency_key: {LENGTH} 255",)),
        ({"raw_idempotency_key": "a\nb"}, (f"raw_idempotency_key: {PRINTABLE}",)),
        ({"raw_idempotency_key": 7}, ("raw_idempotency_key: must be a text, not of type int",)),
        ({"idempotency_key": ""}, (f"idempotency_key: {LENGTH} 0",)),
        ({"idempotency_key": 7}, ("idempotency_key: must be a text, not of type int",)),
        (
            {"idempotency_key": "ü", "raw_idempotency_key": "ü"},
            (f"idempotency_key: {PRINTABLE}", f"raw_idempotency_key: {PRINTABLE}"),
        ),
    ],
    ids=str,
)
def test_a_key_that_cannot_be_sent_is_refused_before_all_else(zuora, options, lines):
    with pytest.raises(PermanentError) as caught:
        ZuoraHook().create_order("no order", **options)

    assert str(caught.value) == "\n".join(("Nothing was sent.", *lines))
    assert not zuora.ledger()["recent"]


def test_an_order_with_ten_violations_is_one_error_with_ten_lines_and_no_request(zuora):
    order = {f"a\U0001f600{number}": 1 for number in range(8)}
    with pytest.raises(PermanentError, match="10 rules are broken, nothing was sent") as caught:
        ZuoraHook().create_order(order)

    assert len(str(caught.value).splitlines()) == 11
    assert not zuora.ledger()["recent"]


def test_an_order_that_breaks_rules_and_is_larger_than_the_connection_allows_is_refused_as_too_large(
    zuora, monkeypatch
):
    monkeypatch.setenv(
        "AIRFLOW_CONN_ZUORA_DEFAULT", zuora.connection(extra={"order_limits": {"orderLineItems": 1}})
    )
    items = ORDER["orderLineItems"] * 2
    for order in (ORDER | {"orderLineItems": items}, {"orderLineItems": items}):
        with pytest.raises(PermanentError, match="at most 1 order line items in one order, this has 2"):
            ZuoraHook().create_order(order)
        with pytest.raises(PermanentError, match=r"orders\[0\]: \$.orderLineItems: at most 1 order line"):
            ZuoraHook().create_orders([order])
    assert not zuora.ledger()["recent"]
