"""Corners of the exactly-once protocol that need a story of their own."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from airflow_provider_zuora.core.attempts import Try
from airflow_provider_zuora.core.errors import (
    ApiError,
    InvalidInput,
    JobFailed,
    OutcomeUnknown,
    Refused,
    SignInRefused,
    Unreachable,
    WrongOrder,
)
from airflow_provider_zuora.core.jobs import JobState
from airflow_provider_zuora.core.submission.api import note_end, submit_order
from airflow_provider_zuora.core.submission.keys import Submitter
from airflow_provider_zuora.core.submission.notes import NAME, Notes
from airflow_provider_zuora.core.submission.submission import EQUAL, Submission
from airflow_provider_zuora.core.wire import Recall, Request
from tests.core.carriers import Memory
from tests.core.tries import ANSWERS, BY, NUMBERED, ORDER, POST, Actor, Zuora, body, stored, submit
from zuora_sandbox import Fault
from zuora_sandbox.order_store import derive_id

HOUR = 3600
FIRST, RETRY = Try(1, 1), Try(2, 1)
CLEARED = Try(2, 2, cleared=True)
EDGE = Fault("POST", POST, status=400, body=body(90000020))
FORBIDDEN = Fault("POST", POST, status=403, body=b'{"code": 403, "message": "Forbidden"}')


@pytest.fixture(params=[NUMBERED, ORDER], ids=["numbered", "not numbered"])
def order(request):
    return request.param


@pytest.fixture(params=[True, False], ids=["remembered", "not remembered"])
def memory(request):
    return Memory() if request.param else None


def killed_after_its_post(zuora, memory, attempt, order=ORDER, **options):
    """Let a try send the order and be killed before it hears of it."""
    sent, actor = len(zuora.keys), submit(zuora, memory, attempt, order, **options)
    while len(zuora.keys) == sent:
        actor.act()
    actor.kill()


class TestAJobThatZuoraNoLongerKnows:
    def forgotten(self, order, seconds, **settings):
        zuora, memory = Zuora(**settings), Memory()
        first = submit(zuora, memory, FIRST, order).run().end
        zuora.clock.now += seconds
        zuora.ledger  # noqa: B018 - what is under way ends
        del zuora.sandbox.state.jobs[first]
        return zuora, memory, first

    def test_is_taken_to_be_there_where_it_was_issued_a_moment_ago(self, order):
        zuora, memory, first = self.forgotten(order, 5)

        assert submit(zuora, memory, RETRY, order).run().end == first

    def test_is_looked_up_by_its_order_and_never_submitted_again(self, order):
        zuora, memory, _ = self.forgotten(order, HOUR)
        end = submit(zuora, memory, CLEARED, order).run().end

        if order is NUMBERED:
            assert end == "order:O-1"
        else:
            assert isinstance(end, OutcomeUnknown)
        assert len(zuora.keys) == 1

    def test_whose_order_is_gone_too_is_left_to_a_person(self):
        zuora, memory, _ = self.forgotten(NUMBERED, HOUR)
        zuora.sandbox.state.order_store.orders.clear()
        for attempt in (CLEARED, Try(3, 4)):
            end = submit(zuora, memory, attempt).run().end
            assert isinstance(end, OutcomeUnknown)
            assert "its job is not known any more" in str(end)
        assert len(zuora.keys) == 1


@pytest.mark.parametrize("seconds", [5, 20 * HOUR])
def test_a_job_that_an_old_key_leads_to_may_not_be_known_yet(memory, order, seconds):
    """It was issued when nobody took note of it, which may have been a moment ago."""
    zuora = Zuora(job_lag_seconds=seconds + 90)
    since = zuora.clock()
    killed_after_its_post(zuora, memory, Try(1, 1, since=since), order)
    zuora.clock.now += seconds
    end = submit(zuora, memory, Try(2, 1, since=since), order).run().end

    assert [end] == zuora.made
    assert {key for _, key in zuora.keys} == {zuora.keys[0][1]}


def test_a_job_that_an_old_key_leads_to_and_nobody_knows_is_looked_up(memory, order):
    zuora = Zuora()
    since = zuora.clock()
    killed_after_its_post(zuora, memory, Try(1, 1, since=since), order)
    zuora.ledger  # noqa: B018 - what is under way ends
    zuora.sandbox.state.jobs.clear()
    began = zuora.clock()
    end = submit(zuora, memory, Try(2, 1, since=since), order).run().end

    assert end == "order:O-1" if order is NUMBERED else isinstance(end, OutcomeUnknown)
    assert zuora.clock() - began >= 600


class TestTheEndIsNoted:
    def test_a_failed_job_is_remembered_when_zuora_has_forgotten_it(self, order):
        zuora, memory = Zuora("job fails for good"), Memory()
        job_id = submit(zuora, memory, FIRST, order).run().end
        job = zuora.run(zuora.client().job(job_id))
        zuora.run(note_end(zuora.client(), FIRST, job), memory)
        del zuora.sandbox.state.jobs[job_id]
        zuora.clock.now += HOUR

        assert isinstance(submit(zuora, memory, RETRY, order).run().end, JobFailed)
        end = submit(zuora, memory, Try(3, 2, cleared=True), order).run().end
        assert end in {job["jobId"] for job in zuora.ledger["jobs"]}
        assert len(zuora.made) == 1

    @pytest.mark.parametrize("killed", [True, False], ids=["its id was not heard", "its id is noted"])
    def test_a_failed_job_is_an_error_in_the_vendors_words(self, order, killed):
        zuora, memory = Zuora("job fails for good"), Memory()
        if killed:
            killed_after_its_post(zuora, memory, FIRST, order)
        else:
            submit(zuora, memory, FIRST, order).run()
        end = submit(zuora, memory, RETRY, order).run().end

        assert type(end) is JobFailed
        assert "Rate plan is not effective" in str(end)
        assert "Rate plan is not effective" not in str(memory)

    def test_only_a_failed_job_of_this_task_is_noted(self):
        zuora, memory = Zuora(), Memory()
        job_id = submit(zuora, memory, FIRST).run().end
        before = dict(memory)
        job = zuora.run(zuora.client().job(job_id))
        zuora.run(note_end(zuora.client(), FIRST, job), memory)
        zuora.run(note_end(zuora.client(), FIRST, job), None)
        failed = replace(job, job_id="another task's", state=JobState.FAILED)
        zuora.run(note_end(zuora.client(), FIRST, failed), memory)

        assert memory == before


class TestRawKey:
    def test_goes_out_as_it_is_and_is_used_up_by_a_refusal(self, order):
        zuora, memory = Zuora("category 20"), Memory()
        assert isinstance(submit(zuora, memory, FIRST, order, raw_key="mine").run().end, Refused)
        end = submit(zuora, memory, CLEARED, order, raw_key="mine").run().end

        assert "raw_idempotency_key mine is used up" in str(end)
        assert isinstance(submit(zuora, memory, Try(3, 4), order, raw_key="other").run().end, str)
        keys = [key for _, key in zuora.keys if not key.startswith("control-")]
        assert list(dict.fromkeys(keys)) == ["mine", "other"]

    def test_that_was_used_for_another_request_says_so(self):
        zuora = Zuora("422")
        end = submit(zuora, Memory(), FIRST, ORDER, raw_key="mine").run().end

        assert isinstance(end, Refused)
        assert str(end) == "The raw_idempotency_key mine was used for another request. Pass another one."

    def test_is_never_sent_again_when_it_is_old(self):
        zuora = Zuora()
        since = zuora.clock()
        zuora.clock.now += 25 * HOUR
        end = submit(zuora, None, Try(2, 1, since=since), raw_key="mine").run().end

        assert "is used up" in str(end)
        assert "it is too old to be sent again" in str(end)
        assert zuora.keys == []

    def test_is_sent_for_a_changed_order_whose_first_try_had_another_one(self, order):
        zuora, memory = Zuora(), Memory()
        killed_after_its_post(zuora, memory, FIRST, order, raw_key="mine")
        submit(zuora, memory, RETRY, order | {"description": "changed"}, raw_key="yours").run()

        assert [key for _, key in zuora.keys] == ["mine", "yours"]

    def test_of_an_order_without_a_number_is_not_sent_again_when_nobody_remembers(self):
        zuora = Zuora()
        since = zuora.clock()
        submit(zuora, None, Try(1, 1, since=since), ORDER, raw_key="mine").run()
        zuora.clock.now += 30 * HOUR
        attempt = Try(2, 2, cleared=True, anew=True, since=since)
        end = submit(zuora, None, attempt, ORDER, raw_key="mine").run().end

        assert isinstance(end, OutcomeUnknown)
        assert len(zuora.keys) == 1

    def test_whose_first_task_had_another_one_is_sent_all_the_same(self, order):
        """What was noted under another key is not of this one."""
        zuora, memory = Zuora(), Memory()
        first = submit(zuora, memory, FIRST, order, raw_key="mine").run().end
        end = submit(zuora, memory, CLEARED, order, raw_key="yours").run().end

        assert end != first
        assert [key for _, key in zuora.keys] == ["mine", "yours"]

    def test_for_two_orders_without_numbers_fails_when_the_first_is_made(self):
        """f14: it led to another order than this one."""
        zuora = Zuora()
        submit(zuora, None, FIRST, ORDER, raw_key="mine").run()
        other = ORDER | {"orderDate": "2024-08-01"}
        end = submit(zuora, None, Try(), other, raw_key="mine").run().end

        assert type(end) is WrongOrder
        assert "The raw_idempotency_key mine led to order O-00000001, of which its orderDate" in str(end)
        assert len(zuora.made) == 1

    def test_for_two_orders_of_two_accounts_fails_when_the_first_is_made(self):
        zuora = Zuora()
        submit(zuora, None, FIRST, ORDER, raw_key="mine").run()
        other = ORDER | {"existingAccountNumber": "A00000098"}
        end = submit(zuora, None, Try(), other, raw_key="mine").run().end

        assert type(end) is WrongOrder

    def test_whose_order_cannot_be_read_is_believed(self, caplog):
        """Its job is there; what was refused is the look at it."""
        zuora = Zuora()
        told = b'{"code": 403, "message": "Forbidden"}'
        zuora.sandbox.add_fault(Fault("GET", "/v1/orders/", status=403, body=told, times=None))
        end = submit(zuora, None, FIRST, ORDER, raw_key="mine").run().end

        assert [end] == zuora.made
        assert "What raw key mine led to cannot be read" in caplog.text

    def test_whose_order_cannot_be_read_in_passing_is_for_the_next_try(self):
        zuora, memory = Zuora(), Memory()
        zuora.sandbox.add_fault(Fault("GET", "/v1/orders/", kind="reset", times=None))
        end = submit(zuora, memory, FIRST, ORDER, raw_key="mine").run().end
        assert end.transient

        zuora.sandbox.state.faults.clear()
        assert [submit(zuora, memory, RETRY, ORDER, raw_key="mine").run().end] == zuora.made

    def test_that_is_not_passed_any_more_leads_to_what_it_led_to(self, order):
        zuora, memory = Zuora(), Memory()
        first = submit(zuora, memory, FIRST, order, raw_key="mine").run().end

        assert submit(zuora, memory, CLEARED, order).run().end == first


def test_an_order_that_came_late_is_found_where_its_next_key_was_refused():
    zuora, memory = Zuora("category 61, made", job_seconds=1000), Memory()
    submit(zuora, memory, FIRST).run()
    zuora.clock.now += 2000
    end = submit(zuora, memory, CLEARED).run().end

    assert end == "order:O-1"
    assert len(zuora.ledger["orders"]) == 1


class TestANextKeyThatIsRefused:
    """It follows on one of which no order was found: that one may have made it, late."""

    def refused(self, first, second="category 20", **settings):
        """Its first key gets a stored answer that decides nothing (three POSTs, a control)."""
        zuora, memory = Zuora(first, *["accepted"] * 3, second, **settings), Memory()
        return zuora, memory, submit(zuora, memory, FIRST).run().end

    @pytest.mark.parametrize("second", ["category 20", "category 50"], ids=["refused", "a lock"])
    def test_is_looked_up_and_the_order_that_came_late_is_found(self, second):
        zuora, _, end = self.refused("category 61, made", second, job_seconds=700)

        assert end == "order:O-1"
        assert len(zuora.ledger["orders"]) == 1

    def test_is_refused_where_there_is_no_order_still(self):
        zuora, memory, end = self.refused("category 61")

        assert type(end) is Refused
        assert zuora.made == []
        assert type(submit(zuora, memory, RETRY).run().end) is Refused

    def test_is_followed_by_another_after_a_clear_where_there_is_no_order_still(self):
        zuora, memory, _ = self.refused("category 61")
        looks = zuora.ledger["requests"]["GET /v1/orders/{orderNumber}"]
        end = submit(zuora, memory, CLEARED).run().end

        assert [end] == zuora.made
        assert zuora.ledger["requests"]["GET /v1/orders/{orderNumber}"] == looks
        assert len({key for _, key in zuora.keys if not key.startswith("control-")}) == 3

    def test_that_is_stored_is_followed_by_another_after_a_clear_without_another_look(self):
        zuora, memory = (
            Zuora("category 61", *["accepted"] * 3, "no answer, not made", "category 20"),
            Memory(),
        )
        first = submit(zuora, memory, FIRST).run().end
        looks = zuora.ledger["requests"]["GET /v1/orders/{orderNumber}"]
        end = submit(zuora, memory, CLEARED).run().end

        assert type(first) is Refused
        assert [end] == zuora.made
        assert looks == zuora.ledger["requests"]["GET /v1/orders/{orderNumber}"] == 4


def test_a_next_key_whose_job_failed_is_followed_by_another_where_there_is_no_order_still(order):
    """f1: the key before it was left as too old, so the order is looked for, if it has a number."""
    zuora, memory = Zuora("403", "job fails for good"), Memory()
    submit(zuora, memory, FIRST, order).run()
    zuora.clock.now += 24 * HOUR
    failed = submit(zuora, memory, CLEARED, order).run().end
    zuora.clock.now += HOUR
    end = submit(zuora, memory, Try(3, 4, cleared=True), order).run().end

    assert failed != end
    assert [end] == zuora.made
    assert len({key for _, key in zuora.keys}) == 3
    looks = zuora.ledger["requests"].get("GET /v1/orders/{orderNumber}", 0)
    assert looks == (2 if order is NUMBERED else 0)


def test_what_was_noted_of_another_account_is_not_used(order, caplog):
    zuora, memory = Zuora(), Memory()
    submit(zuora, memory, FIRST, order).run()
    other = Zuora(credentials=replace(zuora.credentials, base_url="https://rest.other.zuora.com"))
    end = submit(other, memory, CLEARED, order).run().end

    assert [end] == other.made
    assert "is of another account: it is not used" in caplog.text


def test_what_was_noted_of_this_account_is_of_no_other(order, caplog):
    zuora, memory = Zuora(), Memory()
    for attempt in (FIRST, RETRY):
        submit(zuora, memory, attempt, order).run()

    assert "is of another account" not in caplog.text


def test_one_more_key_in_a_try_is_enough():
    zuora = Zuora()
    zuora.script = [stored(500, body(53200061))] * 12
    end = submit(zuora, Memory(), FIRST).run().end

    assert end.transient
    assert len({key for _, key in zuora.keys if not key.startswith("control-")}) == 2


def test_a_try_that_was_killed_when_it_left_a_key_goes_on_to_the_next_one(caplog):
    zuora, memory = Zuora("category 61"), Memory()
    killed = submit(zuora, memory, FIRST)
    while '"absent"' not in json.dumps(memory):
        killed.act()
    killed.kill()
    sent = {key for _, key in zuora.keys}
    caplog.clear()
    end = submit(zuora, memory, RETRY).run().end

    assert [end] == zuora.made
    assert zuora.keys[-1][1] not in sent
    assert "cannot make the order, the next one follows: " in caplog.text
    assert "[53200061]" in caplog.text, "why it was left is noted, and stays so"


def test_what_is_noted_by_nobody_we_know_is_an_error():
    zuora, memory = Zuora(), Memory()
    memory.set(f"{NAME}:1", {"key": "of another package"})
    end = submit(zuora, memory, RETRY).run().end

    assert isinstance(end, OutcomeUnknown)
    assert zuora.keys == []


class TestAUsersKey:
    def test_without_a_time_is_as_old_as_the_run(self):
        zuora = Zuora()
        since, by = zuora.clock(), Submitter("", ("another key",))
        zuora.clock.now += 25 * HOUR
        for attempt in (Try(2, 1, since=since), Try(2, 3, cleared=True, since=since, anew=True)):
            assert isinstance(submit(zuora, None, attempt, ORDER, by=by).run().end, OutcomeUnknown)
        assert zuora.keys == []

    def test_that_ends_in_a_time_is_younger_than_that(self):
        zuora = Zuora()
        since, by = zuora.clock(), Submitter("", ("again-2023-11-15T22:30Z",))
        zuora.clock.now = by.issued_at + 60
        attempt = Try(2, 3, cleared=True, since=since)
        end = submit(zuora, None, attempt, ORDER, by=by).run().end

        assert [end] == zuora.made

    def test_that_ends_in_a_time_long_ago_is_not_sent(self):
        zuora = Zuora()
        since, by = zuora.clock(), Submitter("", ("again-2023-11-15T22:30Z",))
        zuora.clock.now = by.issued_at + 24 * HOUR
        end = submit(zuora, None, Try(2, 3, cleared=True, since=since), ORDER, by=by).run().end

        assert isinstance(end, OutcomeUnknown)
        assert zuora.keys == []

    def test_that_ends_in_a_time_to_come_is_not_sent(self):
        """Nobody can tell how old it is."""
        zuora = Zuora()
        by = Submitter("", ("again-2023-11-15T22:30Z",))
        zuora.clock.now = by.issued_at - HOUR
        end = submit(zuora, None, Try(2, 3, cleared=True, since=0.0), ORDER, by=by).run().end

        assert isinstance(end, OutcomeUnknown)
        assert zuora.keys == []


def test_query_and_key_stay_together_when_return_ids_changes():
    zuora, memory = Zuora(), Memory()
    killed_after_its_post(zuora, memory, FIRST, ORDER, return_ids=False)
    end = submit(zuora, memory, RETRY, ORDER, return_ids=True).run().end

    assert [end] == zuora.made


def test_a_clear_goes_one_key_further_than_what_is_noted(order):
    """Of the next key it knows that nobody sent it: what is stored under that one is its own refusal."""
    zuora, memory = Zuora("category 20"), Memory()
    submit(zuora, memory, FIRST, order).run()
    stored_refusal = ["accepted"] * 4  # under the first key: three times, and the control
    zuora.script = [ANSWERS[each] for each in (*stored_refusal, "no answer, not made", "category 20")]
    end = submit(zuora, memory, Try(3, 5, cleared=True), order).run().end

    assert type(end) is Refused
    keys = dict.fromkeys(key for _, key in zuora.keys if not key.startswith("control-"))
    digest, number = _submission(zuora, order).digest, order.get("orderNumber")
    assert list(keys) == [BY.key(digest, number, each) for each in (0, 1)]


class TestNothingIsNoted:
    """A store that was wiped looks like one that nobody wrote to."""

    def test_within_23_hours_the_first_key_is_sent(self, order):
        zuora = Zuora()
        since = zuora.clock()
        submit(zuora, Memory(), Try(1, 3, since=since), order).run()
        zuora.clock.now += 22 * HOUR
        end = submit(zuora, Memory(), Try(2, 3, since=since, remembers=True), order).run().end

        assert [end] == zuora.made

    def test_later_the_order_is_looked_up_or_a_person_is_asked(self, order):
        zuora = Zuora()
        since = zuora.clock()
        submit(zuora, Memory(), Try(1, 3, since=since), order).run()
        zuora.clock.now += 30 * HOUR
        end = submit(zuora, Memory(), Try(2, 3, since=since, remembers=True), order).run().end

        assert end == "order:O-1" if order is NUMBERED else isinstance(end, OutcomeUnknown)
        assert len(zuora.made) == 1

    def test_an_order_that_is_not_there_is_sent_under_a_key_of_its_window(self):
        zuora = Zuora()
        since = zuora.clock()
        zuora.clock.now += 30 * HOUR
        end = submit(zuora, None, Try(2, 3, since=since)).run().end

        assert [end] == zuora.made
        assert zuora.keys[0][1] == BY.key(_submission(zuora).digest, "O-1", 1000)

    def test_a_key_after_one_that_is_noted_is_of_that_window_too(self, memory):
        """The first try noted nothing: of later keys than the noted one nobody knows either."""
        zuora = Zuora("job fails for good", "job fails for good")
        since = zuora.clock()
        submit(zuora, memory, Try(2, 3, since=since)).run()
        zuora.clock.now += 30 * HOUR
        end = submit(zuora, memory, Try(3, 5, cleared=True, since=since)).run().end

        assert [end] == zuora.made
        digest = _submission(zuora).digest
        assert [key for _, key in zuora.keys] == [BY.key(digest, "O-1", each) for each in (0, 1, 1000)]

    @pytest.mark.parametrize(
        ("attempt", "keys"),
        [
            (Try(2, 9), 2),
            (Try(3, 9), 3),
            (Try(2, 9, cleared=True), 3),
            (Try(2, 9, moved=True), 3),
            (Try(2, 9, cleared=True, moved=True), 3),
            (Try(1, 9, moved=True), 2),
            (Try(1, 9), 1),
        ],
        ids=str,
    )
    def test_each_try_goes_one_key_further(self, attempt, keys):
        """Refused under every key: the last is this try's own, the ones before are those of the others."""
        zuora = Zuora(*["category 20"] * 40)
        end = submit(zuora, None, replace(attempt, since=zuora.clock())).run().end

        assert type(end) is Refused
        sent = dict.fromkeys(key for _, key in zuora.keys if not key.startswith("control-"))
        digest = _submission(zuora).digest
        assert list(sent) == [BY.key(digest, "O-1", each) for each in range(keys)]

    def refuse_to_sign_in(self, zuora):
        zuora.grant = None
        told = b'{"error": "invalid_client"}'
        zuora.sandbox.add_fault(Fault("POST", "/oauth/token", status=401, body=told))

    def test_a_first_try_that_could_not_sign_in_has_sent_nothing(self, order):
        zuora, memory = Zuora(), Memory()
        since = zuora.clock()
        self.refuse_to_sign_in(zuora)
        with pytest.raises(SignInRefused):
            zuora.run(submit_order(zuora.client(), order, BY, Try(1, 3, since=since)), memory)
        zuora.clock.now += 30 * HOUR
        end = submit(zuora, memory, Try(2, 3, since=since), order).run().end

        assert [end] == zuora.made

    def test_a_first_try_that_cannot_sign_in_any_more_keeps_what_it_has_sent(self):
        zuora, memory = Zuora(), Memory()
        first = submit(zuora, memory, FIRST, ORDER).run().end
        self.refuse_to_sign_in(zuora)
        with pytest.raises(SignInRefused):
            zuora.run(submit_order(zuora.client(), ORDER | {"description": "another"}, BY, FIRST), memory)
        zuora.clock.now += 30 * HOUR

        assert submit(zuora, memory, CLEARED, ORDER).run().end == first


