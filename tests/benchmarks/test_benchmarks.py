"""The benchmarks work: small ones, in processes of their own; nothing about how long they take."""

import random
import xml.etree.ElementTree as ET
from dataclasses import replace

import pytest

from benchmarks import parts, plot, polling, report, rounds, workers
from tests.e2e.test_start_and_end import TAKES


@pytest.mark.parametrize("way", ["bare", "ours", "airflow"])
def test_waits_are_measured(way):
    figures = rounds.run_against_server(parts.WAITS, way, 5, 0.01)
    assert (figures["polls"], figures["sign_ins"]) == (25, 1)
    assert 1 <= figures["connections"] <= 5
    assert figures["cpu_ms"] > 0
    assert figures["peak_mb"] >= figures["idle_mb"] > 10


@pytest.mark.timeout(400)  # importing the SDK takes as long as that
@pytest.mark.parametrize("way", ["bare", "ours", "sdk"])
def test_submissions_are_measured(way):
    figures = rounds.run_against_server(parts.SUBMITS, way, 5, 5)
    assert figures["sign_ins"] == 1
    assert figures["seconds"] >= (0.75 if way == "sdk" else 0.15)


def test_waits_under_limits_are_measured():
    figures = rounds.run_alone(parts.LIMITS, 3, 5, 0.5, 0.2)
    assert figures.pop("seconds") > 0
    assert figures.pop("requests") >= 10
    assert figures == {"unfinished": 0, "refused": 0, "asked_in_cool_down": 0, "sign_ins": 1, "doubled": 0}


def test_exports_are_measured():
    found = parts.measure_exports(replace(parts.QUICK, pairs=2, exported=2_000_000))
    for way in found.values():
        assert len(way.figures) == 2
        assert way["seconds"] >= way["fetch_seconds"] > 0
        assert way["mb_per_second"] > 0


def test_an_export_that_is_slower_than_curl_by_a_quarter_is_a_miss():
    found = {"ours": rounds_of({"seconds": 1.26}), "curl": rounds_of({"seconds": 2.0, "fetch_seconds": 1.0})}
    assert not next(parts.judge_exports(found)).holds
    found["ours"] = rounds_of({"seconds": 1.25})
    assert next(parts.judge_exports(found)).holds


def test_a_process_that_fails_says_why():
    with pytest.raises(SystemExit, match="invalid choice: 'nobody'"):
        rounds.run_against_server(parts.WAITS, "nobody", 5, 0.01)


def rounds_of(*figures):
    return rounds.Rounds(figures)


def test_ways_take_turns_and_medians_count(capsys):
    figures = iter([9.0, 1.0, 2.0, 3.0])  # a, b, then a alone
    asked = []

    def measured(*arguments):
        asked.append(arguments)
        return {"x": next(figures)}

    found = rounds.alternate(3, {"a": ("m", 1), "b": ("m", 2)}, ["b"], measured)
    assert asked == [("m", 1), ("m", 2), ("m", 1), ("m", 1)]
    assert found == {"a": rounds_of({"x": 9.0}, {"x": 2.0}, {"x": 3.0}), "b": rounds_of({"x": 1.0})}
    assert found["a"]["x"] == 3.0


def test_a_ratio_is_of_one_round():
    ours, bare = rounds_of({"x": 3.0}, {"x": 8.0}, {"x": 6.0}), rounds_of({"x": 2.0}, {"x": 4.0}, {"x": 4.0})
    verdict = parts.Verdict.of_ratios("x", ours.ratios(bare, "x"), 1.4)
    assert str(verdict) == "MISS x: 1.50 (median of 3, 1.50 to 2.00), at most 1.40"


def figures(**values):
    return rounds_of(
        {"cpu_ms": 1.0, "connections": 20, "sign_ins": 1, "idle_mb": 30.0, "peak_mb": 50.0} | values
    )


def test_what_must_hold_is_judged_by_the_ratios_of_one_run():
    ways = {
        "bare": figures(),
        "ours": figures(cpu_ms=1.5, peak_mb=151.0),
        "http": figures(cpu_ms=6.0),
        "dbt": figures(cpu_ms=5.9, connections=5000),
        "airflow": figures(idle_mb=115.0),
    }
    verdicts = list(parts.judge_waits(parts.QUICK, {1000: ways}))
    assert [verdict.holds for verdict in verdicts] == [False, True, True, False, True, False]
    words = "1,000 waits: CPU per poll, ours / bare loop: 1.50 (median of 1, 1.50 to 1.50), at most 1.25"
    assert str(verdicts[0]) == f"MISS {words}"


def test_ten_thousand_waits_are_judged_beside_the_bare_loop_alone():
    ways = {"bare": figures(), "ours": figures(cpu_ms=1.16, peak_mb=151.0), "airflow": figures(idle_mb=115.0)}
    thousand = {name: figures(idle_mb=115.0) for name in ("bare", "ours", "http", "dbt", "airflow")}
    verdicts = parts.judge_waits(parts.FULL, {1000: thousand, 10_000: ways})
    found = {str(each): each.holds for each in verdicts if each.claim.startswith("10,000")}
    assert list(found.values()) == [False, True, True, False]


