"""Which key follows a key that cannot make the order, and when."""

from __future__ import annotations

import json
import re
from dataclasses import replace

import pytest

from airflow_provider_zuora.core.errors import (
    OutcomeUnknown,
    Refused,
    SignInRefused,
    TurnedAway,
)
from airflow_provider_zuora.core.messages import Request
from airflow_provider_zuora.core.submission.idempotency_keys import TaskAttempt
from airflow_provider_zuora.core.submission.submission import submit_order
from airflow_provider_zuora.core.vendors.zuora.order_rules import check_order
from tests.core.runners import Memory
from tests.core.submission.stories import (
    CLEARED,
    EDGE,
    FIRST,
    HOUR,
    RETRY,
    kill_after_post,
    prepare,
)
from tests.core.tries import ANSWERS, BY, NUMBERED, ORDER, Zuora, body, store_answer, submit
from zuora_sandbox import Fault


def test_an_order_that_came_late_is_found_if_its_next_key_was_refused():
    zuora, memory = Zuora("category 61, made", job_seconds=1000), Memory()
    submit(zuora, memory, FIRST).run()
    zuora.clock.now += 2000
    end = submit(zuora, memory, CLEARED).run().end

    assert end == "order:O-1"
    assert len(zuora.ledger["orders"]) == 1


def test_an_order_that_came_late_is_found_before_a_key_that_is_too_old_is_left():
    """A try stands still before its POST; the next one is turned away, and finds no order, twice."""
    zuora, memory = Zuora("403", duplicate_order_numbers="accept"), Memory()
    stopped, turned_away = submit(zuora, memory, FIRST), submit(zuora, memory, RETRY)
    for actor in (stopped, turned_away):
        while not isinstance(actor.step, Request):
            actor.act()
    turned_away.act()
    zuora.clock.now += 23 * HOUR - 30
    turned_away.run()
    stopped.run()
    end = submit(zuora, memory, TaskAttempt(3, 5, is_cleared=True)).run().end

    assert type(turned_away.end) is TurnedAway
    assert zuora.made == [stopped.end]
    assert end == "order:O-1"


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

    def test_is_refused_if_there_is_no_order_still(self):
        zuora, memory, end = self.refused("category 61")

        assert type(end) is Refused
        assert zuora.made == []
        assert type(submit(zuora, memory, RETRY).run().end) is Refused

    def test_is_followed_by_another_after_a_clear_if_there_is_no_order_still(self):
        zuora, memory, _ = self.refused("category 61")
        lookups = zuora.ledger["requests"]["GET /v1/orders/{orderNumber}"]
        end = submit(zuora, memory, CLEARED).run().end

        assert [end] == zuora.made
        assert zuora.ledger["requests"]["GET /v1/orders/{orderNumber}"] == lookups
        assert len({key for _, key in zuora.keys if not key.startswith("control-")}) == 3

    def test_that_is_stored_is_followed_by_another_after_a_clear_without_another_look_up(self):
        zuora, memory = (
            Zuora("category 61", *["accepted"] * 3, "no answer, not made", "category 20"),
            Memory(),
        )
        first = submit(zuora, memory, FIRST).run().end
        lookups = zuora.ledger["requests"]["GET /v1/orders/{orderNumber}"]
        end = submit(zuora, memory, CLEARED).run().end

        assert type(first) is Refused
        assert [end] == zuora.made
        assert lookups == zuora.ledger["requests"]["GET /v1/orders/{orderNumber}"] == 4


def test_a_next_key_whose_job_failed_is_followed_by_another_if_there_is_no_order_still(order):
    """f1: the key before it was left as too old, so the order is looked for, if it has a number."""
    zuora, memory = Zuora("403", "job fails permanently"), Memory()
    submit(zuora, memory, FIRST, order).run()
    zuora.clock.now += 24 * HOUR
    failed = submit(zuora, memory, CLEARED, order).run().end
    zuora.clock.now += HOUR
    end = submit(zuora, memory, TaskAttempt(3, 4, is_cleared=True), order).run().end

    assert failed != end
    assert [end] == zuora.made
    assert len({key for _, key in zuora.keys}) == 3
    lookups = zuora.ledger["requests"].get("GET /v1/orders/{orderNumber}", 0)
    assert lookups == (2 if order is NUMBERED else 0)


def test_one_more_key_in_a_try_is_enough():
    zuora = Zuora()
    zuora.script = [store_answer(500, body(53200061))] * 12
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


def test_a_clear_goes_one_key_further_than_what_is_noted(order):
    """Of the next key it knows that nobody sent it: what is stored under that one is its own refusal."""
    zuora, memory = Zuora("category 20"), Memory()
    submit(zuora, memory, FIRST, order).run()
    stored_refusal = ["accepted"] * 4  # under the first key: three times, and the control
    zuora.script = [ANSWERS[each] for each in (*stored_refusal, "no answer, not made", "category 20")]
    end = submit(zuora, memory, TaskAttempt(3, 5, is_cleared=True), order).run().end

    assert type(end) is Refused
    keys = dict.fromkeys(key for _, key in zuora.keys if not key.startswith("control-"))
    digest, number = prepare(zuora, order).keys.digest, order.get("orderNumber")
    assert list(keys) == [BY.key(digest, number, each) for each in (0, 1)]


