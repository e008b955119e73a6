"""Whether an order of ours exists: found, another's, or not there twice."""

from __future__ import annotations

import pytest

from airflow_provider_zuora.core.attempts import Try
from airflow_provider_zuora.core.errors import Refused, Unreadable
from airflow_provider_zuora.core.submission.order_lookup import APART, existing_order, find_order
from tests.core.carriers import Script, answer
from tests.core.tries import NUMBERED, Zuora, submit

NEW = {
    "orderNumber": "O-1",
    "orderDate": "2024-07-01",
    "newAccount": {
        "name": "Amy",
        "currency": "USD",
        "billCycleDay": 0,
        "billToContact": {"firstName": "Amy", "lastName": "Lawrence"},
    },
    "orderLineItems": NUMBERED["orderLineItems"],
}
BY_ID = {name: value for name, value in NUMBERED.items() if name != "existingAccountNumber"} | {
    "existingAccountId": "8ad081dd9096ef9501909b40bb4e74a4"
}
NOT_THERE = answer(404, {"success": False, "reasons": [{"code": 50000040, "message": "none"}]})


def made(order):
    """Return a Zuora that has made an order."""
    zuora = Zuora()
    submit(zuora, None, Try(), order).run()
    assert len(zuora.made) == 1
    return zuora


@pytest.mark.parametrize("order", [NUMBERED, NEW], ids=["existing account", "new account"])
def test_an_order_with_our_account_and_date_is_ours(order):
    zuora = made(order)

    assert zuora.run(find_order(zuora.client(), order)) == "order:O-1"


@pytest.mark.parametrize(
    ("order", "change", "words"),
    [
        (NUMBERED, {"existingAccountNumber": "A-2"}, "its account is 'A00000097', this one's is 'A-2'"),
        (NUMBERED, {"orderDate": "2024-07-02"}, "its orderDate is '2024-07-01', this one's is '2024-07-02'"),
        (NEW, {"newAccount": NEW["newAccount"] | {"name": "Bob"}}, "its account's name is 'Amy'"),
        (NEW, {"newAccount": NEW["newAccount"] | {"accountNumber": "A-9"}}, "this one's is 'A-9'"),
        (NUMBERED, BY_ID | {"existingAccountNumber": None}, "its account's id is"),
    ],
)
def test_a_number_that_another_order_has_is_an_error_that_names_both(order, change, words):
    zuora = made(order)
    with pytest.raises(Refused, match="Order number O-1 is taken at Zuora") as caught:
        zuora.run(find_order(zuora.client(), order | change))
    assert words in str(caught.value)


def test_an_account_by_its_id_is_compared_by_its_id():
    zuora = made(NUMBERED)
    page = zuora.sandbox.state.books
    from airflow_provider_zuora.sandbox.books import id_of

    assert page.orders
    order = BY_ID | {"existingAccountId": id_of("account", "A00000097")}
    assert zuora.run(find_order(zuora.client(), order)) == "order:O-1"


@pytest.mark.parametrize(
    "nothing",
    [
        NOT_THERE,
        answer(200, {"success": False, "reasons": [{"code": 50000040, "message": "none"}]}),
        answer(404),
    ],
    ids=["404", "category 40 at HTTP 200", "404 without a body"],
)
def test_not_there_is_said_twice_some_time_apart(nothing):
    script = Script([nothing, nothing])

    assert script.run(find_order(script.client(), NUMBERED)) is None
    assert script.clock.naps == [APART]


def test_a_gateways_404_is_no_word_of_zuoras():
    from airflow_provider_zuora.core.wire import Response

    script = Script([Response(404, {}, b"<html><h1>Not Found</h1></html>")] * 10)
    with pytest.raises(Unreadable):
        script.run(find_order(script.client(), NUMBERED))


def test_an_order_that_comes_between_the_looks_is_found():
    there = answer(
        200,
        {
            "success": True,
            "order": {
                "orderNumber": "O-1",
                "orderDate": "2024-07-01 00:00:00",
                "existingAccountNumber": "A00000097",
            },
        },
    )
    script = Script([NOT_THERE, there])

    assert script.run(find_order(script.client(), NUMBERED)) == "order:O-1"


def test_an_answer_without_an_order_is_not_another_order():
    script = Script([answer(200, {"success": True})])
    with pytest.raises(Unreadable, match="holds no order"):
        script.run(find_order(script.client(), NUMBERED))


class TestExisting:
    """Whether an order is there before it is sent, by whichever run."""

    def test_an_equal_order_is_taken(self):
        zuora = made(NUMBERED)

        assert zuora.run(existing_order(zuora.client(), NUMBERED)) == "order:O-1"

    def test_not_there_is_said_once(self):
        script = Script([NOT_THERE])

        assert script.run(existing_order(script.client(), NUMBERED)) is None
        assert not script.clock.naps

    @pytest.mark.parametrize(
        ("change", "words"),
        [
            ({"orderDate": "2024-07-02"}, "its orderDate is '2024-07-01'"),
            ({"description": "Another"}, r"\$.description is 'Team plan', this one's is 'Another'"),
        ],
    )
    def test_one_with_another_content_is_another_order(self, change, words):
        zuora = made(NUMBERED | {"description": "Team plan"})
        with pytest.raises(Refused, match=f"Order number O-1 is taken at Zuora .*{words}"):
            zuora.run(existing_order(zuora.client(), NUMBERED | {"description": "Team plan"} | change))
