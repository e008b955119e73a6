"""Whether an order of ours exists: found, another's, or not there twice."""

from __future__ import annotations

import json

import pytest

from airflow_provider_zuora.core.errors import ApiError, OutcomeUnknown, Refused, Unreadable
from airflow_provider_zuora.core.messages import Response
from airflow_provider_zuora.core.submission.idempotency_keys import TaskAttempt
from airflow_provider_zuora.core.submission.order_lookup import (
    describe_order_difference,
    find_existing_order,
    find_order,
)
from airflow_provider_zuora.core.submission.recovery import APART, find_late_order
from tests.core.runners import Script, answer
from tests.core.submission.stories import prepare
from tests.core.tries import NUMBERED, Zuora, submit
from zuora_sandbox import Fault
from zuora_sandbox.order_store import derive_id

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


def make_order(order):
    """Return a Zuora that has made an order."""
    zuora = Zuora()
    submit(zuora, None, TaskAttempt(), order).run()
    assert len(zuora.made) == 1
    return zuora


@pytest.mark.parametrize("order", [NUMBERED, NEW], ids=["existing account", "new account"])
def test_an_order_with_our_account_and_date_is_ours(order):
    zuora = make_order(order)

    assert zuora.run(find_order(zuora.client(), order)) == "order:O-1"


@pytest.mark.parametrize("spelling", ["a00000097", "A00000097 ", " a00000097"])
def test_an_account_is_ours_whatever_the_case_of_its_number(spelling):
    zuora = make_order(NUMBERED)
    order = NUMBERED | {"existingAccountNumber": spelling}

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
    zuora = make_order(order)
    with pytest.raises(OutcomeUnknown, match="Order number O-1 is taken at Zuora") as caught:
        zuora.run(find_order(zuora.client(), order | change))
    assert words in str(caught.value)
    assert "Nothing more was sent." in str(caught.value)


def test_an_account_by_its_id_is_compared_by_its_id():
    zuora = make_order(NUMBERED)
    order = BY_ID | {"existingAccountId": derive_id("account", "A00000097")}
    assert zuora.run(find_order(zuora.client(), order)) == "order:O-1"


def refusal(code, message, status):
    return answer(status, {"success": False, "reasons": [{"code": code, "message": message}]})


@pytest.mark.parametrize("status", [200, 400, 404])
@pytest.mark.parametrize(
    ("code", "message"),
    [(50000040, "none"), (50000020, "Invalid orderNumber: O-1"), (53200020, "The order does not exist.")],
    ids=["category 40", "category 20", "category 20 in other words"],
)
def test_not_there_is_said_twice_ten_minutes_apart(code, message, status):
    script = Script([refusal(code, message, status)] * 2)

    assert script.run(find_late_order(prepare(script))) is False
    assert script.clock.naps == [APART] == [600]


@pytest.mark.parametrize(
    "given",
    [
        Response(404, {}, b"<html><h1>Not Found</h1></html>"),
        answer(404),
        answer(404, {"message": "no Route matched with those values"}),
        answer(404, {"success": False, "reasons": [{"code": 40, "message": "not found"}]}),
        refusal(90000040, "The entity does not exist.", 404),
    ],
    ids=["a page", "nothing", "a gateway's JSON", "a code of two digits", "an entity"],
)
def test_a_gateways_404_is_no_word_of_zuoras(given):
    script = Script([given] * 10)
    with pytest.raises(ApiError) as caught:
        script.run(find_order(script.client(), NUMBERED))
    assert caught.value.transient


@pytest.mark.parametrize(
    "given",
    [
        refusal(50000020, "The field pageSize is invalid.", 400),
        refusal(90000020, "Invalid orderNumber", 400),
        refusal(50000010, "No permission", 403),
    ],
    ids=["another value", "the entity", "no permission"],
)
def test_another_refusal_says_nothing_of_the_order(given):
    script = Script([given] * 10)
    with pytest.raises(Refused):
        script.run(find_order(script.client(), NUMBERED))


def test_looked_for_once_it_may_come_yet():
    script = Script([NOT_THERE])

    assert script.run(find_order(script.client(), NUMBERED)) is None
    assert script.clock.naps == []


class TestAnAccountThatCannotBeRead:
    """a30: the order is there; whose it is has to be read on another page."""

    def make_fault(self, status, code=0, **more):
        body = json.dumps({"success": False, "reasons": [{"code": code, "message": "none"}]} if code else {})
        return Fault("GET", "/v1/accounts/", status=status, body=body.encode(), times=None, **more)

    @pytest.mark.parametrize(
        ("status", "code"), [(404, 50000040), (400, 50000020), (403, 50000010), (404, 0)], ids=str
    )
    def test_leaves_the_question_to_a_person(self, status, code):
        zuora = make_order(NEW)
        zuora.sandbox.add_fault(self.make_fault(status, code))
        with pytest.raises(
            OutcomeUnknown, match="Order O-1 is at Zuora, but its account cannot be read"
        ) as caught:
            zuora.run(find_order(zuora.client(), NEW))
        assert "pass order:O-1 as adopt_job_id" in str(caught.value)

    def test_for_a_transient_reason_is_for_the_next_try(self):
        zuora = make_order(NEW)
        zuora.sandbox.add_fault(self.make_fault(503))
        with pytest.raises(ApiError) as caught:
            zuora.run(find_order(zuora.client(), NEW))
        assert caught.value.transient
        assert not isinstance(caught.value, OutcomeUnknown)

    @pytest.mark.parametrize("order", [NEW, BY_ID], ids=["a new account", "an account by its id"])
    def test_of_a_page_that_names_no_account(self, order):
        page = {"success": True, "order": {"orderNumber": "O-1", "orderDate": "2024-07-01"}}
        script = Script([answer(200, page)])
        with pytest.raises(OutcomeUnknown, match=r"its account cannot be read.*names no account"):
            script.run(find_order(script.client(), order))
        assert [each.path for each in script.sent] == ["/v1/orders/O-1"]


