"""Airflow's metrics: what StatsD is told while orders are submitted and waited for."""

import pytest

from airflow_provider_zuora.core.metrics import METRICS, MetricType
from demo.processes import wait_for

pytestmark = [pytest.mark.e2e, pytest.mark.slow, pytest.mark.timeout(400)]

STATSD = {MetricType.COUNTER: "c", MetricType.GAUGE: "g", MetricType.TIMER: "ms"}
REFUSAL = b'{"success": false, "reasons": [{"code": 53100020, "message": "The account is closed."}]}'


@pytest.fixture(scope="module")
def figures(airflow, zuora, metrics):
    post = {"method": "POST", "path": "/v1/async/orders"}
    zuora.ask(
        "POST",
        "/sandbox/faults",
        post | {"contains": '"M-metered-02"', "status": 429, "headers": {"Retry-After": "3"}},
    )
    body = REFUSAL.decode()
    zuora.ask("POST", "/sandbox/faults", post | {"contains": '"M-metered-07"', "status": 200, "body": body})
    airflow.trigger("metered", run_id="metered")
    assert airflow.wait_run("metered", "metered", timeout=300) == "success"
    wait_for("the last figure", lambda: metrics.figures["waiting"], 60)
    return metrics.figures


@pytest.mark.parametrize("metric", METRICS, ids=lambda metric: metric.name)
def test_statsd_is_told_of_each_metric_with_its_tags(figures, metric):
    found = figures[metric.name]
    assert {each.type for each in found} == {STATSD[metric.type]}
    assert {frozenset(each.tags) for each in found} == {frozenset(metric.tags)}


def test_each_order_is_a_submission_or_a_refusal(figures):
    of_orders = [each for each in figures["submissions"] if each.tags["kind"] == "order"]
    assert sum(each.value for each in of_orders) >= 19
    refusals = [each.tags["category"] for each in figures["refusals"] if each.tags["kind"] == "order"]
    assert "refused" in refusals


def test_a_triggerer_tells_of_what_it_waits_for_and_that_it_waits_no_longer(figures):
    assert max(each.value for each in figures["waiting"]) >= 19
