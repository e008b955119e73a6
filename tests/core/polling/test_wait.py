"""When a wait polls, how long it pauses, and how it ends."""

from __future__ import annotations

import itertools
import logging
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_provider_zuora.core.errors import (
    ApiError,
    NotFound,
    RateLimited,
    Refused,
    ResponseInfo,
    TimedOut,
    Unreachable,
    Unreadable,
)
from airflow_provider_zuora.core.job import JobState
from airflow_provider_zuora.core.polling.wait import LONGEST, PollOptions, PollSchedule, wait_until_done
from tests.core.runners import Clock, Dice, Script, Tenant, answer, sample
from zuora_sandbox import Fault

FOREVER = itertools.repeat
START = Clock().now
PROCESSING = sample("job-processing/200")
COMPLETED = sample("job-completed/200")
BROKEN = answer(503)
EVERY_TEN = PollSchedule(10.0)


def job_of(result):
    """Return the job of a result, or raise why there is none."""
    return result.job or result.result


class Polls(Script):
    """Note when each poll was sent, in seconds since the start."""

    def __init__(self, answers, chance=0.0, lasts=0.0):
        super().__init__(answers, rng=Dice(chance), lasts=lasts)
        self.times = []

    def _send(self, request):
        self.times.append(self.clock.now - START)
        return super()._send(request)

    def wait(self, *, started=0.0, not_before=0.0, deadline=math.inf, **others):
        wait = PollOptions(START + started, START + not_before, START + deadline, **others)
        return job_of(self.run(wait_until_done(self.client(), "j-1", wait)))


# When it polls.


def test_a_wait_polls_at_once_and_returns_the_job():
    polls = Polls([COMPLETED])
    job = polls.wait()
    assert (job.job_id, job.state, polls.times) == ("j-1", JobState.SUCCEEDED, [0.0])


def test_a_failed_job_is_returned_too():
    polls = Polls([sample("job-failed-rule/200")])
    assert polls.wait().state is JobState.FAILED


def test_no_poll_is_sent_earlier_than_the_options_say():
    polls = Polls([PROCESSING, COMPLETED])
    polls.wait(not_before=7.5, schedule=EVERY_TEN)
    assert polls.times == [7.5, 17.5]


def test_a_time_that_has_passed_is_no_pause():
    polls = Polls([COMPLETED])
    polls.wait(not_before=-5)
    assert polls.clock.naps == []


def test_no_poll_is_sent_earlier_even_at_the_deadline():
    polls = Polls([PROCESSING])
    with pytest.raises(TimedOut):
        polls.wait(not_before=50, deadline=20)
    assert polls.times == [50.0]


def test_one_last_poll_is_sent_at_the_deadline():
    polls = Polls([PROCESSING, PROCESSING, PROCESSING, COMPLETED])
    assert polls.wait(deadline=25, schedule=EVERY_TEN).state is JobState.SUCCEEDED
    assert polls.times == [0.0, 10.0, 20.0, 25.0]


def test_a_job_that_has_not_ended_at_the_deadline_is_an_error_that_says_so():
    polls = Polls(FOREVER(PROCESSING))
    with pytest.raises(TimedOut) as caught:
        polls.wait(deadline=25, schedule=EVERY_TEN)
    assert str(caught.value) == "Job j-1 has not ended in time, it is Processing. It goes on at Zuora."
    assert polls.times == [0.0, 10.0, 20.0, 25.0]


def test_a_deadline_that_has_passed_leaves_one_poll():
    polls = Polls([COMPLETED])
    assert polls.wait(deadline=-1).state is JobState.SUCCEEDED
    polls = Polls([PROCESSING])
    with pytest.raises(TimedOut):
        polls.wait(deadline=-1)


def test_a_last_poll_that_fails_says_why():
    polls = Polls([PROCESSING, sample("temporary/500")])
    with pytest.raises(TimedOut) as caught:
        polls.wait(deadline=5, schedule=EVERY_TEN)
    assert "has not ended in time, the last poll failed: Zuora: a transient error" in str(caught.value)
    assert "[53200061] Temporary error" in str(caught.value)


def test_a_poll_that_takes_longer_than_the_deadline_is_the_one_before_the_last():
    polls = Polls(FOREVER(PROCESSING), lasts=30)
    with pytest.raises(TimedOut):
        polls.wait(deadline=20, schedule=EVERY_TEN)
    assert polls.times == [30.0 * number - 30 for number in (1, 2)]


