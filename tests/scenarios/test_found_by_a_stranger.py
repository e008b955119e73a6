"""
Ways to two orders, or to a success without one, that a stranger found who was told to; each as it should be.

Real operators and hooks over real HTTP; time is a number. The same in the small: tests/core/submission.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass

import pytest

from airflow_provider_zuora.exceptions import OutcomeUnknownError, PermanentError, TransientError
from airflow_provider_zuora.hooks.zuora import ZuoraHook
from airflow_provider_zuora.operators.orders import ZuoraCreateOrderOperator, ZuoraCreateOrdersOperator
from tests.conftest import StateStore
from tests.core.runners import Clock
from tests.one_airflow import Airflow, serve_zuora

HOUR = 3600.0
POST = {"method": "POST", "path": "/v1/async/orders"}
LOOKUP = {"method": "GET", "path": "/v1/orders/", "times": None}
JOB = {"method": "GET", "path": "/v1/async-jobs/", "times": None}
LOST = {"when": "after", "kind": "reset"}
PLAIN = {
    "existingAccountNumber": "A00000097",
    "orderDate": "2024-07-01",
    "orderLineItems": [
        {"itemName": "Installation", "itemType": "Services", "quantity": 1, "amountPerUnit": 250}
    ],
}
NUMBERED = PLAIN | {"orderNumber": "O-1"}


def make_body(**body):
    return json.dumps(body).encode()


def make_refusal(code):
    return make_body(success=False, reasons=[{"code": code, "message": "Told so."}])


def make_order(text):
    return PLAIN | {"description": text}


@pytest.fixture
def zuora(clock, monkeypatch):
    """A Zuora that stops no second order by its number: that must not be what our promise rests on."""
    with serve_zuora(clock, monkeypatch, duplicate_order_numbers="accept") as zuora:
        yield zuora


def list_made(zuora):
    return [job["jobId"] for job in zuora.ledger()["jobs"] if job["status"] != "Failed"]


def read_descriptions(zuora):
    """Return the descriptions of the orders that were made, by their jobs."""
    return {each["jobId"]: each["description"] for each in zuora.ledger()["orders"]}


def list_keys(zuora):
    return [post["idempotencyKey"] for post in zuora.posts()]


ONE_OR_LIST = pytest.mark.parametrize("as_list", [False, True], ids=["one", "a list"])


@ONE_OR_LIST
def test_a_key_that_was_left_as_too_old_is_followed_by_another_when_its_job_has_failed(
    clock, monkeypatch, as_list
):
    """f1: it raised KeyError each time, looking for the number of an order that has none."""
    with serve_zuora(clock, monkeypatch, fail_jobs="[40000020]: Rate plan is not effective") as zuora:
        airflow = Airflow(clock, 3.3)
        order = [PLAIN] if as_list else PLAIN
        zuora.fault(**POST, when="before", status=403, body=make_body(code=403, message="Forbidden"))
        with pytest.raises(PermanentError):
            airflow.try_once(order)
        job_ids = []
        for seconds in (24 * HOUR, 300, 300):
            clock.now += seconds
            airflow.clear()
            job_ids.append(str(airflow.try_once(order)))

        assert len(set(job_ids)) == 3
        assert len(set(list_keys(zuora))) == 4


# f2: an answer to a GET says nothing of the order.

TURNED_AWAY = {
    "403": {"status": 403, "body": make_body(code=403, message="Forbidden")},
    "302": {"status": 302},
    "405": {"status": 405},
    "404 about the entity": {"status": 404, "body": make_refusal(90000020)},
    "no permission": {"status": 403, "body": make_refusal(50000010)},
    "401": {"status": 401, "body": make_body(message="Authentication error")},
}


@pytest.mark.parametrize("answer", TURNED_AWAY.values(), ids=TURNED_AWAY)
class TestARefusedLookIsNotTheOrdersRefusal:
    @pytest.fixture
    def submit(self, clock, as_list, tmp_path):
        """Return what executes a task for one order, or for a list of one; no word is of a refusal."""
        airflow = Airflow(clock, 3.3, retries=1)
        refused = tmp_path / "refused.jsonl"
        more = {"on_refusal": "skip", "refused_path": str(refused)} if as_list else {}

        def submit():
            try:
                return airflow.try_once([NUMBERED] if as_list else NUMBERED, **more)
            finally:
                if as_list:
                    assert airflow.states != ["refused"]
                    assert refused.read_text() == ""

        submit.airflow = airflow
        return submit

    @ONE_OR_LIST
    def test_a_try_without_an_answer_that_looks_once_is_for_the_next_try(self, zuora, submit, answer):
        zuora.fault(**POST, **LOST, times=6)
        zuora.fault(**LOOKUP, **answer)
        with pytest.raises(TransientError):
            submit()
        zuora.sandbox.state.faults.clear()
        submit()

        assert len(list_made(zuora)) == 1

    @ONE_OR_LIST
    @pytest.mark.parametrize("cleared", [False, True], ids=["a retry", "a clear"])
    def test_a_job_that_cannot_be_read_is_still_the_orders(self, zuora, clock, submit, answer, cleared):
        first = submit()
        clock.now += 60
        if cleared:
            submit.airflow.clear()
        zuora.fault(**JOB, **answer)
        zuora.fault(**LOOKUP, **answer)

        assert submit() == first
        assert len(zuora.posts()) == 1

    @ONE_OR_LIST
    def test_an_old_key_whose_order_cannot_be_looked_up_is_a_question(self, zuora, clock, submit, answer):
        zuora.fault(**POST, **LOST, times=6)
        zuora.fault(**LOOKUP, kind="reset")
        with pytest.raises(TransientError):
            submit()
        zuora.sandbox.state.faults.clear()
        clock.now += 25 * HOUR
        zuora.fault(**LOOKUP, **answer)
        with pytest.raises(OutcomeUnknownError, match="it cannot be looked up"):
            submit()

        assert len(list_made(zuora)) == 1


OTHERS = {
    "a page": {"status": 403, "body": b"<h1>Forbidden</h1>"},
    "404 of a route": {"status": 404, "body": make_body(message="no Route")},
    "404 of an entity": {"status": 404, "body": make_refusal(90000040)},
    "200 of an entity": {"status": 200, "body": make_refusal(90000020)},
    "a rule": {"status": 400, "body": make_refusal(90000030)},
    "503": {"status": 503},
    "429": {"status": 429},
    "no answer": {"kind": "reset"},
    "a page that is fine": {"status": 200, "body": b"<h1>x</h1>"},
    "nothing": {"status": 200, "body": b"{}"},
    "no order": {"status": 200, "body": make_body(success=True, order=None)},
    "410": {"status": 410},
}


@pytest.mark.parametrize("answer", (TURNED_AWAY | OTHERS).values(), ids=TURNED_AWAY | OTHERS)
def test_an_order_that_is_to_be_adopted_and_cannot_be_looked_up_is_open_or_unknown(
    zuora, clock, tmp_path, answer
):
    """f2: it was called refused, and offered in refused_path for another go."""
    refused = tmp_path / "refused.jsonl"
    options = {"on_existing": "adopt", "on_refusal": "skip", "refused_path": str(refused)}
    Airflow(clock, 3.3, run_id="yesterday").try_once([NUMBERED], **options)
    clock.now += 30 * HOUR
    zuora.fault(**LOOKUP, **answer)
    today = Airflow(clock, 3.3, run_id="today")
    with pytest.raises((TransientError, OutcomeUnknownError)):
        today.try_once([NUMBERED], **options)

    assert today.states in (["open"], ["unknown"])
    assert refused.read_text() == ""
    assert len(zuora.posts()) == 1


class TestARefusalThatNobodyStores:
    """f3: the next key was sent after it; a try whose store was wiped sent the first one: a second order."""

    WAYS = pytest.mark.parametrize(
        ("version", "wipes"),
        [(2.11, False), (3.3, False), (3.3, True), (3.4, False)],
        ids=["2.11", "3.3", "3.3, cleared on success", "3.4"],
    )
    ORDERS = pytest.mark.parametrize("order", [PLAIN, NUMBERED], ids=["not numbered", "numbered"])

    def run(self, clock, airflow, order, *, as_list, cleared):
        """Run the task until it succeeds; a permanent failure is cleared, if it is to be."""
        order = [order] if as_list else order
        while True:
            try:
                return airflow.run(order)
            except PermanentError:
                if not cleared:
                    raise
                clock.now += 300
                airflow.clear()

    @ONE_OR_LIST
    @WAYS
    @ORDERS
    @pytest.mark.parametrize(("status", "code"), [(409, 53200050), (400, 90000030)], ids=["a lock", "a rule"])
    def test_twice_and_then_made_is_one_order_after_a_clear(
        self, zuora, clock, version, wipes, as_list, order, status, code
    ):
        zuora.fault(**POST, when="before", status=status, body=make_refusal(code), times=2)
        airflow = Airflow(clock, version, wipes=wipes, retries=3)
        first = self.run(clock, airflow, order, as_list=as_list, cleared=True)
        clock.now += HOUR
        airflow.clear()

        assert self.run(clock, airflow, order, as_list=as_list, cleared=True) == first
        assert len(list_made(zuora)) == 1

    @ONE_OR_LIST
    @WAYS
    @ORDERS
    @pytest.mark.parametrize("body", [b"<h1>x</h1>", make_body(message="x")], ids=["a page", "JSON"])
    def test_a_422_is_a_question_and_one_order_after_a_clear(
        self, zuora, clock, version, wipes, as_list, order, body
    ):
        zuora.fault(**POST, when="before", status=422, body=body)
        airflow = Airflow(clock, version, wipes=wipes, retries=3)
        with pytest.raises(OutcomeUnknownError, match="its key was used for another request"):
            self.run(clock, airflow, order, as_list=as_list, cleared=False)
        for _ in range(2):
            clock.now += HOUR
            airflow.clear()
            self.run(clock, airflow, order, as_list=as_list, cleared=True)

        assert len(list_made(zuora)) == 1


class TestEqualOrdersOfAList:
    """f4: only their count tells them apart: one less, and the last replaces the one that was taken out."""

    @pytest.mark.parametrize("version", [2.11, 3.3, 3.4])
    def test_of_which_one_is_unknown_are_all_to_be_taken_out(self, zuora, clock, version):
        zuora.fault(**POST, when="before", status=422, body=b"<h1>x</h1>")
        airflow = Airflow(clock, version)
        other = make_order("another")
        with pytest.raises(OutcomeUnknownError) as caught:
            airflow.try_once([PLAIN, PLAIN, other], concurrency=1)

        assert airflow.states == ["unknown", "submitted", "submitted"]
        assert "2. Count how many of the equal orders of the list are there." in str(caught.value)
        assert "3. Take all of them out of the list, and clear the task" in str(caught.value)
        assert "take it out of the list" not in str(caught.value)
        # What the advice leads to: one of the two is there, so that one is missing.
        airflow.clear()
        airflow.run([other])
        Airflow(clock, version, run_id="another").run(PLAIN)
        assert len(list_made(zuora)) == 3

    def test_an_order_that_none_is_equal_to_is_taken_out_alone(self, zuora, clock):
        zuora.fault(**POST, when="before", status=422, body=b"<h1>x</h1>")
        with pytest.raises(OutcomeUnknownError, match=r"2\. It is there: take it out of the list, and clear"):
            Airflow(clock, 3.3).try_once([PLAIN, make_order("another")], concurrency=1)


class AwayStore(StateStore):
    """
    A task's state store that fails from one call on.

    :param at: the first call that fails, from 1.
    :param times: so many calls fail.
    :param done: the failing call is carried out, and nobody hears of it.
    """

    def __init__(self, at, times, *, done):
        super().__init__()
        self.at, self.times, self.done, self.calls = at, times, done, 0

    def get(self, key, default=None):
        return self._call(lambda: StateStore.get(self, key, default))

    def set(self, key, value, *, retention=None):
        return self._call(lambda: StateStore.set(self, key, value, retention=retention))

    def _call(self, do):
        self.calls += 1
        fails = self.at <= self.calls < self.at + self.times
        result = do() if self.done or not fails else None
        if fails:
            raise RuntimeError("the store is away")
        return result


@pytest.mark.parametrize("done", [False, True], ids=["before it is done", "after it was done"])
@pytest.mark.parametrize("times", [1, 99], ids=["once", "always"])
class TestTheStateStoreFails:
    """f5: "nothing was sent" was said of orders that had been, and the XCom of results was never pushed."""

    ORDERS = tuple(make_order(str(index)) for index in range(150))  # a hundred are noted at a time

    def submit(self, clock, at, times, orders, *, done, **options):
        airflow = Airflow(clock, 3.3)
        airflow.store = AwayStore(at, times, done=done)
        try:
            airflow.try_once(orders, **options)
        except TransientError as error:
            return airflow, str(error)
        return airflow, ""

    @pytest.mark.parametrize("at", [1, 2, 3])
    @ONE_OR_LIST
    def test_before_the_first_is_sent_nothing_is(self, zuora, clock, at, times, done, as_list):
        _, words = self.submit(clock, at, times, [PLAIN] if as_list else PLAIN, done=done)

        assert "nothing was sent" in words
        assert zuora.posts() == []

    def test_after_a_single_order_was_sent_it_says_so(self, zuora, clock, times, done):
        airflow, words = self.submit(clock, 4, times, PLAIN, done=done)

        assert words.startswith("It was sent, but what came of it could not be noted.")
        airflow.store.times = 0
        assert [airflow.try_once(PLAIN)] == list_made(zuora)

    def test_after_a_batch_was_sent_the_rest_is_open(self, zuora, clock, times, done):
        airflow, words = self.submit(clock, 4, times, self.ORDERS, done=done)

        assert airflow.states == ["submitted"] * 100 + ["open"] * 50
        assert len(set(list_keys(zuora))) == 100
        assert "50 of 150 orders have no job (100 submitted, 0 refused, 0 unknown, 50 open)" in words
        assert "It was not sent in this try: the task's state store failed" in words
        airflow.store.times = 0
        assert sorted(airflow.try_once(self.ORDERS)) == sorted(list_made(zuora))
        assert len(list_made(zuora)) == 150

    def test_after_all_were_sent_the_list_has_succeeded(self, zuora, clock, times, done):
        airflow, words = self.submit(clock, 4, times, self.ORDERS[:5], done=done)

        assert words == ""
        assert airflow.states == ["submitted"] * 5
        airflow.store.times = 0
        assert sorted(airflow.try_once(self.ORDERS[:5])) == sorted(list_made(zuora))
        assert len(list_made(zuora)) == 5

    @pytest.mark.parametrize("at", [9, 11])
    @pytest.mark.parametrize("concurrency", [1, 20])
    def test_when_one_order_is_noted_by_itself_the_others_go_on(
        self, zuora, clock, times, done, at, concurrency
    ):
        """One that an earlier try left refused is in no batch: it writes when it is asked again."""
        orders = self.ORDERS[:3]
        zuora.fault(**POST, when="instead", status=400, body=make_refusal(53200020))
        airflow = Airflow(clock, 3.3)
        with pytest.raises(PermanentError):
            airflow.try_once(orders, concurrency=1)
        store = AwayStore(at, times, done=done)
        airflow.store, store.kept = store, airflow.store.kept
        airflow.clear()
        with pytest.raises(TransientError, match=r"1 of 3 orders have no job \(2 submitted, 0 refused"):
            airflow.try_once(orders, concurrency=concurrency)
        assert sorted(airflow.states) == ["open", "submitted", "submitted"]

        store.times = 0
        for _ in range(2):  # Zuora repeats its refusal to a try that has not heard of it
            airflow.clear()
            with suppress(PermanentError):
                airflow.run(orders)
        assert airflow.states == ["submitted"] * 3
        assert len(list_made(zuora)) == 3


class Loop(ZuoraCreateOrderOperator):
    """An operator that submits several orders, as many as it is told."""

    todo = ""

    def execute(self, context):
        job_ids = {}
        for text in self.todo:
            self.order = make_order(text)
            job_ids[text] = super().execute(context)
        return job_ids


class TestALoopOverOrdersWithoutNumbers:
    """f9: a try that was killed after the first: a retry took the others for that one, changed."""

    @pytest.fixture(params=["hook", "subclass"])
    def loop(self, request):
        def by_hook(context, todo):
            hook = ZuoraHook()
            return {text: hook.create_order(make_order(text), context=context) for text in todo}

        def by_subclass(context, todo):
            task = Loop(task_id="submit", order={})
            task.todo = todo
            return task.execute(context)

        return by_hook if request.param == "hook" else by_subclass

    def go(self, airflow, loop, todo):
        airflow.number += 1
        return loop(airflow.context(), todo)

    @pytest.mark.parametrize("todo", ["abc", "bca", "cab"])
    def test_makes_each_in_whatever_order_where_nothing_is_noted(self, zuora, clock, loop, todo):
        airflow = Airflow(clock, 2.11, retries=3)
        self.go(airflow, loop, "a")
        job_ids = self.go(airflow, loop, todo)

        assert read_descriptions(zuora) == {job_id: text for text, job_id in job_ids.items()}

    def test_in_the_same_order_makes_the_rest(self, zuora, clock, loop):
        airflow = Airflow(clock, 3.3, retries=3)
        first = self.go(airflow, loop, "a")
        job_ids = self.go(airflow, loop, "abc")

        assert job_ids["a"] == first["a"]
        assert read_descriptions(zuora) == {job_id: text for text, job_id in job_ids.items()}

    @pytest.mark.parametrize("todo", ["bca", "cab"])
    def test_with_another_order_first_is_a_question(self, zuora, clock, loop, todo):
        airflow = Airflow(clock, 3.3, retries=3)
        self.go(airflow, loop, "a")
        with pytest.raises(OutcomeUnknownError, match="this is none of them"):
            self.go(airflow, loop, todo)

        assert list(read_descriptions(zuora).values()) == ["a"]


def test_the_only_order_of_an_operator_is_the_same_one_when_a_template_has_changed_it(zuora, clock):
    """f9, its other side: `{{ ts }}` in a description makes no second order in a retry."""
    airflow = Airflow(clock, 3.3)
    first = airflow.try_once(make_order("at 10:00"))
    clock.now += 300

    assert airflow.try_once(make_order("at 10:05")) == first
    assert list(read_descriptions(zuora).values()) == ["at 10:00"]


class TestASecondListOfATask:
    """f10: an order that equals one of the first list was not sent, and called submitted."""

    WORDS = (
        "Nothing was sent.\norders[0]: order: this task has submitted an equal one; give each an orderNumber"
    )

    @pytest.mark.parametrize("version", [2.11, 3.3, 3.4])
    def test_with_an_equal_order_is_refused_by_a_hook(self, zuora, clock, version):
        hook, airflow = ZuoraHook(), Airflow(clock, version)
        airflow.number += 1
        context = airflow.context()
        hook.create_orders([PLAIN, PLAIN], context=context)
        with pytest.raises(PermanentError) as caught:
            hook.create_orders([PLAIN, make_order("another")], context=context)

        assert str(caught.value).startswith(self.WORDS)
        assert len(zuora.posts()) == 2

    @pytest.mark.parametrize("version", [2.11, 3.3, 3.4])
    def test_with_an_equal_order_is_refused_by_another_hook(self, zuora, clock, version):
        airflow = Airflow(clock, version)
        airflow.number += 1
        context = airflow.context()
        ZuoraHook().create_orders([PLAIN, PLAIN], context=context)
        with pytest.raises(PermanentError) as caught:
            ZuoraHook().create_orders([PLAIN, make_order("another")], context=context)

        assert str(caught.value).startswith(self.WORDS)
        assert len(zuora.posts()) == 2

    @pytest.mark.parametrize("version", [2.11, 3.3])
    def test_with_an_equal_order_is_refused_by_an_operator(self, zuora, clock, version):
        class Two(ZuoraCreateOrdersOperator):
            def execute(self, context):
                for orders in ([PLAIN, PLAIN], [PLAIN]):
                    self.orders = orders
                    super().execute(context)

        airflow = Airflow(clock, version)
        airflow.number += 1
        with pytest.raises(PermanentError, match="this task has submitted an equal one"):
            Two(task_id="submit", orders=[]).execute(airflow.context())

        assert len(zuora.posts()) == 2

    @pytest.mark.parametrize("version", [2.11, 3.3])
    def test_with_other_orders_and_numbers_is_submitted(self, zuora, clock, version):
        hook, airflow = ZuoraHook(), Airflow(clock, version)
        airflow.number += 1
        context = airflow.context()
        hook.create_orders([PLAIN, NUMBERED], context=context)
        entries = hook.create_orders([make_order("another"), NUMBERED], context=context)

        assert [entry.state for entry in entries] == ["submitted"] * 2
        assert len(list_made(zuora)) == 3

    def test_a_retry_may_send_what_was_left_open(self, zuora, clock):
        hook, airflow = ZuoraHook(), Airflow(clock, 3.3)
        airflow.number += 1
        zuora.fault(**POST, when="before", kind="reset", times=6)
        [entry] = hook.create_orders([PLAIN], context=airflow.context())
        assert entry.state == "open"
        [entry] = hook.create_orders([PLAIN], context=airflow.context())

        assert [entry.job_id] == list_made(zuora)


@dataclass
class Stopped(Clock):
    """
    The clock of a worker that is stopped in its first pause; another try runs meanwhile.

    :param meanwhile: what happens while it is stopped; None: nothing does any more.
    """

    meanwhile: Callable[[], None] | None = None

    def sleep(self, seconds):
        super().sleep(seconds)
        meanwhile, self.meanwhile = self.meanwhile, None
        if meanwhile:
            meanwhile()


ASLEEP_OR_DEFERRED = pytest.mark.parametrize("deferrable", [False, True], ids=["asleep", "deferred"])


class TestATryThatWasStopped:
    """f12: it woke up when another try had gone on to the next key, and sent the first one."""

    @pytest.fixture
    def clock(self):
        return Stopped()

    LIMIT = POST | {"when": "before", "status": 429, "headers": {"Retry-After": "200"}}

    @ASLEEP_OR_DEFERRED
    @pytest.mark.parametrize("version", [2.11, 3.3, 3.4])
    @pytest.mark.parametrize("order", [PLAIN, NUMBERED], ids=["not numbered", "numbered"])
    def test_for_a_quarter_of_an_hour_sends_nothing_more(self, zuora, clock, version, order, deferrable):
        airflow = Airflow(clock, version)
        zuora.fault(**self.LIMIT)
        clock.meanwhile = lambda: clock.sleep(900)
        with pytest.raises(TransientError):
            airflow.try_once(order, deferrable=deferrable)
        assert len(zuora.posts()) == 1

        assert [airflow.try_once(order, deferrable=deferrable)] == list_made(zuora)
        assert len(set(list_keys(zuora))) == 1

    @ASLEEP_OR_DEFERRED
    @pytest.mark.parametrize("version", [2.11, 3.3, 3.4])
    def test_while_another_one_went_on_to_the_next_key_makes_no_second_order(
        self, zuora, clock, version, deferrable
    ):
        airflow = Airflow(clock, version, retries=3)
        began = clock.now
        clock.now += 23 * HOUR - 300
        zuora.fault(**self.LIMIT, times=None)
        ends = []

        def another():
            clock.now = max(clock.now, began + 23 * HOUR + 60)
            zuora.sandbox.state.faults.clear()
            airflow.number += 1
            context = airflow.context()  # by a hook: an operator of Airflow 2 runs in the main thread only
            submit = lambda: ends.append(ZuoraHook().create_order(NUMBERED, context=context))  # noqa: E731
            thread = threading.Thread(target=submit)
            thread.start()
            thread.join()

        clock.meanwhile = another
        with pytest.raises(TransientError):
            airflow.try_once(NUMBERED, deferrable=deferrable)

        assert ends == list_made(zuora)
        assert len(ends) == 1


@pytest.mark.parametrize("version", [2.11, 3.3])
def test_one_raw_key_for_two_orders_fails_when_the_job_of_the_first_has_ended(zuora, clock, version):
    """f14: the second succeeded with the first one's job."""
    order, other = make_order("Berlin"), make_order("Paris") | {"orderDate": "2024-08-01"}
    first = Airflow(clock, version, run_id="one").run(order, raw_idempotency_key="K")
    with pytest.raises(PermanentError, match="raw_idempotency_key K led to order O-00000001, of which its"):
        Airflow(clock, version, run_id="two").run(other, raw_idempotency_key="K")
    assert Airflow(clock, version, run_id="three").run(order, raw_idempotency_key="K") == first

    assert list(read_descriptions(zuora).values()) == ["Berlin"]


class TestALookUpThatIsRedirected:
    """f18: a 404 of the page that it was led to was mistaken for "there is no such order"."""

    @pytest.fixture(autouse=True)
    def yesterday(self, zuora, clock):
        airflow = Airflow(clock, 2.11)
        airflow.run([NUMBERED])
        clock.now += 30 * HOUR
        zuora.fault(**LOOKUP, status=302, headers={"Location": "/login"})
        return airflow

    def test_says_nothing_of_an_order_that_is_to_be_adopted(self, zuora, clock):
        today = Airflow(clock, 2.11, run_id="today")
        with pytest.raises(TransientError):
            today.try_once([NUMBERED], on_existing="adopt")

        assert today.states == ["open"]
        assert len(zuora.posts()) == 1

    def test_says_nothing_of_an_order_whose_key_is_too_old(self, zuora, yesterday):
        yesterday.clear()
        with pytest.raises(TransientError):
            yesterday.try_once([NUMBERED])

        assert len(zuora.posts()) == 1
