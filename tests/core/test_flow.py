"""Values of the wire, and the two runners, which must agree."""

from __future__ import annotations

import asyncio
import threading
import traceback
from dataclasses import FrozenInstanceError

import pytest

from airflow_provider_zuora.core.errors import ApiError, Refused, ResponseInfo, StoreUnavailable, Unreachable
from airflow_provider_zuora.core.flow import (
    AsyncRunner,
    LoadState,
    RunInThread,
    Runner,
    SaveState,
    Sleep,
    Token,
    arun,
    run,
)
from airflow_provider_zuora.core.http.sign_in import AccessToken
from airflow_provider_zuora.core.messages import Credentials, ParsedResponse, Request, Response, ResponseKind
from tests.core.runners import Memory

ASK = Request("GET", "/v1/ask")
SECRET = "s3cret-s3cret"


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
        AccessToken(SECRET, 1.0),
        Credentials("https://rest.zuora.com", "id", SECRET),
        ParsedResponse(ResponseKind.OK, ResponseInfo("POST /oauth/token"), {"access_token": SECRET}),
        SaveState("name", {"said": SECRET}),
    ],
    ids=lambda value: type(value).__name__,
)
def test_no_value_shows_a_secret(value):
    assert SECRET not in repr(value)
    assert SECRET not in str(value)


@pytest.mark.parametrize(
    "value",
    [
        Token(refused=SECRET),
        AccessToken(SECRET, 1.0),
        Credentials("https://rest.zuora.com", "id", SECRET),
        SaveState("name", {"said": SECRET}),
    ],
    ids=lambda value: type(value).__name__,
)
def test_what_holds_a_secret_for_long_cannot_be_changed(value):
    with pytest.raises(FrozenInstanceError):
        setattr(value, next(iter(type(value).__slots__)), "x")


class Desk:
    """Answers the steps of a flow and notes them; both runners are tried."""

    def __init__(self, runner, error=None):
        self.runner, self.error, self.steps = runner, error, []

    def run_flow(self, flow, store=None):
        if self.runner is run:
            return run(flow, Runner(self.send, self.token, self.sleep, store))
        later = map(self.later, (self.send, self.token, self.sleep))
        return asyncio.run(arun(flow, AsyncRunner(*later, store)))

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
        return "what a runner's sleep returns is nobody's business"


@pytest.fixture(params=[run, arun], ids=["run", "arun"])
def desk(request):
    return lambda error=None: Desk(request.param, error)


def test_a_runner_answers_every_kind_of_step_and_returns_the_result(desk):
    def flow():
        token = yield Token()
        response = yield ASK
        nothing = yield Sleep(2.5)
        return token, response, nothing

    runner = desk()
    assert runner.run_flow(flow()) == (SECRET, Response(204), None)
    assert runner.steps == [Token(), ASK, 2.5]


def test_a_call_aside_is_answered_by_what_it_returns(desk):
    def flow():
        return (yield RunInThread(lambda: 7))

    assert desk().run_flow(flow()) == 7


def test_a_call_aside_does_not_block_the_event_loop():
    done = threading.Event()

    def flow():
        return (yield RunInThread(lambda: done.wait(60)))

    async def main():
        runner = Desk(arun)
        waiting = asyncio.ensure_future(arun(flow(), AsyncRunner(runner.send, runner.token, runner.sleep)))
        asyncio.get_running_loop().call_soon(done.set)
        return await waiting

    assert asyncio.run(main())


def test_a_flow_may_end_before_its_first_step(desk):
    def flow():
        return 7
        yield

    assert desk().run_flow(flow()) == 7


def test_an_error_of_ours_is_thrown_into_the_flow_which_may_go_on(desk):
    lost = Unreachable("reset")

    def flow():
        with pytest.raises(Unreachable) as caught:
            yield ASK
        yield Sleep(1)
        return caught.value

    runner = desk(lost)
    assert runner.run_flow(flow()) is lost
    assert runner.steps == [ASK, 1]


