"""When a request may start, by what the answers before it said."""

from __future__ import annotations

import logging
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from airflow_provider_zuora.core.errors import RateLimited
from airflow_provider_zuora.core.http.limit_headers import read_retry_after
from airflow_provider_zuora.core.http.rate_limiter import RateLimiter
from airflow_provider_zuora.core.messages import PATIENCE, Request
from tests.core.runners import Clock, Dice, answer

GET = Request("GET", "/v1/async-jobs/j")
WINDOWS = "600, 600;w=60, 2250000;w=3600"


class Desk:
    """Asks for admission, and lets the time pass that has to."""

    def __init__(self, chance=0.0):
        self.clock = Clock()
        self.start = self.clock.now
        self.limits = RateLimiter(Dice(chance))

    def starts(self) -> float:
        """Wait for a request's turn and return when it started."""
        for seconds in self.limits.acquire(GET, self.clock):
            self.clock.sleep(seconds)
        return self.clock.now - self.start

    def due(self) -> float:
        """Return when a request may start; it waits, and does not start meanwhile."""
        turn = self.limits.acquire(GET, self.clock)
        self.waiting = [*getattr(self, "waiting", ()), turn]
        return self.clock.now - self.start + next(turn, 0.0)

    def asks(self, *answers) -> None:
        """Let a request start for each of these answers, then let all of them come."""
        for _ in answers:
            self.starts()
        for each in answers:
            self.limits.release(each, self.clock.now)


def window(left, reset=50, **others):
    return answer(
        200, RateLimit_Limit=WINDOWS, RateLimit_Remaining=str(left), RateLimit_Reset=str(reset), **others
    )


def crowd(left, most=40):
    return answer(200, Concurrency_Limit_Limit=str(most), Concurrency_Limit_Remaining=str(left))


def cool_down(seconds, status=429):
    return answer(status, Retry_After=str(seconds))


@pytest.mark.parametrize(
    "response",
    [
        answer(200),
        answer(500),
        answer(503),
        window(60),
        crowd(4),
        cool_down(30, 200),
        cool_down(30, 500),
        None,
    ],
)
def test_nothing_waits_where_no_limit_is_near(response):
    desk = Desk()
    desk.asks(*[response] * 50)
    assert desk.starts() == 0


# Cool-down.


@pytest.mark.parametrize("status", [429, 503])
@pytest.mark.parametrize("chance", [0.0, 0.5])
def test_the_whole_account_is_quiet_until_a_retry_after_has_passed(status, chance):
    desk = Desk(chance)
    desk.asks(cool_down(30, status))
    assert [desk.due() for _ in range(3)] == [30 + chance] * 3
    desk.clock.now += 29
    assert desk.due() == 30 + chance
    desk.clock.now += 1
    assert desk.starts() == 30


def test_a_429_that_states_nothing_but_a_reset_is_quiet_until_then():
    desk = Desk()
    desk.asks(answer(429, RateLimit_Reset="9"))
    assert desk.due() == 9


def test_a_429_that_states_nothing_is_quiet_for_a_second():
    desk = Desk()
    desk.asks(answer(429))
    assert desk.due() == 1


def test_the_longest_quiet_counts_whatever_comes_later():
    desk = Desk()
    desk.asks(cool_down(30), cool_down(50), cool_down(10))
    assert desk.due() == 50


def test_who_waits_for_the_end_of_a_quiet_waits_for_the_next_one_too():
    desk = Desk()
    desk.asks(cool_down(30))
    turn = desk.limits.acquire(GET, desk.clock)
    assert next(turn) == 30
    desk.clock.now += 20
    desk.limits.release(cool_down(40), desk.clock.now)
    desk.clock.now += 10
    assert next(turn) == 30
    assert next(turn, None) is None


def test_a_wait_counts_as_done_whatever_the_clock_says():
    desk = Desk()
    desk.asks(cool_down(30))
    turn = desk.limits.acquire(GET, desk.clock)
    assert [*turn] == [30]