def test_every_poll_asks_once():
    polls = Polls([BROKEN, COMPLETED])
    polls.wait(schedule=EVERY_TEN)
    assert polls.times == [0.0, 10.0]


# What failing polls mean.


def errors(number):
    return [(BROKEN, Unreachable("reset"), sample("lock/409"))[each % 3] for each in range(number)]


def test_nine_failing_polls_in_a_row_do_not_end_a_wait():
    polls = Polls([*errors(9), COMPLETED])
    assert polls.wait(schedule=EVERY_TEN).state is JobState.SUCCEEDED


def test_ten_failing_polls_in_a_row_end_it_with_the_last_reason():
    polls = Polls([*errors(9), sample("rate/429"), COMPLETED])
    with pytest.raises(Refused, match="API Rate limit exceeded for the minute") as caught:
        polls.wait(schedule=EVERY_TEN)
    assert caught.value.transient
    assert len(polls.times) == 10


def test_a_poll_that_succeeds_begins_the_count_anew():
    polls = Polls([*errors(9), PROCESSING, *errors(9), COMPLETED])
    assert polls.wait(schedule=EVERY_TEN).state is JobState.SUCCEEDED


@pytest.mark.parametrize("most", [1, 3])
def test_the_number_of_errors_is_an_option(most):
    polls = Polls(FOREVER(BROKEN))
    with pytest.raises(Unreadable):
        polls.wait(max_errors=most, schedule=EVERY_TEN)
    assert len(polls.times) == most


def test_no_number_means_no_end():
    polls = Polls([*errors(500), COMPLETED])
    assert polls.wait(max_errors=None, schedule=EVERY_TEN).state is JobState.SUCCEEDED


@pytest.mark.parametrize("most", [10, None])
@pytest.mark.parametrize(
    ("response", "error", "words"),
    [
        (sample("permission/403"), Refused, "You do not have permission"),
    ],
    ids=["forbidden"],
)
def test_a_poll_that_fails_for_good_ends_the_wait_at_once(response, error, words, most):
    polls = Polls([PROCESSING, response])
    with pytest.raises(error, match=words) as caught:
        polls.wait(max_errors=most, schedule=EVERY_TEN)
    assert not caught.value.transient


NOT_YET = sample("not-found/404")


@pytest.mark.parametrize("most", [1, 10, None])
def test_a_job_that_was_just_issued_may_be_unknown_for_ten_minutes(most):
    polls = Polls([*[NOT_YET] * 60, COMPLETED])
    assert polls.wait(max_errors=most, schedule=EVERY_TEN).state is JobState.SUCCEEDED
    assert polls.times[-1] == 600.0


@pytest.mark.parametrize("most", [1, 10, None])
def test_a_job_that_is_unknown_for_longer_is_not_found(most):
    polls = Polls(FOREVER(NOT_YET))
    with pytest.raises(NotFound, match="Cannot find response for job") as caught:
        polls.wait(max_errors=most, schedule=EVERY_TEN)
    assert not caught.value.transient
    assert polls.times[-1] == 600.0


def test_who_takes_over_an_old_wait_gets_an_unknown_job_as_a_result_at_once():
    polls = Polls([NOT_YET])
    with pytest.raises(NotFound):
        polls.wait(started=-600.0)


def test_an_unknown_job_is_a_timeout_if_the_deadline_comes_first():
    polls = Polls(FOREVER(NOT_YET))
    with pytest.raises(TimedOut, match=r"the last poll failed: .*Cannot find response for job"):
        polls.wait(deadline=30.0, schedule=EVERY_TEN)
    assert polls.times == [0.0, 10.0, 20.0, 30.0]


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (
            {"status": "Queued"},
            "its status is 'Queued', which nobody documents; known are processing, completed",
        ),
        (
            {"success": True},
            "it has no status, which nobody documents; known are processing, completed, failed",
        ),
    ],
)
def test_an_unknown_status_word_is_waited_for_and_named_at_the_deadline(body, words):
    polls = Polls([answer(200, body), COMPLETED])
    assert polls.wait(max_errors=1, schedule=EVERY_TEN).state is JobState.SUCCEEDED
    with pytest.raises(TimedOut, match=words):
        Polls(FOREVER(answer(200, body))).wait(max_errors=1, deadline=30.0, schedule=EVERY_TEN)


