"""Two orders whose vendor asks to wait, each in a task of its own; one is waited for too."""

from __future__ import annotations

from datetime import datetime, timezone

from airflow.providers.common.compat.sdk import DAG

from airflow_provider_zuora.operators.orders import ZuoraCreateOrderOperator

LINE = {"itemName": "Installation", "itemType": "Services", "quantity": 1, "amountPerUnit": 250}
CONN = {"zuora_conn_id": "zuora_pausing", "retries": 0}


def order(**fields):
    """Return an order whose description names the run."""
    return {
        "existingAccountNumber": "A00000097",
        "orderDate": "2024-07-01",
        "description": "{{ run_id }}",
        "orderLineItems": [LINE],
        **fields,
    }


with DAG("paused", schedule=None, start_date=datetime(2026, 1, 1, tzinfo=timezone.utc), catchup=False):  # noqa: UP017
    ZuoraCreateOrderOperator(task_id="submit", order=order(), **CONN)
    ZuoraCreateOrderOperator(
        task_id="wait", order=order(orderNumber="P-{{ run_id }}"), wait_for_completion=True, **CONN
    )
