"""A task's wait, and the trigger that it is left to, by clocks of the test's."""

from __future__ import annotations

from datetime import timedelta

import pytest

from airflow_provider_zuora.airflow_context.deferral import FIRST_POLL, JobWait
from airflow_provider_zuora.core.polling.wait import NEW_JOB_SECONDS, PollSchedule
from airflow_provider_zuora.hooks.zuora import ZuoraHook
from tests.core.runners import Clock

HOURS = pytest.mark.parametrize("hours", [0, 1, -1])


def wait_of(clock, **options):
    return JobWait.start(100.0, ZuoraHook(), ["j"], clock=clock, ticks=clock.ticks, **options)


@HOURS
def test_a_clock_that_is_set_leaves_a_deadline_as_far_away_as_it_is(hours):
    clock = Clock()
    wait = wait_of(clock)
    clock.ahead = hours * 3600.0
    clock.now += 99

    assert not wait.is_over
    clock.now += 1
    assert wait.is_over


@HOURS
def test_a_trigger_is_told_of_a_wait_by_the_clock_as_it_was_set(hours):
    clock = Clock()
    wait = wait_of(clock)
    clock.ahead = hours * 3600.0
    clock.now += 20
    trigger, timeout = wait.make_trigger(PollSchedule(30.0, max_wait=30.0))

    assert trigger.started == clock() - 20
    assert trigger.unknown_until == clock() - 20 + NEW_JOB_SECONDS
    assert trigger.not_before == clock() + 30
    assert trigger.deadline == clock() + 80
    assert timedelta(seconds=80 + FIRST_POLL) < timeout < timedelta(seconds=1000)


def test_a_wait_that_began_on_a_clock_ahead_of_ours_begins_now():
    clock = Clock()
    wait = wait_of(clock, started=clock() + 3600)
    trigger, _ = wait.make_trigger(PollSchedule())

    assert (trigger.started, trigger.deadline) == (clock(), clock() + 100)