def _submission(zuora, order=NUMBERED, attempt=FIRST, **options):
    client = zuora.client()
    request = client.vendor.submission("order", order, {"return_ids": False})
    return Submission(client, order, request, BY, attempt, Notes(attempt), **options)


def test_what_was_noted_of_one_key_is_there_again_when_that_key_comes_back(order):
    zuora, memory = Zuora(), Memory()
    first = submit(zuora, memory, FIRST, order).run().end
    other = Submitter("", ("another key",))
    order_2 = order if order is ORDER else order | {"orderNumber": "O-2"}
    second = submit(zuora, memory, CLEARED, order_2, by=other).run().end
    zuora.clock.now += 30 * HOUR

    assert first != second
    assert submit(zuora, memory, Try(3, 4, cleared=True), order).run().end == first
    assert submit(zuora, memory, Try(4, 6, cleared=True), order_2, by=other).run().end == second
    assert len(zuora.keys) == 2


def test_the_vendors_words_are_raised_and_not_kept():
    zuora, memory = Zuora(), Memory()
    zuora.sandbox.add_fault(stored(400, body(53200020, "Card 4111111111111111 is invalid")))
    end = submit(zuora, memory, FIRST).run().end

    assert "Card *** is invalid" in str(end)
    assert "53200020" in str(memory)
    assert "4111111111111111" not in str(memory)


