"""What was noted of this order, of others, and of one that has changed."""

from __future__ import annotations

from dataclasses import replace

import pytest

from airflow_provider_zuora.core.errors import (
    InvalidInput,
    OutcomeUnknown,
)
from airflow_provider_zuora.core.submission.idempotency_keys import EQUAL
from airflow_provider_zuora.core.submission.record_store import NAME
from tests.core.runners import Memory
from tests.core.submission.stories import (
    CLEARED,
    FIRST,
    RETRY,
    kill_after_post,
)
from tests.core.tries import NUMBERED, ORDER, Zuora, submit


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


def test_what_is_noted_by_nobody_we_know_is_an_error():
    zuora, memory = Zuora(), Memory()
    memory.set(f"{NAME}:1", {"key": "of another package"})
    end = submit(zuora, memory, RETRY).run().end

    assert isinstance(end, OutcomeUnknown)
    assert zuora.keys == []


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
        submit(zuora, memory, FIRST, self.ORDERS[0], is_sole=False).run()
        end = submit(zuora, memory, RETRY, self.ORDERS[1], is_sole=False).run().end

        assert isinstance(end, OutcomeUnknown)
        assert "this is none of them" in str(end)
        assert len(zuora.keys) == 1

    @pytest.mark.parametrize("sole", [True, False])
    def test_of_which_one_has_changed_fail_loudly_also_after_one_that_has_not(self, sole):
        zuora, memory = Zuora(), Memory()
        first, second, third = self.ORDERS
        submit(zuora, memory, FIRST, first, is_sole=sole).run()
        kill_after_post(zuora, memory, FIRST, second, is_sole=sole)
        submit(zuora, memory, RETRY, first, is_sole=sole).run()
        end = submit(zuora, memory, RETRY, third, is_sole=sole).run().end

        assert isinstance(end, OutcomeUnknown)
        assert "have sent 1 orders without an orderNumber, and this is none of them" in str(end)
        assert len(zuora.keys) == 2

    def test_of_which_one_was_sent_are_made_after_it(self):
        zuora, memory = Zuora(), Memory()
        first = submit(zuora, memory, FIRST, self.ORDERS[0], is_sole=False).run().end
        ends = [submit(zuora, memory, RETRY, each, is_sole=False).run().end for each in self.ORDERS]

        assert ends[0] == first
        assert sorted(ends) == sorted(zuora.made)
        assert len(set(ends)) == 3

    def test_that_are_equal_are_refused_in_one_try(self):
        zuora, memory = Zuora(), Memory()
        first = submit(zuora, memory, FIRST, ORDER, is_sole=False).run().end
        end = submit(zuora, memory, FIRST, ORDER, is_sole=False).run().end

        assert isinstance(end, InvalidInput)
        assert end.violations == (EQUAL,)
        assert submit(zuora, memory, RETRY, ORDER, is_sole=False).run().end == first
        assert len(zuora.keys) == 1

    def test_with_numbers_never_stand_for_each_other(self):
        zuora, memory = Zuora(), Memory()
        submit(zuora, memory, FIRST, NUMBERED).run()
        submit(zuora, memory, FIRST, NUMBERED | {"orderNumber": "O-2"}).run()
        changed = NUMBERED | {"orderNumber": "O-3"}

        assert submit(zuora, memory, RETRY, changed).run().end in zuora.made
        assert len(zuora.made) == 3

    def test_with_one_number_are_that_order_also_if_this_try_has_sent_another_of_them(self):
        zuora, memory = Zuora("403"), Memory()
        first, second, third = (each | {"orderNumber": "O-1"} for each in self.ORDERS)
        submit(zuora, memory, FIRST, first).run()
        kill_after_post(zuora, memory, FIRST, second)
        submit(zuora, memory, RETRY, first).run()

        assert [submit(zuora, memory, RETRY, third).run().end] == zuora.made
        assert len({key for _, key in zuora.keys}) == 2


class TestAnOrderThatHasChanged:
    CHANGED = ORDER | {"description": "changed"}

    def test_is_what_the_earlier_try_sent_if_that_is_unknown(self, caplog):
        zuora, memory = Zuora(), Memory()
        kill_after_post(zuora, memory, FIRST)
        end = submit(zuora, memory, RETRY, self.CHANGED).run().end

        assert [end] == zuora.made
        assert "may not contain these changes: $.description" in caplog.text

    def test_is_another_order_after_a_clear_that_ended_the_first(self):
        zuora, memory = Zuora(), Memory()
        first = submit(zuora, memory, FIRST, ORDER).run().end
        end = submit(zuora, memory, CLEARED, self.CHANGED).run().end

        assert end != first
        assert len(zuora.made) == 2

    def test_is_no_other_order_after_a_clear_that_left_the_first_unknown(self):
        zuora, memory = Zuora(), Memory()
        kill_after_post(zuora, memory, FIRST)
        end = submit(zuora, memory, CLEARED, self.CHANGED).run().end

        assert [end] == zuora.made
