"""Tries, and calls of one try, that submit at the same time."""

from __future__ import annotations

from dataclasses import replace

import pytest

from airflow_provider_zuora.core.errors import (
    ApiError,
)
from airflow_provider_zuora.core.flow import LoadState
from airflow_provider_zuora.core.messages import Request
from tests.core.runners import Memory
from tests.core.submission.stories import (
    CLEARED,
    FIRST,
    HOUR,
    RETRY,
)
from tests.core.tries import NUMBERED, ORDER, Zuora, submit


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

    def test_the_one_that_has_sent_already_still_notes_its_answer(self):
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


class TestATryThatWasStopped:
    """f12: its machine was paused between its note and its POST; another try may have overtaken it."""

    def stopped(self, zuora, memory, order, seconds):
        """Run a try until it has noted its second POST, and stop it there."""
        actor = submit(zuora, memory, FIRST, order)
        while not (zuora.keys and isinstance(actor.step, LoadState)):
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
        zuora, memory = Zuora("429"), Memory()

        assert self.stopped(zuora, memory, order, 25 * HOUR).transient
        assert [submit(zuora, memory, RETRY, order).run().end] == zuora.made
        assert len({key for _, key in zuora.keys}) == len(zuora.keys) == 2

    def test_for_almost_a_day_begins_no_other_key_beside_one_that_has_overtaken_it(self, order):
        """Found by the explorer: without a state store neither of the two knows of the other."""
        zuora = Zuora("429", "429", "429")
        first, second = (
            submit(zuora, None, replace(each, since=zuora.clock()), order) for each in (FIRST, RETRY)
        )
        while len(zuora.keys) < 2:
            first.act()
        zuora.clock.now += 23 * HOUR - 30  # each is about to send
        first.act()
        second.run()
        first.run()

        assert len(zuora.made) == 1
        assert first.end.transient


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
        submit(zuora, memory, FIRST, ORDER, is_sole=False).run()
        first, second = (submit(zuora, memory, FIRST, NUMBERED, is_sole=False) for _ in range(2))
        while not isinstance(second.step, Request):
            second.act()
        first.run()
        second.run()

        assert second.end == first.end