class TestTwoTriesThatOverlap:
    @pytest.mark.parametrize(
        ("answered", "order", "steps"),
        [
            ("accepted", ORDER, 1),  # about to send
            ("no answer, made", ORDER, 4),  # about to send again
            ("category 61", NUMBERED, 4),
            ("category 61", NUMBERED, 21),  # about to send the next key
            ("category 61, made", NUMBERED, 4),
        ],
    )
    def test_the_earlier_one_sends_nothing_more(self, answered, order, steps):
        zuora, memory = Zuora(answered), Memory()
        overtaken = submit(zuora, memory, FIRST, order).run(steps)
        other = submit(zuora, memory, RETRY, order).run()
        sent = len(zuora.keys)

        assert isinstance(other.end, str)
        end = overtaken.run().end
        assert (len(zuora.keys), len(zuora.made)) == (sent, 1)
        assert end in (other.end, "order:O-1") or end.transient

    def test_the_one_that_has_sent_already_still_tells_what_it_heard(self):
        zuora, memory = Zuora(), Memory()
        first = submit(zuora, memory, FIRST, ORDER)
        while not zuora.keys:
            first.act()
        second = submit(zuora, memory, RETRY, ORDER).run()

        assert first.run().end == second.end
        assert len(zuora.made) == 1

    def test_the_words_of_the_earlier_one_name_both(self):
        zuora, memory = Zuora(), Memory()
        first = submit(zuora, memory, FIRST, ORDER).run(1)
        submit(zuora, memory, RETRY, ORDER).run()

        end = first.run().end
        assert isinstance(end, ApiError)
        assert str(end) == "Try 2 of this task has begun, so this one, number 1, sends nothing more."