def test_a_quiet_that_is_too_long_to_wait_for_holds_the_request_back():
    desk = Desk(0.5)
    desk.asks(cool_down(PATIENCE - 0.5))
    assert desk.due() == PATIENCE
    desk = Desk(0.5)
    desk.asks(cool_down(120))
    with pytest.raises(RateLimited, match=r"GET /v1/async-jobs/j: .*cools down for 120 s") as caught:
        desk.due()
    assert caught.value.retry_after == 120.5
    assert caught.value.transient
    assert caught.value.info.status is None


def test_a_request_of_less_patience_is_held_back_sooner():
    desk = Desk()
    desk.asks(cool_down(30))
    hasty = replace(GET, patience=20.0)
    with pytest.raises(RateLimited) as caught:
        next(desk.limits.acquire(hasty, desk.clock))
    assert caught.value.retry_after == 30
    desk.clock.sleep(10)
    assert next(desk.limits.acquire(hasty, desk.clock)) == 20


def test_nobody_is_quiet_for_more_than_a_day():
    desk = Desk()
    desk.asks(cool_down(1e8))
    with pytest.raises(RateLimited) as caught:
        desk.due()
    assert caught.value.retry_after == 86_400


@pytest.mark.parametrize(
    ("status", "headers", "seconds"),
    [
        (429, {"Retry_After": "5", "RateLimit_Reset": "60"}, 60),
        (429, {"Retry_After": "120", "RateLimit_Reset": "60"}, 120),
        (429, {"RateLimit_Reset": "60", "RateLimit_Remaining": "0"}, 60),
        (429, {"RateLimit_Reset": "60", "RateLimit_Remaining": "9"}, 60),
        (429, {"Retry_After": "5", "RateLimit_Reset": "60", "RateLimit_Remaining": "0"}, 60),
        (429, {"Retry_After": "5", "RateLimit_Reset": "60", "RateLimit_Remaining": "9"}, 5),
        (429, {"Retry_After": "5", "RateLimit_Reset": "soon"}, 5),
        (429, {"Retry_After": "5, 120"}, 120),
        (429, {"Retry_After": "5, soon"}, 5),
        (429, {"Retry_After": "nan"}, None),
        (429, {"Retry_After": "nan, 60"}, 60),
        (429, {"Retry_After": "60, 1e99, inf"}, 60),
        (429, {"Retry_After": "60,"}, 60),
        (429, {"Retry_After": ", 60"}, 60),
        (429, {"Retry_After": "1, " * 40 + "60"}, 60),
        (429, {"Retry_After": "60, Thu, 01 Jan 2026 00:00:05 GMT"}, 60),
        (429, {"Retry_After": "Thu, 01 Jan 2026 00:00:05 GMT, 60"}, 60),
        (429, {"Retry_After": "5, Thursday, 01-Jan-26 00:01:00 GMT"}, 60),
        (429, {"Retry_After": "Thu, 01 Jan 2026 00:00:05 GMT, Thu, 01 Jan 2026 00:01:00 GMT"}, 60),
        (429, {"Retry_After": "Thu Jan  1 00:01:00 2026, 5"}, 60),
        (429, {"Retry_After": "-5"}, 0),
        (429, {"Retry_After": "9" * 5000}, None),
        (429, {"Retry_After": "60, 1767225660"}, 60),
        (429, {"Retry_After": "999999999"}, 86_400),
        (503, {"Retry_After": "99999999999"}, None),
        (503, {"Retry_After": "Fri, 31 Dec 9999 23:59:59 GMT"}, 86_400),
        (429, {"RateLimit_Reset": "999999"}, 86_400),
        (429, {"RateLimit_Reset": "1767225660"}, None),
        (503, {"Retry_After": "5", "RateLimit_Reset": "60"}, 5),
        (503, {"RateLimit_Reset": "60"}, None),
        (503, {"Retry_After": "Thu, 01 Jan 2026 00:01:00 GMT"}, 60),
        (503, {"Retry_After": "Thu, 01 Jan 2026 00:01:00 GMT", "Date": "soon"}, 60),
        (503, {"Retry_After": "Thu, 01 Jan 2026 00:01:00", "Date": "Thu, 01 Jan 2026 00:00:50 GMT"}, 10),
        (503, {"Retry_After": "Wed, 31 Dec 2025 00:00:00 GMT"}, 0),
        (503, {"Retry_After": "Thu, 99 Jan 2026 00:01:00 GMT"}, None),
    ],
    ids=repr,
)
def test_the_wait_that_an_answer_asks_for(status, headers, seconds):
    now = datetime(2026, 1, 1, tzinfo=UTC)

    assert read_retry_after(answer(status, **headers), lambda: now) == seconds


