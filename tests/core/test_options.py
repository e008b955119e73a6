"""Options that cannot be are named before anything is sent."""

from __future__ import annotations

import math
from datetime import timedelta
from decimal import Decimal

import pytest

from airflow_provider_zuora.core.options import (
    MOST_SECONDS,
    check_execution_timeout,
    check_flags,
    check_seconds,
    find_text_violations,
)


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        (1, 1.0),
        (0.5, 0.5),
        (Decimal("1.5"), 1.5),
        (timedelta(minutes=2), 120.0),
        (MOST_SECONDS, MOST_SECONDS),
    ],
)
def test_a_time_is_seconds_or_a_timedelta(value, seconds):
    assert check_seconds("timeout", value) == seconds


def test_no_time_at_all_is_one_where_it_may_be():
    assert check_seconds("poke_interval", 0, zero=True) == 0.0
    with pytest.raises(
        ValueError, match=r"^timeout: must be a number of seconds above 0, or a timedelta, not 0$"
    ):
        check_seconds("timeout", 0)


@pytest.mark.parametrize(
    "value",
    [
        -1,
        -0.1,
        -math.inf,
        math.nan,
        Decimal("NaN"),
        Decimal("sNaN"),
        True,
        False,
        None,
        "60",
        [],
        {},
        timedelta(seconds=-1),
    ],
)
def test_what_is_no_time(value):
    with pytest.raises(ValueError, match=r"^timeout: must be a number of seconds"):
        check_seconds("timeout", value, zero=True)


@pytest.mark.parametrize(
    "value", [math.inf, 1e15, 10**400, timedelta.max, MOST_SECONDS + 1, Decimal("Infinity")]
)
def test_more_than_ten_years_is_refused_before_it_overflows_anything(value):
    with pytest.raises(
        ValueError, match=r"^timeout: must be a number of seconds of at most 315360000 \(ten years\)$"
    ):
        check_seconds("timeout", value)


def test_a_limit_of_airflows_that_is_over_before_the_task_begins_is_refused():
    for limit in (None, timedelta(0), timedelta.max):
        check_execution_timeout(limit)
    with pytest.raises(ValueError, match=r"^execution_timeout: must be 0 or above, not .*days=-1"):
        check_execution_timeout(timedelta(days=-1))


def test_a_switch_is_true_or_false_and_never_a_text():
    check_flags({"a": True, "b": False})
    with pytest.raises(
        ValueError, match="a: must be True or False, not 'False'\nc: must be True or False, not None"
    ):
        check_flags({"a": "False", "b": True, "c": None})


def test_what_is_no_text():
    assert find_text_violations({"a": None, "b": "x", "c": 5}) == ("c: must be a text, not of type int",)