class TestARefusalAfterALostAnswer:
    """a01, a03: an earlier POST may have made the order; what comes after it says nothing of that one."""

    @pytest.mark.parametrize(
        ("fault", "kind"),
        [(FORBIDDEN, "403"), (EDGE, "400"), (stored(409, body(53200050)), "lock")],
        ids=["403 without a code", "400 with a code", "a lock"],
    )
    def test_the_order_is_sent_again_under_the_same_key(self, fault, kind, order, memory):
        zuora = Zuora("no answer, made")
        zuora.script.append(replace(fault, when="before"))
        end = submit(zuora, memory, FIRST, order).run().end

        assert [end] == zuora.made
        assert len({key for _, key in zuora.keys}) == 1

    def test_refused_for_ever_it_is_found_or_asked_for(self, order, memory):
        zuora = Zuora("no answer, made")
        zuora.script += [FORBIDDEN] * 30
        end = submit(zuora, memory, FIRST, order).run().end

        if order is NUMBERED:
            assert end == "order:O-1"
        else:
            assert isinstance(end, OutcomeUnknown)
            assert "refused, but an earlier POST under its key may have made it" in str(end)
            assert end.answer.status == 403

    def test_the_next_try_remembers_that_it_went_unanswered(self, order, memory):
        zuora = Zuora()
        since = zuora.clock()
        killed_after_its_post(zuora, memory, Try(1, 1, since=since), order)
        zuora.script = [EDGE] * 30
        end = submit(zuora, memory, Try(2, 1, since=since), order).run().end

        assert end == "order:O-1" if order is NUMBERED else isinstance(end, OutcomeUnknown)
        assert len(zuora.made) == 1

    def test_refused_for_ever_and_not_there_it_is_refused(self):
        zuora = Zuora("no answer, not made")
        zuora.script += [EDGE] * 30
        end = submit(zuora, Memory(), FIRST).run().end

        assert type(end) is Refused
        assert zuora.made == []

    def test_refused_for_ever_without_a_proof_is_followed_by_no_other_key_after_a_clear(self, memory):
        """What is not stored is not this key's answer: sent again, it would make the order."""
        zuora = Zuora()
        since = zuora.clock()
        zuora.script = [ANSWERS["no answer, not made"]]
        killed_after_its_post(zuora, memory, Try(1, 1, since=since), NUMBERED)
        zuora.script = [EDGE] * 30
        end = submit(zuora, memory, replace(CLEARED, since=since)).run().end

        assert type(end) is Refused
        assert len({key for _, key in zuora.keys}) == 1

    def test_turned_away_for_ever_and_not_there_the_next_try_sends_the_same_key(self):
        zuora, memory = Zuora("no answer, not made"), Memory()
        zuora.script += [FORBIDDEN] * 5
        first = submit(zuora, memory, FIRST).run().end
        end = submit(zuora, memory, RETRY).run().end

        assert isinstance(first, Refused)
        assert [end] == zuora.made
        assert len({key for _, key in zuora.keys}) == 1

    def test_the_error_of_a_try_that_ends_so_says_that_the_order_may_exist(self):
        zuora = Zuora("no answer, made")
        zuora.script += [
            Fault("POST", POST, times=2, status=401, body=b'{"message": "Authentication error"}')
        ]
        end = submit(zuora, Memory(), FIRST, ORDER).run().end

        assert isinstance(end, SignInRefused)
        assert "An earlier POST under key af-" in str(end)
        assert "may have made the order: the next try, or a clear, sends the same key again" in str(end)

    @pytest.mark.parametrize("fault", ["429", "lock before the store"])
    def test_that_error_passes_where_the_vendors_does(self, fault):
        zuora = Zuora("no answer, made", *[fault] * 30)
        end = submit(zuora, Memory(), FIRST, ORDER).run().end

        assert end.transient
        assert "An earlier POST under key af-" in str(end)


