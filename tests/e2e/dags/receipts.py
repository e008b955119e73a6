"""Orders by mapped tasks, one that fails, and one with the numbers of a card; on Airflow 2.11 as well."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

from airflow.providers.common.compat.sdk import dag

from airflow_provider_zuora.operators.orders import ZuoraCreateOrderOperator, ZuoraCreateOrdersOperator
from airflow_provider_zuora.sensors.zuora import ZuoraJobSensor

LINE = {"itemName": "Installation", "itemType": "Services", "quantity": 1, "amountPerUnit": 250}
PAID = Path(__file__).with_name("paid.json")  # read when the task runs: Airflow stores all of a DAG
WAIT = {"wait_for_completion": True, "poll_interval": 3, "timeout": 300}


def order(number):
    return {
        "orderNumber": f"{{{{ dag.dag_id }}}}-{{{{ run_id }}}}-{number}",
        "existingAccountNumber": "A00000097",
        "orderDate": "2024-07-01",
        "orderLineItems": [LINE],
    }


@dag(schedule=None, start_date=datetime(2026, 1, 1, tzinfo=UTC), catchup=False)
def receipts():
    mapped = ZuoraCreateOrderOperator.partial(task_id="mapped", zuora_conn_id="zuora_paged", **WAIT)
    mapped.expand(order=[order(number) for number in range(2)])
    ZuoraCreateOrderOperator(
        task_id="failing", order=order(2), zuora_conn_id="zuora_refusing_paged", retries=0, **WAIT
    )
    ZuoraCreateOrderOperator(task_id="paid", order=PAID, zuora_conn_id="zuora_paged", **WAIT)
    submit = ZuoraCreateOrdersOperator(
        task_id="submit", orders=[order(3), order(4)], zuora_conn_id="zuora_paged"
    )
    ZuoraJobSensor(
        task_id="wait", job_id=submit.output, zuora_conn_id="zuora_paged", poke_interval=3, timeout=300
    )


receipts()