def test_an_error_of_ours_that_the_flow_does_not_catch_leaves_it(desk):
    def flow():
        yield ASK

    with pytest.raises(Unreachable, match="reset"):
        desk(Unreachable("reset")).run_flow(flow())


def test_an_error_that_the_flow_raises_leaves_it(desk):
    def flow():
        yield ASK
        raise Refused("no")

    with pytest.raises(Refused, match="no"):
        desk().run_flow(flow())


@pytest.mark.parametrize("store", [None, Memory()], ids=["no store", "a store"])
def test_an_error_that_the_flow_makes_of_another_does_not_hold_its_words(desk, store):
    """Airflow prints the chain of an error; a server's first line may quote our token."""

    def flow():
        try:
            yield ASK
        except Unreachable:
            said = "no answer"
        raise Refused(said)

    with pytest.raises(Refused) as caught:
        desk(Unreachable(f"bad status line: Bearer {SECRET}")).run_flow(flow(), store)

    assert SECRET not in "".join(traceback.format_exception(caught.value))
    assert caught.value.__context__ is None


@pytest.mark.parametrize("error", [ZeroDivisionError("foreign"), KeyboardInterrupt()], ids=repr)
def test_an_error_that_is_not_ours_never_enters_the_flow_but_closes_it(desk, error):
    seen = []

    def flow():
        try:
            yield ASK
        except (ZeroDivisionError, KeyboardInterrupt, Refused) as inside:
            seen.append(inside)
            raise
        finally:
            seen.append("closed")

    with pytest.raises(type(error)):
        desk(error).run_flow(flow())
    assert seen == ["closed"]


def test_every_error_of_ours_may_be_thrown_not_the_unreachable_ones_alone(desk):
    def flow():
        try:
            yield ASK
        except ApiError as error:
            return str(error)

    assert desk(Refused("no")).run_flow(flow()) == "no"


# Flows that remember.

NOTE = {"key": "k-1", "contents": ["a"]}


class Shelf:
    """A store with a tongue: it notes what it is asked, and fails where told to."""

    def __init__(self, error=None, **kept):
        self.error, self.kept, self.calls = error, kept, []

    def get(self, name):
        self.calls.append(("get", name))
        if self.error:
            raise self.error
        return self.kept.get(name)

    def set(self, name, value):
        self.calls.append(("set", name))
        if self.error:
            raise self.error
        self.kept[name] = value


def test_loading_and_saving_are_the_stores_and_all_else_is_the_runners(desk):
    def flow():
        before = yield LoadState("a")
        token = yield Token()
        nothing = yield SaveState("b", NOTE)
        response = yield ASK
        again = yield LoadState("b")
        yield Sleep(2.5)
        return before, token, nothing, response, again

    runner, shelf = desk(), Shelf(a={"old": 1})
    assert runner.run_flow(flow(), shelf) == ({"old": 1}, SECRET, None, Response(204), NOTE)
    assert runner.steps == [Token(), ASK, 2.5]
    assert shelf.calls == [("get", "a"), ("set", "b"), ("get", "b")]


def test_a_value_is_stored_before_the_next_step_is_performed():
    shelf, stored = Shelf(), []

    def flow():
        yield SaveState("a", NOTE)
        yield ASK

    def send(request):
        stored.append(dict(shelf.kept))
        return Response(204)

    run(flow(), Runner(send, lambda _: SECRET, lambda _: None, shelf))
    assert stored == [{"a": NOTE}]


def test_without_a_store_nothing_is_recalled_and_what_is_recorded_is_lost(desk):
    def flow():
        first = yield LoadState("a")
        nothing = yield SaveState("a", NOTE)
        second = yield LoadState("a")
        response = yield ASK
        return first, nothing, second, response

    runner = desk()
    assert runner.run_flow(flow(), None) == (None, None, None, Response(204))
    assert runner.steps == [ASK]


def test_a_store_that_is_empty_is_a_store_all_the_same(desk):
    def flow():
        yield SaveState("a", NOTE)
        return (yield LoadState("a"))

    memory = Memory()
    assert not memory
    assert desk().run_flow(flow(), memory) == NOTE