def test_an_order_that_comes_between_the_look_ups_is_found():
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
    submission = prepare(script)

    assert script.run(find_late_order(submission)) is True
    assert submission.record.job_id == "order:O-1"


def test_an_answer_without_an_order_is_not_another_order():
    script = Script([answer(200, {"success": True})])
    with pytest.raises(Unreadable, match="holds no order"):
        script.run(find_order(script.client(), NUMBERED))


class TestExisting:
    """Whether an order is there before it is sent, by whichever run."""

    def test_an_equal_order_is_taken(self):
        zuora = make_order(NUMBERED)

        assert zuora.run(find_existing_order(zuora.client(), NUMBERED)) == "order:O-1"

    def test_not_there_is_said_once(self):
        script = Script([NOT_THERE])

        assert script.run(find_existing_order(script.client(), NUMBERED)) is None
        assert not script.clock.naps

    def test_for_a_transient_reason_is_for_the_next_try(self):
        script = Script([answer(503)] * 10)
        with pytest.raises(ApiError) as caught:
            script.run(find_existing_order(script.client(), NUMBERED))
        assert caught.value.transient
        assert type(caught.value) is Unreadable

    @pytest.mark.parametrize("status", [403, 405, 410])
    def test_that_cannot_be_looked_up_is_unknown_and_not_refused(self, status):
        """f2: the answer is about the GET."""
        script = Script([answer(status, {"message": "Forbidden"})])
        with pytest.raises(
            OutcomeUnknown, match="Whether order O-1 is at Zuora already is unknown"
        ) as caught:
            script.run(find_existing_order(script.client(), NUMBERED))
        assert str(caught.value).endswith("Nothing was sent.") or "Nothing was sent. | " in str(caught.value)

    @pytest.mark.parametrize(
        ("change", "words"),
        [
            ({"orderDate": "2024-07-02"}, "its orderDate is '2024-07-01'"),
            ({"description": "Another"}, r"\$.description is 'Team plan', this one's is 'Another'"),
        ],
    )
    def test_one_with_another_content_is_another_order(self, change, words):
        zuora = make_order(NUMBERED | {"description": "Team plan"})
        with pytest.raises(Refused, match=f"Order number O-1 is taken at Zuora .*{words}"):
            zuora.run(find_existing_order(zuora.client(), NUMBERED | {"description": "Team plan"} | change))


@pytest.mark.parametrize("status", ["Draft", "Cancelled", "Failed"])
class TestAnOrderThatIsNotCarriedOut:
    """It takes the number, and makes nothing."""

    def test_is_not_found_for_the_job(self, status):
        zuora = Zuora(order_status=status)
        submit(zuora, None, TaskAttempt()).run()
        zuora.ledger  # noqa: B018 - what is under way ends
        words = f"O-1 is taken at Zuora .*: it is {status}. Nothing more was sent."
        with pytest.raises(OutcomeUnknown, match=words):
            zuora.run(find_order(zuora.client(), NUMBERED))

    def test_is_no_equal_order(self, status):
        zuora = Zuora(order_status=status)
        submit(zuora, None, TaskAttempt()).run()
        zuora.ledger  # noqa: B018 - what is under way ends
        words = f"O-1 is taken at Zuora .*: it is {status}. Nothing was sent; give this order another number."
        with pytest.raises(Refused, match=words):
            zuora.run(find_existing_order(zuora.client(), NUMBERED))


class TestTheDifference:
    """Between ours and the order that a raw key led to."""

    @pytest.mark.parametrize(
        ("change", "words"),
        [
            ({}, ""),
            ({"orderDate": "2024-07-02"}, "its orderDate is '2024-07-01', this one's is '2024-07-02'"),
            ({"description": "Another"}, "$.description is 'Team plan', this one's is 'Another'"),
        ],
    )
    def test_of_an_order_that_is_there(self, change, words):
        zuora = make_order(NUMBERED | {"description": "Team plan"})
        document = NUMBERED | {"description": "Team plan"} | change

        found = zuora.run(describe_order_difference(zuora.client(), document, "O-1"))
        assert words in found
        assert bool(found) is bool(words)

    def test_of_one_that_is_not_there_is_none(self):
        script = Script([NOT_THERE])

        assert script.run(describe_order_difference(script.client(), NUMBERED, "O-1")) == ""