@pytest.mark.parametrize(
    "pauses",
    [PollSchedule(math.inf), PollSchedule(1e300), PollSchedule(1e12, exponential=True, max_wait=1e300)],
)
def test_no_pause_is_too_long_for_python(pauses):
    assert pauses.delay_after(1e15, Dice(1.0)) == LONGEST
    polls = Polls([PROCESSING, COMPLETED])
    polls.wait(schedule=pauses)


def test_a_refused_token_is_replaced_within_a_poll():
    polls = Polls([PROCESSING, sample("message-only/401"), COMPLETED])
    polls.wait(schedule=EVERY_TEN)
    assert polls.times == [0.0, 10.0, 10.0]


@pytest.mark.parametrize(
    ("response", "second"),
    [
        (answer(429, Retry_After="45"), 45.0),
        (answer(429, RateLimit_Reset="45"), 45.0),
        (answer(503, Retry_After="45"), 45.0),
        (answer(429, Retry_After="3"), 10.0),
        (answer(200, {"status": "Processing"}, Retry_After="45"), 10.0),
    ],
    ids=["429", "reset", "503", "shorter", "of a good answer"],
)
def test_the_wait_that_a_failing_poll_asks_for_is_respected(response, second):
    polls = Polls([response, COMPLETED])
    polls.wait(deadline=100, schedule=EVERY_TEN)
    assert polls.times == [0.0, second]


def test_a_wait_that_reaches_beyond_the_deadline_leaves_no_time_for_a_last_poll():
    polls = Polls([answer(429, Retry_After="1000"), COMPLETED])
    with pytest.raises(TimedOut, match=r"the last poll failed: .* HTTP 429"):
        polls.wait(deadline=100, schedule=EVERY_TEN)
    assert polls.times == [0.0]
    assert polls.clock.now - START == 100.0


# Clocks that are set while a wait is under way.

SET = pytest.mark.parametrize("hours", [1, -1, 24, -24])


def when_set(hours, before, after):
    """Return polls whose clock is set after the first answer has come."""

    def answers():
        yield before
        polls.clock.ahead = hours * 3600.0
        yield from after

    polls = Polls(answers())
    return polls


@SET
def test_a_clock_that_is_set_puts_off_no_poll_and_hastens_none(hours):
    polls = when_set(hours, PROCESSING, [PROCESSING, COMPLETED])
    polls.wait(schedule=EVERY_TEN, deadline=7200)
    assert polls.times == [0.0, 10.0, 20.0]


@SET
def test_a_clock_that_is_set_leaves_a_retry_after_as_long_as_it_is(hours):
    polls = when_set(hours, answer(429, Retry_After="45"), [PROCESSING, COMPLETED])
    polls.wait(schedule=EVERY_TEN, deadline=7200)
    assert polls.times == [0.0, 45.0, 55.0]


@SET
def test_a_clock_that_is_set_leaves_a_deadline_as_far_away_as_it_is(hours):
    polls = when_set(hours, PROCESSING, FOREVER(PROCESSING))
    with pytest.raises(TimedOut):
        polls.wait(schedule=EVERY_TEN, deadline=25)
    assert polls.times == [0.0, 10.0, 20.0, 25.0]


@SET
def test_a_clock_that_is_set_leaves_pauses_that_grow_growing(hours):
    polls = when_set(hours, PROCESSING, [PROCESSING] * 3 + [COMPLETED])
    polls.wait(schedule=PollSchedule(first=1.0))
    assert polls.clock.naps == pytest.approx([1, 1.5, 2.25, 3.375])


@SET
def test_a_clock_that_is_set_leaves_a_new_job_ten_minutes_to_be_known(hours):
    polls = when_set(hours, NOT_YET, FOREVER(NOT_YET))
    with pytest.raises(NotFound):
        polls.wait(schedule=EVERY_TEN)
    assert polls.times[-1] == 600.0


@SET
def test_a_clock_that_is_set_leaves_the_log_one_line_a_minute(hours, caplog):
    caplog.set_level(logging.INFO)
    when_set(hours, PROCESSING, [*[PROCESSING] * 12, COMPLETED]).wait(schedule=EVERY_TEN)
    assert len([message for message in caplog.messages if message.startswith("Job j-1: ")]) == 2


def test_who_takes_over_with_a_clock_that_is_behind_counts_from_the_beginning():
    """Else nobody would poll for an hour, or all the time: a wait of minus an hour has pauses of nothing."""
    polls = Polls(FOREVER(PROCESSING))
    polls.clock.ahead = -3600.0
    with pytest.raises(TimedOut):
        polls.wait(not_before=10, deadline=40)
    assert polls.times == [10.0, 25.0, 40.0]


