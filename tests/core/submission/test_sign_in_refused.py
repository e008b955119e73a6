"""a21: a try that cannot sign in any more says what was sent before."""

from __future__ import annotations

from dataclasses import replace

import pytest

from airflow_provider_zuora.core.errors import SignInRefused, StoreUnavailable
from tests.core.runners import Memory
from tests.core.submission.stories import CLEARED, FIRST, RETRY, kill_after_post
from tests.core.tries import NUMBERED, ORDER, Actor, Zuora, submit, submit_list
from zuora_sandbox import Fault

both = pytest.mark.parametrize("order", [ORDER, NUMBERED], ids=["without a number", "numbered"])


def refuse_to_sign_in(zuora: Zuora) -> Fault:
    zuora.grant = None
    fault = Fault("POST", "/oauth/token", times=9, status=401, body=b'{"error": "invalid_client"}')
    zuora.sandbox.add_fault(fault)
    return fault


def allow_to_sign_in(zuora: Zuora) -> None:
    zuora.sandbox.state.faults.clear()


def check_words(end: object, zuora: Zuora) -> None:
    [key] = dict.fromkeys(key for _, key in zuora.keys)
    assert type(end) is SignInRefused
    assert "Check client id, secret and environment" in str(end)
    assert str(end).count(f"An earlier POST under key {key} may have made the order: ") == 1
    assert "the next try, or a clear, sends the same key again" in str(end)


@both
def test_the_open_post_of_this_try_is_named_and_its_order_is_found_after_a_clear(order):
    zuora, memory = Zuora("no answer, made", "401 permanently"), Memory()
    end = submit(zuora, memory, FIRST, order).run().end
    check_words(end, zuora)

    end = submit(zuora, memory, CLEARED, order).run().end
    assert [end] == zuora.made


@both
@pytest.mark.parametrize("attempt", [RETRY, CLEARED], ids=["a retry", "a clear"])
def test_the_open_post_of_an_earlier_try_is_named_before_anything_is_sent(order, attempt):
    zuora, memory = Zuora("no answer, made"), Memory()
    kill_after_post(zuora, memory, FIRST, order)
    refuse_to_sign_in(zuora)
    end = submit(zuora, memory, attempt, order).run().end
    check_words(end, zuora)
    assert len(zuora.keys) == 1

    allow_to_sign_in(zuora)
    after = replace(CLEARED, number=attempt.number + 1)
    assert [submit(zuora, memory, after, order).run().end] == zuora.made


def submit_until_sent(zuora: Zuora, memory: Memory, order: object) -> Actor:
    """Return a try that has sent the order, and can sign in no more."""
    actor = submit(zuora, memory, FIRST, order)
    while not zuora.keys:
        actor.act()
    refuse_to_sign_in(zuora)
    return actor


@both
def test_the_open_post_is_named_where_no_token_is_issued_for_the_next_one(order):
    zuora, memory = Zuora("no answer, made"), Memory()
    check_words(submit_until_sent(zuora, memory, order).run().end, zuora)
    assert len(zuora.keys) == 1

    allow_to_sign_in(zuora)
    assert [submit(zuora, memory, CLEARED, order).run().end] == zuora.made


def test_where_no_token_is_issued_after_an_answer_that_decides_the_sign_in_alone_is_named():
    zuora = Zuora("429")
    end = submit_until_sent(zuora, Memory(), ORDER).run().end
    assert type(end) is SignInRefused
    assert "An earlier POST" not in str(end)


def test_a_try_after_one_whose_order_is_known_is_told_of_the_sign_in_alone():
    zuora, memory = Zuora(), Memory()
    submit(zuora, memory, FIRST).run()
    refuse_to_sign_in(zuora)
    end = submit(zuora, memory, RETRY).run().end
    assert type(end) is SignInRefused
    assert "An earlier POST" not in str(end)


def test_a_try_that_was_answered_no_is_told_of_the_sign_in_alone():
    zuora, memory = Zuora("429", "401 permanently"), Memory()
    end = submit(zuora, memory, FIRST).run().end
    assert type(end) is SignInRefused
    assert "An earlier POST" not in str(end)


class Unreadable(Memory):
    def get(self, name: str, default: object = None) -> object:
        raise StoreUnavailable("The state store cannot be read.", transient=True)


def test_a_store_that_cannot_be_read_hides_no_refused_sign_in(caplog):
    zuora = Zuora()
    refuse_to_sign_in(zuora)
    assert type(submit(zuora, Unreadable(), RETRY).run().end) is SignInRefused
    assert "Whether an earlier try has sent something cannot be read" in caplog.text


def test_of_a_list_the_open_post_is_named():
    zuora, memory = Zuora("no answer, made", "401 permanently"), Memory()
    end = submit_list(zuora, memory, FIRST, [ORDER]).run().end
    assert f"An earlier POST under key {zuora.keys[0][1]} may have made the order: " in str(end)