class TestNothingIsNoted:
    """A store that was wiped is like one that nothing was written to."""

    def test_within_23_hours_the_first_key_is_sent(self, order):
        zuora = Zuora()
        since = zuora.clock()
        submit(zuora, Memory(), TaskAttempt(1, 3, since=since), order).run()
        zuora.clock.now += 22 * HOUR
        end = submit(zuora, Memory(), TaskAttempt(2, 3, since=since), order).run().end

        assert [end] == zuora.made

    def test_later_the_order_is_looked_up_or_a_person_is_asked(self, order):
        zuora = Zuora()
        since = zuora.clock()
        submit(zuora, Memory(), TaskAttempt(1, 3, since=since), order).run()
        zuora.clock.now += 30 * HOUR
        end = submit(zuora, Memory(), TaskAttempt(2, 3, since=since), order).run().end

        assert end == "order:O-1" if order is NUMBERED else isinstance(end, OutcomeUnknown)
        assert len(zuora.made) == 1

    def test_an_order_that_is_not_there_is_sent_under_a_key_of_its_window(self):
        zuora = Zuora()
        since = zuora.clock()
        zuora.clock.now += 30 * HOUR
        end = submit(zuora, None, TaskAttempt(2, 3, since=since)).run().end

        assert [end] == zuora.made
        assert zuora.keys[0][1] == BY.key(prepare(zuora).keys.digest, "O-1", 1000)

    def test_a_key_after_one_that_is_noted_is_of_that_window_too(self, memory):
        """The first try noted nothing: of later keys than the noted one nobody knows either."""
        zuora = Zuora("job fails permanently", "job fails permanently")
        since = zuora.clock()
        submit(zuora, memory, TaskAttempt(2, 3, since=since)).run()
        zuora.clock.now += 30 * HOUR
        end = submit(zuora, memory, TaskAttempt(3, 5, is_cleared=True, since=since)).run().end

        assert [end] == zuora.made
        digest = prepare(zuora).keys.digest
        assert [key for _, key in zuora.keys] == [BY.key(digest, "O-1", each) for each in (0, 1, 1000)]

    @pytest.mark.parametrize(
        ("attempt", "keys"),
        [
            (TaskAttempt(2, 9), 2),
            (TaskAttempt(3, 9), 3),
            (TaskAttempt(2, 9, is_cleared=True), 3),
            (TaskAttempt(2, 9, has_moved=True), 3),
            (TaskAttempt(2, 9, is_cleared=True, has_moved=True), 3),
            (TaskAttempt(1, 9, has_moved=True), 2),
            (TaskAttempt(1, 9), 1),
        ],
        ids=str,
    )
    def test_each_try_goes_one_key_further(self, attempt, keys):
        """Refused under every key: the last is this try's own, the ones before are those of the others."""
        zuora = Zuora(*["category 20"] * 40)
        end = submit(zuora, None, replace(attempt, since=zuora.clock())).run().end

        assert type(end) is Refused
        sent = dict.fromkeys(key for _, key in zuora.keys if not key.startswith("control-"))
        digest = prepare(zuora).keys.digest
        assert list(sent) == [BY.key(digest, "O-1", each) for each in range(keys)]

    def refuse_to_sign_in(self, zuora):
        zuora.grant = None
        content = b'{"error": "invalid_client"}'
        zuora.sandbox.add_fault(Fault("POST", "/oauth/token", status=401, body=content))

    def test_a_first_try_that_could_not_sign_in_has_sent_nothing(self, order):
        zuora, memory = Zuora(), Memory()
        since = zuora.clock()
        self.refuse_to_sign_in(zuora)
        with pytest.raises(SignInRefused):
            zuora.run(
                submit_order(zuora.client(), check_order(order), BY, TaskAttempt(1, 3, since=since)), memory
            )
        zuora.clock.now += 30 * HOUR
        end = submit(zuora, memory, TaskAttempt(2, 3, since=since), order).run().end

        assert [end] == zuora.made

    def test_a_first_try_that_cannot_sign_in_any_more_keeps_what_it_has_sent(self):
        zuora, memory = Zuora(), Memory()
        first = submit(zuora, memory, FIRST, ORDER).run().end
        self.refuse_to_sign_in(zuora)
        with pytest.raises(SignInRefused):
            zuora.run(
                submit_order(zuora.client(), check_order(ORDER | {"description": "another"}), BY, FIRST),
                memory,
            )
        zuora.clock.now += 30 * HOUR

        assert submit(zuora, memory, CLEARED, ORDER).run().end == first