class TestTheOrderIsThereAlready:
    def test_a_try_that_has_sent_often_enough_looks_once(self):
        zuora = Zuora(*["no answer, made"] * 6)
        end = submit(zuora, Memory(), FIRST).run().end

        assert end == "order:O-1"

    def test_an_order_that_is_not_there_yet_keeps_its_key(self):
        zuora, memory = Zuora(*["no answer, not made"] * 6), Memory()

        assert isinstance(submit(zuora, memory, FIRST).run().end, Unreachable)
        assert isinstance(submit(zuora, memory, RETRY).run().end, str)
        assert len({key for _, key in zuora.keys}) == 1

    def test_an_account_that_cannot_be_read_is_no_proof_that_the_order_is_not_there(self):
        """a30: one `except` for two pages."""
        order = {name: value for name, value in NUMBERED.items() if name != "existingAccountNumber"}
        order |= {"existingAccountId": derive_id("account", "A00000097")}
        zuora = Zuora()
        since = zuora.clock()
        submit(zuora, None, Try(1, 1, since=since), NUMBERED).run()
        zuora.clock.now += 30 * HOUR
        told = body(50000040, "Cannot find entity by key")
        zuora.sandbox.add_fault(Fault("GET", "/v1/accounts/", status=404, body=told, times=None))
        end = submit(zuora, None, Try(2, 2, cleared=True, since=since), order).run().end

        assert isinstance(end, OutcomeUnknown)
        assert "its account cannot be read" in str(end)
        assert len(zuora.keys) == 1

    def test_a_look_up_that_is_refused_is_no_proof_either(self):
        zuora = Zuora("category 61, made")
        zuora.sandbox.add_fault(
            Fault("GET", "/v1/orders/", status=403, body=body(90000010, "No permission"), times=None)
        )
        end = submit(zuora, Memory(), FIRST).run().end

        assert isinstance(end, OutcomeUnknown)
        assert "and it cannot be looked up" in str(end)

    def test_a_look_up_that_fails_in_passing_is_for_the_next_try(self):
        zuora, memory = Zuora("category 61, made"), Memory()
        zuora.sandbox.add_fault(Fault("GET", "/v1/orders/", kind="reset", times=None))
        end = submit(zuora, memory, FIRST).run().end

        assert end.transient
        zuora.sandbox.state.faults.clear()
        assert submit(zuora, memory, RETRY).run().end == "order:O-1"

    @pytest.mark.parametrize("status", [403, 405])
    def test_one_that_cannot_be_looked_up_once_is_for_the_next_try(self, status):
        """f2: the answer is about the GET; the POSTs went without one."""
        zuora, memory = Zuora(*["no answer, made"] * 6), Memory()
        zuora.sandbox.add_fault(Fault("GET", "/v1/orders/", status=status, times=None))
        assert isinstance(submit(zuora, memory, FIRST).run().end, Unreachable)

        zuora.sandbox.state.faults.clear()
        assert submit(zuora, memory, RETRY).run().end in ["order:O-1", *zuora.made]
        assert len(zuora.made) == 1


