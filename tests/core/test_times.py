"""Days and moments as texts."""

from __future__ import annotations

import pytest

from airflow_provider_zuora.core.times import (
    read_http_date,
    read_minute,
    read_moment,
    write_minute,
    write_moment,
    write_second,
)


@pytest.mark.parametrize(
    "text",
    [
        "Sun, 06 Nov 1994 08:49:37 GMT",
        "Sunday, 06-Nov-94 08:49:37 GMT",
        "Sun Nov  6 08:49:37 1994",
        "Sun, 06 Nov 1994 09:49:37 +0100",
        "Sun, 06 Nov 1994 08:49:37 -0000",
    ],
)
def test_an_http_date_is_read_in_every_form_and_in_utc_where_it_names_no_zone(text):
    assert read_http_date(text).timestamp() == 784111777


@pytest.mark.parametrize("text", ["", "120", "Sun, 31 Feb 1994 08:49:37 GMT", "x" * 64])
def test_what_is_no_http_date_is_none(text):
    assert read_http_date(text) is None


def test_a_minute_is_read_as_it_was_written():
    assert write_minute(1772368259.9) == "2026-03-01T12:30Z"
    assert read_minute("2026-03-01T12:30Z") == 1772368200


@pytest.mark.parametrize(
    "text", ["2026-13-01T12:30Z", "2026-03-01T25:30Z", "2026-03-01T12:61Z", "2026-03-01"]
)
def test_what_is_no_minute_is_none(text):
    assert read_minute(text) is None


def test_people_read_seconds_in_utc():
    assert write_second(1772368259.9) == "2026-03-01T12:30:59Z"


@pytest.mark.parametrize(
    "text", ["2026-03-01T12:30:59+00:00", "2026-03-01 13:30:59+01:00", "2026-03-01T12:30:59"]
)
def test_a_moment_is_read_with_its_offset_and_in_utc_where_it_names_none(text):
    assert read_moment(text) == 1772368259


@pytest.mark.parametrize("text", ["", "None", "now", "12:30", "P1D", "2024-07-01/P1D"])
def test_what_is_no_moment_is_none(text):
    assert read_moment(text) is None


def test_a_moment_is_written_to_the_millisecond_so_that_texts_sort_as_moments():
    assert write_moment(1772368259.9) == "2026-03-01T12:30:59.900Z"
    assert write_moment(1772368259) == "2026-03-01T12:30:59.000Z"