class TestWindows:
    """a20, a36: no decision hangs on clocks that agree, nor on time that passes in the middle of a walk."""

    @pytest.mark.parametrize("seconds", [-300, -5, 300])
    def test_clocks_that_differ_by_minutes_change_no_key(self, seconds, order):
        zuora = Zuora()
        since = zuora.clock()
        zuora.clock.now += 23 * HOUR - 60
        kill_after_post(zuora, None, TaskAttempt(1, 3, since=since), order)
        zuora.clock.now += seconds
        end = submit(zuora, None, TaskAttempt(2, 3, since=since), order).run().end

        assert end in [*zuora.made, "order:O-1"] or isinstance(end, OutcomeUnknown)
        assert len(zuora.made) == 1

    def test_a_walk_over_keys_jumps_over_none_in_the_time_that_it_takes(self, order):
        """A lock under the first key; 23 hours are over in its rest, and the second had made the order."""
        zuora = Zuora("category 50")
        since = zuora.clock()
        submit(zuora, None, TaskAttempt(1, 3, since=since), order).run()
        second = submit(zuora, None, TaskAttempt(2, 3, since=since), order).run().end
        known = {key for _, key in zuora.keys if not key.startswith("control-")}
        zuora.clock.now = since + 23 * HOUR - 30
        end = submit(zuora, None, TaskAttempt(3, 5, is_cleared=True, since=since), order).run().end

        assert end in (second, "order:O-1") if order is NUMBERED else isinstance(end, OutcomeUnknown)
        assert zuora.made == [second]
        assert {key for _, key in zuora.keys if not key.startswith("control-")} == known

    def test_a_walk_that_is_remembered_ends_where_it_did(self, order):
        zuora, memory = Zuora("category 50"), Memory()
        since = zuora.clock()
        submit(zuora, memory, TaskAttempt(1, 3, since=since), order).run()
        second = submit(zuora, memory, TaskAttempt(2, 3, since=since), order).run().end
        zuora.clock.now = since + 23 * HOUR - 30
        end = submit(zuora, memory, TaskAttempt(3, 5, is_cleared=True, since=since), order).run().end

        assert end == second
        assert zuora.made == [second]

    def test_a_key_that_came_of_age_is_not_sent(self, order, memory):
        zuora = Zuora()
        since = zuora.clock()
        kill_after_post(zuora, memory, TaskAttempt(1, 3, since=since), order)
        zuora.clock.now += 24 * HOUR
        end = submit(zuora, memory, TaskAttempt(2, 3, since=since), order).run().end

        assert end == "order:O-1" if order is NUMBERED else isinstance(end, OutcomeUnknown)
        assert len(zuora.keys) == 1

    def test_the_question_says_how_old_the_key_is(self):
        zuora, memory = Zuora(), Memory()
        kill_after_post(zuora, memory, FIRST)
        zuora.clock.now += 24 * HOUR
        words = str(submit(zuora, memory, RETRY, ORDER).run().end)

        assert "first sent 2023-11-14T22:13:20Z, Track-Ids af-" in words
        assert re.search(r"again-[0-9a-f]{8}-2023-11-15T22:13Z", words)

    def test_the_question_dates_no_key_whose_run_may_be_of_any_age(self):
        zuora = Zuora()
        words = str(submit(zuora, None, TaskAttempt(2, 3, since=0.0), ORDER).run().end)

        assert "not sent by this try" in words
        assert "1970" not in words


class TestAMappedTaskOfAClearedRun:
    """Its map index may have had another order before; this one's number was with another task then."""

    MOVED = NUMBERED | {"orderNumber": "O-2"}
    OTHER = replace(BY, position=7)

    def test_takes_the_key_of_its_order_for_one_that_was_sent(self):
        zuora, memory = Zuora(), Memory()
        submit(zuora, memory, FIRST, NUMBERED).run()
        kill_after_post(zuora, Memory(), FIRST, self.MOVED, scope=self.OTHER)
        zuora.script = [EDGE] * 30
        end = submit(zuora, memory, replace(CLEARED, has_moved=True), self.MOVED).run().end

        assert end == "order:O-2", "not refused: the other task's POST has made it"
        assert len(zuora.made) == 2

    def test_knows_that_no_other_had_an_order_without_a_number(self):
        """The key of such an order is made of the map index, too."""
        zuora, memory = Zuora(), Memory()
        submit(zuora, memory, FIRST, NUMBERED).run()
        zuora.script = [EDGE]
        end = submit(zuora, memory, replace(CLEARED, has_moved=True), ORDER).run().end

        assert type(end) is Refused

    def test_knows_that_its_next_key_is_its_own(self):
        zuora, memory = Zuora(), Memory()
        submit(zuora, memory, FIRST, NUMBERED).run()
        zuora.script = [ANSWERS["job fails permanently"], EDGE]
        ends = [
            submit(zuora, memory, TaskAttempt(number, 9, is_cleared=True, has_moved=True), self.MOVED)
            .run()
            .end
            for number in (2, 3)
        ]

        assert type(ends[-1]) is Refused, ends