class TestAJobThatCannotBeRead:
    """f2: its number is known, so that the order is submitted."""

    def after(self, **answer):
        zuora, memory = Zuora(), Memory()
        first = submit(zuora, memory, FIRST, ORDER).run().end
        zuora.sandbox.add_fault(Fault("GET", "/v1/async-jobs/", times=None, **answer))
        return first, submit(zuora, memory, CLEARED, ORDER).run().end

    @pytest.mark.parametrize("status", [403, 405])
    def test_counts_as_under_way(self, status):
        first, end = self.after(status=status)

        assert end == first

    def test_in_passing_is_for_the_next_try(self):
        _, end = self.after(kind="reset")

        assert end.transient


class TestATryThatWasStopped:
    """f12: its machine was paused between its note and its POST; another try may have overtaken it."""

    def stopped(self, zuora, memory, order, seconds):
        """Run a try until it has noted its second POST, and stop it there."""
        actor = submit(zuora, memory, FIRST, order)
        while not (zuora.keys and isinstance(actor.step, Recall)):
            actor.act()
        assert len(zuora.keys) == 1
        zuora.clock.now += seconds
        return actor.run().end

    def test_for_a_quarter_of_an_hour_sends_nothing_more(self, order):
        zuora, memory = Zuora("429"), Memory()

        assert self.stopped(zuora, memory, order, 900).transient
        assert len(zuora.keys) == 1
        assert [submit(zuora, memory, RETRY, order).run().end] == zuora.made
        assert len({key for _, key in zuora.keys}) == 1

    def test_for_a_day_sends_that_key_no_more(self, order):
        zuora = Zuora("429")

        assert [self.stopped(zuora, Memory(), order, 25 * HOUR)] == zuora.made
        assert len({key for _, key in zuora.keys}) == len(zuora.keys) == 2


