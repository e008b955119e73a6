"""What a submission finds out of an order that may be there already."""

from __future__ import annotations

from dataclasses import replace

import pytest

from airflow_provider_zuora.core.errors import (
    OutcomeUnknown,
    Refused,
    SignInRefused,
    Unreachable,
)
from airflow_provider_zuora.core.submission.idempotency_keys import TaskAttempt
from tests.core.runners import Memory
from tests.core.submission.stories import (
    CLEARED,
    EDGE,
    FIRST,
    FORBIDDEN,
    HOUR,
    RETRY,
    kill_after_post,
)
from tests.core.tries import ANSWERS, NUMBERED, ORDER, POST, Zuora, body, store_answer, submit
from zuora_sandbox import Fault
from zuora_sandbox.order_store import derive_id


class TestAJobThatZuoraNoLongerKnows:
    def forgotten(self, order, seconds, **settings):
        zuora, memory = Zuora(**settings), Memory()
        first = submit(zuora, memory, FIRST, order).run().end
        zuora.clock.now += seconds
        zuora.ledger  # noqa: B018 - what is under way ends
        del zuora.sandbox.state.jobs[first]
        return zuora, memory, first

    def test_is_taken_to_be_there_if_it_was_issued_a_moment_ago(self, order):
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
        for attempt in (CLEARED, TaskAttempt(3, 4)):
            end = submit(zuora, memory, attempt).run().end
            assert isinstance(end, OutcomeUnknown)
            assert "its job is not known any more" in str(end)
        assert len(zuora.keys) == 1


@pytest.mark.parametrize("seconds", [5, 20 * HOUR])
def test_a_job_that_an_old_key_leads_to_may_not_be_known_yet(memory, order, seconds):
    """It was issued when nobody took note of it, which may have been a moment ago."""
    zuora = Zuora(job_lag_seconds=seconds + 90)
    since = zuora.clock()
    kill_after_post(zuora, memory, TaskAttempt(1, 1, since=since), order)
    zuora.clock.now += seconds
    end = submit(zuora, memory, TaskAttempt(2, 1, since=since), order).run().end

    assert [end] == zuora.made
    assert {key for _, key in zuora.keys} == {zuora.keys[0][1]}


def test_a_job_that_an_old_key_leads_to_and_that_is_unknown_is_looked_up(memory, order):
    zuora = Zuora()
    since = zuora.clock()
    kill_after_post(zuora, memory, TaskAttempt(1, 1, since=since), order)
    zuora.ledger  # noqa: B018 - what is under way ends
    zuora.sandbox.state.jobs.clear()
    began = zuora.clock()
    end = submit(zuora, memory, TaskAttempt(2, 1, since=since), order).run().end

    assert end == "order:O-1" if order is NUMBERED else isinstance(end, OutcomeUnknown)
    assert zuora.clock() - began >= 600


class TestARefusalAfterALostAnswer:
    """a01, a03: an earlier POST may have made the order; what comes after it says nothing of that one."""

    @pytest.mark.parametrize(
        ("fault", "kind"),
        [(FORBIDDEN, "403"), (EDGE, "400"), (store_answer(409, body(53200050)), "lock")],
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
            assert end.info.status == 403

    def test_the_next_try_remembers_that_it_went_unanswered(self, order, memory):
        zuora = Zuora()
        since = zuora.clock()
        kill_after_post(zuora, memory, TaskAttempt(1, 1, since=since), order)
        zuora.script = [EDGE] * 30
        end = submit(zuora, memory, TaskAttempt(2, 1, since=since), order).run().end

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
        kill_after_post(zuora, memory, TaskAttempt(1, 1, since=since), NUMBERED)
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
    def test_that_error_passes_if_the_vendors_does(self, fault):
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
        submit(zuora, None, TaskAttempt(1, 1, since=since), NUMBERED).run()
        zuora.clock.now += 30 * HOUR
        content = body(50000040, "Cannot find entity by key")
        zuora.sandbox.add_fault(Fault("GET", "/v1/accounts/", status=404, body=content, times=None))
        end = submit(zuora, None, TaskAttempt(2, 2, is_cleared=True, since=since), order).run().end

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

    def test_a_look_up_that_fails_for_a_transient_reason_is_for_the_next_try(self):
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

    def test_for_a_transient_reason_is_for_the_next_try(self):
        _, end = self.after(kind="reset")

        assert end.transient
