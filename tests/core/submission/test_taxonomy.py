"""
What each answer to the first POST does: how often the order is sent, under how many keys, what there is then.

A row for each kind of answer, and for each cut of the wire, against the sandbox: the first try, then a retry,
then a try after a clear. Of these two a second row of cells tells what they do where nothing is remembered:
Airflow before 3.3, or a store that was wiped.
"""

from __future__ import annotations

from dataclasses import replace

import pytest

from airflow_provider_zuora.core.errors import Unreachable
from airflow_provider_zuora.core.submission.idempotency_keys import TaskAttempt
from tests.core.runners import Memory
from tests.core.tries import ANSWERS, NUMBERED, ORDER, Zuora, submit

TRIES = (TaskAttempt(1, 2), TaskAttempt(2, 2), TaskAttempt(3, 4, is_cleared=True))

# POSTs/keys in this try, what it returned or raised, how many orders there are then.
ONCE = "0/0 JOB 1"
AGAIN = "1/1 JOB 1"
UNKNOWN = "3/1 OutcomeUnknown 0"
UNKNOWN_MADE = "3/1 OutcomeUnknown 1"

# An answer that speaks for its POST alone, or for nobody: the same key again, and the vendor's own answer.
DECIDED_BY_THE_KEY = (ONCE, ONCE, AGAIN, AGAIN)
# An answer that decides nothing, and is the stored one: no POST under this key will ever tell.
STORED_NOT_MADE = ("4/2 JOB 1", ONCE, ONCE, "3/1 FOUND 1", "3/1 FOUND 1")
STORED_MADE = ("3/1 FOUND 1", "0/0 FOUND 1", "0/0 FOUND 1", "3/1 FOUND 1", "3/1 FOUND 1")
# A refusal of the only POST under its key: final until a clear, which asks under the same key first. Where
# nothing is remembered an earlier POST may have made the order, until the answer is proven to be stored.
REFUSED = ("0/0 Refused 0", "4/2 JOB 1", "4/2 JOB 1", "4/2 JOB 1")

NUMBERED_ROWS = {
    # first try; remembered: retry, clear; not remembered: retry, clear
    "accepted": (AGAIN, *DECIDED_BY_THE_KEY),
    "no answer, not made": ("2/1 JOB 1", *DECIDED_BY_THE_KEY),
    "no answer, made": ("2/1 JOB 1", *DECIDED_BY_THE_KEY),
    "a cut-off body, made": ("2/1 JOB 1", *DECIDED_BY_THE_KEY),
    "a cut-off body, made, busy": ("4/1 JOB 1", *DECIDED_BY_THE_KEY),
    "a gateway's page, not made": ("2/1 JOB 1", *DECIDED_BY_THE_KEY),
    "a gateway's page, made": ("2/1 JOB 1", *DECIDED_BY_THE_KEY),
    "200 without a job": STORED_NOT_MADE,
    "200 without a job, made": STORED_MADE,
    "200 that is no JSON, made": STORED_MADE,
    "success: false without a reason": STORED_NOT_MADE,
    "409 without a code": ("2/1 JOB 1", *DECIDED_BY_THE_KEY),
    "500 without a body": STORED_NOT_MADE,
    "500 with a word": STORED_NOT_MADE,
    "500 with a word, made": STORED_MADE,
    "category 60": STORED_NOT_MADE,
    "category 61": STORED_NOT_MADE,
    "category 61, made": STORED_MADE,
    "category 99, transient": ("2/1 JOB 1", *DECIDED_BY_THE_KEY),
    # The next key, a minute after the lock, is for a retry: it asks under the first key once more.
    "category 50": ("1/1 LockContention 0", "4/2 JOB 1", ONCE, "4/2 JOB 1", "4/2 JOB 1"),
    "category 20": ("1/1 Refused 0", *REFUSED),
    "category 40": ("1/1 NotFound 0", *REFUSED),
    "category 10": ("1/1 Refused 0", *REFUSED),
    "category 90": ("1/1 Refused 0", *REFUSED),
    "429": ("2/1 JOB 1", *DECIDED_BY_THE_KEY),
    "429, stored": ("4/2 JOB 1", ONCE, ONCE, "4/2 JOB 1", "4/2 JOB 1"),
    "401": ("2/1 JOB 1", *DECIDED_BY_THE_KEY),
    "401 permanently": ("2/1 SignInRefused 0", AGAIN, ONCE, AGAIN, AGAIN),
    # What stands in front of the store keeps nothing: the same key is asked under, and makes the order.
    "refused before the store": ("1/1 Refused 0", "0/0 Refused 0", AGAIN, AGAIN, AGAIN),
    "lock before the store": ("1/1 LockContention 0", AGAIN, ONCE, AGAIN, AGAIN),
    "403": ("1/1 TurnedAway 0", AGAIN, ONCE, AGAIN, AGAIN),
    # The key was used for something else: looked up, and not there twice, so a person is asked.
    "422": ("1/1 OutcomeUnknown 0",) * 5,
    "job fails on a lock": ("1/1 JOB 0", AGAIN, ONCE, "2/2 JOB 1", "2/2 JOB 1"),
    # Airflow retries no task after such an end: a try that remembers nothing is one after a clear.
    "job fails permanently": ("1/1 JOB 0", "0/0 JobFailed 0", AGAIN, "2/2 JOB 1", "2/2 JOB 1"),
}
# Without a number nobody can look, and only a person knows.
PLAIN_ROWS = NUMBERED_ROWS | {
    "200 without a job": (UNKNOWN,) * 5,
    "200 without a job, made": (UNKNOWN_MADE,) * 5,
    "200 that is no JSON, made": (UNKNOWN_MADE,) * 5,
    "success: false without a reason": (UNKNOWN,) * 5,
    "500 without a body": (UNKNOWN,) * 5,
    "500 with a word": (UNKNOWN,) * 5,
    "500 with a word, made": (UNKNOWN_MADE,) * 5,
    "category 60": (UNKNOWN,) * 5,
    "category 61": (UNKNOWN,) * 5,
    "category 61, made": (UNKNOWN_MADE,) * 5,
    "422": ("1/1 OutcomeUnknown 0",) * 5,
}


