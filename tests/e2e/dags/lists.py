"""A list of orders whose every job fails."""

from __future__ import annotations

from datetime import UTC, datetime

from airflow.sdk import dag

from airflow_provider_zuora.operators.orders import ZuoraCreateOrdersOperator
from airflow_provider_zuora.sensors.zuora import ZuoraJobSensor

LINE = {"itemName": "Installation", "itemType": "Services", "quantity": 1, "amountPerUnit": 250}


@dag(schedule=None, start_date=datetime(2026, 1, 1, tzinfo=UTC), catchup=False)
def refused_list():
    orders = [
        {
            "orderNumber": f"O-{{{{ run_id }}}}-{number}",
            "existingAccountNumber": "A00000097",
            "orderDate": "2024-07-01",
            "orderLineItems": [LINE],
        }
        for number in range(3)
    ]
    conn = {"zuora_conn_id": "zuora_refusing"}
    submit = ZuoraCreateOrdersOperator(task_id="submit", orders=orders, **conn)
    ZuoraJobSensor(task_id="wait", job_id=submit.output, poke_interval=3, timeout=300, **conn)


refused_list()
