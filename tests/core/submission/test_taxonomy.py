"""What each answer to a POST does: how often it is sent, under how many keys, whether there is an order.

A row for each row of the taxonomy of Zuora's errors, and for each cut of the wire; the first try of a task
(twice: with and without a state store), then a retry, then a try after a clear, all against the sandbox.
"""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from airflow_provider_zuora.core.attempts import Try
from airflow_provider_zuora.core.errors import (
    JobFailed,
    LockContention,
    NotFound,
    OutcomeUnknown,
    Refused,
    SignInRefused,
    Unreachable,
)
from tests.core.carriers import Memory
from tests.core.tries import ANSWERS, NUMBERED, ORDER, Zuora, submit

FIRST, RETRY = Try(1, 2), Try(2, 2)
CLEARED = Try(3, 4, cleared=True)
JOB = "a job id"
FOUND = "order:O-1"


@dataclass(frozen=True)
class Row:
    """
    What the first try does.

    :param posts: POSTs of the first try, ``keys``: how many different keys they had.
    :param end: what it returned, or the error that it raised.
    :param made: orders that there are then.
    :param plain: the same for an order without a number, where that differs.
    """

    posts: int
    keys: int
    end: object
    made: int
    plain: tuple[int, int, object, int] | None = None

    def of(self, order):
        told = (self.posts, self.keys, self.end, self.made)
        return told if order is NUMBERED or self.plain is None else self.plain


UNKNOWN = (2, 1, OutcomeUnknown, 0)
ROWS = {
    "accepted": Row(1, 1, JOB, 1),
    "no answer, not made": Row(2, 1, JOB, 1),
    "no answer, made": Row(2, 1, JOB, 1),
    "a cut-off body, made": Row(2, 1, JOB, 1),
    "a cut-off body, made, busy": Row(4, 1, JOB, 1),
    "a gateway's page, not made": Row(2, 1, JOB, 1),
    "a gateway's page, made": Row(2, 1, JOB, 1),
    "200 without a job": Row(3, 2, JOB, 1, UNKNOWN),
    "200 without a job, made": Row(2, 1, FOUND, 1, (2, 1, OutcomeUnknown, 1)),
    "200 that is no JSON, made": Row(2, 1, FOUND, 1, (2, 1, OutcomeUnknown, 1)),
    "success: false without a reason": Row(3, 2, JOB, 1, UNKNOWN),
    "409 without a code": Row(2, 1, JOB, 1),
    "500 without a body": Row(3, 2, JOB, 1, UNKNOWN),
    "500 with a word": Row(3, 2, JOB, 1, UNKNOWN),
    "500 with a word, made": Row(2, 1, FOUND, 1, (2, 1, OutcomeUnknown, 1)),
    "category 60": Row(3, 2, JOB, 1, UNKNOWN),
    "category 61": Row(3, 2, JOB, 1, UNKNOWN),
    "category 61, made": Row(2, 1, FOUND, 1, (2, 1, OutcomeUnknown, 1)),
    "category 99, passing": Row(2, 1, JOB, 1),
    "category 50": Row(1, 1, LockContention, 0),
    "category 20": Row(1, 1, Refused, 0),
    "category 40": Row(1, 1, NotFound, 0),
    "category 10": Row(1, 1, Refused, 0),
    "category 90": Row(1, 1, Refused, 0),
    "422": Row(1, 1, Refused, 0),
    "429": Row(2, 1, JOB, 1),
    "429, stored": Row(3, 2, JOB, 1),
    "401": Row(2, 1, JOB, 1),
    "401 for good": Row(2, 1, SignInRefused, 0),
    "job fails on a lock": Row(1, 1, JOB, 0),
    "job fails for good": Row(1, 1, JOB, 0),
}


def ended(zuora, actor):
    end = actor.run().end
    known = {job["jobId"] for job in zuora.ledger["jobs"]}
    return JOB if end in known else end if isinstance(end, str) else type(end)


