"""Orders, MAPPED_TASKS of them, each submitted by a mapped task, which is a process of its own."""

from __future__ import annotations

import os
from datetime import UTC, datetime

from airflow.sdk import dag

from airflow_provider_zuora.operators.orders import ZuoraCreateOrderOperator

ACTION = {
    "type": "CreateSubscription",
    "createSubscription": {
        "subscribeToRatePlans": [{"productRatePlanId": "8ad081dd9096ef9501909b40bb4e74a4"}]
    },
}


def order(number):
    return {
        "orderNumber": f"O-MAPPED-{number}",
        "existingAccountNumber": "A00000097",
        "orderDate": "2024-07-01",
        "subscriptions": [{"orderActions": [ACTION]}],
    }


@dag(schedule=None, start_date=datetime(2026, 1, 1, tzinfo=UTC), catchup=False)
def mapped():
    orders = [order(number) for number in range(int(os.environ.get("MAPPED_TASKS", "20")))]
    ZuoraCreateOrderOperator.partial(task_id="submit", zuora_conn_id="zuora_mapped").expand(order=orders)


mapped()
