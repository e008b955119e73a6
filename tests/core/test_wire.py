"""Values of the wire, and the two carriers, which must agree."""

from __future__ import annotations

import asyncio
from dataclasses import FrozenInstanceError

import pytest

from airflow_provider_zuora.core.client import Grant
from airflow_provider_zuora.core.errors import Answer, ApiError, Refused, Unreachable
from airflow_provider_zuora.core.jobs import Credentials, Meaning, Reading
from airflow_provider_zuora.core.wire import (
    AsyncCarrier,
    Carrier,
    Pause,
    Request,
    Response,
    Token,
    arun,
    header_of,
    run,
)

ASK = Request("GET", "/v1/ask")
SECRET = "s3cret-s3cret"


@pytest.mark.parametrize("name", ["Retry-After", "retry-after", "RETRY-AFTER"])
def test_a_header_is_found_whatever_its_case(name):
    headers = {"Date": "today", "reTry-aFter": "5"}
    assert header_of(headers, name) == "5"
    assert Request("GET", "/", headers=headers).header(name) == "5"
    assert Response(200, headers).header(name) == "5"


def test_a_missing_header_is_an_empty_text():
    assert header_of({"Retry": "5"}, "Retry-After") == ""


def test_headers_are_added_to_a_copy():
    request = Request("GET", "/", (("a", "b"),), {"A": "1", "B": "1"}, b"body")
    assert request.with_headers({"B": "2", "C": "3"}) == Request(
        "GET", "/", (("a", "b"),), {"A": "1", "B": "2", "C": "3"}, b"body"
    )
    assert request.headers == {"A": "1", "B": "1"}


def test_a_request_is_named_by_method_and_path():
    assert str(Request("POST", "/v1/async/orders", (("returnIds", "true"),))) == "POST /v1/async/orders"


@pytest.mark.parametrize(
    "value",
    [
        Request("POST", "/oauth/token", headers={"Authorization": SECRET}, body=SECRET.encode()),
        Response(200, {"Set-Cookie": SECRET}, SECRET.encode()),
        Token(refused=SECRET),
        Grant(SECRET, 1.0),
        Credentials("https://rest.zuora.com", "id", SECRET),
        Reading(Meaning.OK, Answer("POST /oauth/token"), {"access_token": SECRET}),
    ],
    ids=lambda value: type(value).__name__,
)
def test_no_value_shows_a_secret_and_none_can_be_changed(value):
    assert SECRET not in repr(value)
    assert SECRET not in str(value)
    with pytest.raises(FrozenInstanceError):
        setattr(value, next(iter(type(value).__slots__)), "x")


class Desk:
    """Answers the steps of a flow and notes them; both carriers are tried."""

    def __init__(self, carrier, error=None):
        self.carrier, self.error, self.steps = carrier, error, []

    def carry(self, flow):
        if self.carrier is run:
            return run(flow, Carrier(self.send, self.token, self.sleep))
        return asyncio.run(arun(flow, AsyncCarrier(*map(self.later, (self.send, self.token, self.sleep)))))

    @staticmethod
    def later(call):
        async def answered(argument):
            await asyncio.sleep(0)
            return call(argument)

        return answered

    def send(self, request):
        self.steps.append(request)
        if self.error is not None:
            raise self.error
        return Response(204)

    def token(self, step):
        self.steps.append(step)
        return SECRET

    def sleep(self, seconds):
        self.steps.append(seconds)
        return "what a carrier's sleep returns is nobody's business"


@pytest.fixture(params=[run, arun], ids=["run", "arun"])
def desk(request):
    return lambda error=None: Desk(request.param, error)


def test_a_carrier_answers_every_kind_of_step_and_returns_the_result(desk):
    def flow():
        token = yield Token()
        response = yield ASK
        nothing = yield Pause(2.5)
        return token, response, nothing

    carrier = desk()
    assert carrier.carry(flow()) == (SECRET, Response(204), None)
    assert carrier.steps == [Token(), ASK, 2.5]


def test_a_flow_may_end_before_its_first_step(desk):
    def flow():
        return 7
        yield

    assert desk().carry(flow()) == 7


def test_an_error_of_ours_is_thrown_into_the_flow_which_may_go_on(desk):
    lost = Unreachable("reset")

    def flow():
        with pytest.raises(Unreachable) as caught:
            yield ASK
        yield Pause(1)
        return caught.value

    carrier = desk(lost)
    assert carrier.carry(flow()) is lost
    assert carrier.steps == [ASK, 1]


def test_an_error_of_ours_that_the_flow_does_not_catch_leaves_it(desk):
    def flow():
        yield ASK

    with pytest.raises(Unreachable, match="reset"):
        desk(Unreachable("reset")).carry(flow())


def test_an_error_that_the_flow_raises_leaves_it(desk):
    def flow():
        yield ASK
        raise Refused("no")

    with pytest.raises(Refused, match="no"):
        desk().carry(flow())


@pytest.mark.parametrize("error", [ZeroDivisionError("foreign"), KeyboardInterrupt()], ids=repr)
def test_an_error_that_is_not_ours_never_enters_the_flow_but_closes_it(desk, error):
    seen = []

    def flow():
        try:
            yield ASK
        except Exception as inside:
            seen.append(inside)
            raise
        finally:
            seen.append("closed")

    with pytest.raises(type(error)):
        desk(error).carry(flow())
    assert seen == ["closed"]


def test_every_error_of_ours_may_be_thrown_not_the_unreachable_ones_alone(desk):
    def flow():
        try:
            yield ASK
        except ApiError as error:
            return str(error)

    assert desk(Refused("no")).carry(flow()) == "no"
