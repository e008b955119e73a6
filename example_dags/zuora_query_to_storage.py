"""Put each day's invoices to a store, by Data Query: one file for each day, however often the day is run."""

from __future__ import annotations

import os
import tempfile
from datetime import UTC, datetime, timedelta
from typing import Any

import pendulum
from airflow.providers.common.compat.sdk import Asset, dag, task
from airflow.timetables.interval import CronDataIntervalTimetable

from airflow_provider_zuora.operators.data_query import ZuoraDataQueryOperator

# A bucket that all workers reach, such as s3://aws_default@bucket/invoices; or a folder of this user's own.
PLACE = os.environ.get("ZUORA_INVOICES") or f"file://{tempfile.gettempdir()}/zuora-invoices-{os.getuid()}"
QUERY = """
SELECT id, invoicenumber, accountid, invoicedate, duedate, amount, balance, status, createddate
FROM invoice
WHERE createddate >= {{ start_of_day(data_interval_start) }}
  AND createddate < {{ start_of_day(data_interval_end) }}
"""


def start_of_day(moment: datetime) -> str:
    """
    Return the first moment of a day in UTC, as Data Query reads it.

    Three decimals, as here: with six, Zuora uses no index, and reads all invoices that there are.
    """
    return f"TIMESTAMP '{pendulum.instance(moment).in_timezone('UTC').to_date_string()} 00:00:00.000 +00:00'"


@dag(
    # Each run has the invoices of the day before it. It starts two hours after that day: what was made a
    # moment ago, Data Query may not show yet. Airflow 3's own "@daily" has no interval.
    schedule=CronDataIntervalTimetable("0 2 * * *", timezone="UTC"),
    start_date=datetime(2026, 1, 1, tzinfo=UTC),
    catchup=False,
    max_active_runs=1,  # Zuora runs five queries of a tenant at a time: a backfill leaves four to others
    user_defined_macros={"start_of_day": start_of_day},
    default_args={"retries": 2, "retry_delay": timedelta(minutes=5)},
    tags=["zuora"],
)
def zuora_query_to_storage() -> None:
    export = ZuoraDataQueryOperator(
        task_id="export",
        query=QUERY,
        output_path=f"{PLACE}/day={{{{ data_interval_start | ds }}}}/invoices.csv",
        outlets=[Asset("zuora_invoices")],  # its event carries the path, the rows and the bytes
    )

    @task
    def report(exported: dict[str, Any]) -> int:
        print(f"{exported['rows']} invoices, {exported['bytes']} bytes, at {exported['path']}")
        print(f"columns: {', '.join(exported['columns'])}")
        return int(exported["rows"])

    report(export.output)


zuora_query_to_storage()
