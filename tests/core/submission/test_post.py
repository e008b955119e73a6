"""The POSTs of one try under one key: how long it is sent, and how long another answer is waited for."""

from __future__ import annotations

import pytest

from airflow_provider_zuora.core.errors import ApiError, RateLimited
from airflow_provider_zuora.core.flow import SaveState
from airflow_provider_zuora.core.submission.idempotency_keys import KEY_AGE, TaskAttempt
from airflow_provider_zuora.core.submission.record_store import NAME
from tests.core.runners import Memory
from tests.core.tries import NUMBERED, ORDER, Zuora, before, body, submit

FIRST, RETRY = TaskAttempt(1, 1), TaskAttempt(2, 1)


def kill_after_post(zuora, memory):
    actor = submit(zuora, memory, FIRST, NUMBERED)
    while not zuora.keys:
        actor.act()
    actor.kill()


@pytest.mark.parametrize(
    ("began", "noting", "goes_on"),
    [
        (KEY_AGE, 0, True),
        (KEY_AGE, 120, True),
        (KEY_AGE, 121, False),
        (KEY_AGE + 1, 0, False),
        (-600, 0, True),
        (-601, 0, False),
    ],
    ids=["of age", "two minutes later", "after that", "began too late", "clocks apart", "no clock tells"],
)
def test_a_try_that_began_in_time_goes_on_for_two_minutes(began, noting, goes_on):
    """It may take that long to note the POST; with another key it would not end what it began."""
    zuora, memory = Zuora(), Memory()
    kill_after_post(zuora, memory)
    zuora.clock.now += began
    retry = submit(zuora, memory, RETRY, NUMBERED)
    while retry.running and not (isinstance(retry.step, SaveState) and retry.step.name == f"{NAME}:2"):
        retry.act()
    zuora.clock.now += noting
    end = retry.run().end

    assert [end] == (zuora.made if goes_on else ["order:O-1"])
    assert len(zuora.keys) == 1 + goes_on


@pytest.mark.parametrize(("stopped", "sent"), [(720, 2), (721, 1)])
def test_a_try_that_was_stopped_for_longer_than_its_posts_may_take_sends_nothing_more(stopped, sent):
    """Ten minutes and two: another may have begun, and ended, meanwhile."""
    zuora, memory = Zuora(), Memory()
    kill_after_post(zuora, memory)
    retry = submit(zuora, memory, RETRY, NUMBERED)
    while not (isinstance(retry.step, SaveState) and retry.step.name == f"{NAME}:2"):
        retry.act()
    zuora.clock.now += stopped
    retry.run()

    assert len(zuora.keys) == sent


@pytest.mark.parametrize("order", [NUMBERED, ORDER], ids=["numbered", "not numbered"])
def test_a_first_try_that_was_stopped_before_its_post_sends_nothing_and_the_next_one_makes_the_order(order):
    zuora, memory = Zuora(), Memory()
    first = submit(zuora, memory, FIRST, order)
    while first.running and not zuora.keys:
        if isinstance(first.step, SaveState):
            zuora.clock.now += 721
        first.act()
    end = first.end

    assert isinstance(end, RateLimited)
    assert end.transient
    assert "stopped for longer than its POSTs may take" in str(end)
    assert not zuora.keys
    assert [submit(zuora, memory, RETRY, order).run().end] == zuora.made
    assert len(zuora.keys) == 1


def test_only_the_post_that_may_prove_an_answer_is_put_off_for_half_a_minute():
    """The one before the control is not: it tells whether there is anything to prove."""
    zuora = Zuora("category 61")
    submit(zuora, Memory(), FIRST, NUMBERED).run()
    first, second, control, third = (moment - zuora.keys[0][0] for moment, _ in zuora.keys[:4])

    assert zuora.keys[2][1].startswith("control-")
    assert first < second == control < 10
    assert third == 30


def test_a_try_ends_if_its_next_post_would_come_after_ten_minutes():
    zuora = Zuora()
    zuora.script = [before(429, body(70), Retry_After="250")] * 6
    began = zuora.clock()
    end = submit(zuora, Memory(), FIRST, NUMBERED).run().end

    assert end.transient
    assert [moment - began for moment, _ in zuora.keys] == [0, 250, 500]
    assert zuora.clock() - began == 500


@pytest.mark.parametrize("order", [NUMBERED, ORDER], ids=["numbered", "not numbered"])
@pytest.mark.parametrize("pause", ["70000", "85000", "31536000"], ids=["hours", "nearly a day", "a year"])
@pytest.mark.parametrize("memory", [Memory, lambda: None], ids=["3.3", "before 3.3"])
def test_a_pause_of_hours_makes_no_key_old_and_the_next_try_sends_it_again(order, pause, memory):
    """However long Zuora asks to wait: the key is as old as its first POST."""
    zuora, memory = Zuora("no answer, made"), memory()
    zuora.script.append(before(429, body(70), Retry_After=pause))
    end = submit(zuora, memory, FIRST, order).run().end

    if order is NUMBERED:
        assert end == "order:O-1", "it is looked up"
    else:
        assert isinstance(end, ApiError)
        assert end.transient
        assert [submit(zuora, memory, RETRY, order).run().end] == zuora.made
    assert len({key for _, key in zuora.keys}) == 1
