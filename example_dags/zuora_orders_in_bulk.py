"""Submit a list of orders in one task, wait for their jobs in another, and tell what became of them."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from airflow.providers.common.compat.sdk import dag, task

from airflow_provider_zuora.operators.orders import ZuoraCreateOrdersOperator
from airflow_provider_zuora.sensors.zuora import ZuoraJobSensor


@dag(schedule=None, start_date=datetime(2026, 1, 1, tzinfo=UTC), catchup=False, tags=["zuora"])
def zuora_orders_in_bulk() -> None:
    @task
    def read_sales(dag: Any = None, run_id: str | None = None) -> list[dict[str, Any]]:
        """Stand in for whatever tells of the day's sales."""
        return [
            {
                "orderNumber": f"{dag.dag_id}-{run_id}-{number}",
                "existingAccountNumber": "A00000097",
                "orderDate": "2024-07-01",
                "orderLineItems": [
                    {
                        "itemName": "Installation",
                        "itemType": "Services",
                        "quantity": number,
                        "amountPerUnit": 250,
                    }
                ],
            }
            for number in range(1, 51)
        ]

    submit = ZuoraCreateOrdersOperator(task_id="submit", orders=read_sales(), retries=2)
    wait = ZuoraJobSensor(task_id="wait", job_id=submit.output, poke_interval=5)

    @task
    def report(results: list[dict[str, Any]]) -> list[str]:
        numbers = [str(result["orderNumber"]) for result in results]
        print(f"Zuora made {len(numbers)} orders, {numbers[0]} to {numbers[-1]}")
        return numbers

    report(wait.output)


zuora_orders_in_bulk()