@pytest.fixture(params=[True, False], ids=["remembered", "not remembered"])
def memory(request):
    return Memory() if request.param else None


@pytest.fixture(params=[NUMBERED, ORDER], ids=["numbered", "not numbered"])
def order(request):
    return request.param


def try_once(zuora, memory, attempt, order):
    """Let a try run to its end, and tell what it did."""
    began = len(zuora.keys)
    end = submit(zuora, memory, attempt, order).run().end
    known = {job["jobId"] for job in zuora.ledger["jobs"]}
    word = "JOB" if end in known else "FOUND" if end == "order:O-1" else type(end).__name__
    keys = [key for _, key in zuora.keys[began:] if not key.startswith("control-")]
    return f"{len(keys)}/{len(set(keys))} {word} {len(zuora.made)}"


@pytest.mark.parametrize("name", NUMBERED_ROWS)
def test_what_three_tries_make_of_an_answer(name, order, memory):
    zuora = Zuora(name)
    first, *cells = (NUMBERED_ROWS if order is NUMBERED else PLAIN_ROWS)[name]
    row = [first, *(cells[:2] if memory is not None else cells[2:])]

    assert [try_once(zuora, memory, attempt, order) for attempt in TRIES] == row


def test_every_answer_has_its_row():
    assert set(NUMBERED_ROWS) == set(PLAIN_ROWS) == set(ANSWERS)


@pytest.mark.parametrize("name", ["category 50", "job fails on a lock"])
def test_a_lock_is_retried_under_the_next_key_a_minute_later(name, order, memory):
    zuora = Zuora(name)
    first, retry, _ = TRIES
    submit(zuora, memory, first, order).run()
    began = zuora.clock()

    assert try_once(zuora, memory, retry, order).endswith("JOB 1")
    assert zuora.clock() - began >= 60


def test_no_rest_if_airflows_retry_delay_was_long_enough(order):
    zuora, memory = Zuora("category 50"), Memory()
    first, retry, _ = TRIES
    submit(zuora, memory, first, order).run()
    zuora.clock.now += 61
    began = zuora.clock()

    assert try_once(zuora, memory, retry, order) == "4/2 JOB 1"
    assert zuora.clock() - began < 31  # half a minute, to prove that the lock is stored


def test_no_rest_after_what_is_no_lock(order, memory):
    zuora = Zuora("job fails permanently")
    first, _, clear = TRIES
    submit(zuora, memory, first, order).run()
    began = zuora.clock()

    assert try_once(zuora, memory, clear, order).endswith("JOB 1")
    assert zuora.clock() == began


@pytest.mark.parametrize("waited", [0, 10, 29])
def test_of_the_minute_after_a_lock_what_is_left_is_waited(order, waited):
    """To ask under the first key once more takes half a minute of it."""
    zuora, memory = Zuora("category 50"), Memory()
    first, retry, _ = TRIES
    submit(zuora, memory, first, order).run()
    met = zuora.clock()
    zuora.clock.now += waited
    try_once(zuora, memory, retry, order)

    assert zuora.clock() - met == 60


@pytest.mark.parametrize("attempt", TRIES[1:], ids=["retry", "clear"])
def test_a_job_that_was_started_is_not_started_again(order, memory, attempt):
    zuora = Zuora(job_seconds=1000)
    first = submit(zuora, memory, TRIES[0], order).run().end

    assert submit(zuora, memory, attempt, order).run().end == first
    zuora.clock.now += 2000
    assert submit(zuora, memory, replace(attempt, number=attempt.number + 1), order).run().end == first
    assert zuora.made == [first]


def test_no_answer_at_all_ends_a_try_and_keeps_the_key(order, memory):
    zuora = Zuora(*["no answer, not made"] * 6)
    first, retry, _ = TRIES

    assert isinstance(submit(zuora, memory, first, order).run().end, Unreachable)
    assert try_once(zuora, memory, retry, order) == AGAIN
    assert len({key for _, key in zuora.keys}) == 1


def test_a_vendor_that_says_the_same_under_every_key_is_asked_under_two(memory):
    zuora = Zuora(*["category 61"] * 9)
    end = submit(zuora, memory, TRIES[0]).run().end

    assert end.transient
    assert len({key for _, key in zuora.keys if not key.startswith("control-")}) == 2
