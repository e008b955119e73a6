"""The load of `make cluster-test`; `tests.cluster.load` says how many of what."""

from __future__ import annotations

import os
from datetime import UTC, datetime, timedelta
from typing import Any

from airflow.providers.common.compat.sdk import dag

from airflow_provider_zuora.operators.billing import ZuoraBillRunOperator
from airflow_provider_zuora.operators.data_query import ZuoraDataQueryOperator
from airflow_provider_zuora.operators.orders import ZuoraCreateOrderOperator, ZuoraCreateOrdersOperator
from airflow_provider_zuora.sensors.zuora import ZuoraJobSensor
from tests.cluster.load import (
    choose_load,
    is_returned,
    make_order,
    make_orders,
    make_query,
    mark,
)

LOAD = choose_load()
FILES = f"{os.environ['AIRFLOW_HOME']}/files"
POLL = 5.0  # seconds
WAITED: dict[str, Any] = {"wait_for_completion": True, "poll_interval": POLL}
COMMON: dict[str, Any] = {
    "start_date": datetime(2026, 1, 1, tzinfo=UTC),
    "catchup": False,
    "default_args": {"retries": 5, "retry_delay": timedelta(seconds=10)},
}


@dag(schedule=None, **COMMON)
def mapped() -> None:
    numbered = make_orders("M", LOAD.numbered, is_numbered=True)
    ZuoraCreateOrderOperator.partial(task_id="numbered", **WAITED).expand(order=numbered)
    bare = make_orders("N", LOAD.bare, is_numbered=False)
    ZuoraCreateOrderOperator.partial(task_id="bare", **WAITED).expand(order=bare)


@dag(schedule=None, **COMMON)
def lists() -> None:
    numbered = make_orders("B", LOAD.listed, is_numbered=True)
    submit = ZuoraCreateOrdersOperator(task_id="submit_numbered", orders=numbered)
    ZuoraJobSensor(task_id="wait_numbered", job_id=submit.output, poke_interval=POLL)
    bare = make_orders("C", LOAD.bare_listed, is_numbered=False)
    submit = ZuoraCreateOrdersOperator(task_id="submit_bare", orders=bare)
    ZuoraJobSensor(task_id="wait_bare", job_id=submit.output, poke_interval=POLL)


@dag(schedule=None, **COMMON)
def pairs() -> None:
    for index in range(LOAD.pairs):
        order = make_order(mark("P", index), is_numbered=index % 2 == 0)
        submit = ZuoraCreateOrderOperator(task_id=f"submit_{index:03d}", order=order)
        in_triggerer = index % 4 >= 2
        ZuoraJobSensor(
            task_id=f"wait_{index:03d}",
            job_id=submit.output,
            poke_interval=POLL,
            start_from_trigger=in_triggerer,
            end_from_trigger=in_triggerer,
        )


@dag(schedule=None, **COMMON)
def queries() -> None:
    every = range(LOAD.queries)
    returned = [make_query(index) for index in every if is_returned(index)]
    ZuoraDataQueryOperator.partial(task_id="rows", poll_interval=POLL).expand(query=returned)
    files = [
        {"query": make_query(index), "output_path": f"{FILES}/{mark('Q', index)}.csv"}
        for index in every
        if not is_returned(index)
    ]
    ZuoraDataQueryOperator.partial(task_id="files", poll_interval=POLL).expand_kwargs(files)


@dag(schedule=None, **COMMON)
def bill_runs() -> None:
    runs = [
        {
            "name": mark("R", index),
            "targetDate": "2026-01-31",
            "invoiceDate": "2026-01-31",
            "batches": [f"Batch{index + 1}"],
        }
        for index in range(LOAD.bill_runs)
    ]
    ZuoraBillRunOperator.partial(task_id="bill", post=True, poll_interval=POLL).expand(bill_run=runs)


@dag(schedule=None, **COMMON)
def refused() -> None:
    orders = make_orders("X", LOAD.refused, is_numbered=True)
    ZuoraCreateOrderOperator.partial(task_id="create", **WAITED).expand(order=orders)


mapped()
lists()
pairs()
queries()
bill_runs()
refused()