def test_a_wait_within_seconds_begins_now():
    script = Script([PROCESSING] * 4, rng=Dice(0))
    now = script.clock()
    wait = PollOptions(now, now, now + 25.0, EVERY_TEN)
    with pytest.raises(TimedOut):
        job_of(script.run(wait_until_done(script.client(), "j-1", wait)))
    assert script.clock.naps == [10.0, 10.0, 5.0]


# Polls that are held back, and the log.

HELD = RateLimited("", info=ResponseInfo("GET /", messages=("cool-down",), retry_after=90.0), transient=True)


def test_a_poll_that_was_held_back_is_no_failed_one(caplog):
    polls = Polls([PROCESSING, *[HELD] * 50, COMPLETED])
    polls.wait(max_errors=1, schedule=EVERY_TEN)
    assert polls.times == [0.0, *(10.0 + 90 * each for each in range(51))]
    assert not [record for record in caplog.records if record.levelno == logging.WARNING]


def test_a_wait_that_is_held_back_at_its_deadline_says_so():
    polls = Polls([HELD, COMPLETED])
    with pytest.raises(
        TimedOut, match=r"the last poll failed: Zuora: a limit is reached, not sent.* cool-down"
    ):
        polls.wait(deadline=80, schedule=EVERY_TEN)
    assert polls.clock.now - START == 80.0


def test_a_poll_is_logged_if_it_finds_something_new_and_once_a_minute(caplog):
    caplog.set_level(logging.INFO)
    Polls([PROCESSING] * 14 + [BROKEN, PROCESSING, COMPLETED]).wait(schedule=EVERY_TEN)
    lines = [message for message in caplog.messages if message.startswith("Job j-1: ")]
    same = "Job j-1: it is Processing; polled %d times, next poll in 10 s"
    assert lines == [same % 7, same % 13, lines[2], same % 16]  # at 60 s, at 120 s, and after the failure
    assert lines[2].startswith("Job j-1: the last poll failed: ")


def test_a_poll_that_fails_is_logged(caplog):
    caplog.set_level(logging.INFO)
    Polls([PROCESSING, BROKEN, COMPLETED]).wait(schedule=EVERY_TEN)
    (warning,) = [record.getMessage() for record in caplog.records if record.levelno == logging.WARNING]
    assert warning.startswith("Poll 1 in a row that failed at job j-1: Zuora: no readable answer")


# How long it pauses.


@pytest.mark.parametrize(("chance", "longest"), [(0.0, 1.0), (0.5, 1.05), (1.0, 1.1)])
@pytest.mark.parametrize("waited", [0, 100, 1e6])
def test_an_interval_is_an_interval_plus_up_to_a_tenth(chance, longest, waited):
    assert PollSchedule(30.0).delay_after(waited, Dice(chance)) == pytest.approx(30 * longest)


@pytest.mark.parametrize(
    ("first", "series"),
    [
        (10.0, [10, 15, 22.5, 33.75, 50.625, 60, 60, 60]),
        (1.0, [1, 1.5, 2.25, 3.375, 5.0625, 7.59375, 11.390625, 17.0859375]),
    ],
)
def test_without_an_interval_pauses_grow_by_half_up_to_a_minute(first, series):
    polls = Polls([*[PROCESSING] * len(series), COMPLETED])
    polls.wait(schedule=PollSchedule(first=first))
    assert polls.clock.naps == pytest.approx(series)


def test_a_minute_has_its_jitter_too():
    assert PollSchedule().delay_after(1e6, Dice(1)) == pytest.approx(66)


@pytest.mark.parametrize("interval", [2, 10, 60, 300])
def test_exponential_pauses_are_those_of_airflow(interval):
    """Airflow: min_backoff = max(int(interval * 2 ** (n - 2)), 1), and up to as much again by chance."""
    pauses, waited = PollSchedule(float(interval), exponential=True), 0.0
    for poke in range(1, 12):
        min_backoff = max(int(interval * 2 ** (poke - 2)), 1)
        assert pauses.delay_after(waited, Dice(0)) == pytest.approx(min_backoff)
        assert pauses.delay_after(waited, Dice(1)) == pytest.approx(2 * min_backoff)
        waited += 1.5 * min_backoff  # what Airflow's n-th pause lasts on the average