@pytest.mark.parametrize("store", [None, Shelf()], ids=["no store", "a store"])
def test_a_flow_that_remembers_nothing_is_carried_as_it_is(desk, store):
    def flow():
        token = yield Token()
        response = yield ASK
        return token, response

    runner = desk()
    assert runner.run_flow(flow(), store) == (SECRET, Response(204))
    assert runner.steps == [Token(), ASK]


@pytest.mark.parametrize("store", [None, Shelf()], ids=["no store", "a store"])
def test_a_flow_that_remembers_may_end_before_its_first_step(desk, store):
    def flow():
        return 7
        yield

    assert desk().run_flow(flow(), store) == 7


def test_an_error_of_ours_is_thrown_through_and_may_be_answered_with_a_record(desk):
    lost = Unreachable("reset")

    def flow():
        with pytest.raises(Unreachable) as caught:
            yield ASK
        yield SaveState("a", {"said": str(caught.value)})
        yield Sleep(1)
        return caught.value, (yield LoadState("a"))

    runner, shelf = desk(lost), Shelf()
    assert runner.run_flow(flow(), shelf) == (lost, {"said": "reset"})
    assert runner.steps == [ASK, 1]


def test_an_error_of_ours_that_a_flow_that_remembers_does_not_catch_leaves_it(desk):
    def flow():
        yield ASK
        yield SaveState("a", NOTE)

    shelf = Shelf()
    with pytest.raises(Unreachable, match="reset"):
        desk(Unreachable("reset")).run_flow(flow(), shelf)
    assert shelf.calls == []


def test_an_error_that_a_flow_raises_after_a_recall_leaves_it(desk):
    def flow():
        yield LoadState("a")
        raise Refused("no")

    with pytest.raises(Refused, match="no"):
        desk().run_flow(flow(), Shelf())


def watched(step, seen):
    try:
        yield step
    except (ZeroDivisionError, KeyboardInterrupt, Refused) as inside:
        seen.append(inside)
        raise
    finally:
        seen.append("closed")


@pytest.mark.parametrize("step", [LoadState("a"), SaveState("a", NOTE)], ids=repr)
@pytest.mark.parametrize(
    "error", [ZeroDivisionError("foreign"), Refused("ours"), KeyboardInterrupt()], ids=repr
)
def test_an_error_of_the_store_never_enters_the_flow_but_closes_it(desk, step, error):
    seen = []
    runner = desk()
    with pytest.raises((StoreUnavailable, KeyboardInterrupt)) as caught:
        runner.run_flow(watched(step, seen), Shelf(error))
    assert error in (caught.value, caught.value.__cause__)
    assert seen == ["closed"]
    assert runner.steps == []


def post(method):
    yield Request(method, "/v1/async/orders")
    yield SaveState("a", NOTE)


@pytest.mark.parametrize(
    ("method", "words"),
    [
        ("POST", "^It was sent, but what came of it could not be noted. A retry of the task finds it"),
        ("GET", "^In this try nothing was sent"),
    ],
)
def test_where_the_store_fails_the_error_says_what_was_sent_and_what_a_retry_does(desk, method, words):
    with pytest.raises(StoreUnavailable, match=words) as caught:
        desk().run_flow(post(method), Shelf(ConnectionError("refused " + "x" * 1000)))
    assert caught.value.transient
    assert "The task's state store failed: ConnectionError: refused xx" in str(caught.value)
    assert len(str(caught.value)) < 1000


def test_what_ends_a_task_while_the_store_is_asked_is_not_touched(desk):
    with pytest.raises(KeyboardInterrupt):
        desk().run_flow(post("POST"), Shelf(KeyboardInterrupt()))


@pytest.mark.parametrize("error", [ZeroDivisionError("foreign"), KeyboardInterrupt()], ids=repr)
def test_an_error_of_the_runner_that_is_not_ours_closes_a_flow_that_remembers(desk, error):
    seen = []
    with pytest.raises(type(error)):
        desk(error).run_flow(watched(ASK, seen), Shelf())
    assert seen == ["closed"]
