"""What the processes of a host know together of a window, and which starts they take out of it."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_provider_zuora.core.http.host_limits import (
    HostLimits,
    Start,
    StatedWindow,
    add_cool_down,
    add_window,
)
from airflow_provider_zuora.core.http.limit_headers import read_window_length

NOW = 1000.0


def known(left, end, most=600):
    """Return limits whose window begins anew so many seconds from now."""
    return HostLimits(most=most, left=left, earliest=NOW + end, latest=NOW + end)


def stated(left, most=600, reset=30.0, now=NOW, took=0.0, length=60.0):
    """Return what an answer says that came now, and whose request began some seconds before."""
    return StatedWindow.of(most, left, length, reset, now - took, now)


def take(limits, count, now=NOW):
    """Take starts one after the other at one moment; return what is left, and when each may be."""
    starts = []
    for _ in range(count):
        start = Start(now)
        limits = start.take(limits)
        starts.append((start.due, start.is_taken))
    return limits, starts


def test_where_nobody_counts_a_start_is_at_once_and_changes_nothing():
    assert take(HostLimits(), 2) == (HostLimits(), [(NOW, True)] * 2)


def test_starts_are_counted_from_the_first_answer_that_has_few_left_and_a_hundredth_is_spared():
    limits = add_window(HostLimits(), stated(500))
    limits, starts = take(limits, 3)

    assert starts == [(NOW, True)] * 3
    assert (limits.most, limits.left) == (600, 500 - 6 - 3)


def test_the_last_tenth_is_spread_over_the_rest_of_the_window():
    limits = known(50, 50)

    _, starts = take(limits, 3)
    assert [due - NOW for due, _ in starts] == pytest.approx([0, 1, 2])


def test_who_finds_a_window_spent_asks_again_when_the_next_one_begins():
    limits = known(2, 50)
    limits, starts = take(limits, 4)

    assert starts[2:] == [(NOW + 50, False)] * 2
    limits, starts = take(limits, 535, now=NOW + 50)
    assert starts == [(NOW + 50, True)] * 535
    assert (limits.left, limits.latest) == (59, NOW + 110)


def test_what_starts_while_a_window_may_end_counts_for_the_next_one_too():
    limits, _ = take(known(300, 50), 5)
    limits, _ = take(limits, 7, now=NOW + 49.5)
    limits, starts = take(limits, 1, now=NOW + 50)
    assert (limits.left, starts) == (594 - 7 - 1, [(NOW + 50, True)])


def test_a_window_that_has_begun_sooner_than_expected_is_begun_by_the_answer_that_says_so():
    before, _ = take(HostLimits(most=600, left=300, earliest=NOW, latest=NOW + 2), 9, now=NOW + 0.5)
    after = add_window(before, stated(598, reset=60, now=NOW + 1))
    assert (after.left, after.earliest, after.latest) == (585, NOW + 60, NOW + 62)


@pytest.mark.parametrize("most", [1, 2])
def test_a_window_of_one_request_has_one_start(most):
    limits, starts = take(known(0, 50, most=most), 3)
    assert {taken for _, taken in starts} == {False}
    for window in range(3):
        limits, starts = take(limits, 3, now=NOW + 50 + 60 * window)
        assert [taken for _, taken in starts] == [True, False, False]


def test_a_host_that_was_idle_for_long_begins_in_the_window_of_now():
    limits, starts = take(known(0, 0), 1, now=NOW + 601)

    assert starts == [(NOW + 601, True)]
    assert (limits.left, limits.latest) == (593, NOW + 660)


def test_what_others_have_taken_elsewhere_is_missing_here_too():
    limits = add_window(known(400, 30), stated(300))
    assert limits.left == 294


def test_an_answer_does_not_know_what_is_under_way():
    before = known(300, 30)
    assert add_window(before, stated(400)) == before


@pytest.mark.parametrize("late", [0.0, 20.0, 59.0])
def test_an_answer_that_came_late_does_not_move_the_window(late):
    before = known(300, 30)
    assert add_window(before, stated(310, reset=30 + late, took=late)) == before


def test_an_answer_of_the_window_before_changes_nothing():
    before = known(590, 57)
    assert add_window(before, stated(2, reset=1, took=5)) == before


def test_the_end_of_a_window_is_known_better_with_each_answer():
    first = add_window(HostLimits(), stated(500, reset=30, took=8))
    assert first.latest == NOW + 31
    second = add_window(first, stated(499, reset=20, now=NOW + 9))
    assert second.latest == NOW + 30


def test_another_window_replaces_the_known_one():
    before = HostLimits(NOW + 5, 600, 300, NOW + 30, NOW + 30, 60, NOW)
    other = add_window(before, stated(23_000, most=2_250_000, reset=1800, length=3600))
    assert other == HostLimits(NOW + 5, 2_250_000, 500, NOW + 1799, NOW + 1801, 3600)


def test_nobody_counts_while_plenty_is_left():
    assert add_window(HostLimits(), stated(49_000, most=50_000)) == HostLimits()
    few = add_window(HostLimits(), stated(9_000, most=50_000))
    assert few.most == 50_000
    later = stated(49_990, most=50_000, reset=59, now=NOW + 40)
    assert add_window(few, later).most == 0
    rolled, _ = take(few, 1, now=NOW + 40)
    assert add_window(rolled, later).most == 0


def test_the_longest_cool_down_counts():
    assert add_cool_down(add_cool_down(HostLimits(), 50), 30) == HostLimits(50)


@pytest.mark.parametrize(
    ("limits", "possible"),
    [
        (HostLimits(), True),
        (HostLimits(NOW + 86_400), True),
        (HostLimits(NOW + 1e6), False),
        (HostLimits(latest=math.nan), False),
        (HostLimits(length=0), False),
        (HostLimits(most=-1), False),
    ],
)
def test_what_cannot_be_is_not_believed(limits, possible):
    assert limits.is_possible(NOW) == possible


def test_a_window_of_which_much_is_left_is_counted_by_nobody():
    limits = add_window(known(49_500, 30, most=50_000), stated(49_000, most=50_000))

    assert limits.most == 0


@pytest.mark.parametrize(
    ("text", "most", "seconds"),
    [
        ("600, 600;w=60, 2250000;w=3600, 27000000;w=86400", 600, 60),
        ("2250000, 50000;w=60, 2250000;w=3600", 2_250_000, 3600),
        ("600", 600, 60),
        ("600, 600;w=0", 600, 60),
        ("600, 1600;w=99", 600, 60),
        ("600, 600;w=1234567", 600, 60),
    ],
)
def test_the_length_of_a_window_is_the_stated_one_or_a_minute(text, most, seconds):
    assert read_window_length(text, most) == seconds


@given(
    st.lists(st.tuples(st.floats(0, 5), st.integers(1, 40), st.booleans()), max_size=60), st.integers(1, 700)
)
def test_no_minute_has_more_starts_than_the_limit(steps, left):
    limits, now, starts = known(left, 30), NOW, []
    for pause, count, is_answered in steps:
        now += pause
        limits, taken = take(limits, count, now)
        starts += [due for due, is_taken in taken if is_taken]
        if is_answered:
            end = 30 + 60 * max(0, math.floor((now - NOW - 30) / 60) + 1)
            budget = left if now < NOW + 30 else 600
            in_window = sum(due <= now and due >= NOW + end - 60 for due in starts)
            limits = add_window(limits, stated(max(0, budget - in_window), reset=NOW + end - now, now=now))
    for window in range(10):
        begin = NOW + 30 + 60 * (window - 1)
        assert sum(begin <= due < begin + 60 for due in starts) <= (left if not window else 600)