class TestWindows:
    """a20, a36: no decision hangs on clocks that agree, nor on time that passes in the middle of a walk."""

    @pytest.mark.parametrize("seconds", [-300, -5, 300])
    def test_clocks_that_differ_by_minutes_change_no_key(self, seconds, order):
        zuora = Zuora()
        since = zuora.clock()
        zuora.clock.now += 23 * HOUR - 60
        killed_after_its_post(zuora, None, Try(1, 3, since=since), order)
        zuora.clock.now += seconds
        end = submit(zuora, None, Try(2, 3, since=since), order).run().end

        assert end in [*zuora.made, "order:O-1"] or isinstance(end, OutcomeUnknown)
        assert len(zuora.made) == 1

    def test_a_walk_over_keys_jumps_over_none_in_the_time_that_it_takes(self, order):
        """A lock under the first key; 23 hours are over in its rest, and the second had made the order."""
        zuora = Zuora("category 50")
        since = zuora.clock()
        submit(zuora, None, Try(1, 3, since=since), order).run()
        second = submit(zuora, None, Try(2, 3, since=since), order).run().end
        known = {key for _, key in zuora.keys if not key.startswith("control-")}
        zuora.clock.now = since + 23 * HOUR - 30
        end = submit(zuora, None, Try(3, 5, cleared=True, since=since), order).run().end

        assert end in (second, "order:O-1") if order is NUMBERED else isinstance(end, OutcomeUnknown)
        assert zuora.made == [second]
        assert {key for _, key in zuora.keys if not key.startswith("control-")} == known

    def test_a_walk_that_is_remembered_ends_where_it_did(self, order):
        zuora, memory = Zuora("category 50"), Memory()
        since = zuora.clock()
        submit(zuora, memory, Try(1, 3, since=since), order).run()
        second = submit(zuora, memory, Try(2, 3, since=since), order).run().end
        zuora.clock.now = since + 23 * HOUR - 30
        end = submit(zuora, memory, Try(3, 5, cleared=True, since=since), order).run().end

        assert end == second
        assert zuora.made == [second]

    def test_a_key_that_came_of_age_is_not_sent(self, order, memory):
        zuora = Zuora()
        since = zuora.clock()
        killed_after_its_post(zuora, memory, Try(1, 3, since=since), order)
        zuora.clock.now += 24 * HOUR
        end = submit(zuora, memory, Try(2, 3, since=since), order).run().end

        assert end == "order:O-1" if order is NUMBERED else isinstance(end, OutcomeUnknown)
        assert len(zuora.keys) == 1

    def test_the_question_says_how_old_the_key_is(self):
        zuora, memory = Zuora(), Memory()
        killed_after_its_post(zuora, memory, FIRST)
        zuora.clock.now += 24 * HOUR
        words = str(submit(zuora, memory, RETRY, ORDER).run().end)

        assert "first sent 2023-11-14T22:13:20Z, Track-Ids af-" in words
        assert "again-2023-11-15T22:13Z" in words

    def test_the_question_dates_no_key_whose_run_may_be_of_any_age(self):
        zuora = Zuora()
        words = str(submit(zuora, None, Try(2, 3, since=0.0), ORDER).run().end)

        assert "not sent by this try" in words
        assert "1970" not in words


class TestAMappedTaskOfAClearedRun:
    """Its map index may have had another order before; this one's number was with another task then."""

    MOVED = NUMBERED | {"orderNumber": "O-2"}
    OTHER = replace(BY, position=7)

    def test_takes_the_key_of_its_order_for_one_that_was_sent(self):
        zuora, memory = Zuora(), Memory()
        submit(zuora, memory, FIRST, NUMBERED).run()
        killed_after_its_post(zuora, Memory(), FIRST, self.MOVED, by=self.OTHER)
        zuora.script = [EDGE] * 30
        end = submit(zuora, memory, replace(CLEARED, moved=True), self.MOVED).run().end

        assert end == "order:O-2", "not refused: the other task's POST has made it"
        assert len(zuora.made) == 2

    def test_knows_that_no_other_had_an_order_without_a_number(self):
        """The key of such an order is made of the map index, too."""
        zuora, memory = Zuora(), Memory()
        submit(zuora, memory, FIRST, NUMBERED).run()
        zuora.script = [EDGE]
        end = submit(zuora, memory, replace(CLEARED, moved=True), ORDER).run().end

        assert type(end) is Refused

    def test_knows_that_its_next_key_is_its_own(self):
        zuora, memory = Zuora(), Memory()
        submit(zuora, memory, FIRST, NUMBERED).run()
        zuora.script = [ANSWERS["job fails for good"], EDGE]
        ends = [
            submit(zuora, memory, Try(number, 9, cleared=True, moved=True), self.MOVED).run().end
            for number in (2, 3)
        ]

        assert type(ends[-1]) is Refused, ends


