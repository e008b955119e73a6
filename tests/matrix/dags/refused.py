"""Orders whose jobs fail at Zuora, each with retries that would be in vain."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from airflow.providers.common.compat.sdk import dag

from airflow_provider_zuora.operators.orders import ZuoraCreateOrderOperator, ZuoraCreateOrdersOperator
from airflow_provider_zuora.sensors.zuora import ZuoraJobSensor


def order(name):
    number = f"{{{{ dag.dag_id }}}}-{{{{ run_id }}}}-{name}"
    item = {"itemName": "Installation", "itemType": "Services", "quantity": 1, "amountPerUnit": 250}
    return {
        "orderNumber": number,
        "existingAccountNumber": "A00000097",
        "orderDate": "2024-07-01",
        "orderLineItems": [item],
    }


@dag(
    schedule=None,
    start_date=datetime(2026, 1, 1, tzinfo=UTC),
    catchup=False,
    default_args={
        "zuora_conn_id": "zuora_refusing",
        "retries": 2,
        "retry_delay": timedelta(seconds=1),
    },
)
def refused():
    ZuoraCreateOrderOperator(task_id="create", order=order("one"), wait_for_completion=True)
    submit = ZuoraCreateOrdersOperator(task_id="submit", orders=[order("two"), order("three")])
    ZuoraJobSensor(task_id="wait", job_id=submit.output)


refused()
