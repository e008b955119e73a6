"""A user's own key, raw or as a part of ours."""

from __future__ import annotations

from airflow_provider_zuora.core.errors import (
    OutcomeUnknown,
    Refused,
    WrongOrder,
)
from airflow_provider_zuora.core.submission.idempotency_keys import IdempotencyScope, TaskAttempt
from tests.core.runners import Memory
from tests.core.submission.stories import (
    CLEARED,
    FIRST,
    HOUR,
    RETRY,
    kill_after_post,
)
from tests.core.tries import ORDER, Zuora, submit
from zuora_sandbox import Fault


class TestRawKey:
    def test_goes_out_as_it_is_and_is_used_up_by_a_refusal(self, order):
        zuora, memory = Zuora("category 20"), Memory()
        assert isinstance(submit(zuora, memory, FIRST, order, raw_key="mine").run().end, Refused)
        end = submit(zuora, memory, CLEARED, order, raw_key="mine").run().end

        assert "raw_idempotency_key mine is used up" in str(end)
        assert isinstance(submit(zuora, memory, TaskAttempt(3, 4), order, raw_key="other").run().end, str)
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
        end = submit(zuora, None, TaskAttempt(2, 1, since=since), raw_key="mine").run().end

        assert "is used up" in str(end)
        assert "it is too old to be sent again" in str(end)
        assert zuora.keys == []

    def test_is_sent_for_a_changed_order_whose_first_try_had_another_one(self, order):
        zuora, memory = Zuora(), Memory()
        kill_after_post(zuora, memory, FIRST, order, raw_key="mine")
        submit(zuora, memory, RETRY, order | {"description": "changed"}, raw_key="yours").run()

        assert [key for _, key in zuora.keys] == ["mine", "yours"]

    def test_of_an_order_without_a_number_is_not_sent_again_when_nobody_remembers(self):
        zuora = Zuora()
        since = zuora.clock()
        submit(zuora, None, TaskAttempt(1, 1, since=since), ORDER, raw_key="mine").run()
        zuora.clock.now += 30 * HOUR
        attempt = TaskAttempt(2, 2, is_cleared=True, since=since)
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
        end = submit(zuora, None, TaskAttempt(), other, raw_key="mine").run().end

        assert type(end) is WrongOrder
        assert "The raw_idempotency_key mine led to order O-00000001, of which its orderDate" in str(end)
        assert len(zuora.made) == 1

    def test_for_two_orders_of_two_accounts_fails_when_the_first_is_made(self):
        zuora = Zuora()
        submit(zuora, None, FIRST, ORDER, raw_key="mine").run()
        other = ORDER | {"existingAccountNumber": "A00000098"}
        end = submit(zuora, None, TaskAttempt(), other, raw_key="mine").run().end

        assert type(end) is WrongOrder

    def test_whose_order_cannot_be_read_is_believed(self, caplog):
        """Its job is there; what was refused is the look at it."""
        zuora = Zuora()
        content = b'{"code": 403, "message": "Forbidden"}'
        zuora.sandbox.add_fault(Fault("GET", "/v1/orders/", status=403, body=content, times=None))
        end = submit(zuora, None, FIRST, ORDER, raw_key="mine").run().end

        assert [end] == zuora.made
        assert "What raw key mine led to cannot be read" in caplog.text

    def test_whose_order_cannot_be_read_for_a_transient_reason_is_for_the_next_try(self):
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


class TestAUsersKey:
    def test_without_a_time_is_as_old_as_the_run(self):
        zuora = Zuora()
        since, by = zuora.clock(), IdempotencyScope("", ("another key",))
        zuora.clock.now += 25 * HOUR
        for attempt in (
            TaskAttempt(2, 1, since=since),
            TaskAttempt(2, 3, is_cleared=True, since=since),
        ):
            assert isinstance(submit(zuora, None, attempt, ORDER, scope=by).run().end, OutcomeUnknown)
        assert zuora.keys == []

    def test_that_ends_in_a_time_is_younger_than_that(self):
        zuora = Zuora()
        since, by = zuora.clock(), IdempotencyScope("", ("again-2023-11-15T22:30Z",))
        zuora.clock.now = by.issued_at + 60
        attempt = TaskAttempt(2, 3, is_cleared=True, since=since)
        end = submit(zuora, None, attempt, ORDER, scope=by).run().end

        assert [end] == zuora.made

    def test_that_ends_in_a_time_long_ago_is_not_sent(self):
        zuora = Zuora()
        since, by = zuora.clock(), IdempotencyScope("", ("again-2023-11-15T22:30Z",))
        zuora.clock.now = by.issued_at + 24 * HOUR
        end = submit(zuora, None, TaskAttempt(2, 3, is_cleared=True, since=since), ORDER, scope=by).run().end

        assert isinstance(end, OutcomeUnknown)
        assert zuora.keys == []

    def test_that_ends_in_a_time_to_come_is_not_sent(self):
        """Nobody can tell how old it is."""
        zuora = Zuora()
        by = IdempotencyScope("", ("again-2023-11-15T22:30Z",))
        zuora.clock.now = by.issued_at - HOUR
        end = submit(zuora, None, TaskAttempt(2, 3, is_cleared=True, since=0.0), ORDER, scope=by).run().end

        assert isinstance(end, OutcomeUnknown)
        assert zuora.keys == []


def test_query_and_key_stay_together_when_return_ids_changes():
    zuora, memory = Zuora(), Memory()
    kill_after_post(zuora, memory, FIRST, ORDER, return_ids=False)
    end = submit(zuora, memory, RETRY, ORDER, return_ids=True).run().end

    assert [end] == zuora.made


def test_what_was_noted_of_one_key_is_there_again_when_that_key_comes_back(order):
    zuora, memory = Zuora(), Memory()
    first = submit(zuora, memory, FIRST, order).run().end
    other = IdempotencyScope("", ("another key",))
    order_2 = order if order is ORDER else order | {"orderNumber": "O-2"}
    second = submit(zuora, memory, CLEARED, order_2, scope=other).run().end
    zuora.clock.now += 30 * HOUR

    assert first != second
    assert submit(zuora, memory, TaskAttempt(3, 4, is_cleared=True), order).run().end == first
    assert submit(zuora, memory, TaskAttempt(4, 6, is_cleared=True), order_2, scope=other).run().end == second
    assert len(zuora.keys) == 2