@pytest.mark.parametrize("memory", [True, False], ids=["state store", "no state store"])
@pytest.mark.parametrize("order", [NUMBERED, ORDER], ids=["numbered", "not numbered"])
@pytest.mark.parametrize("name", ROWS)
def test_a_first_try(name, order, memory):
    zuora = Zuora(name)
    end = ended(zuora, submit(zuora, Memory() if memory else None, FIRST, order))
    posts = [key for _, key in zuora.keys]

    assert (len(posts), len(set(posts)), end, len(zuora.made)) == ROWS[name].of(order)


def test_every_answer_has_its_row():
    assert set(ROWS) == set(ANSWERS)


class TestTheNextTry:
    """What a retry, and a try after a clear, make of the first one's end."""

    @pytest.fixture(params=[True, False], ids=["state store", "no state store"])
    def memory(self, request):
        return Memory() if request.param else None

    @pytest.fixture(params=[NUMBERED, ORDER], ids=["numbered", "not numbered"])
    def order(self, request):
        return request.param

    @pytest.mark.parametrize("name", ["category 50", "job fails on a lock"])
    def test_a_lock_is_retried_under_the_next_key_a_minute_later(self, name, order, memory):
        zuora = Zuora(name)
        ended(zuora, submit(zuora, memory, FIRST, order))
        began = zuora.clock()

        assert ended(zuora, submit(zuora, memory, RETRY, order)) == JOB
        assert len({key for _, key in zuora.keys}) == 2
        assert zuora.clock() - began >= 60
        assert len(zuora.made) == 1

    def test_no_rest_where_airflows_retry_delay_was_long_enough(self, order):
        zuora, memory = Zuora("category 50"), Memory()
        ended(zuora, submit(zuora, memory, FIRST, order))
        zuora.clock.now += 61
        began = zuora.clock()

        assert ended(zuora, submit(zuora, memory, RETRY, order)) == JOB
        assert zuora.clock() == began

    @pytest.mark.parametrize("name", ["category 20", "category 40", "category 10", "category 90", "422"])
    def test_a_refusal_is_final_until_the_task_is_cleared(self, name, order, memory):
        zuora = Zuora(name)
        ended(zuora, submit(zuora, memory, FIRST, order))

        assert ended(zuora, submit(zuora, memory, RETRY, order)) in (Refused, NotFound)
        assert zuora.made == []
        assert ended(zuora, submit(zuora, memory, CLEARED, order)) == JOB
        assert len(zuora.made) == 1

    def test_a_failed_job_is_final_until_the_task_is_cleared(self, order, memory):
        zuora = Zuora("job fails for good")
        ended(zuora, submit(zuora, memory, FIRST, order))

        assert ended(zuora, submit(zuora, memory, RETRY, order)) is JobFailed
        assert len(zuora.keys) == (1 if memory is not None else 2)
        assert ended(zuora, submit(zuora, memory, CLEARED, order)) == JOB
        assert len(zuora.made) == 1

    @pytest.mark.parametrize("attempt", [RETRY, CLEARED], ids=["retry", "clear"])
    def test_a_job_that_was_started_is_not_started_again(self, order, memory, attempt):
        zuora = Zuora(job_seconds=1000)
        first = submit(zuora, memory, FIRST, order).run().end

        assert submit(zuora, memory, attempt, order).run().end == first
        zuora.clock.now += 2000
        assert submit(zuora, memory, attempt, order).run().end == first
        assert zuora.made == [first]

    def test_no_answer_at_all_ends_a_try_and_keeps_the_key(self, order, memory):
        zuora = Zuora(*["no answer, not made"] * 6)

        assert ended(zuora, submit(zuora, memory, FIRST, order)) is Unreachable
        assert ended(zuora, submit(zuora, memory, RETRY, order)) == JOB
        assert len({key for _, key in zuora.keys}) == 1

    def test_a_vendor_that_says_the_same_under_every_key_is_asked_under_two(self, memory):
        zuora = Zuora(*["category 61"] * 9)
        zuora.script = [ANSWERS["category 61"]] * 9

        error = submit(zuora, memory, FIRST).run().end
        assert error.transient
        assert len({key for _, key in zuora.keys}) == 2
