"""Export yesterday's orders from Elastic Path and make a Zuora order of each; each once, whatever happens."""

from __future__ import annotations

import csv
import json
import os
import tempfile
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import pendulum
from airflow.providers.common.compat.sdk import AirflowFailException, ObjectStoragePath, dag, task
from airflow.timetables.interval import CronDataIntervalTimetable

from airflow_provider_zuora.operators.elastic_path import ElasticPathExportOrdersOperator
from airflow_provider_zuora.operators.orders import ZuoraCreateOrdersOperator
from airflow_provider_zuora.sensors.zuora import ZuoraJobSensor

# Orders are personal data: a folder of this user's own, or a bucket that all workers reach, such as
# s3://aws_default@bucket/order-exports
PLACE = os.environ.get("ORDER_EXPORTS") or f"file://{tempfile.gettempdir()}/order-exports-{os.getuid()}"
MINOR_UNITS = 100  # Elastic Path counts money in cents; change this for currencies without them


def created_between(start: datetime, end: datetime) -> str:
    """Return Elastic Path's filter for the orders of a data interval, whatever its time zone."""
    first, last = (pendulum.instance(each).in_timezone("UTC") for each in (start, end))
    return f"ge(created_at,{first.to_iso8601_string()}):lt(created_at,{last.to_iso8601_string()})"


def zuora_order(row: Mapping[str, str]) -> dict[str, Any]:
    """
    Return the Zuora order of one row of the export; the same row always makes the same order.

    Elastic Path documents no columns: these are those of our store, and a custom field of each order holds
    the number of the customer's Zuora account.
    """
    day = pendulum.instance(datetime.fromisoformat(row["created_at"])).in_timezone("UTC").to_date_string()
    return {
        "orderNumber": f"EP-{row['id']}",
        "existingAccountNumber": row["zuora_account"],
        "orderDate": day,
        "description": f"Elastic Path order {row['id']}",
        "orderLineItems": [
            {
                "itemName": row["product"],
                "itemType": "Product",
                "quantity": int(row["quantity"]),
                "amountPerUnit": int(row["unit_amount"]) / MINOR_UNITS,
                "currency": row["currency"],
                "billingRule": "TriggerWithoutFulfillment",
                "transactionStartDate": day,
                "transactionEndDate": day,
            }
        ],
    }


def zuora_orders(rows: Iterable[Mapping[str, str]]) -> list[dict[str, Any]]:
    """
    Return the Zuora order of each row.

    :raises AirflowFailException: if a row lacks a column or holds no number or time, with the row's line.
    """
    orders = []
    for line, row in enumerate(rows, start=2):  # the first line is the header
        try:
            orders.append(zuora_order(row))
        except (KeyError, TypeError, ValueError) as error:
            raise AirflowFailException(
                f"line {line} of the export is no order ({error!r}); nothing was sent"
            ) from error
    return orders


def own_key(order: Mapping[str, Any]) -> str:
    """Return what names an order in every run, so that an overlapping run sends it under the same key."""
    return str(order["orderNumber"])


@dag(
    # Each run has the orders of the day before it; Airflow 3's own "@daily" has no interval.
    schedule=CronDataIntervalTimetable("0 0 * * *", timezone="UTC"),
    start_date=datetime(2026, 1, 1, tzinfo=UTC),
    catchup=False,
    max_active_runs=1,
    user_defined_macros={"created_between": created_between},
    default_args={"retries": 2, "retry_delay": timedelta(minutes=1)},
    tags=["elastic path", "zuora"],
)
def elastic_path_to_zuora() -> None:
    export = ElasticPathExportOrdersOperator(
        task_id="export",
        filter="{{ created_between(data_interval_start, data_interval_end) }}",
        output_path=f"{PLACE}/{{{{ data_interval_start | ds }}}}.csv",
        empty_export="skip",
    )

    @task
    def convert(exported: dict[str, Any]) -> str:
        """Write the Zuora orders beside the CSV; they never reach Airflow's database."""
        table = ObjectStoragePath(exported["path"])
        orders = ObjectStoragePath(f"{exported['path']}.jsonl")
        with table.open("r", encoding="utf-8", newline="") as file:
            # Before Airflow 3.1.2 nobody can iterate over a file of ObjectStoragePath itself.
            made = zuora_orders(csv.DictReader(iter(file.readline, "")))
        orders.write_text("".join(json.dumps(order) + "\n" for order in made))
        return str(orders)

    submit = ZuoraCreateOrdersOperator(
        task_id="submit",
        orders=convert(export.output),
        on_existing="adopt",
        on_refusal="skip",
        idempotency_key=own_key,
    )
    wait = ZuoraJobSensor(task_id="wait", job_id=submit.output)

    @task
    def report(entries: list[dict[str, Any]], results: list[dict[str, Any]]) -> dict[str, str]:
        """Tell which order became which; one that Zuora refused fails the run, so that somebody looks."""
        made = iter(results)
        numbers, refused = {}, []
        for entry in entries:
            order_id = entry["order_number"].removeprefix("EP-")
            if entry["job_id"]:
                numbers[order_id] = str(next(made)["orderNumber"])
                print(f"Elastic Path order {order_id} is Zuora order {numbers[order_id]}")
            else:
                refused.append(f"Elastic Path order {order_id}: {entry['error']}")
        if refused:
            raise AirflowFailException("\n".join([f"{len(refused)} of {len(entries)} orders:", *refused]))
        return numbers

    report(submit.output["submit_results"], wait.output)


elastic_path_to_zuora()
