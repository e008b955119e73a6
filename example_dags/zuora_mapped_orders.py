"""Submit each order in a task of its own, which Airflow's pages name by the number of its order."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from airflow.providers.common.compat.sdk import dag, task

from airflow_provider_zuora.operators.orders import ZuoraCreateOrderOperator


@dag(schedule=None, start_date=datetime(2026, 1, 1, tzinfo=UTC), catchup=False, tags=["zuora"])
def zuora_mapped_orders() -> None:
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
            for number in range(1, 6)
        ]

    create = ZuoraCreateOrderOperator.partial(
        task_id="create",
        map_index_template="{{ task.order['orderNumber'] }}",
        wait_for_completion=True,
        poll_interval=5,
        retries=2,
    ).expand(order=read_sales())

    @task
    def report(results: Any) -> list[str]:
        numbers = [str(result["orderNumber"]) for result in results]
        print(f"Zuora made {len(numbers)} orders: {', '.join(numbers)}")
        return numbers

    report(create.output)


zuora_mapped_orders()
