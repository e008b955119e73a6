"""The idempotency store: one key, one answer, for a day."""

import pytest

from zuora_sandbox import Fault

DAY = 24 * 3600


def test_a_repeated_request_gets_the_first_answer_and_makes_nothing(desk):
    first, again = (desk.create(Idempotency_Key="k") for _ in range(2))
    assert again.body == first.body
    assert again.header("Zuora-Request-Id") == first.header("Zuora-Request-Id")
    assert len(desk.sandbox.ledger()["jobs"]) == 1


def test_without_a_key_a_repeated_request_makes_a_second_job(desk):
    assert desk.create().body != desk.create().body


def test_a_failure_is_replayed_too(desk):
    first, again = (desk.create({}, Idempotency_Key="k") for _ in range(2))
    assert (first.status, again.body) == (400, first.body)


def test_another_body_under_the_same_key_gets_the_stored_answer(desk):
    first = desk.create(Idempotency_Key="k")
    assert desk.create({"orderDate": 1}, Idempotency_Key="k").body == first.body


def test_a_key_lives_a_day(open_desk):
    desk = open_desk(token_seconds=2 * DAY)
    first = desk.create(Idempotency_Key="k")
    desk.time[0] += DAY - 1
    assert desk.create(Idempotency_Key="k").body == first.body
    desk.time[0] += 1
    assert desk.create(Idempotency_Key="k").body != first.body


def test_a_key_is_for_one_url(desk):
    desk.create(Idempotency_Key="k")
    assert desk.create(params=[("returnIds", "true")], Idempotency_Key="k").status == 422
    assert desk.preview(desk.order(), Idempotency_Key="k").status == 422


def test_a_refused_token_is_not_stored(desk):
    assert desk.create(Idempotency_Key="k", Authorization="Bearer old").status == 401
    assert desk.create(Idempotency_Key="k").status == 200


def test_a_rate_limit_is_not_stored(open_desk):
    desk = open_desk(requests_per_minute=1)
    desk.create()
    assert desk.create(Idempotency_Key="k").status == 429
    desk.time[0] += 60
    assert desk.create(Idempotency_Key="k").status == 200


def test_a_request_in_progress_holds_its_key(desk):
    desk.sandbox.add_fault(Fault(kind="reset", when="after", hold_seconds=30))
    assert desk.create(Idempotency_Key="k").damage == "reset"
    busy = desk.create(Idempotency_Key="k")
    assert busy.status == 409
    assert "reasons" not in desk.page(busy)
    desk.time[0] += 30
    assert desk.create(Idempotency_Key="k").status == 200
    assert len(desk.sandbox.ledger()["jobs"]) == 1


@pytest.mark.parametrize("when", ["before", "instead"])
def test_only_the_endpoints_own_failure_is_stored(desk, when):
    desk.sandbox.add_fault(Fault(when=when, status=500, body=b"{}"))
    assert desk.create(Idempotency_Key="k").status == 500
    assert desk.create(Idempotency_Key="k").status == (500 if when == "instead" else 200)
