"""Create an order at Zuora once, wait for it without holding a worker, and use its numbers."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from airflow.providers.common.compat.sdk import Asset, dag, task

from airflow_provider_zuora.operators.orders import ZuoraCreateOrderOperator

ORDER: dict[str, Any] = {
    # The same run asks for the same number again, however often it is retried or cleared; no other run does.
    # Zuora takes 100 characters, but none of # ? /, which neither DAG ids nor run ids have.
    "orderNumber": "{{ dag.dag_id }}-{{ run_id }}",
    "existingAccountNumber": "A00000097",
    "orderDate": "2024-07-01",
    "subscriptions": [
        {
            "orderActions": [
                {
                    "type": "CreateSubscription",
                    "createSubscription": {
                        "terms": {
                            "initialTerm": {"period": 12, "periodType": "Month", "termType": "TERMED"},
                            "renewalSetting": "RENEW_WITH_SPECIFIC_TERM",
                            "renewalTerms": [{"period": 12, "periodType": "Month"}],
                        },
                        "subscribeToRatePlans": [{"productRatePlanId": "8ad081dd9096ef9501909b40bb4e74a4"}],
                    },
                }
            ]
        }
    ],
}


@dag(schedule=None, start_date=datetime(2026, 1, 1, tzinfo=UTC), catchup=False, tags=["zuora"])
def zuora_order() -> None:
    create = ZuoraCreateOrderOperator(
        task_id="create",
        order=ORDER,
        wait_for_completion=True,
        poll_interval=5,
        outlets=[Asset("zuora_order_completed")],  # zuora_order_completed.py runs then
        retries=2,
        retry_delay=timedelta(minutes=1),
    )

    @task
    def report(result: dict[str, Any]) -> str:
        print(f"Zuora made order {result['orderNumber']} for account {result['accountNumber']}")
        return str(result["orderNumber"])

    report(create.output)


zuora_order()