def test_a_date_counts_from_our_own_clock_where_the_answer_has_none():
    until = datetime.now(UTC) + timedelta(seconds=60)

    assert 50 < read_retry_after(answer(429, Retry_After=format_datetime(until, usegmt=True))) <= 60


def test_a_window_of_a_minute_is_waited_for():
    desk = Desk(0.999)
    desk.asks(window(0, reset=60))
    assert desk.starts() == pytest.approx(60.999)


def test_the_beginning_of_a_quiet_is_logged_and_not_its_length(caplog):
    caplog.set_level(logging.INFO)
    desk = Desk()
    desk.asks(window(5, reset=40), cool_down(30), cool_down(50), window(4, reset=40))
    assert caplog.messages == [
        "Little is left of the account's limit: requests are spread over 40 s",
        "HTTP 429: this process sends the account nothing for 30 s",
    ]
    assert [record.levelno for record in caplog.records] == [logging.INFO, logging.WARNING]


# A window that is nearly spent.


@pytest.mark.parametrize(("left", "apart"), [(59, 59), (50, 50), (1, 1)])
def test_what_is_left_is_spread_over_the_time_until_the_window_begins_anew(left, apart):
    desk = Desk(0.5)
    desk.asks(window(left, reset=30))
    starts = [desk.starts() for _ in range(left + 1)]
    assert starts == pytest.approx([*(each * 30 / apart for each in range(left)), 30.5])


def test_those_that_wait_at_once_get_a_turn_each():
    desk = Desk()
    desk.asks(window(5, reset=50))
    assert [desk.due() for _ in range(7)] == pytest.approx([0, 10, 20, 30, 40, 50, 50])


def test_what_is_under_way_counts_as_spent():
    desk = Desk()
    for _ in range(4):
        desk.starts()
    desk.limits.release(window(5, reset=50), desk.clock.now)
    assert [desk.due() for _ in range(3)] == pytest.approx([0, 25, 50])


def test_a_forked_child_has_none_of_its_parents_requests_under_way():
    desk = Desk()
    for _ in range(4):
        desk.starts()
    desk.limits.renew_lock()
    desk.asks(window(5, reset=50))
    assert [desk.due() for _ in range(3)] == pytest.approx([0, 10, 20])


def test_a_spent_window_is_waited_for_and_one_that_is_too_far_away_is_not():
    desk = Desk()
    desk.asks(window(0, reset=50))
    assert desk.due() == 50
    desk.clock.now += 50
    assert desk.starts() == 50
    desk.asks(window(0, reset=1200))
    with pytest.raises(RateLimited) as caught:
        desk.starts()
    assert caught.value.retry_after == 1200


def test_those_that_were_held_back_spend_nothing():
    desk = Desk()
    desk.asks(window(2, reset=40), cool_down(120))
    for _ in range(20):
        with pytest.raises(RateLimited):
            desk.starts()
        desk.limits.release(None, desk.clock.now)
    desk.clock.now += 120
    desk.asks(window(2, reset=40))
    assert [desk.due() for _ in range(3)] == [120, 140, 160]


def test_a_good_answer_ends_the_slowness():
    desk = Desk()
    desk.asks(window(1))
    desk.limits.release(window(60), desk.clock.now)
    assert [desk.starts() for _ in range(5)] == [0] * 5


