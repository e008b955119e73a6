"""Hand the figures of `core.metrics` to Airflow's metrics, as ``zuora.<name>``."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from datetime import timedelta

from airflow_provider_zuora.core.metrics import Metric, MetricType
from airflow_provider_zuora.version_compat import get_stats

log = logging.getLogger(__name__)

PREFIX = "zuora."


def emit(metric: Metric, value: float, tags: Mapping[str, str]) -> None:
    """Hand over one figure; a backend that fails fails no task."""
    name = PREFIX + metric.name
    try:
        stats = get_stats()
        if stats is None:
            return
        own = {tag: text.replace(" ", "_") for tag, text in tags.items()}  # as StatsD's exporters read them
        if metric.type is MetricType.COUNTER:
            stats.incr(name, int(value), tags=own)
        elif metric.type is MetricType.GAUGE:
            stats.gauge(name, value, tags=own)
        else:
            stats.timing(name, timedelta(seconds=value), tags=own)
    except Exception as error:  # noqa: BLE001 - a backend's own, and no reason to fail a task
        log.debug("The metric %s was not taken: %r", name, error)
