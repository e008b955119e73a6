"""Which values of an order are hidden, and that sending finds them again."""

from __future__ import annotations

import json
from datetime import date
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_provider_zuora.core.vendors.zuora.order_secrets import (
    MOST_MASKED,
    Redacted,
    list_secrets,
    mask_secrets,
    redact,
    unredact,
)

CARD = "4111111111111111"


@pytest.fixture
def masked():
    return []


@pytest.mark.parametrize(
    "name",
    [
        "cardNumber",
        "CARDNUMBER",
        "creditCardNumber",
        "securityCode",
        "cardSecurityCode",
        "cvv",
        "bankAccountNumber",
        "achAccountNumber",
        "bankTransferAccountNumber",
        "IBAN",
        "identityNumber",
        "tokenId",
        "secondTokenId",
        "baid",
        "preapprovalKey",
        "applePaymentData",
        "googlePaymentToken",
    ],
)
def test_a_secret_field_is_hidden_wherever_it_stands(name, masked):
    document = {"a": [{name: CARD, "b": 1}]}
    hidden = redact(document, masked.append)
    assert hidden == {"a": [{name: Redacted(CARD), "b": 1}]}
    assert CARD not in repr(hidden)
    assert masked == [CARD]
    assert unredact(hidden) == document


@pytest.mark.parametrize("above", ["creditCard", "paymentMethod", "PaymentMethod"])
def test_an_account_number_is_a_secret_within_a_payment_method_only(above, masked):
    document = {
        "existingAccountNumber": "A1",
        "newAccount": {"accountNumber": "A2", above: {"deeper": [{"accountNumber": "DE02"}]}},
    }
    hidden = redact(document, masked.append)
    assert hidden == {
        "existingAccountNumber": "A1",
        "newAccount": {"accountNumber": "A2", above: {"deeper": [{"accountNumber": Redacted("DE02")}]}},
    }
    assert masked == ["DE02"]


def test_all_else_of_a_payment_method_is_shown(masked):
    document = {"paymentMethod": {"type": "CreditCard", "cardHolderInfo": {"zipCode": "94404"}}}
    assert redact(document, masked.append) == document
    assert masked == []


def test_all_below_a_secret_field_is_hidden(masked):
    payment = {"applePaymentData": {"data": "abc", "version": 1, "none": None, "list": ("x", 2.5)}}
    hidden = redact(payment, masked.append)
    assert hidden == {
        "applePaymentData": {
            "data": Redacted("abc"),
            "version": Redacted(1),
            "none": None,
            "list": [Redacted("x"), Redacted(2.5)],
        }
    }
    assert masked == ["abc", "1", "x", "2.5"]


def test_a_hidden_value_shows_asterisks_everywhere():
    hidden = Redacted(CARD)
    assert (repr(hidden), str(hidden), f"{hidden}", hidden.serialize()) == ("***",) * 4


def test_a_tuple_is_revealed_as_a_list_as_json_has_it():
    assert unredact({"a": (Redacted(CARD), 1)}) == {"a": [CARD, 1]}


def test_hiding_twice_hides_once(masked):
    hidden = redact({"cvv": "123"}, masked.append)
    assert redact(hidden, masked.append) == {"cvv": Redacted("123")}
    assert masked == ["123"]


def test_names_that_are_no_text_are_no_secrets(masked):
    assert redact({5: CARD, None: 1}, masked.append) == {5: CARD, None: 1}
    assert masked == []


def test_the_input_is_left_as_it_is(masked):
    document = {"creditCard": {"cardNumber": CARD}}
    redact(document, masked.append)
    assert document == {"creditCard": {"cardNumber": CARD}}


def test_the_hidden_values_of_an_order_are_its_secrets_as_texts_each_once():
    document = {"a": [{"cvv": 737, "cardNumber": CARD}], "b": {"creditCardNumber": CARD, "name": "x"}}
    assert list_secrets(document) == ("737", CARD)
    assert list_secrets("text") == ()


NAMES = st.sampled_from(["cardNumber", "creditCard", "accountNumber", "applePaymentData", "name"])
DOCUMENTS = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(st.characters(exclude_characters="*")),
    lambda inner: st.lists(inner) | st.dictionaries(NAMES, inner),
)


@given(DOCUMENTS)
def test_what_was_hidden_is_found_again(document):
    assert unredact(redact(document, lambda _: None)) == document


@given(DOCUMENTS)
def test_what_is_hidden_is_masked(document):
    masked = []
    shown = json.dumps(redact(document, masked.append), default=Redacted.serialize)
    assert shown.count('"***"') == len(masked)


@pytest.mark.parametrize("odd", [{1}, b"x", object(), [object()], {"creditCard": object()}])
def test_what_is_no_json_is_hidden_whatever_it_is(odd, masked):
    assert "***" in json.dumps(redact(odd, masked.append), default=Redacted.serialize)
    assert masked == []


def test_a_date_and_a_decimal_are_no_secrets(masked):
    document = {"a": date(2026, 1, 1), "b": Decimal("1.5"), "c": None}
    assert redact(document, masked.append) == document


def test_airflow_is_told_of_each_secret_once_and_of_not_too_many(masked):
    orders = redact([{"cvv": f"{number}"} for number in range(MOST_MASKED + 7)] * 2, lambda _: None)
    assert mask_secrets(orders, masked.append) == 7
    assert masked == [f"{number}" for number in range(MOST_MASKED)]
    assert mask_secrets([], masked.append) == 0