class TestSeveralOrdersOfOneTask:
    """b38: `execute` called in a loop, or twice in a subclass."""

    ORDERS = tuple(ORDER | {"description": each} for each in ("for Berlin", "for Paris", "for Rome"))

    def test_of_one_try_are_several_orders(self, memory):
        zuora = Zuora()
        ends = [submit(zuora, memory, FIRST, each).run().end for each in self.ORDERS]

        assert sorted(ends) == sorted(zuora.made)
        assert len(set(ends)) == 3

    def test_are_found_again_by_a_retry(self, memory):
        zuora = Zuora()
        ends = [submit(zuora, memory, FIRST, each).run().end for each in self.ORDERS]

        assert [submit(zuora, memory, RETRY, each).run().end for each in self.ORDERS] == ends
        assert len(zuora.made) == 3

    def test_of_which_one_has_changed_fail_loudly(self):
        zuora, memory = Zuora(), Memory()
        for each in self.ORDERS:
            submit(zuora, memory, FIRST, each).run()
        end = submit(zuora, memory, RETRY, ORDER | {"description": "for Bonn"}).run().end

        assert isinstance(end, OutcomeUnknown)
        assert "have sent 3 orders without an orderNumber, and this is none of them" in str(end)
        assert len(zuora.keys) == 3

    def test_of_which_one_was_sent_are_never_taken_for_it(self):
        """f9: a loop that was killed after its first; the retry begins with another one."""
        zuora, memory = Zuora(), Memory()
        submit(zuora, memory, FIRST, self.ORDERS[0], sole=False).run()
        end = submit(zuora, memory, RETRY, self.ORDERS[1], sole=False).run().end

        assert isinstance(end, OutcomeUnknown)
        assert "this is none of them" in str(end)
        assert len(zuora.keys) == 1

    @pytest.mark.parametrize("sole", [True, False])
    def test_of_which_one_has_changed_fail_loudly_also_after_one_that_has_not(self, sole):
        zuora, memory = Zuora(), Memory()
        first, second, third = self.ORDERS
        submit(zuora, memory, FIRST, first, sole=sole).run()
        killed_after_its_post(zuora, memory, FIRST, second, sole=sole)
        submit(zuora, memory, RETRY, first, sole=sole).run()
        end = submit(zuora, memory, RETRY, third, sole=sole).run().end

        assert isinstance(end, OutcomeUnknown)
        assert "have sent 1 orders without an orderNumber, and this is none of them" in str(end)
        assert len(zuora.keys) == 2

    def test_of_which_one_was_sent_are_made_after_it(self):
        zuora, memory = Zuora(), Memory()
        first = submit(zuora, memory, FIRST, self.ORDERS[0], sole=False).run().end
        ends = [submit(zuora, memory, RETRY, each, sole=False).run().end for each in self.ORDERS]

        assert ends[0] == first
        assert sorted(ends) == sorted(zuora.made)
        assert len(set(ends)) == 3

    def test_that_are_equal_are_refused_in_one_try(self):
        zuora, memory = Zuora(), Memory()
        first = submit(zuora, memory, FIRST, ORDER, sole=False).run().end
        end = submit(zuora, memory, FIRST, ORDER, sole=False).run().end

        assert isinstance(end, InvalidInput)
        assert end.violations == (EQUAL,)
        assert submit(zuora, memory, RETRY, ORDER, sole=False).run().end == first
        assert len(zuora.keys) == 1

    def test_with_numbers_never_stand_for_each_other(self):
        zuora, memory = Zuora(), Memory()
        submit(zuora, memory, FIRST, NUMBERED).run()
        submit(zuora, memory, FIRST, NUMBERED | {"orderNumber": "O-2"}).run()
        changed = NUMBERED | {"orderNumber": "O-3"}

        assert submit(zuora, memory, RETRY, changed).run().end in zuora.made
        assert len(zuora.made) == 3

    def test_with_one_number_are_that_order_also_where_this_try_has_sent_another_of_them(self):
        zuora, memory = Zuora("403"), Memory()
        first, second, third = (each | {"orderNumber": "O-1"} for each in self.ORDERS)
        submit(zuora, memory, FIRST, first).run()
        killed_after_its_post(zuora, memory, FIRST, second)
        submit(zuora, memory, RETRY, first).run()

        assert [submit(zuora, memory, RETRY, third).run().end] == zuora.made
        assert len({key for _, key in zuora.keys}) == 2


class TestAnOrderThatHasChanged:
    CHANGED = ORDER | {"description": "changed"}

    def test_is_what_the_earlier_try_sent_where_that_is_unknown(self, caplog):
        zuora, memory = Zuora(), Memory()
        killed_after_its_post(zuora, memory, FIRST)
        end = submit(zuora, memory, RETRY, self.CHANGED).run().end

        assert [end] == zuora.made
        assert "may lack these changes: $.description" in caplog.text

    def test_is_another_order_after_a_clear_that_ended_the_first(self):
        zuora, memory = Zuora(), Memory()
        first = submit(zuora, memory, FIRST, ORDER).run().end
        end = submit(zuora, memory, CLEARED, self.CHANGED).run().end

        assert end != first
        assert len(zuora.made) == 2

    def test_is_no_other_order_after_a_clear_that_left_the_first_unknown(self):
        zuora, memory = Zuora(), Memory()
        killed_after_its_post(zuora, memory, FIRST)
        end = submit(zuora, memory, CLEARED, self.CHANGED).run().end

        assert [end] == zuora.made


def test_an_order_of_a_list_whose_turn_comes_late_is_sent_all_the_same(order):
    """A list of many orders is prepared at once, and takes longer than one POST may."""
    zuora = Zuora()
    submission = _submission(zuora, order, alone=False)
    zuora.clock.now += 2 * HOUR
    end = Actor(zuora, None, submission.run()).run().end

    assert [end] == zuora.made


class TestTwoCallsInOneTry:
    """Of two threads, say, or where Airflow starts one try twice."""

    @pytest.mark.parametrize("answer", ["403", "refused before the store", "lock before the store", "429"])
    def test_whoever_is_turned_away_takes_the_job_of_the_other(self, answer, order):
        zuora, memory = Zuora("accepted", *[answer] * 6), Memory()
        first, second = (submit(zuora, memory, FIRST, order) for _ in range(2))
        while not isinstance(second.step, Request):
            second.act()
        first.run()
        second.run()

        assert second.end == first.end
        assert submit(zuora, memory, CLEARED, order).run().end == first.end
        assert len(zuora.made) == 1

    def test_the_job_is_found_among_the_other_submissions_of_the_try(self):
        zuora, memory = Zuora("accepted", "accepted", "403"), Memory()
        submit(zuora, memory, FIRST, ORDER, sole=False).run()
        first, second = (submit(zuora, memory, FIRST, NUMBERED, sole=False) for _ in range(2))
        while not isinstance(second.step, Request):
            second.act()
        first.run()
        second.run()

        assert second.end == first.end
