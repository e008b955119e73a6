"""Orders from files, one of which fails, and queries by operator and by hook; on Airflow 2.11 as well."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

from airflow.providers.common.compat.sdk import dag, task

from airflow_provider_zuora.hooks.zuora import ZuoraHook
from airflow_provider_zuora.operators.data_query import ZuoraDataQueryOperator
from airflow_provider_zuora.operators.orders import ZuoraCreateOrderOperator, ZuoraCreateOrdersOperator

HERE = Path(__file__).parent / "lineage"
WAIT = {"wait_for_completion": True, "poll_interval": 3, "timeout": 300, "retries": 0}


@task
def by_hook():
    return ZuoraHook().export_query("SELECT id FROM Account", HERE / "by_hook.csv")["rows"]


@dag(
    schedule=None, start_date=datetime(2026, 1, 1, tzinfo=UTC), catchup=False, template_searchpath=[str(HERE)]
)
def lineage():
    ZuoraCreateOrderOperator(task_id="completed", order=HERE / "completed.json", **WAIT)
    ZuoraCreateOrderOperator(task_id="failing", order=HERE / "failing.json", **WAIT)
    ZuoraCreateOrdersOperator(task_id="many", orders=HERE / "orders.jsonl")
    ZuoraDataQueryOperator(task_id="query", query="query.sql", output_path=HERE / "query.csv")
    by_hook()


lineage()
