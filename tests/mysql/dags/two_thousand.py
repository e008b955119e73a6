"""A list of 2,000 orders, each with a text of three bytes a character; one made, one of failed jobs."""

from __future__ import annotations

from datetime import UTC, datetime

from airflow.sdk import DAG

from airflow_provider_zuora.operators.orders import ZuoraCreateOrdersOperator
from airflow_provider_zuora.sensors.zuora import ZuoraJobSensor

LINE = {"itemName": "Installation", "itemType": "Services", "quantity": 1, "amountPerUnit": 250}
CONNECTIONS = {"made": "zuora_default", "failed": "zuora_refusing"}

for dag_id, conn_id in CONNECTIONS.items():
    with DAG(dag_id, schedule=None, start_date=datetime(2026, 1, 1, tzinfo=UTC), catchup=False):
        orders = [
            {
                "orderNumber": f"{dag_id}-{number}",
                "description": "\N{EURO SIGN}" * 50,
                "existingAccountNumber": "A00000097",
                "orderDate": "2024-07-01",
                "orderLineItems": [LINE],
            }
            for number in range(2000)
        ]
        submit = ZuoraCreateOrdersOperator(task_id="submit", orders=orders, zuora_conn_id=conn_id)
        ZuoraJobSensor(
            task_id="wait", job_id=submit.output, poke_interval=3, timeout=900, zuora_conn_id=conn_id
        )
