"""What a soak is judged by: series that grow, leak, stand or are late are misses; no Airflow runs here."""

import os
import socket
import xml.etree.ElementTree as ET
from dataclasses import replace
from math import isnan

import pytest

from benchmarks.lines import draw_lines
from benchmarks.soak import page
from benchmarks.soak.judge import find_warm_up, judge
from benchmarks.soak.samples import (
    Sample,
    count_descriptors,
    find_percentile,
    read_memory,
    read_samples,
    write_samples,
)

WAITS, INTERVAL = 1000, 10.0
LEVEL = Sample(0.0, 260.0, 220.0, 280.0, 33, 29, 9.0, 1004, 1, 95.0, 1.0, 20.0, 40.0)
NAMES = ("resident", "proportional", "sockets", "descriptors", "lag", "renewals", "polls, after", "polls, at")


def make_series(**changed):
    """Return half an hour of samples, ten seconds apart; what is changed is a function of the minutes."""
    signed_in = {"sign_ins": lambda minutes: 1 + int(minutes // 11)}
    series = []
    for index in range(181):
        values = {name: value(index / 6) for name, value in (signed_in | changed).items()}
        series.append(replace(LEVEL, seconds=index * 10.0, **values))
    return series


def list_misses(series, lags=((400.0, 1.0),)):
    return [each.claim for each in judge(series, lags, WAITS, INTERVAL) if not each.holds]


def test_a_level_series_holds():
    assert len(list(judge(make_series(), [(400.0, 1.0)], WAITS, INTERVAL))) == len(NAMES)
    assert list_misses(make_series()) == []


@pytest.mark.parametrize(
    ("name", "value", "claims"),
    [
        ("rss_mb", lambda minutes: 260 + minutes, ["resident memory"]),
        ("pss_mb", lambda minutes: 220 + minutes, ["proportional memory"]),
        ("sockets", lambda minutes: 29 + int(minutes / 6), ["sockets"]),
        ("descriptors", lambda minutes: 33 + int(minutes / 6), ["descriptors"]),
        ("sign_ins", lambda minutes: 1 + int(minutes > 11), ["renewals"]),
        ("polls_per_second", lambda minutes: 95.0 if minutes < 20 else 20.0, ["polls that are due"]),
    ],
)
def test_a_series_that_is_not_level_is_a_miss(name, value, claims):
    misses = list_misses(make_series(**{name: value}))

    assert len(misses) == 1
    assert misses[0].startswith(claims[0])


def test_what_grows_while_it_warms_up_and_then_stays_holds():
    assert list_misses(make_series(rss_mb=lambda minutes: 200 + 12 * min(minutes, 5))) == []


def test_a_loop_that_is_late_for_one_look_in_fifty_is_a_miss():
    lags = [(400.0, 1.0)] * 49 + [(401.0, 101.0)]

    assert list_misses(make_series(), lags) == ["ms of loop lag, 99th percentile"]
    assert list_misses(make_series(), [(10.0, 500.0)] * 9 + [(400.0, 1.0)] * 200) == []


def test_a_short_soak_warms_up_for_a_sixth_of_its_time():
    assert (find_warm_up(60), find_warm_up(1800), find_warm_up(7200)) == (10, 300, 300)


def test_a_percentile_is_the_smallest_value_that_so_many_are_not_above():
    assert find_percentile([4.0, 1.0, 3.0, 2.0], 50) == 2.0
    assert find_percentile([float(number) for number in range(1, 101)], 99) == 99.0
    assert isnan(find_percentile([], 99))


def test_a_process_is_read_by_its_id():
    assert read_memory(os.getpid())["Rss"] > 10
    before = count_descriptors(os.getpid())
    with socket.socket():
        assert count_descriptors(os.getpid()) == (before[0] + 1, before[1] + 1)


def test_samples_are_read_as_they_were_written(tmp_path):
    series = make_series()
    write_samples(tmp_path / "soak.csv", series)

    assert read_samples(tmp_path / "soak.csv") == series


def test_page_samples_and_picture_are_written(tmp_path):
    (tmp_path / "soak.md").write_text(f"# Title\n\n{page.MARK}stale\n")
    series = make_series()
    page.write(series, list(judge(series, [(400.0, 1.0)], WAITS, INTERVAL)), WAITS, INTERVAL, tmp_path)

    text = (tmp_path / "soak.md").read_text()
    assert "stale" not in text
    assert "| 0.0 | 260.0 | 220.0 | 33 | 29 | 1.0 / 20.0 / 40 | 95 | 9 | 1 |" in text
    assert "ok   resident memory" in text
    assert len(read_samples(tmp_path / "soak.csv")) == len(series)
    ET.parse(tmp_path / "images" / "soak.svg")


def test_a_curve_ends_where_the_time_ends_and_its_axis_is_round():
    picture = ET.fromstring(draw_lines({"t": {"a": [0.0, 150.0]}}, [0.0, 30.0]))
    [curve] = picture.iter("{http://www.w3.org/2000/svg}polyline")

    assert curve.get("points") == "60.0,148.0 748.0,62.5"