@pytest.mark.parametrize(
    "headers",
    [
        {"RateLimit_Remaining": "0"},
        {"RateLimit_Remaining": "0", "RateLimit_Reset": "50"},
        {"RateLimit_Remaining": "0", "RateLimit_Limit": WINDOWS},
        {"RateLimit_Remaining": "0", "RateLimit_Limit": WINDOWS, "RateLimit_Reset": "soon"},
        {"RateLimit_Remaining": "none", "RateLimit_Limit": WINDOWS, "RateLimit_Reset": "50"},
        {"RateLimit_Remaining": "-1", "RateLimit_Limit": WINDOWS, "RateLimit_Reset": "50"},
        {"RateLimit_Remaining": "0", "RateLimit_Limit": "x" * 5000, "RateLimit_Reset": "50"},
        {"RateLimit_Remaining": "9" * 5000, "RateLimit_Limit": WINDOWS, "RateLimit_Reset": "50"},
        {"Concurrency_Limit_Remaining": "0"},
        {"Concurrency_Limit_Remaining": "0", "Concurrency_Limit_Limit": "many"},
    ],
)
def test_headers_that_say_half_or_nonsense_slow_nothing_down(headers):
    desk = Desk()
    desk.asks(answer(200, **headers))
    assert desk.starts() == 0


# The requests at once.


def test_where_others_leave_little_room_as_many_of_ours_wait():
    desk = Desk(0.5)
    for _ in range(20):
        desk.starts()
    desk.limits.release(crowd(0), desk.clock.now)  # 19 under way
    assert desk.due() == 1.5
    for _ in range(4):
        desk.limits.release(None, desk.clock.now)
    assert desk.starts() == 0, "16 under way: a tenth of the 40 is left to others"
    assert desk.due() == 1.5


def test_a_crowd_that_has_gone_is_heard_of_at_once():
    desk = Desk()
    desk.starts()
    desk.asks(crowd(0))
    desk.limits.release(crowd(39), desk.clock.now)
    assert [desk.due() for _ in range(5)] == [0] * 5


def test_one_request_at_a_time_is_always_let_through():
    desk = Desk()
    desk.asks(crowd(0))
    assert desk.starts() == 0
    assert desk.due() == 1


def test_a_crowd_is_news_for_a_second():
    desk = Desk()
    desk.starts()
    desk.asks(crowd(0))
    assert desk.due() == 1
    desk.clock.now += 1
    assert desk.starts() == 1


def test_who_gives_up_waiting_is_not_counted_any_more():
    desk = Desk()
    desk.asks(cool_down(30))
    turn = desk.limits.acquire(GET, desk.clock)
    next(turn)
    turn.close()
    desk.limits.release(None, desk.clock.now)
    assert (desk.limits._under_way, desk.limits._waiting) == (0, 0)


@example([(200, "0", 0, 60, 0)], 0.5)  # once held back for its jitter alone
@example([(429, "59", 0, 60, 0), (503, "3", 1, 60, 40)], 0.999)
@given(
    st.lists(
        st.tuples(
            st.sampled_from([200, 200, 200, 429, 503]),
            st.sampled_from(["0", "3", "30", "59", "x"]),
            st.integers(0, 59),
            st.integers(0, 60),
            st.integers(0, 40),
        ),
        max_size=30,
    ),
    st.floats(0, 0.999),
)
def test_no_request_starts_between_a_retry_after_and_its_end(answers, chance):
    desk = Desk(chance)
    end = 0.0
    for status, retry, left, reset, room in [*answers, answers[-1]] if answers else ():
        assert desk.starts() >= end
        said = window(left, reset, Retry_After=retry) if status != 200 else window(left, reset)
        response = type(said)(status, {**said.headers, **crowd(room).headers}, b"")
        now = desk.clock.now
        desk.limits.release(response, now)
        if status != 200 and retry != "x":
            end = max(end, now - desk.start + float(retry))
    assert desk.limits._under_way == desk.limits._waiting == 0
