"""Figures reach what Airflow is configured to send them to, where nothing was set up before."""

import os
import subprocess
import sys

import pytest

from airflow_provider_zuora.core.metrics import METRICS
from demo.processes import wait_for
from tests.e2e.metrics_sink import MetricsSink

EMIT = """
from airflow_provider_zuora.airflow_context.metrics import emit
from airflow_provider_zuora.core.metrics import METRICS

for metric in METRICS:
    emit(metric, 1, {tag: "a b" for tag in metric.tags})
"""


@pytest.fixture(scope="module")
def figures():
    """What StatsD is told by a process that Airflow has set up nothing in, as a triggerer's triggers."""
    with MetricsSink() as sink:
        config = {f"AIRFLOW__{name.upper()}": value for name, value in sink.config().items()}
        subprocess.run([sys.executable, "-c", EMIT], env=os.environ | config, check=True)
        wait_for("the last figure", lambda: sink.figures[METRICS[-1].name], 60)
        yield sink.figures


@pytest.mark.parametrize("metric", METRICS, ids=lambda metric: metric.name)
def test_each_figure_arrives_with_its_tags(figures, metric):
    [figure] = figures[metric.name]

    assert set(figure.tags) == set(metric.tags)
    assert set(figure.tags.values()) <= {"a_b"}