@pytest.mark.parametrize(
    ("pauses", "first"),
    [
        (PollSchedule(1.0, exponential=True), 1.0),
        (PollSchedule(0.0, exponential=True), 1.0),
        (PollSchedule(exponential=True), 30.0),
        (PollSchedule(exponential=True, first=1.0), 30.0),
    ],
    ids=str,
)
def test_an_exponential_pause_is_a_second_at_the_least(pauses, first):
    assert pauses.delay_after(0, Dice(0)) == first


@pytest.mark.parametrize(
    "pauses",
    [
        PollSchedule(max_wait=20.0),
        PollSchedule(100.0, max_wait=20.0),
        PollSchedule(100.0, exponential=True, max_wait=20.0),
    ],
    ids=["growing", "interval", "exponential"],
)
def test_no_pause_is_longer_than_max_wait(pauses):
    assert pauses.delay_after(1e6, Dice(1)) == 20.0


def test_a_pause_that_is_shorter_than_max_wait_is_left_alone():
    assert PollSchedule(10.0, max_wait=20.0).delay_after(0, Dice(0)) == 10.0


@pytest.mark.parametrize(
    "pauses",
    [PollSchedule(), EVERY_TEN, PollSchedule(10.0, exponential=True)],
    ids=["growing", "interval", "exponential"],
)
def test_a_restart_in_the_middle_does_not_begin_again(pauses):
    whole = Polls(FOREVER(PROCESSING))
    with pytest.raises(TimedOut):
        whole.wait(deadline=3600, schedule=pauses)
    killed, died = Polls([PROCESSING] * 5), 0.0
    with pytest.raises(AssertionError, match="no answer is left"):
        killed.wait(deadline=3600, schedule=pauses)
    died = killed.times[4] + 1
    again = Polls(FOREVER(PROCESSING))
    again.clock.now += died
    with pytest.raises(TimedOut):
        again.wait(deadline=3600, schedule=pauses)
    nap = pauses.delay_after(died, Dice(0))
    assert again.clock.naps[0] == pytest.approx(nap)
    assert nap >= whole.clock.naps[4] * 0.99
    assert again.times[-1] == whole.times[-1] == 3600.0


FINITE = st.floats(0, 1e7)


@given(
    st.builds(PollSchedule, st.none() | FINITE, st.booleans(), st.none() | FINITE, st.floats(0.1, 100)),
    FINITE,
    st.randoms(use_true_random=False),
)
def test_a_pause_is_never_negative_nor_endless(pauses, waited, rng):
    assert 0 <= pauses.delay_after(waited, rng) <= 4e7


@given(
    st.lists(st.sampled_from([PROCESSING, BROKEN, answer(429, Retry_After="500"), sample("not-found/404")])),
    st.floats(-100, 10_000),
    st.floats(-100, 10_000),
    st.sampled_from([1, 10, None]),
)
def test_a_wait_ends_after_its_deadline_and_polls_then(answers, not_before, deadline, max_errors):
    """Whatever the vendor answers: a timeout comes at the deadline, after a poll then or a Retry-After."""
    polls = Polls([*answers, *[PROCESSING] * 500])
    with pytest.raises(ApiError) as caught:
        polls.wait(not_before=not_before, deadline=deadline, max_errors=max_errors)
    assert all(each >= not_before - 1e-6 for each in polls.times)
    if isinstance(caught.value, TimedOut):
        end = max(0.0, not_before, deadline)
        assert polls.clock.now - START == pytest.approx(end, abs=1e-3)
        is_cooling_down = end - polls.times[-1] < 500 and "HTTP 429" in str(caught.value)
        assert is_cooling_down or polls.times[-1] == pytest.approx(end, abs=1e-3)


# Through the sandbox.


def test_a_job_is_waited_for_until_it_has_ended():
    tenant = Tenant(job_seconds=100)
    order = {
        "orderNumber": "O-1",
        "orderDate": "2024-07-01",
        "existingAccountNumber": "A1",
        "subscriptions": [{"orderActions": [{"type": "RenewSubscription"}], "subscriptionNumber": "A-S1"}],
    }
    client = tenant.client()
    job_id = tenant.run(client.submit(client.vendor.build_submit_request("order", order, {}), "order"))
    tenant.sandbox.add_fault(Fault("GET", times=3))
    began = tenant.clock.now
    job = job_of(tenant.run(wait_until_done(client, job_id, PollOptions(began, began + 10))))
    assert job.result["orderNumber"] == "O-1"
    assert 100 <= tenant.clock.now - began <= 160