def test_the_cost_of_a_poll_and_that_of_a_start_are_told_apart():
    few, many = figures(cpu_ms=0.5), figures(cpu_ms=0.34)  # a start of 1 ms, and 0.3 ms a poll
    [split] = parts.split_costs(few, many).figures
    assert split == {"poll_ms": pytest.approx(0.3), "start_ms": pytest.approx(1.0)}
    [verdict] = parts.judge_polls({"bare": rounds_of({"poll_ms": 0.2}), "ours": rounds_of(split)})
    assert not verdict.holds


def test_a_job_of_the_server_ends_at_the_poll_that_is_asked_for():
    found = rounds.run_against_server(parts.WAITS, "bare", 2, 0.01, options=("--polls", 7))
    assert found["polls"] == 14


@pytest.mark.parametrize("spoiled", range(5))
def test_each_figure_under_limits_is_judged(spoiled):
    good = {"requests": 900, "unfinished": 0, "asked_in_cool_down": 0, "sign_ins": 1, "doubled": 0}
    bad = {"requests": 599, "unfinished": 1, "asked_in_cool_down": 1, "sign_ins": 2, "doubled": 1}
    name = list(good)[spoiled]
    verdicts = list(parts.judge_limits({60: rounds_of(good | {name: bad[name]})}))
    assert [verdict.holds for verdict in verdicts] == [place != spoiled for place in range(5)]


def test_one_worker_process_more_is_a_miss():
    most = {way: number for way, (_, number) in workers.WAYS.items()}
    assert all(verdict.holds for verdict in parts.judge_workers(most))
    more = {way: number + 1 for way, number in most.items()}
    assert not any(verdict.holds for verdict in parts.judge_workers(more))


def test_as_many_worker_processes_may_be_taken_as_the_end_to_end_tests_say():
    assert workers.DAGS.is_file()
    for dag_id, most in workers.WAYS.values():
        assert sum(TAKES[dag_id].values()) == most


def test_fixed_intervals_are_polled_as_arithmetic_says():
    rng = random.Random(1)
    assert polling.simulate_wait(polling.RULES["every 10 s"], 25.0, rng) == (4, 5.0)
    polls, late = polling.simulate_wait(polling.RULES["ours, deferred"], 20.0, rng)
    assert polls == 3
    assert 5.0 <= late <= 7.5


def test_pages_and_pictures_are_written(tmp_path):
    waits = {1000: {name: figures() for name in ("bare", "ours", "http", "dbt", "airflow")}}
    submits = {
        name: rounds_of({"seconds": 8.0, "orders_per_second": 100.0, "cpu_ms": 1.0})
        for name in ("bare", "ours", "sdk")
    }
    names = ("nothing", "airflow", "ours", "dbt", "sdk")
    imports = {name: rounds_of({"seconds": 1.0, "mb": 50.0}) for name in names}
    limited = {"requests": 1234, "refused": 7, "unfinished": 0, "asked_in_cool_down": 0, "sign_ins": 1}
    limits = {60: rounds_of(limited | {"doubled": 0, "seconds": 65.4})}
    for page in ("benchmarks.md", "polling.md"):
        (tmp_path / page).write_text(f"# Title\n\n{report.MARK}stale\n")
    export = {"seconds": 5.0, "fetch_seconds": 2.0, "mb_per_second": 200.0}
    exports = {"ours": rounds_of(export), "curl": rounds_of(export | {"seconds": 4.0})}
    polls = {name: rounds_of({"poll_ms": 0.3, "start_ms": 0.2}) for name in ("bare", "ours")}
    found = report.Found(parts.QUICK, waits, polls, submits, exports, imports, limits, {"both": 1})
    report.write(found, tmp_path, lambda: "those versions")
    text = (tmp_path / "benchmarks.md").read_text()
    assert text.startswith("# Title\n\n<!-- measured")
    assert "| 1,000 | `ZuoraJobTrigger` | 1.00 | 1.00 (1.00 to 1.00) | 20 | 1 | 30 | 50 |" in text
    assert "| `ZuoraJobTrigger` | 0.20 (0.20 to 0.20) | 0.30 (0.30 to 0.30) |" in text
    assert "| `zuora-sdk`, a loop (scaled from 20 orders) | 3.0 |" in text
    assert "| 60 | 0 | 1,234 | 7 | 0 | 1 | 0 | 65 |" in text
    assert "| `export_query` | 5.0 | 200 | 0.80 (0.80 to 0.80) | 0.40 (0.40 to 0.40) |" in text
    assert "| both | 1 |" in text
    assert "stale" not in text
    assert "| every 60 s | 2.0 /" in (tmp_path / "polling.md").read_text()
    for image in ("benchmarks.svg", "polling.svg"):
        ET.parse(tmp_path / "images" / image)


def test_bars_are_as_tall_as_their_logarithms():
    (low, high) = ET.fromstring(plot.draw_chart("t", "ms", {"g": {"a": 10.0, "b": 100.0}})).findall("rect")
    assert float(high.get("height")) == pytest.approx(190.0)
    assert float(low.get("height")) == pytest.approx(0.0)
