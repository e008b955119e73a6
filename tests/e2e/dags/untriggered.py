"""An order and a list of orders, whose waits nobody polls: for an Airflow without a triggerer."""

from __future__ import annotations

from datetime import UTC, datetime

from airflow.sdk import dag

from airflow_provider_zuora.operators.orders import ZuoraCreateOrderOperator, ZuoraCreateOrdersOperator
from airflow_provider_zuora.sensors.zuora import ZuoraJobSensor

LINE = {"itemName": "Installation", "itemType": "Services", "quantity": 1, "amountPerUnit": 250}
CONN = {"zuora_conn_id": "zuora_untriggered", "retries": 0}


def order(number):
    return {
        "orderNumber": f"{{{{ dag.dag_id }}}}-{{{{ run_id }}}}-{number}",
        "existingAccountNumber": "A00000097",
        "orderDate": "2024-07-01",
        "orderLineItems": [LINE],
    }


@dag(schedule=None, start_date=datetime(2026, 1, 1, tzinfo=UTC), catchup=False)
def untriggered():
    ZuoraCreateOrderOperator(task_id="create", order=order(0), wait_for_completion=True, **CONN)
    submit = ZuoraCreateOrdersOperator(task_id="submit", orders=[order(1), order(2)], **CONN)
    ZuoraJobSensor(task_id="wait", job_id=submit.output, **CONN)


untriggered()
