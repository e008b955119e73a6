"""A query that takes longer than anybody waits."""

from __future__ import annotations

from datetime import UTC, datetime

from airflow.sdk import dag

from airflow_provider_zuora.operators.data_query import ZuoraDataQueryOperator


@dag(schedule=None, start_date=datetime(2026, 1, 1, tzinfo=UTC), catchup=False)
def endless_query():
    ZuoraDataQueryOperator(task_id="query", query="SELECT id FROM Endless")


endless_query()
